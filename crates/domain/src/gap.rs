//! Gaps: questions alike that a chatbot's knowledge held nothing for, or whose answers visitors did not like.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::knowledge::words;
use crate::{ChatbotId, GapId, ItemId, MessageId, SessionId, Timestamp};

/// How a gap stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GapState {
    /// Nobody has seen to it.
    Open,
    /// Its questions find an answer now. It opens again when one of them is asked in vain after that.
    Resolved,
    /// It needs no answer, however often it is asked.
    Dismissed,
}

words!(GapState {
    Open = "open",
    Resolved = "resolved",
    Dismissed = "dismissed",
});

/// Questions alike that got no answer, or none that was liked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its id.
    pub id: GapId,
    /// The chatbot that was asked.
    pub chatbot_id: ChatbotId,
    /// Its place among the chatbot's gaps, from 1, by when they came up.
    pub number: i64,
    /// The words of its first question, [`MAX_GAP_CHARS`] at most; the others are those that are like it.
    pub question: String,
    /// How it stands.
    pub state: GapState,
    /// The Q&A pair that was written for it; it may be gone.
    pub item: Option<ItemId>,
    /// When it was resolved or dismissed.
    pub settled_at: Option<Timestamp>,
    /// When it came up.
    pub created_at: Timestamp,
}

/// A gap with what was asked in some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedGap {
    /// The gap.
    pub gap: Gap,
    /// Its questions.
    pub questions: i64,
    /// Those that the knowledge held nothing for.
    pub unanswered: i64,
    /// Those whose answer got a thumb down.
    pub disliked: i64,
    /// When the first of them was asked.
    pub first_asked_at: Timestamp,
    /// When the last of them was asked.
    pub last_asked_at: Timestamp,
}

/// One question of a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapQuestion {
    /// The visitor's message.
    pub message_id: MessageId,
    /// The conversation it was asked in.
    pub session_id: SessionId,
    /// Its words, [`MAX_GAP_CHARS`] at most.
    pub question: String,
    /// What was looked up in place of its words, where it leaned on what was said before.
    pub looked_up: Option<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Whether the knowledge held nothing for it.
    pub unanswered: bool,
    /// Whether its answer got a thumb down.
    pub disliked: bool,
    /// What the visitor said about that answer.
    pub comment: Option<String>,
    /// The first message that a person wrote later in the same conversation.
    pub reply: Option<GapReply>,
}

impl GapQuestion {
    /// The question as it can be understood by itself.
    pub fn standing(&self) -> &str {
        self.looked_up.as_deref().unwrap_or(&self.question)
    }
}

/// What a person wrote after a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapReply {
    /// The message.
    pub message_id: MessageId,
    /// Its text, [`MAX_GAP_CHARS`] characters at most.
    pub content: String,
}

/// The most characters that are kept or told of a question.
pub const MAX_GAP_CHARS: usize = 2_000;
