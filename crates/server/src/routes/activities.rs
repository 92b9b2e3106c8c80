//! Activities: lists, views, and everything that people decide about one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use trainmaster_api::{
    ActivitySummary, ActivityView, Decide, GiveReason, IgnoreActivity, Page, RetryActivity,
    SubmitInput, UpdateTask,
};
use trainmaster_core::command::{ActivityCommand, Decision};
use trainmaster_core::{Command, Event, World};
use trainmaster_engine::Idempotency;

use super::releases::answered;
use crate::auth::Viewer;
use crate::error::ApiResult;
use crate::extract::{
    Path, Payload, Query, activity_path, name, name_of, release_id, unknown_activity,
};
use crate::rows;
use crate::state::App;
use crate::views::{self, words};

/// Which activities.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListActivities {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only with one of these statuses, separated by commas.
    status: Option<String>,
    /// Only of this phase.
    phase: Option<String>,
}

/// The activities of a release in the order of the plan, items of a `forEach` included.
#[utoipa::path(get, path = "/api/v1/releases/{id}/activities", tag = "activities",
    params(("id" = String, Path, description = "The release's id"), ListActivities),
    responses((status = 200, description = "One page", body = Page<ActivitySummary>)))]
pub(crate) async fn list_activities(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(query): Query<ListActivities>,
) -> ApiResult<Json<Page<ActivitySummary>>> {
    let id = release_id(&id)?;
    let page = rows::page(query.limit, query.cursor)?;
    let statuses: Vec<trainmaster_api::ActivityStatus> =
        rows::words("status", query.status.as_deref())?;
    let snapshot = app.release(&viewer, id).await?;
    let all = snapshot.ask(&viewer, |world| views::activity::summaries(world, id))?;
    let wanted = all.into_iter().filter(|activity| {
        (statuses.is_empty() || statuses.contains(&activity.status))
            && query
                .phase
                .as_ref()
                .is_none_or(|phase| *phase == activity.phase)
    });
    rows::piece(wanted, &page, snapshot.as_of, |activity| {
        activity.path.clone()
    })
    .map(Json)
}

/// One activity in full: attempts with inputs and their origin, outputs, decisions, tasks.
#[utoipa::path(get, path = "/api/v1/releases/{id}/activities/{phase}/{activity}", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn get_activity(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, phase, activity)): Path<(String, String, String)>,
) -> ApiResult<Json<ActivityView>> {
    let id = release_id(&id)?;
    let snapshot = app.release(&viewer, id).await?;
    let path = activity_path(id, &phase, &activity)?;
    let (now, as_of) = (app.now(), Some(snapshot.as_of));
    let holder = viewer.holder();
    let view = snapshot.ask(&viewer, |world| {
        views::activity::activity(world, id, &path, holder, now, as_of)
    })?;
    view.map(Json)
        .ok_or_else(|| unknown_activity(id, &phase, &activity))
}

/// Where an activity is, from the address.
type Place = Path<(String, String, String)>;

/// Try again: plain, with changed inputs, or by another process.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/retry", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    request_body = RetryActivity,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn retry_activity(
    State(app): State<App>,
    viewer: Viewer,
    place: Place,
    payload: Payload<RetryActivity>,
) -> ApiResult<Response> {
    let RetryActivity {
        reason,
        inputs,
        remedy,
        save_to,
    } = payload.body;
    let remedy = name_of("remedy", remedy.as_deref())?;
    let save_to = name_of("saveTo", save_to.as_deref())?;
    let action = ActivityCommand::Retry {
        inputs,
        remedy,
        save_to,
        reason,
    };
    act(&app, &viewer, place, action, payload.repeat).await
}

/// Go on as if it had succeeded.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/ignore", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    request_body = IgnoreActivity,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn ignore_activity(
    State(app): State<App>,
    viewer: Viewer,
    place: Place,
    payload: Payload<IgnoreActivity>,
) -> ApiResult<Response> {
    let IgnoreActivity { reason, outputs } = payload.body;
    act(
        &app,
        &viewer,
        place,
        ActivityCommand::Ignore { outputs, reason },
        payload.repeat,
    )
    .await
}

/// Give it up.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/fail", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    request_body = GiveReason,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn fail_activity(
    State(app): State<App>,
    viewer: Viewer,
    place: Place,
    payload: Payload<GiveReason>,
) -> ApiResult<Response> {
    let action = ActivityCommand::Fail {
        reason: payload.body.reason,
    };
    act(&app, &viewer, place, action, payload.repeat).await
}

/// Approve what is shown.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/approve", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    request_body = Decide,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn approve_activity(
    State(app): State<App>,
    viewer: Viewer,
    place: Place,
    payload: Payload<Decide>,
) -> ApiResult<Response> {
    act(
        &app,
        &viewer,
        place,
        decide(Decision::Approve, payload.body),
        payload.repeat,
    )
    .await
}

/// Reject what is shown.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/reject", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    request_body = Decide,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn reject_activity(
    State(app): State<App>,
    viewer: Viewer,
    place: Place,
    payload: Payload<Decide>,
) -> ApiResult<Response> {
    act(
        &app,
        &viewer,
        place,
        decide(Decision::Reject, payload.body),
        payload.repeat,
    )
    .await
}

fn decide(decision: Decision, body: Decide) -> ActivityCommand {
    ActivityCommand::Decide {
        decision,
        comment: body.comment,
        digest: body.digest,
    }
}

/// Answer an `input`.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/submit", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item")),
    request_body = SubmitInput,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn submit_input(
    State(app): State<App>,
    viewer: Viewer,
    place: Place,
    payload: Payload<SubmitInput>,
) -> ApiResult<Response> {
    let action = ActivityCommand::Submit {
        values: payload.body.values,
    };
    act(&app, &viewer, place, action, payload.repeat).await
}

/// Move a task of a checklist on.
#[utoipa::path(post, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/tasks/{task}", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item"),
        ("task" = String, Path, description = "The task's id")),
    request_body = UpdateTask,
    responses((status = 200, description = "The activity", body = ActivityView)))]
pub(crate) async fn update_task(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, phase, activity, task)): Path<(String, String, String, String)>,
    payload: Payload<UpdateTask>,
) -> ApiResult<Response> {
    let UpdateTask {
        status,
        comment,
        evidence,
    } = payload.body;
    let action = ActivityCommand::UpdateTask {
        task: name("task", &task)?,
        status: words::task_status_asked(status),
        comment,
        evidence,
    };
    act(
        &app,
        &viewer,
        Path((id, phase, activity)),
        action,
        payload.repeat,
    )
    .await
}

async fn act(
    app: &App,
    viewer: &Viewer,
    Path((id, phase, activity)): Place,
    action: ActivityCommand,
    repeat: Option<Idempotency>,
) -> ApiResult<Response> {
    let release = release_id(&id)?;
    app.seen(viewer, release).await?;
    let path = activity_path(release, &phase, &activity)?;
    let command = Command::Activity {
        release,
        path: path.clone(),
        action,
    };
    let (holder, now) = (viewer.holder().clone(), app.now());
    let answer = move |world: &World, _: &[Event]| {
        let view = views::activity::activity(world, release, &path, &holder, now, None);
        serde_json::to_string(&view).unwrap_or_default()
    };
    Ok(answered(
        StatusCode::OK,
        app.submit(viewer, command, repeat, answer).await?,
    ))
}
