//! Quality of the ranking on judged sets: by words alone, by meaning alone, and as it is in service, with
//! the built-in embedder and, where this machine has one, a sentence transformer.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use okra_ai::embed::{Embedder, Purpose};
use okra_engine::embedders::Embedding;
use okra_search::Fusion;
use okra_search::eval::{
    Figures, Question, RetrievalSet, Shelf, Vector, load_questions, sets_folder,
};

/// nDCG@10 of the reference implementation, set by set: by words; fused with the fitted static model; by
/// all-MiniLM-L6-v2 alone; fused with it; by the fitted static model alone. 0 where it was not measured.
const REFERENCE: [(&str, [f64; 5]); 11] = [
    ("squad_en", [0.901, 0.903, 0.788, 0.920, 0.685]),
    ("faq_docs_en", [0.645, 0.663, 0.642, 0.706, 0.0]),
    ("banking77_en", [0.607, 0.719, 0.770, 0.763, 0.717]),
    ("xquad_de", [0.962, 0.958, 0.0, 0.0, 0.0]),
    ("faq_docs_de", [0.600, 0.0, 0.0, 0.0, 0.0]),
    ("korquad_ko", [0.961, 0.0, 0.064, 0.951, 0.0]),
    ("faq_docs_ko", [0.686, 0.0, 0.0, 0.0, 0.0]),
    ("parakqc_ko", [0.931, 0.0, 0.0, 0.0, 0.0]),
    ("jaquad_ja", [0.919, 0.0, 0.0, 0.0, 0.0]),
    ("drcd_zht", [0.963, 0.0, 0.0, 0.0, 0.0]),
    ("cmrc_zhs", [0.995, 0.0, 0.0, 0.0, 0.0]),
];

/// Its nDCG@10 by words on sets of which only other questions are at hand: it was measured on halves that were held out.
const HELD_OUT: [(&str, f64); 9] = [
    ("xquad_ru", 0.969),
    ("xquad_tr", 0.962),
    ("xquad_ar", 0.956),
    ("xquad_el", 0.967),
    ("xquad_ro", 0.982),
    ("xquad_vi", 0.975),
    ("xquad_es", 0.979),
    ("xquad_th", 0.980),
    ("xquad_hi", 0.976),
];

/// Texts embedded at once.
const BATCH: usize = 64;

/// Questions that no set answers, by language.
const OUT_OF_SCOPE: [(&str, &str); 2] = [("_en", "clinc_oos_en"), ("_ko", "smalltalk_ko")];

/// Prints a table of every set in `OKRA_RETRIEVAL_SETS`, or says that there are none. Where `OKRA_BENCH_SETS`
/// names sets, separated by commas, the others are left out.
pub async fn run() -> Result<()> {
    let Some(folder) = sets_folder() else {
        println!("  skipped: OKRA_RETRIEVAL_SETS names no folder");
        return Ok(());
    };
    let built_in = Ranker::new("static", [4, 1], Embedding::built_in()).await?;
    let transformer = match okra_testkit::transformer::real() {
        Some(folder) => {
            let (models, name) = (folder.parent(), folder.file_name());
            let (models, name) = models
                .zip(name.and_then(|name| name.to_str()))
                .context("OKRA_TEST_TRANSFORMER names no folder of a model")?;
            let embedding = Embedding::transformer(models, name)?;
            Some(Ranker::new("transformer", [2, 3], embedding).await?)
        }
        None => {
            println!("  no transformer: OKRA_TEST_TRANSFORMER names no folder");
            None
        }
    };
    println!(
        "  {:14} {:19} {} reference   out of scope (* of other questions, held out)",
        "set",
        "ranking",
        Figures::HEADER
    );
    for path in sets(&folder)? {
        let set = RetrievalSet::load(&path)?;
        let others = others(&folder, &set)?;
        for ranker in std::iter::once(&built_in).chain(&transformer) {
            let started = Instant::now();
            let shelf = shelve(&set, ranker.embedder()).await?;
            let took = started.elapsed();
            let others = with_vectors(&others, ranker.embedder()).await?;
            if ranker.name == built_in.name {
                let refusal = refusal(&shelf, Fusion::lexical_only(), &others);
                print(&set, "words", Some(shelf.lexical()), 0, &refusal);
            }
            let [alone, fused] = ranker.columns;
            print(&set, ranker.name, shelf.dense(), alone, "");
            let refusal = refusal(&shelf, ranker.fusion, &others);
            let both = format!("words + {}", ranker.name);
            print(
                &set,
                &both,
                Some(shelf.hybrid(ranker.fusion)),
                fused,
                &refusal,
            );
            if took.as_secs() > 0 {
                println!("  {:14} embedded in {:.0} s", set.name, took.as_secs_f64());
            }
        }
    }
    Ok(())
}

/// An embedder with what it is called in the table.
struct Ranker {
    name: &'static str,
    /// Where its figures stand in [`REFERENCE`]: alone, and with the words.
    columns: [usize; 2],
    embedding: Embedding,
    fusion: Fusion,
}

