//! Definitions: applied, read back, compared, checked.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::support::{TRAIN, TestApp};

#[tokio::test]
async fn a_definition_is_created_configured_unchanged_and_read_back_as_it_was() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let first = manager.apply(TRAIN).await.expect(StatusCode::OK);
    assert_eq!(
        (&first["items"][0]["result"], &first["items"][0]["revision"]),
        (&json!("created"), &json!(1))
    );
    let second = manager.apply(TRAIN).await.expect(StatusCode::OK);
    assert_eq!(
        (
            &second["items"][0]["result"],
            &second["items"][0]["revision"]
        ),
        (&json!("unchanged"), &json!(1))
    );
    let changed = TRAIN.replace("eu-west-1", "eu-central-1");
    let dry = manager
        .yaml(Method::POST, "/api/v1/apply?dryRun=true", &changed)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&dry["items"][0]["result"], &dry["dryRun"]),
        (&json!("configured"), &json!(true))
    );
    let third = manager.apply(&changed).await.expect(StatusCode::OK);
    assert_eq!(
        (&third["items"][0]["result"], &third["items"][0]["revision"]),
        (&json!("configured"), &json!(2))
    );

    let address = "/api/v1/processes/train";
    let within = "?organization=payments";
    let read = manager.get(&format!("{address}{within}")).await;
    assert_eq!(read.header("etag"), Some("\"2\""));
    let read = read.expect(StatusCode::OK);
    assert_eq!(read["spec"]["inputs"][1]["default"], "eu-central-1");
    assert_eq!(read["labels"], json!({"team": "platform"}));
    let listed = manager
        .get("/api/v1/processes?label=team%3Dplatform")
        .await
        .expect(StatusCode::OK);
    assert_eq!(listed["items"][0]["name"], "train");
    let revisions = manager
        .get(&format!("{address}/revisions{within}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(revisions["items"].as_array().map(Vec::len), Some(2));
    let old = manager
        .get(&format!("{address}/revisions/1{within}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(old["spec"]["inputs"][1]["default"], "eu-west-1");
    let export = manager.get(&format!("{address}/export{within}")).await;
    let text = String::from_utf8(export.text.to_vec()).expect("UTF-8");
    let again = manager.apply(&text).await.expect(StatusCode::OK);
    assert_eq!(again["items"][0]["result"], "unchanged", "{text}");
}

#[tokio::test]
async fn nothing_is_applied_unless_everything_holds_together() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let broken = "apiVersion: trainmaster.dev/v1\nkind: Process\nmetadata: {name: bad, organization: payments}\nspec:\n  phasez: []\n";
    let both = format!("{TRAIN}\n---\n{broken}");
    let problem = manager.apply(&both).await.problem("invalid-definition");
    let error = &problem["errors"][0];
    assert!(
        error["message"]
            .as_str()
            .expect("words")
            .contains("did you mean `phases`"),
        "{problem}"
    );
    let line = both
        .lines()
        .position(|line| line.contains("phasez"))
        .expect("the line")
        + 1;
    assert_eq!(error["line"], json!(line));
    manager
        .get("/api/v1/processes/train?organization=payments")
        .await
        .problem("unknown-resource");
    let checked = manager
        .yaml(Method::POST, "/api/v1/validate", &both)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (
            &checked["items"][0]["index"],
            &checked["items"][0]["result"]
        ),
        (&json!(1), &json!("invalid"))
    );
    let fine = manager
        .yaml(Method::POST, "/api/v1/validate", TRAIN)
        .await
        .expect(StatusCode::OK);
    assert_eq!(fine["items"][0]["result"], "created");
}

#[tokio::test]
async fn input_sets_follow_their_process_whatever_the_order_of_the_documents() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let set = "apiVersion: trainmaster.dev/v1\nkind: InputSet\nmetadata: {name: berlin, organization: payments}\nspec: {process: train, values: {region: eu-central-1}}\n";
    let applied = manager
        .apply(&format!("{set}---{TRAIN}"))
        .await
        .expect(StatusCode::OK);
    let kinds: Vec<&str> = applied["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["InputSet", "Process"],
        "results are in the order of the request"
    );
    let body = json!({"process": "train", "organization": "payments", "inputs": {"version": "1.0.0"}, "inputSet": "berlin", "finalize": true});
    let release = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        release["inputs"]["region"],
        json!({"value": "eu-central-1", "origin": "inputSet"})
    );
    let listed = manager
        .get("/api/v1/input-sets")
        .await
        .expect(StatusCode::OK);
    assert_eq!(listed["items"][0]["name"], "berlin");
}

