//! What is in flight outside follows what is wanted: after starts, cancels, restarts and panics.

mod stage;

use std::sync::Arc;

use serde_json::json;
use stage::*;
use trainmaster_core::command::ReleaseCommand;
use trainmaster_core::event::AttemptOutcome;
use trainmaster_core::status::{ActivityStatus, ReleaseStatus};
use trainmaster_core::{Change, Outcome};
use trainmaster_engine::ports::{Handles, Work};
use trainmaster_engine::{Limits, Options};

fn abort() -> ReleaseCommand {
    ReleaseCommand::Abort {
        reason: "not today".to_owned(),
    }
}

#[tokio::test]
async fn a_restart_reads_back_what_was_in_flight() {
    let mut stage = Stage::with(&[TRAIN]).await;
    stage
        .outside
        .when("build/package", Act::Named(json!("job-512")));
    let release = stage.start("train").await;
    stage.until(release, "HandleReported").await;
    stage.restart().await;
    eventually("it is resumed", || stage.outside.calls().len() == 3).await;
    assert_eq!(
        stage.outside.calls(),
        [
            "build/compile first perform",
            "build/package first perform",
            "build/package again perform \"job-512\"",
        ]
    );
    stage.outside.end("build/package", done());
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.count("AttemptStarted"), 3);
    assert_eq!(stage.status(release), ReleaseStatus::Success);
}

#[tokio::test]
async fn a_shutdown_lets_go_of_effects_without_cancelling_them() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.outside.when("work/only", Act::GoesOn);
    let release = stage.start("single").await;
    eventually("it runs", || stage.outside.running() == 1).await;
    stage.engine.shutdown().await;
    assert_eq!(stage.outside.running(), 0);
    assert_eq!(stage.count("AttemptFinished"), 0);
    assert_eq!(stage.status(release), ReleaseStatus::Running);
}

#[tokio::test]
async fn a_handle_is_durable_before_its_report_returns() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.outside.when("work/only", Act::Named(json!("job-7")));
    let release = stage.start("single").await;
    stage.until(release, "HandleReported").await;
    let attempt = stage
        .activity(release, 0)
        .attempt()
        .cloned()
        .expect("an attempt");
    assert_eq!(attempt.handle, Some(json!("job-7")));
}

#[tokio::test]
async fn an_abort_cancels_what_runs_and_starts_nothing_more() {
    let stage = Stage::with(&[TRAIN]).await;
    stage.outside.when("build/compile", Act::GoesOn);
    let release = stage.start("train").await;
    eventually("it runs", || stage.outside.running() == 1).await;
    stage.command(release, abort()).await;
    stage.until(release, "ReleaseFinished").await;
    let finished = stage.until(release, "AttemptFinished build/compile").await;
    let Change::AttemptFinished { outcome, .. } = finished.change else {
        panic!("{finished:?}")
    };
    assert_eq!(outcome, AttemptOutcome::Cancelled { confirmed: true });
    assert_eq!(stage.status(release), ReleaseStatus::Aborted);
    assert_eq!(stage.outside.calls(), ["build/compile first perform"]);
}

#[tokio::test]
async fn what_is_to_be_stopped_after_a_restart_is_stopped_through_its_executor() {
    let mut stage = Stage::with(&[SINGLE]).await;
    stage.outside.when("work/only", Act::GoesOn);
    let release = stage.start("single").await;
    eventually("it runs", || stage.outside.running() == 1).await;
    // The process ends between the commit of the abort and the request to cancel.
    stage.store.hold();
    let aborted = stage.send(request(trainmaster_core::Command::Release {
        release,
        action: abort(),
    }));
    eventually("the abort is judged", || {
        stage.engine.metrics().commands == 3
    })
    .await;
    stage.outside.when("work/only", Act::Panics);
    let engine = stage.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown().await });
    let_things_happen().await;
    stage.store.release();
    aborted.await.expect("it ends").expect("it is accepted");
    shutdown.await.expect("it ends");
    stage.begin().await;
    stage.until(release, "ReleaseFinished").await;
    let calls = stage.outside.calls();
    assert_eq!(
        calls.last().map(String::as_str),
        Some("work/only again cancel"),
        "{calls:?}"
    );
    assert_eq!(stage.status(release), ReleaseStatus::Aborted);
}

