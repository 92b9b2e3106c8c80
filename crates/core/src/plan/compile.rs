//! From the written form of a process to a plan, with everything that is wrong with it (2-execution.md, Expressions).
//!
//! `order` finds cycles, `sight` knows which names an expression sees from where it stands, `settings` checks `with`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use trainmaster_expr::{Condition, Error, Template, Type};

use super::{
    Closing, Holds, InputRule, Plan, PlannedActivity, PlannedDeployment, PlannedPhase, RetryPolicy,
    ValueTemplate, secret_places,
};
use crate::definition::Problem;
use crate::definition::fault::{At, Fault, Faults, closest, one_of, shortened};
use crate::duration::Duration;
use crate::ids::ActivityPath;
use crate::inputs::{InputDeclaration, name_refusal};
use crate::process::{ActivitySpec, DeploysSpec, HoldsSpec, PhaseSpec, ProcessSpec, RetrySpec};
use crate::uses::ActivityType;

mod order;
mod settings;
mod sight;

pub(crate) use settings::config_schema;
use sight::{ActivityOutline, Outline, PhaseOutline, ROOTS, Secrets, Sight};

/// The most phases of a process.
const PHASES_MAX: usize = 500;
/// The most activities of a process, gates included.
const ACTIVITIES_MAX: usize = 10_000;
/// The most things that have to be ready before a release starts.
pub(crate) const READINESS_MAX: usize = 100;

/// Compiles a process; all problems are reported at once.
pub fn compile(spec: &ProcessSpec, digest: String) -> Result<Plan, Vec<Problem>> {
    compile_faults(spec, digest).map_err(|faults| faults.into_iter().map(Problem::from).collect())
}

/// Compiles a process, with paths that can be looked up in its text.
pub(crate) fn compile_faults(spec: &ProcessSpec, digest: String) -> Result<Plan, Vec<Fault>> {
    let mut faults = Faults::default();
    let at = At::ROOT.key("spec");
    if !check_sizes(spec, &at, &mut faults) {
        return Err(faults.into_vec());
    }
    let outline = outline(spec, &at, &mut faults);
    let inputs = check_inputs(&spec.inputs, &at.key("inputs"), &mut faults);
    let mut compiler = Compiler {
        inputs: &inputs,
        outline: &outline,
        templates: BTreeMap::new(),
        faults,
    };
    let plan = compiler.process(spec, &at, digest);
    compiler.faults.finish(|| plan)
}

/// Whether the process is small enough to be looked at.
fn check_sizes(spec: &ProcessSpec, at: &At<'_>, faults: &mut Faults) -> bool {
    let phases = spec.phases.len();
    let activities: usize = spec
        .phases
        .iter()
        .map(|phase| phase.gates.len() + phase.activities.len())
        .sum();
    let at = at.key("phases");
    if phases == 0 {
        faults.add(&at, "a process needs at least one phase");
    }
    if phases > PHASES_MAX {
        faults.add(
            &at,
            format!("there are {phases} phases; at most {PHASES_MAX} are possible"),
        );
    }
    if activities > ACTIVITIES_MAX {
        faults.add(
            &at,
            format!("there are {activities} activities; at most {ACTIVITIES_MAX} are possible"),
        );
    }
    faults.count() == 0
}

/// Checks declarations and answers their types as expressions see them.
fn check_inputs(
    inputs: &[InputDeclaration],
    at: &At<'_>,
    faults: &mut Faults,
) -> BTreeMap<String, Type> {
    let mut types = BTreeMap::new();
    for (index, input) in inputs.iter().enumerate() {
        let at = at.index(index);
        input.check_itself(&at, faults);
        if ROOTS.contains(&input.name.as_str()) {
            faults.add(&at.key("name"), reserved(&input.name));
        }
        if types
            .insert(input.name.clone(), input.expression_type())
            .is_some()
        {
            faults.add(
                &at.key("name"),
                format!("the input `{}` is there twice", shortened(&input.name)),
            );
        }
    }
    types
}

/// Ids of what has to be ready are unique, and there are not too many.
fn check_readiness(spec: &ProcessSpec, at: &At<'_>, faults: &mut Faults) {
    let count = spec.readiness.len();
    if count > READINESS_MAX {
        let message = format!("there are {count} entries; at most {READINESS_MAX} are possible");
        faults.add(at, message);
    }
    let mut seen = BTreeSet::new();
    for (index, item) in spec.readiness.iter().enumerate() {
        if !seen.insert(&item.id) {
            let message = format!("the entry `{}` is there twice", item.id);
            faults.add(&at.index(index).key("id"), message);
        }
    }
}

