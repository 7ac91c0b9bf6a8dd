//! An answer is given the sources that it rests on, with the sentences that say so.

use super::*;

const CARE: &str = "Rinse the teapot with cold water. Never use soap, which the clay would keep. Let it dry in the air.";
const DELIVERY: &str = "Standard delivery costs 3,000 won. From an order value of 50,000 won we deliver free of charge.";
const RETURNS: &str = "상품을 받은 날부터 14일 이내에 사용하지 않은 상품을 반품할 수 있습니다. 송장을 출력해 붙여 주세요.";

/// Title and excerpt of each source of an answer that marks passages (by their numbers, at the ends of these parts).
fn check(parts: &[(&str, &[u32])], expected: &[(&str, &str)]) {
    let given = [
        Passage::example("Care", CARE, 0.9),
        Passage::example("Delivery", DELIVERY, 0.9),
        Passage::example("반품", RETURNS, 0.9),
    ];
    let (mut text, mut marks) = (String::new(), Vec::new());
    for (part, numbers) in parts {
        text.push_str(part);
        marks.extend(numbers.iter().map(|number| Mark {
            number: *number,
            at: text.len(),
        }));
    }
    let used = used(&Answer {
        question: "Which?",
        text: &text,
        marks: &marks,
        numbers: &[1, 2, 4],
        given: &given,
    });
    let shown: Vec<(&str, &str)> = used
        .iter()
        .map(|source| {
            (
                source.title.as_str(),
                source.excerpt.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn marked_passages_are_cited_with_the_sentences_that_they_were_marked_for() {
    check(
        &[
            ("It is free from 50,000 won.", &[2]),
            (" And do not use soap.", &[1, 2]),
        ],
        &[
            (
                "Delivery",
                "From an order value of 50,000 won we deliver free of charge.",
            ),
            ("Care", "Never use soap, which the clay would keep."),
        ],
    );
    check(
        &[("14일 이내에 반품할 수 있습니다.", &[4])],
        &[(
            "반품",
            "상품을 받은 날부터 14일 이내에 사용하지 않은 상품을 반품할 수 있습니다.",
        )],
    );
}

#[test]
fn without_marks_the_passages_that_hold_the_answers_words_are_cited() {
    check(
        &[("Rinse it with cold water and never use soap.", &[])],
        &[(
            "Care",
            "Rinse the teapot with cold water. Never use soap, which the clay would keep.",
        )],
    );
    check(
        &[("상품을 받은 날부터 14일 이내에 반품할 수 있습니다.", &[])],
        &[(
            "반품",
            "상품을 받은 날부터 14일 이내에 사용하지 않은 상품을 반품할 수 있습니다.",
        )],
    );
    check(&[("I'm sorry, I can't help you with that.", &[])], &[]);
    check(&[("Hello! What can I do for you today?", &[])], &[]);
    check(&[("", &[])], &[]);
}
