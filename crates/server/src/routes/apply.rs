//! Definitions as text: apply, validate, compare, and the schemas they are checked against.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use trainmaster_api::{ApplyAnswer, ApplyItem, ApplyResult, DiffAnswer, DiffItem};
use trainmaster_core::definition::{self, Definition, Problem};
use trainmaster_core::entity::Resource;
use trainmaster_core::ids::{ResourceKey, ResourceKind};
use trainmaster_core::{Change, Command, Event, World, edit_permission};
use trainmaster_engine::Idempotency;

use crate::auth::Viewer;
use crate::diff;
use crate::error::{ApiError, ApiResult, field_error};
use crate::extract::{Path, Query, RawBody};
use crate::state::App;
use crate::views;

/// How definitions are to be applied.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Apply {
    /// `true`: say what would happen, change nothing.
    dry_run: bool,
}

/// Apply definitions; nothing is applied unless all of them hold together.
#[utoipa::path(post, path = "/api/v1/apply", tag = "definitions", params(Apply),
    request_body(content((String = "application/yaml"), (Value = "application/json")),
        description = "One or several documents"),
    responses((status = 200, description = "One result per document", body = ApplyAnswer)))]
pub(crate) async fn apply(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<Apply>,
    body: RawBody,
) -> ApiResult<Json<ApplyAnswer>> {
    let repeat = body.repeat.clone();
    let definitions = match parse(&app, body).await? {
        Ok(definitions) => definitions,
        Err(problems) => return Err(not_valid(&problems)),
    };
    for definition in &definitions {
        app.noted(&viewer, "apply", may_edit(&viewer, &definition.key))
            .await?;
    }
    let mut items = Vec::with_capacity(definitions.len());
    if query.dry_run {
        for (index, definition) in definitions.iter().enumerate() {
            items.push(foreseen(&app, index, definition).await?);
        }
        return Ok(Json(ApplyAnswer {
            items,
            dry_run: true,
            as_of: app.position(),
        }));
    }
    let mut order: Vec<(usize, Definition)> = definitions.into_iter().enumerate().collect();
    // An input set names its process, so processes come first.
    order.sort_by_key(|(index, definition)| (definition.key.kind, *index));
    let mut as_of = app.position();
    for (index, definition) in order {
        let (item, position) =
            apply_one(&app, &viewer, index, definition, None, repeat.as_ref()).await?;
        as_of = as_of.max(position);
        items.push(item);
    }
    items.sort_by_key(|item| item.index);
    Ok(Json(ApplyAnswer {
        items,
        dry_run: false,
        as_of,
    }))
}

/// Check definitions without changing anything.
#[utoipa::path(post, path = "/api/v1/validate", tag = "definitions",
    request_body(content((String = "application/yaml"), (Value = "application/json")),
        description = "One or several documents"),
    responses((status = 200, description = "What is wrong, or what applying would do", body = ApplyAnswer)))]
pub(crate) async fn validate(
    State(app): State<App>,
    viewer: Viewer,
    body: RawBody,
) -> ApiResult<Json<ApplyAnswer>> {
    let as_of = app.position();
    let text = body.bytes.clone();
    let items = match parse(&app, body).await? {
        Err(problems) => faulty(&text, &problems),
        Ok(definitions) => {
            let mut items = Vec::with_capacity(definitions.len());
            for (index, definition) in definitions.iter().enumerate() {
                items.push(seen(&app, &viewer, index, definition).await?.0);
            }
            items
        }
    };
    Ok(Json(ApplyAnswer {
        items,
        dry_run: true,
        as_of,
    }))
}

/// Compare definitions with what is stored.
#[utoipa::path(post, path = "/api/v1/diff", tag = "definitions",
    request_body(content((String = "application/yaml"), (Value = "application/json")),
        description = "One or several documents"),
    responses((status = 200, description = "One comparison per document", body = DiffAnswer)))]
