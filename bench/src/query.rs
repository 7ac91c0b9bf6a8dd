//! Searching: over HTTP as a client does, and the index alone.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use okra_ai::embed::Embedder;
use okra_ai::embed::static_model::StaticEmbedder;
use okra_search::{Change, Document, Fusion, Index, QuantizedVector, Query};
use uuid::Uuid;

use crate::corpus::Corpus;
use crate::server::{Server, query};
use crate::table::{Samples, Table, millis};
use crate::text::{Language, Random, Vocabulary};

const QUERIES: usize = 500;
const WARM_UP: usize = 50;
/// Characters of a question.
const QUESTION: usize = 50;
const INDEX_PASSAGES: usize = 100_000;
const PASSAGES_PER_ITEM: usize = 100;

/// Measures it.
pub async fn run(binary: &Path) -> Result<Table> {
    let mut table = Table::default();
    for language in [Language::English, Language::Korean] {
        let vocabulary = Vocabulary::new(language);
        over_http(binary, language, &vocabulary, &mut table).await?;
        let measured = tokio::task::spawn_blocking(move || {
            let mut table = Table::default();
            index_alone(language, &vocabulary, &mut table);
            table
        });
        table.append(measured.await?);
    }
    Ok(table)
}

async fn over_http(
    binary: &Path,
    language: Language,
    vocabulary: &Vocabulary,
    table: &mut Table,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data"), None).await?;
    let mut connection = server.connect().await?;
    let corpus = Corpus::fill(&mut connection, vocabulary).await?;
    let mut random = Random(7);
    let first = Instant::now();
    query(&mut connection, &corpus.bot, "first").await?;
    let first = first.elapsed();
    let mut samples = Samples::default();
    for number in 0..WARM_UP + QUERIES {
        let question = vocabulary.phrase(QUESTION, &mut random);
        let begun = Instant::now();
        let found = query(&mut connection, &corpus.bot, &question).await?;
        ensure!(!found.is_empty(), "nothing is found for {question:?}");
        if number >= WARM_UP {
            samples.push(begun.elapsed());
        }
    }
    let at = format!("{language:?}, {} passages", corpus.passages);
    let figure = format!("query-knowledge over HTTP, {at}, p50");
    table.at_most(figure, samples.median(), 2.0, "ms");
    table.plain("  p99", samples.percentile(0.99), "ms");
    table.plain("  first query, which builds the index", millis(first), "ms");
    table.plain("  read and embedded before", corpus.rate, "passages/s");
    table.plain(
        "  resident memory with the index",
        server.resident_mb()?,
        "MB",
    );
    server.stop().await
}

fn index_alone(language: Language, vocabulary: &Vocabulary, table: &mut Table) {
    let embedder = StaticEmbedder::built_in();
    let embed = |text: &str| embedder.understands(text).then(|| embedder.embed_one(text));
    let mut random = Random(1);
    let mut index = Index::new();
    for item in 0..INDEX_PASSAGES / PASSAGES_PER_ITEM {
        let document = |ordinal| {
            let text = vocabulary.prose(900, &mut random);
            Document {
                ordinal,
                title: format!("Manual {item}"),
                vector: embed(&text).map(|vector| QuantizedVector::from_f32(&vector)),
                text,
            }
        };
        index.apply(vec![Change {
            item: Uuid::from_u128(item as u128),
            documents: (1..=PASSAGES_PER_ITEM as u32).map(document).collect(),
        }]);
    }
    let mut random = Random(7);
    let mut samples = Samples::default();
    for number in 0..WARM_UP + QUERIES {
        let question = vocabulary.phrase(QUESTION, &mut random);
        let begun = Instant::now();
        let vector = embed(&question);
        let query = Query {
            text: &question,
            vector: vector.as_deref(),
            fusion: Fusion::static_english(),
        };
        let found = index.search(&query, 10);
        std::hint::black_box(found.expect("an index in memory reads no file"));
        if number >= WARM_UP {
            samples.push(begun.elapsed());
        }
    }
    let at = format!("{language:?}, {} passages", index.len());
    let figure = format!("index alone, question embedded, {at}, p50");
    table.at_most(figure, samples.median(), 10.0, "ms");
    table.plain("  p99", samples.percentile(0.99), "ms");
    let megabytes = index.memory_bytes() as f64 / 1e6;
    table.plain("  memory", megabytes, "MB");
}
