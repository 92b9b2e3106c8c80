//! Release groups: what they make, what becomes of it when the group changes, when time is missed, when the server dies.

use std::collections::{BTreeMap, BTreeSet};

use crate::story::*;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::command::{ReleaseChanges, ReleaseCommand, RestartFrom};
use trainmaster_core::ids::{ReleaseId, ResourceKey, ResourceKind};
use trainmaster_core::release::Release;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Change, Command, Rejection};

const TRAIN: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  inputs:
    - {name: services, type: list, default: [a]}
    - {name: environment, type: string, default: QA}
    - {name: build, type: string, default: none}
  phases:
    - {id: ship, activities: [{id: go, uses: approval, with: {approvers: [user:ada], quorum: 1}}]}
"#;

/// A group of the train process: Thursdays at 14:00 in Berlin, from Thursday 2026-01-08 on, four weeks ahead.
fn weekly(changes: &str) -> String {
    group("weekly", "{every: weekly, on: thursday}", changes)
}

fn group(name: &str, cadence: &str, changes: &str) -> String {
    let mut fields: BTreeMap<&str, &str> = [
        ("process", "train"),
        ("cadence", cadence),
        ("zone", "Europe/Berlin"),
        ("startDate", "2026-01-06"),
        ("startTime", "\"14:00\""),
        ("duration", "2d"),
        ("horizon", "28d"),
        ("nameTemplate", "Week ${group.week} Release"),
    ]
    .into();
    for change in changes.split('\n').filter(|change| !change.is_empty()) {
        let (field, value) = change.split_once(": ").expect("a field and its value");
        fields.insert(field, value);
    }
    let fields: String = fields
        .iter()
        .map(|(field, value)| format!("  {field}: {value}\n"))
        .collect();
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: ReleaseGroup\nmetadata: {{name: {name}}}\nspec:\n{fields}"
    )
}

fn with(group: &str) -> Story {
    let mut story = Story::with(TRAIN);
    story.apply(group);
    story
}

/// Releases of any group, in the order planned.
fn made(story: &Story) -> Vec<&Release> {
    let mut made: Vec<&Release> = story
        .world
        .releases()
        .filter(|release| release.group.is_some())
        .collect();
    made.sort_by_key(|release| release.group.as_ref().map(|group| group.planned_at));
    made
}

/// `MM-DDTHH:MM name status` of each, in the order planned.
fn calendar(story: &Story) -> Vec<String> {
    let line = |release: &&Release| {
        let at = release.start_at.expect("planned").to_string();
        format!("{} {} {:?}", &at[5..16], release.name, release.status())
    };
    made(story).iter().map(line).collect()
}

fn ids(story: &Story) -> Vec<ReleaseId> {
    made(story).iter().map(|release| release.id).collect()
}

fn key(name: &str) -> ResourceKey {
    ResourceKey {
        kind: ResourceKind::ReleaseGroup,
        organization: None,
        name: name.parse().expect("a name"),
    }
}

fn remove(story: &mut Story, key: ResourceKey) -> Result<(), Rejection> {
    let command = Command::DeleteResource {
        key,
        if_revision: None,
    };
    story.command(story.actor("ada"), command).map(drop)
}

fn cancel(story: &mut Story, release: ReleaseId) {
    let reason = "a look at it".to_owned();
    story
        .does("ada", release, ReleaseCommand::Cancel { reason })
        .expect("it can be cancelled");
}

fn edit(story: &mut Story, release: ReleaseId, changes: ReleaseChanges) {
    let command = Command::EditRelease {
        release,
        changes: Box::new(changes),
        if_version: None,
    };
    story
        .command(story.actor("ada"), command)
        .expect("it can be edited");
}

/// Ends a release that runs: Ada approves.
fn approve(story: &mut Story, release: ReleaseId) {
    story
        .approve("ada", release, "ship/go")
        .expect("it can be approved");
}

fn no_instant_twice(story: &Story) {
    let mut seen = BTreeSet::new();
    for event in &story.journal {
        if let Change::ReleaseCreated(created) = &event.change
            && let Some(group) = &created.group
        {
            let slot = (
                created.organization.clone(),
                group.group.clone(),
                group.planned_at,
            );
            assert!(seen.insert(slot), "{group:?} was made twice");
        }
    }
}

