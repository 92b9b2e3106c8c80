//! A release for people: what it is, where it stands, what it waits for.

use jiff::Timestamp;
use serde_json::{Value, json};
use trainmaster_api::{
    ActivitySummary, ExplainView, GraphView, PhaseView, ReleaseView, TimelineItem, TimelineView,
    WaitingReason, WaitingView,
};

use super::{labels, read, resolve, standing, status, took, word};
use crate::commands::{Column, Session, column, distance, shown_time};
use crate::failure::{Done, Failure};
use crate::output::{self, Tone, paint};
use crate::values;

/// `release show` and `describe release`.
pub(crate) async fn describe(session: &Session, release: &str) -> Done {
    let id = resolve(&session.client, release).await?;
    let mut answer = read(session, &id).await?;
    let graph = graph(session, &id).await?;
    if output::is_structured(session.format) {
        answer["activities"] = json!(graph.activities);
        return output::structured(session.format, &answer);
    }
    session.print(
        &answer,
        |release: &ReleaseView| release.summary.id.clone(),
        |release| {
            header(session, release);
            output::data("");
            tree(release, &graph, session.now)
                .iter()
                .for_each(output::data);
            next_steps(release);
            Ok(())
        },
    )
}

/// The phases and activities of a release.
pub(crate) async fn graph(session: &Session, id: &str) -> Result<GraphView, Failure> {
    session
        .client
        .get(&["api", "v1", "releases", id, "graph"], &[])
        .await
}

fn header(session: &Session, release: &ReleaseView) {
    let summary = &release.summary;
    let (glyph, tone) = output::mark(summary.status.as_str());
    let time = |instant: &Option<String>| {
        instant
            .as_ref()
            .map_or_else(String::new, |instant| session.time(instant))
    };
    let revision = summary
        .revision
        .map_or_else(String::new, |number| format!(", revision {number}"));
    let description = &release.description;
    output::fields(&[
        (
            "Release",
            format!("{}  {}", summary.id, output::plain(&summary.name)),
        ),
        (
            "Status",
            paint(tone, &format!("{glyph} {}", standing(summary))),
        ),
        (
            "Organization",
            summary.organization.clone().unwrap_or_default(),
        ),
        ("Process", format!("{}{revision}", summary.process)),
        ("Version", summary.version.clone().unwrap_or_default()),
        ("Type", word(&summary.release_type)),
        ("Labels", labels(&summary.labels)),
        ("Manager", summary.manager.clone().unwrap_or_default()),
        (
            "Created",
            format!(
                "{} by {}",
                session.time(&summary.created_at),
                summary.created_by
            ),
        ),
        (
            "Start",
            if summary.started_at.is_none() {
                time(&summary.start_at)
            } else {
                String::new()
            },
        ),
        ("Started", time(&summary.started_at)),
        ("Expected end", time(&summary.expected_end_at)),
        ("Ended", time(&summary.ended_at)),
        (
            "Run",
            if summary.run > 1 {
                summary.run.to_string()
            } else {
                String::new()
            },
        ),
        ("Purpose", output::plain(&description.purpose)),
        ("Scope", output::plain(&description.scope)),
        ("Risks", output::plain(&description.risks)),
        ("Rollback", output::plain(&description.rollback_plan)),
        ("Paused", paused(session, release)),
        (
            "Aborted",
            release
                .abort_reason
                .as_deref()
                .map(output::plain)
                .unwrap_or_default(),
        ),
        (
            "Set aside",
            release
                .quarantine
                .as_deref()
                .map(output::plain)
                .unwrap_or_default(),
        ),
        ("Let through", overrides(session, release)),
        ("After", predecessors(release)),
        ("Children", release.children.join(", ")),
        ("Inputs", inputs(release)),
        ("Outputs", pairs(&release.outputs)),
        ("Context", pairs(&release.context)),
        ("Links", links(release)),
        ("Readiness", readiness(release)),
        ("Failed", failures(release)),
        ("Warnings", warnings(release)),
        ("Waits for", waits(release, session.now)),
    ]);
}

