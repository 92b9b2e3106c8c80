//! What an attempt printed: all there is, or line by line as it comes.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use trainmaster_api::LogLineView;
use trainmaster_core::access::Holder;
use trainmaster_core::ids::{ActivityPath, AttemptId, ReleaseId, TokenId};
use trainmaster_engine::ports::{LogStream, NumberedLine, StoreError};

use super::events::Lease;
use crate::auth::Viewer;
use crate::error::ApiResult;
use crate::extract::{Path, Query, activity_path, release_id, unknown_activity};
use crate::state::App;
use crate::views::instant_us;

/// How many lines are read at a time.
const PIECE: usize = 1_000;

/// How long a follower waits before it looks for more lines.
const PAUSE: Duration = Duration::from_millis(300);

/// How often the token is looked at again; a revoked one ends the stream within five seconds (reliability.md, S3).
const TOKEN_CHECK: Duration = Duration::from_secs(3);

/// Which lines.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct GetLogs {
    /// Which attempt; the last one if absent.
    attempt: Option<u32>,
    /// Only lines after this number.
    after: Option<u64>,
    /// `true`: go on until the attempt has ended.
    follow: bool,
}

/// What an attempt printed, one JSON object per line, or as server-sent events where `Accept` asks for them.
#[utoipa::path(get, path = "/api/v1/releases/{id}/activities/{phase}/{activity}/logs", tag = "activities",
    params(("id" = String, Path, description = "The release's id"),
        ("phase" = String, Path, description = "The phase's id"),
        ("activity" = String, Path, description = "The activity's id, or `id[index]` for one item"),
        GetLogs),
    responses((status = 200, description = "Lines, oldest first; each is a `LogLineView`",
        content((LogLineView = "application/x-ndjson"), (LogLineView = "text/event-stream")))))]
pub(crate) async fn get_logs(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, phase, activity)): Path<(String, String, String)>,
    Query(query): Query<GetLogs>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let id = release_id(&id)?;
    let place = Place {
        app: app.clone(),
        viewer: viewer.clone(),
        release: id,
        path: activity_path(id, &phase, &activity)?,
    };
    // Looked up first, so that what may not be seen and what does not exist answer alike.
    let last = place
        .attempts()
        .await?
        .ok_or_else(|| unknown_activity(id, &phase, &activity))?;
    let number = query.attempt.or(last.number);
    let tail = Tail {
        attempt: number.map(|number| AttemptId {
            release: id,
            path: place.path.clone(),
            number,
        }),
        lease: Lease::new(&app, &viewer)?,
        place,
        after: query.after.or(last_event_id(&headers)).unwrap_or(0),
        follow: query.follow,
        format: Format::of(&headers),
        checked: Instant::now(),
    };
    let content_type = tail.format.content_type();
    let body = Body::from_stream(stream::unfold(tail, |mut tail| async move {
        let piece = tail.next().await?;
        Some((piece, tail))
    }));
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// How lines are written.
#[derive(Clone, Copy)]
enum Format {
    Lines,
    Events,
}

impl Format {
    fn of(headers: &HeaderMap) -> Format {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if accept.contains("text/event-stream") {
            Format::Events
        } else {
            Format::Lines
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Lines => "application/x-ndjson",
            Format::Events => "text/event-stream",
        }
    }

    fn write(self, attempt: u32, line: &NumberedLine) -> String {
        let view = LogLineView {
            attempt,
            number: line.number,
            at: instant_us(line.line.at),
            stream: match line.line.stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
                LogStream::System => "system",
            }
            .to_owned(),
            text: line.line.text.clone(),
        };
        let json = serde_json::to_string(&view).unwrap_or_default();
        match self {
            Format::Lines => format!("{json}\n"),
            Format::Events => format!("id: {}\nevent: line\ndata: {json}\n\n", line.number),
        }
    }
}

/// Which activity, for whom.
struct Place {
    app: App,
    viewer: Viewer,
    release: ReleaseId,
    path: ActivityPath,
}

/// The last attempt of an activity.
struct Last {
    number: Option<u32>,
    /// The attempt that is under way.
    running: Option<u32>,
}

impl Place {
    /// What is known of the attempts; none if there is no such activity.
    async fn attempts(&self) -> ApiResult<Option<Last>> {
        let snapshot = self.app.release(&self.viewer, self.release).await?;
        snapshot.ask(&self.viewer, |world| {
            let planned = world
                .plan(self.release)
                .is_some_and(|plan| plan.paths.contains_key(&self.path));
            let activity = world.activity(self.release, &self.path);
            let attempt = activity.and_then(|activity| activity.attempt());
            (planned || activity.is_some()).then(|| Last {
                number: attempt.map(|attempt| attempt.number),
                running: attempt
                    .filter(|attempt| attempt.outcome.is_none())
                    .map(|attempt| attempt.number),
            })
        })
    }

    async fn is_running(&self, number: u32) -> bool {
        matches!(self.attempts().await, Ok(Some(last)) if last.running == Some(number))
    }

    /// Whether the token that opened the stream still lets anybody in.
    async fn may_go_on(&self) -> bool {
        let token: TokenId = self.viewer.holder().token;
        let found = self
            .app
            .holder_by_digest(&self.viewer.holder().digest)
            .await;
        let is_valid = |holder: &Holder| holder.token == token && holder.is_valid(self.app.now());
        matches!(found, Ok(Some(holder)) if is_valid(&holder))
    }
}

/// A reader of lines under way.
struct Tail {
    place: Place,
    attempt: Option<AttemptId>,
    lease: Lease,
    after: u64,
    follow: bool,
    format: Format,
    /// When the token was last found valid.
    checked: Instant,
}

impl Tail {
    /// The next lines; none at the end.
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        let attempt = self.attempt.clone()?;
        loop {
            if self.checked.elapsed() >= TOKEN_CHECK {
                self.checked = Instant::now();
                if !self.place.may_go_on().await {
                    return None;
                }
            }
            // Asked before the lines are read: what is written before the end is read after it.
            let is_running = self.follow && self.place.is_running(attempt.number).await;
            match self
                .place
                .app
                .logs()
                .read(&attempt, self.after, PIECE)
                .await
            {
                Err(error) => return Some(Err(error)),
                Ok(lines) if !lines.is_empty() => return Some(Ok(self.write(&attempt, &lines))),
                Ok(_) if !is_running => return None,
                Ok(_) => (),
            }
            tokio::select! {
                () = self.lease.ended() => return None,
                () = tokio::time::sleep(PAUSE) => (),
            }
        }
    }

    fn write(&mut self, attempt: &AttemptId, lines: &[NumberedLine]) -> Bytes {
        let text: String = lines
            .iter()
            .map(|line| self.format.write(attempt.number, line))
            .collect();
        self.after = lines.last().map_or(self.after, |line| line.number);
        Bytes::from(text)
    }
}
