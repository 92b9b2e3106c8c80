//! How far a group has come: a row of its own, changed by facts only, and the indexes that go with it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calendar::recurrence::{ClockChange, Numbered, Occurrence};
use crate::ids::{Name, ReleaseId, ResourceKey, ResourceKind};
use crate::release::{Life, Release};

/// One planned instant of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Its number, counted from one since the group's first day.
    pub number: u32,
    /// Its day by the cadence.
    pub date: Date,
    /// The instant.
    pub at: Timestamp,
}

impl Planned {
    /// The same, to go on counting from; what the clock does there does not matter for that.
    pub(crate) fn numbered(self) -> Numbered {
        Numbered {
            number: self.number,
            occurrence: Occurrence {
                date: self.date,
                at: self.at,
                offset: Offset::UTC,
                clock: ClockChange::None,
            },
        }
    }
}

impl From<Numbered> for Planned {
    fn from(numbered: Numbered) -> Planned {
        Planned {
            number: numbered.number,
            date: numbered.occurrence.date,
            at: numbered.occurrence.at,
        }
    }
}

/// How far a group has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupState {
    /// Which group.
    pub key: ResourceKey,
    /// The revision that its releases have been brought in line with; zero while there is none.
    #[serde(default)]
    pub revision: u32,
    /// What the planned instants depended on then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// The last planned instant that was dealt with: a release was made for it, or it was passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Planned>,
    /// The next planned instant; none if the cadence has come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// No release is made for an instant up to here when the cadence changes; never goes back, whatever the clock does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Timestamp>,
    /// Planned instants after the floor that have had their release, deleted ones included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<Timestamp, ReleaseId>,
    /// Its releases that are under way.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub under_way: BTreeSet<ReleaseId>,
    /// How many planned instants were passed over because they had been missed.
    #[serde(default)]
    pub missed: u64,
}

impl GroupState {
    fn new(key: ResourceKey) -> GroupState {
        GroupState {
            key,
            revision: 0,
            schedule: String::new(),
            last: None,
            next: None,
            floor: None,
            taken: BTreeMap::new(),
            under_way: BTreeSet::new(),
            missed: 0,
        }
    }
}

/// A group came further: releases were made for planned instants, or its definition was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupAdvanced {
    /// Which group.
    pub group: ResourceKey,
    /// The revision that its releases are in line with now; zero once it was deleted.
    pub revision: u32,
    /// What its planned instants depend on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// The last planned instant that was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Planned>,
    /// The next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// How many were passed over now because they had been missed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A release's place in its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMembership {
    /// The group, of the same organization as the release.
    pub group: Name,
    /// The instant that the group planned; stays when the release is moved.
    pub planned_at: Timestamp,
    /// Its number, counted from one since the group's first day.
    pub number: u32,
    /// Whether a person has changed it, so that changes of the group leave it alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
}

/// Every group's state with what is found quickly from it.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) states: BTreeMap<ResourceKey, GroupState>,
    /// Releases in memory that have not ended, by the instant planned.
    members: BTreeMap<ResourceKey, BTreeMap<Timestamp, ReleaseId>>,
    /// Groups that may have something to do.
    pub(crate) agenda: BTreeSet<ResourceKey>,
    timers: BTreeSet<(Timestamp, ResourceKey)>,
    dues: BTreeMap<ResourceKey, Timestamp>,
}

impl Groups {
    /// The state of a group, made where there is none yet.
    pub(crate) fn state(&mut self, key: &ResourceKey) -> &mut GroupState {
        self.states
            .entry(key.clone())
            .or_insert_with(|| GroupState::new(key.clone()))
    }

    /// Releases of a group that have not ended, by the instant planned.
    pub(crate) fn members(
        &self,
        key: &ResourceKey,
    ) -> impl Iterator<Item = (Timestamp, ReleaseId)> {
        let members = self.members.get(key).into_iter().flatten();
        members.map(|(at, release)| (*at, *release))
    }

    /// Keeps the index of a release that is in memory; answers whether its group's row changed.
    pub(crate) fn note(&mut self, release: &Release) -> Option<ResourceKey> {
        let (key, membership) = release.group_key().zip(release.group.as_ref())?;
        let members = self.members.entry(key.clone()).or_default();
        match release.status().is_terminal() {
            true => members.remove(&membership.planned_at),
            false => members.insert(membership.planned_at, release.id),
        };
        let under_way = matches!(release.life, Life::Underway | Life::Aborting);
        let known = self
            .states
            .get(&key)
            .is_some_and(|state| state.under_way.contains(&release.id));
        if under_way == known {
            return None;
        }
        let state = self.state(&key);
        match under_way {
            true => state.under_way.insert(release.id),
            false => state.under_way.remove(&release.id),
        };
        Some(key)
    }

    /// Takes a release out of the index that leaves memory.
    pub(crate) fn drop_member(&mut self, release: &Release) {
        if let Some((key, membership)) = release.group_key().zip(release.group.as_ref())
            && let Some(members) = self.members.get_mut(&key)
            && members.get(&membership.planned_at) == Some(&release.id)
        {
            members.remove(&membership.planned_at);
        }
    }

    /// Takes in a fact about how far a group has come; answers whether its definition is another one now.
    pub(crate) fn advance(&mut self, advance: &GroupAdvanced, at: Timestamp) -> bool {
        let state = self.state(&advance.group);
        let changed = state.revision != advance.revision;
        state.revision = advance.revision;
        state.schedule.clone_from(&advance.schedule);
        state.last = advance.last;
        state.next = advance.next;
        state.missed += advance.missed;
        let floor = state.floor.map_or(at, |floor| floor.max(at));
        state.floor = Some(floor);
        state.taken.retain(|planned, _| *planned > floor);
        self.agenda.insert(advance.group.clone());
        changed
    }

    /// Puts every group whose time has come on the agenda.
    pub(crate) fn ring(&mut self, now: Timestamp) {
        while let Some((due, _)) = self.timers.first()
            && *due <= now
        {
            let (_, key) = self.timers.pop_first().expect("just seen");
            self.dues.remove(&key);
            self.agenda.insert(key);
        }
    }

    /// Sets when a group is to be looked at again by itself.
    pub(crate) fn set_due(&mut self, key: &ResourceKey, due: Option<Timestamp>) {
        if let Some(known) = self.dues.remove(key) {
            self.timers.remove(&(known, key.clone()));
        }
        if let Some(due) = due {
            self.timers.insert((due, key.clone()));
            self.dues.insert(key.clone(), due);
        }
    }

    /// When the first group is to be looked at again; in the past means at once.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        match self.agenda.is_empty() {
            true => self.timers.first().map(|(due, _)| *due),
            false => Some(Timestamp::MIN),
        }
    }
}

impl Release {
    /// The definition of the group that a release belongs to.
    pub fn group_key(&self) -> Option<ResourceKey> {
        Some(ResourceKey {
            kind: ResourceKind::ReleaseGroup,
            organization: self.organization.clone(),
            name: self.group.as_ref()?.group.clone(),
        })
    }
}

/// How late a start may be before it counts as missed: a busy server is not an absent one.
pub(crate) const MISSED_AFTER: SignedDuration = SignedDuration::from_mins(5);
