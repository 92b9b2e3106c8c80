//! What goes out by itself, what people are told in the app, and the secrets that go with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;
use trainmaster_engine::outlet::{Carried, Destination, Parcel};

use crate::support::{Client, Post, TRAIN, TestApp, dispatcher};

const RULE: &str = r#"
apiVersion: trainmaster.dev/v1
kind: NotificationRule
metadata: {name: loud, organization: payments}
spec:
  events: [release.started, approval.needed]
  channels:
    - slack: {secretRef: SLACK}
    - webhook: {url: "https://hooks.example.com/trains", secretRef: HOOK}
"#;

fn rule(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: NotificationRule\nmetadata: {{name: {name}, organization: payments}}\nspec: {spec}\n"
    )
}

fn later() -> Carried {
    Carried::Later {
        status: Some(503),
        error: "the receiver answered 503: busy".to_owned(),
        after: None,
    }
}

fn to(kind: &str, parcels: &[Parcel]) -> Vec<Parcel> {
    parcels
        .iter()
        .filter(|parcel| parcel.to.kind() == kind)
        .cloned()
        .collect()
}

async fn deliveries(client: &Client<'_>, query: &str) -> Vec<Value> {
    let page = client
        .get(&format!("/api/v1/deliveries{query}"))
        .await
        .expect(StatusCode::OK);
    page["items"].as_array().expect("items").clone()
}

/// Waits until as many deliveries of a kind stand at a status.
async fn standing(client: &Client<'_>, kind: &str, status: &str, count: usize) -> Vec<Value> {
    let what = format!("{count} {kind} deliveries that are {status}");
    client
        .test
        .until(&what, async || {
            let all = deliveries(client, "").await;
            let found: Vec<Value> = all
                .into_iter()
                .filter(|item| item["kind"] == kind && item["status"] == status)
                .collect();
            (found.len() == count).then_some(found)
        })
        .await
}

/// A train that has been started and waits for its approval.
async fn waiting_train(client: &Client<'_>) -> String {
    let id = client.start_train().await;
    client.until_status(&id, "OnHold").await;
    id
}

#[tokio::test]
async fn a_rule_sends_what_it_means_once_and_the_log_says_so() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    waiting_train(&manager).await;
    manager.apply(RULE).await.expect(StatusCode::OK);
    let id = waiting_train(&manager).await;
    standing(&manager, "slack", "delivered", 2).await;
    let webhooks = standing(&manager, "webhook", "delivered", 2).await;
    assert_eq!(
        webhooks[0]["event"], "approval.needed",
        "the newest event comes first"
    );
    assert_eq!(webhooks[0]["release"], id.as_str());
    assert_eq!(webhooks[0]["to"], "https://hooks.example.com/trains");
    assert_eq!(
        (&webhooks[0]["attempts"], &webhooks[0]["code"]),
        (&json!(1), &json!(200))
    );

    let carried = test.post.carried();
    assert_eq!(
        carried.len(),
        4,
        "nothing is told of what happened before there was a rule"
    );
    let ids: BTreeSet<&str> = carried.iter().map(|parcel| parcel.id.as_str()).collect();
    assert_eq!(ids.len(), 4);
    let approval = carried
        .iter()
        .find(|parcel| parcel.message.word == "approval.needed")
        .expect("it was asked for");
    assert_eq!(
        approval.message.link,
        format!("https://trains.example/releases/{id}/activities/sign-off/qa"),
        "the message leads to where something is to be done"
    );
    assert!(
        approval
            .message
            .text
            .ends_with("sign-off/qa asks for your approval")
    );
    assert_eq!(approval.message.data["involved"], json!(["team:qa"]));

    let stranger = test.tester().await;
    let refused = stranger.get("/api/v1/deliveries").await;
    refused.problem("forbidden");
    let one = webhooks[0]["id"].as_str().expect("an id");
    let other = test
        .client(
            "shop-manager",
            &[],
            &[trainmaster_core::access::Role::ReleaseManager],
            Some("shop"),
        )
        .await;
    let hidden = other.get(&format!("/api/v1/deliveries/{one}")).await;
    hidden.problem("unknown-delivery");
    let nothing = other.get("/api/v1/deliveries").await.expect(StatusCode::OK);
    assert_eq!(
        nothing["items"],
        json!([]),
        "another organization sees none of it"
    );
}

