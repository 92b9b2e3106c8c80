//! The first start of an empty installation: one administrator token, printed once (4-interfaces.md).
//!
//! A crash between issuing and printing would lock everybody out, so a file says that the token was printed;
//! while nobody has done anything yet and the file is missing, the next start issues another one.

use std::path::Path;

use anyhow::Context as _;
use trainmaster_core::access::Role;
use trainmaster_core::command::NewToken;
use trainmaster_core::ids::TokenId;
use trainmaster_core::{Change, Command};
use trainmaster_engine::ports::Store;
use trainmaster_engine::{Engine, Request};
use trainmaster_server::token::Token;

use crate::failure::{Done, Failure};
use crate::output;

/// Says that the first token was printed.
const PRINTED: &str = "administrator-token-printed";

/// Lets the first administrator in, if nobody has been let in yet.
pub(crate) async fn first_administrator(
    engine: &Engine,
    store: &dyn Store,
    data_dir: &Path,
) -> Done {
    let printed = data_dir.join(PRINTED);
    if printed.exists() {
        return Ok(());
    }
    let Some(unseen) = unseen_tokens(store).await? else {
        return Ok(());
    };
    let token = Token::generate().map_err(Failure::error)?;
    submit(engine, Command::IssueToken(administrator(&token))).await?;
    for token in unseen {
        submit(engine, Command::RevokeToken { token }).await?;
    }
    output::note(format_args!("administrator token: {}", token.reveal()));
    std::fs::write(&printed, "").with_context(|| format!("`{}`", printed.display()))?;
    Ok(())
}

fn administrator(token: &Token) -> NewToken {
    NewToken {
        digest: token.digest(),
        user: "admin".parse().expect("`admin` is a name"),
        teams: Vec::new(),
        roles: vec![Role::Administrator],
        organization: None,
        kind: trainmaster_core::access::TokenKind::Service,
        scope: None,
        expires_at: None,
        description: "issued at the first start".to_owned(),
    }
}

/// Tokens of starts that nobody saw the end of; none if the installation has been used.
async fn unseen_tokens(store: &dyn Store) -> Result<Option<Vec<TokenId>>, Failure> {
    /// More first starts than this in a row are no accident.
    const LOOKED_AT: usize = 100;
    let records = store
        .events_after(0, LOOKED_AT)
        .await
        .map_err(Failure::error)?;
    let mut tokens = Vec::new();
    for record in records {
        let event = record.event().map_err(|error| {
            Failure::error(format!(
                "record {} of the journal: {error}",
                record.position
            ))
        })?;
        match event.change {
            Change::TokenIssued { token, .. } if event.by == "system" => tokens.push(token),
            Change::TokenRevoked { token } if event.by == "system" => {
                tokens.retain(|one| *one != token)
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(tokens))
}

async fn submit(engine: &Engine, command: Command) -> Done {
    let submitted = engine.submit(Request::system(command)).await;
    submitted.map(|_| ()).map_err(|error| {
        Failure::error(format!("the first administrator cannot be let in: {error}"))
    })
}
