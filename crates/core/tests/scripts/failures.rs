//! What becomes of failures: automatic retry, timeouts, unknown outcomes, and what people do about them.

use crate::story::*;
use serde_json::json;
use trainmaster_core::access::Role;
use trainmaster_core::command::{ActivityCommand, ReleaseCommand};
use trainmaster_core::notice::NoticeKind;
use trainmaster_core::status::{ActivityStatus, AttemptStatus, ReleaseStatus};
use trainmaster_core::{Actor, Command, Outcome};

fn one(settings: &str) -> String {
    process(
        "one",
        &format!(
            "    - id: main\n      activities:\n        - {{id: act, uses: command, with: {{run: [act, \"${{target}}\"]}}{settings}}}\n        - {{id: next, uses: command, dependsOn: [act], with: {{run: [next]}}}}"
        ),
    )
    .replace("spec:\n", "spec:\n  inputs: [{name: target, type: string, default: qa}]\n")
}

#[test]
fn an_unresolved_failure_puts_the_release_on_hold_and_tells_the_owners_once() {
    let mut story = Story::with(&one(", owners: [team:dev, user:ben]"));
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no disk"));
    assert_eq!(story.stands(train, "main/act"), ActivityStatus::Failed);
    assert!(story.activity(train, "main/act").awaits_decision());
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    let (owners, message) = story.notified(train).remove(0);
    assert_eq!(owners, ["team:dev", "user:ben"]);
    assert_eq!(message, "one 1: main/act failed and needs your decision");
    story.passes("24h");
    story.restart_server();
    let told = story.notices(train, NoticeKind::Failure);
    assert_eq!(told.len(), 1, "nobody is told twice");
    let waits = story.waits(train);
    assert_eq!(waits[0]["reason"], json!("resolution"));
    assert_eq!(waits[0]["error"], json!("no disk"));
}

#[test]
fn the_number_of_activities_that_need_input_depends_on_who_looks() {
    let mut story = Story::with(&one(", owners: [team:dev]"));
    story.person("dora", &["dev"], Role::Viewer);
    story.person("quin", &["qa"], Role::Viewer);
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no disk"));
    assert_eq!(story.release(train).counters.needs_input, 1);
    assert_eq!(story.world.needs_of(story.holder("dora"), train), 1);
    assert_eq!(story.world.needs_of(story.holder("quin"), train), 0);
}

#[test]
fn a_retry_runs_only_the_failed_activity_again_and_keeps_its_history() {
    let mut story = Story::with(&one(""));
    let train = story.start("one", json!({}));
    let key = story.effect(train, "main/act").key.clone();
    story.finish(train, "main/act", broken("first"));
    story.retry(train, "main/act").expect("a retry");
    story.finish(train, "main/act", broken("second"));
    story.retry(train, "main/act").expect("a retry");
    assert_eq!(
        story.effect(train, "main/act").key,
        key,
        "one occurrence has one key"
    );
    story.finish(train, "main/act", done());
    let attempts = &story.activity(train, "main/act").attempts;
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status()).collect();
    assert_eq!(
        statuses,
        [
            AttemptStatus::Failed,
            AttemptStatus::Failed,
            AttemptStatus::Succeeded
        ]
    );
    let errors: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| attempt.error())
        .collect();
    assert_eq!(errors, ["first", "second"]);
    assert_eq!(story.in_flight(train), ["main/next"]);
}

#[test]
fn fix_and_continue_changes_the_inputs_of_that_attempt_only() {
    let mut story = Story::with(&one(""));
    let train = story.start("one", json!({}));
    let key = story.effect(train, "main/act").key.clone();
    story.finish(train, "main/act", broken("no"));
    let typo = story
        .fix(train, "main/act", json!({"tarrget": "prod"}))
        .expect_err("no such name");
    assert!(
        typo.to_string().contains("did you mean `target`?"),
        "{typo}"
    );
    story
        .fix(train, "main/act", json!({"target": "prod"}))
        .expect("a fix");
    assert_eq!(
        story.effect(train, "main/act").config,
        json!({"run": ["act", "prod"]})
    );
    assert_ne!(
        story.effect(train, "main/act").key,
        key,
        "changed inputs make another key"
    );
    story.finish(train, "main/act", broken("no"));
    story.retry(train, "main/act").expect("a retry");
    assert_eq!(
        story.effect(train, "main/act").config,
        json!({"run": ["act", "qa"]})
    );
    story
        .fix(train, "main/act", json!({}))
        .expect_err("it runs");
    story.finish(train, "main/act", broken("no"));
    story
        .fix(train, "main/act", json!({"run": ["other"]}))
        .expect("settings may be replaced");
    assert_eq!(
        story.effect(train, "main/act").config,
        json!({"run": ["other"]})
    );
    assert_eq!(story.release(train).inputs["target"].value, json!("qa"));
}

