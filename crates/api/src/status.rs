//! The words for where things stand, as written on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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
    /// Being stopped.
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

    /// The status as written.
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

/// The coarser stage of a release's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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

/// The coarsest word for where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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

/// Who a release is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// The account with all its organizations.
    Account,
    /// One organization.
    Organization,
}

/// Where a phase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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

/// Where an activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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
    /// Failed, and waived.
    Ignored,
    /// Never run.
    Skipped,
    /// Stopped with its release.
    Aborted,
}

/// How one attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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

/// Why an attempt began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AttemptTrigger {
    /// Its predecessors were done.
    Flow,
    /// The retry policy.
    Policy,
    /// A person.
    Person,
    /// The outcome before was not known.
    Unknown,
}

/// How much a part matters to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Importance {
    /// Its failure fails the parent unless a person recovers it.
    Critical,
    /// Its failure degrades the parent.
    Required,
    /// Its failure never degrades the parent.
    Optional,
}

/// Where a value came from, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The process's default.
    Default,
    /// The input set.
    InputSet,
    /// Given with the release.
    Release,
    /// A global variable.
    Global,
    /// A phase variable.
    Phase,
    /// An activity variable.
    Activity,
    /// Given at execution time, or changed for one attempt.
    Override,
}

/// What kind of release it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseType {
    /// Regular, by cadence.
    #[default]
    Standard,
    /// An emergency.
    Hotfix,
    /// One capability.
    Feature,
    /// Many services over days or weeks.
    System,
}

/// Whether a scheduled release starts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum StartMode {
    /// At its start time.
    #[default]
    Auto,
    /// A person starts it once its time has come.
    Manual,
}

/// Where a restart begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RestartFrom {
    /// From the first phase; everything runs again.
    Start,
    /// From the first unfinished activity; finished work is kept.
    #[default]
    Unfinished,
}

/// Where a task of a checklist stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Not begun.
    Todo,
    /// Begun.
    InProgress,
    /// Done.
    Done,
    /// Could not be done.
    Failed,
    /// Waits for something outside.
    Blocked,
}

/// A named bundle of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, tokens included.
    Administrator,
    /// Definitions and releases, with activate, abort and override.
    ReleaseManager,
    /// Writes definitions; runs nothing.
    Author,
    /// Runs releases: retries, ignores, submits.
    Operator,
    /// Reads, and decides where named as approver or owner.
    Viewer,
}
