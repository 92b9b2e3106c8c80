//! What every store must do, written once and run against each of them (architecture.md, Storage).
//!
//! A backend implements [`Ground`] and calls [`all`] with a function that makes fresh grounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use trainmaster_core::Event;
use trainmaster_core::entity::{Entity, EntityKey, EntityRef, Meta};
use trainmaster_core::event::Change;
use trainmaster_core::ids::{AttemptId, ReleaseId};
use trainmaster_core::release::Release;

use crate::columns;
use crate::journal::{Record, Verifier};
use crate::ports::{
    Batch, EntityWrite, LogLine, LogStore, LogStream, NumberedLine, Store, StoredAnswer,
};
use crate::sample;

/// A place for one store, empty at first.
#[async_trait]
pub trait Ground: Send + Sync {
    /// Opens the store; what was committed before is there.
    async fn open(&self) -> Opened;

    /// Closes the store and opens it again.
    async fn reopen(&self, opened: Opened) -> Opened {
        drop(opened);
        self.open().await
    }
}

/// An open store.
#[derive(Clone)]
pub struct Opened {
    /// State.
    pub store: Arc<dyn Store>,
    /// Output.
    pub logs: Arc<dyn LogStore>,
}

/// Runs every part of the contract, each on a ground of its own; panics where the store breaks it.
pub async fn all<G: Ground>(ground: impl AsyncFn() -> G) {
    an_empty_store_loads_nothing(&ground().await).await;
    every_row_reads_back_as_it_was_written(&ground().await).await;
    a_row_is_replaced_and_deleted(&ground().await).await;
    the_journal_is_read_in_pages_without_gap(&ground().await).await;
    a_batch_that_does_not_follow_is_refused_as_a_whole(&ground().await).await;
    an_answer_is_found_by_its_key(&ground().await).await;
    ended_releases_are_loaded_one_by_one(&ground().await).await;
    pinned_and_newest_revisions_are_loaded(&ground().await).await;
    older_revisions_are_loaded_one_by_one(&ground().await).await;
    text_of_all_languages_reads_back(&ground().await).await;
    a_big_batch_is_one_commit(&ground().await).await;
    everything_is_there_after_reopening(&ground().await).await;
    output_is_numbered_and_read_in_pages(&ground().await).await;
    output_is_removed_with_its_release(&ground().await).await;
}

/// Nothing is there before the first commit.
pub async fn an_empty_store_loads_nothing(ground: &impl Ground) {
    let Opened { store, logs } = ground.open().await;
    let loaded = store.load().await.expect("it loads");
    assert_eq!((loaded.position, loaded.hash.as_str()), (0, ""));
    assert_eq!(loaded.entities, []);
    assert!(
        store
            .events_after(0, 10)
            .await
            .expect("it reads")
            .is_empty()
    );
    assert_eq!(store.answer("key").await.expect("it reads"), None);
    assert_eq!(
        store.load_release(ReleaseId(1)).await.expect("it reads"),
        []
    );
    assert_eq!(
        logs.read(&attempt(1, 1), 0, 10).await.expect("it reads"),
        []
    );
}

/// Rows of every kind.
pub async fn every_row_reads_back_as_it_was_written(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let entities = one_of_each();
    let mut journal = Journal::default();
    store
        .commit(&journal.batch(3, &entities))
        .await
        .expect("it commits");
    let loaded = store.load().await.expect("it loads");
    assert_eq!(by_key(loaded.entities), by_key(entities));
    assert_eq!((loaded.position, loaded.hash), (3, journal.hash));
}

