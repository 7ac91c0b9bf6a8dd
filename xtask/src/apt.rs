//! Debian's packages: what the tests need and the machine lacks is installed where we may.
//!
//! Fails with what `apt-get` was asked and how it ended; who calls adds what else can be done.

use std::process::{Command, Stdio};

/// The right to install packages, and the words before a command that needs it.
pub struct Apt {
    prefix: Vec<&'static str>,
}

impl Apt {
    /// `apt-get` as root, or through `sudo` without a password; `None` where there is no such way.
    pub fn find() -> Option<Self> {
        if !succeeds(Command::new("apt-get").arg("--version")) {
            return None;
        }
        if succeeds(Command::new("sh").args(["-c", "test $(id -u) = 0"])) {
            return Some(Self { prefix: Vec::new() });
        }
        let sudo = succeeds(Command::new("sudo").args(["-n", "true"]));
        sudo.then(|| Self {
            prefix: vec!["sudo", "-n"],
        })
    }

    /// Installs packages, without what they merely recommend.
    pub fn install(&self, packages: &[&str]) -> Result<(), String> {
        self.run(&["update"])?;
        let install = ["install", "--yes", "--no-install-recommends"];
        self.run(&[&install, packages].concat())
    }

    /// A command with root's rights.
    pub fn as_root(&self, program: &str, arguments: &[&str]) -> Command {
        let mut words = self.prefix.iter().copied().chain([program]);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.as_root("env", &["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        // Keeping a configuration that is there already answers the question whether to.
        command.args(["-o", "Dpkg::Options::=--force-confold"]);
        command.args(["-o", "Dpkg::Use-Pty=0"]).args(arguments);
        match command.stdin(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!(
                "`apt-get {}` failed ({status}).",
                arguments.join(" ")
            )),
            Err(error) => Err(format!("apt-get could not be started: {error}.")),
        }
    }
}

/// Whether a command ends well; what it prints is nobody's business.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_run_through_sudo_only_where_needed() {
        let apt = |prefix: &[&'static str]| {
            let prefix = prefix.to_vec();
            Apt { prefix }.as_root("sh", &["-c", "x"])
        };
        let words = |command: Command| {
            let arguments = command
                .get_args()
                .map(|word| word.to_string_lossy().into_owned());
            std::iter::once(command.get_program().to_string_lossy().into_owned())
                .chain(arguments)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(apt(&[])), ["sh", "-c", "x"]);
        assert_eq!(words(apt(&["sudo", "-n"])), ["sudo", "-n", "sh", "-c", "x"]);
    }
}
