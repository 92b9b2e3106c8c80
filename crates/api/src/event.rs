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

/// One record with what it changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditDetail {
    /// The record.
    #[serde(flatten)]
    pub record: AuditRecord,
    /// What each field held before and after; empty where the fact says all by itself.
    pub changes: Vec<FieldChange>,
}

/// A field before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where, for example `spec.phases[0].activities[1].timeout`.
    pub path: String,
    /// What was there; absent if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    /// What is there; absent if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
}

/// Where the journal stood, signed; checked with the public key alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditCheckpoint {
    /// Position of the newest record then.
    pub position: u64,
    /// Its hash.
    pub hash: String,
    /// When it was signed.
    pub at: String,
    /// The public key, in hexadecimal.
    pub key: String,
    /// The Ed25519 signature, in hexadecimal.
    pub signature: String,
}

/// The key that checks checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditKey {
    /// The algorithm: `Ed25519`.
    pub algorithm: String,
    /// The public key, in hexadecimal.
    pub key: String,
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
    /// How many signed checkpoints were met.
    #[serde(default)]
    pub checkpoints: u64,
    /// What is wrong, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
