//! Values while an expression is evaluated: views into the JSON given, or made on the way.
//!
//! Whole JSON numbers are `Int`, others `Double`; the two compare and mix by their mathematical
//! value. Objects are walked in the order of their keys, whatever order they were written in.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use crate::meter::{Fault, Meter};
use crate::time::{Duration, Timestamp};

#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    Null,
    Boolean(bool),
    Int(i64),
    Double(f64),
    Text(Text<'v>),
    List(List<'v>),
    Object(Object<'v>),
    Optional(Option<Rc<Value<'v>>>),
    Timestamp(Timestamp),
    Duration(Duration),
}

#[derive(Clone, Debug)]
pub(crate) enum Text<'v> {
    Given(&'v str),
    Made(Rc<str>),
}

#[derive(Clone, Debug)]
pub(crate) enum List<'v> {
    Given(&'v [Json]),
    Made(Rc<Vec<Value<'v>>>),
}

#[derive(Clone, Debug)]
pub(crate) enum Object<'v> {
    Given(&'v Map<String, Json>),
    Made(Rc<BTreeMap<String, Value<'v>>>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Given(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl<'v> List<'v> {
    pub(crate) fn len(&self) -> usize {
        match self {
            List::Given(elements) => elements.len(),
            List::Made(elements) => elements.len(),
        }
    }

    pub(crate) fn get(&self, position: usize) -> Option<Value<'v>> {
        match self {
            List::Given(elements) => elements.get(position).map(Value::given),
            List::Made(elements) => elements.get(position).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value<'v>> + '_ {
        (0..self.len()).filter_map(|position| self.get(position))
    }
}

impl<'v> Object<'v> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Object::Given(fields) => fields.len(),
            Object::Made(fields) => fields.len(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value<'v>> {
        match self {
            Object::Given(fields) => fields.get(name).map(Value::given),
            Object::Made(fields) => fields.get(name).cloned(),
        }
    }

    /// The keys in alphabetical order.
    pub(crate) fn keys(&self) -> Vec<Text<'v>> {
        match self {
            Object::Given(fields) => {
                let mut keys: Vec<&'v str> = fields.keys().map(String::as_str).collect();
                keys.sort_unstable();
                keys.into_iter().map(Text::Given).collect()
            }
            Object::Made(fields) => fields
                .keys()
                .map(|key| Text::Made(key.as_str().into()))
                .collect(),
        }
    }
}

impl<'v> Value<'v> {
    /// A view of a JSON value.
    pub(crate) fn given(json: &'v Json) -> Value<'v> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Boolean(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(Text::Given(text)),
            Json::Array(elements) => Value::List(List::Given(elements)),
            Json::Object(fields) => Value::Object(Object::Given(fields)),
        }
    }

    pub(crate) fn text(text: impl Into<Rc<str>>) -> Value<'v> {
        Value::Text(Text::Made(text.into()))
    }

    pub(crate) fn list(elements: Vec<Value<'v>>) -> Value<'v> {
        Value::List(List::Made(Rc::new(elements)))
    }

    pub(crate) fn object(fields: BTreeMap<String, Value<'v>>) -> Value<'v> {
        Value::Object(Object::Made(Rc::new(fields)))
    }

    pub(crate) fn some(value: Value<'v>) -> Value<'v> {
        Value::Optional(Some(Rc::new(value)))
    }

    /// What kind of value it is, in words for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "a boolean",
            Value::Int(_) | Value::Double(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
            Value::Optional(_) => "an optional value",
            Value::Timestamp(_) => "a timestamp",
            Value::Duration(_) => "a duration",
        }
    }

    /// The value as JSON, paying for what it takes.
    pub(crate) fn to_json(&self, meter: &mut Meter) -> Result<Json, Fault> {
        let mut size = 0;
        self.write(meter, &mut size)
    }

    fn write(&self, meter: &mut Meter, size: &mut usize) -> Result<Json, Fault> {
        *size = size.saturating_add(JSON_VALUE_BYTES);
        meter.fit(*size)?;
        meter.spend(1)?;
        match self {
            Value::Null | Value::Optional(None) => Ok(Json::Null),
            Value::Boolean(value) => Ok(Json::Bool(*value)),
            Value::Int(value) => Ok(Json::from(*value)),
            Value::Double(value) => match Number::from_f64(*value) {
                Some(number) => Ok(Json::Number(number)),
                None => Err(Fault::failed("the result is no finite number")),
            },
            Value::Text(text) => {
                *size = size.saturating_add(text.len());
                meter.fit(*size)?;
                meter.make_text(text.len())?;
                Ok(Json::String(text.to_string()))
            }
            Value::Timestamp(timestamp) => Ok(Json::String(timestamp.to_string())),
            Value::Duration(duration) => Ok(Json::String(duration.to_string())),
            Value::Optional(Some(value)) => meter.deeper(|meter| value.write(meter, size)),
            Value::List(list) => meter.deeper(|meter| {
                list.iter()
                    .map(|element| element.write(meter, size))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Json::Array)
            }),
            Value::Object(object) => meter.deeper(|meter| {
                meter.make_elements(object.len())?;
                let mut fields = Map::new();
                for key in object.keys() {
                    let Some(value) = object.get(&key) else {
                        continue;
                    };
                    *size = size.saturating_add(key.len());
                    fields.insert(key.to_string(), value.write(meter, size)?);
                }
                Ok(Json::Object(fields))
            }),
        }
    }

    /// Whether two values are the same, paying for the comparison.
    pub(crate) fn equals(&self, other: &Value<'_>, meter: &mut Meter) -> Result<bool, Fault> {
        meter.spend(1)?;
        Ok(match (self, other) {
            (Value::Text(one), Value::Text(two)) => {
                meter.read_text(one.len().min(two.len()))?;
                **one == **two
            }
            (Value::List(one), Value::List(two)) => {
                one.len() == two.len() && meter.deeper(|meter| lists_equal(one, two, meter))?
            }
            (Value::Object(one), Value::Object(two)) => {
                one.len() == two.len() && meter.deeper(|meter| objects_equal(one, two, meter))?
            }
            (Value::Optional(Some(one)), Value::Optional(Some(two))) => {
                meter.deeper(|meter| one.equals(two, meter))?
            }
            (Value::Optional(None), Value::Optional(None)) => true,
            _ => self.order(other) == Some(Ordering::Equal),
        })
    }

    /// How two scalars of one kind compare; nothing for others, and for what is no number.
    pub(crate) fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, Value::Null) => Some(Ordering::Equal),
            (Value::Boolean(one), Value::Boolean(two)) => Some(one.cmp(two)),
            (Value::Int(one), Value::Int(two)) => Some(one.cmp(two)),
            (Value::Double(one), Value::Double(two)) => one.partial_cmp(two),
            (Value::Int(one), Value::Double(two)) => order_mixed(*one, *two),
            (Value::Double(one), Value::Int(two)) => order_mixed(*two, *one).map(Ordering::reverse),
            (Value::Text(one), Value::Text(two)) => Some((**one).cmp(two)),
            (Value::Timestamp(one), Value::Timestamp(two)) => Some(one.cmp(two)),
            (Value::Duration(one), Value::Duration(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    /// Whether `<` and the like take the two values.
    pub(crate) fn is_ordered_with(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => true,
            (Value::Null, _) => false,
            _ => self.order(other).is_some(),
        }
    }

    /// The text of a scalar, as it stands between other text; nothing for other values.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        Some(match self {
            Value::Boolean(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Double(value) => double_text(*value),
            Value::Text(text) => text.to_string(),
            Value::Timestamp(timestamp) => timestamp.to_string(),
            Value::Duration(duration) => duration.to_string(),
            Value::Null | Value::List(_) | Value::Object(_) | Value::Optional(_) => return None,
        })
    }
}

/// What a JSON value counts for in a result, besides its text.
const JSON_VALUE_BYTES: usize = 8;

fn lists_equal(one: &List<'_>, two: &List<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    for (one, two) in one.iter().zip(two.iter()) {
        if !one.equals(&two, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn objects_equal(one: &Object<'_>, two: &Object<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    meter.make_elements(one.len())?;
    for key in one.keys() {
        let (Some(one), Some(two)) = (one.get(&key), two.get(&key)) else {
            return Ok(false);
        };
        if !one.equals(&two, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares by mathematical value, exactly even where a double cannot hold the whole number.
fn order_mixed(whole: i64, double: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        None
    } else if double >= LIMIT {
        Some(Ordering::Less)
    } else if double < -LIMIT {
        Some(Ordering::Greater)
    } else {
        let floor = double.floor();
        let fraction_above = double > floor;
        Some(whole.cmp(&(floor as i64)).then(if fraction_above {
            Ordering::Less
        } else {
            Ordering::Equal
        }))
    }
}

/// The shortest text that reads back as the same number.
fn double_text(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-5..1e21).contains(&size) || !value.is_finite() {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}
