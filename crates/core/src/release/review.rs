//! The look before the start: structure, inputs, owners, timing, readiness, and one judgement over all of it
//! (checklist M-073, M-120 to M-124, R-090).

use jiff::Timestamp;

use crate::form::InputForm;
use crate::ids::{Name, Owner, ReleaseId};
use crate::release::preparation::ReadinessItem;
use crate::release::state::State;
use crate::release::warnings::{Surroundings, Warning};
use crate::release::{Acknowledgement, Release, ReviewNote};
use crate::world::World;

/// What somebody should look at before a release starts.
#[derive(Clone, Debug)]
pub struct Review {
    /// Every input with value, origin and what is wrong; none if the process is not there.
    pub form: Option<InputForm>,
    /// Who answers for what, and whether they know.
    pub owners: Vec<ReviewOwner>,
    /// What has to be ready.
    pub readiness: Vec<ReadinessItem>,
    /// What to think about.
    pub warnings: Vec<Warning>,
    /// One line for each part of the look.
    pub checks: Vec<Check>,
}

/// Somebody who answers for a part of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewOwner {
    /// Who.
    pub owner: Owner,
    /// `release`, phases and activities.
    pub parts: Vec<String>,
    /// Users who have said so as this owner, with when.
    pub acknowledged: Vec<(Name, Acknowledgement)>,
}

/// One part of the look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which: `process`, `inputs`, `owners`, `timing`, `readiness`, `opinions`.
    pub part: &'static str,
    /// How it came out.
    pub judgement: Judgement,
    /// What holds.
    pub message: String,
}

/// How something came out, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judgement {
    /// Nothing stands against it.
    Fine,
    /// Somebody should think about it.
    Attention,
    /// It keeps the release from starting.
    Blocking,
}

impl Review {
    /// The worst of its parts.
    pub fn judgement(&self) -> Judgement {
        let worst = self.checks.iter().map(|check| check.judgement).max();
        worst.unwrap_or(Judgement::Fine)
    }
}

impl World {
    /// The look before the start; none if the release is not known.
    ///
    /// Of a release that has started it tells how things were prepared; nothing blocks any more.
    pub fn review(&self, id: ReleaseId, around: &Surroundings, now: Timestamp) -> Option<Review> {
        let state = self.state(id).ok()?;
        let release = &state.release;
        let form = self.release_form(id);
        let owners = self.review_owners(state);
        let readiness = self.readiness(id);
        let warnings = self.warnings(id, around, now);
        let mut checks = vec![
            self.process_check(state),
            inputs_check(form.as_ref()),
            owners_check(&owners, &warnings),
            timing_check(release, &warnings),
            readiness_check(&readiness),
        ];
        checks.extend(opinions_check(release));
        Some(Review {
            form,
            owners,
            readiness,
            warnings,
            checks,
        })
    }

    fn review_owners(&self, state: &State) -> Vec<ReviewOwner> {
        let answerable = self.answerable(state).into_iter();
        let known = &state.release.acknowledgements;
        answerable
            .map(|(owner, parts)| {
                let acknowledged = known.iter().filter(|(_, one)| one.owners.contains(&owner));
                ReviewOwner {
                    acknowledged: acknowledged
                        .map(|(user, one)| (user.clone(), one.clone()))
                        .collect(),
                    owner,
                    parts,
                }
            })
            .collect()
    }

    fn process_check(&self, state: &State) -> Check {
        let process = &state.release.process;
        let Some(plan) = self.foreseen_plan(state) else {
            return check(
                "process",
                Judgement::Blocking,
                format!("`{process}` is not there"),
            );
        };
        let gates = plan.activities.iter().filter(|activity| activity.is_gate);
        let message = format!(
            "`{}`: {} phases, {} activities, {} gates",
            process.name,
            plan.phases.len(),
            plan.activities.len(),
            gates.count()
        );
        check("process", Judgement::Fine, message)
    }
}

fn check(part: &'static str, judgement: Judgement, message: impl Into<String>) -> Check {
    Check {
        part,
        judgement,
        message: message.into(),
    }
}

