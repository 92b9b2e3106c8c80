//! What is deployed where, which commits that are, and where a commit, an image or a ticket is.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use trainmaster_api::{DeployedCommits, DeploymentView, Page, WhereView};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::trace::TraceKind;
use trainmaster_store::read::{
    DeploymentFilter, DeploymentRow, Found, LIMIT_MAX, PageRequest, StateFilter,
};

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Query, query_instant};
use crate::rows;
use crate::state::App;
use crate::views;
use crate::views::deployment::Heads;

/// Longest word that may be looked for, in bytes.
const WORD_MAX: usize = 500;
/// Shortest beginning of a commit that may be looked for.
const COMMIT_MIN: usize = 4;
/// Most words that one search answers (see the store).
const FOUND_MAX: usize = 1_000;

/// Which places.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListDeployed {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only in this environment.
    environment: Option<String>,
    /// Only of this service.
    service: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// As it was then; now if absent.
    #[param(format = DateTime)]
    at: Option<String>,
}

/// What is deployed: the newest deployment per environment and service, now or at a past instant.
#[utoipa::path(get, path = "/api/v1/deployments", tag = "deployments", params(ListDeployed),
    responses((status = 200, description = "One page", body = Page<DeploymentView>)))]
pub(crate) async fn list_deployed(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListDeployed>,
) -> ApiResult<Json<Page<DeploymentView>>> {
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor.clone())?;
    let filter = StateFilter {
        organizations: rows::organizations(&viewer, query.organization.as_deref())?,
        environment: word("environment", query.environment)?,
        service: word("service", query.service)?,
        at: query_instant("at", query.at.as_deref())?,
    };
    let found = app.store().deployed(&filter, &page).await?;
    let heads = heads(&app, &found.items).await?;
    Ok(Json(rows::shown(found, as_of, |row| {
        views::deployment::deployment(&row, &heads)
    })))
}

/// Which deployments.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListDeployments {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only to this environment.
    environment: Option<String>,
    /// Only of this service.
    service: Option<String>,
    /// Only by this release.
    release: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// Only at this time or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only before this time.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Everything that was ever deployed, the newest first.
#[utoipa::path(get, path = "/api/v1/deployments/history", tag = "deployments", params(ListDeployments),
    responses((status = 200, description = "One page", body = Page<DeploymentView>)))]
pub(crate) async fn list_deployments(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListDeployments>,
) -> ApiResult<Json<Page<DeploymentView>>> {
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor.clone())?;
    let release = query.release.as_deref().map(str::parse).transpose();
    let filter = DeploymentFilter {
        organizations: rows::organizations(&viewer, query.organization.as_deref())?,
        environment: word("environment", query.environment)?,
        service: word("service", query.service)?,
        release: release
            .map_err(|_| ApiError::invalid_query("release", "must be the id of a release"))?,
        from: query_instant("from", query.from.as_deref())?,
        to: query_instant("to", query.to.as_deref())?,
    };
    let found = app.store().list_deployments(&filter, &page).await?;
    let heads = heads(&app, &found.items).await?;
    Ok(Json(rows::shown(found, as_of, |row| {
        views::deployment::deployment(&row, &heads)
    })))
}

/// One deployment.
#[utoipa::path(get, path = "/api/v1/deployments/{id}", tag = "deployments",
    params(("id" = u64, Path, description = "The deployment's id")),
    responses((status = 200, description = "The deployment", body = DeploymentView)))]
pub(crate) async fn get_deployment(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<DeploymentView>> {
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    let row = one(&app, &viewer, id).await?;
    let heads = heads(&app, std::slice::from_ref(&row)).await?;
    Ok(Json(views::deployment::deployment(&row, &heads)))
}

/// Whose commits.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListCommits {
    /// With an environment: only of this service.
    service: Option<String>,
    /// With an environment: only of this organization; empty is the account level.
    organization: Option<String>,
    /// With an environment: as it was then.
    #[param(format = DateTime)]
    at: Option<String>,
}

/// The commits of one deployment, by its number, or of everything that is deployed to an environment, by its name:
/// those that were named when it was deployed, and those the release carries by links and inputs.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/commits", tag = "deployments",
    params(("id" = String, Path, description = "The deployment's id, or an environment"), ListCommits),
    responses((status = 200, description = "The commits", body = DeployedCommits)))]
pub(crate) async fn list_commits(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(query): Query<ListCommits>,
) -> ApiResult<Json<DeployedCommits>> {
    let as_of = app.position();
    let rows = match id.parse::<u64>() {
        Ok(id) => vec![one(&app, &viewer, id).await?],
        Err(_) => {
            let filter = StateFilter {
                organizations: rows::organizations(&viewer, query.organization.as_deref())?,
                environment: word("environment", Some(id))?,
                service: word("service", query.service)?,
                at: query_instant("at", query.at.as_deref())?,
            };
            let page = PageRequest::first(LIMIT_MAX);
            app.store().deployed(&filter, &page).await?.items
        }
    };
    let releases: Vec<ReleaseId> = rows.iter().map(|row| row.release).collect();
    let words = app.store().words_of(TraceKind::Commit, &releases).await?;
    let heads = heads(&app, &rows).await?;
    Ok(Json(DeployedCommits {
        commits: views::deployment::commits(&rows, &words),
        deployments: rows
            .iter()
            .map(|row| views::deployment::deployment(row, &heads))
            .collect(),
        as_of,
    }))
}

