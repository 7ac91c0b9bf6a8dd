//! A Python with the packages that other people's clients come in, for the stories that run them.
//!
//! They lie in a folder of their own below `target`, so nothing of the machine's Python changes. Without a
//! network or without `venv` there is none; the stories then skip, and the run says so.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::apt::succeeds;
use crate::cargo;

/// Names the Python to the stories; given by whoever has one already.
pub const VARIABLE: &str = "OKRA_TEST_PYTHON";

/// The packages with their versions, from the root of the workspace.
const PACKAGES: &str = "crates/server/tests/stories/openai/requirements.txt";

/// The Python to run stories with, or why there is none.
pub fn find_or_make() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(given.into());
    }
    let metadata = cargo::metadata()?;
    let target = metadata["target_directory"].as_str();
    let folder = PathBuf::from(target.unwrap_or("target")).join("test-python");
    let python = folder.join("bin/python");
    if succeeds(Command::new(&python).args(["-c", "import openai"])) {
        return Ok(python);
    }
    let run = |what: &str, command: &mut Command| {
        let status = command.stdin(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{what} ended with {status}")),
            Err(error) => Err(format!("{what} could not be started: {error}")),
        }
    };
    println!(
        "Making a Python with OpenAI's package in {}",
        folder.display()
    );
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&folder);
    run("`python3 -m venv`", &mut venv)?;
    let mut pip = Command::new(&python);
    let quiet = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ];
    pip.args(quiet).arg(cargo::workspace_root().join(PACKAGES));
    run("`pip install`", &mut pip)?;
    Ok(python)
}
