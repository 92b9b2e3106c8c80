//! Events and journal records as the API shows them.

use serde_json::{Map, Value};
use trainmaster_api::{AuditRecord, EventView};
use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::journal::Record;

/// An event at its position; none if the record cannot be read.
pub(crate) fn event(record: &Record) -> Option<EventView> {
    let mut body: Map<String, Value> = serde_json::from_str(&record.body).ok()?;
    let mut take = |name: &str| match body.remove(name) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    };
    let (at, by, event_type, path) = (take("at")?, take("by")?, take("type")?, take("path"));
    let release = body
        .remove("release")
        .and_then(|id| serde_json::from_value::<ReleaseId>(id).ok());
    show_ids(&mut body);
    Some(EventView {
        position: record.position,
        at,
        by,
        event_type,
        release: release.map(|id| id.to_string()),
        path,
        data: body,
    })
}

/// What is kept as a number inside is shown as everywhere else; digests of tokens are nobody's business.
fn show_ids(data: &mut Map<String, Value>) {
    if let Some(token) = data.get("token").and_then(Value::as_u64) {
        data.insert(
            "token".to_owned(),
            trainmaster_core::ids::TokenId(token).to_string().into(),
        );
        data.remove("digest");
    }
    if let Some(predecessor) = data.get_mut("predecessor") {
        show_release(predecessor);
    }
    if let Some(Value::Array(after)) = data.get_mut("after") {
        after.iter_mut().for_each(show_release);
    }
    for holder in ["parent", "work"] {
        if let Some(release) = data
            .get_mut(holder)
            .and_then(|value| value.get_mut("release"))
        {
            show_release(release);
        }
    }
}

fn show_release(value: &mut Value) {
    if let Some(id) = value.as_u64() {
        *value = ReleaseId(id).to_string().into();
    }
}

/// A journal record with its place in the chain; none if it cannot be read.
pub(crate) fn audit_record(record: &Record) -> Option<AuditRecord> {
    Some(AuditRecord {
        event: event(record)?,
        previous: record.previous.clone(),
        hash: record.hash.clone(),
    })
}

/// The address of an activity in this API.
pub(crate) fn activity_url(release: &str, path: &str) -> String {
    let path = path.replace('[', "%5B").replace(']', "%5D");
    format!("/api/v1/releases/{release}/activities/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &str) -> Record {
        Record {
            position: 7,
            body: body.to_owned(),
            previous: String::new(),
            hash: "00".to_owned(),
        }
    }

    #[test]
    fn an_event_shows_ids_as_they_are_written_everywhere() {
        let body = r#"{"at":"2026-11-21T12:00:00Z","by":"user:maria","release":42,"path":"build/compile",
            "type":"AttemptStarted","attempt":1,"work":{"kind":"child","release":43}}"#;
        let view = event(&record(body)).expect("an event");
        assert_eq!(view.release.as_deref(), Some("rel-00000042"));
        assert_eq!(view.event_type, "AttemptStarted");
        assert_eq!(view.data["work"]["release"], "rel-00000043");
        assert_eq!(view.data["attempt"], 1);
    }

    #[test]
    fn the_digest_of_a_token_is_not_shown() {
        let body = r#"{"at":"2026-11-21T12:00:00Z","by":"system","type":"TokenIssued","token":7,"digest":"abc","user":"maria"}"#;
        let view = event(&record(body)).expect("an event");
        assert_eq!(view.data["token"], "tok-0007");
        assert!(!view.data.contains_key("digest"));
    }
}
