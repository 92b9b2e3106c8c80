//! Makes the releases of groups, keeps them in line with their group, and withdraws them (2-execution.md, Time).
//!
//! A planned instant is dealt with once: the cursor `last` only goes forward, and every release that is made
//! is applied together with the fact that moved it. Whatever crashes, both are there or neither is.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::policy::is_missed;
use super::state::{GroupAdvanced, GroupMembership, GroupState, Planned};
use super::{Group, MissedPolicy};
use crate::event::{Change, Event, ReleaseCreated, ReleaseEdited};
use crate::ids::{ReleaseId, ResourceKey};
use crate::notice::NoticeKind;
use crate::rejection::Rejection;
use crate::release::{Life, Release, StartMode};
use crate::world::{Asker, World};

/// How many releases one step makes or changes before everything else has its turn.
const STEP_MAX: usize = 64;
/// How many missed starts are made up for at most; older ones are passed over.
const MISSED_MAX: usize = 100;

impl World {
    /// The facts that follow by themselves for a group, a step at a time; none means that there is nothing to do now.
    pub(crate) fn examine_group(&self, key: &ResourceKey, now: Timestamp) -> Vec<Event> {
        let step = Step {
            world: self,
            key,
            system: self.server(now),
            now,
        };
        let state = self.groups.states.get(key);
        let known = state.map_or(0, |state| state.revision);
        let Some(group) = self.group(key) else {
            return match known {
                0 => Vec::new(),
                _ => step.retire(),
            };
        };
        let revision = self.resources.get(key).map_or(0, |known| known.revision);
        match state.filter(|_| known == revision) {
            None => step.bring_in_line(group, state, revision),
            Some(state) if is_due(group, state, now) => step.make_releases(group, state),
            Some(_) => Vec::new(),
        }
    }

    /// When a group makes its next release.
    pub(crate) fn group_due(&self, key: &ResourceKey) -> Option<Timestamp> {
        let group = self.group(key).filter(|group| !group.spec.paused)?;
        let next = self.groups.states.get(key)?.next?;
        let due = next.checked_sub(group.spec.horizon.get());
        Some(due.unwrap_or(Timestamp::MIN))
    }
}

fn is_due(group: &Group, state: &GroupState, now: Timestamp) -> bool {
    let reach = now.checked_add(group.spec.horizon.get());
    let reach = reach.unwrap_or(Timestamp::MAX);
    !group.spec.paused && state.next.is_some_and(|next| next <= reach)
}

/// A group looked at once.
struct Step<'a> {
    world: &'a World,
    key: &'a ResourceKey,
    system: Asker<'a>,
    now: Timestamp,
}