#[test]
fn a_group_makes_scheduled_releases_within_its_horizon() {
    let story = with(&weekly(
        "labels: {team: shop}\ninputs: {build: \"1.${group.number}\", services: [x, y]}\nversion: V${group.number}",
    ));
    assert_eq!(
        calendar(&story),
        [
            "01-08T13:00 Week 2 Release Scheduled",
            "01-15T13:00 Week 3 Release Scheduled",
            "01-22T13:00 Week 4 Release Scheduled",
            "01-29T13:00 Week 5 Release Scheduled",
        ]
    );
    let release = made(&story)[2];
    assert_eq!(release.process.name.as_str(), "train");
    assert_eq!(release.zone, "Europe/Berlin");
    assert_eq!(release.software_version.as_deref(), Some("V3"));
    assert_eq!(release.labels["team"], "shop");
    assert_eq!(release.created_by, "system");
    let end = release.expected_end_at.expect("an expected end");
    assert_eq!(
        end.to_string(),
        "2026-01-24T13:00:00Z",
        "start and two days"
    );
    let value = |name: &str| release.inputs[name].value.clone();
    assert_eq!(value("build"), json!("1.3"));
    assert_eq!(value("services"), json!(["x", "y"]));
    assert_eq!(value("environment"), json!("QA"), "the process's own");
    let group = release.group.as_ref().expect("its group");
    assert_eq!((group.number, group.edited), (3, false));
    assert_eq!(group.planned_at, release.start_at.expect("planned"));
    assert_eq!(story.waits(release.id)[0]["reason"], "startTime");
}

#[test]
fn the_example_of_a_weekly_group_plans_around_the_holidays() {
    let mut story = Story::with(include_str!("../../../../examples/hello/process.yaml"));
    story.now = "2026-11-21T08:00:00Z".parse().expect("an instant");
    // The tokens of the story have come to their end by then.
    story.person("iris", &[], Role::Administrator);
    let group = include_str!("../../../../examples/weekly/group.yaml");
    story.try_apply("iris", group).expect("a group");
    let names: Vec<&str> = made(&story)
        .iter()
        .map(|release| release.name.as_str())
        .collect();
    assert_eq!(names.len(), 11);
    assert_eq!(
        names[..6],
        [
            "Week 48 Release",
            "Week 49 Release",
            "Week 50 Release",
            "Week 51 Release",
            "Week 1 Release",
            "Week 2 Release",
        ]
    );
    assert_eq!(made(&story)[4].software_version.as_deref(), Some("2027.1"));
    assert_eq!(made(&story)[0].inputs["who"].value, json!("week 48"));
}

#[test]
fn three_weeks_make_three_more_releases_without_anybody() {
    let mut story = with(&weekly(""));
    let before = ids(&story);
    story.passes("504h");
    let calendar = calendar(&story);
    assert_eq!(calendar.len(), 7);
    assert_eq!(
        calendar[..4],
        [
            "01-08T13:00 Week 2 Release OnHold",
            "01-15T13:00 Week 3 Release OnHold",
            "01-22T13:00 Week 4 Release OnHold",
            "01-29T13:00 Week 5 Release Scheduled",
        ]
    );
    assert_eq!(calendar[6], "02-19T13:00 Week 8 Release Scheduled");
    assert_eq!(ids(&story)[..4], before);
    no_instant_twice(&story);
}

#[test]
fn nothing_is_planned_before_the_first_day_or_after_the_last() {
    let story = with(&weekly("startDate: 2026-01-16\nendDate: 2026-01-29"));
    assert_eq!(
        calendar(&story),
        [
            "01-22T13:00 Week 4 Release Scheduled",
            "01-29T13:00 Week 5 Release Scheduled",
        ]
    );
    assert_eq!(story.world.wake_at(), made(&story)[0].start_at);
}

#[test]
fn a_group_that_began_long_ago_does_not_make_up_for_what_was_before_it_existed() {
    let story = with(&weekly("startDate: 2025-01-02\nmissed: run"));
    assert_eq!(calendar(&story).len(), 4);
    let group = made(&story)[0].group.clone().expect("its group");
    assert_eq!(group.number, 54, "counted from the first day on");
}

