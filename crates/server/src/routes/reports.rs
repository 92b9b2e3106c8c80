//! Reports: the record of one release, of a group, process or organization over a period, and figures.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use trainmaster_api::{DeploymentView, FiguresView, PeriodReport, ReleaseReport, ReleaseSummary};
use trainmaster_core::deviation::Findings;
use trainmaster_core::figures::{Figures, Period, figures};
use trainmaster_core::ids::ReleaseId;
use trainmaster_store::read::{
    Archived, DeploymentFilter, FiguresFilter, JournalFilter, JournalOrder, LIMIT_MAX, PageRequest,
    ReleaseFilter, ReleaseOrder, TooMany,
};

use super::deployments::heads;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{self, Path, Query, query_instant, query_name, release_id};
use crate::rows;
use crate::sheets::{self, Form};
use crate::state::App;
use crate::views;

/// How far back figures go if nobody says.
const PERIOD_DEFAULT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The longest period of a report.
const PERIOD_MAX: SignedDuration = SignedDuration::from_hours(5 * 366 * 24);
/// Most releases, and most deployments, of one report.
const ITEMS_MAX: usize = 10_000;
/// Most pages of deployments that one report looks through.
const DEPLOYMENT_PAGES_MAX: usize = 100;
/// Most pages of records that one release's report reads.
const PAGES_MAX: usize = 1_000;

/// In which form.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ReportForm {
    /// `json` (the default), `csv` or `xlsx`.
    format: Option<String>,
}

/// The report of one release: summary, timeline, approvals, inputs, activities, deviations, deployments, notes.
#[utoipa::path(get, path = "/api/v1/releases/{id}/report", tag = "reports",
    params(("id" = String, Path, description = "The release's id"), ReportForm),
    responses((status = 200, description = "The report; a file with `format=csv` or `format=xlsx`", body = ReleaseReport)))]
pub(crate) async fn release_report(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(query): Query<ReportForm>,
) -> ApiResult<Response> {
    let form = Form::asked(query.format.as_deref())?;
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let findings = findings(&app, id).await?;
    let now = app.now();
    let report = snapshot.ask(&viewer, |world| {
        views::report::release(world, id, &findings, now, snapshot.as_of)
    })?;
    let report = report.ok_or_else(|| ApiError::unknown_release(&id.to_string()))?;
    match form {
        Form::Json => Ok(Json(report).into_response()),
        form => {
            let sheets = views::report::release_sheets(&report);
            sheets::file(form, format!("release {}", report.release.slug), sheets).await
        }
    }
}

/// What a release's events tell an auditor.
pub(super) async fn findings(app: &App, release: ReleaseId) -> ApiResult<Findings> {
    let filter = JournalFilter {
        release: Some(release),
        order: JournalOrder::Oldest,
        ..JournalFilter::default()
    };
    let mut page = PageRequest::first(LIMIT_MAX);
    let mut findings = Findings::default();
    for _ in 0..PAGES_MAX {
        let found = app.store().list_journal(&filter, &page).await?;
        for record in &found.items {
            findings.take(&record.event().map_err(ApiError::internal)?);
        }
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => return Ok(findings),
        }
    }
    findings.cut = true;
    Ok(findings)
}

/// Which releases, and over which period.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Over {
    /// From then on; 30 days before `to` if absent.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before then; now if absent.
    #[param(format = DateTime)]
    to: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// Only of this process.
    process: Option<String>,
    /// Only of this release group.
    group: Option<String>,
    /// Figures: only what was deployed to this environment.
    environment: Option<String>,
    /// `json` (the default), `csv` or `xlsx`.
    format: Option<String>,
}

/// The report of a process, a group or an organization over a period; archived releases are included.
#[utoipa::path(get, path = "/api/v1/reports/releases", tag = "reports", params(Over),
    responses((status = 200, description = "The report; a file with `format=csv` or `format=xlsx`", body = PeriodReport)))]
pub(crate) async fn period_report(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<Over>,
) -> ApiResult<Response> {
    over_period(&app, &viewer, query).await
}

/// The report of a release group over a period; archived releases are included.
#[utoipa::path(get, path = "/api/v1/reports/groups/{name}", tag = "reports",
    params(("name" = String, Path, description = "The group's name"), Over),
    responses((status = 200, description = "The report; a file with `format=csv` or `format=xlsx`", body = PeriodReport)))]
pub(crate) async fn group_report(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(query): Query<Over>,
) -> ApiResult<Response> {
    extract::name("name", &name)?;
    let query = Over {
        group: Some(name),
        ..query
    };
    over_period(&app, &viewer, query).await
}

/// How well releases went over a period, each figure with its definition.
#[utoipa::path(get, path = "/api/v1/reports/metrics", tag = "reports", params(Over),
    responses((status = 200, description = "The figures; a file with `format=csv` or `format=xlsx`", body = FiguresView)))]
pub(crate) async fn metrics_report(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<Over>,
) -> ApiResult<Response> {
    let as_of = app.position();
    let form = Form::asked(query.format.as_deref())?;
    let filter = filter(&app, &viewer, &query)?;
    let found = counted(&app, &filter).await?;
    let view = views::report::figures(filter.period, &found, as_of);
    match form {
        Form::Json => Ok(Json(view).into_response()),
        form => {
            let sheets = vec![views::report::figures_sheet(&view)];
            sheets::file(form, "metrics".to_owned(), sheets).await
        }
    }
}

