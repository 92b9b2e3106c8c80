//! The loop round core: submit, commit, apply, reconcile effects, wake, publish.

pub mod journal;
pub mod ports;
