//! API tokens: `tm_`, 256 random bits, a checksum (reliability.md, S5).
//!
//! The checksum lets a mistyped token, and most guesses, be refused without asking the database.
//! Only the digest of a token is kept; the token itself is shown once.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

const PREFIX: &str = "tm_";
const RANDOM_BYTES: usize = 32;
/// 62⁴³ is the first power that is not smaller than 2²⁵⁶.
const RANDOM_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token as its holder knows it; never printed by `Debug`, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new token from the randomness of the operating system.
    pub fn generate() -> Result<Token, NoRandomness> {
        let mut random = [0; RANDOM_BYTES];
        OsRng
            .try_fill_bytes(&mut random)
            .map_err(|_| NoRandomness)?;
        Ok(Token::from_random(random))
    }

    /// The token that these bits make.
    pub fn from_random(random: [u8; RANDOM_BYTES]) -> Token {
        let mut text = PREFIX.to_owned();
        text.push_str(&digits(&random, RANDOM_DIGITS));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Token(text)
    }

    /// Reads a token, if prefix, length, letters and checksum are right.
    pub fn parse(text: &str) -> Option<Token> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let length = PREFIX.len() + RANDOM_DIGITS + CHECKSUM_DIGITS;
        if !plain || text.len() != length || !text.starts_with(PREFIX) {
            return None;
        }
        let (body, given) = text.split_at(length - CHECKSUM_DIGITS);
        (checksum(body) == given).then(|| Token(text.to_owned()))
    }

    /// SHA-256 of the token, in hexadecimal: what is stored and looked up.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// The token as text, to be shown to its holder.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(tm_…)")
    }
}

/// The operating system gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoRandomness;

fn checksum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    digits(&digest[..4], CHECKSUM_DIGITS)
}

/// A number, most significant byte first, in base 62 with a fixed count of digits.
fn digits(number: &[u8], count: usize) -> String {
    let mut number = number.to_vec();
    let mut reversed = Vec::with_capacity(count);
    for _ in 0..count {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        reversed.push(char::from(DIGITS[rest as usize]));
    }
    reversed.iter().rev().collect()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_two_are_never_the_same() {
        let one = Token::generate().expect("randomness");
        let other = Token::generate().expect("randomness");
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 52);
        assert_eq!(Token::parse(one.reveal()), Some(one.clone()));
        assert_eq!(one.digest().len(), 64);
    }

    #[test]
    fn any_mistyped_letter_is_noticed_by_the_checksum() {
        let token = Token::from_random([7; 32]);
        let text = token.reveal();
        for position in PREFIX.len()..text.len() {
            let mut mistyped = text.as_bytes().to_vec();
            mistyped[position] = if mistyped[position] == b'x' {
                b'y'
            } else {
                b'x'
            };
            let mistyped = String::from_utf8(mistyped).expect("letters");
            assert_eq!(Token::parse(&mistyped), None, "{mistyped}");
        }
        assert_eq!(Token::parse("tm_"), None);
        assert_eq!(Token::parse(&format!("{text}0")), None);
        assert_eq!(Token::parse(&text.replace("tm_", "tm-")), None);
    }

    #[test]
    fn all_bits_count() {
        let low = Token::from_random([0; 32]);
        let high = Token::from_random([0xff; 32]);
        assert!(low.reveal().starts_with(&format!("tm_{}", "0".repeat(43))));
        assert_ne!(low.reveal()[3..46], high.reveal()[3..46]);
        let mut one_bit = [0; 32];
        one_bit[31] = 1;
        assert_ne!(Token::from_random(one_bit).digest(), low.digest());
    }

    #[test]
    fn a_token_does_not_show_itself_in_debug_output() {
        let token = Token::from_random([9; 32]);
        assert!(!format!("{token:?}").contains(&token.reveal()[3..]));
    }
}
