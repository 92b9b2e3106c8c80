//! Who may do what: roles, permissions, and one pure answer (2-execution.md, Lifecycle; 4-interfaces.md, tokens).
//!
//! Teams, role bindings and sign-in by other means come on top of this; the question stays [`Holder::may`].

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Name, Owner, TokenId};

/// A named bundle of permissions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything, tokens included.
    Administrator,
    /// Definitions and releases, with activate, abort and override.
    ReleaseManager,
    /// Runs releases: retries, ignores, submits; no definitions, no override.
    Operator,
    /// Reads, and decides where named as approver or owner.
    Viewer,
}

impl Role {
    /// Every role, strongest first.
    pub const ALL: [Role; 4] = [
        Role::Administrator,
        Role::ReleaseManager,
        Role::Operator,
        Role::Viewer,
    ];

    /// The role as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::ReleaseManager => "release-manager",
            Role::Operator => "operator",
            Role::Viewer => "viewer",
        }
    }

    /// What the role may do.
    fn grants(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Role::Administrator => true,
            Role::ReleaseManager => {
                !matches!(permission, P::TokenManage | P::UserManage | P::AccessManage)
            }
            Role::Operator => matches!(
                permission,
                P::Read
                    | P::ReleaseOperate
                    | P::ActivityRetry
                    | P::ActivityIgnore
                    | P::ActivitySubmit
                    | P::ActivityApprove
            ),
            Role::Viewer => matches!(permission, P::Read | P::ActivityApprove),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may be asked for, as `resource:verb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// See things.
    Read,
    /// Apply and delete definitions.
    DefinitionEdit,
    /// Create, edit, finalize, cancel, archive and delete releases.
    ReleaseEdit,
    /// Activate, pre-execute and restart.
    ReleaseStart,
    /// Pause, resume, notes.
    ReleaseOperate,
    /// Abort.
    ReleaseAbort,
    /// Retry, fix and continue, fail.
    ActivityRetry,
    /// Ignore a failure that is not critical.
    ActivityIgnore,
    /// Ignore a critical failure.
    ActivityOverride,
    /// Answer inputs and tasks of others.
    ActivitySubmit,
    /// Apply and delete freezes.
    FreezeEdit,
    /// Let a release start work although a freeze holds.
    FreezeOverride,
    /// Apply and delete notification rules.
    NotificationEdit,
    /// Approve and reject where named; a token may leave it out.
    ActivityApprove,
    /// Apply and delete organizations, teams, role bindings and the account's settings.
    AccessManage,
    /// Create, change and disable users.
    UserManage,
    /// Write and delete secrets.
    SecretEdit,
    /// Issue and revoke tokens.
    TokenManage,
    /// Read the journal.
    AuditRead,
}

impl Permission {
    /// The permission as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Permission::Read => "release:read",
            Permission::DefinitionEdit => "definition:edit",
            Permission::ReleaseEdit => "release:edit",
            Permission::ReleaseStart => "release:start",
            Permission::ReleaseOperate => "release:operate",
            Permission::ReleaseAbort => "release:abort",
            Permission::ActivityRetry => "activity:retry",
            Permission::ActivityIgnore => "activity:ignore",
            Permission::ActivityOverride => "activity:override",
            Permission::ActivitySubmit => "activity:submit",
            Permission::FreezeEdit => "freeze:edit",
            Permission::FreezeOverride => "freeze:override",
            Permission::NotificationEdit => "notification:edit",
            Permission::ActivityApprove => "activity:approve",
            Permission::AccessManage => "access:manage",
            Permission::UserManage => "user:manage",
            Permission::SecretEdit => "secret:edit",
            Permission::TokenManage => "token:manage",
            Permission::AuditRead => "audit:read",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    /// The holder's teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<Name>,
    /// The holder's roles.
    pub roles: Vec<Role>,
    /// Where the roles hold; none is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
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
    /// Whether the token lets anybody in at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether the holder may do this to something of that organization (none is the account level).
    ///
    /// A holder bound to one organization reads account-level releases as well, and changes nothing there.
    pub fn may(&self, permission: Permission, organization: Option<&Name>) -> bool {
        let granted = self.roles.iter().any(|role| role.grants(permission));
        granted
            && (self.covers(organization)
                || (permission == Permission::Read && organization.is_none()))
    }

    /// Whether the holder's roles hold there.
    pub fn covers(&self, organization: Option<&Name>) -> bool {
        self.organization.is_none() || self.organization.as_ref() == organization
    }

    /// Whether an owner means this holder.
    pub fn is(&self, owner: &Owner) -> bool {
        match owner {
            Owner::User(user) => *user == self.user,
            Owner::Team(team) => self.teams.contains(team),
            Owner::Role(role) => self.roles.iter().any(|held| held.as_str() == role.as_str()),
        }
    }

    /// Whether any of the owners means this holder.
    pub fn is_one_of<'a>(&self, owners: impl IntoIterator<Item = &'a Owner>) -> bool {
        owners.into_iter().any(|owner| self.is(owner))
    }

    /// How the holder is named in events.
    pub fn by(&self) -> String {
        format!("user:{}", self.user)
    }
}
