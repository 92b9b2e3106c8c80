//! The written form of a process: what people write in YAML, before it is checked and compiled into a plan.
//!
//! Defaults are those of [`crate::plan`]; whether the parts fit together is judged by `plan::compile`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::Duration;
use crate::ids::{Name, Owner};
use crate::inputs::InputDeclaration;
use crate::plan::{ClosingRule, DayTime, OnFailure, OnUnknown};
use crate::status::Importance;

/// A reusable blueprint of releases: inputs, variables, phases of activities (1-model.md, Process).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessSpec {
    /// What is asked from whoever creates or executes a release.
    #[serde(default)]
    pub inputs: Vec<InputDeclaration>,
    /// Cross-field rules over the inputs.
    #[serde(default)]
    pub rules: Vec<RuleSpec>,
    /// Global variables; values may use `${…}` over inputs and each other.
    #[serde(default)]
    pub variables: BTreeMap<String, Value>,
    /// What the release hands back when it ran as a subprocess; values may use `${…}`.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
    /// Whether a degraded release ends as PartialSuccess (the default) rather than Failed.
    #[serde(default = "yes")]
    pub allow_partial_success: bool,
    /// How long a failed activity waits for a decision before it is given up; without it, for ever.
    #[serde(default)]
    pub decision_deadline: Option<Duration>,
    /// When people who do not answer are reminded, and when others are told.
    #[serde(default)]
    pub holds: HoldsSpec,
    /// What has to be ready before a release starts: systems, services, people. At most 100.
    #[serde(default)]
    pub readiness: Vec<ReadinessSpec>,
    /// The phases, 1 to 500.
    pub phases: Vec<PhaseSpec>,
}

/// What happens while a question, a checklist or a failure waits for people (checklist R-126).
///
/// It holds for approvals that have neither a deadline nor a reminder of their own; those are never decided by
/// others than the approvers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldsSpec {
    /// How long until they are reminded, and then again and again, ten times at most; a day if absent.
    #[serde(default)]
    pub remind: Option<Duration>,
    /// How long until others are told and may answer as well; two days if absent.
    #[serde(default)]
    pub escalate_after: Option<Duration>,
    /// Who those others are; the release manager if absent.
    #[serde(default)]
    pub escalate_to: Vec<Owner>,
}

/// Something that has to be ready before a release starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadinessSpec {
    /// Its id, unique within the process.
    pub id: Name,
    /// Its name for people; the id if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// What has to hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 10000))]
    pub description: String,
    /// Whether the release must not start without it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Who says so; the release manager if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
}

/// A condition that the inputs must meet together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSpec {
    /// What must hold, for example `inputs.source != inputs.target`.
    pub condition: String,
    /// What to tell the person when it does not.
    #[schemars(length(min = 1, max = 1000))]
    pub message: String,
}

/// A phase: activities that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PhaseSpec {
    /// Its id, unique within the process.
    pub id: Name,
    /// Its name for people; the id if absent.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    pub description: String,
    /// Who is responsible by default: `user:NAME`, `team:NAME`, `role:NAME`.
    #[serde(default)]
    pub owners: Vec<Owner>,
    /// Variables visible in this phase; values may use `${…}`.
    #[serde(default)]
    pub variables: BTreeMap<String, Value>,
    /// Runs only if this holds; otherwise it is skipped.
    #[serde(default)]
    pub when: Option<String>,
    /// What its failure means to the release.
    #[serde(default)]
    pub importance: Importance,
    /// Phases that must be settled first.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Not before this day and time of the release.
    #[serde(default)]
    pub opens: Option<DayTime>,
    /// What has not started by then is skipped.
    #[serde(default)]
    pub closes: Option<ClosingSpec>,
    /// Activities that must be settled before the phase's other activities start.
    #[serde(default)]
    pub gates: Vec<ActivitySpec>,
    /// Its activities; gates and activities together at least one.
    #[serde(default)]
    pub activities: Vec<ActivitySpec>,
}

