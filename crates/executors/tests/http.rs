//! Requests: what every way of ending means, what a restart does, and what stays secret.

mod house;

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use house::web::{Memory, Seen, Step, fine, misbehaving, remembering, send};
use house::{Known, Story, failed, lock, result, retryable, unknown};
use jiff::SignedDuration;
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;
use trainmaster_core::uses::ActivityType;
use trainmaster_executors::callback;
use trainmaster_executors::egress::{Allow, Egress};
use trainmaster_executors::http::Http;

const KEY: &str = "rel-00000042.1.deploy/rollout";
const CANARY: &str = "c4n4ry-s3cr3t";

fn http() -> Http {
    Http {
        egress: Egress::new([Allow::Loopback]),
        secrets: Known::new(&[("TOKEN", CANARY)]),
        public_url: "https://trainmaster.example/".into(),
        callback_secret: b"server secret".to_vec(),
    }
}

fn only(memory: &Memory) -> Seen {
    let [seen] = memory.seen().try_into().expect("one request");
    seen
}

fn story(config: Value) -> Story {
    Story::new(ActivityType::Http, config)
}

/// Settings with limits small enough for a server that does not answer.
fn hasty(method: &str, url: impl std::fmt::Display) -> Value {
    json!({
        "method": method,
        "url": url.to_string(),
        "timeouts": {"connect": "500ms", "firstByte": "100ms", "idle": "100ms", "total": "5s"},
    })
}

#[tokio::test]
async fn a_request_carries_its_key_and_its_answer_is_the_result() {
    let (memory, url) = remembering(|_, _| {
        let headers = [("etag", "\"7\""), ("x-other", "no"), ("set-cookie", "a=b")];
        (StatusCode::CREATED, headers, Json(json!({"id": 512}))).into_response()
    })
    .await;
    let story = story(json!({
        "method": "POST",
        "url": format!("{url}/builds?x=1"),
        "headers": {"X-Count": 3},
        "body": {"version": "1.2.3"},
    }));
    let outcome = story.begins(&http()).await;
    assert_eq!(
        result(&outcome),
        &json!({"status": 201, "headers": {"content-type": "application/json", "etag": "\"7\""}, "body": {"id": 512}})
    );
    let seen = only(&memory);
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", "/builds?x=1")
    );
    assert_eq!(seen.header("idempotency-key"), KEY);
    assert_eq!(seen.header("x-count"), "3");
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.body, r#"{"version":"1.2.3"}"#);
    assert_eq!(story.log.texts(), [format!("POST {url}/builds?x=1: 201")]);
}

#[tokio::test]
async fn a_text_is_sent_as_it_stands() {
    let (memory, url) = remembering(fine).await;
    result(
        &story(json!({"method": "PUT", "url": url, "body": "a: b\n"}))
            .begins(&http())
            .await,
    );
    result(&story(json!({"method": "PUT", "url": url, "body": "<a/>", "headers": {"Content-Type": "text/xml"}})).begins(&http()).await);
    let seen = memory.seen();
    assert_eq!(
        (seen[0].body.as_str(), seen[0].header("content-type")),
        ("a: b\n", "text/plain; charset=utf-8")
    );
    assert_eq!(
        (seen[1].body.as_str(), seen[1].header("content-type")),
        ("<a/>", "text/xml")
    );
}

#[tokio::test]
async fn the_status_decides_between_success_another_try_and_failure() {
    let (memory, url) = remembering(fine).await;
    for (status, kind) in [
        (200, "success"),
        (204, "success"),
        (299, "success"),
        (408, "later"),
        (425, "later"),
        (429, "later"),
        (500, "later"),
        (502, "later"),
        (503, "later"),
        (504, "later"),
        (301, "never"),
        (304, "never"),
        (400, "never"),
        (401, "never"),
        (403, "never"),
        (404, "never"),
        (409, "never"),
        (422, "never"),
    ] {
        memory.answers(StatusCode::from_u16(status).expect("a status"));
        let outcome = story(json!({"method": "POST", "url": url}))
            .begins(&http())
            .await;
        let got = match &outcome {
            Outcome::Succeeded { .. } => "success",
            Outcome::Retryable { result, .. } if result["status"] == status => "later",
            Outcome::Failed { result, .. } if result["status"] == status => "never",
            other => panic!("{other:?}"),
        };
        assert_eq!(got, kind, "{status}");
    }
}

