//! Histories of changes, hostile texts, and scores that must not depend on either.

use proptest::prelude::*;

use super::*;

fn item(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn document(ordinal: u32, text: &str) -> Document {
    Document {
        ordinal,
        title: String::new(),
        text: text.to_owned(),
        vector: None,
    }
}

pub(super) fn change(number: u128, texts: &[&str]) -> Change {
    Change {
        item: item(number),
        documents: (0..)
            .zip(texts)
            .map(|(ordinal, text)| document(ordinal, text))
            .collect(),
    }
}

pub(super) fn ask(index: &Index, text: &str) -> Vec<Hit> {
    let query = Query {
        text,
        vector: None,
        fusion: Fusion::lexical_only(),
    };
    index.search(&query, 10).unwrap()
}

fn found(index: &Index, text: &str) -> Vec<(u128, u32)> {
    ask(index, text)
        .iter()
        .map(|hit| (hit.item.as_u128(), hit.ordinal))
        .collect()
}

/// An index of the same documents that never changed.
pub(super) fn fresh(changes: &[Change]) -> Index {
    let mut index = Index::new();
    index.apply(changes.to_vec());
    index
}

#[test]
fn a_document_is_found_replaced_and_removed() {
    let mut index = Index::new();
    assert!(index.is_empty());
    index.apply(vec![
        change(1, &["Refunds take five days.", "Shipping is free."]),
        change(2, &["Our shop is in Busan."]),
    ]);
    assert_eq!(found(&index, "refund"), [(1, 0)]);
    assert_eq!(found(&index, "shipping"), [(1, 1)]);
    index.apply(vec![change(1, &["Returns are accepted."])]);
    assert_eq!(found(&index, "refund"), []);
    assert_eq!(found(&index, "returning"), [(1, 0)]);
    index.apply(vec![change(1, &[])]);
    assert_eq!(found(&index, "returning"), []);
    assert_eq!(index.len(), 1);
    index.apply(vec![change(2, &[])]);
    assert!(index.is_empty());
    assert_eq!(found(&index, "shop"), []);
}

#[test]
fn of_several_changes_to_an_item_the_last_counts() {
    let mut index = Index::new();
    index.apply(vec![
        change(1, &["apples"]),
        change(2, &["pears"]),
        change(1, &["plums", "cherries"]),
        change(2, &[]),
    ]);
    assert_eq!(found(&index, "apples pears"), []);
    assert_eq!(found(&index, "cherries"), [(1, 1)]);
    assert_eq!(index.len(), 2);
}

#[test]
fn a_clone_is_a_snapshot() {
    let mut index = fresh(&[change(1, &["old price"]), change(2, &["old stock"])]);
    let snapshot = index.clone();
    let before = ask(&snapshot, "old price");
    index.apply(vec![
        change(1, &["new price"]),
        change(3, &["old price again"]),
    ]);
    assert_eq!(ask(&snapshot, "old price"), before);
    assert_eq!(snapshot.len(), 2);
    assert_ne!(ask(&index, "old price"), before);
}

#[test]
fn statistics_forget_removed_documents() {
    let keep = change(1, &["return label", "gift card balance", "배송 조회"]);
    let mut index = fresh(std::slice::from_ref(&keep));
    for number in 2..60 {
        index.apply(vec![change(
            number,
            &["return return label balance 배송 배송은"],
        )]);
    }
    for number in 2..60 {
        index.apply(vec![change(number, &[])]);
    }
    let expected = fresh(&[keep]);
    for text in ["return label", "balance", "배송"] {
        assert_eq!(ask(&index, text), ask(&expected, text));
    }
}

#[test]
fn titles_count_and_equal_scores_are_ordered() {
    let mut titled = change(9, &["It takes three days."]);
    titled.documents[0].title = "Delivery time".to_owned();
    let index = fresh(&[
        titled,
        change(5, &["same words"]),
        change(4, &["same words", "same words"]),
    ]);
    assert_eq!(found(&index, "delivery"), [(9, 0)]);
    assert_eq!(found(&index, "same words"), [(4, 0), (4, 1), (5, 0)]);
    let query = Query {
        text: "same words",
        vector: None,
        fusion: Fusion::lexical_only(),
    };
    assert_eq!(index.search(&query, 2).unwrap().len(), 2);
    assert_eq!(index.search(&query, 0).unwrap(), []);
    assert_eq!(index.search(&query, usize::MAX).unwrap().len(), 3);
}

#[test]
fn vectors_find_what_words_do_not() {
    let mut near = change(1, &["alpha"]);
    near.documents[0].vector = Some(QuantizedVector::from_f32(&[1.0, 0.1]));
    let mut far = change(2, &["beta"]);
    far.documents[0].vector = Some(QuantizedVector::from_f32(&[-1.0, 0.1]));
    let mut strange = change(3, &["gamma"]);
    strange.documents[0].vector = Some(QuantizedVector::from_f32(&[1.0, 0.0, 0.0]));
    let index = fresh(&[near, far, strange, change(4, &["delta"])]);
    assert!(index.compares(2) && index.compares(3) && !index.compares(4));
    assert!(
        fresh(&[change(4, &["delta"])]).compares(4),
        "nothing to compare"
    );
    let ask = |text, vector: &[f32], fusion| {
        index
            .search(
                &Query {
                    text,
                    vector: Some(vector),
                    fusion,
                },
                10,
            )
            .unwrap()
    };
    let hits = ask("unknown", &[1.0, 0.0], Fusion::static_english());
    assert_eq!(hits.len(), 1);
    assert!((hits[0].cosine.unwrap() - 0.995).abs() < 0.005, "{hits:?}");
    let hits = ask("gamma delta", &[1.0, 0.0], Fusion::transformer());
    assert!(
        hits.iter()
            .any(|hit| hit.item == item(3) && hit.cosine.is_none() && hit.score == hit.lexical)
    );
    assert!(ask("unknown", &[1.0, 0.0], Fusion::lexical_only()).is_empty());
    assert!(ask("wo ist das", &[1.0, 0.0], Fusion::static_english()).is_empty());
    for odd in [
        &[][..],
        &[0.0, 0.0],
        &[f32::NAN, 1.0],
        &[f32::INFINITY, 1.0],
        &[1.0],
    ] {
        assert!(
            ask("unknown", odd, Fusion::static_english()).is_empty(),
            "{odd:?}"
        );
        assert_eq!(ask("delta", odd, Fusion::static_english()).len(), 1);
    }
}

/// Many documents, so that common terms are bitmaps and are looked up for the hopeful only.
#[test]
fn skipping_common_terms_changes_nothing() {
    let colours = ["red", "green", "blue", "white"];
    let text = |number: usize| {
        let colour = colours[number % 4];
        let repeated = "order ".repeat(number % 7 % 3);
        format!(
            "the order of {colour} shoe number {} ships {repeated} 주문은 {}",
            number % 97,
            number % 31
        )
    };
    let changes: Vec<Change> = (0..4000)
        .map(|number| change(number as u128, &[text(number).as_str()]))
        .collect();
    let whole = fresh(&changes);
    let mut parts = Index::new();
    for some in changes.chunks(1500) {
        parts.apply(some.to_vec());
    }
    for text in [
        "red shoe order ships",
        "order",
        "주문은 12",
        "number 96 blue",
        "the of",
    ] {
        let query = Query {
            text,
            vector: None,
            fusion: Fusion::lexical_only(),
        };
        let all = whole.search(&query, 4000).unwrap();
        assert!(all.is_sorted_by(|a, b| a.score >= b.score));
        assert_eq!(
            whole.search(&query, 10).unwrap(),
            all[..all.len().min(10)],
            "{text}"
        );
        assert_eq!(
            parts.search(&query, 10).unwrap(),
            all[..all.len().min(10)],
            "{text}"
        );
    }
}

#[test]
fn an_item_larger_than_a_batch_is_one_item() {
    let texts: Vec<String> = (0..70_000).map(|number| format!("page {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut index = fresh(&[change(1, &texts), change(2, &["page 69999"])]);
    assert_eq!(found(&index, "69999")[..2], [(1, 69_999), (2, 0)]);
    index.apply(vec![change(1, &["page 5"])]);
    assert_eq!(index.len(), 2);
    assert_eq!(found(&index, "69999"), [(2, 0)]);
}

#[test]
fn hostile_text_is_harmless() {
    let endless = "긴".repeat(1_000_000);
    let zalgo = format!("e{}", "\u{301}".repeat(100_000));
    let texts = [
        "",
        "\u{0}\u{1}",
        "\u{301}\u{301}",
        &endless,
        &zalgo,
        "\u{fdfa}",
        "a",
        "\u{ffff}\u{10ffff}",
    ];
    let index = fresh(&[change(1, &texts)]);
    assert_eq!(index.len(), texts.len());
    let long = "question about everything ".repeat(40_000);
    let same = "x".repeat(1_000_000);
    let distinct: String = (0..200_000).map(|number| format!("w{number} ")).collect();
    for text in texts
        .iter()
        .copied()
        .chain([long.as_str(), &same, &distinct])
    {
        for hit in ask(&index, text) {
            assert!(hit.score.is_finite() && (0.0..=1.0).contains(&hit.similarity));
        }
    }
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec![
        "order",
        "orders",
        "refund",
        "the",
        "shop",
        "배송은",
        "배송",
        "환불",
        "返品",
        "Bestellung",
        "und",
        "die",
        "ist",
    ]);
    let text = prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    prop::collection::vec(text, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_history_ranks_like_a_fresh_index(
        history in prop::collection::vec(prop::collection::vec((0_u128..6, texts()), 0..4), 0..12),
    ) {
        let mut index = Index::new();
        let mut state = std::collections::BTreeMap::new();
        for step in history {
            let changes: Vec<Change> = step
                .iter()
                .map(|(number, texts)| {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let mut change = change(*number, &texts);
                    for (document, lead) in change.documents.iter_mut().zip([0.1, 0.9, -0.5, 0.0]) {
                        document.vector = Some(QuantizedVector::from_f32(&[lead, *number as f32, 1.0]));
                    }
                    change
                })
                .collect();
            for change in &changes {
                state.insert(change.item, change.clone());
            }
            index.apply(changes);
        }
        let last: Vec<Change> = state.into_values().collect();
        let expected = fresh(&last);
        prop_assert_eq!(index.len(), expected.len());
        for text in ["order refund", "the shop", "배송 환불은", "返品", "wo ist die bestellung", "orders"] {
            let query = Query { text, vector: Some(&[1.0, 0.5, 0.2]), fusion: Fusion::static_english() };
            prop_assert_eq!(index.search(&query, 3).unwrap(), expected.search(&query, 3).unwrap());
            prop_assert_eq!(index.search(&query, 100).unwrap(), expected.search(&query, 100).unwrap());
        }
    }

    #[test]
    fn any_text_is_a_document_and_a_query(text in any::<String>(), question in any::<String>()) {
        let index = fresh(&[change(1, &[text.as_str(), "order"])]);
        for hit in ask(&index, &question) {
            prop_assert!(hit.lexical > 0.0 && hit.lexical <= 2.2);
        }
    }
}
