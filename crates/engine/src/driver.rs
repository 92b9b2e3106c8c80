//! The driver: one task that owns the kernel and the store, and everything that goes in or out between them.
//!
//! While one batch is on its way to the disk, the next one gathers; what has left this process is always durable.
//! Whatever goes wrong with the store or in the domain leads to one place, [`Driver::reload`], which is how the
//! engine starts as well: drop the world, load it, judge again what was not durable.

mod alarm;
mod failure;
mod work;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trainmaster_core::Command;
use trainmaster_core::ids::ReleaseId;

use crate::effects::{Effects, Ended, Means};
use crate::engine::{Answer, Limits, Request, State, Submission, SubmitError};
use crate::faults::Faults;
use crate::feed::Publisher;
use crate::kernel::{EffectChange, Kernel, message};
use crate::metrics::Counters;
use crate::ports::{Batch, Clock, Loaded, Store, StoreError, StoredAnswer};
use alarm::Alarm;

/// How many commands, and how many outcomes, are taken in at a time.
const TAKEN_MAX: usize = 256;

/// What a driver is made of.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zones: TimeZoneDatabase,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) queue: mpsc::Receiver<Submission>,
    pub(crate) publisher: Publisher,
    pub(crate) counters: Arc<Counters>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) stopping: CancellationToken,
}

/// The task's state.
pub(crate) struct Driver {
    parts: Parts,
    kernel: Kernel,
    effects: Effects,
    alarm: Alarm,
    /// What is to be judged, in order.
    input: VecDeque<Submission>,
    /// What was judged since the last batch was built.
    open: Open,
    /// The batch on its way to the disk.
    commit: Option<Commit>,
    /// Answers by idempotency key that are not durable yet.
    keys: HashMap<String, (String, Answer)>,
    /// Releases that cannot even be quarantined: they are not loaded.
    left_out: BTreeSet<ReleaseId>,
    /// Releases whose quarantine is not durable yet.
    quarantining: BTreeSet<ReleaseId>,
    /// Store failures since the last commit that worked.
    failures: u32,
    /// Panics since the last commit that worked that cannot be laid at the door of anything.
    panics_unplaced: u32,
}

/// What was judged and is not on its way to the disk.
#[derive(Default)]
struct Open {
    judged: Vec<Judged>,
    answers: Vec<StoredAnswer>,
    since: Option<Timestamp>,
}

/// A command with what its caller is going to be told.
struct Judged {
    submission: Submission,
    verdict: Result<Answer, SubmitError>,
}

/// A batch on its way to the disk with everything that leaves once it is there.
struct Commit {
    task: JoinHandle<Result<(), StoreError>>,
    batch: Arc<Batch>,
    judged: Vec<Judged>,
    effects: Vec<EffectChange>,
    since: Option<Timestamp>,
}

/// Why the driver ends.
enum End {
    /// It was asked to.
    Asked,
    /// It cannot go on.
    Broken(String),
}

/// What the driver has waited for.
enum Turn {
    Committed(Result<(), StoreError>),
    Work,
    Stop,
}

impl Driver {
    pub(crate) fn new(parts: Parts, means: Means, loaded: Loaded) -> Result<Driver, StoreError> {
        let mut kernel = Kernel::new(loaded, parts.zones.clone())?;
        kernel.limit_events(parts.limits.step_events);
        Ok(Driver {
            alarm: Alarm::new(parts.clock.clone()),
            parts,
            kernel,
            effects: Effects::new(means),
            input: VecDeque::new(),
            open: Open::default(),
            commit: None,
            keys: HashMap::new(),
            left_out: BTreeSet::new(),
            quarantining: BTreeSet::new(),
            failures: 0,
            panics_unplaced: 0,
        })
    }

    /// Drives until it is asked to stop or cannot go on.
    pub(crate) async fn run(mut self) {
        let state = self.parts.state.clone();
        let reason = match AssertUnwindSafe(self.drive()).catch_unwind().await {
            Ok(End::Asked) => None,
            Ok(End::Broken(reason)) => Some(reason),
            Err(panic) => Some(message(panic)),
        };
        if let Some(reason) = &reason {
            tracing::error!(reason, "the engine stops");
        }
        self.let_go().await;
        drop(self);
        state.send_replace(State::Stopped(reason));
    }

    async fn drive(&mut self) -> End {
        self.effects.compare(self.kernel.world().wanted());
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        match self.wait().await {
            Turn::Committed(result) => self.committed(result).await?,
            Turn::Work => (),
            Turn::Stop => return Err(self.wind_up().await?),
        }
        self.work().await?;
        self.wake().await?;
        self.begin_commit().await?;
        self.show();
        Ok(())
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) -> Turn {
        let room = self.has_room();
        let now = self.parts.clock.now();
        self.alarm.set(self.kernel.wake_at());
        if room && (!self.input.is_empty() || self.alarm.is_due(now)) {
            // Others that share this thread, the commit among them, get their turn.
            tokio::task::yield_now().await;
            match &mut self.commit {
                Some(commit) if commit.task.is_finished() => (),
                _ => return Turn::Work,
            }
        }
        let parts = &mut self.parts;
        let input = &mut self.input;
        let mut received = Vec::new();
        tokio::select! {
            biased;
            result = landing(&mut self.commit) => Turn::Committed(result),
            () = parts.stopping.cancelled() => Turn::Stop,
            count = parts.queue.recv_many(&mut received, TAKEN_MAX), if room => {
                input.extend(received);
                if count == 0 { Turn::Stop } else { Turn::Work }
            }
            ended = self.effects.ended(), if room => {
                input.push_back(finish(ended, now));
                Turn::Work
            }
            () = self.alarm.ring(), if room => Turn::Work,
        }
    }