#[tokio::test]
async fn expected_statuses_can_be_named() {
    let (memory, url) = remembering(fine).await;
    let config = json!({"method": "DELETE", "url": url, "expect": {"status": [204, 404]}});
    memory.answers(StatusCode::NOT_FOUND);
    result(&story(config.clone()).begins(&http()).await);
    failed(&story(config).begins(&http()).await);
}

#[tokio::test]
async fn who_asks_to_come_back_later_is_heard() {
    let (memory, url) = remembering(fine).await;
    memory.answers((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")]));
    let outcome = story(json!({"url": url})).begins(&http()).await;
    let Outcome::Retryable { after, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(after, Some(SignedDuration::from_secs(30)));
}

#[tokio::test]
async fn a_conflict_with_a_request_sent_before_is_waited_out() {
    let (memory, url) = remembering(fine).await;
    let story = story(json!({"method": "POST", "url": url}));
    memory.answers(StatusCode::CONFLICT);
    failed(&story.begins(&http()).await);
    memory.answers(StatusCode::CONFLICT);
    retryable(&story.retried().begins(&http()).await);
}

#[tokio::test]
async fn what_was_never_sent_may_be_sent_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    for url in [
        format!("http://{closed}/"),
        "http://no-such-host.invalid/".into(),
    ] {
        let outcome = story(json!({"method": "POST", "url": url}))
            .begins(&http())
            .await;
        retryable(&outcome);
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_repeated_only_if_that_does_no_harm() {
    let ways: [Vec<Step>; 7] = [
        vec![Step::Hang],
        vec![Step::Reset],
        vec![],
        vec![
            send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
            Step::Reset,
        ],
        vec![send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")],
        vec![
            send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na"),
            Step::Hang,
        ],
        vec![send("SSH-2.0-OpenSSH_9.6\r\n")],
    ];
    for steps in ways {
        let shown = format!("{steps:?}");
        let (address, count) = misbehaving(steps).await;
        let url = format!("http://{address}/");
        let put = story(hasty("PUT", &url)).begins(&http()).await;
        assert!(matches!(put, Outcome::Retryable { .. }), "{shown}: {put:?}");
        let post = story(hasty("POST", &url)).begins(&http()).await;
        assert!(matches!(post, Outcome::Unknown { .. }), "{shown}: {post:?}");
        let mut vowed = hasty("POST", &url);
        vowed["idempotent"] = json!(true);
        let vowed = story(vowed).begins(&http()).await;
        assert!(
            matches!(vowed, Outcome::Retryable { .. }),
            "{shown}: {vowed:?}"
        );
        assert_eq!(
            *lock(&count),
            3,
            "no request goes out twice by itself: {shown}"
        );
    }
}

#[tokio::test]
async fn a_drop_at_a_time_is_not_waited_for_without_end() {
    let drop = [send("x"), Step::Pause(Duration::from_millis(30))];
    let mut steps = vec![send("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")];
    steps.extend(std::iter::repeat_n(drop, 100).flatten());
    let (address, _) = misbehaving(steps).await;
    let mut config = hasty("GET", format!("http://{address}/"));
    config["timeouts"]["total"] = json!("300ms");
    let outcome = story(config).begins(&http()).await;
    assert!(retryable(&outcome).contains("broke off"), "{outcome:?}");
}

#[tokio::test]
async fn a_body_over_the_cap_is_not_taken_in() {
    let large = "x".repeat(70_000);
    let mut endless = vec![send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    )];
    endless.push(Step::Forever(
        format!("{:x}\r\n{large}\r\n", large.len()).into_bytes(),
    ));
    let announced = vec![
        send("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n"),
        Step::Forever(large.into_bytes()),
    ];
    let gzip = vec![send(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x08\x00",
    )];
    for steps in [endless, announced, gzip] {
        let (address, _) = misbehaving(steps).await;
        let outcome = story(hasty("POST", format!("http://{address}/")))
            .begins(&http())
            .await;
        assert!(
            failed(&outcome).contains("cannot be taken in"),
            "{outcome:?}"
        );
        let Outcome::Failed { result, .. } = outcome else {
            unreachable!("checked above")
        };
        assert_eq!(result["status"], 200);
    }
    let (memory, url) = remembering(fine).await;
    memory.answers("x".repeat(1000));
    let outcome = story(json!({"url": url, "maxResponse": 999}))
        .begins(&http())
        .await;
    assert!(
        failed(&outcome).contains("larger than 999 bytes"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn json_that_was_asked_for_must_come() {
    let (memory, url) = remembering(fine).await;
    memory.answers(([("content-type", "application/json")], "{\"a\": "));
    let outcome = story(json!({"url": url, "expect": {"json": true}}))
        .begins(&http())
        .await;
    assert!(failed(&outcome).contains("no JSON"), "{outcome:?}");
}

#[tokio::test]
async fn redirects_are_followed_only_when_allowed_and_without_credentials() {
    let (other, elsewhere) = remembering(fine).await;
    let (memory, url) = remembering(fine).await;
    let to = |status: u16, target: String| {
        (
            StatusCode::from_u16(status).expect("a status"),
            [("location", target)],
        )
    };

    memory.answers(to(302, elsewhere.clone()));
    let outcome = story(json!({"url": url})).begins(&http()).await;
    assert!(failed(&outcome).contains("followRedirects"), "{outcome:?}");
    assert!(other.seen().is_empty());

    let config = |method: &str| json!({"method": method, "url": url, "followRedirects": 2, "headers": {"Authorization": "Bearer x", "Accept": "text/plain"}});
    memory.answers(to(302, elsewhere.clone()));
    result(&story(config("GET")).begins(&http()).await);
    let seen = only(&other);
    assert_eq!(
        (seen.header("authorization"), seen.header("accept")),
        ("", "text/plain")
    );

    memory.answers(to(303, "/done".into()));
    result(&story(config("POST")).begins(&http()).await);
    let last = memory.seen().pop().expect("a request");
    assert_eq!((last.method.as_str(), last.path.as_str()), ("GET", "/done"));
    assert_eq!(
        last.header("authorization"),
        "Bearer x",
        "the same host keeps them"
    );

    let mut with_body = config("POST");
    with_body["body"] = json!("secret plans");
    memory.answers(to(307, elsewhere));
    failed(&story(with_body).begins(&http()).await);
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let (memory, url) =
        remembering(|_, _| (StatusCode::FOUND, [("location", "/again")]).into_response()).await;
    let outcome = story(json!({"url": url, "followRedirects": 5}))
        .begins(&http())
        .await;
    assert!(
        failed(&outcome).contains("more than 5 redirects"),
        "{outcome:?}"
    );
    assert_eq!(memory.seen().len(), 6);
}

#[tokio::test]
async fn a_redirect_does_not_lead_inside() {
    let (memory, url) = remembering(|_, _| {
        (
            StatusCode::FOUND,
            [("location", "http://169.254.169.254/latest/meta-data/")],
        )
            .into_response()
    })
    .await;
    let outcome = story(json!({"url": url, "followRedirects": 5}))
        .begins(&http())
        .await;
    assert!(
        failed(&outcome).contains("not a public address"),
        "{outcome:?}"
    );
    assert_eq!(memory.seen().len(), 1);
}

/// Applies a build once per key and lets it be looked up.
fn builds(memory: &Memory, seen: &Seen) -> axum::response::Response {
    if seen.method == "POST" {
        memory.apply(seen.header("idempotency-key"));
        return Json(json!({"state": "done"})).into_response();
    }
    match lock(&memory.applied).contains_key(seen.header("idempotency-key")) {
        true => Json(json!({"state": "done"})).into_response(),
        false => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A server in front of another that passes a request on and then drops its answer.
async fn dropping(target: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let target = target.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(&target)
                .await
                .expect("the target");
            let mut buffer = vec![0; 64 * 1024];
            let count = client.read(&mut buffer).await.expect("a request");
            server.write_all(&buffer[..count]).await.expect("passed on");
            let answered = server.read(&mut buffer).await.expect("an answer");
            assert!(
                answered > 0,
                "it was carried out before the answer was dropped"
            );
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn applied_and_then_lost_is_read_back_and_applied_once() {
    let (memory, url) = remembering(builds).await;
    let lossy = dropping(url.clone()).await;
    let mut config = hasty("POST", &lossy);
    config["readBack"] = json!({
        "url": format!("{url}/builds"),
        "until": "response.body.state == 'done'",
        "absentWhen": "response.status == 404",
    });
    let outcome = story(config.clone()).begins(&http()).await;
    assert_eq!(result(&outcome)["body"], json!({"state": "done"}));
    assert_eq!(*lock(&memory.applied), [(KEY.to_owned(), 1)].into());

    // The same after the server itself was lost: nothing is sent again.
    let interrupted = |config: &Value| {
        let story = story(config.clone());
        story.journal.record(json!({"phase": "sending"}));
        story
    };
    let posts = || {
        memory
            .seen()
            .iter()
            .filter(|seen| seen.method == "POST")
            .count()
    };
    assert_eq!(posts(), 1);
    result(&interrupted(&config).goes_on(&http()).await);
    assert_eq!(posts(), 1);

    // What is not there may be sent again, under the same key.
    lock(&memory.applied).clear();
    let outcome = interrupted(&config).goes_on(&http()).await;
    assert!(
        retryable(&outcome).contains("was not carried out"),
        "{outcome:?}"
    );

    // What cannot be told stays unknown.
    config["readBack"]["absentWhen"] = Value::Null;
    config["readBack"]["until"] = json!("response.status == 200 && response.body.state == 'done'");
    let outcome = interrupted(&config).goes_on(&http()).await;
    assert!(unknown(&outcome).contains("does not tell"), "{outcome:?}");
    config["readBack"]["until"] = json!("response.body.state == 'done'");
    let outcome = interrupted(&config).goes_on(&http()).await;
    assert!(unknown(&outcome).contains("reading back"), "{outcome:?}");
}

#[tokio::test]
async fn applied_and_then_lost_is_sent_again_under_one_key_where_that_is_safe() {
    let (memory, url) = remembering(builds).await;
    let lossy = dropping(url.clone()).await;
    let mut config = hasty("POST", &lossy);
    config["idempotent"] = json!(true);
    let first = story(config.clone());
    retryable(&first.begins(&http()).await);
    config["url"] = json!(url);
    result(&story(config.clone()).goes_on(&http()).await);
    let mut second = story(config);
    second.effect.id.number = 2;
    result(&second.begins(&http()).await);
    assert_eq!(memory.seen().len(), 3);
    assert_eq!(*lock(&memory.applied), [(KEY.to_owned(), 1)].into());
}

#[tokio::test]
async fn after_a_restart_an_unsafe_request_is_sent_only_if_it_never_went_out() {
    let (memory, url) = remembering(fine).await;
    let unsafe_one = story(json!({"method": "POST", "url": url}));
    // It waited for its turn when the server stopped.
    result(&unsafe_one.goes_on(&http()).await);
    assert_eq!(memory.seen().len(), 1);
    // It was reported to be going out, and nobody knows how far it got.
    assert_eq!(
        unsafe_one.journal.handle(),
        Some(json!({"phase": "sending"}))
    );
    let outcome = unsafe_one.goes_on(&http()).await;
    assert!(unknown(&outcome).contains("not known"), "{outcome:?}");
    assert_eq!(memory.seen().len(), 1);

    let safe_one = story(json!({"method": "PUT", "url": url}));
    result(&safe_one.begins(&http()).await);
    result(&safe_one.goes_on(&http()).await);
    assert_eq!(safe_one.journal.handle(), None);
}

#[tokio::test]
async fn a_request_for_a_closed_attempt_does_not_go_out() {
    let (memory, url) = remembering(fine).await;
    let story = story(json!({"method": "POST", "url": url}));
    story.journal.close();
    assert_eq!(
        story.begins(&http()).await,
        Outcome::Cancelled { confirmed: true }
    );
    assert_eq!(
        story.goes_on(&http()).await,
        Outcome::Cancelled { confirmed: true }
    );
    assert!(memory.seen().is_empty());
}

#[tokio::test]
async fn stopping_after_a_restart_is_certain_where_nothing_can_have_happened() {
    for (method, handle, confirmed) in [
        ("GET", None, true),
        ("POST", None, true),
        ("POST", Some(json!({"phase": "sending"})), false),
        ("PUT", None, false),
    ] {
        let story = story(json!({"method": method, "url": "http://127.0.0.1:1/"}));
        handle
            .into_iter()
            .for_each(|handle| story.journal.record(handle));
        assert_eq!(
            story.is_stopped(&http()).await,
            Outcome::Cancelled { confirmed },
            "{method}"
        );
    }
}

#[tokio::test]
async fn polling_goes_on_until_the_condition_holds() {
    let (memory, url) = remembering(fine).await;
    memory.answers((StatusCode::ACCEPTED, [("location", "/jobs/512")]));
    memory.answers(StatusCode::SERVICE_UNAVAILABLE);
    memory.answers(Json(json!({"state": "running"})));
    memory.answers(Json(json!({"state": "running"})));
    memory.answers(Json(json!({"state": "done", "url": "https://a.example/1"})));
    let story = story(json!({
        "method": "POST",
        "url": format!("{url}/jobs"),
        "headers": {"Authorization": "Bearer ${secrets.TOKEN}"},
        "poll": {"until": "response.body.state == 'done'", "failWhen": "response.body.state == 'failed'", "every": "30s"},
    }));
    let started = story.clock.now();
    let outcome = story.begins(&http()).await;
    assert_eq!(result(&outcome)["body"]["url"], "https://a.example/1");
    let seen = memory.seen();
    let asked: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    assert_eq!(
        asked,
        [
            "POST /jobs",
            "GET /jobs/512",
            "GET /jobs/512",
            "GET /jobs/512",
            "GET /jobs/512"
        ]
    );
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == format!("Bearer {CANARY}"))
    );
    assert_eq!(
        story.clock.now().duration_since(started),
        SignedDuration::from_secs(90)
    );
    let handle = story.journal.handle().expect("a handle");
    assert_eq!(
        (&handle["phase"], &handle["url"]),
        (&json!("polling"), &json!(format!("{url}/jobs/512")))
    );
}

#[tokio::test]
async fn after_a_restart_polling_goes_on_where_the_handle_says() {
    let (memory, url) = remembering(fine).await;
    memory.answers(Json(json!({"state": "done"})));
    let story = story(json!({
        "method": "POST",
        "url": format!("{url}/jobs"),
        "poll": {"until": "response.body.state == 'done'"},
    }));
    story.journal.record(json!({"phase": "polling", "url": format!("{url}/jobs/512"), "since": "2026-11-21T03:00:00Z"}));
    result(&story.goes_on(&http()).await);
    let seen = only(&memory);
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("GET", "/jobs/512")
    );
}

#[tokio::test]
async fn polling_ends_with_a_failure_or_when_its_time_is_up() {
    let (memory, url) = remembering(|_, _| Json(json!({"state": "running"})).into_response()).await;
    let config = json!({
        "url": url,
        "poll": {"until": "response.body.state == 'done'", "failWhen": "response.body.state == 'failed'", "timeout": "2m"},
    });
    let outcome = story(config.clone()).begins(&http()).await;
    assert!(
        failed(&outcome).contains("did not hold in time"),
        "{outcome:?}"
    );
    assert_eq!(
        memory.seen().len(),
        13,
        "at once, and every ten seconds for two minutes"
    );
    memory.answers(Json(json!({"state": "failed"})));
    let outcome = story(config).begins(&http()).await;
    assert!(failed(&outcome).contains("failWhen"), "{outcome:?}");
}

#[tokio::test]
async fn a_polled_address_of_another_host_sees_no_credentials() {
    let (other, elsewhere) =
        remembering(|_, _| Json(json!({"state": "done"})).into_response()).await;
    let (memory, url) = remembering(fine).await;
    memory.answers((
        StatusCode::ACCEPTED,
        [("location", format!("{elsewhere}/job"))],
    ));
    let config = json!({
        "method": "POST",
        "url": url,
        "headers": {"Authorization": "Bearer x"},
        "poll": {"until": "response.body.state == 'done'"},
    });
    result(&story(config).begins(&http()).await);
    assert_eq!(other.seen()[0].header("authorization"), "");
}

#[tokio::test]
async fn a_callback_is_waited_for_at_an_address_only_this_attempt_has() {
    let (memory, url) = remembering(fine).await;
    let story = story(json!({"method": "POST", "url": url, "callback": true}));
    let calling = async {
        let waits = |handle: Value| handle["phase"] == "callback";
        while !story.journal.handle().is_some_and(waits) {
            tokio::task::yield_now().await;
        }
        story.cancel.cancel();
    };
    let http = http();
    let (outcome, ()) = tokio::join!(story.begins(&http), calling);
    assert_eq!(outcome, Outcome::Cancelled { confirmed: false });
    assert_eq!(
        story.journal.handle().expect("a handle")["phase"],
        "callback"
    );
    let seen = only(&memory);
    let address = seen.header("trainmaster-callback-url");
    let token = address
        .strip_prefix("https://trainmaster.example/api/v1/callbacks/")
        .expect("our address");
    assert_eq!(
        callback::verify(token, b"server secret"),
        Some(story.effect.id.clone())
    );

    // After a restart it waits on without asking again.
    story.goes_on(&http).await;
    assert_eq!(memory.seen().len(), 1);
}

#[tokio::test]
async fn a_callback_that_never_comes_fails_in_time() {
    let (_, url) = remembering(fine).await;
    let story = story(json!({"url": url, "callback": {"timeout": "2h"}}));
    let started = story.clock.now();
    let outcome = story.begins(&http()).await;
    assert_eq!(failed(&outcome), "nobody called back within 2h");
    assert_eq!(
        story.clock.now().duration_since(started),
        SignedDuration::from_hours(2)
    );
}

#[tokio::test]
async fn an_answer_for_a_closed_attempt_is_not_followed_up() {
    let (memory, url) = remembering(fine).await;
    let story = story(json!({"url": url, "poll": {"until": "false"}}));
    story.journal.close();
    assert_eq!(
        story.begins(&http()).await,
        Outcome::Cancelled { confirmed: false }
    );
    assert_eq!(memory.seen().len(), 1);
}

#[tokio::test]
async fn stopping_a_question_is_certain_and_stopping_a_request_is_not() {
    let (address, count) = misbehaving(vec![Step::Hang]).await;
    for (method, confirmed) in [("GET", true), ("POST", false)] {
        let story = story(json!({"method": method, "url": format!("http://{address}/")}));
        let before = *lock(&count);
        let stopping = async {
            while *lock(&count) == before {
                tokio::task::yield_now().await;
            }
            story.cancel.cancel();
        };
        let http = http();
        let (outcome, ()) = tokio::join!(story.begins(&http), stopping);
        assert_eq!(outcome, Outcome::Cancelled { confirmed });
    }
}

#[tokio::test]
async fn a_secret_reaches_the_other_side_and_nothing_else() {
    let (memory, url) = remembering(|_, seen| {
        let echo =
            json!({"echo": seen.header("authorization"), "path": seen.path, "body": seen.body});
        (
            StatusCode::OK,
            [("x-request-id", seen.header("authorization").to_owned())],
            Json(echo),
        )
            .into_response()
    })
    .await;
    let config = json!({
        "method": "POST",
        "url": format!("{url}/${{secrets.TOKEN}}?t=${{secrets.TOKEN}}"),
        "headers": {"Authorization": "Bearer ${secrets.TOKEN}"},
        "body": {"token": "${secrets.TOKEN}"},
    });
    let story = story(config.clone());
    let outcome = story.begins(&http()).await;
    assert_eq!(
        memory.seen()[0].header("authorization"),
        format!("Bearer {CANARY}")
    );
    assert_eq!(memory.seen()[0].body, json!({"token": CANARY}).to_string());
    let told = format!("{outcome:?} {:?}", story.log.texts());
    assert!(told.contains("***") && !told.contains(CANARY), "{told}");

    memory.answers((StatusCode::BAD_REQUEST, CANARY));
    let refused = story.begins(&http()).await;
    let lost = {
        let (address, _) = misbehaving(vec![Step::Reset]).await;
        let mut config = config.clone();
        config["url"] = json!(format!("http://{address}/${{secrets.TOKEN}}"));
        self::story(config).begins(&http()).await
    };
    let nowhere = {
        let mut config = config;
        config["url"] = json!("http://${secrets.TOKEN}.invalid/");
        self::story(config).begins(&http()).await
    };
    let told = format!("{refused:?} {lost:?} {nowhere:?} {:?}", story.log.texts());
    assert!(!told.contains(CANARY), "{told}");
}

#[tokio::test]
async fn settings_that_make_no_request_fail_before_anything_is_sent() {
    let (memory, url) = remembering(fine).await;
    for config in [
        json!({"url": "not an address"}),
        json!({"url": "/relative"}),
        json!({"url": url, "headers": {"a b": "c"}}),
        json!({"url": url, "headers": {"a": "b\r\nc: d"}}),
        json!({"url": url, "headers": {"Content-Length": "5"}}),
        json!({"url": url, "headers": {"Transfer-Encoding": "chunked"}}),
        json!({"url": url, "headers": {"Idempotency-Key": "mine"}}),
        json!({"url": url, "headers": {"a": "${secrets.MISSING}"}}),
        json!({"url": url, "callback": true, "poll": {"until": "true"}}),
        json!({"url": url, "unknown": 1}),
    ] {
        let outcome = story(config.clone()).begins(&http()).await;
        assert!(
            matches!(outcome, Outcome::Failed { .. }),
            "{config}: {outcome:?}"
        );
    }
    assert!(memory.seen().is_empty());
}

#[tokio::test]
async fn the_address_of_a_proxy_in_the_environment_changes_nothing() {
    // A process cannot safely change its own environment, so this test, started again, sends the request.
    if let Ok(url) = std::env::var("TRAINMASTER_TEST_URL") {
        result(&story(json!({ "url": url })).begins(&http()).await);
        return;
    }
    let (proxy, count) = misbehaving(vec![Step::Reset]).await;
    let (memory, url) = remembering(fine).await;
    let program = std::env::current_exe().expect("this program");
    let proxy = format!("http://{proxy}");
    let run = tokio::process::Command::new(program)
        .args([
            "--exact",
            "the_address_of_a_proxy_in_the_environment_changes_nothing",
        ])
        .env("http_proxy", &proxy)
        .env("HTTP_PROXY", &proxy)
        .env("ALL_PROXY", &proxy)
        .env("TRAINMASTER_TEST_URL", url)
        .stdout(std::process::Stdio::null())
        .status()
        .await
        .expect("a child");
    assert!(run.success());
    assert_eq!(*lock(&count), 0);
    assert_eq!(memory.seen().len(), 1);
}
