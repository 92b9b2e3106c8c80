//! The server about itself: health, metrics, version, the description of the API.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use trainmaster_api::{FieldError, Health, HealthCheck, NavigationEntry, Version};
use trainmaster_core::access::Permission;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_engine::BATCH_BOUNDS;

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::metrics::Page;
use crate::openapi;
use crate::state::App;

/// The server's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz/live", tag = "system", security(()),
    responses((status = 200, description = "It is", body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        checks: Vec::new(),
    })
}

/// Whether the server can do its work: the database answers, commands are taken.
#[utoipa::path(get, path = "/healthz/ready", tag = "system", security(()),
    responses((status = 200, description = "It can", body = Health)))]
pub(crate) async fn ready(State(app): State<App>) -> ApiResult<Json<Health>> {
    let database = app.store().position().await.is_ok();
    let engine = app.engine().is_ready();
    let oldest = app.engine().metrics().oldest_runnable.as_secs_f64();
    let check = |name: &str, ok: bool, seconds| HealthCheck {
        name: name.to_owned(),
        ok,
        seconds,
    };
    let checks = vec![
        check("database", database, None),
        check("engine", engine, None),
        check("oldestRunnable", true, Some(oldest)),
    ];
    let failing: Vec<FieldError> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| FieldError {
            field: check.name.clone(),
            message: "does not answer".to_owned(),
            line: None,
            column: None,
        })
        .collect();
    if failing.is_empty() {
        return Ok(Json(Health {
            status: "ok".to_owned(),
            checks,
        }));
    }
    Err(
        ApiError::new("unavailable", "the server cannot do its work now")
            .with_errors(failing)
            .retry_after(5),
    )
}

/// What runs here.
#[utoipa::path(get, path = "/api/v1/version", tag = "system",
    responses((status = 200, description = "The versions", body = Version)))]
pub(crate) async fn version(_viewer: Viewer) -> Json<Version> {
    Json(Version {
        version: VERSION.to_owned(),
        api: "v1".to_owned(),
    })
}

/// Where an application leads its user, in this order (4-interfaces.md, Pages; checklist M-030).
const PLACES: [(&str, &str, &str, Permission); 13] = [
    ("inbox", "Inbox", "/api/v1/inbox", Permission::Read),
    ("releases", "Releases", "/api/v1/releases", Permission::Read),
    ("calendar", "Calendar", "/api/v1/calendar", Permission::Read),
    (
        "processes",
        "Processes",
        "/api/v1/processes",
        Permission::Read,
    ),
    (
        "input-sets",
        "Input sets",
        "/api/v1/input-sets",
        Permission::Read,
    ),
    (
        "release-groups",
        "Release groups",
        "/api/v1/release-groups",
        Permission::Read,
    ),
    ("freezes", "Freezes", "/api/v1/freezes", Permission::Read),
    (
        "deployments",
        "Deployments",
        "/api/v1/deployments",
        Permission::Read,
    ),
    ("teams", "Teams", "/api/v1/teams", Permission::Read),
    (
        "role-bindings",
        "Roles",
        "/api/v1/role-bindings",
        Permission::Read,
    ),
    (
        "tokens",
        "Tokens",
        "/api/v1/tokens",
        Permission::TokenManage,
    ),
    (
        "notification-rules",
        "Notification rules",
        "/api/v1/notification-rules",
        Permission::Read,
    ),
    ("audit", "Audit", "/api/v1/audit", Permission::AuditRead),
];

/// The parts of the application that this viewer can go to, in the order in which they are offered.
#[utoipa::path(get, path = "/api/v1/navigation", tag = "system",
    responses((status = 200, description = "The places", body = Vec<NavigationEntry>)))]
pub(crate) async fn navigation(viewer: Viewer) -> Json<Vec<NavigationEntry>> {
    let open = PLACES
        .iter()
        .filter(|(.., permission)| viewer.needs(*permission).is_ok());
    let entries = open.map(|(id, title, href, _)| NavigationEntry {
        id: (*id).to_owned(),
        title: (*title).to_owned(),
        href: (*href).to_owned(),
    });
    Json(entries.collect())
}

/// Counts and gauges in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "Metrics", content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(app): State<App>) -> ApiResult<Response> {
    let mut page = Page::default();
    page.head("trainmaster_build_info", "gauge", "What runs here.");
    page.sample("trainmaster_build_info", &[("version", VERSION)], 1.0);
    let counts = app.store().count_releases(None).await?;
    page.head("trainmaster_releases", "gauge", "Releases by status.");
    for status in ReleaseStatus::ALL {
        let count = counts.get(&status).copied().unwrap_or(0);
        page.sample(
            "trainmaster_releases",
            &[("status", status.as_str())],
            count as f64,
        );
    }
    engine_metrics(&app, &mut page);
    app.http_metrics().render(&mut page);
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, content_type)], page.into_text()).into_response())
}

