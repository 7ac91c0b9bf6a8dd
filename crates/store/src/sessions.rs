//! Sessions and messages. A turn is two transactions: [`Store::open_turn`] stores what the visitor
//! said and gives the history, [`Store::finish_turn`] stores the answer. Nothing is written per
//! token.

macro_rules! session_columns {
    () => {
        "id, chatbot_id, platform, visitor, is_human_mode, state, metadata, last_message_id, \
         last_message_content, last_message_sender, created_at, updated_at, assignee_id, takeovers, \
         agents_read_at, visitor_read_at, contact"
    };
}

macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "SELECT id, session_id, sender_type, content, attachments, metadata, model, \
             provider, tokens_used, feedback, feedback_comment, created_at FROM messages ",
            $rest
        )
    };
}

mod contacts;
mod handling;
mod inbox;
mod interrupted;
mod listing;
mod mails;
mod notes;
mod queue;
mod ratings;
mod visitors;
mod write;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{
    AnswerFacts, Attachment, Feedback, LastMessage, Message, SenderType, Session, SessionState,
};
use okra_domain::tool::Contact;
use okra_domain::{ChatbotId, Error, ErrorKind, MessageId, Page, PageRequest, PersonId, SessionId};
use serde_json::{Map, Value};

pub use handling::{AgentMessage, AgentSaid, Finished, Reader, Standing};
pub use inbox::QueueCounts;
pub use interrupted::INTERRUPTED;
pub use listing::SessionFilter;
pub use mails::{MAIL, Mailed, Unseen};
pub(crate) use queue::Queue;
use write::Write;

use crate::Store;
use crate::budgets::Spending;
use crate::db::{Row, params};
use crate::events::Change;
use crate::webhooks::Teller;

/// Which session a turn belongs to.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionKey {
    /// The visitor's session on a platform, made where there is none. Without a token it is
    /// always a new one.
    Visitor {
        /// The platform, such as `web`.
        platform: String,
        /// The visitor's token there.
        token: Option<String>,
        /// What is known of the visitor now; `None` leaves what was known before.
        profile: Option<Map<String, Value>>,
    },
    /// An existing session.
    Id(SessionId),
}

/// A turn that was opened: the visitor's message is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTurn {
    /// The session, with this message as its last.
    pub session: Session,
    /// The messages before this one, oldest first, as many as asked for at most.
    pub history: Vec<Earlier>,
}

/// A message before the one to answer, as far as an answer needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// Who said it.
    pub sender_type: SenderType,
    /// The text.
    pub content: String,
    /// Files that went with it.
    pub attachments: Option<Vec<Attachment>>,
}

/// What a visitor says.
#[derive(Debug, Clone, PartialEq)]
pub struct UserMessage {
    /// The message's id, where the caller derives it from a request that may come twice: the second
    /// one stores nothing. `None` for a new id.
    pub id: Option<MessageId>,
    /// The text.
    pub content: String,
    /// Files that go with it.
    pub attachments: Option<Vec<Attachment>>,
}

/// What tells that a message's id stands for another message already.
pub fn already_used() -> Error {
    let message = "Another message was sent under this key. Give each message a key of its own.";
    Error::new(ErrorKind::Conflict, message).coded("already_used")
}

impl Store {
    /// Finds or makes the session, stores the visitor's message, and gives up to `history`
    /// messages from before it; one transaction. Fails ([`already_used`]) where another message has its id.
    pub async fn open_turn(
        &self,
        chatbot: &Chatbot,
        key: &SessionKey,
        said: UserMessage,
        history: u32,
    ) -> Result<OpenTurn> {
        self.open_session(chatbot, key, said, (history, false))
            .await
    }

    /// The same for a message that may be said once: where one of its id is stored already, nothing is, and it fails
    /// as a conflict (`already_confirmed`).
    pub async fn open_turn_once(
        &self,
        chatbot: &Chatbot,
        key: &SessionKey,
        said: UserMessage,
        history: u32,
    ) -> Result<OpenTurn> {
        self.open_session(chatbot, key, said, (history, true)).await
    }

    async fn open_session(
        &self,
        chatbot: &Chatbot,
        key: &SessionKey,
        said: UserMessage,
        (history, once): (u32, bool),
    ) -> Result<OpenTurn> {
        let now = self.clock.now();
        let message = Message {
            id: said.id.unwrap_or_else(MessageId::new),
            session_id: SessionId::new(),
            sender_type: SenderType::User,
            content: said.content,
            attachments: said.attachments,
            metadata: Map::new(),
            model: None,
            provider: None,
            tokens_used: 0,
            feedback: None,
            created_at: now,
        };
        let write = Write::Open {
            teller: Teller::of(chatbot),
            key: key.clone(),
            message,
            history,
            once,
        };
        let opened = self.turns.write(&self.db, write).await?;
        if let Some(message) = &opened.session.last_message {
            self.tell_message(chatbot, opened.session.id, message.id);
        }
        Ok(opened)
    }

