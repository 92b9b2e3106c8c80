//! `verify`: samples a metric or an address over a window and lets the samples decide.
//!
//! Looking changes nothing outside, so the outcome is never unknown by accident and a restart just goes on:
//! the window counts from the attempt's start, and the counters travel in the reported handle.
//! They are reported with every sample that is not a success and with every tenth that is,
//! so a restart never forgets a failure and at most nine successes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainmaster_core::effect::{Effect, Intent, Outcome};
use trainmaster_core::uses::verify::{HttpSample, OnInconclusive, PrometheusSample, VerifyConfig};
use trainmaster_engine::ports::{Executor, LogLine, LogStream, Work};
use url::Url;

use crate::answer::{self, Answer};
use crate::client::{self, Limits, Request};
use crate::egress::Egress;
use crate::secrets::{Secrets, Vault};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const EVERY_MIN: SignedDuration = SignedDuration::from_secs(1);
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Samples kept for the result, the newest ones.
const SAMPLES_KEPT: usize = 200;
/// Samples kept in the handle, the newest ones.
const SAMPLES_REPORTED: usize = 20;
/// A kept value is cut after this many bytes.
const VALUE_BYTES_MAX: usize = 256;
/// Successes between two reports.
const SUCCESSES_UNREPORTED: u32 = 10;

/// Performs `verify` activities.
pub struct Verify {
    /// Where requests may go.
    pub egress: Egress,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
}

#[async_trait]
impl Executor for Verify {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        let stopped = Outcome::Cancelled { confirmed: true };
        if effect.intent == Intent::Cancel {
            return stopped;
        }
        tokio::select! {
            biased;
            outcome = self.run(effect, work) => outcome,
            () = work.cancel.cancelled() => stopped,
        }
    }
}

impl Verify {
    async fn run(&self, effect: &Effect, work: &Work) -> Outcome {
        let config: VerifyConfig = match serde_json::from_value(effect.config.clone()) {
            Ok(config) => config,
            Err(error) => return failed(format!("the settings of `verify`: {error}"), Value::Null),
        };
        let vault = match Vault::open(self.secrets.as_ref(), effect).await {
            Ok(vault) => vault,
            Err(outcome) => return outcome,
        };
        let probe = match Probe::new(&config, &vault, &self.egress) {
            Ok(probe) => probe,
            Err(error) => return failed(vault.redact(&error), Value::Null),
        };
        let tally = effect
            .handle
            .clone()
            .and_then(|handle| serde_json::from_value(handle).ok());
        let check = Check {
            config: &config,
            vault: &vault,
            probe,
            effect,
            work,
        };
        check.run(tally.unwrap_or_default()).await
    }
}

/// One verification with everything at hand.
struct Check<'v> {
    config: &'v VerifyConfig,
    vault: &'v Vault,
    probe: Probe<'v>,
    effect: &'v Effect,
    work: &'v Work,
}