fn engine_metrics(app: &App, page: &mut Page) {
    let metrics = app.engine().metrics();
    page.head(
        "trainmaster_commands_total",
        "counter",
        "Commands judged since the start, by how that ended.",
    );
    let accepted = metrics.commands.saturating_sub(metrics.rejected);
    for (result, count) in [("accepted", accepted), ("rejected", metrics.rejected)] {
        page.sample(
            "trainmaster_commands_total",
            &[("result", result)],
            count as f64,
        );
    }
    let counters = [
        (
            "trainmaster_events_total",
            "Events made durable since the start.",
            metrics.events,
        ),
        (
            "trainmaster_commits_total",
            "Commits that worked since the start.",
            metrics.commits,
        ),
        (
            "trainmaster_commit_failures_total",
            "Commits that failed since the start.",
            metrics.commit_failures,
        ),
        (
            "trainmaster_reloads_total",
            "How often the world was loaded again.",
            metrics.reloads,
        ),
        (
            "trainmaster_panics_total",
            "Panics in the domain since the start.",
            metrics.panics,
        ),
    ];
    for (name, help, count) in counters {
        page.single(name, "counter", help, count as f64);
    }
    let gauges = [
        (
            "trainmaster_journal_position",
            "Position of the newest durable event.",
            metrics.position as f64,
        ),
        (
            "trainmaster_commands_waiting",
            "Commands that wait to be judged.",
            metrics.queue as f64,
        ),
        (
            "trainmaster_effects_in_flight",
            "Effects that an executor performs.",
            metrics.effects_running as f64,
        ),
        (
            "trainmaster_effects_waiting",
            "Effects that wait for a place.",
            metrics.effects_waiting as f64,
        ),
        (
            "trainmaster_oldest_runnable_age_seconds",
            "How long the oldest thing that could go on has been waiting.",
            metrics.oldest_runnable.as_secs_f64(),
        ),
    ];
    for (name, help, value) in gauges {
        page.single(name, "gauge", help, value);
    }
    const BATCH: &str = "trainmaster_commit_batch_records";
    page.head(BATCH, "histogram", "Events per commit.");
    let mut below = 0;
    for (bound, count) in BATCH_BOUNDS.iter().zip(metrics.batches) {
        below += count;
        page.sample(
            &format!("{BATCH}_bucket"),
            &[("le", &bound.to_string())],
            below as f64,
        );
    }
    page.sample(
        &format!("{BATCH}_bucket"),
        &[("le", "+Inf")],
        metrics.commits as f64,
    );
    page.sample(&format!("{BATCH}_sum"), &[], metrics.events as f64);
    page.sample(&format!("{BATCH}_count"), &[], metrics.commits as f64);
}

/// The description of this API: OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system",
    responses((status = 200, description = "The description", body = serde_json::Value)))]
pub(crate) async fn openapi_document() -> Response {
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    (json, openapi::text()).into_response()
}

/// The description of this API to be read by people.
#[utoipa::path(get, path = "/api/docs", tag = "system",
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn docs() -> Response {
    page(openapi::page().to_owned())
}

/// The look of the pages that the server writes itself.
#[utoipa::path(get, path = "/api/docs.css", tag = "system",
    responses((status = 200, description = "A style sheet", content_type = "text/css", body = String)))]
pub(crate) async fn docs_style() -> Response {
    let css = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    )];
    (css, include_str!("../pages/docs.css")).into_response()
}

/// A notice that says where to go on.
#[utoipa::path(get, path = "/", tag = "system", security(()),
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn notice() -> Response {
    page(include_str!("../pages/notice.html").to_owned())
}

fn page(html: String) -> Response {
    let mut response = Html(html).into_response();
    // No script and nothing from elsewhere; the style sheet comes from here.
    let policy = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    response
}

/// What any other address answers.
pub(super) async fn nothing_here(
    State(app): State<App>,
    axum::extract::Extension(caller): axum::extract::Extension<crate::signin::caller::Caller>,
    headers: axum::http::HeaderMap,
) -> ApiError {
    // Without a token every address that is not public answers alike, so that nobody learns which ones there are.
    match crate::auth::authenticate(&app, &caller, &headers).await {
        Ok(_) => ApiError::not_found(),
        Err(error) => error,
    }
}
