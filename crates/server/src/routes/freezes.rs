//! Freezes: which hold, when they hold, and what people let through.
//!
//! Their definitions are read and written like all others.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use trainmaster_api::{
    ActiveFreezeView, FreezeWindowView, OverrideFreeze, Page, ReleaseView, RevokeOverride,
};
use trainmaster_core::command::ReleaseCommand;
use trainmaster_core::definition::{Body, Definition};
use trainmaster_core::entity::Revision;
use trainmaster_core::freeze::{Freeze, FreezeRef, FreezeScope, FreezeSpec};
use trainmaster_core::ids::{Name, ResourceKind};
use trainmaster_store::read::ResourceFilter;

use super::releases::act;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, instant, query_instant, query_name};
use crate::rows;
use crate::state::App;
use crate::views;

/// How far windows are listed if nobody says, in days.
const RANGE_DAYS: i64 = 90;
/// How far windows are listed at most, in days.
const RANGE_DAYS_MAX: i64 = 3660;

/// Which freezes.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ActiveFreezes {
    /// At this instant; now if absent.
    #[param(format = DateTime)]
    at: Option<String>,
    /// Only those that hold for releases of this organization; empty is the account level.
    organization: Option<String>,
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The freezes that hold at an instant, by name.
#[utoipa::path(get, path = "/api/v1/freezes/active", tag = "freezes", params(ActiveFreezes),
    responses((status = 200, description = "One page", body = Page<ActiveFreezeView>)))]
pub(crate) async fn list_active_freezes(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ActiveFreezes>,
) -> ApiResult<Json<Page<ActiveFreezeView>>> {
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor)?;
    let at = query_instant("at", query.at.as_deref())?.unwrap_or_else(|| app.now());
    let asked: Option<Option<Name>> = match &query.organization {
        Some(text) => Some(query_name("organization", Some(text))?),
        None => None,
    };
    let known = seen(&app, &viewer).await?.into_iter();
    let holding = known.filter_map(|(freeze, scope)| {
        let reaches = asked
            .as_ref()
            .is_none_or(|organization| freeze.reaches(organization.as_ref()));
        let window = freeze.windows.covering(at).filter(|_| reaches)?;
        Some(views::freeze::active(&freeze, &scope, window))
    });
    rows::piece(holding, &page, as_of, |freeze| freeze.freeze.clone()).map(Json)
}

/// The freezes that a viewer sees, by name, with what they hold for as it is written.
pub(super) async fn seen(app: &App, viewer: &Viewer) -> ApiResult<Vec<(Freeze, FreezeScope)>> {
    let filter = ResourceFilter {
        organizations: rows::organizations(viewer, None)?,
        ..ResourceFilter::of(ResourceKind::Freeze)
    };
    let found = match &filter.organizations {
        Some(seen) if seen.is_empty() => Vec::new(),
        _ => app.store().newest_definitions(&filter).await?,
    };
    let known = found.into_iter().filter_map(|(_, revision)| read(revision));
    Ok(known
        .map(|(at, spec)| (Freeze::new(at, &spec, app.zones()), spec.scope))
        .collect())
}

/// A freeze from its newest revision.
fn read(revision: Revision) -> Option<(FreezeRef, FreezeSpec)> {
    let at = FreezeRef::of(&revision.key)?;
    let Revision {
        key,
        description,
        labels,
        spec,
        ..
    } = revision;
    match Definition::from_stored(key, description, labels, &spec)
        .ok()?
        .body
    {
        Body::Freeze(spec) => Some((at, spec)),
        _ => None,
    }
}

/// Which windows.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListWindows {
    /// The freeze's organization; absent is the account level.
    organization: Option<String>,
    /// Only those that are not over by then; now if absent.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only those that begin before; 90 days later if absent.
    #[param(format = DateTime)]
    to: Option<String>,
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// When a freeze holds, in the order of the beginnings.
///
/// For those that do not fit ask again with `from` set to the end of the last one.
#[utoipa::path(get, path = "/api/v1/freezes/{name}/windows", tag = "freezes",
    params(("name" = String, Path, description = "The freeze's name"), ListWindows),
    responses((status = 200, description = "The windows", body = Page<FreezeWindowView>)))]
pub(crate) async fn list_freeze_windows(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(query): Query<ListWindows>,
) -> ApiResult<Json<Page<FreezeWindowView>>> {
    let as_of = app.position();
    let limit = rows::page(query.limit, None)?.limit;
    let (from, to) = range(&query, app.now())?;
    let shown = || ApiError::unknown_resource(&format!("{}/{name}", ResourceKind::Freeze));
    let freeze = FreezeRef {
        organization: query_name("organization", query.organization.as_deref())?,
        name: name.parse().map_err(|_| shown())?,
    };
    let resource = app.resource(&viewer, &freeze.key()).await?;
    let revision = app
        .store()
        .revision(&freeze.key(), resource.revision)
        .await?;
    let (at, spec) = revision.and_then(read).ok_or_else(shown)?;
    let freeze = Freeze::new(at, &spec, app.zones());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let windows = freeze.windows.between(from, to, limit);
    Ok(Json(Page {
        items: windows.into_iter().map(views::freeze::window).collect(),
        next: None,
        as_of,
    }))
}

fn range(query: &ListWindows, now: Timestamp) -> ApiResult<(Timestamp, Timestamp)> {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let from = query_instant("from", query.from.as_deref())?.unwrap_or(now);
    let later = from.checked_add(days(RANGE_DAYS)).unwrap_or(Timestamp::MAX);
    let to = query_instant("to", query.to.as_deref())?.unwrap_or(later);
    if to <= from {
        return Err(ApiError::invalid_query("to", "must come after `from`"));
    }
    if from.duration_until(to) > days(RANGE_DAYS_MAX) {
        return Err(ApiError::invalid_query(
            "to",
            format!("must lie at most {RANGE_DAYS_MAX} days after `from`"),
        ));
    }
    Ok((from, to))
}

/// Let a release start work although a freeze holds, for a while.
#[utoipa::path(post, path = "/api/v1/releases/{id}/override-freeze", tag = "freezes", request_body = OverrideFreeze,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn override_freeze(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<OverrideFreeze>,
) -> ApiResult<Response> {
    let OverrideFreeze {
        freeze,
        reason,
        expires_at,
    } = payload.body;
    let action = ReleaseCommand::OverrideFreeze {
        freeze: named(&freeze)?,
        reason,
        expires_at: instant("expiresAt", &expires_at)?,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

/// Take an override back before it expires.
#[utoipa::path(post, path = "/api/v1/releases/{id}/revoke-override", tag = "freezes", request_body = RevokeOverride,
    params(("id" = String, Path, description = "The release's id")),
    responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn revoke_override(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    payload: Payload<RevokeOverride>,
) -> ApiResult<Response> {
    let RevokeOverride { freeze, reason } = payload.body;
    let action = ReleaseCommand::RevokeOverride {
        freeze: named(&freeze)?,
        reason,
    };
    act(&app, &viewer, &id, action, payload.repeat).await
}

fn named(text: &str) -> ApiResult<FreezeRef> {
    text.parse().map_err(|_| {
        let expected = "must be the name of a freeze, such as `christmas` or `payments/christmas`";
        ApiError::invalid_field("freeze", expected)
    })
}