impl Step<'_> {
    // ---- new releases

    fn make_releases(&self, group: &Group, state: &GroupState) -> Vec<Event> {
        let Some(recurrence) = group.recurrence(&self.world.zones) else {
            return Vec::new();
        };
        let reach = self.now.checked_add(group.spec.horizon.get());
        let reach = reach.unwrap_or(Timestamp::MAX);
        let (mut missed, mut ahead, mut next) = (Vec::new(), Vec::new(), None);
        for planned in recurrence.numbered(state.last.map(Planned::numbered)) {
            let planned = Planned::from(planned);
            if planned.at > reach || ahead.len() == STEP_MAX {
                next = Some(planned.at);
                break;
            }
            match is_missed(planned.at, self.now) {
                true => missed.push(planned),
                false => ahead.push(planned),
            }
        }
        let made_up = match group.spec.missed {
            MissedPolicy::Run => MISSED_MAX,
            MissedPolicy::Skip => 0,
            MissedPolicy::Latest => 1,
        };
        let passed_over = missed.len().saturating_sub(made_up);
        let last = ahead.last().or(missed.last()).copied().or(state.last);
        let mut facts = Vec::new();
        let mut id = self.world.meta.last_release;
        for planned in missed.iter().skip(passed_over).chain(&ahead) {
            if state.taken.contains_key(&planned.at) {
                continue;
            }
            id += 1;
            facts.extend(self.make(group, *planned, ReleaseId(id)));
        }
        facts.push(self.advanced(GroupAdvanced {
            group: self.key.clone(),
            revision: state.revision,
            schedule: state.schedule.clone(),
            last,
            next,
            missed: passed_over as u64,
        }));
        facts
    }

    fn advanced(&self, advance: GroupAdvanced) -> Event {
        self.system.fact(Change::GroupAdvanced(Box::new(advance)))
    }

    /// A release and its schedule; a draft and the reason where it cannot be scheduled.
    fn make(&self, group: &Group, planned: Planned, id: ReleaseId) -> Vec<Event> {
        let (created, mut problem) = match self.creation(group, planned, id) {
            Ok(created) => (created, None),
            Err(rejection) => match self.bare_creation(group, planned, id) {
                Ok(bare) => (bare, Some(rejection)),
                Err(_) => return Vec::new(),
            },
        };
        let about = |change| self.system.about(id, change);
        let creation = about(Change::ReleaseCreated(Box::new(created.clone())));
        let release = Release::from_creation(id, &created, &creation);
        let mut facts = vec![creation];
        if problem.is_none() {
            match self.world.pin(&release, &BTreeMap::new()) {
                Ok((revision, inputs)) => {
                    facts.push(about(Change::ReleaseFinalized { revision, inputs }));
                }
                Err(rejection) => problem = Some(rejection),
            }
        }
        if let Some(problem) = problem {
            facts.extend(self.left_a_draft(&release, &problem));
        }
        facts
    }

    fn left_a_draft(&self, release: &Release, problem: &Rejection) -> [Event; 2] {
        let text = format!("could not be scheduled by its group: {problem}");
        let owners = release.manager.iter().cloned();
        let owners = owners.chain(release.stakeholders.iter().cloned());
        let notice = crate::release::notice_to(
            NoticeKind::StartMissed,
            owners.chain([crate::ids::Owner::Role(
                crate::release::state::release_manager(),
            )]),
            format!("{} {text}", release.name),
        );
        [
            self.system.about(release.id, Change::NoteAdded { text }),
            self.system.about(release.id, notice),
        ]
    }

    /// What the group wants a release to be.
    fn creation(
        &self,
        group: &Group,
        planned: Planned,
        id: ReleaseId,
    ) -> Result<ReleaseCreated, Rejection> {
        let new = group.new_release(self.key, &planned);
        let new =
            new.map_err(|(field, error)| crate::release::refuse_field(&field, &error.message))?;
        self.created(&new, planned, id)
    }

    fn bare_creation(
        &self,
        group: &Group,
        planned: Planned,
        id: ReleaseId,
    ) -> Result<ReleaseCreated, Rejection> {
        self.created(&group.bare_release(self.key, &planned), planned, id)
    }

    fn created(
        &self,
        new: &crate::command::NewRelease,
        planned: Planned,
        id: ReleaseId,
    ) -> Result<ReleaseCreated, Rejection> {
        let name = new.process.as_ref().expect("a group names its process");
        let process = self
            .world
            .process_for(name, self.key.organization.as_ref())?;
        let created = self.world.creation(&self.system, new, process, id)?;
        Ok(ReleaseCreated {
            group: Some(GroupMembership {
                group: self.key.name.clone(),
                planned_at: planned.at,
                number: planned.number,
                edited: false,
            }),
            ..created
        })
    }

    // ---- a changed group

    /// A new revision: releases that are not started and that nobody has changed follow it.
    ///
    /// Where only their contents change, they keep their planned instants and ids. Where the planned instants change,
    /// those of the new cadence count from now on; nothing that the old one planned starts any more (reliability.md, 36).
    fn bring_in_line(
        &self,
        group: &Arc<Group>,
        state: Option<&GroupState>,
        revision: u32,
    ) -> Vec<Event> {
        let schedule = group.schedule();
        let unchanged = state.filter(|state| state.schedule == schedule);
        let facts = match unchanged {
            Some(_) => self.follow(group, None),
            None => {
                let floor = self.floor(state);
                let ahead = self.planned_after(group, floor);
                self.follow(group, Some((floor, &ahead)))
            }
        };
        if !facts.is_empty() {
            return facts;
        }
        let (last, next) = match unchanged {
            Some(state) => (state.last, state.next),
            None => self.cursor(group, self.floor(state)),
        };
        vec![self.advanced(GroupAdvanced {
            group: self.key.clone(),
            revision,
            schedule,
            last,
            next,
            missed: 0,
        })]
    }

    /// Up to here everything has had its chance, even if the clock was set back since.
    fn floor(&self, state: Option<&GroupState>) -> Timestamp {
        let floor = state.and_then(|state| state.floor);
        floor.map_or(self.now, |floor| floor.max(self.now))
    }

    /// What the cadence plans after an instant, as far as there are releases.
    fn planned_after(&self, group: &Group, floor: Timestamp) -> BTreeMap<Timestamp, Planned> {
        let members = self.world.groups.members(self.key);
        let (Some(farthest), Some(recurrence)) = (
            members.map(|(at, _)| at).max(),
            group.recurrence(&self.world.zones),
        ) else {
            return BTreeMap::new();
        };
        let planned = recurrence.numbered(None).map(Planned::from);
        planned
            .skip_while(|planned| planned.at <= floor)
            .take_while(|planned| planned.at <= farthest)
            .map(|planned| (planned.at, planned))
            .collect()
    }

    /// The last planned instant up to an instant, and the first one after it.
    fn cursor(&self, group: &Group, floor: Timestamp) -> (Option<Planned>, Option<Timestamp>) {
        let mut last = None;
        let Some(recurrence) = group.recurrence(&self.world.zones) else {
            return (None, None);
        };
        for planned in recurrence.numbered(None).map(Planned::from) {
            if planned.at > floor {
                return (last, Some(planned.at));
            }
            last = Some(planned);
        }
        (last, None)
    }

    /// Changes, or withdraws, what does not follow the group yet; a step at a time.
    ///
    /// With another cadence, what it plans after the floor decides which releases stay.
    fn follow(
        &self,
        group: &Group,
        cadence: Option<(Timestamp, &BTreeMap<Timestamp, Planned>)>,
    ) -> Vec<Event> {
        let mut facts = Vec::new();
        for (at, release) in self.untouched() {
            let membership = release.group.as_ref().expect("a member has its group");
            let same = || Planned {
                number: membership.number,
                date: self.date_of(group, at),
                at,
            };
            let planned = match cadence {
                Some((floor, ahead)) if at > floor => ahead.get(&at).copied(),
                _ => Some(same()),
            };
            let changes = match planned {
                Some(planned) => self.refresh(group, planned, release),
                None => self.withdraw(release, "its group does not plan this time any more"),
            };
            facts.extend(changes);
            if facts.len() >= STEP_MAX {
                break;
            }
        }
        facts
    }

    /// The day of a release that keeps its planned instant.
    fn date_of(&self, group: &Group, at: Timestamp) -> jiff::civil::Date {
        let recurrence = group.recurrence(&self.world.zones);
        let exact = recurrence.as_ref().and_then(|recurrence| {
            let before = at.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
            let found = recurrence.occurrences_after(before, 1);
            found
                .first()
                .filter(|found| found.at == at)
                .map(|found| found.date)
        });
        exact.unwrap_or_else(|| {
            let zone = self.world.zones.get(&group.spec.zone);
            let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
            zone.to_datetime(at).date()
        })
    }

    /// Releases that have not started and that nobody has changed, in the order planned.
    fn untouched(&self) -> impl Iterator<Item = (Timestamp, &Release)> {
        let members = self.world.groups.members(self.key);
        members.filter_map(|(at, id)| {
            let release = self.world.release(id)?;
            is_untouched(release).then_some((at, release))
        })
    }

    /// Gives a release what the group says now: back to draft where its inputs change, and scheduled again.
    fn refresh(&self, group: &Group, planned: Planned, release: &Release) -> Vec<Event> {
        let id = release.id;
        let Ok(wanted) = self.creation(group, planned, id) else {
            return Vec::new();
        };
        let about = |change| self.system.about(id, change);
        let edit = differences(release, &wanted);
        let locked = edit.process.is_some()
            || edit.inputs.is_some()
            || edit.input_set.is_some()
            || edit.zone.is_some();
        let is_draft = release.life == Life::Draft;
        let mut facts = Vec::new();
        if locked && !is_draft {
            let reason = "its group was changed".to_owned();
            facts.push(about(Change::ReleaseCancelled { reason }));
        }
        let changed = edit != ReleaseEdited::default();
        if changed {
            facts.push(about(crate::release::edited_by_system(release, edit)));
        }
        if locked || is_draft {
            let creation = about(Change::ReleaseCreated(Box::new(wanted.clone())));
            let probe = Release::from_creation(id, &wanted, &creation);
            match self.world.pin(&probe, &BTreeMap::new()) {
                Ok((revision, inputs)) => {
                    facts.push(about(Change::ReleaseFinalized { revision, inputs }));
                }
                Err(problem) if changed => facts.extend(self.left_a_draft(&probe, &problem)),
                // It has been said before.
                Err(_) => (),
            }
        }
        facts
    }

    /// Takes a release back that is not to be any more; where another one waits for it, it becomes a draft.
    fn withdraw(&self, release: &Release, why: &str) -> Vec<Event> {
        let id = release.id;
        let about = |change| self.system.about(id, change);
        if self.world.waiters(id).next().is_none() && release.followers.is_empty() {
            return vec![about(Change::ReleaseDeleted {
                name: release.name.clone(),
                withdrawn: true,
            })];
        }
        match release.life {
            Life::Draft => Vec::new(),
            _ => self.set_aside(release, why).into(),
        }
    }

    fn set_aside(&self, release: &Release, why: &str) -> [Event; 1] {
        let reason = why.to_owned();
        let cancelled = Change::ReleaseCancelled { reason };
        [self.system.about(release.id, cancelled)]
    }

    // ---- a deleted group

    /// The group was deleted: what nobody has touched is withdrawn, and what was held back does not break loose.
    fn retire(&self) -> Vec<Event> {
        let why = "its group was deleted";
        let mut facts = Vec::new();
        for (at, id) in self.world.groups.members(self.key) {
            let Some(release) = self.world.release(id) else {
                continue;
            };
            let held_back = release.life == Life::Scheduled
                && release.start_mode == StartMode::Auto
                && release.start_at.is_some_and(|start| start <= self.now);
            if is_untouched(release) && at > self.now {
                facts.extend(self.withdraw(release, why));
            } else if held_back && release.run == 0 {
                facts.extend(self.set_aside(release, why));
            }
            if facts.len() >= STEP_MAX {
                return facts;
            }
        }
        if facts.is_empty() {
            facts.push(self.advanced(GroupAdvanced {
                group: self.key.clone(),
                revision: 0,
                schedule: String::new(),
                last: None,
                next: None,
                missed: 0,
            }));
        }
        facts
    }
}

