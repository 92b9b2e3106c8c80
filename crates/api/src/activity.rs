//! Activities: what is asked of them and what is shown of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::deployment::DeploymentView;
use crate::release::{ActionView, InputValueView, NoteView, WaitingView};
use crate::status::{ActivityStatus, AttemptStatus, AttemptTrigger, Importance, TaskStatus};

/// Trying again: plain, with changed inputs (fix and continue), or by another process (remedy).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryActivity {
    /// Why; must not be empty.
    pub reason: String,
    /// Changed values, for this attempt only: names in scope or keys of `with`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// Run this process in its place and take over its outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// An input set to save the changed values to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_to: Option<String>,
}

/// Going on as if it had succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IgnoreActivity {
    /// Why; must not be empty.
    pub reason: String,
    /// Outputs to hand on in its place.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
}

/// Doing something that needs a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GiveReason {
    /// Why; must not be empty.
    pub reason: String,
}

/// Approving or rejecting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Decide {
    /// What the person wants to say.
    pub comment: String,
    /// The digest of what the person was shown; refused if it is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Answering an `input`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubmitInput {
    /// The values.
    pub values: BTreeMap<String, Value>,
}

/// Moving a task of a checklist on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateTask {
    /// Where it stands now.
    pub status: TaskStatus,
    /// What the person wants to say.
    #[serde(default)]
    pub comment: String,
    /// Links that prove it.
    #[serde(default)]
    pub evidence: Vec<String>,
}

/// An activity as a node of the graph or a line of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivitySummary {
    /// Its path: `build/compile`, or `deploy/rollout[2]` for one item of a `forEach`.
    pub path: String,
    /// Its phase.
    pub phase: String,
    /// Its name for people.
    pub name: String,
    /// What it does: the word after `uses`.
    pub uses: String,
    /// Where it stands.
    pub status: ActivityStatus,
    /// What its failure means to the phase.
    pub importance: Importance,
    /// Whether it must hold before the phase's other activities start.
    pub is_gate: bool,
    /// Whether a person has to decide what becomes of its failure.
    pub awaits_decision: bool,
    /// The item, for one of a `forEach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemView>,
    /// The items, for a `forEach` that has been expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsView>,
    /// How many attempts there ever were.
    pub attempts_made: u32,
    /// When its first attempt of the current run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Who is needed, while a person is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// While a freeze holds it back: which one, why, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<crate::DeferralView>,
    /// Why it failed, was ignored or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What went wrong in its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One element of a `forEach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemView {
    /// Its position, from zero.
    pub index: u32,
    /// The element.
    pub value: Value,
}

/// The items of an expanded `forEach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemsView {
    /// How many there are.
    pub count: u32,
    /// How many are not settled.
    pub unsettled: u32,
}

/// An activity in full, as this viewer sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityView {
    /// What lists show as well.
    #[serde(flatten)]
    pub summary: ActivitySummary,
    /// The release.
    pub release: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where its runbook is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Who is responsible.
    pub owners: Vec<String>,
    /// Activities of the same phase that come first.
    pub depends_on: Vec<String>,
    /// Its settings as written, with `${…}` still in them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Value>,
    /// When it starts again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub retry_at: Option<String>,
    /// When it is given up without a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub decision_deadline: Option<String>,
    /// What it handed on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// What its successes put where, as written in the process; `${…}` is still in it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub deploys: Value,
    /// What its successes put where, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<DeploymentView>,
    /// Why the record of a deployment lacks something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_problem: Option<String>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// The approval that it asks for, while it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalView>,
    /// The form that it asks to be filled, while it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<InputFormView>,
    /// The checklist, while it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TasksView>,
    /// What it waits for now.
    pub waiting: Vec<WaitingView>,
    /// What this viewer may do to it now.
    pub actions: Vec<ActionView>,
    /// Position of the journal that the view shows at least; answers to changes carry it as a header instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// Its number, from one, over all runs.
    pub number: u32,
    /// The run it belongs to.
    pub run: u32,
    /// What its effects carry to the outside world.
    pub key: String,
    /// How it went.
    pub status: AttemptStatus,
    /// Why it began.
    pub trigger: AttemptTrigger,
    /// Through whom.
    pub by: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// When it runs out of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub deadline: Option<String>,
    /// Its settings, evaluated; secrets are still names.
    pub config: Value,
    /// The values that it could see, by name, with where each came from.
    pub inputs: BTreeMap<String, InputValueView>,
    /// What a person changed for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
    /// What the outside world called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Value>,
    /// The child release that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// Until when it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// Everything that came back.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether another try may help, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// Whether it is certain that nothing goes on any more, where it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<bool>,
    /// Whether it is being stopped.
    pub stopping: bool,
}

/// An approval as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// Who may decide: `user:NAME`, `team:NAME`, `role:NAME`.
    pub approvers: Vec<String>,
    /// The rule as written: a number, `majority` or `all`.
    pub quorum: Value,
    /// Approvals that count so far.
    pub approved: u32,
    /// Approvals needed.
    pub needed: u32,
    /// Rejections so far.
    pub rejected: u32,
    /// `any` or `sequential`.
    pub order: String,
    /// Whether one rejection rejects.
    pub veto: bool,
    /// Whether the person who asked for the release may not decide.
    pub exclude_requester: bool,
    /// Persons who may not decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_authors: Vec<String>,
    /// What the approvers should look at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Decisions, oldest first.
    pub votes: Vec<VoteView>,
    /// Who may still decide.
    pub eligible: Vec<String>,
    /// When the deadline rule applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub deadline: Option<String>,
    /// `keep`, `reject` or `escalate`.
    pub on_deadline: String,
    /// Whether the deadline has passed.
    pub overdue: bool,
    /// Digest of what is shown; send it with the decision.
    pub digest: String,
    /// Whether this viewer has decided already.
    pub decided_by_you: bool,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoteView {
    /// Who.
    pub user: String,
    /// As which approver entries the person counts.
    pub entries: Vec<String>,
    /// `approve` or `reject`.
    pub decision: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// What the person said.
    pub comment: String,
    /// Digest of what was shown.
    pub digest: String,
}

/// A form that people are asked to fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputFormView {
    /// What is asked, in order.
    pub fields: Vec<FormField>,
    /// Who may answer.
    pub assignees: Vec<String>,
    /// What they are told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One field of a form, also one input of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// Its declaration as written in the process: type, default, constraints, description.
    pub declaration: Value,
}

/// A checklist as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TasksView {
    /// What the assignees are told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The tasks in order.
    pub tasks: Vec<TaskView>,
}

/// A task of a checklist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// Its id within the checklist.
    pub id: String,
    /// What to do.
    pub title: String,
    /// How to do it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who does it.
    pub assignees: Vec<String>,
    /// Where it stands.
    pub status: TaskStatus,
    /// How long it should take, for example `2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// When work on it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it was done or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// What people said, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<NoteView>,
    /// Links that prove it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// One line that an attempt printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLineView {
    /// The attempt.
    pub attempt: u32,
    /// Its number within the attempt, from one.
    pub number: u64,
    /// When it came.
    #[schema(format = DateTime)]
    pub at: String,
    /// `stdout`, `stderr` or `system`.
    pub stream: String,
    /// Its text.
    pub text: String,
}
