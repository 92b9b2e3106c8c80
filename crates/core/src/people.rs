//! Organizations, teams and role bindings as they are written (1-model.md, Resources).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::ids::{Name, Owner};

/// The written form of an organization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OrganizationSpec {
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub title: String,
}

/// The written form of a team.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TeamSpec {
    /// Its name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub title: String,
    /// The users that belong to it.
    pub members: Vec<Name>,
}

/// The written form of a role binding: it holds where the definition lives, at account level everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleBindingSpec {
    /// The role that is held.
    pub role: Role,
    /// Who holds it: users and teams.
    #[schemars(length(min = 1))]
    pub subjects: Vec<Owner>,
    /// Whether it holds only for releases that the subject owns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}
