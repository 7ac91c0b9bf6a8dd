//! What the server and a reading process say to each other: one line that asks, the document's bytes,
//! and one JSON text that answers. Both ends are the same program, so the form has no versions.

use std::io::BufRead;
use std::time::Duration;

use okra_extract::{Document, ExtractError, Format, Limits, Ocr};
use serde::{Deserialize, Serialize};

use super::Reading;

/// Bytes of Markdown up to which it is read in the server.
const PLAIN_MARKDOWN: usize = 4 << 20;

/// What the bytes of a document are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// A file of a known format.
    File(Format),
    /// A web page, with the address and the `Content-Type` that it came with.
    Page {
        url: String,
        content_type: Option<String>,
    },
}

impl Content {
    /// Whether our own code reads so many bytes of it line by line, in time and memory that grow with its
    /// size alone: such a document needs no process of its own. Of Markdown a tree is made, which takes
    /// some thirty times the file.
    pub(super) fn is_plain(&self, bytes: usize) -> bool {
        match self {
            Self::File(Format::Markdown) => bytes <= PLAIN_MARKDOWN,
            Self::File(format) => matches!(
                format,
                Format::Text
                    | Format::Csv
                    | Format::Tsv
                    | Format::Json
                    | Format::WebVtt
                    | Format::SubRip
            ),
            Self::Page { .. } => false,
        }
    }

    /// Reads the document in this process.
    pub(super) fn read(
        &self,
        bytes: &[u8],
        limits: &Limits,
        ocr: &Ocr,
    ) -> Result<Document, ExtractError> {
        match self {
            Self::File(format) => okra_extract::extract_with_ocr(bytes, *format, limits, Some(ocr)),
            Self::Page { url, content_type } => {
                okra_extract::web_page(bytes, url, content_type.as_deref(), limits)
            }
        }
    }
}

/// What a reading process is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) content: Content,
    /// How many bytes follow.
    pub(super) size: usize,
    pub(super) time: Duration,
    pub(super) memory_bytes: u64,
    pub(super) ocr_languages: Vec<String>,
}

/// Bytes of a request's line at most; addresses and names are far shorter.
const MAX_LINE_BYTES: u64 = 64 << 10;

impl Request {
    pub(super) fn new(content: Content, size: usize, reading: &Reading) -> Self {
        Self {
            content,
            size,
            time: reading.time,
            memory_bytes: reading.memory_bytes,
            ocr_languages: reading.ocr_languages.clone(),
        }
    }

    pub(super) fn to_line(&self) -> String {
        let json = serde_json::to_string(self).expect("plain values are JSON");
        json + "\n"
    }

    /// Reads the line; the document's bytes come next.
    pub(super) fn receive(from: &mut impl BufRead) -> std::io::Result<Self> {
        let mut line = String::new();
        std::io::Read::take(&mut *from, MAX_LINE_BYTES).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// The answer, the reason for people where the document can't be read.
pub(super) fn write_answer(
    outcome: &Result<Document, String>,
    to: impl std::io::Write,
) -> std::io::Result<()> {
    Ok(serde_json::to_writer(to, outcome)?)
}

pub(super) fn parse_answer(bytes: &[u8]) -> serde_json::Result<Result<Document, String>> {
    serde_json::from_slice(bytes)
}
