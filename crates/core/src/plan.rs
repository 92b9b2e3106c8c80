//! What a definition compiles into: phases, activities and edges, checked and indexed.
//!
//! A process and a promotion flow both become a plan, so that one engine runs both (1-model.md).
//! A plan is immutable, shared by all releases of one revision, and never serialized.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainmaster_expr::{Condition, Template};

use crate::ids::{ActivityPath, Name, Owner};
use crate::inputs::InputDeclaration;
use crate::process::ReadinessSpec;
use crate::status::Importance;
use crate::uses::ActivityType;

mod compile;
mod template;

pub use compile::compile;
pub(crate) use compile::{READINESS_MAX, compile_faults, config_schema};
pub(crate) use template::secret_places;

/// Position of a phase in its plan.
pub type PhaseIndex = usize;
/// Position of an activity in its plan; items of a `forEach` come after all of these.
pub type ActivityIndex = usize;

/// A process ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What may be asked from whoever creates or executes a release.
    pub inputs: Vec<InputDeclaration>,
    /// Cross-field rules over the inputs.
    pub rules: Vec<InputRule>,
    /// Global variables, in an order in which each may use the ones before it.
    pub variables: Vec<(String, ValueTemplate)>,
    /// What the release hands back to a parent that ran it as a subprocess.
    pub outputs: BTreeMap<String, ValueTemplate>,
    /// Whether a degraded release is PartialSuccess rather than Failed.
    pub allow_partial_success: bool,
    /// How long a failed activity waits for a decision before it is given up; none waits for ever.
    pub decision_deadline: Option<SignedDuration>,
    /// When people who do not answer are reminded, and when others are told.
    pub holds: Holds,
    /// What has to be ready before a release starts.
    pub readiness: Vec<ReadinessSpec>,
    /// Phases in the order of the definition.
    pub phases: Vec<PlannedPhase>,
    /// Activities, phase by phase; within a phase its gates come first.
    pub activities: Vec<PlannedActivity>,
    /// Position of each activity by its path.
    pub paths: BTreeMap<ActivityPath, ActivityIndex>,
    /// SHA-256 of the definition's canonical text, in hexadecimal.
    pub digest: String,
}

/// When people who do not answer are reminded, and when others are told (checklist R-126).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds {
    /// How long until they are reminded, and then again and again.
    pub remind: SignedDuration,
    /// How long until others are told.
    pub escalate_after: SignedDuration,
    /// Who those others are; empty means the release manager.
    pub escalate_to: Vec<Owner>,
}

impl Holds {
    /// How long people have before they are reminded, where the process says nothing.
    pub const REMIND: SignedDuration = SignedDuration::from_hours(24);
    /// How long they have before others are told, where the process says nothing.
    pub const ESCALATE_AFTER: SignedDuration = SignedDuration::from_hours(48);
}

/// A condition over the inputs with the message shown when it does not hold.
#[derive(Clone, Debug)]
pub struct InputRule {
    /// What must hold.
    pub condition: Condition,
    /// What to tell the person when it does not.
    pub message: String,
}

/// A phase ready to run.
#[derive(Clone, Debug)]
pub struct PlannedPhase {
    /// Its id.
    pub id: Name,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who is responsible by default.
    pub owners: Vec<Owner>,
    /// Variables visible in this phase, in an order in which each may use the ones before it.
    pub variables: Vec<(String, ValueTemplate)>,
    /// Runs only if this holds.
    pub when: Option<Condition>,
    /// What its failure means to the release.
    pub importance: Importance,
    /// Not before this time of the release.
    pub opens: Option<DayTime>,
    /// What has not started by then is skipped.
    pub closes: Option<Closing>,
    /// Phases that must be settled first.
    pub depends_on: Vec<PhaseIndex>,
    /// Phases that wait for this one.
    pub dependents: Vec<PhaseIndex>,
    /// Gates: positions in [`Plan::activities`].
    pub gates: std::ops::Range<ActivityIndex>,
    /// Activities other than gates: positions in [`Plan::activities`].
    pub activities: std::ops::Range<ActivityIndex>,
}

/// A day of the release (the day it starts is day 1) and a wall-clock time in the release's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DayTime {
    /// 1 is the day of the start; at most 3660.
    #[schemars(range(min = 1, max = 3660))]
    pub day: u16,
    /// `HH:MM` or `HH:MM:SS`.
    #[schemars(with = "String", extend("format" = "trainmaster-time"))]
    #[serde(with = "crate::duration::time_of_day")]
    pub time: Time,
}

