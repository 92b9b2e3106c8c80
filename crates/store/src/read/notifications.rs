//! What people were told, for the list behind the bell.

use jiff::Timestamp;
use sea_orm::QueryResult;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement, UnionType};
use trainmaster_core::ids::{Owner, ReleaseId};
use trainmaster_engine::ports::StoreError;

use super::{Page, PageRequest, ReadError, column, one_more};
use crate::SqlStore;
use crate::commit::big;

const NOTIFICATIONS: &str = "notifications";

/// Into how many selects a list is split at most.
const PARTS_MAX: usize = 100;

/// Somebody was told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Position of its event in the journal.
    pub position: u64,
    /// The release.
    pub release: ReleaseId,
    /// The activity's path, where it is about one.
    pub path: Option<String>,
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

/// What any of the owners was told before a position; none if there are no owners.
pub(super) fn told_to(owners: &[Owner], last: i64, limit: usize) -> Option<SelectStatement> {
    // One select per owner follows the index from its end; all of them in one would sort everything.
    // The database refuses some hundred selects, so that whoever stands for very many owners pays by sorting.
    let each = owners.len().div_ceil(PARTS_MAX).max(1);
    let mut parts = owners
        .chunks(each)
        .map(|owners| told(owners, last, one_more(limit)));
    let mut all = parts.next()?;
    all.unions(parts.map(|part| (UnionType::Distinct, part)));
    let positions = Query::select()
        .column("position")
        .from_subquery(all, Alias::new("parts"))
        .order_by("position", Order::Desc)
        .limit(one_more(limit))
        .to_owned();
    let select = Query::select()
        .columns(["position", "release", "owners", "message", "at", "path"])
        .from("notification")
        .and_where(Expr::col("position").in_subquery(positions))
        .order_by("position", Order::Desc)
        .to_owned();
    Some(select)
}

fn told(owners: &[Owner], last: i64, limit: u64) -> SelectStatement {
    let own = Query::select()
        .column("position")
        .from("notification_owner")
        .and_where(Expr::col("owner").is_in(owners.iter().map(ToString::to_string)))
        .and_where(Expr::col("position").lt(last))
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
    Ok(Notification {
        position: position.unsigned_abs(),
        release: ReleaseId(release.unsigned_abs()),
        path: column(row, "path")?,
        owners: owners.split_whitespace().map(str::to_owned).collect(),
        message: column(row, "message")?,
        at: Timestamp::from_microsecond(at)
            .map_err(|error| StoreError::Damaged(format!("notification {position}: {error}")))?,
    })
}
