//! Judges commands about definitions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::access::Permission;
use crate::definition::{Body, Definition, Problem};
use crate::entity::Resource;
use crate::event::{Change, Event};
use crate::ids::{Name, ResourceKey, ResourceKind};
use crate::plan::{Plan, ValueTemplate};
use crate::rejection::Rejection;
use crate::release::Release;
use crate::uses::ActivityType;
use crate::world::{Asker, World};

/// Most definitions of an installation.
const DEFINITIONS_MAX: usize = 100_000;

impl World {
    pub(crate) fn decide_apply(
        &self,
        asker: &Asker<'_>,
        definition: &Definition,
        if_revision: Option<u32>,
    ) -> Result<Vec<Event>, Rejection> {
        let key = &definition.key;
        for permission in apply_permissions(key.kind) {
            asker.needs(*permission, key.organization.as_ref())?;
        }
        let known = self.resources.get(key);
        let current = known
            .filter(|known| !known.deleted)
            .map_or(0, |known| known.revision);
        if let Some(expected) = if_revision.filter(|expected| *expected != current) {
            return Err(Rejection::StaleVersion {
                expected: expected.into(),
                current: current.into(),
            });
        }
        if known.is_some_and(|known| is_same(known, definition)) {
            return Ok(Vec::new());
        }
        if known.is_none() && self.resources.len() >= DEFINITIONS_MAX {
            return Err(Rejection::LimitReached {
                what: "definitions",
                limit: DEFINITIONS_MAX as u64,
            });
        }
        match &definition.body {
            Body::Process(plan) => self.refuse_process_cycle(key, plan)?,
            Body::InputSet(spec) => self.check_input_set(key, &spec.process, &spec.values)?,
            Body::Freeze(spec) => self.check_freeze(key, spec)?,
            Body::ReleaseGroup(group) => self.check_group(asker, key, group)?,
            Body::NotificationRule(_)
            | Body::Organization(_)
            | Body::Team(_)
            | Body::RoleBinding(_) => (),
            Body::Account(spec) => self.check_maintenance(spec)?,
        }
        self.refuse_escalation(asker, key, Some(&definition.body))?;
        Ok(vec![asker.fact(applied(
            definition,
            known.map_or(0, |known| known.revision) + 1,
        ))])
    }

    pub(crate) fn decide_delete(
        &self,
        asker: &Asker<'_>,
        key: &ResourceKey,
        if_revision: Option<u32>,
    ) -> Result<Vec<Event>, Rejection> {
        let place = key.organization.as_ref();
        asker
            .needs(Permission::Read, place)
            .map_err(|_| Rejection::UnknownResource(key.clone()))?;
        asker.needs(edit_permission(key.kind), place)?;
        let known = self.resources.get(key).filter(|known| !known.deleted);
        let known = known.ok_or_else(|| Rejection::UnknownResource(key.clone()))?;
        if let Some(expected) = if_revision.filter(|expected| *expected != known.revision) {
            let current = known.revision.into();
            return Err(Rejection::StaleVersion {
                expected: expected.into(),
                current,
            });
        }
        if let Some(user) = self.user_of(key) {
            return Err(Rejection::InUse(user));
        }
        self.refuse_escalation(asker, key, None)?;
        Ok(vec![
            asker.fact(Change::ResourceDeleted { key: key.clone() }),
        ])
    }

    /// What still needs a definition: releases that are not started, input sets of a process.
    fn user_of(&self, key: &ResourceKey) -> Option<String> {
        let waiting = |release: &&Release| {
            release.process == *key && release.status().stage() == crate::status::Stage::Draft
        };
        if let Some(release) = self.releases().find(waiting) {
            return Some(format!("draft release `{}` uses it", release.id));
        }
        if let Some(group) = self.group_using(key) {
            return Some(format!("release group `{group}` makes releases with it"));
        }
        let fills = |resource: &&Resource| {
            resource.key.kind == ResourceKind::InputSet
                && resource.key.organization == key.organization
                && !resource.deleted
                && self
                    .input_set_process(&resource.key)
                    .is_some_and(|process| *process == key.name)
        };
        let set = self
            .resources
            .values()
            .filter(|_| key.kind == ResourceKind::Process)
            .find(fills)?;
        Some(format!("input set `{}` belongs to it", set.key.name))
    }

