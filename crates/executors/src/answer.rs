//! Reads answers: as data for conditions and results, and as a verdict by their status.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value, json};
use trainmaster_core::effect::Outcome;
use trainmaster_core::expr::{Condition, Values};

use crate::client::Response;
use crate::secrets::{Vault, names_secret};

/// Headers that are worth keeping with a result.
const KEPT: [&str; 8] = [
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "x-correlation-id",
    "x-request-id",
];

/// A kept or shown header is cut after this many bytes.
const HEADER_BYTES_MAX: usize = 2048;

/// Nobody is believed who asks to come back later than this.
const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(24);

/// An answer as conditions see it.
pub(crate) struct Answer {
    status: u16,
    headers: Map<String, Value>,
    body: Value,
    /// Why a body that should be JSON is not, where that matters.
    pub(crate) not_json: Option<String>,
}

impl Answer {
    pub(crate) fn read(response: &Response) -> Self {
        let (body, not_json) = read_body(&response.headers, &response.body);
        Answer {
            status: response.status,
            headers: shown_headers(&response.headers),
            body,
            not_json,
        }
    }

    /// What a condition sees as `response` or `sample`.
    pub(crate) fn view(&self) -> Value {
        json!({"status": self.status, "headers": self.headers, "body": self.body})
    }

    /// The body, as data if it is JSON.
    pub(crate) fn body(&self) -> &Value {
        &self.body
    }

    /// What is kept as the result.
    pub(crate) fn result(&self) -> Value {
        json!({"status": self.status, "headers": kept(&self.headers), "body": self.body})
    }
}

/// The result for an answer whose body could not be taken in.
pub(crate) fn result_without_body(status: u16, headers: &HeaderMap) -> Value {
    json!({"status": status, "headers": kept(&shown_headers(headers)), "body": null})
}

fn kept(headers: &Map<String, Value>) -> Map<String, Value> {
    KEPT.iter()
        .filter_map(|name| Some(((*name).to_owned(), headers.get(*name)?.clone())))
        .collect()
}

/// Every header but cookies, names in lower case, several values joined by commas.
fn shown_headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in headers.keys().filter(|name| *name != "set-cookie") {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let mut text = values.join(", ");
        let end = (0..=HEADER_BYTES_MAX.min(text.len()))
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        shown.insert(name.as_str().to_owned(), Value::String(text));
    }
    shown
}

/// The body as JSON where it says or shows that it is, else as text; and why it is no JSON.
fn read_body(headers: &HeaderMap, body: &[u8]) -> (Value, Option<String>) {
    if body.is_empty() {
        return (Value::Null, Some("the body is empty".into()));
    }
    let parsed = serde_json::from_slice(body);
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match (kind.is_none_or(is_json), parsed) {
        (true, Ok(value)) => (value, None),
        // Another type that happens to read as JSON stays text, but satisfies who asked for JSON.
        (false, Ok(_)) => (text(body), None),
        (_, Err(error)) => {
            let place = format!("line {} column {}", error.line(), error.column());
            (text(body), Some(format!("the body is no JSON at {place}")))
        }
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind.ends_with("/json") || kind.ends_with("+json")
}

fn text(body: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(body).into_owned())
}

/// What an unwelcome status means for another try.
///
/// 409 on a request that was sent before usually says that the first one is still being worked on.
pub(crate) fn unwelcome(
    status: u16,
    headers: &HeaderMap,
    repeated: bool,
    now: Timestamp,
) -> Verdict {
    match status {
        408 | 425 | 429 | 500..=599 => Verdict::Later(retry_after(headers, now)),
        409 if repeated => Verdict::Later(retry_after(headers, now)),
        _ => Verdict::Never,
    }
}

/// Whether another try may be welcome.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes, not earlier than that.
    Later(Option<SignedDuration>),
    /// No.
    Never,
}

impl Verdict {
    /// The outcome with what went wrong.
    pub(crate) fn outcome(self, error: String, result: Value) -> Outcome {
        match self {
            Verdict::Later(after) => Outcome::Retryable {
                error,
                after,
                result,
            },
            Verdict::Never => Outcome::Failed { error, result },
        }
    }
}

/// `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u32>() {
        Ok(seconds) => SignedDuration::from_secs(seconds.into()),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?;
            date.timestamp().duration_since(now)
        }
    };
    Some(wait.clamp(SignedDuration::ZERO, RETRY_AFTER_MAX))
}

