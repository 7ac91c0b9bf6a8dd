//! Calls to cargo: every other module goes through here to build, and to learn where things are.
//!
//! Fails when cargo cannot be started, or when what it was asked for did not build.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Which of the workspace's two profiles to build with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

/// The cargo that started us, to be run in the caller's working directory.
///
/// `cargo run` describes the running package to it in `CARGO_…` variables. They are taken away again: a build script
/// that watches one would otherwise run anew whenever a developer alternates between cargo and xtask.
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_package(&mut command);
    command
}

/// Removes from `command` what `cargo run` says about the package it runs.
pub fn forget_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("CARGO_BIN_")
        {
            command.env_remove(&name);
        }
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    let own =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let own = PathBuf::from(own);
    own.parent().map(PathBuf::from).unwrap_or(own)
}

/// What cargo knows of the workspace's own packages.
pub fn metadata() -> Result<Value, String> {
    let output = command()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(workspace_root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo metadata could not be started: {error}"))?;
    if !output.status.success() {
        return Err("cargo metadata failed; its message is above".into());
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata printed no JSON: {error}"))
}

/// Builds the program `binary` and returns where it lies.
///
/// The whole workspace is named, not the program's package: cargo would then choose features for that package alone,
/// and build every dependency again that tests and other programs use with more.
///
/// The path is taken from cargo's own report: a guess such as `target/release/…` is wrong as soon as somebody sets
/// `CARGO_TARGET_DIR` or a build target.
pub fn build(binary: &str, profile: Profile) -> Result<PathBuf, String> {
    let mut cargo = command();
    cargo.args(["build", "--workspace", "--bin", binary]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    program_of(cargo, binary)
}

/// The program `binary` as the tests have it. Once they are built this builds nothing: tests ask for more features of
/// some crates than the program alone, and [`build`] would make those a second time.
pub fn built_for_tests(binary: &str) -> Result<PathBuf, String> {
    let mut cargo = command();
    cargo.args(["test", "--workspace", "--no-run"]);
    program_of(cargo, binary)
}

/// Runs a cargo command that builds `binary` and returns where it lies.
fn program_of(mut cargo: Command, binary: &str) -> Result<PathBuf, String> {
    let output = cargo
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(workspace_root().join("Cargo.toml"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{binary} did not build; cargo's message is above"));
    }
    let report = String::from_utf8_lossy(&output.stdout);
    executable(&report, binary).ok_or_else(|| format!("cargo reported no program named {binary}"))
}

/// Finds the path of `binary` in cargo's report of one JSON object a line.
fn executable(report: &str, binary: &str) -> Option<PathBuf> {
    report
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        // A program's own unit tests are reported under its name too.
        .filter(|message| message["target"]["name"] == binary && message["profile"]["test"] != true)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_the_report_and_nothing_else_is() {
        let report = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"okra_domain"},"executable":null}"#,
            "\nnot JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"okra"},"profile":{"test":true},"executable":"/t/okra-1f"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"okra"},"profile":{"test":false},"executable":"/t/release/okra"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(
            executable(report, "okra"),
            Some(PathBuf::from("/t/release/okra"))
        );
        assert_eq!(executable(report, "okra_domain"), None);
        assert_eq!(executable("", "okra"), None);
    }

    #[test]
    fn the_workspace_root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }
}
