//! The verbs of `release`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Consent, FilterArgs, WaitArgs};

/// `release …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Create a release from a process
    Create(Box<CreateArgs>),
    /// What a release of a process would be asked, and with which values it would run
    Preview(PreviewArgs),
    /// List releases, newest first
    #[command(visible_alias = "ls")]
    List(ReleaseListArgs),
    /// Show a release with its phases and activities
    Show(ReleaseArg),
    /// Start a release now: activate a draft, or start a scheduled one that waits for a person
    #[command(visible_alias = "activate")]
    Start(StartArgs),
    /// Check a draft, pin its process and lock its inputs; with a start time it is scheduled
    Finalize(ReleaseArg),
    /// Start a scheduled release before its time
    PreExecute(PreExecuteArgs),
    /// Take a scheduled release back to draft
    Cancel(ReasonedArgs),
    /// Start no new attempts; running ones finish
    Pause(ReasonedArgs),
    /// Go on after a pause
    Resume(ResumeArgs),
    /// Stop a release for good
    Abort(AbortArgs),
    /// Run an aborted release again under the same id
    Restart(RestartArgs),
    /// Put a release back into service that was set aside because its handling broke down
    Unquarantine(ReasonedArgs),
    /// Put an ended release out of the way
    Archive(ReleaseArg),
    /// Delete a release, where that is allowed
    #[command(visible_alias = "rm")]
    Delete(ReleaseDeleteArgs),
    /// Follow a release until it ends
    Watch(WatchArgs),
    /// What happened, in order
    Timeline(ReleaseArg),
    /// What a release waits for now, and who or what unblocks it
    Explain(ReleaseArg),
    /// Read the notes, or write one
    Notes(NotesArgs),
    /// Change what may still change
    Edit(Box<EditArgs>),
    /// Look at a release before it starts, or say what you think of it; exit code 3 if something keeps it from starting
    Review(ReviewArgs),
    /// Say whether something that has to be ready before the start is so
    Ready(ReadyArgs),
    /// Say that you know of your part in a release
    #[command(visible_alias = "ack")]
    Acknowledge(AcknowledgeArgs),
    /// Link a release to a ticket, a commit, a document, an incident, …
    Link(LinkArgs),
    /// The events of a release as the journal holds them
    Events(EventsArgs),
    /// The record of a release: who approved, what ran, what was deployed, how it deviated
    Report(super::ReleaseReportArgs),
}

/// One release.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReleaseArg {
    /// Release: id, number, or unique name
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
}

