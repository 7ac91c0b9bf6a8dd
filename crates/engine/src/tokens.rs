//! Estimates of how many tokens a text takes, for budgets. Models differ and their tokenizers are
//! not at hand; an estimate that errs upwards keeps a prompt inside the window.

/// Roughly the tokens of `text`: a quarter of its characters in Latin script, all of them in Han,
/// Kana and Hangul, half in other scripts.
pub(crate) fn estimate(text: &str) -> usize {
    let quarters: usize = text.chars().map(quarters).sum();
    quarters.div_ceil(4)
}

/// As much of `text`'s beginning as takes no more than `tokens`.
pub(crate) fn within(text: &str, tokens: usize) -> &str {
    let mut left = tokens.saturating_mul(4);
    for (at, character) in text.char_indices() {
        match left.checked_sub(quarters(character)) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

/// Quarters of a token that a character takes.
fn quarters(character: char) -> usize {
    match character {
        '\0'..='\u{024F}' => 1,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_takes_no_more_than_it_may() {
        let check = |text: &str, tokens, expected: &str| {
            assert_eq!(within(text, tokens), expected, "{text}");
            assert!(estimate(within(text, tokens)) <= tokens);
        };
        check("abcdefghi", 2, "abcdefgh");
        check("abcdefghi", 3, "abcdefghi");
        check("반품 기간", 2, "반품");
        check("반품 기간", 0, "");
        check("возврат", 3, "возвра");
    }

    #[test]
    fn estimates_follow_the_script() {
        let check = |text: &str, expected| assert_eq!(estimate(text), expected, "{text}");
        check("", 0);
        check("abcdefgh", 2);
        check("반품 기간", 5);
        check("возврат", 4);
    }
}
