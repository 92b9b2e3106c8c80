//! Takes facts about a release in: live and on replay, by the same arms.
//!
//! Nothing is judged here. What an event says has happened; this file writes it down and marks
//! what may follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::command::RestartFrom;
use crate::event::{
    AttemptOutcome, AttemptStarted, CancelCause, Change, Event, ReleaseEdited, Work,
};
use crate::ids::{Name, Owner};
use crate::notice::NoticeKind;
use crate::plan::ClosingRule;
use crate::release::state::{Spot, State};
use crate::release::{
    Activity, Attempt, Cancel, Deferral, Deployed, FreezeOverride, Group, Item, Life, Note, Pause,
    Phase, Release, SkipReason, Standing, Task, Vote,
};
use crate::status::PhaseStatus;
use crate::uses::tasks::TaskStatus;
use crate::world::SYSTEM;

/// How many attempts of one activity are kept in memory and rows; the journal keeps all.
const ATTEMPTS_KEPT_MAX: usize = 200;
/// How many deployments of one activity are kept in memory and rows; the journal keeps all.
const DEPLOYMENTS_KEPT_MAX: usize = 100;

/// A release that a person has changed is left alone when its group changes.
fn take_in_hand(release: &mut Release, event: &Event) {
    if let Some(group) = release.group.as_mut().filter(|_| event.by != SYSTEM) {
        group.edited = true;
    }
}

impl State {
    /// Takes in one fact about this release.
    pub(crate) fn take(&mut self, event: &Event) {
        self.dirty.insert(Spot::Release);
        match &event.path {
            Some(path) => {
                let position = self
                    .position(path)
                    .expect("the journal names a known activity");
                self.take_activity(position, event);
            }
            None => self.take_release(event),
        }
    }

    fn take_release(&mut self, event: &Event) {
        let release = &mut self.release;
        match &event.change {
            Change::ReleaseEdited(edit) => {
                take_in_hand(release, event);
                self.take_edit(edit);
            }
            Change::ReleaseFinalized { revision, inputs } => {
                release.life = Life::Scheduled;
                release.revision = Some(*revision);
                release.inputs = inputs.clone();
            }
            Change::ReleaseCancelled { .. } => {
                take_in_hand(release, event);
                release.life = Life::Draft;
                release.blocked_since = None;
                release.revision = None;
                release.inputs = BTreeMap::new();
            }
            Change::ReleaseQueued { trigger, inputs } => {
                release.life = Life::Queued;
                release.trigger = Some(trigger.clone());
                release.inputs = inputs.clone();
            }
            Change::ReleaseStarted { .. } => self.take_start(event),
            Change::ReleasePaused { reason } => {
                let (by, reason) = (event.by.clone(), reason.clone());
                release.pause = Some(Pause {
                    by,
                    at: event.at,
                    reason,
                });
                self.mark_all_due();
            }
            Change::ReleaseResumed => {
                release.pause = None;
                self.mark_all_due();
                self.look_everywhere();
            }
            Change::ReleaseAbortRequested { reason } => {
                release.life = Life::Aborting;
                release.pause = None;
                release.abort_reason = Some(reason.clone());
                self.mark_all_due();
                self.look_everywhere();
            }
            Change::ReleaseFinished { status, outputs } => {
                release.life = Life::Ended { status: *status };
                release.ended_at = Some(event.at);
                release.pause = None;
                release.outputs = outputs.clone();
                self.abort_what_is_open(event.at);
            }
            Change::ReleaseRestarted { from, start_at, .. } => {
                release.life = Life::Scheduled;
                release.blocked_since = None;
                release.restart = Some(*from);
                release.start_at = start_at.or(release.start_at);
                release.ended_at = None;
                release.abort_reason = None;
                release.archived = false;
                release.start_missed = false;
            }
            Change::ReleaseArchived => release.archived = true,
            Change::NoteAdded { text } => {
                let (by, text) = (event.by.clone(), text.clone());
                release.notes.push(Note {
                    by,
                    at: event.at,
                    text,
                });
            }
            Change::LinkAdded { .. }
            | Change::LinkRemoved { .. }
            | Change::ReadinessDeclared { .. }
            | Change::ReadinessWithdrawn { .. }
            | Change::ReadinessSet { .. }
            | Change::StartBlocked { .. }
            | Change::OwnershipAcknowledged { .. }
            | Change::ReleaseReviewed { .. } => release.take_preparation(event),
            Change::ReleaseQuarantined { reason } => {
                release.quarantine = Some(reason.clone());
                self.mark_all_due();
            }
            Change::ReleaseUnquarantined { .. } => {
                release.quarantine = None;
                self.mark_all_due();
                self.look_everywhere();
            }
            Change::PredecessorSatisfied { predecessor } => {
                release.after.insert(*predecessor, true);
                self.agenda.insert(Spot::Release);
            }
            Change::FreezeOverridden {
                freeze,
                reason,
                expires_at,
            } => {
                let given = FreezeOverride {
                    by: event.by.clone(),
                    at: event.at,
                    reason: reason.clone(),
                    expires_at: *expires_at,
                    revoked: None,
                };
                release.freeze_overrides.insert(freeze.clone(), given);
                self.look_at_deferred();
            }
            Change::FreezeOverrideRevoked { freeze, reason } => {
                let (by, text) = (event.by.clone(), reason.clone());
                let given = release
                    .freeze_overrides
                    .get_mut(freeze)
                    .expect("the journal revokes what was given");
                given.revoked = Some(Note {
                    by,
                    at: event.at,
                    text,
                });
                self.look_at_deferred();
            }
            Change::PhaseStarted { .. }
            | Change::PhaseFinished { .. }
            | Change::PhaseClosed { .. } => {
                self.take_phase(event);
            }
            Change::OwnersNotified { kind, phase, .. } => self.take_notice(*kind, phase.as_ref()),
            // Definitions, tokens, creation and deletion are taken in by the world.
            other => debug_assert!(false, "not a fact about a release as a whole: {other:?}"),
        }
        self.agenda.insert(Spot::Release);
    }