#[test]
fn cadences_of_all_sorts_make_releases_on_their_days() {
    let days = |cadence: &str, changes: &str| -> Vec<String> {
        let horizon = format!("horizon: 366d\n{changes}");
        let story = with(&group("some", cadence, &horizon));
        let made = made(&story);
        made.iter()
            .take(4)
            .map(|release| release.start_at.expect("planned").to_string()[..10].to_owned())
            .collect()
    };
    let monthly = days("{every: monthly, on: first monday}", "");
    assert_eq!(
        monthly,
        ["2026-02-02", "2026-03-02", "2026-04-06", "2026-05-04"]
    );
    let quarterly = days("{every: quarterly, on: first week}", "");
    assert_eq!(
        quarterly,
        ["2026-04-06", "2026-07-06", "2026-10-05", "2027-01-04"]
    );
    let ten = days("{every: 10 days}", "");
    assert_eq!(
        ten,
        ["2026-01-06", "2026-01-16", "2026-01-26", "2026-02-05"]
    );
    let biweekly = days("{every: biweekly}", "startDate: 2026-01-07");
    assert_eq!(
        biweekly,
        ["2026-01-07", "2026-01-21", "2026-02-04", "2026-02-18"]
    );
    let rule = days("{rrule: \"FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2\"}", "");
    assert_eq!(rule, ["2026-01-31", "2026-02-28"]);
}

#[test]
fn the_clocks_change_and_the_local_time_stays() {
    let mut story = with(&weekly(""));
    story.until_day("2026-03-20T00:00:00Z");
    let at: Vec<String> = calendar(&story).split_off(10);
    assert_eq!(at[0][..11], *"03-19T13:00");
    assert_eq!(at[1][..11], *"03-26T13:00");
    assert_eq!(at[2][..11], *"04-02T12:00", "summer time since 29 March");
}

#[test]
fn inputs_of_one_release_are_overridden_and_the_others_stay() {
    let mut story = with(&weekly("inputs: {build: base}"));
    let [_, second, third, _] = ids(&story)[..] else {
        panic!("four releases");
    };
    cancel(&mut story, second);
    edit(
        &mut story,
        second,
        ReleaseChanges {
            inputs: Some(values(json!({"build": "special"}))),
            ..Default::default()
        },
    );
    story
        .does("ada", second, ReleaseCommand::Finalize)
        .expect("it can be finalized");
    assert_eq!(
        story.release(second).inputs["build"].value,
        json!("special")
    );
    assert!(
        story
            .release(second)
            .group
            .as_ref()
            .is_some_and(|group| group.edited)
    );
    assert_eq!(story.release(third).inputs["build"].value, json!("base"));
    let plan = |story: &Story, id| story.world.plan(id).map(|plan| plan.digest.clone());
    assert_eq!(plan(&story, second), plan(&story, third), "one structure");
    // A change of the group leaves it alone from now on.
    story.apply(&weekly("inputs: {build: other}"));
    assert_eq!(
        story.release(second).inputs["build"].value,
        json!("special")
    );
    assert_eq!(story.release(third).inputs["build"].value, json!("other"));
    no_instant_twice(&story);
}

#[test]
fn a_change_of_contents_keeps_ids_and_leaves_alone_what_runs() {
    let mut story = with(&weekly("inputs: {build: one}"));
    story.passes("96h");
    let before = ids(&story);
    assert_eq!(story.status(before[0]), ReleaseStatus::OnHold);
    story.apply(&weekly(
        "inputs: {build: two}\nduration: 5d\nnameTemplate: Train ${group.number}\nstartMode: manual\nstakeholders: [team:qa]",
    ));
    assert_eq!(ids(&story), before);
    let running = story.release(before[0]);
    assert_eq!(running.name, "Week 2 Release");
    assert_eq!(running.inputs["build"].value, json!("one"));
    let next = story.release(before[1]);
    assert_eq!(
        (next.name.as_str(), next.status()),
        ("Train 2", ReleaseStatus::Scheduled)
    );
    assert_eq!(next.inputs["build"].value, json!("two"));
    assert_eq!(
        next.expected_end_at.expect("an end").to_string(),
        "2026-01-20T13:00:00Z"
    );
    assert_eq!(
        story.told(before[1], None),
        [
            "ReleaseCreated",
            "ReleaseFinalized",
            "ReleaseCancelled",
            "ReleaseEdited",
            "ReleaseFinalized"
        ]
    );
    // Only the name: nothing is locked, so nothing is unlocked.
    story.apply(&weekly(
        "inputs: {build: two}\nduration: 5d\nnameTemplate: T${group.number}\nstartMode: manual\nstakeholders: [team:qa]",
    ));
    assert_eq!(story.release(before[1]).name, "T2");
    assert_eq!(story.told(before[1], None).len(), 6);
    assert!(
        story
            .release(before[1])
            .group
            .as_ref()
            .is_some_and(|group| !group.edited)
    );
}

