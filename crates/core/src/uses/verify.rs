//! `verify`: a metric or an address is sampled over a window, and the samples decide.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainmaster_expr::Condition;

use super::command::Text;
use crate::duration::Duration;

/// Settings of a `verify`: exactly one of `http` and `prometheus`.
///
/// Samples are taken at the start and then every `every` until the window, counted from the attempt's start, ends.
/// Conditions are written bare, without `${…}`.
/// They see `value` (the body of an address or the number of a metric) and `sample` with `status`, `headers`, `body`
/// and `value`.
/// A sample is a failure if `failure` holds, a success if `success` holds, and inconclusive otherwise;
/// without `failure`, a sample that is no success is a failure.
/// A sample that could not be taken is inconclusive.
/// The `result` holds `samples`, `successes`, `failures` and `inconclusive`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyConfig {
    /// Samples an address.
    #[serde(default)]
    pub http: Option<HttpSample>,
    /// Samples a Prometheus query.
    #[serde(default)]
    pub prometheus: Option<PrometheusSample>,
    /// When a sample is good, for example `value < 0.01`.
    #[schemars(with = "String", extend("format" = "trainmaster-condition"))]
    pub success: Condition,
    /// When a sample is bad.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "trainmaster-condition"))]
    pub failure: Option<Condition>,
    /// How long to look.
    pub window: Duration,
    /// How long between two samples, at least one second.
    pub every: Duration,
    /// How many successes and failures together are needed for a verdict; one by default.
    #[serde(default = "one")]
    pub minimum_samples: u32,
    /// How many failures are tolerated; one more fails at once.
    #[serde(default)]
    pub failure_limit: u32,
    /// How many inconclusive samples are tolerated; without it, any number.
    #[serde(default)]
    pub inconclusive_limit: Option<u32>,
    /// What follows when the samples do not suffice for a verdict.
    #[serde(default)]
    pub on_inconclusive: OnInconclusive,
}

fn one() -> u32 {
    1
}

/// An address that is sampled with GET.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpSample {
    /// The address; `${secrets.NAME}` is allowed.
    pub url: String,
    /// Headers of the request; `${secrets.NAME}` is allowed.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// How long one request may take; 10 seconds by default.
    #[serde(default)]
    pub timeout: Option<Duration>,
}

/// A Prometheus query that is sampled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusSample {
    /// Where Prometheus is, for example `https://prometheus.example.com`; `/api/v1/query` is added.
    pub url: String,
    /// The query, which must give one number.
    pub query: String,
    /// Headers of the request; `${secrets.NAME}` is allowed.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// How long one request may take; 10 seconds by default.
    #[serde(default)]
    pub timeout: Option<Duration>,
}

/// What follows when the samples do not suffice for a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnInconclusive {
    /// The outcome is unknown, which asks a person by default.
    #[default]
    Hold,
    /// It failed.
    Fail,
    /// It succeeded.
    Succeed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_defaults_tolerate_no_failure_and_ask_a_person_when_in_doubt() {
        let config: VerifyConfig = serde_json::from_value(json!({
            "http": {"url": "http://a/health"},
            "success": "sample.status == 200",
            "window": "10m",
            "every": "30s",
        }))
        .expect("settings");
        assert_eq!(config.failure_limit, 0);
        assert_eq!(config.minimum_samples, 1);
        assert_eq!(config.inconclusive_limit, None);
        assert_eq!(config.on_inconclusive, OnInconclusive::Hold);
    }
}
