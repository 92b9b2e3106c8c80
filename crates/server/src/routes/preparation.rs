//! What people settle round a release before, during and after its run.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use trainmaster_api::{
    Acknowledge, AddLink, AddReview, DeclareReadiness, ReleaseView, ReviewView, SetReadiness,
};
use trainmaster_core::command::ReleaseCommand;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::process::ReadinessSpec;
use trainmaster_core::release::{Link, Neighbour, Surroundings};

use super::releases::act;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, name, owners, release_id};
use crate::state::App;
use crate::views::{self, words};

/// Link a release to something in another system, before, during or after its run.
#[utoipa::path(post, path = "/api/v1/releases/{id}/links", tag = "releases", request_body = AddLink,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn add_link(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<AddLink>,
) -> ApiResult<Response> {
    let AddLink { url, title, kind } = payload.body;
    let kind = words::link_kind_asked(kind);
    let link = Link { kind, title, url };
    let action = ReleaseCommand::AddLink { link };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Which link.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Linked {
    /// The address of the link.
    #[serde(default)]
    url: String,
}

/// Take a link away.
#[utoipa::path(delete, path = "/api/v1/releases/{id}/links", tag = "releases",
    params(("id" = String, Path, description = "The release's id"), Linked),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn remove_link(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(linked): Query<Linked>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::RemoveLink { url: linked.url };
    act(&app, &viewer, &id, action, None).await
}

/// Say whether something that has to be ready before the start is so.
#[utoipa::path(post, path = "/api/v1/releases/{id}/readiness", tag = "releases", request_body = SetReadiness,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn set_readiness(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<SetReadiness>,
) -> ApiResult<Response> {
    let SetReadiness { item, ready, note } = payload.body;
    let item = name("item", &item)?;
    let action = ReleaseCommand::SetReadiness { item, ready, note };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Ask for one more thing to be ready before this release starts.
#[utoipa::path(post, path = "/api/v1/releases/{id}/readiness/items", tag = "releases",
    request_body = DeclareReadiness,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn declare_readiness(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<DeclareReadiness>,
) -> ApiResult<Response> {
    let body = payload.body;
    let item = ReadinessSpec {
        id: name("id", &body.id)?,
        name: body.name,
        description: body.description,
        required: body.required,
        owners: owners("owners", &body.owners)?,
    };
    let action = ReleaseCommand::DeclareReadiness { item };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Ask no longer for something that was added for this release.
#[utoipa::path(delete, path = "/api/v1/releases/{id}/readiness/items/{item}", tag = "releases",
    params(("id" = String, Path, description = "The release's id"),
        ("item" = String, Path, description = "The item's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn withdraw_readiness(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, item)): Path<(String, String)>,
) -> ApiResult<Response> {
    let item = name("item", &item)?;
    let action = ReleaseCommand::WithdrawReadiness { item };
    act(&app, &viewer, &id, action, None).await
}

/// Say that one knows of one's part in a release.
#[utoipa::path(post, path = "/api/v1/releases/{id}/acknowledge", tag = "releases", request_body = Acknowledge,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn acknowledge_ownership(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Acknowledge>,
) -> ApiResult<Response> {
    let note = payload.body.note;
    let action = ReleaseCommand::Acknowledge { note };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Say what one thinks of a release before it starts.
#[utoipa::path(post, path = "/api/v1/releases/{id}/reviews", tag = "releases", request_body = AddReview,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn add_review(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<AddReview>,
) -> ApiResult<Response> {
    let AddReview { approved, comment } = payload.body;
    let action = ReleaseCommand::Review { approved, comment };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// The look before the start: structure, inputs, owners, timing, readiness, and one judgement.
#[utoipa::path(get, path = "/api/v1/releases/{id}/review", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The review", body = ReviewView)))]
pub(crate) async fn get_review(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<ReviewView>> {
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let around = surroundings(&app, &viewer, id).await?;
    let now = app.now();
    let view = snapshot.ask(&viewer, |world| {
        views::preparation::review(world, id, &around, now, snapshot.as_of)
    })?;
    view.map(Json)
        .ok_or_else(|| ApiError::unknown_release(&id.to_string()))
}

/// The neighbours of a release, by their rows.
pub(super) async fn surroundings(
    app: &App,
    viewer: &Viewer,
    id: ReleaseId,
) -> ApiResult<Surroundings> {
    let snapshot = app.release(viewer, id).await?;
    let found = snapshot.ask(viewer, |world| {
        let release = world.release(id)?;
        let after: Vec<ReleaseId> = release.after.keys().copied().collect();
        Some((release.organization.clone(), after, release.status()))
    })?;
    let Some((organization, after, status)) = found else {
        return Ok(Surroundings::default());
    };
    if status.is_terminal() {
        return Ok(Surroundings::default());
    }
    let other_level = app
        .store()
        .live_release_of_other_level(organization.as_ref())
        .await?;
    let before = app.store().releases_by_id(&after).await?;
    Ok(Surroundings {
        other_level,
        predecessors: before.iter().map(Neighbour::of).collect(),
        conflicts: super::calendar::conflicts(app, viewer, id).await?,
    })
}
