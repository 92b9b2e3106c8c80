//! Looking after the data: backup, restoring one, and what a doctor asks.

use std::fs::File;
use std::path::{Path, PathBuf};

use sea_orm::DatabaseConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Row as _};
use trainmaster_engine::journal::Tampered;
use trainmaster_engine::ports::StoreError;

use crate::error::Sorted;
use crate::open::{self, MAIN_FILE};
use crate::read::{Verified, VerifyError};
use crate::{SqlStore, schema};

/// What a doctor has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong with the files, in the database's words; empty if nothing is.
    pub faults: Vec<String>,
    /// How far the journal is intact, or where it is not.
    pub journal: Result<Verified, Tampered>,
}

impl Diagnosis {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.faults.is_empty() && self.journal.is_ok()
    }
}

/// Why a backup was not made or not taken.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there that would be overwritten.
    #[error("`{0}` is there already; nothing is overwritten")]
    Exists(PathBuf),
    /// The file is no backup, or one that this version cannot use.
    #[error("`{path}` cannot be used: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file could not be read or written.
    #[error("`{path}`: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SqlStore {
    /// Writes everything but the output of activities into one file, as of one instant, while work goes on.
    ///
    /// The file appears under its name only when it is complete and on disk. Nothing is overwritten.
    pub async fn backup(&self, path: &Path) -> Result<(), BackupError> {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let partial = beside(path, "partial");
        remove(&partial)?;
        sqlx::query("vacuum into ?")
            .bind(partial.to_string_lossy().into_owned())
            .execute(&self.readers)
            .await
            .sorted()?;
        move_durably(&partial, path)
    }

    /// Asks the database whether its files are in order, and checks the whole journal. Takes its time.
    pub async fn diagnose(&self) -> Result<Diagnosis, StoreError> {
        let mut faults = quick_check(&self.readers).await?;
        faults.extend(quick_check(self.logs.readers()).await?);
        Ok(Diagnosis {
            faults,
            journal: tampering(self.verify_journal().await)?,
        })
    }
}

/// Checks that a file is a backup which this version can use, and that its journal is intact.
pub async fn check_backup(path: &Path) -> Result<Verified, BackupError> {
    let unusable = |why: String| BackupError::Unusable {
        path: path.to_owned(),
        why,
    };
    if !path.is_file() {
        return Err(unusable("there is no such file".to_owned()));
    }
    // Nothing writes to a backup, so it is read without leaving files of its own beside it.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(true)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .connect_with(options)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    let checked = check(&pool).await;
    pool.close().await;
    checked.map_err(|error| unusable(error.to_string()))
}

async fn check(pool: &SqlitePool) -> Result<Verified, VerifyError> {
    let database = DatabaseConnection::from(pool.clone());
    schema::refuse_newer::<schema::Main>(&database).await?;
    if schema::applied(&database).await?.is_empty() {
        return Err(StoreError::Damaged("it holds no data of trainmaster".to_owned()).into());
    }
    if let Some(fault) = quick_check(pool).await?.into_iter().next() {
        return Err(StoreError::Damaged(fault).into());
    }
    crate::read::verify(pool).await
}

/// Puts a backup into a folder that holds no data yet, after checking it.
pub async fn restore(backup: &Path, data_dir: &Path) -> Result<Verified, BackupError> {
    let verified = check_backup(backup).await?;
    let _lock = open::lock(data_dir)?;
    let path = data_dir.join(MAIN_FILE);
    if path.exists() {
        return Err(BackupError::Exists(path));
    }
    // What a write-ahead log without its file holds must never be added to another file.
    for leftover in ["-wal", "-shm"] {
        remove(&data_dir.join(format!("{MAIN_FILE}{leftover}")))?;
    }
    let partial = beside(&path, "partial");
    std::fs::copy(backup, &partial).map_err(|source| BackupError::File {
        path: partial.clone(),
        source,
    })?;
    move_durably(&partial, &path)?;
    Ok(verified)
}

/// What the database finds wrong with its file.
async fn quick_check(pool: &SqlitePool) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("pragma quick_check")
        .fetch_all(pool)
        .await
        .sorted()?;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get(0).sorted())
        .collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn tampering(
    verified: Result<Verified, VerifyError>,
) -> Result<Result<Verified, Tampered>, StoreError> {
    match verified {
        Ok(verified) => Ok(Ok(verified)),
        Err(VerifyError::Tampered(tampered)) => Ok(Err(tampered)),
        Err(VerifyError::Store(error)) => Err(error),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(BackupError::File {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Gives a complete file its name, so that the file and its name survive a loss of power.
fn move_durably(from: &Path, to: &Path) -> Result<(), BackupError> {
    let moved = || {
        File::open(from)?.sync_all()?;
        std::fs::rename(from, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    moved().map_err(|source| BackupError::File {
        path: to.to_owned(),
        source,
    })
}
