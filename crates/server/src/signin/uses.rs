//! When tokens were last used: exact in memory, at most once a minute in the database, never in the journal
//! (reliability.md, S5).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use trainmaster_core::ids::TokenId;
use trainmaster_store::signin::TokenUse;

use crate::error::ApiResult;
use crate::state::App;

/// A token's use is written again after so long.
const WRITTEN_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Tokens whose last use is remembered; the ones that were unused for the longest time go first.
const KEPT_MAX: usize = 20_000;

/// When tokens were last used.
#[derive(Default)]
pub(crate) struct Uses {
    known: Mutex<BTreeMap<TokenId, Known>>,
    writing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Known {
    at: Timestamp,
    source: String,
    written: Option<Timestamp>,
}

impl Uses {
    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<TokenId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a use; true if something is due to be written.
    fn note(&self, token: TokenId, source: &str, now: Timestamp) -> bool {
        let mut known = self.known();
        let entry = known.entry(token).or_insert_with(|| Known {
            at: now,
            source: String::new(),
            written: None,
        });
        entry.at = now;
        if entry.source != source {
            source.clone_into(&mut entry.source);
        }
        let is_due = entry.is_due(now);
        if known.len() > KEPT_MAX {
            let oldest = known.iter().min_by_key(|(_, known)| known.at);
            let oldest = oldest.map(|(token, _)| *token);
            oldest.map(|token| known.remove(&token));
        }
        is_due
    }

    /// Everything that is due, marked as written.
    fn take_due(&self, now: Timestamp) -> Vec<TokenUse> {
        let mut due = Vec::new();
        for (token, known) in self.known().iter_mut() {
            if known.is_due(now) {
                known.written = Some(known.at);
                due.push(TokenUse {
                    token: *token,
                    at: known.at.as_microsecond(),
                    source: known.source.clone(),
                });
            }
        }
        due
    }
}

impl Known {
    fn is_due(&self, now: Timestamp) -> bool {
        self.written
            .is_none_or(|written| now.duration_since(written) >= WRITTEN_EVERY)
            && self.written != Some(self.at)
    }
}

impl App {
    /// Notes that a token was used; what is due is written in the background, one transaction at a time.
    pub(crate) fn note_use(&self, token: TokenId, source: &str) {
        let now = self.now();
        if !self.sign_in().uses.note(token, source, now) {
            return;
        }
        let app = self.clone();
        tokio::spawn(async move {
            let uses = &app.sign_in().uses;
            let Ok(_turn) = uses.writing.try_lock() else {
                return;
            };
            let due = uses.take_due(now);
            if due.is_empty() {
                return;
            }
            if let Err(error) = app.store().write_token_uses(due).await {
                tracing::warn!(%error, "when tokens were used could not be written");
            }
        });
    }

    /// When and from where tokens were last used.
    pub(crate) async fn uses_of(
        &self,
        tokens: &[TokenId],
    ) -> ApiResult<BTreeMap<TokenId, (Timestamp, String)>> {
        let mut found = BTreeMap::new();
        for stored in self.store().token_uses(tokens).await? {
            if let Ok(at) = Timestamp::from_microsecond(stored.at) {
                found.insert(stored.token, (at, stored.source));
            }
        }
        let known = self.sign_in().uses.known();
        for token in tokens {
            if let Some(newer) = known.get(token) {
                found.insert(*token, (newer.at, newer.source.clone()));
            }
        }
        Ok(found)
    }

    /// When a token was last used, as far as anybody knows.
    pub(crate) async fn last_use(&self, token: TokenId) -> ApiResult<Option<Timestamp>> {
        if let Some(known) = self.sign_in().uses.known().get(&token) {
            return Ok(Some(known.at));
        }
        let stored = self.uses_of(&[token]).await?;
        Ok(stored.get(&token).map(|(at, _)| *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_400 + second).expect("a time")
    }

    #[test]
    fn a_token_is_written_at_most_once_a_minute() {
        let uses = Uses::default();
        let token = TokenId(7);
        let mut written = 0;
        for second in 0..600 {
            if uses.note(token, "198.51.100.7", at(second)) {
                written += uses.take_due(at(second)).len();
            }
        }
        assert_eq!(written, 10);
        assert_eq!(uses.known()[&token].at, at(599));
    }
}
