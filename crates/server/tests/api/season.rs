//! A season of releases on a moving clock: a weekly train from Monday on, two weeks of QA and beta, production on its
//! days, a hotfix in between, a restart of the server in the middle, and an audit trail that has all of it.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Client, TestApp, at};

const EXAMPLES: [&str; 3] = [
    include_str!("../../../../examples/system-release-train/process.yaml"),
    include_str!("../../../../examples/system-release-train/hotfix.yaml"),
    include_str!("../../../../examples/system-release-train/input-sets.yaml"),
];

const GROUP: &str = r#"
apiVersion: trainmaster.dev/v1
kind: ReleaseGroup
metadata: {name: weekly-train, organization: acme, description: The train of every week}
spec:
  process: system-release-train
  cadence: {every: weekly, on: [monday]}
  zone: Europe/Berlin
  startDate: 2026-11-23
  endDate: 2026-11-30
  startTime: "08:00"
  duration: 22d
  nameTemplate: Week ${group.week} Release
  inputSet: train-defaults
  inputs: {releaseVersion: "2.${group.number}.0"}
  manager: team:release-managers
"#;

/// What the outside answers: two fixes were approved, and everything that is deployed runs.
fn answers(test: &TestApp) {
    let outputs = |outputs: Value| json!({"outputs": outputs});
    let script = &test.script;
    for cut in ["branch-cut/cut", "prepare/cut"] {
        script.always(cut, outputs(json!({"commit": "4f2c9e1"})));
    }
    for build in [
        "branch-cut/build",
        "alpha-fixes/build",
        "beta-fixes/build",
        "prepare/build",
    ] {
        script.always(build, outputs(json!({"digest": "sha256:1"})));
    }
    for review in ["alpha-fixes/review", "beta-fixes/review"] {
        script.always(review, outputs(json!({"count": "2"})));
    }
    for smoke in [
        "branch-cut/smoke",
        "beta/smoke",
        "prod-1/smoke",
        "prod-2/smoke",
        "prod-3/smoke",
    ] {
        script.always(smoke, json!({"status": 200, "body": {"version": "2.1.0"}}));
    }
}

/// Moves the clock and waits until a phase of a release stands as it should.
async fn go(who: &Client<'_>, to: &str, release: &str, phase: &str, status: &str) -> Value {
    who.test.clock.set(at(to));
    until_phase(who, release, phase, status).await
}

async fn until_phase(who: &Client<'_>, release: &str, phase: &str, status: &str) -> Value {
    let address = format!("/api/v1/releases/{release}");
    let stands = |view: &Value| phase_of(view, phase)["status"] == status;
    who.until(&address, stands).await
}

fn phase_of<'a>(view: &'a Value, id: &str) -> &'a Value {
    let phases = view["phases"].as_array().expect("phases");
    let found = phases.iter().find(|phase| phase["id"] == id);
    found.unwrap_or(&Value::Null)
}

async fn trains(who: &Client<'_>) -> Vec<(String, String)> {
    let list = "/api/v1/releases?organization=acme&process=system-release-train";
    let found = who.get(list).await.expect(StatusCode::OK);
    let mut trains: Vec<(String, String)> = found["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|release| {
            let text = |field: &str| release[field].as_str().unwrap_or_default().to_owned();
            (text("id"), text("name"))
        })
        .collect();
    trains.sort();
    trains
}

