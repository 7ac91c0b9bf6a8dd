//! Texts that a model writes for people of the organization: whole, bounded, and counted.

use okra_ai::chat::{ChatDelta, ChatMessage, ChatRequest, ChatStream, Role, Usage};
use okra_ai::error::ProviderError;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind};

use crate::Engine;
use crate::chat::{provider_error, storable};
use crate::providers::First;
use crate::tokens::Spent;

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
        let sent = vec![
            ChatMessage::new(Role::System, instructions),
            ChatMessage::new(Role::User, data),
        ];
        let request = ChatRequest {
            messages: sent.clone(),
            max_output_tokens: Some(tokens),
            ..ChatRequest::default()
        };
        let begun = self.begin_answer(chatbot, writer, request).await;
        let begun = begun.map_err(provider_error)?;
        let heard = whole(begun.stream).await;
        let spent = match &heard {
            Ok((_, usage)) => Spent::counted(*usage),
            Err(error) => Spent::failed(error.kind, &sent),
        };
        let (organization, models) = (chatbot.organization_id, &chatbot.models);
        let store = &self.parts.store;
        store
            .spend_tokens(organization, models, spent.tokens)
            .await?;
        let content = storable(heard.map_err(provider_error)?.0);
        if content.trim().is_empty() {
            let message = "The model wrote nothing.";
            return Err(Error::new(ErrorKind::Provider, message));
        }
        Ok(Written {
            content,
            model: begun.model,
            tokens_used: spent.tokens,
        })
    }
}

/// What a model says to its end, and what that took.
async fn whole(mut stream: ChatStream) -> std::result::Result<(String, Usage), ProviderError> {
    let (mut text, mut took) = (String::new(), Usage::default());
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(more) => text.push_str(&more),
            // None was offered.
            ChatDelta::ToolCall(_) => {}
            ChatDelta::Done { usage, .. } => took = usage,
        }
    }
    Ok((text, took))
}
