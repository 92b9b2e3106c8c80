//! What people settle round a release: `release preview`, `review`, `ready`, `acknowledge`, `link`.

use serde_json::{Value, json};
use trainmaster_api::{
    Acknowledge, AddLink, AddReview, DeclareReadiness, InputSetView, Judgement, LinkKind,
    PreviewInputs, ReleaseForm, ReleaseFormField, ReviewView, SetReadiness,
};

use super::create::process_types;
use super::{Goal, read_inputs, report, resolve};
use crate::args::{AcknowledgeArgs, LinkArgs, PreviewArgs, ReadyArgs, ReviewArgs, WaitArgs};
use crate::commands::{Column, Session, column, word};
use crate::failure::{Done, Exit, Failure};
use crate::output::{self, Tone, paint};
use crate::values;

const FORM: &[Column<ReleaseFormField>] = &[
    column("INPUT", |field, _| {
        let star = if field.required { " *" } else { "" };
        format!("{}{star}", field.name)
    }),
    column("TYPE", |field, _| {
        let declared = field.declaration["type"].as_str().unwrap_or("string");
        match field.declaration["items"].as_str() {
            Some(items) => format!("{declared} of {items}"),
            None => declared.to_owned(),
        }
    }),
    column("VALUE", |field, _| {
        let value = field
            .value
            .as_ref()
            .map(|input| values::shown(&input.value));
        value.filter(|value| value != "null").unwrap_or_default()
    }),
    column("FROM", |field, _| {
        let shown = field.value.as_ref().filter(|input| !input.value.is_null());
        shown.map(|input| word(&input.origin)).unwrap_or_default()
    }),
    column("CONTROLS", |field, _| field.controls.join(", ")),
    column("WHAT FOR", |field, _| {
        let text = field.declaration["description"].as_str();
        output::plain(text.unwrap_or_default())
    }),
];

/// `release preview`: what a release would be asked, and with which values it would run.
pub(crate) async fn preview(session: &Session, args: &PreviewArgs) -> Done {
    let types = process_types(session, &args.process, args.org.as_deref()).await?;
    let request = PreviewInputs {
        organization: args.org.clone(),
        revision: args.revision,
        input_set: args.input_set.clone(),
        inputs: read_inputs(&args.values, &types)?,
    };
    let path = ["api", "v1", "processes", &args.process, "inputs", "preview"];
    let answer: Value = session.client.post(&path, &request).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let form: ReleaseForm = serde_json::from_value(answer.clone())?;
    let fields = answer["fields"].as_array().cloned().unwrap_or_default();
    session.print_list(fields, |field: &ReleaseFormField| field.name.clone(), FORM)?;
    for problem in &form.problems {
        output::note(format_args!(
            "{}: {}",
            problem.field,
            output::plain(&problem.message)
        ));
    }
    let usable = |set: &&InputSetView| !set.template && !set.archived;
    let sets: Vec<&str> = form
        .input_sets
        .iter()
        .filter(usable)
        .map(|set| set.summary.name.as_str())
        .collect();
    if args.input_set.is_none() && !sets.is_empty() {
        output::hint(format_args!(
            "`--input-set NAME` fills it: {}",
            sets.join(", ")
        ));
    }
    Ok(())
}

/// `release review`: the look before the start, or an opinion on it.
pub(crate) async fn review(session: &Session, args: &ReviewArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    if args.approve || args.object {
        let request = AddReview {
            approved: args.approve,
            comment: args.comment.clone(),
        };
        let path = ["api", "v1", "releases", &id, "reviews"];
        let _: Value = session.client.post(&path, &request).await?;
    }
    let path = ["api", "v1", "releases", &id, "review"];
    let answer: Value = session.client.get(&path, &[]).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let review: ReviewView = serde_json::from_value(answer)?;
    for check in &review.checks {
        let (glyph, tone) = glyph(check.judgement);
        let line = format!(
            "{glyph} {:10} {}",
            check.part,
            output::plain(&check.message)
        );
        output::data(paint(tone, &line));
    }
    for item in &review.readiness {
        let state = if item.ready { "ready" } else { "not ready" };
        let need = if item.required { ", required" } else { "" };
        let who = item.who.join(", ");
        output::data(format_args!(
            "  {}: {} ({state}{need}; {who} says so)",
            item.id,
            output::plain(&item.name)
        ));
    }
    for warning in &review.warnings {
        output::note(format_args!(
            "warning: {} [{}]",
            output::plain(&warning.message),
            warning.code
        ));
    }
    match review.judgement {
        Judgement::Blocking => Err(Failure::silent(Exit::Refused)),
        Judgement::Fine | Judgement::Attention => Ok(()),
    }
}

fn glyph(judgement: Judgement) -> (&'static str, Tone) {
    match judgement {
        Judgement::Fine => ("✓", Tone::Good),
        Judgement::Attention => ("!", Tone::Attention),
        Judgement::Blocking => ("✗", Tone::Bad),
    }
}

async fn post(
    session: &Session,
    id: &str,
    action: &[&str],
    request: &impl serde::Serialize,
) -> Done {
    let path = [&["api", "v1", "releases", id], action].concat();
    let answer: Value = session.client.post(&path, request).await?;
    report(session, answer, &WaitArgs::default(), Goal::Success).await
}

/// `release ready`: say that something is ready, or ask for more to be.
pub(crate) async fn ready(session: &Session, args: &ReadyArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    if let Some(name) = &args.add {
        let request = DeclareReadiness {
            id: args.item.clone(),
            name: Some(name.clone()).filter(|name| !name.is_empty()),
            required: !args.optional,
            owners: args.owners.clone(),
            ..Default::default()
        };
        return post(session, &id, &["readiness", "items"], &request).await;
    }
    if args.remove {
        let path = [
            "api",
            "v1",
            "releases",
            &id,
            "readiness",
            "items",
            &args.item,
        ];
        let request = session.client.request(reqwest::Method::DELETE, &path, &[]);
        let answer = session.client.send(request).await?.read()?;
        return report(session, answer, &WaitArgs::default(), Goal::Success).await;
    }
    let request = SetReadiness {
        item: args.item.clone(),
        ready: !args.not,
        note: args.note.clone(),
    };
    post(session, &id, &["readiness"], &request).await
}

/// `release acknowledge`.
pub(crate) async fn acknowledge(session: &Session, args: &AcknowledgeArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    let note = args.note.clone();
    post(session, &id, &["acknowledge"], &Acknowledge { note }).await
}

/// `release link`.
pub(crate) async fn link(session: &Session, args: &LinkArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    if args.remove {
        let path = ["api", "v1", "releases", &id, "links"];
        let query = [("url", args.url.clone())];
        let request = session
            .client
            .request(reqwest::Method::DELETE, &path, &query);
        let answer = session.client.send(request).await?.read()?;
        return report(session, answer, &WaitArgs::default(), Goal::Success).await;
    }
    let kind: LinkKind = match &args.kind {
        None => LinkKind::default(),
        Some(word) => serde_json::from_value(json!(word)).map_err(|_| {
            Failure::usage(format!("`{word}` is not a kind of link"))
                .hint("kinds are ticket, commit, pullRequest, branch, document, dashboard, alert, incident, build, artifact, testReport, other")
        })?,
    };
    let request = AddLink {
        url: args.url.clone(),
        title: args.title.clone().unwrap_or_default(),
        kind,
    };
    post(session, &id, &["links"], &request).await
}
