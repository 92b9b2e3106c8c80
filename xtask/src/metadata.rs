//! What cargo says about the packages of this workspace.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::step;

/// The packages of the workspace with what they declare.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
}

/// One package of ours.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) rust_version: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A dependency line of a manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for an ordinary dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set for the packages of this workspace.
    pub(crate) path: Option<String>,
}

/// Something cargo builds from a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    /// Features without which it is not built.
    #[serde(default, rename = "required-features")]
    required_features: Vec<String>,
}

impl Workspace {
    /// Asks cargo, without looking at anything outside the workspace.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut command = step::cargo(["metadata", "--no-deps", "--format-version", "1"]);
        let text = step::output(command.current_dir(root))?;
        serde_json::from_str(&text).context("cannot read what `cargo metadata` printed")
    }

    /// The names of all integration tests.
    pub(crate) fn integration_tests(&self) -> impl Iterator<Item = &str> {
        self.packages
            .iter()
            .flat_map(|package| &package.targets)
            .filter(|target| target.kind.iter().any(|kind| kind == "test"))
            // A suite that needs a feature is run by name where the feature is wanted.
            .filter(|target| target.required_features.is_empty())
            .map(|target| target.name.as_str())
    }
}

impl Dependency {
    /// Whether only tests and examples see it.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }

    /// Whether it is a package of this workspace.
    pub(crate) fn is_ours(&self) -> bool {
        self.path.is_some()
    }
}
