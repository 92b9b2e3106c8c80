//! `approval`: people agree before work goes on (2-execution.md, Failure handling and people).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::ids::Owner;

/// Settings of an `approval`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalConfig {
    /// Who may decide: `user:NAME`, `team:NAME`, `role:NAME`.
    pub approvers: Vec<Owner>,
    /// How many distinct persons must approve: a number, `majority` or `all` (each approver entry by another person).
    #[serde(default)]
    pub quorum: Quorum,
    /// In any order, or one entry after the other.
    #[serde(default)]
    pub order: Order,
    /// Whether one rejection rejects; otherwise it is rejected once the quorum cannot be reached.
    #[serde(default = "yes")]
    pub veto: bool,
    /// Whether the person who asked for the release may not decide.
    #[serde(default)]
    pub exclude_requester: bool,
    /// Persons who may not decide, for example the authors of the change.
    #[serde(default)]
    pub exclude_authors: Vec<Owner>,
    /// What the approvers should look at.
    #[serde(default)]
    pub message: String,
    /// How long they have, counted from the moment they are asked.
    #[serde(default)]
    pub deadline: Option<Duration>,
    /// How long before the deadline, or after being asked if there is none, they are reminded.
    #[serde(default)]
    pub remind: Option<Duration>,
    /// What happens at the deadline.
    #[serde(default)]
    pub on_deadline: OnDeadline,
    /// Who may decide as well after the deadline, with `onDeadline: escalate`.
    #[serde(default)]
    pub escalate_to: Vec<Owner>,
}

fn yes() -> bool {
    true
}

/// How many must approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Quorum {
    /// That many distinct persons.
    Number(u32),
    /// A share of the approver entries.
    Share(Share),
}

impl Default for Quorum {
    fn default() -> Self {
        Quorum::Number(1)
    }
}

/// A share of the approver entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Share {
    /// More than half.
    Majority,
    /// Each entry, by a person of its own.
    All,
}

/// In which order people decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// As they come.
    #[default]
    Any,
    /// One approver entry after the other.
    Sequential,
}

/// What happens when the deadline passes without a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnDeadline {
    /// It stays open, shown as overdue.
    #[default]
    Keep,
    /// It counts as rejected.
    Reject,
    /// `escalateTo` may decide as well.
    Escalate,
}
