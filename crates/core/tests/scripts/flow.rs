//! How a release flows: phases, activities, dependencies, conditions, items, windows, roll-up.

use crate::story::*;
use serde_json::json;
use trainmaster_core::status::{ActivityStatus, PhaseStatus, ReleaseStatus};

const DIAMOND: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: diamond}
spec:
  phases:
    - id: build
      activities:
        - {id: compile, uses: command, with: {run: [build]}}
        - {id: lint, uses: command, with: {run: [lint]}}
        - {id: package, uses: command, dependsOn: [compile, lint], with: {run: [package]}}
    - id: left
      dependsOn: [build]
      activities: [{id: deploy, uses: command, with: {run: [deploy]}}]
    - id: right
      dependsOn: [build]
      activities: [{id: deploy, uses: command, with: {run: [deploy]}}]
    - id: verify
      dependsOn: [left, right]
      activities: [{id: smoke, uses: command, with: {run: [smoke]}}]
"#;

#[test]
fn phases_and_activities_run_in_the_order_of_their_dependencies() {
    let mut story = Story::with(DIAMOND);
    let train = story.start("diamond", json!({}));
    assert_eq!(story.in_flight(train), ["build/compile", "build/lint"]);
    story.finish(train, "build/lint", done());
    assert_eq!(story.in_flight(train), ["build/compile"]);
    story.finish(train, "build/compile", done());
    assert_eq!(story.in_flight(train), ["build/package"]);
    story.finish(train, "build/package", done());
    assert_eq!(story.in_flight(train), ["left/deploy", "right/deploy"]);
    story.finish(train, "right/deploy", done());
    assert_eq!(story.phase(train, "verify"), PhaseStatus::Pending);
    story.finish(train, "left/deploy", done());
    assert_eq!(story.in_flight(train), ["verify/smoke"]);
    story.finish(train, "verify/smoke", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn status_is_tracked_at_every_level_while_it_runs() {
    let mut story = Story::with(DIAMOND);
    let train = story.start("diamond", json!({}));
    story.finish(train, "build/compile", done());
    assert_eq!(story.status(train), ReleaseStatus::Running);
    assert_eq!(story.phase(train, "build"), PhaseStatus::Running);
    assert_eq!(
        story.board(train),
        "build/compile Success\nbuild/lint Running\nbuild/package Pending\n\
         left/deploy Pending\nright/deploy Pending\nverify/smoke Pending"
    );
    let counters = story.release(train).counters;
    assert_eq!(
        (
            counters.total,
            counters.running,
            counters.succeeded,
            counters.pending
        ),
        (6, 1, 1, 4)
    );
}

#[test]
fn a_server_that_is_killed_goes_on_where_it_was() {
    let mut story = Story::with(DIAMOND);
    let train = story.start("diamond", json!({}));
    for at in [
        "build/compile",
        "build/lint",
        "build/package",
        "left/deploy",
        "right/deploy",
        "verify/smoke",
    ] {
        story.restart_server();
        story.finish(train, at, done());
    }
    assert_eq!(story.status(train), ReleaseStatus::Success);
    assert!(
        story
            .world
            .activities(train)
            .iter()
            .all(|activity| activity.attempts.len() == 1)
    );
}

#[test]
fn values_flow_from_inputs_over_variables_and_outputs_to_settings() {
    let mut story = Story::with(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: values}
spec:
  inputs: [{name: releaseVersion, type: string, required: true}]
  variables: {tag: "v${releaseVersion}"}
  phases:
    - id: build
      variables: {buildVersion: "${releaseVersion}"}
      activities:
        - id: compile
          uses: command
          variables: {artifactTag: "${buildVersion}-final"}
          with: {run: [build, "${artifactTag}", "${tag}"]}
          outputs: {artifactUrl: "${result.outputs.url}"}
    - id: deploy
      dependsOn: [build]
      activities:
        - {id: rollout, uses: command, with: {run: [deploy, "${phases.build.activities.compile.outputs.artifactUrl}"]}}
"#,
    );
    let train = story.start("values", json!({"releaseVersion": "2.1.3"}));
    assert_eq!(
        story.effect(train, "build/compile").config,
        json!({"run": ["build", "2.1.3-final", "v2.1.3"]})
    );
    story.finish(
        train,
        "build/compile",
        handing_on(json!({"url": "https://art/42"})),
    );
    assert_eq!(
        story.effect(train, "deploy/rollout").config,
        json!({"run": ["deploy", "https://art/42"]})
    );
}

#[test]
fn a_condition_that_does_not_hold_skips_and_counts_as_good() {
    let mut story = Story::with(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: choice}
spec:
  inputs: [{name: target, type: string, default: QA}]
  phases:
    - id: deploy
      activities:
        - {id: qa, uses: command, when: "target == 'QA'", with: {run: [qa]}}
        - {id: prod, uses: command, when: "target == 'PROD'", with: {run: [prod]}}
        - {id: report, uses: command, dependsOn: [qa, prod], with: {run: [report]}}
    - id: celebrate
      dependsOn: [deploy]
      when: "target == 'PROD'"
      activities: [{id: cake, uses: command, with: {run: [cake]}}]
"#,
    );
    let train = story.start("choice", json!({}));
    assert_eq!(story.in_flight(train), ["deploy/qa"]);
    assert_eq!(story.stands(train, "deploy/prod"), ActivityStatus::Skipped);
    story.finish(train, "deploy/qa", done());
    story.finish(train, "deploy/report", done());
    assert_eq!(story.phase(train, "celebrate"), PhaseStatus::Skipped);
    assert_eq!(story.status(train), ReleaseStatus::Success);
    let other = story.start("choice", json!({"target": "PROD"}));
    assert_eq!(story.in_flight(other), ["deploy/prod"]);
}

