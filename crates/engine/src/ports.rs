//! What the engine needs from outside: a store, executors, a clock, a place for logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use trainmaster_core::effect::{Effect, Outcome};
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::ids::{AttemptId, ReleaseId, ResourceKey};
use trainmaster_core::trace::Trace;
use trainmaster_core::uses::ActivityType;

use crate::journal::Record;

/// Durable memory. The thinking is in core, so the port is small.
#[async_trait]
pub trait Store: Send + Sync {
    /// The head of the journal and every row that the engine needs in memory:
    /// meta, resources with their newest revisions, tokens, and releases that have not ended with their activities
    /// and pinned revisions.
    async fn load(&self) -> Result<Loaded, StoreError>;

    /// The rows of one release: itself, its activities, its pinned revision. Empty if there is none.
    async fn load_release(&self, release: ReleaseId) -> Result<Vec<Entity>, StoreError>;

    /// One revision of a definition, for commands that ask for another one than the newest. None if there is none.
    async fn load_revision(
        &self,
        key: &ResourceKey,
        revision: u32,
    ) -> Result<Option<Entity>, StoreError>;

    /// Writes everything of a batch in one transaction, durable when it returns.
    ///
    /// After an error nobody knows whether the batch is there: the engine drops its world and loads again.
    /// Whatever became of it is decided by the time the next [`Store::load`] returns.
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Journal records after a position, oldest first, at most `limit`.
    async fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// The answer stored under an idempotency key, if there is one.
    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError>;
}

/// What the engine starts from.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Position of the newest journal record; 0 for an empty journal.
    pub position: u64,
    /// Hash of the newest journal record; empty for an empty journal.
    pub hash: String,
    /// The rows.
    pub entities: Vec<Entity>,
}

/// Everything since the last commit.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Journal records, in order.
    pub records: Vec<Arc<Record>>,
    /// Rows to write, by key.
    pub writes: Vec<EntityWrite>,
    /// Answers to keep by idempotency key.
    pub answers: Vec<StoredAnswer>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.writes.is_empty() && self.answers.is_empty()
    }
}

/// One row to write or delete.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityWrite {
    /// Which row.
    pub key: EntityKey,
    /// Its content; none deletes it.
    pub row: Option<Row>,
}

/// A row's content with the columns that pages filter and sort by.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// JSON in canonical order.
    pub body: String,
    /// Columns besides the key.
    pub columns: Columns,
}

/// Columns that pages filter and sort by.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// Nothing but the body.
    None,
    /// Of a definition.
    Resource {
        /// Whether it was deleted.
        deleted: bool,
        /// Its newest revision.
        revision: u32,
    },
    /// Of a token.
    Token {
        /// SHA-256 of the token, in hexadecimal.
        digest: String,
        /// Whether it was revoked.
        revoked: bool,
        /// The user whose own it is; empty for a machine's.
        person: String,
    },
    /// Of a release.
    Release(Box<ReleaseColumns>),
    /// Of an activity.
    Activity {
        /// Its path.
        path: String,
        /// Its status, as written everywhere.
        status: String,
        /// Who is needed (`user:…`, `team:…`, `role:…`), joined by blanks with one at each end; empty if nobody is.
        needs: String,
        /// For the newest attempt of an approval that has ended: when it was asked for and when it ended,
        /// microseconds since 1970.
        approval: Option<(i64, i64)>,
    },
}

/// Columns of a release.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleaseColumns {
    /// Its organization; empty is the account level.
    pub organization: String,
    /// Its name.
    pub name: String,
    /// Name, slug, version, labels and description in lower case, for search.
    pub search: String,
    /// Its process's name.
    pub process: String,
    /// Its status.
    pub status: String,
    /// Its stage.
    pub stage: String,
    /// Its type.
    pub release_type: String,
    /// Labels as ` key=value ` words, for filters.
    pub labels: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it was put out of the way.
    pub archived: bool,
    /// Its parent, if it is a child.
    pub parent: Option<u64>,
    /// Creation, microseconds since 1970.
    pub created_at: i64,
    /// Planned start, microseconds since 1970.
    pub start_at: Option<i64>,
    /// Actual start of the current run, microseconds since 1970.
    pub started_at: Option<i64>,
    /// Expected end, microseconds since 1970.
    pub expected_end_at: Option<i64>,
    /// End, microseconds since 1970.
    pub ended_at: Option<i64>,
    /// Activities that need a person.
    pub needs_input: u32,
    /// Commits, images, artifacts and tickets that it carries.
    pub traces: Vec<Trace>,
    /// The group that made it; empty if none did.
    pub group: String,
    /// The instant that its group planned, microseconds since 1970; unique within the group.
    pub planned_at: Option<i64>,
    /// What the calendar shows; none for what does not stand in it.
    pub calendar: Option<CalendarColumns>,
}

