//! What people see on the command line: the real binary against a real server.

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/signin.rs"]
mod signin;
mod support;
#[path = "cli/trace.rs"]
mod trace;

use serde_json::{Value, json};
use support::{Options, Output, Server, command, run};

/// A process with one step of each kind that a person meets.
const TRAIN: &str = r#"apiVersion: trainmaster.dev/v1
kind: Process
metadata:
  name: train
  description: A small train
  labels: {team: platform}
spec:
  inputs:
    - {name: version, type: string, required: true, pattern: '^\d+\.\d+\.\d+$', description: Version to deliver}
    - {name: replicas, type: number, default: 2}
  phases:
    - id: build
      activities:
        - id: compile
          uses: command
          with: {run: [sh, -c, 'echo "building $0"; echo "artifact=app-$0" >> "$TRAINMASTER_OUTPUT"', "${version}"]}
          outputs: {artifact: "${result.outputs.artifact}"}
    - id: sign-off
      dependsOn: [build]
      activities:
        - {id: qa, uses: approval, with: {approvers: [role:administrator], message: Look at the build}}
    - id: deploy
      dependsOn: [sign-off]
      activities:
        - {id: rollout, uses: command, with: {run: [sh, -c, 'echo "rolling out $0 times"', "${replicas}"]}}
"#;

/// A process that fails until somebody says that it works.
const SHAKY: &str = r#"apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: shaky}
spec:
  variables: {code: 7}
  phases:
    - id: deploy
      activities:
        - {id: rollout, uses: command, with: {run: [sh, -c, 'echo "exit $0"; exit $0', "${code}"]}}
"#;

/// A process that asks people for everything.
const PEOPLE: &str = r#"apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: people}
spec:
  phases:
    - id: ask
      activities:
        - id: window
          uses: input
          with:
            message: When may we deploy?
            fields:
              - {name: hour, type: number, required: true, min: 0, max: 23}
              - {name: code, type: string, default: none}
        - id: checklist
          uses: tasks
          dependsOn: [window]
          with: {tasks: [{id: docs, title: Documents are ready}, {id: news, title: Customers know}]}
        - {id: vote, uses: approval, dependsOn: [checklist], with: {approvers: [role:administrator]}}
"#;

fn offline(args: &[&str]) -> Output {
    offline_with_input(args, "")
}

fn offline_with_input(args: &[&str], input: &str) -> Output {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = command(home.path());
    command.args(args);
    run(command, input)
}

/// Snapshots in which everything that changes from run to run has a name instead of its value.
macro_rules! assert_shown {
    ($name:expr, $text:expr) => {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        let temporary = std::env::temp_dir()
            .display()
            .to_string()
            .replace('.', r"\.");
        settings.add_filter(&format!(r"{temporary}/[^\s:`]*/"), "[dir]/");
        for (pattern, name) in [
            (r"127\.0\.0\.1:\d{4,5}", "[address]"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
            (r"\((now|(\d+[smhd])+ ago)\)", "([age])"),
            (r"\bin (\d+[smhd])+", "in [length]"),
            (r"  +(now|(\d+[smh])+( ago)?)\b", "  [length]"),
            (r"[0-9a-f]{64}", "[digest]"),
            (r"[0-9a-f]{16}\b", "[short digest]"),
            (r"tm_[0-9A-Za-z]{20,}", "[token]"),
            // How wide a column is depends on what time has put into it.
            (r"(\S) {2,}", "$1  "),
            (r"(?m) +$", ""),
        ] {
            settings.add_filter(pattern, name);
        }
        settings.bind(|| insta::assert_snapshot!($name, $text));
    };
}

fn server() -> Server {
    Server::start(Options::default())
}

/// A server that knows the two processes.
fn server_with_processes() -> Server {
    let server = server();
    let file = server.file("processes/train.yaml", TRAIN);
    let directory = file.trim_end_matches("/train.yaml").to_owned();
    server.file("processes/shaky.yaml", SHAKY);
    server.cli(&["apply", "-f", &directory]).ok();
    server
}

fn create(server: &Server, args: &[&str]) -> String {
    let args = [&["release", "create", "-o", "json"], args].concat();
    let release = server.cli(&args).json();
    release["id"].as_str().expect("an id").to_owned()
}

#[test]
fn the_help_names_every_verb() {
    assert_shown!("help", offline(&["--help"]).ok());
    assert_shown!("help-release", offline(&["release", "--help"]).ok());
    assert_shown!("help-activity", offline(&["activity", "--help"]).ok());
    assert_shown!(
        "help-release-create",
        offline(&["release", "create", "--help"]).ok()
    );
    assert_shown!("help-serve", offline(&["serve", "--help"]).ok());
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    assert_eq!(offline(&["relaese"]).code, Some(2));
    assert_eq!(offline(&["release", "abort", "rel-00000001"]).code, Some(2));
    assert_eq!(offline(&["get", "unicorn"]).code, Some(2));
    assert_shown!("wrong-kind", offline(&["schema", "unicorn"]).shown());
}

#[test]
fn completion_covers_the_verbs() {
    let script = offline(&["completion", "bash"]).ok();
    for word in ["release", "activity", "_trainmaster()"] {
        assert!(script.contains(word), "{word}");
    }
    offline(&["completion", "zsh"]).ok();
}

#[test]
fn definitions_are_checked_without_a_server() {
    let good = offline_with_input(&["validate", "-f", "-"], TRAIN);
    assert_eq!(
        good.clone().ok(),
        "Process/train is valid\n",
        "{}",
        good.stderr
    );
    let bad = TRAIN
        .replace("dependsOn: [build]", "dependson: [build]")
        .replace("type: number", "typ: number");
    let refused = offline_with_input(&["validate", "-f", "-"], &bad);
    assert_eq!(refused.code, Some(3));
    assert_shown!("validate-refused", refused.shown());
    let parsed: Value = serde_json::from_str(
        &offline_with_input(&["validate", "-f", "-", "-o", "json"], &bad).stdout,
    )
    .expect("JSON");
    assert_eq!(parsed["valid"], json!(false));
    assert!(
        parsed["problems"]
            .as_array()
            .is_some_and(|problems| problems.len() >= 2)
    );
}

#[test]
fn the_schema_of_a_kind_is_printed_for_editors() {
    let schema = offline(&["schema", "process"]).json();
    assert!(
        schema["$schema"]
            .as_str()
            .is_some_and(|dialect| dialect.contains("2020-12"))
    );
    assert_eq!(offline(&["schema", "Process"]).json(), schema);
}

#[test]
fn the_configuration_comes_from_file_environment_and_flags() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("server.yaml");
    std::fs::write(
        &file,
        "listen: 127.0.0.1:9000\nlogFormat: json\npublicUrl: https://file\n",
    )
    .expect("written");
    let mut command = command(home.path());
    command
        .args([
            "serve",
            "--print-config",
            "--public-url",
            "https://flag",
            "--config",
        ])
        .arg(&file);
    command
        .env("TRAINMASTER_LISTEN", "127.0.0.1:9001")
        .env("TRAINMASTER_PUBLIC_URL", "https://env");
    assert_shown!("print-config", run(command, "").ok());
}

