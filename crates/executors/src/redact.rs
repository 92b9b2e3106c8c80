//! Keeps the values of secrets out of what is written (reliability.md, S11).
//!
//! A value is found as it stands and in the forms in which programs print it: Base64 at each of its three offsets,
//! percent-encoded, hexadecimal, escaped for JSON, quoted for a shell, and each line of a value with several lines.
//! In a stream it is found across the borders of what was read.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands where a secret stood.
const MASK: &[u8] = b"***";

/// Shorter pieces of a secret (a line of it, an encoded form) are too common in other text to be taken out.
const PIECE_BYTES_MIN: usize = 4;

/// Finds the values of some secrets.
#[derive(Clone)]
pub(crate) struct Redactor {
    /// What is looked for, longest first.
    patterns: Arc<[Vec<u8>]>,
    /// Which bytes a pattern may start with.
    starts: Arc<[bool; 256]>,
}

impl Default for Redactor {
    fn default() -> Self {
        Redactor::new([])
    }
}

/// What stands at a place of the text.
enum Found {
    Secret(usize),
    Beginning,
    Nothing,
}

impl Redactor {
    /// Looks for these values in every form.
    pub(crate) fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut patterns: Vec<Vec<u8>> = values.into_iter().flat_map(forms).collect();
        patterns.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
        patterns.dedup();
        let mut starts = [false; 256];
        for pattern in &patterns {
            starts[usize::from(pattern[0])] = true;
        }
        Redactor {
            patterns: patterns.into(),
            starts: Arc::new(starts),
        }
    }

    /// A text without secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.patterns.is_empty() {
            return text.to_owned();
        }
        let mut kept = Vec::with_capacity(text.len());
        let mut stream = Stream::new(self.clone());
        stream.push(text.as_bytes(), &mut kept);
        stream.finish(&mut kept);
        String::from_utf8_lossy(&kept).into_owned()
    }

    fn look(&self, text: &[u8]) -> Found {
        if !self.starts[usize::from(text[0])] {
            return Found::Nothing;
        }
        for pattern in self.patterns.iter() {
            if text.starts_with(pattern) {
                return Found::Secret(pattern.len());
            }
            // A longer form that may still come whole is waited for before a shorter one is taken.
            if pattern.starts_with(text) {
                return Found::Beginning;
            }
        }
        Found::Nothing
    }
}

/// Redacts a stream piece by piece; holds back what may be the beginning of a secret.
pub(crate) struct Stream {
    redactor: Redactor,
    held: Vec<u8>,
}

