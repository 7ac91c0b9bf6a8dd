//! Who answers a session: taking it over, handing it back, and what agents write. Each is one
//! transaction that locks the session's row first, so of two at once the second sees the first.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::{Handling, MAIL_AFTER};
use okra_domain::session::{Attachment, Message, PLAYGROUND, SenderType, Session, SessionState};
use okra_domain::webhook::{self, EventKind};
use okra_domain::{ChatbotId, Error, ErrorKind, MessageId, PersonId, SessionId, Timestamp};
use serde_json::{Map, json};

use super::{already_used, mails, read_message, read_session, write};
use crate::Store;
use crate::db::{Tx, params};
use crate::events::Change;
use crate::jobs;
use crate::webhooks::Teller;

/// What a person writes for the organization.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentMessage {
    /// The message's id, where the caller derives it from a request that may come twice: the second
    /// one stores nothing. `None` for a new id.
    pub id: Option<MessageId>,
    /// The text.
    pub content: String,
    /// Files that go with it.
    pub attachments: Option<Vec<Attachment>>,
    /// Who writes; `None` where a program does.
    pub author: Option<PersonId>,
    /// What the visitor is told that the author is called.
    pub name: Option<String>,
}

/// What became of an [`AgentMessage`].
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSaid {
    /// The stored message.
    pub message: Message,
    /// Whether it was not stored before.
    pub is_new: bool,
    /// The session as it then is.
    pub session: Session,
    /// Whether that took the session from the chatbot.
    pub taken: bool,
}

/// Who has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// An agent, for all of them.
    Agents,
    /// The visitor.
    Visitor,
}

/// What became of a turn's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Finished {
    /// It is stored; the session as it then is.
    Stored(Box<Session>),
    /// It is not, since a person took the session over after the question came.
    HandedOver,
    /// It is not, since an answer of its id is: the same request was answered at another server.
    Answered,
}

impl Finished {
    /// Whether the answer is stored.
    pub fn is_stored(&self) -> bool {
        matches!(self, Self::Stored(_))
    }
}

/// How a session stands, as its visitor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether a person has it, or is waited for.
    pub is_human_mode: bool,
    /// How it stands.
    pub state: SessionState,
    /// What the person is called who has it.
    pub agent: Option<String>,
}

/// The code of the error by which a finished turn learns that nobody hears it any more.
const HANDED_OVER: &str = "handed_over";
/// The code of the error by which it learns that another turn of the same request was first.
const ANSWERED: &str = "answered";

impl Store {
    /// Changes who answers a session: `change` gets who does, with the row locked, and gives who
    /// shall. Gives the session as it then is, and whether that took it from the chatbot.
    ///
    /// # Errors
    /// Those of `change`; an unknown session; an assignee who may not answer for the organization.
    pub async fn handle(
        &self,
        chatbot: &Chatbot,
        id: SessionId,
        change: impl FnOnce(Handling) -> Result<Handling> + Send,
    ) -> Result<(Session, bool)> {
        let mut tx = self.db.begin().await?;
        let before = locked(&mut tx, chatbot, id).await?;
        let next = change(before.handling())?;
        if next == before.handling() {
            return Ok((before, false));
        }
        let teller = Teller::of(chatbot);
        let session = settle(&mut tx, teller, &before, next, self.clock.now()).await?;
        tx.commit().await?;
        self.tell_handled(chatbot, &session);
        Ok((session, next.takes_over(before.handling())))
    }

