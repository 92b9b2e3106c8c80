//! What leaves the server by itself, and the secrets that go with it: mail server, keys, the way to a value.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use trainmaster_core::ids::Name;
use trainmaster_executors::outlets::MailServer;
use trainmaster_executors::secrets::{Secret, SecretError, Secrets};
use trainmaster_server::vault::{KEY_BYTES, Vault};
use trainmaster_store::SqlStore;

use super::key;
use crate::config::Config;
use crate::failure::Failure;

/// Where the password of the mail server may stand instead of a file.
const SMTP_PASSWORD: &str = "TRAINMASTER_SMTP_PASSWORD";

/// Gives executors and channels the secrets that the server keeps.
pub(super) struct Kept(pub(super) Arc<Vault>);

#[async_trait]
impl Secrets for Kept {
    async fn secret(&self, organization: Option<&Name>, name: &str) -> Result<Secret, SecretError> {
        match self.0.read(organization, name).await {
            Ok(Some(value)) => Ok(Secret::new(value)),
            Ok(None) => Err(SecretError::Missing),
            Err(error) => Err(SecretError::Unavailable(error.to_string())),
        }
    }
}

/// Opens the vault: the key is made at the first start, unless the configuration names one.
pub(super) async fn vault(config: &Config, store: &Arc<SqlStore>) -> Result<Arc<Vault>, Failure> {
    let keys = &config.secret_keys;
    let newest = match &keys.newest {
        Some(path) => read_key(path)?,
        None => key::read_or_make(&config.data_dir.join("secrets.key"))?,
    };
    let older = keys
        .older
        .iter()
        .map(|path| read_key(path))
        .collect::<Result<Vec<_>, _>>()?;
    let vault = Vault::new(store.clone(), &newest, &older).map_err(Failure::error)?;
    vault.tidy().await.map_err(|error| {
        Failure::error(format!("the secrets of this server cannot be opened: {error}")).hint(
            "give the key that sealed them with `--secret-key-file`, or with `--old-secret-key-file` beside a new one",
        )
    })?;
    Ok(Arc::new(vault))
}

fn read_key(path: &Path) -> Result<Vec<u8>, Failure> {
    let key = fs::read(path).with_context(|| format!("the key `{}`", path.display()))?;
    if key.len() != KEY_BYTES {
        return Err(Failure::error(format!(
            "the key `{}` has {} bytes instead of {KEY_BYTES}",
            path.display(),
            key.len()
        ))
        .hint(format!(
            "`head -c {KEY_BYTES} /dev/urandom > FILE` makes one"
        )));
    }
    Ok(key)
}

/// The mail server, if the configuration names one.
pub(super) fn mail(config: &Config) -> Result<Option<MailServer>, Failure> {
    let mail = &config.mail;
    let Some(url) = &mail.url else {
        return Ok(None);
    };
    let from = mail.from.as_deref().ok_or_else(|| {
        Failure::usage("a mail server needs a sender").hint("give it with `--smtp-from`")
    })?;
    let password = match &mail.password_file {
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("the password in `{}`", path.display()))?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => std::env::var(SMTP_PASSWORD).ok(),
    };
    MailServer::new(url, password.as_deref(), from)
        .map(Some)
        .map_err(|error| Failure::usage(format!("--smtp-url: {error}")))
}
