//! The roll-up from children to parent, computed anew (2-execution.md, Roll-up).

use trainmaster_core::release::SkipReason;
use trainmaster_core::status::{PhaseStatus, ReleaseStatus};

use super::plan::{Plan, Weight};
use super::release::{End, ModelPhase, ModelRelease, PhaseStand, Stand};

/// How a child counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    Good,
    SkippedByCondition,
    Waived,
    Bad,
}

/// What children add up to: the four rules of the specification in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Failed,
    Partial,
    Skipped,
    Success,
}

pub(super) fn add_up(children: &[(Weight, Counts)], allow_partial: bool) -> Sum {
    let any = |weights: &[Weight], counts: Counts| {
        children
            .iter()
            .any(|(weight, child)| weights.contains(weight) && *child == counts)
    };
    if any(&[Weight::Critical], Counts::Bad) {
        return Sum::Failed;
    }
    let degraded = any(&[Weight::Required], Counts::Bad)
        || any(&[Weight::Critical, Weight::Required], Counts::Waived);
    if degraded {
        return if allow_partial {
            Sum::Partial
        } else {
            Sum::Failed
        };
    }
    if children
        .iter()
        .all(|(_, child)| *child == Counts::SkippedByCondition)
    {
        return Sum::Skipped;
    }
    Sum::Success
}

pub(super) fn activity(stand: &Stand) -> Counts {
    match stand {
        Stand::Settled(End::Success) => Counts::Good,
        Stand::Settled(End::Ignored) => Counts::Waived,
        Stand::Settled(End::Skipped(
            SkipReason::Condition | SkipReason::Closed { failed: false },
        )) => Counts::SkippedByCondition,
        _ => Counts::Bad,
    }
}

pub(super) fn phase(phase: &ModelPhase) -> Counts {
    let PhaseStand::Ended(status, reason) = &phase.stand else {
        return Counts::Bad;
    };
    match (status, reason) {
        (PhaseStatus::Success, _) => Counts::Good,
        (PhaseStatus::PartialSuccess, _) => Counts::Waived,
        (
            PhaseStatus::Skipped,
            Some(SkipReason::Condition | SkipReason::Closed { failed: false }) | None,
        ) => Counts::SkippedByCondition,
        _ => Counts::Bad,
    }
}

/// How a phase must end once all its activities are settled.
pub(super) fn of_phase(release: &ModelRelease, plan: &Plan, index: usize) -> PhaseStatus {
    let planned = &plan.phases[index].activities;
    let children: Vec<_> = planned
        .iter()
        .map(|planned| {
            (
                planned.importance,
                activity(&release.activities[&planned.path].stand),
            )
        })
        .collect();
    match add_up(&children, true) {
        Sum::Failed => PhaseStatus::Failed,
        Sum::Partial => PhaseStatus::PartialSuccess,
        Sum::Skipped => PhaseStatus::Skipped,
        Sum::Success => PhaseStatus::Success,
    }
}

/// How a release must end once all its phases have ended.
pub(super) fn of_release(release: &ModelRelease, plan: &Plan) -> ReleaseStatus {
    let phases = plan.phases.iter().zip(&release.phases);
    let children: Vec<_> = phases
        .map(|(planned, stands)| (planned.importance, phase(stands)))
        .collect();
    match add_up(&children, plan.allow_partial) {
        Sum::Failed => ReleaseStatus::Failed,
        Sum::Partial => ReleaseStatus::PartialSuccess,
        Sum::Skipped | Sum::Success => ReleaseStatus::Success,
    }
}

/// How a `forEach` must end once all its items are settled.
pub(super) fn of_items(release: &ModelRelease, path: &str) -> Sum {
    let items = release.items(path);
    let children: Vec<_> = items
        .iter()
        .map(|item| (Weight::Critical, activity(&release.activities[item].stand)))
        .collect();
    add_up(&children, true)
}
