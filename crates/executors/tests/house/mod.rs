//! What the tests of executors share: the work they are handed, and fakes that remember.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod web;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use trainmaster_core::effect::{Effect, Intent, Outcome};
use trainmaster_core::ids::{AttemptId, EffectKey, Name, ReleaseId};
use trainmaster_core::uses::ActivityType;
use trainmaster_engine::ports::{
    Clock, Executor, Handles, LogLine, LogSink, LogStore, NumberedLine, StoreError, Work,
};
use trainmaster_executors::secrets::{Secret, SecretError, Secrets};

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One attempt as the engine sees it, over several lives of the server.
#[derive(Clone)]
pub struct Story {
    pub effect: Effect,
    pub log: Arc<MemoryLog>,
    pub journal: Arc<Journal>,
    pub clock: Arc<dyn Clock>,
    pub cancel: CancellationToken,
}

impl Story {
    pub fn new(uses: ActivityType, config: Value) -> Self {
        let clock = Arc::new(QuickClock::default());
        let effect = Effect {
            id: AttemptId {
                release: ReleaseId(42),
                path: "deploy/rollout".parse().expect("a path"),
                number: 1,
            },
            key: EffectKey("rel-00000042.1.deploy/rollout".into()),
            uses,
            config,
            organization: None,
            handle: None,
            intent: Intent::Perform,
            started_at: clock.now(),
            deadline: None,
        };
        Story {
            effect,
            log: Arc::default(),
            journal: Arc::default(),
            clock,
            cancel: CancellationToken::new(),
        }
    }

    /// The engine performs the effect for the first time.
    pub async fn begins(&self, executor: &dyn Executor) -> Outcome {
        executor.perform(&self.effect, &self.work(true)).await
    }

    /// Another life of the server performs the effect again, knowing what the journal knows.
    pub async fn goes_on(&self, executor: &dyn Executor) -> Outcome {
        executor
            .perform(&self.as_recorded(), &self.work(false))
            .await
    }

    /// Another life of the server wants the effect to be stopped.
    pub async fn is_stopped(&self, executor: &dyn Executor) -> Outcome {
        let mut effect = self.as_recorded();
        effect.intent = Intent::Cancel;
        executor.perform(&effect, &self.work(false)).await
    }

    pub fn as_recorded(&self) -> Effect {
        let mut effect = self.effect.clone();
        effect.handle = self.journal.handle();
        effect
    }

    pub fn work(&self, first: bool) -> Work {
        Work {
            first,
            cancel: self.cancel.clone(),
            log: LogSink::new(self.effect.id.clone(), self.log.clone()),
            handles: self.journal.clone(),
            clock: self.clock.clone(),
        }
    }

    /// The next automatic try: same key, next number.
    pub fn retried(&self) -> Story {
        let mut next = Story::new(self.effect.uses, self.effect.config.clone());
        next.effect.id.number = self.effect.id.number + 1;
        next
    }
}

/// Takes in handles as the engine's journal does.
#[derive(Default)]
pub struct Journal {
    handles: Mutex<Vec<Value>>,
    closed: AtomicBool,
}

impl Journal {
    pub fn handle(&self) -> Option<Value> {
        lock(&self.handles).last().cloned()
    }

    pub fn record(&self, handle: Value) {
        lock(&self.handles).push(handle);
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Handles for Journal {
    async fn report(&self, _: &AttemptId, handle: Value) -> bool {
        if self.closed.load(Ordering::SeqCst) {
            return false;
        }
        self.record(handle);
        true
    }
}

/// A log store in memory.
#[derive(Default)]
pub struct MemoryLog {
    lines: Mutex<Vec<LogLine>>,
}

impl MemoryLog {
    pub fn lines(&self) -> Vec<LogLine> {
        lock(&self.lines).clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }
}

#[async_trait]
impl LogStore for MemoryLog {
    async fn append(&self, _: &AttemptId, lines: Vec<LogLine>) -> Result<(), StoreError> {
        lock(&self.lines).extend(lines);
        Ok(())
    }

    async fn read(
        &self,
        _: &AttemptId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedLine>, StoreError> {
        let lines = self.lines();
        let numbered = (1..)
            .zip(lines)
            .map(|(number, line)| NumberedLine { number, line });
        Ok(numbered
            .filter(|line| line.number > after)
            .take(limit)
            .collect())
    }

    async fn remove(&self, _: ReleaseId) -> Result<(), StoreError> {
        lock(&self.lines).clear();
        Ok(())
    }
}

/// A clock on which every sleep is over at once, and the time has come.
pub struct QuickClock {
    now: Mutex<Timestamp>,
}

impl Default for QuickClock {
    fn default() -> Self {
        let now = "2026-11-21T03:00:00Z".parse().expect("a time");
        QuickClock {
            now: Mutex::new(now),
        }
    }
}

#[async_trait]
impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        *lock(&self.now)
    }

    async fn sleep_until(&self, until: Timestamp) {
        {
            let mut now = lock(&self.now);
            *now = until.max(*now);
        }
        tokio::task::yield_now().await;
    }
}

/// Secrets by name.
#[derive(Clone, Default)]
pub struct Known(pub BTreeMap<String, String>);

impl Known {
    pub fn new(pairs: &[(&str, &str)]) -> Arc<Self> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Arc::new(Known(pairs.collect()))
    }
}

#[async_trait]
impl Secrets for Known {
    async fn secret(&self, _: Option<&Name>, name: &str) -> Result<Secret, SecretError> {
        self.0
            .get(name)
            .map(Secret::new)
            .ok_or(SecretError::Missing)
    }
}

pub fn result(outcome: &Outcome) -> &Value {
    match outcome {
        Outcome::Succeeded { result } => result,
        other => panic!("it did not succeed: {other:?}"),
    }
}

pub fn retryable(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Retryable { error, .. } => error,
        other => panic!("it is not retryable: {other:?}"),
    }
}

pub fn failed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { error, .. } => error,
        other => panic!("it did not fail: {other:?}"),
    }
}

pub fn unknown(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Unknown { error } => error,
        other => panic!("it is not unknown: {other:?}"),
    }
}
