//! `cargo xtask tidy`: the rules of the house that no compiler keeps.
//!
//! [`arrows`] reads which crate may depend on which, [`sources`] reads the files. Both are pure functions from text to
//! [`Violation`]s, so that each rule is tested with something that breaks it. Fails when cargo or a file can't be read.

mod arrows;
mod code;
mod sources;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cargo;

/// What `cargo xtask tidy --help` prints.
pub const HELP: &str = "\
Check the rules that no compiler keeps.

Usage: cargo xtask tidy

  dependencies  server -> engine -> store, ai, extract, search -> domain; testkit only in tests; each outside library
                (axum, utoipa, sqlx, object_store, reqwest, genai) only in the crate that owns its kind of work
  files         start with a module doc, stay within 600 lines, hold no unfinished work, and no test sleeps
  crates/engine names reqwest only in fetch, which guards against addresses that a visitor must not reach
  manifests     name the licence

Each finding names the file, the rule and the reason for it.
";

/// Checks, prints the findings, and fails if there are any.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "`cargo xtask tidy` takes no arguments, but got `{argument}`"
        ));
    }
    check_and_report().map(|()| ExitCode::SUCCESS)
}

/// Checks and prints the findings; the error says how many there are.
pub fn check_and_report() -> Result<(), String> {
    let mut violations = arrows::check(&arrows::packages(&cargo::metadata()?)?);
    let root = cargo::workspace_root();
    let mut files = Vec::new();
    for folder in ["crates", "bench", "xtask"] {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    for file in &files {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let relative = file.strip_prefix(&root).unwrap_or(file);
        violations.extend(sources::check(&relative.to_string_lossy(), &text));
    }
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!("{} files keep the rules", files.len());
            Ok(())
        }
        count => Err(format!("{count} findings of tidy")),
    }
}

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    /// The file, with the line where there is one.
    place: String,
    /// What was found.
    finding: String,
    /// Why the rule exists, or what to do instead.
    why: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}\n    {}",
            self.place, self.finding, self.why
        )
    }
}

/// The source files under `folder`, without test data and without what is generated.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let fail = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link could lead out of the workspace or in a circle, so only true folders are entered.
        if entry.file_type().map_err(fail)?.is_dir() {
            if !name.starts_with('.')
                && !matches!(
                    name.as_str(),
                    "target" | "node_modules" | "data" | "fixtures"
                )
            {
                collect(&path, files)?;
            }
        } else if sources::is_source(&name) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_the_place_the_rule_and_the_reason() {
        let violation = Violation {
            place: "a.rs:3".into(),
            finding: "a test sleeps".into(),
            why: "it is slow",
        };
        assert_eq!(
            violation.to_string(),
            "a.rs:3: a test sleeps\n    it is slow"
        );
    }

    #[test]
    fn this_program_itself_is_among_the_files() {
        let mut files = Vec::new();
        collect(&cargo::workspace_root().join("xtask"), &mut files).unwrap();
        assert!(
            files
                .iter()
                .any(|file| file.ends_with("src/tidy/sources.rs")),
            "{files:?}"
        );
    }
}
