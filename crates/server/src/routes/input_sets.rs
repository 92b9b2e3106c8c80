//! The Input Store: sets by process, how well they fit, clones, archive; and the form before a release.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use trainmaster_api::{
    ApplyItem, ApplyResult, CloneInputSet, InputSetView, Page, PreviewInputs, ReleaseForm,
    RevisionDiff, SpecChange,
};
use trainmaster_core::account::ACCOUNT;
use trainmaster_core::command::InputSetCommand;
use trainmaster_core::definition;
use trainmaster_core::entity::{Entity, Resource};
use trainmaster_core::form::FormAsked;
use trainmaster_core::ids::{Name, ResourceKey, ResourceKind};
use trainmaster_core::input_set::InputSetSpec;
use trainmaster_core::plan::Plan;
use trainmaster_core::{Change, Command, Event, World};
use trainmaster_store::read::{InputSetFilter, PageRequest};

use super::releases::answered;
use super::resources::{Within, key, stored};
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, name, name_of, query_name};
use crate::rows;
use crate::state::App;
use crate::views;

/// How many sets a form offers.
const OFFERED_MAX: u64 = 100;

/// Which input sets.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListInputSets {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only of this organization; empty is the account level.
    organization: Option<String>,
    /// Only with these labels: `key=value`, separated by commas.
    label: Option<String>,
    /// Only of this process.
    process: Option<String>,
    /// Only templates, or only others.
    template: Option<bool>,
    /// `true`: archived ones too; `only`: only archived ones.
    archived: Option<String>,
}

/// Input sets by name, each with how well it fits the newest revision of its process.
#[utoipa::path(get, path = "/api/v1/input-sets", tag = "definitions", params(ListInputSets),
    responses((status = 200, description = "One page", body = Page<InputSetView>)))]
pub(crate) async fn list_input_sets(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListInputSets>,
) -> ApiResult<Json<Page<InputSetView>>> {
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor.clone())?;
    let organizations = rows::organizations(&viewer, query.organization.as_deref())?;
    if organizations.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Json(Page {
            items: Vec::new(),
            next: None,
            as_of,
        }));
    }
    let filter = InputSetFilter {
        organizations,
        labels: rows::labels(query.label.as_deref()),
        process: query_name("process", query.process.as_deref())?,
        template: query.template,
        archived: match query.archived.as_deref() {
            None | Some("false") => Some(false),
            Some("true") => None,
            Some("only") => Some(true),
            Some(_) => {
                let why = "must be `true`, `false` or `only`";
                return Err(ApiError::invalid_query("archived", why));
            }
        },
    };
    let (items, next) = shown(&app, &filter, &page).await?;
    Ok(Json(Page { items, next, as_of }))
}

async fn shown(
    app: &App,
    filter: &InputSetFilter,
    page: &PageRequest,
) -> ApiResult<(Vec<InputSetView>, Option<String>)> {
    let found = app.store().list_input_sets(filter, page).await?;
    let mut plans = Plans::default();
    let mut items = Vec::with_capacity(found.items.len());
    for (resource, spec) in found.items {
        let process = plans.of(app, &resource, &spec.process).await?;
        items.push(views::preparation::input_set(
            &resource,
            spec,
            process.as_deref(),
        ));
    }
    Ok((items, found.next))
}

/// Compiled processes that several sets of one list belong to.
#[derive(Default)]
struct Plans(BTreeMap<(Option<Name>, Name), Option<Arc<Plan>>>);

impl Plans {
    async fn of(
        &mut self,
        app: &App,
        set: &Resource,
        process: &Name,
    ) -> ApiResult<Option<Arc<Plan>>> {
        let place = (set.key.organization.clone(), process.clone());
        if let Some(known) = self.0.get(&place) {
            return Ok(known.clone());
        }
        let plan = newest_plan(app, place.0.as_ref(), process).await?;
        self.0.insert(place, plan.clone());
        Ok(plan)
    }
}

/// The newest revision of the process that a name means there.
async fn newest_plan(
    app: &App,
    place: Option<&Name>,
    process: &Name,
) -> ApiResult<Option<Arc<Plan>>> {
    for organization in [place.cloned(), None] {
        let key = ResourceKey {
            kind: ResourceKind::Process,
            organization,
            name: process.clone(),
        };
        let Some(resource) = app.store().resource(&key).await? else {
            continue;
        };
        if resource.deleted {
            continue;
        }
        let revision = stored(app, &key, resource.revision).await?;
        return Ok(views::plan::compiled(&revision));
    }
    Ok(None)
}

