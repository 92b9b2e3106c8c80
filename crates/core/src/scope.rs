//! What an expression sees: only what it asks for is put together (2-execution.md, Expressions).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use trainmaster_expr::{Condition, Outcome, Reference, Values};

use crate::plan::{PlannedActivity, ValueTemplate};
use crate::release::state::State;
use crate::release::{Activity, InputValue};

/// The place from which an expression looks at its release.
pub(crate) struct View<'a> {
    /// The release's own row, plan and activities.
    pub(crate) state: &'a State,
    /// Input values, while the release is being started and its row does not hold them yet.
    pub(crate) inputs: &'a BTreeMap<String, InputValue>,
    /// Global variables, as far as they are known.
    pub(crate) globals: &'a BTreeMap<String, Value>,
    /// The phase that is looked from.
    pub(crate) phase: Option<usize>,
    /// Variables of the phase, as far as they are known.
    pub(crate) phase_variables: &'a BTreeMap<String, Value>,
    /// The activity that is looked from.
    pub(crate) activity: Option<u32>,
    /// Variables of the activity, as far as they are known.
    pub(crate) activity_variables: &'a BTreeMap<String, Value>,
    /// Values changed by a person for this attempt.
    pub(crate) overrides: &'a BTreeMap<String, Value>,
    /// What came back from the attempt.
    pub(crate) result: Option<&'a Value>,
    /// What the activity itself hands on, once it has.
    pub(crate) own_outputs: Option<&'a BTreeMap<String, Value>>,
    /// The attempt's number and key.
    pub(crate) attempt: Option<(u32, &'a str)>,
    /// How what lies upstream went, for `success()` and `failure()`.
    pub(crate) outcome: Option<Outcome>,
}

