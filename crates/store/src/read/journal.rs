//! The journal: pages by filter, export, verification.

use futures::Stream;
use jiff::Timestamp;
use sea_orm::QueryResult;
use sea_orm::sea_query::{
    Cond, Expr, ExprTrait as _, Func, FunctionCall, JoinType, Order, Query, SelectStatement,
};
use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;
use tokio::task::JoinHandle;
use trainmaster_core::ids::{ActivityPath, ReleaseId};
use trainmaster_engine::journal::{Record, Tampered, Verifier};
use trainmaster_engine::ports::{Store as _, StoreError};

use super::{Page, PageRequest, ReadError, column};
use crate::SqlStore;
use crate::commit::big;
use crate::error::Sorted;

const NEWEST: &str = "journal";
const OLDEST: &str = "journal-from-start";

/// How far apart the records lie that lead to a point in time (see the schema).
const SAMPLED: u64 = 64;

/// How many records an export or a verification takes at a time.
const CHUNK: u64 = 2000;

/// Which records; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalFilter {
    /// About this release.
    pub release: Option<ReleaseId>,
    /// About this activity.
    pub path: Option<ActivityPath>,
    /// Through this person, written `user:NAME`, or `system`.
    pub by: Option<String>,
    /// Of this type, such as `ReleaseStarted`.
    pub kind: Option<String>,
    /// About this object, as [`trainmaster_core::object`] names what is no release.
    pub object: Option<String>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// In which order.
    pub order: JournalOrder,
}

/// In which order records are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// How far a journal was found intact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Position of the newest record.
    pub position: u64,
    /// Its hash, to be compared with one that was noted elsewhere.
    pub hash: String,
}

/// Why a verification came to no good end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something was changed.
    #[error(transparent)]
    Tampered(#[from] Tampered),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Positions from `first` to `last`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    first: u64,
    last: u64,
}

impl Range {
    fn up_to(self, last: u64) -> Range {
        Range {
            last: std::cmp::min(self.last, last),
            ..self
        }
    }

    fn starting(self, first: u64) -> Range {
        Range {
            first: std::cmp::max(self.first, first),
            ..self
        }
    }

    fn is_empty(self) -> bool {
        self.first > self.last
    }
}

impl SqlStore {
    /// Position of the newest record; 0 for an empty journal.
    pub async fn position(&self) -> Result<u64, StoreError> {
        let select = Query::select()
            .expr_as(Func::max(Expr::col("position")), "found")
            .from("journal")
            .to_owned();
        self.found(&select).await.map(|newest| newest.unwrap_or(0))
    }

    async fn found(&self, select: &SelectStatement) -> Result<Option<u64>, StoreError> {
        let rows = self.rows(select).await?;
        let found: Option<i64> = rows.first().map_or(Ok(None), |row| column(row, "found"))?;
        Ok(found.map(i64::unsigned_abs))
    }

    /// Records that a filter lets through.
    pub async fn list_journal(
        &self,
        filter: &JournalFilter,
        page: &PageRequest,
    ) -> Result<Page<Record>, ReadError> {
        let (list, range) = self.range(filter, page).await?;
        let wanted = page.limit() + 1;
        let mut items: Vec<Record> = Vec::new();
        for select in self.selects(filter, range).await? {
            let left = wanted - items.len();
            if left == 0 {
                break;
            }
            let limit = u64::try_from(left).expect("a page is small");
            let rows = self.rows(select.clone().limit(limit)).await?;
            for row in &rows {
                items.push(record(row)?);
            }
        }
        Ok(Page::cut(items, page.limit(), list, |record| {
            big(record.position)
        }))
    }

    /// The selects that follow one another: what has search terms, and the newest records, which have none yet.
    pub(super) async fn selects(
        &self,
        filter: &JournalFilter,
        range: Range,
    ) -> Result<Vec<SelectStatement>, StoreError> {
        let Some(term) = term(filter) else {
            return Ok(vec![plain(filter, range)]);
        };
        let progress = Query::select()
            .column("position")
            .from("progress")
            .and_where(Expr::col("name").eq("journal_term"))
            .to_owned();
        let rows = self.rows(&progress).await?;
        let indexed: i64 = rows.first().map_or(Ok(0), |row| column(row, "position"))?;
        let indexed = indexed.unsigned_abs();
        let older = range.up_to(indexed);
        let newer = range.starting(indexed + 1);
        let mut selects = Vec::new();
        if !older.is_empty() {
            selects.push(by_term(&term, filter, older));
        }
        if !newer.is_empty() {
            selects.push(plain(filter, newer));
        }
        if filter.order == JournalOrder::Newest {
            selects.reverse();
        }
        Ok(selects)
    }

