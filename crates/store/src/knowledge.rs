//! Knowledge items and their chunks.
//!
//! Every change to what can be found raises the chatbot's `knowledge_version` in the same
//! transaction and notes it against the item in `knowledge_changes`; an index at an older version
//! asks for the items that changed since. A chatbot's row is always locked before its items', so
//! that two transactions cannot wait for each other.

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, chatbot_id, title, status, error, enabled, source, size_bytes, chunks, \
             characters, created_at, updated_at, synced_at, source_id FROM knowledge_items ",
            $rest
        )
    };
}

mod moving;
mod reading;

use std::sync::LazyLock;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Chunk, FoundChunk, Item, ItemStatus, Source};
use okra_domain::webhook::{self, EventKind};
use okra_domain::{ChatbotId, Error, ItemId, OrganizationId, SourceId, Timestamp};
use uuid::Uuid;

pub(crate) use moving::insert_arriving;
pub use moving::{ExportedItem, Pair};
pub use reading::ItemFilter;

use crate::Store;
use crate::blobs;
use crate::crash::{self, Point};
use crate::db::{Param, Row, Tx, params, to_json};
use crate::events::Change;
use crate::jobs::{self, Job, Owner};
use crate::webhooks::Teller;

/// What became of an item that was to be added.
#[derive(Debug, Clone, PartialEq)]
pub enum Added {
    /// It is new, and waits to be read.
    New(Item),
    /// This chatbot already holds a file with the same bytes: that item.
    Known(Item),
}

/// What reading an item made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// A better title, where the content has one and the caller gave none.
    pub title: Option<String>,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Characters of text read.
    pub characters: i64,
    /// Size of the content, in bytes.
    pub size_bytes: i64,
    /// The space that the chunks' vectors lie in.
    pub embedding_space: String,
    /// Names the blob that holds its text, see [`blobs::text_path`]; `None` where its source is
    /// the text.
    pub text_file: Option<Uuid>,
}

/// One searchable item as an index takes it; without chunks it is to be forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedItem {
    /// The item.
    pub item_id: ItemId,
    /// Its title.
    pub title: String,
    /// The space that its vectors lie in.
    pub embedding_space: Option<String>,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
}

/// What changed since a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The version that loading these items leads to.
    pub version: i64,
    /// The items that changed, deleted ones included.
    pub items: Vec<ItemId>,
}

/// Rows of one INSERT of chunks.
const INSERT_ROWS: usize = 16;
/// Passages of one SELECT.
const FIND_ROWS: usize = 10;

static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert_sql(INSERT_ROWS));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert_sql(1));
static FIND: LazyLock<String> = LazyLock::new(|| {
    let pair = |n| {
        format!(
            "(c.item_id = ${} AND c.ordinal = ${})",
            2 * n + 2,
            2 * n + 3
        )
    };
    let pairs: Vec<String> = (0..FIND_ROWS).map(pair).collect();
    format!(
        "SELECT c.item_id, c.ordinal, c.headings, c.page, c.text, c.question, i.title, i.source \
         FROM chunks c JOIN knowledge_items i ON i.id = c.item_id \
         WHERE i.chatbot_id = $1 AND i.enabled AND ({})",
        pairs.join(" OR ")
    )
});

