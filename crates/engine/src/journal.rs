//! The journal: events in one order, chained by hashes, so that any change is found (reliability.md, 44).
//!
//! A record's hash is SHA-256 over its line without the hash; the line holds the hash before it.
//! The exported line is canonical: the verifier rebuilds it from what it read and compares byte by byte.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use trainmaster_core::Event;

/// One event with its place in the journal.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its position, from one, without gaps.
    pub position: u64,
    /// The event as it was serialized when it happened, byte for byte.
    pub body: String,
    /// Hash of the record before it; empty for the first.
    pub previous: String,
    /// Its own hash, in hexadecimal.
    pub hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    position: u64,
    previous: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
    hash: std::borrow::Cow<'a, str>,
}

/// What is wrong with a journal, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal is not intact at position {position}: {what}")]
pub struct Tampered {
    /// The first position that is not as it should be.
    pub position: u64,
    /// What is wrong there.
    pub what: String,
}

impl Record {
    /// Chains an event behind the record before it.
    pub fn chain(position: u64, previous: &str, event: &Event) -> Record {
        let body = serde_json::to_string(event).expect("events have text keys and finite numbers");
        let hash = digest(position, previous, &body);
        Record {
            position,
            body,
            previous: previous.to_owned(),
            hash,
        }
    }

    /// The event.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        serde_json::from_str(&self.body)
    }

    /// The record as one line of an export, without the line end.
    pub fn line(&self) -> String {
        line(self.position, &self.previous, &self.body, &self.hash)
    }
}

