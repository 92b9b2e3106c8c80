//! What may be asked for.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::InvalidName;

/// What may be asked for, as `resource:verb`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
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
    /// Approve and reject where named; a token may leave it out.
    ActivityApprove,
    /// Apply and delete freezes.
    FreezeEdit,
    /// Let a release start work although a freeze holds.
    FreezeOverride,
    /// Apply and delete notification rules.
    NotificationEdit,
    /// Write and delete secrets.
    SecretEdit,
    /// Apply and delete organizations, teams, role bindings and the account's settings.
    AccessManage,
    /// Create, change and disable users.
    UserManage,
    /// Issue and revoke tokens.
    TokenManage,
    /// Read the journal.
    AuditRead,
}

impl Permission {
    /// Every permission, in the order of the documentation.
    pub const ALL: [Permission; 19] = [
        Permission::Read,
        Permission::DefinitionEdit,
        Permission::ReleaseEdit,
        Permission::ReleaseStart,
        Permission::ReleaseOperate,
        Permission::ReleaseAbort,
        Permission::ActivityRetry,
        Permission::ActivityIgnore,
        Permission::ActivityOverride,
        Permission::ActivitySubmit,
        Permission::ActivityApprove,
        Permission::FreezeEdit,
        Permission::FreezeOverride,
        Permission::NotificationEdit,
        Permission::SecretEdit,
        Permission::AccessManage,
        Permission::UserManage,
        Permission::TokenManage,
        Permission::AuditRead,
    ];

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
            Permission::ActivityApprove => "activity:approve",
            Permission::FreezeEdit => "freeze:edit",
            Permission::FreezeOverride => "freeze:override",
            Permission::NotificationEdit => "notification:edit",
            Permission::SecretEdit => "secret:edit",
            Permission::AccessManage => "access:manage",
            Permission::UserManage => "user:manage",
            Permission::TokenManage => "token:manage",
            Permission::AuditRead => "audit:read",
        }
    }

    /// Whether somebody of an organization has it at account level too: account-level releases are seen by every
    /// organization, and whoever is named there takes part (1-model.md, Release; checklist ).
    pub fn takes_part(self) -> bool {
        matches!(self, Permission::Read | Permission::ActivityApprove)
    }

    /// Whether who owns a phase or an activity has it there without any role (checklist ).
    pub fn comes_with_ownership(self) -> bool {
        matches!(
            self,
            Permission::ActivityRetry | Permission::ActivityIgnore | Permission::ActivitySubmit
        )
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let found = Permission::ALL
            .into_iter()
            .find(|permission| permission.as_str() == text);
        found.ok_or_else(|| InvalidName {
            value: text.chars().take(80).collect(),
            expected: "a permission such as `release:edit`",
        })
    }
}

impl TryFrom<String> for Permission {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> String {
        permission.as_str().to_owned()
    }
}
