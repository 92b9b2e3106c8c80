//! What goes out and who has read what: deliveries, channels that were turned off, sealed values, read marks.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Outlets;

impl MigrationName for Outlets {
    fn name(&self) -> &str {
        "m0005_outlets"
    }
}

#[async_trait]
impl MigrationTrait for Outlets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "alter table notification add column kind text",
    "alter table notification add column need text",
    "alter table notification add column phase text",
    "alter table notification add column urgent bigint not null default 0",
    // Where a notice that is about no release belongs; empty is the account level.
    "alter table notification add column home text not null default ''",
    // Up to where somebody has read everything.
    "create table notification_mark (
        viewer text not null primary key,
        position bigint not null
    )",
    // What somebody has read behind that mark.
    "create table notification_read (
        viewer text not null,
        position bigint not null,
        primary key (viewer, position)
    ) {clustered}",
    "create table delivery (
        id text not null primary key,
        position bigint not null,
        destination text not null,
        organization text not null,
        rule text not null,
        number bigint not null,
        channel text not null,
        word text not null,
        release bigint,
        status text not null,
        open bigint not null,
        attempts bigint not null,
        next_at bigint not null,
        created_at bigint not null,
        updated_at bigint not null,
        code bigint,
        answer text not null,
        body text not null
    )",
    "create index delivery_open on delivery (destination, position, id) where open = 1",
    "create index delivery_position on delivery (position, id)",
    "create index delivery_rule on delivery (organization, rule, position, id)",
    "create index delivery_ended on delivery (created_at) where open = 0",
    // Channels that fail, and those that were turned off for it.
    "create table outlet (
        destination text not null primary key,
        organization text not null,
        rule text not null,
        failing_since bigint,
        failures bigint not null,
        disabled_at bigint,
        reason text not null
    )",
    "create index outlet_rule on outlet (organization, rule)",
    // Values of secrets, sealed; a row counts once the journal says so.
    "create table sealed (
        id text not null primary key,
        organization text not null,
        name text not null,
        version bigint not null,
        live bigint not null,
        key_id text not null,
        body text not null,
        at bigint not null,
        by text not null
    )",
    "create unique index sealed_version on sealed (organization, name, version)",
    // What happened before there were rules is told to nobody.
    "insert into progress (name, position)
     select 'outlets', coalesce(max(position), 0)
     from journal",
];
