//! Signing in with a password, out again, and everything somebody is signed in with.

use std::time::Instant;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use trainmaster_api::{CreatePersonalToken, CreateSession, SessionList, SessionView, SignedIn};
use trainmaster_core::Command;
use trainmaster_core::access::{Holder, Permission, TokenKind, TokenScope, User};
use trainmaster_core::command::NewToken;
use trainmaster_core::ids::{Name, TokenId};
use trainmaster_core::signin::{Proof, SignIn, SignInMethod};

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, instant, name_of};
use crate::signin::caller::{Caller, Channel, same_origin};
use crate::signin::cookie;
use crate::signin::hasher::Compared;
use crate::state::{App, refused};
use crate::token::Token;
use crate::views;

/// Longest name that is looked up, in bytes.
const TYPED_BYTES_MAX: usize = 256;
/// What is kept of a browser's own description, in characters.
const BROWSER_CHARACTERS_MAX: usize = 120;

/// Sign in with a password: a browser gets a session's cookie, a program asks for a personal token.
///
/// Whoever has failed too often waits; the answer says how long. Unknown users and wrong passwords answer alike.
#[utoipa::path(post, path = "/api/v1/session", tag = "sign-in", request_body = CreateSession, security(()),
    responses((status = 201, description = "Signed in", body = SignedIn),
        (status = 401, description = "`sign-in-refused`"), (status = 403, description = "`cross-origin` or `insecure-connection`"),
        (status = 429, description = "Too many tries")))]
pub(crate) async fn create_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    payload: Payload<CreateSession>,
) -> ApiResult<Response> {
    app.admit(&caller, &headers)?;
    let body = payload.body;
    let wanted = body
        .token
        .map(|wanted| Wanted::read(&app, wanted))
        .transpose()?;
    let (user, credential) = app
        .prove_password(&body.user, body.password.0, &caller)
        .await?;
    let proof = Proof::Password { user, credential };
    app.let_in(proof, wanted, &caller, &headers).await
}

/// Who is signed in here.
#[utoipa::path(get, path = "/api/v1/session", tag = "sign-in",
    responses((status = 200, description = "The sign-in that asks", body = SessionView)))]
pub(crate) async fn get_session(
    State(app): State<App>,
    viewer: Viewer,
) -> ApiResult<Json<SessionView>> {
    let views = app.session_views(&[viewer.holder()], &viewer).await?;
    let view = views.into_iter().next();
    view.map(Json).ok_or_else(ApiError::not_found)
}

/// Sign out: the session or token that asks ends at once, with its open streams.
#[utoipa::path(delete, path = "/api/v1/session", tag = "sign-in",
    responses((status = 204, description = "It lets nobody in any more")))]
pub(crate) async fn delete_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    viewer: Viewer,
) -> ApiResult<Response> {
    app.end_token(&viewer, viewer.holder().token).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if viewer.is_by_cookie() {
        let clear = cookie::clear(cookie::SESSION, caller.channel);
        response.headers_mut().append(header::SET_COOKIE, clear);
    }
    Ok(response)
}

/// Your own browser sessions that are open, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "sign-in",
    responses((status = 200, description = "All of them", body = SessionList)))]
pub(crate) async fn list_sessions(
    State(app): State<App>,
    viewer: Viewer,
) -> ApiResult<Json<SessionList>> {
    app.own(&viewer, TokenKind::Session).await
}

/// End one of your own sessions.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "sign-in",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 204, description = "It lets nobody in any more")))]
pub(crate) async fn delete_session_by_id(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    app.end_own(&viewer, &id, TokenKind::Session).await
}

/// Your own personal tokens that still hold, newest first.
#[utoipa::path(get, path = "/api/v1/personal-tokens", tag = "sign-in",
    responses((status = 200, description = "All of them", body = SessionList)))]
pub(crate) async fn list_personal_tokens(
    State(app): State<App>,
    viewer: Viewer,
) -> ApiResult<Json<SessionList>> {
    app.own(&viewer, TokenKind::Personal).await
}

/// Make a personal token; it is shown in this answer only.
#[utoipa::path(post, path = "/api/v1/personal-tokens", tag = "sign-in", request_body = CreatePersonalToken,
    responses((status = 201, description = "The token, shown once", body = SignedIn)))]
pub(crate) async fn create_personal_token(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<CreatePersonalToken>,
) -> ApiResult<Response> {
    let wanted = Wanted::read(&app, payload.body)?;
    let token = Token::generate().map_err(ApiError::internal)?;
    let command = Command::IssueToken(NewToken {
        digest: token.digest(),
        user: viewer.holder().user.clone(),
        teams: Vec::new(),
        roles: Vec::new(),
        organization: None,
        kind: TokenKind::Personal,
        scope: wanted.scope,
        expires_at: Some(wanted.expires_at),
        description: wanted.description,
    });
    // Not by idempotency key: the token of a first answer could not be shown again.
    app.submit(&viewer, command, None, |_, _| String::new())
        .await?;
    let holder = app.holder_by_digest(&token.digest()).await?;
    let holder = holder.ok_or_else(|| ApiError::internal("a token was issued and is not there"))?;
    app.signed_in(&holder, &viewer, Some(&token)).await
}

