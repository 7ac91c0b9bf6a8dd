//! Chat models behind an OpenAI-compatible API: OpenAI itself, Ollama, vLLM, OpenRouter, and every
//! other service that speaks `POST /chat/completions`.
//!
//! The engine calls [`ChatModel::stream`] for an answer as it is written and
//! [`ChatModel::complete`] for a whole one. Both fail with [`ProviderError`] and never give an
//! empty answer. One model serves all chatbots: model name and key may differ by request.
//!
//! A client of our own rather than a many-vendor library: those tried lose the finish reason of a
//! stream that closes without `[DONE]`, rewrite model names (`-high` cut off, everything before
//! `::` dropped), demand a key of servers that have none, drop the last part of a base address
//! written without a slash, and put no bound on an answer's size.

mod sse;
mod stream;
mod thinking;
mod vision;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use okra_domain::Secret;
use serde::Serialize;
use tokio::time::Instant;

use crate::error::{ProviderError, ProviderErrorKind};
use crate::http::{Endpoint, EndpointConfig, Post, Reach};

pub use stream::ChatStream;
pub use vision::sees_images;

/// Longest list of models that is read, in bytes; the longest known has some 500 KB.
const MAX_LIST: usize = 4 * 1024 * 1024;

/// A provider's chat models.
pub struct ChatModel {
    endpoint: Endpoint,
    patience: Patience,
}

/// What a [`ChatModel`] is made of.
#[derive(Debug, Clone)]
pub struct ChatModelConfig {
    /// The API's address, `https://api.openai.com/v1`. A bare host gets `/v1`; a slash at the end
    /// makes no difference.
    pub base_url: String,
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

/// A conversation to be continued by the model.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// The model's name as the provider knows it, sent as it is.
    pub model: String,
    /// The conversation so far, oldest first.
    pub messages: Vec<ChatMessage>,
    /// A key for this request alone, such as the chatbot's own.
    pub api_key: Option<Secret>,
    /// Sampling temperature; the provider's default where `None`.
    pub temperature: Option<f32>,
    /// The longest answer, in tokens; the provider's default where `None`.
    pub max_output_tokens: Option<u32>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// What is shown with it; only for models that [see](sees_images), and only of users.
    pub images: Vec<Image>,
}

/// An image that a message shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// The provider fetches it itself.
    Address(String),
    /// A JPEG, sent along: what lies on this server the provider may not reach.
    Jpeg(Bytes),
}

/// Who speaks in a [`ChatMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator, instructing the model.
    System,
    /// The visitor.
    User,
    /// The model.
    Assistant,
}

/// A piece of an answer that is being streamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatDelta {
    /// More text; never empty.
    Text(String),
    /// The end of a whole answer; nothing follows.
    Done {
        /// What the answer took.
        usage: Usage,
        /// The model that answered, where the provider says.
        model: Option<String>,
        /// Why the answer ended.
        finish: Finish,
    },
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The answer; never empty.
    pub text: String,
    /// What it took.
    pub usage: Usage,
    /// The model that answered, where the provider says.
    pub model: Option<String>,
    /// Why it ended.
    pub finish: Finish,
}

/// Tokens used, as the provider counted them; zero where it didn't say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the conversation sent.
    pub input_tokens: u32,
    /// Tokens of the answer, thinking included.
    pub output_tokens: u32,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had said what it had to say.
    Stop,
    /// The answer met the token limit and is cut off.
    Length,
    /// Any other reason, such as a content filter.
    Other,
}

impl ChatModel {
    /// A model at the configured address. Sends nothing yet; fails with `NotConfigured` where the
    /// address cannot be used.
    pub fn new(config: ChatModelConfig) -> Result<Self, ProviderError> {
        let endpoint = Endpoint::new(EndpointConfig {
            base_url: &config.base_url,
            root: "/v1",
            key: config.api_key.as_ref(),
            connect_timeout: config.patience.connect,
            retry_pause: config.retry_pause,
            reach: &config.reach,
            gzip: false,
        })?;
        Ok(Self {
            endpoint,
            patience: config.patience,
        })
    }

    /// Asks for an answer and resolves when its first text is there, so that everything which may
    /// fail before it, the one retry included, is over by then. Dropping the future or the stream
    /// closes the connection to the provider at once.
    pub async fn stream(&self, request: ChatRequest) -> Result<ChatStream, ProviderError> {
        self.answer(&request, true).await
    }

    /// The names of the models that the provider offers, sorted, within `patience`.
    pub async fn models(&self, patience: Duration) -> Result<Vec<String>, ProviderError> {
        let listed = tokio::time::timeout(patience, self.endpoint.get("models", MAX_LIST));
        let listed = listed
            .await
            .map_err(|_| stream::timed_out("did not answer in time"))??;
        let models = listed["data"].as_array().ok_or_else(|| {
            let message = "The model provider's list of models has no \"data\".";
            ProviderError::new(ProviderErrorKind::Malformed, message)
        })?;
        let names = models.iter().filter_map(|model| model["id"].as_str());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Asks for a whole answer. Dropping the future closes the connection.
    pub async fn complete(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let mut stream = self.answer(&request, false).await?;
        let mut text = String::new();
        while let Some(delta) = stream.next().await {
            match delta? {
                ChatDelta::Text(piece) if text.is_empty() => text = piece,
                ChatDelta::Text(piece) => text.push_str(&piece),
                ChatDelta::Done {
                    usage,
                    model,
                    finish,
                } => {
                    return Ok(Completion {
                        text,
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
        let body = wire::request_body(request, streamed);
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
        let post = Post {
            path: "chat/completions",
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
        ChatStream::open(response, limits, key).await
    }
}

impl ChatModelConfig {
    /// The usual limits at `base_url`, without a key.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
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

impl ChatMessage {
    /// A message of `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            images: Vec::new(),
        }
    }
}
