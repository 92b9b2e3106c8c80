//! People in the loop: approvals, inputs, tasks.

use crate::story::*;
use serde_json::json;
use trainmaster_core::access::Role;
use trainmaster_core::command::{ActivityCommand, Decision};
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};
use trainmaster_core::uses::tasks::TaskStatus;

fn approval(rule: &str) -> String {
    process(
        "asking",
        &format!(
            "    - id: main\n      activities:\n        - {{id: ask, uses: approval, with: {{{rule}}}}}\n        - {{id: go, uses: command, dependsOn: [ask], with: {{run: [go]}}}}"
        ),
    )
}

/// Quin and Rae are in QA, Sven is a stakeholder, Max belongs to both, Ada asks for the release.
fn asking(rule: &str) -> (Story, trainmaster_core::ids::ReleaseId) {
    let mut story = Story::with(&approval(rule));
    story.person("quin", &["qa"], Role::Viewer);
    story.person("rae", &["qa"], Role::Viewer);
    story.person("sven", &["stakeholders"], Role::Viewer);
    story.person("max", &["qa", "stakeholders"], Role::Viewer);
    let train = story.start("asking", json!({}));
    (story, train)
}

const ASK: &str = "main/ask";

#[test]
fn an_approval_holds_the_release_until_enough_people_agree() {
    let (mut story, train) = asking("approvers: [team:qa], quorum: 2");
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    assert_eq!(story.stands(train, ASK), ActivityStatus::OnHold);
    assert_eq!(story.notified(train)[0].0, ["team:qa"]);
    story.approve("quin", train, ASK).expect("quin is in qa");
    let waits = story.waits(train);
    assert_eq!(
        (&waits[0]["approved"], &waits[0]["needed"]),
        (&json!(1), &json!(2))
    );
    let twice = story
        .approve("quin", train, ASK)
        .expect_err("one person counts once");
    assert_eq!(twice.code(), "not-yours");
    assert_eq!(
        story
            .approve("sven", train, ASK)
            .expect_err("not in qa")
            .code(),
        "not-yours"
    );
    story.restart_server();
    story.approve("rae", train, ASK).expect("rae is in qa");
    assert_eq!(story.in_flight(train), ["main/go"]);
    let votes = &story.activity(train, ASK).votes;
    assert_eq!(
        votes
            .iter()
            .map(|vote| vote.user.as_str())
            .collect::<Vec<_>>(),
        ["quin", "rae"]
    );
}

#[test]
fn two_tokens_of_one_person_count_once() {
    let (mut story, train) = asking("approvers: [team:qa], quorum: 2");
    story.approve("quin", train, ASK).expect("quin is in qa");
    story.person("quin", &["qa"], Role::Viewer);
    assert_eq!(
        story
            .approve("quin", train, ASK)
            .expect_err("the same person")
            .code(),
        "not-yours"
    );
}

#[test]
fn with_all_each_entry_needs_a_person_of_its_own() {
    let (mut story, train) = asking("approvers: [team:stakeholders, team:qa], quorum: all");
    story
        .approve("max", train, ASK)
        .expect("max belongs to both");
    assert_eq!(
        story.status(train),
        ReleaseStatus::OnHold,
        "one person is not two"
    );
    story.approve("quin", train, ASK).expect("quin is in qa");
    assert_eq!(
        story.in_flight(train),
        ["main/go"],
        "max stands for the stakeholders, quin for qa"
    );
}