impl Check<'_> {
    async fn run(&self, mut tally: Tally) -> Outcome {
        let start = self.effect.started_at;
        let every = self.config.every.get().max(EVERY_MIN);
        let end = later(start, self.config.window.get());
        let mut next = next_sample(start, every, tally.last());
        let mut unreported = 0;
        while next <= end {
            self.work.clock.sleep_until(next).await;
            let sample = self.sample().await;
            let verdict = sample.verdict;
            tally.count(sample);
            unreported += 1;
            if let Some(outcome) = self.decided(&tally) {
                return outcome;
            }
            if verdict != Verdict::Success || unreported >= SUCCESSES_UNREPORTED {
                unreported = 0;
                if !self
                    .work
                    .handles
                    .report(&self.effect.id, tally.handle())
                    .await
                {
                    return Outcome::Cancelled { confirmed: true };
                }
            }
            // What was missed while nobody looked is not made up for.
            next = next_sample(start, every, Some(self.work.clock.now().max(next)));
        }
        self.work.clock.sleep_until(end).await;
        self.verdict(&tally)
    }

    /// Whether the samples so far decide before the window ends.
    fn decided(&self, tally: &Tally) -> Option<Outcome> {
        if tally.failures > self.config.failure_limit {
            let error = format!("{} of {} samples failed", tally.failures, tally.total());
            return Some(failed(error, self.result(tally)));
        }
        let limit = self.config.inconclusive_limit?;
        (tally.inconclusive > limit).then(|| {
            let reason = format!(
                "{} of {} samples were inconclusive",
                tally.inconclusive,
                tally.total()
            );
            self.undecided(reason, tally)
        })
    }

    /// What the samples say at the end of the window.
    fn verdict(&self, tally: &Tally) -> Outcome {
        let conclusive = tally.successes + tally.failures;
        let needed = self.config.minimum_samples.max(1);
        if conclusive < needed {
            let reason = format!("{conclusive} samples were conclusive, {needed} are needed");
            return self.undecided(reason, tally);
        }
        Outcome::Succeeded {
            result: self.result(tally),
        }
    }

    fn undecided(&self, reason: String, tally: &Tally) -> Outcome {
        match self.config.on_inconclusive {
            OnInconclusive::Hold => Outcome::Unknown { error: reason },
            OnInconclusive::Fail => failed(reason, self.result(tally)),
            OnInconclusive::Succeed => Outcome::Succeeded {
                result: self.result(tally),
            },
        }
    }

    fn result(&self, tally: &Tally) -> Value {
        json!({
            "samples": tally.samples,
            "successes": tally.successes,
            "failures": tally.failures,
            "inconclusive": tally.inconclusive,
        })
    }

    async fn sample(&self) -> Sample {
        let taken = self.probe.take().await;
        let at = self.work.clock.now();
        let judged = taken.and_then(|(sample, value)| Ok((self.judge(sample, &value)?, value)));
        let (verdict, value) = match judged {
            Ok((verdict, value)) => (verdict, self.vault.redact_value(&short(value))),
            Err(error) => (
                Verdict::Inconclusive,
                json!({"error": self.vault.redact(&error)}),
            ),
        };
        let line = LogLine {
            at: at.as_microsecond(),
            stream: LogStream::System,
            text: format!("sample {verdict:?}: {value}"),
        };
        self.work.log.write(vec![line]).await;
        Sample { at, value, verdict }
    }

    fn judge(&self, sample: Value, value: &Value) -> Result<Verdict, String> {
        let names = [("sample", sample), ("value", value.clone())];
        match &self.config.failure {
            Some(failure) if answer::holds(failure, &names)? => return Ok(Verdict::Failure),
            _ => (),
        }
        Ok(
            match (
                answer::holds(&self.config.success, &names)?,
                &self.config.failure,
            ) {
                (true, _) => Verdict::Success,
                (false, None) => Verdict::Failure,
                (false, Some(_)) => Verdict::Inconclusive,
            },
        )
    }
}

/// What was seen so far; also the reported handle.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    successes: u32,
    failures: u32,
    inconclusive: u32,
    samples: Vec<Sample>,
}

/// One look.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sample {
    at: Timestamp,
    value: Value,
    verdict: Verdict,
}

/// What one look said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Success,
    Failure,
    Inconclusive,
}

impl Tally {
    fn count(&mut self, sample: Sample) {
        match sample.verdict {
            Verdict::Success => self.successes += 1,
            Verdict::Failure => self.failures += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
        }
        if self.samples.len() == SAMPLES_KEPT {
            self.samples.remove(0);
        }
        self.samples.push(sample);
    }

    fn total(&self) -> u32 {
        self.successes + self.failures + self.inconclusive
    }

    fn last(&self) -> Option<Timestamp> {
        self.samples.last().map(|sample| sample.at)
    }

    fn handle(&self) -> Value {
        let newest = self.samples.len().saturating_sub(SAMPLES_REPORTED);
        let samples = self.samples[newest..].to_vec();
        json!(Tally {
            samples,
            ..self.clone()
        })
    }
}

/// Takes samples.
struct Probe<'v> {
    egress: &'v Egress,
    request: Request,
    metric: bool,
    vault: &'v Vault,
}

impl<'v> Probe<'v> {
    fn new(config: &VerifyConfig, vault: &'v Vault, egress: &'v Egress) -> Result<Self, String> {
        let (url, headers, timeout, metric) = match (&config.http, &config.prometheus) {
            (
                Some(HttpSample {
                    url,
                    headers,
                    timeout,
                }),
                None,
            ) => (address(url, vault)?, headers, timeout, false),
            (
                None,
                Some(PrometheusSample {
                    url,
                    query,
                    headers,
                    timeout,
                }),
            ) => {
                let mut address = address(url, vault)?;
                let path = format!("{}/api/v1/query", address.path().trim_end_matches('/'));
                address.set_path(&path);
                address
                    .query_pairs_mut()
                    .append_pair("query", &vault.fill(query));
                (address, headers, timeout, true)
            }
            _ => return Err("`verify` samples either `http` or `prometheus`".into()),
        };
        let written = headers.iter().map(|(name, text)| (name, text.as_str()));
        let request = Request {
            method: reqwest::Method::GET,
            url,
            headers: answer::headers(written, vault)?,
            body: None,
            limits: Limits::within(answer::span(*timeout, TIMEOUT_DEFAULT), BODY_BYTES_MAX),
            redirects_max: 0,
        };
        Ok(Probe {
            egress,
            request,
            metric,
            vault,
        })
    }

