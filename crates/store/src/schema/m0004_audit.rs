//! What the audit trail is searched by and anchored with.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Audit;

impl MigrationName for Audit {
    fn name(&self) -> &str {
        "m0004_audit"
    }
}

#[async_trait]
impl MigrationTrait for Audit {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // What a record that is about no release is about: a definition, a token, a user.
    "alter table journal add column object text",
    // Signed words about how far the journal had come.
    "create table checkpoint (
        position {serial} not null primary key,
        at bigint not null,
        body text not null
    )",
];
