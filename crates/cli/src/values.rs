//! `name=value` as people type it, made into values of the declared types.
//!
//! The declaration decides; where there is none, a text that is unmistakably JSON is taken as JSON.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;

/// Declared types by name: `string`, `number`, `boolean`, `list`, `object`, …
pub(crate) type Types = BTreeMap<String, String>;

/// Reads `k=v` (by type), `k:=JSON` and `k=@FILE`, one after the other.
pub(crate) fn parse_pairs(
    pairs: &[String],
    types: &Types,
) -> Result<BTreeMap<String, Value>, Failure> {
    pairs.iter().map(|pair| parse_pair(pair, types)).collect()
}

fn parse_pair(pair: &str, types: &Types) -> Result<(String, Value), Failure> {
    let (name, text) = pair.split_once('=').ok_or_else(|| {
        Failure::usage(format!("`{pair}` does not have the form `name=value`"))
            .hint("`name:=JSON` gives a value of any type, `name=@FILE` reads a text from a file")
    })?;
    if let Some(name) = name.strip_suffix(':') {
        let value = serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("`{name}` is not JSON: {error}")))?;
        return Ok((name.to_owned(), value));
    }
    if name.is_empty() {
        return Err(Failure::usage(format!(
            "`{pair}` has no name before the `=`"
        )));
    }
    let declared = types.get(name).map(String::as_str);
    let value = match text.strip_prefix('@') {
        Some(file) => typed(read_text(Path::new(file))?.trim_end_matches('\n'), declared),
        None => typed(text, declared),
    };
    Ok((name.to_owned(), value))
}

/// A text as a value of its declared type; what does not fit stays text, and the server says what is wrong.
fn typed(text: &str, declared: Option<&str>) -> Value {
    let json = || serde_json::from_str::<Value>(text).ok();
    let fitting = match declared {
        None => json().filter(|value| !value.is_number() || is_written(value, text)),
        Some("number") => json().filter(Value::is_number),
        Some("boolean") => json().filter(Value::is_boolean),
        Some("object") => json().filter(Value::is_object),
        Some("list") => json().filter(Value::is_array).or_else(|| Some(words(text))),
        Some(_) => None,
    };
    fitting.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Whether the value would be written just so; `1.10` and `007` are versions or codes rather than numbers.
fn is_written(value: &Value, text: &str) -> bool {
    serde_json::to_string(value).is_ok_and(|written| written == text)
}

/// A list written as words with commas between them.
fn words(text: &str) -> Value {
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    Value::Array(words.map(|word| Value::String(word.to_owned())).collect())
}

/// Reads a file with one object, YAML or JSON; `-` is standard input.
pub(crate) fn read_object(path: &Path) -> Result<BTreeMap<String, Value>, Failure> {
    serde_saphyr::from_str(&read_text(path)?)
        .map_err(|error| Failure::error(format!("`{}`: {error}", path.display())))
}

/// Reads a text file; `-` is standard input.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
        .map_err(|error| Failure::error(format!("`{}`: {error}", path.display())))
}

/// Reads labels `k=v` and tags `k:v`; a plain tag is a key without a value.
pub(crate) fn parse_labels(labels: &[String]) -> BTreeMap<String, String> {
    let pair = |label: &String| match label.split_once(['=', ':']) {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (label.clone(), String::new()),
    };
    labels.iter().map(pair).collect()
}

/// The types that a process declares for its inputs.
pub(crate) fn declared_types(spec: &Value) -> Types {
    let declarations = spec["inputs"].as_array().into_iter().flatten();
    declarations
        .filter_map(|declaration| {
            Some((
                declaration["name"].as_str()?.to_owned(),
                declaration["type"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// The type of a value, in the words of a declaration.
pub(crate) fn type_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    })
}

/// A value on one line: text as it is, everything else as JSON.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => crate::output::plain(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn types() -> Types {
        [
            ("version", "string"),
            ("replicas", "number"),
            ("services", "list"),
            ("fast", "boolean"),
        ]
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .into()
    }

    fn read(pair: &str) -> Value {
        parse_pair(pair, &types()).expect("a pair").1
    }

    #[test]
    fn the_declared_type_decides_what_a_text_means() {
        assert_eq!(read("version=1.10"), json!("1.10"));
        assert_eq!(read("version=7"), json!("7"));
        assert_eq!(read("replicas=7"), json!(7));
        assert_eq!(read("fast=true"), json!(true));
        assert_eq!(read("services=a,b"), json!(["a", "b"]));
        assert_eq!(read(r#"services=["a"]"#), json!(["a"]));
    }

    #[test]
    fn what_does_not_fit_its_type_is_left_for_the_server_to_refuse() {
        assert_eq!(read("replicas=many"), json!("many"));
    }

    #[test]
    fn without_a_declaration_only_unmistakable_json_is_json() {
        assert_eq!(read("other=3"), json!(3));
        assert_eq!(read("other=1.10"), json!("1.10"));
        assert_eq!(read("other=007"), json!("007"));
        assert_eq!(read("other=plain words"), json!("plain words"));
        assert_eq!(read(r#"other:={"a":1}"#), json!({"a": 1}));
    }

    #[test]
    fn a_pair_without_a_name_or_a_sign_is_a_usage_error() {
        for pair in ["novalue", "=x"] {
            let failure = parse_pair(pair, &types()).expect_err("no pair");
            assert_eq!(failure.exit(), crate::failure::Exit::Usage);
        }
    }
}
