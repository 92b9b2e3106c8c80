//! Functions over timestamps and durations.

use super::{Function, Gives, Run, Takes, global, member, requiring, text, unfit};
use crate::meter::{Fault, Meter};
use crate::time::{Duration, Part, Timestamp};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    global("timestamp", &[Takes::Scalar], Gives::Any, timestamp),
    global("duration", &[Takes::Scalar], Gives::Any, duration),
    part("getFullYear", |_, arguments| get(Part::FullYear, arguments)),
    part("getMonth", |_, arguments| get(Part::Month, arguments)),
    part("getDate", |_, arguments| get(Part::Date, arguments)),
    part("getDayOfMonth", |_, arguments| {
        get(Part::DayOfMonth, arguments)
    }),
    part("getDayOfWeek", |_, arguments| {
        get(Part::DayOfWeek, arguments)
    }),
    part("getDayOfYear", |_, arguments| {
        get(Part::DayOfYear, arguments)
    }),
    part("getHours", |_, arguments| get(Part::Hours, arguments)),
    part("getMinutes", |_, arguments| get(Part::Minutes, arguments)),
    part("getSeconds", |_, arguments| get(Part::Seconds, arguments)),
    part("getMilliseconds", |_, arguments| {
        get(Part::Milliseconds, arguments)
    }),
];

const fn part(name: &'static str, run: Run) -> Function {
    requiring(
        1,
        member(name, &[Takes::Time, Takes::Text], Gives::Number, run),
    )
}

fn timestamp<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Timestamp(timestamp) => Ok(Value::Timestamp(*timestamp)),
        Value::Text(text) => Timestamp::parse(text).map(Value::Timestamp),
        Value::Int(seconds) => Timestamp::from_seconds(*seconds).map(Value::Timestamp),
        value => Err(Fault::wrong_type(format!(
            "`timestamp` does not take {}",
            value.kind()
        ))),
    }
}

fn duration<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Duration(duration) => Ok(Value::Duration(*duration)),
        Value::Text(text) => Duration::parse(text).map(Value::Duration),
        value => Err(Fault::wrong_type(format!(
            "`duration` does not take {}",
            value.kind()
        ))),
    }
}

fn get<'v>(part: Part, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Timestamp(timestamp) => {
            let zone = match arguments.len() {
                1 => None,
                _ => Some(text(arguments, 1)?),
            };
            timestamp.part(part, zone).map(Value::Int)
        }
        Value::Duration(duration) => match duration.part(part) {
            Some(count) if arguments.len() == 1 => Ok(Value::Int(count)),
            Some(_) => Err(Fault::wrong_type("a duration has no time zone")),
            None => Err(Fault::wrong_type("a duration has no date")),
        },
        _ => Err(unfit()),
    }
}
