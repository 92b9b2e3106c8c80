//! Freezes: what they hold back, until when, for whom, and what people let through.

use crate::story::*;
use jiff::Timestamp;
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::command::{NewRelease, ReleaseCommand, RestartFrom};
use trainmaster_core::definition;
use trainmaster_core::freeze::FreezeRef;
use trainmaster_core::ids::{ReleaseId, ResourceKey, ResourceKind};
use trainmaster_core::status::{ActivityStatus, PhaseStatus, ReleaseStatus};
use trainmaster_core::{Command, Rejection};

/// Builds, asks, deploys: only the command is held back.
const TRAIN: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  inputs:
    - {name: environment, type: string, default: prod}
    - {name: services, type: list, default: [payments, users]}
  phases:
    - id: prepare
      activities:
        - {id: qa, uses: approval, with: {approvers: ["user:ada"]}}
    - id: deploy
      dependsOn: [prepare]
      activities:
        - {id: rollout, uses: command, with: {run: [deploy]}, retry: {maxAttempts: 3, initialDelay: 10m, maxDelay: 10m}}
        - {id: tell, uses: notify, with: {url: "https://example.org/told", message: begins}}
"#;

/// Monday 2026-01-05 from 09:00 to 17:00; a story begins at 08:00.
fn office_hours(name: &str, scope: &str) -> String {
    freeze(
        name,
        "{from: 2026-01-05T09:00:00Z, to: 2026-01-05T17:00:00Z}",
        scope,
    )
}

fn freeze(name: &str, windows: &str, scope: &str) -> String {
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: Freeze\nmetadata: {{name: {name}}}\nspec:\n  reason: Quarter end\n  windows: [{windows}]\n  scope: {{{scope}}}\n"
    )
}