#[tokio::test]
async fn a_dead_destination_holds_up_nobody_but_itself_and_keeps_its_order() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(RULE).await.expect(StatusCode::OK);
    test.post.answers("webhook", later());
    waiting_train(&manager).await;
    standing(&manager, "slack", "delivered", 2).await;
    let waiting = standing(&manager, "webhook", "pending", 2).await;
    let first = test
        .until("the first try", async || {
            let sent = to("webhook", &test.post.carried());
            (!sent.is_empty()).then_some(sent)
        })
        .await;
    assert_eq!(first.len(), 1, "the second message waits for the first one");
    assert_eq!(first[0].message.word, "release.started");
    assert_eq!(waiting.len(), 2);

    test.post.recovers("webhook");
    let patience = Duration::from_secs(20);
    let advance = async {
        loop {
            test.clock.advance(SignedDuration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(patience, async {
        tokio::select! {
            done = standing(&manager, "webhook", "delivered", 2) => done,
            () = advance => unreachable!("it goes on for ever"),
        }
    });
    let done = done.await.expect("both got through");
    let sent = to("webhook", &test.post.carried());
    let words: Vec<&str> = sent
        .iter()
        .map(|parcel| parcel.message.word.as_str())
        .collect();
    assert_eq!(words.last(), Some(&"approval.needed"));
    let tries: Vec<&Parcel> = sent
        .iter()
        .filter(|parcel| parcel.message.word == "release.started")
        .collect();
    assert!(tries.len() >= 2);
    assert!(
        tries.iter().all(|parcel| **parcel == *tries[0]),
        "every try is the same message under the same id"
    );
    assert!(done.iter().any(|item| item["attempts"] == tries.len()));
}

#[tokio::test]
async fn what_was_under_way_when_the_server_died_is_repeated_only_where_that_does_no_harm() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(RULE).await.expect(StatusCode::OK);
    for kind in ["slack", "webhook"] {
        test.post.swallows(kind);
    }
    waiting_train(&manager).await;
    standing(&manager, "slack", "sending", 1).await;
    standing(&manager, "webhook", "sending", 1).await;
    let before = test.post.carried();
    // The first dispatcher is stuck with its messages as a dead process is.
    test.outlets.stop(Duration::ZERO).await;

    let post = Arc::new(Post::default());
    let next = dispatcher(&test.engine, &test.store, &test.clock, post.clone());
    standing(&manager, "webhook", "delivered", 2).await;
    standing(&manager, "slack", "delivered", 1).await;
    let unknown = standing(&manager, "slack", "unknown", 1).await;
    assert_eq!(unknown[0]["event"], "release.started");
    let repeated = to("webhook", &post.carried());
    assert_eq!(repeated.len(), 2);
    assert_eq!(
        repeated[0].id,
        to("webhook", &before)[0].id,
        "a receiver can tell the repeat by its id"
    );
    let said = to("slack", &post.carried());
    assert_eq!(said.len(), 1, "what may be in the chat is not said twice");
    assert_eq!(said[0].message.word, "approval.needed");
    next.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_delivery_is_sent_again_by_hand_under_the_same_id() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(RULE).await.expect(StatusCode::OK);
    let lost = Carried::Lost {
        error: "no answer came".to_owned(),
    };
    test.post.answers("slack", lost);
    waiting_train(&manager).await;
    let unknown = standing(&manager, "slack", "unknown", 2).await;
    assert_eq!(unknown[0]["answer"], "no answer came");
    test.post.recovers("slack");
    let id = unknown[0]["id"].as_str().expect("an id");
    manager
        .post(&format!("/api/v1/deliveries/{id}/redeliver"), json!({}))
        .await
        .expect(StatusCode::OK);
    standing(&manager, "slack", "delivered", 1).await;
    let twice = to("slack", &test.post.carried());
    let same = twice.iter().filter(|parcel| parcel.id == id).count();
    assert_eq!(same, 2);
    let nothing = manager
        .post("/api/v1/deliveries/msg_0/redeliver", json!({}))
        .await;
    nothing.problem("unknown-delivery");
}

#[tokio::test]
async fn a_receiver_that_is_gone_turns_its_channel_off_and_administrators_are_told() {
    let test = TestApp::start().await;
    let (manager, root) = (test.manager().await, test.administrator().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(RULE).await.expect(StatusCode::OK);
    let gone = Carried::Gone {
        error: "the receiver answered 410".to_owned(),
    };
    test.post.answers("webhook", gone);
    waiting_train(&manager).await;
    standing(&manager, "webhook", "failed", 1).await;
    standing(&manager, "webhook", "withheld", 1).await;
    assert_eq!(to("webhook", &test.post.carried()).len(), 1);
    let told = test
        .until("administrators are told", async || {
            let page = root
                .get("/api/v1/notifications")
                .await
                .expect(StatusCode::OK);
            let items = page["items"].as_array().expect("items").clone();
            items
                .into_iter()
                .find(|item| item["kind"] == "outletDisabled")
        })
        .await;
    assert_eq!(told["urgent"], true);
    assert!(
        told["message"]
            .as_str()
            .expect("a text")
            .contains("channel 2 of notification rule loud")
    );
    assert_eq!(told.get("release"), None);

    // A rule that is changed is given another chance.
    test.post.recovers("webhook");
    let changed = RULE.replace("events: [", "events: [release.paused, ");
    manager.apply(&changed).await.expect(StatusCode::OK);
    waiting_train(&manager).await;
    standing(&manager, "webhook", "delivered", 2).await;
}

#[tokio::test]
async fn a_test_goes_through_every_channel_at_once() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(RULE).await.expect(StatusCode::OK);
    let refused = Carried::Refused {
        status: Some(403),
        error: "the receiver answered 403".to_owned(),
    };
    test.post.answers("slack", refused);
    let address = "/api/v1/notification-rules/loud/test?organization=payments";
    let tested = manager
        .post(address, json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(tested["delivered"], false);
    let stand: Vec<(&str, &str)> = tested["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            let text = |field: &str| item[field].as_str().expect("a text");
            (text("kind"), text("status"))
        })
        .collect();
    assert_eq!(stand, [("slack", "failed"), ("webhook", "delivered")]);
    let sent = test.post.carried();
    assert!(sent[0].message.text.contains("test of a notification rule"));
    assert_eq!(deliveries(&manager, "?rule=loud").await.len(), 2);
    let viewer = test.tester().await;
    let forbidden = viewer.post(address, json!({})).await;
    forbidden.problem("forbidden");
    let unknown = manager
        .post("/api/v1/notification-rules/other/test", json!({}))
        .await;
    unknown.problem("unknown-resource");
    // The address of the definition itself still leads to it.
    manager
        .get("/api/v1/notification-rules/loud?organization=payments")
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn mail_goes_to_each_person_on_their_own() {
    let test = TestApp::start().await;
    let (manager, root) = (test.manager().await, test.administrator().await);
    for (name, email) in [
        ("quentin", "quentin@example.com"),
        ("rae", "rae@example.com"),
        ("sven", "sven@example.com"),
    ] {
        let command = trainmaster_core::Command::CreateUser(trainmaster_core::command::NewUser {
            name: name.parse().expect("a name"),
            display_name: String::new(),
            email: email.to_owned(),
            identity: None,
            credential: None,
        });
        test.engine
            .submit(trainmaster_engine::Request::system(command))
            .await
            .expect("a user");
    }
    root.apply("apiVersion: trainmaster.dev/v1\nkind: Team\nmetadata: {name: qa, organization: payments}\nspec: {members: [quentin, rae]}\n")
        .await
        .expect(StatusCode::OK);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let spec =
        "{events: [approval.needed], channels: [{email: {to: [ops@example.com], involved: true}}]}";
    manager
        .apply(&rule("mails", spec))
        .await
        .expect(StatusCode::OK);
    waiting_train(&manager).await;
    standing(&manager, "email", "delivered", 3).await;
    let mailboxes: BTreeSet<String> = test
        .post
        .carried()
        .into_iter()
        .flat_map(|parcel| match parcel.to {
            Destination::Email { to } => to,
            other => panic!("a mail, not {other:?}"),
        })
        .collect();
    assert_eq!(
        mailboxes.into_iter().collect::<Vec<_>>(),
        ["ops@example.com", "quentin@example.com", "rae@example.com"],
        "who is asked, and who is named; nobody else"
    );
}

#[tokio::test]
async fn a_rule_can_put_notices_behind_the_bell() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let sre = test
        .client(
            "sarah",
            &["sre"],
            &[trainmaster_core::access::Role::Viewer],
            Some("payments"),
        )
        .await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let spec = "{events: [activity.failed], channels: [{inApp: {to: [team:sre]}}]}";
    manager
        .apply(&rule("bell", spec))
        .await
        .expect(StatusCode::OK);
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error: "no disk".to_owned(),
            result: Value::Null,
        },
    );
    let id = waiting_train(&manager).await;
    let told = test
        .until("a notice", async || {
            let page = sre
                .get("/api/v1/notifications")
                .await
                .expect(StatusCode::OK);
            page["items"].as_array().expect("items").first().cloned()
        })
        .await;
    assert_eq!(
        (&told["kind"], &told["urgent"]),
        (&json!("rule"), &json!(true))
    );
    assert_eq!(
        told["link"],
        format!("/releases/{id}/activities/build/compile")
    );
    assert_eq!(to("slack", &test.post.carried()).len(), 0);
}

