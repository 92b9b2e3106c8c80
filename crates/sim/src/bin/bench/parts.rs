//! What is measured, part by part, with the goal of each number beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use trainmaster_core::event::Change;
use trainmaster_engine::ports::{Batch, Store};
use trainmaster_store::SqlStore;

use crate::house::{Endless, House, Prompt};
use crate::table::{Goal, Row};

/// The parts in the order in which they are measured.
pub(crate) const NAMES: [&str; 7] = [
    "throughput",
    "chain",
    "latency",
    "growth",
    "timers",
    "memory",
    "cold",
];

/// How large everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Full,
    Quick,
}

impl Size {
    fn of(self, full: usize) -> usize {
        match self {
            Size::Full => full,
            Size::Quick => full.div_ceil(10),
        }
    }
}

/// The processes that a part takes, one after the other on the same folder.
pub(crate) fn steps(name: &str) -> &[&str] {
    match name {
        "throughput" => &["throughput"],
        "chain" => &["chain"],
        "latency" => &["latency"],
        "growth" => &["growth"],
        "timers" => &["timers"],
        "memory" => &["memory"],
        _ => &["cold-empty", "cold-prepare", "cold-full"],
    }
}

/// Measures one part.
pub(crate) async fn run(name: &str, folder: &Path, size: Size, begun: Instant) -> Result<Vec<Row>> {
    match name {
        "throughput" => throughput(folder, size).await,
        "chain" => chain(folder, size).await,
        "latency" => latency(folder, size).await,
        "growth" => growth(folder, size).await,
        "timers" => timers(folder, size).await,
        "memory" => memory(folder, size).await,
        "cold-empty" => cold_empty(folder, begun).await,
        "cold-prepare" => cold_prepare(folder, size).await,
        "cold-full" => cold_full(folder, size, begun).await,
        other => bail!("there is no part `{other}`"),
    }
}

/// So many activities in lanes side by side, each after the one before it in its lane.
fn lanes(count: usize, lanes: usize) -> Value {
    let activity = |index: usize| {
        let mut activity =
            json!({"id": format!("a{index}"), "uses": "command", "with": {"run": ["true"]}});
        if index >= lanes {
            activity["dependsOn"] = json!([format!("a{}", index - lanes)]);
        }
        activity
    };
    (0..count).map(activity).collect()
}

fn prompt() -> Arc<Prompt> {
    Arc::new(Prompt(None))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The value below which this share of all lies.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}

fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

// ---- throughput

const RELEASES: usize = 200;
const ACTIVITIES: usize = 20;
const ROUNDS: usize = 5;

async fn throughput(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let releases = size.of(RELEASES);
    let count = (releases * ACTIVITIES) as f64;
    let (mut engine, mut raw, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let house = House::open(&folder.join(format!("engine-{round}")), prompt()).await?;
        let elapsed = play(house, releases).await?;
        engine.push(count / elapsed.as_secs_f64());
        let (house, tape) = House::taped(&folder.join(format!("tape-{round}")), prompt()).await?;
        play(house, releases).await?;
        let batches = tape.batches();
        let alone = commit_alone(&folder.join(format!("raw-{round}")), &batches).await?;
        raw.push(count / alone.as_secs_f64());
        sizes.extend(batches.iter().map(|batch| batch.records.len() as f64));
    }
    let (engine, raw) = (median(&mut engine), median(&mut raw));
    let what = format!("durable activities, {releases} releases × {ACTIVITIES}, SQLite");
    Ok(vec![
        Row::aimed(what, engine, "/s", Goal::AtLeast(15_000.0)),
        Row::plain("the same batches, store alone", raw, "/s"),
        Row::aimed(
            "share of what the store alone reaches",
            100.0 * engine / raw,
            "%",
            Goal::AtLeast(60.0),
        ),
        Row::plain("events per commit, p50", median(&mut sizes), ""),
        Row::plain("events per commit, p99", quantile(&mut sizes, 0.99), ""),
        Row::plain("events per commit, max", quantile(&mut sizes, 1.0), ""),
    ])
}

/// Runs releases through the engine; answers how long it took from the first command to the last end.
async fn play(house: House, releases: usize) -> Result<Duration> {
    house.define("bench", lanes(ACTIVITIES, 1)).await?;
    let mut watch = house.watch();
    let begun = Instant::now();
    let (started, ended) = tokio::join!(
        house.start_many("bench", releases),
        watch.count("ReleaseFinished", releases)
    );
    let elapsed = begun.elapsed();
    started.and(ended)?;
    house.close().await;
    Ok(elapsed)
}

