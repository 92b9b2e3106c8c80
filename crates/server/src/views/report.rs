//! Reports as the API shows them, and as tables.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trainmaster_api::{
    ActivityReport, ApprovalReport, AttemptReport, DeploymentView, DeviationView, FigureDefinition,
    FiguresView, InputReport, LinkKind, PeriodReport, PunctualityView, RecordView, ReleaseReport,
    ReleaseSummary, SpreadView, TimelineKind,
};
use trainmaster_core::World;
use trainmaster_core::deviation::{Decided, Deviation, Findings};
use trainmaster_core::figures::{DEFINITIONS, Figures, Period, Spread};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::release::{Attempt, Punctuality, Release};
use trainmaster_core::trace::{self, TraceKind};

use super::activity::summaries;
use super::deployment::of_activity;
use super::{instant, instant_of, note, words};
use crate::sheets::{Cell, Sheet};

/// Most attempts that one report tells.
const ATTEMPTS_MAX: usize = 50_000;

/// Planned against actual times.
pub(crate) fn punctuality(times: Punctuality) -> PunctualityView {
    let seconds = |span: Option<jiff::SignedDuration>| span.map(|span| span.as_secs());
    PunctualityView {
        start_delay_seconds: seconds(times.start_delay),
        planned_seconds: seconds(times.planned),
        actual_seconds: seconds(times.actual),
        end_delay_seconds: seconds(times.end_delay),
    }
}

/// A departure from the process.
pub(crate) fn deviation(deviation: &Deviation) -> DeviationView {
    let kind = serde_json::to_value(deviation.kind).ok();
    DeviationView {
        kind: kind
            .and_then(|kind| kind.as_str().map(str::to_owned))
            .unwrap_or_default(),
        words: deviation.kind.words().to_owned(),
        at: instant(deviation.at),
        by: deviation.by.clone(),
        path: deviation.path.as_ref().map(ToString::to_string),
        phase: deviation.phase.as_ref().map(ToString::to_string),
        reason: deviation.reason.clone(),
    }
}

/// All departures of a release from the process and its windows.
pub(crate) fn deviations(world: &World, id: ReleaseId, findings: &Findings) -> Vec<DeviationView> {
    let outside = world.started_outside_maintenance(id);
    outside
        .iter()
        .chain(&findings.deviations)
        .map(deviation)
        .collect()
}

fn approval(decided: &Decided) -> ApprovalReport {
    let decision = serde_json::to_value(decided.decision).ok();
    ApprovalReport {
        path: decided
            .path
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        user: decided.user.to_string(),
        decision: decision
            .and_then(|word| word.as_str().map(str::to_owned))
            .unwrap_or_default(),
        entries: super::owners(&decided.entries),
        comment: decided.comment.clone(),
        at: instant(decided.at),
        voided: decided.voided,
    }
}

/// Commits, builds, artifacts, tests, approvals and deployments of a release in one place.
pub(crate) fn record(world: &World, release: &Release, findings: &Findings) -> RecordView {
    let id = release.id;
    let mut found: BTreeMap<TraceKind, BTreeSet<String>> = BTreeMap::new();
    let mut deployments = Vec::new();
    for activity in world.activities(id) {
        for deployed in &activity.deployments {
            for one in trace::of_deployment(&deployed.deployment) {
                found.entry(one.kind).or_default().insert(one.value);
            }
            deployments.push(of_activity(id, activity.path.as_str(), deployed));
        }
    }
    deployments.sort_by(|one, other| one.at.cmp(&other.at));
    for one in trace::of_release(release) {
        found.entry(one.kind).or_default().insert(one.value);
    }
    let mut take = |kind: TraceKind| {
        found
            .remove(&kind)
            .unwrap_or_default()
            .into_iter()
            .collect()
    };
    let links: Vec<_> = release.links.iter().map(super::release::link).collect();
    let of_kinds = |kinds: &[LinkKind]| {
        links
            .iter()
            .filter(|link| kinds.contains(&link.kind))
            .cloned()
            .collect()
    };
    RecordView {
        commits: take(TraceKind::Commit),
        tickets: take(TraceKind::Ticket),
        images: take(TraceKind::Image),
        artifacts: take(TraceKind::Artifact),
        builds: of_kinds(&[LinkKind::Build, LinkKind::PullRequest]),
        tests: of_kinds(&[LinkKind::TestReport]),
        approvals: findings.approvals.iter().map(approval).collect(),
        deployments,
    }
}

