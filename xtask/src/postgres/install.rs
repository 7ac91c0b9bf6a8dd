//! Where Postgres' programs lie, and how to get them where they are missing.
//!
//! Fails with the command to run when they are missing and may not be installed from here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::id;

const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Where distributions put the programs: a folder, how the version's folder in it begins, and the way on.
///
/// Debian and its like keep them off the PATH, so that several versions can be installed side by side.
const PLACES: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];

/// The folder with Postgres' programs, installed first where they are missing and we may.
pub fn find_or_install() -> Result<PathBuf, String> {
    if let Some(bin) = find() {
        return Ok(bin);
    }
    let Some(prefix) = way_to_install() else {
        return Err(advice(
            "Postgres is missing, and installing it needs root (or sudo without a password) and apt-get.",
        ));
    };
    eprintln!("Postgres is missing: installing Debian's package `postgresql`");
    do_not_create_a_cluster(&prefix);
    apt_get(&prefix, &["update"])?;
    apt_get(
        &prefix,
        &["install", "--yes", "--no-install-recommends", "postgresql"],
    )?;
    find().ok_or_else(|| {
        advice("The package `postgresql` was installed, but its programs were not found.")
    })
}

fn advice(problem: &str) -> String {
    format!(
        "{problem}
Do one of these:
  - install it: `sudo apt-get install postgresql`, or your system's package of that name;
  - set OKRA_TEST_POSTGRES_URL to a Postgres whose user may create databases;
  - leave Postgres out: `cargo xtask test --no-postgres`."
    )
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    on_path
        .chain(PLACES.iter().flat_map(versions))
        .find(|folder| complete(folder))
}

/// The folders of one of [`PLACES`], the newest version first.
fn versions((parent, prefix, rest): &(&str, &str, &str)) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse(version(name)));
    names
        .iter()
        .map(|name| Path::new(parent).join(name).join(rest))
        .collect()
}

/// The number in a version's folder name: 15 in `15`, `pgsql-15` and `postgresql@15`.
fn version(name: &str) -> u32 {
    let digits = name.trim_start_matches(|character: char| !character.is_ascii_digit());
    let end = digits
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

fn complete(folder: &Path) -> bool {
    PROGRAMS
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// What to put before a command that needs root: nothing as root, `sudo -n` where that works, else there is no way.
fn way_to_install() -> Option<Vec<&'static str>> {
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return None;
    }
    if id(&["-u"]) == Some(0) {
        return Some(Vec::new());
    }
    succeeds(Command::new("sudo").args(["-n", "true"])).then(|| vec!["sudo", "-n"])
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Keeps Debian from making a cluster and starting it on port 5432, where the machine's owner has not decided already.
fn do_not_create_a_cluster(prefix: &[&str]) {
    let script = "test -e /etc/postgresql-common/createcluster.conf || { mkdir -p /etc/postgresql-common && \
                  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; }";
    if !succeeds(&mut with_prefix(prefix, "sh", &["-c", script])) {
        eprintln!("warning: the package may start a Postgres of its own; the tests do not use it");
    }
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<(), String> {
    // Keeping the old file answers the question that the line written above would raise.
    let keep = [
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Use-Pty=0",
    ];
    let mut command = with_prefix(
        prefix,
        "env",
        &["DEBIAN_FRONTEND=noninteractive", "apt-get"],
    );
    command.args(keep).args(arguments).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(advice(&format!(
            "`apt-get {}` failed ({status}).",
            arguments.join(" ")
        ))),
        Err(error) => Err(advice(&format!("apt-get could not be started: {error}."))),
    }
}

fn with_prefix(prefix: &[&str], program: &str, arguments: &[&str]) -> Command {
    let mut words = prefix.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (name, expected) in [
            ("9", 9),
            ("15", 15),
            ("pgsql-16", 16),
            ("postgresql@17", 17),
            ("9.6", 9),
            ("x", 0),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
    }

    #[test]
    fn a_command_is_run_through_sudo_only_where_needed() {
        let words = |command: Command| {
            let arguments = command
                .get_args()
                .map(|word| word.to_string_lossy().into_owned());
            std::iter::once(command.get_program().to_string_lossy().into_owned())
                .chain(arguments)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(with_prefix(&[], "sh", &["-c", "x"])),
            ["sh", "-c", "x"]
        );
        assert_eq!(
            words(with_prefix(&["sudo", "-n"], "sh", &["-c", "x"])),
            ["sudo", "-n", "sh", "-c", "x"]
        );
    }

    #[test]
    fn a_folder_counts_only_when_every_program_is_there() {
        let folder =
            std::env::temp_dir().join(format!("okra-xtask-programs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for program in PROGRAMS {
            assert!(!complete(&folder), "{program} is still missing");
            fs::write(folder.join(program), "").unwrap();
        }
        assert!(complete(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_advice_names_every_way_out() {
        let text = advice("Postgres is missing.");
        for word in [
            "apt-get install postgresql",
            "OKRA_TEST_POSTGRES_URL",
            "--no-postgres",
        ] {
            assert!(text.contains(word), "{text}");
        }
    }
}
