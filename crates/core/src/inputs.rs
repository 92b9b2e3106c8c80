//! Declared inputs: what may be asked, what a value must look like, and which of several values counts.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainmaster_expr::{Type, Values};

use crate::definition::fault::{At, Faults, closest, one_of, shortened};
use crate::definition::{is_hidden, read};
use crate::duration::{Duration, InvalidDuration};
use crate::ids::{InvalidName, Name};
use crate::plan::{InputRule, secret_places};
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
    /// For an object, or a list of objects: the fields it has, declared like inputs; without them, any fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<InputDeclaration>,
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

impl InputType {
    /// The type as written.
    pub fn as_str(self) -> &'static str {
        match self {
            InputType::String => "string",
            InputType::Number => "number",
            InputType::Boolean => "boolean",
            InputType::List => "list",
            InputType::Object => "object",
            InputType::Duration => "duration",
            InputType::Service => "service",
            InputType::Environment => "environment",
            InputType::User => "user",
            InputType::Team => "team",
        }
    }

    /// What a value of it looks like, in words.
    fn words(self) -> &'static str {
        match self {
            InputType::String => "a text",
            InputType::Number => "a number",
            InputType::Boolean => "true or false",
            InputType::List => "a list",
            InputType::Object => "an object",
            InputType::Duration => "a duration such as `1h30m`",
            InputType::Service => "the name of a service",
            InputType::Environment => "the name of an environment",
            InputType::User => "the name of a user",
            InputType::Team => "the name of a team",
        }
    }

    fn is_name(self) -> bool {
        matches!(
            self,
            InputType::Service | InputType::Environment | InputType::User | InputType::Team
        )
    }

    fn expression_type(self) -> Type {
        match self {
            InputType::Number => Type::Number,
            InputType::Boolean => Type::Boolean,
            InputType::List => Type::list(Type::Any),
            InputType::Object => Type::open_object::<String>([]),
            InputType::String
            | InputType::Duration
            | InputType::Service
            | InputType::Environment
            | InputType::User
            | InputType::Team => Type::String,
        }
    }

    /// A value of the type in its one form, or what is wrong with it.
    fn normalised(self, value: &Value) -> Result<Value, String> {
        match (self, value) {
            (InputType::String, Value::String(_))
            | (InputType::Number, Value::Number(_))
            | (InputType::Boolean, Value::Bool(_))
            | (InputType::List, Value::Array(_))
            | (InputType::Object, Value::Object(_)) => Ok(value.clone()),
            (InputType::Duration, Value::String(text)) => {
                let duration: Duration = text
                    .parse()
                    .map_err(|error: InvalidDuration| error.to_string())?;
                Ok(duration.to_string().into())
            }
            (kind, Value::String(text)) if kind.is_name() => {
                let name: Name = text
                    .parse()
                    .map_err(|error: InvalidName| error.to_string())?;
                Ok(name.as_str().into())
            }
            (kind, value) => Err(format!(
                "expected {}, found {}{}",
                kind.words(),
                found(value),
                hint(kind, value)
            )),
        }
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn hint(kind: InputType, value: &Value) -> &'static str {
    match (kind, value) {
        (InputType::String, Value::Number(_) | Value::Bool(_)) => ": put it in quotes",
        (InputType::Number | InputType::Boolean, Value::String(_)) => ": leave the quotes out",
        _ => "",
    }
}

/// The longest value, as JSON, in bytes.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;
/// The most fields of one object.
const FIELDS_MAX: usize = 100;
/// How many levels of fields an object may have.
pub(crate) const FIELDS_DEPTH_MAX: usize = 4;
/// How large a pattern may grow when it is made ready, in bytes.
const PATTERN_SIZE_MAX: usize = 256 * 1024;

