//! Checks an expression against the names in scope, before anything runs.
//!
//! Wrong is only what cannot be right whatever the values are: a name that is not there,
//! an operator between two types that are both known and do not go together.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, closest};
use crate::evaluate::spell_field;
use crate::functions::{Function, Gives, Takes};
use crate::scope::{Scope, Span, Type};
use crate::stack;
use crate::syntax::{
    Element, Entry, Field, Index, Kind, Loop, LoopKind, Node, Operator, dashed_name, is_identifier,
    spell,
};

/// The check of one template or condition; it goes on after an error to find them all.
pub(crate) struct Check<'s> {
    source: &'s str,
    scope: &'s Scope,
    errors: Vec<Error>,
    variables: Vec<Type>,
}

/// A name looked up in an object: `object.name` or `object["name"]`.
struct Member<'n> {
    object: &'n Node,
    name: &'n str,
    /// Where the name stands.
    span: Span,
    is_optional: bool,
}

impl<'n> Member<'n> {
    fn of(field: &'n Field, node: &Node) -> Self {
        Member {
            object: &field.object,
            name: &field.name,
            span: node.span,
            is_optional: field.optional,
        }
    }
}

/// What is known of a part: its type, and whether it may be absent.
#[derive(Clone)]
struct Known<'s> {
    kind: Cow<'s, Type>,
    is_optional: bool,
}

impl<'s> Known<'s> {
    fn seen(kind: &'s Type) -> Self {
        Known {
            kind: Cow::Borrowed(kind),
            is_optional: false,
        }
    }

    fn made(kind: Type) -> Self {
        Known {
            kind: Cow::Owned(kind),
            is_optional: false,
        }
    }

    fn optional(self) -> Self {
        Known {
            is_optional: true,
            ..self
        }
    }

    fn any() -> Self {
        Known::made(Type::Any)
    }

    /// Whether it may turn out to be of the wanted type.
    fn may_be(&self, wanted: &Type) -> bool {
        !self.is_optional && (*self.kind == Type::Any || same_sort(&self.kind, wanted))
    }

    /// What it is in words, for a message.
    fn words(&self) -> &'static str {
        if self.is_optional {
            return "an optional value";
        }
        match *self.kind {
            Type::Any => "any value",
            Type::Null => "null",
            Type::Boolean => "a boolean",
            Type::Number => "a number",
            Type::String => "a string",
            Type::List(_) => "a list",
            Type::Object { .. } => "an object",
        }
    }
}

fn same_sort(one: &Type, two: &Type) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(two)
}

impl<'s> Check<'s> {
    pub(crate) fn new(source: &'s str, scope: &'s Scope) -> Self {
        Check {
            source,
            scope,
            errors: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// The type a whole expression gives; what may be absent gives null then.
    pub(crate) fn expression(&mut self, node: &Node) -> Type {
        let known = self.whole(node);
        match known.is_optional {
            true => known.kind.into_owned().join(Type::Null),
            false => known.kind.into_owned(),
        }
    }

    /// An expression between other text.
    pub(crate) fn joined(&mut self, node: &Node) {
        let known = self.whole(node);
        if matches!(
            *known.kind,
            Type::Null | Type::List(_) | Type::Object { .. }
        ) {
            let message = format!("{} cannot be put into a text", known.words());
            self.wrong_type(node.span, message);
        }
    }

    /// An expression that must be true or false.
    pub(crate) fn condition(&mut self, node: &Node) {
        let known = self.whole(node);
        if !known.may_be(&Type::Boolean) {
            let message = format!("a condition is true or false, not {}", known.words());
            self.wrong_type(node.span, message);
        }
    }

    /// Everything found, in the order of the source.
    pub(crate) fn finish(mut self) -> Result<(), Vec<Error>> {
        self.errors.sort_by_key(|error| error.offset);
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(self.errors),
        }
    }

    fn whole(&mut self, node: &Node) -> Known<'s> {
        stack::for_walking(|| self.known(node))
    }

