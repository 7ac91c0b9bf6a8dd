//! Cutting text into sentences by the rules of UAX #29.
//!
//! The library looks up a category for each character; for ASCII, which most of an English text's paragraphs are, only
//! the few that can end a sentence have to be looked at. A test holds the two equal.

use unicode_segmentation::UnicodeSegmentation;

/// The sentences of a text, each with the white space that follows it.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let is_ascii = text.is_ascii();
    let mut left = if is_ascii { text } else { "" };
    let ascii = std::iter::from_fn(move || {
        let (sentence, rest) = left.split_at(first_sentence(left.as_bytes()));
        left = rest;
        (!sentence.is_empty()).then_some(sentence)
    });
    let other = (!is_ascii).then(|| text.split_sentence_bounds());
    ascii.chain(other.into_iter().flatten())
}

/// Where the first sentence of an ASCII text ends. The rules' names are those of UAX #29.
fn first_sentence(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = text[at..]
        .iter()
        .position(|byte| ends_sentence(*byte) || ends_line(*byte))
    {
        let mark = at + found;
        if ends_line(text[mark]) {
            return after_line_end(text, mark); // SB3, SB4
        }
        let next = text.get(mark + 1).copied().unwrap_or_default();
        let letter_before = mark > 0 && text[mark - 1].is_ascii_alphabetic();
        let in_number = next.is_ascii_digit(); // SB6
        let in_abbreviation = letter_before && next.is_ascii_uppercase(); // SB7
        if text[mark] == b'.' && (in_number || in_abbreviation) {
            at = mark + 1;
            continue;
        }
        let rest = skip(text, mark + 1, closes);
        let rest = skip(text, rest, is_space); // SB9, SB10
        match text.get(rest) {
            Some(byte) if ends_line(*byte) => return after_line_end(text, rest),
            Some(byte) if ends_sentence(*byte) || continues(*byte) => {} // SB8a
            Some(_) if text[mark] == b'.' && goes_on_in_lower_case(&text[rest..]) => {} // SB8
            _ => return rest,                                            // SB11
        }
        at = rest;
    }
    text.len()
}

fn skip(text: &[u8], from: usize, what: impl Fn(u8) -> bool) -> usize {
    from + text[from..].iter().take_while(|byte| what(**byte)).count()
}

/// After the line's end at `at`, where CR and LF are one.
fn after_line_end(text: &[u8], at: usize) -> usize {
    match text[at..] {
        [b'\r', b'\n', ..] => at + 2,
        _ => at + 1,
    }
}

fn goes_on_in_lower_case(text: &[u8]) -> bool {
    let decides =
        |byte: &&u8| byte.is_ascii_alphabetic() || ends_line(**byte) || ends_sentence(**byte);
    text.iter()
        .find(decides)
        .is_some_and(u8::is_ascii_lowercase)
}

/// SATerm.
fn ends_sentence(byte: u8) -> bool {
    matches!(byte, b'.' | b'!' | b'?')
}

/// ParaSep.
fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Close.
fn closes(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'(' | b')' | b'[' | b']' | b'{' | b'}')
}

/// Sp.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c)
}

/// SContinue.
fn continues(byte: u8) -> bool {
    matches!(byte, b',' | b'-' | b':' | b';')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let own: Vec<&str> = sentences(text).collect();
        let library: Vec<&str> = text.split_sentence_bounds().collect();
        assert_eq!(own, library, "{text:?}");
    }

    #[test]
    fn sentences_are_those_of_the_library() {
        check("");
        check("One. Two! \"Three?\" (Four.) five, e.g. this, costs 3.50 at U.S.A. Inc.: yes; no");
        check("Line\r\nLine.\r\n\nLine.\t \rLast");
        check("Why?! Because... it is so. 1. First. 2) second");
        check("“Quoted.” Über 3.5 km. 다음 문장입니다. 次の文。");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn sentences_of_any_ascii_are_those_of_the_library(
            text in "([a-zA-Z]{1,3}|[0-9]|[.!?,:;'\"()\\[\\]{} -]|[\\x00-\\x7f]|\r\n|\n){0,24}",
        ) {
            check(&text);
        }
    }
}
