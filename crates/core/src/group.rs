//! Release groups: a cadence that makes releases (2-execution.md, Time).
//!
//! Here is what people write and what it means for one planned instant; `generate` makes the releases,
//! `policy` judges whether one of them may start, `state` is how far a group has come.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainmaster_expr::{Error, Scope, Template, Type, Values};

use crate::calendar::cadence::{CadenceSpec, Span, check_span};
use crate::calendar::recurrence::{ClockChange, Numbered, Recurrence};
use crate::calendar::rule::Rule;
use crate::command::NewRelease;
use crate::definition::fault::{At, Fault, Faults};
use crate::duration::Duration;
use crate::ids::{Name, Owner, ResourceKey};
use crate::plan::ValueTemplate;
use crate::release::{ReleaseDescription, ReleaseType, StartMode};

mod check;
mod generate;
mod policy;
pub(crate) mod state;

pub(crate) use policy::GroupVerdict;
pub use state::{GroupAdvanced, GroupMembership, GroupState, Planned};

/// The longest name template and version template, in characters.
const TEMPLATE_LENGTH_MAX: usize = 500;
/// How far ahead releases may be made, and how long one may be expected to take.
const LENGTH_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Nearer ahead makes no sense: people are to see what comes.
const HORIZON_MIN: SignedDuration = SignedDuration::from_hours(1);
/// How a release is called where nobody says it.
const NAME_DEFAULT: &str = "${group.name} ${group.date}";

/// The written form of a release group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseGroupSpec {
    /// The process of its releases, of the same organization or the account level.
    pub process: Name,
    /// How often.
    pub cadence: CadenceSpec,
    /// The IANA zone whose clock counts; its releases live by it too.
    #[serde(default = "utc")]
    #[schemars(length(max = 64))]
    pub zone: String,
    /// No release before this day; what the cadence leaves open is taken from it.
    #[schemars(schema_with = "day_schema")]
    pub start_date: Date,
    /// No release after this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "day_schema")]
    pub end_date: Option<Date>,
    /// When on its day a release starts: `HH:MM` or `HH:MM:SS`.
    #[schemars(with = "String", extend("format" = "trainmaster-time"))]
    #[serde(with = "crate::duration::time_of_day")]
    pub start_time: Time,
    /// How long a release is expected to take: `2d`, `1w`.
    pub duration: Duration,
    /// Values for the inputs of every release; texts may use `${group.…}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// An input set that fills what `inputs` leaves open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_set: Option<Name>,
    /// How a release is called: `Week ${group.week} Release`; also `name`, `number`, `date`, `day`, `month`, `quarter`, `year`, `weekYear`, `weekday` of `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub name_template: Option<String>,
    /// The software version that a release delivers; may use `${group.…}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub version: Option<String>,
    /// How far ahead releases are made.
    #[serde(default = "ninety_days")]
    pub horizon: Duration,
    /// What becomes of a start that was missed because the server was down or the group paused.
    #[serde(default)]
    pub missed: MissedPolicy,
    /// What becomes of a start while another release of the group is under way.
    #[serde(default)]
    pub overlap: OverlapPolicy,
    /// Whether its releases start by themselves.
    #[serde(default)]
    pub start_mode: StartMode,
    /// Whether nothing is made and nothing starts by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// The type of its releases.
    #[serde(default)]
    pub release_type: ReleaseType,
    /// The labels of its releases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What its releases are for, in words.
    #[serde(default)]
    pub description: ReleaseDescription,
    /// The release manager of its releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Owner>,
    /// Owners of phases (`build`) and activities (`build/compile`) that replace the process's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, Vec<Owner>>,
    /// Who wants to know of its releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<Owner>,
}

/// What becomes of a start that was missed (2-execution.md, Time).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum MissedPolicy {
    /// All of them start late, the newest hundred at most.
    Run,
    /// None starts.
    Skip,
    /// Only the newest one starts.
    #[default]
    Latest,
}

/// What becomes of a start while another release of the group is under way (2-execution.md, Time).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum OverlapPolicy {
    /// It starts.
    #[default]
    Allow,
    /// It waits until the other one has ended.
    Queue,
    /// It does not start at all.
    Skip,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn ninety_days() -> Duration {
    let days = SignedDuration::from_hours(90 * 24);
    Duration::try_from(days).expect("ninety days are a length of time")
}

fn day_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "format": "trainmaster-date"})
}

/// A release group that holds together.
#[derive(Clone, Debug)]
pub struct Group {
    /// What was written.
    pub spec: ReleaseGroupSpec,
    /// On which days.
    pub rule: Rule,
    name: Template,
    version: Option<Template>,
    inputs: BTreeMap<String, ValueTemplate>,
}

