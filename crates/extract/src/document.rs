//! What a file becomes: a title and a list of text blocks in reading order. Made by the readers,
//! cut up by [`chunk`](crate::chunk()). Block text is NFC, holds no control characters except line
//! feeds and tabs, and neither begins nor ends with white space.

/// A file's text, in reading order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// The title the file gives itself (front matter, HTML title, PDF or Office properties, or its
    /// only top-level heading), where it has one.
    pub title: Option<String>,
    /// The text, in reading order.
    pub blocks: Vec<Block>,
}

/// One heading, paragraph, list, table, record or code block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the block is.
    pub kind: BlockKind,
    /// Its text, never blank. How lines are used depends on the kind.
    pub text: String,
    /// The page it starts on, from 1, where the format has pages.
    pub page: Option<u32>,
}

/// What a block is, which says how its text is laid out and where it may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