const ITEMS: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: items}
spec:
  inputs: [{name: services, type: list, default: [a, b, c, d]}]
  phases:
    - id: deploy
      activities:
        - id: rollout
          uses: command
          forEach: "${services}"
          maxParallel: 2
          with: {run: [deploy, "${item}", "${string(index)}"]}
          outputs: {place: "${result.outputs.place}"}
        - {id: report, uses: command, dependsOn: [rollout], with: {run: [report], stdin: "${activities.rollout.outputs.place[0]}"}}
"#;

#[test]
fn items_of_a_for_each_share_its_slots() {
    let mut story = Story::with(ITEMS);
    let train = story.start("items", json!({}));
    assert_eq!(
        story.in_flight(train),
        ["deploy/rollout[0]", "deploy/rollout[1]"]
    );
    assert_eq!(
        story.effect(train, "deploy/rollout[1]").config["run"],
        json!(["deploy", "b", "1"])
    );
    story.finish(
        train,
        "deploy/rollout[1]",
        handing_on(json!({"place": "eu"})),
    );
    assert_eq!(
        story.in_flight(train),
        ["deploy/rollout[0]", "deploy/rollout[2]"]
    );
    // A failure that waits for a person holds up nothing else.
    story.finish(train, "deploy/rollout[0]", broken("no disk"));
    assert_eq!(
        story.in_flight(train),
        ["deploy/rollout[2]", "deploy/rollout[3]"]
    );
    story.finish(
        train,
        "deploy/rollout[2]",
        handing_on(json!({"place": "us"})),
    );
    story
        .retry(train, "deploy/rollout[0]")
        .expect("a failed item may be retried");
    story.finish(
        train,
        "deploy/rollout[0]",
        handing_on(json!({"place": "asia"})),
    );
    story.finish(
        train,
        "deploy/rollout[3]",
        handing_on(json!({"place": "africa"})),
    );
    assert_eq!(
        story.effect(train, "deploy/report").config["stdin"],
        json!("asia")
    );
    story.finish(train, "deploy/report", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn a_retried_item_waits_for_a_slot_like_the_others() {
    let mut story = Story::with(ITEMS);
    let train = story.start("items", json!({}));
    story.finish(train, "deploy/rollout[0]", broken("no disk"));
    assert_eq!(
        story.in_flight(train),
        ["deploy/rollout[1]", "deploy/rollout[2]"]
    );
    story
        .retry(train, "deploy/rollout[0]")
        .expect("a failed item may be retried");
    assert_eq!(
        story.stands(train, "deploy/rollout[0]"),
        ActivityStatus::Queued
    );
    assert_eq!(story.in_flight(train).len(), 2);
    story.finish(
        train,
        "deploy/rollout[1]",
        handing_on(json!({"place": "eu"})),
    );
    assert_eq!(
        story.in_flight(train),
        ["deploy/rollout[0]", "deploy/rollout[2]"]
    );
}

#[test]
fn an_empty_for_each_is_skipped() {
    let mut story = Story::with(ITEMS);
    let train = story.start("items", json!({"services": []}));
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Skipped
    );
}

#[test]
fn a_gate_holds_the_other_activities_of_its_phase() {
    let mut story = Story::with(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: gated}
spec:
  phases:
    - id: deploy
      gates: [{id: change, uses: approval, with: {approvers: [team:operations]}}]
      activities: [{id: rollout, uses: command, with: {run: [deploy]}}]
"#,
    );
    story.person(
        "olga",
        &["operations"],
        trainmaster_core::access::Role::Viewer,
    );
    let train = story.start("gated", json!({}));
    assert!(story.in_flight(train).is_empty());
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    assert_eq!(story.phase(train, "deploy"), PhaseStatus::OnHold);
    story
        .approve("olga", train, "deploy/change")
        .expect("olga operates");
    assert_eq!(story.in_flight(train), ["deploy/rollout"]);
    let other = story.start("gated", json!({}));
    story
        .reject("olga", other, "deploy/change")
        .expect("olga operates");
    story
        .give_up(other, "deploy/change")
        .expect("a rejection may be accepted");
    assert_eq!(
        story.stands(other, "deploy/rollout"),
        ActivityStatus::Skipped
    );
    assert_eq!(story.status(other), ReleaseStatus::Failed);
}