    /// What people are told once is written down where it was told.
    fn take_notice(&mut self, kind: Option<NoticeKind>, phase: Option<&Name>) {
        match (kind, phase) {
            (Some(NoticeKind::Overdue), _) => self.release.overdue = true,
            (Some(NoticeKind::StartMissed), _) => self.release.start_missed = true,
            (Some(NoticeKind::Handover), Some(phase)) => {
                let index = self.phase_index(phase);
                self.release.phases[index].announced = true;
            }
            _ => (),
        }
    }

    fn take_edit(&mut self, edit: &ReleaseEdited) {
        let ReleaseEdited {
            name,
            description,
            version,
            release_type,
            labels,
            context,
            links,
            manager,
            owners,
            stakeholders,
            start_at,
            expected_end_at,
            start_mode,
            zone,
            process,
            revision,
            inputs,
            input_set,
            after,
            group,
            before: _,
        } = edit.clone();
        let release = &mut self.release;
        release.version += 1;
        if let Some(name) = name {
            release.slug = slug(&name);
            release.name = name;
        }
        set(&mut release.description, description);
        if let Some(version) = version {
            release.software_version = Some(version).filter(|version| !version.is_empty());
        }
        set(&mut release.release_type, release_type);
        set(&mut release.labels, labels);
        set(&mut release.context, context);
        set(&mut release.links, links);
        let manager_change = manager.is_some();
        set(&mut release.manager, manager.map(first));
        let owners_change = owners.is_some();
        set(&mut release.owners, owners);
        set(&mut release.stakeholders, stakeholders);
        // Another time may be missed again.
        release.start_missed &= start_at.is_none();
        release.overdue &= expected_end_at.is_none();
        if start_at.is_some() {
            release.blocked_since = None;
        }
        set(&mut release.start_at, start_at.map(first));
        set(&mut release.expected_end_at, expected_end_at.map(first));
        set(&mut release.start_mode, start_mode);
        set(&mut release.zone, zone);
        set(&mut release.process, process);
        if let Some(revision) = revision {
            release.asked_revision = Some(revision).filter(|revision| *revision > 0);
        }
        set(&mut release.given, inputs);
        set(&mut release.input_set, input_set.map(first));
        if group.is_some() {
            release.group = group;
        }
        if let Some(after) = after {
            release.after = after.into_iter().map(|release| (release, false)).collect();
        }
        if owners_change && self.plan.is_some() {
            self.name_who_is_needed();
        }
        if manager_change {
            // Whom a hold escalates to may be somebody else now.
            self.mark_all_due();
        }
    }