fn reserved(name: &str) -> String {
    format!("`{name}` cannot be a name here: expressions know another `{name}`")
}

/// Phases and activities by name, checked for what their dependencies say.
fn outline(spec: &ProcessSpec, at: &At<'_>, faults: &mut Faults) -> Outline {
    let at = at.key("phases");
    let mut outline = Outline::default();
    for (index, phase) in spec.phases.iter().enumerate() {
        if outline
            .positions
            .insert(phase.id.to_string(), index)
            .is_some()
        {
            faults.add(
                &at.index(index).key("id"),
                format!("the phase `{}` is there twice", phase.id),
            );
        }
        outline
            .phases
            .push(phase_outline(phase, &at.index(index), faults));
    }
    let mut dependencies = Vec::new();
    for (index, phase) in spec.phases.iter().enumerate() {
        let at = at.index(index);
        dependencies.push(phase_dependencies(
            phase,
            &outline,
            &at.key("dependsOn"),
            faults,
        ));
        let own = activity_dependencies(index, phase, &outline, &at, faults);
        let activities = &mut outline.phases[index].activities;
        for (activity, depends_on) in activities.iter_mut().zip(&own) {
            activity.depends_on.clone_from(depends_on);
        }
        let ids: Vec<&str> = activities
            .iter()
            .map(|activity| activity.id.as_str())
            .collect();
        report_cycles(&own, &ids, &mut |position, message| {
            with_activity(phase, position, &at, |at| {
                faults.add(&at.key("dependsOn"), message)
            });
        });
    }
    let ids: Vec<&str> = spec.phases.iter().map(|phase| phase.id.as_str()).collect();
    report_cycles(&dependencies, &ids, &mut |index, message| {
        faults.add(&at.index(index).key("dependsOn"), message);
    });
    for (index, phase) in outline.phases.iter_mut().enumerate() {
        phase.upstream = order::upstream(index, &dependencies);
        phase.depends_on.clone_from(&dependencies[index]);
    }
    outline
}

/// Calls with the place of an activity: gates come first.
fn with_activity(phase: &PhaseSpec, position: usize, at: &At<'_>, then: impl FnOnce(&At<'_>)) {
    match position.checked_sub(phase.gates.len()) {
        None => then(&at.key("gates").index(position)),
        Some(position) => then(&at.key("activities").index(position)),
    }
}

fn phase_outline(phase: &PhaseSpec, at: &At<'_>, faults: &mut Faults) -> PhaseOutline {
    let mut outline = PhaseOutline {
        id: phase.id.to_string(),
        ..PhaseOutline::default()
    };
    let activities = phase.gates.iter().chain(&phase.activities);
    for (position, activity) in activities.enumerate() {
        if outline
            .positions
            .insert(activity.id.to_string(), position)
            .is_some()
        {
            let message = format!(
                "the activity `{}` is there twice in phase `{}`",
                activity.id, phase.id
            );
            with_activity(phase, position, at, |at| faults.add(&at.key("id"), message));
        }
        outline.activities.push(ActivityOutline {
            id: activity.id.to_string(),
            is_gate: position < phase.gates.len(),
            outputs: outputs(activity),
            depends_on: Vec::new(),
        });
    }
    if outline.activities.is_empty() {
        faults.add(at, format!("the phase `{}` has no activity", phase.id));
    }
    outline
}

/// What an activity hands on: what it declares, and for questions to people the answers; lists with `forEach`.
fn outputs(activity: &ActivitySpec) -> BTreeMap<String, Type> {
    let mut outputs = own_outputs(activity);
    if activity.for_each.is_some() {
        outputs
            .values_mut()
            .for_each(|kind| *kind = Type::list(Type::Any));
        outputs.insert(
            "items".to_owned(),
            Type::list(Type::open_object::<String>([])),
        );
    }
    outputs
}

/// What an activity, or one item of its `forEach`, hands on.
fn own_outputs(activity: &ActivitySpec) -> BTreeMap<String, Type> {
    let mut outputs = BTreeMap::new();
    if activity.uses == ActivityType::Input.as_str() {
        let fields = activity.with.get("fields").and_then(Value::as_array);
        for field in fields.into_iter().flatten() {
            match serde_json::from_value::<InputDeclaration>(field.clone()) {
                Ok(declaration) => {
                    outputs.insert(declaration.name.clone(), declaration.expression_type())
                }
                Err(_) => field["name"]
                    .as_str()
                    .and_then(|name| outputs.insert(name.to_owned(), Type::Any)),
            };
        }
    }
    outputs.extend(
        activity
            .outputs
            .keys()
            .map(|name| (name.clone(), Type::Any)),
    );
    outputs
}

