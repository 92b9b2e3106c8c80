//! Why nothing moves, as data: who or what unblocks it and, where known, when (2-execution.md, explain).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::freeze::FreezeRef;
use crate::ids::{ActivityPath, Name, Owner, ReleaseId};

/// One thing that a release, a phase or an activity waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The activity that waits; none where a phase or the release itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ActivityPath>,
    /// The phase that waits; none where the release itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Name>,
    /// What for.
    #[serde(flatten)]
    pub reason: WaitingReason,
}

/// What something waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "reason"
)]
pub enum WaitingReason {
    /// A draft waits for somebody to finalize or activate it.
    Finalization {
        /// Who may.
        who: Vec<Owner>,
    },
    /// A start time.
    StartTime {
        /// When.
        at: Timestamp,
    },
    /// A person who starts it (manual start mode, or no start time).
    Start {
        /// Who may.
        who: Vec<Owner>,
        /// Since when it could have started.
        since: Option<Timestamp>,
    },
    /// Something that has to be ready before the start.
    Readiness {
        /// What is not ready.
        items: Vec<Name>,
        /// Who can say that it is.
        who: Vec<Owner>,
        /// Since when it has kept the release from starting; none if its time has not come.
        since: Option<Timestamp>,
    },
    /// The group that it belongs to is paused.
    GroupPaused {
        /// Which.
        group: Name,
    },
    /// Another release of its group must end first.
    Overlap {
        /// The group.
        group: Name,
        /// The other release.
        release: ReleaseId,
    },
    /// Another release must succeed first.
    Predecessor {
        /// Which.
        release: ReleaseId,
    },
    /// Phases that must be settled first.
    Phases {
        /// Which.
        phases: Vec<Name>,
    },
    /// Activities that must be settled first (gates included).
    Activities {
        /// Which.
        activities: Vec<ActivityPath>,
    },
    /// The phase opens later.
    Window {
        /// When.
        opens_at: Timestamp,
    },
    /// A freeze holds it back.
    Freeze {
        /// Which freeze.
        freeze: FreezeRef,
        /// Why it holds.
        why: String,
        /// When its window ends.
        ends_at: Timestamp,
        /// The next opening: later, where other freezes follow it.
        until: Timestamp,
    },
    /// Others of its `forEach` come first.
    Slot {
        /// How many may run at once.
        limit: u32,
    },
    /// Time passes.
    Timer {
        /// Until when.
        until: Timestamp,
    },
    /// The next automatic retry.
    Retry {
        /// When.
        at: Timestamp,
        /// Which attempt failed.
        attempt: u32,
        /// Why it failed.
        error: String,
    },
    /// People who approve.
    Approval {
        /// Who may still decide.
        who: Vec<Owner>,
        /// Approvals that count so far.
        approved: u32,
        /// Approvals needed.
        needed: u32,
        /// When the deadline rule applies.
        deadline: Option<Timestamp>,
        /// Whether that has passed.
        overdue: bool,
    },
    /// People who give values.
    Input {
        /// Who.
        who: Vec<Owner>,
        /// Which values.
        fields: Vec<String>,
    },
    /// People who work through a checklist.
    Tasks {
        /// Who.
        who: Vec<Owner>,
        /// Tasks not done yet.
        open: Vec<Name>,
    },
    /// A person who decides what becomes of a failure.
    Resolution {
        /// Who.
        who: Vec<Owner>,
        /// What went wrong.
        error: String,
        /// Whether the outcome is not known, rather than bad.
        unknown: bool,
        /// When it is given up; none is never.
        deadline: Option<Timestamp>,
    },
    /// An external system that works.
    External {
        /// Which kind of activity.
        uses: String,
        /// What the outside calls it.
        handle: Option<Value>,
        /// Since when.
        since: Timestamp,
        /// When it runs out of time.
        deadline: Option<Timestamp>,
    },
    /// A child release.
    Child {
        /// Which.
        release: ReleaseId,
    },
    /// Somebody paused the release.
    Paused {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// An attempt is being stopped.
    Cancellation {
        /// When it is recorded as not confirmed.
        confirm_by: Timestamp,
    },
    /// The handling of the release panicked.
    Quarantine {
        /// The panic's message.
        why: String,
    },
    /// Ready; the engine takes it up next.
    Engine,
}
