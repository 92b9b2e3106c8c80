//! Freezes: `freeze list`, `active`, `windows`, `override`, `revoke`.

use serde_json::{Value, json};
use trainmaster_api::{ActiveFreezeView, FreezeWindowView, OverrideFreeze, RevokeOverride};

use super::release::{Goal, report, resolve};
use super::{Column, Session, column, distance, shown_time, took, wide_column, word};
use crate::args::{
    FreezeActiveArgs, FreezeCommand, FreezeOverrideArgs, FreezeRevokeArgs, FreezeWindowsArgs,
    WaitArgs,
};
use crate::failure::{Done, Failure};
use crate::{client, output, when};

/// Most freezes that are listed.
const FREEZES_MAX: usize = 10_000;
/// Most windows that are listed.
const WINDOWS_MAX: usize = 500;

/// Runs a verb of `freeze`.
pub(crate) async fn run(session: &Session, command: FreezeCommand) -> Done {
    match command {
        FreezeCommand::List { org } => list(session, org).await,
        FreezeCommand::Active(args) => active(session, &args).await,
        FreezeCommand::Windows(args) => windows(session, &args).await,
        FreezeCommand::Override(args) => override_freeze(session, &args).await,
        FreezeCommand::Revoke(args) => revoke(session, &args).await,
    }
}

/// A definition with the window that it holds in now.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    holds: Option<ActiveFreezeView>,
}

const LISTED: &[Column<Listed>] = &[
    column("NAME", |freeze, _| freeze.name.clone()),
    column("ORGANIZATION", |freeze, _| {
        freeze.organization.clone().unwrap_or_default()
    }),
    column("HOLDS", |freeze, now| match &freeze.holds {
        Some(holds) => format!("until {}", shown_time(&holds.to, now)),
        None => "no".to_owned(),
    }),
    column("REASON", |freeze, _| {
        let holds = freeze.holds.as_ref();
        output::plain(holds.map_or("", |holds| &holds.reason))
    }),
    wide_column("DESCRIPTION", |freeze, _| {
        output::plain(&freeze.description)
    }),
];

async fn list(session: &Session, org: Option<String>) -> Done {
    let query: Vec<_> = org.map(|org| ("organization", org)).into_iter().collect();
    let path = ["api", "v1", "freezes"];
    let mut items = client::list(&session.client, &path, &query, FREEZES_MAX).await?;
    let path = ["api", "v1", "freezes", "active"];
    let holding = client::list(&session.client, &path, &[], FREEZES_MAX).await?;
    for item in &mut items {
        let same = |holding: &&Value| {
            holding["name"] == item["name"] && holding["organization"] == item["organization"]
        };
        if let Some(holding) = holding.iter().find(same) {
            item["holds"] = holding.clone();
        }
    }
    session.print_list(items, |freeze: &Listed| freeze.name.clone(), LISTED)
}

const ACTIVE: &[Column<ActiveFreezeView>] = &[
    column("FREEZE", |freeze, _| freeze.freeze.clone()),
    column("EFFECT", |freeze, _| word(&freeze.effect)),
    column("UNTIL", |freeze, now| shown_time(&freeze.to, now)),
    column("FOR", |freeze, _| scope(freeze)),
    column("REASON", |freeze, _| output::plain(&freeze.reason)),
    wide_column("SINCE", |freeze, now| shown_time(&freeze.from, now)),
];

/// What a freeze holds for, in a few words.
fn scope(freeze: &ActiveFreezeView) -> String {
    let scope = &freeze.scope;
    let lists = [
        ("organization", &scope.organizations),
        ("service", &scope.services),
        ("environment", &scope.environments),
    ];
    let mut words: Vec<String> = lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", names.join("|")))
        .collect();
    if !scope.labels.is_empty() {
        words.push(super::labels(&scope.labels));
    }
    match words.is_empty() {
        true => "everything".to_owned(),
        false => output::plain(&words.join(", ")),
    }
}

async fn active(session: &Session, args: &FreezeActiveArgs) -> Done {
    let mut query = Vec::new();
    query.extend(instant(session, "at", args.at.as_deref())?);
    query.extend(args.org.clone().map(|org| ("organization", org)));
    let path = ["api", "v1", "freezes", "active"];
    let items = client::list(&session.client, &path, &query, FREEZES_MAX).await?;
    session.print_list(
        items,
        |freeze: &ActiveFreezeView| freeze.freeze.clone(),
        ACTIVE,
    )
}

fn instant(
    session: &Session,
    name: &'static str,
    text: Option<&str>,
) -> Result<Option<(&'static str, String)>, Failure> {
    let read = |text| when::parse_instant(text, None, session.now);
    let instant = text.map(read).transpose()?;
    Ok(instant.map(|instant| (name, instant.to_string())))
}

const WINDOWS: &[Column<FreezeWindowView>] = &[
    column("FROM", |window, now| shown_time(&window.from, now)),
    column("TO", |window, now| shown_time(&window.to, now)),
    column("LENGTH", |window, now| {
        took(Some(&window.from), Some(&window.to), now)
    }),
    column("BEGINS", |window, now| distance(Some(&window.from), now)),
];

async fn windows(session: &Session, args: &FreezeWindowsArgs) -> Done {
    let (organization, name) = match args.freeze.split_once('/') {
        Some((organization, name)) => (Some(organization.to_owned()), name),
        None => (None, args.freeze.as_str()),
    };
    let mut query = Vec::new();
    query.extend(organization.map(|organization| ("organization", organization)));
    query.extend(instant(session, "from", args.from.as_deref())?);
    query.extend(instant(session, "to", args.to.as_deref())?);
    let path = ["api", "v1", "freezes", name, "windows"];
    let items = client::list(&session.client, &path, &query, WINDOWS_MAX).await?;
    session.print_list(
        items,
        |window: &FreezeWindowView| window.from.clone(),
        WINDOWS,
    )
}

async fn override_freeze(session: &Session, args: &FreezeOverrideArgs) -> Done {
    let expires_at = match when::parse_length(&args.expires) {
        Ok(length) => session.now.checked_add(length).map_err(Failure::usage)?,
        Err(_) => when::parse_instant(&args.expires, None, session.now)?,
    };
    let request = OverrideFreeze {
        freeze: args.freeze.clone(),
        reason: args.reason.clone(),
        expires_at: expires_at.to_string(),
    };
    let id = resolve(&session.client, &args.release).await?;
    answer(session, &id, "override-freeze", json!(request)).await
}

async fn revoke(session: &Session, args: &FreezeRevokeArgs) -> Done {
    let request = RevokeOverride {
        freeze: args.freeze.clone(),
        reason: args.reason.clone(),
    };
    let id = resolve(&session.client, &args.release).await?;
    answer(session, &id, "revoke-override", json!(request)).await
}

async fn answer(session: &Session, id: &str, action: &str, request: Value) -> Done {
    let path = ["api", "v1", "releases", id, action];
    let answer: Value = session.client.post(&path, &request).await?;
    report(session, answer, &WaitArgs::default(), Goal::Success).await
}
