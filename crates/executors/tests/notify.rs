//! Messages: signed, told apart by a key that stays, and sent again until somebody has them.

mod house;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use house::web::{Seen, Step, fine, misbehaving, remembering};
use house::{Known, Story, failed, result, retryable};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Sha256;
use trainmaster_core::effect::Outcome;
use trainmaster_core::uses::ActivityType;
use trainmaster_executors::egress::{Allow, Egress};
use trainmaster_executors::notify::Notify;

const KEY: &str = "rel-00000042.1.deploy/rollout";

fn notify() -> Notify {
    Notify {
        egress: Egress::new([Allow::Loopback]),
        secrets: Known::new(&[("HOOK", "whsec_c2lnbmluZyBrZXkgZm9yIHRlc3Rz")]),
        public_url: "https://trainmaster.example/".into(),
    }
}

fn story(config: Value) -> Story {
    Story::new(ActivityType::Notify, config)
}

/// What a receiver does with a message before it believes it.
fn is_genuine(seen: &Seen) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"signing key for tests").expect("a key");
    let signed = format!(
        "{}.{}.{}",
        seen.header("webhook-id"),
        seen.header("webhook-timestamp"),
        seen.body
    );
    mac.update(signed.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    seen.header("webhook-signature") == format!("v1,{signature}")
}

#[tokio::test]
async fn a_message_is_an_event_that_its_receiver_can_check() {
    let (memory, url) = remembering(fine).await;
    let story = story(json!({
        "url": url,
        "event": "com.example.released",
        "message": "1.2.3 is out",
        "data": {"version": "1.2.3"},
        "secret": "${secrets.HOOK}",
    }));
    let outcome = story.begins(&notify()).await;
    assert_eq!(result(&outcome), &json!({"status": 200}));
    let [seen] = memory.seen().try_into().expect("one message");
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.header("webhook-id"), KEY);
    assert_eq!(
        seen.header("webhook-timestamp"),
        story.clock.now().as_second().to_string()
    );
    assert!(is_genuine(&seen));
    assert_eq!(seen.header("content-type"), "application/cloudevents+json");
    let event: Value = serde_json::from_str(&seen.body).expect("JSON");
    assert_eq!(
        event,
        json!({
            "specversion": "1.0",
            "id": KEY,
            "source": "https://trainmaster.example/releases/rel-00000042",
            "type": "com.example.released",
            "subject": "rel-00000042/deploy/rollout",
            "datacontenttype": "application/json",
            "data": {
                "message": "1.2.3 is out",
                "release": "rel-00000042",
                "activity": "deploy/rollout",
                "data": {"version": "1.2.3"},
            },
        })
    );
}

#[tokio::test]
async fn every_try_sends_the_same_message_under_the_same_key() {
    let (memory, url) = remembering(fine).await;
    let story = story(json!({"url": url, "secret": "${secrets.HOOK}"}));
    memory.answers(StatusCode::INTERNAL_SERVER_ERROR);
    retryable(&story.begins(&notify()).await);
    result(&story.goes_on(&notify()).await);
    let next = story.retried();
    next.clock
        .sleep_until("2026-11-21T03:10:00Z".parse().expect("a time"))
        .await;
    result(&next.begins(&notify()).await);
    let seen = memory.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|seen| seen.header("webhook-id") == KEY && seen.body == memory.seen()[0].body)
    );
    assert!(seen.iter().all(is_genuine));
    assert_ne!(
        seen[0].header("webhook-signature"),
        seen[2].header("webhook-signature")
    );
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let (memory, url) = remembering(fine).await;
    result(&story(json!({ "url": url })).begins(&notify()).await);
    assert_eq!(memory.seen()[0].header("webhook-signature"), "");
}

#[tokio::test]
async fn a_receiver_that_is_gone_fails_and_one_that_is_busy_is_tried_later() {
    let (memory, url) = remembering(fine).await;
    for status in [410, 400, 404, 302] {
        memory.answers(StatusCode::from_u16(status).expect("a status"));
        failed(&story(json!({ "url": url })).begins(&notify()).await);
    }
    for status in [408, 429, 500, 503] {
        memory.answers((
            StatusCode::from_u16(status).expect("a status"),
            [("retry-after", "7")],
        ));
        let outcome = story(json!({ "url": url })).begins(&notify()).await;
        let Outcome::Retryable { after, .. } = outcome else {
            panic!("{status}: {outcome:?}")
        };
        assert_eq!(after, Some(SignedDuration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_doubtful_delivery_is_tried_again() {
    for steps in [vec![Step::Reset], vec![Step::Hang], vec![]] {
        let (address, _) = misbehaving(steps).await;
        let config = json!({"url": format!("http://{address}/"), "timeout": "100ms"});
        retryable(&story(config).begins(&notify()).await);
    }
    let (address, _) = misbehaving(vec![
        house::web::send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
        Step::Reset,
    ])
    .await;
    result(
        &story(json!({"url": format!("http://{address}/")}))
            .begins(&notify())
            .await,
    );
}

#[tokio::test]
async fn a_message_does_not_go_inside_and_a_bad_secret_signs_nothing() {
    let closed = Notify {
        egress: Egress::new([]),
        ..notify()
    };
    let outcome = story(json!({"url": "http://127.0.0.1:1/"}))
        .begins(&closed)
        .await;
    assert!(
        failed(&outcome).contains("not a public address"),
        "{outcome:?}"
    );
    let (memory, url) = remembering(fine).await;
    failed(
        &story(json!({"url": url, "secret": "whsec_***"}))
            .begins(&notify())
            .await,
    );
    failed(
        &story(json!({"url": url, "secret": "${secrets.OTHER}"}))
            .begins(&notify())
            .await,
    );
    assert!(memory.seen().is_empty());
}
