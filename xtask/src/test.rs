//! `cargo xtask test`: everything that must hold before a change is accepted.
//!
//! `.ci/run` calls it and ends with its closing line. A step that fails does not stop the next one: one run tells
//! everything that is wrong, and how to repeat each part alone.

mod tally;

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::postgres::{self, Cluster};
use crate::{cargo, python, tidy, web};
use tally::Tally;

/// What `cargo xtask test --help` prints.
pub const HELP: &str = "\
Run every check and every test: formatting, clippy with warnings denied, tidy, all tests on SQLite and on Postgres, the
web parts' own tests, and the built server in a real Chromium.

Usage: cargo xtask test [--no-postgres] [-p CRATE]... [filter]... [-- arguments of the test programs]

  cargo xtask test                      everything
  cargo xtask test takeover             only the tests with `takeover` in their name
  cargo xtask test -p okra-store        only the tests of one crate
  cargo xtask test slug -- --nocapture  what follows `--` goes to the test programs

With a crate or a filter the other checks are left out. The run ends with `N passed, N failed, N skipped`; a check that
fails counts as one failure, an ignored test as skipped.

The web parts need Node.js. Chromium is looked for where packages put it, or named in CHROMIUM; where it is missing,
Debian's `chromium` is installed as Postgres is.

Postgres: initdb, postgres and pg_ctl are looked for on the PATH and where packages put them. Where they are missing,
Debian's `postgresql` is installed if apt-get is there and we are root or may use sudo without a password. A throw-away
server is then started on a socket in a temporary folder, without a port, and removed in the end.

The quality of retrieval is tested on public sets, where they are there; the run ends with saying so where they are not.

OpenAI's own Python package is run against the server too. It is put with `pip` into a folder below target; where that
cannot be, the run says so.

  --no-postgres              leave the tests on Postgres out, and say so
  OKRA_TEST_POSTGRES_URL     use this server instead; its user must be allowed to create databases
  OKRA_TEST_PYTHON           use this Python, which has the package openai
  OKRA_RETRIEVAL_SETS        the folder of the public sets; beside the repository, shared/data/retrieval, where it is not set
";

const POSTGRES_URL: &str = "OKRA_TEST_POSTGRES_URL";

/// Where `okra_search::eval::sets_folder` looks for the public sets if `OKRA_RETRIEVAL_SETS` is not set.
const QUALITY_SETS: &str = "../shared/data/retrieval";

/// Runs the steps and prints the closing line; succeeds only if every step did.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let options = Options::parse(arguments)?;
    let mut run = Run {
        failures: Vec::new(),
        tally: Tally::default(),
    };
    run.all_steps(&options);
    Ok(run.close(&options))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    without_postgres: bool,
    packages: Vec<String>,
    filters: Vec<String>,
    passed_on: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Options::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--" => break,
                "--no-postgres" => options.without_postgres = true,
                "-p" | "--package" => {
                    let package = arguments
                        .next()
                        .ok_or_else(|| format!("`{argument}` needs the name of a crate"))?;
                    options.packages.push(package.clone());
                }
                option if option.starts_with('-') => {
                    return Err(format!(
                        "there is no option `{option}`. Arguments of the test programs follow `--`; see `cargo xtask \
                         test --help`"
                    ));
                }
                _ => options.filters.push(argument.clone()),
            }
        }
        options.passed_on = arguments.cloned().collect();
        Ok(options)
    }

    fn everything(&self) -> bool {
        self.packages.is_empty() && self.filters.is_empty()
    }

    /// The arguments for cargo.
    fn cargo_test(&self) -> Vec<String> {
        let mut words = vec![String::from("test"), String::from("--no-fail-fast")];
        match self.packages.as_slice() {
            [] => words.push("--workspace".into()),
            packages => words.extend(
                packages
                    .iter()
                    .flat_map(|package| ["-p".into(), package.clone()]),
            ),
        }
        // After the dashes, where several filters are accepted; before them cargo takes one.
        if !self.filters.is_empty() || !self.passed_on.is_empty() {
            words.push("--".into());
            words.extend(self.filters.iter().chain(&self.passed_on).cloned());
        }
        words
    }
}

/// A step that failed.
struct Failure {
    step: &'static str,
    reason: String,
    repeat: String,
}

/// What has happened so far.
struct Run {
    failures: Vec<Failure>,
    tally: Tally,
}

