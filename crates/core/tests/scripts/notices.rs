//! Who is told what, when: everybody involved once, and nobody else.

use crate::story::*;
use serde_json::json;
use trainmaster_core::access::Role;
use trainmaster_core::command::{ActivityCommand, NewRelease, ReleaseChanges, RestartFrom};
use trainmaster_core::ids::{Owner, ReleaseId};
use trainmaster_core::notice::{Need, NoticeKind};
use trainmaster_core::release::StartMode;
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};
use trainmaster_core::uses::tasks::TaskStatus;
use trainmaster_core::{Command, Rejection};

fn owner(text: &str) -> Owner {
    text.parse().expect("an owner")
}

const HANDED_ON: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: handed-on}
spec:
  phases:
    - id: build
      owners: [team:dev]
      activities:
        - {id: compile, uses: command, with: {run: [make]}}
        - {id: sign, uses: command, dependsOn: [compile], owners: [user:sam], with: {run: [sign]}}
    - id: test
      dependsOn: [build]
      owners: [team:qa]
      activities: [{id: suite, uses: command, with: {run: [test]}}]
    - id: scan
      dependsOn: [build]
      opens: {day: 2, time: "09:00"}
      activities: [{id: look, uses: command, owners: [team:sec], with: {run: [scan]}}]
    - id: deploy
      dependsOn: [test, scan]
      owners: [team:ops]
      activities: [{id: rollout, uses: command, with: {run: [deploy]}}]
"#;

fn handed_on() -> (Story, ReleaseId) {
    let mut story = Story::with(HANDED_ON);
    let new = NewRelease {
        start: true,
        manager: Some(owner("user:max")),
        stakeholders: vec![owner("user:sten")],
        ..new("handed-on", json!({}))
    };
    let train = story.create("ada", new).expect("a release");
    (story, train)
}

#[test]
fn everybody_who_owns_a_part_is_told_once_that_it_has_started() {
    let (mut story, train) = handed_on();
    let told = story.notices(train, NoticeKind::Started);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].owners,
        [
            "user:max",
            "user:sam",
            "user:sten",
            "team:dev",
            "team:ops",
            "team:qa",
            "team:sec"
        ],
        "manager, stakeholder and every owner by name, each once, and nobody else"
    );
    story.restart_server();
    story.passes("1h");
    assert_eq!(story.notices(train, NoticeKind::Started).len(), 1);
}

#[test]
fn the_end_of_a_phase_tells_the_owners_of_the_next() {
    let (mut story, train) = handed_on();
    assert_eq!(story.notices(train, NoticeKind::Handover), []);
    story.finish(train, "build/compile", done());
    story.finish(train, "build/sign", done());
    let told = story.notices(train, NoticeKind::Handover);
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|notice| (notice.owners[0].as_str(), notice.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("team:qa", "handed-on 1: phase test is yours now"),
            (
                "team:sec",
                "handed-on 1: phase scan is next and opens at 2026-01-06T09:00:00Z"
            ),
        ],
        "a phase without owners of its own is handed to those of its activities"
    );
    story.finish(train, "test/suite", done());
    story.restart_server();
    story.until_day("2026-01-06T09:00:00Z");
    assert_eq!(
        story.notices(train, NoticeKind::Handover).len(),
        2,
        "nobody is told again when the phase opens"
    );
    story.finish(train, "scan/look", done());
    let last = story.notices(train, NoticeKind::Handover).remove(2);
    assert_eq!(last.owners, ["team:ops"]);
}

#[test]
fn the_manager_and_the_stakeholders_hear_of_the_end_and_nobody_else() {
    let (mut story, train) = handed_on();
    for path in ["build/compile", "build/sign", "test/suite"] {
        story.finish(train, path, done());
    }
    story.until_day("2026-01-06T09:00:00Z");
    story.finish(train, "scan/look", done());
    story.finish(train, "deploy/rollout", done());
    let told = story.notices(train, NoticeKind::Ended);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].owners, ["user:max", "user:sten"]);
    assert_eq!(told[0].message, "handed-on 1 ended: Success");
}