#[test]
fn a_fix_may_be_saved_back_to_the_input_set() {
    let mut story = Story::with(&one(""));
    story.apply("apiVersion: trainmaster.dev/v1\nkind: InputSet\nmetadata: {name: usual}\nspec: {process: one, values: {target: qa}}");
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    let action = ActivityCommand::Retry {
        inputs: values(json!({"target": "prod"})),
        remedy: None,
        save_to: "usual".parse().ok(),
        reason: "it is prod from now on".to_owned(),
    };
    story
        .person_does("ada", train, "main/act", action)
        .expect("a fix");
    let set = story
        .world
        .resources()
        .find(|resource| resource.key.name.as_str() == "usual")
        .expect("the set");
    let saved = story
        .world
        .revision(&set.key, set.revision)
        .expect("its newest revision");
    assert_eq!(
        (set.revision, &saved.spec["values"]),
        (2, &json!({"target": "prod"}))
    );
}

#[test]
fn an_ignored_failure_lets_the_next_start_and_needs_a_reason_and_the_right() {
    let mut story = Story::with(&one(", owners: [user:otto]"));
    story.person("otto", &[], Role::Operator);
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    let ignore = |reason: &str| ActivityCommand::Ignore {
        outputs: values(json!({})),
        reason: reason.to_owned(),
    };
    let refused = story
        .person_does("otto", train, "main/act", ignore("known"))
        .expect_err("critical");
    assert_eq!(
        refused.code(),
        "forbidden",
        "a critical failure needs the override permission"
    );
    let refused = story
        .person_does("ada", train, "main/act", ignore(""))
        .expect_err("no reason");
    assert_eq!(refused.code(), "reason-needed");
    story
        .ignore(train, "main/act", json!({}))
        .expect("ada may override");
    assert_eq!(story.stands(train, "main/act"), ActivityStatus::Ignored);
    assert_eq!(story.in_flight(train), ["main/next"]);
    story.finish(train, "main/next", done());
    assert_eq!(story.status(train), ReleaseStatus::PartialSuccess);
}

#[test]
fn an_output_that_is_read_later_must_be_given_when_its_activity_is_ignored() {
    let reads = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: reads}
spec:
  phases:
    - id: main
      activities:
        - {id: act, uses: command, with: {run: [act]}, outputs: {url: "${result.outputs.url}"}}
        - {id: next, uses: command, dependsOn: [act], with: {run: ["${activities.act.outputs.url}"]}}
"#;
    let mut story = Story::with(reads);
    let train = story.start("reads", json!({}));
    story.finish(train, "main/act", broken("no"));
    let refused = story
        .ignore(train, "main/act", json!({}))
        .expect_err("url is read");
    assert!(refused.to_string().contains("outputs.url"), "{refused}");
    story
        .ignore(train, "main/act", json!({"url": "https://old"}))
        .expect("a substitute");
    assert_eq!(
        story.effect(train, "main/next").config,
        json!({"run": ["https://old"]})
    );
}

#[test]
fn the_process_says_whether_retry_and_ignore_are_permitted() {
    let mut story = Story::with(&one(", mayRetry: false, mayIgnore: false"));
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    assert_eq!(
        story.retry(train, "main/act").expect_err("off").code(),
        "not-permitted-by-process"
    );
    assert_eq!(
        story
            .ignore(train, "main/act", json!({}))
            .expect_err("off")
            .code(),
        "not-permitted-by-process"
    );
    story
        .give_up(train, "main/act")
        .expect("it may be given up");
    assert_eq!(story.status(train), ReleaseStatus::Failed);
    assert_eq!(story.stands(train, "main/next"), ActivityStatus::Skipped);
}

