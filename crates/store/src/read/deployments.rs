//! What is deployed where, how that came about, and where a commit, an image, an artifact or a ticket is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sea_orm::QueryResult;
use sea_orm::sea_query::{Cond, Expr, ExprTrait as _, Func, Order, Query, SelectStatement};
use trainmaster_core::deployment::Deployment;
use trainmaster_core::ids::{Name, ReleaseId};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::trace::{TraceKind, TraceSource};
use trainmaster_engine::ports::StoreError;

use super::releases::organization_text;
use super::{Page, PageRequest, ReadError, column, one_more, parsed, prefix_end};
use crate::SqlStore;
use crate::commit::big;

const STATE: &str = "deployed";
const HISTORY: &str = "deployments";

/// Most words that a search for a commit, an image or a ticket answers.
const FOUND_MAX: u64 = 1_000;
/// Most places whose history is read at once.
const PLACES_MAX: usize = 200;
/// Most releases whose heads or words are read at once.
const IDS_MAX: usize = 1_000;

/// What is deployed, and where.
#[derive(Clone, Debug, Default)]
pub struct StateFilter {
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only in this environment.
    pub environment: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// As it was then; now if not given.
    pub at: Option<Timestamp>,
}

/// Which deployments; everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct DeploymentFilter {
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only to this environment.
    pub environment: Option<String>,
    /// Only of this service.
    pub service: Option<String>,
    /// Only by this release.
    pub release: Option<ReleaseId>,
    /// Only at this time or later.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
}

/// A recorded deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentRow {
    /// Position of its event in the journal; its id.
    pub id: u64,
    /// The release that brought it; it may be gone.
    pub release: ReleaseId,
    /// The activity's path.
    pub path: String,
    /// When.
    pub at: Timestamp,
    /// Through whom.
    pub by: String,
    /// What was put where.
    pub deployment: Deployment,
}

/// A word that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it names.
    pub kind: TraceKind,
    /// As it was written.
    pub value: String,
    /// The release that carries it.
    pub release: ReleaseId,
    /// The deployment that named it; none where the release itself does.
    pub deployment: Option<u64>,
    /// Where it was found.
    pub source: TraceSource,
    /// Since when.
    pub at: Timestamp,
}

/// A word of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseWord {
    /// As it was written.
    pub value: String,
    /// Where it was found.
    pub source: TraceSource,
}

/// A release in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseHead {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: String,
    /// Its process's name.
    pub process: String,
}

