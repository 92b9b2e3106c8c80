//! Freezes: windows in which matching activities are deferred (1-model.md, Resources).

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::Name;

/// The written form of a freeze.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreezeSpec {
    /// Why nothing may start.
    #[schemars(length(max = 1000))]
    pub reason: String,
    /// When it holds, once each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Span>,
    /// What it holds for.
    #[serde(default)]
    pub scope: FreezeScope,
    /// What it does.
    #[serde(default)]
    pub effect: FreezeEffect,
}

/// A stretch of time: `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Span {
    /// Its first instant.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Timestamp,
    /// The instant after its last one.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub to: Timestamp,
}

/// What a freeze holds for; an empty list means all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FreezeScope {
    /// Organizations, for a freeze of the account level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<Name>,
    /// Services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Name>,
    /// Environments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<Name>,
    /// Labels of the release, all of which must fit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a freeze does to an activity that would start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FreezeEffect {
    /// It starts at the next opening.
    #[default]
    Defer,
    /// It starts, and the freeze is shown.
    Warn,
}
