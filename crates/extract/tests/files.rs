//! Files made by real programs, read as the engine reads them: what is in `tests/data`, and what becomes
//! of such files when they are cut short, mislabelled or hostile.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use okra_extract::{
    BlockKind, ChunkOptions, Document, ExtractError, Format, Limits, Ocr, chunk, extract,
    extract_with_ocr,
};

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str) -> Result<Document, ExtractError> {
    let bytes = data(name);
    let format = Format::detect(name, &bytes[..bytes.len().min(4096)]).expect("a readable format");
    extract(&bytes, format, &Limits::default())
}

fn text(document: &Document) -> String {
    let texts: Vec<_> = document
        .blocks
        .iter()
        .map(|block| block.text.as_str())
        .collect();
    texts.join("\n\n")
}

/// Reads a file and finds each of the passages in its text, in this order.
#[track_caller]
fn check(name: &str, passages: &[&str]) -> Document {
    let document = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = text(&document);
    let mut rest = text.as_str();
    for passage in passages {
        let Some((_, after)) = rest.split_once(passage) else {
            panic!("{name} lacks {passage:?} (in this place):\n{text}");
        };
        rest = after;
    }
    document
}

#[track_caller]
fn check_reason(name: &str, reason: &str) {
    let error = read(name).expect_err("can't be read");
    assert_eq!(error.to_string(), reason, "{name}");
}

fn headings(document: &Document) -> Vec<&str> {
    document
        .blocks
        .iter()
        .filter(|block| matches!(block.kind, BlockKind::Heading(_)))
        .map(|block| block.text.as_str())
        .collect()
}

#[test]
fn a_pdf_keeps_headings_tables_and_pages() {
    let document = check(
        "guide-chromium.pdf",
        &[
            "Fern Kettle Guide",
            "boils one litre of water in three minutes",
            "Filling and boiling",
            "Take the kettle off its base.",
            "Guarantee",
            "The guarantee lasts for three years.",
            "Spare parts",
            "FK-11",
            "3.20",
            "Contact",
            "Our office in Riverside",
        ],
    );
    let found = headings(&document);
    for heading in ["Filling and boiling", "Guarantee", "Spare parts", "Contact"] {
        assert!(found.contains(&heading), "{found:?}");
    }
    let page = |passage: &str| {
        let block = document
            .blocks
            .iter()
            .find(|block| block.text.contains(passage));
        block.and_then(|block| block.page)
    };
    assert_eq!(page("boils one litre"), Some(1));
    assert_eq!(page("lasts for three years"), Some(2));
    assert_eq!(page("office in Riverside"), Some(3));
    let chunks = chunk(&document, &ChunkOptions::default());
    assert_eq!(chunks[0].page, Some(1));
}

#[test]
fn pdfs_of_other_producers_are_read() {
    let chapters = check("chapters.pdf", &["Chapter 1", "Chapter 2", "Chapter 5"]);
    assert_eq!(
        headings(&chapters).len(),
        5,
        "headings at page tops are no running headers"
    );
    for name in ["guide-writer.pdf", "guide-linear.pdf", "restricted.pdf"] {
        check(
            name,
            &[
                "Fern Kettle Guide",
                "boils one litre of water in three minutes",
                "제품을 받은 날부터 30일 이내에 반품할 수 있습니다.",
                "FK-10",
            ],
        );
    }
}

#[test]
fn korean_pdfs_are_read_with_and_without_embedded_fonts() {
    check(
        "korean-embedded.pdf",
        &[
            "반품 안내",
            "제품을 받은 날부터 30일 이내에 반품할 수 있습니다.",
            "보증 기간은 2년입니다.",
        ],
    );
    check(
        "korean-cid.pdf",
        &[
            "반품과 보증",
            "제품을 받은 날부터 30일 이내에 반품할 수 있습니다.",
            "보증 기간은 2년입니다.",
        ],
    );
}

#[test]
fn pdfs_without_readable_text_say_why() {
    check_reason(
        "locked.pdf",
        "This PDF is protected by a password. Remove the password and upload it again.",
    );
    check_reason(
        "scanned.pdf",
        "Its text is in pictures, and reading those takes tesseract, which is not installed on the \
         server. Install it (on Debian and Ubuntu: apt install tesseract-ocr, and tesseract-ocr-kor \
         and the like for other languages than English), then read this item again.",
    );
}

