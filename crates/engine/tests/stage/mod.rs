//! A stage for stories about the engine: a store that can be held back and broken, an outside world that
//! remembers, a clock that is moved by hand.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file tells its stories with some of the words"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use trainmaster_core::command::{NewRelease, ReleaseCommand};
use trainmaster_core::effect::Intent;
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::ids::{AttemptId, ReleaseId, ResourceKey};
use trainmaster_core::release::{Activity, Release};
use trainmaster_core::status::ReleaseStatus;
use trainmaster_core::uses::ActivityType;
use trainmaster_core::{Actor, Command, Effect, Event, Outcome, definition};
use trainmaster_engine::clock::ManualClock;
use trainmaster_engine::journal::{Record, Verifier};
use trainmaster_engine::memory::MemoryStore;
use trainmaster_engine::ports::{
    Batch, EntityWrite, Executor, Loaded, Row, Store, StoreError, StoredAnswer, Work,
};
use trainmaster_engine::{
    Answer, Engine, Faults, Idempotency, Limits, Options, Request, SubmitError,
};

/// Two activities after one another, then one beside them in a phase of its own.
pub const TRAIN: &str = "
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  phases:
    - id: build
      activities:
        - {id: compile, uses: command, with: {run: [compile]}}
        - {id: package, uses: command, dependsOn: [compile], with: {run: [package]}}
    - id: deploy
      dependsOn: [build]
      activities: [{id: rollout, uses: command, with: {run: [rollout]}}]
";

/// Five activities beside one another.
pub const WIDE: &str = "
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: wide}
spec:
  phases:
    - id: work
      activities:
        - {id: a, uses: command, with: {run: [a]}}
        - {id: b, uses: command, with: {run: [b]}}
        - {id: c, uses: command, with: {run: [c]}}
        - {id: d, uses: command, with: {run: [d]}}
        - {id: e, uses: command, with: {run: [e]}}
";

/// One activity.
pub const SINGLE: &str = "
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: single}
spec:
  phases: [{id: work, activities: [{id: only, uses: command, with: {run: [only]}}]}]
";

/// An hour passes.
pub const HOUR: &str = "
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: hour}
spec:
  phases: [{id: work, activities: [{id: pass, uses: wait, with: {for: 1h}}]}]
";

/// How long a story waits for something that must come, by the machine's clock.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stage {
    pub store: TestStore,
    pub outside: Outside,
    pub clock: ManualClock,
    pub engine: Engine,
    pub limits: Limits,
    pub faults: Faults,
}

impl Stage {
    /// An engine on an empty store with these definitions.
    pub async fn with(definitions: &[&str]) -> Stage {
        Stage::limited(definitions, Limits::default()).await
    }

    pub async fn limited(definitions: &[&str], limits: Limits) -> Stage {
        Stage::full(definitions, limits, Faults::none()).await
    }

    pub async fn full(definitions: &[&str], limits: Limits, faults: Faults) -> Stage {
        let store = TestStore::default();
        let outside = Outside::default();
        let clock = ManualClock::new("2026-11-21T08:00:00Z".parse().expect("a time"));
        let engine = start(&store, &outside, &clock, limits, faults.clone()).await;
        let stage = Stage {
            store,
            outside,
            clock,
            engine: engine.expect("an empty store"),
            limits,
            faults,
        };
        for definition in definitions {
            stage.apply(definition).await;
        }
        stage
    }

    pub async fn apply(&self, text: &str) {
        let parsed = definition::parse(text, None).expect("a definition that holds together");
        for parsed in parsed {
            let definition = Box::new(parsed.definition);
            let command = Command::ApplyResource {
                definition,
                if_revision: None,
            };
            self.submit(command).await.expect("a definition is applied");
        }
    }

    /// Stops the engine and starts another one on the same store in the same outside world.
    pub async fn restart(&mut self) {
        self.engine.shutdown().await;
        self.begin().await;
    }

