//! Copying SQLite's write-ahead log into the database beside the writes, not between them.
//!
//! Left to itself, SQLite lets whoever commits past a thousand pages copy them and wait for the disk while
//! every other writer queues: at many turns a second that was a fifth of the time. Here a connection of its
//! own copies, while writers go on. Since a log that is written to without a pause never ends, one that grew
//! long is brought to its end between two writes, which by then means copying little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::SqlitePool;

/// How long after a write its log is copied: many writes share the wait for the disk.
const PAUSE: Duration = Duration::from_millis(500);
/// Pages from which on a log is brought to its end: 32 MB, read again at a start after a kill.
const MOST_PAGES: i64 = 8_192;

/// Copies the log of one database.
pub(crate) struct Checkpoints {
    /// One connection, so that there is one copying at a time: a second one fails as busy.
    own: SqlitePool,
    write: SqlitePool,
    /// Whether one is to come.
    due: AtomicBool,
}

impl Checkpoints {
    pub(crate) fn new(own: SqlitePool, write: SqlitePool) -> Self {
        Self {
            own,
            write,
            due: AtomicBool::new(false),
        }
    }

    /// Something was written: sees to it that it is copied.
    pub(crate) fn note_write(self: &Arc<Self>) {
        // The load alone keeps most writes from taking the cache line for themselves.
        if self.due.load(Ordering::Relaxed) || self.due.swap(true, Ordering::AcqRel) {
            return;
        }
        let here = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            // Before the copying: what is written meanwhile makes another one due.
            here.due.store(false, Ordering::Release);
            match here.copy().await {
                // The last one to close copies what is left.
                Ok(()) | Err(sqlx::Error::PoolClosed) => {}
                Err(error) => tracing::warn!(
                    %error,
                    "the database's write-ahead log was not copied; it grows until that succeeds"
                ),
            }
        });
    }

    pub(super) async fn copy(&self) -> sqlx::Result<()> {
        let mut own = self.own.acquire().await?;
        let passive = "PRAGMA wal_checkpoint(PASSIVE)";
        let (_, pages, _): (i64, i64, i64) = sqlx::query_as(passive).fetch_one(&mut *own).await?;
        if pages > MOST_PAGES {
            // In the writers' queue, so that none of them finds the database locked.
            let restart = "PRAGMA wal_checkpoint(RESTART)";
            sqlx::query(restart).execute(&self.write).await?;
        }
        Ok(())
    }

    /// Copies everything, and empties the log.
    pub(crate) async fn truncate(&self) -> sqlx::Result<()> {
        let mut own = self.own.acquire().await?;
        let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
        sqlx::query(truncate).execute(&mut *own).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.own.close().await;
    }
}
