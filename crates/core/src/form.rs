//! What is asked before a release starts: every input with the value it will have, where that comes from,
//! whether it must be given, and what it controls (checklist M-060, M-068 to M-073, M-112, R-121).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use trainmaster_expr::Reference;

use crate::ids::{Name, Owner, ReleaseId, ResourceKey};
use crate::inputs::{self, InputDeclaration, InputType};
use crate::plan::{Plan, ValueTemplate};
use crate::rejection::{FieldProblem, Rejection};
use crate::release::{InputValue, Origin, refuse_field};
use crate::world::World;

/// What a form is made for.
#[derive(Clone, Debug)]
pub struct FormAsked {
    /// The process, of the organization or the account level.
    pub process: Name,
    /// Where the release is to live; none is the account level.
    pub organization: Option<Name>,
    /// The revision to pin; none is the newest.
    pub revision: Option<u32>,
    /// The input set that is to fill what is not given.
    pub input_set: Option<Name>,
    /// Values given so far.
    pub inputs: BTreeMap<String, Value>,
}

/// Every input of a release as it would be now.
#[derive(Clone, Debug)]
pub struct InputForm {
    /// The process.
    pub process: ResourceKey,
    /// Its revision.
    pub revision: u32,
    /// The inputs in the order of the process.
    pub fields: Vec<FormField>,
    /// Everything that keeps a release from being finalized with these values.
    pub problems: Vec<FieldProblem>,
}

/// One input of a form.
#[derive(Clone, Debug)]
pub struct FormField {
    /// How it is declared.
    pub declaration: InputDeclaration,
    /// Its value and where that comes from; none if it has none, or one that does not fit.
    pub value: Option<InputValue>,
    /// What is wrong with it, or that it is missing.
    pub problem: Option<String>,
    /// Phases and activities that read it, also through variables, in the order of the process.
    pub controls: Vec<String>,
}

impl InputForm {
    /// Inputs that still have to be given.
    pub fn missing(&self) -> Vec<&str> {
        let missing = self.fields.iter().filter(|field| {
            field.declaration.required && field.value.is_none() && field.problem.is_some()
        });
        missing
            .map(|field| field.declaration.name.as_str())
            .collect()
    }
}

type Layers<'a> = [(Origin, &'a BTreeMap<String, Value>)];

impl World {
    /// What a release of a process would be asked, before there is one.
    ///
    /// # Errors
    /// The process, its revision or the input set is not there, or the set may not be chosen.
    pub fn input_form(&self, asked: &FormAsked) -> Result<InputForm, Rejection> {
        let place = asked.organization.as_ref();
        let process = self.process_for(&asked.process, place)?;
        let newest = self.resource(&process).map_or(0, |known| known.revision);
        let revision = asked.revision.unwrap_or(newest);
        let plan = self.plan_of(&process, revision).ok_or_else(|| {
            let why = format!("`{process}` has no revision {revision}; the newest is {newest}");
            refuse_field("revision", &why)
        })?;
        let none = BTreeMap::new();
        let set = match &asked.input_set {
            Some(set) => &self.choose_input_set(set, place, &process)?.values,
            None => &none,
        };
        let layers = [(Origin::InputSet, set), (Origin::Release, &asked.inputs)];
        Ok(self.form(process, revision, &plan, place, &layers))
    }

