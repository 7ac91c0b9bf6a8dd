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

mod images;
mod layout;
mod lines;
mod running;

use pdf_oxide::{Error, PdfDocument, PdfImageHandle};

use crate::guard::{self, Abandoned};
use crate::sink::BlockSink;
use crate::{Document, ExtractError, Limits, Ocr, pictures};
use lines::Line;

/// Where in the end of a file its end mark must be. Readers of PDF accept 1,024 bytes after it; files that
/// went through web forms carry more.
const END_MARK_BYTES: usize = 16 * 1024;

/// A page with less text than this, in bytes, and a picture as large as a page is a scan: programs that
/// scan put their name or a number on each page.
const FEW_BYTES: usize = 40;

/// Reads a PDF, scanned pages by `ocr`.
pub(crate) fn read(
    bytes: &[u8],
    limits: &Limits,
    ocr: Option<&Ocr>,
) -> Result<Document, ExtractError> {
    let owned = bytes.to_vec();
    let (limits_there, ocr) = (limits.clone(), ocr.cloned());
    guard::run(limits, move |abandoned| {
        let mut reader = Reader {
            limits: &limits_there,
            abandoned,
            ocr: ocr.as_ref().ok_or(ExtractError::NoOcr),
            pages: Vec::new(),
            recognized: Vec::new(),
            failure: None,
        };
        reader.read_pages(&open(owned)?)?;
        reader.document()
    })
}

struct Reader<'l> {
    limits: &'l Limits,
    abandoned: &'l Abandoned,
    /// What reads pictures, or why nothing does.
    ocr: Result<&'l Ocr, ExtractError>,
    /// Lines of each page.
    pages: Vec<Vec<Line>>,
    /// Text in pictures of each page.
    recognized: Vec<String>,
    /// Why some page gave nothing.
    failure: Option<ExtractError>,
}

impl Reader<'_> {
    fn read_pages(&mut self, pdf: &PdfDocument) -> Result<(), ExtractError> {
        let pages = pdf.page_count().map_err(reason)?;
        if pages == 0 {
            return Err(ExtractError::damaged("it holds no pages"));
        }
        if pages > self.limits.max_pages {
            return Err(ExtractError::too_large(format!(
                "it has {pages} pages, and at most {} are read",
                self.limits.max_pages
            )));
        }
        let mut bytes = 0;
        for page in 0..pages {
            self.abandoned.check()?;
            self.limits.check_deadline()?;
            let (lines, recognized) = self.read_page(pdf, page)?;
            bytes += recognized.len();
            bytes += lines.iter().map(Line::bytes).sum::<usize>();
            self.pages.push(lines);
            self.recognized.push(recognized);
            // The sink counts exactly; this only keeps lines from piling up before it does.
            if bytes / 4 > self.limits.max_output_chars {
                return Err(ExtractError::too_large(format!(
                    "its text has more than {} characters",
                    self.limits.max_output_chars
                )));
            }
        }
        Ok(())
    }

    fn read_page(
        &mut self,
        pdf: &PdfDocument,
        page: usize,
    ) -> Result<(Vec<Line>, String), ExtractError> {
        let number = u32::try_from(page + 1).unwrap_or(u32::MAX);
        let lines = match pdf.extract_spans(page) {
            Ok(spans) => lines::on_page(number, &spans),
            Err(error) => {
                self.failure = Some(reason(error));
                Vec::new()
            }
        };
        let few = lines.iter().map(Line::bytes).sum::<usize>() < FEW_BYTES;
        let pictures = if few {
            images::on_page(pdf, page)
        } else {
            Vec::new()
        };
        if pictures.is_empty() || !(lines.is_empty() || images::cover_page(&pictures)) {
            return Ok((lines, String::new()));
        }
        let mut text = String::new();
        for picture in &pictures {
            self.abandoned.check()?;
            self.limits.check_deadline()?;
            text.push_str(&self.recognize(picture)?);
            text.push_str("\n\n");
        }
        Ok((lines, text))
    }

    /// The text in a picture. One that can't be read is left out, with its reason kept.
    fn recognize(&mut self, picture: &PdfImageHandle<'_>) -> Result<String, ExtractError> {
        let text = match &self.ocr {
            Ok(ocr) => images::file(picture).and_then(|file| ocr.text(&file)),
            Err(why) => Err(why.clone()),
        };
        match text {
            Ok(text) => Ok(text),
            Err(ExtractError::OutOfTime) => Err(ExtractError::OutOfTime),
            Err(why) => {
                if matches!(why, ExtractError::NoOcr | ExtractError::NoOcrLanguage(_)) {
                    self.ocr = Err(why.clone());
                }
                self.failure = Some(why);
                Ok(String::new())
            }
        }
    }

    fn document(mut self) -> Result<Document, ExtractError> {
        let style = layout::Style::of(&self.pages);
        running::drop_repeated(&mut self.pages, style.body_size());
        let mut sink = BlockSink::new(self.limits);
        for (number, (lines, recognized)) in (1..).zip(self.pages.iter().zip(&self.recognized)) {
            layout::read_into(lines, &style, &mut sink)?;
            sink.set_page(number);
            pictures::push_recognized(recognized, &mut sink)?;
        }
        if sink.chars() > 0 {
            return Ok(sink.finish());
        }
        Err(self.failure.unwrap_or(ExtractError::ScannedImages))
    }
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
