//! The search indexes of the chatbots in use: opened from the data folder or built from the store on
//! demand, brought up to date by what changed since their version, dropped when memory runs short.
//!
//! Reading a snapshot never waits for an update of another chatbot, and updates of one chatbot are
//! made once however many queries ask for them. Segments are joined and written to files by threads
//! in the background, on a snapshot that takes the old one's place when it is done.

mod build;
mod folders;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_domain::ChatbotId;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_search::{Index, Stamp};
use okra_store::Store;
use tokio::sync::Semaphore;

use crate::background::Background;
use crate::worker::log;
pub(crate) use build::search_title;
use build::{Pace, update};
use folders::Folders;

/// Passages from which on an index is kept in files: building a smaller one anew takes a fraction of
/// a second, and thousands of them would be thousands of files.
const LARGE: usize = 2_048;

pub(crate) struct Indexes {
    slots: Mutex<Slots>,
    budget_bytes: usize,
    folders: Option<Folders>,
    background: Background,
}

#[derive(Default)]
struct Slots {
    by_chatbot: HashMap<ChatbotId, Slot>,
    /// Counts uses, so that the least recent can be told.
    uses: u64,
    /// Memory of all indexes together.
    bytes: usize,
}

#[derive(Clone)]
struct Slot {
    snapshot: Arc<Mutex<Snapshot>>,
    /// Held by the one query that brings this index up to date.
    updating: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever joins segments.
    tending: Arc<tokio::sync::Mutex<()>>,
    /// One refresh runs and one waits to see what came meanwhile; a third would see nothing new.
    refreshes: Arc<Semaphore>,
    last_use: u64,
    bytes: usize,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            snapshot: Arc::default(),
            updating: Arc::default(),
            tending: Arc::default(),
            refreshes: Arc::new(Semaphore::new(2)),
            last_use: 0,
            bytes: 0,
        }
    }
}

/// An index as it was at a version of the chatbot's knowledge.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) index: Index,
    /// The space that its vectors lie in. A request that loaded its chatbot before another embedder took
    /// over may get an index of after that.
    pub(crate) space: String,
    pub(crate) version: i64,
}

