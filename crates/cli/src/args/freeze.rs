//! The verbs of `freeze`.

use clap::{Args, Subcommand};

/// `freeze …`.
#[derive(Debug, Subcommand)]
pub(crate) enum FreezeCommand {
    /// List the freezes and whether they hold now
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this organization; empty is the account level
        #[arg(long, value_name = "ORGANIZATION")]
        org: Option<String>,
    },
    /// List the freezes that hold at a time
    Active(FreezeActiveArgs),
    /// List when a freeze holds
    Windows(FreezeWindowsArgs),
    /// Let a release start work although a freeze holds
    Override(FreezeOverrideArgs),
    /// Take an override back before it expires
    Revoke(FreezeRevokeArgs),
}

/// `freeze active`.
#[derive(Debug, Args)]
pub(crate) struct FreezeActiveArgs {
    /// When: RFC 3339, a local time, or +2h [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Only those that hold for releases of this organization; empty is the account level
    #[arg(long, value_name = "ORGANIZATION")]
    pub(crate) org: Option<String>,
}

/// `freeze windows`.
#[derive(Debug, Args)]
pub(crate) struct FreezeWindowsArgs {
    /// Freeze: its name, or ORGANIZATION/NAME
    #[arg(value_name = "FREEZE")]
    pub(crate) freeze: String,
    /// From when: RFC 3339, a local time, or +2h [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Until when, written like --from [default: 90 days later]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}

/// `freeze override`.
#[derive(Debug, Args)]
pub(crate) struct FreezeOverrideArgs {
    /// Release: id, number, or unique name
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// Freeze: its name, or ORGANIZATION/NAME
    #[arg(value_name = "FREEZE")]
    pub(crate) freeze: String,
    /// Why; it stays on record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// When the freeze holds again: a duration such as 4h, or a time; at most 30 days ahead
    #[arg(long, value_name = "DURATION|TIME")]
    pub(crate) expires: String,
}

/// `freeze revoke`.
#[derive(Debug, Args)]
pub(crate) struct FreezeRevokeArgs {
    /// Release: id, number, or unique name
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// Freeze: its name, or ORGANIZATION/NAME
    #[arg(value_name = "FREEZE")]
    pub(crate) freeze: String,
    /// Why; it stays on record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}
