//! Bugs planted on purpose: each check must notice the one it is there for, and report it by its own name.

use std::collections::BTreeMap;

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::command::{ActivityCommand, Decision, NewRelease, NewToken};
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::event::{AttemptOutcome, Change};
use trainmaster_core::ids::{EffectKey, ReleaseId, TokenId};
use trainmaster_core::status::{PhaseStatus, ReleaseStatus};
use trainmaster_core::{Actor, Command, Envelope, Event, Outcome, World, definition};
use trainmaster_engine::journal::Record;
use trainmaster_engine::ports::{Columns, Row};
use trainmaster_sim::checks::{self, Failure};
use trainmaster_sim::model::Model;
use trainmaster_sim::outside::Outside;

/// A small honest history, told by core itself, to plant bugs in.
struct History {
    world: World,
    now: Timestamp,
    events: Vec<Event>,
    rows: BTreeMap<EntityKey, Row>,
}

const RELEASE: ReleaseId = ReleaseId(1);

impl History {
    /// Ada starts a release of a process with these phases; Bob and Cleo are of the team `qa`.
    fn of(phases: Value) -> History {
        let mut history = History {
            world: World::new(TimeZoneDatabase::bundled()),
            now: "2026-01-05T08:00:00Z".parse().expect("an instant"),
            events: Vec::new(),
            rows: BTreeMap::new(),
        };
        for (user, team, role) in [
            ("ada", "none", Role::ReleaseManager),
            ("bob", "qa", Role::Viewer),
            ("cleo", "qa", Role::Viewer),
        ] {
            let name = |text: &str| text.parse().expect("a name");
            history.does(
                Actor::System,
                Command::IssueToken(NewToken {
                    digest: user.to_owned(),
                    user: name(user),
                    teams: vec![name(team)],
                    roles: vec![role],
                    organization: None,
                    kind: trainmaster_core::access::TokenKind::Service,
                    scope: None,
                    expires_at: Some(history.now + SignedDuration::from_hours(1_000)),
                    description: String::new(),
                }),
            );
        }
        let document = json!({
            "apiVersion": "trainmaster.dev/v1",
            "kind": "Process",
            "metadata": {"name": "train"},
            "spec": {"phases": phases},
        });
        let parsed =
            definition::parse(&document.to_string(), None).expect("a process that holds together");
        let definition = Box::new(parsed.into_iter().next().expect("one").definition);
        history.does(
            Actor::System,
            Command::ApplyResource {
                definition,
                if_revision: None,
            },
        );
        let process = Some("train".parse().expect("a name"));
        let new = NewRelease {
            process,
            start: true,
            ..NewRelease::default()
        };
        history.does(
            Actor::Token(TokenId(1)),
            Command::CreateRelease(Box::new(new)),
        );
        history
    }

    fn does(&mut self, actor: Actor, command: Command) {
        let envelope = Envelope {
            at: self.now,
            actor,
            command,
        };
        let mut events = self.world.decide(&envelope).expect("an accepted command");
        events.iter().for_each(|event| self.world.apply(event));
        events.extend(self.world.settle(self.now, usize::MAX));
        self.write(events);
    }

    fn write(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        for key in self.world.take_touched() {
            match self.world.entity(&key) {
                Some(entity) => {
                    let row = Row {
                        body: entity.body(),
                        columns: Columns::None,
                    };
                    self.rows.insert(key, row)
                }
                None => self.rows.remove(&key),
            };
        }
    }

    /// What is in flight ends this way.
    fn finish(&mut self, outcome: Outcome) {
        let attempt = self
            .world
            .wanted()
            .keys()
            .next()
            .expect("something in flight")
            .clone();
        self.does(Actor::System, Command::FinishAttempt { attempt, outcome });
    }

    fn approve(&mut self, token: u64) {
        let action = ActivityCommand::Decide {
            decision: Decision::Approve,
            comment: String::new(),
            digest: None,
        };
        let path = "p/a".parse().expect("a path");
        self.does(
            Actor::Token(TokenId(token)),
            Command::Activity {
                release: RELEASE,
                path,
                action,
            },
        );
    }

    /// Time passes until the world wakes.
    fn wakes(&mut self) {
        self.now = self.world.wake_at().expect("something is due");
        let events = self.world.settle(self.now, usize::MAX);
        self.write(events);
    }

    fn judge(&self) -> Result<(), Failure> {
        judge(&self.events)
    }

    /// The position of the n-th event of this kind.
    fn nth(&self, n: usize, is: impl Fn(&Change) -> bool) -> usize {
        let mut found = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| is(&event.change));
        found.nth(n).expect("such an event").0
    }
}

