//! What an expression may see: names with their types before anything runs,
//! names with their values when it does, and what evaluation may cost.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

/// What parsing and evaluating may cost; `Default` gives the house limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest source of one expression, in bytes.
    pub source_bytes_max: usize,
    /// Most syntax nodes of one template or condition, all its parts together.
    pub nodes_max: usize,
    /// Deepest nesting of syntax nodes, and of the data an evaluation walks through.
    pub nesting_max: usize,
    /// How deep `map`, `filter`, `all`, `exists` and `exists_one` may stand within one another.
    pub comprehensions_max: usize,
    /// Most steps of one evaluation: about one per syntax node evaluated, per element
    /// made and per 32 bytes of text made.
    pub steps_max: u64,
    /// Largest result, and largest text made on the way to it, in bytes.
    pub result_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            source_bytes_max: 2048,
            nodes_max: 1500,
            nesting_max: 96,
            comprehensions_max: 2,
            steps_max: 100_000,
            result_bytes_max: 256 * 1024,
        }
    }
}

/// What a name stands for, known before anything runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Type {
    /// Not known before the run; fits everywhere.
    #[default]
    Any,
    /// Always null.
    Null,
    /// True or false.
    Boolean,
    /// A whole or a decimal number.
    Number,
    /// Text.
    String,
    /// Elements that share one type.
    List(Box<Type>),
    /// Named fields.
    Object {
        /// The fields known by name.
        fields: BTreeMap<String, Type>,
        /// Whether other keys are allowed; they are of type `Any`.
        open: bool,
    },
}

impl Type {
    /// An object with exactly these fields.
    pub fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Type)>) -> Type {
        Type::Object {
            fields: named(fields),
            open: false,
        }
    }

    /// An object with at least these fields.
    pub fn open_object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Type)>) -> Type {
        Type::Object {
            fields: named(fields),
            open: true,
        }
    }

    /// A list of elements of one type.
    pub fn list(element: Type) -> Type {
        Type::List(Box::new(element))
    }

    /// The type of a value that is already known, such as a literal in a definition.
    pub fn of(value: &Json) -> Type {
        match value {
            Json::Null => Type::Null,
            Json::Bool(_) => Type::Boolean,
            Json::Number(_) => Type::Number,
            Json::String(_) => Type::String,
            Json::Array(elements) => Type::list(
                elements
                    .iter()
                    .map(Type::of)
                    .reduce(Type::join)
                    .unwrap_or_default(),
            ),
            Json::Object(fields) => Type::object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), Type::of(value))),
            ),
        }
    }

    /// The type of something that is either this or the other; `Any` where they differ.
    ///
    /// Two objects keep the fields that both have; what only one of them has may be absent.
    pub fn join(self, other: Type) -> Type {
        match (self, other) {
            (Type::List(one), Type::List(two)) => Type::list(one.join(*two)),
            (
                Type::Object {
                    fields: one,
                    open: one_open,
                },
                Type::Object {
                    fields: two,
                    open: two_open,
                },
            ) => join_objects(one, two, one_open || two_open),
            (one, two) if one == two => one,
            _ => Type::Any,
        }
    }
}

fn join_objects(
    one: BTreeMap<String, Type>,
    mut two: BTreeMap<String, Type>,
    either_is_open: bool,
) -> Type {
    let mut same_names = true;
    let mut fields = BTreeMap::new();
    for (name, kind) in one {
        match two.remove(&name) {
            Some(other) => {
                fields.insert(name, kind.join(other));
            }
            None => same_names = false,
        }
    }
    Type::Object {
        fields,
        open: either_is_open || !same_names || !two.is_empty(),
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Any => "any",
            Type::Null => "null",
            Type::Boolean => "boolean",
            Type::Number => "number",
            Type::String => "string",
            Type::List(_) => "list",
            Type::Object { .. } => "object",
        })
    }
}

fn named<N: Into<String>>(fields: impl IntoIterator<Item = (N, Type)>) -> BTreeMap<String, Type> {
    fields
        .into_iter()
        .map(|(name, kind)| (name.into(), kind))
        .collect()
}

/// The names in scope with their types, for the check before anything runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// The root names.
    pub names: BTreeMap<String, Type>,
    /// Whether `success()`, `failure()` and `always()` may be called.
    pub outcome_functions: bool,
}

/// The names in scope with their values; only the roots that the references
/// ask for need to be present.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// The root names.
    pub names: BTreeMap<String, Json>,
    /// How what came before ended, for `success()` and `failure()`.
    pub outcome: Option<Outcome>,
    /// What this evaluation may cost; steps and sizes only, parsing has its own.
    pub limits: Limits,
}

/// How what came before ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The answer of `success()`.
    pub success: bool,
    /// The answer of `failure()`.
    pub failure: bool,
}

/// A name path that an expression reads, loop variables excluded.
///
/// `phases["sign-off"].outputs.url` is `["phases", "sign-off", "outputs", "url"]`.
/// The path stops before the first index that is not a constant string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The root name and the fields after it.
    pub path: Vec<String>,
    /// Where the root name stands: a byte offset in the whole source text.
    pub offset: usize,
    /// Whether it is reached through `.?`, `[?…]` or `has()`, and so may be absent.
    pub optional: bool,
}

/// A stretch of the source text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    pub(crate) fn length(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}
