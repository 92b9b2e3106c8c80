//! Says why a release does not move, as data (2-execution.md, explain). It never says "unknown".

use jiff::Timestamp;

use crate::event::Work;
use crate::ids::{Name, Owner, ReleaseId};
use crate::release::people::{approvals_needed, approvers};
use crate::release::preparation::who_may_say;
use crate::release::state::State;
use crate::release::{Activity, Attempt, Deferral, Life, Release, Standing};
use crate::status::PhaseStatus;
use crate::uses::tasks::TaskStatus;
use crate::waiting::{Waiting, WaitingReason};
use crate::world::World;

impl World {
    /// Why a release is not moving: everything that it, its phases and its activities wait for.
    ///
    /// An ended release waits for nothing; for every other one the list is not empty.
    pub fn waiting(&self, release: ReleaseId, now: Timestamp) -> Vec<Waiting> {
        let Some(state) = self.releases.get(&release) else {
            return Vec::new();
        };
        if let Some(why) = &state.release.quarantine {
            return whole([WaitingReason::Quarantine { why: why.clone() }]);
        }
        match state.release.life {
            Life::Ended { .. } => Vec::new(),
            Life::Draft => whole([WaitingReason::Finalization {
                who: state.managers(),
            }]),
            Life::Scheduled => self.scheduled(state, now),
            Life::Queued => self.queued(state),
            Life::Underway | Life::Aborting => underway(state, now),
        }
    }
}

impl World {
    fn scheduled(&self, state: &State, now: Timestamp) -> Vec<Waiting> {
        let release = &state.release;
        let kept: Vec<WaitingReason> = readiness(state)
            .into_iter()
            .chain(self.paused_group(release))
            .collect();
        let own = match release.start_at {
            Some(at) if at > now => Some(WaitingReason::StartTime { at }),
            _ if World::waits_for_a_start(release, now) => Some(WaitingReason::Start {
                who: state.managers(),
                since: release.start_at,
            }),
            // Its time has come, and only this keeps it.
            _ if !kept.is_empty() => None,
            _ => Some(WaitingReason::Engine),
        };
        whole(own.into_iter().chain(kept))
    }

    fn queued(&self, state: &State) -> Vec<Waiting> {
        let release = &state.release;
        let open = release.after.iter().filter(|(_, satisfied)| !**satisfied);
        let predecessors =
            open.map(|(release, _)| WaitingReason::Predecessor { release: *release });
        let overlap = release.group.as_ref().and_then(|group| {
            Some(WaitingReason::Overlap {
                group: group.group.clone(),
                release: self.overlapped_by(release)?,
            })
        });
        let kept = overlap.into_iter().chain(self.paused_group(release));
        let waiting = whole(predecessors.chain(readiness(state)).chain(kept));
        match waiting.is_empty() {
            true => whole([WaitingReason::Engine]),
            false => waiting,
        }
    }

    fn paused_group(&self, release: &Release) -> Option<WaitingReason> {
        let group = release.group.as_ref()?.group.clone();
        self.is_paused_with_group(release)
            .then_some(WaitingReason::GroupPaused { group })
    }
}

/// What has to be ready before the start and is not.
fn readiness(state: &State) -> Option<WaitingReason> {
    let open = state.blocking();
    (!open.is_empty()).then(|| WaitingReason::Readiness {
        items: open.iter().map(|item| item.spec.id.clone()).collect(),
        who: who_may_say(&open),
        since: state.release.blocked_since(),
    })
}

/// Reasons that concern the release itself.
fn whole(reasons: impl IntoIterator<Item = WaitingReason>) -> Vec<Waiting> {
    let about = |reason| Waiting {
        path: None,
        phase: None,
        reason,
    };
    reasons.into_iter().map(about).collect()
}

fn underway(state: &State, now: Timestamp) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    if let Some(pause) = &state.release.pause {
        let (by, at, why) = (pause.by.clone(), pause.at, pause.reason.clone());
        waiting.push(Waiting {
            path: None,
            phase: None,
            reason: WaitingReason::Paused { by, at, why },
        });
    }
    for (index, phase) in state.release.phases.iter().enumerate() {
        let about = |reason| Waiting {
            path: None,
            phase: Some(phase.id.clone()),
            reason,
        };
        match phase.status {
            PhaseStatus::Pending => waiting.extend(pending_phase(state, index).map(about)),
            PhaseStatus::Running => waiting.extend(running_phase(state, index, now)),
            _ => (),
        }
    }
    if waiting.is_empty() {
        waiting.push(Waiting {
            path: None,
            phase: None,
            reason: WaitingReason::Engine,
        });
    }
    waiting
}

fn pending_phase(state: &State, index: usize) -> Option<WaitingReason> {
    let phase = &state.release.phases[index];
    let plan = state.plan();
    if phase.blockers > 0 {
        let open = plan.phases[index].depends_on.iter();
        let open = open.filter(|before| !state.release.phases[**before].status.is_terminal());
        let phases: Vec<Name> = open.map(|before| plan.phases[*before].id.clone()).collect();
        return Some(WaitingReason::Phases { phases });
    }
    match phase.window.opens_at {
        Some(opens_at) => Some(WaitingReason::Window { opens_at }),
        None if state.release.pause.is_some() => None,
        None => Some(WaitingReason::Engine),
    }
}

