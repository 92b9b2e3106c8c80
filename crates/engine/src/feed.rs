//! The feed: what is committed, in order, to whoever wants to know, without gap or double.
//!
//! Newest records are kept in memory within two limits; a subscriber that is behind them reads the store.
//! Subscribers share that memory and hold only a small piece of their own, so that slow ones cost nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::journal::Record;
use crate::ports::{Store, StoreError};

/// How many records a subscriber takes at a time.
const PIECE: usize = 128;

/// How much is kept in memory for subscribers that are not far behind.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Records.
    pub records_max: usize,
    /// Bytes of their bodies.
    pub bytes_max: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Kept {
            records_max: 16_384,
            bytes_max: 16 << 20,
        }
    }
}

/// Tells everybody what was committed.
pub(crate) struct Feed {
    recent: Mutex<Recent>,
    store: Arc<dyn Store>,
    kept: Kept,
}

#[derive(Default)]
struct Recent {
    records: VecDeque<Arc<Record>>,
    bytes: usize,
}

/// The end of the feed at which records come in.
pub(crate) struct Publisher {
    feed: Arc<Feed>,
    head: watch::Sender<u64>,
}

/// The end of the feed that subscriptions come from.
#[derive(Clone)]
pub(crate) struct Board {
    feed: Arc<Feed>,
    head: watch::Receiver<u64>,
}

/// A feed that starts behind a position of the journal.
pub(crate) fn feed(store: Arc<dyn Store>, position: u64, kept: Kept) -> (Publisher, Board) {
    let feed = Arc::new(Feed {
        recent: Mutex::default(),
        store,
        kept,
    });
    let (sender, receiver) = watch::channel(position);
    (
        Publisher {
            feed: feed.clone(),
            head: sender,
        },
        Board {
            feed,
            head: receiver,
        },
    )
}

impl Publisher {
    /// The newest position that was published.
    pub(crate) fn position(&self) -> u64 {
        *self.head.borrow()
    }

    /// Publishes committed records.
    pub(crate) fn publish(&self, records: &[Arc<Record>]) {
        let Some(last) = records.last() else { return };
        self.feed.keep(records);
        self.head.send_replace(last.position);
    }

    /// Goes on at a position that was reached without this feed; subscribers read the store until there.
    pub(crate) fn skip_to(&self, position: u64) {
        *self.feed.recent() = Recent::default();
        self.head.send_replace(position);
    }
}

impl Board {
    /// The newest position that was published.
    pub(crate) fn position(&self) -> u64 {
        *self.head.borrow()
    }

    /// Everything after a position.
    pub(crate) fn subscribe(&self, after: u64) -> Subscription {
        Subscription {
            feed: self.feed.clone(),
            head: self.head.clone(),
            position: after,
            piece: VecDeque::new(),
        }
    }
}

impl Feed {
    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, records: &[Arc<Record>]) {
        let mut recent = self.recent();
        for record in records {
            recent.bytes += record.body.len();
            recent.records.push_back(record.clone());
        }
        while recent.records.len() > self.kept.records_max || recent.bytes > self.kept.bytes_max {
            let Some(oldest) = recent.records.pop_front() else {
                break;
            };
            recent.bytes -= oldest.body.len();
        }
    }

    /// The records right after a position, unless they are not in memory any more.
    fn recent_after(&self, position: u64) -> Option<VecDeque<Arc<Record>>> {
        let recent = self.recent();
        let first = recent.records.front()?.position;
        let skip = usize::try_from((position + 1).checked_sub(first)?).ok()?;
        Some(
            recent
                .records
                .range(skip.min(recent.records.len())..)
                .take(PIECE)
                .cloned()
                .collect(),
        )
    }

    async fn stored_after(&self, position: u64) -> Result<VecDeque<Arc<Record>>, StoreError> {
        let records = self.store.events_after(position, PIECE).await?;
        match records.first() {
            Some(record) if record.position == position + 1 => {
                Ok(records.into_iter().map(Arc::new).collect())
            }
            _ => Err(StoreError::Damaged(format!(
                "the journal has no record {}",
                position + 1
            ))),
        }
    }
}

/// Yields every committed record after a position, each once, in order.
pub struct Subscription {
    feed: Arc<Feed>,
    head: watch::Receiver<u64>,
    position: u64,
    piece: VecDeque<Arc<Record>>,
}

