//! `wait`: time passes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::plan::DayTime;

/// Settings of a `wait`: exactly one of `for` and `until`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitConfig {
    /// This long from its start.
    #[serde(default, rename = "for")]
    pub length: Option<Duration>,
    /// Until this time; one that has passed does not wait.
    #[serde(default)]
    pub until: Option<Until>,
}

/// A point in time: an instant, or a day and time of the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Until {
    /// RFC 3339, for example `2026-12-24T12:00:00Z`.
    Instant(#[schemars(with = "String", extend("format" = "date-time"))] Timestamp),
    /// For example `{day: 4, time: "12:00"}`.
    Day(DayTime),
}