    /// Stores the answer and makes it the session's last message, and has the session wait for a person where the
    /// answer calls one; one transaction. Of answers of one id the first is stored.
    pub async fn finish_turn(
        &self,
        chatbot: &Chatbot,
        answer: &Message,
        facts: AnswerFacts,
    ) -> Result<Finished> {
        let counts = chatbot.models.tokens_a_day.is_some() && answer.tokens_used > 0;
        let write = Write::Finish {
            teller: Teller::of(chatbot),
            answer: answer.clone(),
            facts,
            spending: counts.then(|| Spending {
                organization: chatbot.organization_id,
                day: answer.created_at.day_number(),
                tokens: answer.tokens_used,
            }),
        };
        let session = match self.turns.write(&self.db, write).await {
            Ok(written) => written.session,
            Err(error) => return handling::finished(&error).ok_or(error),
        };
        self.tell_message(chatbot, answer.session_id, answer.id);
        if facts.calls_person {
            self.tell_handled(chatbot, &session);
        }
        Ok(Finished::Stored(Box::new(session)))
    }

    fn tell_message(&self, chatbot: &Chatbot, session: SessionId, message: MessageId) {
        let message = Change::Message(chatbot.id, session, message);
        self.events.tell(chatbot.organization_id, message);
        let session = Change::Session(chatbot.id, session);
        self.events.tell(chatbot.organization_id, session);
    }

    /// The message of this id in whichever of the chatbot's sessions.
    pub async fn chatbots_message(
        &self,
        chatbot: &Chatbot,
        id: MessageId,
    ) -> Result<Option<Message>> {
        let sql = select_messages!(
            "WHERE id = $1 AND session_id IN (SELECT id FROM sessions WHERE chatbot_id = $2)"
        );
        let row = self.db.fetch_optional(sql, params![id.0, chatbot.id.0]);
        row.await?.as_ref().map(read_message).transpose()
    }

    /// The chatbot's session of this id.
    pub async fn session(&self, chatbot: &Chatbot, id: SessionId) -> Result<Session> {
        let sql = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE id = $1 AND chatbot_id = $2"
        );
        match self
            .db
            .fetch_optional(sql, params![id.0, chatbot.id.0])
            .await?
        {
            Some(row) => read_session(&row),
            None => Err(Error::not_found("conversation")),
        }
    }

    /// A session's messages, oldest first.
    pub async fn messages(&self, session: &Session, page: PageRequest) -> Result<Page<Message>> {
        let total = "SELECT COUNT(*) AS count FROM messages WHERE session_id = $1";
        let total = self.db.count(total, params![session.id.0]).await?;
        let sql =
            select_messages!("WHERE session_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3");
        let values = params![session.id.0, page.limit(), page.offset()];
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read_message).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }
}

fn read_session(row: &Row) -> Result<Session> {
    let last_message = match row.get::<Option<uuid::Uuid>>("last_message_id")? {
        Some(id) => Some(LastMessage {
            id: MessageId(id),
            content: row.get("last_message_content")?,
            sender_type: row.word("last_message_sender")?,
        }),
        None => None,
    };
    let mut metadata = row.json("metadata")?;
    if let Some(contact) = row.optional_json::<Contact>("contact")? {
        contact.told_in(&mut metadata);
    }
    Ok(Session {
        id: SessionId(row.get("id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        platform: row.get("platform")?,
        visitor: row.get("visitor")?,
        is_human_mode: row.get("is_human_mode")?,
        state: row.word::<SessionState>("state")?,
        assignee: row.get::<Option<uuid::Uuid>>("assignee_id")?.map(PersonId),
        takeovers: row.get("takeovers")?,
        agents_read_at: row.optional_time("agents_read_at")?,
        visitor_read_at: row.optional_time("visitor_read_at")?,
        metadata,
        last_message,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn read_feedback(row: &Row) -> Result<Option<Feedback>> {
    if row.get::<Option<String>>("feedback")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Feedback {
        rating: row.word("feedback")?,
        comment: row.get("feedback_comment")?,
    }))
}

fn read_earlier(row: &Row) -> Result<Earlier> {
    Ok(Earlier {
        sender_type: row.word("sender_type")?,
        content: row.get("content")?,
        attachments: row.optional_json("attachments")?,
    })
}

pub(crate) fn read_message(row: &Row) -> Result<Message> {
    Ok(Message {
        id: MessageId(row.get("id")?),
        session_id: SessionId(row.get("session_id")?),
        sender_type: row.word("sender_type")?,
        content: row.get("content")?,
        attachments: row.optional_json("attachments")?,
        metadata: row.json("metadata")?,
        model: row.get("model")?,
        provider: row.get("provider")?,
        tokens_used: row.get("tokens_used")?,
        feedback: read_feedback(row)?,
        created_at: row.time("created_at")?,
    })
}
