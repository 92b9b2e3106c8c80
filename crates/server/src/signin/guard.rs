//! Slows guessing down: every try is counted before its password is looked at (reliability.md, S2).
//!
//! Counting first means that a thousand tries at once count as a thousand, and that a crash forgives none.
//! The counts lie in the database; how long somebody waits is a rule of [`trainmaster_core::signin`].

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use trainmaster_core::Command;
use trainmaster_core::ids::Name;
use trainmaster_core::signin::{Counted, FailedSignIn, SignInMethod, Tally, is_worth_telling};
use trainmaster_engine::Request;
use trainmaster_store::signin::TallyKey;

use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// How many tries pass between two looks at how many addresses are remembered.
const TRIM_EVERY: u32 = 1_000;
/// Failures that are written into the journal in an hour, at most.
const TOLD_MAX: u32 = 600;

/// Keeps tries apart, so that each sees the ones before it.
#[derive(Default)]
pub(crate) struct Guard {
    turn: tokio::sync::Mutex<()>,
    tries: AtomicU32,
    told: std::sync::Mutex<Told>,
}

/// What the journal was told lately.
#[derive(Default)]
struct Told {
    hour: i64,
    count: u32,
    /// Failures that were left out since the last one that was told.
    left_out: u32,
}

/// One try to sign in, counted as failed until it succeeds.
pub(crate) struct Try {
    account: Option<Name>,
    source: String,
    counts: Vec<(Counted, TallyKey, Tally)>,
}

impl App {
    /// Takes in a try with a name that was typed, or refuses it because there were too many before.
    ///
    /// Names that nobody has are counted like accounts, in a fixed number of heaps:
    /// so the answers do not tell who exists, and inventing names pushes nobody's count out.
    pub(crate) async fn begin_try(
        &self,
        typed: &str,
        account: Option<&Name>,
        source: &str,
    ) -> ApiResult<Try> {
        let guard = &self.sign_in().guard;
        let _turn = guard.turn.lock().await;
        let now = self.now();
        let store = self.store();
        let familiar = match account {
            Some(user) => {
                store
                    .is_familiar(user, source, now.as_microsecond())
                    .await?
            }
            None => false,
        };
        let keys = match account {
            Some(user) if familiar => vec![(
                Counted::Familiar,
                TallyKey::Familiar(user.clone(), source.to_owned()),
            )],
            Some(user) => vec![
                (Counted::Account, TallyKey::Account(user.clone())),
                (Counted::Source, TallyKey::Source(source.to_owned())),
            ],
            None => vec![
                (Counted::Account, TallyKey::Unknown(heap(typed))),
                (Counted::Source, TallyKey::Source(source.to_owned())),
            ],
        };
        let asked: Vec<TallyKey> = keys.iter().map(|(_, key)| key.clone()).collect();
        let before = store.tallies(&asked).await?;
        let still = |tally: &Option<Tally>| tally.and_then(|tally| tally.still(now));
        let until = keys
            .iter()
            .zip(&before)
            .filter_map(|((counted, _), tally)| {
                still(tally).map(|tally| tally.until(*counted, now))
            });
        if let Some(until) = until.max().filter(|until| *until > now) {
            return Err(wait(until, now));
        }
        let counts: Vec<(Counted, TallyKey, Tally)> = keys
            .into_iter()
            .zip(before)
            .map(|((counted, key), tally)| (counted, key, Tally::after(tally, now)))
            .collect();
        let written = counts
            .iter()
            .map(|(_, key, tally)| (key.clone(), Some(*tally)));
        store
            .write_tallies(written.collect(), now.as_microsecond())
            .await?;
        if guard.tries.fetch_add(1, Ordering::Relaxed) % TRIM_EVERY == TRIM_EVERY - 1 {
            store.trim_sources().await?;
        }
        Ok(Try {
            account: account.cloned(),
            source: source.to_owned(),
            counts,
        })
    }