#[test]
fn a_failed_release_goes_on_from_the_exact_point_of_failure() {
    let mut story = Story::with(&one(", onFailure: fail"));
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    assert_eq!(story.status(train), ReleaseStatus::Failed);
    story.restart_server();
    story
        .retry(train, "main/act")
        .expect("a failed release may go on");
    assert_eq!(story.status(train), ReleaseStatus::Running);
    story.finish(train, "main/act", done());
    story.finish(train, "main/next", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
    assert_eq!(story.activity(train, "main/next").attempts.len(), 1);
}

#[test]
fn a_failed_release_may_go_on_past_an_ignored_failure() {
    let mut story = Story::with(&one(", onFailure: fail"));
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    story
        .ignore(train, "main/act", json!({}))
        .expect("ada may override");
    story.finish(train, "main/next", done());
    assert_eq!(story.status(train), ReleaseStatus::PartialSuccess);
}

#[test]
fn taking_up_one_failure_leaves_phases_that_ended_by_themselves_alone() {
    let phase = |id: &str| {
        format!(
            "    - id: {id}\n      activities:\n        - {{id: act, uses: command, onFailure: fail, with: {{run: [x]}}}}\n        - {{id: next, uses: command, dependsOn: [act], with: {{run: [x]}}}}\n"
        )
    };
    let mut story = Story::with(&process("two", &(phase("left") + &phase("right"))));
    let train = story.start("two", json!({}));
    story.finish(train, "left/act", broken("no"));
    story.finish(train, "right/act", broken("no"));
    assert_eq!(story.status(train), ReleaseStatus::Failed);
    story
        .retry(train, "left/act")
        .expect("a failed release may go on");
    assert_eq!(story.stands(train, "right/next"), ActivityStatus::Skipped);
    story.finish(train, "left/act", done());
    story.finish(train, "left/next", done());
    assert_eq!(story.status(train), ReleaseStatus::Failed);
    assert_eq!(story.stands(train, "right/next"), ActivityStatus::Skipped);
}

#[test]
fn a_remedy_runs_another_process_in_place_of_the_activity() {
    let mut story = Story::with(&one(", outputs: {url: \"${result.outputs.url}\"}"));
    story.apply(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: by-hand}
spec:
  outputs: {url: "${phases.work.activities.do.outputs.url}"}
  phases:
    - id: work
      activities: [{id: do, uses: command, with: {run: [do]}, outputs: {url: "${result.outputs.url}"}}]
"#,
    );
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    let action = ActivityCommand::Retry {
        inputs: values(json!({})),
        remedy: "by-hand".parse().ok(),
        save_to: None,
        reason: "the pipeline is down".to_owned(),
    };
    story
        .person_does("ada", train, "main/act", action)
        .expect("a remedy");
    let child = story.release(train).children[0];
    story.finish(child, "work/do", handing_on(json!({"url": "https://hand"})));
    assert_eq!(
        story.activity(train, "main/act").outputs,
        values(json!({"url": "https://hand"}))
    );
    assert_eq!(story.in_flight(train), ["main/next"]);
}

#[test]
fn automatic_retries_wait_longer_each_time_and_end() {
    let mut story = Story::with(&one(
        ", onFailure: fail, retry: {maxAttempts: 4, initialDelay: 10s, maxDelay: 30s}",
    ));
    let train = story.start("one", json!({}));
    let mut delays = Vec::new();
    for _ in 0..3 {
        story.finish(train, "main/act", shaky("busy"));
        assert_eq!(story.stands(train, "main/act"), ActivityStatus::Queued);
        assert_eq!(
            story.status(train),
            ReleaseStatus::Running,
            "waiting for a retry is not on hold"
        );
        let failed_at = story.now;
        let next = story.world.wake_at().expect("the world wants to be woken");
        story.until(next);
        delays.push(next.duration_since(failed_at).as_secs());
    }
    assert!(
        delays.iter().all(|delay| (10..=30).contains(delay)),
        "{delays:?}"
    );
    assert!(delays[0] < delays[2], "{delays:?}");
    story.finish(train, "main/act", shaky("still busy"));
    assert_eq!(story.status(train), ReleaseStatus::Failed);
    assert_eq!(story.activity(train, "main/act").attempts.len(), 4);
}

#[test]
fn what_would_fail_the_same_way_is_not_retried() {
    let mut story = Story::with(&one(", retry: {maxAttempts: 4}"));
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("not found"));
    assert!(story.activity(train, "main/act").awaits_decision());
}

#[test]
fn an_attempt_that_runs_out_of_time_is_stopped_and_counts_as_failed() {
    let mut story = Story::with(&one(", timeout: 30m"));
    let train = story.start("one", json!({}));
    story.passes("30m");
    assert_eq!(
        story.effect(train, "main/act").intent,
        trainmaster_core::effect::Intent::Cancel
    );
    story.finish(train, "main/act", Outcome::Cancelled { confirmed: true });
    let activity = story.activity(train, "main/act");
    assert_eq!(activity.attempts[0].status(), AttemptStatus::TimedOut);
    assert!(activity.awaits_decision());
}

#[test]
fn an_attempt_that_cannot_be_stopped_in_time_is_unknown() {
    let mut story = Story::with(&one(", timeout: 30m"));
    let train = story.start("one", json!({}));
    story.passes("32m");
    let activity = story.activity(train, "main/act");
    assert_eq!(activity.attempts[0].status(), AttemptStatus::Unknown);
    assert_eq!(activity.status(), ActivityStatus::OnHold);
    assert_eq!(story.waits(train)[0]["unknown"], json!(true));
}

