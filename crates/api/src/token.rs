//! Tokens: who gets in, with which roles, until when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::status::Role;

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateToken {
    /// Who will hold it.
    pub user: String,
    /// The teams the holder belongs to.
    #[serde(default)]
    pub teams: Vec<String>,
    /// The roles that it carries.
    pub roles: Vec<Role>,
    /// Where the roles hold; absent is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// When it ends.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// A token as it stands; the token itself is not known to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// Who holds it.
    pub user: String,
    /// The holder's teams.
    pub teams: Vec<String>,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Where the roles hold; absent is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was issued.
    #[schema(format = DateTime)]
    pub issued_at: String,
    /// Through whom.
    pub issued_by: String,
    /// What it is for.
    pub description: String,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether it lets anybody in now.
    pub valid: bool,
}

/// A new token, with the token itself: shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedToken {
    /// What is known of it from now on.
    #[serde(flatten)]
    pub view: TokenView,
    /// The token; absent when the request is repeated with its idempotency key, because it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// Who the caller is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// The token used.
    pub token: TokenView,
    /// What it grants, as `resource:verb`.
    pub permissions: Vec<String>,
}
