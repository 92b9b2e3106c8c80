//! What people should know about a release and may go on in spite of: advice, never a refusal.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::{Owner, ReleaseId};
use crate::release::levels;
use crate::release::state::State;
use crate::release::{Release, ReleaseType};
use crate::status::ReleaseStatus;
use crate::world::World;

/// Something to think about, with a code that stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// One of [`Warning::CODES`].
    pub code: &'static str,
    /// What holds and what would be better.
    pub message: String,
    /// The field that it is about, where it is about one.
    pub field: Option<&'static str>,
}

impl Warning {
    /// Every code of a warning.
    pub const CODES: [&'static str; 12] = [
        "generic-name",
        "mixed-levels",
        "start-in-the-past",
        "planned-before-predecessor",
        "outside-maintenance-window",
        "start-in-freeze",
        "no-owner",
        "unknown-owner",
        "no-rollback-plan",
        "archived-input-set",
        "follow-up-note",
        "conflict",
    ];
}

/// What a release's own rows do not tell: its neighbours.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// A release of the other level that has not ended.
    pub other_level: Option<ReleaseId>,
    /// Releases that come before it.
    pub predecessors: Vec<Neighbour>,
    /// Other releases that want the same at the same time, a sentence each.
    pub conflicts: Vec<String>,
}

/// A release that another one comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: ReleaseId,
    /// Its name.
    pub name: String,
    /// When it is to start.
    pub start_at: Option<Timestamp>,
    /// When it should end.
    pub expected_end_at: Option<Timestamp>,
    /// Where it stands.
    pub status: ReleaseStatus,
}

impl Neighbour {
    /// A release as a neighbour.
    pub fn of(release: &Release) -> Neighbour {
        Neighbour {
            id: release.id,
            name: release.name.clone(),
            start_at: release.start_at,
            expected_end_at: release.expected_end_at,
            status: release.status(),
        }
    }
}

impl World {
    /// The neighbours of a release, as far as they are in memory.
    pub fn surroundings(&self, id: ReleaseId) -> Surroundings {
        let Some(release) = self.release(id) else {
            return Surroundings::default();
        };
        let before = release.after.keys().filter_map(|id| self.release(*id));
        Surroundings {
            other_level: self.on_other_level(release.organization.as_ref()),
            predecessors: before.map(Neighbour::of).collect(),
            conflicts: Vec::new(),
        }
    }

    /// What people should know about a release; of one that has ended only what is left to do.
    pub fn warnings(&self, id: ReleaseId, around: &Surroundings, now: Timestamp) -> Vec<Warning> {
        let Ok(state) = self.state(id) else {
            return Vec::new();
        };
        let release = &state.release;
        if release.status().is_terminal() {
            return follow_up(release).into_iter().collect();
        }
        if release.parent.is_some() {
            return Vec::new();
        }
        let mut warnings: Vec<Warning> = Vec::new();
        warnings.extend(generic_name(release));
        warnings.extend(mixed_levels(release, around));
        let before_start = matches!(
            release.status(),
            ReleaseStatus::Draft | ReleaseStatus::Scheduled
        );
        if before_start {
            warnings.extend(late_start(release, now));
            warnings.extend(too_early(release, around));
            warnings.extend(self.outside_windows(release));
            warnings.extend(self.start_in_freeze(release));
            warnings.extend(around.conflicts.iter().map(|conflict| Warning {
                code: "conflict",
                message: conflict.clone(),
                field: Some("startAt"),
            }));
            warnings.extend(self.archived_set(release));
        }
        warnings.extend(self.owners_missing(state));
        warnings.extend(no_way_back(release));
        warnings
    }

    /// A start is expected inside the maintenance windows for what it touches (checklist M-017).
    fn outside_windows(&self, release: &Release) -> Vec<Warning> {
        let Some(start) = release.start_at else {
            return Vec::new();
        };
        let organization = release.organization.as_ref();
        let environments = &release.touches().environments;
        let outside = self.outside_maintenance(organization, environments, start);
        outside
            .iter()
            .map(|outside| Warning {
                code: "outside-maintenance-window",
                message: outside.message(),
                field: Some("startAt"),
            })
            .collect()
    }

    /// Work that a freeze holds back, or warns of, when the release is to start.
    fn start_in_freeze(&self, release: &Release) -> Vec<Warning> {
        let Some(start) = release.start_at else {
            return Vec::new();
        };
        let holding = self.freezes_at(release.id, start);
        holding
            .iter()
            .filter(|notice| !notice.is_overridden)
            .map(|notice| Warning {
                code: "start-in-freeze",
                message: format!(
                    "it is to start while the freeze `{}` holds ({}), until {}",
                    notice.freeze, notice.reason, notice.ends_at
                ),
                field: Some("startAt"),
            })
            .collect()
    }

    fn archived_set(&self, release: &Release) -> Option<Warning> {
        let set = release.input_set.as_ref()?;
        let place = release.organization.as_ref();
        let spec = self.input_set_for(set, place, &release.process).ok()?;
        spec.archived.then(|| Warning {
            code: "archived-input-set",
            message: format!("its input set `{set}` has been archived since it was chosen"),
            field: Some("inputSet"),
        })
    }

