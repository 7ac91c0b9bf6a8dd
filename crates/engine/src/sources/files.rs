//! Folders of the server and parts of S3 buckets, among those that the operator named.
//!
//! Whoever adds a source need not run the server, so nothing outside what was named can be reached: a
//! folder is opened from the allowed one downwards by a handle that the system resolves names against,
//! so that neither `..` nor a symbolic link leads out of it, whenever that link is made.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use okra_domain::error::Result;
use okra_domain::knowledge::{MAX_TITLE_CHARS, Source};
use okra_domain::source::{MAX_PAGES, SourceKind};
use okra_domain::{Error, ErrorKind};
use okra_extract::Format;
use okra_store::blobs::{self, Listed};
use okra_store::buckets::Buckets;
use okra_store::sources::{Found, Outcome, SourcePage, Visit};

use super::{Body, Syncing, Visited, first, item_for, sha256};
use crate::Engine;
use crate::ingest::{IngestError, blocking};
use crate::reading::Content;

/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 30;
/// Entries of a folder that are looked at, all folders below it together.
const MAX_ENTRIES: usize = 200_000;

/// The files of a folder or bucket.
#[derive(Debug)]
struct List {
    files: Vec<Listed>,
    /// Whether there are no others.
    whole: bool,
}

/// The folders and buckets that the operator opened to sources, for every organization.
pub struct Places {
    folders: Vec<PathBuf>,
    buckets: Buckets,
    /// The longest file that is read, in bytes.
    max_bytes: u64,
}

impl Places {
    /// These folders and buckets; files up to `max_bytes`.
    pub fn new(folders: Vec<PathBuf>, buckets: Buckets, max_bytes: u64) -> Self {
        Self {
            folders,
            buckets,
            max_bytes,
        }
    }

    /// The folders that sources may name, and all below them.
    pub fn folders(&self) -> impl Iterator<Item = String> {
        self.folders.iter().map(|path| path.display().to_string())
    }

    /// The buckets, or parts of them, that sources may name, and all below them.
    pub fn buckets(&self) -> &[String] {
        self.buckets.allowed()
    }

    /// Checks that a source may be at this address.
    pub(super) fn check(&self, kind: SourceKind, address: &str) -> Result<()> {
        match kind {
            SourceKind::Bucket => self.buckets.check(address),
            _ => self.allowed_folder(address).map(|_| ()),
        }
    }

    /// The allowed folder that `address` lies in, and the way from there.
    fn allowed_folder(&self, address: &str) -> Result<(&Path, PathBuf)> {
        let path = Path::new(address);
        let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        let found = self.folders.iter().find_map(|allowed| {
            let below = path.strip_prefix(allowed).ok()?;
            Some((allowed.as_path(), below.to_owned()))
        });
        match found {
            Some(found) if path.is_absolute() && path.components().all(plain) => Ok(found),
            _ => {
                let problem = "is none of the folders that this server's operator opened to \
                               sources (folder_allow, OKRA_FOLDER_ALLOW)";
                Err(Error::invalid_field("address", problem))
            }
        }
    }

    fn open_folder(&self, address: &str) -> Result<Dir> {
        let (allowed, below) = self.allowed_folder(address)?;
        let opened = Dir::open_ambient_dir(allowed, ambient_authority());
        let opened = opened.and_then(|dir| match below.as_os_str().is_empty() {
            true => Ok(dir),
            false => dir.open_dir(&below),
        });
        opened.map_err(|error| {
            let message = format!("The folder {address} cannot be opened: {error}.");
            Error::new(ErrorKind::Unprocessable, message)
        })
    }

    async fn list(&self, kind: SourceKind, address: &str) -> Result<List> {
        if kind == SourceKind::Bucket {
            let bucket = self.buckets.open(address)?;
            // One more than is looked at, so that it is noticed.
            let mut files = bucket.list(MAX_ENTRIES + 1).await?;
            let whole = files.len() <= MAX_ENTRIES;
            files.truncate(MAX_ENTRIES);
            return Ok(List { files, whole });
        }
        let dir = self.open_folder(address)?;
        let walked = blocking(move || walk(dir, MAX_ENTRIES)).await?;
        walked.map_err(unreadable)
    }

    /// A file's bytes; `None` where it is gone.
    async fn read(&self, kind: SourceKind, address: &str, path: &str) -> Result<Option<Bytes>> {
        let limit = self.max_bytes;
        if kind == SourceKind::Bucket {
            return self.buckets.open(address)?.read_listed(path, limit).await;
        }
        let dir = self.open_folder(address)?;
        let path = path.to_owned();
        blocking(move || read_file(&dir, &path, limit)).await?
    }
}

