//! Clocks: the machine's, one that runs faster, and one that is moved by hand.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::ports::Clock;

/// Sleeping in pieces notices within a second that the machine's clock was set.
const PIECE: Duration = Duration::from_secs(1);

/// The machine's clock, in whole microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        whole_microseconds(Timestamp::now())
    }

    async fn sleep_until(&self, until: Timestamp) {
        while let Some(left) = left(self.now(), until) {
            tokio::time::sleep(left.min(PIECE)).await;
        }
    }
}

/// A clock that runs faster than the machine's: what takes an hour is over in an hour divided by the speed.
#[derive(Clone, Copy, Debug)]
pub struct ScaledClock {
    start: Timestamp,
    begun: Instant,
    speed: u32,
}

impl ScaledClock {
    /// A clock that shows `start` now; a speed of zero counts as one.
    pub fn new(start: Timestamp, speed: u32) -> Self {
        ScaledClock {
            start,
            begun: Instant::now(),
            speed: speed.max(1),
        }
    }

    /// How many times faster than the machine's clock it runs.
    pub fn speed(&self) -> u32 {
        self.speed
    }
}

#[async_trait]
impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.begun.elapsed().saturating_mul(self.speed);
        let shown = self.start.saturating_add(elapsed).unwrap_or(Timestamp::MAX);
        whole_microseconds(shown)
    }

    async fn sleep_until(&self, until: Timestamp) {
        while let Some(left) = left(self.now(), until) {
            tokio::time::sleep((left / self.speed).min(PIECE)).await;
        }
    }
}

/// A clock that stands still until it is moved; clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    now: watch::Sender<Timestamp>,
    sleepers: Mutex<Sleepers>,
}

#[derive(Debug, Default)]
struct Sleepers {
    last: u64,
    until: BTreeSet<(Timestamp, u64)>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        ManualClock(Arc::new(Hands {
            now: watch::Sender::new(start),
            sleepers: Mutex::default(),
        }))
    }

    /// Moves the clock forward; whoever has slept long enough wakes up.
    pub fn advance(&self, by: SignedDuration) {
        self.0
            .now
            .send_modify(|now| *now = now.saturating_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, to: Timestamp) {
        self.0.now.send_replace(to);
    }

    /// Until when the next sleeper sleeps, if there is one.
    pub fn next_sleeper(&self) -> Option<Timestamp> {
        self.0.sleepers().until.first().map(|(until, _)| *until)
    }
}

impl Hands {
    fn sleepers(&self) -> std::sync::MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut now = self.0.now.subscribe();
        if *now.borrow_and_update() >= until {
            return;
        }
        let _listed = Listed::new(&self.0, until);
        // The sender lives as long as this clock, so waiting ends only when the time has come.
        let _ = now.wait_for(|now| *now >= until).await;
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

fn left(now: Timestamp, until: Timestamp) -> Option<Duration> {
    let left = until.duration_since(now);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}

/// Databases and addresses hold microseconds; what is finer would not read back.
fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().expect("a time")
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_and_not_before() {
        let clock = ManualClock::new(noon());
        let hour = SignedDuration::from_hours(1);
        let until = noon() + hour;
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(until).await;
                clock.now()
            }
        });
        while clock.next_sleeper().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_sleeper(), Some(until));
        clock.advance(SignedDuration::from_mins(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(SignedDuration::from_mins(1));
        assert_eq!(sleeper.await.expect("the sleeper ends"), until);
        assert_eq!(clock.next_sleeper(), None);
    }

    #[tokio::test]
    async fn a_scaled_clock_compresses_waiting() {
        let clock = ScaledClock::new(noon(), 1_000_000);
        let until = noon() + SignedDuration::from_hours(1);
        clock.sleep_until(until).await;
        assert!(clock.now() >= until);
        assert!(clock.begun.elapsed() < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn what_is_due_is_not_waited_for() {
        SystemClock
            .sleep_until(noon() - SignedDuration::from_hours(1_000_000))
            .await;
        assert_eq!(SystemClock.now().subsec_nanosecond() % 1000, 0);
    }
}
