//! How fast transitions become durable: the store beside the database's own limit, measured in one run.
//!
//! A transition is a journal record and an activity's row, over 200 releases of 20 activities in turn,
//! which is the hardest case: no two records of a batch belong together.
//! The limit is the same rows in tables without any index, through the driver alone, one statement per table.
//! The two take turns, and medians are printed, because the disk is hardly ever alone.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Executor as _};
use trainmaster_core::Event;
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::{Batch, Columns, EntityWrite, Row, Store as _};
use trainmaster_store::{Options, SqlStore};

const RELEASES: u64 = 200;
const ACTIVITIES: u64 = 20;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(500);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // On a worker, where the engine runs too.
    tokio::spawn(measure()).await?
}

async fn measure() -> Result<(), Failure> {
    let place = std::env::args().nth(1);
    let folder = match &place {
        Some(place) => tempfile::tempdir_in(place)?,
        None => tempfile::tempdir()?,
    };
    println!("batch        raw: commits/s transitions/s   store: commits/s transitions/s   share");
    for size in [1, 8, 32, 100] {
        let raw_folder = folder.path().join(format!("raw-{size}"));
        let mut raw = Raw::open(&raw_folder).await?;
        let mut own = Own::open(&folder.path().join(format!("store-{size}"))).await?;
        let (mut raw_rates, mut own_rates) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            raw_rates.push(raw.round(size).await?);
            own_rates.push(own.round(size).await?);
        }
        let (raw, own) = (median(raw_rates), median(own_rates));
        let each = size as f64;
        println!(
            "{size:>5}   {raw:>18.0} {:>13.0}   {own:>16.0} {:>13.0}   {:>4.0} %",
            raw * each,
            own * each,
            own / raw * 100.0
        );
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The next batches of a journal.
#[derive(Default)]
struct Source {
    position: u64,
    hash: String,
}

impl Source {
    fn batch(&mut self, size: u64) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        for _ in 0..size {
            let number = self.position;
            let (release, position) = (number % RELEASES + 1, number / RELEASES % ACTIVITIES);
            let path = format!("deploy/step-{position}");
            let record = Record::chain(self.position + 1, &self.hash, &event(release, &path)?);
            self.position = record.position;
            self.hash.clone_from(&record.hash);
            batch.records.push(Arc::new(record));
            batch.writes.push(activity(release, position, path)?);
        }
        Ok(batch)
    }
}

fn event(release: u64, path: &str) -> Result<Event, serde_json::Error> {
    serde_json::from_value(json!({
        "at": "2026-11-21T09:00:00.123456Z",
        "by": "system",
        "release": release,
        "path": path,
        "type": "AttemptStarted",
        "attempt": 1,
        "key": "0123456789abcdef0123456789abcdef",
        "config": {"run": ["echo", "hello world"], "env": {"REGION": "eu-central-1"}},
        "trigger": "flow",
        "deadline": "2026-11-21T09:10:00Z",
        "work": {"kind": "effect"},
    }))
}

fn activity(release: u64, position: u64, path: String) -> Result<EntityWrite, Failure> {
    let body = json!({
        "path": path,
        "standing": {"kind": "underway"},
        "attempts": [{
            "number": 1,
            "run": 1,
            "key": "0123456789abcdef0123456789abcdef",
            "startedAt": "2026-11-21T09:00:00.123456Z",
            "trigger": "flow",
            "by": "system",
            "config": {"run": ["echo", "hello world"], "env": {"REGION": "eu-central-1"}},
            "work": {"kind": "effect"},
            "deadline": "2026-11-21T09:10:00Z",
        }],
        "attemptsMade": 1,
        "startedAt": "2026-11-21T09:00:00.123456Z",
    });
    let columns = Columns::Activity {
        path,
        status: "Running".to_owned(),
        needs: String::new(),
        approval: None,
    };
    let key = EntityKey::Activity(ReleaseId(release), u32::try_from(position)?);
    Ok(EntityWrite {
        key,
        row: Some(Row {
            body: body.to_string(),
            columns,
        }),
    })
}