fn line(position: u64, previous: &str, body: &str, hash: &str) -> String {
    format!(r#"{{"position":{position},"previous":"{previous}","event":{body},"hash":"{hash}"}}"#)
}

fn digest(position: u64, previous: &str, body: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(position.to_le_bytes());
    hasher.update(previous.as_bytes());
    hasher.update([0]);
    hasher.update(body.as_bytes());
    hex(&hasher.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// Checks a journal record by record; keeps nothing but the newest hash.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    position: u64,
    hash: String,
}

impl Verifier {
    /// Starts before the first record.
    pub fn new() -> Self {
        Verifier::default()
    }

    /// How many records were found intact.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Hash of the newest intact record.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Checks the next record.
    pub fn check(&mut self, record: &Record) -> Result<(), Tampered> {
        let position = self.position + 1;
        let tampered = |what: &str| Tampered {
            position,
            what: what.to_owned(),
        };
        if record.position != position {
            return Err(tampered("a record is missing, doubled or out of order"));
        }
        if record.previous != self.hash {
            return Err(tampered("it does not follow the record before it"));
        }
        if digest(record.position, &record.previous, &record.body) != record.hash {
            return Err(tampered("its content does not fit its hash"));
        }
        self.position = position;
        self.hash.clone_from(&record.hash);
        Ok(())
    }

    /// Checks the next line of an export as it was read from a file, without the line end.
    pub fn check_bytes(&mut self, line: &[u8]) -> Result<(), Tampered> {
        match std::str::from_utf8(line) {
            Ok(text) => self.check_line(text),
            Err(error) => Err(Tampered {
                position: self.position + 1,
                what: format!("the line is not text: {error}"),
            }),
        }
    }

    /// Checks the next line of an export (without the line end).
    pub fn check_line(&mut self, text: &str) -> Result<(), Tampered> {
        let position = self.position + 1;
        let tampered = |what: String| Tampered { position, what };
        let parsed: Line<'_> = serde_json::from_str(text)
            .map_err(|error| tampered(format!("the line is not a record: {error}")))?;
        let body = parsed.event.get();
        if line(parsed.position, &parsed.previous, body, &parsed.hash) != text {
            return Err(tampered(
                "the line is not written as a record is".to_owned(),
            ));
        }
        self.check(&Record {
            position: parsed.position,
            body: body.to_owned(),
            previous: parsed.previous.into_owned(),
            hash: parsed.hash.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use trainmaster_core::Change;
    use trainmaster_core::ids::ReleaseId;

    use super::*;

    fn record(position: u64, previous: &str) -> Record {
        let text = format!("note {position}: \"Grüße\" \\ 🚂");
        let release = Some(ReleaseId(position % 3));
        let at = jiff::Timestamp::UNIX_EPOCH;
        let change = Change::NoteAdded { text };
        let event = Event {
            at,
            by: "user:ada".to_owned(),
            release,
            path: None,
            change,
        };
        Record::chain(position, previous, &event)
    }

    fn journal(count: u64) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        for position in 1..=count {
            let previous = records.last().map_or("", |record| record.hash.as_str());
            records.push(record(position, previous));
        }
        records
    }

    fn export(count: u64) -> Vec<Vec<u8>> {
        journal(count)
            .iter()
            .map(|record| record.line().into_bytes())
            .collect()
    }

    /// The position at which the verifier finds something; none for an intact journal.
    fn found<'a>(lines: impl IntoIterator<Item = &'a Vec<u8>>) -> Option<u64> {
        let mut verifier = Verifier::new();
        lines
            .into_iter()
            .find_map(|line| verifier.check_bytes(line).err())
            .map(|tampered| tampered.position)
    }

    #[test]
    fn an_intact_journal_is_found_intact() {
        let records = journal(20);
        let mut verifier = Verifier::new();
        for record in &records {
            verifier.check(record).expect("the record is intact");
            assert!(record.event().is_ok());
        }
        assert_eq!(
            (verifier.position(), verifier.hash()),
            (20, records[19].hash.as_str())
        );
        assert_eq!(found(&export(20)), None);
    }

    #[test]
    fn every_flipped_bit_is_found_where_it_is() {
        let mut verifier = Verifier::new();
        for (position, line) in (1..).zip(export(20)) {
            for at in 0..line.len() {
                for bit in 0..8 {
                    let mut flipped = line.clone();
                    flipped[at] ^= 1 << bit;
                    let found = verifier.clone().check_bytes(&flipped);
                    let found = found.map_err(|tampered| tampered.position);
                    assert_eq!(found, Err(position), "byte {at}, bit {bit}");
                }
            }
            verifier
                .check_bytes(&line)
                .expect("the line itself is intact");
        }
    }

    #[test]
    fn a_deleted_line_is_found() {
        for gone in 0..19 {
            let mut lines = export(20);
            lines.remove(gone);
            assert_eq!(found(&lines), Some(gone as u64 + 1));
        }
    }

    #[test]
    fn swapped_lines_are_found() {
        for first in 0..20 {
            for second in first + 1..20 {
                let mut lines = export(20);
                lines.swap(first, second);
                assert_eq!(found(&lines), Some(first as u64 + 1));
            }
        }
    }

    #[test]
    fn an_inserted_line_is_found_even_if_it_is_chained() {
        for at in 0..20_u64 {
            let records = journal(20);
            let before = at
                .checked_sub(1)
                .map_or("", |before| records[before as usize].hash.as_str());
            let forged = record(at + 1, before);
            let mut other = forged.clone();
            other.body = other.body.replace("ada", "eve");
            other = Record {
                hash: digest(other.position, &other.previous, &other.body),
                ..other
            };
            let mut lines = export(20);
            lines.insert(at as usize, other.line().into_bytes());
            // The forged line itself fits; the one behind it does not any more.
            assert_eq!(found(&lines), Some(at + 2));
        }
    }

    #[test]
    fn rewriting_the_rest_of_the_chain_changes_its_last_hash() {
        let original = journal(20);
        let mut forged = original[..9].to_vec();
        for position in 10..=20 {
            let previous = forged.last().map_or("", |record| record.hash.as_str());
            let body = original[position as usize - 1].body.replace("ada", "eve");
            let hash = digest(position, previous, &body);
            forged.push(Record {
                position,
                body,
                previous: previous.to_owned(),
                hash,
            });
        }
        let lines: Vec<Vec<u8>> = forged
            .iter()
            .map(|record| record.line().into_bytes())
            .collect();
        assert_eq!(found(&lines), None);
        assert_ne!(forged[19].hash, original[19].hash);
    }
}
