//! What people wrote and a visitor has not seen, and how far of it went out by e-mail.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Message, Session, WEB};
use okra_domain::{SessionId, Timestamp};
use serde_json::json;

use super::read_message;
use crate::Store;
use crate::db::{params, to_json};
use crate::events::Change;
use crate::jobs::{self, Job};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a message's metadata says that it went out by e-mail, or did not: `{"state": "sent", "to": …, "at": …}`, or
/// `failed`.
pub const MAIL: &str = "mail";

/// What people wrote in a session that its visitor has not seen, and that did not go out.
#[derive(Debug, Clone, PartialEq)]
pub struct Unseen {
    /// The latest messages, oldest first; as many as asked for at most.
    pub messages: Vec<Message>,
    /// Whether there are earlier ones.
    pub has_earlier: bool,
    /// When the session may be sent the next letter.
    pub free_at: Timestamp,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailed<'a> {
    /// The address that it was for.
    pub to: &'a str,
    /// Whether the mail server took it; else it was given up.
    pub is_sent: bool,
}

impl Store {
    /// The `limit` latest messages that people wrote in a session since its visitor read or wrote there, and since the
    /// last letter. Of letters a session is sent `a_day` at most within any 24 hours.
    pub async fn unseen_replies(
        &self,
        chatbot: &Chatbot,
        id: SessionId,
        limit: u32,
        a_day: u32,
    ) -> Result<Unseen> {
        // What was written at the moment of the visitor's own message may have come after it.
        let sql = select_messages!(
            "WHERE session_id = $1 AND sender_type = 'agent' AND created_at > COALESCE((SELECT \
             visitor_read_at FROM sessions WHERE id = $1 AND chatbot_id = $2), 0) \
             AND created_at > COALESCE((SELECT MAX(mailed_until) FROM session_mails \
             WHERE session_id = $1), 0) AND created_at >= COALESCE((SELECT MAX(created_at) \
             FROM messages WHERE session_id = $1 AND sender_type = 'user'), 0) \
             ORDER BY created_at DESC, id DESC LIMIT $3"
        );
        let most = i64::from(limit);
        let values = params![id.0, chatbot.id.0, most + 1];
        let rows = self.db.fetch_all(sql, values).await?;
        let latest = rows.iter().map(read_message).take(limit as usize);
        let mut messages = latest.collect::<Result<Vec<_>>>()?;
        messages.reverse();
        let sql = "SELECT sent_at FROM session_mails WHERE session_id = $1 \
                   ORDER BY sent_at DESC LIMIT 1 OFFSET $2";
        let values = params![id.0, i64::from(a_day) - 1];
        let full_since = self.db.fetch_optional(sql, values).await?;
        let full_since = full_since.map(|row| row.time("sent_at")).transpose()?;
        Ok(Unseen {
            has_earlier: rows.len() > messages.len(),
            messages,
            free_at: full_since.map_or(Timestamp(0), |at| at.after(DAY)),
        })
    }

    /// Notes at its messages what became of a letter, and ends the job. A letter that was taken is noted also where the
    /// job is no longer ours: what went out went out.
    pub async fn note_mailed(
        &self,
        job: &Job,
        chatbot: &Chatbot,
        messages: &[Message],
        mailed: Mailed<'_>,
    ) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if let Some(last) = messages.last().filter(|_| mailed.is_sent) {
            let sql = "INSERT INTO session_mails (session_id, sent_at, mailed_until) \
                       VALUES ($1, $2, $3) ON CONFLICT (session_id, sent_at) \
                       DO UPDATE SET mailed_until = excluded.mailed_until";
            let values = params![last.session_id.0, now, last.created_at];
            tx.execute(sql, values).await?;
        }
        let state = if mailed.is_sent { "sent" } else { "failed" };
        let note = json!({"state": state, "to": mailed.to, "at": now});
        for message in messages {
            let mut metadata = message.metadata.clone();
            metadata.insert(MAIL.to_owned(), note.clone());
            let sql = "UPDATE messages SET metadata = $1 WHERE id = $2 AND session_id = $3";
            let values = params![to_json(&metadata)?, message.id.0, message.session_id.0];
            tx.execute(sql, values).await?;
        }
        jobs::end_mail(&mut tx, job, now).await?;
        tx.commit().await?;
        for message in messages {
            let change = Change::Message(chatbot.id, message.session_id, message.id);
            self.events.tell(chatbot.organization_id, change);
        }
        Ok(())
    }

    /// Ends a job that has nothing to send, unless it was asked for again since it was begun.
    pub async fn end_mail(&self, job: &Job) -> Result<()> {
        let mut tx = self.db.begin().await?;
        jobs::end_mail(&mut tx, job, self.clock.now()).await?;
        tx.commit().await
    }
}

/// Whether what people write in this session is sent by e-mail where it is not seen. Other platforms tell their
/// visitors themselves, and nothing here knows what those have seen.
pub(super) fn is_followed_up(chatbot: &Chatbot, session: &Session) -> bool {
    chatbot.settings.is_email_follow_up_enabled
        && session.platform == WEB
        && session.email().is_some()
}
