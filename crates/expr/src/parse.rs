//! From text to nodes: the `cel` crate reads, the guard measures, names are resolved.
//!
//! This is the only module that knows the `cel` crate. Its parser recurses without bound on
//! left-recursive chains such as `1+1+…`, so it runs on a stack of its own that the limit on
//! the source length keeps sufficient; what it gives is measured and rebuilt there too.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::common::ast::{self, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::{Env, ParseErrors};

use crate::error::{Error, ErrorKind, closest};
use crate::functions::{self, Function, Style};
use crate::pattern::Pattern;
use crate::scope::{Limits, Reference, Span};
use crate::stack;
use crate::syntax::{
    Element, Entry, Field, Index, Kind, Loop, LoopKind, Matches, Node, Operator, OutcomeQuestion,
};

/// Reads the expressions of one source text, whose nodes share one limit.
pub(crate) struct Parser<'s> {
    source: &'s str,
    limits: &'s Limits,
    nodes: usize,
    references: Vec<Reference>,
}

impl<'s> Parser<'s> {
    pub(crate) fn new(source: &'s str, limits: &'s Limits) -> Self {
        Parser {
            source,
            limits,
            nodes: 0,
            references: Vec::new(),
        }
    }

    /// The name paths of all expressions read so far.
    pub(crate) fn references(self) -> Vec<Reference> {
        self.references
    }

    /// Reads the expression at `span` of the source.
    pub(crate) fn expression(&mut self, span: Span) -> Result<Node, Error> {
        let text = &self.source[span.start..span.end];
        if text.trim().is_empty() {
            return Err(Error::new(
                ErrorKind::Syntax,
                span,
                "the expression is empty",
            ));
        }
        if text.len() > self.limits.source_bytes_max {
            let message = format!(
                "the expression is longer than {} bytes",
                self.limits.source_bytes_max
            );
            return Err(Error::new(ErrorKind::TooLarge, span, message));
        }
        let node = stack::for_parsing(|| self.parse(text, span))?;
        node.collect_references(&mut self.references);
        Ok(node)
    }

    fn parse(&mut self, text: &str, span: Span) -> Result<Node, Error> {
        let (tree, info) = read(text, span)?;
        let mut guard = Guard {
            text,
            base: span.start,
            info: &info,
            limits: self.limits,
            nodes: self.nodes,
            depth: 0,
            variables: Vec::new(),
        };
        let node = guard.node(&tree)?;
        self.nodes = guard.nodes;
        Ok(node)
    }
}

/// Has `cel` read the text. Its environment has no macros, so that `has`, `map` and the like
/// arrive as they are written. Should it panic over a text, then that text is refused.
fn read(text: &str, span: Span) -> Result<(IdedExpr, SourceInfo), Error> {
    let parser = Env::default().parser().enable_ident_escape_syntax(true);
    match catch_unwind(AssertUnwindSafe(|| parser.parse_with_source_info(text))) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(errors)) => Err(syntax_error(&errors, text, span)),
        Err(_) => Err(unreadable(span)),
    }
}

/// Rebuilds what `cel` read as our nodes, refusing what is over a limit or unknown.
struct Guard<'g> {
    text: &'g str,
    base: usize,
    info: &'g SourceInfo,
    limits: &'g Limits,
    nodes: usize,
    depth: usize,
    variables: Vec<String>,
}

