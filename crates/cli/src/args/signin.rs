//! The verbs of `user`, and what `serve` is told about signing in.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `user …`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user who can sign in with a password
    Create(UserCreateArgs),
    /// List the users
    #[command(visible_alias = "ls")]
    List,
    /// Show a user
    Show(UserArg),
    /// Shut a user out; sessions and tokens of the user end
    Disable(UserArg),
    /// Let a user sign in again
    Enable(UserArg),
    /// Set a password, asked for or read from standard input; your own needs the one before
    SetPassword(UserArg),
}

/// `user create`.
#[derive(Debug, Args)]
pub(crate) struct UserCreateArgs {
    /// Name: lower-case letters, digits and inner dashes
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) display_name: String,
    /// Where mail goes
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    pub(crate) email: String,
    /// Without a password: the user signs in through an identity provider, or gets a password later
    #[arg(long)]
    pub(crate) no_password: bool,
    /// The provider that knows the user, as its tokens name it
    #[arg(long, value_name = "URL", requires = "subject")]
    pub(crate) issuer: Option<String>,
    /// The user's identifier there
    #[arg(long, value_name = "ID", requires = "issuer")]
    pub(crate) subject: Option<String>,
}

/// Which user.
#[derive(Debug, Args)]
pub(crate) struct UserArg {
    /// Name of the user
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// What `serve` is told about signing in.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Signing in")]
pub(crate) struct SignInArgs {
    /// Name under which the server answers, besides localhost, its own address and the public one; repeatable
    #[arg(
        long = "allowed-host",
        value_name = "HOST",
        env = "TRAINMASTER_ALLOWED_HOST",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(crate) allowed_hosts: Vec<String>,
    /// Network of proxies whose word about the caller's address is taken; repeatable
    #[arg(
        long = "trusted-proxy",
        value_name = "CIDR",
        env = "TRAINMASTER_TRUSTED_PROXY",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(crate) trusted_proxies: Vec<String>,
    /// A browser's session ends when it was not used for so long [default: 8h]
    #[arg(
        long,
        value_name = "DURATION",
        env = "TRAINMASTER_SESSION_IDLE",
        hide_env_values = true
    )]
    pub(crate) session_idle: Option<String>,
    /// A browser's session ends after so long in any case [default: 24h]
    #[arg(
        long,
        value_name = "DURATION",
        env = "TRAINMASTER_SESSION_MAX",
        hide_env_values = true
    )]
    pub(crate) session_max: Option<String>,
    /// Identity provider (OpenID Connect); the configuration file takes several
    #[arg(
        long,
        value_name = "URL",
        env = "TRAINMASTER_OIDC_ISSUER",
        hide_env_values = true,
        requires = "oidc_client_id"
    )]
    pub(crate) oidc_issuer: Option<String>,
    /// What the identity provider calls this server
    #[arg(
        long,
        value_name = "ID",
        env = "TRAINMASTER_OIDC_CLIENT_ID",
        hide_env_values = true,
        requires = "oidc_issuer"
    )]
    pub(crate) oidc_client_id: Option<String>,
    /// File with the secret that this server proves itself with to the identity provider
    #[arg(
        long,
        value_name = "FILE",
        env = "TRAINMASTER_OIDC_CLIENT_SECRET_FILE",
        hide_env_values = true,
        requires = "oidc_issuer"
    )]
    pub(crate) oidc_client_secret_file: Option<PathBuf>,
    /// Claim that holds the groups of a person [default: groups]
    #[arg(
        long,
        value_name = "CLAIM",
        env = "TRAINMASTER_OIDC_GROUPS_CLAIM",
        hide_env_values = true,
        requires = "oidc_issuer"
    )]
    pub(crate) oidc_groups_claim: Option<String>,
    /// Groups that begin like this stand for the team of the rest of their name
    #[arg(
        long,
        value_name = "PREFIX",
        env = "TRAINMASTER_OIDC_TEAM_PREFIX",
        hide_env_values = true,
        requires = "oidc_issuer"
    )]
    pub(crate) oidc_team_prefix: Option<String>,
}
