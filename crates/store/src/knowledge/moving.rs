//! Knowledge that goes to another server, and that comes from one.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Chunk, Item};
use okra_domain::{Error, ErrorKind, ItemId};
use uuid::Uuid;

use super::{insert, insert_chunks, read_chunk};
use crate::Store;
use crate::chatbots::ArrivingItem;
use crate::db::{Row, Tx, params};

/// How often an item that keeps changing is read anew.
const TRIES: usize = 5;

/// An item with what was read of it, all of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedItem {
    /// The item.
    pub item: Item,
    /// The space that its vectors lie in.
    pub embedding_space: Option<String>,
    /// Names the blob that holds its text.
    pub text_file: Option<Uuid>,
    /// Its chunks with their vectors, in order; none where they were not asked for.
    pub chunks: Vec<Chunk>,
}

/// A Q&A pair, enabled or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Its item.
    pub id: ItemId,
    /// The question.
    pub question: String,
    /// Its answer.
    pub answer: String,
}

impl Store {
    /// Up to `limit` of the chatbot's Q&A pairs after the item `after`, oldest first.
    pub async fn pairs_after(
        &self,
        chatbot: &Chatbot,
        after: Option<ItemId>,
        limit: u32,
    ) -> Result<Vec<Pair>> {
        let sql = "SELECT id, source ->> 'question' AS question, source ->> 'answer' AS answer \
                   FROM knowledge_items WHERE chatbot_id = $1 AND kind = 'qna' AND id > $2 \
                   ORDER BY id LIMIT $3";
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let rows = self
            .db
            .fetch_all(sql, params![chatbot.id.0, after, limit])
            .await?;
        let read = |row: &Row| {
            Ok(Pair {
                id: ItemId(row.get("id")?),
                question: row.get("question")?,
                answer: row.get("answer")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The ids of all items of the chatbot, oldest first.
    pub async fn item_ids(&self, chatbot: &Chatbot) -> Result<Vec<ItemId>> {
        let sql = "SELECT id FROM knowledge_items WHERE chatbot_id = $1 ORDER BY created_at, id";
        let rows = self.db.fetch_all(sql, params![chatbot.id.0]).await?;
        rows.iter().map(|row| row.get("id").map(ItemId)).collect()
    }

    /// An item, enabled or not, with its chunks where they are wanted; `None` where it is gone.
    pub async fn exported_item(
        &self,
        chatbot: &Chatbot,
        id: ItemId,
        chunks: bool,
    ) -> Result<Option<ExportedItem>> {
        for _ in 0..TRIES {
            let Some(mut exported) = self.exported_row(chatbot, id).await? else {
                return Ok(None);
            };
            if !chunks {
                return Ok(Some(exported));
            }
            exported.chunks = self.exported_chunks(id).await?;
            // Two statements may see two readings; one that joined them would repeat a text of a
            // megabyte beside each of its chunks.
            let again = self.exported_row(chatbot, id).await?;
            let same = again.is_some_and(|again| {
                again.item.updated_at == exported.item.updated_at
                    && again.item.status == exported.item.status
            });
            if same {
                return Ok(Some(exported));
            }
        }
        let message = "An item kept changing while it was exported; try again.";
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    async fn exported_row(&self, chatbot: &Chatbot, id: ItemId) -> Result<Option<ExportedItem>> {
        let item = match self.item(chatbot, id).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            item => item?,
        };
        let sql = "SELECT embedding_space, text_file FROM knowledge_items \
                   WHERE id = $1 AND chatbot_id = $2";
        let values = params![id.0, chatbot.id.0];
        let Some(row) = self.db.fetch_optional(sql, values).await? else {
            return Ok(None);
        };
        Ok(Some(ExportedItem {
            item,
            embedding_space: row.get("embedding_space")?,
            text_file: row.get("text_file")?,
            chunks: Vec::new(),
        }))
    }

    async fn exported_chunks(&self, id: ItemId) -> Result<Vec<Chunk>> {
        let sql = "SELECT ordinal, headings, page, text, question, embedding FROM chunks \
                   WHERE item_id = $1 ORDER BY ordinal";
        let rows = self.db.fetch_all(sql, params![id.0]).await?;
        let read = |row: &Row| {
            Ok(Chunk {
                embedding: row.get("embedding")?,
                ..read_chunk(row)?
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Inserts an item that comes with its chunks, in the caller's transaction.
pub(crate) async fn insert_arriving(tx: &mut Tx, arriving: ArrivingItem) -> Result<()> {
    let item = &arriving.item;
    if !insert(tx, item).await? {
        let message = format!("Two items hold the same file, {:?}.", item.title);
        return Err(Error::new(ErrorKind::Unprocessable, message));
    }
    let sql = "UPDATE knowledge_items SET embedding_space = $1, text_file = $2 WHERE id = $3";
    let values = params![arriving.embedding_space, arriving.text_file, item.id.0];
    tx.execute(sql, values).await?;
    insert_chunks(tx, item.id, arriving.chunks).await
}
