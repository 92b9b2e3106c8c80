//! Definitions: `apply`, `validate`, `diff`, `schema`, `get`, `describe`, `delete`, `export`, `revisions`.

use reqwest::Method;
use serde_json::{Value, json};
use trainmaster_api::{
    ApplyAnswer, ApplyItem, ApplyResult, DiffAnswer, DiffSign, ResourceSummary, ResourceView,
    RevisionView, SpecProblem,
};
use trainmaster_core::definition::{self, Definition};
use trainmaster_core::ids::{Name, ResourceKey, ResourceKind};

use super::{Column, Session, age, ask, column, labels, release, wide_column, word};
use crate::args::{
    ApplyArgs, DeleteArgs, ExportArgs, FilesArgs, FilterArgs, Format, GetArgs, NamedArgs,
    ReleaseListArgs, RevisionsArgs,
};
use crate::client::{self, Request};
use crate::failure::{Done, Exit, Failure};
use crate::files::{self, Joined};
use crate::output::{self, Tone, paint};
use crate::values;

/// What `get`, `describe` and `delete` are asked for.
enum Kind {
    Definition(ResourceKind),
    Release,
}

impl Kind {
    /// Reads a kind as people write it: `process`, `processes`, `InputSet`, `input-sets`.
    fn parse(text: &str) -> Result<Kind, Failure> {
        let plain = |text: &str| text.replace('-', "").to_lowercase();
        let asked = plain(text);
        if matches!(asked.as_str(), "release" | "releases" | "rel") {
            return Ok(Kind::Release);
        }
        let named =
            |kind: &&ResourceKind| [plain(kind.as_str()), plain(kind.plural())].contains(&asked);
        ResourceKind::ALL
            .iter()
            .find(named)
            .map(|kind| Kind::Definition(*kind))
            .ok_or_else(|| {
                let known: Vec<String> = ResourceKind::ALL
                    .iter()
                    .map(|kind| format!("`{}`", kind.as_str().to_lowercase()))
                    .collect();
                Failure::usage(format!("`{text}` is not a kind"))
                    .hint(format!("kinds are {} and `release`", known.join(", ")))
            })
    }

    /// A kind of definition; releases are not asked for here.
    fn definition(text: &str) -> Result<ResourceKind, Failure> {
        match Kind::parse(text)? {
            Kind::Definition(kind) => Ok(kind),
            Kind::Release => Err(Failure::usage("releases have no definition")
                .hint("`trainmaster release` has the verbs for releases")),
        }
    }
}

/// `schema`: the JSON Schema that editors check and complete with.
pub(crate) fn schema(format: Format, kind: &str) -> Done {
    let schema = definition::schema(Kind::definition(kind)?);
    match format {
        Format::Yaml => output::structured(Format::Yaml, &schema),
        _ => output::structured(Format::Json, &schema),
    }
}

/// `validate`: everything that can be said without a server.
pub(crate) fn validate(format: Format, args: &FilesArgs) -> Done {
    let mut problems = Vec::new();
    let mut good = Vec::new();
    for source in files::read(&args.files)? {
        match definition::parse(&source.text, Some(&source.name)) {
            Ok(parsed) => good.extend(
                parsed
                    .into_iter()
                    .map(|parsed| (source.name.clone(), parsed.definition.key)),
            ),
            Err(found) => problems.extend(found),
        }
    }
    if output::is_structured(format) {
        let keys: Vec<Value> = good
            .iter()
            .map(|(file, key)| json!({"key": key.to_string(), "file": file}))
            .collect();
        output::structured(
            format,
            &json!({"valid": problems.is_empty(), "definitions": keys, "problems": problems}),
        )?;
    } else {
        problems
            .iter()
            .for_each(|problem| output::note(format_args!("error: {problem}")));
        good.iter()
            .for_each(|(_, key)| output::data(format_args!("{key} is valid")));
    }
    match problems.len() {
        0 => Ok(()),
        _ => Err(Failure::silent(Exit::Refused)),
    }
}

/// `apply`.
pub(crate) async fn apply(session: &Session, args: &ApplyArgs) -> Done {
    let joined = Joined::new(files::read(&args.files.files)?);
    let query = if args.dry_run {
        vec![("dryRun", "true".to_owned())]
    } else {
        Vec::new()
    };
    let request = session
        .client
        .request(Method::POST, &["api", "v1", "apply"], &query)
        .text(joined.text.clone(), joined.media_type);
    let value: Value = send(session, request, &joined).await?;
    let answer: ApplyAnswer = serde_json::from_value(value.clone())?;
    if output::is_structured(session.format) {
        output::structured(session.format, &value)?;
    } else {
        let remark = if answer.dry_run { " (dry run)" } else { "" };
        for item in &answer.items {
            print_result(session.format, item, &joined, remark);
        }
    }
    refuse_invalid(answer.items.iter().map(|item| item.result))
}

