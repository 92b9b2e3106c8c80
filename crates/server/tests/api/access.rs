//! Who gets in, who sees what, and what never shows.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_server::{Options, Token};

use crate::support::{Client, TRAIN, TestApp, at};

/// What answers without a token; a new address on this list is a decision.
const PUBLIC: [&str; 9] = [
    "/",
    "/api/v1/calendar.ics",
    "/api/v1/callbacks/{token}",
    "/api/v1/oidc/callback",
    "/api/v1/oidc/login",
    "/api/v1/oidc/providers",
    "/api/v1/session",
    "/healthz/live",
    "/healthz/ready",
];

async fn description(client: &Client<'_>) -> Value {
    client
        .get("/api/v1/openapi.json")
        .await
        .expect(StatusCode::OK)
}

/// Every operation of the description, with harmless values for what is in braces.
async fn operations(client: &Client<'_>) -> Vec<(String, String, String)> {
    let description = description(client).await;
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            let mut address = path.clone();
            for (name, value) in [
                ("{id}", "rel-00000001"),
                ("{kind}", "processes"),
                ("{name}", "train"),
                ("{revision}", "1"),
                ("{phase}", "build"),
                ("{activity}", "compile"),
                ("{task}", "tell"),
                ("{item}", "docs"),
                ("{token}", "cb_x.y"),
            ] {
                address = address.replace(name, value);
            }
            operations.push((method.clone(), path.clone(), address));
        }
    }
    operations
}

#[tokio::test]
async fn without_a_token_exactly_the_public_list_answers() {
    let test = TestApp::start().await;
    let (root, stranger) = (test.administrator().await, test.stranger());
    let operations = operations(&root).await;
    assert!(operations.len() > 50, "{}", operations.len());
    let mut open = Vec::new();
    for (method, path, address) in &operations {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let reply = stranger.call(method, address, &[], None).await;
        let is_refused = reply.status == StatusCode::UNAUTHORIZED
            && String::from_utf8_lossy(&reply.text).contains("\"unauthenticated\"");
        if !is_refused {
            open.push((path.as_str(), reply.status));
        }
    }
    let answered: Vec<&str> = open.iter().map(|(path, _)| *path).collect();
    assert_eq!(answered, PUBLIC, "{open:?}");
    // What does not exist says no more than what does.
    let nowhere = stranger.get("/api/v1/nowhere/at/all").await;
    assert_eq!(nowhere.status, StatusCode::UNAUTHORIZED);
    nowhere.problem("unauthenticated");
    root.get("/api/v1/nowhere/at/all")
        .await
        .problem("not-found");
    root.call(Method::PUT, "/api/v1/whoami", &[], None)
        .await
        .problem("method-not-allowed");
}