/// End one of your own personal tokens.
#[utoipa::path(delete, path = "/api/v1/personal-tokens/{id}", tag = "sign-in",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "It lets nobody in any more")))]
pub(crate) async fn delete_personal_token(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    app.end_own(&viewer, &id, TokenKind::Personal).await
}

/// A personal token as it was asked for.
pub(crate) struct Wanted {
    scope: Option<TokenScope>,
    expires_at: Timestamp,
    description: String,
}

impl Wanted {
    fn read(app: &App, body: CreatePersonalToken) -> ApiResult<Wanted> {
        let permission = |word: &String| {
            let mut known = Permission::ALL.into_iter();
            let found = known.find(|permission| permission.as_str() == word);
            found.ok_or_else(|| {
                ApiError::invalid_field("permissions", "each must be a permission of `whoami`")
            })
        };
        let permissions = body
            .permissions
            .map(|words| words.iter().map(permission).collect::<ApiResult<_>>());
        let scope = TokenScope {
            permissions: permissions.transpose()?,
            organization: name_of("organization", body.organization.as_deref())?,
        };
        let expires_at = instant("expiresAt", &body.expires_at)?;
        if expires_at <= app.now() {
            return Err(ApiError::invalid_field("expiresAt", "lies in the past"));
        }
        Ok(Wanted {
            scope: (scope != TokenScope::default()).then_some(scope),
            expires_at,
            description: body.description,
        })
    }
}

/// The answer to everybody who is not let in, whatever the reason.
pub(crate) fn sign_in_refused() -> ApiError {
    ApiError::new("sign-in-refused", "the user or the password is wrong")
}

impl App {
    /// Refuses a try to sign in that comes by a way that can be overheard, from another page, or too often.
    pub(crate) fn admit(&self, caller: &Caller, headers: &HeaderMap) -> ApiResult<()> {
        let sources = &self.sign_in().sources;
        if let Err(seconds) = sources.take(caller.source.clone(), Instant::now()) {
            let detail = "this address tries to sign in too often";
            return Err(ApiError::new("too-many-requests", detail).retry_after(seconds));
        }
        if caller.channel == Channel::Plain {
            let detail = "passwords and sessions are taken over https, or within the machine";
            return Err(ApiError::new("insecure-connection", detail));
        }
        // A browser says where it comes from; other programs have no cookie that somebody could misuse.
        let is_browser =
            headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
        match is_browser {
            true => same_origin(caller, self.options().sign_in.public_url.as_ref(), headers),
            false => Ok(()),
        }
    }

    /// Finds out whether a password is a user's; the same work is done for a name that nobody has.
    pub(crate) async fn prove_password(
        &self,
        typed: &str,
        password: String,
        caller: &Caller,
    ) -> ApiResult<(Name, String)> {
        if typed.len() > TYPED_BYTES_MAX
            || password.len() > trainmaster_core::signin::password::BYTES_MAX
        {
            return Err(sign_in_refused());
        }
        let user = match typed.parse::<Name>() {
            Ok(name) => self.store().user(&name).await?,
            Err(_) => None,
        };
        let account = user.as_ref().map(|user| &user.name);
        let this_try = self.begin_try(typed, account, &caller.source).await?;
        let credential = user.as_ref().and_then(|user| user.credential.clone());
        let stored = self
            .store()
            .credential(credential.as_deref().unwrap_or_default())
            .await?;
        let compared = self
            .sign_in()
            .hasher
            .compare(password.clone(), stored.clone())
            .await?;
        let is_open = user.as_ref().is_some_and(|user: &User| !user.disabled);
        if compared == Compared::Wrong || !is_open {
            let reason = match (&user, compared) {
                (None, _) => "there is no such user",
                (Some(_), Compared::Wrong) => "the password is wrong",
                (Some(_), _) => "the user is disabled",
            };
            self.fail_try(&this_try, SignInMethod::Password, reason)
                .await;
            return Err(sign_in_refused());
        }
        let (Some(user), Some(credential), Some(stored)) = (user, credential, stored) else {
            return Err(sign_in_refused());
        };
        self.end_try(this_try).await?;
        if compared == Compared::Outdated {
            let better = self.sign_in().hasher.hash(password).await?;
            self.store()
                .replace_hash(&credential, &stored, &better)
                .await?;
        }
        Ok((user.name, credential))
    }

