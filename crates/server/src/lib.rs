//! HTTP: routes by resource, the choke point for who may ask, live events, the description of the API.
//!
//! A handler extracts, builds a command or asks one read, converts, and returns.
//! Reads come from committed rows, changes go through the engine; nothing is decided here.

mod auth;
mod checkpoints;
mod diff;
mod error;
mod extract;
mod gate;
pub mod keeper;
mod layers;
mod limiter;
mod metrics;
mod openapi;
pub mod outlets;
mod rights;
mod routes;
mod rows;
mod serve;
mod sheets;
mod shown;
pub mod signin;
mod state;
pub mod token;
pub mod vault;
mod views;
mod worlds;

pub use checkpoints::Notary;
pub use extract::BODY_MAX;
pub use outlets::{Dispatcher, OutletParts};
pub use routes::router;
pub use serve::serve;
pub use state::{App, Callbacks, Options, Parts};
pub use token::Token;
