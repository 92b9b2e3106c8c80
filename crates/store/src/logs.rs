//! The output of activities, in a file of its own that may lose its last lines with the power.

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use tokio::sync::Mutex;
use trainmaster_core::ids::{AttemptId, ReleaseId};
use trainmaster_engine::ports::{LogLine, LogStore, LogStream, NumberedLine, StoreError};

use crate::SqlStore;
use crate::commit::big;
use crate::error::Sorted;
use crate::open::Place;
use crate::script::{Cell, Conflict, Script, Table};

const LOG: Table = Table {
    name: "log",
    columns: &[
        "release", "path", "attempt", "number", "at", "stream", "text",
    ],
    key: 4,
    conflict: Conflict::Refuse,
};

/// The log file: one connection writes, others read.
#[derive(Debug)]
pub(crate) struct LogFile {
    place: Place,
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
}

impl LogFile {
    /// Opens the file, whose schema is the newest.
    pub(crate) async fn open(place: Place) -> Result<LogFile, StoreError> {
        let writer = Mutex::new(Some(place.writer().await?));
        let readers = place.readers().await?;
        Ok(LogFile {
            place,
            writer,
            readers,
        })
    }

    /// Connections that only read.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    async fn append(&self, attempt: &AttemptId, lines: Vec<LogLine>) -> Result<(), StoreError> {
        let mut slot = self.writer.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.place.writer().await?,
        };
        // After an error the connection goes away, and a transaction that is open on it goes with it.
        write(&mut connection, attempt, lines).await.sorted()?;
        *slot = Some(connection);
        Ok(())
    }

    async fn read(
        &self,
        attempt: &AttemptId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedLine>, StoreError> {
        let rows = sqlx::query(
            "select number, at, stream, text
             from log
             where release = ? and path = ? and attempt = ? and number > ?
             order by number
             limit ?",
        )
        .bind(big(attempt.release.0))
        .bind(attempt.path.as_str())
        .bind(i64::from(attempt.number))
        .bind(big(after))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .sorted()?;
        rows.iter().map(line).collect()
    }

    /// Removes what a release's activities printed.
    pub(crate) async fn remove(&self, release: ReleaseId) -> Result<(), StoreError> {
        let mut slot = self.writer.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.place.writer().await?,
        };
        sqlx::query("delete from log where release = ?")
            .bind(big(release.0))
            .execute(&mut connection)
            .await
            .sorted()?;
        *slot = Some(connection);
        Ok(())
    }
}

async fn write(
    connection: &mut SqliteConnection,
    attempt: &AttemptId,
    lines: Vec<LogLine>,
) -> Result<(), sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar(
        "select max(number) from log where release = ? and path = ? and attempt = ?",
    )
    .bind(big(attempt.release.0))
    .bind(attempt.path.as_str())
    .bind(i64::from(attempt.number))
    .fetch_one(&mut *connection)
    .await?;
    let row = |(number, line): (i64, LogLine)| {
        vec![
            Cell::from(big(attempt.release.0)),
            Cell::from(attempt.path.as_str()),
            Cell::from(i64::from(attempt.number)),
            Cell::from(number),
            Cell::from(line.at),
            Cell::from(stream_name(line.stream)),
            Cell::from(line.text),
        ]
    };
    let mut script = Script::default();
    script.statement("begin immediate", []);
    script.write(
        &LOG,
        (last.unwrap_or(0) + 1..).zip(lines).map(row).collect(),
    );
    script.statement("commit", []);
    script.run(connection).await
}

fn line(row: &SqliteRow) -> Result<NumberedLine, StoreError> {
    let number: i64 = row.try_get(0).sorted()?;
    let stream: &str = row.try_get(2).sorted()?;
    let stream = stream_named(stream)
        .ok_or_else(|| StoreError::Damaged(format!("`{stream}` is not a stream of output")))?;
    let line = LogLine {
        at: row.try_get(1).sorted()?,
        stream,
        text: row.try_get(3).sorted()?,
    };
    Ok(NumberedLine {
        number: number.unsigned_abs(),
        line,
    })
}

fn stream_name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
        LogStream::System => "system",
    }
}

fn stream_named(name: &str) -> Option<LogStream> {
    let all = [LogStream::Stdout, LogStream::Stderr, LogStream::System];
    all.into_iter().find(|stream| stream_name(*stream) == name)
}

#[async_trait]
impl LogStore for SqlStore {
    async fn append(&self, attempt: &AttemptId, lines: Vec<LogLine>) -> Result<(), StoreError> {
        self.logs.append(attempt, lines).await
    }

    async fn read(
        &self,
        attempt: &AttemptId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedLine>, StoreError> {
        self.logs.read(attempt, after, limit).await
    }

    async fn remove(&self, release: ReleaseId) -> Result<(), StoreError> {
        self.logs.remove(release).await
    }
}
