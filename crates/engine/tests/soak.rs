//! Many callers at once on several threads, with a store that fails by chance: everything happens exactly once.

mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZoneDatabase;
use stage::*;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::uses::ActivityType;
use trainmaster_core::{Command, definition};
use trainmaster_engine::clock::ScaledClock;
use trainmaster_engine::journal::Verifier;
use trainmaster_engine::ports::Executor;
use trainmaster_engine::{Engine, Faults, Limits, Options, SubmitError};

const CALLERS: u64 = 8;
const RELEASES: u64 = 6;

async fn engine(store: &TestStore, outside: &Outside) -> Engine {
    let executor: Arc<dyn Executor> = Arc::new(outside.clone());
    let begin = "2026-11-21T08:00:00Z".parse().expect("a time");
    let engine = Engine::start(Options {
        store: Arc::new(store.clone()),
        executors: BTreeMap::from([(ActivityType::Command, executor)]),
        logs: Arc::new(store.memory.clone()),
        // Pauses after failures pass quickly.
        clock: Arc::new(ScaledClock::new(begin, 2_000)),
        zones: TimeZoneDatabase::bundled(),
        faults: Faults::none(),
        limits: Limits {
            queue: 6,
            effects: 3,
            ended_kept: 2,
            ..Limits::default()
        },
    });
    engine.await.expect("an empty store")
}

/// Repeats a command under its key until there is an answer.
async fn insist(engine: &Engine, key: &str, command: impl Fn() -> Command) -> String {
    loop {
        match engine.submit(keyed(key, key, command())).await {
            Ok(answer) => return answer.body,
            Err(
                SubmitError::Busy
                | SubmitError::Unavailable { .. }
                | SubmitError::OutcomeUnknown(_),
            ) => tokio::task::yield_now().await,
            Err(other) => panic!("{key}: {other}"),
        }
    }
}

async fn call(engine: Engine, caller: u64, seed: u64) {
    let mut chance = Chance(seed * 1_000 + caller);
    for turn in 0..RELEASES {
        let process = ["train", "wide", "single"][chance.next() as usize % 3];
        let key = format!("{caller}/{turn}");
        let release = insist(&engine, &key, || create(process)).await;
        let release: ReleaseId = release.parse().expect("an id");
        insist(&engine, &format!("{key}/note"), || note(release, &key)).await;
    }
}

/// A definition that differs from the one before in its description only.
fn described(turn: u64) -> Command {
    let parsed = definition::parse(SINGLE, None)
        .expect("a definition")
        .remove(0);
    let mut definition = Box::new(parsed.definition);
    definition.description = format!("turn {turn}");
    Command::ApplyResource {
        definition,
        if_revision: None,
    }
}

async fn until_all_have_ended(store: &TestStore) {
    let ended = || {
        let journal = store.memory.journal();
        let events = journal
            .iter()
            .filter(|record| record.body.contains("\"ReleaseFinished\""));
        events.count() as u64
    };
    while ended() < CALLERS * RELEASES {
        tokio::task::yield_now().await;
    }
}

async fn soak(seed: u64) {
    let (store, outside) = (TestStore::default(), Outside::default());
    let engine = engine(&store, &outside).await;
    for text in [TRAIN, WIDE, SINGLE] {
        let parsed = definition::parse(text, None)
            .expect("a definition")
            .remove(0);
        let definition = Box::new(parsed.definition);
        let command = Command::ApplyResource {
            definition,
            if_revision: None,
        };
        engine
            .submit(request(command))
            .await
            .expect("a definition is applied");
    }
    let mut feed = engine.subscribe(0);
    store.trouble_by_chance(seed, 5);
    let callers = (0..CALLERS).map(|caller| tokio::spawn(call(engine.clone(), caller, seed)));
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("the caller gets its answers");
    }
    // A quick machine needs few commits for all of this; it goes on until enough of them have failed.
    let mut turn = 0;
    while engine.metrics().commit_failures < 5 {
        turn += 1;
        insist(&engine, &format!("more/{turn}"), || described(turn)).await;
    }
    store.end_trouble();
    until_all_have_ended(&store).await;
    engine.shutdown().await;

    let journal = store.memory.journal();
    let mut verifier = Verifier::new();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for record in &journal {
        verifier.check(record).expect("the journal is intact");
        let seen = feed
            .next()
            .await
            .expect("the feed has it all")
            .expect("it reads");
        assert_eq!(seen.hash, record.hash);
        *kinds
            .entry(kind_of(&record.event().expect("an event")))
            .or_default() += 1;
    }
    assert!(feed.next().await.is_none());
    store.check_rows();
    for kind in ["ReleaseCreated", "ReleaseFinished", "NoteAdded"] {
        assert_eq!(kinds[kind], CALLERS * RELEASES, "{kind}");
    }
    assert_eq!(
        outside.calls().len() as u64,
        kinds["AttemptStarted"],
        "each attempt is made once"
    );
    assert!(
        outside
            .calls()
            .iter()
            .all(|call| call.ends_with("first perform"))
    );
    assert!(outside.running_most() <= 3);
    for release in 1..=CALLERS * RELEASES {
        let key = trainmaster_core::entity::EntityKey::Release(ReleaseId(release));
        let row = store
            .memory
            .rows()
            .remove(&key)
            .expect("the release is stored");
        let release: trainmaster_core::release::Release =
            serde_json::from_str(&row.body).expect("a row reads back");
        assert_eq!(release.status(), ReleaseStatus::Success);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_happens_exactly_once_whatever_the_store_does() {
    for seed in 1..=10 {
        let soaked = tokio::time::timeout(Duration::from_secs(60), soak(seed)).await;
        assert!(soaked.is_ok(), "seed {seed} does not come to its end");
    }
}
