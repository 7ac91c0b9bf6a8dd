//! Gaps: which questions went without an answer, and which of them are alike.
//!
//! What is alike is for the engine to say. Here lie the questions that nobody has looked at yet, and the gaps that were
//! made of the others. Whether a question still counts is read from its answer each time, so that a rating which was
//! taken back leaves nothing behind.

/// The columns of a gap, each after this.
macro_rules! gap_columns {
    ($table:literal) => {
        concat!(
            $table,
            "id, ",
            $table,
            "chatbot_id, ",
            $table,
            "number, ",
            $table,
            "question, ",
            $table,
            "state, ",
            $table,
            "item_id, ",
            $table,
            "settled_at, ",
            $table,
            "created_at"
        )
    };
}

mod asked;

pub use asked::GapCounts;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::gap::{Gap, GapState};
use okra_domain::knowledge::Item;
use okra_domain::{ChatbotId, Error, GapId, ItemId, MessageId, Timestamp};

use crate::Store;
use crate::db::{Many, Row, Tx, params};
use crate::knowledge::{insert, lock_chatbot};
use crate::{events, jobs};

/// A vector with the space that it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapVector {
    /// The space's name.
    pub space: String,
    /// The vector, as an index keeps them.
    pub bytes: Vec<u8>,
}

/// A gap by its first question, which others are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The gap.
    pub id: GapId,
    /// Its number.
    pub number: i64,
    /// The question.
    pub question: String,
    /// The question's vector, where it has one.
    pub vector: Option<GapVector>,
}

/// A question that is in no gap yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ungathered {
    /// The visitor's message.
    pub message_id: MessageId,
    /// Its answer.
    pub answer_id: MessageId,
    /// Its words, 2,000 characters at most.
    pub question: String,
    /// What was looked up in place of its words.
    pub looked_up: Option<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
}

impl Ungathered {
    /// The question as it can be understood by itself.
    pub fn standing(&self) -> &str {
        self.looked_up.as_deref().unwrap_or(&self.question)
    }
}

/// A gap to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGap {
    /// Its id.
    pub id: GapId,
    /// Its first question.
    pub question: String,
    /// That question's vector.
    pub vector: Option<GapVector>,
    /// When it was asked.
    pub asked_at: Timestamp,
}

/// Where questions that were in no gap belong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Gaps that come up with them, in the order of their numbers.
    pub new: Vec<NewGap>,
    /// The questions, each with its gap.
    pub placed: Vec<(Ungathered, GapId)>,
    /// Vectors of gaps that had none of this space.
    pub vectors: Vec<(GapId, GapVector)>,
}

static PLACE: Many = Many::new(
    "INSERT INTO gap_questions (question_id, gap_id, answer_id, asked_at) VALUES ",
    "(?, ?, ?, ?)",
    ", ",
    " ON CONFLICT (question_id) DO NOTHING",
);

