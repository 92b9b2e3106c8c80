//! The built-in roles.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Permission;

/// A named bundle of permissions.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything: tokens, users, teams and role bindings included.
    Administrator,
    /// Definitions, releases, freezes and secrets, with activate, abort and override.
    ReleaseManager,
    /// Writes definitions; runs nothing.
    Author,
    /// Runs releases: retries, ignores, submits; no definitions, no override.
    Operator,
    /// Reads, and decides where named as approver or owner.
    Viewer,
}

impl Role {
    /// Every role, strongest first.
    pub const ALL: [Role; 5] = [
        Role::Administrator,
        Role::ReleaseManager,
        Role::Author,
        Role::Operator,
        Role::Viewer,
    ];

    /// The role as written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::ReleaseManager => "release-manager",
            Role::Author => "author",
            Role::Operator => "operator",
            Role::Viewer => "viewer",
        }
    }

    /// What the role is for, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Role::Administrator => "everything: tokens, users, teams and role bindings included",
            Role::ReleaseManager => {
                "definitions, releases, freezes and secrets, with abort and override"
            }
            Role::Author => "writes definitions; runs nothing",
            Role::Operator => "runs releases; no definitions, no override",
            Role::Viewer => "reads, and decides where named",
        }
    }

    /// What the role may do.
    pub fn grants(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Role::Administrator => true,
            Role::ReleaseManager => {
                !matches!(permission, P::TokenManage | P::UserManage | P::AccessManage)
            }
            Role::Author => matches!(permission, P::Read | P::ActivityApprove | P::DefinitionEdit),
            Role::Operator => matches!(
                permission,
                P::Read
                    | P::ActivityApprove
                    | P::ReleaseOperate
                    | P::ActivityRetry
                    | P::ActivityIgnore
                    | P::ActivitySubmit
            ),
            Role::Viewer => matches!(permission, P::Read | P::ActivityApprove),
        }
    }

    /// The permissions of the role, in the order of the documentation.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |permission| self.grants(*permission))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