    /// Stores what an agent writes, and gives the session to whoever wrote it, where nobody has it.
    /// What is stored already is given as it is, and changes nothing.
    ///
    /// # Errors
    /// An unknown session; another message under the same id (409 `already_used`).
    pub async fn say_as_agent(
        &self,
        chatbot: &Chatbot,
        id: SessionId,
        said: AgentMessage,
    ) -> Result<AgentSaid> {
        let mut tx = self.db.begin().await?;
        let before = locked(&mut tx, chatbot, id).await?;
        let message = written(said, id, self.clock.now());
        if let Some(stored) = same(&mut tx, &message, id).await? {
            return Ok(AgentSaid {
                message: stored,
                is_new: false,
                session: before,
                taken: false,
            });
        }
        let before = write::add(&mut tx, chatbot.id, &message).await?;
        let before = before.ok_or_else(|| Error::not_found("conversation"))?;
        let next = before.handling().answered(author_of(&message));
        let teller = Teller::of(chatbot);
        let session = match next == before.handling() {
            true => before.clone(),
            false => settle(&mut tx, teller, &before, next, message.created_at).await?,
        };
        teller.message(&mut tx, &session.platform, &message).await?;
        if mails::is_followed_up(chatbot, &session) {
            let now = message.created_at;
            jobs::mail(&mut tx, chatbot.into(), id, now.after(MAIL_AFTER), now).await?;
        }
        tx.commit().await?;
        let organization = chatbot.organization_id;
        let change = Change::Agent(chatbot.id, id, message.id);
        self.events.tell(organization, change);
        self.tell_handled(chatbot, &session);
        Ok(AgentSaid {
            message,
            is_new: true,
            taken: next.takes_over(before.handling()),
            session,
        })
    }

    /// Notes that a session was read up to a message of its. What is noted already stays.
    pub async fn mark_read(
        &self,
        chatbot: &Chatbot,
        session: &Session,
        message: MessageId,
        by: Reader,
    ) -> Result<()> {
        macro_rules! mark {
            ($column:literal) => {
                concat!(
                    "UPDATE sessions SET ",
                    $column,
                    " = m.created_at FROM messages m WHERE m.id = $1 AND m.session_id = sessions.id \
                     AND sessions.id = $2 AND sessions.chatbot_id = $3 \
                     AND COALESCE(sessions.",
                    $column,
                    ", 0) < m.created_at"
                )
            };
        }
        let sql = match by {
            Reader::Agents => mark!("agents_read_at"),
            Reader::Visitor => mark!("visitor_read_at"),
        };
        let values = params![message.0, session.id.0, chatbot.id.0];
        if self.db.execute(sql, values).await? > 0 {
            let change = Change::Session(chatbot.id, session.id);
            self.events.tell(chatbot.organization_id, change);
        }
        Ok(())
    }

