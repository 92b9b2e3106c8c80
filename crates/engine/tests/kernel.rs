//! The kernel alone: judging, chaining, rows, bounds; no clock, no disk, no task.

mod groups;

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use trainmaster_core::access::Role;
use trainmaster_core::command::{NewRelease, NewToken, ReleaseCommand};
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::{ReleaseId, TokenId};
use trainmaster_core::{Actor, Change, Command, Envelope, Event, Outcome, definition};
use trainmaster_engine::journal::Verifier;
use trainmaster_engine::kernel::{Accepted, Cause, Kernel, Refused};
use trainmaster_engine::memory::MemoryStore;
use trainmaster_engine::ports::{Batch, Columns, Store};

const PROCESS: &str = "
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  phases:
    - id: build
      activities:
        - {id: compile, uses: command, with: {run: [compile]}}
        - {id: settle, uses: wait, dependsOn: [compile], with: {for: 10m}}
";

fn morning() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().expect("a time")
}

async fn kernel(store: &MemoryStore) -> Kernel {
    let loaded = store.load().await.expect("it loads");
    Kernel::new(loaded, TimeZoneDatabase::bundled()).expect("rows that fit together")
}

fn submit(kernel: &mut Kernel, command: Command) -> Result<Accepted, Refused> {
    let envelope = Envelope {
        at: morning(),
        actor: Actor::System,
        command,
    };
    kernel.submit(&envelope, |_, events| events.len().to_string())
}

fn apply() -> Command {
    let parsed = definition::parse(PROCESS, None)
        .expect("a definition")
        .remove(0);
    Command::ApplyResource {
        definition: Box::new(parsed.definition),
        if_revision: None,
    }
}

fn create() -> Command {
    Command::CreateRelease(Box::new(NewRelease {
        process: Some("train".parse().expect("a name")),
        start: true,
        ..NewRelease::default()
    }))
}

fn started() -> (Kernel, MemoryStore) {
    let store = MemoryStore::new();
    let mut kernel = futures::executor::block_on(kernel(&store));
    submit(&mut kernel, apply()).expect("a definition is applied");
    submit(&mut kernel, create()).expect("a release is created");
    (kernel, store)
}

/// Rows by key, as text.
fn rows(batch: &Batch) -> Vec<String> {
    batch
        .writes
        .iter()
        .map(|write| write.key.to_string())
        .collect()
}

#[tokio::test]
async fn a_batch_holds_what_was_touched_once() {
    let (mut kernel, _) = started();
    assert_eq!(kernel.head().position, kernel.pending() as u64);
    let batch = kernel.take_batch().expect("rows are written");
    assert_eq!(
        rows(&batch),
        [
            "meta",
            "resource Process/train",
            "revision Process/train@1",
            "release rel-00000001",
            "activity rel-00000001 0",
            "activity rel-00000001 1",
        ]
    );
    let Some(Columns::Release(columns)) =
        batch.writes[3].row.as_ref().map(|row| row.columns.clone())
    else {
        panic!("columns of a release")
    };
    assert_eq!((columns.status.as_str(), columns.ended), ("Running", false));
    assert!(kernel.take_batch().expect("rows are written").is_empty());
    assert_eq!(kernel.pending(), 0);
}

#[tokio::test]
async fn records_are_chained_over_batches_and_loads() {
    let (mut kernel, store) = started();
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");
    submit(&mut kernel, create()).expect("a release is created");
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");
    let mut kernel = self::kernel(&store).await;
    submit(&mut kernel, create()).expect("a release is created");
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");
    let mut verifier = Verifier::new();
    for record in store.journal() {
        verifier.check(&record).expect("the chain is intact");
    }
    assert_eq!(
        (verifier.position(), verifier.hash()),
        (kernel.head().position, kernel.head().hash.as_str())
    );
}

#[tokio::test]
async fn a_loaded_world_writes_the_same_rows_again() {
    let (mut kernel, store) = started();
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");
    let mut kernel = self::kernel(&store).await;
    assert!(
        kernel.take_batch().expect("rows").is_empty(),
        "loading writes nothing"
    );
    for (key, row) in store.rows() {
        let entity = kernel.world().entity(&key).expect("the row was loaded");
        assert_eq!(entity.body(), row.body, "{key}");
    }
}

#[tokio::test]
async fn a_rejection_changes_nothing() {
    let (mut kernel, _) = started();
    kernel.take_batch().expect("rows");
    let head = kernel.head().clone();
    let action = ReleaseCommand::Resume;
    let refused = submit(
        &mut kernel,
        Command::Release {
            release: ReleaseId(1),
            action,
        },
    );
    assert!(matches!(refused, Err(Refused::Rejected(_))), "{refused:?}");
    assert_eq!(*kernel.head(), head);
    assert!(kernel.take_batch().expect("rows").is_empty());
}

