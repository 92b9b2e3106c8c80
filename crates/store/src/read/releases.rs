//! Releases: lists, one with everything that belongs to it, counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sea_orm::sea_query::{
    Alias, Cond, Expr, ExprTrait as _, Func, JoinType, Order, Query, SelectStatement, UnionType,
};
use trainmaster_core::entity::{Entity, Resource};
use trainmaster_core::ids::{Name, ReleaseId, ResourceKey};
use trainmaster_core::release::{Release, ReleaseType};
use trainmaster_core::status::{ReleaseStatus, Stage};
use trainmaster_engine::ports::StoreError;

use super::{Page, PageRequest, ReadError, column, holding, one_more, parsed, prefix_end};
use crate::commit::big;
use crate::error::Sorted as _;
use crate::{SqlStore, load, words};

/// The name of the list in its cursors, by order.
const NEWEST: &str = "releases";
const BY_START: &str = "releases-by-start";

/// Up to how many matches a word is rare, so that its releases are taken from the words rather than looked through.
const RARE_MAX: u64 = 1000;

/// Into how many selects a list is split at most; the database refuses more than some hundred.
const PARTS_MAX: usize = 100;

/// Which releases; everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct ReleaseFilter {
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only with one of these statuses; all if empty.
    pub statuses: Vec<ReleaseStatus>,
    /// Only in one of these stages; all if empty.
    pub stages: Vec<Stage>,
    /// Only of these types; all if empty.
    pub types: Vec<ReleaseType>,
    /// Only of the process of this name.
    pub process: Option<Name>,
    /// Only of the release group of this name.
    pub group: Option<Name>,
    /// Only with all of these labels, key and value.
    pub labels: Vec<(String, String)>,
    /// Only with words that begin like each of these, in name, slug, version, labels or description.
    pub search: String,
    /// Archived ones or others.
    pub archived: Archived,
    /// Children of other releases too.
    pub children: bool,
    /// Only children of this release.
    pub parent: Option<ReleaseId>,
    /// Only those that begin at this time or later.
    pub from: Option<Timestamp>,
    /// Only those that begin before this time.
    pub to: Option<Timestamp>,
    /// In which order.
    pub order: ReleaseOrder,
}

/// Whether archived releases are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Archived {
    /// Only those that are not archived.
    #[default]
    Without,
    /// Only archived ones.
    Only,
    /// Both.
    Both,
}

/// In which order releases are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReleaseOrder {
    /// The one created last comes first.
    #[default]
    Newest,
    /// By planned start, and by creation where none is planned; the earliest comes first.
    Start,
}

/// Everything that belongs to one release.
#[derive(Clone, Debug)]
pub struct ReleaseRows {
    /// Rows to rebuild a world with: the release, its activities, its revision, the process's newest state.
    pub entities: Vec<Entity>,
    /// Its children, by number.
    pub children: Vec<Release>,
}