#[tokio::test]
async fn everybody_sees_what_they_were_told_and_what_of_it_is_new() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let id = waiting_train(&manager).await;
    let page = tester
        .get("/api/v1/notifications")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&page["unread"], &page["unreadMore"]),
        (&json!(1), &json!(false))
    );
    let told = &page["items"][0];
    assert_eq!(
        (&told["kind"], &told["need"]),
        (&json!("needsApproval"), &json!("approval"))
    );
    assert_eq!(
        (&told["read"], &told["release"]),
        (&json!(false), &json!(id))
    );
    let others = test
        .client(
            "nobody",
            &[],
            &[trainmaster_core::access::Role::Viewer],
            Some("payments"),
        )
        .await;
    let nothing = others
        .get("/api/v1/notifications")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&nothing["items"], &nothing["unread"]),
        (&json!([]), &json!(0)),
        "who is not involved is not told"
    );

    let read = tester
        .post(
            "/api/v1/notifications/read",
            json!({"positions": [told["position"]]}),
        )
        .await
        .expect(StatusCode::OK);
    assert_eq!(read["unread"], 0);
    let page = tester
        .get("/api/v1/notifications")
        .await
        .expect(StatusCode::OK);
    assert_eq!(page["items"][0]["read"], true);
    let unread = tester
        .get("/api/v1/notifications?unread=true")
        .await
        .expect(StatusCode::OK);
    assert_eq!(unread["items"], json!([]));

    waiting_train(&manager).await;
    let page = tester
        .get("/api/v1/notifications?unread=true")
        .await
        .expect(StatusCode::OK);
    assert_eq!(page["unread"], 1);
    let read = tester
        .post("/api/v1/notifications/read", json!({"upTo": u64::MAX / 4}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(read["unread"], 0, "nobody reads ahead of what happened");
    waiting_train(&manager).await;
    let page = tester
        .get("/api/v1/notifications")
        .await
        .expect(StatusCode::OK);
    assert_eq!(page["unread"], 1);
}

#[tokio::test]
async fn the_inbox_counts_by_kind_and_says_what_happens_if_nobody_acts() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    let process = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: asking, organization: payments}
spec:
  phases:
    - id: main
      owners: [team:qa]
      activities:
        - {id: sign, uses: approval, with: {approvers: [team:qa], deadline: 2h, onDeadline: reject}}
        - {id: ask, uses: input, with: {fields: [{name: build, type: number}]}}
        - {id: list, uses: tasks, with: {tasks: [{id: look, title: Look}]}}
        - {id: act, uses: command, with: {run: [act]}}
