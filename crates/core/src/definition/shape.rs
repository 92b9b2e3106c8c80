//! Shapes: JSON Schemas of our own types in a form that is quick to walk, to find everything wrong at once.
//!
//! Strict deserialization would stop at the first mistake and could not say where it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};
use trainmaster_expr::{Condition, Type};

use super::fault::{At, Faults, closest, one_of, shortened};
use crate::calendar::schedule::Moment;
use crate::duration::{Duration, time_of_day};
use crate::ids::{Name, Owner, SecretName};
use crate::inputs::FIELDS_DEPTH_MAX;

/// What a value must look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Any,
    Null,
    Boolean,
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Number,
    Text {
        format: Option<Format>,
        length_max: Option<usize>,
    },
    Words(Vec<String>),
    List {
        element: Box<Shape>,
        length_min: usize,
    },
    Object(Box<Fields>),
    Either(Vec<Shape>),
}

/// What an object must look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fields {
    known: BTreeMap<String, Shape>,
    required: Vec<String>,
    /// What other fields must look like; none refuses them.
    rest: Option<Shape>,
}

/// What a text must be, beyond a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Name,
    Owner,
    Secret,
    Duration,
    Time,
    Date,
    Moment,
    Instant,
    Condition,
}

/// Deeper nesting of our own schemas means that a type contains itself, which a shape cannot say.
const SCHEMA_NESTING_MAX: usize = 32;

impl Shape {
    /// The shape of a schema that schemars made; references are looked up in its `$defs`.
    pub(crate) fn of(schema: &Value) -> Shape {
        let definitions = schema.get("$defs").and_then(Value::as_object);
        read(schema, definitions.unwrap_or(&Map::new()), 0, &[])
    }
}

/// Reads a schema; `open` names the definitions that it stands in.
///
/// A type that contains itself is read as often as fields of objects may nest, and then lets everything pass:
/// what lies deeper is refused by the declaration's own check.
fn read(schema: &Value, definitions: &Map<String, Value>, depth: usize, open: &[&str]) -> Shape {
    assert!(
        depth < SCHEMA_NESTING_MAX,
        "no type of a definition contains itself"
    );
    let Some(schema) = schema.as_object() else {
        return Shape::Any;
    };
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.trim_start_matches("#/$defs/");
        if open.iter().filter(|known| **known == name).count() > FIELDS_DEPTH_MAX {
            return Shape::Any;
        }
        let target = definitions
            .get(name)
            .expect("schemars defines what it refers to");
        let open = [open, &[name]].concat();
        return read(target, definitions, depth + 1, &open);
    }
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Shape::Words(vec![word.to_owned()]);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let shapes = choices
                .iter()
                .map(|choice| read(choice, definitions, depth + 1, open));
            return either(shapes.collect());
        }
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let mut shapes = vec![Shape::Words(texts(words))];
        if words.contains(&Value::Null) {
            shapes.push(Shape::Null);
        }
        return either(shapes);
    }
    match schema.get("type") {
        Some(Value::String(kind)) => of_kind(kind, schema, definitions, depth, open),
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            either(
                kinds
                    .map(|kind| of_kind(kind, schema, definitions, depth, open))
                    .collect(),
            )
        }
        _ => Shape::Any,
    }
}

fn of_kind(
    kind: &str,
    schema: &Map<String, Value>,
    definitions: &Map<String, Value>,
    depth: usize,
    open: &[&str],
) -> Shape {
    let number = |key: &str| schema.get(key).and_then(Value::as_i64);
    let size = |key: &str| number(key).and_then(|size| usize::try_from(size).ok());
    let below = |schema: &Value| read(schema, definitions, depth + 1, open);
    match kind {
        "null" => Shape::Null,
        "boolean" => Shape::Boolean,
        "number" => Shape::Number,
        "integer" => {
            let unsigned_max = match schema.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(i64::from(u32::MAX)),
                _ => None,
            };
            Shape::Integer {
                min: number("minimum"),
                max: number("maximum").or(unsigned_max),
            }
        }
        "string" => Shape::Text {
            format: schema
                .get("format")
                .and_then(Value::as_str)
                .and_then(Format::of),
            length_max: size("maxLength"),
        },
        "array" => Shape::List {
            element: Box::new(schema.get("items").map_or(Shape::Any, below)),
            length_min: size("minItems").unwrap_or(0),
        },
        "object" => {
            let known = schema.get("properties").and_then(Value::as_object);
            let known = known.into_iter().flatten();
            let required = schema.get("required").and_then(Value::as_array);
            Shape::Object(Box::new(Fields {
                known: known
                    .map(|(name, schema)| (name.clone(), below(schema)))
                    .collect(),
                required: required.map(|names| texts(names)).unwrap_or_default(),
                rest: match schema.get("additionalProperties") {
                    Some(Value::Bool(false)) => None,
                    Some(rest) => Some(below(rest)),
                    None => Some(Shape::Any),
                },
            }))
        }
        _ => Shape::Any,
    }
}