/// Why a text cannot be a name in expressions: a letter or `_`, then letters, digits and `_`, at most 63 characters.
pub(crate) fn name_refusal(text: &str) -> Option<String> {
    const WORDS: [&str; 25] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "namespace",
        "package",
        "return",
        "var",
        "void",
        "while",
        "has",
        "success",
        "failure",
        "always",
    ];
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(letter)
        && !text.starts_with(|first: char| first.is_ascii_digit());
    let text = shortened(text);
    match fits {
        false => Some(format!(
            "`{text}` is not a name of 1 to 63 letters, digits and `_` that starts with no digit"
        )),
        true if WORDS.contains(&text.as_str()) => {
            Some(format!("`{text}` is a word of the language of expressions"))
        }
        true => None,
    }
}

impl InputDeclaration {
    /// Checks a value against type and constraints and answers it normalised, or what is wrong and what would be right.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        let value = self.check_type(value)?;
        if let Some(allowed) = &self.allowed {
            let normalised = |one: &Value| {
                self.element_type()
                    .normalised(one)
                    .unwrap_or_else(|_| one.clone())
            };
            let allowed: Vec<Value> = allowed.iter().map(normalised).collect();
            for one in self.elements(&value) {
                if !allowed.iter().any(|known| same(known, one)) {
                    return Err(not_allowed(one, &allowed));
                }
            }
        }
        if let Some(pattern) = &self.pattern {
            let regex = compile_pattern(pattern)?;
            for text in self.elements(&value).iter().filter_map(Value::as_str) {
                if !regex.is_match(text) {
                    return Err(format!(
                        "`{}` does not match the pattern `{pattern}`",
                        shortened(text)
                    ));
                }
            }
        }
        self.check_range(&value)?;
        Ok(value)
    }

    /// Reads a value written as plain text, as after `--input name=`; constraints are for [`InputDeclaration::check`].
    pub fn from_text(&self, text: &str) -> Result<Value, String> {
        match self.input_type {
            InputType::Number => match serde_json::from_str::<serde_json::Number>(text.trim()) {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => Err(format!("`{}` is not a number", shortened(text))),
            },
            InputType::Boolean => match text.trim() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                other => Err(format!(
                    "`{}` is neither `true` nor `false`",
                    shortened(other)
                )),
            },
            InputType::List if !text.trim_start().starts_with('[') => {
                let element = InputDeclaration {
                    input_type: self.element_type(),
                    items: None,
                    ..self.clone()
                };
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                parts.map(|part| element.from_text(part)).collect()
            }
            InputType::List | InputType::Object => {
                let value = read::json_or_yaml(text)?;
                let kind = self.input_type;
                match (kind, &value) {
                    (InputType::List, Value::Array(_)) | (InputType::Object, Value::Object(_)) => {
                        Ok(value)
                    }
                    _ => Err(format!(
                        "expected {} as JSON or YAML, found {}",
                        kind.words(),
                        found(&value)
                    )),
                }
            }
            _ => Ok(Value::String(text.to_owned())),
        }
    }

    fn check_type(&self, value: &Value) -> Result<Value, String> {
        if let Some(why) = refused_text(value) {
            return Err(why);
        }
        if value.to_string().len() > VALUE_BYTES_MAX {
            return Err(format!("the value is longer than {VALUE_BYTES_MAX} bytes"));
        }
        let value = self.input_type.normalised(value)?;
        match (&value, self.items) {
            (Value::Array(elements), Some(items)) => {
                let elements = elements.iter().enumerate().map(|(index, element)| {
                    items
                        .normalised(element)
                        .and_then(|element| self.check_fields(element))
                        .map_err(|message| format!("element {}: {message}", index + 1))
                });
                elements.collect()
            }
            _ => self.check_fields(value),
        }
    }

    /// An object with its fields in their one form and defaults filled in; other values pass.
    fn check_fields(&self, value: Value) -> Result<Value, String> {
        let Value::Object(mut given) = value else {
            return Ok(value);
        };
        if self.fields.is_empty() {
            return Ok(Value::Object(given));
        }
        let known = || self.fields.iter().map(|field| field.name.as_str());
        if let Some(name) = given.keys().find(|name| !known().any(|one| one == *name)) {
            let meant = closest(name, known());
            let meant = meant.map_or(String::new(), |word| format!(" (did you mean `{word}`?)"));
            let name = shortened(name);
            return Err(format!("there is no field `{name}`{meant}"));
        }
        for field in &self.fields {
            let value = given.remove(&field.name).filter(|value| !value.is_null());
            let default = || field.default.clone().filter(|value| !value.is_null());
            match value.or_else(default) {
                Some(value) => {
                    let value = field
                        .check(&value)
                        .map_err(|message| format!("`{}`: {message}", field.name))?;
                    given.insert(field.name.clone(), value);
                }
                None if field.required => {
                    let words = field.input_type.words();
                    return Err(format!("`{}`: a value is needed: {words}", field.name));
                }
                None => (),
            }
        }
        let mut value = Value::Object(given);
        value.sort_all_objects();
        Ok(value)
    }

    /// What a value refers to by name, with the kind of each.
    pub(crate) fn references<'v>(&self, value: &'v Value) -> Vec<(InputType, &'v str)> {
        let kind = self.element_type();
        let mut found = Vec::new();
        for element in self.elements(value) {
            match element {
                Value::String(name) if kind.is_name() => found.push((kind, name.as_str())),
                Value::Object(given) => {
                    let fields = self.fields.iter();
                    let values = fields.filter_map(|field| Some((field, given.get(&field.name)?)));
                    found.extend(values.flat_map(|(field, value)| field.references(value)));
                }
                _ => (),
            }
        }
        found
    }

    /// What `allowed` and `pattern` speak of: the elements of a list, else the value.
    fn elements<'v>(&self, value: &'v Value) -> &'v [Value] {
        match value {
            Value::Array(elements) if self.input_type == InputType::List => elements,
            one => std::slice::from_ref(one),
        }
    }

    fn element_type(&self) -> InputType {
        match self.input_type {
            InputType::List => self.items.unwrap_or_default(),
            other => other,
        }
    }

    fn check_range(&self, value: &Value) -> Result<(), String> {
        let what = match value {
            Value::String(_) if self.input_type != InputType::Duration => "the length",
            Value::Array(_) => "the number of elements",
            _ => "the value",
        };
        let size = self.size(value);
        if let (Some(min), Some(size)) = (&self.min, size)
            && self.limit(min).is_some_and(|min| size < min)
        {
            return Err(format!("{what} must be at least {}", plain(min)));
        }
        if let (Some(max), Some(size)) = (&self.max, size)
            && self.limit(max).is_some_and(|max| size > max)
        {
            return Err(format!("{what} must be at most {}", plain(max)));
        }
        Ok(())
    }

    /// What `min` and `max` are compared with: a number, milliseconds, characters or elements.
    fn size(&self, value: &Value) -> Option<f64> {
        match (self.input_type, value) {
            (InputType::Number, Value::Number(number)) => number.as_f64(),
            (InputType::Duration, Value::String(_)) => self.limit(value),
            (InputType::List, Value::Array(elements)) => Some(elements.len() as f64),
            (InputType::String, Value::String(text)) => Some(text.chars().count() as f64),
            _ => None,
        }
    }

    /// A limit as a number; none if it is not of the kind the type needs.
    fn limit(&self, limit: &Value) -> Option<f64> {
        match self.input_type {
            InputType::Number => limit.as_f64(),
            InputType::String | InputType::List => limit.as_u64().map(|length| length as f64),
            InputType::Duration => {
                let duration: Duration = limit.as_str()?.parse().ok()?;
                Some(duration.get().as_millis_f64())
            }
            _ => None,
        }
    }

    /// Checks the declaration itself.
    pub(crate) fn check_itself(&self, at: &At<'_>, faults: &mut Faults) {
        if let Some(message) = name_refusal(&self.name) {
            faults.add(&at.key("name"), message);
        }
        let kind = self.input_type.as_str();
        if self.items.is_some() && self.input_type != InputType::List {
            faults.field(
                at,
                "items",
                format!("`items` is for lists, not for the type `{kind}`"),
                None,
            );
        }
        let mut sound = self.clone();
        if let Some(pattern) = &self.pattern {
            if let Err(message) = compile_pattern(pattern) {
                faults.add(&at.key("pattern"), message);
                sound.pattern = None;
            } else if self.element_type().expression_type() != Type::String {
                faults.field(
                    at,
                    "pattern",
                    format!("`pattern` is for texts, not for the type `{kind}`"),
                    None,
                );
            }
        }
        self.check_own_range(at, faults);
        self.check_own_fields(at, faults);
        let bare = InputDeclaration {
            allowed: None,
            ..sound.clone()
        };
        if let Some(allowed) = &self.allowed {
            let at = at.key("allowed");
            if allowed.is_empty() {
                faults.add(&at, "no value would be allowed");
            }
            let element = InputDeclaration {
                input_type: self.element_type(),
                min: self
                    .min
                    .clone()
                    .filter(|_| self.input_type != InputType::List),
                max: self
                    .max
                    .clone()
                    .filter(|_| self.input_type != InputType::List),
                items: None,
                ..bare
            };
            for (index, value) in allowed.iter().enumerate() {
                if let Err(message) = element.check(value) {
                    faults.add(&at.index(index), message);
                }
            }
        }
        if let Some(default) = &self.default
            && !default.is_null()
        {
            let at = at.key("default");
            if default.to_string().contains("${") {
                faults.add(
                    &at,
                    "a default is a plain value: compute in `variables` instead",
                );
            } else if let Err(message) = sound.check(default) {
                faults.add(&at, message);
            }
        }
    }

    /// Fields are for objects, have names of their own, and do not lie too deep.
    fn check_own_fields(&self, at: &At<'_>, faults: &mut Faults) {
        if self.fields.is_empty() {
            return;
        }
        let at = at.key("fields");
        if self.element_type() != InputType::Object {
            let kind = self.input_type.as_str();
            let message =
                format!("`fields` is for objects and lists of objects, not for the type `{kind}`");
            faults.add(&at, message);
        }
        if self.fields.len() > FIELDS_MAX {
            faults.add(&at, format!("at most {FIELDS_MAX} fields are possible"));
        }
        if self.depth() > FIELDS_DEPTH_MAX {
            faults.add(
                &at,
                format!("fields lie deeper than {FIELDS_DEPTH_MAX} levels"),
            );
            return;
        }
        let mut seen = BTreeSet::new();
        for (index, field) in self.fields.iter().enumerate() {
            let at = at.index(index);
            field.check_itself(&at, faults);
            if !seen.insert(&field.name) {
                let message = format!("the field `{}` is there twice", shortened(&field.name));
                faults.add(&at.key("name"), message);
            }
        }
    }

    /// How many levels of fields there are.
    fn depth(&self) -> usize {
        let below = self.fields.iter().map(|field| field.depth() + 1);
        below.max().unwrap_or_default()
    }

    fn check_own_range(&self, at: &At<'_>, faults: &mut Faults) {
        let kind = self.input_type.as_str();
        let expected = match self.input_type {
            InputType::Number => "a number",
            InputType::String | InputType::List => "a whole number",
            InputType::Duration => "a duration such as `1h30m`",
            _ => {
                for (field, limit) in [("min", &self.min), ("max", &self.max)] {
                    if limit.is_some() {
                        faults.field(
                            at,
                            field,
                            format!("`{field}` has no meaning for the type `{kind}`"),
                            None,
                        );
                    }
                }
                return;
            }
        };
        for (field, limit) in [("min", &self.min), ("max", &self.max)] {
            if limit
                .as_ref()
                .is_some_and(|limit| self.limit(limit).is_none())
            {
                faults.add(
                    &at.key(field),
                    format!("expected {expected} for the type `{kind}`"),
                );
            }
        }
        let limit = |limit: &Option<Value>| limit.as_ref().and_then(|limit| self.limit(limit));
        if let (Some(min), Some(max)) = (limit(&self.min), limit(&self.max))
            && min > max
        {
            faults.add(&at.key("max"), "`max` is smaller than `min`");
        }
    }

    /// What expressions know of its value before anything runs.
    pub(crate) fn expression_type(&self) -> Type {
        if !self.required && self.default.as_ref().is_none_or(Value::is_null) {
            return Type::Any;
        }
        match (self.input_type, self.items) {
            (InputType::List, Some(_)) => Type::list(self.element_expression_type()),
            (InputType::List, None) => self.input_type.expression_type(),
            _ => self.element_expression_type(),
        }
    }

    /// What expressions know of an element, or of the value where it is no list.
    fn element_expression_type(&self) -> Type {
        match self.element_type() {
            InputType::Object if !self.fields.is_empty() => {
                let fields = self.fields.iter();
                Type::object(fields.map(|field| (field.name.clone(), field.expression_type())))
            }
            kind => kind.expression_type(),
        }
    }
}

fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("a pattern is limited to {PATTERN_BYTES_MAX} bytes"));
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE_MAX)
        .build();
    regex.map_err(|error| format!("the pattern cannot be read: {error}"))
}

/// Numbers are equal when they count the same: `1` and `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

/// That a reference leads nowhere, with what was probably meant.
pub(crate) fn unknown_reference(kind: InputType, name: &str, known: &[&str]) -> String {
    let meant = closest(name, known.iter().copied());
    let meant = meant.map_or(String::new(), |word| format!(" (did you mean `{word}`?)"));
    let (name, kind) = (shortened(name), kind.as_str());
    format!("there is no {kind} `{name}`{meant}")
}

fn not_allowed(value: &Value, allowed: &[Value]) -> String {
    let words: Vec<String> = allowed.iter().map(plain).collect();
    let suggestion = value
        .as_str()
        .and_then(|text| closest(text, words.iter().map(String::as_str)));
    let suggestion = suggestion.map_or(String::new(), |word| format!(" (did you mean `{word}`?)"));
    let listed = one_of(words.iter().take(20).map(String::as_str));
    format!(
        "`{}` is not allowed, expected {listed}{suggestion}",
        shortened(&plain(value))
    )
}

/// A value as one would write it in a sentence.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Why a text in a value cannot be taken.
pub(crate) fn refused_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if secret_places(text) > 0 => {
            Some("a value cannot name secrets: only the definition can".to_owned())
        }
        Value::String(text) => {
            let letter = text.chars().find(|letter| is_hidden(*letter))?;
            Some(format!(
                "the text holds the control character U+{:04X}",
                u32::from(letter)
            ))
        }
        Value::Array(elements) => elements.iter().find_map(refused_text),
        Value::Object(fields) => fields.values().find_map(refused_text),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Decides every input's value and origin from layers, weakest first; declared defaults are weaker than all of them.
