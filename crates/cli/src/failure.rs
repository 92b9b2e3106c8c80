//! How a verb ends when it does not end well: an exit code, what holds, and what the person can do.

use std::fmt;

/// Why a verb did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    details: Vec<Detail>,
    hints: Vec<String>,
    is_passing: bool,
}

/// A line that says more, with where in the request it belongs.
#[derive(Debug)]
struct Detail {
    text: String,
    place: Option<(u64, u64)>,
}

/// The exit codes (4-interfaces.md, Command line).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong; also what `diff` answers when there are differences.
    Error = 1,
    /// The command line does not say clearly what is wanted.
    Usage = 2,
    /// A rule or a permission stands against it.
    Refused = 3,
    /// The time given was not enough.
    Timeout = 4,
    /// The release that was waited for failed or was aborted.
    ReleaseFailed = 5,
}

impl Failure {
    /// A failure with one line that says what holds.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Failure {
            exit,
            message: message.to_string(),
            details: Vec::new(),
            hints: Vec::new(),
            is_passing: false,
        }
    }

    /// Something went wrong.
    pub(crate) fn error(message: impl fmt::Display) -> Self {
        Failure::new(Exit::Error, message)
    }

    /// The command line does not say clearly what is wanted.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Failure::new(Exit::Usage, message)
    }

    /// Ends with an exit code and without a word: everything has been said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Failure::new(exit, "")
    }

    /// Adds a line that says more.
    pub(crate) fn detail(mut self, line: impl fmt::Display) -> Self {
        self.details.push(Detail {
            text: line.to_string(),
            place: None,
        });
        self
    }

    /// Adds a line that says more about a line and column of the request.
    pub(crate) fn detail_at(mut self, line: impl fmt::Display, place: Option<(u64, u64)>) -> Self {
        self.details.push(Detail {
            text: line.to_string(),
            place,
        });
        self
    }

    /// Says where lines of the request came from, as `file:line`.
    pub(crate) fn locate<'a>(mut self, find: impl Fn(u64) -> (&'a str, u64)) -> Self {
        for detail in &mut self.details {
            if let Some((line, column)) = detail.place.take() {
                let (file, line) = find(line);
                detail.text = format!("{file}:{line}:{column}: {}", detail.text);
            }
        }
        self
    }

    /// Adds a line that says what would help.
    pub(crate) fn hint(mut self, line: impl fmt::Display) -> Self {
        self.hints.push(line.to_string());
        self
    }

    /// Marks it as something that passes by itself: the line is down, the server is starting or busy.
    pub(crate) fn passing(mut self) -> Self {
        self.is_passing = true;
        self
    }

    /// Whether another try later makes sense.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_passing
    }

    /// Whether the server understood and said no.
    pub(crate) fn is_refusal(&self) -> bool {
        self.exit == Exit::Refused
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What goes to standard error, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.message.is_empty() {
            lines.push(format!("error: {}", self.message));
        }
        lines.extend(self.details.iter().map(|detail| format!("  {detail}")));
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.place {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::error(format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::error(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::error(format!("the answer cannot be read: {error}"))
    }
}

/// How every verb ends.
pub(crate) type Done = Result<(), Failure>;
