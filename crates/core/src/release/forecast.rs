//! When a release will have ended, as far as that can be told, and how far it is from its plan.
//!
//! Both are advisory: nothing waits for them and nothing is judged by them.

use jiff::{SignedDuration, Timestamp};

use crate::event::Work;
use crate::ids::ReleaseId;
use crate::release::Release;
use crate::status::{PhaseStatus, ReleaseStatus};
use crate::world::World;

/// Planned against actual times of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Punctuality {
    /// How much later than planned it started; negative is earlier.
    pub start_delay: Option<SignedDuration>,
    /// From the planned start to the expected end.
    pub planned: Option<SignedDuration>,
    /// From the start to the end, or until now.
    pub actual: Option<SignedDuration>,
    /// How much later than expected it ended; negative is earlier.
    pub end_delay: Option<SignedDuration>,
}

impl Release {
    /// Planned against actual, as of `now`.
    pub fn punctuality(&self, now: Timestamp) -> Punctuality {
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
            from.zip(to).map(|(from, to)| to.duration_since(from))
        };
        let until = self.ended_at.or(Some(now));
        Punctuality {
            start_delay: between(self.start_at, self.started_at),
            planned: between(self.start_at, self.expected_end_at),
            actual: between(self.started_at, until),
            end_delay: between(self.expected_end_at, self.ended_at),
        }
    }
}

impl World {
    /// When a release that has not ended will have: its planned duration counted from its start, never before what
    /// it is known to wait for; none where it has no planned duration, and for what has ended.
    pub fn forecast_end(&self, id: ReleaseId, now: Timestamp) -> Option<Timestamp> {
        let state = self.releases.get(&id)?;
        let release = &state.release;
        let status = release.status();
        if status.is_terminal() || status == ReleaseStatus::Draft {
            return None;
        }
        let planned = release.punctuality(now).planned?;
        let start = match release.started_at.filter(|_| release.run > 0) {
            Some(started) => started,
            None => release.start_at?.max(now),
        };
        let planned_end = start.checked_add(planned).ok()?;
        let pending = release
            .phases
            .iter()
            .filter(|phase| phase.status == PhaseStatus::Pending);
        let opens = pending.filter_map(|phase| phase.window.opens_at);
        let waits = state.activities.iter().filter_map(|activity| {
            let open = activity.attempt().filter(|one| one.outcome.is_none())?;
            match open.work {
                Work::Wait { until } => Some(until),
                _ => None,
            }
        });
        let known = opens.chain(waits);
        Some(known.fold(planned_end.max(now), Timestamp::max))
    }
}