    /// Starts another engine.
    pub async fn begin(&mut self) {
        let started = start(
            &self.store,
            &self.outside,
            &self.clock,
            self.limits,
            self.faults.clone(),
        );
        self.engine = started.await.expect("the store loads");
    }

    pub async fn submit(&self, command: Command) -> Result<Answer, SubmitError> {
        self.engine.submit(request(command)).await
    }

    /// Submits without waiting for the answer.
    pub fn send(&self, request: Request) -> tokio::task::JoinHandle<Result<Answer, SubmitError>> {
        let engine = self.engine.clone();
        tokio::spawn(async move { engine.submit(request).await })
    }

    /// Creates and starts a release.
    pub async fn start(&self, process: &str) -> ReleaseId {
        let answer = self
            .submit(create(process))
            .await
            .expect("a release is created");
        answer.body.parse().expect("the answer is its id")
    }

    pub async fn command(&self, release: ReleaseId, action: ReleaseCommand) {
        let command = Command::Release { release, action };
        self.submit(command).await.expect("the command is accepted");
    }

    /// Waits until an event of this type has come, of that release and path if they are named.
    pub async fn until(&self, release: ReleaseId, what: &str) -> Event {
        let fits = |event: &Event| {
            let (kind, path) = what.split_once(' ').unwrap_or((what, ""));
            event.release == Some(release)
                && kind_of(event) == kind
                && (path.is_empty() || event.path.as_ref().is_some_and(|own| own.as_str() == path))
        };
        let mut feed = self.engine.subscribe(0);
        let search = async {
            loop {
                let record = feed
                    .next()
                    .await
                    .expect("the engine runs")
                    .expect("the feed reads");
                let event = record.event().expect("an event reads back");
                if fits(&event) {
                    return event;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(event) => event,
            Err(_) => panic!("`{what}` of {release} did not come:\n{}", self.story()),
        }
    }

    /// The types of all durable events with their paths.
    pub fn story(&self) -> String {
        let mut text = String::new();
        for record in self.store.memory.journal() {
            let event = record.event().expect("an event reads back");
            let path = event
                .path
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let release = event
                .release
                .map(|release| release.to_string())
                .unwrap_or_default();
            text.push_str(&format!("{release} {} {path}\n", kind_of(&event)));
        }
        text
    }

    /// How many durable events of this type there are.
    pub fn count(&self, kind: &str) -> usize {
        let journal = self.store.memory.journal();
        let events = journal
            .iter()
            .map(|record| record.event().expect("an event reads back"));
        events.filter(|event| kind_of(event) == kind).count()
    }

    /// The release as it is stored.
    pub fn release(&self, id: ReleaseId) -> Release {
        match self.row(&EntityKey::Release(id)) {
            Entity::Release(release) => *release,
            other => panic!("not a release: {other:?}"),
        }
    }

    pub fn status(&self, id: ReleaseId) -> ReleaseStatus {
        self.release(id).status()
    }

    pub fn activity(&self, id: ReleaseId, position: u32) -> Activity {
        match self.row(&EntityKey::Activity(id, position)) {
            Entity::Activity { activity, .. } => *activity,
            other => panic!("not an activity: {other:?}"),
        }
    }

    fn row(&self, key: &EntityKey) -> Entity {
        let rows = self.store.memory.rows();
        let row = rows
            .get(key)
            .unwrap_or_else(|| panic!("{key} is not stored"));
        Entity::parse(key, &row.body).expect("a row reads back")
    }

    /// The journal is chained without gap, and is what the feed yields.
    pub async fn check_journal(&self) {
        let journal = self.store.memory.journal();
        let mut verifier = Verifier::new();
        for record in &journal {
            verifier.check(record).expect("the journal is intact");
        }
        assert_eq!(self.engine.position(), journal.len() as u64);
        let mut feed = self.engine.subscribe(0);
        for expected in &journal {
            let record = feed
                .next()
                .await
                .expect("the engine runs")
                .expect("the feed reads");
            assert_eq!(record.hash, expected.hash);
        }
        self.store.check_rows();
    }

    pub fn pass(&self, duration: SignedDuration) {
        self.clock.advance(duration);
    }
}

pub async fn start(
    store: &TestStore,
    outside: &Outside,
    clock: &ManualClock,
    limits: Limits,
    faults: Faults,
) -> Result<Engine, StoreError> {
    let executor: Arc<dyn Executor> = Arc::new(outside.clone());
    Engine::start(Options {
        store: Arc::new(store.clone()),
        executors: BTreeMap::from([(ActivityType::Command, executor)]),
        logs: Arc::new(store.memory.clone()),
        clock: Arc::new(clock.clone()),
        zones: TimeZoneDatabase::bundled(),
        faults,
        limits,
    })
    .await
}

/// A command of the server itself, answered with the id of the release that the first event is about.
pub fn request(command: Command) -> Request {
    Request {
        actor: Actor::System,
        command,
        idempotency: None,
        answer: Box::new(|_, events| {
            let release = events.first().and_then(|event| event.release);
            release
                .map(|release| release.to_string())
                .unwrap_or_default()
        }),
    }
}

pub fn keyed(key: &str, fingerprint: &str, command: Command) -> Request {
    let idempotency = Some(Idempotency {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
    });
    Request {
        idempotency,
        ..request(command)
    }
}

pub fn create(process: &str) -> Command {
    Command::CreateRelease(Box::new(NewRelease {
        process: Some(process.parse().expect("a name")),
        start: true,
        ..NewRelease::default()
    }))
}

pub fn draft(process: &str) -> Command {
    Command::CreateRelease(Box::new(NewRelease {
        process: Some(process.parse().expect("a name")),
        ..NewRelease::default()
    }))
}

pub fn note(release: ReleaseId, text: &str) -> Command {
    let action = ReleaseCommand::AddNote {
        text: text.to_owned(),
    };
    Command::Release { release, action }
}

pub fn kind_of(event: &Event) -> String {
    let value = serde_json::to_value(&event.change).expect("an event is JSON");
    value["type"]
        .as_str()
        .expect("a change says its type")
        .to_owned()
}

/// Waits for something that is not an event, by giving others their turn.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("it did not come about that {what}");
    }
}

