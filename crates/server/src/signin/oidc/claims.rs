//! What a provider says about a person, and which teams that stands for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use trainmaster_core::ids::Name;

use super::token::Unique;
use super::{Provider, Refused};

/// Most groups of one person that are looked at.
const GROUPS_MAX: usize = 5_000;
/// Longest text that is taken over, in bytes.
const TEXT_BYTES_MAX: usize = 300;
/// Longest name of a user.
const NAME_MAX: usize = 63;

/// Claims that were verified.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    /// The person's unchangeable identifier at the provider.
    pub(super) subject: String,
    pub(super) all: BTreeMap<String, Value>,
}

impl Claims {
    pub(super) fn has(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.all.contains_key(name))
    }

    /// Takes in what the provider says besides; it must be about the same person, and what the token says goes first.
    pub(super) fn add(&mut self, more: &[u8]) -> Result<(), Refused> {
        let unreadable = |_| Refused::unproven("the provider's user information cannot be read");
        let Unique(more) = serde_json::from_slice(more).map_err(unreadable)?;
        if more.get("sub").and_then(Value::as_str) != Some(self.subject.as_str()) {
            return Err(Refused::unproven(
                "the provider's user information is about somebody else",
            ));
        }
        for (name, value) in more {
            self.all.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// A text of bounded length.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = self.all.get(name)?.as_str()?;
        let fits = !text.is_empty() && text.len() <= TEXT_BYTES_MAX;
        fits.then(|| text.to_owned())
    }

    /// The mail address, unless the provider says that it is not the person's.
    pub(super) fn email(&self) -> Option<String> {
        let doubted = self.all.get("email_verified") == Some(&Value::Bool(false));
        self.text("email").filter(|_| !doubted)
    }

    /// A name for a new user: the claim's letters that a name may have; it never says who somebody is.
    pub(super) fn user_name(&self, claim: &str) -> Name {
        let given = self.text(claim).or_else(|| self.text("email"));
        let given = given.unwrap_or_default().to_lowercase();
        let local = given.split('@').next().unwrap_or_default();
        let mut name = String::new();
        for letter in local.chars() {
            let is_plain = letter.is_ascii_lowercase() || letter.is_ascii_digit();
            match letter {
                letter if is_plain => name.push(letter),
                _ if name.is_empty() || name.ends_with('-') => (),
                _ => name.push('-'),
            }
        }
        name.truncate(NAME_MAX);
        let name = name.trim_end_matches('-');
        let name = if name.is_empty() { "user" } else { name };
        name.parse().expect("only letters of a name are left")
    }

    /// The teams that the groups stand for; groups that stand for nothing are passed over.
    pub(super) fn teams(&self, provider: &Provider) -> BTreeSet<Name> {
        let claim = provider
            .groups_claim
            .as_ref()
            .and_then(|name| self.all.get(name));
        let groups: Vec<&str> = match claim {
            Some(Value::Array(groups)) => groups
                .iter()
                .take(GROUPS_MAX)
                .filter_map(Value::as_str)
                .collect(),
            Some(Value::String(group)) => vec![group],
            _ => Vec::new(),
        };
        let mut teams = BTreeSet::new();
        for group in groups {
            if let Some(mapped) = provider.teams.get(group) {
                teams.extend(mapped.iter().cloned());
                continue;
            }
            let prefix = provider
                .team_prefix
                .as_deref()
                .filter(|prefix| !prefix.is_empty());
            let rest = prefix.and_then(|prefix| group.strip_prefix(prefix));
            teams.extend(rest.and_then(|rest| rest.parse::<Name>().ok()));
        }
        teams
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(all: Value) -> Claims {
        let Value::Object(all) = all else {
            panic!("claims are an object")
        };
        Claims {
            subject: "0815".to_owned(),
            all: all.into_iter().collect(),
        }
    }

    fn provider() -> Provider {
        let name = |text: &str| -> Name { text.parse().expect("a name") };
        Provider {
            id: name("house"),
            title: String::new(),
            issuer: "https://login.example".to_owned(),
            client_id: "trainmaster".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            name_claim: "preferred_username".to_owned(),
            groups_claim: Some("groups".to_owned()),
            teams: [("Quality".to_owned(), vec![name("qa"), name("testers")])].into(),
            team_prefix: Some("trains-".to_owned()),
            create_users: true,
        }
    }

    #[test]
    fn groups_stand_for_teams_by_the_table_and_by_their_prefix_and_for_nothing_else() {
        let groups = json!({"groups": ["Quality", "trains-ops", "trains-Not A Name", "ops", "administrators", 7]});
        let teams: Vec<String> = claims(groups)
            .teams(&provider())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(teams, ["ops", "qa", "testers"]);
        let one: Vec<String> = claims(json!({"groups": "trains-ops"}))
            .teams(&provider())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(one, ["ops"]);
        let mut deaf = provider();
        deaf.groups_claim = None;
        assert!(
            claims(json!({"groups": ["Quality"]}))
                .teams(&deaf)
                .is_empty()
        );
    }

    #[test]
    fn a_name_for_a_user_is_made_of_what_a_name_may_have() {
        let name = |value: &str| {
            claims(json!({"preferred_username": value}))
                .user_name("preferred_username")
                .to_string()
        };
        assert_eq!(name("Ada.Lovelace@example.com"), "ada-lovelace");
        assert_eq!(name("žofie"), "ofie");
        assert_eq!(name("--"), "user");
        assert_eq!(name(&"x".repeat(200)).len(), 63);
        assert_eq!(
            claims(json!({})).user_name("preferred_username").as_str(),
            "user"
        );
        let mail = claims(json!({"email": "grace@example.com"}));
        assert_eq!(mail.user_name("preferred_username").as_str(), "grace");
    }

    #[test]
    fn user_information_about_somebody_else_is_refused() {
        let mut own = claims(json!({"groups": ["a"]}));
        assert!(
            own.add(br#"{"sub": "0815", "groups": ["b"], "name": "Ada"}"#)
                .is_ok()
        );
        assert_eq!(own.all["groups"], json!(["a"]));
        assert_eq!(own.text("name").as_deref(), Some("Ada"));
        assert!(own.add(br#"{"sub": "4711"}"#).is_err());
        assert!(own.add(br#"{"sub": "0815", "sub": "0815"}"#).is_err());
        assert_eq!(
            claims(json!({"email": "a@b", "email_verified": false})).email(),
            None
        );
    }
}
