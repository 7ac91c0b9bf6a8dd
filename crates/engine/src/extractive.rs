//! Answering without a model, by the best passage: a strongly matching Q&A pair word for word, else the sentences of the
//! best passage that answer. Pure.

use okra_search::{Change, Document, Fusion, Index, Query, coverage};
use unicode_segmentation::UnicodeSegmentation;
use uuid::Uuid;

use crate::retrieve::Passage;

/// From this similarity on, a Q&A pair's answer is given word for word.
const VERBATIM_SIMILARITY: f32 = 0.5;
/// The most characters of an extracted answer.
const MAX_CHARS: usize = 600;
/// The most characters of an excerpt.
const EXCERPT_CHARS: usize = 400;
/// What a heading's score counts: it names what the sentences below it say.
const HEADING: f32 = 0.5;
/// What a number counts in answer to a question that asks for one.
const NUMBER_ASKED: f32 = 2.0;
/// A sentence joins the answer where it scores at least this share of the best one.
const JOINS: f32 = 0.6;

/// An answer made without a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extract {
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Q&A pair, word for word.
    Pair,
    /// Sentences of a passage.
    Passage,
}

/// The best answer to `question` that `passages`, best first, hold; `None` where they hold none. Pairs are given word
/// for word where `verbatim` says so.
pub(crate) fn answer(question: &str, passages: &[Passage], verbatim: bool) -> Option<Extract> {
    let best = passages.first().filter(|best| best.answers)?;
    let chunk = &best.found.chunk;
    let (text, kind) = match &chunk.question {
        Some(_) if verbatim && best.similarity >= VERBATIM_SIMILARITY => {
            (chunk.text.clone(), Kind::Pair)
        }
        _ => (sentences_that_answer(question, &chunk.text), Kind::Passage),
    };
    Some(Extract { text, kind })
}

/// The sentences of `text` that say what `claim` does, or else what `question` asks for, or else its first ones; word
/// for word, at most [`EXCERPT_CHARS`] long.
pub(crate) fn excerpt(claim: &str, question: &str, text: &str) -> String {
    let sentences = sentences(text);
    let best_of = |scores: &[f32]| {
        let best =
            (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)))?;
        (scores[best] > 0.0).then_some(best)
    };
    let score = |asked: &str| weighed(asked, &sentences, coverage(asked, &sentences));
    let mut scores = score(claim);
    let mut best = best_of(&scores);
    if best.is_none() {
        scores = score(question);
        best = best_of(&scores);
    }
    let (mut first, mut last) = (best.unwrap_or(0), best.unwrap_or(0));
    let joins = |at: usize| best.is_none_or(|best| scores[at] >= JOINS * scores[best]);
    let length = |first: usize, last: usize| -> usize {
        let chosen = sentences.iter().take(last + 1).skip(first);
        chosen.map(|sentence| sentence.chars().count()).sum()
    };
    while last + 1 < sentences.len() && joins(last + 1) && length(first, last + 1) <= EXCERPT_CHARS
    {
        last += 1;
    }
    while first > 0 && joins(first - 1) && length(first - 1, last) <= EXCERPT_CHARS {
        first -= 1;
    }
    let chosen: String = sentences.into_iter().take(last + 1).skip(first).collect();
    let chosen = chosen.trim();
    let end = chosen.char_indices().nth(EXCERPT_CHARS);
    chosen[..end.map_or(chosen.len(), |(end, _)| end)].to_owned()
}