#[tokio::test]
async fn metrics_and_description_are_open_only_where_the_installation_says_so() {
    let options = Options {
        public_metrics: true,
        public_openapi: true,
        ..Options::default()
    };
    let test = TestApp::with(options).await;
    let stranger = test.stranger();
    for path in [
        "/metrics",
        "/api/v1/openapi.json",
        "/api/docs",
        "/api/docs.css",
    ] {
        assert_eq!(stranger.get(path).await.status, StatusCode::OK, "{path}");
    }
    let page = stranger.get("/api/docs").await;
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let metrics = String::from_utf8(stranger.get("/metrics").await.text.to_vec()).expect("UTF-8");
    for line in [
        "trainmaster_releases{status=\"Running\"} 0",
        "trainmaster_build_info{version=",
        "route=\"/api/docs\"",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn a_token_that_is_mistyped_unknown_revoked_or_expired_lets_nobody_in() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let whoami = root.get("/api/v1/whoami").await.expect(StatusCode::OK);
    assert_eq!(whoami["token"]["user"], "root");
    assert!(
        whoami["permissions"]
            .as_array()
            .expect("permissions")
            .contains(&json!("token:manage"))
    );
    test.bearer("tm_mistyped")
        .get("/api/v1/whoami")
        .await
        .problem("unauthenticated");
    let unknown = Token::generate().expect("randomness");
    test.bearer(unknown.reveal())
        .get("/api/v1/whoami")
        .await
        .problem("invalid-token");
    let basic = [("authorization", "Basic cm9vdDo=")];
    let reply = test
        .stranger()
        .call(Method::GET, "/api/v1/whoami", &basic, None)
        .await;
    assert_eq!(
        reply.header("www-authenticate"),
        Some("Bearer realm=\"trainmaster\"")
    );
    reply.problem("unauthenticated");

    let body = json!({"user": "ada", "roles": ["viewer"], "expiresAt": "2026-12-01T00:00:00Z", "description": "laptop"});
    let issued = root
        .post("/api/v1/tokens", body)
        .await
        .expect(StatusCode::CREATED);
    let ada = test.bearer(issued["token"].as_str().expect("a token"));
    assert_eq!(ada.get("/api/v1/whoami").await.status, StatusCode::OK);
    ada.get("/api/v1/tokens").await.problem("forbidden");
    let id = issued["id"].as_str().expect("an id");
    assert_eq!(
        root.call(Method::DELETE, &format!("/api/v1/tokens/{id}"), &[], None)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    ada.get("/api/v1/whoami").await.problem("invalid-token");
    root.call(Method::DELETE, "/api/v1/tokens/tok-9999", &[], None)
        .await
        .problem("unknown-token");

    let manager = test.manager().await;
    test.clock.set(at("2027-01-01T00:00:00Z"));
    manager.get("/api/v1/whoami").await.problem("invalid-token");
}

#[tokio::test]
async fn a_token_is_shown_once_even_to_a_repetition_of_its_request() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let create = || async {
        let body = json!({"user": "ada", "roles": ["viewer"], "expiresAt": "2026-12-01T00:00:00Z"});
        root.call(
            Method::POST,
            "/api/v1/tokens",
            &[("idempotency-key", "t")],
            Some(body),
        )
        .await
    };
    let first = create().await.expect(StatusCode::CREATED);
    let second = create().await.expect(StatusCode::CREATED);
    let token = first["token"].as_str().expect("a token");
    assert_eq!(second.get("token"), None);
    assert_eq!(second["id"], first["id"]);
    assert!(Token::parse(token).is_some());
    // Neither the token nor its digest is in anything that can be read afterwards.
    let digest = Token::parse(token).expect("a token").digest();
    let mut addresses: Vec<String> = operations(&root)
        .await
        .into_iter()
        .filter(|(method, ..)| method == "get")
        .map(|(_, _, address)| address)
        .filter(|address| address != "/api/v1/events")
        .collect();
    addresses.push("/api/v1/audit?limit=500".to_owned());
    for address in addresses {
        let text = String::from_utf8(root.get(&address).await.text.to_vec()).expect("UTF-8");
        assert!(!text.contains(&token[3..]), "{address} shows the token");
        assert!(
            !text.contains(&root.token()[3..]),
            "{address} shows the token"
        );
        // The export is the journal itself; what it holds is a digest of 256 random bits.
        assert!(
            address == "/api/v1/audit/export" || !text.contains(&digest),
            "{address} shows the digest"
        );
    }
}

#[tokio::test]
async fn what_belongs_to_another_organization_answers_like_what_does_not_exist() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let id = manager.start_train().await;
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    let foreign = test
        .client("eve", &["qa"], &[Role::Administrator], Some("lending"))
        .await;
    let absent = "rel-00000099";
    let mut compared = 0;
    for (method, path, address) in operations(&test.administrator().await).await {
        if !path.contains("/releases/{id}") {
            continue;
        }
        let body = if method == "get" || method == "delete" {
            None
        } else {
            Some(body_for(&path))
        };
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let reply = |release: &str| {
            let (foreign, method, body, release) =
                (&foreign, method.clone(), body.clone(), release.to_owned());
            let address = address
                .replace("rel-00000001", &release)
                .replace("build/compile", "sign-off/qa");
            let address = match (method.as_str(), address.ends_with("/links")) {
                ("DELETE", true) => format!("{address}?url=https://tickets.example/1"),
                _ => address,
            };
            async move {
                let reply = foreign
                    .call(method, &address, &[("x-request-id", "same")], body)
                    .await;
                let text = String::from_utf8(reply.text.to_vec())
                    .expect("UTF-8")
                    .replace(&release, "ID");
                (reply.status, text, reply.headers.len())
            }
        };
        let hidden = reply(&id).await;
        assert_eq!(hidden, reply(absent).await, "{path}");
        assert_eq!(hidden.0, StatusCode::NOT_FOUND, "{path}");
        compared += 1;
    }
    assert!(compared > 25, "{compared}");
    for (one, other) in [
        (
            "/api/v1/processes/train?organization=payments",
            "/api/v1/processes/none?organization=payments",
        ),
        (
            "/api/v1/processes/train/export?organization=payments",
            "/api/v1/processes/none/export?organization=payments",
        ),
        (
            "/api/v1/processes/train/revisions?organization=payments",
            "/api/v1/processes/none/revisions?organization=payments",
        ),
        (
            "/api/v1/processes/train/revisions/1?organization=payments",
            "/api/v1/processes/none/revisions/1?organization=payments",
        ),
    ] {
        let text = |reply: crate::support::Reply, name: &str| {
            let text = String::from_utf8(reply.text.to_vec())
                .expect("UTF-8")
                .replace(name, "NAME");
            let mut problem: Value = serde_json::from_str(&text).expect("JSON");
            problem["requestId"] = Value::Null;
            problem["type"] = Value::Null;
            problem
        };
        let hidden = text(foreign.get(one).await, "train");
        assert_eq!(hidden, text(foreign.get(other).await, "none"));
        assert_eq!(hidden["code"], "unknown-resource");
    }
    for list in [
        "/api/v1/releases",
        "/api/v1/processes",
        "/api/v1/inbox",
        "/api/v1/notifications",
        "/api/v1/releases?organization=payments",
    ] {
        let page = foreign.get(list).await.expect(StatusCode::OK);
        assert_eq!(page["items"], json!([]), "{list}");
    }
    let audit = foreign
        .get("/api/v1/audit?limit=500")
        .await
        .expect(StatusCode::OK)
        .to_string();
    assert!(
        !audit.contains("1.4.0") && !audit.contains("payments"),
        "{audit}"
    );
    foreign
        .get("/api/v1/audit/export")
        .await
        .problem("forbidden");
    foreign.apply(TRAIN).await.problem("forbidden");
}