pub(crate) async fn diff(
    State(app): State<App>,
    viewer: Viewer,
    body: RawBody,
) -> ApiResult<Json<DiffAnswer>> {
    let as_of = app.position();
    let text = body.bytes.clone();
    let definitions = match parse(&app, body).await? {
        Err(problems) => {
            let items = faulty(&text, &problems).into_iter();
            let items = items
                .map(|item| DiffItem {
                    item,
                    lines: Vec::new(),
                })
                .collect();
            return Ok(Json(DiffAnswer { items, as_of }));
        }
        Ok(definitions) => definitions,
    };
    let mut items = Vec::with_capacity(definitions.len());
    for (index, definition) in definitions.into_iter().enumerate() {
        let (item, resource) = seen(&app, &viewer, index, &definition).await?;
        let stored = match resource {
            Some(resource) => {
                app.store()
                    .revision(&resource.key, resource.revision)
                    .await?
            }
            None => None,
        };
        let lines = app.parse(Bytes::new(), move |_| {
            let old = stored.and_then(|revision| {
                let labels = revision.labels.clone();
                Definition::from_stored(revision.key, revision.description, labels, &revision.spec)
                    .ok()
            });
            let old = old.map(|old| old.to_yaml()).unwrap_or_default();
            diff::lines(&old, &definition.to_yaml())
        });
        items.push(DiffItem {
            item,
            lines: lines.await?,
        });
    }
    Ok(Json(DiffAnswer { items, as_of }))
}

/// The JSON Schema of a kind, for editors.
#[utoipa::path(get, path = "/api/v1/schemas/{kind}", tag = "definitions",
    params(("kind" = String, Path, description = "`Process` or `InputSet`")),
    responses((status = 200, description = "A JSON Schema", body = Value)))]
pub(crate) async fn get_schema(
    _viewer: Viewer,
    Path(kind): Path<String>,
) -> ApiResult<Json<Value>> {
    let named =
        |known: &ResourceKind| known.as_str().eq_ignore_ascii_case(&kind) || known.plural() == kind;
    let kind = ResourceKind::ALL
        .into_iter()
        .find(named)
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(definition::schema(kind)))
}

/// Reads the documents of a request; the inner error is what is wrong with them.
pub(super) async fn parse(
    app: &App,
    body: RawBody,
) -> ApiResult<Result<Vec<Definition>, Vec<Problem>>> {
    const READ: [&str; 5] = [
        "application/yaml",
        "application/x-yaml",
        "text/yaml",
        "application/json",
        "text/plain",
    ];
    if !body.media_type.is_empty() && !READ.contains(&body.media_type.as_str()) {
        let detail = "send `Content-Type: application/yaml` or `application/json`";
        return Err(ApiError::new("unsupported-media-type", detail));
    }
    let read = |text: &[u8]| -> ApiResult<Result<Vec<Definition>, Vec<Problem>>> {
        let text = std::str::from_utf8(text)
            .map_err(|_| ApiError::new("malformed-yaml", "the body is not UTF-8"))?;
        let parsed = definition::parse(text, None);
        Ok(parsed.map(|parsed| parsed.into_iter().map(|parsed| parsed.definition).collect()))
    };
    app.parse(body.bytes, read).await?
}

/// What is wrong with definitions, as a problem.
pub(super) fn not_valid(problems: &[Problem]) -> ApiError {
    let texts: Vec<String> = problems.iter().take(3).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(texts.len());
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    let detail = format!("{}{more}", texts.join("; "));
    ApiError::new("invalid-definition", detail)
        .with_errors(problems.iter().map(field_error).collect())
}

/// Problems by document; which document that is follows from the line.
fn faulty(text: &[u8], problems: &[Problem]) -> Vec<ApplyItem> {
    let text = String::from_utf8_lossy(text);
    let starts: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| *line == "---" || line.starts_with("--- "))
        .map(|(index, _)| index + 1)
        .filter(|line| *line > 1)
        .collect();
    let mut items: Vec<ApplyItem> = Vec::new();
    for problem in problems {
        let line = problem
            .place
            .as_ref()
            .map_or(0, |place| place.line as usize);
        let before = starts.iter().filter(|start| **start <= line).count();
        let index = u32::try_from(before).unwrap_or(u32::MAX);
        let shown = views::resource::problem(problem);
        match items.iter_mut().find(|item| item.index == index) {
            Some(item) => item.problems.push(shown),
            None => items.push(ApplyItem {
                index,
                kind: None,
                organization: None,
                name: None,
                result: ApplyResult::Invalid,
                revision: None,
                digest: None,
                problems: vec![shown],
            }),
        }
    }
    items.sort_by_key(|item| item.index);
    items
}