fn phase_dependencies(
    phase: &PhaseSpec,
    outline: &Outline,
    at: &At<'_>,
    faults: &mut Faults,
) -> Vec<usize> {
    let mut found = Vec::new();
    for (index, written) in phase.depends_on.iter().enumerate() {
        if let Some(position) = outline.positions.get(written) {
            if !found.contains(position) {
                found.push(*position);
            }
            continue;
        }
        let at = at.index(index);
        let (first, last) = written.split_once('/').unwrap_or(("", written));
        let home = outline.phases.iter().find(|phase| {
            phase.positions.contains_key(last) && (first.is_empty() || phase.id == first)
        });
        match home {
            Some(home) => {
                let home = &home.id;
                let message = format!(
                    "`{last}` is an activity of phase `{home}`, and phases depend on phases"
                );
                faults.suggest(&at, message, Some(home.clone()));
            }
            None => {
                let known = outline.positions.keys().map(String::as_str);
                let message = format!("the phase `{}` does not exist", shortened(written));
                faults.suggest(&at, message, closest(written, known));
            }
        }
    }
    found
}

/// What each activity of a phase waits for, gates first; that activities wait for gates goes without saying.
fn activity_dependencies(
    index: usize,
    phase: &PhaseSpec,
    outline: &Outline,
    at: &At<'_>,
    faults: &mut Faults,
) -> Vec<Vec<usize>> {
    let own = &outline.phases[index];
    let mut all = Vec::new();
    for (position, activity) in phase.gates.iter().chain(&phase.activities).enumerate() {
        let is_gate = position < phase.gates.len();
        let mut found = Vec::new();
        for (index, written) in activity.depends_on.iter().enumerate() {
            match own.positions.get(written) {
                Some(before) if is_gate && !own.activities[*before].is_gate => {
                    let message = format!(
                        "`{}` is a gate and can only depend on gates, and `{written}` is none",
                        activity.id
                    );
                    with_activity(phase, position, at, |at| {
                        faults.add(&at.key("dependsOn").index(index), message)
                    });
                }
                Some(before) if !is_gate && own.activities[*before].is_gate => (),
                Some(before) if found.contains(before) => (),
                Some(before) => found.push(*before),
                None => {
                    let (message, suggestion) = unknown_sibling(written, own, outline);
                    with_activity(phase, position, at, |at| {
                        faults.suggest(&at.key("dependsOn").index(index), message, suggestion);
                    });
                }
            }
        }
        all.push(found);
    }
    all
}

/// What to say about a dependency that names no activity of the same phase.
fn unknown_sibling(
    written: &str,
    own: &PhaseOutline,
    outline: &Outline,
) -> (String, Option<String>) {
    let id = &own.id;
    if outline.positions.contains_key(written) {
        let message = format!("`{written}` is a phase: add it to the `dependsOn` of phase `{id}`");
        return (message, None);
    }
    let (first, last) = written.split_once('/').unwrap_or(("", written));
    let home = outline.phases.iter().find(|phase| {
        phase.positions.contains_key(last) && (first.is_empty() || phase.id == first)
    });
    match home {
        Some(home) if home.id == *id => {
            let message = format!("activities of the same phase are named by their id: `{last}`");
            (message, Some(last.to_owned()))
        }
        Some(home) => {
            let home = &home.id;
            let message = format!(
                "`{last}` belongs to phase `{home}`: add `{home}` to the `dependsOn` of phase `{id}`"
            );
            (message, None)
        }
        None => {
            let known = own.positions.keys().map(String::as_str);
            let message = format!("phase `{id}` has no activity `{}`", shortened(written));
            (message, closest(written, known))
        }
    }
}

/// Reports each cycle at its first member, and what waits for one.
fn report_cycles(dependencies: &[Vec<usize>], ids: &[&str], report: &mut dyn FnMut(usize, String)) {
    let cycles = order::cycles(dependencies);
    let named = |cycle: &[usize]| {
        let around = cycle.iter().chain(cycle.first());
        around
            .map(|node| ids[*node])
            .collect::<Vec<_>>()
            .join(" → ")
    };
    for cycle in &cycles {
        match cycle.as_slice() {
            [only] => report(*only, format!("`{}` depends on itself", ids[*only])),
            _ => report(
                cycle[0],
                format!("dependencies go in a circle: `{}`", named(cycle)),
            ),
        }
    }
    if cycles.is_empty() {
        return;
    }
    let ordered: BTreeSet<usize> = order::sorted(dependencies).into_iter().collect();
    let in_cycles: BTreeSet<usize> = cycles.iter().flatten().copied().collect();
    for node in
        (0..dependencies.len()).filter(|node| !ordered.contains(node) && !in_cycles.contains(node))
    {
        let upstream = order::upstream(node, dependencies);
        if let Some(cycle) = cycles
            .iter()
            .find(|cycle| cycle.iter().any(|node| upstream[*node]))
        {
            report(
                node,
                format!(
                    "`{}` can never start: it waits for `{}`",
                    ids[node],
                    named(cycle)
                ),
            );
        }
    }
}

