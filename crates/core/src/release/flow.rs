//! Carries a release on by itself: what follows from applied facts and from time that has passed.
//!
//! [`World::examine`] looks at one spot and answers the facts that follow there, most often none.
//! It may be asked about any spot at any time; asking too often costs time and changes nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use trainmaster_expr::{Condition, Outcome};

use crate::event::{AttemptOutcome, CancelCause, Change, Event, StartTrigger, Work};
use crate::group::GroupVerdict;
use crate::ids::{Name, Owner, ReleaseId};
use crate::notice::NoticeKind;
use crate::plan::ValueTemplate;
use crate::release::preparation::who_may_say;
use crate::release::state::{Spot, State};
use crate::release::{Attempt, Life, Release, SkipReason, Standing, StartMode};
use crate::scope::View;
use crate::status::{PhaseStatus, ReleaseStatus, RollUp, Verdict};
use crate::world::{Asker, World};

/// Most elements of one `forEach`.
const ITEMS_MAX: usize = 10_000;
/// Most activities of one release, items included.
const ACTIVITIES_MAX: usize = 20_000;
/// How long an attempt that is being stopped has to confirm it, in seconds.
pub(crate) const CONFIRM_SECONDS: i64 = 60;

impl World {
    /// The facts that follow by themselves at one spot.
    pub(crate) fn examine(&self, id: ReleaseId, spot: Spot, now: Timestamp) -> Vec<Event> {
        let Some(state) = self.releases.get(&id) else {
            return Vec::new();
        };
        if state.release.quarantine.is_some() {
            return Vec::new();
        }
        let here = Here {
            world: self,
            state,
            id,
            system: self.server(now),
            now,
        };
        match (spot, state.release.life) {
            (_, Life::Draft | Life::Ended { .. }) => Vec::new(),
            (Spot::Release, Life::Scheduled) => here.scheduled(),
            (Spot::Release, Life::Queued) => here.queued(),
            (Spot::Release, Life::Underway) => here.finishing(),
            (Spot::Release, Life::Aborting) => here.aborting(),
            (_, Life::Scheduled | Life::Queued) => Vec::new(),
            (Spot::Phase(index), Life::Underway) => here.phase(index),
            (Spot::Phase(_), Life::Aborting) => Vec::new(),
            (Spot::Activity(position), _) if position as usize >= state.activities.len() => {
                Vec::new()
            }
            (Spot::Activity(position), Life::Underway) => here.activity(position),
            (Spot::Activity(position), Life::Aborting) => here.stopping(position),
        }
    }
}

/// Where one looks from: a release in its world at an instant.
pub(crate) struct Here<'a> {
    pub(crate) world: &'a World,
    pub(crate) state: &'a State,
    pub(crate) id: ReleaseId,
    pub(crate) system: Asker<'a>,
    pub(crate) now: Timestamp,
}

impl<'a> Here<'a> {
    pub(crate) fn about(&self, change: Change) -> Event {
        self.system.about(self.id, change)
    }

    pub(crate) fn at(&self, position: u32, change: Change) -> Event {
        self.system
            .about_activity(self.id, &self.state.activity(position).path, change)
    }

