//! What a database error means to the engine: full, held by another, damaged, or simply not answering.

use sea_orm::{DbErr, RuntimeErr};
use trainmaster_engine::ports::StoreError;

/// SQLite's result codes for a sync that failed: of a file, and of its folder.
const SYNC_FAILED: [u32; 2] = [10 | (4 << 8), 10 | (5 << 8)];

/// SQLite's primary result codes that call for different answers.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const NOT_A_DATABASE: u32 = 26;

/// Sorts an error of the driver.
pub(crate) fn from_sqlx(error: &sqlx::Error) -> StoreError {
    let text = error.to_string();
    let code = code(error);
    if code.is_some_and(|code| SYNC_FAILED.contains(&code)) {
        return StoreError::Sync(text);
    }
    match code.map(|code| code & 0xff) {
        Some(FULL) => StoreError::Full(text),
        Some(BUSY | LOCKED) => StoreError::Locked(text),
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Damaged(text),
        _ => StoreError::Unavailable(text),
    }
}

/// The result code with its extension, of an error that came from the database itself.
fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Sorts an error of the query layer by the driver's error inside.
pub(crate) fn from_orm(error: &DbErr) -> StoreError {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => from_sqlx(inner),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// A stored text that should be JSON of a known shape and is not.
pub(crate) fn unreadable(what: impl std::fmt::Display, error: &serde_json::Error) -> StoreError {
    StoreError::Damaged(format!("`{what}` cannot be read: {error}"))
}

/// Turns driver and query errors into the engine's with `?`-friendly closures.
pub(crate) trait Sorted<T> {
    /// The same result with the engine's error.
    fn sorted(self) -> Result<T, StoreError>;
}

impl<T> Sorted<T> for Result<T, sqlx::Error> {
    fn sorted(self) -> Result<T, StoreError> {
        self.map_err(|error| from_sqlx(&error))
    }
}

impl<T> Sorted<T> for Result<T, DbErr> {
    fn sorted(self) -> Result<T, StoreError> {
        self.map_err(|error| from_orm(&error))
    }
}
