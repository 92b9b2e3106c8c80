//! What people were told, for the list behind the bell.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sea_orm::QueryResult;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement, UnionType};
use trainmaster_core::ids::{Name, Owner, ReleaseId};
use trainmaster_engine::ports::StoreError;

use super::{Page, PageRequest, ReadError, column, one_more};
use crate::SqlStore;
use crate::commit::big;

const NOTIFICATIONS: &str = "notifications";

/// How many unread notices are counted at most; more are that many and more.
pub const UNREAD_COUNTED_MAX: usize = 500;

/// Into how many selects a list is split at most.
const PARTS_MAX: usize = 100;

/// Somebody was told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Position of its event in the journal.
    pub position: u64,
    /// The release; none where it is about none.
    pub release: Option<ReleaseId>,
    /// Where it belongs if it is about no release; none is the account level.
    pub home: Option<Name>,
    /// The activity's path, where it is about one.
    pub path: Option<String>,
    /// The phase, where it is about one as a whole.
    pub phase: Option<String>,
    /// What it is about, as a word; none in what older versions wrote.
    pub kind: Option<String>,
    /// What people are needed for, as a word, where they are.
    pub need: Option<String>,
    /// Whether something stands still until somebody acts.
    pub urgent: bool,
    /// Who was told.
    pub owners: Vec<String>,
    /// What.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl SqlStore {
    /// What any of the owners was told, newest first.
    pub async fn notifications(
        &self,
        owners: &[Owner],
        page: &PageRequest,
    ) -> Result<Page<Notification>, ReadError> {
        let last = page.key::<i64>(NOTIFICATIONS)?.unwrap_or(i64::MAX);
        let Some(select) = told_to(owners, last, page.limit()) else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let rows = self.rows(&select).await?;
        let items: Vec<Notification> = rows.iter().map(notification).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), NOTIFICATIONS, |told| {
            big(told.position)
        }))
    }
}

impl SqlStore {
    /// What any of the owners was told and the viewer has not read, newest first.
    pub async fn unread(
        &self,
        viewer: &Name,
        owners: &[Owner],
        page: &PageRequest,
    ) -> Result<Page<Notification>, ReadError> {
        let last = page.key::<i64>(NOTIFICATIONS)?.unwrap_or(i64::MAX);
        let Some(mut select) = told_between(owners, self.mark(viewer).await?, last, SCANNED_MAX)
        else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let read = Query::select()
            .column("position")
            .from("notification_read")
            .and_where(Expr::col("viewer").eq(viewer.as_str()))
            .to_owned();
        select
            .and_where(Expr::col("position").not_in_subquery(read))
            .limit(one_more(page.limit()));
        let rows = self.rows(&select).await?;
        let items: Vec<Notification> = rows.iter().map(notification).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), NOTIFICATIONS, |told| {
            big(told.position)
        }))
    }

    /// Which of these positions the viewer has read.
    pub async fn read_of(
        &self,
        viewer: &Name,
        positions: &[u64],
    ) -> Result<BTreeSet<u64>, StoreError> {
        let mark = self.mark(viewer).await?.unsigned_abs();
        let select = Query::select()
            .column("position")
            .from("notification_read")
            .and_where(Expr::col("viewer").eq(viewer.as_str()))
            .and_where(Expr::col("position").is_in(positions.iter().map(|position| big(*position))))
            .to_owned();
        let mut read: BTreeSet<u64> = positions
            .iter()
            .copied()
            .filter(|position| *position <= mark)
            .collect();
        for row in self.rows(&select).await? {
            let position: i64 = column(&row, "position")?;
            read.insert(position.unsigned_abs());
        }
        Ok(read)
    }

    /// Up to which position the viewer has read everything.
    async fn mark(&self, viewer: &Name) -> Result<i64, StoreError> {
        let select = Query::select()
            .column("position")
            .from("notification_mark")
            .and_where(Expr::col("viewer").eq(viewer.as_str()))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.first().map_or(Ok(0), |row| column(row, "position"))
    }
}

/// How many of the newest notices of a viewer are looked at for unread ones.
const SCANNED_MAX: usize = 5_000;

/// What any of the owners was told before a position; none if there are no owners.
pub(super) fn told_to(owners: &[Owner], last: i64, limit: usize) -> Option<SelectStatement> {
    told_between(owners, 0, last, limit)
}

fn told_between(owners: &[Owner], after: i64, last: i64, limit: usize) -> Option<SelectStatement> {
    // One select per owner follows the index from its end; all of them in one would sort everything.
    // The database refuses some hundred selects, so that whoever stands for very many owners pays by sorting.
    let each = owners.len().div_ceil(PARTS_MAX).max(1);
    let mut parts = owners
        .chunks(each)
        .map(|owners| told(owners, after, last, one_more(limit)));
    let mut all = parts.next()?;
    all.unions(parts.map(|part| (UnionType::Distinct, part)));
    let positions = Query::select()
        .column("position")
        .from_subquery(all, Alias::new("parts"))
        .order_by("position", Order::Desc)
        .limit(one_more(limit))
        .to_owned();
    let select = Query::select()
        .columns([
            "position", "release", "owners", "message", "at", "path", "kind", "need", "phase",
            "urgent", "home",
        ])
        .from("notification")
        .and_where(Expr::col("position").in_subquery(positions))
        .order_by("position", Order::Desc)
        .to_owned();
    Some(select)
}

fn told(owners: &[Owner], after: i64, last: i64, limit: u64) -> SelectStatement {
    let own = Query::select()
        .column("position")
        .from("notification_owner")
        .and_where(Expr::col("owner").is_in(owners.iter().map(ToString::to_string)))
        .and_where(Expr::col("position").lt(last))
        .and_where(Expr::col("position").gt(after))
        .order_by("position", Order::Desc)
        .limit(limit)
        .to_owned();
    Query::select()
        .column("position")
        .from_subquery(own, Alias::new("part"))
        .to_owned()
}

fn notification(row: &QueryResult) -> Result<Notification, StoreError> {
    let position: i64 = column(row, "position")?;
    let release: i64 = column(row, "release")?;
    let owners: String = column(row, "owners")?;
    let at: i64 = column(row, "at")?;
    let home: String = column(row, "home")?;
    Ok(Notification {
        position: position.unsigned_abs(),
        release: Some(ReleaseId(release.unsigned_abs())).filter(|release| release.0 > 0),
        home: home.parse().ok(),
        path: column(row, "path")?,
        phase: column(row, "phase")?,
        kind: column(row, "kind")?,
        need: column(row, "need")?,
        urgent: column::<i64>(row, "urgent")? != 0,
        owners: owners.split_whitespace().map(str::to_owned).collect(),
        message: column(row, "message")?,
        at: Timestamp::from_microsecond(at)
            .map_err(|error| StoreError::Damaged(format!("notification {position}: {error}")))?,
    })
}
