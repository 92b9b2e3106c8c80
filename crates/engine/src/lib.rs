//! The loop round core: submit, commit, apply, reconcile effects, wake, publish.
//!
//! [`Engine`] is the handle for everybody outside. Behind it one task, the driver, owns a [`kernel::Kernel`] and
//! a [`ports::Store`]: commands queue up, each is judged against the newest world, and one transaction makes
//! durable what has gathered since the last one. Nothing leaves before that: no reply, no event, no effect.

pub mod checkpoint;
pub mod clock;
mod columns;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod driver;
mod effects;
mod engine;
pub mod faults;
pub mod feed;
pub mod journal;
pub mod kernel;
pub mod memory;
mod metrics;
pub mod outlet;
pub mod ports;
#[cfg(any(test, feature = "contract"))]
mod sample;

pub use engine::{
    Answer, AnswerWith, Engine, Idempotency, Limits, Options, Request, State, SubmitError,
};
pub use faults::Faults;
pub use feed::Subscription;
pub use metrics::{BATCH_BOUNDS, Metrics};