#[test]
fn a_server_lets_its_first_administrator_in_once() {
    let mut server = server();
    assert!(server.admin_token.starts_with("tm_"));
    assert_shown!("whoami", server.cli(&["whoami"]).ok());
    assert_eq!(server.stop().code(), Some(0));
    server.restart();
    assert!(
        !server.log().contains("administrator token"),
        "{}",
        server.log()
    );
    server.cli(&["whoami"]).ok();
}

#[test]
fn a_first_administrator_who_was_never_told_the_token_gets_another_one() {
    let mut server = Server::start(Options {
        fault: Some("reply.before:1".to_owned()),
        ..Options::default()
    });
    server.wait_until_it_dies();
    assert_eq!(
        server.admin_token, "",
        "it died between issuing and printing"
    );
    server.restart();
    let tokens = server.cli(&["token", "list"]).ok();
    let valid = tokens.lines().filter(|line| line.contains("yes")).count();
    assert_eq!(valid, 1, "the token that nobody knows is revoked: {tokens}");
    server.restart();
    assert!(
        !server.log().contains("administrator token"),
        "{}",
        server.log()
    );
}

#[test]
fn a_data_directory_belongs_to_one_server() {
    let server = server();
    let directory = server.data_dir.display().to_string();
    let second = server.cli_alone(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", &directory],
        "",
    );
    assert_eq!(second.code, Some(1));
    assert_shown!("second-server", second.shown());
}

#[test]
fn postgresql_is_refused_with_a_clear_text() {
    let refused = offline(&["serve", "--database", "postgres://localhost/trains"]);
    assert_eq!(refused.code, Some(2));
    assert_shown!("postgresql", refused.shown());
}

#[test]
fn signing_in_remembers_the_server_for_the_next_command() {
    let server = server();
    let signed_in = server.cli_alone(&["login", &server.url], &server.admin_token);
    assert_shown!("login", signed_in.shown());
    assert_shown!(
        "context-list",
        server.cli_alone(&["context", "list"], "").ok()
    );
    let whoami = server.cli_alone(&["whoami", "-o", "json"], "").json();
    assert_eq!(whoami["token"]["user"], json!("admin"));
    let shown = server.cli_alone(&["context", "show"], "").ok();
    assert!(!shown.contains("tm_"), "{shown}");
    let wrong = server.cli_alone(&["login", &server.url], "tm_wrong");
    assert_eq!(wrong.code, Some(3), "{}", wrong.shown());
}

#[test]
fn a_missing_server_is_said_with_a_hint() {
    let nobody = offline(&[
        "whoami",
        "--server",
        "http://127.0.0.1:9",
        "--token",
        "tm_x",
    ]);
    assert_eq!(nobody.code, Some(1));
    assert!(
        nobody.stderr.contains("cannot be reached"),
        "{}",
        nobody.stderr
    );
    assert!(nobody.stderr.contains("\nhint: "), "{}", nobody.stderr);
}