    /// A release group of the same place that names a process or an input set.
    fn group_using(&self, key: &ResourceKey) -> Option<&Name> {
        let named = |group: &crate::group::Group| match key.kind {
            ResourceKind::Process => group.spec.process == key.name,
            ResourceKind::InputSet => group.spec.input_set.as_ref() == Some(&key.name),
            _ => false,
        };
        let groups = self
            .resources
            .keys()
            .filter(|known| known.kind == ResourceKind::ReleaseGroup);
        let uses = |known: &&ResourceKey| {
            let near = key.organization.is_none() || known.organization == key.organization;
            near && self.group(known).is_some_and(|group| named(group))
        };
        groups
            .filter(|_| matches!(key.kind, ResourceKind::Process | ResourceKind::InputSet))
            .find(uses)
            .map(|known| &known.name)
    }

    fn input_set_process(&self, key: &ResourceKey) -> Option<&Name> {
        let revision = self.resources.get(key)?.revision;
        match &self.revisions.get(key)?.get(&revision)?.body {
            Body::InputSet(spec) => Some(&spec.process),
            _ => None,
        }
    }

    /// An input set names a process that exists, and only inputs that it has, with values that fit.
    pub(crate) fn check_input_set(
        &self,
        key: &ResourceKey,
        process: &Name,
        values: &BTreeMap<String, Value>,
    ) -> Result<(), Rejection> {
        let process = self.process_for(process, key.organization.as_ref())?;
        let revision = self
            .resources
            .get(&process)
            .map_or(0, |known| known.revision);
        let Some(plan) = self.plan_of(&process, revision) else {
            return Ok(());
        };
        let mut problems = Vec::new();
        for (name, value) in values {
            let path = format!("spec.values.{name}");
            let message = match plan.inputs.iter().find(|input| input.name == *name) {
                None => format!("process `{}` has no input `{name}`", process.name),
                Some(input) => match input.check(value) {
                    Ok(_) => continue,
                    Err(message) => message,
                },
            };
            problems.push(Problem {
                path,
                message,
                suggestion: None,
                place: None,
            });
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Rejection::InvalidDefinition(problems))
        }
    }

    /// A process must not run itself, directly or through others (reliability.md, 25).
    fn refuse_process_cycle(&self, key: &ResourceKey, plan: &Plan) -> Result<(), Rejection> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(ResourceKey, Vec<String>)> =
            self.called(key, plan, &[key.name.to_string()]);
        while let Some((called, chain)) = open.pop() {
            if called == *key {
                let message = format!("the process would run itself: {}", chain.join(" → "));
                let path = "spec.phases".to_owned();
                return Err(Rejection::InvalidDefinition(vec![Problem {
                    path,
                    message,
                    suggestion: None,
                    place: None,
                }]));
            }
            if !seen.insert(called.clone()) {
                continue;
            }
            let newest = self
                .resources
                .get(&called)
                .map_or(0, |known| known.revision);
            if let Some(plan) = self.plan_of(&called, newest) {
                open.extend(self.called(&called, &plan, &chain));
            }
        }
        Ok(())
    }

    /// The processes that a plan runs as subprocesses, as far as they are named outright.
    fn called(
        &self,
        key: &ResourceKey,
        plan: &Plan,
        chain: &[String],
    ) -> Vec<(ResourceKey, Vec<String>)> {
        let subprocesses = plan
            .activities
            .iter()
            .filter(|activity| activity.uses == ActivityType::Subprocess);
        let names = subprocesses.filter_map(|activity| match activity.with.get("process") {
            Some(ValueTemplate::Literal(Value::String(name))) => name.parse::<Name>().ok(),
            _ => None,
        });
        let organization = key.organization.as_ref();
        names
            .map(|name| {
                let own = ResourceKey {
                    kind: ResourceKind::Process,
                    organization: organization.cloned(),
                    name: name.clone(),
                };
                let called = if own == *key {
                    own
                } else {
                    self.process_for(&name, organization).unwrap_or(own)
                };
                (
                    called,
                    chain.iter().cloned().chain([name.to_string()]).collect(),
                )
            })
            .collect()
    }

    /// A new revision of an input set with changed values in it.
    pub(crate) fn save_to_input_set(
        &self,
        asker: &Asker<'_>,
        release: &Release,
        set: &Name,
        values: &BTreeMap<String, Value>,
    ) -> Result<Event, Rejection> {
        let place = release.organization.as_ref();
        let key = self.definition_for(ResourceKind::InputSet, set, place)?;
        asker.needs(edit_permission(key.kind), key.organization.as_ref())?;
        if self.input_set_for(set, place, &release.process)?.archived {
            let why = format!("input set `{set}` is archived; unarchive it first");
            return Err(crate::release::refuse_field("saveTo", &why));
        }
        let known = self.resources.get(&key).filter(|known| !known.deleted);
        let known = known.ok_or_else(|| Rejection::UnknownResource(key.clone()))?;
        let stored = self.revision(&key, known.revision);
        let stored = stored.ok_or_else(|| Rejection::UnknownResource(key.clone()))?;
        let mut spec = stored.spec.clone();
        if let Some(object) = spec.as_object_mut() {
            let held = object
                .entry("values")
                .or_insert_with(|| Value::Object(Default::default()));
            if let Some(held) = held.as_object_mut() {
                held.extend(
                    values
                        .iter()
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
            }
        }
        let labels = known.labels.clone();
        let definition = Definition::from_stored(key, known.description.clone(), labels, &spec)
            .map_err(Rejection::InvalidDefinition)?;
        if let Body::InputSet(spec) = &definition.body {
            self.check_input_set(&definition.key, &spec.process, &spec.values)?;
        }
        Ok(asker.fact(applied(&definition, known.revision + 1)))
    }
}