    /// What conditions see as `sample` and as `value`, or why there is nothing to see.
    async fn take(&self) -> Result<(Value, Value), String> {
        let sent = client::send(self.egress, self.request.clone()).await;
        let response = sent.map_err(|error| self.vault.redact(&error.to_string()))?;
        let answer = Answer::read(&response);
        let value = match self.metric {
            true => metric(response.status, answer.body())?,
            false => answer.body().clone(),
        };
        let mut sample = answer.view();
        sample["value"] = value.clone();
        Ok((sample, value))
    }
}

fn address(written: &str, vault: &Vault) -> Result<Url, String> {
    let url = vault.fill(written);
    url.parse()
        .map_err(|error| format!("`{written}` is not an address: {error}"))
}

/// The one number of a Prometheus answer.
fn metric(status: u16, body: &Value) -> Result<Value, String> {
    if body["status"] != "success" {
        let reason = body["error"].as_str().unwrap_or("no reason given");
        return Err(format!("Prometheus answered {status}: {reason}"));
    }
    let result = &body["data"]["result"];
    let text = match body["data"]["resultType"].as_str() {
        Some("scalar") => &result[1],
        Some("vector") => match result.as_array().map(Vec::as_slice) {
            Some([one]) => &one["value"][1],
            Some([]) => return Err("the query gave no series".into()),
            Some(several) => {
                return Err(format!(
                    "the query gave {} series instead of one",
                    several.len()
                ));
            }
            None => return Err("the answer of Prometheus has no result".into()),
        },
        _ => return Err("the query gives neither a scalar nor a vector".into()),
    };
    let number: f64 = text
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or("the answer of Prometheus holds no number")?;
    // A rate over nothing is not a number; that says nothing about the release.
    match serde_json::Number::from_f64(number) {
        Some(number) => Ok(Value::Number(number)),
        None => Err(format!("the query gave {number}")),
    }
}

/// A value as it is kept: structured ones and long texts are cut.
fn short(value: Value) -> Value {
    let text = match &value {
        Value::Null | Value::Bool(_) | Value::Number(_) => return value,
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    if text.len() <= VALUE_BYTES_MAX {
        return value;
    }
    let end = (0..=VALUE_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    Value::String(format!("{}…", &text[..end.unwrap_or(0)]))
}

/// The first instant of the grid after the last sample, or the start.
fn next_sample(start: Timestamp, every: SignedDuration, last: Option<Timestamp>) -> Timestamp {
    let Some(last) = last.filter(|last| *last >= start) else {
        return start;
    };
    let passed = last.duration_since(start).as_nanos() / every.as_nanos();
    let steps = i32::try_from(passed + 1).unwrap_or(i32::MAX);
    later(
        start,
        every.checked_mul(steps).unwrap_or(SignedDuration::MAX),
    )
}

fn later(from: Timestamp, length: SignedDuration) -> Timestamp {
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}

fn failed(error: String, result: Value) -> Outcome {
    Outcome::Failed { error, result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stay_on_the_grid_whatever_they_cost() {
        let at = |second: i64| Timestamp::from_second(1_000 + second).expect("a time");
        let every = SignedDuration::from_secs(30);
        assert_eq!(next_sample(at(0), every, None), at(0));
        assert_eq!(next_sample(at(0), every, Some(at(0))), at(30));
        assert_eq!(next_sample(at(0), every, Some(at(31))), at(60));
        assert_eq!(next_sample(at(0), every, Some(at(300))), at(330));
    }

    #[test]
    fn a_prometheus_answer_is_one_number_or_a_reason() {
        let read = |body: Value| metric(200, &body);
        let vector = |series: Value| json!({"status": "success", "data": {"resultType": "vector", "result": series}});
        assert_eq!(
            read(vector(json!([{"metric": {}, "value": [1, "0.25"]}]))),
            Ok(json!(0.25))
        );
        let scalar =
            json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}});
        assert_eq!(read(scalar), Ok(json!(3.0)));
        for (body, reason) in [
            (vector(json!([])), "no series"),
            (vector(json!([{}, {}])), "2 series"),
            (vector(json!([{"value": [1, "NaN"]}])), "NaN"),
            (
                json!({"status": "error", "error": "parse error"}),
                "parse error",
            ),
            (json!("<html>"), "no reason"),
        ] {
            let error = read(body).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(short(json!(1)), json!(1));
        assert_eq!(short(json!({"a": 1})), json!({"a": 1}));
        let long = short(json!("ä".repeat(1000)));
        assert!(
            long.as_str()
                .is_some_and(|text| text.len() <= VALUE_BYTES_MAX + 3)
        );
    }
}
