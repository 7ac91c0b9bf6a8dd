//! `cargo xtask …`: build, run, test and check Okra.
//!
//! Developers and `.ci/run` call it; nothing in the product does. It uses the standard library and `serde_json` only,
//! so that the first command on a fresh clone starts within seconds. A command fails with a sentence that says what to
//! do, and an exit code other than 0.

#![expect(clippy::print_stdout, reason = "a command-line tool speaks on stdout")]

#[cfg(not(unix))]
compile_error!(
    "cargo xtask hands signals and sockets over as Unix does; on Windows, use it inside WSL"
);

mod apt;
mod bench;
mod cargo;
mod dev;
mod openapi;
mod postgres;
mod python;
mod serve;
mod test;
mod tidy;
mod web;

use std::process::ExitCode;

/// One command: its name, a line for the list, its `--help`, and what it does.
struct Command {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<ExitCode, String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "serve",
        summary: "build okra and start the server",
        help: serve::HELP,
        run: serve::run,
    },
    Command {
        name: "dev",
        summary: "start the server and the console with hot reload",
        help: dev::HELP,
        run: dev::run,
    },
    Command {
        name: "test",
        summary: "run every check and every test",
        help: test::HELP,
        run: test::run,
    },
    Command {
        name: "tidy",
        summary: "check the rules of the house",
        help: tidy::HELP,
        run: tidy::run,
    },
    Command {
        name: "bench",
        summary: "measure the hot paths",
        help: bench::HELP,
        run: bench::run,
    },
    Command {
        name: "openapi",
        summary: "write openapi.json anew",
        help: openapi::HELP,
        run: openapi::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode, String> {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", overview());
        return Ok(ExitCode::SUCCESS);
    };
    match name.as_str() {
        "--help" | "-h" | "help" => {
            print!("{}", overview());
            return Ok(ExitCode::SUCCESS);
        }
        // Not in the list: `test` starts it for itself.
        postgres::GUARD_COMMAND => return postgres::guard(rest),
        _ => {}
    }
    let command = COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| format!("there is no command `{name}`.\n\n{}", overview()))?;
    if asks_for_help(rest) {
        print!("{}", command.help);
        return Ok(ExitCode::SUCCESS);
    }
    (command.run)(rest)
}

/// Whether `--help` is meant for us: what follows `--` belongs to the program that is started.
fn asks_for_help(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "--help" || argument == "-h")
}

fn overview() -> String {
    let mut text = String::from(
        "Build, run, test and check Okra.\n\nUsage: cargo xtask COMMAND [arguments]\n\n",
    );
    for command in COMMANDS {
        text.push_str(&format!("  {:<9}{}\n", command.name, command.summary));
    }
    text.push_str("\n`cargo xtask COMMAND --help` explains one.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn help_after_the_dashes_belongs_to_the_started_program() {
        for (line, expected) in [
            ("--help", true),
            ("--dev -h", true),
            ("-- --help", false),
            ("--dev -- -h", false),
            ("", false),
        ] {
            assert_eq!(asks_for_help(&words(line)), expected, "{line}");
        }
    }

    #[test]
    fn an_unknown_command_is_named_and_the_known_ones_are_listed() {
        let message = dispatch(&words("tets")).unwrap_err();
        assert!(message.contains("`tets`"), "{message}");
        for command in COMMANDS {
            assert!(message.contains(command.name), "{message}");
        }
    }

    #[test]
    fn each_command_has_a_help_text_that_shows_its_usage() {
        for command in COMMANDS {
            let usage = format!("Usage: cargo xtask {}", command.name);
            assert!(command.help.contains(&usage), "{}", command.name);
            assert!(command.help.ends_with('\n'), "{}", command.name);
        }
    }
}