    fn known(&mut self, node: &Node) -> Known<'s> {
        match &node.kind {
            Kind::Null => Known::made(Type::Null),
            Kind::Boolean(_) => Known::made(Type::Boolean),
            Kind::Int(_) | Kind::Double(_) => Known::made(Type::Number),
            Kind::Text(_) => Known::made(Type::String),
            Kind::Root(name) => self.root(name, node.span),
            Kind::Variable(position) => Known::made(self.variables[*position].clone()),
            Kind::Field(field) => self.member(&Member::of(field, node), false),
            Kind::Index(index) => self.index(index, node, false),
            Kind::Has(path) => {
                self.path(path);
                Known::made(Type::Boolean)
            }
            Kind::List(elements) => self.list(elements),
            Kind::Object(entries) => self.object(entries),
            Kind::Not(operand) => {
                self.expect(operand, &Type::Boolean, "`!` takes a boolean");
                Known::made(Type::Boolean)
            }
            Kind::Negate(operand) => {
                self.expect(operand, &Type::Number, "`-` takes a number");
                Known::made(Type::Number)
            }
            Kind::And(sides) => self.sides("&&", sides),
            Kind::Or(sides) => self.sides("||", sides),
            Kind::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (self.known(left), self.known(right));
                self.binary(*operator, &left, &right, node.span)
            }
            Kind::Either(parts) => {
                let [condition, first, second] = &**parts;
                self.expect(condition, &Type::Boolean, "`?` takes a boolean before it");
                let (first, second) = (self.known(first), self.known(second));
                either(first, second)
            }
            Kind::Call(function, arguments) => self.call(function, arguments, node),
            Kind::Matches(matches) => {
                self.expect(&matches.text, &Type::String, "`matches` takes a string");
                self.expect(&matches.pattern, &Type::String, "`matches` takes a string");
                Known::made(Type::Boolean)
            }
            Kind::Outcome(question) => {
                if !self.scope.outcome_functions {
                    self.errors.push(Error::new(
                        ErrorKind::UnknownFunction,
                        node.span,
                        format!("`{}()` can only be asked in a `when`", question.name()),
                    ));
                }
                Known::made(Type::Boolean)
            }
            Kind::Loop(each) => self.each(each),
        }
    }

    fn root(&mut self, name: &str, span: Span) -> Known<'s> {
        if let Some(kind) = self.scope.names.get(name) {
            return Known::seen(kind);
        }
        let suggestion = self.root_meant(name, span);
        self.errors.push(
            Error::new(
                ErrorKind::UnknownName,
                span,
                format!("`{name}` is not known here"),
            )
            .suggesting(suggestion),
        );
        Known::any()
    }

    /// The name that was probably meant: one with dashes, a field of an object in scope of
    /// exactly that name, or a root that is written alike.
    fn root_meant(&self, name: &str, span: Span) -> Option<String> {
        let written = dashed_name(self.source, span).into_iter().chain([name]);
        for written in written {
            for (root, kind) in &self.scope.names {
                if matches!(kind, Type::Object { fields, .. } if fields.contains_key(written)) {
                    return Some(spell(&[root.clone(), written.to_owned()]));
                }
            }
        }
        closest(name, self.scope.names.keys().map(String::as_str))
    }

    /// A path inside `has`: its parts may be absent, but its root must be known.
    fn path(&mut self, node: &Node) -> Known<'s> {
        match &node.kind {
            Kind::Field(field) => self.member(&Member::of(field, node), true),
            Kind::Index(index) => self.index(index, node, true),
            _ => self.known(node),
        }
    }

    fn member(&mut self, member: &Member<'_>, may_be_absent: bool) -> Known<'s> {
        let Member {
            object, name, span, ..
        } = *member;
        let object_known = self.on_the_way(object, may_be_absent);
        let is_optional = member.is_optional || object_known.is_optional;
        let may_be_absent = may_be_absent || is_optional;
        let found = match object_known.kind {
            Cow::Borrowed(kind) => field_of(kind, name).map(|found| found.map(Known::seen)),
            Cow::Owned(ref kind) => {
                field_of(kind, name).map(|found| found.map(|kind| Known::made(kind.clone())))
            }
        };
        let known = match found {
            Some(Some(known)) => known,
            Some(None) if may_be_absent => Known::any(),
            None if may_be_absent && *object_known.kind == Type::Null => Known::any(),
            Some(None) => {
                let error = self.unknown_field(member, &object_known.kind);
                self.errors.push(error);
                Known::any()
            }
            None => {
                let message = format!("{} has no field `{name}`", object_known.words());
                self.wrong_type(span, message);
                Known::any()
            }
        };
        match is_optional {
            true => known.optional(),
            false => known,
        }
    }

    /// The object of a field or an index, which `has` allows to be absent.
    fn on_the_way(&mut self, object: &Node, may_be_absent: bool) -> Known<'s> {
        match may_be_absent {
            true => self.path(object),
            false => self.known(object),
        }
    }

    fn unknown_field(&self, member: &Member<'_>, object: &Type) -> Error {
        let Member { name, span, .. } = *member;
        let message = match member.object.spelling() {
            Some(object) => format!("`{object}` has no field `{name}`"),
            None => format!("the object has no field `{name}`"),
        };
        let fields: Vec<&str> = match object {
            Type::Object { fields, .. } => fields.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let dashed = dashed_name(self.source, span).filter(|name| fields.contains(name));
        let meant = dashed.map(str::to_owned).or_else(|| closest(name, fields));
        let suggestion = meant.map(|name| match is_identifier(&name) {
            true => name,
            false => spell_field(member.object, &name),
        });
        Error::new(ErrorKind::UnknownName, span, message).suggesting(suggestion)
    }

    fn index(&mut self, index: &Index, node: &Node, may_be_absent: bool) -> Known<'s> {
        if let Kind::Text(name) = &index.index.kind {
            let member = Member {
                object: &index.object,
                name,
                span: index.index.span,
                is_optional: index.optional,
            };
            return self.member(&member, may_be_absent);
        }
        let object = self.on_the_way(&index.object, may_be_absent);
        let key = self.known(&index.index);
        let is_optional = index.optional || object.is_optional;
        let (wanted, element) = match &*object.kind {
            Type::List(element) => (Type::Number, Known::made((**element).clone())),
            Type::Object { .. } => (Type::String, Known::any()),
            Type::Any => (Type::Any, Known::any()),
            Type::Null if is_optional || may_be_absent => (Type::Any, Known::any()),
            Type::Null | Type::Boolean | Type::Number | Type::String => {
                let message = format!("{} cannot be indexed", object.words());
                self.wrong_type(node.span, message);
                (Type::Any, Known::any())
            }
        };
        if wanted != Type::Any && !key.may_be(&wanted) {
            let message = format!("{} cannot be indexed with {}", object.words(), key.words());
            self.wrong_type(index.index.span, message);
        }
        match is_optional {
            true => element.optional(),
            false => element,
        }
    }

    fn list(&mut self, elements: &[Element]) -> Known<'s> {
        let kinds: Vec<Type> = elements
            .iter()
            .map(|element| self.part(&element.value, element.optional))
            .collect();
        let element = kinds.into_iter().reduce(Type::join).unwrap_or_default();
        Known::made(Type::list(element))
    }

    fn object(&mut self, entries: &[Entry]) -> Known<'s> {
        let mut fields = std::collections::BTreeMap::new();
        let mut open = false;
        for entry in entries {
            self.expect(&entry.key, &Type::String, "a key is a string");
            let kind = self.part(&entry.value, entry.optional);
            match &entry.key.kind {
                Kind::Text(name) if !entry.optional => {
                    fields.insert(name.clone(), kind);
                }
                _ => open = true,
            }
        }
        Known::made(Type::Object { fields, open })
    }

    /// The type of a literal's part; an optional part gives what it holds.
    fn part(&mut self, value: &Node, is_optional: bool) -> Type {
        let known = self.known(value);
        if is_optional && !known.is_optional && *known.kind != Type::Any {
            let message = format!("`?` takes an optional value here, not {}", known.words());
            self.wrong_type(value.span, message);
        }
        match known.is_optional && !is_optional {
            true => Type::Any,
            false => known.kind.into_owned(),
        }
    }

    fn sides(&mut self, sign: &str, sides: &[Node; 2]) -> Known<'s> {
        let message = format!("`{sign}` takes booleans");
        for side in sides {
            self.expect(side, &Type::Boolean, &message);
        }
        Known::made(Type::Boolean)
    }

    fn expect(&mut self, node: &Node, wanted: &Type, message: &str) {
        let known = self.known(node);
        if !known.may_be(wanted) {
            let message = format!("{message}, not {}", known.words());
            self.wrong_type(node.span, message);
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Known<'s>,
        right: &Known<'s>,
        span: Span,
    ) -> Known<'s> {
        let gives = match operator {
            Operator::Equal | Operator::NotEqual => {
                comparable(left, right).then_some(Type::Boolean)
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => ordered(left, right).then_some(Type::Boolean),
            Operator::In => within(left, right).then_some(Type::Boolean),
            Operator::Add => added(left, right),
            Operator::Subtract => numbers(left, right).then(|| subtracted(left, right)),
            Operator::Multiply | Operator::Divide | Operator::Modulo => {
                numbers(left, right).then_some(Type::Number)
            }
        };
        match gives {
            Some(kind) => Known::made(kind),
            None => {
                let message = format!(
                    "`{}` does not take {} and {}",
                    operator.sign(),
                    left.words(),
                    right.words()
                );
                self.wrong_type(span, message);
                Known::any()
            }
        }
    }

    fn call(&mut self, function: &'static Function, arguments: &[Node], node: &Node) -> Known<'s> {
        let known: Vec<Known<'s>> = arguments
            .iter()
            .map(|argument| self.known(argument))
            .collect();
        for (position, (argument, known)) in arguments.iter().zip(&known).enumerate() {
            let takes = function.takes_at(position);
            if !fits(takes, known) {
                let message = format!(
                    "`{}` takes {} here, not {}",
                    function.name,
                    takes.words(),
                    known.words()
                );
                // A receiver stands before the name, where the call is marked already.
                let span = if position == 0 {
                    node.span
                } else {
                    argument.span
                };
                self.wrong_type(span, message);
            }
        }
        given(function.gives, &known)
    }

    fn each(&mut self, each: &Loop) -> Known<'s> {
        let range = self.known(&each.range);
        let element = match &*range.kind {
            _ if range.is_optional => None,
            Type::Any => Some(Type::Any),
            Type::List(element) => Some((**element).clone()),
            Type::Object { .. } => Some(Type::String),
            Type::Null | Type::Boolean | Type::Number | Type::String => None,
        };
        let element = element.unwrap_or_else(|| {
            let message = format!(
                "`{}` takes a list or an object, not {}",
                each.how.name(),
                range.words()
            );
            self.wrong_type(each.range.span, message);
            Type::Any
        });
        self.variables.push(element.clone());
        let gives = self.body(each, element);
        self.variables.pop();
        Known::made(gives)
    }

    fn body(&mut self, each: &Loop, element: Type) -> Type {
        let wants_boolean = format!("`{}` takes a boolean here", each.how.name());
        if let Some(condition) = &each.condition {
            self.expect(condition, &Type::Boolean, &wants_boolean);
        }
        match each.how {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => {
                self.expect(&each.body, &Type::Boolean, &wants_boolean);
                Type::Boolean
            }
            LoopKind::Filter => {
                self.expect(&each.body, &Type::Boolean, &wants_boolean);
                Type::list(element)
            }
            LoopKind::SortBy => {
                self.known(&each.body);
                Type::list(element)
            }
            LoopKind::Map => {
                let known = self.known(&each.body);
                match known.is_optional {
                    true => Type::list(Type::Any),
                    false => Type::list(known.kind.into_owned()),
                }
            }
        }
    }

    fn wrong_type(&mut self, span: Span, message: impl Into<String>) {
        self.errors
            .push(Error::new(ErrorKind::WrongType, span, message));
    }
}