/// What is looked for: exactly one of them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Sought {
    /// A commit, or at least four letters of its beginning.
    commit: Option<String>,
    /// A container image, with or without tag or digest.
    image: Option<String>,
    /// An artifact.
    artifact: Option<String>,
    /// A ticket.
    ticket: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
}

/// Where a commit, an image, an artifact or a ticket is: releases that carry it, environments, since when.
#[utoipa::path(get, path = "/api/v1/where", tag = "deployments", params(Sought),
    responses((status = 200, description = "The places", body = WhereView)))]
pub(crate) async fn find(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<Sought>,
) -> ApiResult<Json<WhereView>> {
    let as_of = app.position();
    let organizations = rows::organizations(&viewer, query.organization.as_deref())?;
    let (kind, sought) = sought(query)?;
    let found = app
        .store()
        .find(kind, &sought, organizations.as_deref())
        .await?;
    let releases: BTreeSet<ReleaseId> = found.iter().map(|one| one.release).collect();
    let releases: Vec<ReleaseId> = releases.into_iter().collect();
    let own = app.store().deployments_of(&releases).await?;
    let carrying = carrying(&found, &own);
    let places: BTreeSet<_> = own
        .iter()
        .filter(|row| carrying.contains(&row.id))
        .map(views::deployment::place)
        .collect();
    let places: Vec<_> = places.into_iter().collect();
    let history = match carrying.first() {
        Some(first) => app.store().deployments_to(&places, *first).await?,
        None => Vec::new(),
    };
    let heads = app.store().heads(&releases).await?;
    Ok(Json(WhereView {
        kind: kind.as_str().to_owned(),
        sought,
        cut: found.len() >= FOUND_MAX,
        releases: views::deployment::found(&found, &carrying, &history, &heads),
        as_of,
    }))
}

/// Deployments that carry what was found: by themselves, or because their release does.
fn carrying(found: &[Found], rows: &[DeploymentRow]) -> BTreeSet<u64> {
    let whole: BTreeSet<ReleaseId> = found
        .iter()
        .filter(|one| one.deployment.is_none())
        .map(|one| one.release)
        .collect();
    let named = found.iter().filter_map(|one| one.deployment);
    let by_release = rows
        .iter()
        .filter(|row| whole.contains(&row.release))
        .map(|row| row.id);
    named.chain(by_release).collect()
}

fn sought(query: Sought) -> ApiResult<(TraceKind, String)> {
    let given = [
        (TraceKind::Commit, query.commit),
        (TraceKind::Image, query.image),
        (TraceKind::Artifact, query.artifact),
        (TraceKind::Ticket, query.ticket),
    ];
    let mut given = given
        .into_iter()
        .filter_map(|(kind, word)| Some((kind, word?.trim().to_owned())));
    let one = given.next();
    let (Some((kind, text)), None) = (one, given.next()) else {
        return Err(ApiError::invalid_query(
            "commit",
            "name one of `commit`, `image`, `artifact` and `ticket`",
        ));
    };
    let shortest = match kind {
        TraceKind::Commit => COMMIT_MIN,
        TraceKind::Image | TraceKind::Artifact | TraceKind::Ticket => 1,
    };
    if text.len() < shortest || text.len() > WORD_MAX {
        let message = format!("must have {shortest} to {WORD_MAX} letters");
        return Err(ApiError::invalid_query(kind.as_str(), message));
    }
    Ok((kind, text))
}

async fn one(app: &App, viewer: &Viewer, id: u64) -> ApiResult<DeploymentRow> {
    let row = app.store().deployment(id).await?;
    let seen = row.filter(|row| viewer.sees(row.deployment.organization.as_ref()));
    seen.ok_or_else(ApiError::not_found)
}

/// The releases of deployments in a few words.
pub(super) async fn heads(app: &App, rows: &[DeploymentRow]) -> ApiResult<Heads> {
    let releases: BTreeSet<ReleaseId> = rows.iter().map(|row| row.release).collect();
    let releases: Vec<ReleaseId> = releases.into_iter().collect();
    Ok(app.store().heads(&releases).await?)
}

/// A word of the query that is short enough to be looked for.
fn word(parameter: &str, text: Option<String>) -> ApiResult<Option<String>> {
    match text {
        Some(text) if text.is_empty() || text.len() > WORD_MAX => {
            let message = format!("must have 1 to {WORD_MAX} letters");
            Err(ApiError::invalid_query(parameter, message))
        }
        other => Ok(other),
    }
}
