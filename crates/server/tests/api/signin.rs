//! Signing in and out, guessing, sessions, personal tokens, and what other pages can do with a cookie.

use axum::http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_server::{Options, signin};

use crate::support::{Browser, Client, Reply, TestApp};

const PASSWORD: &str = "plum tree behind the house";
const HOME: &str = "198.51.100.7";
const ELSEWHERE: &str = "203.0.113.9";

/// Makes a user who may read everything.
async fn create(root: &Client<'_>, name: &str) {
    let body = json!({"name": name, "displayName": "Ada Lovelace", "email": "ada@example.com", "password": PASSWORD});
    let created = root
        .post("/api/v1/users", body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(created["hasPassword"], true);
    bind(root, name, "viewer").await;
}

async fn bind(root: &Client<'_>, name: &str, role: &str) {
    let yaml = format!(
        "apiVersion: trainmaster.dev/v1\nkind: RoleBinding\nmetadata: {{name: {name}-is-{role}}}\nspec: {{role: {role}, subjects: ['user:{name}']}}\n"
    );
    let applied = root.apply(&yaml).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
}

/// Events of a type in the journal, newest first.
async fn events(root: &Client<'_>, kind: &str) -> Vec<Value> {
    let page = root
        .get(&format!("/api/v1/audit?type={kind}"))
        .await
        .expect(StatusCode::OK);
    page["items"].as_array().expect("items").clone()
}

fn retry_after(reply: &Reply) -> i64 {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{reply:?}");
    reply
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds")
}

#[tokio::test]
async fn a_person_signs_in_with_a_password_and_out_again() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let browser = Browser::new(&test, HOME);
    browser
        .get("/api/v1/session")
        .await
        .problem("unauthenticated");
    let reply = browser.sign_in("ada", PASSWORD).await;
    let cookie = reply.header("set-cookie").expect("a cookie").to_owned();
    for part in ["trainmaster=tm_", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(
        !cookie.contains("Secure"),
        "plain http on the loopback: {cookie}"
    );
    let view = reply.expect(StatusCode::CREATED);
    assert_eq!(
        (&view["user"], &view["kind"], &view["current"]),
        (&json!("ada"), &json!("session"), &json!(true))
    );
    assert!(
        view.get("token").is_none(),
        "a session's token is in the cookie only"
    );

    let second = Browser::new(&test, ELSEWHERE);
    second
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let sessions = browser.get("/api/v1/sessions").await.expect(StatusCode::OK);
    let sessions = sessions["items"].as_array().expect("items").clone();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["lastUsedFrom"], ELSEWHERE);
    assert_eq!(
        (&sessions[1]["lastUsedFrom"], &sessions[1]["current"]),
        (&json!(HOME), &json!(true))
    );
    let other = sessions[0]["id"].as_str().expect("an id");
    let ended = browser
        .call(Method::DELETE, &format!("/api/v1/sessions/{other}"), None)
        .await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    second.get("/api/v1/session").await.problem("invalid-token");

    let token = browser.cookie("trainmaster").expect("a session");
    let out = browser.call(Method::DELETE, "/api/v1/session", None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(browser.cookie("trainmaster"), None);
    browser.set_cookie("trainmaster", &token);
    browser.get("/api/v1/whoami").await.problem("invalid-token");
    let signed_in = events(&root, "SignedIn").await;
    assert_eq!(signed_in.len(), 2);
    assert_eq!(signed_in[0]["by"], "user:ada");
    assert_eq!(events(&root, "TokenRevoked").await[0]["by"], "user:ada");
}

#[tokio::test]
async fn over_https_the_cookie_is_tied_to_the_host_and_over_plain_http_nobody_signs_in() {
    let sign_in = signin::Options {
        public_url: Some("https://trains.example".parse().expect("an address")),
        ..signin::Options::default()
    };
    let test = TestApp::with(Options {
        sign_in,
        ..Options::default()
    })
    .await;
    create(&test.administrator().await, "ada").await;
    let browser = Browser::at(&test, HOME, "trains.example", "https://trains.example");
    let reply = browser.sign_in("ada", PASSWORD).await;
    let cookie = reply.header("set-cookie").expect("a cookie");
    assert!(
        cookie.starts_with("__Host-trainmaster=") && cookie.contains("Secure"),
        "{cookie}"
    );
    browser.get("/api/v1/session").await.expect(StatusCode::OK);
    let plain = Browser::at(&test, HOME, "10.0.0.5:7420", "http://10.0.0.5:7420");
    plain
        .sign_in("ada", PASSWORD)
        .await
        .problem("insecure-connection");
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_answer_alike_and_are_written_down_without_what_was_typed()
 {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    root.post("/api/v1/users", json!({"name": "nobody-yet"}))
        .await
        .expect(StatusCode::CREATED);
    let same = |problem: Value| {
        let mut problem = problem;
        problem
            .as_object_mut()
            .expect("a problem")
            .remove("requestId");
        problem
    };
    let browser = Browser::new(&test, HOME);
    let mut answers = Vec::new();
    for (user, password) in [
        ("ada", "hunter-nine"),
        ("grace", PASSWORD),
        ("nobody-yet", PASSWORD),
        ("not a name\r\n[31m", PASSWORD),
        (PASSWORD, PASSWORD),
    ] {
        answers.push(same(
            browser
                .sign_in(user, password)
                .await
                .problem("sign-in-refused"),
        ));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    assert_eq!(browser.cookie("trainmaster"), None);
    let failed = events(&root, "SignInFailed").await;
    assert_eq!(failed.len(), 5);
    let text = serde_json::to_string(&failed).expect("JSON");
    for secret in [PASSWORD, "hunter-nine", "grace", "[31m"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(
        text.contains("the password is wrong") && text.contains(HOME),
        "{text}"
    );
}

#[tokio::test]
async fn a_fresh_server_has_no_login_that_works() {
    let test = TestApp::start().await;
    let browser = Browser::new(&test, HOME);
    for (user, password) in [
        ("admin", "admin"),
        ("admin", ""),
        ("root", "password"),
        ("", ""),
    ] {
        browser
            .sign_in(user, password)
            .await
            .problem("sign-in-refused");
    }
}

#[tokio::test]
async fn who_keeps_guessing_waits_ever_longer_and_the_person_at_the_usual_place_does_not() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let home = Browser::new(&test, HOME);
    home.sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);

    let guesser = Browser::new(&test, ELSEWHERE);
    let mut waits = Vec::new();
    for guess in 0..14 {
        let reply = guesser.sign_in("ada", &format!("guess {guess}")).await;
        if reply.status == StatusCode::UNAUTHORIZED {
            continue;
        }
        let wait = retry_after(&reply);
        waits.push(wait);
        // Waiting does not count, and then one more try is taken.
        retry_after(&guesser.sign_in("ada", "too early").await);
        test.clock.advance(SignedDuration::from_secs(wait));
        guesser
            .sign_in("ada", "another")
            .await
            .problem("sign-in-refused");
    }
    assert!(
        waits.len() > 5 && waits.is_sorted() && waits[0] < waits[waits.len() - 1],
        "{waits:?}"
    );
    // Another address guesses against the same account: the account's own tally holds there too.
    let third = Browser::new(&test, "192.0.2.3");
    retry_after(&third.sign_in("ada", PASSWORD).await);
    // At the usual place nothing has happened.
    home.sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    // In the end everybody gets another try: nobody is locked out for good.
    test.clock.advance(SignedDuration::from_mins(6));
    third
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn names_that_nobody_has_are_slowed_down_like_accounts_and_push_no_account_out() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let statuses = |name: &'static str, address: &'static str| {
        let browser = Browser::new(&test, address);
        async move {
            let mut statuses = Vec::new();
            for _ in 0..8 {
                statuses.push(browser.sign_in(name, "wrong").await.status.as_u16());
            }
            statuses
        }
    };
    let known = statuses("ada", "192.0.2.1").await;
    let unknown = statuses("grace", "192.0.2.2").await;
    assert_eq!(known, unknown, "the answers do not tell who exists");
    assert!(known.contains(&429), "{known:?}");
    for n in 0..60 {
        let browser = Browser::new(&test, &format!("192.0.2.{}", 100 + n));
        browser.sign_in(&format!("invented-{n}"), "wrong").await;
    }
    let victim = Browser::new(&test, "192.0.2.99")
        .sign_in("ada", "wrong")
        .await;
    retry_after(&victim);
}

#[tokio::test]
async fn sessions_and_their_streams_end_with_sign_out_disabling_and_a_new_password() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    for way in ["sign-out", "password", "disable"] {
        let browser = Browser::new(&test, HOME);
        browser
            .sign_in("ada", PASSWORD)
            .await
            .expect(StatusCode::CREATED);
        let token = browser.cookie("trainmaster").expect("a session");
        let mut stream = browser.stream("/api/v1/events").await;
        match way {
            "sign-out" => {
                let out = browser.call(Method::DELETE, "/api/v1/session", None).await;
                assert_eq!(out.status, StatusCode::NO_CONTENT);
            }
            "password" => {
                let body = json!({"password": PASSWORD});
                let set = root
                    .call(Method::PUT, "/api/v1/users/ada/password", &[], Some(body))
                    .await;
                set.expect(StatusCode::OK);
            }
            _ => {
                let disabled = root.post("/api/v1/users/ada/disable", json!({})).await;
                assert_eq!(disabled.expect(StatusCode::OK)["disabled"], true);
            }
        }
        while stream.next().await.is_some() {}
        browser.set_cookie("trainmaster", &token);
        browser
            .get("/api/v1/session")
            .await
            .problem("invalid-token");
    }
    let browser = Browser::new(&test, HOME);
    browser
        .sign_in("ada", PASSWORD)
        .await
        .problem("sign-in-refused");
    root.post("/api/v1/users/ada/enable", json!({}))
        .await
        .expect(StatusCode::OK);
    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_session_ends_unused_and_in_the_end_used_too_and_so_do_its_streams() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let browser = Browser::new(&test, HOME);
    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    for _ in 0..3 {
        test.clock.advance(SignedDuration::from_hours(7));
        browser.get("/api/v1/session").await.expect(StatusCode::OK);
    }
    let mut stream = browser.stream("/api/v1/events").await;
    test.clock.advance(SignedDuration::from_hours(3));
    assert_eq!(
        stream.next().await,
        None,
        "after 24 hours it ends although it is used"
    );
    browser
        .get("/api/v1/session")
        .await
        .problem("invalid-token");

    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let mut stream = browser.stream("/api/v1/events").await;
    test.clock.advance(SignedDuration::from_hours(8));
    assert_eq!(
        stream.next().await,
        None,
        "after 8 hours without a request it ends"
    );
    let problem = browser
        .get("/api/v1/session")
        .await
        .problem("invalid-token");
    assert!(
        problem["detail"]
            .as_str()
            .expect("text")
            .contains("not used"),
        "{problem}"
    );
}

#[tokio::test]
async fn with_a_cookie_only_a_page_of_this_server_changes_anything() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    bind(&root, "ada", "administrator").await;
    let browser = Browser::new(&test, HOME);
    let cross = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let body = json!({"user": "ada", "password": PASSWORD});
    browser
        .send(Method::POST, "/api/v1/session", &cross, Some(body))
        .await
        .problem("cross-origin");
    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let user = || Some(json!({"name": "grace"}));
    for headers in [
        &[][..],
        &cross,
        &[("origin", "null")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://localhost:7421")],
    ] {
        let reply = browser
            .send(Method::POST, "/api/v1/users", headers, user())
            .await;
        reply.problem("cross-origin");
    }
    let form = [
        ("origin", "http://localhost:7420"),
        ("content-type", "text/plain"),
        ("content-length", "16"),
    ];
    let mut request = browser.request(Method::POST, "/api/v1/users", &form, None);
    *request.body_mut() = r#"{"name":"grace"}"#.into();
    test.stranger()
        .send(request)
        .await
        .problem("unsupported-media-type");
    assert_eq!(
        root.get("/api/v1/users/grace").await.status,
        StatusCode::NOT_FOUND
    );
    browser
        .call(Method::POST, "/api/v1/users", user())
        .await
        .expect(StatusCode::CREATED);
    // No other origin is ever told that it may read an answer.
    let preflight = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
    ];
    let reply = browser
        .send(Method::OPTIONS, "/api/v1/users", &preflight, None)
        .await;
    assert!(
        reply
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn reading_changes_nothing_whatever_the_address() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    let description = root
        .get("/api/v1/openapi.json")
        .await
        .expect(StatusCode::OK);
    let before = test.engine.position();
    for (path, item) in description["paths"].as_object().expect("paths") {
        if item.get("get").is_none() || path == "/api/v1/events" {
            continue;
        }
        let address = path.replace("{id}", "rel-00000001").replace(['{', '}'], "");
        root.get(&address).await;
        test.stranger().get(&address).await;
    }
    assert_eq!(test.engine.position(), before);
}

#[tokio::test]
async fn the_server_answers_under_its_own_names_only() {
    let sign_in = signin::Options {
        allowed_hosts: Some(vec!["trains.example".to_owned()]),
        ..signin::Options::default()
    };
    let test = TestApp::with(Options {
        sign_in,
        ..Options::default()
    })
    .await;
    let get = async |host: &str, path: &str| {
        test.stranger()
            .call(Method::GET, path, &[("host", host)], None)
            .await
    };
    get("rebound.example", "/api/v1/session")
        .await
        .problem("unknown-host");
    assert_eq!(
        get("rebound.example", "/").await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    for host in [
        "trains.example",
        "localhost:7420",
        "127.0.0.1:7420",
        "[::1]:7420",
    ] {
        get(host, "/api/v1/session")
            .await
            .problem("unauthenticated");
    }
    assert_eq!(
        get("10.1.2.3:7420", "/healthz/live").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn only_a_listed_proxy_says_where_a_caller_comes_from() {
    let sign_in = signin::Options {
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        ..signin::Options::default()
    };
    let test = TestApp::with(Options {
        sign_in,
        ..Options::default()
    })
    .await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let from = async |peer: &str| {
        let browser = Browser::new(&test, peer);
        let forwarded = [("x-forwarded-for", "1.2.3.4, 203.0.113.50")];
        let body = json!({"user": "ada", "password": PASSWORD});
        let reply = browser
            .send(Method::POST, "/api/v1/session", &forwarded, Some(body))
            .await;
        reply.expect(StatusCode::CREATED);
        let sessions = browser.get("/api/v1/session").await.expect(StatusCode::OK);
        let signed_in = events(&root, "SignedIn").await;
        (sessions["user"].clone(), signed_in[0].to_string())
    };
    let (_, through_proxy) = from("10.1.1.1").await;
    assert!(through_proxy.contains("203.0.113.50"), "{through_proxy}");
    let (_, directly) = from("198.51.100.7").await;
    assert!(
        directly.contains("198.51.100.7") && !directly.contains("203.0.113.50"),
        "{directly}"
    );
}

#[tokio::test]
async fn a_weak_password_is_refused_and_ones_own_needs_the_one_before() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    for weak in [
        "short",
        "password123",
        "trainmaster",
        "ada-ada-",
        "12345678",
    ] {
        let body = json!({"name": "grace", "password": weak});
        let reply = root.post("/api/v1/users", body).await;
        assert!(
            weak == "ada-ada-" || reply.status == StatusCode::UNPROCESSABLE_ENTITY,
            "{weak}"
        );
        if weak != "ada-ada-" {
            reply.problem("weak-password");
        }
    }
    let browser = Browser::new(&test, HOME);
    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let old = browser.cookie("trainmaster").expect("a session");
    let put = async |body: Value| {
        browser
            .call(Method::PUT, "/api/v1/users/ada/password", Some(body))
            .await
    };
    put(json!({"password": "quince and medlar"}))
        .await
        .problem("invalid-body");
    put(json!({"password": "quince and medlar", "current": "wrong"}))
        .await
        .problem("sign-in-refused");
    put(json!({"password": "plum tree", "current": PASSWORD}))
        .await
        .expect(StatusCode::OK);
    // Who changed it stays signed in, with a new session; the old one is gone.
    browser.get("/api/v1/session").await.expect(StatusCode::OK);
    let thief = Browser::new(&test, ELSEWHERE);
    thief.set_cookie("trainmaster", &old);
    thief.get("/api/v1/session").await.problem("invalid-token");
    let again = Browser::new(&test, HOME);
    again
        .sign_in("ada", PASSWORD)
        .await
        .problem("sign-in-refused");
    again
        .sign_in("ada", "plum tree")
        .await
        .expect(StatusCode::CREATED);
    // Somebody else's password is a matter for whoever manages users.
    let eve = test.client("eve", &[], &[Role::Operator], None).await;
    let body = json!({"password": "quince and medlar"});
    let reply = eve
        .call(Method::PUT, "/api/v1/users/ada/password", &[], Some(body))
        .await;
    reply.problem("unknown-user");
}

#[tokio::test]
async fn a_personal_token_may_what_its_person_may_at_the_moment_and_no_more_than_its_scope() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    bind(&root, "ada", "administrator").await;
    let stranger = test.stranger();
    let body = json!({
        "user": "ada", "password": PASSWORD,
        "token": {"expiresAt": "2026-12-21T12:00:00Z", "description": "laptop"},
    });
    let issued = stranger.post("/api/v1/session", body).await;
    assert!(issued.header("set-cookie").is_none());
    let issued = issued.expect(StatusCode::CREATED);
    assert_eq!(issued["kind"], "personal");
    let ada = test.bearer(issued["token"].as_str().expect("a token"));
    ada.get("/api/v1/users").await.expect(StatusCode::OK);

    let narrow = json!({"expiresAt": "2026-12-21T12:00:00Z", "permissions": ["release:read"]});
    let narrow = ada
        .post("/api/v1/personal-tokens", narrow)
        .await
        .expect(StatusCode::CREATED);
    let reader = test.bearer(narrow["token"].as_str().expect("a token"));
    reader.get("/api/v1/releases").await.expect(StatusCode::OK);
    reader.get("/api/v1/users").await.problem("forbidden");
    let wider = json!({"expiresAt": "2026-12-21T12:00:00Z"});
    let wider = reader.post("/api/v1/personal-tokens", wider).await;
    assert!(
        wider.status.is_client_error(),
        "a narrow token makes no wide one: {wider:?}"
    );

    let listed = ada
        .get("/api/v1/personal-tokens")
        .await
        .expect(StatusCode::OK);
    let items = listed["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    assert!(
        items
            .iter()
            .all(|item| item["lastUsedAt"].is_string() && item.get("token").is_none())
    );

    let gone = root
        .call(
            Method::DELETE,
            "/api/v1/resources/role-bindings/ada-is-administrator",
            &[],
            None,
        )
        .await;
    if gone.status == StatusCode::NOT_FOUND {
        let gone = root
            .call(
                Method::DELETE,
                "/api/v1/role-bindings/ada-is-administrator",
                &[],
                None,
            )
            .await;
        assert!(gone.status.is_success(), "{gone:?}");
    }
    ada.get("/api/v1/users").await.problem("forbidden");

    let id = narrow["id"].as_str().expect("an id");
    let ended = ada
        .call(
            Method::DELETE,
            &format!("/api/v1/personal-tokens/{id}"),
            &[],
            None,
        )
        .await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    reader
        .get("/api/v1/releases")
        .await
        .problem("invalid-token");
    let own = issued["id"].as_str().expect("an id");
    let foreign = root
        .call(
            Method::DELETE,
            &format!("/api/v1/personal-tokens/{own}"),
            &[],
            None,
        )
        .await;
    foreign.problem("unknown-token");
    test.clock.advance(SignedDuration::from_hours(24 * 31));
    ada.get("/api/v1/whoami").await.problem("invalid-token");
}

#[tokio::test]
async fn a_session_is_no_bearer_token_and_a_token_no_session() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let browser = Browser::new(&test, HOME);
    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let session = browser.cookie("trainmaster").expect("a session");
    test.bearer(&session)
        .get("/api/v1/whoami")
        .await
        .problem("invalid-token");
    let other = Browser::new(&test, HOME);
    other.set_cookie("trainmaster", root.token());
    other.get("/api/v1/whoami").await.problem("invalid-token");
}

#[tokio::test]
async fn of_many_sessions_the_oldest_end_and_what_ended_is_forgotten() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let first = Browser::new(&test, HOME);
    first
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    for _ in 0..32 {
        test.clock.advance(SignedDuration::from_secs(2));
        let browser = Browser::new(&test, HOME);
        browser
            .sign_in("ada", PASSWORD)
            .await
            .expect(StatusCode::CREATED);
    }
    first.get("/api/v1/session").await.problem("invalid-token");
    let last = Browser::new(&test, HOME);
    last.sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let sessions = last.get("/api/v1/sessions").await.expect(StatusCode::OK);
    assert_eq!(sessions["items"].as_array().expect("items").len(), 20);
    assert!(!events(&root, "TokensForgotten").await.is_empty());
}

