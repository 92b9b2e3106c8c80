//! Secrets at rest: values sealed under a key that never lies in the database (reliability.md, S10).
//!
//! Each value is sealed with XChaCha20-Poly1305 under a random nonce; place, name, version and row are bound to it,
//! so that no sealed value can stand in for another. Values leave only through [`Vault::read`], for those who use them.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use jiff::Timestamp;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use trainmaster_core::ids::{Name, SecretName};
use trainmaster_engine::ports::StoreError;
use trainmaster_store::SqlStore;
use trainmaster_store::outlets::Sealed;

use crate::token::hex;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Largest value of a secret, in bytes.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
const NONCE_BYTES: usize = 24;

/// A key with the name by which sealed values ask for it.
struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Seals and opens the values of secrets.
pub struct Vault {
    store: Arc<SqlStore>,
    newest: Key,
    older: Vec<Key>,
}

/// Why a value could not be sealed or had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key has another length.
    #[error("a key for secrets has {KEY_BYTES} bytes")]
    Key,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The value was sealed under a key that is not there.
    #[error("it was sealed under the key `{0}`, which this server does not have")]
    OtherKey(String),
    /// What is stored is not what was sealed for this place.
    #[error("the stored value is damaged, or was sealed for another secret")]
    Damaged,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("key", &self.newest.id)
            .finish_non_exhaustive()
    }
}

impl Key {
    fn new(bytes: &[u8]) -> Result<Key, VaultError> {
        let cipher = XChaCha20Poly1305::new_from_slice(bytes).map_err(|_| VaultError::Key)?;
        let mut hasher = Sha256::new();
        hasher.update(b"trainmaster key of secrets\n");
        hasher.update(bytes);
        let id = hex(&hasher.finalize())[..12].to_owned();
        Ok(Key { id, cipher })
    }
}

impl Vault {
    /// A vault that seals under one key and opens what was sealed under older ones.
    ///
    /// # Errors
    /// [`VaultError::Key`] if a key has another length.
    pub fn new(
        store: Arc<SqlStore>,
        newest: &[u8],
        older: &[Vec<u8>],
    ) -> Result<Vault, VaultError> {
        Ok(Vault {
            store,
            newest: Key::new(newest)?,
            older: older
                .iter()
                .map(|key| Key::new(key))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Forgets what a server that died had begun, and seals everything under the newest key.
    ///
    /// # Errors
    /// A value that no key opens; nothing is changed then.
    pub async fn tidy(&self) -> Result<(), VaultError> {
        self.store.drop_unused_sealed().await?;
        let mut renewed = Vec::new();
        for sealed in self.store.all_sealed().await? {
            let value = self.open(&sealed)?;
            if sealed.key_id != self.newest.id {
                renewed.push(Sealed {
                    key_id: self.newest.id.clone(),
                    body: self.lock(&aad(&sealed), value.as_bytes())?,
                    ..sealed
                });
            }
        }
        if !renewed.is_empty() {
            let count = renewed.len();
            self.store.reseal(&renewed).await?;
            tracing::info!(count, key = %self.newest.id, "secrets were sealed under the newest key");
        }
        Ok(())
    }

    /// Seals a value as the next version of a secret and puts it down; it does not count yet.
    ///
    /// # Errors
    /// The store did not take it, for example because somebody else writes the same version.
    pub async fn put_down(
        &self,
        organization: Option<&Name>,
        name: &SecretName,
        value: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Sealed, VaultError> {
        let known = self.store.sealed(organization, name.as_str()).await?;
        let mut sealed = Sealed {
            id: random_id()?,
            organization: organization.cloned(),
            name: name.to_string(),
            version: known.map_or(0, |known| known.version) + 1,
            key_id: self.newest.id.clone(),
            body: String::new(),
            at: now.as_microsecond(),
            by: by.to_owned(),
        };
        sealed.body = self.lock(&aad(&sealed), value.as_bytes())?;
        self.store.add_sealed(&sealed).await?;
        Ok(sealed)
    }

    /// The value of a secret: an organization's own, or else the account's.
    ///
    /// # Errors
    /// The value is there and cannot be opened.
    pub async fn read(
        &self,
        organization: Option<&Name>,
        name: &str,
    ) -> Result<Option<String>, VaultError> {
        if organization.is_some()
            && let Some(own) = self.store.sealed(organization, name).await?
        {
            return self.open(&own).map(Some);
        }
        match self.store.sealed(None, name).await? {
            Some(sealed) => self.open(&sealed).map(Some),
            None => Ok(None),
        }
    }

    fn lock(&self, aad: &str, value: &[u8]) -> Result<String, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| VaultError::Randomness)?;
        let payload = Payload {
            msg: value,
            aad: aad.as_bytes(),
        };
        let locked = self
            .newest
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| VaultError::Damaged)?;
        Ok(STANDARD.encode([&nonce[..], &locked[..]].concat()))
    }

    fn open(&self, sealed: &Sealed) -> Result<String, VaultError> {
        let key = [&self.newest]
            .into_iter()
            .chain(&self.older)
            .find(|key| key.id == sealed.key_id)
            .ok_or_else(|| VaultError::OtherKey(sealed.key_id.clone()))?;
        let bytes = STANDARD
            .decode(&sealed.body)
            .map_err(|_| VaultError::Damaged)?;
        let (nonce, locked) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(VaultError::Damaged)?;
        let aad = aad(sealed);
        let payload = Payload {
            msg: locked,
            aad: aad.as_bytes(),
        };
        let value = key
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| VaultError::Damaged)?;
        String::from_utf8(value).map_err(|_| VaultError::Damaged)
    }
}

