//! Freezes: what holds, what is held back, and what people let through.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Letting a release start work although a freeze holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverrideFreeze {
    /// Which freeze: `christmas`, or `payments/christmas` for one of an organization.
    pub freeze: String,
    /// Why; must not be empty.
    pub reason: String,
    /// When the freeze holds the release back again; at most 30 days ahead.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Taking an override back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeOverride {
    /// Which freeze: `christmas`, or `payments/christmas` for one of an organization.
    pub freeze: String,
    /// Why; must not be empty.
    pub reason: String,
}

/// That somebody let a release start work although a freeze holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezeOverrideView {
    /// Which freeze.
    pub freeze: String,
    /// Who.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Why.
    pub reason: String,
    /// When the freeze holds the release back again.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Whether it counts now.
    pub in_force: bool,
    /// Who took it back, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<crate::NoteView>,
}

/// That a freeze holds an activity back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeferralView {
    /// Which freeze; of several the one that ends last.
    pub freeze: String,
    /// Why it holds.
    pub reason: String,
    /// When its window ends.
    #[schema(format = DateTime)]
    pub ends_at: String,
    /// The next instant at which no freeze holds the activity back.
    #[schema(format = DateTime)]
    pub until: String,
}

/// A freeze that holds at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveFreezeView {
    /// Which freeze: `christmas`, or `payments/christmas` for one of an organization.
    pub freeze: String,
    /// Its name.
    pub name: String,
    /// Where it lives; absent at the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Why it holds.
    pub reason: String,
    /// What it does.
    pub effect: FreezeEffect,
    /// What it holds for; what is left out means all.
    pub scope: FreezeScopeView,
    /// When its window began.
    #[schema(format = DateTime)]
    pub from: String,
    /// When its window ends.
    #[schema(format = DateTime)]
    pub to: String,
}

/// What a freeze does to an activity that would start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FreezeEffect {
    /// It starts at the next opening.
    Defer,
    /// It starts, and the freeze is shown.
    Warn,
}

/// What a freeze holds for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FreezeScopeView {
    /// Organizations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// Services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Environments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Labels of the release, all of which must fit.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
}

/// A stretch of time in which a freeze holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezeWindowView {
    /// Its first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The first instant after it.
    #[schema(format = DateTime)]
    pub to: String,
}
