//! One chatbot of 100,000 passages, and 10,000 chatbots in one server.
//!
//! The corpus is that of [`crate::text`]: words drawn by Zipf's law from 60,000, in sentences and paragraphs, uploaded
//! as text files of 1 MB and read, cut, embedded and indexed by the server under test.

mod many;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::http::Connection;
use crate::server::{Server, new_chatbot, processor_seconds, query, upload};
use crate::table::{Samples, Table, millis};
use crate::text::{Language, Random, Vocabulary, judged_texts};

/// Passages of the large chatbot, at least.
const PASSAGES: u64 = 100_000;
const FILE_CHARACTERS: usize = 1_000_000;
const FILES_AT_ONCE: usize = 10;
const REAL_BYTES: usize = 40_000_000;
const QUERIES: usize = 500;
const WARM_UP: usize = 50;
/// Characters of a question.
const QUESTION: usize = 50;
/// How long work in the background may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(900);

/// Measures it.
pub async fn run(binary: &Path) -> Result<Table> {
    let vocabulary = Arc::new(Vocabulary::new(Language::English));
    let mut table = Table::default();
    real_text(binary, &mut table).await?;
    large(binary, &vocabulary, &mut table).await?;
    // The other half takes minutes.
    table.print();
    let mut table = Table::default();
    many::measure(binary, &vocabulary, &mut table).await?;
    Ok(table)
}

/// Takes in the judged sets' texts, over and over in another order, each line of them a paragraph.
async fn real_text(binary: &Path, table: &mut Table) -> Result<()> {
    let Some(texts) = judged_texts()? else {
        println!("  real text is left out: OKRA_RETRIEVAL_SETS names no folder");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data"), None).await?;
    let mut connection = server.connect().await?;
    let bot = new_chatbot(&mut connection).await?;
    let mut random = Random(2);
    let mut text = || {
        let mut text = String::new();
        while text.len() < FILE_CHARACTERS {
            text.push_str(&texts[random.below(texts.len())]);
            text.push_str("\n\n");
        }
        text
    };
    let mut taking = Taking::begin(&server)?;
    while taking.bytes < REAL_BYTES {
        let batch = taking.files(&mut text);
        upload(&mut connection, &bot, &batch).await?;
        all_taken_in(&mut connection).await?;
    }
    taking.end(&server, "real text", table)?;
    server.stop().await
}

/// Files on their way in, and what they took.
struct Taking {
    begun: Instant,
    used: f64,
    bytes: usize,
    files: usize,
}

impl Taking {
    fn begin(server: &Server) -> Result<Self> {
        Ok(Self {
            begun: Instant::now(),
            used: processor_seconds(server.process()?)?,
            bytes: 0,
            files: 0,
        })
    }

    /// The next files to upload.
    fn files(&mut self, mut text: impl FnMut() -> String) -> Vec<(String, Vec<u8>)> {
        let files = self.files..self.files + FILES_AT_ONCE;
        self.files = files.end;
        let named = files.map(|number| (format!("manual-{number}.txt"), text().into_bytes()));
        let named: Vec<_> = named.collect();
        self.bytes += named.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        named
    }

    fn end(self, server: &Server, what: &str, table: &mut Table) -> Result<()> {
        let used = processor_seconds(server.process()?)? - self.used;
        let megabytes = self.bytes as f64 / 1e6;
        let figure =
            format!("{what} taken in, {megabytes:.0} MB: read, cut, embedded, indexed, committed");
        table.at_least(figure, megabytes / used, 10.0, "MB/s of one core");
        let seconds = self.begun.elapsed().as_secs_f64();
        table.plain("  by the clock", megabytes / seconds, "MB/s");
        Ok(())
    }
}

async fn large(binary: &Path, vocabulary: &Arc<Vocabulary>, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(binary, &data, None).await?;
    let mut connection = server.connect().await?;
    let bot = new_chatbot(&mut connection).await?;
    let passages = fill(&server, &mut connection, (&bot, vocabulary), table).await?;
    let name = bot.rsplit('/').next().context("no id")?.to_owned();
    let saved = data.join("indexes").join(name);
    settled(&server, &saved).await?;
    server.stop().await?;

    let server = Server::start(binary, &data, None).await?;
    let before = server.resident_mb()?;
    let mut connection = server.connect().await?;
    let first = first_query(&mut connection, &bot).await?;
    let figure = format!("first query after a start, {passages} passages");
    table.at_most(figure, millis(first), 1_000.0, "ms");
    let quiet = ask(&mut connection, (&bot, vocabulary), QUERIES).await?;
    table.plain(
        "query-knowledge, nothing else going on, p50",
        quiet.median(),
        "ms",
    );
    table.plain("  p99", quiet.percentile(0.99), "ms");
    memory(&server, &mut connection, (before, passages), table).await?;
    table.plain(
        "  of it in files, read when asked for",
        folder_bytes(&saved)? / passages as f64,
        "bytes/passage",
    );
    while_another_ingests(&server, (&bot, vocabulary), table).await?;
    server.stop().await?;

    std::fs::remove_dir_all(&saved)?;
    let server = Server::start(binary, &data, None).await?;
    let mut connection = server.connect().await?;
    let first = first_query(&mut connection, &bot).await?;
    table.plain("first query where no file was kept", millis(first), "ms");
    server.stop().await
}

/// Uploads until there are enough passages; gives how many.
async fn fill(
    server: &Server,
    connection: &mut Connection,
    (bot, vocabulary): (&str, &Vocabulary),
    table: &mut Table,
) -> Result<u64> {
    let mut random = Random(1);
    let mut taking = Taking::begin(server)?;
    let mut passages = 0;
    while passages < PASSAGES {
        let batch = taking.files(|| vocabulary.prose(FILE_CHARACTERS, &mut random));
        upload(connection, bot, &batch).await?;
        passages = all_taken_in(connection).await?.0;
    }
    taking.end(server, "made-up text", table)?;
    Ok(passages)
}

/// Waits until no job is left; gives passages and the memory of indexes.
async fn all_taken_in(connection: &mut Connection) -> Result<(u64, f64)> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let usage = connection.get("/api/external/usage").await?;
        if usage["health"]["jobs_open"] == 0 {
            let passages = usage["chunks"].as_u64().context("no chunks")?;
            let index = usage["health"]["index_bytes"].as_f64();
            return Ok((passages, index.context("no index_bytes")?));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("items were not read within {PATIENCE:?}")
}

/// Waits until the index is saved and the server is idle.
async fn settled(server: &Server, saved: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut idle = 0;
    while begun.elapsed() < PATIENCE {
        let used = processor_seconds(server.process()?)?;
        tokio::time::sleep(Duration::from_millis(250)).await;
        let busy = processor_seconds(server.process()?)? - used > 0.05;
        idle = if busy || !saved.join("index").exists() {
            0
        } else {
            idle + 1
        };
        if idle == 6 {
            return Ok(());
        }
    }
    bail!("the index was not saved within {PATIENCE:?}")
}

async fn first_query(connection: &mut Connection, bot: &str) -> Result<Duration> {
    let begun = Instant::now();
    let found = query(connection, bot, "the first that is asked").await?;
    ensure!(!found.is_empty(), "nothing is found");
    Ok(begun.elapsed())
}

async fn ask(
    connection: &mut Connection,
    (bot, vocabulary): (&str, &Vocabulary),
    queries: usize,
) -> Result<Samples> {
    let mut random = Random(7);
    let mut samples = Samples::default();
    for number in 0..WARM_UP + queries {
        let question = vocabulary.phrase(QUESTION, &mut random);
        let begun = Instant::now();
        let found = query(connection, bot, &question).await?;
        ensure!(!found.is_empty(), "nothing is found for {question:?}");
        if number >= WARM_UP {
            samples.push(begun.elapsed());
        }
    }
    Ok(samples)
}

async fn memory(
    server: &Server,
    connection: &mut Connection,
    (before, passages): (f64, u64),
    table: &mut Table,
) -> Result<()> {
    let (_, index) = all_taken_in(connection).await?;
    let each = index / passages as f64;
    table.at_most(
        "memory of the index, by its own count",
        each,
        600.0,
        "bytes/passage",
    );
    let after = server.resident_mb()?;
    let grown = (after - before) * 1e6 / passages as f64;
    // With what the database and the queries' answers keep.
    table.plain(
        "  by what the server's resident memory grew",
        grown,
        "bytes/passage",
    );
    table.plain("  resident memory of the server", after, "MB");
    Ok(())
}

fn folder_bytes(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes as f64)
}

