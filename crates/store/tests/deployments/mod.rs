//! Deployments as pages ask for them, what is due, and what figures are computed from.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trainmaster_core::Event;
use trainmaster_core::entity::EntityKey;
use trainmaster_core::figures::Period;
use trainmaster_core::ids::{Name, ReleaseId};
use trainmaster_core::trace::{TraceKind, TraceSource};
use trainmaster_engine::ports::{Columns, EntityWrite, Row};
use trainmaster_store::SqlStore;
use trainmaster_store::read::{
    DeploymentFilter, Due, FiguresFilter, PageRequest, StateFilter, TooMany,
};

use crate::common::{Yard, read, release, removal, with, write_release};

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn shop() -> Vec<Option<Name>> {
    vec![Some("shop".parse().expect("a name"))]
}

/// A deployment of `service` to `environment`, on a day of November 2026.
fn deployed(release: u64, day: u32, service: &str, environment: &str, more: Value) -> Event {
    let event = json!({
        "at": format!("2026-11-{day:02}T12:00:00Z"), "by": "system", "release": release, "path": "ship/it",
        "type": "DeploymentRecorded", "attempt": 1, "organization": "shop",
        "service": service, "environment": environment,
    });
    read(with(event, more))
}

/// Three releases; the second one replaces what the first one put to production.
async fn yard() -> Yard {
    let mut yard = Yard::new().await;
    let linked = with(
        release(3),
        json!({
            "links": [{"kind": "ticket", "title": "SHOP-9", "url": "https://tickets.example/SHOP-9"}],
            "inputs": {"gitCommit": {"value": "C0FFEE99", "origin": "release"}},
        }),
    );
    yard.releases([release(1), release(2), linked]).await;
    let events = [
        deployed(
            1,
            1,
            "cart",
            "staging",
            json!({"version": "1.0", "commits": ["4f2a91bb"]}),
        ),
        deployed(
            1,
            2,
            "cart",
            "production",
            json!({"version": "1.0", "commits": ["4f2a91bb"], "image": "shop/cart:1.0", "tickets": ["SHOP-1"]}),
        ),
        deployed(
            2,
            3,
            "cart",
            "production",
            json!({"version": "1.1", "commits": ["5b1cffee"]}),
        ),
        deployed(2, 3, "checkout", "production", json!({"version": "7"})),
    ];
    yard.commit(&events, Vec::new()).await;
    yard
}

