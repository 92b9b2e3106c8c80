//! What each verb does: one module per noun, one function per verb.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args::{Cli, Command, Format, Globals};
use crate::client::Client;
use crate::failure::{Done, Failure};
use crate::output::{self, Columns};
use crate::when;

mod activity;
mod audit;
mod calendar;
mod context;
mod definition;
mod delivery;
mod freeze;
mod group;
mod input_set;
mod login;
mod maintenance;
mod people;
mod policy;
mod release;
mod secret;
mod token;
mod trace;
mod user;

/// Does what the command line asks, apart from the verbs of the server itself.
pub(crate) async fn run(cli: Cli) -> Done {
    let Cli { globals, command } = cli;
    match command {
        Command::Demo(_)
        | Command::Serve(_)
        | Command::Supervise { .. }
        | Command::Migrate(_)
        | Command::Backup(_)
        | Command::Restore(_) => {
            unreachable!("the verbs of the server itself are not asked of a server")
        }
        Command::Completion { shell } => maintenance::completion(shell),
        Command::Schema { kind } => definition::schema(globals.output, &kind),
        Command::Validate(files) => definition::validate(globals.output, &files),
        Command::Context(command) => context::run(&globals, command),
        Command::Version { client } => maintenance::version(&globals, client).await,
        Command::Login(args) => login::login(&globals, &args).await,
        Command::Doctor(_) => maintenance::doctor(&globals).await,
        Command::Audit(command) => audit::run(&globals, command).await,
        Command::Logout => login::logout(&globals).await,
        Command::Whoami => login::whoami(&Session::new(&globals)?).await,
        Command::Apply(args) => definition::apply(&Session::new(&globals)?, &args).await,
        Command::Diff(files) => definition::diff(&Session::new(&globals)?, &files).await,
        Command::Get(args) => definition::get(&Session::new(&globals)?, &args).await,
        Command::Describe(args) => definition::describe(&Session::new(&globals)?, &args).await,
        Command::Delete(args) => definition::delete(&Session::new(&globals)?, &args).await,
        Command::Export(args) => definition::export(&Session::new(&globals)?, &args).await,
        Command::Revisions(args) => definition::revisions(&Session::new(&globals)?, &args).await,
        Command::Release(command) => release::run(&Session::new(&globals)?, command).await,
        Command::InputSet(command) => input_set::run(&Session::new(&globals)?, command).await,
        Command::Group(command) => group::run(&Session::new(&globals)?, command).await,
        Command::Activity(command) => activity::run(&Session::new(&globals)?, command).await,
        Command::Freeze(command) => freeze::run(&Session::new(&globals)?, command).await,
        Command::Deployed(args) => trace::deployed(&Session::new(&globals)?, &args).await,
        Command::Where(args) => trace::find(&Session::new(&globals)?, &args).await,
        Command::Report(args) => trace::report(&Session::new(&globals)?, &args).await,
        Command::Metrics(args) => trace::metrics(&Session::new(&globals)?, &args).await,
        Command::Calendar(args) => calendar::run(&Session::new(&globals)?, *args).await,
        Command::Inbox => people::inbox(&Session::new(&globals)?).await,
        Command::Notifications(args) => {
            people::notifications(&Session::new(&globals)?, &args).await
        }
        Command::Delivery(command) => delivery::run(&Session::new(&globals)?, command).await,
        Command::Secret(command) => secret::run(&Session::new(&globals)?, command).await,
        Command::Token(command) => token::run(&Session::new(&globals)?, command).await,
        Command::Policy(command) => policy::run(&Session::new(&globals)?, command).await,
        Command::User(command) => user::run(&Session::new(&globals)?, command).await,
    }
}

/// A server to ask, and how the answers are to be printed.
pub(crate) struct Session {
    /// The server.
    pub(crate) client: Client,
    /// How to print.
    pub(crate) format: Format,
    /// Now, for ages of things.
    pub(crate) now: Timestamp,
}

impl Session {
    /// What flags, environment and context say.
    pub(crate) fn new(globals: &Globals) -> Result<Session, Failure> {
        Ok(Session {
            client: Client::new(globals)?,
            format: globals.output,
            now: Timestamp::now(),
        })
    }

