//! `setup`: are the tools here, and what can be installed without asking?
//!
//! What a chore needs is decided from plain facts about the repository, so that the decision has tests;
//! looking at the host and installing stay thin.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::metadata::Workspace;
use crate::{licences, report, step};

/// The folder of the identity provider that the tests sign in through.
pub(crate) const PROVIDER: &str = "crates/server/tests/oidc-provider";

/// What the set-up is for; less is needed for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything, the slow suites and the licence check included.
    EverySuite,
    /// `test --quick`.
    QuickSuites,
}

/// A program the chores start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Git,
    Rustfmt,
    Clippy,
    /// Stops the server at a chosen system call in the crash tests.
    Strace,
    /// Fetches the dependencies of the web client and builds it, and runs the identity provider of the tests.
    Node,
    /// Drives the web client in its end-to-end tests.
    Chromium,
    CargoDeny,
}

/// What decides which tools are needed.
#[derive(Debug, Clone, Copy)]
struct Facts {
    is_linux: bool,
    has_web: bool,
    has_web_e2e: bool,
    has_provider: bool,
}

/// Checks every tool and installs the missing ones where that is possible.
pub(crate) fn run(root: &Path, purpose: Purpose) -> Result<()> {
    step::check("setup", || {
        check_rust(root)?;
        for tool in needed(Facts::of(root), purpose) {
            provide(tool, root)?;
        }
        Ok(())
    })
}

impl Facts {
    fn of(root: &Path) -> Self {
        Self {
            is_linux: cfg!(target_os = "linux"),
            has_web: root.join("web/package.json").is_file(),
            has_web_e2e: root.join("web/e2e").is_dir(),
            has_provider: root.join(PROVIDER).is_dir(),
        }
    }
}

fn needed(facts: Facts, purpose: Purpose) -> Vec<Tool> {
    let everything = purpose == Purpose::EverySuite;
    let candidates = [
        (Tool::Git, true),
        (Tool::Rustfmt, true),
        (Tool::Clippy, true),
        (Tool::Strace, everything && facts.is_linux),
        (
            Tool::Node,
            facts.has_web || (everything && facts.has_provider),
        ),
        (Tool::Chromium, everything && facts.has_web_e2e),
        (Tool::CargoDeny, everything),
    ];
    candidates
        .into_iter()
        .filter(|(_, is_needed)| *is_needed)
        .map(|(tool, _)| tool)
        .collect()
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::Strace => "strace",
            Self::Node => "node",
            Self::Chromium => "chromium",
            Self::CargoDeny => "cargo-deny",
        }
    }

    fn is_here(self, root: &Path) -> bool {
        match self {
            Self::Git | Self::Node => answers(self.name(), "--version"),
            Self::Rustfmt => step::succeeds(&mut step::cargo(["fmt", "--version"])),
            Self::Clippy => step::succeeds(&mut step::cargo(["clippy", "--version"])),
            Self::Strace => answers("strace", "-V"),
            Self::Chromium => ["chromium", "chromium-browser", "google-chrome"]
                .iter()
                .any(|name| answers(name, "--version")),
            Self::CargoDeny => licences::program(root).is_some(),
        }
    }

    /// How this program gets it, when it can.
    fn installation(self, root: &Path) -> Option<Vec<Command>> {
        match self {
            Self::Strace | Self::Chromium if may_use_apt() => Some(apt(self.name())),
            Self::Git | Self::Node | Self::Strace | Self::Chromium => None,
            Self::Rustfmt | Self::Clippy => may_use_rustup().then(|| {
                let mut command = Command::new("rustup");
                command.args(["component", "add", self.name()]);
                vec![command]
            }),
            Self::CargoDeny => Some(vec![licences::installation(root)]),
        }
    }

    /// How a person gets it.
    fn by_hand(self) -> &'static str {
        match self {
            Self::Git => "install git 2.30 or newer (Debian: `apt-get install git`)",
            Self::Rustfmt => "install it with `rustup component add rustfmt`",
            Self::Clippy => "install it with `rustup component add clippy`",
            Self::Strace => {
                "install it (Debian: `sudo apt-get install strace`); the crash tests stop the server with it"
            }
            Self::Node => {
                "install Node 20.19 or newer, with npm; the web client is built with it, and the tests sign in through a provider that it runs"
            }
            Self::Chromium => {
                "install it (Debian: `sudo apt-get install chromium`); the tests of the web client drive it"
            }
            Self::CargoDeny => licences::BY_HAND,
        }
    }
}

