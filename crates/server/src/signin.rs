//! Signing in: what is not pure about it. The rules are in [`trainmaster_core::signin`].
//!
//! Passwords become hashes in `hasher`, guessing is slowed down in `guard`, requests show where they come from in
//! `caller`, sessions live in cookies of `cookie`, identity providers are asked in `oidc`,
//! and `uses` remembers when a token was last seen.

pub(crate) mod caller;
pub(crate) mod cookie;
pub(crate) mod guard;
pub(crate) mod hasher;
pub mod oidc;
pub(crate) mod uses;

use jiff::SignedDuration;
use url::Url;

use self::caller::AllowedHosts;
use self::guard::Guard;
pub use self::hasher::Cost;
use self::hasher::Hasher;
use self::oidc::Providers;
use self::uses::Uses;

/// What may differ between installations about signing in.
#[derive(Clone)]
pub struct Options {
    /// Names under which the server answers; none is every name.
    pub allowed_hosts: Option<Vec<String>>,
    /// Proxies whose word about the caller's address is taken, as networks.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The address under which people reach the server.
    pub public_url: Option<Url>,
    /// What hashing a password costs.
    pub cost: Cost,
    /// Passwords that are hashed at a time.
    pub hashes_max: usize,
    /// A session that was not used for so long ends.
    pub session_idle: SignedDuration,
    /// A session ends after so long, used or not.
    pub session_max: SignedDuration,
    /// Requests to sign in that one address may send at once; it gets one back each second.
    pub tries_burst: u32,
    /// Who can say who somebody is.
    pub oidc: oidc::Options,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            allowed_hosts: None,
            trusted_proxies: Vec::new(),
            public_url: None,
            cost: Cost::default(),
            hashes_max: 2,
            session_idle: SignedDuration::from_hours(8),
            session_max: SignedDuration::from_hours(24),
            tries_burst: 60,
            oidc: oidc::Options::default(),
        }
    }
}

/// What signing in keeps between requests.
pub(crate) struct SignIn {
    pub(crate) hasher: Hasher,
    pub(crate) guard: Guard,
    pub(crate) uses: Uses,
    pub(crate) providers: Providers,
    pub(crate) hosts: AllowedHosts,
    pub(crate) sources: crate::limiter::Limiter<String>,
    /// Held while a password is stored.
    pub(crate) passwords: tokio::sync::Mutex<()>,
}

impl SignIn {
    /// Nothing has happened yet.
    pub(crate) fn new(options: &Options) -> SignIn {
        SignIn {
            hasher: Hasher::new(options.cost, options.hashes_max),
            guard: Guard::default(),
            uses: Uses::default(),
            providers: Providers::new(&options.oidc),
            hosts: AllowedHosts::new(options.allowed_hosts.as_deref()),
            sources: crate::limiter::Limiter::new(1, options.tries_burst),
            passwords: tokio::sync::Mutex::default(),
        }
    }
}
