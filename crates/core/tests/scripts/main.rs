//! The rules of the domain, told as stories.

mod announcements;
mod cadence;
mod calendar;
mod deployments;
mod failures;
mod flow;
mod lifecycle;
mod notices;
mod people;
mod retention;
mod story;