    /// Prints one thing: as the server gave it, its name, or for people.
    pub(crate) fn print<T: DeserializeOwned>(
        &self,
        answer: &Value,
        name: impl FnOnce(&T) -> String,
        people: impl FnOnce(&T) -> Done,
    ) -> Done {
        match self.format {
            Format::Json | Format::Yaml => output::structured(self.format, answer),
            Format::Name => {
                output::data(name(&serde_json::from_value(answer.clone())?));
                Ok(())
            }
            Format::Table | Format::Wide => people(&serde_json::from_value(answer.clone())?),
        }
    }

    /// Prints a list: as the server gave it, its names, or as columns.
    pub(crate) fn print_list<T: DeserializeOwned>(
        &self,
        items: Vec<Value>,
        name: impl Fn(&T) -> String,
        columns: &[Column<T>],
    ) -> Done {
        if output::is_structured(self.format) {
            return output::structured(self.format, &json!({ "items": items }));
        }
        let items: Vec<T> = items
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>()?;
        if self.format == Format::Name {
            items.iter().for_each(|item| output::data(name(item)));
            return Ok(());
        }
        if items.is_empty() {
            output::note("nothing found");
            return Ok(());
        }
        let shown = |column: &&Column<T>| self.format == Format::Wide || !column.wide;
        let columns: Vec<&Column<T>> = columns.iter().filter(shown).collect();
        let headings: Vec<&str> = columns.iter().map(|column| column.heading).collect();
        let mut table = Columns::new(&headings);
        for item in &items {
            table.row(columns.iter().map(|column| (column.cell)(item, self.now)));
        }
        table.print();
        Ok(())
    }

    /// An instant of the server for people.
    pub(crate) fn time(&self, instant: &str) -> String {
        shown_time(instant, self.now)
    }
}

/// A column of a list.
pub(crate) struct Column<T> {
    heading: &'static str,
    wide: bool,
    cell: fn(&T, Timestamp) -> String,
}

/// A column that is always shown.
pub(crate) const fn column<T>(
    heading: &'static str,
    cell: fn(&T, Timestamp) -> String,
) -> Column<T> {
    Column {
        heading,
        wide: false,
        cell,
    }
}

/// A column that only `-o wide` shows.
pub(crate) const fn wide_column<T>(
    heading: &'static str,
    cell: fn(&T, Timestamp) -> String,
) -> Column<T> {
    Column {
        heading,
        wide: true,
        cell,
    }
}

/// An instant as local time with its distance; what is no instant is shown as it is.
pub(crate) fn shown_time(instant: &str, now: Timestamp) -> String {
    match instant.parse() {
        Ok(instant) => when::shown(instant, now),
        Err(_) => output::plain(instant),
    }
}

/// How long ago an instant was, for a column.
pub(crate) fn age(instant: &str, now: Timestamp) -> String {
    instant
        .parse()
        .map_or_else(|_| String::new(), |instant| when::age(instant, now))
}

/// How far an instant is, for a column; empty if there is none.
pub(crate) fn distance(instant: Option<&str>, now: Timestamp) -> String {
    let instant = instant.and_then(|instant| instant.parse().ok());
    instant.map_or_else(String::new, |instant| when::distance(instant, now))
}

/// How long something took or takes, between two instants of the server.
pub(crate) fn took(start: Option<&str>, end: Option<&str>, now: Timestamp) -> String {
    let parse = |instant: &str| instant.parse::<Timestamp>().ok();
    let Some(start) = start.and_then(parse) else {
        return String::new();
    };
    let end = end.and_then(parse).unwrap_or(now);
    when::length(end.duration_since(start).max(jiff::SignedDuration::ZERO))
}

/// A word of the wire, as it is written there.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A status with its glyph, in colour where that may be used.
pub(crate) fn status(word: &str) -> String {
    let (glyph, tone) = output::mark(word);
    output::paint(tone, &format!("{glyph} {word}"))
}

/// Labels as `k=v` words.
pub(crate) fn labels(labels: &std::collections::BTreeMap<String, String>) -> String {
    let words: Vec<String> = labels
        .iter()
        .map(|(key, value)| {
            if value.is_empty() {
                key.clone()
            } else {
                format!("{key}={value}")
            }
        })
        .collect();
    output::plain(&words.join(","))
}

/// Asks before something that cannot be taken back; without a terminal only `--yes` consents.
pub(crate) fn ask(consent: crate::args::Consent, question: &str) -> Done {
    use std::io::IsTerminal;
    if consent.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} needs your consent"))
            .hint("add `--yes`; there is no terminal to ask on"));
    }
    output::note(format_args!("{question}? Type `yes` to go on:"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::error("nothing was done"))
    }
}
