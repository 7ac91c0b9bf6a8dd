//! Chat models: OpenAI's and Azure's, Anthropic's, Google's, and those of every server that speaks
//! OpenAI's `POST /chat/completions`, such as Ollama, vLLM and OpenRouter.
//!
//! The engine calls [`ChatModel::stream`] for an answer as it is written and
//! [`ChatModel::complete`] for a whole one. Both fail with [`ProviderError`] and never give an
//! empty answer. One [`ChatModel`] serves all chatbots: model name and key may differ by request. What
//! the providers' APIs have apart is a [`Wire`]'s.
//!
//! A client of our own rather than a many-vendor library: those tried lose the finish reason of a
//! stream that closes without `[DONE]`, rewrite model names (`-high` cut off, everything before
//! `::` dropped), demand a key of servers that have none, drop the last part of a base address
//! written without a slash, and put no bound on an answer's size.

mod message;
mod sse;
mod stream;
mod thinking;
mod tools;
mod vision;
mod window;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use okra_domain::Secret;
use tokio::time::Instant;

use crate::error::{ProviderError, ProviderErrorKind};
use crate::http::{Endpoint, EndpointConfig, Post, Reach};

pub use message::{
    ChatDelta, ChatMessage, ChatRequest, Completion, Finish, Image, ResultOf, Role, Usage,
};
pub use stream::ChatStream;
pub use tools::{Tool, ToolCall, ToolChoice, ToolFault};
pub use vision::sees_images;
pub use window::context_window;
pub use wire::Wire;

/// The version of Azure's API that is asked for where none is configured.
pub const AZURE_API_VERSION: &str = "2024-10-21";

/// Longest list of models that is read, in bytes; the longest known has some 500 KB.
const MAX_LIST: usize = 4 * 1024 * 1024;

/// A provider's chat models.
pub struct ChatModel {
    wire: Wire,
    endpoint: Endpoint,
    patience: Patience,
}

/// What a [`ChatModel`] is made of.
#[derive(Debug, Clone)]
pub struct ChatModelConfig {
    /// The API's address, `https://api.openai.com/v1`. A bare host gets the wire's usual path; a
    /// slash at the end makes no difference.
    pub base_url: String,
    /// The API spoken there.
    pub wire: Wire,
    /// The version of the API; for [`Wire::Azure`] alone, and there [`AZURE_API_VERSION`] where
    /// `None`.
    pub api_version: Option<String>,
    /// The key for requests that bring none of their own. Servers without keys need none.
    pub api_key: Option<Secret>,
    /// Where the provider may be.
    pub reach: Reach,
    /// How long is waited for what.
    pub patience: Patience,
    /// Pause before the one retry, where the provider asks for none.
    pub retry_pause: Duration,
}

/// How long a provider is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the connection, TLS included.
    pub connect: Duration,
    /// From the request to the first token; thinking counts as one.
    pub first_token: Duration,
    /// Between two tokens.
    pub idle: Duration,
    /// For the whole answer, retry included.
    pub total: Duration,
}

impl ChatModel {
    /// A model at the configured address. Sends nothing yet; fails with `NotConfigured` where the
    /// address cannot be used.
    pub fn new(config: ChatModelConfig) -> Result<Self, ProviderError> {
        let wire = config.wire;
        let version = config.api_version;
        let version = version.unwrap_or_else(|| AZURE_API_VERSION.to_owned());
        let endpoint = Endpoint::new(EndpointConfig {
            base_url: &config.base_url,
            root: wire.root(),
            auth: wire.auth(),
            headers: wire.headers(),
            query: (wire == Wire::Azure).then_some(("api-version", version)),
            key: config.api_key.as_ref(),
            connect_timeout: config.patience.connect,
            retry_pause: config.retry_pause,
            reach: &config.reach,
            gzip: false,
        })?;
        Ok(Self {
            wire,
            endpoint,
            patience: config.patience,
        })
    }

    /// Asks for an answer and resolves when its first text, or its calls, are there, so that everything which may
    /// fail before it, the one retry included, is over by then. Dropping the future or the stream
    /// closes the connection to the provider at once.
    pub async fn stream(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        self.answer(&request, true).await
    }

    /// The names of the models that the provider offers, sorted, within `patience`; with `key` in
    /// place of the configured one.
    pub async fn models(
        &self,
        key: Option<&Secret>,
        patience: Duration,
    ) -> Result<Vec<String>, ProviderError> {
        let query = self.wire.models_query();
        let listed = self.endpoint.get(&["models"], query, key, MAX_LIST);
        let listed = tokio::time::timeout(patience, listed).await;
        let listed = listed.map_err(|_| stream::timed_out("did not answer in time"))??;
        let mut names = self.wire.models(&listed).ok_or_else(|| {
            let message = "The model provider's list of models is not one; is its address right?";
            ProviderError::new(ProviderErrorKind::Malformed, message)
        })?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Asks for a whole answer. Dropping the future closes the connection.
    pub async fn complete(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let mut stream = self.answer(&request, false).await?;
        let mut text = String::new();
        let mut tool_calls = Vec::new();
        while let Some(delta) = stream.next().await {
            match delta? {
                ChatDelta::Text(piece) if text.is_empty() => text = piece,
                ChatDelta::Text(piece) => text.push_str(&piece),
                ChatDelta::ToolCall(call) => tool_calls.push(call),
                ChatDelta::Done {
                    usage,
                    model,
                    finish,
                } => {
                    return Ok(Completion {
                        text,
                        tool_calls,
                        usage,
                        model,
                        finish,
                    });
                }
            }
        }
        Err(stream::ended_early())
    }

    async fn answer(
        &self,
        request: &ChatRequest,
        streamed: bool,
    ) -> Result<ChatStream, ProviderError> {
        let body = self.wire.body(request, streamed);
        let deadline = Instant::now() + self.patience.total;
        self.endpoint
            .with_one_retry(|| self.attempt(request, body.clone(), streamed, deadline))
            .await
    }

    async fn attempt(
        &self,
        request: &ChatRequest,
        body: Bytes,
        streamed: bool,
        deadline: Instant,
    ) -> Result<ChatStream, ProviderError> {
        // A whole answer shows no first token: there the total alone limits.
        let first_token = if streamed {
            deadline.min(Instant::now() + self.patience.first_token)
        } else {
            deadline
        };
        let target = self.wire.target(&request.model, streamed);
        let path: Vec<&str> = target.path.iter().map(AsRef::as_ref).collect();
        let post = Post {
            path: &path,
            query: target.query,
            body,
            key: request.api_key.as_ref(),
            accept: if streamed {
                "text/event-stream"
            } else {
                "application/json"
            },
        };
        let response = tokio::time::timeout_at(first_token, self.endpoint.post(&post))
            .await
            .map_err(|_| stream::timed_out("did not answer in time"))??;
        let limits = stream::Limits {
            first_token,
            idle: self.patience.idle,
            total: deadline,
        };
        let key = self.endpoint.key_for(request.api_key.as_ref()).cloned();
        ChatStream::open(self.wire, response, limits, key).await
    }
}

impl ChatModelConfig {
    /// The usual limits at `base_url`, without a key.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            wire: Wire::OpenAi,
            api_version: None,
            api_key: None,
            reach: Reach::Anywhere,
            patience: Patience::default(),
            retry_pause: Duration::from_millis(250),
        }
    }

    /// The same with a key.
    pub fn with_key(self, key: Secret) -> Self {
        Self {
            api_key: Some(key),
            ..self
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(300),
        }
    }
}
