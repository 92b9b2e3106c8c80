//! The rules of signing in: which passwords are taken, and how long somebody waits who keeps guessing
//! (reliability.md, S1, S2).
//!
//! What is pure about signing in is here; hashing, cookies and talking to identity providers are work of the edge.

mod asked;
mod judge;
pub mod password;

use jiff::{SignedDuration, Timestamp};

pub use asked::{FailedSignIn, Person, Proof, SignIn, SignInMethod};

/// A tally whose last failure is older than this starts anew.
pub const TALLY_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Failures in a row, of one account, from one source, or of one account from a source it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub failures: u32,
    /// When the last one was.
    pub last_at: Timestamp,
}

/// What failures are counted of; each waits in its own way.
///
/// Delays grow and end: whoever guesses becomes slow, and nobody can keep the rightful person out for good.
/// Where an account has signed in before, only what happens there counts,
/// so that guesses from elsewhere do not touch the person at the usual place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// One account, from places where it has not signed in before.
    Account,
    /// One address, whatever account it tries.
    Source,
    /// One account from a place where it has signed in before.
    Familiar,
}

impl Counted {
    /// Failures that cost nothing: people mistype, and many people share one address.
    fn free(self) -> u32 {
        match self {
            Counted::Account | Counted::Familiar => 5,
            Counted::Source => 10,
        }
    }

    /// The longest wait, in seconds.
    fn longest_s(self) -> i64 {
        match self {
            Counted::Familiar => 60,
            Counted::Account => 5 * 60,
            Counted::Source => 60 * 60,
        }
    }

    /// The wait after the first failure that is not free, in seconds.
    fn first_s(self) -> i64 {
        match self {
            Counted::Account | Counted::Familiar => 1,
            Counted::Source => 4,
        }
    }

    /// How long nobody is let try again after this many failures; it doubles with each.
    pub fn delay(self, failures: u32) -> SignedDuration {
        let Some(beyond) = failures
            .checked_sub(self.free())
            .filter(|beyond| *beyond > 0)
        else {
            return SignedDuration::ZERO;
        };
        let doubled = self.first_s().saturating_mul(1_i64 << (beyond - 1).min(20));
        SignedDuration::from_secs(doubled.min(self.longest_s()))
    }
}

impl Tally {
    /// What is left of a tally: none once it is old enough to be forgotten.
    pub fn still(self, now: Timestamp) -> Option<Tally> {
        let age = now.duration_since(self.last_at);
        (age < TALLY_KEPT).then_some(self)
    }

    /// The tally after one more try that has not succeeded yet.
    pub fn after(before: Option<Tally>, now: Timestamp) -> Tally {
        let before = before.and_then(|tally| tally.still(now));
        Tally {
            failures: before.map_or(1, |tally| tally.failures.saturating_add(1)),
            last_at: now,
        }
    }

    /// Until when no further try is taken; in the past means now.
    ///
    /// A clock that was set back does not make the wait longer than the delay.
    pub fn until(self, counted: Counted, now: Timestamp) -> Timestamp {
        let begun = self.last_at.min(now);
        begun
            .saturating_add(counted.delay(self.failures))
            .unwrap_or(Timestamp::MAX)
    }
}

/// Whether this count of failures is written into the journal: the first ones, then ever fewer of many.
pub fn is_worth_telling(failures: u32) -> bool {
    failures <= 5 || failures.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn the_first_failures_are_free_and_then_the_wait_doubles_up_to_its_limit() {
        for counted in [Counted::Account, Counted::Source, Counted::Familiar] {
            let delays: Vec<i64> = (0..64).map(|n| counted.delay(n).as_secs()).collect();
            assert!(delays.is_sorted(), "{delays:?}");
            assert_eq!(delays[5], 0);
            assert_eq!(*delays.last().expect("some"), counted.longest_s());
        }
        assert_eq!(Counted::Account.delay(6).as_secs(), 1);
        assert_eq!(Counted::Account.delay(9).as_secs(), 8);
        assert_eq!(Counted::Source.delay(10).as_secs(), 0);
        assert_eq!(Counted::Source.delay(12).as_secs(), 8);
        assert_eq!(Counted::Source.delay(u32::MAX).as_secs(), 3_600);
    }

    #[test]
    fn a_source_may_be_kept_waiting_longer_than_an_account_and_a_familiar_place_the_shortest() {
        let longest = |counted: Counted| counted.delay(1_000);
        assert!(longest(Counted::Source) > longest(Counted::Account));
        assert!(longest(Counted::Account) > longest(Counted::Familiar));
    }

    #[test]
    fn a_tally_is_forgotten_after_a_day() {
        let begun = at("2026-11-21T12:00:00Z");
        let tally = Tally::after(None, begun);
        assert_eq!(tally.failures, 1);
        let later = begun + SignedDuration::from_hours(23);
        assert_eq!(Tally::after(Some(tally), later).failures, 2);
        let much_later = begun + SignedDuration::from_hours(24);
        assert_eq!(Tally::after(Some(tally), much_later).failures, 1);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let tally = Tally {
            failures: 30,
            last_at: at("2030-01-01T00:00:00Z"),
        };
        let now = at("2026-11-21T12:00:00Z");
        assert_eq!(
            tally.until(Counted::Account, now),
            now + SignedDuration::from_secs(300)
        );
    }

    #[test]
    fn of_many_failures_few_are_told() {
        let told = (1..=1_000_000).filter(|n| is_worth_telling(*n)).count();
        assert!(told < 30, "{told}");
    }
}
