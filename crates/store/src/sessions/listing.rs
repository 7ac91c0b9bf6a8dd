//! Looking for conversations, and going through all of them.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Message, Session, SessionState};
use okra_domain::{MessageId, Page, PageRequest, SessionId, Timestamp};
use uuid::Uuid;

use super::{read_message, read_session};
use crate::Store;
use crate::db::{Param, like, params};

/// Which sessions are wanted; `None` leaves a field out of the question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// The visitor's platform.
    pub platform: Option<String>,
    /// How they stand.
    pub state: Option<SessionState>,
    /// Something was said in them then or later.
    pub from: Option<Timestamp>,
    /// The last that was said in them was said before.
    pub to: Option<Timestamp>,
    /// Words that a message, or the visitor's token, name or e-mail address holds, in any case.
    pub search: Option<String>,
}

macro_rules! filtered {
    () => {
        "WHERE chatbot_id = $1 AND ($2 IS NULL OR platform = $2) AND ($3 IS NULL OR state = $3) \
         AND updated_at >= $4 AND updated_at < $5 AND ($6 IS NULL \
         OR LOWER(visitor) LIKE LOWER($6) ESCAPE '\\' \
         OR LOWER(metadata ->> 'name') LIKE LOWER($6) ESCAPE '\\' \
         OR LOWER(metadata ->> 'email') LIKE LOWER($6) ESCAPE '\\' \
         OR EXISTS (SELECT 1 FROM messages m WHERE m.session_id = sessions.id \
         AND LOWER(m.content) LIKE LOWER($6) ESCAPE '\\'))"
    };
}

impl Store {
    /// The chatbot's sessions that pass `filter`, the one last spoken in first.
    pub async fn sessions(
        &self,
        chatbot: &Chatbot,
        filter: &SessionFilter,
        page: PageRequest,
    ) -> Result<Page<Session>> {
        let total = concat!("SELECT COUNT(*) AS count FROM sessions ", filtered!());
        let total = self.db.count(total, values(chatbot, filter)).await?;
        let sql = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions ",
            filtered!(),
            " ORDER BY updated_at DESC, id DESC LIMIT $7 OFFSET $8"
        );
        let mut values = values(chatbot, filter);
        values.extend(params![page.limit(), page.offset()]);
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read_session).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// Up to `limit` of the chatbot's sessions that pass `filter` and begun after session `after`,
    /// oldest first. Going on from the last one finds each session once, whatever is said meanwhile.
    pub async fn sessions_after(
        &self,
        chatbot: &Chatbot,
        filter: &SessionFilter,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>> {
        let sql = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions ",
            filtered!(),
            " AND id > $7 ORDER BY id LIMIT $8"
        );
        let mut values = values(chatbot, filter);
        values.extend(params![after.map_or(Uuid::nil(), |id| id.0), limit]);
        let rows = self.db.fetch_all(sql, values).await?;
        rows.iter().map(read_session).collect()
    }

    /// Up to `limit` of a session's messages after message `after`, oldest first.
    pub async fn messages_after(
        &self,
        session: &Session,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>> {
        let rows = match after {
            None => {
                let sql =
                    select_messages!("WHERE session_id = $1 ORDER BY created_at, id LIMIT $2");
                let values = params![session.id.0, limit];
                self.db.fetch_all(sql, values).await?
            }
            Some(after) => {
                let sql = select_messages!(
                    "WHERE session_id = $1 AND (created_at, id) > \
                     (SELECT m.created_at, m.id FROM messages m WHERE m.id = $2 AND m.session_id = $1) \
                     ORDER BY created_at, id LIMIT $3"
                );
                let values = params![session.id.0, after.0, limit];
                self.db.fetch_all(sql, values).await?
            }
        };
        rows.iter().map(read_message).collect()
    }
}

/// The values of [`filtered!`].
fn values(chatbot: &Chatbot, filter: &SessionFilter) -> Vec<Param> {
    params![
        chatbot.id.0,
        filter.platform.clone(),
        filter.state.map(|state| state.as_str().to_owned()),
        filter.from.map_or(i64::MIN, |from| from.0),
        filter.to.map_or(i64::MAX, |to| to.0),
        filter.search.as_deref().map(like),
    ]
}
