//! Releases: lists, views, and everything that is asked of them as a whole.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trainmaster_api::{
    AbortRelease, ActivateRelease, AddNote, CreateRelease, EditRelease, EvidenceView, ExplainView,
    GraphView, NoteView, Page, PreExecuteRelease, Reason, ReleaseSummary, ReleaseView,
    RestartRelease, TimelineView,
};
use trainmaster_core::command::{NewRelease, ReleaseChanges, ReleaseCommand};
use trainmaster_core::ids::{Owner, ReleaseId, ResourceKey};
use trainmaster_core::{Change, Command, Event, World};
use trainmaster_engine::{Answer, Idempotency};
use trainmaster_store::read::{Archived, ReleaseFilter, ReleaseOrder};

use super::preparation::surroundings;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{
    self, IfMatch, Path, Payload, Query, instant, instant_of, name, name_of, query_instant,
    query_name, release_id,
};
use crate::layers::{rendered, tagged};
use crate::rows;
use crate::state::App;
use crate::token::hex;
use crate::views::{self, words};

/// Names the position of the journal behind a change.
const POSITION: HeaderName = HeaderName::from_static("trainmaster-position");

/// Which releases.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListReleases {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// Only with one of these statuses, separated by commas.
    status: Option<String>,
    /// Only in one of these stages, separated by commas.
    stage: Option<String>,
    /// Only of these types, separated by commas.
    r#type: Option<String>,
    /// Only of this process.
    process: Option<String>,
    /// Only of this release group.
    group: Option<String>,
    /// Only with these labels: `key=value`, separated by commas.
    label: Option<String>,
    /// Only with these words in name, slug, version, labels or description.
    search: Option<String>,
    /// `true`: archived ones too; `only`: only archived ones.
    archived: Option<String>,
    /// `true`: children of other releases too.
    children: Option<bool>,
    /// Only children of this release.
    parent: Option<String>,
    /// Only those that begin then or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only those that begin earlier.
    #[param(format = DateTime)]
    to: Option<String>,
    /// `newest` (the default) or `start`.
    order: Option<String>,
}

/// Releases that a filter lets through.
#[utoipa::path(get, path = "/api/v1/releases", tag = "releases", params(ListReleases),
    responses((status = 200, description = "One page", body = Page<ReleaseSummary>)))]
pub(crate) async fn list_releases(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListReleases>,
) -> ApiResult<Json<Page<ReleaseSummary>>> {
    releases_of(&app, &viewer, query).await
}

impl ListReleases {
    /// The organization that is asked for; empty or absent is the account level.
    pub(super) fn organization(&self) -> Option<&str> {
        self.organization.as_deref().filter(|name| !name.is_empty())
    }

    /// The same, of one release group and by its start.
    pub(super) fn of_group(self, group: &ResourceKey) -> ListReleases {
        let organization = group.organization.as_ref();
        ListReleases {
            organization: Some(organization.map_or_else(String::new, ToString::to_string)),
            group: Some(group.name.to_string()),
            order: self.order.or_else(|| Some("start".to_owned())),
            ..self
        }
    }
}

/// One page of releases.
pub(super) async fn releases_of(
    app: &App,
    viewer: &Viewer,
    query: ListReleases,
) -> ApiResult<Json<Page<ReleaseSummary>>> {
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor.clone())?;
    let filter = filter(viewer, &query)?;
    if filter.organizations.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Json(Page {
            items: Vec::new(),
            next: None,
            as_of,
        }));
    }
    let now = app.now();
    let found = app.store().list_releases(&filter, &page).await?;
    Ok(Json(rows::shown(found, as_of, |release| {
        views::release::summary(&release, now)
    })))
}