    /// The inputs of a release: as they are locked, and in a draft as they would be now.
    pub fn release_form(&self, id: ReleaseId) -> Option<InputForm> {
        let state = self.state(id).ok()?;
        let release = &state.release;
        let plan = self.foreseen_plan(state)?;
        let place = release.organization.as_ref();
        let process = release.process.clone();
        if let Some(revision) = release.revision {
            return Some(locked_form(process, revision, &plan, &release.inputs));
        }
        let newest = self.resource(&process).map_or(0, |known| known.revision);
        let revision = release.asked_revision.unwrap_or(newest);
        let none = BTreeMap::new();
        let set = release
            .input_set
            .as_ref()
            .map(|set| self.input_set_for(set, place, &process));
        let values = match &set {
            Some(Ok(spec)) => &spec.values,
            _ => &none,
        };
        let layers = [
            (Origin::InputSet, values),
            (Origin::Release, &release.given),
        ];
        let mut form = self.form(process, revision, &plan, place, &layers);
        if let Some(Err(rejection)) = set {
            form.problems.insert(
                0,
                FieldProblem {
                    field: "inputSet".to_owned(),
                    message: rejection.to_string(),
                },
            );
        }
        Some(form)
    }

    fn form(
        &self,
        process: ResourceKey,
        revision: u32,
        plan: &Plan,
        place: Option<&Name>,
        layers: &Layers<'_>,
    ) -> InputForm {
        let mut problems = match inputs::resolve(&plan.inputs, &plan.rules, layers) {
            Ok(resolved) => self.wrong_references(place, &plan.inputs, &resolved),
            Err(problems) => problems,
        };
        let mut reads = controls(plan);
        let fields = plan.inputs.iter().map(|declaration| {
            let resolved = inputs::resolve_one(declaration, layers);
            let path = format!("inputs.{}", declaration.name);
            let found = problems.iter().find(|problem| problem.field == path);
            let problem = found.map(|problem| problem.message.clone());
            FormField {
                declaration: declaration.clone(),
                value: resolved.ok(),
                problem,
                controls: reads.remove(&declaration.name).unwrap_or_default(),
            }
        });
        let fields = fields.collect();
        problems.dedup();
        InputForm {
            process,
            revision,
            fields,
            problems,
        }
    }

    /// Refuses values that refer to something that does not exist.
    pub(crate) fn check_references(
        &self,
        place: Option<&Name>,
        declarations: &[InputDeclaration],
        inputs: &BTreeMap<String, InputValue>,
    ) -> Result<(), Rejection> {
        let problems = self.wrong_references(place, declarations, inputs);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Rejection::InvalidInput(problems)),
        }
    }

    /// References to what is not there: services and environments outside the account's catalogs, teams
    /// and users that nobody knows. Where there is nothing to compare with, every name passes.
    fn wrong_references(
        &self,
        place: Option<&Name>,
        declarations: &[InputDeclaration],
        inputs: &BTreeMap<String, InputValue>,
    ) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        for declaration in declarations {
            let Some(input) = inputs.get(&declaration.name) else {
                continue;
            };
            for (kind, name) in declaration.references(&input.value) {
                if let Some(message) = self.wrong_reference(place, kind, name) {
                    let field = format!("inputs.{}", declaration.name);
                    problems.push(FieldProblem { field, message });
                }
            }
        }
        problems
    }

    fn wrong_reference(&self, place: Option<&Name>, kind: InputType, name: &str) -> Option<String> {
        let known: Vec<&str> = match kind {
            InputType::Service => self.account().services.iter().map(Name::as_str).collect(),
            InputType::Environment => {
                let names = self.account().environments.iter();
                names.map(Name::as_str).collect()
            }
            InputType::Team => self.known_teams(place),
            InputType::User => self.known_users(),
            _ => return None,
        };
        if known.is_empty() || known.contains(&name) {
            return None;
        }
        Some(inputs::unknown_reference(kind, name, &known))
    }

    /// Teams that can be named there: of the organization and of the account.
    fn known_teams(&self, place: Option<&Name>) -> Vec<&str> {
        let teams = self.policy().teams();
        let here = teams.filter(|(home, ..)| home.is_none() || *home == place);
        here.map(|(_, team, _)| team.as_str()).collect()
    }

    /// Users that can be named, where users are kept: they, and the members of teams.
    fn known_users(&self) -> Vec<&str> {
        let users = self.policy().users();
        let mut known: BTreeSet<&str> = users.map(|user| user.name.as_str()).collect();
        if !known.is_empty() {
            let teams = self.policy().teams();
            known.extend(teams.flat_map(|(.., members)| members.iter().map(Name::as_str)));
        }
        known.into_iter().collect()
    }

    /// Owners that nobody knows, where people and teams are kept.
    pub(crate) fn unknown_owners<'a>(
        &self,
        place: Option<&Name>,
        owners: impl IntoIterator<Item = &'a Owner>,
    ) -> Vec<&'a Owner> {
        let unknown = |owner: &&Owner| match owner {
            Owner::Team(name) => self
                .wrong_reference(place, InputType::Team, name.as_str())
                .is_some(),
            Owner::User(name) => self
                .wrong_reference(place, InputType::User, name.as_str())
                .is_some(),
            Owner::Role(_) => false,
        };
        owners.into_iter().filter(unknown).collect()
    }
}

