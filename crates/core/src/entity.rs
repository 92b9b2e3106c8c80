//! What entity rows hold: the world in pieces small enough to write only the ones that changed.
//!
//! Bodies are JSON in one canonical order and, with the events, the only thing that is serialized.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::{Holder, User};
use crate::group::GroupState;
use crate::ids::{Name, ReleaseId, ResourceKey, TokenId};
use crate::release::{Activity, Release};

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntityKey {
    /// Counters of the installation.
    Meta,
    /// The newest state of a definition.
    Resource(ResourceKey),
    /// One revision of a definition; written once.
    Revision(ResourceKey, u32),
    /// A token.
    Token(TokenId),
    /// A user.
    User(Name),
    /// How far a release group has come.
    Group(ResourceKey),
    /// A release, its activities apart.
    Release(ReleaseId),
    /// One activity of a release, by its position.
    Activity(ReleaseId, u32),
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntityKey::Meta => f.write_str("meta"),
            EntityKey::Resource(key) => write!(f, "resource {key}"),
            EntityKey::Revision(key, revision) => write!(f, "revision {key}@{revision}"),
            EntityKey::Token(token) => write!(f, "token {token}"),
            EntityKey::User(user) => write!(f, "user {user}"),
            EntityKey::Group(key) => write!(f, "state of {key}"),
            EntityKey::Release(release) => write!(f, "release {release}"),
            EntityKey::Activity(release, position) => write!(f, "activity {release} {position}"),
        }
    }
}

/// A row with its content, as read.
#[derive(Clone, Debug, PartialEq)]
pub enum Entity {
    /// Counters of the installation.
    Meta(Meta),
    /// The newest state of a definition.
    Resource(Resource),
    /// One revision of a definition.
    Revision(Revision),
    /// A token.
    Token(Holder),
    /// A user.
    User(Box<User>),
    /// How far a release group has come.
    Group(Box<GroupState>),
    /// A release.
    Release(Box<Release>),
    /// One activity of a release.
    Activity {
        /// The release.
        release: ReleaseId,
        /// Its position among the release's activities.
        position: u32,
        /// The activity.
        activity: Box<Activity>,
    },
}

/// A row with its content, as borrowed from the world to be written.
#[derive(Clone, Copy, Debug)]
pub enum EntityRef<'a> {
    /// Counters of the installation.
    Meta(&'a Meta),
    /// The newest state of a definition.
    Resource(&'a Resource),
    /// One revision of a definition.
    Revision(&'a Revision),
    /// A token.
    Token(&'a Holder),
    /// A user.
    User(&'a User),
    /// How far a release group has come.
    Group(&'a GroupState),
    /// A release.
    Release(&'a Release),
    /// One activity of a release, with the release it belongs to.
    Activity(&'a Release, &'a Activity),
}

impl EntityRef<'_> {
    /// The row's body: JSON in canonical order.
    pub fn body(&self) -> String {
        let body = match self {
            EntityRef::Meta(meta) => serde_json::to_string(meta),
            EntityRef::Resource(resource) => serde_json::to_string(resource),
            EntityRef::Revision(revision) => serde_json::to_string(revision),
            EntityRef::Token(holder) => serde_json::to_string(holder),
            EntityRef::User(user) => serde_json::to_string(user),
            EntityRef::Group(state) => serde_json::to_string(state),
            EntityRef::Release(release) => serde_json::to_string(release),
            EntityRef::Activity(_, activity) => serde_json::to_string(activity),
        };
        body.expect("entities have text keys and finite numbers")
    }
}

impl Entity {
    /// Reads a row back.
    pub fn parse(key: &EntityKey, body: &str) -> Result<Entity, serde_json::Error> {
        Ok(match key {
            EntityKey::Meta => Entity::Meta(serde_json::from_str(body)?),
            EntityKey::Resource(_) => Entity::Resource(serde_json::from_str(body)?),
            EntityKey::Revision(..) => Entity::Revision(serde_json::from_str(body)?),
            EntityKey::Token(_) => Entity::Token(serde_json::from_str(body)?),
            EntityKey::User(_) => Entity::User(serde_json::from_str(body)?),
            EntityKey::Group(_) => Entity::Group(serde_json::from_str(body)?),
            EntityKey::Release(_) => Entity::Release(serde_json::from_str(body)?),
            EntityKey::Activity(release, position) => Entity::Activity {
                release: *release,
                position: *position,
                activity: serde_json::from_str(body)?,
            },
        })
    }
}

/// Counters of the installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The newest release's number.
    pub last_release: u64,
    /// The newest token's number.
    pub last_token: u64,
    /// Tells this installation's effects from those of others; set with the first token.
    pub installation: String,
}

/// The newest state of a definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Which.
    pub key: ResourceKey,
    /// Its newest revision, from one; goes on after a deletion.
    pub revision: u32,
    /// Whether it was deleted.
    #[serde(default)]
    pub deleted: bool,
    /// SHA-256 of its canonical spec, in hexadecimal.
    pub digest: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When its first revision came.
    pub created_at: Timestamp,
    /// When its newest revision came.
    pub updated_at: Timestamp,
    /// Through whom.
    pub updated_by: String,
}

/// One revision of a definition: immutable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Which definition.
    pub key: ResourceKey,
    /// Its number, from one.
    pub revision: u32,
    /// SHA-256 of the canonical spec, in hexadecimal.
    pub digest: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its content as applied.
    pub spec: Value,
    /// When it came.
    pub at: Timestamp,
    /// Through whom.
    pub by: String,
}
