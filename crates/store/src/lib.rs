//! SQL storage: journal, rows of the world, read models, output of activities.
//!
//! [`SqlStore`] is the engine's [`Store`](trainmaster_engine::ports::Store) and
//! [`LogStore`](trainmaster_engine::ports::LogStore); pages are read through [`read`].
//! The journal and everything that follows from it are written in one transaction by one connection;
//! output lives in a file of its own, so that a flood of it never delays a commit.

mod calendar;
mod commit;
mod cursor;
mod error;
mod load;
mod logs;
mod open;
pub mod outlets;
pub mod read;
mod schema;
mod script;
pub mod signin;
mod store;
pub mod upkeep;
mod words;

pub use open::{Options, SQLITE_OLDEST};
pub use store::{POINTS, SqlStore};