impl View<'_> {
    /// Evaluates a value.
    pub(crate) fn value(&self, template: &ValueTemplate) -> Result<Value, trainmaster_expr::Error> {
        template.evaluate(&self.values(template.references()))
    }

    /// Evaluates a condition.
    pub(crate) fn holds(&self, condition: &Condition) -> Result<bool, trainmaster_expr::Error> {
        condition.evaluate(&self.values(condition.references()))
    }

    fn values<'r>(&self, references: impl IntoIterator<Item = &'r Reference>) -> Values {
        let mut names = BTreeMap::new();
        for reference in references {
            self.add(&mut names, &reference.path);
        }
        Values {
            names,
            outcome: self.outcome,
            ..Values::default()
        }
    }

    /// Puts what a reference asks for among the names.
    fn add(&self, names: &mut BTreeMap<String, Value>, path: &[String]) {
        let Some((root, rest)) = path.split_first() else {
            return;
        };
        match root.as_str() {
            "inputs" => self.add_inputs(object(names, root), rest),
            "vars" => self.add_variables(object(names, root)),
            "release" => drop(names.insert(root.clone(), self.release())),
            "phase" => drop(names.insert(root.clone(), self.phase())),
            "activity" => drop(names.insert(root.clone(), self.activity())),
            "phases" => self.add_phases(object(names, root), rest),
            "activities" => {
                if let Some(phase) = self.phase {
                    self.add_activities(object(names, root), phase, rest);
                }
            }
            "result" => {
                drop(names.insert(root.clone(), self.result.cloned().unwrap_or(Value::Null)))
            }
            "item" => {
                drop(names.insert(root.clone(), self.item().map_or(Value::Null, |item| item.0)))
            }
            "index" => {
                drop(names.insert(root.clone(), self.item().map_or(Value::Null, |item| item.1)))
            }
            "env" => drop(object(names, root)),
            name => {
                if let Some(value) = self.bare(name) {
                    names.insert(root.clone(), value.clone());
                }
            }
        }
    }

    /// A bare name: nearest first.
    pub(crate) fn bare(&self, name: &str) -> Option<&Value> {
        self.overrides
            .get(name)
            .or_else(|| self.activity_variables.get(name))
            .or_else(|| self.phase_variables.get(name))
            .or_else(|| self.globals.get(name))
            .or_else(|| self.inputs.get(name).map(|input| &input.value))
    }

    fn add_inputs(&self, into: &mut Map<String, Value>, rest: &[String]) {
        let changed = |name: &String| self.overrides.get(name).cloned();
        match rest.first() {
            Some(name) => {
                if let Some(input) = self.inputs.get(name) {
                    into.insert(
                        name.clone(),
                        changed(name).unwrap_or_else(|| input.value.clone()),
                    );
                }
            }
            None => {
                for (name, input) in self.inputs {
                    into.insert(
                        name.clone(),
                        changed(name).unwrap_or_else(|| input.value.clone()),
                    );
                }
            }
        }
    }

    fn add_variables(&self, into: &mut Map<String, Value>) {
        for layer in [self.globals, self.phase_variables, self.activity_variables] {
            for (name, value) in layer {
                let value = self.overrides.get(name).unwrap_or(value);
                into.insert(name.clone(), value.clone());
            }
        }
    }

    fn release(&self) -> Value {
        let release = &self.state.release;
        json!({
            "id": release.id.to_string(),
            "name": release.name,
            "slug": release.slug,
            "version": release.software_version,
            "organization": release.organization,
            "run": release.run,
            "type": release.release_type,
            "startedAt": release.started_at.map(|at| at.to_string()),
        })
    }

    fn phase(&self) -> Value {
        let Some(index) = self.phase else {
            return Value::Null;
        };
        let planned = self.state.planned_phase(index);
        json!({"id": planned.id, "name": planned.name})
    }

    fn activity(&self) -> Value {
        let Some(position) = self.activity else {
            return Value::Null;
        };
        let planned = self.state.planned(position);
        let path = &self.state.activity(position).path;
        let (attempt, key) = self.attempt.unzip();
        let mut own = json!({"id": planned.id, "name": planned.name, "path": path, "attempt": attempt, "key": key});
        if let Some(outputs) = self.own_outputs {
            own["outputs"] = json!(outputs);
        }
        own
    }

    fn item(&self) -> Option<(Value, Value)> {
        let item = self.state.activity(self.activity?).item.as_ref()?;
        Some((item.value.clone(), item.index.into()))
    }

    fn add_phases(&self, into: &mut Map<String, Value>, rest: &[String]) {
        let Some(plan) = &self.state.plan else { return };
        for (index, planned) in plan.phases.iter().enumerate() {
            let asked = rest.first().is_none_or(|id| id == planned.id.as_str());
            let Some(phase) = self.state.release.phases.get(index).filter(|_| asked) else {
                continue;
            };
            let entry = nested(into, planned.id.as_str());
            entry.insert("status".to_owned(), json!(phase.shown()));
            match rest.get(1).map(String::as_str) {
                Some("activities") => {
                    self.add_activities(nested(entry, "activities"), index, &rest[2..])
                }
                Some("outputs") => self.add_phase_outputs(nested(entry, "outputs"), index),
                Some(_) => (),
                None => {
                    self.add_activities(nested(entry, "activities"), index, &[]);
                    self.add_phase_outputs(nested(entry, "outputs"), index);
                }
            }
        }
    }

    fn add_phase_outputs(&self, into: &mut Map<String, Value>, index: usize) {
        let planned = self.state.planned_phase(index);
        for position in planned.gates.clone().chain(planned.activities.clone()) {
            into.extend(self.outputs(position as u32));
        }
    }

    fn add_activities(&self, into: &mut Map<String, Value>, phase: usize, rest: &[String]) {
        let plan = self.state.plan();
        let planned = &plan.phases[phase];
        for position in planned.gates.clone().chain(planned.activities.clone()) {
            let planned: &PlannedActivity = &plan.activities[position];
            let asked = rest.first().is_none_or(|id| id == planned.id.as_str());
            let Some(activity) = self.state.activities.get(position).filter(|_| asked) else {
                continue;
            };
            let entry = nested(into, planned.id.as_str());
            entry.insert("status".to_owned(), json!(activity.status()));
            entry.insert(
                "outputs".to_owned(),
                Value::Object(self.outputs(position as u32)),
            );
        }
    }

    /// What an activity handed on; a `forEach` hands on a list per output, in the order of its items.
    fn outputs(&self, position: u32) -> Map<String, Value> {
        outputs(self.state, position)
    }
}

/// What an activity handed on; a `forEach` hands on a list per output, in the order of its items.
pub(crate) fn outputs(state: &State, position: u32) -> Map<String, Value> {
    let Some(activity) = state.activities.get(position as usize) else {
        return Map::new();
    };
    let own = |activity: &Activity| activity.outputs.clone().into_iter().collect::<Map<_, _>>();
    let Some(group) = activity.group else {
        return own(activity);
    };
    let items = &state.activities[group.first as usize..(group.first + group.count) as usize];
    let mut names: Vec<&String> = items.iter().flat_map(|item| item.outputs.keys()).collect();
    names.sort();
    names.dedup();
    let list = |name: &String| {
        items
            .iter()
            .map(|item| item.outputs.get(name).cloned().unwrap_or(Value::Null))
            .collect()
    };
    let mut merged: Map<String, Value> = names
        .into_iter()
        .map(|name| (name.clone(), Value::Array(list(name))))
        .collect();
    let all = items.iter().map(|item| Value::Object(own(item))).collect();
    merged.insert("items".to_owned(), Value::Array(all));
    merged
}

fn object<'n>(names: &'n mut BTreeMap<String, Value>, root: &str) -> &'n mut Map<String, Value> {
    as_object(
        names
            .entry(root.to_owned())
            .or_insert_with(|| Value::Object(Map::new())),
    )
}

fn nested<'m>(map: &'m mut Map<String, Value>, key: &str) -> &'m mut Map<String, Value> {
    as_object(
        map.entry(key.to_owned())
            .or_insert_with(|| Value::Object(Map::new())),
    )
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made an object")
}