fn judge(events: &[Event]) -> Result<(), Failure> {
    let mut model = Model::default();
    events.iter().try_for_each(|event| model.take(event))?;
    model.check_rest()
}

fn caught(judgement: Result<(), Failure>) -> &'static str {
    judgement.expect_err("the planted bug is noticed").check
}

fn started(change: &Change) -> bool {
    matches!(change, Change::AttemptStarted(_))
}

fn finished(change: &Change) -> bool {
    matches!(change, Change::AttemptFinished { .. })
}

fn done() -> Outcome {
    Outcome::Succeeded { result: json!({}) }
}

/// One phase with a build and a deployment after it.
fn two_steps() -> History {
    let mut history = History::of(json!([{"id": "p", "activities": [
        {"id": "a", "uses": "command", "with": {"run": ["build"]}},
        {"id": "b", "uses": "command", "with": {"run": ["deploy"]}, "dependsOn": ["a"]},
    ]}]));
    history.finish(done());
    history.finish(done());
    history.judge().expect("an honest history");
    history
}

/// A build that is tried three times.
fn tried_again() -> History {
    let mut history = History::of(json!([{"id": "p", "activities": [
        {"id": "a", "uses": "command", "with": {"run": ["build"]}, "retry": {"maxAttempts": 3}},
    ]}]));
    for _ in 0..2 {
        history.finish(Outcome::Retryable {
            error: "busy".to_owned(),
            after: None,
            result: Value::Null,
        });
        history.wakes();
    }
    history.finish(done());
    history.judge().expect("an honest history");
    history
}

/// An approval by two of a team.
fn approved_by_two() -> History {
    let mut history = History::of(json!([{"id": "p", "activities": [
        {"id": "a", "uses": "approval", "with": {"approvers": ["team:qa", "user:ada"], "quorum": 2}},
    ]}]));
    history.approve(2);
    history.approve(3);
    history.judge().expect("an honest history");
    history
}

#[test]
fn a_doubled_result_is_noticed() {
    let mut history = two_steps();
    let first = history.nth(0, finished);
    history
        .events
        .insert(first + 2, history.events[first].clone());
    assert_eq!(caught(history.judge()), "one_result_per_attempt");
}

#[test]
fn a_late_result_that_is_taken_is_noticed() {
    let mut history = tried_again();
    let first = history.events[history.nth(0, finished)].clone();
    let second = history.nth(1, started);
    history.events.insert(second + 1, first);
    assert_eq!(caught(history.judge()), "one_result_per_attempt");
}

#[test]
fn an_early_start_is_noticed() {
    let mut history = two_steps();
    let second = history.nth(1, started);
    let early = history.events.remove(second);
    let first = history.nth(0, finished);
    history.events.insert(first, early);
    assert_eq!(caught(history.judge()), "an_attempt_starts_when_ready");
}

#[test]
fn a_number_used_twice_is_noticed() {
    let mut history = tried_again();
    let second = history.nth(1, started);
    if let Change::AttemptStarted(started) = &mut history.events[second].change {
        started.attempt = 1;
    }
    assert_eq!(caught(history.judge()), "attempt_ids_start_once");
}

#[test]
fn a_new_key_for_a_retry_is_noticed() {
    let mut history = tried_again();
    let second = history.nth(1, started);
    if let Change::AttemptStarted(started) = &mut history.events[second].change {
        started.key = EffectKey("another".to_owned());
    }
    assert_eq!(caught(history.judge()), "keys_stand_for_one_occurrence");
}

#[test]
fn a_key_shared_by_two_activities_is_noticed() {
    let mut history = two_steps();
    let (first, second) = (history.nth(0, started), history.nth(1, started));
    let Change::AttemptStarted(build) = history.events[first].change.clone() else {
        unreachable!("found as such")
    };
    if let Change::AttemptStarted(deploy) = &mut history.events[second].change {
        deploy.key = build.key;
    }
    assert_eq!(caught(history.judge()), "keys_stand_for_one_occurrence");
}

#[test]
fn a_retry_beyond_its_policy_is_noticed() {
    let retry = |change: &Change| matches!(change, Change::RetryScheduled { .. });
    let mut hasty = tried_again();
    let first = hasty.nth(0, retry);
    hasty.events[first].change = Change::RetryScheduled {
        retry_at: hasty.events[first].at + SignedDuration::from_secs(1),
    };
    assert_eq!(caught(hasty.judge()), "retries_keep_to_their_policy");

    let mut stubborn = tried_again();
    let again = stubborn.events[stubborn.nth(1, retry)].change.clone();
    let last = stubborn.nth(2, finished);
    let failed = stubborn.events[stubborn.nth(0, finished)].change.clone();
    if let (Change::AttemptFinished { outcome, .. }, Change::AttemptFinished { outcome: bad, .. }) =
        (&mut stubborn.events[last].change, failed)
    {
        *outcome = bad;
    }
    stubborn.events[last + 1].change = again;
    assert_eq!(caught(stubborn.judge()), "retries_keep_to_their_policy");
}

