//! Definitions: resources written as YAML or JSON, checked, and kept in one canonical form (1-model.md, Resources).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::ids::ResourceKey;
use crate::input_set::InputSetSpec;
use crate::plan::Plan;

mod schema;

/// The one version of the written form.
pub const API_VERSION: &str = "trainmaster.dev/v1";

/// A resource that holds together.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its kind, organization and name.
    pub key: ResourceKey,
    /// What it is for.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its content as applied: keys sorted, no default filled in.
    pub spec: Value,
    /// SHA-256 of the canonical text of the spec, in hexadecimal.
    pub digest: String,
    /// Its content as understood.
    pub body: Body,
}

/// What a definition means.
#[derive(Clone, Debug)]
pub enum Body {
    /// A process, ready to run.
    Process(Arc<Plan>),
    /// An input set.
    InputSet(InputSetSpec),
}

/// One thing wrong with a definition: where, what, and what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The field, for example `spec.phases[2].activities[0].dependsOn[0]`; empty for the document as a whole.
    pub path: String,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What was probably meant, ready to be written instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Where it stands in the text, if there is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A position in a text; lines and columns count from one, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The name of the file, if it came from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}:{}", self.line, self.column),
            None => write!(f, "{}:{}", self.line, self.column),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.path.is_empty() {
            write!(f, " in `{}`", self.path)?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}
