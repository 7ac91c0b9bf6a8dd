//! Reading documents where they can do no harm: each in a process of its own, under limits of time,
//! processor time, memory and output. Called by `ingest`.
//!
//! A parser that crashes, hangs or takes all memory then fails the document it was given, and nothing
//! else. The process is `okra` itself (see [`worker`]); it gets the document on its standard input,
//! answers on its standard output, sees none of the server's secrets, and is killed, with whatever it
//! started, when nobody waits for it any more. Formats that our own code reads line by line need no
//! such process and are read in this one: see [`Content::is_plain`].

mod ocr;
mod wire;
pub mod worker;

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use okra_domain::Error;
use okra_extract::{Document, ExtractError, Limits};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

use crate::Engine;
use crate::ingest::{IngestError, blocking};
use crate::process::kill_group;
pub use ocr::languages as ocr_languages;
pub(crate) use wire::Content;
use wire::Request;

/// How documents are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The program that reads, which is `okra` itself: [`this_program`]. `None` reads in this process,
    /// where a hostile document can take the memory of all; that is for unit tests.
    pub program: Option<PathBuf>,
    /// How long reading one document may take, and how much processor time.
    pub time: Duration,
    /// Memory that reading one document may take, in bytes.
    pub memory_bytes: u64,
    /// Languages of text in pictures, as tesseract names them; none for English and Korean, where
    /// they are installed.
    pub ocr_languages: Vec<String>,
}

impl Default for Reading {
    /// In this process, two minutes, 1 GiB.
    fn default() -> Self {
        Self {
            program: None,
            time: Duration::from_secs(120),
            memory_bytes: 1 << 30,
            ocr_languages: Vec::new(),
        }
    }
}

/// How much longer than the document's own time its process is waited for, so that a reader that
/// keeps the time gives its own reason.
const GRACE: Duration = Duration::from_secs(3);

/// Bytes of an answer at most; more than the characters that a document may hold ever take.
const MAX_ANSWER_BYTES: u64 = 128 << 20;

/// Bytes of a failing reader's last words that are kept for the log.
const MAX_COMPLAINT_BYTES: u64 = 4096;

/// The program that runs just now, for [`Reading::program`]. On Linux it is found even after an
/// upgrade has replaced its file, so that both ends always speak the same language.
pub fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    std::env::current_exe()
}

impl Engine {
    /// Reads a document.
    pub(crate) async fn read_document(
        &self,
        content: Content,
        bytes: Bytes,
    ) -> Result<Document, IngestError> {
        let reading = &self.parts.options.reading;
        match &reading.program {
            Some(program) if !content.is_plain(bytes.len()) => {
                let request = Request::new(content, bytes.len(), reading);
                Reader::start(program, reading)?.read(request, bytes).await
            }
            _ => {
                let limits = limits(reading.time);
                let ocr = ocr::reader(&reading.ocr_languages);
                let read = move || content.read(&bytes, &limits, &ocr);
                let document = blocking(read).await?;
                document.map_err(|error| IngestError::Unreadable(reason(&error, reading.time)))
            }
        }
    }
}

/// Why a document was not read, for people; where it was for want of time, how much there was and what
/// gives it more.
fn reason(error: &ExtractError, time: Duration) -> String {
    match error {
        ExtractError::OutOfTime => format!(
            "Reading the file took more than {} seconds and was stopped; whoever runs the server can \
             allow more (OKRA_EXTRACT_TIMEOUT_SECONDS).",
            time.as_secs()
        ),
        error => error.to_string(),
    }
}

fn limits(time: Duration) -> Limits {
    Limits {
        deadline: Some(Instant::now() + time),
        ..Limits::default()
    }
}

/// A process that reads one document. Dropped, it is killed.
struct Reader<'r> {
    child: Child,
    reading: &'r Reading,
}

/// What a process said before it ended, or that it didn't end.
struct Outcome {
    answer: Vec<u8>,
    complaint: String,
    status: ExitStatus,
}

