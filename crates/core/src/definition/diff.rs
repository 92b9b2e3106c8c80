//! What differs between two values, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use super::fault::At;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Where, for example `phases[0].activities[1].timeout`; empty for the value as a whole.
    pub path: String,
    /// What was there; none if it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there; none if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// The differences from an old to a new value, in the order of fields and elements.
///
/// Elements of lists that carry an `id` or a `name` are compared with their namesakes, so that an insertion
/// shows as one new element rather than as a change of everything after it.
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(old, new, &At::ROOT, &mut changes);
    changes
}

fn compare(old: &Value, new: &Value, at: &At<'_>, changes: &mut Vec<Change>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => compare_fields(old, new, at, changes),
        (Value::Array(old), Value::Array(new)) => compare_elements(old, new, at, changes),
        (old, new) if old == new => (),
        (old, new) => changes.push(change(at, Some(old), Some(new))),
    }
}

fn compare_fields(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    at: &At<'_>,
    changes: &mut Vec<Change>,
) {
    for (name, value) in old {
        let at = at.key(name);
        match new.get(name) {
            Some(new) => compare(value, new, &at, changes),
            None => changes.push(change(&at, Some(value), None)),
        }
    }
    for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        changes.push(change(&at.key(name), None, Some(value)));
    }
}

/// Paths of what is gone count in the old list, all others in the new one.
fn compare_elements(old: &[Value], new: &[Value], at: &At<'_>, changes: &mut Vec<Change>) {
    let named = old
        .iter()
        .chain(new)
        .all(|element| title(element).is_some());
    let partner = |index: usize, element: &Value, others: &[Value]| match named {
        true => others
            .iter()
            .position(|other| title(other) == title(element)),
        false => (index < others.len()).then_some(index),
    };
    for (index, element) in old.iter().enumerate() {
        if partner(index, element, new).is_none() {
            changes.push(change(&at.index(index), Some(element), None));
        }
    }
    let mut order = Vec::new();
    for (index, element) in new.iter().enumerate() {
        let at = at.index(index);
        match partner(index, element, old) {
            Some(before) => {
                order.push(before);
                compare(&old[before], element, &at, changes);
            }
            None => changes.push(change(&at, None, Some(element))),
        }
    }
    if !order.is_sorted() {
        let titles = |elements: &[Value]| {
            elements
                .iter()
                .filter_map(title)
                .map(Value::from)
                .collect::<Value>()
        };
        let (old, new) = (titles(old), titles(new));
        changes.push(change(at, Some(&old), Some(&new)));
    }
}

fn title(element: &Value) -> Option<&str> {
    element.get("id").or_else(|| element.get("name"))?.as_str()
}

fn change(at: &At<'_>, old: Option<&Value>, new: Option<&Value>) -> Change {
    Change {
        path: at.path().to_string(),
        old: old.cloned(),
        new: new.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(old: Value, new: Value) -> Vec<String> {
        let text = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
        let changes = diff(&old, &new).into_iter();
        changes
            .map(|change| {
                format!(
                    "{}: {} → {}",
                    change.path,
                    text(change.old),
                    text(change.new)
                )
            })
            .collect()
    }

    #[test]
    fn equal_values_do_not_differ() {
        assert!(differences(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]})).is_empty());
    }

    #[test]
    fn fields_come_go_and_change() {
        assert_eq!(
            differences(
                json!({"a": 1, "b": 2, "c": {"d": 3}}),
                json!({"b": 2, "c": {"d": 4}, "e": 5})
            ),
            ["a: 1 → -", "c.d: 3 → 4", "e: - → 5"],
        );
    }

    #[test]
    fn an_inserted_phase_is_one_change() {
        let phase = |id: &str, name: &str| json!({"id": id, "name": name});
        assert_eq!(
            differences(
                json!({"phases": [phase("build", "Build"), phase("deploy", "Deploy")]}),
                json!({"phases": [phase("build", "Build"), phase("test", "Test"), phase("deploy", "Ship")]}),
            ),
            [
                r#"phases[1]: - → {"id":"test","name":"Test"}"#,
                r#"phases[2].name: "Deploy" → "Ship""#,
            ],
        );
    }

    #[test]
    fn a_new_order_is_told_by_the_names() {
        assert_eq!(
            differences(
                json!([{"id": "a"}, {"id": "b"}]),
                json!([{"id": "b"}, {"id": "a"}])
            ),
            [r#": ["a","b"] → ["b","a"]"#],
        );
    }

    #[test]
    fn plain_elements_are_compared_by_position() {
        assert_eq!(
            differences(json!([1, 2, 3]), json!([1, 5])),
            ["[2]: 3 → -", "[1]: 2 → 5"]
        );
    }
}
