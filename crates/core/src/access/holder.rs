//! Tokens as they stand.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Permission, Role};
use crate::ids::{Name, TokenId};

/// What sort of token it is, which says where its rights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenKind {
    /// For a machine: holds the roles it was issued with.
    #[default]
    Service,
    /// A person's own: may what the person may at the moment of use.
    Personal,
    /// A sign-in with a browser: as [`TokenKind::Personal`], and ends when the person signs out.
    Session,
    /// For reading the calendar from outside, and for nothing else.
    Feed,
}

impl TokenKind {
    /// Whether it is the kind that was meant before there were others; left out where it is written.
    pub fn is_service(&self) -> bool {
        *self == TokenKind::Service
    }

    /// The kind as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenKind::Service => "service",
            TokenKind::Personal => "personal",
            TokenKind::Session => "session",
            TokenKind::Feed => "feed",
        }
    }
}

/// What a token is limited to; it only ever takes away (reliability.md, S5).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenScope {
    /// Only these permissions; none is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeSet<Permission>>,
    /// Only this organization, with what it shares at account level; none is everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
}

impl TokenScope {
    /// Whether everything that this scope lets through, the other lets through too.
    pub fn lies_within(&self, other: &TokenScope) -> bool {
        let permissions = match (&self.permissions, &other.permissions) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(wider)) => own.is_subset(wider),
        };
        permissions && (other.organization.is_none() || self.organization == other.organization)
    }
}

/// A token as it stands: the token itself is not known, only its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its number.
    pub token: TokenId,
    /// SHA-256 of the token, in hexadecimal.
    pub digest: String,
    /// Who holds it.
    pub user: Name,
    /// Teams that the token brings along, besides those that name its user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<Name>,
    /// Roles of the token itself.
    pub roles: Vec<Role>,
    /// Where the token's own roles hold; none is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// What sort it is.
    #[serde(default, skip_serializing_if = "TokenKind::is_service")]
    pub kind: TokenKind,
    /// What it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<TokenScope>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Through whom.
    pub issued_by: String,
    /// What it is for.
    pub description: String,
    /// Whether it was revoked.
    #[serde(default)]
    pub revoked: bool,
}

impl Holder {
    /// Whether the token itself still holds at `now`; whether its user does, [`super::Policy::lets_in`] says.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether its rights are those that the user's bindings give at the moment of use.
    pub fn follows_its_user(&self) -> bool {
        match self.kind {
            TokenKind::Service => false,
            TokenKind::Personal | TokenKind::Session => true,
            // Made with a machine's token, it holds that token's roles and no others.
            TokenKind::Feed => self.roles.is_empty(),
        }
    }

    /// How the holder is named in events.
    pub fn by(&self) -> String {
        by(&self.user)
    }
}

/// How a user is named in events.
pub(crate) fn by(user: &Name) -> String {
    format!("user:{user}")
}
