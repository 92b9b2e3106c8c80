//! The record of a release, reports over a period, and figures.

use axum::http::StatusCode;
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;

use crate::deployments::{SHOP, ship};
use crate::support::{TRAIN, TestApp, at};

fn kinds(report: &Value) -> Vec<&str> {
    let list = report["deviations"].as_array().expect("deviations");
    list.iter()
        .map(|one| one["kind"].as_str().expect("a kind"))
        .collect()
}

#[tokio::test]
async fn the_record_of_a_release_joins_everything() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let links = json!({"links": [
        {"kind": "commit", "title": "the fix", "url": "https://git.example/c/abcdef12"},
        {"kind": "build", "title": "build 7", "url": "https://ci.example/7"},
        {"kind": "artifact", "title": "cart-1.0.0.tgz", "url": "https://artifacts.example/cart-1.0.0.tgz"},
        {"kind": "testReport", "title": "all green", "url": "https://ci.example/7/tests"},
        {"kind": "ticket", "title": "SHOP-9", "url": "https://tickets.example/SHOP-9"},
    ]});
    let id = ship(&test, &manager, "1.0.0", "4f2a91bb", links).await;
    let evidence = manager
        .get(&format!("/api/v1/releases/{id}/evidence"))
        .await;
    let evidence = evidence.expect(StatusCode::OK);
    let record = &evidence["record"];
    assert_eq!(record["commits"], json!(["4f2a91bb", "abcdef12"]));
    assert_eq!(record["builds"][0]["title"], "build 7");
    assert_eq!(record["artifacts"], json!(["cart-1.0.0.tgz"]));
    assert_eq!(record["tests"][0]["title"], "all green");
    assert_eq!(record["tickets"], json!(["SHOP-1", "SHOP-9"]));
    assert_eq!(record["deployments"].as_array().map(Vec::len), Some(2));
    assert_eq!(evidence["deviations"], json!([]));
    assert!(
        evidence["journal"]
            .as_array()
            .is_some_and(|all| all.len() > 5)
    );
}