#[test]
fn broken_pdfs_are_damaged() {
    let whole = data("guide-chromium.pdf");
    for cut in [10, 100, 1_000, whole.len() / 3] {
        let outcome = extract(&whole[..cut], Format::Pdf, &Limits::default());
        assert!(
            matches!(outcome, Err(ExtractError::Damaged(_))),
            "cut at {cut}: {outcome:?}"
        );
    }
    for bytes in [
        &b"%PDF-1.7"[..],
        b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
        b"no PDF at all",
    ] {
        let outcome = extract(bytes, Format::Pdf, &Limits::default());
        assert!(
            matches!(outcome, Err(ExtractError::Damaged(_))),
            "{outcome:?}"
        );
    }
}

#[test]
fn word_documents_keep_headings_lists_and_tables() {
    for name in ["guide.docx", "guide-writer.docx"] {
        let document = check(
            name,
            &[
                "Fern Kettle Guide",
                "boils one litre",
                "Filling",
                "Take the kettle off its base.",
                "반품 안내",
                "제품을 받은 날부터 30일 이내에 반품할 수 있습니다.",
                "Spare parts",
                "| Part | Number | Price |",
                "| Filter \\| fine | FK-11 | 3.20 |",
            ],
        );
        assert_eq!(
            document.title.as_deref(),
            Some("Fern Kettle Guide"),
            "{name}"
        );
        assert_eq!(
            headings(&document),
            ["Fern Kettle Guide", "Filling", "반품 안내", "Spare parts"],
            "{name}"
        );
        let list = document
            .blocks
            .iter()
            .find(|block| block.kind == BlockKind::List);
        assert_eq!(
            list.map(|list| list.text.as_str()),
            Some("1. Take the kettle off its base.\n2. Fill in cold water."),
            "{name}"
        );
    }
}

#[test]
fn workbooks_become_records_under_their_sheets() {
    let document = check(
        "parts.xlsx",
        &[
            "Parts",
            "Fern Kettle spare parts",
            "Part: Lid; Number: FK-10; Price: 6.50; In stock: 12; Value: 78; Counted on: 2026-03-09",
            "Part: Filter; Number: FK-11; Price: 3.20; In stock: 40; Value: 128; Counted on: 2026-03-09",
            "배송비",
            "지역: 서울; 배송비: 3,000원; 할인: 10%",
        ],
    );
    assert_eq!(headings(&document), ["Parts", "배송비"]);
    assert!(
        !text(&document).contains("Cost"),
        "hidden sheets stay hidden"
    );
    // A formula that no program has calculated yet has no value to show.
    check(
        "parts-raw.xlsx",
        &["Part: Lid; Number: FK-10; Price: 6.50; In stock: 12; Counted on: 2026-03-09"],
    );
}

#[test]
fn text_in_a_korean_encoding_is_read() {
    let document = check(
        "euc-kr.txt",
        &["제품을 받은 날부터 30일 이내에 반품할 수 있습니다."],
    );
    assert_eq!(document.blocks.len(), 3);
}

#[test]
fn broken_office_files_are_damaged() {
    for (name, format) in [("guide.docx", Format::Docx), ("parts.xlsx", Format::Xlsx)] {
        let whole = data(name);
        for cut in [5, 100, whole.len() / 2, whole.len() - 10] {
            let outcome = extract(&whole[..cut], format, &Limits::default());
            assert!(
                matches!(outcome, Err(ExtractError::Damaged(_))),
                "{name} cut at {cut}: {outcome:?}"
            );
        }
    }
    let outcome = extract(&data("parts.xlsx"), Format::Docx, &Limits::default());
    assert_eq!(
        outcome.expect_err("a workbook").to_string(),
        "The file is not a Word document but an Excel workbook."
    );
}

#[test]
fn empty_and_blank_files_say_so() {
    for format in Format::ALL {
        assert_eq!(
            extract(b"", format, &Limits::default()),
            Err(ExtractError::Empty)
        );
    }
    for format in [
        Format::Text,
        Format::Markdown,
        Format::Html,
        Format::Csv,
        Format::Json,
    ] {
        assert_eq!(
            extract(b" \n ", format, &Limits::default()),
            Err(ExtractError::NoText),
            "{format:?}"
        );
    }
}

