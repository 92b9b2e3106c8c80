//! Walks an expression with the values given, within its budget.
//!
//! `&&`, `||`, `all` and `exists` do not depend on the order of their parts: what one part
//! decides is not undone by another part that fails. Only a spent budget always ends it.

use serde_json::Value as Json;

use crate::error::{Error, ErrorKind};
use crate::functions::{Function, lists};
use crate::meter::{Fault, Meter};
use crate::operators;
use crate::pattern::Pattern;
use crate::scope::{Reference, Span, Values};
use crate::stack;
use crate::syntax::{
    Element, Entry, Field, Index, Kind, Loop, LoopKind, Matches, Node, OutcomeQuestion,
    dashed_name, spell,
};
use crate::value::{Text, Value};

/// One evaluation of one template or condition.
pub(crate) struct Evaluation<'v> {
    source: &'v str,
    values: &'v Values,
    meter: Meter,
    variables: Vec<Value<'v>>,
}

impl<'v> Evaluation<'v> {
    pub(crate) fn new(source: &'v str, values: &'v Values) -> Self {
        Evaluation {
            source,
            values,
            meter: Meter::new(&values.limits),
            variables: Vec::new(),
        }
    }

    /// The value as JSON; an optional without a value is null.
    pub(crate) fn json(&mut self, node: &'v Node) -> Result<Json, Error> {
        let value = self.whole(node)?;
        value.to_json(&mut self.meter).map_err(at(node.span))
    }

    /// Appends the value, which must be a scalar, to a text.
    pub(crate) fn join(&mut self, node: &'v Node, text: &mut String) -> Result<(), Error> {
        let value = match self.whole(node)? {
            Value::Optional(Some(value)) => (*value).clone(),
            value => value,
        };
        self.meter
            .fit(text.len().saturating_add(text_length(&value)))
            .map_err(at(node.span))?;
        if let Value::Text(part) = &value {
            text.push_str(part);
            return Ok(());
        }
        match value.scalar_text() {
            Some(part) => {
                text.push_str(&part);
                Ok(())
            }
            None if matches!(value, Value::Optional(None)) => Err(Error::new(
                ErrorKind::Missing,
                node.span,
                "there is no value to put into the text; give one with `.orValue(…)`",
            )),
            None => Err(Error::new(
                ErrorKind::WrongType,
                node.span,
                format!("{} cannot be put into a text", value.kind()),
            )),
        }
    }

    /// The value as an answer.
    pub(crate) fn boolean(&mut self, node: &'v Node) -> Result<bool, Error> {
        match self.whole(node)? {
            Value::Boolean(answer) => Ok(answer),
            value => Err(Error::new(
                ErrorKind::WrongType,
                node.span,
                format!("a condition is true or false, not {}", value.kind()),
            )),
        }
    }

    fn whole(&mut self, node: &'v Node) -> Result<Value<'v>, Error> {
        stack::for_walking(|| self.value(node))
    }

    fn value(&mut self, node: &'v Node) -> Result<Value<'v>, Error> {
        self.meter.spend(1).map_err(at(node.span))?;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Boolean(value) => Ok(Value::Boolean(*value)),
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Double(value) => Ok(Value::Double(*value)),
            Kind::Text(text) => Ok(Value::Text(Text::Given(text))),
            Kind::Root(name) => self.root(name, node),
            Kind::Variable(position) => Ok(self.variables[*position].clone()),
            Kind::Field(field) => self.field(field, node),
            Kind::Index(index) => self.index(index, node),
            Kind::Has(field) => Ok(Value::Boolean(self.presence(field)?.is_some())),
            Kind::List(elements) => self.list(elements, node),
            Kind::Object(entries) => self.object(entries, node),
            Kind::Not(operand) => self.operand(operand, node, operators::not),
            Kind::Negate(operand) => self.operand(operand, node, operators::negate),
            Kind::And(sides) => self.decided_by(sides, false),
            Kind::Or(sides) => self.decided_by(sides, true),
            Kind::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (self.value(left)?, self.value(right)?);
                operators::binary(*operator, left, right, &mut self.meter).map_err(at(node.span))
            }
            Kind::Either(parts) => self.either(parts),
            Kind::Call(function, arguments) => self.call(function, arguments, node),
            Kind::Matches(matches) => self.matches(matches, node),
            Kind::Outcome(question) => self.outcome(*question, node),
            Kind::Loop(each) => self.each(each, node),
        }
    }