"#;
    manager.apply(process).await.expect(StatusCode::OK);
    test.script.next(
        "main/act",
        Outcome::Failed {
            error: "no disk".to_owned(),
            result: Value::Null,
        },
    );
    let body = json!({"process": "asking", "organization": "payments", "start": true});
    let created = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let id = created["id"].as_str().expect("an id");
    manager.until_activity(id, "main/act", "Failed").await;
    let counts = tester
        .get("/api/v1/inbox/counts")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        counts,
        json!({"approvals": 1, "inputs": 1, "tasks": 1, "decisions": 1, "overdue": 0, "total": 4, "more": false})
    );
    let inbox = tester.get("/api/v1/inbox").await.expect(StatusCode::OK);
    let of = |kind: &str| {
        let items = inbox["items"].as_array().expect("items");
        let found = items.iter().find(|item| item["kind"] == kind);
        found.expect("it is there")["otherwise"].clone()
    };
    assert_eq!(of("approval"), "it counts as rejected");
    assert_eq!(of("resolution"), "it waits for ever");
    let manager_counts = manager
        .get("/api/v1/inbox/counts")
        .await
        .expect(StatusCode::OK);
    assert_eq!(manager_counts["total"], 0, "it is the team that is asked");
}

const CANARY: &str = "c4n4ry-s3cret-of-the-payments-team";

