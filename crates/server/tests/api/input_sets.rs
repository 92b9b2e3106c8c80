//! The Input Store and the form before a release, through the API.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::effect::Outcome;

use crate::support::{TRAIN, TestApp};

const SETS: &str = r#"
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: usual, organization: payments}
spec: {process: train, values: {version: 1.4.0}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: us, organization: payments, labels: {team: us}}
spec: {process: train, values: {region: us-east-1}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: base, organization: payments}
spec: {process: train, template: true, description: A start, values: {region: eu-north-1}}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: other, organization: payments}
spec:
  inputs: [{name: x, type: string}]
  phases: [{id: main, activities: [{id: act, uses: command, with: {run: [x]}}]}]
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: elsewhere, organization: payments}
spec: {process: other, values: {x: y}}
"#;

const WITHIN: &str = "organization=payments";

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items
        .map(|set| {
            let fit = set["fit"].as_str().unwrap_or("-");
            format!("{} {fit}", set["name"].as_str().expect("a name"))
        })
        .collect()
}

#[tokio::test]
async fn the_input_store_lists_compares_clones_and_archives_sets() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(SETS).await.expect(StatusCode::OK);
    let list = |more: &str| format!("/api/v1/input-sets?process=train{more}");
    let all = manager.get(&list("")).await.expect(StatusCode::OK);
    assert_eq!(
        names(&all),
        ["base incomplete", "us incomplete", "usual complete"]
    );
    assert_eq!(all["items"][1]["missing"], json!(["version"]));
    let page = manager.get(&list("&limit=1")).await.expect(StatusCode::OK);
    let next = page["next"].as_str().expect("a next page");
    let rest = manager
        .get(&list(&format!("&limit=2&cursor={next}")))
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&rest), ["us incomplete", "usual complete"]);
    let templates = manager
        .get(&list("&template=true"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&templates), ["base incomplete"]);
    let tagged = manager
        .get(&list("&label=team:us"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&tagged), ["us incomplete"]);

    let clone = format!("/api/v1/input-sets/base/clone?{WITHIN}");
    let body = json!({"name": "north", "values": {"version": "2.0.0"}, "description": "Up north"});
    let made = manager
        .post(&clone, body.clone())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(made["result"], "created");
    manager.post(&clone, body).await.problem("invalid-input");
    let north = manager
        .get(&format!("/api/v1/input-sets/north/completeness?{WITHIN}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&north["fit"], &north["purpose"]),
        (&json!("complete"), &json!("Up north"))
    );
    assert_eq!(
        north["values"],
        json!({"region": "eu-north-1", "version": "2.0.0"})
    );

    let changed = SETS
        .split("---")
        .next()
        .expect("the set")
        .replace("1.4.0", "1.5.0");
    manager.apply(&changed).await.expect(StatusCode::OK);
    let revisions = manager
        .get(&format!("/api/v1/input-sets/usual/revisions?{WITHIN}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(revisions["items"][0]["by"], "user:maria");
    let diff = manager
        .get(&format!(
            "/api/v1/input-sets/usual/diff?{WITHIN}&from=1&to=2"
        ))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        diff["changes"],
        json!([{"path": "values.version", "old": "1.4.0", "new": "1.5.0"}])
    );

    let archive = format!("/api/v1/input-sets/usual/archive?{WITHIN}");
    manager
        .post(&archive, json!({}))
        .await
        .expect(StatusCode::OK);
    let open = manager.get(&list("")).await.expect(StatusCode::OK);
    assert_eq!(names(&open).len(), 3, "an archived set is out of the way");
    let put_away = manager
        .get(&list("&archived=only"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&put_away), ["usual complete"]);
    let body = json!({"process": "train", "organization": "payments", "inputSet": "usual"});
    let refused = manager
        .post("/api/v1/releases", body.clone())
        .await
        .problem("invalid-input");
    assert!(
        refused["detail"]
            .as_str()
            .expect("text")
            .contains("archived")
    );
    manager
        .post(&archive.replace("/archive", "/unarchive"), json!({}))
        .await
        .expect(StatusCode::OK);
    manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);

    let stranger = test
        .client("eve", &[], &[Role::ReleaseManager], Some("shop"))
        .await;
    let none = stranger.get(&list("")).await.expect(StatusCode::OK);
    assert!(names(&none).is_empty());
    stranger
        .post(&archive, json!({}))
        .await
        .problem("unknown-resource");
    test.tester()
        .await
        .post(&archive, json!({}))
        .await
        .problem("forbidden");
}

