//! Tokens: `token create`, `list`, `revoke`.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use trainmaster_api::{CreateToken, IssuedToken, TokenView};

use super::{Column, Session, age, column, distance, wide_column, word};
use crate::args::{Format, TokenCommand, TokenCreateArgs};
use crate::client;
use crate::failure::{Done, Failure};
use crate::{output, when};

/// Runs a verb of `token`.
pub(crate) async fn run(session: &Session, command: TokenCommand) -> Done {
    match command {
        TokenCommand::Create(args) => create(session, &args).await,
        TokenCommand::List => list(session).await,
        TokenCommand::Revoke { token_id } => revoke(session, &token_id).await,
    }
}

async fn create(session: &Session, args: &TokenCreateArgs) -> Done {
    let roles = serde_json::to_value(&args.roles).and_then(serde_json::from_value);
    let request = CreateToken {
        user: args.user.clone(),
        teams: args.teams.clone(),
        roles: roles.map_err(Failure::usage)?,
        organization: args.org.clone(),
        expires_at: expiry(session.now, &args.expires)?,
        description: args.description.clone(),
    };
    let answer: Value = session
        .client
        .post(&["api", "v1", "tokens"], &request)
        .await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let issued: IssuedToken = serde_json::from_value(answer)?;
    if session.format == Format::Name {
        output::data(&issued.view.id);
        return Ok(());
    }
    let token = issued.token.ok_or_else(|| {
        Failure::error(format!(
            "token `{}` was issued, but cannot be shown again",
            issued.view.id
        ))
        .hint(format!(
            "`trainmaster token revoke {}` ends it; then issue another one",
            issued.view.id
        ))
    })?;
    output::note(format_args!(
        "token {} for user {}; it is shown only now:",
        issued.view.id, issued.view.user
    ));
    output::data(token);
    Ok(())
}

/// When a token ends: a length from now, or a time.
pub(super) fn expiry(now: Timestamp, text: &str) -> Result<String, Failure> {
    if let Ok(length) = when::parse_length(text) {
        let instant = now.checked_add(length).map_err(Failure::usage)?;
        return Ok(instant.to_string());
    }
    Ok(when::parse_instant(text, None, now)?.to_string())
}

const COLUMNS: &[Column<TokenView>] = &[
    column("ID", |token, _| token.id.clone()),
    column("USER", |token, _| token.user.clone()),
    column("ROLES", |token, _| {
        token.roles.iter().map(word).collect::<Vec<_>>().join(",")
    }),
    column("ORGANIZATION", |token, _| {
        token.organization.clone().unwrap_or_else(|| "*".into())
    }),
    column("VALID", |token, _| validity(token).to_owned()),
    column("EXPIRES", |token, now| match &token.expires_at {
        Some(instant) => distance(Some(instant), now),
        None => "never".to_owned(),
    }),
    column("AGE", |token, now| age(&token.issued_at, now)),
    wide_column("TEAMS", |token, _| token.teams.join(",")),
    wide_column("ISSUED BY", |token, _| token.issued_by.clone()),
    wide_column("DESCRIPTION", |token, _| output::plain(&token.description)),
];

fn validity(token: &TokenView) -> &'static str {
    match (token.valid, token.revoked) {
        (true, _) => "yes",
        (false, true) => "revoked",
        (false, false) => "expired",
    }
}

async fn list(session: &Session) -> Done {
    let items = client::list(&session.client, &["api", "v1", "tokens"], &[], 10_000).await?;
    session.print_list(items, |token: &TokenView| token.id.clone(), COLUMNS)
}

async fn revoke(session: &Session, token: &str) -> Done {
    let request = session
        .client
        .request(Method::DELETE, &["api", "v1", "tokens", token], &[]);
    session.client.send(request).await?;
    output::data(format_args!("{token} revoked"));
    Ok(())
}
