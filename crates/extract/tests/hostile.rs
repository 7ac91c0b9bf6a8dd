//! Files that are cut short, loop, or grow: every format is refused with a reason or read, and nothing
//! panics, hangs or takes all memory.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use okra_extract::{Document, ExtractError, Format, Limits, Ocr, extract, extract_with_ocr};
use zip::write::SimpleFileOptions;

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A sound file of each format.
fn sample(format: Format) -> Vec<u8> {
    let text = match format {
        Format::Pdf => return data("korean-cid.pdf"),
        Format::Docx => return data("guide-writer.docx"),
        Format::Pptx => return data("slides.pptx"),
        Format::Xlsx => return data("parts-raw.xlsx"),
        Format::Xls => return data("parts.xls"),
        Format::Odt => return data("guide.odt"),
        Format::Odp => return data("slides.odp"),
        Format::Ods => return data("parts.ods"),
        Format::Epub => return data("book.epub"),
        Format::Rtf => return data("guide.rtf"),
        Format::Png => return b"\x89PNG\r\n\x1a\nrest of a picture".to_vec(),
        Format::Jpeg => return b"\xff\xd8\xffrest of a picture".to_vec(),
        Format::Webp => return b"RIFF\0\0\0\0WEBPVP8 rest of a picture".to_vec(),
        Format::Gif => return b"GIF89arest of a picture".to_vec(),
        Format::Tiff => return b"II*\0rest of a picture".to_vec(),
        Format::Text => "Returns\n\nWithin 30 days, 반품 가능.\n",
        Format::Markdown => {
            "---\ntitle: x\n---\n# Returns\n\n- a\n- b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx\n```\n"
        }
        Format::Html => {
            "<!doctype html><title>x</title><h1>Returns</h1><table><tr><td>a<td>b</table><p>반품 <a href='x'>y</a>"
        }
        Format::Csv => "Part,Price\n\"Lid, \"\"fine\"\"\",6.50\n반품,3\n",
        Format::Tsv => "Part\tPrice\nLid\t6.50\n반품\t3\n",
        Format::Json => "{\"a\": [{\"b\": \"반품\", \"c\": [1, 2.5, null, true]}, \"\\u00e9\"]}",
        Format::Yaml => "a: &x [b, \"c\\n\"]\nd:\n  - e: |\n      text\n    f: *x\n---\ng: 반품\n",
        Format::Xml => {
            "<?xml version=\"1.0\"?><a b=\"c\"><d>반품 &amp; <e/>x</d><d><![CDATA[y]]></d></a>"
        }
        Format::Email => {
            "From: Kim <kim@example.com>\r\nSubject: =?utf-8?B?67CY7ZKI?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n--b\r\nContent-Disposition: attachment; filename=a.csv\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgo=\r\n--b--\r\n"
        }
        Format::WebVtt => "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Kim>Hi &amp; 반품\n",
        Format::SubRip => "1\n00:00:01,000 --> 00:00:02,000\n<i>Hi</i> 반품\n",
    };
    text.as_bytes().to_vec()
}

fn read(bytes: &[u8], format: Format) -> Result<Document, ExtractError> {
    let limits = Limits {
        deadline: Some(Instant::now() + Duration::from_secs(60)),
        ..Limits::default()
    };
    let ocr = Ocr::new(|picture| match picture.len() {
        0..12 => Err(ExtractError::Damaged(
            "a picture in it could not be understood".to_owned(),
        )),
        _ => Ok("Text in a picture".to_owned()),
    });
    extract_with_ocr(bytes, format, &limits, Some(&ocr))
}

/// Reads, and holds whatever comes out to what is promised of it.
#[track_caller]
fn check(bytes: &[u8], format: Format, what: &str) {
    match read(bytes, format) {
        Ok(document) => {
            assert!(!document.blocks.is_empty(), "{format:?} {what}");
            for block in document.blocks {
                assert!(!block.text.trim().is_empty(), "{format:?} {what}");
                assert!(!block.text.contains('\0'), "{format:?} {what}");
            }
        }
        Err(ExtractError::OutOfTime) => panic!("{format:?} {what}: too slow"),
        Err(error) => {
            let reason = error.to_string();
            assert!(
                reason.ends_with('.') && !reason.contains("panicked"),
                "{format:?} {what}: {reason}"
            );
        }
    }
}

#[test]
fn every_format_is_read_whole_and_survives_being_cut_anywhere() {
    for format in Format::ALL {
        let whole = sample(format);
        if let Err(error) = read(&whole, format) {
            panic!("{format:?}: {error}");
        }
        let near_the_ends =
            (0..whole.len().min(40)).chain(whole.len().saturating_sub(40)..whole.len());
        let between = (1..60).map(|part| whole.len() * part / 60);
        for cut in near_the_ends.chain(between) {
            check(&whole[..cut], format, &format!("cut at {cut}"));
        }
    }
}