#[test]
fn definitions_are_applied_compared_and_read_back() {
    let server = server();
    let file = server.file("train.yaml", TRAIN);
    let mut seen = String::new();
    let mut step = |args: &[&str]| {
        let output = server.cli(args);
        seen.push_str(&format!(
            "$ trainmaster {}\n{}\n",
            args.join(" "),
            output.shown()
        ));
        output
    };
    step(&["diff", "-f", &file]);
    step(&["apply", "-f", &file, "--dry-run"]);
    step(&["apply", "-f", &file]);
    step(&["apply", "-f", &file]);
    assert_eq!(step(&["diff", "-f", &file]).code, Some(0));
    server.file("train.yaml", &TRAIN.replace("default: 2", "default: 3"));
    assert_eq!(step(&["diff", "-f", &file]).code, Some(1));
    step(&["apply", "-f", &file]);
    step(&["get", "processes"]);
    step(&["get", "processes", "-l", "team=other"]);
    step(&["revisions", "process", "train"]);
    assert_eq!(
        step(&["revisions", "process", "train", "--diff", "1", "2"]).code,
        Some(1)
    );
    step(&["get", "process", "nothing"]);
    assert_shown!("definitions", seen);
}

#[test]
fn what_is_exported_can_be_applied_and_changes_nothing() {
    let server = server_with_processes();
    let exported = server.cli(&["export"]).ok();
    let again = server.cli_with_input(&["apply", "-f", "-"], &exported).ok();
    assert!(
        again.lines().all(|line| line.contains("unchanged")),
        "{again}"
    );
    assert_eq!(again.lines().count(), 2);
}

#[test]
fn a_refused_definition_names_file_and_line_of_each_problem() {
    let server = server();
    let good = server.file("set/a.yaml", SHAKY);
    let directory = good.trim_end_matches("/a.yaml").to_owned();
    server.file(
        "set/b.yaml",
        &TRAIN.replace("dependsOn: [build]", "dependson: [build]"),
    );
    let refused = server.cli(&["apply", "-f", &directory]);
    assert_eq!(refused.code, Some(3));
    assert_shown!("apply-refused", refused.shown());
    assert_eq!(
        server.cli(&["get", "processes", "-o", "name"]).ok(),
        "",
        "nothing was applied"
    );
}

#[test]
fn a_release_goes_from_its_creation_to_its_end() {
    let server = server_with_processes();
    let mut seen = String::new();
    let mut step = |args: &[&str]| {
        let output = server.cli(args);
        seen.push_str(&format!(
            "$ trainmaster {}\n{}\n",
            args.join(" "),
            output.shown()
        ));
        output
    };
    let invalid = [
        "release",
        "create",
        "--process",
        "train",
        "--input",
        "version=one",
        "--start",
    ];
    step(&invalid);
    let draft = [
        "release",
        "create",
        "--process",
        "train",
        "--name",
        "First train",
    ];
    step(&draft);
    step(&["release", "finalize", "1"]);
    let given = ["--input", "version=1.10.0", "--label", "week=47", "--start"];
    let id = create(
        &server,
        &[
            &["--process", "train", "--name", "Second train"],
            &given[..],
        ]
        .concat(),
    );
    let id = id.as_str();
    server.release_in(id, &["OnHold"]);
    step(&["release", "list"]);
    step(&["release", "show", "Second train"]);
    step(&["release", "explain", id]);
    step(&["inbox"]);
    step(&["activity", "list", id]);
    step(&["activity", "logs", id, "build/compile"]);
    let approval = [
        "activity",
        "approve",
        id,
        "sign-off/qa",
        "--comment",
        "looks good",
    ];
    let approved = server.cli(&[&approval[..], &["--wait", "--timeout", "1m"]].concat());
    assert_eq!(approved.ok(), format!("{id}  ✓ Success  Second train\n"));
    step(&["release", "show", id]);
    step(&["release", "archive", id]);
    step(&["release", "list"]);
    assert_shown!("release", seen);
}

#[test]
fn waiting_ends_with_the_release_and_tells_how_it_went() {
    let server = server_with_processes();
    let id = create(&server, &["--process", "shaky", "--start"]);
    server.release_in(&id, &["OnHold"]);
    let timeout = server.cli(&["release", "resume", &id, "--wait", "--timeout", "1s"]);
    assert_eq!(timeout.code, Some(3), "{}", timeout.shown());
    let fixed = server.cli(&[
        "activity",
        "retry",
        &id,
        "deploy/rollout",
        "--set",
        "code=0",
        "--reason",
        "flaky",
        "--wait",
        "--timeout",
        "1m",
    ]);
    assert_eq!(fixed.code, Some(0), "{}", fixed.shown());
    let id = create(&server, &["--process", "shaky", "--start"]);
    server.release_in(&id, &["OnHold"]);
    let watched = server.cli(&["release", "watch", &id, "--timeout", "1s"]);
    assert_eq!(watched.code, Some(4), "{}", watched.shown());
    let failed = server.cli(&[
        "activity",
        "fail",
        &id,
        "deploy/rollout",
        "--reason",
        "beyond repair",
        "--wait",
        "--timeout",
        "1m",
    ]);
    assert_eq!(failed.code, Some(5), "{}", failed.shown());
    let watched = server.cli(&["release", "watch", &id]);
    assert_eq!(watched.code, Some(5), "{}", watched.shown());
    assert!(
        watched.stdout.contains("ReleaseFinished"),
        "{}",
        watched.stdout
    );
    let events = server.cli(&["release", "watch", &id, "-o", "json"]).stdout;
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("an event per line");
        assert_eq!(event["release"], json!(id));
    }
}

