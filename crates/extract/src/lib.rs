//! Untrusted bytes to text blocks to chunks.
//!
//! The engine calls [`Format::detect`] when a file arrives, [`extract`] (or [`web_page`] for a
//! fetched page) when it is its turn, and [`chunk`] on what comes out. Everything here is pure: bytes
//! in memory go in, text comes out; no files, no network, no async. Every input is assumed hostile:
//! sizes, nesting, unpacking and time are bounded by [`Limits`], third-party parsers run on a thread
//! of their own where a panic becomes an [`ExtractError`], and each error reads as a sentence that can
//! be shown to the person who uploaded the file.

mod archive;
mod chunk;
mod csv;
mod decode;
mod document;
mod email;
mod epub;
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
mod opendocument;
mod pdf;
mod pictures;
mod record;
mod rtf;
mod sink;
pub mod site;
mod subtitles;
mod table;
mod text;
mod tree;
mod xml;
mod yaml;

pub use chunk::{Chunk, ChunkOptions, chunk};
pub use csv::{Row as CsvRow, csv_rows};
pub use document::{Block, BlockKind, Document};
pub use error::ExtractError;
pub use format::{Format, Unsupported};
pub use html::web_page;
pub use limits::Limits;
pub use pictures::Ocr;
pub use yaml::value::yaml_value;

/// Reads a file of a known format into text blocks. Text in pictures stays unread.
///
/// # Errors
/// An [`ExtractError`] whose text says, for a person who isn't a programmer, why nothing could be
/// read: the file is empty, damaged, protected by a password, too large for the limits, and so on.
pub fn extract(bytes: &[u8], format: Format, limits: &Limits) -> Result<Document, ExtractError> {
    extract_with_ocr(bytes, format, limits, None)
}

/// Reads a file of a known format into text blocks, text in pictures by `ocr`.
///
/// # Errors
/// As [`extract`]; `NoOcr` where the text is in pictures and there is nothing to read them by.
pub fn extract_with_ocr(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    ocr: Option<&Ocr>,
) -> Result<Document, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let document = read(bytes, format, limits, ocr)?;
    if document.blocks.is_empty() {
        return Err(ExtractError::NoText);
    }
    Ok(document)
}

fn read(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    ocr: Option<&Ocr>,
) -> Result<Document, ExtractError> {
    match format {
        Format::Text => text::read(bytes, limits),
        Format::Markdown => markdown::read(bytes, limits),
        Format::Html => html::read(bytes, limits),
        Format::Pdf => pdf::read(bytes, limits, ocr),
        Format::Docx => office::read_docx(bytes, limits),
        Format::Pptx => office::read_pptx(bytes, limits),
        Format::Xlsx => office::read_xlsx(bytes, limits),
        Format::Xls => office::read_xls(bytes, limits),
        Format::Odt | Format::Odp | Format::Ods => opendocument::read(bytes, format, limits),
        Format::Epub => epub::read(bytes, limits),
        Format::Rtf => rtf::read(bytes, limits),
        Format::Csv => csv::read(bytes, limits),
        Format::Tsv => csv::read_tsv(bytes, limits),
        Format::Json => json::read(bytes, limits),
        Format::Yaml => yaml::read(bytes, limits),
        Format::Xml => xml::read(bytes, limits),
        Format::Email => email::read(bytes, limits, ocr),
        Format::WebVtt | Format::SubRip => subtitles::read(bytes, limits),
        Format::Png | Format::Jpeg | Format::Gif | Format::Webp | Format::Tiff => {
            pictures::read(bytes, limits, ocr)
        }
    }
}
