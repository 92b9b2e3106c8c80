//! Notification rules: which events of which releases are told through which channels (1-model.md, Resources).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The written form of a notification rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationRuleSpec {
    /// What is told, as words such as `release.failed`.
    #[schemars(length(min = 1))]
    pub events: Vec<String>,
    /// Whether nothing is told for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}