#[test]
fn a_run_that_begins_again_tells_people_again() {
    let (mut story, train) = handed_on();
    story.abort(train);
    story.passes("2m");
    assert_eq!(story.status(train), ReleaseStatus::Aborted);
    assert_eq!(story.notices(train, NoticeKind::Ended).len(), 1);
    story.restart(train, RestartFrom::Start);
    assert_eq!(story.notices(train, NoticeKind::Started).len(), 2);
}

fn planned(start_mode: StartMode) -> (Story, ReleaseId) {
    let mut story = Story::with(HANDED_ON);
    let new = NewRelease {
        finalize: true,
        start_mode,
        start_at: Some("2026-01-05T12:00:00Z".parse().expect("an instant")),
        expected_end_at: Some("2026-01-05T18:00:00Z".parse().expect("an instant")),
        manager: Some(owner("user:max")),
        ..new("handed-on", json!({}))
    };
    let train = story.create("ada", new).expect("a release");
    (story, train)
}

#[test]
fn a_release_that_is_late_is_said_to_be_late_once() {
    let (mut story, train) = planned(StartMode::Auto);
    story.until_day("2026-01-05T17:59:59Z");
    assert_eq!(story.notices(train, NoticeKind::Overdue), []);
    story.until_day("2026-01-05T18:00:00Z");
    let told = story.notices(train, NoticeKind::Overdue);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].owners, ["user:max"]);
    assert!(told[0].urgent);
    story.restart_server();
    story.passes("20h");
    assert_eq!(story.notices(train, NoticeKind::Overdue).len(), 1);
    // A later end may pass as well.
    let changes = ReleaseChanges {
        expected_end_at: Some(Some("2026-01-08T18:00:00Z".parse().expect("an instant"))),
        ..ReleaseChanges::default()
    };
    edit(&mut story, train, changes).expect("it may be moved");
    story.until_day("2026-01-09T00:00:00Z");
    assert_eq!(story.notices(train, NoticeKind::Overdue).len(), 2);
}

#[test]
fn a_start_by_hand_that_is_missed_is_said_once() {
    let (mut story, train) = planned(StartMode::Manual);
    story.until_day("2026-01-05T11:59:59Z");
    assert_eq!(story.notices(train, NoticeKind::StartMissed), []);
    story.until_day("2026-01-05T13:00:00Z");
    story.restart_server();
    story.until_day("2026-01-05T14:00:00Z");
    let told = story.notices(train, NoticeKind::StartMissed);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].owners, ["user:max"]);
    assert_eq!(story.status(train), ReleaseStatus::Scheduled);
    let automatic = planned(StartMode::Auto);
    let (mut story, train) = automatic;
    story.until_day("2026-01-05T14:00:00Z");
    assert_eq!(story.notices(train, NoticeKind::StartMissed), []);
}

fn edit(story: &mut Story, release: ReleaseId, changes: ReleaseChanges) -> Result<(), Rejection> {
    let command = Command::EditRelease {
        release,
        changes: Box::new(changes),
        if_version: None,
    };
    story.command(story.actor("ada"), command).map(|_| ())
}

const HOLDING: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: holding}
spec:
  holds: {remind: 4h, escalateAfter: 10h, escalateTo: [user:lea]}
  phases:
    - id: main
      owners: [team:qa]
      activities:
        - {id: ask, uses: input, with: {fields: [{name: build, type: number}]}}
        - {id: list, uses: tasks, with: {tasks: [{id: look, title: Look}]}}
        - {id: act, uses: command, with: {run: [act]}}
        - {id: sign, uses: approval, with: {approvers: [team:qa]}}
"#;