fn at(text: &str) -> FreezeRef {
    text.parse().expect("a freeze")
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

impl Story {
    /// A train whose rollout would start at 09:30, half an hour into the office hours.
    fn train_at_half_past_nine(&mut self) -> ReleaseId {
        let train = self.start("train", json!({}));
        self.until_day("2026-01-05T09:30:00Z");
        self.approve("ada", train, "prepare/qa")
            .expect("it is open");
        train
    }

    fn override_freeze(
        &mut self,
        user: &str,
        release: ReleaseId,
        freeze: &str,
        expires_at: &str,
    ) -> Result<(), Rejection> {
        let action = ReleaseCommand::OverrideFreeze {
            freeze: at(freeze),
            reason: "a hole in the gate".to_owned(),
            expires_at: instant(expires_at),
        };
        self.does(user, release, action)
    }

    fn delete_freeze(&mut self, name: &str) {
        let key = at(name).key();
        let command = Command::DeleteResource {
            key,
            if_revision: None,
        };
        self.command(self.actor("ada"), command)
            .expect("a freeze can be deleted");
    }

    /// Until when the freeze holds an activity back, and which one.
    fn held(&self, release: ReleaseId, at: &str) -> Option<(String, String)> {
        let deferral = self.activity(release, at).deferred.as_ref()?;
        Some((deferral.freeze.to_string(), deferral.until.to_string()))
    }

    fn may(&self, user: &str, release: ReleaseId, action: &str) -> bool {
        let actions = self
            .world
            .release_actions(self.holder(user), release, self.now);
        let found = actions.iter().find(|state| state.action == action);
        found.expect("a known action").allowed
    }
}

fn held(freeze: &str, until: &str) -> Option<(String, String)> {
    Some((freeze.to_owned(), until.to_owned()))
}

#[test]
fn a_freeze_holds_work_back_until_it_is_over() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.train_at_half_past_nine();
    assert_eq!(story.in_flight(train), ["deploy/tell"], "telling goes on");
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Queued
    );
    assert_eq!(
        (story.status(train), story.phase(train, "deploy")),
        (ReleaseStatus::Running, PhaseStatus::Running),
        "what waits for time is no hold"
    );
    assert_eq!(story.release(train).counters.queued, 1);
    let waits = story.waits(train);
    assert!(
        waits.contains(&json!({
            "path": "deploy/rollout",
            "phase": "deploy",
            "reason": "freeze",
            "freeze": "quarter-end",
            "why": "Quarter end",
            "endsAt": "2026-01-05T17:00:00Z",
            "until": "2026-01-05T17:00:00Z",
        })),
        "{waits:?}"
    );
    let told = story.notified(train);
    let notice = "is held back by the freeze `quarter-end` until 2026-01-05T17:00:00Z";
    assert!(told.iter().any(|(_, message)| message.contains(notice)));
    story.finish(train, "deploy/tell", done());
    story.restart_server();
    assert_eq!(story.status(train), ReleaseStatus::Running);
    story.until_day("2026-01-05T16:59:59Z");
    assert!(story.in_flight(train).is_empty());
    story.until_day("2026-01-05T17:00:00Z");
    assert_eq!(story.in_flight(train), ["deploy/rollout"]);
    assert_eq!(story.activity(train, "deploy/rollout").deferred, None);
    assert_eq!(
        story.told(train, Some("deploy/rollout")),
        ["ActivityDeferred", "OwnersNotified", "AttemptStarted"]
    );
    story.finish(train, "deploy/rollout", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn work_under_way_goes_on_when_a_freeze_begins() {
    let mut story = Story::with(TRAIN);
    let train = story.start("train", json!({}));
    story
        .approve("ada", train, "prepare/qa")
        .expect("it is open");
    story.apply(&office_hours("quarter-end", ""));
    story.until_day("2026-01-05T10:00:00Z");
    assert_eq!(story.in_flight(train), ["deploy/rollout", "deploy/tell"]);
    story.finish(train, "deploy/rollout", done());
    story.finish(train, "deploy/tell", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn retries_by_policy_and_by_people_are_held_back_like_first_attempts() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.start("train", json!({}));
    story.until_day("2026-01-05T08:55:00Z");
    story
        .approve("ada", train, "prepare/qa")
        .expect("it is open");
    story.finish(train, "deploy/tell", done());
    story.finish(train, "deploy/rollout", shaky("no answer"));
    assert_eq!(story.waits(train)[0]["reason"], "retry");
    // Its time comes within the freeze.
    story.until_day("2026-01-05T10:00:00Z");
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("quarter-end", "2026-01-05T17:00:00Z")
    );
    assert_eq!(story.status(train), ReleaseStatus::Running);
    story.until_day("2026-01-05T17:00:00Z");
    story.finish(train, "deploy/rollout", broken("bad build"));
    story.apply(&freeze(
        "evening",
        "{from: 2026-01-05T18:00:00Z, to: 2026-01-05T20:00:00Z}",
        "",
    ));
    story.until_day("2026-01-05T19:00:00Z");
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    story
        .retry(train, "deploy/rollout")
        .expect("it may be retried");
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Queued
    );
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("evening", "2026-01-05T20:00:00Z")
    );
    story.until_day("2026-01-05T20:00:00Z");
    story.finish(train, "deploy/rollout", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn freezes_that_overlap_or_follow_each_other_have_one_opening() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("first", ""));
    story.apply(&freeze(
        "second",
        "{from: 2026-01-05T17:00:00Z, to: 2026-01-06T00:00:00Z}",
        "",
    ));
    story.apply(&freeze(
        "third",
        "{from: 2026-01-05T23:00:00Z, to: 2026-01-06T06:00:00Z}",
        "",
    ));
    let train = story.train_at_half_past_nine();
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("first", "2026-01-06T06:00:00Z")
    );
    // Whoever asks later is told of the freeze that holds then; a restart says nothing new.
    story.until_day("2026-01-05T18:00:00Z");
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("second", "2026-01-06T06:00:00Z")
    );
    let events = story.journal.len();
    story.until_day("2026-01-05T23:30:00Z");
    story.restart_server();
    assert_eq!(story.journal.len(), events);
    story.until_day("2026-01-06T05:59:59Z");
    assert_eq!(story.in_flight(train), ["deploy/tell"]);
    story.until_day("2026-01-06T06:00:00Z");
    assert_eq!(story.in_flight(train), ["deploy/rollout", "deploy/tell"]);
}

