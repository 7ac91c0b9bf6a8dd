//! Drawing pages whose content their scripts write, in a Chromium that the operator names.
//!
//! A page's script is a program of whoever wrote it, inside the operator's network. So the browser has
//! no way out but a [`Gateway`], which connects to nothing that the fetcher would not: it is told to use
//! that proxy for every address, loopback ones too, to look no name up itself, and to send no datagrams.
//! Each page has a browser of its own with an empty profile, an end to its time, to the memory of each
//! of its processes, and to what it may load and give, and one page is drawn at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use okra_domain::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use url::Url;

use crate::fetch::{Fetcher, Gateway, USER_AGENT};
use crate::ingest::IngestError;
use crate::process::kill_group;

/// How long a page's own clock runs: what its scripts wait for comes at once.
const CLOCK: Duration = Duration::from_secs(10);
/// Memory in which a process of the browser just works, in bytes.
const LEAST_MEMORY: u64 = 512 << 20;
/// Characters of the browser's complaints that are kept for the log.
const COMPLAINT: u64 = 4_000;

/// What is said to every browser. A later switch wins over an earlier one of its name, and there are no
/// others than ours.
const SWITCHES: [&str; 28] = [
    "--headless=new",
    "--dump-dom",
    "--incognito",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-component-extensions-with-background-pages",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--metrics-recording-only",
    // One process draws the page and its frames, so that frames of many sites are not given as many
    // times the memory. They have no cookies or logins to be kept apart.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    // Whatever would speak without the proxy: QUIC, datagrams of WebRTC, discovery in the local network.
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-features=MediaRouter,DialMediaRouteProvider,AsyncDns,DnsOverHttpsUpgrade,Translate,\
     OptimizationHints,WebTransport,IsolateOrigins,site-per-process",
    // Loopback addresses too, which go past a proxy by default; and no name is looked up but by it.
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];

/// A Chromium, for sources that want their pages drawn.
#[derive(Debug)]
pub struct Browser {
    program: PathBuf,
    /// How long drawing a page may take.
    time: Duration,
    /// Memory that each process of a browser may take, in bytes.
    memory: u64,
    sandbox: bool,
    turn: Semaphore,
}

impl Browser {
    /// The Chromium at `program`, a path, with so much `time` for a page and so many bytes of `memory`
    /// for each process that draws it. Fails with a sentence for the operator where there is none, or
    /// where it cannot have its `sandbox`.
    pub fn new(program: &Path, time: Duration, memory: u64, sandbox: bool) -> Result<Self, String> {
        let shown = program.display();
        if !program.is_absolute() {
            return Err(format!("{shown} is no absolute path"));
        }
        let metadata = std::fs::metadata(program);
        let metadata = metadata.map_err(|error| format!("{shown} cannot be run: {error}"))?;
        if !metadata.is_file() {
            return Err(format!("{shown} is no program"));
        }
        if memory < LEAST_MEMORY {
            return Err(format!(
                "chromium_memory_mb (OKRA_CHROMIUM_MEMORY_MB) must be at least {}: no page is drawn in less",
                LEAST_MEMORY >> 20
            ));
        }
        #[cfg(unix)]
        if sandbox && rustix::process::geteuid().is_root() {
            return Err(
                "Chromium has no sandbox where root runs it. Run Okra as another user, or, where \
                 something else confines it, such as a container, say chromium_sandbox = false \
                 (OKRA_CHROMIUM_SANDBOX=false)"
                    .to_owned(),
            );
        }
        Ok(Self {
            program: program.to_owned(),
            time,
            memory,
            sandbox,
            turn: Semaphore::new(1),
        })
    }

    /// The page at `url` as it is once its scripts have run, as HTML no longer than a page may be. The
    /// page was fetched before, and may be read.
    pub(crate) async fn draw(&self, fetcher: &Fetcher, url: &Url) -> Result<Bytes, IngestError> {
        let max_bytes = fetcher.max_bytes();
        let turn = self.turn.acquire().await;
        let _turn = turn.map_err(|error| Error::internal("no browser is to be had", error))?;
        let failed = |error| Error::internal("a page was not drawn", error);
        let gateway = fetcher.gateway(url).await.map_err(failed)?;
        let profile = tempfile::tempdir().map_err(failed)?;
        let process = Process::start(self, url, &gateway, profile.path()).map_err(failed)?;
        let drawn = tokio::time::timeout(self.time, process.page(max_bytes)).await;
        if gateway.page_refused() {
            return Err(unreadable("it could not be reached by the browser"));
        }
        match drawn {
            Err(_) => {
                let reason = format!("that took more than {} seconds", self.time.as_secs());
                Err(unreadable(&reason))
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                let reason = format!("it is larger than {} MB then", max_bytes >> 20);
                Err(unreadable(&reason))
            }
            Ok(page) => Ok(page.map_err(failed)?),
        }
    }
}