    /// Owners have changed: those who are needed now are other people.
    fn name_who_is_needed(&mut self) {
        for position in 0..self.activities.len() as u32 {
            if !self.activity(position).needs.is_empty() {
                let needs = self.needs(position);
                self.change(position, |activity| activity.needs = needs);
            }
        }
    }

    fn take_start(&mut self, event: &Event) {
        let Change::ReleaseStarted {
            run,
            trigger,
            inputs,
            variables,
            windows,
        } = &event.change
        else {
            unreachable!("the caller has matched the event");
        };
        let restart = self.release.restart.take();
        let release = &mut self.release;
        release.life = Life::Underway;
        release.blocked_since = None;
        release.run = *run;
        release.trigger = Some(trigger.clone());
        release.inputs = inputs.clone();
        release.variables = variables.clone();
        release.started_at = Some(event.at);
        release.ended_at = None;
        release.outputs = BTreeMap::new();
        match restart {
            // A release that was aborted while it was queued has nothing finished to keep.
            Some(RestartFrom::Unfinished) if !self.release.phases.is_empty() => {
                self.reset_unfinished()
            }
            Some(RestartFrom::Unfinished | RestartFrom::Start) | None => self.reset_all(),
        }
        for phase in &mut self.release.phases {
            if let Some(window) = windows.get(&phase.id) {
                phase.window = *window;
            }
        }
        self.recount();
    }

    /// Every phase and activity of the plan, not begun; attempts of earlier runs stay as history.
    fn reset_all(&mut self) {
        let plan = Arc::clone(self.plan());
        self.release.phases = plan
            .phases
            .iter()
            .map(|phase| Phase::new(phase.id.clone()))
            .collect();
        let items_made = self.drop_items();
        let mut activities = std::mem::take(&mut self.activities).into_iter();
        self.activities = plan
            .activities
            .iter()
            .map(|planned| {
                let before = activities
                    .next()
                    .filter(|activity| activity.path == planned.path);
                let mut activity = before.unwrap_or_else(|| Activity::new(planned.path.clone()));
                activity.reset();
                activity
            })
            .collect();
        for (position, made) in items_made {
            let activity = &mut self.activities[position as usize];
            activity.attempts_made = activity.attempts_made.max(made);
        }
    }

    /// Takes all items away and answers, per `forEach`, the highest attempt number they have used.
    ///
    /// The items of another run go on counting there, so that no attempt id is ever used twice.
    fn drop_items(&mut self) -> BTreeMap<u32, u32> {
        let planned = self.plan().activities.len();
        let mut made = BTreeMap::new();
        for position in planned..self.activities.len() {
            let parent = self
                .parent_of(position as u32)
                .expect("an item has a parent");
            let highest: &mut u32 = made.entry(parent).or_default();
            *highest = (*highest).max(self.activities[position].attempts_made);
            self.dirty.insert(Spot::Activity(position as u32));
        }
        self.activities.truncate(planned);
        made
    }

    /// Finished work stays; everything else begins anew. A phase that has ended stays as a whole.
    fn reset_unfinished(&mut self) {
        let kept = |phase: &Phase| match phase.status {
            PhaseStatus::Success | PhaseStatus::PartialSuccess => true,
            PhaseStatus::Skipped => phase.reason == Some(SkipReason::Condition),
            _ => false,
        };
        let kept: Vec<bool> = self.release.phases.iter().map(kept).collect();
        for position in 0..self.activities.len() {
            if !kept[self.planned(position as u32).phase] {
                self.activities[position].reset_if_unfinished();
            }
        }
        for (phase, kept) in self.release.phases.iter_mut().zip(kept) {
            if !kept {
                let begun = phase.started_at.is_some();
                phase.status = if begun {
                    PhaseStatus::Running
                } else {
                    PhaseStatus::Pending
                };
                (phase.ended_at, phase.reason, phase.closed) = (None, None, false);
                phase.announced &= begun;
            }
        }
    }