/// One release of a group before it exists: what people plan with.
#[derive(Clone, Debug, PartialEq)]
pub struct Upcoming {
    /// Its number, counted from one since the group's first day.
    pub number: u32,
    /// Its day by the group's cadence.
    pub date: Date,
    /// When it starts.
    pub at: Timestamp,
    /// How far the zone's clock is from UTC then.
    pub offset: Offset,
    /// What the zone's clock does about the start time on that day.
    pub clock: ClockChange,
    /// When it is expected to end.
    pub expected_end_at: Timestamp,
    /// How it will be called.
    pub name: String,
}

impl Group {
    /// Understands a written group; everything wrong is reported with its place.
    pub(crate) fn compile(spec: ReleaseGroupSpec) -> Result<Group, Vec<Fault>> {
        let mut faults = Faults::default();
        let at = At::ROOT.key("spec");
        let span = Span {
            start: spec.start_date,
            end: spec.end_date,
        };
        let rule = check_span(span, &at, &mut faults)
            .then(|| spec.cadence.rule(span, &at.key("cadence"), &mut faults))
            .flatten();
        check_lengths(&spec, &at, &mut faults);
        let scope = scope();
        let name = spec.name_template.as_deref().unwrap_or(NAME_DEFAULT);
        let name = text_template(name, &at.key("nameTemplate"), &scope, &mut faults);
        let version = spec.version.as_deref();
        let version =
            version.map(|text| text_template(text, &at.key("version"), &scope, &mut faults));
        let inputs_at = at.key("inputs");
        let mut inputs = BTreeMap::new();
        for (input, value) in &spec.inputs {
            let at = inputs_at.key(input);
            if let Some(template) = value_template(value, &at, &scope, &mut faults) {
                inputs.insert(input.clone(), template);
            }
        }
        faults.finish(|| ())?;
        let made = "what is not there has been reported";
        Ok(Group {
            rule: rule.expect(made),
            name: name.expect(made),
            version: version.map(|version| version.expect(made)),
            inputs,
            spec,
        })
    }

    /// What a group's planned instants depend on, in one canonical text.
    pub(crate) fn schedule(&self) -> String {
        let spec = &self.spec;
        let except: Vec<String> = spec.cadence.except.iter().map(Date::to_string).collect();
        let end = spec.end_date.map(|end| end.to_string());
        format!(
            "{};except={};{}..{};{} {}",
            self.rule,
            except.join(","),
            spec.start_date,
            end.unwrap_or_default(),
            crate::duration::time_of_day::format(spec.start_time),
            spec.zone
        )
    }

    /// When its releases start; none if the zone is not known (any more).
    pub fn recurrence(&self, zones: &TimeZoneDatabase) -> Option<Recurrence> {
        let spec = &self.spec;
        Some(Recurrence {
            rule: self.rule.clone(),
            except: spec.cadence.except.iter().copied().collect(),
            start: spec.start_date,
            end: spec.end_date,
            time: spec.start_time,
            zone: zones.get(&spec.zone).ok()?,
        })
    }

    /// The next releases after an instant, whether they exist already or not (checklist M-027); at most `limit`.
    pub fn upcoming(
        &self,
        key: &ResourceKey,
        zones: &TimeZoneDatabase,
        after: Timestamp,
        limit: usize,
    ) -> Vec<Upcoming> {
        let Some(recurrence) = self.recurrence(zones) else {
            return Vec::new();
        };
        let upcoming = recurrence
            .numbered(None)
            .filter(|numbered| numbered.occurrence.at > after);
        let upcoming = upcoming.take(limit).map(|numbered| {
            let Numbered { number, occurrence } = numbered;
            Upcoming {
                number,
                date: occurrence.date,
                at: occurrence.at,
                offset: occurrence.offset,
                clock: occurrence.clock,
                expected_end_at: self.expected_end(occurrence.at),
                name: self.name_of(key, &numbered.into()),
            }
        });
        upcoming.collect()
    }

    fn expected_end(&self, start: Timestamp) -> Timestamp {
        start
            .checked_add(self.spec.duration.get())
            .unwrap_or(Timestamp::MAX)
    }

    /// How a release is called; a template that gives nothing usable is replaced by what is always right.
    fn name_of(&self, key: &ResourceKey, planned: &Planned) -> String {
        let name = self.name.evaluate(&values(key, planned)).map(text);
        match name {
            Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
            _ => format!("{} {}", key.name, planned.date),
        }
    }