fn paused(session: &Session, release: &ReleaseView) -> String {
    release.pause.as_ref().map_or_else(String::new, |pause| {
        let reason = output::plain(&pause.reason);
        format!("{} by {}: {reason}", session.time(&pause.at), pause.by)
    })
}

/// Freezes that people let the release through.
fn overrides(session: &Session, release: &ReleaseView) -> String {
    let given = release.freeze_overrides.iter().map(|given| {
        let end = match &given.revoked {
            Some(revoked) => format!("taken back by {}", revoked.by),
            None => format!("until {}", session.time(&given.expires_at)),
        };
        let reason = output::plain(&given.reason);
        format!("{} by {}: {reason}, {end}", given.freeze, given.by)
    });
    given.collect::<Vec<_>>().join("; ")
}

fn predecessors(release: &ReleaseView) -> String {
    let texts: Vec<String> = release
        .after
        .iter()
        .map(|one| {
            let state = if one.satisfied {
                "succeeded"
            } else {
                "not yet"
            };
            format!("{} ({state})", one.release)
        })
        .collect();
    texts.join(", ")
}

fn inputs(release: &ReleaseView) -> String {
    let texts: Vec<String> = release
        .inputs
        .iter()
        .map(|(name, input)| {
            format!(
                "{name} = {}  ({})",
                values::shown(&input.value),
                word(&input.origin)
            )
        })
        .collect();
    texts.join("\n")
}

fn pairs(pairs: &std::collections::BTreeMap<String, Value>) -> String {
    let texts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name} = {}", values::shown(value)))
        .collect();
    texts.join("\n")
}

fn links(release: &ReleaseView) -> String {
    let texts: Vec<String> = release
        .links
        .iter()
        .map(|link| {
            format!(
                "{}  {}  {}",
                word(&link.kind),
                output::plain(&link.title),
                output::plain(&link.url)
            )
        })
        .collect();
    texts.join("\n")
}

fn readiness(release: &ReleaseView) -> String {
    let shown = |item: &trainmaster_api::ReadinessView| {
        let state = if item.ready { "ready" } else { "not ready" };
        let need = if item.required { ", required" } else { "" };
        format!(
            "{}: {}  ({state}{need})",
            item.id,
            output::plain(&item.name)
        )
    };
    let texts: Vec<String> = release.readiness.iter().map(shown).collect();
    texts.join("\n")
}

/// The way down to what has failed, with where its recovery is described.
fn failures(release: &ReleaseView) -> String {
    let shown = |failure: &trainmaster_api::FailureView| {
        let runbook = failure.runbook.as_ref();
        let runbook = runbook.map_or_else(String::new, |link| format!("  (runbook: {link})"));
        let error = output::plain(&failure.error);
        format!("{}: {error}{runbook}", failure.path)
    };
    let texts: Vec<String> = release.failures.iter().map(shown).collect();
    texts.join("\n")
}

fn warnings(release: &ReleaseView) -> String {
    let warnings = release.warnings.iter();
    let texts: Vec<String> = warnings
        .map(|warning| format!("{}  [{}]", output::plain(&warning.message), warning.code))
        .collect();
    texts.join("\n")
}

fn waits(release: &ReleaseView, now: Timestamp) -> String {
    let waiting = pressing(release);
    let texts: Vec<String> = waiting
        .iter()
        .map(|waiting| waiting_text(waiting, now))
        .collect();
    texts.join("\n")
}

/// What a release waits for, without what only comes after something else that is waited for anyway.
pub(crate) fn pressing(release: &ReleaseView) -> Vec<&WaitingView> {
    let follows = |reason| matches!(reason, WaitingReason::Phases | WaitingReason::Activities);
    let all = release.waiting.iter();
    let pressing: Vec<_> = all
        .clone()
        .filter(|waiting| !follows(waiting.reason))
        .collect();
    if pressing.is_empty() {
        all.collect()
    } else {
        pressing
    }
}

