//! The life of a release: draft, schedule, start, pause, abort, restart, archive, delete.

use crate::story::*;
use serde_json::json;
use trainmaster_core::access::Role;
use trainmaster_core::command::{NewRelease, ReleaseChanges, ReleaseCommand, RestartFrom};
use trainmaster_core::release::{Origin, StartMode};
use trainmaster_core::status::{ActivityStatus, ReleaseStatus, Stage};
use trainmaster_core::{Command, Outcome};

const TRAIN: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  inputs:
    - {name: version, type: string, required: true, pattern: '^\d+\.\d+$'}
    - {name: target, type: string, default: QA, allowed: [QA, PROD]}
  phases:
    - id: build
      activities: [{id: compile, uses: command, with: {run: [build, "${version}", "${target}"]}}]
    - id: deploy
      dependsOn: [build]
      activities: [{id: rollout, uses: command, with: {run: [deploy]}}]
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: prod}
spec: {process: train, values: {target: PROD}}
"#;

fn finalize(story: &mut Story, release: trainmaster_core::ids::ReleaseId) {
    story
        .does("ada", release, ReleaseCommand::Finalize)
        .expect("it may be finalized");
}

fn scheduled(story: &mut Story, start_at: &str) -> trainmaster_core::ids::ReleaseId {
    let start_at = Some(start_at.parse().expect("an instant"));
    let release = NewRelease {
        start_at,
        finalize: true,
        ..new("train", json!({"version": "1.2"}))
    };
    story
        .create("ada", release)
        .expect("a release that may be scheduled")
}

#[test]
fn a_release_starts_on_demand_at_once() {
    let mut story = Story::with(TRAIN);
    let train = story.draft("train", json!({"version": "1.2"}));
    assert_eq!(story.status(train), ReleaseStatus::Draft);
    assert!(story.world.activities(train).is_empty());
    let start = ReleaseCommand::Activate {
        inputs: values(json!({})),
    };
    story
        .does("ada", train, start)
        .expect("a draft may be activated");
    assert_eq!(story.in_flight(train), ["build/compile"]);
}

#[test]
fn a_scheduled_release_starts_at_its_time_and_not_before() {
    let mut story = Story::with(TRAIN);
    let train = scheduled(&mut story, "2026-01-05T14:00:00Z");
    assert_eq!(story.release(train).status().stage(), Stage::Scheduled);
    story.until_day("2026-01-05T13:59:59Z");
    assert_eq!(story.status(train), ReleaseStatus::Scheduled);
    story.until_day("2026-01-05T14:00:00Z");
    assert_eq!(story.status(train), ReleaseStatus::Running);
}

#[test]
fn a_pre_executed_release_does_not_start_a_second_time() {
    let mut story = Story::with(TRAIN);
    let train = scheduled(&mut story, "2026-01-05T14:00:00Z");
    let early = |purpose: &str, inputs| ReleaseCommand::PreExecute {
        inputs: values(inputs),
        purpose: purpose.to_owned(),
    };
    assert_eq!(
        story
            .does("ada", train, early(" ", json!({})))
            .expect_err("no purpose")
            .code(),
        "invalid-input"
    );
    let fixed = story.does("ada", train, early("rehearsal", json!({"version": "9.9"})));
    assert_eq!(
        fixed.expect_err("a required input is fixed").code(),
        "invalid-input"
    );
    story
        .does("ada", train, early("rehearsal", json!({"target": "PROD"})))
        .expect("early start");
    assert_eq!(
        story.effect(train, "build/compile").config["run"],
        json!(["build", "1.2", "PROD"])
    );
    assert_eq!(
        story.release(train).inputs["target"].origin,
        Origin::Override
    );
    story.until_day("2026-01-06T00:00:00Z");
    assert_eq!(story.release(train).run, 1);
    assert_eq!(story.told(train, Some("build/compile")), ["AttemptStarted"]);
}

