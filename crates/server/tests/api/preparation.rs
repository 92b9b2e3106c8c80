//! What people settle round a release, through the API: warnings, review, readiness, links, ways down.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::effect::Outcome;

use crate::support::TestApp;

const READY: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train, organization: payments}
spec:
  inputs: [{name: version, type: string, required: true, description: What is delivered}]
  readiness:
    - {id: database, name: The database is migrated, owners: [team:qa]}
  phases:
    - id: build
      owners: [team:development]
      activities:
        - {id: compile, uses: command, runbook: "https://wiki.example.com/compile", importance: required, with: {run: [build, "${version}"]}}
    - id: deploy
      owners: [user:maria]
      dependsOn: [build]
      gates: [{id: go, uses: approval, with: {approvers: [team:qa]}}]
      activities: [{id: rollout, uses: command, with: {run: [deploy]}}]
"#;

fn draft(more: Value) -> Value {
    let mut body = json!({"process": "train", "organization": "payments", "name": "shop 1.4.0",
        "manager": "user:maria", "inputs": {"version": "1.4.0"}});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn codes(view: &Value) -> Vec<&str> {
    let warnings = view["warnings"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let codes = warnings
        .iter()
        .filter_map(|warning| warning["code"].as_str());
    codes.collect()
}

fn judged(review: &Value) -> Vec<String> {
    let checks = review["checks"].as_array().expect("checks").iter();
    checks
        .map(|check| {
            let word = |name: &str| check[name].as_str().expect("text").to_owned();
            format!("{} {}", word("part"), word("judgement"))
        })
        .collect()
}

#[tokio::test]
async fn a_release_is_prepared_reviewed_and_started_once_everything_is_ready() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(READY).await.expect(StatusCode::OK);
    let body = draft(json!({"name": "release", "type": "hotfix", "inputs": {}}));
    let created = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(codes(&created), ["generic-name", "no-rollback-plan"]);
    let id = created["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    let read = manager.get(&address).await.expect(StatusCode::OK);
    assert_eq!(read["warnings"], created["warnings"], "pages say the same");

    let review = manager
        .get(&format!("{address}/review"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        judged(&review),
        [
            "process fine",
            "inputs blocking",
            "owners attention",
            "timing fine",
            "readiness blocking"
        ]
    );
    assert_eq!(review["judgement"], "blocking");
    let phases: Vec<&Value> = review["phases"]
        .as_array()
        .expect("phases")
        .iter()
        .map(|phase| &phase["id"])
        .collect();
    assert_eq!(phases, ["build", "deploy"]);
    let gates = review["activities"].as_array().expect("activities").iter();
    let gates: Vec<&Value> = gates
        .filter(|one| one["gate"] == true)
        .map(|one| &one["path"])
        .collect();
    assert_eq!(gates, ["deploy/go"]);
    let edges = review["edges"].as_array().expect("edges");
    assert!(edges.contains(&json!({"from": "build", "to": "deploy"})));
    assert_eq!(review["form"]["missing"], json!(["version"]));
    assert_eq!(
        review["form"]["fields"][0]["declaration"]["description"],
        "What is delivered"
    );

    let better = json!({"name": "shop 1.4.0", "inputs": {"version": "1.4.0"},
        "description": {"purpose": "A fix", "scope": "shop", "risks": "few", "rollbackPlan": "the old image", "stakeholders": "support"}});
    let edited = manager
        .call(Method::PATCH, &address, &[], Some(better))
        .await
        .expect(StatusCode::OK);
    assert!(codes(&edited).is_empty());
    assert_eq!(edited["description"]["rollbackPlan"], "the old image");
    let refused = manager
        .post(&format!("{address}/activate"), json!({}))
        .await
        .problem("not-ready");
    assert!(
        refused["detail"]
            .as_str()
            .expect("text")
            .contains("`team:qa` can say so")
    );
    let ready = json!({"item": "database", "note": "migrated at noon"});
    let set = tester
        .post(&format!("{address}/readiness"), ready)
        .await
        .expect(StatusCode::OK);
    assert_eq!(set["readiness"][0]["ready"], true);
    assert_eq!(set["readiness"][0]["by"], "user:quentin");
    tester
        .post(&format!("{address}/acknowledge"), json!({}))
        .await
        .problem("not-yours");
    manager
        .post(&format!("{address}/acknowledge"), json!({"note": "there"}))
        .await
        .expect(StatusCode::OK);
    manager
        .post(&format!("{address}/reviews"), json!({"approved": false}))
        .await
        .problem("reason-needed");
    manager
        .post(&format!("{address}/reviews"), json!({"approved": true}))
        .await
        .expect(StatusCode::OK);
    let item = json!({"id": "partner", "name": "The partner is up", "required": false});
    manager
        .post(&format!("{address}/readiness/items"), item)
        .await
        .expect(StatusCode::OK);
    let review = manager
        .get(&format!("{address}/review"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        judged(&review),
        [
            "process fine",
            "inputs fine",
            "owners attention",
            "timing fine",
            "readiness attention",
            "opinions fine"
        ]
    );
    let maria = review["owners"]
        .as_array()
        .expect("owners")
        .iter()
        .find(|owner| owner["owner"] == "user:maria");
    let maria = maria.expect("the manager");
    assert_eq!(maria["parts"], json!(["release", "deploy"]));
    assert_eq!(maria["acknowledged"][0]["user"], "maria");
    manager
        .call(
            Method::DELETE,
            &format!("{address}/readiness/items/partner"),
            &[],
            None,
        )
        .await
        .expect(StatusCode::OK);
    manager
        .post(&format!("{address}/activate"), json!({}))
        .await
        .expect(StatusCode::OK);
    manager.until_activity(id, "deploy/go", "OnHold").await;
}

#[tokio::test]
async fn a_scheduled_release_that_is_not_ready_waits_at_its_time() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(READY).await.expect(StatusCode::OK);
    let body = draft(json!({"startAt": "2026-11-21T13:00:00Z", "finalize": true}));
    let scheduled = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(scheduled["progress"], "NotStarted");
    let id = scheduled["id"].as_str().expect("an id");
    test.clock
        .set("2026-11-21T14:00:00Z".parse().expect("a time"));
    let address = format!("/api/v1/releases/{id}");
    let held = manager
        .until(&address, |view| view["waiting"][0]["since"].is_string())
        .await;
    assert_eq!(held["waiting"][0]["reason"], "readiness");
    assert_eq!(held["waiting"][0]["who"], json!(["team:qa"]));
    tester
        .post(&format!("{address}/readiness"), json!({"item": "database"}))
        .await
        .expect(StatusCode::OK);
    manager.until_activity(id, "deploy/go", "OnHold").await;
}

#[tokio::test]
async fn links_context_and_tags_are_found_and_lead_on() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(READY).await.expect(StatusCode::OK);
    let body = draft(json!({
        "labels": {"tier:gold": "", "urgent": ""},
        "context": {"tickets": ["PAY-4711"], "customer": {"name": "Acme Rockets"}},
        "links": [{"url": "https://jira.example.com/browse/OPS-77"}],
        "description": {"rollbackPlan": "restore the snapshot"},
    }));
    let created = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let other = manager
        .post("/api/v1/releases", draft(json!({"name": "other 2"})))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(created["labels"], json!({"tier": "gold", "urgent": ""}));
    assert_eq!(
        created["links"][0],
        json!({"kind": "ticket", "title": "OPS-77", "url": "https://jira.example.com/browse/OPS-77", "system": "jira"})
    );
    let id = created["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    for (url, kind, title) in [
        (
            "https://github.com/acme/shop/pull/17",
            "pullRequest",
            "acme/shop#17",
        ),
        (
            "https://acme.service-now.com/incident.do?number=INC42",
            "incident",
            "INC42",
        ),
        (
            "https://grafana.example.com/d/abc/latency",
            "dashboard",
            "latency",
        ),
    ] {
        let view = manager
            .post(&format!("{address}/links"), json!({"url": url}))
            .await
            .expect(StatusCode::OK);
        let links = view["links"].as_array().expect("links");
        let link = links.last().expect("a link");
        assert_eq!(
            (&link["kind"], &link["title"]),
            (&json!(kind), &json!(title))
        );
        assert_eq!(
            link["url"], url,
            "one step from the release to what it is about"
        );
    }
    let remove = format!("{address}/links?url=https%3A%2F%2Fgithub.com%2Facme%2Fshop%2Fpull%2F17");
    let view = manager
        .call(Method::DELETE, &remove, &[], None)
        .await
        .expect(StatusCode::OK);
    assert_eq!(view["links"].as_array().map(Vec::len), Some(3));
    let found = |query: &str| {
        let address = format!("/api/v1/releases?{query}");
        let manager = &manager;
        async move {
            let page = manager.get(&address).await.expect(StatusCode::OK);
            let items = page["items"].as_array().expect("items").clone();
            items
                .iter()
                .map(|item| item["id"].as_str().expect("an id").to_owned())
                .collect::<Vec<_>>()
        }
    };
    for query in [
        "search=PAY-4711",
        "search=rockets",
        "search=OPS-77",
        "search=INC42",
        "search=snapshot",
        "label=tier:gold",
        "label=tier=gold",
        "label=urgent",
    ] {
        assert_eq!(found(query).await, [id], "{query}");
    }
    let kinds = manager
        .post("/api/v1/releases", draft(json!({"type": "feature"})))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        found("type=feature").await,
        [kinds["id"].as_str().expect("an id")]
    );
    assert_eq!(
        found("type=standard").await,
        [other["id"].as_str().expect("an id"), id]
    );
    let export = manager.get(&format!("{address}/export")).await;
    let text = String::from_utf8_lossy(&export.text).into_owned();
    for line in [
        "build:",
        "team:development",
        "deploy:",
        "user:maria",
        "manager: user:maria",
    ] {
        assert!(
            text.contains(line),
            "the exported release says who answers: {line} in\n{text}"
        );
    }
}

#[tokio::test]
async fn from_a_failed_release_it_is_one_step_to_the_failed_activity_and_its_runbook() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(READY).await.expect(StatusCode::OK);
    let error = "the compiler crashed".to_owned();
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error,
            result: json!(null),
        },
    );
    let created = manager
        .post("/api/v1/releases", draft(json!({})))
        .await
        .expect(StatusCode::CREATED);
    let id = created["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    tester
        .post(&format!("{address}/readiness"), json!({"item": "database"}))
        .await
        .expect(StatusCode::OK);
    manager
        .post(&format!("{address}/activate"), json!({}))
        .await
        .expect(StatusCode::OK);
    manager.until_activity(id, "build/compile", "Failed").await;
    let retry = format!("{address}/activities/build/compile/fail");
    manager
        .post(&retry, json!({"reason": "hopeless"}))
        .await
        .expect(StatusCode::OK);
    let held = manager
        .until(&address, |view| {
            view["phases"][0]["status"] == "Failed" || view["failures"].is_array()
        })
        .await;
    let failure = &held["failures"][0];
    assert_eq!(
        (&failure["phase"], &failure["path"]),
        (&json!("build"), &json!("build/compile"))
    );
    assert_eq!(failure["error"], "the compiler crashed");
    assert_eq!(failure["runbook"], "https://wiki.example.com/compile");
    let activity = manager
        .get(failure["url"].as_str().expect("an address"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(activity["runbook"], "https://wiki.example.com/compile");
    assert_eq!(activity["status"], "Failed");
}

#[tokio::test]
async fn a_degraded_end_asks_everybody_the_same_for_a_note() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(READY).await.expect(StatusCode::OK);
    let error = "no".to_owned();
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error,
            result: json!(null),
        },
    );
    let created = manager
        .post("/api/v1/releases", draft(json!({})))
        .await
        .expect(StatusCode::CREATED);
    let id = created["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    tester
        .post(&format!("{address}/readiness"), json!({"item": "database"}))
        .await
        .expect(StatusCode::OK);
    manager
        .post(&format!("{address}/activate"), json!({}))
        .await
        .expect(StatusCode::OK);
    manager.until_activity(id, "build/compile", "Failed").await;
    let ignore = format!("{address}/activities/build/compile/ignore");
    manager
        .post(&ignore, json!({"reason": "known", "outputs": {}}))
        .await
        .expect(StatusCode::OK);
    manager.until_activity(id, "deploy/go", "OnHold").await;
    let approve = format!("{address}/activities/deploy/go/approve");
    tester
        .post(&approve, json!({"comment": "go"}))
        .await
        .expect(StatusCode::OK);
    let done = manager.until_status(id, "PartialSuccess").await;
    assert_eq!(
        (&done["progress"], &done["level"]),
        (&json!("Completed"), &json!("organization"))
    );
    assert_eq!(codes(&done), ["follow-up-note"]);
    let offered = |view: &Value| {
        let actions = view["actions"].as_array().expect("actions");
        actions
            .iter()
            .any(|action| action["action"] == "notes" && action["allowed"] == true)
    };
    assert!(offered(&done));
    let seen = tester.get(&address).await.expect(StatusCode::OK);
    for part in [
        "status", "phases", "counters", "inputs", "warnings", "waiting", "links",
    ] {
        assert_eq!(seen[part], done[part], "two viewers see the same: {part}");
    }
    let note = json!({"text": "search follows with 1.4.1"});
    let noted = manager
        .post(&format!("{address}/notes"), note)
        .await
        .expect(StatusCode::OK);
    assert!(codes(&noted).is_empty() && !offered(&noted));
    let incident = json!({"url": "https://acme.pagerduty.com/incidents/Q1"});
    let linked = manager
        .post(&format!("{address}/links"), incident)
        .await
        .expect(StatusCode::OK);
    assert_eq!(linked["links"][0]["kind"], "incident");
    manager
        .post(&format!("{address}/archive"), json!({}))
        .await
        .expect(StatusCode::OK);
    let events = manager
        .get(&format!("{address}/events"))
        .await
        .expect(StatusCode::OK);
    let types: Vec<&str> = events["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    for kind in [
        "ReleaseCreated",
        "ReadinessSet",
        "ReleaseFinalized",
        "ReleaseStarted",
        "ActivityIgnored",
        "ApprovalDecided",
        "ReleaseFinished",
        "NoteAdded",
        "LinkAdded",
        "ReleaseArchived",
    ] {
        assert!(types.contains(&kind), "{kind} in {types:?}");
    }
    let evidence = manager
        .get(&format!("{address}/evidence"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(evidence["release"]["inputs"]["version"]["value"], "1.4.0");
}

#[tokio::test]
async fn levels_are_kept_apart_where_the_account_says_so() {
    let test = TestApp::start().await;
    let (root, manager) = (test.administrator().await, test.manager().await);
    manager.apply(READY).await.expect(StatusCode::OK);
    root.apply(&READY.replace(", organization: payments", ""))
        .await
        .expect(StatusCode::OK);
    let body = draft(json!({"organization": null}));
    let account = root
        .post("/api/v1/releases", body.clone())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(account["level"], "account");
    let own = manager
        .post("/api/v1/releases", draft(json!({})))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(codes(&own), ["mixed-levels"]);
    let id = own["id"].as_str().expect("an id");
    let read = manager
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(codes(&read), ["mixed-levels"]);
    assert_eq!(
        (&read["level"], &read["organization"]),
        (&json!("organization"), &json!("payments"))
    );
    root.apply("apiVersion: trainmaster.dev/v1\nkind: Account\nmetadata: {name: account}\nspec: {exclusiveReleaseLevel: true}").await.expect(StatusCode::OK);
    manager
        .post("/api/v1/releases", draft(json!({})))
        .await
        .problem("exclusive-level");
    root.post("/api/v1/releases", body)
        .await
        .problem("exclusive-level");
    let viewer = test
        .client("vera", &[], &[Role::Viewer], Some("payments"))
        .await;
    let link = json!({"url": "https://example.com/x"});
    viewer
        .post(&format!("/api/v1/releases/{id}/links"), link)
        .await
        .problem("forbidden");
}