async fn while_another_ingests(
    server: &Server,
    (bot, vocabulary): (&str, &Arc<Vocabulary>),
    table: &mut Table,
) -> Result<()> {
    let mut connection = server.connect().await?;
    let other = new_chatbot(&mut connection).await?;
    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut uploading = server.connect().await?;
    let uploads = tokio::spawn({
        let (stop, sent, vocabulary) = (stop.clone(), sent.clone(), vocabulary.clone());
        async move {
            let mut random = Random(99);
            // Made before, so that the client takes as little of the processors as it can.
            let texts: Vec<String> = (0..8)
                .map(|_| vocabulary.prose(FILE_CHARACTERS, &mut random))
                .collect();
            for number in 0.. {
                if stop.load(Relaxed) {
                    break;
                }
                // Each file is another: the same bytes would be recognised.
                let text = format!("Number {number}. {}", texts[number % texts.len()]);
                let file = (format!("file-{number}.txt"), text.into_bytes());
                upload(&mut uploading, &other, &[file]).await?;
                sent.fetch_add(1, Relaxed);
                all_taken_in(&mut uploading).await?;
            }
            anyhow::Ok(())
        }
    });
    while sent.load(Relaxed) < 2 && !uploads.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = sent.load(Relaxed);
    let samples = ask(&mut connection, (bot, vocabulary), 2 * QUERIES).await?;
    let files = sent.load(Relaxed) - before;
    stop.store(true, Relaxed);
    uploads.await??;
    ensure!(files > 0, "nothing was taken in meanwhile");
    let figure =
        format!("query-knowledge while another chatbot takes in {files} files of 1 MB, p50");
    table.at_most(figure, samples.median(), 8.0, "ms");
    table.at_most("  p99", samples.percentile(0.99), 30.0, "ms");
    Ok(())
}