#[test]
fn a_release_without_a_time_or_in_manual_mode_waits_for_a_person() {
    let mut story = Story::with(TRAIN);
    let manual = NewRelease {
        start_at: Some("2026-01-05T14:00:00Z".parse().expect("an instant")),
        start_mode: StartMode::Manual,
        finalize: true,
        ..new("train", json!({"version": "1.2"}))
    };
    let train = story.create("ada", manual).expect("a release");
    let activate = || ReleaseCommand::Activate {
        inputs: values(json!({})),
    };
    let early = story
        .does("ada", train, activate())
        .expect_err("its time has not come");
    assert_eq!(early.code(), "wrong-release-status");
    story.until_day("2026-01-06T00:00:00Z");
    assert_eq!(story.status(train), ReleaseStatus::Scheduled);
    assert_eq!(story.waits(train)[0]["reason"], json!("start"));
    story
        .does("ada", train, activate())
        .expect("its time has come");
    assert_eq!(story.status(train), ReleaseStatus::Running);
}

#[test]
fn what_is_missing_or_wrong_is_listed_all_at_once() {
    let mut story = Story::with(TRAIN);
    let refused = story
        .try_start("train", json!({"target": "MOON", "colour": "red"}))
        .expect_err("bad inputs");
    let text = refused.to_string();
    for field in ["version", "target", "colour"] {
        assert!(text.contains(field), "{text}");
    }
    assert_eq!(
        story.world.releases().count(),
        0,
        "a refused command leaves nothing behind"
    );
}

#[test]
fn the_nearer_value_wins_and_says_where_it_comes_from() {
    let mut story = Story::with(TRAIN);
    let with_set = NewRelease {
        input_set: "prod".parse().ok(),
        start: true,
        ..new("train", json!({"version": "1.2"}))
    };
    let train = story.create("ada", with_set).expect("a release");
    let inputs = &story.release(train).inputs;
    assert_eq!(
        (&inputs["target"].value, inputs["target"].origin),
        (&json!("PROD"), Origin::InputSet)
    );
    assert_eq!(inputs["version"].origin, Origin::Release);
    let other = story.start("train", json!({"version": "1.2"}));
    assert_eq!(
        story.release(other).inputs["target"].origin,
        Origin::Default
    );
}

#[test]
fn a_scheduled_release_is_locked_until_it_is_cancelled() {
    let mut story = Story::with(TRAIN);
    let train = scheduled(&mut story, "2026-01-05T14:00:00Z");
    let edit = |story: &mut Story, changes: ReleaseChanges| {
        let command = Command::EditRelease {
            release: train,
            changes: Box::new(changes),
            if_version: None,
        };
        story.command(story.actor("ada"), command).map(drop)
    };
    let inputs = || ReleaseChanges {
        inputs: Some(values(json!({"version": "2.0"}))),
        ..Default::default()
    };
    assert_eq!(
        edit(&mut story, inputs()).expect_err("locked").code(),
        "wrong-release-status"
    );
    let name = ReleaseChanges {
        name: Some("week 2".to_owned()),
        ..Default::default()
    };
    edit(&mut story, name).expect("the name may change");
    story
        .does(
            "ada",
            train,
            ReleaseCommand::Cancel {
                reason: "moved".to_owned(),
            },
        )
        .expect("cancel");
    assert_eq!(story.status(train), ReleaseStatus::Draft);
    edit(&mut story, inputs()).expect("a draft may change");
    story.until_day("2026-01-06T00:00:00Z");
    assert_eq!(
        story.status(train),
        ReleaseStatus::Draft,
        "a draft does not start by itself"
    );
    let stale = Command::EditRelease {
        release: train,
        changes: Box::default(),
        if_version: Some(1),
    };
    assert_eq!(
        story
            .command(story.actor("ada"), stale)
            .expect_err("edited since")
            .code(),
        "stale-version"
    );
}