#[test]
fn every_format_survives_flipped_bytes_and_other_formats_bytes() {
    for format in Format::ALL {
        let whole = sample(format);
        for seed in 0..25_usize {
            let mut bytes = whole.clone();
            for hit in 0..4 {
                let place = (seed * 7_919 + hit * 104_729) % bytes.len();
                bytes[place] = bytes[place].wrapping_add(1 + (seed * 11 % 250) as u8);
            }
            check(&bytes, format, &format!("flipped by {seed}"));
        }
        for other in Format::ALL {
            check(&sample(other), format, &format!("in place of {other:?}"));
        }
    }
}

/// A package of these parts, the type it names itself first.
fn package(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in parts {
        let options = SimpleFileOptions::default();
        writer.start_file(*name, options).expect("in memory");
        writer.write_all(contents).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn open_document(format: Format, content: &str) -> Vec<u8> {
    package(&[
        ("mimetype", format.media_type().as_bytes()),
        ("content.xml", content.as_bytes()),
    ])
}

/// An XML document type that defines entities of entities: the last of them is 10^30 letters long.
fn entity_bomb() -> String {
    let mut entities = String::from("<!ENTITY e0 \"lollollollol\">");
    for level in 1..30 {
        let inner = format!("&e{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY e{level} \"{inner}\">"));
    }
    format!("<!DOCTYPE bomb [{entities}]>")
}

#[test]
fn bombs_in_packages_are_refused() {
    let zeroes = vec![b' '; 60 << 20];
    for (format, part) in [
        (Format::Odt, "content.xml"),
        (Format::Odp, "content.xml"),
        (Format::Ods, "content.xml"),
        (Format::Epub, "chapter.xhtml"),
    ] {
        let bomb = package(&[
            ("mimetype", format.media_type().as_bytes()),
            (part, &zeroes),
        ]);
        assert!(bomb.len() < 300_000);
        let outcome = read(&bomb, format);
        assert!(
            matches!(outcome, Err(ExtractError::TooLarge(_))),
            "{format:?}: {outcome:?}"
        );
    }
    let bomb = package(&[("ppt/presentation.xml", &zeroes)]);
    let outcome = read(&bomb, Format::Pptx);
    assert!(
        matches!(outcome, Err(ExtractError::TooLarge(_))),
        "{outcome:?}"
    );
}

#[test]
fn blocks_without_end_are_refused_however_short() {
    let limits = Limits {
        max_blocks: 1_000,
        ..Limits::default()
    };
    for (format, head, piece) in [
        (Format::Text, "", "a\n\n"),
        (Format::Markdown, "", "a\n\n"),
        (Format::Csv, "a,b\n", "1,2\n"),
        (Format::Tsv, "a\tb\n", "1\t2\n"),
        (Format::Json, "", "{\"a\":1}\n"),
        (
            Format::SubRip,
            "",
            "00:00:01 --> 00:00:01\nA: b\n\n00:00:09 --> 00:00:09\nC: d\n\n",
        ),
    ] {
        let enough = head.to_owned() + &piece.repeat(400);
        let document = extract(enough.as_bytes(), format, &limits).expect("within the limits");
        assert!(document.blocks.len() >= 400, "{format:?}");
        let more = head.to_owned() + &piece.repeat(1_001);
        let error = extract(more.as_bytes(), format, &limits).expect_err("too many");
        assert_eq!(
            error.to_string(),
            "The file is too large: it has more than 1000 paragraphs, rows or records; split it \
             into several files.",
            "{format:?}"
        );
    }
}

#[test]
fn archives_in_archives_are_never_opened() {
    let mut archive = package(&[("bomb", &vec![0; 1 << 20])]);
    for _ in 0..5 {
        let parts: Vec<(String, &[u8])> = (0..10)
            .map(|n| (format!("{n}.zip"), archive.as_slice()))
            .collect();
        let parts: Vec<(&str, &[u8])> = parts
            .iter()
            .map(|(name, part)| (name.as_str(), *part))
            .collect();
        archive = package(&parts);
    }
    let content =
        "<office:document-content><text:p>All there is.</text:p></office:document-content>";
    let bytes = package(&[
        ("mimetype", Format::Odt.media_type().as_bytes()),
        ("content.xml", content.as_bytes()),
        ("inner.zip", &archive),
    ]);
    let document = read(&bytes, Format::Odt).expect("readable");
    assert_eq!(document.blocks[0].text, "All there is.");
    let outcome = read(&archive, Format::Epub).expect_err("no book");
    assert_eq!(
        outcome.to_string(),
        "The file is not an EPUB book but a zip archive of other files."
    );
}

#[test]
fn entities_of_entities_stay_small() {
    let bomb = entity_bomb();
    let odt = format!(
        "{bomb}<office:document-content><text:p>&e29; plain</text:p></office:document-content>"
    );
    let ods = format!(
        "{bomb}<office:document-content><table:table table:name=\"&e29;\"><table:table-row>\
         <table:table-cell><text:p>&e29; plain</text:p></table:table-cell></table:table-row>\
         </table:table></office:document-content>"
    );
    let opf = format!(
        "{bomb}<package><metadata><dc:title>&e29; plain</dc:title></metadata><manifest>\
         <item id=\"c\" href=\"c.xhtml\" media-type=\"application/xhtml+xml\"/></manifest>\
         <spine><itemref idref=\"c\"/></spine></package>"
    );
    let epub = package(&[
        ("mimetype", Format::Epub.media_type().as_bytes()),
        (
            "META-INF/container.xml",
            b"<container><rootfile full-path=\"c.opf\"/></container>",
        ),
        ("c.opf", opf.as_bytes()),
        (
            "c.xhtml",
            format!("{bomb}<body><p>&e29; plain</p></body>").as_bytes(),
        ),
    ]);
    for (bytes, format) in [
        (open_document(Format::Odt, &odt), Format::Odt),
        (open_document(Format::Ods, &ods), Format::Ods),
        (epub, Format::Epub),
        (
            format!("{bomb}<a>&e29; plain</a>").into_bytes(),
            Format::Xml,
        ),
    ] {
        let document = read(&bytes, format).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let chars: usize = document.blocks.iter().map(|block| block.text.len()).sum();
        assert!(chars < 200, "{format:?}: {chars}");
        let last = document.blocks.last().expect("a block");
        assert!(last.text.contains("plain"), "{format:?}: {}", last.text);
    }
}

#[test]
fn repeated_cells_and_rows_stay_few() {
    let ods = "<office:document-content><table:table table:name=\"S\"><table:table-row \
               table:number-rows-repeated=\"1048576\"><table:table-cell \
               table:number-columns-repeated=\"16384\"><text:p>x</text:p></table:table-cell>\
               </table:table-row></table:table></office:document-content>";
    let document = read(&open_document(Format::Ods, ods), Format::Ods).expect("readable");
    assert!(document.blocks.len() <= 101, "{}", document.blocks.len());
    let odt = "<office:document-content><table:table><table:table-row><table:table-cell \
               table:number-columns-repeated=\"999999999\"><text:p>x</text:p></table:table-cell>\
               </table:table-row></table:table></office:document-content>";
    check(
        &open_document(Format::Odt, odt),
        Format::Odt,
        "with a wide row",
    );
}

#[test]
fn deep_nesting_is_refused_or_read() {
    let deep = format!(
        "<office:document-content>{}",
        "<text:list><text:list-item>".repeat(50_000)
    );
    let limits = Limits {
        max_unpack_ratio: u64::MAX,
        ..Limits::default()
    };
    assert_eq!(
        extract(&open_document(Format::Odt, &deep), Format::Odt, &limits),
        Err(ExtractError::TooDeep(128))
    );
    check("[".repeat(200_000).as_bytes(), Format::Yaml, "of brackets");
    check("{".repeat(200_000).as_bytes(), Format::Yaml, "of braces");
    check(
        "{\\rtf1".repeat(100_000).as_bytes(),
        Format::Rtf,
        "of groups",
    );
    let multipart: String = (0..5_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    check(
        format!("Subject: x\r\n{multipart}").as_bytes(),
        Format::Email,
        "of parts",
    );
}

/// A PDF of these objects, the first of which is its catalog.
fn pdf(objects: &[String]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    let start = file.len();
    let size = objects.len() + 1;
    let trailer = format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    file.extend_from_slice(table.as_bytes());
    file.extend_from_slice(trailer.as_bytes());
    file
}

#[test]
fn page_trees_that_loop_or_lie_are_harmless() {
    let catalog = || "<< /Type /Catalog /Pages 2 0 R >>".to_owned();
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
                /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>";
    let text = "BT /F1 11 Tf 56 780 Td (The only page there is, with a sentence of text.) Tj ET";
    let text = format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len());
    for (what, tree) in [
        (
            "itself as its child",
            "<< /Type /Pages /Kids [2 0 R] /Count 1 >>",
        ),
        (
            "a page and itself",
            "<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>",
        ),
        (
            "a count of 100,000",
            "<< /Type /Pages /Kids [3 0 R] /Count 100000 >>",
        ),
        (
            "a negative count",
            "<< /Type /Pages /Kids [3 0 R] /Count -5 >>",
        ),
        (
            "no such child",
            "<< /Type /Pages /Kids [99 0 R] /Count 1 >>",
        ),
    ] {
        let bytes = pdf(&[catalog(), tree.to_owned(), page.to_owned(), text.clone()]);
        check(&bytes, Format::Pdf, &format!("with {what}"));
    }
    // As many pages as it says, all of them the same object.
    let kids = "3 0 R ".repeat(100_000);
    let tree = format!("<< /Type /Pages /Kids [{kids}] /Count 100000 >>");
    let bytes = pdf(&[catalog(), tree, page.to_owned(), text]);
    let outcome = read(&bytes, Format::Pdf);
    assert!(
        matches!(outcome, Err(ExtractError::TooLarge(_))),
        "{outcome:?}"
    );
}