impl Store {
    /// Adds items, each with the job that reads it, all or none. A file whose bytes this chatbot
    /// already holds is recognised; where that one had failed, it is read again.
    pub async fn add_items(&self, chatbot: &Chatbot, items: Vec<Item>) -> Result<Vec<Added>> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let mut added = Vec::with_capacity(items.len());
        for item in items {
            if insert(&mut tx, &item).await? {
                jobs::ingest(&mut tx, chatbot, item.id, now).await?;
                added.push(Added::New(item));
                continue;
            }
            let sql = select!("WHERE chatbot_id = $1 AND sha256 = $2");
            let values = params![chatbot.id.0, sha256(&item.source)];
            let row = tx.fetch_optional(sql, values).await?;
            let row = row.ok_or_else(|| Error::not_found("knowledge item"))?;
            let mut known = read(&row)?;
            if known.status == ItemStatus::Failed {
                known.status = ItemStatus::Pending;
                known.error = None;
                known.updated_at = now;
                write(&mut tx, &known).await?;
                jobs::ingest(&mut tx, chatbot, known.id, now).await?;
            }
            added.push(Added::Known(known));
        }
        tx.commit().await?;
        for added in &added {
            let (Added::New(item) | Added::Known(item)) = added;
            self.tell_item(chatbot.organization_id, chatbot.id, item.id);
        }
        Ok(added)
    }

    /// The chatbot's item of this id.
    pub async fn item(&self, chatbot: &Chatbot, id: ItemId) -> Result<Item> {
        let sql = select!("WHERE id = $1 AND chatbot_id = $2");
        match self
            .db
            .fetch_optional(sql, params![id.0, chatbot.id.0])
            .await?
        {
            Some(row) => read(&row),
            None => Err(Error::not_found("knowledge item")),
        }
    }

    /// Changes an item: `change` gets it as it is, locked, and gives it as it shall be, and
    /// whether its content must be read anew. Until that is done the old version answers.
    pub async fn update_item(
        &self,
        chatbot: &Chatbot,
        id: ItemId,
        change: impl FnOnce(&Item) -> Result<(Item, bool)> + Send,
    ) -> Result<Item> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let current = select_item(&mut tx, chatbot, id).await?;
        let (mut next, reread) = change(&current)?;
        if reread {
            next.status = ItemStatus::Pending;
            next.error = None;
            jobs::ingest(&mut tx, chatbot, next.id, now).await?;
        }
        write(&mut tx, &next).await?;
        if next.enabled != current.enabled || next.title != current.title {
            note_change(&mut tx, chatbot.id, id).await?;
        }
        tx.commit().await?;
        self.tell_item(chatbot.organization_id, chatbot.id, id);
        Ok(next)
    }

    /// Deletes an item: it answers nobody from now on. Its blob follows in a job.
    pub async fn delete_item(&self, chatbot: &Chatbot, id: ItemId) -> Result<Item> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let item = select_item(&mut tx, chatbot, id).await?;
        let sql = "UPDATE source_pages SET state = 'removed', pending = FALSE WHERE item_id = $1";
        tx.execute(sql, params![id.0]).await?;
        remove(&mut tx, chatbot.into(), &item, now).await?;
        tx.commit().await?;
        self.tell_item(chatbot.organization_id, chatbot.id, id);
        Ok(item)
    }

    /// Marks an item as being read; `None` where it was deleted meanwhile.
    pub async fn begin_ingest(&self, chatbot: &Chatbot, id: ItemId) -> Result<Option<Item>> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, chatbot.id).await?;
        let sql = "UPDATE knowledge_items SET status = 'processing', updated_at = $1 \
                   WHERE id = $2 AND chatbot_id = $3";
        if tx.execute(sql, params![now, id.0, chatbot.id.0]).await? == 0 {
            return Ok(None);
        }
        let item = select_item(&mut tx, chatbot, id).await?;
        tx.commit().await?;
        self.tell_item(chatbot.organization_id, chatbot.id, id);
        Ok(Some(item))
    }

    /// Swaps an item's chunks and ends its job, in one transaction. `false` where the job's lease
    /// was lost (the item was changed or deleted, or another worker has it): nothing is written.
    pub async fn finish_ingest(&self, job: &Job, id: ItemId, done: Ingested) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, job.chatbot_id).await?;
        if !jobs::finish(&mut tx, job).await? {
            return Ok(false);
        }
        self.swap(&mut tx, job, id, done).await?;
        crash::pass(Point::IngestOpen);
        tx.commit().await?;
        crash::pass(Point::IngestDone);
        self.tell_item(job.organization_id, job.chatbot_id, id);
        Ok(true)
    }

    /// Swaps an item's chunks, in the caller's transaction, which has locked the chatbot.
    pub(crate) async fn swap(
        &self,
        tx: &mut Tx,
        job: &Job,
        id: ItemId,
        done: Ingested,
    ) -> Result<()> {
        let now = self.clock.now();
        let sql = "DELETE FROM chunks WHERE item_id = $1";
        tx.execute(sql, params![id.0]).await?;
        self.drop_text(tx, job, id).await?;
        let count = i64::try_from(done.chunks.len()).unwrap_or(i64::MAX);
        let space = done.embedding_space.clone();
        insert_chunks(tx, id, done.chunks).await?;
        let sql = "UPDATE knowledge_items SET title = COALESCE($1, title), status = 'ready', \
                   error = NULL, chunks = $2, characters = $3, size_bytes = $4, \
                   embedding_space = $5, text_file = $6, updated_at = $7, synced_at = $7 \
                   WHERE id = $8 AND chatbot_id = $9";
        let values = params![
            done.title,
            count,
            done.characters,
            done.size_bytes,
            done.embedding_space,
            done.text_file,
            now,
            id.0,
            job.chatbot_id.0,
        ];
        tx.execute(sql, values).await?;
        // Another embedder may have taken over while these vectors were made.
        let sql = "SELECT COUNT(*) AS count FROM chatbots WHERE id = $1 AND serving_space <> $2";
        let row = tx
            .fetch_optional(sql, params![job.chatbot_id.0, space])
            .await?;
        if row.map(|row| row.get::<i64>("count")).transpose()? == Some(1) {
            jobs::embed(tx, job.into(), now).await?;
        }
        note_change(tx, job.chatbot_id, id).await?;
        tell_endpoints(tx, job, id, (EventKind::KnowledgeReady, now)).await
    }

    /// Marks an item as failed, with the reason for the person who added it, and ends its job.
    /// What an earlier reading found keeps answering. `false` where the job's lease was lost.
    pub async fn fail_ingest(&self, job: &Job, id: ItemId, reason: &str) -> Result<bool> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        lock_chatbot(&mut tx, job.chatbot_id).await?;
        if !jobs::finish(&mut tx, job).await? {
            return Ok(false);
        }
        let sql = "UPDATE knowledge_items SET status = 'failed', error = $1, updated_at = $2 \
                   WHERE id = $3 AND chatbot_id = $4";
        let values = params![reason, now, id.0, job.chatbot_id.0];
        tx.execute(sql, values).await?;
        tell_endpoints(&mut tx, job, id, (EventKind::KnowledgeFailed, now)).await?;
        tx.commit().await?;
        self.tell_item(job.organization_id, job.chatbot_id, id);
        Ok(true)
    }

    pub(crate) fn tell_item(&self, organization: OrganizationId, chatbot: ChatbotId, item: ItemId) {
        self.events.tell(organization, Change::Item(chatbot, item));
    }

    /// The items whose searchable content changed after version `since`.
    pub async fn knowledge_changes(&self, chatbot: &Chatbot, since: i64) -> Result<Changes> {
        // The version is read first: an item that changes in between is merely loaded twice.
        let sql = "SELECT knowledge_version AS count FROM chatbots WHERE id = $1";
        let version = self.db.count(sql, params![chatbot.id.0]).await?;
        let sql = "SELECT item_id FROM knowledge_changes \
                   WHERE chatbot_id = $1 AND version > $2 ORDER BY version";
        let rows = self.db.fetch_all(sql, params![chatbot.id.0, since]).await?;
        let items = rows.iter().map(|row| row.get("item_id").map(ItemId));
        Ok(Changes {
            version,
            items: items.collect::<Result<_>>()?,
        })
    }

    /// How many passages of the chatbot can be found.
    pub async fn passages(&self, chatbot: &Chatbot) -> Result<i64> {
        let sql = "SELECT CAST(COALESCE(SUM(chunks), 0) AS BIGINT) AS count FROM knowledge_items \
                   WHERE chatbot_id = $1 AND enabled";
        self.db.count(sql, params![chatbot.id.0]).await
    }

    /// An item as an index takes it: without chunks where it is gone or disabled.
    pub async fn indexed_item(&self, chatbot: &Chatbot, id: ItemId) -> Result<IndexedItem> {
        let sql = "SELECT i.title, i.embedding_space, c.ordinal, c.headings, c.page, c.text, \
                   c.question, c.embedding FROM knowledge_items i \
                   JOIN chunks c ON c.item_id = i.id \
                   WHERE i.id = $1 AND i.chatbot_id = $2 AND i.enabled ORDER BY c.ordinal";
        let rows = self.db.fetch_all(sql, params![id.0, chatbot.id.0]).await?;
        let (title, embedding_space) = match rows.first() {
            Some(row) => (row.get("title")?, row.get("embedding_space")?),
            None => (String::new(), None),
        };
        let mut chunks = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut chunk = read_chunk(row)?;
            chunk.embedding = row.get("embedding")?;
            chunks.push(chunk);
        }
        Ok(IndexedItem {
            item_id: id,
            title,
            embedding_space,
            chunks,
        })
    }

    /// The chatbot's passages at these places, in the order asked for; those that are gone or
    /// disabled are left out.
    pub async fn found_chunks(
        &self,
        chatbot: &Chatbot,
        places: &[(ItemId, u32)],
    ) -> Result<Vec<FoundChunk>> {
        let mut found = Vec::with_capacity(places.len());
        for batch in places.chunks(FIND_ROWS) {
            let mut values = params![chatbot.id.0];
            // The statement has room for ten; the last place fills what is left over.
            for slot in 0..FIND_ROWS {
                let (item, ordinal) = batch[slot.min(batch.len() - 1)];
                values.extend(params![item.0, ordinal]);
            }
            for row in &self.db.fetch_all(FIND.as_str(), values).await? {
                found.push(read_found(row)?);
            }
        }
        let place = |chunk: &FoundChunk| {
            let wanted = (chunk.item_id, chunk.chunk.ordinal);
            places.iter().position(|place| *place == wanted)
        };
        found.sort_by_key(place);
        Ok(found)
    }

    /// An item's chunks in order, for exports and tests.
    pub async fn item_chunks(&self, chatbot: &Chatbot, id: ItemId) -> Result<Vec<Chunk>> {
        Ok(self.indexed_item(chatbot, id).await?.chunks)
    }
}

