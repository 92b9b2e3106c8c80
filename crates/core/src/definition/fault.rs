//! Faults: problems while they are still being found, with a path that can be looked up in the text.

use std::fmt;

use super::Problem;

/// Where the check stands in a document: a step, and where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    step: Step<'a>,
    parent: Option<&'a At<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The document as a whole.
    pub(crate) const ROOT: At<'static> = At {
        step: Step::Root,
        parent: None,
    };

    /// The value of a field.
    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At {
            step: Step::Key(key),
            parent: Some(self),
        }
    }

    /// An element of a list.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At {
            step: Step::Index(index),
            parent: Some(self),
        }
    }

    /// The same, free of borrows.
    pub(crate) fn path(&self) -> Path {
        let mut segments = Vec::new();
        let mut at = Some(self);
        while let Some(here) = at {
            match here.step {
                Step::Root => (),
                Step::Key(key) => segments.push(Segment::Key(key.to_owned())),
                Step::Index(index) => segments.push(Segment::Index(index)),
            }
            at = here.parent;
        }
        segments.reverse();
        Path(segments)
    }
}

/// The way to a value of a document: `spec.phases[2].activities[0].with["x y"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !is_plain(key) => write!(f, "[{key:?}]")?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !key.is_empty() && key.len() <= 64 && key.bytes().all(word)
}

/// Which part of what the path names is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// The name of one of its fields.
    Field(String),
    /// A place within its text, in bytes.
    Within(usize),
}

/// One thing wrong, before its place in the text is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: Path,
    pub(crate) part: Part,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        Problem {
            path: fault.path.to_string(),
            message: fault.message,
            suggestion: fault.suggestion,
            place: None,
        }
    }
}

/// No more faults than this are kept; somebody who made more mends these first.
const FAULTS_MAX: usize = 200;

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Something is wrong with a value.
    pub(crate) fn add(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.push(at, Part::Whole, message.into(), None);
    }

    /// Something is wrong with a value, and probably another word was meant.
    pub(crate) fn suggest(
        &mut self,
        at: &At<'_>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.push(at, Part::Whole, message.into(), suggestion);
    }

    /// Something is wrong with the name of a field.
    pub(crate) fn field(
        &mut self,
        at: &At<'_>,
        field: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.push(
            at,
            Part::Field(field.to_owned()),
            message.into(),
            suggestion,
        );
    }

    /// Something is wrong within a text.
    pub(crate) fn within(
        &mut self,
        at: &At<'_>,
        offset: usize,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.push(at, Part::Within(offset), message.into(), suggestion);
    }

    fn push(&mut self, at: &At<'_>, part: Part, message: String, suggestion: Option<String>) {
        if self.0.len() < FAULTS_MAX {
            let path = at.path();
            self.0.push(Fault {
                path,
                part,
                message,
                suggestion,
            });
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// What was found.
    pub(crate) fn into_vec(self) -> Vec<Fault> {
        self.0
    }

    /// The result, if nothing is wrong.
    pub(crate) fn finish<T>(self, result: impl FnOnce() -> T) -> Result<T, Vec<Fault>> {
        match self.0.is_empty() {
            true => Ok(result()),
            false => Err(self.0),
        }
    }
}

/// The known word that was probably meant; among equally close ones the first.
pub(crate) fn closest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if written.len() > 64 {
        return None;
    }
    let length = written.chars().count();
    let distance_max = (length / 3).max(1).min(length.saturating_sub(1));
    known
        .into_iter()
        .filter(|word| *word != written)
        .filter_map(|word| {
            let distance = match word.eq_ignore_ascii_case(written) {
                true => 0,
                false => strsim::damerau_levenshtein(written, word),
            };
            (distance <= distance_max).then_some((distance, word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word.to_owned())
}

/// Words as an enumeration: `` `a`, `b` or `c` ``.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// A text short enough for a message.
pub(crate) fn shortened(text: &str) -> String {
    shortened_to(text, 60)
}

/// A text of at most so many characters.
pub(crate) fn shortened_to(text: &str, length_max: usize) -> String {
    let mut short: String = text.chars().take(length_max).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_expression_that_leads_there() {
        let spec = At::ROOT.key("spec");
        let phases = spec.key("phases");
        let phase = phases.index(2);
        let with = phase.key("with");
        assert_eq!(
            with.key("run").path().to_string(),
            "spec.phases[2].with.run"
        );
        assert_eq!(
            with.key("x y").path().to_string(),
            "spec.phases[2].with[\"x y\"]"
        );
        assert_eq!(At::ROOT.path().to_string(), "");
    }

    #[test]
    fn a_word_is_suggested_only_when_it_is_close() {
        let known = ["phases", "inputs", "rules", "variables"];
        assert_eq!(closest("fazes", known), None);
        assert_eq!(closest("phazes", known).as_deref(), Some("phases"));
        assert_eq!(closest("Inputs", known).as_deref(), Some("inputs"));
        assert_eq!(closest("variabels", known).as_deref(), Some("variables"));
        assert_eq!(closest("gates", known), None);
        assert_eq!(closest("a", ["b"]), None);
        assert_eq!(closest("yy", ["y"]).as_deref(), Some("y"));
    }

    #[test]
    fn words_are_listed_as_one_says_them() {
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
