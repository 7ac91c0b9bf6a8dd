//! The wire forms of what people do in conversations: who answers, notes, and turns that nobody hears.

use okra_domain::chatbot::Chatbot;
use okra_domain::handling::Note;
use okra_domain::session::{SenderType, SessionState};
use okra_domain::{SessionId, Timestamp};
use okra_engine::Engine;
use okra_store::sessions::{QueueCounts, Standing};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// In the place of an answer, where a person has the conversation: the visitor's message is stored,
/// the chatbot says nothing. Its `id` tells it from a message, which has one.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandedOver {
    /// Always null: there is no message.
    pub id: Option<Uuid>,
    /// The conversation.
    pub session_id: Uuid,
    /// Always `bot`.
    pub sender_type: SenderType,
    /// Always empty.
    pub content: &'static str,
    /// Always `handed_over`.
    pub ended: &'static str,
    /// Always true.
    pub is_human_mode: bool,
}

impl HandedOver {
    /// In this session.
    pub fn of(session: SessionId) -> Self {
        Self {
            id: None,
            session_id: session.0,
            sender_type: SenderType::Bot,
            content: "",
            ended: "handed_over",
            is_human_mode: true,
        }
    }
}

/// Who answers, as a visitor is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitorHandling {
    /// Whether the chatbot is silent because a person has the conversation, or is waited for.
    pub is_human_mode: bool,
    /// `waiting` until a person has it.
    pub state: SessionState,
    /// What that person is called.
    pub agent: Option<String>,
    /// What the visitor is told who waits while nobody is there, by the chatbot's office hours.
    pub away: Option<String>,
}

impl VisitorHandling {
    /// How a session of this chatbot's stands now.
    pub fn of(standing: Standing, engine: &Engine, chatbot: &Chatbot) -> Self {
        let waits = standing.is_human_mode && standing.state == SessionState::Waiting;
        let away = engine.away_message(chatbot).filter(|_| waits);
        Self {
            is_human_mode: standing.is_human_mode,
            state: standing.state,
            agent: standing.agent,
            away: away.map(str::to_owned),
        }
    }
}

/// What agents tell each other at a conversation. No visitor and no model reads it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NoteBody {
    /// Its id.
    pub id: Uuid,
    /// Who wrote it; null for a program.
    pub author_id: Option<Uuid>,
    /// What the author was called then.
    pub author_name: Option<String>,
    /// The text.
    pub content: String,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Note> for NoteBody {
    fn from(note: Note) -> Self {
        Self {
            id: note.id.0,
            author_id: note.author.map(|person| person.0),
            author_name: note.author_name,
            content: note.content,
            created_at: note.created_at,
        }
    }
}

/// How many conversations want a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueCountsBody {
    /// Those in which a person is waited for.
    pub waiting: i64,
    /// Those that whoever asks has; 0 for a program.
    pub mine: i64,
}

impl From<QueueCounts> for QueueCountsBody {
    fn from(counts: QueueCounts) -> Self {
        Self {
            waiting: counts.waiting,
            mine: counts.mine,
        }
    }
}