/// How long the store takes for the same batches when nothing has to be thought in between.
async fn commit_alone(folder: &Path, batches: &[Batch]) -> Result<Duration> {
    let store = SqlStore::open(trainmaster_store::Options::new(folder)).await?;
    let begun = Instant::now();
    for batch in batches {
        store.commit(batch).await?;
    }
    Ok(begun.elapsed())
}

// ---- one release

async fn chain(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let length = 100;
    let house = House::open(folder, prompt()).await?;
    house.define("chain", lanes(length, 1)).await?;
    let mut times = Vec::new();
    for _ in 0..size.of(30) {
        times.push(millis(one_release(&house, "chain").await?));
    }
    house.close().await;
    let worst = quantile(&mut times, 1.0);
    let what = format!("one release, chain of {length}, median");
    Ok(vec![
        Row::aimed(what, median(&mut times), "ms", Goal::AtMost(35.0)),
        Row::plain("one release, chain of 100, slowest", worst, "ms"),
    ])
}

/// How long a release takes from its durable start to its durable end.
async fn one_release(house: &House, process: &str) -> Result<Duration> {
    let mut watch = house.watch();
    house.start(process).await?;
    let begun = Instant::now();
    watch.count("ReleaseFinished", 1).await?;
    Ok(begun.elapsed())
}

async fn latency(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let (called, mut calls) = mpsc::unbounded_channel();
    let house = House::open(folder, Arc::new(Prompt(Some(called)))).await?;
    house.define("one", lanes(1, 1)).await?;
    let mut times = Vec::new();
    for _ in 0..size.of(1_000) {
        let mut watch = house.watch();
        let begun = Instant::now();
        house.start("one").await?;
        let called = calls.recv().await.context("the activity is performed")?;
        times.push(millis(called.duration_since(begun)));
        watch.count("ReleaseFinished", 1).await?;
    }
    house.close().await;
    Ok(vec![
        Row::aimed(
            "start → first activity, p50",
            median(&mut times),
            "ms",
            Goal::AtMost(0.8),
        ),
        Row::aimed(
            "start → first activity, p99",
            quantile(&mut times, 0.99),
            "ms",
            Goal::AtMost(3.0),
        ),
    ])
}

async fn growth(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut costs = Vec::new();
    let house = House::open(folder, prompt()).await?;
    for (count, rounds) in [(10, 60), (100, 20), (1_000, 5), (10_000, 2)] {
        let count = if count == 10_000 {
            size.of(count)
        } else {
            count
        };
        let process = format!("lanes-{count}");
        house.define(&process, lanes(count, 10)).await?;
        let mut times = Vec::new();
        for _ in 0..rounds {
            let elapsed = one_release(&house, &process).await?;
            times.push(elapsed.as_secs_f64() * 1e6 / count as f64);
        }
        let cost = median(&mut times);
        costs.push(cost);
        rows.push(Row::plain(
            format!("cost per activity, release of {count}"),
            cost,
            "µs",
        ));
    }
    house.close().await;
    let least = costs.iter().copied().fold(f64::MAX, f64::min);
    let most = costs.last().copied().unwrap_or(0.0);
    rows.push(Row::aimed(
        "the largest release per activity, against the cheapest",
        most / least,
        "×",
        Goal::AtMost(1.5),
    ));
    Ok(rows)
}

// ---- time

async fn timers(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let house = House::open(folder, prompt()).await?;
    let spread = size.of(500);
    let begin = Timestamp::now() + SignedDuration::from_secs(2);
    let wait = |index: usize, until: Timestamp| json!({"id": format!("w{index}"), "uses": "wait", "with": {"until": until.to_string()}});
    let waits: Value = (0..spread)
        .map(|index| wait(index, begin + SignedDuration::from_millis(7 * index as i64)))
        .collect();
    house.define("spread", waits).await?;
    let mut watch = house.watch();
    house.start("spread").await?;
    let mut apart = lateness(&mut watch, spread).await?;

    let together = size.of(500);
    let due = Timestamp::now() + SignedDuration::from_secs(4);
    house.define("together", json!([wait(0, due)])).await?;
    let mut watch = house.watch();
    house.start_many("together", together).await?;
    let mut at_once = lateness(&mut watch, together).await?;
    house.close().await;
    let what = format!("timer lateness, {together} due together, max");
    Ok(vec![
        Row::aimed(
            "timer lateness, p99",
            quantile(&mut apart, 0.99),
            "ms",
            Goal::AtMost(3.0),
        ),
        Row::plain("timer lateness, p50", median(&mut apart), "ms"),
        Row::aimed(what, quantile(&mut at_once, 1.0), "ms", Goal::AtMost(60.0)),
    ])
}

