//! A sign-in that is under way, kept by the browser that began it.
//!
//! It lies in a cookie with a proof that we wrote it, so that beginning sign-ins fills no table,
//! and an answer of a provider counts only in the browser that asked for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use trainmaster_core::ids::Name;

/// Longest cookie that is read, in bytes.
const BYTES_MAX: usize = 4_096;

/// What the answer of a provider is compared with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Which provider was asked.
    pub(crate) provider: Name,
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// Proves towards the provider that the code was asked for here.
    pub(crate) verifier: String,
    /// Where the person goes afterwards.
    pub(crate) next: String,
    /// When it is too late, seconds since 1970.
    pub(crate) until: i64,
}

/// A new key from the randomness of the operating system.
pub(super) fn new_key() -> [u8; 32] {
    let mut key = [0; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut key)
        .expect("the operating system gives randomness");
    key
}

fn proof(key: &[u8; 32], body: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length fits");
    mac.update(b"sign-in under way\0");
    mac.update(body.as_bytes());
    mac
}

impl Pending {
    /// As the value of a cookie.
    pub(super) fn seal(&self, key: &[u8; 32]) -> String {
        let body = serde_json::to_vec(self).expect("a few texts can be written");
        let body = BASE64.encode(body);
        let proof = BASE64.encode(proof(key, &body).finalize().into_bytes());
        format!("{body}.{proof}")
    }

    /// From the value of a cookie, if we wrote it and it is not too late.
    pub(super) fn open(cookie: &str, key: &[u8; 32], now: Timestamp) -> Option<Pending> {
        if cookie.len() > BYTES_MAX {
            return None;
        }
        let (body, given) = cookie.split_once('.')?;
        let given = BASE64.decode(given).ok()?;
        proof(key, body).verify_slice(&given).ok()?;
        let pending: Pending = serde_json::from_slice(&BASE64.decode(body).ok()?).ok()?;
        (now.as_second() < pending.until).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_wrote_is_read_and_only_in_time() {
        let key = new_key();
        let pending = Pending {
            provider: "house".parse().expect("a name"),
            state: "s".repeat(43),
            nonce: "n".repeat(43),
            verifier: "v".repeat(43),
            next: "/releases".to_owned(),
            until: 1_000,
        };
        let at = |second| Timestamp::from_second(second).expect("a time");
        let sealed = pending.seal(&key);
        assert!(Pending::open(&sealed, &key, at(999)).as_ref() == Some(&pending));
        assert!(Pending::open(&sealed, &key, at(1_000)).is_none());
        assert!(Pending::open(&sealed, &new_key(), at(0)).is_none());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] = if changed[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(changed).expect("letters");
            let read = Pending::open(&changed, &key, at(0));
            assert!(read.is_none_or(|read| read == pending), "{position}");
        }
    }
}
