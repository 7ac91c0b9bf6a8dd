//! Turns that nobody will finish, since the process that answered them is no more.
//!
//! A turn under way leaves no trace but its question: a row for each, to be deleted again at its end, would cost every
//! turn two writes for the sake of the few that a kill meets. So they are looked for where they can be: among the
//! conversations that were spoken in last, and that end with a question to the chatbot. Of two questions that were
//! being answered at once in one conversation, one that stands before another's answer is missed.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::session::{AnswerFacts, Message, Outcome, PLAYGROUND, SenderType};
use okra_domain::{ChatbotId, MessageId, OrganizationId, SessionId, Timestamp};
use serde_json::{Map, Value, json};

use super::write;
use crate::Store;
use crate::db::{Row, Tx, params};
use crate::events::Change;

/// What the metadata of an answer that was never finished says of its end.
pub const INTERRUPTED: &str = "interrupted";

/// Why there is no answer, for whoever reads the conversation.
const REASON: &str = "The server stopped before this was answered.";
/// Questions in a row that are looked at.
const IN_A_ROW: u32 = 50;

/// A conversation that ends with what its visitor wrote.
struct Open {
    organization: OrganizationId,
    chatbot: ChatbotId,
    session: SessionId,
    last: MessageId,
    is_playground: bool,
}

impl Store {
    /// Ends the turns of before `before` that were left behind, each with an answer without words whose metadata says
    /// `ended` [`INTERRUPTED`]. Those are looked for that began within `reach` before something was last said. Gives
    /// how many there were.
    ///
    /// To be called where nobody goes on with them: a turn that still runs would then have two answers.
    pub async fn end_interrupted_turns(&self, before: Timestamp, reach: Duration) -> Result<usize> {
        let latest = "SELECT MAX(latest) AS latest FROM (SELECT (SELECT MAX(s.updated_at) FROM sessions s \
                      WHERE s.chatbot_id = b.id AND s.updated_at < $1) AS latest FROM chatbots b) spoken";
        let latest = self.db.fetch_optional(latest, params![before]).await?;
        let latest = latest.map(|row| row.optional_time("latest")).transpose()?;
        let Some(latest) = latest.flatten() else {
            return Ok(0);
        };
        let sql = "SELECT b.organization_id, s.chatbot_id, s.id, s.platform, s.last_message_id \
                   FROM chatbots b JOIN sessions s ON s.chatbot_id = b.id \
                   WHERE s.updated_at >= $1 AND s.updated_at < $2 \
                   AND s.last_message_sender = 'user' AND NOT s.is_human_mode";
        let values = params![latest.before(reach), before];
        let mut ended = 0;
        for row in &self.db.fetch_all(sql, values).await? {
            ended += self.end_turns_of(&read_open(row)?, before).await?;
        }
        Ok(ended)
    }

    async fn end_turns_of(&self, open: &Open, before: Timestamp) -> Result<usize> {
        let mut tx = self.db.begin().await?;
        // Whoever asked again meanwhile has a turn that runs.
        let locked = "UPDATE sessions SET state = state WHERE id = $1 AND last_message_id = $2 \
                      AND updated_at < $3 AND NOT is_human_mode RETURNING id";
        let values = params![open.session.0, open.last.0, before];
        if tx.fetch_optional(locked, values).await?.is_none() {
            return Ok(0);
        }
        let answers = answers(&mut tx, open).await?;
        let Some((last, _)) = answers.last() else {
            return Ok(0);
        };
        // It says what was, not that something was said now: the conversation keeps its place in lists.
        let sql = "UPDATE sessions SET last_message_id = $1, last_message_content = '', \
                   last_message_sender = 'bot' WHERE id = $2";
        tx.execute(sql, params![last.id.0, open.session.0]).await?;
        let rows = answers
            .iter()
            .map(|(answer, facts)| write::row(answer, open.session, (Some(open.chatbot), *facts)));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        write::INSERT.fetch(&mut tx, rows).await?;
        tx.commit().await?;
        for (answer, _) in &answers {
            let message = Change::Message(open.chatbot, open.session, answer.id);
            self.events.tell(open.organization, message);
        }
        let session = Change::Session(open.chatbot, open.session);
        self.events.tell(open.organization, session);
        Ok(answers.len())
    }
}

/// What takes the place of the answers to the questions at a conversation's end, each right behind its question. None
/// where its last message was written to a person.
async fn answers(tx: &mut Tx, open: &Open) -> Result<Vec<(Message, AnswerFacts)>> {
    let sql = "SELECT id, sender_type, question_id, created_at FROM messages WHERE session_id = $1 \
               ORDER BY created_at DESC, id DESC LIMIT $2";
    let rows = tx.fetch_all(sql, params![open.session.0, IN_A_ROW]).await?;
    let mut answers = Vec::new();
    for row in &rows {
        let id = MessageId(row.get("id")?);
        let asked = row.get::<Option<uuid::Uuid>>("question_id")?.map(MessageId);
        if row.word::<SenderType>("sender_type")? != SenderType::User || asked != Some(id) {
            break;
        }
        answers.push(answer(open, id, row.time("created_at")?));
    }
    answers.reverse();
    Ok(answers)
}

fn answer(open: &Open, question: MessageId, asked_at: Timestamp) -> (Message, AnswerFacts) {
    let outcome = (!open.is_playground).then_some(Outcome::Failed);
    let metadata = json!({
        "answered_by": null, "model_used": false, "ended": INTERRUPTED, "outcome": Outcome::Failed,
        "sources": [], "error": REASON,
    });
    let metadata = match metadata {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let message = Message {
        id: MessageId::new(),
        session_id: open.session,
        sender_type: SenderType::Bot,
        content: String::new(),
        attachments: None,
        metadata,
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: asked_at.after(Duration::from_micros(1)),
    };
    let facts = AnswerFacts {
        outcome,
        question: Some(question),
        ..AnswerFacts::default()
    };
    (message, facts)
}

fn read_open(row: &Row) -> Result<Open> {
    Ok(Open {
        organization: OrganizationId(row.get("organization_id")?),
        chatbot: ChatbotId(row.get("chatbot_id")?),
        session: SessionId(row.get("id")?),
        last: MessageId(row.get("last_message_id")?),
        is_playground: row.get::<String>("platform")? == PLAYGROUND,
    })
}
