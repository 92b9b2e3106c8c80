//! What is deployed where, and where a commit, an image or a ticket is.

use axum::http::StatusCode;
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::effect::Outcome;

use crate::support::{Client, TestApp, at};

/// Ships a service to staging and then to production, where people agree.
pub(crate) const SHOP: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: shop, organization: payments}
spec:
  inputs:
    - {name: commit, type: string, required: true}
    - {name: service, type: service, default: cart}
  phases:
    - id: staging
      activities:
        - id: deploy
          uses: command
          with: {run: [deploy, staging]}
          outputs: {image: "${result.image}"}
          deploys:
            service: ${inputs.service}
            environment: staging
            commit: ${inputs.commit}
            image: ${activity.outputs.image}
    - id: production
      dependsOn: [staging]
      activities:
        - id: deploy
          uses: command
          onFailure: fail
          with: {run: [deploy, production]}
          deploys:
            service: ${inputs.service}
            environment: production
            commit: ${inputs.commit}
            image: ${phases.staging.activities.deploy.outputs.image}
            tickets: [SHOP-1]
"#;

/// Runs a release of a version and waits until it has ended.
pub(crate) async fn ship(
    test: &TestApp,
    client: &Client<'_>,
    version: &str,
    commit: &str,
    more: Value,
) -> String {
    let image = json!({"image": format!("shop/cart:{version}")});
    test.script
        .next("staging/deploy", Outcome::Succeeded { result: image });
    let mut body = json!({"process": "shop", "organization": "payments", "version": version, "start": true,
        "name": format!("Shop {version}"), "inputs": {"commit": commit}});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let made = client.post("/api/v1/releases", body).await;
    let id = made.expect(StatusCode::CREATED)["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    client
        .until(&format!("/api/v1/releases/{id}"), |view| {
            view["stage"] == "Completed"
        })
        .await;
    id
}

fn versions(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items
        .iter()
        .map(|one| {
            let word = |name: &str| one[name].as_str().unwrap_or("?").to_owned();
            format!(
                "{} {} {}",
                word("environment"),
                word("service"),
                word("version")
            )
        })
        .collect()
}

#[tokio::test]
async fn what_is_deployed_is_the_newest_success_per_environment_now_and_then() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let first = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    test.clock.set(at("2026-11-22T12:00:00Z"));
    // The second one reaches staging only.
    let failed = Outcome::Failed {
        error: "no".to_owned(),
        result: Value::Null,
    };
    test.script.next(
        "production/deploy",
        Outcome::Succeeded { result: json!({}) },
    );
    test.script.next("production/deploy", failed);
    let pay = json!({"inputs": {"commit": "77aa0001", "service": "pay"}});
    ship(&test, &manager, "7.0.0", "77aa0001", pay).await;
    ship(&test, &manager, "1.1.0", "5b1cffee", json!({})).await;

    let production = "/api/v1/deployments?environment=production";
    let now = manager.get(production).await.expect(StatusCode::OK);
    assert_eq!(
        versions(&now),
        ["production cart 1.0.0", "production pay 7.0.0"]
    );
    assert_eq!(now["items"][0]["release"], first.as_str());
    assert_eq!(now["items"][0]["releaseName"], "Shop 1.0.0");
    assert_eq!(now["items"][0]["image"], "shop/cart:1.0.0");
    let then = format!("{production}&at=2026-11-21T13:00:00Z");
    let then = manager.get(&then).await.expect(StatusCode::OK);
    assert_eq!(versions(&then), ["production cart 1.0.0"]);
    let staging = manager
        .get("/api/v1/deployments?environment=staging&service=cart")
        .await
        .expect(StatusCode::OK);
    assert_eq!(versions(&staging), ["staging cart 1.1.0"]);
    let history = manager
        .get("/api/v1/deployments/history?environment=staging&service=cart&limit=1")
        .await
        .expect(StatusCode::OK);
    assert_eq!(versions(&history), ["staging cart 1.1.0"]);
    assert!(history["next"].is_string(), "there is an older one");
    let one = history["items"][0]["id"].as_u64().expect("an id");
    let one = manager.get(&format!("/api/v1/deployments/{one}")).await;
    assert_eq!(one.expect(StatusCode::OK)["version"], "1.1.0");
    let activity = manager
        .get(&format!(
            "/api/v1/releases/{first}/activities/production/deploy"
        ))
        .await
        .expect(StatusCode::OK);
    assert_eq!(activity["deployments"][0]["commits"], json!(["4f2a91bb"]));
}

