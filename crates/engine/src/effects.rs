//! Effects: what core wants to be in flight, compared with what is.
//!
//! Starting, cancelling, resuming after a restart and giving up are one comparison; only what changed is looked at.
//! An effect that waits for a free place is an entry in a queue, not a task.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trainmaster_core::effect::Intent;
use trainmaster_core::ids::{AttemptId, ReleaseId};
use trainmaster_core::{Effect, Outcome};

use crate::faults::Faults;
use crate::kernel::{Cause, EffectChange, message};
use crate::ports::{
    Clock, Executor, Executors, Handles, LogLine, LogSink, LogStore, NumberedLine, StoreError, Work,
};

/// How an effect ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) attempt: AttemptId,
    pub(crate) outcome: Outcome,
}

/// What effects need from outside.
pub(crate) struct Means {
    pub(crate) executors: Executors,
    pub(crate) logs: Arc<dyn LogStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) handles: Arc<dyn Handles>,
    pub(crate) faults: Faults,
    /// How many effects run at a time; the rest waits in order.
    pub(crate) running_max: usize,
}

/// Effects in flight and those that wait for a place.
pub(crate) struct Effects {
    means: Means,
    logs: Arc<dyn LogStore>,
    flights: BTreeMap<AttemptId, Flight>,
    waiting: VecDeque<AttemptId>,
    waiting_count: usize,
    running: usize,
    tasks: JoinSet<Ended>,
    closed: bool,
    /// Ended without an executor.
    at_once: VecDeque<Ended>,
}

enum Flight {
    /// Has no place yet.
    Waiting { effect: Box<Effect>, fresh: bool },
    /// An executor performs it.
    Running {
        cancel: CancellationToken,
        has_place: bool,
    },
    /// Its outcome is on its way to the domain.
    Ended,
    /// Its outcome was refused although it is wanted still, as while its release is quarantined.
    Refused,
}

impl Effects {
    pub(crate) fn new(means: Means) -> Self {
        let logs: Arc<dyn LogStore> = if means.faults.is_armed() {
            Arc::new(FaultyLogs {
                logs: means.logs.clone(),
                faults: means.faults.clone(),
            })
        } else {
            means.logs.clone()
        };
        Effects {
            means,
            logs,
            flights: BTreeMap::new(),
            waiting: VecDeque::new(),
            waiting_count: 0,
            running: 0,
            tasks: JoinSet::new(),
            closed: false,
            at_once: VecDeque::new(),
        }
    }

    /// How many effects an executor performs now.
    pub(crate) fn running(&self) -> usize {
        self.tasks.len()
    }

