//! The zero-delay model provider: this program again, in a process of its own, so that its work is not ours.

use std::io::Read;
use std::process::Stdio;

use anyhow::{Context, Result};
use okra_testkit::provider::MockProvider;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The argument that makes this program the provider.
pub const ARGUMENT: &str = "serve-mock-provider";

/// A running provider. Ends when dropped.
pub struct Mock {
    process: Child,
    /// Its address, ending in `/v1`.
    pub base_url: String,
}

impl Mock {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        Ok(Self {
            process,
            base_url: line.context("the mock provider ended")?,
        })
    }

    /// Its process.
    pub fn process(&self) -> Result<u32> {
        self.process.id().context("the mock provider has ended")
    }
}

/// Serves until standard input ends, which it does when the parent does.
pub async fn serve() -> Result<()> {
    let provider = MockProvider::start().await;
    println!("{}", provider.base_url());
    let end_of_input = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(end_of_input).await??;
    Ok(())
}
