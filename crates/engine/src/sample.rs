//! Rows to try stores and columns with: plausible, not computed by the domain.

use serde_json::{Value, json};
use trainmaster_core::entity::Entity;
use trainmaster_core::release::{Activity, Release};

/// A release whose life is `Draft`, `Underway` or `Ended`.
pub(crate) fn release(number: u64, life: &str) -> Release {
    let life = match life {
        "Ended" => json!({"kind": "ended", "status": "Success"}),
        "Underway" => json!({"kind": "underway"}),
        _ => json!({"kind": "draft"}),
    };
    read(json!({
        "id": number,
        "version": 1,
        "name": format!("Week {number} Release"),
        "slug": format!("week-{number}-release"),
        "process": {"kind": "Process", "organization": "shop", "name": "train"},
        "organization": "shop",
        "revision": 2,
        "softwareVersion": format!("V{number}.0"),
        "labels": {"team": "shop", "hotfix": ""},
        "description": {"purpose": "Über Umlauts"},
        "createdBy": "user:ada",
        "createdAt": "2026-11-21T08:00:00Z",
        "startAt": "2026-11-21T09:00:00Z",
        "zone": "Europe/Berlin",
        "life": life,
    }))
}

/// An activity that has not begun.
pub(crate) fn activity(path: &str) -> Activity {
    read(json!({"path": path, "standing": {"kind": "pending"}}))
}

/// A definition with one of its revisions.
pub(crate) fn definition(revision: u32) -> [Entity; 2] {
    let key = json!({"kind": "Process", "organization": "shop", "name": "train"});
    let resource = json!({
        "key": key,
        "revision": revision,
        "digest": format!("digest-{revision}"),
        "createdAt": "2026-11-21T08:00:00Z",
        "updatedAt": "2026-11-21T08:00:00Z",
        "updatedBy": "user:ada",
    });
    let stored = json!({
        "key": key,
        "revision": revision,
        "digest": format!("digest-{revision}"),
        "spec": {"phases": [], "note": "naïve ☃ \u{1F680}\nsecond line\t\"quoted\" 'single' \\ %_"},
        "at": "2026-11-21T08:00:00Z",
        "by": "user:ada",
    });
    [
        Entity::Resource(read(resource)),
        Entity::Revision(read(stored)),
    ]
}

/// A token.
pub(crate) fn token(number: u64) -> Entity {
    Entity::Token(read(json!({
        "token": number,
        "digest": format!("{number:064x}"),
        "user": "ada",
        "roles": ["administrator"],
        "issuedAt": "2026-11-21T08:00:00Z",
        "issuedBy": "system",
        "description": "the first",
    })))
}

/// A user.
pub(crate) fn user(name: &str) -> Entity {
    Entity::User(Box::new(read(json!({
        "name": name,
        "displayName": "Ada 'the first' ☃",
        "createdAt": "2026-11-21T08:00:00Z",
        "createdBy": "system",
        "updatedAt": "2026-11-21T08:00:00Z",
        "vouchedAt": "2026-11-21T08:00:00Z",
        "vouchedBy": "system",
    }))))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a sample is written as rows are")
}