/// When a phase closes, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: DayTime,
    /// What the skipped activities count as.
    pub then: ClosingRule,
}

/// What becomes of a phase whose time is over.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ClosingRule {
    /// What has not started counts as skipped by its condition.
    #[default]
    Complete,
    /// What has not started counts as failed.
    Fail,
}

/// An activity ready to run.
#[derive(Clone, Debug)]
pub struct PlannedActivity {
    /// `phase/activity`.
    pub path: ActivityPath,
    /// Its id within the phase.
    pub id: Name,
    /// Its phase.
    pub phase: PhaseIndex,
    /// Must hold before the phase's other activities start.
    pub is_gate: bool,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it does.
    pub uses: ActivityType,
    /// Its settings, with `${…}` still in them.
    pub with: BTreeMap<String, ValueTemplate>,
    /// Activities of the same phase that must be settled first (gates not listed).
    pub depends_on: Vec<ActivityIndex>,
    /// Activities of the same phase that wait for this one.
    pub dependents: Vec<ActivityIndex>,
    /// Runs only if this holds.
    pub when: Option<Condition>,
    /// Who is responsible by default; empty means the phase's owners.
    pub owners: Vec<Owner>,
    /// Variables visible in this activity, in an order in which each may use the ones before it.
    pub variables: Vec<(String, ValueTemplate)>,
    /// What it hands on, over `result`.
    pub outputs: BTreeMap<String, ValueTemplate>,
    /// Longest time of one attempt.
    pub timeout: Option<SignedDuration>,
    /// Automatic retry.
    pub retry: RetryPolicy,
    /// What its failure means to the phase.
    pub importance: Importance,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// What happens when nobody knows how an attempt went.
    pub on_unknown: OnUnknown,
    /// Whether people may retry it.
    pub may_retry: bool,
    /// Whether people may ignore its failure.
    pub may_ignore: bool,
    /// Where the recovery is described.
    pub runbook: Option<String>,
    /// Runs once for each element of this list.
    pub for_each: Option<ValueTemplate>,
    /// How many items may run at once; none is all.
    pub max_parallel: Option<u32>,
    /// What its success puts where.
    pub deploys: Option<PlannedDeployment>,
}

/// What the success of an activity puts where, with `${…}` still in it.
#[derive(Clone, Debug)]
pub struct PlannedDeployment {
    /// One service or several.
    pub service: ValueTemplate,
    /// One environment or several.
    pub environment: ValueTemplate,
    /// Everything else that is written, by its field.
    pub details: BTreeMap<&'static str, ValueTemplate>,
}

/// Automatic retry (2-execution.md, Failure handling).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// All attempts, the first included; 1 means no retry, at most 100.
    pub attempts_max: u32,
    /// Delay before the second attempt.
    pub delay_initial: SignedDuration,
    /// No delay is longer.
    pub delay_max: SignedDuration,
    /// No attempt starts later than this after the first one; none is no limit.
    pub deadline: Option<SignedDuration>,
}

impl RetryPolicy {
    /// No automatic retry.
    pub const NONE: RetryPolicy = RetryPolicy {
        attempts_max: 1,
        delay_initial: SignedDuration::from_secs(10),
        delay_max: SignedDuration::from_secs(300),
        deadline: None,
    };
}

/// What happens when an activity failed and its automatic retries are used up.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// A person decides.
    #[default]
    Hold,
    /// Failed for good at once.
    Fail,
    /// Goes on as if ignored.
    Ignore,
}

/// What happens when the outcome of an attempt is not known and cannot be read back.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum OnUnknown {
    /// A person decides.
    #[default]
    Hold,
    /// Runs again with the same key.
    Retry,
    /// Counts as failed.
    Fail,
}

/// A value that may hold `${…}` in any of its texts.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueTemplate {
    /// Nothing to evaluate.
    Literal(Value),
    /// One text with `${…}`.
    Text(Template),
    /// A list with `${…}` somewhere in it.
    List(Vec<ValueTemplate>),
    /// An object with `${…}` somewhere in it.
    Object(BTreeMap<String, ValueTemplate>),
}

impl Plan {
    /// The activity at a path; an item's path answers its `forEach` activity.
    pub fn activity(&self, path: &ActivityPath) -> Option<(ActivityIndex, &PlannedActivity)> {
        let index = match self.paths.get(path) {
            Some(index) => *index,
            None => {
                let (base, _) = path.as_str().split_once('[')?;
                *self.paths.get(&base.parse().ok()?)?
            }
        };
        Some((index, &self.activities[index]))
    }
}