async fn state(store: &SqlStore, filter: StateFilter) -> Vec<String> {
    let mut found = Vec::new();
    let mut page = PageRequest::first(1);
    loop {
        let one = store.deployed(&filter, &page).await.expect("a page");
        found.extend(one.items.iter().map(|row| {
            let is = &row.deployment;
            let version = is.version.as_deref().unwrap_or("?");
            format!("{} {} {version}", is.environment, is.service)
        }));
        match one.next {
            Some(next) => page.cursor = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn the_newest_deployment_per_place_is_what_is_there_now_and_then() {
    let yard = yard().await;
    let production = || StateFilter {
        environment: Some("production".to_owned()),
        ..StateFilter::default()
    };
    let now = state(&yard.store, production()).await;
    assert_eq!(now, ["production cart 1.1", "production checkout 7"]);
    let then = StateFilter {
        at: Some(at("2026-11-02T18:00:00Z")),
        ..production()
    };
    assert_eq!(state(&yard.store, then).await, ["production cart 1.0"]);
    let everything = state(&yard.store, StateFilter::default()).await;
    assert_eq!(everything.len(), 3);
    let cart = StateFilter {
        service: Some("cart".to_owned()),
        organizations: Some(shop()),
        ..StateFilter::default()
    };
    let cart = state(&yard.store, cart).await;
    assert_eq!(cart, ["production cart 1.1", "staging cart 1.0"]);
    let others = StateFilter {
        organizations: Some(vec![None]),
        ..StateFilter::default()
    };
    assert!(
        state(&yard.store, others).await.is_empty(),
        "others see nothing"
    );
}

#[tokio::test]
async fn an_environment_has_a_history() {
    let yard = yard().await;
    let filter = DeploymentFilter {
        environment: Some("production".to_owned()),
        ..DeploymentFilter::default()
    };
    let first = yard
        .store
        .list_deployments(&filter, &PageRequest::first(2))
        .await
        .expect("a page");
    let next = PageRequest {
        limit: 2,
        cursor: first.next.clone(),
    };
    let second = yard
        .store
        .list_deployments(&filter, &next)
        .await
        .expect("a page");
    let versions: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|row| row.deployment.version.clone().unwrap_or_default())
        .collect();
    assert_eq!(versions, ["7", "1.1", "1.0"]);
    assert_eq!(second.next, None);
    let id = second.items[0].id;
    let one = yard.store.deployment(id).await.expect("a read");
    assert_eq!(one.as_ref(), second.items.first());
}

#[tokio::test]
async fn words_are_found_by_their_beginning_and_only_by_those_who_may_see() {
    let yard = yard().await;
    let find = async |kind, word: &str, organizations: Option<Vec<Option<Name>>>| {
        let found = yard
            .store
            .find(kind, word, organizations.as_deref())
            .await
            .expect("a read");
        found
            .iter()
            .map(|found| (found.release.0, found.source))
            .collect::<Vec<_>>()
    };
    use TraceSource::{Deployment, Input, Link};
    let commits = find(TraceKind::Commit, "4F2A", None).await;
    assert_eq!(commits, [(1, Deployment), (1, Deployment)]);
    let inputs = find(TraceKind::Commit, "c0ffee", Some(shop())).await;
    assert_eq!(inputs, [(3, Input)]);
    assert!(
        find(TraceKind::Commit, "c0ffee", Some(vec![None]))
            .await
            .is_empty()
    );
    assert_eq!(
        find(TraceKind::Image, "shop/cart", None).await,
        [(1, Deployment)]
    );
    assert!(find(TraceKind::Image, "shop/car", None).await.is_empty());
    assert_eq!(find(TraceKind::Ticket, "shop-9", None).await, [(3, Link)]);
    assert_eq!(
        find(TraceKind::Ticket, "SHOP-1", None).await,
        [(1, Deployment)]
    );
    let words = yard
        .store
        .words_of(TraceKind::Commit, &[ReleaseId(1), ReleaseId(3)])
        .await
        .expect("a read");
    assert_eq!(words[&ReleaseId(3)][0].value, "C0FFEE99");
    let heads = yard.store.heads(&[ReleaseId(3), ReleaseId(9)]).await;
    let heads = heads.expect("a read");
    assert_eq!(
        (heads.len(), heads[&ReleaseId(3)].name.as_str()),
        (1, "train 3")
    );
}

#[tokio::test]
async fn words_of_a_release_follow_its_links() {
    let mut yard = yard().await;
    yard.releases([with(release(3), json!({"links": []}))])
        .await;
    let found = yard.store.find(TraceKind::Ticket, "SHOP-9", None).await;
    assert!(found.expect("a read").is_empty());
}

#[tokio::test]
async fn what_is_deployed_stays_when_its_release_goes() {
    let mut yard = yard().await;
    let gone = [1, 2].map(|id| removal(EntityKey::Release(ReleaseId(id))));
    yard.commit(&[], gone.into()).await;
    let now = state(&yard.store, StateFilter::default()).await;
    assert_eq!(
        now,
        [
            "production cart 1.1",
            "production checkout 7",
            "staging cart 1.0"
        ]
    );
    let all = yard
        .store
        .list_deployments(&DeploymentFilter::default(), &PageRequest::first(50))
        .await
        .expect("a page");
    assert_eq!(all.items.len(), 3, "what was replaced is gone");
    let ticket = yard.store.find(TraceKind::Ticket, "SHOP-1", None).await;
    assert!(ticket.expect("a read").is_empty());
    // Once it is replaced, the next pruning takes it.
    yard.commit(&[deployed(3, 9, "cart", "staging", json!({}))], Vec::new())
        .await;
    yard.store
        .prune(at("2026-11-05T00:00:00Z"))
        .await
        .expect("it prunes");
    let all = yard
        .store
        .list_deployments(&DeploymentFilter::default(), &PageRequest::first(50))
        .await
        .expect("a page");
    assert_eq!(all.items.len(), 3);
    let commit = yard.store.find(TraceKind::Commit, "4f2a91bb", None).await;
    assert!(commit.expect("a read").is_empty());
}

#[tokio::test]
async fn old_notifications_are_pruned_and_young_ones_stay() {
    let mut yard = Yard::new().await;
    yard.releases([release(1)]).await;
    let told = |day: u32| -> Event {
        read(json!({
            "at": format!("2026-11-{day:02}T12:00:00Z"), "by": "system", "release": 1,
            "type": "OwnersNotified", "owners": ["user:ada"], "message": format!("day {day}"),
        }))
    };
    yard.commit(&[told(1), told(2), told(8)], Vec::new()).await;
    yard.store
        .prune(at("2026-11-05T00:00:00Z"))
        .await
        .expect("it prunes");
    let owners = ["user:ada".parse().expect("an owner")];
    let left = yard
        .store
        .notifications(&owners, &PageRequest::first(10))
        .await
        .expect("a page");
    let left: Vec<_> = left
        .items
        .iter()
        .map(|told| told.message.as_str())
        .collect();
    assert_eq!(left, ["day 8"]);
}

fn ended(number: u64, day: u32, more: Value) -> Value {
    let fields = json!({
        "life": {"kind": "ended", "status": "Success"},
        "startedAt": format!("2026-11-{day:02}T08:00:00Z"),
        "endedAt": format!("2026-11-{day:02}T10:00:00Z"),
    });
    with(with(release(number), fields), more)
}

#[tokio::test]
async fn what_ended_long_ago_is_due_in_the_order_of_its_end() {
    let mut yard = Yard::new().await;
    yard.releases([
        ended(1, 5, json!({})),
        ended(2, 1, json!({})),
        ended(3, 2, json!({"archived": true})),
        ended(4, 20, json!({})),
        with(
            release(5),
            json!({"life": {"kind": "underway"}, "startedAt": "2025-01-01T00:00:00Z"}),
        ),
        ended(
            6,
            1,
            json!({"parent": {"release": 2, "path": "a/b", "attempt": 1, "depth": 1}}),
        ),
    ])
    .await;
    let due = async |archived, behind: Option<Due>| {
        let found = yard
            .store
            .ended_before(at("2026-11-10T00:00:00Z"), archived, behind, 10)
            .await;
        found.expect("a read")
    };
    let open = due(false, None).await;
    let ids: Vec<u64> = open.iter().map(|due| due.release.0).collect();
    assert_eq!(
        ids,
        [2, 1],
        "what runs, what is young and children are not due"
    );
    assert_eq!(due(false, Some(open[0])).await, open[1..]);
    assert_eq!(due(true, None).await[0].release, ReleaseId(3));
}

#[tokio::test]
async fn figures_are_computed_from_what_ended_and_was_deployed() {
    let mut yard = yard().await;
    yard.releases([
        ended(1, 2, json!({})),
        ended(2, 3, json!({"releaseType": "hotfix"})),
    ])
    .await;
    let release: trainmaster_core::release::Release =
        read(ended(2, 3, json!({"releaseType": "hotfix"})));
    let approval = Columns::Activity {
        path: "a/ok".to_owned(),
        status: "Success".to_owned(),
        needs: String::new(),
        approval: Some((
            at("2026-11-03T08:00:00Z").as_microsecond(),
            at("2026-11-03T08:30:00Z").as_microsecond(),
        )),
    };
    let row = Row {
        body: json!({"path": "a/ok", "standing": {"kind": "success"}}).to_string(),
        columns: approval,
    };
    let activity = EntityWrite {
        key: EntityKey::Activity(ReleaseId(2), 0),
        row: Some(row),
    };
    yard.commit(&[], vec![write_release(&release), activity])
        .await;
    let filter = FiguresFilter {
        period: Period {
            from: at("2026-11-02T00:00:00Z"),
            to: at("2026-11-04T00:00:00Z"),
        },
        organizations: Some(shop()),
        process: None,
        group: None,
        environment: Some("production".to_owned()),
    };
    let releases = yard.store.ended_releases(&filter).await.expect("releases");
    assert_eq!(releases.len(), 2);
    assert_eq!(releases[0].started_at, Some(at("2026-11-02T08:00:00Z")));
    let deployments = yard.store.deployment_facts(&filter).await;
    let deployments = deployments.expect("deployments");
    assert_eq!(deployments.len(), 3);
    assert_eq!(
        deployments[0].seen_at,
        Some(at("2026-11-01T12:00:00Z")),
        "staging saw the commit first"
    );
    assert_eq!(
        deployments[2].seen_at, None,
        "without commits nothing was seen"
    );
    let waits: Result<_, TooMany> = yard.store.approval_waits(&filter).await;
    assert_eq!(waits.expect("waits"), [SignedDuration::from_mins(30)]);
    let other = FiguresFilter {
        process: Some("other".parse().expect("a name")),
        ..filter
    };
    assert!(
        yard.store
            .ended_releases(&other)
            .await
            .expect("none")
            .is_empty()
    );
}