#[test]
fn a_retry_before_its_time_is_noticed() {
    let mut history = tried_again();
    let second = history.nth(1, started);
    history.events[second].at = history.events[0].at;
    assert_eq!(caught(history.judge()), "an_attempt_starts_when_ready");
}

#[test]
fn a_start_while_paused_or_aborted_is_noticed() {
    for (change, check) in [
        (
            Change::ReleasePaused {
                reason: "a look round".to_owned(),
            },
            "nothing_starts_while_paused",
        ),
        (
            Change::ReleaseAbortRequested {
                reason: "not today".to_owned(),
            },
            "nothing_starts_below_an_abort",
        ),
    ] {
        let mut history = two_steps();
        let second = history.nth(1, started);
        let event = Event {
            path: None,
            change,
            ..history.events[second].clone()
        };
        history.events.insert(second, event);
        assert_eq!(caught(history.judge()), check);
    }
}

#[test]
fn an_end_without_consequence_is_noticed() {
    let history = two_steps();
    let first = history.nth(0, finished);
    assert_eq!(
        caught(judge(&history.events[..=first])),
        "every_end_has_a_consequence"
    );
}

#[test]
fn an_approval_with_too_few_approvals_is_noticed() {
    let mut history = approved_by_two();
    let second = history.nth(1, |change| matches!(change, Change::ApprovalDecided { .. }));
    history.events.remove(second);
    assert_eq!(
        caught(history.judge()),
        "an_approval_is_granted_by_its_quorum"
    );
}

#[test]
fn an_approval_that_stays_open_is_noticed() {
    let history = approved_by_two();
    let second = history.nth(1, |change| matches!(change, Change::ApprovalDecided { .. }));
    assert_eq!(
        caught(judge(&history.events[..=second])),
        "a_met_quorum_is_granted"
    );
}

#[test]
fn one_person_counted_twice_is_noticed() {
    let decided = |change: &Change| matches!(change, Change::ApprovalDecided { .. });
    let mut history = approved_by_two();
    let (first, second) = (history.nth(0, decided), history.nth(1, decided));
    history.events[second].change = history.events[first].change.clone();
    assert_eq!(caught(history.judge()), "who_decides_may_decide");
}

#[test]
fn a_decision_with_a_revoked_token_is_noticed() {
    let mut history = approved_by_two();
    let second = history.nth(1, |change| matches!(change, Change::ApprovalDecided { .. }));
    let change = Change::TokenRevoked { token: TokenId(3) };
    let revoked = Event {
        release: None,
        path: None,
        change,
        ..history.events[second].clone()
    };
    history.events.insert(second, revoked);
    assert_eq!(caught(history.judge()), "who_decides_may_decide");
}

#[test]
fn a_wrong_roll_up_is_noticed() {
    let mut history = two_steps();
    let phase = history.nth(0, |change| matches!(change, Change::PhaseFinished { .. }));
    if let Change::PhaseFinished { status, .. } = &mut history.events[phase].change {
        *status = PhaseStatus::PartialSuccess;
    }
    assert_eq!(caught(history.judge()), "a_phase_ends_by_the_roll_up");

    let mut history = two_steps();
    let release = history.nth(0, |change| matches!(change, Change::ReleaseFinished { .. }));
    if let Change::ReleaseFinished { status, .. } = &mut history.events[release].change {
        *status = ReleaseStatus::Failed;
    }
    assert_eq!(caught(history.judge()), "a_release_ends_by_the_roll_up");
}

#[test]
fn an_event_after_the_end_is_noticed() {
    let mut history = two_steps();
    let start = history.events[history.nth(0, started)].clone();
    history.events.push(start);
    assert_eq!(caught(history.judge()), "what_has_ended_stays");
}

#[test]
fn a_missing_row_a_changed_row_and_a_lost_event_are_noticed() {
    let history = two_steps();
    let replay = |events: &[Event], rows| {
        checks::replay_makes_the_rows(events, rows, history.world.wanted())
    };
    replay(&history.events, &history.rows).expect("an honest history");

    let mut missing = history.rows.clone();
    missing.remove(&EntityKey::Activity(RELEASE, 1));
    assert_eq!(
        caught(replay(&history.events, &missing)),
        "replay_makes_the_rows"
    );

    let mut changed = history.rows.clone();
    let row = changed
        .get_mut(&EntityKey::Release(RELEASE))
        .expect("a row");
    row.body = row.body.replace("\"train 1\"", "\"train 2\"");
    assert_eq!(
        caught(replay(&history.events, &changed)),
        "replay_makes_the_rows"
    );
    assert_eq!(
        caught(checks::rows_are_the_world(&changed, &history.world)),
        "rows_are_the_world"
    );

    let lost = &history.events[..history.events.len() - 2];
    assert_eq!(caught(replay(lost, &history.rows)), "replay_makes_the_rows");
}

