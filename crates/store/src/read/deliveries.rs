//! The log of what went out.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait as _, Order, Query};
use trainmaster_core::ids::{Name, ReleaseId};
use trainmaster_core::release::Release;
use trainmaster_engine::ports::StoreError;

use super::releases::organization_text;
use super::{Page, PageRequest, ReadError, column, one_more, parsed};
use crate::SqlStore;
use crate::commit::big;
use crate::outlets::{Delivery, DeliveryStatus};

const DELIVERIES: &str = "deliveries";

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only of rules of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only of this rule.
    pub rule: Option<Name>,
    /// Only those that stand so.
    pub status: Option<DeliveryStatus>,
}

impl SqlStore {
    /// Deliveries, those of the newest events first.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page<Delivery>, ReadError> {
        let mut select = Query::select();
        select
            .column(Asterisk)
            .from("delivery")
            .order_by("position", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(one_more(page.limit()));
        if let Some((position, id)) = page.key::<(i64, String)>(DELIVERIES)? {
            let here = Expr::tuple([Expr::col("position"), Expr::col("id")]);
            select.and_where(here.lt(Expr::tuple([Expr::val(position), Expr::val(id)])));
        }
        if let Some(organizations) = &filter.organizations {
            let texts = organizations.iter().map(organization_text);
            select.and_where(Expr::col("organization").is_in(texts));
        }
        if let Some(rule) = &filter.rule {
            select.and_where(Expr::col("rule").eq(rule.as_str()));
        }
        if let Some(status) = filter.status {
            select.and_where(Expr::col("status").eq(status.as_str()));
        }
        let rows = self.rows(&select).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: String = column(row, "id")?;
            let found = self.delivery(&id).await?;
            items.extend(found);
        }
        Ok(Page::cut(items, page.limit(), DELIVERIES, |delivery| {
            (big(delivery.position), delivery.id.clone())
        }))
    }

    /// A release as it stands, its activities apart; none if there is none.
    pub async fn release_head(&self, id: ReleaseId) -> Result<Option<Release>, StoreError> {
        let select = Query::select()
            .column("body")
            .from("release")
            .and_where(Expr::col("id").eq(big(id.0)))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.first()
            .map(|row| parsed(row, || id.to_string()))
            .transpose()
    }

    /// How many deliveries have not ended, for the metrics.
    pub async fn count_open_deliveries(&self) -> Result<u64, StoreError> {
        let select = Query::select()
            .expr_as(Expr::cust("count(*)"), "found")
            .from("delivery")
            .and_where(Expr::cust("open = 1"))
            .to_owned();
        let rows = self.rows(&select).await?;
        let found: i64 = rows.first().map_or(Ok(0), |row| column(row, "found"))?;
        Ok(found.unsigned_abs())
    }
}