impl Guard<'_> {
    fn node(&mut self, tree: &IdedExpr) -> Result<Node, Error> {
        let token = self.token(tree.id);
        self.nodes += 1;
        if self.nodes > self.limits.nodes_max {
            let message = format!("the text has more than {} terms", self.limits.nodes_max);
            return Err(self.error(ErrorKind::TooLarge, token, message));
        }
        if self.depth >= self.limits.nesting_max {
            let message = format!(
                "the expression is nested deeper than {} levels",
                self.limits.nesting_max
            );
            return Err(self.error(ErrorKind::TooNested, token, message));
        }
        self.depth += 1;
        let node = self.rebuild(tree, token);
        self.depth -= 1;
        node
    }

    fn boxed(&mut self, tree: &IdedExpr) -> Result<Box<Node>, Error> {
        self.node(tree).map(Box::new)
    }

    fn nodes(&mut self, trees: &[IdedExpr]) -> Result<Vec<Node>, Error> {
        trees.iter().map(|tree| self.node(tree)).collect()
    }

    fn rebuild(&mut self, tree: &IdedExpr, token: Span) -> Result<Node, Error> {
        match &tree.expr {
            Expr::Literal(literal) => self.literal(literal, token),
            Expr::Ident(name) => self.name(name, token),
            Expr::Select(select) => {
                let object = self.boxed(&select.operand)?;
                Ok(self.field(object, &select.field, false, token))
            }
            Expr::List(list) => self.list(list, token),
            Expr::Map(map) => self.object(map, token),
            Expr::Call(call) => self.call(call, token),
            Expr::Struct(_) => Err(self.error(
                ErrorKind::Syntax,
                token,
                "messages are not available; an object is written `{\"name\": value}`",
            )),
            Expr::Comprehension(_) | Expr::Unspecified => {
                Err(self.error(ErrorKind::Syntax, token, "the expression is incomplete"))
            }
        }
    }

    fn literal(&self, literal: &LiteralValue, token: Span) -> Result<Node, Error> {
        let kind = match literal {
            LiteralValue::Null => Kind::Null,
            LiteralValue::Boolean(value) => Kind::Boolean(*value.inner()),
            LiteralValue::Int(value) => Kind::Int(*value.inner()),
            LiteralValue::Double(value) => Kind::Double(*value.inner()),
            LiteralValue::String(value) => Kind::Text(value.inner().to_owned()),
            LiteralValue::UInt(value) => match i64::try_from(*value.inner()) {
                Ok(value) => Kind::Int(value),
                Err(_) => {
                    return Err(self.error(ErrorKind::TooLarge, token, "the number is too large"));
                }
            },
            LiteralValue::Bytes(_) => {
                return Err(self.error(ErrorKind::Syntax, token, "bytes are not available"));
            }
        };
        Ok(self.place(token, kind))
    }

    fn name(&self, name: &str, token: Span) -> Result<Node, Error> {
        if name.starts_with('.') {
            return Err(self.error(
                ErrorKind::Syntax,
                token,
                "a name does not begin with a dot here",
            ));
        }
        let kind = match self.variables.iter().rposition(|variable| variable == name) {
            Some(position) => Kind::Variable(position),
            None => Kind::Root(name.to_owned()),
        };
        Ok(self.place(token, kind))
    }

    fn field(&self, object: Box<Node>, name: &str, optional: bool, token: Span) -> Node {
        let kind = Kind::Field(Field {
            object,
            name: name.to_owned(),
            optional,
        });
        self.place(self.word_after(token, name), kind)
    }

    fn list(&mut self, list: &ast::ListExpr, token: Span) -> Result<Node, Error> {
        let mut elements = Vec::with_capacity(list.elements.len());
        for (position, element) in list.elements.iter().enumerate() {
            elements.push(Element {
                value: self.node(element)?,
                optional: list.optional_indices.contains(&position),
            });
        }
        Ok(self.place(token, Kind::List(elements)))
    }

    fn object(&mut self, map: &ast::MapExpr, token: Span) -> Result<Node, Error> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let ast::EntryExpr::MapEntry(entry) = &entry.expr else {
                return Err(self.error(ErrorKind::Syntax, token, "an object has keys and values"));
            };
            entries.push(Entry {
                key: self.node(&entry.key)?,
                value: self.node(&entry.value)?,
                optional: entry.optional,
            });
        }
        Ok(self.place(token, Kind::Object(entries)))
    }

    fn call(&mut self, call: &ast::CallExpr, token: Span) -> Result<Node, Error> {
        match (&call.target, call.args.as_slice()) {
            (Some(target), _) => self.member_call(target, call, token),
            (None, [object, field]) if call.func_name == operators::OPT_SELECT => {
                let Expr::Literal(LiteralValue::String(name)) = &field.expr else {
                    return Err(self.error(ErrorKind::Syntax, token, "a field name is missing"));
                };
                let object = self.boxed(object)?;
                Ok(self.field(object, name.inner(), true, token))
            }
            (None, _) => match self.operator(call)? {
                Some(kind) => Ok(self.place(token, kind)),
                None => self.global_call(call, token),
            },
        }
    }

    /// The node of an operator, or nothing if the call is a call by name.
    fn operator(&mut self, call: &ast::CallExpr) -> Result<Option<Kind>, Error> {
        let arguments = call.args.as_slice();
        Ok(Some(match (call.func_name.as_str(), arguments) {
            (operators::LOGICAL_NOT, [operand]) => Kind::Not(self.boxed(operand)?),
            (operators::NEGATE, [operand]) => Kind::Negate(self.boxed(operand)?),
            (operators::LOGICAL_AND, [left, right]) => Kind::And(self.two(left, right)?),
            (operators::LOGICAL_OR, [left, right]) => Kind::Or(self.two(left, right)?),
            (operators::CONDITIONAL, [condition, first, second]) => Kind::Either(Box::new([
                self.node(condition)?,
                self.node(first)?,
                self.node(second)?,
            ])),
            (operators::INDEX, [object, index]) => self.index(object, index, false)?,
            (operators::OPT_INDEX, [object, index]) => self.index(object, index, true)?,
            (name, [left, right]) => match binary_operator(name) {
                Some(operator) => Kind::Binary(operator, self.two(left, right)?),
                None => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn two(&mut self, left: &IdedExpr, right: &IdedExpr) -> Result<Box<[Node; 2]>, Error> {
        Ok(Box::new([self.node(left)?, self.node(right)?]))
    }

    fn index(
        &mut self,
        object: &IdedExpr,
        index: &IdedExpr,
        optional: bool,
    ) -> Result<Kind, Error> {
        Ok(Kind::Index(Box::new(Index {
            object: self.node(object)?,
            index: self.node(index)?,
            optional,
        })))
    }

    fn global_call(&mut self, call: &ast::CallExpr, token: Span) -> Result<Node, Error> {
        let name = call.func_name.as_str();
        let at = self.word_before(token, name);
        match (name, call.args.as_slice()) {
            ("has", [field]) => self.has(field, at),
            ("success", []) => Ok(self.place(at, Kind::Outcome(OutcomeQuestion::Success))),
            ("failure", []) => Ok(self.place(at, Kind::Outcome(OutcomeQuestion::Failure))),
            ("always", []) => Ok(self.place(at, Kind::Outcome(OutcomeQuestion::Always))),
            ("matches", [text, pattern]) => self.matches(text, pattern, at),
            ("has" | "success" | "failure" | "always" | "matches", arguments) => {
                Err(self.wrong_count(name, arguments.len(), at))
            }
            (_, arguments) => {
                let function = self.function(Style::Global, name, at)?;
                let arguments = self.nodes(arguments)?;
                self.called(function, arguments, at)
            }
        }
    }

    fn has(&mut self, field: &IdedExpr, at: Span) -> Result<Node, Error> {
        let field = self.boxed(field)?;
        match &field.kind {
            Kind::Field(_) | Kind::Index(_) => Ok(self.place(at, Kind::Has(field))),
            _ => Err(self.error(
                ErrorKind::Syntax,
                at,
                "`has` takes a field, as in `has(inputs.region)`",
            )),
        }
    }

    fn member_call(
        &mut self,
        target: &IdedExpr,
        call: &ast::CallExpr,
        token: Span,
    ) -> Result<Node, Error> {
        let name = call.func_name.as_str();
        let at = self.word_before(token, name);
        if let Some(space) = self.namespace(target) {
            let full = format!("{space}.{name}");
            let at = Span::new(self.token(target.id).start, at.end);
            let function = self.function(Style::Namespaced, &full, at)?;
            let arguments = self.nodes(&call.args)?;
            return self.called(function, arguments, at);
        }
        if let Some(how) = loop_kind(name) {
            return self.each(how, target, call, at);
        }
        if name == "matches" {
            return match call.args.as_slice() {
                [pattern] => self.matches(target, pattern, at),
                arguments => Err(self.wrong_count(name, arguments.len(), at)),
            };
        }
        let function = self.function(Style::Member, name, at)?;
        let mut arguments = vec![self.node(target)?];
        for argument in &call.args {
            arguments.push(self.node(argument)?);
        }
        self.called(function, arguments, at)
    }

    /// The namespace that a call's target is, as `math` in `math.abs(x)`.
    fn namespace<'t>(&self, target: &'t IdedExpr) -> Option<&'t str> {
        match &target.expr {
            Expr::Ident(name)
                if functions::is_namespace(name) && !self.variables.contains(name) =>
            {
                Some(name)
            }
            _ => None,
        }
    }

    fn function(&self, style: Style, name: &str, at: Span) -> Result<&'static Function, Error> {
        functions::find(style, name).ok_or_else(|| {
            let error = self.error(
                ErrorKind::UnknownFunction,
                at,
                format!("there is no function `{name}`"),
            );
            error.suggesting(suggested_function(style, name))
        })
    }

    fn called(
        &self,
        function: &'static Function,
        arguments: Vec<Node>,
        at: Span,
    ) -> Result<Node, Error> {
        if function.takes_count(arguments.len()) {
            return Ok(self.place(at, Kind::Call(function, arguments)));
        }
        let receiver = usize::from(function.style == Style::Member);
        Err(self.wrong_count(function.name, arguments.len() - receiver, at))
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr, at: Span) -> Result<Node, Error> {
        let text = self.node(text)?;
        let pattern = self.node(pattern)?;
        let compiled = match &pattern.kind {
            Kind::Text(source) => Some(Pattern::compile(source).map_err(|fault| {
                let kind = match fault.kind {
                    ErrorKind::Failed => ErrorKind::Syntax,
                    kind => kind,
                };
                Error::new(kind, pattern.span, fault.message)
            })?),
            _ => None,
        };
        let matches = Matches {
            text,
            pattern,
            compiled,
        };
        Ok(self.place(at, Kind::Matches(Box::new(matches))))
    }

    fn each(
        &mut self,
        how: LoopKind,
        target: &IdedExpr,
        call: &ast::CallExpr,
        at: Span,
    ) -> Result<Node, Error> {
        let (variable, condition, body) = match (how, call.args.as_slice()) {
            (_, [variable, body]) => (variable, None, body),
            (LoopKind::Map, [variable, condition, body]) => (variable, Some(condition), body),
            (_, arguments) => return Err(self.wrong_count(how.name(), arguments.len(), at)),
        };
        let Expr::Ident(variable) = &variable.expr else {
            let message = format!(
                "`{name}` takes a name for its element first, as in `{name}(x, …)`",
                name = how.name()
            );
            return Err(self.error(ErrorKind::Syntax, self.token(variable.id), message));
        };
        let range = self.node(target)?;
        if self.variables.len() >= self.limits.comprehensions_max {
            let message = format!(
                "loops stand deeper than {} within one another",
                self.limits.comprehensions_max
            );
            return Err(self.error(ErrorKind::TooNested, at, message));
        }
        self.variables.push(variable.clone());
        let inner = self.inner(condition, body);
        self.variables.pop();
        let (condition, body) = inner?;
        let each = Loop {
            how,
            range,
            condition,
            body,
        };
        Ok(self.place(at, Kind::Loop(Box::new(each))))
    }

    fn inner(
        &mut self,
        condition: Option<&IdedExpr>,
        body: &IdedExpr,
    ) -> Result<(Option<Node>, Node), Error> {
        let condition = condition
            .map(|condition| self.node(condition))
            .transpose()?;
        Ok((condition, self.node(body)?))
    }

    fn wrong_count(&self, name: &str, given: usize, at: Span) -> Error {
        let arguments = if given == 1 { "argument" } else { "arguments" };
        let message = format!("`{name}` does not take {given} {arguments}");
        self.error(ErrorKind::WrongType, at, message)
    }

    fn place(&self, at: Span, kind: Kind) -> Node {
        Node {
            span: self.absolute(at),
            kind,
        }
    }

    fn error(&self, kind: ErrorKind, at: Span, message: impl Into<String>) -> Error {
        Error::new(kind, self.absolute(at), message)
    }

    fn absolute(&self, at: Span) -> Span {
        Span::new(self.base + at.start, self.base + at.end)
    }

    /// Where the token of a node stands, within the expression.
    fn token(&self, id: u64) -> Span {
        let (start, last) = self.info.offset_for(id).unwrap_or_default();
        let start = floor(self.text, start as usize);
        let end = floor(self.text, last as usize + 1).max(start);
        Span::new(start, end)
    }

    /// Where the field name stands that follows the dot at `token`.
    fn word_after(&self, token: Span, name: &str) -> Span {
        let rest = &self.text[token.end..];
        let skipped = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_whitespace() || "?`".contains(c))
                .len();
        let start = token.end + skipped;
        match self.text[start..].starts_with(name) {
            true => Span::new(start, start + name.len()),
            false => token,
        }
    }

    /// Where the function name stands that precedes the parenthesis at `token`.
    fn word_before(&self, token: Span, name: &str) -> Span {
        let before = self.text[..token.start].trim_end();
        match before.ends_with(name) {
            true => Span::new(before.len() - name.len(), before.len()),
            false => token,
        }
    }
}

