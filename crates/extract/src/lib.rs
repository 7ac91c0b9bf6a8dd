//! Untrusted bytes to text blocks to chunks.
//!
//! The engine calls [`Format::detect`] when a file arrives, [`extract`] (or [`web_page`] for a
//! fetched page) when it is its turn, and [`chunk`] on what comes out. Everything here is pure: bytes
//! in memory go in, text comes out; no files, no network, no async. Every input is assumed hostile:
//! sizes, nesting, unpacking and time are bounded by [`Limits`], third-party parsers run on a thread
//! of their own where a panic becomes an [`ExtractError`], and each error reads as a sentence that can
//! be shown to the person who uploaded the file.

mod chunk;
mod csv;
mod decode;
mod document;
mod error;
mod format;
mod guard;
mod html;
mod inline;
mod json;
mod limits;
mod list;
mod markdown;
mod office;
mod pdf;
mod record;
mod sink;
mod table;
mod text;

pub use chunk::{Chunk, ChunkOptions, chunk};
pub use document::{Block, BlockKind, Document};
pub use error::ExtractError;
pub use format::{Format, Unsupported};
pub use html::web_page;
pub use limits::Limits;

/// Reads a file of a known format into text blocks.
///
/// # Errors
/// An [`ExtractError`] whose text says, for a person who isn't a programmer, why nothing could be
/// read: the file is empty, damaged, protected by a password, too large for the limits, and so on.
pub fn extract(bytes: &[u8], format: Format, limits: &Limits) -> Result<Document, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let document = match format {
        Format::Text => text::read(bytes, limits),
        Format::Markdown => markdown::read(bytes, limits),
        Format::Html => html::read(bytes, limits),
        Format::Pdf => pdf::read(bytes, limits),
        Format::Docx => office::read_docx(bytes, limits),
        Format::Xlsx => office::read_xlsx(bytes, limits),
        Format::Csv => csv::read(bytes, limits),
        Format::Json => json::read(bytes, limits),
    }?;
    if document.blocks.is_empty() {
        return Err(ExtractError::NoText);
    }
    Ok(document)
}