const TRAIN: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: windows}
spec:
  phases:
    - id: cut
      activities: [{id: branch, uses: command, with: {run: [cut]}}]
    - id: fixes
      dependsOn: [cut]
      opens: {day: 2, time: "09:00"}
      closes: {day: 4, time: "12:00", then: complete}
      activities:
        - {id: window, uses: wait, with: {until: {day: 4, time: "12:00"}}}
        - {id: late, uses: command, dependsOn: [window], with: {run: [late]}}
    - id: prod
      dependsOn: [fixes]
      opens: {day: 9, time: "09:00"}
      activities: [{id: deploy, uses: command, with: {run: [deploy]}}]
"#;

#[test]
fn phases_open_and_close_on_days_of_the_release() {
    let mut story = Story::with(TRAIN);
    let train = story.start("windows", json!({}));
    story.finish(train, "cut/branch", done());
    assert_eq!(story.phase(train, "fixes"), PhaseStatus::Pending);
    assert_eq!(
        story.status(train),
        ReleaseStatus::Running,
        "waiting for a window is not on hold"
    );
    assert_eq!(story.waits(train)[0]["reason"], json!("window"));
    story.until_day("2026-01-06T08:59:59Z");
    assert_eq!(story.phase(train, "fixes"), PhaseStatus::Pending);
    story.until_day("2026-01-06T09:00:00Z");
    assert_eq!(story.phase(train, "fixes"), PhaseStatus::Running);
    story.until_day("2026-01-08T12:00:00Z");
    assert_eq!(story.stands(train, "fixes/window"), ActivityStatus::Success);
    assert!(story.phase(train, "fixes").is_terminal());
    assert_eq!(story.phase(train, "prod"), PhaseStatus::Pending);
    story.until_day("2026-01-13T09:00:00Z");
    assert_eq!(story.in_flight(train), ["prod/deploy"]);
    story.finish(train, "prod/deploy", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn what_has_not_started_when_a_phase_closes_is_skipped_and_may_count_as_failed() {
    let closing = |then: &str| {
        process(
            "closing",
            &format!(
                "    - id: fixes\n      closes: {{day: 1, time: \"12:00\", then: {then}}}\n      activities:\n        - {{id: long, uses: command, with: {{run: [long]}}}}\n        - {{id: after, uses: command, dependsOn: [long], with: {{run: [after]}}}}"
            ),
        )
    };
    for (then, outcome) in [
        ("complete", ReleaseStatus::Success),
        ("fail", ReleaseStatus::Failed),
    ] {
        let mut story = Story::with(&closing(then));
        let train = story.start("closing", json!({}));
        story.until_day("2026-01-05T12:00:00Z");
        assert_eq!(story.stands(train, "fixes/after"), ActivityStatus::Skipped);
        assert_eq!(
            story.in_flight(train),
            ["fixes/long"],
            "running work is not killed"
        );
        story.finish(train, "fixes/long", done());
        assert_eq!(story.status(train), outcome, "then: {then}");
    }
}

fn importances(allow: bool) -> String {
    format!(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {{name: importances}}
spec:
  allowPartialSuccess: {allow}
  phases:
    - id: main
      activities:
        - {{id: critical, uses: command, onFailure: fail, with: {{run: [x]}}}}
        - {{id: required, uses: command, onFailure: fail, importance: required, with: {{run: [x]}}}}
        - {{id: optional, uses: command, importance: optional, with: {{run: [x]}}}}
"#
    )
}

#[test]
fn the_outcome_follows_importance_and_the_process() {
    let fate = |failing: &[&str], allow: bool| {
        let mut story = Story::with(&importances(allow));
        let train = story.start("importances", json!({}));
        for at in ["critical", "required", "optional"] {
            let outcome = if failing.contains(&at) {
                broken("no")
            } else {
                done()
            };
            story.finish(train, &format!("main/{at}"), outcome);
        }
        story.status(train)
    };
    assert_eq!(fate(&[], true), ReleaseStatus::Success);
    assert_eq!(fate(&["optional"], true), ReleaseStatus::Success);
    assert_eq!(fate(&["required"], true), ReleaseStatus::PartialSuccess);
    assert_eq!(fate(&["required"], false), ReleaseStatus::Failed);
    assert_eq!(fate(&["critical", "required"], true), ReleaseStatus::Failed);
}

#[test]
fn a_rollback_phase_runs_only_on_failure() {
    let rollback = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: rollback}
spec:
  phases:
    - id: deploy
      activities: [{id: rollout, uses: command, onFailure: fail, with: {run: [x]}}]
    - id: back
      dependsOn: [deploy]
      when: failure()
      activities: [{id: undo, uses: command, with: {run: [undo]}}]
    - id: report
      dependsOn: [back]
      when: always()
      activities: [{id: mail, uses: command, with: {run: [mail]}}]
"#;
    let mut story = Story::with(rollback);
    let good = story.start("rollback", json!({}));
    story.finish(good, "deploy/rollout", done());
    assert_eq!(story.phase(good, "back"), PhaseStatus::Skipped);
    story.finish(good, "report/mail", done());
    assert_eq!(story.status(good), ReleaseStatus::Success);
    let bad = story.start("rollback", json!({}));
    story.finish(bad, "deploy/rollout", broken("no"));
    story.finish(bad, "back/undo", done());
    story.finish(bad, "report/mail", done());
    assert_eq!(story.status(bad), ReleaseStatus::Failed);
    let refused = story
        .retry(bad, "deploy/rollout")
        .expect_err("its rollback has run");
    assert_eq!(refused.code(), "dependent-started");
}

const CHILD: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: child}
spec:
  inputs: [{name: region, type: string, required: true}]
  outputs: {url: "${phases.work.activities.act.outputs.url}"}
  phases:
    - id: work
      activities:
        - {id: act, uses: command, with: {run: ["${region}"]}, outputs: {url: "${result.outputs.url}"}}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: parent}
