//! The promises of the chunker: nothing is lost, nothing is too long, nothing is torn apart.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::*;
use crate::{Limits, markdown};

fn block(kind: BlockKind, text: &str) -> Block {
    Block {
        kind,
        text: text.to_owned(),
        page: None,
    }
}

fn paragraphs(texts: &[&str]) -> Document {
    Document {
        title: None,
        blocks: texts
            .iter()
            .map(|text| block(BlockKind::Paragraph, text))
            .collect(),
    }
}

fn markdown(text: &str) -> Document {
    markdown::read(text.as_bytes(), &Limits::default()).expect("readable")
}

fn small() -> ChunkOptions {
    ChunkOptions {
        min_chars: 80,
        target_chars: 100,
        max_chars: 120,
        overlap_chars: 20,
    }
}

#[track_caller]
fn check(document: &Document, options: &ChunkOptions, expected: &[&str]) {
    let chunks = chunk(document, options);
    let texts: Vec<_> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn a_short_document_is_one_chunk() {
    check(
        &paragraphs(&["one", "two"]),
        &ChunkOptions::default(),
        &["one\n\ntwo"],
    );
    check(&paragraphs(&[]), &ChunkOptions::default(), &[]);
}

#[test]
fn cuts_fall_between_sentences_which_overlap() {
    let text = "Machines are cleaned monthly. Use the brush. Descale when the light blinks. It takes an hour. \
                Never use vinegar. Rinse twice.";
    check(
        &paragraphs(&[text]),
        &small(),
        &[
            "Machines are cleaned monthly. Use the brush. Descale when the light blinks. It takes an hour.",
            "It takes an hour. Never use vinegar. Rinse twice.",
        ],
    );
}

#[test]
fn cuts_prefer_headings_and_headings_stay_with_their_text() {
    let body = "Some words that fill a line of this size. ".repeat(2);
    let document = markdown(&format!(
        "# A\n\n{body}\n\n## B\n\n{body}\n\n### C\n\n{body}"
    ));
    let chunks = chunk(&document, &small());
    let found: Vec<_> = chunks
        .iter()
        .map(|chunk| (chunk.headings.join(" > "), chunk.text.as_str()))
        .collect();
    let body = body.trim();
    assert_eq!(
        found,
        [
            ("A".to_owned(), body),
            ("A > B".to_owned(), body),
            ("A > B > C".to_owned(), body)
        ]
    );
}

#[test]
fn headings_without_text_are_kept() {
    let chunks = chunk(
        &markdown("# A\n\n## B\n\n## C\n\ntext\n\n## D"),
        &ChunkOptions::default(),
    );
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].headings, ["A", "C"]);
    assert_eq!(chunks[0].text, "B\n\ntext\n\nD");
    let chunks = chunk(&markdown("# A\n\n## B"), &ChunkOptions::default());
    assert_eq!(chunks[0].text, "A\n\nB");
}

#[test]
fn tables_are_cut_between_rows_under_their_header() {
    let rows: String = (1..=8)
        .map(|row| format!("| part {row:02} | {row} euros |\n"))
        .collect();
    let chunks = chunk(
        &markdown(&format!("| Part | Price |\n|---|---|\n{rows}")),
        &small(),
    );
    assert!(chunks.len() > 1);
    for chunk in &chunks {
        assert!(
            chunk
                .text
                .starts_with("| Part | Price |\n| --- | --- |\n| part "),
            "{}",
            chunk.text
        );
        assert!(chunk.text.ends_with(" euros |"), "{}", chunk.text);
    }
    for row in 1..=8 {
        let row = format!("| part {row:02} | {row} euros |");
        assert!(
            chunks.iter().any(|chunk| chunk.text.contains(&row)),
            "{row}"
        );
    }
}

#[test]
fn scripts_without_spaces_are_cut_between_sentences() {
    for sentence in [
        "商品到着後三十日以内であれば返品できます。",
        "收到商品后三十天内可以无理由退货。",
        "제품을 받은 날부터 30일 안에 반품할 수 있습니다. ",
    ] {
        let text = sentence.repeat(20);
        let chunks = chunk(&paragraphs(&[text.trim()]), &small());
        assert!(chunks.len() > 3, "{sentence}");
        for chunk in &chunks {
            assert!(chunk.text.ends_with(['。', '.']), "{}", chunk.text);
            assert!(chunk.text.starts_with(&sentence[..3]), "{}", chunk.text);
        }
    }
}

#[test]
fn text_without_sentences_is_cut_between_words() {
    let text = "word ".repeat(100);
    for chunk in chunk(&paragraphs(&[text.trim()]), &small()) {
        assert!(
            chunk.text.split(' ').all(|word| word == "word"),
            "{}",
            chunk.text
        );
        assert!(chunk.text.len() <= 120);
    }
}

#[test]
fn pages_are_those_of_the_first_own_words() {
    let mut document = paragraphs(&[
        &"One sentence of page one. ".repeat(4),
        &"And one of page two. ".repeat(5),
    ]);
    document.blocks[0].page = Some(1);
    document.blocks[1].page = Some(2);
    let pages: Vec<_> = chunk(&document, &small())
        .iter()
        .map(|chunk| chunk.page)
        .collect();
    assert_eq!(pages, [Some(1), Some(2)]);
}

