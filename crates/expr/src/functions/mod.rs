//! The functions an expression may call: a closed table, without clock, chance or host.
//!
//! Each row says how a function is called, what it takes and gives (for the check), and what
//! it does. Looping functions, `has`, `matches` and the outcome functions are syntax, not rows.

pub(crate) mod lists;
mod numbers;
mod optionals;
mod texts;
mod times;

use crate::meter::{Fault, Meter};
use crate::value::{List, Text, Value};

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `size(x)`
    Global,
    /// `x.size()`; `x` is the first argument.
    Member,
    /// `math.abs(x)`
    Namespaced,
}

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Any,
    Number,
    Text,
    List,
    /// A string, a list or an object.
    Sized,
    /// A string or a list.
    Sequence,
    /// A string, a number or a boolean, or a time, which the check does not know.
    Scalar,
    /// A timestamp or a duration.
    Time,
    Optional,
}

/// What a call gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    Any,
    Boolean,
    Number,
    Text,
    Texts,
    Numbers,
    List,
    /// The same as its first argument.
    First,
    /// An optional of its first argument.
    OptionalFirst,
    /// An optional of anything.
    OptionalAny,
    /// What the optional holds that is its first argument.
    Inner,
    /// What the optional holds that is its first argument, or its second argument.
    InnerOrSecond,
}

/// One row of the table.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    /// What it takes; the last entry stands for all further arguments if `open_ended`.
    pub(crate) takes: &'static [Takes],
    /// How many arguments it needs, the receiver included.
    pub(crate) required: usize,
    pub(crate) open_ended: bool,
    pub(crate) gives: Gives,
    pub(crate) run: Run,
}

/// What a function does with its arguments, which fit `takes`.
pub(crate) type Run = for<'v> fn(&mut Meter, &[Value<'v>]) -> Result<Value<'v>, Fault>;

impl Function {
    /// Whether it may be called with so many arguments, the receiver included.
    pub(crate) fn takes_count(&self, count: usize) -> bool {
        count >= self.required && (self.open_ended || count <= self.takes.len())
    }

    /// What the argument at a position must be.
    pub(crate) fn takes_at(&self, position: usize) -> Takes {
        let last = self.takes.last().copied().unwrap_or(Takes::Any);
        self.takes.get(position).copied().unwrap_or(last)
    }

    /// Why the arguments do not fit, with the position of the first that does not.
    pub(crate) fn mismatch(&self, arguments: &[Value<'_>]) -> Option<(usize, Fault)> {
        arguments.iter().enumerate().find_map(|(position, value)| {
            let takes = self.takes_at(position);
            let fault = || {
                Fault::wrong_type(format!(
                    "`{}` takes {} here, not {}",
                    self.name,
                    takes.words(),
                    value.kind()
                ))
            };
            (!takes.admits(value)).then(|| (position, fault()))
        })
    }
}

impl Takes {
    fn admits(self, value: &Value<'_>) -> bool {
        match self {
            Takes::Any => true,
            Takes::Number => matches!(value, Value::Int(_) | Value::Double(_)),
            Takes::Text => matches!(value, Value::Text(_)),
            Takes::List => matches!(value, Value::List(_)),
            Takes::Sized => matches!(value, Value::Text(_) | Value::List(_) | Value::Object(_)),
            Takes::Sequence => matches!(value, Value::Text(_) | Value::List(_)),
            Takes::Scalar => !matches!(
                value,
                Value::Null | Value::List(_) | Value::Object(_) | Value::Optional(_)
            ),
            Takes::Time => matches!(value, Value::Timestamp(_) | Value::Duration(_)),
            Takes::Optional => matches!(value, Value::Optional(_)),
        }
    }

    /// What it is in words, for a message.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Takes::Any => "any value",
            Takes::Number => "a number",
            Takes::Text => "a string",
            Takes::List => "a list",
            Takes::Sized => "a string, a list or an object",
            Takes::Sequence => "a string or a list",
            Takes::Scalar => "a string, a number or a boolean",
            Takes::Time => "a timestamp or a duration",
            Takes::Optional => "an optional value",
        }
    }
}

