//! What happens when the store or the domain fails: outcomes are read back, the world is loaded again,
//! and one broken release brings nobody down.

mod stage;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use stage::*;
use trainmaster_core::command::{NewRelease, ReleaseCommand};
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Command, Rejection};
use trainmaster_engine::ports::Clock;
use trainmaster_engine::{Faults, Limits, State, SubmitError, faults};

#[tokio::test]
async fn a_commit_that_was_refused_once_is_made_again() {
    let stage = Stage::with(&[TRAIN]).await;
    stage.store.trouble(&[Trouble::Refused]);
    let release = stage.start("train").await;
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.count("ReleaseCreated"), 1);
    assert_eq!(stage.outside.calls().len(), 3);
    assert_eq!(stage.engine.metrics().commit_failures, 1);
    assert_eq!(stage.engine.metrics().reloads, 1);
    stage.check_journal().await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_read_back() {
    let stage = Stage::with(&[TRAIN]).await;
    stage.store.trouble(&[Trouble::AnswerLost]);
    let release = stage.start("train").await;
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.count("ReleaseCreated"), 1);
    assert_eq!(
        stage.outside.calls()[0],
        "build/compile first perform",
        "nothing has happened outside yet"
    );
    stage.check_journal().await;
}

#[tokio::test]
async fn what_was_judged_behind_a_failed_commit_is_judged_again() {
    let stage = Stage::with(&[SINGLE]).await;
    for trouble in [Trouble::Refused, Trouble::AnswerLost] {
        let judged = stage.engine.metrics().commands;
        let created = stage.count("ReleaseCreated");
        stage.store.hold();
        stage.store.trouble(&[trouble]);
        let first = stage.send(keyed(&format!("first {trouble:?}"), "x", draft("single")));
        eventually("the first is on its way", || {
            stage.engine.metrics().commands == judged + 1
        })
        .await;
        let second = stage.send(keyed(&format!("second {trouble:?}"), "x", draft("single")));
        let again = stage.send(keyed(&format!("first {trouble:?}"), "x", draft("single")));
        eventually("the second is judged", || {
            stage.engine.metrics().commands == judged + 2
        })
        .await;
        let_things_happen().await;
        stage.store.release();
        let first = first.await.expect("it ends").expect("it is accepted").body;
        let second = second.await.expect("it ends").expect("it is accepted").body;
        let again = again.await.expect("it ends").expect("it is repeated").body;
        assert_eq!(first, again, "{trouble:?}");
        assert_ne!(first, second, "{trouble:?}");
        assert_eq!(stage.count("ReleaseCreated"), created + 2, "{trouble:?}");
    }
    stage.check_journal().await;
}

#[tokio::test]
async fn a_full_store_is_said_so_and_the_engine_goes_on_by_itself() {
    let stage = Stage::with(&[SINGLE]).await;
    let position = stage.engine.position();
    stage.store.trouble(&[Trouble::Full, Trouble::Full]);
    let error = stage
        .submit(draft("single"))
        .await
        .expect_err("there is no space");
    let SubmitError::Unavailable { retry_after, why } = error else {
        panic!("{error}")
    };
    assert_eq!(retry_after, Duration::from_millis(100));
    assert!(why.contains("full"), "{why}");
    assert!(matches!(stage.engine.state(), State::Degraded(_)));
    assert!(!stage.engine.is_ready());
    let refused = stage.submit(draft("single")).await;
    assert!(
        matches!(refused, Err(SubmitError::Unavailable { .. })),
        "{refused:?}"
    );

    hold(&stage).await;
    stage.pass(SignedDuration::from_millis(100));
    eventually("the engine tries again", || stage.engine.is_ready()).await;
    let error = stage
        .submit(draft("single"))
        .await
        .expect_err("there is no space");
    let SubmitError::Unavailable { retry_after, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        retry_after,
        Duration::from_millis(200),
        "it waits longer each time"
    );
    hold(&stage).await;
    stage.pass(SignedDuration::from_millis(200));
    eventually("the engine tries again", || stage.engine.is_ready()).await;
    stage.submit(draft("single")).await.expect("there is space");
    assert_eq!(stage.engine.position(), position + 1);
    stage.check_journal().await;
}

