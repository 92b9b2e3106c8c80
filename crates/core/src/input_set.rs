//! Input sets: named values for the inputs of a process (1-model.md, Resources; checklist M-054 to M-058).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Permission;
use crate::command::InputSetCommand;
use crate::definition::{Body, Definition};
use crate::entity::Revision;
use crate::event::Event;
use crate::ids::{Name, ResourceKey, ResourceKind};
use crate::plan::Plan;
use crate::rejection::{FieldProblem, Rejection};
use crate::release::refuse_field;
use crate::resources::{applied, edit_permission};
use crate::world::{Asker, World};

/// The written form of an input set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputSetSpec {
    /// The process whose inputs it fills, of the same organization or the account level.
    pub process: Name,
    /// Values by the name of the input.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 10000))]
    pub description: String,
    /// Whether it is a starting point to clone rather than a set to use as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub template: bool,
    /// Whether it was put out of the way: readable, and chosen for no new release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// How well the values of a set fit the newest revision of its process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Required inputs without a value and without a default: to be given with each release.
    pub missing: Vec<String>,
    /// Values that the process would refuse, or does not know any more.
    pub problems: Vec<FieldProblem>,
}

/// The same in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// A release needs nothing more than this set.
    Complete,
    /// Required inputs are left to be given.
    Incomplete,
    /// Some of its values do not fit the process any more.
    Outdated,
}

impl Completeness {
    /// The same in one word; what does not fit weighs more than what is missing.
    pub fn fit(&self) -> Fit {
        match (self.problems.is_empty(), self.missing.is_empty()) {
            (false, _) => Fit::Outdated,
            (true, false) => Fit::Incomplete,
            (true, true) => Fit::Complete,
        }
    }
}

/// Compares values with what a process declares now.
pub fn completeness(plan: &Plan, values: &BTreeMap<String, Value>) -> Completeness {
    let given = |name: &str| values.get(name).filter(|value| !value.is_null());
    let missing = plan.inputs.iter().filter(|input| {
        let default = input.default.as_ref().filter(|value| !value.is_null());
        input.required && default.is_none() && given(&input.name).is_none()
    });
    let missing = missing.map(|input| input.name.clone()).collect();
    let problem = |(name, value): (&String, &Value)| {
        let message = match plan.inputs.iter().find(|input| input.name == *name) {
            None => "the process has no such input any more".to_owned(),
            Some(_) if value.is_null() => return None,
            Some(input) => input.check(value).err()?,
        };
        let field = format!("values.{name}");
        Some(FieldProblem { field, message })
    };
    let problems = values.iter().filter_map(problem).collect();
    Completeness { missing, problems }
}

impl World {
    /// How well an input set fits its process; none if either is not known here.
    pub fn input_set_completeness(&self, key: &ResourceKey) -> Option<Completeness> {
        let Body::InputSet(spec) = self.body(key)? else {
            return None;
        };
        let process = self
            .process_for(&spec.process, key.organization.as_ref())
            .ok()?;
        match self.body(&process)? {
            Body::Process(plan) => Some(completeness(plan, &spec.values)),
            _ => None,
        }
    }

    pub(crate) fn decide_input_set(
        &self,
        asker: &Asker<'_>,
        key: &ResourceKey,
        action: &InputSetCommand,
    ) -> Result<Vec<Event>, Rejection> {
        let unknown = || Rejection::UnknownResource(key.clone());
        asker
            .needs(Permission::Read, key.organization.as_ref())
            .map_err(|_| unknown())?;
        let known = self.resource(key).filter(|known| !known.deleted);
        let known = known.ok_or_else(unknown)?;
        let stored = self.revision(key, known.revision).ok_or_else(unknown)?;
        match action {
            InputSetCommand::Clone {
                to,
                organization,
                values,
                description,
            } => {
                let target = ResourceKey {
                    kind: ResourceKind::InputSet,
                    organization: organization.clone(),
                    name: to.clone(),
                };
                let spec = cloned(stored, values, description.as_deref());
                self.clone_input_set(asker, stored, target, spec)
            }
            InputSetCommand::Archive => self.set_archived(asker, stored, true),
            InputSetCommand::Unarchive => self.set_archived(asker, stored, false),
        }
    }

