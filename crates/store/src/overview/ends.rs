//! How conversations end, and what visitors think of that.

use okra_domain::error::Result;
use okra_domain::session::Rating;
use okra_domain::{ChatbotId, OrganizationId};

use crate::Store;
use crate::db::params;

/// How conversations stand. What is neither the chatbot's nor a person's to have resolved is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conversations {
    /// All of them.
    pub begun: i64,
    /// Those that no person was asked for or took over, and that are settled, or whose last question was answered
    /// from knowledge and that answer not rated down.
    pub by_chatbot: i64,
    /// Those that a person was asked for or took over, and that are settled.
    pub by_person: i64,
    /// Those that a person was asked for or took over.
    pub handed_over: i64,
}

/// How visitors rated whole conversations: how often each score from 1 to 5 was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ratings(pub [i64; 5]);

impl Ratings {
    /// How many there are.
    pub fn count(self) -> i64 {
        self.0.iter().sum()
    }

    /// The share of 4 and 5 among them; `None` without one.
    pub fn satisfied(self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| (self.0[3] + self.0[4]) as f64 / count as f64)
    }

    /// Their mean; `None` without one.
    pub fn mean(self) -> Option<f64> {
        let count = self.count();
        let sum: i64 = (1..).zip(self.0).map(|(score, times)| score * times).sum();
        (count > 0).then(|| sum as f64 / count as f64)
    }
}

/// How visitors rated single answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thumbs {
    /// Helpful.
    pub up: i64,
    /// Not helpful.
    pub down: i64,
}

impl Store {
    /// Since `from`, a time in microseconds.
    pub(super) async fn ends(
        &self,
        organization: OrganizationId,
        chatbot: Option<ChatbotId>,
        from: i64,
    ) -> Result<(Conversations, Ratings, Thumbs)> {
        let values = || params![organization.0, chatbot.map(|id| id.0), from];
        // What was last said in is indexed, and never was before it began.
        let conversations = "SELECT COUNT(*) AS begun, COALESCE(SUM(CASE WHEN takeovers = 0 \
            AND (state = 'resolved' OR last = 'answered') THEN 1 ELSE 0 END), 0) AS by_chatbot, \
            COALESCE(SUM(CASE WHEN takeovers > 0 AND state = 'resolved' THEN 1 ELSE 0 END), 0) \
            AS by_person, COALESCE(SUM(CASE WHEN takeovers > 0 THEN 1 ELSE 0 END), 0) \
            AS handed_over FROM (SELECT s.takeovers, s.state, \
            (SELECT CASE WHEN m.feedback = 'down' THEN 'disliked' ELSE m.outcome END \
            FROM messages m WHERE m.session_id = s.id AND m.outcome IS NOT NULL \
            ORDER BY m.created_at DESC, m.id DESC LIMIT 1) AS last \
            FROM chatbots b JOIN sessions s ON s.chatbot_id = b.id WHERE b.organization_id = $1 \
            AND ($2 IS NULL OR b.id = $2) AND s.updated_at >= $3 AND s.created_at >= $3 \
            AND s.platform <> 'playground') begun";
        let ratings = "SELECT r.score, COUNT(*) AS count FROM chatbots b \
            JOIN session_ratings r ON r.chatbot_id = b.id WHERE b.organization_id = $1 \
            AND ($2 IS NULL OR b.id = $2) AND r.rated_at >= $3 GROUP BY r.score";
        let thumbs = "SELECT m.feedback, COUNT(*) AS count FROM chatbots b \
            JOIN messages m ON m.chatbot_id = b.id WHERE b.organization_id = $1 \
            AND ($2 IS NULL OR b.id = $2) AND m.created_at >= $3 AND m.feedback IS NOT NULL \
            GROUP BY m.feedback";
        let (conversations, rated, thumbed) = tokio::try_join!(
            self.db.fetch_optional(conversations, values()),
            self.db.fetch_all(ratings, values()),
            self.db.fetch_all(thumbs, values()),
        )?;
        let conversations = match conversations {
            Some(row) => Conversations {
                begun: row.get("begun")?,
                by_chatbot: row.get("by_chatbot")?,
                by_person: row.get("by_person")?,
                handed_over: row.get("handed_over")?,
            },
            None => Conversations::default(),
        };
        let mut ratings = Ratings::default();
        for row in rated {
            let place = usize::try_from(row.get::<i64>("score")? - 1);
            if let Some(times) = place.ok().and_then(|place| ratings.0.get_mut(place)) {
                *times = row.get("count")?;
            }
        }
        let mut thumbs = Thumbs::default();
        for row in thumbed {
            match row.word("feedback")? {
                Rating::Up => thumbs.up = row.get("count")?,
                Rating::Down => thumbs.down = row.get("count")?,
            }
        }
        Ok((conversations, ratings, thumbs))
    }
}
