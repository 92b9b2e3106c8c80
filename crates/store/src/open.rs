//! Opening the files of an installation: one process at a time, durable settings, the newest schema.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::DatabaseConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use trainmaster_engine::Faults;
use trainmaster_engine::ports::StoreError;

use crate::error::Sorted;

/// The oldest SQLite that is trusted with the data; older ones have known faults in write-ahead logging.
pub const SQLITE_OLDEST: (u32, u32, u32) = (3, 51, 3);

/// Size of a page of the database files, in bytes.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// The file that holds journal and rows.
pub(crate) const MAIN_FILE: &str = "trainmaster.db";

/// The file that holds the output of activities.
pub(crate) const LOGS_FILE: &str = "logs.db";

/// The file whose lock says that a process uses the folder.
pub(crate) const LOCK_FILE: &str = "trainmaster.lock";

/// How long a statement waits for another program that reads or writes the file.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// How many pages of the write-ahead log gather before they are moved into the database file.
const CHECKPOINT_PAGES: &str = "4000";

/// How many prepared statements a connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// How many connections read at once.
const READERS: u32 = 4;

/// Where the data are and how they are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds all files; made if it is not there.
    pub data_dir: PathBuf,
    /// How large the journal and rows may become, in bytes; none is as large as the disk allows.
    pub size_max: Option<u64>,
    /// How large the output of activities may become, in bytes; none is as large as the disk allows.
    pub logs_size_max: Option<u64>,
    /// What happens at named places, for tests of crashes.
    pub faults: Faults,
}

impl Options {
    /// A folder with every other option as it usually is.
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        Options {
            data_dir: data_dir.into(),
            size_max: None,
            logs_size_max: None,
            faults: Faults::none(),
        }
    }
}

/// Makes the folder and takes its lock, which holds as long as the file is open.
pub(crate) fn lock(data_dir: &Path) -> Result<File, StoreError> {
    let refused = |what: &str, error: &std::io::Error| {
        StoreError::Unavailable(format!("{what} `{}`: {error}", data_dir.display()))
    };
    std::fs::create_dir_all(data_dir).map_err(|error| refused("cannot make the folder", &error))?;
    let path = data_dir.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| refused("cannot write into the folder", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(format!(
            "another process holds the lock `{}`",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(refused("cannot lock the folder", &error)),
    }
}

/// One database file and how it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: PathBuf,
    synchronous: SqliteSynchronous,
    size_max: Option<u64>,
}

impl Place {
    /// The file of journal and rows: each commit is on disk when it returns.
    pub(crate) fn main(data_dir: &Path, size_max: Option<u64>) -> Place {
        Place {
            path: data_dir.join(MAIN_FILE),
            synchronous: SqliteSynchronous::Full,
            size_max,
        }
    }

    /// The file of output: what was written last may be lost with the power, nothing is damaged.
    pub(crate) fn logs(data_dir: &Path, size_max: Option<u64>) -> Place {
        Place {
            path: data_dir.join(LOGS_FILE),
            synchronous: SqliteSynchronous::Normal,
            size_max,
        }
    }

    /// Changes how large the file may become from the next connection on.
    pub(crate) fn limit(&mut self, size_max: Option<u64>) {
        self.size_max = size_max;
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(BUSY_WAIT)
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENTS_KEPT)
            .pragma("cache_size", "-16000")
            .disable_statement_logging()
    }

    fn writing(&self) -> SqliteConnectOptions {
        let options = self
            .options()
            .create_if_missing(true)
            .page_size(u32::try_from(PAGE_BYTES).expect("a page is small"))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(self.synchronous)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", "67108864");
        match self.size_max {
            Some(bytes) => {
                options.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string())
            }
            None => options,
        }
    }

    /// The connection that writes.
    pub(crate) async fn writer(&self) -> Result<SqliteConnection, StoreError> {
        self.writing().connect().await.sorted()
    }

    /// Connections that only read.
    pub(crate) async fn readers(&self) -> Result<SqlitePool, StoreError> {
        let options = self.options().read_only(true);
        SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options)
            .await
            .sorted()
    }

    /// Brings the file up to the newest schema, if that is allowed at all.
    pub(crate) async fn migrate<M: sea_orm_migration::MigratorTrait>(
        &self,
    ) -> Result<(), StoreError> {
        // The first look is the one that finds a file that is no database.
        let mut connection = self.writer().await?;
        check_version(&mut connection).await?;
        connection.close().await.sorted()?;
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(self.writing())
            .await
            .sorted()?;
        let database = DatabaseConnection::from(pool.clone());
        let migrated = crate::schema::migrate::<M>(&database).await;
        pool.close().await;
        migrated
    }
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let text: String = sqlx::query_scalar("select sqlite_version()")
        .fetch_one(connection)
        .await
        .sorted()?;
    match version(&text) {
        Some(found) if found >= SQLITE_OLDEST => Ok(()),
        _ => {
            let (major, minor, patch) = SQLITE_OLDEST;
            Err(StoreError::Unavailable(format!(
                "SQLite {text} is older than {major}.{minor}.{patch}, which loses writes under rare conditions"
            )))
        }
    }
}

fn version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    let mut next = || parts.next().and_then(Result::ok);
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert_eq!(version("3.51.3"), Some((3, 51, 3)));
        assert!(version("3.51.10").expect("a version") > SQLITE_OLDEST);
        assert!(version("3.9.2").expect("a version") < SQLITE_OLDEST);
        assert_eq!(version("three"), None);
    }
}
