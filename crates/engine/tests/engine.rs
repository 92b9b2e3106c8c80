//! Commands in, answers and events out: nothing leaves before it is durable, and nothing is done twice.

mod stage;

use jiff::SignedDuration;
use stage::*;
use trainmaster_core::command::{NewRelease, ReleaseCommand};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Command, Rejection, definition};
use trainmaster_engine::feed::Kept;
use trainmaster_engine::ports::Clock;
use trainmaster_engine::{Limits, State, SubmitError};

#[tokio::test]
async fn a_release_runs_to_its_end() {
    let stage = Stage::with(&[TRAIN]).await;
    let release = stage.start("train").await;
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.status(release), ReleaseStatus::Success);
    assert_eq!(
        stage.outside.calls(),
        [
            "build/compile first perform",
            "build/package first perform",
            "deploy/rollout first perform"
        ]
    );
    stage.check_journal().await;
    let metrics = stage.engine.metrics();
    assert_eq!(metrics.position, stage.engine.position());
    assert_eq!(metrics.events, metrics.position);
    assert_eq!(metrics.commands, 5, "two commands and three outcomes");
    assert_eq!(metrics.batches.iter().sum::<u64>(), metrics.commits);
    assert_eq!((metrics.effects_running, metrics.effects_waiting), (0, 0));
}

#[tokio::test]
async fn nothing_leaves_before_the_commit() {
    let stage = Stage::with(&[SINGLE]).await;
    let position = stage.engine.position();
    let mut feed = stage.engine.subscribe(position);
    stage.store.hold();
    let answer = stage.send(request(create("single")));
    eventually("the commit begins", || stage.store.commits_begun() == 2).await;
    let_things_happen().await;
    assert!(!answer.is_finished(), "no reply");
    assert!(feed.ready().is_none(), "no event");
    assert_eq!(stage.outside.calls(), Vec::<String>::new(), "no effect");
    assert_eq!(stage.engine.position(), position);
    stage.store.release();
    let release: ReleaseId = answer
        .await
        .expect("it ends")
        .expect("it is accepted")
        .body
        .parse()
        .expect("an id");
    assert!(feed.next().await.is_some());
    stage.until(release, "ReleaseFinished").await;
    assert_eq!(stage.outside.calls(), ["work/only first perform"]);
}

#[tokio::test]
async fn a_rejection_waits_for_what_it_was_judged_against() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.store.hold();
    let accepted = stage.send(request(draft("single")));
    eventually("the commit begins", || stage.store.commits_begun() == 2).await;
    let rejected = stage.send(request(note(ReleaseId(77), "nobody reads this")));
    let_things_happen().await;
    assert!(!rejected.is_finished());
    stage.store.release();
    accepted.await.expect("it ends").expect("it is accepted");
    let error = rejected
        .await
        .expect("it ends")
        .expect_err("there is no such release");
    assert_eq!(
        error,
        SubmitError::Rejected(Box::new(Rejection::UnknownRelease(ReleaseId(77))))
    );
}

#[tokio::test]
async fn commands_that_come_together_share_a_commit() {
    let stage = Stage::with(&[SINGLE]).await;
    let before = stage.store.commits();
    stage.store.hold();
    let answers: Vec<_> = (0..200)
        .map(|_| stage.send(request(draft("single"))))
        .collect();
    eventually("all are queued or judged", || {
        stage.engine.metrics().commands == 201
    })
    .await;
    stage.store.release();
    let mut releases = Vec::new();
    for answer in answers {
        releases.push(answer.await.expect("it ends").expect("it is accepted").body);
    }
    releases.sort();
    releases.dedup();
    assert_eq!(releases.len(), 200);
    assert!(
        stage.store.commits() - before <= 3,
        "{} commits",
        stage.store.commits() - before
    );
    stage.check_journal().await;
}