impl SqlStore {
    /// What is deployed: the newest deployment per environment, service and organization, in that order.
    pub async fn deployed(
        &self,
        filter: &StateFilter,
        page: &PageRequest,
    ) -> Result<Page<DeploymentRow>, ReadError> {
        let select = state(filter, page)?;
        let rows = self.rows(&select).await?;
        let items: Vec<DeploymentRow> = rows.iter().map(deployment).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), STATE, |row| {
            let deployment = &row.deployment;
            (
                deployment.environment.clone(),
                deployment.service.clone(),
                organization_text(&deployment.organization),
            )
        }))
    }

    /// Deployments that a filter lets through, newest first.
    pub async fn list_deployments(
        &self,
        filter: &DeploymentFilter,
        page: &PageRequest,
    ) -> Result<Page<DeploymentRow>, ReadError> {
        let last = page.key::<i64>(HISTORY)?.unwrap_or(i64::MAX);
        let select = history(filter, last, one_more(page.limit()));
        let rows = self.rows(&select).await?;
        let items: Vec<DeploymentRow> = rows.iter().map(deployment).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), HISTORY, |row| big(row.id)))
    }

    /// One deployment.
    pub async fn deployment(&self, id: u64) -> Result<Option<DeploymentRow>, StoreError> {
        let select = plain()
            .and_where(Expr::col("position").eq(big(id)))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.first().map(deployment).transpose()
    }

    /// Deployments of several releases, oldest first; at most 10,000.
    pub async fn deployments_of(
        &self,
        releases: &[ReleaseId],
    ) -> Result<Vec<DeploymentRow>, StoreError> {
        let ids = releases.iter().take(IDS_MAX).map(|id| big(id.0));
        let select = plain()
            .and_where(Expr::col("release").is_in(ids))
            .order_by("position", Order::Asc)
            .limit(10_000)
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.iter().map(deployment).collect()
    }

    /// Deployments to several places (environment, service and organization) since one of them, oldest first;
    /// at most 10,000 of at most 200 places.
    pub async fn deployments_to(
        &self,
        places: &[(String, String, String)],
        since: u64,
    ) -> Result<Vec<DeploymentRow>, StoreError> {
        let mut any = Cond::any();
        for (environment, service, organization) in places.iter().take(PLACES_MAX) {
            any = any.add(
                Cond::all()
                    .add(Expr::col("environment").eq(environment.as_str()))
                    .add(Expr::col("service").eq(service.as_str()))
                    .add(Expr::col("organization").eq(organization.as_str()))
                    .add(Expr::col("position").gte(big(since))),
            );
        }
        let select = plain()
            .cond_where(any)
            .order_by("position", Order::Asc)
            .limit(10_000)
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.iter().map(deployment).collect()
    }

    /// Where a word is carried, as far as these organizations see; commits and images by their beginning.
    ///
    /// At most 1,000 places are answered, the newest releases first.
    pub async fn find(
        &self,
        kind: TraceKind,
        word: &str,
        organizations: Option<&[Option<Name>]>,
    ) -> Result<Vec<Found>, StoreError> {
        let rows = self.rows(&sought(kind, word, organizations)).await?;
        rows.iter().map(found).collect()
    }

    /// Words of one kind that releases carry by their links and inputs; at most 10,000.
    pub async fn words_of(
        &self,
        kind: TraceKind,
        releases: &[ReleaseId],
    ) -> Result<BTreeMap<ReleaseId, Vec<ReleaseWord>>, StoreError> {
        let ids = releases.iter().take(IDS_MAX).map(|id| big(id.0));
        let select = Query::select()
            .columns(["release", "value", "source"])
            .from("trace")
            .and_where(Expr::col("release").is_in(ids))
            .and_where(Expr::col("deployment").eq(0))
            .and_where(Expr::col("kind").eq(kind.as_str()))
            .order_by("release", Order::Asc)
            .order_by("term", Order::Asc)
            .limit(10_000)
            .to_owned();
        let mut words: BTreeMap<ReleaseId, Vec<ReleaseWord>> = BTreeMap::new();
        for row in &self.rows(&select).await? {
            let release: i64 = column(row, "release")?;
            let word = ReleaseWord {
                value: column(row, "value")?,
                source: source(row)?,
            };
            words
                .entry(ReleaseId(release.unsigned_abs()))
                .or_default()
                .push(word);
        }
        Ok(words)
    }

    /// Releases in a few words; those that are gone are not among them.
    pub async fn heads(
        &self,
        releases: &[ReleaseId],
    ) -> Result<BTreeMap<ReleaseId, ReleaseHead>, StoreError> {
        let ids = releases.iter().take(IDS_MAX).map(|id| big(id.0));
        let select = Query::select()
            .columns(["id", "name", "status", "process"])
            .from("release")
            .and_where(Expr::col("id").is_in(ids))
            .to_owned();
        let mut heads = BTreeMap::new();
        for row in &self.rows(&select).await? {
            let id: i64 = column(row, "id")?;
            let head = ReleaseHead {
                name: column(row, "name")?,
                status: column(row, "status")?,
                process: column(row, "process")?,
            };
            heads.insert(ReleaseId(id.unsigned_abs()), head);
        }
        Ok(heads)
    }
}

const COLUMNS: [&str; 6] = ["position", "release", "path", "at", "by", "body"];

fn plain() -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from("deployment")
        .to_owned()
}

fn places(
    mut all: Cond,
    environment: Option<&String>,
    service: Option<&String>,
    organizations: Option<&[Option<Name>]>,
) -> Cond {
    if let Some(environment) = environment {
        all = all.add(Expr::col("environment").eq(environment.as_str()));
    }
    if let Some(service) = service {
        all = all.add(Expr::col("service").eq(service.as_str()));
    }
    if let Some(organizations) = organizations {
        let texts = organizations.iter().map(organization_text);
        all = all.add(Expr::col("organization").is_in(texts));
    }
    all
}

/// The newest deployment per place: now from where that is kept, at a past instant from the history.
pub(super) fn state(
    filter: &StateFilter,
    page: &PageRequest,
) -> Result<SelectStatement, ReadError> {
    let key: Option<(String, String, String)> = page.key(STATE)?;
    let mut condition = places(
        Cond::all(),
        filter.environment.as_ref(),
        filter.service.as_ref(),
        filter.organizations.as_deref(),
    );
    if let Some((environment, service, organization)) = &key {
        let here = ["environment", "service", "organization"].map(Expr::col);
        let there = [environment, service, organization].map(|text| Expr::val(text.as_str()));
        condition = condition.add(Expr::tuple(here).gt(Expr::tuple(there)));
    }
    let limit = one_more(page.limit());
    let mut newest = Query::select();
    match filter.at {
        None => newest.column("position").from("deployed"),
        Some(at) => newest
            .expr_as(Func::max(Expr::col("position")), "position")
            .from("deployment")
            .and_where(Expr::col("at").lte(at.as_microsecond()))
            .add_group_by(["environment", "service", "organization"].map(Expr::col)),
    };
    newest.cond_where(condition);
    for name in ["environment", "service", "organization"] {
        newest.order_by(name, Order::Asc);
    }
    newest.limit(limit);
    let mut select = plain();
    select.and_where(Expr::col("position").in_subquery(newest));
    for name in ["environment", "service", "organization"] {
        select.order_by(name, Order::Asc);
    }
    Ok(select)
}