    fn clone_input_set(
        &self,
        asker: &Asker<'_>,
        from: &Revision,
        target: ResourceKey,
        spec: Value,
    ) -> Result<Vec<Event>, Rejection> {
        asker.needs(edit_permission(target.kind), target.organization.as_ref())?;
        let before = self.resource(&target);
        if before.is_some_and(|known| !known.deleted) {
            let why = format!("`{target}` exists already; choose another name");
            return Err(refuse_field("name", &why));
        }
        let (description, labels) = (from.description.clone(), from.labels.clone());
        let definition = Definition::from_stored(target, description, labels, &spec)
            .map_err(Rejection::InvalidDefinition)?;
        if let Body::InputSet(spec) = &definition.body {
            self.check_input_set(&definition.key, &spec.process, &spec.values)?;
        }
        let revision = before.map_or(0, |known| known.revision) + 1;
        Ok(vec![asker.fact(applied(&definition, revision))])
    }

    /// A new revision that differs in nothing but whether the set is out of the way.
    fn set_archived(
        &self,
        asker: &Asker<'_>,
        stored: &Revision,
        archived: bool,
    ) -> Result<Vec<Event>, Rejection> {
        let key = &stored.key;
        asker.needs(edit_permission(key.kind), key.organization.as_ref())?;
        let mut spec = stored.spec.clone();
        if spec["archived"].as_bool().unwrap_or_default() == archived {
            return Ok(Vec::new());
        }
        if let Some(fields) = spec.as_object_mut() {
            match archived {
                true => drop(fields.insert("archived".to_owned(), true.into())),
                false => drop(fields.remove("archived")),
            }
        }
        let (description, labels) = (stored.description.clone(), stored.labels.clone());
        let definition = Definition::from_stored(key.clone(), description, labels, &spec)
            .map_err(Rejection::InvalidDefinition)?;
        Ok(vec![asker.fact(applied(&definition, stored.revision + 1))])
    }

    /// The input set that a name means for releases of a process there.
    pub(crate) fn input_set_for(
        &self,
        set: &Name,
        organization: Option<&Name>,
        process: &ResourceKey,
    ) -> Result<&InputSetSpec, Rejection> {
        let key = self.definition_for(ResourceKind::InputSet, set, organization)?;
        match self.body(&key) {
            Some(Body::InputSet(spec)) if spec.process == process.name => Ok(spec),
            Some(Body::InputSet(spec)) => {
                let why = format!(
                    "input set `{set}` belongs to process `{}`, not to `{}`",
                    spec.process, process.name
                );
                Err(refuse_field("inputSet", &why))
            }
            _ => Err(Rejection::UnknownResource(key)),
        }
    }

    /// The same for a release that is to use it from now on: nothing archived, and no template.
    pub(crate) fn choose_input_set(
        &self,
        set: &Name,
        organization: Option<&Name>,
        process: &ResourceKey,
    ) -> Result<&InputSetSpec, Rejection> {
        let spec = self.input_set_for(set, organization, process)?;
        let why = if spec.archived {
            format!("input set `{set}` is archived; unarchive it, or choose another one")
        } else if spec.template {
            format!("input set `{set}` is a template; clone it and use the clone")
        } else {
            return Ok(spec);
        };
        Err(refuse_field("inputSet", &why))
    }
}

/// The content of a clone: neither a template nor archived, with some values changed.
fn cloned(from: &Revision, values: &BTreeMap<String, Value>, description: Option<&str>) -> Value {
    let mut spec = from.spec.clone();
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    fields.remove("template");
    fields.remove("archived");
    if let Some(description) = description {
        fields.insert("description".to_owned(), description.into());
    }
    let held = fields
        .entry("values")
        .or_insert_with(|| Value::Object(Default::default()));
    if let Some(held) = held.as_object_mut() {
        for (name, value) in values {
            match value {
                Value::Null => drop(held.remove(name)),
                value => drop(held.insert(name.clone(), value.clone())),
            }
        }
    }
    spec
}
