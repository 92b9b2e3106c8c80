//! A release in memory: its row, its plan, its activities, and what has to be looked at again.
//!
//! Every change of an activity goes through [`State::change`], which keeps the counters, the blockers
//! of what comes after it, and the marks. The marks are not facts: they only say where to look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::effect::{Effect, Intent};
use crate::event::Work;
use crate::ids::{ActivityPath, AttemptId, Owner};
use crate::notice::Need;
use crate::plan::{PhaseIndex, Plan, PlannedActivity, PlannedPhase};
use crate::release::{
    Activity, Attempt, Counters, Life, Phase, Release, SkipReason, Standing, StartMode,
};
use crate::status::{Importance, PhaseStatus, RollUp, Verdict, roll_up};

/// How often people are reminded of one hold at most.
const REMINDERS_MAX: u32 = 10;

/// A place in a release where something may follow by itself.
///
/// Phases come first: what closes at an instant closes before anything else starts at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    Phase(usize),
    Activity(u32),
    Release,
}

/// A release in memory.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) release: Release,
    /// The compiled process, once pinned.
    pub(crate) plan: Option<Arc<Plan>>,
    /// Activities of the plan in its order, then items of `forEach`.
    pub(crate) activities: Vec<Activity>,
    /// Where something may follow by itself.
    pub(crate) agenda: BTreeSet<Spot>,
    /// What has changed since the marks were last taken.
    pub(crate) dirty: BTreeSet<Spot>,
    /// Due instants as registered with the world.
    pub(crate) dues: BTreeMap<Spot, Timestamp>,
    /// Activities that a freeze holds back.
    pub(crate) deferred: BTreeSet<u32>,
}

impl State {
    pub(crate) fn new(
        release: Release,
        plan: Option<Arc<Plan>>,
        activities: Vec<Activity>,
    ) -> Self {
        let mut state = State {
            release,
            plan,
            activities,
            agenda: BTreeSet::new(),
            dirty: BTreeSet::new(),
            dues: BTreeMap::new(),
            deferred: BTreeSet::new(),
        };
        state.find_deferred();
        state
    }

    fn find_deferred(&mut self) {
        let held = self.activities.iter().enumerate();
        let held = held.filter(|(_, activity)| activity.deferred.is_some());
        self.deferred = held.map(|(position, _)| position as u32).collect();
    }

    /// A freeze or an override has changed: what is held back may go on, or longer be held.
    pub(crate) fn look_at_deferred(&mut self) {
        let spots = self.deferred.iter().copied().map(Spot::Activity);
        self.agenda.extend(spots);
    }

    /// Marks everything that may move, for a release that was just loaded or let go on.
    pub(crate) fn look_everywhere(&mut self) {
        self.agenda.insert(Spot::Release);
        self.agenda
            .extend((0..self.release.phases.len()).map(Spot::Phase));
        let open = self
            .activities
            .iter()
            .enumerate()
            .filter(|(_, activity)| !activity.is_settled());
        self.agenda
            .extend(open.map(|(position, _)| Spot::Activity(position as u32)));
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        self.plan.as_ref().expect("a started release has its plan")
    }

    /// The plan's view of an activity; items share the one of their `forEach`.
    pub(crate) fn planned(&self, position: u32) -> &PlannedActivity {
        let plan = self.plan();
        match plan.activities.get(position as usize) {
            Some(planned) => planned,
            None => {
                let path = &self.activities[position as usize].path;
                plan.activity(path)
                    .expect("an item belongs to a planned activity")
                    .1
            }
        }
    }

    pub(crate) fn planned_phase(&self, index: PhaseIndex) -> &PlannedPhase {
        &self.plan().phases[index]
    }

    pub(crate) fn activity(&self, position: u32) -> &Activity {
        &self.activities[position as usize]
    }

    /// Position of the activity at a path, once the release has started.
    pub(crate) fn position(&self, path: &ActivityPath) -> Option<u32> {
        let plan = self.plan.as_ref()?;
        let position = match plan.paths.get(path) {
            Some(index) => *index as u32,
            None => {
                let (base, rest) = path.as_str().split_once('[')?;
                let index: u32 = rest.strip_suffix(']')?.parse().ok()?;
                let base = *plan.paths.get(&base.parse().ok()?)?;
                let group = self.activities.get(base)?.group?;
                (index < group.count).then_some(group.first + index)?
            }
        };
        ((position as usize) < self.activities.len()).then_some(position)
    }

