//! How long completed work is kept, and what stands in the way of removing it.

use crate::story::*;
use serde_json::json;
use trainmaster_core::access::Role;
use trainmaster_core::command::{NewRelease, ReleaseChanges, ReleaseCommand};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Actor, Command, Rejection, definition};

const TRAIN: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  phases: [{id: a, activities: [{id: b, uses: command, with: {run: [x]}}]}]
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: nested}
spec:
  phases: [{id: a, activities: [{id: child, uses: subprocess, with: {process: train}}]}]
"#;

fn account(retention: &str) -> String {
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: Account\nmetadata: {{name: account}}\nspec: {{retention: {retention}}}\n"
    )
}

/// The server itself asks.
fn server(story: &mut Story, release: ReleaseId, action: ReleaseCommand) -> Result<(), Rejection> {
    let command = Command::Release { release, action };
    story.command(Actor::System, command).map(drop)
}

fn ended(story: &mut Story) -> ReleaseId {
    let train = story.start("train", json!({}));
    story.finish(train, "a/b", done());
    train
}

fn after(story: &mut Story, before: ReleaseId) -> ReleaseId {
    let follower = NewRelease {
        after: vec![before],
        ..new("train", json!({}))
    };
    story.create("ada", follower).expect("a release")
}

/// Ada's token does not live as long as these stories.
fn later(story: &mut Story, time: &str) {
    story.passes(time);
    story.person("eve", &[], Role::Administrator);
}

#[test]
fn what_ended_a_year_ago_is_archived_and_what_runs_stays() {
    let mut story = Story::with(TRAIN);
    let running = story.start("train", json!({}));
    let train = ended(&mut story);
    story.passes("8759h");
    let early = server(&mut story, train, ReleaseCommand::Archive).expect_err("too early");
    assert!(
        early.to_string().contains("by itself at 2027-01-05"),
        "{early}"
    );
    story.passes("1h");
    server(&mut story, train, ReleaseCommand::Archive).expect("a year has passed");
    assert!(story.release(train).archived);
    story.passes("720h");
    server(&mut story, running, ReleaseCommand::Archive).expect_err("it runs, thirteen months on");
    assert!(story.status(running).is_active() && !story.release(running).archived);
}

#[test]
fn one_setting_says_how_long() {
    let mut story = Story::with(TRAIN);
    story
        .try_apply("root", &account("{archiveAfter: 48h, deleteAfter: 72h}"))
        .expect("settings that hold together");
    let train = ended(&mut story);
    story.passes("24h");
    server(&mut story, train, ReleaseCommand::Archive).expect_err("a day is too short");
    story.passes("24h");
    server(&mut story, train, ReleaseCommand::Archive).expect("two days have passed");
    let kept = server(&mut story, train, ReleaseCommand::Delete).expect_err("it is kept");
    assert!(
        kept.to_string().contains("kept until 2026-01-08T08:00"),
        "{kept}"
    );
    story.passes("24h");
    server(&mut story, train, ReleaseCommand::Delete).expect("three days have passed");
    assert!(!story.world.knows(train));
}

#[test]
fn nothing_is_deleted_by_itself_unless_somebody_wants_it() {
    let mut story = Story::with(TRAIN);
    let train = ended(&mut story);
    story.passes("90000h");
    server(&mut story, train, ReleaseCommand::Archive).expect("years have passed");
    let kept = server(&mut story, train, ReleaseCommand::Delete).expect_err("nobody said so");
    assert!(kept.to_string().contains("kept for good"), "{kept}");
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    for (retention, expected) in [
        (
            "{archiveAfter: 2h, deleteAfter: 1h}",
            "spec.retention.deleteAfter",
        ),
        ("{archiveAfter: 0s}", "spec.retention.archiveAfter"),
    ] {
        let problems = definition::parse(&account(retention), None).expect_err(retention);
        assert_eq!(problems[0].path, expected);
    }
}