/// Tells endpoints of what became of an item.
async fn tell_endpoints(
    tx: &mut Tx,
    job: &Job,
    id: ItemId,
    (kind, at): (EventKind, Timestamp),
) -> Result<()> {
    let teller = Teller::of_owner(tx, job.into()).await?;
    if !teller.tells(kind) {
        return Ok(());
    }
    let sql = select!("WHERE id = $1 AND chatbot_id = $2");
    let values = params![id.0, job.chatbot_id.0];
    let Some(row) = tx.fetch_optional(sql, values).await? else {
        return Ok(());
    };
    let item = read(&row)?;
    teller
        .tell(tx, kind, at, || webhook::item_data(&item))
        .await
}

pub(crate) async fn lock_chatbot(tx: &mut Tx, chatbot: ChatbotId) -> Result<()> {
    let sql = "UPDATE chatbots SET knowledge_version = knowledge_version WHERE id = $1";
    tx.execute(sql, params![chatbot.0]).await?;
    Ok(())
}

/// Deletes an item with its job, and asks for its blobs to be deleted.
pub(crate) async fn remove(tx: &mut Tx, owner: Owner, item: &Item, now: Timestamp) -> Result<()> {
    let (chatbot, id) = (item.chatbot_id, item.id);
    let sql = "DELETE FROM jobs WHERE item_id = $1";
    tx.execute(sql, params![id.0]).await?;
    let sql = "DELETE FROM knowledge_items WHERE id = $1 AND chatbot_id = $2";
    tx.execute(sql, params![id.0, chatbot.0]).await?;
    note_change(tx, chatbot, id).await?;
    if matches!(item.source, Source::File { .. }) {
        jobs::delete_blobs(tx, owner, &blobs::item_path(chatbot, id), now).await?;
    }
    if matches!(item.source, Source::File { .. } | Source::Url { .. }) {
        jobs::delete_blobs(tx, owner, &blobs::texts_folder(chatbot, id), now).await?;
    }
    Ok(())
}

