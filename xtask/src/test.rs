//! `test`: everything that must hold before a commit, cheapest first, stopping at the first failure.

use std::path::Path;

use anyhow::{Result, bail};

use crate::metadata::Workspace;
use crate::setup::{self, Purpose};
use crate::{coverage, licences, report, step, tidy};

/// How much to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Everything,
    /// Without the slow suites.
    Quick,
}

/// An integration test that `--quick` leaves out.
struct Slow {
    /// The file below some `crates/*/tests/`, without its ending.
    suite: &'static str,
    /// What one does without when it is left out.
    shows: &'static str,
}

/// The slow suites. Whoever writes one that takes longer than about ten seconds adds it here.
const SLOW: &[Slow] = &[
    Slow {
        suite: "crash",
        shows: "that the real server may be killed at every named point and every sync",
    },
    Slow {
        suite: "demo",
        shows: "that the demo reaches its sign-off and its end",
    },
    Slow {
        suite: "seeds",
        shows: "a thousand simulated worlds",
    },
    Slow {
        suite: "definitions_hold",
        shows: "that no text makes the reader of definitions panic",
    },
];

impl Extent {
    /// Reads what follows `cargo xtask test`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        match arguments {
            [] => Ok(Self::Everything),
            [only] if only == "--quick" => Ok(Self::Quick),
            [first, ..] => bail!("`test` knows `--quick`, but got `{first}`"),
        }
    }
}

/// Runs the steps. The lines of cargo's tests come last, so that the end of the output tells how it went.
pub(crate) fn run(root: &Path, extent: Extent) -> Result<()> {
    setup::run(root, purpose(extent))?;
    step::run(
        "format",
        "run `cargo fmt --all`",
        step::cargo(["fmt", "--all", "--check"]).current_dir(root),
    )?;
    tidy::run(root)?;
    coverage::run(root)?;
    if extent == Extent::Everything {
        licences::run(root)?;
    }
    step::run(
        "clippy",
        "mend what clippy names; `cargo clippy --fix` does the simple ones",
        step::cargo(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(["--", "-D", "warnings"])
            .current_dir(root),
    )?;
    // No build of its own: the tests build the binary with the features of the whole workspace, which are others.
    run_tests(root, extent)
}

fn purpose(extent: Extent) -> Purpose {
    match extent {
        Extent::Everything => Purpose::EverySuite,
        Extent::Quick => Purpose::QuickSuites,
    }
}

fn run_tests(root: &Path, extent: Extent) -> Result<()> {
    let workspace = Workspace::read(root)?;
    let suites = workspace.integration_tests().collect::<Vec<_>>();
    refuse_stale(SLOW, &suites)?;
    let mut command = step::cargo(["test", "--workspace", "--locked"]);
    if extent == Extent::Quick {
        command.args(quick_selection(SLOW, &suites));
    }
    step::run(
        "tests",
        "run the named test alone: `cargo test -p CRATE NAME`",
        command.current_dir(root),
    )?;
    if extent == Extent::Everything {
        run_real_provider(root)?;
    }
    if extent == Extent::Quick {
        for left_out in left_out(SLOW) {
            report::notice(left_out);
        }
    }
    Ok(())
}

/// Signs in through a real identity provider, a Node program; plain `cargo test` does without.
fn run_real_provider(root: &Path) -> Result<()> {
    let folder = root.join(setup::PROVIDER);
    step::run(
        "identity provider",
        "install Node 20 or newer with npm, and see that the package registry can be reached",
        std::process::Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder),
    )?;
    step::run(
        "sign-in through a real identity provider",
        "run it alone: `cargo test -p trainmaster-server --features oidc-provider --test oidc_provider`",
        step::cargo(["test", "--package", "trainmaster-server", "--locked"])
            .args(["--features", "oidc-provider", "--test", "oidc_provider"])
            .current_dir(root),
    )
}

/// A slow suite that no crate has would silently become a quick one under its new name.
fn refuse_stale(slow: &[Slow], suites: &[&str]) -> Result<()> {
    match slow.iter().find(|slow| !suites.contains(&slow.suite)) {
        None => Ok(()),
        Some(stale) => bail!(
            "the list of slow suites names `{}`, which no crate has (xtask/src/test.rs)",
            stale.suite
        ),
    }
}

/// Arguments that select unit tests and every integration test that is not slow.
fn quick_selection(slow: &[Slow], suites: &[&str]) -> Vec<String> {
    let mut selection = vec!["--lib".to_owned(), "--bins".to_owned()];
    for suite in suites {
        if !slow.iter().any(|slow| slow.suite == *suite) {
            selection.extend(["--test".to_owned(), (*suite).to_owned()]);
        }
    }
    selection
}

fn left_out(slow: &[Slow]) -> Vec<String> {
    let mut lines = vec![
        "left out: licences, banned crates and advisories".to_owned(),
        "left out: the examples in the documentation of the crates".to_owned(),
        "left out: signing in through a real identity provider".to_owned(),
    ];
    lines.extend(slow.iter().map(|slow| {
        format!(
            "left out: suite `{}`, which shows {}",
            slow.suite, slow.shows
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: &[Slow] = &[Slow {
        suite: "crash",
        shows: "that nothing acknowledged is lost",
    }];

    #[test]
    fn quick_leaves_out_the_slow_suites_and_names_them() {
        let selection = quick_selection(CRASH, &["api", "crash"]);
        assert_eq!(selection, ["--lib", "--bins", "--test", "api"]);
        assert!(left_out(CRASH).iter().any(|line| line.contains("`crash`")));
    }

    #[test]
    fn a_slow_suite_that_is_gone_is_refused() {
        assert!(refuse_stale(CRASH, &["api", "crash"]).is_ok());
        assert!(refuse_stale(CRASH, &["api"]).is_err());
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert_eq!(Extent::parse(&[]).ok(), Some(Extent::Everything));
        assert_eq!(
            Extent::parse(&["--quick".to_owned()]).ok(),
            Some(Extent::Quick)
        );
        assert!(Extent::parse(&["--fast".to_owned()]).is_err());
    }
}
