//! Judging what is at hand: commands, outcomes of effects, and what time has made due.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::Timestamp;
use trainmaster_core::Command;
use trainmaster_core::ids::ReleaseId;

use super::{Driver, End, Judged, TAKEN_MAX, finish};
use crate::engine::{Answer, Earlier, State, Submission, SubmitError};
use crate::kernel::{Accepted, Refused};
use crate::metrics::Counters;
use crate::ports::{Store, StoredAnswer};

impl Driver {
    /// Takes in what is there and judges it, as long as there is room.
    pub(super) async fn work(&mut self) -> Result<(), End> {
        if !self.has_room() {
            return Ok(());
        }
        let now = self.parts.clock.now();
        self.take_in(now);
        if !self.input.is_empty() {
            self.open.since.get_or_insert(now);
            self.look_up().await;
        }
        while self.has_room() {
            let Some(submission) = self.input.pop_front() else {
                break;
            };
            self.judge(submission).await?;
        }
        Ok(())
    }

    fn take_in(&mut self, now: Timestamp) {
        while self.input.len() < TAKEN_MAX {
            let Ok(submission) = self.parts.queue.try_recv() else {
                break;
            };
            self.input.push_back(submission);
        }
        for _ in 0..TAKEN_MAX {
            let Some(ended) = self.effects.try_ended() else {
                break;
            };
            self.input.push_back(finish(ended, now));
        }
    }

    /// Asks the store for earlier answers, for all commands at once.
    async fn look_up(&mut self) {
        let store = &*self.parts.store;
        let unasked = self
            .input
            .iter_mut()
            .filter(|submission| submission.is_unasked());
        let lookups: Vec<_> = unasked
            .map(|submission| look_up(store, submission))
            .collect();
        if !lookups.is_empty() {
            join_all(lookups).await;
            self.parts.faults.pass("answer.looked-up");
        }
    }

    async fn judge(&mut self, mut submission: Submission) -> Result<(), End> {
        self.parts.faults.pass("command.received");
        if submission.is_unasked() {
            look_up(&*self.parts.store, &mut submission).await;
        }
        if let Some(verdict) = self.earlier(&submission) {
            self.open.judged.push(Judged {
                submission,
                verdict,
            });
            return Ok(());
        }
        let named = submission.envelope.command.releases();
        if let Some(release) = self.out_of_service(&named) {
            return self.refuse_broken(submission, release);
        }
        let brought = match self.bring_back(&named).await {
            Ok(()) => self.bring_what_is_asked(&submission.envelope.command).await,
            Err(missing) => Err(missing),
        };
        let asked: Vec<ReleaseId> = self
            .kernel
            .asked_by(&submission.envelope.command)
            .into_iter()
            .collect();
        if let Some(release) = self.out_of_service(&asked) {
            return self.refuse_broken(submission, release);
        }
        match brought {
            Ok(()) => self.decide(submission).await,
            Err(Missing::Store(why)) => self.put_off(submission, why).await,
            Err(Missing::Broken(poisoned)) => self.heal(poisoned, Some(submission)).await,
        }
    }

    fn out_of_service(&self, named: &[ReleaseId]) -> Option<ReleaseId> {
        let left_out = |release: &&ReleaseId| self.left_out.contains(release);
        named.iter().find(left_out).copied()
    }

    fn refuse_broken(&mut self, submission: Submission, release: ReleaseId) -> Result<(), End> {
        let verdict = Err(SubmitError::Broken(format!(
            "`{release}` is out of service"
        )));
        self.open.judged.push(Judged {
            submission,
            verdict,
        });
        Ok(())
    }

    async fn decide(&mut self, mut submission: Submission) -> Result<(), End> {
        let now = self.parts.clock.now();
        submission.envelope.at = now;
        Counters::add(&self.parts.counters.commands, 1);
        match self.kernel.submit(&submission.envelope, &submission.answer) {
            Ok(accepted) => {
                self.parts.faults.pass("command.decided");
                if let Command::FinishAttempt { .. } = submission.envelope.command {
                    self.parts.faults.pass("outcome.submitted");
                }
                self.accept(submission, accepted, now);
                Ok(())
            }
            Err(Refused::Rejected(rejection)) => {
                Counters::add(&self.parts.counters.rejected, 1);
                let hopeless = match submission.envelope.command {
                    Command::QuarantineRelease { release, .. } => Some(release),
                    _ => None,
                };
                let verdict = Err(SubmitError::Rejected(rejection));
                self.open.judged.push(Judged {
                    submission,
                    verdict,
                });
                match hopeless {
                    Some(release) => self.leave_out(release).await,
                    None => Ok(()),
                }
            }
            Err(Refused::Poisoned(poisoned)) => self.heal(poisoned, Some(submission)).await,
        }
    }

    fn accept(&mut self, submission: Submission, accepted: Accepted, now: Timestamp) {
        let Accepted { position, body, .. } = accepted;
        let answer = Answer { position, body };
        if let Some(idempotency) = &submission.idempotency {
            let (key, fingerprint) = (idempotency.key.clone(), idempotency.fingerprint.clone());
            self.open.answers.push(StoredAnswer {
                key: key.clone(),
                fingerprint: fingerprint.clone(),
                body: answer.body.clone(),
                at: now.as_microsecond(),
            });
            self.keys.insert(key, (fingerprint, answer.clone()));
        }
        self.open.judged.push(Judged {
            submission,
            verdict: Ok(answer),
        });
    }