fn body_for(path: &str) -> Value {
    match path.rsplit('/').next().unwrap_or_default() {
        "notes" => json!({"text": "x"}),
        "{task}" => json!({"status": "DONE"}),
        "links" => json!({"url": "https://tickets.example/1"}),
        "readiness" => json!({"item": "docs"}),
        "items" => json!({"id": "docs"}),
        "reviews" => json!({"approved": true}),
        "override-freeze" => {
            json!({"freeze": "winter", "reason": "x", "expiresAt": "2026-12-01T00:00:00Z"})
        }
        "revoke-override" => json!({"freeze": "winter", "reason": "x"}),
        "retry" | "ignore" | "fail" | "cancel" | "pause" | "abort" | "unquarantine" => {
            json!({"reason": "x"})
        }
        _ => json!({}),
    }
}

#[tokio::test]
async fn a_role_that_may_not_is_told_what_it_lacks() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body =
        json!({"process": "train", "organization": "payments", "inputs": {"version": "1.4.0"}});
    let problem = tester
        .post("/api/v1/releases", body)
        .await
        .problem("forbidden");
    assert!(
        problem["detail"]
            .as_str()
            .expect("words")
            .contains("release:edit"),
        "{problem}"
    );
    let id = manager.start_train().await;
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    let address = format!("/api/v1/releases/{id}/activities/sign-off/qa/approve");
    manager.post(&address, json!({})).await.problem("not-yours");
    tester
        .post(&address, json!({"digest": "another"}))
        .await
        .problem("stale-digest");
    tester
        .post(
            &format!("/api/v1/releases/{id}/abort"),
            json!({"reason": "x"}),
        )
        .await
        .problem("forbidden");
    tester.get("/api/v1/audit").await.problem("forbidden");
    tester
        .post(
            &format!("/api/v1/releases/{id}/activities/sign-off/none/approve"),
            json!({}),
        )
        .await
        .problem("unknown-activity");
    tester
        .get(&format!("/api/v1/releases/{id}/activities/Sign/Off"))
        .await
        .problem("unknown-activity");
    tester
        .get("/api/v1/releases/rel-x")
        .await
        .problem("unknown-release");
}

