//! Which of the passages an answer rests on, and the sentences of each that say so. Pure; once an answer, when it is
//! over.

use okra_domain::session::CitedSource;
use okra_search::coverage;

use super::marks::Mark;
use crate::extractive::excerpt;
use crate::retrieve::Passage;

/// Passages that an answer without marks is taken to rest on, at most.
const MOST_UNMARKED: usize = 3;
/// The share of an answer's words, by their weight, that a passage has to hold where the model marked nothing.
const UNMARKED: f32 = 0.45;
/// And the share of what the best one holds.
const BESIDE_BEST: f32 = 0.75;

/// An answer whose sources are looked for.
pub(super) struct Answer<'a> {
    pub(super) question: &'a str,
    /// Without marks.
    pub(super) text: &'a str,
    pub(super) marks: &'a [Mark],
    /// The numbers of the passages given, in their order.
    pub(super) numbers: &'a [u32],
    pub(super) given: &'a [Passage],
}

/// The passages that the answer's marks name, in the order in which it first names them. Where it marks nothing, those
/// that hold most of its words; none where none does, as when it is in another language than they are.
pub(super) fn used(answer: &Answer<'_>) -> Vec<CitedSource> {
    if answer.marks.is_empty() {
        return unmarked(answer);
    }
    let mut order: Vec<u32> = Vec::new();
    for mark in answer.marks {
        if !order.contains(&mark.number) {
            order.push(mark.number);
        }
    }
    let cited = |number: u32| {
        let index = answer.numbers.iter().position(|it| *it == number)?;
        let passage = answer.given.get(index)?;
        Some(cited(passage, &claims(answer, number), answer.question))
    };
    order.into_iter().filter_map(cited).collect()
}

/// The passage as a source, with the sentences that say what `claim` does.
pub(super) fn cited(passage: &Passage, claim: &str, question: &str) -> CitedSource {
    let mut source = passage.cited();
    source.excerpt = Some(excerpt(claim, question, &passage.found.chunk.text));
    source
}

/// The sentences before the marks of this number.
fn claims(answer: &Answer<'_>, number: u32) -> String {
    let marks = answer.marks.iter().filter(|mark| mark.number == number);
    let claims = marks.map(|mark| last_sentence(&answer.text[..mark.at.min(answer.text.len())]));
    claims.collect::<Vec<_>>().join("\n")
}

fn last_sentence(text: &str) -> &str {
    use unicode_segmentation::UnicodeSegmentation;
    let text = text.trim_end();
    // A sentence is looked for in its own line, which lists and tables end without a full stop.
    let line = text.rsplit('\n').next().unwrap_or(text);
    line.split_sentence_bounds().last().unwrap_or(line)
}

fn unmarked(answer: &Answer<'_>) -> Vec<CitedSource> {
    let text = |it: &Passage| format!("{}\n{}", it.found.title, it.found.chunk.text);
    let texts: Vec<String> = answer.given.iter().map(text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut covered: Vec<(f32, &Passage)> = coverage(answer.text, &texts)
        .into_iter()
        .zip(answer.given)
        .collect();
    // Stable: among equals those that were likelier come first.
    covered.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = covered.first().map_or(0.0, |(best, _)| *best);
    covered.retain(|(covered, _)| *covered >= UNMARKED.max(BESIDE_BEST * best));
    let rests = covered.into_iter().take(MOST_UNMARKED);
    rests
        .map(|(_, passage)| cited(passage, answer.text, answer.question))
        .collect()
}

#[cfg(test)]
mod tests;