    /// Position of the `forEach` that an item belongs to.
    pub(crate) fn parent_of(&self, position: u32) -> Option<u32> {
        self.activities[position as usize].item.as_ref()?;
        let plan = self.plan();
        let (index, _) = plan.activity(&self.activities[position as usize].path)?;
        Some(index as u32)
    }

    /// Changes an activity and everything that is counted from it.
    pub(crate) fn change(&mut self, position: u32, edit: impl FnOnce(&mut Activity)) {
        let before = contribution(self.activity(position));
        let was_settled = self.activity(position).is_settled();
        let slot_before = Slot::of(self.activity(position));
        let activity = &mut self.activities[position as usize];
        edit(activity);
        if !matches!(
            activity.standing,
            Standing::Queued | Standing::Backoff { .. }
        ) {
            activity.deferred = None;
        }
        match activity.deferred {
            Some(_) => self.deferred.insert(position),
            None => self.deferred.remove(&position),
        };
        let after = contribution(self.activity(position));
        let is_settled = self.activity(position).is_settled();
        self.move_slot(position, slot_before);
        self.dirty.insert(Spot::Activity(position));
        self.dirty.insert(Spot::Release);
        let phase_index = self.planned(position).phase;
        self.release.counters.replace(&before, &after);
        let phase = &mut self.release.phases[phase_index];
        phase.active = phase.active + after.running + after.queued - before.running - before.queued;
        phase.needs_input = phase.needs_input + after.needs_input - before.needs_input;
        if is_settled && !was_settled {
            self.settle(position, phase_index);
        }
    }

    /// Keeps the slots of a `forEach` when one of its items moves.
    fn move_slot(&mut self, position: u32, before: Slot) {
        let activity = self.activity(position);
        let (after, index) = (
            Slot::of(activity),
            activity.item.as_ref().map(|item| item.index),
        );
        if before == after {
            return;
        }
        let (Some(index), Some(parent)) = (index, self.parent_of(position)) else {
            return;
        };
        let group = self.activities[parent as usize].group.as_mut();
        let group = group.expect("an item has an expanded parent");
        group.occupied = group.occupied + after.held() - before.held();
        group.queued = group.queued + after.asked() - before.asked();
        group.next = group.next.max(index + 1);
        self.dirty.insert(Spot::Activity(parent));
        self.agenda.insert(Spot::Activity(parent));
    }

    /// Tells everything that waited for an activity that it is settled.
    fn settle(&mut self, position: u32, phase_index: PhaseIndex) {
        if let Some(parent) = self.parent_of(position) {
            let group = self.activities[parent as usize].group.as_mut();
            group.expect("an item has an expanded parent").unsettled -= 1;
            self.dirty.insert(Spot::Activity(parent));
            self.agenda.insert(Spot::Activity(parent));
            return;
        }
        let plan = Arc::clone(self.plan());
        let planned = &plan.activities[position as usize];
        for dependent in &planned.dependents {
            let blocked = &mut self.activities[*dependent];
            blocked.blockers -= 1;
            self.dirty.insert(Spot::Activity(*dependent as u32));
            if blocked.blockers == 0 {
                self.agenda.insert(Spot::Activity(*dependent as u32));
            }
        }
        let phase = &mut self.release.phases[phase_index];
        phase.unsettled -= 1;
        if phase.unsettled == 0 {
            self.agenda.insert(Spot::Phase(phase_index));
        }
        if planned.is_gate {
            phase.gates_unsettled -= 1;
            if phase.gates_unsettled == 0 {
                self.look_at(plan.phases[phase_index].activities.clone());
            }
        }
    }

    /// Ends a phase and tells everything that waited for it.
    pub(crate) fn end_phase(&mut self, index: PhaseIndex, edit: impl FnOnce(&mut Phase)) {
        edit(&mut self.release.phases[index]);
        let plan = Arc::clone(self.plan());
        for dependent in &plan.phases[index].dependents {
            let blocked = &mut self.release.phases[*dependent];
            blocked.blockers -= 1;
            self.dirty.insert(Spot::Phase(*dependent));
            if blocked.blockers == 0 {
                self.agenda.insert(Spot::Phase(*dependent));
            }
        }
        self.agenda.insert(Spot::Release);
        self.dirty.extend([Spot::Release, Spot::Phase(index)]);
    }

    pub(crate) fn look_at(&mut self, activities: std::ops::Range<usize>) {
        self.agenda
            .extend(activities.map(|index| Spot::Activity(index as u32)));
    }

