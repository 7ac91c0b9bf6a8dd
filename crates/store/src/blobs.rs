//! Large objects in a folder or in S3, by one set of paths: everything of a chatbot lies under one
//! folder, so that deleting it is deleting the folder.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart};
use okra_domain::error::Result;
use okra_domain::{ChatbotId, Error, ErrorKind, ItemId};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

/// The folder that holds all of a chatbot's blobs.
pub fn chatbot_folder(chatbot: ChatbotId) -> String {
    format!("chatbot/{chatbot}")
}

/// Where an item's uploaded file lies.
pub fn item_path(chatbot: ChatbotId, item: ItemId) -> String {
    format!("chatbot/{chatbot}/knowledge/{item}")
}

/// The folder of an item's texts: one at most, save for what a stopped worker left.
pub fn texts_folder(chatbot: ChatbotId, item: ItemId) -> String {
    format!("chatbot/{chatbot}/text/{item}")
}

/// Where an item's text lies as it was read, in Markdown. Each reading has a name of its own, so
/// that the old text stays until the database names the new one.
pub fn text_path(chatbot: ChatbotId, item: ItemId, file: Uuid) -> String {
    format!("{}/{file}.md", texts_folder(chatbot, item))
}

/// Where a chatbot's avatar lies; `file` is its file name, `<uuid>.jpg`.
pub fn avatar_path(chatbot: ChatbotId, file: &str) -> String {
    format!("chatbot/{chatbot}/avatar/{file}")
}

/// Where an image of a visitor's message lies; `file` is its file name, `<uuid>.jpg`.
pub fn attachment_path(chatbot: ChatbotId, file: &str) -> String {
    format!("chatbot/{chatbot}/attachments/{file}")
}

/// The bytes of one part of an upload to S3, which wants 5 MiB at least.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Blob storage. Clones share it.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// The same store where it is a folder, which has directories to be deleted.
    folder: Option<Arc<LocalFileSystem>>,
}

/// An object that is being read.
pub struct BlobStream {
    /// Bytes in all.
    pub size: u64,
    /// The bytes, in order.
    pub bytes: BoxStream<'static, Result<Bytes>>,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path.
    pub path: String,
    /// What tells this version of it from another.
    pub version: String,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes in all.
    pub size: u64,
    /// SHA-256 of them, in hex.
    pub sha256: String,
}

impl Blobs {
    /// Opens the storage at `file:///FOLDER`, or `s3://BUCKET/PREFIX` with the usual `AWS_…`
    /// environment variables.
    pub fn open(url: &str) -> Result<Self> {
        // Names and values that are no Unicode are none of AWS's.
        let variables = std::env::vars_os();
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::open_with(url, variables.filter_map(text))
    }

    /// Opens the storage with these variables in place of the environment's.
    pub fn open_with(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let invalid = |problem: String| {
            Error::invalid(format!("The storage URL (OKRA_STORAGE_URL) {problem}"))
        };
        let parsed = Url::parse(url).map_err(|error| invalid(format!("is not a URL: {error}")))?;
        match parsed.scheme() {
            "file" => {
                let folder = parsed
                    .to_file_path()
                    .map_err(|()| invalid("must name a folder, as in file:///srv/okra".into()))?;
                let doing = format!("cannot make the folder {}", folder.display());
                std::fs::create_dir_all(&folder).map_err(|error| Error::internal(doing, error))?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
                let store = Arc::new(store.with_automatic_cleanup(true));
                Ok(Self {
                    store: store.clone(),
                    folder: Some(store),
                })
            }
            "s3" => {
                let mut builder = AmazonS3Builder::new().with_url(url).with_retry(retry());
                for (name, value) in variables {
                    let key = name.to_ascii_lowercase();
                    // What is none of the client's settings is another program's.
                    if let (true, Ok(key)) = (name.starts_with("AWS_"), key.parse()) {
                        builder = builder.with_config(key, value);
                    }
                }
                let store = builder
                    .build()
                    .map_err(|error| invalid(format!("cannot be used: {error}")))?;
                let prefix = Path::from(parsed.path().trim_matches('/'));
                Ok(Self {
                    store: Arc::new(PrefixStore::new(store, prefix)),
                    folder: None,
                })
            }
            other => Err(invalid(format!(
                "must begin with file:// or s3://, not {other}://"
            ))),
        }
    }

    /// Whether the storage is a folder rather than S3.
    pub fn is_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// Begins an object that is written as it arrives. Until [`BlobWriter::finish`] nothing can be
    /// read at its path; a writer that is dropped leaves nothing there.
    pub async fn writer(&self, path: &str) -> Result<BlobWriter> {
        let upload = self.store.put_multipart(&Path::from(path)).await;
        let upload = WriteMultipart::new_with_chunk_size(upload.map_err(failed)?, PART_BYTES);
        Ok(BlobWriter {
            upload: Upload(Some(upload)),
            hasher: Sha256::new(),
            size: 0,
        })
    }

