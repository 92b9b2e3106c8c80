//! The address table. What is not named in [`public`] lies behind the choke point of [`crate::auth`].

mod access;
mod activities;
mod apply;
mod audit;
mod calendar;
mod callbacks;
mod deployments;
mod events;
mod feeds;
mod freezes;
mod groups;
mod input_sets;
mod logs;
mod oidc;
mod outlets;
mod people;
mod preparation;
mod releases;
mod reports;
mod resources;
mod secrets;
mod session;
mod system;
mod tokens;
mod users;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::BODY_MAX;
use crate::signin::caller;
use crate::state::App;
use crate::{auth, gate, layers, openapi};

/// The whole server as one service.
pub fn router(app: App) -> Router {
    let (guarded, _) = guarded().split_for_parts();
    let guarded = guarded.route_layer(from_fn_with_state(app.clone(), auth::require));
    let (open, description) = public().split_for_parts();
    gate::expect_public(&description);
    let (optional, _) = optional().split_for_parts();
    let described = |is_public: bool, router: Router<App>| match is_public {
        true => router,
        false => router.route_layer(from_fn_with_state(app.clone(), auth::require)),
    };
    let (metrics, _) = metrics().split_for_parts();
    guarded
        .merge(open)
        .merge(described(app.options().public_openapi, optional))
        .merge(described(app.options().public_metrics, metrics))
        .fallback(system::nothing_here)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(app.clone(), caller::locate))
        .layer(from_fn_with_state(app.clone(), layers::limit))
        .layer(from_fn_with_state(app.clone(), layers::measure))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::finish))
        .layer(
            CompressionLayer::new()
                .gzip(true)
                .compress_when(compressible()),
        )
        .with_state(app)
}

/// Streams are not compressed: an event must not wait in a buffer for the next one.
fn compressible() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("application/x-ndjson"))
}

/// The description of every route, whoever may use it.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    let mut routes = OpenApiRouter::with_openapi(openapi::head());
    for part in [public(), optional(), metrics(), guarded()] {
        routes = routes.merge(part);
    }
    routes.into_openapi()
}

/// The description of what answers without a token.
#[cfg(test)]
pub(crate) fn described_public() -> utoipa::openapi::OpenApi {
    public().into_openapi()
}

/// What answers without a token; nothing else does (reliability.md, S26).
fn public() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(system::live))
        .routes(routes!(system::ready))
        .routes(routes!(system::notice))
        // Links in messages lead to pages; without pages the notice says where to go on.
        .route("/releases/{*page}", axum::routing::get(system::notice))
        .routes(routes!(callbacks::receive_callback))
        .routes(routes!(feeds::read_feed))
        .routes(routes!(session::create_session))
        .routes(routes!(oidc::list_providers))
        .routes(routes!(oidc::begin_oidc))
        .routes(routes!(oidc::finish_oidc))
}

/// What answers without a token where the installation says so.
fn optional() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(system::openapi_document))
        .routes(routes!(system::docs))
        .routes(routes!(system::docs_style))
}

/// What answers without a token where the installation says so.
fn metrics() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(system::metrics))
}

