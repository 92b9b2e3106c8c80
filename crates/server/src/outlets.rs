//! What goes out by itself: reads the journal behind a stored position, makes deliveries, and carries them
//! (4-interfaces.md, Outbound events; reliability.md, 46).
//!
//! Deliveries and the position are written at once, so that every event is matched exactly once.
//! One worker per destination sends them one after the other; a dead destination holds up nobody but itself.
//! A delivery is marked `sending` before its first byte leaves: what was under way when a process died is sent again
//! under the same id where the receiver can tell a repeat, and marked `unknown` where it cannot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trainmaster_core::ids::{Name, ResourceKey, ResourceKind};
use trainmaster_core::notification_rule::NotificationRuleSpec;
use trainmaster_engine::outlet::{Carried, Carrier, Parcel, Verdict};
use trainmaster_engine::ports::Clock;
use trainmaster_engine::{Engine, Faults};
use trainmaster_store::SqlStore;
use trainmaster_store::outlets::{Delivery, DeliveryStatus, Outlet};

use crate::rights::Rights;

mod matching;
mod reader;
mod worker;

/// Places at which a process can be made to die while something goes out (reliability.md, fault 2).
pub const POINTS: [&str; 4] = [
    "outlets.made",
    "outlets.sending",
    "outlets.sent",
    "outlets.marked",
];

/// How many messages are on their way at a time.
const SENDING_MAX: usize = 32;
/// After how much time without one success a channel is turned off.
const FAILING_MAX: SignedDuration = SignedDuration::from_hours(72);
/// And after how many tries at least.
const FAILURES_MIN: u32 = 5;
/// How long is waited when the store does not answer.
const STORE_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// What the dispatcher works with.
pub struct OutletParts {
    /// Tells what was committed, and takes the fact that a channel was turned off.
    pub engine: Engine,
    /// Keeps rules, deliveries and the position.
    pub store: Arc<SqlStore>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Time zones; the same as the engine's.
    pub zones: jiff::tz::TimeZoneDatabase,
    /// Carries the messages.
    pub carrier: Arc<dyn Carrier>,
    /// The server's own address from outside.
    pub public_url: String,
    /// What happens at named places, for tests of crashes.
    pub faults: Faults,
}

/// Makes deliveries and sends them; clones are the same dispatcher.
#[derive(Clone)]
pub struct Dispatcher(Arc<Inner>);

struct Inner {
    engine: Engine,
    store: Arc<SqlStore>,
    clock: Arc<dyn Clock>,
    carrier: Arc<dyn Carrier>,
    rights: Rights,
    public_url: String,
    faults: Faults,
    workers: Mutex<BTreeMap<String, Desk>>,
    places: Semaphore,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// Where a worker is told that there is something to do.
#[derive(Clone)]
struct Desk {
    bell: Arc<Notify>,
    asked: bool,
}

/// What became of a test of one channel.
#[derive(Clone, Debug)]
pub struct Tested(pub Delivery);

impl Dispatcher {
    /// Starts reading and sending.
    pub fn start(parts: OutletParts) -> Dispatcher {
        let inner = Arc::new(Inner {
            rights: Rights::new(parts.engine.clone(), parts.store.clone(), parts.zones),
            engine: parts.engine,
            store: parts.store,
            clock: parts.clock,
            carrier: parts.carrier,
            public_url: parts.public_url.trim_end_matches('/').to_owned(),
            faults: parts.faults,
            workers: Mutex::default(),
            places: Semaphore::new(SENDING_MAX),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let reading = inner.clone();
        inner.tasks.spawn(async move { reading.read().await });
        Dispatcher(inner)
    }

    /// Stops; what is on its way is waited for, within a limit.
    pub async fn stop(&self, patience: Duration) {
        self.0.stopping.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(patience, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some messages were still on their way when the server ended");
        }
    }

    /// Sends a delivery that has ended once more, under the same id, to where its rule sends to now.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn redeliver(
        &self,
        mut delivery: Delivery,
    ) -> Result<Delivery, trainmaster_engine::ports::StoreError> {
        if matches!(
            delivery.status,
            DeliveryStatus::Pending | DeliveryStatus::Sending
        ) {
            return Ok(delivery);
        }
        let inner = &self.0;
        let key = rule_key(delivery.organization.as_ref(), &delivery.rule);
        if let Some(spec) = inner.rule(&key).await? {
            matching::readdress(&mut delivery, &spec);
        }
        let now = inner.clock.now().as_microsecond();
        delivery.status = DeliveryStatus::Pending;
        (delivery.attempts, delivery.next_at, delivery.updated_at) = (0, now, now);
        (delivery.code, delivery.answer) = (None, String::new());
        inner
            .store
            .enable_outlets(delivery.organization.as_ref(), &delivery.rule)
            .await?;
        inner.store.mark_delivery(&delivery, None).await?;
        inner.wake(&delivery.destination);
        Ok(delivery)
    }

    /// Sends a test through every channel of a rule that leads outside, at once, and says what became of it.
    ///
    /// A channel that takes the test is turned on again.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn test(
        &self,
        key: &ResourceKey,
        spec: &NotificationRuleSpec,
        by: &str,
    ) -> Result<Vec<Tested>, trainmaster_engine::ports::StoreError> {
        let inner = &self.0;
        let now = inner.clock.now();
        let policy = inner.rights.now().await.map_err(|_| {
            trainmaster_engine::ports::StoreError::Unavailable("rights cannot be read".to_owned())
        })?;
        let deliveries = matching::test(
            key,
            spec,
            by,
            &policy,
            &inner.public_url,
            inner.engine.position(),
            now,
        );
        let tests = deliveries
            .into_iter()
            .map(|delivery| inner.send_test(delivery));
        futures::future::try_join_all(tests).await
    }
}

impl Inner {
    fn workers(&self) -> MutexGuard<'_, BTreeMap<String, Desk>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the worker of a destination look again, or starts one.
    fn wake(self: &Arc<Self>, destination: &str) {
        let mut workers = self.workers();
        if let Some(desk) = workers.get_mut(destination) {
            desk.asked = true;
            desk.bell.notify_one();
            return;
        }
        let bell = Arc::new(Notify::new());
        let desk = Desk {
            bell: bell.clone(),
            asked: false,
        };
        workers.insert(destination.to_owned(), desk);
        let (inner, destination) = (self.clone(), destination.to_owned());
        self.tasks
            .spawn(async move { inner.work(destination, bell).await });
    }

