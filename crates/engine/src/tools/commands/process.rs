//! One process of a command: its environment, the bounds of what it writes, and its end.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use okra_domain::Timestamp;
use rmcp::service::{Peer, RunningService, ServiceError};
use rmcp::{RoleClient, ServiceExt};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::OwnedSemaphorePermit;

use super::{CommandLine, locked};
use crate::process::kill_group;
use crate::tools::mcp::{READ, brief};

/// Bytes that a process may write from the beginning of one call to that of the next.
const WRITTEN: usize = 16 * 1024 * 1024;
/// Bytes of its complaints that are logged, and characters of a line of them.
const COMPLAINTS: u64 = 16 * 1024;
const COMPLAINT: usize = 500;
/// Variables of Okra's environment that it sees; none of them is a secret.
const PASSED_ON: [&str; 3] = ["PATH", "HOME", "LANG"];

/// A process that speaks the Model Context Protocol. Dropped, it is killed with whatever it started.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    connection: RunningService<RoleClient, ()>,
    group: Group,
    meter: Arc<Meter>,
    /// When it was last called, in microseconds.
    used: AtomicI64,
    /// Given back with it.
    _room: OwnedSemaphorePermit,
}

impl Process {
    /// Starts the command, and waits until it speaks.
    pub(super) async fn start(
        name: &str,
        line: &CommandLine,
        room: OwnedSemaphorePermit,
        now: Timestamp,
    ) -> Result<Self, String> {
        let spawned = spawn(line).map_err(|error| {
            tracing::warn!(command = name, %error, "a command of tools was not started");
            format!("The command {name} could not be started: {error}.")
        });
        let mut child = spawned?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = Group(Mutex::new(child));
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(format!("The command {name} could not be started."));
        };
        tokio::spawn(log_complaints(name.to_owned(), stderr));
        let meter = Arc::new(Meter::default());
        let stdout = Metered {
            from: stdout,
            line: 0,
            meter: meter.clone(),
        };
        let connection = ().serve((stdout, stdin)).await.map_err(|error| {
            let status = group.end();
            tracing::warn!(command = name, status, %error, "a command of tools could not be spoken to");
            brief(&match meter.is_over() {
                true => format!("The command {name} {OVER}."),
                false => format!("The command {name} could not be spoken to: {error}"),
            })
        })?;
        Ok(Self {
            name: name.to_owned(),
            connection,
            group,
            meter,
            used: AtomicI64::new(now.0),
            _room: room,
        })
    }

    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.connection.peer()
    }

    /// Whether nobody answers any more.
    pub(super) fn is_gone(&self) -> bool {
        self.connection.peer().is_transport_closed()
    }

    /// A call begins.
    pub(super) fn begin(&self) {
        self.meter.written.store(0, Ordering::Relaxed);
    }

    /// A call is over.
    pub(super) fn used_until(&self, now: Timestamp) {
        self.used.store(now.0, Ordering::Relaxed);
    }

    /// How long it was not used.
    pub(super) fn unused(&self, now: Timestamp) -> Duration {
        now.since(Timestamp(self.used.load(Ordering::Relaxed)))
    }

    /// Ends it, since it cannot be spoken to any more; says why.
    pub(super) fn failed(&self, error: &ServiceError) -> String {
        let status = self.group.end();
        let command = &self.name;
        tracing::warn!(command, status, %error, "a command of tools failed; the next call starts it anew");
        match self.meter.is_over() {
            true => format!("its program {OVER}."),
            false => "its program ended before it answered.".to_owned(),
        }
    }
}

/// What is said of a process that writes too much.
const OVER: &str = "wrote more than it may (1 MB in a message, 16 MB in all) and was ended";

fn spawn(line: &CommandLine) -> io::Result<Child> {
    let (program, arguments) = line.run.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let passed = PASSED_ON
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let own = line.env.iter().map(|(name, value)| (name, value.expose()));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(passed)
        .envs(own)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A group of its own, so that what it starts can be ended with it, and Ctrl-C is the server's.
    #[cfg(unix)]
    command.process_group(0).current_dir("/");
    command.spawn()
}

/// A process and what it started. Dropped, all of it is killed.
#[derive(Debug)]
struct Group(Mutex<Child>);

impl Group {
    /// Ends it; gives how it ended, where that was before.
    fn end(&self) -> Option<String> {
        let mut child = locked(&self.0);
        // First, as its group is not to be found once it was waited for.
        kill_group(&mut child);
        let status = child.try_wait().ok().flatten();
        status.map(|status| status.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        kill_group(&mut locked(&self.0));
    }
}

/// Logs the beginning of what a process complains of; the rest is read away, so that it never waits.
async fn log_complaints(name: String, from: ChildStderr) {
    let mut from = BufReader::new(from.take(COMPLAINTS));
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line).await {
        let said: String = String::from_utf8_lossy(&line)
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(COMPLAINT)
            .collect();
        tracing::info!(command = name, said, "a command of tools");
        line.clear();
    }
    let mut rest = from.into_inner().into_inner();
    let rest = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    if !matches!(rest, Ok(0)) {
        tracing::info!(
            command = name,
            "a command of tools said more, which is not logged"
        );
    }
}

/// How much a process wrote.
#[derive(Debug, Default)]
struct Meter {
    written: AtomicUsize,
    is_over: AtomicBool,
}

impl Meter {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Reads from a process what it may write, and fails beyond that.
struct Metered<R> {
    from: R,
    /// Bytes of the message that is being read.
    line: usize,
    meter: Arc<Meter>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Metered<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let written = self.meter.written.fetch_add(new.len(), Ordering::Relaxed) + new.len();
        let mut is_over = written > WRITTEN;
        for piece in new.split_inclusive(|byte| *byte == b'\n') {
            self.line += piece.len();
            is_over |= self.line > READ;
            if piece.ends_with(b"\n") {
                self.line = 0;
            }
        }
        if is_over {
            self.meter.is_over.store(true, Ordering::Relaxed);
            buffer.set_filled(before);
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (io::Result<usize>, bool) {
        let meter = Arc::new(Meter::default());
        let mut metered = Metered {
            from: bytes,
            line: 0,
            meter: meter.clone(),
        };
        let read = metered.read_to_end(&mut Vec::new()).await;
        (read, meter.is_over())
    }

    #[tokio::test]
    async fn a_message_and_all_of_them_have_an_end() {
        let line = [vec![b'x'; READ - 1], vec![b'\n']].concat();
        let (whole, is_over) = read(&line.repeat(16)).await;
        assert_eq!((whole.expect("within both"), is_over), (16 * READ, false));
        let (longer, is_over) = read(&vec![b'x'; READ + 1]).await;
        assert!(longer.is_err() && is_over);
        let (many, is_over) = read(&b"x\n".repeat(WRITTEN / 2 + 1)).await;
        assert!(many.is_err() && is_over);
    }
}
