//! Stems and bare letters of words in alphabetic scripts.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::Script;

/// The Snowball stem of a lower-cased word, by the language its script suggests.
pub(super) fn stem(script: Script, word: &str) -> Cow<'_, str> {
    let algorithm = match script {
        Script::Latin if word.is_ascii() => Algorithm::English,
        Script::Cyrillic => Algorithm::Russian,
        Script::Greek => Algorithm::Greek,
        Script::Arabic => Algorithm::Arabic,
        _ => return Cow::Borrowed(word),
    };
    Stemmer::create(algorithm).stem(word)
}

/// A word in Latin letters without its accents, as it is typed on a keyboard that lacks them.
pub(super) fn without_accents(script: Script, word: &str) -> Cow<'_, str> {
    if script != Script::Latin || word.is_ascii() {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.nfd().filter(|&c| !is_combining_mark(c)).collect())
}
