//! What is deployed, where a commit is, reports and figures: `deployed`, `where`, `report`, `metrics`.

use std::path::Path;

use serde_json::Value;
use trainmaster_api::{
    CommitView, DeployedCommits, DeploymentView, FiguresView, PeriodReport, ReleaseReport,
    SpreadView, WhereView,
};

use super::{Column, Session, age, column, wide_column};
use crate::args::{DeployedArgs, OverArgs, ReleaseReportArgs, WhereArgs};
use crate::client;
use crate::failure::{Done, Failure};
use crate::output;
use crate::when;

type Query = Vec<(&'static str, String)>;

fn given<'a>(parameters: impl IntoIterator<Item = (&'static str, Option<&'a String>)>) -> Query {
    parameters
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.clone())))
        .collect()
}

const DEPLOYMENTS: &[Column<DeploymentView>] = &[
    column("ENVIRONMENT", |view, _| output::plain(&view.environment)),
    column("SERVICE", |view, _| output::plain(&view.service)),
    column("VERSION", |view, _| {
        output::plain(view.version.as_deref().unwrap_or_default())
    }),
    column("COMMIT", |view, _| {
        let commit = view.commits.first().map(String::as_str);
        output::plain(commit.unwrap_or_default())
    }),
    column("RELEASE", |view, _| view.release.clone()),
    column("AGE", |view, now| age(&view.at, now)),
    wide_column("NAME", |view, _| {
        output::plain(view.release_name.as_deref().unwrap_or("(deleted)"))
    }),
    wide_column("IMAGE", |view, _| {
        output::plain(view.image.as_deref().unwrap_or_default())
    }),
    wide_column("ORGANIZATION", |view, _| {
        view.organization.clone().unwrap_or_default()
    }),
    wide_column("SINCE", |view, _| view.at.clone()),
];

const COMMITS: &[Column<CommitView>] = &[
    column("COMMIT", |view, _| output::plain(&view.commit)),
    column("SERVICES", |view, _| {
        output::plain(&view.services.join(", "))
    }),
    column("RELEASES", |view, _| view.releases.join(", ")),
    wide_column("NAMED BY", |view, _| view.sources.join(", ")),
];

/// What is deployed, what was, and which commits that is.
pub(crate) async fn deployed(session: &Session, args: &DeployedArgs) -> Done {
    let query = given([
        ("service", args.service.as_ref()),
        ("organization", args.org.as_ref()),
        ("at", args.at.as_ref()),
    ]);
    if let Some(environment) = args.environment.as_ref().filter(|_| args.commits) {
        let path = ["api", "v1", "deployments", environment.as_str(), "commits"];
        let answer: Value = session.client.get(&path, &query).await?;
        if output::is_structured(session.format) {
            return output::structured(session.format, &answer);
        }
        let view: DeployedCommits = serde_json::from_value(answer)?;
        let items = view.commits.into_iter().map(serde_json::to_value);
        let items: Vec<Value> = items.collect::<Result<_, _>>()?;
        return session.print_list(items, |view: &CommitView| view.commit.clone(), COMMITS);
    }
    let mut query = query;
    query.extend(given([("environment", args.environment.as_ref())]));
    let path: &[&str] = match args.history {
        true => &["api", "v1", "deployments", "history"],
        false => &["api", "v1", "deployments"],
    };
    let items = client::list(&session.client, path, &query, args.limit).await?;
    let name = |view: &DeploymentView| format!("{}/{}", view.environment, view.service);
    session.print_list(items, name, DEPLOYMENTS)
}

