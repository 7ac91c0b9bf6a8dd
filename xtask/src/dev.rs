//! `cargo xtask dev`: the server, and in front of it the console as it is being written.
//!
//! Fails when okra or its web parts do not build, when a port is taken, and when one of the two programs ends by
//! itself; the other is then ended too.

use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::cargo::{self, Profile};
use crate::web;

/// What `cargo xtask dev --help` prints.
pub const HELP: &str = "\
Build okra with the dev profile, start it, and serve the console with hot reload.

Usage: cargo xtask dev [arguments of `okra serve`]

Open http://127.0.0.1:5173: a change under web/console shows at once. Everything that is not the console (/api, /files,
/widget.js and its assets, /c) comes from the server on http://127.0.0.1:8080, or on OKRA_LISTEN. A change in Rust or in
the widget needs a new start. Ctrl-C ends both.
";

/// Where Vite serves the console; `web/console/vite.config.ts` has the port too.
const CONSOLE: &str = "http://127.0.0.1:5173";

/// Runs both until one ends.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    web::build()?;
    let okra = cargo::build("okra", Profile::Dev)?;
    let listen = std::env::var("OKRA_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let passed_on = arguments.iter().filter(|argument| *argument != "--");

    let mut server = Command::new(&okra);
    cargo::forget_package(&mut server);
    server.arg("serve").args(passed_on);
    // The links it prints lead to the console that reloads.
    if std::env::var_os("OKRA_PUBLIC_URL").is_none() {
        server.env("OKRA_PUBLIC_URL", CONSOLE);
    }
    let mut console = web::console_dev(&format!("http://{listen}"));
    // Vite ends when its input does: also when we are killed.
    console.stdin(Stdio::piped());

    let server = start("okra", &mut server)?;
    match start("Vite", &mut console) {
        Ok(console) => run_both(server, console),
        Err(message) => {
            end(server.id());
            Err(message)
        }
    }
}

/// Waits for the first of the two to end, and ends the other.
fn run_both(server: Child, mut console: Child) -> Result<ExitCode, String> {
    let console_input = console.stdin.take();
    let server_id = server.id();
    let (ended, first) = mpsc::channel();
    let watched = [("okra", server), ("Vite", console)].map(|(name, mut child)| {
        let ended = ended.clone();
        thread::spawn(move || {
            // Nobody listens any more for the second one.
            let _ = ended.send((name, child.wait()));
        })
    });
    let (name, status) = first
        .recv()
        .map_err(|_| "okra and Vite were lost".to_owned())?;
    drop(console_input);
    if name != "okra" {
        end(server_id);
    }
    for watch in watched {
        watch
            .join()
            .map_err(|_| "okra or Vite was lost".to_owned())?;
    }
    outcome(name, status)
}

fn outcome(name: &str, status: std::io::Result<ExitStatus>) -> Result<ExitCode, String> {
    match status {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(status) => Err(format!("{name} ended with {status}")),
        Err(error) => Err(format!("{name} was lost: {error}")),
    }
}

fn start(name: &str, command: &mut Command) -> Result<Child, String> {
    let child = command.spawn();
    child.map_err(|error| format!("{name} could not be started: {error}"))
}

/// Asks a server to stop, as Ctrl-C does: running answers are finished first.
fn end(server: u32) {
    let asked = Command::new("kill").arg(server.to_string()).status();
    if let Err(error) = asked {
        eprintln!("okra goes on as process {server}: kill could not be started: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        let child = command.args(["-c", script]).stdin(Stdio::piped()).spawn();
        child.unwrap()
    }

    #[test]
    fn the_first_to_end_ends_the_other_and_is_named() {
        let message = run_both(shell("exec sleep 600"), shell("exit 3")).unwrap_err();
        assert!(message.starts_with("Vite ended with"), "{message}");
        // `cat` ends with its input.
        let message = run_both(shell("exit 4"), shell("exec cat")).unwrap_err();
        assert!(message.starts_with("okra ended with"), "{message}");
        assert!(run_both(shell("exit 0"), shell("exec cat")).is_ok());
    }
}
