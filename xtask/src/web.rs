//! The web client, built when the repository has one.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::step;

/// Builds `web/dist`, which the server embeds; without a web client the server answers with a notice.
pub(crate) fn build_if_present(root: &Path) -> Result<()> {
    let web = root.join("web");
    if !web.join("package.json").is_file() {
        return Ok(());
    }
    if !web.join("node_modules").is_dir() {
        step::run(
            "fetch the packages of the web client",
            "install Node 20.19 or newer, with npm",
            Command::new("npm").arg("ci").current_dir(&web),
        )?;
    }
    step::run(
        "build the web client",
        "run `npm run build` in `web` and read its first error",
        Command::new("npm").args(["run", "build"]).current_dir(&web),
    )
}