async fn note_change(tx: &mut Tx, chatbot: ChatbotId, item: ItemId) -> Result<()> {
    let sql = "UPDATE chatbots SET knowledge_version = knowledge_version + 1 WHERE id = $1 \
               RETURNING knowledge_version";
    let Some(row) = tx.fetch_optional(sql, params![chatbot.0]).await? else {
        return Err(Error::not_found("chatbot"));
    };
    let version: i64 = row.get("knowledge_version")?;
    let sql = "INSERT INTO knowledge_changes (chatbot_id, item_id, version) VALUES ($1, $2, $3) \
               ON CONFLICT (chatbot_id, item_id) DO UPDATE SET version = excluded.version";
    tx.execute(sql, params![chatbot.0, item.0, version]).await?;
    Ok(())
}

pub(crate) async fn select_item(tx: &mut Tx, chatbot: &Chatbot, id: ItemId) -> Result<Item> {
    let sql = select!("WHERE id = $1 AND chatbot_id = $2");
    match tx.fetch_optional(sql, params![id.0, chatbot.id.0]).await? {
        Some(row) => read(&row),
        None => Err(Error::not_found("knowledge item")),
    }
}

/// Inserts an item; `false` where the chatbot already holds a file with these bytes.
pub(crate) async fn insert(tx: &mut Tx, item: &Item) -> Result<bool> {
    let sql = "INSERT INTO knowledge_items (id, chatbot_id, kind, title, status, error, enabled, \
               source, sha256, size_bytes, chunks, characters, created_at, updated_at, synced_at, \
               source_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
               ON CONFLICT (chatbot_id, sha256) DO NOTHING";
    let values = params![
        item.id.0,
        item.chatbot_id.0,
        item.source.kind().as_str(),
        item.title.as_str(),
        item.status.as_str(),
        item.error.clone(),
        item.enabled,
        to_json(&item.source)?,
        // A source knows its own copies, and must not take an upload for one of them.
        item.source_id
            .is_none()
            .then(|| sha256(&item.source))
            .flatten(),
        item.size_bytes,
        item.chunks,
        item.characters,
        item.created_at,
        item.updated_at,
        item.synced_at,
        item.source_id.map(|source| source.0),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

pub(crate) async fn write(tx: &mut Tx, item: &Item) -> Result<()> {
    let sql = "UPDATE knowledge_items SET title = $1, status = $2, error = $3, enabled = $4, \
               source = $5, size_bytes = $6, updated_at = $7 WHERE id = $8 AND chatbot_id = $9";
    let values = params![
        item.title.as_str(),
        item.status.as_str(),
        item.error.clone(),
        item.enabled,
        to_json(&item.source)?,
        item.size_bytes,
        item.updated_at,
        item.id.0,
        item.chatbot_id.0,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

fn insert_sql(rows: usize) -> String {
    let row = |n: usize| {
        let columns: Vec<String> = (1..=7)
            .map(|column| format!("${}", n * 7 + column))
            .collect();
        format!("({})", columns.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO chunks (item_id, ordinal, headings, page, text, question, embedding) \
         VALUES {}",
        rows.join(", ")
    )
}

async fn insert_chunks(tx: &mut Tx, item: ItemId, chunks: Vec<Chunk>) -> Result<()> {
    let mut rows = Vec::with_capacity(INSERT_ROWS);
    for chunk in chunks {
        rows.push(chunk_values(item, chunk)?);
        if rows.len() == INSERT_ROWS {
            let values = rows.drain(..).flatten().collect();
            tx.execute(INSERT_MANY.as_str(), values).await?;
        }
    }
    for values in rows {
        tx.execute(INSERT_ONE.as_str(), values).await?;
    }
    Ok(())
}

fn chunk_values(item: ItemId, chunk: Chunk) -> Result<Vec<Param>> {
    Ok(params![
        item.0,
        chunk.ordinal,
        to_json(&chunk.headings)?,
        chunk.page.map(i64::from),
        chunk.text,
        chunk.question,
        chunk.embedding,
    ])
}

fn sha256(source: &Source) -> Option<String> {
    match source {
        Source::File { sha256, .. } => Some(sha256.clone()),
        Source::Qna { .. } | Source::Text { .. } | Source::Url { .. } => None,
    }
}

pub(crate) fn read(row: &Row) -> Result<Item> {
    Ok(Item {
        id: ItemId(row.get("id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        title: row.get("title")?,
        status: row.word("status")?,
        error: row.get("error")?,
        enabled: row.get("enabled")?,
        source: row.json("source")?,
        source_id: row.get::<Option<Uuid>>("source_id")?.map(SourceId),
        size_bytes: row.get("size_bytes")?,
        chunks: row.get("chunks")?,
        characters: row.get("characters")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        synced_at: row.optional_time("synced_at")?,
    })
}

pub(crate) fn read_chunk(row: &Row) -> Result<Chunk> {
    let number = |column| -> Result<Option<u32>> {
        let value: Option<i64> = row.get(column)?;
        value
            .map(u32::try_from)
            .transpose()
            .map_err(|error| Error::internal(format!("cannot read column {column}"), error))
    };
    Ok(Chunk {
        ordinal: number("ordinal")?.unwrap_or_default(),
        headings: row.json("headings")?,
        page: number("page")?,
        text: row.get("text")?,
        question: row.get("question")?,
        embedding: None,
    })
}

fn read_found(row: &Row) -> Result<FoundChunk> {
    let url = match row.json("source")? {
        Source::Url { url } => Some(url),
        Source::Qna { .. } | Source::Text { .. } | Source::File { .. } => None,
    };
    Ok(FoundChunk {
        item_id: ItemId(row.get("item_id")?),
        title: row.get("title")?,
        url,
        chunk: read_chunk(row)?,
    })
}
