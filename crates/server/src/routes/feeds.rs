//! Calendar feeds: addresses that another calendar subscribes to, each with a token that opens nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use trainmaster_api::{CreateFeed, FeedView, IssuedFeed, Page};
use trainmaster_core::access::{Holder, Permission, TokenKind, TokenScope};
use trainmaster_core::calendar::show::CANCELLED_TOLD;
use trainmaster_core::calendar::span::Span;
use trainmaster_core::command::NewToken;
use trainmaster_core::ids::TokenId;
use trainmaster_core::{Change, Command, Event, World};
use trainmaster_store::read::{self, PageRequest};

use super::calendar::FilterCalendar;
use crate::auth::{self, Viewer};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, instant_of, none_match};
use crate::rows;
use crate::state::App;
use crate::token::{Token, hex};
use crate::views::{calendar, ical};

/// How far back a feed reaches.
const BACK: SignedDuration = SignedDuration::from_hours(24 * 60);
/// How far ahead a feed reaches.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 400);
/// How many releases a feed holds at most, the earliest first.
const EVENTS_MAX: u64 = 2_000;
/// How long a feed answers if nobody says.
const LIFE_DEFAULT: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Which releases, and the feed's token.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ReadFeed {
    /// The feed's token.
    token: String,
    #[serde(flatten)]
    #[param(ignore)]
    filter: FilterCalendar,
}

/// Releases from two months ago until a year ahead, for other calendars.
#[utoipa::path(get, path = "/api/v1/calendar.ics", tag = "calendar", params(ReadFeed, FilterCalendar), security(()),
    responses((status = 200, description = "iCalendar (RFC 5545)", content_type = "text/calendar", body = String),
        (status = 304, description = "It is as the `If-None-Match` says")))]
pub(crate) async fn read_feed(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<ReadFeed>,
) -> ApiResult<Response> {
    let viewer = auth::subscriber(&app, &query.token).await?;
    let now = app.now();
    let mut filter = query.filter.read(&viewer)?;
    filter.announced = true;
    // A cancelled release is a draft again, which subscribers have to learn of.
    if !filter.statuses.is_empty() && query.filter.shows_every_status() {
        filter.statuses.clear();
    }
    let back = now.checked_sub(BACK).unwrap_or(now);
    let range = Span::new(back, now.checked_add(AHEAD).unwrap_or(now));
    let found = app
        .store()
        .calendar_rows(&filter, range, now, EVENTS_MAX)
        .await?;
    let organizations = rows::organizations(&viewer, None)?;
    let since = now.checked_sub(CANCELLED_TOLD).unwrap_or(now);
    let gone = app
        .store()
        .calendar_gone(organizations.as_deref(), since, EVENTS_MAX)
        .await?;
    let text = ical::feed(&app.installation().await?, &found, &gone, now);
    let tag = format!("\"{}\"", hex(&Sha256::digest(text.as_bytes())[..16]));
    let mut response = match none_match(&headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => text.into_response(),
    };
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(
        header::ETAG,
        HeaderValue::from_str(&tag).map_err(ApiError::internal)?,
    );
    Ok(response)
}

impl App {
    /// Tells this installation from others: the beginning of its first record's hash, which never changes.
    async fn installation(&self) -> ApiResult<String> {
        let first = trainmaster_engine::ports::Store::events_after(self.store(), 0, 1).await?;
        let hash = first.first().map(|record| record.hash.as_str());
        Ok(hash.unwrap_or_default().chars().take(12).collect())
    }
}

/// Make a feed for oneself; its address is shown in this answer only.
#[utoipa::path(post, path = "/api/v1/calendar/feeds", tag = "calendar", request_body = CreateFeed,
    responses((status = 201, description = "The feed, its address shown once", body = IssuedFeed)))]
pub(crate) async fn create_feed(
    State(app): State<App>,
    viewer: Viewer,
    payload: Payload<CreateFeed>,
) -> ApiResult<Response> {
    let token = Token::generate().map_err(ApiError::internal)?;
    let now = app.now();
    let mut new = new_feed(viewer.holder(), payload.body, token.digest())?;
    new.expires_at = new.expires_at.or(now.checked_add(LIFE_DEFAULT).ok());
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
        serde_json::to_string(&holder.map(|holder| calendar::feed(holder, now))).unwrap_or_default()
    };
    let command = Command::IssueToken(new);
    let answer = app.submit(&viewer, command, payload.repeat, answer).await?;
    let view: FeedView = serde_json::from_str(&answer.body).map_err(ApiError::internal)?;
    let path = is_new
        .load(Ordering::Acquire)
        .then(|| format!("/api/v1/calendar.ics?token={}", token.reveal()));
    Ok((StatusCode::CREATED, Json(IssuedFeed { view, path })).into_response())
}

/// A token that sees what the one it is asked with sees, and opens nothing but feeds.
fn new_feed(holder: &Holder, body: CreateFeed, digest: String) -> ApiResult<NewToken> {
    let copied = !holder.follows_its_user();
    let within = holder.scope.as_ref();
    Ok(NewToken {
        digest,
        user: holder.user.clone(),
        teams: if copied {
            holder.teams.clone()
        } else {
            Vec::new()
        },
        roles: if copied {
            holder.roles.clone()
        } else {
            Vec::new()
        },
        organization: holder.organization.clone().filter(|_| copied),
        kind: TokenKind::Feed,
        scope: Some(TokenScope {
            permissions: Some([Permission::Read].into()),
            organization: within.and_then(|scope| scope.organization.clone()),
        }),
        expires_at: instant_of("expiresAt", body.expires_at.as_deref())?,
        description: body.description,
    })
}

/// One's own feeds that still answer, newest first.
#[utoipa::path(get, path = "/api/v1/calendar/feeds", tag = "calendar",
    responses((status = 200, description = "The feeds", body = Page<FeedView>)))]
pub(crate) async fn list_feeds(
    State(app): State<App>,
    viewer: Viewer,
) -> ApiResult<Json<Page<FeedView>>> {
    let (as_of, now) = (app.position(), app.now());
    let mut items = Vec::new();
    let mut page = PageRequest::first(read::LIMIT_MAX);
    loop {
        let found = app.store().list_tokens(&page).await?;
        let own = found
            .items
            .iter()
            .filter(|holder| is_feed_of(&viewer, holder) && holder.is_valid(now));
        items.extend(own.map(|holder| calendar::feed(holder, now)));
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => break,
        }
    }
    Ok(Json(Page {
        items,
        next: None,
        as_of,
    }))
}

fn is_feed_of(viewer: &Viewer, holder: &Holder) -> bool {
    holder.kind == TokenKind::Feed && holder.user == viewer.holder().user
}

/// End a feed at once.
#[utoipa::path(delete, path = "/api/v1/calendar/feeds/{id}", tag = "calendar",
    params(("id" = String, Path, description = "The feed's id")),
    responses((status = 204, description = "It does not answer any more")))]
pub(crate) async fn revoke_feed(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let shown: String = id.chars().take(40).collect();
    let unknown = || ApiError::new("unknown-token", format!("feed `{shown}` does not exist"));
    let token: TokenId = id.parse().map_err(|_| unknown())?;
    let holder = app.holder(token).await?;
    holder
        .filter(|holder| is_feed_of(&viewer, holder))
        .ok_or_else(unknown)?;
    let command = Command::RevokeToken { token };
    app.submit(&viewer, command, None, |_, _| String::new())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
