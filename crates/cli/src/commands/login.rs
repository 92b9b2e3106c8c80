//! Signing in: `login`, `whoami`.

use std::io::{IsTerminal, Read};

use serde_json::Value;
use trainmaster_api::Whoami;

use super::{Session, word};
use crate::args::{Globals, LoginArgs};
use crate::client::{Client, parse_server};
use crate::context::{self, Context, Contexts, DEFAULT_SERVER, Target};
use crate::failure::{Done, Failure};
use crate::output;

/// `login`: takes a token, asks the server whose it is, and remembers both.
pub(crate) async fn login(globals: &Globals, args: &LoginArgs) -> Done {
    let given = args
        .url
        .as_deref()
        .or(globals.server.as_deref())
        .unwrap_or(DEFAULT_SERVER);
    let url = parse_server(given)?;
    let server = url.as_str().trim_end_matches('/').to_owned();
    let token = match &globals.token {
        Some(token) => token.clone(),
        None => read_token(&server)?,
    };
    let target = Target {
        server: server.clone(),
        token: Some(token.clone()),
    };
    let whoami: Whoami = Client::for_target(&target)?
        .get(&["api", "v1", "whoami"], &[])
        .await?;
    let name = args.name.clone().unwrap_or_else(|| usual_name(&url));
    let path = context::path()?;
    let mut contexts = Contexts::read(&path)?;
    let user = whoami.token.user.clone();
    contexts.contexts.insert(
        name.clone(),
        Context {
            server,
            token,
            user: user.clone(),
        },
    );
    contexts.current = Some(name.clone());
    contexts.write(&path)?;
    output::data(format_args!(
        "signed in as {user}; context {name} is the current one"
    ));
    Ok(())
}

/// Reads a token from standard input; on a terminal it is asked for there.
fn read_token(server: &str) -> Result<String, Failure> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        output::note(format_args!("token for {server}:"));
        std::io::stdin().read_line(&mut text)?;
    } else {
        std::io::stdin()
            .lock()
            .take(4096)
            .read_to_string(&mut text)?;
    }
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage("no token was given")
            .hint("give it on standard input, with `--token` or in `TRAINMASTER_TOKEN`"));
    }
    Ok(token.to_owned())
}

fn usual_name(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or("server");
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `whoami`.
pub(crate) async fn whoami(session: &Session) -> Done {
    let answer: Value = session.client.get(&["api", "v1", "whoami"], &[]).await?;
    session.print(
        &answer,
        |whoami: &Whoami| whoami.token.user.clone(),
        |whoami| {
            let token = &whoami.token;
            let roles: Vec<String> = token.roles.iter().map(word).collect();
            let expires = token
                .expires_at
                .as_ref()
                .map(|instant| session.time(instant));
            output::fields(&[
                ("User", token.user.clone()),
                ("Teams", token.teams.join(", ")),
                ("Roles", roles.join(", ")),
                (
                    "Organization",
                    token.organization.clone().unwrap_or_else(|| "all".into()),
                ),
                ("Token", token.id.clone()),
                ("Expires", expires.unwrap_or_else(|| "never".into())),
                ("May", whoami.permissions.join(", ")),
                ("Server", session.client.server()),
            ]);
            Ok(())
        },
    )
}
