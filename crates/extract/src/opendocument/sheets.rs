//! The sheets of a spreadsheet to records.

use quick_xml::events::BytesStart;

use super::styles::Styles;
use crate::record::{RecordWriter, sheet_heading};
use crate::sink::BlockSink;
use crate::xml::{Piece, Pieces, attribute, name};
use crate::{BlockKind, ExtractError, Limits};

/// How often a row or a cell that says it is repeated is written; sheets are filled up with millions.
const MAX_REPEATED: usize = 100;

/// Most columns of a sheet that are read, which is as many as spreadsheets have.
const MAX_COLUMNS: usize = 16_384;

/// Puts each visible sheet's rows into a sink.
pub(super) fn read(
    content: &str,
    styles: &Styles,
    limits: &Limits,
    sink: &mut BlockSink<'_>,
) -> Result<(), ExtractError> {
    let sheets = content.matches("<table:table ").count();
    let mut pieces = Pieces::of(content, limits);
    while let Some(piece) = pieces.next()? {
        let Piece::Open(tag) = piece else {
            continue;
        };
        if name(&tag) != "table:table" {
            continue;
        }
        let style = attribute(&tag, "table:style-name").unwrap_or_default();
        if styles.is_hidden(&style) {
            skip(&mut pieces)?;
            continue;
        }
        let title = attribute(&tag, "table:name").unwrap_or_default();
        if let Some(heading) = sheet_heading(&title, sheets) {
            sink.push(BlockKind::Heading(2), heading)?;
        }
        read_sheet(&mut pieces, sink)?;
    }
    Ok(())
}

/// Passes over what is left of the element that was opened last.
fn skip(pieces: &mut Pieces<'_>) -> Result<(), ExtractError> {
    let mut depth = 1;
    while depth > 0 {
        match pieces.next()? {
            Some(Piece::Open(_)) => depth += 1,
            Some(Piece::Close) => depth -= 1,
            Some(Piece::Text(_)) => {}
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Reads from after a sheet's start tag to its end.
fn read_sheet(pieces: &mut Pieces<'_>, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    let mut writer = RecordWriter::new();
    let mut depth = 1;
    let mut row: Vec<(usize, String)> = Vec::new();
    let mut column = 0;
    let mut rows = 1;
    while depth > 0 {
        match pieces.next()? {
            Some(Piece::Open(tag)) => match name(&tag) {
                "table:table-cell" | "table:covered-table-cell" => {
                    let repeated = repeated(&tag, "table:number-columns-repeated");
                    let text = cell(pieces, &tag)?;
                    if !text.is_empty() {
                        for place in column..column + repeated.min(MAX_REPEATED) {
                            row.push((place, text.clone()));
                        }
                    }
                    column = (column + repeated).min(MAX_COLUMNS);
                }
                "table:table-row" => {
                    depth += 1;
                    rows = repeated(&tag, "table:number-rows-repeated");
                    column = 0;
                }
                // Pictures and charts on the sheet, and shapes with their own tables.
                "table:shapes" | "office:forms" => skip(pieces)?,
                _ => depth += 1,
            },
            Some(Piece::Close) => {
                depth -= 1;
                if !row.is_empty() {
                    for _ in 0..rows.min(MAX_REPEATED) {
                        writer.row(&row, sink)?;
                    }
                    row.clear();
                }
            }
            Some(Piece::Text(_)) => {}
            None => break,
        }
    }
    writer.finish(sink)
}

fn repeated(tag: &BytesStart<'_>, name: &str) -> usize {
    let count = attribute(tag, name).and_then(|count| count.parse().ok());
    count.unwrap_or(1).clamp(1, 1 << 20)
}

/// Reads from after a cell's start tag to its end: its text as it is shown, without comments.
fn cell(pieces: &mut Pieces<'_>, tag: &BytesStart<'_>) -> Result<String, ExtractError> {
    let mut text = String::new();
    let mut depth = 1;
    while depth > 0 {
        match pieces.next()? {
            Some(Piece::Open(inner)) => match name(&inner) {
                "office:annotation" | "draw:frame" => skip(pieces)?,
                inner => {
                    depth += 1;
                    match inner {
                        "text:p" if !text.is_empty() => text.push('\n'),
                        "text:s" | "text:tab" => text.push(' '),
                        "text:line-break" => text.push('\n'),
                        _ => {}
                    }
                }
            },
            Some(Piece::Close) => depth -= 1,
            Some(Piece::Text(part)) => text.push_str(&part),
            None => break,
        }
    }
    let text = text.trim();
    if text.is_empty() {
        return Ok(attribute(tag, "office:value").unwrap_or_default());
    }
    Ok(text.to_owned())
}
