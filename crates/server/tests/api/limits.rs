//! What is refused before it costs anything, and what every answer carries.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use futures::StreamExt;
use serde_json::json;
use trainmaster_server::{BODY_MAX, Options};

use crate::support::{TRAIN, TestApp};

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_after_reading_no_more_than_the_limit() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let announced = Request::builder()
        .method("POST")
        .uri("/api/v1/apply")
        .header("content-length", BODY_MAX + 1);
    manager
        .send(announced.body(Body::empty()).expect("a request"))
        .await
        .problem("payload-too-large");
    let piece = Bytes::from(vec![b' '; 64 << 10]);
    let given = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = given.clone();
    let endless = futures::stream::repeat_with(move || {
        counted.fetch_add(piece.len(), std::sync::atomic::Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece.clone())
    });
    let streamed = Request::builder()
        .method("POST")
        .uri("/api/v1/apply")
        .body(Body::from_stream(endless.boxed()));
    manager
        .send(streamed.expect("a request"))
        .await
        .problem("payload-too-large");
    let read = given.load(std::sync::atomic::Ordering::Relaxed);
    assert!(read <= BODY_MAX + (128 << 10), "{read} bytes were read");
}

#[tokio::test]
async fn hostile_documents_are_refused_and_others_are_served_meanwhile() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let bomb: String = (1..10).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let aliases = vec![format!("*a{}", level - 1); 12].join(", ");
        format!("{text}a{level}: &a{level} [{aliases}]\n")
    });
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let twice = "apiVersion: trainmaster.dev/v1\nkind: Process\nkind: Process\n";
    for text in [bomb.as_str(), &deep, twice, "\u{0}", "%%%", ""] {
        let reply = manager.apply(text).await;
        assert!(reply.status.is_client_error(), "{:?}", reply.status);
        assert!(manager.get("/healthz/live").await.status.is_success());
    }
    let json = format!("{{\"inputs\": {{\"list\": {deep}}}}}");
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/releases")
        .header("content-type", "application/json");
    manager
        .send(request.body(Body::from(json)).expect("a request"))
        .await
        .problem("malformed-json");
}

#[tokio::test]
async fn a_body_of_another_type_is_not_read() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    for (path, media) in [
        ("/api/v1/releases", "text/plain"),
        ("/api/v1/apply", "application/xml"),
        ("/api/v1/releases", "application/x-www-form-urlencoded"),
    ] {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", media);
        let reply = manager
            .send(request.body(Body::from("{}")).expect("a request"))
            .await;
        reply.problem("unsupported-media-type");
    }
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/releases")
        .header("content-type", "application/json");
    manager
        .send(request.body(Body::from("{\"process\"")).expect("a request"))
        .await
        .problem("malformed-json");
    manager
        .post("/api/v1/releases", json!({"process": "Not A Name"}))
        .await
        .problem("invalid-body");
    manager
        .post(
            "/api/v1/releases",
            json!({"process": "none", "organization": "payments"}),
        )
        .await
        .problem("unknown-resource");
}

#[tokio::test]
async fn long_addresses_and_large_headers_are_refused() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager
        .get(&format!("/api/v1/releases?search={}", "x".repeat(9_000)))
        .await
        .problem("uri-too-long");
    let large = "x".repeat(40_000);
    manager
        .call(Method::GET, "/api/v1/whoami", &[("x-large", &large)], None)
        .await
        .problem("headers-too-large");
}

#[tokio::test]
async fn a_noisy_token_waits_while_others_are_served() {
    let options = Options {
        rate_per_second: 1,
        rate_burst: 3,
        ..Options::default()
    };
    let test = TestApp::with(options).await;
    let (noisy, quiet) = (test.manager().await, test.tester().await);
    for _ in 0..3 {
        noisy.get("/api/v1/whoami").await.expect(StatusCode::OK);
    }
    let refused = noisy.get("/api/v1/whoami").await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    refused.problem("too-many-requests");
    quiet.get("/api/v1/whoami").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn what_comes_while_everything_is_taken_is_refused_and_what_takes_too_long_ends() {
    let test = TestApp::with(Options {
        in_flight_max: 0,
        ..Options::default()
    })
    .await;
    let refused = test.manager().await.get("/api/v1/whoami").await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.problem("busy");
    let test = TestApp::with(Options {
        timeout: Duration::from_millis(50),
        ..Options::default()
    })
    .await;
    let silent = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/apply")
        .body(Body::from_stream(silent));
    test.manager()
        .await
        .send(request.expect("a request"))
        .await
        .problem("timeout");
    let test = TestApp::with(Options {
        streams_max: 0,
        ..Options::default()
    })
    .await;
    test.manager()
        .await
        .get("/api/v1/events")
        .await
        .problem("busy");
}

#[tokio::test]
async fn every_answer_names_its_request_and_carries_the_security_headers() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    for path in [
        "/",
        "/healthz/live",
        "/api/v1/whoami",
        "/api/v1/nowhere",
        "/api/docs",
        "/metrics",
    ] {
        let reply = manager
            .call(Method::GET, path, &[("x-request-id", "mine-1")], None)
            .await;
        assert_eq!(reply.header("x-request-id"), Some("mine-1"), "{path}");
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    let reply = manager
        .call(
            Method::GET,
            "/api/v1/whoami",
            &[("x-request-id", "not harmless\t")],
            None,
        )
        .await;
    assert_eq!(
        reply.header("x-request-id").map(str::len),
        Some(36),
        "a new one is made"
    );
}

#[tokio::test]
async fn a_stopped_engine_is_not_ready_and_says_so_without_details() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    test.stranger()
        .get("/healthz/ready")
        .await
        .expect(StatusCode::OK);
    test.engine.shutdown().await;
    let problem = test
        .stranger()
        .get("/healthz/ready")
        .await
        .problem("unavailable");
    assert_eq!(problem["errors"][0]["field"], "engine");
    let refused = manager
        .post(
            "/api/v1/releases",
            json!({"process": "train", "organization": "payments"}),
        )
        .await;
    assert!(refused.header("retry-after").is_some());
    refused.problem("unavailable");
    manager
        .get("/api/v1/processes")
        .await
        .expect(StatusCode::OK);
}
