//! Values with `${…}` in their texts: read once, evaluated often.
//!
//! `${secrets.NAME}` stays as it is written, for the executor to fill in at the moment of use;
//! data can therefore never be taken for one (2-execution.md, Expressions).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use trainmaster_expr::{Error, ErrorKind, Reference, Template, Values};

use super::ValueTemplate;

/// How a secret is written where an executor fills it in.
const SECRET_OPEN: &str = "${secrets.";

impl ValueTemplate {
    /// Reads a value; the first text that is no template is the error.
    pub fn parse(value: &Value) -> Result<ValueTemplate, Error> {
        Ok(match value {
            Value::String(text) if text.contains("${") => {
                ValueTemplate::Text(Template::parse(text)?)
            }
            Value::Array(elements) if holds_templates(value) => {
                let elements = elements.iter().map(ValueTemplate::parse);
                ValueTemplate::List(elements.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) if holds_templates(value) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), ValueTemplate::parse(value)?)));
                ValueTemplate::Object(fields.collect::<Result<_, Error>>()?)
            }
            literal => ValueTemplate::Literal(literal.clone()),
        })
    }

    /// Computes the value; `${secrets.NAME}` parts stay as they are.
    ///
    /// Data that looks like such a part is refused, so that nobody can name a secret through a value.
    pub fn evaluate(&self, values: &Values) -> Result<Value, Error> {
        Ok(match self {
            ValueTemplate::Literal(value) => value.clone(),
            ValueTemplate::Text(template) => evaluate_text(template, values)?,
            ValueTemplate::List(elements) => {
                let elements = elements.iter().map(|element| element.evaluate(values));
                Value::Array(elements.collect::<Result<_, _>>()?)
            }
            ValueTemplate::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, field)| Ok((name.clone(), field.evaluate(values)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, Error>>()?)
            }
        })
    }

    /// The name paths that it reads, secrets included, in the order of lists and, in objects, of names.
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        self.collect_references(&mut found);
        found
    }

    fn collect_references<'t>(&'t self, found: &mut Vec<&'t Reference>) {
        match self {
            ValueTemplate::Literal(_) => (),
            ValueTemplate::Text(template) => found.extend(template.references()),
            ValueTemplate::List(elements) => {
                elements
                    .iter()
                    .for_each(|element| element.collect_references(found));
            }
            ValueTemplate::Object(fields) => {
                fields
                    .values()
                    .for_each(|field| field.collect_references(found));
            }
        }
    }

    /// Whether there is nothing to evaluate.
    pub fn is_literal(&self) -> bool {
        matches!(self, ValueTemplate::Literal(_))
    }
}

