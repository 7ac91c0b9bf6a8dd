//! What happens in an organization, told to whoever watches it.
//!
//! A change is told as a reference, after its transaction stands. Where nobody watches the
//! organization, that is all that happens. Where someone does, one feed an organization loads what
//! changed, once for all watchers, and what changed several times meanwhile once.
//!
//! Over Postgres several servers may share the database: each announces its changes to the others
//! with NOTIFY, many at once and apart from the transactions, whose speed it must not cost.
//!
//! Nothing is lost in silence: whoever may have missed something is sent [`Event::Resync`].

mod neighbours;
mod rooms;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_domain::embedder::Reembedding;
use okra_domain::error::Result;
use okra_domain::handling::Note;
use okra_domain::knowledge::Item;
use okra_domain::session::{Message, Session};
use okra_domain::source::SourceReport;
use okra_domain::{
    ChatbotId, ErrorKind, ItemId, MessageId, NoteId, OrganizationId, PersonId, SessionId, SourceId,
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};

use crate::Store;
use crate::db::Db;
use neighbours::Neighbours;
use rooms::Rooms;
pub use rooms::{HandledWatch, SessionWatch, Told};

/// Changes that may wait to be loaded.
const WAITING: usize = 1_024;
/// Events that a slow watcher may lie behind.
const BEHIND: usize = 256;
/// Changes loaded before the next look at what waits.
const BATCH: usize = 64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An item of knowledge came, changed or went.
    Knowledge {
        /// Whose knowledge it is.
        chatbot_id: ChatbotId,
        /// The item.
        item_id: ItemId,
        /// The item as it is now; `None` where it was deleted.
        item: Option<Box<Item>>,
    },
    /// A source came, changed, went, or a sync of it got further.
    Source {
        /// Whose knowledge it feeds.
        chatbot_id: ChatbotId,
        /// The source.
        source_id: SourceId,
        /// The source as it is now; `None` where it was deleted.
        source: Option<Box<SourceReport>>,
    },
    /// A conversation began or went on.
    Conversation(Box<Session>),
    /// A message was written, or rated.
    Message {
        /// The chatbot spoken with.
        chatbot_id: ChatbotId,
        /// The message.
        message: Box<Message>,
    },
    /// An agent left a note at a conversation, or took it back.
    Note {
        /// The chatbot spoken with.
        chatbot_id: ChatbotId,
        /// The conversation.
        session_id: SessionId,
        /// The note.
        note_id: NoteId,
        /// The note as it is now; `None` where it was deleted.
        note: Option<Box<Note>>,
    },
    /// Someone is writing a message just now.
    Typing {
        /// The chatbot spoken with.
        chatbot_id: ChatbotId,
        /// The conversation.
        session_id: SessionId,
        /// Who.
        by: Typist,
    },
    /// New vectors came further, are in place, or did not come.
    Embedder {
        /// Whose vectors they are.
        chatbot_id: ChatbotId,
        /// How far they have come; `None` where all are in place.
        reembedding: Option<Reembedding>,
    },
    /// Something was missed: what is shown has to be read anew.
    Resync,
}

/// Who is writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Typist {
    /// The visitor.
    #[serde(rename = "v")]
    Visitor,
    /// An agent; `None` for a program that speaks for one.
    #[serde(rename = "a")]
    Agent(Option<PersonId>),
}

/// What changed, by its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Change {
    #[serde(rename = "i")]
    Item(ChatbotId, ItemId),
    #[serde(rename = "k")]
    Source(ChatbotId, SourceId),
    #[serde(rename = "s")]
    Session(ChatbotId, SessionId),
    #[serde(rename = "m")]
    Message(ChatbotId, SessionId, MessageId),
    #[serde(rename = "e")]
    Embedder(ChatbotId),
    /// Someone else has a session, or it stands otherwise; with the count of its takeovers.
    #[serde(rename = "h")]
    Handled(ChatbotId, SessionId, i64),
    /// An agent wrote a message.
    #[serde(rename = "a")]
    Agent(ChatbotId, SessionId, MessageId),
    #[serde(rename = "n")]
    Note(ChatbotId, SessionId, NoteId),
    #[serde(rename = "t")]
    Typing(ChatbotId, SessionId, Typist),
}