#[test]
fn another_cadence_keeps_common_instants_and_withdraws_the_others() {
    let mut story = with(&weekly(""));
    let [first, second, third, fourth] = ids(&story)[..] else {
        panic!("four releases");
    };
    // The second one was moved by a person: it stays, whatever the group plans.
    edit(
        &mut story,
        second,
        ReleaseChanges {
            start_at: Some(Some("2026-01-16T09:00:00Z".parse().expect("an instant"))),
            ..Default::default()
        },
    );
    story.apply(&group("weekly", "{every: biweekly, on: thursday}", ""));
    assert_eq!(
        calendar(&story),
        [
            "01-08T13:00 Week 2 Release Scheduled",
            "01-16T09:00 Week 3 Release Scheduled",
            "01-22T13:00 Week 4 Release Scheduled",
        ]
    );
    assert_eq!(ids(&story), [first, second, third]);
    assert!(
        story
            .told(fourth, None)
            .contains(&"ReleaseDeleted".to_owned())
    );
    assert_eq!(
        story
            .release(third)
            .group
            .as_ref()
            .map(|group| group.number),
        Some(2)
    );
    // Back again: the instant that was moved is not planned a second time, the withdrawn one is planned anew.
    story.apply(&weekly(""));
    assert_eq!(calendar(&story).len(), 4);
    assert_eq!(ids(&story)[..3], [first, second, third]);
    story.restart_server();
    assert_eq!(calendar(&story).len(), 4);
}

#[test]
fn a_deleted_release_does_not_come_back() {
    let mut story = with(&weekly(""));
    let second = ids(&story)[1];
    cancel(&mut story, second);
    story
        .does("ada", second, ReleaseCommand::Delete)
        .expect("a draft can be deleted");
    assert_eq!(calendar(&story).len(), 3);
    story.restart_server();
    story.apply(&weekly("duration: 3d"));
    story.apply(&group("weekly", "{every: daily}", ""));
    story.apply(&weekly(""));
    story.until_day("2026-01-16T00:00:00Z");
    let planned = "2026-01-15T13:00:00Z"
        .parse::<Timestamp>()
        .expect("an instant");
    assert!(
        made(&story)
            .iter()
            .all(|release| release.start_at != Some(planned))
    );
    no_instant_twice_unless_withdrawn(&story);
}

/// Only what the group itself took back may be planned again.
fn no_instant_twice_unless_withdrawn(story: &Story) {
    let mut slots: BTreeMap<Timestamp, ReleaseId> = BTreeMap::new();
    for event in &story.journal {
        let release = event.release;
        match &event.change {
            Change::ReleaseCreated(created) => {
                let Some(group) = &created.group else {
                    continue;
                };
                let before = slots.insert(group.planned_at, release.expect("its id"));
                assert_eq!(before, None, "{} was made twice", group.planned_at);
            }
            Change::ReleaseDeleted {
                withdrawn: true, ..
            } => {
                slots.retain(|_, known| Some(*known) != release);
            }
            _ => (),
        }
    }
}

#[test]
fn pre_executing_uses_the_slot_up_for_good() {
    let mut story = with(&weekly(""));
    let first = ids(&story)[0];
    let purpose = "the customer waits".to_owned();
    story
        .does(
            "ada",
            first,
            ReleaseCommand::PreExecute {
                inputs: BTreeMap::new(),
                purpose,
            },
        )
        .expect("it can be started early");
    approve(&mut story, first);
    assert_eq!(story.status(first), ReleaseStatus::Success);
    story.restart_with_what_runs();
    story.apply(&weekly("duration: 1d"));
    story.apply(&group("weekly", "{every: daily}", ""));
    story.apply(&weekly(""));
    story.until_day("2026-01-09T00:00:00Z");
    let at = "2026-01-08T13:00:00Z"
        .parse::<Timestamp>()
        .expect("an instant");
    let again = made(&story)
        .into_iter()
        .filter(|release| release.id != first)
        .any(|release| release.start_at == Some(at));
    assert!(!again, "the slot never fires again");
    no_instant_twice_unless_withdrawn(&story);
}

