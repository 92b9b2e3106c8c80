//! What leaves the house by itself: prepared messages, and the port through which they are carried.
//!
//! The journal is read behind a stored cursor, deliveries are rows, and each is marked before its first byte
//! leaves (reliability.md, 46). Who carries says how far a message got; what follows from that is decided once,
//! in [`Carried::verdict`].

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainmaster_core::ids::{Name, SecretName};

/// How often a message is tried before it is given up.
pub const ATTEMPTS_MAX: u32 = 16;
/// The first wait between two tries.
const DELAY_FIRST: SignedDuration = SignedDuration::from_secs(5);
/// The longest wait between two tries.
const DELAY_MAX: SignedDuration = SignedDuration::from_hours(12);

/// A message with where it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parcel {
    /// The same over all tries, restarts and repetitions by hand.
    pub id: String,
    /// Whose secrets are used; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// Where it goes.
    pub to: Destination,
    /// What it says.
    pub message: Message,
}

/// Where a message goes. Secrets are names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Destination {
    /// To mailboxes.
    Email {
        /// Which.
        to: Vec<String>,
    },
    /// To an incoming webhook of Slack.
    Slack {
        /// The secret that holds its address.
        secret: SecretName,
    },
    /// To a workflow webhook of Microsoft Teams.
    Teams {
        /// The secret that holds its address.
        secret: SecretName,
    },
    /// To an address, signed.
    Webhook {
        /// Which.
        url: String,
        /// The secret that signs.
        secret: SecretName,
    },
}

impl Destination {
    /// Whether a receiver can tell a repeated message from a new one, so that sending twice does no harm.
    pub fn takes_repeats(&self) -> bool {
        matches!(self, Destination::Webhook { .. })
    }

    /// The kind as written everywhere.
    pub fn kind(&self) -> &'static str {
        match self {
            Destination::Email { .. } => "email",
            Destination::Slack { .. } => "slack",
            Destination::Teams { .. } => "teams",
            Destination::Webhook { .. } => "webhook",
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What the event is called, for example `release.failed`.
    pub word: String,
    /// One sentence.
    pub text: String,
    /// Where it leads, a whole address.
    pub link: String,
    /// The server's own address from outside.
    pub source: String,
    /// What it is about: `rel-00000042`, or `rel-00000042/deploy/eu`; empty for a test.
    #[serde(default)]
    pub subject: String,
    /// The release's name; empty for a test.
    #[serde(default)]
    pub release: String,
    /// Whether something stands still until somebody acts.
    #[serde(default)]
    pub urgent: bool,
    /// When it happened.
    pub at: Timestamp,
    /// Everything for programs.
    #[serde(default)]
    pub data: Value,
}

/// How far a message got.
#[derive(Clone, Debug, PartialEq)]
pub enum Carried {
    /// It is there.
    Delivered {
        /// The status of the answer, where there is one.
        status: Option<u16>,
        /// The beginning of the answer, without secrets.
        answer: String,
    },
    /// The receiver says no, or it can never be sent as it is.
    Refused {
        /// The status of the answer, where there is one.
        status: Option<u16>,
        /// Why.
        error: String,
    },
    /// The receiver is gone for good.
    Gone {
        /// What it said.
        error: String,
    },
    /// It is certainly not there; later it may be.
    Later {
        /// The status of the answer, where there is one.
        status: Option<u16>,
        /// Why.
        error: String,
        /// When the receiver wants to be asked again.
        after: Option<SignedDuration>,
    },
    /// It may be there, or not.
    Lost {
        /// Why nobody knows.
        error: String,
    },
}

/// What becomes of a delivery after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Delivered,
    /// Tried again after this time.
    Again(SignedDuration),
    /// Given up.
    Failed,
    /// Nobody knows whether it arrived, and sending it again might double it.
    Unknown,
    /// Given up, and the channel with it.
    Gone,
}

impl Carried {
    /// What follows, after so many tries.
    pub fn verdict(&self, to: &Destination, attempts: u32, id: &str) -> Verdict {
        let again = |after: Option<SignedDuration>| match attempts {
            ATTEMPTS_MAX.. => Verdict::Failed,
            _ => Verdict::Again(
                delay(attempts, id)
                    .max(after.unwrap_or_default())
                    .min(DELAY_MAX),
            ),
        };
        match self {
            Carried::Delivered { .. } => Verdict::Delivered,
            Carried::Refused { .. } => Verdict::Failed,
            Carried::Gone { .. } => Verdict::Gone,
            Carried::Later { after, .. } => again(*after),
            Carried::Lost { .. } if to.takes_repeats() => again(None),
            Carried::Lost { .. } => Verdict::Unknown,
        }
    }
}

/// Doubles up to the longest wait and spreads a little, the same way for the same delivery.
fn delay(attempts: u32, id: &str) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(20);
    let full = DELAY_FIRST.as_millis().saturating_mul(1 << doublings);
    let full = full.min(DELAY_MAX.as_millis());
    let seed = id.bytes().fold(u32::from(17_u8), |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let spread = full / 10 * i128::from(seed % 100) / 100;
    SignedDuration::from_millis(i64::try_from(full + spread).unwrap_or(i64::MAX))
}

/// Carries messages out of the house.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Carries one message; may be called again with the same one.
    async fn carry(&self, parcel: &Parcel, now: Timestamp) -> Carried;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack() -> Destination {
        Destination::Slack {
            secret: "URL".parse().expect("a name"),
        }
    }

    fn webhook() -> Destination {
        Destination::Webhook {
            url: "https://a".to_owned(),
            secret: "KEY".parse().expect("a name"),
        }
    }

    #[test]
    fn what_may_have_arrived_is_repeated_only_where_that_does_no_harm() {
        let lost = Carried::Lost {
            error: "no answer".to_owned(),
        };
        assert_eq!(lost.verdict(&slack(), 1, "a"), Verdict::Unknown);
        assert!(matches!(
            lost.verdict(&webhook(), 1, "a"),
            Verdict::Again(_)
        ));
    }

    #[test]
    fn waits_double_up_to_a_limit_and_tries_come_to_an_end() {
        let busy = Carried::Later {
            status: Some(503),
            error: "busy".to_owned(),
            after: None,
        };
        let mut total = SignedDuration::ZERO;
        let mut last = SignedDuration::ZERO;
        for attempts in 1..ATTEMPTS_MAX {
            match busy.verdict(&webhook(), attempts, "msg_a") {
                Verdict::Again(after) => {
                    assert!(after >= last && after <= DELAY_MAX, "{attempts}: {after}");
                    last = after;
                    total += after;
                }
                other => panic!("{attempts}: {other:?}"),
            }
        }
        assert!(total > SignedDuration::from_hours(24), "{total}");
        assert_eq!(
            busy.verdict(&webhook(), ATTEMPTS_MAX, "msg_a"),
            Verdict::Failed
        );
        let asked = Carried::Later {
            status: Some(429),
            error: "slow down".to_owned(),
            after: Some(SignedDuration::from_mins(10)),
        };
        assert_eq!(
            asked.verdict(&slack(), 1, "msg_a"),
            Verdict::Again(SignedDuration::from_mins(10))
        );
    }
}
