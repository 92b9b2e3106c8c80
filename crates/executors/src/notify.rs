//! `notify`: sends a signed message (reliability.md, S17).
//!
//! The body is a CloudEvents 1.0 document; the headers are those of Standard Webhooks.
//! `webhook-id` is the key of the effect: a receiver that remembers it takes the message once, however often it comes,
//! so nothing about it is ever unknown and every doubt is settled by sending it again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use trainmaster_core::effect::{Effect, Intent, Outcome};
use trainmaster_core::uses::notify::NotifyConfig;
use trainmaster_engine::ports::{Executor, Work};

use crate::answer;
use crate::client::{self, Limits, Request, SendError};
use crate::egress::Egress;
use crate::secrets::{Secrets, Vault};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Performs `notify` activities.
pub struct Notify {
    /// Where messages may go.
    pub egress: Egress,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// The server's own address from outside, the `source` of its events.
    pub public_url: String,
}

#[async_trait]
impl Executor for Notify {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        let stopped = Outcome::Cancelled { confirmed: true };
        if effect.intent == Intent::Cancel {
            return stopped;
        }
        tokio::select! {
            biased;
            outcome = self.send(effect, work) => outcome,
            () = work.cancel.cancelled() => stopped,
        }
    }
}

impl Notify {
    async fn send(&self, effect: &Effect, work: &Work) -> Outcome {
        let config: NotifyConfig = match serde_json::from_value(effect.config.clone()) {
            Ok(config) => config,
            Err(error) => return failed(format!("the settings of `notify`: {error}")),
        };
        let vault = match Vault::open(self.secrets.as_ref(), effect).await {
            Ok(vault) => vault,
            Err(outcome) => return outcome,
        };
        let request = match self.request(&config, &vault, effect, work) {
            Ok(request) => request,
            Err(error) => return failed(vault.redact(&error)),
        };
        let shown = request.url.host_str().unwrap_or_default().to_owned();
        let (status, headers) = match client::send(&self.egress, request).await {
            Ok(response) => (response.status, response.headers),
            // The receiver has it once there is a status, whatever became of the body.
            Err(
                SendError::Broken {
                    status, headers, ..
                }
                | SendError::Unfit {
                    status, headers, ..
                },
            ) => (status, *headers),
            Err(SendError::Refused(error)) => return failed(vault.redact(&error)),
            Err(SendError::NotSent(error) | SendError::Lost(error)) => {
                return Outcome::Retryable {
                    error: vault.redact(&format!("`{shown}`: {error}")),
                    after: None,
                    result: Value::Null,
                };
            }
        };
        let result = json!({ "status": status });
        match status {
            200..300 => Outcome::Succeeded { result },
            410 => Outcome::Failed {
                error: vault.redact(&format!("`{shown}` takes no more messages (410)")),
                result,
            },
            _ => {
                let error = vault.redact(&format!("`{shown}` answered {status}"));
                let verdict = answer::unwelcome(status, &headers, true, work.clock.now());
                verdict.outcome(error, result)
            }
        }
    }

    fn request(
        &self,
        config: &NotifyConfig,
        vault: &Vault,
        effect: &Effect,
        work: &Work,
    ) -> Result<Request, String> {
        let body = self.event(config, vault, effect).to_string();
        let timestamp = work.clock.now().as_second();
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/cloudevents+json"),
        );
        let id: HeaderValue = effect
            .key
            .0
            .parse()
            .map_err(|_| "the effect's key is no header")?;
        headers.insert("webhook-id", id);
        headers.insert("webhook-timestamp", timestamp.into());
        if let Some(secret) = &config.secret {
            let signature = signature(&vault.fill(secret), &effect.key.0, timestamp, &body)?;
            let signature = signature.parse().expect("Base64 fits in a header");
            headers.insert("webhook-signature", signature);
        }
        let url = vault.fill(&config.url);
        let url = url
            .parse()
            .map_err(|error| format!("`{}` is not an address: {error}", config.url))?;
        Ok(Request {
            method: reqwest::Method::POST,
            url,
            headers,
            body: Some(body.into_bytes()),
            limits: Limits::within(
                answer::span(config.timeout, TIMEOUT_DEFAULT),
                BODY_BYTES_MAX,
            ),
            redirects_max: 0,
        })
    }

    /// The same bytes on every try, so that a receiver may compare them.
    fn event(&self, config: &NotifyConfig, vault: &Vault, effect: &Effect) -> Value {
        let release = effect.id.release.to_string();
        json!({
            "specversion": "1.0",
            "id": effect.key.0,
            "source": format!("{}/releases/{release}", self.public_url.trim_end_matches('/')),
            "type": config.event,
            "subject": format!("{release}/{}", effect.id.path),
            "datacontenttype": "application/json",
            "data": {
                "message": vault.fill(&config.message),
                "release": release,
                "activity": effect.id.path.as_str(),
                "data": vault.fill_value(&config.data),
            },
        })
    }
}

/// `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`.
pub(crate) fn signature(
    secret: &str,
    id: &str,
    timestamp: i64,
    body: &str,
) -> Result<String, String> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| "what follows `whsec_` in the secret is no Base64".to_owned())?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err("the secret that signs the message is empty".into());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("every length of key is taken");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Ok(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

fn failed(error: String) -> Outcome {
    Outcome::Failed {
        error,
        result: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_standard_webhooks() {
        let signed = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signed.expect("a signature"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_that_is_no_key_is_refused() {
        assert!(signature("whsec_???", "id", 0, "").is_err());
        assert!(signature("", "id", 0, "").is_err());
        assert!(signature("plain text", "id", 0, "").is_ok());
    }
}
