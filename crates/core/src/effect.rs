//! What should be in flight in the outside world, and how it ended.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{AttemptId, EffectKey, Name};
use crate::uses::ActivityType;

/// One piece of outside work that should be in flight now.
///
/// Effects are state, not messages: an attempt's start puts one into [`crate::World::wanted`], its end takes it out.
/// An executor may be handed the same effect twice and must leave the world none the worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The attempt that it performs.
    pub id: AttemptId,
    /// What it carries to the outside, the same over all attempts of one occurrence.
    pub key: EffectKey,
    /// Which executor performs it.
    pub uses: ActivityType,
    /// The activity's settings with all `${…}` evaluated; secrets are still names.
    pub config: Value,
    /// Whose secrets and settings apply; none is the account level.
    pub organization: Option<Name>,
    /// What the outside world called it, once that is known.
    pub handle: Option<Value>,
    /// Whether it is to be carried on or stopped.
    pub intent: Intent,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// When the attempt runs out of time; the domain then asks for its cancellation.
    pub deadline: Option<Timestamp>,
}

/// What is wanted of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Carry it out and answer how it went.
    Perform,
    /// Stop it, make sure that it has stopped, and answer [`Outcome::Cancelled`].
    Cancel,
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "outcome"
)]
pub enum Outcome {
    /// It happened.
    Succeeded {
        /// Everything that came back; expressions see it as `result`.
        result: Value,
    },
    /// It failed, and another try would fail the same way.
    Failed {
        /// What went wrong, without secrets.
        error: String,
        /// What came back all the same, or null.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        result: Value,
    },
    /// It failed, and another try may succeed; the activity's retry policy decides.
    Retryable {
        /// What went wrong, without secrets.
        error: String,
        /// Not earlier than this, where the outside said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<SignedDuration>,
        /// What came back all the same, or null.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        result: Value,
    },
    /// Nobody can say whether it happened, even after reading the outside world back.
    Unknown {
        /// Why it is not known.
        error: String,
    },
    /// It was stopped.
    Cancelled {
        /// Whether it is certain that nothing goes on any more.
        confirmed: bool,
    },
}
