//! Functions over numbers.

use std::cmp::Ordering;

use super::{Function, Gives, Takes, global, namespaced, unfit};
use crate::meter::{Fault, Meter};
use crate::time::Timestamp;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    global("int", &[Takes::Scalar], Gives::Number, int),
    global("double", &[Takes::Scalar], Gives::Number, double),
    open_ended(namespaced(
        "math.greatest",
        &[Takes::Any],
        Gives::Number,
        greatest,
    )),
    open_ended(namespaced(
        "math.least",
        &[Takes::Any],
        Gives::Number,
        least,
    )),
    namespaced("math.abs", &[Takes::Number], Gives::Number, abs),
    namespaced("math.ceil", &[Takes::Number], Gives::Number, ceil),
    namespaced("math.floor", &[Takes::Number], Gives::Number, floor),
    namespaced("math.round", &[Takes::Number], Gives::Number, round),
    namespaced("math.trunc", &[Takes::Number], Gives::Number, trunc),
    namespaced("math.sign", &[Takes::Number], Gives::Number, sign),
    namespaced("math.isNaN", &[Takes::Number], Gives::Boolean, is_nan),
    namespaced("math.isInf", &[Takes::Number], Gives::Boolean, is_infinite),
    namespaced("math.isFinite", &[Takes::Number], Gives::Boolean, is_finite),
];

const fn open_ended(function: Function) -> Function {
    Function {
        open_ended: true,
        ..function
    }
}

fn int<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Double(value) => to_whole(*value),
        Value::Timestamp(timestamp) => Ok(Value::Int(Timestamp::seconds(*timestamp))),
        Value::Text(text) => text
            .parse()
            .map(Value::Int)
            .map_err(|_| Fault::failed("the text is no whole number")),
        value => Err(no_number("int", value)),
    }
}

fn to_whole<'v>(value: f64) -> Result<Value<'v>, Fault> {
    // The bounds are the powers of two that a double holds exactly.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value > -LIMIT && value < LIMIT {
        true => Ok(Value::Int(value.trunc() as i64)),
        false => Err(Fault::failed("the number is out of range")),
    }
}

fn double<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Double(value) => Ok(Value::Double(*value)),
        Value::Text(text) => text
            .parse()
            .map(Value::Double)
            .map_err(|_| Fault::failed("the text is no number")),
        value => Err(no_number("double", value)),
    }
}

fn no_number(function: &str, value: &Value<'_>) -> Fault {
    Fault::wrong_type(format!("`{function}` does not take {}", value.kind()))
}

fn greatest<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    extreme(meter, arguments, Ordering::Greater)
}

fn least<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    extreme(meter, arguments, Ordering::Less)
}

/// The outermost of the numbers given, or of those in the one list given.
fn extreme<'v>(
    meter: &mut Meter,
    arguments: &[Value<'v>],
    wanted: Ordering,
) -> Result<Value<'v>, Fault> {
    let numbers: Vec<Value<'v>> = match arguments {
        [Value::List(list)] => {
            meter.make_elements(list.len())?;
            list.iter().collect()
        }
        numbers => numbers.to_vec(),
    };
    let mut best: Option<Value<'v>> = None;
    for number in numbers {
        if !matches!(number, Value::Int(_) | Value::Double(_)) {
            return Err(Fault::wrong_type(format!(
                "only numbers have a greatest and a least, not {}",
                number.kind()
            )));
        }
        let is_better = best
            .as_ref()
            .is_none_or(|best| number.order(best) == Some(wanted));
        if is_better {
            best = Some(number);
        }
    }
    best.ok_or_else(|| Fault::failed("an empty list has no greatest and no least"))
}

fn abs<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments[0] {
        Value::Int(value) => value
            .checked_abs()
            .map(Value::Int)
            .ok_or_else(|| Fault::failed("the number is out of range")),
        Value::Double(value) => Ok(Value::Double(value.abs())),
        _ => Err(unfit()),
    }
}

fn ceil<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    rounded(&arguments[0], f64::ceil)
}

fn floor<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    rounded(&arguments[0], f64::floor)
}

fn round<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    rounded(&arguments[0], f64::round)
}

fn trunc<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    rounded(&arguments[0], f64::trunc)
}

fn rounded<'v>(value: &Value<'v>, how: fn(f64) -> f64) -> Result<Value<'v>, Fault> {
    match value {
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Double(value) => Ok(Value::Double(how(*value))),
        _ => Err(unfit()),
    }
}

fn sign<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments[0] {
        Value::Int(value) => Ok(Value::Int(value.signum())),
        Value::Double(value) if value == 0.0 || value.is_nan() => Ok(Value::Double(value)),
        Value::Double(value) => Ok(Value::Double(value.signum())),
        _ => Err(unfit()),
    }
}

fn is_nan<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Boolean(
        matches!(arguments[0], Value::Double(value) if value.is_nan()),
    ))
}

fn is_infinite<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Boolean(
        matches!(arguments[0], Value::Double(value) if value.is_infinite()),
    ))
}

fn is_finite<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Boolean(
        !matches!(arguments[0], Value::Double(value) if !value.is_finite()),
    ))
}