#[test]
fn deleting_a_group_withdraws_what_nobody_has_touched() {
    let mut story = with(&weekly(""));
    story.passes("96h");
    let [running, edited, untouched, ..] = ids(&story)[..] else {
        panic!("releases");
    };
    edit(
        &mut story,
        edited,
        ReleaseChanges {
            name: Some("Mine".to_owned()),
            ..Default::default()
        },
    );
    remove(&mut story, key("weekly")).expect("it can be deleted");
    assert_eq!(ids(&story), [running, edited]);
    assert!(
        story
            .told(untouched, None)
            .contains(&"ReleaseDeleted".to_owned())
    );
    story.passes("240h");
    assert_eq!(ids(&story), [running, edited]);
    assert_eq!(
        story.status(edited),
        ReleaseStatus::OnHold,
        "it started at its time"
    );
    // The same name again is the same group: what it has planned stays planned.
    story.apply(&weekly("horizon: 14d"));
    assert_eq!(calendar(&story).len(), 4);
    no_instant_twice_unless_withdrawn(&story);
}

#[test]
fn a_definition_that_a_group_uses_is_not_deleted() {
    let mut story = with(&weekly(""));
    let process = ResourceKey {
        kind: ResourceKind::Process,
        ..key("train")
    };
    let refused = remove(&mut story, process).expect_err("it is in use");
    assert_eq!(refused.code(), "in-use");
}

#[test]
fn a_paused_group_makes_nothing_and_starts_nothing() {
    let mut story = with(&weekly(""));
    let first = ids(&story)[0];
    story.apply(&weekly("paused: true"));
    story.until_day("2026-01-20T00:00:00Z");
    assert_eq!(calendar(&story).len(), 4, "nothing new");
    assert_eq!(story.status(first), ReleaseStatus::Scheduled);
    assert_eq!(
        story.waits(first),
        [json!({"reason": "groupPaused", "group": "weekly"})]
    );
    story.restart_server();
    assert_eq!(story.status(first), ReleaseStatus::Scheduled);
    // A person may start one all the same.
    story
        .does(
            "ada",
            first,
            ReleaseCommand::Activate {
                inputs: BTreeMap::new(),
            },
        )
        .expect("a person starts it");
    assert_eq!(story.status(first), ReleaseStatus::OnHold);
}

/// Two starts are missed while the group is paused; then it goes on.
fn missed_two(policy: &str) -> Vec<String> {
    let mut story = with(&weekly(&format!("horizon: 1h\nmissed: {policy}")));
    assert_eq!(calendar(&story).len(), 0, "too early to see");
    story.apply(&weekly(&format!(
        "horizon: 1h\nmissed: {policy}\npaused: true"
    )));
    story.until_day("2026-01-16T08:00:00Z");
    story.apply(&weekly(&format!("horizon: 1h\nmissed: {policy}")));
    no_instant_twice(&story);
    calendar(&story)
}

#[test]
fn what_was_never_made_is_made_up_for_as_the_policy_says() {
    assert_eq!(
        missed_two("run"),
        [
            "01-08T13:00 Week 2 Release OnHold",
            "01-15T13:00 Week 3 Release OnHold"
        ]
    );
    assert_eq!(missed_two("latest"), ["01-15T13:00 Week 3 Release OnHold"]);
    assert_eq!(missed_two("skip"), [] as [&str; 0]);
}

/// The server is down from Monday until Friday of the next week.
fn down_for_two_starts(policy: &str) -> (Story, Vec<String>) {
    let mut story = with(&weekly(&format!("missed: {policy}")));
    story.now = "2026-01-16T08:00:00Z".parse().expect("an instant");
    story.restart_server();
    no_instant_twice(&story);
    let calendar = calendar(&story);
    (story, calendar)
}