impl<'r> Reader<'r> {
    fn start(program: &PathBuf, reading: &'r Reading) -> Result<Self, Error> {
        let mut command = Command::new(program);
        command
            .arg(worker::ARGUMENT)
            .env_clear()
            .envs(worker::environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A group of its own, so that what it starts can be ended with it, and Ctrl-C is the server's.
        #[cfg(unix)]
        command.process_group(0).current_dir("/");
        let child = command.spawn();
        let child = child.map_err(|error| {
            Error::internal("the process that reads documents was not started", error)
        })?;
        Ok(Self { child, reading })
    }

    async fn read(mut self, request: Request, bytes: Bytes) -> Result<Document, IngestError> {
        let patience = self.reading.time + GRACE;
        match tokio::time::timeout(patience, self.talk(request, bytes)).await {
            Err(_) => Err(self.unreadable(&ExtractError::OutOfTime)),
            Ok(Ok(outcome)) => self.judge(outcome).await,
            Ok(Err(error)) if error.kind() == ErrorKind::FileTooLarge => {
                let what = format!("its text takes more than {} MB", MAX_ANSWER_BYTES >> 20);
                Err(self.unreadable(&ExtractError::TooLarge(what)))
            }
            Ok(Err(error)) => {
                let what = "the process that reads documents could not be spoken to";
                Err(Error::internal(what, error).into())
            }
        }
    }

    async fn talk(&mut self, request: Request, bytes: Bytes) -> io::Result<Outcome> {
        let (Some(stdin), Some(stdout), Some(stderr)) = (
            self.child.stdin.take(),
            self.child.stdout.take(),
            self.child.stderr.take(),
        ) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let (stdin, answer, complaint) = tokio::try_join!(
            send(stdin, request, bytes),
            answer(stdout),
            complaint(stderr),
        )?;
        let status = self.child.wait().await?;
        // Held until now: its end tells the process that the server is gone.
        drop(stdin);
        Ok(Outcome {
            answer,
            complaint,
            status,
        })
    }

    async fn judge(&self, outcome: Outcome) -> Result<Document, IngestError> {
        let Outcome {
            answer,
            complaint,
            status,
        } = outcome;
        if status.success() {
            return match parsed(answer).await? {
                Ok(Ok(document)) => Ok(document),
                Ok(Err(reason)) => Err(IngestError::Unreadable(reason)),
                Err(error) => {
                    let what = "the process that reads documents gave no proper answer";
                    Err(Error::internal(what, error).into())
                }
            };
        }
        tracing::warn!(%status, complaint, "the process that read a document was ended");
        Err(self.unreadable(&self.cause(&complaint, status)))
    }

    fn unreadable(&self, error: &ExtractError) -> IngestError {
        IngestError::Unreadable(reason(error, self.reading.time))
    }

    /// Why a process ended without an answer.
    fn cause(&self, complaint: &str, status: ExitStatus) -> ExtractError {
        if signal(status).is_some_and(|signal| signal == PROCESSOR_TIME_USED) {
            return ExtractError::OutOfTime;
        }
        // What Rust's runtime says where memory is refused. Nobody but the system kills outright.
        let out_of_memory =
            complaint.contains("memory allocation of") || signal(status) == Some(KILLED);
        if out_of_memory {
            let limit = self.reading.memory_bytes >> 20;
            return ExtractError::TooLarge(format!(
                "reading it takes more than {limit} MB of memory; whoever runs the server can allow \
                 more (OKRA_EXTRACT_MEMORY_MB)"
            ));
        }
        ExtractError::Damaged("its contents could not be understood".to_owned())
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}

/// What an answer says; a hundred megabytes of it take their time.
async fn parsed(answer: Vec<u8>) -> Result<serde_json::Result<Result<Document, String>>, Error> {
    blocking(move || wire::parse_answer(&answer)).await
}

/// Sends the document and gives the pipe back. A process that ended early says why otherwise.
async fn send(mut stdin: ChildStdin, request: Request, bytes: Bytes) -> io::Result<ChildStdin> {
    let head = request.to_line();
    let sent = async {
        stdin.write_all(head.as_bytes()).await?;
        stdin.write_all(&bytes).await?;
        stdin.flush().await
    };
    if let Err(error) = sent.await {
        tracing::debug!(%error, "a reading process did not take its whole document");
    }
    Ok(stdin)
}

/// Reads the answer.
///
/// # Errors
/// `FileTooLarge` for one that is longer than any document's.
async fn answer(from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_ANSWER_BYTES + 1)
        .read_to_end(&mut bytes)
        .await?;
    if bytes.len() as u64 > MAX_ANSWER_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Reads the beginning of what a process complains about, and lets the rest pass so that it isn't kept.
async fn complaint(mut from: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut bytes = Vec::new();
    (&mut from)
        .take(MAX_COMPLAINT_BYTES)
        .read_to_end(&mut bytes)
        .await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(unix)]
const PROCESSOR_TIME_USED: i32 = rustix::process::Signal::XCPU.as_raw();
#[cfg(unix)]
const KILLED: i32 = rustix::process::Signal::KILL.as_raw();
#[cfg(not(unix))]
const PROCESSOR_TIME_USED: i32 = 24;
#[cfg(not(unix))]
const KILLED: i32 = 9;

#[cfg(all(test, unix))]
mod tests;