/// Whether a release has neither started nor been changed by a person.
fn is_untouched(release: &Release) -> bool {
    let edited = release.group.as_ref().is_none_or(|group| group.edited);
    let unstarted = matches!(release.life, Life::Draft | Life::Scheduled) && release.run == 0;
    !edited && unstarted && release.restart.is_none() && release.quarantine.is_none()
}

/// What an edit must change so that a release is what is wanted.
fn differences(release: &Release, wanted: &ReleaseCreated) -> ReleaseEdited {
    fn other<T: PartialEq + Clone>(is: &T, wanted: &T) -> Option<T> {
        (is != wanted).then(|| wanted.clone())
    }
    let listed = |timestamp: Option<Timestamp>| timestamp.into_iter().collect::<Vec<_>>();
    ReleaseEdited {
        name: other(&release.name, &wanted.name),
        description: other(&release.description, &wanted.description),
        version: other(
            &release.software_version.clone().unwrap_or_default(),
            &wanted.version.clone().unwrap_or_default(),
        ),
        release_type: other(&release.release_type, &wanted.release_type),
        labels: other(&release.labels, &wanted.labels),
        manager: other(&release.manager, &wanted.manager)
            .map(|manager| manager.into_iter().collect()),
        owners: other(&release.owners, &wanted.owners),
        stakeholders: other(&release.stakeholders, &wanted.stakeholders),
        expected_end_at: other(&release.expected_end_at, &wanted.expected_end_at).map(listed),
        start_mode: other(&release.start_mode, &wanted.start_mode),
        zone: other(&release.zone, &wanted.zone),
        process: other(&release.process, &wanted.process),
        inputs: other(&release.given, &wanted.inputs),
        input_set: other(&release.input_set, &wanted.input_set)
            .map(|set| set.into_iter().collect()),
        group: other(&release.group, &wanted.group).flatten(),
        ..ReleaseEdited::default()
    }
}
