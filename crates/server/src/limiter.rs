//! How many requests one token or one address may send: a bucket that refills (reliability.md, S20).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// More callers than this are not remembered one by one; full buckets go first.
const BUCKETS_MAX: usize = 10_000;

/// Refuses requests of a caller who comes too often.
#[derive(Debug)]
pub(crate) struct Limiter<K> {
    per_second: f64,
    burst: f64,
    buckets: Mutex<BTreeMap<K, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Ord> Limiter<K> {
    /// A limiter that allows `burst` requests at once and `per_second` in the long run.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Limiter {
            per_second: f64::from(per_second.max(1)),
            burst: f64::from(burst.max(1)),
            buckets: Mutex::default(),
        }
    }

    /// Takes one request of a caller in, or says after how many seconds the next one is taken.
    pub(crate) fn take(&self, caller: K, now: Instant) -> Result<(), u32> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&caller) {
            buckets.retain(|_, bucket| self.left(*bucket, now) < self.burst);
        }
        let bucket = buckets.entry(caller).or_insert(Bucket {
            left: self.burst,
            at: now,
        });
        let left = self.left(*bucket, now);
        if left < 1.0 {
            let wait = ((1.0 - left) / self.per_second).ceil();
            return Err((wait as u32).max(1));
        }
        *bucket = Bucket {
            left: left - 1.0,
            at: now,
        };
        Ok(())
    }

    fn left(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trainmaster_core::ids::TokenId;

    use super::*;

    #[test]
    fn a_token_that_comes_too_often_waits_and_others_do_not() {
        let limiter = Limiter::new(2, 3);
        let now = Instant::now();
        let (noisy, quiet) = (TokenId(1), TokenId(2));
        for _ in 0..3 {
            assert_eq!(limiter.take(noisy, now), Ok(()));
        }
        assert_eq!(limiter.take(noisy, now), Err(1));
        assert_eq!(limiter.take(quiet, now), Ok(()));
        let later = now + Duration::from_millis(500);
        assert_eq!(limiter.take(noisy, later), Ok(()));
        assert_eq!(limiter.take(noisy, later), Err(1));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let limiter = Limiter::new(1_000, 2);
        let now = Instant::now();
        let later = now + Duration::from_secs(3_600);
        assert_eq!(limiter.take(TokenId(1), now), Ok(()));
        assert_eq!(limiter.take(TokenId(1), later), Ok(()));
        assert_eq!(limiter.take(TokenId(1), later), Ok(()));
        assert!(limiter.take(TokenId(1), later).is_err());
    }
}