/// The nearest character boundary at or before a position.
fn floor(text: &str, position: usize) -> usize {
    text.floor_char_boundary(position)
}

fn binary_operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Modulo,
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessOrEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterOrEqual,
        operators::IN => Operator::In,
        _ => return None,
    })
}

fn loop_kind(name: &str) -> Option<LoopKind> {
    Some(match name {
        "all" => LoopKind::All,
        "exists" => LoopKind::Exists,
        "exists_one" | "existsOne" => LoopKind::ExistsOne,
        "filter" => LoopKind::Filter,
        "map" => LoopKind::Map,
        "sortBy" => LoopKind::SortBy,
        _ => return None,
    })
}

/// What the function was probably meant to be: a slip of the pen, or the other way to call it.
fn suggested_function(style: Style, name: &str) -> Option<String> {
    const GLOBAL: [&str; 5] = ["has", "success", "failure", "always", "matches"];
    const MEMBER: [&str; 7] = [
        "all",
        "exists",
        "exists_one",
        "filter",
        "map",
        "sortBy",
        "matches",
    ];
    let others: &[&str] = match style {
        Style::Global => &GLOBAL,
        Style::Member => &MEMBER,
        Style::Namespaced => return suggested_in_namespace(name),
    };
    if style == Style::Global && functions::find(Style::Member, name).is_some() {
        return Some(format!("value.{name}(…)"));
    }
    if style == Style::Member && functions::find(Style::Global, name).is_some() {
        return Some(format!("{name}(value)"));
    }
    closest(name, functions::names(style).chain(others.iter().copied()))
}

