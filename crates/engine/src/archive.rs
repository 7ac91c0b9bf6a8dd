//! A chatbot as one file, to be kept or taken to another server: settings, avatar, knowledge with its
//! original files, sources, evals, and what was read of the knowledge. Never keys, secrets or
//! conversations.
//!
//! The format is docs/archive.md's: a zip archive of JSON lines and files. It is written while it is
//! read, so an export holds one item at a time. An import is checked from end to end before anything
//! is stored, then arrives whole or not at all.

mod export;
mod format;
mod import;
mod knowledge;
mod reading;
mod sources;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind, OrganizationId};

/// Entries of an archive at most: its directory is held in memory.
pub const MAX_ENTRIES: u64 = 250_000;
/// Items of an archive at most.
pub const MAX_ITEMS: usize = 100_000;
/// Passages of an archive at most.
pub const MAX_CHUNKS: usize = 1_000_000;
/// Bytes of the manifest at most.
pub const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;
/// Bytes of one line at most: a text of a million characters fits.
pub const MAX_LINE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of one item's passages at most.
pub const MAX_ITEM_BYTES: u64 = 256 * 1024 * 1024;
/// How much larger than the greatest archive its unpacked content may be.
pub const MAX_UNPACKING: u64 = 10;

/// What an export holds beside settings and knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportOptions {
    /// What was read of the items, with vectors: an import then answers at once, and alike.
    pub chunks: bool,
}

/// Makes a picture from outside safe to serve; gives its bytes and its file's ending.
pub type CleanPicture = fn(Bytes) -> BoxFuture<'static, Result<(Bytes, &'static str)>>;

/// Where an archive's chatbot goes, and under which limits.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The organization that gets it.
    pub organization: OrganizationId,
    /// Its name in place of the archive's.
    pub name: Option<String>,
    /// Bytes of an archive at most; its content may have [`MAX_UNPACKING`] times that.
    pub max_bytes: u64,
    /// Bytes of one original file at most.
    pub max_file_bytes: u64,
    /// Makes the avatar safe to serve.
    pub clean_picture: CleanPicture,
}

/// A chatbot that came from an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The chatbot, under the slug it got.
    pub chatbot: Chatbot,
    /// What came with it.
    pub report: ImportReport,
}

/// What came with a chatbot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Knowledge items.
    pub items: usize,
    /// Original files.
    pub files: usize,
    /// Passages that answer at once.
    pub chunks: usize,
    /// Items that are read anew in the background: they came without passages, or with vectors of
    /// another embedder.
    pub to_read: usize,
    /// Sets of eval questions.
    pub evals: usize,
    /// Sources, which are read when somebody asks for it.
    pub sources: usize,
    /// What was left out, a sentence each.
    pub notes: Vec<String>,
}

/// The archive as a whole cannot be used.
fn unusable(problem: impl std::fmt::Display) -> Error {
    let message = format!("This archive cannot be imported: {problem}.");
    Error::new(ErrorKind::Unprocessable, message)
}

fn too_large(problem: impl std::fmt::Display) -> Error {
    let message = format!("This archive is too large: {problem}.");
    Error::new(ErrorKind::TooLarge, message)
}