/// Gives everybody so many turns that whatever could happen has happened.
pub async fn let_things_happen() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A store in memory that can be held back and broken.
#[derive(Clone)]
pub struct TestStore {
    pub memory: MemoryStore,
    held: watch::Sender<bool>,
    commits_begun: Arc<AtomicUsize>,
    commits: Arc<AtomicUsize>,
    troubles: Arc<Mutex<VecDeque<Option<Trouble>>>>,
    loads_to_fail: Arc<AtomicUsize>,
    tampered: Arc<Mutex<BTreeSet<EntityKey>>>,
}

/// Numbers by chance, the same for the same seed.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        // The constants are Knuth's; the high bits are the random ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// What goes wrong with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is written.
    Refused,
    /// Everything is written, but the answer gets lost.
    AnswerLost,
    /// There is no space.
    Full,
    /// The sync fails.
    Sync,
}

impl Default for TestStore {
    fn default() -> Self {
        TestStore {
            memory: MemoryStore::new(),
            held: watch::Sender::new(false),
            commits_begun: Arc::default(),
            commits: Arc::default(),
            troubles: Arc::default(),
            loads_to_fail: Arc::default(),
            tampered: Arc::default(),
        }
    }
}

impl TestStore {
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn release(&self) {
        self.held.send_replace(false);
    }

    pub fn commits(&self) -> usize {
        self.commits.load(SeqCst)
    }

    pub fn commits_begun(&self) -> usize {
        self.commits_begun.load(SeqCst)
    }

    /// What goes wrong with the next commits, one after the other.
    pub fn trouble(&self, troubles: &[Trouble]) {
        let troubles = troubles.iter().copied().map(Some);
        self.troubles.lock().expect("no panic").extend(troubles);
    }

