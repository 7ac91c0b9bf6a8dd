//! Sessions and messages: what was said, by whom, resting on which sources.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::handling::Handling;
use crate::knowledge::{FoundChunk, words};
use crate::{ChatbotId, ItemId, MessageId, PersonId, SessionId, Timestamp};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SenderType {
    /// The visitor.
    User,
    /// The chatbot.
    Bot,
    /// A person answering for the organization.
    Agent,
}

words!(SenderType { User = "user", Bot = "bot", Agent = "agent" });

/// How a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Going on.
    InProgress,
    /// Waiting for a person.
    Waiting,
    /// Settled.
    Resolved,
}

words!(SessionState {
    InProgress = "in_progress",
    Waiting = "waiting",
    Resolved = "resolved",
});

/// One visitor's conversation with one chatbot, found by (chatbot, platform, visitor token).
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The chatbot spoken with.
    pub chatbot_id: ChatbotId,
    /// Where the visitor is: `web`, or a messaging channel's name.
    pub platform: String,
    /// The visitor's token on that platform; `None` where the client gave none.
    pub visitor: Option<String>,
    /// Whether a person has taken over.
    pub is_human_mode: bool,
    /// How it stands.
    pub state: SessionState,
    /// The person who has it, where one does.
    pub assignee: Option<PersonId>,
    /// How often a person took it over: a turn that began at another count is not heard any more.
    pub takeovers: i64,
    /// When the last message was written that an agent has seen.
    pub agents_read_at: Option<Timestamp>,
    /// When the last message was written that the visitor has seen of people's.
    pub visitor_read_at: Option<Timestamp>,
    /// What is known of the visitor.
    pub metadata: Map<String, Value>,
    /// The latest message, where there is one.
    pub last_message: Option<LastMessage>,
    /// When it began.
    pub created_at: Timestamp,
    /// When something was last said.
    pub updated_at: Timestamp,
}

impl Session {
    /// The e-mail address that the visitor left, or the site that vouched for them gave.
    pub fn email(&self) -> Option<&str> {
        self.metadata.get("email")?.as_str()
    }

    /// Who answers in it.
    pub fn handling(&self) -> Handling {
        Handling {
            is_human_mode: self.is_human_mode,
            state: self.state,
            assignee: self.assignee,
        }
    }
}

/// The latest message of a session, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct LastMessage {
    /// Its id.
    pub id: MessageId,
    /// Its text.
    pub content: String,
    /// Who wrote it.
    pub sender_type: SenderType,
}

/// A file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// Where it can be fetched.
    pub url: String,
    /// Its file's name among the chatbot's images, where a visitor uploaded it here; `None` where a
    /// client names a file that lies elsewhere. Stored, and never told.
    #[serde(default, skip_serializing)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub file: Option<String>,
}

/// Whether an answer helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    /// It did.
    Up,
    /// It did not.
    Down,
}

words!(Rating { Up = "up", Down = "down" });

/// What a visitor thought of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Feedback {
    /// Whether it helped.
    pub rating: Rating,
    /// Why, in the visitor's words.
    pub comment: Option<String>,
}

/// What a visitor thought of a whole conversation, once it was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionRating {
    /// How satisfied: from 1, not at all, to 5, very.
    pub score: i64,
    /// Why, in the visitor's words.
    pub comment: Option<String>,
    /// When it was given.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub rated_at: Timestamp,
}

/// The scores there are.
pub const SCORES: std::ops::RangeInclusive<i64> = 1..=5;

/// The platform of conversations on a site's or Okra's own page, which shows the visitor what people write.
pub const WEB: &str = "web";

/// The platform of conversations that builders have with their own chatbots: the overview counts
/// none of them.
pub const PLAYGROUND: &str = "playground";

/// How well a question was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The answer rests on at least one passage that is likely enough to answer from.
    Answered,
    /// The knowledge held nothing likely enough.
    Unanswered,
    /// There was no whole answer, because something failed.
    Failed,
}

