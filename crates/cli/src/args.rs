//! The command line as data: every verb, every flag, and the help that people read.
//!
//! Only shapes live here; what a verb does is in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Plans and runs software releases: server and command line in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "trainmaster",
    bin_name = "trainmaster",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 error, 2 usage, 3 refused by a rule or a permission, 4 timeout, 5 the release failed.
Data goes to standard output, everything else to standard error.";

/// What every verb that talks to a server understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Globals {
    /// Server to talk to
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TRAINMASTER_SERVER",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) server: Option<String>,
    /// Token to sign in with
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "TRAINMASTER_TOKEN",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) token: Option<String>,
    /// Stored context to use instead of the current one
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(crate) context: Option<String>,
    /// How to print data: table, wide, json, yaml or name
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        default_value_t = Format::Table
    )]
    pub(crate) output: Format,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// What the server answers.
    Json,
    /// The same as YAML.
    Yaml,
    /// Names or ids only, one per line.
    Name,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server with a sample release train under way, for a first look
    Demo(crate::demo::DemoArgs),
    /// Run the server
    Serve(Box<ServeArgs>),
    /// Supervise one command of a running server
    #[command(hide = true)]
    Supervise {
        /// Directory that describes the command
        dir: PathBuf,
    },
    /// Sign in and remember the server
    Login(LoginArgs),
    /// Remembered servers
    #[command(subcommand)]
    Context(ContextCommand),
    /// Who the server takes you for
    Whoami,
    /// Apply definitions from files
    Apply(ApplyArgs),
    /// Check definitions without a server
    Validate(FilesArgs),
    /// Compare definitions with what the server has; exit code 1 if they differ
    Diff(FilesArgs),
    /// Print the JSON Schema of a kind
    Schema {
        /// Kind, for example process
        #[arg(value_name = "KIND")]
        kind: String,
    },
    /// List definitions or releases, or print one
    Get(GetArgs),
    /// Show one definition or release in full
    Describe(NamedArgs),
    /// Delete a definition or a release
    Delete(DeleteArgs),
    /// Print definitions as they can be applied again
    Export(ExportArgs),
    /// List the revisions of a definition, or compare two
    Revisions(RevisionsArgs),
    /// Releases
    #[command(subcommand, visible_alias = "rel")]
    Release(ReleaseCommand),
    /// Activities of a release
    #[command(subcommand, visible_alias = "act")]
    Activity(ActivityCommand),
    /// What needs you
    Inbox,
    /// What you were told
    Notifications(PageArgs),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check the connection, the server and your token
    Doctor,
    /// Check the files of a server that does not run
    Check(PlaceArgs),
    /// Bring the files of a server that does not run up to this version
    Migrate(PlaceArgs),
    /// Copy the database of a server that does not run into one file
    Backup(BackupArgs),
    /// Put a backup into an empty data directory
    Restore(BackupArgs),
    /// Print the versions of this program and of the server
    Version {
        /// Ask no server
        #[arg(long)]
        client: bool,
    },
    /// Print a completion script for a shell
    Completion {
        /// Shell
        shell: Shell,
    },
}

/// `serve`. Every option may also stand in the configuration file or in the environment.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Configuration file (YAML); environment and flags win over it
    #[arg(
        long,
        value_name = "FILE",
        env = "TRAINMASTER_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:7420]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "TRAINMASTER_LISTEN",
        hide_env_values = true
    )]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder of the database, as a path or sqlite:PATH [default: the data directory]
    #[arg(
        long,
        value_name = "URL",
        env = "TRAINMASTER_DATABASE",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,
    /// Where the server keeps its files [default: trainmaster in the XDG data directory]
    #[arg(
        long,
        value_name = "DIR",
        env = "TRAINMASTER_DATA_DIR",
        hide_env_values = true
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// Internal target that activities may call, as network or host:port; repeatable
    #[arg(
        long,
        value_name = "CIDR|HOST:PORT",
        env = "TRAINMASTER_ALLOW_INTERNAL",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(crate) allow_internal: Vec<String>,
    /// Address under which people reach the server, for links
    #[arg(
        long,
        value_name = "URL",
        env = "TRAINMASTER_PUBLIC_URL",
        hide_env_values = true
    )]
    pub(crate) public_url: Option<String>,
    /// How the server logs: text or json [default: text]
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        env = "TRAINMASTER_LOG_FORMAT",
        hide_env_values = true
    )]
    pub(crate) log_format: Option<LogFormat>,
    /// Die at the N-th passage of a named point (for crash tests)
    #[arg(
        long,
        value_name = "POINT:N",
        env = "TRAINMASTER_FAULT",
        hide_env_values = true,
        hide = true
    )]
    pub(crate) fault: Option<String>,
    /// Print the configuration that would hold, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// How the server logs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// `login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Server to sign in to [default: --server, or http://127.0.0.1:7420]
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Name to remember it by [default: its host and port]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// `context …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List the contexts
    #[command(visible_alias = "ls")]
    List,
    /// Make a context the current one
    Use {
        /// Its name
        name: String,
    },
    /// Show the current context, without its token
    Show,
    /// Forget a context
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        name: String,
    },
}

