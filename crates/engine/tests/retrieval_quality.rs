//! The quality of hybrid retrieval with the built-in embedder, on public retrieval sets where these are at hand.
//!
//! `OKRA_RETRIEVAL_SETS` names their folder. Run with `--nocapture` to see the figures. It lives here because the
//! engine is where embedder and index meet.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use okra_ai::embed::Embedder;
use okra_ai::embed::static_model::StaticEmbedder;
use okra_search::eval::{
    Figures, Question, RetrievalSet, figures, load_questions, refusal, sets_folder,
};
use okra_search::{Fusion, Hit, Index, QuantizedVector, Query};

/// The sets on which the embedder has to earn its place, with the least nDCG@10 allowed.
const BARS: [(&str, f64); 3] = [
    ("squad_en", 0.904),
    ("faq_docs_en", 0.660),
    ("banking77_en", 0.695),
];

/// Sets in other languages, where it must do no harm.
const OTHERS: [&str; 17] = [
    "xquad_de",
    "faq_docs_de",
    "xquad_es",
    "xquad_ro",
    "xquad_tr",
    "xquad_vi",
    "korquad_ko",
    "faq_docs_ko",
    "parakqc_ko",
    "jaquad_ja",
    "drcd_zht",
    "cmrc_zhs",
    "xquad_ru",
    "xquad_ar",
    "xquad_el",
    "xquad_th",
    "xquad_hi",
];

/// A set's nDCG@10 may be this much lower with the embedder than without.
const HARM: f64 = 0.003;

#[test]
fn the_built_in_embedder_lifts_english_and_harms_no_language() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let embedder = StaticEmbedder::built_in();
    println!("set             lexical  hybrid {}", Figures::HEADER);
    let mut missed = Vec::new();
    let others = OTHERS.map(|name| (name, 0.0));
    for (name, bar) in BARS.into_iter().chain(others) {
        let shelf = Shelf::load(&folder, name, &embedder);
        let lexical = shelf.figures(|question| shelf.lexical(question));
        let hybrid = shelf.figures(|question| shelf.hybrid(question));
        println!("{name:14} {:8.4}         {hybrid}", lexical.ndcg_10);
        if hybrid.ndcg_10 < bar.max(lexical.ndcg_10 - HARM) {
            missed.push(format!(
                "{name}: {:.4} with a bar of {bar} and {:.4} without the embedder",
                hybrid.ndcg_10, lexical.ndcg_10
            ));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn the_answer_threshold_refuses_what_no_passage_answers() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let embedder = StaticEmbedder::built_in();
    for (sets, out_of_scope, bar) in [
        (["squad_en", "faq_docs_en"], "clinc_oos_en", 0.85),
        (["korquad_ko", "faq_docs_ko"], "smalltalk_ko", 0.95),
    ] {
        let unanswerable = folder
            .join("out_of_scope")
            .join(format!("{out_of_scope}.jsonl"));
        let unanswerable = load_questions(&unanswerable).unwrap();
        let (mut kept, mut refused) = (Vec::new(), Vec::new());
        for name in sets {
            let shelf = Shelf::load(&folder, name, &embedder);
            kept.extend(
                shelf
                    .set
                    .questions
                    .iter()
                    .map(|question| shelf.best(question)),
            );
            refused.extend(unanswerable.iter().map(|question| shelf.best(question)));
        }
        let threshold = Fusion::static_english().answer_threshold();
        let below = |scores: &[f32]| {
            scores.iter().filter(|&&score| score < threshold).count() as f64 / scores.len() as f64
        };
        let fitted = refusal(&kept, &refused, 0.95);
        println!(
            "{sets:?}: keeps {:.3}, refuses {:.3}; {fitted:?}",
            1.0 - below(&kept),
            below(&refused)
        );
        assert!(below(&kept) <= 0.055, "{sets:?} keeps too few");
        assert!(below(&refused) >= bar, "{sets:?} refuses too few");
    }
}

/// A set, indexed with vectors.
struct Shelf<'a> {
    set: RetrievalSet,
    index: Index,
    embedder: &'a StaticEmbedder,
}

impl<'a> Shelf<'a> {
    fn load(folder: &Path, name: &str, embedder: &'a StaticEmbedder) -> Self {
        let set = RetrievalSet::load(&folder.join(name)).unwrap();
        let index = set.index(|text| {
            embedder
                .understands(text)
                .then(|| QuantizedVector::from_f32(&embedder.embed_one(text)))
        });
        Self {
            set,
            index,
            embedder,
        }
    }

    fn figures(&self, mut search: impl FnMut(&Question) -> Vec<Hit>) -> Figures {
        figures(&self.set, |question| self.set.ids(&search(question)))
    }

    fn lexical(&self, question: &Question) -> Vec<Hit> {
        self.index.search(
            &Query {
                text: &question.text,
                vector: None,
                fusion: Fusion::lexical_only(),
            },
            10,
        )
    }

    fn hybrid(&self, question: &Question) -> Vec<Hit> {
        let vector = self
            .embedder
            .understands(&question.text)
            .then(|| self.embedder.embed_one(&question.text));
        self.index.search(
            &Query {
                text: &question.text,
                vector: vector.as_deref(),
                fusion: Fusion::static_english(),
            },
            10,
        )
    }

    fn best(&self, question: &Question) -> f32 {
        self.hybrid(question)
            .first()
            .map_or(0.0, |hit| hit.similarity)
    }
}