#[test]
fn a_freeze_recurs_by_the_clock_of_its_zone() {
    let mut story = Story::with(TRAIN);
    story.apply(
        r#"
apiVersion: trainmaster.dev/v1
kind: Freeze
metadata: {name: nights}
spec:
  reason: Nobody is awake
  zone: Europe/Berlin
  recurrence:
    cadence: {every: daily}
    startDate: 2026-01-01
    startTime: "22:00"
    length: 8h
"#,
    );
    // The clocks go forward on 29 March 2026: the night before begins at 21:00 UTC, the one after at 20:00.
    for (now, until) in [
        ("2026-03-28T20:59:59Z", None),
        ("2026-03-28T21:00:00Z", Some("2026-03-29T05:00:00Z")),
        ("2026-03-29T19:59:59Z", None),
        ("2026-03-29T20:00:00Z", Some("2026-03-30T04:00:00Z")),
    ] {
        story.until_day(now);
        let train = story.start("train", json!({}));
        story
            .approve("ada", train, "prepare/qa")
            .expect("it is open");
        let expected = until.and_then(|until| held("nights", until));
        assert_eq!(story.held(train, "deploy/rollout"), expected, "{now}");
    }
    story.until_day("2026-03-30T04:00:00Z");
    for train in story
        .world
        .releases()
        .map(|train| train.id)
        .collect::<Vec<_>>()
    {
        assert_eq!(story.activity(train, "deploy/rollout").deferred, None);
    }
}

#[test]
fn a_local_time_that_the_clock_leaves_out_or_shows_twice_is_one_instant() {
    let mut story = Story::with(TRAIN);
    let gap = "{from: \"2026-03-29T02:30\", to: \"2026-03-29T04:00\"}";
    let fold = "{from: \"2026-10-25T02:30\", to: \"2026-10-25T04:00\"}";
    let text = freeze("changes", &format!("{gap}, {fold}"), "");
    story.apply(&text.replace("  reason:", "  zone: Europe/Berlin\n  reason:"));
    for (now, holds) in [
        ("2026-03-29T01:29:59Z", false),
        ("2026-03-29T01:30:00Z", true),
        ("2026-03-29T01:59:59Z", true),
        ("2026-03-29T02:00:00Z", false),
        ("2026-10-25T00:29:59Z", false),
        ("2026-10-25T00:30:00Z", true),
        ("2026-10-25T02:59:59Z", true),
        ("2026-10-25T03:00:00Z", false),
    ] {
        let holding = story
            .world
            .all_freezes()
            .any(|freeze| freeze.holds(instant(now)));
        assert_eq!(holding, holds, "{now}");
    }
}

#[test]
fn a_freeze_that_is_changed_or_deleted_is_looked_at_again_at_once() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.train_at_half_past_nine();
    story.apply(&freeze(
        "quarter-end",
        "{from: 2026-01-05T09:00:00Z, to: 2026-01-05T20:00:00Z}",
        "",
    ));
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("quarter-end", "2026-01-05T20:00:00Z")
    );
    story.apply(&office_hours("other", "environments: [PROD]"));
    story.delete_freeze("quarter-end");
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("other", "2026-01-05T17:00:00Z")
    );
    story.apply(&office_hours("other", "environments: [staging]"));
    assert_eq!(story.held(train, "deploy/rollout"), None);
    assert_eq!(story.in_flight(train), ["deploy/rollout", "deploy/tell"]);
}

#[test]
fn a_pause_and_a_freeze_each_hold_for_themselves() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.train_at_half_past_nine();
    story.finish(train, "deploy/tell", done());
    story.pause(train);
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    let reasons = |story: &Story| -> Vec<Value> {
        story
            .waits(train)
            .iter()
            .map(|waiting| waiting["reason"].clone())
            .collect()
    };
    assert_eq!(reasons(&story), ["paused", "freeze"]);
    // The freeze ends first.
    story.until_day("2026-01-05T18:00:00Z");
    assert_eq!(reasons(&story), ["paused"]);
    assert!(story.in_flight(train).is_empty());
    story.resume(train);
    assert_eq!(story.in_flight(train), ["deploy/rollout"]);
    // And the other way round.
    let train = {
        story.apply(&freeze(
            "tomorrow",
            "{from: 2026-01-06T00:00:00Z, to: 2026-01-07T00:00:00Z}",
            "",
        ));
        let train = story.start("train", json!({}));
        story.until_day("2026-01-06T01:00:00Z");
        story.pause(train);
        story
            .approve("ada", train, "prepare/qa")
            .expect("it is open");
        train
    };
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Pending
    );
    story.resume(train);
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("tomorrow", "2026-01-07T00:00:00Z")
    );
}

