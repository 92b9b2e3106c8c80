//! `deployed`, `where`, `report` and `metrics`.

use std::path::PathBuf;

use clap::Args;

/// `deployed`.
#[derive(Debug, Args)]
pub(crate) struct DeployedArgs {
    /// Environment, for example production; all if absent
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// Only of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Organization; without it everything you may see
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,
    /// As it was at this instant, for example 2026-11-21T12:00:00Z
    #[arg(long, value_name = "INSTANT", conflicts_with = "history")]
    pub(crate) at: Option<String>,
    /// Everything that was ever deployed there, newest first
    #[arg(long)]
    pub(crate) history: bool,
    /// The commits of what is deployed there
    #[arg(long, requires = "environment", conflicts_with = "history")]
    pub(crate) commits: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) limit: usize,
}

/// `where`.
#[derive(Debug, Args)]
#[group(id = "sought", required = true, multiple = false)]
pub(crate) struct WhereArgs {
    /// Commit, or at least four letters of its beginning
    #[arg(long, value_name = "COMMIT", group = "sought")]
    pub(crate) commit: Option<String>,
    /// Container image, with or without tag or digest
    #[arg(long, value_name = "IMAGE", group = "sought")]
    pub(crate) image: Option<String>,
    /// Artifact
    #[arg(long, value_name = "ARTIFACT", group = "sought")]
    pub(crate) artifact: Option<String>,
    /// Ticket
    #[arg(long, value_name = "TICKET", group = "sought")]
    pub(crate) ticket: Option<String>,
}

/// `release report`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseReportArgs {
    /// Id of the release
    #[arg(value_name = "ID")]
    pub(crate) release: String,
    #[command(flatten)]
    pub(crate) file: FileArgs,
}

/// Where a report goes.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Write to this file; its ending says how: .csv, .xlsx or .json
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// `report` and `metrics`.
#[derive(Debug, Args)]
pub(crate) struct OverArgs {
    /// From this instant on [default: 30 days before --to]
    #[arg(long, value_name = "INSTANT")]
    pub(crate) from: Option<String>,
    /// Before this instant [default: now]
    #[arg(long, value_name = "INSTANT")]
    pub(crate) to: Option<String>,
    /// Only of this process
    #[arg(long, value_name = "NAME")]
    pub(crate) process: Option<String>,
    /// Only of this release group
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Only what was deployed to this environment
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Organization; without it everything you may see
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,
    #[command(flatten)]
    pub(crate) file: FileArgs,
}