/// Text that a chunker might trip over: several scripts, joined emoji, long words, stacked accents.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        5 => "[a-z]{1,9}",
        2 => "[a-zA-Z]{1,12}[.!?]",
        2 => "[가-힣]{1,6}[.]?",
        2 => "[一-龥]{1,30}。?",
        1 => "[\u{0E01}-\u{0E2E}]{1,40}",
        1 => Just("👩‍👩‍👧‍👦🇰🇷".to_owned()),
        1 => "a\u{301}{1,200}",
        1 => "[a-z]{100,300}",
        1 => "\\PC{1,20}",
        1 => Just("\n".to_owned()),
    ];
    proptest::collection::vec(piece, 1..60).prop_map(|pieces| pieces.join(" "))
}

fn any_block() -> impl Strategy<Value = Block> {
    let kind = prop_oneof![
        5 => Just(BlockKind::Paragraph),
        1 => (1_u8..=6).prop_map(BlockKind::Heading),
        1 => Just(BlockKind::List),
        1 => Just(BlockKind::Table),
        1 => Just(BlockKind::Record),
        1 => Just(BlockKind::Code),
    ];
    (kind, any_text(), proptest::option::of(1_u32..9))
        .prop_map(|(kind, text, page)| Block { kind, text, page })
        .prop_filter("blocks are never blank", |block| {
            !block.text.trim().is_empty()
        })
}

fn any_document() -> impl Strategy<Value = Document> {
    proptest::collection::vec(any_block(), 0..12).prop_map(|blocks| Document {
        title: None,
        blocks,
    })
}

fn any_options() -> impl Strategy<Value = ChunkOptions> {
    (0_usize..400, 0_usize..400, 0_usize..400, 0_usize..100).prop_map(
        |(min_chars, target_chars, max_chars, overlap_chars)| ChunkOptions {
            min_chars,
            target_chars,
            max_chars,
            overlap_chars,
        },
    )
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    #[test]
    fn no_chunk_is_blank_or_too_long(document in any_document(), options in any_options()) {
        for (place, chunk) in chunk(&document, &options).iter().enumerate() {
            prop_assert!(chunk.text.chars().count() <= options.max_chars.max(40), "{:?}", chunk.text);
            prop_assert!(!chunk.text.trim().is_empty());
            prop_assert_eq!(chunk.ordinal as usize, place + 1);
        }
    }

    #[test]
    fn every_character_is_in_some_chunk_in_order(document in any_document(), options in any_options()) {
        let sane = options.sane();
        let atoms = atoms::split(&document.blocks, &sane);
        let all: String = atoms.iter().map(|atom| &document.blocks[atom.block].text[atom.range.clone()]).collect();
        let expected: String = document.blocks.iter().map(|block| block.text.as_str()).collect();
        prop_assert_eq!(without_space(&all), without_space(&expected));
        // Each chunk must end with its own text, and the chunks' own texts must make up the document.
        let cutter = Cutter { blocks: &document.blocks, atoms: &atoms, options: &sane };
        let mut start = 0;
        for chunk in chunk(&document, &options) {
            let end = cutter.end(start, cutter.lead(start).chars);
            let body = (start..end).find(|&place| atoms[place].heading.is_none()).unwrap_or(start);
            let own: String = (body..end).map(|place| &document.blocks[atoms[place].block].text[atoms[place].range.clone()]).collect();
            prop_assert!(without_space(&chunk.text).ends_with(&without_space(&own)), "{:?} lacks {:?}", chunk.text, own);
            for heading in &atoms[start..body] {
                let heading = &document.blocks[heading.block].text[heading.range.clone()];
                let shown = chunk.headings.iter().any(|shown| shown == heading) || without_space(&chunk.text).contains(&without_space(heading));
                prop_assert!(shown, "{heading:?}");
            }
            start = end;
        }
        prop_assert_eq!(start, atoms.len());
    }

    #[test]
    fn graphemes_stay_whole(text in any_text()) {
        let document = paragraphs(&[&text]);
        prop_assume!(!text.trim().is_empty());
        let options = small();
        // A mark on a space is left alone when the space is trimmed off a chunk's edge.
        let graphemes: std::collections::HashSet<&str> = text.graphemes(true).flat_map(|whole| [whole, whole.trim()]).collect();
        for chunk in chunk(&document, &options) {
            for grapheme in chunk.text.graphemes(true) {
                // Stacked accents beyond what a chunk holds are the one exception.
                let torn = graphemes.iter().any(|whole| whole.chars().count() > 100);
                prop_assert!(graphemes.contains(grapheme) || torn, "{grapheme:?} in {text:?}");
            }
        }
    }

    #[test]
    fn a_heading_never_ends_a_chunk_before_more_text(document in any_document()) {
        let options = ChunkOptions::default();
        let atoms = atoms::split(&document.blocks, &options);
        let cutter = Cutter { blocks: &document.blocks, atoms: &atoms, options: &options };
        let mut start = 0;
        while start < atoms.len() {
            let end = cutter.end(start, cutter.lead(start).chars);
            let only_headings = atoms[start..end].iter().all(|atom| atom.heading.is_some());
            prop_assert!(end == atoms.len() || only_headings || atoms[end - 1].heading.is_none());
            start = end;
        }
    }

    #[test]
    fn chunking_is_deterministic(document in any_document()) {
        prop_assert_eq!(chunk(&document, &small()), chunk(&document, &small()));
    }
}
