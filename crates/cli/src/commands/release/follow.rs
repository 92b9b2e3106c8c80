//! Waiting for the end of a release, saying meanwhile what it waits for.

use std::time::Duration;

use serde_json::Value;
use trainmaster_api::{ReleaseStatus, ReleaseView};

use super::show::pressing;
use super::{read, waiting_text};
use crate::args::WaitArgs;
use crate::client::patiently;
use crate::commands::Session;
use crate::failure::{Done, Exit, Failure};
use crate::live::Feed;
use crate::output;
use crate::when;

/// Events that come within this time of each other are answered by one look at the release.
const CALM: Duration = Duration::from_millis(100);
/// Even without events the release is looked at this often: a window opens, a deadline passes.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How a release should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Well, or with waived parts.
    Success,
    /// Stopped.
    Aborted,
}

impl Goal {
    /// Nothing if the release ended so, or the failure that says how it ended.
    pub(crate) fn judge(self, release: &ReleaseView) -> Done {
        let status = release.summary.status;
        let good = match self {
            Goal::Success => {
                matches!(
                    status,
                    ReleaseStatus::Success | ReleaseStatus::PartialSuccess
                )
            }
            Goal::Aborted => status.is_terminal(),
        };
        if good {
            return Ok(());
        }
        let id = &release.summary.id;
        let message = format!("release {id} ended as {}", status.as_str());
        Err(Failure::new(Exit::ReleaseFailed, message).hint(format!(
            "`trainmaster release show {id}` shows what happened"
        )))
    }
}

/// Runs something with the longest time that was asked for.
pub(crate) async fn within<T>(
    timeout: Option<&str>,
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(timeout) = timeout else {
        return work.await;
    };
    let length = when::parse_length(timeout)?.unsigned_abs();
    tokio::time::timeout(length, work)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::new(
                Exit::Timeout,
                format!("{what} did not end within {timeout}"),
            )
            .hint(format!(
                "it goes on; `trainmaster release explain {what}` says what it waits for"
            )))
        })
}

/// Waits until a release has ended and answers how it stands then, as the server gives it.
pub(crate) async fn until_ended(
    session: &Session,
    id: &str,
    waiting: &WaitArgs,
) -> Result<Value, Failure> {
    let mut said = Vec::new();
    let work = on_each_change(session, id, async |_, release| {
        let now_waiting: Vec<String> = pressing(release)
            .into_iter()
            .map(|one| waiting_text(one, session.now))
            .collect();
        if now_waiting != said {
            now_waiting
                .iter()
                .for_each(|text| output::note(format_args!("waits: {text}")));
            said = now_waiting;
        }
        Ok(())
    });
    within(waiting.timeout.as_deref(), id, work).await
}

/// Looks at a release now and after each of its events, until it has ended; answers its last state.
pub(crate) async fn on_each_change(
    session: &Session,
    id: &str,
    mut look: impl AsyncFnMut(&Value, &ReleaseView) -> Done,
) -> Result<Value, Failure> {
    let mut value = read(session, id).await?;
    let mut release: ReleaseView = serde_json::from_value(value.clone())?;
    let mut feed = Feed::new(&session.client, id, release.as_of.unwrap_or_default());
    loop {
        look(&value, &release).await?;
        if release.summary.status.is_terminal() {
            return Ok(value);
        }
        wait_for_change(&mut feed).await?;
        value = patiently(async || read(session, id).await).await?;
        release = serde_json::from_value(value.clone())?;
    }
}

/// Returns after the next event and whatever follows closely, or when it is time to look anyway.
async fn wait_for_change(feed: &mut Feed) -> Done {
    let Ok(first) = tokio::time::timeout(LOOK_AGAIN, feed.next()).await else {
        return Ok(());
    };
    first?;
    let calm = tokio::time::Instant::now() + CALM;
    while let Ok(next) = tokio::time::timeout_at(calm, feed.next()).await {
        next?;
    }
    Ok(())
}
