//! Executors: one module per activity type that acts on the outside world.
//!
//! Each is called with an effect and answers how it ended; it may be called twice with one effect
//! and must leave the world none the worse (see [`trainmaster_engine::ports::Executor`]).
//! To add one, write its config type in core, a module here, and a line in [`all`].

use std::path::PathBuf;
use std::sync::Arc;

use trainmaster_core::uses::ActivityType;
use trainmaster_engine::ports::Executors;

mod answer;
mod ask;
pub mod callback;
mod client;
pub mod command;
pub mod egress;
pub mod http;
pub mod notify;
pub mod outlets;
mod redact;
pub mod secrets;
pub mod verify;

pub use ask::ask;
pub use command::supervise;

use command::{Limits, Supervisor};
use egress::Egress;
use secrets::Secrets;

/// What executors are given by the server.
pub struct Options {
    /// Where commands have their directories.
    pub work_root: PathBuf,
    /// How a supervisor of commands is started.
    pub supervisor: Supervisor,
    /// Where requests may go.
    pub egress: Egress,
    /// The server's own address from outside, for callbacks and as the source of messages.
    pub public_url: String,
    /// Signs the tokens of callbacks; random, at least 32 bytes, the same on every replica.
    pub callback_secret: Vec<u8>,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// What commands may use.
    pub limits: Limits,
}

/// Every executor, by activity type.
pub fn all(options: Options) -> Executors {
    let secrets = options.secrets;
    let mut executors = Executors::new();
    executors.insert(
        ActivityType::Command,
        Arc::new(command::Command {
            work_root: options.work_root,
            supervisor: options.supervisor,
            secrets: Arc::clone(&secrets),
            limits: options.limits,
        }),
    );
    executors.insert(
        ActivityType::Http,
        Arc::new(http::Http {
            egress: options.egress.clone(),
            secrets: Arc::clone(&secrets),
            public_url: options.public_url.clone(),
            callback_secret: options.callback_secret,
        }),
    );
    executors.insert(
        ActivityType::Verify,
        Arc::new(verify::Verify {
            egress: options.egress.clone(),
            secrets: Arc::clone(&secrets),
        }),
    );
    executors.insert(
        ActivityType::Notify,
        Arc::new(notify::Notify {
            egress: options.egress,
            secrets,
            public_url: options.public_url,
        }),
    );
    executors
}