impl Subscription {
    /// The position up to which everything was yielded.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next record, waiting for it if need be; none once the engine has stopped and everything was yielded.
    ///
    /// After an error the same record is tried again with the next call.
    /// Nothing is lost when the future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Result<Arc<Record>, StoreError>> {
        loop {
            if let Some(record) = self.piece.pop_front() {
                self.position = record.position;
                return Some(Ok(record));
            }
            if self.position < *self.head.borrow_and_update() {
                match self.fetch().await {
                    Ok(piece) => self.piece = piece,
                    Err(error) => return Some(Err(error)),
                }
            } else if self.head.changed().await.is_err() {
                return None;
            }
        }
    }

    /// What is there already, without waiting for more than the store.
    pub fn ready(&mut self) -> Option<Arc<Record>> {
        if self.piece.is_empty() && self.position < *self.head.borrow() {
            self.piece = self.feed.recent_after(self.position)?;
        }
        let record = self.piece.pop_front()?;
        self.position = record.position;
        Some(record)
    }

    async fn fetch(&self) -> Result<VecDeque<Arc<Record>>, StoreError> {
        match self.feed.recent_after(self.position) {
            Some(piece) if !piece.is_empty() => Ok(piece),
            _ => self.feed.stored_after(self.position).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use trainmaster_core::ids::ReleaseId;
    use trainmaster_core::{Change, Event};

    use super::*;
    use crate::memory::MemoryStore;
    use crate::ports::Batch;

    /// Commits and publishes records that say their number.
    struct Writer {
        store: MemoryStore,
        publisher: Publisher,
        hash: String,
    }

    impl Writer {
        fn new(kept: Kept) -> (Writer, Board) {
            let store = MemoryStore::new();
            let (publisher, board) = feed(Arc::new(store.clone()), 0, kept);
            (
                Writer {
                    store,
                    publisher,
                    hash: String::new(),
                },
                board,
            )
        }

        async fn write(&mut self, count: u64) {
            let records = self.records(count);
            self.commit(&records).await;
            self.publisher.publish(&records);
        }

        fn records(&mut self, count: u64) -> Vec<Arc<Record>> {
            let first = self.publisher.position() + 1;
            let records = (first..first + count).map(|position| {
                let change = Change::NoteAdded {
                    text: position.to_string(),
                };
                let at = jiff::Timestamp::UNIX_EPOCH;
                let release = Some(ReleaseId(1));
                let event = Event {
                    at,
                    by: "system".to_owned(),
                    release,
                    path: None,
                    change,
                };
                let record = Record::chain(position, &self.hash, &event);
                self.hash.clone_from(&record.hash);
                Arc::new(record)
            });
            records.collect()
        }

        async fn commit(&self, records: &[Arc<Record>]) {
            let batch = Batch {
                records: records.to_vec(),
                ..Batch::default()
            };
            self.store.commit(&batch).await.expect("it commits");
        }
    }

    async fn positions(subscription: &mut Subscription, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        for _ in 0..count {
            let record = subscription
                .next()
                .await
                .expect("the feed goes on")
                .expect("it reads");
            positions.push(record.position);
        }
        positions
    }

    #[tokio::test]
    async fn a_subscriber_sees_what_was_and_then_what_comes() {
        let (mut writer, board) = Writer::new(Kept::default());
        writer.write(3).await;
        let mut subscription = board.subscribe(1);
        assert_eq!(positions(&mut subscription, 2).await, [2, 3]);
        let (seen, ()) = tokio::join!(positions(&mut subscription, 4), async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
                writer.write(1).await;
            }
        });
        assert_eq!(seen, [4, 5, 6, 7]);
        assert_eq!(subscription.position(), 7);
        assert!(subscription.ready().is_none());
    }

    #[tokio::test]
    async fn a_subscriber_that_lags_reads_the_store_and_misses_nothing() {
        let (mut writer, board) = Writer::new(Kept {
            records_max: 5,
            bytes_max: usize::MAX,
        });
        let mut slow = board.subscribe(0);
        writer.write(2).await;
        assert_eq!(positions(&mut slow, 1).await, [1]);
        writer.write(400).await;
        writer.write(1).await;
        assert_eq!(
            positions(&mut slow, 402).await,
            (2..=403).collect::<Vec<_>>()
        );
        let recent = writer.publisher.feed.recent();
        assert_eq!(recent.records.len(), 5);
        assert_eq!(
            recent.bytes,
            recent
                .records
                .iter()
                .map(|record| record.body.len())
                .sum::<usize>()
        );
    }

    #[tokio::test]
    async fn memory_is_bounded_by_bytes_too() {
        let (mut writer, board) = Writer::new(Kept {
            records_max: usize::MAX,
            bytes_max: 1_000,
        });
        writer.write(100).await;
        assert!(writer.publisher.feed.recent().bytes <= 1_000);
        assert_eq!(
            positions(&mut board.subscribe(0), 100).await,
            (1..=100).collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn records_that_were_not_published_here_are_read_from_the_store() {
        let (mut writer, board) = Writer::new(Kept::default());
        let mut subscription = board.subscribe(0);
        writer.write(2).await;
        let others = writer.records(3);
        writer.commit(&others).await;
        writer.publisher.skip_to(5);
        writer.write(1).await;
        assert_eq!(positions(&mut subscription, 6).await, [1, 2, 3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn a_gap_in_the_store_is_an_error_and_not_skipped() {
        let (writer, board) = Writer::new(Kept::default());
        writer.publisher.skip_to(3);
        let mut subscription = board.subscribe(0);
        let error = subscription
            .next()
            .await
            .expect("the feed goes on")
            .expect_err("nothing is there");
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    }

    #[tokio::test]
    async fn the_feed_ends_with_its_publisher_after_everything_was_seen() {
        let (mut writer, board) = Writer::new(Kept::default());
        writer.write(2).await;
        let mut subscription = board.subscribe(0);
        drop(writer);
        assert_eq!(positions(&mut subscription, 2).await, [1, 2]);
        assert!(subscription.next().await.is_none());
    }
}
