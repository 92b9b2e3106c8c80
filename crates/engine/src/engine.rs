//! The handle through which everybody else uses the engine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use trainmaster_core::ids::AttemptId;
use trainmaster_core::{Actor, Command, Envelope, Event, Rejection, World};

use crate::driver::{Driver, Parts};
use crate::effects::Means;
use crate::faults::Faults;
use crate::feed::{Board, Kept, Subscription, feed};
use crate::kernel::Kernel;
use crate::metrics::{Counters, Metrics};
use crate::ports::{Clock, Executors, Handles, LogStore, Store, StoreError, StoredAnswer};

/// What an engine is made of.
pub struct Options {
    /// Durable memory.
    pub store: Arc<dyn Store>,
    /// Who does the work outside, by activity type.
    pub executors: Executors,
    /// Where output goes.
    pub logs: Arc<dyn LogStore>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Time zones; bundled ones make every machine agree.
    pub zones: TimeZoneDatabase,
    /// Where the process is made to die.
    pub faults: Faults,
    /// How much of everything.
    pub limits: Limits,
}

/// How much of everything; the defaults are meant to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Commands that may wait; more are refused as [`SubmitError::Busy`].
    pub queue: usize,
    /// Events that one command or waking may make before others have their turn.
    pub step_events: usize,
    /// Events that may wait for a commit; while there are more, nothing is judged.
    pub batch_events: usize,
    /// Effects that run at a time; the rest waits in order.
    pub effects: usize,
    /// Ended releases that stay in memory.
    pub ended_kept: usize,
    /// What is kept in memory for subscribers of the feed.
    pub feed: Kept,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue: 4_096,
            step_events: Kernel::EVENTS_MAX,
            batch_events: 20_000,
            effects: 512,
            ended_kept: 1_000,
            feed: Kept::default(),
        }
    }
}

/// Makes the answer to a command from the world behind it and its events, the command's own first.
///
/// It may be called more than once, when a command has to be judged again after the store failed.
pub type AnswerWith = Box<dyn Fn(&World, &[Event]) -> String + Send>;

/// A command with who asks.
pub struct Request {
    /// Who asks.
    pub actor: Actor,
    /// What is asked.
    pub command: Command,
    /// Makes a repetition get the first answer.
    pub idempotency: Option<Idempotency>,
    /// Makes the answer.
    pub answer: AnswerWith,
}

impl Request {
    /// A request by the server itself that needs no answer.
    pub fn system(command: Command) -> Self {
        Request {
            actor: Actor::System,
            command,
            idempotency: None,
            answer: Box::new(|_, _| String::new()),
        }
    }
}

/// What a repetition of a request is recognized by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, with whose it is.
    pub key: String,
    /// Digest of the request; the same key with another one is refused.
    pub fingerprint: String,
}

/// A command was accepted, and everything that it changed is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the journal ends behind it.
    pub position: u64,
    /// What was answered, now or the first time.
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SubmitError {
    /// The domain refused; nothing has changed.
    #[error(transparent)]
    Rejected(Box<Rejection>),
    /// The key belongs to another request; nothing has changed.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Too many commands wait; nothing has changed.
    #[error("too many commands are waiting")]
    Busy,
    /// The store does not take anything at the moment; nothing has changed.
    #[error("{why}; nothing has changed")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// What is wrong.
        why: String,
    },
    /// Nobody knows whether it happened: ask again with the same idempotency key, or look.
    #[error("it is not known whether the command was carried out: {0}")]
    OutcomeUnknown(String),
    /// Handling it broke down; nothing has changed.
    #[error("handling the command broke down: {0}")]
    Broken(String),
    /// The engine has stopped; nothing has changed.
    #[error("the server is stopping")]
    Stopped,
}

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Takes commands.
    Ready,
    /// Does not take commands at the moment, and says why; tries again by itself.
    Degraded(String),
    /// Has stopped: on request if there is no reason.
    Stopped(Option<String>),
}

/// The engine: one task that thinks, and what it needs from outside. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<Submission>,
    board: Board,
    state: watch::Receiver<State>,
    stopping: CancellationToken,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

/// A command on its way through the driver.
pub(crate) struct Submission {
    pub(crate) envelope: Envelope,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) answer: AnswerWith,
    /// Who waits for the answer; outcomes of effects have nobody.
    pub(crate) reply: Option<oneshot::Sender<Result<Answer, SubmitError>>>,
    /// What the store holds under its idempotency key.
    pub(crate) earlier: Earlier,
    /// Whether handling it panicked before.
    pub(crate) panicked: bool,
}

impl Submission {
    pub(crate) fn new(request: Request, at: Timestamp) -> Self {
        let Request {
            actor,
            command,
            idempotency,
            answer,
        } = request;
        Submission {
            envelope: Envelope { at, actor, command },
            idempotency,
            answer,
            reply: None,
            earlier: Earlier::Unasked,
            panicked: false,
        }
    }

    /// Whether the store is still to be asked for an earlier answer.
    pub(crate) fn is_unasked(&self) -> bool {
        self.idempotency.is_some() && matches!(self.earlier, Earlier::Unasked)
    }
}

/// What the store holds under a command's idempotency key.
pub(crate) enum Earlier {
    /// It was not asked.
    Unasked,
    /// Nothing.
    None,
    /// An answer.
    Answer(StoredAnswer),
    /// It could not be asked, and why.
    Failed(String),
}