    fn has_room(&self) -> bool {
        let limit = self.parts.limits.batch_events.max(1);
        self.kernel.pending() < limit && self.open.judged.len() < limit
    }

    /// Sends the next batch off, unless one is on its way.
    async fn begin_commit(&mut self) -> Result<(), End> {
        if self.commit.is_some() {
            return Ok(());
        }
        let mut batch = match self.kernel.take_batch() {
            Ok(batch) => batch,
            Err(poisoned) => return self.heal(poisoned, None).await,
        };
        let Open {
            judged,
            answers,
            since,
        } = std::mem::take(&mut self.open);
        batch.answers = answers;
        let effects = self.kernel.take_effect_changes();
        if batch.is_empty() {
            // All that these were judged against is durable.
            self.reply(judged);
            self.effects.follow(effects);
            return Ok(());
        }
        self.parts.faults.pass("batch.built");
        let batch = Arc::new(batch);
        let task = tokio::spawn({
            let (store, faults, batch) = (
                self.parts.store.clone(),
                self.parts.faults.clone(),
                batch.clone(),
            );
            async move {
                faults.pass("commit.before");
                let committed = store.commit(&batch).await;
                faults.pass("commit.after");
                committed
            }
        });
        self.commit = Some(Commit {
            task,
            batch,
            judged,
            effects,
            since,
        });
        Ok(())
    }

    async fn committed(&mut self, result: Result<(), StoreError>) -> Result<(), End> {
        let commit = self
            .commit
            .take()
            .expect("only a commit on its way can land");
        if let Err(error) = result {
            return self.recover(commit, error).await;
        }
        self.let_out(commit);
        if self.kernel.forget(self.parts.limits.ended_kept) > 0 {
            self.parts.faults.pass("forget");
        }
        Ok(())
    }

    /// Lets everything out that waited for a batch to be durable.
    fn let_out(&mut self, commit: Commit) {
        self.failures = 0;
        self.panics_unplaced = 0;
        self.quarantining.clear();
        self.parts.counters.committed(commit.batch.records.len());
        for answer in &commit.batch.answers {
            self.keys.remove(&answer.key);
        }
        // The feed first: whoever has an answer finds its position published.
        self.parts.faults.pass("feed.before");
        self.parts.publisher.publish(&commit.batch.records);
        self.parts.faults.pass("feed.after");
        self.reply(commit.judged);
        self.effects.follow(commit.effects);
    }

    fn reply(&mut self, judged: Vec<Judged>) {
        for Judged {
            submission,
            verdict,
        } in judged
        {
            if let (Command::FinishAttempt { attempt, .. }, Err(_)) =
                (&submission.envelope.command, &verdict)
            {
                let is_wanted = self.kernel.world().wanted().contains_key(attempt);
                self.effects.refused(attempt, is_wanted);
            }
            if let Some(reply) = submission.reply {
                self.parts.faults.pass("reply.before");
                // A caller that went away needs no answer.
                let _ = reply.send(verdict);
                self.parts.faults.pass("reply.after");
            }
        }
    }

    /// Answers and makes durable what is there already, and takes nothing more.
    async fn wind_up(&mut self) -> Result<End, End> {
        self.parts.faults.pass("shutdown");
        self.parts.queue.close();
        self.effects.start_no_more();
        loop {
            self.work().await?;
            self.begin_commit().await?;
            if self.commit.is_some() {
                let result = landing(&mut self.commit).await;
                self.committed(result).await?;
            } else if self.input.is_empty() && self.parts.queue.is_empty() {
                return Ok(End::Asked);
            }
        }
    }

    /// Refuses what was not judged or cannot become durable any more, and lets go of effects.
    async fn let_go(&mut self) {
        self.effects.abandon().await;
        self.parts.queue.close();
        while let Ok(submission) = self.parts.queue.try_recv() {
            self.input.push_back(submission);
        }
        let judged = std::mem::take(&mut self.open.judged);
        let input = std::mem::take(&mut self.input);
        for submission in judged
            .into_iter()
            .map(|judged| judged.submission)
            .chain(input)
        {
            if let Some(reply) = submission.reply {
                let _ = reply.send(Err(SubmitError::Stopped));
            }
        }
    }

    /// Updates the gauges.
    fn show(&self) {
        let counters = &self.parts.counters;
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        counters
            .effects_running
            .store(self.effects.running(), relaxed);
        counters
            .effects_waiting
            .store(self.effects.waiting(), relaxed);
        let gathering = self
            .commit
            .as_ref()
            .and_then(|commit| commit.since)
            .or(self.open.since);
        counters.set_oldest(
            [gathering, self.effects.waiting_since()]
                .into_iter()
                .flatten()
                .min(),
        );
    }
}

/// How the batch on its way fares; never ready while there is none.
async fn landing(commit: &mut Option<Commit>) -> Result<(), StoreError> {
    match commit {
        Some(commit) => (&mut commit.task).await.unwrap_or_else(|broken| {
            Err(StoreError::Unavailable(format!(
                "the store broke down: {broken}"
            )))
        }),
        None => std::future::pending().await,
    }
}

/// An outcome as a command; nobody waits for its answer, and the driver keeps it until it is durable.
fn finish(ended: Ended, now: Timestamp) -> Submission {
    let Ended { attempt, outcome } = ended;
    Submission::new(
        Request::system(Command::FinishAttempt { attempt, outcome }),
        now,
    )
}