#[test]
fn with_all_two_people_of_one_team_are_not_enough() {
    let (mut story, train) = asking("approvers: [team:stakeholders, team:qa], quorum: all");
    story.approve("quin", train, ASK).expect("quin is in qa");
    story.approve("rae", train, ASK).expect("rae is in qa");
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    story
        .approve("sven", train, ASK)
        .expect("sven is a stakeholder");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn a_majority_is_more_than_half_of_the_entries() {
    let (mut story, train) =
        asking("approvers: [user:quin, user:rae, user:sven], quorum: majority");
    story.approve("quin", train, ASK).expect("quin");
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    story.approve("sven", train, ASK).expect("sven");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn one_rejection_rejects_unless_the_rule_says_otherwise() {
    let (mut story, train) = asking("approvers: [team:qa], quorum: 2");
    story.approve("quin", train, ASK).expect("quin");
    story.reject("rae", train, ASK).expect("rae");
    assert_eq!(story.stands(train, ASK), ActivityStatus::Failed);
    assert!(
        story.activity(train, ASK).attempts[0]
            .error()
            .expect("an error")
            .contains("rejected by user:rae")
    );
    // Asking again starts from nothing.
    story.retry(train, ASK).expect("ada may ask again");
    assert!(story.activity(train, ASK).votes.is_empty());

    let (mut story, train) =
        asking("approvers: [user:quin, user:rae, user:sven], quorum: 2, veto: false");
    story.reject("rae", train, ASK).expect("rae");
    assert_eq!(
        story.stands(train, ASK),
        ActivityStatus::OnHold,
        "two others may still agree"
    );
    story.reject("sven", train, ASK).expect("sven");
    assert_eq!(
        story.stands(train, ASK),
        ActivityStatus::Failed,
        "the quorum cannot be reached any more"
    );
}

#[test]
fn in_sequence_the_next_entry_decides_only_after_the_one_before() {
    let (mut story, train) =
        asking("approvers: [user:quin, user:sven], quorum: 2, order: sequential");
    assert_eq!(
        story
            .approve("sven", train, ASK)
            .expect_err("not yet")
            .code(),
        "not-yours"
    );
    story.approve("quin", train, ASK).expect("quin is first");
    story
        .approve("sven", train, ASK)
        .expect("now it is sven's turn");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn whoever_asked_or_wrote_the_change_may_be_kept_from_deciding() {
    let (mut story, train) = asking(
        "approvers: [role:release-manager, team:qa], excludeRequester: true, excludeAuthors: [user:rae]",
    );
    assert!(
        story
            .approve("ada", train, ASK)
            .expect_err("she asked")
            .to_string()
            .contains("may not approve")
    );
    assert!(
        story
            .approve("rae", train, ASK)
            .expect_err("an author")
            .to_string()
            .contains("authors")
    );
    story.approve("quin", train, ASK).expect("quin is in qa");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn a_decision_is_bound_to_what_was_shown() {
    let (mut story, train) = asking("approvers: [team:qa], quorum: 2");
    let seen = story
        .world
        .approval_digest(train, &path(ASK))
        .expect("something is shown");
    let decide = |digest: &str| ActivityCommand::Decide {
        decision: Decision::Approve,
        comment: String::new(),
        digest: Some(digest.to_owned()),
    };
    assert_eq!(
        story
            .person_does("quin", train, ASK, decide("other"))
            .expect_err("stale")
            .code(),
        "stale-digest"
    );
    story
        .person_does("quin", train, ASK, decide(&seen))
        .expect("what is shown");
    // The version changes: what Quin saw is not what Rae sees, and Quin's decision counts no longer.
    let changes = trainmaster_core::command::ReleaseChanges {
        version: Some(Some("2.0".to_owned())),
        ..Default::default()
    };
    let command = trainmaster_core::Command::EditRelease {
        release: train,
        changes: Box::new(changes),
        if_version: None,
    };
    story
        .command(story.actor("ada"), command)
        .expect("the version may change");
    assert_eq!(
        story
            .person_does("rae", train, ASK, decide(&seen))
            .expect_err("changed")
            .code(),
        "stale-digest"
    );
    story
        .approve("rae", train, ASK)
        .expect("rae sees the new version");
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    assert!(
        story
            .told(train, Some(ASK))
            .contains(&"ApprovalVoided".to_owned())
    );
    story.approve("quin", train, ASK).expect("quin looks again");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn a_deadline_reminds_and_then_rejects_escalates_or_keeps() {
    let rule = |then: &str| format!("approvers: [team:qa], deadline: 24h, remind: 4h, {then}");
    let (mut story, train) = asking(&rule("onDeadline: reject"));
    story.passes("19h");
    assert!(
        !story
            .told(train, Some(ASK))
            .contains(&"ReminderSent".to_owned())
    );
    story.passes("1h");
    assert!(
        story
            .told(train, Some(ASK))
            .contains(&"ReminderSent".to_owned())
    );
    story.passes("4h");
    assert_eq!(story.stands(train, ASK), ActivityStatus::Failed);

    let (mut story, train) = asking(&rule("onDeadline: escalate, escalateTo: [user:sven]"));
    story.approve("sven", train, ASK).expect_err("not yet his");
    story.passes("24h");
    assert_eq!(story.stands(train, ASK), ActivityStatus::OnHold);
    assert_eq!(
        story.notified(train).last().expect("a notice").0,
        ["user:sven"]
    );
    story
        .approve("sven", train, ASK)
        .expect("it was escalated to him");
    assert_eq!(story.in_flight(train), ["main/go"]);

    let (mut story, train) = asking(&rule("onDeadline: keep"));
    story.passes("48h");
    assert_eq!(story.waits(train)[0]["overdue"], json!(true));
    story.approve("quin", train, ASK).expect("it is still open");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn a_right_that_was_taken_away_counts_no_longer() {
    let (mut story, train) = asking("approvers: [team:qa]");
    let token = story.holder("quin").token;
    story
        .command(
            story.actor("root"),
            trainmaster_core::Command::RevokeToken { token },
        )
        .expect("revoked");
    assert_eq!(
        story
            .approve("quin", train, ASK)
            .expect_err("revoked")
            .code(),
        "invalid-token"
    );
}

const FORM: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: form}
spec:
  phases:
    - id: main
      activities:
        - id: ask
          uses: input
          with:
            assignees: [team:qa]
            message: Which build is the candidate?
            remind: 2h
            fields:
              - {name: build, type: number, required: true, min: 1}
              - {name: note, type: string, default: none}
        - {id: other, uses: command, with: {run: [other]}}
        - {id: go, uses: command, dependsOn: [ask], with: {run: ["${string(activities.ask.outputs.build)}", "${activities.ask.outputs.note}"]}}
"#;

#[test]
fn values_asked_from_people_are_checked_and_reach_the_next_activity() {
    let mut story = Story::with(FORM);
    story.person("quin", &["qa"], Role::Viewer);
    story.person("sven", &[], Role::Viewer);
    let train = story.start("form", json!({}));
    assert_eq!(
        story.status(train),
        ReleaseStatus::Running,
        "another branch runs"
    );
    assert_eq!(story.waits(train)[0]["fields"], json!(["build", "note"]));
    story.finish(train, "main/other", done());
    assert_eq!(story.status(train), ReleaseStatus::OnHold);
    assert_eq!(
        story
            .submit("sven", train, ASK, json!({"build": 7}))
            .expect_err("not asked")
            .code(),
        "forbidden"
    );
    let wrong = story
        .submit("quin", train, ASK, json!({"build": "x"}))
        .expect_err("a number is needed");
    assert!(wrong.to_string().contains("build"), "{wrong}");
    story.passes("2h");
    assert!(
        story
            .told(train, Some(ASK))
            .contains(&"ReminderSent".to_owned())
    );
    story
        .submit("quin", train, ASK, json!({"build": 7}))
        .expect("an answer");
    assert_eq!(
        story.effect(train, "main/go").config,
        json!({"run": ["7", "none"]})
    );
}

const LIST: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: list}
spec:
  phases:
    - id: main
      owners: [team:qa]
      activities:
        - id: ask
          uses: tasks
          with:
            tasks:
              - {id: notes, title: Write the notes, assignees: [user:sven]}
              - {id: tests, title: Look at the tests, expected: 2h}
        - {id: go, uses: command, dependsOn: [ask], with: {run: [go]}}
"#;

#[test]
fn a_checklist_ends_when_all_its_tasks_are_done() {
    let mut story = Story::with(LIST);
    story.person("quin", &["qa"], Role::Viewer);
    story.person("sven", &[], Role::Viewer);
    let train = story.start("list", json!({}));
    story
        .task("sven", train, ASK, "tests", TaskStatus::Done)
        .expect_err("not his task");
    story
        .task("sven", train, ASK, "notes", TaskStatus::InProgress)
        .expect("his task");
    story.passes("1h");
    story
        .task("sven", train, ASK, "notes", TaskStatus::Done)
        .expect("his task");
    let task = &story.activity(train, ASK).tasks[&"notes".parse().expect("a name")];
    let length = task
        .ended_at
        .expect("ended")
        .duration_since(task.started_at.expect("started"));
    assert_eq!(length.as_hours(), 1);
    assert_eq!(
        story.world.needs_of(story.holder("sven"), train),
        0,
        "nothing is left for him"
    );
    story
        .task("quin", train, ASK, "tests", TaskStatus::Blocked)
        .expect("her team's task");
    story
        .task("quin", train, ASK, "tests", TaskStatus::Done)
        .expect("her team's task");
    assert_eq!(story.in_flight(train), ["main/go"]);
}

#[test]
fn a_failed_task_fails_the_checklist() {
    let mut story = Story::with(LIST);
    story.person("quin", &["qa"], Role::Operator);
    let train = story.start("list", json!({}));
    story
        .task("quin", train, ASK, "notes", TaskStatus::Failed)
        .expect("an operator may");
    story
        .task("quin", train, ASK, "tests", TaskStatus::Done)
        .expect("her team's task");
    assert_eq!(
        story.activity(train, ASK).attempts[0].error(),
        Some("tasks failed: notes")
    );
}

#[test]
fn owners_may_be_others_for_one_release_than_in_the_process() {
    let mut story = Story::with(LIST);
    story.person("zoe", &[], Role::Viewer);
    let release = trainmaster_core::command::NewRelease {
        owners: [(
            "main".to_owned(),
            vec!["user:zoe".parse().expect("an owner")],
        )]
        .into(),
        start: true,
        ..new("list", json!({}))
    };
    let train = story.create("ada", release).expect("a release");
    assert_eq!(story.world.needs_of(story.holder("zoe"), train), 1);
    story
        .task("zoe", train, ASK, "tests", TaskStatus::Done)
        .expect("she owns the phase now");
}
