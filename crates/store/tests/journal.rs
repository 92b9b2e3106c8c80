//! The journal's pages, its export, and the verification that finds every change.

mod common;

use common::{Yard, note, read};
use futures::TryStreamExt as _;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use trainmaster_core::Event;
use trainmaster_core::ids::ReleaseId;
use trainmaster_engine::journal::Verifier;
use trainmaster_store::SqlStore;
use trainmaster_store::read::{JournalFilter, JournalOrder, PageRequest, Verified, VerifyError};

/// Positions of all records that a filter lets through, read in pages.
async fn listed(store: &SqlStore, filter: &JournalFilter, limit: u64) -> Vec<u64> {
    let mut positions = Vec::new();
    let mut page = PageRequest::first(limit);
    loop {
        let found = store.list_journal(filter, &page).await.expect("a page");
        positions.extend(found.items.iter().map(|record| record.position));
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => return positions,
        }
    }
}

/// An event a second after the one before, about release 1, 2 or 3, through ada or bob in turn.
fn event(number: u64) -> Event {
    let by = if number.is_multiple_of(2) {
        "user:ada"
    } else {
        "user:bob"
    };
    let start: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
    let seconds = i64::try_from(number).expect("a small number");
    let at = start + jiff::SignedDuration::from_secs(seconds);
    if number.is_multiple_of(1000) {
        let path = "build/compile";
        return read(json!({
            "at": at, "by": "system", "release": 1, "path": path, "type": "ActivityAborted",
        }));
    }
    Event {
        at,
        ..note(number % 3 + 1, by, "text")
    }
}

async fn with_events(count: u64) -> Yard {
    let mut yard = Yard::new().await;
    let events: Vec<Event> = (1..=count).map(event).collect();
    for piece in events.chunks(300) {
        yard.commit(piece, Vec::new()).await;
    }
    yard
}

#[tokio::test]
async fn records_are_found_by_filter_whether_indexed_or_new() {
    // More than the search terms may lie behind, so that pages cross the border between both.
    let yard = with_events(5000).await;
    type Holds = fn(u64) -> bool;
    let is_queued: Holds = |n| n.is_multiple_of(1000);
    let release_two: Holds = |n| n % 3 == 1 && !n.is_multiple_of(1000);
    let cases: Vec<(JournalFilter, Holds)> = vec![
        (JournalFilter::default(), |_| true),
        (
            JournalFilter {
                release: Some(ReleaseId(2)),
                ..Default::default()
            },
            release_two,
        ),
        (
            JournalFilter {
                kind: Some("ActivityAborted".to_owned()),
                ..Default::default()
            },
            is_queued,
        ),
        (
            JournalFilter {
                path: Some("build/compile".parse().expect("a path")),
                ..Default::default()
            },
            is_queued,
        ),
        (
            JournalFilter {
                by: Some("user:bob".to_owned()),
                ..Default::default()
            },
            |n| n % 2 == 1,
        ),
        (
            JournalFilter {
                release: Some(ReleaseId(2)),
                by: Some("user:bob".to_owned()),
                ..Default::default()
            },
            |n| n % 6 == 1,
        ),
        (
            JournalFilter {
                by: Some("user:eve".to_owned()),
                ..Default::default()
            },
            |_| false,
        ),
    ];
    for (filter, holds) in cases {
        let oldest: Vec<u64> = (1..=5000).filter(|number| holds(*number)).collect();
        let newest: Vec<u64> = oldest.iter().rev().copied().collect();
        assert_eq!(
            listed(&yard.store, &filter, 400).await,
            newest,
            "{filter:?}"
        );
        let filter = JournalFilter {
            order: JournalOrder::Oldest,
            ..filter
        };
        assert_eq!(
            listed(&yard.store, &filter, 400).await,
            oldest,
            "{filter:?}"
        );
    }
}

#[tokio::test]
async fn records_are_found_by_time() {
    let yard = with_events(300).await;
    let time = |seconds: i64| {
        let start: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
        Some(start + jiff::SignedDuration::from_secs(seconds))
    };
    for (from, to) in [
        (1, 301),
        (64, 65),
        (63, 129),
        (100, 100),
        (0, 1),
        (299, 1000),
        (900, 1000),
    ] {
        let filter = JournalFilter {
            from: time(from),
            to: time(to),
            ..JournalFilter::default()
        };
        let expected: Vec<u64> = (1..=300)
            .rev()
            .filter(|n| (from..to).contains(&i64::try_from(*n).expect("small")))
            .collect();
        assert_eq!(
            listed(&yard.store, &filter, 50).await,
            expected,
            "{from} to {to}"
        );
    }
}

#[tokio::test]
async fn an_export_holds_every_record_in_order() {
    let yard = with_events(4500).await;
    let mut verifier = Verifier::new();
    let mut chunks = std::pin::pin!(yard.store.export_journal(0));
    while let Some(chunk) = chunks.try_next().await.expect("a chunk") {
        chunk
            .iter()
            .for_each(|record| verifier.check_line(&record.line()).expect("it is intact"));
    }
    assert_eq!(
        (verifier.position(), verifier.hash()),
        (4500, yard.journal.hash.as_str())
    );
}

#[tokio::test]
async fn an_untouched_journal_is_intact() {
    let empty = Yard::new().await;
    let verified = empty.store.verify_journal().await.expect("it is intact");
    assert_eq!(
        verified,
        Verified {
            position: 0,
            hash: String::new()
        }
    );
    let yard = with_events(4500).await;
    let verified = yard.store.verify_journal().await.expect("it is intact");
    assert_eq!(
        verified,
        Verified {
            position: 4500,
            hash: yard.journal.hash.clone()
        }
    );
    assert_eq!(yard.store.position().await.expect("a position"), 4500);
}

#[tokio::test]
async fn every_change_behind_the_programs_back_is_found() {
    for (change, position) in [
        (
            "update journal set body = replace(body, 'user:ada', 'user:eva') where position = 2500",
            2500,
        ),
        (
            "update journal set body = body || char(10) where position = 2500",
            2500,
        ),
        (
            "update journal set hash = 'f' || substr(hash, 2) || 'f' where position = 2500",
            2500,
        ),
        (
            "update journal set previous = upper(previous) || ' ' where position = 2500",
            2500,
        ),
        ("delete from journal where position = 2500", 2500),
        ("delete from journal where position = 1", 1),
        (
            "update journal set position = -5 where position = 2500",
            2500,
        ),
        (
            "update journal set body = (
                 select group_concat(
                     case position
                         when 2500 then body
                         else position || ' ' || previous || ' ' || hash || ' ' || body
                     end,
                     char(10) order by position
                 )
                 from journal where position in (2500, 2501)
             ) where position = 2500;
             delete from journal where position = 2501",
            2500,
        ),
    ] {
        let yard = with_events(3000).await;
        let mut intruder = beside(&yard).await;
        sqlx::raw_sql(change)
            .execute(&mut intruder)
            .await
            .expect("it changes something");
        match yard.store.verify_journal().await {
            Err(VerifyError::Tampered(found)) => assert_eq!(found.position, position, "{change}"),
            other => panic!("{change}: {other:?}"),
        }
    }
}

async fn beside(yard: &Yard) -> SqliteConnection {
    let path = yard.folder.path().join("trainmaster.db");
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .expect("it connects")
}
