//! A release and its parts as they stand: what entity rows hold and what commands are judged against.
//!
//! `lifecycle` judges commands about the release as a whole, `phase` and `activity` carry the flow on,
//! `attempt` and `people` judge what executors and persons report, `take` takes facts in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calendar::involve::Involved;
use crate::calendar::span::Changes;
use crate::calendar::touch::Touches;
use crate::command::{Decision, RestartFrom};
use crate::deployment::Deployment;
use crate::event::{
    AttemptOutcome, AttemptTrigger, CancelCause, Parent, StartTrigger, Window, Work,
};
use crate::freeze::FreezeRef;
use crate::group::GroupMembership;
use crate::ids::{ActivityPath, EffectKey, Name, Owner, ReleaseId, ResourceKey};
use crate::process::ReadinessSpec;
use crate::status::{ActivityStatus, AttemptStatus, PhaseStatus, ReleaseStatus};
use crate::uses::tasks::TaskStatus;

mod attempt;
mod check;
mod deploy;
mod explain;
mod flow;
mod forecast;
pub(crate) mod freezing;
mod levels;
mod lifecycle;
pub(crate) mod people;
mod preparation;
mod retention;
mod review;
mod start;
pub(crate) mod state;
mod take;
mod warnings;

pub use deploy::Targets;
pub use forecast::Punctuality;

pub(crate) use check::{field as refuse_field, text as check_text};
pub(crate) use flow::notice_to;
pub(crate) use lifecycle::{edited_by_system, wrong as wrong_status};
pub use preparation::ReadinessItem;
pub use review::{Check, Judgement, Review, ReviewOwner};
pub use warnings::{Neighbour, Surroundings, Warning};

/// What kind of release it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseType {
    /// Regular, by cadence.
    #[default]
    Standard,
    /// An emergency.
    Hotfix,
    /// One capability.
    Feature,
    /// Many services over days or weeks.
    System,
}

/// Whether a scheduled release starts by itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum StartMode {
    /// At its start time.
    #[default]
    Auto,
    /// A person starts it once its time has come.
    Manual,
}

/// The structured description of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ReleaseDescription {
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// What is linked; `other` becomes what the address tells, where it is known.
    #[serde(default)]
    pub kind: LinkKind,
    /// Its name for people; an empty one is made from the address.
    #[serde(default)]
    pub title: String,
    /// `https://…` or `http://…`.
    pub url: String,
}

/// What a link leads to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
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

/// The value of an input and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputValue {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from, weakest first (2-execution.md, Value precedence).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The process's default.
    Default,
    /// The input set.
    InputSet,
    /// Given with the release.
    Release,
    /// A global variable.
    Global,
    /// A phase variable.
    Phase,
    /// An activity variable.
    Activity,
    /// Given at execution time, or changed for one attempt.
    Override,
}

/// Why something was never run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum SkipReason {
    /// Its condition did not hold, or its `forEach` was empty.
    Condition,
    /// A predecessor failed for good.
    UpstreamFailed,
    /// Its phase closed; the flag says whether that counts as failed.
    Closed {
        /// `then: fail`.
        failed: bool,
    },
    /// The phase's condition or variables could not be evaluated.
    Invalid {
        /// What went wrong.
        error: String,
    },
}

