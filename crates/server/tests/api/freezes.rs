//! Freezes over HTTP: what holds, what is held back, what people let through.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use trainmaster_core::access::Role;

use crate::support::TestApp;

/// The clock of a test stands at 2026-11-21, 12:00 UTC.
const HOUSE: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: rollout}
spec:
  inputs: [{name: environment, type: string, default: prod}]
  phases:
    - id: deploy
      activities: [{id: act, uses: command, with: {run: [deploy]}}]
---
apiVersion: trainmaster.dev/v1
kind: Freeze
metadata: {name: black-friday}
spec:
  reason: The shops are full
  scope: {environments: [prod]}
  windows: [{from: 2026-11-21T00:00:00Z, to: 2026-11-30T00:00:00Z}]
---
apiVersion: trainmaster.dev/v1
kind: Freeze
metadata: {name: weekends}
spec:
  reason: Nobody is there
  effect: warn
  zone: Europe/Berlin
  recurrence: {cadence: {every: weekly, on: saturday}, startDate: 2026-01-01, startTime: "00:00", length: 2d}
"#;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list");
    items
        .iter()
        .map(|item| item["freeze"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn what_holds_and_when_is_told() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    root.apply(HOUSE).await.expect(StatusCode::OK);
    let active = root
        .get("/api/v1/freezes/active")
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&active), ["black-friday", "weekends"]);
    assert_eq!(
        active["items"][0],
        json!({
            "freeze": "black-friday",
            "name": "black-friday",
            "reason": "The shops are full",
            "effect": "defer",
            "scope": {"environments": ["prod"]},
            "from": "2026-11-21T00:00:00Z",
            "to": "2026-11-30T00:00:00Z",
        })
    );
    // A Tuesday, and a day before all.
    for (at, expected) in [
        ("2026-11-24T12:00:00Z", vec!["black-friday"]),
        ("2026-11-20T12:00:00Z", vec![]),
    ] {
        let path = format!("/api/v1/freezes/active?at={at}");
        let active = root.get(&path).await.expect(StatusCode::OK);
        assert_eq!(names(&active), expected, "{at}");
    }
    let first = root
        .get("/api/v1/freezes/active?limit=1")
        .await
        .expect(StatusCode::OK);
    let next = first["next"].as_str().expect("more");
    let second = root
        .get(&format!("/api/v1/freezes/active?limit=1&cursor={next}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&second), ["weekends"]);
    // The clocks of Berlin show an hour more than UTC in November.
    let windows = root
        .get("/api/v1/freezes/weekends/windows?to=2026-12-01T00:00:00Z")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        windows["items"],
        json!([
            {"from": "2026-11-20T23:00:00Z", "to": "2026-11-22T23:00:00Z"},
            {"from": "2026-11-27T23:00:00Z", "to": "2026-11-29T23:00:00Z"},
        ])
    );
    for path in [
        "/api/v1/freezes/weekends/windows?to=2026-01-01T00:00:00Z",
        "/api/v1/freezes/weekends/windows?to=2099-01-01T00:00:00Z",
        "/api/v1/freezes/active?at=tomorrow",
    ] {
        let refused = root.get(path).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let gone = root.get("/api/v1/freezes/nothing/windows").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

/// R-078: a freeze of the account blocks a release of an organization, which cannot set it aside.
#[tokio::test]
async fn a_freeze_of_the_account_holds_an_organization_back() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let maria = test.manager().await;
    root.apply(HOUSE).await.expect(StatusCode::OK);
    let release = json!({"process": "rollout", "organization": "payments", "start": true});
    let made = maria
        .post("/api/v1/releases", release)
        .await
        .expect(StatusCode::CREATED);
    let id = made["id"].as_str().expect("an id").to_owned();
    let address = format!("/api/v1/releases/{id}");
    let view = maria.get(&address).await.expect(StatusCode::OK);
    assert_eq!(
        (&view["status"], &view["counters"]["queued"]),
        (&json!("Running"), &json!(1))
    );
    let explained = maria
        .get(&format!("{address}/explain"))
        .await
        .expect(StatusCode::OK);
    let waiting = &explained["waiting"][0];
    assert_eq!(
        (&waiting["reason"], &waiting["at"], &waiting["on"]),
        (
            &json!("freeze"),
            &json!("2026-11-30T00:00:00Z"),
            &json!(["black-friday"])
        )
    );
    let activity = maria
        .get(&format!("{address}/activities/deploy/act"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(activity["deferred"]["until"], "2026-11-30T00:00:00Z");
    assert!(test.script.asked().is_empty());
    // The organization's release manager may not set aside what the account says.
    let action = |view: &Value, name: &str| {
        let actions = view["actions"].as_array().expect("actions").clone();
        let found = actions.into_iter().find(|one| one["action"] == name);
        found.expect("a known action")["allowed"].clone()
    };
    assert_eq!(action(&view, "override-freeze"), json!(false));
    let request =
        json!({"freeze": "black-friday", "reason": "a hole", "expiresAt": "2026-11-22T00:00:00Z"});
    let refused = maria
        .post(&format!("{address}/override-freeze"), request.clone())
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // R-081: nor may she change the account's calendar; the account's release manager may.
    let shorter = HOUSE.replace("2026-11-30", "2026-11-22");
    let shorter: String = shorter.split("---").nth(1).expect("the freeze").to_owned();
    let refused = maria.apply(&shorter).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let ada = test.client("ada", &[], &[Role::ReleaseManager], None).await;
    let seen = ada.get(&address).await.expect(StatusCode::OK);
    assert_eq!(action(&seen, "override-freeze"), json!(true));
    ada.apply(&shorter).await.expect(StatusCode::OK);
    let explained = maria
        .get(&format!("{address}/explain"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(explained["waiting"][0]["at"], "2026-11-22T00:00:00Z");
    test.clock.set(at("2026-11-22T00:00:00Z"));
    maria
        .until(&address, |view| view["status"] == "Success")
        .await;
}

#[tokio::test]
async fn an_override_lets_a_release_through_and_is_seen() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    root.apply(HOUSE).await.expect(StatusCode::OK);
    let release = json!({"process": "rollout", "start": true});
    let made = root
        .post("/api/v1/releases", release)
        .await
        .expect(StatusCode::CREATED);
    let address = format!("/api/v1/releases/{}", made["id"].as_str().expect("an id"));
    let override_address = format!("{address}/override-freeze");
    for (request, status) in [
        (
            json!({"freeze": "black-friday", "reason": "", "expiresAt": "2026-11-22T00:00:00Z"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            json!({"freeze": "black-friday", "reason": "a hole", "expiresAt": "2027-11-22T00:00:00Z"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            json!({"freeze": "black-friday", "reason": "a hole"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            json!({"freeze": "Black Friday", "reason": "a hole", "expiresAt": "2026-11-22T00:00:00Z"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            json!({"freeze": "nothing", "reason": "a hole", "expiresAt": "2026-11-22T00:00:00Z"}),
            StatusCode::NOT_FOUND,
        ),
    ] {
        let refused = root.post(&override_address, request.clone()).await;
        assert_eq!(refused.status, status, "{request}: {:?}", refused.text);
    }
    let request =
        json!({"freeze": "black-friday", "reason": "a hole", "expiresAt": "2026-11-22T00:00:00Z"});
    let view = root
        .post(&override_address, request)
        .await
        .expect(StatusCode::OK);
    let given = &view["freezeOverrides"][0];
    assert_eq!(
        (
            &given["freeze"],
            &given["by"],
            &given["reason"],
            &given["inForce"]
        ),
        (
            &json!("black-friday"),
            &json!("user:root"),
            &json!("a hole"),
            &json!(true)
        )
    );
    let ended = root
        .until(&address, |view| view["status"] == "Success")
        .await;
    assert_eq!(ended["freezeOverrides"][0]["reason"], "a hole");
    let events = root
        .get(&format!("{address}/events"))
        .await
        .expect(StatusCode::OK);
    let events = events.to_string();
    for word in ["ActivityDeferred", "FreezeOverridden", "StartedInFreeze"] {
        assert!(events.contains(word), "{word}");
    }
    // A second one is taken back.
    let release = json!({"process": "rollout", "finalize": true});
    let made = root
        .post("/api/v1/releases", release)
        .await
        .expect(StatusCode::CREATED);
    let address = format!("/api/v1/releases/{}", made["id"].as_str().expect("an id"));
    let request =
        json!({"freeze": "black-friday", "reason": "a hole", "expiresAt": "2026-11-22T00:00:00Z"});
    root.post(&format!("{address}/override-freeze"), request)
        .await
        .expect(StatusCode::OK);
    let request = json!({"freeze": "black-friday", "reason": "closed"});
    let view = root
        .post(&format!("{address}/revoke-override"), request.clone())
        .await
        .expect(StatusCode::OK);
    let given = &view["freezeOverrides"][0];
    assert_eq!(
        (&given["inForce"], &given["revoked"]["text"]),
        (&json!(false), &json!("closed"))
    );
    let refused = root
        .post(&format!("{address}/revoke-override"), request)
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
}