impl Engine {
    /// Loads the world and starts to drive it.
    ///
    /// Must be called within a tokio runtime. The engine stops when [`Engine::shutdown`] is called or the last
    /// handle is dropped.
    pub async fn start(options: Options) -> Result<Engine, StoreError> {
        let Options {
            store,
            executors,
            logs,
            clock,
            zones,
            faults,
            limits,
        } = options;
        faults.pass("load.before");
        let loaded = store.load().await?;
        faults.pass("load.after");
        let (sender, queue) = mpsc::channel(limits.queue.max(1));
        let (publisher, board) = feed(store.clone(), loaded.position, limits.feed);
        let (state, state_seen) = watch::channel(State::Ready);
        let counters = Arc::new(Counters::default());
        let stopping = CancellationToken::new();
        let handles = Arc::new(Reporter {
            queue: sender.downgrade(),
            clock: clock.clone(),
            faults: faults.clone(),
        });
        let running_max = limits.effects.max(1);
        let means = Means {
            executors,
            logs,
            clock: clock.clone(),
            handles,
            faults: faults.clone(),
            running_max,
        };
        let driver = Driver::new(
            Parts {
                store,
                clock: clock.clone(),
                zones,
                faults,
                limits,
                queue,
                publisher,
                counters: counters.clone(),
                state,
                stopping: stopping.clone(),
            },
            means,
            loaded,
        )?;
        tokio::spawn(driver.run());
        Ok(Engine {
            queue: sender,
            board,
            state: state_seen,
            stopping,
            counters,
            clock,
        })
    }

    /// Submits a command; when this returns an answer, everything is durable.
    pub async fn submit(&self, request: Request) -> Result<Answer, SubmitError> {
        if self.stopping.is_cancelled() {
            return Err(SubmitError::Stopped);
        }
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            reply: Some(reply),
            ..Submission::new(request, self.clock.now())
        };
        match self.queue.try_send(submission) {
            Ok(()) => (),
            Err(mpsc::error::TrySendError::Full(_)) => return Err(SubmitError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(SubmitError::Stopped),
        }
        answer.await.unwrap_or_else(|_| {
            Err(SubmitError::OutcomeUnknown(
                "the engine ended before it answered".to_owned(),
            ))
        })
    }

    /// Position of the newest durable event.
    pub fn position(&self) -> u64 {
        self.board.position()
    }

    /// Every durable event after a position, those to come included.
    pub fn subscribe(&self, after: u64) -> Subscription {
        self.board.subscribe(after)
    }

    /// Counts and gauges.
    pub fn metrics(&self) -> Metrics {
        let queue = self.queue.max_capacity() - self.queue.capacity();
        self.counters
            .snapshot(self.position(), queue, self.clock.now())
    }

    /// How the engine is.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether commands are taken.
    pub fn is_ready(&self) -> bool {
        !self.stopping.is_cancelled() && *self.state.borrow() == State::Ready
    }

    /// Stops: takes no more commands, answers those that wait, and lets go of effects without cancelling them.
    pub async fn shutdown(&self) {
        self.stopping.cancel();
        self.stopped().await;
    }

    /// Returns once the engine has stopped; the reason is there if nobody asked it to.
    pub async fn stopped(&self) -> Option<String> {
        let mut state = self.state.clone();
        let stopped = state
            .wait_for(|state| matches!(state, State::Stopped(_)))
            .await;
        match stopped.map(|state| state.clone()) {
            Ok(State::Stopped(reason)) => reason,
            Ok(State::Ready | State::Degraded(_)) | Err(_) => {
                Some("the engine broke down".to_owned())
            }
        }
    }
}

/// Makes handles durable for executors.
struct Reporter {
    queue: mpsc::WeakSender<Submission>,
    clock: Arc<dyn Clock>,
    faults: Faults,
}

impl Reporter {
    /// Submits once; none means that the engine is gone.
    async fn submit(
        &self,
        attempt: &AttemptId,
        handle: &Value,
    ) -> Option<Result<Answer, SubmitError>> {
        let command = Command::ReportHandle {
            attempt: attempt.clone(),
            handle: handle.clone(),
        };
        let (reply, answer) = oneshot::channel();
        let submission = Submission {
            reply: Some(reply),
            ..Submission::new(Request::system(command), self.clock.now())
        };
        self.queue.upgrade()?.send(submission).await.ok()?;
        answer.await.ok()
    }
}

#[async_trait]
impl Handles for Reporter {
    async fn report(&self, attempt: &AttemptId, handle: Value) -> bool {
        self.faults.pass("handle.received");
        loop {
            match self.submit(attempt, &handle).await {
                Some(Ok(_)) => {
                    self.faults.pass("handle.reported");
                    return true;
                }
                Some(Err(
                    SubmitError::Rejected(_) | SubmitError::KeyReused | SubmitError::Broken(_),
                )) => {
                    return false;
                }
                Some(Err(SubmitError::Unavailable { retry_after, .. })) => {
                    self.sleep(retry_after).await;
                }
                Some(Err(SubmitError::Busy | SubmitError::OutcomeUnknown(_))) => {
                    self.sleep(Duration::from_millis(100)).await;
                }
                // The engine lets go of this work and reads it back at the next start; the attempt is not closed.
                Some(Err(SubmitError::Stopped)) | None => std::future::pending().await,
            }
        }
    }
}

impl Reporter {
    async fn sleep(&self, duration: Duration) {
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::from_secs(1));
        let until = self
            .clock
            .now()
            .saturating_add(duration)
            .unwrap_or(Timestamp::MAX);
        self.clock.sleep_until(until).await;
    }
}