#[tokio::test]
async fn an_effect_is_told_when_it_appears_and_when_it_goes() {
    let (mut kernel, store) = started();
    let changes = kernel.take_effect_changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].cause, changes[0].effect.is_some()),
        (Cause::Started, true)
    );
    assert_eq!(kernel.take_effect_changes(), []);

    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");
    let again = self::kernel(&store).await;
    assert_eq!(
        again.world().wanted().len(),
        1,
        "it is wanted after a restart"
    );

    let attempt = changes[0].attempt.clone();
    let handle = Command::ReportHandle {
        attempt: attempt.clone(),
        handle: json!("job-1"),
    };
    submit(&mut kernel, handle).expect("the handle is taken");
    assert_eq!(kernel.take_effect_changes()[0].cause, Cause::Changed);
    let outcome = Outcome::Succeeded { result: json!({}) };
    submit(&mut kernel, Command::FinishAttempt { attempt, outcome }).expect("the outcome is taken");
    let changes = kernel.take_effect_changes();
    assert_eq!((changes.len(), changes[0].effect.clone()), (1, None));
}

#[tokio::test]
async fn an_effect_of_a_release_back_in_service_is_told_again() {
    let (mut kernel, _) = started();
    kernel.take_effect_changes();
    let release = ReleaseId(1);
    let reason = "it stumbled".to_owned();
    submit(&mut kernel, Command::QuarantineRelease { release, reason }).expect("it is quarantined");
    kernel.take_effect_changes();
    let action = ReleaseCommand::Release {
        reason: "mended".to_owned(),
    };
    submit(&mut kernel, Command::Release { release, action }).expect("it is put back");
    let changes = kernel.take_effect_changes();
    assert!(
        changes
            .iter()
            .any(|change| change.cause == Cause::Revived && change.effect.is_some()),
        "{changes:?}"
    );
}

#[tokio::test]
async fn time_carries_on_what_waits() {
    let (mut kernel, _) = started();
    let attempt = kernel
        .world()
        .wanted()
        .keys()
        .next()
        .cloned()
        .expect("an effect");
    let outcome = Outcome::Succeeded { result: json!({}) };
    submit(&mut kernel, Command::FinishAttempt { attempt, outcome }).expect("the outcome is taken");
    let due = kernel.wake_at().expect("it waits for time");
    assert_eq!(due, morning() + SignedDuration::from_mins(10));
    assert_eq!(
        kernel
            .wake(due - SignedDuration::from_secs(1))
            .expect("no panic"),
        0
    );
    assert!(kernel.wake(due).expect("no panic") > 0);
    assert_eq!(kernel.wake_at(), None);
    let status = kernel
        .world()
        .release(ReleaseId(1))
        .expect("it is in memory")
        .status();
    assert_eq!(status.as_str(), "Success");
}

#[tokio::test]
async fn one_command_does_not_starve_the_others() {
    let store = MemoryStore::new();
    let mut kernel = self::kernel(&store).await;
    kernel.limit_events(1);
    submit(&mut kernel, apply()).expect("a definition is applied");
    submit(&mut kernel, create()).expect("a release is created");
    assert_eq!(
        kernel.world().wanted().len(),
        0,
        "what follows waits for its turn"
    );
    let mut turns = 0;
    while kernel.wake_at().is_some_and(|at| at <= morning()) {
        let events = kernel.wake(morning()).expect("no panic");
        assert!(events <= 3, "{events} events at a time");
        turns += 1;
        assert!(turns < 100, "it becomes quiet");
    }
    assert_eq!(kernel.world().wanted().len(), 1);
}

/// Aborts the one release with an effect in flight; it ends.
fn end(kernel: &mut Kernel) -> ReleaseId {
    let attempt = kernel
        .world()
        .wanted()
        .keys()
        .next()
        .cloned()
        .expect("an effect");
    let release = attempt.release;
    let action = ReleaseCommand::Abort {
        reason: "not today".to_owned(),
    };
    submit(kernel, Command::Release { release, action }).expect("it is aborted");
    let outcome = Outcome::Cancelled { confirmed: true };
    submit(kernel, Command::FinishAttempt { attempt, outcome }).expect("the outcome is taken");
    release
}

#[tokio::test]
async fn a_release_is_forgotten_once_nothing_of_it_waits_to_be_written() {
    let (mut kernel, store) = started();
    let first = end(&mut kernel);
    assert_eq!(kernel.forget(0), 0, "its end is not written yet");
    submit(&mut kernel, create()).expect("a release is created");
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");

    let action = ReleaseCommand::AddNote {
        text: "a pity".to_owned(),
    };
    submit(
        &mut kernel,
        Command::Release {
            release: first,
            action,
        },
    )
    .expect("a note is taken");
    let second = end(&mut kernel);
    assert_eq!(kernel.forget(0), 0, "a note and an end are not written yet");
    submit(&mut kernel, create()).expect("a release is created");
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");

    let third = end(&mut kernel);
    assert_eq!(kernel.forget(0), 2, "those before it are written");
    let known = [first, second, third].map(|release| kernel.world().knows(release));
    assert_eq!(known, [false, false, true]);
    kernel.take_batch().expect("rows");

    let rows = store.load_release(first).await.expect("it reads");
    kernel.adopt(first, rows).expect("rows that fit together");
    assert_eq!(
        kernel
            .world()
            .release(first)
            .expect("it is back")
            .notes
            .len(),
        1
    );
    assert!(
        kernel.take_batch().expect("rows").is_empty(),
        "coming back writes nothing"
    );
}