/// Columns of a release in the calendar; lists are words with a blank on both sides of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CalendarColumns {
    /// Where its time begins, microseconds since 1970.
    pub start: i64,
    /// Where its time ends, microseconds since 1970.
    pub end: i64,
    /// Whether it is under way, so that it lasts until now at least.
    pub open: bool,
    /// Planned end, microseconds since 1970.
    pub expected_end_at: Option<i64>,
    /// Actual start, microseconds since 1970.
    pub started_at: Option<i64>,
    /// Its release manager; empty if it has none.
    pub manager: String,
    /// Teams that it involves.
    pub teams: String,
    /// Its process and those that it runs as subprocesses.
    pub processes: String,
    /// Services that it touches.
    pub services: String,
    /// Environments that it touches.
    pub environments: String,
    /// Exclusive tags that it touches.
    pub exclusive: String,
    /// How often subscribers had something to learn about it.
    pub changes: u32,
    /// When they had so last, microseconds since 1970.
    pub changed_at: i64,
    /// Whether it has ever been finalized.
    pub announced: bool,
}

/// An answer kept under an idempotency key, written in the transaction of its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The key, with whose it is.
    pub key: String,
    /// Digest of the request it belongs to.
    pub fingerprint: String,
    /// The answer.
    pub body: String,
    /// When it was given, microseconds since 1970.
    pub at: i64,
}

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is full: what was to be written is not there, reading still works.
    #[error("the store is full: {0}")]
    Full(String),
    /// Another process holds it.
    #[error("the store is in use by another process: {0}")]
    Locked(String),
    /// What is stored cannot be understood.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A sync failed, so that what reads back may not be on disk: the process ends and decides from disk
    /// when it starts again. It is never tried a second time.
    #[error("the store could not be synced: {0}")]
    Sync(String),
    /// Anything else.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

/// Does the work of one activity type in the outside world.
///
/// It may be called twice with one effect and must leave the world none the worse:
/// after a restart `first` is false, and what may already have happened is read back before anything is repeated.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Performs the effect (or, with [`trainmaster_core::effect::Intent::Cancel`], stops it) and answers how it ended.
    ///
    /// When `work.cancel` is triggered, the effect is to be stopped as a whole and the answer is
    /// [`Outcome::Cancelled`], unless it ended before.
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome;
}

/// What an executor is given besides the effect.
pub struct Work {
    /// Whether this process started the attempt itself just now, so that nothing can have happened yet.
    pub first: bool,
    /// Triggered when the effect is to be stopped.
    pub cancel: CancellationToken,
    /// Where output goes.
    pub log: LogSink,
    /// Reports early what the outside world calls the effect; durable when it returns true.
    pub handles: Arc<dyn Handles>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Takes in what the outside world calls an effect.
#[async_trait]
pub trait Handles: Send + Sync {
    /// Makes the handle durable; false if the attempt is closed.
    async fn report(&self, attempt: &AttemptId, handle: Value) -> bool;
}

/// The executors by activity type.
pub type Executors = BTreeMap<ActivityType, Arc<dyn Executor>>;

/// Tells the time and sleeps; in the demo and in simulations time runs differently.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Returns once `now` has reached `until`.
    async fn sleep_until(&self, until: Timestamp);
}

/// Keeps what activities print.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Appends lines to the log of an attempt.
    async fn append(&self, attempt: &AttemptId, lines: Vec<LogLine>) -> Result<(), StoreError>;
    /// Lines of an attempt after a line number (0 for all), oldest first, at most `limit`.
    async fn read(
        &self,
        attempt: &AttemptId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NumberedLine>, StoreError>;
    /// Removes the logs of a release.
    async fn remove(&self, release: ReleaseId) -> Result<(), StoreError>;
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it came, microseconds since 1970.
    pub at: i64,
    /// Which stream it came from.
    pub stream: LogStream,
    /// Its text, without the line end; control characters other than tabs removed.
    pub text: String,
}

