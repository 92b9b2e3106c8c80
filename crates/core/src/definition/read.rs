//! From text to documents: YAML or JSON, within limits, nothing duplicated, nothing hidden.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{
    DuplicateKeyPolicy, MergeKeyPolicy, MessageFormatter, NonFiniteFloatPolicy, budget,
};

use super::fault::{shortened, shortened_to};

/// The longest text that is read, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most values in one text.
const NODES_MAX: usize = 150_000;
/// The deepest nesting of lists and objects.
pub(crate) const NESTING_MAX: usize = 64;
/// The most documents in one text.
const DOCUMENTS_MAX: usize = 1_000;

/// Why a text could not be read, with line and column where they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) place: Option<(u32, u32)>,
    /// Whether it is not even written in the notation it was taken for.
    is_syntax: bool,
}

impl Unreadable {
    fn new(message: impl Into<String>) -> Self {
        Unreadable {
            message: message.into(),
            place: None,
            is_syntax: false,
        }
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Yaml,
    /// One JSON value per text.
    Json,
    /// One JSON list of documents.
    JsonList,
}

/// The documents of a text, in order, and how they are written.
pub(crate) fn documents(text: &str) -> Result<(Notation, Vec<Value>), Unreadable> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "the text has {} bytes and is limited to {TEXT_BYTES_MAX}",
            text.len()
        );
        return Err(Unreadable::new(message));
    }
    match text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .as_bytes()
        .first()
    {
        Some(b'{' | b'[') => match json(text) {
            Ok(Value::Array(documents)) => Ok((Notation::JsonList, documents)),
            Ok(other) => Ok((Notation::Json, vec![other])),
            // YAML may start with a brace too.
            Err(unreadable) if unreadable.is_syntax => match yaml(text) {
                Ok(documents) => Ok((Notation::Yaml, documents)),
                Err(_) => Err(unreadable),
            },
            Err(unreadable) => Err(unreadable),
        },
        _ => yaml(text).map(|documents| (Notation::Yaml, documents)),
    }
}

fn yaml(text: &str) -> Result<Vec<Value>, Unreadable> {
    let options = serde_saphyr::options! {
        budget: budget! {
            max_nodes: NODES_MAX,
            max_events: NODES_MAX * 3,
            max_depth: NESTING_MAX,
            max_documents: DOCUMENTS_MAX,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: NODES_MAX,
            max_recorded_anchor_bytes: TEXT_BYTES_MAX,
            max_total_scalar_bytes: TEXT_BYTES_MAX,
        },
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 1_000,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options::<Value>(text, options)
        .map_err(|error| yaml_error(&error))
}

/// What is wrong with a YAML text, and where.
fn yaml_error(error: &serde_saphyr::Error) -> Unreadable {
    let error = error.without_snippet();
    let place = error
        .location()
        .map(|location| (number(location.line()), number(location.column())));
    Unreadable {
        message: yaml_message(error),
        place: place.filter(|(line, _)| *line > 0),
        is_syntax: true,
    }
}

/// What is wrong with a YAML text, in our words where the parser's speak of its settings.
fn yaml_message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    use serde_saphyr::budget::BudgetBreach;
    match error {
        E::AliasError { error, .. } => yaml_message(error),
        E::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the field `{}` is there twice", shortened(key))
        }
        E::DuplicateMappingKey { key: None, .. } => "a field is there twice".to_owned(),
        E::MergeKeyNotAllowed { .. } => {
            "merge keys (`<<`) are not supported: write the fields out".to_owned()
        }
        E::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => {
                format!("lists and objects are nested deeper than {NESTING_MAX}")
            }
            BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
                format!("there are more than {NODES_MAX} values")
            }
            BudgetBreach::Documents { .. } => {
                format!("there are more than {DOCUMENTS_MAX} documents")
            }
            _ => "anchors and aliases unfold to too much".to_owned(),
        },
        E::AliasReplayLimitExceeded { .. }
        | E::AliasExpansionLimitExceeded { .. }
        | E::AliasReplayStackDepthExceeded { .. } => {
            "anchors and aliases unfold to too much".to_owned()
        }
        E::NonFiniteFloat { value, .. } => {
            format!("`{value}` is not a finite number; quote it if it is a text")
        }
        other => {
            let text = serde_saphyr::UserMessageFormatter.format_message(other);
            let text = text.lines().next().unwrap_or_default();
            // The scanner looks ahead and has a limit of its own, which it does not tell apart from bad syntax.
            match text.contains("recursion limit") {
                true => format!("lists and objects are nested deeper than {NESTING_MAX}"),
                false => format!("this is not valid YAML: {}", shortened_to(text, 200)),
            }
        }
    }
}

/// One value given in passing, as on a command line: JSON, or YAML if it is none.
pub(crate) fn json_or_yaml(text: &str) -> Result<Value, String> {
    if let Ok(value) = json(text) {
        return Ok(value);
    }
    let values = yaml(text).map_err(|unreadable| unreadable.message)?;
    Ok(values.into_iter().next().unwrap_or_default())
}

fn number(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

/// One JSON value, with duplicate fields and too much of anything refused.
pub(crate) fn json(text: &str) -> Result<Value, Unreadable> {
    let nodes_left = Cell::new(NODES_MAX);
    let strict = Strict {
        nodes_left: &nodes_left,
        nesting_left: NESTING_MAX,
    };
    let mut reader = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let value = strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let position = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        let text = text.strip_suffix(&position).unwrap_or(&text);
        let is_syntax = error.classify() != serde_json::error::Category::Data;
        let message = match is_syntax {
            true => format!("this is not valid JSON: {text}"),
            false => text.to_owned(),
        };
        let place = (number(error.line()), number(error.column()));
        Unreadable {
            message,
            place: (place.0 > 0).then_some((place.0, place.1.max(1))),
            is_syntax,
        }
    })
}

/// Reads any value; keeps count of how many there are and how deep they are nested.
#[derive(Clone, Copy)]
struct Strict<'a> {
    nodes_left: &'a Cell<usize>,
    nesting_left: usize,
}

impl Strict<'_> {
    fn below<E: de::Error>(self) -> Result<Self, E> {
        match self.nesting_left.checked_sub(1) {
            Some(nesting_left) => Ok(Strict {
                nesting_left,
                ..self
            }),
            None => Err(E::custom(format!(
                "lists and objects are nested deeper than {NESTING_MAX}"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.nodes_left.get().checked_sub(1) {
            Some(left) => self.nodes_left.set(left),
            None => {
                return Err(de::Error::custom(format!(
                    "there are more than {NODES_MAX} values"
                )));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number is not finite"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(below)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if fields.contains_key(&name) {
                return Err(de::Error::custom(format!(
                    "the field `{}` is there twice",
                    shortened(&name)
                )));
            }
            fields.insert(name, access.next_value_seed(below)?);
        }
        Ok(Value::Object(fields))
    }
}