    /// Waits a little, or until the dispatcher stops; false if it stops.
    async fn pause(&self, length: SignedDuration) -> bool {
        let until = self
            .clock
            .now()
            .checked_add(length)
            .unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = self.clock.sleep_until(until) => true,
            () = self.stopping.cancelled() => false,
        }
    }

    /// The newest revision of a rule; none if there is no such rule.
    async fn rule(
        &self,
        key: &ResourceKey,
    ) -> Result<Option<NotificationRuleSpec>, trainmaster_engine::ports::StoreError> {
        match self.store.resource(key).await? {
            Some(resource) if !resource.deleted => reader::spec_of(&self.store, &resource).await,
            _ => Ok(None),
        }
    }

    async fn send_test(
        &self,
        mut delivery: Delivery,
    ) -> Result<Tested, trainmaster_engine::ports::StoreError> {
        self.store.log_delivery(&delivery).await?;
        let carried = match worker::parcel(&delivery) {
            Ok(parcel) => self.carrier.carry(&parcel, self.clock.now()).await,
            Err(error) => Carried::Refused {
                status: None,
                error,
            },
        };
        let now = self.clock.now().as_microsecond();
        worker::write_down(&mut delivery, &carried, now);
        delivery.status = match carried {
            Carried::Delivered { .. } => DeliveryStatus::Delivered,
            Carried::Lost { .. } => DeliveryStatus::Unknown,
            Carried::Refused { .. } | Carried::Gone { .. } | Carried::Later { .. } => {
                DeliveryStatus::Failed
            }
        };
        let good = (delivery.status == DeliveryStatus::Delivered).then(Outlet::default);
        self.store.mark_delivery(&delivery, good.as_ref()).await?;
        Ok(Tested(delivery))
    }
}

fn rule_key(organization: Option<&Name>, rule: &Name) -> ResourceKey {
    ResourceKey {
        kind: ResourceKind::NotificationRule,
        organization: organization.cloned(),
        name: rule.clone(),
    }
}

/// How a channel does after a try; none if nothing has changed.
fn next_outlet(before: &Outlet, verdict: &Verdict, error: &str, now: Timestamp) -> Option<Outlet> {
    let turned_off = |outlet: &mut Outlet, why: String| {
        outlet.disabled_at = Some(now.as_microsecond());
        outlet.reason = why;
    };
    let mut outlet = before.clone();
    match verdict {
        Verdict::Delivered => return (*before != Outlet::default()).then(Outlet::default),
        Verdict::Gone => turned_off(
            &mut outlet,
            format!("the receiver is gone for good: {error}"),
        ),
        Verdict::Again(_) | Verdict::Failed | Verdict::Unknown => {
            let since = *outlet.failing_since.get_or_insert(now.as_microsecond());
            outlet.failures = outlet.failures.saturating_add(1);
            let failing = now.as_microsecond().saturating_sub(since);
            let limit = i64::try_from(FAILING_MAX.as_micros()).unwrap_or(i64::MAX);
            if failing >= limit && outlet.failures >= FAILURES_MIN {
                let days = FAILING_MAX.as_hours() / 24;
                turned_off(
                    &mut outlet,
                    format!("nothing has got through for {days} days: {error}"),
                );
            }
        }
    }
    Some(outlet)
}

/// Reads a delivery's message back.
type ParcelRead = Result<Parcel, String>;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        start + SignedDuration::from_hours(hours)
    }

    fn again() -> Verdict {
        Verdict::Again(SignedDuration::from_secs(5))
    }

    #[test]
    fn a_channel_that_fails_for_three_days_is_turned_off() {
        let mut outlet = Outlet::default();
        for hours in [0, 24, 48, 71] {
            outlet = next_outlet(&outlet, &again(), "busy", at(hours)).expect("it changes");
            assert_eq!(outlet.disabled_at, None, "after {hours} hours");
        }
        let off = next_outlet(&outlet, &Verdict::Failed, "busy", at(72)).expect("it changes");
        assert_eq!(off.disabled_at, Some(at(72).as_microsecond()));
        assert_eq!(off.reason, "nothing has got through for 3 days: busy");
        let good = next_outlet(&outlet, &Verdict::Delivered, "", at(72));
        assert_eq!(good, Some(Outlet::default()), "one success counts");
        assert_eq!(
            next_outlet(&Outlet::default(), &Verdict::Delivered, "", at(72)),
            None
        );
    }

    #[test]
    fn a_channel_that_is_hardly_used_is_not_turned_off_for_one_failure() {
        let first = next_outlet(&Outlet::default(), &Verdict::Failed, "busy", at(0));
        let first = first.expect("it changes");
        let second = next_outlet(&first, &Verdict::Failed, "busy", at(200)).expect("it changes");
        assert_eq!(second.disabled_at, None);
        let gone = next_outlet(&first, &Verdict::Gone, "410", at(1)).expect("it changes");
        assert!(gone.disabled_at.is_some());
    }
}
