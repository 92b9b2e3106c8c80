//! People who can sign in.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Users;

impl MigrationName for Users {
    fn name(&self) -> &str {
        "m0003_users"
    }
}

#[async_trait]
impl MigrationTrait for Users {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &["create table user_account (
    name text not null primary key,
    body text not null
)"];
