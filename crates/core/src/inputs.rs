//! Declared inputs: what may be asked, what a value must look like, and which of several values counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::InputRule;
use crate::rejection::FieldProblem;
use crate::release::{InputValue, Origin};

/// Something that is asked, with its type and constraints (1-model.md, Process).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputDeclaration {
    /// Its name in expressions: a letter or `_`, then letters, digits and `_`; at most 63 characters.
    pub name: String,
    /// What kind of value it takes.
    #[serde(default, rename = "type")]
    pub input_type: InputType,
    /// Whether a value must be given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The value when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The only values it takes; for a list, the only values of its elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Value>>,
    /// A regular expression that a text must match somewhere; anchor it with `^` and `$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The smallest number or duration, or the shortest text or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The largest number or duration, or the longest text or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// For a list: the type of its elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<InputType>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// What kind of value an input takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InputType {
    /// Text.
    #[default]
    String,
    /// A whole or a decimal number.
    Number,
    /// True or false.
    Boolean,
    /// Elements in order.
    List,
    /// Named fields.
    Object,
    /// A length of time such as `1h30m`.
    Duration,
    /// The name of a service.
    Service,
    /// The name of an environment.
    Environment,
    /// The name of a user.
    User,
    /// The name of a team.
    Team,
}

impl InputDeclaration {
    /// Checks a value against type and constraints and answers it normalised, or what is wrong and what would be right.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        Ok(value.clone())
    }

    /// Reads a value written as plain text, as after `--input name=`.
    pub fn from_text(&self, text: &str) -> Result<Value, String> {
        Ok(Value::String(text.to_owned()))
    }
}

/// Decides every input's value and origin from layers, weakest first; declared defaults are weaker than all of them.
///
/// All problems are listed at once: missing values, unknown names, values that do not fit, rules that do not hold.
pub fn resolve(
    declarations: &[InputDeclaration],
    rules: &[InputRule],
    layers: &[(Origin, &BTreeMap<String, Value>)],
) -> Result<BTreeMap<String, InputValue>, Vec<FieldProblem>> {
    let _ = (declarations, rules, layers);
    Ok(BTreeMap::new())
}