/// The report of a release; none if the world does not know it.
pub(crate) fn release(
    world: &World,
    id: ReleaseId,
    findings: &Findings,
    now: Timestamp,
    as_of: u64,
) -> Option<ReleaseReport> {
    let release = world.release(id)?;
    let timeline = super::release::timeline(world, id, now, as_of)?;
    let inputs = super::release::inputs(release).into_iter();
    let about = &release.description;
    let description = [
        ("purpose", &about.purpose),
        ("scope", &about.scope),
        ("risks", &about.risks),
        ("rollbackPlan", &about.rollback_plan),
        ("stakeholders", &about.stakeholders),
    ];
    let written = description.into_iter().filter(|(_, text)| !text.is_empty());
    Some(ReleaseReport {
        release: super::release::summary(release, now),
        description: written
            .map(|(name, text)| (name.to_owned(), text.clone()))
            .collect(),
        punctuality: punctuality(release.punctuality(now)),
        timeline: timeline.items,
        inputs: inputs
            .map(|(name, input)| InputReport {
                name,
                value: input.value,
                origin: input.origin,
            })
            .collect(),
        activities: activities(world, id),
        record: record(world, release, findings),
        deviations: deviations(world, id, findings),
        notes: release.notes.iter().map(note).collect(),
        links: release.links.iter().map(super::release::link).collect(),
        process_digest: world.plan(id).map(|plan| plan.digest.clone()),
        made_at: instant(now),
        as_of,
    })
}

fn activities(world: &World, id: ReleaseId) -> Vec<ActivityReport> {
    let mut left = ATTEMPTS_MAX;
    let report = |summary: trainmaster_api::ActivitySummary| {
        let path = summary.path.parse().ok();
        let activity = path.and_then(|path| world.activity(id, &path));
        let attempts = activity.map_or(&[][..], |activity| &activity.attempts);
        // When there are too many, the newest of each activity are told.
        let told = attempts.len().min(left.max(1));
        left = left.saturating_sub(told);
        ActivityReport {
            path: summary.path,
            name: summary.name,
            uses: summary.uses,
            status: format!("{:?}", summary.status),
            started_at: summary.started_at,
            ended_at: summary.ended_at,
            reason: summary.reason,
            attempts: attempts[attempts.len() - told..]
                .iter()
                .map(attempt)
                .collect(),
        }
    };
    summaries(world, id).into_iter().map(report).collect()
}

fn attempt(attempt: &Attempt) -> AttemptReport {
    AttemptReport {
        number: attempt.number,
        run: attempt.run,
        status: format!("{:?}", words::attempt_status(attempt.status())),
        by: attempt.by.clone(),
        started_at: instant(attempt.started_at),
        ended_at: instant_of(attempt.ended_at),
        error: attempt.error().map(str::to_owned),
        overrides: attempt.overrides.clone(),
    }
}