fn suggested_in_namespace(name: &str) -> Option<String> {
    match name {
        "math.max" => return Some("math.greatest".to_owned()),
        "math.min" => return Some("math.least".to_owned()),
        _ => (),
    }
    let (space, last) = name.split_once('.')?;
    let known = functions::names(Style::Namespaced)
        .filter_map(|known| known.split_once('.'))
        .filter(|(known_space, _)| *known_space == space)
        .map(|(_, known)| known);
    closest(last, known).map(|meant| format!("{space}.{meant}"))
}

/// Our words for what the parser could not read.
fn syntax_error(errors: &ParseErrors, text: &str, span: Span) -> Error {
    let Some(first) = errors.errors.first() else {
        return unreadable(span);
    };
    let start = position(text, first.pos).min(text.trim_end().len());
    let word = word_at(text, start);
    let at = Span::new(span.start + start, span.start + start + word.len().max(1));
    if errors
        .errors
        .iter()
        .any(|error| error.msg.contains("Recursion limit"))
    {
        return Error::new(
            ErrorKind::TooNested,
            at,
            "the expression is nested too deeply",
        );
    }
    let message = if first.msg.starts_with("reserved identifier") {
        format!("`{word}` is a reserved word")
    } else if first.msg.starts_with("invalid int") || first.msg.starts_with("invalid double") {
        "the number is too large".to_owned()
    } else if first.msg.starts_with("invalid string") || ["'", "\""].contains(&word) {
        // The scanner found the end of every string, so it is what is inside.
        "the string holds an invalid escape".to_owned()
    } else if word.is_empty() {
        "the expression ends too early".to_owned()
    } else {
        format!("`{word}` is not expected here")
    };
    Error::new(ErrorKind::Syntax, at, message)
}

fn unreadable(span: Span) -> Error {
    Error::new(ErrorKind::Syntax, span, "the expression cannot be read")
}

/// The byte position of a line and column, both counted from one.
fn position(text: &str, (line, column): (isize, isize)) -> usize {
    let lines_before = usize::try_from(line - 1).unwrap_or(0);
    let letters_before = usize::try_from(column - 1).unwrap_or(0);
    let line_start: usize = text
        .split_inclusive('\n')
        .take(lines_before)
        .map(str::len)
        .sum();
    let line = &text[line_start..];
    line.char_indices()
        .nth(letters_before)
        .map_or(text.len(), |(offset, _)| line_start + offset)
}

/// The name, number or sign at a position, to name it in a message.
fn word_at(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else {
        return "";
    };
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let length = match is_word(first) {
        true => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
        false => first.len_utf8(),
    };
    &rest[..length]
}
