//! Ten thousand small chatbots in one server.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::all_taken_in;
use crate::http::Connection;
use crate::server::{Server, new_chatbot, query};
use crate::table::{Samples, Table, millis};
use crate::text::{Random, Vocabulary};

const CHATBOTS: usize = 10_000;
/// Characters of what each knows: about a dozen passages.
const CHARACTERS: usize = 10_000;
const QUERIES: usize = 1_000;
const QUESTION: usize = 50;

pub(super) async fn measure(
    binary: &Path,
    vocabulary: &Vocabulary,
    table: &mut Table,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(binary, &data, None).await?;
    let mut connection = server.connect().await?;
    let bots = fill(&mut connection, vocabulary).await?;
    let (passages, _) = all_taken_in(&mut connection).await?;
    server.stop().await?;

    let server = Server::start(binary, &data, None).await?;
    let figure = format!("start with {CHATBOTS} chatbots of {passages} passages");
    table.plain(figure, millis(server.started_in), "ms");
    table.plain("  resident memory at rest", server.resident_mb()?, "MB");
    let mut connection = server.connect().await?;
    let first = rotate(&mut connection, vocabulary, &bots[..QUERIES], 5).await?;
    table.plain("  first query of a chatbot, p50", first.median(), "ms");
    table.plain("  p99", first.percentile(0.99), "ms");
    let again = rotate(&mut connection, vocabulary, &bots[..QUERIES], 6).await?;
    table.plain(
        "  query that goes round 1,000 chatbots, p50",
        again.median(),
        "ms",
    );
    table.plain("  p99", again.percentile(0.99), "ms");
    let all = rotate(&mut connection, vocabulary, &bots, 8).await?;
    table.plain(
        "  query that goes round all chatbots, p50",
        all.median(),
        "ms",
    );
    let (_, index) = all_taken_in(&mut connection).await?;
    table.plain("  indexes in memory then", index / 1e6, "MB");
    table.plain("  resident memory then", server.resident_mb()?, "MB");
    server.stop().await
}

async fn fill(connection: &mut Connection, vocabulary: &Vocabulary) -> Result<Vec<String>> {
    let mut random = Random(3);
    let mut bots = Vec::new();
    for _ in 0..CHATBOTS {
        let bot = new_chatbot(connection).await?;
        let text = json!({ "type": "text", "content": vocabulary.prose(CHARACTERS, &mut random) });
        let path = format!("{bot}/knowledge-base");
        connection.post(&path, &text).await?;
        bots.push(bot);
    }
    // In another order than they were made.
    for at in (1..bots.len()).rev() {
        bots.swap(at, random.below(at + 1));
    }
    Ok(bots)
}

async fn rotate(
    connection: &mut Connection,
    vocabulary: &Vocabulary,
    bots: &[String],
    seed: u64,
) -> Result<Samples> {
    let mut random = Random(seed);
    let mut samples = Samples::default();
    for bot in bots {
        let question = vocabulary.phrase(QUESTION, &mut random);
        let begun = Instant::now();
        // A small chatbot may know nothing of it.
        query(connection, bot, &question).await?;
        samples.push(begun.elapsed());
    }
    Ok(samples)
}
