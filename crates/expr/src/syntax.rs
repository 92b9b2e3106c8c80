//! What an expression is made of, once the guard has let it through.
//!
//! `parse` builds these nodes; `check` and `evaluate` walk them. Functions are resolved,
//! loop variables are numbered from the outermost, and every node knows its place in the source.

use std::fmt::Write as _;

use crate::functions::Function;
use crate::scope::{Reference, Span};

/// One syntax node with its place in the whole source.
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Null,
    Boolean(bool),
    Int(i64),
    Double(f64),
    Text(String),
    /// A name of the scope.
    Root(String),
    /// A loop variable, counted from the outermost loop.
    Variable(usize),
    Field(Field),
    Index(Box<Index>),
    /// `has(…)`: whether the field and everything on the way to it is there.
    Has(Box<Node>),
    List(Vec<Element>),
    Object(Vec<Entry>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Binary(Operator, Box<[Node; 2]>),
    /// `condition ? first : second`.
    Either(Box<[Node; 3]>),
    Call(&'static Function, Vec<Node>),
    Matches(Box<Matches>),
    Outcome(OutcomeQuestion),
    Loop(Box<Loop>),
}

/// `object.name` or `object.?name`.
pub(crate) struct Field {
    pub(crate) object: Box<Node>,
    pub(crate) name: String,
    pub(crate) optional: bool,
}

/// `object[index]` or `object[?index]`.
pub(crate) struct Index {
    pub(crate) object: Node,
    pub(crate) index: Node,
    pub(crate) optional: bool,
}

/// An element of a list literal; an optional one is left out when it has no value.
pub(crate) struct Element {
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// An entry of an object literal; an optional one is left out when it has no value.
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// `text.matches(pattern)`; a constant pattern is compiled once, while parsing.
pub(crate) struct Matches {
    pub(crate) text: Node,
    pub(crate) pattern: Node,
    pub(crate) compiled: Option<crate::pattern::Pattern>,
}

/// One of the looping functions, such as `list.filter(x, x > 1)`.
pub(crate) struct Loop {
    pub(crate) how: LoopKind,
    pub(crate) range: Node,
    /// The condition of a three-part `map`.
    pub(crate) condition: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    SortBy,
}

impl LoopKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            LoopKind::All => "all",
            LoopKind::Exists => "exists",
            LoopKind::ExistsOne => "exists_one",
            LoopKind::Filter => "filter",
            LoopKind::Map => "map",
            LoopKind::SortBy => "sortBy",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Modulo => "%",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
        }
    }
}

/// The functions that ask how what came before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeQuestion {
    Success,
    Failure,
    Always,
}

impl OutcomeQuestion {
    pub(crate) fn name(self) -> &'static str {
        match self {
            OutcomeQuestion::Success => "success",
            OutcomeQuestion::Failure => "failure",
            OutcomeQuestion::Always => "always",
        }
    }
}

impl Node {
    /// Its direct parts, in the order written.
    pub(crate) fn parts(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Null
            | Kind::Boolean(_)
            | Kind::Int(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Root(_)
            | Kind::Variable(_)
            | Kind::Outcome(_) => Vec::new(),
            Kind::Field(field) => vec![&field.object],
            Kind::Index(index) => vec![&index.object, &index.index],
            Kind::Has(node) | Kind::Not(node) | Kind::Negate(node) => vec![node],
            Kind::List(elements) => elements.iter().map(|element| &element.value).collect(),
            Kind::Object(entries) => entries
                .iter()
                .flat_map(|entry| [&entry.key, &entry.value])
                .collect(),
            Kind::And(sides) | Kind::Or(sides) | Kind::Binary(_, sides) => sides.iter().collect(),
            Kind::Either(parts) => parts.iter().collect(),
            Kind::Call(_, arguments) => arguments.iter().collect(),
            Kind::Matches(matches) => vec![&matches.text, &matches.pattern],
            Kind::Loop(each) => [Some(&each.range), each.condition.as_ref(), Some(&each.body)]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// Whether it asks how what came before ended.
    pub(crate) fn uses_outcome(&self) -> bool {
        matches!(self.kind, Kind::Outcome(_)) || self.parts().into_iter().any(Node::uses_outcome)
    }

    /// The name path it spells, if it is nothing but a path from a root name.
    pub(crate) fn path(&self) -> Option<Reference> {
        match &self.kind {
            Kind::Root(name) => Some(Reference {
                path: vec![name.clone()],
                offset: self.span.start,
                optional: false,
            }),
            Kind::Field(field) => step(&field.object, &field.name, field.optional),
            Kind::Index(index) => match &index.index.kind {
                Kind::Text(name) => step(&index.object, name, index.optional),
                _ => None,
            },
            Kind::Has(field) => field.path().map(|reference| Reference {
                optional: true,
                ..reference
            }),
            _ => None,
        }
    }

    /// Adds every name path it reads, longest first at each place.
    pub(crate) fn collect_references(&self, found: &mut Vec<Reference>) {
        match self.path() {
            Some(reference) => found.push(reference),
            None => self
                .parts()
                .into_iter()
                .for_each(|part| part.collect_references(found)),
        }
    }

    /// How messages call it: its path where it is one, else nothing.
    pub(crate) fn spelling(&self) -> Option<String> {
        self.path().map(|reference| spell(&reference.path))
    }
}

fn step(object: &Node, name: &str, optional: bool) -> Option<Reference> {
    let mut reference = object.path()?;
    reference.path.push(name.to_owned());
    reference.optional |= optional;
    Some(reference)
}

/// A path as it is written in an expression: `phases["sign-off"].outputs`.
pub(crate) fn spell(path: &[String]) -> String {
    let mut text = String::new();
    for (position, segment) in path.iter().enumerate() {
        let written = match (position, is_identifier(segment)) {
            (0, _) => write!(text, "{segment}"),
            (_, true) => write!(text, ".{segment}"),
            (_, false) => write!(text, "[{segment:?}]"),
        };
        written.expect("a string takes all text");
    }
    text
}

/// Whether a name can be written after a dot.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The name that was probably meant when one with dashes is written bare, as in
/// `phases.sign-off`, which CEL reads as a subtraction; `span` is the part before the dash.
pub(crate) fn dashed_name(source: &str, span: Span) -> Option<&str> {
    let rest = source.get(span.end..)?;
    if !rest.starts_with('-') {
        return None;
    }
    let length = rest
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .unwrap_or(rest.len());
    Some(source[span.start..span.end + length].trim_end_matches('-'))
}