impl Engine {
    pub(super) async fn visit_file(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
    ) -> Result<Visited, IngestError> {
        if page.is_list {
            return self.list_files(syncing).await;
        }
        let source = syncing.source;
        if !syncing.scope.admits_file(&page.address) {
            let reason = "The source's patterns leave this file out.";
            return Ok(Outcome::Excluded(reason.to_owned()).into());
        }
        let places = &self.parts.places;
        let read = places.read(source.kind, &source.address, &page.address);
        let bytes = match read.await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Outcome::Gone.into()),
            Err(error) => return Err(sorted(error)),
        };
        let body = Body {
            hash: sha256(&bytes),
            bytes,
            etag: page.version.clone(),
            last_modified: None,
        };
        let settled = page.has_item && page.text_hash.is_some();
        let outcome = match page.body_hash.as_ref() == Some(&body.hash) && settled {
            true => Outcome::Same,
            false => self.read_found_file(syncing, page, &body).await?,
        };
        let visit = Visit {
            outcome,
            found: None,
            etag: body.etag,
            last_modified: None,
            body_hash: Some(body.hash),
        };
        let pause = std::time::Duration::ZERO;
        Ok(Visited { visit, pause })
    }

    /// The files that can be read, each with what tells its versions apart.
    async fn list_files(&self, syncing: &Syncing<'_>) -> Result<Visited, IngestError> {
        let source = syncing.source;
        let listed = self.parts.places.list(source.kind, &source.address).await;
        let List { mut files, whole } = listed.map_err(sorted)?;
        files.retain(|file| is_readable(&file.path) && syncing.scope.admits_file(&file.path));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let outcome = match whole && files.len() <= MAX_PAGES as usize {
            true => Outcome::Listed,
            false => Outcome::ListedInPart,
        };
        files.truncate(MAX_PAGES as usize);
        let found = files.into_iter().map(|file| Found {
            depth: 1,
            version: Some(file.version),
            ..first(&file.path)
        });
        let mut visited = Visited::from(outcome);
        visited.visit.found = Some(found.collect());
        Ok(visited)
    }

    async fn read_found_file(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
        body: &Body,
    ) -> Result<Outcome, IngestError> {
        let name = page.address.rsplit('/').next().unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let format = match Format::detect(&name, &body.bytes) {
            Ok(format) => format,
            Err(unsupported) => return Ok(Outcome::Strayed(unsupported.to_string())),
        };
        let document = self.read_document(Content::File(format), body.bytes.clone());
        let document = document.await?;
        let from = Source::File {
            file_name: name.chars().take(MAX_TITLE_CHARS).collect(),
            media_type: format.media_type().to_owned(),
            sha256: body.hash.clone(),
        };
        // Files of one name lie in many folders.
        let path: String = page.address.chars().filter(|c| !c.is_control()).collect();
        let title = (path.chars().count() <= MAX_TITLE_CHARS).then_some(path);
        let now = self.store().clock().now();
        let item = item_for(syncing, page, title, from, now)?;
        let size = body.bytes.len();
        let path = blobs::item_path(item.chatbot_id, item.id);
        let outcome = self.judge(syncing, page, item, (document, size)).await?;
        if let Outcome::Read(item, ingested, _) = &outcome {
            // Kept for downloads and later readings. Its place is the page's own, so that a reading
            // that was stopped here and is done again leaves one file.
            let kept = self.store().blobs().put(&path, body.bytes.clone()).await;
            let kept = kept.map(|()| true);
            self.drop_unkept_text(&kept, item, ingested.text_file)
                .await?;
            kept?;
        }
        Ok(outcome)
    }
}

/// Whether a file can be read, by its name, and is none that is hidden.
fn is_readable(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let extension = path
        .rsplit('/')
        .next()
        .and_then(|name| name.rsplit_once('.'));
    !hidden && extension.is_some_and(|(_, extension)| Format::from_extension(extension).is_some())
}

/// Every file below a folder, of `most` entries at most. Symbolic links are left out: what they lead to within the folder is
/// found there, and the rest is nobody's.
fn walk(root: Dir, most: usize) -> std::io::Result<List> {
    let mut files = Vec::new();
    let (mut entries, mut whole) = (0, true);
    let mut open = vec![(root, String::new(), 0)];
    while let Some((dir, prefix, depth)) = open.pop() {
        for entry in dir.entries()? {
            let entry = entry?;
            entries += 1;
            if entries > most {
                let whole = false;
                return Ok(List { files, whole });
            }
            // A name that is no Unicode could not be shown to anybody.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && depth >= MAX_DEPTH {
                whole = false;
            } else if kind.is_dir() {
                // A folder that may not be looked into is left out, as its files would be.
                if let Ok(below) = entry.open_dir() {
                    open.push((below, format!("{path}/"), depth + 1));
                }
            } else if kind.is_file() {
                let metadata = entry.metadata()?;
                let changed = metadata.modified().ok().map(|time| time.into_std());
                let changed =
                    changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                let changed = changed.unwrap_or_default().as_nanos();
                files.push(Listed {
                    path,
                    version: format!("{}-{changed}", metadata.len()),
                });
            }
        }
    }
    Ok(List { files, whole })
}