fn running_phase(state: &State, index: usize, now: Timestamp) -> Vec<Waiting> {
    let planned = state.planned_phase(index);
    let mut waiting = Vec::new();
    for base in planned.gates.clone().chain(planned.activities.clone()) {
        let items = state.activities[base]
            .group
            .map_or(0..0, |group| group.first..group.first + group.count);
        for position in items.chain([base as u32]) {
            let activity = state.activity(position);
            if let Some(reason) = activity_waits(state, position, activity, now) {
                let path = Some(activity.path.clone());
                waiting.push(Waiting {
                    path,
                    phase: Some(planned.id.clone()),
                    reason,
                });
            }
        }
    }
    waiting
}

fn activity_waits(
    state: &State,
    position: u32,
    activity: &Activity,
    now: Timestamp,
) -> Option<WaitingReason> {
    // A pause may outlast the freeze.
    let holds = |deferral: &&Deferral| state.release.pause.is_none() || deferral.until > now;
    if let Some(deferral) = activity.deferred.as_ref().filter(holds) {
        return Some(WaitingReason::Freeze {
            freeze: deferral.freeze.clone(),
            why: deferral.reason.clone(),
            ends_at: deferral.ends_at,
            until: deferral.until,
        });
    }
    match &activity.standing {
        Standing::Pending | Standing::Queued if activity.item.is_some() => {
            Some(slot(state, position))
        }
        Standing::Pending => Some(predecessors(state, position)),
        Standing::Queued => Some(WaitingReason::Engine).filter(|_| state.release.pause.is_none()),
        Standing::Backoff { retry_at } => {
            let attempt = activity.attempt()?;
            let error = attempt.error().unwrap_or_default().to_owned();
            Some(WaitingReason::Retry {
                at: *retry_at,
                attempt: attempt.number,
                error,
            })
        }
        Standing::Undecided { unknown, deadline } => {
            let attempt = activity.attempt();
            let error = attempt
                .and_then(Attempt::error)
                .unwrap_or_default()
                .to_owned();
            let who = state.owners(position);
            Some(WaitingReason::Resolution {
                who,
                error,
                unknown: *unknown,
                deadline: *deadline,
            })
        }
        Standing::Underway => Some(attempt_waits(
            state,
            position,
            activity,
            activity.attempt()?,
        )),
        // The items of a group speak for it.
        Standing::Expanded => None,
        Standing::Success
        | Standing::Failed { .. }
        | Standing::Ignored { .. }
        | Standing::Skipped { .. }
        | Standing::Aborted => None,
    }
}

fn slot(state: &State, position: u32) -> WaitingReason {
    match state.planned(position).max_parallel {
        Some(limit) => WaitingReason::Slot { limit },
        None => WaitingReason::Engine,
    }
}

fn predecessors(state: &State, position: u32) -> WaitingReason {
    let planned = state.planned(position);
    let gates = state.planned_phase(planned.phase).gates.clone();
    let gates = if planned.is_gate { 0..0 } else { gates };
    let before = gates.chain(planned.depends_on.iter().copied());
    let open = before.filter(|index| !state.activities[*index].is_settled());
    let activities: Vec<_> = open
        .map(|index| state.activities[index].path.clone())
        .collect();
    if activities.is_empty() {
        WaitingReason::Engine
    } else {
        WaitingReason::Activities { activities }
    }
}

fn attempt_waits(
    state: &State,
    position: u32,
    activity: &Activity,
    attempt: &Attempt,
) -> WaitingReason {
    if let Some(cancel) = &attempt.cancel {
        return WaitingReason::Cancellation {
            confirm_by: cancel.confirm_by,
        };
    }
    match &attempt.work {
        Work::Effect => WaitingReason::External {
            uses: state.planned(position).uses.as_str().to_owned(),
            handle: attempt.handle.clone(),
            since: attempt.started_at,
            deadline: attempt.deadline,
        },
        Work::Wait { until } => WaitingReason::Timer { until: *until },
        Work::Approval {
            rule, deadline_at, ..
        } => {
            let decided = |owner: &Owner| {
                activity
                    .votes
                    .iter()
                    .any(|vote| *owner == Owner::User(vote.user.clone()))
            };
            let approved = activity
                .votes
                .iter()
                .filter(|vote| vote.decision == crate::command::Decision::Approve);
            WaitingReason::Approval {
                who: approvers(activity, rule)
                    .into_iter()
                    .filter(|owner| !decided(owner))
                    .collect(),
                approved: approved.count() as u32,
                needed: approvals_needed(rule),
                deadline: *deadline_at,
                overdue: activity.overdue,
            }
        }
        Work::Input { form, .. } => WaitingReason::Input {
            who: activity.needs.clone(),
            fields: form.fields.iter().map(|field| field.name.clone()).collect(),
        },
        Work::Tasks { list } => {
            let done = |id: &Name| {
                activity
                    .tasks
                    .get(id)
                    .is_some_and(|task| task.status == TaskStatus::Done)
            };
            let open = list.tasks.iter().filter(|task| !done(&task.id));
            WaitingReason::Tasks {
                who: activity.needs.clone(),
                open: open.map(|task| task.id.clone()).collect(),
            }
        }
        Work::Child { release } => WaitingReason::Child { release: *release },
        Work::Nothing => WaitingReason::Engine,
    }
}
