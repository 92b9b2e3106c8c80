//! What the edge found out about somebody who signs in.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Identity, TokenKind, TokenScope};
use crate::ids::{Name, TokenId};

/// How somebody proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SignInMethod {
    /// With a password that is stored here.
    Password,
    /// Through an identity provider.
    Oidc,
}

/// Somebody signs in: who it is was proven, and a token was made for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// What was proven.
    pub proof: Proof,
    /// The network address it came from.
    pub source: String,
    /// SHA-256 of the new token, in hexadecimal.
    pub digest: String,
    /// A session, or a personal token for a program.
    pub kind: TokenKind,
    /// What a personal token is limited to.
    pub scope: Option<TokenScope>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// What it is for.
    pub description: String,
    /// The session that the browser had before; it ends.
    pub replaces: Option<TokenId>,
}

/// What was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The password stored under this id is known; whether it still is the user's is judged.
    Password {
        /// Who.
        user: Name,
        /// The random id of the stored password.
        credential: String,
    },
    /// An identity provider vouches.
    Identity {
        /// For whom.
        identity: Identity,
        /// Which provider, by its name in the server's configuration.
        provider: Name,
        /// What it says about the person.
        person: Person,
    },
}

/// What an identity provider says about somebody; none of it says who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name they would have as a user.
    pub name: Name,
    /// The name for people.
    pub display_name: String,
    /// Where mail goes.
    pub email: String,
    /// The teams that their groups stand for.
    pub teams: BTreeSet<Name>,
    /// Whether somebody who was never here becomes a user.
    pub may_be_new: bool,
}

/// Somebody could not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSignIn {
    /// Whose account, if there is one; what was typed is never kept, it may be a password.
    pub user: Option<Name>,
    /// How it was tried.
    pub method: SignInMethod,
    /// Through which provider.
    pub provider: Option<Name>,
    /// The network address it came from.
    pub source: String,
    /// Why, in words of the server.
    pub reason: String,
    /// How many failures in a row that makes.
    pub failures: u32,
    /// Failures that were not told since the last one that was.
    pub left_out: u32,
}
