//! The people of the demo: who they are, what they hold, and how they are let in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use trainmaster_core::Command;
use trainmaster_core::access::Role;
use trainmaster_core::command::NewToken;
use trainmaster_core::ids::TokenId;
use trainmaster_engine::{Engine, Request};
use trainmaster_server::Token;
use trainmaster_store::SqlStore;

use super::house::write_whole;

/// Everything in the demo belongs to this organization.
pub(crate) const ORGANIZATION: &str = "acme";

/// Somebody in the demo.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    team: Option<&'static str>,
    role: Role,
    /// Where their role holds; none is everywhere.
    organization: Option<&'static str>,
    /// What they do, for people.
    pub(crate) work: &'static str,
}

/// Everybody.
pub(crate) const PEOPLE: [Person; 4] = [
    Person {
        name: "rita",
        team: Some("release-managers"),
        role: Role::ReleaseManager,
        organization: None,
        work: "release manager of all organizations: definitions, releases, the journal",
    },
    Person {
        name: "anna",
        team: Some("stakeholders"),
        role: Role::Viewer,
        organization: Some(ORGANIZATION),
        work: "stakeholder: signs versions off",
    },
    Person {
        name: "ben",
        team: Some("qa"),
        role: Role::Operator,
        organization: Some(ORGANIZATION),
        work: "QA: signs versions off, retries and ignores failures",
    },
    Person {
        name: "vic",
        team: None,
        role: Role::Viewer,
        organization: Some(ORGANIZATION),
        work: "viewer: looks",
    },
];

/// Tokens by name.
pub(crate) type Tokens = BTreeMap<String, Token>;

/// The tokens of an earlier start, or new ones; in a file that only its owner may read.
pub(crate) fn tokens(path: &Path) -> anyhow::Result<Tokens> {
    if path.exists() {
        return read(path).with_context(|| format!("the people in `{}`", path.display()));
    }
    let mut tokens = Tokens::new();
    for person in &PEOPLE {
        tokens.insert(person.name.to_owned(), Token::generate()?);
    }
    let lines: String = tokens
        .iter()
        .map(|(name, token)| format!("{name} {}\n", token.reveal()))
        .collect();
    write_whole(path, &lines)?;
    Ok(tokens)
}

fn read(path: &Path) -> anyhow::Result<Tokens> {
    let mut tokens = Tokens::new();
    for line in fs::read_to_string(path)?.lines() {
        let token = line
            .split_once(' ')
            .and_then(|(name, text)| Some((name.to_owned(), Token::parse(text)?)));
        match token {
            Some((name, token)) => _ = tokens.insert(name, token),
            None => bail!("a line is not `NAME TOKEN`"),
        }
    }
    match PEOPLE
        .iter()
        .find(|person| !tokens.contains_key(person.name))
    {
        Some(person) => bail!("`{}` is missing", person.name),
        None => Ok(tokens),
    }
}

/// Lets everybody in who is not in yet, and answers who holds which token.
pub(crate) async fn let_in(
    engine: &Engine,
    store: &SqlStore,
    tokens: &Tokens,
    until: Timestamp,
) -> anyhow::Result<BTreeMap<&'static str, TokenId>> {
    let mut numbers = BTreeMap::new();
    for person in &PEOPLE {
        let token = &tokens[person.name];
        if store.holder_by_digest(&token.digest()).await?.is_none() {
            let command = Command::IssueToken(person.asks_for(token, until)?);
            engine.submit(Request::system(command)).await?;
        }
        let holder = store.holder_by_digest(&token.digest()).await?;
        let holder = holder.with_context(|| format!("`{}` was not let in", person.name))?;
        numbers.insert(person.name, holder.token);
    }
    Ok(numbers)
}

impl Person {
    fn asks_for(&self, token: &Token, until: Timestamp) -> anyhow::Result<NewToken> {
        Ok(NewToken {
            digest: token.digest(),
            user: self.name.parse()?,
            teams: self.team.map(str::parse).transpose()?.into_iter().collect(),
            roles: vec![self.role],
            organization: self.organization.map(str::parse).transpose()?,
            kind: trainmaster_core::access::TokenKind::Service,
            scope: None,
            expires_at: Some(until),
            description: "made by the demo".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn tokens_are_made_once_and_for_their_owner_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("people");
        let made = tokens(&path).expect("made");
        assert_eq!(made.len(), PEOPLE.len());
        assert!(tokens(&path).expect("read") == made);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_not_replaced_in_silence() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("people");
        fs::write(&path, "rita nonsense\n").expect("written");
        let error = tokens(&path).expect_err("refused");
        assert!(format!("{error:#}").contains("NAME TOKEN"), "{error:#}");
    }
}
