//! Answers in OpenAI's words.

use okra_domain::session::{CitedSource, Message};
use okra_domain::{SessionId, Timestamp};
use okra_store::ListedChatbot;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::stream::Head;

/// Why an answer ended that nothing cut off.
pub const STOP: &str = "stop";

/// A whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Completion {
    /// `chatcmpl-` and the answer's id.
    id: String,
    /// `chat.completion`.
    object: &'static str,
    /// When it was begun, in seconds since 1970.
    created: i64,
    /// The chatbot's slug.
    model: String,
    /// One.
    choices: Vec<Choice>,
    /// Tokens, as the model's provider counted them.
    usage: Usage,
    /// Okra's own: the passages that the answer rests on.
    sources: Vec<CitedSource>,
    /// Okra's own: the conversation.
    session_id: Uuid,
    /// Okra's own: whether a person has the conversation. The answer is then empty: the visitor's message is
    /// stored, and the chatbot says nothing.
    is_human_mode: bool,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompletionChoice)]
pub struct Choice {
    index: u32,
    message: AnswerMessage,
    #[schema(value_type = Option<Object>)]
    logprobs: Option<()>,
    /// `stop`; `length` where the limit of tokens cut the answer off, `content_filter` where the model's provider did.
    finish_reason: &'static str,
}

/// What is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompletionMessage)]
pub struct AnswerMessage {
    /// `assistant`.
    role: &'static str,
    content: String,
    #[schema(value_type = Option<String>)]
    refusal: Option<()>,
}

/// Tokens that an answer took: none where it was given without a model.
#[derive(Debug, Default, Clone, Copy, Serialize, ToSchema)]
#[schema(as = CompletionUsage)]
pub struct Usage {
    /// Read by the model.
    prompt_tokens: i64,
    /// Written by the model.
    completion_tokens: i64,
    /// Both.
    total_tokens: i64,
}

impl Usage {
    /// What a stored answer took.
    pub fn of(message: &Message) -> Self {
        let written = message.metadata.get("completion_tokens");
        let written = written.and_then(serde_json::Value::as_i64).unwrap_or(0);
        Self {
            prompt_tokens: message.tokens_used - written,
            completion_tokens: written,
            total_tokens: message.tokens_used,
        }
    }
}

/// Why a stored answer ended.
pub fn finish_reason(message: &Message) -> &'static str {
    let finish = message.metadata.get("finish");
    match finish.and_then(serde_json::Value::as_str) {
        Some("length") => "length",
        Some("content_filter") => "content_filter",
        _ => STOP,
    }
}

impl Completion {
    /// An answer with the passages that it rests on; `None` where a person has the conversation.
    pub fn new(head: Head, answered: Option<(Message, Vec<CitedSource>)>) -> Self {
        let SessionId(session_id) = head.session;
        let (message, sources) = answered.unzip();
        Self {
            id: head.id,
            object: "chat.completion",
            created: head.created,
            model: head.model,
            usage: message.as_ref().map(Usage::of).unwrap_or_default(),
            is_human_mode: message.is_none(),
            choices: vec![Choice {
                index: 0,
                finish_reason: message.as_ref().map_or(STOP, finish_reason),
                message: AnswerMessage {
                    role: "assistant",
                    content: message.map(|message| message.content).unwrap_or_default(),
                    refusal: None,
                },
                logprobs: None,
            }],
            sources: sources.unwrap_or_default(),
            session_id,
        }
    }
}

/// The models there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelList)]
pub struct Models {
    /// `list`.
    object: &'static str,
    data: Vec<Model>,
}

/// A chatbot as a model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompletionModel)]
pub struct Model {
    /// The chatbot's slug.
    id: String,
    /// `model`.
    object: &'static str,
    /// When the chatbot was made, in seconds since 1970.
    created: i64,
    /// `okra`.
    owned_by: &'static str,
}

impl Model {
    /// The chatbot of this slug.
    pub fn new(slug: String, created_at: Timestamp) -> Self {
        Self {
            id: slug,
            object: "model",
            created: seconds(created_at),
            owned_by: "okra",
        }
    }
}

impl Models {
    /// These chatbots.
    pub fn new(listed: Vec<ListedChatbot>) -> Self {
        let model = |it: ListedChatbot| Model::new(it.slug, it.created_at);
        Self {
            object: "list",
            data: listed.into_iter().map(model).collect(),
        }
    }
}

/// Whole seconds since 1970.
pub fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}
