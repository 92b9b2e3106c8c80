//! Functions over lists.

use std::cmp::Ordering;

use super::{Function, Gives, Takes, list, member, namespaced, position, requiring, unfit, whole};
use crate::meter::{Fault, Meter};
use crate::value::{List, Value};

pub(super) const TABLE: &[Function] = &[
    member("distinct", &[Takes::List], Gives::First, distinct),
    member("sort", &[Takes::List], Gives::First, sort),
    member(
        "slice",
        &[Takes::List, Takes::Number, Takes::Number],
        Gives::First,
        slice,
    ),
    requiring(
        1,
        member(
            "flatten",
            &[Takes::List, Takes::Number],
            Gives::List,
            flatten,
        ),
    ),
    namespaced("lists.range", &[Takes::Number], Gives::Numbers, range),
];

fn distinct<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let mut kept: Vec<Value<'v>> = Vec::new();
    'elements: for element in list(arguments, 0)?.iter() {
        meter.make_elements(1)?;
        for other in &kept {
            if element.equals(other, meter)? {
                continue 'elements;
            }
        }
        kept.push(element);
    }
    Ok(Value::list(kept))
}

fn sort<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let list = list(arguments, 0)?;
    meter.make_elements(list.len())?;
    let pairs = list.iter().map(|element| (element.clone(), element));
    sort_by_key(meter, pairs.collect())
}

/// The values in the order of their keys; equal keys keep their order.
pub(crate) fn sort_by_key<'v>(
    meter: &mut Meter,
    mut pairs: Vec<(Value<'v>, Value<'v>)>,
) -> Result<Value<'v>, Fault> {
    let first = pairs.first().map(|(key, _)| key.clone());
    if let Some(first) = first {
        for (key, _) in &pairs {
            if let Value::Text(text) = key {
                meter.make_text(text.len())?;
            }
            if !key.is_ordered_with(&first) {
                return Err(Fault::wrong_type(format!(
                    "{} and {} cannot be put in order",
                    first.kind(),
                    key.kind()
                )));
            }
        }
    }
    meter.make_elements(pairs.len().saturating_mul(bits(pairs.len())))?;
    pairs.sort_by(|(one, _), (two, _)| one.order(two).unwrap_or(Ordering::Equal));
    Ok(Value::list(
        pairs.into_iter().map(|(_, value)| value).collect(),
    ))
}

/// How often a count can be halved: the comparisons of each element in a sort.
fn bits(count: usize) -> usize {
    (usize::BITS - count.leading_zeros()) as usize
}

fn slice<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let list = list(arguments, 0)?;
    let (start, end) = (position(arguments, 1)?, position(arguments, 2)?);
    if start > end || end > list.len() {
        return Err(Fault::failed("the position is outside the list"));
    }
    meter.make_elements(end - start)?;
    Ok(Value::list(
        (start..end)
            .filter_map(|position| list.get(position))
            .collect(),
    ))
}

fn flatten<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let levels = match arguments.len() {
        1 => 1,
        _ => position(arguments, 1)?,
    };
    let mut flat = Vec::new();
    flatten_into(meter, list(arguments, 0)?, levels, &mut flat)?;
    Ok(Value::list(flat))
}

fn flatten_into<'v>(
    meter: &mut Meter,
    list: &List<'v>,
    levels: usize,
    flat: &mut Vec<Value<'v>>,
) -> Result<(), Fault> {
    for element in list.iter() {
        meter.make_elements(1)?;
        match &element {
            Value::List(inner) if levels > 0 => {
                meter.deeper(|meter| flatten_into(meter, inner, levels - 1, flat))?;
            }
            _ => flat.push(element),
        }
    }
    Ok(())
}

fn range<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let end = whole(arguments, 0)?.max(0);
    meter.make_elements(usize::try_from(end).map_err(|_| unfit())?)?;
    Ok(Value::list((0..end).map(Value::Int).collect()))
}
