//! The door of every route: what it takes to use it, declared in one table (reliability.md, S6, S26, 56).
//!
//! A route that is in neither list below lets nobody through, and a test walks all routes to say so earlier.
//! The door looks whether the viewer has the permission anywhere; whether it holds for the very thing that is
//! asked about is judged where that thing is known: by the command in its turn, or by [`crate::auth::Viewer::sees`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use serde_json::{Value, json};
use trainmaster_core::access::{Permission, TokenKind};
use trainmaster_core::edit_permission;
use trainmaster_core::ids::ResourceKind;

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};

/// What it takes to use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A token: it is about the viewer's own affairs, or about nothing in particular.
    Token,
    /// A permission.
    Holds(Permission),
    /// A command that takes this permission: it is judged in its turn, where a refusal is written down.
    Asks(Permission),
    /// A command that takes this permission, or owning what it is about.
    AsksOrOwns(Permission),
    /// A command that takes the permission that goes with the kind of the definition.
    EditsKind,
}

use Need::{Asks, AsksOrOwns, EditsKind, Holds, Token};
use Permission as P;

/// What answers without a token; each is a decision (reliability.md, S26).
pub(crate) const PUBLIC: &[(&str, &str)] = &[
    ("get", "/"),
    ("get", "/api/v1/calendar.ics"),
    ("get", "/api/v1/oidc/callback"),
    ("get", "/api/v1/oidc/login"),
    ("get", "/api/v1/oidc/providers"),
    ("get", "/healthz/live"),
    ("get", "/healthz/ready"),
    ("post", "/api/v1/callbacks/{token}"),
    ("post", "/api/v1/session"),
];