fn texts(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// One shape of several, words put together.
fn either(shapes: Vec<Shape>) -> Shape {
    let mut words = Vec::new();
    let mut others = Vec::new();
    for shape in shapes {
        match shape {
            Shape::Words(more) => words.extend(more),
            Shape::Either(more) => others.extend(more),
            other => others.push(other),
        }
    }
    if !words.is_empty() {
        others.insert(0, Shape::Words(words));
    }
    match others.len() {
        1 => others.remove(0),
        _ => Shape::Either(others),
    }
}

impl Format {
    fn of(text: &str) -> Option<Format> {
        match text {
            "trainmaster-name" => Some(Format::Name),
            "trainmaster-owner" => Some(Format::Owner),
            "trainmaster-secret" => Some(Format::Secret),
            "trainmaster-duration" => Some(Format::Duration),
            "trainmaster-time" => Some(Format::Time),
            "trainmaster-date" => Some(Format::Date),
            "trainmaster-moment" => Some(Format::Moment),
            "trainmaster-condition" => Some(Format::Condition),
            "date-time" => Some(Format::Instant),
            _ => None,
        }
    }

    /// What is wrong with a text, and where in it.
    fn refusal(self, text: &str) -> Option<(Option<usize>, String, Option<String>)> {
        let whole = |message: String| Some((None, message, None));
        match self {
            Format::Name => whole(text.parse::<Name>().err()?.to_string()),
            Format::Owner => whole(text.parse::<Owner>().err()?.to_string()),
            Format::Secret => whole(text.parse::<SecretName>().err()?.to_string()),
            Format::Duration => whole(text.parse::<Duration>().err()?.to_string()),
            Format::Time => whole(time_of_day::parse(text).err()?),
            Format::Date => {
                if text.len() == 10 && text.parse::<Date>().is_ok() {
                    return None;
                }
                let text = shortened(text);
                whole(format!("`{text}` is not a day such as `2026-12-24`"))
            }
            Format::Moment => whole(text.parse::<Moment>().err()?.to_string()),
            Format::Instant => {
                text.parse::<Timestamp>().err()?;
                let text = shortened(text);
                whole(format!(
                    "`{text}` is not an instant such as `2026-12-24T12:00:00Z`"
                ))
            }
            Format::Condition => {
                let error = Condition::parse(text).err()?;
                Some((Some(error.offset), error.message, error.suggestion))
            }
        }
    }
}

/// Whether texts may hold `${…}`, and what their expressions give.
pub(crate) enum Expressions<'a> {
    /// They may not.
    None,
    /// They may; the function answers what a text gives, or none if it is wrong and has been reported.
    Typed(&'a dyn Fn(&str) -> Option<Type>),
}

/// Everything in which a value differs from a shape.
pub(crate) fn check(
    shape: &Shape,
    value: &Value,
    at: &At<'_>,
    expressions: &Expressions<'_>,
    faults: &mut Faults,
) {
    if let Value::String(text) = value
        && text.contains("${")
        && let Expressions::Typed(type_of) = expressions
    {
        return check_expression(shape, text, *type_of, at, faults);
    }
    match (shape, value) {
        (Shape::Any, _) | (Shape::Null, Value::Null) | (Shape::Boolean, Value::Bool(_)) => (),
        (Shape::Number, Value::Number(_)) => (),
        (Shape::Integer { min, max }, Value::Number(number)) => {
            check_integer(number, *min, *max, at, faults);
        }
        (Shape::Text { format, length_max }, Value::String(text)) => {
            check_text(text, *format, *length_max, at, faults);
        }
        (Shape::Words(words), Value::String(text)) => {
            let words = || words.iter().map(String::as_str);
            if !words().any(|word| word == text) {
                let message = format!("`{}` is not {}", shortened(text), one_of(words()));
                faults.suggest(at, message, closest(text, words()));
            }
        }
        (
            Shape::List {
                element,
                length_min,
            },
            Value::Array(elements),
        ) => {
            if elements.len() < *length_min {
                faults.add(at, "the list must not be empty");
            }
            for (index, value) in elements.iter().enumerate() {
                check(element, value, &at.index(index), expressions, faults);
            }
        }
        (Shape::Object(fields), Value::Object(object)) => {
            check_object(fields, object, at, expressions, faults);
        }
        (Shape::Either(shapes), _) => check_either(shapes, value, at, expressions, faults),
        _ => faults.add(at, mismatch(shape, value)),
    }
}

fn check_integer(
    number: &serde_json::Number,
    min: Option<i64>,
    max: Option<i64>,
    at: &At<'_>,
    faults: &mut Faults,
) {
    let whole = number
        .as_i64()
        .or_else(|| number.as_u64().map(|_| i64::MAX));
    let Some(whole) = whole else {
        return faults.add(at, format!("expected a whole number, found `{number}`"));
    };
    if min.is_some_and(|min| whole < min) || max.is_some_and(|max| whole > max) {
        let range = match (min, max) {
            (Some(min), Some(max)) => format!("from {min} to {max}"),
            (Some(min), None) => format!("of at least {min}"),
            (None, Some(max)) => format!("of at most {max}"),
            (None, None) => String::new(),
        };
        faults.add(
            at,
            format!("expected a whole number {range}, found `{number}`"),
        );
    }
}

fn check_text(
    text: &str,
    format: Option<Format>,
    length_max: Option<usize>,
    at: &At<'_>,
    faults: &mut Faults,
) {
    let length = text.chars().count();
    if let Some(max) = length_max.filter(|max| length > *max) {
        return faults.add(
            at,
            format!("the text is limited to {max} characters and has {length}"),
        );
    }
    let Some(format) = format else { return };
    if format != Format::Condition && text.contains("${") {
        return faults.add(at, "this field does not take `${…}`");
    }
    match format.refusal(text) {
        Some((Some(offset), message, suggestion)) => faults.within(at, offset, message, suggestion),
        Some((None, message, suggestion)) => faults.suggest(at, message, suggestion),
        None => (),
    }
}

fn check_object(
    fields: &Fields,
    object: &Map<String, Value>,
    at: &At<'_>,
    expressions: &Expressions<'_>,
    faults: &mut Faults,
) {
    let mut misspelt = Vec::new();
    for (name, value) in object {
        match fields.known.get(name).or(fields.rest.as_ref()) {
            Some(shape) => check(shape, value, &at.key(name), expressions, faults),
            None => {
                let known = || fields.known.keys().map(String::as_str);
                let suggestion = closest(name, known());
                let mut message = format!("unknown field `{}`", shortened(name));
                if suggestion.is_none() && fields.known.len() <= 12 {
                    message.push_str(&format!(", expected {}", one_of(known())));
                }
                misspelt.extend(suggestion.clone());
                faults.field(at, name, message, suggestion);
            }
        }
    }
    let given = |name: &String| object.contains_key(name) || misspelt.contains(name);
    for name in fields.required.iter().filter(|name| !given(name)) {
        faults.add(at, format!("missing field `{name}`"));
    }
}

fn check_either(
    shapes: &[Shape],
    value: &Value,
    at: &At<'_>,
    expressions: &Expressions<'_>,
    faults: &mut Faults,
) {
    let fits = |shape: &&Shape| {
        let mut found = Faults::default();
        check(shape, value, at, expressions, &mut found);
        found.count() == 0
    };
    if shapes.iter().any(|shape| fits(&shape)) {
        return;
    }
    let mut alike = shapes.iter().filter(|shape| is_alike(shape, value));
    match (alike.next(), alike.next()) {
        (Some(only), None) => check(only, value, at, expressions, faults),
        _ => faults.add(at, mismatch(&Shape::Either(shapes.to_vec()), value)),
    }
}

/// Whether a value is of the sort that a shape asks for, whatever its content.
fn is_alike(shape: &Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Any, _) => true,
        (Shape::Null, Value::Null) => true,
        (Shape::Boolean, Value::Bool(_)) => true,
        (Shape::Integer { .. } | Shape::Number, Value::Number(_)) => true,
        (Shape::Text { .. } | Shape::Words(_), Value::String(_)) => true,
        (Shape::List { .. }, Value::Array(_)) => true,
        (Shape::Object(_), Value::Object(_)) => true,
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| is_alike(shape, value)),
        _ => false,
    }
}

