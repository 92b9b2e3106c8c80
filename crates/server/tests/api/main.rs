//! Stories told through the router, with the real engine and store and a clock that is moved by hand.

mod access;
mod calendar;
mod definitions;
mod deployments;
mod freezes;
mod input_sets;
mod limits;
mod listening;
mod live;
mod preparation;
mod outlets;
mod matrix;
mod releases;
mod reports;
mod retention;
mod season;
mod support;
