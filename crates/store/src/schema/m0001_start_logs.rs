//! The first table of the log file: the output of activities, line by line.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Start;

impl MigrationName for Start {
    fn name(&self) -> &str {
        "m0001_start_logs"
    }
}

#[async_trait]
impl MigrationTrait for Start {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &["create table log (
    release bigint not null,
    path text not null,
    attempt bigint not null,
    number bigint not null,
    at bigint not null,
    stream text not null,
    text text not null,
    primary key (release, path, attempt, number)
) {clustered}"];