impl SqlStore {
    /// Releases that a filter lets through.
    pub async fn list_releases(
        &self,
        filter: &ReleaseFilter,
        page: &PageRequest,
    ) -> Result<Page<Release>, ReadError> {
        let Some(ids) = self.release_ids(filter, page).await? else {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        };
        let select = in_order(
            Query::select()
                .column("id")
                .column("begins_at")
                .column("body")
                .from("release")
                .and_where(Expr::col("id").in_subquery(ids))
                .to_owned(),
            filter.order,
        );
        let rows = self.rows(&select).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let key: (i64, i64) = (column(row, "begins_at")?, column(row, "id")?);
            let release: Release = parsed(row, || ReleaseId(key.1.unsigned_abs()).to_string())?;
            items.push((key, release));
        }
        let cut = match filter.order {
            ReleaseOrder::Newest => Page::cut(items, page.limit(), NEWEST, |(key, _)| key.1),
            ReleaseOrder::Start => Page::cut(items, page.limit(), BY_START, |(key, _)| *key),
        };
        let items = cut.items.into_iter().map(|(_, release)| release).collect();
        Ok(Page {
            items,
            next: cut.next,
        })
    }

    /// The ids of one page and of one release more; none if nothing can match.
    pub(super) async fn release_ids(
        &self,
        filter: &ReleaseFilter,
        page: &PageRequest,
    ) -> Result<Option<SelectStatement>, ReadError> {
        let limit = one_more(page.limit());
        let mut condition = conditions(filter);
        match filter.order {
            ReleaseOrder::Newest => {
                let last = page.key::<i64>(NEWEST)?.unwrap_or(i64::MAX);
                condition = condition.add(release("id").lt(last));
            }
            ReleaseOrder::Start => {
                let first = (i64::MIN, i64::MIN);
                let (begins_at, id) = page.key::<(i64, i64)>(BY_START)?.unwrap_or(first);
                let here = Expr::tuple([release("begins_at"), release("id")]);
                condition =
                    condition.add(here.gt(Expr::tuple([Expr::val(begins_at), Expr::val(id)])));
            }
        }
        let Some(ways) = self.ways(filter, &condition).await? else {
            return Ok(None);
        };
        let parts = ways.into_iter().map(|way| {
            let mut way = in_order(way, filter.order);
            part(way.limit(limit).to_owned())
        });
        Ok(union(parts).map(|mut all| {
            in_order_of_parts(&mut all, filter.order)
                .limit(limit)
                .to_owned()
        }))
    }

    /// Selects whose results together are the list, each of which follows an index that fits the filter.
    async fn ways(
        &self,
        filter: &ReleaseFilter,
        condition: &Cond,
    ) -> Result<Option<Vec<SelectStatement>>, StoreError> {
        let Some(statuses) = statuses(filter) else {
            return Ok(None);
        };
        let plain = Query::select()
            .column(("release", "id"))
            .column(("release", "begins_at"))
            .cond_where(condition.clone())
            .to_owned();
        let from_release = || plain.clone().from("release").to_owned();
        let narrow = filter.parent.is_some() || filter.group.is_some();
        if narrow || filter.order == ReleaseOrder::Start {
            return Ok(Some(vec![among(from_release(), filter, &statuses)]));
        }
        let live = statuses.iter().all(|status| !status.is_terminal());
        if !live && let Some(term) = self.rare_term(filter).await? {
            let mut way = plain.clone();
            way.from("release_term")
                .join(JoinType::CrossJoin, "release", Cond::all())
                .and_where(release("id").eq(Expr::col(("release_term", "release"))))
                .cond_where(term)
                .distinct();
            return Ok(Some(vec![among(way, filter, &statuses)]));
        }
        Ok(Some(split(&from_release(), filter, &statuses)))
    }

    /// The condition on a term that few releases have, if the filter names one.
    async fn rare_term(&self, filter: &ReleaseFilter) -> Result<Option<Cond>, StoreError> {
        let term = || Expr::col(("release_term", "term"));
        let labels = filter.labels.iter().map(|(key, value)| {
            Cond::all().add(term().eq(words::label_term(&format!("{key}={value}"))))
        });
        let sought = words::sought(&filter.search).into_iter().map(|word| {
            let first = words::word_term(&word);
            Cond::all()
                .add(term().gte(first.as_str()))
                .add(term().lt(prefix_end(&first)))
        });
        for condition in labels.chain(sought) {
            if self.is_rare(&condition).await? {
                return Ok(Some(condition));
            }
        }
        Ok(None)
    }

    async fn is_rare(&self, condition: &Cond) -> Result<bool, StoreError> {
        let some = Query::select()
            .column("release")
            .from("release_term")
            .cond_where(condition.clone())
            .limit(RARE_MAX + 1)
            .to_owned();
        let count = Query::select()
            .expr_as(Func::count(Expr::col("release")), "found")
            .from_subquery(some, "some")
            .to_owned();
        let rows = self.rows(&count).await?;
        let found: i64 = rows.first().map_or(Ok(0), |row| column(row, "found"))?;
        Ok(found.unsigned_abs() <= RARE_MAX)
    }

    /// One release with everything that belongs to it; none if there is none.
    pub async fn release_rows(
        &self,
        release: ReleaseId,
    ) -> Result<Option<ReleaseRows>, StoreError> {
        let mut entities = load::release(&self.readers, release).await?;
        let process = entities.iter().find_map(|entity| match entity {
            Entity::Release(release) => Some(release.process.clone()),
            _ => None,
        });
        let Some(process) = process else {
            return Ok(None);
        };
        let process: Option<Resource> = self.resource(&process).await?;
        entities.extend(process.map(Entity::Resource));
        let group = entities.iter().find_map(|entity| match entity {
            Entity::Release(release) => release.group_key(),
            _ => None,
        });
        if let Some(group) = group {
            entities.extend(self.group_rows(&group).await?);
        }
        Ok(Some(ReleaseRows {
            entities,
            children: self.children(release).await?,
        }))
    }

    /// A release group: its definition, its newest revision, and how far it has come.
    pub async fn group_rows(&self, key: &ResourceKey) -> Result<Vec<Entity>, StoreError> {
        let resource: Option<Resource> = self.resource(key).await?;
        let mut rows = Vec::new();
        let mut transaction = self.readers.begin().await.sorted()?;
        rows.extend(load::group_of(&mut transaction, key).await?);
        if let Some(resource) = resource {
            let newest = load::revision_of(&mut transaction, key, resource.revision).await?;
            rows.extend(newest.map(Entity::Revision));
            rows.push(Entity::Resource(resource));
        }
        Ok(rows)
    }

    /// The releases of a group whose planned instants lie in `[from, to]`.
    pub async fn planned_releases(
        &self,
        group: &ResourceKey,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, ReleaseId)>, StoreError> {
        let select = Query::select()
            .column("id")
            .column("planned_at")
            .from("release")
            .and_where(Expr::col("organization").eq(organization_text(&group.organization)))
            .and_where(Expr::col("group_name").eq(group.name.as_str()))
            .and_where(Expr::cust("group_name <> ''"))
            .and_where(Expr::col("planned_at").gte(from.as_microsecond()))
            .and_where(Expr::col("planned_at").lte(to.as_microsecond()))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.iter()
            .map(|row| {
                let id: i64 = column(row, "id")?;
                let at: i64 = column(row, "planned_at")?;
                let at = Timestamp::from_microsecond(at).map_err(|_| {
                    StoreError::Damaged(format!("release {id} is planned outside of all time"))
                })?;
                Ok((at, ReleaseId(id.unsigned_abs())))
            })
            .collect()
    }

    /// The children of a release, by number.
    pub async fn children(&self, parent: ReleaseId) -> Result<Vec<Release>, StoreError> {
        let select = Query::select()
            .column("body")
            .from("release")
            .and_where(Expr::col("parent").eq(big(parent.0)))
            .and_where(Expr::cust("parent is not null"))
            .order_by("id", Order::Asc)
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.iter()
            .map(|row| parsed(row, || format!("a child of {parent}")))
            .collect()
    }

    /// Releases by id, in the order of their numbers; what is not there is left out.
    pub async fn releases_by_id(&self, ids: &[ReleaseId]) -> Result<Vec<Release>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let select = Query::select()
            .column("body")
            .from("release")
            .and_where(Expr::col("id").is_in(ids.iter().map(|id| big(id.0))))
            .order_by("id", Order::Asc)
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.iter()
            .map(|row| parsed(row, || "a release".to_owned()))
            .collect()
    }

    /// A release that has not ended, is nobody's child and lives on the other level: at account level where an
    /// organization is named, in an organization where none is.
    pub async fn live_release_of_other_level(
        &self,
        organization: Option<&Name>,
    ) -> Result<Option<ReleaseId>, StoreError> {
        let mut select = Query::select()
            .column("id")
            .from("release")
            .and_where(Expr::cust("ended = 0"))
            .and_where(Expr::col("parent").is_null())
            .order_by("id", Order::Asc)
            .limit(1)
            .to_owned();
        match organization {
            Some(_) => select.and_where(Expr::col("organization").eq("")),
            None => select.and_where(Expr::col("organization").ne("")),
        };
        let rows = self.rows(&select).await?;
        let id = rows
            .first()
            .map(|row| column::<i64>(row, "id"))
            .transpose()?;
        Ok(id.map(|id| ReleaseId(id.unsigned_abs())))
    }

    /// How many releases have which status, archived ones and children included.
    pub async fn count_releases(
        &self,
        organizations: Option<&[Option<Name>]>,
    ) -> Result<BTreeMap<ReleaseStatus, u64>, StoreError> {
        let mut select = Query::select()
            .column("status")
            .expr_as(Func::count(Expr::col("id")), "found")
            .from("release")
            .group_by_col("status")
            .to_owned();
        if let Some(organizations) = organizations {
            let texts = organizations.iter().map(organization_text);
            select.and_where(Expr::col("organization").is_in(texts));
        }
        let mut counts = BTreeMap::new();
        for row in self.rows(&select).await? {
            let name: String = column(&row, "status")?;
            let found: i64 = column(&row, "found")?;
            let status = ReleaseStatus::ALL
                .into_iter()
                .find(|status| status.as_str() == name);
            let status = status.ok_or_else(|| {
                StoreError::Damaged(format!("`{name}` is not a status of a release"))
            })?;
            counts.insert(status, found.unsigned_abs());
        }
        Ok(counts)
    }
}