///
/// All problems are listed at once: missing values, unknown names, values that do not fit, rules that do not hold.
/// An input that is not required and has no value anywhere is null, so that expressions always find it.
/// A null in a layer counts as not given.
pub fn resolve(
    declarations: &[InputDeclaration],
    rules: &[InputRule],
    layers: &[(Origin, &BTreeMap<String, Value>)],
) -> Result<BTreeMap<String, InputValue>, Vec<FieldProblem>> {
    let mut problems = unknown_names(declarations, layers);
    let mut inputs = BTreeMap::new();
    for declaration in declarations {
        match resolve_one(declaration, layers) {
            Ok(input) => drop(inputs.insert(declaration.name.clone(), input)),
            Err(message) => problems.push(problem(&declaration.name, message)),
        }
    }
    if problems.is_empty() {
        problems = broken_rules(rules, &inputs);
    }
    match problems.is_empty() {
        true => Ok(inputs),
        false => Err(problems),
    }
}

fn problem(name: &str, message: String) -> FieldProblem {
    FieldProblem {
        field: format!("inputs.{}", shortened(name)),
        message,
    }
}

fn unknown_names(
    declarations: &[InputDeclaration],
    layers: &[(Origin, &BTreeMap<String, Value>)],
) -> Vec<FieldProblem> {
    let known = || {
        declarations
            .iter()
            .map(|declaration| declaration.name.as_str())
    };
    let given: BTreeSet<&str> = layers
        .iter()
        .flat_map(|(_, values)| values.keys())
        .map(String::as_str)
        .collect();
    let unknown = given
        .into_iter()
        .filter(|name| !known().any(|known| known == *name));
    unknown
        .map(|name| {
            let suggestion = closest(name, known());
            let suggestion =
                suggestion.map_or(String::new(), |word| format!(" (did you mean `{word}`?)"));
            problem(name, format!("the process has no such input{suggestion}"))
        })
        .collect()
}

