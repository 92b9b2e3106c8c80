//! Output as people may see it: whole lines of plain text, without secrets, within limits.
//!
//! Colours and other terminal commands go first, because a secret could be spelled around them.
//! Then secrets go, across whatever borders the output was read in.
//! Then come lines, and each one is looked through once more, since taking out a character can join two halves.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use trainmaster_engine::ports::{LogLine, LogStream};

use crate::redact::{Redactor, Stream};

/// What stands at the end of a line that was cut.
const CUT: &str = " … (cut)";

/// Turns the bytes of one stream into lines.
pub(super) struct Lines {
    terminal: Terminal,
    secrets: Stream,
    redactor: Redactor,
    line: Vec<u8>,
    line_bytes_max: usize,
    cut: bool,
}

impl Lines {
    pub(super) fn new(redactor: Redactor, line_bytes_max: usize) -> Self {
        Lines {
            terminal: Terminal::Text,
            secrets: Stream::new(redactor.clone()),
            redactor,
            line: Vec::new(),
            line_bytes_max,
            cut: false,
        }
    }

    /// Takes in what was read and gives the lines that are whole now.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut plain = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.terminal.step(*byte, &mut plain);
        }
        let mut kept = Vec::with_capacity(plain.len());
        self.secrets.push(&plain, &mut kept);
        self.split(&kept)
    }

    /// Gives the rest once nothing more comes.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let mut kept = Vec::new();
        self.secrets.finish(&mut kept);
        let mut lines = self.split(&kept);
        if !self.line.is_empty() {
            lines.push(self.take_line());
        }
        lines
    }

    fn split(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.extend(&rest[..end]);
            lines.push(self.take_line());
            rest = &rest[end + 1..];
        }
        self.extend(rest);
        lines
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = self.line_bytes_max.saturating_sub(self.line.len());
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take_line(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.line);
        let text: String = text
            .chars()
            .filter(|letter| *letter == '\t' || !letter.is_control())
            .collect();
        let mut text = self.redactor.redact(&text);
        if self.cut {
            text.push_str(CUT);
        }
        self.line.clear();
        self.cut = false;
        text
    }
}

/// Where in a terminal command the stream stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terminal {
    Text,
    /// A carriage return that a line feed may follow.
    Return,
    /// After ESC.
    Escape,
    /// In a control sequence, up to a letter.
    Sequence,
    /// In a command that carries a text, such as the title of a window.
    Command,
    /// In such a command after ESC.
    CommandEscape,
}

impl Terminal {
    /// Takes one byte and passes on what is text.
    fn step(&mut self, byte: u8, plain: &mut Vec<u8>) {
        const ESCAPE: u8 = 0x1b;
        *self = match (*self, byte) {
            // A lone carriage return starts the line over, as progress bars do; here that is a line of its own.
            (Terminal::Text, b'\r') => Terminal::Return,
            (Terminal::Return, b'\n') => {
                plain.push(b'\n');
                Terminal::Text
            }
            (Terminal::Return, b'\r') => Terminal::Return,
            (Terminal::Return, _) => {
                plain.push(b'\n');
                *self = Terminal::Text;
                return self.step(byte, plain);
            }
            (Terminal::Text, ESCAPE) => Terminal::Escape,
            (Terminal::Text, b'\n' | b'\t' | 0x20..=0x7e | 0x80..=0xff) => {
                plain.push(byte);
                Terminal::Text
            }
            (Terminal::Text, _) => Terminal::Text,
            (Terminal::Escape, b'[') => Terminal::Sequence,
            (Terminal::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Terminal::Command,
            // Two-byte commands may have bytes in between.
            (Terminal::Escape, 0x20..=0x2f) => Terminal::Escape,
            (Terminal::Escape, _) => Terminal::Text,
            (Terminal::Sequence, 0x20..=0x3f) => Terminal::Sequence,
            // A broken sequence ends with its line rather than swallowing the next.
            (Terminal::Sequence | Terminal::Command | Terminal::CommandEscape, b'\n') => {
                plain.push(b'\n');
                Terminal::Text
            }
            (Terminal::Sequence, _) => Terminal::Text,
            (Terminal::Command, 0x07) => Terminal::Text,
            (Terminal::Command, ESCAPE) => Terminal::CommandEscape,
            (Terminal::Command, _) => Terminal::Command,
            (Terminal::CommandEscape, _) => Terminal::Text,
        };
    }
}

/// Writes lines to the log of an attempt until it is full.
pub(super) struct LogFile {
    file: BufWriter<File>,
    lines_left: u64,
    bytes_left: u64,
}

impl LogFile {
    pub(super) fn new(file: File, lines_max: u64, bytes_max: u64) -> Self {
        LogFile {
            file: BufWriter::new(file),
            lines_left: lines_max,
            bytes_left: bytes_max,
        }
    }