/// The run of sentences around the one that matches best, at most [`MAX_CHARS`] long.
fn sentences_that_answer(question: &str, text: &str) -> String {
    if text.chars().count() <= MAX_CHARS / 2 {
        return text.to_owned();
    }
    let sentences = sentences(text);
    let scores = score(question, &sentences);
    let best = (0..sentences.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let Some(best) = best else {
        return text.chars().take(MAX_CHARS).collect();
    };
    let (mut first, mut last) = (best, best);
    let length = |first: usize, last: usize| -> usize {
        let chosen = &sentences[first..=last];
        chosen.iter().map(|sentence| sentence.chars().count()).sum()
    };
    // What follows a matching sentence more often completes it than what precedes it.
    while last + 1 < sentences.len() && length(first, last + 1) <= MAX_CHARS {
        let needed = scores[last + 1] >= JOINS * scores[best];
        let short = length(first, last) < MAX_CHARS / 3;
        if !needed && !short {
            break;
        }
        last += 1;
    }
    while first > 0
        && length(first - 1, last) <= MAX_CHARS
        && scores[first - 1] >= JOINS * scores[best]
    {
        first -= 1;
    }
    let answer = sentences[first..=last].concat();
    match answer.trim().char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &answer.trim()[..end]),
        None => answer.trim().to_owned(),
    }
}

/// Sentences with the white space that follows them, so that joining them gives the text back. A
/// line of a list or table is a sentence of its own.
fn sentences(text: &str) -> Vec<&str> {
    text.split_inclusive('\n')
        .flat_map(UnicodeSegmentation::split_sentence_bounds)
        .collect()
}

fn score(question: &str, sentences: &[&str]) -> Vec<f32> {
    let documents = sentences
        .iter()
        .zip(0..)
        .map(|(sentence, ordinal)| Document {
            ordinal,
            title: String::new(),
            text: (*sentence).to_owned(),
            vector: None,
        });
    let mut index = Index::new();
    index.apply(vec![Change {
        item: Uuid::nil(),
        documents: documents.collect(),
    }]);
    let query = Query {
        text: question,
        vector: None,
        fusion: Fusion::lexical_only(),
    };
    let mut scores = vec![0.0; sentences.len()];
    let found = index.search(&query, sentences.len());
    for hit in found.expect("an index in memory reads no file") {
        if let Some(score) = scores.get_mut(hit.ordinal as usize) {
            *score = hit.score;
        }
    }
    weighed(question, sentences, scores)
}

/// The scores of sentences, with what a heading and a number count beside their words.
fn weighed(question: &str, sentences: &[&str], mut scores: Vec<f32>) -> Vec<f32> {
    let asks_number = asks_for_a_number(question);
    for (score, sentence) in scores.iter_mut().zip(sentences) {
        if is_heading(sentence) {
            *score *= HEADING;
        } else if asks_number && sentence.contains(|c: char| c.is_numeric()) {
            *score *= NUMBER_ASKED;
        }
    }
    scores
}

/// A line of words that ends without a full stop, and is neither a row of a table nor an entry of a
/// list.
fn is_heading(sentence: &str) -> bool {
    let line = sentence.trim();
    let marked = line.starts_with(['|', '-', '*', '•']) || line.starts_with(char::is_numeric);
    let ended = line.ends_with([
        '.', '!', '?', '。', '！', '？', ':', ';', ')', '"', '”', '|',
    ]);
    !marked && !ended && line.chars().count() <= 80
}