#[tokio::test]
async fn two_hundred_who_sign_in_at_once_do_not_keep_others_waiting() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let everybody = (0..200).map(|n| {
        let browser = Browser::new(&test, &format!("192.0.2.{}", n % 250));
        async move {
            browser
                .sign_in(&format!("somebody-{n}"), "wrong")
                .await
                .status
                .as_u16()
        }
    });
    let others = async {
        for _ in 0..5 {
            let asked = tokio::time::timeout(
                std::time::Duration::from_secs(5),
                root.get("/api/v1/whoami"),
            );
            asked
                .await
                .expect("others are answered")
                .expect(StatusCode::OK);
        }
    };
    let (statuses, ()) = futures::join!(futures::future::join_all(everybody), others);
    assert!(
        statuses
            .iter()
            .all(|status| [401, 429, 503].contains(status)),
        "{statuses:?}"
    );
    assert!(
        statuses.contains(&503),
        "what cannot wait is refused at once"
    );
}

#[tokio::test]
async fn users_are_made_changed_and_shown_to_whoever_manages_them_and_to_themselves() {
    let test = TestApp::start().await;
    let root = test.administrator().await;
    create(&root, "ada").await;
    let again = root
        .post(
            "/api/v1/users",
            json!({"name": "ada", "password": PASSWORD}),
        )
        .await;
    assert!(again.status.is_client_error());
    let browser = Browser::new(&test, HOME);
    browser
        .sign_in("ada", PASSWORD)
        .await
        .expect(StatusCode::CREATED);
    let own = browser
        .get("/api/v1/users/ada")
        .await
        .expect(StatusCode::OK);
    assert_eq!(own["displayName"], "Ada Lovelace");
    assert!(!own.to_string().contains("argon2"));
    browser.get("/api/v1/users").await.problem("forbidden");
    browser
        .get("/api/v1/users/root")
        .await
        .problem("unknown-user");
    let body = Some(json!({"displayName": "Countess of Lovelace"}));
    let changed = browser
        .call(Method::PATCH, "/api/v1/users/ada", body)
        .await
        .expect(StatusCode::OK);
    assert_eq!(changed["displayName"], "Countess of Lovelace");
    let refused = browser
        .call(Method::POST, "/api/v1/users/ada/disable", Some(json!({})))
        .await;
    refused.problem("forbidden");
    for name in ["bob", "carl", "dora"] {
        root.post("/api/v1/users", json!({"name": name}))
            .await
            .expect(StatusCode::CREATED);
    }
    let first = root
        .get("/api/v1/users?limit=3")
        .await
        .expect(StatusCode::OK);
    let next = first["next"].as_str().expect("a cursor");
    let second = root
        .get(&format!("/api/v1/users?limit=3&cursor={next}"))
        .await
        .expect(StatusCode::OK);
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items
            .map(|user| user["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&first), ["ada", "bob", "carl"]);
    assert_eq!(names(&second), ["dora"]);
}