/// Figures with their definitions.
pub(crate) fn figures(period: Period, figures: &Figures, as_of: u64) -> FiguresView {
    let spread = |spread: Option<Spread>| {
        spread.map(|spread| SpreadView {
            count: spread.count,
            median_seconds: spread.median_seconds,
            mean_seconds: spread.mean_seconds,
            p90_seconds: spread.p90_seconds,
            max_seconds: spread.max_seconds,
        })
    };
    FiguresView {
        from: instant(period.from),
        to: instant(period.to),
        releases: figures.releases.clone(),
        success_rate: figures.success_rate,
        deployments: figures.deployments,
        deployments_per_day: figures.deployments_per_day,
        lead_time: spread(figures.lead_time),
        change_failure_rate: figures.change_failure_rate,
        time_to_restore: spread(figures.time_to_restore),
        approval_wait: spread(figures.approval_wait),
        start_delay: spread(figures.start_delay),
        started_on_time: figures.started_on_time,
        duration: spread(figures.duration),
        overrun: spread(figures.overrun),
        definitions: DEFINITIONS
            .iter()
            .map(|(figure, definition)| FigureDefinition {
                figure: (*figure).to_owned(),
                definition: (*definition).to_owned(),
            })
            .collect(),
        as_of,
    }
}

/// The report of a release as tables.
pub(crate) fn release_sheets(report: &ReleaseReport) -> Vec<Sheet> {
    let record = &report.record;
    vec![
        summary_sheet(report),
        Sheet {
            name: "timeline",
            head: &[
                "kind",
                "id",
                "name",
                "status",
                "plannedStart",
                "plannedEnd",
                "startedAt",
                "endedAt",
            ],
            rows: report
                .timeline
                .iter()
                .map(|item| {
                    let kind = match item.kind {
                        TimelineKind::Release => "release",
                        TimelineKind::Phase => "phase",
                        TimelineKind::Activity => "activity",
                    };
                    vec![
                        kind.into(),
                        (&item.id).into(),
                        (&item.name).into(),
                        (&item.status).into(),
                        item.planned_start.clone().into(),
                        item.planned_end.clone().into(),
                        item.started_at.clone().into(),
                        item.ended_at.clone().into(),
                    ]
                })
                .collect(),
        },
        Sheet {
            name: "approvals",
            head: &[
                "path", "by", "decision", "entries", "comment", "at", "voided",
            ],
            rows: record
                .approvals
                .iter()
                .map(|one| {
                    vec![
                        (&one.path).into(),
                        (&one.user).into(),
                        (&one.decision).into(),
                        one.entries.join(" ").into(),
                        (&one.comment).into(),
                        (&one.at).into(),
                        if one.voided { "voided" } else { "" }.into(),
                    ]
                })
                .collect(),
        },
        Sheet {
            name: "inputs",
            head: &["name", "value", "origin"],
            rows: report
                .inputs
                .iter()
                .map(|input| {
                    vec![
                        (&input.name).into(),
                        plain(&input.value).into(),
                        format!("{:?}", input.origin).into(),
                    ]
                })
                .collect(),
        },
        attempts_sheet(report),
        Sheet {
            name: "deviations",
            head: &["kind", "words", "path", "phase", "by", "at", "reason"],
            rows: report
                .deviations
                .iter()
                .map(|one| {
                    vec![
                        (&one.kind).into(),
                        (&one.words).into(),
                        one.path.clone().into(),
                        one.phase.clone().into(),
                        (&one.by).into(),
                        (&one.at).into(),
                        (&one.reason).into(),
                    ]
                })
                .collect(),
        },
        deployments_sheet(&record.deployments),
        Sheet {
            name: "links",
            head: &["kind", "name", "url"],
            rows: report
                .links
                .iter()
                .map(|link| {
                    let kind = serde_json::to_value(link.kind).unwrap_or_default();
                    vec![
                        kind.as_str().unwrap_or_default().into(),
                        (&link.title).into(),
                        (&link.url).into(),
                    ]
                })
                .collect(),
        },
        Sheet {
            name: "notes",
            head: &["at", "by", "text"],
            rows: report
                .notes
                .iter()
                .map(|note| vec![(&note.at).into(), (&note.by).into(), (&note.text).into()])
                .collect(),
        },
    ]
}