#[test]
fn what_is_held_back_ends_with_an_abort_and_is_held_again_in_the_next_run() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.train_at_half_past_nine();
    story.finish(train, "deploy/tell", done());
    story.abort(train);
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Aborted
    );
    assert_eq!(story.activity(train, "deploy/rollout").deferred, None);
    story.restart(train, RestartFrom::Unfinished);
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("quarter-end", "2026-01-05T17:00:00Z")
    );
    story.until_day("2026-01-05T17:00:00Z");
    story.finish(train, "deploy/rollout", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

const EACH: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: each}
spec:
  inputs:
    - {name: services, type: list, default: [payments, users, search]}
  phases:
    - id: deploy
      activities:
        - id: rollout
          uses: command
          forEach: "${services}"
          maxParallel: 1
          with: {run: [deploy, "${item}"]}
          deploys: {service: "${item}", environment: prod}
"#;

#[test]
fn items_are_held_back_one_by_one_by_what_they_deploy() {
    let mut story = Story::with(EACH);
    story.apply(&office_hours("payments-only", "services: [payments]"));
    story.until_day("2026-01-05T10:00:00Z");
    let train = story.start("each", json!({}));
    // One slot: the item that is held back leaves it to the others.
    assert_eq!(story.in_flight(train), ["deploy/rollout[1]"]);
    story.finish(train, "deploy/rollout[1]", done());
    assert_eq!(story.in_flight(train), ["deploy/rollout[2]"]);
    story.until_day("2026-01-05T17:00:00Z");
    assert_eq!(story.held(train, "deploy/rollout[0]"), None);
    assert_eq!(
        story.waits(train)[0]["reason"],
        "slot",
        "the freeze is over, the slot is taken"
    );
    assert_eq!(story.in_flight(train), ["deploy/rollout[2]"]);
    story.finish(train, "deploy/rollout[2]", done());
    assert_eq!(story.in_flight(train), ["deploy/rollout[0]"]);
    assert_eq!(
        story.told(train, Some("deploy/rollout[0]")),
        [
            "ActivityDeferred",
            "OwnersNotified",
            "DeferralEnded",
            "AttemptStarted"
        ]
    );
    story.finish(train, "deploy/rollout[0]", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn all_items_wait_where_the_whole_release_is_frozen() {
    let mut story = Story::with(EACH);
    story.apply(&office_hours("quarter-end", ""));
    story.until_day("2026-01-05T10:00:00Z");
    let train = story.start("each", json!({}));
    assert!(story.in_flight(train).is_empty());
    assert_eq!(story.release(train).counters.queued, 3);
    let notices = story.notified(train);
    assert_eq!(notices.len(), 1, "people are told once: {notices:?}");
    story.restart_server();
    story.abort(train);
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
    story.restart(train, RestartFrom::Start);
    story.until_day("2026-01-05T17:00:00Z");
    for _ in 0..3 {
        let open = story.in_flight(train)[0].to_owned();
        story.finish(train, &open, done());
    }
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

const PARENT: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: parent}
spec:
  inputs: [{name: environment, type: string, default: prod}]
  phases:
    - id: main
      activities:
        - {id: below, uses: subprocess, with: {process: child}}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: child}
spec:
  phases:
    - id: work
      activities: [{id: act, uses: command, with: {run: [act]}}]
"#;

#[test]
fn a_child_release_is_held_back_for_what_its_parent_touches() {
    let mut story = Story::with(PARENT);
    story.apply(&office_hours("prod-only", "environments: [prod]"));
    story.until_day("2026-01-05T10:00:00Z");
    let free = story.start("parent", json!({"environment": "qa"}));
    let child = story.release(free).children[0];
    assert_eq!(story.in_flight(child), ["work/act"]);
    let parent = story.start("parent", json!({}));
    let child = story.release(parent).children[0];
    assert_eq!(
        story.held(child, "work/act"),
        held("prod-only", "2026-01-05T17:00:00Z")
    );
    assert_eq!(story.waits(parent)[0]["reason"], "child");
    // Whoever lets the parent through lets its children through.
    story
        .override_freeze("ada", parent, "prod-only", "2026-01-05T12:00:00Z")
        .expect("ada may");
    assert_eq!(story.in_flight(child), ["work/act"]);
    story.finish(child, "work/act", done());
    assert_eq!(story.status(parent), ReleaseStatus::Success);
}

#[test]
fn an_override_lets_a_release_through_and_stays_on_record() {
    let mut story = Story::with(TRAIN);
    story.person("otto", &[], Role::Operator);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.train_at_half_past_nine();
    assert!(story.may("ada", train, "override-freeze"));
    assert!(!story.may("otto", train, "override-freeze"));
    assert!(!story.may("ada", train, "revoke-override"));
    let refused = story.override_freeze("otto", train, "quarter-end", "2026-01-05T12:00:00Z");
    assert_eq!(refused.expect_err("an operator").code(), "forbidden");
    for (reason, expires_at, code) in [
        (" ", "2026-01-05T12:00:00Z", "reason-needed"),
        ("go", "2026-01-05T09:30:00Z", "invalid-input"),
        ("go", "2026-02-05T09:30:00Z", "invalid-input"),
    ] {
        let action = ReleaseCommand::OverrideFreeze {
            freeze: at("quarter-end"),
            reason: reason.to_owned(),
            expires_at: instant(expires_at),
        };
        let refused = story.does("ada", train, action).expect_err(expires_at);
        assert_eq!(refused.code(), code);
    }
    let unknown = story.override_freeze("ada", train, "nothing", "2026-01-05T12:00:00Z");
    assert_eq!(
        unknown.expect_err("there is none").code(),
        "unknown-resource"
    );
    story
        .override_freeze("ada", train, "quarter-end", "2026-01-05T12:00:00Z")
        .expect("ada may");
    assert_eq!(story.in_flight(train), ["deploy/rollout", "deploy/tell"]);
    assert_eq!(
        story.told(train, Some("deploy/rollout")),
        [
            "ActivityDeferred",
            "OwnersNotified",
            "AttemptStarted",
            "StartedInFreeze"
        ]
    );
    let given = &story.release(train).freeze_overrides[&at("quarter-end")];
    assert_eq!(
        (given.by.as_str(), given.reason.as_str(), given.expires_at),
        (
            "user:ada",
            "a hole in the gate",
            instant("2026-01-05T12:00:00Z")
        )
    );
    assert!(story.may("ada", train, "revoke-override"));
}

#[test]
fn an_override_that_has_expired_counts_no_more() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.start("train", json!({}));
    story
        .override_freeze("ada", train, "quarter-end", "2026-01-05T12:00:00Z")
        .expect("it may be given before the freeze begins");
    story.until_day("2026-01-05T11:59:00Z");
    story.pause(train);
    story
        .approve("ada", train, "prepare/qa")
        .expect("it is open");
    // It was queued in time, and starts too late.
    story.until_day("2026-01-05T12:00:00Z");
    story.resume(train);
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("quarter-end", "2026-01-05T17:00:00Z")
    );
    assert!(!story.may("ada", train, "revoke-override"));
}