#[tokio::test]
async fn a_secret_is_written_and_never_given_out() {
    let test = TestApp::start().await;
    let (manager, root, tester) = (
        test.manager().await,
        test.administrator().await,
        test.tester().await,
    );
    let address = "/api/v1/secrets/TOKEN?organization=payments";
    let mut said = Vec::new();
    for version in [1, 2] {
        let reply = manager
            .call(
                Method::PUT,
                address,
                &[],
                Some(json!({"value": format!("{CANARY}-{version}")})),
            )
            .await;
        let view = reply.expect(StatusCode::OK);
        assert_eq!(
            (&view["name"], &view["version"]),
            (&json!("TOKEN"), &json!(version))
        );
        said.push(view.to_string());
    }
    let list = manager
        .get("/api/v1/secrets?organization=payments")
        .await
        .expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().expect("items").len(), 1);
    assert_eq!(list["items"][0]["updatedBy"], "user:maria");
    said.push(list.to_string());
    let nothing = manager.get(address).await;
    assert!(
        nothing.status.is_client_error(),
        "there is no way to read a secret"
    );
    said.push(String::from_utf8_lossy(&nothing.text).into_owned());
    for (client, path) in [(&tester, address), (&manager, "/api/v1/secrets/TOKEN")] {
        let refused = client
            .call(Method::PUT, path, &[], Some(json!({"value": CANARY})))
            .await;
        refused.problem("forbidden");
    }
    let bad = manager
        .call(
            Method::PUT,
            "/api/v1/secrets/no%20name?organization=payments",
            &[],
            Some(json!({"value": CANARY})),
        )
        .await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    said.push(String::from_utf8_lossy(&bad.text).into_owned());
    let odd = manager
        .call(Method::PUT, address, &[], Some(json!({"valeu": CANARY})))
        .await;
    said.push(String::from_utf8_lossy(&odd.text).into_owned());

    let events = root
        .get("/api/v1/audit?limit=500")
        .await
        .expect(StatusCode::OK);
    let set: Vec<&Value> = events["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|event| event["type"] == "SecretSet")
        .collect();
    assert_eq!(
        set.len(),
        2,
        "the journal knows which secret was set, and how often"
    );
    said.push(events.to_string());
    for text in &said {
        assert!(!text.contains("c4n4ry"), "{text}");
    }
    for entry in std::fs::read_dir(test.folder()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("c4n4ry"), "{}", path.display());
    }

    manager
        .call(Method::DELETE, address, &[], None)
        .await
        .expect(StatusCode::NO_CONTENT);
    let gone = manager.call(Method::DELETE, address, &[], None).await;
    gone.problem("unknown-secret");
}

#[tokio::test]
async fn the_newest_value_of_the_nearest_place_is_the_one_that_counts() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    for (place, value) in [
        ("", "of the account"),
        ("?organization=payments", "first"),
        ("?organization=payments", "of payments"),
    ] {
        root.call(
            Method::PUT,
            &format!("/api/v1/secrets/KEY{place}"),
            &[],
            Some(json!({ "value": value })),
        )
        .await
        .expect(StatusCode::OK);
    }
    let vault = trainmaster_server::vault::Vault::new(
        test.store.clone(),
        &[7; trainmaster_server::vault::KEY_BYTES],
        &[],
    )
    .expect("a vault");
    let name = |text: &str| Some(text.parse().expect("a name"));
    let read = async |organization: Option<trainmaster_core::ids::Name>| {
        vault
            .read(organization.as_ref(), "KEY")
            .await
            .expect("it opens")
    };
    assert_eq!(read(name("payments")).await.as_deref(), Some("of payments"));
    assert_eq!(read(name("shop")).await.as_deref(), Some("of the account"));
    assert_eq!(read(None).await.as_deref(), Some("of the account"));
    vault.tidy().await.expect("everything opens");
    assert_eq!(read(name("payments")).await.as_deref(), Some("of payments"));
}
