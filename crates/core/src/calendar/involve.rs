//! Whom and what a release involves beyond what it touches, and when subscribers must hear of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calendar::touch::Touches;
use crate::event::{Change, Event};
use crate::ids::{Name, Owner, ReleaseId, ResourceKey, ResourceKind};
use crate::plan::{Plan, ValueTemplate};
use crate::release::{Life, Release};
use crate::uses::ActivityType;
use crate::world::World;

/// Most names of one sort.
const NAMES_MAX: usize = 200;

/// Teams and processes of a release, to filter by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Involved {
    /// Teams that manage it, own a phase or an activity of it, have a stake in it, or are named by its label `team`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub teams: BTreeSet<Name>,
    /// Processes that it runs as subprocesses.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub subprocesses: BTreeSet<Name>,
}

impl Involved {
    /// Whether there is nobody and nothing.
    pub fn is_empty(&self) -> bool {
        self.teams.is_empty() && self.subprocesses.is_empty()
    }

    fn of(release: &Release, plan: Option<&Plan>) -> Involved {
        let own = release.owners.values().flatten();
        let phases = plan.into_iter().flat_map(|plan| &plan.phases);
        let activities = || plan.into_iter().flat_map(|plan| &plan.activities);
        let owners = release
            .manager
            .iter()
            .chain(&release.stakeholders)
            .chain(own)
            .chain(phases.flat_map(|phase| &phase.owners))
            .chain(activities().flat_map(|activity| &activity.owners));
        let teams = owners.filter_map(|owner| match owner {
            Owner::Team(team) => Some(team.clone()),
            Owner::User(_) | Owner::Role(_) => None,
        });
        let label = release.labels.get("team");
        let labelled = label
            .into_iter()
            .flat_map(|teams| teams.split(','))
            .filter_map(|team| team.parse().ok());
        let children = activities().filter(|activity| activity.uses == ActivityType::Subprocess);
        let subprocesses = children.filter_map(|activity| match activity.with.get("process")? {
            ValueTemplate::Literal(Value::String(name)) => name.parse().ok(),
            _ => None,
        });
        Involved {
            teams: teams.chain(labelled).take(NAMES_MAX).collect(),
            subprocesses: subprocesses.take(NAMES_MAX).collect(),
        }
    }
}

impl World {
    /// Notes what a release touches and involves now, and that subscribers have something to learn.
    pub(crate) fn note_calendar(&mut self, id: ReleaseId, event: &Event) {
        let is_news = is_news(&event.change);
        if is_news && let Some(release) = self.release_mut(id) {
            release.changes.count += 1;
            release.changes.last_at = Some(event.at);
            release.changes.announced |= matches!(event.change, Change::ReleaseFinalized { .. });
        }
        if is_news || matches!(event.change, Change::ReleaseEdited(_)) {
            self.renew(id);
        }
    }

    /// Notes what drafts touch and involve now, after a definition has changed that they are made of.
    pub(crate) fn note_calendar_of_drafts(&mut self, key: &ResourceKey) {
        let is_set = key.kind == ResourceKind::InputSet;
        let concerns = |release: &Release| {
            release.process == *key || (is_set && release.input_set.as_ref() == Some(&key.name))
        };
        let drafts: Vec<ReleaseId> = self
            .releases()
            .filter(|release| release.life == Life::Draft && concerns(release))
            .map(|release| release.id)
            .collect();
        for id in drafts {
            self.renew(id);
        }
    }

    fn renew(&mut self, id: ReleaseId) {
        let Some(release) = self.release(id) else {
            return;
        };
        let plan = self.plan_known(release);
        let touches: Touches = self.touches_now(release, plan.as_deref());
        let involves = Involved::of(release, plan.as_deref());
        if (&touches, &involves) == (&release.touches, &release.involves) {
            return;
        }
        if let Some(release) = self.release_mut(id) {
            release.touches = touches;
            release.involves = involves;
        }
        self.touch_release(id);
    }
}

/// Whether a fact changes what a calendar shows of a release: its name, its times, or whether it takes place.
fn is_news(change: &Change) -> bool {
    match change {
        Change::ReleaseEdited(edit) => {
            edit.name.is_some() || edit.start_at.is_some() || edit.expected_end_at.is_some()
        }
        Change::ReleaseCreated(_)
        | Change::ReleaseFinalized { .. }
        | Change::ReleaseCancelled { .. }
        | Change::ReleaseQueued { .. }
        | Change::ReleaseStarted { .. }
        | Change::ReleaseFinished { .. }
        | Change::ReleaseReopened
        | Change::ReleaseRestarted { .. } => true,
        _ => false,
    }
}
