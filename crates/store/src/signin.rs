//! What signing in needs beside the world: password hashes, failures that are counted, when a token was last used.
//!
//! None of it is in the journal: hashes must not be, and the rest would only make it long.
//! A password changes together with the journal all the same, since the user's row names the hash that holds.

use sqlx::Row as _;
use trainmaster_core::ids::{Name, TokenId};
use trainmaster_core::signin::{TALLY_KEPT, Tally};
use trainmaster_engine::ports::StoreError;

use crate::SqlStore;
use crate::commit::big;
use crate::error::Sorted;
use crate::script::{Cell, Conflict, Script, Table};

/// How many tallies are kept that belong to addresses; those that wait longest for another failure go first.
const SOURCES_MAX: i64 = 100_000;
/// How many stale rows one change removes at most, so that its work stays bounded.
const REMOVED_MAX: i64 = 100;
/// How many familiar places are remembered of one account.
const PLACES_MAX: i64 = 20;
/// How long a familiar place is remembered, in microseconds: ninety days.
const PLACE_KEPT_MICROS: i64 = 90 * 24 * 60 * 60 * 1_000_000;

/// The start of the keys of tallies that belong to addresses.
const SOURCES: &str = "source:";
/// The first text behind all of them.
const BEHIND_SOURCES: &str = "source;";

const CREDENTIAL: Table = Table {
    name: "credential",
    columns: &["id", "user_name", "phc", "at"],
    key: 1,
    conflict: Conflict::Refuse,
};
const TALLY: Table = Table {
    name: "sign_in_tally",
    columns: &["key", "failures", "last_at"],
    key: 1,
    conflict: Conflict::Replace,
};
const PLACE: Table = Table {
    name: "sign_in_place",
    columns: &["user_name", "source", "at"],
    key: 2,
    conflict: Conflict::Replace,
};
const USE: Table = Table {
    name: "token_use",
    columns: &["token", "at", "source"],
    key: 1,
    conflict: Conflict::Replace,
};

/// What failures are counted of, as the key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TallyKey {
    /// An account that exists.
    Account(Name),
    /// A name that no account has, as one of a fixed number of heaps: invented names fill no table.
    Unknown(u16),
    /// An address.
    Source(String),
    /// An account at an address where it has signed in before.
    Familiar(Name, String),
}

impl TallyKey {
    fn text(&self) -> String {
        match self {
            TallyKey::Account(user) => format!("account:{user}"),
            TallyKey::Unknown(heap) => format!("unknown:{heap}"),
            TallyKey::Source(source) => format!("{SOURCES}{source}"),
            TallyKey::Familiar(user, source) => format!("familiar:{user}@{source}"),
        }
    }
}

/// A password hash with the random id by which the user's row names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: Name,
    /// The hash as a PHC string.
    pub phc: String,
    /// When it was made, microseconds since 1970.
    pub at: i64,
}

/// When and from where a token was last used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUse {
    /// Which token.
    pub token: TokenId,
    /// When, microseconds since 1970.
    pub at: i64,
    /// From which address; empty if that is not known.
    pub source: String,
}