impl Change {
    /// Whether a person waits for it on another server: it is announced at once. These are made by
    /// hand, so there are few of them.
    fn is_urgent(&self) -> bool {
        matches!(self, Self::Handled(..) | Self::Agent(..) | Self::Typing(..))
    }
}

/// The feeds of the organizations that are watched here. Shared by the clones of a store.
pub(crate) struct Events {
    feeds: Mutex<HashMap<OrganizationId, Feed>>,
    rooms: Rooms,
    neighbours: Option<Neighbours>,
}

struct Feed {
    changes: mpsc::Sender<Change>,
    events: broadcast::Sender<Arc<Event>>,
    /// Whether watchers were told already that a change found no room.
    overflowed: bool,
}

/// A watch over an organization, from the moment it was begun. Ends when dropped.
pub struct Watch {
    events: broadcast::Receiver<Arc<Event>>,
}

impl Watch {
    /// Waits for the next event; `None` where the store was closed.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(_)) => Some(Arc::new(Event::Resync)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Events {
    pub(crate) fn new(db: &Db) -> Arc<Self> {
        let (neighbours, announcements) = match Neighbours::over(db) {
            Some((neighbours, announcements)) => (Some(neighbours), Some(announcements)),
            None => (None, None),
        };
        if let Some(announcements) = announcements {
            tokio::spawn(announcements.run());
        }
        Arc::new(Self {
            feeds: Mutex::default(),
            rooms: Rooms::new(),
            neighbours,
        })
    }

    /// Tells of a change whose transaction stands. Costs nothing to speak of where nobody watches.
    pub(crate) fn tell(&self, organization: OrganizationId, change: Change) {
        self.tell_here(organization, change);
        if let Some(neighbours) = &self.neighbours {
            neighbours.announce(organization, change);
        }
    }

    /// Has what other servers announce told here too.
    async fn listen(self: &Arc<Self>) -> Result<()> {
        match &self.neighbours {
            Some(neighbours) => neighbours.listen(self).await,
            None => Ok(()),
        }
    }

    fn tell_here(&self, organization: OrganizationId, change: Change) {
        self.rooms.tell(change);
        let mut feeds = self.lock();
        let Some(feed) = feeds.get_mut(&organization) else {
            return;
        };
        match feed.changes.try_send(change) {
            Ok(()) => feed.overflowed = false,
            Err(_) if feed.overflowed => {}
            Err(_) => {
                feed.overflowed = true;
                feed.resync();
            }
        }
    }

    /// Has everyone who watches here read anew.
    fn resync_all(&self) {
        for feed in self.lock().values() {
            feed.resync();
        }
        self.rooms.resync();
    }

    /// A poisoned lock guards a map that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<OrganizationId, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn resync(&self) {
        // Without a watcher there is nobody to tell.
        let _ = self.events.send(Arc::new(Event::Resync));
    }
}

impl Store {
    /// Watches an organization: what is committed from now on, by any process over this database.
    pub async fn watch(&self, organization: OrganizationId) -> Result<Watch> {
        self.events.listen().await?;
        let mut feeds = self.events.lock();
        if let Some(feed) = feeds.get(&organization) {
            let events = feed.events.subscribe();
            return Ok(Watch { events });
        }
        let (changes, waiting) = mpsc::channel(WAITING);
        let (events, watch) = broadcast::channel(BEHIND);
        let feed = Feed {
            changes,
            events: events.clone(),
            overflowed: false,
        };
        feeds.insert(organization, feed);
        let store = self.clone();
        tokio::spawn(async move { store.feed(organization, waiting, events).await });
        Ok(Watch { events: watch })
    }