fn holds_templates(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(elements) => elements.iter().any(holds_templates),
        Value::Object(fields) => fields.values().any(holds_templates),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn evaluate_text(template: &Template, values: &Values) -> Result<Value, Error> {
    let secrets = secrets_of(template);
    let value = if secrets.is_empty() {
        template.evaluate(values)?
    } else {
        let stand_ins = secrets
            .iter()
            .map(|name| ((*name).to_owned(), Value::String(written(name))));
        let mut values = values.clone();
        values
            .names
            .insert("secrets".into(), Value::Object(stand_ins.collect()));
        template.evaluate(&values)?
    };
    if occurrences(&value) != secrets.len() {
        return Err(Error {
            kind: ErrorKind::Failed,
            message: "a value holds `${secrets.`, which only the definition itself may write"
                .into(),
            offset: 0,
            length: template.source().len(),
            suggestion: None,
        });
    }
    Ok(value)
}

/// The secrets that a template names, each as often as it is named.
fn secrets_of(template: &Template) -> Vec<&str> {
    let secrets = template
        .references()
        .filter(|reference| reference.path[0] == "secrets");
    secrets
        .filter_map(|reference| reference.path.get(1).map(String::as_str))
        .collect()
}

/// How a secret stands in evaluated settings.
fn written(name: &str) -> String {
    format!("{SECRET_OPEN}{name}}}")
}

fn occurrences(value: &Value) -> usize {
    match value {
        Value::String(text) => text.matches(SECRET_OPEN).count(),
        Value::Array(elements) => elements.iter().map(occurrences).sum(),
        Value::Object(fields) => {
            let texts = fields.iter();
            texts
                .map(|(name, value)| name.matches(SECRET_OPEN).count() + occurrences(value))
                .sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The names of the secrets in evaluated settings.
pub fn secret_names(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect_secret_names(value, &mut names);
    names
}

fn collect_secret_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for part in text.split(SECRET_OPEN).skip(1) {
                names.extend(part.split_once('}').map(|(name, _)| name.to_owned()));
            }
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|value| collect_secret_names(value, names)),
        Value::Object(fields) => fields
            .values()
            .for_each(|value| collect_secret_names(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

/// Evaluated settings with every `${secrets.NAME}` replaced; a secret that is not there is the error.
pub fn fill_secrets(value: &Value, secrets: &BTreeMap<String, String>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) if text.contains(SECRET_OPEN) => {
            Value::String(fill_text(text, secrets)?)
        }
        Value::Array(elements) => {
            let elements = elements
                .iter()
                .map(|element| fill_secrets(element, secrets));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), fill_secrets(field, secrets)?)));
            Value::Object(fields.collect::<Result<Map<_, _>, String>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, secrets: &BTreeMap<String, String>) -> Result<String, String> {
    let mut parts = text.split(SECRET_OPEN);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part
            .split_once('}')
            .ok_or("a reference to a secret is not closed")?;
        let secret = secrets
            .get(name)
            .ok_or_else(|| format!("the secret `{name}` does not exist"))?;
        filled.push_str(secret);
        filled.push_str(rest);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluate(template: Value, values: Value) -> Result<Value, String> {
        let template = ValueTemplate::parse(&template).expect("a template");
        let names = serde_json::from_value(values).expect("values by name");
        template
            .evaluate(&Values {
                names,
                ..Values::default()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_text_of_a_value_is_evaluated_and_the_rest_stays() {
        assert_eq!(
            evaluate(
                json!({"run": ["a", "${n}", "v${n}", "$${n}"], "deep": [{"x": "${list}"}], "plain": 1}),
                json!({"n": 3, "list": [1, 2]}),
            ),
            Ok(json!({"run": ["a", 3, "v3", "${n}"], "deep": [{"x": [1, 2]}], "plain": 1})),
        );
    }

    #[test]
    fn a_secret_stays_a_name_until_an_executor_fills_it_in() {
        let settings = evaluate(
            json!({"env": {"T": "Bearer ${secrets.TOKEN} for ${user}", "P": "${secrets[\"git-hub\"]}"}}),
            json!({"user": "maria"}),
        );
        let settings = settings.expect("settings");
        assert_eq!(
            settings,
            json!({"env": {"T": "Bearer ${secrets.TOKEN} for maria", "P": "${secrets.git-hub}"}})
        );
        assert_eq!(
            secret_names(&settings).into_iter().collect::<Vec<_>>(),
            ["TOKEN", "git-hub"]
        );
        let mut secrets = BTreeMap::from([("TOKEN".to_owned(), "s3cret".to_owned())]);
        assert_eq!(
            fill_secrets(&settings, &secrets),
            Err("the secret `git-hub` does not exist".to_owned())
        );
        secrets.insert("git-hub".into(), "${secrets.TOKEN}".into());
        assert_eq!(
            fill_secrets(&settings, &secrets),
            Ok(json!({"env": {"T": "Bearer s3cret for maria", "P": "${secrets.TOKEN}"}})),
        );
    }

    #[test]
    fn a_value_cannot_name_a_secret() {
        for (template, values) in [
            (json!("${user}"), json!({"user": "${secrets.TOKEN}"})),
            (
                json!("${user} ${secrets.A}"),
                json!({"user": "${secrets.TOKEN}"}),
            ),
            (json!("$${${user}"), json!({"user": "secrets.TOKEN}"})),
            (json!("${all}"), json!({"all": {"x": ["${secrets.TOKEN}"]}})),
            (json!("$${secrets.TOKEN}"), json!({})),
        ] {
            let refused = evaluate(template.clone(), values).expect_err("a refusal");
            assert_eq!(
                refused, "a value holds `${secrets.`, which only the definition itself may write",
                "{template}"
            );
        }
    }
}