    /// What is to be answered to a repetition; none for a command that is new.
    fn earlier(&self, submission: &Submission) -> Option<Result<Answer, SubmitError>> {
        let idempotency = submission.idempotency.as_ref()?;
        if let Some((fingerprint, answer)) = self.keys.get(&idempotency.key) {
            return Some(repeat(
                *fingerprint == idempotency.fingerprint,
                answer.clone(),
            ));
        }
        match &submission.earlier {
            Earlier::Unasked | Earlier::None => None,
            Earlier::Answer(stored) => {
                let position = self.parts.publisher.position();
                let answer = Answer {
                    position,
                    body: stored.body.clone(),
                };
                Some(repeat(
                    stored.fingerprint == idempotency.fingerprint,
                    answer,
                ))
            }
            Earlier::Failed(why) => Some(Err(self.unavailable(why.clone()))),
        }
    }

    /// Brings back what a command names and what is asked about, so that it can be judged.
    async fn bring_back(&mut self, named: &[ReleaseId]) -> Result<(), Missing> {
        for release in named {
            if !self.kernel.world().knows(*release) {
                self.read_back(*release).await?;
            }
        }
        while let Some(release) = self.kernel.lacking() {
            if !self.left_out.contains(&release) {
                self.read_back(release).await?;
            }
            self.kernel.is_gone(release);
        }
        Ok(())
    }

    /// Brings back what a command touches besides what it names: children, predecessors, older revisions.
    async fn bring_what_is_asked(&mut self, command: &Command) -> Result<(), Missing> {
        let mut tried = BTreeSet::new();
        loop {
            let asked = self.kernel.asked_by(command);
            let fresh: Vec<ReleaseId> = asked
                .into_iter()
                .filter(|release| !self.left_out.contains(release))
                .filter(|release| tried.insert(*release))
                .collect();
            if fresh.is_empty() {
                break;
            }
            self.bring_back(&fresh).await?;
        }
        self.bring_revisions(command).await
    }

    /// Brings in revisions that a command asks for by their numbers.
    async fn bring_revisions(&mut self, command: &Command) -> Result<(), Missing> {
        for (key, revision) in self.kernel.lacking_revisions(command) {
            let found = self.parts.store.load_revision(&key, revision).await;
            if let Some(found) = found.map_err(|error| Missing::Store(error.to_string()))? {
                self.kernel.adopt_revision(found).map_err(Missing::Broken)?;
            }
        }
        Ok(())
    }

    async fn read_back(&mut self, release: ReleaseId) -> Result<(), Missing> {
        let rows = self.parts.store.load_release(release).await;
        let rows = rows.map_err(|error| Missing::Store(error.to_string()))?;
        if rows.is_empty() {
            return Ok(());
        }
        self.parts.faults.pass("release.loaded");
        self.kernel.adopt(release, rows).map_err(Missing::Broken)
    }

    /// A command whose release cannot be read now: a caller hears that, an outcome is judged later.
    async fn put_off(&mut self, submission: Submission, why: String) -> Result<(), End> {
        if submission.reply.is_some() {
            let verdict = Err(self.unavailable(why));
            self.open.judged.push(Judged {
                submission,
                verdict,
            });
            return Ok(());
        }
        self.input.push_front(submission);
        self.hold(why).await?;
        self.parts.state.send_replace(State::Ready);
        Ok(())
    }

    /// Carries out what time has made due.
    pub(super) async fn wake(&mut self) -> Result<(), End> {
        let now = self.parts.clock.now();
        self.alarm.set(self.kernel.wake_at());
        if !self.alarm.is_due(now) || !self.has_room() {
            return Ok(());
        }
        self.parts.faults.pass("wake.fired");
        match self.bring_back(&[]).await {
            Ok(()) => (),
            Err(Missing::Store(why)) => {
                tracing::warn!(why, "what is asked about cannot be read; trying again");
                self.hold(why).await?;
                self.parts.state.send_replace(State::Ready);
                return Ok(());
            }
            Err(Missing::Broken(poisoned)) => return self.heal(poisoned, None).await,
        }
        match self.kernel.wake(now) {
            Ok(events) => {
                self.alarm.answered(events, self.kernel.wake_at(), now);
                Ok(())
            }
            Err(poisoned) => self.heal(poisoned, None).await,
        }
    }
}

/// Why a release could not be brought back.
enum Missing {
    Store(String),
    Broken(crate::kernel::Poisoned),
}

fn repeat(same: bool, answer: Answer) -> Result<Answer, SubmitError> {
    if same {
        Ok(answer)
    } else {
        Err(SubmitError::KeyReused)
    }
}

async fn look_up(store: &dyn Store, submission: &mut Submission) {
    let Some(idempotency) = &submission.idempotency else {
        return;
    };
    submission.earlier = match store.answer(&idempotency.key).await {
        Ok(Some(answer)) => Earlier::Answer(answer),
        Ok(None) => Earlier::None,
        Err(error) => Earlier::Failed(error.to_string()),
    };
}
