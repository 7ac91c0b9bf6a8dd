//! A throw-away Postgres for the tests: found or installed, started on a socket in a temporary folder, always removed.
//!
//! `test` calls it. The cluster belongs to a second process of this program, the *guard*, which waits for the end of
//! its standard input and then stops Postgres and deletes the folder. The input is a pipe held by `test`, so it ends
//! however `test` ends: on return, on panic, on Ctrl-C and even on `kill -9`. A signal handler would need a crate and
//! would still miss the last.
//!
//! Fails when no Postgres is found or installed, and when it does not start; the error then holds its log.

mod install;

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

pub use install::find_or_install;

/// The hidden command by which `test` starts the guard.
pub const GUARD_COMMAND: &str = "postgres-guard";

/// A running cluster. Dropping it stops Postgres and deletes its files before `drop` returns.
pub struct Cluster {
    guard: Child,
    url: String,
}

impl Cluster {
    /// Starts Postgres from the programs in `bin`.
    pub fn start(bin: &Path) -> Result<Self, String> {
        let own = std::env::current_exe()
            .map_err(|error| format!("where this program lies is unknown: {error}"))?;
        let mut guard = Command::new(own)
            .arg(GUARD_COMMAND)
            .arg(bin)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C in a terminal goes to the whole group of the foreground, and must not end the
            // guard before it has cleaned up.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the guard of Postgres could not be started: {error}"))?;
        let mut answer = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut answer)
                .map_err(|error| format!("the guard of Postgres could not be read: {error}"))?;
        }
        let cluster = Cluster {
            guard,
            url: answer.trim().to_string(),
        };
        if cluster.url.is_empty() {
            return Err("Postgres did not start; its message is above".into());
        }
        Ok(cluster)
    }

    /// The address of the cluster's database `postgres`, in the form that sqlx reads; its user may create others.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("warning: the guard of Postgres was lost: {error}");
        }
    }
}

/// Runs a cluster from the programs in the folder `arguments[0]` until standard input ends.
///
/// Prints the cluster's address, and nothing else, on stdout.
pub fn guard(arguments: &[String]) -> Result<ExitCode, String> {
    let [bin] = arguments else {
        return Err(format!(
            "`{GUARD_COMMAND}` takes the folder of Postgres' programs; `cargo xtask test` calls it"
        ));
    };
    let user = ServerUser::choose()?;
    let folder = Folder::create(&user)?;
    let server = Server {
        bin: PathBuf::from(bin),
        folder: &folder.path,
        user,
    };
    server.initialise()?;
    server.start()?;
    let served = announce_and_wait(&address(&folder.path));
    server.stop();
    served.map(|()| ExitCode::SUCCESS)
}

fn announce_and_wait(url: &str) -> Result<(), String> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{url}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("the caller left: {error}"))?;
    let mut ignored = Vec::new();
    io::stdin()
        .read_to_end(&mut ignored)
        .map_err(|error| format!("the caller was lost: {error}"))?;
    Ok(())
}

/// The address of a server whose socket lies in `folder`.
///
/// The port only names the socket's file. It is written out because a client would otherwise take it from `PGPORT`.
fn address(folder: &Path) -> String {
    let folder: String = folder
        .to_string_lossy()
        .bytes()
        .map(percent_encoded)
        .collect();
    format!("postgres://postgres@localhost:5432/postgres?host={folder}")
}

fn percent_encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}

/// The cluster's folder: data, log and socket. Deleted when dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create(user: &ServerUser) -> Result<Self, String> {
        // Not TMPDIR where /tmp exists: a socket's path may have 107 bytes at most, and the user that Postgres runs as
        // must be able to reach it.
        let parent = Some(PathBuf::from("/tmp"))
            .filter(|tmp| tmp.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let nanoseconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let path = parent.join(format!(
            "okra-postgres-{}-{nanoseconds:x}",
            std::process::id()
        ));
        let fail = |error| format!("{}: {error}", path.display());
        // Creating fails where the name is taken, so the folder is ours and nobody prepared it.
        DirBuilder::new().mode(0o700).create(&path).map_err(fail)?;
        let folder = Folder { path: path.clone() };
        if let ServerUser::Other { uid, gid } = user {
            chown(&path, Some(*uid), Some(*gid)).map_err(fail)?;
        }
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!(
                "warning: {} could not be removed: {error}",
                self.path.display()
            );
        }
    }
}

