//! Computes an expression.
use crate::error::{Error, ErrorKind};
use crate::scope::Values;
use crate::syntax::Node;
use serde_json::Value as Json;

pub(crate) struct Evaluation<'v> {
    _source: &'v str,
    _values: &'v Values,
}

impl<'v> Evaluation<'v> {
    pub(crate) fn new(source: &'v str, values: &'v Values) -> Self {
        Evaluation {
            _source: source,
            _values: values,
        }
    }
    pub(crate) fn json(&mut self, node: &Node) -> Result<Json, Error> {
        Err(Error::new(
            ErrorKind::Failed,
            node.span,
            "evaluation is not in this build yet",
        ))
    }
    pub(crate) fn join(&mut self, node: &Node, _text: &mut String) -> Result<(), Error> {
        self.json(node).map(drop)
    }
    pub(crate) fn boolean(&mut self, node: &Node) -> Result<bool, Error> {
        self.json(node).map(|_| false)
    }
}
