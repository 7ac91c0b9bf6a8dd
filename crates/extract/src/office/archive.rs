//! Checks the packing of an Office file before any parser sees it: a zip bomb is refused by its
//! directory where that is honest, and by unpacking it into nothing where it isn't.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{ExtractError, Format, Limits};

/// Entries up to this size are never refused for their ratio; blank XML packs a thousand times.
const RATIO_FLOOR_BYTES: u64 = 4 << 20;

/// Which kind of package a file's name promises.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    Word,
    Excel,
}

/// Checks number, sizes, ratios and kind of the entries of a package.
///
/// # Errors
/// `Damaged` where it is no sound zip archive, `WrongContent` where it is another kind of package,
/// `TooLarge` over the limits, `OutOfTime` past the deadline.
pub(super) fn check(bytes: &[u8], package: Package, limits: &Limits) -> Result<(), ExtractError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| reason(&error))?;
    if archive.len() > limits.max_entries {
        return Err(ExtractError::too_large(format!(
            "it packs {} parts, and at most {} are read",
            archive.len(),
            limits.max_entries
        )));
    }
    check_kind(&archive, package)?;
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
    check_real_sizes(&mut archive, limits)
}

fn check_kind(archive: &ZipArchive<Cursor<&[u8]>>, package: Package) -> Result<(), ExtractError> {
    let holds = |folder: &str| {
        archive
            .file_names()
            .any(|name| name.is_ok_and(|name| name.starts_with(folder)))
    };
    let found = if holds("word/") {
        Some(Package::Word)
    } else if holds("xl/") {
        Some(Package::Excel)
    } else {
        None
    };
    if found == Some(package) {
        return Ok(());
    }
    let expected = match package {
        Package::Word => Format::Docx,
        Package::Excel => Format::Xlsx,
    };
    let found = match found {
        Some(Package::Word) => Format::Docx.with_article(),
        Some(Package::Excel) => Format::Xlsx.with_article(),
        None if holds("ppt/") => "a PowerPoint presentation",
        None => "a zip archive of other files",
    };
    Err(ExtractError::WrongContent { expected, found })
}

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