/// A text with `${…}` where settings may be computed.
fn check_expression(
    shape: &Shape,
    text: &str,
    type_of: &dyn Fn(&str) -> Option<Type>,
    at: &At<'_>,
    faults: &mut Faults,
) {
    if takes_condition(shape) && text.trim_start().starts_with("${") {
        return faults.add(
            at,
            "this condition is evaluated by the activity while it runs: write it bare, without `${…}`",
        );
    }
    let Some(given) = type_of(text) else { return };
    if !may_fit(shape, &given) {
        let hint = match (wants_text(shape), &given) {
            (true, Type::Number | Type::Boolean) => "; write `${string(…)}`",
            _ => "",
        };
        faults.add(
            at,
            format!(
                "expected {}, but the expression gives {}{hint}",
                words(shape),
                type_words(&given)
            ),
        );
    }
}

fn takes_condition(shape: &Shape) -> bool {
    match shape {
        Shape::Text { format, .. } => *format == Some(Format::Condition),
        Shape::Either(shapes) => shapes.iter().any(takes_condition),
        _ => false,
    }
}

fn wants_text(shape: &Shape) -> bool {
    match shape {
        Shape::Text { .. } => true,
        Shape::Either(shapes) => shapes.iter().any(wants_text),
        _ => false,
    }
}

