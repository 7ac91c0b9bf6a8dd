//! The passages that were found lately, as they stand in the store.
//!
//! Visitors ask much the same, so most passages of an answer were part of another one a moment ago, and reading
//! them was the largest share of a turn's work in the database.

use std::sync::Arc;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::FoundChunk;
use okra_domain::{ChatbotId, ItemId};
use okra_store::Store;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// A passage at a version of its chatbot's knowledge. Any change of it makes a new version, so what is
/// kept never has to be looked through; what is out of date falls out in time.
type Key = (ChatbotId, i64, ItemId, u32);

pub(crate) struct Passages {
    cache: Cache<Key, Arc<FoundChunk>, Bytes>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<FoundChunk>> for Bytes {
    fn weight(&self, _: &Key, found: &Arc<FoundChunk>) -> u64 {
        let chunk = &found.chunk;
        let texts = [&found.title, &chunk.text].into_iter();
        let texts = texts.chain(&found.url).chain(&chunk.question);
        let texts = texts.chain(&chunk.headings).map(String::capacity);
        (size_of::<(Key, FoundChunk)>() + texts.sum::<usize>()) as u64
    }
}

/// The length of a usual passage, from which the room for keys is estimated.
const USUAL_BYTES: usize = 1_500;

impl Passages {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        let cache = Cache::with_weighter(budget_bytes / USUAL_BYTES, budget_bytes as u64, Bytes);
        Self { cache }
    }

    /// The passages at these places, in their order, for an index of `version`. Those that are there no
    /// longer, or whose item was disabled since, are left out.
    pub(crate) async fn at(
        &self,
        store: &Store,
        chatbot: &Chatbot,
        version: i64,
        places: &[(ItemId, u32)],
    ) -> Result<Vec<Arc<FoundChunk>>> {
        let key = |&(item, ordinal): &(ItemId, u32)| (chatbot.id, version, item, ordinal);
        let mut found: Vec<_> = places
            .iter()
            .map(|place| self.cache.get(&key(place)))
            .collect();
        let missing = places
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none());
        let missing: Vec<(ItemId, u32)> = missing.map(|(place, _)| *place).collect();
        if !missing.is_empty() {
            for read in store.found_chunks(chatbot, &missing).await? {
                let (place, read) = ((read.item_id, read.chunk.ordinal), Arc::new(read));
                self.cache.insert(key(&place), read.clone());
                if let Some(at) = places.iter().position(|wanted| *wanted == place) {
                    found[at] = Some(read);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }
}
