//! CSV to records: encoding and delimiter are found out, the first row is the header unless it holds
//! values.

use ::csv::{Reader, ReaderBuilder, StringRecord};

use crate::decode::decode;
use crate::record::RecordWriter;
use crate::sink::BlockSink;
use crate::{Document, ExtractError, Limits};

/// Bytes looked at to find the delimiter.
const SNIFF_BYTES: usize = 64 * 1024;

/// Delimiters in use, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Cells of a row at most, since each takes memory however short it is. Sheets have 16,384 columns.
const MAX_CELLS: usize = 65_536;

/// Reads a CSV file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?;
    read_delimited(&text, delimiter(&text), limits)
}

/// Reads a file of tab-separated values.
pub(crate) fn read_tsv(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    read_delimited(&decode(bytes)?, b'\t', limits)
}

fn read_delimited(text: &str, delimiter: u8, limits: &Limits) -> Result<Document, ExtractError> {
    let mut sink = BlockSink::new(limits);
    let mut writer = RecordWriter::new();
    let mut record = StringRecord::new();
    let mut reader = reader(text, delimiter);
    while reader.read_record(&mut record).map_err(|error| {
        ExtractError::damaged(format!("its rows could not be told apart ({error})"))
    })? {
        if record.len() > MAX_CELLS {
            let what = format!("one of its rows has more than {MAX_CELLS} cells");
            return Err(ExtractError::too_large(what));
        }
        let cells: Vec<(usize, String)> = record.iter().map(str::to_owned).enumerate().collect();
        writer.row(&cells, &mut sink)?;
    }
    writer.finish(&mut sink)?;
    Ok(sink.finish())
}

/// A row of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<String>,
}

/// Reads a CSV file row by row, whatever its encoding and delimiter; rows without any text are passed
/// over.
///
/// # Errors
/// `Damaged` where the bytes are no text, or no CSV.
pub fn csv_rows(bytes: &[u8]) -> Result<Vec<Row>, ExtractError> {
    let text = decode(bytes)?;
    let mut rows = Vec::new();
    for record in reader(&text, delimiter(&text)).into_records() {
        let record = record
            .map_err(|error| ExtractError::damaged(format!("it is not valid CSV ({error})")))?;
        let line = record.position().map_or(0, |position| position.line());
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(Row { line, cells });
        }
    }
    Ok(rows)
}

fn reader(text: &str, delimiter: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// The delimiter that splits the most rows into the same number (more than one) of cells; a comma where
/// none does.
fn delimiter(text: &str) -> u8 {
    let head = &text[..text.floor_char_boundary(SNIFF_BYTES)];
    let agreement = |&delimiter: &u8| {
        let widths: Vec<usize> = reader(head, delimiter)
            .into_records()
            .filter_map(Result::ok)
            .map(|record| record.len())
            .collect();
        let Some(&width) = widths.first().filter(|&&width| width > 1) else {
            return (0, 0);
        };
        let same = widths.iter().filter(|&&other| other == width).count();
        (same * 100 / widths.len(), width)
    };
    // `max_by_key` takes the last of equals, so the likeliest stands last.
    DELIMITERS
        .into_iter()
        .rev()
        .max_by_key(agreement)
        .unwrap_or(b',')
}

#[cfg(test)]
mod tests;
