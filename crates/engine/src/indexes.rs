//! The search indexes of the chatbots in use: built from the store on demand, brought up to date
//! by what changed since their version, dropped when memory runs short.
//!
//! Reading a snapshot never waits for an update of another chatbot, and updates of one chatbot are
//! made once however many queries ask for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::Chunk;
use okra_domain::{ChatbotId, Error};
use okra_search::{Change, Document, Index, QuantizedVector};
use okra_store::Store;
use okra_store::knowledge::IndexedItem;

/// Items loaded before they are handed to the index: bounds what a cold start holds twice.
const BATCH_CHUNKS: usize = 4_096;

pub(crate) struct Indexes {
    slots: Mutex<Slots>,
    budget_bytes: usize,
}

#[derive(Default)]
struct Slots {
    by_chatbot: HashMap<ChatbotId, Slot>,
    /// Counts uses, so that the least recent can be told.
    uses: u64,
}

#[derive(Clone, Default)]
struct Slot {
    snapshot: Arc<Mutex<Snapshot>>,
    /// Held by the one query that brings this index up to date.
    updating: Arc<tokio::sync::Mutex<()>>,
    last_use: u64,
}

/// An index as it was at a version of the chatbot's knowledge.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) index: Index,
    /// The space that its vectors lie in. A request that loaded its chatbot before another embedder took
    /// over may get an index of after that.
    pub(crate) space: String,
    pub(crate) version: i64,
    bytes: usize,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            index: Index::new(),
            space: String::new(),
            version: 0,
            bytes: 0,
        }
    }
}

impl Indexes {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self {
            slots: Mutex::default(),
            budget_bytes,
        }
    }

    /// The chatbot's index, at least as new as `chatbot.knowledge_version`, with vectors of one space:
    /// `space`, where it is not newer.
    pub(crate) async fn get(
        &self,
        store: &Store,
        chatbot: &Chatbot,
        space: &str,
    ) -> Result<Snapshot> {
        let slot = self.slot(chatbot.id);
        let snapshot = lock(&slot.snapshot).clone();
        if snapshot.version >= chatbot.knowledge_version {
            return Ok(snapshot);
        }
        let _turn = slot.updating.lock().await;
        // Whoever held the lock before may have done the work.
        let snapshot = lock(&slot.snapshot).clone();
        if snapshot.version >= chatbot.knowledge_version {
            return Ok(snapshot);
        }
        let next = update(store, chatbot, space, snapshot).await?;
        *lock(&slot.snapshot) = next.clone();
        self.evict(chatbot.id);
        Ok(next)
    }

    /// Memory that the indexes take together, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let slots = lock(&self.slots);
        slots
            .by_chatbot
            .values()
            .map(|slot| lock(&slot.snapshot).bytes)
            .sum()
    }

    fn slot(&self, chatbot: ChatbotId) -> Slot {
        let mut slots = lock(&self.slots);
        slots.uses += 1;
        let uses = slots.uses;
        let slot = slots.by_chatbot.entry(chatbot).or_default();
        slot.last_use = uses;
        slot.clone()
    }

    /// Drops the least recently used indexes until the rest fit; never the one just used.
    fn evict(&self, keep: ChatbotId) {
        let mut slots = lock(&self.slots);
        let mut sizes: Vec<(u64, ChatbotId, usize)> = slots
            .by_chatbot
            .iter()
            .map(|(id, slot)| (slot.last_use, *id, lock(&slot.snapshot).bytes))
            .collect();
        sizes.sort_unstable();
        let mut total: usize = sizes.iter().map(|(_, _, bytes)| bytes).sum();
        for (_, id, bytes) in sizes {
            if total <= self.budget_bytes {
                break;
            }
            if id != keep {
                slots.by_chatbot.remove(&id);
                total -= bytes;
            }
        }
        metrics::gauge!("okra_index_bytes").set(total as f64);
        metrics::gauge!("okra_indexes").set(slots.by_chatbot.len() as f64);
    }
}

/// A poisoned lock guards a value that is replaced whole, so it is never half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn update(
    store: &Store,
    chatbot: &Chatbot,
    space: &str,
    mut snapshot: Snapshot,
) -> Result<Snapshot> {
    let changes = store.knowledge_changes(chatbot, snapshot.version).await?;
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
            // Analysing thousands of passages would hold up every other request of this thread.
            let applied = tokio::task::spawn_blocking(move || {
                index.apply(items.into_iter().map(|item| change(item, &space)).collect());
                index
            });
            snapshot.index = applied
                .await
                .map_err(|error| Error::internal("cannot bring an index up to date", error))?;
            chunks = 0;
        }
    }
    snapshot.version = changes.version;
    snapshot.bytes = snapshot.index.memory_bytes();
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
