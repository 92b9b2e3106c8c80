//! Finds the `${…}` parts of a text, without understanding what is inside them.
//!
//! The scanner knows just enough CEL to tell a closing brace from one inside a string,
//! a comment, a quoted field name or a nested map.

use crate::error::{Error, ErrorKind};
use crate::scope::Span;

/// One piece of a text.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// Plain text, with `$${` already read as `${`.
    Text(String),
    /// The inside of a `${…}`.
    Hole(Span),
}

/// Splits a text into plain pieces and holes, in order; neighbouring plain text is one piece.
pub(crate) fn pieces(source: &str) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while let Some(found) = source[at..].find('$') {
        let dollar = at + found;
        text.push_str(&source[at..dollar]);
        let rest = &source[dollar..];
        if rest.starts_with("$${") {
            text.push_str("${");
            at = dollar + 3;
        } else if rest.starts_with("${") {
            let end = hole_end(source, dollar)?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Hole(Span::new(dollar + 2, end)));
            at = end + 1;
        } else {
            text.push('$');
            at = dollar + 1;
        }
    }
    text.push_str(&source[at..]);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Where the brace stands that closes the `${` at `open`.
pub(crate) fn hole_end(source: &str, open: usize) -> Result<usize, Error> {
    let bytes = source.as_bytes();
    let mut at = open + 2;
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'}' if depth == 0 => return Ok(at),
            b'}' => depth -= 1,
            b'{' => depth += 1,
            b'\'' | b'"' => {
                let raw = at > 0 && is_raw_prefix(bytes, open + 2, at);
                match string_end(bytes, at, raw) {
                    Some(end) => at = end,
                    None => return Err(unclosed_string(at)),
                }
                continue;
            }
            b'`' => match bytes[at + 1..].iter().position(|&byte| byte == b'`') {
                Some(length) => at += length + 1,
                None => return Err(unclosed_string(at)),
            },
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|&byte| byte != b'\n') {
                    at += 1;
                }
                continue;
            }
            _ => (),
        }
        at += 1;
    }
    Err(Error::new(
        ErrorKind::Syntax,
        Span::new(open, open + 2),
        "`${` is never closed; write `$${` for a plain `${`",
    ))
}

/// Whether the quote at `at` is preceded by an `r` of its own, as in `r'\d'`.
fn is_raw_prefix(bytes: &[u8], start: usize, at: usize) -> bool {
    let mut prefix = at;
    while prefix > start && (bytes[prefix - 1].is_ascii_alphanumeric() || bytes[prefix - 1] == b'_')
    {
        prefix -= 1;
    }
    matches!(
        &bytes[prefix..at],
        b"r" | b"R" | b"br" | b"bR" | b"Br" | b"BR"
    )
}

/// The position after the string that opens with the quote at `at`.
fn string_end(bytes: &[u8], at: usize, raw: bool) -> Option<usize> {
    let quote = bytes[at];
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let width = if triple { 3 } else { 1 };
    let mut at = at + width;
    loop {
        match *bytes.get(at)? {
            b'\\' if !raw => at += 2,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3][..width]) => {
                return Some(at + width);
            }
            b'\n' if !triple => return None,
            _ => at += 1,
        }
    }
}

fn unclosed_string(at: usize) -> Error {
    Error::new(
        ErrorKind::Syntax,
        Span::new(at, at + 1),
        "the quote is never closed",
    )
}
