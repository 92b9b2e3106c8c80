//! Passwords as argon2id hashes, made and checked off the threads that serve others, a few at a time
//! (reliability.md, S1, fault 28).

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OnceCell, Semaphore};

use crate::error::{ApiError, ApiResult};

/// The least memory, in KiB: 19 MiB.
const MEMORY_KIB_MIN: u32 = 19 * 1024;
/// The fewest passes over it.
const PASSES_MIN: u32 = 2;
/// Passwords that wait for their turn; more are refused as `busy`.
const WAITING_MAX: usize = 64;

/// What hashing a password costs; stored hashes that cost less are made anew when their person signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB; less than 19 MiB counts as 19 MiB.
    pub memory_kib: u32,
    /// Passes over the memory; less than 2 counts as 2.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Cost {
            memory_kib: MEMORY_KIB_MIN,
            passes: PASSES_MIN,
        }
    }
}

/// Makes and checks hashes.
pub(crate) struct Hasher {
    params: Params,
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// A hash that no password has, for names that nobody has: both cost the same work.
    nobody: OnceCell<String>,
}

/// What came of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash costs less than hashes cost today.
    Outdated,
}

impl Hasher {
    /// A hasher of this cost that works on `at_once` passwords at a time.
    pub(crate) fn new(cost: Cost, at_once: usize) -> Hasher {
        let memory = cost.memory_kib.clamp(MEMORY_KIB_MIN, 1 << 20);
        let passes = cost.passes.clamp(PASSES_MIN, 64);
        Hasher {
            params: Params::new(memory, passes, 1, None).expect("the cost lies within limits"),
            places: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            nobody: OnceCell::new(),
        }
    }

    /// The hash of a new password as a PHC string.
    pub(crate) async fn hash(&self, password: String) -> ApiResult<String> {
        let params = self.params.clone();
        self.work(move || hash(&params, password.as_bytes())).await
    }

    /// Compares a password with the hash of a person, or does the same work for nobody.
    pub(crate) async fn compare(
        &self,
        password: String,
        phc: Option<String>,
    ) -> ApiResult<Compared> {
        let nobody = self
            .nobody
            .get_or_try_init(|| async {
                let params = self.params.clone();
                self.work(move || {
                    let random = uuid::Uuid::new_v4();
                    hash(&params, random.as_bytes())
                })
                .await
            })
            .await?
            .clone();
        let params = self.params.clone();
        self.work(move || {
            let is_somebody = phc.is_some();
            let compared = compare(&params, password.as_bytes(), &phc.unwrap_or(nobody))?;
            Ok(if is_somebody {
                compared
            } else {
                Compared::Wrong
            })
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> ApiResult<T> {
        let busy = |_| ApiError::new("busy", "too many people sign in at once").retry_after(2);
        let waiting = self.waiting.clone().try_acquire_owned().map_err(busy)?;
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(ApiError::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            // The places are given back when the work is over, also if nobody waits for it any more.
            let _places = (waiting, place);
            work()
        });
        done.await
            .map_err(ApiError::internal)?
            .map_err(ApiError::internal)
    }
}

fn argon(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

fn hash(params: &Params, password: &[u8]) -> Result<String, String> {
    let hash = argon(params).hash_password(password);
    hash.map(|hash| hash.to_string())
        .map_err(|error| format!("a password cannot be hashed: {error}"))
}

fn compare(params: &Params, password: &[u8], phc: &str) -> Result<Compared, String> {
    let broken = |error: &dyn std::fmt::Display| format!("a stored hash is broken: {error}");
    let stored = PasswordHash::new(phc).map_err(|error| broken(&error))?;
    match argon(params).verify_password(password, &stored) {
        Ok(()) => (),
        Err(argon2::password_hash::Error::PasswordInvalid) => return Ok(Compared::Wrong),
        Err(error) => return Err(broken(&error)),
    }
    let known = Params::try_from(&stored).map_err(|error| broken(&error))?;
    let is_less = known.m_cost() < params.m_cost()
        || known.t_cost() < params.t_cost()
        || !phc.starts_with("$argon2id$");
    Ok(if is_less {
        Compared::Outdated
    } else {
        Compared::Right
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(passes: u32) -> Hasher {
        let memory_kib = 0;
        Hasher::new(Cost { memory_kib, passes }, 2)
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_of_at_least_19_mib_and_two_passes_with_a_salt_of_its_own() {
        let hasher = hasher(0);
        let one = hasher.hash("plum tree".to_owned()).await.expect("a hash");
        let other = hasher.hash("plum tree".to_owned()).await.expect("a hash");
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_a_cheap_hash_is_outdated() {
        let cheap = hasher(2);
        let hash = cheap.hash("plum tree".to_owned()).await.expect("a hash");
        let compare = |hasher: Hasher, password: &str, phc: Option<String>| {
            let password = password.to_owned();
            async move { hasher.compare(password, phc).await.expect("compared") }
        };
        let phc = || Some(hash.clone());
        assert_eq!(
            compare(hasher(2), "plum tree", phc()).await,
            Compared::Right
        );
        assert_eq!(compare(hasher(2), "plum tre", phc()).await, Compared::Wrong);
        assert_eq!(
            compare(hasher(3), "plum tree", phc()).await,
            Compared::Outdated
        );
        assert_eq!(compare(hasher(2), "plum tree", None).await, Compared::Wrong);
    }
}
