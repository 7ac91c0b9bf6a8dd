//! `okra ingest`: files and folders into a chatbot's knowledge, with a progress bar.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::Stream;
use indicatif::{ProgressBar, ProgressStyle};
use okra_domain::chatbot::Chatbot;
use okra_domain::knowledge::{Item, ItemStatus};
use okra_domain::{Error, ItemId};
use okra_engine::worker::{Step, Worker};
use okra_engine::{Engine, Format};
use okra_store::knowledge::Added;
use tokio::io::AsyncReadExt;

use crate::config::Config;

/// Bytes read from a file at once.
const READ_BYTES: usize = 256 * 1024;
/// How often is looked whether another process has read the items.
const POLL: Duration = Duration::from_millis(200);

/// Runs `okra ingest`: fails where any file failed, after all were tried.
pub async fn run(
    engine: &Arc<Engine>,
    config: &Config,
    chatbot: &str,
    paths: Vec<PathBuf>,
) -> Result<ExitCode> {
    let chatbot = engine.store().find_chatbot_as_operator(chatbot).await?;
    let files = find_files(paths)?;
    let bar = progress(files.len());
    let mut failed = 0;
    let mut waiting = Vec::new();
    for file in &files {
        bar.set_message(format!("sending {}", file.display()));
        match send(engine, config, &chatbot, file).await {
            Ok(Added::New(item)) => waiting.push(item.id),
            Ok(Added::Known(item)) if item.status == ItemStatus::Pending => waiting.push(item.id),
            Ok(Added::Known(item)) => report(&bar, &item, "already known"),
            Err(error) => {
                failed += 1;
                tell(&bar, &format!("failed   {}: {error:#}", file.display()));
                bar.inc(1);
            }
        }
    }
    bar.set_message("reading");
    failed += read(engine, &chatbot, waiting, &bar).await?;
    bar.finish_and_clear();
    let read = files.len() - failed;
    eprintln!(
        "{read} of {} in the knowledge of {}.",
        files.len(),
        chatbot.slug
    );
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Works jobs off until none of `waiting` is under way; gives how many failed.
pub(super) async fn read(
    engine: &Arc<Engine>,
    chatbot: &Chatbot,
    mut waiting: Vec<ItemId>,
    bar: &ProgressBar,
) -> Result<usize> {
    let worker = Worker::new(engine.clone());
    let mut failed = 0;
    while !waiting.is_empty() {
        // A running server may take the jobs as well; whoever is first reads the item.
        if worker.run_one().await? == Step::Idle {
            tokio::time::sleep(POLL).await;
        }
        let mut left = Vec::with_capacity(waiting.len());
        for id in waiting {
            let item = engine.store().item(chatbot, id).await?;
            match item.status {
                ItemStatus::Pending | ItemStatus::Processing => left.push(id),
                ItemStatus::Ready => report(bar, &item, "ready"),
                ItemStatus::Failed => {
                    failed += 1;
                    report(bar, &item, "failed");
                }
            }
        }
        waiting = left;
    }
    Ok(failed)
}

fn report(bar: &ProgressBar, item: &Item, outcome: &str) {
    let detail = match &item.error {
        Some(reason) => format!(": {reason}"),
        None => format!(" ({} chunks)", item.chunks),
    };
    tell(bar, &format!("{outcome:8} {}{detail}", item.title));
    bar.inc(1);
}

/// Writes a line above the bar. Where there is no bar (a log file, a pipe) its own way of writing
/// would write nothing.
fn tell(bar: &ProgressBar, line: &str) {
    match bar.is_hidden() {
        true => eprintln!("{line}"),
        false => bar.println(line),
    }
}

async fn send(engine: &Engine, config: &Config, chatbot: &Chatbot, path: &Path) -> Result<Added> {
    let file = tokio::fs::File::open(path)
        .await
        .context("cannot be opened")?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let content = Box::pin(contents(file));
    let limit = config.max_upload_bytes;
    let received = engine.receive_file(chatbot, &name, limit, content).await?;
    let mut added = engine.add_files(chatbot, vec![received]).await?;
    added.pop().context("nothing was added")
}

/// A file's bytes, piece by piece.
pub(super) fn contents(file: tokio::fs::File) -> impl Stream<Item = Result<Bytes, Error>> {
    futures_util::stream::unfold(file, |mut file| async move {
        let mut buffer = Vec::with_capacity(READ_BYTES);
        match (&mut file)
            .take(READ_BYTES as u64)
            .read_to_end(&mut buffer)
            .await
        {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(buffer)), file)),
            Err(error) => {
                let error = Error::internal("the file could not be read to its end", error);
                Some((Err(error), file))
            }
        }
    })
}

/// The files named, and those below named folders that have a readable format's ending.
fn find_files(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let about = std::fs::metadata(&path);
        let about = about.with_context(|| format!("cannot read {}", path.display()))?;
        match about.is_dir() {
            true => walk(&path, &mut files)?,
            false => files.push(path),
        }
    }
    if files.is_empty() {
        bail!("no readable file was found there");
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot list the folder {}", folder.display()))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        // Links are not followed: a loop of them would never end.
        if kind.is_dir() {
            walk(&path, files)?;
        } else if kind.is_file() && Format::from_extension(&extension).is_some() {
            files.push(path);
        }
    }
    Ok(())
}

pub(super) fn progress(files: usize) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}
