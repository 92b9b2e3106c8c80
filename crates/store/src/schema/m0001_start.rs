//! The first tables: journal, rows of the world, read models, answers.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Start;

impl MigrationName for Start {
    fn name(&self) -> &str {
        "m0001_start"
    }
}

#[async_trait]
impl MigrationTrait for Start {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "create table journal (
        position {serial} not null primary key,
        at bigint not null,
        by text not null,
        release bigint,
        path text,
        type text not null,
        body text not null,
        previous text not null,
        hash text not null
    )",
    // Where pages by release, person and type find their records. It is filled in bulk, some records behind the
    // journal: as an ordinary index it would double the pages that a commit writes.
    "create table journal_term (
        term text not null,
        position bigint not null,
        primary key (term, position)
    ) {clustered}",
    // How far a table that is filled in bulk has come.
    "create table progress (
        name text not null primary key,
        position bigint not null
    )",
    "insert into progress (name, position) values ('journal_term', 0)",
    // Every 64th record leads to where a point in time lies in the journal.
    "create index journal_at on journal (at, position) where position % 64 = 0",
    "create table meta (
        id {serial} not null primary key,
        body text not null
    )",
    "create table resource (
        kind text not null,
        organization text not null,
        name text not null,
        deleted bigint not null,
        revision bigint not null,
        body text not null,
        primary key (kind, organization, name)
    )",
    "create index resource_name on resource (kind, name, organization)",
    "create table revision (
        kind text not null,
        organization text not null,
        name text not null,
        revision bigint not null,
        body text not null,
        primary key (kind, organization, name, revision)
    )",
    "create table token (
        id {serial} not null primary key,
        digest text not null unique,
        revoked bigint not null,
        body text not null
    )",
    "create table release (
        id {serial} not null primary key,
        organization text not null,
        name text not null,
        search text not null,
        process text not null,
        status text not null,
        stage text not null,
        type text not null,
        labels text not null,
        ended bigint not null,
        archived bigint not null,
        parent bigint,
        created_at bigint not null,
        start_at bigint,
        begins_at bigint not null,
        ended_at bigint,
        needs_input bigint not null,
        body text not null
    )",
    "create index release_status on release (status, id)",
    "create index release_organization on release (organization, status, id)",
    "create index release_process on release (process, status, id)",
    "create index release_begins on release (begins_at, id)",
    "create index release_parent on release (parent, id) where parent is not null",
    "create index release_live on release (id) where ended = 0",
    // Words and labels of releases, so that what is rare is found without reading what is frequent.
    "create table release_term (
        term text not null,
        release bigint not null,
        primary key (term, release)
    ) {clustered}",
    "create index release_term_release on release_term (release)",
    "create table activity (
        release bigint not null,
        position bigint not null,
        path text not null,
        status text not null,
        needs text not null,
        body text not null,
        primary key (release, position)
    )",
    "create index activity_needs on activity (release, position, needs) where needs <> ''",
    "create table notification (
        position {serial} not null primary key,
        release bigint not null,
        owners text not null,
        message text not null,
        at bigint not null,
        path text
    )",
    "create index notification_release on notification (release)",
    "create table notification_owner (
        owner text not null,
        position bigint not null,
        release bigint not null,
        primary key (owner, position)
    ) {clustered}",
    "create index notification_owner_release on notification_owner (release)",
    "create table answer (
        key text not null primary key,
        fingerprint text not null,
        body text not null,
        at bigint not null
    )",
    "create index answer_at on answer (at)",
];