#[test]
fn starts_that_were_missed_while_the_server_was_down_follow_the_policy() {
    let (_, run) = down_for_two_starts("run");
    assert_eq!(
        run[..2],
        [
            "01-08T13:00 Week 2 Release OnHold",
            "01-15T13:00 Week 3 Release OnHold"
        ]
    );
    let (story, latest) = down_for_two_starts("latest");
    assert_eq!(
        latest[..2],
        [
            "01-08T13:00 Week 2 Release Aborted",
            "01-15T13:00 Week 3 Release OnHold"
        ]
    );
    let reason = made(&story)[0].abort_reason.clone().expect("a reason");
    assert!(
        reason.contains("missed") && reason.contains("rel-00000002"),
        "{reason}"
    );
    let (mut story, skip) = down_for_two_starts("skip");
    assert_eq!(
        skip[..3],
        [
            "01-08T13:00 Week 2 Release Aborted",
            "01-15T13:00 Week 3 Release Aborted",
            "01-22T13:00 Week 4 Release Scheduled",
        ]
    );
    // A person may have it run all the same.
    let first = ids(&story)[0];
    story.restart(first, RestartFrom::Start);
    assert_eq!(story.status(first), ReleaseStatus::OnHold);
}

#[test]
fn a_start_that_is_a_little_late_was_not_missed() {
    let mut story = with(&weekly("missed: skip"));
    story.now = "2026-01-08T13:04:00Z".parse().expect("an instant");
    story.restart_server();
    assert_eq!(calendar(&story)[0], "01-08T13:00 Week 2 Release OnHold");
}

#[test]
fn a_queue_lets_one_run_after_the_other() {
    let mut story = with(&weekly("overlap: queue"));
    story.passes("420h");
    let [first, second, third, ..] = ids(&story)[..] else {
        panic!("releases");
    };
    let statuses = |story: &Story| [first, second, third].map(|id| story.status(id));
    use ReleaseStatus::{OnHold, Queued, Success};
    assert_eq!(statuses(&story), [OnHold, Queued, Queued]);
    assert_eq!(
        story.waits(second),
        [json!({"reason": "overlap", "group": "weekly", "release": 1})]
    );
    assert_eq!(story.waits(third)[0]["reason"], "overlap");
    story.restart_server();
    approve(&mut story, first);
    assert_eq!(statuses(&story), [Success, OnHold, Queued]);
    story.abort(second);
    assert_eq!(statuses(&story)[2], OnHold);
    // Whoever starts one early stands in the queue as well.
    let fourth = ids(&story)[3];
    let purpose = "early".to_owned();
    story
        .does(
            "ada",
            fourth,
            ReleaseCommand::PreExecute {
                inputs: BTreeMap::new(),
                purpose,
            },
        )
        .expect("it can be started early");
    assert_eq!(story.status(fourth), Queued);
    approve(&mut story, third);
    assert_eq!(story.status(fourth), OnHold);
}

#[test]
fn a_group_that_skips_overlaps_never_has_two_under_way() {
    let mut story = with(&weekly("overlap: skip"));
    story.passes("250h");
    let [first, second, third, ..] = ids(&story)[..] else {
        panic!("releases");
    };
    assert_eq!(story.status(first), ReleaseStatus::OnHold);
    assert_eq!(story.status(second), ReleaseStatus::Aborted);
    let reason = story
        .release(second)
        .abort_reason
        .clone()
        .expect("a reason");
    assert!(reason.contains("under way"), "{reason}");
    let purpose = "early".to_owned();
    let early = ReleaseCommand::PreExecute {
        inputs: BTreeMap::new(),
        purpose,
    };
    let refused = story
        .does("ada", third, early.clone())
        .expect_err("no overlap");
    assert!(refused.to_string().contains("rel-00000001"), "{refused}");
    let offered = story
        .world
        .release_actions(story.holder("ada"), third, story.now);
    let offered = offered.iter().find(|action| action.action == "pre-execute");
    assert!(
        offered.is_some_and(|action| !action.allowed),
        "offered is accepted"
    );
    approve(&mut story, first);
    story
        .does("ada", third, early)
        .expect("now it can be started");
}

#[test]
fn a_clock_set_back_fires_nothing_again() {
    let mut story = with(&weekly(""));
    story.until_day("2026-01-23T00:00:00Z");
    let before = calendar(&story);
    story.now = "2026-01-14T00:00:00Z".parse().expect("an instant");
    story.restart_server();
    assert_eq!(calendar(&story), before);
    story.apply(&weekly("duration: 3d"));
    // Another cadence and the old one again: what had its chance does not get another one.
    story.apply(&group("weekly", "{every: daily}", ""));
    story.apply(&weekly(""));
    story.until_day("2026-01-24T00:00:00Z");
    assert_eq!(calendar(&story)[..3], before[..3]);
    no_instant_twice_unless_withdrawn(&story);
}