#[test]
fn what_people_are_asked_is_answered_on_the_command_line() {
    let server = server();
    server.cli_with_input(&["apply", "-f", "-"], PEOPLE).ok();
    let id = create(&server, &["--process", "people", "--start"]);
    let activity = |args: &[&str]| server.cli(&[&["activity"], args].concat());
    let late = activity(&["submit", &id, "ask/window", "--set", "hour=25"]);
    assert_eq!(late.code, Some(3));
    assert!(
        late.stderr.contains("hour: the value must be at most 23"),
        "{}",
        late.stderr
    );
    // By its declared type the code stays a text and the hour is a number.
    activity(&[
        "submit",
        &id,
        "ask/window",
        "--set",
        "hour=5",
        "--set",
        "code=007",
    ])
    .ok();
    let outputs = activity(&["show", &id, "ask/window", "-o", "json"]).json()["outputs"].clone();
    assert_eq!(outputs, json!({"hour": 5, "code": "007"}));
    activity(&[
        "task",
        &id,
        "ask/checklist",
        "docs",
        "done",
        "--evidence",
        "https://docs/1",
    ])
    .ok();
    let shown = activity(&["show", &id, "ask/checklist"]).ok();
    assert!(shown.contains("DONE") && shown.contains("TODO"), "{shown}");
    activity(&["task", &id, "ask/checklist", "news", "done"]).ok();
    let rejected = activity(&["reject", &id, "ask/vote", "--comment", "not today"]).ok();
    assert!(rejected.contains("Failed, awaits a decision"), "{rejected}");
    let ignored = activity(&[
        "ignore",
        &id,
        "ask/vote",
        "--reason",
        "agreed by mail",
        "--wait",
    ]);
    assert_eq!(ignored.ok(), format!("{id}  ◐ PartialSuccess  people 1\n"));
    server
        .cli(&["release", "notes", &id, "--add", "tell the customers"])
        .ok();
    let notes = server.cli(&["release", "notes", &id]).ok();
    assert!(
        notes.contains("user:admin\n    tell the customers\n"),
        "{notes}"
    );
}

#[test]
fn a_release_is_planned_changed_and_started_early() {
    let server = server_with_processes();
    let planned = [
        "--process",
        "train",
        "--at",
        "2030-12-24T12:00[Europe/Berlin]",
        "--finalize",
    ];
    let id = create(
        &server,
        &[&planned[..], &["--input", "version=1.0.0"]].concat(),
    );
    let release = server.cli(&["get", "release", &id, "-o", "json"]).json();
    assert_eq!(release["status"], json!("Scheduled"));
    assert_eq!(release["startAt"], json!("2030-12-24T11:00:00Z"));
    let edit = |args: &[&str]| server.cli(&[&["release", "edit", &id], args].concat());
    edit(&[
        "--label",
        "week=52",
        "--label",
        "urgent",
        "--purpose",
        "before the holidays",
    ])
    .ok();
    edit(&["--label", "urgent-", "--at", "2030-12-23T12:00Z"]).ok();
    assert_eq!(edit(&[]).code, Some(2));
    assert_eq!(edit(&["--name", "Late", "--if-version", "1"]).code, Some(3));
    let release = server.cli(&["get", "release", &id, "-o", "json"]).json();
    assert_eq!(release["labels"], json!({"week": "52"}));
    assert_eq!(
        release["description"],
        json!({"purpose": "before the holidays"})
    );
    let listed = server
        .cli(&["release", "list", "-l", "week=52", "-o", "name"])
        .ok();
    assert_eq!(listed, format!("{id}\n"));
    assert_eq!(server.cli(&["release", "start", &id]).code, Some(3));
    let early = [
        "release",
        "pre-execute",
        &id,
        "--purpose",
        "calm day",
        "--input",
        "replicas=1",
    ];
    server.cli(&early).ok();
    let release = server.release_in(&id, &["OnHold"]);
    assert_eq!(release["inputs"]["replicas"]["value"], json!(1));
}