#[tokio::test]
async fn the_form_before_a_release_flags_what_is_required_and_where_values_come_from() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(SETS).await.expect(StatusCode::OK);
    let address = "/api/v1/processes/train/inputs/preview";
    let ask = |body: Value| async { manager.post(address, body).await.expect(StatusCode::OK) };
    let form = ask(json!({"organization": "payments", "inputSet": "us"})).await;
    let version = &form["fields"][0];
    assert_eq!(
        (&version["required"], version.get("value")),
        (&json!(true), None)
    );
    assert_eq!(version["problem"], "a value is needed: a text");
    assert_eq!(version["controls"], json!(["build/compile"]));
    assert_eq!(form["missing"], json!(["version"]));
    assert_eq!(
        form["fields"][1]["value"],
        json!({"value": "us-east-1", "origin": "inputSet"})
    );
    assert_eq!(form["fields"][1]["declaration"]["default"], "eu-west-1");
    let offered: Vec<&str> = form["inputSets"]
        .as_array()
        .expect("sets")
        .iter()
        .filter_map(|set| set["name"].as_str())
        .collect();
    assert_eq!(offered, ["base", "us", "usual"]);

    let wrong = ask(json!({"organization": "payments", "inputs": {"version": "one"}})).await;
    assert_eq!(wrong["problems"][0]["field"], "inputs.version");
    let reviewed =
        ask(json!({"organization": "payments", "inputs": {"version": "3.0.0", "region": "x"}}))
            .await;
    assert_eq!(reviewed["problems"], json!([]));
    let body = json!({"process": "train", "organization": "payments", "start": true,
        "inputs": {"version": "3.0.0", "region": "x"}});
    let started = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    for field in reviewed["fields"].as_array().expect("fields") {
        let name = field["name"].as_str().expect("a name");
        assert_eq!(
            started["inputs"][name], field["value"],
            "it runs with what was reviewed"
        );
    }

    manager
        .post(
            address,
            json!({"organization": "payments", "inputSet": "base"}),
        )
        .await
        .problem("invalid-input");
    let gone = json!({"organization": "payments", "inputSet": "nowhere"});
    manager
        .post(address, gone)
        .await
        .problem("unknown-resource");
    let foreign = json!({"organization": "shop"});
    manager
        .post(address, foreign)
        .await
        .problem("unknown-resource");
    let root = test.administrator().await;
    let account = "apiVersion: trainmaster.dev/v1\nkind: Account\nmetadata: {name: account}\nspec: {environments: [qa, prod]}";
    root.apply(account).await.expect(StatusCode::OK);
    let typed = TRAIN.replace(
        "{name: region, type: string, default: eu-west-1}",
        "{name: region, type: environment, default: qa}",
    );
    root.apply(&typed).await.expect(StatusCode::OK);
    let form =
        ask(json!({"organization": "payments", "inputs": {"version": "3.0.0", "region": "prd"}}))
            .await;
    assert_eq!(
        form["problems"][0]["message"],
        "there is no environment `prd` (did you mean `prod`?)"
    );
}

#[tokio::test]
async fn a_fix_is_saved_back_through_the_api_as_a_new_revision() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    manager.apply(SETS).await.expect(StatusCode::OK);
    let error = "no such version".to_owned();
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error,
            result: json!(null),
        },
    );
    let body =
        json!({"process": "train", "organization": "payments", "inputSet": "usual", "start": true});
    let release = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let id = release["id"].as_str().expect("an id");
    manager.until_activity(id, "build/compile", "Failed").await;
    let operator = test
        .client("otto", &[], &[Role::Operator], Some("payments"))
        .await;
    let retry = format!("/api/v1/releases/{id}/activities/build/compile/retry");
    let fix = json!({"reason": "the right one", "inputs": {"version": "1.4.7"}, "saveTo": "usual"});
    operator
        .post(&retry, fix.clone())
        .await
        .problem("forbidden");
    manager.post(&retry, fix).await.expect(StatusCode::OK);
    let saved = manager
        .get(&format!("/api/v1/input-sets/usual/revisions/2?{WITHIN}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(saved["spec"]["values"]["version"], "1.4.7");
    assert_eq!(saved["by"], "user:maria");
    let release = manager
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        release["inputs"]["version"],
        json!({"value": "1.4.0", "origin": "inputSet"}),
        "the release keeps what it was started with"
    );
    let stale = manager
        .call(
            Method::DELETE,
            &format!("/api/v1/input-sets/usual?{WITHIN}"),
            &[("if-match", "\"1\"")],
            None,
        )
        .await;
    stale.problem("stale-version");
}
