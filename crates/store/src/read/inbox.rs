//! What waits for somebody: activities that need one of the owners a viewer stands for.

use sea_orm::sea_query::{Cond, Expr, ExprTrait as _, JoinType, Order, Query, SelectStatement};
use trainmaster_core::ids::{Name, Owner, ReleaseId};
use trainmaster_core::release::{Activity, Release};
use trainmaster_engine::ports::StoreError;

use super::releases::organization_text;
use super::{Page, PageRequest, ReadError, column, holding, one_more};
use crate::SqlStore;
use crate::error::unreadable;

const INBOX: &str = "inbox";

/// An activity that needs somebody, with its release.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxItem {
    /// The release.
    pub release: Release,
    /// The activity's position among the release's activities.
    pub position: u32,
    /// The activity.
    pub activity: Activity,
}

impl SqlStore {
    /// Activities that need any of the owners, of releases in the organizations (everywhere if not given),
    /// by release and position.
    pub async fn inbox(
        &self,
        owners: &[Owner],
        organizations: Option<&[Option<Name>]>,
        page: &PageRequest,
    ) -> Result<Page<InboxItem>, ReadError> {
        let last = page.key(INBOX)?.unwrap_or((-1, -1));
        if owners.is_empty() {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let rows = self
            .rows(&waiting(owners, organizations, last, page.limit()))
            .await?;
        let items: Vec<InboxItem> = rows.iter().map(item).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), INBOX, |item| {
            (
                crate::commit::big(item.release.id.0),
                i64::from(item.position),
            )
        }))
    }
}

/// Activities that need one of the owners, after the last one of the page before.
pub(super) fn waiting(
    owners: &[Owner],
    organizations: Option<&[Option<Name>]>,
    (release, position): (i64, i64),
    limit: usize,
) -> SelectStatement {
    let mut meant = Cond::any();
    for owner in owners {
        meant = meant.add(needs().like(holding(&format!(" {owner} "))));
    }
    let here = Expr::tuple([
        Expr::col(("activity", "release")),
        Expr::col(("activity", "position")),
    ]);
    let mut select = Query::select();
    select
        .column(("activity", "release"))
        .column(("activity", "position"))
        .expr_as(Expr::col(("activity", "body")), "activity")
        .expr_as(Expr::col(("release", "body")), "body")
        .from("activity")
        .join(JoinType::CrossJoin, "release", Cond::all())
        .and_where(Expr::col(("release", "id")).eq(Expr::col(("activity", "release"))))
        // The words of the partial index, which a bound value would not match.
        .and_where(Expr::cust("needs <> ''"))
        .and_where(here.gt(Expr::tuple([Expr::val(release), Expr::val(position)])))
        .cond_where(meant)
        .order_by(("activity", "release"), Order::Asc)
        .order_by(("activity", "position"), Order::Asc)
        .limit(one_more(limit));
    if let Some(organizations) = organizations {
        let texts = organizations.iter().map(organization_text);
        select.and_where(Expr::col(("release", "organization")).is_in(texts));
    }
    select
}

fn needs() -> Expr {
    Expr::col(("activity", "needs"))
}

fn item(row: &sea_orm::QueryResult) -> Result<InboxItem, StoreError> {
    let release: i64 = column(row, "release")?;
    let release = ReleaseId(release.unsigned_abs());
    let position: i64 = column(row, "position")?;
    let body: String = column(row, "activity")?;
    let activity = serde_json::from_str(&body)
        .map_err(|error| unreadable(format_args!("activity {release} {position}"), &error))?;
    let position = u32::try_from(position).unwrap_or(u32::MAX);
    Ok(InboxItem {
        release: super::parsed(row, || release.to_string())?,
        position,
        activity,
    })
}