    /// The try has succeeded: it counts no more, and the place is familiar from now on.
    ///
    /// Failures of the account elsewhere stay counted if this place was familiar already,
    /// so that a person who signs in every day does not clear the way for somebody who guesses.
    pub(crate) async fn end_try(&self, done: Try) -> ApiResult<()> {
        let _turn = self.sign_in().guard.turn.lock().await;
        let now = self.now().as_microsecond();
        let mut written = Vec::new();
        for (counted, key, _) in &done.counts {
            let left = match counted {
                Counted::Account | Counted::Familiar => None,
                Counted::Source => {
                    let now_there = self.store().tallies(std::slice::from_ref(key)).await?;
                    now_there.into_iter().next().flatten().and_then(one_less)
                }
            };
            written.push((key.clone(), left));
        }
        self.store().write_tallies(written, now).await?;
        if let Some(user) = &done.account {
            self.store().remember_place(user, &done.source, now).await?;
        }
        Ok(())
    }

    /// The try has failed: the security log is told, and of many failures in a row ever fewer.
    pub(crate) async fn fail_try(&self, done: &Try, method: SignInMethod, reason: &str) {
        let failures = done.counts.iter().map(|(.., tally)| tally.failures);
        let failures = failures.max().unwrap_or(1);
        let failed = FailedSignIn {
            user: done.account.clone(),
            method,
            provider: None,
            source: done.source.clone(),
            reason: reason.to_owned(),
            failures,
            left_out: 0,
        };
        self.tell_failure(failed, is_worth_telling(failures)).await;
    }

    /// Writes a failed sign-in into the journal, within bounds.
    pub(crate) async fn tell_failure(&self, mut failed: FailedSignIn, is_worth_it: bool) {
        tracing::warn!(
            source = failed.source,
            method = ?failed.method,
            reason = failed.reason,
            failures = failed.failures,
            "somebody could not sign in"
        );
        match self.sign_in().guard.may_tell(self.now(), is_worth_it) {
            None => return,
            Some(left_out) => failed.left_out = left_out,
        }
        let told = self
            .engine()
            .submit(Request::system(Command::SignInFailed(failed)))
            .await;
        if let Err(error) = told {
            tracing::warn!(%error, "a failed sign-in could not be written into the journal");
        }
    }
}

impl Guard {
    /// How many failures were left out before this one if it may be told; none if it may not.
    fn may_tell(&self, now: Timestamp, is_worth_it: bool) -> Option<u32> {
        let mut told = self
            .told
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let hour = now.as_second().div_euclid(3_600);
        if told.hour != hour {
            told.hour = hour;
            told.count = 0;
        }
        if !is_worth_it || told.count >= TOLD_MAX {
            told.left_out = told.left_out.saturating_add(1);
            return None;
        }
        told.count += 1;
        Some(std::mem::take(&mut told.left_out))
    }
}

fn one_less(tally: Tally) -> Option<Tally> {
    let failures = tally.failures.saturating_sub(1);
    (failures > 0).then_some(Tally { failures, ..tally })
}

/// Which heap a name that nobody has falls on.
fn heap(typed: &str) -> u16 {
    let digest = Sha256::digest(typed.as_bytes());
    u16::from_be_bytes([digest[0], digest[1]])
}

fn wait(until: Timestamp, now: Timestamp) -> ApiError {
    let micros = until.duration_since(now).as_micros().max(0).unsigned_abs();
    let seconds = u32::try_from(micros.div_ceil(1_000_000)).unwrap_or(u32::MAX);
    let detail = "signing in has failed too often; wait before the next try";
    ApiError::new("too-many-requests", detail).retry_after(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_told_a_bounded_number_of_failures_and_how_many_it_was_not_told() {
        let guard = Guard::default();
        let noon = Timestamp::from_second(1_795_262_400).expect("a time");
        let told = (0..10_000).filter(|_| guard.may_tell(noon, true).is_some());
        assert_eq!(told.count(), TOLD_MAX as usize);
        let later = Timestamp::from_second(1_795_262_400 + 3_600).expect("a time");
        assert_eq!(guard.may_tell(later, true), Some(10_000 - TOLD_MAX));
        assert_eq!(guard.may_tell(later, false), None);
        assert_eq!(guard.may_tell(later, true), Some(1));
    }

    #[test]
    fn invented_names_fall_on_a_fixed_number_of_heaps() {
        let heaps: std::collections::BTreeSet<u16> =
            (0..200_000).map(|n| heap(&format!("name-{n}"))).collect();
        assert!(heaps.len() <= 1 << 16 && heaps.len() > 60_000);
    }
}
