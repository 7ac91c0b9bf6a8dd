//! Proves the tokenization and the vectors equal to the reference's, and that no bytes panic.

use std::sync::LazyLock;
use std::time::Instant;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

static BUILT_IN_EMBEDDER: LazyLock<StaticEmbedder> = LazyLock::new(StaticEmbedder::built_in);

/// A text with what the Python reference makes of it; see `models/static-embedder/reference.py`.
#[derive(Deserialize)]
struct Case {
    text: String,
    tokens: Vec<u32>,
    vector: Option<Vec<f32>>,
}

fn reference() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../tests/fixtures/static_embedder.json"))
        .expect("the fixture is JSON")
}

fn tokens(text: &str) -> Vec<u32> {
    let mut tokens = Vec::new();
    BUILT_IN_EMBEDDER
        .pieces
        .each(text, |token| tokens.push(token));
    tokens
}

fn spelled(text: &str) -> Vec<String> {
    tokens(text)
        .into_iter()
        .map(|token| String::from_utf8_lossy(BUILT_IN_EMBEDDER.model.token(token)).into_owned())
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn tokens_equal_the_reference_tokenizer() {
    let cases = reference();
    assert!(cases.len() >= 200, "only {} texts", cases.len());
    for case in cases {
        assert_eq!(
            tokens(&case.text),
            case.tokens,
            "text {:?}: {:?}",
            case.text,
            spelled(&case.text)
        );
    }
}

#[test]
fn vectors_equal_the_reference() {
    let mut compared = 0;
    for case in reference() {
        if let Some(expected) = case.vector {
            let found = BUILT_IN_EMBEDDER.embed_one(&case.text);
            assert_eq!(found.len(), DIMENSIONS);
            assert!(dot(&found, &expected) > 0.9999, "text {:?}", case.text);
            compared += 1;
        }
    }
    assert!(compared >= 20, "only {compared} vectors");
}

#[test]
fn words_are_cut_and_normalized() {
    let check = |text: &str, expected: &[&str]| assert_eq!(spelled(text), expected, "{text:?}");
    check("Refunds, please!", &["ref", "##unds", ",", "please", "!"]);
    check("Größe CAFÉ", &["gr", "##o", "##ße", "cafe"]);
    check("a\u{0}b\u{200b}c", &["abc"]);
    check(&"a".repeat(101), &[]);
    check("\u{1f600}", &[]);
}

/// Questions and answers that share no word of weight: only meaning can tell the answers apart.
#[test]
fn most_answers_in_other_words_are_found() {
    let pairs = [
        (
            "How do I get my money back?",
            "Refunds are paid to the customer's card.",
        ),
        ("forgot my password", "Resetting lost login credentials"),
        (
            "When will the parcel arrive?",
            "Shipping and delivery times",
        ),
        (
            "The app crashes on my phone",
            "Troubleshooting mobile software errors",
        ),
        (
            "Are dogs allowed in the hotel?",
            "Pets and other animals are welcome as guests.",
        ),
        (
            "Is the car insured?",
            "Vehicles are covered against accidents and theft.",
        ),
    ];
    let answers = pairs.map(|(_, answer)| BUILT_IN_EMBEDDER.embed_one(answer));
    let found = (0..pairs.len())
        .filter(|&own| {
            let query = BUILT_IN_EMBEDDER.embed_one(pairs[own].0);
            answers
                .iter()
                .all(|answer| dot(&query, answer) <= dot(&query, &answers[own]))
        })
        .count();
    assert!(found >= 5, "{found} of {}", pairs.len());
}

#[test]
fn vectors_have_length_one_or_are_zero() {
    for case in reference() {
        let vector = BUILT_IN_EMBEDDER.embed_one(&case.text);
        let length = dot(&vector, &vector);
        let expected = if case.tokens.is_empty() { 0.0 } else { 1.0 };
        assert!(
            (length - expected).abs() < 1e-4,
            "{:?}: {length}",
            case.text
        );
    }
}

#[test]
fn understands_latin_script_with_known_pieces() {
    let check = |text: &str, expected| {
        assert_eq!(BUILT_IN_EMBEDDER.understands(text), expected, "{text:?}");
    };
    check("How do I reset my password?", true);
    check("Wie ändere ich mein Passwort?", true);
    check("Where can I buy Samsung (삼성) phones in Seoul?", true);
    check("비밀번호를 잊어버렸어요", false);
    check("iPhone 배터리 교체", false);
    check("我想退款", false);
    check("как вернуть деньги", false);
    check("12345 !?", false);
    check("😀", false);
    check(&"a".repeat(101), false);
    check("", false);
}

#[tokio::test]
async fn a_batch_is_embedded_in_order() {
    let texts: Vec<String> = (0..70).map(|n| format!("invoice number {n}")).collect();
    let vectors = BUILT_IN_EMBEDDER
        .embed(&texts, Purpose::Document)
        .await
        .expect("cannot fail");
    assert_eq!(vectors.len(), texts.len());
    for (text, vector) in texts.iter().zip(&vectors) {
        assert_eq!(vector, &BUILT_IN_EMBEDDER.embed_one(text));
    }
    assert_eq!(BUILT_IN_EMBEDDER.space(), SPACE);
}

/// A hundred times the text may take a hundred times the time, and as much again ten times over where the machine is
/// busy; quadratic would be ten thousand. Of each length the quickest try counts.
#[test]
fn time_is_linear_in_hostile_text() {
    for unit in ["a", "\u{301}", "가", "ab!", "xqz ", "\u{fdfa}", "中"] {
        let seconds = |count: usize| {
            let text = unit.repeat(count);
            let start = Instant::now();
            std::hint::black_box(BUILT_IN_EMBEDDER.embed_one(&text));
            start.elapsed().as_secs_f64()
        };
        let (mut short, mut long) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            short = short.min(seconds(2_000));
            long = long.min(seconds(200_000));
        }
        assert!(
            long < 1_000.0 * short + 0.01,
            "{unit:?}: {short} s, then {long} s"
        );
    }
}

