//! What people settle round a release before it starts: form, review, readiness, links, warnings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::release::{EdgeView, InputValueView, LinkKind, PhaseView};
use crate::status::ReleaseStatus;

/// A link to be added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddLink {
    /// `https://…` or `http://…`; a link to the same address is replaced.
    pub url: String,
    /// Its name for people; absent is made from the address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What is linked; absent or `other` becomes what the address tells.
    #[serde(default)]
    pub kind: LinkKind,
}

/// Whether something that has to be ready before the start is so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetReadiness {
    /// Which item.
    pub item: String,
    /// Whether it is ready; true if absent.
    #[serde(default = "yes")]
    pub ready: bool,
    /// What there is to say about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One more thing that has to be ready before one release starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeclareReadiness {
    /// Its id.
    pub id: String,
    /// Its name for people; the id if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What has to hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether the release must not start without it; true if absent.
    #[serde(default = "yes")]
    pub required: bool,
    /// Who says so: `user:NAME`, `team:NAME`, `role:NAME`; the release manager if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

fn yes() -> bool {
    true
}

/// That somebody knows of their part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Acknowledge {
    /// What there is to say about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What somebody thinks of a release before it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddReview {
    /// Whether it may go on like this.
    pub approved: bool,
    /// Why; needed with an objection.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Something to think about; it refuses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarningView {
    /// A code that stays the same: `generic-name`, `mixed-levels`, `no-owner`, …
    pub code: String,
    /// What holds and what would be better.
    pub message: String,
    /// The field that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Something that has to be ready before the start, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessView {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What has to hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether the release must not start without it.
    pub required: bool,
    /// Whether it was added for this release.
    pub added: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Who says so.
    pub who: Vec<String>,
    /// Who said so last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// What was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What somebody thought of a release before it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewNoteView {
    /// Who.
    pub user: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Whether it may go on like this.
    pub approved: bool,
    /// What was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Which edit the person saw.
    pub edit: u64,
}

/// How a part of the review came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Judgement {
    /// Nothing stands against it.
    Fine,
    /// Somebody should think about it.
    Attention,
    /// It keeps the release from starting.
    Blocking,
}

/// One part of the review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// `process`, `inputs`, `owners`, `timing`, `readiness` or `opinions`.
    pub part: String,
    /// How it came out.
    pub judgement: Judgement,
    /// What holds.
    pub message: String,
}

/// Somebody who answers for a part of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewOwnerView {
    /// Who.
    pub owner: String,
    /// `release`, phases and activities.
    pub parts: Vec<String>,
    /// People who have said that they know.
    pub acknowledged: Vec<AcknowledgementView>,
}

/// Somebody knows of their part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcknowledgementView {
    /// Who.
    pub user: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// What was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The look before the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewView {
    /// The release.
    pub release: String,
    /// Where it stands.
    pub status: ReleaseStatus,
    /// The worst of the parts.
    pub judgement: Judgement,
    /// One line for each part.
    pub checks: Vec<CheckView>,
    /// The phases in the order of the process.
    pub phases: Vec<PhaseView>,
    /// The activities in the order of the process, gates first in their phase.
    pub activities: Vec<ReviewActivity>,
    /// What waits for what.
    pub edges: Vec<EdgeView>,
    /// Every input with value, origin and what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<ReleaseForm>,
    /// Who answers for what.
    pub owners: Vec<ReviewOwnerView>,
    /// When it is to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub start_at: Option<String>,
    /// When it should end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expected_end_at: Option<String>,
    /// What has to be ready.
    pub readiness: Vec<ReadinessView>,
    /// What people thought of it.
    pub reviews: Vec<ReviewNoteView>,
    /// What to think about.
    pub warnings: Vec<WarningView>,
    /// Position of the journal that the view shows at least.
    pub as_of: u64,
}

/// An activity as the process plans it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewActivity {
    /// Its path.
    pub path: String,
    /// Its name for people.
    pub name: String,
    /// What it does.
    pub uses: String,
    /// Whether it must succeed before the others of its phase start.
    pub gate: bool,
    /// Whether it runs once for each element of a list.
    pub each: bool,
}

/// What a release of a process would be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PreviewInputs {
    /// Where the release is to live; absent is the account level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The revision to pin; absent is the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The input set that is to fill what is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_set: Option<String>,
    /// Values given so far.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
}

/// Every input of a release as it would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseForm {
    /// The process.
    pub process: String,
    /// Its revision.
    pub revision: u32,
    /// The inputs in the order of the process.
    pub fields: Vec<ReleaseFormField>,
    /// Required inputs that still have to be given.
    pub missing: Vec<String>,
    /// Everything that keeps a release from being finalized with these values.
    pub problems: Vec<FormProblem>,
    /// Sets that could fill it; absent where the release exists already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_sets: Vec<InputSetView>,
}

/// Something wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormProblem {
    /// `inputs.NAME`, `values.NAME`, or `inputs` for a rule over several.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// One input of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseFormField {
    /// Its name.
    pub name: String,
    /// How the process declares it: type, constraints, default, description.
    pub declaration: Value,
    /// Whether a value must be given.
    pub required: bool,
    /// Its value and where that comes from; absent if it has none that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<InputValueView>,
    /// What is wrong with it, or that it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Phases and activities that read it, also through variables.
    pub controls: Vec<String>,
}

/// How well an input set fits its process now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Fit {
    /// A release needs nothing more than this set.
    Complete,
    /// Required inputs are left to be given.
    Incomplete,
    /// Some of its values do not fit the process any more.
    Outdated,
}

/// An input set in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputSetView {
    /// What lists of definitions show.
    #[serde(flatten)]
    pub summary: crate::resource::ResourceSummary,
    /// The process whose inputs it fills.
    pub process: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Whether it is a starting point to clone.
    pub template: bool,
    /// Whether it was put out of the way.
    pub archived: bool,
    /// Its values.
    pub values: BTreeMap<String, Value>,
    /// How well it fits the newest revision of its process; absent if that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Required inputs that it leaves open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Values that do not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FormProblem>,
}

/// A set to be made from another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloneInputSet {
    /// The name of the new set.
    pub name: String,
    /// Where it is to live; absent is where the other one lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Values that are different; null leaves one out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
    /// What it is for; absent keeps the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How two revisions of a definition differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionDiff {
    /// The older one.
    pub from: u32,
    /// The newer one.
    pub to: u32,
    /// What differs, field by field.
    pub changes: Vec<SpecChange>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecChange {
    /// Where, for example `values.version`.
    pub path: String,
    /// What was there; absent if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there; absent if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}
