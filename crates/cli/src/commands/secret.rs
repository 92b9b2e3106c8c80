//! Secrets: `secret set`, `list`, `delete`.

use std::io::Read as _;

use reqwest::Method;
use serde_json::json;
use trainmaster_api::SecretView;

use super::{Column, Session, age, column};
use crate::args::{SecretArgs, SecretCommand};
use crate::client;
use crate::failure::{Done, Failure};
use crate::output;

/// Runs a verb of `secret`.
pub(crate) async fn run(session: &Session, command: SecretCommand) -> Done {
    match command {
        SecretCommand::Set(args) => set(session, &args).await,
        SecretCommand::List { org } => list(session, org).await,
        SecretCommand::Delete(args) => delete(session, &args).await,
    }
}

/// Writes a value; it comes from standard input, so that no list of processes and no history shows it.
async fn set(session: &Session, args: &SecretArgs) -> Done {
    let mut value = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut value)
        .map_err(|error| Failure::error(format!("the value cannot be read: {error}")))?;
    // The line end belongs to whoever typed or piped it, not to the secret.
    if let Some(line) = value.strip_suffix('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        value.truncate(line.len());
    }
    if value.is_empty() {
        return Err(Failure::usage("there is no value on standard input")
            .hint("for example `printf %s \"$TOKEN\" | trainmaster secret set TOKEN`"));
    }
    let request = session
        .client
        .request(
            Method::PUT,
            &["api", "v1", "secrets", &args.name],
            &place(args.org.as_ref()),
        )
        .json(&json!({ "value": value }))?;
    let answer = session.client.send(request).await?.read()?;
    session.print(
        &answer,
        |secret: &SecretView| secret.name.clone(),
        |secret| {
            output::data(format_args!(
                "secret {} has its value number {}",
                secret.name, secret.version
            ));
            Ok(())
        },
    )
}

const COLUMNS: &[Column<SecretView>] = &[
    column("NAME", |secret, _| secret.name.clone()),
    column("ORGANIZATION", |secret, _| {
        secret.organization.clone().unwrap_or_default()
    }),
    column("VERSION", |secret, _| secret.version.to_string()),
    column("AGE", |secret, now| age(&secret.updated_at, now)),
    column("BY", |secret, _| secret.updated_by.clone()),
];

async fn list(session: &Session, org: Option<String>) -> Done {
    let query = place(org.as_ref());
    let items = client::list(&session.client, &["api", "v1", "secrets"], &query, 10_000).await?;
    session.print_list(items, |secret: &SecretView| secret.name.clone(), COLUMNS)
}

async fn delete(session: &Session, args: &SecretArgs) -> Done {
    let request = session.client.request(
        Method::DELETE,
        &["api", "v1", "secrets", &args.name],
        &place(args.org.as_ref()),
    );
    session.client.send(request).await?;
    output::data(format_args!("secret {} deleted", args.name));
    Ok(())
}

fn place(org: Option<&String>) -> Vec<(&'static str, String)> {
    org.map(|org| ("organization", org.clone()))
        .into_iter()
        .collect()
}