impl Indexes {
    /// No indexes yet. Large ones are kept in `folder`; without one all are in memory alone.
    pub(crate) fn new(budget_bytes: usize, folder: Option<PathBuf>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            slots: Mutex::default(),
            budget_bytes,
            folders: folder.map(Folders::new),
            background: Background::new()?,
        }))
    }

    /// The chatbot's index, at least as new as `chatbot.knowledge_version`, with vectors of one space:
    /// `space`, where it is not newer.
    pub(crate) async fn get(
        self: &Arc<Self>,
        store: &Store,
        chatbot: &Chatbot,
        space: &str,
    ) -> Result<Snapshot> {
        self.up_to_date(store, chatbot, (space, Pace::Awaited))
            .await
    }

    /// Brings an index up to date before anybody asks for it, where that is worth it: it is in use, or
    /// it is large.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        store: &Store,
        chatbot: &Chatbot,
        space: &str,
    ) -> Result<()> {
        let slot = lock(&self.slots).by_chatbot.get(&chatbot.id).cloned();
        let slot = match slot {
            Some(slot) => slot,
            None if store.passages(chatbot).await? >= LARGE as i64 => self.slot(chatbot.id),
            None => return Ok(()),
        };
        if let Ok(_permit) = slot.refreshes.try_acquire() {
            self.up_to_date(store, chatbot, (space, Pace::Background))
                .await?;
        }
        Ok(())
    }

    /// Forgets a chatbot's index, its files included.
    pub(crate) async fn forget(&self, chatbot: ChatbotId) {
        {
            let mut slots = lock(&self.slots);
            if let Some(slot) = slots.by_chatbot.remove(&chatbot) {
                slots.bytes -= slot.bytes;
            }
        }
        if let Some(folders) = &self.folders {
            folders.remove(chatbot).await;
        }
    }

    /// Memory that the indexes take together, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.slots).bytes
    }

    async fn up_to_date(
        self: &Arc<Self>,
        store: &Store,
        chatbot: &Chatbot,
        (space, pace): (&str, Pace),
    ) -> Result<Snapshot> {
        let slot = self.slot(chatbot.id);
        let snapshot = lock(&slot.snapshot).clone();
        if snapshot.version >= chatbot.knowledge_version {
            return Ok(snapshot);
        }
        let _turn = slot.updating.lock().await;
        // Whoever held the lock before may have done the work.
        let mut snapshot = lock(&slot.snapshot).clone();
        if snapshot.version >= chatbot.knowledge_version {
            return Ok(snapshot);
        }
        if snapshot.version == 0
            && let Some(folders) = &self.folders
        {
            let saved = folders.open(chatbot.id, space).await;
            snapshot = saved.unwrap_or_default();
        }
        let background = (pace == Pace::Background).then_some(&self.background);
        let next = update(store, chatbot, space, (snapshot, background)).await?;
        self.put(chatbot.id, &slot, next.clone());
        self.tend(chatbot.id, &slot);
        Ok(next)
    }

    fn put(&self, chatbot: ChatbotId, slot: &Slot, next: Snapshot) {
        let bytes = next.index.memory_bytes();
        *lock(&slot.snapshot) = next;
        self.settle(chatbot, bytes);
    }

    fn slot(&self, chatbot: ChatbotId) -> Slot {
        let mut slots = lock(&self.slots);
        slots.uses += 1;
        let uses = slots.uses;
        let slot = slots.by_chatbot.entry(chatbot).or_default();
        slot.last_use = uses;
        slot.clone()
    }

    /// Notes what an index takes, and drops the least recently used ones until the rest fit; never
    /// the one at hand.
    fn settle(&self, chatbot: ChatbotId, bytes: usize) {
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.by_chatbot.get_mut(&chatbot) else {
            return;
        };
        let before = std::mem::replace(&mut slot.bytes, bytes);
        slots.bytes = slots.bytes - before + bytes;
        while slots.bytes > self.budget_bytes {
            let others = slots.by_chatbot.iter().filter(|(id, _)| **id != chatbot);
            let oldest = others.min_by_key(|(_, slot)| slot.last_use);
            let Some(id) = oldest.map(|(id, _)| *id) else {
                break;
            };
            if let Some(slot) = slots.by_chatbot.remove(&id) {
                slots.bytes -= slot.bytes;
            }
        }
        metrics::gauge!("okra_index_bytes").set(slots.bytes as f64);
        metrics::gauge!("okra_indexes").set(slots.by_chatbot.len() as f64);
    }

    /// Joins the segments of an index in the background, and keeps a large one in files.
    fn tend(self: &Arc<Self>, chatbot: ChatbotId, slot: &Slot) {
        let Ok(turn) = slot.tending.clone().try_lock_owned() else {
            // Whoever holds it looks again when done.
            return;
        };
        let (indexes, slot) = (self.clone(), slot.clone());
        tokio::spawn(async move {
            let _turn = turn;
            loop {
                match indexes.tend_once(chatbot, &slot).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        log(
                            "an index was not kept in files; it answers all the same",
                            &error,
                        );
                        return;
                    }
                }
            }
        });
    }

    /// Whether there was anything to do.
    async fn tend_once(&self, chatbot: ChatbotId, slot: &Slot) -> Result<bool> {
        let base = lock(&slot.snapshot).clone();
        let large = base.index.len() >= LARGE;
        let folders = self.folders.as_ref().filter(|_| large);
        let folder = folders.and_then(|folders| folders.writable(chatbot));
        if !base.index.wants_care(folder.as_deref()) {
            return Ok(false);
        }
        let stamp = Stamp {
            owner: chatbot.0,
            version: base.version,
            space: base.space.clone(),
        };
        let before = base.index.clone();
        let tended = self.background.run(move || {
            let tended = before.tended(folder.as_deref())?;
            if let Some(folder) = &folder {
                tended.save(folder, &stamp)?;
            }
            Ok::<_, std::io::Error>(tended)
        });
        let tended = tended
            .await?
            .map_err(|error| okra_domain::Error::internal("a segment's file failed", error))?;
        let _turn = slot.updating.lock().await;
        let now = lock(&slot.snapshot).clone();
        // The space changes only together with all items, whose passages `adopt` then takes from `now`.
        let next = Snapshot {
            index: now.index.adopt(&base.index, &tended),
            ..now
        };
        self.put(chatbot, slot, next);
        Ok(true)
    }
}

/// A poisoned lock guards a value that is replaced whole, so it is never half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
