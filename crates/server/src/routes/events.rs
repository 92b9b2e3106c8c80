//! What happened: one release's events as pages, and everything live.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use trainmaster_api::{EventView, Page};
use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::Subscription;
use trainmaster_store::read::{JournalFilter, JournalOrder};

use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Query, release_id};
use crate::rows;
use crate::shown::Shown;
use crate::state::App;
use crate::views;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How often something is sent although nothing happens, so that a broken line is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events of a release.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListEvents {
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only about this activity, written `phase/activity`.
    path: Option<String>,
    /// Only of this type.
    r#type: Option<String>,
    /// `oldest` (the default) or `newest`.
    order: Option<String>,
}

/// What happened to a release, the oldest first.
#[utoipa::path(get, path = "/api/v1/releases/{id}/events", tag = "events",
    params(("id" = String, Path, description = "The release's id"), ListEvents),
    responses((status = 200, description = "One page", body = Page<EventView>)))]
pub(crate) async fn list_release_events(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(query): Query<ListEvents>,
) -> ApiResult<Json<Page<EventView>>> {
    let id = release_id(&id)?;
    let as_of = app.position();
    let page = rows::page(query.limit, query.cursor)?;
    let path = query.path.as_deref().map(str::parse).transpose();
    let filter = JournalFilter {
        release: Some(id),
        path: path.map_err(|_| {
            ApiError::invalid_query("path", "must be a path such as `build/compile`")
        })?,
        kind: query.r#type,
        order: match query.order.as_deref() {
            None | Some("oldest") => JournalOrder::Oldest,
            Some("newest") => JournalOrder::Newest,
            Some(_) => {
                return Err(ApiError::invalid_query(
                    "order",
                    "must be `oldest` or `newest`",
                ));
            }
        },
        ..JournalFilter::default()
    };
    // What was deleted has no history any more; the audit trail still knows.
    app.release(&viewer, id).await?;
    let found = app.store().list_journal(&filter, &page).await?;
    let items = found.items.iter().filter_map(views::event::event).collect();
    Ok(Json(Page {
        items,
        next: found.next,
        as_of,
    }))
}

/// Which events are streamed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct StreamEvents {
    /// Everything after this position of the journal; only what is new if absent.
    after: Option<u64>,
    /// Only about these releases, separated by commas.
    release: Option<String>,
    /// Only of these types, separated by commas.
    r#type: Option<String>,
}

/// What happens, live, limited to what the viewer may see.
///
/// The id of each message is a position of the journal; `Last-Event-ID` goes on after it without a gap.
/// A message `relist` says that the position is not known here and everything has to be read anew.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(StreamEvents,
        ("Last-Event-ID" = Option<u64>, Header, description = "Position of the last event that was seen")),
    responses((status = 200, description = "Server-sent events; `data` is an `EventView`",
        content_type = "text/event-stream", body = EventView)))]