/// What every other route takes, in the order of the addresses.
pub(crate) const TABLE: &[(&str, &str, Need)] = &[
    ("get", "/api/docs", Token),
    ("get", "/api/docs.css", Token),
    ("get", "/api/v1/access/can-i", Token),
    ("get", "/api/v1/access/roles", Token),
    ("post", "/api/v1/apply", EditsKind),
    ("get", "/api/v1/audit", Holds(P::AuditRead)),
    ("get", "/api/v1/audit/checkpoints", Holds(P::AuditRead)),
    ("post", "/api/v1/audit/checkpoints", Holds(P::AuditRead)),
    ("get", "/api/v1/audit/export", Holds(P::AuditRead)),
    ("get", "/api/v1/audit/key", Holds(P::AuditRead)),
    (
        "get",
        "/api/v1/audit/records/{position}",
        Holds(P::AuditRead),
    ),
    ("get", "/api/v1/audit/verify", Holds(P::AuditRead)),
    ("post", "/api/v1/audit/verify", Holds(P::AuditRead)),
    ("get", "/api/v1/calendar", Holds(P::Read)),
    ("get", "/api/v1/calendar/capacity", Holds(P::Read)),
    ("post", "/api/v1/calendar/check", Holds(P::Read)),
    ("get", "/api/v1/calendar/feeds", Token),
    ("post", "/api/v1/calendar/feeds", Holds(P::Read)),
    ("delete", "/api/v1/calendar/feeds/{id}", Token),
    ("get", "/api/v1/deliveries", Holds(P::NotificationEdit)),
    ("get", "/api/v1/deliveries/{id}", Holds(P::NotificationEdit)),
    (
        "post",
        "/api/v1/deliveries/{id}/redeliver",
        Holds(P::NotificationEdit),
    ),
    ("get", "/api/v1/deployments", Holds(P::Read)),
    ("get", "/api/v1/deployments/history", Holds(P::Read)),
    ("get", "/api/v1/deployments/{id}", Holds(P::Read)),
    ("get", "/api/v1/deployments/{id}/commits", Holds(P::Read)),
    ("post", "/api/v1/diff", Holds(P::Read)),
    ("get", "/api/v1/events", Holds(P::Read)),
    ("get", "/api/v1/freezes/active", Holds(P::Read)),
    ("get", "/api/v1/freezes/{name}/windows", Holds(P::Read)),
    ("get", "/api/v1/inbox", Holds(P::Read)),
    ("get", "/api/v1/inbox/counts", Holds(P::Read)),
    ("get", "/api/v1/navigation", Token),
    (
        "post",
        "/api/v1/notification-rules/{name}/test",
        Holds(P::NotificationEdit),
    ),
    ("get", "/api/v1/notifications", Holds(P::Read)),
    ("post", "/api/v1/notifications/read", Holds(P::Read)),
    ("get", "/api/v1/openapi.json", Token),
    ("get", "/api/v1/personal-tokens", Token),
    ("post", "/api/v1/personal-tokens", Token),
    ("delete", "/api/v1/personal-tokens/{id}", Token),
    ("get", "/api/v1/releases", Holds(P::Read)),
    ("post", "/api/v1/releases", Asks(P::ReleaseEdit)),
    ("delete", "/api/v1/releases/{id}", Asks(P::ReleaseEdit)),
    ("get", "/api/v1/releases/{id}", Holds(P::Read)),
    ("patch", "/api/v1/releases/{id}", Asks(P::ReleaseEdit)),
    ("post", "/api/v1/releases/{id}/abort", Asks(P::ReleaseAbort)),
    (
        "post",
        "/api/v1/releases/{id}/activate",
        Asks(P::ReleaseStart),
    ),
    ("get", "/api/v1/releases/{id}/activities", Holds(P::Read)),
    (
        "get",
        "/api/v1/releases/{id}/activities/{phase}/{activity}",
        Holds(P::Read),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/approve",
        Asks(P::ActivityApprove),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/fail",
        AsksOrOwns(P::ActivityRetry),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/ignore",
        AsksOrOwns(P::ActivityIgnore),
    ),
    (
        "get",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/logs",
        Holds(P::Read),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/reject",
        Asks(P::ActivityApprove),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/retry",
        AsksOrOwns(P::ActivityRetry),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/submit",
        AsksOrOwns(P::ActivitySubmit),
    ),
    (
        "post",
        "/api/v1/releases/{id}/activities/{phase}/{activity}/tasks/{task}",
        AsksOrOwns(P::ActivitySubmit),
    ),
    (
        "post",
        "/api/v1/releases/{id}/archive",
        Asks(P::ReleaseEdit),
    ),
    ("post", "/api/v1/releases/{id}/cancel", Asks(P::ReleaseEdit)),
    ("get", "/api/v1/releases/{id}/events", Holds(P::Read)),
    ("get", "/api/v1/releases/{id}/evidence", Holds(P::Read)),
    ("get", "/api/v1/releases/{id}/explain", Holds(P::Read)),
    ("get", "/api/v1/releases/{id}/export", Holds(P::Read)),
    (
        "post",
        "/api/v1/releases/{id}/finalize",
        Asks(P::ReleaseEdit),
    ),
    ("get", "/api/v1/releases/{id}/graph", Holds(P::Read)),
    ("get", "/api/v1/releases/{id}/notes", Holds(P::Read)),
    (
        "post",
        "/api/v1/releases/{id}/notes",
        Asks(P::ReleaseOperate),
    ),
    (
        "post",
        "/api/v1/releases/{id}/override-freeze",
        Asks(P::FreezeOverride),
    ),
    (
        "post",
        "/api/v1/releases/{id}/pause",
        Asks(P::ReleaseOperate),
    ),
    (
        "post",
        "/api/v1/releases/{id}/pre-execute",
        Asks(P::ReleaseStart),
    ),
    ("get", "/api/v1/releases/{id}/report", Holds(P::Read)),
    (
        "post",
        "/api/v1/releases/{id}/restart",
        Asks(P::ReleaseStart),
    ),
    (
        "post",
        "/api/v1/releases/{id}/resume",
        Asks(P::ReleaseOperate),
    ),
    ("get", "/api/v1/releases/{id}/review", Holds(P::Read)),
    (
        "post",
        "/api/v1/releases/{id}/revoke-override",
        Asks(P::FreezeOverride),
    ),
    ("get", "/api/v1/releases/{id}/timeline", Holds(P::Read)),
    (
        "post",
        "/api/v1/releases/{id}/unquarantine",
        Asks(P::ReleaseEdit),
    ),
    ("get", "/api/v1/reports/groups/{name}", Holds(P::Read)),
    ("get", "/api/v1/reports/metrics", Holds(P::Read)),
    ("get", "/api/v1/reports/releases", Holds(P::Read)),
    ("get", "/api/v1/schemas/{kind}", Token),
    ("get", "/api/v1/secrets", Holds(P::SecretEdit)),
    ("delete", "/api/v1/secrets/{name}", Asks(P::SecretEdit)),
    ("put", "/api/v1/secrets/{name}", Asks(P::SecretEdit)),
    ("delete", "/api/v1/session", Token),
    ("get", "/api/v1/session", Token),
    ("get", "/api/v1/sessions", Token),
    ("delete", "/api/v1/sessions/{id}", Token),
    ("get", "/api/v1/tokens", Holds(P::TokenManage)),
    ("post", "/api/v1/tokens", Asks(P::TokenManage)),
    // One's own token needs no permission to be ended.
    ("delete", "/api/v1/tokens/{id}", Token),
    ("get", "/api/v1/users", Holds(P::UserManage)),
    ("post", "/api/v1/users", Asks(P::UserManage)),
    // A user may look at and change their own.
    ("get", "/api/v1/users/{name}", Token),
    ("patch", "/api/v1/users/{name}", Token),
    ("post", "/api/v1/users/{name}/disable", Asks(P::UserManage)),
    ("post", "/api/v1/users/{name}/enable", Asks(P::UserManage)),
    ("delete", "/api/v1/users/{name}/identities", Token),
    (
        "post",
        "/api/v1/users/{name}/identities",
        Asks(P::UserManage),
    ),
    ("put", "/api/v1/users/{name}/password", Token),
    ("post", "/api/v1/validate", Token),
    ("get", "/api/v1/version", Token),
    ("get", "/api/v1/where", Holds(P::Read)),
    ("get", "/api/v1/whoami", Token),
    ("get", "/api/v1/{kind}", Holds(P::Read)),
    ("delete", "/api/v1/{kind}/{name}", EditsKind),
    ("get", "/api/v1/{kind}/{name}", Holds(P::Read)),
    ("put", "/api/v1/{kind}/{name}", EditsKind),
    ("get", "/api/v1/{kind}/{name}/export", Holds(P::Read)),
    ("get", "/api/v1/{kind}/{name}/revisions", Holds(P::Read)),
    (
        "get",
        "/api/v1/{kind}/{name}/revisions/{revision}",
        Holds(P::Read),
    ),
    ("get", "/metrics", Token),
    ("get", "/api/v1/input-sets", Holds(P::Read)),
    (
        "post",
        "/api/v1/input-sets/{name}/archive",
        Asks(P::DefinitionEdit),
    ),
    (
        "post",
        "/api/v1/input-sets/{name}/clone",
        Asks(P::DefinitionEdit),
    ),
    (
        "get",
        "/api/v1/input-sets/{name}/completeness",
        Holds(P::Read),
    ),
    (
        "post",
        "/api/v1/input-sets/{name}/unarchive",
        Asks(P::DefinitionEdit),
    ),
    (
        "post",
        "/api/v1/processes/{name}/inputs/preview",
        Holds(P::Read),
    ),
    (
        "get",
        "/api/v1/release-groups/{name}/preview",
        Holds(P::Read),
    ),
    (
        "get",
        "/api/v1/release-groups/{name}/releases",
        Holds(P::Read),
    ),
    ("post", "/api/v1/releases/{id}/acknowledge", Asks(P::Read)),
    (
        "delete",
        "/api/v1/releases/{id}/links",
        Asks(P::ReleaseEdit),
    ),
    ("post", "/api/v1/releases/{id}/links", Asks(P::ReleaseEdit)),
    ("post", "/api/v1/releases/{id}/readiness", Asks(P::Read)),
    (
        "post",
        "/api/v1/releases/{id}/readiness/items",
        Asks(P::ReleaseEdit),
    ),
    (
        "delete",
        "/api/v1/releases/{id}/readiness/items/{item}",
        Asks(P::ReleaseEdit),
    ),
    ("post", "/api/v1/releases/{id}/reviews", Asks(P::Read)),
    ("get", "/api/v1/{kind}/{name}/diff", Holds(P::Read)),
];

