//! Making and changing releases: `release create`, `release edit`.

use serde_json::Value;
use trainmaster_api::{
    CreateRelease, DescriptionView, EditRelease, LinkKind, LinkView, ReleaseType, ReleaseView,
    StartMode,
};

use super::{Goal, read, read_inputs, report, resolve};
use crate::args::{CreateArgs, EditArgs, ReleaseKind, WaitArgs};
use crate::commands::Session;
use crate::failure::{Done, Failure};
use crate::values::{self, Types, parse_labels};
use crate::when;

/// `release create`.
pub(crate) async fn create(session: &Session, args: &CreateArgs) -> Done {
    let zone = args.zone.as_deref();
    let instant = |text: &Option<String>| match text {
        Some(text) => when::parse_instant(text, zone, session.now).map(|at| Some(at.to_string())),
        None => Ok(None),
    };
    let mut after = Vec::new();
    for release in &args.after {
        after.push(resolve(&session.client, release).await?);
    }
    let types = if args.values.inputs.is_empty() {
        Types::new()
    } else {
        process_types(session, &args.process, args.org.as_deref()).await?
    };
    let request = CreateRelease {
        process: args.process.clone(),
        revision: args.revision,
        organization: args.org.clone(),
        name: args.name.clone(),
        description: described(args),
        version: args.version.clone(),
        release_type: args.release_type.map(release_type).unwrap_or_default(),
        labels: parse_labels(&args.labels),
        context: values::parse_pairs(&args.context, &Types::new())?,
        owners: owners(&args.owners)?,
        stakeholders: args.stakeholders.clone(),
        links: args.links.iter().map(|url| link(url)).collect(),
        inputs: read_inputs(&args.values, &types)?,
        input_set: args.input_set.clone(),
        start_at: instant(&args.at)?,
        expected_end_at: instant(&args.expected_end)?,
        start_mode: if args.manual_start {
            StartMode::Manual
        } else {
            StartMode::Auto
        },
        zone: args.zone.clone(),
        manager: args.manager.clone(),
        after,
        start: args.start,
        finalize: args.finalize,
    };
    let answer = session
        .client
        .post(&["api", "v1", "releases"], &request)
        .await?;
    report(session, answer, &args.waiting, Goal::Success).await
}

/// The structured description, as far as it is given.
fn described(args: &CreateArgs) -> Option<DescriptionView> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let description = DescriptionView {
        purpose: text(&args.purpose),
        scope: text(&args.scope),
        risks: text(&args.risks),
        rollback_plan: text(&args.rollback_plan),
        ..Default::default()
    };
    (description != DescriptionView::default()).then_some(description)
}

/// Owners written `phase=team:x` or `phase/activity=user:y`.
fn owners(pairs: &[String]) -> Result<std::collections::BTreeMap<String, Vec<String>>, Failure> {
    let mut owners = std::collections::BTreeMap::<String, Vec<String>>::new();
    for pair in pairs {
        let (place, owner) = pair.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`{pair}` does not have the form `place=owner`"))
                .hint("write for example `build=team:platform` or `deploy/rollout=user:maria`")
        })?;
        let list = owners.entry(place.to_owned()).or_default();
        list.push(owner.to_owned());
    }
    Ok(owners)
}

/// A link of which only the address is said.
fn link(url: &str) -> LinkView {
    LinkView {
        kind: LinkKind::default(),
        title: String::new(),
        url: url.to_owned(),
        system: None,
    }
}

/// The types of a process's inputs; of the account level where the organization has no such process.
pub(crate) async fn process_types(
    session: &Session,
    process: &str,
    organization: Option<&str>,
) -> Result<Types, Failure> {
    let path = ["api", "v1", "processes", process];
    let within = organization.map(|name| ("organization", name.to_owned()));
    let queries = [within.into_iter().collect(), Vec::new()];
    for query in &queries {
        match session.client.get::<Value>(&path, query).await {
            Ok(resource) => return Ok(values::declared_types(&resource["spec"])),
            Err(failure) if query.is_empty() => return Err(failure),
            Err(_) => (),
        }
    }
    Ok(Types::new())
}

fn release_type(kind: ReleaseKind) -> ReleaseType {
    match kind {
        ReleaseKind::Standard => ReleaseType::Standard,
        ReleaseKind::Hotfix => ReleaseType::Hotfix,
        ReleaseKind::Feature => ReleaseType::Feature,
        ReleaseKind::System => ReleaseType::System,
    }
}

