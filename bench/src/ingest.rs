//! How long after an upload's answer its last words are found.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http::Connection;
use crate::pdf;
use crate::server::{Server, new_chatbot, query, upload};
use crate::table::{Samples, Table};
use crate::text::{Language, Random, Vocabulary};

const RUNS: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);
const PDF_PAGES: usize = 100;
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

        let mut random = Random(100 + run);
        let line = |_| vocabulary.phrase(70, &mut random);
        let mut lines: Vec<String> = (0..PDF_PAGES * LINES_PER_PAGE).map(line).collect();
        lines.pop();
        lines.push(last);
        let file = ("book.pdf".to_owned(), pdf::write(&lines, LINES_PER_PAGE));
        pdfs.push(found_after(&mut connection, file, &marker).await?);
    }
    server.stop().await?;
    let mut table = Table::default();
    let figure = format!("1 MB text file found after the upload's answer, median of {RUNS}");
    table.at_most(figure, texts.median(), 1_000.0, "ms");
    table.plain("  slowest", texts.percentile(1.0), "ms");
    let figure = format!("{PDF_PAGES}-page PDF found after the upload's answer, median of {RUNS}");
    table.at_most(figure, pdfs.median(), 3_000.0, "ms");
    table.plain("  slowest", pdfs.percentile(1.0), "ms");
    Ok(table)
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