#[tokio::test]
async fn a_comparison_shows_the_changed_lines() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let changed = TRAIN.replace("eu-west-1", "eu-central-1");
    let answer = manager
        .yaml(Method::POST, "/api/v1/diff", &changed)
        .await
        .expect(StatusCode::OK);
    assert_eq!(answer["items"][0]["result"], "configured");
    let lines = answer["items"][0]["lines"].as_array().expect("lines");
    let of = |sign: &str| -> Vec<&str> {
        lines
            .iter()
            .filter(|line| line["sign"] == sign)
            .filter_map(|line| line["text"].as_str())
            .map(str::trim)
            .collect()
    };
    assert_eq!(of("removed"), ["default: eu-west-1"]);
    assert_eq!(of("added"), ["default: eu-central-1"]);
    let same = manager
        .yaml(Method::POST, "/api/v1/diff", TRAIN)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&same["items"][0]["result"], &same["items"][0]["lines"]),
        (&json!("unchanged"), &json!([]))
    );
}

#[tokio::test]
async fn put_and_delete_hold_to_the_revision_they_are_based_on() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let address = "/api/v1/processes/train?organization=payments";
    let created = manager.yaml(Method::PUT, address, TRAIN).await;
    assert_eq!(created.header("etag"), Some("\"1\""));
    created.expect(StatusCode::CREATED);
    manager
        .yaml(
            Method::PUT,
            "/api/v1/processes/other?organization=payments",
            TRAIN,
        )
        .await
        .problem("invalid-body");
    manager
        .yaml(
            Method::PUT,
            address,
            &format!("{TRAIN}---\n{}", TRAIN.replace("name: train", "name: two")),
        )
        .await
        .problem("invalid-body");
    let delete = |tag: &'static str| {
        let manager = &manager;
        async move {
            manager
                .call(Method::DELETE, address, &[("if-match", tag)], None)
                .await
        }
    };
    delete("\"7\"").await.problem("stale-version");
    assert_eq!(delete("\"1\"").await.status, StatusCode::NO_CONTENT);
    delete("\"1\"").await.problem("unknown-resource");
    manager.get(address).await.problem("unknown-resource");
    let back = manager
        .yaml(Method::PUT, address, TRAIN)
        .await
        .expect(StatusCode::OK);
    assert_eq!(back["revision"], 2, "revisions go on counting");
}

#[tokio::test]
async fn a_repeated_apply_gets_the_first_answer() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let body: serde_json::Value = json!({
        "apiVersion": "trainmaster.dev/v1", "kind": "Process", "metadata": {"name": "small", "organization": "payments"},
        "spec": {"phases": [{"id": "one", "activities": [{"id": "wait", "uses": "wait", "with": {"for": "1s"}}]}]},
    });
    let apply = || {
        manager.call(
            Method::POST,
            "/api/v1/apply",
            &[("idempotency-key", "a")],
            Some(body.clone()),
        )
    };
    let first = apply().await.expect(StatusCode::OK);
    let second = apply().await.expect(StatusCode::OK);
    assert_eq!(first["items"][0]["result"], "created");
    assert_eq!(second["items"], first["items"]);
    let another = Some(json!({"kind": "Process"}));
    let reply = manager
        .call(
            Method::POST,
            "/api/v1/apply",
            &[("idempotency-key", "a")],
            another,
        )
        .await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn schemas_are_served_for_editors() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    for kind in ["Process", "process", "input-sets"] {
        let schema = manager
            .get(&format!("/api/v1/schemas/{kind}"))
            .await
            .expect(StatusCode::OK);
        assert!(schema["properties"]["spec"].is_object(), "{kind}");
    }
    manager
        .get("/api/v1/schemas/Secret")
        .await
        .problem("not-found");
    manager.get("/api/v1/unicorns/x").await.problem("not-found");
}
