//! Signing in: `login`, `logout`, `whoami`.

use std::io::{IsTerminal, Read};

use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use trainmaster_api::{CreatePersonalToken, CreateSession, Password, SignedIn, Whoami};

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
    let token = match (&args.user, &globals.token) {
        (Some(user), _) => personal_token(&server, user, &args.expires).await?,
        (None, Some(token)) => token.clone(),
        (None, None) => read_token(&server)?,
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

/// Proves by password who somebody is, and gets a personal token with an end.
async fn personal_token(server: &str, user: &str, expires: &str) -> Result<String, Failure> {
    let target = Target {
        server: server.to_owned(),
        token: None,
    };
    let expires_at = super::token::expiry(Timestamp::now(), expires)?;
    let password = super::user::password(&format!("password of {user} at {server}"))?;
    let request = CreateSession {
        user: user.to_owned(),
        password: Password(password),
        token: Some(CreatePersonalToken {
            expires_at,
            description: description(),
            permissions: None,
            organization: None,
        }),
    };
    let client = Client::for_target(&target)?;
    let signed_in: SignedIn = client.post(&["api", "v1", "session"], &request).await?;
    let missing = || Failure::error(format!("`{server}` let {user} in but sent no token"));
    signed_in.token.ok_or_else(missing)
}

/// What the token is for, so that its owner recognizes it in a list.
fn description() -> String {
    let machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    match machine.trim() {
        "" => "trainmaster login".to_owned(),
        machine => format!("trainmaster login on {}", output::plain(machine)),
    }
}

/// `logout`: ends the token of the context at its server, then forgets it here.
pub(crate) async fn logout(globals: &Globals) -> Done {
    let path = context::path()?;
    let mut contexts = Contexts::read(&path)?;
    let chosen = globals.context.clone().or_else(|| contexts.current.clone());
    let name = chosen.ok_or_else(|| Failure::error("nobody is signed in here"))?;
    let context = contexts.named(&name)?;
    let target = Target {
        server: context.server.clone(),
        token: Some(context.token.clone()),
    };
    let client = Client::for_target(&target)?;
    let request = client.request(Method::DELETE, &["api", "v1", "session"], &[]);
    let ended = client.send(request).await;
    // A server that cannot be asked keeps the token alive, and whoever leaves must know that.
    if let Err(failure) = ended
        && !failure.is_refusal()
    {
        return Err(failure
            .hint("the token still holds; `trainmaster context delete` forgets it here only"));
    }
    contexts.contexts.remove(&name);
    contexts.current = contexts.current.filter(|current| *current != name);
    contexts.write(&path)?;
    output::data(format_args!("signed out; context {name} is forgotten"));
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
