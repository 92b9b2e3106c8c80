//! The engine's store: loads the world's rows, commits batches, reads the journal back.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sea_orm::DatabaseConnection;
use sqlx::Executor as _;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use tokio::sync::{Mutex, OwnedMutexGuard};
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::{ReleaseId, ResourceKey};
use trainmaster_engine::Faults;
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::{Batch, Loaded, Store, StoreError, StoredAnswer};

use crate::commit::{Memory, Plan, big};
use crate::error::{Sorted, from_sqlx};
use crate::load;
use crate::logs::LogFile;
use crate::open::{self, Options, Place};
use crate::schema;
use crate::script::Script;

/// Places in a commit at which a process can be made to die (reliability.md, fault 2).
pub const POINTS: [&str; 5] = [
    "store.begun",
    "store.journal-written",
    "store.rows-written",
    "store.before-commit",
    "store.after-commit",
];

/// Journal, rows, read models and output of one installation, in SQLite files of one folder.
///
/// Dropping it frees the folder for another process.
#[derive(Debug)]
pub struct SqlStore {
    place: std::sync::Mutex<Place>,
    writer: Arc<Mutex<Option<Writer>>>,
    pub(crate) readers: SqlitePool,
    pub(crate) pages: DatabaseConnection,
    pub(crate) logs: LogFile,
    faults: Faults,
    /// Set once rows beside the journal could not be synced: a later commit would stand on ground that may be gone.
    unsynced: AtomicBool,
    _lock: File,
}

/// The one connection that writes, with what it knows about the file.
#[derive(Debug)]
struct Writer {
    connection: SqliteConnection,
    memory: Memory,
}

impl SqlStore {
    /// Opens the files of a folder, makes them if there are none, and brings them up to the newest schema.
    ///
    /// Refuses a folder that another process holds, files that a newer version has written, and a file that is
    /// no database.
    pub async fn open(options: Options) -> Result<SqlStore, StoreError> {
        let lock = open::lock(&options.data_dir)?;
        let place = Place::main(&options.data_dir, options.size_max);
        let logs = Place::logs(&options.data_dir, options.logs_size_max);
        place.migrate::<schema::Main>().await?;
        logs.migrate::<schema::Logs>().await?;
        let writer = Writer::open(&place).await?;
        let readers = place.readers().await?;
        Ok(SqlStore {
            writer: Arc::new(Mutex::new(Some(writer))),
            pages: DatabaseConnection::from(readers.clone()),
            readers,
            logs: LogFile::open(logs).await?,
            place: std::sync::Mutex::new(place),
            faults: options.faults,
            unsynced: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// Changes how large journal and rows may become, in bytes; it holds from the next commit on.
    pub async fn limit_size(&self, size_max: Option<u64>) {
        let mut slot = self.writer.lock().await;
        self.place
            .lock()
            .expect("nobody panics while holding the place")
            .limit(size_max);
        if let Some(writer) = slot.take() {
            writer.leave().await;
        }
    }

    /// Writes rows that are no part of the world, in a transaction of their own between two commits.
    pub(crate) async fn write_beside(&self, script: Script) -> Result<(), StoreError> {
        let slot = self.writer.clone().lock_owned().await;
        let place = self.place();
        // In a task of its own it is brought to its end even if whoever waits for it gives up.
        let written = tokio::spawn(write_rows(slot, place, script));
        match written.await {
            Ok(Err(error @ StoreError::Sync(_))) => {
                self.unsynced.store(true, Ordering::Release);
                Err(error)
            }
            Ok(written) => written,
            Err(died) => match died.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Unavailable("the process is ending".to_owned())),
            },
        }
    }

    fn place(&self) -> Place {
        self.place
            .lock()
            .expect("nobody panics while holding the place")
            .clone()
    }
}

/// Writes a batch, and puts the writer back if all of it is there.
///
/// After an error the connection is given up: whatever transaction was open on it is gone when this returns.
async fn write(
    mut slot: OwnedMutexGuard<Option<Writer>>,
    mut writer: Writer,
    mut plan: Plan,
    faults: Faults,
) -> Result<Vec<ReleaseId>, StoreError> {
    if let Err(error) = run(&mut writer.connection, &mut plan, &faults).await {
        writer.leave().await;
        return Err(from_sqlx(&error));
    }
    let removed = std::mem::take(&mut plan.removed);
    writer.memory.learn(plan);
    *slot = Some(writer);
    Ok(removed)
}

/// Runs statements as one transaction, and puts the writer back if all of it is there.
async fn write_rows(
    mut slot: OwnedMutexGuard<Option<Writer>>,
    place: Place,
    statements: Script,
) -> Result<(), StoreError> {
    let mut writer = match slot.take() {
        Some(writer) => writer,
        None => Writer::open(&place).await?,
    };
    let mut script = Script::default();
    script.statement("begin immediate", []);
    script.append(statements);
    script.statement("commit", []);
    if let Err(error) = script.run(&mut writer.connection).await {
        writer.leave().await;
        return Err(from_sqlx(&error));
    }
    *slot = Some(writer);
    Ok(())
}

/// Runs the statements of a commit, in one go unless something is to happen in between.
async fn run(
    connection: &mut SqliteConnection,
    plan: &mut Plan,
    faults: &Faults,
) -> Result<(), sqlx::Error> {
    let mut begin = Script::default();
    begin.statement("begin immediate", []);
    let mut commit = Script::default();
    commit.statement("commit", []);
    let parts = [
        begin,
        std::mem::take(&mut plan.journal),
        std::mem::take(&mut plan.rows),
        commit,
    ];
    if !faults.is_armed() {
        let mut script = Script::default();
        parts.into_iter().for_each(|part| script.append(part));
        return script.run(connection).await;
    }
    let points = [&POINTS[..1], &POINTS[1..2], &POINTS[2..4], &POINTS[4..]];
    for (part, passed) in parts.into_iter().zip(points) {
        part.run(connection).await?;
        passed.iter().for_each(|point| faults.pass(point));
    }
    Ok(())
}

impl Writer {
    async fn open(place: &Place) -> Result<Writer, StoreError> {
        let mut connection = place.writer().await?;
        let head = load::head(&mut connection).await?;
        let indexed: i64 =
            sqlx::query_scalar("select position from progress where name = 'journal_term'")
                .fetch_one(&mut connection)
                .await
                .sorted()?;
        Ok(Writer {
            connection,
            memory: Memory::new(head, indexed.unsigned_abs()),
        })
    }

