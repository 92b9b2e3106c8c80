//! Releases as a whole: what is asked of them and what is shown of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::activity::{ActivitySummary, ActivityView};
use crate::event::AuditRecord;
use crate::patch::present;
use crate::preparation::{ReadinessView, ReviewNoteView, WarningView};
use crate::report::{DeviationView, PunctualityView, RecordView};
use crate::status::{
    Importance, Level, Origin, PhaseStatus, Progress, ReleaseStatus, ReleaseType, RestartFrom,
    Stage, StartMode,
};

/// A release to be created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRelease {
    /// The process, of the same organization or the account level.
    pub process: String,
    /// Pin this revision instead of the newest at finalization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Where it lives; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its name; none makes one from the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<DescriptionView>,
    /// The software version delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its type; `standard` if absent.
    #[serde(default, rename = "type")]
    pub release_type: ReleaseType,
    /// Labels; a plain tag is a key with an empty value, and a tag `key:value` is that label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Structured context: ticket numbers, customers, whatever should be found again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Value>,
    /// Values for the inputs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// An input set that fills what `inputs` leaves open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_set: Option<String>,
    /// When it is to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub start_at: Option<String>,
    /// When it should end; advisory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expected_end_at: Option<String>,
    /// Starts by itself or waits for a person.
    #[serde(default)]
    pub start_mode: StartMode,
    /// IANA zone of its days and wall-clock times; none is UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The release manager: `user:NAME`, `team:NAME` or `role:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Owners of phases (`build`) and activities (`build/compile`) that replace the process's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, Vec<String>>,
    /// Who wants to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<String>,
    /// Links to other systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkView>,
    /// Releases that must have succeeded before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Start at once.
    #[serde(default)]
    pub start: bool,
    /// Finalize at once (with a start time: schedule).
    #[serde(default)]
    pub finalize: bool,
}

/// Changes to a release: an absent field stays as it is, null removes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EditRelease {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<DescriptionView>,
    /// New software version; null removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version: Option<Option<String>>,
    /// New type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub release_type: Option<ReleaseType>,
    /// New labels; they replace all labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// New structured context; it replaces all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<BTreeMap<String, Value>>,
    /// New links; they replace all links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<LinkView>>,
    /// New manager; null removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub manager: Option<Option<String>>,
    /// New owners of phases and activities; they replace all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<BTreeMap<String, Vec<String>>>,
    /// New stakeholders; they replace all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stakeholders: Option<Vec<String>>,
    /// New start time; null removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Option<String>>,
    /// New expected end; null removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expected_end_at: Option<Option<String>>,
    /// New start mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_mode: Option<StartMode>,
    /// New zone (drafts only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// New process (drafts only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// New revision to pin (drafts only); null pins the newest at finalization.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub revision: Option<Option<u32>>,
    /// New input values (drafts only); they replace all values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<BTreeMap<String, Value>>,
    /// New input set (drafts only); null removes it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub input_set: Option<Option<String>>,
    /// New predecessors (drafts only); they replace all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
}

/// Values given when a release is started on demand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ActivateRelease {
    /// Values for inputs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
}

/// Starting a scheduled release before its time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PreExecuteRelease {
    /// Overrides of optional inputs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// What for.
    pub purpose: String,
}

/// Why somebody does what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Reason {
    /// Why.
    pub reason: String,
}

/// Stopping a release for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbortRelease {
    /// Why; must not be empty.
    pub reason: String,
}

/// Running an aborted release again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RestartRelease {
    /// From where; `unfinished` if absent.
    pub from: RestartFrom,
    /// When; absent is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// Why.
    pub reason: String,
}

/// Something to write down about a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddNote {
    /// The note.
    pub text: String,
}

/// The structured description of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DescriptionView {
    /// What is delivered and why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Which services, environments and features.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// What may go wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub risks: String,
    /// How to go back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rollback_plan: String,
    /// Who needs to know.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stakeholders: String,
}

/// A link to another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkView {
    /// What is linked; absent or `other` becomes what the address tells.
    #[serde(default)]
    pub kind: LinkKind,
    /// Its name for people; an empty one is made from the address.
    #[serde(default)]
    pub title: String,
    /// `https://…` or `http://…`.
    pub url: String,
    /// The system that it leads into, where the address tells: `jira`, `github`, …; only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkKind {
    /// A ticket.
    Ticket,
    /// A commit.
    Commit,
    /// A pull request.
    PullRequest,
    /// A branch.
    Branch,
    /// A document.
    Document,
    /// A dashboard.
    Dashboard,
    /// An incident.
    Incident,
    /// A build.
    Build,
    /// An alert of a monitoring system.
    Alert,
    /// An artifact.
    Artifact,
    /// A test report.
    TestReport,
    /// Something else.
    #[default]
    Other,
}