#[test]
fn an_override_that_is_taken_back_counts_no_more() {
    let mut story = Story::with(TRAIN);
    story.apply(&office_hours("quarter-end", ""));
    let train = story.start("train", json!({}));
    story
        .override_freeze("ada", train, "quarter-end", "2026-01-05T12:00:00Z")
        .expect("ada may");
    let revoke = || ReleaseCommand::RevokeOverride {
        freeze: at("quarter-end"),
        reason: "not needed after all".to_owned(),
    };
    story.does("ada", train, revoke()).expect("it is in force");
    let again = story.does("ada", train, revoke()).expect_err("it is not");
    assert_eq!(again.code(), "wrong-release-status");
    story.until_day("2026-01-05T09:30:00Z");
    story
        .approve("ada", train, "prepare/qa")
        .expect("it is open");
    assert!(story.held(train, "deploy/rollout").is_some());
    let given = &story.release(train).freeze_overrides[&at("quarter-end")];
    let revoked = given.revoked.as_ref().expect("it stays on record");
    assert_eq!(revoked.text, "not needed after all");
}

#[test]
fn a_freeze_that_only_warns_holds_nothing_back() {
    let mut story = Story::with(TRAIN);
    let text = office_hours("careful", "");
    story.apply(&text.replace("  reason:", "  effect: warn\n  reason:"));
    let train = story.train_at_half_past_nine();
    assert_eq!(story.in_flight(train), ["deploy/rollout", "deploy/tell"]);
    assert_eq!(
        story.told(train, Some("deploy/rollout")),
        ["AttemptStarted", "StartedInFreeze"]
    );
    let notices = story.world.freezes_at(train, story.now);
    assert_eq!(notices[0].reason, "Quarter end");
    let refused = story.override_freeze("ada", train, "careful", "2026-01-05T12:00:00Z");
    assert_eq!(
        refused.expect_err("nothing to override").code(),
        "invalid-input"
    );
}

