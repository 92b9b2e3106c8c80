//! How fast the demo goes: waiting is skipped while nobody works and nobody is asked for anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use trainmaster_core::release::{Life, Release};
use trainmaster_core::status::Stage;
use trainmaster_engine::Engine;
use trainmaster_store::SqlStore;
use trainmaster_store::read::{PageRequest, ReleaseFilter};

use super::clock::{Skipped, SkippingClock};

/// How often the clock is moved.
const TICK: Duration = Duration::from_millis(20);
/// A machine that was held up does not make up for it.
const TICK_MAX: Duration = Duration::from_millis(60);
/// Nothing has happened for this long: whatever a waking set off has been seen.
const QUIET: Duration = Duration::from_millis(80);

/// Moves the clock on.
pub(crate) struct Pace {
    pub(crate) clock: SkippingClock,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<SqlStore>,
    /// How many minutes of waiting pass in one second.
    pub(crate) speed: u32,
}

impl Pace {
    /// Goes on until it is dropped.
    pub(crate) async fn keep(self) {
        let mut seen = self.engine.position();
        let mut last_event = Instant::now();
        let mut last_tick = Instant::now();
        let mut is_free = None;
        loop {
            tokio::time::sleep(TICK).await;
            let passed = last_tick.elapsed().min(TICK_MAX);
            last_tick = Instant::now();
            let position = self.engine.position();
            if position != seen || self.is_anything_under_way() {
                seen = position;
                last_event = Instant::now();
                is_free = None;
            }
            if last_event.elapsed() < QUIET {
                continue;
            }
            let free = match is_free {
                Some(free) => free,
                None => self.only_time_is_missing().await,
            };
            is_free = Some(free);
            if free && self.clock.skip(self.waiting(passed)) == Skipped::UpToAWaking {
                last_event = Instant::now();
            }
        }
    }

    /// Whether the engine or an executor has something to do at this moment, or is about to.
    fn is_anything_under_way(&self) -> bool {
        let engine = self.engine.metrics();
        // An effect that runs and does not sleep is at work, also before its executor has begun.
        self.clock.is_at_work()
            || engine.effects_running > self.clock.napping()
            || engine.effects_waiting > 0
            || engine.queue > 0
            || !engine.oldest_runnable.is_zero()
    }

    /// How much waiting passes in that much time.
    fn waiting(&self, passed: Duration) -> SignedDuration {
        let passed = SignedDuration::try_from(passed).unwrap_or_default();
        let speed = i32::try_from(self.speed).unwrap_or(i32::MAX);
        passed.saturating_mul(60).saturating_mul(speed)
    }

    /// Whether a release is under way, and none waits for a person.
    async fn only_time_is_missing(&self) -> bool {
        let filter = ReleaseFilter {
            stages: vec![Stage::Running, Stage::OnHold],
            children: true,
            ..ReleaseFilter::default()
        };
        match self
            .store
            .list_releases(&filter, &PageRequest::first(100))
            .await
        {
            Ok(page) => {
                !page.items.is_empty() && page.items.iter().all(|release| !needs_a_person(release))
            }
            Err(error) => {
                tracing::warn!(%error, "the clock cannot see what is under way");
                false
            }
        }
    }
}

fn needs_a_person(release: &Release) -> bool {
    release.counters.needs_input > 0
        || release.pause.is_some()
        || release.quarantine.is_some()
        || release.life != Life::Underway
}