/// A release in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSummary {
    /// Its id, used everywhere.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// Where it lives; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its process.
    pub process: String,
    /// Where the process lives; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_organization: Option<String>,
    /// The revision of the process asked for (Draft) or pinned (later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The software version delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub release_type: ReleaseType,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Where it stands.
    pub status: ReleaseStatus,
    /// The coarser stage of its life.
    pub stage: Stage,
    /// The coarsest word for it.
    pub progress: Progress,
    /// Who it is for.
    pub level: Level,
    /// How many activities stand where.
    pub counters: CountersView,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it is to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub start_at: Option<String>,
    /// When it should end; advisory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expected_end_at: Option<String>,
    /// When the current run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// The release manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The release that runs it as a subprocess or remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Its place in the release group that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembershipView>,
    /// Which run, from one once started.
    pub run: u32,
    /// Whether it was put out of the way.
    pub archived: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether its expected end has passed without an end.
    pub overdue: bool,
}

/// A release's place in its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupMembershipView {
    /// The group, of the same organization.
    pub name: String,
    /// The instant that the group planned; stays when the release is moved.
    #[schema(format = DateTime)]
    pub planned_at: String,
    /// Its number, counted from one since the group's first day.
    pub number: u32,
    /// Whether a person has changed it, so that changes of the group leave it alone.
    pub edited: bool,
}

/// A release in full, as this viewer sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    /// What lists show as well.
    #[serde(flatten)]
    pub summary: ReleaseSummary,
    /// Counts edits of what people write.
    pub edit: u64,
    /// Its description.
    pub description: DescriptionView,
    /// Its inputs with value and origin: as they will be used, or in a draft as far as they are known.
    pub inputs: BTreeMap<String, InputValueView>,
    /// The input set that fills what was not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_set: Option<String>,
    /// Global variables, once started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Its outputs, once ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// Starts by itself or waits for a person.
    pub start_mode: StartMode,
    /// IANA zone of its days and wall-clock times.
    pub zone: String,
    /// Owners of phases and activities that replace the process's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, Vec<String>>,
    /// Who wants to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<String>,
    /// Structured context.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Value>,
    /// Links to other systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkView>,
    /// Releases that must have succeeded first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<PredecessorView>,
    /// The activity that runs it as a subprocess or remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_activity: Option<ParentView>,
    /// Releases that it runs or ran as subprocesses or remedies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// Notes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteView>,
    /// How the current run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Value>,
    /// While paused: who, when, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseView>,
    /// Why it is being or was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_reason: Option<String>,
    /// Why it is set aside, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// Freezes that people let it through, the newest override of each; they stay on record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze_overrides: Vec<crate::FreezeOverrideView>,
    /// Its phases in the order of the plan.
    pub phases: Vec<PhaseView>,
    /// What it waits for now.
    pub waiting: Vec<WaitingView>,
    /// How many activities need this viewer's input.
    pub needs_you: u32,
    /// Whether a completed release asks for a follow-up note.
    pub note_wanted: bool,
    /// What to think about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningView>,
    /// What has to be ready before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readiness: Vec<ReadinessView>,
    /// What people thought of it before it started, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<ReviewNoteView>,
    /// Activities that have failed, each with the phase and the way there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureView>,
    /// What this viewer may do to it now.
    pub actions: Vec<ActionView>,
    /// When it will have ended, as far as that can be told; advisory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub forecast_end_at: Option<String>,
    /// Planned against actual times.
    pub punctuality: PunctualityView,
    /// Position of the journal that the view shows at least; answers to changes carry it as a header instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
}

/// An activity that has failed, for the way down from its release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureView {
    /// Its phase.
    pub phase: String,
    /// Its path.
    pub path: String,
    /// What went wrong.
    pub error: String,
    /// Where the recovery is described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Its address in this API.
    pub url: String,
}

/// How many activities stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountersView {
    /// All.
    pub total: u32,
    /// Predecessors not done.
    pub pending: u32,
    /// Ready, waiting for a slot, a delay or a pause.
    pub queued: u32,
    /// Executing or waiting for a timer.
    pub running: u32,
    /// Waiting for a person.
    pub needs_input: u32,
    /// Done.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Waived.
    pub ignored: u32,
    /// Never run.
    pub skipped: u32,
    /// Stopped.
    pub aborted: u32,
}

/// A value with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputValueView {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// A release that must have succeeded first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PredecessorView {
    /// Which.
    pub release: String,
    /// Whether it has.
    pub satisfied: bool,
}

/// Whose child a release is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentView {
    /// The parent release.
    pub release: String,
    /// Its activity.
    pub path: String,
    /// The attempt of that activity.
    pub attempt: u32,
}

/// Something written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoteView {
    /// Who.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// What.
    pub text: String,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseView {
    /// Who paused.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Why.
    pub reason: String,
}

