//! Reads CEL into our own nodes.
use crate::error::{Error, ErrorKind};
use crate::scope::{Limits, Reference, Span};

pub(crate) struct Node {
    pub(crate) span: Span,
}

impl Node {
    pub(crate) fn uses_outcome(&self) -> bool {
        false
    }
}

pub(crate) struct Parser<'s> {
    source: &'s str,
    limits: &'s Limits,
}

impl<'s> Parser<'s> {
    pub(crate) fn new(source: &'s str, limits: &'s Limits) -> Self {
        Parser { source, limits }
    }
    pub(crate) fn expression(&mut self, span: Span) -> Result<Node, Error> {
        if span.length() > self.limits.source_bytes_max
            || self.source[span.start..span.end].trim().is_empty()
        {
            return Err(Error::new(
                ErrorKind::TooLarge,
                span,
                "the expression is too long",
            ));
        }
        Ok(Node { span })
    }
    pub(crate) fn references(self) -> Vec<Reference> {
        Vec::new()
    }
}
