//! Identifiers and names: checked once where they enter, valid because of their type from then on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that could not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct InvalidName {
    /// The text that was offered, shortened.
    pub value: String,
    /// What would have been right.
    pub expected: &'static str,
}

fn invalid(value: &str, expected: &'static str) -> InvalidName {
    let value = value.chars().take(80).collect();
    InvalidName { value, expected }
}

/// Identifies one release for ever; later releases have larger numbers. Text form `rel-00000042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub u64);

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rel-{:08}", self.0)
    }
}

impl FromStr for ReleaseId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let expected = "a release id such as `rel-00000042`";
        let digits = text
            .strip_prefix("rel-")
            .ok_or_else(|| invalid(text, expected))?;
        let plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = plain.then(|| digits.parse().ok()).flatten();
        number.map(ReleaseId).ok_or_else(|| invalid(text, expected))
    }
}

/// Identifies one API token; the token itself is never kept, only its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tok-{:04}", self.0)
    }
}

impl FromStr for TokenId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let expected = "a token id such as `tok-0007`";
        let digits = text
            .strip_prefix("tok-")
            .ok_or_else(|| invalid(text, expected))?;
        let plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let number = plain.then(|| digits.parse().ok()).flatten();
        number.map(TokenId).ok_or_else(|| invalid(text, expected))
    }
}

/// A DNS label: lower-case letters, digits and inner dashes, 1 to 63 characters (1-model.md, Resources).
///
/// Names of resources, organizations, phases, activities, users and teams.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=63).contains(&text.len());
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let edges = !text.starts_with('-') && !text.ends_with('-');
        if fits && letters && edges {
            Ok(Name(text.into()))
        } else {
            Err(invalid(
                text,
                "a name of 1 to 63 lower-case letters, digits and inner dashes",
            ))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}

/// The name of a secret as `${secrets.NAME}` says it: letters, digits, `_` and `-`, 1 to 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(Arc<str>);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=63).contains(&text.len()) && text.bytes().all(letter) {
            Ok(SecretName(text.into()))
        } else {
            Err(invalid(
                text,
                "the name of a secret: 1 to 63 letters, digits, `_` and `-`",
            ))
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> String {
        name.0.as_ref().to_owned()
    }
}

/// Where an activity stands in its release: `build/compile`, or `deploy/rollout[2]` for one item of a `forEach`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActivityPath(Arc<str>);

impl ActivityPath {
    /// The path of an activity in a phase.
    pub fn new(phase: &Name, activity: &Name) -> Self {
        ActivityPath(format!("{phase}/{activity}").into())
    }

    /// The path of one item of this activity's `forEach`; items count from zero.
    pub fn item(&self, index: u32) -> Self {
        ActivityPath(format!("{}[{index}]", self.0).into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the phase.
    pub fn phase(&self) -> &str {
        self.0.split_once('/').map_or("", |(phase, _)| phase)
    }

    /// The id of the activity, with the item's index if it is one.
    pub fn activity(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, activity)| activity)
    }
}

impl fmt::Display for ActivityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ActivityPath {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let expected = "an activity path such as `build/compile` or `deploy/rollout[2]`";
        let wrong = || invalid(text, expected);
        let (phase, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (activity, item) = match rest.split_once('[') {
            Some((activity, index)) => (activity, Some(index.strip_suffix(']').ok_or_else(wrong)?)),
            None => (rest, None),
        };
        let phase: Name = phase.parse().map_err(|_| wrong())?;
        let activity: Name = activity.parse().map_err(|_| wrong())?;
        let path = ActivityPath::new(&phase, &activity);
        match item {
            None => Ok(path),
            Some(index) => Ok(path.item(index.parse().map_err(|_| wrong())?)),
        }
    }
}

impl TryFrom<String> for ActivityPath {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ActivityPath> for String {
    fn from(path: ActivityPath) -> String {
        path.0.as_ref().to_owned()
    }
}

/// One try of one activity; numbers count from one and go on over runs. An effect carries the id of its attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttemptId {
    /// The release.
    pub release: ReleaseId,
    /// The activity.
    pub path: ActivityPath,
    /// Which try, from one.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.release, self.path, self.number)
    }
}

