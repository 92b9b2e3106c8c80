//! What happens when the store or the domain fails: drop the world, load it, judge again what was not durable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use trainmaster_core::Command;
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::ReleaseId;

use super::{Commit, Driver, End, Judged, Open, Parts, TAKEN_MAX, landing};
use crate::engine::{Earlier, Request, State, Submission, SubmitError};
use crate::kernel::{Kernel, Poisoned};
use crate::metrics::Counters;
use crate::ports::{Batch, Store, StoreError};

/// How many panics that belong to nothing are endured before the engine gives up.
const PANICS_MAX: u32 = 3;

const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(30);

/// A batch of which nobody knows whether it is durable.
struct Lost {
    commit: Commit,
    error: StoreError,
}

impl Driver {
    /// A commit has failed.
    pub(super) async fn recover(&mut self, commit: Commit, error: StoreError) -> Result<(), End> {
        self.judge_again();
        self.reload(Some(Lost { commit, error })).await
    }

    /// The domain has panicked: the release is quarantined, everything else is judged again.
    pub(super) async fn heal(
        &mut self,
        poisoned: Poisoned,
        culprit: Option<Submission>,
    ) -> Result<(), End> {
        Counters::add(&self.parts.counters.panics, 1);
        let Poisoned { release, reason } = &poisoned;
        tracing::error!(
            release = release.map(|release| release.to_string()),
            reason,
            "handling panicked"
        );
        let lost = self.settle_commit().await;
        let part = Part::of(culprit.as_ref(), poisoned.release);
        if let Some(culprit) = culprit {
            self.return_culprit(culprit, part, &poisoned);
        }
        self.judge_again();
        match poisoned.release {
            Some(release) if self.is_hopeless(release, part) => {
                tracing::error!(%release, "a release that cannot be quarantined is left out");
                self.left_out.insert(release);
                self.reload(lost).await
            }
            Some(release) => {
                self.reload(lost).await?;
                // Before all others, or it would panic again in their course.
                self.quarantine(release, poisoned.reason);
                Ok(())
            }
            None if part == Part::Own => self.reload(lost).await,
            None => {
                self.panics_unplaced += 1;
                if self.panics_unplaced > PANICS_MAX {
                    return Err(End::Broken(poisoned.reason));
                }
                self.reload(lost).await
            }
        }
    }

    /// A release cannot even be quarantined: it is not loaded any more, so that the others can go on.
    pub(super) async fn leave_out(&mut self, release: ReleaseId) -> Result<(), End> {
        tracing::error!(%release, "a release that cannot be quarantined is left out");
        let lost = self.settle_commit().await;
        self.left_out.insert(release);
        self.judge_again();
        self.reload(lost).await
    }

    /// Takes nothing for a while that grows with each failure; callers are told when to come back.
    pub(super) async fn hold(&mut self, why: String) -> Result<(), End> {
        self.failures += 1;
        let delay = self.delay();
        let until = self
            .parts
            .clock
            .now()
            .saturating_add(delay)
            .unwrap_or(jiff::Timestamp::MAX);
        self.parts.state.send_replace(State::Degraded(why.clone()));
        let callers = std::mem::take(&mut self.input);
        self.refuse(callers, &why);
        let clock = self.parts.clock.clone();
        let mut sleep = clock.sleep_until(until);
        loop {
            let mut received = Vec::new();
            tokio::select! {
                biased;
                () = self.parts.stopping.cancelled() => return Err(End::Asked),
                () = &mut sleep => break,
                count = self.parts.queue.recv_many(&mut received, TAKEN_MAX) => {
                    if count == 0 {
                        return Err(End::Asked);
                    }
                    self.refuse(received, &why);
                }
            }
        }
        Ok(())
    }

    /// What a caller is told while the store does not work.
    pub(super) fn unavailable(&self, why: String) -> SubmitError {
        let retry_after = Duration::try_from(self.delay()).unwrap_or(DELAY_MAX);
        SubmitError::Unavailable { retry_after, why }
    }