fn filter(viewer: &Viewer, query: &ListReleases) -> ApiResult<ReleaseFilter> {
    let parent = query.parent.as_deref().map(str::parse).transpose();
    Ok(ReleaseFilter {
        organizations: rows::organizations(viewer, query.organization.as_deref())?,
        statuses: rows::words("status", query.status.as_deref())?,
        stages: rows::words("stage", query.stage.as_deref())?,
        types: rows::words("type", query.r#type.as_deref())?,
        process: query_name("process", query.process.as_deref())?,
        group: query_name("group", query.group.as_deref())?,
        labels: rows::labels(query.label.as_deref()),
        search: query.search.clone().unwrap_or_default(),
        archived: match query.archived.as_deref() {
            None | Some("false") => Archived::Without,
            Some("true") => Archived::Both,
            Some("only") => Archived::Only,
            Some(_) => {
                return Err(ApiError::invalid_query(
                    "archived",
                    "must be `true`, `false` or `only`",
                ));
            }
        },
        children: query.children.unwrap_or_default(),
        parent: parent
            .map_err(|_| ApiError::invalid_query("parent", "must be the id of a release"))?,
        from: query_instant("from", query.from.as_deref())?,
        to: query_instant("to", query.to.as_deref())?,
        order: match query.order.as_deref() {
            None | Some("newest") => ReleaseOrder::Newest,
            Some("start") => ReleaseOrder::Start,
            Some(_) => {
                return Err(ApiError::invalid_query(
                    "order",
                    "must be `newest` or `start`",
                ));
            }
        },
    })
}

/// Make a release: a draft, or with `finalize` or `start` one that goes on at once.
#[utoipa::path(post, path = "/api/v1/releases", tag = "releases", request_body = CreateRelease,
    responses((status = 201, description = "The release", body = ReleaseView)))]
pub(crate) async fn create_release(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<CreateRelease>,
) -> ApiResult<Response> {
    let new = new_release(payload.body)?;
    let command = Command::CreateRelease(Box::new(new));
    let (holder, now) = (viewer.holder().clone(), app.now());
    let answer = move |world: &World, events: &[Event]| {
        let created = events
            .iter()
            .find(|event| matches!(event.change, Change::ReleaseCreated(_)));
        let id = created.and_then(|event| event.release);
        let view = id.and_then(|id| {
            views::release::release(world, id, &holder, &world.surroundings(id), now, None)
        });
        serde_json::to_string(&view).unwrap_or_default()
    };
    let answer = app.submit(&viewer, command, payload.repeat, answer).await?;
    let id = serde_json::from_str::<Value>(&answer.body).ok();
    let id = id.and_then(|view| view["id"].as_str().map(str::to_owned));
    let mut response = answered(StatusCode::CREATED, answer);
    if let Some(location) =
        id.and_then(|id| HeaderValue::from_str(&format!("/api/v1/releases/{id}")).ok())
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn new_release(body: CreateRelease) -> ApiResult<NewRelease> {
    Ok(NewRelease {
        process: Some(name("process", &body.process)?),
        revision: body.revision,
        organization: name_of("organization", body.organization.as_deref())?,
        name: body.name,
        description: body
            .description
            .map(views::release::description_asked)
            .unwrap_or_default(),
        version: body.version,
        release_type: words::release_type_asked(body.release_type),
        labels: body.labels,
        context: body.context,
        inputs: body.inputs,
        input_set: name_of("inputSet", body.input_set.as_deref())?,
        start_at: instant_of("startAt", body.start_at.as_deref())?,
        expected_end_at: instant_of("expectedEndAt", body.expected_end_at.as_deref())?,
        start_mode: words::start_mode_asked(body.start_mode),
        zone: body.zone,
        manager: body
            .manager
            .as_deref()
            .map(|text| extract::owner("manager", text))
            .transpose()?,
        owners: owners_by(&body.owners)?,
        stakeholders: extract::owners("stakeholders", &body.stakeholders)?,
        links: body
            .links
            .into_iter()
            .map(views::release::link_asked)
            .collect(),
        after: after(&body.after)?,
        start: body.start,
        finalize: body.finalize,
    })
}

fn owners_by(
    by: &std::collections::BTreeMap<String, Vec<String>>,
) -> ApiResult<std::collections::BTreeMap<String, Vec<Owner>>> {
    let read = |(place, texts): (&String, &Vec<String>)| {
        Ok((
            place.clone(),
            extract::owners(&format!("owners.{place}"), texts)?,
        ))
    };
    by.iter().map(read).collect()
}

fn after(texts: &[String]) -> ApiResult<Vec<ReleaseId>> {
    let read = |text: &String| {
        text.parse().map_err(|_| {
            ApiError::invalid_field("after", format!("`{text}` is not the id of a release"))
        })
    };
    texts.iter().map(read).collect()
}

/// One release in full.
#[utoipa::path(get, path = "/api/v1/releases/{id}", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView),
        (status = 304, description = "It is as the `If-None-Match` says")))]
