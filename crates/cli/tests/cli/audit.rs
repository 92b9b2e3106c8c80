//! The audit trail on the command line: what is found, what is signed, what was refused.

use serde_json::Value;

use super::{create, offline, server, server_with_processes};
use crate::support::Server;

fn file(server: &Server, name: &str, text: &str) -> String {
    server.file(name, text)
}

#[test]
fn a_journal_whose_tail_was_cut_off_is_found_with_the_public_key_alone() {
    let server = server_with_processes();
    create(&server, &["--process", "train", "--input", "version=1.0.0"]);
    let signed = server.cli(&["audit", "checkpoint"]).ok();
    create(&server, &["--process", "train", "--input", "version=1.1.0"]);
    let again = server.cli(&["audit", "checkpoint"]).ok();
    assert_ne!(signed, again);
    let journal = server.cli(&["audit", "export"]).ok();
    let checkpoints = server.cli(&["audit", "checkpoints"]).ok();
    assert!(checkpoints.contains(signed.trim()), "{checkpoints}");
    let key = server.cli(&["audit", "key"]).ok().trim().to_owned();
    let verify = |journal: &str, checkpoints: &str, key: &str| {
        let journal = file(&server, "journal.jsonl", journal);
        let checkpoints = file(&server, "checkpoints.jsonl", checkpoints);
        offline(&[
            "audit",
            "verify",
            &journal,
            "--checkpoints",
            &checkpoints,
            "--key",
            key,
        ])
    };
    let good = verify(&journal, &checkpoints, &key).ok();
    assert!(good.contains("signed checkpoints are met"), "{good}");

    // Without its tail the journal is whole by itself; the checkpoint knows better.
    let lines: Vec<&str> = journal.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    let whole = file(&server, "cut.jsonl", &cut);
    offline(&["audit", "verify", &whole]).ok();
    let found = verify(&cut, &checkpoints, &key);
    assert_eq!(found.code, Some(1), "{}", found.shown());
    assert!(
        found.stderr.contains("its tail was cut off"),
        "{}",
        found.stderr
    );

    // A checkpoint of another key, or one that was changed, is worth nothing.
    let other = verify(&journal, &checkpoints, &"0".repeat(64));
    assert!(
        other.stderr.contains("not signed by this key"),
        "{}",
        other.stderr
    );
    let position = checkpoints.replacen("\"position\":", "\"position\":1", 1);
    let forged = verify(&journal, &position, &key);
    assert_eq!(forged.code, Some(1), "{}", forged.shown());

    let verdict: Value = server.cli(&["audit", "verify", "-o", "json"]).json();
    assert_eq!(verdict["intact"], true);
    assert!(verdict["checkpoints"].as_u64() >= Some(2), "{verdict}");
}

#[test]
fn the_audit_trail_is_searched_by_person_object_kind_and_time() {
    let server = server_with_processes();
    let id = create(&server, &["--process", "train", "--input", "version=1.0.0"]);
    let edit = ["release", "edit", &id, "--name", "Train of the week"];
    server.cli(&edit).ok();
    let list = |args: &[&str]| -> Vec<String> {
        let args = [&["audit", "list", "-o", "json"], args].concat();
        let found: Value = server.cli(&args).json();
        let items = found["items"].as_array().cloned().unwrap_or_default();
        let kind = |item: &Value| item["type"].as_str().unwrap_or_default().to_owned();
        items.iter().map(kind).collect()
    };
    assert_eq!(list(&["--object", "process/train"]), ["ResourceApplied"]);
    let release = format!("release/{id}");
    assert_eq!(
        list(&["--object", &release]),
        ["ReleaseEdited", "ReleaseCreated"]
    );
    assert_eq!(list(&["--object", "token/tok-0001"]), ["TokenIssued"]);
    assert!(list(&["--to", "2001-01-01T00:00:00Z"]).is_empty());
    assert!(!list(&["--from", "2001-01-01T00:00:00Z"]).is_empty());
    assert!(list(&["--user", "nobody"]).is_empty());
    let wrong = server.cli(&["audit", "list", "--object", "train"]);
    assert!(
        wrong.stderr.contains("process/payments/train"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_record_shows_what_was_there_before_and_after() {
    let server = server_with_processes();
    let id = create(&server, &["--process", "train", "--input", "version=1.0.0"]);
    server
        .cli(&["release", "edit", &id, "--name", "Train of the week"])
        .ok();
    let shown = newest(&server, "ReleaseEdited");
    assert!(shown.contains("→ \"Train of the week\""), "{shown}");
    let train = super::TRAIN.replace("default: 2", "default: 3");
    let changed = server.file("changed.yaml", &train);
    server.cli(&["apply", "-f", &changed]).ok();
    let shown = newest(&server, "ResourceApplied");
    assert!(shown.contains("default: 2 → 3"), "{shown}");
}

/// The newest record of a kind, as `audit show` prints it.
fn newest(server: &Server, kind: &str) -> String {
    let list = ["audit", "list", "--type", kind, "-o", "json"];
    let found: Value = server.cli(&list).json();
    let position = found["items"][0]["position"].to_string();
    server.cli(&["audit", "show", &position]).ok()
}

#[test]
fn who_asks_for_more_than_one_may_is_written_down() {
    let server = server();
    let token = server.cli(&[
        "token",
        "create",
        "--user",
        "vera",
        "--role",
        "viewer",
        "--expires",
        "30d",
    ]);
    let token = token.ok().trim().to_owned();
    let file = server.file("train.yaml", super::TRAIN);
    server.cli(&["apply", "-f", &file]).ok();
    let create = [
        "release",
        "create",
        "--process",
        "train",
        "--input",
        "version=1.0.0",
    ];
    let refused = server.cli_as(&token, &create, "");
    assert_eq!(refused.code, Some(3), "{}", refused.shown());
    let newest = || -> Value {
        let found: Value = server
            .cli(&["audit", "list", "--user", "vera", "-o", "json"])
            .json();
        found["items"][0].clone()
    };
    let denied = newest();
    assert_eq!(denied["type"], "OperationDenied", "{denied}");
    assert_eq!(denied["data"]["operation"], "CreateRelease");
    let refused = server.cli_as(&token, &["token", "revoke", "tok-0001"], "");
    assert_eq!(refused.code, Some(3), "{}", refused.shown());
    let denied = newest();
    assert_eq!(denied["data"]["operation"], "RevokeToken", "{denied}");
    // Looking at what is not for everybody is written down as well.
    let looked = server.cli_as(&token, &["audit", "export"], "");
    assert_eq!(looked.code, Some(3), "{}", looked.shown());
    let operation = &newest()["data"]["operation"];
    assert_eq!(operation, "GET /api/v1/audit/export");
}