/// The field of a type: nothing if it can have no fields, and nothing inside if it lacks this one.
fn field_of<'t>(kind: &'t Type, name: &str) -> Option<Option<&'t Type>> {
    const ANY: &Type = &Type::Any;
    match kind {
        Type::Any => Some(Some(ANY)),
        Type::Object { fields, open } => Some(fields.get(name).or_else(|| open.then_some(ANY))),
        Type::Null | Type::Boolean | Type::Number | Type::String | Type::List(_) => None,
    }
}

fn either<'s>(first: Known<'s>, second: Known<'s>) -> Known<'s> {
    if first.is_optional != second.is_optional {
        return Known::any();
    }
    Known {
        is_optional: first.is_optional,
        kind: Cow::Owned(first.kind.into_owned().join(second.kind.into_owned())),
    }
}

/// Two values can be equal if their types may be the same, or if one may be null.
fn comparable(left: &Known<'_>, right: &Known<'_>) -> bool {
    let is_free = |known: &Known<'_>| matches!(*known.kind, Type::Any | Type::Null);
    match left.is_optional == right.is_optional {
        true => is_free(left) || is_free(right) || same_sort(&left.kind, &right.kind),
        false => is_any(left) || is_any(right),
    }
}

fn is_any(known: &Known<'_>) -> bool {
    !known.is_optional && *known.kind == Type::Any
}

