//! Secrets at the moment of use: settings name them as `${secrets.NAME}`, and only executors see their values.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;
use trainmaster_core::effect::{Effect, Outcome};
use trainmaster_core::ids::Name;

use crate::redact::Redactor;

/// Gives out the values of secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value that applies to an organization (none is the account level).
    async fn secret(&self, organization: Option<&Name>, name: &str) -> Result<Secret, SecretError>;
}

/// Why a secret could not be had; says its name at most, never its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none of that name.
    #[error("there is no such secret")]
    Missing,
    /// Whoever keeps the secrets does not answer now.
    #[error("secrets cannot be read now: {0}")]
    Unavailable(String),
}

/// The value of a secret; it cannot be printed or serialized by accident.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Knows no secrets at all.
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn secret(&self, _: Option<&Name>, _: &str) -> Result<Secret, SecretError> {
        Err(SecretError::Missing)
    }
}

/// The secrets that one effect names, with what keeps them out of everything it says.
#[derive(Clone, Default)]
pub(crate) struct Vault {
    values: BTreeMap<String, Secret>,
    redactor: Redactor,
}

impl Vault {
    /// Fetches every secret that the settings of an effect name, or says how the effect ends without them.
    pub(crate) async fn open(secrets: &dyn Secrets, effect: &Effect) -> Result<Vault, Outcome> {
        let mut names = BTreeSet::new();
        collect(&effect.config, &mut names).map_err(failed)?;
        let mut values = BTreeMap::new();
        for name in names {
            match secrets.secret(effect.organization.as_ref(), &name).await {
                Ok(secret) => values.insert(name, secret),
                Err(SecretError::Missing) => {
                    return Err(failed(format!("there is no secret `{name}`")));
                }
                Err(error @ SecretError::Unavailable(_)) => {
                    return Err(Outcome::Retryable {
                        error: format!("secret `{name}`: {error}"),
                        after: None,
                        result: Value::Null,
                    });
                }
            };
        }
        let redactor = Redactor::new(values.values().map(Secret::expose));
        Ok(Vault { values, redactor })
    }

    /// The values, for a supervisor that redacts on its own.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.values().map(Secret::expose)
    }

    /// A text with its secrets filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_reference(rest) {
            filled.push_str(before);
            // A name that was not fetched stays as written: it did not stand in the settings.
            match name.ok().and_then(|name| self.values.get(name)) {
                Some(secret) => filled.push_str(secret.expose()),
                None => filled.push_str(&rest[before.len()..rest.len() - after.len()]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// A value with the secrets in its texts filled in.
    pub(crate) fn fill_value(&self, value: &Value) -> Value {
        map_texts(value, &|text| self.fill(text))
    }

    /// A text without the values of secrets, however encoded.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    /// A value without the values of secrets in keys and texts.
    pub(crate) fn redact_value(&self, value: &Value) -> Value {
        if self.values.is_empty() {
            return value.clone();
        }
        map_texts(value, &|text| self.redact(text))
    }
}

fn failed(error: String) -> Outcome {
    Outcome::Failed {
        error,
        result: Value::Null,
    }
}

/// Whether a text names a secret.
pub(crate) fn names_secret(text: &str) -> bool {
    next_reference(text).is_some()
}

fn collect(value: &Value, names: &mut BTreeSet<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some((_, name, after)) = next_reference(rest) {
                names.insert(name?.to_owned());
                rest = after;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.values().try_for_each(|field| collect(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The next `${secrets.NAME}` of a text: what stands before it, the name or what is wrong with it, what follows.
fn next_reference(text: &str) -> Option<(&str, Result<&str, String>, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("${")?;
        let inside = text[start + 2..].trim_start();
        let Some(name) = inside.strip_prefix("secrets.") else {
            from = start + 2;
            continue;
        };
        let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let length = name.find(|letter| !letters(letter)).unwrap_or(name.len());
        let (name, rest) = name.split_at(length);
        return match rest.trim_start().strip_prefix('}') {
            Some(after) if !name.is_empty() => Some((&text[..start], Ok(name), after)),
            _ => {
                let wrong = "a secret is written `${secrets.NAME}` and nothing else".to_owned();
                Some((&text[..start], Err(wrong), rest))
            }
        };
    }
}

fn map_texts(value: &Value, map: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(text)),
        Value::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (map(name), map_texts(field, map)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vault(pairs: &[(&str, &str)]) -> Vault {
        let values: BTreeMap<_, _> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect();
        let redactor = Redactor::new(values.values().map(Secret::expose));
        Vault { values, redactor }
    }

    #[test]
    fn secrets_are_filled_in_wherever_they_are_named() {
        let vault = vault(&[("TOKEN", "s3cr3t-value"), ("b-2", "other")]);
        assert_eq!(vault.fill("Bearer ${secrets.TOKEN}"), "Bearer s3cr3t-value");
        assert_eq!(
            vault.fill("${ secrets.TOKEN }/${secrets.b-2}"),
            "s3cr3t-value/other"
        );
        assert_eq!(vault.fill("${inputs.a} $ {x}"), "${inputs.a} $ {x}");
    }

    #[test]
    fn what_is_filled_in_is_not_read_again() {
        let vault = vault(&[("A", "${secrets.B}"), ("B", "deep")]);
        assert_eq!(vault.fill("${secrets.A}"), "${secrets.B}");
    }

    #[test]
    fn every_name_in_the_settings_is_found_and_bad_ones_are_refused() {
        let mut names = BTreeSet::new();
        let config = json!({"headers": {"a": "x ${secrets.ONE}${secrets.TWO}"}, "list": ["${secrets.THREE}", 4]});
        collect(&config, &mut names).expect("names");
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["ONE", "THREE", "TWO"]
        );
        for wrong in ["${secrets.}", "${secrets.A + 'x'}", "${secrets.A"] {
            assert!(
                collect(&json!(wrong), &mut BTreeSet::new()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_value_that_comes_back_is_redacted_in_every_text() {
        let vault = vault(&[("TOKEN", "s3cr3t-value")]);
        let value = json!({"s3cr3t-value": ["a s3cr3t-value b", 1], "n": null});
        assert_eq!(
            vault.redact_value(&value),
            json!({"***": ["a *** b", 1], "n": null})
        );
    }
}
