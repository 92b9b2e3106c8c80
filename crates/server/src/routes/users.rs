//! People who can sign in: made, listed, changed, shut out and let in again.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use trainmaster_api::{
    CreateUser, EditUser, IdentityView, Page, PasswordSet, SetPassword, UserView,
};
use trainmaster_core::Command;
use trainmaster_core::access::{Identity, Permission, User};
use trainmaster_core::command::{NewUser, UserChanges};
use trainmaster_core::ids::Name;
use trainmaster_core::signin::{Proof, password};
use trainmaster_store::signin::Credential;

use super::people::ListPage;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, name};
use crate::rows;
use crate::signin::caller::Caller;
use crate::state::App;
use crate::views;

/// Every user, by name.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(ListPage),
    responses((status = 200, description = "One page", body = Page<UserView>)))]
pub(crate) async fn list_users(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListPage>,
) -> ApiResult<Json<Page<UserView>>> {
    viewer.needs_at(Permission::UserManage, None)?;
    let as_of = app.position();
    let found = app.store().list_users(&query.request()?).await?;
    Ok(Json(rows::shown(found, as_of, |user: User| {
        views::signin::user(&user)
    })))
}

/// Make a user; what the user may do is said by teams and role bindings.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = CreateUser,
    responses((status = 201, description = "The user", body = UserView)))]
pub(crate) async fn create_user(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<CreateUser>,
) -> ApiResult<Response> {
    viewer.needs_at(Permission::UserManage, None)?;
    let body = payload.body;
    let user = name("name", &body.name)?;
    let _turn = app.passwords().await;
    let credential = match body.password {
        Some(password) => Some(app.store_password(&user, password.0).await?),
        None => None,
    };
    let command = Command::CreateUser(NewUser {
        name: user.clone(),
        display_name: body.display_name,
        email: body.email,
        identity: body.identity.map(identity),
        credential: credential.clone(),
    });
    let done = app
        .submit(&viewer, command, None, |_, _| String::new())
        .await;
    if let (Err(error), Some(credential)) = (&done, &credential) {
        app.forget_password(error, credential).await;
    }
    done?;
    let view = views::signin::user(&app.user(&user).await?);
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// One user: everybody may see themselves, others need `user:manage`.
#[utoipa::path(get, path = "/api/v1/users/{name}", tag = "users",
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "The user", body = UserView)))]
pub(crate) async fn get_user(
    State(app): State<App>,
    viewer: Viewer,
    Path(given): Path<String>,
) -> ApiResult<Json<UserView>> {
    let user = app.managed(&viewer, &given).await?;
    Ok(Json(views::signin::user(&user)))
}

/// Change what is known about a user.
#[utoipa::path(patch, path = "/api/v1/users/{name}", tag = "users", request_body = EditUser,
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "The user", body = UserView)))]
pub(crate) async fn edit_user(
    State(app): State<App>,
    viewer: Viewer,
    Path(given): Path<String>,
    payload: Payload<EditUser>,
) -> ApiResult<Json<UserView>> {
    let user = app.managed(&viewer, &given).await?.name;
    let changes = UserChanges {
        display_name: payload.body.display_name,
        email: payload.body.email,
        claimed_teams: None,
    };
    let command = Command::ChangeUser {
        user: user.clone(),
        changes,
    };
    app.submit(&viewer, command, payload.repeat, |_, _| String::new())
        .await?;
    Ok(Json(views::signin::user(&app.user(&user).await?)))
}

/// Shut a user out: every session and token of the user ends at once, with its open streams.
#[utoipa::path(post, path = "/api/v1/users/{name}/disable", tag = "users",
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "The user", body = UserView)))]
pub(crate) async fn disable_user(
    State(app): State<App>,
    viewer: Viewer,
    Path(given): Path<String>,
    _: Payload<Nothing>,
) -> ApiResult<Json<UserView>> {
    app.change_user(&viewer, &given, |user| Command::DisableUser { user })
        .await
}

/// Let a user sign in again; tokens that have ended stay ended.
#[utoipa::path(post, path = "/api/v1/users/{name}/enable", tag = "users",
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "The user", body = UserView)))]
pub(crate) async fn enable_user(
    State(app): State<App>,
    viewer: Viewer,
    Path(given): Path<String>,
    _: Payload<Nothing>,
) -> ApiResult<Json<UserView>> {
    app.change_user(&viewer, &given, |user| Command::EnableUser { user })
        .await
}

/// Say who the user is for an identity provider.
#[utoipa::path(post, path = "/api/v1/users/{name}/identities", tag = "users", request_body = IdentityView,
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "The user", body = UserView)))]
pub(crate) async fn link_identity(
    State(app): State<App>,
    viewer: Viewer,
    Path(given): Path<String>,
    payload: Payload<IdentityView>,
) -> ApiResult<Json<UserView>> {
    let identity = identity(payload.body);
    app.change_user(&viewer, &given, |user| Command::LinkIdentity {
        user,
        identity,
    })
    .await
}

