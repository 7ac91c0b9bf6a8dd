//! The ranking on the help pages of an invented outdoor shop, in English and Korean; needs nothing but this folder.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use okra_search::eval::{RetrievalSet, figures};
use okra_search::{Fusion, Hit, Index, Query};

fn shop() -> (RetrievalSet, Index) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/faq_shop");
    let set = RetrievalSet::load(&folder).unwrap();
    let index = set.index(|_| None);
    (set, index)
}

fn ask(index: &Index, text: &str) -> Vec<Hit> {
    let query = Query {
        text,
        vector: None,
        fusion: Fusion::lexical_only(),
    };
    index.search(&query, 10).unwrap()
}

#[test]
fn help_pages_are_found() {
    let (set, index) = shop();
    assert_eq!((set.corpus.len(), set.questions.len()), (40, 40));
    let row = figures(&set, |question| {
        let ids = set.ids(&ask(&index, &question.text));
        if !question
            .id
            .starts_with(ids.first().map_or("none", String::as_str))
        {
            println!("{} {}: {:?}", question.id, question.text, ids.get(..3));
        }
        ids
    });
    println!("{row}");
    assert!(row.ndcg_10 >= 0.88, "{row}");
    assert!(row.recall_5 >= 0.95, "{row}");
}

#[test]
fn typing_errors_and_missing_spaces_are_forgiven() {
    let (set, index) = shop();
    for (text, expected) in [
        ("delivry adress", "en3"),
        ("waterprof jaket", "en16"),
        ("배송지변경", "ko3"),
        ("텐트대여", "ko18"),
        ("세금 계산서", "ko9"),
    ] {
        let ids = set.ids(&ask(&index, text));
        assert_eq!(
            ids.first().map(String::as_str),
            Some(expected),
            "{text}: {ids:?}"
        );
    }
}

#[test]
fn questions_the_shop_does_not_answer_stay_below_the_threshold() {
    let (_, index) = shop();
    let threshold = Fusion::lexical_only().answer_threshold();
    for text in [
        "what is the capital of australia",
        "write me a poem about autumn",
        "how many calories are in a banana",
        "오늘 저녁 뭐 먹을까",
        "여자친구랑 헤어졌어",
        "주식 시세 좀 알려줘",
    ] {
        let similarity = ask(&index, text).first().map_or(0.0, |hit| hit.similarity);
        assert!(similarity < threshold, "{text}: {similarity}");
    }
    for text in [
        "How do I redeem a gift card?",
        "세금계산서 발급은 어떻게 신청하나요?",
    ] {
        let similarity = ask(&index, text).first().map_or(0.0, |hit| hit.similarity);
        assert!(similarity >= threshold, "{text}: {similarity}");
    }
}
