//! Input sets: named values for the inputs of a process (1-model.md, Resources).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::Name;

/// The written form of an input set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputSetSpec {
    /// The process whose inputs it fills, of the same organization or the account level.
    pub process: Name,
    /// Values by the name of the input.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 10000))]
    pub description: String,
    /// Whether it is a starting point to copy from rather than a set to use as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
}
