//! What the success of an activity puts where, worked out once, when it succeeds.
//!
//! The work is done by then: a value that cannot be had is told as a problem and takes nothing back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::deployment::{DEPLOYMENTS_MAX, Deployment, WORD_LENGTH_MAX, WORDS_MAX};
use crate::event::Change;
use crate::ids::{ActivityPath, ReleaseId};
use crate::plan::{PlannedDeployment, ValueTemplate};
use crate::release::flow::Here;
use crate::scope::View;
use crate::world::World;

/// Services and environments that an activity is going to change, as far as that is known before it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Services and applications.
    pub services: BTreeSet<String>,
    /// Environments.
    pub environments: BTreeSet<String>,
}

impl World {
    /// What an activity of a started release is going to change; nothing where it does not say.
    pub fn targets(&self, release: ReleaseId, path: &ActivityPath) -> Targets {
        let Some(state) = self.releases.get(&release) else {
            return Targets::default();
        };
        let Some(position) = state.position(path).filter(|_| state.plan.is_some()) else {
            return Targets::default();
        };
        let now = state.release.created_at;
        let system = self.server(now);
        Here {
            world: self,
            state,
            id: release,
            system,
            now,
        }
        .targets(position)
    }
}

impl Here<'_> {
    /// What the success of an attempt puts where, as facts.
    pub(super) fn deployments(
        &self,
        position: u32,
        number: u32,
        result: &Value,
        outputs: &BTreeMap<String, Value>,
    ) -> Vec<Change> {
        let planned = self.state.planned(position);
        let Some(deploys) = &planned.deploys else {
            return Vec::new();
        };
        let attempt = self.state.activity(position).attempt();
        let none = BTreeMap::new();
        let view = View {
            activity_variables: attempt.map_or(&none, |attempt| &attempt.variables),
            attempt: attempt.map(|attempt| (attempt.number, attempt.key.0.as_str())),
            result: Some(result),
            own_outputs: Some(outputs),
            ..self.view(Some(planned.phase), Some(position))
        };
        let mut problems = Vec::new();
        let mut facts = self.recorded(number, deploys, &view, &mut problems);
        if !problems.is_empty() {
            let problem = problems.join("; ").chars().take(4_000).collect();
            facts.push(Change::DeploymentUnclear {
                attempt: number,
                problem,
            });
        }
        facts
    }

    fn recorded(
        &self,
        number: u32,
        deploys: &PlannedDeployment,
        view: &View<'_>,
        problems: &mut Vec<String>,
    ) -> Vec<Change> {
        let mut words = |name: &str, template: &ValueTemplate| {
            words(view, template).unwrap_or_else(|problem| {
                problems.push(format!("`deploys.{name}`: {problem}"));
                Vec::new()
            })
        };
        let services = words("service", &deploys.service);
        let environments = words("environment", &deploys.environment);
        let mut many = |name: &'static str| {
            let template = deploys.details.get(name);
            template.map_or_else(Vec::new, |template| words(name, template))
        };
        let release = self.release();
        let mut commits = many("commit");
        commits.extend(many("commits"));
        let base = Deployment {
            attempt: number,
            organization: release.organization.clone(),
            version: match deploys.details.contains_key("version") {
                true => many("version").pop(),
                false => release.software_version.clone(),
            },
            commits: distinct(commits),
            image: many("image").pop(),
            artifact: many("artifact").pop(),
            tickets: distinct(many("tickets")),
            ..Deployment::default()
        };
        for (name, found) in [("service", &services), ("environment", &environments)] {
            if found.is_empty() && problems.is_empty() {
                problems.push(format!("`deploys.{name}` names nothing"));
            }
        }
        let pairs = services
            .iter()
            .flat_map(|service| environments.iter().map(move |place| (service, place)));
        let count = services.len() * environments.len();
        if count > DEPLOYMENTS_MAX {
            problems.push(format!(
                "there are {count} deployments; the first {DEPLOYMENTS_MAX} are recorded"
            ));
        }
        pairs
            .take(DEPLOYMENTS_MAX)
            .map(|(service, environment)| {
                Change::DeploymentRecorded(Box::new(Deployment {
                    service: service.clone(),
                    environment: environment.clone(),
                    ..base.clone()
                }))
            })
            .collect()
    }

    /// What an activity is going to change, as far as that can be told before it has a result.
    ///
    /// For rules that judge work before it begins (freezes); what needs the result is left out.
    pub(crate) fn targets(&self, position: u32) -> Targets {
        let planned = self.state.planned(position);
        let Some(deploys) = &planned.deploys else {
            return Targets::default();
        };
        let variables = self.activity_variables(position).unwrap_or_default();
        let view = View {
            activity_variables: &variables,
            ..self.view(Some(planned.phase), Some(position))
        };
        let early = |template: &ValueTemplate| -> BTreeSet<String> {
            let late = |path: &[String]| {
                path.first().is_some_and(|root| root == "result")
                    || path.get(1).is_some_and(|field| field == "outputs") && path[0] == "activity"
            };
            let references = template.references();
            if references.iter().any(|reference| late(&reference.path)) {
                return BTreeSet::new();
            }
            words(&view, template)
                .unwrap_or_default()
                .into_iter()
                .collect()
        };
        Targets {
            services: early(&deploys.service),
            environments: early(&deploys.environment),
        }
    }
}

/// The words that a value gives: one, several, or none for null.
fn words(view: &View<'_>, template: &ValueTemplate) -> Result<Vec<String>, String> {
    let value = view.value(template).map_err(|error| error.to_string())?;
    let found = match value {
        Value::Null => Vec::new(),
        Value::Array(elements) => {
            if elements.len() > WORDS_MAX {
                return Err(format!(
                    "there are {} of them; at most {WORDS_MAX} are kept",
                    elements.len()
                ));
            }
            elements.iter().map(word).collect::<Result<_, _>>()?
        }
        one => vec![word(&one)?],
    };
    Ok(distinct(found))
}

fn word(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        other => {
            let text: String = other.to_string().chars().take(80).collect();
            return Err(format!("`{text}` is not a text"));
        }
    };
    if text.is_empty() {
        return Err("an empty text names nothing".to_owned());
    }
    if text.chars().count() > WORD_LENGTH_MAX {
        return Err(format!(
            "the text is longer than {WORD_LENGTH_MAX} characters"
        ));
    }
    if text.chars().any(crate::definition::is_hidden) || text.contains(['\n', '\r', '\t']) {
        return Err("the text holds control characters".to_owned());
    }
    Ok(text)
}

/// Without repetitions, in their order, and no more than are kept.
fn distinct(words: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let fresh = words.into_iter().filter(|word| seen.insert(word.clone()));
    fresh.take(WORDS_MAX).collect()
}