impl Ranker {
    async fn new(name: &'static str, columns: [usize; 2], embedding: Embedding) -> Result<Self> {
        Ok(Self {
            name,
            columns,
            fusion: embedding.fusion().await?,
            embedding,
        })
    }

    fn embedder(&self) -> &dyn Embedder {
        self.embedding.embedder.as_ref()
    }
}

/// The questions out of scope in the set's language, where there are such.
fn others(folder: &Path, set: &RetrievalSet) -> Result<Vec<Question>> {
    let named = OUT_OF_SCOPE.iter();
    let found = named.filter(|(ending, _)| set.name.ends_with(ending));
    let mut found =
        found.map(|(_, name)| folder.join("out_of_scope").join(format!("{name}.jsonl")));
    match found.find(|file| file.is_file()) {
        Some(file) => Ok(load_questions(&file)?),
        None => Ok(Vec::new()),
    }
}

async fn with_vectors(
    questions: &[Question],
    embedder: &dyn Embedder,
) -> Result<Vec<(Question, Vector)>> {
    let texts = questions.iter().map(|question| question.text.clone());
    let vectors = embed(embedder, texts.collect(), Purpose::Query).await?;
    Ok(questions.iter().cloned().zip(vectors).collect())
}

/// The shares of the set's questions that are answered and of the others that are refused.
fn refusal(shelf: &Shelf, fusion: Fusion, others: &[(Question, Vector)]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let (own, others) = shelf.best(fusion, others);
    let answered = |scores: &[f32]| {
        let answered = scores
            .iter()
            .filter(|&&score| score >= fusion.answer_threshold());
        answered.count() as f64 / scores.len() as f64
    };
    let (own, others) = (answered(&own), answered(&others));
    format!("  answers {own:.3}, refuses {:.3}", 1.0 - others)
}

fn print(
    set: &RetrievalSet,
    ranking: &str,
    figures: Option<Figures>,
    column: usize,
    refusal: &str,
) {
    let reference = reference(&set.name, column);
    match figures {
        Some(figures) => println!(
            "  {:14} {ranking:19} {figures} {reference}{refusal}",
            set.name
        ),
        None => println!(
            "  {:14} {ranking:19} it does not know the language",
            set.name
        ),
    }
}

/// What the reference reaches; a star where that is of other questions than ours.
fn reference(set: &str, column: usize) -> String {
    let same = REFERENCE.iter().find(|(name, _)| *name == set);
    let same = same.and_then(|(_, row)| row.get(column));
    let others = HELD_OUT
        .iter()
        .find(|(name, _)| column == 0 && *name == set);
    match (same.filter(|figure| **figure > 0.0), others) {
        (Some(figure), _) => format!("{figure:9.3} "),
        (None, Some((_, figure))) => format!("{figure:9.3}*"),
        (None, None) => "        – ".to_owned(),
    }
}

/// The set with the vectors that `embedder` makes of it.
async fn shelve(set: &RetrievalSet, embedder: &dyn Embedder) -> Result<Shelf> {
    let questions: Vec<String> = set.questions.iter().map(|it| it.text.clone()).collect();
    let texts = embed(embedder, set.texts(), Purpose::Document).await?;
    let questions = embed(embedder, questions, Purpose::Query).await?;
    Ok(Shelf::new(set.clone(), texts, questions))
}

async fn embed(
    embedder: &dyn Embedder,
    texts: Vec<String>,
    purpose: Purpose,
) -> Result<Vec<Vector>> {
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        let known: Vec<String> = batch
            .iter()
            .filter(|it| embedder.understands(it))
            .cloned()
            .collect();
        let mut made = embedder.embed(&known, purpose).await?.into_iter();
        let vector = |text: &String| embedder.understands(text).then(|| made.next()).flatten();
        vectors.extend(batch.iter().map(vector));
    }
    Ok(vectors)
}

/// The folders that hold a set, by name.
fn sets(folder: &Path) -> Result<Vec<PathBuf>> {
    let wanted = std::env::var("OKRA_BENCH_SETS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let whole = ["corpus", "queries", "qrels"];
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if (wanted.is_empty() || wanted.contains(&name.as_ref()))
            && whole
                .iter()
                .all(|name| path.join(format!("{name}.jsonl")).is_file())
        {
            sets.push(path);
        }
    }
    sets.sort();
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of the row of a set in the first table of the documentation that has one.
    fn documented(set: &str) -> Vec<&'static str> {
        let page = include_str!("../../docs/retrieval.md");
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {set} |")));
        row.unwrap_or_default().split('|').map(str::trim).collect()
    }

    #[test]
    fn the_reference_is_what_the_documentation_says() {
        let check = |set: &str, expected: String| {
            let cells = documented(set);
            let told = cells.get(3).map(|cell| format!("0{cell}"));
            assert_eq!(told, Some(expected), "{set}");
            let printed = reference(set, 0);
            assert_eq!(Some(printed.trim()), told.as_deref(), "{set}");
        };
        for (set, [words, ..]) in REFERENCE {
            check(set, format!("{words:.3}"));
        }
        for (set, words) in HELD_OUT {
            check(set, format!("{words:.3}*"));
            assert_eq!(reference(set, 4).trim(), "–", "{set}");
        }
    }
}
