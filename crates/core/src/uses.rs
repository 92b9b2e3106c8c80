//! The types of activities: each has a config type, and the ones that act outside have an executor of the same name.
//!
//! To add one: a module here with its config type, a variant with its row in [`ActivityType::ALL`], and
//! either a way to run it in `release/` or a module in the executors crate.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod approval;
pub mod command;
pub mod http;
pub mod input;
pub mod notify;
pub mod subprocess;
pub mod tasks;
pub mod verify;
pub mod wait;

/// What an activity does: the word after `uses`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityType {
    /// Runs a process on a runner.
    Command,
    /// Sends a request, may poll until a condition or wait for a callback.
    Http,
    /// Asks people to approve.
    Approval,
    /// Asks people for typed values.
    Input,
    /// A checklist for people.
    Tasks,
    /// Waits for a duration or until a time.
    Wait,
    /// Runs another process as a child release.
    Subprocess,
    /// Samples a metric or an address over a window.
    Verify,
    /// Sends a signed message.
    Notify,
}

impl ActivityType {
    /// Every type, in the order of the documentation.
    pub const ALL: [ActivityType; 9] = [
        ActivityType::Command,
        ActivityType::Http,
        ActivityType::Approval,
        ActivityType::Input,
        ActivityType::Tasks,
        ActivityType::Wait,
        ActivityType::Subprocess,
        ActivityType::Verify,
        ActivityType::Notify,
    ];

    /// The word after `uses`.
    pub fn as_str(self) -> &'static str {
        match self {
            ActivityType::Command => "command",
            ActivityType::Http => "http",
            ActivityType::Approval => "approval",
            ActivityType::Input => "input",
            ActivityType::Tasks => "tasks",
            ActivityType::Wait => "wait",
            ActivityType::Subprocess => "subprocess",
            ActivityType::Verify => "verify",
            ActivityType::Notify => "notify",
        }
    }

    /// Whether an executor performs it; the others need only time, people or other releases.
    pub fn acts_outside(self) -> bool {
        match self {
            ActivityType::Command
            | ActivityType::Http
            | ActivityType::Verify
            | ActivityType::Notify => true,
            ActivityType::Approval
            | ActivityType::Input
            | ActivityType::Tasks
            | ActivityType::Wait
            | ActivityType::Subprocess => false,
        }
    }

    /// Whether a freeze holds it back: whether it changes something outside.
    ///
    /// What asks, waits, looks or tells goes on; what a child release does is judged there.
    pub fn obeys_freezes(self) -> bool {
        match self {
            ActivityType::Command | ActivityType::Http => true,
            ActivityType::Approval
            | ActivityType::Input
            | ActivityType::Tasks
            | ActivityType::Wait
            | ActivityType::Subprocess
            | ActivityType::Verify
            | ActivityType::Notify => false,
        }
    }

    /// Whether it waits for people.
    pub fn asks_people(self) -> bool {
        matches!(
            self,
            ActivityType::Approval | ActivityType::Input | ActivityType::Tasks
        )
    }
}

impl fmt::Display for ActivityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
