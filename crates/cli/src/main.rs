//! The one binary: the server, and the command line that talks to it.
//!
//! `args` says what can be typed, `commands` does it over HTTP, `serve` wires the server together.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod client;
mod commands;
mod config;
mod context;
mod demo;
mod failure;
mod files;
mod live;
mod output;
mod serve;
mod upkeep;
mod values;
mod when;

use args::{Cli, Command, DoctorArgs};
use failure::Done;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Supervise { dir } = &cli.command {
        return serve::supervise(dir);
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.lines().iter().for_each(output::note);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

fn run(cli: Cli) -> Done {
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Doctor(DoctorArgs {
            data_dir: Some(directory),
        }) => upkeep::check(cli.globals.output, directory),
        Command::Migrate(place) => upkeep::migrate(&place),
        Command::Backup(args) => upkeep::backup(&args),
        Command::Restore(args) => upkeep::restore(&args),
        command => small_runtime()?.block_on(commands::run(Cli { command, ..cli })),
    }
}

/// Verbs wait most of the time, for a server or for a file: one thread is enough.
fn small_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
