//! Plays many seeds, and shows that a seed is always played the same way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use trainmaster_sim::stage::{play, play_with};

/// How many seeds are played.
const SEEDS: u64 = 1_000;

#[test]
fn a_thousand_seeds_hold() {
    let next = AtomicU64::new(0);
    let events = AtomicU64::new(0);
    let found = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    match play(seed) {
                        Ok(report) => {
                            events.fetch_add(report.events, Ordering::Relaxed);
                        }
                        Err(finding) => {
                            let line = format!("seed {seed} breaks {}", finding.failure);
                            found
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .push(line);
                        }
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(
        found.is_empty(),
        "{} findings:\n{}",
        found.len(),
        found.join("\n")
    );
    let per_seed = events.into_inner() / SEEDS;
    assert!(
        per_seed > 50,
        "the seeds have become idle: {per_seed} events each"
    );
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    for seed in [3, 14, 159] {
        let play_once = || {
            let mut trace = String::new();
            let report = play_with(seed, &mut |line| {
                trace.push_str(line);
                trace.push('\n');
            });
            (report, trace)
        };
        let (first, again) = (play_once(), play_once());
        assert_eq!(first.0, again.0);
        assert!(
            first.1 == again.1,
            "seed {seed} was played another way the second time"
        );
        assert!(first.1.lines().count() > 10);
    }
}

#[test]
fn different_seeds_make_different_journals() {
    let hash = |seed| play(seed).map(|report| report.hash);
    let (one, other) = (hash(1), hash(2));
    assert!(one.is_ok() && other.is_ok() && one != other);
}