/// A release as it stands, its activities apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// Counts edits of what people write; the ETag.
    pub version: u64,
    /// Its name.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// Where it lives; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// Its process.
    pub process: ResourceKey,
    /// The pinned revision, once finalized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The revision to pin at finalization; none is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_revision: Option<u32>,
    /// Its description.
    #[serde(default)]
    pub description: ReleaseDescription,
    /// The software version delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Its type.
    #[serde(default)]
    pub release_type: ReleaseType,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Structured context: ticket numbers, customers, whatever should be found again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Value>,
    /// Values given by whoever created it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<String, Value>,
    /// The input set that fills the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_set: Option<Name>,
    /// Input values with origin, once finalized.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, InputValue>,
    /// What it touches, as far as known; ask [`Release::touches`].
    #[serde(default, skip_serializing_if = "Touches::is_empty")]
    pub touches: Touches,
    /// Teams and processes that it involves, as far as known.
    #[serde(default, skip_serializing_if = "Involved::is_empty")]
    pub involves: Involved,
    /// What subscribers of a calendar had to learn so far.
    #[serde(default, skip_serializing_if = "Changes::is_none")]
    pub changes: Changes,
    /// Global variables, once started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it is to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// When it should end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_end_at: Option<Timestamp>,
    /// Starts by itself or waits for a person.
    #[serde(default)]
    pub start_mode: StartMode,
    /// IANA zone of its days and wall-clock times.
    pub zone: String,
    /// The release manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Owner>,
    /// Owners of phases and activities that replace the process's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, Vec<Owner>>,
    /// Who wants to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<Owner>,
    /// Links to other systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Predecessors, and whether each has succeeded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<ReleaseId, bool>,
    /// Releases that name it as their predecessor, ended ones too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub followers: BTreeSet<ReleaseId>,
    /// Whose child it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Its place in the group that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembership>,
    /// Its children, running or ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ReleaseId>,
    /// Notes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// What was said about things that have to be ready before the start, by item.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readiness: BTreeMap<Name, Readiness>,
    /// Who knows of their part in it, by user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub acknowledgements: BTreeMap<Name, Acknowledgement>,
    /// What people thought of it before it started, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<ReviewNote>,
    /// Since when something that is not ready has kept it from starting by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_since: Option<Timestamp>,
    /// Whether it was put out of the way.
    #[serde(default)]
    pub archived: bool,
    /// The panic's message while it is quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// Where its life stands.
    pub life: Life,
    /// Which run, from one once started.
    #[serde(default)]
    pub run: u32,
    /// How the current run was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<StartTrigger>,
    /// When the current run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// While paused: who, when, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Why it is being or was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_reason: Option<String>,
    /// Its outputs, once ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// Where the next run begins, for an aborted release that is to run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartFrom>,
    /// Freezes that people let it through, by freeze: the newest override of each, expired and revoked ones too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub freeze_overrides: BTreeMap<FreezeRef, FreezeOverride>,
    /// Its phases, in the order of the plan; empty before the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// How many activities stand where, items included.
    #[serde(default)]
    pub counters: Counters,
    /// Whether people were told that its expected end has passed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
    /// Whether people were told that its start time has passed and somebody has to start it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub start_missed: bool,
}

/// That somebody let a release start work although a freeze holds: a deviation that stays on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreezeOverride {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// When the freeze holds the release back again.
    pub expires_at: Timestamp,
    /// Who took it back, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Note>,
}

impl FreezeOverride {
    /// Whether it counts at an instant.
    pub fn counts(&self, at: Timestamp) -> bool {
        self.revoked.is_none() && at < self.expires_at
    }
}

/// That a freeze holds an activity back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferral {
    /// Which freeze; of several the one that ends last.
    pub freeze: FreezeRef,
    /// Why it holds.
    pub reason: String,
    /// When its window ends.
    pub ends_at: Timestamp,
    /// The next instant at which no freeze holds the activity back.
    pub until: Timestamp,
}

/// Where a release's life stands; Running and OnHold are told apart by its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Life {
    /// Being written.
    Draft,
    /// Finalized.
    Scheduled,
    /// Waits for other releases.
    Queued,
    /// Under way.
    Underway,
    /// Being stopped.
    Aborting,
    /// Ended.
    Ended {
        /// Success, PartialSuccess, Failed or Aborted.
        status: ReleaseStatus,
    },
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Who paused.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Something written down about a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// What was said about one thing that has to be ready before the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// The item, where it was added for this release; otherwise the process declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<ReadinessSpec>,
    /// Whether it is ready.
    #[serde(default)]
    pub ready: bool,
    /// Who said so last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Somebody knows of their part in a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// As which owners the person counts.
    pub owners: Vec<Owner>,
    /// What was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What somebody thought of a release before it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewNote {
    /// Who: the user's name.
    pub user: Name,
    /// When.
    pub at: Timestamp,
    /// Whether it may go on like this.
    pub approved: bool,
    /// What was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Which edit the person saw.
    pub version: u64,
}

/// How many activities stand where; `forEach` parents are not counted, their items are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counters {
    /// All.
    pub total: u32,
    /// Predecessors not done.
    pub pending: u32,
    /// Ready, waiting for a slot, a delay, a pause or a freeze.
    pub queued: u32,
    /// Executing or waiting for a timer.
    pub running: u32,
    /// Waiting for a person, failures with an open decision included.
    pub needs_input: u32,
    /// Done.
    pub succeeded: u32,
    /// Failed, with a decision open or for good.
    pub failed: u32,
    /// Waived.
    pub ignored: u32,
    /// Never run.
    pub skipped: u32,
    /// Stopped.
    pub aborted: u32,
}

