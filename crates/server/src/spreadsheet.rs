//! CSV that spreadsheets open.

use okra_domain::Error;

/// What tells Excel that a file is UTF-8.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";
/// The media type.
pub const MEDIA_TYPE: &str = "text/csv; charset=utf-8";

/// Appends a line.
pub fn write_line<'a>(
    out: &mut Vec<u8>,
    cells: impl IntoIterator<Item = &'a str>,
) -> Result<(), Error> {
    let mut csv = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(out);
    let written = csv.write_record(cells.into_iter().map(harmless));
    let written = written.and_then(|()| Ok(csv.flush()?));
    written.map_err(|error| Error::internal("cannot write an export", error))
}

/// The cell as no spreadsheet takes it for a formula: visitors write what supporters open.
fn harmless(cell: &str) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}
