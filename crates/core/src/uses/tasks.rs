//! `tasks`: a checklist for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::ids::{Name, Owner};

/// Settings of a `tasks` activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TasksConfig {
    /// The tasks; the activity succeeds when all are DONE and fails when one is FAILED.
    pub tasks: Vec<TaskConfig>,
    /// What to tell the assignees.
    #[serde(default)]
    pub message: String,
}

/// One task of a checklist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskConfig {
    /// Its id within the checklist.
    pub id: Name,
    /// What to do.
    pub title: String,
    /// How to do it.
    #[serde(default)]
    pub description: String,
    /// Who does it; empty means the activity's owners.
    #[serde(default)]
    pub assignees: Vec<Owner>,
    /// How long it should take.
    #[serde(default)]
    pub expected: Option<Duration>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Not begun.
    Todo,
    /// Begun.
    InProgress,
    /// Done.
    Done,
    /// Could not be done.
    Failed,
    /// Waits for something outside.
    Blocked,
}