#[test]
fn an_unanswered_hold_reminds_and_then_escalates() {
    let mut story = Story::with(HOLDING);
    story.person("quin", &["qa"], Role::Viewer);
    story.person("lea", &[], Role::Viewer);
    let train = story.start("holding", json!({}));
    story.finish(train, "main/act", broken("no disk"));
    let asked = |kind| {
        let mut needs: Vec<Option<Need>> = story
            .notices(train, kind)
            .iter()
            .map(|notice| notice.need)
            .collect();
        needs.sort();
        needs
    };
    assert_eq!(asked(NoticeKind::NeedsInput), [Some(Need::Input)]);
    assert_eq!(asked(NoticeKind::NeedsTasks), [Some(Need::Tasks)]);
    assert_eq!(asked(NoticeKind::NeedsApproval), [Some(Need::Approval)]);
    assert_eq!(asked(NoticeKind::Failure), [Some(Need::Decision)]);
    let early = story.submit("lea", train, "main/ask", json!({"build": 7}));
    assert_eq!(early.expect_err("not asked yet").code(), "forbidden");

    story.passes("4h");
    let reminded = story.notices(train, NoticeKind::Reminder);
    assert_eq!(reminded.len(), 4, "each hold once");
    assert!(reminded.iter().all(|notice| notice.owners == ["team:qa"]));
    story.restart_server();
    story.passes("5h");
    assert_eq!(story.notices(train, NoticeKind::Reminder).len(), 8);
    assert_eq!(story.notices(train, NoticeKind::Escalation), []);

    story.passes("1h");
    let escalated = story.notices(train, NoticeKind::Escalation);
    assert_eq!(escalated.len(), 4, "each hold once: {escalated:?}");
    assert!(
        escalated
            .iter()
            .all(|notice| notice.owners == ["user:lea"] && notice.urgent)
    );
    story.restart_server();
    story
        .submit("lea", train, "main/ask", json!({"build": 7}))
        .expect("it was escalated to her");
    story
        .task("lea", train, "main/list", "look", TaskStatus::Done)
        .expect("it was escalated to her");
    let mended = ActivityCommand::Retry {
        inputs: values(json!({})),
        remedy: None,
        save_to: None,
        reason: "mended".to_owned(),
    };
    story
        .person_does("lea", train, "main/act", mended)
        .expect("it was escalated to her");
    story.finish(train, "main/act", done());
    story
        .approve("lea", train, "main/sign")
        .expect_err("who approves is a rule of its own");
    story.passes("720h");
    let of_the_approval = story
        .notices(train, NoticeKind::Reminder)
        .iter()
        .filter(|notice| notice.need == Some(Need::Approval))
        .count();
    assert_eq!(of_the_approval, 10, "reminders come to an end");
    assert_eq!(story.notices(train, NoticeKind::Escalation).len(), 4);
    assert_eq!(story.stands(train, "main/sign"), ActivityStatus::OnHold);
}

#[test]
fn a_hold_without_settings_reminds_after_a_day_and_escalates_to_the_manager() {
    let mut story = Story::with(&HOLDING.replace(
        "  holds: {remind: 4h, escalateAfter: 10h, escalateTo: [user:lea]}\n",
        "",
    ));
    let train = story.start("holding", json!({}));
    let command = ReleaseChanges {
        manager: Some(Some(owner("user:max"))),
        ..ReleaseChanges::default()
    };
    edit(&mut story, train, command).expect("it gets a manager");
    story.passes("23h");
    assert_eq!(story.notices(train, NoticeKind::Reminder), []);
    story.passes("1h");
    assert_eq!(story.notices(train, NoticeKind::Reminder).len(), 3);
    story.passes("24h");
    let escalated = story.notices(train, NoticeKind::Escalation);
    assert_eq!(escalated.len(), 3);
    assert!(escalated.iter().all(|notice| notice.owners == ["user:max"]));
}

#[test]
fn an_answer_ends_the_reminders() {
    let mut story = Story::with(HOLDING);
    story.person("quin", &["qa"], Role::Viewer);
    let train = story.start("holding", json!({}));
    story.finish(train, "main/act", done());
    story.approve("quin", train, "main/sign").expect("quin");
    story
        .submit("quin", train, "main/ask", json!({"build": 7}))
        .expect("quin");
    story
        .task("quin", train, "main/list", "look", TaskStatus::Done)
        .expect("quin");
    assert_eq!(story.status(train), ReleaseStatus::Success);
    story.passes("100h");
    assert_eq!(story.notices(train, NoticeKind::Reminder), []);
    assert_eq!(story.notices(train, NoticeKind::Escalation), []);
}