#[tokio::test]
async fn effects_beyond_the_limit_wait_in_order() {
    let limits = Limits {
        effects: 2,
        ..Limits::default()
    };
    let stage = Stage::limited(&[WIDE], limits).await;
    for path in ["work/a", "work/b"] {
        stage.outside.when(path, Act::GoesOn);
    }
    let release = stage.start("wide").await;
    eventually("two run", || stage.outside.running() == 2).await;
    eventually("three wait", || stage.engine.metrics().effects_waiting == 3).await;
    assert_eq!(stage.engine.metrics().effects_running, 2);
    stage.pass(jiff::SignedDuration::from_secs(7));
    assert_eq!(
        stage.engine.metrics().oldest_runnable,
        jiff::SignedDuration::from_secs(7)
    );
    stage.outside.end("work/a", done());
    stage.until(release, "ActivitySucceeded work/e").await;
    stage.outside.end("work/b", done());
    stage.until(release, "ReleaseFinished").await;
    let calls = ["a", "b", "c", "d", "e"].map(|id| format!("work/{id} first perform"));
    assert_eq!(stage.outside.calls(), calls);
    assert_eq!(stage.outside.running_most(), 2);
}

#[tokio::test]
async fn an_effect_that_never_got_a_place_is_cancelled_for_certain() {
    let limits = Limits {
        effects: 1,
        ..Limits::default()
    };
    let stage = Stage::limited(&[WIDE], limits).await;
    stage.outside.when("work/a", Act::GoesOn);
    let release = stage.start("wide").await;
    eventually("one runs", || stage.outside.running() == 1).await;
    stage.command(release, abort()).await;
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.outside.calls(), ["work/a first perform"]);
    assert_eq!(stage.status(release), ReleaseStatus::Aborted);
    for position in 0..5 {
        let attempt = stage
            .activity(release, position)
            .attempt()
            .cloned()
            .expect("an attempt");
        assert_eq!(
            attempt.outcome,
            Some(AttemptOutcome::Cancelled { confirmed: true })
        );
    }
}

#[tokio::test]
async fn a_panic_of_an_executor_is_an_unknown_outcome() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.outside.when("work/only", Act::Panics);
    let release = stage.start("single").await;
    let finished = stage.until(release, "AttemptFinished").await;
    let Change::AttemptFinished { outcome, .. } = finished.change else {
        panic!("{finished:?}")
    };
    let AttemptOutcome::Unknown { error } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        error.contains("the executor of `work/only` stumbles"),
        "{error}"
    );
    stage.until(release, "DecisionNeeded").await;
    assert_eq!(stage.activity(release, 0).status(), ActivityStatus::OnHold);
    assert!(stage.engine.is_ready());
}

#[tokio::test]
async fn an_activity_without_an_executor_fails_and_says_so() {
    let store = TestStore::default();
    let clock = trainmaster_engine::clock::ManualClock::new(
        "2026-11-21T08:00:00Z".parse().expect("a time"),
    );
    let engine = trainmaster_engine::Engine::start(Options {
        store: Arc::new(store.clone()),
        executors: Default::default(),
        logs: Arc::new(store.memory.clone()),
        clock: Arc::new(clock.clone()),
        zones: jiff::tz::TimeZoneDatabase::bundled(),
        faults: trainmaster_engine::Faults::none(),
        limits: Limits::default(),
    })
    .await
    .expect("an empty store");
    let outside = Outside::default();
    let stage = Stage {
        store,
        outside,
        clock,
        engine,
        limits: Limits::default(),
        faults: trainmaster_engine::Faults::none(),
    };
    stage.apply(SINGLE).await;
    let release = stage.start("single").await;
    let finished = stage.until(release, "AttemptFinished").await;
    let Change::AttemptFinished { outcome, .. } = finished.change else {
        panic!("{finished:?}")
    };
    let AttemptOutcome::Failed {
        error, retryable, ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(error, "this server has no executor for `command`");
    assert!(!retryable);
}

#[tokio::test]
async fn a_late_outcome_is_kept_as_a_fact() {
    let stage = Stage::with(&[SINGLE]).await;
    let release = stage.start("single").await;
    stage.until(release, "ReleaseFinished").await;
    let outcome = Outcome::Failed {
        error: "too late".to_owned(),
        result: json!(null),
    };
    let command = trainmaster_core::Command::FinishAttempt {
        attempt: attempt(release, "work/only"),
        outcome,
    };
    stage.submit(command).await.expect("it is written down");
    assert_eq!(stage.count("LateOutcomeRecorded"), 1);
    assert_eq!(stage.status(release), ReleaseStatus::Success);
}

#[test]
fn what_executors_are_given_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<Work>();
    shared::<dyn Handles>();
}
