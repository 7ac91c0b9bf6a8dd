//! Sessions and messages. A turn is two transactions: [`Store::open_turn`] stores what the visitor
//! said and gives the history, [`Store::finish_turn`] stores the answer. Nothing is written per
//! token.

macro_rules! session_columns {
    () => {
        "id, chatbot_id, platform, visitor, is_human_mode, state, metadata, last_message_id, \
         last_message_content, last_message_sender, created_at, updated_at"
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

/// Makes a message its session's last; gives a row of the session's `$columns`.
macro_rules! touch {
    ($tx:expr, $chatbot:expr, $message:expr, $columns:expr) => {{
        let message: &Message = $message;
        let values = params![
            message.id.0,
            message.content.as_str(),
            message.sender_type.as_str(),
            message.created_at,
            message.session_id.0,
            $chatbot.0,
        ];
        let sql = concat!(
            "UPDATE sessions SET last_message_id = $1, last_message_content = $2, \
             last_message_sender = $3, updated_at = $4 WHERE id = $5 AND chatbot_id = $6 RETURNING ",
            $columns
        );
        let touched = $tx.fetch_optional(sql, values).await?;
        touched.ok_or_else(|| Error::not_found("conversation"))?
    }};
}

mod listing;
mod queue;
mod visitors;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{
    AnswerFacts, Attachment, Feedback, LastMessage, Message, PLAYGROUND, SenderType, Session,
    SessionState,
};
use okra_domain::{ChatbotId, Error, MessageId, Page, PageRequest, SessionId};
use serde_json::{Map, Value, json};

pub use listing::SessionFilter;
pub(crate) use queue::Queue;

use crate::Store;
use crate::attachments;
use crate::budgets::{self, Spending};
use crate::db::{Row, Tx, params, to_json};
use crate::events::Change;
use crate::webhooks::{News, Teller};

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

impl Store {
    /// Finds or makes the session, stores the visitor's message, and gives up to `history`
    /// messages from before it; one transaction.
    pub async fn open_turn(
        &self,
        chatbot: &Chatbot,
        key: &SessionKey,
        said: UserMessage,
        history: u32,
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
        };
        let opened = self.turns.write(&self.db, write).await?;
        let opened =
            opened.ok_or_else(|| Error::internal("cannot open a turn", "no session came of it"))?;
        if let Some(message) = &opened.session.last_message {
            self.tell_message(chatbot, opened.session.id, message.id);
        }
        Ok(opened)
    }

    /// Stores the answer and makes it the session's last message; one transaction.
    pub async fn finish_turn(
        &self,
        chatbot: &Chatbot,
        answer: &Message,
        facts: AnswerFacts,
    ) -> Result<()> {
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
        self.turns.write(&self.db, write).await?;
        self.tell_message(chatbot, answer.session_id, answer.id);
        Ok(())
    }

    fn tell_message(&self, chatbot: &Chatbot, session: SessionId, message: MessageId) {
        let message = Change::Message(chatbot.id, session, message);
        self.events.tell(chatbot.organization_id, message);
        let session = Change::Session(chatbot.id, session);
        self.events.tell(chatbot.organization_id, session);
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

/// What a turn writes, kept whole so that it can be tried again.
enum Write {
    /// See [`Store::open_turn`]. The message's session is the one to make where there is none.
    Open {
        teller: Teller,
        key: SessionKey,
        message: Message,
        history: u32,
    },
    /// See [`Store::finish_turn`].
    Finish {
        teller: Teller,
        answer: Message,
        facts: AnswerFacts,
        /// What is counted of it, where there is an end to what may be used.
        spending: Option<Spending>,
    },
}

impl Write {
    /// Writes in `tx`; gives the turn where it opened one.
    async fn apply(&self, tx: &mut Tx) -> Result<Option<OpenTurn>> {
        match self {
            Self::Open {
                teller,
                key,
                message,
                history,
            } => {
                let turn = open(tx, teller, key, message.clone(), *history).await?;
                Ok(Some(turn))
            }
            Self::Finish {
                teller,
                answer,
                facts,
                spending,
            } => {
                if let Some(spending) = spending {
                    budgets::spend(tx, *spending).await?;
                }
                let row = touch!(tx, teller.chatbot(), answer, "platform");
                let platform: String = row.get("platform")?;
                let of_visitor = platform != PLAYGROUND;
                let counted = Counted {
                    chatbot: teller.chatbot(),
                    // Tokens of builders' trials are spent all the same; their questions are no
                    // visitor's.
                    facts: if of_visitor {
                        *facts
                    } else {
                        AnswerFacts::default()
                    },
                };
                if insert(tx, answer, Some(counted)).await? {
                    teller.message(tx, &platform, answer).await?;
                }
                Ok(None)
            }
        }
    }
}

async fn open(
    tx: &mut Tx,
    teller: &Teller,
    key: &SessionKey,
    mut message: Message,
    history: u32,
) -> Result<OpenTurn> {
    let chatbot = teller.chatbot();
    let new = message.session_id;
    let mut lead = false;
    let session = match key {
        SessionKey::Visitor {
            platform,
            token,
            profile,
        } => {
            let visitor = (platform.as_str(), token.as_deref());
            lead = teller.is_lead(tx, visitor, profile.as_ref()).await?;
            upsert(tx, chatbot, (platform, token), profile, &message).await?
        }
        SessionKey::Id(id) => {
            message.session_id = *id;
            read_session(&touch!(tx, chatbot, &message, session_columns!()))?
        }
    };
    message.session_id = session.id;
    let mut earlier = Vec::new();
    if session.id != new {
        let sql = "SELECT sender_type, content, attachments FROM messages \
                   WHERE session_id = $1 AND id <> $2 ORDER BY created_at DESC, id DESC LIMIT $3";
        let values = params![session.id.0, message.id.0, history];
        let rows = tx.fetch_all(sql, values).await?;
        earlier = rows.iter().map(read_earlier).collect::<Result<Vec<_>>>()?;
        earlier.reverse();
    }
    if insert(tx, &message, None).await? {
        let began = session.id == new;
        teller
            .asked(tx, &session, &message, News { began, lead })
            .await?;
    }
    let attached = message.attachments.iter().flatten();
    for file in attached.filter_map(|attachment| attachment.file.as_deref()) {
        attachments::keep(tx, chatbot, file).await?;
    }
    Ok(OpenTurn {
        session,
        history: earlier,
    })
}

/// The visitor's session with `message` as its last, made where there is none.
async fn upsert(
    tx: &mut Tx,
    chatbot: ChatbotId,
    (platform, token): (&String, &Option<String>),
    profile: &Option<Map<String, Value>>,
    message: &Message,
) -> Result<Session> {
    let sql = concat!(
        "INSERT INTO sessions (",
        session_columns!(),
        ") VALUES ($1, $2, $3, $4, FALSE, 'in_progress', $5, $6, $7, $8, $9, $9) \
         ON CONFLICT (chatbot_id, platform, visitor) DO UPDATE SET \
         last_message_id = excluded.last_message_id, \
         last_message_content = excluded.last_message_content, \
         last_message_sender = excluded.last_message_sender, \
         updated_at = excluded.updated_at, \
         metadata = CASE WHEN $10 THEN excluded.metadata ELSE sessions.metadata END RETURNING ",
        session_columns!()
    );
    let metadata = match profile {
        Some(profile) => Value::Object(profile.clone()),
        None => json!({"anonymous": true}),
    };
    let values = params![
        message.session_id.0,
        chatbot.0,
        platform.as_str(),
        token.clone(),
        metadata,
        message.id.0,
        message.content.as_str(),
        message.sender_type.as_str(),
        message.created_at,
        profile.is_some(),
    ];
    match tx.fetch_optional(sql, values).await? {
        Some(row) => read_session(&row),
        None => Err(Error::not_found("chatbot")),
    }
}

/// What is counted of an answer, and for which chatbot.
#[derive(Clone, Copy)]
struct Counted {
    chatbot: ChatbotId,
    facts: AnswerFacts,
}

/// Inserts a message; `false` where it is there already.
async fn insert(tx: &mut Tx, message: &Message, counted: Option<Counted>) -> Result<bool> {
    let sql = "INSERT INTO messages (id, session_id, sender_type, content, attachments, \
               metadata, model, provider, tokens_used, created_at, chatbot_id, outcome, \
               took_micros, question_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
               ON CONFLICT (id) DO NOTHING";
    let attachments = message.attachments.as_deref();
    let attachments = attachments.map(attachments::stored);
    let facts = counted.map(|counted| counted.facts).unwrap_or_default();
    let took = facts.took.map(|took| took.as_micros());
    let values = params![
        message.id.0,
        message.session_id.0,
        message.sender_type.as_str(),
        message.content.as_str(),
        attachments,
        to_json(&message.metadata)?,
        message.model.clone(),
        message.provider.clone(),
        message.tokens_used,
        message.created_at,
        counted.map(|counted| counted.chatbot.0),
        facts.outcome.map(|outcome| outcome.as_str().to_owned()),
        took.map(|micros| i64::try_from(micros).unwrap_or(i64::MAX)),
        facts.question.map(|question| question.0),
    ];
    Ok(tx.execute(sql, values).await? == 1)
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
    Ok(Session {
        id: SessionId(row.get("id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        platform: row.get("platform")?,
        visitor: row.get("visitor")?,
        is_human_mode: row.get("is_human_mode")?,
        state: row.word::<SessionState>("state")?,
        metadata: row.json("metadata")?,
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
