//! The place of the demo: a data directory with a real Git repository, the scripts of the train and its definitions.
//!
//! Everything is made beside its place and moved there, so a demo that is ended while it moves in just moves in again.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::{Done, Failure};
use crate::serve;

/// A text of the example.
macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../../examples/system-release-train/", $path))
    };
}

/// Scripts that the activities of the train run.
const TOOLS: [(&str, &str); 6] = [
    ("lib.sh", example!("scripts/lib.sh")),
    ("cut-branch.sh", example!("scripts/cut-branch.sh")),
    ("build.sh", example!("scripts/build.sh")),
    ("deploy.sh", example!("scripts/deploy.sh")),
    ("rollback.sh", example!("scripts/rollback.sh")),
    ("check.sh", example!("scripts/check.sh")),
];

/// What the repository begins with.
const SAMPLE: [(&str, &str); 6] = [
    ("README.md", example!("sample/README.md")),
    ("CHANGELOG.md", example!("sample/CHANGELOG.md")),
    (
        "services/payment-service/fee.sh",
        example!("sample/services/payment-service/fee.sh"),
    ),
    (
        "services/payment-service/test.sh",
        example!("sample/services/payment-service/test.sh"),
    ),
    (
        "services/user-service/greeting.sh",
        example!("sample/services/user-service/greeting.sh"),
    ),
    (
        "services/user-service/test.sh",
        example!("sample/services/user-service/test.sh"),
    ),
];

/// The definitions; the places of the input sets become those of this house.
const DEFINITIONS: [(&str, &str); 3] = [
    ("process.yaml", example!("process.yaml")),
    ("hotfix.yaml", example!("hotfix.yaml")),
    ("input-sets.yaml", example!("input-sets.yaml")),
];

/// Services, and the version that runs everywhere at the beginning.
const SERVICES: [&str; 2] = ["payment-service", "user-service"];
const ENVIRONMENTS: [&str; 5] = ["qa", "prod0", "prod1", "prod2", "prod3"];
const FIRST_VERSION: &str = "2.3.0";

/// A data directory of a demo.
#[derive(Clone, Debug)]
pub(crate) struct House {
    root: PathBuf,
}

/// What a demo has to know when it starts again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Memory {
    /// The port of its services, which addresses in releases name.
    pub(crate) services_port: u16,
    /// Whether the sample releases were made.
    pub(crate) is_settled: bool,
    /// The id of the train.
    pub(crate) train: String,
    /// When the train started.
    pub(crate) began: Option<Timestamp>,
}

const MEMORY: &str = "demo.json";

impl House {
    /// The house in a directory, which is made if it is missing; a directory of somebody else is refused.
    pub(crate) fn at(root: PathBuf) -> Result<House, Failure> {
        serve::make_private(&root)?;
        let root = fs::canonicalize(root)?;
        let house = House { root };
        if !house.file(MEMORY).exists() {
            let mut others = fs::read_dir(&house.root)?;
            if others.next().is_some() {
                return Err(Failure::usage(format!(
                    "`{}` is not empty and holds no demo",
                    house.root.display()
                ))
                .hint("give the demo a directory of its own with `--data-dir`"));
            }
            house.remember(&Memory::default())?;
        }
        Ok(house)
    }

