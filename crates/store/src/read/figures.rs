//! What figures are computed from: releases that ended in a period, deployments since, approvals that ended.
//!
//! Nothing is judged here: rows are picked and counted, core says what they mean.

use jiff::{SignedDuration, Timestamp};
use sea_orm::QueryResult;
use sea_orm::sea_query::{
    Alias, Cond, Expr, ExprTrait as _, Func, JoinType, Order, Query, SelectStatement,
};
use trainmaster_core::figures::{DeploymentFact, Period, ReleaseFact};
use trainmaster_core::ids::{Name, ReleaseId};
use trainmaster_core::release::ReleaseType;
use trainmaster_engine::ports::StoreError;

use super::column;
use super::deployments::{instant, status};
use super::releases::{organization_text, type_text};
use crate::SqlStore;

/// Most rows of each kind that figures are computed from.
const ROWS_MAX: usize = 50_000;

/// Which releases and deployments count.
#[derive(Clone, Debug)]
pub struct FiguresFilter {
    /// What ended or was deployed in it.
    pub period: Period,
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only of the process of this name.
    pub process: Option<Name>,
    /// Only of this release group.
    pub group: Option<Name>,
    /// Only deployments to this environment; releases count only if they deployed to it.
    pub environment: Option<String>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum TooMany {
    /// There is more in the period than can be computed at once.
    #[error("there are more than {ROWS_MAX} {0} in the period")]
    Rows(&'static str),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SqlStore {
    /// Releases that ended in the period, children of others left out.
    pub async fn ended_releases(
        &self,
        filter: &FiguresFilter,
    ) -> Result<Vec<ReleaseFact>, TooMany> {
        let rows = self.bounded(ended(filter), "releases").await?;
        let facts = rows.iter().map(release_fact);
        Ok(facts.collect::<Result<_, _>>()?)
    }

    /// Deployments since the beginning of the period, oldest first: later ones tell how earlier ones went.
    pub async fn deployment_facts(
        &self,
        filter: &FiguresFilter,
    ) -> Result<Vec<DeploymentFact>, TooMany> {
        let rows = self.bounded(deployed(filter), "deployments").await?;
        let facts = rows.iter().map(deployment_fact);
        Ok(facts.collect::<Result<_, _>>()?)
    }

    /// How long approvals took that ended in the period.
    pub async fn approval_waits(
        &self,
        filter: &FiguresFilter,
    ) -> Result<Vec<SignedDuration>, TooMany> {
        let rows = self.bounded(waits(filter), "approvals").await?;
        let mut waits = Vec::with_capacity(rows.len());
        for row in &rows {
            let asked = instant(row, "asked_at")?;
            waits.push(instant(row, "ended_at")?.duration_since(asked));
        }
        Ok(waits)
    }

    async fn bounded(
        &self,
        mut select: SelectStatement,
        what: &'static str,
    ) -> Result<Vec<QueryResult>, TooMany> {
        let most = u64::try_from(ROWS_MAX).unwrap_or(u64::MAX);
        let rows = self.rows(select.limit(most + 1)).await?;
        match rows.len() > ROWS_MAX {
            true => Err(TooMany::Rows(what)),
            false => Ok(rows),
        }
    }
}

fn release(name: &'static str) -> Expr {
    Expr::col(("release", name))
}

fn within(column: Expr, period: Period) -> Cond {
    Cond::all()
        .add(column.clone().gte(period.from.as_microsecond()))
        .add(column.lt(period.to.as_microsecond()))
}

/// What holds for the release whatever is counted.
fn of_release(filter: &FiguresFilter) -> Cond {
    let mut all = Cond::all();
    if let Some(organizations) = &filter.organizations {
        let texts = organizations.iter().map(organization_text);
        all = all.add(release("organization").is_in(texts));
    }
    if let Some(process) = &filter.process {
        all = all.add(release("process").eq(process.as_str()));
    }
    if let Some(group) = &filter.group {
        all = all.add(release("group_name").eq(group.as_str()));
    }
    all
}

pub(super) fn ended(filter: &FiguresFilter) -> SelectStatement {
    let mut select = Query::select()
        .columns(
            [
                "id",
                "status",
                "start_at",
                "started_at",
                "expected_end_at",
                "ended_at",
            ]
            .map(|name| ("release", name)),
        )
        .from("release")
        .cond_where(of_release(filter))
        .cond_where(within(release("ended_at"), filter.period))
        // The words of the partial index, which a bound value would not match.
        .and_where(Expr::cust("ended = 1"))
        .and_where(release("parent").is_null())
        .to_owned();
    if let Some(environment) = &filter.environment {
        let there = Query::select()
            .column("release")
            .from("deployment")
            .and_where(Expr::col("environment").eq(environment.as_str()))
            .to_owned();
        select.and_where(release("id").in_subquery(there));
    }
    select
}

pub(super) fn deployed(filter: &FiguresFilter) -> SelectStatement {
    let deployment = |name: &'static str| Expr::col(("deployment", name));
    // The first time that any commit of the deployment was seen anywhere.
    let seen = Query::select()
        .expr(Func::min(Expr::col((Alias::new("first"), "at"))))
        .from_as("trace", Alias::new("own"))
        .join_as(
            JoinType::InnerJoin,
            "trace",
            Alias::new("first"),
            Cond::all()
                .add(
                    Expr::col((Alias::new("first"), "term"))
                        .eq(Expr::col((Alias::new("own"), "term"))),
                )
                .add(Expr::col((Alias::new("first"), "kind")).eq("commit"))
                .add(
                    Expr::col((Alias::new("first"), "organization"))
                        .eq(Expr::col((Alias::new("own"), "organization"))),
                ),
        )
        .and_where(Expr::col((Alias::new("own"), "deployment")).eq(deployment("position")))
        // The words of the partial index.
        .and_where(Expr::cust("own.deployment <> 0"))
        .and_where(Expr::col((Alias::new("own"), "kind")).eq("commit"))
        .to_owned();
    let mut select = Query::select()
        .columns(
            ["release", "organization", "service", "environment", "at"]
                .map(|name| ("deployment", name)),
        )
        .columns(["status", "type", "created_at"].map(|name| ("release", name)))
        .expr_as(Expr::from(seen), "seen_at")
        .from("deployment")
        .inner_join("release", release("id").eq(deployment("release")))
        .cond_where(of_release(filter))
        .and_where(deployment("at").gte(filter.period.from.as_microsecond()))
        .order_by(("deployment", "at"), Order::Asc)
        .order_by(("deployment", "position"), Order::Asc)
        .to_owned();
    if let Some(environment) = &filter.environment {
        select.and_where(deployment("environment").eq(environment.as_str()));
    }
    select
}

pub(super) fn waits(filter: &FiguresFilter) -> SelectStatement {
    let wait = |name: &'static str| Expr::col(("approval_wait", name));
    Query::select()
        .columns(["asked_at", "ended_at"].map(|name| ("approval_wait", name)))
        .from("approval_wait")
        .inner_join("release", release("id").eq(wait("release")))
        .cond_where(of_release(filter))
        .cond_where(within(wait("ended_at"), filter.period))
        .to_owned()
}

fn release_fact(row: &QueryResult) -> Result<ReleaseFact, StoreError> {
    let id: i64 = column(row, "id")?;
    Ok(ReleaseFact {
        id: ReleaseId(id.unsigned_abs()),
        status: status(row)?,
        start_at: optional(row, "start_at")?,
        started_at: optional(row, "started_at")?,
        expected_end_at: optional(row, "expected_end_at")?,
        ended_at: instant(row, "ended_at")?,
    })
}

fn deployment_fact(row: &QueryResult) -> Result<DeploymentFact, StoreError> {
    let release: i64 = column(row, "release")?;
    let kind: String = column(row, "type")?;
    let all = [
        ReleaseType::Standard,
        ReleaseType::Hotfix,
        ReleaseType::Feature,
        ReleaseType::System,
    ];
    let known = all.into_iter().find(|one| type_text(*one) == kind);
    Ok(DeploymentFact {
        release: ReleaseId(release.unsigned_abs()),
        organization: column(row, "organization")?,
        service: column(row, "service")?,
        environment: column(row, "environment")?,
        at: instant(row, "at")?,
        status: status(row)?,
        release_type: known
            .ok_or_else(|| StoreError::Damaged(format!("`{kind}` is not a type of release")))?,
        created_at: instant(row, "created_at")?,
        seen_at: optional(row, "seen_at")?,
    })
}

fn optional(row: &QueryResult, name: &str) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = column(row, name)?;
    let read = |micros| {
        Timestamp::from_microsecond(micros)
            .map_err(|error| StoreError::Damaged(format!("`{name}` is no instant: {error}")))
    };
    micros.map(read).transpose()
}
