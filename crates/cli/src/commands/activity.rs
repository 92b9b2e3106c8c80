//! Activities of a release: every verb of `activity`.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use trainmaster_api::{
    ActivitySummary, ActivityView, AttemptView, Decide, GiveReason, IgnoreActivity, LogLineView,
    RetryActivity, SubmitInput, TaskStatus, UpdateTask,
};

use super::release::{Goal, read, report, resolve, waiting_text};
use super::{Column, Session, age, column, shown_time, status, took, wide_column, word};
use crate::args::{
    ActivityArg, ActivityCommand, ActivityReasonArgs, DecisionArgs, IgnoreArgs, LogsArgs,
    RetryArgs, SubmitArgs, TaskArgs, TaskState, WaitArgs,
};
use crate::failure::{Done, Failure};
use crate::output;
use crate::values::{self, Types, parse_pairs};

/// Runs a verb of `activity`.
pub(crate) async fn run(session: &Session, command: ActivityCommand) -> Done {
    match command {
        ActivityCommand::List(args) => list(session, &args.release).await,
        ActivityCommand::Show(args) => show(session, &args).await,
        ActivityCommand::Logs(args) => logs(session, &args).await,
        ActivityCommand::Retry(args) => retry(session, &args).await,
        ActivityCommand::Ignore(args) => ignore(session, &args).await,
        ActivityCommand::Fail(args) => fail(session, &args).await,
        ActivityCommand::Approve(args) => decide(session, &args, "approve").await,
        ActivityCommand::Reject(args) => decide(session, &args, "reject").await,
        ActivityCommand::Submit(args) => submit(session, &args).await,
        ActivityCommand::Task(args) => task(session, &args).await,
    }
}

/// Where an activity is found.
struct Place {
    release: String,
    phase: String,
    activity: String,
}

impl Place {
    async fn find(session: &Session, args: &ActivityArg) -> Result<Place, Failure> {
        let (phase, activity) = args.path.split_once('/').ok_or_else(|| {
            Failure::usage(format!(
                "`{}` does not have the form `phase/activity`",
                args.path
            ))
            .hint("`trainmaster activity list RELEASE` shows the activities")
        })?;
        let release = resolve(&session.client, &args.release.release).await?;
        Ok(Place {
            release,
            phase: phase.to_owned(),
            activity: activity.to_owned(),
        })
    }

