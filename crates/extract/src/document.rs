//! What a file becomes: a title and a list of text blocks in reading order. Made by the readers,
//! cut up by [`chunk`](crate::chunk()). Block text is NFC, holds no control characters except line
//! feeds and tabs, and neither begins nor ends with white space.

use serde::{Deserialize, Serialize};

/// A file's text, in reading order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The title the file gives itself (front matter, HTML title, PDF or Office properties, or its
    /// only top-level heading), where it has one.
    pub title: Option<String>,
    /// The text, in reading order.
    pub blocks: Vec<Block>,
}

/// One heading, paragraph, list, table, record or code block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What the block is.
    pub kind: BlockKind,
    /// Its text, never blank. How lines are used depends on the kind.
    pub text: String,
    /// The page it starts on, from 1, where the format has pages.
    pub page: Option<u32>,
}

/// What a block is, which says how its text is laid out and where it may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockKind {
    /// A heading of level 1 to 6, on one line.
    Heading(u8),
    /// Running text; a line feed is a line break the author made.
    Paragraph,
    /// One item a line, `- ` or `1. ` before each, nested items indented by two spaces a level.
    List,
    /// A Markdown table: the header row, the separator row, then one row a line.
    Table,
    /// One row of a spreadsheet or CSV file as `Header: value`, or one value of a JSON file. Records
    /// are kept whole where they fit.
    Record,
    /// Preformatted lines.
    Code,
}

impl Document {
    /// The text as Markdown, block by block in reading order, for people to look at.
    ///
    /// Lines that were not meant as Markdown's are marked so that they stay what they are; HTML is
    /// left as it stands, and is for whoever shows the text to escape.
    pub fn to_markdown(&self) -> String {
        let mut markdown = String::new();
        for block in &self.blocks {
            if !markdown.is_empty() {
                markdown.push('\n');
            }
            block.write_markdown(&mut markdown);
        }
        markdown
    }
}

impl Block {
    fn write_markdown(&self, markdown: &mut String) {
        match self.kind {
            BlockKind::Heading(level) => {
                markdown.extend(std::iter::repeat_n('#', level.clamp(1, 6).into()));
                markdown.push(' ');
                markdown.push_str(&self.text);
            }
            BlockKind::Paragraph | BlockKind::Record => write_lines(&self.text, markdown),
            BlockKind::List | BlockKind::Table => markdown.push_str(&self.text),
            BlockKind::Code => {
                // Longer than any run of backquotes within, so that none of them ends the block.
                let longest = self.text.split(|c| c != '`').map(str::len).max();
                let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
                markdown.push_str(&fence);
                markdown.push('\n');
                markdown.push_str(&self.text);
                markdown.push('\n');
                markdown.push_str(&fence);
            }
        }
        markdown.push('\n');
    }
}

/// Lines that stay lines: two spaces at a line's end are Markdown's line break.
fn write_lines(text: &str, markdown: &mut String) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        // Indented by four, a line would be code; the space says nothing here.
        let line = line.trim_start();
        if let Some(marker) = marker(line) {
            markdown.push_str(&line[..marker]);
            markdown.push('\\');
            markdown.push_str(&line[marker..]);
        } else {
            markdown.push_str(line);
        }
        if lines.peek().is_some() {
            markdown.push_str("  \n");
        }
    }
}

/// Where a backslash keeps a line of running text from beginning another kind of block.
fn marker(line: &str) -> Option<usize> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &line[digits..];
    if digits > 0 {
        return rest.starts_with([')', '.']).then_some(digits);
    }
    let opens =
        line.starts_with(['#', '>', '-', '+', '*', '=', '|', '~']) || line.starts_with("```");
    opens.then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &[(BlockKind, &str)], expected: &str) {
        let block = |&(kind, text): &(BlockKind, &str)| Block {
            kind,
            text: text.to_owned(),
            page: None,
        };
        let document = Document {
            title: None,
            blocks: blocks.iter().map(block).collect(),
        };
        assert_eq!(document.to_markdown(), expected);
    }

    #[test]
    fn blocks_are_written_as_what_they_are() {
        use BlockKind::{Code, Heading, List, Paragraph, Record, Table};
        check(
            &[
                (Heading(2), "Returns"),
                (Paragraph, "Within 30 days.\nIn the box."),
                (List, "- a label\n  - free"),
                (Table, "| a | b |\n| --- | --- |\n| 1 | 2 |"),
                (Record, "Room: 12\nFloor: 2"),
                (Code, "let x = \"```\";"),
            ],
            "## Returns\n\nWithin 30 days.  \nIn the box.\n\n- a label\n  - free\n\n\
             | a | b |\n| --- | --- |\n| 1 | 2 |\n\nRoom: 12  \nFloor: 2\n\n\
             ````\nlet x = \"```\";\n````\n",
        );
        check(&[], "");
    }

    #[test]
    fn running_text_does_not_become_another_block() {
        use BlockKind::Paragraph;
        check(&[(Paragraph, "1. is not first")], "1\\. is not first\n");
        check(
            &[(Paragraph, "# of rooms\n- none")],
            "\\# of rooms  \n\\- none\n",
        );
        check(&[(Paragraph, "1,000 rooms")], "1,000 rooms\n");
    }
}
