//! Release groups: what they will make, and what they have made.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use trainmaster_api::{ClockChange, GroupPreview, Page, PlannedRelease, ReleaseSummary};
use trainmaster_core::calendar::recurrence;
use trainmaster_core::definition::{Body, Definition};
use trainmaster_core::entity::Entity;
use trainmaster_core::group::{Group, GroupState, Upcoming};
use trainmaster_core::ids::{ResourceKey, ResourceKind};

use super::releases::{ListReleases, releases_of};
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Query, query_instant, query_name};
use crate::state::App;
use crate::views::instant;

/// Most planned instants of one answer.
const COUNT_MAX: u64 = 366;

/// How many planned releases, from when.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct Preview {
    /// The group's organization; absent is the account level.
    organization: Option<String>,
    /// How many, 1 to 366; 10 if absent.
    #[param(minimum = 1, maximum = 366)]
    count: Option<u64>,
    /// Only those that start after this instant; now if absent.
    #[param(format = DateTime)]
    from: Option<String>,
}

fn key(name: &str, organization: Option<&str>) -> ApiResult<ResourceKey> {
    let kind = ResourceKind::ReleaseGroup;
    Ok(ResourceKey {
        kind,
        organization: query_name("organization", organization)?,
        name: name
            .parse()
            .map_err(|_| ApiError::unknown_resource(&format!("{kind}/{name}")))?,
    })
}

/// The next releases of a group, before they exist too.
#[utoipa::path(get, path = "/api/v1/release-groups/{name}/preview", tag = "release-groups",
    params(("name" = String, Path, description = "The group's name"), Preview),
    responses((status = 200, description = "What the group plans", body = GroupPreview)))]
pub(crate) async fn preview_group(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(query): Query<Preview>,
) -> ApiResult<Json<GroupPreview>> {
    let as_of = app.position();
    let key = key(&name, query.organization.as_deref())?;
    let count = query.count.unwrap_or(10);
    if !(1..=COUNT_MAX).contains(&count) {
        let message = format!("must lie between 1 and {COUNT_MAX}");
        return Err(ApiError::invalid_query("count", &message));
    }
    let from = query_instant("from", query.from.as_deref())?.unwrap_or_else(|| app.now());
    app.resource(&viewer, &key).await?;
    let rows = app.store().group_rows(&key).await?;
    let (mut spec, mut state) = (None, None);
    for row in rows {
        match row {
            Entity::Revision(revision) => spec = Some(revision),
            Entity::Group(found) => state = Some(*found),
            _ => (),
        }
    }
    let revision = spec.ok_or_else(|| ApiError::unknown_resource(&key.to_string()))?;
    let zones = app.zones().clone();
    let read = app.parse(Default::default(), move |_| {
        let key = revision.key.clone();
        let (description, labels) = (revision.description, revision.labels);
        let definition = Definition::from_stored(revision.key, description, labels, &revision.spec);
        let Ok(Body::ReleaseGroup(group)) = definition.map(|definition| definition.body) else {
            return None;
        };
        let upcoming = group.upcoming(&key, &zones, from, count as usize);
        Some((group, upcoming))
    });
    let (group, upcoming) = read
        .await?
        .ok_or_else(|| ApiError::internal("a stored group cannot be read"))?;
    let last = upcoming.last().map_or(from, |last| last.at);
    let made = app.store().planned_releases(&key, from, last).await?;
    let planned = upcoming.iter().map(|upcoming| {
        let release = made.iter().find(|(at, _)| *at == upcoming.at);
        planned(
            upcoming,
            release.map(|(_, id)| id.to_string()),
            state.as_ref(),
        )
    });
    Ok(Json(view(&key, &group, planned.collect(), as_of)))
}

fn view(key: &ResourceKey, group: &Group, items: Vec<PlannedRelease>, as_of: u64) -> GroupPreview {
    GroupPreview {
        name: key.name.to_string(),
        organization: key.organization.as_ref().map(ToString::to_string),
        process: group.spec.process.to_string(),
        rule: group.rule.to_string(),
        zone: group.spec.zone.clone(),
        paused: group.spec.paused,
        items,
        as_of,
    }
}

fn planned(
    upcoming: &Upcoming,
    release: Option<String>,
    state: Option<&GroupState>,
) -> PlannedRelease {
    let had_one = state.is_some_and(|state| state.taken.contains_key(&upcoming.at));
    PlannedRelease {
        number: upcoming.number,
        name: upcoming.name.clone(),
        date: upcoming.date.to_string(),
        start_at: instant(upcoming.at),
        local_time: local(upcoming.at, upcoming.offset),
        clock: match upcoming.clock {
            recurrence::ClockChange::None => ClockChange::None,
            recurrence::ClockChange::Gap => ClockChange::Gap,
            recurrence::ClockChange::Fold => ClockChange::Fold,
        },
        expected_end_at: instant(upcoming.expected_end_at),
        withdrawn: release.is_none() && had_one,
        release,
    }
}

/// The wall-clock time with its offset: `2026-11-26T14:00:00+01:00`.
fn local(at: Timestamp, offset: jiff::tz::Offset) -> String {
    at.display_with_offset(offset).to_string()
}

/// The releases of a group, in the order of their start.
#[utoipa::path(get, path = "/api/v1/release-groups/{name}/releases", tag = "release-groups",
    params(("name" = String, Path, description = "The group's name"), ListReleases),
    responses((status = 200, description = "One page", body = Page<ReleaseSummary>)))]
pub(crate) async fn list_group_releases(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(query): Query<ListReleases>,
) -> ApiResult<Json<Page<ReleaseSummary>>> {
    let key = key(&name, query.organization())?;
    app.resource(&viewer, &key).await?;
    releases_of(&app, &viewer, query.of_group(&key)).await
}
