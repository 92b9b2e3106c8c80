//! The supervisor: a small process that starts a program, outlives the server, and writes down how it ended.
//!
//! It is a leader of its own session, and orphans among the program's descendants become its children,
//! so that it can find and stop all of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use serde::{Deserialize, Serialize};
use trainmaster_engine::ports::{LogLine, LogStream};

use super::Limits;
use super::attempt::{self, Attempt, Claim, Ending, Exit};
use super::lines::{Lines, LogFile};
use super::outputs;
use super::processes::{Process, members, signal_all};
use crate::redact::Redactor;

/// How often the wish to stop is looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long helpers of the program may take to end by themselves once it has ended.
const LINGER: Duration = Duration::from_millis(300);
/// How long a killed process may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(3);
/// How long the pipes may take to close once every process is gone.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// A plan is not larger than this.
const PLAN_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the server hands over through standard input, so that it stands neither on disk nor among the arguments.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    pub(super) run: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) stdin: Option<String>,
    pub(super) directory: PathBuf,
    /// Values that may appear in nothing that is written.
    pub(super) secrets: Vec<String>,
    pub(super) limits: Limits,
}

/// Runs the program of an attempt to its end; the entry point of the supervisor process.
///
/// `directory` is the attempt's own directory, and standard input holds what to do.
/// If somebody has the attempt already, nothing happens.
pub fn supervise(directory: &Path) -> ExitCode {
    match run(&Attempt::at(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn run(attempt: &Attempt) -> io::Result<()> {
    let mut plan = String::new();
    io::stdin().take(PLAN_BYTES_MAX).read_to_string(&mut plan)?;
    // A plan that broke off, because the server ended meanwhile, is no plan, and nothing starts.
    let plan: Plan =
        serde_json::from_str(&plan).map_err(|_| io::Error::other("the plan is not whole"))?;
    setsid()?;
    prctl::set_child_subreaper(true)?;
    let own = Process::current()?;
    if !attempt.take(&Claim::Supervised(own.clone()))? {
        return Ok(());
    }
    let supervisor = Supervisor {
        log: Arc::new(Mutex::new(LogFile::new(
            File::create(attempt.log())?,
            plan.limits.log_lines_max,
            plan.limits.log_bytes_max,
        ))),
        redactor: Redactor::new(plan.secrets.iter().map(String::as_str)),
        last_words: Arc::default(),
        attempt,
        plan,
        own,
    };
    let exit = supervisor.watch();
    supervisor.attempt.end(&exit)?;
    Ok(())
}

struct Supervisor<'a> {
    attempt: &'a Attempt,
    plan: Plan,
    own: Process,
    redactor: Redactor,
    log: Arc<Mutex<LogFile>>,
    last_words: Arc<Mutex<Option<String>>>,
}

/// A process that is gone, and how it went.
type Gone = (i32, Ending);

impl Supervisor<'_> {
    fn watch(&self) -> Exit {
        let (closed, closing) = mpsc::channel();
        let (ending, stopped) = match self.start(&closed) {
            Err(error) => (Ending::Unstartable(error), None),
            Ok(program) => self.follow(program, &bury()),
        };
        drop(closed);
        wait_for_close(&closing);
        self.lock_log().close();
        let outputs = outputs::read(&self.attempt.output(), self.plan.limits.output_bytes_max);
        let redact = |text: String| self.redactor.redact(&text);
        Exit {
            ending,
            stopped,
            outputs: outputs
                .map(|outputs| {
                    outputs
                        .into_iter()
                        .map(|(name, value)| (name, redact(value)))
                        .collect()
                })
                .map_err(redact),
            last_words: self
                .last_words
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        }
    }

    /// Starts the program; the error says why it cannot be started.
    fn start(&self, closed: &Sender<()>) -> Result<i32, String> {
        let Some((program, arguments)) = self.plan.run.split_first() else {
            return Err("there is no program to start".into());
        };
        let unstartable = |error: io::Error| format!("`{program}` cannot be started: {error}");
        attempt::make(&self.attempt.work()).map_err(unstartable)?;
        fs::create_dir_all(&self.plan.directory).map_err(unstartable)?;
        let stdin = match self.plan.stdin {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        };
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&self.plan.environment)
            .current_dir(&self.plan.directory)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: a program that signals its group does not reach its supervisor.
            .process_group(0)
            .spawn()
            .map_err(unstartable)?;
        if let (Some(pipe), Some(text)) = (child.stdin.take(), self.plan.stdin.clone()) {
            thread::spawn(move || feed(pipe, &text));
        }
        if let Some(pipe) = child.stdout.take() {
            self.pump(pipe, LogStream::Stdout, closed.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            self.pump(pipe, LogStream::Stderr, closed.clone());
        }
        i32::try_from(child.id()).map_err(|_| "its process number is out of range".into())
    }

    /// Waits for the end of the program, and makes sure that nothing of it goes on.
    fn follow(&self, program: i32, gone: &Receiver<Gone>) -> (Ending, Option<usize>) {
        loop {
            match gone.recv_timeout(TICK) {
                Ok((pid, ending)) if pid == program => {
                    self.clear_up();
                    return (ending, None);
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => (),
                // Without an exit on disk the outcome is unknown, which is true then.
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("somebody else took leave of the program");
                }
            }
            if self.attempt.is_to_stop() {
                let left = self.stop_all();
                let is_program = |(pid, ending): Gone| (pid == program).then_some(ending);
                // Who is still there cannot be waited for.
                let ending = match left {
                    0 => gone.iter().find_map(is_program),
                    _ => gone.try_iter().find_map(is_program),
                };
                return (
                    ending.unwrap_or(Ending::Signal("SIGKILL".into())),
                    Some(left),
                );
            }
        }
    }

    /// Stops what a program left behind when it ended.
    fn clear_up(&self) {
        let patience = Instant::now() + LINGER;
        while !self.members_left().is_empty() {
            if Instant::now() < patience {
                thread::sleep(Duration::from_millis(10));
                continue;
            }
            let count = self.members_left().len();
            self.note(format!(
                "the program ended and left {count} running behind; stopping what is left"
            ));
            let left = self.stop_all();
            if left > 0 {
                self.note(format!("{left} could not be stopped"));
            }
            return;
        }
    }

    /// Asks every process to end, then makes them; says how many are left.
    fn stop_all(&self) -> usize {
        let grace = Instant::now() + self.plan.limits.grace;
        signal_all(&self.members_left(), Signal::SIGTERM);
        loop {
            let left = self.members_left();
            let now = Instant::now();
            if left.is_empty() || now >= grace + KILL_PATIENCE {
                return left.len();
            }
            if now >= grace {
                signal_all(&left, Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn members_left(&self) -> std::collections::BTreeSet<i32> {
        members(&self.own, &self.attempt.output())
    }

    /// Reads one stream to its end, on a thread of its own.
    fn pump(&self, mut pipe: impl Read + Send + 'static, stream: LogStream, closed: Sender<()>) {
        let log = Arc::clone(&self.log);
        let last_words = Arc::clone(&self.last_words);
        let mut lines = Lines::new(self.redactor.clone(), self.plan.limits.line_bytes_max);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let (text, over) = match pipe.read(&mut buffer) {
                    Ok(0) => (lines.finish(), true),
                    Ok(count) => {
                        // Once the log is full, only the last words still matter.
                        let needed = stream == LogStream::Stderr || !lock(&log).is_full();
                        (
                            if needed {
                                lines.push(&buffer[..count])
                            } else {
                                Vec::new()
                            },
                            false,
                        )
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => (lines.finish(), true),
                };
                if stream == LogStream::Stderr
                    && let Some(words) = text.iter().rev().find(|line| !line.trim().is_empty())
                {
                    *lock(&last_words) = Some(words.clone());
                }
                let mut log = lock(&log);
                for text in text {
                    log.write(&LogLine {
                        at: now(),
                        stream,
                        text,
                    });
                }
                log.flush();
                if over {
                    break;
                }
            }
            let _ = closed.send(());
        });
    }

    fn note(&self, text: String) {
        let stream = LogStream::System;
        let mut log = self.lock_log();
        log.note(&LogLine {
            at: now(),
            stream,
            text,
        });
        log.flush();
    }

    fn lock_log(&self) -> std::sync::MutexGuard<'_, LogFile> {
        lock(&self.log)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn feed(mut pipe: ChildStdin, text: &str) {
    // A program need not read what it is given.
    let _ = pipe.write_all(text.as_bytes());
}

/// Takes leave of every child, adopted ones included, on a thread of its own, until there is none.
fn bury() -> Receiver<Gone> {
    let (sender, gone) = mpsc::channel();
    thread::spawn(move || {
        loop {
            let news = match waitpid(None::<Pid>, None) {
                Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), Ending::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid.as_raw(), Ending::Signal(signal.as_str().to_owned()))
                }
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            if sender.send(news).is_err() {
                return;
            }
        }
    });
    gone
}

/// Waits until both streams are read to their ends, unless somebody keeps them open.
fn wait_for_close(closing: &Receiver<()>) {
    let patience = Instant::now() + DRAIN_PATIENCE;
    loop {
        match closing.recv_timeout(patience.saturating_duration_since(Instant::now())) {
            Ok(()) => (),
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return,
        }
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