    /// The address of the activity, and of something below it.
    fn path<'a>(&'a self, below: &[&'a str]) -> Vec<&'a str> {
        let own = [
            "api",
            "v1",
            "releases",
            &self.release,
            "activities",
            &self.phase,
            &self.activity,
        ];
        own.into_iter().chain(below.iter().copied()).collect()
    }

    async fn view(&self, session: &Session) -> Result<ActivityView, Failure> {
        session.client.get(&self.path(&[]), &[]).await
    }
}

const COLUMNS: &[Column<ActivitySummary>] = &[
    column("ACTIVITY", |activity, _| activity.path.clone()),
    column("USES", |activity, _| activity.uses.clone()),
    column("STATUS", |activity, _| standing(activity)),
    column("ATTEMPTS", |activity, _| activity.attempts_made.to_string()),
    column("TOOK", |activity, now| {
        took(
            activity.started_at.as_deref(),
            activity.ended_at.as_deref(),
            now,
        )
    }),
    column("NEEDS", |activity, _| activity.needs.join(", ")),
    wide_column("IMPORTANCE", |activity, _| word(&activity.importance)),
    wide_column("STARTED", |activity, now| {
        activity
            .started_at
            .as_ref()
            .map_or_else(String::new, |at| age(at, now))
    }),
    wide_column("REASON", |activity, _| {
        let reason = activity.reason.as_ref().or(activity.error.as_ref());
        reason.map_or_else(String::new, |reason| output::plain(reason))
    }),
];

fn standing(activity: &ActivitySummary) -> String {
    let word = word(&activity.status);
    if activity.awaits_decision {
        format!("{word}, awaits a decision")
    } else {
        word
    }
}

async fn list(session: &Session, release: &str) -> Done {
    let id = resolve(&session.client, release).await?;
    let path = ["api", "v1", "releases", &id, "activities"];
    let items = crate::client::list(&session.client, &path, &[], usize::MAX).await?;
    session.print_list(
        items,
        |activity: &ActivitySummary| activity.path.clone(),
        COLUMNS,
    )
}

async fn show(session: &Session, args: &ActivityArg) -> Done {
    let place = Place::find(session, args).await?;
    let answer: Value = session.client.get(&place.path(&[]), &[]).await?;
    session.print(
        &answer,
        |activity: &ActivityView| activity.summary.path.clone(),
        |activity| {
            print(session, activity);
            Ok(())
        },
    )
}

fn print(session: &Session, activity: &ActivityView) {
    let summary = &activity.summary;
    let time = |instant: &Option<String>| {
        instant
            .as_ref()
            .map_or_else(String::new, |instant| session.time(instant))
    };
    let waiting: Vec<String> = activity
        .waiting
        .iter()
        .map(|waiting| waiting_text(waiting, session.now))
        .collect();
    let item = summary.item.as_ref().map(|item| values::shown(&item.value));
    let items = summary
        .items
        .map(|items| format!("{} ({} open)", items.count, items.unsettled));
    output::fields(&[
        (
            "Activity",
            format!("{}  {}", summary.path, output::plain(&summary.name)),
        ),
        ("Release", activity.release.clone()),
        ("Status", status_line(summary)),
        ("Uses", summary.uses.clone()),
        ("Importance", word(&summary.importance)),
        ("Item", item.unwrap_or_default()),
        ("Items", items.unwrap_or_default()),
        ("Purpose", output::plain(&activity.description)),
        ("Owners", activity.owners.join(", ")),
        ("After", activity.depends_on.join(", ")),
        ("Started", time(&summary.started_at)),
        ("Ended", time(&summary.ended_at)),
        ("Next try", time(&activity.retry_at)),
        ("Given up", time(&activity.decision_deadline)),
        (
            "Reason",
            summary
                .reason
                .as_deref()
                .map(output::plain)
                .unwrap_or_default(),
        ),
        (
            "Error",
            summary
                .error
                .as_deref()
                .map(output::plain)
                .unwrap_or_default(),
        ),
        (
            "Runbook",
            activity
                .runbook
                .as_deref()
                .map(output::plain)
                .unwrap_or_default(),
        ),
        ("Waits for", waiting.join("\n")),
        ("Outputs", pairs(&activity.outputs)),
        ("Approval", approval(session, activity)),
        ("Form", form(activity)),
        ("Tasks", tasks(activity)),
    ]);
    for attempt in &activity.attempts {
        output::data("");
        print_attempt(session, attempt);
    }
    next_steps(activity);
}

fn status_line(summary: &ActivitySummary) -> String {
    let shown = status(&word(&summary.status));
    if summary.awaits_decision {
        format!("{shown}, awaits a decision")
    } else {
        shown
    }
}

fn pairs(pairs: &std::collections::BTreeMap<String, Value>) -> String {
    let texts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name} = {}", values::shown(value)))
        .collect();
    texts.join("\n")
}

fn approval(session: &Session, activity: &ActivityView) -> String {
    let Some(approval) = &activity.approval else {
        return String::new();
    };
    let mut lines = vec![format!(
        "{} of {} approved",
        approval.approved, approval.needed
    )];
    if !approval.message.is_empty() {
        lines.push(output::plain(&approval.message));
    }
    lines.push(format!(
        "may still decide: {}",
        approval.eligible.join(", ")
    ));
    if let Some(deadline) = &approval.deadline {
        lines.push(format!(
            "deadline: {} ({})",
            session.time(deadline),
            approval.on_deadline
        ));
    }
    for vote in &approval.votes {
        let comment = output::plain(&vote.comment);
        lines.push(format!(
            "{} {}: {} {comment}",
            session.time(&vote.at),
            vote.user,
            vote.decision
        ));
    }
    lines.push(format!("digest: {}", approval.digest));
    lines.join("\n")
}