fn answers(program: &str, question: &str) -> bool {
    step::succeeds(Command::new(program).arg(question))
}

fn provide(tool: Tool, root: &Path) -> Result<()> {
    if tool.is_here(root) {
        return Ok(());
    }
    let name = tool.name();
    let Some(commands) = tool.installation(root) else {
        bail!("`{name}` is missing: {}", tool.by_hand());
    };
    for mut command in commands {
        step::run(&format!("install {name}"), tool.by_hand(), &mut command)?;
    }
    if !tool.is_here(root) {
        bail!(
            "`{name}` was installed but does not answer: {}",
            tool.by_hand()
        );
    }
    Ok(())
}

/// Installing packages is done unasked only where the whole host is ours, as in a container.
fn may_use_apt() -> bool {
    let is_root = step::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && answers("apt-get", "--version")
}

fn may_use_rustup() -> bool {
    answers("rustup", "--version")
}

fn apt(package: &str) -> Vec<Command> {
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["--quiet", "--quiet"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    vec![
        apt_get(&["update"]),
        apt_get(&["install", "--yes", "--no-install-recommends", package]),
    ]
}

/// The compiler is the one tool this program cannot run without; an old one still builds it.
fn check_rust(root: &Path) -> Result<()> {
    let wanted = Workspace::read(root)?
        .packages
        .into_iter()
        .find_map(|package| package.rust_version)
        .context("no package says which Rust it needs")?;
    let found = step::output(&mut step::cargo(["--version"]))?;
    let older = Version::parse(&found)
        .zip(Version::parse(&wanted))
        .is_none_or(|(found, wanted)| found < wanted);
    if older {
        bail!(
            "Rust {wanted} or newer is needed, but `cargo --version` says `{}`; run `rustup update stable`",
            found.trim()
        );
    }
    report::line(format!("    {}", found.trim()));
    Ok(())
}

/// Major and minor number; more never decides.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    /// Reads the first word that looks like a version, as in `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`.
    fn parse(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let mut numbers = word.split(['.', '-']);
            let major = numbers.next()?.parse().ok()?;
            let minor = numbers.next()?.parse().ok()?;
            Some(Self(major, minor))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Facts = Facts {
        is_linux: true,
        has_web: false,
        has_web_e2e: false,
        has_provider: false,
    };

    #[test]
    fn the_crash_tests_need_strace_and_the_quick_ones_do_not() {
        assert!(needed(PLAIN, Purpose::EverySuite).contains(&Tool::Strace));
        assert!(!needed(PLAIN, Purpose::QuickSuites).contains(&Tool::Strace));
    }

    #[test]
    fn strace_exists_on_linux_only() {
        let facts = Facts {
            is_linux: false,
            ..PLAIN
        };
        assert!(!needed(facts, Purpose::EverySuite).contains(&Tool::Strace));
    }

    #[test]
    fn node_is_needed_once_there_is_a_web_client() {
        let facts = Facts {
            has_web: true,
            has_web_e2e: true,
            ..PLAIN
        };
        assert!(!needed(PLAIN, Purpose::EverySuite).contains(&Tool::Node));
        assert!(needed(facts, Purpose::QuickSuites).contains(&Tool::Node));
        assert!(!needed(facts, Purpose::QuickSuites).contains(&Tool::Chromium));
        assert!(needed(facts, Purpose::EverySuite).contains(&Tool::Chromium));
    }

    #[test]
    fn the_identity_provider_needs_node_where_every_suite_runs() {
        let facts = Facts {
            has_provider: true,
            ..PLAIN
        };
        assert!(needed(facts, Purpose::EverySuite).contains(&Tool::Node));
        assert!(!needed(facts, Purpose::QuickSuites).contains(&Tool::Node));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let cargo = Version::parse("cargo 1.95.0 (f2d3ce0bd 2026-03-21)");
        assert_eq!(cargo, Some(Version(1, 95)));
        assert!(Version::parse("1.9") < Version::parse("1.94"));
        assert_eq!(Version::parse("no number here"), None);
    }

    #[test]
    fn a_missing_tool_is_named_with_what_to_do() {
        for tool in needed(PLAIN, Purpose::EverySuite) {
            assert!(tool.by_hand().contains("install"), "{tool:?}");
        }
    }
}