    fn root(&self, name: &str, node: &Node) -> Result<Value<'v>, Error> {
        match self.values.names.get(name) {
            Some(value) => Ok(Value::given(value)),
            None => Err(Error::new(
                ErrorKind::Missing,
                node.span,
                format!("`{name}` has no value"),
            )),
        }
    }

    fn operand(
        &mut self,
        operand: &'v Node,
        node: &Node,
        operate: fn(Value<'v>) -> Result<Value<'v>, Fault>,
    ) -> Result<Value<'v>, Error> {
        let operand = self.value(operand)?;
        operate(operand).map_err(at(node.span))
    }

    fn either(&mut self, parts: &'v [Node; 3]) -> Result<Value<'v>, Error> {
        let [condition, first, second] = parts;
        match self.value(condition)? {
            Value::Boolean(true) => self.value(first),
            Value::Boolean(false) => self.value(second),
            other => Err(Error::new(
                ErrorKind::WrongType,
                condition.span,
                format!("`?` takes a boolean before it, not {}", other.kind()),
            )),
        }
    }

    /// `&&` is decided by a false side and `||` by a true one, even if the other side fails.
    fn decided_by(&mut self, sides: &'v [Node; 2], decisive: bool) -> Result<Value<'v>, Error> {
        let [left, right] = sides;
        let left = self.side(left);
        if matches!(left, Ok(answer) if answer == decisive) {
            return Ok(Value::Boolean(decisive));
        }
        if let Err(error) = &left
            && is_final(error)
        {
            return left.map(Value::Boolean);
        }
        match (left, self.side(right)) {
            (_, Ok(answer)) if answer == decisive => Ok(Value::Boolean(decisive)),
            (_, Err(error)) if is_final(&error) => Err(error),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(_), Ok(_)) => Ok(Value::Boolean(!decisive)),
        }
    }

    fn side(&mut self, node: &'v Node) -> Result<bool, Error> {
        match self.value(node)? {
            Value::Boolean(answer) => Ok(answer),
            other => Err(Error::new(
                ErrorKind::WrongType,
                node.span,
                format!("a boolean is needed here, not {}", other.kind()),
            )),
        }
    }

    fn field(&mut self, field: &'v Field, node: &'v Node) -> Result<Value<'v>, Error> {
        let object = self.value(&field.object)?;
        if field.optional || matches!(object, Value::Optional(_)) {
            let key = Value::Text(Text::Given(&field.name));
            return Ok(optional(Self::lookup_optional(&object, &key)));
        }
        match &object {
            Value::Object(fields) => fields
                .get(&field.name)
                .ok_or_else(|| self.absent(field, &object, node)),
            other => Err(Error::new(
                ErrorKind::WrongType,
                node.span,
                format!("{} has no field `{}`", other.kind(), field.name),
            )),
        }
    }

    /// The error for a field that the object does not have.
    fn absent(&self, field: &Field, object: &Value<'_>, node: &Node) -> Error {
        let name = node.spelling().unwrap_or_else(|| field.name.clone());
        let error = Error::new(
            ErrorKind::Missing,
            node.span,
            format!("`{name}` has no value"),
        );
        let Value::Object(fields) = object else {
            return error;
        };
        let meant = dashed_name(self.source, node.span).filter(|name| fields.get(name).is_some());
        error.suggesting(meant.map(|name| spell_field(&field.object, name)))
    }

    fn index(&mut self, index: &'v Index, node: &'v Node) -> Result<Value<'v>, Error> {
        let object = self.value(&index.object)?;
        let key = self.value(&index.index)?;
        if index.optional || matches!(object, Value::Optional(_)) {
            return Ok(optional(Self::lookup_optional(&object, &key)));
        }
        match self.lookup(&object, &key, node)? {
            Some(found) => Ok(found),
            None => Err(Error::new(
                ErrorKind::Missing,
                node.span,
                match (node.spelling(), key) {
                    (Some(name), _) => format!("`{name}` has no value"),
                    (None, Value::Text(_)) => "the object has no such key".to_owned(),
                    (None, _) => "the position is outside the list".to_owned(),
                },
            )),
        }
    }

    /// What an object or a list has under a key; nothing if it has not.
    fn lookup(
        &self,
        object: &Value<'v>,
        key: &Value<'v>,
        node: &Node,
    ) -> Result<Option<Value<'v>>, Error> {
        match (object, key) {
            (Value::Object(fields), Value::Text(name)) => Ok(fields.get(name)),
            (Value::List(list), Value::Int(position)) => Ok(usize::try_from(*position)
                .ok()
                .and_then(|position| list.get(position))),
            (object, key) => Err(Error::new(
                ErrorKind::WrongType,
                node.span,
                match &node.kind {
                    Kind::Field(field) => {
                        format!("{} has no field `{}`", object.kind(), field.name)
                    }
                    _ => format!("{} cannot be indexed with {}", object.kind(), key.kind()),
                },
            )),
        }
    }

    /// The same where nothing at all may be there: what cannot have the key has nothing.
    fn lookup_optional(object: &Value<'v>, key: &Value<'v>) -> Option<Value<'v>> {
        match (object, key) {
            (Value::Optional(inner), key) => Self::lookup_optional(inner.as_deref()?, key),
            (Value::Object(fields), Value::Text(name)) => fields.get(name),
            (Value::List(list), Value::Int(position)) => list.get(usize::try_from(*position).ok()?),
            _ => None,
        }
    }

    /// What a path leads to, or nothing where any part of it is absent.
    fn presence(&mut self, node: &'v Node) -> Result<Option<Value<'v>>, Error> {
        self.meter.spend(1).map_err(at(node.span))?;
        let (object, key) = match &node.kind {
            Kind::Field(field) => {
                let key = Value::Text(Text::Given(&field.name));
                (self.presence(&field.object)?, key)
            }
            Kind::Index(index) => {
                let key = self.value(&index.index)?;
                (self.presence(&index.object)?, key)
            }
            _ => return self.value(node).map(Some),
        };
        Ok(object.and_then(|object| Self::lookup_optional(&object, &key)))
    }

    fn list(&mut self, parts: &'v [Element], node: &Node) -> Result<Value<'v>, Error> {
        self.pay_elements(parts.len(), node)?;
        let mut elements = Vec::with_capacity(parts.len());
        for part in parts {
            let value = self.value(&part.value)?;
            elements.extend(self.kept(value, part.optional, part.value.span)?);
        }
        Ok(Value::list(elements))
    }

    fn object(&mut self, entries: &'v [Entry], node: &Node) -> Result<Value<'v>, Error> {
        let mut fields = std::collections::BTreeMap::new();
        for entry in entries {
            let Value::Text(key) = self.value(&entry.key)? else {
                return Err(Error::new(
                    ErrorKind::WrongType,
                    entry.key.span,
                    "a key is a string",
                ));
            };
            let value = self.value(&entry.value)?;
            let Some(value) = self.kept(value, entry.optional, entry.value.span)? else {
                continue;
            };
            self.pay_elements(ENTRY_ELEMENTS, node)?;
            self.meter
                .make_text(key.len())
                .map_err(at(entry.key.span))?;
            if fields.insert(key.to_string(), value).is_some() {
                return Err(Error::new(
                    ErrorKind::Failed,
                    entry.key.span,
                    "the same key is given twice",
                ));
            }
        }
        Ok(Value::object(fields))
    }

    /// The value of a literal's part: an optional part gives what it holds, if anything.
    fn kept(
        &self,
        value: Value<'v>,
        is_optional: bool,
        span: Span,
    ) -> Result<Option<Value<'v>>, Error> {
        match (is_optional, value) {
            (false, value) => Ok(Some(value)),
            (true, Value::Optional(value)) => Ok(value.map(|value| (*value).clone())),
            (true, other) => Err(Error::new(
                ErrorKind::WrongType,
                span,
                format!("`?` takes an optional value here, not {}", other.kind()),
            )),
        }
    }

    fn call(
        &mut self,
        function: &'static Function,
        arguments: &'v [Node],
        node: &Node,
    ) -> Result<Value<'v>, Error> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        if let Some((position, fault)) = function.mismatch(&values) {
            return Err(at(arguments[position].span)(fault));
        }
        (function.run)(&mut self.meter, &values).map_err(at(node.span))
    }

    fn matches(&mut self, matches: &'v Matches, node: &Node) -> Result<Value<'v>, Error> {
        let text = self.value(&matches.text)?;
        let pattern = self.value(&matches.pattern)?;
        let (Value::Text(text), Value::Text(pattern)) = (&text, &pattern) else {
            let other = match text {
                Value::Text(_) => pattern,
                text => text,
            };
            return Err(Error::new(
                ErrorKind::WrongType,
                node.span,
                format!("`matches` takes strings, not {}", other.kind()),
            ));
        };
        match &matches.compiled {
            Some(compiled) => self.search(compiled, text, node),
            None => {
                let compiled = Pattern::compile(pattern).map_err(at(node.span))?;
                self.meter
                    .spend(compiled.build_steps())
                    .map_err(at(node.span))?;
                self.search(&compiled, text, node)
            }
        }
    }

    fn search(&mut self, pattern: &Pattern, text: &str, node: &Node) -> Result<Value<'v>, Error> {
        self.meter
            .spend(pattern.search_steps(text.len()))
            .map_err(at(node.span))?;
        Ok(Value::Boolean(pattern.is_match(text)))
    }

    fn outcome(&self, question: OutcomeQuestion, node: &Node) -> Result<Value<'v>, Error> {
        let answer = match (question, self.values.outcome) {
            (OutcomeQuestion::Always, _) => true,
            (OutcomeQuestion::Success, Some(outcome)) => outcome.success,
            (OutcomeQuestion::Failure, Some(outcome)) => outcome.failure,
            (OutcomeQuestion::Success | OutcomeQuestion::Failure, None) => {
                return Err(Error::new(
                    ErrorKind::Missing,
                    node.span,
                    format!("`{}()` has no outcome to speak of here", question.name()),
                ));
            }
        };
        Ok(Value::Boolean(answer))
    }

    fn each(&mut self, each: &'v Loop, node: &Node) -> Result<Value<'v>, Error> {
        let range = match self.value(&each.range)? {
            Value::List(list) => list,
            Value::Object(object) => {
                self.pay_elements(object.len(), node)?;
                let keys = object.keys().into_iter().map(Value::Text).collect();
                crate::value::List::Made(std::rc::Rc::new(keys))
            }
            other => {
                return Err(Error::new(
                    ErrorKind::WrongType,
                    node.span,
                    format!(
                        "`{}` takes a list or an object, not {}",
                        each.how.name(),
                        other.kind()
                    ),
                ));
            }
        };
        match each.how {
            LoopKind::All => self.quantify(each, range.iter(), node, false),
            LoopKind::Exists => self.quantify(each, range.iter(), node, true),
            LoopKind::ExistsOne => self.exists_one(each, range.iter(), node),
            LoopKind::Filter => self.filter(each, range.iter(), node),
            LoopKind::Map => self.map(each, range.iter(), node),
            LoopKind::SortBy => self.sort_by(each, range.iter(), node),
        }
    }

    /// The body's value for one element.
    fn turn(&mut self, body: &'v Node, element: Value<'v>) -> Result<Value<'v>, Error> {
        self.variables.push(element);
        let value = self.value(body);
        self.variables.pop();
        value
    }

    /// The body's answer for one element.
    fn test(&mut self, body: &'v Node, element: Value<'v>, how: LoopKind) -> Result<bool, Error> {
        match self.turn(body, element)? {
            Value::Boolean(answer) => Ok(answer),
            other => Err(Error::new(
                ErrorKind::WrongType,
                body.span,
                format!(
                    "`{}` takes a boolean here, not {}",
                    how.name(),
                    other.kind()
                ),
            )),
        }
    }

    /// `all` is decided by the first false, `exists` by the first true.
    fn quantify(
        &mut self,
        each: &'v Loop,
        elements: impl Iterator<Item = Value<'v>>,
        node: &Node,
        decisive: bool,
    ) -> Result<Value<'v>, Error> {
        let mut failure = None;
        for element in elements {
            self.pay_elements(1, node)?;
            match self.test(&each.body, element, each.how) {
                Ok(answer) if answer == decisive => return Ok(Value::Boolean(decisive)),
                Ok(_) => (),
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Value::Boolean(!decisive)), Err)
    }

    fn exists_one(
        &mut self,
        each: &'v Loop,
        elements: impl Iterator<Item = Value<'v>>,
        node: &Node,
    ) -> Result<Value<'v>, Error> {
        let mut found = 0_usize;
        for element in elements {
            self.pay_elements(1, node)?;
            found += usize::from(self.test(&each.body, element, each.how)?);
        }
        Ok(Value::Boolean(found == 1))
    }

    fn filter(
        &mut self,
        each: &'v Loop,
        elements: impl Iterator<Item = Value<'v>>,
        node: &Node,
    ) -> Result<Value<'v>, Error> {
        let mut kept = Vec::new();
        for element in elements {
            self.pay_elements(1, node)?;
            if self.test(&each.body, element.clone(), each.how)? {
                kept.push(element);
            }
        }
        Ok(Value::list(kept))
    }

    fn map(
        &mut self,
        each: &'v Loop,
        elements: impl Iterator<Item = Value<'v>>,
        node: &Node,
    ) -> Result<Value<'v>, Error> {
        let mut mapped = Vec::new();
        for element in elements {
            self.pay_elements(1, node)?;
            if let Some(condition) = &each.condition
                && !self.test(condition, element.clone(), each.how)?
            {
                continue;
            }
            mapped.push(self.turn(&each.body, element)?);
        }
        Ok(Value::list(mapped))
    }

    fn sort_by(
        &mut self,
        each: &'v Loop,
        elements: impl Iterator<Item = Value<'v>>,
        node: &Node,
    ) -> Result<Value<'v>, Error> {
        let mut pairs = Vec::new();
        for element in elements {
            self.pay_elements(2, node)?;
            pairs.push((self.turn(&each.body, element.clone())?, element));
        }
        lists::sort_by_key(&mut self.meter, pairs).map_err(at(node.span))
    }

    fn pay_elements(&mut self, count: usize, node: &Node) -> Result<(), Error> {
        self.meter.make_elements(count).map_err(at(node.span))
    }
}

/// An object entry weighs about as much as this many list elements.
const ENTRY_ELEMENTS: usize = 3;

/// Adds the place to a fault.
fn at(span: Span) -> impl Fn(Fault) -> Error {
    move |fault| Error::new(fault.kind, span, fault.message)
}

/// Whether an error ends the evaluation, whatever other parts would say.
fn is_final(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::BudgetSpent | ErrorKind::TooLarge | ErrorKind::TooNested
    )
}

fn optional(found: Option<Value<'_>>) -> Value<'_> {
    found.map_or(Value::Optional(None), Value::some)
}

fn text_length(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        _ => 0,
    }
}

/// How a field with that name would be written after an object.
pub(crate) fn spell_field(object: &Node, name: &str) -> String {
    let path = object.path().map(|Reference { path, .. }| path);
    let mut path = path.unwrap_or_else(|| vec![String::new()]);
    path.push(name.to_owned());
    spell(&path)
}