#[tokio::test]
async fn a_weekly_train_reaches_production_on_its_days_across_a_restart_with_a_hotfix_in_between() {
    let test = TestApp::start().await;
    answers(&test);
    let roles = &[trainmaster_core::access::Role::ReleaseManager];
    let organization = Some("acme");
    let rita = test
        .client("rita", &["release-managers"], roles, organization)
        .await;
    let token = rita.token().to_owned();
    for definitions in EXAMPLES.iter().chain([&GROUP]) {
        rita.apply(definitions).await.expect(StatusCode::OK);
    }

    // The trains of both Mondays are on the calendar before anything has happened.
    let planned = trains(&rita).await;
    let names: Vec<&str> = planned.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["Week 48 Release", "Week 49 Release"]);
    let (train, next) = (planned[0].0.clone(), planned[1].0.clone());
    the_calendar_leads_to_them(&rita, [&train, &next]).await;

    // Week 1, Monday: the branch is cut and QA gets it, by itself.
    let view = go(&rita, "2026-11-23T07:00:00Z", &train, "checks", "Success").await;
    assert_eq!(phase_of(&view, "branch-cut")["status"], "Success");
    assert_eq!(phase_of(&view, "alpha-fixes")["status"], "Pending");
    // Tuesday to Thursday noon: fixes.
    go(
        &rita,
        "2026-11-24T08:00:00Z",
        &train,
        "alpha-fixes",
        "Running",
    )
    .await;
    go(
        &rita,
        "2026-11-26T10:00:00Z",
        &train,
        "alpha-fixes",
        "Success",
    )
    .await;
    // Thursday, end of the day: a stakeholder and QA sign off; one of them is not enough.
    go(
        &rita,
        "2026-11-26T15:00:00Z",
        &train,
        "qa-sign-off",
        "OnHold",
    )
    .await;
    let viewer = &[trainmaster_core::access::Role::Viewer];
    let quentin = test.client("quentin", &["qa"], viewer, organization).await;
    let stella = test
        .client("stella", &["stakeholders"], viewer, organization)
        .await;
    let approve = format!("/api/v1/releases/{train}/activities/qa-sign-off/approve/approve");
    quentin
        .post(&approve, json!({"comment": "all green"}))
        .await
        .expect(StatusCode::OK);
    let held = rita.get(&format!("/api/v1/releases/{train}")).await;
    assert_eq!(held.expect(StatusCode::OK)["status"], "OnHold");
    stella
        .post(&approve, json!({"comment": "go"}))
        .await
        .expect(StatusCode::OK);
    until_phase(&rita, &train, "qa-sign-off", "Success").await;
    drop((quentin, stella, rita));

    // In the middle of it the server ends and starts again.
    let test = test.restart().await;
    let rita = test.bearer(&token);

    // Friday: beta. The Monday after: fixes for the beta, and the next train sets off.
    go(&rita, "2026-11-27T08:00:00Z", &train, "beta", "Success").await;
    go(&rita, "2026-11-30T07:00:00Z", &next, "checks", "Success").await;
    go(
        &rita,
        "2026-11-30T08:00:00Z",
        &train,
        "beta-fixes",
        "Running",
    )
    .await;
    let view = go(&rita, "2026-12-03T11:00:00Z", &train, "soak", "Success").await;
    assert_eq!(phase_of(&view, "prod-1")["status"], "Pending");
    // The Monday after that: Prod 1.
    go(&rita, "2026-12-07T08:00:00Z", &train, "prod-1", "Success").await;

    // Tuesday: something is broken, and a hotfix goes its own way between two steps of the train.
    rita.test.clock.set(at("2026-12-08T13:00:00Z"));
    let hotfix = json!({
        "process": "hotfix", "organization": "acme", "name": "Payment rounding 2.0.1",
        "type": "hotfix", "inputSet": "hotfix-defaults", "start": true,
        "inputs": {"releaseVersion": "2.0.1", "service": "payment-service", "clusters": ["prod0", "prod1"]},
    });
    let created = rita.post("/api/v1/releases", hotfix).await;
    let created = created.expect(StatusCode::CREATED);
    let hotfix = created["id"].as_str().expect("an id").to_owned();
    rita.until_status(&hotfix, "Success").await;
    let view = rita.get(&format!("/api/v1/releases/{train}")).await;
    let view = view.expect(StatusCode::OK);
    assert_eq!(view["status"], "Running", "the train is not disturbed");
    assert_eq!(phase_of(&view, "prod-2")["status"], "Pending");

    // Wednesday: Prod 2. The Monday after: Prod 3, and the customers are told.
    go(&rita, "2026-12-09T08:00:00Z", &train, "prod-2", "Success").await;
    go(&rita, "2026-12-14T08:00:00Z", &train, "prod-3", "Success").await;
    rita.until_status(&train, "Success").await;

    each_phase_ran_on_its_day(&rita, &train).await;
    the_audit_trail_has_all_of_it(&rita, &train, &hotfix).await;
    // The next train is a train of its own: it waits for its sign-off since Thursday.
    let view = rita.get(&format!("/api/v1/releases/{next}")).await;
    let view = view.expect(StatusCode::OK);
    assert_eq!(phase_of(&view, "qa-sign-off")["status"], "OnHold", "{view}");
}

