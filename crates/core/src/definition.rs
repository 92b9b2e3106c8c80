//! Definitions: resources written as YAML or JSON, checked, and kept in one canonical form (1-model.md, Resources).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::account::{ACCOUNT, AccountSpec};
use crate::freeze::FreezeSpec;
use crate::group::Group;
use crate::ids::{Name, ResourceKey, ResourceKind};
use crate::input_set::InputSetSpec;
use crate::notification_rule::NotificationRuleSpec;
use crate::people::{OrganizationSpec, RoleBindingSpec, TeamSpec};
use crate::plan::{self, Plan};
use crate::process::ProcessSpec;

mod diff;
mod export;
pub(crate) mod fault;
mod locate;
pub(crate) mod read;
mod schema;
pub(crate) mod shape;

pub use diff::{Change, diff};
pub use schema::schema;

use fault::{At, Fault, Faults, Part, closest, one_of, shortened};
use locate::Positions;
use read::Notation;
use shape::Expressions;

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
    /// A release group.
    ReleaseGroup(Arc<Group>),
    /// A freeze.
    Freeze(FreezeSpec),
    /// A notification rule.
    NotificationRule(NotificationRuleSpec),
    /// An organization.
    Organization(OrganizationSpec),
    /// A team.
    Team(TeamSpec),
    /// A role binding.
    RoleBinding(RoleBindingSpec),
    /// The account's settings.
    Account(AccountSpec),
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

/// A definition with where it was found.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The definition.
    pub definition: Definition,
    /// Where it starts.
    pub place: Option<Place>,
}

/// What stands beside `spec` in every document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    /// Its name, unique per kind and organization.
    name: Name,
    /// The organization it belongs to; without one, the account level.
    #[serde(default)]
    organization: Option<Name>,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    description: String,
    /// Labels to find it by: at most 64.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads every definition of a YAML or JSON text; all problems of all documents are reported at once.
///
/// The file name only appears in places.
pub fn parse(text: &str, file: Option<&str>) -> Result<Vec<Parsed>, Vec<Problem>> {
    let placed = |place: Option<(u32, u32)>| {
        place.map(|(line, column)| Place {
            file: file.map(str::to_owned),
            line,
            column,
        })
    };
    let (notation, documents) = read::documents(text).map_err(|unreadable| {
        vec![Problem {
            path: String::new(),
            message: unreadable.message,
            suggestion: None,
            place: placed(unreadable.place),
        }]
    })?;
    let mut definitions = Vec::new();
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        match check(document) {
            Ok(definition) => definitions.push((index, definition)),
            Err(found) => faults.extend(found.into_iter().map(|fault| (index, fault))),
        }
    }
    faults.extend(repeated(&definitions));
    if definitions.is_empty() && faults.is_empty() {
        let message = "there is no definition in the text".to_owned();
        return Err(vec![Problem {
            path: String::new(),
            message,
            suggestion: None,
            place: None,
        }]);
    }
    if faults.is_empty() {
        return Ok(with_places(definitions, text, notation, placed));
    }
    let positions = Positions::of(text, notation);
    let mut problems: Vec<Problem> = faults
        .into_iter()
        .map(|(index, fault)| {
            let place = placed(positions.find(index, &fault.path, &fault.part));
            Problem {
                place,
                ..fault.into()
            }
        })
        .collect();
    problems.sort_by(|one, two| one.place.cmp(&two.place));
    Err(problems)
}

/// Definitions with where they start; a single one is not worth looking for.
fn with_places(
    definitions: Vec<(usize, Definition)>,
    text: &str,
    notation: Notation,
    placed: impl Fn(Option<(u32, u32)>) -> Option<Place>,
) -> Vec<Parsed> {
    let positions = (definitions.len() > 1).then(|| Positions::of(text, notation));
    let start = |index| match &positions {
        Some(positions) => positions.document(index),
        None => Some((1, 1)),
    };
    let parsed = definitions.into_iter().map(|(index, definition)| Parsed {
        definition,
        place: placed(start(index)),
    });
    parsed.collect()
}

/// Definitions that come twice in one text.
fn repeated(definitions: &[(usize, Definition)]) -> Vec<(usize, Fault)> {
    let mut seen = BTreeSet::new();
    let again = definitions
        .iter()
        .filter(|(_, definition)| !seen.insert(&definition.key));
    again
        .map(|(index, definition)| {
            let metadata = At::ROOT.key("metadata");
            let path = metadata.key("name").path();
            let message = format!("`{}` is there twice", definition.key);
            (
                *index,
                Fault {
                    path,
                    part: Part::Whole,
                    message,
                    suggestion: None,
                },
            )
        })
        .collect()
}

