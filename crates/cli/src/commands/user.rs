//! Users: `user create`, `list`, `show`, `disable`, `enable`, `set-password`.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use reqwest::Method;
use serde_json::Value;
use trainmaster_api::{
    CreateUser, IdentityView, Password, PasswordSet, SetPassword, UserView, Whoami,
};

use super::{Column, Session, age, column, wide_column};
use crate::args::{Format, UserCommand, UserCreateArgs};
use crate::client;
use crate::failure::{Done, Failure};
use crate::output;

/// Longest password that is read, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// Runs a verb of `user`.
pub(crate) async fn run(session: &Session, command: UserCommand) -> Done {
    match command {
        UserCommand::Create(args) => create(session, args).await,
        UserCommand::List => list(session).await,
        UserCommand::Show(user) => show(session, &user.name).await,
        UserCommand::Disable(user) => switch(session, &user.name, "disable", "disabled").await,
        UserCommand::Enable(user) => switch(session, &user.name, "enable", "enabled").await,
        UserCommand::SetPassword(user) => set_password(session, &user.name).await,
    }
}

async fn create(session: &Session, args: UserCreateArgs) -> Done {
    let identity = args
        .issuer
        .zip(args.subject)
        .map(|(issuer, subject)| IdentityView { issuer, subject });
    let password = match args.no_password || identity.is_some() {
        true => None,
        false => Some(Password(new_password(&args.name)?)),
    };
    let request = CreateUser {
        name: args.name,
        display_name: args.display_name,
        email: args.email,
        password,
        identity,
    };
    let answer: Value = session
        .client
        .post(&["api", "v1", "users"], &request)
        .await?;
    said(session, &answer, "created")
}

async fn list(session: &Session) -> Done {
    let items = client::list(&session.client, &["api", "v1", "users"], &[], 20_000).await?;
    session.print_list(items, |user: &UserView| user.name.clone(), COLUMNS)
}

const COLUMNS: &[Column<UserView>] = &[
    column("NAME", |user, _| user.name.clone()),
    column("DISPLAY NAME", |user, _| output::plain(&user.display_name)),
    column("STATE", |user, _| state(user).to_owned()),
    column("SIGNS IN BY", |user, _| ways(user)),
    column("AGE", |user, now| age(&user.created_at, now)),
    wide_column("EMAIL", |user, _| output::plain(&user.email)),
    wide_column("CLAIMED TEAMS", |user, _| user.claimed_teams.join(",")),
];

fn state(user: &UserView) -> &'static str {
    if user.disabled { "disabled" } else { "active" }
}

fn ways(user: &UserView) -> String {
    let password = user.has_password.then_some("password");
    let provider = (!user.identities.is_empty()).then_some("provider");
    let ways: Vec<&str> = password.into_iter().chain(provider).collect();
    ways.join(",")
}

async fn show(session: &Session, name: &str) -> Done {
    let answer: Value = session
        .client
        .get(&["api", "v1", "users", name], &[])
        .await?;
    session.print(
        &answer,
        |user: &UserView| user.name.clone(),
        |user| {
            let identities = user.identities.iter();
            let identities =
                identities.map(|known| format!("{} at {}", known.subject, known.issuer));
            output::fields(&[
                ("Name", user.name.clone()),
                ("Display name", output::plain(&user.display_name)),
                ("Email", output::plain(&user.email)),
                ("State", state(user).to_owned()),
                ("Signs in by", ways(user)),
                ("Identities", identities.collect::<Vec<_>>().join(", ")),
                ("Claimed teams", user.claimed_teams.join(", ")),
                ("Created", session.time(&user.created_at)),
                ("Created by", user.created_by.clone()),
            ]);
            Ok(())
        },
    )
}

async fn switch(session: &Session, name: &str, verb: &str, done: &str) -> Done {
    let path = ["api", "v1", "users", name, verb];
    let answer: Value = session.client.post(&path, &serde_json::json!({})).await?;
    said(session, &answer, done)
}

async fn set_password(session: &Session, name: &str) -> Done {
    let whoami: Whoami = session.client.get(&["api", "v1", "whoami"], &[]).await?;
    let user: UserView = session
        .client
        .get(&["api", "v1", "users", name], &[])
        .await?;
    let mut lines = Lines::new();
    let current = match whoami.token.user == name && user.has_password {
        true => Some(Password(lines.password("current password")?)),
        false => None,
    };
    let password = Password(lines.new_password(name)?);
    let request = session
        .client
        .request(Method::PUT, &["api", "v1", "users", name, "password"], &[])
        .json(&SetPassword { password, current })?;
    let set: PasswordSet = session.client.send(request).await?.read()?;
    output::data(format_args!(
        "password of {name} set; sessions with the one before have ended"
    ));
    if let Some(advice) = set.advice {
        output::hint(advice);
    }
    Ok(())
}

/// What became of a user: as the server gave it, the name, or a sentence.
fn said(session: &Session, answer: &Value, done: &str) -> Done {
    if output::is_structured(session.format) {
        return output::structured(session.format, answer);
    }
    let user: UserView = serde_json::from_value(answer.clone())?;
    match session.format {
        Format::Name => output::data(user.name),
        _ => output::data(format_args!("user {} {done}", user.name)),
    }
    Ok(())
}

/// Asks for a password that somebody has; on a terminal without showing it.
pub(crate) fn password(what: &str) -> Result<String, Failure> {
    Lines::new().password(what)
}

/// Asks for a new password; on a terminal twice.
fn new_password(user: &str) -> Result<String, Failure> {
    Lines::new().new_password(user)
}

/// Standard input, line by line: passwords are never arguments, where every process of the machine sees them.
struct Lines {
    is_terminal: bool,
    rest: Option<std::vec::IntoIter<String>>,
}

impl Lines {
    fn new() -> Lines {
        Lines {
            is_terminal: std::io::stdin().is_terminal(),
            rest: None,
        }
    }

    fn password(&mut self, what: &str) -> Result<String, Failure> {
        let line = match self.is_terminal {
            true => self.asked(what)?,
            false => self.piped()?,
        };
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        if line.is_empty() {
            return Err(Failure::usage(format!("no {what} was given"))
                .hint("give it on standard input, one per line"));
        }
        Ok(line)
    }

    fn new_password(&mut self, user: &str) -> Result<String, Failure> {
        let password = self.password(&format!("new password of {user}"))?;
        if self.is_terminal && self.password("the same again")? != password {
            return Err(Failure::usage("the two are not the same"));
        }
        Ok(password)
    }

    fn asked(&self, what: &str) -> Result<String, Failure> {
        output::note(format_args!("{what}:"));
        let _silence = Silence::begin();
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .take(PASSWORD_BYTES_MAX)
            .read_line(&mut line)?;
        Ok(line)
    }

    fn piped(&mut self) -> Result<String, Failure> {
        if self.rest.is_none() {
            let mut text = String::new();
            let stdin = std::io::stdin().lock();
            stdin
                .take(2 * PASSWORD_BYTES_MAX)
                .read_to_string(&mut text)?;
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            self.rest = Some(lines.into_iter());
        }
        let next = self.rest.as_mut().and_then(Iterator::next);
        Ok(next.unwrap_or_default())
    }
}

/// A terminal that does not show what is typed; it shows it again when this goes out of scope.
struct Silence(Option<nix::sys::termios::Termios>);

impl Silence {
    fn begin() -> Silence {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_flags.remove(LocalFlags::ECHO);
            _ = tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &silent);
        }
        Silence(before)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        if let Some(before) = &self.0 {
            _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}