    /// Gives the connection up, with whatever transaction is open on it.
    async fn leave(mut self) {
        // Without a transaction the statement fails, and that is as well.
        let _ = self.connection.execute("rollback").await;
        if let Err(error) = sqlx::Connection::close(self.connection).await {
            tracing::warn!(%error, "a connection to the database could not be closed in order");
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        // A commit that nobody waits for any more is decided before.
        drop(self.writer.lock().await);
        load::all(&self.readers).await
    }

    async fn load_release(&self, release: ReleaseId) -> Result<Vec<Entity>, StoreError> {
        load::release(&self.readers, release).await
    }

    async fn load_revision(
        &self,
        key: &ResourceKey,
        revision: u32,
    ) -> Result<Option<Entity>, StoreError> {
        let mut connection = self.readers.acquire().await.sorted()?;
        let found = load::revision_of(&mut connection, key, revision).await?;
        Ok(found.map(Entity::Revision))
    }

    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut slot = self.writer.clone().lock_owned().await;
        if self.unsynced.load(Ordering::Acquire) {
            let what = "an earlier write could not be synced";
            return Err(StoreError::Sync(what.to_owned()));
        }
        let writer = match slot.take() {
            Some(writer) => writer,
            None => Writer::open(&self.place()).await?,
        };
        let plan = match Plan::new(batch, &writer.memory) {
            Ok(plan) => plan,
            Err(error) => {
                *slot = Some(writer);
                return Err(error);
            }
        };
        // In a task of its own it is brought to its end even if whoever waits for it gives up.
        let written = tokio::spawn(write(slot, writer, plan, self.faults.clone()));
        let removed = match written.await {
            Ok(removed) => removed?,
            Err(died) => match died.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(StoreError::Unavailable("the process is ending".to_owned())),
            },
        };
        for release in removed {
            if let Err(error) = self.logs.remove(release).await {
                tracing::warn!(%release, %error, "the output of a deleted release could not be removed");
            }
        }
        Ok(())
    }

    async fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query(
            "select position, body, previous, hash from journal where position > ? order by position limit ?",
        )
        .bind(big(position))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .sorted()?;
        rows.iter().map(|row| record(row).sorted()).collect()
    }

    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        let row = sqlx::query("select key, fingerprint, body, at from answer where key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .sorted()?;
        row.map(|row| answer(&row).sorted()).transpose()
    }
}

/// A journal record from `position, body, previous, hash`.
pub(crate) fn record(row: &SqliteRow) -> Result<Record, sqlx::Error> {
    Ok(Record {
        position: row.try_get::<i64, _>(0)?.unsigned_abs(),
        body: row.try_get(1)?,
        previous: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

fn answer(row: &SqliteRow) -> Result<StoredAnswer, sqlx::Error> {
    Ok(StoredAnswer {
        key: row.try_get(0)?,
        fingerprint: row.try_get(1)?,
        body: row.try_get(2)?,
        at: row.try_get(3)?,
    })
}