    /// Counts everything anew from where the activities and phases stand.
    ///
    /// For the rare changes that take settled work back: a new run, a failure that is up for a decision again.
    pub(crate) fn recount(&mut self) {
        let plan = Arc::clone(self.plan());
        // What was held back is judged anew, when it is its turn.
        for activity in &mut self.activities {
            activity.deferred = None;
        }
        self.deferred.clear();
        self.release.counters = Counters::default();
        for phase in &mut self.release.phases {
            (
                phase.unsettled,
                phase.gates_unsettled,
                phase.active,
                phase.needs_input,
            ) = (0, 0, 0, 0);
        }
        for (index, planned) in plan.activities.iter().enumerate() {
            let unsettled = |index: &&usize| !self.activities[**index].is_settled();
            let blockers = planned.depends_on.iter().filter(unsettled).count() as u32;
            self.activities[index].blockers = blockers;
            let phase = &mut self.release.phases[planned.phase];
            if !self.activities[index].is_settled() {
                phase.unsettled += 1;
                phase.gates_unsettled += u32::from(planned.is_gate);
            }
            if let Some(group) = self.activities[index].group {
                let items = group.first as usize..(group.first + group.count) as usize;
                let open = self.activities[items.clone()]
                    .iter()
                    .filter(|item| !item.is_settled());
                let unsettled = open.count() as u32;
                let slots = || self.activities[items.clone()].iter().map(Slot::of);
                let occupied = slots().map(Slot::held).sum();
                let queued = slots().map(Slot::asked).sum();
                let group = self.activities[index].group.as_mut().expect("just seen");
                (group.unsettled, group.occupied, group.queued) = (unsettled, occupied, queued);
            }
        }
        for position in 0..self.activities.len() as u32 {
            let share = contribution(self.activity(position));
            self.release.counters.replace(&Counters::default(), &share);
            let phase_index = self.planned(position).phase;
            let phase = &mut self.release.phases[phase_index];
            phase.active += share.running + share.queued;
            phase.needs_input += share.needs_input;
            self.dirty.insert(Spot::Activity(position));
        }
        for (index, planned) in plan.phases.iter().enumerate() {
            let ended = |before: &&usize| self.release.phases[**before].status.is_terminal();
            let open = planned.depends_on.len() - planned.depends_on.iter().filter(ended).count();
            self.release.phases[index].blockers = open as u32;
            self.dirty.insert(Spot::Phase(index));
        }
        self.dirty.insert(Spot::Release);
        self.look_everywhere();
    }

    /// When a spot has to be looked at again by itself.
    pub(crate) fn due(&self, spot: Spot) -> Option<Timestamp> {
        let release = &self.release;
        if release.quarantine.is_some() {
            return None;
        }
        match (spot, release.life) {
            (Spot::Release, _) => self.release_due(),
            (_, Life::Draft | Life::Scheduled | Life::Queued | Life::Ended { .. }) => None,
            (Spot::Phase(index), Life::Underway) => self.phase_due(&release.phases[index]),
            (Spot::Phase(_), Life::Aborting) => None,
            (Spot::Activity(position), life) => {
                let activity = self.activities.get(position as usize)?;
                let hold = self.hold_due(position);
                self.activity_due(activity, life)
                    .into_iter()
                    .chain(hold)
                    .min()
            }
        }
    }

    /// When the release starts by itself, or is late and people are told so.
    fn release_due(&self) -> Option<Timestamp> {
        let release = &self.release;
        let start = match (release.life, release.start_mode) {
            (Life::Scheduled, StartMode::Auto) => {
                // What is not ready has been told at the start time; from then on a person moves it.
                let blocked = release.blocked_since.is_some() && !self.blocking().is_empty();
                release.start_at.filter(|_| !blocked)
            }
            (Life::Scheduled, StartMode::Manual) => {
                release.start_at.filter(|_| !release.start_missed)
            }
            _ => None,
        };
        let end = match release.life {
            Life::Scheduled | Life::Queued | Life::Underway => {
                release.expected_end_at.filter(|_| !release.overdue)
            }
            Life::Draft | Life::Aborting | Life::Ended { .. } => None,
        };
        start.into_iter().chain(end).min()
    }

