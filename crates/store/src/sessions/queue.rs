//! The writes of turns, many in one transaction where many wait at the same time.
//!
//! SQLite runs one writing transaction after another, and beginning and ending one takes as long as
//! what a turn writes in it. So whatever came while a transaction ran shares the next. Nobody is
//! answered before the commit. Postgres runs transactions side by side; there each write has its
//! own, since in a shared one sessions would wait for each other's rows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_domain::Error;
use okra_domain::error::Result;
use tokio::sync::oneshot;

use super::OpenTurn;
use super::write::{self, Write};
use crate::db::Db;

/// Writes of one transaction at most: bounds how long it keeps other writers waiting.
const MOST: usize = 64;

/// The writes that wait. Shared by the clones of a store.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Whether a task is making them.
    writing: bool,
}

struct Waiting {
    write: Write,
    reply: oneshot::Sender<Result<OpenTurn>>,
}

impl Queue {
    /// Makes a write durable; gives what [`write::apply`] gave. Once asked for it is made, even if
    /// whoever asked stops waiting.
    pub(super) async fn write(self: &Arc<Self>, db: &Db, write: Write) -> Result<OpenTurn> {
        if db.is_postgres() {
            return alone(db, &write).await;
        }
        let (reply, answer) = oneshot::channel();
        let writing = {
            let mut state = self.lock();
            state.waiting.push(Waiting { write, reply });
            std::mem::replace(&mut state.writing, true)
        };
        if !writing {
            // A task of its own: the writes of others must not end with the request that happened
            // to come first.
            let writer = Writer {
                queue: self.clone(),
                ended: false,
            };
            let db = db.clone();
            tokio::spawn(async move { writer.run(&db).await });
        }
        let lost = |error| Error::internal("a turn was not written", error);
        answer.await.map_err(lost)?
    }

    /// A poisoned lock guards a list that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that makes the writes of a queue; there is at most one.
struct Writer {
    queue: Arc<Queue>,
    /// Whether it has made way for the next one.
    ended: bool,
}

impl Writer {
    /// Makes writes until none waits.
    async fn run(mut self, db: &Db) {
        loop {
            // Whoever is about to write joins this transaction; where nobody is, this costs nothing.
            tokio::task::yield_now().await;
            let some: Vec<Waiting> = {
                let mut state = self.queue.lock();
                let count = state.waiting.len().min(MOST);
                if count == 0 {
                    state.writing = false;
                    self.ended = true;
                    return;
                }
                state.waiting.drain(..count).collect()
            };
            write_some(db, some).await;
        }
    }
}

impl Drop for Writer {
    /// Where the task ends before its work (a panic, the runtime's end), those who wait learn of it
    /// by their replies, which are dropped, and the next write begins anew.
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.queue.lock();
            state.writing = false;
            state.waiting.clear();
        }
    }
}

async fn write_some(db: &Db, some: Vec<Waiting>) {
    let together = match some.len() {
        1 => None,
        // Where it fails, one of them cannot be made. Nothing is written then, and each is tried
        // alone, so that the error reaches the one whose it is.
        _ => together(db, &some).await.ok(),
    };
    let mut results = together.into_iter().flatten();
    for Waiting { write, reply } in some {
        let result = match results.next() {
            Some(result) => Ok(result),
            None => alone(db, &write).await,
        };
        // Who stopped waiting needs no answer.
        let _ = reply.send(result);
    }
}

async fn together(db: &Db, some: &[Waiting]) -> Result<Vec<OpenTurn>> {
    let writes: Vec<&Write> = some.iter().map(|waiting| &waiting.write).collect();
    let mut tx = db.begin().await?;
    let results = match write::go_together(&writes) {
        true => write::apply(&mut tx, &writes).await?,
        false => {
            let mut results = Vec::with_capacity(writes.len());
            for one in writes {
                results.append(&mut write::apply(&mut tx, &[one]).await?);
            }
            results
        }
    };
    tx.commit().await?;
    Ok(results)
}

async fn alone(db: &Db, write: &Write) -> Result<OpenTurn> {
    let mut tx = db.begin().await?;
    let results = write::apply(&mut tx, &[write]).await?;
    tx.commit().await?;
    let none = || Error::internal("a turn was not written", "no session came of it");
    results.into_iter().next().ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use okra_domain::session::{AnswerFacts, Message, SenderType};
    use okra_domain::{MessageId, SessionId, Timestamp};
    use serde_json::Map;

    use super::*;
    use crate::webhooks::Teller;

    fn write() -> Write {
        Write::Finish {
            teller: Teller::of_nobody(),
            answer: Message {
                id: MessageId::new(),
                session_id: SessionId::new(),
                sender_type: SenderType::Bot,
                content: "It is open.".to_owned(),
                attachments: None,
                metadata: Map::new(),
                model: None,
                provider: None,
                tokens_used: 0,
                feedback: None,
                created_at: Timestamp(0),
            },
            facts: AnswerFacts::default(),
            spending: None,
        }
    }

    #[test]
    fn a_writer_that_stops_leaves_nobody_waiting_and_makes_way() {
        let queue = Arc::new(Queue::default());
        let (reply, mut answer) = oneshot::channel();
        queue.lock().waiting.push(Waiting {
            write: write(),
            reply,
        });
        queue.lock().writing = true;
        let writer = |ended| Writer {
            queue: queue.clone(),
            ended,
        };
        drop(writer(false));
        let lost = answer.try_recv();
        assert!(matches!(lost, Err(oneshot::error::TryRecvError::Closed)));
        assert!(!queue.lock().writing);

        // One that had made way says nothing of the next one's work.
        let (reply, mut answer) = oneshot::channel();
        queue.lock().waiting.push(Waiting {
            write: write(),
            reply,
        });
        queue.lock().writing = true;
        drop(writer(true));
        let waits = answer.try_recv();
        assert!(matches!(waits, Err(oneshot::error::TryRecvError::Empty)));
        assert!(queue.lock().writing);
    }
}