#[test]
fn rows_that_make_another_world_are_noticed() {
    let mut history = History::of(json!([{"id": "p", "activities": [
        {"id": "a", "uses": "command", "with": {"run": ["build"]}},
        {"id": "b", "uses": "wait", "with": {"for": "1h"}},
    ]}]));
    let load = |history: &History, skipped: Option<&EntityKey>| {
        let rows = history.rows.iter().filter(|(key, _)| Some(*key) != skipped);
        let entities = rows
            .map(|(key, row)| Entity::parse(key, &row.body).expect("a row"))
            .collect();
        checks::loading_makes_the_same_world(entities, &history.world, history.now)
    };
    load(&history, None).expect("an honest history");
    let skipped = EntityKey::Activity(RELEASE, 1);
    assert_eq!(
        caught(load(&history, Some(&skipped))),
        "loading_makes_the_same_world"
    );

    let before = history.rows.clone();
    history.finish(done());
    history.rows = before;
    assert_eq!(caught(load(&history, None)), "loading_makes_the_same_world");
}

#[test]
fn a_tampered_journal_is_noticed() {
    let history = two_steps();
    let mut journal: Vec<Record> = Vec::new();
    for (position, event) in (1..).zip(&history.events) {
        let previous = journal
            .last()
            .map(|record| record.hash.clone())
            .unwrap_or_default();
        journal.push(Record::chain(position, &previous, event));
    }
    checks::the_journal_is_chained(&journal).expect("an honest journal");
    let mut swapped = journal.clone();
    swapped.swap(3, 4);
    assert_eq!(
        caught(checks::the_journal_is_chained(&swapped)),
        "the_journal_is_chained"
    );
    let mut flipped = journal.clone();
    flipped[2].body = flipped[2].body.replace("cleo", "mila");
    assert_eq!(
        caught(checks::the_journal_is_chained(&flipped)),
        "the_journal_is_chained"
    );
    journal.remove(2);
    assert_eq!(
        caught(checks::the_journal_is_chained(&journal)),
        "the_journal_is_chained"
    );
}

#[test]
fn a_success_that_never_happened_is_noticed() {
    let history = two_steps();
    let mut model = Model::default();
    history
        .events
        .iter()
        .try_for_each(|event| model.take(event))
        .expect("an honest history");
    let idle = Outside::new(0);
    let judgement = checks::success_was_applied_once(&model, &idle, &history.events);
    assert_eq!(caught(judgement), "success_was_applied_once");
}

#[test]
fn a_world_that_says_otherwise_than_its_journal_is_noticed() {
    let history = two_steps();
    let mut model = Model::default();
    let first = history.nth(0, finished);
    history.events[..first]
        .iter()
        .try_for_each(|event| model.take(event))
        .expect("an honest history");
    assert_eq!(
        caught(checks::the_model_agrees(&model, &history.world)),
        "the_model_agrees"
    );
}

#[test]
fn work_that_is_given_up_without_being_stopped_is_noticed() {
    let mut history = two_steps();
    let first = history.nth(0, finished);
    if let Change::AttemptFinished { outcome, .. } = &mut history.events[first].change {
        *outcome = AttemptOutcome::TimedOut {
            error: "ran out of time".to_owned(),
        };
    }
    assert_eq!(
        caught(history.judge()),
        "outside_work_is_stopped_before_it_is_given_up"
    );
}

#[test]
fn a_release_that_comes_back_from_deletion_is_noticed() {
    let mut history = two_steps();
    let deleted = Event {
        path: None,
        change: Change::ReleaseDeleted {
            name: "train 1".to_owned(),
            withdrawn: false,
        },
        ..history.events[history.nth(0, started)].clone()
    };
    history.events.extend([deleted.clone(), deleted]);
    assert_eq!(caught(history.judge()), "what_is_deleted_stays_so");
}

#[test]
fn a_failure_that_is_called_success_is_noticed() {
    let mut history = two_steps();
    let first = history.nth(0, finished);
    if let Change::AttemptFinished { outcome, .. } = &mut history.events[first].change {
        *outcome = AttemptOutcome::Failed {
            error: "it broke".to_owned(),
            retryable: false,
            result: Value::Null,
        };
    }
    assert_eq!(caught(history.judge()), "activities_change_as_they_may");
}
