//! `okra export` and `okra import`: a chatbot as a file, and back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use okra_domain::account::parse_name;
use okra_engine::Engine;
use okra_engine::archive::{ExportOptions, Imported};
use tokio::io::AsyncWriteExt;

use crate::config::Config;
use crate::routes::archives::import_request;

/// Runs `okra export`. The file appears once it is whole.
pub async fn export(
    engine: &Arc<Engine>,
    chatbot: &str,
    file: &Path,
    chunks: bool,
) -> Result<ExitCode> {
    let chatbot = engine.store().find_chatbot_as_operator(chatbot).await?;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let part = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
    let part = part.with_context(|| format!("cannot write {}", file.display()))?;
    let (out, part) = part.into_parts();
    let mut out = tokio::fs::File::from_std(out);
    let slug = chatbot.slug.clone();
    let mut archive = engine.export_chatbot(chatbot, ExportOptions { chunks });
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes}") {
        bar.set_style(style);
    }
    let writing = || format!("cannot write {}", file.display());
    while let Some(piece) = archive.next().await {
        let piece = piece?;
        out.write_all(&piece).await.with_context(writing)?;
        bar.inc(piece.len() as u64);
    }
    out.sync_all().await.with_context(writing)?;
    let size = bar.position();
    bar.finish_and_clear();
    part.persist(file).with_context(writing)?;
    eprintln!("{slug} is in {} ({size} bytes).", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs `okra import`; prints the new chatbot's id and slug.
pub async fn import(
    engine: &Arc<Engine>,
    config: &Config,
    file: PathBuf,
    organization: &str,
    name: Option<String>,
) -> Result<ExitCode> {
    let organization = parse_name("organization", organization)?;
    let reading = || format!("cannot read {}", file.display());
    let content = tokio::fs::File::open(&file).await.with_context(reading)?;
    let content = super::ingest::contents(content);
    let archive = engine
        .receive_archive(config.max_import_bytes, Box::pin(content))
        .await?;
    let organization = engine.store().organization_named(&organization).await?;
    let request = import_request(organization.id, name, config);
    let Imported { chatbot, report } = engine.import_chatbot(archive, request).await?;
    for note in &report.notes {
        eprintln!("{note}");
    }
    eprintln!(
        "{} items, {} files, {} passages, {} sources.",
        report.items, report.files, report.chunks, report.sources
    );
    if report.to_read > 0 {
        eprintln!(
            "{} items are to be read: a running server does it in the background.",
            report.to_read
        );
    }
    super::print(&format!("{}\t{}\n", chatbot.id, chatbot.slug))
}
