//! Signed webhooks: a CloudEvents 1.0 document in structured form, with the headers of Standard Webhooks.

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use trainmaster_engine::outlet::Parcel;

use crate::notify::signature;

/// The same bytes on every try, so that a receiver may compare them.
pub(super) fn event(parcel: &Parcel) -> Value {
    let message = &parcel.message;
    let mut event = json!({
        "specversion": "1.0",
        "id": parcel.id,
        "source": message.source,
        "type": format!("dev.trainmaster.{}.v1", message.word),
        "time": message.at.to_string(),
        "datacontenttype": "application/json",
        "data": {
            "event": message.word,
            "text": message.text,
            "link": message.link,
            "urgent": message.urgent,
        },
    });
    if let (Some(data), Some(more)) = (event["data"].as_object_mut(), message.data.as_object()) {
        data.extend(more.clone());
    }
    if !message.subject.is_empty() {
        event["subject"] = message.subject.as_str().into();
    }
    event
}

pub(super) fn headers(
    id: &str,
    now: Timestamp,
    secret: &str,
    body: &str,
) -> Result<HeaderMap, String> {
    let timestamp = now.as_second();
    let signature = signature(secret, id, timestamp, body)?;
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/cloudevents+json"),
    );
    let id: HeaderValue = id.parse().map_err(|_| "the id is no header".to_owned())?;
    headers.insert("webhook-id", id);
    headers.insert("webhook-timestamp", timestamp.into());
    let signature = signature.parse().expect("Base64 fits in a header");
    headers.insert("webhook-signature", signature);
    Ok(headers)
}