#[tokio::test]
async fn nobody_hands_out_more_than_they_hold() {
    let test = TestApp::start().await;
    let local = test
        .client("lena", &[], &[Role::Administrator], Some("lending"))
        .await;
    let body = |organization: Value| json!({"user": "ada", "roles": ["administrator"], "organization": organization, "expiresAt": "2026-12-01T00:00:00Z"});
    local
        .post("/api/v1/tokens", body(json!("lending")))
        .await
        .expect(StatusCode::CREATED);
    local
        .post("/api/v1/tokens", body(json!(null)))
        .await
        .problem("forbidden");
    local
        .post("/api/v1/tokens", body(json!("payments")))
        .await
        .problem("forbidden");
    let listed = local.get("/api/v1/tokens").await.expect(StatusCode::OK);
    let organizations = listed["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|token| &token["organization"]);
    assert!(
        organizations.clone().count() == 2 && organizations.clone().all(|name| name == "lending"),
        "{listed}"
    );
    let first = test
        .administrator()
        .await
        .get("/api/v1/whoami")
        .await
        .expect(StatusCode::OK);
    let id = first["token"]["id"].as_str().expect("an id").to_owned();
    local
        .call(Method::DELETE, &format!("/api/v1/tokens/{id}"), &[], None)
        .await
        .problem("unknown-token");
}

/// Everything that somebody of `payments` can read, with ids and positions taken out.
async fn seen_by_payments(with_others: bool) -> Vec<String> {
    let test = TestApp::start().await;
    if with_others {
        let foreign = test
            .client("eve", &["qa"], &[Role::Administrator], Some("lending"))
            .await;
        foreign
            .apply(&TRAIN.replace("organization: payments", "organization: lending"))
            .await
            .expect(StatusCode::OK);
        let body = json!({"process": "train", "organization": "lending", "inputs": {"version": "6.6.6"}, "start": true});
        let created = foreign
            .post("/api/v1/releases", body)
            .await
            .expect(StatusCode::CREATED);
        foreign
            .until_activity(
                created["id"].as_str().expect("an id"),
                "sign-off/qa",
                "OnHold",
            )
            .await;
    }
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = json!({"process": "train", "organization": "payments", "name": "Week 47", "inputs": {"version": "1.4.0"}, "start": true});
    let created = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let id = created["id"].as_str().expect("an id").to_owned();
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    let mut texts = Vec::new();
    for address in readable(&test.administrator().await).await {
        let address = address.replace("ID", &id);
        for client in [&manager, &tester] {
            let reply = client
                .call(Method::GET, &address, &[("x-request-id", "same")], None)
                .await;
            let text = String::from_utf8(reply.text.to_vec()).expect("UTF-8");
            let view = match serde_json::from_str::<Value>(&text) {
                Ok(mut view) => {
                    forget_numbers(&mut view);
                    view.to_string()
                }
                Err(_) => text,
            };
            texts.push(
                format!("{address} {} {view}", reply.status)
                    .replace(&id, "ID")
                    .replace(&id[4..], "ID"),
            );
        }
    }
    texts
}

/// Every address that can be read: all operations of the description, and some that ask for what is not theirs.
async fn readable(client: &Client<'_>) -> Vec<String> {
    let skipped = [
        // One's own token and its number, and what never ends.
        "/api/v1/whoami",
        "/api/v1/events",
        "/api/v1/session",
        "/api/v1/sessions",
        "/api/v1/personal-tokens",
        "/metrics",
        "/api/v1/oidc/login",
        "/api/v1/oidc/callback",
        // Records of the journal, whose numbers and hashes everybody's changes make.
        "/api/v1/audit",
        "/api/v1/audit/export",
        "/api/v1/audit/verify",
        "/api/v1/audit/key",
        "/api/v1/audit/checkpoints",
        "/api/v1/audit/records/{position}",
    ];
    let mut addresses: Vec<String> = operations(client)
        .await
        .into_iter()
        .filter(|(method, path, _)| method == "get" && !skipped.contains(&path.as_str()))
        .map(|(_, path, address)| {
            let address = address
                .replace("rel-00000001", "ID")
                .replace("build/compile", "sign-off/qa");
            match path.starts_with("/api/v1/{kind}/{name}") {
                true => format!("{address}?organization=payments"),
                false => address,
            }
        })
        .collect();
    assert!(addresses.len() > 25, "{addresses:?}");
    let more = [
        "/api/v1/releases?limit=500",
        "/api/v1/releases/ID/events?limit=500",
        "/api/v1/releases?organization=lending",
        "/api/v1/processes/train?organization=lending",
        "/api/v1/teams?limit=500",
        "/api/v1/role-bindings?limit=500",
        "/api/v1/releases/rel-00000099",
    ];
    addresses.extend(more.map(str::to_owned));
    addresses
}

/// Ids and positions are given out in one order for all; what counts is that nothing else differs.
fn forget_numbers(view: &mut Value) {
    match view {
        Value::Object(fields) => {
            for name in [
                "asOf", "position", "next", "key", "digest", "slug", "name", "hash", "previous",
            ] {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget_numbers);
        }
        Value::Array(elements) => elements.iter_mut().for_each(forget_numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

#[tokio::test]
async fn an_organization_sees_the_same_whether_or_not_others_are_there() {
    let (alone, among_others) = (seen_by_payments(false).await, seen_by_payments(true).await);
    assert_eq!(alone.len(), among_others.len());
    for (one, other) in alone.iter().zip(&among_others) {
        assert_eq!(one, other);
    }
}
