//! Where every reader puts its blocks: cleans the text, keeps count against the limits, leaves out
//! blank blocks. Nothing else builds a [`Document`].

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::{Block, BlockKind, Document, ExtractError, Limits};

/// Blocks between two looks at the clock.
const BLOCKS_PER_DEADLINE_CHECK: usize = 256;

/// Collects clean blocks within the limits.
pub(crate) struct BlockSink<'a> {
    document: Document,
    chars: usize,
    page: Option<u32>,
    limits: &'a Limits,
}

impl<'a> BlockSink<'a> {
    /// An empty sink.
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            document: Document::default(),
            chars: 0,
            page: None,
            limits,
        }
    }

    /// The page that the following blocks are on.
    pub(crate) fn set_page(&mut self, page: u32) {
        self.page = Some(page);
    }

    /// The title the file gives itself; the first one that isn't blank stays.
    pub(crate) fn set_title(&mut self, title: &str) {
        if self.document.title.is_none() {
            let title = one_line(&clean(title));
            if !title.is_empty() {
                self.document.title = Some(title.chars().take(MAX_TITLE_CHARS).collect());
            }
        }
    }

    /// Adds a block unless its text is blank.
    ///
    /// # Errors
    /// `TooLarge` over the limits of characters and blocks, `OutOfTime` past the deadline.
    pub(crate) fn push(&mut self, kind: BlockKind, text: &str) -> Result<(), ExtractError> {
        let text = clean(text);
        let text = match kind {
            BlockKind::Heading(_) => Cow::Owned(one_line(&text)),
            // A code block's or nested list's first line may be indented on purpose.
            BlockKind::Code | BlockKind::List => {
                Cow::Borrowed(text.trim_start_matches(['\n', '\r']).trim_end())
            }
            _ => Cow::Borrowed(text.trim()),
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        let chars = text.chars().count();
        self.chars += chars;
        if self.chars > self.limits.max_output_chars {
            return Err(ExtractError::too_large(format!(
                "its text has more than {} characters",
                self.limits.max_output_chars
            )));
        }
        let blocks = self.document.blocks.len();
        if blocks >= self.limits.max_blocks {
            return Err(ExtractError::too_large(format!(
                "it has more than {} paragraphs, rows or records; split it into several files",
                self.limits.max_blocks
            )));
        }
        if blocks.is_multiple_of(BLOCKS_PER_DEADLINE_CHECK) {
            self.limits.check_deadline()?;
        }
        let is_long_heading = matches!(kind, BlockKind::Heading(_)) && chars > MAX_TITLE_CHARS;
        self.document.blocks.push(Block {
            kind: if is_long_heading {
                BlockKind::Paragraph
            } else {
                kind
            },
            text: text.into_owned(),
            page: self.page,
        });
        Ok(())
    }

    /// Characters collected so far.
    pub(crate) fn chars(&self) -> usize {
        self.chars
    }

    /// The document. Where the file named no title, its only level-1 heading is the title.
    pub(crate) fn finish(mut self) -> Document {
        if self.document.title.is_none() {
            let mut top = self
                .document
                .blocks
                .iter()
                .filter(|block| block.kind == BlockKind::Heading(1));
            if let (Some(only), None) = (top.next(), top.next()) {
                self.document.title = Some(only.text.chars().take(MAX_TITLE_CHARS).collect());
            }
        }
        self.document
    }
}

/// Longest title or heading in characters. A longer heading is running text in large letters.
const MAX_TITLE_CHARS: usize = 300;

/// NFC without control characters, byte order marks and soft hyphens; line ends as `\n`.
///
/// Files made on macOS hold Hangul as loose jamo, which no search would match against a typed query;
/// NUL can't be stored in Postgres; a soft hyphen or a zero-width space hides a word from search, and
/// a no-break space is none to most tokenizers.
fn clean(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{ad}' | '\u{200b}' | '\u{feff}')
    };
    let odd_space = |c: char| matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}');
    let text: Cow<'_, str> = if text.contains(|c| hidden(c) || odd_space(c)) {
        let unix = text.replace("\r\n", "\n").replace(
            ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'],
            "\n",
        );
        Cow::Owned(unix.replace(odd_space, " ").replace(hidden, ""))
    } else {
        Cow::Borrowed(text)
    };
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        text
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// The text on one line, every run of white space a single space.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: BlockKind, raw: &str, expected: Option<&str>) {
        let limits = Limits::default();
        let mut sink = BlockSink::new(&limits);
        sink.push(kind, raw).expect("within the limits");
        let blocks = sink.finish().blocks;
        assert_eq!(blocks.first().map(|block| block.text.as_str()), expected);
    }

    #[test]
    fn text_is_cleaned() {
        let p = BlockKind::Paragraph;
        check(p, "  a\r\nb\rc\0d\u{7} \u{feff}", Some("a\nb\ncd"));
        check(p, "re\u{ad}turn", Some("return"));
        check(p, "\u{1112}\u{1161}\u{11ab}", Some("한"));
        check(p, "cafe\u{301}", Some("café"));
        check(p, " \u{a0}\n\t", None);
        check(BlockKind::Heading(2), " Two\n lines ", Some("Two lines"));
        check(BlockKind::Code, "\n    indented\n", Some("    indented"));
    }

    #[test]
    fn the_character_limit_is_an_error() {
        let limits = Limits {
            max_output_chars: 10,
            ..Limits::default()
        };
        let mut sink = BlockSink::new(&limits);
        assert!(sink.push(BlockKind::Paragraph, "0123456789").is_ok());
        let error = sink
            .push(BlockKind::Paragraph, "x")
            .expect_err("one too many");
        assert_eq!(
            error.to_string(),
            "The file is too large: its text has more than 10 characters."
        );
    }
}