spec:
  phases:
    - id: main
      activities:
        - {id: run, uses: subprocess, with: {process: child, inputs: {region: eu}}, outputs: {url: "${result.outputs.url}"}}
        - {id: use, uses: command, dependsOn: [run], with: {run: ["${activities.run.outputs.url}"]}}
"#;

#[test]
fn a_subprocess_runs_as_a_child_release_and_hands_its_outputs_back() {
    let mut story = Story::with(CHILD);
    let parent = story.start("parent", json!({}));
    let child = story.release(parent).children[0];
    assert_eq!(
        story.effect(child, "work/act").config,
        json!({"run": ["eu"]})
    );
    assert_eq!(story.waits(parent)[0]["release"], json!(child));
    story.restart_server();
    story.finish(child, "work/act", handing_on(json!({"url": "https://eu"})));
    assert_eq!(story.status(child), ReleaseStatus::Success);
    assert_eq!(
        story.effect(parent, "main/use").config,
        json!({"run": ["https://eu"]})
    );
}

#[test]
fn aborting_a_parent_aborts_its_children() {
    let mut story = Story::with(CHILD);
    let parent = story.start("parent", json!({}));
    let child = story.release(parent).children[0];
    story.abort(parent);
    assert_eq!(story.status(parent), ReleaseStatus::Aborting);
    assert_eq!(story.status(child), ReleaseStatus::Aborting);
    story.finish(
        child,
        "work/act",
        trainmaster_core::Outcome::Cancelled { confirmed: true },
    );
    assert_eq!(story.status(child), ReleaseStatus::Aborted);
    assert_eq!(story.status(parent), ReleaseStatus::Aborted);
}