/// Where definitions are read from.
#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// File, directory (*.yaml, *.yml, *.json in order of name) or - for standard input; repeatable
    #[arg(short, long = "file", value_name = "FILE|DIR|-", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// Say what would happen and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Kind: process, inputset or release
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Name, or id of a release
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Which of many.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FilterArgs {
    /// Only what carries these labels: k=v, several joined by commas
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Organization; without it the account level and, in lists, everything you may see
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
}

/// One definition or release.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// Kind: process, inputset or release
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Name, or id of a release
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Organization it belongs to
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
}

/// `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) what: NamedArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Whether to ask before something that cannot be taken back.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Kind: process or inputset [default: all]
    #[arg(value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Name [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// `revisions`.
#[derive(Debug, Args)]
pub(crate) struct RevisionsArgs {
    #[command(flatten)]
    pub(crate) what: NamedArgs,
    /// Compare two revisions instead of listing them
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) diff: Option<Vec<u32>>,
}

/// How long to wait for the end of a release.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WaitArgs {
    /// Wait until the release has ended; exit code 5 if it failed or was aborted
    #[arg(long)]
    pub(crate) wait: bool,
    /// Longest time to wait, for example 30m; exit code 4 when it is over
    #[arg(long, value_name = "DURATION", requires = "wait")]
    pub(crate) timeout: Option<String>,
}

/// `release …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Create a release from a process
    Create(Box<CreateArgs>),
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
    /// The events of a release as the journal holds them
    Events(EventsArgs),
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
    /// Label k=v, or a plain tag; repeatable
    #[arg(long = "label", value_name = "K=V")]
    pub(crate) labels: Vec<String>,
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

/// `audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List audit records
    #[command(visible_alias = "ls")]
    List(AuditListArgs),
    /// Print the whole journal, one record per line, as `audit verify` reads it
    Export,
    /// Check the chain of the journal; with a file no server is needed
    Verify {
        /// Exported journal, or - for standard input [default: the server's journal]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// `audit list`.
#[derive(Debug, Args)]
pub(crate) struct AuditListArgs {
    /// Only records of this release
    #[arg(long, value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// Only what was done by this user
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only events of this type, for example ReleaseStarted
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// `token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token; it is printed once
    Create(TokenCreateArgs),
    /// List the tokens, without the tokens themselves
    #[command(visible_alias = "ls")]
    List,
    /// End a token
    Revoke {
        /// Its id, for example tok-0007
        #[arg(value_name = "TOKEN")]
        token_id: String,
    },
}

/// `token create`.
#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// Who holds it
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// Team of the holder; repeatable
    #[arg(long = "team", value_name = "NAME")]
    pub(crate) teams: Vec<String>,
    /// Role of the holder; repeatable
    #[arg(long = "role", value_name = "ROLE", required = true, value_parser = ["administrator", "release-manager", "operator", "viewer"])]
    pub(crate) roles: Vec<String>,
    /// Organization the roles hold in [default: everywhere]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
    /// When it ends: a duration such as 90d, or a time
    #[arg(long, value_name = "DURATION|TIME", default_value = "90d")]
    pub(crate) expires: String,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
}

/// Where a server has its files.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Folder of the database, as a path or sqlite:PATH [default: the data directory]
    #[arg(
        long,
        value_name = "URL",
        env = "TRAINMASTER_DATABASE",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,
    /// Data directory of the server [default: trainmaster in the XDG data directory]
    #[arg(
        long,
        value_name = "DIR",
        env = "TRAINMASTER_DATA_DIR",
        hide_env_values = true
    )]
    pub(crate) data_dir: Option<PathBuf>,
}

/// `backup` and `restore`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// File of the backup; nothing is overwritten
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