/// Where a commit, an image, an artifact or a ticket is.
pub(crate) async fn find(session: &Session, args: &WhereArgs) -> Done {
    let query = given([
        ("commit", args.commit.as_ref()),
        ("image", args.image.as_ref()),
        ("artifact", args.artifact.as_ref()),
        ("ticket", args.ticket.as_ref()),
    ]);
    let answer: Value = session.client.get(&["api", "v1", "where"], &query).await?;
    let ids = |view: &WhereView| {
        let ids = view.releases.iter().map(|one| one.release.clone());
        ids.collect::<Vec<_>>().join("\n")
    };
    session.print(&answer, ids, |view: &WhereView| {
        if view.releases.is_empty() {
            output::note("nothing found");
            return Ok(());
        }
        let mut table = output::Columns::new(&[
            "RELEASE",
            "NAME",
            "STATUS",
            "FOUND IN",
            "ENVIRONMENT",
            "SERVICE",
            "SINCE",
            "UNTIL",
        ]);
        for one in &view.releases {
            let own = [
                one.release.clone(),
                output::plain(one.name.as_deref().unwrap_or("(deleted)")),
                one.status.clone().unwrap_or_default(),
                one.sources.join(", "),
            ];
            if one.environments.is_empty() {
                let nowhere = [
                    "nowhere yet".to_owned(),
                    String::new(),
                    String::new(),
                    String::new(),
                ];
                table.row(own.iter().cloned().chain(nowhere));
            }
            for stay in &one.environments {
                let place = [
                    output::plain(&stay.environment),
                    output::plain(&stay.service),
                    stay.since.clone(),
                    stay.until.clone().unwrap_or_else(|| "now".to_owned()),
                ];
                table.row(own.iter().cloned().chain(place));
            }
        }
        table.print();
        if view.cut {
            output::note("there is more than is shown; look for more letters");
        }
        Ok(())
    })
}

/// The report of one release, to the screen or to a file.
pub(crate) async fn release_report(session: &Session, args: &ReleaseReportArgs) -> Done {
    let path = ["api", "v1", "releases", args.release.as_str(), "report"];
    if let Some(file) = &args.file.file {
        return save(session, &path, Vec::new(), file).await;
    }
    let answer: Value = session.client.get(&path, &[]).await?;
    session.print(
        &answer,
        |view: &ReleaseReport| view.release.id.clone(),
        |view: &ReleaseReport| {
            show_release(view);
            Ok(())
        },
    )
}

fn show_release(view: &ReleaseReport) {
    let release = &view.release;
    let record = &view.record;
    output::fields(&[
        (
            "Release",
            format!("{} {}", release.id, output::plain(&release.name)),
        ),
        ("Status", release.status.as_str().to_owned()),
        ("Started", release.started_at.clone().unwrap_or_default()),
        ("Ended", release.ended_at.clone().unwrap_or_default()),
        ("Commits", output::plain(&record.commits.join(" "))),
        ("Tickets", output::plain(&record.tickets.join(" "))),
        ("Images", output::plain(&record.images.join(" "))),
    ]);
    section(
        "Approvals",
        record.approvals.iter().map(|one| {
            let voided = if one.voided { " (voided)" } else { "" };
            format!(
                "{} {} {} {}{voided}  {}",
                one.at,
                one.path,
                one.user,
                one.decision,
                output::plain(&one.comment)
            )
        }),
    );
    section(
        "Deployments",
        record.deployments.iter().map(|one| {
            let version = one.version.as_deref().unwrap_or_default();
            output::plain(&format!(
                "{} {} to {} {version}",
                one.at, one.service, one.environment
            ))
        }),
    );
    section(
        "Deviations",
        view.deviations.iter().map(|one| {
            let place = one
                .path
                .as_deref()
                .or(one.phase.as_deref())
                .unwrap_or_default();
            output::plain(&format!(
                "{} {} {place} by {}: {}",
                one.at, one.words, one.by, one.reason
            ))
        }),
    );
    section(
        "Notes",
        view.notes
            .iter()
            .map(|note| output::plain(&format!("{} {}: {}", note.at, note.by, note.text))),
    );
}

fn section(name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    output::data(
        format_args!("\n{name}: {}", if lines.is_empty() { "none" } else { "" })
            .to_string()
            .trim_end(),
    );
    for line in lines {
        output::data(format_args!("  {line}"));
    }
}