pub(crate) async fn stream_events(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<StreamEvents>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let releases = releases(&app, &viewer, query.release.as_deref()).await?;
    let types: BTreeSet<String> = rows::words::<String>("type", query.r#type.as_deref())?
        .into_iter()
        .collect();
    let head = app.position();
    let asked = last_event_id(&headers)?.or(query.after);
    // A position beyond the newest event belongs to another journal.
    let is_foreign = asked.is_some_and(|after| after > head);
    let after = asked.filter(|_| !is_foreign).unwrap_or(head);
    let live = Live {
        lease: Lease::new(&app, &viewer)?,
        feed: app.engine().subscribe(after),
        app,
        viewer,
        releases,
        types,
        relist: is_foreign.then_some(head),
    };
    let messages = stream::unfold(live, |mut live| async move {
        let message = live.next().await?;
        Some((Ok::<_, Infallible>(message), live))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("still here");
    let mut response = Sse::new(messages).keep_alive(keep_alive).into_response();
    // Proxies that buffer would hold events back.
    let buffering = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(buffering, http::HeaderValue::from_static("no"));
    Ok(response)
}

async fn releases(
    app: &App,
    viewer: &Viewer,
    text: Option<&str>,
) -> ApiResult<Option<BTreeSet<ReleaseId>>> {
    let Some(text) = text else { return Ok(None) };
    let mut releases = BTreeSet::new();
    for word in text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let id = release_id(word)?;
        app.seen(viewer, id).await?;
        releases.insert(id);
    }
    Ok(Some(releases))
}

fn last_event_id(headers: &HeaderMap) -> ApiResult<Option<u64>> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || {
        ApiError::new(
            "invalid-header",
            "`Last-Event-ID` must be a position of the journal",
        )
    };
    text.parse().map(Some).map_err(|_| refused())
}

/// A stream under way.
struct Live {
    lease: Lease,
    feed: Subscription,
    app: App,
    viewer: Viewer,
    releases: Option<BTreeSet<ReleaseId>>,
    types: BTreeSet<String>,
    relist: Option<u64>,
}

impl Live {
    /// The next message; none once the stream ends.
    async fn next(&mut self) -> Option<Message> {
        if let Some(head) = self.relist.take() {
            let data = format!("{{\"position\":{head}}}");
            return Some(
                Message::default()
                    .id(head.to_string())
                    .event("relist")
                    .data(data),
            );
        }
        loop {
            let record = tokio::select! {
                biased;
                () = self.lease.ended() => return None,
                record = self.feed.next() => record?,
            };
            let shown = match record {
                Ok(record) => self.app.shown().get(&self.app, &record).await.ok()?,
                Err(error) => {
                    tracing::warn!(%error, "a live stream ends because the journal cannot be read");
                    return None;
                }
            };
            if shown.revokes == Some(self.viewer.holder().token) {
                return None;
            }
            // Judged anew for each event: a right that is gone shows nothing more, and whoever is shut out leaves.
            self.viewer = self.viewer.renewed(&self.app).await?;
            if self.wants(&shown) {
                return Some(message(&shown));
            }
        }
    }

    fn wants(&self, shown: &Shown) -> bool {
        let of_release =
            |releases: &BTreeSet<ReleaseId>| shown.release.is_some_and(|id| releases.contains(&id));
        self.releases.as_ref().is_none_or(of_release)
            && (self.types.is_empty() || self.types.contains(&shown.event_type))
            && shown.is_for(&self.viewer)
    }
}

fn message(shown: &Arc<Shown>) -> Message {
    Message::default()
        .id(shown.position.to_string())
        .event(&shown.event_type)
        .data(&shown.json)
}

/// The right to hold a stream open: it ends with the token, and with the server (reliability.md, S3).
pub(super) struct Lease {
    app: App,
    viewer: Viewer,
    stopping: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Lease {
    /// A place among the open streams.
    pub(super) fn new(app: &App, viewer: &Viewer) -> ApiResult<Lease> {
        let busy = |_| ApiError::new("busy", "too many live streams are open").retry_after(5);
        Ok(Lease {
            app: app.clone(),
            viewer: viewer.clone(),
            stopping: app.stopping(),
            _place: app.streams().try_acquire_owned().map_err(busy)?,
        })
    }

    /// Returns once the token has expired, its session was unused for too long, or the server stops.
    pub(super) async fn ended(&self) {
        tokio::select! {
            () = self.stopping.cancelled() => (),
            () = self.expired() => (),
        }
    }

    async fn expired(&self) {
        while let Some(end) = self.end().await {
            if end <= self.app.now() {
                return;
            }
            self.app.clock().sleep_until(end).await;
        }
        std::future::pending().await
    }

    /// When the token ends as things stand; other requests of the same session move it on.
    async fn end(&self) -> Option<Timestamp> {
        let holder = self.viewer.holder();
        let idle = self.app.idle_end(holder).await.ok().flatten();
        [holder.expires_at, idle].into_iter().flatten().min()
    }
}
