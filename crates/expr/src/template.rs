//! Templates and conditions: parsed once, checked once, evaluated often.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value as Json;

use crate::check;
use crate::error::{Error, ErrorKind};
use crate::evaluate::Evaluation;
use crate::parse;
use crate::scan::{self, Piece};
use crate::scope::{Limits, Reference, Scope, Span, Type, Values};
use crate::syntax::Node;

/// Text that may hold `${…}` parts (spec, "Expressions").
///
/// A text that is exactly one `${…}` keeps the value's type; otherwise the parts are joined
/// as text, which takes scalars only. `$${` is a plain `${`. Equal when the source is equal.
#[derive(Clone)]
pub struct Template(Arc<Parsed<Vec<Part>>>);

/// A condition (`when`, a rule): bare CEL, or the same inside one `${…}`.
///
/// May call `success()`, `failure()` and `always()` where the scope allows it.
/// Equal when the source is equal.
#[derive(Clone)]
pub struct Condition(Arc<Parsed<Node>>);

struct Parsed<T> {
    source: String,
    references: Vec<Reference>,
    body: T,
}

enum Part {
    Text(String),
    Hole(Node),
}

/// All holes of a template together may be this many times as long as one expression.
const HOLES_SOURCE_FACTOR: usize = 8;

impl Template {
    /// Reads a text within the house limits.
    pub fn parse(source: &str) -> Result<Template, Error> {
        Template::parse_within(source, &Limits::default())
    }

    /// Reads a text within the given limits.
    pub fn parse_within(source: &str, limits: &Limits) -> Result<Template, Error> {
        let mut parser = parse::Parser::new(source, limits);
        let mut parts = Vec::new();
        let mut holes_length = 0;
        for piece in scan::pieces(source)? {
            parts.push(match piece {
                Piece::Text(text) => Part::Text(text),
                Piece::Hole(span) => {
                    holes_length += span.length();
                    if holes_length > limits.source_bytes_max.saturating_mul(HOLES_SOURCE_FACTOR) {
                        return Err(too_many_holes(span));
                    }
                    Part::Hole(parser.expression(span)?)
                }
            });
        }
        Ok(Template(Arc::new(Parsed {
            source: source.to_owned(),
            references: parser.references(),
            body: parts,
        })))
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it holds no `${…}` at all.
    pub fn is_literal(&self) -> bool {
        !self.0.body.iter().any(|part| matches!(part, Part::Hole(_)))
    }

    /// The name paths it reads, in the order written.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.references.iter()
    }

    /// Checks names, functions and types before anything runs, and says what it will give.
    pub fn check(&self, scope: &Scope) -> Result<Type, Vec<Error>> {
        let mut check = check::Check::new(&self.0.source, scope);
        let whole = match self.0.body.as_slice() {
            [Part::Hole(node)] => check.expression(node),
            parts => {
                for part in parts {
                    if let Part::Hole(node) = part {
                        check.joined(node);
                    }
                }
                Type::String
            }
        };
        check.finish().map(|()| whole)
    }

    /// Computes its value; the same values always give the same result.
    pub fn evaluate(&self, values: &Values) -> Result<Json, Error> {
        let mut evaluation = Evaluation::new(&self.0.source, values);
        if let [Part::Hole(node)] = self.0.body.as_slice() {
            return evaluation.json(node);
        }
        let mut text = String::new();
        for part in &self.0.body {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Hole(node) => evaluation.join(node, &mut text)?,
            }
        }
        Ok(Json::String(text))
    }
}

impl Condition {
    /// Reads a condition within the house limits.
    pub fn parse(source: &str) -> Result<Condition, Error> {
        Condition::parse_within(source, &Limits::default())
    }

    /// Reads a condition within the given limits.
    pub fn parse_within(source: &str, limits: &Limits) -> Result<Condition, Error> {
        let mut parser = parse::Parser::new(source, limits);
        let node = parser.expression(condition_span(source)?)?;
        Ok(Condition(Arc::new(Parsed {
            source: source.to_owned(),
            references: parser.references(),
            body: node,
        })))
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The name paths it reads, in the order written.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.references.iter()
    }

    /// Whether it calls `success()`, `failure()` or `always()`, and so speaks about how
    /// what came before ended.
    pub fn uses_outcome(&self) -> bool {
        self.0.body.uses_outcome()
    }

    /// Checks names, functions and types before anything runs; the whole must be boolean.
    pub fn check(&self, scope: &Scope) -> Result<(), Vec<Error>> {
        let mut check = check::Check::new(&self.0.source, scope);
        check.condition(&self.0.body);
        check.finish()
    }

    /// Computes its answer; the same values always give the same answer.
    pub fn evaluate(&self, values: &Values) -> Result<bool, Error> {
        Evaluation::new(&self.0.source, values).boolean(&self.0.body)
    }
}

/// The expression of a condition: what is inside its one `${…}`, else all of it.
fn condition_span(source: &str) -> Result<Span, Error> {
    let start = source.len() - source.trim_start().len();
    let end = source.trim_end().len().max(start);
    if !source[start..].starts_with("${") {
        return Ok(Span::new(start, end));
    }
    match scan::hole_end(source, start)? {
        close if close + 1 == end => Ok(Span::new(start + 2, close)),
        close => Err(Error::new(
            ErrorKind::Syntax,
            Span::new(close + 1, end),
            "a condition is one expression; nothing may follow its `${…}`",
        )),
    }
}

fn too_many_holes(span: Span) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        span,
        "the `${…}` parts of this text are too long together",
    )
}

macro_rules! text_like {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.source() == other.source()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name))
                    .field(&self.source())
                    .finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.source())
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;

            fn from_str(source: &str) -> Result<Self, Error> {
                $name::parse(source)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.source())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let source = String::deserialize(deserializer)?;
                $name::parse(&source).map_err(de::Error::custom)
            }
        }
    };
}

text_like!(Template);
text_like!(Condition);
