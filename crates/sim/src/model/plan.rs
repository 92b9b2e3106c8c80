//! A process as the model understands it: read from the applied text, not from what core makes of it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

/// A process.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether a degraded release may end as PartialSuccess.
    pub allow_partial: bool,
    /// Its phases in order.
    pub phases: Vec<PlannedPhase>,
    /// Phase and position within it, by path.
    places: BTreeMap<String, (usize, usize)>,
}

/// A phase.
#[derive(Clone, Debug)]
pub struct PlannedPhase {
    /// Its id.
    pub id: String,
    /// What its failure means.
    pub importance: Weight,
    /// Phases before it, by position.
    pub depends_on: Vec<usize>,
    /// Its condition.
    pub when: When,
    /// Whether closing counts as failing.
    pub closing_fails: bool,
    /// Gates and the other activities, gates first.
    pub activities: Vec<PlannedActivity>,
}

/// An activity.
#[derive(Clone, Debug)]
pub struct PlannedActivity {
    /// Its path.
    pub path: String,
    /// Whether it is a gate.
    pub gate: bool,
    /// What its failure means.
    pub importance: Weight,
    /// Activities of the phase before it, gates not included, by position.
    pub depends_on: Vec<usize>,
    /// Its condition.
    pub when: When,
    /// Attempts at most.
    pub attempts_max: u32,
    /// The shortest delay between attempts.
    pub delay_min: SignedDuration,
    /// The longest delay between attempts.
    pub delay_max: SignedDuration,
    /// No automatic attempt starts later than this after the first.
    pub deadline: Option<SignedDuration>,
    /// Whether an unknown outcome is tried again.
    pub retries_unknown: bool,
    /// How many items it has, for a `forEach`.
    pub items: Option<usize>,
    /// How many items may run at once.
    pub parallel_max: usize,
}

/// What a failure means to the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It fails.
    Critical,
    /// It degrades.
    Required,
    /// Nothing.
    Optional,
}

/// A condition of the small language that generated processes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// There is none.
    Absent,
    /// Everything before it is good.
    Success,
    /// Something before it is bad.
    Failure,
    /// In any case.
    Always,
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Only in the first run.
    FirstRun,
    /// Not for the first item.
    NotFirstItem,
}

impl When {
    fn read(text: Option<&str>) -> Result<When, String> {
        Ok(match text {
            None => When::Absent,
            Some("success()") => When::Success,
            Some("failure()") => When::Failure,
            Some("always()") => When::Always,
            Some("1 == 1") => When::True,
            Some("1 == 2") => When::False,
            Some("release.run == 1") => When::FirstRun,
            Some("index != 0") => When::NotFirstItem,
            Some(other) => return Err(format!("the model does not know the condition `{other}`")),
        })
    }

    /// Whether it asks how things before it went, so that it is judged even if they went badly.
    pub fn asks_for_outcome(self) -> bool {
        matches!(self, When::Success | When::Failure | When::Always)
    }

    /// Whether it holds.
    pub fn holds(self, bad: bool, run: u32, item: Option<usize>) -> bool {
        match self {
            When::Success | When::Absent | When::True => !bad,
            When::Failure => bad,
            When::Always => true,
            When::False => false,
            When::FirstRun => !bad && run == 1,
            When::NotFirstItem => !bad && item != Some(0),
        }
    }
}

impl Plan {
    /// Reads an applied process.
    ///
    /// # Errors
    /// Something that generated processes do not say.
    pub fn read(spec: &Value) -> Result<Plan, String> {
        let phases = list(spec, "phases");
        let ids: Vec<String> = phases
            .iter()
            .map(|phase| text(phase, "id").to_owned())
            .collect();
        let mut read = Vec::new();
        let mut places = BTreeMap::new();
        for (index, phase) in phases.iter().enumerate() {
            let phase = read_phase(phase, &ids)?;
            for (position, activity) in phase.activities.iter().enumerate() {
                places.insert(activity.path.clone(), (index, position));
            }
            read.push(phase);
        }
        let allow_partial = spec["allowPartialSuccess"].as_bool().unwrap_or(true);
        Ok(Plan {
            allow_partial,
            phases: read,
            places,
        })
    }