    pub fn fail_loads(&self, count: usize) {
        self.loads_to_fail.store(count, SeqCst);
    }

    /// Goes wrong at one in `odds` commits, by chance.
    pub fn trouble_by_chance(&self, seed: u64, odds: u64) {
        let mut chance = Chance(seed);
        let kinds = [Trouble::Refused, Trouble::AnswerLost, Trouble::Full];
        let turn = || {
            let strikes = chance.next().is_multiple_of(odds);
            strikes.then(|| kinds[chance.next() as usize % 3])
        };
        let turns: VecDeque<Option<Trouble>> = std::iter::repeat_with(turn).take(500).collect();
        *self.troubles.lock().expect("no panic") = turns;
    }

    pub fn end_trouble(&self) {
        self.troubles.lock().expect("no panic").clear();
    }

    /// The journal replayed makes the stored rows, byte for byte; rows that were tampered with aside.
    pub fn check_rows(&self) {
        let mut world = trainmaster_core::World::new(TimeZoneDatabase::bundled());
        let mut keys: BTreeSet<EntityKey> = self.memory.rows().into_keys().collect();
        for record in self.memory.journal() {
            world.apply(&record.event().expect("an event reads back"));
            keys.extend(world.take_touched());
        }
        let rows = self.memory.rows();
        let tampered = self.tampered.lock().expect("no panic");
        for key in keys.difference(&tampered) {
            let replayed = world.entity(key).map(|entity| entity.body());
            assert_eq!(
                rows.get(key).map(|row| &row.body),
                replayed.as_ref(),
                "{key}"
            );
        }
    }

    /// Changes a row behind everybody's back.
    pub async fn tamper(&self, key: EntityKey, change: impl FnOnce(&mut Value)) {
        let mut row = self.memory.rows().remove(&key).expect("the row is stored");
        let mut body: Value = serde_json::from_str(&row.body).expect("a body is JSON");
        change(&mut body);
        row.body = body.to_string();
        self.write(key, Some(row)).await;
    }

    /// Removes a row behind everybody's back.
    pub async fn remove(&self, key: EntityKey) {
        self.write(key, None).await;
    }

    async fn write(&self, key: EntityKey, row: Option<Row>) {
        self.tampered.lock().expect("no panic").insert(key.clone());
        let write = EntityWrite { key, row };
        let batch = Batch {
            writes: vec![write],
            ..Batch::default()
        };
        self.memory.commit(&batch).await.expect("it commits");
    }
}

#[async_trait]
impl Store for TestStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let fail = |left: usize| left.checked_sub(1);
        if self
            .loads_to_fail
            .fetch_update(SeqCst, SeqCst, fail)
            .is_ok()
        {
            return Err(StoreError::Unavailable("no connection".to_owned()));
        }
        self.memory.load().await
    }

    async fn load_release(&self, release: ReleaseId) -> Result<Vec<Entity>, StoreError> {
        self.memory.load_release(release).await
    }

    async fn load_revision(
        &self,
        key: &ResourceKey,
        revision: u32,
    ) -> Result<Option<Entity>, StoreError> {
        self.memory.load_revision(key, revision).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.commits_begun.fetch_add(1, SeqCst);
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.expect("the store lives");
        let trouble = self
            .troubles
            .lock()
            .expect("no panic")
            .pop_front()
            .flatten();
        match trouble {
            None => self.memory.commit(batch).await?,
            Some(Trouble::Refused) => return Err(StoreError::Unavailable("refused".to_owned())),
            Some(Trouble::AnswerLost) => {
                self.memory.commit(batch).await?;
                return Err(StoreError::Unavailable("the answer was lost".to_owned()));
            }
            Some(Trouble::Full) => return Err(StoreError::Full("no space left".to_owned())),
            Some(Trouble::Sync) => return Err(StoreError::Sync("input/output error".to_owned())),
        }
        self.commits.fetch_add(1, SeqCst);
        Ok(())
    }

    async fn events_after(&self, position: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.memory.events_after(position, limit).await
    }

    async fn answer(&self, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
        self.memory.answer(key).await
    }
}

