//! How an entry of the calendar is shown: its tone, and what it offers.

use jiff::{SignedDuration, Timestamp};

use crate::access::Permission;
use crate::status::ReleaseStatus;

/// What a status is coloured by, as a word; pages choose the colour (checklist M-035).
pub fn tone(status: ReleaseStatus) -> &'static str {
    match status {
        ReleaseStatus::Draft => "draft",
        ReleaseStatus::Scheduled => "planned",
        ReleaseStatus::Queued => "waiting",
        ReleaseStatus::Running => "running",
        ReleaseStatus::OnHold => "attention",
        ReleaseStatus::Aborting => "stopping",
        ReleaseStatus::Success => "success",
        ReleaseStatus::PartialSuccess => "partial",
        ReleaseStatus::Failed => "failed",
        ReleaseStatus::Aborted => "stopped",
    }
}

/// What can be begun from the entry itself; the opened release says everything that is possible, and judges it.
///
/// Only what is scheduled can be started before its time (checklist M-047); a time is moved as long as it has not come.
pub fn offers(status: ReleaseStatus, may: impl Fn(Permission) -> bool) -> Vec<&'static str> {
    let offers: &[(&str, Permission)] = match status {
        ReleaseStatus::Draft => &[("edit", Permission::ReleaseEdit)],
        ReleaseStatus::Scheduled => &[
            ("edit", Permission::ReleaseEdit),
            ("pre-execute", Permission::ReleaseStart),
            ("cancel", Permission::ReleaseEdit),
        ],
        ReleaseStatus::Queued
        | ReleaseStatus::Running
        | ReleaseStatus::OnHold
        | ReleaseStatus::Aborting
        | ReleaseStatus::Success
        | ReleaseStatus::PartialSuccess
        | ReleaseStatus::Failed
        | ReleaseStatus::Aborted => &[],
    };
    let allowed = offers.iter().filter(|(_, permission)| may(*permission));
    allowed.map(|(action, _)| *action).collect()
}

/// How long those who subscribed to a calendar are told that something is cancelled: 30 days.
pub const CANCELLED_TOLD: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What those who subscribed to a calendar are told of a release that was announced to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// It takes place, or did.
    Holds,
    /// It does not take place as announced: it was aborted, or is a draft again.
    Cancelled,
}

/// What they are told now; none once a cancellation was told for long enough.
pub fn announcement(
    status: ReleaseStatus,
    changed_at: Timestamp,
    now: Timestamp,
) -> Option<Announcement> {
    let is_cancelled = matches!(status, ReleaseStatus::Draft | ReleaseStatus::Aborted);
    match is_cancelled {
        false => Some(Announcement::Holds),
        true if changed_at.duration_until(now) <= CANCELLED_TOLD => Some(Announcement::Cancelled),
        true => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_tone_of_its_own() {
        let tones: std::collections::BTreeSet<_> =
            ReleaseStatus::ALL.into_iter().map(tone).collect();
        assert_eq!(tones.len(), ReleaseStatus::ALL.len());
    }
}
