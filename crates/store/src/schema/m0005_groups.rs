//! Release groups: how far each has come, and which release belongs to which planned instant.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Groups;

impl MigrationName for Groups {
    fn name(&self) -> &str {
        "m0005_groups"
    }
}

#[async_trait]
impl MigrationTrait for Groups {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "create table release_group (
        organization text not null,
        name text not null,
        body text not null,
        primary key (organization, name)
    )",
    "alter table release add column group_name text not null default ''",
    "alter table release add column planned_at bigint",
    // One release per planned instant, whatever the rules above say (reliability.md, 32).
    "create unique index release_planned on release (organization, group_name, planned_at)
        where group_name <> ''",
    "create index release_group_name on release (group_name, id) where group_name <> ''",
];