fn ordered(left: &Known<'_>, right: &Known<'_>) -> bool {
    let may = |known: &Known<'_>| {
        [Type::Boolean, Type::Number, Type::String]
            .iter()
            .any(|kind| known.may_be(kind))
    };
    may(left) && may(right) && (is_any(left) || is_any(right) || same_sort(&left.kind, &right.kind))
}

fn within(left: &Known<'_>, right: &Known<'_>) -> bool {
    if right.is_optional {
        return false;
    }
    match &*right.kind {
        Type::Any => true,
        Type::Object { .. } => left.may_be(&Type::String),
        Type::List(element) => comparable(left, &Known::made((**element).clone())),
        Type::Null | Type::Boolean | Type::Number | Type::String => false,
    }
}

fn added(left: &Known<'_>, right: &Known<'_>) -> Option<Type> {
    if left.is_optional || right.is_optional {
        return None;
    }
    match (&*left.kind, &*right.kind) {
        (Type::Any, Type::Any) => Some(Type::Any),
        (Type::List(one), Type::List(two)) => {
            Some(Type::list((**one).clone().join((**two).clone())))
        }
        (Type::List(_), Type::Any) | (Type::Any, Type::List(_)) => Some(Type::list(Type::Any)),
        (Type::String, Type::String | Type::Any) | (Type::Any, Type::String) => Some(Type::String),
        (Type::Number, Type::Number | Type::Any) | (Type::Any, Type::Number) => Some(Type::Number),
        _ => None,
    }
}

