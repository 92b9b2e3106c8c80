//! Regular expressions of `matches`: linear in time, and bounded in size before they are built.
//!
//! The engine is the small one: it has no Unicode classes (neither does RE2 in `\w`), and so
//! builds in microseconds where the large one takes milliseconds.

use regex_lite::{Regex, RegexBuilder};

use crate::error::ErrorKind;
use crate::meter::Fault;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 512;
/// Most states that a pattern may be estimated to need.
const STATES_MAX: usize = 2048;
/// Largest compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of groups.
const NESTING_MAX: u32 = 32;

/// A search costs a step for this many visits of one state at one byte.
const VISITS_PER_STEP: usize = 16;
/// Building costs so many steps, and one for each state.
const BUILD_STEPS: usize = 20;

/// A compiled pattern with an estimate of what a search costs.
pub(crate) struct Pattern {
    regex: Regex,
    states: usize,
}

impl Pattern {
    /// Compiles a pattern, unless it is too large or no pattern.
    pub(crate) fn compile(source: &str) -> Result<Pattern, Fault> {
        let states = states(source);
        if source.len() > PATTERN_BYTES_MAX || states > STATES_MAX {
            return Err(Fault::new(ErrorKind::TooLarge, "the pattern is too large"));
        }
        let regex = RegexBuilder::new(source)
            .size_limit(COMPILED_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(|_| Fault::failed("the pattern is not a valid regular expression"))?;
        Ok(Pattern { regex, states })
    }

    /// What building it costs, in steps.
    pub(crate) fn build_steps(&self) -> u64 {
        to_steps(self.states.saturating_add(BUILD_STEPS))
    }

    /// What a search through a text of this length costs at worst, in steps.
    pub(crate) fn search_steps(&self, text_length: usize) -> u64 {
        to_steps(self.states.saturating_mul(text_length) / VISITS_PER_STEP + 1)
    }

    /// Whether the pattern occurs in the text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

fn to_steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// An upper estimate of the states: the length, multiplied by every counted repetition.
fn states(source: &str) -> usize {
    source
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|bounds| {
            bounds
                .split(',')
                .filter_map(|bound| bound.trim().parse::<usize>().ok())
                .max()
                .unwrap_or(1)
                .max(1)
        })
        .fold(source.len().max(1), usize::saturating_mul)
}
