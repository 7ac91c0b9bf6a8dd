//! How long after an upload's answer its last words are found, and what reading a long document takes of memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::http::Connection;
use crate::pdf;
use crate::server::{Server, new_chatbot, query, upload};
use crate::table::{Samples, Table, millis};
use crate::text::{Language, Random, Vocabulary};

const RUNS: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);
const PDF_PAGES: usize = 100;
/// Pages of the PDF whose reader's memory is measured.
const LONG_PDF_PAGES: usize = 1_000;
/// How often that is looked at; a process remembers its peak until it ends.
const GLANCE: Duration = Duration::from_millis(2);
const LINES_PER_PAGE: usize = 45;

/// Measures it.
pub async fn run(binary: &Path) -> Result<Table> {
    let vocabulary = Vocabulary::new(Language::English);
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data"), None).await?;
    let mut connection = server.connect().await?;
    let (mut texts, mut pdfs) = (Samples::default(), Samples::default());
    for run in 0..RUNS {
        let marker = format!("quetzalcoatlus{run}");
        let last = format!("The {marker} is kept in the last drawer.");
        let text = vocabulary.prose(1_000_000, &mut Random(run)) + &last;
        let file = ("book.txt".to_owned(), text.into_bytes());
        texts.push(found_after(&mut connection, file, &marker).await?);

        let file = book(PDF_PAGES, &vocabulary, Random(100 + run), last);
        pdfs.push(found_after(&mut connection, file, &marker).await?);
    }
    let last = "The quetzalcoatlus is kept in the last drawer.".to_owned();
    let file = book(LONG_PDF_PAGES, &vocabulary, Random(200), last);
    let (taken, peak) = reader_peak(&server, &mut connection, file).await?;
    server.stop().await?;
    let mut table = Table::default();
    let figure = format!("1 MB text file found after the upload's answer, median of {RUNS}");
    table.at_most(figure, texts.median(), 1_000.0, "ms");
    table.plain("  slowest", texts.percentile(1.0), "ms");
    let figure = format!("{PDF_PAGES}-page PDF found after the upload's answer, median of {RUNS}");
    table.at_most(figure, pdfs.median(), 3_000.0, "ms");
    table.plain("  slowest", pdfs.percentile(1.0), "ms");
    let figure = format!("peak memory of the process that reads a {LONG_PDF_PAGES}-page PDF");
    table.at_most(figure, peak, 300.0, "MB");
    table.plain("  found after the upload's answer", millis(taken), "ms");
    Ok(table)
}

/// A PDF of so many pages that ends with `last`.
fn book(
    pages: usize,
    vocabulary: &Vocabulary,
    mut random: Random,
    last: String,
) -> (String, Vec<u8>) {
    let line = |_| vocabulary.phrase(70, &mut random);
    let mut lines: Vec<String> = (1..pages * LINES_PER_PAGE).map(line).collect();
    lines.push(last);
    ("book.pdf".to_owned(), pdf::write(&lines, LINES_PER_PAGE))
}

/// How long it takes until a file is found, and the most memory that its reader had, in megabytes.
async fn reader_peak(
    server: &Server,
    connection: &mut Connection,
    file: (String, Vec<u8>),
) -> Result<(Duration, f64)> {
    let found = found_after(connection, file, "quetzalcoatlus");
    tokio::pin!(found);
    let mut peak = 0.0_f64;
    loop {
        tokio::select! {
            taken = &mut found => {
                ensure!(peak > 0.0, "no process was seen to read the file");
                return Ok((taken?, peak));
            }
            () = tokio::time::sleep(GLANCE) => peak = peak.max(server.children_peak_mb()?),
        }
    }
}

async fn found_after(
    connection: &mut Connection,
    file: (String, Vec<u8>),
    marker: &str,
) -> Result<Duration> {
    let bot = new_chatbot(connection).await?;
    upload(connection, &bot, &[file]).await?;
    let begun = Instant::now();
    let question = format!("Where is the {marker} kept?");
    while begun.elapsed() < PATIENCE {
        let found = query(connection, &bot, &question).await?;
        if found.iter().any(|content| content.contains(marker)) {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("the file was not found within {PATIENCE:?}")
}
