//! Functions over strings; positions count characters from zero.

use super::{
    Function, Gives, Takes, count, global, list, member, piece, position, requiring, reverse, size,
    text, whole,
};
use crate::meter::{Fault, Meter};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    global("size", &[Takes::Sized], Gives::Number, size),
    member("size", &[Takes::Sized], Gives::Number, size),
    member("reverse", &[Takes::Sequence], Gives::First, reverse),
    global("string", &[Takes::Scalar], Gives::Text, string),
    global("bool", &[Takes::Scalar], Gives::Boolean, boolean),
    global("dyn", &[Takes::Any], Gives::Any, same),
    member(
        "contains",
        &[Takes::Text, Takes::Text],
        Gives::Boolean,
        contains,
    ),
    member(
        "startsWith",
        &[Takes::Text, Takes::Text],
        Gives::Boolean,
        starts_with,
    ),
    member(
        "endsWith",
        &[Takes::Text, Takes::Text],
        Gives::Boolean,
        ends_with,
    ),
    member("lowerAscii", &[Takes::Text], Gives::Text, lower_ascii),
    member("upperAscii", &[Takes::Text], Gives::Text, upper_ascii),
    member("trim", &[Takes::Text], Gives::Text, trim),
    member(
        "charAt",
        &[Takes::Text, Takes::Number],
        Gives::Text,
        char_at,
    ),
    requiring(
        2,
        member(
            "indexOf",
            &[Takes::Text, Takes::Text, Takes::Number],
            Gives::Number,
            index_of,
        ),
    ),
    requiring(
        2,
        member(
            "lastIndexOf",
            &[Takes::Text, Takes::Text, Takes::Number],
            Gives::Number,
            last_index_of,
        ),
    ),
    requiring(
        3,
        member(
            "replace",
            &[Takes::Text, Takes::Text, Takes::Text, Takes::Number],
            Gives::Text,
            replace,
        ),
    ),
    requiring(
        2,
        member(
            "split",
            &[Takes::Text, Takes::Text, Takes::Number],
            Gives::Texts,
            split,
        ),
    ),
    requiring(
        2,
        member(
            "substring",
            &[Takes::Text, Takes::Number, Takes::Number],
            Gives::Text,
            substring,
        ),
    ),
    requiring(
        1,
        member("join", &[Takes::List, Takes::Text], Gives::Text, join),
    ),
];

fn same<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(arguments[0].clone())
}

fn string<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        value @ Value::Text(_) => Ok(value.clone()),
        value => {
            let text = value.scalar_text().ok_or_else(super::unfit)?;
            piece(meter, &text)
        }
    }
}

fn boolean<'v>(_meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match &arguments[0] {
        Value::Boolean(value) => Ok(Value::Boolean(*value)),
        Value::Text(text) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Boolean(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Boolean(false)),
            _ => Err(Fault::failed("the text is neither `true` nor `false`")),
        },
        value => Err(Fault::wrong_type(format!(
            "`bool` takes a string or a boolean, not {}",
            value.kind()
        ))),
    }
}

fn contains<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, sought) = (text(arguments, 0)?, text(arguments, 1)?);
    meter.read_text(text.len())?;
    Ok(Value::Boolean(text.contains(sought)))
}

fn starts_with<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, start) = (text(arguments, 0)?, text(arguments, 1)?);
    meter.read_text(start.len())?;
    Ok(Value::Boolean(text.starts_with(start)))
}

fn ends_with<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, end) = (text(arguments, 0)?, text(arguments, 1)?);
    meter.read_text(end.len())?;
    Ok(Value::Boolean(text.ends_with(end)))
}

fn lower_ascii<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let text = text(arguments, 0)?;
    meter.make_text(text.len())?;
    Ok(Value::text(text.to_ascii_lowercase()))
}

fn upper_ascii<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let text = text(arguments, 0)?;
    meter.make_text(text.len())?;
    Ok(Value::text(text.to_ascii_uppercase()))
}

fn trim<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    piece(meter, text(arguments, 0)?.trim())
}

fn char_at<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, at) = (text(arguments, 0)?, position(arguments, 1)?);
    let start = byte_at(meter, text, at)?;
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    piece(meter, &text[start..start + length])
}