#[tokio::test]
async fn an_outcome_outlives_a_full_store() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.outside.when("work/only", Act::GoesOn);
    let release = stage.start("single").await;
    eventually("it runs", || stage.outside.running() == 1).await;
    stage
        .store
        .trouble(&[Trouble::Full, Trouble::Refused, Trouble::Full]);
    stage.outside.end("work/only", done());
    for _ in 0..3 {
        hold(&stage).await;
        stage.pass(SignedDuration::from_secs(30));
        let_things_happen().await;
    }
    assert!(stage.engine.is_ready());
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.status(release), ReleaseStatus::Success);
    assert_eq!(stage.outside.calls(), ["work/only first perform"]);
}

#[tokio::test]
async fn nobody_waits_for_a_store_that_is_away() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.store.trouble(&[Trouble::AnswerLost]);
    stage.store.fail_loads(2);
    let request = keyed("ada/1", "create", draft("single"));
    let error = stage
        .engine
        .submit(request)
        .await
        .expect_err("the store is away");
    assert!(matches!(error, SubmitError::OutcomeUnknown(_)), "{error}");
    for _ in 0..2 {
        hold(&stage).await;
        stage.pass(SignedDuration::from_secs(30));
        let_things_happen().await;
    }
    eventually("the engine is back", || stage.engine.is_ready()).await;
    let again = keyed("ada/1", "create", draft("single"));
    let answer = stage.engine.submit(again).await.expect("it had happened");
    assert_eq!(answer.body, "rel-00000001");
    assert_eq!(stage.count("ReleaseCreated"), 1);
    stage.check_journal().await;
}

#[tokio::test]
async fn a_failed_sync_ends_the_engine() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.store.trouble(&[Trouble::Sync]);
    let error = stage
        .submit(draft("single"))
        .await
        .expect_err("nobody knows");
    assert!(matches!(error, SubmitError::OutcomeUnknown(_)), "{error}");
    let reason = stage.engine.stopped().await.expect("it has a reason");
    assert!(reason.contains("synced"), "{reason}");
    assert_eq!(
        stage.submit(draft("single")).await,
        Err(SubmitError::Stopped)
    );
    assert_eq!(
        stage.store.commits_begun(),
        2,
        "the sync is not tried again"
    );
}

/// Waits until the engine leaves its store alone for a while.
async fn hold(stage: &Stage) {
    let soon = || stage.clock.now() + SignedDuration::from_secs(31);
    let sleeps = || {
        stage
            .clock
            .next_sleeper()
            .is_some_and(|until| until < soon())
    };
    eventually("the engine waits", || !stage.engine.is_ready() && sleeps()).await;
}

/// Makes the stored release one at which the domain stumbles when it carries things out.
async fn poison(stage: &Stage, release: ReleaseId) {
    stage
        .store
        .tamper(EntityKey::Release(release), |body| {
            body["phases"] = json!([])
        })
        .await;
}

#[tokio::test]
async fn a_release_whose_handling_panics_is_quarantined_and_the_others_go_on() {
    let mut stage = Stage::with(&[SINGLE, HOUR]).await;
    let broken = stage.start("hour").await;
    let sound = stage.start("hour").await;
    poison(&stage, broken).await;
    stage.restart().await;
    stage.pass(SignedDuration::from_hours(1));
    stage.until(broken, "ReleaseQuarantined").await;
    stage.until(sound, "ReleaseFinished").await;
    assert!(stage.release(broken).quarantine.is_some());
    assert!(stage.engine.is_ready());
    let third = stage.start("single").await;
    stage.until(third, "ReleaseFinished").await;

    let panics = stage.engine.metrics().panics;
    assert!(panics >= 1);
    stage.restart().await;
    let fourth = stage.start("single").await;
    stage.until(fourth, "ReleaseFinished").await;
    assert_eq!(stage.count("ReleaseQuarantined"), 1, "{}", stage.story());
    stage.check_journal().await;
}

#[tokio::test]
async fn a_release_that_cannot_even_be_quarantined_is_left_out() {
    let limits = Limits {
        ended_kept: 0,
        ..Limits::default()
    };
    let stage = Stage::limited(&[TRAIN], limits).await;
    let broken = stage.start("train").await;
    stage.until(broken, "ReleaseFinished").await;
    let sound = stage.start("train").await;
    stage.until(sound, "ReleaseFinished").await;
    // Without one of its activities, the release cannot be brought back into memory.
    stage.store.remove(EntityKey::Activity(broken, 0)).await;
    for _ in 0..2 {
        let error = stage
            .submit(note(broken, "hello"))
            .await
            .expect_err("it is broken");
        assert_eq!(
            error,
            SubmitError::Broken(format!("`{broken}` is out of service"))
        );
    }
    stage
        .submit(note(sound, "hello"))
        .await
        .expect("the others go on");
    assert!(stage.engine.is_ready());
    stage.check_journal().await;
}

