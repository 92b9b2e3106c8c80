//! The calendar: what overlaps a stretch of time, through every filter, in pages.

use jiff::Timestamp;
use serde_json::{Value, json};
use trainmaster_core::calendar::span::Span;
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::release::ReleaseType;
use trainmaster_core::status::ReleaseStatus;
use trainmaster_store::SqlStore;
use trainmaster_store::read::{CalendarFilter, PageRequest};

use crate::common::{Yard, note, release, removal, with};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A day of December 2026.
fn day(from: u32, to: u32) -> Span {
    let midnight = |day: u32| at(&format!("2026-12-{day:02}T00:00:00Z"));
    Span::new(midnight(from), midnight(to))
}

/// A scheduled release, from and to a time of December 2026.
fn planned(number: u64, from: &str, to: &str) -> Value {
    let time = |text: &str| format!("2026-12-{text}:00Z");
    let fields = json!({
        "startAt": time(from),
        "expectedEndAt": time(to),
        "life": {"kind": "scheduled"},
        "changes": {"count": 2, "announced": true},
    });
    with(release(number), fields)
}

/// The numbers of everything that a filter lets through, read in pages of two; now is noon of 10 December.
async fn shown(store: &SqlStore, filter: CalendarFilter, range: Span) -> Vec<u64> {
    let now = at("2026-12-10T12:00:00Z");
    let mut numbers = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let found = store
            .list_calendar(&filter, range, now, &page)
            .await
            .expect("a page");
        assert!(found.items.len() <= 2);
        numbers.extend(found.items.iter().map(|row| row.release.0));
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => return numbers,
        }
    }
}

async fn all(store: &SqlStore, range: Span) -> Vec<u64> {
    shown(store, CalendarFilter::default(), range).await
}

#[tokio::test]
async fn a_release_stands_on_each_day_that_it_overlaps_and_on_no_other() {
    let mut yard = Yard::new().await;
    let ended = json!({
        "life": {"kind": "ended", "status": "Success"},
        "startedAt": "2026-12-08T09:00:00Z",
        "endedAt": "2026-12-08T09:00:00Z",
    });
    let long = json!({"startAt": "2024-01-01T00:00:00Z", "expectedEndAt": "2026-12-09T06:00:00Z"});
    yard.releases([
        planned(1, "07T20:00", "08T00:00"),
        planned(2, "08T00:00", "08T00:30"),
        planned(3, "07T23:00", "08T00:01"),
        planned(4, "09T00:00", "09T01:00"),
        with(planned(5, "08T00:00", "09T00:00"), ended),
        with(planned(6, "08T00:00", "09T00:00"), long),
        with(release(7), json!({"life": {"kind": "scheduled"}})),
    ])
    .await;
    assert_eq!(all(&yard.store, day(8, 9)).await, [6, 3, 2, 5]);
    assert_eq!(all(&yard.store, day(7, 8)).await, [6, 1, 3]);
    assert_eq!(all(&yard.store, day(9, 10)).await, [6, 4]);
    assert_eq!(
        all(&yard.store, day(1, 31)).await.len(),
        6,
        "without a time it has no place"
    );
}

#[tokio::test]
async fn what_is_under_way_lasts_until_now_and_moves_to_its_actual_times() {
    let mut yard = Yard::new().await;
    let running = json!({"life": {"kind": "underway"}, "startedAt": "2026-12-02T10:00:00Z"});
    yard.releases([with(planned(1, "01T10:00", "01T12:00"), running)])
        .await;
    assert_eq!(
        all(&yard.store, day(10, 11)).await,
        [1],
        "overdue, it lasts until now"
    );
    assert_eq!(all(&yard.store, day(11, 12)).await, [0_u64; 0]);
    assert_eq!(
        all(&yard.store, day(1, 2)).await,
        [0_u64; 0],
        "it began later than planned"
    );
    let ended = json!({
        "life": {"kind": "ended", "status": "Failed"},
        "startedAt": "2026-12-02T10:00:00Z",
        "endedAt": "2026-12-03T10:00:00Z",
    });
    yard.releases([with(planned(1, "01T10:00", "01T12:00"), ended)])
        .await;
    assert_eq!(all(&yard.store, day(10, 11)).await, [0_u64; 0]);
    assert_eq!(all(&yard.store, day(3, 4)).await, [1]);
}