/// How late, in milliseconds, each wait was known to be over: durable and told.
async fn lateness(watch: &mut crate::house::Watch, count: usize) -> Result<Vec<f64>> {
    let mut late = Vec::new();
    while late.len() < count {
        let record = watch.next().await?;
        let now = Timestamp::now();
        if !record.body.contains(r#""type":"AttemptFinished""#) {
            continue;
        }
        if let Change::AttemptFinished { outcome, .. } = record.event()?.change {
            let outcome = serde_json::to_value(&outcome)?;
            let until: Timestamp = outcome["result"]["until"]
                .as_str()
                .context("the end of a wait")?
                .parse()?;
            late.push(now.duration_since(until).as_secs_f64() * 1_000.0);
        }
    }
    Ok(late)
}

// ---- memory and cold start

/// Releases that are under way and stay so: their first activity never ends.
async fn fill(house: &House, count: usize) -> Result<()> {
    let mut watch = house.watch();
    let (started, seen) = tokio::join!(
        house.start_many("endless", count),
        watch.count("AttemptStarted", count)
    );
    started.and(seen)
}

async fn memory(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let house = House::open(folder, Arc::new(Endless)).await?;
    house.define("endless", lanes(ACTIVITIES, 1)).await?;
    let mut rows = Vec::new();
    let mut resident = Vec::new();
    let mut running = 0;
    for target in [1, 100, size.of(10_000)] {
        fill(&house, target - running).await?;
        running = target;
        let now = resident_kib()?;
        resident.push((target, now));
        rows.push(Row::plain(
            format!("memory with {target} releases of {ACTIVITIES} running"),
            now / 1_024.0,
            "MiB",
        ));
    }
    house.close().await;
    let [_, (few, before), (many, after)] = resident[..] else {
        bail!("three sizes are measured")
    };
    let each = (after - before) / (many - few) as f64;
    rows.push(Row::aimed(
        "memory per running release",
        each,
        "KiB",
        Goal::AtMost(25.0),
    ));
    Ok(rows)
}

async fn cold_empty(folder: &Path, begun: Instant) -> Result<Vec<Row>> {
    // The first start makes the files; it is the second one that counts.
    House::open(&folder.join("empty"), prompt())
        .await?
        .close()
        .await;
    let made = begun.elapsed();
    let house = House::open(&folder.join("empty"), prompt()).await?;
    let ready = begun.elapsed() - made;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = resident_kib()? / 1_024.0;
    house.close().await;
    Ok(vec![
        Row::plain("first start to ready, no files yet", millis(made), "ms"),
        Row::aimed(
            "cold start to ready, empty",
            millis(ready),
            "ms",
            Goal::AtMost(60.0),
        ),
        Row::aimed("memory when idle", idle, "MiB", Goal::AtMost(40.0)),
    ])
}

async fn cold_prepare(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let house = House::open(&folder.join("full"), Arc::new(Endless)).await?;
    house.define("endless", lanes(ACTIVITIES, 1)).await?;
    fill(&house, size.of(10_000)).await?;
    house.close().await;
    Ok(Vec::new())
}

async fn cold_full(folder: &Path, size: Size, begun: Instant) -> Result<Vec<Row>> {
    let house = House::open(&folder.join("full"), Arc::new(Endless)).await?;
    let ready = begun.elapsed();
    house.close().await;
    let what = format!(
        "cold start to ready, {} releases in flight",
        size.of(10_000)
    );
    Ok(vec![Row::aimed(
        what,
        millis(ready),
        "ms",
        Goal::AtMost(2_000.0),
    )])
}

/// How much memory this process holds.
fn resident_kib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("`/proc/self/status`")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("`VmRSS`")?;
    let number = line.trim().trim_end_matches("kB").trim();
    number
        .parse()
        .with_context(|| format!("a number of KiB, not `{number}`"))
}
