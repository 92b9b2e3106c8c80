//! The calendar: when things recur, what a release touches, when it takes place, and what it collides with
//! (2-execution.md, Time and Calendar).
//!
//! Recurrence counts in civil days; a zone turns a day and a time of day into an instant.
//! Nothing recurs more often than daily, so that each matching day has one instant and the clocks' changes cannot double it.
//! Which releases stand in a stretch of time is answered by the store; here are the rules.

pub mod cadence;
pub mod conflict;
mod dates;
pub mod involve;
pub mod maintenance;
pub mod period;
pub mod recurrence;
pub mod rule;
pub mod schedule;
pub mod show;
pub mod slots;
pub mod span;
pub mod touch;
pub mod window;
