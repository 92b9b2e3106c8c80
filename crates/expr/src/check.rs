//! Checks an expression against the names in scope, before anything runs.
use crate::error::Error;
use crate::scope::{Scope, Type};
use crate::syntax::Node;

pub(crate) struct Check<'s> {
    _source: &'s str,
    _scope: &'s Scope,
    errors: Vec<Error>,
}

impl<'s> Check<'s> {
    pub(crate) fn new(source: &'s str, scope: &'s Scope) -> Self {
        Check {
            _source: source,
            _scope: scope,
            errors: Vec::new(),
        }
    }
    pub(crate) fn expression(&mut self, _node: &Node) -> Type {
        Type::Any
    }
    pub(crate) fn joined(&mut self, node: &Node) {
        self.expression(node);
    }
    pub(crate) fn condition(&mut self, node: &Node) {
        self.expression(node);
    }
    pub(crate) fn finish(self) -> Result<(), Vec<Error>> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }
}
