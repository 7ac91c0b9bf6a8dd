//! `cargo xtask serve`: the shortest way from a clone to a running server.
//!
//! Fails when okra or its web parts do not build. From then on this process *is* the server: it replaces itself, so that a signal
//! reaches the server first-hand and its exit code is ours.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::cargo::{self, Profile};
use crate::web;

/// What `cargo xtask serve --help` prints.
pub const HELP: &str = "\
Build okra and start the server in the foreground.

Usage: cargo xtask serve [--dev] [arguments of `okra serve`]

The server listens on http://127.0.0.1:8080 and keeps its data in ./okra-data. On its first start it prints a new API
key and a request to try it with. Ctrl-C ends it once running answers are finished.

  --dev    build with the dev profile: builds faster, answers slower

All other arguments go to `okra serve`, with or without `--` before them:

  cargo xtask serve -- --help       what `okra serve` accepts
  OKRA_LISTEN=0.0.0.0:9000 cargo xtask serve
";

/// Builds okra and becomes it.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let Options { profile, passed_on } = Options::parse(arguments);
    web::build()?;
    let okra = cargo::build("okra", profile)?;
    let mut server = Command::new(&okra);
    cargo::forget_package(&mut server);
    let error = server.arg("serve").args(&passed_on).exec();
    Err(format!("{} could not be started: {error}", okra.display()))
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    profile: Profile,
    passed_on: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Self {
        let mut options = Options {
            profile: Profile::Release,
            passed_on: Vec::new(),
        };
        let mut arguments = arguments.iter();
        for argument in arguments.by_ref() {
            match argument.as_str() {
                "--" => break,
                "--dev" => options.profile = Profile::Dev,
                _ => options.passed_on.push(argument.clone()),
            }
        }
        options.passed_on.extend(arguments.cloned());
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, profile: Profile, passed_on: &[&str]) {
        let arguments: Vec<String> = line.split_whitespace().map(String::from).collect();
        let expected = Options {
            profile,
            passed_on: passed_on.iter().map(|word| word.to_string()).collect(),
        };
        assert_eq!(Options::parse(&arguments), expected, "{line}");
    }

    #[test]
    fn arguments_reach_the_server_with_or_without_dashes() {
        check("", Profile::Release, &[]);
        check("--dev", Profile::Dev, &[]);
        check(
            "--listen 127.0.0.1:0",
            Profile::Release,
            &["--listen", "127.0.0.1:0"],
        );
        check(
            "-- --listen 127.0.0.1:0",
            Profile::Release,
            &["--listen", "127.0.0.1:0"],
        );
        check(
            "--dev --listen a -- --help",
            Profile::Dev,
            &["--listen", "a", "--help"],
        );
        check("-- --dev -- x", Profile::Release, &["--dev", "--", "x"]);
    }
}