/// Let an identity provider's word for the user count no longer.
#[utoipa::path(delete, path = "/api/v1/users/{name}/identities", tag = "users", request_body = IdentityView,
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "The user", body = UserView)))]
pub(crate) async fn unlink_identity(
    State(app): State<App>,
    viewer: Viewer,
    Path(given): Path<String>,
    payload: Payload<IdentityView>,
) -> ApiResult<Json<UserView>> {
    let identity = identity(payload.body);
    app.change_user(&viewer, &given, |user| Command::UnlinkIdentity {
        user,
        identity,
    })
    .await
}

/// Set a password. One's own needs the one before; every session of the user ends, and who asks gets a new one.
#[utoipa::path(put, path = "/api/v1/users/{name}/password", tag = "users", request_body = SetPassword,
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, description = "It holds from now on", body = PasswordSet)))]
pub(crate) async fn set_password(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    viewer: Viewer,
    Path(given): Path<String>,
    headers: HeaderMap,
    payload: Payload<SetPassword>,
) -> ApiResult<Response> {
    let user = app.managed(&viewer, &given).await?;
    let SetPassword { password, current } = payload.body;
    let is_own = viewer.holder().user == user.name;
    if is_own && user.credential.is_some() {
        let current = current.ok_or_else(|| {
            ApiError::invalid_field(
                "current",
                "your own password is changed with the one before",
            )
        })?;
        app.prove_password(user.name.as_str(), current.0, &caller)
            .await?;
    } else {
        // Rights are judged in the command too; here they keep strangers from making us hash.
        viewer.needs_at(Permission::UserManage, None)?;
    }
    let advice = password::advice(&password.0).map(str::to_owned);
    let credential = app.change_password(&viewer, &user.name, password.0).await?;
    let mut response = Json(PasswordSet { advice }).into_response();
    if is_own && viewer.is_by_cookie() {
        let proof = Proof::Password {
            user: user.name,
            credential,
        };
        let (_, token) = app.sign_somebody_in(proof, None, &caller, &headers).await?;
        let cookie = app.session_cookie(&token, &caller);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A body without anything in it.
#[derive(Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

fn identity(view: IdentityView) -> Identity {
    Identity {
        issuer: view.issuer,
        subject: view.subject,
    }
}

impl App {
    /// Passwords are stored one after the other: of two that come at once, one holds and the other is gone.
    async fn passwords(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.sign_in().passwords.lock().await
    }

    async fn user(&self, user: &Name) -> ApiResult<User> {
        let found = self.store().user(user).await?;
        found.ok_or_else(|| unknown_user(user.as_str()))
    }

    /// A user, for whoever manages users and for the user; for others there is no such user.
    async fn managed(&self, viewer: &Viewer, given: &str) -> ApiResult<User> {
        let unknown = || unknown_user(given);
        let name: Name = given.parse().map_err(|_| unknown())?;
        if viewer.holder().user != name && viewer.needs_at(Permission::UserManage, None).is_err() {
            return Err(unknown());
        }
        self.store().user(&name).await?.ok_or_else(unknown)
    }

    async fn change_user(
        &self,
        viewer: &Viewer,
        given: &str,
        command: impl FnOnce(Name) -> Command,
    ) -> ApiResult<Json<UserView>> {
        let user = self.managed(viewer, given).await?.name;
        self.submit(viewer, command(user.clone()), None, |_, _| String::new())
            .await?;
        Ok(Json(views::signin::user(&self.user(&user).await?)))
    }

    /// Stores the hash of a new password beside the one that holds; it holds once a command names it.
    async fn store_password(&self, user: &Name, password: String) -> ApiResult<String> {
        password::check(user.as_str(), &password).map_err(|weak| {
            let error = ApiError::invalid_field("password", weak.to_string());
            let errors = error.problem.errors;
            ApiError::new("weak-password", format!("the password {weak}")).with_errors(errors)
        })?;
        let phc = self.sign_in().hasher.hash(password).await?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let credential = Credential {
            id: id.clone(),
            user: user.clone(),
            phc,
            at: self.now().as_microsecond(),
        };
        self.store().add_credential(credential).await?;
        Ok(id)
    }

    /// Removes what was stored for a command that was refused; if nobody knows, it stays until the next password.
    async fn forget_password(&self, error: &ApiError, credential: &str) {
        if error.problem.code == "outcome-unknown" {
            return;
        }
        if let Err(error) = self.store().remove_credential(credential).await {
            tracing::warn!(%error, "a password that nobody has could not be removed");
        }
    }

    async fn change_password(
        &self,
        viewer: &Viewer,
        user: &Name,
        password: String,
    ) -> ApiResult<String> {
        let _turn = self.passwords().await;
        let credential = self.store_password(user, password).await?;
        let command = Command::SetCredential {
            user: user.clone(),
            credential: credential.clone(),
        };
        let done = self
            .submit(viewer, command, None, |_, _| String::new())
            .await;
        if let Err(error) = &done {
            self.forget_password(error, &credential).await;
        }
        done?;
        if let Err(error) = self.store().keep_credential(user, Some(&credential)).await {
            tracing::warn!(%error, "an old password could not be removed");
        }
        Ok(credential)
    }
}

fn unknown_user(given: &str) -> ApiError {
    let given: String = given.chars().take(80).collect();
    ApiError::new("unknown-user", format!("user `{given}` does not exist"))
}
