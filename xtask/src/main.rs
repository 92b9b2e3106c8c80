//! The chores of the project: `cargo xtask <chore>`.
//!
//! One module per chore; `step` runs and times what a chore is made of, `report` talks to the person.
//! Rules that only look at text and metadata live in `tidy` and `licences` as pure functions with their own tests.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

mod coverage;
mod finding;
mod forward;
mod licences;
mod metadata;
mod report;
mod setup;
mod step;
mod test;
mod tidy;
mod tree;
mod web;

const USAGE: &str = "\
usage: cargo xtask <chore>

  setup                     check the tools, install what the tests need and this host lacks
  test [--quick]            everything that must hold before a commit; --quick leaves out the slow suites
  tidy                      dependency edges, purity of the domain, text rules, links, problem pages
  licences                  licences, banned crates and sources of the dependencies; advisories where possible
  coverage                  which checklist rows a test shows, and which not yet
  demo [arguments]          build and start `trainmaster demo`
  bench [engine|load] [options]  measure, in a release build
  sim [--seeds N] [--seed S]  run the seeded simulation, in a release build";

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((chore, rest)) = arguments.split_first() else {
        bail!("no chore named\n\n{USAGE}");
    };
    let root = root()?;
    match chore.as_str() {
        "setup" => {
            refuse_arguments(chore, rest)?;
            setup::run(&root, setup::Purpose::EverySuite)
        }
        "test" => test::run(&root, test::Extent::parse(rest)?),
        "tidy" => {
            refuse_arguments(chore, rest)?;
            tidy::run(&root)
        }
        "licences" => {
            refuse_arguments(chore, rest)?;
            licences::run(&root)
        }
        "coverage" => {
            refuse_arguments(chore, rest)?;
            coverage::run(&root)
        }
        "demo" => forward::demo(&root, rest),
        "bench" => forward::bench(rest),
        "sim" => forward::sim(rest),
        "help" | "--help" | "-h" => {
            report::line(USAGE);
            Ok(())
        }
        unknown => bail!("no chore is called `{unknown}`\n\n{USAGE}"),
    }
}

fn refuse_arguments(chore: &str, rest: &[String]) -> Result<()> {
    match rest.first() {
        None => Ok(()),
        Some(surplus) => bail!("`{chore}` takes no argument, but got `{surplus}`"),
    }
}

/// The folder of the workspace: where `cargo run` found this package, one up.
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .context("start this program as `cargo xtask`")?;
    package
        .parent()
        .map(PathBuf::from)
        .context("the package `xtask` has no folder above it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_unknown_chore_is_refused_with_the_usage() {
        let error = dispatch(&words("paint")).expect_err("there is no such chore");
        assert!(error.to_string().contains("`paint`"));
        assert!(error.to_string().contains("usage: cargo xtask"));
    }

    #[test]
    fn a_surplus_argument_is_refused_by_name() {
        let error = dispatch(&words("tidy --all")).expect_err("tidy takes none");
        assert!(error.to_string().contains("`--all`"));
    }
}
