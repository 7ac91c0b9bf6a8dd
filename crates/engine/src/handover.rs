//! Taking a conversation from the chatbot while it answers.
//!
//! Each turn under way is known here by its session. A takeover is one transaction of the store's;
//! when it stands, the session's turns are cut off before the takeover is answered: their model
//! calls end, and what their readers have not been given is given to nobody. Takeovers at other
//! servers over the same database arrive through the store's events and do the same. What arrives
//! too late loses nothing: the store writes no answer that was begun before a takeover.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_domain::SessionId;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::Handling;
use okra_domain::session::{Message, Session};
use okra_store::sessions::AgentMessage;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::Engine;

/// The turns under way, by their sessions.
#[derive(Default)]
pub(crate) struct Handover {
    state: Mutex<State>,
    /// Whether other servers are heard.
    hearing: OnceCell<()>,
}

#[derive(Default)]
struct State {
    turns: HashMap<SessionId, Vec<Entry>>,
    /// How often a takeover was heard of, of whatever session.
    heard: u64,
    /// Turns that were begun.
    begun: u64,
}

struct Entry {
    /// The session's count of takeovers when the turn began.
    takeovers: i64,
    cut_off: CancellationToken,
    /// Tells the turn's entry from those of other turns of its session.
    number: u64,
}

impl Handover {
    /// A poisoned lock guards lists that are whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts off the session's turns that began before it had been taken over this often.
    fn cut_off(&self, session: SessionId, takeovers: i64) {
        let mut state = self.lock();
        state.heard += 1;
        let turns = state.turns.get(&session).into_iter().flatten();
        for turn in turns.filter(|turn| turn.takeovers < takeovers) {
            turn.cut_off.cancel();
        }
    }
}

/// A turn's place among those that a takeover cuts off. Dropping it gives the place up.
pub(crate) struct Held {
    handover: Arc<Handover>,
    session: SessionId,
    cut_off: CancellationToken,
    number: u64,
}

impl Held {
    /// Is cancelled when a person takes the session over.
    pub(crate) fn cut_off(&self) -> &CancellationToken {
        &self.cut_off
    }

    /// Gives the place up before the turn's end: it is about to call a person itself, which takes nothing from what it
    /// says.
    pub(crate) fn leave(&self) {
        let mut state = self.handover.lock();
        if let Some(turns) = state.turns.get_mut(&self.session) {
            turns.retain(|turn| turn.number != self.number);
            if turns.is_empty() {
                state.turns.remove(&self.session);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Engine {
    /// Begins to hear of takeovers; gives how many were heard of. To be called before a turn's
    /// session is read, so that [`Engine::hold`] can tell whether one came in between.
    pub(crate) async fn hear_takeovers(&self) -> Result<u64> {
        let begin = || async {
            let mut watch = self.parts.store.watch_handled().await?;
            let handover = self.handover.clone();
            tokio::spawn(async move {
                while let Some((session, takeovers)) = watch.next().await {
                    handover.cut_off(session, takeovers);
                }
            });
            Ok(())
        };
        let hearing: Result<&()> = self.handover.hearing.get_or_try_init(begin).await;
        hearing?;
        Ok(self.handover.lock().heard)
    }

    /// Takes a place for a turn of `session`, as it was read after `heard` takeovers.
    pub(crate) async fn hold(
        &self,
        chatbot: &Chatbot,
        session: &Session,
        heard: u64,
    ) -> Result<Held> {
        let cut_off = CancellationToken::new();
        let (number, missed) = {
            let mut state = self.handover.lock();
            state.begun += 1;
            let number = state.begun;
            let turns = state.turns.entry(session.id).or_default();
            turns.push(Entry {
                takeovers: session.takeovers,
                cut_off: cut_off.clone(),
                number,
            });
            (number, state.heard != heard)
        };
        let held = Held {
            handover: self.handover.clone(),
            session: session.id,
            cut_off,
            number,
        };
        // Somebody took over some session while this one was read. It costs a read to know which,
        // and it is rare: people do it by hand.
        if missed {
            let now = self.parts.store.session(chatbot, session.id).await?;
            if now.takeovers != session.takeovers {
                held.cut_off.cancel();
            }
        }
        Ok(held)
    }

    /// Changes who answers a session; see [`okra_store::Store::handle`]. Where that takes it from
    /// the chatbot, nothing that the chatbot was about to say is said any more.
    ///
    /// # Errors
    /// Those of `change`; an unknown session; an assignee who may not answer.
    pub async fn handle(
        &self,
        chatbot: &Chatbot,
        id: SessionId,
        change: impl FnOnce(Handling) -> Result<Handling> + Send,
    ) -> Result<Session> {
        let (session, taken) = self.parts.store.handle(chatbot, id, change).await?;
        if taken {
            self.taken_over(&session);
        }
        Ok(session)
    }

    /// Cuts off what the chatbot was about to say in a session that was taken from it.
    pub(crate) fn taken_over(&self, session: &Session) {
        self.handover.cut_off(session.id, session.takeovers);
        metrics::counter!("okra_takeovers_total").increment(1);
    }

    /// Stores what an agent writes; see [`okra_store::Store::say_as_agent`]. Writing takes the
    /// session from the chatbot. Gives the message, and whether it is new.
    ///
    /// # Errors
    /// An unknown session; another message under the same id.
    pub async fn say_as_agent(
        &self,
        chatbot: &Chatbot,
        id: SessionId,
        said: AgentMessage,
    ) -> Result<(Message, bool)> {
        let said = self.parts.store.say_as_agent(chatbot, id, said).await?;
        if said.taken {
            self.taken_over(&said.session);
        }
        Ok((said.message, said.is_new))
    }
}
