//! Names and first bytes that people upload, and what they are told.

use proptest::prelude::*;

use super::*;

const CAN_READ: &str = "Files that can be read: txt, md, html, pdf, docx, pptx, xlsx, xls, odt, odp, ods, \
                        epub, rtf, csv, tsv, json, yaml, xml, eml, vtt, srt, png, jpg, webp, gif, \
                        tiff.";

#[track_caller]
fn check(file_name: &str, head: &[u8], expected: Format) {
    assert_eq!(Format::detect(file_name, head), Ok(expected));
}

#[track_caller]
fn check_refused(file_name: &str, head: &[u8], reason: &str) {
    let refusal = Format::detect(file_name, head)
        .expect_err("refused")
        .to_string();
    assert_eq!(refusal, format!("{reason} {CAN_READ}"));
}

#[test]
fn formats_are_found_by_extension() {
    check("notes.txt", b"hello", Format::Text);
    check("NOTES.TXT", b"hello", Format::Text);
    check("README.md", b"# hello", Format::Markdown);
    check("page.htm", b"<p>hello", Format::Html);
    check("a.b.pdf", b"%PDF-1.7", Format::Pdf);
    check("C:\\files\\a.docx", b"PK\x03\x04", Format::Docx);
    check("prices.tsv", b"a\tb", Format::Tsv);
    check("data.jsonl", b"{}", Format::Json);
    check("book.xlsx", b"PK\x03\x04", Format::Xlsx);
    check("안내문.pdf", b"%PDF-1.4", Format::Pdf);
    check("late.pdf", b"\n\n junk %PDF-1.4", Format::Pdf);
    check("utf16.txt", b"\xff\xfeh\0i\0", Format::Text);
    check("saved.txt", b"<!DOCTYPE html><p>", Format::Text);
    check("empty.pdf", b"", Format::Pdf);
}

/// The beginning of a package that names its type.
fn package(media_type: &str) -> Vec<u8> {
    let mut head = b"PK\x03\x04\x14\0\0\0\0\0\0\0!\0".to_vec();
    head.extend([0; 12]);
    head.extend(b"\x08\0\0\0mimetype");
    head.extend(media_type.as_bytes());
    head.extend(b"PK\x03\x04");
    head
}

#[test]
fn the_new_formats_are_known_by_name_and_bytes() {
    check("slides.pptx", b"PK\x03\x04", Format::Pptx);
    check("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Xls);
    check("mail.eml", b"From: a@example.com\r\n", Format::Email);
    check(
        "talk.srt",
        b"1\n00:00:01,000 --> 00:00:02,000\nHi",
        Format::SubRip,
    );
    check("scan.TIF", b"II*\0", Format::Tiff);
    // A picture of one kind named as another is read all the same.
    check("photo.jpg", b"\x89PNG\r\n\x1a\n", Format::Jpeg);
    check(
        "letter.odt",
        &package("application/vnd.oasis.opendocument.text-template"),
        Format::Odt,
    );
    check_refused(
        "letter.odt",
        &package("application/vnd.oasis.opendocument.presentation"),
        "The file is named .odt but its contents are an OpenDocument presentation.",
    );
    check_refused(
        "drawing.odt",
        &package("application/vnd.oasis.opendocument.graphics"),
        "The file is named .odt but its contents are an OpenDocument file of another kind.",
    );
}

#[test]
fn media_types_lead_to_formats() {
    for format in Format::ALL {
        assert_eq!(Format::from_media_type(format.media_type()), Some(format));
    }
    assert_eq!(Format::from_media_type("Text/XML"), Some(Format::Xml));
    assert_eq!(Format::from_media_type("video/mp4"), None);
}

#[test]
fn a_name_without_extension_goes_by_its_bytes() {
    check("README", b"hello", Format::Text);
    check("Letter to Dr. Kim", b"hello", Format::Text);
    check("index", b"\xef\xbb\xbf <!doctype HTML>", Format::Html);
    check("invoice", b"%PDF-1.4", Format::Pdf);
    check("photo", b"\x89PNG\r\n\x1a\n", Format::Png);
    check("letter", b"{\\rtf1 x}", Format::Rtf);
    check("book", &package("application/epub+zip"), Format::Epub);
    check(
        "sheet",
        &package("application/vnd.oasis.opendocument.spreadsheet"),
        Format::Ods,
    );
    check_refused(
        "sound",
        b"OggS\0",
        "This is an Ogg sound file, which can't be read.",
    );
}

#[test]
fn a_mismatch_names_both_kinds() {
    check_refused(
        "photo.pdf",
        b"\x89PNG\r\n\x1a\n",
        "The file is named .pdf but its contents are a PNG image.",
    );
    check_refused(
        "a.txt",
        b"%PDF-1.7",
        "The file is named .txt but its contents are a PDF.",
    );
    check_refused(
        "a.docx",
        b"hello",
        "The file is named .docx but its contents are plain text.",
    );
    check_refused(
        "a.md",
        b"PK\x03\x04",
        "The file is named .md but its contents are a zip archive.",
    );
    check_refused(
        "a.pdf",
        b"<html><body>Not found",
        "The file is named .pdf but its contents are a web page.",
    );
    check_refused(
        "a.csv",
        b"a,b\0\x01\x02",
        "The file is named .csv but its contents are binary data of an unknown kind.",
    );
    check_refused(
        "secret.xlsx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "The file is named .xlsx but its contents are an older Office file or an Office file protected \
         by a password.",
    );
}

#[test]
fn other_formats_are_refused_by_name() {
    check_refused(
        "letter.doc",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "This is a .doc file, which can't be read.",
    );
    check_refused(
        "setup.exe",
        b"MZ\x90\0",
        "This is a Windows program, which can't be read.",
    );
    check_refused(
        "film.mp4",
        b"\0\0\0\x18ftypisom",
        "This is an MP4 video, which can't be read.",
    );
    check_refused(
        "script.py",
        b"print()",
        "This is a .py file, which can't be read.",
    );
    check_refused(
        "slides.key",
        b"PK\x03\x04",
        "This is a .key file, which can't be read.",
    );
    check_refused(
        ".env",
        b"\0",
        "This is binary data of an unknown kind, which can't be read.",
    );
}

#[test]
fn every_extension_leads_back_to_its_format() {
    for format in Format::ALL {
        for extension in format.extensions() {
            assert_eq!(
                Format::from_extension(&extension.to_uppercase()),
                Some(format)
            );
        }
    }
}

proptest! {
    #[test]
    fn any_name_and_bytes_get_an_answer(name in ".{0,40}", head in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(refusal) = Format::detect(&name, &head) {
            prop_assert!(refusal.to_string().ends_with(CAN_READ));
        }
    }
}