/// From the navigation to the calendar, to what is planned, to what happens there at this moment.
async fn the_calendar_leads_to_them(rita: &Client<'_>, planned: [&str; 2]) {
    let places = rita.get("/api/v1/navigation").await.expect(StatusCode::OK);
    let places = places.as_array().expect("places");
    let calendar = places.iter().find(|place| place["id"] == "calendar");
    let calendar = calendar.expect("the calendar is offered")["href"].clone();
    let address = format!(
        "{}?from=2026-11-23&view=quarter",
        calendar.as_str().expect("text")
    );
    let shown = rita.get(&address).await.expect(StatusCode::OK);
    let entries = shown["items"].as_array().expect("entries");
    for (train, monday) in planned.iter().zip(["2026-11-23", "2026-11-30"]) {
        let entry = entries.iter().find(|entry| entry["id"] == **train);
        let entry = entry.expect("every train of the group is on the calendar");
        assert_eq!(entry["status"], "Scheduled", "{entry}");
        let begins = entry["start"].as_str().expect("a time");
        assert!(begins.starts_with(monday), "{entry}");
    }
    // What is opened from there goes on showing what happens.
    let mut live = rita
        .stream(&format!("/api/v1/events?release={}", planned[0]), &[])
        .await;
    let notes = format!("/api/v1/releases/{}/notes", planned[0]);
    let note = json!({"text": "the first train of the season"});
    rita.post(&notes, note).await.expect(StatusCode::OK);
    loop {
        let message = live.next().await.expect("the stream goes on");
        if message.event == "NoteAdded" {
            break;
        }
    }
}

async fn each_phase_ran_on_its_day(rita: &Client<'_>, train: &str) {
    let view = rita.get(&format!("/api/v1/releases/{train}")).await;
    let view = view.expect(StatusCode::OK);
    let days = [
        ("branch-cut", "2026-11-23"),
        ("checks", "2026-11-23"),
        ("alpha-fixes", "2026-11-24"),
        ("qa-sign-off", "2026-11-26"),
        ("beta", "2026-11-27"),
        ("beta-fixes", "2026-11-30"),
        ("soak", "2026-12-03"),
        ("prod-1", "2026-12-07"),
        ("prod-2", "2026-12-09"),
        ("prod-3", "2026-12-14"),
    ];
    for (phase, day) in days {
        let started = phase_of(&view, phase)["startedAt"]
            .as_str()
            .unwrap_or_default();
        assert!(started.starts_with(day), "{phase} started at {started}");
    }
    assert_eq!(phase_of(&view, "rollback")["status"], "Skipped");
}

async fn the_audit_trail_has_all_of_it(rita: &Client<'_>, train: &str, hotfix: &str) {
    let root = rita.test.administrator().await;
    let verdict = root
        .get("/api/v1/audit/verify")
        .await
        .expect(StatusCode::OK);
    assert_eq!(verdict["intact"], true, "{verdict}");
    for release in [train, hotfix] {
        let evidence = rita
            .get(&format!("/api/v1/releases/{release}/evidence"))
            .await;
        let text = evidence.expect(StatusCode::OK).to_string();
        let activities = format!("/api/v1/releases/{release}/activities?limit=500");
        let activities = rita.get(&activities).await.expect(StatusCode::OK);
        for activity in activities["items"].as_array().expect("activities") {
            let path = activity["path"].as_str().expect("a path");
            assert!(text.contains(path), "{path} of {release} left no trace");
        }
    }
    let approvals = format!("/api/v1/audit?release={train}&type=ApprovalDecided&order=oldest");
    let approvals = rita.get(&approvals).await.expect(StatusCode::OK);
    let who: Vec<(&str, Timestamp)> = approvals["items"]
        .as_array()
        .expect("records")
        .iter()
        .map(|record| {
            let text = |field: &str| record[field].as_str().unwrap_or_default();
            (text("by"), at(text("at")))
        })
        .collect();
    let signed = at("2026-11-26T15:00:00Z");
    assert_eq!(who, [("user:quentin", signed), ("user:stella", signed)]);
}
