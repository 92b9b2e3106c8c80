//! Callbacks of `http` activities: whose they are, and what they say.

use serde::Deserialize;
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;
use trainmaster_executors::callback;
use trainmaster_server::{Callbacks, Reported};

/// Callback addresses signed with the key of this installation.
pub(crate) struct SignedCallbacks {
    key: Vec<u8>,
}

impl SignedCallbacks {
    /// Reads addresses signed with this key.
    pub(crate) fn new(key: Vec<u8>) -> Self {
        SignedCallbacks { key }
    }
}

impl Callbacks for SignedCallbacks {
    fn read(&self, token: &str, body: &[u8]) -> Option<Reported> {
        let attempt = callback::verify(token, &self.key)?;
        Some(match outcome(body) {
            Ok(outcome) => Reported::Ended(attempt, outcome),
            Err(text) => Reported::NotUnderstood(text),
        })
    }
}

/// What is looked at in the body; everything else is for expressions as `result.body`.
#[derive(Default, Deserialize)]
struct Verdict {
    #[serde(default)]
    status: Status,
    #[serde(default)]
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Succeeded,
    Failed,
}

/// Nothing, or an object that may say `status: failed` with an `error`.
fn outcome(body: &[u8]) -> Result<Outcome, String> {
    let body: Value = match body.trim_ascii() {
        b"" => json!({}),
        text => serde_json::from_slice(text)
            .map_err(|error| format!("the body is not JSON: {error}"))?,
    };
    let verdict = Verdict::deserialize(&body).map_err(|_| {
        "the body is an object; `status` in it is `succeeded` or `failed`, `error` says why"
            .to_owned()
    })?;
    let result = json!({ "body": body });
    Ok(match verdict.status {
        Status::Succeeded => Outcome::Succeeded { result },
        Status::Failed if verdict.error.is_empty() => Outcome::Failed {
            error: "the other side reported a failure".to_owned(),
            result,
        },
        Status::Failed => Outcome::Failed {
            error: verdict.error,
            result,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_words_means_success() {
        assert!(matches!(outcome(b" \n"), Ok(Outcome::Succeeded { .. })));
        let said = outcome(br#"{"build": 512}"#).expect("understood");
        assert_eq!(
            said,
            Outcome::Succeeded {
                result: json!({"body": {"build": 512}})
            }
        );
    }

    #[test]
    fn a_failure_is_reported_with_its_reason() {
        let said =
            outcome(br#"{"status": "failed", "error": "tests are red"}"#).expect("understood");
        assert!(matches!(said, Outcome::Failed { error, .. } if error == "tests are red"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for body in ["nonsense", "[1]", r#"{"status": "maybe"}"#] {
            assert!(outcome(body.as_bytes()).is_err(), "{body}");
        }
    }
}
