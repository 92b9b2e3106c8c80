//! What happened: events of the feed and records of the journal.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Its position in the journal; the id of the live event.
    pub position: u64,
    /// When it happened.
    #[schema(format = DateTime)]
    pub at: String,
    /// Through whom: `user:NAME` or `system`.
    pub by: String,
    /// What happened, for example `ActivitySucceeded`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The release it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The activity it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What else is known, by the event's type.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

/// One record of the journal with its place in the chain of hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// The fact.
    #[serde(flatten)]
    pub event: EventView,
    /// Hash of the record before it; empty for the first.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
}

/// Whether the journal is intact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerdict {
    /// Whether every record follows from the one before it.
    pub intact: bool,
    /// How many records were found intact.
    pub records: u64,
    /// Hash of the newest intact record; keep it elsewhere to notice a journal that was cut short.
    pub hash: String,
    /// What is wrong, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