fn unreadable(reason: &str) -> IngestError {
    IngestError::Unreadable(format!(
        "The page could not be drawn with its scripts: {reason}."
    ))
}

/// The command that runs `program` with no process of it writing to more than so much memory. Addresses,
/// which an engine of JavaScript sets aside by the terabyte, are not limited; a shell does it, since
/// the limit has to be there before the first of them starts another.
#[cfg(unix)]
fn limited(program: &Path, memory: u64) -> Command {
    let mut command = Command::new("/bin/sh");
    let kilobytes = (memory / 1024).to_string();
    command.args(["-c", "ulimit -d \"$1\" && shift && exec \"$@\"", "sh"]);
    command.arg(kilobytes).arg(program);
    command
}

#[cfg(not(unix))]
fn limited(program: &Path, _memory: u64) -> Command {
    Command::new(program)
}

/// A browser that draws one page. Dropped, it is killed with all its processes.
struct Process(Child);

impl Process {
    fn start(browser: &Browser, url: &Url, gateway: &Gateway, profile: &Path) -> io::Result<Self> {
        let mut command = limited(&browser.program, browser.memory);
        command
            .args(SWITCHES)
            .arg(format!(
                "--user-agent=Mozilla/5.0 (compatible; {USER_AGENT})"
            ))
            .arg(format!("--virtual-time-budget={}", CLOCK.as_millis()))
            // What has come by then is taken.
            .arg(format!("--timeout={}", (browser.time * 2 / 3).as_millis()))
            .arg(format!("--proxy-server=http://{}", gateway.address()))
            .arg(format!(
                "--user-data-dir={}",
                profile.join("profile").display()
            ))
            .args((!browser.sandbox).then_some("--no-sandbox"))
            // It begins with http, so that it is no switch.
            .arg(url.as_str())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", profile)
            .env("TMPDIR", profile)
            .current_dir(profile)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A group of its own, so that all of its processes can be ended.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn().map(Self)
    }

    /// Waits for the page.
    ///
    /// # Errors
    /// `FileTooLarge` for one that is longer than `max_bytes`.
    async fn page(mut self, max_bytes: usize) -> io::Result<Bytes> {
        let (Some(out), Some(err)) = (self.0.stdout.take(), self.0.stderr.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (page, complaint) = tokio::try_join!(whole(out, max_bytes), complaint(err))?;
        let status = self.0.wait().await?;
        if !status.success() {
            tracing::warn!(%status, complaint, "the browser failed");
            return Err(io::Error::other("the browser failed"));
        }
        if page.trim_ascii().is_empty() {
            tracing::warn!(complaint, "the browser gave no page");
            return Err(io::Error::other("the browser gave no page"));
        }
        Ok(page.into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill_group(&mut self.0);
    }
}

async fn whole(from: impl AsyncRead + Unpin, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let most = max_bytes as u64 + 1;
    from.take(most).read_to_end(&mut page).await?;
    match page.len() > max_bytes {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(page),
    }
}

/// What the browser complains of, as much as is kept; the rest is read away, so that it never waits.
async fn complaint(from: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut kept = Vec::new();
    let mut from = from.take(COMPLAINT);
    from.read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from.into_inner(), &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_browser_is_refused_with_the_reason() {
        let new = |program: &str, memory, sandbox| {
            Browser::new(Path::new(program), Duration::from_secs(1), memory, sandbox)
        };
        let check = |program: &str, sandbox, expected: &str| {
            let refused = new(program, LEAST_MEMORY, sandbox);
            let said = refused.expect_err(program);
            assert!(said.contains(expected), "{said}");
        };
        check("chromium", false, "no absolute path");
        check("/nowhere/chromium", false, "cannot be run");
        check("/tmp", false, "no program");
        #[cfg(unix)]
        if rustix::process::geteuid().is_root() {
            check("/bin/sh", true, "OKRA_CHROMIUM_SANDBOX=false");
        }
        let refused = new("/bin/sh", LEAST_MEMORY - 1, false).expect_err("too little");
        assert!(refused.contains("at least 512"), "{refused}");
        new("/bin/sh", LEAST_MEMORY, false).expect("a program");
    }
}
