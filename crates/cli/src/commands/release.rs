//! Releases: every verb of `release`.

use reqwest::Method;
use serde_json::{Value, json};
use trainmaster_api::{
    AbortRelease, ActivateRelease, AddNote, NoteView, PreExecuteRelease, Reason, ReleaseSummary,
    ReleaseView, RestartFrom, RestartRelease,
};

use super::{Column, Session, age, ask, column, distance, labels, status, took, wide_column, word};
use crate::args::{
    AbortArgs, FilterArgs, InputArgs, NotesArgs, PreExecuteArgs, ReasonedArgs, ReleaseCommand,
    ReleaseDeleteArgs, ReleaseListArgs, RestartArgs, RestartPoint, ResumeArgs, StartArgs, WaitArgs,
};
use crate::client;
use crate::failure::{Done, Failure};
use crate::values::{self, Types};
use crate::{output, when};

pub(crate) mod create;
mod find;
mod follow;
mod prepare;
mod show;
mod watch;

pub(crate) use find::resolve;
pub(crate) use follow::{Goal, until_ended};
pub(crate) use show::{describe, waiting_text};

/// Runs a verb of `release`.
pub(crate) async fn run(session: &Session, command: ReleaseCommand) -> Done {
    match command {
        ReleaseCommand::Create(args) => create::create(session, &args).await,
        ReleaseCommand::List(args) => list(session, &args).await,
        ReleaseCommand::Show(args) => show::describe(session, &args.release).await,
        ReleaseCommand::Start(args) => start(session, &args).await,
        ReleaseCommand::Finalize(args) => {
            plain(
                session,
                &args.release,
                "finalize",
                &json!({}),
                &WaitArgs::default(),
            )
            .await
        }
        ReleaseCommand::PreExecute(args) => pre_execute(session, &args).await,
        ReleaseCommand::Cancel(args) => reasoned(session, &args, "cancel").await,
        ReleaseCommand::Pause(args) => reasoned(session, &args, "pause").await,
        ReleaseCommand::Unquarantine(args) => reasoned(session, &args, "unquarantine").await,
        ReleaseCommand::Resume(args) => resume(session, &args).await,
        ReleaseCommand::Abort(args) => abort(session, &args).await,
        ReleaseCommand::Restart(args) => restart(session, &args).await,
        ReleaseCommand::Archive(args) => {
            plain(
                session,
                &args.release,
                "archive",
                &json!({}),
                &WaitArgs::default(),
            )
            .await
        }
        ReleaseCommand::Delete(args) => delete(session, &args).await,
        ReleaseCommand::Watch(args) => watch::watch(session, &args).await,
        ReleaseCommand::Timeline(args) => show::timeline(session, &args.release).await,
        ReleaseCommand::Explain(args) => show::explain(session, &args.release).await,
        ReleaseCommand::Notes(args) => notes(session, &args).await,
        ReleaseCommand::Edit(args) => create::edit(session, &args).await,
        ReleaseCommand::Preview(args) => prepare::preview(session, &args).await,
        ReleaseCommand::Review(args) => prepare::review(session, &args).await,
        ReleaseCommand::Ready(args) => prepare::ready(session, &args).await,
        ReleaseCommand::Acknowledge(args) => prepare::acknowledge(session, &args).await,
        ReleaseCommand::Link(args) => prepare::link(session, &args).await,
        ReleaseCommand::Events(args) => watch::events(session, &args).await,
        ReleaseCommand::Report(args) => super::trace::release_report(session, &args).await,
    }
}

/// The columns of a list of releases.
pub(crate) const COLUMNS: &[Column<ReleaseSummary>] = &[
    column("ID", |release, _| release.id.clone()),
    column("NAME", |release, _| output::plain(&release.name)),
    column("STATUS", |release, _| standing(release)),
    column("PROCESS", |release, _| release.process.clone()),
    column("DONE", |release, _| progress(release)),
    column("START", |release, now| {
        distance(
            release
                .started_at
                .as_deref()
                .or(release.start_at.as_deref()),
            now,
        )
    }),
    column("AGE", |release, now| age(&release.created_at, now)),
    wide_column("ORGANIZATION", |release, _| {
        release.organization.clone().unwrap_or_default()
    }),
    wide_column("TYPE", |release, _| word(&release.release_type)),
    wide_column("VERSION", |release, _| {
        release.version.clone().unwrap_or_default()
    }),
    wide_column("TOOK", |release, now| {
        took(
            release.started_at.as_deref(),
            release.ended_at.as_deref(),
            now,
        )
    }),
    wide_column("MANAGER", |release, _| {
        release.manager.clone().unwrap_or_default()
    }),
    wide_column("LABELS", |release, _| labels(&release.labels)),
];

