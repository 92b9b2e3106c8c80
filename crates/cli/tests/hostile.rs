//! Malformed and hostile definitions are refused quickly and clearly, while other clients go on.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Options, Server};

/// How long a refusal may take on a slow machine with a debug build; what is hostile would take for ever.
const QUICKLY: Duration = Duration::from_secs(10);

/// Sends a body as YAML and answers status and problem; a connection that the server closes is status 0.
fn apply(server: &Server, body: Vec<u8>) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let request = reqwest::Client::new()
            .post(format!("{}/api/v1/apply", server.url))
            .bearer_auth(&server.admin_token)
            .header("content-type", "application/yaml")
            .body(body);
        let Ok(response) = request.send().await else {
            return (0, Value::Null);
        };
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    })
}

fn process(phases: &str) -> Vec<u8> {
    format!("apiVersion: trainmaster.dev/v1\nkind: Process\nmetadata: {{name: hostile}}\nspec:\n  phases:\n{phases}\n")
        .into_bytes()
}

fn bomb() -> Vec<u8> {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let list = vec![before; 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    text.into_bytes()
}

/// What is sent, and a word that the refusal must hold.
fn documents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let activity = |rest: &str| {
        process(&format!(
            "    - id: a\n      activities: [{{id: x, uses: command, with: {{run: [x]}}{rest}}}]"
        ))
    };
    let nested = |open: &str, close: &str| {
        format!("{}{}", open.repeat(100_000), close.repeat(100_000)).into_bytes()
    };
    vec![
        ("yaml bomb", bomb(), "unfold"),
        ("100,000 levels of YAML", nested("[", "]"), "nest"),
        (
            "100,000 levels of JSON",
            [b"{\"a\":".repeat(100_000), b"1".to_vec()].concat(),
            "nest",
        ),
        (
            "cyclic dependencies",
            process(
                "    - {id: a, dependsOn: [b], activities: [{id: x, uses: command, with: {run: [x]}}]}\n    - {id: b, dependsOn: [a], activities: [{id: x, uses: command, with: {run: [x]}}]}",
            ),
            "a → b → a",
        ),
        (
            "expression bomb",
            activity(&format!(", when: \"{}true\"", "true && ".repeat(200_000))),
            "longer",
        ),
        ("duplicate keys", activity(", uses: http"), "there twice"),
        ("unknown field", activity(", uzes: http"), "did you mean"),
        ("no text at all", vec![0xff, 0xfe, 0x00, 0x80], "UTF-8"),
    ]
}

/// Says that it is over when it goes out of scope, a failed assertion included.
struct Told<'a>(&'a AtomicBool);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn hostile_definitions_are_refused_quickly_while_others_go_on() {
    let server = Server::start(Options::default());
    let (over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                let answer = server.api("GET", "/whoami", None);
                slowest = slowest.max(start.elapsed());
                assert_eq!(answer.status, 200, "another client is served");
                asked.fetch_add(1, Ordering::Relaxed);
            }
            slowest
        });
        // However this ends, the other client is told.
        let _told = Told(&over);
        let mut unclear = Vec::new();
        for (what, body, word) in documents() {
            let start = Instant::now();
            let (status, problem) = apply(&server, body);
            assert!(
                start.elapsed() < QUICKLY,
                "{what} took {:?}",
                start.elapsed()
            );
            assert!(
                matches!(status, 400 | 413 | 422),
                "{what}: {status} {problem}"
            );
            let text = problem.to_string();
            if !text.to_lowercase().contains(&word.to_lowercase()) {
                unclear.push(format!("{what} does not say `{word}`: {text}"));
            }
        }
        assert!(unclear.is_empty(), "{}", unclear.join("\n"));
        let start = Instant::now();
        let (status, problem) = apply(&server, vec![b'x'; 100 * 1024 * 1024]);
        assert!(
            start.elapsed() < QUICKLY,
            "100 MB took {:?}",
            start.elapsed()
        );
        // The server may answer, or hang up on a client that goes on sending.
        assert!(matches!(status, 0 | 413), "{status} {problem}");
        over.store(true, Ordering::Relaxed);
        let slowest = other.join().expect("the other client went on");
        assert!(
            asked.load(Ordering::Relaxed) > 10,
            "the other client asked all the time"
        );
        assert!(slowest < QUICKLY, "the slowest answer took {slowest:?}");
    });
    let kept = server.cli(&["get", "process", "-o", "json"]).json();
    assert_eq!(
        kept["items"].as_array().map(Vec::len),
        Some(0),
        "nothing of it was kept"
    );
}