fn form(activity: &ActivityView) -> String {
    let Some(form) = &activity.form else {
        return String::new();
    };
    let fields = form.fields.iter().map(|field| {
        let declaration = &field.declaration;
        let required = if declaration["required"] == json!(true) {
            ", required"
        } else {
            ""
        };
        let kind = declaration["type"].as_str().unwrap_or("value");
        let about = declaration["description"].as_str().unwrap_or_default();
        output::plain(format!("{} ({kind}{required})  {about}", field.name).trim_end())
    });
    fields.collect::<Vec<_>>().join("\n")
}

fn tasks(activity: &ActivityView) -> String {
    let tasks = activity.tasks.iter().flat_map(|tasks| &tasks.tasks);
    let lines = tasks.map(|task| {
        let who = task.assignees.join(", ");
        output::plain(
            format!(
                "{:12} {}  {}  {who}",
                word(&task.status),
                task.id,
                task.title
            )
            .trim_end(),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn print_attempt(session: &Session, attempt: &AttemptView) {
    let inputs: Vec<String> = attempt
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
    let result = if attempt.result.is_null() {
        String::new()
    } else {
        values::shown(&attempt.result)
    };
    let ended = attempt
        .ended_at
        .as_ref()
        .map(|at| shown_time(at, session.now));
    output::fields(&[
        (
            "Attempt",
            format!("{}  {}", attempt.number, status(&word(&attempt.status))),
        ),
        (
            "Began",
            format!(
                "{} by {} ({})",
                session.time(&attempt.started_at),
                attempt.by,
                word(&attempt.trigger)
            ),
        ),
        ("Ended", ended.unwrap_or_default()),
        ("Inputs", inputs.join("\n")),
        ("Changed", pairs(&attempt.overrides)),
        ("Child", attempt.child.clone().unwrap_or_default()),
        ("Result", result),
        (
            "Error",
            attempt
                .error
                .as_deref()
                .map(output::plain)
                .unwrap_or_default(),
        ),
    ]);
}

/// What this person may do now, as commands.
fn next_steps(activity: &ActivityView) {
    let place = format!("{} {}", activity.release, activity.summary.path);
    for action in activity.actions.iter().filter(|action| action.allowed) {
        let rest = match action.action.as_str() {
            "retry" | "ignore" | "fail" => " --reason TEXT".to_owned(),
            "submit" => asked(activity),
            "approve" | "reject" => String::new(),
            _ => continue,
        };
        output::hint(format_args!(
            "trainmaster activity {} {place}{rest}",
            action.action
        ));
    }
}

/// What has to be filled in, as arguments.
fn asked(activity: &ActivityView) -> String {
    let fields = activity.form.iter().flat_map(|form| &form.fields);
    fields
        .map(|field| format!(" --set {}=VALUE", field.name))
        .collect()
}

async fn logs(session: &Session, args: &LogsArgs) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let mut query = Vec::new();
    query.extend(args.attempt.map(|number| ("attempt", number.to_string())));
    if args.follow {
        query.push(("follow", "true".to_owned()));
    }
    let mut after = 0;
    loop {
        let mut query = query.clone();
        query.push(("after", after.to_string()));
        let ended = stream_logs(session, &place, &query, &mut after).await?;
        if ended || !args.follow {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Prints the log lines of one answer as they come; false if the line broke before its end.
async fn stream_logs(
    session: &Session,
    place: &Place,
    query: &[(&str, String)],
    after: &mut u64,
) -> Result<bool, Failure> {
    let path = place.path(&["logs"]);
    let request = session
        .client
        .request(Method::GET, &path, query)
        .accept("application/x-ndjson");
    let mut body = session.client.stream(&request).await?.bytes_stream();
    let mut rest = Vec::new();
    while let Some(bytes) = body.next().await {
        let Ok(bytes) = bytes else { return Ok(false) };
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                *after = print_line(session, line.trim())?;
            }
        }
    }
    Ok(true)
}

fn print_line(session: &Session, text: &str) -> Result<u64, Failure> {
    let line: LogLineView = serde_json::from_str(text)?;
    if output::is_structured(session.format) {
        output::data(text);
    } else if line.stream == "system" {
        output::note(format_args!("-- {}", output::plain(&line.text)));
    } else {
        output::data(output::plain(&line.text));
    }
    Ok(line.number)
}

async fn retry(session: &Session, args: &RetryArgs) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let types = if args.set.is_empty() {
        Types::new()
    } else {
        current_types(&place.view(session).await?)
    };
    let request = RetryActivity {
        reason: args.reason.clone(),
        inputs: parse_pairs(&args.set, &types)?,
        remedy: args.remedy.clone(),
        save_to: args.save_to.clone(),
    };
    act(session, &place, "retry", &request, &args.waiting).await
}

/// What a changed value is read as: the type of the value that it replaces.
fn current_types(activity: &ActivityView) -> Types {
    let Some(attempt) = activity.attempts.last() else {
        return Types::new();
    };
    let inputs = attempt
        .inputs
        .iter()
        .map(|(name, input)| (name, &input.value));
    let settings = attempt.config.as_object().into_iter().flatten();
    inputs
        .chain(settings)
        .filter_map(|(name, value)| Some((name.clone(), values::type_of(value)?.to_owned())))
        .collect()
}

async fn ignore(session: &Session, args: &IgnoreArgs) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let outputs = parse_pairs(&args.set, &Types::new())?;
    let request = IgnoreActivity {
        reason: args.reason.clone(),
        outputs,
    };
    act(session, &place, "ignore", &request, &args.waiting).await
}

async fn fail(session: &Session, args: &ActivityReasonArgs) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let request = GiveReason {
        reason: args.reason.clone(),
    };
    act(session, &place, "fail", &request, &args.waiting).await
}

async fn decide(session: &Session, args: &DecisionArgs, decision: &str) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let request = Decide {
        comment: args.comment.clone(),
        digest: args.digest.clone(),
    };
    act(session, &place, decision, &request, &args.waiting).await
}