impl Run {
    fn all_steps(&mut self, options: &Options) {
        // Before the long steps: who must install something first wants to know now.
        let server = match Database::prepare(options) {
            Ok(server) => server,
            Err(reason) => {
                let repeat = "cargo xtask test".into();
                self.failures.push(Failure {
                    step: "Postgres",
                    reason,
                    repeat,
                });
                return;
            }
        };
        if options.everything() {
            // First of all: what is built here is compiled into the server.
            self.step("web build", "npm run build (in web/)".into(), |_| {
                web::build()
            });
            self.checks();
            self.step("web", "npm test (in web/)".into(), |tally| {
                web::test_parts(&mut |line| tally.read_vitest(line))
            });
        }
        let repeat = format!("cargo {}", options.cargo_test().join(" "));
        self.step("tests", repeat, |tally| run_tests(options, server, tally));
        if options.everything() {
            let repeat = "npm test -w e2e (in web/, after cargo build)".into();
            self.step("browser", repeat, |tally| {
                let okra = cargo::built_for_tests("okra")?;
                web::test_whole(&okra, &mut |line| tally.read_vitest(line))
            });
        }
    }

    fn checks(&mut self) {
        self.step(
            "components",
            "rustup component add rustfmt clippy".into(),
            |_| ensure_components(),
        );
        let fmt = ["fmt", "--all", "--check"];
        self.step(
            "formatting",
            "cargo fmt --all --check (cargo fmt --all repairs it)".into(),
            |_| cargo_step(&fmt),
        );
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        self.step("clippy", format!("cargo {}", clippy.join(" ")), |_| {
            cargo_step(&clippy)
        });
        self.step("tidy", "cargo xtask tidy".into(), |_| {
            tidy::check_and_report()
        });
    }

    /// Runs one step, prints how long it took, and notes a failure.
    fn step(
        &mut self,
        name: &'static str,
        repeat: String,
        work: impl FnOnce(&mut Tally) -> Result<(), String>,
    ) {
        println!("== {name}");
        let start = Instant::now();
        let result = work(&mut self.tally);
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("== {name}: ok, {seconds:.1} s\n"),
            Err(reason) => {
                println!("== {name}: FAILED, {seconds:.1} s\n");
                self.failures.push(Failure {
                    step: name,
                    reason,
                    repeat,
                });
            }
        }
    }

    /// Prints what failed and the closing line.
    fn close(self, options: &Options) -> ExitCode {
        for failure in &self.failures {
            println!(
                "FAILED: {}: {}\n  repeat it alone: {}",
                failure.step, failure.reason, failure.repeat
            );
        }
        for test in &self.tally.failed_tests {
            println!("  failed test: cargo xtask test {test}");
        }
        if options.without_postgres {
            println!(
                "NOT TESTED ON POSTGRES: --no-postgres was given, so these results hold for SQLite only."
            );
        }
        if options.everything() && !has_quality_sets() {
            println!(
                "NOT TESTED FOR THE QUALITY OF RETRIEVAL: OKRA_RETRIEVAL_SETS is not set and {QUALITY_SETS} is missing, so \
                 nothing was found in the public sets."
            );
        }
        println!("{}", self.tally.closing_line(self.failed_checks()));
        if self.failures.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Failures that no failed test stands for: a check, or tests that did not build or were killed.
    fn failed_checks(&self) -> usize {
        let explained = usize::from(self.tally.failed > 0);
        self.failures
            .iter()
            .filter(|failure| failure.step != "tests")
            .count()
            + self
                .failures
                .iter()
                .filter(|failure| failure.step == "tests")
                .count()
                .saturating_sub(explained)
    }
}

/// Where the tests find Postgres.
enum Database {
    LeftOut,
    Given(String),
    /// The folder of the programs to start one with.
    Own(std::path::PathBuf),
}

impl Database {
    fn prepare(options: &Options) -> Result<Self, String> {
        if options.without_postgres {
            println!("NOT TESTING ON POSTGRES: --no-postgres was given.\n");
            return Ok(Database::LeftOut);
        }
        match std::env::var(POSTGRES_URL) {
            Ok(url) if !url.is_empty() => Ok(Database::Given(url)),
            _ => postgres::find_or_install().map(Database::Own),
        }
    }
}

/// Whether the tests of retrieval quality had their sets; without them they pass and test nothing.
fn has_quality_sets() -> bool {
    std::env::var_os("OKRA_RETRIEVAL_SETS").is_some()
        || cargo::workspace_root().join(QUALITY_SETS).is_dir()
}