impl Store {
    /// Up to `limit` of the chatbot's questions since then that got no answer, or one that was rated down, and are in
    /// no gap; oldest first.
    pub async fn ungathered(
        &self,
        chatbot: &Chatbot,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Ungathered>> {
        // Each half reads an index of its own.
        let sql = "SELECT q.id, m.id AS answer_id, q.created_at, \
                   SUBSTR(q.content, 1, 2000) AS question, \
                   SUBSTR(m.metadata ->> 'looked_up', 1, 2000) AS looked_up FROM \
                   (SELECT id FROM messages WHERE chatbot_id = $1 AND created_at >= $2 \
                   AND outcome = 'unanswered' UNION SELECT id FROM messages \
                   WHERE chatbot_id = $1 AND created_at >= $2 AND feedback = 'down') wanting \
                   JOIN messages m ON m.id = wanting.id JOIN messages q ON q.id = m.question_id \
                   WHERE TRIM(q.content) <> '' AND NOT EXISTS \
                   (SELECT 1 FROM gap_questions a WHERE a.question_id = q.id) \
                   ORDER BY q.created_at, q.id LIMIT $3";
        let values = params![chatbot.id.0, since, limit];
        let rows = self.db.fetch_all(sql, values).await?;
        let read = |row: &Row| {
            Ok(Ungathered {
                message_id: MessageId(row.get("id")?),
                answer_id: MessageId(row.get("answer_id")?),
                question: row.get("question")?,
                looked_up: row.get("looked_up")?,
                asked_at: row.time("created_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The chatbot's `limit` newest gaps, the newest first.
    pub async fn gap_leaders(&self, chatbot: &Chatbot, limit: u32) -> Result<Vec<Leader>> {
        let sql = "SELECT id, number, question, space, vector FROM gaps WHERE chatbot_id = $1 \
                   ORDER BY number DESC LIMIT $2";
        let rows = self.db.fetch_all(sql, params![chatbot.id.0, limit]);
        let read = |row: &Row| {
            let vector: (Option<String>, Option<Vec<u8>>) = (row.get("space")?, row.get("vector")?);
            Ok(Leader {
                id: GapId(row.get("id")?),
                number: row.get("number")?,
                question: row.get("question")?,
                vector: match vector {
                    (Some(space), Some(bytes)) => Some(GapVector { space, bytes }),
                    _ => None,
                },
            })
        };
        rows.await?.iter().map(read).collect()
    }

    /// Puts questions into gaps, whose newest had the number `newest` when they were compared (0: there were none).
    /// `false` where others came up since: nothing is written, and they are to be compared anew.
    ///
    /// A resolved gap that one of its questions was asked in after that is open again.
    pub async fn gather(&self, chatbot: &Chatbot, newest: i64, gathered: Gathered) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let sql = "SELECT COALESCE(MAX(number), 0) AS newest FROM gaps WHERE chatbot_id = $1";
        let row = tx.fetch_optional(sql, params![chatbot.id.0]).await?;
        if row.map_or(Ok(0), |row| row.get::<i64>("newest"))? != newest {
            return Ok(false);
        }
        for (gap, number) in gathered.new.into_iter().zip(newest + 1..) {
            let (space, bytes) = gap.vector.map(|it| (it.space, it.bytes)).unzip();
            let sql = "INSERT INTO gaps \
                       (id, chatbot_id, number, question, space, vector, state, created_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)";
            let (id, asked_at) = (gap.id.0, gap.asked_at);
            let values = params![
                id,
                chatbot.id.0,
                number,
                gap.question,
                space,
                bytes,
                asked_at
            ];
            tx.execute(sql, values).await?;
        }
        for (gap, vector) in gathered.vectors {
            let sql = "UPDATE gaps SET space = $1, vector = $2 WHERE id = $3 AND chatbot_id = $4";
            let values = params![vector.space, vector.bytes, gap.0, chatbot.id.0];
            tx.execute(sql, values).await?;
        }
        let row = |(asked, gap): (Ungathered, GapId)| {
            params![asked.message_id.0, gap.0, asked.answer_id.0, asked.asked_at]
        };
        let rows = gathered.placed.into_iter().map(row).collect();
        PLACE.fetch(&mut tx, rows).await?;
        let sql = "UPDATE gaps SET state = 'open', settled_at = NULL \
                   WHERE chatbot_id = $1 AND state = 'resolved' AND EXISTS \
                   (SELECT 1 FROM gap_questions a WHERE a.gap_id = gaps.id \
                   AND a.asked_at > gaps.settled_at)";
        tx.execute(sql, params![chatbot.id.0]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The chatbot's gap of this id.
    pub async fn gap(&self, chatbot: &Chatbot, id: GapId) -> Result<Gap> {
        let sql = concat!(
            "SELECT ",
            gap_columns!(""),
            " FROM gaps WHERE id = $1 AND chatbot_id = $2"
        );
        let values = params![id.0, chatbot.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        read(&row.ok_or_else(no_such_gap)?)
    }

    /// Says how a gap stands.
    pub async fn settle_gap(&self, chatbot: &Chatbot, id: GapId, state: GapState) -> Result<Gap> {
        let settled_at = (state != GapState::Open).then(|| self.clock.now());
        let sql = concat!(
            "UPDATE gaps SET state = $1, settled_at = $2 \
             WHERE id = $3 AND chatbot_id = $4 RETURNING ",
            gap_columns!("")
        );
        let values = params![state.as_str(), settled_at, id.0, chatbot.id.0];
        let mut tx = self.db.begin().await?;
        let row = tx.fetch_optional(sql, values).await?;
        let gap = read(&row.ok_or_else(no_such_gap)?)?;
        tx.commit().await?;
        Ok(gap)
    }

    /// Adds the pair that answers a gap to the chatbot's knowledge, in one transaction with the gap's note of it.
    pub async fn answer_gap(&self, chatbot: &Chatbot, id: GapId, pair: &Item) -> Result<Gap> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let gap = link(&mut tx, chatbot.id, id, pair.id).await?;
        insert(&mut tx, pair).await?;
        jobs::ingest(&mut tx, chatbot, pair.id, self.clock.now()).await?;
        tx.commit().await?;
        let change = events::Change::Item(chatbot.id, pair.id);
        self.events.tell(chatbot.organization_id, change);
        Ok(gap)
    }

    /// Notes that a pair which is there already answers a gap.
    pub async fn link_gap(&self, chatbot: &Chatbot, id: GapId, pair: ItemId) -> Result<Gap> {
        let mut tx = self.db.begin().await?;
        let gap = link(&mut tx, chatbot.id, id, pair).await?;
        tx.commit().await?;
        Ok(gap)
    }
}

async fn link(tx: &mut Tx, chatbot: ChatbotId, id: GapId, pair: ItemId) -> Result<Gap> {
    let sql = concat!(
        "UPDATE gaps SET item_id = $1 WHERE id = $2 AND chatbot_id = $3 RETURNING ",
        gap_columns!("")
    );
    let values = params![pair.0, id.0, chatbot.0];
    let row = tx.fetch_optional(sql, values).await?;
    read(&row.ok_or_else(no_such_gap)?)
}

fn no_such_gap() -> Error {
    Error::not_found("gap")
}

fn read(row: &Row) -> Result<Gap> {
    Ok(Gap {
        id: GapId(row.get("id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        number: row.get("number")?,
        question: row.get("question")?,
        state: row.word("state")?,
        item: row.get::<Option<uuid::Uuid>>("item_id")?.map(ItemId),
        settled_at: row.optional_time("settled_at")?,
        created_at: row.time("created_at")?,
    })
}
