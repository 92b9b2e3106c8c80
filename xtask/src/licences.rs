//! `licences`: `deny.toml` held against the dependency tree by cargo-deny.
//!
//! Licences, banned crates and sources need nothing but the lock file and are always checked.
//! Advisories need the public database; where it cannot be reached, that is said, loudly, and nothing fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{report, step};

/// The version that CI installs; an installed one of another version serves as well.
const VERSION: &str = "0.20.2";

/// How a person gets cargo-deny.
pub(crate) const BY_HAND: &str = "install it with `cargo install --locked cargo-deny`";

/// Where `setup` puts tools: beside what cargo builds, so that nothing outside the repository changes.
const TOOLS: &str = "target/tools";

/// Checks licences, bans and sources, then advisories where their database answers.
pub(crate) fn run(root: &Path) -> Result<()> {
    let program = program(root)
        .with_context(|| format!("cargo-deny is missing: run `cargo xtask setup`, or {BY_HAND}"))?;
    step::run(
        "licences, bans and sources",
        "cargo-deny names the crate and who pulls it in; replace it, or decide in deny.toml and say why",
        deny(&program, root).args(["check", "licenses", "bans", "sources"]),
    )?;
    if !is_database_reachable(&program, root) {
        report::notice(
            "security advisories were NOT checked: the public advisory database cannot be reached from here",
        );
        return Ok(());
    }
    step::run(
        "advisories",
        "update or replace the crate; an exception in deny.toml says why it cannot hurt",
        deny(&program, root).args(["check", "--disable-fetch", "advisories"]),
    )
}

/// The cargo-deny to use: one on the search path, else the one `setup` installed.
pub(crate) fn program(root: &Path) -> Option<PathBuf> {
    [
        PathBuf::from("cargo-deny"),
        root.join(TOOLS).join("bin/cargo-deny"),
    ]
    .into_iter()
    .find(|program| step::succeeds(Command::new(program).arg("--version")))
}

/// Installs cargo-deny below the build folder: about three minutes on one core.
pub(crate) fn installation(root: &Path) -> Command {
    let mut command = step::cargo(["install", "--locked", "--version", VERSION, "--root"]);
    command.arg(root.join(TOOLS)).arg("cargo-deny");
    command
}

fn deny(program: &Path, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--locked").current_dir(root);
    command
}

fn is_database_reachable(program: &Path, root: &Path) -> bool {
    step::succeeds(deny(program, root).args(["fetch", "db"]))
}
