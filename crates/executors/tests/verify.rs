//! Verifications: samples on a moved clock, against servers that remember.

mod house;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use house::web::{Memory, fine, remembering};
use house::{Known, Story, failed, result, unknown};
use jiff::SignedDuration;
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;
use trainmaster_core::uses::ActivityType;
use trainmaster_executors::egress::{Allow, Egress};
use trainmaster_executors::verify::Verify;

fn verify() -> Verify {
    Verify {
        egress: Egress::new([Allow::Loopback]),
        secrets: Known::new(&[("TOKEN", "c4n4ry-s3cr3t")]),
    }
}

fn story(config: Value) -> Story {
    Story::new(ActivityType::Verify, config)
}

fn metric(number: &str) -> Response {
    let series = json!([{"metric": {"job": "shop"}, "value": [1_763_694_000, number]}]);
    Json(json!({"status": "success", "data": {"resultType": "vector", "result": series}}))
        .into_response()
}

/// A Prometheus whose error rate is one in a hundred, unless scripted otherwise.
async fn prometheus() -> (std::sync::Arc<Memory>, Value) {
    let (memory, url) = remembering(|_, _| metric("0.01")).await;
    let config = json!({
        "prometheus": {
            "url": format!("{url}/prom/"),
            "query": "sum(rate(errors[5m])) / sum(rate(requests[5m]))",
            "headers": {"Authorization": "Bearer ${secrets.TOKEN}"},
        },
        "success": "value < 0.05",
        "window": "5m",
        "every": "1m",
    });
    (memory, config)
}

#[tokio::test]
async fn a_metric_that_stays_good_over_the_window_succeeds() {
    let (memory, config) = prometheus().await;
    let story = story(config);
    let started = story.clock.now();
    let outcome = story.begins(&verify()).await;
    let result = result(&outcome);
    assert_eq!(
        (
            &result["successes"],
            &result["failures"],
            &result["inconclusive"]
        ),
        (&json!(6), &json!(0), &json!(0))
    );
    assert_eq!(
        result["samples"][1],
        json!({"at": "2026-11-21T03:01:00Z", "value": 0.01, "verdict": "success"})
    );
    assert_eq!(
        story.clock.now().duration_since(started),
        SignedDuration::from_mins(5)
    );
    let seen = memory.seen();
    assert_eq!(seen.len(), 6);
    assert!(
        seen[0]
            .path
            .starts_with("/prom/api/v1/query?query=sum%28rate%28errors%5B5m%5D%29%29"),
        "{}",
        seen[0].path
    );
    assert_eq!(seen[0].header("authorization"), "Bearer c4n4ry-s3cr3t");
}

#[tokio::test]
async fn one_failure_more_than_is_tolerated_fails_at_once() {
    let (memory, mut config) = prometheus().await;
    memory.answers(metric("0.01"));
    memory.answers(metric("0.5"));
    let outcome = story(config.clone()).begins(&verify()).await;
    assert_eq!(failed(&outcome), "1 of 2 samples failed");
    let Outcome::Failed { result, .. } = outcome else {
        unreachable!("checked above")
    };
    assert_eq!(result["samples"][1]["value"], json!(0.5));
    assert_eq!(memory.seen().len(), 2);

    config["failureLimit"] = json!(1);
    memory.answers(metric("0.5"));
    let outcome = story(config).begins(&verify()).await;
    assert_eq!(house::result(&outcome)["failures"], 1);
}

#[tokio::test]
async fn what_is_neither_good_nor_bad_decides_nothing_and_asks_a_person() {
    let (_, mut config) = prometheus().await;
    config["success"] = json!("value < 0.001");
    config["failure"] = json!("value > 0.05");
    let outcome = story(config.clone()).begins(&verify()).await;
    assert_eq!(unknown(&outcome), "0 samples were conclusive, 1 are needed");
    config["onInconclusive"] = json!("fail");
    failed(&story(config.clone()).begins(&verify()).await);
    config["onInconclusive"] = json!("succeed");
    assert_eq!(
        result(&story(config.clone()).begins(&verify()).await)["inconclusive"],
        6
    );
    config["onInconclusive"] = json!("hold");
    config["inconclusiveLimit"] = json!(1);
    let outcome = story(config).begins(&verify()).await;
    assert_eq!(unknown(&outcome), "2 of 2 samples were inconclusive");
}

