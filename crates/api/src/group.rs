//! Release groups: what they plan.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a group plans, whether the releases exist already or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupPreview {
    /// The group.
    pub name: String,
    /// Its organization; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The process of its releases.
    pub process: String,
    /// Its cadence as a recurrence rule of RFC 5545.
    pub rule: String,
    /// The IANA zone whose clock counts.
    pub zone: String,
    /// Whether it is paused: nothing is made and nothing starts by itself.
    pub paused: bool,
    /// What it plans, in order.
    pub items: Vec<PlannedRelease>,
    /// Position of the journal that the view shows at least.
    pub as_of: u64,
}

/// One planned instant of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedRelease {
    /// Its number, counted from one since the group's first day.
    pub number: u32,
    /// How the release is called by the group's template.
    pub name: String,
    /// Its day by the cadence.
    pub date: String,
    /// When it starts.
    #[schema(format = DateTime)]
    pub start_at: String,
    /// The same by the clock of the group's zone, with its offset.
    pub local_time: String,
    /// What that clock does about the start time on that day.
    pub clock: ClockChange,
    /// When it is expected to end.
    #[schema(format = DateTime)]
    pub expected_end_at: String,
    /// The release, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Whether its release was deleted by somebody, so that there will be none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// What a zone's clock does about a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClockChange {
    /// It shows the time once.
    None,
    /// It leaves the time out; the start is later by as much.
    Gap,
    /// It shows the time twice; the first one is taken.
    Fold,
}