/// The report of a period, to the screen or to a file.
pub(crate) async fn report(session: &Session, args: &OverArgs) -> Done {
    let path = ["api", "v1", "reports", "releases"];
    if let Some(file) = &args.file.file {
        return save(session, &path, over(args), file).await;
    }
    let answer: Value = session.client.get(&path, &over(args)).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let view: PeriodReport = serde_json::from_value(answer)?;
    output::note(format_args!(
        "{}, from {} to {}",
        output::plain(&view.about),
        view.from,
        view.to
    ));
    let items = view.releases.into_iter().map(serde_json::to_value);
    let items: Vec<Value> = items.collect::<Result<_, _>>()?;
    session.print_list(
        items,
        |release: &trainmaster_api::ReleaseSummary| release.id.clone(),
        super::release::COLUMNS,
    )
}

/// The figures of a period, to the screen or to a file.
pub(crate) async fn metrics(session: &Session, args: &OverArgs) -> Done {
    let path = ["api", "v1", "reports", "metrics"];
    if let Some(file) = &args.file.file {
        return save(session, &path, over(args), file).await;
    }
    let answer: Value = session.client.get(&path, &over(args)).await?;
    session.print(
        &answer,
        |_: &FiguresView| String::new(),
        |view: &FiguresView| {
            show_figures(view);
            Ok(())
        },
    )
}

fn show_figures(view: &FiguresView) {
    let rate = |rate: Option<f64>| {
        rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.0} %", rate * 100.0))
    };
    let length = |seconds: f64| {
        when::length(jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default())
    };
    let spread = |spread: Option<SpreadView>| {
        spread.map_or_else(
            || "-".to_owned(),
            |spread| {
                format!(
                    "median {}, 9 of 10 within {}, longest {} ({} counted)",
                    length(spread.median_seconds),
                    length(spread.p90_seconds),
                    length(spread.max_seconds),
                    spread.count
                )
            },
        )
    };
    let ended: Vec<String> = view
        .releases
        .iter()
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    output::fields(&[
        ("Period", format!("{} to {}", view.from, view.to)),
        (
            "Releases",
            if ended.is_empty() {
                "none".to_owned()
            } else {
                ended.join(", ")
            },
        ),
        ("Success rate", rate(view.success_rate)),
        (
            "Deployments",
            format!(
                "{} ({:.2} a day)",
                view.deployments, view.deployments_per_day
            ),
        ),
        ("Lead time", spread(view.lead_time)),
        ("Change failure rate", rate(view.change_failure_rate)),
        ("Time to restore", spread(view.time_to_restore)),
        ("Approval wait", spread(view.approval_wait)),
        ("Start delay", spread(view.start_delay)),
        ("Started on time", rate(view.started_on_time)),
        ("Duration", spread(view.duration)),
        ("Overrun", spread(view.overrun)),
    ]);
    output::hint("what each figure means: `trainmaster metrics -o yaml`");
}

fn over(args: &OverArgs) -> Query {
    given([
        ("from", args.from.as_ref()),
        ("to", args.to.as_ref()),
        ("process", args.process.as_ref()),
        ("group", args.group.as_ref()),
        ("environment", args.environment.as_ref()),
        ("organization", args.org.as_ref()),
    ])
}

/// Writes a report to a file, in the form that the file's ending names.
async fn save(session: &Session, path: &[&str], mut query: Query, file: &Path) -> Done {
    let ending = file.extension().and_then(|ending| ending.to_str());
    let form = match ending {
        Some(form @ ("csv" | "xlsx" | "json")) => form,
        _ => {
            return Err(Failure::usage(format!(
                "`{}` does not end in .csv, .xlsx or .json",
                file.display()
            )));
        }
    };
    query.push(("format", form.to_owned()));
    let request = session
        .client
        .request(reqwest::Method::GET, path, &query)
        .accept("*/*");
    let response = session.client.stream(&request).await?;
    let bytes = response.bytes().await.map_err(Failure::error)?;
    std::fs::write(file, &bytes)
        .map_err(|error| Failure::error(format!("`{}`: {error}", file.display())))?;
    output::note(format_args!("written to {}", file.display()));
    Ok(())
}
