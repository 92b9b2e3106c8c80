//! The domain of Trainmaster, pure: definitions, plans, commands, events, rules.
//!
//! Nothing here reads a clock, a file, a database or the environment.
//! Time, identifiers and the zone database arrive as arguments, so the same events make the same world everywhere.
//! Start reading at [`World`]: a command is judged ([`World::decide`]), its events are taken in ([`World::apply`]),
//! and their consequences are carried out ([`World::settle`]).

pub mod access;
pub mod account;
pub mod actions;
pub mod calendar;
pub mod command;
pub mod definition;
mod denial;
pub mod deployment;
pub mod deviation;
pub mod duration;
pub mod effect;
pub mod entity;
pub mod event;
pub mod figures;
pub mod form;
pub mod freeze;
pub mod group;
pub mod ids;
pub mod input_set;
pub mod inputs;
pub mod links;
pub mod notice;
pub mod notification_rule;
mod outlets;
pub mod people;
pub mod plan;
pub mod process;
pub mod rejection;
pub mod release;
mod resources;
mod scope;
pub mod signin;
pub mod status;
pub mod trace;
pub mod uses;
pub mod waiting;
mod world;

pub use command::{Actor, Command, Envelope};
pub use denial::object;
pub use effect::{Effect, Outcome};
pub use event::{Change, Event};
pub use rejection::Rejection;
pub use resources::edit_permission;
pub use trainmaster_expr as expr;
pub use waiting::{Waiting, WaitingReason};
pub use world::World;