fn print_result(format: Format, item: &ApplyItem, joined: &Joined, remark: &str) {
    print_problems(&item.problems, joined);
    let name = named(item);
    match (format, item.result) {
        (_, ApplyResult::Invalid | ApplyResult::Skipped) => {
            output::note(format_args!("{name} {}{remark}", outcome(item)));
        }
        (Format::Name, _) => output::data(name),
        _ => output::data(format_args!("{name} {}{remark}", outcome(item))),
    }
}

fn outcome(item: &ApplyItem) -> String {
    let revision = item
        .revision
        .map_or_else(String::new, |number| format!(", revision {number}"));
    match item.result {
        ApplyResult::Created => format!("created{revision}"),
        ApplyResult::Configured => format!("configured{revision}"),
        ApplyResult::Unchanged => format!("unchanged{revision}"),
        ApplyResult::Invalid => "is not valid".to_owned(),
        ApplyResult::Skipped => "is in order but was not applied".to_owned(),
    }
}

/// `Process/payments/train`, as far as it could be read.
fn named(item: &ApplyItem) -> String {
    let unknown = || format!("document {}", item.index + 1);
    match (&item.kind, &item.organization, &item.name) {
        (Some(kind), Some(organization), Some(name)) => format!("{kind}/{organization}/{name}"),
        (Some(kind), None, Some(name)) => format!("{kind}/{name}"),
        _ => unknown(),
    }
}

fn print_problems(problems: &[SpecProblem], joined: &Joined) {
    for problem in problems {
        let place = problem.place.map_or_else(String::new, |place| {
            let (file, line) = joined.place(place.line);
            format!("{file}:{line}:{}: ", place.column)
        });
        let path = if problem.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", problem.path)
        };
        let meant = problem.suggestion.as_ref();
        let meant = meant.map_or_else(String::new, |meant| format!(" (did you mean `{meant}`?)"));
        output::note(format_args!(
            "error: {place}{}{path}{meant}",
            problem.message
        ));
    }
}

fn refuse_invalid(results: impl IntoIterator<Item = ApplyResult>) -> Done {
    let refused = |result| matches!(result, ApplyResult::Invalid | ApplyResult::Skipped);
    if results.into_iter().any(refused) {
        Err(Failure::silent(Exit::Refused))
    } else {
        Ok(())
    }
}

/// Sends definitions; what is wrong with them is said with the file it stands in.
async fn send(session: &Session, request: Request, joined: &Joined) -> Result<Value, Failure> {
    let answer = session.client.send(request).await;
    answer
        .map_err(|failure| failure.locate(|line| joined.place(line)))?
        .read()
}

/// `diff`.
pub(crate) async fn diff(session: &Session, args: &FilesArgs) -> Done {
    let joined = Joined::new(files::read(&args.files)?);
    let request = session
        .client
        .request(Method::POST, &["api", "v1", "diff"], &[])
        .text(joined.text.clone(), joined.media_type);
    let value: Value = send(session, request, &joined).await?;
    let answer: DiffAnswer = serde_json::from_value(value.clone())?;
    if output::is_structured(session.format) {
        output::structured(session.format, &value)?;
    } else {
        for item in &answer.items {
            print_problems(&item.item.problems, &joined);
            print_difference(item);
        }
    }
    refuse_invalid(answer.items.iter().map(|item| item.item.result))?;
    let same = answer
        .items
        .iter()
        .all(|item| item.item.result == ApplyResult::Unchanged);
    if same {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Error))
    }
}

fn print_difference(item: &trainmaster_api::DiffItem) {
    if item.item.result == ApplyResult::Unchanged || item.lines.is_empty() {
        return;
    }
    output::data(format_args!(
        "{} would be {}",
        named(&item.item),
        word(&item.item.result)
    ));
    for line in &item.lines {
        let text = output::plain(&line.text);
        output::data(match line.sign {
            DiffSign::Added => paint(Tone::Good, &format!("+ {text}")),
            DiffSign::Removed => paint(Tone::Bad, &format!("- {text}")),
            DiffSign::Kept => format!("  {text}"),
            DiffSign::Gap => paint(Tone::Quiet, "  …"),
        });
    }
}

