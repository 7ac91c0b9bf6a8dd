//! What was asked of gaps, and how often.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::gap::{AskedGap, Gap, GapQuestion, GapReply, GapState};
use okra_domain::{MessageId, Page, PageRequest, SessionId, Timestamp};
use uuid::Uuid;

use super::read;
use crate::Store;
use crate::db::{Param, Row, params};

/// How many gaps there are that something was asked of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GapCounts {
    /// Those that nobody has seen to.
    pub open: i64,
    /// Those that find an answer now.
    pub resolved: i64,
    /// Those that need none.
    pub dismissed: i64,
}

/// Questions since then whose answer is wanting still.
macro_rules! asked {
    () => {
        "FROM gaps g JOIN gap_questions a ON a.gap_id = g.id JOIN messages m ON m.id = a.answer_id \
         WHERE g.chatbot_id = $1 AND a.asked_at >= $2 \
         AND (m.outcome = 'unanswered' OR m.feedback = 'down') "
    };
}

macro_rules! counted {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            gap_columns!("g."),
            ", COUNT(*) AS questions, \
             SUM(CASE WHEN m.outcome = 'unanswered' THEN 1 ELSE 0 END) AS unanswered, \
             SUM(CASE WHEN m.feedback = 'down' THEN 1 ELSE 0 END) AS disliked, \
             MIN(a.asked_at) AS first_asked_at, MAX(a.asked_at) AS last_asked_at ",
            asked!(),
            $rest
        )
    };
}

impl Store {
    /// The chatbot's gaps in this state that something was asked of since then, the one asked most first; and how many
    /// there are in each.
    pub async fn gaps(
        &self,
        chatbot: &Chatbot,
        state: GapState,
        since: Timestamp,
        page: PageRequest,
    ) -> Result<(Page<AskedGap>, GapCounts)> {
        let counts = self.gap_counts(chatbot, since).await?;
        let sql = counted!(
            "AND g.state = $3 GROUP BY g.id \
             ORDER BY questions DESC, last_asked_at DESC, g.number LIMIT $4 OFFSET $5"
        );
        let mut values = asked_since(chatbot, since);
        values.extend(params![state.as_str(), page.limit(), page.offset()]);
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read_asked).collect::<Result<_>>()?;
        let total = match state {
            GapState::Open => counts.open,
            GapState::Resolved => counts.resolved,
            GapState::Dismissed => counts.dismissed,
        };
        Ok((page.of(entries, total), counts))
    }

    async fn gap_counts(&self, chatbot: &Chatbot, since: Timestamp) -> Result<GapCounts> {
        let sql = concat!(
            "SELECT g.state, COUNT(DISTINCT g.id) AS count ",
            asked!(),
            "GROUP BY g.state"
        );
        let rows = self.db.fetch_all(sql, asked_since(chatbot, since)).await?;
        let mut counts = GapCounts::default();
        for row in rows {
            let count = row.get("count")?;
            match row.word("state")? {
                GapState::Open => counts.open = count,
                GapState::Resolved => counts.resolved = count,
                GapState::Dismissed => counts.dismissed = count,
            }
        }
        Ok(counts)
    }

    /// A gap with all that was ever asked of it; `None` where nothing counts any more.
    pub async fn asked_gap(&self, chatbot: &Chatbot, gap: &Gap) -> Result<Option<AskedGap>> {
        let sql = counted!("AND g.id = $3 GROUP BY g.id");
        let mut values = asked_since(chatbot, Timestamp(i64::MIN));
        values.extend(params![gap.id.0]);
        let row = self.db.fetch_optional(sql, values).await?;
        row.as_ref().map(read_asked).transpose()
    }

    /// The `limit` latest questions of a gap, the latest first.
    pub async fn gap_questions(
        &self,
        chatbot: &Chatbot,
        gap: &Gap,
        limit: u32,
    ) -> Result<Vec<GapQuestion>> {
        let sql = "SELECT asked.*, r.id AS reply_id, SUBSTR(r.content, 1, 2000) AS reply FROM \
             (SELECT q.id, q.session_id, q.created_at, SUBSTR(q.content, 1, 2000) AS question, \
             SUBSTR(m.metadata ->> 'looked_up', 1, 2000) AS looked_up, m.feedback_comment, \
             m.outcome = 'unanswered' AS unanswered, m.feedback = 'down' AS disliked, \
             (SELECT p.id FROM messages p WHERE p.session_id = q.session_id \
             AND p.sender_type = 'agent' AND p.created_at > q.created_at \
             ORDER BY p.created_at, p.id LIMIT 1) AS person \
             FROM gaps g JOIN gap_questions a ON a.gap_id = g.id \
             JOIN messages m ON m.id = a.answer_id JOIN messages q ON q.id = a.question_id \
             WHERE g.chatbot_id = $1 AND g.id = $2 \
             AND (m.outcome = 'unanswered' OR m.feedback = 'down') \
             ORDER BY q.created_at DESC, q.id DESC LIMIT $3) asked \
             LEFT JOIN messages r ON r.id = asked.person ORDER BY asked.created_at DESC, asked.id DESC";
        let values = params![chatbot.id.0, gap.id.0, limit];
        let rows = self.db.fetch_all(sql, values).await?;
        rows.iter().map(read_question).collect()
    }
}

/// The values of [`asked!`].
fn asked_since(chatbot: &Chatbot, since: Timestamp) -> Vec<Param> {
    params![chatbot.id.0, since]
}

fn read_asked(row: &Row) -> Result<AskedGap> {
    Ok(AskedGap {
        gap: read(row)?,
        questions: row.get("questions")?,
        unanswered: row.get("unanswered")?,
        disliked: row.get("disliked")?,
        first_asked_at: row.time("first_asked_at")?,
        last_asked_at: row.time("last_asked_at")?,
    })
}

fn read_question(row: &Row) -> Result<GapQuestion> {
    let reply = match row.get::<Option<Uuid>>("reply_id")? {
        Some(id) => Some(GapReply {
            message_id: MessageId(id),
            content: row.get("reply")?,
        }),
        None => None,
    };
    // Comparing with NULL gives NULL.
    let is_true = |column| {
        row.get::<Option<bool>>(column)
            .map(Option::unwrap_or_default)
    };
    Ok(GapQuestion {
        message_id: MessageId(row.get("id")?),
        session_id: SessionId(row.get("session_id")?),
        question: row.get("question")?,
        looked_up: row.get("looked_up")?,
        asked_at: row.time("created_at")?,
        unanswered: is_true("unanswered")?,
        disliked: is_true("disliked")?,
        comment: row.get("feedback_comment")?,
        reply,
    })
}