#[tokio::test]
async fn a_broken_predecessor_does_not_keep_the_others_from_going_on() {
    let mut stage = Stage::with(&[TRAIN, SINGLE]).await;
    stage.outside.when("build/compile", Act::GoesOn);
    let broken = stage.start("train").await;
    let reason = "not today".to_owned();
    stage
        .command(broken, ReleaseCommand::Abort { reason })
        .await;
    stage.until(broken, "ReleaseFinished").await;
    let follower = Command::CreateRelease(Box::new(NewRelease {
        process: Some("single".parse().expect("a name")),
        after: vec![broken],
        start: true,
        ..NewRelease::default()
    }));
    let follower = stage.submit(follower).await.expect("it is accepted").body;
    let follower: ReleaseId = follower.parse().expect("an id");
    stage.engine.shutdown().await;
    stage.store.remove(EntityKey::Activity(broken, 0)).await;
    stage.begin().await;
    let sound = stage.start("single").await;
    stage.until(sound, "ReleaseFinished").await;
    assert_eq!(stage.status(follower), ReleaseStatus::Queued);
    assert!(stage.engine.is_ready());
    assert!(stage.engine.metrics().reloads < 5);
}

#[tokio::test]
async fn an_answer_that_cannot_be_made_leaves_nothing_behind() {
    let stage = Stage::with(&[SINGLE]).await;
    let position = stage.engine.position();
    let mut request = keyed("ada/1", "create", draft("single"));
    request.answer = Box::new(|_, _| panic!("the view stumbles"));
    let error = stage
        .engine
        .submit(request)
        .await
        .expect_err("there is no answer");
    assert_eq!(error, SubmitError::Broken("the view stumbles".to_owned()));
    assert_eq!(stage.engine.position(), position);
    let again = keyed("ada/1", "create", draft("single"));
    let answer = stage.engine.submit(again).await.expect("it is accepted");
    assert_eq!(answer.body, "rel-00000001");
    assert_eq!(stage.count("ReleaseCreated"), 1);
}

#[tokio::test]
async fn every_fault_point_is_passed_by_some_story() {
    let passed = Arc::new(Mutex::new(BTreeSet::new()));
    let faults = Faults::call({
        let passed = passed.clone();
        move |point| {
            passed.lock().expect("no panic").insert(point);
        }
    });
    let limits = Limits {
        ended_kept: 0,
        ..Limits::default()
    };
    let mut stage = Stage::full(&[TRAIN, SINGLE, HOUR], limits, faults).await;
    // A release ends, is forgotten, and comes back.
    let train = stage.start("train").await;
    stage.until(train, "ReleaseFinished").await;
    stage
        .engine
        .submit(keyed("ada/1", "x", note(train, "well done")))
        .await
        .expect("it is accepted");
    // Work with a name outside is cancelled.
    stage.outside.when("work/only", Act::Named(json!("job-1")));
    let single = stage.start("single").await;
    stage.until(single, "HandleReported").await;
    stage
        .command(
            single,
            ReleaseCommand::Abort {
                reason: "not today".to_owned(),
            },
        )
        .await;
    stage.until(single, "ReleaseFinished").await;
    // Another one is quarantined when its time comes.
    let broken = stage.start("hour").await;
    poison(&stage, broken).await;
    stage.restart().await;
    stage.pass(SignedDuration::from_hours(1));
    stage.until(broken, "ReleaseQuarantined").await;
    stage.engine.shutdown().await;
    let passed = passed.lock().expect("no panic").clone();
    let missed: Vec<&str> = faults::POINTS
        .into_iter()
        .filter(|point| !passed.contains(point))
        .collect();
    assert_eq!(
        missed,
        ["log.appended"],
        "all but what this outside world never does"
    );
}

#[tokio::test]
async fn an_unknown_release_is_refused_after_asking_the_store() {
    let stage = Stage::with(&[SINGLE]).await;
    let error = stage
        .submit(note(ReleaseId(9), "hello"))
        .await
        .expect_err("it does not exist");
    assert_eq!(
        error,
        SubmitError::Rejected(Box::new(Rejection::UnknownRelease(ReleaseId(9))))
    );
}
