//! `cargo xtask openapi`: writes `openapi.json`, which a test pins, anew from the handlers.
//!
//! Fails when okra does not build, when it prints something that is not an OpenAPI document, or when the file cannot be
//! written.

use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::cargo::{self, Profile};

/// What `cargo xtask openapi --help` prints.
pub const HELP: &str = "\
Write openapi.json anew from the server's handlers.

Usage: cargo xtask openapi

Run it after a change to a route or to a type that travels over HTTP, and read the difference with `git diff
openapi.json` before you commit it: it is what clients will see.
";

/// Asks a dev build of okra for its specification and stores it at the root of the workspace.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "`cargo xtask openapi` takes no arguments, but got `{argument}`"
        ));
    }
    let okra = cargo::build("okra", Profile::Dev)?;
    let mut program = Command::new(&okra);
    cargo::forget_package(&mut program);
    let output = program
        .arg("openapi")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{} could not be started: {error}", okra.display()))?;
    if !output.status.success() {
        return Err(format!("`okra openapi` failed ({})", output.status));
    }
    let operations = count_operations(&output.stdout)?;
    let file = cargo::workspace_root().join("openapi.json");
    let before = std::fs::read(&file).ok();
    if before.as_deref() == Some(output.stdout.as_slice()) {
        println!("openapi.json is up to date: {operations} operations");
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(&file, &output.stdout)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    println!("openapi.json written: {operations} operations; see `git diff openapi.json`");
    Ok(ExitCode::SUCCESS)
}

/// The number of operations in an OpenAPI document, which must have at least one.
fn count_operations(document: &[u8]) -> Result<usize, String> {
    let document: Value = serde_json::from_slice(document)
        .map_err(|error| format!("`okra openapi` printed no JSON: {error}"))?;
    let operations = document["paths"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, item)| {
            let methods = [
                "get", "put", "post", "delete", "options", "head", "patch", "trace",
            ];
            methods
                .iter()
                .filter(|method| item.get(method).is_some())
                .count()
        });
    match operations.sum() {
        0 => Err("`okra openapi` printed a document without operations".into()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_and_an_empty_document_is_refused() {
        let document = br#"{"paths":{"/a":{"get":{},"post":{},"summary":"x"},"/b":{"delete":{}}}}"#;
        assert_eq!(count_operations(document), Ok(3));
        assert!(
            count_operations(br#"{"paths":{}}"#)
                .unwrap_err()
                .contains("without operations")
        );
        assert!(
            count_operations(b"{}")
                .unwrap_err()
                .contains("without operations")
        );
        assert!(
            count_operations(b"usage: okra")
                .unwrap_err()
                .contains("no JSON")
        );
    }
}
