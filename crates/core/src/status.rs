//! Every status, and the roll-up from children to parent (2-execution.md, Statuses).

use serde::{Deserialize, Serialize};

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ReleaseStatus {
    /// Being written; nothing is tracked.
    Draft,
    /// Finalized; waits for its start time.
    Scheduled,
    /// Its time has come; waits for other releases.
    Queued,
    /// At least one activity executes or waits for a timer, window or slot.
    Running,
    /// Nothing executes and at least one person is needed.
    OnHold,
    /// Being stopped; running attempts are being cancelled.
    Aborting,
    /// Everything that counts went well.
    Success,
    /// Delivered with waived or missing parts.
    PartialSuccess,
    /// A critical part failed.
    Failed,
    /// Stopped on purpose.
    Aborted,
}

impl ReleaseStatus {
    /// Every status, in the order of a release's life.
    pub const ALL: [ReleaseStatus; 10] = [
        ReleaseStatus::Draft,
        ReleaseStatus::Scheduled,
        ReleaseStatus::Queued,
        ReleaseStatus::Running,
        ReleaseStatus::OnHold,
        ReleaseStatus::Aborting,
        ReleaseStatus::Success,
        ReleaseStatus::PartialSuccess,
        ReleaseStatus::Failed,
        ReleaseStatus::Aborted,
    ];

    /// Whether the release has ended.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            ReleaseStatus::Success
                | ReleaseStatus::PartialSuccess
                | ReleaseStatus::Failed
                | ReleaseStatus::Aborted
        )
    }

    /// Whether it is under way: started, not ended.
    pub fn is_active(self) -> bool {
        matches!(
            self,
            ReleaseStatus::Queued
                | ReleaseStatus::Running
                | ReleaseStatus::OnHold
                | ReleaseStatus::Aborting
        )
    }

    /// The coarser stage of life.
    pub fn stage(self) -> Stage {
        match self {
            ReleaseStatus::Draft => Stage::Draft,
            ReleaseStatus::Scheduled => Stage::Scheduled,
            ReleaseStatus::Queued | ReleaseStatus::Running | ReleaseStatus::Aborting => {
                Stage::Running
            }
            ReleaseStatus::OnHold => Stage::OnHold,
            ReleaseStatus::Success
            | ReleaseStatus::PartialSuccess
            | ReleaseStatus::Failed
            | ReleaseStatus::Aborted => Stage::Completed,
        }
    }

    /// The coarsest word for it (checklist R-007).
    pub fn progress(self) -> Progress {
        match self {
            ReleaseStatus::Draft | ReleaseStatus::Scheduled => Progress::NotStarted,
            ReleaseStatus::Queued
            | ReleaseStatus::Running
            | ReleaseStatus::OnHold
            | ReleaseStatus::Aborting => Progress::Running,
            ReleaseStatus::Success | ReleaseStatus::PartialSuccess => Progress::Completed,
            ReleaseStatus::Failed | ReleaseStatus::Aborted => Progress::Failed,
        }
    }

    /// The status as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            ReleaseStatus::Draft => "Draft",
            ReleaseStatus::Scheduled => "Scheduled",
            ReleaseStatus::Queued => "Queued",
            ReleaseStatus::Running => "Running",
            ReleaseStatus::OnHold => "OnHold",
            ReleaseStatus::Aborting => "Aborting",
            ReleaseStatus::Success => "Success",
            ReleaseStatus::PartialSuccess => "PartialSuccess",
            ReleaseStatus::Failed => "Failed",
            ReleaseStatus::Aborted => "Aborted",
        }
    }
}

/// The coarsest word for where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Progress {
    /// A draft, or scheduled: nothing has been executed.
    NotStarted,
    /// Started and not ended, on hold included.
    Running,
    /// Ended with something delivered.
    Completed,
    /// Ended as failed or aborted.
    Failed,
}

/// The lifecycle stage, coarser than the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Not finalized.
    Draft,
    /// Finalized, not started.
    Scheduled,
    /// Started.
    Running,
    /// Started, waits for people.
    OnHold,
    /// Ended, with an outcome.
    Completed,
}

impl Stage {
    /// The stage as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Draft => "Draft",
            Stage::Scheduled => "Scheduled",
            Stage::Running => "Running",
            Stage::OnHold => "OnHold",
            Stage::Completed => "Completed",
        }
    }
}

/// Where a phase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PhaseStatus {
    /// Not started.
    Pending,
    /// Started.
    Running,
    /// Started; nothing in it executes and it needs a person.
    OnHold,
    /// Ended well.
    Success,
    /// Ended with waived or missing parts.
    PartialSuccess,
    /// Ended badly.
    Failed,
    /// Never run.
    Skipped,
    /// Stopped with its release.
    Aborted,
}