    /// Parts for which nobody answers by name, and names that nobody has.
    fn owners_missing(&self, state: &State) -> Vec<Warning> {
        let release = &state.release;
        let answerable = self.answerable(state);
        let mut warnings = Vec::new();
        if let Some(plan) = self.foreseen_plan(state)
            && release.manager.is_none()
        {
            let owned: BTreeSet<&str> = answerable
                .iter()
                .flat_map(|(_, parts)| parts.iter().map(String::as_str))
                .collect();
            let bare = plan.phases.iter().filter(|phase| {
                let activities = phase.gates.clone().chain(phase.activities.clone());
                let mut paths = activities.map(|index| plan.activities[index].path.as_str());
                !owned.contains(phase.id.as_str()) && !paths.all(|path| owned.contains(path))
            });
            let bare: Vec<&str> = bare.map(|phase| phase.id.as_str()).collect();
            if !bare.is_empty() {
                warnings.push(Warning {
                    code: "no-owner",
                    message: format!(
                        "nobody answers by name for {}; name a release manager, or owners of these phases",
                        bare.join(", ")
                    ),
                    field: Some("owners"),
                });
            }
        }
        let owners = answerable.iter().map(|(owner, _)| owner);
        let named = owners.chain(&release.stakeholders);
        let unknown = self.unknown_owners(release.organization.as_ref(), named);
        if !unknown.is_empty() {
            let names: BTreeSet<String> = unknown.into_iter().map(Owner::to_string).collect();
            let names: Vec<String> = names.into_iter().collect();
            warnings.push(Warning {
                code: "unknown-owner",
                message: format!("nobody is known as {}", names.join(", ")),
                field: Some("owners"),
            });
        }
        warnings
    }
}

/// A degraded end asks for what is left to do (checklist R-068).
fn follow_up(release: &Release) -> Option<Warning> {
    release.wants_note().then(|| Warning {
        code: "follow-up-note",
        message: "it has ended with waived or missing parts; write down what is left to do"
            .to_owned(),
        field: Some("notes"),
    })
}

impl Release {
    /// Whether it has ended degraded and nobody has written down what is left to do (checklist R-068).
    pub fn wants_note(&self) -> bool {
        let noted = self
            .notes
            .iter()
            .any(|note| Some(note.at) >= self.ended_at && note.by != "system");
        self.status() == ReleaseStatus::PartialSuccess && !noted
    }
}

/// Words that say nothing about one release among many.
const EMPTY_WORDS: [&str; 34] = [
    "release",
    "releases",
    "deploy",
    "deployment",
    "deployments",
    "test",
    "testing",
    "tmp",
    "temp",
    "new",
    "my",
    "the",
    "a",
    "an",
    "our",
    "untitled",
    "draft",
    "example",
    "sample",
    "demo",
    "foo",
    "bar",
    "name",
    "no",
    "none",
    "todo",
    "tbd",
    "xxx",
    "copy",
    "of",
    "update",
    "change",
    "changes",
    "final",
];

/// A name should tell version, purpose or target (checklist R-117, M-111).
fn generic_name(release: &Release) -> Option<Warning> {
    let lower = release.name.to_lowercase();
    let mut words = lower
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let telling = |word: &str| {
        let number = word.chars().all(|letter| letter.is_numeric());
        !number && word.chars().count() > 1 && !EMPTY_WORDS.contains(&word)
    };
    if words.any(telling) {
        return None;
    }
    let message = format!(
        "`{}` could be any release; name what, which version, where or what for, such as `{}`",
        release.name,
        suggested_name(release)
    );
    Some(Warning {
        code: "generic-name",
        message,
        field: Some("name"),
    })
}

/// A name made of what is known: the process, the version, the target, the purpose.
fn suggested_name(release: &Release) -> String {
    let mut parts = vec![release.process.name.to_string()];
    parts.push(
        release
            .software_version
            .clone()
            .unwrap_or_else(|| "2.3.0".to_owned()),
    );
    let text = |name: &str| {
        let value = release.given.get(name)?.as_str()?;
        Some(value.to_lowercase())
    };
    parts.push(
        text("environment")
            .or_else(|| text("target"))
            .unwrap_or_else(|| "prod".to_owned()),
    );
    if release.release_type != ReleaseType::Standard {
        parts.push(format!("{:?}", release.release_type).to_lowercase());
    }
    parts.join("-")
}

fn mixed_levels(release: &Release, around: &Surroundings) -> Option<Warning> {
    around.other_level?;
    let (level, own) = levels::words(release.organization.as_ref());
    Some(Warning {
        code: "mixed-levels",
        message: format!("there is {level} as well; keep to one level, this one could be {own}"),
        field: Some("organization"),
    })
}

fn late_start(release: &Release, now: Timestamp) -> Option<Warning> {
    let start = release.start_at.filter(|start| *start < now)?;
    (release.status() == ReleaseStatus::Draft).then(|| Warning {
        code: "start-in-the-past",
        message: format!("its start {start} lies in the past; once finalized it starts at once"),
        field: Some("startAt"),
    })
}

/// Planned before something it comes after (1-model.md, Release).
fn too_early(release: &Release, around: &Surroundings) -> Option<Warning> {
    let start = release.start_at?;
    let open = |one: &&Neighbour| !one.status.is_terminal();
    let contradicts = |one: &&Neighbour| one.expected_end_at.or(one.start_at) > Some(start);
    let before = around.predecessors.iter().filter(open).find(contradicts)?;
    let until = before.expected_end_at.or(before.start_at)?;
    Some(Warning {
        code: "planned-before-predecessor",
        message: format!(
            "it is to start at {start}, before `{}` ({}) which it comes after is through at {until}",
            before.name, before.id
        ),
        field: Some("startAt"),
    })
}

/// What is urgent or large needs a way back.
fn no_way_back(release: &Release) -> Option<Warning> {
    let matters = matches!(
        release.release_type,
        ReleaseType::Hotfix | ReleaseType::System
    );
    let empty = release.description.rollback_plan.trim().is_empty();
    (matters && empty).then(|| Warning {
        code: "no-rollback-plan",
        message: format!(
            "a {} release should say how to go back",
            format!("{:?}", release.release_type).to_lowercase()
        ),
        field: Some("description.rollbackPlan"),
    })
}
