//! Whether a passage is the expected one.

use super::Question;
use crate::knowledge::FoundChunk;

/// Whether all that the question gives holds of the passage.
pub(super) fn holds(question: &Question, found: &FoundChunk) -> bool {
    let text = || {
        let asked = found.chunk.question.as_deref().unwrap_or_default();
        plain(&format!("{asked}\n{}", found.chunk.text))
    };
    let of_item = |item: &String| {
        let item = item.trim();
        item.eq_ignore_ascii_case(&found.item_id.to_string()) || plain(item) == plain(&found.title)
    };
    let with_passage = |passage: &String| text().contains(&plain(passage));
    let with_words = |words: &String| {
        let text = text();
        plain(words).split(' ').all(|word| has_word(&text, word))
    };
    question.item.as_ref().is_none_or(of_item)
        && question.passage.as_ref().is_none_or(with_passage)
        && question.answer.as_ref().is_none_or(with_words)
}

/// In lower case, with one space for any white space.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the text holds the word, whatever punctuation stands around either. Scripts that join
/// words, or put endings to them, are looked into; "30" is not found in "300".
fn has_word(text: &str, word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    if word.is_empty() || !word.is_ascii() {
        return text.contains(word);
    }
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !joins(before.chars().next_back()) && !joins(after.chars().next())
    })
}
