//! The demo as a person has it: the real binary, its people at their own command lines.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, Output};

/// Nothing here takes longer; the time is only used up when something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running demo; it is killed when it goes out of scope.
pub(crate) struct Demo {
    /// Its address.
    pub(crate) url: String,
    args: Vec<String>,
    home: TempDir,
    process: Option<Child>,
}

impl Demo {
    /// Starts a demo on an empty directory; days pass as fast as the work allows.
    pub(crate) fn start(args: &[&str]) -> Demo {
        let mut demo = Demo {
            url: String::new(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            home: tempfile::tempdir().expect("a directory"),
            process: None,
        };
        demo.launch();
        demo
    }

    /// Ends the process at once, without a chance to tidy up.
    pub(crate) fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("waited");
        }
    }

    /// Starts it again on the same directory.
    pub(crate) fn restart(&mut self) {
        self.kill_9();
        self.launch();
    }

    /// Where it keeps everything.
    pub(crate) fn directory(&self) -> PathBuf {
        self.home.path().join("demo")
    }

    /// What it has told since its last start.
    pub(crate) fn told(&self) -> String {
        std::fs::read_to_string(self.home.path().join("told")).expect("told")
    }

    /// Runs the command line as one of its people.
    pub(crate) fn cli(&self, person: &str, args: &[&str]) -> Output {
        let mut command = support::command(self.home.path());
        command
            .args(args)
            .env("TRAINMASTER_SERVER", &self.url)
            .env("TRAINMASTER_TOKEN", self.token(person));
        support::run(command, "")
    }

    /// A file for the command line.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    }

    /// A release as the command line shows it to programs.
    pub(crate) fn release(&self, id: &str) -> Value {
        self.cli("vic", &["release", "show", id, "-o", "json"])
            .json()
    }

    /// An activity as the command line shows it to programs.
    pub(crate) fn activity(&self, id: &str, path: &str) -> Value {
        self.cli("vic", &["activity", "show", id, path, "-o", "json"])
            .json()
    }

    /// Where its services answer.
    pub(crate) fn services(&self) -> String {
        let text = std::fs::read(self.directory().join("demo.json")).expect("there");
        let memory: Value = serde_json::from_slice(&text).expect("JSON");
        format!("http://127.0.0.1:{}", memory["servicesPort"])
    }

    /// What its services answer at a path.
    pub(crate) fn service(&self, path: &str) -> Value {
        support::request("GET", &format!("{}{path}", self.services()), None, None).body
    }

    /// Asks until the answer fits, and answers it.
    #[track_caller]
    pub(crate) fn eventually<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(answer) = ask() {
                return answer;
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        panic!("in vain waited for: {what}\n{}", self.told());
    }

    /// Waits until an activity needs a person.
    #[track_caller]
    pub(crate) fn needs_somebody(&self, id: &str, path: &str) {
        self.eventually(&format!("{path} needs somebody"), || {
            let shown = self.cli("vic", &["activity", "show", id, path, "-o", "json"]);
            // An item is there once its list is known.
            if shown.code != Some(0) {
                return None;
            }
            let status = shown.json()["status"].clone();
            (status == "OnHold" || status == "Failed").then_some(())
        });
    }

    fn token(&self, person: &str) -> String {
        let people = std::fs::read_to_string(self.directory().join("people")).expect("people");
        let line = people
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{person} ")));
        line.expect("one of the people").to_owned()
    }

    fn launch(&mut self) {
        let told = File::create(self.home.path().join("told")).expect("made");
        let errors = told.try_clone().expect("shared");
        let mut command = support::command(self.home.path());
        command
            .args(["demo", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.directory())
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(told)
            .stderr(errors);
        self.process = Some(command.spawn().expect("the demo starts"));
        self.url = self.eventually("the address", || {
            let told = self.told();
            let url = told
                .lines()
                .find_map(|line| line.strip_prefix("The demo answers at "))?;
            Some(url.to_owned())
        });
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.kill_9();
    }
}

/// Where the train of the demo waits for people.
pub(crate) const SIGN_OFF: &str = "qa-sign-off/approve";
