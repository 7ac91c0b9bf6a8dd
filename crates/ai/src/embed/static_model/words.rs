//! Splits text into words as BERT's uncased models do: BertNormalizer, then BertPreTokenizer.
//!
//! That is, in one pass: control characters are dropped, accents are stripped, letters are lower
//! case; words end at white space, and every punctuation mark and every Chinese character is a word
//! of its own. Source: `tokenization.py` of google-research/bert, `BasicTokenizer`.

use unicode_normalization::char::decompose_canonical;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// A longer word is not looked up: it is unknown as a whole.
const MAX_WORD_CHARACTERS: usize = 100;

/// Calls `found` with each word of `text` that is short enough to be looked up, in order.
pub(super) fn each_word(text: &str, found: impl FnMut(&str)) {
    let mut word = Word {
        letters: String::with_capacity(64),
        characters: 0,
        found,
    };
    for character in text.chars() {
        if character.is_ascii() {
            word.read_ascii(character);
        } else {
            word.read(character);
        }
    }
    word.end();
}

/// The word being read. Memory stays small however long a "word" in hostile text is.
struct Word<Found> {
    letters: String,
    characters: usize,
    found: Found,
}

impl<Found: FnMut(&str)> Word<Found> {
    /// What [`Word::read`] does, for the characters that nearly every English text is made of.
    fn read_ascii(&mut self, character: char) {
        match character {
            ' ' | '\t' | '\n' | '\r' => self.end(),
            _ if character.is_ascii_control() => {}
            _ if character.is_ascii_punctuation() => self.alone(character),
            _ => self.push(character.to_ascii_lowercase()),
        }
    }

    fn read(&mut self, character: char) {
        if character == char::REPLACEMENT_CHARACTER || is_other(character) {
            return;
        }
        // Marks are not put in canonical order first: all that would be reordered is dropped here,
        // and sorting would need memory for as many marks as a hostile text stacks up.
        decompose_canonical(character, |part| {
            if part.general_category() != GeneralCategory::NonspacingMark {
                part.to_lowercase().for_each(|lower| self.place(lower));
            }
        });
    }

    fn place(&mut self, character: char) {
        if character.is_whitespace() {
            self.end();
        } else if is_chinese(character) || is_punctuation(character) {
            self.alone(character);
        } else {
            self.push(character);
        }
    }

    fn push(&mut self, character: char) {
        self.characters += 1;
        if self.characters <= MAX_WORD_CHARACTERS {
            self.letters.push(character);
        }
    }

    fn alone(&mut self, character: char) {
        self.end();
        self.push(character);
        self.end();
    }

    fn end(&mut self) {
        if (1..=MAX_WORD_CHARACTERS).contains(&self.characters) {
            (self.found)(&self.letters);
        }
        self.letters.clear();
        self.characters = 0;
    }
}

/// Control, format and private-use characters. The reference tokenizer keeps unassigned ones.
fn is_other(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse
    )
}

fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || character.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// The blocks of ideographs that BERT splits at; Kana and Hangul are not among them. The gap at
/// U+2B820 is the reference tokenizer's own.
fn is_chinese(character: char) -> bool {
    matches!(character,
        '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B81F}'
        | '\u{2B920}'..='\u{2CEAF}'
        | '\u{2F800}'..='\u{2FA1F}')
}