/// Batches made before the clock starts.
fn prepared(source: &mut Source, size: u64) -> Result<Vec<Batch>, Failure> {
    let count = (60_000 / size).clamp(600, 5_000);
    (0..count).map(|_| source.batch(size)).collect()
}

/// The store.
struct Own {
    store: SqlStore,
    source: Source,
}

impl Own {
    async fn open(folder: &Path) -> Result<Own, Failure> {
        let store = SqlStore::open(Options::new(folder)).await?;
        Ok(Own {
            store,
            source: Source::default(),
        })
    }

    /// Commits per second.
    async fn round(&mut self, size: u64) -> Result<f64, Failure> {
        let mut source = Source {
            position: self.source.position,
            hash: self.source.hash.clone(),
        };
        let batches = prepared(&mut source, size)?;
        let (start, mut commits) = (Instant::now(), 0.0);
        for batch in &batches {
            self.store.commit(batch).await?;
            commits += 1.0;
            if let Some(last) = batch.records.last() {
                self.source = Source {
                    position: last.position,
                    hash: last.hash.clone(),
                };
            }
            if start.elapsed() >= ROUND {
                break;
            }
        }
        Ok(commits / start.elapsed().as_secs_f64())
    }
}

/// The driver alone.
struct Raw {
    connection: SqliteConnection,
    source: Source,
}

impl Raw {
    async fn open(folder: &Path) -> Result<Raw, Failure> {
        std::fs::create_dir_all(folder)?;
        let mut connection = SqliteConnectOptions::new()
            .filename(folder.join("raw.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        connection
            .execute(
                "create table journal (position integer primary key, at bigint, by text, release bigint,
                    path text, type text, body text, previous text, hash text);
                 create table activity (release bigint, position bigint, path text, status text,
                    needs text, body text, primary key (release, position))",
            )
            .await?;
        Ok(Raw {
            connection,
            source: Source::default(),
        })
    }

    /// Commits per second.
    async fn round(&mut self, size: u64) -> Result<f64, Failure> {
        let batches = prepared(&mut self.source, size)?;
        let journal = format!("insert into journal values {}", values(size, 9));
        let activity = format!(
            "insert into activity values {} on conflict (release, position) do update set
                path = excluded.path, status = excluded.status, needs = excluded.needs, body = excluded.body",
            values(size, 6)
        );
        let (start, mut commits) = (Instant::now(), 0.0);
        for batch in &batches {
            self.connection.execute("begin immediate").await?;
            self.run(&journal, journal_values(batch)?).await?;
            self.run(&activity, activity_values(batch)?).await?;
            self.connection.execute("commit").await?;
            commits += 1.0;
            if start.elapsed() >= ROUND {
                let last = batch
                    .records
                    .last()
                    .map(|last| last.position)
                    .unwrap_or_default();
                self.source.position = last;
                break;
            }
        }
        Ok(commits / start.elapsed().as_secs_f64())
    }

    async fn run(&mut self, sql: &str, values: SqliteArguments) -> Result<(), Failure> {
        sqlx::query_with(AssertSqlSafe(sql), values)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

fn values(rows: u64, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    (0..rows)
        .map(|_| row.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

fn journal_values(batch: &Batch) -> Result<SqliteArguments, Failure> {
    let mut values = SqliteArguments::default();
    for record in &batch.records {
        values.add(i64::try_from(record.position)?)?;
        values.add(1_795_251_600_123_456_i64)?;
        values.add("system")?;
        values.add(i64::try_from(record.position % RELEASES)?)?;
        values.add("deploy/step-7")?;
        values.add("AttemptStarted")?;
        values.add(record.body.as_str())?;
        values.add(record.previous.as_str())?;
        values.add(record.hash.as_str())?;
    }
    Ok(values)
}

fn activity_values(batch: &Batch) -> Result<SqliteArguments, Failure> {
    let mut values = SqliteArguments::default();
    for write in &batch.writes {
        let (EntityKey::Activity(release, position), Some(row)) = (&write.key, &write.row) else {
            continue;
        };
        values.add(i64::try_from(release.0)?)?;
        values.add(i64::from(*position))?;
        values.add("deploy/step-7")?;
        values.add("Running")?;
        values.add("")?;
        values.add(row.body.as_str())?;
    }
    Ok(values)
}
