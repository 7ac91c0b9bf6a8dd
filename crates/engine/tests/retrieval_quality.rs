//! The quality of hybrid retrieval, on public retrieval sets where these are at hand: with the built-in embedder, and
//! with a sentence transformer where one is at hand too.
//!
//! `OKRA_RETRIEVAL_SETS` names the sets' folder, `OKRA_TEST_TRANSFORMER` that of all-MiniLM-L6-v2, with which the tests
//! take some ten minutes of a processor. Run with `--nocapture` to see the figures. It lives here because the engine is
//! where embedder and index meet.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests that print their figures"
)]

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use okra_ai::embed::static_model::StaticEmbedder;
use okra_ai::embed::{Embedder, Purpose};
use okra_ai::error::ProviderError;
use okra_engine::embedders::Embedding;
use okra_search::Fusion;
use okra_search::eval::{
    Figures, Question, RetrievalSet, Shelf, Vector, load_questions, refusal, sets_folder,
};

/// The sets on which the built-in embedder has to earn its place, with the least nDCG@10 allowed.
const BARS: [(&str, f64); 3] = [
    ("squad_en", 0.903),
    ("faq_docs_en", 0.665),
    ("banking77_en", 0.715),
];

/// The same with all-MiniLM-L6-v2.
const TRANSFORMER_BARS: [(&str, f64); 3] = [
    ("squad_en", 0.920),
    ("faq_docs_en", 0.706),
    ("banking77_en", 0.765),
];

/// The sets whose answerable questions are kept while those out of scope are refused: long passages and short ones.
const ENGLISH: [&str; 3] = ["squad_en", "faq_docs_en", "banking77_en"];

/// Sets in other languages, where an embedder must do no harm.
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

/// Those of them that a transformer is tried on: each takes a minute or more.
const TRANSFORMER_OTHERS: [&str; 3] = ["xquad_de", "korquad_ko", "xquad_ru"];

/// A set's nDCG@10 may be this much lower with an embedder than without.
const HARM: f64 = 0.003;

/// Texts embedded at once.
const BATCH: usize = 64;

#[tokio::test]
async fn the_built_in_embedder_lifts_english_and_harms_no_language() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let embedder = StaticEmbedder::built_in();
    lifts(&folder, &embedder, Fusion::static_english(), &BARS, &OTHERS).await;
}

#[tokio::test]
async fn the_answer_threshold_refuses_what_no_passage_answers() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let embedder = StaticEmbedder::built_in();
    let fusion = Fusion::static_english();
    refuses(&folder, &embedder, fusion, &ENGLISH, ("clinc_oos_en", 0.85)).await;
    let korean = ["korquad_ko", "faq_docs_ko"];
    refuses(&folder, &embedder, fusion, &korean, ("smalltalk_ko", 0.95)).await;
}

/// The built-in embedder with something that all its vectors share, which makes unrelated texts look alike.
struct Shifted(StaticEmbedder);

/// What they share, next to a length of 1: unrelated texts get cosines of .77, as from the E5 models.
const SHARED: f32 = 1.8;

/// Numbers that hold it.
const SHARED_NUMBERS: usize = 64;

#[async_trait]
impl Embedder for Shifted {
    fn space(&self) -> &str {
        "shifted"
    }

    fn understands(&self, text: &str) -> bool {
        self.0.understands(text)
    }

    async fn embed(
        &self,
        texts: &[String],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut vectors = self.0.embed(texts, purpose).await?;
        for vector in &mut vectors {
            vector.extend([SHARED / (SHARED_NUMBERS as f32).sqrt(); SHARED_NUMBERS]);
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|x| *x /= length);
        }
        Ok(vectors)
    }
}

#[tokio::test]
async fn an_unknown_embedder_is_measured_and_refuses_as_a_known_one() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let plain = Embedding::unmeasured(StaticEmbedder::built_in(), Fusion::transformer());
    let shifted = Embedding::unmeasured(Shifted(StaticEmbedder::built_in()), Fusion::transformer());
    let expected = judged(&folder, &plain, plain.fusion().await.unwrap()).await;
    let measured = judged(&folder, &shifted, shifted.fusion().await.unwrap()).await;
    let unmeasured = judged(&folder, &shifted, Fusion::transformer()).await;
    println!("as it was {expected:?}, shifted {measured:?}, not measured {unmeasured:?}");
    for (got, expected) in measured.iter().zip(&expected) {
        assert!(
            (got - expected).abs() <= 0.01,
            "{measured:?} is not {expected:?}"
        );
    }
    assert!(
        unmeasured[1] < 0.1,
        "measuring is needed: {unmeasured:?} refused without"
    );
}

/// Gives every text the same vector, and says that it reads all of them or none.
struct Same {
    reads: bool,
}

#[async_trait]
impl Embedder for Same {
    fn space(&self) -> &str {
        "same"
    }

    fn understands(&self, _text: &str) -> bool {
        self.reads
    }