/// The outside world: it remembers every call and does what the story says.
#[derive(Clone, Default)]
pub struct Outside(Arc<World>);

#[derive(Default)]
struct World {
    calls: Mutex<Vec<String>>,
    acts: Mutex<BTreeMap<String, Act>>,
    outcomes: Mutex<BTreeMap<String, Outcome>>,
    running: AtomicUsize,
    running_most: AtomicUsize,
    turned: Notify,
}

/// What becomes of an activity outside; it succeeds where nothing is said.
#[derive(Clone, Debug)]
pub enum Act {
    /// It goes on until the story ends it or it is cancelled.
    GoesOn,
    /// As before, but reports first what it is called outside.
    Named(Value),
    /// It ends this way.
    Ends(Outcome),
    /// The executor panics.
    Panics,
}

impl Outside {
    /// Says what becomes of an activity, by its path.
    pub fn when(&self, path: &str, act: Act) {
        self.0
            .acts
            .lock()
            .expect("no panic")
            .insert(path.to_owned(), act);
    }

    /// Ends what goes on.
    pub fn end(&self, path: &str, outcome: Outcome) {
        self.0
            .outcomes
            .lock()
            .expect("no panic")
            .insert(path.to_owned(), outcome);
        self.0.turned.notify_waiters();
    }

    /// Every call: path, `first` or `again`, `perform` or `cancel`, handle.
    pub fn calls(&self) -> Vec<String> {
        self.0.calls.lock().expect("no panic").clone()
    }

    pub fn running(&self) -> usize {
        self.0.running.load(SeqCst)
    }

    /// The most that ever ran at the same time.
    pub fn running_most(&self) -> usize {
        self.0.running_most.load(SeqCst)
    }

    fn note(&self, effect: &Effect, work: &Work) {
        let first = if work.first { "first" } else { "again" };
        let intent = match effect.intent {
            Intent::Perform => "perform",
            Intent::Cancel => "cancel",
        };
        let handle = effect
            .handle
            .as_ref()
            .map(|handle| format!(" {handle}"))
            .unwrap_or_default();
        let call = format!("{} {first} {intent}{handle}", effect.id.path);
        self.0.calls.lock().expect("no panic").push(call);
        let running = self.0.running.fetch_add(1, SeqCst) + 1;
        self.0.running_most.fetch_max(running, SeqCst);
    }

    async fn go_on(&self, path: &str, work: &Work) -> Outcome {
        loop {
            let turned = self.0.turned.notified();
            if let Some(outcome) = self.0.outcomes.lock().expect("no panic").get(path) {
                return outcome.clone();
            }
            tokio::select! {
                () = work.cancel.cancelled() => return Outcome::Cancelled { confirmed: true },
                () = turned => (),
            }
        }
    }
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[async_trait]
impl Executor for Outside {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        self.note(effect, work);
        let _running = Running(&self.0.running);
        let path = effect.id.path.as_str();
        if effect.intent == Intent::Cancel {
            return Outcome::Cancelled { confirmed: true };
        }
        let act = self.0.acts.lock().expect("no panic").get(path).cloned();
        match act {
            None => done(),
            Some(Act::Ends(outcome)) => outcome,
            Some(Act::GoesOn) => self.go_on(path, work).await,
            Some(Act::Named(name)) => {
                if effect.handle.is_none() && !work.handles.report(&effect.id, name).await {
                    return Outcome::Unknown {
                        error: "the attempt is closed".to_owned(),
                    };
                }
                self.go_on(path, work).await
            }
            Some(Act::Panics) => panic!("the executor of `{path}` stumbles"),
        }
    }
}

pub fn done() -> Outcome {
    Outcome::Succeeded { result: json!({}) }
}

pub fn attempt(release: ReleaseId, path: &str) -> AttemptId {
    AttemptId {
        release,
        path: path.parse().expect("a path"),
        number: 1,
    }
}
