//! The clock of the demo: it runs like any other, and skips the time in which everybody only waits.
//!
//! Work takes as long as it takes, and people get the time that they need;
//! what is left out is the night between two days of a train.
//! Nobody sleeps through a skip: the clock never goes beyond the time at which somebody wants to be woken.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use trainmaster_core::effect::{Effect, Outcome};
use trainmaster_engine::ports::{Clock, Executor, Executors, Work};

/// Sleeping in pieces keeps up with the machine's clock.
const PIECE: Duration = Duration::from_secs(1);

/// A clock that skips waiting; clones are the same clock.
#[derive(Clone)]
pub(crate) struct SkippingClock(Arc<Hands>);

struct Hands {
    start: Timestamp,
    begun: Instant,
    skipped: watch::Sender<SignedDuration>,
    sleepers: Mutex<Sleepers>,
    /// How many executors act on the outside world at this moment.
    at_work: AtomicUsize,
    /// How many executors sleep by this clock.
    napping: AtomicUsize,
}

#[derive(Default)]
struct Sleepers {
    last: u64,
    until: BTreeSet<(Timestamp, u64)>,
}

/// What became of a skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// Nobody sleeps, so there is nothing to wait for.
    Nothing,
    /// Some of the waiting.
    Some,
    /// Everything up to a time at which somebody wakes up.
    UpToAWaking,
}

impl SkippingClock {
    /// A clock that shows `start` now.
    pub(crate) fn new(start: Timestamp) -> Self {
        SkippingClock(Arc::new(Hands {
            start,
            begun: Instant::now(),
            skipped: watch::Sender::new(SignedDuration::ZERO),
            sleepers: Mutex::default(),
            at_work: AtomicUsize::new(0),
            napping: AtomicUsize::new(0),
        }))
    }

    /// Skips at most this long, but never a waking.
    pub(crate) fn skip(&self, at_most: SignedDuration) -> Skipped {
        let Some(waking) = self.0.next_waking() else {
            return Skipped::Nothing;
        };
        let left = waking.duration_since(self.now());
        let skipped = left.min(at_most).max(SignedDuration::ZERO);
        self.0.skipped.send_modify(|all| *all += skipped);
        if left <= at_most {
            Skipped::UpToAWaking
        } else {
            Skipped::Some
        }
    }

    /// Returns once that time has come.
    async fn pass(&self, until: Timestamp) {
        let mut skipped = self.0.skipped.subscribe();
        loop {
            skipped.mark_unchanged();
            let left = until.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(PIECE)) => (),
                // The sender lives as long as this clock.
                _ = skipped.changed() => (),
            }
        }
    }

    /// Whether somebody acts on the outside world, which takes its time.
    pub(crate) fn is_at_work(&self) -> bool {
        self.0.at_work.load(Ordering::SeqCst) > 0
    }

    /// How many executors only wait for their time to come.
    pub(crate) fn napping(&self) -> usize {
        self.0.napping.load(Ordering::SeqCst)
    }

    /// Executors that let the clock know when they are at work.
    pub(crate) fn around(&self, executors: Executors) -> Executors {
        let watched = |inner| -> Arc<dyn Executor> {
            Arc::new(Watched {
                inner,
                clock: self.clone(),
            })
        };
        executors
            .into_iter()
            .map(|(uses, inner)| (uses, watched(inner)))
            .collect()
    }
}

#[async_trait]
impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        let hands = &self.0;
        let passed = SignedDuration::try_from(hands.begun.elapsed()).unwrap_or_default();
        let shown = hands
            .start
            .saturating_add(passed + *hands.skipped.borrow())
            .unwrap_or(Timestamp::MAX);
        // Databases hold microseconds; what is finer would not read back.
        Timestamp::from_microsecond(shown.as_microsecond()).unwrap_or(shown)
    }

    async fn sleep_until(&self, until: Timestamp) {
        let _listed = Listed::new(&self.0, until);
        self.pass(until).await;
    }
}