/// `release edit`.
pub(crate) async fn edit(session: &Session, args: &EditArgs) -> Done {
    let id = resolve(&session.client, &args.release.release).await?;
    let release: ReleaseView = serde_json::from_value(read(session, &id).await?)?;
    let zone = args.zone.as_deref().unwrap_or(&release.zone);
    let instant = |text: &Option<String>| match text.as_deref() {
        None => Ok(None),
        Some("none" | "") => Ok(Some(None)),
        Some(text) => when::parse_instant(text, Some(zone), session.now)
            .map(|instant| Some(Some(instant.to_string()))),
    };
    let request = EditRelease {
        name: args.name.clone(),
        description: changed_description(&release, args),
        context: changed_context(&release, &args.context)?,
        version: args.version.clone().map(nothing_if_empty),
        release_type: args.release_type.map(release_type),
        labels: changed_labels(&release, &args.labels),
        manager: args.manager.clone().map(nothing_if_empty),
        start_at: instant(&args.at)?,
        expected_end_at: instant(&args.expected_end)?,
        zone: args.zone.clone(),
        inputs: changed_inputs(session, &release, &args.inputs).await?,
        input_set: args.input_set.clone().map(nothing_if_empty),
        ..Default::default()
    };
    if request == EditRelease::default() {
        return Err(Failure::usage("nothing is to be changed")
            .hint("`trainmaster release edit --help` shows what may change"));
    }
    let version = args.if_version.unwrap_or(release.edit);
    let path = ["api", "v1", "releases", &id];
    let sent = session
        .client
        .request(reqwest::Method::PATCH, &path, &[])
        .if_match(Some(format!("\"{version}\"")))
        .json(&request)?;
    let answer = session.client.send(sent).await?.read()?;
    report(session, answer, &WaitArgs::default(), Goal::Success).await
}

/// The description with the given parts changed; none if nothing is to change.
fn changed_description(release: &ReleaseView, args: &EditArgs) -> Option<DescriptionView> {
    let old = release.description.clone();
    let new = DescriptionView {
        purpose: args.purpose.clone().unwrap_or(old.purpose.clone()),
        scope: args.scope.clone().unwrap_or(old.scope.clone()),
        risks: args.risks.clone().unwrap_or(old.risks.clone()),
        rollback_plan: args
            .rollback_plan
            .clone()
            .unwrap_or(old.rollback_plan.clone()),
        ..old.clone()
    };
    (new != old).then_some(new)
}

/// The structured context with some of it changed; none if nothing is to change.
fn changed_context(
    release: &ReleaseView,
    changes: &[String],
) -> Result<Option<std::collections::BTreeMap<String, Value>>, Failure> {
    if changes.is_empty() {
        return Ok(None);
    }
    let mut context = release.context.clone();
    context.extend(values::parse_pairs(changes, &Types::new())?);
    context.retain(|_, value| !value.is_null());
    Ok(Some(context))
}

fn nothing_if_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The labels after `k=v` has set and `k-` has removed some; none if nothing is to change.
fn changed_labels(
    release: &ReleaseView,
    changes: &[String],
) -> Option<std::collections::BTreeMap<String, String>> {
    if changes.is_empty() {
        return None;
    }
    let mut labels = release.summary.labels.clone();
    for change in changes {
        match change.strip_suffix('-').filter(|key| !key.contains('=')) {
            Some(key) => _ = labels.remove(key),
            None => labels.extend(parse_labels(std::slice::from_ref(change))),
        }
    }
    Some(labels)
}

/// The given inputs with some of them changed; none if nothing is to change.
async fn changed_inputs(
    session: &Session,
    release: &ReleaseView,
    changes: &[String],
) -> Result<Option<std::collections::BTreeMap<String, Value>>, Failure> {
    if changes.is_empty() {
        return Ok(None);
    }
    let organization = release.summary.process_organization.as_deref();
    let types = process_types(session, &release.summary.process, organization).await?;
    let given = release.inputs.iter().filter(|(_, input)| {
        matches!(
            input.origin,
            trainmaster_api::Origin::Release | trainmaster_api::Origin::Override
        )
    });
    let mut inputs: std::collections::BTreeMap<String, Value> = given
        .map(|(name, input)| (name.clone(), input.value.clone()))
        .collect();
    inputs.extend(values::parse_pairs(changes, &types)?);
    Ok(Some(inputs))
}