/// When a phase closes, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClosingSpec {
    /// 1 is the day of the start.
    #[schemars(range(min = 1, max = 3660))]
    pub day: u16,
    /// `HH:MM` or `HH:MM:SS` in the release's time zone.
    #[schemars(with = "String", extend("format" = "trainmaster-time"))]
    #[serde(with = "crate::duration::time_of_day")]
    pub time: jiff::civil::Time,
    /// What the skipped activities count as.
    #[serde(default)]
    pub then: ClosingRule,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivitySpec {
    /// Its id, unique within the phase.
    pub id: Name,
    /// Its name for people; the id if absent.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    pub description: String,
    /// What it does.
    pub uses: String,
    /// The settings of what it does; values may use `${…}`.
    #[serde(default)]
    pub with: BTreeMap<String, Value>,
    /// Activities of the same phase that must be settled first.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Runs only if this holds; otherwise it is skipped.
    #[serde(default)]
    pub when: Option<String>,
    /// Who is responsible by default; the phase's owners if absent.
    #[serde(default)]
    pub owners: Vec<Owner>,
    /// Variables visible in this activity; values may use `${…}`.
    #[serde(default)]
    pub variables: BTreeMap<String, Value>,
    /// What it hands on; values may use `${…}` over `result`.
    #[serde(default)]
    pub outputs: BTreeMap<String, Value>,
    /// The longest time of one attempt.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// Automatic retry.
    #[serde(default)]
    pub retry: Option<RetrySpec>,
    /// What its failure means to the phase.
    #[serde(default)]
    pub importance: Importance,
    /// What happens when it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// What happens when nobody knows how an attempt went.
    #[serde(default)]
    pub on_unknown: OnUnknown,
    /// Whether people may retry it.
    #[serde(default = "yes")]
    pub may_retry: bool,
    /// Whether people may ignore its failure.
    #[serde(default = "yes")]
    pub may_ignore: bool,
    /// Where the recovery is described; shown when it fails.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub runbook: Option<String>,
    /// Runs once for each element of this list.
    #[serde(default)]
    #[schemars(schema_with = "list_or_expression")]
    pub for_each: Option<Value>,
    /// How many items of `forEach` may run at once; all if absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_parallel: Option<u32>,
    /// What its success puts where; recorded as a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploys: Option<DeploysSpec>,
}

/// What the success of an activity puts where; values may use `${…}` over `result` and `activity.outputs`.
///
/// Evaluated once, when the activity succeeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeploysSpec {
    /// The service that is deployed, or a list of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words")]
    pub service: Option<Value>,
    /// The application that is deployed, where one speaks of applications; the same as `service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words")]
    pub application: Option<Value>,
    /// The environment it is deployed to, or a list of environments.
    #[schemars(schema_with = "words")]
    pub environment: Value,
    /// The version that is there afterwards; the release's version if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub version: Option<Value>,
    /// The commit that is there afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub commit: Option<Value>,
    /// The commits that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words")]
    pub commits: Option<Value>,
    /// The container image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub image: Option<Value>,
    /// The artifact, by its name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub artifact: Option<Value>,
    /// The tickets it brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words")]
    pub tickets: Option<Value>,
}

/// Automatic retry of failed attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetrySpec {
    /// All attempts, the first included.
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u32,
    /// The delay before the second attempt; it doubles from one to the next. 10s if absent.
    #[serde(default)]
    pub initial_delay: Option<Duration>,
    /// No delay is longer. 5m if absent, or the initial delay if that is longer.
    #[serde(default)]
    pub max_delay: Option<Duration>,
    /// No attempt starts later than this after the first one.
    #[serde(default)]
    pub deadline: Option<Duration>,
}

fn yes() -> bool {
    true
}

fn list_or_expression(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "Runs once for each element of this list: a list, or one `${…}` that gives a list.",
        "type": ["array", "string"],
    })
}

fn word(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "A text; `${…}` is possible.",
        "type": ["string", "number"],
    })
}

fn words(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "description": "A text or a list of texts; `${…}` is possible.",
        "type": ["array", "string", "number"],
    })
}