impl SqlStore {
    /// The hash under an id.
    pub async fn credential(&self, id: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("select phc from credential where id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .sorted()
    }

    /// Puts a hash beside those that are there; it holds once the user's row names it.
    pub async fn add_credential(&self, credential: Credential) -> Result<(), StoreError> {
        let mut script = Script::default();
        let row = vec![
            Cell::from(credential.id),
            Cell::from(credential.user.as_str()),
            Cell::from(credential.phc),
            Cell::from(credential.at),
        ];
        script.write(&CREDENTIAL, vec![row]);
        self.write_beside(script).await
    }

    /// Puts a better hash of the same password in the place of one.
    pub async fn replace_hash(&self, id: &str, old: &str, new: &str) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "update credential set phc = ? where id = ? and phc = ?",
            [Cell::from(new), Cell::from(id), Cell::from(old)],
        );
        self.write_beside(script).await
    }

    /// Removes a hash that nobody's row names.
    pub async fn remove_credential(&self, id: &str) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement("delete from credential where id = ?", [Cell::from(id)]);
        self.write_beside(script).await
    }

    /// Removes every hash of a user but the one that holds.
    pub async fn keep_credential(&self, user: &Name, id: Option<&str>) -> Result<(), StoreError> {
        let mut script = Script::default();
        script.statement(
            "delete from credential where user_name = ? and id <> ?",
            [
                Cell::from(user.as_str()),
                Cell::from(id.unwrap_or_default()),
            ],
        );
        self.write_beside(script).await
    }

    /// How many hashes are stored of a user; more than one only while a password changes.
    pub async fn credentials_of(&self, user: &Name) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("select count(*) from credential where user_name = ?")
            .bind(user.as_str())
            .fetch_one(&self.readers)
            .await
            .sorted()?;
        Ok(count.unsigned_abs())
    }

    /// The tallies under keys, in their order.
    pub async fn tallies(&self, keys: &[TallyKey]) -> Result<Vec<Option<Tally>>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let row = sqlx::query("select failures, last_at from sign_in_tally where key = ?")
                .bind(key.text())
                .fetch_optional(&self.readers)
                .await
                .sorted()?;
            found.push(row.map(|row| tally(&row)).transpose()?);
        }
        Ok(found)
    }

    /// Writes tallies; those that hold nothing are removed, and with them some that are forgotten by now.
    pub async fn write_tallies(
        &self,
        tallies: Vec<(TallyKey, Option<Tally>)>,
        now_micros: i64,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        let mut rows = Vec::new();
        for (key, tally) in tallies {
            match tally {
                Some(tally) => rows.push(vec![
                    Cell::from(key.text()),
                    Cell::from(i64::from(tally.failures)),
                    Cell::from(tally.last_at.as_microsecond()),
                ]),
                None => script.statement(
                    "delete from sign_in_tally where key = ?",
                    [Cell::from(key.text())],
                ),
            }
        }
        script.write(&TALLY, rows);
        let stale =
            now_micros.saturating_sub(i64::try_from(TALLY_KEPT.as_micros()).unwrap_or(i64::MAX));
        script.statement(
            "delete from sign_in_tally where key in (
                 select key from sign_in_tally where last_at < ? order by last_at limit ?)",
            [Cell::from(stale), Cell::from(REMOVED_MAX)],
        );
        self.write_beside(script).await
    }

    /// Removes tallies of addresses beyond the limit, those with the fewest failures first.
    ///
    /// Tallies of accounts and of names are bounded by their number and are never removed for others.
    pub async fn trim_sources(&self) -> Result<(), StoreError> {
        let count: i64 =
            sqlx::query_scalar("select count(*) from sign_in_tally where key >= ? and key < ?")
                .bind(SOURCES)
                .bind(BEHIND_SOURCES)
                .fetch_one(&self.readers)
                .await
                .sorted()?;
        let beyond = count - SOURCES_MAX;
        if beyond <= 0 {
            return Ok(());
        }
        let mut script = Script::default();
        script.statement(
            "delete from sign_in_tally where key in (
                 select key from sign_in_tally where key >= ? and key < ? order by failures, last_at limit ?)",
            [Cell::from(SOURCES), Cell::from(BEHIND_SOURCES), Cell::from(beyond)],
        );
        self.write_beside(script).await
    }

    /// Whether an account has signed in from an address not too long ago.
    pub async fn is_familiar(
        &self,
        user: &Name,
        source: &str,
        now_micros: i64,
    ) -> Result<bool, StoreError> {
        let at: Option<i64> =
            sqlx::query_scalar("select at from sign_in_place where user_name = ? and source = ?")
                .bind(user.as_str())
                .bind(source)
                .fetch_optional(&self.readers)
                .await
                .sorted()?;
        Ok(at.is_some_and(|at| now_micros.saturating_sub(at) < PLACE_KEPT_MICROS))
    }

    /// Remembers that an account has signed in from an address; of many places the latest are kept.
    pub async fn remember_place(
        &self,
        user: &Name,
        source: &str,
        now_micros: i64,
    ) -> Result<(), StoreError> {
        let mut script = Script::default();
        let row = vec![
            Cell::from(user.as_str()),
            Cell::from(source),
            Cell::from(now_micros),
        ];
        script.write(&PLACE, vec![row]);
        script.statement(
            "delete from sign_in_place where user_name = ? and source not in (
                 select source from sign_in_place where user_name = ? order by at desc limit ?)",
            [
                Cell::from(user.as_str()),
                Cell::from(user.as_str()),
                Cell::from(PLACES_MAX),
            ],
        );
        self.write_beside(script).await
    }

    /// When and from where tokens were last used; those that never were are left out.
    pub async fn token_uses(&self, tokens: &[TokenId]) -> Result<Vec<TokenUse>, StoreError> {
        let mut found = Vec::new();
        for token in tokens {
            let row = sqlx::query("select at, source from token_use where token = ?")
                .bind(big(token.0))
                .fetch_optional(&self.readers)
                .await
                .sorted()?;
            if let Some(row) = row {
                found.push(TokenUse {
                    token: *token,
                    at: row.try_get(0).sorted()?,
                    source: row.try_get(1).sorted()?,
                });
            }
        }
        Ok(found)
    }

    /// Writes when tokens were last used, and removes what belongs to tokens that are gone.
    pub async fn write_token_uses(&self, uses: Vec<TokenUse>) -> Result<(), StoreError> {
        let mut script = Script::default();
        let row = |token_use: TokenUse| {
            vec![
                Cell::from(big(token_use.token.0)),
                Cell::from(token_use.at),
                Cell::from(token_use.source),
            ]
        };
        script.write(&USE, uses.into_iter().map(row).collect());
        script.statement(
            "delete from token_use where token in (
                 select token from token_use where token not in (select id from token) limit ?)",
            [Cell::from(REMOVED_MAX)],
        );
        self.write_beside(script).await
    }
}

fn tally(row: &sqlx::sqlite::SqliteRow) -> Result<Tally, StoreError> {
    let failures: i64 = row.try_get(0).sorted()?;
    let last_at: i64 = row.try_get(1).sorted()?;
    Ok(Tally {
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        last_at: jiff::Timestamp::from_microsecond(last_at)
            .map_err(|error| StoreError::Damaged(format!("the time of a tally: {error}")))?,
    })
}
