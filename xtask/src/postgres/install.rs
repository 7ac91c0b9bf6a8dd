//! Where Postgres' programs lie, and how to get them where they are missing.
//!
//! Fails with the command to run when they are missing and may not be installed from here.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::{Apt, succeeds};

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
    let Some(apt) = Apt::find() else {
        return Err(advice(
            "Postgres is missing, and installing it needs root (or sudo without a password) and apt-get.",
        ));
    };
    eprintln!("Postgres is missing: installing Debian's package `postgresql`");
    do_not_create_a_cluster(&apt);
    apt.install(&["postgresql"])
        .map_err(|reason| advice(&reason))?;
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

/// Keeps Debian from making a cluster and starting it on port 5432, where the machine's owner has not decided already.
fn do_not_create_a_cluster(apt: &Apt) {
    let script = "test -e /etc/postgresql-common/createcluster.conf || { mkdir -p /etc/postgresql-common && \
                  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; }";
    if !succeeds(&mut apt.as_root("sh", &["-c", script])) {
        eprintln!("warning: the package may start a Postgres of its own; the tests do not use it");
    }
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