    async fn embed(
        &self,
        texts: &[String],
        _purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ProviderError> {
        Ok(vec![vec![0.6, 0.8]; texts.len()])
    }
}

#[tokio::test]
async fn an_embedder_that_tells_nothing_apart_has_no_weight() {
    for (reads, expected) in [
        (true, Fusion::lexical_only()),
        (false, Fusion::transformer()),
    ] {
        let same = Embedding::unmeasured(Same { reads }, Fusion::transformer());
        assert_eq!(same.fusion().await.unwrap(), expected);
    }
}

/// Shares of the answerable questions kept and of the others refused, and the ranking's nDCG@10.
async fn judged(folder: &Path, embedding: &Embedding, fusion: Fusion) -> [f64; 3] {
    let embedder = embedding.embedder.as_ref();
    let unanswerable = out_of_scope(folder, embedder, "clinc_oos_en").await;
    let shelf = shelve(folder, "faq_docs_en", embedder).await;
    let (own, others) = shelf.best(fusion, &unanswerable);
    let threshold = fusion.answer_threshold();
    [
        1.0 - share_below(threshold, &own),
        share_below(threshold, &others),
        shelf.hybrid(fusion).ndcg_10,
    ]
}

#[tokio::test]
async fn a_transformer_lifts_english_further_and_harms_no_language() {
    let Some((folder, transformer)) = with_transformer() else {
        return;
    };
    let fusion = transformer.fusion().await.unwrap();
    lifts(
        &folder,
        transformer.embedder.as_ref(),
        fusion,
        &TRANSFORMER_BARS,
        &TRANSFORMER_OTHERS,
    )
    .await;
}

#[tokio::test]
async fn with_a_transformer_the_threshold_refuses_more() {
    let Some((folder, transformer)) = with_transformer() else {
        return;
    };
    let fusion = transformer.fusion().await.unwrap();
    refuses(
        &folder,
        transformer.embedder.as_ref(),
        fusion,
        &ENGLISH,
        ("clinc_oos_en", 0.95),
    )
    .await;
}

fn with_transformer() -> Option<(PathBuf, Embedding)> {
    let found = sets_folder().zip(okra_testkit::transformer::real());
    let Some((folder, model)) = found else {
        println!("skipped: OKRA_RETRIEVAL_SETS or OKRA_TEST_TRANSFORMER names no folder");
        return None;
    };
    let (models, name) = (model.parent().unwrap(), model.file_name().unwrap());
    let transformer = Embedding::transformer(models, name.to_str().unwrap()).unwrap();
    Some((folder, transformer))
}

async fn lifts(
    folder: &Path,
    embedder: &dyn Embedder,
    fusion: Fusion,
    bars: &[(&str, f64)],
    others: &[&str],
) {
    println!("set             lexical  hybrid {}", Figures::HEADER);
    let mut missed = Vec::new();
    let others = others.iter().map(|name| (*name, 0.0));
    for (name, bar) in bars.iter().copied().chain(others) {
        let shelf = shelve(folder, name, embedder).await;
        let (lexical, hybrid) = (shelf.lexical(), shelf.hybrid(fusion));
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

async fn refuses(
    folder: &Path,
    embedder: &dyn Embedder,
    fusion: Fusion,
    sets: &[&str],
    (out_of_scope, bar): (&str, f64),
) {
    let unanswerable = self::out_of_scope(folder, embedder, out_of_scope).await;
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for name in sets {
        let shelf = shelve(folder, name, embedder).await;
        let (own, others) = shelf.best(fusion, &unanswerable);
        kept.extend(own);
        refused.extend(others);
    }
    let threshold = fusion.answer_threshold();
    let fitted = refusal(&kept, &refused, 0.95);
    println!(
        "{sets:?}: keeps {:.3}, refuses {:.3}; {fitted:?}",
        1.0 - share_below(threshold, &kept),
        share_below(threshold, &refused)
    );
    assert!(
        share_below(threshold, &kept) <= 0.055,
        "{sets:?} keeps too few"
    );
    assert!(
        share_below(threshold, &refused) >= bar,
        "{sets:?} refuses too few"
    );
}

/// Questions that no set answers, with their vectors.
async fn out_of_scope(
    folder: &Path,
    embedder: &dyn Embedder,
    name: &str,
) -> Vec<(Question, Vector)> {
    let file = folder.join("out_of_scope").join(format!("{name}.jsonl"));
    let questions = load_questions(&file).unwrap();
    let texts = questions.iter().map(|question| question.text.clone());
    let vectors = embed(embedder, texts.collect(), Purpose::Query).await;
    questions.into_iter().zip(vectors).collect()
}

fn share_below(threshold: f32, scores: &[f32]) -> f64 {
    scores.iter().filter(|&&score| score < threshold).count() as f64 / scores.len() as f64
}

async fn shelve(folder: &Path, name: &str, embedder: &dyn Embedder) -> Shelf {
    let set = RetrievalSet::load(&folder.join(name)).unwrap();
    let questions = set.questions.iter().map(|question| question.text.clone());
    let questions = embed(embedder, questions.collect(), Purpose::Query).await;
    let texts = embed(embedder, set.texts(), Purpose::Document).await;
    Shelf::new(set, texts, questions)
}

async fn embed(embedder: &dyn Embedder, texts: Vec<String>, purpose: Purpose) -> Vec<Vector> {
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        let known: Vec<String> = batch
            .iter()
            .filter(|it| embedder.understands(it))
            .cloned()
            .collect();
        let mut made = embedder.embed(&known, purpose).await.unwrap().into_iter();
        let vector = |text: &String| embedder.understands(text).then(|| made.next()).flatten();
        vectors.extend(batch.iter().map(vector));
    }
    vectors
}
