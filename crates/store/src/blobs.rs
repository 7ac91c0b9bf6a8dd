//! Large objects in a folder or in S3, by one set of paths: everything of a chatbot lies under one
//! folder, so that deleting it is deleting the folder.

use std::ffi::OsString;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use okra_domain::error::Result;
use okra_domain::{ChatbotId, Error, ErrorKind, ItemId};
use sha2::{Digest, Sha256};
use url::Url;

/// The folder that holds all of a chatbot's blobs.
pub fn chatbot_folder(chatbot: ChatbotId) -> String {
    format!("chatbot/{chatbot}")
}

/// Where an item's uploaded file lies.
pub fn item_path(chatbot: ChatbotId, item: ItemId) -> String {
    format!("chatbot/{chatbot}/knowledge/{item}")
}

/// Where a chatbot's avatar lies; `file` is its file name, `<uuid>.jpg`.
pub fn avatar_path(chatbot: ChatbotId, file: &str) -> String {
    format!("chatbot/{chatbot}/avatar/{file}")
}

/// The bytes of one part of an upload to S3, which wants 5 MiB at least.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Blob storage. Clones share it.
#[derive(Clone)]
pub struct Blobs(Arc<dyn ObjectStore>);

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
                Ok(Self(Arc::new(store.with_automatic_cleanup(true))))
            }
            "s3" => {
                let mut builder = AmazonS3Builder::new().with_url(url);
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
                Ok(Self(Arc::new(PrefixStore::new(store, prefix))))
            }
            other => Err(invalid(format!(
                "must begin with file:// or s3://, not {other}://"
            ))),
        }
    }

    /// Begins an object that is written as it arrives. Until [`BlobWriter::finish`] nothing can be
    /// read at its path.
    pub async fn writer(&self, path: &str) -> Result<BlobWriter> {
        let upload = self.0.put_multipart(&Path::from(path)).await;
        Ok(BlobWriter {
            upload: WriteMultipart::new_with_chunk_size(upload.map_err(failed)?, PART_BYTES),
            hasher: Sha256::new(),
            size: 0,
        })
    }

    /// Stores a small object whole.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let put = self.0.put(&Path::from(path), bytes.into()).await;
        put.map(|_| ()).map_err(failed)
    }

    /// Reads an object whole; `None` where there is none.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        match self.0.get(&Path::from(path)).await {
            Ok(object) => object.bytes().await.map(Some).map_err(failed),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes the object at `path`, or every object in that folder. What is gone already is fine.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let path = Path::from(path);
        let below = self.0.list(Some(&path)).map_ok(|object| object.location);
        let mut locations: Vec<Path> = below.try_collect().await.map_err(failed)?;
        locations.push(path);
        let locations = futures_util::stream::iter(locations).map(Ok).boxed();
        let mut deleted = self.0.delete_stream(locations);
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Whether the storage answers.
    pub async fn check(&self) -> Result<()> {
        match self.0.head(&Path::from("readiness")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// An object being written.
pub struct BlobWriter {
    upload: WriteMultipart,
    hasher: Sha256,
    size: u64,
}

impl BlobWriter {
    /// Takes the next bytes; waits while too many parts are on their way.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.hasher.update(&bytes);
        self.size += bytes.len() as u64;
        self.upload.put(bytes);
        self.upload.wait_for_capacity(4).await.map_err(failed)
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes the object readable.
    pub async fn finish(self) -> Result<Written> {
        self.upload.finish().await.map_err(failed)?;
        Ok(Written {
            size: self.size,
            sha256: hex::encode(self.hasher.finalize()),
        })
    }

    /// Drops what was written.
    pub async fn abort(self) -> Result<()> {
        self.upload.abort().await.map_err(failed)
    }
}

fn failed(error: object_store::Error) -> Error {
    Error {
        source: Some(error.into()),
        ..Error::new(
            ErrorKind::Unavailable,
            "The file storage does not answer; try again shortly.",
        )
    }
}
