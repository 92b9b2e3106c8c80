//! The verbs of `activity`.

use clap::{Args, Subcommand, ValueEnum};

use super::{ReleaseArg, WaitArgs};

/// `activity …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ActivityCommand {
    /// List the activities of a release
    #[command(visible_alias = "ls")]
    List(ReleaseArg),
    /// Show an activity with its attempts, inputs and outputs
    Show(ActivityArg),
    /// Print what an activity printed
    Logs(LogsArgs),
    /// Try a failed activity again, with the same or changed inputs
    Retry(RetryArgs),
    /// Go on as if a failed activity had succeeded
    Ignore(IgnoreArgs),
    /// Give a failed activity up
    Fail(ActivityReasonArgs),
    /// Approve
    Approve(DecisionArgs),
    /// Reject
    Reject(DecisionArgs),
    /// Answer an input
    Submit(SubmitArgs),
    /// Move a task of a checklist on
    Task(TaskArgs),
}

/// One activity of one release.
#[derive(Clone, Debug, Args)]
pub(crate) struct ActivityArg {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Activity as PHASE/ACTIVITY, for example deploy/rollout or deploy/rollout[2]
    #[arg(value_name = "PHASE/ACTIVITY")]
    pub(crate) path: String,
}

/// `activity logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// Go on with new lines until the attempt has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Attempt [default: the last one]
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
}

/// `activity retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Value to change for this attempt only: k=v, k:=JSON or k=@FILE; repeatable
    #[arg(long = "set", value_name = "K=V")]
    pub(crate) set: Vec<String>,
    /// Run this process in its place and take its outputs over
    #[arg(long, value_name = "PROCESS")]
    pub(crate) remedy: Option<String>,
    /// Input set to save the changed values to
    #[arg(long, value_name = "NAME")]
    pub(crate) save_to: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `activity ignore`.
#[derive(Debug, Args)]
pub(crate) struct IgnoreArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Output to hand on in its place; repeatable
    #[arg(long = "set", value_name = "K=V")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// An action on an activity with a reason.
#[derive(Debug, Args)]
pub(crate) struct ActivityReasonArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `activity approve` and `activity reject`.
#[derive(Debug, Args)]
pub(crate) struct DecisionArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// What you want to say
    #[arg(
        long,
        visible_alias = "reason",
        value_name = "TEXT",
        default_value = ""
    )]
    pub(crate) comment: String,
    /// Digest of what you were shown; refused if that has changed
    #[arg(long, value_name = "DIGEST")]
    pub(crate) digest: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `activity submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// Value k=v, k:=JSON or k=@FILE; repeatable
    #[arg(long = "set", value_name = "K=V")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `activity task`.
#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    #[command(flatten)]
    pub(crate) activity: ActivityArg,
    /// Task of the checklist
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// Where it stands now
    #[arg(value_name = "STATUS", value_enum)]
    pub(crate) status: TaskState,
    /// What you want to say
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
    /// Link that proves it; repeatable
    #[arg(long, value_name = "URL")]
    pub(crate) evidence: Vec<String>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskState {
    /// Not begun.
    Todo,
    /// Begun.
    InProgress,
    /// Done.
    Done,
    /// Cannot be done.
    Failed,
    /// Waits for something else.
    Blocked,
}
