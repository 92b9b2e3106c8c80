//! What signing in needs beside the world.

use jiff::Timestamp;
use serde_json::json;
use trainmaster_core::entity::EntityKey;
use trainmaster_core::ids::{Name, TokenId};
use trainmaster_core::signin::Tally;
use trainmaster_engine::ports::{Columns, EntityWrite, Row};
use trainmaster_store::signin::{Credential, TallyKey, TokenUse};

use crate::common::Yard;

const NOON: i64 = 1_795_262_400_000_000;
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn tally(failures: u32, at: i64) -> Option<Tally> {
    Some(Tally {
        failures,
        last_at: Timestamp::from_microsecond(at).expect("a time"),
    })
}

fn credential(id: &str, user: &str) -> Credential {
    Credential {
        id: id.to_owned(),
        user: name(user),
        phc: format!("$argon2id$of-{id}"),
        at: NOON,
    }
}

#[tokio::test]
async fn of_a_users_password_hashes_only_the_one_that_holds_is_kept() {
    let yard = Yard::new().await;
    let store = &yard.store;
    for (id, user) in [("a", "ada"), ("b", "ada"), ("c", "bob")] {
        let added = store.add_credential(credential(id, user)).await;
        added.expect("it is added");
    }
    assert_eq!(
        store.credentials_of(&name("ada")).await.expect("a count"),
        2
    );
    store
        .keep_credential(&name("ada"), Some("b"))
        .await
        .expect("done");
    assert_eq!(store.credential("a").await.expect("read"), None);
    let kept = store.credential("b").await.expect("read");
    assert_eq!(kept.as_deref(), Some("$argon2id$of-b"));
    store
        .replace_hash("b", "$other", "$never")
        .await
        .expect("done");
    store
        .replace_hash("b", "$argon2id$of-b", "$better")
        .await
        .expect("done");
    let yard = yard.reopen().await;
    let found = yard.store.credential("b").await.expect("read");
    assert_eq!(found.as_deref(), Some("$better"));
    assert!(yard.store.credential("c").await.expect("read").is_some());
    yard.store.remove_credential("c").await.expect("done");
    assert_eq!(yard.store.credential("c").await.expect("read"), None);
    let twice = yard.store.add_credential(credential("b", "bob")).await;
    assert!(twice.is_err(), "an id belongs to one hash");
}

#[tokio::test]
async fn tallies_survive_a_restart_and_ten_thousand_invented_names_and_are_forgotten_in_the_end() {
    let yard = Yard::new().await;
    let victim = TallyKey::Account(name("ada"));
    let source = TallyKey::Source("198.51.100.7".to_owned());
    let first = vec![
        (victim.clone(), tally(7, NOON)),
        (source.clone(), tally(3, NOON)),
    ];
    yard.store
        .write_tallies(first, NOON)
        .await
        .expect("written");
    for piece in 0..20_u16 {
        let invented = (0..500).map(|n| (TallyKey::Unknown(piece * 500 + n), tally(1, NOON)));
        yard.store
            .write_tallies(invented.collect(), NOON)
            .await
            .expect("written");
    }
    let yard = yard.reopen().await;
    let asked = [
        victim.clone(),
        source.clone(),
        TallyKey::Unknown(9_999),
        TallyKey::Account(name("bob")),
    ];
    let found = yard.store.tallies(&asked).await.expect("read");
    assert_eq!(
        found,
        [tally(7, NOON), tally(3, NOON), tally(1, NOON), None]
    );
    let cleared = vec![(source.clone(), None)];
    yard.store
        .write_tallies(cleared, NOON)
        .await
        .expect("written");
    // A day later each change removes some of what is forgotten.
    for _ in 0..110 {
        yard.store
            .write_tallies(Vec::new(), NOON + DAY + 1)
            .await
            .expect("written");
    }
    let found = yard.store.tallies(&asked).await.expect("read");
    assert_eq!(found, [None, None, None, None]);
}

#[tokio::test]
async fn a_familiar_place_is_remembered_for_ninety_days_and_of_many_the_latest_twenty() {
    let yard = Yard::new().await;
    let (store, ada) = (&yard.store, name("ada"));
    for place in 0..30 {
        let source = format!("198.51.100.{place}");
        store
            .remember_place(&ada, &source, NOON + place)
            .await
            .expect("done");
    }
    let is_familiar =
        async |source: &str, now: i64| store.is_familiar(&ada, source, now).await.expect("read");
    assert!(!is_familiar("198.51.100.9", NOON).await);
    assert!(is_familiar("198.51.100.10", NOON).await);
    assert!(is_familiar("198.51.100.29", NOON + 89 * DAY).await);
    assert!(!is_familiar("198.51.100.29", NOON + 91 * DAY).await);
    let stranger = store.is_familiar(&name("bob"), "198.51.100.29", NOON).await;
    assert!(!stranger.expect("read"));
}

#[tokio::test]
async fn when_a_token_was_used_is_kept_as_long_as_the_token() {
    let mut yard = Yard::new().await;
    let body = json!({
        "token": 3, "digest": "three", "user": "ada", "roles": [], "description": "",
        "issuedAt": "2026-11-21T12:00:00Z", "issuedBy": "system",
    });
    let row = Row {
        body: body.to_string(),
        columns: Columns::Token {
            digest: "three".to_owned(),
            revoked: false,
            person: String::new(),
        },
    };
    let token = EntityWrite {
        key: EntityKey::Token(TokenId(3)),
        row: Some(row),
    };
    yard.commit(&[], vec![token]).await;
    let used = |token: u64, at: i64| TokenUse {
        token: TokenId(token),
        at,
        source: "198.51.100.7".to_owned(),
    };
    let uses = vec![used(3, NOON), used(4, NOON)];
    yard.store.write_token_uses(uses).await.expect("written");
    yard.store
        .write_token_uses(vec![used(3, NOON + 5)])
        .await
        .expect("written");
    let asked = [TokenId(3), TokenId(4), TokenId(5)];
    let found = yard.store.token_uses(&asked).await.expect("read");
    assert_eq!(found, [used(3, NOON + 5)]);
}
