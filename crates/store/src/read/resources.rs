//! Definitions and their revisions.

use sea_orm::QueryResult;
use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use trainmaster_core::entity::{Resource, Revision};
use trainmaster_core::ids::{Name, ResourceKey, ResourceKind};
use trainmaster_engine::ports::StoreError;

use super::releases::organization_text;
use super::{Page, PageRequest, ReadError, column, one_more, parsed};
use crate::SqlStore;
use crate::error::unreadable;

const RESOURCES: &str = "resources";
const REVISIONS: &str = "revisions";

/// How many definitions are looked at in one go while labels are compared.
const PIECE: u64 = 500;

/// Which definitions.
#[derive(Clone, Debug)]
pub struct ResourceFilter {
    /// Of this kind.
    pub kind: ResourceKind,
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only with all of these labels, key and value.
    pub labels: Vec<(String, String)>,
}

impl ResourceFilter {
    /// Every definition of a kind.
    pub fn of(kind: ResourceKind) -> ResourceFilter {
        ResourceFilter {
            kind,
            organizations: None,
            labels: Vec::new(),
        }
    }

    fn lets_through(&self, resource: &Resource) -> bool {
        self.labels
            .iter()
            .all(|(key, value)| resource.labels.get(key) == Some(value))
    }
}

impl SqlStore {
    /// Definitions that are not deleted, by name and organization.
    pub async fn list_resources(
        &self,
        filter: &ResourceFilter,
        page: &PageRequest,
    ) -> Result<Page<Resource>, ReadError> {
        let mut last: Option<(String, String)> = page.key(RESOURCES)?;
        let mut items: Vec<Resource> = Vec::new();
        while items.len() <= page.limit() {
            let rows = self.rows(&piece(filter, last.as_ref())).await?;
            let Some(newest) = rows.last() else { break };
            last = Some((column(newest, "name")?, column(newest, "organization")?));
            for row in &rows {
                let resource: Resource =
                    parsed(row, || format!("a definition of {}", filter.kind))?;
                items.extend(Some(resource).filter(|resource| filter.lets_through(resource)));
            }
        }
        Ok(Page::cut(items, page.limit(), RESOURCES, |resource| {
            (
                resource.key.name.to_string(),
                organization_text(&resource.key.organization),
            )
        }))
    }

    /// Definitions that are not deleted, each with its newest revision, by name and organization; labels are not looked at.
    ///
    /// For kinds of which there are few, and of which all are needed at once.
    pub async fn newest_definitions(
        &self,
        filter: &ResourceFilter,
    ) -> Result<Vec<(Resource, Revision)>, StoreError> {
        let rows = self.rows(&with_newest(filter)).await?;
        let what = || format!("a definition of {}", filter.kind);
        let read = |row: &QueryResult| {
            let resource: String = column(row, "resource_body")?;
            let resource = serde_json::from_str(&resource);
            Ok((
                resource.map_err(|error| unreadable(what(), &error))?,
                parsed(row, what)?,
            ))
        };
        rows.iter().map(read).collect()
    }

    /// The newest state of a definition, deleted or not; none if there never was one.
    pub async fn resource(&self, key: &ResourceKey) -> Result<Option<Resource>, StoreError> {
        let select = named(key, "resource").to_owned();
        let rows = self.rows(&select).await?;
        rows.first()
            .map(|row| parsed(row, || key.to_string()))
            .transpose()
    }

    /// The revisions of a definition, newest first.
    pub async fn list_revisions(
        &self,
        key: &ResourceKey,
        page: &PageRequest,
    ) -> Result<Page<Revision>, ReadError> {
        let mut select = named(key, "revision");
        if let Some(last) = page.key::<i64>(REVISIONS)? {
            select.and_where(Expr::col("revision").lt(last));
        }
        let limit = one_more(page.limit());
        select.order_by("revision", Order::Desc).limit(limit);
        let rows = self.rows(&select).await?;
        let items = rows
            .iter()
            .map(|row| parsed(row, || format!("a revision of {key}")));
        let items: Vec<Revision> = items.collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), REVISIONS, |revision| {
            i64::from(revision.revision)
        }))
    }

    /// One revision of a definition; none if there is none.
    pub async fn revision(
        &self,
        key: &ResourceKey,
        revision: u32,
    ) -> Result<Option<Revision>, StoreError> {
        let mut select = named(key, "revision");
        select.and_where(Expr::col("revision").eq(i64::from(revision)));
        let rows = self.rows(&select).await?;
        rows.first()
            .map(|row| parsed(row, || format!("{key}@{revision}")))
            .transpose()
    }
}

pub(super) fn piece(filter: &ResourceFilter, last: Option<&(String, String)>) -> SelectStatement {
    let mut select = Query::select();
    select
        .column("name")
        .column("organization")
        .column("body")
        .from("resource")
        .and_where(Expr::col("kind").eq(filter.kind.as_str()))
        .and_where(Expr::col("deleted").eq(0))
        .order_by("name", Order::Asc)
        .order_by("organization", Order::Asc)
        .limit(PIECE);
    if let Some(organizations) = &filter.organizations {
        select.and_where(
            Expr::col("organization").is_in(organizations.iter().map(organization_text)),
        );
    }
    if let Some((name, organization)) = last {
        let here = Expr::tuple([Expr::col("name"), Expr::col("organization")]);
        select.and_where(here.gt(Expr::tuple([Expr::val(name), Expr::val(organization)])));
    }
    select
}

/// Newest revisions beside the state of their definitions.
fn with_newest(filter: &ResourceFilter) -> SelectStatement {
    let same = |name: &'static str| Expr::col(("resource", name)).equals(("revision", name));
    let mut select = Query::select();
    select
        .expr_as(Expr::col(("resource", "body")), "resource_body")
        .expr_as(Expr::col(("revision", "body")), "body")
        .from("resource")
        .inner_join(
            "revision",
            same("kind")
                .and(same("organization"))
                .and(same("name"))
                .and(same("revision")),
        )
        .and_where(Expr::col(("resource", "kind")).eq(filter.kind.as_str()))
        .and_where(Expr::col(("resource", "deleted")).eq(0))
        .order_by(("resource", "name"), Order::Asc)
        .order_by(("resource", "organization"), Order::Asc);
    if let Some(organizations) = &filter.organizations {
        select.and_where(
            Expr::col(("resource", "organization"))
                .is_in(organizations.iter().map(organization_text)),
        );
    }
    select
}

pub(super) fn named(key: &ResourceKey, table: &'static str) -> SelectStatement {
    Query::select()
        .column("body")
        .from(table)
        .and_where(Expr::col("kind").eq(key.kind.as_str()))
        .and_where(Expr::col("organization").eq(organization_text(&key.organization)))
        .and_where(Expr::col("name").eq(key.name.as_str()))
        .to_owned()
}