#[tokio::test]
async fn each_filter_narrows_to_what_it_names() {
    let mut yard = Yard::new().await;
    let first = json!({
        "labels": {"team": "a", "hotfix": ""}, "releaseType": "hotfix", "name": "Checkout Hotfix",
        "touches": {"services": ["cart"], "environments": ["production"]},
        "involves": {"teams": ["qa"]}, "manager": "user:ada",
    });
    let second = json!({
        "organization": "bank", "name": "Weekly",
        "process": {"kind": "Process", "organization": "bank", "name": "deploy"},
        "touches": {"services": ["cart-api"], "environments": ["staging"]},
        "involves": {"teams": ["qa", "ops"]},
    });
    let running = json!({"life": {"kind": "underway"}, "startedAt": "2026-12-08T10:00:00Z"});
    let draft = json!({"life": {"kind": "draft"}, "changes": {"count": 1}});
    yard.releases([
        with(planned(1, "08T10:00", "08T12:00"), first),
        with(planned(2, "08T10:00", "08T12:00"), second),
        with(planned(3, "08T10:00", "08T12:00"), running),
        with(planned(4, "08T10:00", "08T12:00"), draft),
    ])
    .await;
    let none = CalendarFilter::default;
    let name = |text: &str| text.parse().expect("a name");
    let words = |word: &str| vec![word.to_owned()];
    for (what, filter, numbers) in [
        (
            "service",
            CalendarFilter {
                services: words("cart"),
                ..none()
            },
            vec![1],
        ),
        (
            "environment",
            CalendarFilter {
                environments: words("staging"),
                ..none()
            },
            vec![2],
        ),
        (
            "team",
            CalendarFilter {
                teams: vec![name("qa")],
                ..none()
            },
            vec![1, 2],
        ),
        (
            "any team",
            CalendarFilter {
                teams: vec![name("ops"), name("x")],
                ..none()
            },
            vec![2],
        ),
        (
            "process",
            CalendarFilter {
                processes: vec![name("deploy")],
                ..none()
            },
            vec![2],
        ),
        (
            "status",
            CalendarFilter {
                statuses: vec![ReleaseStatus::Running],
                ..none()
            },
            vec![3],
        ),
        (
            "type",
            CalendarFilter {
                types: vec![ReleaseType::Hotfix],
                ..none()
            },
            vec![1],
        ),
        (
            "label",
            CalendarFilter {
                labels: vec![("team".into(), "a".into())],
                ..none()
            },
            vec![1],
        ),
        (
            "part of a name",
            CalendarFilter {
                search: "heck".into(),
                ..none()
            },
            vec![1],
        ),
        (
            "part of a tag",
            CalendarFilter {
                search: "otfi TEAM".into(),
                ..none()
            },
            vec![1],
        ),
        (
            "manager",
            CalendarFilter {
                manager: "user:ada".parse().ok(),
                ..none()
            },
            vec![1],
        ),
        (
            "announced",
            CalendarFilter {
                announced: true,
                ..none()
            },
            vec![1, 2, 3],
        ),
        (
            "organization",
            CalendarFilter {
                organizations: Some(vec![Some(name("bank")), None]),
                ..none()
            },
            vec![2],
        ),
        (
            "nothing",
            CalendarFilter {
                services: words("car"),
                ..none()
            },
            vec![],
        ),
    ] {
        assert_eq!(
            shown(&yard.store, filter, day(8, 9)).await,
            numbers,
            "{what}"
        );
    }
    let row = yard
        .store
        .calendar_row(ReleaseId(1))
        .await
        .expect("it reads");
    let row = row.expect("it stands in the calendar");
    assert!(row.touches.environments.contains("production"));
    assert_eq!(
        row.labels,
        [
            ("hotfix".into(), String::new()),
            ("team".into(), "a".into())
        ]
    );
    assert_eq!(row.start_at, Some(at("2026-12-08T10:00:00Z")));
}

#[tokio::test]
async fn what_is_archived_or_deleted_leaves_the_calendar_and_deletion_is_told() {
    let mut yard = Yard::new().await;
    yard.releases([
        planned(1, "08T10:00", "08T12:00"),
        planned(2, "08T10:00", "08T12:00"),
        with(
            planned(3, "08T10:00", "08T12:00"),
            json!({"changes": {"count": 1}}),
        ),
    ])
    .await;
    yard.releases([with(
        planned(2, "08T10:00", "08T12:00"),
        json!({"archived": true}),
    )])
    .await;
    let gone = [1, 3].map(|number| removal(EntityKey::Release(ReleaseId(number))));
    yard.commit(&[note(1, "user:ada", "gone")], gone.to_vec())
        .await;
    assert_eq!(all(&yard.store, day(1, 31)).await, [0_u64; 0]);
    let since = at("2026-11-01T00:00:00Z");
    let told = yard
        .store
        .calendar_gone(None, since, 10)
        .await
        .expect("it reads");
    assert_eq!(told.len(), 1, "only what others could count on is told");
    assert_eq!((told[0].release, told[0].changes), (ReleaseId(1), 3));
    assert_eq!(told[0].gone_at, at("2026-11-21T09:00:00Z"));
    let elsewhere = ["bank".parse().ok()];
    let told = yard.store.calendar_gone(Some(&elsewhere), since, 10).await;
    assert_eq!(told.expect("it reads"), []);
}

#[tokio::test]
async fn places_are_counted_without_reading_more_than_times() {
    let mut yard = Yard::new().await;
    yard.releases((1..=5).map(|number| planned(number, "08T10:00", "08T12:00")))
        .await;
    let filter = CalendarFilter::default();
    let now = at("2026-12-10T12:00:00Z");
    let places = yard.store.calendar_places(&filter, day(8, 9), now).await;
    assert_eq!(places.expect("it reads").len(), 5);
    let few = yard.store.calendar_rows(&filter, day(8, 9), now, 3).await;
    assert_eq!(few.expect("it reads").len(), 3);
}
