//! People who can sign in.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::Name;

/// A person known to an identity provider: who says so, and under which unchangeable name (reliability.md, S4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The provider's address, exactly as in its tokens.
    pub issuer: String,
    /// The person's identifier there.
    pub subject: String,
}

/// A person who can sign in, by password or through an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The name, as in `user:NAME`.
    pub name: Name,
    /// The name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Where mail goes; never used to tell who somebody is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Whether the person is shut out.
    #[serde(default)]
    pub disabled: bool,
    /// Who the person is for identity providers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub identities: BTreeSet<Identity>,
    /// The random id of the stored password; the hash itself lies outside the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Teams that the identity provider named at the newest sign-in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub claimed_teams: BTreeSet<Name>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Through whom.
    pub created_by: String,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When somebody else last said how this person gets in.
    pub vouched_at: Timestamp,
    /// Who that was; whoever decides how somebody gets in can get in as them.
    pub vouched_by: String,
}
