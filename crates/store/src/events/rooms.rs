//! Sessions that somebody is in at this moment: a visitor whose page is open is told at once what an
//! agent writes and who has the conversation.
//!
//! A room is there while someone watches it, and a change of a session without one is a look into a
//! map. What a turn writes is told to nobody here: its reader has the turn's own stream. So however
//! much is asked, visitors who only have their page open are not woken by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::Session;
use okra_domain::{MessageId, SessionId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Change, Events, Typist};
use crate::Store;

/// What a slow watcher may lie behind.
const BEHIND: usize = 32;

/// What happened in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Someone else has it, or it stands otherwise.
    Handled,
    /// An agent wrote this.
    Message(MessageId),
    /// An agent is writing.
    Typing,
    /// Something was missed: read anew.
    Resync,
}

/// The rooms of this process.
pub(super) struct Rooms {
    rooms: Mutex<HashMap<SessionId, broadcast::Sender<Told>>>,
    /// Sessions that somebody else has with the counts of their takeovers, watched or not.
    handled: broadcast::Sender<(SessionId, i64)>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        let (handled, _) = broadcast::channel(1_024);
        Self {
            rooms: Mutex::default(),
            handled,
        }
    }

    /// Tells those whom a change concerns. Nobody in the room is nobody to tell.
    pub(super) fn tell(&self, change: Change) {
        let (session, told) = match change {
            Change::Handled(_, session, takeovers) => {
                let _ = self.handled.send((session, takeovers));
                (session, Told::Handled)
            }
            Change::Agent(_, session, message) => (session, Told::Message(message)),
            Change::Typing(_, session, Typist::Agent(_)) => (session, Told::Typing),
            Change::Item(..)
            | Change::Source(..)
            | Change::Session(..)
            | Change::Message(..)
            | Change::Note(..)
            | Change::Typing(_, _, Typist::Visitor)
            | Change::Embedder(_) => return,
        };
        if let Some(room) = self.lock().get(&session) {
            let _ = room.send(told);
        }
    }

    pub(super) fn resync(&self) {
        for room in self.lock().values() {
            let _ = room.send(Told::Resync);
        }
    }

    /// A poisoned lock guards a map that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, broadcast::Sender<Told>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch over one session, from the moment it was begun. Ends when dropped.
pub struct SessionWatch {
    session: SessionId,
    events: Arc<Events>,
    told: broadcast::Receiver<Told>,
}

impl SessionWatch {
    /// Waits for what happens next.
    pub async fn next(&mut self) -> Told {
        match self.told.recv().await {
            Ok(told) => told,
            // The sender lives in the map for as long as this watch does.
            Err(RecvError::Lagged(_) | RecvError::Closed) => Told::Resync,
        }
    }
}

impl Drop for SessionWatch {
    fn drop(&mut self) {
        let mut rooms = self.events.rooms.lock();
        // Whoever comes in does so under the same lock; this receiver is still counted.
        let last = rooms
            .get(&self.session)
            .is_some_and(|room| room.receiver_count() <= 1);
        if last {
            rooms.remove(&self.session);
        }
    }
}

/// Hears of every session that somebody else has from now on, of whatever organization.
pub struct HandledWatch(broadcast::Receiver<(SessionId, i64)>);

impl HandledWatch {
    /// The next session with the count of its takeovers; `None` where the store was closed.
    pub async fn next(&mut self) -> Option<(SessionId, i64)> {
        loop {
            match self.0.recv().await {
                Ok(handled) => return Some(handled),
                // A turn that is not told of its takeover writes nothing all the same.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Store {
    /// Watches one session: what people do in it from now on, at any process over this database.
    pub async fn watch_session(&self, session: &Session) -> Result<SessionWatch> {
        self.events.listen().await?;
        let told = {
            let mut rooms = self.events.rooms.lock();
            let room = rooms.entry(session.id);
            room.or_insert_with(|| broadcast::channel(BEHIND).0)
                .subscribe()
        };
        Ok(SessionWatch {
            session: session.id,
            events: self.events.clone(),
            told,
        })
    }

    /// Watches who has which session, at any process over this database.
    pub async fn watch_handled(&self) -> Result<HandledWatch> {
        self.events.listen().await?;
        Ok(HandledWatch(self.events.rooms.handled.subscribe()))
    }

    /// Tells that someone is writing in a session; nothing of it is stored.
    pub fn tell_typing(&self, chatbot: &Chatbot, session: &Session, by: Typist) {
        let change = Change::Typing(chatbot.id, session.id, by);
        self.events.tell(chatbot.organization_id, change);
    }
}
