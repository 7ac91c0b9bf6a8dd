//! How an organization's chatbots do: questions by day and by chatbot, and those that the knowledge
//! could not answer.
//!
//! A question is a turn whose outcome is known (see [`Outcome`]); those of the playground have none
//! and never count. The facts lie beside the answers in one index, so counting reads that alone.
//!
//! [`Outcome`]: okra_domain::session::Outcome

use okra_domain::error::Result;
use okra_domain::{ChatbotId, MessageId, OrganizationId, SessionId, Timestamp};

use crate::Store;
use crate::db::{Row, params};

mod ends;

pub use ends::{Conversations, Ratings, Thumbs};

/// Unanswered questions told of at most.
const UNANSWERED: i64 = 50;
/// Chatbots told of at most.
const CHATBOTS: i64 = 200;
const MICROS_A_DAY: i64 = 24 * 60 * 60 * 1_000_000;
const MICROS_A_MINUTE: i64 = 60 * 1_000_000;

/// Which part of an organization's time is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// How many days, today included.
    pub days: u32,
    /// Minutes by which the days' own time is ahead of UTC.
    pub offset_minutes: i32,
    /// One chatbot alone, which is the organization's.
    pub chatbot: Option<ChatbotId>,
}

/// How many questions, and how they were served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub questions: i64,
    /// Those answered from a passage that was likely enough.
    pub answered: i64,
    /// Those the knowledge held nothing for.
    pub unanswered: i64,
    /// Those without a whole answer, because something failed.
    pub failed: i64,
    /// From question to whole answer, in microseconds: half took less. `None` without one.
    pub median_micros: Option<i64>,
}

/// A question that the knowledge held nothing for, however often it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredQuestion {
    /// Its words, 2,000 characters at most, as they were last written.
    pub question: String,
    /// How often it was asked, letters' case aside.
    pub count: i64,
    /// When it was last asked.
    pub last_asked_at: Timestamp,
    /// The chatbot that was asked.
    pub chatbot_id: ChatbotId,
    /// The conversation it was last asked in.
    pub session_id: SessionId,
    /// The visitor's message there.
    pub message_id: MessageId,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Each day of the period by its first moment as if its time were UTC, oldest first.
    pub days: Vec<(Timestamp, Counts)>,
    /// The whole period.
    pub totals: Counts,
    /// The chatbots that were asked, the one asked most first.
    pub by_chatbot: Vec<(ChatbotId, String, Counts)>,
    /// What was asked in vain, the most frequent first.
    pub unanswered: Vec<UnansweredQuestion>,
    /// How the conversations stand that began in the period.
    pub conversations: Conversations,
    /// How visitors rated whole conversations in it.
    pub ratings: Ratings,
    /// How they rated single answers that were given in it.
    pub thumbs: Thumbs,
}

/// Counts by `$key`, an expression over messages `m`. The median is the mean of the one or two
/// values in the middle, which are found by numbering them.
macro_rules! counts {
    ($key:literal, $columns:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            "COUNT(*) AS questions, \
             SUM(CASE WHEN outcome = 'answered' THEN 1 ELSE 0 END) AS answered, \
             SUM(CASE WHEN outcome = 'unanswered' THEN 1 ELSE 0 END) AS unanswered, \
             SUM(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS failed, \
             CAST(AVG(CASE WHEN place IN ((timed + 1) / 2, (timed + 2) / 2) THEN took_micros END) \
             AS BIGINT) AS median_micros FROM (SELECT part, outcome, took_micros, \
             COUNT(took_micros) OVER (PARTITION BY part) AS timed, \
             CASE WHEN took_micros IS NOT NULL THEN ROW_NUMBER() OVER \
             (PARTITION BY part, took_micros IS NULL ORDER BY took_micros) END AS place \
             FROM (SELECT ",
            $key,
            " AS part, m.outcome, m.took_micros FROM chatbots b \
             JOIN messages m ON m.chatbot_id = b.id WHERE b.organization_id = $1 \
             AND ($2 IS NULL OR b.id = $2) AND m.created_at >= $3 AND m.outcome IS NOT NULL) \
             counted) placed ",
            $rest
        )
    };
}