words!(Outcome { Answered = "answered", Unanswered = "unanswered", Failed = "failed" });

/// What is counted of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// How well the question was served; `None` where that cannot be told, because the turn was
    /// stopped before anything was looked for.
    pub outcome: Option<Outcome>,
    /// From the question to the end of the answer; `None` where the answer is not whole.
    pub took: Option<Duration>,
    /// The message that it answers.
    pub question: Option<MessageId>,
    /// The session's [`Session::takeovers`] when the question came: where a person has taken over
    /// since, the answer is not stored.
    pub takeovers: i64,
    /// Whether the chatbot calls a person by it: stored with the answer, the session waits for one.
    pub calls_person: bool,
}

/// One message of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// Who wrote it.
    pub sender_type: SenderType,
    /// What it says.
    pub content: String,
    /// Files that go with it.
    pub attachments: Option<Vec<Attachment>>,
    /// How it came about: sources, whether a model was used, how the turn ended.
    pub metadata: Map<String, Value>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// The provider of that model.
    pub provider: Option<String>,
    /// Tokens read and written by the model.
    pub tokens_used: i64,
    /// What the visitor thought of it.
    pub feedback: Option<Feedback>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A passage that an answer was given or rests on, as it is shown beside the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CitedSource {
    /// The knowledge item.
    #[cfg_attr(feature = "openapi", schema(value_type = uuid::Uuid))]
    pub knowledge_id: ItemId,
    /// The item's title.
    pub title: String,
    /// The page's address, for items of type `url`.
    pub url: Option<String>,
    /// The chunk's number in the item, from 1.
    pub chunk: u32,
    /// The document's page, from 1, where it has pages.
    pub page: Option<u32>,
    /// The passage.
    pub content: String,
    /// The sentences of the passage that the answer rests on, word for word; absent while it is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// How likely the passage is the right one, 0 to 1.
    pub similarity: f32,
}

impl CitedSource {
    /// The passage as it is shown beside an answer.
    pub fn of(found: &FoundChunk, similarity: f32) -> Self {
        Self {
            knowledge_id: found.item_id,
            title: found.title.clone(),
            url: found.url.clone(),
            chunk: found.chunk.ordinal,
            page: found.chunk.page,
            content: found.block(),
            excerpt: None,
            similarity,
        }
    }
}

/// The most characters of one visitor message.
pub const MAX_MESSAGE_CHARS: usize = 32_000;
/// The most characters of a visitor's comment on an answer.
pub const MAX_COMMENT_CHARS: usize = 2_000;
/// The most characters of a visitor token.
pub const MAX_VISITOR_CHARS: usize = 200;

/// Checks a platform's name: 1 to 40 lower-case letters, digits, `-` and `_`.
pub fn parse_platform(platform: &str) -> Result<String> {
    let proper = !platform.is_empty()
        && platform.len() <= 40
        && platform
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if proper {
        return Ok(platform.to_owned());
    }
    let problem = "must be 1 to 40 lower-case letters, digits, - and _, such as web";
    Err(Error::invalid_field("platform", problem))
}

/// Checks a visitor token: 1 to 200 characters without control characters.
pub fn parse_visitor(token: &str) -> Result<String> {
    if token.is_empty() || token.chars().any(char::is_control) {
        let problem = "must be 1 to 200 characters without control characters";
        return Err(Error::invalid_field("sessionToken", problem));
    }
    at_most("sessionToken", token, MAX_VISITOR_CHARS)?;
    Ok(token.to_owned())
}

/// Checks what a visitor wrote.
pub fn parse_message(field: &str, content: &str) -> Result<String> {
    if content.trim().is_empty() {
        return Err(Error::invalid_field(field, "must not be empty"));
    }
    at_most(field, content, MAX_MESSAGE_CHARS)?;
    Ok(content.to_owned())
}