    fn take_phase(&mut self, event: &Event) {
        match &event.change {
            Change::PhaseStarted { phase, variables } => {
                let index = self.phase_index(phase);
                let phase = &mut self.release.phases[index];
                phase.status = PhaseStatus::Running;
                phase.variables = variables.clone();
                phase.started_at = Some(event.at);
                let planned = self.planned_phase(index);
                let (gates, activities) = (planned.gates.clone(), planned.activities.clone());
                self.look_at(gates);
                self.look_at(activities);
                self.dirty.insert(Spot::Phase(index));
                self.agenda.insert(Spot::Phase(index));
            }
            Change::PhaseFinished {
                phase,
                status,
                reason,
            } => {
                let index = self.phase_index(phase);
                if let Some(reason) = reason {
                    let children = match reason {
                        SkipReason::Invalid { .. } => SkipReason::UpstreamFailed,
                        other => other.clone(),
                    };
                    self.skip_what_is_pending(index, &children, event.at);
                }
                self.end_phase(index, |phase| {
                    phase.status = *status;
                    phase.reason.clone_from(reason);
                    phase.ended_at = Some(event.at);
                });
            }
            Change::PhaseClosed { phase } => {
                let index = self.phase_index(phase);
                self.release.phases[index].closed = true;
                let closing = self.planned_phase(index).closes;
                let failed = closing.is_some_and(|closing| closing.then == ClosingRule::Fail);
                self.skip_what_is_pending(index, &SkipReason::Closed { failed }, event.at);
                self.dirty.insert(Spot::Phase(index));
                self.agenda.insert(Spot::Phase(index));
            }
            other => unreachable!("not a fact about a phase: {other:?}"),
        }
    }

    fn phase_index(&self, id: &Name) -> usize {
        let phases = &self.release.phases;
        phases
            .iter()
            .position(|phase| phase.id == *id)
            .expect("the journal names a known phase")
    }

    /// Skips every activity of a phase that was never started, items of a `forEach` included.
    fn skip_what_is_pending(&mut self, index: usize, reason: &SkipReason, at: Timestamp) {
        let planned = self.planned_phase(index);
        for base in planned.gates.clone().chain(planned.activities.clone()) {
            let items = self.activities[base]
                .group
                .map(|group| group.first..group.first + group.count);
            for position in items.into_iter().flatten().chain([base as u32]) {
                if self.activity(position).has_not_begun() {
                    self.change(position, |activity| {
                        activity.standing = Standing::Skipped {
                            reason: reason.clone(),
                        };
                        activity.ended_at = Some(at);
                    });
                }
            }
        }
    }

    /// The release has ended: what is not settled never will be.
    fn abort_what_is_open(&mut self, at: Timestamp) {
        for position in 0..self.activities.len() as u32 {
            if !self.activity(position).is_settled() {
                self.change(position, |activity| {
                    activity.standing = Standing::Aborted;
                    activity.ended_at = Some(at);
                    activity.needs.clear();
                });
            }
        }
        for index in 0..self.release.phases.len() {
            let phase = &mut self.release.phases[index];
            if !phase.status.is_terminal() {
                (phase.status, phase.ended_at) = (PhaseStatus::Aborted, Some(at));
            }
            self.dirty.insert(Spot::Phase(index));
        }
        self.agenda.clear();
    }

    /// Every due instant may be another one now.
    fn mark_all_due(&mut self) {
        self.dirty
            .extend((0..self.release.phases.len()).map(Spot::Phase));
        let open = self
            .activities
            .iter()
            .enumerate()
            .filter(|(_, activity)| !activity.is_settled());
        self.dirty
            .extend(open.map(|(position, _)| Spot::Activity(position as u32)));
    }