#[tokio::test]
async fn the_commits_of_a_deployment_are_what_it_names_and_what_its_release_carries() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let links = json!({"links": [{"kind": "commit", "title": "the fix", "url": "https://git.example/c/abcdef12"}]});
    ship(&test, &manager, "1.0.0", "4f2a91bb", links).await;
    let commits = |view: &Value| -> Vec<(String, Value)> {
        let list = view["commits"].as_array().expect("commits");
        list.iter()
            .map(|one| {
                (
                    one["commit"].as_str().unwrap_or("?").to_owned(),
                    one["sources"].clone(),
                )
            })
            .collect()
    };
    let staging = manager.get("/api/v1/deployments/staging/commits").await;
    let staging = staging.expect(StatusCode::OK);
    assert_eq!(
        commits(&staging),
        [
            ("4f2a91bb".to_owned(), json!(["deployment", "input"])),
            ("abcdef12".to_owned(), json!(["link"])),
        ]
    );
    let id = staging["deployments"][0]["id"].as_u64().expect("an id");
    let by_id = manager
        .get(&format!("/api/v1/deployments/{id}/commits"))
        .await;
    assert_eq!(commits(&by_id.expect(StatusCode::OK)).len(), 2);
}

#[tokio::test]
async fn a_commit_an_image_and_a_ticket_are_found_where_they_are() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    let first = ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    test.clock.set(at("2026-11-22T12:00:00Z"));
    let second = ship(&test, &manager, "1.1.0", "5b1cffee", json!({})).await;
    let find = async |query: &str| {
        let found = manager.get(&format!("/api/v1/where?{query}")).await;
        found.expect(StatusCode::OK)
    };
    let old = find("commit=4F2A").await;
    assert_eq!(old["releases"].as_array().expect("releases").len(), 1);
    let old = &old["releases"][0];
    assert_eq!(
        (&old["release"], &old["status"]),
        (&json!(first), &json!("Success"))
    );
    assert_eq!(old["environments"][0]["since"], "2026-11-21T12:00:00Z");
    assert_eq!(old["environments"][0]["until"], "2026-11-22T12:00:00Z");
    let new = find("commit=5b1cffee").await;
    let places = new["releases"][0]["environments"]
        .as_array()
        .expect("places");
    assert_eq!(places.len(), 2);
    assert!(
        places.iter().all(|place| place["until"].is_null()),
        "it is there now"
    );
    let image = find("image=shop/cart").await;
    let ids: Vec<&Value> = image["releases"]
        .as_array()
        .expect("releases")
        .iter()
        .map(|one| &one["release"])
        .collect();
    assert_eq!(ids, [&json!(second), &json!(first)]);
    assert_eq!(
        find("ticket=shop-1").await["releases"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(
        find("ticket=shop-").await["releases"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    manager
        .get("/api/v1/where?commit=4f2")
        .await
        .problem("invalid-query");
    manager.get("/api/v1/where").await.problem("invalid-query");
    manager
        .get("/api/v1/where?commit=4f2a91bb&ticket=SHOP-1")
        .await
        .problem("invalid-query");
}

#[tokio::test]
async fn organizations_do_not_see_what_others_deploy() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(SHOP).await.expect(StatusCode::OK);
    ship(&test, &manager, "1.0.0", "4f2a91bb", json!({})).await;
    let mine = manager
        .get("/api/v1/deployments")
        .await
        .expect(StatusCode::OK);
    let id = mine["items"][0]["id"].as_u64().expect("an id");
    let other = test
        .client("orla", &[], &[Role::ReleaseManager], Some("insurance"))
        .await;
    for path in [
        "/api/v1/deployments",
        "/api/v1/deployments?organization=payments",
        "/api/v1/deployments/history",
    ] {
        let page = other.get(path).await.expect(StatusCode::OK);
        assert_eq!(page["items"], json!([]), "{path}");
    }
    let found = other
        .get("/api/v1/where?commit=4f2a91bb")
        .await
        .expect(StatusCode::OK);
    assert_eq!(found["releases"], json!([]));
    let commits = other.get("/api/v1/deployments/production/commits").await;
    assert_eq!(commits.expect(StatusCode::OK)["commits"], json!([]));
    other
        .get(&format!("/api/v1/deployments/{id}"))
        .await
        .problem("not-found");
    other
        .get(&format!("/api/v1/deployments/{id}/commits"))
        .await
        .problem("not-found");
    let figures = other
        .get("/api/v1/reports/metrics")
        .await
        .expect(StatusCode::OK);
    assert_eq!(figures["deployments"], 0);
    let report = other
        .get("/api/v1/reports/releases")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&report["releases"], &report["deployments"]),
        (&json!([]), &json!([]))
    );
    let release = mine["items"][0]["release"].as_str().expect("an id");
    other
        .get(&format!("/api/v1/releases/{release}/report"))
        .await
        .problem("unknown-release");
}