/// Checks one document in full.
fn check(document: Value) -> Result<Definition, Vec<Fault>> {
    let mut faults = Faults::default();
    let kind = check_head(&document, &mut faults);
    check_characters(&document, &At::ROOT, &mut faults);
    let Some(kind) = kind else {
        return Err(faults.into_vec());
    };
    shape::check(
        schema::shape(kind),
        &document,
        &At::ROOT,
        &Expressions::None,
        &mut faults,
    );
    check_labels(&document, &mut faults);
    if faults.count() > 0 {
        return Err(faults.into_vec());
    }
    let Value::Object(mut fields) = document else {
        unreachable!("the shape of every kind is an object");
    };
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    let (metadata, spec) = (take("metadata"), take("spec"));
    let metadata: Metadata =
        serde_json::from_value(metadata).map_err(|error| vec![misfit("metadata", &error)])?;
    let key = ResourceKey {
        kind,
        organization: metadata.organization,
        name: metadata.name,
    };
    build(key, metadata.description, metadata.labels, spec)
}

/// What is left over when the shape fits but the type does not.
fn misfit(field: &str, error: &serde_json::Error) -> Fault {
    let path = At::ROOT.key(field).path();
    Fault {
        path,
        part: Part::Whole,
        message: error.to_string(),
        suggestion: None,
    }
}

fn build(
    key: ResourceKey,
    description: String,
    labels: BTreeMap<String, String>,
    mut spec: Value,
) -> Result<Definition, Vec<Fault>> {
    check_home(&key)?;
    spec.sort_all_objects();
    let digest = digest(&spec);
    let body = match key.kind {
        ResourceKind::Process => {
            let process: ProcessSpec = written(&spec)?;
            Body::Process(Arc::new(plan::compile_faults(&process, digest.clone())?))
        }
        ResourceKind::InputSet => Body::InputSet(written(&spec)?),
        ResourceKind::ReleaseGroup => {
            Body::ReleaseGroup(Arc::new(Group::compile(written(&spec)?)?))
        }
        ResourceKind::Freeze => Body::Freeze(freeze(&key, &spec)?),
        ResourceKind::NotificationRule => {
            Body::NotificationRule(notification_rule(&key, written(&spec)?)?)
        }
        ResourceKind::Organization => Body::Organization(written(&spec)?),
        ResourceKind::Team => Body::Team(written(&spec)?),
        ResourceKind::RoleBinding => Body::RoleBinding(written(&spec)?),
        ResourceKind::Account => Body::Account(account(written(&spec)?)?),
    };
    Ok(Definition {
        key,
        description,
        labels,
        spec,
        digest,
        body,
    })
}

fn written<T: serde::de::DeserializeOwned>(spec: &Value) -> Result<T, Vec<Fault>> {
    T::deserialize(spec).map_err(|error| vec![misfit("spec", &error)])
}

/// The account's settings, if they hold together.
fn account(spec: AccountSpec) -> Result<AccountSpec, Vec<Fault>> {
    let mut faults = Faults::default();
    spec.check(&At::ROOT.key("spec"), &mut faults);
    faults.finish(|| spec)
}

/// A notification rule, if it holds together.
fn notification_rule(
    key: &ResourceKey,
    spec: NotificationRuleSpec,
) -> Result<NotificationRuleSpec, Vec<Fault>> {
    let mut faults = Faults::default();
    spec.check(
        key.organization.as_ref(),
        &At::ROOT.key("spec"),
        &mut faults,
    );
    faults.finish(|| spec)
}

/// A freeze, if it holds together.
fn freeze(key: &ResourceKey, spec: &Value) -> Result<FreezeSpec, Vec<Fault>> {
    let spec: FreezeSpec = written(spec)?;
    let mut faults = Faults::default();
    spec.check(key, &mut faults);
    faults.finish(|| spec)
}

/// Where a definition may live and what it may be called, by its kind.
fn check_home(key: &ResourceKey) -> Result<(), Vec<Fault>> {
    let metadata = At::ROOT.key("metadata");
    let fault = |field: &str, message: String, suggestion: Option<String>| {
        Err(vec![Fault {
            path: metadata.key(field).path(),
            part: Part::Whole,
            message,
            suggestion,
        }])
    };
    if key.kind.is_account_level() && key.organization.is_some() {
        let message = format!(
            "{} belongs to the account level; leave `organization` out",
            key.kind
        );
        return fault("organization", message, None);
    }
    if key.kind == ResourceKind::Account && key.name.as_str() != ACCOUNT {
        let message = format!("there is one Account, and its name is `{ACCOUNT}`");
        return fault("name", message, Some(ACCOUNT.to_owned()));
    }
    Ok(())
}

