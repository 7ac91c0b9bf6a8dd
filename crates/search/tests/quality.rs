//! The quality of the ranking without an embedder, on public retrieval sets where these are at hand.
//!
//! `OKRA_RETRIEVAL_SETS` names their folder. Run with `--nocapture` to see the figures.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests that print their figures"
)]

use okra_search::eval::{Figures, RetrievalSet, figures, load_questions, refusal, sets_folder};
use okra_search::{Fusion, Index, Query};

/// Each set with the least nDCG@10 allowed: the bar of a reference implementation where there is one for the set,
/// less half a hundredth, and else what was measured, less the same; both are above plain BM25 of words.
const BARS: [(&str, f64); 20] = [
    ("squad_en", 0.896),
    ("faq_docs_en", 0.640),
    ("banking77_en", 0.602),
    ("xquad_de", 0.957),
    ("faq_docs_de", 0.612),
    ("korquad_ko", 0.956),
    ("faq_docs_ko", 0.681),
    ("parakqc_ko", 0.927),
    ("jaquad_ja", 0.914),
    ("drcd_zht", 0.958),
    ("cmrc_zhs", 0.992),
    ("xquad_ru", 0.956),
    ("xquad_tr", 0.957),
    ("xquad_ar", 0.952),
    ("xquad_el", 0.963),
    ("xquad_ro", 0.969),
    ("xquad_vi", 0.960),
    ("xquad_es", 0.964),
    ("xquad_th", 0.965),
    ("xquad_hi", 0.950),
];

#[test]
fn lexical_ranking_meets_the_bar() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    println!("set            {}", Figures::HEADER);
    let mut missed = Vec::new();
    for (name, bar) in BARS {
        let set = RetrievalSet::load(&folder.join(name)).unwrap();
        let index = set.index(|_| None);
        let row = figures(&set, |question| {
            set.ids(&index.search(&lexical(&question.text), 10).unwrap())
        });
        println!("{name:14} {row}");
        if row.ndcg_10 < bar {
            missed.push(format!("{name}: {:.4} is below {bar}", row.ndcg_10));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn korean_without_spaces_still_finds_its_passage() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let set = RetrievalSet::load(&folder.join("korquad_ko")).unwrap();
    let index = set.index(|_| None);
    let row = figures(&set, |question| {
        let unspaced: String = question.text.split_whitespace().collect();
        set.ids(&index.search(&lexical(&unspaced), 10).unwrap())
    });
    println!("korquad_ko without spaces: {row}");
    assert!(row.ndcg_10 >= 0.88, "{row}");
}

#[test]
fn the_answer_threshold_refuses_what_no_passage_answers() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let korean = refusing(&folder, &["korquad_ko", "faq_docs_ko"], "smalltalk_ko");
    let english = refusing(&folder, &["squad_en", "faq_docs_en"], "clinc_oos_en");
    assert!(korean >= 0.95, "{korean}");
    assert!(english >= 0.85, "{english}");
}

/// The share refused of the questions that no set answers, having checked that 95% of the others are kept.
fn refusing(folder: &std::path::Path, sets: &[&str], out_of_scope: &str) -> f64 {
    let unanswerable = load_questions(
        &folder
            .join("out_of_scope")
            .join(format!("{out_of_scope}.jsonl")),
    )
    .unwrap();
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for name in sets {
        let set = RetrievalSet::load(&folder.join(name)).unwrap();
        let index = set.index(|_| None);
        kept.extend(set.questions.iter().map(|q| best(&index, &q.text)));
        refused.extend(unanswerable.iter().map(|q| best(&index, &q.text)));
    }
    let threshold = Fusion::lexical_only().answer_threshold();
    let share = |scores: &[f32]| {
        scores.iter().filter(|&&score| score >= threshold).count() as f64 / scores.len() as f64
    };
    let fitted = refusal(&kept, &refused, 0.95);
    println!(
        "{sets:?}: keeps {:.3}, refuses {:.3}; {fitted:?}",
        share(&kept),
        1.0 - share(&refused)
    );
    assert!(share(&kept) >= 0.945, "{}", share(&kept));
    1.0 - share(&refused)
}

fn best(index: &Index, text: &str) -> f32 {
    let hits = index.search(&lexical(text), 1).unwrap();
    hits.first().map_or(0.0, |hit| hit.similarity)
}

fn lexical(text: &str) -> Query<'_> {
    Query {
        text,
        vector: None,
        fusion: Fusion::lexical_only(),
    }
}
