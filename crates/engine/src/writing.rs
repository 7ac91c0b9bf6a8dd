//! Texts that a model writes for people of the organization: whole, bounded, and counted.

use okra_ai::chat::{ChatDelta, ChatMessage, ChatRequest, Role};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind};

use crate::Engine;
use crate::chat::{provider_error, storable};
use crate::providers::First;

/// What a model wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub content: String,
    /// The model that wrote it.
    pub model: String,
    /// Tokens read and written.
    pub tokens_used: i64,
}

impl Engine {
    /// The model that writes for the chatbot; `what` says what for.
    ///
    /// # Errors
    /// Where none is set, or the day's tokens are used up.
    pub(crate) fn writer(&self, chatbot: &Chatbot, what: &str) -> Result<First> {
        self.first(chatbot)?.ok_or_else(|| {
            let message = format!(
                "{what} takes a language model, and none is configured (PUT \
                 /api/external/providers/NAME)."
            );
            Error::new(ErrorKind::Unavailable, message)
        })
    }

    /// Has `writer` write `tokens` tokens at most, from instructions and from `data`, which is to be marked as such.
    /// Its tokens count among the organization's.
    ///
    /// # Errors
    /// Where the provider fails, or writes nothing.
    pub(crate) async fn written(
        &self,
        chatbot: &Chatbot,
        writer: First,
        (instructions, data): (String, String),
        tokens: u32,
    ) -> Result<Written> {
        let request = ChatRequest {
            messages: vec![
                ChatMessage::new(Role::System, instructions),
                ChatMessage::new(Role::User, data),
            ],
            max_output_tokens: Some(tokens),
            ..ChatRequest::default()
        };
        let begun = self.begin_answer(chatbot, writer, request).await;
        let mut begun = begun.map_err(provider_error)?;
        let mut written = Written {
            content: String::new(),
            model: begun.model,
            tokens_used: 0,
        };
        while let Some(delta) = begun.stream.next().await {
            match delta.map_err(provider_error)? {
                ChatDelta::Text(text) => written.content.push_str(&text),
                // None was offered.
                ChatDelta::ToolCall(_) => {}
                ChatDelta::Done { usage, .. } => {
                    let (read, wrote) = (usage.input_tokens, usage.output_tokens);
                    written.tokens_used = i64::from(read) + i64::from(wrote);
                }
            }
        }
        let store = &self.parts.store;
        store.spend_tokens(chatbot, written.tokens_used).await?;
        written.content = storable(written.content);
        if written.content.trim().is_empty() {
            let message = "The model wrote nothing.";
            return Err(Error::new(ErrorKind::Provider, message));
        }
        Ok(written)
    }
}
