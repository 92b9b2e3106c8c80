//! Release groups through the router.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{TestApp, at};

const WEEKLY: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train, organization: payments}
spec:
  inputs: [{name: build, type: string, default: none}]
  phases:
    - {id: ship, activities: [{id: go, uses: approval, with: {approvers: [user:maria], quorum: 1}}]}
---
apiVersion: trainmaster.dev/v1
kind: ReleaseGroup
metadata: {name: weekly, organization: payments}
spec:
  process: train
  cadence: {every: weekly, on: thursday}
  zone: Europe/Berlin
  startDate: 2026-11-23
  startTime: "14:00"
  duration: 2d
  horizon: 21d
  nameTemplate: Week ${group.week} Release
"#;

const HERE: &str = "/api/v1/release-groups/weekly";

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["name"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn a_group_shows_what_it_plans_and_what_it_has_made() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(WEEKLY).await.expect(StatusCode::OK);
    let made = manager
        .get(&format!("{HERE}/releases?organization=payments"))
        .await
        .expect(StatusCode::OK);
    let made_names = ["Week 48 Release", "Week 49 Release", "Week 50 Release"];
    assert_eq!(names(&made), made_names);
    let first = &made["items"][0];
    assert_eq!(first["status"], "Scheduled");
    assert_eq!(
        first["group"],
        json!({"name": "weekly", "plannedAt": "2026-11-26T13:00:00Z", "number": 1, "edited": false})
    );
    assert_eq!(first["expectedEndAt"], "2026-11-28T13:00:00Z");
    let listed = manager
        .get("/api/v1/releases?group=weekly&order=start")
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&listed), made_names);
    let none = manager.get("/api/v1/releases?group=other").await;
    assert_eq!(names(&none.expect(StatusCode::OK)), [] as [&str; 0]);

    let preview = manager
        .get(&format!("{HERE}/preview?organization=payments&count=5"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(preview["rule"], "FREQ=WEEKLY;BYDAY=TH");
    assert_eq!(names(&preview)[..3], made_names);
    assert_eq!(preview["items"][0]["release"], first["id"]);
    assert_eq!(
        preview["items"][4],
        json!({
            "number": 5,
            "name": "Week 52 Release",
            "date": "2026-12-24",
            "startAt": "2026-12-24T13:00:00Z",
            "localTime": "2026-12-24T14:00:00+01:00",
            "clock": "none",
            "expectedEndAt": "2026-12-26T13:00:00Z",
        })
    );
    let spring = format!("{HERE}/preview?organization=payments&count=2&from=2027-03-24T00:00:00Z");
    let spring = manager.get(&spring).await.expect(StatusCode::OK);
    assert_eq!(spring["items"][0]["localTime"], "2027-03-25T14:00:00+01:00");
    assert_eq!(spring["items"][1]["localTime"], "2027-04-01T14:00:00+02:00");
}

#[tokio::test]
async fn a_preview_has_bounds_and_is_for_those_who_may_read() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(WEEKLY).await.expect(StatusCode::OK);
    for count in ["0", "367", "many"] {
        let address = format!("{HERE}/preview?organization=payments&count={count}");
        manager.get(&address).await.problem("invalid-query");
    }
    manager
        .get("/api/v1/release-groups/other/preview?organization=payments")
        .await
        .problem("unknown-resource");
    let other = test
        .client(
            "eve",
            &[],
            &[trainmaster_core::access::Role::Viewer],
            Some("bank"),
        )
        .await;
    for last in ["preview", "releases"] {
        let address = format!("{HERE}/{last}?organization=payments");
        other.get(&address).await.problem("unknown-resource");
    }
    // The addresses of definitions are as for every kind.
    let address = format!("{HERE}?organization=payments");
    let shown = manager.get(&address).await.expect(StatusCode::OK);
    assert_eq!(shown["spec"]["duration"], "2d");
    let export = format!("{HERE}/export?organization=payments");
    let text = manager.call(Method::GET, &export, &[], None).await;
    assert_eq!(text.header("content-type"), Some("application/yaml"));
    let revisions = format!("{HERE}/revisions?organization=payments");
    manager.get(&revisions).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_release_of_a_group_starts_at_its_time_and_waits_while_the_group_is_paused() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(WEEKLY).await.expect(StatusCode::OK);
    let made = manager
        .get(&format!("{HERE}/releases?organization=payments"))
        .await
        .expect(StatusCode::OK);
    let id = |index: usize| {
        made["items"][index]["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    test.clock.set(at("2026-11-26T13:00:01Z"));
    manager.until_status(&id(0), "OnHold").await;
    let queue = WEEKLY.replace("duration: 2d", "duration: 2d\n  overlap: queue");
    manager.apply(&queue).await.expect(StatusCode::OK);
    test.clock.set(at("2026-12-03T13:00:01Z"));
    let queued = manager.until_status(&id(1), "Queued").await;
    assert_eq!(queued["waiting"][0]["reason"], "overlap");
    assert_eq!(queued["waiting"][0]["on"], json!([id(0)]));
    let paused = queue.replace("overlap: queue", "overlap: queue\n  paused: true");
    manager.apply(&paused).await.expect(StatusCode::OK);
    test.clock.set(at("2026-12-10T13:00:01Z"));
    let address = format!("/api/v1/releases/{}/explain", id(2));
    let held = manager
        .until(&address, |view| {
            view["waiting"][0]["reason"] == "groupPaused"
        })
        .await;
    assert_eq!(held["status"], "Scheduled");
    assert_eq!(
        held["waiting"][0]["text"],
        "release group `weekly` is paused"
    );
}
