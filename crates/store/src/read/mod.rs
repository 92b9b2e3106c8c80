//! What pages show: one function per question, each page in a stable order with a cursor to go on from.
//!
//! All of them are methods of [`SqlStore`](crate::SqlStore), read committed rows only, and never hold a writer up.
//! Whether a viewer may see something is for the caller to say, by the organizations a filter names.

mod calendar;
mod checkpoints;
mod deliveries;
mod deployments;
mod figures;
mod inbox;
mod input_sets;
mod journal;
mod notifications;
mod people;
#[cfg(test)]
mod plans;
mod releases;
mod resources;
mod retention;

use sea_orm::sea_query::{LikeExpr, SelectStatement};
use sea_orm::{ConnectionTrait as _, QueryResult, TryGetable};
use serde::de::DeserializeOwned;
use trainmaster_engine::ports::StoreError;

pub use calendar::{CalendarFilter, CalendarRow, Gone, ROWS_MAX};
pub use deliveries::DeliveryFilter;
pub use deployments::{
    DeploymentFilter, DeploymentRow, Found, ReleaseHead, ReleaseWord, StateFilter,
};
pub use figures::{FiguresFilter, TooMany};
pub use inbox::InboxItem;
pub use input_sets::InputSetFilter;
pub(crate) use journal::verify;
pub use journal::{JournalFilter, JournalOrder, Verified, VerifyError};
pub use notifications::{Notification, UNREAD_COUNTED_MAX};
pub use releases::{Archived, ReleaseFilter, ReleaseOrder, ReleaseRows};
pub use resources::ResourceFilter;
pub use retention::Due;

use crate::SqlStore;
use crate::error::{Sorted, unreadable};

/// How many items a page holds at most, whatever is asked for.
pub const LIMIT_MAX: u64 = 1000;

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items at most; 1 to [`LIMIT_MAX`], what lies outside is moved inside.
    pub limit: u64,
    /// Where the page before ended; none for the first page.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// The first page.
    pub fn first(limit: u64) -> PageRequest {
        PageRequest {
            limit,
            cursor: None,
        }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.limit.clamp(1, LIMIT_MAX)).expect("a page is small")
    }

    /// The key of the last item before this page.
    fn key<K: DeserializeOwned>(&self, list: &str) -> Result<Option<K>, ReadError> {
        self.cursor
            .as_deref()
            .map(|cursor| crate::cursor::read(list, cursor))
            .transpose()
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What asks for the next page; none after the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of rows of which one more was read than fits, to know whether more follow.
    fn cut<K: serde::Serialize>(
        mut items: Vec<T>,
        limit: usize,
        list: &str,
        key: impl FnOnce(&T) -> K,
    ) -> Page<T> {
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| crate::cursor::write(list, &key(last)));
        Page { items, next }
    }
}

/// Why a page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The cursor was not made by this list.
    #[error("the cursor `{0}` does not belong to this list")]
    Cursor(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SqlStore {
    async fn rows(&self, select: &SelectStatement) -> Result<Vec<QueryResult>, StoreError> {
        self.pages.query_all(select).await.sorted()
    }
}

/// As many rows as fit and one, to know whether more follow.
fn one_more(limit: usize) -> u64 {
    u64::try_from(limit).expect("a page is small") + 1
}

/// One column of a row.
fn column<T: TryGetable>(row: &QueryResult, name: &str) -> Result<T, StoreError> {
    row.try_get("", name).sorted()
}

/// A body of a row, parsed; `what` names it in the error.
fn parsed<T: DeserializeOwned>(
    row: &QueryResult,
    what: impl FnOnce() -> String,
) -> Result<T, StoreError> {
    let body: String = column(row, "body")?;
    serde_json::from_str(&body).map_err(|error| unreadable(what(), &error))
}

/// Matches texts that hold another one, whatever signs that is made of.
fn holding(text: &str) -> LikeExpr {
    let mut pattern = String::from("%");
    for sign in text.chars() {
        if matches!(sign, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('\\')
}

/// The end of a range of texts that begin with the same prefix.
fn prefix_end(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
