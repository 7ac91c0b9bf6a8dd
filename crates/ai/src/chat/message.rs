//! What is asked of a model and what it says, in words of our own: each wire turns its provider's
//! into these.

use bytes::Bytes;
use okra_domain::Secret;

use super::tools::{Tool, ToolCall, ToolChoice};

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
    /// The longest answer, in tokens; the provider's default where `None` (Anthropic has none: there
    /// it is 4,096).
    pub max_output_tokens: Option<u32>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it may, or must; says nothing where there are no tools.
    pub tool_choice: ToolChoice,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// What is shown with it; only for models that [see](super::sees_images), and only of users.
    pub images: Vec<Image>,
    /// What the model called; only of the assistant. Results follow in messages of [`Role::Tool`],
    /// one for each call, in their order.
    pub tool_calls: Vec<ToolCall>,
    /// Which call `content` is the result of; of [`Role::Tool`], and only there.
    pub result_of: Option<ResultOf>,
}

/// The call that a message of [`Role::Tool`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultOf {
    /// The call's id.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Whether the call failed, so that the content says why.
    pub failed: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator, instructing the model.
    System,
    /// The visitor.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

/// A piece of an answer that is being streamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatDelta {
    /// More text; never empty.
    Text(String),
    /// A call of a tool, whole: providers send its arguments in pieces, of which nothing can be made
    /// before the last. Calls come after the text, in the model's order.
    ToolCall(ToolCall),
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

/// A whole answer: text, calls of tools, or both; never neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is said; empty only where there are calls.
    pub text: String,
    /// The tools called, in the model's order.
    pub tool_calls: Vec<ToolCall>,
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
    /// The model waits for the results of the tools that it called.
    ToolCalls,
    /// The provider's filter, or the model itself, declined to go on. With nothing said before it is
    /// an error of its own kind.
    Blocked,
    /// Any other reason.
    Other,
}

impl ChatMessage {
    /// A message of `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            images: Vec::new(),
            tool_calls: Vec::new(),
            result_of: None,
        }
    }

    /// What came of a call, or, where it `failed`, why nothing did.
    pub fn result(call: &ToolCall, content: impl Into<String>, failed: bool) -> Self {
        Self {
            result_of: Some(ResultOf {
                id: call.id.clone(),
                name: call.name.clone(),
                failed,
            }),
            ..Self::new(Role::Tool, content)
        }
    }
}
