//! The use cases: answer a turn, find knowledge, take items in, and the worker that does it in the
//! background. Knows the store, the models, the extractors and the ranking; knows nothing of HTTP
//! edges or command lines.

pub mod archive;
mod background;
pub mod browser;
pub mod chat;
pub mod embedders;
mod eval;
mod extractive;
pub mod fetch;
pub mod gaps;
mod handover;
mod images;
mod indexes;
mod ingest;
mod interrupted;
pub mod live;
pub mod mail;
mod office;
pub mod pairs;
mod passages;
mod process;
mod prompt;
pub mod providers;
pub mod reading;
mod reembed;
mod replies;
mod rerankers;
mod retrieve;
pub mod sources;
mod summary;
mod tokens;
pub mod tools;
pub mod upload;
pub mod webhooks;
pub mod worker;
mod writing;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okra_domain::Timestamp;
use okra_domain::error::Result;
use okra_store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use browser::Browser;
use embedders::Embedders;
use fetch::{Fetcher, Gate};
use indexes::Indexes;
pub use okra_extract::{Format, Unsupported};
pub use okra_search::Fusion;
use passages::Passages;
use reading::Reading;
pub use retrieve::{Found, Passage, Scores};
pub use writing::Written;

/// What the engine is made of; built once by the composition root.
pub struct Parts {
    /// All durable state.
    pub store: Store,
    /// Who makes vectors of passages and questions.
    pub embedders: Embedders,
    /// Reaches the providers of chat models.
    pub models: providers::Models,
    /// What organizations' own providers may be reached at.
    pub gate: Gate,
    /// Fetches user-given addresses.
    pub fetcher: Fetcher,
    /// Draws pages that their scripts write, where the operator names one.
    pub browser: Option<Browser>,
    /// Folders and buckets that sources may name.
    pub places: sources::Places,
    /// MCP servers that may be run on this machine.
    pub commands: tools::commands::Commands,
    /// Sends e-mail, where the operator names a mail server.
    pub mailer: Option<mail::Mailer>,
    /// Limits and choices.
    pub options: Options,
}

/// Limits and choices of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What answers where no provider is configured.
    pub fallback: Fallback,
    /// Passages given to an answer at most.
    pub passages: usize,
    /// Messages of history that a turn sees at most.
    pub history_messages: u32,
    /// Tokens of a prompt at most, by our estimate.
    pub prompt_tokens: usize,
    /// Tokens of an answer at most; `None` leaves it to the provider.
    pub answer_tokens: Option<u32>,
    /// How long a turn may take, from the stored question to the end of its answer.
    pub turn_time: Duration,
    /// How long one call of a tool may take.
    pub tool_time: Duration,
    /// How long a question waits for its vector, before it is searched for by its words alone.
    pub query_embedding_time: Duration,
    /// The hosts that tools may call, as in `shop.example` or `*.shop.example`; where empty, all that the fetcher
    /// reaches.
    pub tool_hosts: Vec<String>,
    /// Memory that search indexes may take together, in bytes. One index is always kept.
    pub index_cache_bytes: usize,
    /// Where large indexes are kept between starts; `None` keeps all in memory.
    pub index_folder: Option<PathBuf>,
    /// How documents are read.
    pub reading: Reading,
    /// How long a visitor's answer goes on with nobody reading it.
    pub abandon_after: Duration,
    /// The address under which visitors reach this server, without a slash at its end; `None` where nobody said.
    pub public_url: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fallback: Fallback::Extractive,
            passages: 8,
            history_messages: 20,
            prompt_tokens: 8_000,
            answer_tokens: None,
            turn_time: Duration::from_secs(180),
            tool_time: Duration::from_secs(15),
            query_embedding_time: Duration::from_secs(5),
            tool_hosts: Vec::new(),
            index_cache_bytes: 512 * 1024 * 1024,
            index_folder: None,
            reading: Reading::default(),
            abandon_after: Duration::from_secs(30),
            public_url: None,
        }
    }
}

/// What answers where no model provider is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The best passage's own sentences.
    Extractive,
    /// Nobody: the turn fails and says what to configure.
    Error,
}

/// Memory for passages that were found lately: some ten thousand of them.
const PASSAGE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The use cases over one set of parts.
pub struct Engine {
    parts: Parts,
    indexes: Arc<Indexes>,
    passages: Passages,
    /// What the sites that are being read asked of crawlers.
    robots: sources::RobotsCache,
    /// When they may be asked again.
    pace: sources::Pace,
    rerankers: rerankers::Rerankers,
    /// Tells waiting workers that there is a job.
    jobs: Notify,
    /// Turns under way, which people may take their sessions from.
    handover: Arc<handover::Handover>,
    /// Turns that visitors may come back to.
    live: live::LiveTurns,
    /// What conversations said before the part that a turn is shown.
    memories: chat::Memories,
    /// When the log of deliveries was trimmed last.
    trimmed: Mutex<Option<Timestamp>>,
    /// Turns and jobs under way, so that a shutdown can wait for them.
    running: TaskTracker,
    /// Cancelled when the server stops: workers give their jobs back.
    stopping: CancellationToken,
}

impl Engine {
    /// An engine at rest: nothing runs until it is asked.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn new(parts: Parts) -> Result<Arc<Self>> {
        let options = &parts.options;
        let indexes = Indexes::new(options.index_cache_bytes, options.index_folder.clone())?;
        Ok(Arc::new(Self {
            indexes,
            passages: Passages::new(PASSAGE_CACHE_BYTES),
            robots: sources::RobotsCache::default(),
            pace: sources::Pace::default(),
            rerankers: rerankers::Rerankers::default(),
            parts,
            jobs: Notify::new(),
            handover: Arc::default(),
            live: live::LiveTurns::default(),
            memories: chat::Memories::new(),
            trimmed: Mutex::default(),
            running: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }))
    }

    /// The store, for plain reads and writes.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Folders and buckets that sources may name.
    pub fn places(&self) -> &sources::Places {
        &self.parts.places
    }

    /// MCP servers that may be run on this machine.
    pub fn commands(&self) -> &tools::commands::Commands {
        &self.parts.commands
    }

    /// Ends the MCP servers on this machine that were not used for a while; the workers see to it.
    pub fn end_unused_commands(&self) {
        self.parts.commands.end_unused();
    }

    /// Sends e-mail, where the operator names a mail server.
    pub fn mailer(&self) -> Option<&mail::Mailer> {
        self.parts.mailer.as_ref()
    }

    /// Memory that search indexes take just now, in bytes.
    pub fn index_bytes(&self) -> usize {
        self.indexes.bytes()
    }

    /// Is cancelled when the server stops, for what would otherwise go on for ever.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Tells the workers that a job was stored. Missing this call costs them a second, no more.
    pub fn wake_workers(&self) {
        self.jobs.notify_waiters();
    }

    /// Stops: workers give their jobs back at once, running turns are waited for, `patience` at
    /// most; then no process that Okra started is left.
    pub async fn shut_down(&self, patience: Duration) {
        self.stopping.cancel();
        self.running.close();
        if tokio::time::timeout(patience, self.running.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                running = self.running.len(),
                "stopped without waiting longer for running turns"
            );
        }
        self.parts.commands.end();
    }
}