    /// The release of one planned instant.
    ///
    /// # Errors
    /// A template of an input or of the version that cannot be evaluated: where, and why.
    pub(crate) fn new_release(
        &self,
        key: &ResourceKey,
        planned: &Planned,
    ) -> Result<NewRelease, (String, Error)> {
        let spec = &self.spec;
        let values = values(key, planned);
        let version = self.version.as_ref().map(|template| {
            let value = template.evaluate(&values);
            value.map_err(|error| ("version".to_owned(), error))
        });
        let mut inputs = BTreeMap::new();
        for (name, template) in &self.inputs {
            let value = template.evaluate(&values);
            let value = value.map_err(|error| (format!("inputs.{name}"), error))?;
            inputs.insert(name.clone(), value);
        }
        Ok(NewRelease {
            process: Some(spec.process.clone()),
            organization: key.organization.clone(),
            name: Some(self.name_of(key, planned)),
            description: spec.description.clone(),
            version: version.transpose()?.map(text),
            release_type: spec.release_type,
            labels: spec.labels.clone(),
            inputs,
            input_set: spec.input_set.clone(),
            manager: spec.manager.clone(),
            owners: spec.owners.clone(),
            stakeholders: spec.stakeholders.clone(),
            ..self.bare_release(key, planned)
        })
    }

    /// The same with nothing that could be wrong: what is made when the rest no longer fits the process.
    fn bare_release(&self, key: &ResourceKey, planned: &Planned) -> NewRelease {
        NewRelease {
            process: Some(self.spec.process.clone()),
            organization: key.organization.clone(),
            name: Some(format!("{} {}", key.name, planned.date)),
            start_at: Some(planned.at),
            expected_end_at: Some(self.expected_end(planned.at)),
            start_mode: self.spec.start_mode,
            zone: Some(self.spec.zone.clone()),
            ..NewRelease::default()
        }
    }
}

fn check_lengths(spec: &ReleaseGroupSpec, at: &At<'_>, faults: &mut Faults) {
    let (duration, horizon) = (spec.duration.get(), spec.horizon.get());
    if duration.is_zero() || duration > LENGTH_MAX {
        faults.add(&at.key("duration"), "must lie between 1ms and 366d");
    }
    if !(HORIZON_MIN..=LENGTH_MAX).contains(&horizon) {
        faults.add(&at.key("horizon"), "must lie between 1h and 366d");
    }
}

/// What the templates of a group see.
fn scope() -> Scope {
    let group = Type::object([
        ("name", Type::String),
        ("number", Type::Number),
        ("date", Type::String),
        ("day", Type::Number),
        ("month", Type::Number),
        ("quarter", Type::Number),
        ("year", Type::Number),
        ("week", Type::Number),
        ("weekYear", Type::Number),
        ("weekday", Type::String),
    ]);
    Scope {
        names: [("group".to_owned(), group)].into(),
        ..Scope::default()
    }
}

/// Weeks are those of ISO 8601: the first one has the year's first Thursday.
fn values(key: &ResourceKey, planned: &Planned) -> Values {
    let date = planned.date;
    let week = date.iso_week_date();
    let group = json!({
        "name": key.name,
        "number": planned.number,
        "date": date.to_string(),
        "day": date.day(),
        "month": date.month(),
        "quarter": (date.month() - 1) / 3 + 1,
        "year": date.year(),
        "week": week.week(),
        "weekYear": week.year(),
        "weekday": format!("{:?}", date.weekday()),
    });
    Values {
        names: [("group".to_owned(), group)].into(),
        ..Values::default()
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn text_template(
    source: &str,
    at: &At<'_>,
    scope: &Scope,
    faults: &mut Faults,
) -> Option<Template> {
    if source.chars().count() > TEMPLATE_LENGTH_MAX {
        faults.add(
            at,
            format!("is limited to {TEMPLATE_LENGTH_MAX} characters"),
        );
        return None;
    }
    let template = report(Template::parse(source), at, faults)?;
    match template.check(scope) {
        Ok(Type::List(_) | Type::Object { .. } | Type::Null) => {
            faults.add(at, "must give a text");
            None
        }
        Ok(_) => Some(template),
        Err(errors) => {
            errors.iter().for_each(|error| add(error, at, faults));
            None
        }
    }
}

fn value_template(
    value: &Value,
    at: &At<'_>,
    scope: &Scope,
    faults: &mut Faults,
) -> Option<ValueTemplate> {
    let before = faults.count();
    check_texts(value, at, scope, faults);
    if faults.count() > before {
        return None;
    }
    report(ValueTemplate::parse(value), at, faults)
}

/// Every text of a value as a template, at its own place.
fn check_texts(value: &Value, at: &At<'_>, scope: &Scope, faults: &mut Faults) {
    match value {
        Value::String(text) if text.contains("${") => {
            let Some(template) = report(Template::parse(text), at, faults) else {
                return;
            };
            if let Err(errors) = template.check(scope) {
                errors.iter().for_each(|error| add(error, at, faults));
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                check_texts(element, &at.index(index), scope, faults);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                check_texts(field, &at.key(name), scope, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

fn report<T>(read: Result<T, Error>, at: &At<'_>, faults: &mut Faults) -> Option<T> {
    read.map_err(|error| add(&error, at, faults)).ok()
}

fn add(error: &Error, at: &At<'_>, faults: &mut Faults) {
    let suggestion = error.suggestion.clone();
    faults.within(at, error.offset, error.message.clone(), suggestion);
}