    fn delay(&self) -> SignedDuration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let delay = DELAY_MIN.saturating_mul(1 << doublings).min(DELAY_MAX);
        SignedDuration::try_from(delay).unwrap_or(SignedDuration::from_secs(30))
    }

    /// Drops the world and loads it, until that works; then decides what became of a lost batch.
    async fn reload(&mut self, lost: Option<Lost>) -> Result<(), End> {
        let mut lost = lost;
        if let Some(Lost { error, .. }) = &lost {
            Counters::add(&self.parts.counters.commit_failures, 1);
            tracing::error!(%error, "a commit failed");
        }
        let is_durable = loop {
            let loaded = match &lost {
                Some(Lost {
                    error: StoreError::Sync(why),
                    ..
                }) => Err(StoreError::Sync(why.clone())),
                _ => {
                    let batch = lost.as_ref().map(|lost| lost.commit.batch.clone());
                    load(&self.parts, &self.left_out, batch).await
                }
            };
            match loaded {
                Ok((kernel, is_durable)) => {
                    self.kernel = kernel;
                    break is_durable;
                }
                Err(error) => {
                    if let Some(lost) = &mut lost {
                        tell_unknown(&mut lost.commit, &error);
                    }
                    match error {
                        StoreError::Damaged(_) | StoreError::Sync(_) => {
                            return Err(End::Broken(error.to_string()));
                        }
                        StoreError::Full(_)
                        | StoreError::Locked(_)
                        | StoreError::Unavailable(_) => {
                            self.hold(error.to_string()).await?;
                        }
                    }
                }
            }
        };
        Counters::add(&self.parts.counters.reloads, 1);
        let error = lost.and_then(|lost| self.decide_lost(lost, is_durable));
        let position = self.kernel.head().position;
        if position != self.parts.publisher.position() {
            self.parts.publisher.skip_to(position);
        }
        self.effects.compare(self.kernel.world().wanted());
        if let Some(error) = error {
            self.hold(error.to_string()).await?;
        }
        self.parts.state.send_replace(State::Ready);
        Ok(())
    }

    /// Lets a batch out that turned out durable, or judges it again; the error is handed back if the store had
    /// better be left alone for a while.
    fn decide_lost(&mut self, lost: Lost, is_durable: bool) -> Option<StoreError> {
        let Lost { commit, error } = lost;
        if is_durable {
            self.let_out(commit);
            return None;
        }
        self.push_front(
            commit
                .judged
                .into_iter()
                .map(|judged| judged.submission)
                .collect(),
        );
        let is_first = self.failures == 0;
        match error {
            StoreError::Locked(_) | StoreError::Unavailable(_) if is_first => {
                self.failures += 1;
                None
            }
            error => Some(error),
        }
    }

    /// Waits for the batch on its way; one that failed is handed back.
    async fn settle_commit(&mut self) -> Option<Lost> {
        self.commit.as_ref()?;
        let result = landing(&mut self.commit).await;
        let commit = self.commit.take()?;
        match result {
            Ok(()) => {
                self.let_out(commit);
                None
            }
            Err(error) => Some(Lost { commit, error }),
        }
    }

    /// Puts what was judged against the lost world back to be judged.
    fn judge_again(&mut self) {
        let Open { judged, .. } = std::mem::take(&mut self.open);
        self.keys.clear();
        self.push_front(judged.into_iter().map(|judged| judged.submission).collect());
    }

    /// Puts commands before all others; what the store answered before is to be asked again.
    fn push_front(&mut self, submissions: Vec<Submission>) {
        for submission in submissions.into_iter().rev() {
            self.input.push_front(submission);
        }
        for submission in &mut self.input {
            submission.earlier = Earlier::Unasked;
        }
    }

    fn quarantine(&mut self, release: ReleaseId, reason: String) {
        self.quarantining.insert(release);
        self.parts.faults.pass("quarantine");
        let command = Command::QuarantineRelease { release, reason };
        let now = self.parts.clock.now();
        self.input
            .push_front(Submission::new(Request::system(command), now));
    }

    /// Decides about the command during whose handling the domain panicked.
    fn return_culprit(&mut self, mut culprit: Submission, part: Part, poisoned: &Poisoned) {
        match part {
            Part::Quarantine => (),
            Part::Bystander => self.input.push_front(culprit),
            // Once its release is quarantined, the domain can say what holds.
            Part::Own if poisoned.release.is_some() && !culprit.panicked => {
                culprit.panicked = true;
                self.input.push_front(culprit);
            }
            Part::Own => self.answer(culprit, SubmitError::Broken(poisoned.reason.clone())),
        }
    }

    /// Whether quarantining a release has been tried and did not help.
    fn is_hopeless(&self, release: ReleaseId, part: Part) -> bool {
        match part {
            Part::Quarantine => true,
            Part::Bystander => self.quarantining.contains(&release),
            Part::Own => false,
        }
    }

    /// Tells callers to come back; outcomes of effects stay.
    fn refuse(&mut self, submissions: impl IntoIterator<Item = Submission>, why: &str) {
        for submission in submissions {
            if submission.reply.is_some() {
                let error = self.unavailable(why.to_owned());
                self.answer(submission, error);
            } else {
                self.input.push_back(submission);
            }
        }
    }

    fn answer(&mut self, submission: Submission, error: SubmitError) {
        if let Command::FinishAttempt { attempt, .. } = &submission.envelope.command {
            self.effects.refused(attempt, true);
        }
        if let Some(reply) = submission.reply {
            // A caller that went away needs no answer.
            let _ = reply.send(Err(error));
        }
    }
}

