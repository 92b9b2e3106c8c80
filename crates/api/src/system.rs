//! The server about itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Whether the server can do its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok` or `unavailable`.
    pub status: String,
    /// The parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<HealthCheck>,
}

/// One part of the server's health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// `database`, `engine` or `oldestRunnable`.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// A measured value, by name: seconds for `oldestRunnable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// What runs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The server's version.
    pub version: String,
    /// The version of the API in addresses.
    pub api: String,
}

/// What the other side of an activity reports through its callback address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CallbackReport {
    /// How it went; `succeeded` if absent.
    pub status: CallbackStatus,
    /// Everything that came back; expressions see it as `result`.
    pub result: Value,
    /// What went wrong, where it failed.
    pub error: String,
}

/// How the work behind a callback went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallbackStatus {
    /// It happened.
    #[default]
    Succeeded,
    /// It failed, and another try would fail the same way.
    Failed,
    /// It failed, and another try may succeed.
    Retryable,
}

/// The answer to a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallbackAnswer {
    /// Whether the attempt took the outcome; false if it had ended before.
    pub accepted: bool,
}

/// A part of the application that one can go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NavigationEntry {
    /// Its name in addresses.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Where its list is.
    pub href: String,
}
