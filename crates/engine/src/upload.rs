//! Receiving a file: stream it to blob storage while hashing it, recognise its format by its first
//! bytes, and make the item that a job will read.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, Source};
use okra_domain::{Error, ErrorKind};
use okra_extract::Format;
use okra_store::blobs::{self, BlobWriter, Blobs};
use okra_store::crash::{self, Point};
use okra_store::knowledge::Added;

use crate::Engine;

/// Bytes looked at to recognise a format.
const HEAD_BYTES: usize = 8 * 1024;

/// A file in blob storage that no item names yet. Dropped without being added, its blob is deleted.
pub struct ReceivedFile {
    item: Item,
    blob: Option<PendingBlob>,
}

/// A file from outside that lies in blob storage.
pub(crate) struct StoredFile {
    /// Its own name, without folders.
    pub(crate) file_name: String,
    /// Its media type, from its content.
    pub(crate) media_type: &'static str,
    /// Bytes in all.
    pub(crate) size: u64,
    /// SHA-256 of them, in hex.
    pub(crate) sha256: String,
}

struct PendingBlob {
    blobs: Blobs,
    path: String,
}

impl Drop for ReceivedFile {
    fn drop(&mut self) {
        let Some(PendingBlob { blobs, path }) = self.blob.take() else {
            return;
        };
        // Outside a runtime nothing can be deleted; that is only at the very end of the process.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = blobs.delete(&path).await {
                    tracing::warn!(%error, path, "an unused upload was not deleted");
                }
            });
        }
    }
}

impl Engine {
    /// Receives one file for `chatbot`. Fails where its name is missing, its format is not
    /// readable or is not what the name says, it is empty, or it is larger than `max_bytes`.
    pub async fn receive_file<S>(
        &self,
        chatbot: &Chatbot,
        file_name: &str,
        max_bytes: u64,
        content: S,
    ) -> Result<ReceivedFile>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let now = self.parts.store.clock().now();
        let source = Source::File {
            file_name: base_name(file_name)?,
            media_type: String::new(),
            sha256: String::new(),
        };
        let mut item = Item::new(chatbot.id, None, source, now)?;
        let path = blobs::item_path(chatbot.id, item.id);
        let stored = self
            .store_file(&path, file_name, max_bytes, content)
            .await?;
        item.size_bytes = i64::try_from(stored.size).unwrap_or(i64::MAX);
        item.source = Source::File {
            file_name: stored.file_name,
            media_type: stored.media_type.to_owned(),
            sha256: stored.sha256,
        };
        Ok(ReceivedFile {
            item,
            blob: Some(PendingBlob {
                blobs: self.parts.store.blobs().clone(),
                path,
            }),
        })
    }

    /// Stores a file from outside at `path`, under the rules of [`Engine::receive_file`]; where it
    /// breaks one, nothing is stored.
    pub(crate) async fn store_file<S>(
        &self,
        path: &str,
        file_name: &str,
        max_bytes: u64,
        content: S,
    ) -> Result<StoredFile>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        // A file shorter than the head is asked for more after its end, which some streams panic at.
        let mut content = content.fuse();
        let file_name = base_name(file_name)?;
        let mut head = BytesMut::new();
        while head.len() < HEAD_BYTES {
            match content.next().await {
                Some(bytes) => head.extend_from_slice(&bytes?),
                None => break,
            }
        }
        if head.is_empty() {
            let message = format!("The file \"{file_name}\" is empty.");
            return Err(Error::new(ErrorKind::Unprocessable, message));
        }
        let format = Format::detect(&file_name, &head)
            .map_err(|error| Error::new(ErrorKind::UnsupportedType, error.to_string()))?;
        let mut writer = self.parts.store.blobs().writer(path).await?;
        let copied = copy(&mut writer, head.freeze(), content, max_bytes, &file_name).await;
        if let Err(error) = copied {
            writer.abort().await?;
            return Err(error);
        }
        let written = writer.finish().await?;
        Ok(StoredFile {
            file_name,
            media_type: format.media_type(),
            size: written.size,
            sha256: written.sha256,
        })
    }

    /// Adds received files to the chatbot's knowledge, all or none. Bytes that the chatbot already
    /// holds are recognised, and their second copy is deleted.
    pub async fn add_files(
        &self,
        chatbot: &Chatbot,
        mut files: Vec<ReceivedFile>,
    ) -> Result<Vec<Added>> {
        let items = files.iter().map(|file| file.item.clone()).collect();
        crash::pass(Point::UploadStored);
        let added = self.parts.store.add_items(chatbot, items).await?;
        crash::pass(Point::UploadAdded);
        for (file, added) in files.iter_mut().zip(&added) {
            if matches!(added, Added::New(_)) {
                file.blob = None;
            }
        }
        self.wake_workers();
        Ok(added)
    }
}

async fn copy<S>(
    writer: &mut BlobWriter,
    head: Bytes,
    mut content: S,
    max_bytes: u64,
    file_name: &str,
) -> Result<()>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let mut next = Some(Ok(head));
    while let Some(bytes) = next {
        let bytes = bytes?;
        if writer.size() + bytes.len() as u64 > max_bytes {
            let limit = max_bytes / (1024 * 1024);
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("The file \"{file_name}\" is larger than {limit} MB."),
            ));
        }
        writer.write(bytes).await?;
        next = content.next().await;
    }
    Ok(())
}

/// The file's own name, whatever folders a client wrote before it.
fn base_name(file_name: &str) -> Result<String> {
    let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::invalid_field(
            "files",
            "every file needs a file name",
        ));
    }
    if name.chars().count() > okra_domain::knowledge::MAX_TITLE_CHARS {
        let problem = "a file name may have 300 characters at most";
        return Err(Error::invalid_field("files", problem));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_own_name_is_kept() {
        let check = |name, expected: &str| assert_eq!(base_name(name).expect("valid"), expected);
        check("a.pdf", "a.pdf");
        check("../../etc/a.pdf", "a.pdf");
        check("C:\\Users\\a b.pdf", "a b.pdf");
        check("보고서\u{0}.txt", "보고서.txt");
        assert!(base_name("dir/").is_err());
        assert!(base_name(&"x".repeat(301)).is_err());
    }
}