/// Whom Postgres runs as: it refuses to run as root.
enum ServerUser {
    Ourselves,
    Other { uid: u32, gid: u32 },
}

impl ServerUser {
    fn choose() -> Result<Self, String> {
        if id(&["-u"]) != Some(0) {
            return Ok(ServerUser::Ourselves);
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Some(ServerUser::Other { uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
            .ok_or_else(|| {
                "Postgres refuses to run as root, and there is no user `postgres` or `nobody` to run it as".into()
            })
    }
}

/// What `id` prints, where it succeeds.
fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id")
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A cluster's programs and files.
struct Server<'a> {
    bin: PathBuf,
    folder: &'a Path,
    user: ServerUser,
}

impl Server<'_> {
    fn initialise(&self) -> Result<(), String> {
        let data = self.data();
        let mut initdb = self.program("initdb");
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        let output = initdb
            .arg(&data)
            .output()
            .map_err(|error| format!("initdb could not be started: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "initdb failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let file = data.join("postgresql.conf");
        fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(settings(self.folder).as_bytes()))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    fn start(&self) -> Result<(), String> {
        let log = self.folder.join("log");
        let status = self
            .program("pg_ctl")
            .args(["start", "--wait", "--timeout=60", "--silent", "-D"])
            .arg(self.data())
            .arg("-l")
            .arg(&log)
            .status()
            .map_err(|error| format!("pg_ctl could not be started: {error}"))?;
        if status.success() {
            return Ok(());
        }
        self.stop();
        let said = fs::read_to_string(&log)
            .unwrap_or_else(|error| format!("its log cannot be read: {error}"));
        Err(format!("Postgres did not start:\n{said}"))
    }

    /// Ends every process of the cluster at once: what it would still write is about to be deleted.
    fn stop(&self) {
        let mut pg_ctl = self.program("pg_ctl");
        let stopped = pg_ctl
            .args(["stop", "--wait", "--mode=immediate", "--silent", "-D"])
            .arg(self.data())
            .status();
        if !matches!(&stopped, Ok(status) if status.success()) {
            eprintln!(
                "warning: Postgres in {} could not be stopped: {stopped:?}",
                self.folder.display()
            );
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        // Stdout is the line to our caller and must not be held open by the server.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .current_dir(self.folder)
            .env("LC_ALL", "C");
        for name in [
            "PGDATA",
            "PGHOST",
            "PGPORT",
            "PGUSER",
            "PGDATABASE",
            "PGOPTIONS",
        ] {
            command.env_remove(name);
        }
        if let ServerUser::Other { uid, gid } = self.user {
            command.gid(gid).uid(uid);
        }
        command
    }
}

/// What is added to the cluster's configuration.
fn settings(folder: &Path) -> String {
    format!(
        "\
listen_addresses = ''
unix_socket_directories = '{}'
port = 5432
max_connections = 500
shared_buffers = 64MB
# The data need not outlive a crash of the machine, only be visible to the next query.
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
",
        folder.display().to_string().replace('\'', "''")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_survives_any_folder_name() {
        for (folder, host) in [
            ("/tmp/okra-postgres-1", "%2Ftmp%2Fokra-postgres-1"),
            ("/t m/a&b?c=#%", "%2Ft%20m%2Fa%26b%3Fc%3D%23%25"),
            ("/tmp/옥", "%2Ftmp%2F%EC%98%A5"),
        ] {
            assert_eq!(
                address(Path::new(folder)),
                format!("postgres://postgres@localhost:5432/postgres?host={host}")
            );
        }
    }

    #[test]
    fn a_quote_in_the_folder_cannot_end_the_setting() {
        let text = settings(Path::new("/tmp/o'k"));
        assert!(
            text.contains("unix_socket_directories = '/tmp/o''k'\n"),
            "{text}"
        );
        assert!(
            text.contains("listen_addresses = ''\n"),
            "no port may be opened: {text}"
        );
    }

    #[test]
    fn the_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::create(&ServerUser::Ourselves).unwrap();
        let path = folder.path.clone();
        fs::write(path.join("file"), "x").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_guard_says_who_calls_it() {
        assert!(guard(&[]).unwrap_err().contains("cargo xtask test"));
    }
}