async fn submit(session: &Session, args: &SubmitArgs) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let form = place.view(session).await?.form;
    let fields = form.iter().flat_map(|form| &form.fields);
    let types = fields
        .filter_map(|field| {
            Some((
                field.name.clone(),
                field.declaration["type"].as_str()?.to_owned(),
            ))
        })
        .collect();
    let request = SubmitInput {
        values: parse_pairs(&args.set, &types)?,
    };
    act(session, &place, "submit", &request, &args.waiting).await
}

async fn task(session: &Session, args: &TaskArgs) -> Done {
    let place = Place::find(session, &args.activity).await?;
    let request = UpdateTask {
        status: match args.status {
            TaskState::Todo => TaskStatus::Todo,
            TaskState::InProgress => TaskStatus::InProgress,
            TaskState::Done => TaskStatus::Done,
            TaskState::Failed => TaskStatus::Failed,
            TaskState::Blocked => TaskStatus::Blocked,
        },
        comment: args.comment.clone(),
        evidence: args.evidence.clone(),
    };
    let path = place.path(&["tasks", &args.task]);
    let answer: Value = session.client.post(&path, &request).await?;
    print_answer(session, &answer)
}

async fn act(
    session: &Session,
    place: &Place,
    action: &str,
    request: &impl serde::Serialize,
    waiting: &WaitArgs,
) -> Done {
    let answer: Value = session.client.post(&place.path(&[action]), request).await?;
    if waiting.wait {
        let release = read(session, &place.release).await?;
        return report(session, release, waiting, Goal::Success).await;
    }
    print_answer(session, &answer)
}

fn print_answer(session: &Session, answer: &Value) -> Done {
    session.print(
        answer,
        |activity: &ActivityView| activity.summary.path.clone(),
        |activity| {
            let summary = &activity.summary;
            output::data(format_args!(
                "{}  {}  {}",
                activity.release,
                summary.path,
                status_line(summary)
            ));
            Ok(())
        },
    )
}