/// A line with its number within the attempt, from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedLine {
    /// Its number.
    pub number: u64,
    /// The line.
    pub line: LogLine,
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Said by Trainmaster itself, for example that the output was cut.
    System,
}

/// How many lines are kept of one attempt; what comes after is dropped, with a line that says so.
pub const LOG_LINES_MAX: u64 = 100_000;

/// How many bytes are kept of one line; what comes after is dropped, with a mark at its end.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;

/// Where an executor writes the output of one attempt.
///
/// Clones share one count of lines, so that the limits hold for the attempt as a whole.
#[derive(Clone)]
pub struct LogSink {
    attempt: AttemptId,
    store: Arc<dyn LogStore>,
    kept: Arc<Mutex<Option<u64>>>,
}

impl LogSink {
    /// A sink for one attempt.
    pub fn new(attempt: AttemptId, store: Arc<dyn LogStore>) -> Self {
        LogSink {
            attempt,
            store,
            kept: Arc::default(),
        }
    }

    /// Appends lines within [`LOG_LINES_MAX`] and [`LOG_LINE_BYTES_MAX`].
    ///
    /// A failing log store never fails the work, it is reported to the server's own log.
    pub async fn write(&self, lines: Vec<LogLine>) {
        if lines.is_empty() {
            return;
        }
        let mut kept = self.kept.lock().await;
        let before = match *kept {
            Some(before) => before,
            None => self.written().await,
        };
        let lines = within_limits(lines, before);
        let after = before + lines.len() as u64;
        *kept = Some(after);
        if lines.is_empty() {
            return;
        }
        if let Err(error) = self.store.append(&self.attempt, lines).await {
            // What the log holds is counted anew with the next lines.
            *kept = None;
            tracing::warn!(attempt = %self.attempt, %error, "output of an activity could not be kept");
        }
    }

    /// How many lines the log of this attempt holds, which is where a resumed reader goes on.
    pub async fn written(&self) -> u64 {
        let mut last = 0;
        while let Ok(lines) = self.store.read(&self.attempt, last, 10_000).await {
            match lines.last() {
                Some(line) => last = line.number,
                None => break,
            }
        }
        last
    }
}

/// What is kept of new lines when `before` are there already; the line at the limit says that the rest is missing.
fn within_limits(mut lines: Vec<LogLine>, before: u64) -> Vec<LogLine> {
    let room = LOG_LINES_MAX.saturating_sub(before);
    if lines.len() as u64 >= room {
        let at = lines.last().map_or(0, |line| line.at);
        lines.truncate(usize::try_from(room.saturating_sub(1)).unwrap_or(usize::MAX));
        if room > 0 {
            let text = format!("output beyond {LOG_LINES_MAX} lines is not kept");
            lines.push(LogLine {
                at,
                stream: LogStream::System,
                text,
            });
        }
    }
    for line in &mut lines {
        if line.text.len() > LOG_LINE_BYTES_MAX {
            let end = line.text.floor_char_boundary(LOG_LINE_BYTES_MAX);
            line.text.truncate(end);
            line.text.push_str(" … (cut)");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u64) -> Vec<LogLine> {
        let line = |n| LogLine {
            at: 7,
            stream: LogStream::Stdout,
            text: format!("line {n}"),
        };
        (1..=count).map(line).collect()
    }

    #[test]
    fn output_within_the_limits_is_kept_as_it_is() {
        assert_eq!(within_limits(lines(3), 0), lines(3));
        assert_eq!(within_limits(lines(3), LOG_LINES_MAX - 4).len(), 3);
    }

    #[test]
    fn the_last_line_kept_says_that_the_rest_is_missing() {
        let kept = within_limits(lines(5), LOG_LINES_MAX - 3);
        assert_eq!(kept.len(), 3);
        assert_eq!(kept[1].text, "line 2");
        assert_eq!(kept[2].stream, LogStream::System);
        assert!(kept[2].text.contains("not kept"), "{}", kept[2].text);
        assert!(within_limits(lines(5), LOG_LINES_MAX).is_empty());
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = "ü".repeat(LOG_LINE_BYTES_MAX);
        let long = LogLine {
            at: 7,
            stream: LogStream::Stdout,
            text,
        };
        let kept = within_limits(vec![long], 0);
        assert!(kept[0].text.len() < LOG_LINE_BYTES_MAX + 20);
        assert!(kept[0].text.ends_with("ü … (cut)"));
    }
}
