//! What a visitor's own browser may read and write of a session.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Feedback, Message, Session};
use okra_domain::webhook::{self, EventKind};
use okra_domain::{Error, MessageId};

use super::{read_message, read_session};
use crate::Store;
use crate::db::params;
use crate::events::Change;
use crate::webhooks::Teller;

impl Store {
    /// The session of a visitor on a platform, where there is one.
    pub async fn visitor_session(
        &self,
        chatbot: &Chatbot,
        platform: &str,
        visitor: &str,
    ) -> Result<Option<Session>> {
        let sql = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE chatbot_id = $1 AND platform = $2 AND visitor = $3"
        );
        let values = params![chatbot.id.0, platform, visitor];
        let row = self.db.fetch_optional(sql, values).await?;
        row.as_ref().map(read_session).transpose()
    }

    /// A session's latest `limit` messages before `before` (all of them where `None`), oldest
    /// first, and whether there are more before those.
    pub async fn messages_before(
        &self,
        session: &Session,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<(Vec<Message>, bool)> {
        let rows = match before {
            None => {
                let sql = select_messages!(
                    "WHERE session_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
                );
                let values = params![session.id.0, limit + 1];
                self.db.fetch_all(sql, values).await?
            }
            Some(before) => {
                let sql = select_messages!(
                    "WHERE session_id = $1 AND (created_at, id) < \
                     (SELECT m.created_at, m.id FROM messages m WHERE m.id = $2 AND m.session_id = $1) \
                     ORDER BY created_at DESC, id DESC LIMIT $3"
                );
                let values = params![session.id.0, before.0, limit + 1];
                self.db.fetch_all(sql, values).await?
            }
        };
        let more = rows.len() > limit as usize;
        let latest = rows.iter().take(limit as usize).map(read_message);
        let mut messages = latest.collect::<Result<Vec<_>>>()?;
        messages.reverse();
        Ok((messages, more))
    }

    /// One message of a session.
    pub async fn message(&self, session: &Session, id: MessageId) -> Result<Option<Message>> {
        let sql = select_messages!("WHERE id = $1 AND session_id = $2");
        let values = params![id.0, session.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.as_ref().map(read_message).transpose()
    }

    /// Keeps what the visitor thought of an answer; `None` takes it back.
    pub async fn set_feedback(
        &self,
        chatbot: &Chatbot,
        session: &Session,
        id: MessageId,
        feedback: Option<Feedback>,
    ) -> Result<()> {
        let sql = "UPDATE messages SET feedback = $1, feedback_comment = $2 \
                   WHERE id = $3 AND session_id = $4 AND sender_type <> 'user'";
        let rating = feedback.as_ref().map(|it| it.rating.as_str().to_owned());
        let comment = feedback.as_ref().and_then(|it| it.comment.clone());
        let values = params![rating, comment, id.0, session.id.0];
        let mut tx = self.db.begin().await?;
        if tx.execute(sql, values).await? == 0 {
            return Err(Error::not_found("answer"));
        }
        if let Some(feedback) = &feedback {
            let (kind, at) = (EventKind::FeedbackCreated, self.clock.now());
            let data = || webhook::feedback_data(chatbot.id, session.id, id, feedback);
            Teller::of(chatbot).tell(&mut tx, kind, at, data).await?;
        }
        tx.commit().await?;
        let rated = Change::Message(chatbot.id, session.id, id);
        self.events.tell(chatbot.organization_id, rated);
        Ok(())
    }
}
