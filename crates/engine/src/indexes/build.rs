//! Bringing an index up to date from the store.

use okra_domain::Error;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::Chunk;
use okra_search::{Change, Document, QuantizedVector};
use okra_store::Store;
use okra_store::knowledge::IndexedItem;

use super::Snapshot;
use crate::background::Background;

/// Passages loaded before they are handed to the index: bounds what a cold start holds twice, and is
/// enough to keep all processors busy.
const BATCH_CHUNKS: usize = 8_192;

/// Whether somebody waits for an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// A question does.
    Awaited,
    /// Nobody: it gives way to whoever does.
    Background,
}

pub(super) async fn update(
    store: &Store,
    chatbot: &Chatbot,
    space: &str,
    (mut snapshot, background): (Snapshot, Option<&Background>),
) -> Result<Snapshot> {
    let mut changes = store.knowledge_changes(chatbot, snapshot.version).await?;
    if changes.version < snapshot.version {
        // An older state of the database was brought back: what was saved is of another future.
        snapshot = Snapshot::default();
        changes = store.knowledge_changes(chatbot, 0).await?;
    }
    space.clone_into(&mut snapshot.space);
    let mut batch = Vec::new();
    let mut chunks = 0;
    let mut left = changes.items.len();
    for item in changes.items {
        let item = store.indexed_item(chatbot, item).await?;
        chunks += item.chunks.len();
        left -= 1;
        batch.push(item);
        if chunks >= BATCH_CHUNKS || left == 0 {
            let items = std::mem::take(&mut batch);
            let (mut index, space) = (snapshot.index, space.to_owned());
            let apply = move || {
                index.apply(items.into_iter().map(|item| change(item, &space)).collect());
                index
            };
            // Analysing thousands of passages would hold up every other request of this thread.
            snapshot.index = match background {
                Some(background) => background.run(apply).await?,
                None => tokio::task::spawn_blocking(apply)
                    .await
                    .map_err(|error| Error::internal("cannot bring an index up to date", error))?,
            };
            chunks = 0;
        }
    }
    snapshot.version = changes.version;
    Ok(snapshot)
}

fn change(item: IndexedItem, space: &str) -> Change {
    let comparable = item.embedding_space.as_deref() == Some(space);
    let documents = item.chunks.into_iter().map(|mut chunk| {
        let vector = chunk.embedding.take().filter(|_| comparable);
        Document {
            ordinal: chunk.ordinal,
            title: search_title(&item.title, &chunk),
            vector: vector.and_then(|bytes| QuantizedVector::from_bytes(&bytes)),
            text: chunk.text,
        }
    });
    Change {
        item: item.item_id.0,
        documents: documents.collect(),
    }
}

/// What stands before a chunk's text when it is searched and embedded: the item's title, the
/// headings it lies under and, for a Q&A pair, the question; each once.
pub(crate) fn search_title(title: &str, chunk: &Chunk) -> String {
    let mut parts = vec![title];
    for part in chunk.headings.iter().chain(&chunk.question) {
        if !parts.contains(&part.as_str()) {
            parts.push(part);
        }
    }
    parts.join("\n")
}
