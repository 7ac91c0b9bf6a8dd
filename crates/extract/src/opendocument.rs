//! OpenDocument texts, presentations and spreadsheets (ISO/IEC 26300): `content.xml` as a stream.
//!
//! Texts and slides are written as HTML, which the HTML reader makes blocks of; sheets become records.

mod sheets;
mod styles;
mod texts;

use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::archive;
use crate::decode::decode;
use crate::sink::BlockSink;
use crate::xml::{Piece, Pieces, name};
use crate::{Document, ExtractError, Format, Limits};
use styles::Styles;

/// Reads a text, a presentation or a spreadsheet.
pub(crate) fn read(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
) -> Result<Document, ExtractError> {
    let mut package = archive::open(bytes, format, limits)?;
    let manifest = part(&mut package, "META-INF/manifest.xml")?.unwrap_or_default();
    if manifest.contains(":encryption-data") {
        return Err(ExtractError::Password("file"));
    }
    let Some(content) = part(&mut package, "content.xml")? else {
        return Err(ExtractError::damaged("it holds no contents"));
    };
    let mut styles = Styles::default();
    for source in [part(&mut package, "styles.xml")?.as_deref(), Some(&content)] {
        styles.add(source.unwrap_or_default(), limits)?;
    }
    let mut sink = BlockSink::new(limits);
    if let Some(meta) = part(&mut package, "meta.xml")? {
        sink.set_title(&title(&meta, limits)?);
    }
    match format {
        Format::Ods => sheets::read(&content, &styles, limits, &mut sink)?,
        _ => texts::read(&content, &styles, limits, &mut sink)?,
    }
    Ok(sink.finish())
}

/// A part of the package as text.
fn part(
    package: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
) -> Result<Option<String>, ExtractError> {
    let Ok(mut entry) = package.by_name(name) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    entry
        .read_to_end(&mut bytes)
        .map_err(|_| ExtractError::damaged("one of its parts could not be unpacked"))?;
    decode(&bytes).map(Some)
}

fn title(meta: &str, limits: &Limits) -> Result<String, ExtractError> {
    let mut pieces = Pieces::of(meta, limits);
    let mut title = String::new();
    let mut inside = false;
    while let Some(piece) = pieces.next()? {
        match piece {
            Piece::Open(tag) => inside = name(&tag) == "dc:title",
            Piece::Close => inside = false,
            Piece::Text(text) if inside => title.push_str(&text),
            Piece::Text(_) => {}
        }
    }
    Ok(title)
}
