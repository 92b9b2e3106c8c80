//! Values with `${…}` in their texts: read once, evaluated often.
//!
//! `${secrets.NAME}` stays as it is written, for the executor to fill in at the moment of use;
//! data can therefore never be taken for one (2-execution.md, Expressions).

use serde_json::{Map, Value};
use trainmaster_expr::{Error, ErrorKind, Reference, Template, Values};

use super::ValueTemplate;

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
            message: "a value names a secret, which only the definition itself may do".into(),
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
    format!("${{secrets.{name}}}")
}

fn occurrences(value: &Value) -> usize {
    match value {
        Value::String(text) => secret_places(text),
        Value::Array(elements) => elements.iter().map(occurrences).sum(),
        Value::Object(fields) => {
            let texts = fields.iter();
            texts
                .map(|(name, value)| secret_places(name) + occurrences(value))
                .sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// How many places of a text an executor would fill a secret in; rather one too many than one too few.
pub(crate) fn secret_places(text: &str) -> usize {
    let inside = text.split("${").skip(1);
    inside
        .filter(|inside| inside.trim_start().starts_with("secrets"))
        .count()
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
    }

    #[test]
    fn a_value_cannot_name_a_secret() {
        for (template, values) in [
            (json!("${user}"), json!({"user": "${secrets.TOKEN}"})),
            (
                json!("${user}"),
                json!({"user": "x ${ \n secrets [\"TOKEN\"] }"}),
            ),
            (json!("$${ secrets.${user}"), json!({"user": "TOKEN }"})),
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
                refused, "a value names a secret, which only the definition itself may do",
                "{template}"
            );
        }
    }
}
