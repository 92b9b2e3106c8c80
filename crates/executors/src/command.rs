//! `command`: runs a program on the server's machine and survives the server.
//!
//! **Who runs it.** The server does not start the program itself but a supervisor, a small process of its own session
//! ([`supervise`]), which starts the program, keeps its output and writes down how it ended.
//! A server that is killed and starts again finds the supervisor, or what it wrote, and goes on.
//!
//! **At most once per attempt.** Before anything starts, the attempt's directory is reported as the handle, durably;
//! so an attempt without a handle has not started anything.
//! A supervisor first links the file `started`, which only one process can do, and starts the program after that;
//! so without that file nothing has run, and a second supervisor may be started: only one of them gets to run.
//! With that file the program may have run, and then exactly these cases remain:
//! `exit` is there, which is the outcome; the supervisor lives, which is waited for;
//! or it died without a word, which is `Unknown`, after whatever is left of the program was stopped.
//! A server that gives an attempt up for good links `started` itself, and then nothing can start any more.
//! The handle names the place, a random name of the work directory, so that a server on another machine
//! answers `Unknown` instead of taking an empty directory for "nothing ran".
//!
//! **What the program gets.** Its arguments as they stand, no shell; an empty directory of its own;
//! `PATH`, `HOME` (that directory), `LANG=C.UTF-8`, `TZ=UTC`, the configured `env`, and
//! `TRAINMASTER_RELEASE`, `TRAINMASTER_ACTIVITY`, `TRAINMASTER_ATTEMPT`, `TRAINMASTER_KEY`, `TRAINMASTER_OUTPUT`.
//! Nothing of the server's environment. Secrets go by `env` or `stdin`, never by arguments.
//!
//! **What stays.** After a success the directory `work` is removed; after anything else it stays for inspection.
//! Nothing here removes it later; an operator may remove what is older than the releases of interest.
//!
//! **What is absent on purpose.** Users, namespaces, cgroups and resource limits of its own: a command runs with the
//! rights of the server, so a server that should not lend them does not register this executor.
//! If the server is stopped together with all processes of its service (as some service managers do by default),
//! supervisors die too and running commands become `Unknown`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::time::Instant;
use trainmaster_core::effect::{Effect, Intent, Outcome};
use trainmaster_core::ids::AttemptId;
use trainmaster_core::uses::command::CommandConfig;
use trainmaster_engine::ports::{Executor, LOG_LINE_BYTES_MAX, LOG_LINES_MAX, LogLine, Work};

use crate::secrets::{Secrets, Vault, names_secret};

use attempt::{Attempt, Claim, Ending, Exit};
use processes::{Process, members, signal_all};
use supervisor::Plan;

mod attempt;
mod lines;
mod outputs;
mod processes;
mod supervisor;

pub use supervisor::supervise;

/// Performs `command` activities.
pub struct Command {
    /// Where attempts have their directories; the file system must know hard links.
    pub work_root: PathBuf,
    /// How a supervisor is started.
    pub supervisor: Supervisor,
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// What a program may use.
    pub limits: Limits,
}

/// How a supervisor is started: a program that calls [`supervise`] with its last argument.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The program.
    pub program: PathBuf,
    /// Its arguments before the directory.
    pub args: Vec<String>,
}

/// What a program may use, and how patiently it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Lines of output that are kept, the one that says that the rest is missing included.
    pub log_lines_max: u64,
    /// Bytes of output that are kept.
    pub log_bytes_max: u64,
    /// Bytes that are kept of one line.
    pub line_bytes_max: usize,
    /// Bytes of the file with the outputs.
    pub output_bytes_max: u64,
    /// How long a program may take to end after it was asked to.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            // A little below the limits of the log itself, so that the message about them is ours.
            log_lines_max: LOG_LINES_MAX - 100,
            log_bytes_max: 10 * 1024 * 1024,
            line_bytes_max: LOG_LINE_BYTES_MAX - 256,
            output_bytes_max: 256 * 1024,
            grace: Duration::from_secs(10),
        }
    }
}

