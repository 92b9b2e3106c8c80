//! Commands: real programs under real supervisors, and servers that come and go.

mod house;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use house::{Known, Story, failed, result, retryable, unknown};
use serde_json::{Value, json};
use trainmaster_core::effect::Outcome;
use trainmaster_core::uses::ActivityType;
use trainmaster_engine::ports::LogStream;
use trainmaster_executors::command::{Command, Limits, Supervisor};
use trainmaster_executors::secrets::{NoSecrets, Secrets};

const CANARY: &str = "c4n4ry-s3cr3t value";

struct Machine {
    root: tempfile::TempDir,
    command: Command,
}

impl Machine {
    fn new() -> Self {
        Machine::with(Limits::default(), Arc::new(NoSecrets))
    }

    fn with(limits: Limits, secrets: Arc<dyn Secrets>) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let command = command(&root.path().join("work"), limits, secrets);
        Machine { root, command }
    }

    fn impatient() -> Self {
        let limits = Limits {
            grace: Duration::from_millis(50),
            ..Limits::default()
        };
        Machine::with(limits, Arc::new(NoSecrets))
    }

    /// A file that programs and tests share.
    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn attempt(&self) -> PathBuf {
        self.root.path().join("work/rel-00000042/deploy/rollout/1")
    }
}

fn command(work_root: &Path, limits: Limits, secrets: Arc<dyn Secrets>) -> Command {
    Command {
        work_root: work_root.to_owned(),
        supervisor: Supervisor {
            program: env!("CARGO_BIN_EXE_trainmaster-supervise").into(),
            args: Vec::new(),
        },
        secrets,
        limits,
    }
}

fn story(config: Value) -> Story {
    Story::new(ActivityType::Command, config)
}

fn shell(script: impl Into<String>) -> Story {
    story(json!({"run": ["/bin/sh", "-c", script.into()]}))
}

/// Waits for what a program does to files; only a broken test waits long.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..4000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came true: {what}");
}