/// The function of that name, called that way.
pub(crate) fn find(style: Style, name: &str) -> Option<&'static Function> {
    all().find(|function| function.style == style && function.name == name)
}

/// The names of all functions called that way, each once.
pub(crate) fn names(style: Style) -> impl Iterator<Item = &'static str> {
    all()
        .filter(move |function| function.style == style)
        .map(|function| function.name)
}

/// Whether a name is the first part of namespaced functions.
pub(crate) fn is_namespace(name: &str) -> bool {
    matches!(name, "lists" | "math" | "optional")
}

fn all() -> impl Iterator<Item = &'static Function> {
    [
        texts::TABLE,
        lists::TABLE,
        numbers::TABLE,
        optionals::TABLE,
        times::TABLE,
    ]
    .into_iter()
    .flatten()
}

const fn global(name: &'static str, takes: &'static [Takes], gives: Gives, run: Run) -> Function {
    Function {
        name,
        style: Style::Global,
        takes,
        required: takes.len(),
        open_ended: false,
        gives,
        run,
    }
}

const fn member(name: &'static str, takes: &'static [Takes], gives: Gives, run: Run) -> Function {
    Function {
        style: Style::Member,
        ..global(name, takes, gives, run)
    }
}

const fn namespaced(
    name: &'static str,
    takes: &'static [Takes],
    gives: Gives,
    run: Run,
) -> Function {
    Function {
        style: Style::Namespaced,
        ..global(name, takes, gives, run)
    }
}

/// The same function with its last arguments left to choice.
const fn requiring(required: usize, function: Function) -> Function {
    Function {
        required,
        ..function
    }
}

fn text<'a>(arguments: &'a [Value<'_>], position: usize) -> Result<&'a str, Fault> {
    match arguments.get(position) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(unfit()),
    }
}

fn list<'a, 'v>(arguments: &'a [Value<'v>], position: usize) -> Result<&'a List<'v>, Fault> {
    match arguments.get(position) {
        Some(Value::List(list)) => Ok(list),
        _ => Err(unfit()),
    }
}

fn whole(arguments: &[Value<'_>], position: usize) -> Result<i64, Fault> {
    match arguments.get(position) {
        Some(Value::Int(whole)) => Ok(*whole),
        Some(Value::Double(_)) => Err(Fault::wrong_type("a whole number is needed")),
        _ => Err(unfit()),
    }
}

/// A position in a text or list; negative ones are outside.
fn position(arguments: &[Value<'_>], position: usize) -> Result<usize, Fault> {
    usize::try_from(whole(arguments, position)?)
        .map_err(|_| Fault::failed("the position is outside"))
}

fn unfit() -> Fault {
    Fault::wrong_type("the argument is of another type")
}

fn size<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let size = match &arguments[0] {
        Value::Text(text) => {
            meter.read_text(text.len())?;
            text.chars().count()
        }
        Value::List(list) => list.len(),
        Value::Object(object) => object.len(),
        _ => return Err(unfit()),
    };
    Ok(count(size))
}

fn reverse<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Text(text) => {
            meter.make_text(text.len())?;
            Ok(Value::text(text.chars().rev().collect::<String>()))
        }
        Value::List(list) => {
            meter.make_elements(list.len())?;
            let mut elements: Vec<_> = list.iter().collect();
            elements.reverse();
            Ok(Value::list(elements))
        }
        _ => Err(unfit()),
    }
}

fn count<'v>(count: usize) -> Value<'v> {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A copy that outlives the argument it was taken from.
fn piece<'v>(meter: &mut Meter, piece: &str) -> Result<Value<'v>, Fault> {
    meter.make_text(piece.len())?;
    Ok(Value::Text(Text::Made(piece.into())))
}
