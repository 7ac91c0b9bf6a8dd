//! `okra qna`: question–answer pairs as CSV.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use futures_util::StreamExt;
use okra_engine::Engine;
use okra_engine::pairs::{MAX_BYTES, PairOutcome};

use crate::routes::knowledge::pairs::csv_of_pairs;

#[derive(Subcommand)]
pub enum Command {
    /// Add the pairs of a CSV file, and wait until they are read
    Import {
        /// The chatbot's id or slug
        chatbot: String,
        /// Lines of question and answer, with or without a header that names them
        file: PathBuf,
        /// Let new answers replace those that are there
        #[arg(long)]
        replace: bool,
    },
    /// Print the chatbot's pairs as CSV
    Export {
        /// The chatbot's id or slug
        chatbot: String,
    },
}

/// Runs `okra qna`.
pub async fn run(engine: &Arc<Engine>, command: Command) -> Result<ExitCode> {
    match command {
        Command::Import {
            chatbot,
            file,
            replace,
        } => import(engine, &chatbot, &file, replace).await,
        Command::Export { chatbot } => export(engine, &chatbot).await,
    }
}

/// Fails where any line was refused, after all others were taken.
async fn import(
    engine: &Arc<Engine>,
    chatbot: &str,
    file: &Path,
    replace: bool,
) -> Result<ExitCode> {
    let chatbot = engine.store().find_chatbot_as_operator(chatbot).await?;
    let reading = || format!("cannot read {}", file.display());
    let size = tokio::fs::metadata(file).await.with_context(reading)?.len();
    if size > MAX_BYTES as u64 {
        bail!("{} is larger than {} MB", file.display(), MAX_BYTES >> 20);
    }
    let content = tokio::fs::read(file).await.with_context(reading)?;
    let report = engine
        .import_pairs(&chatbot, content.into(), replace)
        .await?;
    let count = |outcome| {
        report
            .lines
            .iter()
            .filter(|line| line.outcome == outcome)
            .count()
    };
    for line in &report.lines {
        if let (PairOutcome::Refused, Some(reason)) = (line.outcome, &line.reason) {
            eprintln!("line {}: {reason} ({})", line.line, line.question);
        }
    }
    let refused = count(PairOutcome::Refused);
    let summary = format!(
        "{} taken, {} changed, {} known, {refused} refused.",
        count(PairOutcome::Taken),
        count(PairOutcome::Changed),
        count(PairOutcome::Known),
    );
    let bar = super::ingest::progress(report.items.len());
    let failed = super::ingest::read(engine, &chatbot, report.items, &bar).await?;
    bar.finish_and_clear();
    eprintln!("{summary}");
    Ok(match refused + failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn export(engine: &Arc<Engine>, chatbot: &str) -> Result<ExitCode> {
    let chatbot = engine.store().find_chatbot_as_operator(chatbot).await?;
    let mut pairs = Box::pin(csv_of_pairs(engine.clone(), chatbot));
    while let Some(piece) = pairs.next().await {
        super::print(&String::from_utf8_lossy(&piece?))?;
    }
    Ok(ExitCode::SUCCESS)
}
