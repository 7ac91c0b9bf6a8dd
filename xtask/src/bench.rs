//! `cargo xtask bench`: measures the hot paths with the package `okra-bench`, in release.
//!
//! Fails when the benchmarks do not build; after that their exit code is ours.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::cargo::{self, Profile};
use crate::web;

/// What `cargo xtask bench --help` prints.
pub const HELP: &str = "\
Measure the hot paths, in release, and print a table.

Usage: cargo xtask bench [arguments of the benchmark program]

  cargo xtask bench                 all of them
  cargo xtask bench retrieval       one of them, by name
  cargo xtask bench -- --help       the names, and what each accepts

Figures of a machine that is doing something else at the same time are worth little: look at `uptime` first.
";

/// Builds the server, which some benchmarks start as a process, and the benchmark program; then becomes the latter.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    web::build()?;
    let okra = cargo::build("okra", Profile::Release)?;
    let bench = cargo::build("okra-bench", Profile::Release)?;
    let mut program = Command::new(&bench);
    cargo::forget_package(&mut program);
    let passed_on = match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    };
    let error = program
        .args(passed_on)
        .env("OKRA_BENCH_SERVER", &okra)
        .exec();
    Err(format!("{} could not be started: {error}", bench.display()))
}
