//! A real server on a directory of its own, and the real command line against it.
//!
//! Everything runs as its users run it: the binary, its arguments, its environment, signals.

#![allow(dead_code, reason = "each suite uses a part of it")]
#![allow(unreachable_pub, reason = "`pub` marks what the suites use")]

pub mod keyed;
pub mod world;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Nothing in a test takes longer than this; the time is only used up when something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Die at a point: `commit.after:3`.
    pub fault: Option<String>,
    /// More arguments of `serve`.
    pub args: Vec<String>,
    /// More variables of its environment.
    pub env: Vec<(String, String)>,
    /// A program, with arguments, that runs the server, for example a tracer.
    pub under: Vec<String>,
}

/// A running server; it is killed when it goes out of scope.
pub struct Server {
    /// Its address, which a restart keeps.
    pub url: String,
    /// The token that the first start printed.
    pub admin_token: String,
    /// Where it keeps its files.
    pub data_dir: PathBuf,
    options: Options,
    home: TempDir,
    process: Option<Child>,
    stderr: Lines,
}

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; text that is no JSON is a string.
    pub body: Value,
}

impl Server {
    /// Starts a server on an empty directory and waits until it listens.
    pub fn start(options: Options) -> Server {
        let home = tempfile::tempdir().expect("a directory");
        let data_dir = home.path().join("data");
        let mut server = Server {
            url: String::new(),
            admin_token: String::new(),
            data_dir,
            options,
            home,
            process: None,
            stderr: Lines::default(),
        };
        server.launch("127.0.0.1:0");
        let is_told = !server.admin_token.is_empty() || server.options.fault.is_some();
        assert!(is_told, "the first start prints a token");
        server
    }

    /// Ends the process at once, without a chance to tidy up.
    pub fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A tracer that is killed lets go of what it traces, so the server below it comes first.
            let below = children(process.id());
            for child in below {
                let _ = kill(child, Signal::SIGKILL);
            }
            process.kill().expect("killed");
            process.wait().expect("waited");
        }
    }

    /// Asks the process to end and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the server runs");
        signal(&process, Signal::SIGTERM);
        wait_for_end(&mut process)
    }

    /// Waits until the process has ended by itself, for example at a fault.
    pub fn wait_until_it_dies(&mut self) -> ExitStatus {
        wait_for_end(self.process.as_mut().expect("the server was started"))
    }

    /// Starts the server again on the same directory and address, without its fault.
    pub fn restart(&mut self) {
        self.kill_9();
        self.options.fault = None;
        self.options.under.clear();
        self.launch(&self.address());
    }

    /// Starts the server again with another fault.
    pub fn restart_with_fault(&mut self, fault: &str) {
        self.kill_9();
        self.options.fault = Some(fault.to_owned());
        self.launch(&self.address());
    }

    /// Starts the server again under a tracer.
    pub fn restart_under(&mut self, program: &[&str]) {
        self.kill_9();
        self.options.under = program.iter().map(|part| (*part).to_owned()).collect();
        self.launch(&self.address());
    }

    /// Whether anybody listens at its address.
    pub fn answers(&self) -> bool {
        let address = self.url.trim_start_matches("http://");
        std::net::TcpStream::connect(address).is_ok()
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.try_wait().expect("asked").is_none())
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Everything that the server has written to standard error since its last start.
    pub fn log(&self) -> String {
        self.stderr.all()
    }

    /// A file in the home directory of the command line, made with this content.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    }

    /// Runs the command line as the administrator.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.cli_with_input(args, "")
    }

    /// Runs the command line as the administrator with a text on standard input.
    pub fn cli_with_input(&self, args: &[&str], input: &str) -> Output {
        self.cli_as(&self.admin_token, args, input)
    }

    /// Runs the command line with a token.
    pub fn cli_as(&self, token: &str, args: &[&str], input: &str) -> Output {
        run(self.command_as(token, args), input)
    }

    /// The command line as the administrator, still to be run.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_as(&self.admin_token, args)
    }

    fn command_as(&self, token: &str, args: &[&str]) -> Command {
        let mut command = command(self.home.path());
        command
            .args(args)
            .env("TRAINMASTER_SERVER", &self.url)
            .env("TRAINMASTER_TOKEN", token);
        command
    }

    /// Runs the command line without being told of the server or a token.
    pub fn cli_alone(&self, args: &[&str], input: &str) -> Output {
        let mut command = command(self.home.path());
        command.args(args);
        run(command, input)
    }

    /// Asks the API as the administrator; the path begins behind `/api/v1`.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.api_as(&self.admin_token, method, path, body)
    }

    /// Asks the API with a token.
    pub fn api_as(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("{}/api/v1{path}", self.url);
        request(method, &url, Some(token), body)
    }

    /// Asks until the answer fits, and answers it; a test that waits in vain fails.
    pub fn eventually<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(answer) = ask() {
                return answer;
            }
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(25));
        }
        panic!("in vain waited for: {what}\n{}", self.log());
    }

    /// Waits until a release has one of these statuses, and answers its view.
    pub fn release_in(&self, id: &str, statuses: &[&str]) -> Value {
        self.eventually(&format!("{id} in {statuses:?}"), || {
            let answer = self.api("GET", &format!("/releases/{id}"), None);
            let status = answer.body["status"].as_str().unwrap_or_default();
            statuses.contains(&status).then_some(answer.body.clone())
        })
    }

    /// Where it listens; anywhere if it never came so far.
    fn address(&self) -> String {
        match self.url.strip_prefix("http://") {
            Some(address) => address.to_owned(),
            None => "127.0.0.1:0".to_owned(),
        }
    }

    fn launch(&mut self, listen: &str) {
        let mut command = match self.options.under.split_first() {
            None => command(self.home.path()),
            Some((program, arguments)) => {
                let mut command = clean(program, self.home.path());
                command
                    .args(arguments)
                    .arg(env!("CARGO_BIN_EXE_trainmaster"));
                command
            }
        };
        command
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(&self.data_dir);
        if let Some(fault) = &self.options.fault {
            command.args(["--fault", fault]);
        }
        command
            .args(&self.options.args)
            .envs(self.options.env.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        self.stderr = Lines::read(process.stderr.take().expect("piped"));
        self.process = Some(process);
        let url = self.stderr.wait_for("listening on ");
        if let Some(token) = self.stderr.find("administrator token: ") {
            self.admin_token = token;
        }
        if let Some(url) = url {
            self.url = url;
        } else {
            // A fault may strike before the server listens; everything else is a broken test.
            assert!(
                self.options.fault.is_some() || !self.options.under.is_empty(),
                "the server did not start:\n{}",
                self.log()
            );
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_9();
    }
}

impl Output {
    /// Standard output of a command that went well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard output of a command that went well, as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Everything that somebody at the terminal learns.
    pub fn shown(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "none".to_owned(), |code| code.to_string());
        format!(
            "exit code: {code}\n--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}

/// The binary in a clean environment with a home directory of its own.
pub fn command(home: &Path) -> Command {
    clean(env!("CARGO_BIN_EXE_trainmaster"), home)
}

/// A program in a clean environment with a home directory of its own.
fn clean(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("TZ", "UTC")
        .env("COLUMNS", "100")
        .current_dir(home);
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().expect("the command starts");
    // A command that reads nothing may be gone already.
    let _ = process
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes());
    let output = process.wait_with_output().expect("the command ends");
    Output {
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        code: output.status.code(),
    }
}

/// Sends one request and reads the answer.
pub fn request(method: &str, url: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let method = method.parse().expect("a method");
        let mut request = reqwest::Client::new().request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let Ok(response) = request.send().await else {
            return Answer {
                status: 0,
                body: Value::Null,
            };
        };
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, body }
    })
}

