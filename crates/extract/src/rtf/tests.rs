//! RTF as Word and others write it, and broken RTF.

use super::*;

#[track_caller]
fn check(rtf: &str, expected: &[(BlockKind, &str)]) {
    let document = read(rtf.as_bytes(), &Limits::default()).expect("readable");
    let blocks = document.blocks.iter();
    let found: Vec<_> = blocks
        .map(|block| (block.kind, block.text.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn paragraphs_headings_and_lists_are_read() {
    use BlockKind::{Heading, List, Paragraph};
    check(
        "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fswiss Arial;}}{\\colortbl;\\red0;}\n\
         {\\stylesheet{\\s0 Normal;}{\\s1\\b heading 1;}{\\*\\cs9 Other;}}{\\*\\generator Some Writer;}\n\
         {\\header Page header\\par}\
         \\pard\\plain\\s1 Returns\\par\\pard\\outlinelevel1 Time\\par\n\
         \\pard Within {\\b 30} days, caf\\'e9 \\u8364?5.\\line In the box.\\par\
         {\\listtext 1.\\tab}\\pard\\ls1 Take it.\\par {\\listtext 2.\\tab}Send it.\\par\
         {\\listtext\\'b7\\tab}\\ilvl1 Inside.\\par\
         \\pard{\\v hidden}The end \\{now\\}.}",
        &[
            (Heading(1), "Returns"),
            (Heading(2), "Time"),
            (Paragraph, "Within 30 days, café €5.\nIn the box."),
            (List, "1. Take it.\n2. Send it.\n  - Inside."),
            (Paragraph, "The end {now}."),
        ],
    );
}

#[test]
fn tables_are_read() {
    check(
        "{\\rtf1 Before\\par\\trowd\\cellx100\\cellx200\\pard\\intbl Part\\cell Price\\cell\\row\
         \\trowd\\pard\\intbl Lid\\par fine\\cell 6.50\\cell\\row\\pard After\\par}",
        &[
            (BlockKind::Paragraph, "Before"),
            (
                BlockKind::Table,
                "| Part | Price |\n| --- | --- |\n| Lid fine | 6.50 |",
            ),
            (BlockKind::Paragraph, "After"),
        ],
    );
}

#[test]
fn east_asian_text_is_read() {
    check(
        "{\\rtf1\\ansi\\ansicpg949{\\fonttbl{\\f0\\fcharset129 Batang;}{\\f1\\fcharset128 Mincho;}}\
         \\f0 \\'b9\\'dd\\'c7\\'b0 {\\f1\\'83A}\\uc2\\u48152\\'b9\\'dd\\uc0\\u-10179\\u-8704.\\par}",
        &[(BlockKind::Paragraph, "반품 ア반😀.")],
    );
}

#[test]
fn titles_links_and_pictures() {
    let document = read(
        b"{\\rtf1{\\info{\\title The Guide}{\\author Kim}}{\\field{\\*\\fldinst HYPERLINK \"x\"}{\\fldrslt shop}}\
          {\\*\\shppict{\\pict\\bin5 }}}{}x}}{\\*\\unknown {nothing}} end}",
        &Limits::default(),
    )
    .expect("readable");
    assert_eq!(document.title.as_deref(), Some("The Guide"));
    assert_eq!(document.blocks[0].text, "shop end");
}

#[test]
fn broken_rtf_says_so() {
    for (rtf, reason) in [
        ("{\\rtf1 {text", "ends too early"),
        ("no rtf", "does not begin like RTF"),
    ] {
        let error = read(rtf.as_bytes(), &Limits::default()).expect_err("broken");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let deep = format!("{{\\rtf1{}", "{".repeat(100_000));
    let error = read(deep.as_bytes(), &Limits::default()).expect_err("too deep");
    assert_eq!(error, ExtractError::TooDeep(128));
}