fn filter(app: &App, viewer: &Viewer, query: &Over) -> ApiResult<FiguresFilter> {
    Ok(FiguresFilter {
        period: period(app.now(), query)?,
        organizations: rows::organizations(viewer, query.organization.as_deref())?,
        process: query_name("process", query.process.as_deref())?,
        group: query_name("group", query.group.as_deref())?,
        environment: query.environment.clone(),
    })
}

fn period(now: Timestamp, query: &Over) -> ApiResult<Period> {
    let to = query_instant("to", query.to.as_deref())?.unwrap_or(now);
    let from = query_instant("from", query.from.as_deref())?;
    let from = match from {
        Some(from) => from,
        None => to.checked_sub(PERIOD_DEFAULT).unwrap_or(Timestamp::MIN),
    };
    let length = to.duration_since(from);
    if length <= SignedDuration::ZERO {
        return Err(ApiError::invalid_query("to", "must lie behind `from`"));
    }
    if length > PERIOD_MAX {
        let message = "the period is longer than five years";
        return Err(ApiError::invalid_query("from", message));
    }
    Ok(Period { from, to })
}

async fn counted(app: &App, filter: &FiguresFilter) -> ApiResult<Figures> {
    let store = app.store();
    let releases = store.ended_releases(filter).await.map_err(too_many)?;
    let deployments = store.deployment_facts(filter).await.map_err(too_many)?;
    let waits = store.approval_waits(filter).await.map_err(too_many)?;
    Ok(figures(filter.period, &releases, &deployments, &waits))
}

fn too_many(error: TooMany) -> ApiError {
    match error {
        TooMany::Rows(_) => {
            ApiError::invalid_query("from", format!("{error}; choose a shorter period"))
        }
        TooMany::Store(error) => error.into(),
    }
}

async fn over_period(app: &App, viewer: &Viewer, query: Over) -> ApiResult<Response> {
    let as_of = app.position();
    let form = Form::asked(query.format.as_deref())?;
    let filter = filter(app, viewer, &query)?;
    let (releases, more_releases) = releases(app, &filter).await?;
    let (deployments, more_deployments) = deployments(app, &filter, &releases).await?;
    let found = counted(app, &filter).await?;
    let report = PeriodReport {
        about: about(&query),
        from: views::instant(filter.period.from),
        to: views::instant(filter.period.to),
        releases,
        deployments,
        cut: more_releases || more_deployments,
        figures: views::report::figures(filter.period, &found, as_of),
        made_at: views::instant(app.now()),
        as_of,
    };
    match form {
        Form::Json => Ok(Json(report).into_response()),
        form => {
            let sheets = views::report::period_sheets(&report);
            sheets::file(form, report.about, sheets).await
        }
    }
}

fn about(query: &Over) -> String {
    let parts = [
        ("group", &query.group),
        ("process", &query.process),
        ("organization", &query.organization),
    ];
    let named = parts
        .into_iter()
        .filter_map(|(what, name)| Some(format!("{what} {}", name.as_deref()?)));
    let all: Vec<String> = named.collect();
    match all.is_empty() {
        true => "all releases".to_owned(),
        false => all.join(", "),
    }
}

/// Releases that begin in the period, and whether there are more than one report takes.
async fn releases(app: &App, filter: &FiguresFilter) -> ApiResult<(Vec<ReleaseSummary>, bool)> {
    let asked = ReleaseFilter {
        organizations: filter.organizations.clone(),
        process: filter.process.clone(),
        group: filter.group.clone(),
        archived: Archived::Both,
        from: Some(filter.period.from),
        to: Some(filter.period.to),
        order: ReleaseOrder::Start,
        ..ReleaseFilter::default()
    };
    let now = app.now();
    let mut page = PageRequest::first(LIMIT_MAX);
    let mut items = Vec::new();
    loop {
        let found = app.store().list_releases(&asked, &page).await?;
        let shown = found.items.iter();
        items.extend(shown.map(|release| views::release::summary(release, now)));
        match found.next {
            Some(_) if items.len() >= ITEMS_MAX => return Ok((items, true)),
            Some(next) => page.cursor = Some(next),
            None => return Ok((items, false)),
        }
    }
}

/// Deployments of the period, and whether there are more than one report takes.
async fn deployments(
    app: &App,
    filter: &FiguresFilter,
    releases: &[ReleaseSummary],
) -> ApiResult<(Vec<DeploymentView>, bool)> {
    let asked = DeploymentFilter {
        organizations: filter.organizations.clone(),
        environment: filter.environment.clone(),
        from: Some(filter.period.from),
        to: Some(filter.period.to),
        ..DeploymentFilter::default()
    };
    // A report about a process or a group tells what its own releases deployed.
    let narrow = filter.process.is_some() || filter.group.is_some();
    let known: std::collections::BTreeSet<&str> =
        releases.iter().map(|release| release.id.as_str()).collect();
    let mut page = PageRequest::first(LIMIT_MAX);
    let mut items = Vec::new();
    for _ in 0..DEPLOYMENT_PAGES_MAX {
        let found = app.store().list_deployments(&asked, &page).await?;
        let heads = heads(app, &found.items).await?;
        let views = found
            .items
            .iter()
            .map(|row| views::deployment::deployment(row, &heads))
            .filter(|view| !narrow || known.contains(view.release.as_str()));
        items.extend(views);
        match found.next {
            Some(_) if items.len() >= ITEMS_MAX => return Ok((items, true)),
            Some(next) => page.cursor = Some(next),
            None => return Ok((items, false)),
        }
    }
    Ok((items, true))
}