#[test]
fn a_paused_release_finishes_what_runs_and_goes_on_where_it_was() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({"version": "1.2"}));
    story.pause(train);
    story.finish(train, "build/compile", done());
    story.passes("24h");
    assert!(story.in_flight(train).is_empty());
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    assert_eq!(story.waits(train)[0]["reason"], json!("paused"));
    story.restart_server();
    story.resume(train);
    assert_eq!(story.in_flight(train), ["deploy/rollout"]);
}

#[test]
fn an_aborted_release_cancels_what_runs_and_may_run_again_from_the_start() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({"version": "1.2"}));
    story.finish(train, "build/compile", done());
    let key = story.effect(train, "deploy/rollout").key.clone();
    let empty = story.does(
        "ada",
        train,
        ReleaseCommand::Abort {
            reason: " ".to_owned(),
        },
    );
    assert_eq!(empty.expect_err("no reason").code(), "reason-needed");
    story.abort(train);
    assert_eq!(story.status(train), ReleaseStatus::Aborting);
    assert_eq!(
        story.effect(train, "deploy/rollout").intent,
        trainmaster_core::effect::Intent::Cancel
    );
    story.finish(
        train,
        "deploy/rollout",
        Outcome::Cancelled { confirmed: true },
    );
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Aborted
    );
    story.restart(train, RestartFrom::Start);
    assert_eq!(story.release(train).run, 2);
    assert_eq!(story.in_flight(train), ["build/compile"]);
    story.finish(train, "build/compile", done());
    assert_ne!(
        story.effect(train, "deploy/rollout").key,
        key,
        "another run has another key"
    );
    assert_eq!(
        story.effect(train, "deploy/rollout").id.number,
        2,
        "an attempt number is never used twice"
    );
    story.finish(train, "deploy/rollout", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
    assert_eq!(
        story.activity(train, "build/compile").attempts.len(),
        2,
        "history stays"
    );
}

#[test]
fn a_restart_may_keep_finished_work() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({"version": "1.2"}));
    story.finish(train, "build/compile", done());
    story.abort(train);
    story.finish(
        train,
        "deploy/rollout",
        Outcome::Cancelled { confirmed: true },
    );
    story.restart(train, RestartFrom::Unfinished);
    assert_eq!(story.in_flight(train), ["deploy/rollout"]);
}

#[test]
fn an_aborted_release_may_be_scheduled_anew() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({"version": "1.2"}));
    story.abort(train);
    story.finish(
        train,
        "build/compile",
        Outcome::Cancelled { confirmed: true },
    );
    let at = Some("2026-01-07T10:00:00Z".parse().expect("an instant"));
    let action = ReleaseCommand::Restart {
        from: RestartFrom::Start,
        at,
        reason: "next week".to_owned(),
    };
    story.does("ada", train, action).expect("a later start");
    assert_eq!(story.status(train), ReleaseStatus::Scheduled);
    story.until_day("2026-01-07T10:00:00Z");
    assert_eq!(story.in_flight(train), ["build/compile"]);
    assert_eq!(story.release(train).run, 2);
}

#[test]
fn a_cancellation_that_nobody_confirms_is_recorded_as_such() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({"version": "1.2"}));
    let attempt = story.effect(train, "build/compile").id.clone();
    story.abort(train);
    story.passes("2m");
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
    let outcome = story.activity(train, "build/compile").attempts[0]
        .outcome
        .clone();
    assert_eq!(
        serde_json::to_value(outcome).expect("JSON"),
        json!({"status": "cancelled", "confirmed": false})
    );
    // What comes late is kept as a fact and changes nothing.
    story
        .command(
            trainmaster_core::Actor::System,
            Command::FinishAttempt {
                attempt,
                outcome: done(),
            },
        )
        .expect("a fact");
    assert_eq!(
        story
            .told(train, Some("build/compile"))
            .last()
            .map(String::as_str),
        Some("LateOutcomeRecorded")
    );
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
}

