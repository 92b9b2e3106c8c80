//! What people find: their inbox, what they were told, definitions, tokens.

mod common;
#[path = "people/signin.rs"]
mod signin;

use std::collections::BTreeMap;

use common::{Yard, read, release, with, write_activity};
use serde_json::json;
use trainmaster_core::entity::{EntityKey, Resource, Revision};
use trainmaster_core::ids::{Name, Owner, ReleaseId, ResourceKey, ResourceKind, TokenId};
use trainmaster_engine::ports::{Columns, EntityWrite, Row};
use trainmaster_store::read::{PageRequest, ReadError, ResourceFilter};

fn owners(texts: &[&str]) -> Vec<Owner> {
    texts
        .iter()
        .map(|text| text.parse().expect("an owner"))
        .collect()
}

async fn inbox(
    yard: &Yard,
    owned: &[&str],
    organizations: Option<&[Option<Name>]>,
) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let items = yard
            .store
            .inbox(&owners(owned), organizations, &page)
            .await
            .expect("a page");
        found.extend(
            items
                .items
                .iter()
                .map(|item| (item.release.id.0, item.position)),
        );
        match items.next {
            Some(next) => page.cursor = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn the_inbox_holds_what_needs_one_of_my_owners() {
    let mut yard = Yard::new().await;
    yard.releases([
        release(1),
        with(release(2), json!({"organization": "bank"})),
    ])
    .await;
    let activities = vec![
        write_activity(1, 0, &["user:ada"]),
        write_activity(1, 1, &[]),
        write_activity(1, 2, &["team:qa", "user:bob"]),
        write_activity(1, 3, &["user:adam"]),
        write_activity(2, 0, &["role:operator", "user:ada"]),
    ];
    yard.commit(&[], activities).await;
    assert_eq!(inbox(&yard, &["user:ada"], None).await, [(1, 0), (2, 0)]);
    assert_eq!(inbox(&yard, &["user:eve", "team:qa"], None).await, [(1, 2)]);
    assert_eq!(
        inbox(&yard, &["user:ada", "team:qa"], None).await,
        [(1, 0), (1, 2), (2, 0)]
    );
    let bank = [Some("bank".parse().expect("a name"))];
    assert_eq!(inbox(&yard, &["user:ada"], Some(&bank)).await, [(2, 0)]);
    assert_eq!(inbox(&yard, &[], None).await, []);
    yard.commit(&[], vec![write_activity(1, 0, &[])]).await;
    assert_eq!(inbox(&yard, &["user:ada"], None).await, [(2, 0)]);
}

#[tokio::test]
async fn people_find_what_they_were_told_newest_first_and_once() {
    let mut yard = Yard::new().await;
    let told = |owners: &[&str], message: &str| {
        read(json!({
            "at": "2026-11-21T09:00:00Z", "by": "system", "release": 7, "path": "build/ask",
            "type": "OwnersNotified", "owners": owners, "message": message,
        }))
    };
    let events = [
        told(&["user:ada", "team:qa"], "first"),
        told(&["user:bob"], "second"),
        told(&["team:qa"], "third"),
        told(&["user:ada"], "fourth"),
    ];
    yard.commit(&events, Vec::new()).await;
    let ada = owners(&["user:ada", "team:qa", "role:viewer"]);
    let first = yard
        .store
        .notifications(&ada, &PageRequest::first(2))
        .await
        .expect("a page");
    let messages: Vec<&str> = first
        .items
        .iter()
        .map(|told| told.message.as_str())
        .collect();
    assert_eq!(messages, ["fourth", "third"]);
    let rest = PageRequest {
        limit: 2,
        cursor: first.next,
    };
    let rest = yard.store.notifications(&ada, &rest).await.expect("a page");
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let oldest = &rest.items[0];
    assert_eq!((oldest.position, oldest.message.as_str()), (1, "first"));
    assert_eq!(oldest.owners, ["team:qa", "user:ada"]);
    assert_eq!(
        (oldest.release, oldest.path.as_deref()),
        (Some(ReleaseId(7)), Some("build/ask"))
    );
    assert_eq!(oldest.at, "2026-11-21T09:00:00Z".parse().expect("a time"));
    let teams = (1..=700).map(|number| format!("team:team-{number}"));
    let many: Vec<String> = teams.chain(["user:bob".to_owned()]).collect();
    let many = owners(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let found = yard
        .store
        .notifications(&many, &PageRequest::first(2))
        .await
        .expect("a page");
    assert_eq!(found.items.len(), 1);
    let found = yard
        .store
        .inbox(&many, None, &PageRequest::first(2))
        .await
        .expect("a page");
    assert_eq!(found.items, []);
    let nobody = yard
        .store
        .notifications(&[], &PageRequest::first(2))
        .await
        .expect("a page");
    assert_eq!(nobody.items, []);
}

fn key(organization: Option<&str>, name: &str) -> ResourceKey {
    ResourceKey {
        kind: ResourceKind::Process,
        organization: organization.map(|name| name.parse().expect("a name")),
        name: name.parse().expect("a name"),
    }
}

fn definition(key: &ResourceKey, revision: u32, team: &str, deleted: bool) -> Vec<EntityWrite> {
    let at = "2026-11-21T09:00:00Z".parse().expect("a time");
    let labels: BTreeMap<String, String> = [("team".to_owned(), team.to_owned())].into();
    let resource = Resource {
        key: key.clone(),
        revision,
        deleted,
        digest: "digest".to_owned(),
        description: String::new(),
        labels: labels.clone(),
        created_at: at,
        updated_at: at,
        updated_by: "user:ada".to_owned(),
    };
    let stored = Revision {
        key: key.clone(),
        revision,
        digest: "digest".to_owned(),
        description: String::new(),
        labels,
        spec: json!({"revision": revision}),
        at,
        by: "user:ada".to_owned(),
    };
    let body = |value: serde_json::Value| value.to_string();
    vec![
        EntityWrite {
            key: EntityKey::Resource(key.clone()),
            row: Some(Row {
                body: body(serde_json::to_value(resource).expect("a body")),
                columns: Columns::Resource { deleted, revision },
            }),
        },
        EntityWrite {
            key: EntityKey::Revision(key.clone(), revision),
            row: Some(Row {
                body: body(serde_json::to_value(stored).expect("a body")),
                columns: Columns::None,
            }),
        },
    ]
}

#[tokio::test]
async fn definitions_are_listed_by_name_without_deleted_ones() {
    let mut yard = Yard::new().await;
    let mut writes = Vec::new();
    for (organization, name, team, deleted) in [
        (Some("shop"), "b", "one", false),
        (Some("bank"), "b", "two", false),
        (None, "a", "one", false),
        (Some("shop"), "c", "one", true),
        (Some("shop"), "d", "two", false),
    ] {
        writes.extend(definition(&key(organization, name), 1, team, deleted));
    }
    yard.commit(&[], writes).await;
    let all = ResourceFilter::of(ResourceKind::Process);
    let one = ResourceFilter {
        labels: vec![("team".to_owned(), "one".to_owned())],
        ..all.clone()
    };
    let shop = Some("shop".parse().expect("a name"));
    let shop = ResourceFilter {
        organizations: Some(vec![shop]),
        ..all.clone()
    };
    let inputs = ResourceFilter::of(ResourceKind::InputSet);
    for (filter, expected) in [
        (
            all,
            vec![
                "Process/a",
                "Process/bank/b",
                "Process/shop/b",
                "Process/shop/d",
            ],
        ),
        (one, vec!["Process/a", "Process/shop/b"]),
        (shop, vec!["Process/shop/b", "Process/shop/d"]),
        (inputs, vec![]),
    ] {
        let mut found = Vec::new();
        let mut page = PageRequest::first(1);
        loop {
            let items = yard
                .store
                .list_resources(&filter, &page)
                .await
                .expect("a page");
            found.extend(items.items.iter().map(|resource| resource.key.to_string()));
            match items.next {
                Some(next) => page.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected, "{filter:?}");
    }
    let deleted = yard
        .store
        .resource(&key(Some("shop"), "c"))
        .await
        .expect("it reads");
    assert!(deleted.expect("it is kept").deleted);
    assert_eq!(
        yard.store
            .resource(&key(None, "b"))
            .await
            .expect("it reads"),
        None
    );
}

#[tokio::test]
async fn revisions_are_kept_and_listed_newest_first() {
    let mut yard = Yard::new().await;
    let train = key(Some("shop"), "train");
    for revision in 1..=3 {
        yard.commit(&[], definition(&train, revision, "one", false))
            .await;
    }
    let first = yard
        .store
        .list_revisions(&train, &PageRequest::first(2))
        .await
        .expect("a page");
    let numbers: Vec<u32> = first
        .items
        .iter()
        .map(|revision| revision.revision)
        .collect();
    assert_eq!(numbers, [3, 2]);
    let rest = PageRequest {
        limit: 2,
        cursor: first.next,
    };
    let rest = yard
        .store
        .list_revisions(&train, &rest)
        .await
        .expect("a page");
    assert_eq!(
        (rest.items[0].revision, rest.items.len(), rest.next),
        (1, 1, None)
    );
    let second = yard
        .store
        .revision(&train, 2)
        .await
        .expect("it reads")
        .expect("a revision");
    assert_eq!(second.spec, json!({"revision": 2}));
    assert_eq!(
        yard.store.revision(&train, 9).await.expect("it reads"),
        None
    );
}

#[tokio::test]
async fn tokens_are_found_by_digest_and_listed_newest_first() {
    let mut yard = Yard::new().await;
    let token = |number: u64| {
        let digest = format!("digest-{number}");
        let body = json!({
            "token": number, "digest": digest, "user": "ada", "roles": ["viewer"],
            "issuedAt": "2026-11-21T09:00:00Z", "issuedBy": "system", "description": "",
        });
        let columns = Columns::Token {
            digest,
            revoked: false,
            person: String::new(),
        };
        let row = Some(Row {
            body: body.to_string(),
            columns,
        });
        EntityWrite {
            key: EntityKey::Token(TokenId(number)),
            row,
        }
    };
    yard.commit(&[], (1..=3).map(token).collect()).await;
    let holder = yard
        .store
        .holder_by_digest("digest-2")
        .await
        .expect("it reads");
    assert_eq!(holder.expect("a holder").token, TokenId(2));
    assert_eq!(
        yard.store
            .holder_by_digest("digest-9")
            .await
            .expect("it reads"),
        None
    );
    let first = yard
        .store
        .list_tokens(&PageRequest::first(2))
        .await
        .expect("a page");
    let numbers: Vec<u64> = first.items.iter().map(|holder| holder.token.0).collect();
    assert_eq!(numbers, [3, 2]);
    let foreign = PageRequest {
        limit: 2,
        cursor: first.next.clone(),
    };
    let refused = yard
        .store
        .inbox(&owners(&["user:ada"]), None, &foreign)
        .await;
    assert!(matches!(refused, Err(ReadError::Cursor(_))), "{refused:?}");
    let rest = yard.store.list_tokens(&foreign).await.expect("a page");
    assert_eq!((rest.items[0].token, rest.next), (TokenId(1), None));
}
