//! Signed checkpoints: where the journal stood at a time, so that a tail cut off later is found (reliability.md, 44, S21).
//!
//! The chain of hashes finds every change inside a journal, but a journal that ends earlier is a whole journal too.
//! A checkpoint kept elsewhere says how far it had come; whoever has the public key can check it without a server.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::{Tampered, hex};

/// How many bytes make a signing key.
pub const SEED_BYTES: usize = 32;
/// How many bytes make a public key.
const PUBLIC_BYTES: usize = 32;
/// What every signed text begins with, so that a signature means nothing anywhere else.
const DOMAIN: &str = "trainmaster checkpoint v1";

/// Where the journal stood, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Position of the newest record then.
    pub position: u64,
    /// Its hash, which stands for everything before it.
    pub hash: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The public key that checks it, in hexadecimal.
    pub key: String,
    /// The Ed25519 signature, in hexadecimal.
    pub signature: String,
}

/// Signs checkpoints.
pub struct Signer {
    pair: Ed25519KeyPair,
}

/// What is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(String);

impl Signer {
    /// A signer from its secret seed.
    ///
    /// # Errors
    /// A seed that is not [`SEED_BYTES`] long.
    pub fn from_seed(seed: &[u8]) -> Result<Signer, InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| InvalidKey(format!("a signing key is {SEED_BYTES} bytes long")))?;
        Ok(Signer { pair })
    }

    /// The public key, in hexadecimal.
    pub fn public_key(&self) -> String {
        hex(self.pair.public_key().as_ref())
    }

    /// Signs where the journal stands.
    pub fn sign(&self, position: u64, hash: &str, at: Timestamp) -> Checkpoint {
        let signature = self.pair.sign(text(position, hash, at).as_bytes());
        Checkpoint {
            position,
            hash: hash.to_owned(),
            at,
            key: self.public_key(),
            signature: hex(signature.as_ref()),
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Whether the signature is that of a public key, given in hexadecimal.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Some(signature) = unhex(&self.signature) else {
            return false;
        };
        let text = text(self.position, &self.hash, self.at);
        self.key == hex(&key.0)
            && UnparsedPublicKey::new(&ED25519, &key.0)
                .verify(text.as_bytes(), &signature)
                .is_ok()
    }
}

/// A public key that checks checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl std::str::FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        unhex(text.trim())
            .filter(|bytes| bytes.len() == PUBLIC_BYTES)
            .map(PublicKey)
            .ok_or_else(|| {
                let digits = 2 * PUBLIC_BYTES;
                InvalidKey(format!("a public key is {digits} hexadecimal digits"))
            })
    }
}

fn text(position: u64, hash: &str, at: Timestamp) -> String {
    format!("{DOMAIN}\n{position}\n{hash}\n{at}\n")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok())
        .collect()
}

/// Checks a journal against checkpoints while its records go by.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    open: BTreeMap<u64, String>,
    met: usize,
}

impl Anchors {
    /// Checkpoints to be met, each with a good signature.
    ///
    /// # Errors
    /// The first one that was not signed by the key, or two that contradict each other.
    pub fn new(
        checkpoints: impl IntoIterator<Item = Checkpoint>,
        key: &PublicKey,
    ) -> Result<Anchors, Tampered> {
        let mut open: BTreeMap<u64, String> = BTreeMap::new();
        for checkpoint in checkpoints {
            let position = checkpoint.position;
            let tampered = |what: &str| Tampered {
                position,
                what: what.to_owned(),
            };
            if !checkpoint.is_signed_by(key) {
                return Err(tampered("the checkpoint was not signed by this key"));
            }
            match open.insert(position, checkpoint.hash.clone()) {
                Some(other) if other != checkpoint.hash => {
                    return Err(tampered("two checkpoints name different hashes"));
                }
                _ => (),
            }
        }
        Ok(Anchors { open, met: 0 })
    }

    /// A record went by.
    ///
    /// # Errors
    /// A checkpoint names another hash for it.
    pub fn check(&mut self, position: u64, hash: &str) -> Result<(), Tampered> {
        match self.open.remove(&position) {
            Some(expected) if expected != hash => Err(Tampered {
                position,
                what: "a checkpoint names another hash: the journal was written anew".to_owned(),
            }),
            Some(_) => {
                self.met += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The journal ended.
    ///
    /// # Errors
    /// A checkpoint names a record behind its end: the tail was cut off.
    pub fn end(&self, last: u64) -> Result<usize, Tampered> {
        match self.open.last_key_value() {
            Some((position, _)) => Err(Tampered {
                position: last + 1,
                what: format!(
                    "the journal ends here, and a checkpoint knows record {position}: its tail was cut off"
                ),
            }),
            None => Ok(self.met),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(&[seed; SEED_BYTES]).expect("a key")
    }

    fn key(signer: &Signer) -> PublicKey {
        signer.public_key().parse().expect("a public key")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_checkpoint_is_checked_with_the_public_key_only() {
        let signer = signer(7);
        let checkpoint = signer.sign(42, "ab", at(1_000));
        let written = serde_json::to_string(&checkpoint).expect("it is written");
        let read: Checkpoint = serde_json::from_str(&written).expect("it is read");
        assert!(read.is_signed_by(&key(&signer)));
        assert!(!read.is_signed_by(&key(&self::signer(8))));
    }

    #[test]
    fn whatever_is_changed_in_a_checkpoint_breaks_its_signature() {
        let signer = signer(7);
        let good = signer.sign(42, "ab", at(1_000));
        let mut other = vec![good.clone(); 4];
        other[0].position = 41;
        other[1].hash = "ac".to_owned();
        other[2].at = at(1_001);
        other[3].signature.replace_range(
            0..1,
            if good.signature.starts_with('0') {
                "1"
            } else {
                "0"
            },
        );
        for changed in other {
            assert!(!changed.is_signed_by(&key(&signer)), "{changed:?}");
        }
        for bad in ["", "zz", "0", "00"] {
            let signature = bad.to_owned();
            assert!(
                !Checkpoint {
                    signature,
                    ..good.clone()
                }
                .is_signed_by(&key(&signer))
            );
        }
    }

    #[test]
    fn a_journal_that_ends_before_a_checkpoint_has_lost_its_tail() {
        let signer = signer(7);
        let signed = [signer.sign(2, "b", at(1)), signer.sign(3, "c", at(2))];
        let anchors = || Anchors::new(signed.clone(), &key(&signer)).expect("they are good");
        let records = [(1, "a"), (2, "b"), (3, "c"), (4, "d")];
        let go = |count: usize| {
            let mut anchors = anchors();
            for (position, hash) in &records[..count] {
                anchors.check(*position, hash)?;
            }
            anchors.end(count as u64)
        };
        assert_eq!(go(4), Ok(2));
        assert_eq!(go(3), Ok(2));
        let cut = go(2).expect_err("the tail is missing");
        assert_eq!(cut.position, 3);
        assert!(cut.what.contains("record 3"), "{cut}");
        assert_eq!(
            anchors()
                .check(2, "x")
                .expect_err("another journal")
                .position,
            2
        );
    }

    #[test]
    fn checkpoints_of_another_key_are_refused() {
        let forged = signer(8).sign(2, "b", at(1));
        let refused = Anchors::new([forged], &key(&signer(7))).expect_err("not signed");
        assert!(refused.what.contains("not signed"), "{refused}");
    }
}