    fn take_activity(&mut self, position: u32, event: &Event) {
        let at = event.at;
        self.agenda.insert(Spot::Activity(position));
        if self.release.life == Life::Aborting {
            self.agenda.insert(Spot::Release);
        }
        match &event.change {
            Change::ActivityExpanded { items } => self.take_items(position, items, at),
            Change::AttemptStarted(start) => self.take_attempt(position, start, event),
            Change::HandleReported { handle, .. } => self.change(position, |activity| {
                activity.last().handle = Some(handle.clone());
            }),
            Change::AttemptCancelRequested {
                cause, confirm_by, ..
            } => self.change(position, |activity| {
                activity.last().cancel = Some(Cancel {
                    cause: *cause,
                    confirm_by: *confirm_by,
                });
                if *cause == CancelCause::Abort {
                    activity.needs.clear();
                }
            }),
            Change::AttemptFinished { outcome, .. } => {
                self.change(position, |activity| {
                    let attempt = activity.last();
                    attempt.outcome = Some(outcome.clone());
                    attempt.ended_at = Some(at);
                    activity.needs.clear();
                });
            }
            Change::RetryScheduled { retry_at } => {
                self.change(position, |activity| {
                    activity.standing = Standing::Backoff {
                        retry_at: *retry_at,
                    };
                    let unknown = matches!(
                        activity
                            .attempt()
                            .and_then(|attempt| attempt.outcome.as_ref()),
                        Some(AttemptOutcome::Unknown { .. })
                    );
                    use crate::event::AttemptTrigger::{Policy, Unknown};
                    activity.next_trigger = Some(if unknown { Unknown } else { Policy });
                });
            }
            Change::ActivityDeferred {
                freeze,
                reason,
                ends_at,
                until,
            } => {
                let deferral = Deferral {
                    freeze: freeze.clone(),
                    reason: reason.clone(),
                    ends_at: *ends_at,
                    until: *until,
                };
                self.change(position, |activity| {
                    if activity.standing == Standing::Pending {
                        activity.standing = Standing::Queued;
                    }
                    activity.deferred = Some(deferral);
                });
            }
            Change::DeferralEnded => self.change(position, |activity| activity.deferred = None),
            Change::DecisionNeeded { unknown, deadline } => {
                let owners = self.owners(position);
                self.change(position, |activity| {
                    let (unknown, deadline) = (*unknown, *deadline);
                    activity.standing = Standing::Undecided { unknown, deadline };
                    activity.needs = owners;
                    activity.forget_reminders();
                    activity.escalated_to.clear();
                });
            }
            Change::ReleaseReopened => self.take_reopening(position),
            Change::ActivityRetried { inputs, remedy, .. } => {
                self.change(position, |activity| {
                    activity.standing = Standing::Queued;
                    activity.next_trigger = Some(crate::event::AttemptTrigger::Person);
                    activity.round += u32::from(activity.overrides != *inputs);
                    activity.overrides.clone_from(inputs);
                    activity.remedy.clone_from(remedy);
                    (activity.attempts_counted, activity.counted_since) = (0, None);
                    activity.needs.clear();
                });
            }
            Change::ActivitySucceeded { outputs } => self.change(position, |activity| {
                activity.standing = Standing::Success;
                activity.outputs.clone_from(outputs);
                activity.ended_at = Some(at);
                activity.needs.clear();
            }),
            Change::ActivityFailed { reason } => self.change(position, |activity| {
                activity.standing = Standing::Failed {
                    reason: reason.clone(),
                };
                activity.ended_at = Some(at);
                activity.needs.clear();
            }),
            Change::ActivityIgnored { outputs, reason } => self.change(position, |activity| {
                activity.standing = Standing::Ignored {
                    reason: reason.clone(),
                };
                activity.outputs.clone_from(outputs);
                activity.ended_at = Some(at);
                activity.needs.clear();
            }),
            Change::ActivitySkipped { reason } => {
                self.change(position, |activity| {
                    activity.standing = Standing::Skipped {
                        reason: reason.clone(),
                    };
                    activity.ended_at = Some(at);
                });
            }
            Change::ActivityAborted => self.change(position, |activity| {
                activity.standing = Standing::Aborted;
                activity.ended_at = Some(at);
                activity.needs.clear();
            }),
            Change::ApprovalDecided {
                user,
                entries,
                decision,
                comment,
                digest,
            } => {
                let vote = Vote {
                    user: user.clone(),
                    entries: entries.clone(),
                    decision: *decision,
                    at,
                    comment: comment.clone(),
                    digest: digest.clone(),
                };
                self.change(position, |activity| activity.votes.push(vote));
            }
            Change::ApprovalVoided { .. } => {
                self.change(position, |activity| activity.votes.clear())
            }
            Change::ApprovalEscalated { to } => self.change(position, |activity| {
                activity.overdue = true;
                activity.escalated_to.clone_from(to);
                activity.needs.extend(to.iter().cloned());
            }),
            Change::ApprovalOverdue => self.change(position, |activity| activity.overdue = true),
            Change::ReminderSent => self.change(position, |activity| {
                activity.reminded = true;
                activity.reminders += 1;
            }),
            Change::HoldEscalated { to } => self.change(position, |activity| {
                activity.escalated = true;
                activity.escalated_to.extend(to.iter().cloned());
                activity.needs.extend(to.iter().cloned());
            }),
            Change::InputSubmitted { .. } => (),
            Change::TaskUpdated {
                task,
                status,
                comment,
                evidence,
            } => {
                let note = Note {
                    by: event.by.clone(),
                    at,
                    text: comment.clone(),
                };
                self.change(position, |activity| {
                    let task = activity
                        .tasks
                        .get_mut(task)
                        .expect("the journal names a known task");
                    task.take(*status, note, evidence, at);
                });
                let needs = self.needs(position);
                self.change(position, |activity| activity.needs = needs);
            }
            Change::DeploymentRecorded(deployment) => self.change(position, |activity| {
                let known = &mut activity.deployments;
                if known.len() == DEPLOYMENTS_KEPT_MAX {
                    known.remove(0);
                }
                known.push(Deployed {
                    at,
                    deployment: (**deployment).clone(),
                });
            }),
            Change::DeploymentUnclear { problem, .. } => self.change(position, |activity| {
                activity.deployment_problem = Some(problem.clone());
            }),
            Change::LateOutcomeRecorded { .. }
            | Change::OwnersNotified { .. }
            | Change::StartedInFreeze { .. } => (),
            other => debug_assert!(false, "not a fact about an activity: {other:?}"),
        }
    }

