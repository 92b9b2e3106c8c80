//! Documents as YAML, with fields in the order people write them.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Fields that come first, in this order; all others follow by name.
const ORDER: [&str; 42] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "id",
    "name",
    "organization",
    "title",
    "type",
    "description",
    "uses",
    "process",
    "inputs",
    "rules",
    "variables",
    "values",
    "allowPartialSuccess",
    "decisionDeadline",
    "holds",
    "dependsOn",
    "when",
    "owners",
    "importance",
    "forEach",
    "maxParallel",
    "day",
    "time",
    "then",
    "opens",
    "closes",
    "gates",
    "activities",
    "with",
    "outputs",
    "deploys",
    "timeout",
    "retry",
    "onFailure",
    "onUnknown",
    "mayRetry",
    "mayIgnore",
    "runbook",
];

/// A document as YAML text.
pub(crate) fn yaml(document: &Value) -> String {
    serde_saphyr::to_string(&InOrder(document))
        .expect("JSON values have text keys and finite numbers")
}

struct InOrder<'a>(&'a Value);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    list.serialize_element(&InOrder(element))?;
                }
                list.end()
            }
            Value::Object(fields) => {
                let rank = |name: &str| {
                    ORDER
                        .iter()
                        .position(|known| *known == name)
                        .unwrap_or(ORDER.len())
                };
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by_key(|(name, _)| (rank(name), *name));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (name, field) in sorted {
                    map.serialize_entry(name, &InOrder(field))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}