fn summary_sheet(report: &ReleaseReport) -> Sheet {
    let release = &report.release;
    let record = &report.record;
    let mut rows: Vec<(String, Cell)> = vec![
        ("id".to_owned(), (&release.id).into()),
        ("name".to_owned(), (&release.name).into()),
        (
            "organization".to_owned(),
            release.organization.clone().into(),
        ),
        ("process".to_owned(), (&release.process).into()),
        ("revision".to_owned(), release.revision.into()),
        ("version".to_owned(), release.version.clone().into()),
        (
            "type".to_owned(),
            format!("{:?}", release.release_type).into(),
        ),
        ("status".to_owned(), format!("{:?}", release.status).into()),
        ("archived".to_owned(), release.archived.to_string().into()),
        ("createdBy".to_owned(), (&release.created_by).into()),
        ("createdAt".to_owned(), (&release.created_at).into()),
        ("plannedStart".to_owned(), release.start_at.clone().into()),
        ("startedAt".to_owned(), release.started_at.clone().into()),
        (
            "expectedEnd".to_owned(),
            release.expected_end_at.clone().into(),
        ),
        ("endedAt".to_owned(), release.ended_at.clone().into()),
        (
            "startDelaySeconds".to_owned(),
            report.punctuality.start_delay_seconds.into(),
        ),
        (
            "plannedSeconds".to_owned(),
            report.punctuality.planned_seconds.into(),
        ),
        (
            "actualSeconds".to_owned(),
            report.punctuality.actual_seconds.into(),
        ),
        ("commits".to_owned(), record.commits.join(" ").into()),
        ("tickets".to_owned(), record.tickets.join(" ").into()),
        ("images".to_owned(), record.images.join(" ").into()),
        ("artifacts".to_owned(), record.artifacts.join(" ").into()),
        (
            "processDigest".to_owned(),
            report.process_digest.clone().into(),
        ),
        ("madeAt".to_owned(), (&report.made_at).into()),
        ("asOf".to_owned(), report.as_of.into()),
    ];
    let about = report.description.iter();
    rows.extend(about.map(|(name, text)| (name.clone(), text.into())));
    Sheet {
        name: "summary",
        head: &["name", "value"],
        rows: rows
            .into_iter()
            .map(|(name, value)| vec![name.into(), value])
            .collect(),
    }
}

/// One row per attempt, and one for each activity that has none.
fn attempts_sheet(report: &ReleaseReport) -> Sheet {
    let mut rows = Vec::new();
    for activity in &report.activities {
        let own = |number: Cell, run: Cell| -> Vec<Cell> {
            vec![
                (&activity.path).into(),
                (&activity.name).into(),
                (&activity.uses).into(),
                (&activity.status).into(),
                activity.reason.clone().into(),
                number,
                run,
            ]
        };
        if activity.attempts.is_empty() {
            let mut row = own(Cell::Empty, Cell::Empty);
            row.extend([
                Cell::Empty,
                Cell::Empty,
                activity.started_at.clone().into(),
                activity.ended_at.clone().into(),
                Cell::Empty,
                Cell::Empty,
            ]);
            rows.push(row);
        }
        for attempt in &activity.attempts {
            let mut row = own(attempt.number.into(), attempt.run.into());
            let overrides = serde_json::to_string(&attempt.overrides).unwrap_or_default();
            row.extend([
                (&attempt.status).into(),
                (&attempt.by).into(),
                (&attempt.started_at).into(),
                attempt.ended_at.clone().into(),
                attempt.error.clone().into(),
                match attempt.overrides.is_empty() {
                    true => Cell::Empty,
                    false => overrides.into(),
                },
            ]);
            rows.push(row);
        }
    }
    Sheet {
        name: "activities",
        head: &[
            "path",
            "name",
            "uses",
            "status",
            "reason",
            "attempt",
            "run",
            "outcome",
            "by",
            "startedAt",
            "endedAt",
            "error",
            "changes",
        ],
        rows,
    }
}