fn release(name: &'static str) -> Expr {
    Expr::col(("release", name))
}

/// An organization as columns hold it.
pub(super) fn organization_text(organization: &Option<Name>) -> String {
    organization
        .as_ref()
        .map(Name::to_string)
        .unwrap_or_default()
}

/// Statuses that the filter lets through; none if that is impossible.
fn statuses(filter: &ReleaseFilter) -> Option<Vec<ReleaseStatus>> {
    let fits = |status: &ReleaseStatus| {
        (filter.statuses.is_empty() || filter.statuses.contains(status))
            && (filter.stages.is_empty() || filter.stages.contains(&status.stage()))
    };
    let statuses: Vec<ReleaseStatus> = ReleaseStatus::ALL.into_iter().filter(fits).collect();
    let nowhere = filter.organizations.as_ref().is_some_and(Vec::is_empty);
    (!statuses.is_empty() && !nowhere).then_some(statuses)
}

/// Everything but organizations and statuses, which decide the way.
fn conditions(filter: &ReleaseFilter) -> Cond {
    let mut all = Cond::all();
    if !filter.types.is_empty() {
        all = all.add(release("type").is_in(filter.types.iter().map(|kind| type_text(*kind))));
    }
    if let Some(process) = &filter.process {
        all = all.add(release("process").eq(process.as_str()));
    }
    if let Some(group) = &filter.group {
        // The words of the partial index, which a bound value would not match.
        all = all
            .add(release("group_name").eq(group.as_str()))
            .add(Expr::cust("group_name <> ''"));
    }
    for (key, value) in &filter.labels {
        all = all.add(release("labels").like(holding(&format!(" {key}={value} "))));
    }
    for word in words::sought(&filter.search) {
        all = all.add(release("search").like(holding(&format!(" {word}"))));
    }
    match filter.archived {
        Archived::Without => all = all.add(release("archived").eq(0)),
        Archived::Only => all = all.add(release("archived").eq(1)),
        Archived::Both => (),
    }
    match filter.parent {
        // The words of the partial index, which a bound value would not match.
        Some(parent) => {
            all = all
                .add(release("parent").eq(big(parent.0)))
                .add(Expr::cust("parent is not null"));
        }
        None if !filter.children => all = all.add(release("parent").is_null()),
        None => (),
    }
    if let Some(from) = filter.from {
        all = all.add(release("begins_at").gte(from.as_microsecond()));
    }
    if let Some(to) = filter.to {
        all = all.add(release("begins_at").lt(to.as_microsecond()));
    }
    all
}

