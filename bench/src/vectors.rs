//! The scan of vectors alone: beside FAISS's flat eight-bit index, and at a million passages.
//!
//! The vectors are the built-in embedder's, of the words of two places in the judged sets' English texts, or in made-up
//! prose where there are no sets, so that they cluster as real ones do. One place alone would not do: the sets are so
//! small that a million spans would overlap each other by all but a word, as no knowledge does. What is right is told
//! by exact comparison in 32 bits. Okra and FAISS answer the same questions in turns, one round after the other.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use okra_ai::embed::static_model::{DIMENSIONS, StaticEmbedder};
use okra_search::{Change, Document, Fusion, Hit, Index, QuantizedVector, Query};
use serde_json::Value;
use uuid::Uuid;

use crate::server::processor_seconds;
use crate::table::{Samples, Table};
use crate::text::{Language, Random, Vocabulary, judged_texts};

const SIZES: [usize; 2] = [100_000, 1_000_000];
const QUERIES: usize = 400;
const ROUNDS: usize = 3;
/// How many of the nearest are asked for.
const NEAREST: usize = 10;
const PASSAGES_PER_ITEM: usize = 10_000;
/// The variable that names a Python which has the package `faiss-cpu`.
const PYTHON: &str = "OKRA_BENCH_PYTHON";
const FAISS: &str = include_str!("vectors.py");

/// Measures it.
pub fn run() -> Result<Table> {
    let mut table = Table::default();
    let texts = texts()?;
    for size in SIZES {
        at_size(size, &texts, &mut table)?;
    }
    Ok(table)
}

fn at_size(size: usize, texts: &[String], table: &mut Table) -> Result<()> {
    let mut random = Random(11);
    let embedder = StaticEmbedder::built_in();
    let vectors: Vec<f32> = (0..size)
        .flat_map(|_| embedder.embed_one(&passage(texts, &mut random)))
        .collect();
    let questions: Vec<Vec<f32>> = (0..QUERIES)
        .map(|_| embedder.embed_one(&passage(texts, &mut random)))
        .collect();
    let right: Vec<HashSet<usize>> = questions.iter().map(|it| exact(it, &vectors)).collect();
    let index = index(&vectors);
    let mut faiss = Faiss::start(&vectors, &questions)?;
    drop(vectors);

    let (mut samples, mut processor) = (Samples::default(), Vec::new());
    let mut faiss_rounds: Vec<Value> = Vec::new();
    let mut found = 0;
    for _ in 0..ROUNDS {
        let before = processor_seconds(std::process::id())?;
        for (question, right) in questions.iter().zip(&right) {
            let begun = Instant::now();
            let hits = nearest(&index, question)?;
            samples.push(begun.elapsed());
            found += hits
                .iter()
                .filter(|hit| right.contains(&place(hit)))
                .count();
        }
        let used = processor_seconds(std::process::id())? - before;
        processor.push(used / QUERIES as f64 * 1e3);
        if let Some(faiss) = &mut faiss {
            faiss_rounds.push(faiss.round()?);
        }
    }
    let recall = |found: usize, rounds: usize| found as f64 / (rounds * QUERIES * NEAREST) as f64;
    let at = format!("{size} × {DIMENSIONS}");
    let (most_time, least_recall) = match size {
        1_000_000.. => (20.0, 0.97),
        _ => (10.0, 0.98),
    };
    table.at_most(
        format!("scan, {at}, p50"),
        samples.median(),
        most_time,
        "ms",
    );
    table.plain("  p99", samples.percentile(0.99), "ms");
    let own = best(&processor);
    table.plain("  processor time a query, best round", own, "ms");
    table.at_least(
        "  recall@10 against exact comparison",
        recall(found, ROUNDS),
        least_recall,
        "",
    );
    if faiss_rounds.is_empty() {
        return Ok(());
    }
    let times: Vec<f64> = faiss_rounds
        .iter()
        .filter_map(|it| it["cpu_ms"].as_f64())
        .collect();
    let theirs = best(&times);
    table.plain(
        "  FAISS SQ8, one thread, processor time, best round",
        theirs,
        "ms",
    );
    let first = faiss_rounds[0]["nearest"]
        .as_array()
        .context("no answer of FAISS")?;
    let known = first.iter().zip(&right).map(|(nearest, right)| {
        let nearest = nearest.as_array().into_iter().flatten();
        nearest
            .filter(|it| it.as_u64().is_some_and(|it| right.contains(&(it as usize))))
            .count()
    });
    table.plain("  FAISS's recall@10", recall(known.sum(), 1), "");
    table.at_most("  processor time, Okra's to FAISS's", own / theirs, 1.2, "");
    Ok(())
}

fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn nearest(index: &Index, question: &[f32]) -> Result<Vec<Hit>> {
    let query = Query {
        text: "",
        vector: Some(question),
        fusion: Fusion::transformer(),
    };
    Ok(index.search(&query, NEAREST)?)
}

fn place(hit: &Hit) -> usize {
    hit.item.as_u128() as usize * PASSAGES_PER_ITEM + hit.ordinal as usize
}

fn index(vectors: &[f32]) -> Index {
    let mut index = Index::new();
    let items = vectors.chunks(PASSAGES_PER_ITEM * DIMENSIONS).enumerate();
    let change = |(item, vectors): (usize, &[f32])| {
        let document = |(ordinal, vector): (usize, &[f32])| Document {
            ordinal: ordinal as u32,
            title: String::new(),
            text: String::new(),
            vector: Some(QuantizedVector::from_f32(vector)),
        };
        Change {
            item: Uuid::from_u128(item as u128),
            documents: vectors
                .chunks(DIMENSIONS)
                .enumerate()
                .map(document)
                .collect(),
        }
    };
    index.apply(items.map(change).collect());
    index
}

/// The nearest by exact comparison. The embedder's vectors have length one.
fn exact(question: &[f32], vectors: &[f32]) -> HashSet<usize> {
    let dot = |vector: &[f32]| -> f32 {
        let mut sums = [0.0_f32; 16];
        for (a, b) in vector.chunks_exact(16).zip(question.chunks_exact(16)) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        sums.iter().sum()
    };
    let mut cosines: Vec<(f32, usize)> =
        vectors.chunks_exact(DIMENSIONS).map(dot).zip(0..).collect();
    cosines.select_nth_unstable_by(NEAREST, |a, b| b.0.total_cmp(&a.0));
    cosines.iter().take(NEAREST).map(|(_, at)| *at).collect()
}

fn texts() -> Result<Vec<String>> {
    let mut texts = judged_texts()?.unwrap_or_else(|| {
        let vocabulary = Vocabulary::new(Language::English);
        let mut random = Random(5);
        (0..2_000)
            .map(|_| vocabulary.prose(900, &mut random))
            .collect()
    });
    texts.retain(|text| text.split_whitespace().nth(7).is_some());
    ensure!(!texts.is_empty(), "there is no text of eight words");
    Ok(texts)
}

/// 8 to 24 words of each of two texts.
fn passage(texts: &[String], random: &mut Random) -> String {
    let mut span = || {
        let text = &texts[random.below(texts.len())];
        let words: Vec<&str> = text.split_whitespace().collect();
        let length = (8 + random.below(17)).min(words.len());
        let start = random.below(words.len() - length + 1);
        words[start..start + length].join(" ")
    };
    format!("{}. {}", span(), span())
}

/// FAISS in a Python process of its own, which answers one round for each line it reads.
struct Faiss {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Faiss {
    /// `None` where no Python is named.
    fn start(vectors: &[f32], questions: &[Vec<f32>]) -> Result<Option<Self>> {
        let Some(python) = std::env::var_os(PYTHON).map(PathBuf::from) else {
            println!("  {PYTHON} names no Python with faiss-cpu: FAISS is left out");
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let (base, asked) = (folder.path().join("base"), folder.path().join("questions"));
        write(&base, vectors)?;
        write(&asked, &questions.concat())?;
        let mut process = Command::new(python)
            .args(["-c", FAISS])
            .args([&base, &asked])
            .arg(DIMENSIONS.to_string())
            .arg(NEAREST.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asks = process.stdin.take().context("no standard input")?;
        let answers = process.stdout.take().context("no standard output")?;
        let mut faiss = Self {
            process,
            asks,
            answers: BufReader::new(answers),
            _folder: folder,
        };
        faiss.round()?; // its first, with the index cold
        Ok(Some(faiss))
    }

    fn round(&mut self) -> Result<Value> {
        writeln!(self.asks, "round")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("FAISS's process gave no answer")
    }
}

impl Drop for Faiss {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write(path: &Path, numbers: &[f32]) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for number in numbers {
        file.write_all(&number.to_le_bytes())?;
    }
    file.flush()?;
    Ok(())
}
