//! Which passwords are taken: length counts, composition does not, and what everybody tries first is refused.

use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The fewest characters.
pub const CHARACTERS_MIN: usize = 8;
/// From so many characters on nothing more is advised.
pub const CHARACTERS_ADVISED: usize = 15;
/// The most bytes; more would be work without a gain.
pub const BYTES_MAX: usize = 512;

/// Digits and signs round a common word that do not make it another one; more of them are a secret of their own.
const AROUND_MAX: usize = 6;

/// Passwords and the words inside of them that everybody tries first, one per line.
const COMMON: &str = include_str!("common.txt");

/// Why a password is not taken; each is a sentence for the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too few characters.
    #[error("must have at least 8 characters; 15 or more are recommended")]
    Short,
    /// More bytes than are read.
    #[error("must not be longer than 512 bytes")]
    Long,
    /// A character that no keyboard types.
    #[error("must not hold control characters such as line ends")]
    Control,
    /// One of those that are tried first, perhaps with digits or signs around it.
    #[error(
        "is one of those that are tried first; take several words that nobody expects together"
    )]
    Common,
    /// The name of the person.
    #[error("must not be the name of the user")]
    Name,
}

/// Judges a password that a person has chosen for a user.
///
/// # Errors
/// [`Weak`] says why it is not taken.
pub fn check(user: &str, password: &str) -> Result<(), Weak> {
    if password.len() > BYTES_MAX {
        return Err(Weak::Long);
    }
    if password.chars().any(char::is_control) {
        return Err(Weak::Control);
    }
    if password.chars().count() < CHARACTERS_MIN {
        return Err(Weak::Short);
    }
    let lower = password.to_lowercase();
    let word = core(&lower);
    if core(user) == word || lower == user {
        return Err(Weak::Name);
    }
    let around = lower.chars().count() - word.chars().count();
    if is_common(&lower) || (around <= AROUND_MAX && is_common(word)) || is_run(&lower) {
        return Err(Weak::Common);
    }
    Ok(())
}

/// What a person with an accepted password may want to know, if there is anything.
pub fn advice(password: &str) -> Option<&'static str> {
    let is_long = password.chars().count() >= CHARACTERS_ADVISED;
    (!is_long).then_some("15 or more characters are recommended")
}

fn is_common(text: &str) -> bool {
    static KNOWN: OnceLock<BTreeSet<&str>> = OnceLock::new();
    KNOWN
        .get_or_init(|| COMMON.lines().collect())
        .contains(text)
}

/// The word within a password: what is left without digits and signs at both ends.
fn core(text: &str) -> &str {
    text.trim_matches(|letter: char| !letter.is_alphabetic())
}

/// Whether each character follows from the one before by the same small step, as in `aaaaaaaa` and `12345678`.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text
        .chars()
        .map(|letter| i64::from(u32::from(letter)))
        .collect();
    let step = codes
        .get(1)
        .zip(codes.first())
        .map(|(one, zero)| one - zero);
    let Some(step) = step.filter(|step| (-1..=1).contains(step)) else {
        return false;
    };
    codes.windows(2).all(|pair| pair[1] - pair[0] == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_composition_does_not() {
        assert_eq!(check("ada", "short"), Err(Weak::Short));
        assert_eq!(check("ada", "seven77"), Err(Weak::Short));
        for taken in [
            "plum tree",
            "alllowercaseletters",
            "žluťoučký kůň",
            "84629175 03",
            "correct horse battery staple",
            "train 84629175 03",
        ] {
            assert_eq!(check("ada", taken), Ok(()), "{taken}");
        }
        assert_eq!(
            check("ada", &"ab cd ef ".repeat(15)),
            Ok(()),
            "135 characters"
        );
        assert_eq!(check("ada", &"ab cd ef ".repeat(60)), Err(Weak::Long));
        assert_eq!(check("ada", "plum tree\n"), Err(Weak::Control));
    }

    #[test]
    fn what_everybody_tries_first_is_refused_with_digits_around_it_too() {
        for common in [
            "password",
            "Password123!",
            "trainmaster",
            "Trainmaster2026",
            "12345678",
            "qwertyuiop",
            "aaaaaaaaaa",
            "abcdefghij",
            "987654321",
            "administrator1",
            "Summer2026!",
        ] {
            assert_eq!(check("ada", common), Err(Weak::Common), "{common}");
        }
        assert_eq!(check("ada-lovelace", "Ada-Lovelace"), Err(Weak::Name));
        assert_eq!(check("ada-lovelace", "ada-lovelace99"), Err(Weak::Name));
    }

    #[test]
    fn the_list_is_sorted_in_lower_case_and_without_doubles() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 300, "{}", lines.len());
        assert!(lines.is_sorted(), "sort it with `LC_ALL=C sort -u`");
        let known: BTreeSet<&str> = lines.iter().copied().collect();
        assert_eq!(known.len(), lines.len());
        for line in lines {
            assert_eq!(line, line.to_lowercase());
            assert!(!line.trim().is_empty());
        }
    }

    #[test]
    fn a_short_password_that_is_taken_comes_with_advice() {
        assert!(advice("plum tree").is_some());
        assert_eq!(advice("correct horse battery"), None);
    }
}