pub(crate) async fn get_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let id = release_id(&id)?;
    let view = view(&app, &viewer, id).await?;
    Ok(tagged(&headers, &tag(&view), &view))
}

async fn view(app: &App, viewer: &Viewer, id: ReleaseId) -> ApiResult<ReleaseView> {
    let snapshot = app.release(viewer, id).await?;
    let around = surroundings(app, viewer, id).await?;
    let (now, as_of) = (app.now(), Some(snapshot.as_of));
    let view = snapshot.ask(viewer, |world| {
        views::release::release(world, id, viewer.holder(), &around, now, as_of)
    })?;
    view.ok_or_else(|| ApiError::unknown_release(&id.to_string()))
}

/// Names the edit, for `If-Match`, and everything that is shown, for `If-None-Match`.
fn tag(view: &ReleaseView) -> String {
    let shown = ReleaseView {
        as_of: None,
        ..view.clone()
    };
    let text = serde_json::to_vec(&shown).unwrap_or_default();
    let digest = hex(&Sha256::digest(&text)[..8]);
    format!("\"{}-{digest}\"", view.edit)
}

/// Change what may still change.
#[utoipa::path(patch, path = "/api/v1/releases/{id}", tag = "releases", request_body = EditRelease,
    params(("id" = String, Path, description = "The release's id"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn edit_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    IfMatch(if_version): IfMatch,
    payload: Payload<EditRelease>,
) -> ApiResult<Response> {
    let id = release_id(&id)?;
    let changes = Box::new(changes(payload.body)?);
    let is_moved = changes.start_at.is_some() || changes.expected_end_at.is_some();
    let command = Command::EditRelease {
        release: id,
        changes,
        if_version,
    };
    let mut answer = submitted(&app, &viewer, id, command, None).await?;
    if is_moved {
        // Whoever moves a release learns at once what it collides with there.
        let mut view: ReleaseView =
            serde_json::from_str(&answer.body).map_err(ApiError::internal)?;
        let found = super::calendar::warnings(&app, &viewer, id).await?;
        view.warnings
            .retain(|known| found.iter().all(|found| found.code != known.code));
        view.warnings.extend(found);
        answer.body = serde_json::to_string(&view).map_err(ApiError::internal)?;
    }
    Ok(answered(StatusCode::OK, answer))
}

fn changes(body: EditRelease) -> ApiResult<ReleaseChanges> {
    let inner = |field: &str, asked: Option<Option<String>>| match asked {
        None => Ok(None),
        Some(text) => instant_of(field, text.as_deref()).map(Some),
    };
    Ok(ReleaseChanges {
        name: body.name,
        description: body.description.map(views::release::description_asked),
        version: body.version,
        release_type: body.release_type.map(words::release_type_asked),
        labels: body.labels,
        context: body.context,
        links: body
            .links
            .map(|links| links.into_iter().map(views::release::link_asked).collect()),
        manager: match body.manager {
            None => None,
            Some(text) => Some(
                text.map(|text| extract::owner("manager", &text))
                    .transpose()?,
            ),
        },
        owners: body.owners.as_ref().map(owners_by).transpose()?,
        stakeholders: body
            .stakeholders
            .map(|texts| extract::owners("stakeholders", &texts))
            .transpose()?,
        start_at: inner("startAt", body.start_at)?,
        expected_end_at: inner("expectedEndAt", body.expected_end_at)?,
        start_mode: body.start_mode.map(words::start_mode_asked),
        zone: body.zone,
        process: name_of("process", body.process.as_deref())?,
        revision: body.revision,
        inputs: body.inputs,
        input_set: match body.input_set {
            None => None,
            Some(text) => Some(name_of("inputSet", text.as_deref())?),
        },
        after: body.after.as_deref().map(after).transpose()?,
    })
}

/// Remove a release, where that is allowed.
#[utoipa::path(delete, path = "/api/v1/releases/{id}", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = release_id(&id)?;
    app.seen(&viewer, id).await?;
    let command = Command::Release {
        release: id,
        action: ReleaseCommand::Delete,
    };
    app.submit(&viewer, command, None, |_, _| String::new())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Check everything, pin the process, lock the inputs.
#[utoipa::path(post, path = "/api/v1/releases/{id}/finalize", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn finalize_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Nothing>,
) -> ApiResult<Response> {
    act(&app, &viewer, &id, ReleaseCommand::Finalize, payload.repeat).await
}

