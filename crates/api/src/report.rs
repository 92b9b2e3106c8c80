//! Reports: the record of a release, of a period, and figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{DeploymentView, LinkView, NoteView, Origin, ReleaseSummary, TimelineItem};

/// Planned against actual times; lengths in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PunctualityView {
    /// How much later than planned it started; negative is earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_delay_seconds: Option<i64>,
    /// From the planned start to the expected end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_seconds: Option<i64>,
    /// From the start to the end, or until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_seconds: Option<i64>,
    /// How much later than expected it ended; negative is earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_delay_seconds: Option<i64>,
}

/// Commits, builds, artifacts, tests, tickets and deployments of a release in one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordView {
    /// Commits, from links, inputs and deployments.
    pub commits: Vec<String>,
    /// Tickets, from links, inputs and deployments.
    pub tickets: Vec<String>,
    /// Container images, from inputs and deployments.
    pub images: Vec<String>,
    /// Artifacts, from links, inputs and deployments.
    pub artifacts: Vec<String>,
    /// Links to builds and pull requests.
    pub builds: Vec<LinkView>,
    /// Links to test reports.
    pub tests: Vec<LinkView>,
    /// Who approved or rejected what, and when.
    pub approvals: Vec<ApprovalReport>,
    /// What was deployed where.
    pub deployments: Vec<DeploymentView>,
}

/// A decision on an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalReport {
    /// The activity.
    pub path: String,
    /// Who.
    pub user: String,
    /// `approve` or `reject`.
    pub decision: String,
    /// As which approver entries the person counted.
    pub entries: Vec<String>,
    /// What the person said.
    pub comment: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Whether it was voided later, because what was shown had changed.
    #[serde(default)]
    pub voided: bool,
}

/// A departure from the standard process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviationView {
    /// What kind, for example `ignored`.
    pub kind: String,
    /// The kind for people.
    pub words: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Through whom.
    pub by: String,
    /// The activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Why.
    pub reason: String,
}

/// An input with where its value came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputReport {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where the value came from.
    pub origin: Origin,
}

/// An activity with how it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityReport {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// What it does.
    pub uses: String,
    /// How it ended, or where it stands.
    pub status: String,
    /// When its first attempt of the last run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Why it failed, was ignored or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its attempts over all runs, oldest first.
    pub attempts: Vec<AttemptReport>,
}

/// An attempt with how it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptReport {
    /// Its number.
    pub number: u32,
    /// The run it belongs to.
    pub run: u32,
    /// How it went.
    pub status: String,
    /// Through whom it began.
    pub by: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a person changed for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
}

/// The report of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReport {
    /// The release.
    pub release: ReleaseSummary,
    /// What is delivered and why, and the rest of its description.
    pub description: BTreeMap<String, String>,
    /// Planned against actual times.
    pub punctuality: PunctualityView,
    /// Planned and actual times of the release, its phases and activities.
    pub timeline: Vec<TimelineItem>,
    /// Inputs given, with origin.
    pub inputs: Vec<InputReport>,
    /// Activities with attempts and outcomes.
    pub activities: Vec<ActivityReport>,
    /// Commits, builds, artifacts, tests, approvals and deployments.
    pub record: RecordView,
    /// Departures from the process.
    pub deviations: Vec<DeviationView>,
    /// Follow-up notes.
    pub notes: Vec<NoteView>,
    /// Links to other systems.
    pub links: Vec<LinkView>,
    /// Digest of the pinned process revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_digest: Option<String>,
    /// When the report was made.
    #[schema(format = DateTime)]
    pub made_at: String,
    /// Position of the journal that the report shows at least.
    pub as_of: u64,
}

/// The report of a group, a process or an organization over a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeriodReport {
    /// What it is about, for example `group weekly` or `organization shop`.
    pub about: String,
    /// From then on.
    #[schema(format = DateTime)]
    pub from: String,
    /// Before then.
    #[schema(format = DateTime)]
    pub to: String,
    /// Releases that begin in the period, archived ones included, the earliest first.
    pub releases: Vec<ReleaseSummary>,
    /// Deployments of the period, newest first.
    pub deployments: Vec<DeploymentView>,
    /// Whether there is more than is shown; then the period is to be made shorter.
    pub cut: bool,
    /// Figures of the period.
    pub figures: FiguresView,
    /// When the report was made.
    #[schema(format = DateTime)]
    pub made_at: String,
    /// Position of the journal that the report shows at least.
    pub as_of: u64,
}

/// Figures of a period; a rate is none where nothing was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FiguresView {
    /// From then on.
    #[schema(format = DateTime)]
    pub from: String,
    /// Before then.
    #[schema(format = DateTime)]
    pub to: String,
    /// Releases that ended, by how they ended.
    pub releases: BTreeMap<String, u64>,
    /// Share of releases that ended as Success.
    pub success_rate: Option<f64>,
    /// How many deployments there were.
    pub deployments: u64,
    /// Deployments per day.
    pub deployments_per_day: f64,
    /// From commit or creation to deployment.
    pub lead_time: Option<SpreadView>,
    /// Share of deployments that failed.
    pub change_failure_rate: Option<f64>,
    /// From a failed deployment to the next good one.
    pub time_to_restore: Option<SpreadView>,
    /// How long approvals took.
    pub approval_wait: Option<SpreadView>,
    /// From the planned to the actual start.
    pub start_delay: Option<SpreadView>,
    /// Share of releases that started on time.
    pub started_on_time: Option<f64>,
    /// From the start to the end.
    pub duration: Option<SpreadView>,
    /// How much longer than planned releases took.
    pub overrun: Option<SpreadView>,
    /// What each figure means.
    pub definitions: Vec<FigureDefinition>,
    /// Position of the journal that the figures show at least.
    pub as_of: u64,
}

/// What a figure means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FigureDefinition {
    /// The figure's field.
    pub figure: String,
    /// Its definition.
    pub definition: String,
}

/// How long things took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpreadView {
    /// How many were counted.
    pub count: u64,
    /// Half of them took no longer.
    pub median_seconds: f64,
    /// On average.
    pub mean_seconds: f64,
    /// Nine of ten took no longer.
    pub p90_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
}
