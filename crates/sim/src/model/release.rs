//! One release as the journal tells it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use trainmaster_core::event::{
    AttemptOutcome, AttemptStarted, Change, Event, Parent, ReleaseCreated, ReleaseEdited, Window,
    Work,
};
use trainmaster_core::ids::{EffectKey, Name, ReleaseId, ResourceKey};
use trainmaster_core::release::SkipReason;
use trainmaster_core::status::{ActivityStatus, PhaseStatus, ReleaseStatus};

use super::approvals::Poll;
use super::plan::Plan;

/// A release.
#[derive(Debug)]
pub(super) struct ModelRelease {
    pub(super) process: ResourceKey,
    pub(super) created_by: String,
    pub(super) plan: Option<Plan>,
    pub(super) parent: Option<Parent>,
    pub(super) after: BTreeMap<ReleaseId, bool>,
    pub(super) life: Life,
    pub(super) paused: bool,
    pub(super) run: u32,
    /// Whether the next run keeps what was finished.
    pub(super) kept: bool,
    pub(super) phases: Vec<ModelPhase>,
    pub(super) activities: BTreeMap<String, ModelActivity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Draft,
    Scheduled,
    Queued,
    Underway,
    Aborting,
    Ended(ReleaseStatus),
}

#[derive(Clone, Debug)]
pub(super) struct ModelPhase {
    pub(super) stand: PhaseStand,
    pub(super) window: Window,
    pub(super) closed: bool,
    /// Whether it has begun in this run, or in the one before whose finished work is kept.
    pub(super) begun: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PhaseStand {
    Pending,
    Running,
    Ended(PhaseStatus, Option<SkipReason>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelActivity {
    pub(super) stand: Stand,
    pub(super) attempts: BTreeMap<u32, ModelAttempt>,
    /// Attempts since the flow or a person began, and when the first of them did.
    pub(super) counted: u32,
    pub(super) counted_since: Option<Timestamp>,
    pub(super) round: u32,
    pub(super) changes: BTreeMap<String, Value>,
    pub(super) poll: Option<Poll>,
    pub(super) items: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Stand {
    #[default]
    Pending,
    Expanded,
    /// An attempt is under way.
    Open(u32),
    /// An attempt has ended; what follows is in the same batch.
    Closed(AttemptOutcome),
    Backoff(Timestamp),
    /// A person retried it.
    Queued,
    Undecided {
        unknown: bool,
    },
    Settled(End),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Success,
    Failed,
    Ignored,
    Skipped(SkipReason),
    Aborted,
}

#[derive(Clone, Debug)]
pub(super) struct ModelAttempt {
    pub(super) run: u32,
    pub(super) round: u32,
    pub(super) key: EffectKey,
    pub(super) work: Work,
    /// Whether it was asked to stop.
    pub(super) cancelled: bool,
}

impl Life {
    pub(super) fn is(self, status: ReleaseStatus) -> bool {
        match self {
            Life::Draft => status == ReleaseStatus::Draft,
            Life::Scheduled => status == ReleaseStatus::Scheduled,
            Life::Queued => status == ReleaseStatus::Queued,
            Life::Underway => matches!(status, ReleaseStatus::Running | ReleaseStatus::OnHold),
            Life::Aborting => status == ReleaseStatus::Aborting,
            Life::Ended(ended) => status == ended,
        }
    }

    pub(super) fn is_ended(self) -> bool {
        matches!(self, Life::Ended(_))
    }
}

impl Stand {
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Stand::Settled(_))
    }

    pub(super) fn is(&self, status: ActivityStatus) -> bool {
        use ActivityStatus as S;
        match self {
            Stand::Pending => status == S::Pending,
            Stand::Expanded => status == S::Running,
            Stand::Open(_) => matches!(status, S::Running | S::OnHold),
            Stand::Closed(_) => false,
            Stand::Backoff(_) | Stand::Queued => status == S::Queued,
            Stand::Undecided { unknown: true } => status == S::OnHold,
            Stand::Undecided { unknown: false } => status == S::Failed,
            Stand::Settled(End::Success) => status == S::Success,
            Stand::Settled(End::Failed) => status == S::Failed,
            Stand::Settled(End::Ignored) => status == S::Ignored,
            Stand::Settled(End::Skipped(_)) => status == S::Skipped,
            Stand::Settled(End::Aborted) => status == S::Aborted,
        }
    }
}

impl ModelRelease {
    pub(super) fn new(created: &ReleaseCreated, by: &str) -> ModelRelease {
        ModelRelease {
            process: created.process.clone(),
            created_by: by.to_owned(),
            plan: None,
            parent: None,
            after: created
                .after
                .iter()
                .map(|release| (*release, false))
                .collect(),
            life: Life::Draft,
            paused: false,
            run: 0,
            kept: false,
            phases: Vec::new(),
            activities: BTreeMap::new(),
        }
    }

    pub(super) fn edit(&mut self, edit: &ReleaseEdited) {
        if let Some(process) = &edit.process {
            self.process = process.clone();
        }
        if let Some(after) = &edit.after {
            self.after = after.iter().map(|release| (*release, false)).collect();
        }
    }

    /// The position of a phase that an event names.
    pub(super) fn phase(&self, id: &Name) -> Option<usize> {
        self.plan.as_ref()?.phase(id.as_str())
    }

    pub(super) fn start(&mut self, run: u32, windows: &BTreeMap<Name, Window>) {
        let Some(plan) = self.plan.clone() else {
            return;
        };
        self.life = Life::Underway;
        self.run = run;
        if std::mem::take(&mut self.kept) && !self.phases.is_empty() {
            self.begin_unfinished();
        } else {
            let blank = ModelPhase {
                stand: PhaseStand::Pending,
                window: Window::default(),
                closed: false,
                begun: false,
            };
            self.phases = vec![blank; plan.phases.len()];
            self.activities.values_mut().for_each(ModelActivity::begin);
            for planned in plan.activities() {
                self.activities
                    .entry(planned.path.clone())
                    .or_default()
                    .items = 0;
            }
        }
        for (phase, planned) in self.phases.iter_mut().zip(&plan.phases) {
            let window = windows.iter().find(|(id, _)| id.as_str() == planned.id);
            if let Some((_, window)) = window {
                phase.window = *window;
            }
        }
    }

    /// Finished work stays, the rest begins anew; a phase that has ended well stays as a whole.
    fn begin_unfinished(&mut self) {
        let kept: Vec<bool> = self.phases.iter().map(ModelPhase::is_kept).collect();
        let plan = self.plan.as_ref();
        for (path, activity) in &mut self.activities {
            let phase = plan
                .and_then(|plan| plan.place(path))
                .map(|(phase, ..)| phase);
            if phase.is_some_and(|phase| !kept[phase]) {
                activity.begin_if_unfinished();
            }
        }
        for (phase, kept) in self.phases.iter_mut().zip(kept) {
            if !kept {
                phase.closed = false;
                phase.stand = if phase.begun {
                    PhaseStand::Running
                } else {
                    PhaseStand::Pending
                };
            }
        }
    }

    pub(super) fn start_phase(&mut self, id: &Name) {
        if let Some(index) = self.phase(id) {
            self.phases[index].stand = PhaseStand::Running;
            self.phases[index].begun = true;
        }
    }

    pub(super) fn finish_phase(
        &mut self,
        id: &Name,
        status: PhaseStatus,
        reason: Option<&SkipReason>,
    ) {
        let Some(index) = self.phase(id) else { return };
        if let Some(reason) = reason {
            let children = match reason {
                SkipReason::Invalid { .. } => SkipReason::UpstreamFailed,
                other => other.clone(),
            };
            self.skip_pending(index, &children);
        }
        self.phases[index].stand = PhaseStand::Ended(status, reason.cloned());
    }

    pub(super) fn close_phase(&mut self, id: &Name) {
        let Some(index) = self.phase(id) else { return };
        let failed = self
            .plan
            .as_ref()
            .is_some_and(|plan| plan.phases[index].closing_fails);
        self.phases[index].closed = true;
        self.skip_pending(index, &SkipReason::Closed { failed });
    }

    fn skip_pending(&mut self, index: usize, reason: &SkipReason) {
        let Some(plan) = &self.plan else { return };
        for (path, activity) in &mut self.activities {
            let here = plan.place(path).is_some_and(|(phase, ..)| phase == index);
            if here && activity.stand == Stand::Pending {
                activity.stand = Stand::Settled(End::Skipped(reason.clone()));
            }
        }
    }

    /// It has ended: whatever was open never will be.
    pub(super) fn finish(&mut self, status: ReleaseStatus) {
        self.life = Life::Ended(status);
        self.paused = false;
        for activity in self.activities.values_mut() {
            if !activity.stand.is_settled() {
                activity.stand = Stand::Settled(End::Aborted);
            }
        }
        for phase in &mut self.phases {
            if !matches!(phase.stand, PhaseStand::Ended(..)) {
                phase.stand = PhaseStand::Ended(PhaseStatus::Aborted, None);
            }
        }
    }

    /// Paths of the items of a `forEach`.
    pub(super) fn items(&self, path: &str) -> Vec<String> {
        let count = self
            .activities
            .get(path)
            .map_or(0, |activity| activity.items);
        (0..count).map(|index| format!("{path}[{index}]")).collect()
    }

    pub(super) fn take_activity(&mut self, path: &str, event: &Event) {
        if let Change::ReleaseReopened = event.change {
            return self.reopen(path);
        }
        if let Change::ActivityExpanded { items } = &event.change {
            for index in 0..items.len() {
                self.activities
                    .entry(format!("{path}[{index}]"))
                    .or_default()
                    .begin();
            }
        }
        let run = self.run;
        let Some(activity) = self.activities.get_mut(path) else {
            return;
        };
        activity.take(run, event);
    }

    /// A failure is up for a decision again; what was skipped because of it is pending again.
    /// Other phases that have ended by themselves stay as they are.
    fn reopen(&mut self, path: &str) {
        self.life = Life::Underway;
        let Some(plan) = &self.plan else { return };
        let own = plan.place(path).map(|(phase, ..)| phase);
        let skipped = PhaseStand::Ended(PhaseStatus::Skipped, Some(SkipReason::UpstreamFailed));
        let mut revived = Vec::new();
        for (index, phase) in self.phases.iter_mut().enumerate() {
            revived.push(Some(index) == own || phase.stand == skipped);
            if Some(index) == own {
                phase.stand = PhaseStand::Running;
            } else if phase.stand == skipped {
                phase.stand = PhaseStand::Pending;
            }
        }
        let upstream = Stand::Settled(End::Skipped(SkipReason::UpstreamFailed));
        for (path, activity) in &mut self.activities {
            let revives = plan.place(path).is_some_and(|(phase, ..)| revived[phase]);
            if revives && activity.stand == upstream {
                activity.stand = Stand::Pending;
            }
        }
        let base = path.split_once('[').map(|(base, _)| base.to_owned());
        let undecided = (Some(path.to_owned()), Stand::Undecided { unknown: false });
        for (reopened, stand) in [undecided, (base, Stand::Expanded)] {
            if let Some(activity) = reopened.and_then(|path| self.activities.get_mut(&path)) {
                activity.stand = stand;
            }
        }
    }
}

impl ModelPhase {
    /// Whether a restart from the first unfinished activity leaves it as it is.
    fn is_kept(&self) -> bool {
        match &self.stand {
            PhaseStand::Ended(PhaseStatus::Success | PhaseStatus::PartialSuccess, _) => true,
            PhaseStand::Ended(PhaseStatus::Skipped, reason) => {
                *reason == Some(SkipReason::Condition)
            }
            _ => false,
        }
    }
}

impl ModelActivity {
    /// Not begun; earlier attempts stay.
    fn begin(&mut self) {
        let attempts = std::mem::take(&mut self.attempts);
        *self = ModelActivity {
            attempts,
            ..ModelActivity::default()
        };
    }

    fn begin_if_unfinished(&mut self) {
        let finished = match &self.stand {
            Stand::Settled(End::Success | End::Ignored) => true,
            Stand::Settled(End::Skipped(reason)) => *reason == SkipReason::Condition,
            _ => false,
        };
        if !finished {
            let items = self.items;
            self.begin();
            self.items = items;
            if items > 0 {
                self.stand = Stand::Expanded;
            }
        }
    }

    fn take(&mut self, run: u32, event: &Event) {
        match &event.change {
            Change::ActivityExpanded { items } => {
                self.stand = Stand::Expanded;
                self.items = items.len();
            }
            Change::AttemptStarted(started) => self.start(run, started, event.at),
            Change::AttemptFinished { outcome, .. } => self.stand = Stand::Closed(outcome.clone()),
            Change::AttemptCancelRequested { attempt, .. } => {
                if let Some(attempt) = self.attempts.get_mut(attempt) {
                    attempt.cancelled = true;
                }
            }
            Change::RetryScheduled { retry_at } => self.stand = Stand::Backoff(*retry_at),
            Change::DecisionNeeded { unknown, .. } => {
                self.stand = Stand::Undecided { unknown: *unknown };
            }
            Change::ActivityRetried { inputs, .. } => {
                self.round += u32::from(self.changes != *inputs);
                self.changes.clone_from(inputs);
                (self.counted, self.counted_since) = (0, None);
                self.stand = Stand::Queued;
            }
            Change::ActivitySucceeded { .. } => self.stand = Stand::Settled(End::Success),
            Change::ActivityFailed { .. } => self.stand = Stand::Settled(End::Failed),
            Change::ActivityIgnored { .. } => self.stand = Stand::Settled(End::Ignored),
            Change::ActivitySkipped { reason } => {
                self.stand = Stand::Settled(End::Skipped(reason.clone()))
            }
            Change::ActivityAborted => self.stand = Stand::Settled(End::Aborted),
            Change::ApprovalDecided {
                user,
                entries,
                decision,
                ..
            } => {
                if let Some(poll) = &mut self.poll {
                    poll.votes.push((user.clone(), entries.clone(), *decision));
                }
            }
            Change::ApprovalVoided { .. } => {
                if let Some(poll) = &mut self.poll {
                    poll.votes.clear();
                }
            }
            Change::ApprovalEscalated { to } => {
                if let Some(poll) = &mut self.poll {
                    poll.escalated.clone_from(to);
                }
            }
            _ => (),
        }
    }

    fn start(&mut self, run: u32, started: &AttemptStarted, at: Timestamp) {
        self.stand = Stand::Open(started.attempt);
        self.counted += 1;
        self.counted_since = self.counted_since.or(Some(at));
        self.poll = match &started.work {
            Work::Approval { rule, .. } => Some(Poll::new(rule.clone())),
            _ => None,
        };
        let attempt = ModelAttempt {
            run,
            round: self.round,
            key: started.key.clone(),
            work: started.work.clone(),
            cancelled: false,
        };
        self.attempts.insert(started.attempt, attempt);
    }
}
