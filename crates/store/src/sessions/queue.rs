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

use super::{OpenTurn, Write};
use crate::db::Db;

/// Writes of one transaction at most: bounds how long it keeps other writers waiting.
const MOST: usize = 64;

/// The writes that wait. Shared by the clones of a store.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one transaction under way.
    writing: tokio::sync::Mutex<()>,
}

struct Waiting {
    write: Write,
    reply: oneshot::Sender<Result<Option<OpenTurn>>>,
}

impl Queue {
    /// Makes a write durable; gives what [`Write::apply`] gave. Once asked for it is made, even if
    /// whoever asked stops waiting.
    pub(super) async fn write(self: &Arc<Self>, db: &Db, write: Write) -> Result<Option<OpenTurn>> {
        if db.is_postgres() {
            return alone(db, &write).await;
        }
        let (reply, answer) = oneshot::channel();
        self.lock().push(Waiting { write, reply });
        let (queue, db) = (self.clone(), db.clone());
        // A task of its own: the writes of others must not end with the request that happened to
        // carry them.
        tokio::spawn(async move { queue.write_some(&db).await });
        let lost = |error| Error::internal("a turn was not written", error);
        answer.await.map_err(lost)?
    }

    /// Makes the writes that wait by now; none where an earlier call took them along.
    async fn write_some(&self, db: &Db) {
        let _writing = self.writing.lock().await;
        let some: Vec<Waiting> = {
            let mut waiting = self.lock();
            let count = waiting.len().min(MOST);
            waiting.drain(..count).collect()
        };
        let together = match some.len() {
            0 | 1 => None,
            // Where it fails, one of them cannot be made. Nothing is written then, and each is
            // tried alone, so that the error reaches the one whose it is.
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

    /// A poisoned lock guards a list that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn together(db: &Db, some: &[Waiting]) -> Result<Vec<Option<OpenTurn>>> {
    let mut tx = db.begin().await?;
    let mut results = Vec::with_capacity(some.len());
    for waiting in some {
        results.push(waiting.write.apply(&mut tx).await?);
    }
    tx.commit().await?;
    Ok(results)
}

async fn alone(db: &Db, write: &Write) -> Result<Option<OpenTurn>> {
    let mut tx = db.begin().await?;
    let result = write.apply(&mut tx).await?;
    tx.commit().await?;
    Ok(result)
}