const COLUMNS: &[Column<ResourceSummary>] = &[
    column("NAME", |resource, _| resource.name.clone()),
    column("ORGANIZATION", |resource, _| {
        resource.organization.clone().unwrap_or_default()
    }),
    column("REVISION", |resource, _| resource.revision.to_string()),
    column("AGE", |resource, now| age(&resource.updated_at, now)),
    column("DESCRIPTION", |resource, _| {
        output::plain(&resource.description)
    }),
    wide_column("BY", |resource, _| resource.updated_by.clone()),
    wide_column("LABELS", |resource, _| labels(&resource.labels)),
    wide_column("DIGEST", |resource, _| {
        resource.digest.chars().take(16).collect()
    }),
];

/// `get`.
pub(crate) async fn get(session: &Session, args: &GetArgs) -> Done {
    match (Kind::parse(&args.kind)?, &args.name) {
        (Kind::Release, None) => {
            let args = ReleaseListArgs {
                filter: args.filter.clone(),
                ..Default::default()
            };
            release::list(session, &args).await
        }
        (Kind::Release, Some(name)) => {
            let id = release::resolve(&session.client, name).await?;
            let answer = release::read(session, &id).await?;
            one(session, answer, |session, items| {
                session.print_list(
                    items,
                    |release: &trainmaster_api::ReleaseSummary| release.id.clone(),
                    release::COLUMNS,
                )
            })
        }
        (Kind::Definition(kind), None) => {
            let items = list(session, kind, &args.filter).await?;
            session.print_list(
                items,
                |resource: &ResourceSummary| resource.name.clone(),
                COLUMNS,
            )
        }
        (Kind::Definition(kind), Some(name)) => {
            let answer = read(session, kind, name, args.filter.org.as_deref()).await?;
            if session.format == Format::Yaml {
                output::data(document(&serde_json::from_value(answer)?)?.trim_end());
                return Ok(());
            }
            one(session, answer, |session, items| {
                session.print_list(
                    items,
                    |resource: &ResourceSummary| resource.name.clone(),
                    COLUMNS,
                )
            })
        }
    }
}

/// One thing: for programs as it is, for people as a list of one.
fn one(session: &Session, answer: Value, list: impl FnOnce(&Session, Vec<Value>) -> Done) -> Done {
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    list(session, vec![answer])
}

async fn list(
    session: &Session,
    kind: ResourceKind,
    filter: &FilterArgs,
) -> Result<Vec<Value>, Failure> {
    let mut query = release::selection(filter)?;
    if kind == ResourceKind::InputSet {
        // What is out of the way is a definition like all others here.
        query.push(("archived", "true".to_owned()));
    }
    client::list(
        &session.client,
        &["api", "v1", kind.plural()],
        &query,
        usize::MAX,
    )
    .await
}

async fn read(
    session: &Session,
    kind: ResourceKind,
    name: &str,
    organization: Option<&str>,
) -> Result<Value, Failure> {
    session
        .client
        .get(&["api", "v1", kind.plural(), name], &within(organization))
        .await
}

pub(super) fn within(organization: Option<&str>) -> Vec<(&'static str, String)> {
    organization
        .map(|name| ("organization", name.to_owned()))
        .into_iter()
        .collect()
}

/// A definition as YAML in the order people write it; applied again it changes nothing.
fn document(resource: &ResourceView) -> Result<String, Failure> {
    let summary = &resource.summary;
    let parse = |text: &str| text.parse::<Name>().map_err(Failure::error);
    let kind = ResourceKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == summary.kind);
    let kind = kind.ok_or_else(|| {
        Failure::error(format!(
            "this version does not know the kind `{}`",
            summary.kind
        ))
        .hint("`trainmaster version` compares this program with the server")
    })?;
    let organization = summary.organization.as_deref().map(parse).transpose()?;
    let key = ResourceKey {
        kind,
        organization,
        name: parse(&summary.name)?,
    };
    let definition = Definition::from_stored(
        key,
        summary.description.clone(),
        summary.labels.clone(),
        &resource.spec,
    );
    let definition = definition.map_err(|problems| {
        let failure = Failure::error(format!(
            "this version does not understand `{}`",
            summary.name
        ));
        problems
            .iter()
            .fold(failure, |failure, problem| failure.detail(problem))
    })?;
    Ok(definition.to_yaml())
}

/// `describe`.
pub(crate) async fn describe(session: &Session, args: &NamedArgs) -> Done {
    let kind = match Kind::parse(&args.kind)? {
        Kind::Release => return release::describe(session, &args.name).await,
        Kind::Definition(kind) => kind,
    };
    let answer = read(session, kind, &args.name, args.org.as_deref()).await?;
    session.print(
        &answer,
        |resource: &ResourceView| resource.summary.name.clone(),
        |resource| {
            let summary = &resource.summary;
            output::fields(&[
                ("Name", summary.name.clone()),
                ("Kind", summary.kind.clone()),
                (
                    "Organization",
                    summary.organization.clone().unwrap_or_default(),
                ),
                ("Purpose", output::plain(&summary.description)),
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
                ("Created", session.time(&summary.created_at)),
                ("Digest", summary.digest.clone()),
            ]);
            output::data("");
            output::data(document(resource)?.trim_end());
            Ok(())
        },
    )
}