#[test]
fn a_process_that_would_run_itself_is_refused() {
    let mut story = Story::with(CHILD);
    let looped = CHILD.replace(
        "{id: act, uses: command, with: {run: [\"${region}\"]}, outputs: {url: \"${result.outputs.url}\"}}",
        "{id: act, uses: subprocess, with: {process: parent}, outputs: {url: \"x\"}}",
    );
    let refused = story.try_apply("ada", &looped).expect_err("a cycle");
    assert!(
        refused.to_string().contains("child → parent → child"),
        "{refused}"
    );
}

#[test]
fn a_process_edited_while_a_release_runs_leaves_the_release_alone() {
    let mut story = Story::with(DIAMOND);
    let train = story.start("diamond", json!({}));
    story.apply(&DIAMOND.replace("run: [package]", "run: [other]"));
    story.finish(train, "build/compile", done());
    story.finish(train, "build/lint", done());
    assert_eq!(
        story.effect(train, "build/package").config,
        json!({"run": ["package"]})
    );
    let next = story.start("diamond", json!({}));
    assert_eq!(
        (story.release(train).revision, story.release(next).revision),
        (Some(1), Some(2))
    );
}

#[test]
fn a_condition_of_a_for_each_may_be_about_its_items() {
    let mut story = Story::with(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: some}
spec:
  phases:
    - id: deploy
      activities:
        - id: rollout
          uses: command
          forEach: [eu, us, asia]
          when: "item != 'us'"
          variables: {place: "${item}-1"}
          with: {run: [deploy, "${place}"]}
"#,
    );
    let train = story.start("some", json!({}));
    assert_eq!(
        story.in_flight(train),
        ["deploy/rollout[0]", "deploy/rollout[2]"]
    );
    assert_eq!(
        story.stands(train, "deploy/rollout[1]"),
        ActivityStatus::Skipped
    );
    assert_eq!(
        story.effect(train, "deploy/rollout[2]").config["run"],
        json!(["deploy", "asia-1"])
    );
    story.finish(train, "deploy/rollout[0]", done());
    story.finish(train, "deploy/rollout[2]", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}
