//! Questions about rights: may somebody do something, and what grants it or is missing.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use trainmaster_api::{BindingName, CanI, RoleList, RoleView};
use trainmaster_core::access::{
    Ground, Holder, Permission, Question, Role, Tie, TokenKind, Verdict,
};
use trainmaster_core::ids::{Name, TokenId};

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Query, query_name, release_id};
use crate::state::App;
use crate::views::words;

/// What is asked.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct AskAccess {
    /// The permission, for example `release:edit`.
    #[param(required)]
    permission: Option<String>,
    /// In this organization; the account level if absent.
    organization: Option<String>,
    /// For this release, wherever it lives.
    release: Option<String>,
    /// For this user, by what bindings give; for the caller if absent. It takes `access:manage` there.
    user: Option<String>,
}

/// Whether somebody may do something, and why.
#[utoipa::path(get, path = "/api/v1/access/can-i", tag = "access", params(AskAccess),
    responses((status = 200, description = "Yes or no, with the reason", body = CanI)))]
pub(crate) async fn can_i(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<AskAccess>,
) -> ApiResult<Json<CanI>> {
    let permission = query.permission.as_deref().unwrap_or_default();
    let permission: Permission = permission.parse().map_err(|_| {
        let known: Vec<&str> = Permission::ALL
            .into_iter()
            .map(Permission::as_str)
            .collect();
        let message = format!("must be one of {}", known.join(", "));
        ApiError::invalid_query("permission", message)
    })?;
    let asked = query_name("organization", query.organization.as_deref())?;
    let user = query_name("user", query.user.as_deref())?;
    let release = query.release.as_deref().map(release_id).transpose()?;
    if release.is_some() && asked.is_some() {
        return Err(ApiError::invalid_query(
            "organization",
            "leave it out: a release says itself where it lives",
        ));
    }
    let snapshot = match release {
        Some(id) => Some(app.release(&viewer, id).await?),
        None => None,
    };
    let organization = match &snapshot {
        Some(snapshot) => snapshot.organization.clone(),
        None => asked,
    };
    let holder = subject(&app, &viewer, user, organization.as_ref())?;
    let tie = match (&snapshot, release) {
        (Some(snapshot), Some(id)) => snapshot.ask(&viewer, |world| world.tie_to(&holder, id))?,
        _ => Tie::None,
    };
    let question = Question {
        permission,
        organization: organization.as_ref(),
        tie,
    };
    let verdict = viewer.policy().judge(&holder, &question);
    Ok(Json(CanI {
        user: holder.user.to_string(),
        permission: permission.to_string(),
        organization: organization.as_ref().map(ToString::to_string),
        release: release.map(|id| id.to_string()),
        allowed: verdict.is_granted(),
        reason: match &verdict {
            Verdict::Granted(ground) => ground.to_string(),
            Verdict::Refused(lack) => lack.words(&question),
        },
        role: match &verdict {
            Verdict::Granted(Ground::Token { role, .. }) => Some(words::role(*role)),
            Verdict::Granted(Ground::Binding { binding, .. }) => Some(words::role(binding.role)),
            Verdict::Granted(Ground::Ownership) | Verdict::Refused(_) => None,
        },
        binding: match &verdict {
            Verdict::Granted(Ground::Binding { binding, subject }) => Some(BindingName {
                organization: binding.organization.as_ref().map(ToString::to_string),
                name: binding.name.to_string(),
                subject: subject.to_string(),
                own: binding.own,
            }),
            Verdict::Granted(_) | Verdict::Refused(_) => None,
        },
    }))
}

/// Whom the question is about: the caller with this very token, or another user as signed in now.
fn subject(
    app: &App,
    viewer: &Viewer,
    user: Option<Name>,
    organization: Option<&Name>,
) -> ApiResult<Holder> {
    let own = viewer.holder();
    let Some(user) = user.filter(|user| *user != own.user) else {
        return Ok(own.clone());
    };
    if !viewer.may(Permission::AccessManage, organization) {
        let needed = Permission::AccessManage;
        let detail = format!("you need the permission `{needed}` there to ask about others");
        return Err(ApiError::new("forbidden", detail));
    }
    Ok(Holder {
        token: TokenId(0),
        digest: String::new(),
        user,
        teams: Vec::new(),
        roles: Vec::new(),
        organization: None,
        kind: TokenKind::Personal,
        scope: None,
        expires_at: None,
        issued_at: app.now(),
        issued_by: "system".to_owned(),
        description: String::new(),
        revoked: false,
    })
}

/// The built-in roles and what each grants.
#[utoipa::path(get, path = "/api/v1/access/roles", tag = "access",
    responses((status = 200, description = "The roles, strongest first", body = RoleList)))]
pub(crate) async fn list_roles(_viewer: Viewer) -> Json<RoleList> {
    let view = |role: Role| RoleView {
        role: words::role(role),
        meaning: role.meaning().to_owned(),
        permissions: role.permissions().map(|one| one.to_string()).collect(),
    };
    Json(RoleList {
        items: Role::ALL.into_iter().map(view).collect(),
    })
}