impl Stream {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Stream {
            redactor,
            held: Vec::new(),
        }
    }

    /// Takes in a piece and appends what is certain.
    pub(crate) fn push(&mut self, piece: &[u8], kept: &mut Vec<u8>) {
        if self.redactor.patterns.is_empty() {
            kept.extend_from_slice(piece);
            return;
        }
        self.held.extend_from_slice(piece);
        let mut at = 0;
        while at < self.held.len() {
            match self.redactor.look(&self.held[at..]) {
                Found::Secret(length) => {
                    kept.extend_from_slice(MASK);
                    at += length;
                }
                Found::Beginning => break,
                Found::Nothing => {
                    kept.push(self.held[at]);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
    }

    /// Appends the rest once nothing more comes.
    pub(crate) fn finish(&mut self, kept: &mut Vec<u8>) {
        while !self.held.is_empty() {
            let whole = self
                .redactor
                .patterns
                .iter()
                .find(|pattern| self.held.starts_with(pattern));
            match whole.map(Vec::len) {
                Some(length) => {
                    kept.extend_from_slice(MASK);
                    self.held.drain(..length);
                }
                None => kept.push(self.held.remove(0)),
            }
        }
    }
}

/// Every form of a value that is looked for.
fn forms(value: &str) -> Vec<Vec<u8>> {
    if value.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![value.as_bytes().to_vec()];
    let mut piece = |form: Vec<u8>| {
        if form.len() >= PIECE_BYTES_MIN {
            forms.push(form);
        }
    };
    piece(value.trim().as_bytes().to_vec());
    for line in value.lines() {
        piece(line.trim().as_bytes().to_vec());
    }
    let bytes = value.as_bytes();
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        piece(engine.encode(bytes).into_bytes());
        for offset in 0..3 {
            piece(base64_core(engine, bytes, offset));
        }
    }
    for hex in [hex_lower(bytes), hex_lower(bytes).to_uppercase()] {
        piece(hex.into_bytes());
    }
    for encoded in percent_forms(bytes) {
        piece(encoded.into_bytes());
    }
    let json = serde_json::Value::from(value).to_string();
    piece(json.as_bytes()[1..json.len() - 1].to_vec());
    piece(value.replace('\'', r"'\''").into_bytes());
    forms
}

/// The characters of a Base64 text that depend on nothing but the value, when it starts `offset` bytes into a group.
fn base64_core(engine: &base64::engine::GeneralPurpose, value: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(value);
    let encoded = engine.encode(&padded).into_bytes();
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    encoded.get(first..last).unwrap_or_default().to_vec()
}

fn hex_lower(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-encoded as addresses and as forms do it, with either case of the digits.
fn percent_forms(bytes: &[u8]) -> Vec<String> {
    let encode = |plain: fn(u8) -> bool, blank: &str, upper: bool| -> String {
        bytes
            .iter()
            .map(|&byte| match byte {
                b' ' => blank.to_owned(),
                _ if byte.is_ascii_alphanumeric() || plain(byte) => char::from(byte).to_string(),
                _ if upper => format!("%{byte:02X}"),
                _ => format!("%{byte:02x}"),
            })
            .collect()
    };
    let strict: fn(u8) -> bool = |byte| b"-_.~".contains(&byte);
    // What browsers and the address parser leave alone in a path or query.
    let loose: fn(u8) -> bool = |byte| b"-_.~!$&'()*+,;=:@/?|^[]{}`\\".contains(&byte);
    let path: fn(u8) -> bool = |byte| b"-_.~!$&'()*+,;=:@/|[]^\\%".contains(&byte);
    let mut forms = Vec::new();
    for upper in [true, false] {
        forms.push(encode(strict, "%20", upper));
        forms.push(encode(strict, "+", upper));
        forms.push(encode(loose, "%20", upper));
        forms.push(encode(path, "%20", upper));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "c4nary p@ss/\"word'+=end";

    #[test]
    fn a_secret_is_found_in_every_form_programs_print() {
        let redactor = Redactor::new([CANARY]);
        let standard = base64::engine::general_purpose::STANDARD;
        let printed = [
            CANARY.to_owned(),
            standard.encode(CANARY),
            standard.encode(format!("user:{CANARY}")),
            standard.encode(format!("u:{CANARY}")),
            standard.encode(format!("us:{CANARY}!")),
            hex_lower(CANARY.as_bytes()),
            hex_lower(CANARY.as_bytes()).to_uppercase(),
            serde_json::Value::from(CANARY).to_string(),
            CANARY.replace('\'', r"'\''"),
            "c4nary%20p%40ss%2F%22word%27%2B%3Dend".to_owned(),
            "c4nary+p%40ss%2f%22word%27%2b%3dend".to_owned(),
            "c4nary%20p@ss/%22word'+=end".to_owned(),
        ];
        for form in printed {
            let text = format!("before {form} after");
            let kept = redactor.redact(&text);
            assert!(kept.contains("***"), "{text} -> {kept}");
            assert!(!kept.contains("nary"), "{text} -> {kept}");
            assert!(
                kept.starts_with("before ") && kept.ends_with(" after"),
                "{kept}"
            );
        }
    }

    #[test]
    fn a_secret_is_found_wherever_the_stream_is_cut() {
        let redactor = Redactor::new(["abcabcd", "abcab"]);
        let text = b"xxabcabcabcdyyabcabzzabca";
        let whole = redactor.redact(std::str::from_utf8(text).expect("text"));
        assert_eq!(whole, "xx***cabcdyy***zzabca");
        for first in 0..text.len() {
            for second in first..text.len() {
                let mut stream = Stream::new(redactor.clone());
                let mut kept = Vec::new();
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    stream.push(piece, &mut kept);
                }
                stream.finish(&mut kept);
                assert_eq!(
                    String::from_utf8_lossy(&kept),
                    whole,
                    "cut at {first} and {second}"
                );
            }
        }
    }

    #[test]
    fn each_line_of_a_key_is_a_secret_of_its_own() {
        let redactor = Redactor::new([
            "-----BEGIN KEY-----\nMIIBVgIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n",
        ]);
        assert_eq!(redactor.redact("got MIIBVgIBADANBg here"), "got *** here");
        assert_eq!(redactor.redact("and kqhkiG9w0BAQ"), "and ***");
    }

    #[test]
    fn without_secrets_nothing_changes() {
        assert_eq!(Redactor::default().redact("a *** b"), "a *** b");
        assert_eq!(Redactor::new([""]).redact("a b"), "a b");
    }
}
