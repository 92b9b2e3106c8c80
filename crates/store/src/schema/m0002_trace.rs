//! What was deployed where, by which words it is found, and how long approvals took.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Trace;

impl MigrationName for Trace {
    fn name(&self) -> &str {
        "m0002_trace"
    }
}

#[async_trait]
impl MigrationTrait for Trace {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // Releases written before have no times here until they are written again.
    "alter table release add column started_at bigint",
    "alter table release add column expected_end_at bigint",
    // What is to be archived or deleted, and what ended in a period, by its end.
    "create index release_ended on release (archived, ended_at, id) where ended = 1",
    "create index release_ended_at on release (ended_at, id) where ended = 1",
    "create table deployment (
        position {serial} not null primary key,
        release bigint not null,
        path text not null,
        organization text not null,
        service text not null,
        environment text not null,
        at bigint not null,
        by text not null,
        body text not null
    )",
    "create index deployment_place on deployment (environment, service, organization, position)",
    "create index deployment_environment on deployment (environment, position)",
    "create index deployment_service on deployment (service, position)",
    "create index deployment_organization on deployment (organization, position)",
    "create index deployment_release on deployment (release, position)",
    "create index deployment_at on deployment (at, position)",
    // What is there now, per service and environment; it stays when its release is removed.
    "create table deployed (
        environment text not null,
        service text not null,
        organization text not null,
        position bigint not null,
        primary key (environment, service, organization)
    ) {clustered}",
    // Commits, images, artifacts and tickets of releases (deployment 0) and of what they deployed.
    "create table trace (
        kind text not null,
        term text not null,
        release bigint not null,
        deployment bigint not null,
        source text not null,
        value text not null,
        organization text not null,
        at bigint not null,
        primary key (kind, term, release, deployment, source)
    ) {clustered}",
    "create index trace_release on trace (release, deployment)",
    "create index trace_deployment on trace (deployment, kind) where deployment <> 0",
    // The newest attempt of each approval that has ended.
    "create table approval_wait (
        release bigint not null,
        position bigint not null,
        asked_at bigint not null,
        ended_at bigint not null,
        primary key (release, position)
    ) {clustered}",
    "create index approval_wait_ended on approval_wait (ended_at, release)",
];
