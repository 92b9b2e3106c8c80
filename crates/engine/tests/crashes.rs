//! The process dies at every fault point, at several passings of each, and the next one brings everything to the
//! same end (reliability.md, 7, 8, 11, 14, 39).
//!
//! A process is a thread with its own single-threaded runtime; it dies by standing still for ever, in the middle of
//! whatever it does. Its store and the world outside live on.

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::json;
use stage::*;
use trainmaster_core::command::ReleaseCommand;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::{Command, definition};
use trainmaster_engine::clock::ManualClock;
use trainmaster_engine::journal::Verifier;
use trainmaster_engine::{Engine, Faults, Limits, faults};

/// What lives longer than a process.
#[derive(Clone)]
struct Ground {
    store: TestStore,
    outside: Outside,
    clock: ManualClock,
    /// What callers were told, by idempotency key.
    told: Arc<Mutex<BTreeMap<String, String>>>,
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Done,
    Died,
}

impl Ground {
    fn new() -> Ground {
        let outside = Outside::default();
        outside.when("build/package", Act::Named(json!("job-1")));
        outside.end("build/package", done());
        outside.when("work/only", Act::GoesOn);
        Ground {
            store: TestStore::default(),
            outside,
            clock: ManualClock::new("2026-11-21T08:00:00Z".parse().expect("a time")),
            told: Arc::default(),
        }
    }

    /// Runs a process that dies at the given passing of a point.
    fn live(&self, point: &'static str, passing: u32) -> Ending {
        let (sender, ending) = mpsc::channel();
        let left = AtomicU32::new(passing);
        let died = sender.clone();
        let faults = Faults::call(move |passed| {
            if passed == point && left.fetch_sub(1, SeqCst) == 1 {
                let _ = died.send(Ending::Died);
                loop {
                    std::thread::park();
                }
            }
        });
        let ground = self.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(ground.tell(faults));
            let _ = sender.send(Ending::Done);
        });
        ending
            .recv_timeout(Duration::from_secs(30))
            .expect("the process ends")
    }

    /// The story, in which callers repeat what they are not sure of under the same keys.
    async fn tell(&self, faults: Faults) {
        let limits = Limits {
            ended_kept: 0,
            ..Limits::default()
        };
        let engine = start(&self.store, &self.outside, &self.clock, limits, faults).await;
        let engine = engine.expect("the store loads");
        for (key, text) in [("apply train", TRAIN), ("apply single", SINGLE)] {
            let parsed = definition::parse(text, None)
                .expect("a definition")
                .remove(0);
            let definition = Box::new(parsed.definition);
            self.ask(
                &engine,
                key,
                Command::ApplyResource {
                    definition,
                    if_revision: None,
                },
            )
            .await;
        }
        let train = self.ask(&engine, "create train", create("train")).await;
        let train: ReleaseId = train.parse().expect("an id");
        finished(&engine, train).await;
        let single = self.ask(&engine, "create single", create("single")).await;
        let single: ReleaseId = single.parse().expect("an id");
        let action = ReleaseCommand::Abort {
            reason: "not today".to_owned(),
        };
        self.ask(
            &engine,
            "abort",
            Command::Release {
                release: single,
                action,
            },
        )
        .await;
        finished(&engine, single).await;
        self.ask(&engine, "note", note(train, "well done")).await;
        engine.shutdown().await;
    }

    /// Asks, and checks that whoever was told something before is told the same again.
    async fn ask(&self, engine: &Engine, key: &str, command: Command) -> String {
        let answer = engine
            .submit(keyed(key, key, command))
            .await
            .expect("it is accepted");
        let mut told = self.told.lock().expect("no panic");
        if let Some(before) = told.insert(key.to_owned(), answer.body.clone()) {
            assert_eq!(before, answer.body, "{key}");
        }
        answer.body
    }

    /// What must hold in the end, whatever happened on the way.
    fn check(&self) {
        let journal = self.store.memory.journal();
        let mut verifier = Verifier::new();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for record in &journal {
            verifier.check(record).expect("the journal is intact");
            *kinds
                .entry(kind_of(&record.event().expect("an event")))
                .or_default() += 1;
        }
        assert_eq!(kinds["ResourceApplied"], 2);
        assert_eq!(kinds["ReleaseCreated"], 2);
        assert_eq!(kinds["ReleaseFinished"], 2);
        assert_eq!(kinds["NoteAdded"], 1);
        assert_eq!(kinds["AttemptStarted"], kinds["AttemptFinished"]);
        assert_eq!(kinds.get("ReleaseQuarantined"), None);
        let status = |id| self.stored(id).status();
        assert_eq!(status(ReleaseId(1)), ReleaseStatus::Success);
        assert_eq!(status(ReleaseId(2)), ReleaseStatus::Aborted);
        self.store.check_rows();
        self.check_outside();
    }

    fn stored(&self, id: ReleaseId) -> trainmaster_core::release::Release {
        let key = trainmaster_core::entity::EntityKey::Release(id);
        let row = self
            .store
            .memory
            .rows()
            .remove(&key)
            .expect("the release is stored");
        serde_json::from_str(&row.body).expect("a row reads back")
    }

    /// No attempt is called the first time twice, and each success was caused by at least one call.
    fn check_outside(&self) {
        let calls = self.outside.calls();
        let first: Vec<&String> = calls
            .iter()
            .filter(|call| call.contains(" first "))
            .collect();
        let distinct: BTreeSet<&String> = first.iter().copied().collect();
        assert_eq!(first.len(), distinct.len(), "{calls:?}");
        for path in ["build/compile", "build/package", "deploy/rollout"] {
            assert!(
                calls.iter().any(|call| call.starts_with(path)),
                "{path}: {calls:?}"
            );
        }
    }
}

async fn finished(engine: &Engine, release: ReleaseId) {
    let mut feed = engine.subscribe(0);
    loop {
        let record = feed
            .next()
            .await
            .expect("the engine runs")
            .expect("the feed reads");
        let event = record.event().expect("an event reads back");
        if event.release == Some(release) && kind_of(&event) == "ReleaseFinished" {
            return;
        }
    }
}

#[test]
fn a_process_that_does_not_die_tells_the_whole_story() {
    let ground = Ground::new();
    assert_eq!(ground.live("nowhere", 1), Ending::Done);
    ground.check();
}

#[test]
fn a_process_that_dies_anywhere_is_followed_by_one_that_ends_the_story() {
    let mut deaths = BTreeMap::new();
    for point in faults::POINTS {
        for passing in 1..=6 {
            let ground = Ground::new();
            if ground.live(point, passing) == Ending::Died {
                *deaths.entry(point).or_insert(0) += 1;
                assert_eq!(ground.live("nowhere", 1), Ending::Done, "{point} {passing}");
            }
            ground.check();
        }
    }
    let spared = faults::POINTS
        .into_iter()
        .filter(|point| !deaths.contains_key(point));
    // The story waits for no time, prints no output and breaks no release.
    assert_eq!(
        spared.collect::<Vec<_>>(),
        ["wake.fired", "log.appended", "quarantine"]
    );
}

#[test]
fn processes_that_die_again_and_again_get_there_in_the_end() {
    let points = faults::POINTS;
    for seed in 0..40_usize {
        let ground = Ground::new();
        let mut lives = 0;
        loop {
            lives += 1;
            let turn = seed * 31 + lives * 7;
            let passing = u32::try_from(turn % 5 + 1).expect("a small number");
            if ground.live(points[turn % points.len()], passing) == Ending::Done {
                break;
            }
            assert!(lives < 200, "seed {seed} gets nowhere");
        }
        ground.check();
    }
}
