//! Who asks: one choke point through which every request passes that is not on the public list (reliability.md, S6, S26).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use subtle::ConstantTimeEq;
use trainmaster_core::Actor;
use trainmaster_core::access::{Holder, Permission, Policy, Seen, TokenKind};
use trainmaster_core::ids::{Name, Owner};

use crate::error::{ApiError, ApiResult};
use crate::gate;
use crate::signin::caller::{Caller, no_form, same_origin};
use crate::signin::cookie;
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
    /// Whether a browser sent the token by itself.
    by_cookie: bool,
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

    /// Whether a browser sent the token by itself, in a cookie.
    pub(crate) fn is_by_cookie(&self) -> bool {
        self.0.by_cookie
    }

    /// Somebody who was let in just now.
    pub(crate) async fn fresh(app: &App, holder: &Holder) -> ApiResult<Viewer> {
        Ok(Viewer(Arc::new(Known {
            holder: holder.clone(),
            policy: app.policy().await?,
            by_cookie: false,
        })))
    }

    /// The same viewer with the rights of this moment; none once the token lets nobody in any more.
    ///
    /// As long as nothing about people has changed, nothing is read.
    pub(crate) async fn renewed(&self, app: &App) -> Option<Viewer> {
        let policy = app.policy().await.ok()?;
        if Arc::ptr_eq(&policy, self.policy()) {
            return Some(self.clone());
        }
        let holder = app.holder_by_digest(&self.holder().digest).await.ok()??;
        let is_in = policy.lets_in(&holder, app.now());
        is_in.then(|| {
            Viewer(Arc::new(Known {
                holder,
                policy,
                by_cookie: self.0.by_cookie,
            }))
        })
    }

    /// Refuses a viewer that does not have a permission for everything in a place.
    pub(crate) fn needs_at(
        &self,
        permission: Permission,
        organization: Option<&Name>,
    ) -> ApiResult<()> {
        if self.may(permission, organization) {
            return Ok(());
        }
        Err(ApiError::new(
            "forbidden",
            format!("you need the permission `{permission}`"),
        ))
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
///
/// A change that comes with a cookie must come from a page of this server (reliability.md, S18).
pub(crate) async fn require(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let viewer = match admit(&app, caller, request.method(), request.headers()).await {
        Ok(viewer) => viewer,
        Err(error) => return error.into_response(),
    };
    if let Err(refusal) = gate::pass(&viewer, &request) {
        let operation = format!("{} {}", request.method(), request.uri().path());
        app.note_refusal(&viewer, &operation, &refusal).await;
        return refusal.into_response();
    }
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

async fn admit(
    app: &App,
    caller: Option<Caller>,
    method: &Method,
    headers: &HeaderMap,
) -> ApiResult<Viewer> {
    let caller = caller.ok_or_else(|| {
        ApiError::internal("a guarded route lies outside of what finds out who calls")
    })?;
    let viewer = authenticate(app, &caller, headers).await?;
    if viewer.is_by_cookie() && !method.is_safe() {
        let public_url = app.options().sign_in.public_url.as_ref();
        same_origin(&caller, public_url, headers)?;
        no_form(headers, method)?;
    }
    let token = viewer.holder().token;
    app.limiter()
        .take(token, Instant::now())
        .map_err(|seconds| {
            let detail = "this token sends more requests than are taken from one token";
            ApiError::new("too-many-requests", detail).retry_after(seconds)
        })?;
    app.note_use(token, &caller.source);
    Ok(viewer)
}

/// Who asks: the holder of the token in the header, else the browser's session.
pub(crate) async fn authenticate(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
) -> ApiResult<Viewer> {
    let session = cookie::read(headers, cookie::SESSION, caller.channel);
    let (token, by_cookie) = match (headers.contains_key(header::AUTHORIZATION), session) {
        (false, Some(session)) => {
            let broken =
                || ApiError::new("unauthenticated", "sign in: the cookie holds no session");
            (Token::parse(session).ok_or_else(broken)?, true)
        }
        (true, _) | (false, None) => (bearer(headers)?, false),
    };
    let viewer = viewer(app, &token, by_cookie).await?;
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
    let viewer = viewer(app, &token, false).await?;
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

async fn viewer(app: &App, token: &Token, by_cookie: bool) -> ApiResult<Viewer> {
    let digest = token.digest();
    // Rights first: what the token is found to be was so no earlier than what its user may do.
    let policy = app.policy().await?;
    let holder = app.holder_by_digest(&digest).await?;
    let known =
        holder.filter(|holder| bool::from(holder.digest.as_bytes().ct_eq(digest.as_bytes())));
    // A browser's session is no use to programs, and a program's token none to browsers.
    let fits = |holder: &Holder| (holder.kind == TokenKind::Session) == by_cookie;
    let invalid = || ApiError::new("invalid-token", "the token is unknown, expired or revoked");
    let holder = known
        .filter(|holder| fits(holder) && policy.lets_in(holder, app.now()))
        .ok_or_else(invalid)?;
    if app
        .idle_end(&holder)
        .await?
        .is_some_and(|end| end <= app.now())
    {
        let detail = "the session was not used for too long; sign in again";
        return Err(ApiError::new("invalid-token", detail));
    }
    Ok(Viewer(Arc::new(Known {
        holder,
        policy,
        by_cookie,
    })))
}

impl App {
    /// When a session ends because nobody uses it; none for other tokens.
    pub(crate) async fn idle_end(&self, holder: &Holder) -> ApiResult<Option<Timestamp>> {
        if holder.kind != TokenKind::Session {
            return Ok(None);
        }
        let used = self.last_use(holder.token).await?;
        let used = used.unwrap_or(holder.issued_at).max(holder.issued_at);
        let end = used.saturating_add(self.options().sign_in.session_idle);
        Ok(Some(end.unwrap_or(Timestamp::MAX)))
    }
}

fn bearer(headers: &HeaderMap) -> ApiResult<Token> {
    let refused = |detail: &str| ApiError::new("unauthenticated", detail);
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("sign in, or send `Authorization: Bearer tm_…`"));
    };
    let text = value.to_str().unwrap_or_default();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => return Err(refused("send `Authorization: Bearer tm_…`")),
    };
    Token::parse(token).ok_or_else(|| refused("this is no token: letters are missing or mistyped"))
}
