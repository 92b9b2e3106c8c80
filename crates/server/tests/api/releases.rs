//! What people do with releases.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;

use crate::support::{TRAIN, TestApp, at, endless};

#[tokio::test]
async fn a_release_goes_from_draft_over_an_approval_to_success() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = json!({"process": "train", "organization": "payments", "inputs": {"version": "1.4.0"}, "name": "Week 47"});
    let created = manager.post("/api/v1/releases", body).await;
    let location = created.header("location").expect("a location").to_owned();
    let draft = created.expect(StatusCode::CREATED);
    assert_eq!(draft["status"], "Draft");
    assert_eq!(
        location,
        format!("/api/v1/releases/{}", draft["id"].as_str().expect("an id"))
    );
    let id = draft["id"].as_str().expect("an id");
    let started = manager
        .post(&format!("{location}/activate"), json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(started["run"], 1);

    let held = manager.until_status(id, "OnHold").await;
    assert_eq!(held["counters"]["needsInput"], 1);
    assert_eq!(held["waiting"][0]["reason"], "approval");
    assert_eq!(
        held["inputs"]["region"],
        json!({"value": "eu-west-1", "origin": "default"})
    );
    let inbox = tester.get("/api/v1/inbox").await.expect(StatusCode::OK);
    assert_eq!(inbox["items"][0]["path"], "sign-off/qa");
    let activity = tester
        .get(inbox["items"][0]["url"].as_str().expect("an address"))
        .await
        .expect(StatusCode::OK);
    let digest = activity["approval"]["digest"].clone();
    let approve = format!("{location}/activities/sign-off/qa/approve");
    let decided = tester
        .post(&approve, json!({"digest": digest, "comment": "fine"}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(decided["approval"]["approved"], 1);

    let done = manager.until_status(id, "Success").await;
    assert_eq!(done["stage"], "Completed");
    let rollout = manager
        .get(&format!("{location}/activities/deploy/rollout%5B1%5D"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        rollout["attempts"][0]["config"]["run"],
        json!(["deploy", "us"])
    );
    let asked: Vec<String> = test
        .script
        .asked()
        .iter()
        .map(|effect| effect.id.path.to_string())
        .collect();
    assert_eq!(
        asked,
        ["build/compile", "deploy/rollout[0]", "deploy/rollout[1]"]
    );
}

#[tokio::test]
async fn a_failure_waits_for_a_decision_and_goes_on_with_changed_inputs() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let error = "the disk is full".to_owned();
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error,
            result: json!(null),
        },
    );
    let id = manager.start_train().await;
    let failed = manager.until_activity(&id, "build/compile", "Failed").await;
    assert_eq!(failed["awaitsDecision"], true);
    assert_eq!(failed["attempts"][0]["error"], "the disk is full");
    let action = |name: &str| {
        let actions = failed["actions"].as_array().expect("actions");
        actions
            .iter()
            .find(|action| action["action"] == name)
            .expect("the action")
            .clone()
    };
    assert_eq!(action("retry")["allowed"], true);
    let explained = manager
        .get(&format!("/api/v1/releases/{id}/explain"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(explained["waiting"][0]["reason"], "resolution");

    let address = format!("/api/v1/releases/{id}/activities/build/compile/retry");
    manager
        .post(&address, json!({"reason": ""}))
        .await
        .problem("reason-needed");
    let body = json!({"reason": "another region", "inputs": {"version": "1.4.1"}});
    manager.post(&address, body).await.expect(StatusCode::OK);
    let done = manager
        .until_activity(&id, "build/compile", "Success")
        .await;
    assert_eq!(
        done["attempts"][1]["config"]["run"],
        json!(["build", "1.4.1"])
    );
    assert_eq!(
        done["attempts"][1]["inputs"]["version"],
        json!({"value": "1.4.1", "origin": "override"})
    );
    assert_eq!(done["outputs"]["artifact"], "https://artifacts/1");
    manager
        .post(&address, json!({"reason": "again"}))
        .await
        .problem("wrong-activity-status");
}

#[tokio::test]
async fn ignoring_pausing_and_notes_leave_their_traces() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    test.script.next("build/compile", endless());
    let id = manager.start_train().await;
    manager
        .until_activity(&id, "build/compile", "Running")
        .await;
    let address = format!("/api/v1/releases/{id}");
    let paused = manager
        .post(&format!("{address}/pause"), json!({"reason": "lunch"}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(paused["pause"]["reason"], "lunch");
    assert_eq!(paused["paused"], true);
    manager
        .post(&format!("{address}/resume"), json!({}))
        .await
        .expect(StatusCode::OK);
    let noted = manager
        .post(&format!("{address}/notes"), json!({"text": "went well"}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(noted["notes"][0]["by"], "user:maria");
    let notes = manager
        .get(&format!("{address}/notes"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(notes["items"][0]["text"], "went well");
    manager
        .post(&format!("{address}/abort"), json!({"reason": ""}))
        .await
        .problem("reason-needed");
    manager
        .post(
            &format!("{address}/abort"),
            json!({"reason": "wrong version"}),
        )
        .await
        .expect(StatusCode::OK);
    let aborted = manager.until_status(&id, "Aborted").await;
    assert_eq!(aborted["abortReason"], "wrong version");
    let again = json!({"from": "start", "reason": "right version"});
    let restarted = manager
        .post(&format!("{address}/restart"), again)
        .await
        .expect(StatusCode::OK);
    assert_eq!(restarted["run"], 2);
}

#[tokio::test]
async fn a_scheduled_release_starts_at_its_time_and_can_be_cancelled_before() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = json!({
        "process": "train", "organization": "payments", "inputs": {"version": "1.4.0"},
        "startAt": "2026-11-22T09:00:00Z", "finalize": true,
    });
    let scheduled = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(scheduled["status"], "Scheduled");
    let id = scheduled["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}");
    let explained = manager
        .get(&format!("{address}/explain"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(explained["waiting"][0]["at"], "2026-11-22T09:00:00Z");
    let cancelled = manager
        .post(&format!("{address}/cancel"), json!({"reason": "later"}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(cancelled["status"], "Draft");
    manager
        .post(&format!("{address}/finalize"), json!({}))
        .await
        .expect(StatusCode::OK);
    test.clock.set(at("2026-11-22T09:00:00Z"));
    manager.until_status(id, "OnHold").await;
    manager
        .post(&format!("{address}/finalize"), json!({}))
        .await
        .problem("wrong-release-status");
}

#[tokio::test]
async fn a_request_with_the_same_key_is_answered_alike_and_carried_out_once() {
    let test = TestApp::start().await;
    let (manager, other) = (test.manager().await, test.administrator().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = || {
        Some(
            json!({"process": "train", "organization": "payments", "inputs": {"version": "1.4.0"}}),
        )
    };
    let key = [("idempotency-key", "one")];
    let create = |client| async move {
        let client: &crate::support::Client<'_> = client;
        client
            .call(Method::POST, "/api/v1/releases", &key, body())
            .await
    };
    let first = create(&manager).await;
    let second = create(&manager).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    assert_eq!(second.header("location"), first.header("location"));
    let another = Some(
        json!({"process": "train", "organization": "payments", "inputs": {"version": "9.9.9"}}),
    );
    manager
        .call(Method::POST, "/api/v1/releases", &key, another)
        .await
        .problem("idempotency-key-reused");
    // The key belongs to the person who used it.
    assert_eq!(create(&other).await.status, StatusCode::CREATED);
    let listed = manager.get("/api/v1/releases").await.expect(StatusCode::OK);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    let bad = [("idempotency-key", "with blank")];
    manager
        .call(Method::POST, "/api/v1/releases", &bad, body())
        .await
        .problem("invalid-header");
}

#[tokio::test]
async fn an_edit_on_top_of_an_old_state_is_refused() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = json!({"process": "train", "organization": "payments", "version": "1.4", "manager": "user:maria"});
    let draft = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let address = format!("/api/v1/releases/{}", draft["id"].as_str().expect("an id"));
    let read = manager.get(&address).await;
    let tag = read.header("etag").expect("an entity tag").to_owned();
    let unchanged = manager
        .call(Method::GET, &address, &[("if-none-match", &tag)], None)
        .await;
    assert_eq!(
        (unchanged.status, unchanged.text.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    let edit = |tag: String, body| {
        let (manager, address) = (&manager, &address);
        async move {
            manager
                .call(Method::PATCH, address, &[("if-match", &tag)], Some(body))
                .await
        }
    };
    let edited = edit(tag.clone(), json!({"name": "Train 1", "version": null}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&edited["name"], edited.get("version")),
        (&json!("Train 1"), None)
    );
    assert_eq!(edited["manager"], "user:maria");
    edit(tag, json!({"name": "Train 2"}))
        .await
        .problem("stale-version");
    edit("\"x\"".to_owned(), json!({}))
        .await
        .problem("invalid-header");
    edit("*".to_owned(), json!({"nmae": "Train 3"}))
        .await
        .problem("invalid-body");
    assert_eq!(
        manager
            .call(Method::DELETE, &address, &[], None)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    manager.get(&address).await.problem("unknown-release");
}

#[tokio::test]
async fn lists_filter_search_and_page_on_the_server() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    for (name, label) in [("Alpha", "red"), ("Beta", "blue"), ("Gamma", "red")] {
        let body = json!({"process": "train", "organization": "payments", "name": name, "labels": {"colour": label}});
        manager
            .post("/api/v1/releases", body)
            .await
            .expect(StatusCode::CREATED);
    }
    let names = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items
            .map(|item| item["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let first = manager
        .get("/api/v1/releases?limit=2")
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&first), ["Gamma", "Beta"]);
    let next = first["next"].as_str().expect("a next page");
    let second = manager
        .get(&format!("/api/v1/releases?limit=2&cursor={next}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (names(&second), second.get("next")),
        (vec!["Alpha".to_owned()], None)
    );
    let red = manager
        .get("/api/v1/releases?label=colour%3Dred&status=Draft,Running")
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&red), ["Gamma", "Alpha"]);
    let found = manager
        .get("/api/v1/releases?search=bet")
        .await
        .expect(StatusCode::OK);
    assert_eq!(names(&found), ["Beta"]);
    for query in [
        "limit=0",
        "limit=501",
        "status=Lost",
        "colour=red",
        "order=up",
        "parent=x",
    ] {
        manager
            .get(&format!("/api/v1/releases?{query}"))
            .await
            .problem("invalid-query");
    }
    manager
        .get("/api/v1/releases?cursor=bm9wZQ")
        .await
        .problem("cursor-invalid");
}

#[tokio::test]
async fn graph_timeline_events_evidence_and_export_tell_the_same_story() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let id = manager.start_train().await;
    manager.until_activity(&id, "sign-off/qa", "OnHold").await;
    let address = format!("/api/v1/releases/{id}");
    tester
        .post(
            &format!("{address}/activities/sign-off/qa/approve"),
            json!({"comment": "fine"}),
        )
        .await
        .expect(StatusCode::OK);
    manager.until_status(&id, "Success").await;
    let graph = manager
        .get(&format!("{address}/graph"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(graph["phases"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        graph["activities"].as_array().map(Vec::len),
        Some(5),
        "two items and their parent"
    );
    assert!(
        graph["edges"]
            .as_array()
            .expect("edges")
            .contains(&json!({"from": "build", "to": "sign-off"}))
    );
    let timeline = manager
        .get(&format!("{address}/timeline"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(timeline["items"][0]["kind"], "release");
    assert_eq!(timeline["items"][1]["id"], "build");
    let activities = manager
        .get(&format!("{address}/activities?limit=2&phase=deploy"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(activities["next"], activities["items"][1]["path"]);
    let events = manager
        .get(&format!("{address}/events?limit=500"))
        .await
        .expect(StatusCode::OK);
    let types: Vec<&str> = events["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(types.first(), Some(&"ReleaseCreated"));
    assert!(
        types.contains(&"ApprovalDecided") && types.contains(&"ReleaseFinished"),
        "{types:?}"
    );
    let evidence = manager
        .get(&format!("{address}/evidence"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        evidence["journal"].as_array().map(Vec::len),
        Some(types.len())
    );
    let votes = evidence["activities"]
        .as_array()
        .expect("activities")
        .iter()
        .find(|activity| activity["path"] == "sign-off/qa");
    assert_eq!(
        votes.expect("the approval")["approval"]["votes"][0]["user"],
        "quentin"
    );
    assert_eq!(evidence["processDigest"].as_str().map(str::len), Some(64));
    let export = manager.get(&format!("{address}/export")).await;
    assert_eq!(export.header("content-type"), Some("application/yaml"));
    let text = String::from_utf8(export.text.to_vec()).expect("UTF-8");
    assert!(
        text.contains("kind: Release") && text.contains("process: train"),
        "{text}"
    );
}

#[tokio::test]
async fn people_answer_questions_and_work_through_checklists() {
    let process = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: ask, organization: payments}
spec:
  phases:
    - id: people
      owners: [team:qa]
      activities:
        - id: question
          uses: input
          with: {fields: [{name: window, type: string, required: true, allowed: [early, late]}], message: When?}
        - id: checklist
          uses: tasks
          with: {tasks: [{id: backup, title: Make a backup}, {id: tell, title: Tell everybody}]}
"#;
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(process).await.expect(StatusCode::OK);
    let body = json!({"process": "ask", "organization": "payments", "start": true});
    let created = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    let id = created["id"].as_str().expect("an id");
    let address = format!("/api/v1/releases/{id}/activities/people");
    let question = tester.until_activity(id, "people/question", "OnHold").await;
    assert_eq!(
        question["form"]["fields"][0]["declaration"]["allowed"],
        json!(["early", "late"])
    );
    let wrong = tester
        .post(
            &format!("{address}/question/submit"),
            json!({"values": {"window": "never"}}),
        )
        .await;
    let problem = wrong.problem("invalid-input");
    assert!(
        problem["errors"][0]["field"]
            .as_str()
            .expect("a field")
            .contains("window"),
        "{problem}"
    );
    tester
        .post(
            &format!("{address}/question/submit"),
            json!({"values": {"window": "late"}}),
        )
        .await
        .expect(StatusCode::OK);
    for task in ["backup", "tell"] {
        let body = json!({"status": "DONE", "evidence": ["https://wiki/1"]});
        tester
            .post(&format!("{address}/checklist/tasks/{task}"), body)
            .await
            .expect(StatusCode::OK);
    }
    manager.until_status(id, "Success").await;
    let checklist = manager
        .get(&format!("{address}/checklist"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(checklist["tasks"]["tasks"][1]["status"], "DONE");
    assert_eq!(
        checklist["tasks"]["tasks"][1]["evidence"],
        json!(["https://wiki/1"])
    );
}

#[tokio::test]
async fn a_draft_shows_the_plan_that_it_would_pin() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let body = json!({"process": "train", "organization": "payments"});
    let draft = manager
        .post("/api/v1/releases", body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(draft["phases"][2]["dependsOn"], json!(["sign-off"]));
    let address = format!("/api/v1/releases/{}", draft["id"].as_str().expect("an id"));
    let graph = manager
        .get(&format!("{address}/graph"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(graph["activities"].as_array().map(Vec::len), Some(3));
    let activity = manager
        .get(&format!("{address}/activities/build/compile"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(activity["with"]["run"], json!(["build", "${version}"]));
    assert_eq!(activity["owners"], json!(["team:development"]));
    manager
        .apply(&TRAIN.replace("dependsOn: [sign-off]", "dependsOn: [build]"))
        .await
        .expect(StatusCode::OK);
    let newer = manager.get(&address).await.expect(StatusCode::OK);
    assert_eq!(newer["phases"][2]["dependsOn"], json!(["build"]));
}

#[tokio::test]
async fn what_the_process_does_not_permit_and_what_is_in_use_is_refused() {
    let test = TestApp::start().await;
    let manager = test.manager().await;
    let strict = TRAIN.replace(
        "          outputs:",
        "          mayRetry: false\n          outputs:",
    );
    manager.apply(&strict).await.expect(StatusCode::OK);
    let error = "no".to_owned();
    test.script.next(
        "build/compile",
        Outcome::Failed {
            error,
            result: json!(null),
        },
    );
    let id = manager.start_train().await;
    manager.until_activity(&id, "build/compile", "Failed").await;
    let address = format!("/api/v1/releases/{id}");
    let retry = format!("{address}/activities/build/compile/retry");
    manager
        .post(&retry, json!({"reason": "again"}))
        .await
        .problem("not-permitted-by-process");
    let deleted = manager.call(Method::DELETE, &address, &[], None).await;
    deleted.problem("in-use");
    let ignored =
        json!({"reason": "built by hand", "outputs": {"artifact": "https://artifacts/by-hand"}});
    let ignored = manager
        .post(
            &format!("{address}/activities/build/compile/ignore"),
            ignored,
        )
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&ignored["status"], &ignored["reason"]),
        (&json!("Ignored"), &json!("built by hand"))
    );
}

#[tokio::test]
async fn a_draft_is_in_no_view_of_what_runs_and_a_held_release_offers_what_people_can_do() {
    let test = TestApp::start().await;
    let (manager, tester) = (test.manager().await, test.tester().await);
    manager.apply(TRAIN).await.expect(StatusCode::OK);
    let draft =
        json!({"process": "train", "organization": "payments", "inputs": {"version": "1.5.0"}});
    let draft = manager.post("/api/v1/releases", draft).await;
    let draft = draft.expect(StatusCode::CREATED)["id"].clone();
    let train = manager.start_train().await;
    manager.until_status(&train, "OnHold").await;
    let active = "/api/v1/releases?status=Queued,Running,OnHold,Aborting";
    let active = manager.get(active).await.expect(StatusCode::OK);
    let ids: Vec<&Value> = active["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|release| &release["id"])
        .collect();
    assert_eq!(ids, [train.as_str()], "the draft {draft} does not run");

    let allowed = |view: &Value| -> Vec<String> {
        let actions = view["actions"].as_array().expect("actions").iter();
        let allowed = actions.filter(|action| action["allowed"] == true);
        allowed
            .map(|action| action["action"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let view = manager.get(&format!("/api/v1/releases/{train}")).await;
    let offered = allowed(&view.expect(StatusCode::OK));
    assert!(offered.contains(&"abort".to_owned()), "{offered:?}");
    let qa = format!("/api/v1/releases/{train}/activities/sign-off/qa");
    let view = tester.get(&qa).await.expect(StatusCode::OK);
    assert_eq!(allowed(&view), ["approve", "reject"]);
    let reject = json!({"comment": "the totals are wrong"});
    tester
        .post(&format!("{qa}/reject"), reject)
        .await
        .expect(StatusCode::OK);
    manager
        .until_activity(&train, "sign-off/qa", "Failed")
        .await;
}