/// Puts the plan together; a plan with faults is thrown away in the end.
struct Compiler<'a> {
    inputs: &'a BTreeMap<String, Type>,
    outline: &'a Outline,
    /// Texts that have been read; the same one often comes again.
    templates: BTreeMap<String, Result<Template, Error>>,
    faults: Faults,
}

impl<'a> Compiler<'a> {
    fn process(&mut self, spec: &ProcessSpec, at: &At<'_>, digest: String) -> Plan {
        let rules = self.rules(spec, &at.key("rules"));
        let everywhere = Sight {
            inputs: Some(self.inputs),
            release: true,
            ..Sight::default()
        };
        let (variables, globals) =
            self.variables(&spec.variables, &everywhere, &at.key("variables"));
        self.positive(spec.decision_deadline, &at.key("decisionDeadline"));
        let holds = self.holds(&spec.holds, &at.key("holds"));
        let mut plan = Plan {
            inputs: spec.inputs.clone(),
            rules,
            variables,
            outputs: BTreeMap::new(),
            allow_partial_success: spec.allow_partial_success,
            decision_deadline: spec.decision_deadline.map(Duration::get),
            holds,
            readiness: spec.readiness.clone(),
            phases: Vec::new(),
            activities: Vec::new(),
            paths: BTreeMap::new(),
            digest,
        };
        check_readiness(spec, &at.key("readiness"), &mut self.faults);
        for (index, phase) in spec.phases.iter().enumerate() {
            self.phase(
                index,
                phase,
                &globals,
                &at.key("phases").index(index),
                &mut plan,
            );
        }
        link(&mut plan);
        let after = Sight {
            layers: vec![&globals],
            outline: Some(self.outline),
            after_all: true,
            ..everywhere
        };
        plan.outputs = self.outputs(&spec.outputs, &after, &at.key("outputs"));
        plan
    }

    fn rules(&mut self, spec: &ProcessSpec, at: &At<'_>) -> Vec<InputRule> {
        let sight = Sight {
            inputs: Some(self.inputs),
            ..Sight::default()
        };
        let mut rules = Vec::new();
        for (index, rule) in spec.rules.iter().enumerate() {
            let at = at.index(index);
            if rule.message.trim().is_empty() {
                self.faults.add(
                    &at.key("message"),
                    "say what is wrong when the rule does not hold",
                );
            }
            if let Some(condition) = self.condition(&rule.condition, &sight, &at.key("condition")) {
                rules.push(InputRule {
                    condition,
                    message: rule.message.clone(),
                });
            }
        }
        rules
    }

    fn phase(
        &mut self,
        index: usize,
        phase: &PhaseSpec,
        globals: &BTreeMap<String, Type>,
        at: &At<'_>,
        plan: &mut Plan,
    ) {
        let sight = Sight {
            inputs: Some(self.inputs),
            layers: vec![globals],
            outline: Some(self.outline),
            phase: Some(index),
            release: true,
            ..Sight::default()
        };
        let conditional = Sight {
            outcome: true,
            ..sight.clone()
        };
        let when = self.optional_condition(phase.when.as_deref(), &conditional, &at.key("when"));
        let (variables, types) = self.variables(&phase.variables, &sight, &at.key("variables"));
        if let (Some(opens), Some(closes)) = (phase.opens, phase.closes)
            && (opens.day, opens.time) >= (closes.day, closes.time)
        {
            self.faults
                .add(&at.key("closes"), "the phase closes before it opens");
        }
        let mut within = sight;
        within.layers.push(&types);
        let first = plan.activities.len();
        let gates = first..first + phase.gates.len();
        let rest = gates.end..gates.end + phase.activities.len();
        for (position, activity) in phase.gates.iter().chain(&phase.activities).enumerate() {
            let here = Sight {
                activity: Some(position),
                ..within.clone()
            };
            with_activity(phase, position, at, |at| {
                let mut planned = self.activity(index, phase, activity, &here, at);
                planned.is_gate = position < phase.gates.len();
                let own = &self.outline.phases[index].activities[position];
                planned.depends_on = own.depends_on.iter().map(|before| first + before).collect();
                plan.paths
                    .insert(planned.path.clone(), plan.activities.len());
                plan.activities.push(planned);
            });
        }
        plan.phases.push(PlannedPhase {
            id: phase.id.clone(),
            name: self.name(phase.name.as_deref(), phase.id.as_str(), &at.key("name")),
            description: phase.description.clone(),
            owners: phase.owners.clone(),
            variables,
            when,
            importance: phase.importance,
            opens: phase.opens,
            closes: phase.closes.map(|closes| Closing {
                at: super::DayTime {
                    day: closes.day,
                    time: closes.time,
                },
                then: closes.then,
            }),
            depends_on: self.outline.phases[index].depends_on.clone(),
            dependents: Vec::new(),
            gates,
            activities: rest,
        });
    }

