//! Pictures of text: what reads them is given from outside, since nothing here starts programs.

use std::fmt;
use std::sync::Arc;

use crate::sink::{BlockSink, one_line};
use crate::{BlockKind, Document, ExtractError, Limits, inline, table};

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

/// Spaces from which on a gap in a line parts the columns of a table.
const COLUMN_GAP: &str = "   ";

/// Puts the text of one picture into a sink: paragraphs, and tables where lines are parted alike.
pub(crate) fn push_recognized(text: &str, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut rest = &lines[..];
    while let Some(first) = rest.first() {
        let rows = table_rows(rest);
        let used = if rows > 0 {
            let rows: Vec<Vec<String>> = rest[..rows].iter().map(|row| cells(row)).collect();
            sink.push(BlockKind::Table, &table::render(&rows))?;
            rows.len()
        } else if first.is_empty() {
            1
        } else {
            let ends = |&place: &usize| rest[place].is_empty() || table_rows(&rest[place..]) > 0;
            let used = (1..rest.len()).find(ends).unwrap_or(rest.len());
            let lines: Vec<String> = rest[..used].iter().map(|line| one_line(line)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            sink.push(BlockKind::Paragraph, &inline::unwrapped(&lines))?;
            used
        };
        rest = &rest[used..];
    }
    Ok(())
}

/// How many lines from here on make up one table: at least two of as many cells, blank ones between them
/// left out.
fn table_rows(lines: &[&str]) -> usize {
    let width = lines.first().map_or(0, |line| cells(line).len());
    if width < 2 {
        return 0;
    }
    let is_part = |line: &&&str| line.is_empty() || cells(line).len() == width;
    let part = lines.iter().take_while(is_part).count();
    let last = lines[..part].iter().rposition(|line| !line.is_empty());
    let used = last.map_or(0, |last| last + 1);
    let rows = lines[..used].iter().filter(|line| !line.is_empty());
    if rows.count() > 1 { used } else { 0 }
}

fn cells(line: &str) -> Vec<String> {
    let cells = line.split(COLUMN_GAP).map(one_line);
    cells.filter(|cell| !cell.is_empty()).collect()
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
    fn lines_that_are_parted_alike_become_a_table() {
        let limits = Limits::default();
        let mut sink = BlockSink::new(&limits);
        let text = "Spare  parts\nPart        Number     Price\n\nLid         FK-10      6.50\n\
                    Fine filter     FK-11    3.20\nSee the    back.\n";
        push_recognized(text, &mut sink).expect("within the limits");
        let blocks = sink.finish().blocks;
        let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Spare parts",
                "| Part | Number | Price |\n| --- | --- | --- |\n| Lid | FK-10 | 6.50 |\n\
                 | Fine filter | FK-11 | 3.20 |",
                "See the back.",
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
