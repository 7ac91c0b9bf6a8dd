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

fn change(number: u128, texts: &[&str]) -> Change {
    Change {
        item: item(number),
        documents: (0..)
            .zip(texts)
            .map(|(ordinal, text)| document(ordinal, text))
            .collect(),
    }
}

fn ask(index: &Index, text: &str) -> Vec<Hit> {
    let query = Query {
        text,
        vector: None,
        fusion: Fusion::lexical_only(),
    };
    index.search(&query, 10)
}

fn found(index: &Index, text: &str) -> Vec<(u128, u32)> {
    ask(index, text)
        .iter()
        .map(|hit| (hit.item.as_u128(), hit.ordinal))
        .collect()
}

#[test]
fn a_document_is_found_replaced_and_removed() {
    let mut index = Index::new();
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
}
