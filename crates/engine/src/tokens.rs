//! Estimates of how many tokens a text takes, for budgets. Models differ and their tokenizers are
//! not at hand; an estimate that errs upwards keeps a prompt inside the window.

/// Roughly the tokens of `text`: a quarter of its characters in Latin script, all of them in Han,
/// Kana and Hangul, half in other scripts.
pub(crate) fn estimate(text: &str) -> usize {
    let quarters: usize = text
        .chars()
        .map(|character| match character {
            '\0'..='\u{024F}' => 1,
            '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' => 4,
            _ => 2,
        })
        .sum();
    quarters.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_script() {
        let check = |text: &str, expected| assert_eq!(estimate(text), expected, "{text}");
        check("", 0);
        check("abcdefgh", 2);
        check("반품 기간", 5);
        check("возврат", 4);
    }
}
