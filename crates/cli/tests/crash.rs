//! A server that is killed at any point ends its releases as one that was never killed.
//!
//! The reference release has 3 phases, 12 activities and 2 approvals; it acts on a ledger file and on a
//! fake world that applies each keyed request once and remembers all of them.
//! The server is killed at every named point and at every sync to disk, and started again;
//! the person at the other end repeats what was not answered, under the same idempotency key.

#[path = "outgoing/mod.rs"]
mod outgoing;
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Server;
use support::keyed::{Keyed, keyed};
use support::world::FakeWorld;

const ACTIVITIES: usize = 12;

/// Named points, and at which of their passings the server dies.
const PASSINGS: [u32; 3] = [1, 4, 11];

fn process(world: &str, ledger: &str) -> Value {
    // The program is as idempotent as a good program is: it looks for its own key first.
    let book = format!(
        "echo run >> {ledger}.runs; grep -qxF \"$TRAINMASTER_KEY\" {ledger} || echo \"$TRAINMASTER_KEY\" >> {ledger}; echo place=$1 >> \"$TRAINMASTER_OUTPUT\""
    );
    let retry = json!({"maxAttempts": 20, "initialDelay": "50ms", "maxDelay": "200ms"});
    let command = |id: &str, after: &[&str]| {
        json!({"id": id, "uses": "command", "dependsOn": after, "onUnknown": "retry", "retry": retry,
               "with": {"run": ["sh", "-c", book, "book", id]}})
    };
    let request = |id: &str, after: &[&str]| {
        json!({"id": id, "uses": "http", "dependsOn": after, "onUnknown": "retry", "retry": retry,
               "with": {"method": "POST", "url": format!("{world}/apply/{id}"), "body": {"id": id}}})
    };
    let mut rollout = command("rollout", &[]);
    rollout["forEach"] = json!("${regions}");
    rollout["maxParallel"] = json!(2);
    rollout["with"]["run"][4] = json!("${item}");
    json!({
        "apiVersion": "trainmaster.dev/v1", "kind": "Process", "metadata": {"name": "reference"},
        "spec": {
            "inputs": [{"name": "regions", "type": "list", "default": ["eu", "us", "asia"]}],
            "phases": [
                {"id": "prepare", "activities": [
                    command("cut", &[]), command("build", &["cut"]), request("announce", &["cut"]),
                    {"id": "settle", "uses": "wait", "dependsOn": ["build"], "with": {"for": "50ms"}}]},
                {"id": "sign-off", "dependsOn": ["prepare"], "activities": [
                    {"id": "stakeholder", "uses": "approval", "with": {"approvers": ["user:anna"]}},
                    {"id": "qa", "uses": "approval", "with": {"approvers": ["user:ben"]}},
                    request("freeze", &["stakeholder", "qa"])]},
                {"id": "deploy", "dependsOn": ["sign-off"], "activities": [
                    rollout, request("smoke", &["rollout"]), command("report", &["smoke"])]}]}})
}

/// A server with people, the process, a ledger and a world.
struct Scene {
    server: Server,
    world: FakeWorld,
    ledger: PathBuf,
    people: BTreeMap<&'static str, String>,
    deaths: u32,
}

/// What the person was told, by idempotency key.
type Told = BTreeMap<&'static str, Keyed>;

impl Scene {
    fn set() -> Scene {
        let world = FakeWorld::start();
        let args = vec!["--allow-internal".to_owned(), "loopback".to_owned()];
        let server = Server::start(support::Options {
            args,
            ..Default::default()
        });
        let ledger = PathBuf::from(server.file("ledger", ""));
        let mut people = BTreeMap::new();
        for name in ["anna", "ben"] {
            let made = server.cli(&[
                "token", "create", "--user", name, "--role", "viewer", "-o", "json",
            ]);
            let token = made.json()["token"].as_str().expect("a token").to_owned();
            people.insert(name, token);
        }
        people.insert("admin", server.admin_token.clone());
        let document = process(&world.url, &ledger.display().to_string());
        let file = server.file("reference.json", &document.to_string());
        server.cli(&["apply", "-f", &file]).ok();
        Scene {
            server,
            world,
            ledger,
            people,
            deaths: 0,
        }
    }