/// Everything that it takes to apply a definition of a kind: what it does by itself later is asked for now.
///
/// A release group makes and starts releases, and nobody gets that done who may not do it (reliability.md, 31).
fn apply_permissions(kind: ResourceKind) -> &'static [Permission] {
    match kind {
        ResourceKind::Process | ResourceKind::InputSet => &[Permission::DefinitionEdit],
        ResourceKind::ReleaseGroup => &[
            Permission::DefinitionEdit,
            Permission::ReleaseEdit,
            Permission::ReleaseStart,
        ],
        ResourceKind::Freeze => &[Permission::FreezeEdit],
        ResourceKind::NotificationRule => &[Permission::NotificationEdit],
        ResourceKind::Organization
        | ResourceKind::Team
        | ResourceKind::RoleBinding
        | ResourceKind::Account => &[Permission::AccessManage],
    }
}

/// Which permission it takes to apply or delete a definition of a kind.
pub fn edit_permission(kind: ResourceKind) -> Permission {
    apply_permissions(kind)[0]
}

fn is_same(known: &Resource, definition: &Definition) -> bool {
    !known.deleted
        && known.digest == definition.digest
        && known.description == definition.description
        && known.labels == definition.labels
}

pub(crate) fn applied(definition: &Definition, revision: u32) -> Change {
    Change::ResourceApplied {
        key: definition.key.clone(),
        revision,
        digest: definition.digest.clone(),
        description: definition.description.clone(),
        labels: definition.labels.clone(),
        spec: definition.spec.clone(),
    }
}
