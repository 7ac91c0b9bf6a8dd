//! Which passages are right, what is counted, and which files are refused.

use super::*;
use crate::knowledge::Chunk;

fn found(title: &str, text: &str) -> FoundChunk {
    FoundChunk {
        item_id: ItemId::new(),
        title: title.to_owned(),
        url: None,
        chunk: Chunk {
            ordinal: 1,
            headings: Vec::new(),
            page: Some(2),
            text: text.to_owned(),
            question: None,
            embedding: None,
        },
    }
}

fn read(line: &str) -> Question {
    let mut questions = parse_questions(line).expect("a good line");
    questions.pop().expect("one question")
}

#[test]
fn a_passage_is_right_where_all_that_is_given_holds() {
    let returns = found(
        "Returns",
        "Machines may be returned\nwithin 30 days, unused.",
    );
    let check = |expected: &str, right: bool| {
        let question = read(&format!(r#"{{"question": "How long?", {expected}}}"#));
        assert_eq!(question.is_met_by(&returns), right, "{expected}");
    };
    check(r#""item": " returns ""#, true);
    check(&format!(r#""item": "{}""#, returns.item_id), true);
    check(r#""item": "Shipping""#, false);
    check(r#""passage": "returned within  30 DAYS""#, true);
    check(r#""passage": "returned within 14 days""#, false);
    check(r#""answer": "days 30""#, true);
    check(r#""answer": "Days.""#, true);
    check(r#""answer": "day""#, false);
    check(r#""answer": "3 days""#, false);
    check(r#""answer": "30 days", "item": "Shipping""#, false);
    check(r#""expect": "refusal""#, false);
}

#[test]
fn words_that_carry_endings_are_found_within() {
    let returns = found("반품", "반품은 30일 이내에 가능합니다.");
    for words in ["반품 30일", "반품 가능", "30일"] {
        let question = read(&format!(r#"{{"question": "언제?", "answer": "{words}"}}"#));
        assert!(question.is_met_by(&returns), "{words}");
    }
    let question = read(r#"{"question": "언제?", "answer": "환불"}"#);
    assert!(!question.is_met_by(&returns));
}

#[test]
fn pairs_are_matched_by_question_and_answer() {
    let mut pair = found("Dogs", "Only guide dogs.");
    pair.chunk.question = Some("Are dogs allowed?".to_owned());
    let question = read(r#"{"question": "Dogs?", "passage": "are dogs allowed? only guide"}"#);
    assert!(question.is_met_by(&pair));
}

fn results(ranks: &[(Option<u32>, bool)]) -> Vec<QuestionResult> {
    let result = |(index, (rank, refused)): (usize, &(Option<u32>, bool))| QuestionResult {
        question: read(&format!(r#"{{"question": "{index}?", "answer": "x"}}"#)),
        rank: *rank,
        refused: *refused,
        right: rank.is_some(),
        first: None,
        warning: None,
    };
    ranks.iter().enumerate().map(result).collect()
}

fn refusals(refused: &[bool]) -> Vec<QuestionResult> {
    let result = |(index, refused): (usize, &bool)| {
        let question = read(&format!(
            r#"{{"question": "no {index}?", "expect": "refusal"}}"#
        ));
        QuestionResult::of(question, &[], *refused)
    };
    refused.iter().enumerate().map(result).collect()
}

#[test]
fn scores_count_places_and_refusals() {
    let mut all = results(&[
        (Some(1), false),
        (Some(2), false),
        (Some(10), true),
        (None, false),
    ]);
    all.extend(refusals(&[true, true, false]));
    let scores = Scores::of(&all);
    assert_eq!((scores.answerable, scores.unanswerable), (4, 3));
    assert_eq!(scores.found_at_1, Some(0.25));
    assert_eq!(scores.found_at_5, Some(0.5));
    assert_eq!(scores.found_at_10, Some(0.75));
    assert_eq!(scores.mrr_at_10, Some((1.0 + 0.5 + 0.1) / 4.0));
    assert_eq!(scores.refused_wrongly, 1);
    assert_eq!(scores.refusals_right, Some(2.0 / 3.0));
    let none = Scores::of(&refusals(&[true]));
    assert_eq!((none.found_at_5, none.mrr_at_10), (None, None));
    let lost = Scores::of(&results(&[(None, false)])).mrr_at_10;
    assert_eq!(
        lost.map(|mrr| format!("{mrr:.3}")).as_deref(),
        Some("0.000")
    );
    assert_eq!(Scores::of(&all[..1]).refusals_right, None);
}

#[test]
fn a_right_passage_beyond_the_tenth_is_not_found() {
    let wrong = found("Other", "nothing");
    let right = found("Right", "the answer");
    let mut list: Vec<(&FoundChunk, f32)> = vec![(&wrong, 0.9); 9];
    list.push((&right, 0.1));
    let question = read(r#"{"question": "Q?", "answer": "answer"}"#);
    let result = QuestionResult::of(question.clone(), &list, false);
    assert_eq!((result.rank, result.right), (Some(10), true));
    assert_eq!(result.first.expect("the first").title, "Other");
    list.insert(0, (&wrong, 0.95));
    let result = QuestionResult::of(question, &list, false);
    assert_eq!((result.rank, result.right), (None, false));
}

#[test]
fn a_run_is_compared_question_by_question() {
    let check = |before: (Option<u32>, bool), after: (Option<u32>, bool), expected: Change| {
        let (before, after) = (results(&[before]), results(&[after]));
        assert_eq!(after[0].since(&before[0]), expected, "{before:?} {after:?}");
    };
    check((Some(3), false), (Some(1), false), Change::Better);
    check((None, true), (Some(10), true), Change::Better);
    check((Some(1), true), (Some(1), false), Change::Better);
    check((Some(1), false), (Some(2), false), Change::Worse);
    check((Some(1), false), (None, false), Change::Worse);
    check((Some(4), false), (Some(4), false), Change::Unchanged);
    let (refused, answered) = (refusals(&[true]), refusals(&[false]));
    assert_eq!(refused[0].since(&answered[0]), Change::Better);
    assert_eq!(answered[0].since(&refused[0]), Change::Worse);

    let earlier = results(&[(Some(1), false), (Some(2), false)]);
    let mut later = results(&[(Some(1), false), (Some(1), false), (None, true)]);
    later[0].question.answer = Some("y".to_owned());
    let before = earlier_results(&later, &earlier);
    assert_eq!(before[0], None, "something else is expected");
    assert_eq!(before[1], Some(&earlier[1]));
    assert_eq!(before[2], None);
}

#[test]
fn a_line_at_fault_is_named() {
    let check = |text: &str, line: &str, problem: &str| {
        let error = parse_questions(text).expect_err("a bad line");
        assert!(error.message.starts_with(line), "{error}");
        assert!(error.message.contains(problem), "{error}");
    };
    let good = r#"{"question": "Q?", "answer": "yes"}"#;
    check(&format!("{good}\n\n{{oops\n"), "line 3", "at character 2");
    check(
        r#"{"question": "Q?", "anwser": "yes"}"#,
        "line 1",
        "unknown field `anwser`",
    );
    check(
        r#"{"question": "Q?", "answer": 5}"#,
        "line 1",
        "expected a string",
    );
    check(
        r#"{"question": " ", "answer": "x"}"#,
        "line 1",
        "must not be empty",
    );
    check(r#"{"question": "Q?"}"#, "line 1", "say what is expected");
    check(
        r#"{"question": "Q?", "expect": "silence"}"#,
        "line 1",
        "refusal",
    );
    let both = r#"{"question": "Q?", "expect": "refusal", "item": "Returns"}"#;
    check(both, "line 1", "expects nothing else");
    check(
        &format!("{good}\n{good}"),
        "line 2",
        "asks what line 1 asks",
    );
    check("[1, 2]", "line 1", "invalid");
    let long = format!(
        r#"{{"question": "Q?", "passage": "{}"}}"#,
        "x".repeat(2_001)
    );
    check(&long, "line 1", "at most 2000");
    check("\n\n", "questions", "1 to 1000");
    let many: String = (0..1_001)
        .map(|n| format!("{{\"question\": \"{n}\", \"answer\": \"x\"}}\n"))
        .collect();
    check(&many, "questions", "1 to 1000");

    let error = parse_questions(&"no\n".repeat(50)).expect_err("bad lines");
    assert_eq!(error.details.len(), 20);
    assert_eq!(error.details[19].field, "line 20");
}

#[test]
fn what_is_written_is_read_again() {
    let text = "\u{feff}{\"question\":\"Q?\",\"item\":\"Returns\"}\r\n\
                {\"question\":\"R?\",\"expect\":\"refusal\"}\n";
    let questions = parse_questions(text).expect("good lines");
    let written = write_questions(&questions).expect("written");
    assert_eq!(written, text.replace("\u{feff}", "").replace('\r', ""));
}