/// Whether the question asks how long, how many, how much or when, in English or Korean.
fn asks_for_a_number(question: &str) -> bool {
    let question = question.to_lowercase();
    let asked = [
        "how long",
        "how many",
        "how much",
        "how often",
        "how far",
        "how soon",
        "when ",
        "what time",
        "며칠",
        "얼마",
        "언제",
        "몇",
    ];
    asked.iter().any(|words| question.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(question: Option<&str>, text: &str, similarity: f32, answers: bool) -> Passage {
        let found = Passage::example("T", text, similarity);
        Passage {
            answers,
            ..found.with(|chunk| chunk.question = question.map(str::to_owned))
        }
    }

    #[test]
    fn a_strong_pair_is_given_word_for_word() {
        let long = "Yes. ".repeat(300);
        let found = [passage(Some("Do you ship?"), &long, 0.9, true)];
        let extract = answer("do you ship", &found, true).expect("found");
        assert_eq!((extract.text, extract.kind), (long, Kind::Pair));
        let extract = answer("do you ship", &found, false).expect("found");
        assert_eq!(extract.kind, Kind::Passage);
    }

    #[test]
    fn a_long_passage_is_trimmed_to_the_sentences_that_answer() {
        let filler = "Our shop opened many years ago in a small town by the sea. ".repeat(12);
        let text = format!(
            "{filler}A machine can be returned within 30 days of delivery. Keep the box. {filler}"
        );
        let extract = answer(
            "How long do I have to return a machine?",
            &[passage(None, &text, 0.8, true)],
            true,
        )
        .expect("found");
        assert!(extract.text.contains("within 30 days"), "{}", extract.text);
        assert!(extract.text.chars().count() <= MAX_CHARS);
        assert!(extract.text.starts_with("A machine"), "{}", extract.text);
    }

    #[test]
    fn korean_sentences_are_told_apart() {
        let filler = "저희 매장은 바닷가의 작은 마을에서 오래전에 문을 열었습니다. ".repeat(12);
        let text = format!("{filler}반품은 배송 후 30일 이내에 가능합니다. {filler}");
        let extract = answer(
            "반품은 며칠 이내에 가능한가요?",
            &[passage(None, &text, 0.8, true)],
            true,
        )
        .expect("found");
        assert!(extract.text.contains("30일 이내"), "{}", extract.text);
        assert!(extract.text.chars().count() <= MAX_CHARS);
    }

    #[test]
    fn the_sentence_that_answers_wins_over_those_that_repeat_the_question() {
        let text = "You have 30 days from the day of delivery to return a machine, for any reason and \
                    without giving one. The machine may have been used, but it must be clean, complete \
                    and packed so that it survives the way back. Opened beans and used filters cannot \
                    be returned.\n\nHow to return a machine\n\n1. Ask for a return label in your \
                    customer account.\n2. Empty the water tank, the drip tray and the hopper.\n3. Pack \
                    the machine in its own box.\n\nThe return label is free for machines. For \
                    accessories and spare parts you pay the postage yourself.";
        let found = [passage(None, text, 0.8, true)];
        let extract =
            answer("How long do I have to return a machine?", &found, true).expect("found");
        assert!(
            extract.text.starts_with("You have 30 days"),
            "{}",
            extract.text
        );
    }

    #[test]
    fn without_a_good_passage_there_is_no_answer() {
        let weak = [passage(None, "Something else.", 0.1, false)];
        assert_eq!(answer("What is the capital of Mars?", &weak, true), None);
        assert_eq!(answer("화성의 수도는?", &[], true), None);
    }

    #[test]
    fn an_excerpt_is_what_says_the_same() {
        let text =
            "We opened in 1990. Returns take 30 days. The label is free. 환불은 3일 안에 됩니다.";
        let check = |claim: &str, question: &str, expected: &str| {
            assert_eq!(
                excerpt(claim, question, text),
                expected,
                "{claim} {question}"
            );
        };
        check(
            "The label costs nothing: it is free.",
            "?",
            "The label is free.",
        );
        check("사흘 안에 환불됩니다.", "?", "환불은 3일 안에 됩니다.");
        check(
            "ラベルは無料です",
            "Is the label free?",
            "The label is free.",
        );
        check("ラベルは無料です", "無料ですか", text);
        assert_eq!(excerpt("a", "b", ""), "");
        assert_eq!(
            excerpt("가", "나", &"가".repeat(5_000)).chars().count(),
            EXCERPT_CHARS
        );
    }

    #[test]
    fn text_without_sentence_ends_is_cut_between_characters() {
        let text = "가".repeat(5_000);
        let extract = answer("가나", &[passage(None, &text, 0.8, true)], true).expect("found");
        assert!(extract.text.chars().count() <= MAX_CHARS + 1);
    }
}