fn inputs_check(form: Option<&InputForm>) -> Check {
    let Some(form) = form else {
        return check(
            "inputs",
            Judgement::Blocking,
            "they cannot be read without the process",
        );
    };
    if form.problems.is_empty() {
        let message = format!("{} inputs, all in order", form.fields.len());
        return check("inputs", Judgement::Fine, message);
    }
    let texts: Vec<String> = form
        .problems
        .iter()
        .map(|problem| format!("`{}`: {}", problem.field, problem.message))
        .collect();
    check("inputs", Judgement::Blocking, texts.join("; "))
}

fn owners_check(owners: &[ReviewOwner], warnings: &[Warning]) -> Check {
    let told = warnings
        .iter()
        .filter(|warning| matches!(warning.code, "no-owner" | "unknown-owner"))
        .map(|warning| warning.message.clone());
    let silent: Vec<String> = owners
        .iter()
        .filter(|owner| owner.acknowledged.is_empty())
        .map(|owner| owner.owner.to_string())
        .collect();
    let silent = (!silent.is_empty()).then(|| format!("not acknowledged by {}", silent.join(", ")));
    let messages: Vec<String> = told.chain(silent).collect();
    if messages.is_empty() {
        let message = format!("{} owners, all know of their part", owners.len());
        return check("owners", Judgement::Fine, message);
    }
    check("owners", Judgement::Attention, messages.join("; "))
}

/// Warnings about when it runs.
const TIMING: [&str; 5] = [
    "start-in-the-past",
    "planned-before-predecessor",
    "outside-maintenance-window",
    "conflict",
    "freeze",
];

fn timing_check(release: &Release, warnings: &[Warning]) -> Check {
    let messages: Vec<&str> = warnings
        .iter()
        .filter(|warning| TIMING.contains(&warning.code))
        .map(|warning| warning.message.as_str())
        .collect();
    if !messages.is_empty() {
        return check("timing", Judgement::Attention, messages.join("; "));
    }
    let message = match release.start_at {
        Some(start) => format!("starts at {start}; nothing stands against it"),
        None => "starts on demand".to_owned(),
    };
    check("timing", Judgement::Fine, message)
}

fn readiness_check(items: &[ReadinessItem]) -> Check {
    let names = |items: Vec<&ReadinessItem>| {
        let names: Vec<&str> = items.iter().map(|item| item.name()).collect();
        names.join(", ")
    };
    let blocking: Vec<&ReadinessItem> = items.iter().filter(|item| item.blocks()).collect();
    if !blocking.is_empty() {
        let message = format!("not ready, and required: {}", names(blocking));
        return check("readiness", Judgement::Blocking, message);
    }
    let open: Vec<&ReadinessItem> = items.iter().filter(|item| !item.standing.ready).collect();
    if !open.is_empty() {
        let message = format!("not ready: {}", names(open));
        return check("readiness", Judgement::Attention, message);
    }
    let message = match items.len() {
        0 => "nothing has to be ready".to_owned(),
        count => format!("all {count} ready"),
    };
    check("readiness", Judgement::Fine, message)
}

/// What people said last; an objection counts until they say otherwise, an approval until something is edited.
fn opinions_check(release: &Release) -> Option<Check> {
    let mut latest: Vec<&ReviewNote> = Vec::new();
    for note in release.reviews.iter().rev() {
        if !latest.iter().any(|known| known.user == note.user) {
            latest.push(note);
        }
    }
    let names = |notes: &[&ReviewNote]| {
        let names: Vec<&str> = notes.iter().map(|note| note.user.as_str()).collect();
        names.join(", ")
    };
    let (approving, objecting): (Vec<&ReviewNote>, Vec<&ReviewNote>) =
        latest.into_iter().partition(|note| note.approved);
    let (current, old): (Vec<&ReviewNote>, Vec<&ReviewNote>) = approving
        .into_iter()
        .partition(|note| note.version == release.version);
    if !objecting.is_empty() {
        let message = format!("objections by {}", names(&objecting));
        return Some(check("opinions", Judgement::Attention, message));
    }
    if !old.is_empty() && current.is_empty() {
        let message = format!("edited since it was approved by {}", names(&old));
        return Some(check("opinions", Judgement::Attention, message));
    }
    let message = format!("approved by {}", names(&current));
    (!current.is_empty()).then(|| check("opinions", Judgement::Fine, message))
}
