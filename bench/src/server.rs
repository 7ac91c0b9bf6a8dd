//! The server under test: the release binary in a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::http::{Connection, form};

/// The key of the first organization.
pub const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
/// How long a start may take before it is given up.
const START: Duration = Duration::from_secs(60);
/// How long reading a document may take before it is given up.
const READ: Duration = Duration::from_secs(300);

/// What the system tells of a process's memory under this name, in megabytes; nothing of one that has ended.
fn memory_mb(process: u32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes = line.strip_prefix(':')?.trim().strip_suffix("kB")?;
    let kilobytes: f64 = kilobytes.trim().parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

/// A running server. Killed when dropped.
pub struct Server {
    process: Child,
    set_up_link: oneshot::Receiver<String>,
    pub address: SocketAddr,
    /// From the start of the process to the first 200 of `/healthz`.
    pub started_in: Duration,
}

impl Server {
    /// Starts `binary` on `data`, with the provider at `provider` or none; waits for `/healthz`.
    pub async fn start(binary: &Path, data: &Path, provider: Option<&str>) -> Result<Self> {
        Self::start_with(binary, data, provider, &[]).await
    }

    /// The same with more settings, as environment variables.
    pub async fn start_with(
        binary: &Path,
        data: &Path,
        provider: Option<&str>,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        // Logs cost what they cost in service, where they go to a file or a pipe.
        let log = std::fs::File::create(data.with_extension("log"))?;
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .env_clear()
            .env("OKRA_LISTEN", "127.0.0.1:0")
            .env("OKRA_DATA_DIR", data)
            .env("OKRA_BOOTSTRAP_API_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        if let Some(url) = provider {
            command.env("OPENAI_BASE_URL", url);
        }
        command.envs(settings.iter().copied());
        let begun = Instant::now();
        let mut process = command
            .spawn()
            .with_context(|| format!("{} could not be started", binary.display()))?;
        let greeting = timeout(START, greeting(&mut process)).await;
        let (address, set_up_link) =
            greeting.context("the server did not say where it listens")??;
        healthy(address).await?;
        Ok(Self {
            process,
            set_up_link,
            address,
            started_in: begun.elapsed(),
        })
    }

    /// A new connection with the organization's key.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address, KEY).await
    }

    /// The link to the first account, which a server without one prints.
    pub async fn set_up_link(&mut self) -> Result<String> {
        let link = timeout(START, &mut self.set_up_link).await;
        link.context("the server printed no set-up link")?
            .context("the server ended")
    }

    /// Resident memory in megabytes (10⁶ bytes), where the system tells.
    pub fn resident_mb(&self) -> Result<f64> {
        memory_mb(self.process()?, "VmRSS").context("no VmRSS")
    }

    /// The most memory that was resident in any process that it has started and that still runs, in megabytes; 0 where
    /// there is none.
    pub fn children_peak_mb(&self) -> Result<f64> {
        let mut peak = 0.0_f64;
        // A process is its thread's, of which any may have started it.
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process()?))? {
            // It may have ended since, and so may the process.
            let children = std::fs::read_to_string(thread?.path().join("children"));
            for child in children.unwrap_or_default().split_whitespace() {
                let child = memory_mb(child.parse()?, "VmHWM");
                peak = peak.max(child.unwrap_or_default());
            }
        }
        Ok(peak)
    }

    /// Its process.
    pub fn process(&self) -> Result<u32> {
        self.process.id().context("the server has ended")
    }

    /// Ends it at once.
    pub async fn stop(mut self) -> Result<()> {
        self.process.kill().await?;
        Ok(())
    }
}

/// Processor time that a process used so far, by all threads, in seconds.
pub fn processor_seconds(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux counts in hundredths of a second on every platform that Rust supports.
    Ok(ticks as f64 / 100.0)
}

/// Makes a chatbot; gives the path that its calls begin with.
pub async fn new_chatbot(connection: &mut Connection) -> Result<String> {
    let path = "/api/external/chatbots";
    let made = connection.post(path, &json!({ "name": "Bench" })).await?;
    let id = made["chatbot"]["id"].as_str().context("no chatbot id")?;
    Ok(format!("/api/external/chatbot/{id}"))
}

/// Uploads files; returns with the server's answer, before they are read.
pub async fn upload(
    connection: &mut Connection,
    bot: &str,
    files: &[(String, Vec<u8>)],
) -> Result<()> {
    let (content_type, body) = form(files);
    let path = format!("{bot}/knowledge-base/files");
    let answer = connection.send(("POST", &path), &content_type, &body);
    answer.await?.json().map(|_| ())
}

/// Waits until every item of the chatbot is read; gives how many passages they hold together.
pub async fn all_read(connection: &mut Connection, bot: &str) -> Result<usize> {
    let path = format!("{bot}/knowledge-base?limit=200");
    let begun = Instant::now();
    loop {
        let items = connection.get(&path).await?;
        let items = items["data"].as_array().context("no items")?;
        if let Some(failed) = items.iter().find(|item| item["status"] == "failed") {
            bail!("an item was not read: {}", failed["error"]);
        }
        if items.iter().all(|item| item["status"] == "ready") {
            let chunks = items.iter().filter_map(|item| item["chunks"].as_u64());
            return Ok(chunks.sum::<u64>() as usize);
        }
        if begun.elapsed() > READ {
            bail!("items were not read within {READ:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The contents that a query finds, best first.
pub async fn query(connection: &mut Connection, bot: &str, text: &str) -> Result<Vec<String>> {
    let path = format!("{bot}/query-knowledge");
    let found = connection.post(&path, &json!({ "query": text })).await?;
    let found = found["results"].as_array().context("no results")?;
    let content = |result: &Value| result["content"].as_str().unwrap_or_default().to_owned();
    Ok(found.iter().map(content).collect())
}

/// Where the server says that it listens, and the set-up link once it is printed.
async fn greeting(process: &mut Child) -> Result<(SocketAddr, oneshot::Receiver<String>)> {
    let stdout = process.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let Some((_, address)) = line.split_once("http://") else {
            continue;
        };
        let (found, link) = oneshot::channel();
        // The rest of the greeting is read too: a closed pipe would fail the server's print.
        tokio::spawn(async move {
            let mut found = Some(found);
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("/link#")
                    && let Some(found) = found.take()
                {
                    let _ = found.send(line.trim().to_owned());
                }
            }
        });
        return Ok((address.trim().parse()?, link));
    }
    bail!("the server ended without listening; its log is beside its data folder")
}

async fn healthy(address: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    loop {
        if let Ok(mut connection) = Connection::open(address, "").await {
            let answer = connection.send(("GET", "/healthz"), "text/plain", b"");
            if answer.await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
        }
        if begun.elapsed() > START {
            bail!("/healthz never answered 200");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