    pub(super) fn release(&self) -> &'a Release {
        &self.state.release
    }

    // ---- the release as a whole

    fn scheduled(&self) -> Vec<Event> {
        let release = self.release();
        let due = release.start_mode == StartMode::Auto
            && release.start_at.is_some_and(|at| at <= self.now);
        if !due {
            return self.lateness();
        }
        let verdict = self.world.group_verdict(release, self.now);
        if verdict == GroupVerdict::Wait {
            return self.lateness();
        }
        if let Some(facts) = self.unready() {
            return facts;
        }
        if let GroupVerdict::GiveUp(reason) = verdict {
            return vec![self.about(Change::ReleaseAbortRequested { reason })];
        }
        let trigger = if release.run > 0 {
            StartTrigger::Restarted
        } else {
            StartTrigger::Scheduled
        };
        self.begin_release(trigger)
    }

    fn queued(&self) -> Vec<Event> {
        let release = self.release();
        let satisfied = release.after.iter().filter(|(_, satisfied)| !**satisfied);
        let news: Vec<ReleaseId> = satisfied
            .map(|(id, _)| *id)
            .filter(|id| self.world.has_succeeded(*id))
            .collect();
        if !news.is_empty() {
            let facts = news
                .into_iter()
                .map(|predecessor| Change::PredecessorSatisfied { predecessor });
            return facts.map(|change| self.about(change)).collect();
        }
        if release.after.values().any(|satisfied| !satisfied) {
            return self.lateness();
        }
        if let Some(facts) = self.unready() {
            return facts;
        }
        let held_up = self.world.overlapped_by(release).is_some();
        if held_up || self.world.is_paused_with_group(release) {
            return self.lateness();
        }
        let trigger = release.trigger.clone().unwrap_or(StartTrigger::Scheduled);
        self.begin_release(trigger)
    }

    /// What follows where something that has to be ready is not; those who can say so are told once.
    fn unready(&self) -> Option<Vec<Event>> {
        let open = self.state.blocking();
        if open.is_empty() {
            return None;
        }
        if self.release().blocked_since.is_some() {
            return Some(self.lateness());
        }
        let items = open.iter().map(|item| item.spec.id.clone()).collect();
        let names: Vec<&str> = open.iter().map(|item| item.name()).collect();
        let message = format!(
            "{} cannot start: not ready: {}",
            self.release().name,
            names.join(", ")
        );
        let owners = who_may_say(&open);
        Some(vec![
            self.about(Change::StartBlocked { items }),
            self.about(notice(NoticeKind::StartMissed, owners, message)),
        ])
    }

    /// Starts the release; if its variables cannot be evaluated it ends as failed, with the reason noted.
    fn begin_release(&self, trigger: StartTrigger) -> Vec<Event> {
        let inputs = self.release().inputs.clone();
        match self.world.beginning(self.state, inputs, trigger, self.now) {
            Ok(changes) => changes.map(|change| self.about(change)).collect(),
            Err(rejection) => {
                let text = format!("could not start: {rejection}");
                let status = ReleaseStatus::Failed;
                let finished = Change::ReleaseFinished {
                    status,
                    outputs: BTreeMap::new(),
                };
                let mut facts = vec![self.about(Change::NoteAdded { text }), self.about(finished)];
                facts.extend(self.end_notice("could not start"));
                facts
            }
        }
    }

    fn finishing(&self) -> Vec<Event> {
        let phases = &self.release().phases;
        if phases.iter().any(|phase| !phase.status.is_terminal()) {
            return self.lateness();
        }
        let status = match self.state.release_roll_up() {
            RollUp::Success | RollUp::Skipped => ReleaseStatus::Success,
            RollUp::PartialSuccess => ReleaseStatus::PartialSuccess,
            RollUp::Failed => ReleaseStatus::Failed,
        };
        let mut facts = vec![self.about(Change::ReleaseFinished {
            status,
            outputs: self.release_outputs(),
        })];
        facts.extend(self.end_notice(&format!("ended: {}", status.as_str())));
        facts
    }

    /// Managers and stakeholders are told how it ended; those of a child hear it from its parent.
    fn end_notice(&self, how: &str) -> Option<Event> {
        if self.release().parent.is_some() {
            return None;
        }
        Some(self.tell_those_who_answer(NoticeKind::Ended, how))
    }

    fn tell_those_who_answer(&self, kind: NoticeKind, what: &str) -> Event {
        let release = self.release();
        let owners = self
            .state
            .managers()
            .into_iter()
            .chain(release.stakeholders.iter().cloned());
        let message = format!("{} {what}", release.name);
        self.about(notice(kind, distinct(owners), message))
    }

    /// A start or an end that was planned has passed: told once (2-execution.md, Time).
    fn lateness(&self) -> Vec<Event> {
        let release = self.release();
        let mut facts = Vec::new();
        let by_hand = release.life == Life::Scheduled && release.start_mode == StartMode::Manual;
        if by_hand && !release.start_missed && self.is_past(release.start_at) {
            let what = "was to start by now; start it, or give it another time";
            facts.push(self.tell_those_who_answer(NoticeKind::StartMissed, what));
        }
        if !release.overdue && self.is_past(release.expected_end_at) {
            let what = "is overdue: it was expected to end by now";
            facts.push(self.tell_those_who_answer(NoticeKind::Overdue, what));
        }
        facts
    }

    /// The owners of the next phase are told once that it is their turn (checklist R-012).
    ///
    /// Those of the first phases have been told with the start.
    fn handover(&self, index: usize, starts: bool) -> Option<Event> {
        let release = self.release();
        let phase = &release.phases[index];
        let planned = self.state.planned_phase(index);
        let opened_later = phase.window.opens_at > release.started_at;
        let first = planned.depends_on.is_empty() && !(starts && opened_later);
        if phase.announced || first {
            return None;
        }
        let owners = distinct(self.state.people_of_phase(index));
        if owners.is_empty() {
            return None;
        }
        let what = match phase.window.opens_at.filter(|_| !starts) {
            Some(at) => format!("is next and opens at {at}"),
            None => "is yours now".to_owned(),
        };
        let message = format!("{}: phase {} {what}", release.name, phase.id);
        Some(self.about(notice_of_phase(&phase.id, owners, message)))
    }

    fn release_outputs(&self) -> BTreeMap<String, Value> {
        let plan = self.state.plan();
        let view = self.view(None, None);
        let value = |template: &ValueTemplate| view.value(template).unwrap_or(Value::Null);
        plan.outputs
            .iter()
            .map(|(name, template)| (name.clone(), value(template)))
            .collect()
    }

    fn aborting(&self) -> Vec<Event> {
        let counters = &self.release().counters;
        let open = counters.running + counters.queued + counters.needs_input;
        if open > 0 {
            return Vec::new();
        }
        let (status, outputs) = (ReleaseStatus::Aborted, BTreeMap::new());
        let finished = self.about(Change::ReleaseFinished { status, outputs });
        [finished]
            .into_iter()
            .chain(self.end_notice("was aborted"))
            .collect()
    }

    /// One activity of a release that is being aborted.
    fn stopping(&self, position: u32) -> Vec<Event> {
        let activity = self.state.activity(position);
        match &activity.standing {
            Standing::Queued | Standing::Backoff { .. } | Standing::Undecided { .. } => {
                vec![self.at(position, Change::ActivityAborted)]
            }
            Standing::Underway => {
                let attempt = activity
                    .attempt()
                    .expect("what is under way has an attempt");
                self.stop(position, attempt, CancelCause::Abort)
            }
            _ => Vec::new(),
        }
    }

    /// Stops an attempt, or records that it could not be confirmed in time.
    fn stop(&self, position: u32, attempt: &Attempt, cause: CancelCause) -> Vec<Event> {
        if let Some(cancel) = &attempt.cancel {
            let child_ended = self
                .child(attempt)
                .is_some_and(|child| child.status().is_terminal());
            if child_ended {
                return self.cancelled(position, attempt, true, cancel.cause);
            }
            let late = cancel.confirm_by <= self.now && !matches!(attempt.work, Work::Child { .. });
            return if late {
                self.cancelled(position, attempt, false, cancel.cause)
            } else {
                Vec::new()
            };
        }
        match &attempt.work {
            Work::Effect | Work::Child { .. } => {
                let confirm_by = self.now + jiff::SignedDuration::from_secs(CONFIRM_SECONDS);
                let number = attempt.number;
                let requested = Change::AttemptCancelRequested {
                    attempt: number,
                    cause,
                    confirm_by,
                };
                let mut facts = vec![self.at(position, requested)];
                if let Some(child) = self.child(attempt).filter(|child| may_abort(child)) {
                    let reason = "its parent stops it".to_owned();
                    facts.push(
                        self.system
                            .about(child.id, Change::ReleaseAbortRequested { reason }),
                    );
                }
                facts
            }
            Work::Wait { .. }
            | Work::Approval { .. }
            | Work::Input { .. }
            | Work::Tasks { .. }
            | Work::Nothing => self.cancelled(position, attempt, true, cause),
        }
    }

    /// The end of an attempt that was to be stopped.
    pub(crate) fn cancelled(
        &self,
        position: u32,
        attempt: &Attempt,
        confirmed: bool,
        cause: CancelCause,
    ) -> Vec<Event> {
        let number = attempt.number;
        match cause {
            CancelCause::Abort => {
                let outcome = AttemptOutcome::Cancelled { confirmed };
                let finished = Change::AttemptFinished {
                    attempt: number,
                    outcome,
                };
                vec![
                    self.at(position, finished),
                    self.at(position, Change::ActivityAborted),
                ]
            }
            CancelCause::Timeout if confirmed => {
                let error = "ran out of time and was stopped".to_owned();
                self.ended_badly(position, number, AttemptOutcome::TimedOut { error }, None)
            }
            CancelCause::Timeout => {
                let error = "ran out of time, and it is not certain that it has stopped".to_owned();
                self.ended_badly(position, number, AttemptOutcome::Unknown { error }, None)
            }
        }
    }

    fn child(&self, attempt: &Attempt) -> Option<&'a Release> {
        match attempt.work {
            Work::Child { release } => self.world.release(release),
            _ => None,
        }
    }

    // ---- phases

    fn phase(&self, index: usize) -> Vec<Event> {
        let phase = &self.release().phases[index];
        match phase.status {
            PhaseStatus::Pending if phase.blockers == 0 && self.release().pause.is_none() => {
                self.phase_that_may_start(index)
            }
            PhaseStatus::Running if phase.unsettled == 0 => vec![self.phase_end(index)],
            PhaseStatus::Running if !phase.closed && self.is_past(phase.window.closes_at) => {
                vec![self.about(Change::PhaseClosed {
                    phase: phase.id.clone(),
                })]
            }
            _ => Vec::new(),
        }
    }

    fn is_past(&self, at: Option<Timestamp>) -> bool {
        at.is_some_and(|at| at <= self.now)
    }

    fn phase_that_may_start(&self, index: usize) -> Vec<Event> {
        let phase = &self.release().phases[index];
        let planned = self.state.planned_phase(index);
        let bad = planned
            .depends_on
            .iter()
            .any(|before| self.state.phase_verdict(*before) == Verdict::Bad);
        let skipped = |reason: SkipReason| {
            let status = PhaseStatus::Skipped;
            vec![self.about(Change::PhaseFinished {
                phase: phase.id.clone(),
                status,
                reason: Some(reason),
            })]
        };
        let invalid = |error: String| {
            let reason = Some(SkipReason::Invalid { error });
            let status = PhaseStatus::Failed;
            vec![self.about(Change::PhaseFinished {
                phase: phase.id.clone(),
                status,
                reason,
            })]
        };
        if bad && !planned.when.as_ref().is_some_and(Condition::uses_outcome) {
            return skipped(SkipReason::UpstreamFailed);
        }
        if phase
            .window
            .opens_at
            .is_some_and(|opens_at| opens_at > self.now)
        {
            return self.handover(index, false).into_iter().collect();
        }
        let outcome = Some(Outcome {
            success: !bad,
            failure: bad,
        });
        let view = View {
            outcome,
            ..self.view(Some(index), None)
        };
        match planned
            .when
            .as_ref()
            .map_or(Ok(true), |when| view.holds(when))
        {
            Err(error) => return invalid(format!("its condition could not be evaluated: {error}")),
            Ok(false) => return skipped(SkipReason::Condition),
            Ok(true) => (),
        }
        if self.is_past(phase.window.closes_at) {
            return vec![
                self.about(Change::PhaseClosed {
                    phase: phase.id.clone(),
                }),
                self.closed_end(index),
            ];
        }
        match self.variables(index, None) {
            Ok(variables) => {
                let started = self.about(Change::PhaseStarted {
                    phase: phase.id.clone(),
                    variables,
                });
                [started]
                    .into_iter()
                    .chain(self.handover(index, true))
                    .collect()
            }
            Err(error) => invalid(error),
        }
    }

    /// The end of a phase that closed before it could start.
    fn closed_end(&self, index: usize) -> Event {
        let planned = self.state.planned_phase(index);
        let failed = planned
            .closes
            .is_some_and(|closing| closing.then == crate::plan::ClosingRule::Fail);
        let status = if failed {
            PhaseStatus::Failed
        } else {
            PhaseStatus::Skipped
        };
        let reason = Some(SkipReason::Closed { failed });
        self.about(Change::PhaseFinished {
            phase: planned.id.clone(),
            status,
            reason,
        })
    }

    fn phase_end(&self, index: usize) -> Event {
        let status = match self.state.phase_roll_up(index) {
            RollUp::Success => PhaseStatus::Success,
            RollUp::PartialSuccess => PhaseStatus::PartialSuccess,
            RollUp::Failed => PhaseStatus::Failed,
            RollUp::Skipped => PhaseStatus::Skipped,
        };
        let reason = (status == PhaseStatus::Skipped).then_some(SkipReason::Condition);
        let phase = self.release().phases[index].id.clone();
        self.about(Change::PhaseFinished {
            phase,
            status,
            reason,
        })
    }

    /// Variables of the activity, or without one of the phase; each sees the ones before it.
    pub(super) fn variables(
        &self,
        phase: usize,
        activity: Option<u32>,
    ) -> Result<BTreeMap<String, Value>, String> {
        let templates = match activity {
            Some(position) => &self.state.planned(position).variables,
            None => &self.state.planned_phase(phase).variables,
        };
        let mut known = BTreeMap::new();
        for (name, template) in templates {
            let view = self.view(Some(phase), activity);
            let view = match activity {
                Some(_) => View {
                    activity_variables: &known,
                    ..view
                },
                None => View {
                    phase_variables: &known,
                    ..view
                },
            };
            let value = view
                .value(template)
                .map_err(|error| format!("variable `{name}`: {error}"))?;
            known.insert(name.clone(), value);
        }
        Ok(known)
    }

    // ---- activities

    fn activity(&self, position: u32) -> Vec<Event> {
        let activity = self.state.activity(position);
        let may_start = self.release().pause.is_none() && self.phase_runs(position);
        match &activity.standing {
            Standing::Pending if activity.item.is_some() => Vec::new(),
            Standing::Pending if may_start && self.is_unblocked(position) => self.ready(position),
            Standing::Queued if activity.item.is_some() => match activity.deferred {
                Some(_) if may_start => self.held_item(position),
                _ => Vec::new(),
            },
            Standing::Queued if may_start => self.start(position),
            Standing::Backoff { retry_at } if may_start && *retry_at <= self.now => {
                self.start(position)
            }
            Standing::Expanded => self.items(position, may_start && self.is_unblocked(position)),
            Standing::Undecided { deadline, .. } if self.is_past(*deadline) => {
                let reason = "nobody decided in time".to_owned();
                vec![self.at(position, Change::ActivityFailed { reason })]
            }
            Standing::Undecided { .. } => self.hold_timers(position),
            Standing::Underway => self.underway(position),
            _ => Vec::new(),
        }
    }

    fn phase_runs(&self, position: u32) -> bool {
        let index = self.state.planned(position).phase;
        self.release().phases[index].status == PhaseStatus::Running
    }

    fn is_unblocked(&self, position: u32) -> bool {
        let planned = self.state.planned(position);
        let gates_open =
            planned.is_gate || self.release().phases[planned.phase].gates_unsettled == 0;
        self.state.activity(position).blockers == 0 && gates_open
    }

    /// Whether something that an activity builds on went badly.
    fn upstream_is_bad(&self, position: u32) -> bool {
        let planned = self.state.planned(position);
        let gates = self.state.planned_phase(planned.phase).gates.clone();
        let gates = if planned.is_gate { 0..0 } else { gates };
        let before = planned.depends_on.iter().copied().chain(gates);
        before
            .into_iter()
            .any(|index| self.state.verdict(index as u32) == Verdict::Bad)
    }

    /// Everything before it is settled: judge its condition once, and start, expand or skip it.
    fn ready(&self, position: u32) -> Vec<Event> {
        let planned = self.state.planned(position);
        let bad = self.upstream_is_bad(position);
        let skip = |reason| vec![self.at(position, Change::ActivitySkipped { reason })];
        if bad && !planned.when.as_ref().is_some_and(Condition::uses_outcome) {
            return skip(SkipReason::UpstreamFailed);
        }
        let per_item =
            planned.for_each.is_some() && planned.when.as_ref().is_some_and(asks_for_item);
        if !per_item {
            match self.condition(position, bad) {
                Err(error) => return self.unstartable(position, error),
                Ok(false) => return skip(SkipReason::Condition),
                Ok(true) => (),
            }
        }
        match &planned.for_each {
            None => self.start(position),
            Some(list) => self.expand(position, list),
        }
    }

    fn condition(&self, position: u32, bad: bool) -> Result<bool, String> {
        let planned = self.state.planned(position);
        let Some(when) = &planned.when else {
            return Ok(true);
        };
        let outcome = Some(Outcome {
            success: !bad,
            failure: bad,
        });
        // With `forEach` a condition sees the item rather than variables, which may be about the item themselves.
        let variables = match planned.for_each {
            Some(_) => BTreeMap::new(),
            None => self.activity_variables(position)?,
        };
        let view = self.view(Some(planned.phase), Some(position));
        let view = View {
            outcome,
            activity_variables: &variables,
            ..view
        };
        view.holds(when)
            .map_err(|error| format!("its condition could not be evaluated: {error}"))
    }

    fn expand(&self, position: u32, list: &ValueTemplate) -> Vec<Event> {
        let planned = self.state.planned(position);
        let value = self.view(Some(planned.phase), Some(position)).value(list);
        let items = match value {
            Ok(Value::Array(items)) => items,
            Ok(_) => return self.unstartable(position, "`forEach` is not a list".to_owned()),
            Err(error) => return self.unstartable(position, format!("`forEach`: {error}")),
        };
        if items.is_empty() {
            return vec![self.at(
                position,
                Change::ActivitySkipped {
                    reason: SkipReason::Condition,
                },
            )];
        }
        if items.len() > ITEMS_MAX || self.state.activities.len() + items.len() > ACTIVITIES_MAX {
            let error = format!(
                "`forEach` has {} elements; at most {ITEMS_MAX}, and {ACTIVITIES_MAX} activities in a release",
                items.len()
            );
            return self.unstartable(position, error);
        }
        vec![self.at(position, Change::ActivityExpanded { items })]
    }

    /// The items of a `forEach`: the next one that a slot is free for, or the end of all.
    fn items(&self, position: u32, may_start: bool) -> Vec<Event> {
        let group = self
            .state
            .activity(position)
            .group
            .expect("an expanded activity has items");
        if group.unsettled == 0 {
            return self.items_end(position);
        }
        let limit = self
            .state
            .planned(position)
            .max_parallel
            .unwrap_or(u32::MAX);
        if !may_start || group.occupied >= limit {
            return Vec::new();
        }
        let all = group.first..group.first + group.count;
        let stands = |standing: Standing| {
            move |item: &u32| {
                let item = self.state.activity(*item);
                item.standing == standing && item.deferred.is_none()
            }
        };
        let asked = (group.queued > 0)
            .then(|| all.clone().find(stands(Standing::Queued)))
            .flatten();
        let mut ahead = group.first + group.next..all.end;
        let Some(item) = asked.or_else(|| ahead.find(stands(Standing::Pending))) else {
            return Vec::new();
        };
        if self.state.activity(item).standing == Standing::Queued {
            return self.start(item);
        }
        self.next_item(position, item)
    }

    /// The next item that was not begun: judge its condition, and start or skip it.
    fn next_item(&self, parent: u32, item: u32) -> Vec<Event> {
        let skip = |reason| vec![self.at(item, Change::ActivitySkipped { reason })];
        let when = self.state.planned(parent).when.as_ref();
        let bad = self.upstream_is_bad(parent);
        // What came before may have failed in a run that kept these items from the run before.
        if bad && !when.is_some_and(Condition::uses_outcome) {
            return skip(SkipReason::UpstreamFailed);
        }
        if !when.is_some_and(asks_for_item) {
            return self.start(item);
        }
        match self.condition(item, bad) {
            Ok(true) => self.start(item),
            Ok(false) => skip(SkipReason::Condition),
            Err(error) => self.unstartable(item, error),
        }
    }

    fn items_end(&self, position: u32) -> Vec<Event> {
        let change = match self.state.items_roll_up(position) {
            RollUp::Success => Change::ActivitySucceeded {
                outputs: BTreeMap::new(),
            },
            RollUp::PartialSuccess => {
                let reason = "some of its items were ignored".to_owned();
                Change::ActivityIgnored {
                    outputs: BTreeMap::new(),
                    reason,
                }
            }
            RollUp::Failed => Change::ActivityFailed {
                reason: "some of its items failed".to_owned(),
            },
            RollUp::Skipped => Change::ActivitySkipped {
                reason: SkipReason::Condition,
            },
        };
        vec![self.at(position, change)]
    }

    /// Timers of an attempt under way, and children that have ended.
    fn underway(&self, position: u32) -> Vec<Event> {
        let activity = self.state.activity(position);
        let attempt = activity
            .attempt()
            .expect("what is under way has an attempt");
        if attempt.outcome.is_some() {
            return Vec::new();
        }
        if let Some(cancel) = &attempt.cancel {
            return self.stop(position, attempt, cancel.cause);
        }
        if let Some(child) = self
            .child(attempt)
            .filter(|child| child.status().is_terminal())
        {
            return self.child_ended(position, attempt, child);
        }
        match &attempt.work {
            Work::Wait { until } if *until <= self.now => {
                let result = serde_json::json!({"until": until.to_string()});
                return self.ended_well(position, attempt.number, result, None);
            }
            Work::Approval { .. } | Work::Input { .. } | Work::Tasks { .. } => {
                let facts = self.people_timers(position, attempt);
                if !facts.is_empty() {
                    return facts;
                }
            }
            _ => (),
        }
        match self.is_past(attempt.deadline) {
            true if matches!(attempt.work, Work::Effect | Work::Child { .. }) => {
                self.stop(position, attempt, CancelCause::Timeout)
            }
            true => {
                let error = "ran out of time".to_owned();
                self.ended_badly(
                    position,
                    attempt.number,
                    AttemptOutcome::TimedOut { error },
                    None,
                )
            }
            false => Vec::new(),
        }
    }

    fn child_ended(&self, position: u32, attempt: &Attempt, child: &Release) -> Vec<Event> {
        let status = child.status();
        let result = serde_json::json!({
            "release": child.id.to_string(),
            "status": status.as_str(),
            "outputs": child.outputs,
        });
        match status {
            ReleaseStatus::Success | ReleaseStatus::PartialSuccess => {
                self.ended_well(position, attempt.number, result, None)
            }
            _ => {
                let error = format!("child release `{}` ended as {}", child.id, status.as_str());
                let outcome = AttemptOutcome::Failed {
                    error,
                    retryable: false,
                    result,
                };
                self.ended_badly(position, attempt.number, outcome, None)
            }
        }
    }
}