/// Installs rustfmt and clippy where rustup left them out, as its minimal profile does.
fn ensure_components() -> Result<(), String> {
    let present = |component: &str| {
        let output = cargo::command()
            .args([component, "--version"])
            .stdin(Stdio::null())
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    if present("fmt") && present("clippy") {
        return Ok(());
    }
    let added = Command::new("rustup")
        .args(["component", "add", "rustfmt", "clippy"])
        .stdin(Stdio::null())
        .status();
    match added {
        Ok(status) if status.success() => Ok(()),
        _ => Err("rustfmt or clippy is missing and rustup could not add it; install your Rust's packages of it".into()),
    }
}

fn cargo_step(arguments: &[&str]) -> Result<(), String> {
    let status = cargo::command()
        .args(arguments)
        .current_dir(cargo::workspace_root())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo {} ended with {status}", arguments[0]))
    }
}

fn run_tests(options: &Options, database: Database, tally: &mut Tally) -> Result<(), String> {
    let mut cargo = cargo::command();
    cargo
        .args(options.cargo_test())
        .current_dir(cargo::workspace_root());
    // Lives until the tests are through; dropping it stops Postgres.
    let mut _cluster = None;
    match database {
        Database::LeftOut => cargo.env_remove(POSTGRES_URL),
        Database::Given(url) => cargo.env(POSTGRES_URL, url),
        Database::Own(bin) => {
            let started = Cluster::start(&bin)?;
            println!("Postgres from {} is running", bin.display());
            cargo.env(POSTGRES_URL, _cluster.insert(started).url())
        }
    };
    match python::find_or_make() {
        Ok(python) => {
            cargo.env(python::VARIABLE, python);
        }
        Err(reason) => println!("NOT TESTING WITH OPENAI'S OWN PACKAGE: {reason}.\n"),
    }
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo test could not be started: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        stream(BufReader::new(stdout), tally)
            .map_err(|error| format!("the tests' output was lost: {error}"))?;
    }
    let status = child
        .wait()
        .map_err(|error| format!("cargo test was lost: {error}"))?;
    if !status.success() {
        return Err(format!("cargo test ended with {status}"));
    }
    // A misspelt filter, most of the time: it must not look like success.
    if tally.is_empty() {
        return Err("no test was run".into());
    }
    Ok(())
}

/// Passes the tests' output on as it comes, byte for byte, and counts the results in it.
fn stream(mut output: impl BufRead, tally: &mut Tally) -> io::Result<()> {
    let mut stdout = io::stdout();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        stdout.write_all(&line)?;
        stdout.flush()?;
        tally.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::parse(
            &line
                .split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>(),
        )
    }

    fn check(line: &str, cargo_test: &str, everything: bool) {
        let options = options(line).unwrap();
        assert_eq!(options.cargo_test().join(" "), cargo_test, "{line}");
        assert_eq!(options.everything(), everything, "{line}");
    }

    #[test]
    fn the_arguments_reach_cargo_in_its_order() {
        check("", "test --no-fail-fast --workspace", true);
        check("--no-postgres", "test --no-fail-fast --workspace", true);
        check(
            "slug takeover",
            "test --no-fail-fast --workspace -- slug takeover",
            false,
        );
        check(
            "-p okra-store slug",
            "test --no-fail-fast -p okra-store -- slug",
            false,
        );
        check(
            "slug -- --nocapture",
            "test --no-fail-fast --workspace -- slug --nocapture",
            false,
        );
        check(
            "-- --include-ignored",
            "test --no-fail-fast --workspace -- --include-ignored",
            true,
        );
    }

    #[test]
    fn a_misspelt_option_is_not_taken_for_a_filter() {
        assert!(
            options("--no-postgress")
                .unwrap_err()
                .contains("`--no-postgress`")
        );
        assert!(options("-p").unwrap_err().contains("name of a crate"));
    }

    fn failed_checks(steps: &[&'static str], failed: usize) -> usize {
        let failures = steps
            .iter()
            .map(|step| Failure {
                step,
                reason: String::new(),
                repeat: String::new(),
            })
            .collect();
        Run {
            failures,
            tally: Tally {
                failed,
                ..Tally::default()
            },
        }
        .failed_checks()
    }

    #[test]
    fn a_failed_step_is_never_summed_up_as_no_failure() {
        assert_eq!(failed_checks(&[], 0), 0);
        assert_eq!(failed_checks(&["clippy", "tidy"], 0), 2);
        assert_eq!(
            failed_checks(&["tests"], 3),
            0,
            "the three tests stand for the step"
        );
        assert_eq!(
            failed_checks(&["tests"], 0),
            1,
            "tests that do not build are a failure of their own"
        );
        assert_eq!(failed_checks(&["clippy", "tests"], 3), 1);
    }
}