#[tokio::test]
async fn a_panic_is_laid_at_the_door_of_its_release() {
    let (mut kernel, store) = started();
    submit(&mut kernel, create()).expect("a release is created");
    store
        .commit(&kernel.take_batch().expect("rows"))
        .await
        .expect("it commits");
    let mut loaded = store.load().await.expect("it loads");
    for entity in &mut loaded.entities {
        if let Entity::Release(release) = entity
            && release.id == ReleaseId(2)
        {
            release.phases.clear();
        }
    }
    let mut kernel =
        Kernel::new(loaded, TimeZoneDatabase::bundled()).expect("rows that fit together");
    let attempt = kernel
        .world()
        .wanted()
        .keys()
        .next_back()
        .cloned()
        .expect("an effect");
    assert_eq!(attempt.release, ReleaseId(2));
    let outcome = Outcome::Succeeded { result: json!({}) };
    let poisoned = match kernel.wake(morning()) {
        Ok(_) => match submit(&mut kernel, Command::FinishAttempt { attempt, outcome }) {
            Err(Refused::Poisoned(poisoned)) => poisoned,
            other => panic!("{other:?}"),
        },
        Err(poisoned) => poisoned,
    };
    assert_eq!(poisoned.release, Some(ReleaseId(2)));
    assert!(!poisoned.reason.is_empty());
}

/// A token of somebody who may only look.
fn viewer(kernel: &mut Kernel) -> TokenId {
    let token = NewToken {
        digest: "ab".repeat(32),
        user: "vera".parse().expect("a name"),
        teams: Vec::new(),
        roles: vec![Role::Viewer],
        organization: None,
        kind: trainmaster_core::access::TokenKind::Service,
        scope: None,
        expires_at: Some(morning() + SignedDuration::from_hours(24)),
        description: "looks".to_owned(),
    };
    submit(kernel, Command::IssueToken(token)).expect("a token is issued");
    TokenId(1)
}

fn events(kernel: &mut Kernel) -> Vec<Event> {
    let batch = kernel.take_batch().expect("rows are written");
    let read = |record: &std::sync::Arc<trainmaster_engine::journal::Record>| {
        record.event().expect("an event")
    };
    batch.records.iter().map(read).collect()
}

#[tokio::test]
async fn a_refusal_for_want_of_a_right_is_written_down_and_changes_nothing() {
    let (mut kernel, _) = started();
    let token = viewer(&mut kernel);
    events(&mut kernel);
    let ask = |kernel: &mut Kernel, at: Timestamp, command: Command| {
        let envelope = Envelope {
            at,
            actor: Actor::Token(token),
            command,
        };
        kernel.submit(&envelope, |_, _| String::new())
    };
    let abort = || Command::Release {
        release: ReleaseId(1),
        action: ReleaseCommand::Abort {
            reason: "because".to_owned(),
        },
    };
    assert!(matches!(
        ask(&mut kernel, morning(), abort()),
        Err(Refused::Rejected(_))
    ));
    let batch = kernel.take_batch().expect("rows are written");
    assert!(
        rows(&batch).is_empty(),
        "nothing but the journal is written"
    );
    let event = batch.records[0].event().expect("an event");
    assert_eq!(event.by, "user:vera");
    let Change::OperationDenied {
        operation,
        target,
        why,
    } = event.change
    else {
        panic!("a refusal")
    };
    assert_eq!(
        (operation.as_str(), target.as_str()),
        ("AbortRelease", "release/rel-00000001")
    );
    assert!(why.contains("release:abort"), "{why}");
    // What does not exist is no attempt at more than one may do.
    let nobody = Command::Release {
        release: ReleaseId(99),
        action: ReleaseCommand::Resume,
    };
    ask(&mut kernel, morning(), nobody).expect_err("refused");
    assert!(events(&mut kernel).is_empty());
}

#[tokio::test]
async fn many_refusals_of_one_person_do_not_fill_the_journal() {
    let (mut kernel, _) = started();
    let token = viewer(&mut kernel);
    events(&mut kernel);
    let mut written = |at: Timestamp| {
        for _ in 0..100 {
            let envelope = Envelope {
                at,
                actor: Actor::Token(token),
                command: create(),
            };
            kernel
                .submit(&envelope, |_, _| String::new())
                .expect_err("refused");
        }
        events(&mut kernel).len()
    };
    assert_eq!(written(morning()), 20);
    assert_eq!(written(morning()), 0);
    assert_eq!(written(morning() + SignedDuration::from_mins(1)), 20);
}
