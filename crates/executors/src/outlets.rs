//! Carries prepared messages out of the house: by e-mail, to chats, to signed webhooks (reliability.md, S12, S17).
//!
//! Everything that goes over HTTP passes the guard of [`crate::egress`] and follows no redirect.
//! Addresses of chats and keys that sign are secrets, asked for at the moment of use and taken out of every error.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use trainmaster_core::ids::{Name, SecretName};
use trainmaster_engine::outlet::{Carried, Carrier, Destination, Parcel};

use crate::answer::{self, Verdict};
use crate::client::{self, Limits, Request, Response, SendError};
use crate::egress::Egress;
use crate::redact::Redactor;
use crate::secrets::{Secret, SecretError, Secrets};

mod chat;
mod mail;
mod webhook;

pub use mail::{InvalidMailServer, MailServer};

/// How long a receiver has to take a message in.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of an answer is kept, in characters.
const EXCERPT_LENGTH_MAX: usize = 300;

/// Carries messages over every channel.
pub struct Outlets {
    /// Where requests may go.
    pub egress: Egress,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// The mail server; none if the installation has none.
    pub mail: Option<MailServer>,
}

#[async_trait]
impl Carrier for Outlets {
    async fn carry(&self, parcel: &Parcel, now: Timestamp) -> Carried {
        match &parcel.to {
            Destination::Email { to } => match &self.mail {
                Some(mail) => mail.send(parcel, to).await,
                None => Carried::Refused {
                    status: None,
                    error: "the server has no mail server; it is started with `--smtp-url`".into(),
                },
            },
            Destination::Slack { secret } => {
                self.chat(parcel, secret, chat::slack(&parcel.message), now)
                    .await
            }
            Destination::Teams { secret } => {
                self.chat(parcel, secret, chat::teams(&parcel.message), now)
                    .await
            }
            Destination::Webhook { url, secret } => self.webhook(parcel, url, secret, now).await,
        }
    }
}

impl Outlets {
    async fn chat(
        &self,
        parcel: &Parcel,
        secret: &SecretName,
        body: serde_json::Value,
        now: Timestamp,
    ) -> Carried {
        let address = match self.secret(parcel.organization.as_ref(), secret).await {
            Ok(address) => address,
            Err(carried) => return carried,
        };
        let redactor = Redactor::new([address.expose()]);
        let Ok(url) = address.expose().trim().parse() else {
            return refused(format!("the secret `{secret}` is not an address"));
        };
        let mut headers = reqwest::header::HeaderMap::new();
        let json = reqwest::header::HeaderValue::from_static("application/json");
        headers.insert(reqwest::header::CONTENT_TYPE, json);
        self.post(url, headers, body.to_string(), &redactor, now)
            .await
    }

    async fn webhook(
        &self,
        parcel: &Parcel,
        url: &str,
        secret: &SecretName,
        now: Timestamp,
    ) -> Carried {
        let key = match self.secret(parcel.organization.as_ref(), secret).await {
            Ok(key) => key,
            Err(carried) => return carried,
        };
        let redactor = Redactor::new([key.expose()]);
        let Ok(url) = url.parse() else {
            return refused(format!("`{url}` is not an address"));
        };
        let body = webhook::event(parcel).to_string();
        let headers = match webhook::headers(&parcel.id, now, key.expose(), &body) {
            Ok(headers) => headers,
            Err(error) => return refused(redactor.redact(&error)),
        };
        self.post(url, headers, body, &redactor, now).await
    }

    async fn secret(
        &self,
        organization: Option<&Name>,
        name: &SecretName,
    ) -> Result<Secret, Carried> {
        let found = self.secrets.secret(organization, name.as_str()).await;
        found.map_err(|error| match error {
            SecretError::Missing => refused(format!("there is no secret `{name}`")),
            SecretError::Unavailable(_) => Carried::Later {
                status: None,
                error: format!("secret `{name}`: {error}"),
                after: None,
            },
        })
    }

    async fn post(
        &self,
        url: url::Url,
        headers: reqwest::header::HeaderMap,
        body: String,
        redactor: &Redactor,
        now: Timestamp,
    ) -> Carried {
        let request = Request {
            method: reqwest::Method::POST,
            url,
            headers,
            body: Some(body.into_bytes()),
            limits: Limits::within(TIMEOUT, ANSWER_BYTES_MAX),
            redirects_max: 0,
        };
        match client::send(&self.egress, request).await {
            Ok(response) => {
                let answer = excerpt(&response, redactor);
                answered(response.status, &response.headers, answer, now)
            }
            // The receiver has answered, whatever became of the body.
            Err(
                SendError::Broken {
                    status,
                    headers,
                    error,
                }
                | SendError::Unfit {
                    status,
                    headers,
                    error,
                },
            ) => answered(status, &headers, shortened(&redactor.redact(&error)), now),
            Err(SendError::Refused(error)) => refused(redactor.redact(&error)),
            Err(SendError::NotSent(error)) => Carried::Later {
                status: None,
                error: shortened(&redactor.redact(&error)),
                after: None,
            },
            Err(SendError::Lost(error)) => Carried::Lost {
                error: shortened(&redactor.redact(&error)),
            },
        }
    }
}

/// What an answer means.
fn answered(
    status: u16,
    headers: &reqwest::header::HeaderMap,
    answer: String,
    now: Timestamp,
) -> Carried {
    let said = |answer: &str| match answer {
        "" => format!("the receiver answered {status}"),
        answer => format!("the receiver answered {status}: {answer}"),
    };
    match status {
        200..300 => Carried::Delivered {
            status: Some(status),
            answer,
        },
        410 => Carried::Gone {
            error: said(&answer),
        },
        _ => match answer::unwelcome(status, headers, true, now) {
            Verdict::Later(after) => Carried::Later {
                status: Some(status),
                error: said(&answer),
                after,
            },
            Verdict::Never => Carried::Refused {
                status: Some(status),
                error: said(&answer),
            },
        },
    }
}

fn refused(error: String) -> Carried {
    Carried::Refused {
        status: None,
        error: shortened(&error),
    }
}

fn excerpt(response: &Response, redactor: &Redactor) -> String {
    shortened(&redactor.redact(&String::from_utf8_lossy(&response.body)))
}

/// The beginning of a text on one line, without what steers a terminal.
fn shortened(text: &str) -> String {
    let plain = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let short: String = plain.take(EXCERPT_LENGTH_MAX).collect();
    short.trim().to_owned()
}
