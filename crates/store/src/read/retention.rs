//! What is old enough to be put out of the way or removed, and the removal of what hangs on nothing.

use jiff::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::ports::StoreError;

use super::column;
use super::deployments::instant;
use crate::SqlStore;
use crate::commit::big;
use crate::script::{Cell, Script};

/// How many rows of each table one pruning removes at most.
const PRUNED_MAX: i64 = 1_000;

/// A release that may be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When it ended.
    pub ended_at: Timestamp,
    /// Which.
    pub release: ReleaseId,
}

impl SqlStore {
    /// Releases that ended before an instant, archived or not, the longest ended first, behind a given one.
    ///
    /// Children of others go with their parents and are left out.
    pub async fn ended_before(
        &self,
        before: Timestamp,
        archived: bool,
        behind: Option<Due>,
        limit: u64,
    ) -> Result<Vec<Due>, StoreError> {
        let rows = self
            .rows(&ended_before(before, archived, behind, limit))
            .await?;
        rows.iter()
            .map(|row| {
                let id: i64 = column(row, "id")?;
                Ok(Due {
                    ended_at: instant(row, "ended_at")?,
                    release: ReleaseId(id.unsigned_abs()),
                })
            })
            .collect()
    }

    /// Removes what people were told before an instant, and deployments that have been replaced and whose release
    /// is gone; some of it at a time.
    pub async fn prune(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut script = Script::default();
        let before = || Cell::from(before.as_microsecond());
        // The newest notifications have the highest positions, so the oldest are found without an index of their own.
        let told = "select position from notification where position <= (
                select coalesce(max(position), 0) from (
                    select position, at from notification order by position limit ?
                ) as oldest where at < ?
            )";
        script.statement(
            &format!("delete from notification_owner where position in ({told})"),
            [Cell::from(PRUNED_MAX), before()],
        );
        script.statement(
            &format!("delete from notification where position in ({told})"),
            [Cell::from(PRUNED_MAX), before()],
        );
        let orphans = "select position from deployment
            where at < ?
                and not exists (select 1 from release where release.id = deployment.release)
                and not exists (
                    select 1 from deployed
                    where deployed.environment = deployment.environment
                        and deployed.service = deployment.service
                        and deployed.organization = deployment.organization
                        and deployed.position = deployment.position
                )
            order by at, position limit ?";
        for sql in [
            format!("delete from trace where deployment <> 0 and deployment in ({orphans})"),
            format!("delete from deployment where position in ({orphans})"),
        ] {
            script.statement(&sql, [before(), Cell::from(PRUNED_MAX)]);
        }
        self.write_beside(script).await
    }
}

pub(super) fn ended_before(
    before: Timestamp,
    archived: bool,
    behind: Option<Due>,
    limit: u64,
) -> SelectStatement {
    let mut select = Query::select()
        .columns(["id", "ended_at"])
        .from("release")
        .and_where(Expr::col("archived").eq(i64::from(archived)))
        .and_where(Expr::col("ended_at").lt(before.as_microsecond()))
        // The words of the partial index, which a bound value would not match.
        .and_where(Expr::cust("ended = 1"))
        .and_where(Expr::col("parent").is_null())
        .order_by("ended_at", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(limit)
        .to_owned();
    if let Some(behind) = behind {
        let last = [
            Expr::val(behind.ended_at.as_microsecond()),
            Expr::val(big(behind.release.0)),
        ];
        let here = ["ended_at", "id"].map(Expr::col);
        select.and_where(Expr::tuple(here).gt(Expr::tuple(last)));
    }
    select
}
