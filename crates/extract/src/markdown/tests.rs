//! What is kept of a Markdown file.

use proptest::prelude::*;

use super::*;
use crate::BlockKind::{Code, Heading, List, Paragraph, Table};

#[track_caller]
fn check(markdown: &str, expected: &[(BlockKind, &str)]) {
    let document = read(markdown.as_bytes(), &Limits::default()).expect("readable");
    let blocks: Vec<_> = document
        .blocks
        .iter()
        .map(|block| (block.kind, block.text.as_str()))
        .collect();
    assert_eq!(blocks, expected);
}

#[test]
fn blocks_are_told_apart() {
    check(
        "# Returns\n\nWithin *30* days,\n**always**.\n\n## How `x`\n",
        &[
            (Heading(1), "Returns"),
            (Paragraph, "Within 30 days, always."),
            (Heading(2), "How x"),
        ],
    );
    check(
        "a\n```rust\nlet x = 1;\n\nx\n```\nb",
        &[
            (Paragraph, "a"),
            (Code, "let x = 1;\n\nx"),
            (Paragraph, "b"),
        ],
    );
    check(
        "> quoted\n> text\n\n---\nend  \nline",
        &[(Paragraph, "quoted text"), (Paragraph, "end\nline")],
    );
    check(
        "| Part | Price |\n|---|--:|\n| **Gasket** | 4 \\| 5 |\n",
        &[(
            Table,
            "| Part | Price |\n| --- | --- |\n| Gasket | 4 \\| 5 |",
        )],
    );
    check(
        "제목\n===\n\n본문입니다.",
        &[(Heading(1), "제목"), (Paragraph, "본문입니다.")],
    );
}

#[test]
fn lists_keep_their_numbers_and_levels() {
    check(
        "- a\n- b\n  1. c\n  2. d\n- e",
        &[(List, "- a\n- b\n  1. c\n  2. d\n- e")],
    );
    check(
        "3. three\n\n   more\n4. four",
        &[(List, "3. three\n  more\n4. four")],
    );
    check("- [x] done\n- [ ] open", &[(List, "- done\n- open")]);
    check(
        "- run\n  ```\n  ls\n  ```\n- end",
        &[(List, "- run\n  ls\n- end")],
    );
}

#[test]
fn links_images_and_html() {
    check(
        "See [the form](https://okra.example/f) or ![a picture](x.png)",
        &[(
            Paragraph,
            "See the form (https://okra.example/f) or a picture",
        )],
    );
    check("a<br>b <b>c</b>", &[(Paragraph, "a\nb c")]);
    check(
        "<div>\n<p>In a box</p>\n</div>\n\nafter",
        &[(Paragraph, "In a box"), (Paragraph, "after")],
    );
    check(
        "<script>alert(1)</script>\n\nafter",
        &[(Paragraph, "after")],
    );
}

#[test]
fn front_matter_gives_the_title_only() {
    let file = b"---\ntitle: \"Handbook\"\ntags: [a]\n---\n# One\n\ntext\n\n# Two\n";
    let document = read(file, &Limits::default()).expect("readable");
    assert_eq!(document.title.as_deref(), Some("Handbook"));
    assert_eq!(document.blocks.len(), 3);
    let document = read(b"# Only\n\ntext", &Limits::default()).expect("readable");
    assert_eq!(document.title.as_deref(), Some("Only"));
    let document = read(b"# One\n\n# Two", &Limits::default()).expect("readable");
    assert_eq!(document.title, None);
}

#[test]
fn deep_nesting_stays_cheap() {
    for unit in ["> ", "- ", "* - + ", "[", "**a ", "<div>", "1. ", "`"] {
        let file = unit.repeat(100_000 / unit.len());
        let started = std::time::Instant::now();
        let _ = read(file.as_bytes(), &Limits::default());
        assert!(
            started.elapsed().as_secs() < 60,
            "{unit:?} took {:?}",
            started.elapsed()
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in "([#>*`|\\-\\[\\]()\n <>a-c1.!]|\\PC){0,200}") {
        let document = read(text.as_bytes(), &Limits::default()).expect("text is always Markdown");
        for block in &document.blocks {
            prop_assert!(!block.text.trim().is_empty());
        }
    }
}
