//! Getting a sentence transformer from the Hugging Face Hub, or from whatever speaks as it does.
//!
//! Files are written to a folder of their own beside the models, checked by the sizes and hashes that the
//! hub tells, opened once, and only then put in place by a rename: a model that is there is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::transformer::{ModelError, TransformerEmbedder};

/// What a model cannot do without.
const NEEDED: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// What says how it is to be used, where it is there.
const WANTED: [&str; 4] = [
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
];

/// How long nothing may come before a download is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// The longest list of files read, in bytes.
const MAX_LIST: usize = 4 * 1024 * 1024;

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file under way.
    pub file: &'a str,
    /// Bytes there of all files.
    pub done: u64,
    /// Bytes of all files.
    pub total: u64,
}

/// Why a model was not got.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name is none that a hub has.
    #[error("{0:?} is not a model's name: one is OWNER/NAME, of letters, digits, -, _ and .")]
    Name(String),
    /// There is a model of this name already.
    #[error("{} is there already; remove it to get it anew", .0.display())]
    There(PathBuf),
    /// The hub could not be reached, or broke off.
    #[error("{0}")]
    Connection(String),
    /// The hub refuses.
    #[error("the hub answers {status} to {url}")]
    Refused {
        /// What it answers.
        status: u16,
        /// To what.
        url: String,
    },
    /// What it has is no model of a kind that can be used here.
    #[error("this model has no {0}, which is needed here")]
    Lacking(&'static str),
    /// What came is not what was told.
    #[error("{file} did not come as the hub tells of it: {problem}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The files came, but cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The folder cannot be written to.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

#[derive(Deserialize)]
struct Listing {
    sha: Option<String>,
    siblings: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Gets the model `name` (`OWNER/NAME`) from `hub` into the folder `models`; gives the folder's name by
/// which it is chosen.
pub async fn add(
    hub: &str,
    name: &str,
    models: &Path,
    mut progress: impl FnMut(Progress<'_>) + Send,
) -> Result<String, HubError> {
    let local = local_name(name)?;
    let place = models.join(local);
    if place.exists() {
        return Err(HubError::There(place));
    }
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(SILENCE)
        .user_agent(concat!("okra/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(connection)?;
    let hub = hub.trim_end_matches('/');
    let listing = list(&client, hub, name).await?;
    let files = chosen(listing.siblings)?;
    let revision = listing.sha.as_deref().unwrap_or("main");
    let part = models.join(format!(".{local}.part"));
    // What an attempt before left behind.
    let _ = tokio::fs::remove_dir_all(&part).await;
    let fetching = async {
        let total = files.iter().filter_map(|file| file.size).sum();
        let mut done = 0;
        for file in &files {
            let url = format!("{hub}/{name}/resolve/{revision}/{}", file.rfilename);
            let response = ok(client.get(&url).send().await.map_err(connection)?)?;
            let got = save(response, file, &part, |bytes| {
                progress(Progress {
                    file: &file.rfilename,
                    done: done + bytes,
                    total,
                });
            });
            done += got.await?;
        }
        open(&part, local).await?;
        let renamed = tokio::fs::rename(&part, &place).await;
        renamed.map_err(|source| write(&place, source))
    };
    let fetched = fetching.await;
    if fetched.is_err() {
        let _ = tokio::fs::remove_dir_all(&part).await;
    }
    fetched.map(|()| local.to_owned())
}

/// The folder's name of a model: the last part of its own.
fn local_name(name: &str) -> Result<&str, HubError> {
    let parts: Vec<&str> = name.split('/').collect();
    let plain = |part: &&str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && part.len() <= 96 && part.chars().all(known) && !part.starts_with('.')
    };
    match parts.as_slice() {
        [local] | [_, local] if parts.iter().all(plain) => Ok(local),
        _ => Err(HubError::Name(name.to_owned())),
    }
}

async fn list(client: &Client, hub: &str, name: &str) -> Result<Listing, HubError> {
    let url = format!("{hub}/api/models/{name}?blobs=true");
    let mut response = ok(client.get(&url).send().await.map_err(connection)?)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(connection)? {
        if body.len() + piece.len() > MAX_LIST {
            return Err(HubError::Connection(format!("{url} is too long a list")));
        }
        body.extend_from_slice(&piece);
    }
    serde_json::from_slice(&body)
        .map_err(|error| HubError::Connection(format!("{url} lists no files: {error}")))
}

/// The files that are needed, the smallest first: what is missing shows before the gigabytes come.
fn chosen(mut files: Vec<Listed>) -> Result<Vec<Listed>, HubError> {
    for needed in NEEDED {
        if !files.iter().any(|file| file.rfilename == needed) {
            return Err(HubError::Lacking(needed));
        }
    }
    files.retain(|file| {
        let name = file.rfilename.as_str();
        NEEDED.contains(&name) || WANTED.contains(&name)
    });
    for file in &mut files {
        file.size = file.lfs.as_ref().and_then(|large| large.size).or(file.size);
    }
    files.sort_by_key(|file| file.size);
    Ok(files)
}

/// Writes a file, and checks its size and hash where the hub tells them; gives its bytes.
async fn save(
    mut response: Response,
    file: &Listed,
    folder: &Path,
    mut progress: impl FnMut(u64) + Send,
) -> Result<u64, HubError> {
    let damaged = |problem: String| HubError::Damaged {
        file: file.rfilename.clone(),
        problem,
    };
    let path = folder.join(&file.rfilename);
    let unwritten = |source| write(&path, source);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(unwritten)?;
    }
    let mut out = tokio::fs::File::create(&path).await.map_err(unwritten)?;
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    while let Some(piece) = response.chunk().await.map_err(connection)? {
        bytes += piece.len() as u64;
        if file.size.is_some_and(|size| bytes > size) {
            return Err(damaged("it is longer".to_owned()));
        }
        hash.update(&piece);
        out.write_all(&piece).await.map_err(unwritten)?;
        progress(bytes);
    }
    out.sync_all().await.map_err(unwritten)?;
    if let Some(size) = file.size.filter(|size| *size != bytes) {
        return Err(damaged(format!("{bytes} bytes came of {size}")));
    }
    let told = file.lfs.as_ref().and_then(|large| large.sha256.as_deref());
    let found: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if told.is_some_and(|told| !told.eq_ignore_ascii_case(&found)) {
        return Err(damaged("its hash is another".to_owned()));
    }
    Ok(bytes)
}

/// Opens a model, to see that it can be used.
async fn open(folder: &Path, name: &str) -> Result<(), HubError> {
    let (folder, name) = (folder.to_owned(), name.to_owned());
    let opened =
        tokio::task::spawn_blocking(move || TransformerEmbedder::open(&folder, &name).map(|_| ()));
    match opened.await {
        Ok(opened) => Ok(opened?),
        Err(error) => Err(HubError::Connection(format!("opening it stopped: {error}"))),
    }
}

fn ok(response: Response) -> Result<Response, HubError> {
    match response.status().is_success() {
        true => Ok(response),
        false => Err(HubError::Refused {
            status: response.status().as_u16(),
            url: response.url().to_string(),
        }),
    }
}

fn connection(error: reqwest::Error) -> HubError {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    HubError::Connection(words)
}

fn write(path: &Path, source: std::io::Error) -> HubError {
    HubError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {

    use okra_testkit::hub::{Hub, Spoilt};
    use okra_testkit::transformer as tiny;

    use super::*;

    async fn hub() -> (tempfile::TempDir, Hub) {
        let folder = tempfile::tempdir().unwrap();
        tiny::write(folder.path());
        let hub = Hub::start("okra/tiny", folder.path()).await;
        (folder, hub)
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn a_model_comes_whole_and_is_known_by_its_name() {
        let (_source, hub) = hub().await;
        let models = tempfile::tempdir().unwrap();
        let mut last = (0, 0);
        let url = hub.url();
        let added = add(&url, "okra/tiny", models.path(), |now| {
            assert!(now.done >= last.0 && now.done <= now.total, "{now:?}");
            last = (now.done, now.total);
        });
        assert_eq!(added.await.unwrap(), "tiny");
        assert!(last.0 > 0 && last.0 == last.1);
        assert_eq!(super::super::transformer::models(models.path()), ["tiny"]);
        assert_eq!(entries(models.path()), 1, "nothing else is left");
        let again = add(&hub.url(), "okra/tiny", models.path(), |_| {}).await;
        assert!(matches!(again, Err(HubError::There(_))), "{again:?}");
    }

    #[tokio::test]
    async fn what_does_not_come_as_told_leaves_nothing_behind() {
        let (_source, hub) = hub().await;
        let models = tempfile::tempdir().unwrap();
        for (spoilt, expected) in [
            (Spoilt::Shorter, "bytes came of"),
            (Spoilt::Longer, "it is longer"),
            (Spoilt::Other, "its hash is another"),
            (Spoilt::Missing, "the hub answers 404"),
            (Spoilt::Unlisted, "has no model.safetensors"),
            (Spoilt::BrokenOff, ""),
        ] {
            hub.spoil(spoilt);
            let failed = add(&hub.url(), "okra/tiny", models.path(), |_| {}).await;
            let said = failed.unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert_eq!(entries(models.path()), 0, "{said}");
        }
        hub.spoil(Spoilt::Nothing);
        let unknown = add(&hub.url(), "okra/other", models.path(), |_| {}).await;
        assert!(unknown.unwrap_err().to_string().contains("404"));
        add(&hub.url(), "okra/tiny", models.path(), |_| {})
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn names_lead_nowhere_else() {
        let models = tempfile::tempdir().unwrap();
        for name in [
            "",
            "..",
            "okra/..",
            "a/b/c",
            "okra/.hidden",
            "okra/a b",
            "/etc/passwd",
            "okra/",
        ] {
            let refused = add("http://127.0.0.1:9", name, models.path(), |_| {}).await;
            assert!(matches!(refused, Err(HubError::Name(_))), "{name:?}");
        }
    }
}