/// A second write wins; a write without content removes.
pub async fn a_row_is_replaced_and_deleted(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let mut journal = Journal::default();
    store
        .commit(&journal.batch(1, &one_of_each()))
        .await
        .expect("it commits");
    let mut release = sample::release(7, "Underway");
    release.name = "another name".to_owned();
    let second = [Entity::Release(Box::new(release.clone()))];
    store
        .commit(&journal.batch(1, &second))
        .await
        .expect("it commits");
    let rows = store.load_release(ReleaseId(7)).await.expect("it reads");
    assert_eq!(only_release(&rows), &release);

    let mut third = journal.batch(1, &[]);
    let activities = [0, 1, 99].map(|position| EntityKey::Activity(ReleaseId(7), position));
    // What is not there can be deleted too.
    let releases = [7, 99].map(|release| EntityKey::Release(ReleaseId(release)));
    let keys = activities.into_iter().chain(releases);
    third.writes = keys.map(|key| EntityWrite { key, row: None }).collect();
    store.commit(&third).await.expect("it commits");
    assert_eq!(
        store.load_release(ReleaseId(7)).await.expect("it reads"),
        []
    );
    let left = by_key(store.load().await.expect("it loads").entities);
    assert!(left.contains_key(&EntityKey::Meta));
    assert!(
        !left
            .keys()
            .any(|key| matches!(key, EntityKey::Release(_) | EntityKey::Activity(..)))
    );
}

/// Positions count from one, pages follow one another, and the chain is intact.
pub async fn the_journal_is_read_in_pages_without_gap(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let mut journal = Journal::default();
    for events in [1, 5, 30, 4] {
        store
            .commit(&journal.batch(events, &[]))
            .await
            .expect("it commits");
    }
    let mut verifier = Verifier::new();
    loop {
        let page = store
            .events_after(verifier.position(), 7)
            .await
            .expect("it reads");
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        for record in &page {
            verifier.check(record).expect("the chain is intact");
        }
    }
    assert_eq!(
        (verifier.position(), verifier.hash()),
        (40, journal.hash.as_str())
    );
    assert!(
        store
            .events_after(40, 7)
            .await
            .expect("it reads")
            .is_empty()
    );
    assert!(
        store
            .events_after(4_000, 7)
            .await
            .expect("it reads")
            .is_empty()
    );
}

/// One position is given once; of a refused batch nothing is there.
pub async fn a_batch_that_does_not_follow_is_refused_as_a_whole(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let mut journal = Journal::default();
    store
        .commit(&journal.batch(2, &[]))
        .await
        .expect("it commits");
    let mut twin = Journal::default();
    twin.batch(1, &[]);
    let mut batch = twin.batch(2, &one_of_each());
    batch.answers = vec![answer("key", "body")];
    store.commit(&batch).await.expect_err("position 2 is taken");
    let loaded = store.load().await.expect("it loads");
    assert_eq!((loaded.position, loaded.hash), (2, journal.hash.clone()));
    assert_eq!(loaded.entities, []);
    assert_eq!(store.answer("key").await.expect("it reads"), None);
    store
        .commit(&journal.batch(1, &[]))
        .await
        .expect("the right one still fits");
}

/// Answers, also of batches that hold nothing else.
pub async fn an_answer_is_found_by_its_key(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let mut journal = Journal::default();
    let mut first = journal.batch(1, &[]);
    first.answers = vec![answer("tok-0001/a", "{\"id\":1}"), answer("tok-0001/b", "")];
    store.commit(&first).await.expect("it commits");
    let alone = Batch {
        answers: vec![answer("tok-0002/a", "ü")],
        ..Batch::default()
    };
    store.commit(&alone).await.expect("it commits");
    for expected in first.answers.into_iter().chain(alone.answers) {
        let found = store.answer(&expected.key).await.expect("it reads");
        assert_eq!(found, Some(expected));
    }
    assert_eq!(store.answer("tok-0001/A").await.expect("it reads"), None);
    assert_eq!(store.load().await.expect("it loads").position, 1);
}

/// What has ended is not loaded at start, and is there when asked for.
pub async fn ended_releases_are_loaded_one_by_one(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let entities = with_activities(&sample::release(8, "Ended"), 3);
    let mut journal = Journal::default();
    let mut all = entities.clone();
    all.extend(sample::definition(2));
    all.extend(with_activities(&sample::release(9, "Underway"), 1));
    store
        .commit(&journal.batch(1, &all))
        .await
        .expect("it commits");
    let loaded = by_key(store.load().await.expect("it loads").entities);
    assert!(!loaded.contains_key(&EntityKey::Release(ReleaseId(8))));
    assert!(!loaded.contains_key(&EntityKey::Activity(ReleaseId(8), 0)));
    assert!(loaded.contains_key(&EntityKey::Activity(ReleaseId(9), 0)));
    let rows = by_key(store.load_release(ReleaseId(8)).await.expect("it reads"));
    let [_, revision] = sample::definition(2);
    let mut expected = entities;
    expected.push(revision);
    assert_eq!(rows, by_key(expected));
}

