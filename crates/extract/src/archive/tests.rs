//! Packages that are bombs, broken, or something else.

use std::io::Write;

use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

fn package(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in entries {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .expect("in memory");
        writer.write_all(contents).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn limits() -> Limits {
    Limits {
        max_unpacked_bytes: 20 << 20,
        max_entries: 50,
        ..Limits::default()
    }
}

#[track_caller]
fn check_refused(bytes: &[u8], reason: &str) {
    let error = open(bytes, Format::Docx, &limits())
        .map(drop)
        .expect_err("refused");
    assert_eq!(error.to_string(), reason);
}

#[test]
fn a_sound_package_passes() {
    let bytes = package(&[
        ("word/document.xml", b"<w/>".to_vec()),
        ("a.xml", vec![b' '; 3 << 20]),
    ]);
    assert_eq!(open(&bytes, Format::Docx, &limits()).map(drop), Ok(()));
}

#[test]
fn bombs_are_refused() {
    let reason = "The file is too large: unpacked, it takes more than 20 MB or 200 times its size.";
    check_refused(&package(&[("word/document.xml", vec![0; 5 << 20])]), reason);
    // Poorly packed, yet too much altogether.
    let noise = |seed: u32| -> Vec<u8> {
        (0_u32..6 << 20)
            .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8)
            .collect()
    };
    let parts: Vec<(String, Vec<u8>)> = (0..4)
        .map(|n| (format!("word/{n}.bin"), noise(n)))
        .collect();
    let parts: Vec<(&str, Vec<u8>)> = parts
        .iter()
        .map(|(name, part)| (name.as_str(), part.clone()))
        .collect();
    check_refused(&package(&parts), reason);
    let many: Vec<String> = (0..51).map(|n| format!("word/{n}.xml")).collect();
    let many: Vec<(&str, Vec<u8>)> = many
        .iter()
        .map(|name| (name.as_str(), Vec::new()))
        .collect();
    check_refused(
        &package(&many),
        "The file is too large: it packs 51 parts, and at most 50 are read.",
    );
}

#[test]
fn a_lying_directory_does_not_help_a_bomb() {
    let mut bytes = package(&[("word/document.xml", vec![0; 30 << 20])]);
    // The unpacked size stands in the local header and in the directory.
    let real = (30_u32 << 20).to_le_bytes();
    let places: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == real)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    assert!(open(&bytes, Format::Docx, &limits()).map(drop).is_err());
}

#[test]
fn other_packages_are_named() {
    check_refused(
        &package(&[("xl/workbook.xml", Vec::new())]),
        "The file is not a Word document but an Excel workbook.",
    );
    check_refused(
        &package(&[("ppt/presentation.xml", Vec::new())]),
        "The file is not a Word document but a PowerPoint presentation.",
    );
    check_refused(
        &package(&[("readme.txt", Vec::new())]),
        "The file is not a Word document but a zip archive of other files.",
    );
}

#[test]
fn broken_archives_are_damaged() {
    let bytes = package(&[("word/document.xml", b"<w/>".to_vec())]);
    let reason = "The file is damaged: it ends too early or its packing is broken.";
    check_refused(&bytes[..bytes.len() / 2], reason);
    check_refused(b"PK\x03\x04", reason);
}
