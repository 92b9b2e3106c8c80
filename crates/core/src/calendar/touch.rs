//! What a release touches: services, environments and exclusive tags (2-execution.md, Calendar, Conflict).
//!
//! Two releases at one time are a conflict when they share one of these, and a freeze holds what it names.
//! Everyone who asks uses [`Release::touches`], so that calendar, freezes and reports cannot disagree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::NewRelease;
use crate::inputs::{InputDeclaration, InputType};
use crate::plan::Plan;
use crate::rejection::Rejection;
use crate::release::{Life, Release};
use crate::world::World;

/// Most services, environments or exclusive tags that are kept of one release, each.
pub const TOUCHES_MAX: usize = 200;
/// The longest name of one, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// What a release touches; names in lower case without blanks, so that `PROD` and `prod` are one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Touches {
    /// Services, from inputs of that type or name and from the label `service`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
    /// Environments, from inputs of that type or name and from the label `environment`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub environments: BTreeSet<String>,
    /// Whatever only one release may use at a time, from the label `exclusive`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub exclusive: BTreeSet<String>,
}

impl Touches {
    /// What labels and values of declared inputs name; a label names several separated by commas.
    ///
    /// An input counts by its type (`service`, `environment`, or a list of them) and, where it is plain text or a list,
    /// by its name: `service`, `services`, `environment`, `environments`.
    pub fn of<'a>(
        labels: &BTreeMap<String, String>,
        declarations: &[InputDeclaration],
        value: impl Fn(&str) -> Option<&'a Value>,
    ) -> Touches {
        let mut touches = Touches::default();
        for (label, names) in labels {
            if let Some(place) = touches.place_of_label(label) {
                names.split(',').for_each(|name| keep(place, name));
            }
        }
        for declaration in declarations {
            if let Some(place) = touches.place_of_input(declaration)
                && let Some(value) = value(&declaration.name)
            {
                match value {
                    Value::Array(elements) => elements
                        .iter()
                        .filter_map(Value::as_str)
                        .for_each(|name| keep(place, name)),
                    other => keep(place, other.as_str().unwrap_or_default()),
                }
            }
        }
        touches
    }

    /// Whether nothing is touched.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.environments.is_empty() && self.exclusive.is_empty()
    }

    fn place_of_label(&mut self, label: &str) -> Option<&mut BTreeSet<String>> {
        match label {
            "service" => Some(&mut self.services),
            "environment" => Some(&mut self.environments),
            "exclusive" => Some(&mut self.exclusive),
            _ => None,
        }
    }

    fn place_of_input(&mut self, input: &InputDeclaration) -> Option<&mut BTreeSet<String>> {
        let by_name = match input.name.as_str() {
            "service" | "services" => InputType::Service,
            "environment" | "environments" => InputType::Environment,
            _ => InputType::Object,
        };
        let kind = match (input.input_type, input.items) {
            (InputType::List, Some(items)) if items != InputType::String => items,
            (InputType::String | InputType::List, _) => by_name,
            (kind, _) => kind,
        };
        match kind {
            InputType::Service => Some(&mut self.services),
            InputType::Environment => Some(&mut self.environments),
            _ => None,
        }
    }
}

/// A name as it is compared: trimmed, in lower case, with a dash for each blank or comma; none if nothing is left.
pub fn normal(name: &str) -> Option<String> {
    let dashed = |letter: char| match letter {
        ',' => '-',
        blank if blank.is_whitespace() || blank.is_control() => '-',
        other => other,
    };
    let name: String = name.trim().to_lowercase().chars().map(dashed).collect();
    (1..=NAME_BYTES_MAX).contains(&name.len()).then_some(name)
}

fn keep(place: &mut BTreeSet<String>, name: &str) {
    if place.len() < TOUCHES_MAX {
        place.extend(normal(name));
    }
}

impl Release {
    /// What the release touches: from its pinned inputs, and before it is finalized from what is known so far
    /// (given values, else its input set, else the defaults of its process).
    pub fn touches(&self) -> &Touches {
        &self.touches
    }
}

impl World {
    /// What a release that is not there yet would touch.
    ///
    /// # Errors
    /// No process is named, or there is none of that name; the input set does not fit the process.
    pub fn touches_of_new(&self, new: &NewRelease) -> Result<Touches, Rejection> {
        let named = new.process.as_ref();
        let process = named.ok_or_else(|| {
            crate::release::refuse_field("process", "name the process that would run")
        })?;
        let organization = new.organization.as_ref();
        let process = self.process_for(process, organization)?;
        let set = match &new.input_set {
            Some(set) => self
                .input_set_for(set, organization, &process)?
                .values
                .clone(),
            None => BTreeMap::new(),
        };
        let newest = || self.resource(&process).map(|known| known.revision);
        let plan = new
            .revision
            .or_else(newest)
            .and_then(|revision| self.plan_of(&process, revision));
        let declared = plan.as_ref().map_or(&[][..], |plan| &plan.inputs);
        Ok(known_touches(&new.labels, declared, [&new.inputs, &set]))
    }

    /// The process as far as known: the pinned revision, the one asked for, or the newest.
    pub(crate) fn plan_known(&self, release: &Release) -> Option<Arc<Plan>> {
        let newest = || self.resource(&release.process).map(|known| known.revision);
        let known = release.revision.or(release.asked_revision).or_else(newest);
        self.plan_of(&release.process, known?)
    }

    pub(crate) fn touches_now(&self, release: &Release, plan: Option<&Plan>) -> Touches {
        let declared = plan.map_or(&[][..], |plan| &plan.inputs);
        if release.life != Life::Draft {
            return Touches::of(&release.labels, declared, |name| {
                release.inputs.get(name).map(|input| &input.value)
            });
        }
        let organization = release.organization.as_ref();
        let set = release.input_set.as_ref();
        let set = set.and_then(|set| {
            let set = self
                .input_set_for(set, organization, &release.process)
                .ok()?;
            Some(set.values.clone())
        });
        known_touches(
            &release.labels,
            declared,
            [&release.given, &set.unwrap_or_default()],
        )
    }
}

/// What labels and values touch, the stronger layer first and the defaults last.
fn known_touches(
    labels: &BTreeMap<String, String>,
    declared: &[InputDeclaration],
    layers: [&BTreeMap<String, Value>; 2],
) -> Touches {
    let known = |name: &str| {
        let given = layers.iter().filter_map(|layer| layer.get(name));
        let given = given.into_iter().find(|value| !value.is_null());
        let default = || {
            let input = declared.iter().find(|input| input.name == name);
            input.and_then(|input| input.default.as_ref())
        };
        given.or_else(default)
    };
    Touches::of(labels, declared, known)
}