#[test]
fn somebody_who_waits_does_not_notice_that_the_server_dies_and_comes_back() {
    let mut server = server_with_processes();
    let id = create(
        &server,
        &["--process", "train", "--input", "version=1.0.0", "--start"],
    );
    server.release_in(&id, &["OnHold"]);
    let waiting = server.command(&["release", "watch", &id, "--timeout", "1m"]);
    let waiting = std::thread::spawn(move || run(waiting, ""));
    server.kill_9();
    server.restart();
    server
        .cli(&["activity", "approve", &id, "sign-off/qa"])
        .ok();
    let watched = waiting.join().expect("it ended");
    assert_eq!(watched.code, Some(0), "{}", watched.shown());
    for event in ["ReleaseCreated", "ApprovalDecided", "ReleaseFinished"] {
        let told = watched
            .stdout
            .lines()
            .filter(|line| line.contains(event))
            .count();
        assert_eq!(told, 1, "{event} in {}", watched.shown());
    }
}

#[test]
fn a_name_that_two_releases_have_is_not_guessed() {
    let server = server_with_processes();
    for _ in 0..2 {
        create(&server, &["--process", "shaky", "--name", "Twin"]);
    }
    let unclear = server.cli(&["release", "show", "Twin"]);
    assert_eq!(unclear.code, Some(2));
    assert_shown!("ambiguous", unclear.shown());
    assert_eq!(server.cli(&["release", "show", "Nobody"]).code, Some(1));
}

#[test]
fn what_cannot_be_taken_back_asks_first() {
    let server = server_with_processes();
    let id = create(&server, &["--process", "shaky", "--start"]);
    let refused = server.cli(&["release", "abort", &id, "--reason", "wrong one"]);
    assert_eq!(refused.code, Some(2), "{}", refused.shown());
    server.release_in(&id, &["OnHold"]);
    let aborted = server.cli(&[
        "release",
        "abort",
        &id,
        "--reason",
        "wrong one",
        "--yes",
        "--wait",
    ]);
    assert_eq!(aborted.code, Some(0), "{}", aborted.shown());
    server.release_in(&id, &["Aborted"]);
}

#[test]
fn a_narrower_token_may_less_and_is_told_so() {
    let server = server_with_processes();
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
    let viewer = |args: &[&str]| server.cli_as(&token, args, "");
    viewer(&["release", "list"]).ok();
    let refused = viewer(&["release", "create", "--process", "shaky"]);
    assert_eq!(refused.code, Some(3));
    assert_shown!("forbidden", refused.shown());
    assert_shown!("token-list", server.cli(&["token", "list"]).ok());
    server.cli(&["token", "revoke", "tok-0002"]).ok();
    assert_eq!(viewer(&["release", "list"]).code, Some(3));
}

#[test]
fn the_calendar_shows_conflicts_finds_free_slots_and_is_shared_as_a_feed() {
    let server = server_with_processes();
    let plan = |name: &str, at: &str, end: &str| {
        let (at, end) = (format!("2099-12-{at}:00Z"), format!("2099-12-{end}:00Z"));
        let args = [
            "--process",
            "shaky",
            "--finalize",
            "--label",
            "environment=production",
        ];
        create(
            &server,
            &[
                &args[..],
                &["--name", name, "--at", &at, "--expected-end", &end],
            ]
            .concat(),
        )
    };
    let first = plan("First", "07T10:00", "07T12:00");
    let second = plan("Second", "07T11:00", "07T13:00");
    let calendar = |args: &[&str]| server.cli(&[&["calendar"], args].concat());
    let december = ["--from", "2099-12-07", "--zone", "UTC"];
    let shown = calendar(&december).ok();
    let line = |text: &str, part: &str| {
        let found = text.lines().find(|line| line.contains(part));
        found
            .unwrap_or_else(|| panic!("`{part}` is shown: {text}"))
            .to_owned()
    };
    assert!(shown.starts_with("DAY"), "{shown}");
    let one = line(&shown, "First");
    assert!(one.starts_with("Mon 7 Dec"), "{one}");
    assert!(
        one.contains("10:00–12:00") && one.contains("Scheduled"),
        "{one}"
    );
    assert!(one.contains(&format!("✗ {second} (production)")), "{one}");
    let week = calendar(&[&december[..], &["--view", "week", "-o", "name"]].concat()).ok();
    assert_eq!(week, format!("{first}\n{second}\n"));
    let nothing = calendar(&[&december[..], &["--service", "cart"]].concat());
    assert!(
        nothing.stderr.contains("nothing takes place"),
        "{}",
        nothing.shown()
    );
    let json = calendar(&[&december[..], &["-o", "json"]].concat()).json();
    assert_eq!(json["items"][0]["mark"], "conflict");

    let check = calendar(&["check", &first, "--zone", "UTC", "--slots", "2"]).ok();
    assert!(check.contains("conflicts with 1 release(s)"), "{check}");
    assert!(check.contains("  Mon 7 Dec 2099 13:00–15:00"), "{check}");
    let free = [
        "check",
        "--environment",
        "production",
        "--at",
        "2099-12-08T10:00Z",
        "-o",
        "name",
    ];
    assert_eq!(calendar(&free).ok(), "free\n");
    let capacity = calendar(&[
        "capacity",
        "--from",
        "2099-12-07",
        "--to",
        "2099-12-14",
        "--zone",
        "UTC",
    ]);
    assert!(
        line(&capacity.ok(), "2099-12-07")
            .split_whitespace()
            .eq(["2099-12-07", "2", "2"])
    );

    let address = calendar(&["feed", "create", "--description", "phone"]).ok();
    assert!(
        address.contains("/api/v1/calendar.ics?token=tm_"),
        "{address}"
    );
    let feeds = calendar(&["feed", "list"]).ok();
    let id = line(&feeds, "phone")
        .split_whitespace()
        .next()
        .expect("an id")
        .to_owned();
    calendar(&["feed", "revoke", &id]).ok();
    assert!(calendar(&["feed", "list"]).stderr.contains("nothing found"));
}