    fn take_items(&mut self, position: u32, items: &[serde_json::Value], at: Timestamp) {
        let first = self.activities.len() as u32;
        let base = self.activity(position);
        let (path, made) = (base.path.clone(), base.attempts_made);
        for (index, value) in items.iter().enumerate() {
            let mut item = Activity::new(path.item(index as u32));
            item.attempts_made = made;
            item.item = Some(Item {
                index: index as u32,
                value: value.clone(),
            });
            self.activities.push(item);
        }
        let count = items.len() as u32;
        let group = Group {
            first,
            count,
            unsettled: count,
            occupied: 0,
            next: 0,
            queued: 0,
        };
        self.change(position, |activity| {
            activity.standing = Standing::Expanded;
            activity.group = Some(group);
            activity.started_at = Some(at);
        });
        for position in first..first + count {
            // Entering the counters is a change from nothing to pending.
            self.release.counters.total += 1;
            self.release.counters.pending += 1;
            self.dirty.insert(Spot::Activity(position));
        }
    }

    fn take_attempt(&mut self, position: u32, start: &AttemptStarted, event: &Event) {
        let run = self.release.run;
        self.change(position, |activity| {
            activity.standing = Standing::Underway;
            activity.attempts_made = start.attempt;
            activity.attempts_counted += 1;
            activity.counted_since = activity.counted_since.or(Some(event.at));
            activity.started_at = activity.started_at.or(Some(event.at));
            activity.next_trigger = None;
            activity.votes.clear();
            activity.overdue = false;
            activity.forget_reminders();
            activity.escalated_to.clear();
            activity.tasks = match &start.work {
                Work::Tasks { list } => list
                    .tasks
                    .iter()
                    .map(|task| (task.id.clone(), Task::default()))
                    .collect(),
                _ => BTreeMap::new(),
            };
            if activity.attempts.len() == ATTEMPTS_KEPT_MAX {
                activity.attempts.remove(0);
            }
            activity.attempts.push(Attempt {
                number: start.attempt,
                run,
                key: start.key.clone(),
                started_at: event.at,
                ended_at: None,
                trigger: start.trigger.clone(),
                by: event.by.clone(),
                config: start.config.clone(),
                variables: start.variables.clone(),
                overrides: activity.overrides.clone(),
                work: start.work.clone(),
                deadline: start.deadline,
                handle: None,
                cancel: None,
                outcome: None,
            });
        });
        if let Work::Child { release } = start.work {
            self.release.children.push(release);
        }
        let needs = self.needs(position);
        self.change(position, |activity| activity.needs = needs);
    }

