//! English words that say nothing about what a passage is about.

/// Whether a lower-cased word carries no meaning of its own in English.
///
/// Applied to every word in Latin letters, whatever its language: the few words of other languages that look the
/// same ("in", "was", "an") are function words there as well.
pub(super) fn is_stop_word(word: &str) -> bool {
    word.len() <= LONGEST && STOP_WORDS.binary_search(&word).is_ok()
}

/// Length in bytes of the longest entry, so that most words are told without a search.
const LONGEST: usize = 7;

/// Sorted. Negations, "off", "up" and the like stay out: "turn off" and "turn on" are different questions.
const STOP_WORDS: &[&str] = &[
    "a", "about", "am", "an", "and", "are", "as", "at", "be", "been", "being", "but", "by", "can",
    "could", "did", "didn", "do", "does", "doesn", "doing", "don", "for", "from", "had", "has",
    "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "isn", "it", "its",
    "me", "my", "of", "on", "or", "our", "she", "should", "so", "such", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "to", "us", "was", "we",
    "were", "what", "when", "where", "which", "who", "whom", "why", "will", "with", "would", "you",
    "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_no_entry_is_longer_than_stated() {
        assert!(STOP_WORDS.is_sorted());
        assert!(STOP_WORDS.iter().all(|word| word.len() <= LONGEST));
    }
}