impl Need {
    /// Whether a viewer may come through the door at all.
    fn lets_in(self, viewer: &Viewer) -> bool {
        match self {
            Token => true,
            Holds(permission) => viewer.may_somewhere(permission),
            // Whoever sees nothing has nothing to ask for; what others may not, the command says.
            Asks(permission) | AsksOrOwns(permission) => {
                viewer.may_somewhere(permission) || viewer.may_somewhere(P::Read)
            }
            EditsKind => {
                viewer.may_somewhere(P::Read)
                    || edits().into_iter().any(|one| viewer.may_somewhere(one))
            }
        }
    }

    /// The permissions of which one is needed; empty where a token is enough.
    pub(crate) fn permissions(self) -> BTreeSet<Permission> {
        match self {
            Token => BTreeSet::new(),
            Holds(permission) | Asks(permission) | AsksOrOwns(permission) => {
                BTreeSet::from([permission])
            }
            EditsKind => edits(),
        }
    }

    /// The need as the description of the API shows it.
    pub(crate) fn shown(self) -> Value {
        let words: Vec<&str> = self.permissions().into_iter().map(P::as_str).collect();
        json!({"anyOf": words, "orOwner": matches!(self, AsksOrOwns(_))})
    }
}

fn edits() -> BTreeSet<Permission> {
    ResourceKind::ALL.into_iter().map(edit_permission).collect()
}

