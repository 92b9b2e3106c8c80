//! One destination: its deliveries one after the other, oldest first.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;
use trainmaster_core::{Actor, Command};
use trainmaster_engine::outlet::{Carried, Verdict};
use trainmaster_engine::{Idempotency, Request};
use trainmaster_store::outlets::{Delivery, DeliveryStatus, Outlet};

use super::{Inner, ParcelRead, STORE_WAIT, next_outlet, rule_key};

/// Longest answer or error that is kept, in characters.
const ANSWER_LENGTH_MAX: usize = 500;

/// The message of a delivery with where it goes.
pub(super) fn parcel(delivery: &Delivery) -> ParcelRead {
    serde_json::from_str(&delivery.body)
        .map_err(|error| format!("its message cannot be read: {error}"))
}

/// Writes down what the receiver said, or what went wrong.
pub(super) fn write_down(delivery: &mut Delivery, carried: &Carried, now: i64) {
    let (code, said) = match carried {
        Carried::Delivered { status, answer } => (*status, answer),
        Carried::Refused { status, error } | Carried::Later { status, error, .. } => {
            (*status, error)
        }
        Carried::Gone { error } => (Some(410), error),
        Carried::Lost { error } => (None, error),
    };
    delivery.code = code;
    delivery.answer = said.chars().take(ANSWER_LENGTH_MAX).collect();
    delivery.updated_at = now;
}

impl Inner {
    /// Sends everything that goes to one destination, until nothing is left.
    pub(super) async fn work(self: Arc<Self>, destination: String, bell: Arc<Notify>) {
        while !self.stopping.is_cancelled() {
            if let Some(desk) = self.workers().get_mut(&destination) {
                desk.asked = false;
            }
            match self.store.next_delivery(&destination).await {
                Ok(Some(delivery)) => self.turn(delivery, &bell).await,
                Ok(None) if self.leave(&destination) => return,
                Ok(None) => (),
                Err(error) => {
                    tracing::warn!(%destination, %error, "deliveries cannot be read");
                    self.pause(STORE_WAIT).await;
                }
            }
        }
    }

    /// Ends the worker, unless something was added meanwhile.
    fn leave(&self, destination: &str) -> bool {
        let mut workers = self.workers();
        let asked = workers.get(destination).is_some_and(|desk| desk.asked);
        if !asked {
            workers.remove(destination);
        }
        !asked
    }

    /// The delivery whose turn it is: wait for its time, or send it.
    async fn turn(&self, delivery: Delivery, bell: &Notify) {
        let now = self.clock.now();
        if delivery.status == DeliveryStatus::Pending && delivery.next_at > now.as_microsecond() {
            let until = Timestamp::from_microsecond(delivery.next_at).unwrap_or(now);
            tokio::select! {
                () = self.clock.sleep_until(until) => (),
                () = bell.notified() => (),
                () = self.stopping.cancelled() => (),
            }
            return;
        }
        match self.store.outlet(&delivery.destination).await {
            Ok(outlet) if outlet.disabled_at.is_some() => {
                let mut withheld = delivery;
                withheld.status = DeliveryStatus::Withheld;
                withheld.updated_at = now.as_microsecond();
                withheld.answer = format!("the channel is turned off: {}", outlet.reason);
                self.mark(&withheld, None).await;
            }
            Ok(outlet) => self.send(delivery, &outlet, now).await,
            Err(error) => {
                tracing::warn!(%error, "the state of a channel cannot be read");
                self.pause(STORE_WAIT).await;
            }
        }
    }

    async fn send(&self, mut delivery: Delivery, outlet: &Outlet, now: Timestamp) {
        let parcel = match parcel(&delivery) {
            Ok(parcel) => parcel,
            Err(error) => {
                delivery.status = DeliveryStatus::Failed;
                (delivery.answer, delivery.updated_at) = (error, now.as_microsecond());
                self.mark(&delivery, None).await;
                return;
            }
        };
        // Only a process that died leaves a delivery like this: its bytes may have left.
        if delivery.status == DeliveryStatus::Sending && !parcel.to.takes_repeats() {
            delivery.status = DeliveryStatus::Unknown;
            delivery.updated_at = now.as_microsecond();
            delivery.answer =
                "the server ended while it was sent; send it again by hand if it did not arrive"
                    .to_owned();
            self.mark(&delivery, None).await;
            return;
        }
        let Ok(place) = self.places.acquire().await else {
            return;
        };
        delivery.status = DeliveryStatus::Sending;
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.updated_at = now.as_microsecond();
        if !self.mark(&delivery, None).await {
            return;
        }
        self.faults.pass("outlets.sending");
        let carried = self.carrier.carry(&parcel, now).await;
        self.faults.pass("outlets.sent");
        drop(place);
        let verdict = carried.verdict(&parcel.to, delivery.attempts, &delivery.id);
        let now = self.clock.now();
        write_down(&mut delivery, &carried, now.as_microsecond());
        delivery.status = match &verdict {
            Verdict::Delivered => DeliveryStatus::Delivered,
            Verdict::Failed | Verdict::Gone => DeliveryStatus::Failed,
            Verdict::Unknown => DeliveryStatus::Unknown,
            Verdict::Again(after) => {
                let next = now.checked_add(*after).unwrap_or(Timestamp::MAX);
                delivery.next_at = next.as_microsecond();
                DeliveryStatus::Pending
            }
        };
        let outlet = next_outlet(outlet, &verdict, &delivery.answer, now);
        let turned_off = outlet
            .as_ref()
            .filter(|outlet| outlet.disabled_at.is_some());
        if let Some(outlet) = turned_off {
            self.say_turned_off(&delivery, outlet).await;
        }
        self.mark(&delivery, outlet.as_ref()).await;
        self.faults.pass("outlets.marked");
    }

    /// Writes how a delivery stands, as often as it takes; false if the dispatcher stops before.
    async fn mark(&self, delivery: &Delivery, outlet: Option<&Outlet>) -> bool {
        loop {
            match self.store.mark_delivery(delivery, outlet).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::warn!(delivery = %delivery.id, %error, "a delivery cannot be marked");
                    if !self.pause(STORE_WAIT).await {
                        return false;
                    }
                }
            }
        }
    }

    /// Administrators are told by a fact of the journal, once however often this is tried.
    async fn say_turned_off(&self, delivery: &Delivery, outlet: &Outlet) {
        let rule = rule_key(delivery.organization.as_ref(), &delivery.rule);
        let key = format!("outlets/{}/{}", delivery.id, delivery.attempts);
        let request = Request {
            actor: Actor::System,
            command: Command::DisableOutlet {
                rule,
                channel: delivery.number,
                reason: outlet.reason.clone(),
            },
            idempotency: Some(Idempotency {
                fingerprint: key.clone(),
                key,
            }),
            answer: Box::new(|_, _| String::new()),
        };
        if let Err(error) = self.engine.submit(request).await {
            tracing::warn!(destination = %delivery.destination, %error, "nobody could be told that a channel was turned off");
        }
    }
}
