//! `input`: people give typed values while the release runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::ids::Owner;
use crate::inputs::InputDeclaration;

/// Settings of an `input`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputConfig {
    /// What is asked; the answers become the outputs.
    pub fields: Vec<InputDeclaration>,
    /// Who may answer; empty means the activity's owners, and without owners anybody who may operate the release.
    #[serde(default)]
    pub assignees: Vec<Owner>,
    /// What to tell them.
    #[serde(default)]
    pub message: String,
    /// How long they have before they are reminded.
    #[serde(default)]
    pub remind: Option<Duration>,
}
