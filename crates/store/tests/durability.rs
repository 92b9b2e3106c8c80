//! What is committed stays, what fails leaves nothing, and what cannot be understood is refused.

mod common;

use std::sync::{Arc, Mutex};

use common::{Journal, Yard, note, release, write_activity};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::TokenId;
use trainmaster_engine::Faults;
use trainmaster_engine::ports::{
    Batch, Columns, EntityWrite, Row, Store as _, StoreError, StoredAnswer,
};
use trainmaster_store::upkeep::{self, BackupError};
use trainmaster_store::{Options, POINTS, SqlStore};

async fn beside(yard: &Yard) -> SqliteConnection {
    let path = yard.folder.path().join("trainmaster.db");
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .expect("it connects")
}

fn token(number: u64, digest: &str) -> EntityWrite {
    let body = json!({
        "token": number, "digest": digest, "user": "ada", "roles": ["viewer"],
        "issuedAt": "2026-11-21T09:00:00Z", "issuedBy": "system", "description": "",
    });
    let columns = Columns::Token {
        digest: digest.to_owned(),
        revoked: false,
        person: String::new(),
    };
    let row = Some(Row {
        body: body.to_string(),
        columns,
    });
    EntityWrite {
        key: EntityKey::Token(TokenId(number)),
        row,
    }
}