pub(crate) fn resolve_one(
    declaration: &InputDeclaration,
    layers: &[(Origin, &BTreeMap<String, Value>)],
) -> Result<InputValue, String> {
    let given = layers.iter().rev().find_map(|(origin, values)| {
        let value = values
            .get(&declaration.name)
            .filter(|value| !value.is_null())?;
        Some((*origin, value))
    });
    let default = declaration
        .default
        .as_ref()
        .filter(|default| !default.is_null());
    let given = given.or(default.map(|default| (Origin::Default, default)));
    let Some((origin, value)) = given else {
        return match declaration.required {
            true => Err(format!(
                "a value is needed: {}",
                declaration.input_type.words()
            )),
            false => Ok(InputValue {
                value: Value::Null,
                origin: Origin::Default,
            }),
        };
    };
    if declaration.required && value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Err("a value is needed, and the text is empty".to_owned());
    }
    let value = declaration.check(value)?;
    Ok(InputValue { value, origin })
}

fn broken_rules(rules: &[InputRule], inputs: &BTreeMap<String, InputValue>) -> Vec<FieldProblem> {
    let plain: Map<String, Value> = inputs
        .iter()
        .map(|(name, input)| (name.clone(), input.value.clone()))
        .collect();
    let mut values = Values::default();
    values.names.extend(plain.clone());
    values
        .names
        .insert("inputs".to_owned(), Value::Object(plain));
    let mut problems = Vec::new();
    for rule in rules {
        let message = match rule.condition.evaluate(&values) {
            Ok(true) => continue,
            Ok(false) => rule.message.clone(),
            Err(error) => format!(
                "the rule `{}` could not be evaluated: {error}",
                shortened(rule.condition.source())
            ),
        };
        problems.push(FieldProblem {
            field: "inputs".to_owned(),
            message,
        });
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use trainmaster_expr::Condition;

    fn declarations(value: Value) -> Vec<InputDeclaration> {
        serde_json::from_value(value).expect("declarations")
    }

    fn declaration(value: Value) -> InputDeclaration {
        serde_json::from_value(value).expect("a declaration")
    }

    fn values(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).expect("values by name")
    }

    fn rule(condition: &str, message: &str) -> InputRule {
        InputRule {
            condition: Condition::parse(condition).expect("a condition"),
            message: message.into(),
        }
    }

    fn texts(problems: &[FieldProblem]) -> Vec<String> {
        problems
            .iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect()
    }

    #[test]
    fn the_strongest_layer_that_has_a_value_counts() {
        let declared = declarations(json!([
            {"name": "a", "default": "default"},
            {"name": "b", "default": "default"},
            {"name": "c", "default": "default"},
            {"name": "d", "default": "default"},
            {"name": "e"},
        ]));
        let set = values(json!({"b": "set", "c": "set", "d": "set"}));
        let release = values(json!({"c": "release", "d": null}));
        let layers = [(Origin::InputSet, &set), (Origin::Release, &release)];
        let inputs = resolve(&declared, &[], &layers).expect("inputs");
        let told: Vec<String> = inputs
            .iter()
            .map(|(name, input)| format!("{name} = {} from {:?}", input.value, input.origin))
            .collect();
        assert_eq!(
            told,
            [
                r#"a = "default" from Default"#,
                r#"b = "set" from InputSet"#,
                r#"c = "release" from Release"#,
                r#"d = "set" from InputSet"#,
                "e = null from Default",
            ],
        );
    }

    #[test]
    fn everything_wrong_is_listed_at_once() {
        let declared = declarations(json!([
            {"name": "version", "required": true, "pattern": "^\\d+\\.\\d+$"},
            {"name": "ticket", "required": true},
            {"name": "environment", "allowed": ["DEV", "QA", "PROD1"]},
            {"name": "count", "type": "number", "min": 1, "max": 3},
            {"name": "title", "required": true},
        ]));
        let given = values(
            json!({"version": "1.x", "environment": "PROD", "count": 4, "enviroment": "QA", "title": " "}),
        );
        let problems = resolve(&declared, &[], &[(Origin::Release, &given)]).expect_err("problems");
        assert_eq!(
            texts(&problems),
            [
                "inputs.enviroment: the process has no such input (did you mean `environment`?)",
                "inputs.version: `1.x` does not match the pattern `^\\d+\\.\\d+$`",
                "inputs.ticket: a value is needed: a text",
                "inputs.environment: `PROD` is not allowed, expected `DEV`, `QA` or `PROD1` (did you mean `PROD1`?)",
                "inputs.count: the value must be at most 3",
                "inputs.title: a value is needed, and the text is empty",
            ],
        );
    }

    #[test]
    fn a_rule_speaks_once_every_value_fits() {
        let declared = declarations(
            json!([{"name": "from", "required": true}, {"name": "to", "required": true}]),
        );
        let rules = [
            rule("inputs.from != inputs.to", "source and target must differ"),
            rule("from.startsWith('v')", "the source is a version"),
        ];
        let same = values(json!({"from": "x", "to": "x"}));
        let problems =
            resolve(&declared, &rules, &[(Origin::Release, &same)]).expect_err("problems");
        assert_eq!(
            texts(&problems),
            [
                "inputs: source and target must differ",
                "inputs: the source is a version"
            ]
        );
        let missing = values(json!({"from": "x"}));
        let problems =
            resolve(&declared, &rules, &[(Origin::Release, &missing)]).expect_err("problems");
        assert_eq!(texts(&problems), ["inputs.to: a value is needed: a text"]);
        let fine = values(json!({"from": "v1", "to": "v2"}));
        assert!(resolve(&declared, &rules, &[(Origin::Release, &fine)]).is_ok());
    }

    #[test]
    fn a_value_is_of_its_type_and_in_its_one_form() {
        for (input_type, value, normal) in [
            ("string", json!("a\nb"), json!("a\nb")),
            ("number", json!(1.5), json!(1.5)),
            ("boolean", json!(false), json!(false)),
            ("duration", json!("90m"), json!("1h30m")),
            (
                "service",
                json!("payment-service"),
                json!("payment-service"),
            ),
            ("object", json!({"a": [1]}), json!({"a": [1]})),
            ("list", json!([1, "a"]), json!([1, "a"])),
        ] {
            let declared = declaration(json!({"name": "x", "type": input_type}));
            assert_eq!(declared.check(&value), Ok(normal), "{input_type}");
        }
        for (input_type, value, message) in [
            (
                "string",
                json!(1.0),
                "expected a text, found the number `1.0`: put it in quotes",
            ),
            (
                "number",
                json!("1"),
                "expected a number, found a text: leave the quotes out",
            ),
            (
                "boolean",
                json!("yes"),
                "expected true or false, found a text: leave the quotes out",
            ),
            ("list", json!("a"), "expected a list, found a text"),
            (
                "duration",
                json!(5),
                "expected a duration such as `1h30m`, found the number `5`",
            ),
            (
                "duration",
                json!("5"),
                "the duration `5` needs a unit, such as `5s`, `5m` or `5h`",
            ),
            (
                "team",
                json!("QA"),
                "`QA` is not a name of 1 to 63 lower-case letters, digits and inner dashes",
            ),
            (
                "string",
                json!("a\u{202e}b"),
                "the text holds the control character U+202E",
            ),
            (
                "string",
                json!("x ${secrets.TOKEN}"),
                "a value cannot name secrets: only the definition can",
            ),
            (
                "object",
                json!({"a": ["${secrets.TOKEN}"]}),
                "a value cannot name secrets: only the definition can",
            ),
            (
                "string",
                json!("x".repeat(70_000)),
                "the value is longer than 65536 bytes",
            ),
        ] {
            let declared = declaration(json!({"name": "x", "type": input_type}));
            assert_eq!(
                declared.check(&value),
                Err(message.to_owned()),
                "{input_type} {value}"
            );
        }
    }

    #[test]
    fn constraints_of_a_list_speak_of_its_elements_and_their_number() {
        let declared = declaration(json!({
            "name": "x", "type": "list", "items": "string", "allowed": ["alpha", "beta"], "pattern": "a$", "min": 1, "max": 2,
        }));
        assert_eq!(declared.check(&json!(["alpha"])), Ok(json!(["alpha"])));
        for (value, message) in [
            (json!([]), "the number of elements must be at least 1"),
            (
                json!(["alpha", "beta", "alpha"]),
                "the number of elements must be at most 2",
            ),
            (
                json!(["gamma"]),
                "`gamma` is not allowed, expected `alpha` or `beta`",
            ),
            (
                json!(["alpha", 1]),
                "element 2: expected a text, found the number `1`: put it in quotes",
            ),
        ] {
            assert_eq!(declared.check(&value), Err(message.to_owned()), "{value}");
        }
        let durations = declaration(
            json!({"name": "x", "type": "duration", "min": "1m", "max": "1h", "allowed": ["60s", "2h"]}),
        );
        assert_eq!(durations.check(&json!("1m")), Ok(json!("1m")));
        assert_eq!(
            durations.check(&json!("2h")),
            Err("the value must be at most 1h".to_owned())
        );
    }

    #[test]
    fn text_from_a_command_line_becomes_the_declared_type() {
        for (input_type, items, text, value) in [
            ("string", None, "1.0", json!("1.0")),
            ("number", None, "1.50", json!(1.5)),
            ("number", None, "-3", json!(-3)),
            ("boolean", None, "true", json!(true)),
            ("duration", None, "30m", json!("30m")),
            ("list", None, "a, b,c", json!(["a", "b", "c"])),
            ("list", Some("number"), "1,2", json!([1, 2])),
            ("list", None, r#"["a", 1]"#, json!(["a", 1])),
            ("list", None, "[a, b]", json!(["a", "b"])),
            ("list", None, "", json!([])),
            ("object", None, r#"{"a": 1}"#, json!({"a": 1})),
            (
                "object",
                None,
                "{a: 1, b: [x]}",
                json!({"a": 1, "b": ["x"]}),
            ),
        ] {
            let declared = declaration(json!({"name": "x", "type": input_type, "items": items}));
            assert_eq!(declared.from_text(text), Ok(value), "{input_type} {text}");
        }
        for (input_type, text, message) in [
            ("number", "ten", "`ten` is not a number"),
            ("boolean", "yes", "`yes` is neither `true` nor `false`"),
            (
                "object",
                "a",
                "expected an object as JSON or YAML, found a text",
            ),
        ] {
            let declared = declaration(json!({"name": "x", "type": input_type}));
            assert_eq!(
                declared.from_text(text),
                Err(message.to_owned()),
                "{input_type} {text}"
            );
        }
    }

    #[test]
    fn a_pattern_that_would_grow_too_large_is_refused() {
        let declared = declaration(json!({"name": "x", "pattern": "((a{100}){100}){100}"}));
        let message = declared.check(&json!("a")).expect_err("a problem");
        assert!(
            message.starts_with("the pattern cannot be read: "),
            "{message}"
        );
        let evil = declaration(json!({"name": "x", "pattern": "^(a+)+$"}));
        assert!(
            evil.check(&json!(format!("{}b", "a".repeat(5_000))))
                .is_err()
        );
    }
}
