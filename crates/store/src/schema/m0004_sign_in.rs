//! What signing in needs beside the world: password hashes, failures that are counted, when a token was last used.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct SignIn;

impl MigrationName for SignIn {
    fn name(&self) -> &str {
        "m0004_sign_in"
    }
}

#[async_trait]
impl MigrationTrait for SignIn {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // A user's row of the world names the one that holds; others are left over and are removed.
    "create table credential (
        id text not null primary key,
        user_name text not null,
        phc text not null,
        at bigint not null
    )",
    "create index credential_user on credential (user_name)",
    "create table sign_in_tally (
        key text not null primary key,
        failures bigint not null,
        last_at bigint not null
    ) {clustered}",
    "create index sign_in_tally_last on sign_in_tally (last_at)",
    // Where an account has signed in, so that guesses from elsewhere do not keep it out there.
    "create table sign_in_place (
        user_name text not null,
        source text not null,
        at bigint not null,
        primary key (user_name, source)
    ) {clustered}",
    // Empty for tokens of machines, which nobody asks for by their user.
    "alter table token add column person text not null default ''",
    "create index token_person on token (person, id) where person <> ''",
    "create table token_use (
        token {serial} not null primary key,
        at bigint not null,
        source text not null
    )",
];