/// What something waits for, on one line: where, what, until when.
pub(crate) fn waiting_text(waiting: &WaitingView, now: Timestamp) -> String {
    let place = waiting.path.as_ref().or(waiting.phase.as_ref());
    let mut text = place.map_or_else(String::new, |place| format!("{place}: "));
    text.push_str(&output::plain(&waiting.text));
    if let Some(at) = &waiting.at {
        let at = shown_time(at, now);
        text.push_str(&format!(
            " [{}{at}]",
            if waiting.overdue {
                "overdue since "
            } else {
                ""
            }
        ));
    }
    text
}

/// The phases with their activities, one line each, as `release show` and `release watch` print them.
pub(crate) fn tree(release: &ReleaseView, graph: &GraphView, now: Timestamp) -> Vec<String> {
    let names = graph.phases.iter().map(|phase| phase.id.len());
    let inner = graph
        .activities
        .iter()
        .map(|activity| leaf(activity).len() + 2);
    let width = names.chain(inner).max().unwrap_or(0);
    let mut lines = Vec::new();
    for phase in &graph.phases {
        lines.push(phase_line(phase, width, now));
        for activity in in_order(graph, &phase.id) {
            lines.push(activity_line(release, activity, width, now));
        }
    }
    lines
}

/// The activities of a phase in the order of the plan, each with its items behind it.
fn in_order<'a>(graph: &'a GraphView, phase: &str) -> Vec<&'a ActivitySummary> {
    let own = || {
        graph
            .activities
            .iter()
            .filter(|activity| activity.phase == phase)
    };
    let items_of = |parent: &'a ActivitySummary| {
        own().filter(move |one| {
            one.item.is_some() && one.path.starts_with(&format!("{}[", parent.path))
        })
    };
    let planned = own().filter(|activity| activity.item.is_none());
    planned
        .flat_map(|activity| std::iter::once(activity).chain(items_of(activity)))
        .collect()
}

/// The part of an activity's path below its phase.
fn leaf(activity: &ActivitySummary) -> &str {
    activity
        .path
        .split_once('/')
        .map_or(activity.path.as_str(), |(_, leaf)| leaf)
}

fn phase_line(phase: &PhaseView, width: usize, now: Timestamp) -> String {
    let word = word(&phase.status);
    let (glyph, tone) = output::mark(&word);
    let time = took(phase.started_at.as_deref(), phase.ended_at.as_deref(), now);
    let reason = phase
        .skipped
        .as_deref()
        .map(output::plain)
        .unwrap_or_default();
    let line = format!("{glyph} {:width$}  {word:14}  {time:8}  {reason}", phase.id);
    paint(tone, line.trim_end())
}

fn activity_line(
    release: &ReleaseView,
    activity: &ActivitySummary,
    width: usize,
    now: Timestamp,
) -> String {
    let word = word(&activity.status);
    let (glyph, tone) = output::mark(&word);
    let time = took(
        activity.started_at.as_deref(),
        activity.ended_at.as_deref(),
        now,
    );
    let width = width - 2;
    let line = format!("  {glyph} {:width$}  {word:14}  {time:8}  ", leaf(activity));
    let remarks = remarks(release, activity, now).join("; ");
    format!("{}{}", paint(tone, &line), paint(Tone::Quiet, &remarks))
        .trim_end()
        .to_owned()
}

