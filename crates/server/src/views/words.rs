//! The words of the domain and of the wire, in both directions.

use trainmaster_api as api;
use trainmaster_core::access::Role;
use trainmaster_core::command::RestartFrom;
use trainmaster_core::event::AttemptTrigger;
use trainmaster_core::release::{Judgement, LinkKind, Origin, ReleaseType, StartMode};
use trainmaster_core::status::{
    ActivityStatus, AttemptStatus, Importance, PhaseStatus, Progress, ReleaseStatus, Stage,
};
use trainmaster_core::uses::tasks::TaskStatus;

/// Writes a conversion between two enums with the same variants.
macro_rules! same_words {
    ($(#[$doc:meta])* $name:ident: $from:ty => $to:ty { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        pub(crate) fn $name(word: $from) -> $to {
            match word {
                $(<$from>::$variant => <$to>::$variant,)+
            }
        }
    };
}

same_words! {
    /// Where a release stands.
    release_status: ReleaseStatus => api::ReleaseStatus {
        Draft, Scheduled, Queued, Running, OnHold, Aborting, Success, PartialSuccess, Failed, Aborted,
    }
}
same_words! {
    /// The coarser stage.
    stage: Stage => api::Stage { Draft, Scheduled, Running, OnHold, Completed }
}
same_words! {
    /// The coarsest word for where a release stands.
    progress: Progress => api::Progress { NotStarted, Running, Completed, Failed }
}
same_words! {
    /// How a part of a review came out.
    judgement: Judgement => api::Judgement { Fine, Attention, Blocking }
}
same_words! {
    /// Where a phase stands.
    phase_status: PhaseStatus => api::PhaseStatus {
        Pending, Running, OnHold, Success, PartialSuccess, Failed, Skipped, Aborted,
    }
}
same_words! {
    /// Where an activity stands.
    activity_status: ActivityStatus => api::ActivityStatus {
        Pending, Queued, Running, OnHold, Success, Failed, Ignored, Skipped, Aborted,
    }
}
same_words! {
    /// How an attempt went.
    attempt_status: AttemptStatus => api::AttemptStatus {
        Running, Succeeded, Failed, TimedOut, Cancelled, Unknown,
    }
}
same_words! {
    /// Why an attempt began.
    attempt_trigger: AttemptTrigger => api::AttemptTrigger { Flow, Policy, Person, Unknown }
}
same_words! {
    /// How much a part matters.
    importance: Importance => api::Importance { Critical, Required, Optional }
}
same_words! {
    /// Where a value came from.
    origin: Origin => api::Origin { Default, InputSet, Release, Global, Phase, Activity, Override }
}
same_words! {
    /// What kind of release it is, as shown.
    release_type: ReleaseType => api::ReleaseType { Standard, Hotfix, Feature, System }
}
same_words! {
    /// What kind of release it is, as asked.
    release_type_asked: api::ReleaseType => ReleaseType { Standard, Hotfix, Feature, System }
}
same_words! {
    /// Whether a release starts by itself, as shown.
    start_mode: StartMode => api::StartMode { Auto, Manual }
}
same_words! {
    /// Whether a release starts by itself, as asked.
    start_mode_asked: api::StartMode => StartMode { Auto, Manual }
}
same_words! {
    /// Where a restart begins.
    restart_from: api::RestartFrom => RestartFrom { Start, Unfinished }
}
same_words! {
    /// Where a task stands, as shown.
    task_status: TaskStatus => api::TaskStatus { Todo, InProgress, Done, Failed, Blocked }
}
same_words! {
    /// Where a task stands, as asked.
    task_status_asked: api::TaskStatus => TaskStatus { Todo, InProgress, Done, Failed, Blocked }
}
same_words! {
    /// A role, as shown.
    role: Role => api::Role { Administrator, ReleaseManager, Author, Operator, Viewer }
}
same_words! {
    /// A role, as asked.
    role_asked: api::Role => Role { Administrator, ReleaseManager, Author, Operator, Viewer }
}
same_words! {
    /// What a link leads to, as shown.
    link_kind: LinkKind => api::LinkKind {
        Ticket, Commit, PullRequest, Branch, Document, Dashboard, Incident, Build, Alert,
        Artifact, TestReport, Other,
    }
}
same_words! {
    /// What a link leads to, as asked.
    link_kind_asked: api::LinkKind => LinkKind {
        Ticket, Commit, PullRequest, Branch, Document, Dashboard, Incident, Build, Alert,
        Artifact, TestReport, Other,
    }
}
