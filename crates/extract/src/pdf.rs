//! PDF to blocks: pdf_oxide finds the pieces of text on a page, this module makes lines, headings, lists,
//! tables and paragraphs of them.
//!
//! pdf_oxide's own Markdown was tried first. On tagged files it puts pieces of a word that the producer
//! kerned apart behind the table or paragraph they belong to, and it drops a full stop set in another
//! font, so the text can't be searched or quoted; its pieces of text with their places are exact.
//!
//! pdf_oxide is also lenient to a fault: broken files often open as documents without pages or text, or
//! with text in the wrong letters because its fonts are missing. What it says is therefore checked
//! against the file: no end mark or no pages means damaged, pages without any text mean scanned images.

mod layout;
mod lines;

use pdf_oxide::{Error, PdfDocument};

use crate::guard::{self, Abandoned};
use crate::sink::BlockSink;
use crate::{Document, ExtractError, Limits};

/// Where in the end of a file its end mark must be. Readers of PDF accept 1,024 bytes after it; files that
/// went through web forms carry more.
const END_MARK_BYTES: usize = 16 * 1024;

/// Reads a PDF.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let owned = bytes.to_vec();
    let limits_there = limits.clone();
    guard::run(limits, move |abandoned| {
        read_guarded(owned, &limits_there, abandoned)
    })
}

fn read_guarded(
    bytes: Vec<u8>,
    limits: &Limits,
    abandoned: &Abandoned,
) -> Result<Document, ExtractError> {
    let pdf = open(bytes)?;
    let pages = pdf.page_count().map_err(reason)?;
    if pages == 0 {
        return Err(ExtractError::damaged("it holds no pages"));
    }
    if pages > limits.max_pages {
        return Err(ExtractError::too_large(format!(
            "it has {pages} pages, and at most {} are read",
            limits.max_pages
        )));
    }
    let mut lines = Vec::new();
    let mut chars = 0;
    let mut failure = None;
    for page in 0..pages {
        abandoned.check()?;
        limits.check_deadline()?;
        match pdf.extract_spans(page) {
            Ok(spans) => {
                chars += spans.iter().map(|span| span.text.len()).sum::<usize>();
                lines.extend(lines::on_page(
                    u32::try_from(page + 1).unwrap_or(u32::MAX),
                    &spans,
                ));
            }
            Err(error) => failure = Some(reason(error)),
        }
        // The sink counts exactly; this only keeps lines from piling up before it does.
        if chars / 4 > limits.max_output_chars {
            return Err(ExtractError::too_large(format!(
                "its text has more than {} characters",
                limits.max_output_chars
            )));
        }
    }
    let mut sink = BlockSink::new(limits);
    layout::read_into(&lines, &mut sink)?;
    if sink.chars() > 0 {
        return Ok(sink.finish());
    }
    Err(failure.unwrap_or(ExtractError::ScannedImages))
}

/// Opens a PDF, with the empty password where it is encrypted: that is how a file that only restricts
/// printing or copying opens for everyone.
fn open(bytes: Vec<u8>) -> Result<PdfDocument, ExtractError> {
    let end = &bytes[bytes.len().saturating_sub(END_MARK_BYTES)..];
    let has_end = [&b"%%EOF"[..], b"startxref"]
        .iter()
        .any(|mark| end.windows(mark.len()).any(|window| window == *mark));
    if !has_end {
        return Err(ExtractError::damaged("it ends too early"));
    }
    let pdf = PdfDocument::from_bytes(bytes).map_err(reason)?;
    if pdf.is_encrypted() && !pdf.authenticate(b"").map_err(reason)? {
        return Err(ExtractError::Password("PDF"));
    }
    Ok(pdf)
}

/// A pdf_oxide error in words for the person who uploaded the file.
fn reason(error: Error) -> ExtractError {
    match error {
        Error::EncryptedPdf => ExtractError::Password("PDF"),
        Error::InvalidHeader(_) => ExtractError::damaged("it does not begin like a PDF"),
        Error::UnexpectedEof => ExtractError::damaged("it ends too early"),
        Error::RecursionLimitExceeded(_) | Error::CircularReference(_) => {
            ExtractError::damaged("its parts refer to each other in circles")
        }
        _ => ExtractError::damaged("its contents could not be understood"),
    }
}
