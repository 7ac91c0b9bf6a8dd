//! Quality of the ranking on judged sets: by words alone, by meaning alone, and as it is in service.

use std::path::{Path, PathBuf};

use anyhow::Result;
use okra_ai::embed::Embedder;
use okra_ai::embed::static_model::StaticEmbedder;
use okra_search::eval::{Figures, Question, RetrievalSet, figures, sets_folder};
use okra_search::{Fusion, Hit, Index, QuantizedVector, Query};

/// How deep rankings are judged.
const DEPTH: usize = 10;

/// Prints a table of every set in `OKRA_RETRIEVAL_SETS`, or says that there are none.
pub fn run() -> Result<()> {
    let Some(folder) = sets_folder() else {
        println!("  skipped: OKRA_RETRIEVAL_SETS names no folder");
        return Ok(());
    };
    let embedder = StaticEmbedder::built_in();
    println!("  {:14} {:8} {}", "set", "ranking", Figures::HEADER);
    for folder in sets(&folder)? {
        let set = RetrievalSet::load(&folder)?;
        for (ranking, figures) in measure(&set, &embedder) {
            match figures {
                Some(figures) => println!("  {:14} {ranking:8} {figures}", set.name),
                None => println!(
                    "  {:14} {ranking:8} the embedder does not know the language",
                    set.name
                ),
            }
        }
    }
    Ok(())
}

/// The folders that hold a set, by name.
fn sets(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let whole = ["corpus", "queries", "qrels"];
        if whole
            .iter()
            .all(|name| path.join(format!("{name}.jsonl")).is_file())
        {
            sets.push(path);
        }
    }
    sets.sort();
    Ok(sets)
}

/// The rankings by name; none where a set has no text that the embedder knows the language of.
fn measure(set: &RetrievalSet, embedder: &StaticEmbedder) -> [(&'static str, Option<Figures>); 3] {
    let embed = |text: &str| embedder.understands(text).then(|| embedder.embed_one(text));
    // The set's own index says which text it embeds; the vectors are kept for the dense ranking.
    let mut vectors: Vec<Option<Vec<f32>>> = Vec::with_capacity(set.corpus.len());
    let index = set.index(|text| {
        let vector = embed(text);
        let quantized = vector.as_deref().map(QuantizedVector::from_f32);
        vectors.push(vector);
        quantized
    });
    let hits = |question: &Question, vector: Option<&[f32]>, fusion| {
        set.ids(&search(&index, &question.text, vector, fusion))
    };
    let lexical = figures(set, |question| hits(question, None, Fusion::lexical_only()));
    let hybrid = figures(set, |question| {
        let vector = embed(&question.text);
        hits(question, vector.as_deref(), Fusion::static_english())
    });
    let known = vectors.iter().any(Option::is_some);
    let dense = known.then(|| {
        figures(set, |question| match embed(&question.text) {
            Some(vector) => nearest(set, &vectors, &vector),
            None => Vec::new(),
        })
    });
    [
        ("lexical", Some(lexical)),
        ("dense", dense),
        ("hybrid", Some(hybrid)),
    ]
}

fn search(index: &Index, text: &str, vector: Option<&[f32]>, fusion: Fusion) -> Vec<Hit> {
    let query = Query {
        text,
        vector,
        fusion,
    };
    index.search(&query, DEPTH)
}

/// The ids of the texts with the highest cosine; all vectors have length 1 or 0.
fn nearest(set: &RetrievalSet, vectors: &[Option<Vec<f32>>], query: &[f32]) -> Vec<String> {
    let dot = |vector: &Vec<f32>| vector.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
    let mut scored: Vec<(f32, &str)> = vectors
        .iter()
        .zip(&set.corpus)
        .filter_map(|(vector, text)| Some((dot(vector.as_ref()?), text.id.as_str())))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.into_iter().take(DEPTH);
    best.map(|(_, id)| id.to_owned()).collect()
}