/// A body that asks for nothing more than the address says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Start a draft now, or a scheduled release that waits for a person.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activate", tag = "releases", request_body = ActivateRelease,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn activate_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<ActivateRelease>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::Activate {
        inputs: payload.body.inputs,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Start a scheduled release before its time.
#[utoipa::path(post, path = "/api/v1/releases/{id}/pre-execute", tag = "releases", request_body = PreExecuteRelease,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn pre_execute_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<PreExecuteRelease>,
) -> ApiResult<Response> {
    let PreExecuteRelease { inputs, purpose } = payload.body;
    act(
        &app,
        &viewer,
        &id,
        ReleaseCommand::PreExecute { inputs, purpose },
        payload.repeat,
    )
    .await
}

/// Back to Draft.
#[utoipa::path(post, path = "/api/v1/releases/{id}/cancel", tag = "releases", request_body = Reason,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn cancel_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Reason>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::Cancel {
        reason: payload.body.reason,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Start no new attempts.
#[utoipa::path(post, path = "/api/v1/releases/{id}/pause", tag = "releases", request_body = Reason,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn pause_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Reason>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::Pause {
        reason: payload.body.reason,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Go on after a pause.
#[utoipa::path(post, path = "/api/v1/releases/{id}/resume", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn resume_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Reason>,
) -> ApiResult<Response> {
    act(&app, &viewer, &id, ReleaseCommand::Resume, payload.repeat).await
}

/// Stop for good.
#[utoipa::path(post, path = "/api/v1/releases/{id}/abort", tag = "releases", request_body = AbortRelease,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn abort_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Reason>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::Abort {
        reason: payload.body.reason,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Run an aborted release again.