#[tokio::test]
async fn a_report_says_who_approved_what_ran_with_which_values_and_how_it_deviated() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error: "no compiler".to_owned(),
            result: Value::Null,
        },
    );
    let id = manager.start_train().await;
    manager.until_activity(&id, "build/compile", "Failed").await;
    let base = format!("/api/v1/releases/{id}");
    let ignored = json!({"reason": "built by hand", "outputs": {"artifact": "by hand"}});
    manager
        .post(&format!("{base}/activities/build/compile/ignore"), ignored)
        .await
        .expect(StatusCode::OK);
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    tester
        .post(
            &format!("{base}/activities/sign-off/qa/approve"),
            json!({"comment": "=fine()"}),
        )
        .await
        .expect(StatusCode::OK);
    manager.until_status(&id, "PartialSuccess").await;
    manager
        .post(&format!("{base}/notes"), json!({"text": "lessons learned"}))
        .await
        .expect(StatusCode::OK);

    let report = manager
        .get(&format!("{base}/report"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(report["release"]["status"], "PartialSuccess");
    let approval = &report["record"]["approvals"][0];
    assert_eq!(
        (&approval["user"], &approval["decision"]),
        (&json!("quentin"), &json!("approve"))
    );
    assert_eq!(approval["at"], "2026-11-21T12:00:00Z");
    assert_eq!(
        report["inputs"][1],
        json!({"name": "version", "value": "1.4.0", "origin": "release"})
    );
    let compile = &report["activities"][0];
    assert_eq!(
        (&compile["status"], &compile["reason"]),
        (&json!("Ignored"), &json!("built by hand"))
    );
    assert_eq!(compile["attempts"][0]["error"], "no compiler");
    assert_eq!(kinds(&report), ["ignored"]);
    assert_eq!(report["deviations"][0]["by"], "user:maria");
    assert_eq!(report["notes"][0]["text"], "lessons learned");
    assert!(
        report["timeline"]
            .as_array()
            .is_some_and(|all| all.len() > 6)
    );

    let table = manager.get(&format!("{base}/report?format=csv")).await;
    assert_eq!(
        table.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    assert!(
        table
            .header("content-disposition")
            .is_some_and(|text| text.contains(".csv"))
    );
    let text = table.words();
    assert!(text.starts_with("section,name,value,"), "{text}");
    assert!(
        text.contains("'=fine()"),
        "what could be a formula is quoted: {text}"
    );
    assert!(text.contains("failure ignored") && text.contains("lessons learned"));
    let book = manager.get(&format!("{base}/report?format=xlsx")).await;
    assert!(
        book.header("content-type")
            .is_some_and(|kind| kind.contains("spreadsheetml"))
    );
    assert!(book.text.starts_with(b"PK"));
    manager
        .get(&format!("{base}/report?format=pdf"))
        .await
        .problem("invalid-query");
}

#[tokio::test]
async fn a_period_is_reported_with_its_releases_and_figures() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let first = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    test.clock.set(at("2026-11-22T12:00:00Z"));
    let failed = Outcome::Failed {
        error: "no".to_owned(),
        result: Value::Null,
    };
    test.script.next("production/deploy", failed);
    ship(&test, &manager, "1.1.0", "5b1cffee", json!({})).await;
    test.clock.set(at("2026-11-22T13:00:00Z"));
    ship(
        &test,
        &manager,
        "1.1.1",
        "5b1cffee",
        json!({"type": "hotfix"}),
    )
    .await;
    manager
        .post(&format!("/api/v1/releases/{first}/archive"), json!({}))
        .await
        .expect(StatusCode::OK);
    test.clock.set(at("2026-11-23T12:00:00Z"));

    let period = "from=2026-11-21T00:00:00Z&to=2026-11-23T00:00:00Z";
    let report = manager
        .get(&format!("/api/v1/reports/releases?process=shop&{period}"))
        .await
        .expect(StatusCode::OK);
    let names: Vec<&Value> = report["releases"]
        .as_array()
        .expect("releases")
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(
        names,
        ["Shop 1.0.0", "Shop 1.1.0", "Shop 1.1.1"],
        "archived ones are told"
    );
    assert_eq!(report["deployments"].as_array().map(Vec::len), Some(5));
    assert_eq!(report["about"], "process shop");
    let figures = manager
        .get(&format!("/api/v1/reports/metrics?process=shop&{period}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(figures["releases"], json!({"Failed": 1, "Success": 2}));
    assert_eq!(figures["deployments"], 5);
    assert_eq!(figures["deploymentsPerDay"], 2.5);
    // The second release failed after staging, and the hotfix put that right an hour later; what the first one had put
    // to production a day before needed the hotfix as well.
    assert_eq!(figures["changeFailureRate"], 0.4);
    assert_eq!(figures["timeToRestore"]["count"], 2);
    assert_eq!(figures["timeToRestore"]["maxSeconds"], 90_000.0);
    assert_eq!(figures["leadTime"]["maxSeconds"], 3600.0);
    let meant = figures["definitions"].as_array().expect("definitions");
    assert!(meant.iter().any(|one| one["figure"] == "changeFailureRate"));
    let production = format!("/api/v1/reports/metrics?environment=production&{period}");
    let production = manager.get(&production).await.expect(StatusCode::OK);
    assert_eq!(production["deployments"], 2);
    let table = manager
        .get(&format!("/api/v1/reports/releases?format=csv&{period}"))
        .await
        .words();
    assert!(
        table.contains("figures,") && table.contains("successRate"),
        "{table}"
    );
    for wrong in [
        "from=2026-11-23T00:00:00Z&to=2026-11-21T00:00:00Z",
        "from=2001-01-01T00:00:00Z",
    ] {
        manager
            .get(&format!("/api/v1/reports/metrics?{wrong}"))
            .await
            .problem("invalid-query");
    }
}

#[tokio::test]
async fn a_release_shows_its_forecast_and_how_punctual_it_is() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = json!({"process": "train", "organization": "payments", "inputs": {"version": "1.4.0"},
        "startAt": "2026-11-21T13:00:00Z", "expectedEndAt": "2026-11-21T15:00:00Z", "startMode": "manual", "finalize": true});
    let made = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let id = made["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    let before = manager.get(&address).await.expect(StatusCode::OK);
    assert_eq!(before["forecastEndAt"], "2026-11-21T15:00:00Z");
    test.clock.set(at("2026-11-21T13:30:00Z"));
    manager
        .post(&format!("{address}/activate"), json!({}))
        .await
        .expect(StatusCode::OK);
    let running = manager.until_status(id, "OnHold").await;
    assert_eq!(running["forecastEndAt"], "2026-11-21T15:30:00Z");
    assert_eq!(running["punctuality"]["startDelaySeconds"], 1800);
    assert_eq!(running["punctuality"]["plannedSeconds"], 7200);
}
