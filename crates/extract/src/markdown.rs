//! Markdown to blocks: uploaded Markdown files, and the Markdown that the PDF and Office readers make.
//! Front matter is stripped (its `title` kept), emphasis marks are dropped, raw HTML goes through the
//! HTML reader.

use pulldown_cmark::{
    CodeBlockKind, Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd,
};

use crate::decode::decode;
use crate::inline::Inline;
use crate::list::ListText;
use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Limits, html, table};

/// Reads a Markdown file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?;
    let mut sink = BlockSink::new(limits);
    read_into(&text, &mut sink)?;
    Ok(sink.finish())
}

/// Puts the blocks of Markdown text into a sink.
pub(crate) fn read_into(text: &str, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader::new(sink);
    for event in Parser::new_ext(text, options) {
        reader.event(event)?;
    }
    reader.flush(BlockKind::Paragraph)
}

/// Where text goes at the moment.
#[derive(PartialEq)]
enum Mode {
    Prose,
    Code,
    Metadata,
    RawHtml,
}

struct Reader<'s, 'l> {
    sink: &'s mut BlockSink<'l>,
    mode: Mode,
    inline: Inline,
    /// Raw HTML, code or front matter, as it stands.
    raw: String,
    list: ListText,
    /// Rows of the open table.
    rows: Vec<Vec<String>>,
}

impl<'s, 'l> Reader<'s, 'l> {
    fn new(sink: &'s mut BlockSink<'l>) -> Self {
        Self {
            sink,
            mode: Mode::Prose,
            inline: Inline::default(),
            raw: String::new(),
            list: ListText::default(),
            rows: Vec::new(),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), ExtractError> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag) => self.end(tag)?,
            Event::Text(text) if self.mode == Mode::Prose => self.inline.text(&text),
            Event::Text(text) | Event::Html(text) => self.raw.push_str(&text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.inline.text(&text)
            }
            Event::InlineHtml(tag) if is_line_break(&tag) => self.inline.line_break(),
            Event::SoftBreak => self.inline.soft_break(),
            Event::HardBreak => self.inline.line_break(),
            Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_)
            | Event::Rule => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag<'_>) -> Result<(), ExtractError> {
        match tag {
            Tag::List(number) => {
                self.flush(BlockKind::Paragraph)?;
                self.list.open(number);
            }
            Tag::Item => self.list.item(),
            Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::MetadataBlock(_) => {
                self.flush(BlockKind::Paragraph)?;
                self.mode = match tag {
                    Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => {
                        Mode::Code
                    }
                    Tag::HtmlBlock => Mode::RawHtml,
                    _ => Mode::Metadata,
                };
            }
            Tag::Link { dest_url, .. } => self.inline.open_link(&dest_url),
            Tag::Paragraph | Tag::Heading { .. } | Tag::BlockQuote(_) => {
                self.flush(BlockKind::Paragraph)?;
            }
            Tag::Table(_) => {
                self.flush(BlockKind::Paragraph)?;
                // A table inside a list item is a block of its own; what came before it stays before.
                let list = self.list.take();
                self.sink.push(BlockKind::List, &list)?;
            }
            Tag::TableHead | Tag::TableRow => self.rows.push(Vec::new()),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), ExtractError> {
        match tag {
            TagEnd::Heading(level) => self.flush(BlockKind::Heading(level_number(level)))?,
            TagEnd::Paragraph => self.flush(BlockKind::Paragraph)?,
            TagEnd::Item => self.flush(BlockKind::Paragraph)?,
            TagEnd::List(_) => {
                if let Some(list) = self.list.close() {
                    self.sink.push(BlockKind::List, &list)?;
                }
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => {
                self.end_raw(tag)?
            }
            TagEnd::Link => self.inline.close_link(),
            TagEnd::TableCell => {
                let cell = self.inline.take();
                if let Some(row) = self.rows.last_mut() {
                    row.push(cell);
                }
            }
            TagEnd::Table => {
                let rows = std::mem::take(&mut self.rows);
                self.sink.push(BlockKind::Table, &table::render(&rows))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn end_raw(&mut self, tag: TagEnd) -> Result<(), ExtractError> {
        self.mode = Mode::Prose;
        let raw = std::mem::take(&mut self.raw);
        match tag {
            TagEnd::MetadataBlock(
                MetadataBlockKind::YamlStyle | MetadataBlockKind::PlusesStyle,
            ) => {
                if let Some(title) = front_matter_title(&raw) {
                    self.sink.set_title(title);
                }
            }
            TagEnd::HtmlBlock => html::read_fragment_into(&raw, self.sink)?,
            _ if self.list.is_open() => raw.lines().for_each(|line| self.list.line(line)),
            _ => self.sink.push(BlockKind::Code, &raw)?,
        }
        Ok(())
    }

    /// Ends the block that inline text was collected for.
    fn flush(&mut self, kind: BlockKind) -> Result<(), ExtractError> {
        let text = self.inline.take();
        if self.list.is_open() {
            text.lines().for_each(|line| self.list.line(line));
            return Ok(());
        }
        self.sink.push(kind, &text)
    }
}

fn level_number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

fn is_line_break(tag: &str) -> bool {
    tag.get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("<br"))
}

/// The value of `title: …` (YAML) or `title = …` (TOML).
fn front_matter_title(front_matter: &str) -> Option<&str> {
    front_matter.lines().find_map(|line| {
        let rest = line.strip_prefix("title")?.trim_start();
        let value = rest.strip_prefix([':', '='])?.trim();
        Some(value.trim_matches(['"', '\'']))
    })
}

#[cfg(test)]
mod tests;
