//! Who asks: one choke point through which every request passes that is not on the public list (reliability.md, S6, S26).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use trainmaster_core::Actor;
use trainmaster_core::access::{Holder, Permission, Policy, Seen, TokenKind};
use trainmaster_core::ids::{Name, Owner};

use crate::error::{ApiError, ApiResult};
use crate::gate;
use crate::state::App;
use crate::token::Token;

/// Who asks, found valid when the request came in, and let through the door of the route.
///
/// Only [`require`] makes one for a handler, so a handler that takes a viewer cannot be reached without a token,
/// nor without what [`gate`] says that its route takes.
#[derive(Clone, Debug)]
pub(crate) struct Viewer(Arc<Known>);

#[derive(Debug)]
struct Known {
    holder: Holder,
    /// Who may do what, as of the moment the request came in.
    policy: Arc<Policy>,
}

impl Viewer {
    /// The token's holder.
    pub(crate) fn holder(&self) -> &Holder {
        &self.0.holder
    }

    /// Who may do what, as of the moment the request came in.
    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.0.policy
    }

    /// The viewer as the one who asks for a change.
    pub(crate) fn actor(&self) -> Actor {
        Actor::Token(self.holder().token)
    }

    /// Whether the viewer may see what belongs there; what it may not see does not exist for it.
    pub(crate) fn sees(&self, organization: Option<&Name>) -> bool {
        self.may(Permission::Read, organization)
    }

    /// What the viewer may see.
    pub(crate) fn seen(&self) -> Seen {
        self.policy().seen(self.holder())
    }

    /// Whether the viewer may do something to everything that belongs there.
    pub(crate) fn may(&self, permission: Permission, organization: Option<&Name>) -> bool {
        self.policy().may(self.holder(), permission, organization)
    }

    /// Everything that names the viewer: as a person, by team, by role.
    pub(crate) fn names(&self) -> Vec<Owner> {
        self.policy().names_of(self.holder())
    }

    /// Whether the viewer may do something somewhere, be it only to what it owns.
    pub(crate) fn may_somewhere(&self, permission: Permission) -> bool {
        self.policy().may_somewhere(self.holder(), permission)
    }

    /// Refuses a viewer that has a permission nowhere.
    pub(crate) fn needs(&self, permission: Permission) -> ApiResult<()> {
        if self.may_somewhere(permission) {
            return Ok(());
        }
        Err(ApiError::new(
            "forbidden",
            format!("you need the permission `{permission}`"),
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let viewer = parts.extensions.get::<Viewer>().cloned();
        viewer.ok_or_else(|| {
            ApiError::internal("a route that needs a viewer lies outside the guarded part")
        })
    }
}

/// Lets a request through if its token is valid and does not come too often.
pub(crate) async fn require(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let viewer = match authenticate(&app, request.headers()).await {
        Ok(viewer) => viewer,
        Err(error) => return error.into_response(),
    };
    if let Err(seconds) = app.limiter().take(viewer.holder().token, Instant::now()) {
        let detail = "this token sends more requests than are taken from one token";
        return ApiError::new("too-many-requests", detail)
            .retry_after(seconds)
            .into_response();
    }
    if let Err(refusal) = gate::pass(&viewer, &request) {
        let operation = format!("{} {}", request.method(), request.uri().path());
        app.note_refusal(&viewer, &operation, &refusal).await;
        return refusal.into_response();
    }
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

pub(crate) async fn authenticate(app: &App, headers: &HeaderMap) -> ApiResult<Viewer> {
    let viewer = viewer(app, &bearer(headers)?).await?;
    match viewer.holder().kind {
        // Whoever finds the address of a feed sees that calendar and can do nothing with it.
        TokenKind::Feed => Err(ApiError::new(
            "invalid-token",
            "this token opens a calendar feed and nothing else",
        )),
        TokenKind::Service | TokenKind::Personal | TokenKind::Session => Ok(viewer),
    }
}

/// Who subscribed to a calendar feed, by the feed's token; it does not come too often.
pub(crate) async fn subscriber(app: &App, token: &str) -> ApiResult<Viewer> {
    let refused = || ApiError::new("invalid-token", "the feed is unknown, expired or revoked");
    let token = Token::parse(token).ok_or_else(refused)?;
    let viewer = viewer(app, &token).await?;
    if viewer.holder().kind != TokenKind::Feed {
        return Err(refused());
    }
    match app.limiter().take(viewer.holder().token, Instant::now()) {
        Ok(()) => Ok(viewer),
        Err(seconds) => {
            let detail = "this feed is read more often than it may be";
            Err(ApiError::new("too-many-requests", detail).retry_after(seconds))
        }
    }
}

async fn viewer(app: &App, token: &Token) -> ApiResult<Viewer> {
    let digest = token.digest();
    // Rights first: what the token is found to be was so no earlier than what its user may do.
    let policy = app.policy().await?;
    let holder = app.holder_by_digest(&digest).await?;
    let known =
        holder.filter(|holder| bool::from(holder.digest.as_bytes().ct_eq(digest.as_bytes())));
    match known {
        Some(holder) if policy.lets_in(&holder, app.now()) => {
            Ok(Viewer(Arc::new(Known { holder, policy })))
        }
        Some(_) | None => Err(ApiError::new(
            "invalid-token",
            "the token is unknown, expired or revoked",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> ApiResult<Token> {
    let refused = |detail: &str| ApiError::new("unauthenticated", detail);
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("send `Authorization: Bearer tm_…`"));
    };
    let text = value.to_str().unwrap_or_default();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => return Err(refused("send `Authorization: Bearer tm_…`")),
    };
    Token::parse(token).ok_or_else(|| refused("this is no token: letters are missing or mistyped"))
}