#[tokio::test]
async fn more_commands_than_may_wait_are_refused() {
    let limits = Limits {
        queue: 8,
        batch_events: 1,
        ..Limits::default()
    };
    let stage = Stage::limited(&[SINGLE], limits).await;
    stage.store.hold();
    let answers: Vec<_> = (0..20)
        .map(|_| stage.send(request(draft("single"))))
        .collect();
    eventually("the others are refused", || {
        answers.iter().filter(|answer| answer.is_finished()).count() >= 5
    })
    .await;
    stage.store.release();
    let (mut accepted, mut busy) = (0, 0);
    for answer in answers {
        match answer.await.expect("it ends") {
            Ok(_) => accepted += 1,
            Err(SubmitError::Busy) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(accepted + busy, 20);
    assert!(
        accepted >= 8 && busy >= 5,
        "{accepted} accepted, {busy} busy"
    );
    assert_eq!(stage.count("ReleaseCreated"), accepted);
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer() {
    let mut stage = Stage::with(&[SINGLE]).await;
    stage.store.hold();
    let first = stage.send(keyed("ada/1", "create", draft("single")));
    eventually("the first is judged", || {
        stage.engine.metrics().commands == 2
    })
    .await;
    let meanwhile = stage.send(keyed("ada/1", "create", draft("single")));
    let other = stage.send(keyed("ada/1", "something else", draft("single")));
    let_things_happen().await;
    stage.store.release();
    let first = first.await.expect("it ends").expect("it is accepted");
    assert_eq!(
        meanwhile.await.expect("it ends").expect("it is repeated"),
        first
    );
    assert_eq!(other.await.expect("it ends"), Err(SubmitError::KeyReused));

    let later = stage
        .engine
        .submit(keyed("ada/1", "create", draft("single")))
        .await;
    assert_eq!(later.expect("it is repeated").body, first.body);
    stage.restart().await;
    let after = stage
        .engine
        .submit(keyed("ada/1", "create", draft("single")))
        .await;
    assert_eq!(after.expect("it is repeated").body, first.body);
    let reused = stage
        .engine
        .submit(keyed("ada/1", "x", draft("single")))
        .await;
    assert_eq!(reused, Err(SubmitError::KeyReused));
    assert_eq!(stage.count("ReleaseCreated"), 1);

    let another = stage
        .engine
        .submit(keyed("ada/2", "create", draft("single")))
        .await;
    assert_ne!(another.expect("it is accepted").body, first.body);
}

#[tokio::test]
async fn an_answer_without_events_is_kept_too() {
    let stage = Stage::with(&[SINGLE]).await;
    let apply = || {
        let parsed = definition::parse(SINGLE, None)
            .expect("a definition")
            .remove(0);
        let definition = Box::new(parsed.definition);
        trainmaster_core::Command::ApplyResource {
            definition,
            if_revision: None,
        }
    };
    let position = stage.engine.position();
    let mut request = keyed("ada/1", "apply", apply());
    request.answer = Box::new(|_, events| format!("{} events", events.len()));
    let answer = stage.engine.submit(request).await.expect("it is accepted");
    assert_eq!(
        (answer.body.as_str(), answer.position),
        ("0 events", position)
    );
    let repeated = stage.engine.submit(keyed("ada/1", "apply", apply())).await;
    assert_eq!(repeated.expect("it is repeated").body, "0 events");
}

#[tokio::test]
async fn time_wakes_the_world() {
    let mut stage = Stage::with(&[HOUR]).await;
    let release = stage.start("hour").await;
    eventually("the engine sleeps", || stage.clock.next_sleeper().is_some()).await;
    let due = stage.clock.next_sleeper().expect("it sleeps");
    assert_eq!(due, stage.clock.now() + SignedDuration::from_hours(1));
    stage.pass(SignedDuration::from_mins(30));
    stage.restart().await;
    eventually("the engine sleeps", || {
        stage.clock.next_sleeper() == Some(due)
    })
    .await;
    assert_eq!(stage.status(release), ReleaseStatus::Running);
    stage.pass(SignedDuration::from_mins(30));
    let finished = stage.until(release, "ReleaseFinished").await;
    assert_eq!(finished.at, due);
    assert_eq!(stage.status(release), ReleaseStatus::Success);
}

#[tokio::test]
async fn subscribers_see_every_event_once_however_slow_they_are() {
    let limits = Limits {
        feed: Kept {
            records_max: 3,
            bytes_max: 1 << 20,
        },
        ..Limits::default()
    };
    let stage = Stage::limited(&[TRAIN], limits).await;
    let mut slow = stage.engine.subscribe(0);
    for _ in 0..5 {
        let release = stage.start("train").await;
        stage.until(release, "ReleaseFinished").await;
    }
    let last = stage.engine.position();
    for position in 1..=last {
        let record = slow
            .next()
            .await
            .expect("the engine runs")
            .expect("it reads");
        assert_eq!(record.position, position);
    }
    stage.engine.shutdown().await;
    assert!(slow.next().await.is_none());
}

#[tokio::test]
async fn ended_releases_are_forgotten_and_come_back_when_somebody_asks() {
    let limits = Limits {
        ended_kept: 0,
        ..Limits::default()
    };
    let stage = Stage::limited(&[TRAIN], limits).await;
    let release = stage.start("train").await;
    stage.until(release, "ReleaseFinished").await;
    let other = stage.start("train").await;
    stage.until(other, "ReleaseFinished").await;
    let known = |expected: bool| {
        move |world: &trainmaster_core::World, _: &[trainmaster_core::Event]| {
            assert_eq!(world.knows(release), expected);
            String::new()
        }
    };
    let mut stranger = request(draft("train"));
    stranger.answer = Box::new(known(false));
    stage.engine.submit(stranger).await.expect("it is accepted");
    let mut about_it = request(note(release, "well done"));
    about_it.answer = Box::new(known(true));
    stage.engine.submit(about_it).await.expect("it is accepted");
    assert_eq!(stage.release(release).notes[0].text, "well done");
    let text = "and again".to_owned();
    stage
        .command(release, ReleaseCommand::AddNote { text })
        .await;
    assert_eq!(stage.release(release).notes[1].text, "and again");
    stage.check_journal().await;
}

#[tokio::test]
async fn an_older_revision_can_be_pinned_after_a_restart_as_before() {
    let mut stage = Stage::with(&[SINGLE]).await;
    stage.apply(&SINGLE.replace("id: only", "id: other")).await;
    let pinned = |start| {
        Command::CreateRelease(Box::new(NewRelease {
            process: Some("single".parse().expect("a name")),
            revision: Some(1),
            start,
            ..NewRelease::default()
        }))
    };
    let draft = stage
        .submit(pinned(false))
        .await
        .expect("it is accepted")
        .body;
    let draft: ReleaseId = draft.parse().expect("an id");
    stage.restart().await;
    let release = stage
        .submit(pinned(true))
        .await
        .expect("it is accepted")
        .body;
    stage
        .until(release.parse().expect("an id"), "ReleaseFinished")
        .await;
    stage.restart().await;
    let inputs = Default::default();
    stage
        .command(draft, ReleaseCommand::Activate { inputs })
        .await;
    stage.until(draft, "ReleaseFinished").await;
    assert_eq!(stage.outside.calls(), ["work/only first perform"; 2]);
    stage.check_journal().await;
}

#[tokio::test]
async fn a_shutdown_answers_what_waits_and_takes_no_more() {
    let stage = Stage::with(&[SINGLE]).await;
    stage.store.hold();
    let waiting: Vec<_> = (0..3)
        .map(|_| stage.send(request(draft("single"))))
        .collect();
    eventually("all are judged", || stage.engine.metrics().commands == 4).await;
    assert!(stage.engine.is_ready());
    let engine = stage.engine.clone();
    let shutdown = tokio::spawn(async move { engine.shutdown().await });
    let_things_happen().await;
    assert!(!shutdown.is_finished());
    assert_eq!(
        stage.submit(draft("single")).await,
        Err(SubmitError::Stopped)
    );
    stage.store.release();
    for answer in waiting {
        answer.await.expect("it ends").expect("it is accepted");
    }
    shutdown.await.expect("it ends");
    assert_eq!(stage.engine.state(), State::Stopped(None));
    assert_eq!(stage.engine.stopped().await, None);
    assert!(!stage.engine.is_ready());
    assert_eq!(stage.count("ReleaseCreated"), 3);
}

#[tokio::test]
async fn the_engine_stops_with_its_last_handle() {
    let stage = Stage::with(&[SINGLE]).await;
    let Stage { engine, store, .. } = stage;
    let mut feed = engine.subscribe(engine.position());
    drop(engine);
    assert!(feed.next().await.is_none());
    assert_eq!(store.memory.journal().len(), 1);
}