pub(super) fn may_edit(viewer: &Viewer, key: &ResourceKey) -> ApiResult<()> {
    let permission = edit_permission(key.kind);
    let organization = key.organization.as_ref();
    if viewer.may(permission, organization) {
        return Ok(());
    }
    let place = organization.map_or("at account level".to_owned(), |name| {
        format!("in organization `{name}`")
    });
    let detail = format!("you need the permission `{permission}` {place}");
    Err(ApiError::new("forbidden", detail))
}

/// What applying a definition would do, as far as this viewer may know.
async fn seen(
    app: &App,
    viewer: &Viewer,
    index: usize,
    definition: &Definition,
) -> ApiResult<(ApplyItem, Option<Resource>)> {
    let stored = match viewer.sees(definition.key.organization.as_ref()) {
        true => app.store().resource(&definition.key).await?,
        false => None,
    };
    let live = stored.filter(|resource| !resource.deleted);
    let result = match &live {
        None => ApplyResult::Created,
        Some(resource) if is_same(resource, definition) => ApplyResult::Unchanged,
        Some(_) => ApplyResult::Configured,
    };
    let revision = live.as_ref().map(|resource| resource.revision);
    Ok((item(index, definition, result, revision), live))
}

async fn foreseen(app: &App, index: usize, definition: &Definition) -> ApiResult<ApplyItem> {
    let stored = app.store().resource(&definition.key).await?;
    let live = stored.filter(|resource| !resource.deleted);
    let result = match &live {
        None => ApplyResult::Created,
        Some(resource) if is_same(resource, definition) => ApplyResult::Unchanged,
        Some(_) => ApplyResult::Configured,
    };
    Ok(item(
        index,
        definition,
        result,
        live.map(|resource| resource.revision),
    ))
}

fn is_same(resource: &Resource, definition: &Definition) -> bool {
    resource.digest == definition.digest
        && resource.description == definition.description
        && resource.labels == definition.labels
}

fn item(
    index: usize,
    definition: &Definition,
    result: ApplyResult,
    revision: Option<u32>,
) -> ApplyItem {
    ApplyItem {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        kind: Some(definition.key.kind.to_string()),
        organization: definition
            .key
            .organization
            .as_ref()
            .map(ToString::to_string),
        name: Some(definition.key.name.to_string()),
        result,
        revision,
        digest: Some(definition.digest.clone()),
        problems: Vec::new(),
    }
}

/// Applies one definition; its result is made behind the command, so that a repetition gets the same.
pub(super) async fn apply_one(
    app: &App,
    viewer: &Viewer,
    index: usize,
    definition: Definition,
    if_revision: Option<u32>,
    repeat: Option<&Idempotency>,
) -> ApiResult<(ApplyItem, u64)> {
    // Each document is a command of its own, so each has a key of its own under the request's.
    let repeat = repeat.map(|repeat| Idempotency {
        key: format!("{}#{index}", repeat.key),
        fingerprint: repeat.fingerprint.clone(),
    });
    let shown = definition.clone();
    let answer = move |world: &World, events: &[Event]| {
        let revision = world.resource(&shown.key).map(|resource| resource.revision);
        let applied = events
            .iter()
            .any(|event| matches!(event.change, Change::ResourceApplied { .. }));
        let result = match (applied, revision) {
            (false, _) => ApplyResult::Unchanged,
            (true, Some(1)) => ApplyResult::Created,
            (true, _) => ApplyResult::Configured,
        };
        serde_json::to_string(&item(index, &shown, result, revision)).unwrap_or_default()
    };
    let command = Command::ApplyResource {
        definition: Box::new(definition),
        if_revision,
    };
    let answer = app.submit(viewer, command, repeat, answer).await?;
    let item = serde_json::from_str(&answer.body).map_err(ApiError::internal)?;
    Ok((item, answer.position))
}

/// The status that goes with a result.
pub(super) fn status(result: ApplyResult) -> StatusCode {
    match result {
        ApplyResult::Created => StatusCode::CREATED,
        ApplyResult::Configured
        | ApplyResult::Unchanged
        | ApplyResult::Invalid
        | ApplyResult::Skipped => StatusCode::OK,
    }
}
