//! `okra sources`: what a chatbot reads whole and keeps fresh, added, listed and read from here.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use okra_domain::chatbot::Chatbot;
use okra_domain::source::{
    Cadence, KnowledgeSource, NewSource, SourceChange, SourceKind, SourceReport, SourceState,
};
use okra_domain::{PageRequest, SourceId};
use okra_engine::Engine;
use okra_engine::worker::{Step, Worker};

/// How often is looked whether another process has read on.
const POLL: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub enum Command {
    /// List a chatbot's sources: id, type, address, cadence, state, pages
    List {
        /// The chatbot's id or slug
        chatbot: String,
    },
    /// Add a source, and wait until it is read
    Add {
        /// The chatbot's id or slug
        chatbot: String,
        /// A web address, a folder of the server, or s3://BUCKET/PREFIX
        address: String,
        /// site, feed, folder or bucket
        #[arg(long = "type", value_name = "TYPE", default_value = "site")]
        kind: SourceKind,
        /// How often it is read again: manual, hourly, daily or weekly
        #[arg(long, value_name = "CADENCE", default_value = "manual")]
        cadence: Cadence,
    },
    /// Read a source again now, and wait until that is done
    Sync {
        /// The chatbot's id or slug
        chatbot: String,
        /// The source's id, or its address
        source: String,
    },
}

/// Runs `okra sources`.
pub async fn run(engine: &Arc<Engine>, command: Command) -> Result<ExitCode> {
    let store = engine.store();
    match command {
        Command::List { chatbot } => {
            let chatbot = store.find_chatbot_as_operator(&chatbot).await?;
            list(engine, &chatbot).await
        }
        Command::Add {
            chatbot,
            address,
            kind,
            cadence,
        } => {
            let chatbot = store.find_chatbot_as_operator(&chatbot).await?;
            let change = SourceChange {
                cadence: Some(cadence),
                ..SourceChange::default()
            };
            let new = NewSource {
                kind,
                address,
                change,
            };
            let source = KnowledgeSource::new(chatbot.id, new, store.clock().now())?;
            let source = engine.checked_source(source)?;
            let added = store.add_source(&chatbot, source).await?;
            follow(engine, &chatbot, added.source.id).await
        }
        Command::Sync { chatbot, source } => {
            let chatbot = store.find_chatbot_as_operator(&chatbot).await?;
            let id = find(engine, &chatbot, &source).await?;
            store.sync_source(&chatbot, id).await?;
            follow(engine, &chatbot, id).await
        }
    }
}

async fn all(engine: &Engine, chatbot: &Chatbot) -> Result<Vec<SourceReport>> {
    let page = PageRequest::new(None, Some(PageRequest::MAX_LIMIT))?;
    Ok(engine.store().sources(chatbot, page).await?.entries)
}

async fn find(engine: &Engine, chatbot: &Chatbot, named: &str) -> Result<SourceId> {
    let sources = all(engine, chatbot).await?;
    let found = sources
        .iter()
        .find(|report| report.source.id.to_string() == named || report.source.address == named);
    let found = found.map(|report| report.source.id);
    found.with_context(|| {
        let slug = &chatbot.slug;
        format!("{slug} has no source {named:?}; `okra sources list {slug}` shows what it has")
    })
}

async fn list(engine: &Engine, chatbot: &Chatbot) -> Result<ExitCode> {
    let sources = all(engine, chatbot).await?;
    if sources.is_empty() {
        eprintln!("There are no sources yet; `okra sources add CHATBOT ADDRESS` adds one.");
    }
    let line = |report: SourceReport| {
        let SourceReport { source, pages } = report;
        format!(
            "{}\t{}\t{}\t{}\t{}\t{} pages\n",
            source.id,
            source.kind.as_str(),
            source.address,
            source.cadence.as_str(),
            source.state.as_str(),
            pages.ready
        )
    };
    super::print(&sources.into_iter().map(line).collect::<String>())
}

/// Works jobs off until the source's sync is at its end, showing how far it is.
async fn follow(engine: &Arc<Engine>, chatbot: &Chatbot, id: SourceId) -> Result<ExitCode> {
    let worker = Worker::new(engine.clone());
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} pages") {
        bar.set_style(style);
    }
    let source = loop {
        let SourceReport { source, pages } = engine.store().source(chatbot, id).await?;
        if !matches!(source.state, SourceState::Waiting | SourceState::Syncing) {
            break source;
        }
        bar.set_length(pages.total.unsigned_abs());
        bar.set_position((pages.total - pages.pending).unsigned_abs());
        // A running server may take the steps as well; whoever is first reads on.
        if worker.run_one().await? == Step::Idle {
            tokio::time::sleep(POLL).await;
        }
    };
    bar.finish_and_clear();
    let done = source.done;
    eprintln!(
        "{}: {} added, {} changed, {} unchanged, {} retired, {} failed.",
        source.address, done.added, done.changed, done.unchanged, done.retired, done.failed
    );
    if let Some(reason) = source.error {
        eprintln!("{reason}");
    }
    Ok(match source.state {
        SourceState::Ready => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