fn read_file(dir: &Dir, path: &str, limit: u64) -> Result<Option<Bytes>> {
    let file = match dir.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // A pipe would be waited on for ever.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(Some(bytes.into()))
}

fn unreadable(error: std::io::Error) -> Error {
    let message = format!("The server cannot read this: {error}.");
    Error::new(ErrorKind::Unprocessable, message)
}

fn too_large(limit: u64) -> Error {
    let message = format!("The file is larger than {} MB.", limit / (1024 * 1024));
    Error::new(ErrorKind::Unprocessable, message)
}

/// What is wrong with a file itself is not worth trying again.
fn sorted(error: Error) -> IngestError {
    match error.kind {
        ErrorKind::Unprocessable | ErrorKind::Invalid | ErrorKind::NotFound => {
            let reason = error
                .details
                .first()
                .map(|problem| format!("The {} {}.", problem.field, problem.problem));
            IngestError::Unreadable(reason.unwrap_or(error.message))
        }
        _ => IngestError::Later(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_looked_at_is_told() {
        let place = tempfile::tempdir().expect("a folder");
        let deep = |levels| place.path().join("d/".repeat(levels));
        std::fs::create_dir_all(deep(MAX_DEPTH)).expect("made");
        std::fs::write(deep(MAX_DEPTH).join("a.txt"), "hello").expect("written");
        let check = |most, expected| {
            let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).expect("opened");
            let List { files, whole } = walk(dir, most).expect("walked");
            assert_eq!((files.len(), whole), expected, "{most}");
        };
        check(MAX_DEPTH + 1, (1, true));
        check(MAX_DEPTH, (0, false));
        std::fs::create_dir_all(deep(MAX_DEPTH + 1)).expect("made");
        check(MAX_ENTRIES, (1, false));
    }

    fn places(folder: &Path) -> Places {
        let buckets = Buckets::new(Vec::new(), Vec::new());
        Places::new(vec![folder.to_owned()], buckets.expect("none"), 1_000)
    }

    #[tokio::test]
    async fn nothing_outside_the_allowed_folder_is_reached() {
        let place = tempfile::tempdir().expect("a folder");
        let (open, secret) = (place.path().join("open"), place.path().join("secret"));
        std::fs::create_dir_all(open.join("docs/.git")).expect("made");
        std::fs::create_dir_all(&secret).expect("made");
        std::fs::write(secret.join("key.txt"), "secret").expect("written");
        std::fs::write(open.join("docs/a.txt"), "hello").expect("written");
        std::fs::write(open.join("docs/.git/b.txt"), "hidden").expect("written");
        std::fs::write(open.join("docs/large.txt"), "x".repeat(1_001)).expect("written");
        let link = |to: &Path, at: &str| {
            std::os::unix::fs::symlink(to, open.join(at)).expect("linked");
        };
        link(&secret, "docs/out");
        link(&secret.join("key.txt"), "docs/key.txt");
        link(&secret, "elsewhere");
        let places = places(&open);
        let docs = open.join("docs").display().to_string();

        let listed = places.list(SourceKind::Folder, &docs).await;
        let List { mut files, whole } = listed.expect("a list");
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!((paths, whole), (vec!["a.txt", "large.txt"], true));
        let read = async |path: &str| places.read(SourceKind::Folder, &docs, path).await;
        assert_eq!(
            read("a.txt").await.expect("read").as_deref(),
            Some(&b"hello"[..])
        );
        assert_eq!(read("gone.txt").await.expect("no fault"), None);
        for path in [
            "key.txt",
            "out/key.txt",
            "../../secret/key.txt",
            "large.txt",
        ] {
            read(path).await.expect_err(path);
        }
        let outside = secret.display().to_string();
        let dots = format!("{docs}/../../secret");
        for address in [outside.as_str(), "/", "docs", dots.as_str(), ""] {
            places
                .check(SourceKind::Folder, address)
                .expect_err(address);
        }
        let linked = open.join("elsewhere").display().to_string();
        places
            .list(SourceKind::Folder, &linked)
            .await
            .expect_err("a way out");
    }
}