fn guarded() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(system::version))
        .routes(routes!(access::can_i))
        .routes(routes!(access::list_roles))
        .routes(routes!(system::navigation))
        .routes(routes!(apply::apply))
        .routes(routes!(apply::validate))
        .routes(routes!(apply::diff))
        .routes(routes!(apply::get_schema))
        .routes(routes!(input_sets::list_input_sets))
        .routes(routes!(input_sets::get_completeness))
        .routes(routes!(input_sets::clone_input_set))
        .routes(routes!(input_sets::archive_input_set))
        .routes(routes!(input_sets::unarchive_input_set))
        .routes(routes!(input_sets::diff_revisions))
        .routes(routes!(input_sets::preview_inputs))
        .routes(routes!(resources::list_resources))
        .routes(routes!(
            resources::get_resource,
            resources::put_resource,
            resources::delete_resource
        ))
        .routes(routes!(resources::list_revisions))
        .routes(routes!(resources::get_revision))
        .routes(routes!(resources::export_resource))
        .routes(routes!(groups::preview_group))
        .routes(routes!(groups::list_group_releases))
        .routes(routes!(releases::list_releases, releases::create_release))
        .routes(routes!(
            releases::get_release,
            releases::edit_release,
            releases::delete_release
        ))
        .routes(routes!(releases::finalize_release))
        .routes(routes!(releases::activate_release))
        .routes(routes!(releases::pre_execute_release))
        .routes(routes!(releases::cancel_release))
        .routes(routes!(releases::pause_release))
        .routes(routes!(releases::resume_release))
        .routes(routes!(releases::abort_release))
        .routes(routes!(releases::restart_release))
        .routes(routes!(releases::archive_release))
        .routes(routes!(releases::unquarantine_release))
        .routes(routes!(freezes::override_freeze))
        .routes(routes!(freezes::revoke_override))
        .routes(routes!(freezes::list_active_freezes))
        .routes(routes!(freezes::list_freeze_windows))
        .routes(routes!(releases::list_notes, releases::add_note))
        .routes(routes!(preparation::add_link, preparation::remove_link))
        .routes(routes!(preparation::set_readiness))
        .routes(routes!(preparation::declare_readiness))
        .routes(routes!(preparation::withdraw_readiness))
        .routes(routes!(preparation::acknowledge_ownership))
        .routes(routes!(preparation::add_review))
        .routes(routes!(preparation::get_review))
        .routes(routes!(releases::get_graph))
        .routes(routes!(releases::explain_release))
        .routes(routes!(releases::get_timeline))
        .routes(routes!(releases::get_evidence))
        .routes(routes!(releases::export_release))
        .routes(routes!(reports::release_report))
        .routes(routes!(reports::period_report))
        .routes(routes!(reports::group_report))
        .routes(routes!(reports::metrics_report))
        .routes(routes!(deployments::list_deployed))
        .routes(routes!(deployments::list_deployments))
        .routes(routes!(deployments::get_deployment))
        .routes(routes!(deployments::list_commits))
        .routes(routes!(deployments::find))
        .routes(routes!(activities::list_activities))
        .routes(routes!(activities::get_activity))
        .routes(routes!(activities::retry_activity))
        .routes(routes!(activities::ignore_activity))
        .routes(routes!(activities::fail_activity))
        .routes(routes!(activities::approve_activity))
        .routes(routes!(activities::reject_activity))
        .routes(routes!(activities::submit_input))
        .routes(routes!(activities::update_task))
        .routes(routes!(logs::get_logs))
        .routes(routes!(events::list_release_events))
        .routes(routes!(events::stream_events))
        .routes(routes!(calendar::show_calendar))
        .routes(routes!(calendar::get_capacity))
        .routes(routes!(calendar::check_calendar))
        .routes(routes!(feeds::list_feeds, feeds::create_feed))
        .routes(routes!(feeds::revoke_feed))
        .routes(routes!(people::get_inbox))
        .routes(routes!(people::count_inbox))
        .routes(routes!(people::list_notifications))
        .routes(routes!(people::mark_notifications_read))
        .routes(routes!(outlets::list_deliveries))
        .routes(routes!(outlets::get_delivery))
        .routes(routes!(outlets::redeliver))
        .routes(routes!(outlets::test_rule))
        .routes(routes!(secrets::list_secrets))
        .routes(routes!(secrets::set_secret, secrets::delete_secret))
        .routes(routes!(session::get_session, session::delete_session))
        .routes(routes!(session::list_sessions))
        .routes(routes!(session::delete_session_by_id))
        .routes(routes!(
            session::list_personal_tokens,
            session::create_personal_token
        ))
        .routes(routes!(session::delete_personal_token))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::get_user, users::edit_user))
        .routes(routes!(users::disable_user))
        .routes(routes!(users::enable_user))
        .routes(routes!(users::link_identity, users::unlink_identity))
        .routes(routes!(users::set_password))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(tokens::whoami))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::export_audit))
        .routes(routes!(audit::get_audit_record))
        .routes(routes!(audit::get_audit_key))
        .routes(routes!(audit::export_checkpoints, audit::create_checkpoint))
        .routes(routes!(audit::verify_audit, audit::verify_audit_again))
}
