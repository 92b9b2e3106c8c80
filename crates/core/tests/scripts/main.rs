//! The rules of the domain, told as stories.

mod access;
mod announcements;
mod cadence;
mod calendar;
mod deployments;
mod failures;
mod flow;
mod freezes;
mod groups;
mod input_sets;
mod lifecycle;
mod modeling;
mod notices;
mod people;
mod preparing;
mod retention;
mod rights;
mod signin;
mod story;
