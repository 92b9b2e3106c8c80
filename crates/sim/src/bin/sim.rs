//! `sim --seeds N [--start S] [--keep-going]` plays N seeds; `sim --seed S [--trace]` plays one.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal talks to it"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use trainmaster_sim::stage::{Finding, Report, play, play_with};

const USAGE: &str = "usage: sim [--seeds N] [--start S] [--keep-going]   play N seeds (1000), from S (0)
       sim --seed S [--trace]                      play one; --trace prints its journal

With --keep-going every seed is played and each finding is a line; without it the first one ends the run.";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Many {
        start: u64,
        count: u64,
        keep_going: bool,
    },
    One {
        seed: u64,
        trace: bool,
    },
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let passed = wish(&arguments).map(|wish| match wish {
        Wish::Many {
            start,
            count,
            keep_going,
        } => many(start, count, keep_going),
        Wish::One { seed, trace } => one(seed, trace),
        Wish::Help => {
            println!("{USAGE}");
            true
        }
    });
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wish(arguments: &[String]) -> Result<Wish> {
    let (mut seeds, mut start, mut seed) = (None, None, None);
    let (mut trace, mut keep_going) = (false, false);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64> {
            let value = words
                .next()
                .with_context(|| format!("`{word}` needs a number"))?;
            value
                .parse()
                .with_context(|| format!("`{value}` is not a number"))
        };
        match word.as_str() {
            "--seeds" => seeds = Some(number()?),
            "--start" => start = Some(number()?),
            "--seed" => seed = Some(number()?),
            "--trace" => trace = true,
            "--keep-going" => keep_going = true,
            "--help" | "-h" => return Ok(Wish::Help),
            other => bail!("`{other}` is not known"),
        }
    }
    match (seed, seeds) {
        (Some(seed), None) => Ok(Wish::One { seed, trace }),
        // With a number of seeds, `--seed` says where to start.
        (seed, seeds) => Ok(Wish::Many {
            start: start.or(seed).unwrap_or(0),
            count: seeds.unwrap_or(1_000),
            keep_going,
        }),
    }
}

fn one(seed: u64, trace: bool) -> bool {
    let mut tell = |line: &str| {
        if trace {
            println!("{line}");
        }
    };
    match play_with(seed, &mut tell) {
        Ok(report) => {
            show(&report);
            true
        }
        Err(finding) => {
            complain(&finding);
            false
        }
    }
}

/// Plays seeds on all processors and stops at the first that finds something, unless it is to keep going.
fn many(start: u64, count: u64, keep_going: bool) -> bool {
    let (next, done, events) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let found: Mutex<Vec<Box<Finding>>> = Mutex::new(Vec::new());
    let begun = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            match play(start + index) {
                Ok(report) => {
                    events.fetch_add(report.events, Ordering::Relaxed);
                }
                Err(finding) => {
                    if keep_going {
                        println!("seed {} breaks {}", finding.seed, finding.failure);
                    } else {
                        next.store(count, Ordering::Relaxed);
                    }
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(finding);
                }
            }
            let played = done.fetch_add(1, Ordering::Relaxed) + 1;
            if played % 100 == 0 {
                let (seconds, events) = (
                    begun.elapsed().as_secs_f64(),
                    events.load(Ordering::Relaxed),
                );
                println!("{played} of {count} seeds, {events} events, {seconds:.1} s");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let (seconds, events) = (
        begun.elapsed().as_secs_f64(),
        events.load(Ordering::Relaxed),
    );
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    match found.first() {
        None => println!("{count} seeds from {start} hold: {events} events in {seconds:.1} s"),
        Some(finding) if !keep_going => complain(finding),
        Some(_) => println!(
            "{} of {count} seeds from {start} break something",
            found.len()
        ),
    }
    found.is_empty()
}

fn show(report: &Report) {
    let Report {
        seed,
        hash,
        events,
        releases,
        attempts,
        commands,
        crashes,
        jobs,
    } = report;
    println!(
        "seed {seed} holds: {events} events, {releases} releases, {attempts} attempts, {jobs} jobs outside"
    );
    println!(
        "{} commands accepted, {} rejected, {crashes} crashes",
        commands.0, commands.1
    );
    println!("journal {hash}");
}

fn complain(finding: &Finding) {
    for line in &finding.tail {
        println!("{line}");
    }
    println!("seed {} breaks {}", finding.seed, finding.failure);
    println!("play it again: cargo xtask sim --seed {}", finding.seed);
}
