//! `subprocess`: another process runs as a child release.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::Name;

/// Settings of a `subprocess`; its `result` holds the child's status and outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubprocessConfig {
    /// The process to run, of the same organization or the account level.
    pub process: Name,
    /// Values for its inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
}
