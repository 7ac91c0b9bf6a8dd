//! A second chatbot that knows what the first one knows.
//!
//! Files are copied first, under the new chatbot's folder, then all rows in one transaction, which
//! takes back the promise of the folder's deletion.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::{ErrorKind, ItemId};
use uuid::Uuid;

use super::arrival::take_back_deletion;
use super::{SlugChoice, insert, lock};
use crate::Store;
use crate::blobs;
use crate::db::{Tx, params};
use crate::embedders;
use crate::jobs;

/// An item that is copied.
struct Copied {
    old: ItemId,
    new: ItemId,
    /// The text that was copied with it.
    text: Option<Uuid>,
}

impl Store {
    /// Copies a chatbot with its settings and its knowledge, as [`Chatbot::copied`] says. What is
    /// being read when it is copied is read anew in the copy.
    pub async fn duplicate_chatbot(
        &self,
        original: &Chatbot,
        name: Option<&str>,
    ) -> Result<Chatbot> {
        let copy = original.copied(name, self.clock.now())?;
        self.promise_deletion(&copy).await?;
        let copied = match self.copy_blobs(original, &copy).await {
            Ok(items) => self.copy_rows(original, copy.clone(), &items).await,
            Err(error) => Err(error),
        };
        if copied.is_err() {
            self.hasten_deletion(&copy).await?;
        }
        copied
    }

    async fn copy_blobs(&self, original: &Chatbot, copy: &Chatbot) -> Result<Vec<Copied>> {
        if let Some(avatar) = &original.avatar {
            let from = blobs::avatar_path(original.id, avatar);
            let to = blobs::avatar_path(copy.id, avatar);
            gone_is_fine(self.blobs.copy(&from, &to).await)?;
        }
        let sql = "SELECT id, kind, text_file FROM knowledge_items WHERE chatbot_id = $1 \
                   ORDER BY created_at, id";
        let rows = self.db.fetch_all(sql, params![original.id.0]).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let mut item = Copied {
                old: ItemId(row.get("id")?),
                new: ItemId::new(),
                text: row.get("text_file")?,
            };
            if row.get::<String>("kind")? == "file" {
                let from = blobs::item_path(original.id, item.old);
                let to = blobs::item_path(copy.id, item.new);
                gone_is_fine(self.blobs.copy(&from, &to).await)?;
            }
            if let Some(text) = item.text {
                let from = blobs::text_path(original.id, item.old, text);
                let to = blobs::text_path(copy.id, item.new, text);
                if !gone_is_fine(self.blobs.copy(&from, &to).await)? {
                    item.text = None;
                }
            }
            items.push(item);
        }
        Ok(items)
    }

    async fn copy_rows(
        &self,
        original: &Chatbot,
        copy: Chatbot,
        items: &[Copied],
    ) -> Result<Chatbot> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        take_back_deletion(&mut tx, &copy).await?;
        // Locked as it is read, so that the copy is of one moment.
        let (organization, id) = (original.organization_id, original.id);
        let original = &lock(&mut tx, organization, id, &self.sealer).await?;
        let copy = Chatbot {
            knowledge_version: 1,
            ..copy
        };
        let copy = insert(&mut tx, copy, SlugChoice::Derived, &self.sealer).await?;
        embedders::copy(&mut tx, original, copy.id, &self.sealer).await?;
        for item in items {
            copy_item(&mut tx, &copy, item).await?;
        }
        let sql = "INSERT INTO knowledge_changes (chatbot_id, item_id, version) \
                   SELECT chatbot_id, id, 1 FROM knowledge_items WHERE chatbot_id = $1";
        tx.execute(sql, params![copy.id.0]).await?;
        let sql = "UPDATE knowledge_items SET status = 'pending' \
                   WHERE chatbot_id = $1 AND status = 'processing'";
        tx.execute(sql, params![copy.id.0]).await?;
        let sql = "SELECT id FROM knowledge_items WHERE chatbot_id = $1 AND status = 'pending'";
        for row in tx.fetch_all(sql, params![copy.id.0]).await? {
            jobs::ingest(&mut tx, &copy, ItemId(row.get("id")?), now).await?;
        }
        // The copy goes on where the original was on its way to other vectors.
        let sql = "SELECT 1 AS one FROM reembeddings WHERE chatbot_id = $1";
        if tx
            .fetch_optional(sql, params![original.id.0])
            .await?
            .is_some()
        {
            jobs::embed(&mut tx, (&copy).into(), now).await?;
        }
        tx.commit().await?;
        Ok(copy)
    }
}

/// Copies an item with its chunks; nothing where it was deleted meanwhile. A text that was replaced
/// meanwhile is not the one that was copied, and the copy has none.
async fn copy_item(tx: &mut Tx, copy: &Chatbot, item: &Copied) -> Result<()> {
    let sql = "INSERT INTO knowledge_items (id, chatbot_id, kind, title, status, error, enabled, \
               source, sha256, size_bytes, chunks, characters, embedding_space, created_at, \
               updated_at, synced_at, text_file) SELECT $1, $2, kind, title, status, error, \
               enabled, source, sha256, size_bytes, chunks, characters, embedding_space, \
               created_at, updated_at, synced_at, CASE WHEN text_file = $4 THEN text_file END \
               FROM knowledge_items WHERE id = $3";
    let values = params![item.new.0, copy.id.0, item.old.0, item.text];
    tx.execute(sql, values).await?;
    let sql = "INSERT INTO chunks (item_id, ordinal, headings, page, text, question, embedding) \
               SELECT $1, ordinal, headings, page, text, question, embedding FROM chunks \
               WHERE item_id = $2 AND EXISTS (SELECT 1 FROM knowledge_items WHERE id = $1)";
    tx.execute(sql, params![item.new.0, item.old.0]).await?;
    Ok(())
}

/// Whether the blob was there: what was deleted meanwhile is not copied.
fn gone_is_fine(copied: Result<()>) -> Result<bool> {
    match copied {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
