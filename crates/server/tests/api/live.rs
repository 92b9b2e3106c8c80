//! Live events, output, callbacks, the audit trail.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_engine::journal::Verifier;
use trainmaster_server::Options;

use crate::support::{TRAIN, TestApp, at, attempt, endless};

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off_without_a_gap() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let before = test.engine.position();
    let id = manager.start_train().await;
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    let address = format!("/api/v1/events?after={before}&release={id}");
    let mut stream = tester.stream(&address, &[]).await;
    let mut seen: Vec<u64> = Vec::new();
    for _ in 0..3 {
        let message = stream.next().await.expect("an event");
        assert_eq!(message.json()["type"], message.event.as_str());
        assert_eq!(message.json()["release"], id.as_str());
        seen.push(message.id.parse().expect("a position"));
    }
    drop(stream);
    tester
        .post(
            &format!("/api/v1/releases/{id}/activities/sign-off/qa/approve"),
            json!({}),
        )
        .await
        .expect(StatusCode::OK);
    manager.until_status(&id, "Success").await;
    let last = seen.last().expect("an event").to_string();
    let mut stream = tester.stream(&address, &[("last-event-id", &last)]).await;
    let page = manager
        .get(&format!("/api/v1/releases/{id}/events?limit=500"))
        .await
        .expect(StatusCode::OK);
    let all: Vec<u64> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|event| event["position"].as_u64())
        .collect();
    while seen.last() < all.last() {
        let message = stream.next().await.expect("an event");
        seen.push(message.id.parse().expect("a position"));
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_stream_shows_only_what_its_viewer_may_see() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let foreign = test
        .client("eve", &[], &[Role::Administrator], Some("lending"))
        .await;
    let mut theirs = foreign.stream("/api/v1/events", &[]).await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let id = manager.start_train().await;
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    foreign
        .apply(&TRAIN.replace("organization: payments", "organization: lending"))
        .await
        .expect(StatusCode::OK);
    let first = theirs.next().await.expect("an event");
    assert_eq!(first.event, "ResourceApplied");
    assert_eq!(first.json()["data"]["key"]["organization"], "lending");
    let hidden = foreign
        .call(
            Method::GET,
            &format!("/api/v1/events?release={id}"),
            &[],
            None,
        )
        .await;
    hidden.problem("unknown-release");
}

#[tokio::test]
async fn a_position_that_the_journal_does_not_know_asks_to_read_everything_anew() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let mut stream = manager.stream("/api/v1/events?after=999999", &[]).await;
    let relist = stream.next().await.expect("an event");
    assert_eq!(relist.event, "relist");
    assert_eq!(relist.json()["position"], test.engine.position());
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    assert_eq!(
        stream.next().await.expect("an event").event,
        "ResourceApplied"
    );
    let bad = [("last-event-id", "x")];
    manager
        .call(Method::GET, "/api/v1/events", &bad, None)
        .await
        .problem("invalid-header");
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it_and_with_the_server() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let body = json!({"user": "ada", "roles": ["viewer"], "expiresAt": "2026-12-01T00:00:00Z"});
    let issue = || async {
        root.post("/api/v1/tokens", body.clone())
            .await
            .expect(StatusCode::CREATED)
    };
    let (revoked, expiring) = (issue().await, issue().await);
    let token = |issued: &Value| issued["token"].as_str().expect("a token").to_owned();
    let mut first = test
        .bearer(&token(&revoked))
        .stream("/api/v1/events", &[])
        .await;
    let mut second = test
        .bearer(&token(&expiring))
        .stream("/api/v1/events", &[])
        .await;
    let mut third = root.stream("/api/v1/events?type=ReleaseCreated", &[]).await;
    let id = revoked["id"].as_str().expect("an id");
    let deleted = root
        .call(Method::DELETE, &format!("/api/v1/tokens/{id}"), &[], None)
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(first.next().await, None, "revoked");
    test.clock.set(at("2026-12-01T00:00:00Z"));
    assert_eq!(second.next().await, None, "expired");
    test.stop_streams();
    assert_eq!(third.next().await, None, "stopping");
}

#[tokio::test]
async fn output_is_read_as_lines_and_followed_until_the_attempt_ends() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    test.script.next("build/compile", endless());
    let id = manager.start_train().await;
    let address = format!("/api/v1/releases/{id}/activities/build/compile/logs");
    manager
        .until_activity(&id, "build/compile", "Running")
        .await;
    let mut stream = manager.stream(&format!("{address}?follow=true"), &[]).await;
    let line = stream.next().await.expect("a line");
    assert_eq!(
        (line.event.as_str(), &line.json()["text"]),
        ("line", &json!("working on build/compile"))
    );
    manager
        .post(
            &format!("/api/v1/releases/{id}/abort"),
            json!({"reason": "enough"}),
        )
        .await
        .expect(StatusCode::OK);
    while let Some(line) = stream.next().await {
        assert_eq!(line.event, "line");
    }
    let reply = manager.get(&format!("{address}?after=1")).await;
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let text = String::from_utf8(reply.text.to_vec()).expect("UTF-8");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["number"], 2);
    assert_eq!(lines[0]["text"], "done");
    manager
        .get(&format!("/api/v1/releases/{id}/activities/build/none/logs"))
        .await
        .problem("unknown-activity");
    let not_started = manager
        .get(&format!(
            "/api/v1/releases/{id}/activities/sign-off/qa/logs"
        ))
        .await;
    assert_eq!(
        (not_started.status, not_started.text.len()),
        (StatusCode::OK, 0)
    );
}