/// What a route takes; none if it is declared nowhere or public.
pub(crate) fn need(method: &str, path: &str) -> Option<Need> {
    static NEEDS: OnceLock<BTreeMap<(&str, &str), Need>> = OnceLock::new();
    let needs = NEEDS.get_or_init(|| {
        TABLE
            .iter()
            .map(|(method, path, need)| ((*method, *path), *need))
            .collect()
    });
    needs.get(&(method, path)).copied()
}

/// Lets a viewer through to the route that the request is for, or says what is missing.
pub(crate) fn pass(viewer: &Viewer, request: &Request) -> ApiResult<()> {
    if viewer.holder().kind == TokenKind::Feed {
        return Err(ApiError::new(
            "invalid-token",
            "this token reads the calendar feed and nothing else",
        ));
    }
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        // There is no such route, and that is what the answer will say.
        return Ok(());
    };
    let method = match *request.method() {
        Method::HEAD => Method::GET.as_str().to_lowercase(),
        ref method => method.as_str().to_lowercase(),
    };
    match need(&method, path.as_str()) {
        Some(need) if need.lets_in(viewer) => Ok(()),
        Some(need) => {
            let permissions = need.permissions();
            let words: Vec<String> = permissions.iter().map(|one| format!("`{one}`")).collect();
            Err(ApiError::new(
                "forbidden",
                format!("you need the permission {}", words.join(" or ")),
            ))
        }
        // The router knows no such method there, and that is what the answer will say.
        None if !is_served(&method, path.as_str()) => Ok(()),
        None => Err(ApiError::internal(format!(
            "`{method} {}` declares no permission and lets nobody through",
            path.as_str()
        ))),
    }
}

fn is_served(method: &str, path: &str) -> bool {
    static SERVED: OnceLock<BTreeSet<(String, String)>> = OnceLock::new();
    let served = SERVED.get_or_init(|| {
        let described = serde_json::to_value(crate::routes::described());
        let described = described.expect("the description of the routes is JSON");
        operations(&described)
    });
    served.contains(&(method.to_owned(), path.to_owned()))
}

/// Refuses to serve anything without a token that is not on the list.
///
/// # Panics
/// A route answers without a token and nobody has decided so.
pub(crate) fn expect_public(description: &utoipa::openapi::OpenApi) {
    let described = serde_json::to_value(description);
    for (method, path) in operations(&described.unwrap_or_default()) {
        assert!(
            PUBLIC.contains(&(method.as_str(), path.as_str())),
            "`{method} {path}` would answer without a token"
        );
    }
}

/// Every operation of a description.
pub(crate) fn operations(description: &Value) -> BTreeSet<(String, String)> {
    let paths = description["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, _)| (method.clone(), path.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(router: impl serde::Serialize) -> BTreeSet<(String, String)> {
        operations(&serde_json::to_value(router).expect("JSON"))
    }

    #[test]
    fn every_route_declares_what_it_takes_once() {
        let (open, all) = (
            described(crate::routes::described_public()),
            described(crate::routes::described()),
        );
        assert!(all.len() > 60, "{}", all.len());
        for (method, path) in &all {
            let public = PUBLIC.contains(&(method.as_str(), path.as_str()));
            let declared = TABLE
                .iter()
                .filter(|(known, address, _)| known == method && address == path)
                .count();
            assert_eq!(
                public,
                open.contains(&(method.clone(), path.clone())),
                "`{method} {path}` stands in the wrong list"
            );
            assert_eq!(
                declared,
                usize::from(!public),
                "`{method} {path}` must stand once in the table of needs"
            );
        }
    }

    #[test]
    fn what_changes_something_takes_more_than_a_token() {
        let own = [
            "/api/v1/calendar/feeds/{id}",
            "/api/v1/personal-tokens",
            "/api/v1/personal-tokens/{id}",
            "/api/v1/session",
            "/api/v1/sessions/{id}",
            "/api/v1/tokens/{id}",
            "/api/v1/users/{name}",
            "/api/v1/users/{name}/identities",
            "/api/v1/users/{name}/password",
            "/api/v1/validate",
        ];
        for (method, path, need) in TABLE {
            let changes = *method != "get";
            assert!(
                !changes || *need != Token || own.contains(path),
                "`{method} {path}` changes something and takes no permission"
            );
        }
    }
}