fn asks_for_item(condition: &Condition) -> bool {
    let root = |name: &str| matches!(name, "item" | "index");
    condition
        .references()
        .any(|reference| reference.path.first().is_some_and(|name| root(name)))
}

fn may_abort(child: &Release) -> bool {
    !child.status().is_terminal() && child.life != Life::Aborting
}

/// A notice about a release as a whole, everybody named once.
pub(crate) fn notice_to(
    kind: NoticeKind,
    owners: impl IntoIterator<Item = Owner>,
    message: String,
) -> Change {
    notice(kind, distinct(owners), message)
}

/// A notice about a release as a whole.
pub(super) fn notice(kind: NoticeKind, owners: Vec<Owner>, message: String) -> Change {
    Change::OwnersNotified {
        owners,
        message,
        kind: Some(kind),
        need: None,
        phase: None,
        urgent: kind.is_urgent(),
    }
}

fn notice_of_phase(phase: &Name, owners: Vec<Owner>, message: String) -> Change {
    Change::OwnersNotified {
        owners,
        message,
        kind: Some(NoticeKind::Handover),
        need: None,
        phase: Some(phase.clone()),
        urgent: false,
    }
}

pub(super) fn distinct(owners: impl IntoIterator<Item = Owner>) -> Vec<Owner> {
    let mut owners: Vec<Owner> = owners.into_iter().collect();
    owners.sort();
    owners.dedup();
    owners
}