    /// Positions that can match: behind the cursor, within the time.
    pub(super) async fn range(
        &self,
        filter: &JournalFilter,
        page: &PageRequest,
    ) -> Result<(&'static str, Range), ReadError> {
        let mut range = Range {
            first: 1,
            last: self.position().await?,
        };
        let list = match filter.order {
            JournalOrder::Newest => {
                let last: Option<u64> = page.key(NEWEST)?;
                range = last.map_or(range, |last| range.up_to(last.saturating_sub(1)));
                NEWEST
            }
            JournalOrder::Oldest => {
                let last: Option<u64> = page.key(OLDEST)?;
                range = last.map_or(range, |last| range.starting(last.saturating_add(1)));
                OLDEST
            }
        };
        if let Some(from) = filter.from {
            let first = match self.found(&first_sample(from)).await? {
                Some(sample) => sample.saturating_sub(SAMPLED - 1),
                // Only what came after the last sample can be as new as that.
                None => range.last - range.last % SAMPLED,
            };
            range = range.starting(first);
        }
        if let Some(to) = filter.to {
            let sample = self.found(&last_sample(to)).await?.unwrap_or(0);
            range = range.up_to(sample + SAMPLED);
        }
        Ok((list, range))
    }

    /// All records after a position, oldest first, some at a time.
    pub fn export_journal(
        &self,
        after: u64,
    ) -> impl Stream<Item = Result<Vec<Record>, StoreError>> + '_ {
        futures::stream::try_unfold(after, move |after| async move {
            let limit = usize::try_from(CHUNK).expect("a chunk is small");
            let records = self.events_after(after, limit).await?;
            Ok(records
                .last()
                .map(|last| last.position)
                .map(|position| (records, position)))
        })
    }

    /// Checks every record of the journal and the chain between them.
    pub async fn verify_journal(&self) -> Result<Verified, VerifyError> {
        verify(&self.readers).await
    }
}

/// Checks every record of a journal and the chain between them.
pub(crate) async fn verify(readers: &SqlitePool) -> Result<Verified, VerifyError> {
    let mut verifier = Verifier::new();
    let mut after = 0;
    let mut checking: Option<JoinHandle<Result<Verifier, Tampered>>> = None;
    loop {
        // One chunk is read while the one before is checked.
        let chunk = chunk(readers, after).await?;
        if let Some(checked) = checking.take() {
            verifier = checked.await.expect("checking does not panic")?;
        }
        let Some(chunk) = chunk else { break };
        after = chunk.last;
        let mut next = verifier.clone();
        checking = Some(tokio::task::spawn_blocking(move || {
            chunk.check(&mut next)?;
            Ok(next)
        }));
    }
    Ok(Verified {
        position: verifier.position(),
        hash: verifier.hash().to_owned(),
    })
}

/// The next records in one text: a row for each would take longer to hand over than to check.
async fn chunk(readers: &SqlitePool, after: u64) -> Result<Option<Chunk>, StoreError> {
    let row = sqlx::query(
        "select count(*), max(position), group_concat(line, char(10) order by position)
         from (
             select
                 position,
                 position || ' ' || previous || ' ' || hash || ' ' || body as line
             from journal
             where position > ?
             order by position
             limit ?
         )",
    )
    .bind(big(after))
    .bind(big(CHUNK))
    .fetch_one(readers)
    .await
    .sorted()?;
    let count: i64 = row.try_get(0).sorted()?;
    if count == 0 {
        return Ok(None);
    }
    let last: i64 = row.try_get(1).sorted()?;
    let lines: String = row.try_get(2).sorted()?;
    // A record never holds a line end. Where one does, it might hide that another record is missing.
    let whole = lines.split('\n').count() == usize::try_from(count).unwrap_or(0);
    let records = if whole {
        Records::Lines(lines)
    } else {
        Records::Apart(apart(readers, after).await?)
    };
    Ok(Some(Chunk {
        last: last.unsigned_abs(),
        records,
    }))
}

/// The next records one by one.
async fn apart(readers: &SqlitePool, after: u64) -> Result<Vec<Record>, StoreError> {
    let rows = sqlx::query(
        "select position, body, previous, hash from journal where position > ? order by position limit ?",
    )
    .bind(big(after))
    .bind(big(CHUNK))
    .fetch_all(readers)
    .await
    .sorted()?;
    rows.iter()
        .map(|row| crate::store::record(row).sorted())
        .collect()
}

/// Some records that follow one another.
struct Chunk {
    last: u64,
    records: Records,
}

enum Records {
    /// Lines of `position previous hash body`.
    Lines(String),
    /// One by one.
    Apart(Vec<Record>),
}