/// A release under way finds the revision that it has pinned.
pub async fn pinned_and_newest_revisions_are_loaded(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let mut journal = Journal::default();
    for revision in 1..=4 {
        let batch = journal.batch(1, &sample::definition(revision));
        store.commit(&batch).await.expect("it commits");
    }
    let pinning = with_activities(&sample::release(9, "Underway"), 1);
    store
        .commit(&journal.batch(1, &pinning))
        .await
        .expect("it commits");
    let loaded = by_key(store.load().await.expect("it loads").entities);
    for revision in [2, 4] {
        let [_, expected] = sample::definition(revision);
        assert_eq!(
            loaded.get(&key(&expected)),
            Some(&expected),
            "revision {revision}"
        );
    }
}

/// A command may ask for a revision that is neither newest nor pinned.
pub async fn older_revisions_are_loaded_one_by_one(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let mut journal = Journal::default();
    for revision in 1..=3 {
        let batch = journal.batch(1, &sample::definition(revision));
        store.commit(&batch).await.expect("it commits");
    }
    let [resource, expected] = sample::definition(1);
    let EntityKey::Resource(key) = key(&resource) else {
        panic!("the key of a definition")
    };
    let found = store.load_revision(&key, 1).await.expect("it reads");
    assert_eq!(found, Some(expected));
    assert_eq!(store.load_revision(&key, 4).await.expect("it reads"), None);
}

/// Quotes, wildcards, line ends, characters beyond the first plane.
pub async fn text_of_all_languages_reads_back(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let hard = "Ärger 中文 עברית 🚂 \u{200D}\u{FEFF} 'single' \"double\" ; -- %_\\ \r\n\t ${x} $1 ?1 \u{1}";
    let mut release = sample::release(7, "Underway");
    release.name = hard.to_owned();
    release.labels.insert(hard.to_owned(), hard.to_owned());
    let mut journal = Journal::default();
    let event = note(hard);
    let mut batch = journal.batch_of(
        std::slice::from_ref(&event),
        &[Entity::Release(Box::new(release.clone()))],
    );
    batch.answers = vec![answer(hard, hard)];
    store.commit(&batch).await.expect("it commits");
    let rows = store.load_release(ReleaseId(7)).await.expect("it reads");
    assert_eq!(only_release(&rows), &release);
    assert_eq!(
        store.answer(hard).await.expect("it reads"),
        Some(answer(hard, hard))
    );
    let records = store.events_after(0, 10).await.expect("it reads");
    assert_eq!(records[0].event().expect("it parses"), event);
    assert_eq!(records[0].body, batch.records[0].body);
}

/// More rows and records than one statement may have variables.
pub async fn a_big_batch_is_one_commit(ground: &impl Ground) {
    let Opened { store, .. } = ground.open().await;
    let entities = with_activities(&sample::release(7, "Underway"), 9_000);
    let mut journal = Journal::default();
    let mut batch = journal.batch(12_000, &entities);
    batch.answers = (0..1_000)
        .map(|n| answer(&format!("key {n}"), "body"))
        .collect();
    store.commit(&batch).await.expect("it commits");
    let loaded = store.load().await.expect("it loads");
    assert_eq!(loaded.position, 12_000);
    assert_eq!(loaded.entities.len(), 9_001);
    assert_eq!(
        store.answer("key 999").await.expect("it reads"),
        Some(answer("key 999", "body"))
    );
}