fn substring<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let text = text(arguments, 0)?;
    let start = byte_at(meter, text, position(arguments, 1)?)?;
    let end = match arguments.len() {
        2 => text.len(),
        _ => byte_at(meter, text, position(arguments, 2)?)?,
    };
    match text.get(start..end) {
        Some(part) => piece(meter, part),
        None => Err(Fault::failed("the position is outside the text")),
    }
}

fn index_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, sought) = (text(arguments, 0)?, text(arguments, 1)?);
    let start = match arguments.len() {
        2 => 0,
        _ => byte_at(meter, text, position(arguments, 2)?)?,
    };
    meter.read_text(text.len())?;
    Ok(match text[start..].find(sought) {
        Some(found) => count(text[..start + found].chars().count()),
        None => Value::Int(-1),
    })
}

fn last_index_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, sought) = (text(arguments, 0)?, text(arguments, 1)?);
    meter.read_text(text.len())?;
    let end = match arguments.len() {
        2 => text.len(),
        // The last match may begin at the position, and so ends where it ends.
        _ => (byte_at(meter, text, position(arguments, 2)?)? + sought.len()).min(text.len()),
    };
    let within = &text[..text.floor_char_boundary(end)];
    Ok(match within.rfind(sought) {
        Some(found) => count(text[..found].chars().count()),
        None => Value::Int(-1),
    })
}

fn replace<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, old, new) = (
        text(arguments, 0)?,
        text(arguments, 1)?,
        text(arguments, 2)?,
    );
    let most = limit(arguments, 3)?;
    meter.read_text(text.len())?;
    let times = text.matches(old).count().min(most);
    // Paid before it is made: the result may be far longer than the text.
    let removed = times.saturating_mul(old.len());
    let added = times.saturating_mul(new.len());
    meter.make_text((text.len() - removed).saturating_add(added))?;
    Ok(Value::text(text.replacen(old, new, most)))
}

fn split<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, separator) = (text(arguments, 0)?, text(arguments, 1)?);
    let most = limit(arguments, 2)?;
    let mut parts = Vec::new();
    if separator.is_empty() {
        let mut rest = text;
        while let Some(first) = rest.chars().next().filter(|_| parts.len() < most) {
            let length = match parts.len() + 1 == most {
                true => rest.len(),
                false => first.len_utf8(),
            };
            meter.make_elements(1)?;
            parts.push(piece(meter, &rest[..length])?);
            rest = &rest[length..];
        }
    } else {
        for part in text.splitn(most, separator) {
            meter.make_elements(1)?;
            parts.push(piece(meter, part)?);
        }
    }
    Ok(Value::list(parts))
}

fn join<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let parts = list(arguments, 0)?;
    let separator = match arguments.len() {
        1 => "",
        _ => text(arguments, 1)?,
    };
    let mut joined = String::new();
    for (position, part) in parts.iter().enumerate() {
        let Value::Text(part) = part else {
            return Err(Fault::wrong_type(format!(
                "`join` takes a list of strings, and one element is {}",
                part.kind()
            )));
        };
        let separator = if position == 0 { "" } else { separator };
        meter.make_text(separator.len() + part.len())?;
        meter.fit(joined.len() + separator.len() + part.len())?;
        joined.push_str(separator);
        joined.push_str(&part);
    }
    Ok(Value::text(joined))
}

/// An argument that says how many; none or a negative one is no limit.
fn limit(arguments: &[Value<'_>], position: usize) -> Result<usize, Fault> {
    match arguments.get(position) {
        Some(_) => Ok(usize::try_from(whole(arguments, position)?).unwrap_or(usize::MAX)),
        None => Ok(usize::MAX),
    }
}

/// The byte position of a character, or of the end.
fn byte_at(meter: &mut Meter, text: &str, position: usize) -> Result<usize, Fault> {
    meter.read_text(text.len().min(position))?;
    text.char_indices()
        .map(|(offset, _)| offset)
        .chain([text.len()])
        .nth(position)
        .ok_or_else(|| Fault::failed("the position is outside the text"))
}
