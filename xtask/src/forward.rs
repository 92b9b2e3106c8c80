//! Chores that build a program and hand over to it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{step, web};

/// Builds and starts `trainmaster demo`.
///
/// A debug build: whoever tries the demo waits for the compiler once, and that is about a third of a release build.
pub(crate) fn demo(root: &Path, rest: &[String]) -> Result<()> {
    web::build_if_present(root)?;
    step::run(
        "build trainmaster (debug, for a quick first start)",
        "run `cargo xtask setup`, then try again",
        &mut step::cargo(["build", "--package", "trainmaster"]),
    )?;
    let arguments = ["run", "--quiet", "--package", "trainmaster", "--", "demo"];
    hand_over(step::cargo(arguments).args(rest))
}

/// Measures: `load` the pages of a running server, everything else by the benchmarks of the simulation.
pub(crate) fn bench(rest: &[String]) -> Result<()> {
    match rest.split_first() {
        Some((what, rest)) if what == "load" => {
            let program = [
                "build",
                "--release",
                "--package",
                "trainmaster",
                "--bin",
                "trainmaster",
            ];
            step::run(
                "build trainmaster (release)",
                "see what the compiler says",
                &mut step::cargo(program),
            )?;
            let load = [
                "run",
                "--release",
                "--package",
                "trainmaster",
                "--example",
                "load",
                "--",
            ];
            hand_over(step::cargo(load).args(rest))
        }
        _ => hand_over(simulation("bench").args(rest)),
    }
}

/// Runs the seeded simulation.
pub(crate) fn sim(rest: &[String]) -> Result<()> {
    hand_over(simulation("sim").args(rest))
}

fn simulation(program: &str) -> Command {
    step::cargo([
        "run",
        "--release",
        "--package",
        "trainmaster-sim",
        "--bin",
        program,
        "--",
    ])
}

/// Becomes `command`, so that signals and the exit code are its own.
#[cfg(unix)]
fn hand_over(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start `{}`", step::shown(command)))
}

/// Runs `command` and ends as it ends.
#[cfg(not(unix))]
fn hand_over(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", step::shown(command)))?;
    std::process::exit(status.code().unwrap_or(1))
}