#[test]
fn what_another_release_waits_for_is_set_aside_rather_than_withdrawn() {
    let mut story = with(&weekly(""));
    let last = ids(&story)[3];
    let waits = trainmaster_core::command::NewRelease {
        after: vec![last],
        ..new("train", json!({}))
    };
    let waits = story.create("ada", waits).expect("a draft");
    story.apply(&group("weekly", "{every: biweekly, on: thursday}", ""));
    assert_eq!(story.status(last), ReleaseStatus::Draft);
    assert!(story.release(waits).after.contains_key(&last));
    story.until_day("2026-02-10T00:00:00Z");
    assert_eq!(
        story.status(last),
        ReleaseStatus::Draft,
        "it does not start any more"
    );
}

#[test]
fn a_process_that_asks_for_more_leaves_drafts_with_the_reason() {
    let mut story = with(&weekly(""));
    story.apply(&TRAIN.replace(
        "{name: build, type: string, default: none}",
        "{name: build, type: string, required: true}",
    ));
    assert_eq!(calendar(&story).len(), 4, "pinned ones keep their revision");
    story.passes("168h");
    let late = made(&story)[4];
    assert_eq!(late.status(), ReleaseStatus::Draft);
    assert!(late.notes[0].text.contains("build"), "{:?}", late.notes);
    let id = late.id;
    assert!(!story.notified(id).is_empty());
    // Once the group says what it is, the draft is scheduled.
    story.apply(&weekly("inputs: {build: x}"));
    assert_eq!(story.status(id), ReleaseStatus::Scheduled);
}

#[test]
fn two_organizations_do_not_disturb_each_other() {
    let mut story = Story::with(TRAIN);
    let of = |text: String, organization: &str| {
        text.replace(
            "{name: weekly}",
            &format!("{{name: weekly, organization: {organization}}}"),
        )
    };
    story.apply(&of(weekly(""), "shop"));
    story.apply(&of(group("weekly", "{every: 10 days}", ""), "bank"));
    let of_bank = |release: &&&Release| {
        release
            .organization
            .as_ref()
            .is_some_and(|name| name.as_str() == "bank")
    };
    let count = |story: &Story| {
        let made = made(story);
        let bank = made.iter().filter(of_bank).count();
        (made.len() - bank, bank)
    };
    assert_eq!(count(&story), (4, 3));
    story.apply(&of(weekly("endDate: 2026-01-16"), "shop"));
    assert_eq!(count(&story), (2, 3));
}

#[test]
fn whoever_may_not_start_releases_makes_no_group_that_does() {
    let mut story = Story::with(TRAIN);
    story.person("otto", &[], Role::Operator);
    story.person("vera", &[], Role::Viewer);
    for user in ["otto", "vera"] {
        let refused = story.try_apply(user, &weekly("")).expect_err("may not");
        assert_eq!(refused.code(), "forbidden", "{user}");
    }
}

#[test]
fn a_group_that_could_not_make_its_releases_is_refused_where_it_is_wrong() {
    let mut story = Story::with(TRAIN);
    for (changes, path, message) in [
        (
            "zone: Europe/Atlantis",
            "spec.zone",
            "not an IANA time zone",
        ),
        (
            "inputs: {colour: red}",
            "spec.inputs.colour",
            "no such input",
        ),
        (
            "inputs: {services: red}",
            "spec.inputs.services",
            "expected a list",
        ),
        (
            "owners: {nowhere: [user:ada]}",
            "spec.owners.nowhere",
            "neither a phase",
        ),
        ("inputSet: none", "spec.inputSet", "none"),
        ("duration: 0s", "spec.duration", "must lie between"),
        ("horizon: 400d", "spec.horizon", "must lie between"),
        ("horizon: 5m", "spec.horizon", "must lie between"),
        ("startDate: 2026-13-01", "spec.startDate", "is not a day"),
        (
            "startTime: \"25:00\"",
            "spec.startTime",
            "is not a time of day",
        ),
        ("endDate: 2020-01-01", "spec.endDate", "before `startDate`"),
        (
            "nameTemplate: ${group.colour}",
            "spec.nameTemplate",
            "colour",
        ),
        (
            "nameTemplate: ${inputs.build}",
            "spec.nameTemplate",
            "inputs",
        ),
        ("inputs: {build: \"${group.}\"}", "spec.inputs.build", ""),
        (
            "cadence: {every: weekly, on: someday}",
            "spec.cadence.on",
            "is not a day",
        ),
        (
            "cadence: {rrule: FREQ=HOURLY}",
            "spec.cadence.rrule",
            "too often",
        ),
        (
            "missed: perhaps",
            "spec.missed",
            "`run`, `skip` or `latest`",
        ),
        (
            "overlap: perhaps",
            "spec.overlap",
            "`allow`, `queue` or `skip`",
        ),
        ("colour: red", "spec", "colour"),
    ] {
        match story.try_apply("ada", &weekly(changes)) {
            Err(Rejection::InvalidDefinition(problems)) => {
                assert_eq!(problems[0].path, path, "{changes}: {problems:?}");
                assert!(
                    problems[0].message.contains(message),
                    "{changes}: {problems:?}"
                );
            }
            other => panic!("{changes}: {other:?}"),
        }
    }
    let unknown = story.try_apply("ada", &weekly("process: nothing"));
    assert_eq!(unknown.expect_err("unknown").code(), "unknown-resource");
    assert_eq!(made(&story).len(), 0);
}

