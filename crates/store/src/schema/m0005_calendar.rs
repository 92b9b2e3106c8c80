//! The calendar: one narrow row for each release that stands in it, and what has gone from it.

use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// See the module.
pub(super) struct Calendar;

impl MigrationName for Calendar {
    fn name(&self) -> &str {
        "m0005_calendar"
    }
}

#[async_trait]
impl MigrationTrait for Calendar {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // Rows lie by how long they are and by their start: what overlaps a stretch of time is one short piece of each
    // class, however many rows there are. Class -1 is under way, class k lasts at most 4 to the k hours.
    "create table calendar_entry (
        class bigint not null,
        start_at bigint not null,
        release bigint not null,
        end_at bigint not null,
        organization text not null,
        name text not null,
        search text not null,
        status text not null,
        type text not null,
        process text not null,
        release_group text not null,
        manager text not null,
        labels text not null,
        teams text not null,
        processes text not null,
        services text not null,
        environments text not null,
        exclusive text not null,
        planned_start bigint,
        planned_end bigint,
        started_at bigint,
        ended_at bigint,
        changes bigint not null,
        changed_at bigint not null,
        announced bigint not null,
        primary key (class, start_at, release)
    ) {clustered}",
    "create unique index calendar_entry_release on calendar_entry (release)",
    // Announced releases that were deleted, so that subscribers learn of it.
    "create table calendar_gone (
        release {serial} not null primary key,
        organization text not null,
        name text not null,
        start_at bigint not null,
        end_at bigint not null,
        changes bigint not null,
        gone_at bigint not null
    )",
    "create index calendar_gone_at on calendar_gone (gone_at)",
    // What was written before: the longest class holds for all, and what they touch is found with their next change.
    "insert into calendar_entry
     select
        case when status in ('Running', 'OnHold', 'Aborting') then -1 else 13 end,
        start_at,
        id,
        case when ended = 1 and ended_at > start_at then ended_at else start_at + 3600000000 end,
        organization,
        name,
        lower(name) || labels,
        status,
        type,
        process,
        '',
        '',
        labels,
        '',
        ' ' || process || ' ',
        '',
        '',
        '',
        start_at,
        null,
        null,
        ended_at,
        0,
        created_at,
        0
     from release
     where archived = 0 and parent is null and start_at is not null",
];
