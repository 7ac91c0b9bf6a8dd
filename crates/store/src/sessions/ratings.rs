//! What visitors thought of whole conversations: one rating a session, the latest.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Session, SessionRating};
use okra_domain::webhook::{self, EventKind};
use okra_domain::{Error, ErrorKind};

use crate::Store;
use crate::db::{Row, params};
use crate::events::Change;
use crate::webhooks::Teller;

impl Store {
    /// Keeps what the visitor thought of a settled session, in place of what they thought of it before.
    ///
    /// # Errors
    /// Where the session goes on (409 `not_ended`).
    pub async fn rate_session(
        &self,
        chatbot: &Chatbot,
        session: &Session,
        score: i64,
        comment: Option<String>,
    ) -> Result<SessionRating> {
        let rating = SessionRating {
            score,
            comment,
            rated_at: self.clock.now(),
        };
        let sql = "INSERT INTO session_ratings (session_id, chatbot_id, score, comment, rated_at) \
                   SELECT id, chatbot_id, $1, $2, $3 FROM sessions \
                   WHERE id = $4 AND chatbot_id = $5 AND state = 'resolved' \
                   ON CONFLICT (session_id) DO UPDATE SET score = excluded.score, \
                   comment = excluded.comment, rated_at = excluded.rated_at";
        let values = params![
            rating.score,
            rating.comment.clone(),
            rating.rated_at,
            session.id.0,
            chatbot.id.0,
        ];
        let mut tx = self.db.begin().await?;
        if tx.execute(sql, values).await? == 0 {
            let message = "A conversation can be rated once it was ended.";
            return Err(Error::new(ErrorKind::Conflict, message).coded("not_ended"));
        }
        let (kind, at) = (EventKind::ConversationRated, rating.rated_at);
        let data = || webhook::rating_data(session, &rating);
        Teller::of(chatbot).tell(&mut tx, kind, at, data).await?;
        tx.commit().await?;
        let rated = Change::Session(chatbot.id, session.id);
        self.events.tell(chatbot.organization_id, rated);
        Ok(rating)
    }

    /// What the visitor thought of a session; `None` where they did not say.
    pub async fn session_rating(
        &self,
        chatbot: &Chatbot,
        session: &Session,
    ) -> Result<Option<SessionRating>> {
        let sql = "SELECT score, comment, rated_at FROM session_ratings \
                   WHERE session_id = $1 AND chatbot_id = $2";
        let values = params![session.id.0, chatbot.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        let read = |row: &Row| {
            Ok(SessionRating {
                score: row.get("score")?,
                comment: row.get("comment")?,
                rated_at: row.time("rated_at")?,
            })
        };
        row.as_ref().map(read).transpose()
    }
}