    /// Whether nothing more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.lines_left == 0
    }

    /// Writes a line; when there is no room for it, says so once and takes in nothing more.
    ///
    /// A disk without room loses output, not the program.
    pub(super) fn write(&mut self, line: &LogLine) {
        if self.is_full() {
            return;
        }
        let bytes = line.text.len() as u64 + 1;
        if self.lines_left == 1 || bytes > self.bytes_left {
            self.lines_left = 0;
            let text = "there is more output than is kept; the rest is dropped".to_owned();
            let _ = self.record(&LogLine {
                stream: LogStream::System,
                text,
                at: line.at,
            });
            return;
        }
        self.lines_left -= 1;
        self.bytes_left -= bytes;
        let _ = self.record(line);
    }

    /// Writes what happened around the program, full or not.
    pub(super) fn note(&mut self, line: &LogLine) {
        let _ = self.record(line);
    }

    /// Makes what was written visible to a reader.
    pub(super) fn flush(&mut self) {
        let _ = self.file.flush();
    }

    /// Makes what was written durable.
    pub(super) fn close(&mut self) {
        let _ = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data());
    }

    fn record(&mut self, line: &LogLine) -> io::Result<()> {
        let stream = match line.stream {
            LogStream::Stdout => 'o',
            LogStream::Stderr => 'e',
            LogStream::System => 's',
        };
        writeln!(self.file, "{} {stream} {}", line.at, line.text)
    }
}

/// Reads back what [`LogFile`] wrote.
pub(super) fn read_record(record: &str) -> Option<LogLine> {
    let (at, rest) = record.split_once(' ')?;
    let (stream, text) = rest.split_once(' ')?;
    let stream = match stream {
        "o" => LogStream::Stdout,
        "e" => LogStream::Stderr,
        "s" => LogStream::System,
        _ => return None,
    };
    Some(LogLine {
        at: at.parse().ok()?,
        stream,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(Redactor::new(["hush-hush"]), 20);
        let mut seen: Vec<String> = pieces.iter().flat_map(|piece| lines.push(piece)).collect();
        seen.extend(lines.finish());
        seen
    }

    #[test]
    fn colours_titles_and_control_characters_are_taken_out() {
        let text = b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07a\x00b\x08c\x1b(Bd\x1b]8;;x\x1b\\e\tf\n";
        assert_eq!(lines(&[text]), ["red abcde\tf"]);
        assert_eq!(lines(&["a\u{85}b\u{9b}c\n".as_bytes()]), ["abc"]);
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        assert_eq!(
            lines(&[b"a\r\nb\n10%\r20%\r\n\nlast"]),
            ["a", "b", "10%", "20%", "", "last"]
        );
        assert_eq!(lines(&[b"a\r", b"\nb"]), ["a", "b"]);
        assert_eq!(lines(&[b"\x1b[12\nb\n"]), ["", "b"]);
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(lines(&[b"a\xff\xfeb\n"]), ["a\u{fffd}\u{fffd}b"]);
        assert_eq!(
            lines(&["ä".as_bytes().split_at(1).0, "ä".as_bytes().split_at(1).1]),
            ["ä"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        assert_eq!(
            lines(&[&[b'x'; 100], b"\nnext\n"]),
            [format!("{}{CUT}", "x".repeat(20)), "next".into()]
        );
    }

    #[test]
    fn a_secret_is_found_across_pieces_and_around_colours() {
        assert_eq!(lines(&[b"a hush", b"-hu", b"sh b\n"]), ["a *** b"]);
        assert_eq!(lines(&[b"hu\x1b[1msh-\x1b[0mhush\n"]), ["***"]);
        assert_eq!(lines(&["hush\u{85}-hush\n".as_bytes()]), ["***"]);
    }

    #[test]
    fn a_full_log_says_so_once_and_stays_within_its_limits() {
        let root = tempfile::tempdir().expect("a directory");
        let read = |lines_max, bytes_max| {
            let path = root.path().join(format!("{lines_max}-{bytes_max}"));
            let mut log = LogFile::new(File::create(&path).expect("a file"), lines_max, bytes_max);
            for number in 0..9 {
                let text = format!("line {number}");
                log.write(&LogLine {
                    at: 5,
                    stream: LogStream::Stdout,
                    text,
                });
            }
            log.close();
            let text = std::fs::read_to_string(&path).expect("the log");
            text.lines()
                .map(|line| read_record(line).expect("a record").text)
                .collect::<Vec<_>>()
        };
        assert_eq!(read(100, 1000).len(), 9);
        let dropped = "there is more output than is kept; the rest is dropped";
        assert_eq!(read(3, 1000), ["line 0", "line 1", dropped]);
        assert_eq!(read(100, 15), ["line 0", "line 1", dropped]);
    }
}