#[tokio::test]
async fn a_callback_ends_its_attempt_once() {
    let known = "cb_genuine".to_owned();
    let options = Options {
        callbacks: Some(Arc::new(move |token: &str| {
            (token == known).then(|| attempt("rel-00000001", "build/compile", 1))
        })),
        ..Options::default()
    };
    let test = TestApp::with(options).await;
    let (manager, stranger) = (test.manager().await, test.stranger());
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let early = stranger
        .post("/api/v1/callbacks/cb_genuine", json!({}))
        .await;
    early.problem("unknown-callback");
    test.script.next("build/compile", endless());
    let id = manager.start_train().await;
    manager
        .until_activity(&id, "build/compile", "Running")
        .await;
    stranger
        .post("/api/v1/callbacks/cb_forged", json!({}))
        .await
        .problem("unknown-callback");
    stranger
        .post("/api/v1/callbacks/cb_genuine", json!({"status": "done"}))
        .await
        .problem("invalid-body");
    let report = json!({"result": {"outputs": {"url": "https://artifacts/7"}}});
    let taken = stranger
        .post("/api/v1/callbacks/cb_genuine", report)
        .await
        .expect(StatusCode::OK);
    assert_eq!(taken["accepted"], true);
    let done = manager
        .until_activity(&id, "build/compile", "Success")
        .await;
    assert_eq!(done["outputs"]["artifact"], "https://artifacts/7");
    let late = stranger
        .post(
            "/api/v1/callbacks/cb_genuine",
            json!({"status": "failed", "error": "late"}),
        )
        .await;
    assert!(
        late.status == StatusCode::OK || late.status == StatusCode::CONFLICT,
        "{late:?}"
    );
    let still = manager
        .get(&format!("/api/v1/releases/{id}/activities/build/compile"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(still["status"], "Success");
}

#[tokio::test]
async fn the_exported_journal_is_what_the_verifier_reads() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    root.apply(TRAIN).await.expect(StatusCode::OK);
    let id = root.start_train().await;
    root.until_activity(&id, "sign-off/qa", "OnHold").await;
    let export = root.get("/api/v1/audit/export").await;
    let text = String::from_utf8(export.text.to_vec()).expect("UTF-8");
    let mut verifier = Verifier::new();
    for line in text.lines() {
        verifier.check_line(line).expect("an intact record");
    }
    let verdict = root
        .get("/api/v1/audit/verify")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&verdict["intact"], &verdict["hash"]),
        (&json!(true), &json!(verifier.hash()))
    );
    let page = root
        .get(&format!("/api/v1/audit?release={id}&by=user:root&limit=1"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(page["items"][0]["release"], id.as_str());
    assert_eq!(page["items"][0]["by"], "user:root");
    let created = root
        .get("/api/v1/audit?type=ReleaseCreated&order=oldest")
        .await
        .expect(StatusCode::OK);
    assert_eq!(created["items"].as_array().map(Vec::len), Some(1));
    root.get("/api/v1/audit?by=root&order=sideways")
        .await
        .problem("invalid-query");
}

#[tokio::test]
async fn people_are_told_that_they_are_needed() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let id = manager.start_train().await;
    let told = tester
        .until("/api/v1/notifications", |page| {
            !page["items"].as_array().expect("items").is_empty()
        })
        .await;
    let item = &told["items"][0];
    assert_eq!(
        (&item["release"], &item["path"]),
        (&json!(id), &json!("sign-off/qa"))
    );
    assert_eq!(
        tester
            .get(item["url"].as_str().expect("an address"))
            .await
            .status,
        StatusCode::OK
    );
    let view = tester
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(view["needsYou"], 1);
    let view = manager
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(view["needsYou"], 0);
}

#[tokio::test]
async fn every_answer_shows_at_least_what_was_answered_before() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body =
        json!({"process": "train", "organization": "payments", "inputs": {"version": "1.4.0"}});
    let draft = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let address = format!("/api/v1/releases/{}", draft["id"].as_str().expect("an id"));
    let mut names = BTreeMap::new();
    for number in 0..50 {
        let name = format!("Train {number}");
        let request = Request::builder()
            .method("PATCH")
            .uri(&address)
            .header("content-type", "application/json");
        let body = Body::from(json!({"name": name}).to_string());
        let edited = manager.send(request.body(body).expect("a request")).await;
        let position: u64 = edited
            .header("trainmaster-position")
            .expect("a position")
            .parse()
            .expect("a number");
        let read = manager.get(&address).await.expect(StatusCode::OK);
        assert!(read["asOf"].as_u64() >= Some(position));
        names.insert(number, read["name"] == name.as_str());
    }
    assert!(names.values().all(|is_newest| *is_newest), "{names:?}");
}
