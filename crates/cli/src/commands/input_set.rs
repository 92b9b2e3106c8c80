//! The Input Store: every verb of `input-set`.

use serde_json::{Value, json};
use trainmaster_api::{ApplyItem, CloneInputSet, InputSetView};

use super::definition;
use super::release::create::process_types;
use super::{Column, Session, age, column, labels, release, wide_column, word};
use crate::args::{
    InputSetArg, InputSetCloneArgs, InputSetCommand, InputSetCreateArgs, InputSetListArgs,
    InputSetRevisionsArgs, NamedArgs, RevisionsArgs,
};
use crate::client;
use crate::failure::{Done, Failure};
use crate::output;
use crate::values;

/// Runs a verb of `input-set`.
pub(crate) async fn run(session: &Session, command: InputSetCommand) -> Done {
    match command {
        InputSetCommand::List(args) => list(session, &args).await,
        InputSetCommand::Show(args) => show(session, &args).await,
        InputSetCommand::Create(args) => create(session, &args).await,
        InputSetCommand::Clone(args) => clone(session, &args).await,
        InputSetCommand::Archive(args) => change(session, &args, "archive").await,
        InputSetCommand::Unarchive(args) => change(session, &args, "unarchive").await,
        InputSetCommand::Revisions(args) => revisions(session, args).await,
    }
}

const COLUMNS: &[Column<InputSetView>] = &[
    column("NAME", |set, _| set.summary.name.clone()),
    column("ORGANIZATION", |set, _| {
        set.summary.organization.clone().unwrap_or_default()
    }),
    column("PROCESS", |set, _| set.process.clone()),
    column("FIT", |set, _| standing(set)),
    column("REVISION", |set, _| set.summary.revision.to_string()),
    column("AGE", |set, now| age(&set.summary.updated_at, now)),
    column("DESCRIPTION", |set, _| purpose(set)),
    wide_column("BY", |set, _| set.summary.updated_by.clone()),
    wide_column("LABELS", |set, _| labels(&set.summary.labels)),
];

fn purpose(set: &InputSetView) -> String {
    let text = match set.purpose.is_empty() {
        true => &set.summary.description,
        false => &set.purpose,
    };
    output::plain(text)
}

/// How well a set fits, and what a bare word would hide.
fn standing(set: &InputSetView) -> String {
    let mut words: Vec<String> = set.fit.iter().map(word).collect();
    if set.template {
        words.push("template".to_owned());
    }
    if set.archived {
        words.push("archived".to_owned());
    }
    words.join(", ")
}

async fn list(session: &Session, args: &InputSetListArgs) -> Done {
    let mut query = release::selection(&args.filter)?;
    query.extend(args.process.clone().map(|process| ("process", process)));
    if args.templates {
        query.push(("template", "true".to_owned()));
    }
    if args.archived {
        query.push(("archived", "true".to_owned()));
    }
    let path = ["api", "v1", "input-sets"];
    let items = client::list(&session.client, &path, &query, usize::MAX).await?;
    session.print_list(
        items,
        |set: &InputSetView| set.summary.name.clone(),
        COLUMNS,
    )
}

fn within(organization: Option<&str>) -> Vec<(&'static str, String)> {
    let name = organization.map(|name| ("organization", name.to_owned()));
    name.into_iter().collect()
}

async fn read(session: &Session, set: &InputSetArg) -> Result<Value, Failure> {
    let path = ["api", "v1", "input-sets", &set.name, "completeness"];
    let query = within(set.org.as_deref());
    session.client.get(&path, &query).await
}