/// The form of values that are locked.
fn locked_form(
    process: ResourceKey,
    revision: u32,
    plan: &Plan,
    inputs: &BTreeMap<String, InputValue>,
) -> InputForm {
    let mut reads = controls(plan);
    let fields = plan.inputs.iter().map(|declaration| FormField {
        declaration: declaration.clone(),
        value: inputs.get(&declaration.name).cloned(),
        problem: None,
        controls: reads.remove(&declaration.name).unwrap_or_default(),
    });
    InputForm {
        process,
        revision,
        fields: fields.collect(),
        problems: Vec::new(),
    }
}

/// Which inputs a name stands for, directly or through variables.
type Sources = BTreeMap<String, BTreeSet<String>>;

/// Phases and activities that read each input, in the order of the process.
///
/// Followed are settings, conditions, lists and variables; what an activity hands on is its own.
pub fn controls(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let every: BTreeSet<String> = plan.inputs.iter().map(|input| input.name.clone()).collect();
    let mut globals: Sources = every
        .iter()
        .map(|name| (name.clone(), BTreeSet::from([name.clone()])))
        .collect();
    extend(&mut globals, &plan.variables, &every);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut note = |place: &str, inputs: BTreeSet<String>| {
        for input in inputs {
            found.entry(input).or_default().push(place.to_owned());
        }
    };
    for phase in &plan.phases {
        let mut here = globals.clone();
        extend(&mut here, &phase.variables, &every);
        if let Some(condition) = &phase.when {
            let read = sources(condition.references(), &here, &every);
            note(phase.id.as_str(), read);
        }
        let activities = phase.gates.clone().chain(phase.activities.clone());
        for activity in activities.map(|index| &plan.activities[index]) {
            let mut own = here.clone();
            extend(&mut own, &activity.variables, &every);
            let values = activity.with.values().chain(&activity.for_each);
            let values = values.flat_map(ValueTemplate::references);
            let conditions = activity.when.iter().flat_map(|when| when.references());
            let read = sources(values.chain(conditions), &own, &every);
            note(activity.path.as_str(), read);
        }
    }
    found
}

/// Adds variables, each of which may read the ones before it and hides what had its name.
fn extend(known: &mut Sources, variables: &[(String, ValueTemplate)], every: &BTreeSet<String>) {
    for (name, template) in variables {
        let read = sources(template.references(), known, every);
        known.insert(name.clone(), read);
    }
}

/// The inputs behind some references.
fn sources<'a>(
    references: impl IntoIterator<Item = &'a Reference>,
    known: &Sources,
    every: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for reference in references {
        let mut path = reference.path.iter().map(String::as_str);
        match (path.next(), path.next()) {
            (Some("inputs"), Some(name)) => found.extend(every.get(name).cloned()),
            (Some("inputs"), None) => found.extend(every.iter().cloned()),
            (Some("vars"), Some(name)) | (Some(name), _) => {
                found.extend(known.get(name).into_iter().flatten().cloned());
            }
            (None, _) => (),
        }
    }
    found
}