/// Whether some value of a type may have the shape.
fn may_fit(shape: &Shape, given: &Type) -> bool {
    match (shape, given) {
        (Shape::Any, _) | (_, Type::Any) => true,
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| may_fit(shape, given)),
        (Shape::Null, Type::Null) | (Shape::Boolean, Type::Boolean) => true,
        (Shape::Integer { .. } | Shape::Number, Type::Number) => true,
        (Shape::Text { .. } | Shape::Words(_), Type::String) => true,
        (Shape::List { element, .. }, Type::List(given)) => may_fit(element, given),
        (Shape::Object(_), Type::Object { .. }) => true,
        _ => false,
    }
}

fn mismatch(shape: &Shape, value: &Value) -> String {
    let found = match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) => format!("the text `{}`", shortened(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    format!("expected {}, found {found}", words(shape))
}

/// A shape in words, for people.
fn words(shape: &Shape) -> String {
    match shape {
        Shape::Any => "any value".into(),
        Shape::Null => "nothing".into(),
        Shape::Boolean => "true or false".into(),
        Shape::Integer { .. } => "a whole number".into(),
        Shape::Number => "a number".into(),
        Shape::Text { format, .. } => match format {
            None => "a text".into(),
            Some(Format::Name) => "a name".into(),
            Some(Format::Owner) => "`user:NAME`, `team:NAME` or `role:NAME`".into(),
            Some(Format::Secret) => "the name of a secret".into(),
            Some(Format::Duration) => "a duration such as `30m`".into(),
            Some(Format::Time) => "a quoted time of day such as `\"09:00\"`".into(),
            Some(Format::Date) => "a day such as `2026-12-24`".into(),
            Some(Format::Moment) => "an instant or a local time such as `2026-12-24T18:00`".into(),
            Some(Format::Instant) => "an instant such as `2026-12-24T12:00:00Z`".into(),
            Some(Format::Condition) => "a condition".into(),
        },
        Shape::Words(known) => one_of(known.iter().map(String::as_str)),
        Shape::List { .. } => "a list".into(),
        Shape::Object(_) => "an object".into(),
        Shape::Either(shapes) => {
            let mut all: Vec<String> = Vec::new();
            for shape in shapes.iter().filter(|shape| **shape != Shape::Null) {
                let word = words(shape);
                if !all.contains(&word) {
                    all.push(word);
                }
            }
            all.join(" or ")
        }
    }
}

fn type_words(given: &Type) -> &'static str {
    match given {
        Type::Any => "any value",
        Type::Null => "nothing",
        Type::Boolean => "true or false",
        Type::Number => "a number",
        Type::String => "a text",
        Type::List(_) => "a list",
        Type::Object { .. } => "an object",
    }
}