async fn show(session: &Session, args: &InputSetArg) -> Done {
    let answer = read(session, args).await?;
    session.print(
        &answer,
        |set: &InputSetView| set.summary.name.clone(),
        |set| {
            let summary = &set.summary;
            let given: Vec<String> = set
                .values
                .iter()
                .map(|(name, value)| format!("{name} = {}", values::shown(value)))
                .collect();
            let problems: Vec<String> = set
                .problems
                .iter()
                .map(|problem| format!("{}: {}", problem.field, output::plain(&problem.message)))
                .collect();
            let organization = summary.organization.clone();
            output::fields(&[
                ("Name", summary.name.clone()),
                ("Organization", organization.unwrap_or_default()),
                ("Process", set.process.clone()),
                ("Purpose", purpose(set)),
                ("Fit", standing(set)),
                ("Missing", set.missing.join(", ")),
                ("Problems", problems.join("\n")),
                ("Values", given.join("\n")),
                ("Labels", labels(&summary.labels)),
                ("Revision", summary.revision.to_string()),
                (
                    "Changed",
                    format!(
                        "{} by {}",
                        session.time(&summary.updated_at),
                        summary.updated_by
                    ),
                ),
            ]);
            Ok(())
        },
    )
}

async fn create(session: &Session, args: &InputSetCreateArgs) -> Done {
    let organization = args.set.org.as_deref();
    let types = process_types(session, &args.process, organization).await?;
    let mut metadata = json!({"name": args.set.name});
    if let Some(organization) = organization {
        metadata["organization"] = organization.into();
    }
    let mut spec = json!({
        "process": args.process,
        "values": values::parse_pairs(&args.values, &types)?,
    });
    if let Some(description) = &args.description {
        spec["description"] = description.as_str().into();
    }
    if args.template {
        spec["template"] = true.into();
    }
    let document = json!({
        "apiVersion": trainmaster_core::definition::API_VERSION,
        "kind": "InputSet",
        "metadata": metadata,
        "spec": spec,
    });
    let path = ["api", "v1", "input-sets", &args.set.name];
    // Revision 0 means that it must not be there yet.
    let request = session
        .client
        .request(reqwest::Method::PUT, &path, &within(organization))
        .if_match(Some("\"0\"".to_owned()))
        .json(&document)?;
    let answer: Value = session.client.send(request).await?.read()?;
    report(session, &answer)
}

async fn clone(session: &Session, args: &InputSetCloneArgs) -> Done {
    let set: InputSetView = serde_json::from_value(read(session, &args.from).await?)?;
    let types = match args.values.is_empty() {
        true => values::Types::new(),
        false => process_types(session, &set.process, args.from.org.as_deref()).await?,
    };
    let request = CloneInputSet {
        name: args.to.clone(),
        organization: args.to_org.clone(),
        values: values::parse_pairs(&args.values, &types)?,
        description: args.description.clone(),
    };
    let path = ["api", "v1", "input-sets", &args.from.name, "clone"];
    let query = within(args.from.org.as_deref());
    let sent = session
        .client
        .request(reqwest::Method::POST, &path, &query)
        .json(&request)?;
    let answer: Value = session.client.send(sent).await?.read()?;
    report(session, &answer)
}

async fn change(session: &Session, args: &InputSetArg, action: &str) -> Done {
    let path = ["api", "v1", "input-sets", &args.name, action];
    let query = within(args.org.as_deref());
    let sent = session
        .client
        .request(reqwest::Method::POST, &path, &query)
        .json(&json!({}))?;
    let answer: Value = session.client.send(sent).await?.read()?;
    report(session, &answer)
}

fn report(session: &Session, answer: &Value) -> Done {
    session.print(
        answer,
        |item: &ApplyItem| item.name.clone().unwrap_or_default(),
        |item| {
            let revision = item.revision.unwrap_or_default();
            output::data(format_args!(
                "InputSet/{} {}, revision {revision}",
                item.name.as_deref().unwrap_or_default(),
                word(&item.result)
            ));
            Ok(())
        },
    )
}

async fn revisions(session: &Session, args: InputSetRevisionsArgs) -> Done {
    let what = NamedArgs {
        kind: "input-set".to_owned(),
        name: args.set.name,
        org: args.set.org,
    };
    let diff = args.diff;
    definition::revisions(session, &RevisionsArgs { what, diff }).await
}