/// The key that all effects of one activity occurrence carry towards the outside world (reliability.md, 13).
///
/// It stays the same over automatic retries and restarts of the server.
/// Another run, another item or changed inputs make another key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectKey(pub String);

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody who is responsible or asked: `user:NAME`, `team:NAME` or `role:NAME` (1-model.md, Release).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Owner {
    /// One person.
    User(Name),
    /// Every member of a team.
    Team(Name),
    /// Everybody who holds a role.
    Role(Name),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::User(name) => write!(f, "user:{name}"),
            Owner::Team(name) => write!(f, "team:{name}"),
            Owner::Role(name) => write!(f, "role:{name}"),
        }
    }
}

impl FromStr for Owner {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || invalid(text, "`user:NAME`, `team:NAME` or `role:NAME`");
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        let name = name.parse().map_err(|_| wrong())?;
        match kind {
            "user" => Ok(Owner::User(name)),
            "team" => Ok(Owner::Team(name)),
            "role" => Ok(Owner::Role(name)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Owner {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> String {
        owner.to_string()
    }
}

/// Which resource: its kind, its organization (none at account level) and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceKey {
    /// What it is.
    pub kind: ResourceKind,
    /// Where it lives; none is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// Its name, unique per kind and organization.
    pub name: Name,
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.organization {
            Some(organization) => write!(f, "{}/{organization}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// The kinds of definitions that can be applied (1-model.md, Resources).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceKind {
    /// The reusable blueprint of releases.
    Process,
    /// Named values for a process's inputs.
    InputSet,
    /// A cadence that makes releases.
    ReleaseGroup,
    /// A window in which matching activities are deferred.
    Freeze,
    /// Which events are told to whom through which channels.
    NotificationRule,
    /// A part of the account with its own releases.
    Organization,
    /// People who act together.
    Team,
    /// Who holds which role where.
    RoleBinding,
    /// Settings of the whole installation; there is one, named `account`.
    Account,
}

impl ResourceKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [ResourceKind; 9] = [
        ResourceKind::Process,
        ResourceKind::InputSet,
        ResourceKind::ReleaseGroup,
        ResourceKind::Freeze,
        ResourceKind::NotificationRule,
        ResourceKind::Organization,
        ResourceKind::Team,
        ResourceKind::RoleBinding,
        ResourceKind::Account,
    ];

    /// The kind as written in YAML.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::Process => "Process",
            ResourceKind::InputSet => "InputSet",
            ResourceKind::ReleaseGroup => "ReleaseGroup",
            ResourceKind::Freeze => "Freeze",
            ResourceKind::NotificationRule => "NotificationRule",
            ResourceKind::Organization => "Organization",
            ResourceKind::Team => "Team",
            ResourceKind::RoleBinding => "RoleBinding",
            ResourceKind::Account => "Account",
        }
    }

    /// The kind in an address: `processes`, `input-sets`.
    pub fn plural(self) -> &'static str {
        match self {
            ResourceKind::Process => "processes",
            ResourceKind::InputSet => "input-sets",
            ResourceKind::ReleaseGroup => "release-groups",
            ResourceKind::Freeze => "freezes",
            ResourceKind::NotificationRule => "notification-rules",
            ResourceKind::Organization => "organizations",
            ResourceKind::Team => "teams",
            ResourceKind::RoleBinding => "role-bindings",
            ResourceKind::Account => "accounts",
        }
    }

    /// Whether definitions of this kind belong to no organization.
    pub fn is_account_level(self) -> bool {
        matches!(self, ResourceKind::Organization | ResourceKind::Account)
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        assert_eq!("rel-00000042".parse::<ReleaseId>(), Ok(ReleaseId(42)));
        assert_eq!(ReleaseId(42).to_string(), "rel-00000042");
        assert!("rel-".parse::<ReleaseId>().is_err());
        assert!("42".parse::<ReleaseId>().is_err());
        for text in ["build/compile", "deploy/rollout[2]"] {
            assert_eq!(text.parse::<ActivityPath>().expect("a path").as_str(), text);
        }
        for text in ["build", "Build/compile", "a/b[x]", "a/b[1", "a/b/c"] {
            assert!(text.parse::<ActivityPath>().is_err(), "{text}");
        }
        assert_eq!(
            "team:qa".parse::<Owner>().expect("an owner").to_string(),
            "team:qa"
        );
        assert!("qa".parse::<Owner>().is_err());
    }
}
