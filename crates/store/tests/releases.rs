//! Lists of releases: what filters let through, and pages that neither repeat nor leave out.

mod calendar;
mod common;
mod deployments;

use common::{Yard, release, with, write_activity};
use serde_json::{Value, json};
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::release::ReleaseType;
use trainmaster_core::status::{ReleaseStatus, Stage};
use trainmaster_engine::ports::{LogLine, LogStore as _, LogStream, Store as _};
use trainmaster_store::SqlStore;
use trainmaster_store::read::{
    Archived, Page, PageRequest, ReadError, ReleaseFilter, ReleaseOrder,
};

/// The numbers of all releases that a filter lets through, read in pages of two.
async fn listed(store: &SqlStore, filter: ReleaseFilter) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let found = store.list_releases(&filter, &page).await.expect("a page");
        assert!(found.items.len() <= 2);
        numbers.extend(found.items.iter().map(|release| release.id.0));
        match found.next {
            Some(next) => page.cursor = Some(next),
            None => return numbers,
        }
    }
}

fn ended(number: u64, status: &str) -> Value {
    with(
        release(number),
        json!({"life": {"kind": "ended", "status": status}}),
    )
}

fn running(number: u64) -> Value {
    with(release(number), json!({"life": {"kind": "underway"}}))
}

