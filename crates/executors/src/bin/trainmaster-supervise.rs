//! The supervisor of commands as a program of its own; the one binary has the same as a hidden subcommand.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(directory) => trainmaster_executors::supervise(Path::new(&directory)),
        None => ExitCode::FAILURE,
    }
}
