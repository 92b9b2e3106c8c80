//! How long completed work stays, and what is left of it afterwards.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use trainmaster_server::keeper::{self, Kept};

use crate::deployments::{SHOP, ship};
use crate::support::{Client, TRAIN, TestApp, at};

async fn names(client: &Client<'_>, query: &str) -> Vec<String> {
    let page = client.get(&format!("/api/v1/releases{query}")).await;
    let page = page.expect(StatusCode::OK);
    let items = page["items"].as_array().expect("items").iter();
    items
        .map(|one| one["name"].as_str().unwrap_or("?").to_owned())
        .collect()
}

async fn delete(client: &Client<'_>, id: &str) -> crate::support::Reply {
    client
        .call(Method::DELETE, &format!("/api/v1/releases/{id}"), &[], None)
        .await
}

#[tokio::test]
async fn what_ended_more_than_a_year_ago_is_archived_and_stays_readable() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let old = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    let body = json!({"process": "train", "organization": "payments", "name": "Long", "start": true, "inputs": {"version": "1.4.0"}});
    let long = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let long = long["id"].as_str().expect("an id").to_owned();
    manager.until_status(&long, "OnHold").await;

    test.clock.set(at("2027-11-21T11:59:00Z"));
    assert_eq!(
        keeper::pass(&test.app()).await.expect("a pass"),
        Kept::default()
    );
    test.clock.set(at("2027-11-22T12:00:00Z"));
    let kept = keeper::pass(&test.app()).await.expect("a pass");
    assert_eq!((kept.archived, kept.deleted), (1, 0));
    assert_eq!(keeper::pass(&test.app()).await.expect("a pass").archived, 0);

    let manager = test.manager().await;
    assert_eq!(
        names(&manager, "").await,
        ["Long"],
        "what runs stays, thirteen months on"
    );
    assert_eq!(names(&manager, "?archived=only").await, ["Shop 1.0.0"]);
    assert_eq!(
        names(&manager, "?archived=true").await,
        ["Long", "Shop 1.0.0"]
    );
    let view = manager
        .get(&format!("/api/v1/releases/{old}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(view["archived"], true);
    for path in ["report", "evidence", "events", "timeline", "activities"] {
        let address = format!("/api/v1/releases/{old}/{path}");
        manager.get(&address).await.expect(StatusCode::OK);
    }
    let report = "/api/v1/reports/releases?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    let report = manager.get(report).await.expect(StatusCode::OK);
    assert_eq!(report["releases"].as_array().map(Vec::len), Some(2));
    let audit = manager
        .get(&format!("/api/v1/audit?release={old}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(audit["items"][0]["type"], "ReleaseArchived");
    assert_eq!(audit["items"][0]["by"], "system");
    let production = manager
        .get("/api/v1/deployments?environment=production")
        .await;
    assert_eq!(
        production.expect(StatusCode::OK)["items"][0]["version"],
        "1.0.0"
    );
}

#[tokio::test]
async fn one_setting_says_when_releases_are_archived_and_deleted() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let account = "apiVersion: trainmaster.dev/v1\nkind: Account\nmetadata: {name: account}\n\
        spec: {retention: {archiveAfter: 24h, deleteAfter: 48h}}\n";
    test.administrator()
        .await
        .apply(account)
        .await
        .expect(StatusCode::OK);
    let id = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    test.clock.set(at("2026-11-22T12:00:00Z"));
    assert_eq!(keeper::pass(&test.app()).await.expect("a pass").archived, 1);
    test.clock.set(at("2026-11-23T12:00:00Z"));
    let kept = keeper::pass(&test.app()).await.expect("a pass");
    assert_eq!((kept.archived, kept.deleted), (0, 1));
    manager
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .problem("unknown-release");
    let there = manager
        .get("/api/v1/deployments?environment=production")
        .await;
    let there = there.expect(StatusCode::OK);
    assert_eq!(
        there["items"][0]["version"], "1.0.0",
        "what is deployed is deployed"
    );
    assert_eq!(there["items"][0]["releaseName"], Value::Null);
}

#[tokio::test]
async fn a_deleted_release_leaves_a_tombstone_and_nothing_else() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let id = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    let archive = format!("/api/v1/releases/{id}/archive");
    let refused = delete(&manager, &id).await.problem("in-use");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|why| why.contains("archive it first")),
        "{refused}"
    );
    manager
        .post(&archive, json!({}))
        .await
        .expect(StatusCode::OK);
    test.clock.set(at("2026-11-22T12:00:00Z"));
    let refused = delete(&manager, &id).await.problem("in-use");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|why| why.contains("kept until 2027-11-21")),
        "{refused}"
    );
    let view = manager
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .expect(StatusCode::OK);
    let actions = view["actions"].as_array().expect("actions").iter();
    let may_delete = actions
        .filter(|one| one["action"] == "delete")
        .any(|one| one["allowed"] == true);
    assert!(!may_delete, "the page says the same");

    test.clock.set(at("2027-11-22T12:00:00Z"));
    let manager = test.manager().await;
    assert_eq!(delete(&manager, &id).await.status, StatusCode::NO_CONTENT);
    for path in [
        "",
        "/activities",
        "/activities/staging/deploy",
        "/events",
        "/report",
        "/evidence",
        "/timeline",
        "/notes",
        "/activities/staging/deploy/logs?attempt=1",
    ] {
        let address = format!("/api/v1/releases/{id}{path}");
        let reply = manager.get(&address).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    let administrator = test.administrator().await;
    let audit = administrator.get("/api/v1/audit?type=ReleaseDeleted").await;
    let tombstone = &audit.expect(StatusCode::OK)["items"][0];
    assert_eq!(
        (&tombstone["release"], &tombstone["by"]),
        (&json!(id), &json!("user:maria"))
    );
    assert_eq!(tombstone["at"], "2027-11-22T12:00:00Z");
    assert_eq!(tombstone["data"]["name"], "Shop 1.0.0");
    let of_release = administrator
        .get(&format!("/api/v1/audit?release={id}"))
        .await;
    let of_release = of_release.expect(StatusCode::OK);
    assert_eq!(
        of_release["items"][0]["type"], "ReleaseDeleted",
        "auditors find it by its id"
    );
}

#[tokio::test]
async fn who_stands_in_the_way_of_a_deletion_is_named() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let first = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    let second = ship(
        &test,
        &manager,
        "1.1.0",
        "5b1cffee",
        json!({"after": [first]}),
    )
    .await;
    test.clock.set(at("2027-11-22T12:00:00Z"));
    assert_eq!(keeper::pass(&test.app()).await.expect("a pass").archived, 2);
    let manager = test.manager().await;
    let refused = delete(&manager, &first).await.problem("in-use");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|why| why.contains(&second)),
        "{refused}"
    );
    assert_eq!(
        delete(&manager, &second).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        delete(&manager, &first).await.status,
        StatusCode::NO_CONTENT
    );
}
