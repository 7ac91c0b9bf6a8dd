//! Looking at knowledge: lists of items, and what one was read as.

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Chunk, Item, ItemKind, ItemStatus, Source};
use okra_domain::{ItemId, Page, PageRequest, SourceId};
use uuid::Uuid;

use super::{read, read_chunk};
use crate::Store;
use crate::blobs;
use crate::db::{Param, Tx, like, params};
use crate::jobs::{self, Job};

/// Which items of a list are wanted; `None` leaves a field out of the question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// How far they have come.
    pub status: Option<ItemStatus>,
    /// What they are made of.
    pub kind: Option<ItemKind>,
    /// Whether they may answer.
    pub enabled: Option<bool>,
    /// The source that keeps them fresh.
    pub source: Option<SourceId>,
    /// Words that the title, file name, address, question or answer holds, in any case.
    pub search: Option<String>,
}

macro_rules! filtered {
    () => {
        "WHERE chatbot_id = $1 AND ($2 IS NULL OR status = $2) AND ($3 IS NULL OR kind = $3) \
         AND ($4 IS NULL OR enabled = ($4 = 1)) AND ($6 IS NULL OR source_id = $6) \
         AND ($5 IS NULL OR LOWER(title) LIKE LOWER($5) ESCAPE '\\' \
         OR LOWER(source ->> 'file_name') LIKE LOWER($5) ESCAPE '\\' \
         OR LOWER(source ->> 'url') LIKE LOWER($5) ESCAPE '\\' \
         OR LOWER(source ->> 'question') LIKE LOWER($5) ESCAPE '\\' \
         OR LOWER(source ->> 'answer') LIKE LOWER($5) ESCAPE '\\')"
    };
}

impl Store {
    /// The chatbot's items that pass `filter`, newest first.
    pub async fn items(
        &self,
        chatbot: &Chatbot,
        filter: &ItemFilter,
        page: PageRequest,
    ) -> Result<Page<Item>> {
        let total = concat!(
            "SELECT COUNT(*) AS count FROM knowledge_items ",
            filtered!()
        );
        let total = self.db.count(total, values(chatbot, filter)).await?;
        let sql = concat!(
            select!(""),
            filtered!(),
            " ORDER BY created_at DESC, id DESC LIMIT $7 OFFSET $8"
        );
        let mut values = values(chatbot, filter);
        values.extend(params![page.limit(), page.offset()]);
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// An item's chunks in order, without their vectors.
    pub async fn chunks(
        &self,
        chatbot: &Chatbot,
        id: ItemId,
        page: PageRequest,
    ) -> Result<Page<Chunk>> {
        let item = self.item(chatbot, id).await?;
        let sql = "SELECT ordinal, headings, page, text, question FROM chunks \
                   WHERE item_id = $1 ORDER BY ordinal LIMIT $2 OFFSET $3";
        let values = params![item.id.0, page.limit(), page.offset()];
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read_chunk).collect::<Result<_>>()?;
        Ok(page.of(entries, item.chunks))
    }

    /// A vector that another item of the chatbot has in `space`; `None` where none has one.
    pub async fn vector_beside(
        &self,
        chatbot: &Chatbot,
        item: ItemId,
        space: &str,
    ) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT c.embedding FROM chunks c JOIN knowledge_items i ON i.id = c.item_id \
                   WHERE i.chatbot_id = $1 AND i.embedding_space = $2 AND i.id <> $3 \
                   AND c.embedding IS NOT NULL LIMIT 1";
        let values = params![chatbot.id.0, space, item.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.map(|row| row.get("embedding")).transpose()
    }

    /// An item's text in Markdown, as it was last read; `None` where it was not kept.
    pub async fn item_text(&self, chatbot: &Chatbot, id: ItemId) -> Result<Option<Bytes>> {
        match self.item(chatbot, id).await?.source {
            Source::Text { content } => return Ok(Some(content.into())),
            Source::Qna { question, answer } => {
                return Ok(Some(format!("**{question}**\n\n{answer}\n").into()));
            }
            Source::Url { .. } | Source::File { .. } => {}
        }
        let sql = "SELECT text_file FROM knowledge_items WHERE id = $1 AND chatbot_id = $2";
        let values = params![id.0, chatbot.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        let file: Option<Uuid> = match row {
            Some(row) => row.get("text_file")?,
            None => None,
        };
        match file {
            Some(file) => {
                let path = blobs::text_path(chatbot.id, id, file);
                self.blobs.read(&path).await
            }
            None => Ok(None),
        }
    }

    /// Asks for the text that an item has to be deleted, once the caller's transaction stands.
    pub(super) async fn drop_text(&self, tx: &mut Tx, job: &Job, id: ItemId) -> Result<()> {
        let sql = "SELECT text_file FROM knowledge_items WHERE id = $1 AND chatbot_id = $2";
        let values = params![id.0, job.chatbot_id.0];
        let row = tx.fetch_optional(sql, values).await?;
        let file: Option<Uuid> = match row {
            Some(row) => row.get("text_file")?,
            None => None,
        };
        if let Some(file) = file {
            let path = blobs::text_path(job.chatbot_id, id, file);
            jobs::delete_blobs(tx, job.into(), &path, self.clock.now()).await?;
        }
        Ok(())
    }
}

/// The values of [`filtered!`].
fn values(chatbot: &Chatbot, filter: &ItemFilter) -> Vec<Param> {
    params![
        chatbot.id.0,
        filter.status.map(|status| status.as_str().to_owned()),
        filter.kind.map(|kind| kind.as_str().to_owned()),
        filter.enabled.map(i64::from),
        filter.search.as_deref().map(like),
        filter.source.map(|source| source.0),
    ]
}