/// How often files are looked at: at first, and when nothing happens for long.
const LOOK_FIRST: Duration = Duration::from_millis(10);
const LOOK_LAST: Duration = Duration::from_millis(250);
/// How long a supervisor may take beyond the grace to stop everything.
const STOP_PATIENCE: Duration = Duration::from_secs(6);
/// Output is taken over in pieces of this size.
const PIECE_BYTES: usize = 256 * 1024;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the outside world calls a command: a directory in a place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handle {
    place: String,
    directory: String,
}

#[async_trait]
impl Executor for Command {
    async fn perform(&self, effect: &Effect, work: &Work) -> Outcome {
        let performed = match effect.intent {
            Intent::Perform => self.carry_out(effect, work).await,
            Intent::Cancel => self.stop(effect, work).await,
        };
        performed.unwrap_or_else(|outcome| outcome)
    }
}

impl Command {
    async fn carry_out(&self, effect: &Effect, work: &Work) -> Result<Outcome, Outcome> {
        let Some(attempt) = self.known(effect)? else {
            return self.begin(effect, work).await;
        };
        match attempt.claim().map_err(unreadable)? {
            None => {
                let plan = self.plan(effect, &attempt).await?;
                self.start(&attempt, &plan, work).await
            }
            Some(Claim::Withdrawn) => Ok(never_started()),
            Some(Claim::Supervised(_)) => self.follow(&attempt, None, work, false).await,
        }
    }

    async fn stop(&self, effect: &Effect, work: &Work) -> Result<Outcome, Outcome> {
        let known = self
            .known(effect)
            .map_err(|_| Outcome::Cancelled { confirmed: false })?;
        let Some(attempt) = known else {
            return Ok(Outcome::Cancelled { confirmed: true });
        };
        match attempt.take(&Claim::Withdrawn) {
            Ok(true) => Ok(Outcome::Cancelled { confirmed: true }),
            Ok(false) => self.follow(&attempt, None, work, true).await,
            Err(_) => Ok(Outcome::Cancelled { confirmed: false }),
        }
    }

    /// The directory that the effect's handle names, if it has one and it is here.
    fn known(&self, effect: &Effect) -> Result<Option<Attempt>, Outcome> {
        let Some(handle) = &effect.handle else {
            return Ok(None);
        };
        let handle: Handle = serde_json::from_value(handle.clone())
            .map_err(|_| unknown("the handle of this command cannot be read"))?;
        let root = whole(&self.work_root).map_err(unreadable)?;
        let place = place(&root).map_err(unreadable)?;
        if handle.place != place {
            return Err(unknown(
                "the command ran in another place, out of sight of this server",
            ));
        }
        Ok(Some(Attempt::at(root.join(handle.directory))))
    }

    /// Begins an attempt that has not started anything.
    async fn begin(&self, effect: &Effect, work: &Work) -> Result<Outcome, Outcome> {
        let (root, id) = (self.work_root.clone(), effect.id.clone());
        let made = blocking(move || new_directory(&root, &id)).await;
        let (handle, attempt) = made.map_err(|error| {
            let error = format!("the directory for commands cannot be used: {error}");
            retryable(error, Value::Null)
        })?;
        let plan = self.plan(effect, &attempt).await?;
        if !work.handles.report(&effect.id, json!(handle)).await {
            return Ok(Outcome::Cancelled { confirmed: true });
        }
        self.start(&attempt, &plan, work).await
    }

