//! The file in which a program leaves its outputs.
//!
//! A line `name=value` sets one output.
//! `name<<END` begins a value of several lines, which goes up to the line `END`; any word may stand for `END`.
//! Empty lines and lines that begin with `#` mean nothing. A name that comes again replaces what it was.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Outputs by name; values are always texts.
pub(super) type Outputs = BTreeMap<String, String>;

/// Reads the file; none is no outputs. The error says what is wrong with it.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Outputs, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outputs::new()),
        Err(error) => return Err(format!("the outputs cannot be read: {error}")),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the outputs cannot be read: {error}"))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("the outputs are larger than {bytes_max} bytes"));
    }
    parse(&String::from_utf8(bytes).map_err(|_| "the outputs are not UTF-8")?)
}

fn parse(text: &str) -> Result<Outputs, String> {
    let mut outputs = Outputs::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let equals = line.find('=').unwrap_or(line.len());
        let block = line.find("<<").filter(|block| *block < equals);
        let (name, value) = match block {
            Some(block) => {
                let end = line[block + 2..].trim();
                if end.is_empty() {
                    return Err(format!(
                        "line {number} of the outputs names no end after `<<`"
                    ));
                }
                let mut value = Vec::new();
                loop {
                    match lines.next() {
                        Some((_, line)) if line == end => break,
                        Some((_, line)) => value.push(line),
                        None => {
                            return Err(format!("the output of line {number} has no end `{end}`"));
                        }
                    }
                }
                (&line[..block], value.join("\n"))
            }
            None if equals < line.len() => (&line[..equals], line[equals + 1..].to_owned()),
            None => return Err(format!("line {number} of the outputs is not `name=value`")),
        };
        if !is_name(name) {
            let expected = "letters, digits, `_` and `-`, with a letter or `_` first";
            return Err(format!(
                "line {number} of the outputs needs a name of {expected}"
            ));
        }
        outputs.insert(name.to_owned(), value);
    }
    Ok(outputs)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(pairs: &[(&str, &str)]) -> Outputs {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn lines_and_blocks_are_outputs() {
        let text = "# a comment\nurl=https://a.example/?b=c\n\nnotes<<END\nfirst\n\nsecond = 2\nEND\nempty=\nurl=later\n";
        let expected = outputs(&[
            ("url", "later"),
            ("notes", "first\n\nsecond = 2"),
            ("empty", ""),
        ]);
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(
            parse("a=1 << 2\r\nb<<E\r\nx\r\nE\r\n"),
            Ok(outputs(&[("a", "1 << 2"), ("b", "x")]))
        );
        assert_eq!(parse(""), Ok(Outputs::new()));
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_with_its_line() {
        for (text, reason) in [
            ("a=1\nnonsense\n", "line 2 "),
            ("=1\n", "line 1 "),
            ("a b=1\n", "line 1 "),
            ("1a=1\n", "line 1 "),
            ("a<<\nx\n", "line 1 "),
            ("a<<END\nx\n", "no end `END`"),
        ] {
            let error = parse(text).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_file_over_the_cap_is_refused_without_reading_it_whole() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("output");
        assert_eq!(read(&path, 10), Ok(Outputs::new()));
        std::fs::write(&path, "a=12345678").expect("written");
        assert_eq!(read(&path, 10), Ok(outputs(&[("a", "12345678")])));
        assert!(
            read(&path, 9)
                .expect_err("too large")
                .contains("larger than 9 bytes")
        );
    }
}