fn numbers(left: &Known<'_>, right: &Known<'_>) -> bool {
    left.may_be(&Type::Number) && right.may_be(&Type::Number)
}

/// Two unknown operands may be times, which give times.
fn subtracted(left: &Known<'_>, right: &Known<'_>) -> Type {
    match is_any(left) && is_any(right) {
        true => Type::Any,
        false => Type::Number,
    }
}

fn fits(takes: Takes, known: &Known<'_>) -> bool {
    let kinds: &[Type] = match takes {
        Takes::Any => return true,
        Takes::Optional => return known.is_optional || *known.kind == Type::Any,
        Takes::Number => &[Type::Number],
        Takes::Text => &[Type::String],
        Takes::List => return is_list(known) || is_any(known),
        Takes::Sequence => return known.may_be(&Type::String) || is_list(known),
        Takes::Sized => {
            return known.may_be(&Type::String)
                || is_list(known)
                || (!known.is_optional && matches!(*known.kind, Type::Object { .. }));
        }
        Takes::Scalar => &[Type::Boolean, Type::Number, Type::String],
        Takes::Time => return is_any(known),
    };
    kinds.iter().any(|kind| known.may_be(kind))
}

fn is_list(known: &Known<'_>) -> bool {
    !known.is_optional && matches!(*known.kind, Type::List(_))
}

fn given<'s>(gives: Gives, arguments: &[Known<'s>]) -> Known<'s> {
    let argument = |position: usize| arguments.get(position).cloned().unwrap_or_else(Known::any);
    match gives {
        Gives::Any => Known::any(),
        Gives::Boolean => Known::made(Type::Boolean),
        Gives::Number => Known::made(Type::Number),
        Gives::Text => Known::made(Type::String),
        Gives::Texts => Known::made(Type::list(Type::String)),
        Gives::Numbers => Known::made(Type::list(Type::Number)),
        Gives::List => Known::made(Type::list(Type::Any)),
        Gives::First => argument(0),
        Gives::OptionalFirst if argument(0).is_optional => Known::any().optional(),
        Gives::OptionalFirst => argument(0).optional(),
        Gives::OptionalAny => Known::any().optional(),
        Gives::Inner => inner(argument(0)),
        Gives::InnerOrSecond => either(inner(argument(0)), argument(1)),
    }
}

fn inner(known: Known<'_>) -> Known<'_> {
    Known {
        is_optional: false,
        ..known
    }
}