fn count(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn pids(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_program_gets_its_own_small_environment_and_directory() {
    let machine = Machine::new();
    let story =
        story(json!({"run": ["/usr/bin/env"], "env": {"REPLICAS": 3, "LANG": "de_DE.UTF-8"}}));
    let outcome = story.begins(&machine.command).await;
    assert_eq!(result(&outcome), &json!({"exitCode": 0, "outputs": {}}));
    let mut variables = story.log.texts();
    variables.sort();
    let attempt = machine.attempt().display().to_string();
    assert_eq!(
        variables,
        [
            format!("HOME={attempt}/work"),
            "LANG=de_DE.UTF-8".into(),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            "REPLICAS=3".into(),
            "TRAINMASTER_ACTIVITY=deploy/rollout".into(),
            "TRAINMASTER_ATTEMPT=1".into(),
            "TRAINMASTER_KEY=rel-00000042.1.deploy/rollout".into(),
            format!("TRAINMASTER_OUTPUT={attempt}/output"),
            "TRAINMASTER_RELEASE=rel-00000042".into(),
            "TZ=UTC".into(),
        ]
    );
}

#[tokio::test]
async fn arguments_are_data_and_no_shell_reads_them() {
    let machine = Machine::new();
    let story =
        story(json!({"run": ["printf", "%s|", "$(id)", "`id`", "; id", "a b", "*", "${HOME}"]}));
    result(&story.begins(&machine.command).await);
    assert_eq!(story.log.texts(), ["$(id)|`id`|; id|a b|*|${HOME}|"]);
}

#[tokio::test]
async fn what_a_program_writes_to_its_output_file_becomes_its_outputs() {
    let machine = Machine::new();
    let story = shell(
        "echo url=https://a.example/1 >> $TRAINMASTER_OUTPUT; printf 'notes<<END\\na\\nb\\nEND\\n' >> $TRAINMASTER_OUTPUT",
    );
    let outcome = story.begins(&machine.command).await;
    assert_eq!(
        result(&outcome)["outputs"],
        json!({"url": "https://a.example/1", "notes": "a\nb"})
    );
}

#[tokio::test]
async fn outputs_that_cannot_be_meant_fail_a_program_that_did_not() {
    let machine = Machine::new();
    let broken = shell("echo nonsense > $TRAINMASTER_OUTPUT")
        .begins(&machine.command)
        .await;
    assert_eq!(failed(&broken), "line 1 of the outputs is not `name=value`");
    let machine = Machine::new();
    let large = shell("yes a=b | head -c 300000 > $TRAINMASTER_OUTPUT")
        .begins(&machine.command)
        .await;
    assert!(failed(&large).contains("larger than 262144 bytes"));
}

#[tokio::test]
async fn a_program_reads_its_input_and_starts_where_it_is_told() {
    let machine = Machine::new();
    let story = story(
        json!({"run": ["sh", "-c", "pwd; cat"], "stdin": "one\ntwo\n", "workingDirectory": "a/b"}),
    );
    result(&story.begins(&machine.command).await);
    let directory = format!("{}/work/a/b", machine.attempt().display());
    assert_eq!(story.log.texts(), [directory, "one".into(), "two".into()]);
}

#[tokio::test]
async fn a_program_that_fails_may_be_tried_again_and_says_why() {
    let machine = Machine::new();
    let story = shell(
        "echo out; echo first >&2; echo 'no such host' >&2; echo >&2; echo a=b > $TRAINMASTER_OUTPUT; exit 3",
    );
    let outcome = story.begins(&machine.command).await;
    assert_eq!(
        retryable(&outcome),
        "the program ended with code 3: no such host"
    );
    let Outcome::Retryable { result, .. } = outcome else {
        unreachable!("checked above")
    };
    assert_eq!(result, json!({"exitCode": 3, "outputs": {"a": "b"}}));
    assert!(
        machine.attempt().join("work").exists(),
        "it stays for inspection"
    );

    let machine = Machine::new();
    let outcome = shell("kill -SEGV $$").begins(&machine.command).await;
    assert_eq!(retryable(&outcome), "the program was ended by SIGSEGV");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_fails_for_good() {
    for run in [
        json!(["no-such-program-here"]),
        json!(["/etc/hostname"]),
        json!(["/"]),
    ] {
        let machine = Machine::new();
        let outcome = story(json!({ "run": run })).begins(&machine.command).await;
        assert!(
            failed(&outcome).contains("cannot be started"),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn settings_that_make_no_command_fail_before_anything_starts() {
    let machine = Machine::new();
    for config in [
        json!({"run": []}),
        json!({"run": ["true"], "env": {"A=B": "c"}}),
        json!({"run": ["true"], "env": {"TRAINMASTER_KEY": "mine"}}),
        json!({"run": ["true"], "env": {"A": "b\u{0}c"}}),
        json!({"run": ["true", "${secrets.TOKEN}"]}),
    ] {
        failed(&story(config).begins(&machine.command).await);
    }
    let missing = story(json!({"run": ["true"], "env": {"A": "${secrets.TOKEN}"}}));
    assert_eq!(
        failed(&missing.begins(&machine.command).await),
        "there is no secret `TOKEN`"
    );
    let no_supervisor = Command {
        supervisor: Supervisor {
            program: "/no/such/program".into(),
            args: Vec::new(),
        },
        work_root: machine.file("other"),
        secrets: Arc::new(NoSecrets),
        limits: Limits::default(),
    };
    let outcome = shell("true").begins(&no_supervisor).await;
    assert!(failed(&outcome).contains("supervisor"), "{outcome:?}");
}

#[tokio::test]
async fn a_secret_reaches_the_program_and_nothing_that_is_written() {
    let machine = Machine::with(Limits::default(), Known::new(&[("TOKEN", CANARY)]));
    let script = "cat; echo $TOKEN; printf '%s' \"$TOKEN\" | base64; printf %s \"u:$TOKEN\" | base64; \
                  printf 'c4n4ry-'; sleep 0.02; echo 's3cr3t value'; \
                  echo \"out=$TOKEN\" > $TRAINMASTER_OUTPUT; echo \"bad $TOKEN\" >&2; exit 1";
    let story = story(json!({
        "run": ["sh", "-c", script],
        "env": {"TOKEN": "${secrets.TOKEN}"},
        "stdin": "in ${secrets.TOKEN}\n",
    }));
    let outcome = story.begins(&machine.command).await;
    assert_eq!(
        retryable(&outcome),
        "the program ended with code 1: bad ***"
    );
    let Outcome::Retryable { result, .. } = &outcome else {
        unreachable!("checked above")
    };
    assert_eq!(result["outputs"], json!({"out": "***"}));
    let mut texts = story.log.texts();
    texts.retain(|text| !text.starts_with("bad"));
    assert_eq!(texts[..2], ["in ***", "***"]);
    assert!(
        !texts
            .iter()
            .any(|text| text.contains("c4n4ry") || text.contains("s3cr3t")),
        "{texts:?}"
    );
    for name in ["log", "exit", "started", "supervisor.log"] {
        let text = fs::read_to_string(machine.attempt().join(name)).expect(name);
        assert!(!text.contains("s3cr3t"), "{name}: {text}");
    }
}

#[tokio::test]
async fn output_arrives_by_stream_in_plain_text() {
    let machine = Machine::new();
    let story =
        shell("printf '\\033[31mred\\033[0m\\n'; printf 'bin\\377\\000ary\\n'; echo oops >&2");
    result(&story.begins(&machine.command).await);
    let texts = |stream| {
        let lines = story
            .log
            .lines()
            .into_iter()
            .filter(move |line| line.stream == stream);
        lines.map(|line| line.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(LogStream::Stdout), ["red", "bin\u{fffd}ary"]);
    assert_eq!(texts(LogStream::Stderr), ["oops"]);
}

#[tokio::test]
async fn a_flood_of_output_is_cut_on_disk_too_and_the_program_goes_on() {
    let limits = Limits {
        log_bytes_max: 50_000,
        log_lines_max: 2_000,
        line_bytes_max: 100,
        ..Limits::default()
    };
    for flood in [
        "yes all work and no play | head -c 60000000",
        "head -c 60000000 /dev/zero | tr '\\0' x",
        "head -c 20000000 /dev/urandom",
    ] {
        let machine = Machine::with(limits, Arc::new(NoSecrets));
        let story = shell(format!(
            "{flood}; echo done=yes > $TRAINMASTER_OUTPUT; echo last words >&2; exit 7"
        ));
        let outcome = story.begins(&machine.command).await;
        assert_eq!(
            retryable(&outcome),
            "the program ended with code 7: last words"
        );
        let texts = story.log.texts();
        assert!(texts.len() <= 2_000, "{}", texts.len());
        if !flood.contains("zero") {
            assert!(
                texts
                    .contains(&"there is more output than is kept; the rest is dropped".to_owned())
            );
        }
        assert!(texts.iter().all(|text| text.len() < 400), "lines are cut");
        let size = fs::metadata(machine.attempt().join("log"))
            .expect("a log")
            .len();
        assert!(size < 250_000, "{size} bytes on disk after `{flood}`");
    }
}

#[tokio::test]
async fn a_program_that_ignores_being_asked_is_made_to_stop_with_its_children() {
    let machine = Machine::impatient();
    let noted = machine.file("pids");
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >> {0}; while :; do sleep 1; done' & echo $$ >> {0}; wait; sleep 60",
        noted.display()
    );
    let story = shell(script);
    let stopping = async {
        until("both run", || count(&noted) == 2).await;
        story.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(story.begins(&machine.command), stopping);
    assert_eq!(outcome, Outcome::Cancelled { confirmed: true });
    assert!(pids(&noted).iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn a_grandchild_that_left_the_session_is_stopped_too() {
    let machine = Machine::impatient();
    let noted = machine.file("pids");
    // Forked twice, in a session of its own, output closed, its parents gone.
    let script = format!(
        "(setsid sh -c 'trap \"\" TERM; echo $$ >> {0}; exec sleep 300' >/dev/null 2>&1 < /dev/null &) ; echo $$ >> {0}; sleep 300",
        noted.display()
    );
    let story = shell(script);
    let stopping = async {
        until("both run", || count(&noted) == 2).await;
        story.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(story.begins(&machine.command), stopping);
    assert_eq!(outcome, Outcome::Cancelled { confirmed: true });
    assert!(pids(&noted).iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_stopped_when_it_ends() {
    let machine = Machine::impatient();
    let noted = machine.file("pids");
    let story = shell(format!(
        "sleep 300 & echo $! >> {}; echo done",
        noted.display()
    ));
    let outcome = story.begins(&machine.command).await;
    result(&outcome);
    assert!(pids(&noted).iter().all(|pid| !is_alive(pid)));
    assert_eq!(story.log.texts()[0], "done");
    assert!(
        story.log.texts()[1].contains("left 1 running"),
        "{:?}",
        story.log.texts()
    );
}

#[tokio::test]
async fn a_program_that_ends_when_asked_has_been_cancelled() {
    let machine = Machine::new();
    let ready = machine.file("ready");
    let story = shell(format!(
        "trap 'echo bye; exit 0' TERM; touch {}; while :; do sleep 0.01; done",
        ready.display()
    ));
    let stopping = async {
        until("it runs", || ready.exists()).await;
        story.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(story.begins(&machine.command), stopping);
    assert_eq!(outcome, Outcome::Cancelled { confirmed: true });
    // The shell may mention that its own child was ended too.
    assert!(story.log.texts().contains(&"bye".to_owned()));
}

/// A program that notes each of its runs, speaks, waits for a file, speaks again and ends.
fn patient(machine: &Machine) -> Story {
    let (runs, go) = (machine.file("runs"), machine.file("go"));
    shell(format!(
        "echo $$ >> {}; echo before; while [ ! -e {} ]; do sleep 0.01; done; echo after; echo a=b > $TRAINMASTER_OUTPUT",
        runs.display(),
        go.display()
    ))
}

/// The server dies while the effect is under way: its task is simply gone.
async fn dies_once(story: &Story, command: &Command, what: &str, holds: impl Fn() -> bool) {
    tokio::select! {
        outcome = story.begins(command) => panic!("it ended: {outcome:?}"),
        () = until(what, holds) => (),
    }
}

#[tokio::test]
async fn a_restarted_server_goes_on_with_a_running_program() {
    let machine = Machine::new();
    let story = patient(&machine);
    dies_once(&story, &machine.command, "its output is kept", || {
        story.log.texts() == ["before"]
    })
    .await;
    let finishing = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        fs::write(machine.file("go"), "").expect("written");
    };
    let (outcome, ()) = tokio::join!(story.goes_on(&machine.command), finishing);
    assert_eq!(result(&outcome)["outputs"], json!({"a": "b"}));
    assert_eq!(count(&machine.file("runs")), 1);
    assert_eq!(
        story.log.texts(),
        ["before", "after"],
        "nothing twice, nothing missing"
    );
}

#[tokio::test]
async fn a_restarted_server_finds_the_end_of_a_program_that_ended_meanwhile() {
    let machine = Machine::new();
    let story = patient(&machine);
    let runs = machine.file("runs");
    dies_once(&story, &machine.command, "it runs", || count(&runs) == 1).await;
    fs::write(machine.file("go"), "").expect("written");
    until("it ended", || machine.attempt().join("exit").exists()).await;
    for _ in 0..2 {
        let outcome = story.goes_on(&machine.command).await;
        assert_eq!(result(&outcome)["outputs"], json!({"a": "b"}));
    }
    assert_eq!(count(&runs), 1);
    assert_eq!(story.log.texts(), ["before", "after"]);
}

#[tokio::test]
async fn a_program_that_was_only_announced_runs_once_however_many_servers_start_it() {
    let machine = Machine::new();
    fs::write(machine.file("go"), "").expect("written");
    let story = patient(&machine);
    // The first server announced the directory and died before it started a supervisor.
    let first = shell("true");
    result(&first.begins(&machine.command).await);
    let mut handle = first.journal.handle().expect("a handle");
    handle["directory"] = json!("rel-00000042/deploy/rollout/7");
    fs::create_dir(machine.file("work/rel-00000042/deploy/rollout/7")).expect("made");
    story.journal.record(handle);
    let lives = futures::future::join_all((0..4).map(|_| story.goes_on(&machine.command))).await;
    for outcome in lives {
        assert_eq!(result(&outcome)["outputs"], json!({"a": "b"}));
    }
    assert_eq!(count(&machine.file("runs")), 1);
}

#[tokio::test]
async fn without_a_handle_nothing_ran_and_the_attempt_begins() {
    let machine = Machine::new();
    fs::write(machine.file("go"), "").expect("written");
    let story = patient(&machine);
    result(&story.goes_on(&machine.command).await);
    assert_eq!(count(&machine.file("runs")), 1);
}

#[tokio::test]
async fn an_attempt_that_is_closed_meanwhile_never_starts() {
    let machine = Machine::new();
    let story = patient(&machine);
    story.journal.close();
    assert_eq!(
        story.begins(&machine.command).await,
        Outcome::Cancelled { confirmed: true }
    );
    assert_eq!(count(&machine.file("runs")), 0);
}

#[tokio::test]
async fn when_the_supervisor_dies_too_the_outcome_is_unknown_and_nothing_goes_on() {
    let machine = Machine::new();
    let story = patient(&machine);
    let runs = machine.file("runs");
    dies_once(&story, &machine.command, "it runs", || count(&runs) == 1).await;
    let claim: Value =
        serde_json::from_slice(&fs::read(machine.attempt().join("started")).expect("a claim"))
            .expect("JSON");
    let supervisor = claim["supervised"]["pid"].to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &supervisor])
        .status()
        .expect("kill");
    assert!(killed.success());
    let outcome = story.goes_on(&machine.command).await;
    assert!(unknown(&outcome).contains("watched"), "{outcome:?}");
    assert!(pids(&runs).iter().all(|pid| !is_alive(pid)));
    assert_eq!(count(&runs), 1);
}

#[tokio::test]
async fn a_server_elsewhere_does_not_take_an_empty_directory_for_nothing_ran() {
    let (here, elsewhere) = (Machine::new(), Machine::new());
    let story = patient(&here);
    let runs = here.file("runs");
    dies_once(&story, &here.command, "it runs", || count(&runs) == 1).await;
    let outcome = story.goes_on(&elsewhere.command).await;
    assert!(unknown(&outcome).contains("another place"), "{outcome:?}");
    fs::write(here.file("go"), "").expect("written");
    result(&story.goes_on(&here.command).await);
    assert_eq!(count(&runs), 1);
}

#[tokio::test]
async fn the_same_attempt_of_another_history_keeps_its_own_directory() {
    let machine = Machine::new();
    let first = shell("echo a=first > $TRAINMASTER_OUTPUT");
    let second = shell("echo a=second > $TRAINMASTER_OUTPUT");
    assert_eq!(
        result(&first.begins(&machine.command).await)["outputs"],
        json!({"a": "first"})
    );
    assert_eq!(
        result(&second.begins(&machine.command).await)["outputs"],
        json!({"a": "second"})
    );
    assert_eq!(
        result(&first.goes_on(&machine.command).await)["outputs"],
        json!({"a": "first"})
    );
}

#[tokio::test]
async fn a_restarted_server_can_stop_what_it_did_not_start() {
    let machine = Machine::impatient();
    let story = patient(&machine);
    let runs = machine.file("runs");
    dies_once(&story, &machine.command, "it runs", || count(&runs) == 1).await;
    let outcome = story.is_stopped(&machine.command).await;
    assert_eq!(outcome, Outcome::Cancelled { confirmed: true });
    assert!(pids(&runs).iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn what_was_stopped_before_it_started_never_starts() {
    let machine = Machine::new();
    let story = patient(&machine);
    let first = shell("true");
    result(&first.begins(&machine.command).await);
    let mut handle = first.journal.handle().expect("a handle");
    handle["directory"] = json!("rel-00000042/deploy/rollout/7");
    fs::create_dir(machine.file("work/rel-00000042/deploy/rollout/7")).expect("made");
    story.journal.record(handle);
    assert_eq!(
        story.is_stopped(&machine.command).await,
        Outcome::Cancelled { confirmed: true }
    );
    retryable(&story.goes_on(&machine.command).await);
    assert_eq!(count(&machine.file("runs")), 0);
}

#[tokio::test]
async fn a_program_that_ended_before_it_was_to_be_stopped_keeps_its_outcome() {
    let machine = Machine::new();
    fs::write(machine.file("go"), "").expect("written");
    let story = patient(&machine);
    result(&story.begins(&machine.command).await);
    let outcome = story.is_stopped(&machine.command).await;
    assert_eq!(result(&outcome)["outputs"], json!({"a": "b"}));
}

#[tokio::test]
async fn wherever_a_server_stops_its_program_runs_exactly_once() {
    for steps in 1..40 {
        let machine = Machine::new();
        fs::write(machine.file("go"), "").expect("written");
        let story = patient(&machine);
        {
            let mut life = std::pin::pin!(story.begins(&machine.command));
            for _ in 0..steps {
                if futures::poll!(life.as_mut()).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let outcome = story.goes_on(&machine.command).await;
        assert_eq!(
            result(&outcome)["outputs"],
            json!({"a": "b"}),
            "after {steps} steps"
        );
        assert_eq!(count(&machine.file("runs")), 1, "after {steps} steps");
        assert_eq!(
            story.log.texts(),
            ["before", "after"],
            "after {steps} steps"
        );
    }
}

#[tokio::test]
async fn however_early_a_supervisor_dies_its_program_runs_at_most_once() {
    let mut unknown = 0;
    for patience in 0..25 {
        let machine = Machine::new();
        let story = patient(&machine);
        let started = machine.attempt().join("started");
        let killing = async {
            until("it is claimed", || started.exists()).await;
            tokio::time::sleep(Duration::from_millis(patience / 3)).await;
            let claim = fs::read(&started).expect("a claim");
            let claim: Value = serde_json::from_slice(&claim).expect("JSON");
            let supervisor = claim["supervised"]["pid"].to_string();
            let kill = std::process::Command::new("kill")
                .args(["-9", &supervisor])
                .status();
            assert!(kill.expect("kill").success());
        };
        let (outcome, ()) = tokio::join!(story.begins(&machine.command), killing);
        unknown += u32::from(matches!(outcome, Outcome::Unknown { .. }));
        assert!(matches!(
            story.goes_on(&machine.command).await,
            Outcome::Unknown { .. }
        ));
        let runs = pids(&machine.file("runs"));
        assert!(
            runs.len() <= 1 && runs.iter().all(|pid| !is_alive(pid)),
            "{runs:?}"
        );
    }
    assert_eq!(unknown, 25);
}

/// The server of the next test, in a process of its own; it is killed while its command runs.
async fn be_the_server(root: &Path) {
    let command = command(&root.join("work"), Limits::default(), Arc::new(NoSecrets));
    let story = killed_story(root);
    let noting = async {
        until("a handle", || story.journal.handle().is_some()).await;
        let handle = story.journal.handle().expect("a handle").to_string();
        fs::write(root.join("handle"), handle).expect("written");
    };
    tokio::join!(story.begins(&command), noting);
}

fn killed_story(root: &Path) -> Story {
    let shown = root.display();
    shell(format!(
        "echo $$ >> {shown}/runs; while [ ! -e {shown}/go ]; do sleep 0.01; done; echo survived"
    ))
}

#[tokio::test]
async fn a_command_survives_a_server_that_is_killed() {
    // The test starts this same test again to play the server.
    if let Some(root) = std::env::var_os("TRAINMASTER_TEST_ROOT") {
        return be_the_server(Path::new(&root)).await;
    }
    let machine = Machine::new();
    let root = machine.root.path();
    let mut server = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_command_survives_a_server_that_is_killed"])
        .env("TRAINMASTER_TEST_ROOT", root)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a server");
    until("it runs", || {
        count(&machine.file("runs")) == 1 && machine.file("handle").exists()
    })
    .await;
    server.kill().expect("killed");
    server.wait().expect("gone");
    let story = killed_story(root);
    let handle = fs::read_to_string(machine.file("handle")).expect("a handle");
    story
        .journal
        .record(serde_json::from_str(&handle).expect("JSON"));
    fs::write(machine.file("go"), "").expect("written");
    result(&story.goes_on(&machine.command).await);
    assert_eq!(count(&machine.file("runs")), 1);
    assert_eq!(story.log.texts(), ["survived"]);
}