fn events_of(journal: &mut Journal, writes: Vec<EntityWrite>) -> Batch {
    let records = journal.records(&[note(1, "user:ada", "text")]);
    Batch {
        records,
        writes,
        answers: Vec::new(),
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_refuses() {
    let yard = Yard::new().await;
    let second = SqlStore::open(Options::new(yard.folder.path())).await;
    match second {
        Err(StoreError::Locked(what)) => {
            let file = yard.folder.path().join("trainmaster.lock");
            assert!(what.contains(&file.display().to_string()), "{what}");
        }
        other => panic!("{other:?}"),
    }
    let yard = yard.reopen().await;
    assert_eq!(yard.store.load().await.expect("it loads").position, 0);
}

#[tokio::test]
async fn a_full_store_reads_on_and_goes_on_once_there_is_room() {
    let mut yard = Yard::new().await;
    yard.releases([release(1)]).await;
    yard.store.limit_size(Some(600 * 1024)).await;
    let mut full = None;
    for _ in 0..1000 {
        let mut journal = yard.journal.clone();
        let text = "x".repeat(20_000);
        let records = journal.records(&[note(1, "user:ada", &text)]);
        match yard
            .store
            .commit(&Batch {
                records,
                ..Batch::default()
            })
            .await
        {
            Ok(()) => yard.journal = journal,
            Err(error) => {
                full = Some(error);
                break;
            }
        }
    }
    assert!(matches!(full, Some(StoreError::Full(_))), "{full:?}");
    let loaded = yard.store.load().await.expect("it still reads");
    assert_eq!(
        (loaded.position, loaded.hash),
        (yard.journal.position, yard.journal.hash.clone())
    );
    let batch = events_of(&mut yard.journal.clone(), vec![write_activity(1, 0, &[])]);
    yard.store.limit_size(None).await;
    yard.store
        .commit(&batch)
        .await
        .expect("there is room again");
    assert_eq!(
        yard.store.load().await.expect("it loads").position,
        yard.journal.position + 1
    );
}

#[tokio::test]
async fn a_batch_that_fails_half_way_leaves_nothing_and_the_next_one_fits() {
    let mut yard = Yard::new().await;
    yard.commit(&[note(1, "user:ada", "text")], vec![token(1, "same")])
        .await;
    let twice = events_of(&mut yard.journal.clone(), vec![token(2, "same")]);
    let refused = yard
        .store
        .commit(&twice)
        .await
        .expect_err("a digest is given once");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    let loaded = yard.store.load().await.expect("it loads");
    assert_eq!((loaded.position, loaded.entities.len()), (1, 1));
    yard.commit(&[note(1, "user:ada", "more")], vec![token(2, "another")])
        .await;
    assert_eq!(yard.store.load().await.expect("it loads").entities.len(), 2);
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_is_decided_before_the_next_load() {
    let mut yard = Yard::new().await;
    for round in 1..=20 {
        let mut journal = yard.journal.clone();
        let batch = events_of(&mut journal, vec![write_activity(1, round, &[])]);
        let commit = yard.store.commit(&batch);
        // Polled once, then given up.
        drop(tokio::time::timeout(std::time::Duration::ZERO, commit).await);
        let loaded = yard.store.load().await.expect("it loads");
        assert!([yard.journal.position, journal.position].contains(&loaded.position));
        yard.journal = Journal {
            position: loaded.position,
            hash: loaded.hash,
        };
    }
    assert!(yard.journal.position > 0);
}

#[tokio::test]
async fn a_commit_passes_its_points_in_order() {
    let passed: Arc<Mutex<Vec<&str>>> = Arc::default();
    let folder = tempfile::tempdir().expect("a folder");
    let log = passed.clone();
    let faults = Faults::call(move |point| log.lock().expect("no panic").push(point));
    let options = Options {
        faults,
        ..Options::new(folder.path())
    };
    let store = SqlStore::open(options).await.expect("it opens");
    let batch = events_of(&mut Journal::default(), vec![write_activity(1, 0, &[])]);
    store.commit(&batch).await.expect("it commits");
    assert_eq!(*passed.lock().expect("no panic"), POINTS);
}

#[tokio::test]
async fn a_commit_that_dies_before_its_end_leaves_nothing() {
    for point in &POINTS[..4] {
        let folder = tempfile::tempdir().expect("a folder");
        let deadly = *point;
        let struck = std::sync::atomic::AtomicBool::new(false);
        let faults = Faults::call(move |passed| {
            let first = !struck.swap(passed == deadly, std::sync::atomic::Ordering::Relaxed);
            assert!(passed != deadly || !first, "struck at `{deadly}`");
        });
        let options = Options {
            faults,
            ..Options::new(folder.path())
        };
        let store = Arc::new(SqlStore::open(options).await.expect("it opens"));
        let batch = events_of(&mut Journal::default(), vec![write_activity(1, 0, &[])]);
        let (dying, same) = (store.clone(), batch.clone());
        let died = tokio::spawn(async move { dying.commit(&same).await }).await;
        assert!(died.expect_err("it panics").is_panic(), "{point}");
        assert_eq!(store.load().await.expect("it loads").position, 0, "{point}");
    }
}

#[tokio::test]
async fn data_of_a_newer_version_are_refused_with_a_clear_text() {
    let yard = Yard::new().await;
    let mut intruder = beside(&yard).await;
    sqlx::raw_sql("insert into seaql_migrations (version, applied_at) values ('m9999_later', 0)")
        .execute(&mut intruder)
        .await
        .expect("it writes");
    let folder = yard.folder;
    drop(yard.store);
    let refused = SqlStore::open(Options::new(folder.path()))
        .await
        .expect_err("it is newer");
    assert!(
        refused
            .to_string()
            .contains("newer version of trainmaster (schema `m9999_later`)"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let nonsense = "not a database ".repeat(1000);
    std::fs::write(folder.path().join("trainmaster.db"), nonsense).expect("it writes");
    let refused = SqlStore::open(Options::new(folder.path()))
        .await
        .expect_err("it is no database");
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let mut yard = Yard::new().await;
    yard.releases([release(1)]).await;
    yard.commit(&[], vec![write_activity(1, 3, &[])]).await;
    let mut intruder = beside(&yard).await;
    sqlx::raw_sql("update activity set body = '{\"path\":7'")
        .execute(&mut intruder)
        .await
        .expect("it writes");
    let damaged = yard.store.load().await.expect_err("it cannot be read");
    assert!(
        matches!(&damaged, StoreError::Damaged(what) if what.contains("activity rel-00000001 3")),
        "{damaged}"
    );
}

#[tokio::test]
async fn answers_are_forgotten_after_a_day() {
    let mut yard = Yard::new().await;
    let hour = 60 * 60 * 1_000_000_i64;
    let answer = |key: &str, hours: i64| StoredAnswer {
        key: key.to_owned(),
        fingerprint: "same".to_owned(),
        body: "{}".to_owned(),
        at: 1_790_000_000_000_000 + hours * hour,
    };
    for (key, hours) in [("first", 0), ("second", 20), ("third", 25)] {
        let answers = vec![answer(key, hours)];
        let batch = Batch {
            answers,
            ..events_of(&mut yard.journal, Vec::new())
        };
        yard.store.commit(&batch).await.expect("it commits");
    }
    assert_eq!(yard.store.answer("first").await.expect("it reads"), None);
    for (key, hours) in [("second", 20), ("third", 25)] {
        assert_eq!(
            yard.store.answer(key).await.expect("it reads"),
            Some(answer(key, hours))
        );
    }
}

#[tokio::test]
async fn a_backup_restores_what_was_there() {
    let mut yard = Yard::new().await;
    yard.releases((1..=50).map(release)).await;
    let backup = yard.folder.path().join("backup.db");
    yard.store.backup(&backup).await.expect("a backup");
    let again = yard
        .store
        .backup(&backup)
        .await
        .expect_err("nothing is overwritten");
    assert!(matches!(again, BackupError::Exists(_)), "{again}");
    yard.releases((51..=60).map(release)).await;

    let elsewhere = tempfile::tempdir().expect("a folder");
    let verified = upkeep::restore(&backup, elsewhere.path())
        .await
        .expect("it restores");
    assert_eq!(verified.position, 50);
    let restored = SqlStore::open(Options::new(elsewhere.path()))
        .await
        .expect("it opens");
    let loaded = restored.load().await.expect("it loads");
    assert_eq!((loaded.position, loaded.entities.len()), (50, 50));
    assert!(restored.diagnose().await.expect("it looks").is_healthy());
    drop(restored);
    let refused = upkeep::restore(&backup, elsewhere.path())
        .await
        .expect_err("data are there");
    assert!(matches!(refused, BackupError::Exists(_)), "{refused}");
}

#[tokio::test]
async fn a_backup_that_was_changed_is_not_restored() {
    let mut yard = Yard::new().await;
    yard.releases((1..=5).map(release)).await;
    let backup = yard.folder.path().join("backup.db");
    yard.store.backup(&backup).await.expect("a backup");
    let mut intruder = SqliteConnectOptions::new()
        .filename(&backup)
        .connect()
        .await
        .expect("it connects");
    sqlx::raw_sql(
        "update journal set body = replace(body, 'written', 'forged') where position = 3",
    )
    .execute(&mut intruder)
    .await
    .expect("it writes");
    sqlx::Connection::close(intruder).await.expect("it closes");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let refused = upkeep::restore(&backup, elsewhere.path())
        .await
        .expect_err("it was changed");
    assert!(
        refused.to_string().contains("not intact at position 3"),
        "{refused}"
    );
    assert!(!elsewhere.path().join("trainmaster.db").exists());

    let nonsense = yard.folder.path().join("nonsense.db");
    std::fs::write(&nonsense, "nonsense ".repeat(1000)).expect("it writes");
    for path in [
        nonsense,
        yard.folder.path().join("missing.db"),
        yard.folder.path().join("logs.db"),
    ] {
        let refused = upkeep::check_backup(&path)
            .await
            .expect_err("it is no backup");
        assert!(matches!(refused, BackupError::Unusable { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_diagnosis_names_what_was_changed() {
    let mut yard = Yard::new().await;
    yard.releases((1..=5).map(release)).await;
    assert!(yard.store.diagnose().await.expect("it looks").is_healthy());
    let mut intruder = beside(&yard).await;
    sqlx::raw_sql("delete from journal where position = 2")
        .execute(&mut intruder)
        .await
        .expect("it writes");
    let diagnosis = yard.store.diagnose().await.expect("it looks");
    assert_eq!(diagnosis.faults, Vec::<String>::new());
    assert_eq!(
        diagnosis.journal.expect_err("a record is missing").position,
        2
    );
}
