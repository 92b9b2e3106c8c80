//! The one sleep of the scheduler: until the world wants to be woken.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::ports::Clock;

/// Rings when the world's next due instant has come.
pub(super) struct Alarm {
    clock: Arc<dyn Clock>,
    at: Option<Timestamp>,
    sleep: Option<BoxFuture<'static, ()>>,
    /// Not to ring before, where ringing has led to nothing.
    not_before: Option<Timestamp>,
}

impl Alarm {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Alarm {
            clock,
            at: None,
            sleep: None,
            not_before: None,
        }
    }

    /// Sets the instant; a sleep that fits already goes on.
    pub(super) fn set(&mut self, at: Option<Timestamp>) {
        let at = at.map(|at| self.not_before.map_or(at, |not_before| at.max(not_before)));
        if at != self.at {
            self.at = at;
            self.sleep = None;
        }
    }

    /// Whether the instant has come.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| at <= now)
    }

    /// Says whether the world had anything to do when it was woken.
    ///
    /// A world that wants to be woken again at once although nothing happens would keep the driver from sleeping.
    pub(super) fn answered(&mut self, events: usize, wake_at: Option<Timestamp>, now: Timestamp) {
        self.not_before = None;
        if events == 0 && wake_at.is_some_and(|at| at <= now) {
            tracing::error!("the world wants to be woken at once and does nothing");
            self.not_before = now.checked_add(SignedDuration::from_secs(1)).ok();
        }
    }

    /// Returns when the instant has come; never while none is set.
    pub(super) async fn ring(&mut self) {
        let Some(at) = self.at else {
            return std::future::pending().await;
        };
        let clock = &self.clock;
        let sleep = self.sleep.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep_until(at).await })
        });
        sleep.await;
        self.at = None;
        self.sleep = None;
    }
}