/// `delete`.
pub(crate) async fn delete(session: &Session, args: &DeleteArgs) -> Done {
    let what = &args.what;
    let kind = match Kind::parse(&what.kind)? {
        Kind::Release => {
            let id = release::resolve(&session.client, &what.name).await?;
            return release::remove(session, &id, args.consent).await;
        }
        Kind::Definition(kind) => kind,
    };
    ask(args.consent, &format!("deleting {kind}/{}", what.name))?;
    let path = ["api", "v1", kind.plural(), &what.name];
    let request = session
        .client
        .request(Method::DELETE, &path, &within(what.org.as_deref()));
    session.client.send(request).await?;
    output::data(format_args!("{kind}/{} deleted", what.name));
    Ok(())
}

/// `export`.
pub(crate) async fn export(session: &Session, args: &ExportArgs) -> Done {
    let kinds = match &args.kind {
        Some(kind) => vec![Kind::definition(kind)?],
        None => ResourceKind::ALL.to_vec(),
    };
    let mut resources: Vec<ResourceView> = Vec::new();
    for kind in kinds {
        if let Some(name) = &args.name {
            let answer = read(session, kind, name, args.filter.org.as_deref()).await?;
            resources.push(serde_json::from_value(answer)?);
            continue;
        }
        for item in list(session, kind, &args.filter).await? {
            let summary: ResourceSummary = serde_json::from_value(item)?;
            let organization = summary.organization.as_deref();
            let answer = read(session, kind, &summary.name, organization).await?;
            resources.push(serde_json::from_value(answer)?);
        }
    }
    let documents: Vec<String> = resources.iter().map(document).collect::<Result<_, _>>()?;
    if session.format == Format::Json {
        let values: Vec<Value> = documents
            .iter()
            .map(|document| serde_saphyr::from_str(document).map_err(Failure::error))
            .collect::<Result<_, _>>()?;
        return output::structured(Format::Json, &values);
    }
    if documents.is_empty() {
        output::note("nothing found");
        return Ok(());
    }
    let documents: Vec<&str> = documents
        .iter()
        .map(|document| document.trim_end())
        .collect();
    output::data(documents.join("\n---\n"));
    Ok(())
}

const REVISIONS: &[Column<RevisionView>] = &[
    column("REVISION", |revision, _| revision.revision.to_string()),
    column("AGE", |revision, now| age(&revision.at, now)),
    column("BY", |revision, _| revision.by.clone()),
    column("DIGEST", |revision, _| {
        revision.digest.chars().take(16).collect()
    }),
    column("DESCRIPTION", |revision, _| {
        output::plain(&revision.description)
    }),
];

/// `revisions`.
pub(crate) async fn revisions(session: &Session, args: &RevisionsArgs) -> Done {
    let kind = Kind::definition(&args.what.kind)?;
    let query = within(args.what.org.as_deref());
    let path = ["api", "v1", kind.plural(), &args.what.name, "revisions"];
    let Some(pair) = &args.diff else {
        let items = client::list(&session.client, &path, &query, usize::MAX).await?;
        return session.print_list(
            items,
            |revision: &RevisionView| revision.revision.to_string(),
            REVISIONS,
        );
    };
    let mut specs = Vec::new();
    for number in pair {
        let number = number.to_string();
        let path = [path.as_slice(), &[number.as_str()]].concat();
        let revision: RevisionView = session.client.get(&path, &query).await?;
        specs.push(revision.spec.unwrap_or_default());
    }
    let changes = definition::diff(&specs[0], &specs[1]);
    if output::is_structured(session.format) {
        output::structured(session.format, &json!({ "changes": changes }))?;
    } else {
        changes.iter().for_each(print_change);
    }
    if changes.is_empty() {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Error))
    }
}

fn print_change(change: &definition::Change) {
    let path = if change.path.is_empty() {
        "spec"
    } else {
        &change.path
    };
    if let Some(old) = &change.old {
        output::data(paint(
            Tone::Bad,
            &format!("- {path}: {}", values::shown(old)),
        ));
    }
    if let Some(new) = &change.new {
        output::data(paint(
            Tone::Good,
            &format!("+ {path}: {}", values::shown(new)),
        ));
    }
}
