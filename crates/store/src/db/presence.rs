//! Whether any other process has a SQLite database open, told by a lock on a file beside it. Used
//! by [`Db::connect`](super::Db::connect).
//!
//! A killed process cannot give its jobs back. Their leases run out by themselves, yet whoever
//! starts the server again should not wait for that. Every process that has the database open holds
//! a shared lock, which the system takes back however the process ends; who gets the lock for
//! itself alone therefore knows that every lease in the database is a dead process's.
//!
//! Rejected: a lock file for each process, named in its leases. It would also tell the dead from
//! the living where `okra ingest` outlives a killed server, at the price of a column, a folder and
//! its sweeping; there the leases simply run out, as they do on Postgres.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use okra_domain::Error;
use okra_domain::error::Result;

/// This process's presence at a database, until it is dropped.
pub(crate) struct Presence {
    /// `None` where the file system has no locks: leases then run out.
    file: Option<File>,
    alone: AtomicBool,
}

impl Presence {
    /// Comes to the database at `path`. Waits for a process that is just opening it alone, so that
    /// two never make its tables at once.
    pub(crate) async fn come(path: &Path) -> Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let doing = format!("cannot open the database {}", path.display());
        let coming = tokio::task::spawn_blocking(move || lock(Path::new(&beside))).await;
        let come = coming.map_err(io::Error::other).and_then(|come| come);
        come.map_err(|error| Error::internal(doing, error))
    }

    /// Whether nobody else has the database open, nor can open it before
    /// [`let_others_in`](Self::let_others_in).
    pub(crate) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::SeqCst)
    }

    /// Ends the time alone, where it was that.
    pub(crate) async fn let_others_in(self: &Arc<Self>) -> Result<()> {
        let here = self.clone();
        let sharing = tokio::task::spawn_blocking(move || match &here.file {
            Some(file) if here.alone.swap(false, Ordering::SeqCst) => {
                // Another may be alone here for a moment between the two. It finds no lease of
                // ours to void, since none is taken before this returns.
                file.unlock()?;
                file.lock_shared()
            }
            _ => Ok(()),
        });
        let shared = sharing
            .await
            .map_err(io::Error::other)
            .and_then(|done| done);
        shared.map_err(|error| Error::internal("cannot share the database's lock", error))
    }
}

fn lock(path: &Path) -> io::Result<Presence> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Presence {
            file: Some(file),
            alone: AtomicBool::new(true),
        }),
        Err(TryLockError::WouldBlock) => {
            file.lock_shared()?;
            Ok(Presence {
                file: Some(file),
                alone: AtomicBool::new(false),
            })
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, path = %path.display(), "no lock on this file system; jobs of a killed server wait until their leases run out");
            Ok(Presence {
                file: None,
                alone: AtomicBool::new(false),
            })
        }
    }
}
