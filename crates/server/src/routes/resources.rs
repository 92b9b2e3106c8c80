//! Definitions one by one: lists, content, revisions, export.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use trainmaster_api::{ApplyItem, Page, ResourceSummary, ResourceView, RevisionView};
use trainmaster_core::Command;
use trainmaster_core::definition::Definition;
use trainmaster_core::entity::Revision;
use trainmaster_core::ids::ResourceKey;
use trainmaster_store::read::ResourceFilter;

use super::apply::{apply_one, may_edit, not_valid, parse, status};
use super::releases::yaml_text;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{IfMatch, Path, Query, RawBody, kind, query_name};
use crate::layers::tagged;
use crate::rows;
use crate::state::App;
use crate::views;

/// Which definitions.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListResources {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// Only with these labels: `key=value`, separated by commas.
    label: Option<String>,
}

/// Where a definition lives.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Within {
    /// Its organization; absent is the account level.
    pub(super) organization: Option<String>,
}

/// Which revisions.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListRevisions {
    /// The definition's organization; absent is the account level.
    organization: Option<String>,
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Definitions of a kind by name.
#[utoipa::path(get, path = "/api/v1/{kind}", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"), ListResources),
    responses((status = 200, description = "One page", body = Page<ResourceSummary>)))]
pub(crate) async fn list_resources(
    State(app): State<App>,
    viewer: Viewer,
    Path(plural): Path<String>,
    Query(query): Query<ListResources>,
) -> ApiResult<Json<Page<ResourceSummary>>> {
    let as_of = app.position();
    let kind = kind(&plural)?;
    let page = rows::page(query.limit, query.cursor)?;
    let organizations = rows::organizations(&viewer, query.organization.as_deref())?;
    if organizations.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Json(Page {
            items: Vec::new(),
            next: None,
            as_of,
        }));
    }
    let filter = ResourceFilter {
        kind,
        organizations,
        labels: rows::labels(query.label.as_deref()),
    };
    let found = app.store().list_resources(&filter, &page).await?;
    Ok(Json(rows::shown(found, as_of, |resource| {
        views::resource::summary(&resource)
    })))
}

pub(super) fn key(plural: &str, name: &str, organization: Option<&str>) -> ApiResult<ResourceKey> {
    let kind = kind(plural)?;
    let organization = query_name("organization", organization)?;
    let shown = || ApiError::unknown_resource(&format!("{kind}/{name}"));
    Ok(ResourceKey {
        kind,
        organization,
        name: name.parse().map_err(|_| shown())?,
    })
}

/// One definition with its content.
#[utoipa::path(get, path = "/api/v1/{kind}/{name}", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"), Within),
    responses((status = 200, description = "The definition", body = ResourceView),
        (status = 304, description = "It is as the `If-None-Match` says")))]
pub(crate) async fn get_resource(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name)): Path<(String, String)>,
    Query(within): Query<Within>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let as_of = app.position();
    let key = key(&plural, &name, within.organization.as_deref())?;
    let resource = app.resource(&viewer, &key).await?;
    let revision = stored(&app, &key, resource.revision).await?;
    let view = views::resource::resource(&resource, revision.spec, as_of);
    Ok(tagged(&headers, &tag(resource.revision), &view))
}

fn tag(revision: u32) -> String {
    format!("\"{revision}\"")
}

pub(super) async fn stored(app: &App, key: &ResourceKey, revision: u32) -> ApiResult<Revision> {
    let found = app.store().revision(key, revision).await?;
    found.ok_or_else(|| ApiError::unknown_resource(&format!("{key}@{revision}")))
}

/// Apply one definition at its own address.
#[utoipa::path(put, path = "/api/v1/{kind}/{name}", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"), Within,
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on")),
    request_body(content((String = "application/yaml"), (serde_json::Value = "application/json")),
        description = "One document whose kind, name and organization are those of the address"),
    responses((status = 200, description = "It has a new revision, or was so already", body = ApplyItem),
        (status = 201, description = "It did not exist before", body = ApplyItem)))]
