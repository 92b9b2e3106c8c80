//! Where a page ended: opaque to whoever carries it, checked when it comes back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::read::ReadError;

/// Longest cursor that is looked at, in bytes; keys are far shorter.
const LENGTH_MAX: usize = 1024;

/// Writes the key of a page's last item, marked with the list it belongs to.
pub(crate) fn write(list: &str, key: &impl Serialize) -> String {
    let text = serde_json::to_string(&(list, key)).expect("keys are numbers and texts");
    URL_SAFE_NO_PAD.encode(text)
}

/// Reads a key back; a cursor of another list is refused like any other garbage.
pub(crate) fn read<K: DeserializeOwned>(list: &str, cursor: &str) -> Result<K, ReadError> {
    let refused = || ReadError::Cursor(cursor.chars().take(80).collect());
    if cursor.len() > LENGTH_MAX {
        return Err(refused());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
    let (named, key): (String, K) = serde_json::from_slice(&bytes).map_err(|_| refused())?;
    if named == list {
        Ok(key)
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_was_written_from() {
        let cursor = write("resources", &("Process", "acme", "train"));
        let key: (String, String, String) =
            read("resources", &cursor).expect("a cursor of this list");
        assert_eq!(
            key,
            ("Process".to_owned(), "acme".to_owned(), "train".to_owned())
        );
    }

    #[test]
    fn garbage_and_cursors_of_other_lists_are_refused() {
        let foreign = write("tokens", &7);
        let cut = &foreign[..foreign.len() - 2];
        let long = "A".repeat(LENGTH_MAX + 1);
        for cursor in ["", "?", "bm9wZQ", cut, &foreign, &long] {
            let refused = read::<i64>("releases", cursor).expect_err("not a cursor of this list");
            assert!(matches!(refused, ReadError::Cursor(_)), "{cursor}");
        }
    }
}
