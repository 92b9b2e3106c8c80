//! The verbs of `calendar`.

use clap::{Args, Subcommand, ValueEnum};

/// `calendar`, and what is below it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CalendarArgs {
    #[command(subcommand)]
    pub(crate) command: Option<CalendarCommand>,
    #[command(flatten)]
    pub(crate) show: CalendarShowArgs,
}

/// `calendar …`.
#[derive(Debug, Subcommand)]
pub(crate) enum CalendarCommand {
    /// What a release would collide with at a time, and when there is room for it
    Check(Box<CalendarCheckArgs>),
    /// How many releases begin in each day, week or month
    Capacity(Box<CalendarCapacityArgs>),
    /// Addresses for other calendars to subscribe to
    #[command(subcommand)]
    Feed(FeedCommand),
}

/// How much of the calendar is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CalendarSpan {
    /// One day.
    Day,
    /// From Monday to Sunday.
    Week,
    /// One month.
    #[default]
    Month,
    /// Three months.
    Quarter,
}

/// `calendar` by itself.
#[derive(Debug, Args)]
pub(crate) struct CalendarShowArgs {
    /// How much to show: day, week, month or quarter
    #[arg(long, value_enum, value_name = "VIEW", hide_possible_values = true, default_value_t = CalendarSpan::Month)]
    pub(crate) view: CalendarSpan,
    /// Day to jump to, such as 2026-12-24 [default: today]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Day after the last one, instead of a view
    #[arg(long, value_name = "DAY", conflicts_with = "view")]
    pub(crate) to: Option<String>,
    /// Time zone of the days [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) filter: CalendarFilterArgs,
}

/// Which releases of the calendar.
#[derive(Debug, Args)]
pub(crate) struct CalendarFilterArgs {
    /// Only of this organization
    #[arg(long, value_name = "ORGANIZATION", help_heading = "Filters")]
    pub(crate) org: Option<String>,
    /// Only with one of these statuses
    #[arg(
        long,
        value_name = "STATUS",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) status: Vec<String>,
    /// Only of these types
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) release_type: Vec<String>,
    /// Only of these processes, or with one of them inside
    #[arg(
        long,
        visible_alias = "pipeline",
        value_name = "PROCESS",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) process: Vec<String>,
    /// Only of these release groups
    #[arg(
        long,
        value_name = "GROUP",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) group: Vec<String>,
    /// Only those that involve one of these teams
    #[arg(
        long,
        value_name = "TEAM",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) team: Vec<String>,
    /// Only those that touch one of these services
    #[arg(
        long,
        value_name = "SERVICE",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) service: Vec<String>,
    /// Only those that touch one of these environments
    #[arg(
        long,
        value_name = "ENVIRONMENT",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    pub(crate) environment: Vec<String>,
    /// Only those with this release manager, such as user:ada
    #[arg(long, value_name = "OWNER", help_heading = "Filters")]
    pub(crate) manager: Option<String>,
    /// Only with this label (KEY=VALUE) or tag; repeatable
    #[arg(
        short,
        long = "label",
        visible_alias = "tag",
        value_name = "LABEL",
        help_heading = "Filters"
    )]
    pub(crate) labels: Vec<String>,
    /// Only with these parts of words in name or labels
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    pub(crate) search: Option<String>,
    /// Leave out what has ended
    #[arg(long, help_heading = "Filters")]
    pub(crate) hide_completed: bool,
    /// Show drafts that have a time too
    #[arg(long, help_heading = "Filters")]
    pub(crate) drafts: bool,
}

/// `calendar check`.
#[derive(Debug, Args)]
pub(crate) struct CalendarCheckArgs {
    /// Release: id, number, or unique name; or say with --process what one would be
    #[arg(value_name = "RELEASE", required_unless_present_any = ["process", "services", "environments", "exclusive"])]
    pub(crate) release: Option<String>,
    /// Process of a release that is not there yet
    #[arg(long, value_name = "PROCESS", conflicts_with = "release")]
    pub(crate) process: Option<String>,
    /// Organization it would belong to
    #[arg(long, value_name = "ORGANIZATION", conflicts_with = "release")]
    pub(crate) org: Option<String>,
    /// Value of an input as NAME=VALUE; repeatable
    #[arg(
        short,
        long = "input",
        value_name = "NAME=VALUE",
        conflicts_with = "release"
    )]
    pub(crate) inputs: Vec<String>,
    /// Service that it touches; repeatable
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Environment that it touches; repeatable
    #[arg(long = "environment", value_name = "ENVIRONMENT")]
    pub(crate) environments: Vec<String>,
    /// Exclusive tag that it touches; repeatable
    #[arg(long = "exclusive", value_name = "TAG")]
    pub(crate) exclusive: Vec<String>,
    /// When it would start [default: when it is planned]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// How long it would take, such as 2h [default: as long as planned, or 1h]
    #[arg(long = "for", value_name = "LENGTH", requires = "at")]
    pub(crate) length: Option<String>,
    /// Time zone of times without one [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// How many free slots to name
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=20))]
    pub(crate) slots: u64,
}

/// `calendar capacity`.
#[derive(Debug, Args)]
pub(crate) struct CalendarCapacityArgs {
    /// What to count by: day, week or month
    #[arg(long, value_name = "PERIOD", default_value = "week", value_parser = ["day", "week", "month"], hide_possible_values = true)]
    pub(crate) per: String,
    /// First day [default: the current quarter]
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Day after the last one
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
    /// Time zone of the days [default: the system's]
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    #[command(flatten)]
    pub(crate) filter: CalendarFilterArgs,
}

/// `calendar feed …`.
#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Make a feed of what you see; its address is printed once
    Create {
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// When it ends: a time, or a length such as 90d [default: in a year]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List your feeds, without their addresses
    #[command(visible_alias = "ls")]
    List,
    /// End a feed
    Revoke {
        /// Its id, for example tok-0007
        #[arg(value_name = "FEED")]
        feed: String,
    },
}