/// What a person should know about an activity besides its status.
fn remarks(release: &ReleaseView, activity: &ActivitySummary, now: Timestamp) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(item) = &activity.item {
        remarks.push(values::shown(&item.value));
    }
    if activity.attempts_made > 1 {
        remarks.push(format!("{} attempts", activity.attempts_made));
    }
    let waiting = release
        .waiting
        .iter()
        .find(|one| one.path.as_ref() == Some(&activity.path));
    match waiting {
        Some(waiting) => {
            let until = distance(waiting.at.as_deref(), now);
            let until = if until.is_empty() {
                until
            } else {
                format!(" [{until}]")
            };
            remarks.push(format!("{}{until}", output::plain(&waiting.text)));
        }
        None => remarks.extend(
            activity
                .reason
                .as_ref()
                .or(activity.error.as_ref())
                .map(|text| output::plain(text)),
        ),
    }
    remarks
}

/// What this person could do next.
fn next_steps(release: &ReleaseView) {
    let id = &release.summary.id;
    if release.needs_you > 0 {
        output::hint(format_args!(
            "{} of its activities need you; `trainmaster inbox` shows what for",
            release.needs_you
        ));
    }
    if release.note_wanted {
        output::hint(format_args!(
            "write down what is left to do: `trainmaster release notes {id} --add TEXT`"
        ));
    }
}

const WAITING: &[Column<WaitingView>] = &[
    column("WHERE", |waiting, _| {
        waiting
            .path
            .clone()
            .or_else(|| waiting.phase.clone())
            .unwrap_or_else(|| "release".into())
    }),
    column("WAITS FOR", |waiting, _| output::plain(&waiting.text)),
    column("WHO", |waiting, _| waiting.who.join(", ")),
    column("WHEN", |waiting, now| {
        let when = distance(waiting.at.as_deref(), now);
        if waiting.overdue {
            format!("{when} (overdue)")
        } else {
            when
        }
    }),
];

/// `release explain`.
pub(crate) async fn explain(session: &Session, release: &str) -> Done {
    let id = resolve(&session.client, release).await?;
    let answer: Value = session
        .client
        .get(&["api", "v1", "releases", &id, "explain"], &[])
        .await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let explained: ExplainView = serde_json::from_value(answer)?;
    output::note(format_args!(
        "{id} is {}",
        status(explained.status.as_str())
    ));
    if explained.waiting.is_empty() {
        output::note("it waits for nothing");
        return Ok(());
    }
    let items = explained
        .waiting
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()?;
    let place = |waiting: &WaitingView| waiting.path.clone().or(waiting.phase.clone());
    session.print_list(items, |waiting| place(waiting).unwrap_or_default(), WAITING)
}

const TIMELINE: &[Column<TimelineItem>] = &[
    column("WHAT", |item, _| match item.kind {
        trainmaster_api::TimelineKind::Activity => format!("  {}", item.id),
        _ => item.id.clone(),
    }),
    column("STATUS", |item, _| item.status.clone()),
    column("STARTED", |item, _| {
        item.started_at.as_deref().map(local).unwrap_or_default()
    }),
    column("ENDED", |item, _| {
        item.ended_at.as_deref().map(local).unwrap_or_default()
    }),
    column("TOOK", |item, now| {
        took(item.started_at.as_deref(), item.ended_at.as_deref(), now)
    }),
    column("PLANNED", |item, _| {
        let planned = [&item.planned_start, &item.planned_end];
        let planned: Vec<String> = planned.into_iter().flatten().map(|at| local(at)).collect();
        planned.join(" – ")
    }),
];

fn local(instant: &str) -> String {
    instant
        .parse()
        .map_or_else(|_| instant.to_owned(), crate::when::local)
}

/// `release timeline`.
pub(crate) async fn timeline(session: &Session, release: &str) -> Done {
    let id = resolve(&session.client, release).await?;
    let answer: Value = session
        .client
        .get(&["api", "v1", "releases", &id, "timeline"], &[])
        .await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let timeline: TimelineView = serde_json::from_value(answer)?;
    let items = timeline
        .items
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()?;
    session.print_list(items, |item: &TimelineItem| item.id.clone(), TIMELINE)
}
