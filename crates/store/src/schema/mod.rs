//! The tables, as migrations that are applied one upon the other and never changed once released.
//!
//! The statements are valid on SQLite and PostgreSQL but for two words that the dialect fills in;
//! columns are `text` and `bigint`, instants are microseconds since 1970, bodies are JSON as text.

mod m0001_start;
mod m0001_start_logs;
mod m0002_trace;
mod m0003_users;
mod m0004_audit;
mod m0004_sign_in;
mod m0005_calendar;
mod m0005_groups;
mod m0005_outlets;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, TransactionTrait};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};
use trainmaster_engine::ports::StoreError;

use crate::error::Sorted;

/// Migrations of the journal, the rows and the read models.
pub(crate) struct Main;

impl MigratorTrait for Main {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_start::Start),
            Box::new(m0002_trace::Trace),
            Box::new(m0003_users::Users),
            Box::new(m0004_sign_in::SignIn),
            Box::new(m0004_audit::Audit),
            Box::new(m0005_groups::Groups),
            Box::new(m0005_outlets::Outlets),
            Box::new(m0005_calendar::Calendar),
        ]
    }
}

/// Migrations of the output of activities, which lives in a file of its own.
pub(crate) struct Logs;

impl MigratorTrait for Logs {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_start_logs::Start)]
    }
}

/// Brings a database up to what this program knows, all in one transaction.
///
/// A database that knows more than this program is refused unchanged.
pub(crate) async fn migrate<M: MigratorTrait>(
    database: &DatabaseConnection,
) -> Result<(), StoreError> {
    refuse_newer::<M>(database).await?;
    let transaction = database.begin().await.sorted()?;
    M::up(&transaction, None).await.sorted()?;
    transaction.commit().await.sorted()
}

/// Refuses a database that was written by a newer version of the program.
pub(crate) async fn refuse_newer<M: MigratorTrait>(
    database: &DatabaseConnection,
) -> Result<(), StoreError> {
    let known: Vec<String> = M::migrations()
        .iter()
        .map(|known| known.name().to_owned())
        .collect();
    match applied(database)
        .await?
        .into_iter()
        .find(|version| !known.contains(version))
    {
        None => Ok(()),
        Some(version) => Err(StoreError::Unavailable(format!(
            "its data were written by a newer version of trainmaster (schema `{version}`); \
             start that version, or restore a backup that is older"
        ))),
    }
}

/// Names of the migrations that were applied, oldest first; none for an empty database.
pub(crate) async fn applied(database: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let manager = SchemaManager::new(database);
    let table = "seaql_migrations";
    if !manager.has_table(table).await.sorted()? {
        return Ok(Vec::new());
    }
    let select = sea_orm::sea_query::Query::select()
        .column("version")
        .from(table)
        .order_by("version", sea_orm::sea_query::Order::Asc)
        .to_owned();
    let rows = database.query_all(&select).await.sorted()?;
    rows.iter()
        .map(|row| row.try_get("", "version").sorted())
        .collect()
}

/// Runs the statements of one migration, with the dialect's words filled in.
///
/// `{serial}` is the type of a whole-number key that orders the table itself,
/// `{clustered}` the suffix that keeps a small table in the order of its key.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let (serial, clustered) = match manager.get_database_backend() {
        DbBackend::Sqlite => ("integer", "without rowid"),
        _ => ("bigint", ""),
    };
    for statement in statements {
        let statement = statement
            .replace("{serial}", serial)
            .replace("{clustered}", clustered);
        manager
            .get_connection()
            .execute_unprepared(&statement)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
