//! The other servers over the same Postgres database: what changes here is announced to them, and
//! what they announce is told here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::{Error, OrganizationId};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{OnceCell, mpsc};
use uuid::Uuid;

use super::{Change, Events};
use crate::db::Db;

/// The name under which servers notify each other.
const CHANNEL: &str = "okra_events";
/// Changes that may wait to be announced.
const WAITING: usize = 8_192;
/// Changes of one announcement: Postgres takes 8,000 bytes, and one is 200 at most.
const TOGETHER: usize = 36;
/// How long changes that nobody waits for are gathered before they are announced: a few
/// notifications a second are next to nothing, a few thousand are not.
const GATHER: Duration = Duration::from_millis(50);
/// How long until a lost database is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The way to the other servers.
pub(super) struct Neighbours {
    /// Names this server, which need not be told of its own changes.
    me: Uuid,
    pool: PgPool,
    waiting: mpsc::Sender<(OrganizationId, Change)>,
    /// Whether a change was not announced.
    missed: Arc<AtomicBool>,
    listening: OnceCell<()>,
}

/// The task that announces.
pub(super) struct Announcements {
    me: Uuid,
    pool: PgPool,
    waiting: mpsc::Receiver<(OrganizationId, Change)>,
    missed: Arc<AtomicBool>,
}

#[derive(Serialize, Deserialize)]
struct Announcement {
    from: Uuid,
    /// Whether there was more than is told here.
    missed: bool,
    told: Vec<(OrganizationId, Change)>,
}

impl Neighbours {
    /// `None` over SQLite, which one server has for itself.
    pub(super) fn over(db: &Db) -> Option<(Self, Announcements)> {
        let Db::Postgres(pool) = db else {
            return None;
        };
        let (sender, waiting) = mpsc::channel(WAITING);
        let neighbours = Self {
            me: Uuid::new_v4(),
            pool: pool.clone(),
            waiting: sender,
            missed: Arc::default(),
            listening: OnceCell::new(),
        };
        let announcements = Announcements {
            me: neighbours.me,
            pool: pool.clone(),
            waiting,
            missed: neighbours.missed.clone(),
        };
        Some((neighbours, announcements))
    }

    /// Leaves a change to be announced.
    pub(super) fn announce(&self, organization: OrganizationId, change: Change) {
        if self.waiting.try_send((organization, change)).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Begins to listen, where that was not done; once this returns nothing is missed.
    pub(super) async fn listen(&self, events: &Arc<Events>) -> Result<()> {
        let begin = || async {
            let listener = listener(&self.pool).await.map_err(|error| {
                Error::internal(
                    "cannot listen to the other servers over this database",
                    error,
                )
            })?;
            let (me, pool) = (self.me, self.pool.clone());
            tokio::spawn(hear(me, pool, listener, Arc::downgrade(events)));
            Ok(())
        };
        self.listening.get_or_try_init(begin).await.map(|_| ())
    }
}

impl Announcements {
    /// Announces until the store is gone.
    pub(super) async fn run(mut self) {
        loop {
            let mut told = Vec::with_capacity(TOGETHER);
            if self.waiting.recv_many(&mut told, TOGETHER).await == 0 {
                return;
            }
            if told.len() < TOGETHER && !told.iter().any(|(_, change)| change.is_urgent()) {
                tokio::time::sleep(GATHER).await;
                while told.len() < TOGETHER
                    && let Ok(more) = self.waiting.try_recv()
                {
                    told.push(more);
                }
            }
            let missed = self.missed.swap(false, Ordering::Relaxed);
            let announcement = Announcement {
                from: self.me,
                missed,
                told,
            };
            // What waits meanwhile is bounded, and what finds no room is told as missed.
            while let Err(error) = self.send(&announcement).await {
                if matches!(error, sqlx::Error::PoolClosed) {
                    return;
                }
                tracing::warn!(%error, "the other servers are not told of changes; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn send(&self, announcement: &Announcement) -> std::result::Result<(), sqlx::Error> {
        let text = serde_json::to_string(announcement)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
        let sql = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(text);
        sql.execute(&self.pool).await.map(|_| ())
    }
}

async fn listener(pool: &PgPool) -> std::result::Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Tells what others announce, until the store is gone.
async fn hear(me: Uuid, pool: PgPool, mut listener: PgListener, events: Weak<Events>) {
    loop {
        let heard = listener.try_recv().await;
        let Some(events) = events.upgrade() else {
            return;
        };
        match heard {
            Ok(Some(heard)) => match serde_json::from_str::<Announcement>(heard.payload()) {
                Ok(heard) if heard.from == me => {}
                Ok(heard) => {
                    for (organization, change) in heard.told {
                        events.tell_here(organization, change);
                    }
                    if heard.missed {
                        events.resync_all();
                    }
                }
                // A server of another version speaks of what this one does not know.
                Err(error) => {
                    tracing::warn!(%error, "another server's announcement was not understood");
                    events.resync_all();
                }
            },
            // The connection was lost and is there again.
            Ok(None) => events.resync_all(),
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "the other servers cannot be heard; trying again");
                match again(&pool).await {
                    Some(new) => listener = new,
                    None => return,
                }
                events.resync_all();
            }
        }
    }
}

/// A new listener as soon as the database answers; `None` once the store is closed.
async fn again(pool: &PgPool) -> Option<PgListener> {
    loop {
        tokio::time::sleep(PAUSE).await;
        match listener(pool).await {
            Ok(listener) => return Some(listener),
            Err(sqlx::Error::PoolClosed) => return None,
            Err(error) => tracing::debug!(%error, "the database does not answer yet"),
        }
    }
}
