//! Counts and gauges of an engine, for the metrics page and the health check.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use jiff::{SignedDuration, Timestamp};

/// Upper bounds of the histogram of events per commit; one more bucket takes what is above.
pub const BATCH_BOUNDS: [u64; 14] = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
];

/// An engine at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Position of the newest durable event.
    pub position: u64,
    /// Commands judged since the start, effects' outcomes included.
    pub commands: u64,
    /// Commands that were rejected.
    pub rejected: u64,
    /// Events made durable.
    pub events: u64,
    /// Commits that worked.
    pub commits: u64,
    /// Commits that failed.
    pub commit_failures: u64,
    /// How often the world was loaded again.
    pub reloads: u64,
    /// Panics in the domain.
    pub panics: u64,
    /// Events per commit: how many commits fell into each bucket of [`BATCH_BOUNDS`], and above.
    pub batches: [u64; BATCH_BOUNDS.len() + 1],
    /// Commands that wait to be judged.
    pub queue: usize,
    /// Effects that an executor performs.
    pub effects_running: usize,
    /// Effects that wait for a place.
    pub effects_waiting: usize,
    /// How long the oldest thing that could go on has been waiting: an uncommitted command, a timer that is
    /// due, an effect without a place.
    pub oldest_runnable: SignedDuration,
}

/// The counters behind [`Metrics`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commands: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) commit_failures: AtomicU64,
    pub(crate) reloads: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) effects_running: AtomicUsize,
    pub(crate) effects_waiting: AtomicUsize,
    batches: [AtomicU64; BATCH_BOUNDS.len() + 1],
    /// Since when the oldest runnable thing waits, in microseconds since 1970; zero if there is none.
    oldest: AtomicI64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Relaxed);
    }

    pub(crate) fn committed(&self, events: usize) {
        let bucket = BATCH_BOUNDS.partition_point(|bound| *bound < events as u64);
        self.batches[bucket].fetch_add(1, Relaxed);
        Self::add(&self.commits, 1);
        Self::add(&self.events, events);
    }

    pub(crate) fn set_oldest(&self, since: Option<Timestamp>) {
        self.oldest
            .store(since.map_or(0, |since| since.as_microsecond()), Relaxed);
    }

    pub(crate) fn snapshot(&self, position: u64, queue: usize, now: Timestamp) -> Metrics {
        let waits = match self.oldest.load(Relaxed) {
            0 => 0,
            since => now.as_microsecond().saturating_sub(since).max(0),
        };
        Metrics {
            position,
            commands: self.commands.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            events: self.events.load(Relaxed),
            commits: self.commits.load(Relaxed),
            commit_failures: self.commit_failures.load(Relaxed),
            reloads: self.reloads.load(Relaxed),
            panics: self.panics.load(Relaxed),
            batches: std::array::from_fn(|bucket| self.batches[bucket].load(Relaxed)),
            queue,
            effects_running: self.effects_running.load(Relaxed),
            effects_waiting: self.effects_waiting.load(Relaxed),
            oldest_runnable: SignedDuration::from_micros(waits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_by_size() {
        let counters = Counters::default();
        for events in [0, 1, 2, 3, 8192, 8193] {
            counters.committed(events);
        }
        let metrics = counters.snapshot(9, 0, Timestamp::UNIX_EPOCH);
        assert_eq!(metrics.batches[..3], [2, 1, 1]);
        assert_eq!(metrics.batches[13..], [1, 1]);
        assert_eq!((metrics.commits, metrics.events), (6, 16_391));
    }

    #[test]
    fn the_oldest_runnable_thing_has_an_age() {
        let counters = Counters::default();
        let now = Timestamp::from_second(1_000).expect("a time");
        counters.set_oldest(None);
        assert_eq!(
            counters.snapshot(0, 0, now).oldest_runnable,
            SignedDuration::ZERO
        );
        counters.set_oldest(Some(Timestamp::from_second(990).expect("a time")));
        assert_eq!(
            counters.snapshot(0, 0, now).oldest_runnable,
            SignedDuration::from_secs(10)
        );
    }
}