    fn activity(
        &mut self,
        phase_index: usize,
        phase: &PhaseSpec,
        activity: &ActivitySpec,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> PlannedActivity {
        let position = sight.activity.unwrap_or_default();
        let siblings = &self.outline.phases[phase_index].activities;
        let before: Vec<bool> =
            order::upstream_of(position, |node| &siblings[node].depends_on, siblings.len());
        let sight = Sight {
            siblings_upstream: Some(&before),
            item_later: activity.for_each.is_some(),
            ..sight.clone()
        };
        let uses = self.uses(&activity.uses, &at.key("uses"));
        let (for_each, item) = self.for_each(activity, &sight, at);
        let sight = Sight {
            item,
            item_later: false,
            ..sight
        };
        let (variables, types) = self.variables(&activity.variables, &sight, &at.key("variables"));
        // A condition is judged before there are items, or item by item; what is computed per item is not there yet.
        let mut conditional = Sight {
            outcome: true,
            ..sight.clone()
        };
        if activity.for_each.is_none() {
            conditional.layers.push(&types);
        }
        let when = self.optional_condition(activity.when.as_deref(), &conditional, &at.key("when"));
        let mut sight = sight;
        sight.layers.push(&types);
        let with = self.settings(uses, activity, &sight, at);
        let after = Sight {
            result: true,
            ..sight
        };
        let outputs = self.outputs(&activity.outputs, &after, &at.key("outputs"));
        let own = own_outputs(activity);
        let with_outputs = Sight {
            own_outputs: Some(&own),
            ..after
        };
        let deploys = activity.deploys.as_ref();
        let deploys =
            deploys.and_then(|deploys| self.deploys(deploys, &with_outputs, &at.key("deploys")));
        self.positive(activity.timeout, &at.key("timeout"));
        if let Some(runbook) = &activity.runbook {
            self.plain(runbook, &at.key("runbook"));
        }
        PlannedActivity {
            path: ActivityPath::new(&phase.id, &activity.id),
            id: activity.id.clone(),
            phase: phase_index,
            is_gate: false,
            name: self.name(
                activity.name.as_deref(),
                activity.id.as_str(),
                &at.key("name"),
            ),
            description: activity.description.clone(),
            uses: uses.unwrap_or(ActivityType::Command),
            with,
            depends_on: Vec::new(),
            dependents: Vec::new(),
            when,
            owners: activity.owners.clone(),
            variables,
            outputs,
            timeout: activity.timeout.map(Duration::get),
            retry: self.retry(activity.retry, &at.key("retry")),
            importance: activity.importance,
            on_failure: activity.on_failure,
            on_unknown: activity.on_unknown,
            may_retry: activity.may_retry,
            may_ignore: activity.may_ignore,
            runbook: activity.runbook.clone(),
            for_each,
            max_parallel: activity.max_parallel,
            deploys,
        }
    }

    /// What an activity deploys: exactly one of `service` and `application`, and words everywhere.
    fn deploys(
        &mut self,
        written: &DeploysSpec,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> Option<PlannedDeployment> {
        let what = match (&written.service, &written.application) {
            (Some(service), None) => Some(("service", service)),
            (None, Some(application)) => Some(("application", application)),
            (Some(_), Some(_)) => {
                let message = "`application` is another word for `service`: write one of them";
                self.faults.field(at, "application", message, None);
                None
            }
            (None, None) => {
                self.faults
                    .add(at, "say what is deployed: `service` or `application`");
                None
            }
        };
        let environment = self.words(&written.environment, true, sight, &at.key("environment"));
        let mut details = BTreeMap::new();
        for (name, value, many) in [
            ("version", &written.version, false),
            ("commit", &written.commit, false),
            ("commits", &written.commits, true),
            ("image", &written.image, false),
            ("artifact", &written.artifact, false),
            ("tickets", &written.tickets, true),
        ] {
            if let Some(value) = value {
                details.insert(name, self.words(value, many, sight, &at.key(name)));
            }
        }
        let (name, service) = what?;
        Some(PlannedDeployment {
            service: self.words(service, true, sight, &at.key(name)),
            environment,
            details,
        })
    }

    /// A text or a number, or where `many` are possible a list of them.
    fn words(
        &mut self,
        value: &Value,
        many: bool,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> ValueTemplate {
        let faults_before = self.faults.count();
        let (template, kind) = self.value(value, sight, at, &mut BTreeMap::new());
        let word = |kind: &Type| matches!(kind, Type::Any | Type::String | Type::Number);
        let fits = match &kind {
            Type::List(element) => many && word(element),
            kind => word(kind),
        };
        if !fits && self.faults.count() == faults_before {
            let message = match many {
                true => "this is a text or a list of texts",
                false => "this is a text",
            };
            self.faults.add(at, message);
        }
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            self.faults.add(at, "an empty text names nothing");
        }
        template
    }

    fn uses(&mut self, written: &str, at: &At<'_>) -> Option<ActivityType> {
        let uses = ActivityType::ALL
            .into_iter()
            .find(|uses| uses.as_str() == written);
        if uses.is_none() {
            let known = || ActivityType::ALL.iter().map(|uses| uses.as_str());
            let message = format!(
                "`{}` is not a type of activity, expected {}",
                shortened(written),
                one_of(known())
            );
            self.faults.suggest(at, message, closest(written, known()));
        }
        uses
    }

    fn settings(
        &mut self,
        uses: Option<ActivityType>,
        activity: &ActivitySpec,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> BTreeMap<String, ValueTemplate> {
        let at_with = at.key("with");
        let secrets = match uses.is_none_or(ActivityType::acts_outside) {
            true => Secrets::Allowed,
            false => Secrets::Inside,
        };
        let sight = Sight {
            secrets,
            ..sight.clone()
        };
        let mut types = BTreeMap::new();
        let mut with = BTreeMap::new();
        for (name, value) in &activity.with {
            let (template, _) = self.value(value, &sight, &at_with.key(name), &mut types);
            with.insert(name.clone(), template);
        }
        if let Some(uses) = uses {
            let settings = Value::Object(activity.with.clone().into_iter().collect());
            settings::check(uses, &settings, &types, &at_with, &mut self.faults);
        }
        with
    }

    /// The list of a `forEach`, and the type of its elements.
    fn for_each(
        &mut self,
        activity: &ActivitySpec,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> (Option<ValueTemplate>, Option<Type>) {
        if activity.max_parallel == Some(0) {
            self.faults.add(
                &at.key("maxParallel"),
                "at least one item must be able to run",
            );
        }
        let Some(list) = &activity.for_each else {
            if activity.max_parallel.is_some() {
                self.faults
                    .field(at, "maxParallel", "`maxParallel` needs `forEach`", None);
            }
            return (None, None);
        };
        let at = at.key("forEach");
        let faults_before = self.faults.count();
        let (template, kind) = self.value(list, sight, &at, &mut BTreeMap::new());
        match kind {
            Type::List(element) => (Some(template), Some(*element)),
            Type::Any => (Some(template), Some(Type::Any)),
            _ => {
                if self.faults.count() == faults_before {
                    self.faults.add(
                        &at,
                        "`forEach` takes a list, or one `${…}` that gives a list",
                    );
                }
                (Some(template), Some(Type::Any))
            }
        }
    }

    /// Variables in an order in which each may use the ones before it, and their types.
    fn variables(
        &mut self,
        written: &BTreeMap<String, Value>,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> (Vec<(String, ValueTemplate)>, BTreeMap<String, Type>) {
        let names: Vec<&str> = written.keys().map(String::as_str).collect();
        for name in &names {
            match name_refusal(name) {
                Some(message) => self.faults.field(at, name, message, None),
                None if ROOTS.contains(name) => self.faults.field(at, name, reserved(name), None),
                None => (),
            }
        }
        let dependencies: Vec<Vec<usize>> = written
            .iter()
            .map(|(name, value)| self.variables_used(name, value, &names, sight))
            .collect();
        let faults = &mut self.faults;
        report_cycles(&dependencies, &names, &mut |position, message| {
            faults.field(at, names[position], message, None);
        });
        let order = order::sorted(&dependencies);
        let mut types: BTreeMap<String, Type> = BTreeMap::new();
        for (position, name) in names.iter().enumerate() {
            // What is in a circle has been reported; its users shall not be.
            if dependencies[position].len() > order.len() || !order.contains(&position) {
                types.insert((*name).to_owned(), Type::Any);
            }
        }
        let mut variables = Vec::new();
        for position in order {
            let name = names[position];
            let mut here = sight.clone();
            here.layers.push(&types);
            let (template, kind) =
                self.value(&written[name], &here, &at.key(name), &mut BTreeMap::new());
            variables.push((name.to_owned(), template));
            types.insert(name.to_owned(), kind);
        }
        (variables, types)
    }

    /// Which variables of its own layer a variable uses; its own name means the one further out, if there is one.
    fn variables_used(
        &mut self,
        name: &str,
        value: &Value,
        names: &[&str],
        sight: &Sight<'_>,
    ) -> Vec<usize> {
        let mut used = BTreeSet::new();
        let outer = sight.bare(name).is_some();
        self.each_template(value, &mut |template| {
            for reference in template.references() {
                let root = reference.path[0].as_str();
                match (root, reference.path.get(1)) {
                    ("vars", Some(other)) => used.extend(names.binary_search(&other.as_str())),
                    ("vars", None) => {
                        used.extend((0..names.len()).filter(|position| names[*position] != name))
                    }
                    _ if root == name && outer => (),
                    _ => used.extend(names.binary_search(&root)),
                }
            }
        });
        used.into_iter().collect()
    }

    fn each_template(&mut self, value: &Value, then: &mut dyn FnMut(&Template)) {
        match value {
            Value::String(text) if text.contains("${") => {
                if let Ok(template) = self.template(text) {
                    then(&template);
                }
            }
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| self.each_template(element, then)),
            Value::Object(fields) => fields
                .values()
                .for_each(|field| self.each_template(field, then)),
            _ => (),
        }
    }

    fn outputs(
        &mut self,
        written: &BTreeMap<String, Value>,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> BTreeMap<String, ValueTemplate> {
        let mut outputs = BTreeMap::new();
        for (name, value) in written {
            if let Some(message) = name_refusal(name) {
                self.faults.field(at, name, message, None);
            }
            let (template, _) = self.value(value, sight, &at.key(name), &mut BTreeMap::new());
            outputs.insert(name.clone(), template);
        }
        outputs
    }

    /// Reads and checks a value with `${…}` in its texts; `types` takes in what each text gives, none if it is wrong.
    fn value(
        &mut self,
        value: &Value,
        sight: &Sight<'_>,
        at: &At<'_>,
        types: &mut BTreeMap<String, Option<Type>>,
    ) -> (ValueTemplate, Type) {
        match value {
            Value::String(text) if text.contains("${") => {
                let checked = self.text(text, sight, at);
                types.insert(text.clone(), checked.as_ref().map(|(_, kind)| kind.clone()));
                match checked {
                    Some((template, kind)) => (ValueTemplate::Text(template), kind),
                    None => (ValueTemplate::Literal(Value::Null), Type::Any),
                }
            }
            Value::Array(elements) => {
                let read = elements.iter().enumerate();
                let (templates, kinds): (Vec<_>, Vec<_>) = read
                    .map(|(index, element)| self.value(element, sight, &at.index(index), types))
                    .unzip();
                let kind = Type::list(kinds.into_iter().reduce(Type::join).unwrap_or_default());
                match templates.iter().all(ValueTemplate::is_literal) {
                    true => (ValueTemplate::Literal(value.clone()), kind),
                    false => (ValueTemplate::List(templates), kind),
                }
            }
            Value::Object(fields) => {
                let mut templates = BTreeMap::new();
                let mut kinds = BTreeMap::new();
                for (name, field) in fields {
                    let (template, kind) = self.value(field, sight, &at.key(name), types);
                    templates.insert(name.clone(), template);
                    kinds.insert(name.clone(), kind);
                }
                let kind = Type::Object {
                    fields: kinds,
                    open: false,
                };
                match templates.values().all(ValueTemplate::is_literal) {
                    true => (ValueTemplate::Literal(value.clone()), kind),
                    false => (ValueTemplate::Object(templates), kind),
                }
            }
            literal => (ValueTemplate::Literal(literal.clone()), Type::of(literal)),
        }
    }

    /// Reads and checks a text with `${…}`.
    fn text(&mut self, text: &str, sight: &Sight<'_>, at: &At<'_>) -> Option<(Template, Type)> {
        let template = match self.template(text) {
            Ok(template) => template,
            Err(error) => {
                self.report(at, vec![error]);
                return None;
            }
        };
        if secret_places(text)
            > template
                .references()
                .filter(|reference| reference.path[0] == "secrets")
                .count()
        {
            self.faults
                .add(at, "a text that looks like a secret would be taken for one");
            return None;
        }
        let scope = match sight.scope(text, template.references()) {
            Ok(scope) => scope,
            Err(refusals) => {
                for (offset, message) in refusals {
                    self.faults.within(at, offset, message, None);
                }
                return None;
            }
        };
        match template.check(&scope) {
            Ok(kind) => Some((template, kind)),
            Err(errors) => {
                self.report(at, errors);
                None
            }
        }
    }

    fn optional_condition(
        &mut self,
        text: Option<&str>,
        sight: &Sight<'_>,
        at: &At<'_>,
    ) -> Option<Condition> {
        self.condition(text?, sight, at)
    }

    /// Reads and checks a condition.
    fn condition(&mut self, text: &str, sight: &Sight<'_>, at: &At<'_>) -> Option<Condition> {
        let condition = match Condition::parse(text) {
            Ok(condition) => condition,
            Err(error) => {
                self.report(at, vec![error]);
                return None;
            }
        };
        match sight.scope(text, condition.references()) {
            Ok(scope) => match condition.check(&scope) {
                Ok(()) => return Some(condition),
                Err(errors) => self.report(at, errors),
            },
            Err(refusals) => {
                for (offset, message) in refusals {
                    self.faults.within(at, offset, message, None);
                }
            }
        }
        None
    }

    fn template(&mut self, text: &str) -> Result<Template, Error> {
        match self.templates.get(text) {
            Some(known) => known.clone(),
            None => {
                let read = Template::parse(text);
                self.templates.insert(text.to_owned(), read.clone());
                read
            }
        }
    }

    fn report(&mut self, at: &At<'_>, mut errors: Vec<Error>) {
        // `phases.sign-off` reads as a difference; what follows from that misreading helps nobody.
        let is_misread = |error: &Error| {
            error
                .suggestion
                .as_ref()
                .is_some_and(|text| text.contains("[\""))
        };
        if errors.iter().any(is_misread) {
            errors.retain(is_misread);
        }
        for error in errors {
            self.faults
                .within(at, error.offset, error.message, error.suggestion);
        }
    }

    fn name(&mut self, name: Option<&str>, id: &str, at: &At<'_>) -> String {
        if let Some(name) = name {
            self.plain(name, at);
        }
        name.unwrap_or(id).to_owned()
    }

    /// Texts for people are shown as they stand.
    fn plain(&mut self, text: &str, at: &At<'_>) {
        if text.contains("${") {
            self.faults.add(at, "this field does not take `${…}`");
        }
    }

    fn positive(&mut self, length: Option<Duration>, at: &At<'_>) {
        if length.is_some_and(Duration::is_zero) {
            self.faults.add(at, "must be longer than no time at all");
        }
    }

    fn holds(&mut self, spec: &HoldsSpec, at: &At<'_>) -> Holds {
        self.positive(spec.remind, &at.key("remind"));
        self.positive(spec.escalate_after, &at.key("escalateAfter"));
        Holds {
            remind: spec.remind.map_or(Holds::REMIND, Duration::get),
            escalate_after: spec
                .escalate_after
                .map_or(Holds::ESCALATE_AFTER, Duration::get),
            escalate_to: spec.escalate_to.clone(),
        }
    }

    fn retry(&mut self, retry: Option<RetrySpec>, at: &At<'_>) -> RetryPolicy {
        let Some(retry) = retry else {
            return RetryPolicy::NONE;
        };
        if !(1..=100).contains(&retry.max_attempts) {
            self.faults
                .add(&at.key("maxAttempts"), "there can be 1 to 100 attempts");
        }
        self.positive(retry.deadline, &at.key("deadline"));
        let delay_initial = retry
            .initial_delay
            .map_or(RetryPolicy::NONE.delay_initial, Duration::get);
        let delay_max = retry.max_delay.map(Duration::get);
        if delay_max.is_some_and(|max| max < delay_initial) {
            self.faults.add(
                &at.key("maxDelay"),
                "the longest delay is shorter than the first one",
            );
        }
        RetryPolicy {
            attempts_max: retry.max_attempts,
            delay_initial,
            delay_max: delay_max.unwrap_or(RetryPolicy::NONE.delay_max.max(delay_initial)),
            deadline: retry.deadline.map(Duration::get),
        }
    }
}

/// Writes down at every predecessor who waits for it.
fn link(plan: &mut Plan) {
    for index in 0..plan.phases.len() {
        for before in plan.phases[index].depends_on.clone() {
            plan.phases[before].dependents.push(index);
        }
    }
    for index in 0..plan.activities.len() {
        for before in plan.activities[index].depends_on.clone() {
            plan.activities[before].dependents.push(index);
        }
    }
}