#[test]
fn an_unknown_outcome_asks_retries_or_fails_as_the_process_says() {
    for (rule, status) in [
        ("hold", ActivityStatus::OnHold),
        ("retry", ActivityStatus::Queued),
        ("fail", ActivityStatus::Failed),
    ] {
        let mut story = Story::with(&one(&format!(", onUnknown: {rule}")));
        let train = story.start("one", json!({}));
        let key = story.effect(train, "main/act").key.clone();
        story.finish(train, "main/act", unknown("the runner died"));
        assert_eq!(story.stands(train, "main/act"), status, "{rule}");
        if rule == "retry" {
            story.passes("1h");
            assert_eq!(
                story.effect(train, "main/act").key,
                key,
                "it runs again with the same key"
            );
        }
    }
}

#[test]
fn a_result_counts_once() {
    let mut story = Story::with(&one(""));
    let train = story.start("one", json!({}));
    let attempt = story.effect(train, "main/act").id.clone();
    story.finish(train, "main/act", done());
    let again = Command::FinishAttempt {
        attempt: attempt.clone(),
        outcome: broken("twice"),
    };
    story.command(Actor::System, again).expect("a late fact");
    assert_eq!(story.stands(train, "main/act"), ActivityStatus::Success);
    let unknown_attempt = trainmaster_core::ids::AttemptId {
        number: 7,
        ..attempt
    };
    let refused = story.command(
        Actor::System,
        Command::FinishAttempt {
            attempt: unknown_attempt,
            outcome: done(),
        },
    );
    assert_eq!(refused.expect_err("never started").code(), "stale-attempt");
}

#[test]
fn people_cannot_report_outcomes() {
    let mut story = Story::with(&one(""));
    let train = story.start("one", json!({}));
    let attempt = story.effect(train, "main/act").id.clone();
    let forged = story.command(
        story.actor("root"),
        Command::FinishAttempt {
            attempt,
            outcome: done(),
        },
    );
    assert_eq!(forged.expect_err("only the server").code(), "not-yours");
}

#[test]
fn a_handle_is_kept_for_whoever_resumes_the_work() {
    let mut story = Story::with(&one(""));
    let train = story.start("one", json!({}));
    let attempt = story.effect(train, "main/act").id.clone();
    let handle = json!({"build": 512});
    story
        .command(
            Actor::System,
            Command::ReportHandle {
                attempt,
                handle: handle.clone(),
            },
        )
        .expect("a handle");
    story.restart_server();
    assert_eq!(story.effect(train, "main/act").handle, Some(handle));
}

#[test]
fn a_decision_that_nobody_makes_in_time_is_made_by_the_deadline() {
    let timed = one("").replace("spec:\n", "spec:\n  decisionDeadline: 2h\n");
    let mut story = Story::with(&timed);
    let train = story.start("one", json!({}));
    story.finish(train, "main/act", broken("no"));
    story.passes("1h");
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    story.passes("1h");
    assert_eq!(story.status(train), ReleaseStatus::Failed);
}

#[test]
fn settings_that_cannot_be_evaluated_fail_the_attempt_with_the_place() {
    let reads = process(
        "reads",
        "    - id: main\n      activities:\n        - {id: act, uses: command, with: {run: [a]}}\n        - {id: next, uses: command, dependsOn: [act], with: {run: [\"${activities.act.outputs.url}\"]}}",
    );
    let mut story = Story::with(&reads.replace(
        "with: {run: [a]}}",
        "with: {run: [a]}, outputs: {url: \"${result.outputs.url}\"}}",
    ));
    let train = story.start("reads", json!({}));
    story.finish(train, "main/act", handing_on(json!({})));
    let activity = story.activity(train, "main/act");
    assert!(activity.awaits_decision());
    let error = activity.attempts[0].error().expect("an error").to_owned();
    assert!(error.contains("output `url`"), "{error}");
    story
        .ignore(train, "main/act", json!({"url": "x"}))
        .expect("a substitute");
    assert_eq!(story.in_flight(train), ["main/next"]);
}

#[test]
fn a_failure_holds_up_no_independent_branch() {
    let branches = process(
        "branches",
        "    - id: main\n      activities:\n        - {id: bad, uses: command, with: {run: [a]}}\n        - {id: one, uses: command, with: {run: [b]}}\n        - {id: two, uses: command, dependsOn: [one], with: {run: [c]}}",
    );
    let mut story = Story::with(&branches);
    let train = story.start("branches", json!({}));
    story.finish(train, "main/bad", broken("no"));
    assert_eq!(story.status(train), ReleaseStatus::Running);
    assert_eq!(
        story.release(train).counters.needs_input,
        1,
        "a running release shows what waits"
    );
    story.finish(train, "main/one", done());
    assert_eq!(story.in_flight(train), ["main/two"]);
    story.finish(train, "main/two", done());
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    story
        .does(
            "ada",
            train,
            ReleaseCommand::Abort {
                reason: "enough".to_owned(),
            },
        )
        .expect("abort");
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
}