#[test]
fn a_phase_that_closes_during_a_freeze_skips_what_it_held_back() {
    let mut story = Story::with(&process(
        "closing",
        "    - id: deploy\n      closes: {day: 1, time: \"12:00\"}\n      activities: [{id: rollout, uses: command, with: {run: [deploy]}}]",
    ));
    story.apply(&office_hours("quarter-end", ""));
    story.until_day("2026-01-05T10:00:00Z");
    let train = story.start("closing", json!({}));
    assert!(story.held(train, "deploy/rollout").is_some());
    story.until_day("2026-01-05T12:00:00Z");
    assert_eq!(
        story.stands(train, "deploy/rollout"),
        ActivityStatus::Skipped
    );
    assert!(story.status(train).is_terminal());
}

#[test]
fn a_failure_can_be_taken_up_while_what_follows_it_is_held_back() {
    let mut story = Story::with(&process(
        "after-failure",
        r#"    - id: work
      activities:
        - {id: first, uses: notify, onFailure: fail, with: {url: "https://example.org", message: hello}}
        - {id: clean, uses: command, dependsOn: [first], when: "always()", with: {run: [clean]}}"#,
    ));
    story.apply(&office_hours("quarter-end", ""));
    story.until_day("2026-01-05T10:00:00Z");
    let train = story.start("after-failure", json!({}));
    story.finish(train, "work/first", broken("not there"));
    assert!(story.held(train, "work/clean").is_some());
    story
        .retry(train, "work/first")
        .expect("nothing has started after it");
    assert_eq!(story.stands(train, "work/clean"), ActivityStatus::Pending);
    assert_eq!(story.held(train, "work/clean"), None);
    story.finish(train, "work/first", done());
    assert!(story.held(train, "work/clean").is_some());
    story.until_day("2026-01-05T17:00:00Z");
    story.finish(train, "work/clean", done());
    assert_eq!(story.status(train), ReleaseStatus::Success);
}

#[test]
fn a_freeze_holds_for_what_its_scope_names() {
    let mut story = Story::with(TRAIN);
    story.until_day("2026-01-05T10:00:00Z");
    for (scope, holds) in [
        ("", true),
        ("environments: [Prod, staging]", true),
        ("environments: [staging]", false),
        ("services: [users]", true),
        ("services: [search]", false),
        ("services: [users], environments: [staging]", false),
        ("labels: {tier: gold}", true),
        ("labels: {tier: gold, team: core}", false),
        ("labels: {tier: silver}", false),
        ("organizations: [elsewhere]", false),
    ] {
        story.apply(&office_hours("scoped", scope));
        let release = NewRelease {
            start: true,
            labels: [("tier".to_owned(), "gold".to_owned())].into(),
            ..new("train", json!({}))
        };
        let train = story.create("ada", release).expect("a release");
        story
            .approve("ada", train, "prepare/qa")
            .expect("it is open");
        assert_eq!(
            story.held(train, "deploy/rollout").is_some(),
            holds,
            "{scope}"
        );
    }
}

