//! Telling characters apart: which run of text a character belongs to, and by which rules that run is cut.

use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script as UnicodeScript, UnicodeScript as _};

/// A family of scripts that is cut into terms by the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    /// Korean.
    Hangul,
    /// Chinese characters and Japanese kana.
    Ideographic,
    /// Thai and its neighbours, which write no spaces between words but have alphabets.
    Unspaced,
    /// Any other script that puts spaces between words, told apart by its Unicode number.
    Other(u8),
    /// Digits alone; they join a run of any script with spaces.
    Digits,
}

/// What a character means for cutting text into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Character {
    Letter(Script),
    Digit,
    /// Belongs to the letter before it.
    Mark,
    /// Seen by nobody; leaves the token as if it weren't there.
    Ignored,
    /// Straight or typographic; English contractions and possessives hang on it.
    Apostrophe,
    Break,
}

impl Script {
    /// Whether digits written next to letters of this script belong to the same word.
    pub(super) fn takes_digits(self) -> bool {
        !matches!(self, Self::Hangul | Self::Ideographic | Self::Unspaced)
    }

    /// Whether tokens are words, which come again and again, and not whole clauses.
    pub(crate) fn repeats_tokens(self) -> bool {
        !matches!(self, Self::Ideographic | Self::Unspaced)
    }

    /// A number of its own for each script.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Latin => 1,
            Self::Cyrillic => 2,
            Self::Greek => 3,
            Self::Arabic => 4,
            Self::Hangul => 5,
            Self::Ideographic => 6,
            Self::Unspaced => 7,
            Self::Digits => 8,
            Self::Other(number) => 256 + u64::from(number),
        }
    }
}

/// Classifies one character; common ranges first, because the general tables cost ten times as much.
pub(super) fn classify(c: char) -> Character {
    match c {
        'a'..='z' | 'A'..='Z' => Character::Letter(Script::Latin),
        '0'..='9' => Character::Digit,
        '\'' | '\u{2019}' => Character::Apostrophe,
        '\0'..='\u{7f}' => Character::Break,
        // Soft hyphen, joiners, Arabic tatweel and vowel signs: optional in writing, so never part of a term.
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{feff}' | '\u{640}' | '\u{64b}'..='\u{652}' => {
            Character::Ignored
        }
        '\u{ac00}'..='\u{d7a3}' => Character::Letter(Script::Hangul),
        '\u{4e00}'..='\u{9fff}' => Character::Letter(Script::Ideographic),
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}' => {
            Character::Letter(Script::Ideographic)
        }
        _ => classify_by_table(c),
    }
}

fn classify_by_table(c: char) -> Character {
    if is_combining_mark(c) {
        return Character::Mark;
    }
    if !c.is_alphanumeric() {
        return Character::Break;
    }
    if c.is_numeric() {
        return Character::Digit;
    }
    Character::Letter(match c.script() {
        UnicodeScript::Latin => Script::Latin,
        UnicodeScript::Cyrillic => Script::Cyrillic,
        UnicodeScript::Greek => Script::Greek,
        UnicodeScript::Arabic => Script::Arabic,
        UnicodeScript::Hangul => Script::Hangul,
        UnicodeScript::Han | UnicodeScript::Hiragana | UnicodeScript::Katakana => {
            Script::Ideographic
        }
        UnicodeScript::Thai
        | UnicodeScript::Lao
        | UnicodeScript::Khmer
        | UnicodeScript::Myanmar
        | UnicodeScript::Tibetan => Script::Unspaced,
        // The number only has to tell neighbouring scripts apart; two that share one merely aren't split.
        other => Script::Other(other as u8),
    })
}