/// A phase as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// Its id.
    pub id: Name,
    /// Pending, Running, or how it ended; OnHold is derived.
    pub status: PhaseStatus,
    /// When it opens and closes.
    #[serde(default)]
    pub window: Window,
    /// How many of its predecessors are not settled.
    #[serde(default)]
    pub blockers: u32,
    /// Whether its closing time has come and what had not started was skipped.
    #[serde(default)]
    pub closed: bool,
    /// Its variables, once started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SkipReason>,
    /// How many of its activities are not settled (`forEach` counts once).
    #[serde(default)]
    pub unsettled: u32,
    /// How many of its gates are not settled.
    #[serde(default)]
    pub gates_unsettled: u32,
    /// How many of its activities execute or wait for a timer, window or slot (items counted).
    #[serde(default)]
    pub active: u32,
    /// How many of its activities need a person (items counted).
    #[serde(default)]
    pub needs_input: u32,
    /// Whether its owners were told that it is their turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub announced: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An activity as it stands: one of the plan, or one item of a `forEach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// Its path.
    pub path: ActivityPath,
    /// Where it stands.
    pub standing: Standing,
    /// How many of its predecessors are not settled.
    #[serde(default)]
    pub blockers: u32,
    /// The element of the list, for an item of a `forEach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
    /// The items, for a `forEach` that has been expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Its attempts, oldest first, over all runs; at most 200 are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// How many attempts there ever were.
    #[serde(default)]
    pub attempts_made: u32,
    /// Attempts made since the retry policy began to count (the flow or a person started it).
    #[serde(default)]
    pub attempts_counted: u32,
    /// When the retry policy began to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_since: Option<Timestamp>,
    /// Counts changes of the inputs by people; part of the key.
    #[serde(default)]
    pub round: u32,
    /// Values changed for the next attempt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
    /// Why the next attempt begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_trigger: Option<AttemptTrigger>,
    /// A process that runs in its place at the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Name>,
    /// What it handed on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// When its first attempt of the current run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The decisions of its current approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    /// Whether the people asked have been reminded.
    #[serde(default)]
    pub reminded: bool,
    /// How often they have been reminded of what it holds for now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reminders: u32,
    /// Whether others have been told that nobody answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
    /// Whether the deadline of its approval has passed.
    #[serde(default)]
    pub overdue: bool,
    /// Who may decide as well since the deadline passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalated_to: Vec<Owner>,
    /// The tasks of its current checklist.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<Name, Task>,
    /// Who is needed, while a person is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Owner>,
    /// While a freeze holds its next attempt back; only ever set while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Deferral>,
    /// What its successes put where, oldest first, over all runs; the newest 100 are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<Deployed>,
    /// Why the record of a deployment lacks something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_problem: Option<String>,
}

/// A deployment with when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// When.
    pub at: Timestamp,
    /// What was put where.
    #[serde(flatten)]
    pub deployment: Deployment,
}

/// Where an activity stands, with what each case needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Standing {
    /// Its predecessors are not settled, or its phase has not started.
    Pending,
    /// Ready; waits for a slot, the end of a pause or of a freeze.
    Queued,
    /// Waits for its next automatic attempt.
    Backoff {
        /// When that starts.
        retry_at: Timestamp,
    },
    /// Its last attempt is under way.
    Underway,
    /// Its items are under way.
    Expanded,
    /// Failed, or not known how it went; a person decides.
    Undecided {
        /// Whether the outcome is not known, rather than bad.
        unknown: bool,
        /// When it is given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// Done.
    Success,
    /// Failed for good.
    Failed {
        /// Why.
        reason: String,
    },
    /// Failed, and waived.
    Ignored {
        /// Why.
        reason: String,
    },
    /// Never run.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// Stopped with its release.
    Aborted,
}

/// One element of a `forEach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its position, from zero.
    pub index: u32,
    /// The element.
    pub value: Value,
}

/// The items of an expanded `forEach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Position of the first item among the release's activities.
    pub first: u32,
    /// How many items there are.
    pub count: u32,
    /// How many are not settled.
    pub unsettled: u32,
    /// How many hold a slot.
    pub occupied: u32,
    /// Items before this one have been started at least once.
    pub next: u32,
    /// Items that were retried by a person and wait for a slot again.
    #[serde(default)]
    pub queued: u32,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its number, from one, over all runs.
    pub number: u32,
    /// The run it belongs to.
    pub run: u32,
    /// The key of its effects.
    pub key: EffectKey,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it began.
    pub trigger: AttemptTrigger,
    /// Through whom.
    pub by: String,
    /// Its settings, evaluated.
    pub config: Value,
    /// Variables of the activity, evaluated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// What a person changed for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
    /// What it consists of.
    pub work: Work,
    /// When it runs out of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What the outside called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<Value>,
    /// While it is being stopped: why, and when that is recorded as not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
}

/// An attempt being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancel {
    /// Why.
    pub cause: CancelCause,
    /// When it is recorded as not confirmed.
    pub confirm_by: Timestamp,
}

/// One person's decision on an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// Who.
    pub user: Name,
    /// As which approver entries the person counts.
    pub entries: Vec<Owner>,
    /// What.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
    /// What the person said.
    pub comment: String,
    /// Digest of what was shown.
    pub digest: String,
}

