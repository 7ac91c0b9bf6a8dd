//! Quality of the ranking on judged sets: by words alone, by meaning alone, and as it is in service, with
//! the built-in embedder and, where this machine has one, a sentence transformer.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use okra_ai::embed::static_model::StaticEmbedder;
use okra_ai::embed::transformer::TransformerEmbedder;
use okra_ai::embed::{Embedder, Purpose};
use okra_search::Fusion;
use okra_search::eval::{Figures, RetrievalSet, Shelf, Vector, sets_folder};

/// nDCG@10 of the reference implementation, set by set: by words; fused with the fitted static model; by
/// all-MiniLM-L6-v2 alone; fused with it. 0 where it was not measured.
const REFERENCE: [(&str, [f64; 4]); 20] = [
    ("squad_en", [0.901, 0.903, 0.788, 0.920]),
    ("faq_docs_en", [0.645, 0.663, 0.642, 0.706]),
    ("banking77_en", [0.607, 0.719, 0.770, 0.763]),
    ("xquad_de", [0.962, 0.958, 0.0, 0.0]),
    ("faq_docs_de", [0.600, 0.0, 0.0, 0.0]),
    ("korquad_ko", [0.961, 0.0, 0.064, 0.951]),
    ("faq_docs_ko", [0.686, 0.0, 0.0, 0.0]),
    ("parakqc_ko", [0.931, 0.0, 0.0, 0.0]),
    ("jaquad_ja", [0.919, 0.0, 0.0, 0.0]),
    ("drcd_zht", [0.963, 0.0, 0.0, 0.0]),
    ("cmrc_zhs", [0.995, 0.0, 0.0, 0.0]),
    ("xquad_ru", [0.969, 0.0, 0.0, 0.0]),
    ("xquad_tr", [0.962, 0.0, 0.0, 0.0]),
    ("xquad_ar", [0.956, 0.0, 0.0, 0.0]),
    ("xquad_el", [0.967, 0.0, 0.0, 0.0]),
    ("xquad_ro", [0.982, 0.0, 0.0, 0.0]),
    ("xquad_vi", [0.975, 0.0, 0.0, 0.0]),
    ("xquad_es", [0.979, 0.0, 0.0, 0.0]),
    ("xquad_th", [0.980, 0.0, 0.0, 0.0]),
    ("xquad_hi", [0.976, 0.0, 0.0, 0.0]),
];

/// Texts embedded at once.
const BATCH: usize = 64;

/// Prints a table of every set in `OKRA_RETRIEVAL_SETS`, or says that there are none. Where `OKRA_BENCH_SETS`
/// names sets, separated by commas, the others are left out.
pub async fn run() -> Result<()> {
    let Some(folder) = sets_folder() else {
        println!("  skipped: OKRA_RETRIEVAL_SETS names no folder");
        return Ok(());
    };
    let built_in = StaticEmbedder::built_in();
    let transformer = match okra_testkit::transformer::real() {
        Some(folder) => Some(TransformerEmbedder::open(&folder, "transformer")?),
        None => {
            println!("  no transformer: OKRA_TEST_TRANSFORMER names no folder");
            None
        }
    };
    println!(
        "  {:14} {:18} {} reference",
        "set",
        "ranking",
        Figures::HEADER
    );
    for folder in sets(&folder)? {
        let set = RetrievalSet::load(&folder)?;
        let shelf = shelve(&set, &built_in).await?;
        print(&set, "words", Some(shelf.lexical()), 0);
        print(&set, "static", shelf.dense(), 4);
        print(
            &set,
            "words + static",
            Some(shelf.hybrid(Fusion::static_english())),
            1,
        );
        let Some(transformer) = &transformer else {
            continue;
        };
        let fusion = match transformer.english_only() {
            true => Fusion::transformer_english(),
            false => Fusion::transformer(),
        };
        let started = Instant::now();
        let shelf = shelve(&set, transformer).await?;
        let took = started.elapsed();
        print(&set, "transformer", shelf.dense(), 2);
        print(&set, "words + transformer", Some(shelf.hybrid(fusion)), 3);
        println!("  {:14} embedded in {:.1} s", set.name, took.as_secs_f64());
    }
    Ok(())
}

fn print(set: &RetrievalSet, ranking: &str, figures: Option<Figures>, column: usize) {
    let row = REFERENCE.iter().find(|(name, _)| *name == set.name);
    let reference = row.and_then(|(_, row)| row.get(column)).copied();
    let reference = match reference.filter(|figure| *figure > 0.0) {
        Some(figure) => format!("{figure:9.3}"),
        None => "        –".to_owned(),
    };
    match figures {
        Some(figures) => println!("  {:14} {ranking:18} {figures} {reference}", set.name),
        None => println!(
            "  {:14} {ranking:18} it does not know the language",
            set.name
        ),
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