    /// What an activity holds for, and since when; none if it waits for nobody.
    ///
    /// An approval with a deadline or a reminder of its own follows those instead.
    pub(crate) fn hold(&self, position: u32) -> Option<Hold> {
        let activity = self.activity(position);
        if self.release.life != Life::Underway {
            return None;
        }
        let attempt = activity.attempt()?;
        let policy = &self.plan().holds;
        if activity.awaits_decision() {
            return Some(Hold {
                need: Need::Decision,
                since: attempt.ended_at.unwrap_or(attempt.started_at),
                remind: policy.remind,
                escalate_after: policy.escalate_after,
            });
        }
        let open = attempt.outcome.is_none() && attempt.cancel.is_none();
        if activity.standing != Standing::Underway || !open {
            return None;
        }
        let (need, remind) = match &attempt.work {
            Work::Approval { rule, .. } if rule.deadline.is_none() && rule.remind.is_none() => {
                (Need::Approval, None)
            }
            Work::Input { form, .. } => (Need::Input, form.remind),
            Work::Tasks { .. } => (Need::Tasks, None),
            _ => return None,
        };
        Some(Hold {
            need,
            since: attempt.started_at,
            remind: remind.map_or(policy.remind, |remind| remind.get()),
            escalate_after: policy.escalate_after,
        })
    }

    /// When somebody is reminded of a hold next, while that still happens.
    pub(crate) fn reminder_due(&self, position: u32) -> Option<Timestamp> {
        let hold = self.hold(position)?;
        let activity = self.activity(position);
        let sent = activity.reminders.max(u32::from(activity.reminded));
        if sent >= REMINDERS_MAX || hold.remind.is_zero() {
            return None;
        }
        let after = hold.remind.checked_mul(i32::try_from(sent + 1).ok()?)?;
        hold.since.checked_add(after).ok()
    }

    /// When others are told of a hold that nobody answers, and who; none if there is nobody else.
    pub(crate) fn escalation_due(&self, position: u32) -> Option<(Timestamp, Vec<Owner>)> {
        let activity = self.activity(position);
        if activity.escalated {
            return None;
        }
        let hold = self.hold(position)?;
        let named = &self.plan().holds.escalate_to;
        let others = if named.is_empty() {
            self.managers()
        } else {
            named.clone()
        };
        let others: Vec<Owner> = others
            .into_iter()
            .filter(|owner| !activity.needs.contains(owner))
            .collect();
        if others.is_empty() {
            return None;
        }
        Some((hold.since.checked_add(hold.escalate_after).ok()?, others))
    }

    fn hold_due(&self, position: u32) -> Option<Timestamp> {
        let escalation = self.escalation_due(position).map(|(at, _)| at);
        self.reminder_due(position)
            .into_iter()
            .chain(escalation)
            .min()
    }

    fn phase_due(&self, phase: &Phase) -> Option<Timestamp> {
        let opens = match phase.status {
            PhaseStatus::Pending if phase.blockers == 0 && self.release.pause.is_none() => {
                phase.window.opens_at
            }
            _ => None,
        };
        let closes = match phase.status {
            PhaseStatus::Running if !phase.closed => phase.window.closes_at,
            _ => None,
        };
        opens.or(closes)
    }

    fn activity_due(&self, activity: &Activity, life: Life) -> Option<Timestamp> {
        let may_start = life == Life::Underway && self.release.pause.is_none();
        if let Some(deferral) = activity.deferred.as_ref().filter(|_| may_start) {
            return Some(deferral.ends_at.min(deferral.until));
        }
        match &activity.standing {
            Standing::Backoff { retry_at } if may_start => Some(*retry_at),
            Standing::Undecided { deadline, .. } if life == Life::Underway => *deadline,
            Standing::Underway => activity
                .attempt()
                .and_then(|attempt| attempt_due(attempt, activity)),
            _ => None,
        }
    }

    /// The effect that should be in flight for an activity.
    pub(crate) fn effect(&self, position: u32) -> Option<Effect> {
        let activity = self.activity(position);
        if activity.standing != Standing::Underway {
            return None;
        }
        let attempt = activity.attempt()?;
        if attempt.work != Work::Effect || attempt.outcome.is_some() {
            return None;
        }
        Some(Effect {
            id: AttemptId {
                release: self.release.id,
                path: activity.path.clone(),
                number: attempt.number,
            },
            key: attempt.key.clone(),
            uses: self.planned(position).uses,
            config: attempt.config.clone(),
            organization: self.release.organization.clone(),
            handle: attempt.handle.clone(),
            intent: if attempt.cancel.is_some() {
                Intent::Cancel
            } else {
                Intent::Perform
            },
            started_at: attempt.started_at,
            deadline: attempt.deadline,
        })
    }

