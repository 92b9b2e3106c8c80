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
    /// What happens if nobody acts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub otherwise: String,
    /// What went wrong, where a failure waits for a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The address of the activity in this API.
    pub url: String,
}

/// How much needs this viewer, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxCounts {
    /// Approvals.
    pub approvals: u32,
    /// Questions.
    pub inputs: u32,
    /// Checklists.
    pub tasks: u32,
    /// Failures that wait for a decision.
    pub decisions: u32,
    /// How many of all of them are overdue.
    pub overdue: u32,
    /// All together.
    pub total: u32,
    /// Whether there is more than was counted.
    pub more: bool,
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
    /// The phase, where it is about one as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What it is about: `started`, `needsApproval`, `failure`, `handover`, `overdue`, …; `rule` where a
    /// notification rule asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What somebody is needed for: `approval`, `input`, `tasks` or `decision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<String>,
    /// Whether something stands still until somebody acts.
    #[serde(default)]
    pub urgent: bool,
    /// Whether this viewer has read it.
    #[serde(default)]
    pub read: bool,
    /// Who was told.
    pub owners: Vec<String>,
    /// What.
    pub message: String,
    /// The address of what it is about in this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where it leads on the server's pages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
}

/// What the viewer was told, newest first, with how much of it is unread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationPage {
    /// The notices.
    pub items: Vec<NotificationView>,
    /// The cursor of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Position of the journal that the page shows at least.
    pub as_of: u64,
    /// How many are unread, 500 at most.
    pub unread: u32,
    /// Whether more are unread than were counted.
    pub unread_more: bool,
}

/// What the viewer has read: everything up to a position, single notices, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MarkRead {
    /// Everything up to this position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
    /// These positions; at most 500.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<u64>,
}

/// How much is unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadCount {
    /// How many notices are unread, 500 at most.
    pub unread: u32,
    /// Whether more are unread than were counted.
    pub unread_more: bool,
}
