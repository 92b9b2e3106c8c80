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

mod outlets {
    //! What leaves by itself: the shape that each receiver expects, how far a message got, and where it may not go.

    use super::*;
    use jiff::Timestamp;
    use trainmaster_engine::outlet::{Carried, Carrier, Destination, Message, Parcel};
    use trainmaster_executors::outlets::{MailServer, Outlets};

    const CHAT_PATH: &str = "/services/T000/B000/c4n4ry";

    fn outlets(base: &str) -> Outlets {
        Outlets {
            egress: Egress::new([Allow::Loopback]),
            secrets: Known::new(&[
                ("HOOK", "whsec_c2lnbmluZyBrZXkgZm9yIHRlc3Rz"),
                ("CHAT", &format!("{base}{CHAT_PATH}")),
                ("ODD", "not an address c4n4ry"),
            ]),
            mail: None,
        }
    }

    fn parcel(to: Destination) -> Parcel {
        Parcel {
            id: "msg_0123456789abcdef".into(),
            organization: None,
            to,
            message: Message {
                word: "release.failed".into(),
                text: "Week <47> & more: *it* has ended as [Failed](http://evil.example)".into(),
                link: "https://trains.example/releases/rel-00000042".into(),
                source: "https://trains.example".into(),
                subject: "rel-00000042".into(),
                release: "Week 47".into(),
                urgent: true,
                at: now(),
                data: json!({"release": {"id": "rel-00000042"}}),
            },
        }
    }

    fn now() -> Timestamp {
        "2026-11-21T03:00:00Z".parse().expect("a time")
    }

    fn name(text: &str) -> trainmaster_core::ids::SecretName {
        text.parse().expect("a name")
    }

    fn slack(secret: &str) -> Parcel {
        parcel(Destination::Slack {
            secret: name(secret),
        })
    }

    fn webhook(url: &str) -> Parcel {
        parcel(Destination::Webhook {
            url: url.to_owned(),
            secret: name("HOOK"),
        })
    }