/// Everything that a commit has returned for.
pub async fn everything_is_there_after_reopening(ground: &impl Ground) {
    let opened = ground.open().await;
    let mut journal = Journal::default();
    let mut batch = journal.batch(3, &one_of_each());
    batch.answers = vec![answer("key", "body")];
    opened.store.commit(&batch).await.expect("it commits");
    opened
        .logs
        .append(&attempt(7, 1), lines(2))
        .await
        .expect("it appends");
    let Opened { store, logs } = ground.reopen(opened).await;
    let loaded = store.load().await.expect("it loads");
    assert_eq!((loaded.position, loaded.hash), (3, journal.hash.clone()));
    assert_eq!(by_key(loaded.entities), by_key(one_of_each()));
    assert_eq!(
        store.answer("key").await.expect("it reads"),
        Some(answer("key", "body"))
    );
    assert_eq!(
        logs.read(&attempt(7, 1), 0, 10)
            .await
            .expect("it reads")
            .len(),
        2
    );
    store
        .commit(&journal.batch(2, &[]))
        .await
        .expect("it goes on");
    assert_eq!(store.load().await.expect("it loads").position, 5);
}

/// Lines count from one within an attempt.
pub async fn output_is_numbered_and_read_in_pages(ground: &impl Ground) {
    let Opened { logs, .. } = ground.open().await;
    let written = lines(25);
    for piece in written.chunks(10) {
        logs.append(&attempt(7, 1), piece.to_vec())
            .await
            .expect("it appends");
    }
    logs.append(&attempt(7, 2), lines(1))
        .await
        .expect("it appends");
    logs.append(&attempt(7, 2), Vec::new())
        .await
        .expect("nothing is appended");
    let mut read: Vec<NumberedLine> = Vec::new();
    loop {
        let after = read.last().map_or(0, |line| line.number);
        let page = logs.read(&attempt(7, 1), after, 4).await.expect("it reads");
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    let expected = (1..)
        .zip(written)
        .map(|(number, line)| NumberedLine { number, line });
    assert_eq!(read, expected.collect::<Vec<_>>());
    assert_eq!(
        logs.read(&attempt(7, 2), 0, 10)
            .await
            .expect("it reads")
            .len(),
        1
    );
    assert_eq!(
        logs.read(&attempt(7, 3), 0, 10).await.expect("it reads"),
        []
    );
}

/// The output of others stays.
pub async fn output_is_removed_with_its_release(ground: &impl Ground) {
    let Opened { logs, .. } = ground.open().await;
    for attempt in [attempt(7, 1), attempt(7, 2), attempt(70, 1)] {
        logs.append(&attempt, lines(3)).await.expect("it appends");
    }
    logs.remove(ReleaseId(7)).await.expect("it removes");
    logs.remove(ReleaseId(8)).await.expect("nothing is removed");
    assert_eq!(
        logs.read(&attempt(7, 1), 0, 10).await.expect("it reads"),
        []
    );
    assert_eq!(
        logs.read(&attempt(7, 2), 0, 10).await.expect("it reads"),
        []
    );
    assert_eq!(
        logs.read(&attempt(70, 1), 0, 10)
            .await
            .expect("it reads")
            .len(),
        3
    );
}

/// A journal that grows by batches.
#[derive(Default)]
struct Journal {
    position: u64,
    hash: String,
}

impl Journal {
    fn batch(&mut self, events: u64, entities: &[Entity]) -> Batch {
        let first = self.position;
        let events: Vec<Event> = (1..=events)
            .map(|n| note(&format!("note {}", first + n)))
            .collect();
        self.batch_of(&events, entities)
    }

    fn batch_of(&mut self, events: &[Event], entities: &[Entity]) -> Batch {
        let mut records = Vec::new();
        for event in events {
            let record = Record::chain(self.position + 1, &self.hash, event);
            self.position = record.position;
            self.hash.clone_from(&record.hash);
            records.push(Arc::new(record));
        }
        Batch {
            records,
            writes: writes(entities),
            answers: Vec::new(),
        }
    }
}

fn note(text: &str) -> Event {
    Event {
        at: "2026-11-21T09:00:00Z".parse().expect("a time"),
        by: "user:ada".to_owned(),
        release: Some(ReleaseId(7)),
        path: None,
        change: Change::NoteAdded {
            text: text.to_owned(),
        },
    }
}

fn one_of_each() -> Vec<Entity> {
    let mut entities = vec![
        Entity::Meta(Meta {
            last_release: 7,
            last_token: 1,
            ..Meta::default()
        }),
        sample::token(1),
        sample::user("ada"),
    ];
    entities.extend(sample::definition(2));
    entities.extend(with_activities(&sample::release(7, "Underway"), 2));
    entities
}

fn with_activities(release: &Release, count: u32) -> Vec<Entity> {
    let activities = (0..count).map(|position| Entity::Activity {
        release: release.id,
        position,
        activity: Box::new(sample::activity(&format!("build/step-{position}"))),
    });
    std::iter::once(Entity::Release(Box::new(release.clone())))
        .chain(activities)
        .collect()
}

/// Rows with the columns that the engine computes for them.
fn writes(entities: &[Entity]) -> Vec<EntityWrite> {
    let find = |wanted: ReleaseId| {
        entities.iter().find_map(|entity| match entity {
            Entity::Release(release) if release.id == wanted => Some(&**release),
            _ => None,
        })
    };
    let write = |entity: &Entity| {
        let row = match entity {
            Entity::Meta(meta) => columns::row(EntityRef::Meta(meta)),
            Entity::Resource(resource) => columns::row(EntityRef::Resource(resource)),
            Entity::Revision(revision) => columns::row(EntityRef::Revision(revision)),
            Entity::Token(holder) => columns::row(EntityRef::Token(holder)),
            Entity::User(user) => columns::row(EntityRef::User(user)),
            Entity::Group(state) => columns::row(EntityRef::Group(state)),
            Entity::Release(release) => columns::row(EntityRef::Release(release)),
            Entity::Activity {
                release, activity, ..
            } => {
                let release = find(*release).expect("a sample activity comes with its release");
                columns::row(EntityRef::Activity(release, activity))
            }
        };
        EntityWrite {
            key: key(entity),
            row: Some(row),
        }
    };
    entities.iter().map(write).collect()
}

fn key(entity: &Entity) -> EntityKey {
    match entity {
        Entity::Meta(_) => EntityKey::Meta,
        Entity::Resource(resource) => EntityKey::Resource(resource.key.clone()),
        Entity::Revision(revision) => EntityKey::Revision(revision.key.clone(), revision.revision),
        Entity::Token(holder) => EntityKey::Token(holder.token),
        Entity::User(user) => EntityKey::User(user.name.clone()),
        Entity::Group(state) => EntityKey::Group(state.key.clone()),
        Entity::Release(release) => EntityKey::Release(release.id),
        Entity::Activity {
            release, position, ..
        } => EntityKey::Activity(*release, *position),
    }
}

fn by_key(entities: Vec<Entity>) -> BTreeMap<EntityKey, Entity> {
    let count = entities.len();
    let map: BTreeMap<EntityKey, Entity> = entities
        .into_iter()
        .map(|entity| (key(&entity), entity))
        .collect();
    assert_eq!(map.len(), count, "no row comes twice");
    map
}

fn only_release(rows: &[Entity]) -> &Release {
    let release = rows.iter().find_map(|row| match row {
        Entity::Release(release) => Some(&**release),
        _ => None,
    });
    release.expect("the release is there")
}

fn answer(key: &str, body: &str) -> StoredAnswer {
    let fingerprint = format!("fingerprint of {key}");
    StoredAnswer {
        key: key.to_owned(),
        fingerprint,
        body: body.to_owned(),
        at: 1_790_000_000_000_000,
    }
}

fn attempt(release: u64, number: u32) -> AttemptId {
    let path = "build/compile".parse().expect("a path");
    AttemptId {
        release: ReleaseId(release),
        path,
        number,
    }
}

fn lines(count: u32) -> Vec<LogLine> {
    let streams = [LogStream::Stdout, LogStream::Stderr, LogStream::System];
    let line = |n: u32| LogLine {
        at: 1_790_000_000_000_000 + i64::from(n),
        stream: streams[n as usize % 3],
        text: format!("line {n}: 'ü' 🚂 %s"),
    };
    (0..count).map(line).collect()
}