pub(super) fn type_text(kind: ReleaseType) -> &'static str {
    match kind {
        ReleaseType::Standard => "standard",
        ReleaseType::Hotfix => "hotfix",
        ReleaseType::Feature => "feature",
        ReleaseType::System => "system",
    }
}

/// One select with organizations and statuses as plain conditions.
fn among(
    mut way: SelectStatement,
    filter: &ReleaseFilter,
    statuses: &[ReleaseStatus],
) -> SelectStatement {
    if statuses.len() < ReleaseStatus::ALL.len() {
        way.and_where(release("status").is_in(statuses.iter().map(|status| status.as_str())));
    }
    if let Some(organizations) = &filter.organizations {
        way.and_where(release("organization").is_in(organizations.iter().map(organization_text)));
    }
    way
}

/// One select per organization and status, so that each finds its page at the end of an index
/// and none has to sort or look through what others would be interested in.
fn split(
    plain: &SelectStatement,
    filter: &ReleaseFilter,
    statuses: &[ReleaseStatus],
) -> Vec<SelectStatement> {
    let everything = statuses.len() == ReleaseStatus::ALL.len();
    if everything && filter.organizations.is_none() && filter.process.is_none() {
        return vec![plain.clone()];
    }
    let places = filter.organizations.as_ref().map_or(1, Vec::len);
    if places * statuses.len() > PARTS_MAX {
        return vec![among(plain.clone(), filter, statuses)];
    }
    let with_status = |way: &SelectStatement| -> Vec<SelectStatement> {
        let one = |status: &ReleaseStatus| {
            way.clone()
                .and_where(release("status").eq(status.as_str()))
                .to_owned()
        };
        statuses.iter().map(one).collect()
    };
    match &filter.organizations {
        None => with_status(plain),
        Some(organizations) => {
            let one = |organization: &Option<Name>| {
                let text = organization_text(organization);
                with_status(plain.clone().and_where(release("organization").eq(text)))
            };
            organizations.iter().flat_map(one).collect()
        }
    }
}