/// R-078 and R-081: an organization obeys the account, and cannot change what the account says.
#[test]
fn an_organization_obeys_the_freezes_of_the_account() {
    let mut story = Story::with(TRAIN);
    story.person_of("olga", &[], Role::ReleaseManager, Some("payments"));
    story.person_of("paul", &[], Role::ReleaseManager, Some("retail"));
    story.apply(&office_hours("account-wide", ""));
    let own = office_hours("own", "").replace("name: own", "name: own, organization: payments");
    story
        .try_apply("olga", &own)
        .expect("it is her organization");
    story.until_day("2026-01-05T10:00:00Z");
    let start = |story: &mut Story, user: &str, organization: &str| {
        let release = NewRelease {
            start: true,
            organization: Some(organization.parse().expect("a name")),
            ..new("train", json!({}))
        };
        let train = story.create(user, release).expect("a release");
        story
            .approve("ada", train, "prepare/qa")
            .expect("it is open");
        train
    };
    let train = start(&mut story, "olga", "payments");
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("account-wide", "2026-01-05T17:00:00Z")
    );
    // She may neither change nor delete nor set aside what the account says.
    let refused = story.try_apply("olga", &office_hours("account-wide", "environments: [qa]"));
    assert_eq!(refused.expect_err("not hers").code(), "forbidden");
    let refused = story.command(
        story.actor("olga"),
        Command::DeleteResource {
            key: ResourceKey {
                kind: ResourceKind::Freeze,
                organization: None,
                name: "account-wide".parse().expect("a name"),
            },
            if_revision: None,
        },
    );
    assert_eq!(refused.expect_err("not hers").code(), "forbidden");
    let refused = story.override_freeze("olga", train, "account-wide", "2026-01-05T12:00:00Z");
    assert_eq!(refused.expect_err("not hers").code(), "forbidden");
    assert!(!story.may("olga", train, "override-freeze"));
    // The account's release manager may, and the organization's own freeze holds on.
    story
        .override_freeze("ada", train, "account-wide", "2026-01-05T12:00:00Z")
        .expect("the account's release manager may");
    assert_eq!(
        story.held(train, "deploy/rollout"),
        held("payments/own", "2026-01-05T17:00:00Z")
    );
    story
        .override_freeze("olga", train, "payments/own", "2026-01-05T12:00:00Z")
        .expect("her own freeze");
    assert!(story.in_flight(train).contains(&"deploy/rollout"));
    // A freeze of one organization is nothing to the others.
    story.delete_freeze("account-wide");
    let other = start(&mut story, "paul", "retail");
    assert_eq!(story.held(other, "deploy/rollout"), None);
    let refused = story.override_freeze("ada", other, "payments/own", "2026-01-05T12:00:00Z");
    assert_eq!(
        refused.expect_err("it does not reach it").code(),
        "unknown-resource"
    );
    // One of the account may name some organizations.
    story.apply(&office_hours("some", "organizations: [retail]"));
    let next = start(&mut story, "paul", "retail");
    assert!(story.held(next, "deploy/rollout").is_some());
}

#[test]
fn freezes_without_an_end_are_looked_at_again_and_again() {
    let mut story = Story::with(TRAIN);
    story.apply(
        r#"
apiVersion: trainmaster.dev/v1
kind: Freeze
metadata: {name: for-ever}
spec:
  reason: Nothing moves here
  recurrence: {cadence: {every: daily}, startDate: 2026-01-01, startTime: "00:00", length: 24h}
"#,
    );
    let train = story.train_at_half_past_nine();
    story.finish(train, "deploy/tell", done());
    let deferral = story.activity(train, "deploy/rollout").deferred.clone();
    let until = deferral.expect("it is held back").until;
    assert!(until > instant("2026-12-01T00:00:00Z"), "{until}");
    story.until_day("2026-01-20T00:00:00Z");
    story.restart_server();
    assert!(story.in_flight(train).is_empty());
    assert!(story.journal.len() < 60, "{}", story.journal.len());
}

#[test]
fn a_freeze_that_does_not_hold_together_is_refused_with_its_places() {
    let problems = |text: &str| -> Vec<String> {
        let problems = definition::parse(text, Some("freeze.yaml")).expect_err("it is wrong");
        problems.iter().map(ToString::to_string).collect()
    };
    let text = freeze(
        "bad",
        "{from: 2026-01-05T09:00:00Z, to: 2026-01-05T08:00:00Z}",
        "",
    );
    assert_eq!(
        problems(&text),
        [
            "freeze.yaml:6:46: `2026-01-05T08:00:00Z` does not come after `from` in spec.windows[0].to"
        ]
    );
    let text = freeze("bad", "{from: 5 January, to: 2026-01-06}", "");
    assert_eq!(
        problems(&text),
        [
            "freeze.yaml:6:20: `5 January` is neither an instant such as `2026-12-24T12:00:00Z` nor a local time such as `2026-12-24T18:00` in spec.windows[0].from"
        ]
    );
    let text = freeze("bad", "", "");
    assert!(problems(&text)[0].contains("say when: write `windows`, `recurrence` or both"));
    let text = freeze("bad", "{from: 2026-01-05, to: 2027-03-05}", "");
    assert!(problems(&text)[0].contains("at most 366 days"));
    let text = office_hours("bad", "organizations: [retail]")
        .replace("name: bad", "name: bad, organization: payments");
    assert!(
        problems(&text)[0].contains("holds there only"),
        "{:?}",
        problems(&text)
    );
    let text = office_hours("bad", "environment: [prod]");
    assert!(problems(&text)[0].contains("did you mean `environments`"));
    let mut story = Story::with(TRAIN);
    let text = office_hours("bad", "").replace("  reason:", "  zone: Europe/Berlino\n  reason:");
    let refused = story
        .try_apply("ada", &text)
        .expect_err("there is no such zone");
    assert!(
        refused
            .to_string()
            .contains("`Europe/Berlino` is not an IANA time zone")
    );
}

