//! Migrations are applied one upon the other to data of their time.

use std::path::Path;

use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use trainmaster_engine::ports::Store as _;

use super::{Logs, Main, applied};
use crate::{Options, SqlStore};

/// Applies each migration and then writes the sample rows that belong to it.
async fn grow<M: MigratorTrait>(path: &Path) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options);
    let pool = pool.await.expect("it connects");
    let database = DatabaseConnection::from(pool.clone());
    for migration in M::migrations() {
        M::up(&database, Some(1)).await.expect("it applies");
        let samples = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/migrations")
            .join(format!("{}.sql", migration.name()));
        let sql = std::fs::read_to_string(&samples)
            .unwrap_or_else(|error| panic!("`{}` has no sample rows: {error}", migration.name()));
        database
            .execute_unprepared(&sql)
            .await
            .expect("the sample rows fit");
    }
    assert_eq!(
        applied(&database).await.expect("a list").len(),
        M::migrations().len()
    );
    for table in tables(&database).await {
        assert!(
            count(&database, &table).await > 0,
            "the sample rows leave `{table}` empty"
        );
    }
    pool.close().await;
}

async fn tables(database: &DatabaseConnection) -> Vec<String> {
    let select = "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'";
    texts(database, select).await
}

async fn count(database: &DatabaseConnection, table: &str) -> u64 {
    let counted = texts(
        database,
        &format!("select cast(count(*) as text) as name from {table}"),
    )
    .await;
    counted[0].parse().expect("a number")
}

async fn texts(database: &DatabaseConnection, select: &str) -> Vec<String> {
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, select);
    let rows = database.query_all_raw(statement).await.expect("it reads");
    rows.iter()
        .map(|row| row.try_get("", "name").expect("a text"))
        .collect()
}

#[tokio::test]
async fn data_of_every_released_schema_are_read_by_this_one() {
    let folder = tempfile::tempdir().expect("a folder");
    grow::<Main>(&folder.path().join("trainmaster.db")).await;
    grow::<Logs>(&folder.path().join("logs.db")).await;
    let store = SqlStore::open(Options::new(folder.path()))
        .await
        .expect("it opens");
    let loaded = store.load().await.expect("it loads");
    let verified = store.verify_journal().await.expect("the journal is intact");
    assert_eq!(
        (loaded.position, loaded.hash),
        (verified.position, verified.hash)
    );
    let kinds = loaded.entities.len();
    assert!(kinds >= 6, "one row of each kind is loaded, not {kinds}");
}
