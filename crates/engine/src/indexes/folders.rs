//! Where large indexes are kept between starts: a folder for each chatbot, all of which may be deleted
//! at any time.
//!
//! Several processes may have the same data folder open, as commands do beside a server. Whoever locks
//! the folder first writes; the others only read.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use okra_domain::ChatbotId;
use okra_search::Index;

use super::Snapshot;

/// See the module.
pub(super) struct Folders {
    root: PathBuf,
    /// Held as long as this process writes; none where another one does.
    writer: Option<File>,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        let writer = match locked(&root) {
            Ok(writer) => writer,
            Err(error) => {
                let root = root.display();
                tracing::warn!(%error, "indexes are not kept in {root}; each start builds them anew");
                None
            }
        };
        Self { root, writer }
    }

    /// The folder of a chatbot's index, where this process may write.
    pub(super) fn writable(&self, chatbot: ChatbotId) -> Option<PathBuf> {
        self.writer.as_ref().map(|_| self.folder(chatbot))
    }

    /// The index that was saved, if its vectors lie in `space`.
    pub(super) async fn open(&self, chatbot: ChatbotId, space: &str) -> Option<Snapshot> {
        let folder = self.folder(chatbot);
        let opened = tokio::task::spawn_blocking(move || Index::open(&folder, chatbot.0));
        let opened = opened.await.map_err(io::Error::other);
        match opened.and_then(|opened| opened) {
            Ok(Some((index, stamp))) if stamp.space == space => Some(Snapshot {
                index,
                space: stamp.space,
                version: stamp.version,
            }),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, %chatbot, "a saved index is not used; it is built anew");
                self.remove(chatbot).await;
                None
            }
        }
    }

    /// Deletes a chatbot's index, where this process may write.
    pub(super) async fn remove(&self, chatbot: ChatbotId) {
        let Some(folder) = self.writable(chatbot) else {
            return;
        };
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(folder)).await;
        match removed
            .map_err(io::Error::other)
            .and_then(|removed| removed)
        {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, %chatbot, "a saved index was not deleted");
            }
            _ => {}
        }
    }

    fn folder(&self, chatbot: ChatbotId) -> PathBuf {
        self.root.join(chatbot.to_string())
    }
}

fn locked(root: &PathBuf) -> io::Result<Option<File>> {
    fs::create_dir_all(root)?;
    let file = File::create(root.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
