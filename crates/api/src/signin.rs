//! Signing in: sessions, personal tokens, users, identity providers.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A password on its way; it never shows in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Password, max_length = 512)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Who wants in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSession {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Password,
    /// Present: answer a personal token in place of a browser's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<CreatePersonalToken>,
}

/// A personal token to be made: it may what its user may at the moment of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreatePersonalToken {
    /// When it ends.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Only these permissions, as `resource:verb`; absent is all of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Only this organization; absent is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// A sign-in: a browser's session or a personal token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// `session` or `personal`.
    pub kind: String,
    /// What it is for, or which browser it is in.
    pub description: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When it began.
    #[schema(format = DateTime)]
    pub issued_at: String,
    /// When it ends at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was last used, exact to a minute; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// From which network address that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_from: Option<String>,
    /// Only these permissions; absent is all of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Only this organization; absent is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// Somebody is signed in; the personal token, if one was asked for, is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    /// The new sign-in.
    #[serde(flatten)]
    pub view: SessionView,
    /// The personal token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// A list that is never long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionList {
    /// The sign-ins, newest first.
    pub items: Vec<SessionView>,
}

/// An identity provider through which people sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderView {
    /// Its name in addresses.
    pub id: String,
    /// Its name for people.
    pub title: String,
}

/// The identity providers of this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderList {
    /// The providers, by name.
    pub items: Vec<ProviderView>,
}

/// Who somebody is for an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityView {
    /// The provider's address, exactly as in its tokens.
    pub issuer: String,
    /// The person's unchangeable identifier there.
    pub subject: String,
}

/// A user to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateUser {
    /// The name, as in `user:NAME`.
    pub name: String,
    /// The name for people.
    #[serde(default)]
    pub display_name: String,
    /// Where mail goes.
    #[serde(default)]
    pub email: String,
    /// A first password; absent if the user signs in through an identity provider, or gets one later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Who the user is for an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityView>,
}

/// Changes to a user; absent fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditUser {
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Where mail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A new password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPassword {
    /// The new one.
    pub password: Password,
    /// The one before; needed for one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Password>,
}

/// What became of a new password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSet {
    /// What would make it better; absent if nothing would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    /// The name, as in `user:NAME`.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// Where mail goes.
    pub email: String,
    /// Whether the user is shut out.
    pub disabled: bool,
    /// Whether the user can sign in with a password.
    pub has_password: bool,
    /// Who the user is for identity providers.
    pub identities: Vec<IdentityView>,
    /// Teams that an identity provider named at the newest sign-in.
    pub claimed_teams: Vec<String>,
    /// When the user was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Through whom.
    pub created_by: String,
    /// When the user last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}
