//! The command line as data: every verb, every flag, and the help that people read.
//!
//! Only shapes live here; what a verb does is in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

mod activity;
mod calendar;
mod freeze;
mod group;
mod input_set;
mod release;
mod signin;
mod trace;

pub(crate) use activity::*;
pub(crate) use calendar::*;
pub(crate) use freeze::*;
pub(crate) use group::*;
pub(crate) use input_set::*;
pub(crate) use release::*;
pub(crate) use signin::*;
pub(crate) use trace::*;

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
    /// End the remembered sign-in
    Logout,
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
    /// Input sets: values for the inputs of a process
    #[command(subcommand)]
    InputSet(InputSetCommand),
    /// Release groups: what they plan and what they have made
    #[command(subcommand)]
    Group(GroupCommand),
    /// Activities of a release
    #[command(subcommand, visible_alias = "act")]
    Activity(ActivityCommand),
    /// Freezes: what holds, and what people let through
    #[command(subcommand)]
    Freeze(FreezeCommand),
    /// What is deployed in an environment, now or earlier
    Deployed(DeployedArgs),
    /// Where a commit, an image, an artifact or a ticket is
    Where(WhereArgs),
    /// Releases and deployments of a period, archived ones included
    Report(OverArgs),
    /// How well releases went over a period, each figure with its definition
    Metrics(OverArgs),
    /// What takes place when, what collides, and when there is room
    Calendar(Box<CalendarArgs>),
    /// What needs you
    Inbox,
    /// What you were told
    Notifications(NotificationsArgs),
    /// What went out by notification rules
    #[command(subcommand)]
    Delivery(DeliveryCommand),
    /// Secrets of activities and channels
    #[command(subcommand)]
    Secret(SecretCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Who may do what
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Users
    #[command(subcommand)]
    User(UserCommand),
    /// Check connection, server and token, or with --data-dir the files
    Doctor(DoctorArgs),
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
    /// File to append each signed checkpoint of the journal to, best on another disk
    #[arg(
        long,
        value_name = "FILE",
        env = "TRAINMASTER_CHECKPOINT_FILE",
        hide_env_values = true
    )]
    pub(crate) checkpoint_file: Option<PathBuf>,
    /// Mail server: smtps://[user@]host[:port], or smtp:// for STARTTLS [default: none]
    #[arg(
        long,
        value_name = "URL",
        env = "TRAINMASTER_SMTP_URL",
        hide_env_values = true
    )]
    pub(crate) smtp_url: Option<String>,
    /// Sender of mails, for example "Trainmaster <releases@example.com>"
    #[arg(
        long,
        value_name = "MAILBOX",
        env = "TRAINMASTER_SMTP_FROM",
        hide_env_values = true
    )]
    pub(crate) smtp_from: Option<String>,
    /// File with the password of the mail server [or TRAINMASTER_SMTP_PASSWORD]
    #[arg(
        long,
        value_name = "FILE",
        env = "TRAINMASTER_SMTP_PASSWORD_FILE",
        hide_env_values = true
    )]
    pub(crate) smtp_password_file: Option<PathBuf>,
    /// File of 32 bytes that seals secrets [default: secrets.key in the data directory, made at first]
    #[arg(
        long,
        value_name = "FILE",
        env = "TRAINMASTER_SECRET_KEY_FILE",
        hide_env_values = true
    )]
    pub(crate) secret_key_file: Option<PathBuf>,
    /// File of a key that sealed secrets before; they are sealed anew at the start; repeatable
    #[arg(
        long,
        value_name = "FILE",
        env = "TRAINMASTER_OLD_SECRET_KEY_FILE",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(crate) old_secret_key_file: Vec<PathBuf>,
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
    // Last, because its heading holds for everything behind it.
    #[command(flatten)]
    pub(crate) sign_in: SignInArgs,
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
    /// Sign in as this user with a password, asked for or read from standard input, and get a token of your own
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// When that token ends: a duration such as 30d, or a time
    #[arg(
        long,
        value_name = "DURATION|TIME",
        default_value = "30d",
        requires = "user"
    )]
    pub(crate) expires: String,
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