fn set_key(name: &str, within: &Within) -> ApiResult<ResourceKey> {
    key(
        ResourceKind::InputSet.plural(),
        name,
        within.organization.as_deref(),
    )
}

/// How well one input set fits the newest revision of its process.
#[utoipa::path(get, path = "/api/v1/input-sets/{name}/completeness", tag = "definitions",
    params(("name" = String, Path, description = "The set's name"), Within),
    responses((status = 200, description = "The set with what is missing and what does not fit", body = InputSetView)))]
pub(crate) async fn get_completeness(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(within): Query<Within>,
) -> ApiResult<Json<InputSetView>> {
    let key = set_key(&name, &within)?;
    let resource = app.resource(&viewer, &key).await?;
    let revision = stored(&app, &key, resource.revision).await?;
    let spec: InputSetSpec = serde_json::from_value(revision.spec).map_err(ApiError::internal)?;
    let process = newest_plan(&app, key.organization.as_ref(), &spec.process).await?;
    Ok(Json(views::preparation::input_set(
        &resource,
        spec,
        process.as_deref(),
    )))
}

/// Make another input set from this one, with some values changed.
#[utoipa::path(post, path = "/api/v1/input-sets/{name}/clone", tag = "definitions",
    params(("name" = String, Path, description = "The name of the set or template to clone"), Within),
    request_body = CloneInputSet,
    responses((status = 201, description = "The new set", body = ApplyItem)))]
pub(crate) async fn clone_input_set(
    State(app): State<App>,
    viewer: Viewer,
    Path(from): Path<String>,
    Query(within): Query<Within>,
    payload: Payload<CloneInputSet>,
) -> ApiResult<Response> {
    let key = set_key(&from, &within)?;
    let body = payload.body;
    let organization = match body.organization.as_deref() {
        None => key.organization.clone(),
        Some("") => None,
        organization => name_of("organization", organization)?,
    };
    let action = InputSetCommand::Clone {
        to: name("name", &body.name)?,
        organization,
        values: body.values,
        description: body.description,
    };
    let answer = change(&app, &viewer, key, action, payload.repeat).await?;
    Ok(answered(StatusCode::CREATED, answer))
}

/// Put an input set out of the way; it stays readable and is chosen for no new release.
#[utoipa::path(post, path = "/api/v1/input-sets/{name}/archive", tag = "definitions",
    params(("name" = String, Path, description = "The set's name"), Within),
    responses((status = 200, description = "What became of it", body = ApplyItem)))]
pub(crate) async fn archive_input_set(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(within): Query<Within>,
    payload: Payload<super::releases::Nothing>,
) -> ApiResult<Response> {
    let key = set_key(&name, &within)?;
    let answer = change(&app, &viewer, key, InputSetCommand::Archive, payload.repeat).await?;
    Ok(answered(StatusCode::OK, answer))
}

/// Bring an archived input set back.
#[utoipa::path(post, path = "/api/v1/input-sets/{name}/unarchive", tag = "definitions",
    params(("name" = String, Path, description = "The set's name"), Within),
    responses((status = 200, description = "What became of it", body = ApplyItem)))]
pub(crate) async fn unarchive_input_set(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(within): Query<Within>,
    payload: Payload<super::releases::Nothing>,
) -> ApiResult<Response> {
    let key = set_key(&name, &within)?;
    let answer = change(
        &app,
        &viewer,
        key,
        InputSetCommand::Unarchive,
        payload.repeat,
    )
    .await?;
    Ok(answered(StatusCode::OK, answer))
}

async fn change(
    app: &App,
    viewer: &Viewer,
    key: ResourceKey,
    action: InputSetCommand,
    repeat: Option<trainmaster_engine::Idempotency>,
) -> ApiResult<trainmaster_engine::Answer> {
    let own = key.clone();
    let answer = move |world: &World, events: &[Event]| {
        let applied = events.iter().find_map(|event| match &event.change {
            Change::ResourceApplied { key, .. } => Some(key),
            _ => None,
        });
        let known = world.resource(applied.unwrap_or(&own));
        let result = match (applied, known.map(|known| known.revision)) {
            (None, _) => ApplyResult::Unchanged,
            (Some(_), Some(1)) => ApplyResult::Created,
            (Some(_), _) => ApplyResult::Configured,
        };
        let key = applied.unwrap_or(&own);
        let item = ApplyItem {
            index: 0,
            kind: Some(key.kind.to_string()),
            organization: key.organization.as_ref().map(ToString::to_string),
            name: Some(key.name.to_string()),
            result,
            revision: known.map(|known| known.revision),
            digest: known.map(|known| known.digest.clone()),
            problems: Vec::new(),
        };
        serde_json::to_string(&item).unwrap_or_default()
    };
    let command = Command::InputSet { key, action };
    app.submit(viewer, command, repeat, answer).await
}