#[test]
fn who_may_do_what_is_answered_with_its_reason() {
    let server = server_with_processes();
    let people = "apiVersion: trainmaster.dev/v1
kind: Organization
metadata: {name: payments}
spec: {title: Payments}
---
apiVersion: trainmaster.dev/v1
kind: Team
metadata: {name: leads, organization: payments}
spec: {members: [maria]}
---
apiVersion: trainmaster.dev/v1
kind: RoleBinding
metadata: {name: leads, organization: payments}
spec: {role: release-manager, subjects: [\"team:leads\"]}
";
    let admin = |args: &[&str]| server.cli(args);
    server
        .cli_as(&server.admin_token, &["apply", "-f", "-"], people)
        .ok();
    let ask = ["policy", "can-i", "release:start", "--as", "maria", "--org"];
    let ask = |place: &'static str| [&ask[..], &[place]].concat();
    assert_eq!(
        admin(&ask("payments")).ok().trim(),
        "yes: role binding `leads` gives `release-manager` to team:leads in organization `payments`"
    );
    let refused = admin(&ask("lending"));
    assert_eq!(refused.code, Some(3));
    assert!(
        refused
            .shown()
            .contains("no: no role grants `release:start` in organization `lending`"),
        "{}",
        refused.shown()
    );
    let roles = admin(&["policy", "list"]).ok();
    assert!(
        roles.contains("author") && roles.contains("definition:edit"),
        "{roles}"
    );
    for kind in ["organizations", "teams", "role-bindings"] {
        let listed = admin(&["get", kind, "-o", "name"]).ok();
        assert_eq!(listed.lines().count(), 1, "{kind}: {listed}");
    }
    let exported = admin(&["export", "role-bindings"]).ok();
    assert!(exported.contains("team:leads"), "{exported}");
    admin(&[
        "delete",
        "role-binding",
        "leads",
        "--org",
        "payments",
        "--yes",
    ]);
    assert_eq!(admin(&ask("payments")).code, Some(3));
}

#[test]
fn the_exported_journal_is_verified_without_a_server_and_every_change_is_found() {
    let server = server_with_processes();
    let id = create(&server, &["--process", "shaky", "--start"]);
    server.release_in(&id, &["OnHold"]);
    let journal = server.cli(&["audit", "export"]).ok();
    let good = offline_with_input(&["audit", "verify", "-"], &journal).ok();
    assert!(good.starts_with("intact: "), "{good}");
    server.cli(&["audit", "verify"]).ok();
    let lines: Vec<&str> = journal.lines().collect();
    let changed = journal.replace("shaky", "shady");
    let removed = [&lines[..2], &lines[3..]].concat().join("\n") + "\n";
    for (journal, position) in [(changed, None), (removed, Some(3))] {
        let found = offline_with_input(&["audit", "verify", "-"], &journal);
        assert_eq!(found.code, Some(1), "{}", found.shown());
        if let Some(position) = position {
            let text = format!("not intact at position {position}");
            assert!(found.stderr.contains(&text), "{}", found.stderr);
        }
    }
    assert_eq!(
        server
            .cli(&["audit", "list", "--release", &id, "-o", "name"])
            .ok()
            .lines()
            .count(),
        {
            let own = format!(
                "\"release\":{}",
                id.trim_start_matches("rel-").trim_start_matches('0')
            );
            lines.iter().filter(|line| line.contains(&own)).count()
        }
    );
}

#[test]
fn doctor_and_version_say_whether_everything_fits() {
    let server = server();
    assert_shown!("doctor", server.cli(&["doctor"]).shown());
    let version = server.cli(&["version", "-o", "json"]).json();
    assert_eq!(version["client"]["version"], version["server"]["version"]);
    let ill = offline(&["doctor", "--server", "http://127.0.0.1:9"]);
    assert_eq!(ill.code, Some(1));
}

#[test]
fn a_backup_holds_everything_and_is_put_back_into_an_empty_directory() {
    let mut server = server_with_processes();
    create(&server, &["--process", "shaky", "--name", "Kept"]);
    server.stop();
    let data = server.data_dir.display().to_string();
    let file = server
        .data_dir
        .with_file_name("backup.db")
        .display()
        .to_string();
    let restored = server
        .data_dir
        .with_file_name("restored")
        .display()
        .to_string();
    server.cli_alone(&["doctor", "--data-dir", &data], "").ok();
    server
        .cli_alone(&["backup", &file, "--data-dir", &data], "")
        .ok();
    assert_eq!(
        server
            .cli_alone(&["backup", &file, "--data-dir", &data], "")
            .code,
        Some(1)
    );
    server
        .cli_alone(&["restore", &file, "--data-dir", &restored], "")
        .ok();
    server.data_dir = restored.into();
    server.restart();
    let names = server.cli(&["release", "list"]).ok();
    assert!(names.contains("Kept"), "{names}");
}

/// It always holds: one window of a day after the other.
const FROZEN: &str = r#"apiVersion: trainmaster.dev/v1
kind: Freeze
metadata: {name: standstill, description: Nothing moves}
spec:
  reason: The books are being closed
  scope: {environments: [prod]}
  recurrence: {cadence: {every: daily}, startDate: 2024-01-01, startTime: "00:00", length: 24h}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: rollout}
spec:
  inputs: [{name: environment, type: string, default: prod}]
  phases:
    - id: deploy
      activities: [{id: act, uses: command, with: {run: [sh, -c, 'echo done']}}]
"#;

#[test]
fn a_freeze_is_seen_and_a_release_let_through() {
    let server = server();
    let file = server.file("frozen.yaml", FROZEN);
    server.cli(&["apply", "-f", &file]).ok();
    let listed = server.cli(&["freeze", "list"]).ok();
    assert!(
        listed.contains("standstill") && listed.contains("until "),
        "{listed}"
    );
    let active = server.cli(&["freeze", "active"]).ok();
    assert!(active.contains("environment prod") && active.contains("The books are being closed"));
    let windows = server
        .cli(&[
            "freeze",
            "windows",
            "standstill",
            "--to",
            "+50h",
            "-o",
            "name",
        ])
        .ok();
    assert_eq!(windows.lines().count(), 3, "{windows}");
    assert_eq!(server.cli(&["freeze", "windows", "nothing"]).code, Some(1));

    let id = create(&server, &["--process", "rollout", "--start"]);
    let explained = server.cli(&["release", "explain", &id]).ok();
    assert!(
        explained.contains("deploy/act")
            && explained.contains(
                "held back by the freeze `standstill` (The books are being closed) until"
            ),
        "{explained}"
    );
    let shown = server.cli(&["release", "show", &id]).ok();
    assert!(shown.contains("held back by the freeze"), "{shown}");
    let refused = server.cli(&[
        "freeze",
        "override",
        &id,
        "standstill",
        "--reason",
        "go",
        "--expires",
        "40d",
    ]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    server
        .cli(&[
            "freeze",
            "override",
            &id,
            "standstill",
            "--reason",
            "a hole in the gate",
            "--expires",
            "1h",
        ])
        .ok();
    server.cli(&["release", "watch", &id]).ok();
    let shown = server.cli(&["release", "show", &id]).ok();
    assert!(
        shown.contains("a hole in the gate") && shown.contains("Success"),
        "{shown}"
    );

    let next = create(
        &server,
        &["--process", "rollout", "--at", "+1h", "--finalize"],
    );
    server
        .cli(&[
            "freeze",
            "override",
            &next,
            "standstill",
            "--reason",
            "just in case",
            "--expires",
            "2h",
        ])
        .ok();
    server
        .cli(&[
            "freeze",
            "revoke",
            &next,
            "standstill",
            "--reason",
            "not needed",
        ])
        .ok();
    let shown = server.cli(&["release", "show", &next]).ok();
    assert!(shown.contains("taken back by"), "{shown}");
}

/// A process whose releases have to be prepared.
const PREPARED: &str = r#"apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: prepared}
spec:
  inputs:
    - {name: version, type: string, required: true, description: Version to deliver}
    - {name: replicas, type: number, default: 2}
  readiness: [{id: database, name: The database is migrated}]
  phases:
    - id: deploy
      owners: [role:administrator]
      activities:
        - id: rollout
          uses: command
          runbook: https://wiki.example.com/rollout
          with: {run: [sh, -c, 'test "$0" != bad', "${version}"]}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: base}
spec: {process: prepared, template: true, values: {replicas: 3}}
"#;

#[test]
fn the_input_store_serves_from_the_command_line() {
    let server = server();
    server.cli_with_input(&["apply", "-f", "-"], PREPARED).ok();
    let clone = [
        "input-set",
        "clone",
        "base",
        "week-7",
        "--set",
        "version=7.0.0",
    ];
    assert_eq!(
        server.cli(&clone).ok(),
        "InputSet/week-7 created, revision 1\n"
    );
    let sets = server
        .cli(&["input-set", "list", "--process", "prepared"])
        .ok();
    assert!(
        sets.contains("incomplete, template") && sets.contains("complete"),
        "{sets}"
    );
    let make = [
        "input-set",
        "create",
        "small",
        "--process",
        "prepared",
        "--set",
        "replicas=1",
        "--description",
        "One of each",
    ];
    server.cli(&make).ok();
    assert_eq!(server.cli(&make).code, Some(3), "it is there already");
    let small = server.cli(&["input-set", "show", "small"]).ok();
    assert!(
        small.contains("Missing:") && small.contains("version"),
        "{small}"
    );
    let form = server.cli(&[
        "release",
        "preview",
        "--process",
        "prepared",
        "--input-set",
        "small",
    ]);
    let text = form.clone().ok();
    assert!(
        text.contains("version *") && text.contains("inputSet"),
        "{text}"
    );
    assert!(
        text.contains("deploy/rollout") && text.contains("Version to deliver"),
        "{text}"
    );
    assert!(
        form.stderr.contains("inputs.version: a value is needed"),
        "{}",
        form.stderr
    );
    let form = server.cli(&["release", "preview", "--process", "prepared"]);
    assert!(form.stderr.contains("--input-set NAME"), "{}", form.stderr);
    server.cli(&["input-set", "archive", "small"]).ok();
    let refused = server.cli(&[
        "release",
        "create",
        "--process",
        "prepared",
        "--input-set",
        "small",
    ]);
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.contains("is archived"), "{}", refused.stderr);
    let diff = server.cli(&["input-set", "revisions", "small", "--diff", "1", "2"]);
    assert!(diff.stdout.contains("+ archived: true"), "{}", diff.stdout);
    server.cli(&["input-set", "unarchive", "small"]).ok();
    create(&server, &["--process", "prepared", "--input-set", "week-7"]);
}