    /// Everything the supervisor needs, or how the effect ends because its settings are wrong.
    async fn plan(&self, effect: &Effect, attempt: &Attempt) -> Result<Plan, Outcome> {
        let config: CommandConfig = serde_json::from_value(effect.config.clone())
            .map_err(|error| failed(format!("the settings of `command`: {error}")))?;
        if config.run.iter().any(names_secret) {
            let error = "`run` names a secret, but arguments are visible to other programs; use `env` or `stdin`";
            return Err(failed(error.into()));
        }
        let vault = Vault::open(self.secrets.as_ref(), effect).await?;
        let id = &effect.id;
        let work = attempt.work();
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let mut environment = BTreeMap::from(
            [
                ("PATH", PATH.to_owned()),
                ("HOME", shown(&work)),
                ("LANG", "C.UTF-8".to_owned()),
                ("TZ", "UTC".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        for (name, value) in &config.env {
            if !is_variable(name) || name.starts_with("TRAINMASTER_") {
                return Err(failed(format!(
                    "`env` cannot set a variable named `{name}`"
                )));
            }
            let value = vault.fill(value.as_str());
            if value.contains('\0') {
                return Err(failed(format!(
                    "the variable `{name}` holds a NUL character"
                )));
            }
            environment.insert(name.clone(), value);
        }
        environment.extend(
            [
                ("TRAINMASTER_RELEASE", id.release.to_string()),
                ("TRAINMASTER_ACTIVITY", id.path.to_string()),
                ("TRAINMASTER_ATTEMPT", id.number.to_string()),
                ("TRAINMASTER_KEY", effect.key.to_string()),
                ("TRAINMASTER_OUTPUT", shown(&attempt.output())),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(Plan {
            run: config.run.iter().map(str::to_owned).collect(),
            environment,
            stdin: config.stdin.as_deref().map(|text| vault.fill(text)),
            directory: match &config.working_directory {
                Some(below) => work.join(below.as_str()),
                None => work,
            },
            secrets: vault.values().map(str::to_owned).collect(),
            limits: self.limits,
        })
    }

    /// Starts a supervisor and follows it.
    async fn start(&self, attempt: &Attempt, plan: &Plan, work: &Work) -> Result<Outcome, Outcome> {
        if work.cancel.is_cancelled() {
            return match attempt.take(&Claim::Withdrawn) {
                Ok(true) => Ok(Outcome::Cancelled { confirmed: true }),
                _ => self.follow(attempt, None, work, true).await,
            };
        }
        match self.spawn(attempt, plan).await {
            Ok(child) => self.follow(attempt, Some(child), work, false).await,
            Err(error) => {
                let message = format!("the supervisor of commands cannot be started: {error}");
                let hopeless = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied];
                match attempt.take(&Claim::Withdrawn) {
                    Ok(true) if hopeless.contains(&error.kind()) => Ok(failed(message)),
                    Ok(true) => Ok(retryable(message, Value::Null)),
                    _ => self.follow(attempt, None, work, false).await,
                }
            }
        }
    }

    async fn spawn(&self, attempt: &Attempt, plan: &Plan) -> io::Result<Child> {
        let complaints = fs::File::create(attempt.directory().join("supervisor.log"))?;
        let mut child = tokio::process::Command::new(&self.supervisor.program)
            .args(&self.supervisor.args)
            .arg(attempt.directory())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints)
            .kill_on_drop(false)
            .spawn()?;
        let plan = serde_json::to_vec(plan)?;
        if let Some(mut pipe) = child.stdin.take() {
            // A supervisor that does not listen shows itself by ending without a claim.
            let _ = pipe.write_all(&plan).await;
        }
        Ok(child)
    }

    /// Takes over output and waits for the end, stopping the program when that is wanted.
    async fn follow(
        &self,
        attempt: &Attempt,
        mut child: Option<Child>,
        work: &Work,
        stop: bool,
    ) -> Result<Outcome, Outcome> {
        let skip = if work.first {
            0
        } else {
            work.log.written().await
        };
        let mut tail = Tail::new(attempt.log(), skip, work.clock.now());
        let mut stop_by = None;
        let mut look = LOOK_FIRST;
        loop {
            if stop_by.is_none() && (stop || work.cancel.is_cancelled()) {
                attempt.ask_to_stop().map_err(unreadable)?;
                stop_by = Some(Instant::now() + self.limits.grace + STOP_PATIENCE);
            }
            // Asked before the exit is looked for: who ended in between has written it.
            let claim = attempt.claim().map_err(unreadable)?;
            let alive = match &claim {
                Some(Claim::Supervised(process)) => process.is_alive(),
                Some(Claim::Withdrawn) => false,
                None => child
                    .as_mut()
                    .is_some_and(|child| matches!(child.try_wait(), Ok(None))),
            };
            let exit = attempt.exit().map_err(unreadable)?;
            let news = tail.forward(work).await;
            if let Some(exit) = exit {
                while tail.forward(work).await {}
                return Ok(self.ended(attempt, exit).await);
            }
            match claim {
                Some(Claim::Withdrawn) if stop_by.is_some() => {
                    return Ok(Outcome::Cancelled { confirmed: true });
                }
                Some(Claim::Withdrawn) => return Ok(never_started()),
                Some(Claim::Supervised(process)) if !alive => {
                    return Ok(lost(process, attempt.output(), stop_by.is_some()).await);
                }
                Some(Claim::Supervised(process))
                    if stop_by.is_some_and(|by| Instant::now() > by) =>
                {
                    let left = sweep(process, attempt.output()).await;
                    return Ok(Outcome::Cancelled {
                        confirmed: left == 0,
                    });
                }
                // Nobody claimed it, and nobody is left who would; if that is certain, nothing ran.
                None if !alive && attempt.take(&Claim::Withdrawn).map_err(unreadable)? => {
                    return Ok(match stop_by {
                        Some(_) => Outcome::Cancelled { confirmed: true },
                        None => never_started(),
                    });
                }
                _ => (),
            }
            look = if news {
                LOOK_FIRST
            } else {
                (look * 2).min(LOOK_LAST)
            };
            let over = async {
                match &mut child {
                    Some(child) => drop(child.wait().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(look) => (),
                () = over => child = None,
                () = work.cancel.cancelled(), if stop_by.is_none() => (),
            }
        }
    }

    async fn ended(&self, attempt: &Attempt, exit: Exit) -> Outcome {
        let outcome = outcome(exit);
        if let Outcome::Succeeded { .. } = &outcome {
            let directory = attempt.work();
            let removed = blocking(move || fs::remove_dir_all(directory)).await;
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "the directory of a command could not be removed");
            }
        }
        outcome
    }
}

/// What the end of a program means.
fn outcome(exit: Exit) -> Outcome {
    if let Some(left) = exit.stopped {
        return Outcome::Cancelled {
            confirmed: left == 0,
        };
    }
    let said = exit
        .last_words
        .map(|words| format!(": {words}"))
        .unwrap_or_default();
    match (exit.ending, exit.outputs) {
        (Ending::Unstartable(error), _) => failed(error),
        (Ending::Code(0), Ok(outputs)) => Outcome::Succeeded {
            result: json!({"exitCode": 0, "outputs": outputs}),
        },
        (Ending::Code(0), Err(error)) => Outcome::Failed {
            error,
            result: json!({"exitCode": 0, "outputs": {}}),
        },
        (Ending::Code(code), outputs) => {
            let outputs = outputs.unwrap_or_default();
            let result = json!({"exitCode": code, "outputs": outputs});
            retryable(format!("the program ended with code {code}{said}"), result)
        }
        (Ending::Signal(signal), outputs) => {
            let outputs = outputs.unwrap_or_default();
            let result = json!({"exitCode": null, "outputs": outputs});
            retryable(format!("the program was ended by {signal}{said}"), result)
        }
    }
}

/// The supervisor died without a word: whatever it left is stopped, and nobody knows how far the program got.
async fn lost(process: Process, mark: PathBuf, stopping: bool) -> Outcome {
    let left = sweep(process, mark).await;
    if stopping {
        return Outcome::Cancelled {
            confirmed: left == 0,
        };
    }
    unknown("the process that watched the program is gone, so nobody knows how it ended")
}

/// Ends a supervisor and everything of its attempt; says how many are left.
async fn sweep(process: Process, mark: PathBuf) -> usize {
    blocking(move || {
        // The supervisor last, since its children are known by it.
        signal_all(&members(&process, &mark), Signal::SIGKILL);
        process.kill();
        for _ in 0..100 {
            let left = members(&process, &mark);
            if left.is_empty() && !process.is_alive() {
                return 0;
            }
            signal_all(&left, Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(20));
        }
        members(&process, &mark).len() + usize::from(process.is_alive())
    })
    .await
}

/// A directory that no attempt had before, even if another server once counted the same releases here.
fn new_directory(root: &Path, id: &AttemptId) -> io::Result<(Handle, Attempt)> {
    let root = whole(root)?;
    let place = place(&root)?;
    let named = format!("{}/{}/{}", id.release, id.path, id.number);
    let mut directory = named.clone();
    for turn in 2.. {
        match attempt::make_new(&root.join(&directory)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                directory = format!("{named}.{turn}");
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    let attempt = Attempt::at(root.join(&directory));
    Ok((Handle { place, directory }, attempt))
}

/// Programs start elsewhere, so every path they see starts at the top.
fn whole(root: &Path) -> io::Result<PathBuf> {
    std::path::absolute(root)
}

/// The random name of a work directory, made when it is first used.
fn place(root: &Path) -> io::Result<String> {
    let file = root.join(".place");
    if let Some(place) = attempt::read(&file)? {
        return Ok(place);
    }
    attempt::make(root)?;
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    attempt::write_once(&file, &random.trim())?;
    attempt::read(&file)?.ok_or_else(|| io::Error::other("the name of the work directory is gone"))
}

/// Reads a growing log from where the last reader stopped.
struct Tail {
    path: PathBuf,
    offset: u64,
    /// Lines at the beginning that were taken over before.
    skip: u64,
    /// What turns the supervisor's time into that of the injected clock, in microseconds.
    shift: i64,
}

impl Tail {
    fn new(path: PathBuf, skip: u64, now: Timestamp) -> Self {
        let shift = now.as_microsecond() - Timestamp::now().as_microsecond();
        Tail {
            path,
            offset: 0,
            skip,
            shift,
        }
    }

    /// Hands on what is new; whether there was anything.
    async fn forward(&mut self, work: &Work) -> bool {
        let (path, offset) = (self.path.clone(), self.offset);
        let Ok(piece) = blocking(move || read_piece(&path, offset)).await else {
            return false;
        };
        // What stands after the last line end is still being written.
        let whole = piece
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.offset += whole as u64;
        let text = String::from_utf8_lossy(&piece[..whole]);
        let mut lines = Vec::new();
        for record in text.lines() {
            if self.skip > 0 {
                self.skip -= 1;
            } else if let Some(line) = lines::read_record(record) {
                lines.push(LogLine {
                    at: line.at + self.shift,
                    ..line
                });
            }
        }
        work.log.write(lines).await;
        whole > 0
    }
}

fn read_piece(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut piece = Vec::new();
    file.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Runs something that blocks where it blocks nobody.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(run).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn failed(error: String) -> Outcome {
    Outcome::Failed {
        error,
        result: Value::Null,
    }
}

fn retryable(error: String, result: Value) -> Outcome {
    Outcome::Retryable {
        error,
        after: None,
        result,
    }
}

/// Nobody started the program, and nobody ever will.
fn never_started() -> Outcome {
    let error = "the supervisor of commands ended before it started the program";
    retryable(error.into(), Value::Null)
}

fn unknown(error: &str) -> Outcome {
    Outcome::Unknown {
        error: error.to_owned(),
    }
}

fn unreadable(error: io::Error) -> Outcome {
    Outcome::Unknown {
        error: format!("what is written about this command cannot be read: {error}"),
    }
}
