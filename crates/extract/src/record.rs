//! Rows of a sheet to records, for CSV files and workbooks.
//!
//! Each row becomes `Header: value` rather than a row of a Markdown table. A question asks about one
//! row ("what does the gasket cost?"), and a record answers by itself, wherever a chunk is cut and
//! however wide the sheet is; in a table's row the words "price" and "4.50" meet only through counting
//! columns, which neither a word index nor a small model does. The price is length: headers are
//! repeated for each row.

use crate::sink::{BlockSink, one_line};
use crate::{BlockKind, ExtractError};

/// Records up to this length stand on one line, so that an answer cut down to a line holds all of them.
const ONE_LINE_CHARS: usize = 240;

/// Longest text taken for a column's header.
const MAX_HEADER_CHARS: usize = 80;

/// The heading over a sheet's rows: its name, unless it is the only one and was never given a name.
pub(crate) fn sheet_heading(name: &str, sheets: usize) -> Option<&str> {
    let given = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    (sheets > 1 || !UNNAMED.contains(&given)).then_some(name)
}

/// What spreadsheet programs call a sheet before its number.
const UNNAMED: &[&str] = &[
    "",
    "Sheet",
    "Tabelle",
    "Feuille",
    "Feuil",
    "Hoja",
    "Foglio",
    "Planilha",
    "Лист",
    "시트",
    "シート",
    "工作表",
];

/// Turns one sheet's rows into blocks.
pub(crate) struct RecordWriter {
    header: Header,
    has_records: bool,
}

enum Header {
    /// No row with at least two cells has been seen.
    Awaited,
    /// Names of the columns, blank where the header row is.
    Named(Vec<String>),
    /// The first row holds values already.
    Missing,
}

impl RecordWriter {
    /// A writer for a sheet whose first row with at least two cells may be its header.
    pub(crate) fn new() -> Self {
        Self {
            header: Header::Awaited,
            has_records: false,
        }
    }

    /// Adds a row of (column from 0, text) in column order.
    pub(crate) fn row(
        &mut self,
        cells: &[(usize, String)],
        sink: &mut BlockSink<'_>,
    ) -> Result<(), ExtractError> {
        let cells: Vec<(usize, &str)> = cells
            .iter()
            .map(|(column, text)| (*column, text.trim()))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        if matches!(self.header, Header::Awaited) {
            if cells.len() < 2 {
                // A title or note above the table, or a sheet with a single column.
                return cells
                    .first()
                    .map_or(Ok(()), |(_, text)| sink.push(BlockKind::Paragraph, text));
            }
            if let Some(names) = header_names(&cells) {
                self.header = Header::Named(names);
                return Ok(());
            }
            self.header = Header::Missing;
        }
        self.has_records |= !cells.is_empty();
        sink.push(BlockKind::Record, &self.record(&cells))
    }

    /// Ends the sheet. A header without any row under it is text after all.
    pub(crate) fn finish(self, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
        match self.header {
            Header::Named(names) if !self.has_records => {
                let names: Vec<_> = names
                    .iter()
                    .filter(|name| !name.is_empty())
                    .map(String::as_str)
                    .collect();
                sink.push(BlockKind::Record, &names.join("; "))
            }
            _ => Ok(()),
        }
    }

    fn record(&self, cells: &[(usize, &str)]) -> String {
        let fields: Vec<String> = cells
            .iter()
            .map(|&(column, text)| match &self.header {
                Header::Named(names) => match names.get(column).map(String::as_str) {
                    None | Some("") => text.to_owned(),
                    Some(name) => format!("{name}: {text}"),
                },
                _ => text.to_owned(),
            })
            .collect();
        let length: usize = fields.iter().map(|field| field.chars().count() + 2).sum();
        let has_lines = fields.iter().any(|field| field.contains('\n'));
        fields.join(if has_lines || length > ONE_LINE_CHARS {
            "\n"
        } else {
            "; "
        })
    }
}

/// The column names, where this row can be a header: short texts, none of them a number, none twice.
fn header_names(cells: &[(usize, &str)]) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for &(column, text) in cells {
        let is_number =
            text.chars().any(|c| c.is_ascii_digit()) && !text.chars().any(char::is_alphabetic);
        if is_number || text.chars().count() > MAX_HEADER_CHARS || !seen.insert(text) {
            return None;
        }
        names.resize(column + 1, String::new());
        names[column] = one_line(text).trim_end_matches(':').to_owned();
    }
    Some(names)
}