    /// How a session stands now, with the name of the person who has it.
    pub async fn standing(&self, chatbot: &Chatbot, id: SessionId) -> Result<Standing> {
        let sql = "SELECT s.is_human_mode, s.state, p.name FROM sessions s \
                   LEFT JOIN people p ON p.id = s.assignee_id WHERE s.id = $1 AND s.chatbot_id = $2";
        let values = params![id.0, chatbot.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        let row = row.ok_or_else(|| Error::not_found("conversation"))?;
        Ok(Standing {
            is_human_mode: row.get("is_human_mode")?,
            state: row.word("state")?,
            agent: row.get("name")?,
        })
    }

    pub(super) fn tell_handled(&self, chatbot: &Chatbot, session: &Session) {
        let change = Change::Handled(chatbot.id, session.id, session.takeovers);
        self.events.tell(chatbot.organization_id, change);
    }
}

/// The session, whose row nobody else changes until the transaction ends.
async fn locked(tx: &mut Tx, chatbot: &Chatbot, id: SessionId) -> Result<Session> {
    let sql = concat!(
        "UPDATE sessions SET state = state WHERE id = $1 AND chatbot_id = $2 RETURNING ",
        session_columns!()
    );
    let row = tx.fetch_optional(sql, params![id.0, chatbot.id.0]).await?;
    read_session(&row.ok_or_else(|| Error::not_found("conversation"))?)
}

/// Writes who answers, and tells of it; the count goes up where it is taken from the chatbot.
pub(super) async fn settle(
    tx: &mut Tx,
    teller: Teller,
    before: &Session,
    next: Handling,
    now: Timestamp,
) -> Result<Session> {
    if let Some(person) = next.assignee.filter(|it| before.assignee != Some(*it)) {
        let sql = "SELECT COUNT(*) AS count FROM memberships \
                   WHERE organization_id = $1 AND person_id = $2 AND role <> 'viewer'";
        let values = params![teller.organization().0, person.0];
        let row = tx.fetch_optional(sql, values).await?;
        if row.map_or(Ok(0), |row| row.get::<i64>("count"))? == 0 {
            let problem = "must be a person of this organization with the role agent or higher";
            return Err(Error::invalid_field("assignee_id", problem));
        }
    }
    let sql = concat!(
        "UPDATE sessions SET is_human_mode = $1, state = $2, assignee_id = $3, takeovers = $4 \
         WHERE id = $5 RETURNING ",
        session_columns!()
    );
    let took = i64::from(next.takes_over(before.handling()));
    let values = params![
        next.is_human_mode,
        next.state.as_str(),
        next.assignee.map(|person| person.0),
        before.takeovers + took,
        before.id.0,
    ];
    let row = tx.fetch_optional(sql, values).await?;
    let session = read_session(&row.ok_or_else(|| Error::not_found("conversation"))?)?;
    let resolved = SessionState::Resolved;
    for (kind, happened) in [
        (EventKind::ConversationTakenOver, took == 1),
        (
            EventKind::ConversationResolved,
            next.state == resolved && before.state != resolved,
        ),
    ] {
        if happened && session.platform != PLAYGROUND {
            let data = || webhook::session_data(&session);
            teller.tell(tx, kind, now, data).await?;
        }
    }
    Ok(session)
}

fn written(said: AgentMessage, session_id: SessionId, now: Timestamp) -> Message {
    let agent = json!({"id": said.author, "name": said.name});
    Message {
        id: said.id.unwrap_or_else(MessageId::new),
        session_id,
        sender_type: SenderType::Agent,
        content: said.content,
        attachments: said.attachments,
        metadata: Map::from_iter([("agent".to_owned(), agent)]),
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: now,
    }
}

fn author_of(message: &Message) -> Option<PersonId> {
    let id = message.metadata.get("agent")?.get("id")?;
    id.as_str()?.parse().ok()
}

/// The message of this id in a session, where it is stored and says the same.
pub(super) async fn same(
    tx: &mut Tx,
    message: &Message,
    session: SessionId,
) -> Result<Option<Message>> {
    let sql = select_messages!("WHERE id = $1 AND session_id = $2");
    let values = params![message.id.0, session.0];
    let Some(row) = tx.fetch_optional(sql, values).await? else {
        return Ok(None);
    };
    let stored = read_message(&row)?;
    if stored.content == message.content && stored.sender_type == message.sender_type {
        return Ok(Some(stored));
    }
    Err(already_used())
}

/// Why a finished turn found no row at its count: a person took the session over, or it is gone.
pub(super) async fn why_untouched(tx: &mut Tx, chatbot: ChatbotId, id: SessionId) -> Result<Error> {
    let sql = "SELECT takeovers FROM sessions WHERE id = $1 AND chatbot_id = $2";
    Ok(
        match tx.fetch_optional(sql, params![id.0, chatbot.0]).await? {
            Some(_) => {
                let message = "A person took the conversation over before the answer was stored.";
                Error::new(ErrorKind::Conflict, message).coded(HANDED_OVER)
            }
            None => Error::not_found("conversation"),
        },
    )
}

/// Why a finished turn's answer has a place no more: there is one, of the same request at another server.
pub(super) fn answered() -> Error {
    let message = "The question was answered already.";
    Error::new(ErrorKind::Conflict, message).coded(ANSWERED)
}

/// What these errors mean for a finished turn; `None` for others.
pub(super) fn finished(error: &Error) -> Option<Finished> {
    match error.code {
        Some(HANDED_OVER) => Some(Finished::HandedOver),
        Some(ANSWERED) => Some(Finished::Answered),
        _ => None,
    }
}
