//! What went wrong with an expression, where, and what was probably meant.
//!
//! Messages name identifiers, types and limits, never operand values: a value
//! may be a secret, and messages travel to logs, events and screens.

use std::fmt;

use crate::scope::Span;

/// Why a template or condition was refused; `message` is a lower-case fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What the caller may decide on.
    pub kind: ErrorKind,
    /// The reason in words, without operand values.
    pub message: String,
    /// Where it starts: a byte offset in the whole source text.
    pub offset: usize,
    /// How many bytes of the source it covers; at least one unless the source is empty.
    pub length: usize,
    /// What was probably meant, ready to be written instead.
    pub suggestion: Option<String>,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The text is no valid template or expression.
    Syntax,
    /// A name or field that is not in scope.
    UnknownName,
    /// A function that does not exist here.
    UnknownFunction,
    /// An operand of a type the operator or function does not take.
    WrongType,
    /// A source, a text or a list over its limit.
    TooLarge,
    /// Nesting over its limit.
    TooNested,
    /// More steps than one evaluation may take.
    BudgetSpent,
    /// A name, key or element that is absent at run time.
    Missing,
    /// An operation without a result: a division by zero, an overflow, a text that is no number.
    Failed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, span: Span, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            offset: span.start,
            length: span.length(),
            suggestion: None,
        }
    }

    pub(crate) fn suggesting(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}

/// The known name closest to `written`, if one is close enough to be a slip of the pen.
///
/// Among equals the first in the order given wins, so give names in a stable order.
pub(crate) fn closest<'n>(
    written: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let alike = strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase());
        if alike > 0.8 && best.is_none_or(|(found, _)| alike > found) {
            best = Some((alike, name));
        }
    }
    best.map(|(_, name)| name.to_owned())
}
