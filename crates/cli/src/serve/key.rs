//! A secret of this installation: random, in a file that only its owner may read.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context as _, bail};
use rand::TryRngCore;
use rand::rngs::OsRng;

/// As many bytes as a signature needs.
const KEY_BYTES: usize = 32;

/// Reads the key, or makes one at the first start.
pub(crate) fn read_or_make(path: &Path) -> anyhow::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(key) if key.len() == KEY_BYTES => Ok(key),
        Ok(key) => bail!(
            "the key `{}` has {} bytes instead of {KEY_BYTES}",
            path.display(),
            key.len()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(path).with_context(|| format!("the key `{}` cannot be made", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("the key `{}`", path.display())),
    }
}

/// Writes the key beside its place first, so that a crash leaves no half of it.
fn make(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    OsRng.try_fill_bytes(&mut key)?;
    let draft = path.with_extension("draft");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("callback.key");
        let key = read_or_make(&path).expect("a key");
        assert_eq!(read_or_make(&path).expect("the key"), key);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn half_a_key_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("callback.key");
        fs::write(&path, b"short").expect("written");
        assert!(read_or_make(&path).is_err());
    }
}
