//! The token stream to blocks.

use std::cell::RefCell;

use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};

use super::overlay::{CONTENTS, is_overlay};
use crate::inline::Inline;
use crate::list::ListText;
use crate::sink::BlockSink;
use crate::{BlockKind, ExtractError, table};

/// Puts the blocks of HTML into a sink. `skip_navigation` leaves out `nav`, `footer` and the like, and what lies over the
/// page.
pub(super) fn read_into(
    html: &str,
    sink: &mut BlockSink<'_>,
    skip_navigation: bool,
) -> Result<(), ExtractError> {
    let reader = RefCell::new(Reader::new(sink, skip_navigation));
    let Blocks(reader) = super::tokenize(html, Blocks(reader));
    let mut reader = reader.into_inner();
    reader.finish();
    reader.outcome
}

/// How the tokenizer, which shares its sink, reaches the reader.
struct Blocks<'s, 'l>(RefCell<Reader<'s, 'l>>);

impl TokenSink for Blocks<'_, '_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        if reader.outcome.is_err() {
            return TokenSinkResult::Continue;
        }
        match token {
            Token::TagToken(tag) => return reader.tag(&tag),
            Token::CharacterTokens(text) => reader.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// Elements whose text is no text for a reader.
pub(super) const HIDDEN: &[&str] = &[
    "svg", "math", "template", "noscript", "object", "canvas", "audio", "video", "select",
    "datalist", "dialog", "map", "button",
];

/// Elements that hold a page's navigation rather than its contents.
const NAVIGATION: &[&str] = &["nav", "menu", "footer", "aside"];

/// Elements whose contents the tokenizer must not look for tags in.
pub(super) fn raw_kind(name: &str) -> Option<RawKind> {
    match name {
        "title" | "textarea" => Some(RawKind::Rcdata),
        "script" => Some(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => Some(RawKind::Rawtext),
        _ => None,
    }
}

/// Elements that run within a line. Every other element's tags end the block before them.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "img", "input", "ins", "kbd", "label", "mark", "nobr", "q", "rp", "rt", "ruby",
    "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
    "wbr",
];

/// Longer text in a heading element is no heading.
const MAX_HEADING_BYTES: usize = 600;

struct Reader<'s, 'l> {
    sink: &'s mut BlockSink<'l>,
    outcome: Result<(), ExtractError>,
    skip_navigation: bool,
    inline: Inline,
    /// The element being left out, and how many of the same name are open in it.
    skipped: Option<(String, usize)>,
    /// Open `article` and `main` elements.
    contents: usize,
    /// Level of the open heading.
    heading: Option<u8>,
    /// Open `pre` elements.
    preformatted: usize,
    in_title: bool,
    title: String,
    list: ListText,
    /// Open tables; a table in a table's cell becomes the text of that cell.
    tables: usize,
    rows: Vec<Vec<String>>,
}

impl<'s, 'l> Reader<'s, 'l> {
    fn new(sink: &'s mut BlockSink<'l>, skip_navigation: bool) -> Self {
        Self {
            sink,
            outcome: Ok(()),
            skip_navigation,
            inline: Inline::default(),
            skipped: None,
            contents: 0,
            heading: None,
            preformatted: 0,
            in_title: false,
            title: String::new(),
            list: ListText::default(),
            tables: 0,
            rows: Vec::new(),
        }
    }

    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let start = tag.kind == TagKind::StartTag;
        if let Some((skipped, depth)) = &mut self.skipped {
            if skipped == name {
                *depth = if start { *depth + 1 } else { *depth - 1 };
                if *depth == 0 {
                    self.skipped = None;
                }
            }
            return if start {
                raw_result(name)
            } else {
                TokenSinkResult::Continue
            };
        }
        if start {
            if name == "title" {
                self.in_title = true;
            } else if self.is_skipped(tag) {
                self.block_end();
                self.skipped = Some((name.to_owned(), 1));
            } else {
                self.open(tag);
            }
            return raw_result(name);
        }
        if name == "title" {
            self.in_title = false;
            let title = std::mem::take(&mut self.title);
            self.sink.set_title(&title);
        } else {
            self.close(name);
        }
        TokenSinkResult::Continue
    }

    fn is_skipped(&self, tag: &Tag) -> bool {
        let name: &str = &tag.name;
        if tag.self_closing && matches!(name, "svg" | "math") {
            return false;
        }
        let raw = raw_kind(name).is_some() && name != "xmp";
        raw || HIDDEN.contains(&name)
            || (self.skip_navigation
                && (NAVIGATION.contains(&name)
                    || has_navigation_role(tag)
                    || is_overlay(tag, self.contents > 0)))
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            self.title.push_str(text);
        } else if self.skipped.is_some() {
        } else if self.preformatted > 0 {
            self.inline.text(text);
        } else {
            self.inline.collapsed(text);
        }
    }

    fn open(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        if CONTENTS.contains(&name) {
            self.contents += 1;
        }
        match name {
            "br" => self.inline.line_break(),
            "a" => {
                if let Some(target) = attribute(tag, "href") {
                    self.inline.open_link(target);
                }
            }
            "img" => {
                if let Some(text) = attribute(tag, "alt") {
                    self.inline.space();
                    self.inline.collapsed(text);
                    self.inline.space();
                }
            }
            name if INLINE.contains(&name) => {}
            "td" | "th" if self.tables == 1 => {
                self.cell_end();
                match self.rows.last_mut() {
                    Some(row) => row.push(String::new()),
                    None => self.rows.push(vec![String::new()]),
                }
            }
            _ if self.tables > 0 => self.open_in_table(name),
            _ => {
                self.block_end();
                self.open_block(name);
            }
        }
    }

    fn open_in_table(&mut self, name: &str) {
        match name {
            "table" => {
                self.tables += 1;
                self.inline.space();
            }
            "tr" if self.tables == 1 => {
                self.cell_end();
                self.rows.push(Vec::new());
            }
            _ => self.inline.space(),
        }
    }

    fn open_block(&mut self, name: &str) {
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = heading_level(name),
            "ul" | "menu" => self.list.open(None),
            "ol" => self.list.open(Some(1)),
            "li" => self.list.item(),
            "pre" | "xmp" => self.preformatted += 1,
            "table" => {
                self.list_end();
                self.tables = 1;
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if CONTENTS.contains(&name) {
            self.contents = self.contents.saturating_sub(1);
        }
        match name {
            "a" => self.inline.close_link(),
            name if INLINE.contains(&name) || name == "br" => {}
            _ if self.tables > 0 => self.close_in_table(name),
            _ => {
                self.block_end();
                match name {
                    "ul" | "ol" | "menu" => {
                        if let Some(list) = self.list.close() {
                            self.push(BlockKind::List, &list);
                        }
                    }
                    "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading = None,
                    "pre" | "xmp" => self.preformatted = self.preformatted.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }

    fn close_in_table(&mut self, name: &str) {
        match name {
            "table" => {
                self.tables -= 1;
                if self.tables == 0 {
                    self.table_end();
                } else {
                    self.inline.space();
                }
            }
            "td" | "th" | "tr" if self.tables == 1 => self.cell_end(),
            "caption" => self.caption_end(),
            _ => self.inline.space(),
        }
    }

    /// A table's caption stands before it as a paragraph.
    fn caption_end(&mut self) {
        if self.rows.is_empty() {
            let caption = self.inline.take();
            self.push(BlockKind::Paragraph, &caption);
        }
    }

    fn cell_end(&mut self) {
        let text = self.inline.take();
        if text.is_empty() {
            return;
        }
        if self.rows.last().is_none_or(Vec::is_empty) {
            // Text between rows, which browsers show before the table.
            self.push(BlockKind::Paragraph, &text);
        } else if let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut()) {
            cell.push_str(&text);
        }
    }

    /// A table with one column is layout, so its rows are paragraphs.
    fn table_end(&mut self) {
        self.cell_end();
        let rows = std::mem::take(&mut self.rows);
        if rows.iter().all(|row| row.len() < 2) {
            for text in rows.iter().flatten() {
                self.push(BlockKind::Paragraph, text);
            }
        } else {
            self.push(BlockKind::Table, &table::render(&rows));
        }
    }

    /// Ends the block that text was collected for.
    fn block_end(&mut self) {
        if self.preformatted > 0 {
            let code = self.inline.take_verbatim();
            if self.list.is_open() {
                code.lines().for_each(|line| self.list.line(line));
            } else {
                self.push(BlockKind::Code, &code);
            }
            return;
        }
        let text = self.inline.take();
        if text.is_empty() {
            return;
        }
        if self.list.is_open() {
            text.lines().for_each(|line| self.list.line(line));
            return;
        }
        // Only the first block in a heading is one: an end tag left out must not turn the rest of the
        // page into headings.
        match self.heading.take() {
            Some(level) if text.len() <= MAX_HEADING_BYTES => {
                self.push(BlockKind::Heading(level), &text)
            }
            _ => self.push(BlockKind::Paragraph, &text),
        }
    }

    /// Hands on what an unfinished list holds so far.
    fn list_end(&mut self) {
        let list = self.list.take();
        self.push(BlockKind::List, &list);
    }

    fn push(&mut self, kind: BlockKind, text: &str) {
        if self.outcome.is_ok() {
            self.outcome = self.sink.push(kind, text);
        }
    }

    fn finish(&mut self) {
        if self.tables > 0 {
            self.table_end();
        }
        self.block_end();
        self.list_end();
    }
}

fn raw_result(name: &str) -> TokenSinkResult<()> {
    raw_kind(name).map_or(TokenSinkResult::Continue, TokenSinkResult::RawData)
}

fn heading_level(name: &str) -> Option<u8> {
    let digit = *name.as_bytes().get(1)?;
    digit.is_ascii_digit().then(|| digit - b'0')
}

/// Whether an element that always has an end tag is marked as navigation or as hidden.
fn has_navigation_role(tag: &Tag) -> bool {
    matches!(
        &*tag.name,
        "div" | "section" | "ul" | "ol" | "form" | "header" | "span"
    ) && (attribute(tag, "role").is_some_and(|role| {
        matches!(
            role,
            "navigation" | "menu" | "menubar" | "search" | "contentinfo"
        )
    }) || attribute(tag, "hidden").is_some()
        || attribute(tag, "aria-hidden") == Some("true"))
}

/// The value of an attribute.
pub(super) fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t str> {
    tag.attrs
        .iter()
        .find(|attribute| &*attribute.name.local == name)
        .map(|attribute| &*attribute.value)
}