#[tokio::test]
async fn the_newest_release_comes_first_and_pages_do_not_shift_when_others_arrive() {
    let mut yard = Yard::new().await;
    yard.releases((1..=5).map(release)).await;
    let filter = ReleaseFilter::default();
    let first = yard
        .store
        .list_releases(&filter, &PageRequest::first(2))
        .await
        .expect("a page");
    yard.releases((6..=7).map(release)).await;
    let cursor = first.next.clone();
    assert!(cursor.is_some());
    let next = PageRequest { limit: 10, cursor };
    let second = yard
        .store
        .list_releases(&filter, &next)
        .await
        .expect("a page");
    let numbers = |page: &Page<trainmaster_core::release::Release>| {
        page.items
            .iter()
            .map(|release| release.id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (numbers(&first), numbers(&second)),
        (vec![5, 4], vec![3, 2, 1])
    );
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn a_page_that_ends_with_the_list_has_no_next_one() {
    let mut yard = Yard::new().await;
    let (filter, page) = (ReleaseFilter::default(), PageRequest::first(2));
    let nothing = yard
        .store
        .list_releases(&filter, &page)
        .await
        .expect("a page");
    assert_eq!(
        nothing,
        Page {
            items: vec![],
            next: None
        }
    );
    yard.releases((1..=2).map(release)).await;
    let all = yard
        .store
        .list_releases(&filter, &page)
        .await
        .expect("a page");
    assert_eq!((all.items.len(), all.next), (2, None));
}

#[tokio::test]
async fn filters_hold_together_and_one_by_one() {
    let mut yard = Yard::new().await;
    let hotfix = json!({"releaseType": "hotfix", "labels": {"team": "a", "tier": "1"}});
    let elsewhere = json!({"organization": "bank", "labels": {"team": "a"}});
    let account = json!({"process": {"kind": "Process", "name": "common"}});
    let mut without_organization = with(ended(6, "Failed"), account);
    without_organization
        .as_object_mut()
        .expect("an object")
        .remove("organization");
    let child = json!({"parent": {"release": 2, "path": "build/part", "attempt": 1, "depth": 1}});
    yard.releases([
        release(1),
        running(2),
        with(running(3), hotfix),
        ended(4, "Success"),
        with(ended(5, "Failed"), elsewhere),
        without_organization,
        with(running(7), child),
        with(ended(8, "Success"), json!({"archived": true})),
    ])
    .await;
    let shop = || Some("shop".parse().expect("a name"));
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let all = ReleaseFilter::default;
    let cases: Vec<(ReleaseFilter, Vec<u64>)> = vec![
        (all(), vec![6, 5, 4, 3, 2, 1]),
        (
            ReleaseFilter {
                children: true,
                ..all()
            },
            vec![7, 6, 5, 4, 3, 2, 1],
        ),
        (
            ReleaseFilter {
                parent: Some(ReleaseId(2)),
                ..all()
            },
            vec![7],
        ),
        (
            ReleaseFilter {
                archived: Archived::Only,
                ..all()
            },
            vec![8],
        ),
        (
            ReleaseFilter {
                archived: Archived::Both,
                ..all()
            },
            vec![8, 6, 5, 4, 3, 2, 1],
        ),
        (
            ReleaseFilter {
                organizations: Some(vec![shop()]),
                ..all()
            },
            vec![4, 3, 2, 1],
        ),
        (
            ReleaseFilter {
                organizations: Some(vec![shop(), None]),
                ..all()
            },
            vec![6, 4, 3, 2, 1],
        ),
        (
            ReleaseFilter {
                organizations: Some(vec![]),
                ..all()
            },
            vec![],
        ),
        (
            ReleaseFilter {
                statuses: vec![ReleaseStatus::Running],
                ..all()
            },
            vec![3, 2],
        ),
        (
            ReleaseFilter {
                statuses: vec![ReleaseStatus::Draft, ReleaseStatus::Failed],
                ..all()
            },
            vec![6, 5, 1],
        ),
        (
            ReleaseFilter {
                stages: vec![Stage::Completed],
                ..all()
            },
            vec![6, 5, 4],
        ),
        (
            ReleaseFilter {
                stages: vec![Stage::Completed],
                statuses: vec![ReleaseStatus::Running, ReleaseStatus::Success],
                ..all()
            },
            vec![4],
        ),
        (
            ReleaseFilter {
                stages: vec![Stage::Draft],
                statuses: vec![ReleaseStatus::Running],
                ..all()
            },
            vec![],
        ),
        (
            ReleaseFilter {
                types: vec![ReleaseType::Hotfix],
                ..all()
            },
            vec![3],
        ),
        (
            ReleaseFilter {
                process: Some("common".parse().expect("a name")),
                ..all()
            },
            vec![6],
        ),
        (
            ReleaseFilter {
                labels: vec![label("team", "a")],
                ..all()
            },
            vec![5, 3],
        ),
        (
            ReleaseFilter {
                labels: vec![label("team", "a"), label("tier", "1")],
                ..all()
            },
            vec![3],
        ),
        (
            ReleaseFilter {
                labels: vec![label("te", "a")],
                ..all()
            },
            vec![],
        ),
        (
            ReleaseFilter {
                labels: vec![label("team", "a")],
                statuses: vec![ReleaseStatus::Running],
                organizations: Some(vec![shop()]),
                ..all()
            },
            vec![3],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            listed(&yard.store, filter.clone()).await,
            expected,
            "{filter:?}"
        );
    }
}

#[tokio::test]
async fn releases_are_found_by_the_beginnings_of_their_words() {
    let mut yard = Yard::new().await;
    let named = |number, name: &str| with(release(number), json!({"name": name}));
    yard.releases([
        named(1, "Checkout-Service 1.42"),
        named(2, "checkout payments"),
        named(3, "100% über_alles"),
    ])
    .await;
    for (search, expected) in [
        ("checkout", vec![2, 1]),
        ("CHECK serv", vec![1]),
        ("checkout-service", vec![1]),
        ("1.42", vec![1]),
        ("42", vec![1]),
        ("eckout", vec![]),
        ("pay check", vec![2]),
        ("Über", vec![3]),
        ("über_alles", vec![3]),
        ("ü_er", vec![]),
        ("100%", vec![3]),
        ("%", vec![3, 2, 1]),
        ("' or 1=1 --", vec![]),
    ] {
        let filter = ReleaseFilter {
            search: search.to_owned(),
            ..ReleaseFilter::default()
        };
        assert_eq!(listed(&yard.store, filter).await, expected, "{search}");
    }
    yard.releases([named(2, "refunds")]).await;
    let filter = |search: &str| ReleaseFilter {
        search: search.to_owned(),
        ..Default::default()
    };
    assert_eq!(listed(&yard.store, filter("checkout")).await, [1]);
    assert_eq!(listed(&yard.store, filter("refund")).await, [2]);
}

#[tokio::test]
async fn a_viewer_of_very_many_organizations_gets_a_page_too() {
    let mut yard = Yard::new().await;
    yard.releases((1..=3).map(release)).await;
    let names = (1..=700).map(|number| Some(format!("org-{number}").parse().expect("a name")));
    let mut names: Vec<_> = names.collect();
    let filter = |organizations| ReleaseFilter {
        organizations,
        ..ReleaseFilter::default()
    };
    let elsewhere = filter(Some(names.clone()));
    assert_eq!(listed(&yard.store, elsewhere).await, Vec::<u64>::new());
    names.push(Some("shop".parse().expect("a name")));
    assert_eq!(listed(&yard.store, filter(Some(names))).await, [3, 2, 1]);
    let search = "train ".repeat(2000);
    let filter = ReleaseFilter {
        search,
        ..ReleaseFilter::default()
    };
    assert_eq!(listed(&yard.store, filter).await, [3, 2, 1]);
}

#[tokio::test]
async fn a_frequent_word_is_found_like_a_rare_one() {
    let mut yard = Yard::new().await;
    yard.releases((1..=1500).map(release)).await;
    let filter = |search: &str| ReleaseFilter {
        search: search.to_owned(),
        ..Default::default()
    };
    let page = PageRequest::first(3);
    let frequent = yard
        .store
        .list_releases(&filter("train"), &page)
        .await
        .expect("a page");
    let numbers: Vec<u64> = frequent.items.iter().map(|release| release.id.0).collect();
    assert_eq!(numbers, [1500, 1499, 1498]);
    assert_eq!(listed(&yard.store, filter("train 777")).await, [777]);
}

#[tokio::test]
async fn by_start_the_earliest_comes_first_and_drafts_stand_where_they_were_made() {
    let mut yard = Yard::new().await;
    let starting = |number, at: &str| with(release(number), json!({"startAt": at}));
    yard.releases([
        starting(1, "2026-11-25T09:00:00Z"),
        starting(2, "2026-11-23T09:00:00Z"),
        starting(3, "2026-11-23T09:00:00Z"),
        release(4),
        starting(5, "2026-11-24T09:00:00Z"),
    ])
    .await;
    let by_start = || ReleaseFilter {
        order: ReleaseOrder::Start,
        ..ReleaseFilter::default()
    };
    assert_eq!(listed(&yard.store, by_start()).await, [4, 2, 3, 5, 1]);
    let from = Some("2026-11-23T09:00:00Z".parse().expect("a time"));
    let to = Some("2026-11-25T09:00:00Z".parse().expect("a time"));
    let week = ReleaseFilter {
        from,
        to,
        ..by_start()
    };
    assert_eq!(listed(&yard.store, week).await, [2, 3, 5]);
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let mut yard = Yard::new().await;
    yard.releases((1..=3).map(release)).await;
    let newest = ReleaseFilter::default();
    let by_start = ReleaseFilter {
        order: ReleaseOrder::Start,
        ..ReleaseFilter::default()
    };
    let first = yard
        .store
        .list_releases(&newest, &PageRequest::first(1))
        .await
        .expect("a page");
    for (filter, cursor) in [
        (&by_start, first.next.as_deref()),
        (&newest, Some("garbage")),
    ] {
        let page = PageRequest {
            limit: 1,
            cursor: cursor.map(str::to_owned),
        };
        let refused = yard
            .store
            .list_releases(filter, &page)
            .await
            .expect_err("no page");
        assert!(matches!(refused, ReadError::Cursor(_)), "{refused}");
    }
}

#[tokio::test]
async fn releases_are_counted_by_status() {
    let mut yard = Yard::new().await;
    let bank = json!({"organization": "bank"});
    yard.releases([
        release(1),
        running(2),
        with(running(3), bank),
        ended(4, "Success"),
    ])
    .await;
    let all = yard.store.count_releases(None).await.expect("counts");
    let expected = [
        (ReleaseStatus::Draft, 1),
        (ReleaseStatus::Running, 2),
        (ReleaseStatus::Success, 1),
    ];
    assert_eq!(all, expected.into());
    let bank = [Some("bank".parse().expect("a name"))];
    let counts = yard
        .store
        .count_releases(Some(&bank))
        .await
        .expect("counts");
    assert_eq!(counts, [(ReleaseStatus::Running, 1)].into());
}

#[tokio::test]
async fn a_release_comes_with_its_children_and_activities() {
    let mut yard = Yard::new().await;
    let child = json!({"parent": {"release": 1, "path": "build/part", "attempt": 1, "depth": 1}});
    yard.releases([
        ended(1, "Success"),
        with(running(2), child.clone()),
        with(running(3), child),
    ])
    .await;
    yard.commit(
        &[],
        vec![write_activity(1, 0, &[]), write_activity(1, 1, &[])],
    )
    .await;
    let rows = yard
        .store
        .release_rows(ReleaseId(1))
        .await
        .expect("rows")
        .expect("a release");
    let children: Vec<u64> = rows.children.iter().map(|child| child.id.0).collect();
    assert_eq!(children, [2, 3]);
    let activities = rows
        .entities
        .iter()
        .filter(|row| matches!(row, Entity::Activity { .. }));
    assert_eq!(activities.count(), 2);
    assert!(
        yard.store
            .release_rows(ReleaseId(9))
            .await
            .expect("rows")
            .is_none()
    );
}

#[tokio::test]
async fn a_deleted_release_takes_everything_of_its_own_along() {
    let mut yard = Yard::new().await;
    let told = json!({
        "at": "2026-11-21T09:00:00Z", "by": "system", "release": 1,
        "type": "OwnersNotified", "owners": ["user:ada"], "message": "look at it",
    });
    yard.releases([release(1), release(2)]).await;
    let ada = ["user:ada".parse().expect("an owner")];
    yard.commit(
        &[common::read(told)],
        vec![write_activity(1, 0, &["user:ada"])],
    )
    .await;
    let attempt = trainmaster_core::ids::AttemptId {
        release: ReleaseId(1),
        path: "build/step-0".parse().expect("a path"),
        number: 1,
    };
    let line = LogLine {
        at: 1,
        stream: LogStream::Stdout,
        text: "hello".to_owned(),
    };
    yard.store
        .append(&attempt, vec![line])
        .await
        .expect("it appends");
    assert_eq!(
        yard.store
            .inbox(&ada, None, &PageRequest::first(9))
            .await
            .expect("a page")
            .items
            .len(),
        1
    );

    yard.commit(&[], vec![common::removal(EntityKey::Release(ReleaseId(1)))])
        .await;
    assert_eq!(listed(&yard.store, ReleaseFilter::default()).await, [2]);
    assert_eq!(
        yard.store.load_release(ReleaseId(1)).await.expect("rows"),
        []
    );
    assert_eq!(
        yard.store
            .inbox(&ada, None, &PageRequest::first(9))
            .await
            .expect("a page")
            .items,
        []
    );
    let told = yard
        .store
        .notifications(&ada, &PageRequest::first(9))
        .await
        .expect("a page");
    assert_eq!(told.items, []);
    assert_eq!(yard.store.read(&attempt, 0, 9).await.expect("lines"), []);
    let filter = ReleaseFilter {
        search: "train".to_owned(),
        ..ReleaseFilter::default()
    };
    assert_eq!(listed(&yard.store, filter).await, [2]);
}