/// The status with what a bare word would hide.
fn standing(release: &ReleaseSummary) -> String {
    let mut words = vec![release.status.as_str().to_owned()];
    if release.paused {
        words.push("paused".to_owned());
    }
    if release.counters.needs_input > 0 && !release.status.is_terminal() {
        words.push(format!(
            "{} waiting for people",
            release.counters.needs_input
        ));
    }
    if release.overdue {
        words.push("overdue".to_owned());
    }
    if release.archived {
        words.push("archived".to_owned());
    }
    words.join(", ")
}

fn progress(release: &ReleaseSummary) -> String {
    let counters = &release.counters;
    let settled = counters.succeeded + counters.ignored + counters.skipped + counters.aborted;
    if counters.total == 0 {
        String::new()
    } else {
        format!("{settled}/{}", counters.total)
    }
}

/// `release list` and `get releases`.
pub(crate) async fn list(session: &Session, args: &ReleaseListArgs) -> Done {
    let mut query = selection(&args.filter)?;
    if !args.status.is_empty() {
        query.push(("status", args.status.join(",")));
    }
    query.extend(args.process.clone().map(|process| ("process", process)));
    query.extend(args.group.clone().map(|group| ("group", group)));
    query.extend(args.search.clone().map(|words| ("search", words)));
    if args.archived {
        query.push(("archived", "true".to_owned()));
    }
    let path = ["api", "v1", "releases"];
    let items = client::list(&session.client, &path, &query, args.page.limit).await?;
    session.print_list(
        items,
        |release: &ReleaseSummary| release.id.clone(),
        COLUMNS,
    )
}

/// A selector and an organization as the server reads them.
pub(crate) fn selection(filter: &FilterArgs) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut query = Vec::new();
    if let Some(selector) = &filter.selector {
        if selector.trim().is_empty() {
            return Err(Failure::usage("the selector is empty")
                .hint("write for example `-l team=platform`"));
        }
        query.push(("label", selector.replace(' ', "")));
    }
    query.extend(
        filter
            .org
            .clone()
            .map(|organization| ("organization", organization)),
    );
    Ok(query)
}

/// Reads a release as the server gives it.
pub(crate) async fn read(session: &Session, id: &str) -> Result<Value, Failure> {
    session
        .client
        .get(&["api", "v1", "releases", id], &[])
        .await
}

async fn start(session: &Session, args: &StartArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    let inputs = release_inputs(session, &id, &args.values).await?;
    act(
        session,
        &id,
        "activate",
        &ActivateRelease { inputs },
        &args.waiting,
    )
    .await
}

async fn pre_execute(session: &Session, args: &PreExecuteArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    let inputs = release_inputs(session, &id, &args.values).await?;
    let request = PreExecuteRelease {
        inputs,
        purpose: args.purpose.clone(),
    };
    act(session, &id, "pre-execute", &request, &args.waiting).await
}

/// Values for the inputs of an existing release, read by the types that its process declares.
async fn release_inputs(
    session: &Session,
    id: &str,
    given: &InputArgs,
) -> Result<std::collections::BTreeMap<String, Value>, Failure> {
    if given.inputs.is_empty() && given.inputs_file.is_none() {
        return Ok(Default::default());
    }
    let release: ReleaseView = serde_json::from_value(read(session, id).await?)?;
    let organization = release.summary.process_organization.as_deref();
    let types = create::process_types(session, &release.summary.process, organization).await?;
    read_inputs(given, &types)
}

/// Values from the file, and over them the single ones.
fn read_inputs(
    given: &InputArgs,
    types: &Types,
) -> Result<std::collections::BTreeMap<String, Value>, Failure> {
    let mut inputs = match &given.inputs_file {
        Some(path) => values::read_object(path)?,
        None => Default::default(),
    };
    inputs.extend(values::parse_pairs(&given.inputs, types)?);
    Ok(inputs)
}

async fn reasoned(session: &Session, args: &ReasonedArgs, action: &str) -> Done {
    let request = Reason {
        reason: args.reason.clone(),
    };
    plain(
        session,
        &args.release.release,
        action,
        &request,
        &WaitArgs::default(),
    )
    .await
}

async fn resume(session: &Session, args: &ResumeArgs) -> Done {
    plain(
        session,
        &args.release.release,
        "resume",
        &json!({}),
        &args.waiting,
    )
    .await
}

