//! Stories told through the router, with the real engine and store and a clock that is moved by hand.

mod access;
mod calendar;
mod definitions;
mod deployments;
mod freezes;
mod groups;
mod input_sets;
mod limits;
mod listening;
mod live;
mod matrix;
mod oidc;
mod outlets;
mod preparation;
mod releases;
mod reports;
mod retention;
mod season;
mod signin;
mod support;