/// Deployments before a position, newest first.
pub(super) fn history(filter: &DeploymentFilter, last: i64, limit: u64) -> SelectStatement {
    let mut condition = places(
        Cond::all().add(Expr::col("position").lt(last)),
        filter.environment.as_ref(),
        filter.service.as_ref(),
        filter.organizations.as_deref(),
    );
    if let Some(release) = filter.release {
        condition = condition.add(Expr::col("release").eq(big(release.0)));
    }
    if let Some(from) = filter.from {
        condition = condition.add(Expr::col("at").gte(from.as_microsecond()));
    }
    if let Some(to) = filter.to {
        condition = condition.add(Expr::col("at").lt(to.as_microsecond()));
    }
    plain()
        .cond_where(condition)
        .order_by("position", Order::Desc)
        .limit(limit)
        .to_owned()
}

/// Words that match: tickets as a whole, commits by their beginning, images with and without tag and digest.
pub(super) fn sought(
    kind: TraceKind,
    word: &str,
    organizations: Option<&[Option<Name>]>,
) -> SelectStatement {
    let term = kind.term(word);
    let column = || Expr::col("term");
    let beginning = |prefix: &str| {
        Cond::all()
            .add(column().gte(prefix))
            .add(column().lt(prefix_end(prefix)))
    };
    let matches = match kind {
        TraceKind::Commit => beginning(&term),
        TraceKind::Ticket => Cond::all().add(column().eq(term.as_str())),
        TraceKind::Image | TraceKind::Artifact => Cond::any()
            .add(column().eq(term.as_str()))
            .add(beginning(&format!("{term}:")))
            .add(beginning(&format!("{term}@"))),
    };
    let mut select = Query::select()
        .columns(["value", "release", "deployment", "source", "at", "kind"])
        .from("trace")
        .and_where(Expr::col("kind").eq(kind.as_str()))
        .cond_where(matches)
        .order_by("release", Order::Desc)
        .order_by("deployment", Order::Desc)
        .order_by("term", Order::Asc)
        .limit(FOUND_MAX)
        .to_owned();
    if let Some(organizations) = organizations {
        let texts = organizations.iter().map(organization_text);
        select.and_where(Expr::col("organization").is_in(texts));
    }
    select
}

fn deployment(row: &QueryResult) -> Result<DeploymentRow, StoreError> {
    let position: i64 = column(row, "position")?;
    let release: i64 = column(row, "release")?;
    Ok(DeploymentRow {
        id: position.unsigned_abs(),
        release: ReleaseId(release.unsigned_abs()),
        path: column(row, "path")?,
        at: instant(row, "at")?,
        by: column(row, "by")?,
        deployment: parsed(row, || format!("deployment {position}"))?,
    })
}

fn found(row: &QueryResult) -> Result<Found, StoreError> {
    let release: i64 = column(row, "release")?;
    let deployment: i64 = column(row, "deployment")?;
    let kind: String = column(row, "kind")?;
    let known = TraceKind::ALL.into_iter().find(|one| one.as_str() == kind);
    Ok(Found {
        kind: known.ok_or_else(|| StoreError::Damaged(format!("`{kind}` is traced by nobody")))?,
        value: column(row, "value")?,
        release: ReleaseId(release.unsigned_abs()),
        deployment: (deployment != 0).then_some(deployment.unsigned_abs()),
        source: source(row)?,
        at: instant(row, "at")?,
    })
}

fn source(row: &QueryResult) -> Result<TraceSource, StoreError> {
    let written: String = column(row, "source")?;
    let all = [
        TraceSource::Deployment,
        TraceSource::Link,
        TraceSource::Input,
    ];
    let known = all.into_iter().find(|one| one.as_str() == written);
    known.ok_or_else(|| StoreError::Damaged(format!("`{written}` is no source of words")))
}

/// An instant of a row.
pub(super) fn instant(row: &QueryResult, name: &str) -> Result<Timestamp, StoreError> {
    let micros: i64 = column(row, name)?;
    Timestamp::from_microsecond(micros)
        .map_err(|error| StoreError::Damaged(format!("`{name}` is no instant: {error}")))
}

/// A status of a row.
pub(super) fn status(row: &QueryResult) -> Result<ReleaseStatus, StoreError> {
    let name: String = column(row, "status")?;
    let known = ReleaseStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == name);
    known.ok_or_else(|| StoreError::Damaged(format!("`{name}` is not a status of a release")))
}