/// A task of a checklist as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Where it stands.
    pub status: TaskStatus,
    /// When work on it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was done or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What people said, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Note>,
    /// Links that prove it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl Release {
    /// Its status, Running and OnHold told apart: on hold is a release in which nothing executes
    /// and at least one person is needed (2-execution.md, Rules).
    pub fn status(&self) -> ReleaseStatus {
        match self.life {
            Life::Draft => ReleaseStatus::Draft,
            Life::Scheduled => ReleaseStatus::Scheduled,
            Life::Queued => ReleaseStatus::Queued,
            Life::Aborting => ReleaseStatus::Aborting,
            Life::Ended { status } => status,
            Life::Underway if self.needs_a_person() => ReleaseStatus::OnHold,
            Life::Underway => ReleaseStatus::Running,
        }
    }

    fn needs_a_person(&self) -> bool {
        if self.quarantine.is_some() {
            return true;
        }
        if self.counters.running > 0 {
            return false;
        }
        if self.pause.is_some() {
            return true;
        }
        let timers = self.counters.queued > 0 || self.opens_later();
        self.counters.needs_input > 0 && !timers
    }

    /// Whether a phase waits for nothing but its opening time.
    fn opens_later(&self) -> bool {
        self.phases.iter().any(|phase| {
            phase.status == PhaseStatus::Pending
                && phase.blockers == 0
                && phase.window.opens_at.is_some()
        })
    }
}

impl Phase {
    /// Its status, Running and OnHold told apart.
    pub fn shown(&self) -> PhaseStatus {
        if self.status == PhaseStatus::Running && self.active == 0 && self.needs_input > 0 {
            PhaseStatus::OnHold
        } else {
            self.status
        }
    }
}

impl Activity {
    /// Its status.
    pub fn status(&self) -> ActivityStatus {
        match &self.standing {
            Standing::Pending => ActivityStatus::Pending,
            Standing::Queued | Standing::Backoff { .. } => ActivityStatus::Queued,
            Standing::Underway if self.asks_people() => ActivityStatus::OnHold,
            Standing::Underway | Standing::Expanded => ActivityStatus::Running,
            Standing::Undecided { unknown: true, .. } => ActivityStatus::OnHold,
            Standing::Undecided { unknown: false, .. } => ActivityStatus::Failed,
            Standing::Success => ActivityStatus::Success,
            Standing::Failed { .. } => ActivityStatus::Failed,
            Standing::Ignored { .. } => ActivityStatus::Ignored,
            Standing::Skipped { .. } => ActivityStatus::Skipped,
            Standing::Aborted => ActivityStatus::Aborted,
        }
    }

    /// Whether a person has to decide what becomes of its failure.
    pub fn awaits_decision(&self) -> bool {
        matches!(self.standing, Standing::Undecided { .. })
    }

    /// Whether nothing more happens to it by itself or by a decision.
    pub fn is_settled(&self) -> bool {
        match self.standing {
            Standing::Pending
            | Standing::Queued
            | Standing::Backoff { .. }
            | Standing::Underway
            | Standing::Expanded
            | Standing::Undecided { .. } => false,
            Standing::Success
            | Standing::Failed { .. }
            | Standing::Ignored { .. }
            | Standing::Skipped { .. }
            | Standing::Aborted => true,
        }
    }

    /// Whether nothing of it has begun in this run, though it may have been deferred.
    pub(crate) fn has_not_begun(&self) -> bool {
        match self.standing {
            Standing::Pending => true,
            Standing::Queued => self.started_at.is_none(),
            _ => false,
        }
    }

    /// Its last attempt.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Whether its attempt under way waits for people rather than for work.
    fn asks_people(&self) -> bool {
        self.attempt().is_some_and(|attempt| {
            matches!(
                attempt.work,
                Work::Approval { .. } | Work::Input { .. } | Work::Tasks { .. }
            ) && attempt.cancel.is_none()
        })
    }
}

impl Attempt {
    /// Its status.
    pub fn status(&self) -> AttemptStatus {
        match &self.outcome {
            None => AttemptStatus::Running,
            Some(AttemptOutcome::Succeeded { .. }) => AttemptStatus::Succeeded,
            Some(AttemptOutcome::Failed { .. }) => AttemptStatus::Failed,
            Some(AttemptOutcome::TimedOut { .. }) => AttemptStatus::TimedOut,
            Some(AttemptOutcome::Cancelled { .. }) => AttemptStatus::Cancelled,
            Some(AttemptOutcome::Unknown { .. }) => AttemptStatus::Unknown,
        }
    }

    /// What went wrong, where something did.
    pub fn error(&self) -> Option<&str> {
        match self.outcome.as_ref()? {
            AttemptOutcome::Failed { error, .. }
            | AttemptOutcome::TimedOut { error }
            | AttemptOutcome::Unknown { error } => Some(error),
            AttemptOutcome::Cancelled { .. } => Some("cancelled"),
            AttemptOutcome::Succeeded { .. } => None,
        }
    }
}
