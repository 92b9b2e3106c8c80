//! Whether a release of a group may start: the group's pause, what was missed, what overlaps (reliability.md, 33 and 35).
//!
//! Whoever starts a release by hand decides about its time; only the overlap still counts then.

use std::sync::Arc;

use jiff::Timestamp;

use super::state::MISSED_AFTER;
use super::{Group, MissedPolicy, OverlapPolicy};
use crate::definition::Body;
use crate::event::StartTrigger;
use crate::ids::{ReleaseId, ResourceKey};
use crate::rejection::Rejection;
use crate::release::{Life, Release, StartMode};
use crate::world::World;

/// What a group makes of a start whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupVerdict {
    /// It may start.
    Start,
    /// Not now: the group is paused, or a change of it has not been carried out yet.
    Wait,
    /// Not at all, for this reason.
    GiveUp(String),
}

impl World {
    /// A group that exists.
    pub(crate) fn group(&self, key: &ResourceKey) -> Option<&Arc<Group>> {
        match self.body(key) {
            Some(Body::ReleaseGroup(group)) => Some(group),
            _ => None,
        }
    }

    fn group_of(&self, release: &Release) -> Option<(ResourceKey, &Arc<Group>)> {
        let key = release.group_key()?;
        let group = self.group(&key)?;
        Some((key, group))
    }

    /// What the group of a scheduled release makes of its start now.
    pub(crate) fn group_verdict(&self, release: &Release, now: Timestamp) -> GroupVerdict {
        let Some((key, group)) = self.group_of(release) else {
            return GroupVerdict::Start;
        };
        let carried_out = self.groups.states.get(&key).map(|state| state.revision);
        let newest = self.resources.get(&key).map(|resource| resource.revision);
        if group.spec.paused || carried_out != newest {
            return GroupVerdict::Wait;
        }
        // Whoever let it run again has decided about its time.
        if release.restart.is_some() {
            return GroupVerdict::Start;
        }
        // What was not ready when its time came was not missed.
        let kept = release.blocked_since().is_some();
        let missed = release.start_at.filter(|at| !kept && is_missed(*at, now));
        if let Some(at) = missed {
            let passed_over = match group.spec.missed {
                MissedPolicy::Run => None,
                MissedPolicy::Skip => Some("missed starts are not made up for".to_owned()),
                MissedPolicy::Latest => self
                    .newer_start(&key, release, now)
                    .map(|newer| format!("`{newer}` of the same group takes its place")),
            };
            if let Some(why) = passed_over {
                return GroupVerdict::GiveUp(format!("its start at {at} was missed; {why}"));
            }
        }
        match (group.spec.overlap, self.overlapped_by(release)) {
            (OverlapPolicy::Skip, Some(other)) => GroupVerdict::GiveUp(format!(
                "`{other}` of the same group was still under way, and the group lets none overlap"
            )),
            _ => GroupVerdict::Start,
        }
    }

    /// A release of the same group with a later planned instant whose start is due, or that has started.
    fn newer_start(&self, key: &ResourceKey, own: &Release, now: Timestamp) -> Option<ReleaseId> {
        let planned_at = own.group.as_ref()?.planned_at;
        let mut members = self.groups.members(key);
        let newer = members.find(|(at, id)| {
            let release = self.release(*id);
            *at > planned_at && release.is_some_and(|release| is_due(release, now))
        });
        newer.map(|(_, release)| release)
    }

    /// Another release of the same group that must end first; none where the group lets them overlap.
    pub(crate) fn overlapped_by(&self, release: &Release) -> Option<ReleaseId> {
        let (key, group) = self.group_of(release)?;
        if group.spec.overlap == OverlapPolicy::Allow {
            return None;
        }
        let state = self.groups.states.get(&key)?;
        let under_way = state.under_way.iter().find(|other| **other != release.id);
        let planned_at = release.group.as_ref()?.planned_at;
        let earlier = || {
            let mut members = self.groups.members(&key);
            members.find(|(at, id)| {
                let queued = self.release(*id).filter(|other| other.life == Life::Queued);
                *at < planned_at && queued.is_some_and(|other| self.waits_for_its_group(other))
            })
        };
        under_way.copied().or_else(|| earlier().map(|(_, id)| id))
    }

    /// Whether a queued release waits for nothing but the other ones of its group.
    fn waits_for_its_group(&self, release: &Release) -> bool {
        release.after.values().all(|satisfied| *satisfied) && !self.is_paused_with_group(release)
    }

    /// Whether a release would start by itself if its group were not paused.
    pub(crate) fn is_paused_with_group(&self, release: &Release) -> bool {
        let by_itself = match release.life {
            Life::Scheduled => release.start_mode == StartMode::Auto,
            Life::Queued => matches!(release.trigger, Some(StartTrigger::Scheduled)),
            _ => false,
        };
        let group = self.group_of(release).filter(|_| by_itself);
        group.is_some_and(|(_, group)| group.spec.paused)
    }

    /// A person starts a release: refused while another one is under way and the group lets none overlap.
    pub(crate) fn refuse_overlap(&self, release: &Release) -> Result<(), Rejection> {
        let skips = self
            .group_of(release)
            .is_some_and(|(_, group)| group.spec.overlap == OverlapPolicy::Skip);
        match self.overlapped_by(release).filter(|_| skips) {
            Some(other) => Err(crate::release::wrong_status(
                release,
                &format!(
                    "`{other}` of the same group is still under way, and the group lets none overlap (`overlap: skip`)"
                ),
            )),
            None => Ok(()),
        }
    }

    /// Releases of the same group that wait for this one to end.
    pub(crate) fn queued_siblings(&self, release: &Release) -> Vec<ReleaseId> {
        let Some(key) = release.group_key() else {
            return Vec::new();
        };
        let queued = |id: &ReleaseId| {
            let other = self.release(*id);
            other.is_some_and(|other| other.life == Life::Queued)
        };
        let members = self.groups.members(&key).map(|(_, id)| id);
        members.filter(queued).collect()
    }
}

/// Whether a start is so late that it counts as missed.
pub(super) fn is_missed(at: Timestamp, now: Timestamp) -> bool {
    at.checked_add(MISSED_AFTER)
        .is_ok_and(|latest| latest < now)
}

fn is_due(release: &Release, now: Timestamp) -> bool {
    match release.life {
        Life::Scheduled => {
            release.start_mode == StartMode::Auto && release.start_at.is_some_and(|at| at <= now)
        }
        Life::Queued | Life::Underway | Life::Aborting => true,
        Life::Draft | Life::Ended { .. } => false,
    }
}