/// Which revisions are compared.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Compared {
    /// The definition's organization; absent is the account level.
    #[serde(default)]
    organization: Option<String>,
    /// The older revision; absent is the one before `to`.
    #[serde(default)]
    from: Option<u32>,
    /// The newer revision; absent is the newest.
    #[serde(default)]
    to: Option<u32>,
}

/// How two revisions of a definition differ, field by field.
#[utoipa::path(get, path = "/api/v1/{kind}/{name}/diff", tag = "definitions",
    params(("kind" = String, Path, description = "A kind, for example `processes` or `input-sets`"),
        ("name" = String, Path, description = "The definition's name"), Compared),
    responses((status = 200, description = "The differences", body = RevisionDiff)))]
pub(crate) async fn diff_revisions(
    State(app): State<App>,
    viewer: Viewer,
    Path((plural, name)): Path<(String, String)>,
    Query(compared): Query<Compared>,
) -> ApiResult<Json<RevisionDiff>> {
    let key = key(&plural, &name, compared.organization.as_deref())?;
    let resource = app.resource(&viewer, &key).await?;
    let to = compared.to.unwrap_or(resource.revision);
    let from = compared.from.unwrap_or(to.saturating_sub(1).max(1));
    let (old, new) = (
        stored(&app, &key, from).await?,
        stored(&app, &key, to).await?,
    );
    let changes = definition::diff(&old.spec, &new.spec).into_iter();
    let changes = changes.map(|change| SpecChange {
        path: change.path,
        old: change.old,
        new: change.new,
    });
    Ok(Json(RevisionDiff {
        from,
        to,
        changes: changes.collect(),
    }))
}

/// What a release of a process would be asked: every input with the value it would have, where that comes from,
/// whether it must be given, what it controls, and the sets that could fill it.
#[utoipa::path(post, path = "/api/v1/processes/{name}/inputs/preview", tag = "definitions",
    params(("name" = String, Path, description = "The process's name")),
    request_body = PreviewInputs,
    responses((status = 200, description = "The form", body = ReleaseForm)))]
pub(crate) async fn preview_inputs(
    State(app): State<App>,
    viewer: Viewer,
    Path(process): Path<String>,
    payload: Payload<PreviewInputs>,
) -> ApiResult<Json<ReleaseForm>> {
    let body = payload.body;
    let process = name("process", &process)?;
    let asked = FormAsked {
        process: process.clone(),
        organization: name_of("organization", body.organization.as_deref())?,
        revision: body.revision,
        input_set: name_of("inputSet", body.input_set.as_deref())?,
        inputs: body.inputs,
    };
    if !viewer.sees(asked.organization.as_ref()) {
        return Err(ApiError::unknown_resource(&format!("Process/{process}")));
    }
    let world = world_of(&app, &viewer, &asked).await?;
    let form = world.input_form(&asked).map_err(ApiError::from)?;
    let places = [asked.organization.clone(), None];
    let filter = InputSetFilter {
        organizations: Some(places.into_iter().collect()),
        process: Some(process),
        archived: Some(false),
        ..Default::default()
    };
    let (input_sets, _) = shown(&app, &filter, &PageRequest::first(OFFERED_MAX)).await?;
    Ok(Json(ReleaseForm {
        input_sets,
        ..views::preparation::form(&form)
    }))
}

/// A small world in which a form can be made: process, set, and what references are compared with.
async fn world_of(app: &App, viewer: &Viewer, asked: &FormAsked) -> ApiResult<World> {
    let mut entities: Vec<Entity> = Vec::new();
    let account: Name = ACCOUNT.parse().map_err(ApiError::internal)?;
    let sets = asked
        .input_set
        .iter()
        .map(|set| (ResourceKind::InputSet, set, None));
    let wanted = sets.chain([
        (ResourceKind::Process, &asked.process, asked.revision),
        (ResourceKind::Account, &account, None),
    ]);
    for (kind, name, revision) in wanted {
        for organization in [asked.organization.clone(), None] {
            let key = ResourceKey {
                kind,
                organization,
                name: name.clone(),
            };
            entities.extend(rows::newest(app.store(), &key, true, revision).await?);
        }
    }
    let zones = app.zones().clone();
    let built = tokio::task::spawn_blocking(move || World::from_entities(zones, entities)).await;
    let mut world = built
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)?;
    world.judge_by(viewer.policy().clone());
    Ok(world)
}
