//! `notify`: a signed message is sent to an address (reliability.md, S17).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::Duration;

/// Settings of a `notify`; its `result` holds the `status` of the answer.
///
/// The message is a CloudEvents 1.0 document in structured JSON form, with the headers of Standard Webhooks.
/// `webhook-id` stays the same over retries, so a receiver can drop what it has seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotifyConfig {
    /// Where it goes; `${secrets.NAME}` is allowed.
    pub url: String,
    /// What happened, the `type` of the event, for example `com.example.release.ready`.
    #[serde(default = "notification")]
    pub event: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// Anything more for programs.
    #[serde(default)]
    pub data: Value,
    /// Signs the message, usually `${secrets.NAME}`; after `whsec_` it is read as Base64.
    #[serde(default)]
    pub secret: Option<String>,
    /// How long the receiver has to answer; 15 seconds by default.
    #[serde(default)]
    pub timeout: Option<Duration>,
}

fn notification() -> String {
    "dev.trainmaster.notification".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_is_enough() {
        let config: NotifyConfig =
            serde_json::from_value(json!({"url": "https://a"})).expect("settings");
        assert_eq!(config.event, "dev.trainmaster.notification");
        assert_eq!(config.data, Value::Null);
    }
}
