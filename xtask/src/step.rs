//! Steps: a named piece of a chore that is timed, and that fails with its command and a piece of advice.

use std::ffi::OsStr;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::report;

/// Runs `work` as the step `name` and says how long it took.
pub(crate) fn check(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    report::step(name);
    let started = Instant::now();
    work().with_context(|| format!("step `{name}` failed"))?;
    report::done(name, started.elapsed());
    Ok(())
}

/// Runs `command` as the step `name`; `advice` says what to do when it fails.
pub(crate) fn run(name: &str, advice: &str, command: &mut Command) -> Result<()> {
    check(name, || {
        let status = command
            .status()
            .with_context(|| format!("cannot start `{}`", shown(command)))?;
        judge(status, command, advice)
    })
}

/// Turns a bad end of `command` into an error that names the command and what to do.
fn judge(status: ExitStatus, command: &Command, advice: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!(
        "{status}\n  command: {}\n  advice:  {advice}",
        shown(command)
    );
}

/// What `command` prints on standard output; an error when it cannot start or ends badly.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    judge(
        output.status,
        command,
        "read its message above and run it by hand",
    )?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is not UTF-8", shown(command)))
}

/// Whether `command` starts and ends well; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A cargo command in the state a person would start it from.
///
/// `cargo run` hands its own package's variables down to this program.
/// Build scripts that watch them would run again after every change between `cargo xtask` and plain `cargo`.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

fn is_set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// The command line as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains([' ', '\'', '"', '|', '$', '*', '\t']) {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_names_its_command_and_the_advice() {
        let mut command = cargo(["no-such-subcommand", "two words"]);
        command.stderr(Stdio::null());
        let error = run("made up", "write it first", &mut command).expect_err("it cannot succeed");
        let text = format!("{error:#}");
        assert!(text.contains("step `made up` failed"), "{text}");
        assert!(
            text.contains("command: cargo no-such-subcommand 'two words'"),
            "{text}"
        );
        assert!(text.contains("advice:  write it first"), "{text}");
    }

    #[test]
    fn a_command_that_does_not_exist_is_no_success() {
        assert!(!succeeds(&mut Command::new("trainmaster-no-such-program")));
    }

    #[test]
    fn cargo_starts_without_the_variables_of_the_running_package() {
        let removed = cargo(["version"])
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect::<Vec<_>>();
        assert!(
            removed.contains(&"CARGO_MANIFEST_DIR".to_owned()),
            "{removed:?}"
        );
        assert!(!removed.contains(&"PATH".to_owned()));
    }
}
