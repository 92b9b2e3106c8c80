//! A world that is played through in seconds: generated processes, people and outside systems under virtual time.
//!
//! One seed makes one simulation. Its definitions, its people's doings, the outcomes of outside work and the moments
//! at which the server dies are all drawn from the seed, so that a failure is found again by its number.
//! What must always hold is judged by [`checks`], most of it over a [`model`] that knows only the journal.

pub mod checks;
pub mod model;
pub mod outside;
pub mod people;
pub mod process;
pub mod random;
pub mod stage;

pub use checks::Failure;
pub use stage::{Report, play};
