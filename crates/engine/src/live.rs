//! Turns that outlive the connection they were asked over.
//!
//! A visitor's connection drops in a tunnel; the answer goes on, and whoever comes back reads on
//! where the connection broke. Each live turn keeps its events from the first on, so any number of
//! readers can follow from any place. A turn that nobody follows for [`Options::abandon_after`] is
//! cancelled, as a closed tab's would be. What is over stays for [`KEEP`]; after that the stored
//! message is what there is.
//!
//! Live turns are this process's own: where several serve one database, a visitor has to reach the
//! same one again to read on, and reads the stored answer otherwise.
//!
//! [`Options::abandon_after`]: crate::Options::abandon_after

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::Session;
use okra_domain::{MessageId, SessionId};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::chat::{Turn, TurnEvent, TurnRequest};

/// How long a finished turn's events are kept for who comes back.
const KEEP: Duration = Duration::from_secs(60);

/// The live turns by the ids of their answers. A cell is empty while its turn is being opened, so
/// that of two equal requests the second waits for the first.
#[derive(Default)]
pub(crate) struct LiveTurns(Mutex<HashMap<MessageId, Arc<OnceCell<Arc<LiveTurn>>>>>);

impl LiveTurns {
    /// A poisoned lock guards a map that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, Arc<OnceCell<Arc<LiveTurn>>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, answer: MessageId) {
        self.lock().remove(&answer);
    }
}

/// A turn with all its events so far.
pub struct LiveTurn {
    /// The session it belongs to.
    pub session: Session,
    /// The id that the answer will have.
    pub message_id: MessageId,
    events: Mutex<Vec<Arc<TurnEvent>>>,
    /// How many events there are; its receivers are the readers.
    count: watch::Sender<usize>,
    stop: CancellationToken,
    cut_off: CancellationToken,
}

impl LiveTurn {
    /// Follows the turn from its event number `after` (from 1) on; 0 follows it from the start. Events that have not
    /// happened yet were read by nobody: whoever names one follows from the latest.
    pub fn follow(self: &Arc<Self>, after: usize) -> Follower {
        Follower {
            count: self.count.subscribe(),
            turn: self.clone(),
            next: after.min(self.lock().len()),
        }
    }

    /// Stops the model's call: the turn ends with what was written so far.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether its last event has happened.
    pub fn is_over(&self) -> bool {
        self.lock().last().is_some_and(|event| event.is_last())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<TurnEvent>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: TurnEvent) {
        let count = {
            let mut events = self.lock();
            events.push(Arc::new(event));
            events.len()
        };
        self.count.send_replace(count);
    }
}

/// One reader of a live turn. The turn counts its readers: dropping the last one leaves it
/// abandoned.
pub struct Follower {
    /// The turn that is followed.
    pub turn: Arc<LiveTurn>,
    count: watch::Receiver<usize>,
    next: usize,
}

impl Follower {
    /// The next event with its number (from 1); `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Arc<TurnEvent>)> {
        loop {
            let wanted = self.next;
            if self.is_at_end() {
                return None;
            }
            // The sender lives in the turn that we hold, so waiting cannot fail before an event comes.
            self.count.wait_for(|count| *count > wanted).await.ok()?;
            let event = self.turn.lock().get(wanted).cloned()?;
            self.next = wanted + 1;
            // What was not delivered when a person took over is delivered to nobody.
            if event.is_last() || !self.turn.cut_off.is_cancelled() {
                return Some((wanted + 1, event));
            }
        }
    }

    /// Whether the last event was read.
    pub fn is_at_end(&self) -> bool {
        let count = self.turn.lock().len();
        self.next >= count && self.turn.is_over()
    }
}

impl Engine {
    /// Begins a turn that outlives its reader. Where the turn whose answer has the id
    /// `request.answer_id` is live already, it is that one: a request that is sent again asks
    /// nothing twice.
    pub async fn begin_live_turn(
        self: &Arc<Self>,
        chatbot: &Chatbot,
        mut request: TurnRequest,
    ) -> Result<Follower> {
        let answer = *request.answer_id.get_or_insert_with(MessageId::new);
        let cell = self.live.lock().entry(answer).or_default().clone();
        let mut first = None;
        let begun = cell.get_or_try_init(|| async {
            let turn = self.begin_turn(chatbot, request).await?;
            let follower = self.keep_alive(turn);
            let turn = follower.turn.clone();
            first = Some(follower);
            Ok(turn)
        });
        let begun = begun.await.cloned();
        if begun.is_err() && cell.get().is_none() {
            self.live.forget(answer);
        }
        begun.map(|turn| first.unwrap_or_else(|| turn.follow(0)))
    }

    /// The live turn whose answer has this id.
    pub fn live_turn(&self, answer: MessageId) -> Option<Arc<LiveTurn>> {
        self.live.lock().get(&answer)?.get().cloned()
    }

    /// The turn that is answering in a session just now.
    pub fn live_turn_in(&self, session: SessionId) -> Option<Arc<LiveTurn>> {
        let live = self.live.lock();
        let mut turns = live.values().filter_map(|cell| cell.get());
        turns
            .find(|turn| turn.session.id == session && !turn.is_over())
            .cloned()
    }

    /// Reads the turn to its end on its own; gives its first reader.
    fn keep_alive(self: &Arc<Self>, mut turn: Turn) -> Follower {
        let live = Arc::new(LiveTurn {
            session: turn.session.clone(),
            message_id: turn.message_id,
            events: Mutex::default(),
            count: watch::Sender::new(0),
            stop: turn.canceller(),
            cut_off: turn.cut_off(),
        });
        let follower = live.follow(0);
        let (kept, engine) = (live, self.clone());
        let patience = self.parts.options.abandon_after;
        tokio::spawn(async move {
            let abandoned = abandoned(&kept.count, patience);
            tokio::pin!(abandoned);
            loop {
                tokio::select! {
                    event = turn.next() => match event {
                        Some(event) => kept.push(event),
                        None => break,
                    },
                    () = &mut abandoned, if !kept.stop.is_cancelled() => kept.stop(),
                }
            }
            tokio::time::sleep(KEEP).await;
            engine.live.forget(kept.message_id);
        });
        follower
    }
}

/// Ends when there was no reader for `patience`.
async fn abandoned(readers: &watch::Sender<usize>, patience: Duration) {
    loop {
        readers.closed().await;
        tokio::time::sleep(patience).await;
        if readers.receiver_count() == 0 {
            return;
        }
    }
}
