//! The calendar: what takes place when, what collides, how much there is, and feeds for other calendars.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::preparation::WarningView;
use crate::status::{ReleaseStatus, ReleaseType, Stage};

/// A stretch of time of the calendar with everything in it that the viewer sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarView {
    /// `day`, `week`, `month` or `quarter`; none for a range of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Its first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The instant after its last one.
    #[schema(format = DateTime)]
    pub to: String,
    /// The zone of its days.
    pub zone: String,
    /// The first day of the view before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_from: Option<String>,
    /// The first day of the view after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_from: Option<String>,
    /// What takes place, by start.
    pub items: Vec<CalendarEntry>,
    /// The cursor of the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Each day with how much takes place on it.
    pub days: Vec<CalendarDay>,
    /// Freezes, drawn as bands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<CalendarBand>,
    /// What statuses are coloured by.
    pub legend: Vec<LegendItem>,
    /// Whether so much takes place that some of it was not counted or compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Position of the journal that it shows at least.
    pub as_of: u64,
}

/// A release in the calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarEntry {
    /// The release; everything else about it is behind its address.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its organization; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its process.
    pub process: String,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub release_type: ReleaseType,
    /// Where it stands.
    pub status: ReleaseStatus,
    /// The coarser stage.
    pub stage: Stage,
    /// What it is coloured by.
    pub tone: String,
    /// Where its block begins: planned before it runs, actual afterwards.
    #[schema(format = DateTime)]
    pub start: String,
    /// Where its block ends; not in it.
    #[schema(format = DateTime)]
    pub end: String,
    /// Planned start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub planned_start: Option<String>,
    /// Expected end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub planned_end: Option<String>,
    /// Actual start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// Actual end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Whether its expected end has passed and it has not ended.
    pub overdue: bool,
    /// Its release manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Teams that it involves.
    pub teams: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it touches.
    pub touches: TouchesView,
    /// How it stands to the others of its time; none if there are no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<CalendarMark>,
    /// Releases at the same time that share something with it, up to a number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<ConflictView>,
    /// Whether there are more conflicts than told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_conflicts: bool,
    /// How many releases take place at the same time, whatever they share.
    pub overlaps: u64,
    /// What can be done from here: `edit`, `pre-execute`, `cancel`.
    pub actions: Vec<String>,
}

/// How a release stands to the others of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum CalendarMark {
    /// Another one at the same time shares a service, an environment or an exclusive tag: an error.
    Conflict,
    /// Another one takes place at the same time and shares nothing.
    Overlap,
}

/// What a release touches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TouchesView {
    /// Services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Environments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Exclusive tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclusive: Vec<String>,
}

/// A release that takes place at the same time and shares something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictView {
    /// The other release.
    pub release: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: ReleaseStatus,
    /// When it begins.
    #[schema(format = DateTime)]
    pub start: String,
    /// When it ends.
    #[schema(format = DateTime)]
    pub end: String,
    /// What both touch.
    pub shared: TouchesView,
    /// Why it is a conflict, in words.
    pub reason: String,
}

/// A day of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarDay {
    /// The civil day.
    pub date: String,
    /// How many releases take place on it.
    pub count: u64,
    /// How many of them are not among the items: `+n more`.
    pub more: u64,
}

/// A stretch of time in which a freeze holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarBand {
    /// The freeze.
    pub freeze: String,
    /// Its organization; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Why nothing may start.
    pub reason: String,
    /// `defer` or `warn`.
    pub effect: String,
    /// Its first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The instant after its last one.
    #[schema(format = DateTime)]
    pub to: String,
    /// What it holds for; empty lists mean all.
    pub scope: TouchesView,
}

/// What a status is coloured by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegendItem {
    /// The status.
    pub status: ReleaseStatus,
    /// The word for its colour.
    pub tone: String,
}

/// How much takes place in each period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapacityView {
    /// `day`, `week` or `month`.
    pub per: String,
    /// The zone of its days.
    pub zone: String,
    /// The periods, in order.
    pub items: Vec<CapacityPeriod>,
    /// How many releases may begin in a period, by the account's settings; none is any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Whether so much takes place that some of it was not counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Position of the journal that it shows at least.
    pub as_of: u64,
}

/// How much takes place in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapacityPeriod {
    /// Its first day.
    pub date: String,
    /// Its first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The instant after its last one.
    #[schema(format = DateTime)]
    pub to: String,
    /// How many releases begin in it.
    pub starting: u64,
    /// How many take place in it, wherever they begin.
    pub active: u64,
    /// Whether more begin in it than the account's settings allow for.
    pub over: bool,
}

/// What would be if a release took place then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CheckCalendar {
    /// An existing release; or say with the other fields what one would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The process of one that is not there yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Where it would live; none is the account level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Values for its inputs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// Its input set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_set: Option<String>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it touches besides, or without a process.
    pub touches: TouchesView,
    /// Releases that it comes after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// When it would start; absent is its planned start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub start_at: Option<String>,
    /// When it would end; absent keeps its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expected_end_at: Option<String>,
    /// The zone in which later days have the same time of day; absent is the release's, or UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How many free slots to name, up to 20; 5 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u64>,
}

/// What would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarCheck {
    /// When it would begin.
    #[schema(format = DateTime)]
    pub from: String,
    /// When it would end.
    #[schema(format = DateTime)]
    pub to: String,
    /// What it touches.
    pub touches: TouchesView,
    /// How it would stand to the others of that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<CalendarMark>,
    /// Releases that it would collide with, up to a number.
    pub conflicts: Vec<ConflictView>,
    /// Whether there are more conflicts than told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_conflicts: bool,
    /// How many releases take place at that time, whatever they share.
    pub overlaps: u64,
    /// Freezes that would hold for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<CalendarBand>,
    /// Everything to think about, in words.
    pub warnings: Vec<WarningView>,
    /// Free slots of the same length, earliest first.
    pub free: Vec<SlotView>,
    /// Position of the journal that it shows at least.
    pub as_of: u64,
}

/// A free stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotView {
    /// Its first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The instant after its last one.
    #[schema(format = DateTime)]
    pub to: String,
}

/// A feed to be made for the calling user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CreateFeed {
    /// What it is for, such as the name of a calendar program.
    pub description: String,
    /// When it ends; a year from now if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// A feed as it stands; its token is not known to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub issued_at: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Whether it still answers.
    pub valid: bool,
}

/// A new feed with its address, which is shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedFeed {
    /// The feed.
    #[serde(flatten)]
    pub view: FeedView,
    /// Its address below the server's, token included; absent when the request is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
