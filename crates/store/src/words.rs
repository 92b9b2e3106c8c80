//! Words that releases are found by: the same rule where they are written and where they are asked for.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use trainmaster_engine::ports::ReleaseColumns;

/// How many words of a release are kept.
const WORDS_MAX: usize = 300;

/// How long a word may be, in characters; the rest of it is not looked at.
const LENGTH_MAX: usize = 64;

/// The words of a text: what stands between blanks, and the parts of that between other signs.
///
/// `checkout-service 1.42` holds `checkout-service`, `checkout`, `service`, `1.42`, `1` and `42`.
pub(crate) fn of(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let mut words = BTreeSet::new();
    for whole in lower.split_whitespace() {
        words.insert(cut(whole.trim_matches(|sign: char| !sign.is_alphanumeric())));
        words.extend(whole.split(|sign: char| !sign.is_alphanumeric()).map(cut));
    }
    words.remove("");
    words.into_iter().take(WORDS_MAX).collect()
}

fn cut(word: &str) -> String {
    word.chars().take(LENGTH_MAX).collect()
}

/// How many words somebody can look for at once; what comes after them is not looked at.
const SOUGHT_MAX: usize = 16;

/// The words that somebody looks for: each must be the beginning of a word of the release.
pub(crate) fn sought(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let inner = |word: &str| cut(word.trim_matches(|sign: char| !sign.is_alphanumeric()));
    let words = lower.split_whitespace().map(inner);
    words
        .filter(|word| !word.is_empty())
        .take(SOUGHT_MAX)
        .collect()
}

/// A release's words in one text, each with a blank before it.
pub(crate) fn stored(search: &str) -> String {
    of(search)
        .into_iter()
        .fold(String::new(), |text, word| text + " " + &word)
}

/// The terms of a release: its words and its labels, told apart by a letter.
pub(crate) fn terms(columns: &ReleaseColumns) -> Vec<String> {
    let words = of(&columns.search).into_iter().map(|word| word_term(&word));
    let labels: BTreeSet<&str> = columns.labels.split_whitespace().collect();
    words.chain(labels.into_iter().map(label_term)).collect()
}

/// The term of a word or its beginning.
pub(crate) fn word_term(word: &str) -> String {
    format!("w:{word}")
}

/// The term of a label, written `key=value`.
pub(crate) fn label_term(label: &str) -> String {
    format!("l:{label}")
}

/// Tells whether the terms of a release may have changed.
pub(crate) fn digest(columns: &ReleaseColumns) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&columns.search, &columns.labels).hash(&mut hasher);
    columns.traces.hash(&mut hasher);
    columns.organization.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_by_their_parts() {
        let words = of("Checkout-Service 1.42 (hotfix)");
        let expected = [
            "1",
            "1.42",
            "42",
            "checkout",
            "checkout-service",
            "hotfix",
            "service",
        ];
        assert_eq!(words.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_sought_is_split_at_blanks_only() {
        assert_eq!(sought("  Check 1.42, %"), ["check", "1.42"]);
    }
}