impl PhaseStatus {
    /// Whether the phase has ended.
    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            PhaseStatus::Pending | PhaseStatus::Running | PhaseStatus::OnHold
        )
    }
}

/// Where an activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ActivityStatus {
    /// Its predecessors are not done.
    Pending,
    /// Ready; waits for a slot, a retry delay, or the end of a pause.
    Queued,
    /// Executing, or waiting for a timer.
    Running,
    /// Waits for a person.
    OnHold,
    /// Done.
    Success,
    /// Failed; with a decision open, or for good.
    Failed,
    /// Failed, and waived by a person or by its importance.
    Ignored,
    /// Never run.
    Skipped,
    /// Stopped with its release.
    Aborted,
}

/// How one attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AttemptStatus {
    /// Under way.
    Running,
    /// Did what it should.
    Succeeded,
    /// Did not.
    Failed,
    /// Ran out of time and was stopped.
    TimedOut,
    /// Stopped on request.
    Cancelled,
    /// Nobody can say whether it happened.
    Unknown,
}

/// How much a part matters to its parent (1-model.md, Process).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Importance {
    /// Its failure fails the parent unless a person recovers it.
    #[default]
    Critical,
    /// Its failure degrades the parent.
    Required,
    /// Its failure never degrades the parent.
    Optional,
}

/// What the end of a child means to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Success, or skipped by a false condition; the flag says the latter.
    Good {
        /// Skipped by its condition.
        skipped: bool,
    },
    /// Ignored, skipped by a person, or partly successful.
    Waived,
    /// Failed, or never run because a predecessor failed.
    Bad,
}

/// What a parent's children add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollUp {
    /// All that counts is good.
    Success,
    /// Something was waived or is missing.
    PartialSuccess,
    /// Something critical is bad.
    Failed,
    /// Every child was skipped by its condition.
    Skipped,
}

/// The roll-up from activities to phase and from phases to release (2-execution.md, Roll-up, rules 1 to 4).
pub fn roll_up(
    children: impl IntoIterator<Item = (Importance, Verdict)>,
    allow_partial_success: bool,
) -> RollUp {
    let (mut failed, mut degraded, mut all_skipped) = (false, false, true);
    for (importance, verdict) in children {
        all_skipped &= verdict == Verdict::Good { skipped: true };
        match (importance, verdict) {
            (Importance::Optional, _) | (_, Verdict::Good { .. }) => (),
            (Importance::Critical, Verdict::Bad) => failed = true,
            (Importance::Required, Verdict::Bad) | (_, Verdict::Waived) => degraded = true,
        }
    }
    match (failed, degraded) {
        (true, _) => RollUp::Failed,
        (false, true) if allow_partial_success => RollUp::PartialSuccess,
        (false, true) => RollUp::Failed,
        (false, false) if all_skipped => RollUp::Skipped,
        (false, false) => RollUp::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Importance::{Critical, Optional, Required};
    use Verdict::{Bad, Waived};

    const GOOD: Verdict = Verdict::Good { skipped: false };
    const SKIPPED: Verdict = Verdict::Good { skipped: true };

    #[test]
    fn the_roll_up_follows_its_four_rules() {
        for (children, expected) in [
            (
                vec![(Critical, GOOD), (Critical, Bad), (Required, Waived)],
                RollUp::Failed,
            ),
            (
                vec![(Critical, GOOD), (Required, Bad)],
                RollUp::PartialSuccess,
            ),
            (vec![(Critical, Waived)], RollUp::PartialSuccess),
            (
                vec![(Required, Waived), (Critical, GOOD)],
                RollUp::PartialSuccess,
            ),
            (
                vec![(Critical, SKIPPED), (Optional, SKIPPED)],
                RollUp::Skipped,
            ),
            (vec![(Critical, SKIPPED), (Critical, GOOD)], RollUp::Success),
            (vec![(Optional, Bad), (Critical, GOOD)], RollUp::Success),
            (
                vec![(Optional, Waived), (Critical, SKIPPED)],
                RollUp::Success,
            ),
        ] {
            assert_eq!(roll_up(children.clone(), true), expected, "{children:?}");
        }
    }

    #[test]
    fn without_partial_success_a_degraded_parent_fails() {
        assert_eq!(roll_up([(Required, Bad)], false), RollUp::Failed);
        assert_eq!(roll_up([(Critical, Waived)], false), RollUp::Failed);
        assert_eq!(roll_up([(Optional, Bad)], false), RollUp::Success);
    }
}
