//! What the operators do with values.

use crate::meter::{Fault, Meter};
use crate::syntax::Operator;
use crate::value::{List, Text, Value};

pub(crate) fn not(operand: Value<'_>) -> Result<Value<'_>, Fault> {
    match operand {
        Value::Boolean(value) => Ok(Value::Boolean(!value)),
        other => Err(Fault::wrong_type(format!(
            "`!` takes a boolean, not {}",
            other.kind()
        ))),
    }
}

pub(crate) fn negate(operand: Value<'_>) -> Result<Value<'_>, Fault> {
    match operand {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(overflow),
        Value::Double(value) => Ok(Value::Double(-value)),
        other => Err(Fault::wrong_type(format!(
            "`-` takes a number, not {}",
            other.kind()
        ))),
    }
}

pub(crate) fn binary<'v>(
    operator: Operator,
    left: Value<'v>,
    right: Value<'v>,
    meter: &mut Meter,
) -> Result<Value<'v>, Fault> {
    match operator {
        Operator::Equal => left.equals(&right, meter).map(Value::Boolean),
        Operator::NotEqual => left.equals(&right, meter).map(|same| Value::Boolean(!same)),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            ordered(operator, &left, &right, meter)
        }
        Operator::In => contains(&left, &right, meter),
        Operator::Add => add(left, right, meter),
        Operator::Subtract => subtract(left, right),
        Operator::Multiply | Operator::Divide | Operator::Modulo => {
            arithmetic(operator, left, right)
        }
    }
}

fn ordered<'v>(
    operator: Operator,
    left: &Value<'_>,
    right: &Value<'_>,
    meter: &mut Meter,
) -> Result<Value<'v>, Fault> {
    if let (Value::Text(left), Value::Text(right)) = (left, right) {
        meter.read_text(left.len().min(right.len()))?;
    }
    if !left.is_ordered_with(right) {
        return Err(unfit(operator, left, right));
    }
    // What is no number has no order: every comparison with it is false.
    let order = left.order(right);
    Ok(Value::Boolean(order.is_some_and(|order| match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })))
}

fn contains<'v>(
    sought: &Value<'_>,
    within: &Value<'_>,
    meter: &mut Meter,
) -> Result<Value<'v>, Fault> {
    match (sought, within) {
        (sought, Value::List(list)) => {
            for element in list.iter() {
                if sought.equals(&element, meter)? {
                    return Ok(Value::Boolean(true));
                }
            }
            Ok(Value::Boolean(false))
        }
        (Value::Text(name), Value::Object(object)) => {
            Ok(Value::Boolean(object.get(name).is_some()))
        }
        (_, Value::Object(_)) => Ok(Value::Boolean(false)),
        (_, other) => Err(Fault::wrong_type(format!(
            "`in` takes a list or an object after it, not {}",
            other.kind()
        ))),
    }
}

fn add<'v>(left: Value<'v>, right: Value<'v>, meter: &mut Meter) -> Result<Value<'v>, Fault> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => concatenate(&left, &right, meter),
        (Value::List(left), Value::List(right)) => append(&left, &right, meter),
        (Value::Timestamp(moment), Value::Duration(duration))
        | (Value::Duration(duration), Value::Timestamp(moment)) => {
            moment.plus(duration).map(Value::Timestamp)
        }
        (Value::Duration(left), Value::Duration(right)) => left.plus(right).map(Value::Duration),
        (left, right) => arithmetic(Operator::Add, left, right),
    }
}

fn concatenate<'v>(left: &str, right: &str, meter: &mut Meter) -> Result<Value<'v>, Fault> {
    let length = left.len().saturating_add(right.len());
    meter.make_text(length)?;
    let mut text = String::with_capacity(length);
    text.push_str(left);
    text.push_str(right);
    Ok(Value::Text(Text::Made(text.into())))
}

fn append<'v>(left: &List<'v>, right: &List<'v>, meter: &mut Meter) -> Result<Value<'v>, Fault> {
    meter.make_elements(left.len().saturating_add(right.len()))?;
    Ok(Value::list(left.iter().chain(right.iter()).collect()))
}

fn subtract<'v>(left: Value<'v>, right: Value<'v>) -> Result<Value<'v>, Fault> {
    match (left, right) {
        (Value::Timestamp(later), Value::Timestamp(earlier)) => {
            Ok(Value::Duration(later.since(earlier)))
        }
        (Value::Timestamp(moment), Value::Duration(duration)) => {
            moment.minus(duration).map(Value::Timestamp)
        }
        (Value::Duration(left), Value::Duration(right)) => left.minus(right).map(Value::Duration),
        (left, right) => arithmetic(Operator::Subtract, left, right),
    }
}

/// Whole numbers stay whole and never wrap; one decimal number makes the result decimal.
fn arithmetic<'v>(
    operator: Operator,
    left: Value<'v>,
    right: Value<'v>,
) -> Result<Value<'v>, Fault> {
    match (&left, &right) {
        (Value::Int(left), Value::Int(right)) => whole(operator, *left, *right).map(Value::Int),
        (Value::Int(left), Value::Double(right)) => decimal(operator, *left as f64, *right),
        (Value::Double(left), Value::Int(right)) => decimal(operator, *left, *right as f64),
        (Value::Double(left), Value::Double(right)) => decimal(operator, *left, *right),
        _ => Err(unfit(operator, &left, &right)),
    }
}

fn whole(operator: Operator, left: i64, right: i64) -> Result<i64, Fault> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide if right == 0 => return Err(Fault::failed("a division by zero")),
        Operator::Divide => left.checked_div(right),
        _ if right == 0 => return Err(Fault::failed("a division by zero")),
        _ => left.checked_rem(right),
    };
    result.ok_or_else(overflow)
}

fn decimal<'v>(operator: Operator, left: f64, right: f64) -> Result<Value<'v>, Fault> {
    match operator {
        Operator::Add => Ok(Value::Double(left + right)),
        Operator::Subtract => Ok(Value::Double(left - right)),
        Operator::Multiply => Ok(Value::Double(left * right)),
        Operator::Divide => Ok(Value::Double(left / right)),
        _ => Err(Fault::wrong_type("`%` takes whole numbers")),
    }
}

fn unfit(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Fault {
    Fault::wrong_type(format!(
        "`{}` does not take {} and {}",
        operator.sign(),
        left.kind(),
        right.kind()
    ))
}

fn overflow() -> Fault {
    Fault::failed("the number is out of range")
}
