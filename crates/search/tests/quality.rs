//! Ranking quality on public retrieval sets, where they are at hand.

use std::path::{Path, PathBuf};

use okra_search::eval::{Question, RetrievalSet, figures};
use okra_search::{Change, Document, Fusion, Index, Query};
use uuid::Uuid;

fn sets_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("OKRA_RETRIEVAL_SETS") {
        return Some(folder.into());
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/retrieval");
    beside.is_dir().then_some(beside)
}

#[test]
fn lexical_ranking_meets_the_bar() {
    let Some(folder) = sets_folder() else {
        println!("skipped");
        return;
    };
    for (name, bar) in [
        ("squad_en", 0.901),
        ("faq_docs_en", 0.645),
        ("banking77_en", 0.607),
        ("xquad_de", 0.962),
        ("faq_docs_de", 0.600),
        ("korquad_ko", 0.961),
        ("faq_docs_ko", 0.686),
        ("parakqc_ko", 0.931),
        ("jaquad_ja", 0.919),
        ("drcd_zht", 0.963),
        ("cmrc_zhs", 0.995),
        ("xquad_ru", 0.969),
        ("xquad_tr", 0.962),
        ("xquad_ar", 0.956),
        ("xquad_el", 0.967),
        ("xquad_ro", 0.982),
        ("xquad_vi", 0.975),
        ("xquad_es", 0.979),
        ("xquad_th", 0.980),
        ("xquad_hi", 0.976),
    ] {
        let set = RetrievalSet::load(&folder.join(name)).unwrap();
        let titled = name.starts_with("faq_docs");
        let mut index = Index::new();
        index.apply(
            set.corpus
                .iter()
                .enumerate()
                .map(|(at, text)| Change {
                    item: Uuid::from_u128(at as u128),
                    documents: vec![Document {
                        ordinal: 0,
                        title: if titled {
                            text.title.clone()
                        } else {
                            String::new()
                        },
                        text: text.text.clone(),
                        vector: None,
                    }],
                })
                .collect(),
        );
        let row = figures(&set, |question: &Question| {
            let query = Query {
                text: &question.text,
                vector: None,
                fusion: Fusion::lexical_only(),
            };
            index
                .search(&query, 10)
                .iter()
                .map(|hit| set.corpus[hit.item.as_u128() as usize].id.clone())
                .collect()
        });
        println!(
            "{name:14} {:.3} bar {bar:.3} {:+.3}  r1 {:.3} r10 {:.3} {} B/doc",
            row.ndcg_10,
            row.ndcg_10 - bar,
            row.recall_1,
            row.recall_10,
            index.memory_bytes() / index.len()
        );
    }
}
