//! Findings: what a rule says about a place.

use std::fmt;

use anyhow::{Result, bail};

use crate::report;

/// One thing a rule found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    place: String,
    text: String,
    weight: Weight,
}

/// Whether a finding fails the chore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Error,
    Warning,
}

impl Finding {
    /// A violation at `place` (a file, a file with its line, or a crate).
    pub(crate) fn error(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            text: text.into(),
            weight: Weight::Error,
        }
    }

    /// Something worth a look that fails nothing.
    pub(crate) fn warning(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            weight: Weight::Warning,
            ..Self::error(place, text)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        write!(formatter, "{weight}: {}: {}", self.place, self.text)
    }
}

/// Says every finding, and fails when one of them is an error.
pub(crate) fn settle(mut findings: Vec<Finding>) -> Result<()> {
    findings.sort();
    for finding in &findings {
        report::line(format!("    {finding}"));
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.weight == Weight::Error)
        .count();
    if errors > 0 {
        bail!("violations: {errors}, named above");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_said_but_fails_nothing() {
        assert!(settle(vec![Finding::warning("a.rs", "is long")]).is_ok());
        assert!(settle(vec![Finding::error("a.rs", "is wrong")]).is_err());
    }
}
