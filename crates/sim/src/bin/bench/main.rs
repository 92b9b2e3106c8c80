//! `bench engine [--quick] [--json]` measures the engine with the SQLite store and prints goal, measured, met.
//!
//! Each part runs in a process of its own, so that none leaves memory or threads to the next.
//! With `--quick` sizes are a tenth, to see that everything runs; its numbers mean nothing.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal talks to it"
)]

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

mod house;
mod parts;
mod table;

use parts::Size;
use table::Row;

const USAGE: &str = "usage: bench engine [--quick] [--json]";

fn main() -> ExitCode {
    let begun = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["part", name, folder, size] => part(name, Path::new(folder), size, begun),
        ["engine", options @ ..] => engine(options),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every part and prints what they measured. A goal that is missed is shown and no failure of the program.
fn engine(options: &[&str]) -> Result<()> {
    if let Some(unknown) = options
        .iter()
        .find(|option| !matches!(**option, "--quick" | "--json"))
    {
        bail!("`{unknown}` is not known\n\n{USAGE}");
    }
    let size = if options.contains(&"--quick") {
        "quick"
    } else {
        "full"
    };
    let mut rows = Vec::new();
    for name in parts::NAMES {
        let folder = tempfile::tempdir().context("a folder for the data")?;
        eprintln!("{name} …");
        for step in parts::steps(name) {
            rows.extend(in_own_process(step, folder.path(), size)?);
        }
    }
    if options.contains(&"--json") {
        println!("{}", table::json(&rows));
    } else {
        println!("{}", table::text(&rows));
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its numbers mean nothing");
    }
    Ok(())
}

fn in_own_process(step: &str, folder: &Path, size: &str) -> Result<Vec<Row>> {
    let program = std::env::current_exe().context("this program's own file")?;
    let output = Command::new(program)
        .args(["part", step])
        .arg(folder)
        .arg(size)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("the part `{step}`"))?;
    if !output.status.success() {
        bail!("the part `{step}` has failed");
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(Row::parse)
        .collect()
}

/// One part, in the process made for it: prints its rows, one a line.
fn part(name: &str, folder: &Path, size: &str, begun: Instant) -> Result<()> {
    let size = if size == "quick" {
        Size::Quick
    } else {
        Size::Full
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let rows = runtime.block_on(parts::run(name, folder, size, begun))?;
    for row in rows {
        println!("{}", row.line());
    }
    Ok(())
}
