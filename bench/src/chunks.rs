//! How much of an answer reaches the model by size of chunks: long documents with the places of their answers, cut
//! in several ways, and passages taken in the order of the search until the model's context is full.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use okra_ai::embed::static_model::StaticEmbedder;
use okra_extract::{ChunkOptions, Format, Limits, chunk, extract};
use okra_search::eval::sets_folder;
use okra_search::{Change, Document, Fusion, Index, QuantizedVector, Query};
use serde_json::Value;
use uuid::Uuid;

/// The context left to passages, in characters.
const BUDGETS: [usize; 2] = [3_000, 6_000];

/// Passages looked at for one question: more than fit into any budget, but for the smallest.
const MOST: usize = 40;

/// Characters at least, aimed at, at most, and repeated.
const SIZES: [[usize; 4]; 8] = [
    [200, 250, 300, 50],
    [320, 400, 480, 80],
    [480, 600, 720, 120],
    [800, 1_000, 1_200, 0],
    [800, 1_000, 1_200, 200],
    [800, 1_000, 1_200, 300],
    [1_200, 1_500, 1_800, 300],
    [1_920, 2_400, 2_880, 480],
];

/// Prints a table of `chunk_en` in `OKRA_RETRIEVAL_SETS`, or says that there is none.
pub fn run() -> Result<()> {
    let folder = sets_folder().map(|folder| folder.join("chunk_en"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        println!("  skipped: OKRA_RETRIEVAL_SETS names no folder with chunk_en");
        return Ok(());
    };
    let documents = documents(&folder)?;
    let questions = questions(&folder, &documents)?;
    let embedder = StaticEmbedder::built_in();
    println!(
        "  share of the answers' characters within so many characters of passages; both halves of the questions"
    );
    println!(
        "  {:34} {:>8} {:^28} {:^28}",
        "least, aim, most, repeated", "passages", BUDGETS[0], BUDGETS[1]
    );
    for sizes in SIZES {
        let cut = Cut::new(&documents, sizes, &embedder)?;
        for around in [false, true] {
            let found = BUDGETS.map(|budget| {
                let shares = questions
                    .iter()
                    .map(|question| cut.share_found(question, budget, around, &embedder));
                halves(&shares.collect::<Vec<f64>>())
            });
            let label = format!("{sizes:?}{}", if around { " + next" } else { "" });
            println!(
                "  {label:34} {:8} {:^28} {:^28}",
                cut.passages.len(),
                found[0],
                found[1]
            );
        }
    }
    Ok(())
}

/// The mean of all, of every other from the first, and of the rest.
fn halves(shares: &[f64]) -> String {
    let mean = |from: usize, step: usize| {
        let some: Vec<f64> = shares.iter().skip(from).step_by(step).copied().collect();
        some.iter().sum::<f64>() / some.len().max(1) as f64
    };
    format!("{:.3} ({:.3} {:.3})", mean(0, 1), mean(0, 2), mean(1, 2))
}

/// A document, and its text without white space, in which places are told: chunks change white space alone.
struct Source {
    id: String,
    text: String,
    dense: String,
}

struct Question {
    text: String,
    /// Which document answers it, and where in its dense text.
    source: usize,
    spans: Vec<Range<usize>>,
}

fn documents(folder: &Path) -> Result<Vec<Source>> {
    let lines = lines(&folder.join("documents.jsonl"))?;
    let source = |line: &Value| {
        let text = line["text"].as_str().context("a document has no text")?;
        Ok(Source {
            id: line["id"]
                .as_str()
                .context("a document has no id")?
                .to_owned(),
            dense: dense(text),
            text: text.to_owned(),
        })
    };
    lines.iter().map(source).collect()
}

fn questions(folder: &Path, documents: &[Source]) -> Result<Vec<Question>> {
    let lines = lines(&folder.join("queries.jsonl"))?;
    let question = |line: &Value| {
        let id = line["doc_id"].as_str();
        let source = documents.iter().position(|it| Some(it.id.as_str()) == id);
        let source = source.context("a question is of no document")?;
        let spans: Vec<[usize; 2]> = serde_json::from_value(line["spans"].clone())?;
        let place = |character: usize| {
            let before: String = documents[source].text.chars().take(character).collect();
            dense(&before).len()
        };
        Ok(Question {
            text: line["text"]
                .as_str()
                .context("a question has no text")?
                .to_owned(),
            source,
            spans: spans
                .iter()
                .map(|[from, to]| place(*from)..place(*to))
                .collect(),
        })
    };
    lines.iter().map(question).collect()
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

fn dense(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The documents as passages of one size.
struct Cut {
    index: Index,
    passages: Vec<Passage>,
}

struct Passage {
    source: usize,
    ordinal: u32,
    chars: usize,
    place: Range<usize>,
}

impl Cut {
    fn new(documents: &[Source], sizes: [usize; 4], embedder: &StaticEmbedder) -> Result<Self> {
        let [min_chars, target_chars, max_chars, overlap_chars] = sizes;
        let options = ChunkOptions {
            min_chars,
            target_chars,
            max_chars,
            overlap_chars,
        };
        let (mut index, mut passages) = (Index::new(), Vec::new());
        for (source, document) in documents.iter().enumerate() {
            let read = extract(document.text.as_bytes(), Format::Text, &Limits::default())?;
            let (mut indexed, mut from) = (Vec::new(), 0);
            for chunk in chunk(&read, &options) {
                let shown = dense(&chunk.text);
                let start = document.dense[from..].find(&shown);
                let start = from + start.with_context(|| format!("lost: {}", chunk.text))?;
                from = start;
                passages.push(Passage {
                    source,
                    ordinal: chunk.ordinal,
                    chars: chunk.text.chars().count(),
                    place: start..start + shown.len(),
                });
                indexed.push(Document {
                    ordinal: chunk.ordinal,
                    title: String::new(),
                    vector: Some(QuantizedVector::from_f32(&embedder.embed_one(&chunk.text))),
                    text: chunk.text,
                });
            }
            index.apply(vec![Change {
                item: Uuid::from_u128(source as u128),
                documents: indexed,
            }]);
        }
        Ok(Self { index, passages })
    }

    /// The share of the answer's characters among the first passages that fit, each followed by its neighbours where
    /// `around` is set.
    fn share_found(
        &self,
        question: &Question,
        budget: usize,
        around: bool,
        embedder: &StaticEmbedder,
    ) -> f64 {
        let vector = embedder.embed_one(&question.text);
        let query = Query {
            text: &question.text,
            vector: Some(&vector),
            fusion: Fusion::static_english(),
        };
        let (mut left, mut taken) = (budget, HashSet::new());
        let found = self.index.search(&query, MOST);
        let found = found.expect("an index in memory reads no file");
        'hits: for hit in found {
            let source = hit.item.as_u128() as usize;
            let best = self
                .passages
                .iter()
                .position(|it| (it.source, it.ordinal) == (source, hit.ordinal));
            let Some(best) = best else { continue };
            let next = [best + 1, best.wrapping_sub(1)]
                .into_iter()
                .filter(|_| around);
            for at in std::iter::once(best).chain(next) {
                let Some(passage) = self.passages.get(at).filter(|it| it.source == source) else {
                    continue;
                };
                if taken.contains(&at) {
                    continue;
                }
                if passage.chars > left {
                    break 'hits;
                }
                left -= passage.chars;
                taken.insert(at);
            }
        }
        let within = |place: usize| {
            let mut taken = taken.iter().map(|at| &self.passages[*at]);
            taken.any(|it| it.source == question.source && it.place.contains(&place))
        };
        let places: Vec<usize> = question.spans.iter().cloned().flatten().collect();
        let found = places.iter().filter(|place| within(**place)).count();
        found as f64 / places.len().max(1) as f64
    }
}