    /// Who is responsible for an activity: the nearest owners that somebody named (1-model.md, Release).
    pub(crate) fn owners(&self, position: u32) -> Vec<Owner> {
        let planned = self.planned(position);
        [
            self.named_for_activity(planned),
            self.named_for_phase(self.planned_phase(planned.phase)),
        ]
        .into_iter()
        .find(|named| !named.is_empty())
        .map_or_else(|| self.managers(), <[Owner]>::to_vec)
    }

    /// The owners that somebody named for this very activity.
    fn named_for_activity<'a>(&'a self, planned: &'a PlannedActivity) -> &'a [Owner] {
        match self.release.owners.get(planned.path.as_str()) {
            Some(owners) if !owners.is_empty() => owners,
            _ => &planned.owners,
        }
    }

    /// The owners that somebody named for this phase.
    fn named_for_phase<'a>(&'a self, planned: &'a PlannedPhase) -> &'a [Owner] {
        match self.release.owners.get(planned.id.as_str()) {
            Some(owners) if !owners.is_empty() => owners,
            _ => &planned.owners,
        }
    }

    /// Whose turn it is when a phase comes: its owners, or else those of its activities.
    pub(crate) fn people_of_phase(&self, index: PhaseIndex) -> Vec<Owner> {
        let phase = self.planned_phase(index);
        let owners = self.named_for_phase(phase);
        if !owners.is_empty() {
            return owners.to_vec();
        }
        let all = phase.gates.clone().chain(phase.activities.clone());
        let activities = all.map(|position| &self.plan().activities[position]);
        activities
            .flat_map(|planned| self.named_for_activity(planned))
            .cloned()
            .collect()
    }

    /// Everybody who owns a part of the release by name.
    pub(crate) fn people_of_parts(&self) -> impl Iterator<Item = Owner> {
        let plan = self.plan();
        let phases = plan
            .phases
            .iter()
            .flat_map(|phase| self.named_for_phase(phase));
        let activities = plan
            .activities
            .iter()
            .flat_map(|planned| self.named_for_activity(planned));
        phases.chain(activities).cloned()
    }

    /// Who answers for the release as a whole.
    pub(crate) fn managers(&self) -> Vec<Owner> {
        match &self.release.manager {
            Some(manager) => vec![manager.clone()],
            None => vec![Owner::Role(release_manager())],
        }
    }

    /// What the end of an activity means to its phase.
    pub(crate) fn verdict(&self, position: u32) -> Verdict {
        verdict(self.activity(position))
    }

    /// What the end of a phase means to the release.
    pub(crate) fn phase_verdict(&self, index: PhaseIndex) -> Verdict {
        let phase = &self.release.phases[index];
        match (phase.status, &phase.reason) {
            (PhaseStatus::Skipped, Some(SkipReason::Condition) | None) => {
                Verdict::Good { skipped: true }
            }
            (PhaseStatus::Skipped, Some(SkipReason::Closed { failed: false })) => {
                Verdict::Good { skipped: true }
            }
            (PhaseStatus::Success, _) => Verdict::Good { skipped: false },
            (PhaseStatus::PartialSuccess, _) => Verdict::Waived,
            _ => Verdict::Bad,
        }
    }

    /// What a phase's activities add up to; only meaningful once all are settled.
    pub(crate) fn phase_roll_up(&self, index: PhaseIndex) -> RollUp {
        let phase = self.planned_phase(index);
        let positions = phase.gates.clone().chain(phase.activities.clone());
        let children = positions.map(|position| {
            (
                self.plan().activities[position].importance,
                self.verdict(position as u32),
            )
        });
        roll_up(children, true)
    }

    /// What the phases add up to; only meaningful once all have ended.
    pub(crate) fn release_roll_up(&self) -> RollUp {
        let plan = self.plan();
        let children = (0..plan.phases.len())
            .map(|index| (plan.phases[index].importance, self.phase_verdict(index)));
        roll_up(children, plan.allow_partial_success)
    }

    /// What the items of a `forEach` add up to.
    pub(crate) fn items_roll_up(&self, parent: u32) -> RollUp {
        let group = self
            .activity(parent)
            .group
            .expect("only an expanded `forEach` is rolled up");
        let items = group.first..group.first + group.count;
        roll_up(
            items.map(|position| (Importance::Critical, self.verdict(position))),
            true,
        )
    }
}