/// SHA-256 of the canonical text, in hexadecimal.
fn digest(spec: &Value) -> String {
    let digest = Sha256::digest(spec.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The kind of a document, if it says one that is known.
fn check_head(document: &Value, faults: &mut Faults) -> Option<ResourceKind> {
    let root = At::ROOT;
    if !document.is_object() {
        faults.add(
            &root,
            "a definition is an object with `apiVersion`, `kind`, `metadata` and `spec`",
        );
        return None;
    }
    match document.get("apiVersion").and_then(Value::as_str) {
        Some(API_VERSION) => (),
        Some(other) => {
            let message = format!(
                "`{}` is not an `apiVersion` that is known here",
                shortened(other)
            );
            faults.suggest(
                &root.key("apiVersion"),
                message,
                Some(API_VERSION.to_owned()),
            );
        }
        None if document.get("apiVersion").is_none() => {
            faults.add(
                &root,
                format!("missing field `apiVersion`; write `apiVersion: {API_VERSION}`"),
            );
        }
        None => faults.add(
            &root.key("apiVersion"),
            format!("expected the text `{API_VERSION}`"),
        ),
    }
    let kinds = || ResourceKind::ALL.iter().map(|kind| kind.as_str());
    match document.get("kind").and_then(Value::as_str) {
        Some(written) => {
            let kind = ResourceKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == written);
            if kind.is_none() {
                let message = format!(
                    "`{}` is not a kind that is known here, expected {}",
                    shortened(written),
                    one_of(kinds())
                );
                faults.suggest(&root.key("kind"), message, closest(written, kinds()));
            }
            kind
        }
        None if document.get("kind").is_none() => {
            faults.add(&root, format!("missing field `kind`: {}", one_of(kinds())));
            None
        }
        None => {
            faults.add(&root.key("kind"), format!("expected {}", one_of(kinds())));
            None
        }
    }
}

/// Refuses characters that cannot be seen or that reorder what is seen.
fn check_characters(value: &Value, at: &At<'_>, faults: &mut Faults) {
    match value {
        Value::String(text) => {
            if let Some((offset, letter)) =
                text.char_indices().find(|(_, letter)| is_hidden(*letter))
            {
                faults.within(at, offset, hidden(letter), None);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                check_characters(element, &at.index(index), faults);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.chars().find(|letter| is_hidden(*letter)) {
                    Some(letter) => faults.field(at, name, hidden(letter), None),
                    None => check_characters(field, &at.key(name), faults),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

fn hidden(letter: char) -> String {
    format!(
        "the text holds the control character U+{:04X}",
        u32::from(letter)
    )
}

/// Control characters but for tab and line breaks, and the marks that turn the direction of writing.
pub(crate) fn is_hidden(letter: char) -> bool {
    match letter {
        '\t' | '\n' | '\r' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => letter.is_control(),
    }
}

/// The most labels of a resource.
const LABELS_MAX: usize = 64;

fn check_labels(document: &Value, faults: &mut Faults) {
    let metadata = At::ROOT.key("metadata");
    let at = metadata.key("labels");
    let labels = document
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    let Some(labels) = labels else { return };
    if labels.len() > LABELS_MAX {
        faults.add(
            &at,
            format!(
                "there are {} labels; at most {LABELS_MAX} are possible",
                labels.len()
            ),
        );
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    for (name, value) in labels {
        if name.is_empty() || name.len() > 63 || !name.bytes().all(letter) {
            let message = format!(
                "the label `{}` is not 1 to 63 letters, digits, `.`, `_`, `-` and `/`",
                shortened(name)
            );
            faults.field(&at, name, message, None);
        }
        if value
            .as_str()
            .is_some_and(|text| text.chars().count() > 255)
        {
            faults.add(
                &at.key(name),
                "the value of a label is limited to 255 characters",
            );
        }
    }
}

impl Definition {
    /// A definition from a stored revision, compiled anew; what was accepted once is accepted again.
    pub fn from_stored(
        key: ResourceKey,
        description: String,
        labels: BTreeMap<String, String>,
        spec: &Value,
    ) -> Result<Definition, Vec<Problem>> {
        let faults = |faults: Vec<Fault>| faults.into_iter().map(Problem::from).collect::<Vec<_>>();
        build(key, description, labels, spec.clone()).map_err(faults)
    }

    /// The document as YAML, in the order people write it; applied again it makes the same definition.
    pub fn to_yaml(&self) -> String {
        export::yaml(&self.to_document())
    }

    /// The document as one JSON value.
    pub fn to_document(&self) -> Value {
        let mut metadata = serde_json::json!({"name": self.key.name});
        if let Some(organization) = &self.key.organization {
            metadata["organization"] = organization.as_str().into();
        }
        if !self.description.is_empty() {
            metadata["description"] = self.description.as_str().into();
        }
        if !self.labels.is_empty() {
            metadata["labels"] = serde_json::json!(self.labels);
        }
        serde_json::json!({
            "apiVersion": API_VERSION,
            "kind": self.key.kind.as_str(),
            "metadata": metadata,
            "spec": self.spec,
        })
    }
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
            write!(f, " in {}", self.path)?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}