impl Store {
    /// How the organization's chatbots do.
    pub async fn overview(&self, organization: OrganizationId, period: Period) -> Result<Overview> {
        let offset = i64::from(period.offset_minutes) * MICROS_A_MINUTE;
        let today = (self.clock.now().0 + offset).div_euclid(MICROS_A_DAY);
        let first = today + 1 - i64::from(period.days.max(1));
        let from = first * MICROS_A_DAY - offset;
        let values = || params![organization.0, period.chatbot.map(|id| id.0), from];

        let by_day = counts!(
            "(m.created_at + $4) / 86400000000",
            "part AS day, ",
            "GROUP BY part ORDER BY part"
        );
        let totals = counts!("1", "", "GROUP BY part");
        let by_chatbot = counts!(
            "m.chatbot_id",
            "part AS id, (SELECT name FROM chatbots WHERE id = part) AS name, ",
            "GROUP BY part ORDER BY questions DESC, part LIMIT $4"
        );
        let with = |more: i64| {
            let mut values = values();
            values.extend(params![more]);
            values
        };
        // Side by side: each sorts every question of the period once.
        let (by_day, totals, by_chatbot, unanswered, ends) = tokio::try_join!(
            self.db.fetch_all(by_day, with(offset)),
            self.db.fetch_optional(totals, values()),
            self.db.fetch_all(by_chatbot, with(CHATBOTS)),
            self.unanswered(organization, period, from),
            self.ends(organization, period.chatbot, from),
        )?;
        let (conversations, ratings, thumbs) = ends;
        let mut days: Vec<(Timestamp, Counts)> = (first..=today)
            .map(|day| (Timestamp(day * MICROS_A_DAY), Counts::default()))
            .collect();
        for row in &by_day {
            let day: i64 = row.get("day")?;
            // A clock that was set back may have left answers in the future.
            let place = usize::try_from(day - first).unwrap_or(usize::MAX);
            if let Some((_, counts)) = days.get_mut(place) {
                *counts = read_counts(row)?;
            }
        }
        let totals = totals.as_ref().map(read_counts).transpose()?;
        Ok(Overview {
            days,
            totals: totals.unwrap_or_default(),
            by_chatbot: by_chatbot.iter().map(read_chatbot).collect::<Result<_>>()?,
            unanswered,
            conversations,
            ratings,
            thumbs,
        })
    }

    async fn unanswered(
        &self,
        organization: OrganizationId,
        period: Period,
        from: i64,
    ) -> Result<Vec<UnansweredQuestion>> {
        let sql = "SELECT question, count, asked_at, chatbot_id, session_id, message_id FROM \
                   (SELECT SUBSTR(q.content, 1, 2000) AS question, q.created_at AS asked_at, \
                   m.chatbot_id, q.session_id, q.id AS message_id, \
                   COUNT(*) OVER (PARTITION BY m.chatbot_id, LOWER(TRIM(q.content))) AS count, \
                   ROW_NUMBER() OVER (PARTITION BY m.chatbot_id, LOWER(TRIM(q.content)) \
                   ORDER BY q.created_at DESC, q.id DESC) AS place \
                   FROM chatbots b JOIN messages m ON m.chatbot_id = b.id \
                   JOIN messages q ON q.id = m.question_id WHERE b.organization_id = $1 \
                   AND ($2 IS NULL OR b.id = $2) AND m.created_at >= $3 \
                   AND m.outcome = 'unanswered') asked \
                   WHERE place = 1 ORDER BY count DESC, asked_at DESC, message_id LIMIT $4";
        let chatbot = period.chatbot.map(|id| id.0);
        let values = params![organization.0, chatbot, from, UNANSWERED];
        let rows = self.db.fetch_all(sql, values).await?;
        rows.iter().map(read_unanswered).collect()
    }
}

fn read_counts(row: &Row) -> Result<Counts> {
    Ok(Counts {
        questions: row.get("questions")?,
        answered: row.get("answered")?,
        unanswered: row.get("unanswered")?,
        failed: row.get("failed")?,
        median_micros: row.get("median_micros")?,
    })
}

fn read_chatbot(row: &Row) -> Result<(ChatbotId, String, Counts)> {
    let id = ChatbotId(row.get("id")?);
    Ok((id, row.get("name")?, read_counts(row)?))
}

fn read_unanswered(row: &Row) -> Result<UnansweredQuestion> {
    Ok(UnansweredQuestion {
        question: row.get("question")?,
        count: row.get("count")?,
        last_asked_at: row.time("asked_at")?,
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        session_id: SessionId(row.get("session_id")?),
        message_id: MessageId(row.get("message_id")?),
    })
}
