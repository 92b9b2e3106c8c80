//! What went out: the log of deliveries, sending one again, trying a rule out.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use trainmaster_api::{self as api, DeliveryView, Page, RuleTest};
use trainmaster_core::access::Permission;
use trainmaster_core::definition::{Body, Definition};
use trainmaster_core::entity::Revision;
use trainmaster_core::ids::{ResourceKey, ResourceKind};
use trainmaster_engine::outlet::{Destination, Parcel};
use trainmaster_store::outlets::{Delivery, DeliveryStatus};
use trainmaster_store::read::DeliveryFilter;

use super::resources::Within;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Query, query_name};
use crate::outlets::Dispatcher;
use crate::rows;
use crate::state::App;
use crate::views::instant_us;

/// Which deliveries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct DeliveryQuery {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only of rules of this organization; empty is the account level.
    organization: Option<String>,
    /// Only of this rule.
    rule: Option<String>,
    /// Only those that stand so.
    #[param(inline)]
    status: Option<api::DeliveryStatus>,
}

/// What went out and what is to go out, by the newest events first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "notifications", params(DeliveryQuery),
    responses((status = 200, description = "One page", body = Page<DeliveryView>)))]
pub(crate) async fn list_deliveries(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<DeliveryQuery>,
) -> ApiResult<Json<Page<DeliveryView>>> {
    viewer.needs(Permission::NotificationEdit)?;
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor)?;
    let filter = DeliveryFilter {
        organizations: rows::organizations(&viewer, query.organization.as_deref())?,
        rule: query_name("rule", query.rule.as_deref())?,
        status: query.status.map(asked_status),
    };
    let mut found = app.store().deliveries(&filter, &page).await?;
    found.items.retain(|delivery| manages(&viewer, delivery));
    Ok(Json(rows::shown(found, as_of, |delivery| view(&delivery))))
}

/// One delivery.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "notifications",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "The delivery", body = DeliveryView)))]
pub(crate) async fn get_delivery(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<DeliveryView>> {
    let delivery = find(&app, &viewer, &id).await?;
    Ok(Json(view(&delivery)))
}

/// Send a delivery that has ended once more, under the same id; one that is still under way stays as it is.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/redeliver", tag = "notifications",
    params(("id" = String, Path, description = "The delivery's id")),
    responses((status = 200, description = "It waits for its turn", body = DeliveryView)))]
pub(crate) async fn redeliver(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<Json<DeliveryView>> {
    let delivery = find(&app, &viewer, &id).await?;
    let delivery = dispatcher(&app)?.redeliver(delivery).await?;
    Ok(Json(view(&delivery)))
}

/// Send a test through every channel of a rule that leads outside, at once; one that takes it is turned on again.
#[utoipa::path(post, path = "/api/v1/notification-rules/{name}/test", tag = "notifications",
    params(("name" = String, Path, description = "The rule's name"), Within),
    responses((status = 200, description = "What became of it", body = RuleTest)))]
pub(crate) async fn test_rule(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(within): Query<Within>,
) -> ApiResult<Json<RuleTest>> {
    let unknown = || ApiError::unknown_resource(&format!("NotificationRule/{name}"));
    let key = ResourceKey {
        kind: ResourceKind::NotificationRule,
        organization: query_name("organization", within.organization.as_deref())?,
        name: name.parse().map_err(|_| unknown())?,
    };
    let resource = app.resource(&viewer, &key).await?;
    if !viewer.may(Permission::NotificationEdit, key.organization.as_ref()) {
        let permission = Permission::NotificationEdit;
        let detail = format!("you need the permission `{permission}` there");
        return Err(ApiError::new("forbidden", detail));
    }
    let stored = app.store().revision(&key, resource.revision).await?;
    let Revision {
        key: place,
        description,
        labels,
        spec,
        ..
    } = stored.ok_or_else(unknown)?;
    let definition = Definition::from_stored(place, description, labels, &spec);
    let Ok(Body::NotificationRule(spec)) = definition.map(|definition| definition.body) else {
        return Err(ApiError::internal(
            "a stored notification rule cannot be read",
        ));
    };
    let by = viewer.holder().user.to_string();
    let tested = dispatcher(&app)?.test(&key, &spec, &by).await?;
    let items: Vec<DeliveryView> = tested.iter().map(|tested| view(&tested.0)).collect();
    let delivered = items
        .iter()
        .all(|item| item.status == api::DeliveryStatus::Delivered);
    Ok(Json(RuleTest { items, delivered }))
}

fn dispatcher(app: &App) -> ApiResult<&Dispatcher> {
    let none = || ApiError::new("unavailable", "this server sends nothing out").retry_after(60);
    app.options().outlets.as_ref().ok_or_else(none)
}

async fn find(app: &App, viewer: &Viewer, id: &str) -> ApiResult<Delivery> {
    let shown: String = id.chars().take(80).collect();
    let found = app.store().delivery(id).await?;
    found
        .filter(|delivery| manages(viewer, delivery))
        .ok_or_else(|| {
            ApiError::new(
                "unknown-delivery",
                format!("delivery `{shown}` does not exist"),
            )
        })
}

fn manages(viewer: &Viewer, delivery: &Delivery) -> bool {
    viewer.may(Permission::NotificationEdit, delivery.organization.as_ref())
}

fn view(delivery: &Delivery) -> DeliveryView {
    let parcel: Option<Parcel> = serde_json::from_str(&delivery.body).ok();
    let to = parcel.as_ref().and_then(|parcel| match &parcel.to {
        Destination::Email { to } => Some(to.join(", ")),
        Destination::Webhook { url, .. } => Some(url.clone()),
        Destination::Slack { .. } | Destination::Teams { .. } => None,
    });
    let waits = delivery.status == DeliveryStatus::Pending;
    DeliveryView {
        id: delivery.id.clone(),
        position: delivery.position,
        rule: delivery.rule.to_string(),
        organization: delivery.organization.as_ref().map(ToString::to_string),
        channel: delivery.number.saturating_add(1),
        kind: delivery.channel.clone(),
        event: delivery.word.clone(),
        release: delivery.release.map(|release| release.to_string()),
        text: parcel.map(|parcel| parcel.message.text).unwrap_or_default(),
        to,
        status: shown_status(delivery.status),
        attempts: delivery.attempts,
        next_at: waits.then(|| instant_us(delivery.next_at)),
        created_at: instant_us(delivery.created_at),
        updated_at: instant_us(delivery.updated_at),
        code: delivery.code,
        answer: delivery.answer.clone(),
    }
}

fn shown_status(status: DeliveryStatus) -> api::DeliveryStatus {
    match status {
        DeliveryStatus::Pending => api::DeliveryStatus::Pending,
        DeliveryStatus::Sending => api::DeliveryStatus::Sending,
        DeliveryStatus::Delivered => api::DeliveryStatus::Delivered,
        DeliveryStatus::Failed => api::DeliveryStatus::Failed,
        DeliveryStatus::Unknown => api::DeliveryStatus::Unknown,
        DeliveryStatus::Withheld => api::DeliveryStatus::Withheld,
    }
}

fn asked_status(status: api::DeliveryStatus) -> DeliveryStatus {
    match status {
        api::DeliveryStatus::Pending => DeliveryStatus::Pending,
        api::DeliveryStatus::Sending => DeliveryStatus::Sending,
        api::DeliveryStatus::Delivered => DeliveryStatus::Delivered,
        api::DeliveryStatus::Failed => DeliveryStatus::Failed,
        api::DeliveryStatus::Unknown => DeliveryStatus::Unknown,
        api::DeliveryStatus::Withheld => DeliveryStatus::Withheld,
    }
}