/// `release create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Process to run
    #[arg(long, value_name = "PROCESS")]
    pub(crate) process: String,
    /// Name [default: made from the process]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Organization it belongs to [default: the account level]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
    /// Revision of the process to pin [default: the newest]
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u32>,
    #[command(flatten)]
    pub(crate) values: InputArgs,
    /// Input set that fills what is not given
    #[arg(long, value_name = "NAME")]
    pub(crate) input_set: Option<String>,
    /// When to start: RFC 3339, 2026-12-24T12:00[Europe/Berlin], a local time with --zone, or +2h
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// When it should end, written like --at
    #[arg(long, value_name = "TIME")]
    pub(crate) expected_end: Option<String>,
    /// Time zone of its days and wall-clock times, for example Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Wait for a person when its time has come
    #[arg(long)]
    pub(crate) manual_start: bool,
    /// Software version it delivers
    #[arg(long = "release-version", value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// What it delivers and why
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: Option<String>,
    /// Label k=v or k:v, or a plain tag; repeatable
    #[arg(long = "label", value_name = "K=V")]
    pub(crate) labels: Vec<String>,
    /// Structured context k=v, k:=JSON or k=@FILE: tickets, customers, what should be found again; repeatable
    #[arg(id = "context-value", long = "context-value", value_name = "K=V")]
    pub(crate) context: Vec<String>,
    /// Which services, environments and features it is about
    #[arg(long, value_name = "TEXT")]
    pub(crate) scope: Option<String>,
    /// What may go wrong
    #[arg(long, value_name = "TEXT")]
    pub(crate) risks: Option<String>,
    /// How to go back
    #[arg(long, value_name = "TEXT")]
    pub(crate) rollback_plan: Option<String>,
    /// Owner of a phase or activity instead of the process's: build=team:x, deploy/rollout=user:y; repeatable
    #[arg(long = "owner", value_name = "PLACE=OWNER")]
    pub(crate) owners: Vec<String>,
    /// Who wants to know: user:NAME, team:NAME or role:NAME; repeatable
    #[arg(long = "stakeholder", value_name = "OWNER")]
    pub(crate) stakeholders: Vec<String>,
    /// Address of a ticket, commit, document, …; what it is follows from the address; repeatable
    #[arg(long = "link", value_name = "URL")]
    pub(crate) links: Vec<String>,
    /// Kind of release: standard, hotfix, feature or system
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) release_type: Option<ReleaseKind>,
    /// Release manager: user:NAME, team:NAME or role:NAME
    #[arg(long, value_name = "OWNER")]
    pub(crate) manager: Option<String>,
    /// Release that must have succeeded before this one starts; repeatable
    #[arg(long, value_name = "RELEASE")]
    pub(crate) after: Vec<String>,
    /// Finalize it at once; with --at it is then scheduled
    #[arg(long)]
    pub(crate) finalize: bool,
    /// Start it at once
    #[arg(long, conflicts_with = "at")]
    pub(crate) start: bool,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `release preview`.
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// Process to run
    #[arg(long, value_name = "PROCESS")]
    pub(crate) process: String,
    /// Organization the release would belong to [default: the account level]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
    /// Revision of the process to pin [default: the newest]
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u32>,
    #[command(flatten)]
    pub(crate) values: InputArgs,
    /// Input set that fills what is not given
    #[arg(long, value_name = "NAME")]
    pub(crate) input_set: Option<String>,
}

/// `release review`.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Say that it may go on like this
    #[arg(long, conflicts_with = "object")]
    pub(crate) approve: bool,
    /// Say that it should not go on like this; needs --comment
    #[arg(long, requires = "comment")]
    pub(crate) object: bool,
    /// What there is to say about it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) comment: String,
}

/// `release ready`.
#[derive(Debug, Args)]
pub(crate) struct ReadyArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Which item, as `release review` lists them
    #[arg(value_name = "ITEM")]
    pub(crate) item: String,
    /// It is not ready (any more)
    #[arg(long)]
    pub(crate) not: bool,
    /// What there is to say about it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
    /// Ask for this item as well before this release starts; the text is its name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["not", "remove"])]
    pub(crate) add: Option<String>,
    /// The added item does not keep the release from starting
    #[arg(long, requires = "add")]
    pub(crate) optional: bool,
    /// Who says whether the added item is ready; repeatable
    #[arg(long = "owner", value_name = "OWNER", requires = "add")]
    pub(crate) owners: Vec<String>,
    /// Ask no longer for an item that was added
    #[arg(long, conflicts_with = "not")]
    pub(crate) remove: bool,
}

/// `release acknowledge`.
#[derive(Debug, Args)]
pub(crate) struct AcknowledgeArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// What there is to say about it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) note: String,
}

/// `release link`.
#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Address of what is linked
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Its name for people [default: made from the address]
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// What is linked: ticket, commit, pullRequest, branch, document, … [default: what the address tells]
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Take the link away
    #[arg(long)]
    pub(crate) remove: bool,
}

/// Values for inputs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InputArgs {
    /// Input k=v, k:=JSON, or k=@FILE; repeatable
    #[arg(long = "input", value_name = "K=V")]
    pub(crate) inputs: Vec<String>,
    /// File with inputs as one YAML or JSON object, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) inputs_file: Option<PathBuf>,
}