/// The tracees of a tracer; a server that runs by itself keeps its children, which outlive it on purpose.
fn children(tracer: u32) -> Vec<Pid> {
    let name = std::fs::read_to_string(format!("/proc/{tracer}/comm")).unwrap_or_default();
    if name.trim() != "strace" {
        return Vec::new();
    }
    let list = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

fn signal(process: &Child, signal: Signal) {
    let pid = i32::try_from(process.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("signalled");
}

fn wait_for_end(process: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = process.try_wait().expect("asked") {
            return status;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("the server did not end");
}

/// Lines that another thread reads as they come.
#[derive(Clone, Default)]
struct Lines {
    read: Arc<(Mutex<Heard>, Condvar)>,
}

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn read(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let shared = lines.read.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                shared.0.lock().expect("whole").lines.push(line);
                shared.1.notify_all();
            }
            shared.0.lock().expect("whole").ended = true;
            shared.1.notify_all();
        });
        lines
    }

    /// What follows a text in the first line that holds it, once there is one; none if the stream ends before.
    fn wait_for(&self, text: &str) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        let mut read = self.read.0.lock().expect("whole");
        loop {
            if let Some(rest) = find(&read.lines, text) {
                return Some(rest);
            }
            let left = end.saturating_duration_since(Instant::now());
            if read.ended || left.is_zero() {
                return None;
            }
            read = self.read.1.wait_timeout(read, left).expect("whole").0;
        }
    }

    fn find(&self, text: &str) -> Option<String> {
        find(&self.read.0.lock().expect("whole").lines, text)
    }

    fn all(&self) -> String {
        self.read.0.lock().expect("whole").lines.join("\n")
    }
}

fn find(lines: &[String], text: &str) -> Option<String> {
    lines.iter().find_map(|line| {
        line.split_once(text)
            .map(|(_, rest)| rest.trim().to_owned())
    })
}