    /// Whom the attempt under way asks; empty if it asks nobody.
    pub(crate) fn needs(&self, position: u32) -> Vec<Owner> {
        let activity = self.activity(position);
        let escalated = || activity.escalated_to.iter().cloned();
        if activity.awaits_decision() {
            return self
                .owners(position)
                .into_iter()
                .chain(escalated())
                .collect();
        }
        let Some(attempt) = activity
            .attempt()
            .filter(|attempt| attempt.outcome.is_none())
        else {
            return Vec::new();
        };
        let or_owners = |named: &[Owner]| {
            if named.is_empty() {
                self.owners(position)
            } else {
                named.to_vec()
            }
        };
        match &attempt.work {
            Work::Approval { rule, .. } => rule
                .approvers
                .iter()
                .chain(&activity.escalated_to)
                .cloned()
                .collect(),
            Work::Input { form, .. } => or_owners(&form.assignees)
                .into_iter()
                .chain(escalated())
                .collect(),
            Work::Tasks { list } => {
                let open = list.tasks.iter().filter(|task| {
                    let standing = activity.tasks.get(&task.id);
                    standing.is_none_or(|task| task.status != TaskStatus::Done)
                });
                let mut needed: Vec<Owner> = open
                    .flat_map(|task| or_owners(&task.assignees))
                    .chain(escalated())
                    .collect();
                needed.sort();
                needed.dedup();
                needed
            }
            Work::Effect | Work::Wait { .. } | Work::Child { .. } | Work::Nothing => Vec::new(),
        }
    }

    /// A final failure is up for a decision again: what was skipped because of failures is pending again.
    fn take_reopening(&mut self, position: u32) {
        self.release.life = Life::Underway;
        self.release.ended_at = None;
        self.release.outputs = BTreeMap::new();
        let owner = self.planned(position).phase;
        let revived = |(index, phase): (usize, &Phase)| {
            index == owner || phase.reason == Some(SkipReason::UpstreamFailed)
        };
        let revived: Vec<bool> = self
            .release
            .phases
            .iter()
            .enumerate()
            .map(revived)
            .collect();
        for position in 0..self.activities.len() {
            let skipped = matches!(
                &self.activities[position].standing,
                Standing::Skipped {
                    reason: SkipReason::UpstreamFailed
                }
            );
            // What a freeze holds back has not begun; what comes before it is open again.
            if self.activities[position].item.is_none() && self.activities[position].has_not_begun()
            {
                self.activities[position].standing = Standing::Pending;
            }
            // A phase that has ended by itself stays as it is, with what it skipped.
            if skipped && revived[self.planned(position as u32).phase] {
                self.activities[position].standing = Standing::Pending;
                self.activities[position].ended_at = None;
            }
        }
        let parent = self.parent_of(position);
        for reopened in [Some(position), parent].into_iter().flatten() {
            let activity = &mut self.activities[reopened as usize];
            activity.ended_at = None;
            activity.standing = match activity.group {
                Some(_) => Standing::Expanded,
                None => Standing::Undecided {
                    unknown: false,
                    deadline: None,
                },
            };
        }
        for (index, phase) in self.release.phases.iter_mut().enumerate() {
            let skipped = phase.status == PhaseStatus::Skipped
                && phase.reason == Some(SkipReason::UpstreamFailed);
            if skipped {
                (phase.status, phase.reason, phase.ended_at) = (PhaseStatus::Pending, None, None);
            }
            if index == owner {
                (phase.status, phase.ended_at) = (PhaseStatus::Running, None);
            }
        }
        self.recount();
    }
}