    /// Loads what changed for the organization's watchers, until there are none.
    async fn feed(
        &self,
        organization: OrganizationId,
        mut waiting: mpsc::Receiver<Change>,
        events: broadcast::Sender<Arc<Event>>,
    ) {
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            tokio::select! {
                _ = waiting.recv_many(&mut batch, BATCH) => {}
                () = events.closed() => {}
            }
            let mut seen = HashSet::new();
            batch.retain(|change| seen.insert(*change));
            for change in batch {
                let event = self
                    .load(organization, change)
                    .await
                    .unwrap_or_else(|error| {
                        let cause = error.source.as_ref().map(ToString::to_string);
                        tracing::warn!(%error, cause, "an event was not loaded");
                        Some(Event::Resync)
                    });
                if let Some(event) = event {
                    // The last watcher may just have left.
                    let _ = events.send(Arc::new(event));
                }
            }
            let mut feeds = self.events.lock();
            // New watchers come under the same lock, so none is left without a feed.
            if events.receiver_count() == 0 {
                feeds.remove(&organization);
                return;
            }
        }
    }

    /// What a change made; `None` where it is gone meanwhile and nobody misses it.
    async fn load(&self, organization: OrganizationId, change: Change) -> Result<Option<Event>> {
        match change {
            Change::Item(chatbot_id, item_id) => {
                let item = match self.chatbot(organization, chatbot_id).await {
                    Ok(chatbot) => self.item(&chatbot, item_id).await,
                    Err(error) => Err(error),
                };
                Ok(Some(Event::Knowledge {
                    chatbot_id,
                    item_id,
                    item: found(item)?.map(Box::new),
                }))
            }
            Change::Source(chatbot_id, source_id) => {
                let source = match self.chatbot(organization, chatbot_id).await {
                    Ok(chatbot) => self.source(&chatbot, source_id).await,
                    Err(error) => Err(error),
                };
                Ok(Some(Event::Source {
                    chatbot_id,
                    source_id,
                    source: found(source)?.map(Box::new),
                }))
            }
            Change::Embedder(chatbot) => self.told_embedder(organization, chatbot).await,
            Change::Session(chatbot, session) | Change::Handled(chatbot, session, _) => {
                let session = self.told_session(organization, chatbot, session).await?;
                Ok(session.map(|session| Event::Conversation(Box::new(session))))
            }
            Change::Message(chatbot_id, session, message)
            | Change::Agent(chatbot_id, session, message) => {
                let session = self.told_session(organization, chatbot_id, session).await?;
                let message = match session {
                    Some(session) => self.message(&session, message).await?,
                    None => None,
                };
                Ok(message.map(|message| Event::Message {
                    chatbot_id,
                    message: Box::new(message),
                }))
            }
            Change::Note(chatbot_id, session_id, note_id) => {
                let session = self.told_session(organization, chatbot_id, session_id);
                let note = match session.await? {
                    Some(session) => self.note(&session, note_id).await?,
                    None => None,
                };
                Ok(Some(Event::Note {
                    chatbot_id,
                    session_id,
                    note_id,
                    note: note.map(Box::new),
                }))
            }
            Change::Typing(chatbot_id, session_id, by) => Ok(Some(Event::Typing {
                chatbot_id,
                session_id,
                by,
            })),
        }
    }

    async fn told_embedder(
        &self,
        organization: OrganizationId,
        id: ChatbotId,
    ) -> Result<Option<Event>> {
        let Some(chatbot) = found(self.chatbot(organization, id).await)? else {
            return Ok(None);
        };
        Ok(Some(Event::Embedder {
            chatbot_id: id,
            reembedding: self.reembedding(&chatbot).await?,
        }))
    }

    async fn told_session(
        &self,
        organization: OrganizationId,
        chatbot: ChatbotId,
        session: SessionId,
    ) -> Result<Option<Session>> {
        match found(self.chatbot(organization, chatbot).await)? {
            Some(chatbot) => found(self.session(&chatbot, session).await),
            None => Ok(None),
        }
    }
}

/// What is gone is no failure here.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