#[test]
fn a_release_waits_for_the_releases_before_it() {
    let mut story = Story::with(TRAIN);
    let first = story.start("train", json!({"version": "1.0"}));
    let second = NewRelease {
        after: vec![first],
        start: true,
        ..new("train", json!({"version": "1.1"}))
    };
    let second = story.create("ada", second).expect("a release");
    assert_eq!(story.status(second), ReleaseStatus::Queued);
    assert_eq!(story.waits(second)[0]["reason"], json!("predecessor"));
    story.restart_server();
    story.finish(first, "build/compile", done());
    story.finish(first, "deploy/rollout", done());
    assert_eq!(story.in_flight(second), ["build/compile"]);
}

#[test]
fn a_release_waits_for_nothing_that_has_ended_before_the_server_started() {
    let mut story = Story::with(TRAIN);
    let first = story.start("train", json!({"version": "1.0"}));
    let second = NewRelease {
        after: vec![first],
        ..new("train", json!({"version": "1.1"}))
    };
    let second = story.create("ada", second).expect("a draft");
    story.finish(first, "build/compile", done());
    story.finish(first, "deploy/rollout", done());
    story.restart_with_what_runs();
    story
        .does(
            "ada",
            second,
            ReleaseCommand::Activate {
                inputs: values(json!({})),
            },
        )
        .expect("it may start");
    assert_eq!(story.in_flight(second), ["build/compile"]);
}

#[test]
fn a_release_aborted_while_it_was_queued_runs_as_a_whole_when_restarted() {
    let mut story = Story::with(TRAIN);
    let first = story.start("train", json!({"version": "1.0"}));
    let second = NewRelease {
        after: vec![first],
        start: true,
        ..new("train", json!({"version": "1.1"}))
    };
    let second = story.create("ada", second).expect("a release");
    story.abort(second);
    assert_eq!(story.status(second), ReleaseStatus::Aborted);
    story.restart(second, RestartFrom::Unfinished);
    story.finish(first, "build/compile", done());
    story.finish(first, "deploy/rollout", done());
    assert_eq!(story.in_flight(second), ["build/compile"]);
}

#[test]
fn a_phase_that_has_ended_stays_as_it_is_when_unfinished_work_is_restarted() {
    let mut story = Story::with(
        r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: degraded}
spec:
  phases:
    - id: check
      activities:
        - {id: good, uses: command, with: {run: [x]}}
        - {id: bad, uses: command, importance: required, onFailure: fail, with: {run: [x]}}
    - id: deploy
      dependsOn: [check]
      activities: [{id: rollout, uses: command, with: {run: [x]}}]
"#,
    );
    let train = story.start("degraded", json!({}));
    story.finish(train, "check/good", done());
    story.finish(train, "check/bad", broken("no"));
    story.abort(train);
    story.finish(
        train,
        "deploy/rollout",
        Outcome::Cancelled { confirmed: true },
    );
    story.restart(train, RestartFrom::Unfinished);
    assert_eq!(story.stands(train, "check/bad"), ActivityStatus::Failed);
    story.finish(train, "deploy/rollout", done());
    assert_eq!(story.status(train), ReleaseStatus::PartialSuccess);
}

#[test]
fn only_what_is_out_of_use_can_be_deleted() {
    let mut story = Story::with(TRAIN);
    let delete = || ReleaseCommand::Delete;
    let draft = story.draft("train", json!({}));
    story.does("ada", draft, delete()).expect("a draft may go");
    assert!(!story.world.knows(draft));
    let train = story.start("train", json!({"version": "1.2"}));
    assert_eq!(
        story
            .does("ada", train, delete())
            .expect_err("it runs")
            .code(),
        "in-use"
    );
    story.finish(train, "build/compile", done());
    story.finish(train, "deploy/rollout", done());
    assert!(
        story
            .does("ada", train, delete())
            .expect_err("it has data")
            .to_string()
            .contains("archive")
    );
    story
        .does("ada", train, ReleaseCommand::Archive)
        .expect("it has ended");
    assert!(
        story
            .does("ada", train, delete())
            .expect_err("kept")
            .to_string()
            .contains("kept until")
    );
    story.passes("8784h");
    story
        .does("root", train, delete())
        .expect_err("the token has ended");
    story.person("eve", &[], Role::Administrator);
    story
        .does("eve", train, delete())
        .expect("retention is over");
    let next = story
        .create("eve", new("train", json!({})))
        .expect("a draft");
    assert!(next > train, "an id is never used twice");
}

