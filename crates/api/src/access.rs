//! Questions about rights: who may do what, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::status::Role;

/// Whether somebody may do something, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanI {
    /// Who was asked about.
    pub user: String,
    /// The permission.
    pub permission: String,
    /// Where; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The release that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Whether it may be done.
    pub allowed: bool,
    /// What grants it, or what is missing.
    pub reason: String,
    /// The role that grants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The role binding that grants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingName>,
}

/// Which role binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingName {
    /// Where it holds; absent is everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its name.
    pub name: String,
    /// The user or team by which it names who was asked about.
    pub subject: String,
    /// Whether it holds only for releases that the subject owns.
    #[serde(default)]
    pub own: bool,
}

/// A role with what it grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleView {
    /// The role.
    pub role: Role,
    /// What it is for.
    pub meaning: String,
    /// What it grants.
    pub permissions: Vec<String>,
}

/// The built-in roles, strongest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleList {
    /// The roles.
    pub items: Vec<RoleView>,
}