/// A phase as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseView {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it stands.
    pub status: PhaseStatus,
    /// What its failure means to the release.
    pub importance: Importance,
    /// Who is responsible.
    pub owners: Vec<String>,
    /// Phases that come first.
    pub depends_on: Vec<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub opens_at: Option<String>,
    /// What has not started by then is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub closes_at: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// How many of its activities need a person.
    pub needs_input: u32,
    /// Its variables, once started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
}

/// What somebody may do now, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    /// The last segment of the action's address: `pause`, `retry`, …
    pub action: String,
    /// Whether this viewer may do it now.
    pub allowed: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What something waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum WaitingReason {
    /// Somebody who finalizes or activates the draft.
    Finalization,
    /// A start time.
    StartTime,
    /// A person who starts it.
    Start,
    /// Something that has to be ready before the start.
    Readiness,
    /// The group that it belongs to is paused.
    GroupPaused,
    /// Another release of its group must end first.
    Overlap,
    /// Another release that must succeed first.
    Predecessor,
    /// Phases that must be settled first.
    Phases,
    /// Activities that must be settled first.
    Activities,
    /// The phase opens later.
    Window,
    /// A freeze holds it back.
    Freeze,
    /// Others of its `forEach` come first.
    Slot,
    /// Time passes.
    Timer,
    /// The next automatic retry.
    Retry,
    /// People who approve.
    Approval,
    /// People who give values.
    Input,
    /// People who work through a checklist.
    Tasks,
    /// A person who decides what becomes of a failure.
    Resolution,
    /// An external system that works.
    External,
    /// A child release.
    Child,
    /// Somebody paused the release.
    Paused,
    /// An attempt is being stopped.
    Cancellation,
    /// The handling of the release failed; it is set aside.
    Quarantine,
    /// The engine takes it up next.
    Engine,
}

/// One thing that a release, a phase or an activity waits for: what, who or what ends it, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingView {
    /// The activity that waits; absent where a phase or the release does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The phase that waits; absent where the release itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What for.
    pub reason: WaitingReason,
    /// The same as a sentence.
    pub text: String,
    /// Who can end it: `user:NAME`, `team:NAME`, `role:NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// When it ends by itself, or when its deadline is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// Releases, phases, activities, tasks or fields that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Approvals that count so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<u32>,
    /// Approvals needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
    /// Whether the deadline has passed.
    #[serde(default)]
    pub overdue: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the outside world calls the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Value>,
}

/// Why a release is not moving, in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainView {
    /// The release.
    pub release: String,
    /// Where it stands.
    pub status: ReleaseStatus,
    /// Everything that it waits for; empty once it has ended.
    pub waiting: Vec<WaitingView>,
    /// Position of the journal that the answer shows at least.
    pub as_of: u64,
}

/// A release as a graph: phases as lanes, activities as nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphView {
    /// The release.
    pub release: String,
    /// The lanes.
    pub phases: Vec<PhaseView>,
    /// The nodes, items of a `forEach` included.
    pub activities: Vec<ActivitySummary>,
    /// The edges between phases and between activities of one phase.
    pub edges: Vec<EdgeView>,
    /// Position of the journal that the view shows at least.
    pub as_of: u64,
}

/// One edge: `to` waits for `from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeView {
    /// A phase (`build`) or an activity (`build/compile`).
    pub from: String,
    /// A phase or an activity.
    pub to: String,
}

/// A release over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineView {
    /// The release.
    pub release: String,
    /// The release, its phases and its activities, in the order of the plan.
    pub items: Vec<TimelineItem>,
    /// Now, by the server's clock.
    #[schema(format = DateTime)]
    pub now: String,
    /// Position of the journal that the view shows at least.
    pub as_of: u64,
}

/// What a line of a timeline stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TimelineKind {
    /// The release as a whole.
    Release,
    /// A phase.
    Phase,
    /// An activity.
    Activity,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineItem {
    /// What it stands for.
    pub kind: TimelineKind,
    /// The release's id, the phase's id or the activity's path.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its status.
    pub status: String,
    /// When it was planned to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub planned_start: Option<String>,
    /// When it was planned to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub planned_end: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
}

/// What an auditor needs of one release: what ran with which values, who decided what, and the journal that proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceView {
    /// The release.
    pub release: ReleaseView,
    /// Every activity with attempts, inputs, outputs, votes and tasks.
    pub activities: Vec<ActivityView>,
    /// Digest of the pinned process revision, once pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_digest: Option<String>,
    /// Commits, builds, artifacts, tests, tickets and deployments in one place.
    pub record: RecordView,
    /// Where it went another way than its process.
    pub deviations: Vec<DeviationView>,
    /// The release's journal records with their hashes, oldest first.
    pub journal: Vec<AuditRecord>,
}
