//! Tokens: who gets in, with which roles, until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use trainmaster_api::{CreateToken, IssuedToken, Page, TokenView, Whoami};
use trainmaster_core::access::{Holder, Permission};
use trainmaster_core::command::NewToken;
use trainmaster_core::ids::TokenId;
use trainmaster_core::{Change, Command, Event, World};

use super::people::ListPage;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, instant, name, name_of};
use crate::state::App;
use crate::token::Token;
use crate::views::{self, words};

/// Tokens that the viewer manages, newest first.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(ListPage),
    responses((status = 200, description = "One page", body = Page<TokenView>)))]
pub(crate) async fn list_tokens(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<ListPage>,
) -> ApiResult<Json<Page<TokenView>>> {
    let (as_of, now) = (app.position(), app.now());
    let found = app.store().list_tokens(&query.request()?).await?;
    let managed = found.items.iter().filter(|holder| manages(&viewer, holder));
    let items = managed
        .map(|holder| views::token::token(holder, now))
        .collect();
    Ok(Json(Page {
        items,
        next: found.next,
        as_of,
    }))
}

fn manages(viewer: &Viewer, holder: &Holder) -> bool {
    viewer.may(Permission::TokenManage, holder.organization.as_ref())
}

/// Make a token; it is shown in this answer only.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = CreateToken,
    responses((status = 201, description = "The token, shown once", body = IssuedToken)))]
pub(crate) async fn create_token(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<CreateToken>,
) -> ApiResult<Response> {
    let token = Token::generate().map_err(ApiError::internal)?;
    let command = Command::IssueToken(new_token(payload.body, token.digest())?);
    let now = app.now();
    // The stored answer must not hold the token, so a repetition gets the view without it.
    let is_new = Arc::new(AtomicBool::new(false));
    let issued = is_new.clone();
    let answer = move |world: &World, events: &[Event]| {
        issued.store(true, Ordering::Release);
        let id = events.iter().find_map(|event| match &event.change {
            Change::TokenIssued { token, .. } => Some(*token),
            _ => None,
        });
        let holder = id.and_then(|id| world.holder(id));
        serde_json::to_string(&holder.map(|holder| views::token::token(holder, now)))
            .unwrap_or_default()
    };
    let answer = app.submit(&viewer, command, payload.repeat, answer).await?;
    let view: TokenView = serde_json::from_str(&answer.body).map_err(ApiError::internal)?;
    let token = is_new
        .load(Ordering::Acquire)
        .then(|| token.reveal().to_owned());
    Ok((StatusCode::CREATED, Json(IssuedToken { view, token })).into_response())
}

fn new_token(body: CreateToken, digest: String) -> ApiResult<NewToken> {
    let teams = body.teams.iter().map(|team| name("teams", team));
    Ok(NewToken {
        digest,
        user: name("user", &body.user)?,
        teams: teams.collect::<ApiResult<_>>()?,
        roles: body.roles.into_iter().map(words::role_asked).collect(),
        organization: name_of("organization", body.organization.as_deref())?,
        kind: trainmaster_core::access::TokenKind::Service,
        scope: None,
        expires_at: Some(instant("expiresAt", &body.expires_at)?),
        description: body.description,
    })
}

/// End a token at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "It lets nobody in any more")))]
pub(crate) async fn revoke_token(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let shown: String = id.chars().take(40).collect();
    let unknown = || ApiError::new("unknown-token", format!("token `{shown}` does not exist"));
    let token: TokenId = id.parse().map_err(|_| unknown())?;
    // Everybody may end the token in their own hand; others need the permission where it holds.
    if token != viewer.holder().token {
        let right = viewer.needs(Permission::TokenManage);
        app.noted(&viewer, "RevokeToken", right).await?;
        let holder = app.holder(token).await?;
        holder
            .filter(|holder| manages(&viewer, holder))
            .ok_or_else(unknown)?;
    }
    app.submit(&viewer, Command::RevokeToken { token }, None, |_, _| {
        String::new()
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who the caller is.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "tokens",
    responses((status = 200, description = "The caller's token and what it grants", body = Whoami)))]
pub(crate) async fn whoami(State(app): State<App>, viewer: Viewer) -> Json<Whoami> {
    Json(views::token::whoami(&viewer, app.now()))
}