#[test]
fn the_deadline_is_kept_by_every_reader() {
    let limits = Limits {
        deadline: Instant::now().checked_sub(Duration::from_millis(1)),
        ..Limits::default()
    };
    for (name, format) in [
        ("guide-chromium.pdf", Format::Pdf),
        ("guide.docx", Format::Docx),
        ("parts.xlsx", Format::Xlsx),
        ("euc-kr.txt", Format::Text),
        ("euc-kr.txt", Format::Markdown),
        ("euc-kr.txt", Format::Html),
        ("euc-kr.txt", Format::Csv),
    ] {
        assert_eq!(
            extract(&data(name), format, &limits),
            Err(ExtractError::OutOfTime),
            "{name}"
        );
    }
    assert_eq!(
        extract(b"{\"a\":1}", Format::Json, &limits),
        Err(ExtractError::OutOfTime)
    );
}

#[test]
fn flipped_bytes_never_panic() {
    for (name, format) in [
        ("korean-cid.pdf", Format::Pdf),
        ("guide-writer.docx", Format::Docx),
        ("parts-raw.xlsx", Format::Xlsx),
    ] {
        let whole = data(name);
        for seed in 0..20_usize {
            let mut bytes = whole.clone();
            for hit in 0..5 {
                let place = (seed * 7_919 + hit * 104_729) % bytes.len();
                bytes[place] = bytes[place].wrapping_add(1 + (seed % 250) as u8);
            }
            let _ = extract(&bytes, format, &Limits::default());
        }
    }
}

#[test]
fn the_handbook_answers_where_it_should() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/handbook.pdf");
    let bytes = fs::read(path).expect("the example is part of the repository");
    let document = extract(&bytes, Format::Pdf, &Limits::default()).expect("readable");
    let chunks = chunk(&document, &ChunkOptions::default());
    let answer = chunks
        .iter()
        .find(|chunk| {
            chunk
                .text
                .contains("You have 30 days from the day of delivery to return a machine")
        })
        .expect("the passage in one piece");
    assert_eq!(
        answer.headings,
        ["Okra Coffee Machines", "3. Returns and refunds"]
    );
    assert!(answer.page.is_some_and(|page| page > 1));
    let parts = chunks
        .iter()
        .find(|chunk| chunk.text.contains("OK-152"))
        .expect("the table");
    assert!(
        parts.text.contains("Grinder burrs") && parts.text.contains("33.00"),
        "{}",
        parts.text
    );
}

/// A package with one part replaced by, or made of, the given text.
fn repacked(name: &str, part: &str, contents: &[u8]) -> Vec<u8> {
    let mut source = zip::ZipArchive::new(std::io::Cursor::new(data(name))).expect("a package");
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..source.len() {
        let entry = source.by_index(index).expect("an entry");
        let entry_name = entry.name().expect("a name").into_owned();
        if entry_name != part {
            writer.raw_copy_file(entry).expect("in memory");
        }
    }
    writer
        .start_file(part, zip::write::SimpleFileOptions::default())
        .expect("in memory");
    std::io::Write::write_all(&mut writer, contents).expect("in memory");
    writer.finish().expect("in memory").into_inner()
}

#[test]
fn zip_bombs_are_refused_before_they_are_parsed() {
    for (name, part, format) in [
        ("guide.docx", "word/document.xml", Format::Docx),
        ("parts.xlsx", "xl/worksheets/sheet1.xml", Format::Xlsx),
    ] {
        let bomb = repacked(name, part, &vec![b' '; 50 << 20]);
        assert!(bomb.len() < 200_000);
        let started = Instant::now();
        let outcome = extract(&bomb, format, &Limits::default());
        assert!(
            matches!(outcome, Err(ExtractError::TooLarge(_))),
            "{name}: {outcome:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn xml_entities_are_not_expanded() {
    let mut entities = String::from("<!ENTITY e0 \"lollollollol\">");
    for level in 1..30 {
        let inner = format!("&e{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY e{level} \"{inner}\">"));
    }
    let document = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE w:document [{entities}]>\
         <w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>\
         <w:p><w:r><w:t>&e29; plain</w:t></w:r></w:p></w:body></w:document>"
    );
    let bytes = repacked("guide.docx", "word/document.xml", document.as_bytes());
    if let Ok(document) = extract(&bytes, Format::Docx, &Limits::default()) {
        assert!(text(&document).len() < 1_000, "{}", text(&document).len());
    }
}

#[test]
fn deeply_nested_xml_is_harmless() {
    let open = "<w:tbl><w:tr><w:tc>".repeat(100_000);
    let document = format!(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{open}"
    );
    let bytes = repacked("guide.docx", "word/document.xml", document.as_bytes());
    let limits = Limits {
        max_unpack_ratio: u64::MAX,
        ..Limits::default()
    };
    // Any answer will do; a stack overflow would end the test run.
    let _ = extract(&bytes, Format::Docx, &limits);
}