    /// Throws everything away. Nobody may be using it.
    pub(crate) fn empty(&self) -> Done {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name() == MEMORY {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        self.remember(&Memory::default())?;
        Ok(())
    }

    /// What an earlier demo here remembered.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let path = self.file(MEMORY);
        let text = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("`{}`", path.display()))
    }

    /// Remembers something for the next start.
    pub(crate) fn remember(&self, memory: &Memory) -> anyhow::Result<()> {
        write_whole(&self.file(MEMORY), &serde_json::to_string_pretty(memory)?)
    }

    /// Where the server keeps its files.
    pub(crate) fn server(&self) -> PathBuf {
        self.file("server")
    }

    /// Where the tokens are written down.
    pub(crate) fn people(&self) -> PathBuf {
        self.file("people")
    }

    /// The repository with services and environments.
    pub(crate) fn repository(&self) -> PathBuf {
        self.file("acme/repository.git")
    }

    /// Where builds leave their artifacts.
    pub(crate) fn artifacts(&self) -> PathBuf {
        self.file("acme/artifacts")
    }

    /// Where announcements are kept.
    pub(crate) fn announcements(&self) -> PathBuf {
        self.file("acme/announcements")
    }

    /// Where the definitions are, ready to be applied.
    pub(crate) fn definitions(&self) -> PathBuf {
        self.file("acme/definitions")
    }

    fn tools(&self) -> PathBuf {
        self.file("acme/tools")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Puts the scripts and the definitions where they belong.
    pub(crate) fn move_in(&self, services_port: u16) -> anyhow::Result<()> {
        for directory in [
            self.artifacts(),
            self.announcements(),
            self.definitions(),
            self.tools(),
        ] {
            fs::create_dir_all(&directory).with_context(|| format!("`{}`", directory.display()))?;
        }
        for (name, text) in TOOLS {
            write_whole(&self.tools().join(name), text)?;
        }
        for (name, text) in self.definition_texts(services_port) {
            let path = self.definitions().join(name);
            // Whoever has changed one keeps it.
            if !path.exists() {
                write_whole(&path, &text)?;
            }
        }
        Ok(())
    }

    /// Makes the repository, if it is missing.
    pub(crate) fn move_in_repository(&self) -> anyhow::Result<()> {
        if self.repository().exists() {
            return Ok(());
        }
        self.make_repository()
    }

    /// The texts of the definitions, with the places of this house.
    pub(crate) fn definition_texts(&self, services_port: u16) -> Vec<(&'static str, String)> {
        DEFINITIONS
            .map(|(name, text)| (name, self.with_places(text, services_port)))
            .into()
    }

    fn with_places(&self, text: &str, services_port: u16) -> String {
        text.replace("/srv/acme", &self.file("acme").display().to_string())
            .replace(
                "http://127.0.0.1:7421",
                &format!("http://127.0.0.1:{services_port}"),
            )
    }

    fn make_repository(&self) -> anyhow::Result<()> {
        let draft = self.file("acme/repository.draft");
        let copy = self.file("acme/copy");
        for leftover in [&draft, &copy] {
            match fs::remove_dir_all(leftover) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => (),
            }
        }
        let tools = TOOLS.map(|(name, text)| (format!("release/{name}"), text.to_owned()));
        let sample = SAMPLE.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let files = sample.into_iter().chain(tools);
        for (name, text) in files.chain(first_environments()) {
            let path = copy.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&copy))?;
            fs::write(path, text)?;
        }
        run(git_in(&copy).args(["init", "--quiet", "--initial-branch=main"]))?;
        run(git_in(&copy).args(["add", "--all"]))?;
        run(git_in(&copy).args(["commit", "--quiet", "--message", "Begin with two services"]))?;
        run(git_in(&copy)
            .args(["clone", "--quiet", "--bare", "."])
            .arg(&draft))?;
        fs::rename(&draft, self.repository())?;
        fs::remove_dir_all(&copy)?;
        Ok(())
    }

    /// A developer brings an approved fix to a release branch, as people do while fixes are allowed.
    pub(crate) fn push_a_fix(&self, branch: &str) -> anyhow::Result<()> {
        let copy = self.file("acme/developer");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        let repository = self.repository();
        run(git(&self.root)
            .args(["clone", "--quiet", "--branch", branch])
            .arg(&repository)
            .arg(&copy))?;
        let file = copy.join("services/user-service/greeting.sh");
        let text = fs::read_to_string(&file)?;
        fs::write(
            &file,
            format!("{text}# Names are greeted as they are written.\n"),
        )?;
        run(git_in(&copy)
            .args([
                "commit",
                "--all",
                "--quiet",
                "--message",
                "Say how names are greeted",
            ])
            .args(["--message", "Approved-by: Anna"]))?;
        run(git_in(&copy).args(["push", "--quiet", "origin", branch]))?;
        fs::remove_dir_all(&copy)?;
        Ok(())
    }
}

fn first_environments() -> impl Iterator<Item = (String, String)> {
    ENVIRONMENTS.into_iter().flat_map(|environment| {
        SERVICES.map(|service| {
            let text = format!("service: {service}\nversion: {FIRST_VERSION}\n");
            (format!("environments/{environment}/{service}.yaml"), text)
        })
    })
}

/// Git on a bare repository, whatever the machine's own settings are.
pub(crate) fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(std::process::Stdio::null());
    command
}

/// Git in a working copy, as the people of the demo use it.
fn git_in(copy: &Path) -> Command {
    let mut command = git(copy);
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Dora")
            .env(format!("GIT_{role}_EMAIL"), "dora@example.com");
    }
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .context("the demo works on a Git repository, and `git` cannot be started")?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Writes a file that appears whole or not at all, for the eyes of its owner only.
pub(crate) fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("draft");
    let written = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    written().with_context(|| format!("`{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_definitions_that_hold_together() {
        let directory = tempfile::tempdir().expect("a directory");
        let house = House::at(directory.path().join("demo")).expect("a house");
        for (name, text) in house.definition_texts(7421) {
            let parsed = trainmaster_core::definition::parse(&text, Some(name));
            let parsed = parsed.unwrap_or_else(|problems| panic!("{problems:#?}"));
            assert!(!parsed.is_empty(), "{name}");
            assert!(
                !text.contains("/srv/acme"),
                "{name} names places of somebody else"
            );
        }
    }

    #[test]
    fn the_smallest_example_holds_together() {
        let text = include_str!("../../../../examples/hello/process.yaml");
        let parsed = trainmaster_core::definition::parse(text, Some("process.yaml"));
        let parsed = parsed.unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(parsed[0].definition.key.name.as_str(), "hello");
    }

    #[test]
    fn the_demo_does_not_move_into_the_directory_of_somebody_else() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("letters"), "private").expect("written");
        let failure = House::at(directory.path().to_owned()).expect_err("refused");
        assert!(failure.lines()[0].contains("holds no demo"));
        assert!(directory.path().join("letters").exists());
    }

    #[test]
    fn what_is_thrown_away_is_gone_and_the_house_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let house = House::at(directory.path().join("demo")).expect("a house");
        house.move_in_repository().expect("moved in");
        let memory = Memory {
            services_port: 7421,
            is_settled: true,
            train: "rel-1".to_owned(),
            began: Some("2026-11-16T09:00:00Z".parse().expect("a time")),
        };
        house.remember(&memory).expect("remembered");
        assert_eq!(house.memory().expect("there"), memory);
        house.empty().expect("emptied");
        assert_eq!(house.memory().expect("there"), Memory::default());
        assert!(!house.repository().exists());
        house.move_in_repository().expect("moved in again");
        assert!(house.repository().exists());
    }
}
