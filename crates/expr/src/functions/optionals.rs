//! Functions over values that may be absent.

use super::{Function, Gives, Takes, member, namespaced, unfit};
use crate::meter::{Fault, Meter};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    member("hasValue", &[Takes::Optional], Gives::Boolean, has_value),
    member("value", &[Takes::Optional], Gives::Inner, value),
    member("or", &[Takes::Optional, Takes::Optional], Gives::First, or),
    member(
        "orValue",
        &[Takes::Optional, Takes::Any],
        Gives::InnerOrSecond,
        or_value,
    ),
    namespaced("optional.of", &[Takes::Any], Gives::OptionalFirst, of),
    namespaced(
        "optional.ofNonZeroValue",
        &[Takes::Any],
        Gives::OptionalFirst,
        of_non_zero,
    ),
    namespaced("optional.none", &[], Gives::OptionalAny, none),
];

fn has_value<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Boolean(matches!(
        arguments[0],
        Value::Optional(Some(_))
    )))
}

fn value<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Optional(Some(value)) => Ok((**value).clone()),
        _ => Err(Fault::missing("the optional has no value")),
    }
}

fn or<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Optional(None) => Ok(arguments[1].clone()),
        some => Ok(some.clone()),
    }
}

fn or_value<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Optional(Some(value)) => Ok((**value).clone()),
        Value::Optional(None) => Ok(arguments[1].clone()),
        _ => Err(unfit()),
    }
}

fn of<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::some(arguments[0].clone()))
}

fn of_non_zero<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let is_zero = match &arguments[0] {
        Value::Null | Value::Boolean(false) | Value::Int(0) => true,
        Value::Double(value) => *value == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.len() == 0,
        Value::Object(object) => object.len() == 0,
        _ => false,
    };
    match is_zero {
        true => Ok(Value::Optional(None)),
        false => Ok(Value::some(arguments[0].clone())),
    }
}

fn none<'v>(_meter: &mut Meter, _arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Optional(None))
}