#[test]
fn who_names_a_release_keeps_it() {
    let mut story = Story::with(TRAIN);
    let first = ended(&mut story);
    let second = after(&mut story, first);
    story
        .does(
            "ada",
            second,
            ReleaseCommand::Activate {
                inputs: Default::default(),
            },
        )
        .expect("its predecessor has succeeded");
    story.finish(second, "a/b", done());
    later(&mut story, "8784h");
    for release in [first, second] {
        server(&mut story, release, ReleaseCommand::Archive).expect("a year has passed");
    }
    let refused = story
        .does("eve", first, ReleaseCommand::Delete)
        .expect_err("the second one names it");
    assert_eq!(refused.code(), "in-use");
    assert!(
        refused.to_string().contains(&second.to_string()),
        "{refused}"
    );
    story
        .does("eve", second, ReleaseCommand::Delete)
        .expect("nobody names it");
    story
        .does("eve", first, ReleaseCommand::Delete)
        .expect("nobody names it any more");
}

#[test]
fn whoever_names_another_release_instead_lets_go() {
    let mut story = Story::with(TRAIN);
    let (one, other) = (
        story.draft("train", json!({})),
        story.draft("train", json!({})),
    );
    let follower = after(&mut story, one);
    let refused = story.does("ada", one, ReleaseCommand::Delete);
    assert!(
        refused
            .expect_err("named")
            .to_string()
            .contains("waits for it")
    );
    let changes = ReleaseChanges {
        after: Some(vec![other]),
        ..Default::default()
    };
    let edit = Command::EditRelease {
        release: follower,
        changes: Box::new(changes),
        if_version: None,
    };
    story.command(story.actor("ada"), edit).expect("an edit");
    assert!(story.release(one).followers.is_empty());
    assert!(story.release(other).followers.contains(&follower));
    story
        .does("ada", follower, ReleaseCommand::Delete)
        .expect("a draft may go");
    assert!(story.release(other).followers.is_empty());
}

#[test]
fn children_go_with_their_parent() {
    let mut story = Story::with(TRAIN);
    let parent = story.start("nested", json!({}));
    let child = story.release(parent).children[0];
    story.finish(child, "a/b", done());
    assert_eq!(story.status(parent), ReleaseStatus::Success);
    later(&mut story, "8784h");
    let refused = server(&mut story, child, ReleaseCommand::Archive).expect_err("a child");
    assert!(refused.to_string().contains("goes with it"), "{refused}");
    server(&mut story, parent, ReleaseCommand::Archive).expect("a year has passed");
    assert!(story.release(child).archived);
    story
        .does("eve", parent, ReleaseCommand::Delete)
        .expect("retention is over");
    assert!(!story.world.knows(child) && !story.world.knows(parent));
}

#[test]
fn what_is_not_in_memory_is_asked_for() {
    let mut story = Story::with(TRAIN);
    let first = ended(&mut story);
    let second = after(&mut story, first);
    story
        .does(
            "ada",
            second,
            ReleaseCommand::Activate {
                inputs: Default::default(),
            },
        )
        .expect("its predecessor has succeeded");
    story.finish(second, "a/b", done());
    let delete = Command::Release {
        release: second,
        action: ReleaseCommand::Delete,
    };
    assert!(story.world.asked_by(&delete).is_empty());
    story.world.forget(first);
    assert!(story.world.asked_by(&delete).contains(&first));
}

#[test]
fn a_group_that_goes_on_keeps_what_its_reports_count() {
    let mut story = Story::with(TRAIN);
    let group = "apiVersion: trainmaster.dev/v1\nkind: ReleaseGroup\nmetadata: {name: daily}\nspec:\n  process: train\n  \
        cadence: {every: daily}\n  startDate: 2026-01-06\n  endDate: 2026-01-06\n  startTime: \"09:00\"\n  duration: 1h\n  \
        nameTemplate: Day\n";
    story.apply(group);
    story.until_day("2026-01-06T10:00:00Z");
    let made = story
        .world
        .releases()
        .find(|release| release.group.is_some())
        .expect("the group made a release")
        .id;
    story.finish(made, "a/b", done());
    later(&mut story, "8784h");
    server(&mut story, made, ReleaseCommand::Archive).expect("a year has passed");
    let refused = story
        .does("eve", made, ReleaseCommand::Delete)
        .expect_err("the group goes on");
    assert!(refused.to_string().contains("group `daily`"), "{refused}");
    let key = story
        .release(made)
        .group_key()
        .expect("a release of a group");
    let delete = Command::DeleteResource {
        key,
        if_revision: None,
    };
    story
        .command(story.actor("eve"), delete)
        .expect("the group is given up");
    story
        .does("eve", made, ReleaseCommand::Delete)
        .expect("nothing counts it any more");
}
