//! What a turn may take: time, tokens of its prompt, tokens of its answer.

use std::time::Duration;

use okra_ai::chat::context_window;
use okra_domain::chatbot::Chatbot;
use okra_domain::{Error, ErrorKind};

use crate::Options;

/// The word for a turn that took longer than it may.
pub const TURN_TIMEOUT: &str = "turn_timeout";

/// Tokens that are left for an answer, where nothing limits it.
const USUAL_ANSWER: usize = 1_024;
/// The least that a prompt gets, however small the model's window is said to be.
const LEAST_PROMPT: usize = 512;

/// Why a turn was ended.
pub(super) fn took_too_long(limit: Duration) -> Error {
    let message = format!(
        "The answer was not finished within {} seconds and was stopped (max_turn_seconds).",
        limit.as_secs()
    );
    Error::new(ErrorKind::Provider, message).coded(TURN_TIMEOUT)
}

/// Tokens of a prompt: what the operator allows, and what the windows of the models that may read it hold beside the
/// answer.
pub(super) fn of_prompt(options: &Options, chatbot: &Chatbot, models: &[&str]) -> usize {
    let windows = models.iter().filter_map(|model| context_window(model));
    let Some(window) = windows.min().map(|tokens| tokens as usize) else {
        return options.prompt_tokens;
    };
    let answer = of_answer(options, chatbot).map_or(USUAL_ANSWER, |tokens| tokens as usize);
    let left = window.saturating_sub(answer.min(window / 2));
    left.clamp(LEAST_PROMPT, options.prompt_tokens.max(LEAST_PROMPT))
}

/// Tokens of an answer: the chatbot's limit within the server's; `None` leaves it to the provider.
pub(super) fn of_answer(options: &Options, chatbot: &Chatbot) -> Option<u32> {
    let limits = [options.answer_tokens, chatbot.settings.answering.max_tokens];
    limits.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use okra_domain::{OrganizationId, Timestamp};

    use super::*;

    #[test]
    fn the_smallest_limit_holds() {
        let mut chatbot =
            Chatbot::new(OrganizationId::new(), "Shop", Timestamp(0)).expect("a good name");
        let mut options = Options::default();
        assert_eq!(of_answer(&options, &chatbot), None);
        assert_eq!(of_prompt(&options, &chatbot, &["gpt-4o"]), 8_000);
        assert_eq!(of_prompt(&options, &chatbot, &["our-own-model"]), 8_000);
        assert_eq!(
            of_prompt(&options, &chatbot, &["gpt-4o", "gemma2:9b"]),
            8_192 - 1_024
        );
        options.prompt_tokens = 100_000;
        assert_eq!(
            of_prompt(&options, &chatbot, &["gpt-4o", "our-own-model"]),
            100_000
        );
        chatbot.settings.answering.max_tokens = Some(6_000);
        assert_eq!(of_prompt(&options, &chatbot, &["gemma2:9b"]), 8_192 - 4_096);
        options.answer_tokens = Some(500);
        assert_eq!(of_answer(&options, &chatbot), Some(500));
        assert_eq!(of_prompt(&options, &chatbot, &["gemma2:9b"]), 8_192 - 500);
    }
}