    /// Posts under a key until there is an answer, starting the server again whenever it has died.
    fn post(
        &mut self,
        who: &str,
        path: &str,
        key: &'static str,
        body: &Value,
        told: &mut Told,
    ) -> Keyed {
        let token = self.people[who].clone();
        let answer = self.insist(|server| {
            let answer = keyed(&server.url, &token, path, key, body);
            matches!(answer.status, 200..=499).then_some(answer)
        });
        if answer.status < 300 {
            told.insert(key, answer.clone());
        }
        answer
    }

    fn insist<T>(&mut self, mut ask: impl FnMut(&Server) -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(answer) = ask(&self.server) {
                return answer;
            }
            assert!(
                Instant::now() < end,
                "no answer in time:\n{}",
                self.server.log()
            );
            if !self.server.answers() {
                self.server.restart();
                self.deaths += 1;
            }
            std::thread::park_timeout(Duration::from_millis(15));
        }
    }

    /// Plays the person: creates and starts the release, approves when asked, until the release has ended.
    fn play(&mut self) -> (Value, Told) {
        let mut told = Told::new();
        let wanted = json!({"process": "reference", "start": true});
        let created = self.post("admin", "/releases", "create", &wanted, &mut told);
        assert_eq!(created.status, 201, "{}", created.body);
        let created: Value = serde_json::from_str(&created.body).expect("JSON");
        let id = created["id"].as_str().expect("an id").to_owned();
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            assert!(
                Instant::now() < end,
                "the release does not end:\n{}",
                self.server.log()
            );
            let admin = self.people["admin"].clone();
            let view = self.insist(|server| {
                let answer = server.api_as(&admin, "GET", &format!("/releases/{id}"), None);
                (answer.status == 200).then_some(answer.body)
            });
            match view["status"].as_str().expect("a status") {
                "Success" | "Failed" | "PartialSuccess" | "Aborted" => return (view, told),
                "OnHold" => {
                    for (who, activity, key) in [
                        ("anna", "stakeholder", "anna-approves"),
                        ("ben", "qa", "ben-approves"),
                    ] {
                        if !told.contains_key(key) {
                            let path =
                                format!("/releases/{id}/activities/sign-off/{activity}/approve");
                            self.post(who, &path, key, &json!({}), &mut told);
                        }
                    }
                }
                _ => std::thread::park_timeout(Duration::from_millis(15)),
            }
        }
    }

    /// What must hold at the end, however often the server died.
    fn check(&mut self, release: &Value, told: &Told, what: &str) {
        assert_eq!(release["status"], "Success", "{what}: {release}");
        let id = release["id"].as_str().expect("an id");
        let admin = self.people["admin"].clone();
        let activities = self.insist(|server| {
            let answer = server.api_as(
                &admin,
                "GET",
                &format!("/releases/{id}/activities?limit=500"),
                None,
            );
            (answer.status == 200).then_some(answer.body)
        });
        let items = activities["items"].as_array().expect("a list");
        let run: Vec<&Value> = items
            .iter()
            .filter(|item| item["path"] != "deploy/rollout")
            .collect();
        assert_eq!(run.len(), ACTIVITIES, "{what}: {activities}");
        for activity in &run {
            assert_eq!(activity["status"], "Success", "{what}: {activity}");
        }
        // Every acknowledged command is there, and repeating it gives the first answer, byte by byte.
        assert_eq!(told.len(), 3, "{what}: created and approved twice");
        for (key, first) in told {
            let (who, path, body) = match *key {
                "create" => (
                    "admin",
                    "/releases".to_owned(),
                    json!({"process": "reference", "start": true}),
                ),
                "anna-approves" => (
                    "anna",
                    format!("/releases/{id}/activities/sign-off/stakeholder/approve"),
                    json!({}),
                ),
                _ => (
                    "ben",
                    format!("/releases/{id}/activities/sign-off/qa/approve"),
                    json!({}),
                ),
            };
            let again = self.post(who, &path, key, &body, &mut Told::new());
            assert_eq!(&again, first, "{what}: the answer under `{key}`");
        }
        let all = self.server.cli(&["release", "list", "-o", "json"]).json();
        assert_eq!(
            all["items"].as_array().map(Vec::len),
            Some(1),
            "{what}: one release was created"
        );
        // No keyed effect was applied twice, and each was applied.
        let book = std::fs::read_to_string(&self.ledger).expect("the ledger");
        let mut lines: Vec<&str> = book.lines().collect();
        lines.sort_unstable();
        let entries = lines.len();
        lines.dedup();
        assert_eq!(
            (lines.len(), entries),
            (6, 6),
            "{what}: each command is booked once\n{book}"
        );
        assert_eq!(
            self.world.applied(),
            ["announce", "freeze", "smoke"],
            "{what}"
        );
        self.server.cli(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_release_that_is_never_disturbed_runs_each_attempt_once() {
    let mut scene = Scene::set();
    let (release, told) = scene.play();
    scene.check(&release, &told, "undisturbed");
    let runs =
        std::fs::read_to_string(format!("{}.runs", scene.ledger.display())).expect("the runs");
    assert_eq!(runs.lines().count(), 6);
    assert_eq!(scene.deaths, 0);
}

#[test]
fn killed_at_any_named_point_the_release_ends_as_it_would_have() {
    let points: Vec<&str> = trainmaster_engine::faults::POINTS
        .iter()
        .chain(&trainmaster_store::POINTS)
        .copied()
        .collect();
    assert!(points.len() >= 20, "at least 20 points: {points:?}");
    let faults: Vec<String> = points
        .iter()
        .flat_map(|point| {
            PASSINGS
                .iter()
                .map(move |passing| format!("{point}:{passing}"))
        })
        .collect();
    let struck = AtomicU32::new(0);
    in_two_lanes(&faults, |fault| {
        let mut scene = Scene::set();
        scene.server.restart_with_fault(fault);
        let (release, told) = scene.play();
        scene.check(&release, &told, fault);
        struck.fetch_add(scene.deaths.min(1), Ordering::Relaxed);
    });
    // Some points are passed less often than they are counted to; most must have struck.
    let struck = struck.into_inner() as usize;
    assert!(
        struck >= 20,
        "the server died in only {struck} of {} runs",
        faults.len()
    );
}

#[test]
fn killed_at_any_sync_to_disk_the_release_ends_as_it_would_have() {
    // Every thread and process under the server counts its own syncs; a run without a death is past the last one.
    let mut deaths = 0;
    for first in (1..).step_by(2) {
        let syncs = [first, first + 1];
        let died = AtomicU32::new(0);
        in_two_lanes(&syncs, |sync| {
            let mut scene = Scene::set();
            let inject = format!("inject=fsync,fdatasync:signal=SIGKILL:when={sync}");
            let tracer = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fsync,fdatasync",
                "-e",
                &inject,
            ];
            scene.server.restart_under(&tracer);
            let (release, told) = scene.play();
            scene.check(&release, &told, &format!("sync {sync}"));
            died.fetch_add(scene.deaths.min(1), Ordering::Relaxed);
        });
        match died.into_inner() {
            0 => break,
            some => deaths += some,
        }
    }
    assert!(
        deaths >= 20,
        "the reference release syncs at least 20 times, not {deaths}"
    );
}

/// Runs each case, two at a time: the machine that runs the tests has two cores.
fn in_two_lanes<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    run(case);
                }
            });
        }
    });
}