    #[tokio::test]
    async fn a_webhook_gets_a_signed_cloud_event_and_the_same_one_on_every_try() {
        let (memory, url) = remembering(fine).await;
        for minutes in [0, 10] {
            let later = now() + SignedDuration::from_mins(minutes);
            let carried = outlets(&url).carry(&webhook(&url), later).await;
            assert!(
                matches!(
                    carried,
                    Carried::Delivered {
                        status: Some(200),
                        ..
                    }
                ),
                "{carried:?}"
            );
        }
        let seen = memory.seen();
        assert!(seen.iter().all(is_genuine));
        assert_eq!(seen[0].body, seen[1].body);
        assert!(
            seen.iter()
                .all(|seen| seen.header("webhook-id") == "msg_0123456789abcdef")
        );
        assert_ne!(
            seen[0].header("webhook-timestamp"),
            seen[1].header("webhook-timestamp")
        );
        let event: Value = serde_json::from_str(&seen[0].body).expect("JSON");
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["type"], "dev.trainmaster.release.failed.v1");
        assert_eq!(event["time"], "2026-11-21T03:00:00Z");
        assert_eq!(event["data"]["event"], "release.failed");
        assert_eq!(event["data"]["release"]["id"], "rel-00000042");
    }

    #[tokio::test]
    async fn chats_get_what_they_publish_and_text_of_people_stays_text() {
        let (memory, url) = remembering(fine).await;
        outlets(&url).carry(&slack("CHAT"), now()).await;
        let teams = parcel(Destination::Teams {
            secret: name("CHAT"),
        });
        outlets(&url).carry(&teams, now()).await;
        let seen = memory.seen();
        assert!(seen.iter().all(|seen| seen.path == CHAT_PATH));
        let slack: Value = serde_json::from_str(&seen[0].body).expect("JSON");
        let text = slack["text"].as_str().expect("a text");
        assert!(text.starts_with("Week &lt;47&gt; &amp; more"), "{text}");
        let section = &slack["blocks"][0];
        assert_eq!(section["type"], "section");
        assert_eq!(
            section["text"]["type"], "plain_text",
            "nothing in it is read as markup"
        );
        assert_eq!(section["text"]["text"], teams.message.text.as_str());
        assert_eq!(
            slack["blocks"][1]["elements"][0]["text"],
            "<https://trains.example/releases/rel-00000042|Open in Trainmaster> · release.failed"
        );
        let card: Value = serde_json::from_str(&seen[1].body).expect("JSON");
        assert_eq!(card["type"], "message");
        let attachment = &card["attachments"][0];
        assert_eq!(
            attachment["contentType"],
            "application/vnd.microsoft.card.adaptive"
        );
        let content = &attachment["content"];
        assert_eq!(
            (&content["type"], &content["version"]),
            (&json!("AdaptiveCard"), &json!("1.4"))
        );
        assert_eq!(
            content["body"][0]["type"], "RichTextBlock",
            "nothing in it is read as markup"
        );
        assert_eq!(
            content["body"][0]["inlines"][0]["text"],
            teams.message.text.as_str()
        );
        assert_eq!(content["actions"][0]["type"], "Action.OpenUrl");
        assert_eq!(content["actions"][0]["url"], teams.message.link.as_str());
    }

    #[tokio::test]
    async fn an_answer_decides_whether_a_message_is_tried_again() {
        let (memory, url) = remembering(fine).await;
        let carry = async |status: u16| {
            let status = StatusCode::from_u16(status).expect("a status");
            memory.answers((status, [("retry-after", "7")], "invalid_token c4n4ry"));
            outlets(&url).carry(&webhook(&url), now()).await
        };
        assert!(matches!(carry(410).await, Carried::Gone { .. }));
        for status in [400, 401, 403, 404, 302] {
            let carried = carry(status).await;
            assert!(
                matches!(carried, Carried::Refused { status: Some(code), .. } if code == status),
                "{carried:?}"
            );
        }
        for status in [429, 500, 503] {
            let carried = carry(status).await;
            let seven = Some(SignedDuration::from_secs(7));
            assert!(
                matches!(carried, Carried::Later { after, .. } if after == seven),
                "{carried:?}"
            );
        }
        assert_eq!(memory.seen().len(), 9, "a redirect leads nowhere");
        for steps in [vec![Step::Reset], vec![]] {
            let (address, _) = misbehaving(steps).await;
            let url = format!("http://{address}/");
            let carried = outlets(&url).carry(&webhook(&url), now()).await;
            assert!(matches!(carried, Carried::Lost { .. }), "{carried:?}");
        }
    }

    #[tokio::test]
    async fn a_message_goes_nowhere_inside_and_says_no_secret() {
        let closed = Outlets {
            egress: Egress::new([]),
            ..outlets("http://127.0.0.1:1")
        };
        for inside in [
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://169.254.169.254/latest/meta-data",
            "http://2130706433:1/",
            "http://0x7f.1:1/",
            "http://[::ffff:127.0.0.1]:1/",
            "http://10.0.0.1/",
        ] {
            let carried = closed.carry(&webhook(inside), now()).await;
            let Carried::Refused { error, .. } = &carried else {
                panic!("{inside}: {carried:?}")
            };
            assert!(error.contains("not a public address"), "{inside}: {error}");
        }
        let hidden = closed.carry(&slack("CHAT"), now()).await;
        let odd = closed.carry(&slack("ODD"), now()).await;
        let missing = closed.carry(&slack("OTHER"), now()).await;
        for carried in [&hidden, &odd, &missing] {
            assert!(matches!(carried, Carried::Refused { .. }), "{carried:?}");
            assert!(!format!("{carried:?}").contains("c4n4ry"), "{carried:?}");
        }
        let (memory, url) = remembering(fine).await;
        let echo = format!("you called {url}{CHAT_PATH}");
        memory.answers((StatusCode::BAD_REQUEST, echo));
        let carried = outlets(&url).carry(&slack("CHAT"), now()).await;
        assert!(!format!("{carried:?}").contains("c4n4ry"), "{carried:?}");
    }

    #[tokio::test]
    async fn mail_that_no_server_takes_is_tried_later_and_none_means_no() {
        let mail = parcel(Destination::Email {
            to: vec!["ada@example.com".into()],
        });
        let none = outlets("http://127.0.0.1:1").carry(&mail, now()).await;
        assert!(matches!(none, Carried::Refused { .. }), "{none:?}");
        let server = MailServer::new("smtp://127.0.0.1:1?tls=none", None, "trains@example.com");
        let dead = Outlets {
            mail: Some(server.expect("a mail server")),
            ..outlets("http://127.0.0.1:1")
        };
        let later = dead.carry(&mail, now()).await;
        assert!(matches!(later, Carried::Later { .. }), "{later:?}");
    }
}