fn deployments_sheet(deployments: &[DeploymentView]) -> Sheet {
    Sheet {
        name: "deployments",
        head: &[
            "at",
            "environment",
            "service",
            "version",
            "commits",
            "image",
            "artifact",
            "tickets",
            "release",
            "path",
        ],
        rows: deployments
            .iter()
            .map(|one| {
                vec![
                    (&one.at).into(),
                    (&one.environment).into(),
                    (&one.service).into(),
                    one.version.clone().into(),
                    one.commits.join(" ").into(),
                    one.image.clone().into(),
                    one.artifact.clone().into(),
                    one.tickets.join(" ").into(),
                    (&one.release).into(),
                    (&one.path).into(),
                ]
            })
            .collect(),
    }
}

/// The report of a period as tables.
pub(crate) fn period_sheets(report: &PeriodReport) -> Vec<Sheet> {
    vec![
        Sheet {
            name: "releases",
            head: &[
                "id",
                "name",
                "organization",
                "process",
                "version",
                "type",
                "status",
                "archived",
                "createdBy",
                "plannedStart",
                "startedAt",
                "expectedEnd",
                "endedAt",
            ],
            rows: report.releases.iter().map(release_row).collect(),
        },
        deployments_sheet(&report.deployments),
        figures_sheet(&report.figures),
    ]
}

fn release_row(release: &ReleaseSummary) -> Vec<Cell> {
    vec![
        (&release.id).into(),
        (&release.name).into(),
        release.organization.clone().into(),
        (&release.process).into(),
        release.version.clone().into(),
        format!("{:?}", release.release_type).into(),
        format!("{:?}", release.status).into(),
        release.archived.to_string().into(),
        (&release.created_by).into(),
        release.start_at.clone().into(),
        release.started_at.clone().into(),
        release.expected_end_at.clone().into(),
        release.ended_at.clone().into(),
    ]
}

/// Figures as a table: one row each, with its definition.
pub(crate) fn figures_sheet(figures: &FiguresView) -> Sheet {
    let spread = |spread: &Option<SpreadView>| match spread {
        None => vec![Cell::Empty; 5],
        Some(spread) => vec![
            spread.median_seconds.into(),
            spread.count.into(),
            spread.mean_seconds.into(),
            spread.p90_seconds.into(),
            spread.max_seconds.into(),
        ],
    };
    let one = |value: Cell| {
        let mut cells = vec![value];
        cells.extend(vec![Cell::Empty; 4]);
        cells
    };
    let total: u64 = figures.releases.values().sum();
    let values: [(&str, Vec<Cell>); 12] = [
        ("releases", one(total.into())),
        ("successRate", one(figures.success_rate.into())),
        ("deployments", one(figures.deployments.into())),
        ("deploymentsPerDay", one(figures.deployments_per_day.into())),
        ("leadTime", spread(&figures.lead_time)),
        ("changeFailureRate", one(figures.change_failure_rate.into())),
        ("timeToRestore", spread(&figures.time_to_restore)),
        ("approvalWait", spread(&figures.approval_wait)),
        ("startDelay", spread(&figures.start_delay)),
        ("startedOnTime", one(figures.started_on_time.into())),
        ("duration", spread(&figures.duration)),
        ("overrun", spread(&figures.overrun)),
    ];
    let definition = |name: &str| {
        let known = figures
            .definitions
            .iter()
            .find(|known| known.figure == name);
        known.map(|known| known.definition.clone())
    };
    let mut rows: Vec<Vec<Cell>> = values
        .into_iter()
        .map(|(name, cells)| {
            let mut row: Vec<Cell> = vec![name.into()];
            row.extend(cells);
            row.push(definition(name).into());
            row
        })
        .collect();
    rows.extend(figures.releases.iter().map(|(status, count)| {
        let mut row: Vec<Cell> = vec![format!("releases.{status}").into()];
        row.extend(one((*count).into()));
        row.push(Cell::Empty);
        row
    }));
    Sheet {
        name: "figures",
        head: &[
            "figure",
            "value",
            "count",
            "meanSeconds",
            "p90Seconds",
            "maxSeconds",
            "definition",
        ],
        rows,
    }
}

/// A value as a text of a cell.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
