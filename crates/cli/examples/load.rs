//! Measures how long people wait for pages while 1,000 releases run at once, on the real binary over HTTP.
//!
//! `cargo xtask bench load` builds both and runs it; `--releases N` changes how many.
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::Router;
use axum::routing::get;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What a page may take at the 99th percentile.
const GOAL: Duration = Duration::from_millis(100);
/// How many requests that create releases are under way at once.
const CREATORS: usize = 32;
/// How long pages are asked for.
const MEASURED: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let releases = std::env::args()
        .skip_while(|word| word != "--releases")
        .nth(1);
    let releases: usize = releases.map_or(Ok(1_000), |number| number.parse())?;
    let directory = tempfile::tempdir()?;
    let outside = outside_world().await?;
    let (mut process, client) = server(directory.path()).await?;
    client.post("/apply", &definition(&outside)).await?;
    let wanted = json!({"process": "load", "start": true});
    let start = Instant::now();
    let ids: Vec<String> = futures::stream::iter(0..releases)
        .map(|_| client.post("/releases", &wanted))
        .buffer_unordered(CREATORS)
        .map(|created| Ok(created?["id"].as_str().context("an id")?.to_owned()))
        .collect::<Vec<anyhow::Result<String>>>()
        .await
        .into_iter()
        .collect::<anyhow::Result<_>>()?;
    println!(
        "{releases} releases created and started in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let (mut list, mut explain, mut show) = (
        Times::new("list of 50"),
        Times::new("explain"),
        Times::new("release page"),
    );
    let end = Instant::now() + MEASURED;
    let mut next = 0;
    while Instant::now() < end {
        let id = &ids[next % ids.len()];
        list.measure(client.get("/releases?limit=50")).await?;
        explain
            .measure(client.get(&format!("/releases/{id}/explain")))
            .await?;
        show.measure(client.get(&format!("/releases/{id}"))).await?;
        next += 7;
    }
    let running = client.get("/releases?status=Running&limit=1").await?;
    let still = running["items"]
        .as_array()
        .is_some_and(|items| !items.is_empty());
    println!(
        "{:<14} {:>8} {:>10} {:>10} {:>10}  goal p99 {} ms",
        "page",
        "asked",
        "p50 ms",
        "p99 ms",
        "max ms",
        GOAL.as_millis()
    );
    for times in [list, explain, show] {
        times.print();
    }
    println!(
        "releases still running at the end: {}",
        if still { "yes" } else { "no" }
    );
    process.kill().await?;
    Ok(())
}

/// Twelve activities: requests that are answered at once, and waits that keep the release running.
fn definition(outside: &str) -> Value {
    let request = |id: &str, after: &[&str]| json!({"id": id, "uses": "http", "dependsOn": after, "with": {"url": outside}});
    let wait = |id: &str, after: &[&str], length: &str| json!({"id": id, "uses": "wait", "dependsOn": after, "with": {"for": length}});
    let phase = |id: &str, after: &[&str]| {
        json!({"id": id, "dependsOn": after, "activities": [
            request("begin", &[]), wait("soak", &["begin"], "5s"), request("check", &["soak"]), wait("rest", &["check"], "5s")]})
    };
    json!({"apiVersion": "trainmaster.dev/v1", "kind": "Process", "metadata": {"name": "load"},
           "spec": {"phases": [phase("one", &[]), phase("two", &["one"]), phase("three", &["two"])]}})
}

async fn outside_world() -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", get(|| async { "ok" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn server(directory: &std::path::Path) -> anyhow::Result<(Child, Client)> {
    let mut process = Command::new(binary()?)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--allow-internal",
            "loopback",
            "--data-dir",
        ])
        .arg(directory.join("data"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(process.stderr.take().context("piped")?).lines();
    let (mut token, mut url) = (None, None);
    while token.is_none() || url.is_none() {
        let Some(line) = lines.next_line().await? else {
            bail!("the server did not start")
        };
        token = token.or(line
            .split_once("administrator token: ")
            .map(|(_, token)| token.trim().to_owned()));
        url = url.or(line
            .split_once("listening on ")
            .map(|(_, url)| url.trim().to_owned()));
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let client = Client {
        http: reqwest::Client::new(),
        base: format!("{}/api/v1", url.context("an address")?),
        token: token.context("a token")?,
    };
    Ok((process, client))
}

/// The server's binary, which is built beside this program.
fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own
        .parent()
        .and_then(std::path::Path::parent)
        .context("a target folder")?;
    let binary = folder.join("trainmaster");
    if !binary.exists() {
        bail!(
            "`{}` is not built; run `cargo xtask bench load`",
            binary.display()
        );
    }
    Ok(binary)
}

struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self
            .http
            .get(format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        answer(request).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        loop {
            let request = self
                .http
                .post(format!("{}{path}", self.base))
                .bearer_auth(&self.token);
            let response = request.json(body).send().await?;
            // A full queue or a rate limit says when to come back.
            if matches!(response.status().as_u16(), 429 | 503) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            return Ok(response.error_for_status()?.json().await?);
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    Ok(request.send().await?.error_for_status()?.json().await?)
}

struct Times {
    what: &'static str,
    taken: Vec<Duration>,
}

impl Times {
    fn new(what: &'static str) -> Times {
        Times {
            what,
            taken: Vec::new(),
        }
    }

    async fn measure(
        &mut self,
        page: impl Future<Output = anyhow::Result<Value>>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        page.await?;
        self.taken.push(start.elapsed());
        Ok(())
    }

    fn print(mut self) {
        self.taken.sort();
        let at = |share: f64| {
            self.taken[((self.taken.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
        };
        let met = if at(0.99) <= GOAL.as_secs_f64() * 1000.0 {
            "met"
        } else {
            "NOT MET"
        };
        println!(
            "{:<14} {:>8} {:>10.1} {:>10.1} {:>10.1}  {met}",
            self.what,
            self.taken.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
