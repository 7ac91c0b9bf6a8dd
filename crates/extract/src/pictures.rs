//! Pictures of text: what reads them is given from outside, since nothing here starts programs.

use std::fmt;
use std::sync::Arc;

use crate::inline;
use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Limits};

/// Reads the text in a picture, given as a file (PNG, JPEG, GIF, WebP or TIFF); form feeds part pages.
type Reader = dyn Fn(&[u8]) -> Result<String, ExtractError> + Send + Sync;

/// Optical character recognition, as whoever calls this crate has it.
#[derive(Clone)]
pub struct Ocr(Arc<Reader>);

impl Ocr {
    /// One that reads pictures by `read`.
    pub fn new(
        read: impl Fn(&[u8]) -> Result<String, ExtractError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(read))
    }

    /// The text in a picture.
    ///
    /// # Errors
    /// Those of whoever reads: `NoOcr`, `Damaged`, `OutOfTime`.
    pub(crate) fn text(&self, picture: &[u8]) -> Result<String, ExtractError> {
        (self.0)(picture)
    }
}

impl fmt::Debug for Ocr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ocr")
    }
}

/// Reads a picture; one of several pages (a TIFF) with their numbers.
pub(crate) fn read(
    bytes: &[u8],
    limits: &Limits,
    ocr: Option<&Ocr>,
) -> Result<Document, ExtractError> {
    let text = ocr.ok_or(ExtractError::NoOcr)?.text(bytes)?;
    let mut sink = BlockSink::new(limits);
    let pages: Vec<&str> = text
        .trim_end_matches(['\u{c}', '\n', ' '])
        .split('\u{c}')
        .collect();
    for (number, page) in (1..).zip(&pages) {
        if pages.len() > 1 {
            sink.set_page(number);
        }
        push_recognized(page, &mut sink)?;
    }
    Ok(sink.finish())
}

/// Puts the text of one picture into a sink, paragraph by paragraph.
pub(crate) fn push_recognized(text: &str, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for paragraph in lines.split(|line| line.is_empty()) {
        sink.push(BlockKind::Paragraph, &inline::unwrapped(paragraph))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognized_text_becomes_paragraphs_with_pages() {
        let ocr = Ocr::new(|picture| {
            assert_eq!(picture, b"picture");
            Ok(
                "Returns are ac-\ncepted within\n30 days.\n \nBye\n\u{c}Next page\n\u{c}"
                    .to_owned(),
            )
        });
        let document = read(b"picture", &Limits::default(), Some(&ocr)).expect("readable");
        let found: Vec<_> = document
            .blocks
            .iter()
            .map(|block| (block.text.as_str(), block.page))
            .collect();
        assert_eq!(
            found,
            [
                ("Returns are accepted within 30 days.", Some(1)),
                ("Bye", Some(1)),
                ("Next page", Some(2)),
            ]
        );
    }

    #[test]
    fn without_a_reader_the_reason_says_what_to_install() {
        let error = read(b"picture", &Limits::default(), None).expect_err("nobody reads");
        assert!(
            error.to_string().contains("apt install tesseract-ocr"),
            "{error}"
        );
    }
}