/// M-017: a start inside a maintenance window is accepted, one outside is warned of.
#[test]
fn a_start_outside_of_the_maintenance_windows_is_warned_of() {
    let mut story = Story::with(TRAIN);
    let account = r#"
apiVersion: trainmaster.dev/v1
kind: Account
metadata: {name: account}
spec:
  maintenanceWindows:
    - name: prod-nights
      environments: [prod]
      zone: Europe/Berlin
      recurrence: {cadence: {every: weekly, on: tuesday}, startDate: 2026-01-01, startTime: "22:00", length: 4h}
    - name: payments-extra
      organization: payments
      environments: [prod]
      windows: [{from: 2026-01-07T10:00:00Z, to: 2026-01-07T12:00:00Z}]
"#;
    story
        .try_apply("root", account)
        .expect("settings that hold together");
    let outside = |organization: Option<&str>, environments: &[&str], start: &str| {
        let organization = organization.map(|name| name.parse().expect("a name"));
        let environments = environments.iter().map(|name| (*name).to_owned()).collect();
        let found =
            story
                .world
                .outside_maintenance(organization.as_ref(), &environments, instant(start));
        found
            .iter()
            .map(|outside| outside.message())
            .collect::<Vec<_>>()
    };
    // Tuesday 22:00 in Berlin is 21:00 UTC in winter, and the window is over at 01:00.
    assert_eq!(outside(None, &["prod"], "2026-01-06T21:00:00Z"), [""; 0]);
    assert_eq!(outside(None, &["prod"], "2026-01-07T00:59:59Z"), [""; 0]);
    assert_eq!(
        outside(None, &["prod"], "2026-01-07T01:00:00Z"),
        [
            "the start lies outside of the maintenance windows of environment `prod` (`prod-nights`); \
          the next one is from 2026-01-13T21:00:00Z to 2026-01-14T01:00:00Z"
        ]
    );
    // In summer the same clock is an hour earlier.
    assert_eq!(outside(None, &["prod"], "2026-06-30T20:00:00Z"), [""; 0]);
    // An environment without windows, and one with windows of one organization only.
    assert_eq!(outside(None, &["qa"], "2026-01-07T11:00:00Z"), [""; 0]);
    assert_eq!(
        outside(Some("payments"), &["prod"], "2026-01-07T11:00:00Z"),
        [""; 0]
    );
    assert_eq!(
        outside(Some("retail"), &["prod"], "2026-01-07T11:00:00Z").len(),
        1
    );
    // What is planned is told so, and planned all the same.
    let mut codes = |start: &str| -> Vec<&'static str> {
        let release = NewRelease {
            start_at: Some(instant(start)),
            finalize: true,
            ..new("train", json!({}))
        };
        let train = story.create("ada", release).expect("it is accepted");
        let around = story.world.surroundings(train);
        let warnings = story.world.warnings(train, &around, story.now);
        let about_time = warnings
            .iter()
            .filter(|warning| warning.field == Some("startAt"));
        about_time.map(|warning| warning.code).collect()
    };
    assert_eq!(codes("2026-01-06T22:00:00Z"), [""; 0]);
    assert_eq!(
        codes("2026-01-07T11:00:00Z"),
        ["outside-maintenance-window"]
    );
    story.apply(&office_hours("quarter-end", "").replace("2026-01-05", "2026-01-13"));
    let mut codes = |start: &str| -> usize {
        let release = NewRelease {
            start_at: Some(instant(start)),
            finalize: true,
            ..new("train", json!({}))
        };
        let train = story.create("ada", release).expect("it is accepted");
        let around = story.world.surroundings(train);
        let warnings = story.world.warnings(train, &around, story.now);
        let frozen = warnings
            .iter()
            .filter(|warning| warning.code == "start-in-freeze");
        frozen.count()
    };
    assert_eq!(
        [codes("2026-01-13T10:00:00Z"), codes("2026-01-13T22:00:00Z")],
        [1, 0]
    );
    let wrong = account.replace("Europe/Berlin", "Mars/Olympus");
    let refused = story.try_apply("root", &wrong).expect_err("no such zone");
    assert!(
        refused
            .to_string()
            .contains("`Mars/Olympus` is not an IANA time zone")
    );
    let refused = story.try_apply("ada", &account.replace("4h", "5h"));
    assert_eq!(refused.expect_err("not hers").code(), "forbidden");
}