#[tokio::test]
async fn a_sample_that_cannot_be_taken_is_inconclusive_and_says_why() {
    let (memory, config) = prometheus().await;
    memory.answers(StatusCode::SERVICE_UNAVAILABLE);
    memory.answers(metric("NaN"));
    let outcome = story(config).begins(&verify()).await;
    let result = result(&outcome);
    assert_eq!(
        (&result["successes"], &result["inconclusive"]),
        (&json!(4), &json!(2))
    );
    assert!(
        result["samples"][0]["value"]["error"]
            .as_str()
            .expect("a reason")
            .contains("503")
    );
    assert!(
        result["samples"][1]["value"]["error"]
            .as_str()
            .expect("a reason")
            .contains("NaN")
    );
}

#[tokio::test]
async fn fewer_samples_than_needed_are_no_verdict() {
    let (_, mut config) = prometheus().await;
    config["minimumSamples"] = json!(7);
    let outcome = story(config).begins(&verify()).await;
    assert_eq!(unknown(&outcome), "6 samples were conclusive, 7 are needed");
}

#[tokio::test]
async fn an_address_is_judged_by_its_status_headers_and_body() {
    let (memory, url) = remembering(|_, _| {
        (
            [("x-version", "1.2.3")],
            Json(json!({"state": "up", "token": "c4n4ry-s3cr3t"})),
        )
            .into_response()
    })
    .await;
    let story = story(json!({
        "http": {"url": format!("{url}/health?t=${{secrets.TOKEN}}")},
        "success": "sample.status == 200 && value.state == 'up' && sample.headers['x-version'] == '1.2.3'",
        "window": "2s",
        "every": "1s",
    }));
    let outcome = story.begins(&verify()).await;
    assert_eq!(result(&outcome)["successes"], 3);
    assert!(memory.seen()[0].path.ends_with("c4n4ry-s3cr3t"));
    let told = format!("{outcome:?} {:?}", story.log.texts());
    assert!(!told.contains("c4n4ry"), "{told}");
}

#[tokio::test]
async fn a_restart_forgets_no_failure_and_samples_only_what_is_left_of_the_window() {
    let (memory, mut config) = prometheus().await;
    config["failureLimit"] = json!(1);
    let story = story(config);
    story
        .clock
        .sleep_until("2026-11-21T03:03:30Z".parse().expect("a time"))
        .await;
    story.journal.record(json!({
        "successes": 1, "failures": 1, "inconclusive": 0,
        "samples": [{"at": "2026-11-21T03:01:00Z", "value": 0.5, "verdict": "failure"}],
    }));
    memory.answers(metric("0.01"));
    memory.answers(metric("0.01"));
    memory.answers(metric("0.5"));
    let outcome = story.goes_on(&verify()).await;
    assert_eq!(failed(&outcome), "2 of 5 samples failed");
    assert_eq!(memory.seen().len(), 3);
}

#[tokio::test]
async fn failures_are_reported_early_so_that_a_restart_knows_them() {
    let (memory, mut config) = prometheus().await;
    config["failureLimit"] = json!(3);
    memory.answers(metric("0.01"));
    memory.answers(metric("0.5"));
    let story = story(config);
    result(&story.begins(&verify()).await);
    let handle = story.journal.handle().expect("a handle");
    assert_eq!(
        (&handle["successes"], &handle["failures"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_long_verification_keeps_the_newest_samples() {
    let (_, mut config) = prometheus().await;
    config["every"] = json!("1s");
    config["window"] = json!("4m");
    let outcome = story(config).begins(&verify()).await;
    let result = result(&outcome);
    assert_eq!(result["successes"], 241);
    assert_eq!(result["samples"].as_array().map(Vec::len), Some(200));
}

#[tokio::test]
async fn settings_that_make_no_verification_fail() {
    let (memory, url) = remembering(fine).await;
    for config in [
        json!({"success": "true", "window": "1m", "every": "1m"}),
        json!({"http": {"url": url}, "prometheus": {"url": url, "query": "up"}, "success": "true", "window": "1m", "every": "1m"}),
        json!({"http": {"url": "nowhere"}, "success": "true", "window": "1m", "every": "1m"}),
        json!({"http": {"url": url}, "success": "value <", "window": "1m", "every": "1m"}),
    ] {
        failed(&story(config).begins(&verify()).await);
    }
    assert!(memory.seen().is_empty());
}