/// What kind of release it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReleaseKind {
    /// Regular, by cadence.
    Standard,
    /// An emergency.
    Hotfix,
    /// One capability.
    Feature,
    /// Many services over days or weeks.
    System,
}

/// `release list`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ReleaseListArgs {
    /// Only these statuses, joined by commas, for example Running,OnHold
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub(crate) status: Vec<String>,
    /// Only releases of this process
    #[arg(long, value_name = "PROCESS")]
    pub(crate) process: Option<String>,
    /// Only releases of this release group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Only what holds these words
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Archived ones too
    #[arg(long)]
    pub(crate) archived: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// How much of a list.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PageArgs {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

impl Default for PageArgs {
    fn default() -> Self {
        PageArgs { limit: 100 }
    }
}

/// `release start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    #[command(flatten)]
    pub(crate) values: InputArgs,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `release pre-execute`.
#[derive(Debug, Args)]
pub(crate) struct PreExecuteArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    #[command(flatten)]
    pub(crate) values: InputArgs,
    /// What for
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: String,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// An action on a release with a reason.
#[derive(Debug, Args)]
pub(crate) struct ReasonedArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

/// `release resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// `release abort`.
#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Wait until everything has stopped
    #[arg(long)]
    pub(crate) wait: bool,
    /// Longest time to wait; exit code 4 when it is over
    #[arg(long, value_name = "DURATION", requires = "wait")]
    pub(crate) timeout: Option<String>,
}

/// `release restart`.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Where to begin: unfinished (finished work is kept) or start (everything runs again)
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = RestartPoint::Unfinished)]
    pub(crate) from: RestartPoint,
    /// When to start, written like --at of `release create` [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) waiting: WaitArgs,
}

/// Where a restart begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RestartPoint {
    /// Everything runs again.
    Start,
    /// Finished work is kept.
    Unfinished,
}

/// `release delete`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseDeleteArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// `release watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Longest time to watch; exit code 4 when it is over
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,
}

/// `release notes`.
#[derive(Debug, Args)]
pub(crate) struct NotesArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Write this note
    #[arg(long, value_name = "TEXT")]
    pub(crate) add: Option<String>,
}

/// `release edit`.
#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// New name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// New start time; `none` removes it
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// New expected end; `none` removes it
    #[arg(long, value_name = "TIME")]
    pub(crate) expected_end: Option<String>,
    /// New time zone (drafts only)
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// New software version; an empty text removes it
    #[arg(long = "release-version", value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// New purpose
    #[arg(long, value_name = "TEXT")]
    pub(crate) purpose: Option<String>,
    /// New scope
    #[arg(long, value_name = "TEXT")]
    pub(crate) scope: Option<String>,
    /// New risks
    #[arg(long, value_name = "TEXT")]
    pub(crate) risks: Option<String>,
    /// New plan for going back
    #[arg(long, value_name = "TEXT")]
    pub(crate) rollback_plan: Option<String>,
    /// Structured context to set (k=v, k:=JSON) or to remove (k:=null); repeatable
    #[arg(id = "context-value", long = "context-value", value_name = "K=V")]
    pub(crate) context: Vec<String>,
    /// Label to set (k=v) or to remove (k-); repeatable
    #[arg(long = "label", value_name = "K=V|K-")]
    pub(crate) labels: Vec<String>,
    /// New kind of release: standard, hotfix, feature or system
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) release_type: Option<ReleaseKind>,
    /// New release manager; an empty text removes the manager
    #[arg(long, value_name = "OWNER")]
    pub(crate) manager: Option<String>,
    /// Input to change (drafts only); repeatable
    #[arg(long = "input", value_name = "K=V")]
    pub(crate) inputs: Vec<String>,
    /// New input set (drafts only); an empty text removes it
    #[arg(long, value_name = "NAME")]
    pub(crate) input_set: Option<String>,
    /// Refuse if the release has been edited to another version meanwhile
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<u64>,
}

/// `release events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) release: ReleaseArg,
    /// Go on with new events until the release has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
}