/// Whether a condition holds of an answer, or why that cannot be said.
pub(crate) fn holds(condition: &Condition, names: &[(&str, Value)]) -> Result<bool, String> {
    let values = Values {
        names: names
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        ..Values::default()
    };
    condition
        .evaluate(&values)
        .map_err(|error| error.to_string())
}

/// The headers of a request from settings, with secrets filled in and marked.
pub(crate) fn headers<'h>(
    written: impl IntoIterator<Item = (&'h String, &'h str)>,
    vault: &Vault,
) -> Result<HeaderMap, String> {
    /// Ours to say, or dangerous to say twice.
    const RESERVED: [&str; 10] = [
        "accept-encoding",
        "connection",
        "content-length",
        "idempotency-key",
        "te",
        "trailer",
        "trainmaster-callback-url",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
    ];
    let mut headers = HeaderMap::new();
    for (name, text) in written {
        let header: HeaderName = name
            .parse()
            .map_err(|_| format!("`{name}` is not the name of a header"))?;
        if RESERVED.contains(&header.as_str()) {
            return Err(format!("the header `{name}` cannot be set here"));
        }
        let mut value: HeaderValue = vault
            .fill(text)
            .parse()
            .map_err(|_| format!("the value of the header `{name}` holds control characters"))?;
        value.set_sensitive(names_secret(text));
        headers.insert(header, value);
    }
    Ok(headers)
}

/// A length of time from settings, or the one that is usual.
pub(crate) fn span(set: Option<trainmaster_core::duration::Duration>, usual: Duration) -> Duration {
    set.map_or(usual, |set| set.get().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: Option<&str>, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind.parse().expect("a header"));
        }
        headers.insert("x-other", "1".parse().expect("a header"));
        headers.insert("set-cookie", "a=b".parse().expect("a header"));
        Answer::read(&Response {
            status: 200,
            headers,
            body: body.as_bytes().to_vec(),
            url: "http://a.example/".parse().expect("an address"),
        })
    }

    #[test]
    fn a_body_is_data_when_it_is_json_and_text_otherwise() {
        assert_eq!(
            answer(Some("application/json"), r#"{"a":1}"#).body,
            json!({"a": 1})
        );
        assert_eq!(
            answer(Some("application/problem+json; charset=utf-8"), "[1]").body,
            json!([1])
        );
        assert_eq!(answer(None, "true").body, json!(true));
        assert_eq!(answer(Some("text/plain"), "1").body, json!("1"));
        assert_eq!(answer(Some("application/json"), "{").body, json!("{"));
        assert!(answer(Some("application/json"), "{").not_json.is_some());
        assert_eq!(answer(None, "").body, Value::Null);
    }

    #[test]
    fn conditions_see_more_headers_than_are_kept_and_nobody_sees_cookies() {
        let answer = answer(Some("text/plain"), "ok");
        assert_eq!(
            answer.view()["headers"],
            json!({"content-type": "text/plain", "x-other": "1"})
        );
        assert_eq!(
            answer.result()["headers"],
            json!({"content-type": "text/plain"})
        );
    }

    #[test]
    fn the_status_decides_whether_another_try_may_help() {
        let now: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let verdict = |status, header: Option<&str>, repeated| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(RETRY_AFTER, header.parse().expect("a header"));
            }
            unwelcome(status, &headers, repeated, now)
        };
        let seconds = |seconds| Verdict::Later(Some(SignedDuration::from_secs(seconds)));
        assert_eq!(verdict(503, None, false), Verdict::Later(None));
        assert_eq!(verdict(429, Some("7"), false), seconds(7));
        assert_eq!(
            verdict(429, Some("Sat, 21 Nov 2026 03:01:00 GMT"), false),
            seconds(60)
        );
        assert_eq!(
            verdict(429, Some("Sat, 21 Nov 2020 03:01:00 GMT"), false),
            seconds(0)
        );
        assert_eq!(verdict(429, Some("4000000000"), false), seconds(86_400));
        assert_eq!(verdict(429, Some("soon"), false), Verdict::Later(None));
        assert_eq!(verdict(409, None, true), Verdict::Later(None));
        for (status, repeated) in [
            (409, false),
            (400, true),
            (404, true),
            (302, true),
            (422, false),
        ] {
            assert_eq!(
                verdict(status, Some("7"), repeated),
                Verdict::Never,
                "{status}"
            );
        }
    }
}