async fn abort(session: &Session, args: &AbortArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    ask(args.consent, &format!("stopping {id} for good"))?;
    let request = AbortRelease {
        reason: args.reason.clone(),
    };
    let waiting = WaitArgs {
        wait: args.wait,
        timeout: args.timeout.clone(),
    };
    act_towards(session, &id, "abort", &request, &waiting, Goal::Aborted).await
}

async fn restart(session: &Session, args: &RestartArgs) -> Done {
    let at = args
        .at
        .as_deref()
        .map(|text| when::parse_instant(text, None, session.now));
    let request = RestartRelease {
        from: match args.from {
            RestartPoint::Start => RestartFrom::Start,
            RestartPoint::Unfinished => RestartFrom::Unfinished,
        },
        at: at.transpose()?.map(|instant| instant.to_string()),
        reason: args.reason.clone(),
    };
    plain(
        session,
        &args.release.release,
        "restart",
        &request,
        &args.waiting,
    )
    .await
}

async fn delete(session: &Session, args: &ReleaseDeleteArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    remove(session, &id, args.consent).await
}

/// Deletes a release after asking.
pub(crate) async fn remove(session: &Session, id: &str, consent: crate::args::Consent) -> Done {
    ask(consent, &format!("deleting {id} with its history"))?;
    let request = session
        .client
        .request(Method::DELETE, &["api", "v1", "releases", id], &[]);
    session.client.send(request).await?;
    output::data(format_args!("{id} deleted"));
    Ok(())
}

async fn notes(session: &Session, args: &NotesArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    if let Some(text) = &args.add {
        let path = ["api", "v1", "releases", &id, "notes"];
        let _: Value = session
            .client
            .post(&path, &AddNote { text: text.clone() })
            .await?;
    }
    let release = read(session, &id).await?;
    let notes = release["notes"].as_array().cloned().unwrap_or_default();
    if output::is_structured(session.format) {
        return output::structured(session.format, &json!({ "items": notes }));
    }
    let notes: Vec<NoteView> = serde_json::from_value(Value::Array(notes))?;
    if notes.is_empty() {
        output::note("there are no notes");
    }
    for note in notes {
        output::data(format_args!("{}  {}", session.time(&note.at), note.by));
        for line in note.text.lines() {
            output::data(format_args!("    {}", output::plain(line)));
        }
    }
    Ok(())
}

/// An action without a goal of its own.
async fn plain(
    session: &Session,
    release: &str,
    action: &str,
    request: &impl serde::Serialize,
    waiting: &WaitArgs,
) -> Done {
    let id = resolve(&session.client, release).await?;
    act(session, &id, action, request, waiting).await
}

async fn act(
    session: &Session,
    id: &str,
    action: &str,
    request: &impl serde::Serialize,
    waiting: &WaitArgs,
) -> Done {
    act_towards(session, id, action, request, waiting, Goal::Success).await
}

async fn act_towards(
    session: &Session,
    id: &str,
    action: &str,
    request: &impl serde::Serialize,
    waiting: &WaitArgs,
    goal: Goal,
) -> Done {
    let path = ["api", "v1", "releases", id, action];
    let answer: Value = session.client.post(&path, request).await?;
    report(session, answer, waiting, goal).await
}

/// Prints where a release stands after a change, at once or once it has ended.
pub(crate) async fn report(
    session: &Session,
    answer: Value,
    waiting: &WaitArgs,
    goal: Goal,
) -> Done {
    let release: ReleaseView = serde_json::from_value(answer.clone())?;
    if !waiting.wait {
        return print(session, &answer);
    }
    let ended = until_ended(session, &release.summary.id, waiting).await?;
    print(session, &ended)?;
    goal.judge(&serde_json::from_value(ended)?)
}

fn print(session: &Session, answer: &Value) -> Done {
    session.print(
        answer,
        |release: &ReleaseView| release.summary.id.clone(),
        |release| {
            let word = release.summary.status.as_str();
            output::data(format_args!(
                "{}  {}  {}",
                release.summary.id,
                status(word),
                output::plain(&release.summary.name)
            ));
            for waiting in show::pressing(release) {
                output::note(format_args!(
                    "waits: {}",
                    waiting_text(waiting, session.now)
                ));
            }
            for warning in &release.warnings {
                output::note(format_args!(
                    "warning: {} [{}]",
                    output::plain(&warning.message),
                    warning.code
                ));
            }
            Ok(())
        },
    )
}
