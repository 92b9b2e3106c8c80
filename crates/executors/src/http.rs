//! `http`: sends a request; may poll until a condition holds, or wait to be called back.
//!
//! **Never guessing.** Each way a request can end without an answer says whether it may have arrived.
//! What never went out may be sent again.
//! What may have arrived is sent again only if that does no harm; otherwise the outside is read back by `readBack`,
//! and if that is not set or tells nothing, the outcome is unknown.
//!
//! | what happened | outcome |
//! |---|---|
//! | the address is refused, the settings make no request | `Failed` |
//! | not resolved, not connected | `Retryable` |
//! | no answer, or the answer broke off, and the request is idempotent | `Retryable` |
//! | the same, and it is not | read back, else `Unknown` |
//! | 408, 425, 429, 5xx; 409 to a repeated request | `Retryable`, not before `Retry-After` |
//! | any other status that is not expected | `Failed` |
//! | a body over the cap, compressed, or no JSON where JSON is expected | `Failed` |
//!
//! **Handles.** Before a request that must not be repeated goes out, that is reported, durably;
//! so after a restart, no handle means that it never went out, and it is sent.
//! Before polling or waiting the phase is reported, so the wanted effect becomes "go on asking there",
//! no longer "send the request".

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainmaster_core::effect::{Effect, Intent, Outcome};
use trainmaster_core::uses::http::{HttpConfig, Method, Poll, ReadBack};
use trainmaster_engine::ports::{Executor, LogLine, LogStream, Work};
use url::Url;

use crate::answer::{self, Answer};
use crate::callback;
use crate::client::{self, Limits, Request, Response, SendError};
use crate::egress::Egress;
use crate::secrets::{Secrets, Vault};

const BODY_BYTES_DEFAULT: u32 = 256 * 1024;
const BODY_BYTES_MAX: u32 = 1024 * 1024;
const REDIRECTS_MAX: u8 = 10;
const POLL_EVERY_DEFAULT: Duration = Duration::from_secs(10);
const POLL_EVERY_MIN: Duration = Duration::from_secs(1);

/// Performs `http` activities.
pub struct Http {
    /// Where requests may go.
    pub egress: Egress,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// The server's own address from outside, without a slash at its end.
    pub public_url: String,
    /// Signs the tokens of callbacks.
    pub callback_secret: Vec<u8>,
}

#[async_trait]
impl Executor for Http {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        let run = match Run::prepare(self, effect, work).await {
            Ok(run) => run,
            Err(outcome) => return outcome,
        };
        if effect.intent == Intent::Cancel {
            let confirmed = run.changes_nothing() || run.never_went_out();
            return Outcome::Cancelled { confirmed };
        }
        tokio::select! {
            biased;
            outcome = run.perform() => outcome,
            // Of a request that does something nobody knows how far it got.
            () = work.cancel.cancelled() => Outcome::Cancelled { confirmed: run.changes_nothing() },
        }
    }
}

/// How far an effect got, as it is reported.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "phase")]
enum Phase {
    /// A request that must not be repeated goes out next.
    Sending,
    /// Asking again and again.
    Polling { url: String, since: Timestamp },
    /// Waiting to be called.
    Callback { since: Timestamp },
}

/// One effect with everything at hand.
struct Run<'e> {
    http: &'e Http,
    effect: &'e Effect,
    work: &'e Work,
    config: HttpConfig,
    vault: Vault,
}

impl<'e> Run<'e> {
    async fn prepare(http: &'e Http, effect: &'e Effect, work: &'e Work) -> Result<Self, Outcome> {
        let config: HttpConfig = serde_json::from_value(effect.config.clone())
            .map_err(|error| failed(format!("the settings of `http`: {error}")))?;
        if config.poll.is_some() && config.callback.is_wanted() {
            return Err(failed("`poll` and `callback` exclude each other".into()));
        }
        let vault = Vault::open(http.secrets.as_ref(), effect).await?;
        Ok(Run {
            http,
            effect,
            work,
            config,
            vault,
        })
    }