#[test]
fn slides_keep_titles_numbers_tables_and_notes() {
    for name in ["slides.pptx", "slides.odp"] {
        let document = check(
            name,
            &[
                "Fern Kettle Training",
                "For the shop",
                "Returns 반품",
                "- Within 30 days",
                "- In the box",
                "Say that the label is free.",
                "Spare parts",
                "| Part | Price |",
                "| Filter | 3.20 |",
                "Prices hold until March.",
            ],
        );
        assert_eq!(document.title.as_deref(), Some("Kettle training"), "{name}");
        assert_eq!(
            headings(&document),
            ["Fern Kettle Training", "Returns 반품", "Spare parts"],
            "{name}"
        );
        let page = |text: &str| {
            let block = document
                .blocks
                .iter()
                .find(|block| block.text.contains(text));
            block.and_then(|block| block.page)
        };
        assert_eq!(page("In the box"), Some(2), "{name}");
        assert_eq!(page("label is free"), Some(2), "{name}");
        assert_eq!(page("Filter"), Some(3), "{name}");
        assert!(!text(&document).contains("<number>"), "{name}");
    }
}

#[test]
fn documents_of_other_programs_read_like_word_documents() {
    for name in ["guide.odt", "guide.rtf"] {
        let document = check(
            name,
            &[
                "boils one litre",
                "1. Take the kettle off its base.\n2. Fill in cold water.",
                "제품을 받은 날부터 30일 이내에 반품할 수 있습니다.",
                "| Part | Number | Price |\n| --- | --- | --- |\n| Lid | FK-10 | 6.50 |\n| Filter \\| fine | FK-11 | 3.20 |",
            ],
        );
        assert_eq!(
            document.title.as_deref(),
            Some("Fern Kettle Guide"),
            "{name}"
        );
        assert_eq!(
            headings(&document),
            ["Fern Kettle Guide", "Filling", "반품 안내", "Spare parts"],
            "{name}"
        );
    }
}

#[test]
fn workbooks_of_other_programs_read_like_excels() {
    let excel = read("parts.xlsx").expect("readable");
    for name in ["parts.ods", "parts.xls"] {
        let document = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(document.blocks, excel.blocks, "{name}");
    }
}

#[test]
fn books_are_read_chapter_by_chapter() {
    let document = check(
        "book.epub",
        &[
            "Returns",
            "Within 30 days.",
            "반품",
            "30일 이내에 반품할 수 있습니다.",
            "| Lid | 6.50 |",
        ],
    );
    assert_eq!(document.title.as_deref(), Some("The Kettle Book"));
    assert_eq!(headings(&document), ["Returns", "반품"]);
}

#[test]
fn columns_are_read_one_after_the_other() {
    let parts: Vec<String> = (1..70)
        .flat_map(|part| {
            [
                format!("Part {part}"),
                format!("Paragraph {part} begins here"),
                format!("paragraph {part} ends here."),
            ]
        })
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let document = check("columns.pdf", &parts);
    // What repeats on each page is no part of the text.
    for running in ["Service manual", "Confidential", "of 9"] {
        assert!(!text(&document).contains(running), "{running}");
    }
}

#[test]
fn scanned_pages_are_given_to_whoever_reads_pictures() {
    let ocr = Ocr::new(|picture| {
        assert!(picture.starts_with(b"\x89PNG") || picture.starts_with(b"\xff\xd8"));
        Ok("Fern Kettle Guide\n\nboils one litre of wa-\nter".to_owned())
    });
    let bytes = data("scanned.pdf");
    let document = extract_with_ocr(&bytes, Format::Pdf, &Limits::default(), Some(&ocr));
    let document = document.expect("readable");
    assert_eq!(
        text(&document),
        "Fern Kettle Guide\n\nboils one litre of water"
    );
    assert_eq!(document.blocks[1].page, Some(1));

    let blind = Ocr::new(|_| Ok(String::new()));
    let outcome = extract_with_ocr(&bytes, Format::Pdf, &Limits::default(), Some(&blind));
    assert_eq!(outcome, Err(ExtractError::ScannedImages));
    let late = Ocr::new(|_| Err(ExtractError::OutOfTime));
    let outcome = extract_with_ocr(&bytes, Format::Pdf, &Limits::default(), Some(&late));
    assert_eq!(outcome, Err(ExtractError::OutOfTime));
}