#[test]
fn who_may_not_may_not() {
    let mut story = Story::with(TRAIN);
    story.person("vic", &[], Role::Viewer);
    story.person("otto", &[], Role::Operator);
    story.person_of("orla", &[], Role::ReleaseManager, Some("payments"));
    let refused = story
        .create("vic", new("train", json!({})))
        .expect_err("a viewer");
    assert_eq!(refused.code(), "forbidden");
    let train = story.start("train", json!({"version": "1.2"}));
    let abort = || ReleaseCommand::Abort {
        reason: "no".to_owned(),
    };
    assert_eq!(
        story
            .does("otto", train, abort())
            .expect_err("an operator")
            .code(),
        "forbidden"
    );
    assert_eq!(
        story
            .does("orla", train, abort())
            .expect_err("of an organization")
            .code(),
        "forbidden"
    );
    story
        .does(
            "otto",
            train,
            ReleaseCommand::Pause {
                reason: "look".to_owned(),
            },
        )
        .expect("an operator pauses");
    let own = NewRelease {
        organization: "payments".parse().ok(),
        ..new("train", json!({"version": "1.2"}))
    };
    let own = story.create("orla", own).expect("in her organization");
    story.person_of("sam", &[], Role::ReleaseManager, Some("search"));
    assert_eq!(
        story.does("sam", own, abort()).expect_err("not his").code(),
        "unknown-release"
    );
}

#[test]
fn actions_are_what_the_commands_accept() {
    let mut story = Story::with(TRAIN);
    let allowed = |story: &Story, release| {
        let actions = story
            .world
            .release_actions(story.holder("ada"), release, story.now);
        let allowed = actions
            .iter()
            .filter(|action| action.allowed)
            .map(|action| action.action);
        allowed.collect::<Vec<_>>().join(" ")
    };
    let train = story.draft("train", json!({"version": "1.2"}));
    assert_eq!(allowed(&story, train), "edit finalize activate delete");
    finalize(&mut story, train);
    assert_eq!(allowed(&story, train), "edit activate pre-execute cancel");
    story
        .does(
            "ada",
            train,
            ReleaseCommand::Activate {
                inputs: values(json!({})),
            },
        )
        .expect("start");
    assert_eq!(allowed(&story, train), "edit pause abort");
    story.finish(train, "build/compile", broken("no"));
    assert_eq!(allowed(&story, train), "edit pause abort");
    story.abort(train);
    assert_eq!(allowed(&story, train), "edit restart archive");
}

#[test]
fn a_quarantined_release_stands_still_until_it_is_released() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({"version": "1.2"}));
    let quarantine = Command::QuarantineRelease {
        release: train,
        reason: "index out of bounds".to_owned(),
    };
    story
        .command(trainmaster_core::Actor::System, quarantine)
        .expect("the server may");
    assert_eq!(story.waits(train)[0]["reason"], json!("quarantine"));
    let abort = ReleaseCommand::Abort {
        reason: "no".to_owned(),
    };
    assert_eq!(
        story
            .does("ada", train, abort)
            .expect_err("quarantined")
            .code(),
        "wrong-release-status"
    );
    story.restart_server();
    story
        .does(
            "ada",
            train,
            ReleaseCommand::Release {
                reason: "upgraded".to_owned(),
            },
        )
        .expect("back");
    story.finish(train, "build/compile", done());
    assert_eq!(story.in_flight(train), ["deploy/rollout"]);
}
