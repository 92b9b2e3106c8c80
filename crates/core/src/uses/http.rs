//! `http`: a request is sent; it may poll until a condition holds, or wait to be called back.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainmaster_expr::Condition;

use super::command::Text;
use crate::duration::Duration;

/// Settings of an `http` activity; its `result` holds `status`, `headers` (the useful ones) and `body`.
///
/// Every request carries `Idempotency-Key`, which stays the same over retries and restarts.
/// Conditions are written bare, without `${…}`, and see `response` with `status`, `headers` and `body`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpConfig {
    /// What is done at the address.
    #[serde(default)]
    pub method: Method,
    /// The address, `http` or `https`; `${secrets.NAME}` is allowed.
    pub url: String,
    /// Headers of the request; `${secrets.NAME}` is allowed.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body: a text goes as it stands, everything else as JSON; `${secrets.NAME}` is allowed in texts.
    #[serde(default)]
    pub body: Option<Value>,
    /// Which answers are a success.
    #[serde(default)]
    pub expect: Expect,
    /// How long each part may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How many redirects are followed, at most 10; each one is checked like the first address.
    #[serde(default)]
    pub follow_redirects: u8,
    /// After the request: asks again and again until a condition holds.
    #[serde(default)]
    pub poll: Option<Poll>,
    /// After the request: waits to be called at the address in the header `Trainmaster-Callback-Url`.
    #[serde(default)]
    pub callback: Callback,
    /// How to learn, after an unknown outcome, whether the request was carried out.
    #[serde(default)]
    pub read_back: Option<ReadBack>,
    /// The largest body that is taken in, in bytes: 262144 by default, at most 1048576.
    #[serde(default)]
    pub max_response: Option<u32>,
    /// Whether the request may be sent twice without harm, for example because the other side honours
    /// `Idempotency-Key`; by default that follows from the method.
    #[serde(default)]
    pub idempotent: Option<bool>,
}

impl HttpConfig {
    /// Whether the request may be sent again when nobody knows if it arrived.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or(self.method.is_idempotent())
    }
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Reads without a body.
    Head,
    /// Asks what is possible.
    Options,
    /// Makes something; not safe to repeat by itself.
    Post,
    /// Replaces something.
    Put,
    /// Changes something; not safe to repeat by itself.
    Patch,
    /// Removes something.
    Delete,
}

impl Method {
    /// The method as it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Whether sending it twice does what sending it once does.
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which answers are a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// Statuses; empty means 200 to 299.
    #[serde(default)]
    pub status: Vec<u16>,
    /// Whether the body must be JSON.
    #[serde(default)]
    pub json: bool,
}

impl Expect {
    /// Whether a status is a success.
    pub fn accepts(&self, status: u16) -> bool {
        match self.status.as_slice() {
            [] => (200..300).contains(&status),
            listed => listed.contains(&status),
        }
    }
}

/// How long each part of a request may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// Until connected; 10 seconds by default.
    #[serde(default)]
    pub connect: Option<Duration>,
    /// From there to the first byte of the answer; 60 seconds by default.
    #[serde(default)]
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer; 60 seconds by default.
    #[serde(default)]
    pub idle: Option<Duration>,
    /// One request with its answer; 10 minutes by default.
    #[serde(default)]
    pub total: Option<Duration>,
}

/// Asks again and again until a condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Poll {
    /// Success once this holds, for example `response.body.state == "done"`.
    #[schemars(with = "String", extend("format" = "trainmaster-condition"))]
    pub until: Condition,
    /// Failure once this holds.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "trainmaster-condition"))]
    pub fail_when: Option<Condition>,
    /// How long between two questions; 10 seconds by default, at least one second.
    #[serde(default)]
    pub every: Option<Duration>,
    /// Where to ask; by default where the answer's `Location` points, else the request's own address.
    #[serde(default)]
    pub url: Option<String>,
    /// How long to go on asking; without it, until the activity's own timeout.
    #[serde(default)]
    pub timeout: Option<Duration>,
}

/// Whether the other side is to call back: `true`, `false`, or `{timeout: 2h}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Callback {
    /// Whether, with no limit but the activity's own timeout.
    Whether(bool),
    /// Yes, within a time.
    Within(CallbackWithin),
}

impl Default for Callback {
    fn default() -> Self {
        Callback::Whether(false)
    }
}

impl Callback {
    /// Whether the other side is to call back.
    pub fn is_wanted(&self) -> bool {
        !matches!(self, Callback::Whether(false))
    }

    /// How long it has, if that is limited here.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Callback::Whether(_) => None,
            Callback::Within(within) => Some(within.timeout),
        }
    }
}

/// A call back within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallbackWithin {
    /// How long the other side has, from the answer to the request.
    pub timeout: Duration,
}

/// How to learn whether a request was carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadBack {
    /// Where to look, with the headers of the request.
    pub url: String,
    /// It was carried out if this holds; what is read becomes the `result`.
    #[schemars(with = "String", extend("format" = "trainmaster-condition"))]
    pub until: Condition,
    /// It was not if this holds, for example `response.status == 404`; then it may be sent again.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "trainmaster-condition"))]
    pub absent_when: Option<Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<HttpConfig, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn only_making_and_changing_are_not_repeated_unless_somebody_says_so() {
        let idempotent = |value| read(value).expect("settings").is_idempotent();
        assert!(idempotent(json!({"url": "http://a"})));
        assert!(idempotent(json!({"url": "http://a", "method": "DELETE"})));
        assert!(!idempotent(json!({"url": "http://a", "method": "POST"})));
        assert!(!idempotent(json!({"url": "http://a", "method": "PATCH"})));
        assert!(idempotent(
            json!({"url": "http://a", "method": "POST", "idempotent": true})
        ));
        assert!(!idempotent(
            json!({"url": "http://a", "method": "PUT", "idempotent": false})
        ));
    }

    #[test]
    fn a_callback_is_asked_for_with_or_without_a_limit() {
        let callback = |value| {
            read(json!({"url": "http://a", "callback": value}))
                .expect("settings")
                .callback
        };
        assert!(callback(json!(true)).is_wanted());
        assert!(!callback(json!(false)).is_wanted());
        assert!(callback(json!({"timeout": "2h"})).timeout().is_some());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            json!({"url": "http://a", "method": "get"}),
            json!({"url": "http://a", "retries": 3}),
            json!({"url": "http://a", "poll": {"until": "response.body ==="}}),
            json!({"url": "http://a", "timeouts": {"read": "1s"}}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
