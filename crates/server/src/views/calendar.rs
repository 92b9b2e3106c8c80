//! Releases as the calendar shows them.

use jiff::Timestamp;
use trainmaster_api::{
    CalendarBand, CalendarEntry, CalendarMark, ConflictView, FeedView, LegendItem, SlotView,
    TouchesView,
};
use trainmaster_core::access::{Holder, Permission};
use trainmaster_core::calendar::conflict::{Clash, Shared};
use trainmaster_core::calendar::show::{offers, tone};
use trainmaster_core::calendar::span::Span;
use trainmaster_core::calendar::touch::Touches;
use trainmaster_core::calendar::window::Stretch;
use trainmaster_core::freeze::{Freeze, FreezeEffect, FreezeScope};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_store::read::CalendarRow;

use super::{instant, instant_of, words};

/// A release with how it stands to the others.
pub(crate) fn entry(
    row: &CalendarRow,
    clash: &Clash,
    others: &[CalendarRow],
    now: Timestamp,
    may: impl Fn(Permission) -> bool,
) -> CalendarEntry {
    let span = row.place.at(now);
    let late = row.expected_end_at.is_some_and(|end| end < now);
    CalendarEntry {
        id: row.release.to_string(),
        name: row.name.clone(),
        organization: row.organization.as_ref().map(ToString::to_string),
        process: row.process.to_string(),
        group: row.group.as_ref().map(ToString::to_string),
        release_type: words::release_type(row.release_type),
        status: words::release_status(row.status),
        stage: words::stage(row.status.stage()),
        tone: tone(row.status).to_owned(),
        start: instant(span.start),
        end: instant(span.end),
        planned_start: instant_of(row.start_at),
        planned_end: instant_of(row.expected_end_at),
        started_at: instant_of(row.started_at),
        ended_at: instant_of(row.ended_at),
        overdue: late && !row.status.is_terminal() && row.status != ReleaseStatus::Draft,
        manager: row.manager.as_ref().map(ToString::to_string),
        teams: row.teams.iter().map(ToString::to_string).collect(),
        labels: row.labels.iter().cloned().collect(),
        touches: touches(&row.touches),
        mark: mark(clash),
        conflicts: conflicts(clash, others, now),
        more_conflicts: clash.more,
        overlaps: clash.overlaps as u64,
        actions: offers(row.status, may)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    }
}

/// The stronger of two marks, if there is one.
pub(crate) fn mark(clash: &Clash) -> Option<CalendarMark> {
    match (clash.conflicts.is_empty(), clash.overlaps) {
        (false, _) => Some(CalendarMark::Conflict),
        (true, 0) => None,
        (true, _) => Some(CalendarMark::Overlap),
    }
}

/// Those that one collides with, with the reasons.
pub(crate) fn conflicts(
    clash: &Clash,
    others: &[CalendarRow],
    now: Timestamp,
) -> Vec<ConflictView> {
    let conflict = |other: &CalendarRow, found: &Shared| {
        let span = other.place.at(now);
        ConflictView {
            release: other.release.to_string(),
            name: other.name.clone(),
            status: words::release_status(other.status),
            start: instant(span.start),
            end: instant(span.end),
            shared: shared(found),
            reason: found.to_string(),
        }
    };
    clash
        .conflicts
        .iter()
        .map(|found| conflict(&others[found.other], &found.shared))
        .collect()
}

fn shared(shared: &Shared) -> TouchesView {
    TouchesView {
        services: shared.services.clone(),
        environments: shared.environments.clone(),
        exclusive: shared.exclusive.clone(),
    }
}

/// What a release touches.
pub(crate) fn touches(touches: &Touches) -> TouchesView {
    TouchesView {
        services: touches.services.iter().cloned().collect(),
        environments: touches.environments.iter().cloned().collect(),
        exclusive: touches.exclusive.iter().cloned().collect(),
    }
}

/// A stretch of time in which a freeze holds.
pub(crate) fn band(freeze: &Freeze, scope: &FreezeScope, stretch: Stretch) -> CalendarBand {
    let effect = match freeze.effect {
        FreezeEffect::Defer => "defer",
        FreezeEffect::Warn => "warn",
    };
    CalendarBand {
        freeze: freeze.at.to_string(),
        organization: freeze.at.organization.as_ref().map(ToString::to_string),
        reason: freeze.reason.clone(),
        effect: effect.to_owned(),
        from: instant(stretch.from),
        to: instant(stretch.to),
        scope: TouchesView {
            services: scope.services.clone(),
            environments: scope.environments.clone(),
            exclusive: Vec::new(),
        },
    }
}

/// A free stretch of time.
pub(crate) fn slot(span: Span) -> SlotView {
    SlotView {
        from: instant(span.start),
        to: instant(span.end),
    }
}

/// A feed without its token.
pub(crate) fn feed(holder: &Holder, now: Timestamp) -> FeedView {
    FeedView {
        id: holder.token.to_string(),
        description: holder.description.clone(),
        issued_at: instant(holder.issued_at),
        expires_at: instant_of(holder.expires_at),
        valid: holder.is_valid(now),
    }
}

/// What statuses are coloured by.
pub(crate) fn legend() -> Vec<LegendItem> {
    let item = |status: ReleaseStatus| LegendItem {
        status: words::release_status(status),
        tone: tone(status).to_owned(),
    };
    ReleaseStatus::ALL.into_iter().map(item).collect()
}
