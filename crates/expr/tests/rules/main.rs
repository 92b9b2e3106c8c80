//! The rules of templates and conditions, as tables of what goes in and what comes out.

mod checks;
mod conformance;
mod expressions;
mod hostile;
mod payloads;
mod world;
