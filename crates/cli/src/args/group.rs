//! `group …`: what release groups plan and what they have made.

use clap::{Args, Subcommand};

use super::PageArgs;

/// `group …`.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// The next dates of a release group, whether the releases exist already or not
    Preview(GroupPreviewArgs),
    /// The releases of a release group, by their start
    Releases(GroupReleasesArgs),
}

/// A release group by name.
#[derive(Debug, Args)]
pub(crate) struct GroupArg {
    /// Release group
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Organization it belongs to [default: the account level]
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
}

/// `group preview`.
#[derive(Debug, Args)]
pub(crate) struct GroupPreviewArgs {
    #[command(flatten)]
    pub(crate) group: GroupArg,
    /// How many dates, 1 to 366
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) count: u32,
    /// Only after this time: RFC 3339, 2026-12-24T12:00[Europe/Berlin], or +30d [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
}

/// `group releases`.
#[derive(Debug, Args)]
pub(crate) struct GroupReleasesArgs {
    #[command(flatten)]
    pub(crate) group: GroupArg,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}