impl Phase {
    /// A phase that has not begun.
    pub(crate) fn new(id: Name) -> Self {
        Phase {
            id,
            status: PhaseStatus::Pending,
            window: Default::default(),
            blockers: 0,
            closed: false,
            variables: BTreeMap::new(),
            started_at: None,
            ended_at: None,
            reason: None,
            unsettled: 0,
            gates_unsettled: 0,
            active: 0,
            needs_input: 0,
            announced: false,
        }
    }
}

impl Activity {
    /// An activity that has not begun.
    pub(crate) fn new(path: crate::ids::ActivityPath) -> Self {
        Activity {
            path,
            standing: Standing::Pending,
            blockers: 0,
            item: None,
            group: None,
            attempts: Vec::new(),
            attempts_made: 0,
            attempts_counted: 0,
            counted_since: None,
            round: 0,
            overrides: BTreeMap::new(),
            next_trigger: None,
            remedy: None,
            outputs: BTreeMap::new(),
            started_at: None,
            ended_at: None,
            votes: Vec::new(),
            reminded: false,
            reminders: 0,
            escalated: false,
            overdue: false,
            escalated_to: Vec::new(),
            tasks: BTreeMap::new(),
            needs: Vec::new(),
            deferred: None,
            deployments: Vec::new(),
            deployment_problem: None,
        }
    }

    /// Not begun again; its attempts stay as history.
    fn reset(&mut self) {
        let mut fresh = Activity::new(self.path.clone());
        fresh.item = self.item.take();
        fresh.attempts = std::mem::take(&mut self.attempts);
        fresh.attempts_made = self.attempts_made;
        fresh.deployments = std::mem::take(&mut self.deployments);
        *self = fresh;
    }

    /// Finished work stays.
    fn reset_if_unfinished(&mut self) {
        let finished = match &self.standing {
            Standing::Success | Standing::Ignored { .. } => true,
            Standing::Skipped { reason } => *reason == SkipReason::Condition,
            _ => false,
        };
        if finished {
            return;
        }
        let group = self.group;
        self.reset();
        if let Some(group) = group {
            self.group = Some(Group {
                next: 0,
                occupied: 0,
                queued: 0,
                ..group
            });
            self.standing = Standing::Expanded;
        }
    }

    /// Nobody was reminded of what it holds for now.
    fn forget_reminders(&mut self) {
        (self.reminded, self.reminders, self.escalated) = (false, 0, false);
    }

    fn last(&mut self) -> &mut Attempt {
        self.attempts
            .last_mut()
            .expect("the journal starts an attempt before it speaks of it")
    }
}

impl Default for Task {
    fn default() -> Self {
        Task {
            status: TaskStatus::Todo,
            started_at: None,
            ended_at: None,
            comments: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

impl Task {
    fn take(&mut self, status: TaskStatus, note: Note, evidence: &[String], at: Timestamp) {
        self.status = status;
        if self.started_at.is_none() && status != TaskStatus::Todo {
            self.started_at = Some(at);
        }
        let ended = matches!(status, TaskStatus::Done | TaskStatus::Failed);
        self.ended_at = ended.then_some(at);
        if !note.text.is_empty() {
            self.comments.push(note);
        }
        self.evidence.extend_from_slice(evidence);
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn first<T>(list: Vec<T>) -> Option<T> {
    list.into_iter().next()
}

/// A name in an address: lower-case letters, digits and dashes.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() || letter == '.' {
            slug.push(letter);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}