    async fn perform(&self) -> Outcome {
        let handle = self.effect.handle.clone();
        let phase = handle.and_then(|handle| serde_json::from_value(handle).ok());
        match (phase, &self.config.poll) {
            (Some(Phase::Polling { url, since }), Some(poll)) => {
                self.poll(poll, &url, since, None).await
            }
            (Some(Phase::Callback { since }), _) => self.wait_for_callback(since).await,
            _ if self.config.is_idempotent() => self.send().await,
            _ if self.never_went_out() => match self.report(&Phase::Sending).await {
                true => self.send().await,
                false => Outcome::Cancelled { confirmed: true },
            },
            _ => {
                let doubt = "the server stopped while the request was under way";
                self.read_back(doubt.into()).await
            }
        }
    }

    /// A question can be dropped at any time.
    fn changes_nothing(&self) -> bool {
        matches!(
            self.config.method,
            Method::Get | Method::Head | Method::Options
        )
    }

    /// Whether it is certain that no server has sent the request before.
    fn never_went_out(&self) -> bool {
        !self.config.is_idempotent() && self.effect.handle.is_none()
    }

    async fn send(&self) -> Outcome {
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => return self.failed(error),
        };
        let named = format!("{} {}", self.config.method, request.url);
        let sent = client::send(&self.http.egress, request).await;
        self.say(match &sent {
            Ok(response) => format!("{named}: {}", response.status),
            Err(error) => format!("{named}: {error}"),
        })
        .await;
        match sent {
            Ok(response) => self.judge(&named, response).await,
            Err(error) => self.unanswered(&named, error).await,
        }
    }

    /// Takes an answer to the request.
    async fn judge(&self, named: &str, response: Response) -> Outcome {
        let answer = Answer::read(&response);
        if !self.config.expect.accepts(response.status) {
            return self.unwelcome(named, response.status, &response.headers, answer.result());
        }
        if self.config.expect.json
            && let Some(reason) = &answer.not_json
        {
            let error = self.vault.redact(&format!("`{named}`: {reason}"));
            let result = self.vault.redact_value(&answer.result());
            return Outcome::Failed { error, result };
        }
        self.go_on(response, answer).await
    }

    /// What follows once the request was carried out.
    async fn go_on(&self, response: Response, answer: Answer) -> Outcome {
        let since = self.work.clock.now();
        if let Some(poll) = &self.config.poll {
            let (url, asked) = self.poll_address(poll, &response);
            let phase = Phase::Polling {
                url: url.clone(),
                since,
            };
            if !self.report(&phase).await {
                return Outcome::Cancelled { confirmed: false };
            }
            return self.poll(poll, &url, since, asked.then_some(answer)).await;
        }
        if self.config.callback.is_wanted() {
            if !self.report(&Phase::Callback { since }).await {
                return Outcome::Cancelled { confirmed: false };
            }
            return self.wait_for_callback(since).await;
        }
        self.succeeded(&answer)
    }

    /// Takes the lack of an answer to the request.
    async fn unanswered(&self, named: &str, error: SendError) -> Outcome {
        let message = format!("`{named}`: {error}");
        match error {
            SendError::Refused(_) => self.failed(message),
            SendError::NotSent(_) => self.retryable(message),
            SendError::Broken {
                status, headers, ..
            }
            | SendError::Unfit {
                status, headers, ..
            } if !self.config.expect.accepts(status) => {
                let result = answer::result_without_body(status, &headers);
                self.unwelcome(named, status, &headers, result)
            }
            SendError::Unfit {
                status, headers, ..
            } => Outcome::Failed {
                error: self.vault.redact(&message),
                result: self
                    .vault
                    .redact_value(&answer::result_without_body(status, &headers)),
            },
            SendError::Lost(_) | SendError::Broken { .. } if self.config.is_idempotent() => {
                self.retryable(message)
            }
            SendError::Lost(_) | SendError::Broken { .. } => self.read_back(message).await,
        }
    }

    fn unwelcome(&self, named: &str, status: u16, headers: &HeaderMap, result: Value) -> Outcome {
        let repeated = !self.work.first || self.effect.id.number > 1;
        let hint = match status {
            300..400 => "; it redirects, which `followRedirects` would allow",
            _ => "",
        };
        let error = self
            .vault
            .redact(&format!("`{named}` answered {status}{hint}"));
        let verdict = answer::unwelcome(status, headers, repeated, self.work.clock.now());
        verdict.outcome(error, self.vault.redact_value(&result))
    }

    /// Learns from the outside whether the request was carried out.
    async fn read_back(&self, doubt: String) -> Outcome {
        let unknown = |error: String| Outcome::Unknown {
            error: self.vault.redact(&error),
        };
        let Some(read_back) = &self.config.read_back else {
            return unknown(format!("{doubt}; whether it was carried out is not known"));
        };
        let response = match self.ask(&read_back.url, true).await {
            Ok(response) => response,
            Err(error) => return unknown(format!("{doubt}; reading back failed: {error}")),
        };
        let answer = Answer::read(&response);
        self.say(format!("read back {}: {}", response.url, response.status))
            .await;
        match self.learned(read_back, &answer) {
            Ok(Learned::Done) => self.go_on(response, answer).await,
            Ok(Learned::Absent) => self.retryable(format!("{doubt}; it was not carried out")),
            Ok(Learned::Nothing) => unknown(format!("{doubt}; reading back does not tell")),
            Err(error) => unknown(format!("{doubt}; reading back: {error}")),
        }
    }

    fn learned(&self, read_back: &ReadBack, answer: &Answer) -> Result<Learned, String> {
        let names = [("response", answer.view())];
        // `until` may ask for fields that only a found thing has, so `absentWhen` is asked first.
        if let Some(absent) = &read_back.absent_when
            && answer::holds(absent, &names)?
        {
            return Ok(Learned::Absent);
        }
        match answer::holds(&read_back.until, &names)? {
            true => Ok(Learned::Done),
            false => Ok(Learned::Nothing),
        }
    }

    /// Where to poll, and whether the answer at hand already comes from there.
    fn poll_address(&self, poll: &Poll, response: &Response) -> (String, bool) {
        if let Some(url) = &poll.url {
            return (url.clone(), false);
        }
        let location = response
            .headers
            .get("location")
            .and_then(|value| value.to_str().ok());
        match location.and_then(|location| response.url.join(location).ok()) {
            Some(url) => (url.into(), false),
            None => (self.config.url.clone(), self.config.method == Method::Get),
        }
    }

    async fn poll(
        &self,
        poll: &Poll,
        url: &str,
        since: Timestamp,
        mut at_hand: Option<Answer>,
    ) -> Outcome {
        let every = answer::span(poll.every, POLL_EVERY_DEFAULT).max(POLL_EVERY_MIN);
        let end = poll.timeout.map(|timeout| later(since, timeout.get()));
        let own = poll.url.is_some() || url == self.config.url;
        let mut said = String::new();
        loop {
            let seen = match at_hand.take() {
                Some(answer) => Ok(answer),
                None => self
                    .ask(url, own)
                    .await
                    .map(|response| Answer::read(&response)),
            };
            let words = match &seen {
                Ok(answer) => match self.polled(poll, answer) {
                    Ok(Some(outcome)) => return outcome,
                    Ok(None) => format!("polled {url}: {}", answer.view()["status"]),
                    Err(error) => format!("polled {url}: {error}"),
                },
                Err(SendError::Refused(error)) => {
                    return self.failed(format!("polling `{url}`: {error}"));
                }
                Err(error) => format!("polled {url}: {error}"),
            };
            // The same news again and again would bury the rest.
            if words != said {
                self.say(words.clone()).await;
                said = words;
            }
            let now = self.work.clock.now();
            let next = later(
                now,
                SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX),
            );
            if let Some(end) = end
                && now >= end
            {
                return self.failed(format!(
                    "the condition of `poll` did not hold in time; last: {said}"
                ));
            }
            self.work
                .clock
                .sleep_until(end.map_or(next, |end| end.min(next)))
                .await;
        }
    }

    /// What a polled answer decides; nothing while neither condition holds.
    fn polled(&self, poll: &Poll, answer: &Answer) -> Result<Option<Outcome>, String> {
        let names = [("response", answer.view())];
        if let Some(fail_when) = &poll.fail_when
            && answer::holds(fail_when, &names)?
        {
            return Ok(Some(Outcome::Failed {
                error: format!("`failWhen` holds: {}", fail_when.source()),
                result: self.vault.redact_value(&answer.result()),
            }));
        }
        let done = answer::holds(&poll.until, &names)?;
        Ok(done.then(|| self.succeeded(answer)))
    }

    /// Waits until the server closes the attempt because somebody called, or the time is up.
    async fn wait_for_callback(&self, since: Timestamp) -> Outcome {
        match self.config.callback.timeout() {
            None => std::future::pending().await,
            Some(timeout) => {
                self.work
                    .clock
                    .sleep_until(later(since, timeout.get()))
                    .await;
                self.failed(format!("nobody called back within {timeout}"))
            }
        }
    }

    /// The request of the settings.
    fn request(&self) -> Result<Request, String> {
        let config = &self.config;
        let mut headers = self.headers()?;
        let body = config
            .body
            .as_ref()
            .map(|body| match self.vault.fill_value(body) {
                Value::String(text) => ("text/plain; charset=utf-8", text.into_bytes()),
                value => ("application/json", value.to_string().into_bytes()),
            });
        if let Some((kind, _)) = &body {
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static(kind));
        }
        if config.callback.is_wanted() {
            let token = callback::token(&self.effect.id, &self.http.callback_secret);
            let url = format!(
                "{}/api/v1/callbacks/{token}",
                self.http.public_url.trim_end_matches('/')
            );
            let mut url: HeaderValue = url
                .parse()
                .map_err(|_| "the server's own address is no header")?;
            url.set_sensitive(true);
            headers.insert("trainmaster-callback-url", url);
        }
        Ok(Request {
            method: config.method.as_str().parse().expect("a method of HTTP"),
            url: self.url(&config.url)?,
            headers,
            body: body.map(|(_, body)| body),
            limits: self.limits(),
            redirects_max: config.follow_redirects.min(REDIRECTS_MAX),
        })
    }

    /// Asks a question with GET; with the headers of the request only where the settings name the address.
    async fn ask(&self, url: &str, own: bool) -> Result<Response, SendError> {
        let mut headers = match own {
            true => self.headers().map_err(SendError::Refused)?,
            false => HeaderMap::new(),
        };
        headers.remove(CONTENT_TYPE);
        let url = self.url(url).map_err(SendError::Refused)?;
        if !own
            && self
                .url(&self.config.url)
                .is_ok_and(|first| first.origin() == url.origin())
        {
            headers = self.headers().map_err(SendError::Refused)?;
        }
        let request = Request {
            method: reqwest::Method::GET,
            url,
            headers,
            body: None,
            limits: self.limits(),
            redirects_max: self.config.follow_redirects.min(REDIRECTS_MAX),
        };
        client::send(&self.http.egress, request).await
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let written = self
            .config
            .headers
            .iter()
            .map(|(name, text)| (name, text.as_str()));
        let mut headers = answer::headers(written, &self.vault)?;
        let key = self
            .effect
            .key
            .0
            .parse()
            .map_err(|_| "the effect's key is no header")?;
        headers.insert("idempotency-key", key);
        Ok(headers)
    }

    fn url(&self, written: &str) -> Result<Url, String> {
        let url = self.vault.fill(written);
        url.parse()
            .map_err(|error| format!("`{written}` is not an address: {error}"))
    }

    fn limits(&self) -> Limits {
        let timeouts = &self.config.timeouts;
        let bytes = self
            .config
            .max_response
            .unwrap_or(BODY_BYTES_DEFAULT)
            .min(BODY_BYTES_MAX);
        Limits {
            connect: answer::span(timeouts.connect, Duration::from_secs(10)),
            first_byte: answer::span(timeouts.first_byte, Duration::from_secs(60)),
            idle: answer::span(timeouts.idle, Duration::from_secs(60)),
            total: answer::span(timeouts.total, Duration::from_secs(600)),
            body_bytes_max: bytes as usize,
        }
    }

    async fn report(&self, phase: &Phase) -> bool {
        let handle = self.vault.redact_value(&json!(phase));
        self.work.handles.report(&self.effect.id, handle).await
    }

    async fn say(&self, text: String) {
        let line = LogLine {
            at: self.work.clock.now().as_microsecond(),
            stream: LogStream::System,
            text: self.vault.redact(&text),
        };
        self.work.log.write(vec![line]).await;
    }

    fn succeeded(&self, answer: &Answer) -> Outcome {
        Outcome::Succeeded {
            result: self.vault.redact_value(&answer.result()),
        }
    }

    fn failed(&self, error: String) -> Outcome {
        failed(self.vault.redact(&error))
    }

    fn retryable(&self, error: String) -> Outcome {
        Outcome::Retryable {
            error: self.vault.redact(&error),
            after: None,
            result: Value::Null,
        }
    }
}

/// What reading back told.
enum Learned {
    Done,
    Absent,
    Nothing,
}

fn failed(error: String) -> Outcome {
    Outcome::Failed {
        error,
        result: Value::Null,
    }
}

fn later(from: Timestamp, length: SignedDuration) -> Timestamp {
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}
