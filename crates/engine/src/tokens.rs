//! Estimates of how many tokens a text takes, for budgets. Models differ and their tokenizers are
//! not at hand; an estimate that errs upwards keeps a prompt inside the window.

use okra_ai::chat::{ChatMessage, Usage};
use okra_ai::error::ProviderErrorKind;

/// What calls of a model took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Tokens, read and written.
    pub(crate) tokens: i64,
    /// Whether some of them are our estimate.
    pub(crate) estimated: bool,
}

impl Spent {
    /// What the provider counted.
    pub(crate) fn counted(usage: Usage) -> Self {
        Self {
            tokens: i64::from(usage.input_tokens) + i64::from(usage.output_tokens),
            estimated: false,
        }
    }

    /// What a call took that was given up before its end: it was sent, and that is paid for.
    pub(crate) fn given_up(sent: &[ChatMessage]) -> Self {
        let tokens: usize = sent.iter().map(|it| estimate(&it.content)).sum();
        Self {
            tokens: i64::try_from(tokens).unwrap_or(i64::MAX),
            estimated: true,
        }
    }

    /// What a call took that failed: nothing where the provider did not take it up.
    pub(crate) fn failed(kind: ProviderErrorKind, sent: &[ChatMessage]) -> Self {
        match kind {
            ProviderErrorKind::NotConfigured
            | ProviderErrorKind::Connect
            | ProviderErrorKind::RateLimited { .. }
            | ProviderErrorKind::Rejected { .. }
            | ProviderErrorKind::Unavailable { .. } => Self::default(),
            ProviderErrorKind::Timeout
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Interrupted
            | ProviderErrorKind::Empty
            | ProviderErrorKind::Blocked => Self::given_up(sent),
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            estimated: self.estimated || other.estimated,
        }
    }
}

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
    use okra_ai::chat::Role;

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
    fn a_call_that_fails_is_paid_for_where_the_provider_took_it_up() {
        let sent = ["반품 기간", "abcdefgh"].map(|text| ChatMessage::new(Role::User, text));
        let check = |kind, tokens, estimated| {
            let expected = Spent { tokens, estimated };
            assert_eq!(Spent::failed(kind, &sent), expected, "{kind:?}");
        };
        check(ProviderErrorKind::Timeout, 7, true);
        check(ProviderErrorKind::Interrupted, 7, true);
        check(ProviderErrorKind::Rejected { status: 401 }, 0, false);
        check(ProviderErrorKind::Connect, 0, false);
        let counted = Spent::counted(Usage {
            input_tokens: 2,
            output_tokens: 3,
        });
        let both = Spent {
            tokens: 12,
            estimated: true,
        };
        assert_eq!(counted.and(Spent::given_up(&sent)), both);
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