/// `audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List audit records
    #[command(visible_alias = "ls")]
    List(AuditListArgs),
    /// Print the whole journal, one record per line, as `audit verify` reads it
    Export,
    /// Show one record, with what each field held before and after
    Show {
        /// Its position in the journal
        #[arg(value_name = "POSITION")]
        position: u64,
    },
    /// Print the signed checkpoints, one per line, as `audit verify --checkpoints` reads them
    Checkpoints,
    /// Sign where the journal stands now
    Checkpoint,
    /// Print the public key that checks checkpoints
    Key,
    /// Check the chain of the journal; with a file no server is needed
    Verify {
        /// Exported journal, or - for standard input [default: the server's journal]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Signed checkpoints that the journal must hold, one per line
        #[arg(long, value_name = "FILE", requires = "file", requires = "key")]
        checkpoints: Option<PathBuf>,
        /// Public key that the checkpoints were signed with, as `audit key` prints it
        #[arg(long, value_name = "KEY", requires = "checkpoints")]
        key: Option<String>,
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
    /// Only about this object, for example process/payments/train or token/tok-0007
    #[arg(long, value_name = "OBJECT", conflicts_with = "release")]
    pub(crate) object: Option<String>,
    /// Only at this time or later, for example 2026-11-21T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<jiff::Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<jiff::Timestamp>,
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

/// `notifications`.
#[derive(Debug, Args)]
pub(crate) struct NotificationsArgs {
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// Only what you have not read
    #[arg(long)]
    pub(crate) unread: bool,
    /// Mark everything up to now as read
    #[arg(long)]
    pub(crate) mark_read: bool,
}

/// Verbs of `delivery`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List what went out, newest first
    #[command(visible_alias = "ls")]
    List(DeliveryListArgs),
    /// Send a delivery that has ended once more, under the same id
    Redeliver {
        /// Its id
        #[arg(value_name = "DELIVERY")]
        id: String,
    },
    /// Send a test through every channel of a notification rule; exit code 1 if one fails
    Test {
        /// The rule
        #[arg(value_name = "RULE")]
        rule: String,
        /// Organization of the rule [default: the account level]
        #[arg(long, value_name = "ORGANIZATION")]
        org: Option<String>,
    },
}

/// `delivery list`.
#[derive(Debug, Args)]
pub(crate) struct DeliveryListArgs {
    #[command(flatten)]
    pub(crate) page: PageArgs,
    /// Only of this rule
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// Only of rules of this organization
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
    /// Only those that stand so
    #[arg(long, value_name = "STATUS", value_parser = ["pending", "sending", "delivered", "failed", "unknown", "withheld"])]
    pub(crate) status: Option<String>,
}

/// Verbs of `secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Write the value of a secret, read from standard input
    Set(SecretArgs),
    /// List the secrets of one place, without their values
    #[command(visible_alias = "ls")]
    List {
        /// Organization [default: the account level]
        #[arg(long, value_name = "ORGANIZATION")]
        org: Option<String>,
    },
    /// Forget a secret
    Delete(SecretArgs),
}

/// A secret.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// Its name, as in ${secrets.NAME}
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Organization [default: the account level]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
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
    #[arg(long = "role", value_name = "ROLE", required = true, value_parser = ["administrator", "release-manager", "author", "operator", "viewer"])]
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

/// `policy …`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say whether something may be done and why; exit code 3 if it may not
    CanI(CanIArgs),
    /// List the roles and what each grants
    #[command(visible_alias = "ls")]
    List,
}

/// `policy can-i`.
#[derive(Debug, Args)]
pub(crate) struct CanIArgs {
    /// Permission, for example release:edit
    #[arg(value_name = "PERMISSION")]
    pub(crate) permission: String,
    /// In this organization [default: at account level]
    #[arg(long, value_name = "ORGANIZATION", conflicts_with = "release")]
    pub(crate) org: Option<String>,
    /// For this release
    #[arg(long, value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// For another user [default: for you]
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,
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

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Check the files in this data directory instead; its server must not run
    #[arg(long, value_name = "DIR")]
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
