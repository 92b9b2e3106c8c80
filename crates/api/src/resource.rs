//! Definitions: applying, checking, comparing and reading them back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What became of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApplyResult {
    /// It did not exist before.
    Created,
    /// It has a new revision.
    Configured,
    /// It was so already.
    Unchanged,
    /// It cannot be applied; `problems` says why.
    Invalid,
    /// It is in order but was not applied, because another document of the request is invalid.
    Skipped,
}

/// One document of an apply or validate request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyItem {
    /// Which document of the request, from zero.
    pub index: u32,
    /// Its kind, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its organization; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its name, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What became of it.
    pub result: ApplyResult,
    /// Its revision now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// SHA-256 of its canonical spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<SpecProblem>,
}

/// The answer to an apply or validate request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyAnswer {
    /// One result per document, in the order of the request.
    pub items: Vec<ApplyItem>,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// Position of the journal after the last change.
    pub as_of: u64,
}

/// Something wrong in a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecProblem {
    /// For example `spec.phases[2].activities[0].dependsOn[0]`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// What was probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Where in the text, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ProblemPlace>,
}

/// A place in the text of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemPlace {
    /// Line, from one, counted over the whole request.
    pub line: u64,
    /// Column, from one.
    pub column: u64,
}

/// How documents differ from what is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffAnswer {
    /// One comparison per document, in the order of the request.
    pub items: Vec<DiffItem>,
    /// Position of the journal that the answer shows at least.
    pub as_of: u64,
}

/// How one document differs from what is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffItem {
    /// Which document, and what applying it would do.
    #[serde(flatten)]
    pub item: ApplyItem,
    /// The definition as text, line by line; only changed lines and three lines round them.
    pub lines: Vec<DiffLine>,
}

/// One line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffLine {
    /// Added, removed or kept.
    pub sign: DiffSign,
    /// The line.
    pub text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DiffSign {
    /// Only in the request.
    Added,
    /// Only in the store.
    Removed,
    /// In both.
    Kept,
    /// Kept lines were left out here.
    Gap,
}

/// A definition in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSummary {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where it lives; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its newest revision.
    pub revision: u32,
    /// SHA-256 of its canonical spec.
    pub digest: String,
    /// What it is for.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When its first revision came.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its newest revision came.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// Through whom.
    pub updated_by: String,
}

/// A definition with its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceView {
    /// What lists show as well.
    #[serde(flatten)]
    pub summary: ResourceSummary,
    /// Its content as applied.
    pub spec: Value,
    /// Position of the journal that the view shows at least.
    pub as_of: u64,
}

/// One immutable revision of a definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where it lives; absent is the account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Its number, from one.
    pub revision: u32,
    /// SHA-256 of its canonical spec.
    pub digest: String,
    /// What it is for.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it came.
    #[schema(format = DateTime)]
    pub at: String,
    /// Through whom.
    pub by: String,
    /// Its content; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
}
