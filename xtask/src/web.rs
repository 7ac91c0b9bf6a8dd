//! The web parts: built into `web/dist`, which is compiled into the server, and tested.
//!
//! Fails when Node.js is missing or too old, with the way to get it, and when npm's command fails, whose message then
//! stands above.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::apt::Apt;
use crate::cargo;

/// The oldest Node.js that builds them.
const NODE: (u32, u32) = (20, 19);
/// Where browsers lie that the end-to-end tests can use.
const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// Installs the packages and builds the parts, each only where something changed since.
pub fn build() -> Result<(), String> {
    let web = folder();
    need_node()?;
    let lock = modified(&web.join("package-lock.json"));
    if lock > modified(&web.join("node_modules/.package-lock.json")) {
        npm(&["ci", "--no-audit", "--no-fund"])?;
    }
    // The last one to be written: where a build broke off there is none.
    let built = modified(&web.join("dist/console.html"));
    if newest(&web)? > built {
        npm(&["run", "--silent", "build"])?;
    }
    Ok(())
}

/// Checks types and runs the tests that need no server; `read` gets each line of output.
pub fn test_parts(read: &mut dyn FnMut(&str)) -> Result<(), String> {
    npm(&["run", "--silent", "check"])?;
    npm_read(&["run", "--silent", "test"], &[], read)
}

/// Vite's development server for the console, which passes on to the server at `okra` what is not the console's.
pub fn console_dev(okra: &str) -> Command {
    // Not by npm, which would leave it running when it is killed itself.
    let mut vite = Command::new("node");
    vite.arg("../node_modules/vite/bin/vite.js")
        .current_dir(folder().join("console"))
        .env("OKRA_URL", okra);
    vite
}

/// Runs the end-to-end tests in Chromium against the server `okra`.
pub fn test_whole(okra: &Path, read: &mut dyn FnMut(&str)) -> Result<(), String> {
    let chromium = chromium()?;
    let variables = [
        ("OKRA_BINARY", okra.display().to_string()),
        ("CHROMIUM", chromium),
    ];
    let e2e = ["run", "--silent", "test", "--workspace", "e2e"];
    npm_read(&e2e, &variables, read)
}

fn folder() -> PathBuf {
    cargo::workspace_root().join("web")
}

fn need_node() -> Result<(), String> {
    let output = Command::new("node").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = version.unwrap_or_default();
    if parse_version(&version) >= Some(NODE) {
        return Ok(());
    }
    let found = match version.as_str() {
        "" => "there is none on the PATH".to_owned(),
        version => format!("this is {version}"),
    };
    Err(format!(
        "Node.js {}.{} or newer is needed to build the web parts, and {found}. Get it from https://nodejs.org or \
         your system's packages; npm comes with it.",
        NODE.0, NODE.1
    ))
}

/// Major and minor number of `v20.19.1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

fn npm(arguments: &[&str]) -> Result<(), String> {
    let status = command(arguments).status();
    ended(arguments, status)
}

/// Runs npm and reads its output line by line, which is printed all the same.
fn npm_read(
    arguments: &[&str],
    variables: &[(&str, String)],
    read: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let mut command = command(arguments);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let child = command.env("NO_COLOR", "1").stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("npm could not be started: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|error| format!("npm's output was lost: {error}"))?;
            println!("{line}");
            read(&line);
        }
    }
    ended(arguments, child.wait())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder());
    command.stdin(Stdio::null());
    command
}

fn ended(
    arguments: &[&str],
    status: std::io::Result<std::process::ExitStatus>,
) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!(
            "`npm {}` in web/ ended with {status}",
            arguments.join(" ")
        )),
        Err(error) => Err(format!("npm could not be started: {error}")),
    }
}

/// The browser for the end-to-end tests, installed first where it is missing and we may.
fn chromium() -> Result<String, String> {
    let find = || CHROMIUM.into_iter().find(|path| Path::new(path).exists());
    if let Some(found) = std::env::var("CHROMIUM")
        .ok()
        .filter(|path| !path.is_empty())
    {
        return Ok(found);
    }
    if let Some(found) = find() {
        return Ok(found.to_owned());
    }
    let missing = |reason: &str| {
        format!(
            "{reason} Install Chromium (`sudo apt-get install chromium`), or name yours in CHROMIUM."
        )
    };
    let apt = Apt::find().ok_or_else(|| {
        missing("Chromium is missing, and installing it needs root (or sudo without a password) and apt-get.")
    })?;
    eprintln!("Chromium is missing: installing Debian's package `chromium`");
    apt.install(&["chromium"])
        .map_err(|reason| missing(&reason))?;
    let found = find().map(str::to_owned);
    found.ok_or_else(|| {
        missing("The package `chromium` was installed, but its program was not found.")
    })
}

/// When a file was last written; long ago where there is none.
fn modified(file: &Path) -> SystemTime {
    let written = fs::metadata(file).and_then(|metadata| metadata.modified());
    written.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// When the newest source below `folder` was written. What is installed or built does not count.
fn newest(folder: &Path) -> Result<SystemTime, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        newest = newest.max(match path.is_dir() {
            true if ["node_modules", "dist", "screenshots"]
                .iter()
                .any(|skipped| name == *skipped) =>
            {
                continue;
            }
            true => self::newest(&path)?,
            false => modified(&path),
        });
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let check = |text: &str, enough: bool| {
            assert_eq!(parse_version(text) >= Some(NODE), enough, "{text}");
        };
        check("v20.19.0", true);
        check("v20.9.0", false);
        check("v22.1.0", true);
        check("v8.19.0", false);
        check("", false);
        check("nonsense", false);
    }
}