/// The clock of those who only look after things now and then: a skip does not stop for them, it takes them along.
pub(crate) struct Bystander(pub(crate) SkippingClock);

#[async_trait]
impl Clock for Bystander {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.0.pass(until).await;
    }
}

impl Hands {
    fn sleepers(&self) -> std::sync::MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_waking(&self) -> Option<Timestamp> {
        self.sleepers().until.first().map(|(until, _)| *until)
    }
}

/// Keeps a sleeper in the list for as long as it sleeps, also when its sleep is given up.
struct Listed<'a> {
    hands: &'a Hands,
    entry: (Timestamp, u64),
}

impl<'a> Listed<'a> {
    fn new(hands: &'a Hands, until: Timestamp) -> Self {
        let mut sleepers = hands.sleepers();
        sleepers.last += 1;
        let entry = (until, sleepers.last);
        sleepers.until.insert(entry);
        Listed { hands, entry }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.hands.sleepers().until.remove(&self.entry);
    }
}

/// An executor that counts as being at work, except while it sleeps by its clock.
struct Watched {
    inner: Arc<dyn Executor>,
    clock: SkippingClock,
}

#[async_trait]
impl Executor for Watched {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        let _at_work = AtWork::begin(&self.clock.0);
        let work = Work {
            first: work.first,
            cancel: work.cancel.clone(),
            log: work.log.clone(),
            handles: work.handles.clone(),
            clock: Arc::new(NappingClock(self.clock.clone())),
        };
        self.inner.perform(effect, &work).await
    }
}

/// The clock that an executor is given.
struct NappingClock(SkippingClock);

#[async_trait]
impl Clock for NappingClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let _napping = Napping::begin(&self.0.0);
        self.0.sleep_until(until).await;
    }
}

/// One more at work, until it is dropped.
struct AtWork<'a>(&'a Hands);

impl<'a> AtWork<'a> {
    fn begin(hands: &'a Hands) -> Self {
        hands.at_work.fetch_add(1, Ordering::SeqCst);
        AtWork(hands)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One less at work and one more asleep, until it is dropped.
struct Napping<'a>(&'a Hands);

impl<'a> Napping<'a> {
    fn begin(hands: &'a Hands) -> Self {
        hands.napping.fetch_add(1, Ordering::SeqCst);
        hands.at_work.fetch_sub(1, Ordering::SeqCst);
        Napping(hands)
    }
}

impl Drop for Napping<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_add(1, Ordering::SeqCst);
        self.0.napping.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-16T12:00:00Z".parse().expect("a time")
    }

    #[tokio::test]
    async fn waiting_is_skipped_but_never_beyond_a_waking() {
        let clock = SkippingClock::new(noon());
        let day = SignedDuration::from_hours(24);
        assert_eq!(clock.skip(day), Skipped::Nothing, "nobody waits");
        let until = noon() + day;
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(until).await;
                clock.now()
            }
        });
        while clock.0.next_waking().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.skip(SignedDuration::from_hours(1)), Skipped::Some);
        assert!(!sleeper.is_finished());
        assert_eq!(clock.skip(day * 10), Skipped::UpToAWaking);
        let woken = sleeper.await.expect("the sleeper wakes");
        assert!(woken >= until);
        assert!(woken < until + SignedDuration::from_hours(1), "{woken}");
        assert_eq!(clock.0.next_waking(), None);
    }

    #[tokio::test]
    async fn an_executor_that_sleeps_is_not_at_work() {
        let clock = SkippingClock::new(noon());
        let working = AtWork::begin(&clock.0);
        assert!(clock.is_at_work());
        let napping = tokio::spawn({
            let clock = NappingClock(clock.clone());
            async move {
                clock
                    .sleep_until(noon() + SignedDuration::from_hours(1))
                    .await
            }
        });
        while clock.is_at_work() {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.napping(), 1);
        clock.skip(SignedDuration::from_hours(2));
        napping.await.expect("it wakes");
        assert!(clock.is_at_work());
        drop(working);
        assert!(!clock.is_at_work());
    }
}