#[utoipa::path(post, path = "/api/v1/releases/{id}/restart", tag = "releases", request_body = RestartRelease,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn restart_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<RestartRelease>,
) -> ApiResult<Response> {
    let RestartRelease { from, at, reason } = payload.body;
    let at = at.as_deref().map(|text| instant("at", text)).transpose()?;
    let action = ReleaseCommand::Restart {
        from: words::restart_from(from),
        at,
        reason,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Put a completed release out of the way.
#[utoipa::path(post, path = "/api/v1/releases/{id}/archive", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn archive_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Reason>,
) -> ApiResult<Response> {
    act(&app, &viewer, &id, ReleaseCommand::Archive, payload.repeat).await
}

/// Put a quarantined release back into service.
#[utoipa::path(post, path = "/api/v1/releases/{id}/unquarantine", tag = "releases", request_body = Reason,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn unquarantine_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<Reason>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::Release {
        reason: payload.body.reason,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

pub(super) async fn act(
    app: &App,
    viewer: &Viewer,
    id: &str,
    action: ReleaseCommand,
    repeat: Option<Idempotency>,
) -> ApiResult<Response> {
    let release = release_id(id)?;
    carry_out(
        app,
        viewer,
        release,
        Command::Release { release, action },
        repeat,
    )
    .await
}

/// Submits a command about a release and answers the release behind it.
async fn carry_out(
    app: &App,
    viewer: &Viewer,
    id: ReleaseId,
    command: Command,
    repeat: Option<Idempotency>,
) -> ApiResult<Response> {
    let answer = submitted(app, viewer, id, command, repeat).await?;
    Ok(answered(StatusCode::OK, answer))
}

async fn submitted(
    app: &App,
    viewer: &Viewer,
    id: ReleaseId,
    command: Command,
    repeat: Option<Idempotency>,
) -> ApiResult<Answer> {
    app.seen(viewer, id).await?;
    let (holder, now) = (viewer.holder().clone(), app.now());
    let answer = move |world: &World, _: &[Event]| {
        serde_json::to_string(&views::release::release(
            world,
            id,
            &holder,
            &world.surroundings(id),
            now,
            None,
        ))
        .unwrap_or_default()
    };
    app.submit(viewer, command, repeat, answer).await
}

/// The answer to a change, as it is kept under the idempotency key.
pub(super) fn answered(status: StatusCode, answer: Answer) -> Response {
    let mut response = rendered(status, answer.body);
    response
        .headers_mut()
        .insert(POSITION, HeaderValue::from(answer.position));
    response
}

/// Notes, oldest first.
#[utoipa::path(get, path = "/api/v1/releases/{id}/notes", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The notes", body = Page<NoteView>)))]
pub(crate) async fn list_notes(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<Page<NoteView>>> {
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let items = snapshot.ask(&viewer, |world| {
        let notes = world
            .release(id)
            .map(|release| release.notes.iter().map(views::note).collect());
        notes.unwrap_or_default()
    })?;
    Ok(Json(Page {
        items,
        next: None,
        as_of: snapshot.as_of,
    }))
}

/// Write something down about a release.
#[utoipa::path(post, path = "/api/v1/releases/{id}/notes", tag = "releases", request_body = AddNote,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn add_note(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<AddNote>,
) -> ApiResult<Response> {
    let action = ReleaseCommand::AddNote {
        text: payload.body.text,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// A release as a graph.
#[utoipa::path(get, path = "/api/v1/releases/{id}/graph", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The graph", body = GraphView)))]
pub(crate) async fn get_graph(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<GraphView>> {
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let view = snapshot.ask(&viewer, |world| {
        views::release::graph(world, id, snapshot.as_of)
    })?;
    view.map(Json)
        .ok_or_else(|| ApiError::unknown_release(&id.to_string()))
}

/// Why a release is not moving: what, who or what ends it, and when.
#[utoipa::path(get, path = "/api/v1/releases/{id}/explain", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "What it waits for", body = ExplainView)))]
pub(crate) async fn explain_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<ExplainView>> {
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let now = app.now();
    let view = snapshot.ask(&viewer, |world| {
        views::release::explain(world, id, now, snapshot.as_of)
    })?;
    view.map(Json)
        .ok_or_else(|| ApiError::unknown_release(&id.to_string()))
}

/// A release over time, planned and actual.
#[utoipa::path(get, path = "/api/v1/releases/{id}/timeline", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The timeline", body = TimelineView)))]
pub(crate) async fn get_timeline(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<TimelineView>> {
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let now = app.now();
    let view = snapshot.ask(&viewer, |world| {
        views::release::timeline(world, id, now, snapshot.as_of)
    })?;
    view.map(Json)
        .ok_or_else(|| ApiError::unknown_release(&id.to_string()))
}

/// What an auditor needs of one release.
#[utoipa::path(get, path = "/api/v1/releases/{id}/evidence", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The evidence", body = EvidenceView)))]
pub(crate) async fn get_evidence(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<EvidenceView>> {
    let id = release_id(&id)?;
    let release = view(&app, &viewer, id).await?;
    let snapshot = app.release(&viewer, id).await?;
    let now = app.now();
    let holder = viewer.holder();
    let findings = super::reports::findings(&app, id).await?;
    let (activities, process_digest, record, deviations) = snapshot.ask(&viewer, |world| {
        let paths: Vec<_> = world
            .activities(id)
            .iter()
            .map(|activity| activity.path.clone())
            .collect();
        let views = paths
            .iter()
            .filter_map(|path| views::activity::activity(world, id, path, holder, now, None));
        let record = world.release(id);
        let record = record.map(|release| views::report::record(world, release, &findings));
        (
            views.collect(),
            world.plan(id).map(|plan| plan.digest.clone()),
            record.unwrap_or_default(),
            views::report::deviations(world, id, &findings),
        )
    })?;
    let journal = super::audit::of_release(&app, id).await?;
    Ok(Json(EvidenceView {
        release,
        activities,
        process_digest,
        record,
        deviations,
        journal,
    }))
}

/// A release in the written form, to be kept or to make another one like it.
#[utoipa::path(get, path = "/api/v1/releases/{id}/export", tag = "releases",
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "YAML", content_type = "application/yaml", body = String)))]
pub(crate) async fn export_release(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let view = view(&app, &viewer, release_id(&id)?).await?;
    Ok(yaml(&written(&view)))
}

/// The fields that people write; what the server found out is left out.
fn written(view: &ReleaseView) -> Value {
    let summary = &view.summary;
    let inputs = view.inputs.iter().filter(|(_, value)| {
        !matches!(
            value.origin,
            trainmaster_api::Origin::Default | trainmaster_api::Origin::InputSet
        )
    });
    let inputs: serde_json::Map<String, Value> = inputs
        .map(|(name, value)| (name.clone(), value.value.clone()))
        .collect();
    let mut spec = json!({
        "process": summary.process, "revision": summary.revision, "name": summary.name,
        "description": view.description, "version": summary.version, "type": summary.release_type,
        "inputs": inputs, "inputSet": view.input_set, "startAt": summary.start_at,
        "expectedEndAt": summary.expected_end_at, "startMode": view.start_mode, "zone": view.zone,
        "manager": summary.manager, "owners": answering(view), "stakeholders": view.stakeholders,
        "context": view.context,
        "links": view.links.iter().map(|link| json!({"kind": link.kind, "title": link.title, "url": link.url})).collect::<Vec<_>>(), "after": view.after.iter().map(|before| &before.release).collect::<Vec<_>>(),
    });
    prune(&mut spec);
    let mut metadata = json!({
        "name": summary.slug, "organization": summary.organization, "labels": summary.labels,
    });
    prune(&mut metadata);
    json!({"apiVersion": trainmaster_core::definition::API_VERSION, "kind": "Release", "metadata": metadata, "spec": spec})
}

/// Who answers for which part: the owners of the phases as they are, and of activities where they are others (checklist R-123).
fn answering(view: &ReleaseView) -> std::collections::BTreeMap<String, Vec<String>> {
    let phases = view.phases.iter();
    let owned = phases.filter(|phase| !phase.owners.is_empty());
    let mut owners: std::collections::BTreeMap<_, _> = owned
        .map(|phase| (phase.id.clone(), phase.owners.clone()))
        .collect();
    owners.extend(view.owners.clone());
    owners
}

fn prune(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| match field {
            Value::Null => false,
            Value::Array(elements) => !elements.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        });
    }
}

/// A value as YAML.
fn yaml(document: &Value) -> Response {
    yaml_text(serde_saphyr::to_string(document).unwrap_or_default())
}

/// A text that is YAML already.
pub(super) fn yaml_text(text: String) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/yaml"),
        )],
        text,
    )
        .into_response()
}
