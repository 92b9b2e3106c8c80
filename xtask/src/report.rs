//! What the chores say while they run.
//!
//! Everything goes to standard error, so that the output of a command a chore starts stays clean on standard output.
#![expect(
    clippy::print_stderr,
    reason = "this is the one place that talks to the person at the terminal"
)]

use std::fmt::Display;
use std::time::Duration;

/// Says one line.
pub(crate) fn line(text: impl Display) {
    eprintln!("{text}");
}

/// Opens a step, so that a long silence has a name.
pub(crate) fn step(name: &str) {
    eprintln!("==> {name}");
}

/// Closes a step with the time it took.
pub(crate) fn done(name: &str, took: Duration) {
    eprintln!("    {name}: done in {:.1} s", took.as_secs_f64());
}

/// Says something that must not be overlooked although it stops nothing.
pub(crate) fn notice(text: impl Display) {
    eprintln!("NOTICE: {text}");
}
