//! Release groups: a cadence that makes releases (2-execution.md, Time).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::Name;

/// The written form of a release group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseGroupSpec {
    /// The process of its releases, of the same organization or the account level.
    pub process: Name,
    /// Values for the inputs of every release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// Whether nothing is made and nothing starts by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}