#[test]
fn a_release_is_prepared_from_the_command_line() {
    let server = server();
    server.cli_with_input(&["apply", "-f", "-"], PREPARED).ok();
    let made = server.cli(&[
        "release",
        "create",
        "--process",
        "prepared",
        "--name",
        "release",
        "--type",
        "hotfix",
        "--input",
        "version=bad",
        "--label",
        "tier:gold",
        "--context-value",
        "ticket=PAY-4711",
        "--link",
        "https://jira.example.com/browse/PAY-4711",
        "-o",
        "json",
    ]);
    let made = made.json();
    let id = made["id"].as_str().expect("an id");
    assert_eq!(made["links"][0]["title"], "PAY-4711");
    assert_eq!(made["labels"]["tier"], "gold");
    let review = server.cli(&["release", "review", id]);
    assert_eq!(review.code, Some(3), "something keeps it from starting");
    assert!(review.stdout.contains("✗ readiness"), "{}", review.stdout);
    assert!(
        review.stderr.contains("[generic-name]"),
        "{}",
        review.stderr
    );
    let edit = [
        "release",
        "edit",
        id,
        "--name",
        "shop 1.4.0",
        "--rollback-plan",
        "the old image",
        "--manager",
        "role:administrator",
    ];
    server.cli(&edit).ok();
    let refused = server.cli(&["release", "start", id]);
    assert_eq!(refused.code, Some(3));
    server
        .cli(&["release", "ready", id, "database", "--note", "at noon"])
        .ok();
    server
        .cli(&[
            "release",
            "ready",
            id,
            "partner",
            "--add",
            "The partner is up",
            "--optional",
        ])
        .ok();
    server
        .cli(&["release", "ready", id, "partner", "--remove"])
        .ok();
    server.cli(&["release", "acknowledge", id]).ok();
    let review = server.cli(&["release", "review", id, "--approve"]).ok();
    assert!(
        review.contains("✓ opinions") && review.contains("✓ owners"),
        "{review}"
    );
    server.cli(&["release", "start", id]).ok();
    server.eventually("a failed activity", || {
        let answer = server.api("GET", &format!("/releases/{id}"), None);
        answer.body["failures"].is_array().then_some(())
    });
    let shown = server.cli(&["release", "show", id]).ok();
    assert!(
        shown.contains("runbook: https://wiki.example.com/rollout"),
        "{shown}"
    );
    let activity = server.cli(&["activity", "show", id, "deploy/rollout"]).ok();
    assert!(
        activity.contains("https://wiki.example.com/rollout"),
        "{activity}"
    );
    server
        .cli(&[
            "release",
            "link",
            id,
            "https://acme.pagerduty.com/incidents/Q1",
        ])
        .ok();
    let found = server
        .cli(&["release", "list", "--search", "PAY-4711", "-o", "name"])
        .ok();
    assert_eq!(found.trim(), id);
    let tagged = server
        .cli(&["release", "list", "-l", "tier:gold", "-o", "name"])
        .ok();
    assert_eq!(tagged.trim(), id);
    let set = server.cli(&[
        "input-set",
        "create",
        "usual",
        "--process",
        "prepared",
        "--set",
        "version=bad",
    ]);
    set.ok();
    let fix = [
        "activity",
        "retry",
        id,
        "deploy/rollout",
        "--set",
        "version=1.4.0",
        "--save-to",
        "usual",
        "--reason",
        "the right one",
    ];
    server.cli(&fix).ok();
    server.release_in(id, &["Success"]);
    let saved = server
        .cli(&["input-set", "show", "usual", "-o", "json"])
        .json();
    assert_eq!(saved["values"]["version"], "1.4.0");
    assert_eq!(saved["revision"], 2);
}