/// Loads a new kernel and looks whether a lost batch is durable.
async fn load(
    parts: &Parts,
    left_out: &BTreeSet<ReleaseId>,
    lost: Option<Arc<Batch>>,
) -> Result<(Kernel, bool), StoreError> {
    parts.faults.pass("load.before");
    let mut loaded = parts.store.load().await?;
    loaded
        .entities
        .retain(|entity| !belongs_to(entity, left_out));
    let is_durable = match lost {
        Some(batch) => is_durable(&*parts.store, &batch).await?,
        None => false,
    };
    parts.faults.pass("load.after");
    let mut kernel = Kernel::new(loaded, parts.zones.clone())?;
    kernel.limit_events(parts.limits.step_events);
    Ok((kernel, is_durable))
}

/// Positions are given once: the record at the batch's first one is either the batch's own or another's.
async fn is_durable(store: &dyn Store, batch: &Batch) -> Result<bool, StoreError> {
    if let Some(first) = batch.records.first() {
        let found = store.events_after(first.position - 1, 1).await?;
        return Ok(found.first().is_some_and(|found| found.hash == first.hash));
    }
    match batch.answers.first() {
        Some(answer) => Ok(store.answer(&answer.key).await?.as_ref() == Some(answer)),
        None => Ok(false),
    }
}

fn belongs_to(entity: &Entity, releases: &BTreeSet<ReleaseId>) -> bool {
    match entity {
        Entity::Release(release) => releases.contains(&release.id),
        Entity::Activity { release, .. } => releases.contains(release),
        Entity::Meta(_)
        | Entity::Resource(_)
        | Entity::Revision(_)
        | Entity::Token(_)
        | Entity::User(_)
        | Entity::Group(_) => false,
    }
}

/// What a command has to do with a panic during its handling.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It was to quarantine the release that panicked.
    Quarantine,
    /// It was about the release that panicked, or the panic belongs to no release but to the command.
    Own,
    /// Something else panicked in its course.
    Bystander,
}

impl Part {
    fn of(culprit: Option<&Submission>, release: Option<ReleaseId>) -> Part {
        let Some(culprit) = culprit else {
            return Part::Bystander;
        };
        match (&culprit.envelope.command, release) {
            (Command::QuarantineRelease { release, .. }, Some(poisoned))
                if *release == poisoned =>
            {
                Part::Quarantine
            }
            (Command::QuarantineRelease { .. }, _) => Part::Bystander,
            (_, None) => Part::Own,
            (command, Some(poisoned)) if command.release() == Some(poisoned) => Part::Own,
            (_, Some(_)) => Part::Bystander,
        }
    }
}

/// Callers of a lost batch do not wait until the store can be read again; outcomes of effects do.
fn tell_unknown(commit: &mut Commit, error: &StoreError) {
    let (callers, others) = std::mem::take(&mut commit.judged)
        .into_iter()
        .partition(|judged: &Judged| judged.submission.reply.is_some());
    commit.judged = others;
    for Judged { submission, .. } in callers {
        if let Some(reply) = submission.reply {
            let _ = reply.send(Err(SubmitError::OutcomeUnknown(error.to_string())));
        }
    }
}