fn in_order(mut select: SelectStatement, order: ReleaseOrder) -> SelectStatement {
    match order {
        ReleaseOrder::Newest => select.order_by(("release", "id"), Order::Desc),
        ReleaseOrder::Start => select
            .order_by(("release", "begins_at"), Order::Asc)
            .order_by(("release", "id"), Order::Asc),
    };
    select
}

fn in_order_of_parts(select: &mut SelectStatement, order: ReleaseOrder) -> &mut SelectStatement {
    match order {
        ReleaseOrder::Newest => select.order_by("id", Order::Desc),
        ReleaseOrder::Start => select
            .order_by("begins_at", Order::Asc)
            .order_by("id", Order::Asc),
    }
}

/// A select with an order and a limit of its own, as part of a union.
fn part(select: SelectStatement) -> SelectStatement {
    let mut outer = Query::select();
    outer
        .column("id")
        .column("begins_at")
        .from_subquery(select, Alias::new("part"));
    outer
}

/// All parts together, in one select of ids that takes an order and a limit.
fn union(mut parts: impl Iterator<Item = SelectStatement>) -> Option<SelectStatement> {
    let mut all = parts.next()?;
    all.unions(parts.map(|part| (UnionType::All, part)));
    let mut ids = Query::select();
    ids.column("id").from_subquery(all, Alias::new("parts"));
    Some(ids)
}