    /// The phase, the activity's position in it, and the item's index, for a path.
    pub fn place(&self, path: &str) -> Option<(usize, usize, Option<usize>)> {
        let (base, item) = match path.split_once('[') {
            None => (path, None),
            Some((base, rest)) => (base, Some(rest.strip_suffix(']')?.parse().ok()?)),
        };
        let (phase, position) = self.places.get(base)?;
        Some((*phase, *position, item))
    }

    /// The activity at a path; an item's path answers its `forEach`.
    pub fn activity(&self, path: &str) -> Option<&PlannedActivity> {
        let (phase, position, _) = self.place(path)?;
        Some(&self.phases[phase].activities[position])
    }

    /// Position of a phase.
    pub fn phase(&self, id: &str) -> Option<usize> {
        self.phases.iter().position(|phase| phase.id == id)
    }

    /// All activities.
    pub fn activities(&self) -> impl Iterator<Item = &PlannedActivity> {
        self.phases.iter().flat_map(|phase| &phase.activities)
    }
}

fn read_phase(phase: &Value, ids: &[String]) -> Result<PlannedPhase, String> {
    let id = text(phase, "id").to_owned();
    let gates = list(phase, "gates");
    let others = list(phase, "activities");
    let mut activities = Vec::new();
    for (gate, specs, first) in [(true, gates, 0), (false, others, gates.len())] {
        let siblings: Vec<String> = specs
            .iter()
            .map(|activity| text(activity, "id").to_owned())
            .collect();
        for spec in specs {
            activities.push(read_activity(spec, &id, gate, &siblings, first)?);
        }
    }
    Ok(PlannedPhase {
        depends_on: positions(phase, ids)?,
        importance: weight(phase),
        when: When::read(phase["when"].as_str())?,
        closing_fails: phase["closes"]["then"] == "fail",
        activities,
        id,
    })
}

fn read_activity(
    spec: &Value,
    phase: &str,
    gate: bool,
    siblings: &[String],
    first: usize,
) -> Result<PlannedActivity, String> {
    let retry = &spec["retry"];
    let delay_min = span(&retry["initialDelay"]).unwrap_or(SignedDuration::from_secs(10));
    let delay_max = span(&retry["maxDelay"]).unwrap_or(SignedDuration::from_mins(5).max(delay_min));
    let depends_on = positions(spec, siblings)?
        .into_iter()
        .map(|position| position + first);
    Ok(PlannedActivity {
        path: format!("{phase}/{}", text(spec, "id")),
        gate,
        importance: weight(spec),
        depends_on: depends_on.collect(),
        when: When::read(spec["when"].as_str())?,
        attempts_max: retry["maxAttempts"].as_u64().unwrap_or(1) as u32,
        delay_min,
        delay_max,
        deadline: span(&retry["deadline"]),
        retries_unknown: spec["onUnknown"] == "retry",
        items: spec["forEach"].as_array().map(Vec::len),
        parallel_max: spec["maxParallel"]
            .as_u64()
            .map_or(usize::MAX, |limit| limit as usize),
    })
}

fn positions(spec: &Value, ids: &[String]) -> Result<Vec<usize>, String> {
    let find = |before: &Value| {
        let position = ids.iter().position(|id| before == id.as_str());
        position.ok_or_else(|| format!("the model does not find {before}"))
    };
    list(spec, "dependsOn").iter().map(find).collect()
}

fn weight(spec: &Value) -> Weight {
    match spec["importance"].as_str() {
        Some("required") => Weight::Required,
        Some("optional") => Weight::Optional,
        _ => Weight::Critical,
    }
}

fn list<'a>(of: &'a Value, field: &str) -> &'a [Value] {
    of[field].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_default()
}

/// A length of time as generated processes write it: a number and one of `s`, `m`, `h`, `d`.
fn span(value: &Value) -> Option<SignedDuration> {
    let (number, unit) = value
        .as_str()?
        .split_at_checked(value.as_str()?.len() - 1)?;
    let number: i64 = number.parse().ok()?;
    Some(match unit {
        "s" => SignedDuration::from_secs(number),
        "m" => SignedDuration::from_mins(number),
        "h" => SignedDuration::from_hours(number),
        "d" => SignedDuration::from_hours(24 * number),
        _ => return None,
    })
}