/// What a sealed value is bound to.
fn aad(sealed: &Sealed) -> String {
    let organization = sealed.organization.as_ref().map_or("", Name::as_str);
    let Sealed {
        id, name, version, ..
    } = sealed;
    format!("{organization}\n{name}\n{version}\n{id}")
}

fn random_id() -> Result<String, VaultError> {
    let mut bytes = [0; 16];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| VaultError::Randomness)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainmaster_store::Options;

    const CANARY: &str = "c4n4ry-of-the-vault";

    async fn vault(folder: &std::path::Path, newest: u8, older: &[u8]) -> Vault {
        let store = SqlStore::open(Options::new(folder)).await.expect("a store");
        let older: Vec<Vec<u8>> = older.iter().map(|byte| vec![*byte; KEY_BYTES]).collect();
        Vault::new(Arc::new(store), &[newest; KEY_BYTES], &older).expect("a vault")
    }

    fn sealed(vault: &Vault, name: &str, organization: Option<&str>) -> Sealed {
        let mut sealed = Sealed {
            id: "row".to_owned(),
            organization: organization.map(|name| name.parse().expect("a name")),
            name: name.to_owned(),
            version: 1,
            key_id: vault.newest.id.clone(),
            body: String::new(),
            at: 0,
            by: "user:ada".to_owned(),
        };
        sealed.body = vault
            .lock(&aad(&sealed), CANARY.as_bytes())
            .expect("sealed");
        sealed
    }

    #[tokio::test]
    async fn a_value_opens_only_where_it_was_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = vault(folder.path(), 1, &[]).await;
        let own = sealed(&vault, "TOKEN", Some("payments"));
        assert_eq!(vault.open(&own).expect("opened"), CANARY);
        assert!(!own.body.contains(CANARY));
        let moved = [
            Sealed {
                name: "OTHER".to_owned(),
                ..own.clone()
            },
            Sealed {
                organization: None,
                ..own.clone()
            },
            Sealed {
                version: 2,
                ..own.clone()
            },
            Sealed {
                id: "other".to_owned(),
                ..own.clone()
            },
        ];
        for moved in moved {
            assert!(
                matches!(vault.open(&moved), Err(VaultError::Damaged)),
                "{moved:?}"
            );
        }
        let mut bytes = STANDARD.decode(&own.body).expect("Base64");
        *bytes.last_mut().expect("bytes") ^= 1;
        let flipped = Sealed {
            body: STANDARD.encode(bytes),
            ..own
        };
        assert!(matches!(vault.open(&flipped), Err(VaultError::Damaged)));
    }

    #[tokio::test]
    async fn another_key_says_which_one_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = vault(folder.path(), 1, &[]).await;
        let own = sealed(&first, "TOKEN", None);
        drop(first);
        let second = vault(folder.path(), 2, &[]).await;
        assert!(matches!(second.open(&own), Err(VaultError::OtherKey(id)) if id == own.key_id));
        drop(second);
        let both = vault(folder.path(), 2, &[1]).await;
        assert_eq!(both.open(&own).expect("opened"), CANARY);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert!(matches!(Key::new(b"short"), Err(VaultError::Key)));
    }
}