    /// How many effects wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_count
    }

    /// When the effect that has waited longest was started by the domain.
    pub(crate) fn waiting_since(&self) -> Option<jiff::Timestamp> {
        self.waiting
            .iter()
            .find_map(|attempt| match self.flights.get(attempt) {
                Some(Flight::Waiting { effect, .. }) => Some(effect.started_at),
                _ => None,
            })
    }

    /// Brings what is in flight in line with durable changes of what is wanted.
    pub(crate) fn follow(&mut self, changes: Vec<EffectChange>) {
        for change in changes {
            match change.effect {
                Some(effect) => {
                    if change.cause == Cause::Revived
                        && let Some(Flight::Refused) = self.flights.get(&change.attempt)
                    {
                        self.flights.remove(&change.attempt);
                    }
                    self.want(change.attempt, effect, change.cause == Cause::Started);
                }
                None => self.drop_wish(&change.attempt),
            }
        }
        self.fill_places();
    }

    /// Brings what is in flight in line with everything that is wanted; nothing of it counts as fresh.
    pub(crate) fn compare(&mut self, wanted: &BTreeMap<AttemptId, Effect>) {
        let surplus = self
            .flights
            .keys()
            .filter(|attempt| !wanted.contains_key(*attempt));
        let surplus: Vec<AttemptId> = surplus.cloned().collect();
        for attempt in surplus {
            self.drop_wish(&attempt);
        }
        for (attempt, effect) in wanted {
            self.want(attempt.clone(), effect.clone(), false);
        }
        self.fill_places();
    }

    /// Remembers that the domain refused an outcome; an effect that is wanted still is left alone until its
    /// release is put back into service.
    pub(crate) fn refused(&mut self, attempt: &AttemptId, is_wanted: bool) {
        match self.flights.get_mut(attempt) {
            Some(flight @ Flight::Ended) if is_wanted => *flight = Flight::Refused,
            Some(Flight::Ended) => drop(self.flights.remove(attempt)),
            _ => (),
        }
    }

    /// The next outcome; never ready while nothing is in flight.
    pub(crate) async fn ended(&mut self) -> Ended {
        if let Some(ended) = self.try_ended() {
            return ended;
        }
        loop {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => return self.land(ended),
                // Tasks catch their panics, and only a shutdown aborts them.
                Some(Err(_)) => (),
                None => std::future::pending().await,
            }
        }
    }

    /// The next outcome, if there is one already.
    pub(crate) fn try_ended(&mut self) -> Option<Ended> {
        if let Some(ended) = self.at_once.pop_front() {
            return Some(ended);
        }
        match self.tasks.try_join_next()? {
            Ok(ended) => Some(self.land(ended)),
            Err(_) => None,
        }
    }

    /// Lets go of everything without cancelling it: the next start reads it back.
    pub(crate) async fn abandon(&mut self) {
        self.tasks.shutdown().await;
        self.flights.clear();
        self.waiting.clear();
        self.at_once.clear();
        self.waiting_count = 0;
        self.running = 0;
    }

    fn want(&mut self, attempt: AttemptId, effect: Effect, fresh: bool) {
        match (self.flights.get_mut(&attempt), effect.intent) {
            (None, Intent::Perform) => {
                let flight = Flight::Waiting {
                    effect: Box::new(effect),
                    fresh,
                };
                self.flights.insert(attempt.clone(), flight);
                self.waiting.push_back(attempt);
                self.waiting_count += 1;
            }
            (None, Intent::Cancel) => self.stop_unstarted(attempt, effect, fresh),
            (Some(Flight::Waiting { effect: known, .. }), Intent::Perform) => **known = effect,
            (Some(Flight::Waiting { fresh, .. }), Intent::Cancel) => {
                let fresh = *fresh;
                self.waiting_count -= 1;
                self.stop_unstarted(attempt, effect, fresh);
            }
            (Some(Flight::Running { cancel, .. }), Intent::Cancel) => {
                request(cancel, &self.means.faults);
            }
            (Some(Flight::Running { .. }), Intent::Perform)
            | (Some(Flight::Ended | Flight::Refused), _) => (),
        }
    }

    fn drop_wish(&mut self, attempt: &AttemptId) {
        match self.flights.get(attempt) {
            Some(Flight::Waiting { .. }) => {
                self.waiting_count -= 1;
                self.flights.remove(attempt);
            }
            // Its task ends soon, and its outcome is kept as a fact.
            Some(Flight::Running { cancel, .. }) => request(cancel, &self.means.faults),
            Some(Flight::Ended | Flight::Refused) => drop(self.flights.remove(attempt)),
            None => (),
        }
    }

    /// Stops an effect that no executor of this process performs.
    fn stop_unstarted(&mut self, attempt: AttemptId, effect: Effect, fresh: bool) {
        if self.closed {
            self.flights.remove(&attempt);
        } else if fresh {
            self.end_at_once(attempt, Outcome::Cancelled { confirmed: true });
        } else {
            // Stopping does not wait for a place: places are held by what may have to be stopped.
            self.start(attempt, effect, false, false);
        }
    }

    /// Starts nothing any more: what is wanted and not in flight is started by the next process.
    pub(crate) fn start_no_more(&mut self) {
        self.closed = true;
    }

    fn fill_places(&mut self) {
        while !self.closed && self.running < self.means.running_max {
            let Some(attempt) = self.waiting.pop_front() else {
                break;
            };
            // Entries whose effect went away meanwhile are skipped.
            if let Some(Flight::Waiting { .. }) = self.flights.get(&attempt)
                && let Some(Flight::Waiting { effect, fresh }) = self.flights.remove(&attempt)
            {
                self.waiting_count -= 1;
                self.start(attempt, *effect, fresh, true);
            }
        }
    }

    fn start(&mut self, attempt: AttemptId, effect: Effect, first: bool, has_place: bool) {
        let Some(executor) = self.means.executors.get(&effect.uses).cloned() else {
            let error = format!("this server has no executor for `{}`", effect.uses);
            return self.end_at_once(
                attempt,
                Outcome::Failed {
                    error,
                    result: Value::Null,
                },
            );
        };
        self.means.faults.pass("effect.before-start");
        let cancel = CancellationToken::new();
        let work = Work {
            first,
            cancel: cancel.clone(),
            log: LogSink::new(attempt.clone(), self.logs.clone()),
            handles: self.means.handles.clone(),
            clock: self.means.clock.clone(),
        };
        self.running += usize::from(has_place);
        self.flights
            .insert(attempt.clone(), Flight::Running { cancel, has_place });
        self.tasks.spawn(perform(
            executor,
            attempt,
            effect,
            work,
            self.means.faults.clone(),
        ));
    }

    fn end_at_once(&mut self, attempt: AttemptId, outcome: Outcome) {
        self.flights.insert(attempt.clone(), Flight::Ended);
        self.at_once.push_back(Ended { attempt, outcome });
    }

    fn land(&mut self, ended: Ended) -> Ended {
        self.means.faults.pass("outcome.received");
        if let Some(flight) = self.flights.get_mut(&ended.attempt) {
            if let Flight::Running {
                has_place: true, ..
            } = flight
            {
                self.running -= 1;
            }
            *flight = Flight::Ended;
        }
        self.fill_places();
        ended
    }
}

fn request(cancel: &CancellationToken, faults: &Faults) {
    if !cancel.is_cancelled() {
        faults.pass("cancel.requested");
        cancel.cancel();
    }
}

async fn perform(
    executor: Arc<dyn Executor>,
    attempt: AttemptId,
    effect: Effect,
    work: Work,
    faults: Faults,
) -> Ended {
    faults.pass("effect.started");
    let performed = AssertUnwindSafe(executor.perform(&effect, &work))
        .catch_unwind()
        .await;
    faults.pass("effect.answered");
    if work.cancel.is_cancelled() || effect.intent == Intent::Cancel {
        faults.pass("executor.cancelled");
    }
    let outcome = performed.unwrap_or_else(|panic| {
        let reason = message(panic);
        tracing::error!(%attempt, reason, "an executor panicked");
        Outcome::Unknown {
            error: format!("the executor broke down: {reason}"),
        }
    });
    Ended { attempt, outcome }
}

/// A log store with a fault point behind each write.
struct FaultyLogs {
    logs: Arc<dyn LogStore>,
    faults: Faults,
}

#[async_trait]
impl LogStore for FaultyLogs {
    async fn append(&self, attempt: &AttemptId, lines: Vec<LogLine>) -> Result<(), StoreError> {
        let appended = self.logs.append(attempt, lines).await;
        self.faults.pass("log.appended");
        appended
    }

    async fn read(
        &self,
        attempt: &AttemptId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedLine>, StoreError> {
        self.logs.read(attempt, after, limit).await
    }

    async fn remove(&self, release: ReleaseId) -> Result<(), StoreError> {
        self.logs.remove(release).await
    }
}