/// People that an activity waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// What for.
    pub(crate) need: Need,
    /// Since when.
    pub(crate) since: Timestamp,
    /// How long until they are reminded, again and again.
    pub(crate) remind: SignedDuration,
    /// How long until others are told.
    pub(crate) escalate_after: SignedDuration,
}

/// How an item of a `forEach` stands towards `maxParallel`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Not begun.
    Ahead,
    /// Holds a slot: under way, or between two automatic attempts.
    Held,
    /// Was retried by a person and waits for a slot.
    Asked,
    /// Needs none: settled, held back by a freeze, or a person decides.
    Free,
}

impl Slot {
    fn of(activity: &Activity) -> Slot {
        match activity.standing {
            Standing::Pending => Slot::Ahead,
            Standing::Underway | Standing::Backoff { .. } => Slot::Held,
            Standing::Queued if activity.deferred.is_some() => Slot::Free,
            Standing::Queued => Slot::Asked,
            _ => Slot::Free,
        }
    }

    fn held(self) -> u32 {
        u32::from(self == Slot::Held)
    }

    fn asked(self) -> u32 {
        u32::from(self == Slot::Asked)
    }
}

/// The role that answers where nobody is named.
pub(crate) fn release_manager() -> crate::ids::Name {
    "release-manager".parse().expect("a valid name")
}

fn verdict(activity: &Activity) -> Verdict {
    match &activity.standing {
        Standing::Success => Verdict::Good { skipped: false },
        Standing::Ignored { .. } => Verdict::Waived,
        Standing::Skipped { reason } => match reason {
            SkipReason::Condition | SkipReason::Closed { failed: false } => {
                Verdict::Good { skipped: true }
            }
            SkipReason::UpstreamFailed
            | SkipReason::Closed { failed: true }
            | SkipReason::Invalid { .. } => Verdict::Bad,
        },
        _ => Verdict::Bad,
    }
}

fn attempt_due(attempt: &Attempt, activity: &Activity) -> Option<Timestamp> {
    if attempt.outcome.is_some() {
        return None;
    }
    if let Some(cancel) = &attempt.cancel {
        return Some(cancel.confirm_by);
    }
    let own = match &attempt.work {
        Work::Wait { until } => Some(*until),
        Work::Approval {
            remind_at,
            deadline_at,
            ..
        } => {
            let remind = remind_at.filter(|_| !activity.reminded);
            let deadline = deadline_at.filter(|_| !activity.overdue);
            remind.into_iter().chain(deadline).min()
        }
        Work::Effect
        | Work::Input { .. }
        | Work::Tasks { .. }
        | Work::Child { .. }
        | Work::Nothing => None,
    };
    own.into_iter().chain(attempt.deadline).min()
}

/// What one activity adds to the counters; an expanded `forEach` adds nothing, its items do.
fn contribution(activity: &Activity) -> Counters {
    let mut share = Counters::default();
    if activity.group.is_some() {
        return share;
    }
    share.total = 1;
    match &activity.standing {
        Standing::Pending => share.pending = 1,
        Standing::Queued | Standing::Backoff { .. } => share.queued = 1,
        Standing::Underway if activity.asks_people() => share.needs_input = 1,
        Standing::Underway | Standing::Expanded => share.running = 1,
        Standing::Undecided { unknown, .. } => {
            share.needs_input = 1;
            share.failed = u32::from(!unknown);
        }
        Standing::Success => share.succeeded = 1,
        Standing::Failed { .. } => share.failed = 1,
        Standing::Ignored { .. } => share.ignored = 1,
        Standing::Skipped { .. } => share.skipped = 1,
        Standing::Aborted => share.aborted = 1,
    }
    share
}

impl Counters {
    /// Takes one share out and puts another in.
    fn replace(&mut self, before: &Counters, after: &Counters) {
        let Counters {
            total,
            pending,
            queued,
            running,
            needs_input,
            succeeded,
            failed,
            ignored,
            skipped,
            aborted,
        } = self;
        *total = *total + after.total - before.total;
        *pending = *pending + after.pending - before.pending;
        *queued = *queued + after.queued - before.queued;
        *running = *running + after.running - before.running;
        *needs_input = *needs_input + after.needs_input - before.needs_input;
        *succeeded = *succeeded + after.succeeded - before.succeeded;
        *failed = *failed + after.failed - before.failed;
        *ignored = *ignored + after.ignored - before.ignored;
        *skipped = *skipped + after.skipped - before.skipped;
        *aborted = *aborted + after.aborted - before.aborted;
    }
}