/// A valid model of two dimensions and the tokens "##b", "a" and "é".
fn small_model() -> Vec<u8> {
    let mut bytes = b"OKRASTAT".to_vec();
    for number in [1_u32, 2, 3, 6, 0, 3, 4, 6] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend("##baé".as_bytes());
    for scale in [0.5_f32, 1.0, 2.0] {
        bytes.extend(scale.to_le_bytes());
    }
    bytes.extend([6_i8, 0, 0, 4, -127, 127].map(|component| component as u8));
    bytes
}

fn changed(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = small_model();
    bytes[at] = byte;
    bytes
}

#[test]
fn a_small_model_embeds() {
    let embedder = StaticEmbedder::from_bytes(small_model()).expect("a valid model");
    assert_eq!(embedder.dimensions(), 2);
    // "ab" is a (0, 4) and ##b (6, 0) halved: (3, 4), then length 1.
    assert_eq!(embedder.embed_one("ab"), [0.6, 0.8]);
    assert_eq!(embedder.embed_one("b"), [0.0, 0.0]);
}

#[test]
fn a_damaged_model_file_is_named() {
    let check = |bytes: Vec<u8>, expected: &str| match StaticEmbedder::from_bytes(bytes) {
        Ok(_) => panic!("opened, though expected: {expected}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    };
    let not_a_model = "not a static embedding model: the file does not start with OKRASTAT";
    check(Vec::new(), not_a_model);
    check(changed(0, b'X'), not_a_model);
    check(
        small_model()[..20].to_vec(),
        "the model file has 20 bytes where its header asks for 24",
    );
    check(
        changed(8, 2),
        "the model file has format version 2; this build reads version 1",
    );
    check(
        changed(12, 0),
        "the model file's header is damaged: dimensions is out of range",
    );
    check(
        changed(19, 9),
        "the model file's header is damaged: token count is out of range",
    );
    check(
        changed(12, 3),
        "the model file has 64 bytes where its header asks for 67",
    );
    check(changed(28, 0), "the model file's token number 0 is damaged");
    check(
        changed(40, b'z'),
        "the model file's token number 1 is damaged",
    );
    check(
        changed(44, 0x20),
        "the model file's token number 2 is damaged",
    );
    check(
        changed(49, 0xff),
        "the model file's scale of token number 0 is damaged",
    );
    let mut longer = small_model();
    longer.push(0);
    check(
        longer,
        "the model file has 65 bytes where its header asks for 64",
    );
}

proptest! {
    #[test]
    fn no_damage_to_a_model_file_panics(
        keep in 0_usize..=64,
        changes in prop::collection::vec((0_usize..64, any::<u8>()), 0..6),
        text in "\\PC{0,40}",
    ) {
        let mut bytes = small_model();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(keep.max(32));
        if let Ok(embedder) = StaticEmbedder::from_bytes(bytes) {
            let vector = embedder.embed_one(&text);
            prop_assert!(vector.iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let vector = BUILT_IN_EMBEDDER.embed_one(&text);
        prop_assert!(vector.iter().all(|x| x.is_finite()));
        BUILT_IN_EMBEDDER.understands(&text);
    }
}
