//! Following a release: a live tree on a terminal, one line per event elsewhere.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::Value;
use trainmaster_api::{EventView, GraphView, ReleaseView};

use super::follow::{Goal, on_each_change, within};
use super::{read, resolve, show, standing, waiting_text};
use crate::args::{EventsArgs, Format, WatchArgs};
use crate::client;
use crate::commands::Session;
use crate::failure::{Done, Failure};
use crate::live::{Feed, Live};
use crate::{output, when};

/// How often times move on in the tree while nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// `release watch`.
pub(crate) async fn watch(session: &Session, args: &WatchArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    let live = output::is_terminal() && session.format == Format::Table;
    let work = async {
        if live {
            watch_tree(session, &id).await
        } else {
            follow_events(session, &id, 0).await
        }
    };
    let ended = within(args.timeout.as_deref(), &id, work).await?;
    Goal::Success.judge(&serde_json::from_value(ended)?)
}

async fn watch_tree(session: &Session, id: &str) -> Result<Value, Failure> {
    let screen = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    screen.set_style(ProgressStyle::with_template("{msg}").map_err(Failure::error)?);
    let seen = RefCell::new(None);
    let work = on_each_change(session, id, async |_, release| {
        let graph = client::patiently(async || show::graph(session, id).await).await?;
        *seen.borrow_mut() = Some((release.clone(), graph));
        screen.set_message(current(&seen).join("\n"));
        Ok(())
    });
    let ended = tokio::select! {
        ended = work => ended,
        never = async {
            loop {
                tokio::time::sleep(TICK).await;
                screen.set_message(current(&seen).join("\n"));
            }
        } => never,
    };
    screen.finish_and_clear();
    let ended = ended?;
    current(&seen).iter().for_each(output::data);
    Ok(ended)
}

/// What was seen last, with times as they are now.
fn current(seen: &RefCell<Option<(ReleaseView, GraphView)>>) -> Vec<String> {
    let seen = seen.borrow();
    let picture = seen
        .as_ref()
        .map(|(release, graph)| picture(release, graph, Timestamp::now()));
    picture.unwrap_or_default()
}

/// Everything that the live tree shows.
fn picture(release: &ReleaseView, graph: &GraphView, now: Timestamp) -> Vec<String> {
    let summary = &release.summary;
    let (glyph, tone) = output::mark(summary.status.as_str());
    let time = super::took(
        summary.started_at.as_deref(),
        summary.ended_at.as_deref(),
        now,
    );
    let head = format!("{glyph} {}  {}", summary.id, output::plain(&summary.name));
    let mut lines = vec![format!(
        "{}  {}  {time}",
        output::paint(tone, &head),
        standing(summary)
    )];
    lines.extend(show::tree(release, graph, now));
    let waiting = show::pressing(release)
        .into_iter()
        .map(|one| format!("waits: {}", waiting_text(one, now)));
    lines.extend(waiting);
    lines
}

/// Prints the events of a release after a position until it has ended; answers how it stands then.
async fn follow_events(session: &Session, id: &str, after: u64) -> Result<Value, Failure> {
    let mut feed = Feed::new(&session.client, id, after);
    let mut printed = after;
    let mut value = read(session, id).await?;
    let mut seen = position(&value);
    loop {
        while printed < seen {
            // Events of other releases move the position too, so that the last one here may never come.
            let next = tokio::time::timeout(TICK, feed.next()).await;
            let Ok(next) = next else { break };
            printed = take(session, next?, printed).await?;
        }
        if has_ended(&value)? {
            return Ok(value);
        }
        let next = feed.next().await?;
        printed = take(session, next, printed).await?;
        value = client::patiently(async || read(session, id).await).await?;
        seen = position(&value);
    }
}

fn position(release: &Value) -> u64 {
    release["asOf"].as_u64().unwrap_or_default()
}

fn has_ended(release: &Value) -> Result<bool, Failure> {
    let release: ReleaseView = serde_json::from_value(release.clone())?;
    Ok(release.summary.status.is_terminal())
}

async fn take(session: &Session, live: Live, printed: u64) -> Result<u64, Failure> {
    match live {
        Live::Relist => {
            output::note("older events are no longer at hand; going on from here");
            Ok(printed)
        }
        Live::Event(text) => {
            let event: EventView = serde_json::from_str(&text)?;
            print_event(session.format, &text, &event)?;
            Ok(event.position)
        }
    }
}

/// `release events`.
pub(crate) async fn events(session: &Session, args: &EventsArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    let path = ["api", "v1", "releases", &id, "events"];
    let past = client::list(&session.client, &path, &[], usize::MAX).await?;
    let mut last = 0;
    for value in past {
        let event: EventView = serde_json::from_value(value.clone())?;
        last = event.position;
        print_event(session.format, &value.to_string(), &event)?;
    }
    if args.follow {
        follow_events(session, &id, last).await?;
    }
    Ok(())
}

/// One event on one line.
fn print_event(format: Format, text: &str, event: &EventView) -> Done {
    match format {
        Format::Json => output::data(text),
        Format::Yaml => output::data(format_args!("---\n{}", output::yaml(event)?.trim_end())),
        Format::Name => output::data(event.position),
        Format::Table | Format::Wide => output::data(event_line(event)),
    }
    Ok(())
}

fn event_line(event: &EventView) -> String {
    let at = event
        .at
        .parse()
        .map_or_else(|_| event.at.clone(), when::local);
    let place = event
        .path
        .clone()
        .or_else(|| phase(event))
        .unwrap_or_else(|| "-".to_owned());
    let line = format!(
        "{at}  {place:24}  {:24}  {:16}  {}",
        event.event_type,
        event.by,
        gist(event)
    );
    output::plain(line.trim_end())
}

fn phase(event: &EventView) -> Option<String> {
    event.data.get("phase")?.as_str().map(ToOwned::to_owned)
}

/// The words of an event that tell most: how it ended, why, when it goes on.
fn gist(event: &EventView) -> String {
    let mut words = Vec::new();
    for key in [
        "status", "decision", "task", "reason", "error", "comment", "message", "text", "retryAt",
    ] {
        match event.data.get(key) {
            Some(Value::String(text)) if !text.is_empty() => words.push(text.clone()),
            Some(Value::Object(reason)) => {
                words.extend(
                    reason
                        .get("kind")
                        .and_then(Value::as_str)
                        .map(ToOwned::to_owned),
                );
            }
            _ => (),
        }
    }
    let outcome = event.data.get("outcome");
    let outcome = outcome
        .and_then(|outcome| outcome.get("error"))
        .and_then(Value::as_str);
    words.extend(outcome.map(ToOwned::to_owned));
    words.join(": ")
}