    /// Stores a small object whole.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let put = self.store.put(&Path::from(path), bytes.into()).await;
        put.map(|_| ()).map_err(failed)
    }

    /// Reads an object whole; `None` where there is none.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        match self.store.get(&Path::from(path)).await {
            Ok(object) => object.bytes().await.map(Some).map_err(failed),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads an object piece by piece; `None` where there is none.
    pub async fn stream(&self, path: &str) -> Result<Option<BlobStream>> {
        match self.store.get(&Path::from(path)).await {
            Ok(object) => Ok(Some(BlobStream {
                size: object.meta.size,
                bytes: object.into_stream().map_err(failed).boxed(),
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Copies an object; fails as not found where there is none at `from`.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        match self.store.copy(&Path::from(from), &Path::from(to)).await {
            Ok(()) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => Err(Error::not_found("stored file")),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether there is an object at `path`.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.store.head(&Path::from(path)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes the object at `path`, or every object in that folder. What is gone already is fine.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let path = Path::from(path);
        if let Some(folder) = &self.folder {
            // With the directory goes what a list does not show: uploads that a killed server left
            // unfinished.
            let place = folder.path_to_filesystem(&path).map_err(failed)?;
            match tokio::fs::remove_dir_all(place).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let below = self.store.list(Some(&path));
        let below = below.map_ok(|object| object.location);
        let mut locations: Vec<Path> = below.try_collect().await.map_err(failed)?;
        if locations.is_empty() {
            locations.push(path);
        }
        let locations = futures_util::stream::iter(locations).map(Ok).boxed();
        let mut deleted = self.store.delete_stream(locations);
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// The objects that there are, `limit` at most.
    pub async fn list(&self, limit: usize) -> Result<Vec<Listed>> {
        let listed = self.store.list(None).take(limit).map_ok(|object| Listed {
            path: object.location.to_string(),
            version: object.e_tag.unwrap_or_else(|| {
                format!(
                    "{}-{}",
                    object.size,
                    object.last_modified.timestamp_micros()
                )
            }),
        });
        listed.try_collect().await.map_err(failed)
    }

    /// Reads an object that [`Blobs::list`] named, whatever characters its name has; `None` where it
    /// is gone. Fails as unprocessable where it is longer than `limit` bytes.
    pub async fn read_listed(&self, path: &str, limit: u64) -> Result<Option<Bytes>> {
        let Ok(path) = Path::parse(path) else {
            return Ok(None);
        };
        match self.store.get(&path).await {
            Ok(object) if object.meta.size > limit => {
                let message = format!("The file is larger than {} MB.", limit / (1024 * 1024));
                Err(Error::new(ErrorKind::Unprocessable, message))
            }
            Ok(object) => object.bytes().await.map(Some).map_err(failed),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether the storage answers.
    pub async fn check(&self) -> Result<()> {
        self.exists("readiness").await.map(|_| ())
    }
}

/// The client's own patience is three minutes; someone waits for the answer here, and jobs have
/// retries of their own.
fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(20),
        ..RetryConfig::default()
    }
}

/// An object being written.
pub struct BlobWriter {
    upload: Upload,
    hasher: Sha256,
    size: u64,
}

impl BlobWriter {
    /// Takes the next bytes; waits while too many parts are on their way.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.hasher.update(&bytes);
        self.size += bytes.len() as u64;
        let Some(upload) = &mut self.upload.0 else {
            return Ok(()); // Taken only by the two below, which take the writer too.
        };
        upload.put(bytes);
        upload.wait_for_capacity(4).await.map_err(failed)
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the object readable.
    pub async fn finish(mut self) -> Result<Written> {
        if let Some(upload) = self.upload.0.take() {
            upload.finish().await.map_err(failed)?;
        }
        Ok(Written {
            size: self.size,
            sha256: hex::encode(self.hasher.finalize()),
        })
    }

    /// Drops what was written, and waits until it is gone.
    pub async fn abort(mut self) -> Result<()> {
        match self.upload.0.take() {
            Some(upload) => upload.abort().await.map_err(failed),
            None => Ok(()),
        }
    }
}

/// An upload that is aborted when it is dropped: parts that S3 holds without an object are paid for
/// and never seen. Apart from [`BlobWriter`], so that that one can be taken to pieces.
struct Upload(Option<WriteMultipart>);

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(upload) = self.0.take() else {
            return;
        };
        // Outside a runtime nothing can be sent; that is only at the very end of the process.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "an unfinished upload was not aborted");
                }
            });
        }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "The file storage does not answer; try again shortly.",
    )
    .caused_by(error)
}
