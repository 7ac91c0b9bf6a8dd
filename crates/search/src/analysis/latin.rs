//! Stems and bare letters of words in alphabetic scripts.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{Language, Script};

/// The Snowball stem of a lower-cased word: by the text's language in Latin letters, else by the language that its
/// script suggests.
pub(super) fn stem(script: Script, language: Language, word: &str) -> Cow<'_, str> {
    let algorithm = match script {
        Script::Latin => language.stemmer(),
        Script::Cyrillic => Some(Algorithm::Russian),
        Script::Greek => Some(Algorithm::Greek),
        Script::Arabic => Some(Algorithm::Arabic),
        _ => None,
    };
    match algorithm {
        Some(algorithm) => Stemmer::create(algorithm).stem(word),
        None => Cow::Borrowed(word),
    }
}

/// A word in Latin letters without its accents, as it is typed on a keyboard that lacks them.
pub(super) fn without_accents(script: Script, word: &str) -> Cow<'_, str> {
    if script != Script::Latin || word.is_ascii() {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.nfd().filter(|&c| !is_combining_mark(c)).collect())
}