#[test]
fn the_next_dates_are_known_before_their_releases_exist() {
    let parsed = trainmaster_core::definition::parse(&weekly(""), None).expect("a group");
    let definition = &parsed[0].definition;
    let trainmaster_core::definition::Body::ReleaseGroup(group) = &definition.body else {
        panic!("a group");
    };
    let after = "2026-03-20T00:00:00Z".parse().expect("an instant");
    let upcoming = group.upcoming(&definition.key, &TimeZoneDatabase::bundled(), after, 3);
    let lines: Vec<Value> = upcoming
        .iter()
        .map(|next| {
            json!([
                next.number,
                next.at.to_string(),
                next.offset.to_string(),
                next.name
            ])
        })
        .collect();
    assert_eq!(
        lines,
        [
            json!([12, "2026-03-26T13:00:00Z", "+01", "Week 13 Release"]),
            json!([13, "2026-04-02T12:00:00Z", "+02", "Week 14 Release"]),
            json!([14, "2026-04-09T12:00:00Z", "+02", "Week 15 Release"]),
        ]
    );
    // What is told beforehand is what is made.
    let mut story = with(&weekly(""));
    story.until_day("2026-03-20T00:00:00Z");
    let made: Vec<Value> = made(&story)
        .iter()
        .filter(|release| release.start_at > Some(after))
        .take(3)
        .map(|release| {
            let group = release.group.as_ref().expect("its group");
            json!([group.number, group.planned_at.to_string(), release.name])
        })
        .collect();
    let told: Vec<Value> = lines
        .iter()
        .map(|line| json!([line[0], line[1], line[3]]))
        .collect();
    assert_eq!(made, told);
}

#[test]
fn thousands_of_groups_cost_nothing_while_they_have_nothing_to_do() {
    let mut story = Story::with(TRAIN);
    let mut world = std::mem::replace(
        &mut story.world,
        trainmaster_core::World::new(TimeZoneDatabase::bundled()),
    );
    let actor = story.actor("ada");
    let apply = |world: &mut trainmaster_core::World, text: &str| {
        let parsed = trainmaster_core::definition::parse(text, None).expect("a group");
        let command = Command::ApplyResource {
            definition: Box::new(parsed.into_iter().next().expect("one").definition),
            if_revision: None,
        };
        let envelope = trainmaster_core::Envelope {
            at: story.now,
            actor,
            command,
        };
        for event in world.decide(&envelope).expect("it is applied") {
            world.apply(&event);
        }
        world.settle(story.now, usize::MAX);
    };
    for number in 0..2_000 {
        apply(
            &mut world,
            &group(&format!("g{number}"), "{every: weekly}", "horizon: 1h"),
        );
    }
    assert_eq!(world.releases().count(), 0);
    // Nothing is due: settling looks at none of them, however often it is asked.
    assert_eq!(
        world.wake_at().map(|at| at.to_string()).as_deref(),
        Some("2026-01-06T12:00:00Z")
    );
    for _ in 0..100_000 {
        assert!(world.settle(story.now, usize::MAX).is_empty());
    }
}