pub(crate) async fn put_resource(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name)): Path<(String, String)>,
    Query(within): Query<Within>,
    IfMatch(if_version): IfMatch,
    body: RawBody,
) -> ApiResult<Response> {
    let key = key(&plural, &name, within.organization.as_deref())?;
    app.noted(&viewer, "put_resource", may_edit(&viewer, &key))
        .await?;
    let mut definitions = parse(&app, body)
        .await?
        .map_err(|problems| not_valid(&problems))?;
    let (Some(definition), true) = (definitions.pop(), definitions.is_empty()) else {
        return Err(ApiError::new(
            "invalid-body",
            "one document is expected here",
        ));
    };
    if definition.key != key {
        let detail = format!(
            "the document is `{}`, the address is `{key}`",
            definition.key
        );
        return Err(ApiError::new("invalid-body", detail));
    }
    let (item, _) = apply_one(&app, &viewer, 0, definition, revision_of(if_version)?, None).await?;
    let tag = item
        .revision
        .and_then(|revision| HeaderValue::from_str(&tag(revision)).ok());
    let mut response = (status(item.result), Json(item)).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

fn revision_of(version: Option<u64>) -> ApiResult<Option<u32>> {
    let fits = |version| {
        u32::try_from(version)
            .map_err(|_| ApiError::new("invalid-header", "`If-Match` names no revision"))
    };
    version.map(fits).transpose()
}

/// Remove a definition; releases that pinned a revision keep it.
#[utoipa::path(delete, path = "/api/v1/{kind}/{name}", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"), Within,
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the change is based on")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete_resource(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name)): Path<(String, String)>,
    Query(within): Query<Within>,
    IfMatch(if_version): IfMatch,
) -> ApiResult<StatusCode> {
    let key = key(&plural, &name, within.organization.as_deref())?;
    app.resource(&viewer, &key).await?;
    let command = Command::DeleteResource {
        key,
        if_revision: revision_of(if_version)?,
    };
    app.submit(&viewer, command, None, |_, _| String::new())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The revisions of a definition, newest first.
#[utoipa::path(get, path = "/api/v1/{kind}/{name}/revisions", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"), ListRevisions),
    responses((status = 200, description = "One page, without content", body = Page<RevisionView>)))]
pub(crate) async fn list_revisions(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name)): Path<(String, String)>,
    Query(query): Query<ListRevisions>,
) -> ApiResult<Json<Page<RevisionView>>> {
    let as_of = app.position();
    let key = key(&plural, &name, query.organization.as_deref())?;
    let page = rows::page(query.limit, query.cursor)?;
    app.resource(&viewer, &key).await?;
    let found = app.store().list_revisions(&key, &page).await?;
    Ok(Json(rows::shown(found, as_of, |revision| {
        views::resource::revision(&revision, false)
    })))
}

/// One revision of a definition.
#[utoipa::path(get, path = "/api/v1/{kind}/{name}/revisions/{revision}", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"),
        ("revision" = u32, Path, description = "The revision, from one"), Within),
    responses((status = 200, description = "The revision", body = RevisionView)))]
pub(crate) async fn get_revision(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name, revision)): Path<(String, String, u32)>,
    Query(within): Query<Within>,
) -> ApiResult<Json<RevisionView>> {
    let key = key(&plural, &name, within.organization.as_deref())?;
    if !viewer.sees(key.organization.as_ref()) {
        return Err(ApiError::unknown_resource(&format!("{key}@{revision}")));
    }
    let revision = stored(&app, &key, revision).await?;
    Ok(Json(views::resource::revision(&revision, true)))
}

/// A definition as YAML; applied again it changes nothing.
#[utoipa::path(get, path = "/api/v1/{kind}/{name}/export", tag = "definitions",
    params(("kind" = String, Path, description = "`processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"), Within),
    responses((status = 200, description = "YAML", content_type = "application/yaml", body = String)))]
pub(crate) async fn export_resource(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name)): Path<(String, String)>,
    Query(within): Query<Within>,
) -> ApiResult<Response> {
    let key = key(&plural, &name, within.organization.as_deref())?;
    let resource = app.resource(&viewer, &key).await?;
    let Revision {
        key,
        description,
        labels,
        spec,
        ..
    } = stored(&app, &key, resource.revision).await?;
    let text = app.parse(Default::default(), move |_| {
        Definition::from_stored(key, description, labels, &spec)
            .map(|definition| definition.to_yaml())
    });
    text.await?
        .map(yaml_text)
        .map_err(|_| ApiError::internal("a stored definition cannot be read"))
}
