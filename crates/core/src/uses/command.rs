//! `command`: a program runs on the server's machine (2-execution.md, Failure handling; reliability.md, S13).

use std::collections::BTreeMap;
use std::path::{Component, Path};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Settings of a `command`; its `result` holds `exitCode` and the `outputs` that the program wrote.
///
/// The program gets its arguments as they stand: no shell reads them, so nothing in a value can become a command.
/// It writes outputs to the file named by `TRAINMASTER_OUTPUT`: lines `name=value`, or `name<<END` … `END` blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandConfig {
    /// The program and its arguments; secrets are refused here, since arguments are visible to other programs.
    pub run: Argv,
    /// Environment variables on top of the small base; `${secrets.NAME}` is allowed.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    /// What the program reads from its standard input; `${secrets.NAME}` is allowed. Without it the input is empty.
    #[serde(default)]
    pub stdin: Option<String>,
    /// Where it starts, below the attempt's own empty directory; it is made if it is missing.
    #[serde(default)]
    pub working_directory: Option<SubPath>,
}

/// A program with its arguments: never empty, no NUL characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Text>", into = "Vec<Text>")]
pub struct Argv(Vec<Text>);

impl Argv {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", Text::as_str)
    }

    /// The program and its arguments, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Text::as_str)
    }
}

impl TryFrom<Vec<Text>> for Argv {
    type Error = String;
    fn try_from(words: Vec<Text>) -> Result<Self, String> {
        match words.first() {
            None => Err("`run` needs at least the program".into()),
            Some(program) if program.as_str().is_empty() => {
                Err("the program in `run` is empty".into())
            }
            Some(_) if words.iter().any(|word| word.as_str().contains('\0')) => {
                Err("`run` holds a NUL character".into())
            }
            Some(_) => Ok(Argv(words)),
        }
    }
}

impl From<Argv> for Vec<Text> {
    fn from(argv: Argv) -> Self {
        argv.0
    }
}

impl JsonSchema for Argv {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Argv".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let word = generator.subschema_for::<Text>();
        schemars::json_schema!({ "type": "array", "items": word, "minItems": 1 })
    }
}

/// A text; numbers and truth values are taken as the text one would write for them.
///
/// A value that is exactly one `${…}` keeps its type, so `"${replicas}"` arrives as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text, a number, true or false")]
        enum Scalar {
            Text(String),
            Number(serde_json::Number),
            Boolean(bool),
        }
        Ok(Text(match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
            Scalar::Boolean(yes) => yes.to_string(),
        }))
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A path that stays below where it starts: relative, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SubPath(String);

impl SubPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SubPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if text.contains('\0') || !Path::new(&text).components().all(inside) {
            return Err("a directory must be a relative path without `..`".into());
        }
        Ok(SubPath(text))
    }
}

impl From<SubPath> for String {
    fn from(path: SubPath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<CommandConfig, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_that_were_computed_as_numbers_become_text() {
        let config =
            read(json!({"run": ["scale", 3, true, "x y"], "env": {"N": 1.5}})).expect("settings");
        assert_eq!(
            config.run.iter().collect::<Vec<_>>(),
            ["scale", "3", "true", "x y"]
        );
        assert_eq!(config.env["N"].as_str(), "1.5");
    }

    #[test]
    fn a_command_names_a_program_and_stays_in_its_directory() {
        for wrong in [
            json!({"run": []}),
            json!({"run": [""]}),
            json!({"run": ["a\u{0}b"]}),
            json!({"run": ["a"], "workingDirectory": "../b"}),
            json!({"run": ["a"], "workingDirectory": "/etc"}),
            json!({"run": ["a"], "shell": true}),
            json!({"run": "ls -l"}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        let config = read(json!({"run": ["a"], "workingDirectory": "b/c"})).expect("settings");
        assert_eq!(config.working_directory.expect("a path").as_str(), "b/c");
    }
}