impl Chunk {
    fn check(&self, verifier: &mut Verifier) -> Result<(), Tampered> {
        match &self.records {
            Records::Apart(records) => records.iter().try_for_each(|record| verifier.check(record)),
            Records::Lines(lines) => lines.split('\n').try_for_each(|line| {
                let what = "it is not written as a record is".to_owned();
                let position = verifier.position() + 1;
                verifier.check(&parse(line).ok_or(Tampered { position, what })?)
            }),
        }
    }
}

fn parse(line: &str) -> Option<Record> {
    let mut parts = line.splitn(4, ' ');
    let mut next = || parts.next().map(str::to_owned);
    let position = next()?.parse().ok()?;
    Some(Record {
        position,
        previous: next()?,
        hash: next()?,
        body: next()?,
    })
}

/// The first sampled record at a time or later, in the order of the journal: clocks may have been set back.
pub(super) fn first_sample(from: Timestamp) -> SelectStatement {
    sample(
        Func::min(sampled_position()),
        at().gte(from.as_microsecond()),
    )
}

/// The last sampled record before a time.
pub(super) fn last_sample(to: Timestamp) -> SelectStatement {
    sample(Func::max(sampled_position()), at().lt(to.as_microsecond()))
}

/// As a mere column its extreme would be looked for along the whole journal.
fn sampled_position() -> Expr {
    Expr::col("position").add(0)
}

fn sample(function: FunctionCall, condition: Expr) -> SelectStatement {
    Query::select()
        .expr_as(function, "found")
        .from("journal")
        // The words of the partial index, which bound values would not match.
        .and_where(Expr::cust("position % 64 = 0"))
        .and_where(condition)
        .to_owned()
}

fn record(row: &QueryResult) -> Result<Record, StoreError> {
    let position: i64 = column(row, "position")?;
    Ok(Record {
        position: position.unsigned_abs(),
        body: column(row, "body")?,
        previous: column(row, "previous")?,
        hash: column(row, "hash")?,
    })
}

fn at() -> Expr {
    journal("at")
}

fn journal(name: &'static str) -> Expr {
    Expr::col(("journal", name))
}

/// The most telling term of a filter.
fn term(filter: &JournalFilter) -> Option<String> {
    let release = filter.release.map(|release| format!("r:{}", release.0));
    let kind = || filter.kind.as_ref().map(|kind| format!("t:{kind}"));
    let by = || filter.by.as_ref().map(|by| format!("b:{by}"));
    let object = filter.object.as_ref().map(|object| format!("o:{object}"));
    release.or(object).or_else(kind).or_else(by)
}

/// Records of a range, one after the other.
fn plain(filter: &JournalFilter, range: Range) -> SelectStatement {
    let mut select = selected(filter);
    select
        .and_where(journal("position").between(big(range.first), big(range.last)))
        .order_by(("journal", "position"), order(filter));
    select
}

/// Records of a range that have a term.
fn by_term(term: &str, filter: &JournalFilter, range: Range) -> SelectStatement {
    let found = |name: &'static str| Expr::col(("journal_term", name));
    let mut select = selected(filter);
    // A cross join is carried out as written: first the terms, then the records.
    select
        .from_clear()
        .from("journal_term")
        .join(JoinType::CrossJoin, "journal", Cond::all());
    select
        .and_where(found("term").eq(term))
        .and_where(found("position").between(big(range.first), big(range.last)))
        .and_where(journal("position").eq(found("position")))
        .order_by(("journal_term", "position"), order(filter));
    select
}

fn selected(filter: &JournalFilter) -> SelectStatement {
    let mut select = Query::select();
    for name in ["position", "body", "previous", "hash"] {
        select.column(("journal", name));
    }
    select.from("journal");
    let release = filter
        .release
        .map(|release| journal("release").eq(big(release.0)));
    let path = filter
        .path
        .as_ref()
        .map(|path| journal("path").eq(path.as_str()));
    let by = filter.by.as_ref().map(|by| journal("by").eq(by.as_str()));
    let kind = filter
        .kind
        .as_ref()
        .map(|kind| journal("type").eq(kind.as_str()));
    let from = filter.from.map(|from| at().gte(from.as_microsecond()));
    let to = filter.to.map(|to| at().lt(to.as_microsecond()));
    let object = filter
        .object
        .as_ref()
        .map(|object| journal("object").eq(object.as_str()));
    for condition in [release, path, by, kind, object, from, to]
        .into_iter()
        .flatten()
    {
        select.and_where(condition);
    }
    select
}

fn order(filter: &JournalFilter) -> Order {
    match filter.order {
        JournalOrder::Newest => Order::Desc,
        JournalOrder::Oldest => Order::Asc,
    }
}
