//! Checks the packing of a packed file (Office, OpenDocument, EPUB) before any parser sees it: a zip bomb
//! is refused by its directory where that is honest, and by unpacking it into nothing where it isn't. An
//! archive in the archive is a part like others, and never opened.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{ExtractError, Format, Limits};

/// Entries up to this size are never refused for their ratio; blank XML packs a thousand times.
const RATIO_FLOOR_BYTES: u64 = 4 << 20;

/// Opens a package once number, sizes, ratios and kind of its entries have been checked.
///
/// # Errors
/// `Damaged` where it is no sound zip archive, `WrongContent` where it is another kind of package,
/// `TooLarge` over the limits, `OutOfTime` past the deadline.
pub(crate) fn open<'b>(
    bytes: &'b [u8],
    format: Format,
    limits: &Limits,
) -> Result<ZipArchive<Cursor<&'b [u8]>>, ExtractError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| reason(&error))?;
    if archive.len() > limits.max_entries {
        return Err(ExtractError::too_large(format!(
            "it packs {} parts, and at most {} are read",
            archive.len(),
            limits.max_entries
        )));
    }
    check_kind(&mut archive, format)?;
    let mut declared = 0_u64;
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| reason(&error))?;
        if entry.encrypted() {
            return Err(ExtractError::Password("file"));
        }
        declared = declared.saturating_add(entry.size());
    }
    if declared > limits.max_unpacked_bytes {
        return Err(too_large(limits));
    }
    check_real_sizes(&mut archive, limits)?;
    Ok(archive)
}

fn check_kind(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    expected: Format,
) -> Result<(), ExtractError> {
    let found = kind(archive);
    if found == Some(expected) {
        return Ok(());
    }
    let found = found.map_or("a zip archive of other files", Format::with_article);
    Err(ExtractError::WrongContent { expected, found })
}

/// What a package is: by the type it names itself, or by a folder that all of its kind have.
fn kind(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Option<Format> {
    let mut named = String::new();
    if let Ok(entry) = archive.by_name("mimetype") {
        // One that is no text names nothing.
        let _ = entry.take(MAX_TYPE_BYTES).read_to_string(&mut named);
    }
    if let Some(format) = Format::of_package_type(named.trim()) {
        return Some(format);
    }
    let holds = |folder: &str| {
        archive
            .file_names()
            .any(|name| name.is_ok_and(|name| name.starts_with(folder)))
    };
    [
        ("word/", Format::Docx),
        ("xl/", Format::Xlsx),
        ("ppt/", Format::Pptx),
        ("META-INF/container.xml", Format::Epub),
    ]
    .into_iter()
    .find_map(|(folder, format)| holds(folder).then_some(format))
}

/// Longest type that a package may name itself, in bytes.
const MAX_TYPE_BYTES: u64 = 100;

/// Unpacks every entry into nothing and counts. Sizes in a directory are only claims, and entries of a
/// bomb may share the same packed bytes.
fn check_real_sizes(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    limits: &Limits,
) -> Result<(), ExtractError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0_u64;
    for index in 0..archive.len() {
        limits.check_deadline()?;
        let mut entry = archive.by_index(index).map_err(|error| reason(&error))?;
        let packed = entry.compressed_size().max(1);
        let mut size = 0_u64;
        loop {
            let read = entry
                .read(&mut buffer)
                .map_err(|_| ExtractError::damaged("one of its parts could not be unpacked"))?;
            if read == 0 {
                break;
            }
            size += read as u64;
            total += read as u64;
            let bomb = size > RATIO_FLOOR_BYTES && size / packed > limits.max_unpack_ratio;
            if bomb || total > limits.max_unpacked_bytes {
                return Err(too_large(limits));
            }
        }
    }
    Ok(())
}

fn too_large(limits: &Limits) -> ExtractError {
    ExtractError::too_large(format!(
        "unpacked, it takes more than {} MB or {} times its size",
        limits.max_unpacked_bytes >> 20,
        limits.max_unpack_ratio
    ))
}

fn reason(error: &ZipError) -> ExtractError {
    match error {
        ZipError::InvalidArchive(_) | ZipError::Io(_) => {
            ExtractError::damaged("it ends too early or its packing is broken")
        }
        _ => ExtractError::damaged("it is packed in a way that can't be read"),
    }
}

#[cfg(test)]
mod tests;
