//! What needs somebody, and what somebody was told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::status::{ActivityStatus, ReleaseStatus};

/// What somebody is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum InboxKind {
    /// To approve or reject.
    Approval,
    /// To give values.
    Input,
    /// To work through a checklist.
    Tasks,
    /// To decide what becomes of a failure.
    Resolution,
}

/// One thing that needs this viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxItem {
    /// What for.
    pub kind: InboxKind,
    /// The release.
    pub release: String,
    /// Its name.
    pub release_name: String,
    /// Its organization; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Where the release stands.
    pub release_status: ReleaseStatus,
    /// The activity.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where the activity stands.
    pub status: ActivityStatus,
    /// What is asked.
    pub message: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub deadline: Option<String>,
    /// Whether that has passed.
    pub overdue: bool,
    /// What went wrong, where a failure waits for a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The address of the activity in this API.
    pub url: String,
}

/// Something that somebody was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationView {
    /// Position of the event that it tells of.
    pub position: u64,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// The release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who was told.
    pub owners: Vec<String>,
    /// What.
    pub message: String,
    /// The address of what it is about in this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
