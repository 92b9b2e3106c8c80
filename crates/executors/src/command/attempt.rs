//! What is on disk about one attempt: the ground on which a restarted server and the supervisor meet.
//!
//! Each fact is one small file that appears whole or not at all and never changes:
//!
//! * `started`: somebody claimed the attempt. Either the supervisor, with its process, before the program starts;
//!   or the server, to be sure that it never will. Whoever links the file first has it.
//! * `cancel`: the server wants the program to be stopped.
//! * `exit`: how the program ended.
//! * `log`: its output so far, one line per line.
//! * `output`: what the program wrote as its outputs.
//! * `work/`: where the program runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::processes::Process;

/// The directory of one attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    directory: PathBuf,
}

/// Tells drafts of one process apart.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// Who has an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Claim {
    /// A supervisor, which starts the program next.
    Supervised(Process),
    /// Nobody ever will.
    Withdrawn,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exit {
    pub(super) ending: Ending,
    /// Whether it was asked to stop, and then how many processes would not.
    pub(super) stopped: Option<usize>,
    /// What it wrote as outputs, or why that cannot be read.
    pub(super) outputs: Result<super::outputs::Outputs, String>,
    /// The last line on its standard error.
    pub(super) last_words: Option<String>,
}

/// The end of the program itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Ending {
    /// It ended with a code.
    Code(i32),
    /// A signal ended it.
    Signal(String),
    /// It could not be started.
    Unstartable(String),
}

impl Attempt {
    pub(super) fn at(directory: impl Into<PathBuf>) -> Self {
        Attempt {
            directory: directory.into(),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.directory.join("output")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(super) fn claim(&self) -> io::Result<Option<Claim>> {
        read(&self.directory.join("started"))
    }

    /// Claims the attempt; false if somebody has it already.
    pub(super) fn take(&self, claim: &Claim) -> io::Result<bool> {
        write_once(&self.directory.join("started"), claim)
    }

    pub(super) fn exit(&self) -> io::Result<Option<Exit>> {
        read(&self.directory.join("exit"))
    }

    pub(super) fn end(&self, exit: &Exit) -> io::Result<bool> {
        write_once(&self.directory.join("exit"), exit)
    }

    pub(super) fn ask_to_stop(&self) -> io::Result<bool> {
        write_once(&self.directory.join("cancel"), &())
    }

    pub(super) fn is_to_stop(&self) -> bool {
        self.directory.join("cancel").exists()
    }
}

/// Makes a directory that nobody had before, with what stands above it, durably.
pub(super) fn make_new(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent()
        && !parent.exists()
    {
        make(parent)?;
    }
    private().create(directory)?;
    sync_parent(directory)
}

/// Makes a directory with what stands above it, durably.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    match make_new(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Others on the machine have no business with what activities do.
fn private() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Reads a small file of ours, if it is there.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file that appears whole or not at all and is durable then; false if it is there already.
pub(super) fn write_once<T: Serialize>(path: &Path, value: &T) -> io::Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let turn = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_file_name(format!(".{name}.{}.{turn}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(serde_json::to_string(value)?.as_bytes())?;
    file.sync_all()?;
    // Linking fails where renaming would replace: that makes the first one win.
    let linked = match fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    };
    fs::remove_file(&draft)?;
    sync_parent(path)?;
    linked
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_claim_wins_and_stays() {
        let root = tempfile::tempdir().expect("a directory");
        let attempt = Attempt::at(root.path().join("a/b/1"));
        make_new(attempt.directory()).expect("made");
        assert_eq!(attempt.claim().expect("read"), None);
        assert!(attempt.take(&Claim::Withdrawn).expect("written"));
        let own = Claim::Supervised(Process::current().expect("this process"));
        assert!(!attempt.take(&own).expect("written"));
        assert_eq!(attempt.claim().expect("read"), Some(Claim::Withdrawn));
    }

    #[test]
    fn a_new_directory_is_really_new() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("a/1");
        make_new(&directory).expect("made");
        let again = make_new(&directory).expect_err("taken");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        make(&directory).expect("there");
    }
}
