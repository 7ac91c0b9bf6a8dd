//! The numbers by which a model marks the passages that its answer rests on. Pure.

use std::collections::HashSet;

use crate::retrieve::Passage;

/// The numbers that are all there is between two brackets: `2`, `1, 2`, `1;2`, `^2`.
pub(crate) fn bracketed(inner: &str) -> Option<Vec<u32>> {
    let numbers = inner.trim().trim_start_matches('^').split([',', ';']);
    numbers.map(|number| number.trim().parse().ok()).collect()
}

/// Numbers for passages that are found after those of `taken`, under the same rule as the first ones.
pub(crate) fn further_numbers(
    taken: &[u32],
    passages: &[Passage],
    question: &str,
) -> impl Iterator<Item = u32> {
    let last = taken.iter().copied().max().unwrap_or_default();
    free_numbers(passages, question).filter(move |number| *number > last)
}

/// Numbers from 1 on, without those that the passages or the question name in brackets themselves, as footnotes do: a
/// mark of the answer must not be one that it quotes.
pub(super) fn free_numbers(passages: &[Passage], question: &str) -> impl Iterator<Item = u32> {
    let shown = passages.iter().flat_map(|passage| {
        let (found, chunk) = (&passage.found, &passage.found.chunk);
        let headings = chunk.headings.iter().chain(&chunk.question);
        headings.chain([&found.title, &chunk.text])
    });
    let texts = shown.map(String::as_str).chain([question]);
    let taken: HashSet<u32> = texts.flat_map(named).collect();
    (1..).filter(move |number| !taken.contains(number))
}

/// The numbers that a text names in brackets.
fn named(text: &str) -> impl Iterator<Item = u32> {
    let opened = text.split(['[', '【']).skip(1);
    let inner = opened.filter_map(|rest| Some(rest.split_once([']', '】'])?.0));
    inner.filter_map(bracketed).flatten()
}