    /// Makes the session or the personal token of somebody who has proven who they are.
    pub(crate) async fn let_in(
        &self,
        proof: Proof,
        wanted: Option<Wanted>,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> ApiResult<Response> {
        let is_session = wanted.is_none();
        let (holder, token) = self
            .sign_somebody_in(proof, wanted, caller, headers)
            .await?;
        let viewer = Viewer::fresh(self, &holder).await?;
        let shown = (!is_session).then_some(&token);
        let mut response = self.signed_in(&holder, &viewer, shown).await?;
        if is_session {
            let cookie = self.session_cookie(&token, caller);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// The cookie of a new session.
    pub(crate) fn session_cookie(&self, token: &Token, caller: &Caller) -> HeaderValue {
        let seconds = self.options().sign_in.session_max.as_secs();
        cookie::set(cookie::SESSION, token.reveal(), caller.channel, seconds)
    }

    /// Makes a token for somebody who has proven who they are.
    pub(crate) async fn sign_somebody_in(
        &self,
        proof: Proof,
        wanted: Option<Wanted>,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> ApiResult<(Holder, Token)> {
        let token = Token::generate().map_err(ApiError::internal)?;
        let sign_in = match wanted {
            Some(wanted) => SignIn {
                proof,
                source: caller.source.clone(),
                digest: token.digest(),
                kind: TokenKind::Personal,
                scope: wanted.scope,
                expires_at: wanted.expires_at,
                description: wanted.description,
                replaces: None,
            },
            None => SignIn {
                proof,
                source: caller.source.clone(),
                digest: token.digest(),
                kind: TokenKind::Session,
                scope: None,
                expires_at: self.now() + self.options().sign_in.session_max,
                description: browser(headers),
                replaces: self
                    .session_of(caller, headers)
                    .await?
                    .map(|holder| holder.token),
            },
        };
        let request = trainmaster_engine::Request::system(Command::SignIn(Box::new(sign_in)));
        self.engine().submit(request).await.map_err(refused)?;
        let holder = self.holder_by_digest(&token.digest()).await?;
        let holder = holder.ok_or_else(|| ApiError::internal("a sign-in is not there"))?;
        self.note_use(holder.token, &caller.source);
        Ok((holder, token))
    }

    /// The session that a browser shows, whether it still holds or not.
    async fn session_of(&self, caller: &Caller, headers: &HeaderMap) -> ApiResult<Option<Holder>> {
        let shown = cookie::read(headers, cookie::SESSION, caller.channel).and_then(Token::parse);
        match shown {
            Some(token) => self.holder_by_digest(&token.digest()).await,
            None => Ok(None),
        }
    }

    async fn signed_in(
        &self,
        holder: &Holder,
        viewer: &Viewer,
        token: Option<&Token>,
    ) -> ApiResult<Response> {
        let views = self.session_views(&[holder], viewer).await?;
        let view = views.into_iter().next().ok_or_else(ApiError::not_found)?;
        let token = token.map(|token| token.reveal().to_owned());
        Ok((StatusCode::CREATED, Json(SignedIn { view, token })).into_response())
    }

    /// The viewer's own tokens of one kind that still hold.
    async fn own(&self, viewer: &Viewer, kind: TokenKind) -> ApiResult<Json<SessionList>> {
        let now = self.now();
        let mut holders = self.store().tokens_of(&viewer.holder().user).await?;
        holders.retain(|holder| holder.kind == kind && holder.is_valid(now));
        let shown: Vec<&Holder> = holders.iter().collect();
        let mut items = self.session_views(&shown, viewer).await?;
        if kind == TokenKind::Session {
            let idle = self.options().sign_in.session_idle;
            items.retain(|item| item.current || !is_idle(item, now, idle));
        }
        Ok(Json(SessionList { items }))
    }

    async fn end_own(&self, viewer: &Viewer, id: &str, kind: TokenKind) -> ApiResult<StatusCode> {
        let shown: String = id.chars().take(40).collect();
        let unknown = || ApiError::new("unknown-token", format!("token `{shown}` does not exist"));
        let token: TokenId = id.parse().map_err(|_| unknown())?;
        let holders = self.store().tokens_of(&viewer.holder().user).await?;
        let mut own = holders.iter().filter(|holder| holder.kind == kind);
        own.find(|holder| holder.token == token)
            .ok_or_else(unknown)?;
        self.end_token(viewer, token).await?;
        Ok(StatusCode::NO_CONTENT)
    }

    async fn end_token(&self, viewer: &Viewer, token: TokenId) -> ApiResult<()> {
        let command = Command::RevokeToken { token };
        self.submit(viewer, command, None, |_, _| String::new())
            .await?;
        Ok(())
    }

    async fn session_views(
        &self,
        holders: &[&Holder],
        viewer: &Viewer,
    ) -> ApiResult<Vec<SessionView>> {
        let tokens: Vec<TokenId> = holders.iter().map(|holder| holder.token).collect();
        let uses = self.uses_of(&tokens).await?;
        let view = |holder: &&Holder| {
            let used = uses.get(&holder.token);
            let is_current = holder.token == viewer.holder().token;
            views::signin::session(holder, is_current, used)
        };
        Ok(holders.iter().map(view).collect())
    }
}

fn is_idle(item: &SessionView, now: Timestamp, idle: SignedDuration) -> bool {
    let used = item.last_used_at.as_ref().unwrap_or(&item.issued_at);
    used.parse::<Timestamp>()
        .is_ok_and(|used| now.duration_since(used) >= idle)
}

/// What the browser calls itself, as far as it is harmless.
fn browser(headers: &HeaderMap) -> String {
    let text = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let harmless = text.chars().filter(|letter| !letter.is_control());
    harmless.take(BROWSER_CHARACTERS_MAX).collect()
}
