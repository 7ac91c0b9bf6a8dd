//! RTF (Microsoft's Rich Text Format, 1.9.1) to blocks: paragraphs, headings, lists and tables. Nothing
//! of its looks is kept.
//!
//! The file is a stream of groups, control words and bytes in the code page of the font that is set.

mod encodings;
mod tokens;

use std::collections::HashMap;

use encoding_rs::Encoding;

use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Limits, table};
use tokens::{Token, Tokens};

/// Fonts that are remembered.
const MAX_FONTS: usize = 4096;

/// Styles that are remembered.
const MAX_STYLES: usize = 4096;

/// Tokens between two looks at the clock.
const TOKENS_PER_DEADLINE_CHECK: usize = 4096;

/// Reads an RTF file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    if !bytes.starts_with(b"{\\rtf") {
        return Err(ExtractError::damaged("it does not begin like RTF"));
    }
    let mut reader = Reader::new(BlockSink::new(limits));
    for (count, token) in Tokens::of(bytes).enumerate() {
        if count.is_multiple_of(TOKENS_PER_DEADLINE_CHECK) {
            limits.check_deadline()?;
        }
        match token {
            Token::Open => {
                reader.open();
                if reader.outer.len() > limits.max_depth {
                    return Err(ExtractError::TooDeep(limits.max_depth));
                }
            }
            // What follows the outermost group is no part of the document.
            Token::Close if reader.outer.len() <= 1 => {
                reader.close();
                return reader.finish();
            }
            Token::Close => reader.close(),
            Token::Byte(byte) => reader.byte(byte),
            Token::Word(word, value) => reader.word(word, value)?,
        }
    }
    Err(ExtractError::damaged("it ends too early"))
}

/// What a group's text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Text,
    Fonts,
    Styles,
    Information,
    Title,
    ListMark,
    Nothing,
}

/// What is in force within a group.
#[derive(Clone)]
struct State {
    destination: Destination,
    encoding: &'static Encoding,
    /// Characters that stand for a Unicode one, for readers that know none.
    substitutes: usize,
    is_hidden: bool,
    is_in_table: bool,
    heading: Option<u8>,
    list_level: usize,
    /// The group is nothing to a reader who doesn't know its first word.
    is_optional: bool,
    /// Nothing of the group was read yet.
    is_new: bool,
}

struct Reader<'l> {
    sink: BlockSink<'l>,
    state: State,
    outer: Vec<State>,
    fonts: HashMap<i32, &'static Encoding>,
    /// The font that is being described.
    font: i32,
    /// Levels of the headings that styles are, and the style that is being described.
    headings: HashMap<i32, u8>,
    style: i32,
    style_name: String,
    default_encoding: &'static Encoding,
    default_font: i32,
    /// Bytes not decoded yet, and the first half of a character beyond the basic plane.
    bytes: Vec<u8>,
    surrogate: Option<u16>,
    /// Characters still to be passed over.
    skipped: usize,
    text: String,
    title: String,
    mark: String,
    list: String,
    cell: String,
    row: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl<'l> Reader<'l> {
    fn new(sink: BlockSink<'l>) -> Self {
        let encoding = encodings::of_code_page(1252);
        Self {
            sink,
            state: State {
                destination: Destination::Text,
                encoding,
                substitutes: 1,
                is_hidden: false,
                is_in_table: false,
                heading: None,
                list_level: 0,
                is_optional: false,
                is_new: true,
            },
            outer: Vec::new(),
            fonts: HashMap::new(),
            font: 0,
            headings: HashMap::new(),
            style: 0,
            style_name: String::new(),
            default_encoding: encoding,
            default_font: 0,
            bytes: Vec::new(),
            surrogate: None,
            skipped: 0,
            text: String::new(),
            title: String::new(),
            mark: String::new(),
            list: String::new(),
            cell: String::new(),
            row: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn open(&mut self) {
        self.decode();
        self.skipped = 0;
        self.outer.push(self.state.clone());
        self.state.is_optional = false;
        self.state.is_new = true;
    }

    fn close(&mut self) {
        self.decode();
        self.skipped = 0;
        if let Some(outer) = self.outer.pop() {
            let is_style = outer.destination == Destination::Styles;
            self.state = outer;
            if is_style {
                self.end_style();
            }
        }
    }

    /// Keeps whether a style that has been described is a heading, as its name says.
    fn end_style(&mut self) {
        let name = std::mem::take(&mut self.style_name).to_lowercase();
        let name = name.trim().trim_end_matches(';');
        let level = match name.strip_prefix("heading ") {
            Some(level) => level.parse().ok().filter(|level| (1..=6).contains(level)),
            None => (name == "title").then_some(1),
        };
        if let Some(level) = level
            && self.headings.len() < MAX_STYLES
        {
            self.headings.insert(self.style, level);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.state.is_new = false;
        if self.skipped > 0 {
            self.skipped -= 1;
        } else {
            self.bytes.push(byte);
        }
    }

    /// Turns the bytes gathered so far into text.
    fn decode(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let (text, _) = self.state.encoding.decode_without_bom_handling(&bytes);
        self.put(&text);
    }

    fn put(&mut self, text: &str) {
        match self.state.destination {
            Destination::Text if !self.state.is_hidden => self.text.push_str(text),
            Destination::Styles => self.style_name.push_str(text),
            Destination::Title => self.title.push_str(text),
            Destination::ListMark => self.mark.push_str(text),
            _ => {}
        }
    }

    fn word(&mut self, word: &str, value: Option<i32>) -> Result<(), ExtractError> {
        self.decode();
        let is_first = std::mem::take(&mut self.state.is_new);
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(());
        }
        if word == "*" {
            self.state.is_optional = true;
            self.state.is_new = true;
            return Ok(());
        }
        if is_first && self.destination(word) {
            return Ok(());
        }
        if let Some(text) = symbol(word) {
            self.put(text);
            return Ok(());
        }
        match word {
            "par" | "sect" | "page" | "cell" | "nestcell" | "row"
                if self.state.destination != Destination::Text => {}
            "par" | "sect" | "page" => self.end_paragraph()?,
            "cell" | "nestcell" => self.end_cell(),
            "row" => self.end_row(),
            _ => self.property(word, value.unwrap_or(1), value),
        }
        Ok(())
    }

    /// Whether a group's first word says what its text is for.
    fn destination(&mut self, word: &str) -> bool {
        let destination = match word {
            "fonttbl" => Destination::Fonts,
            "stylesheet" => Destination::Styles,
            "info" => Destination::Information,
            "title" if self.state.destination == Destination::Information => Destination::Title,
            "listtext" | "pntext" => {
                self.mark.clear();
                Destination::ListMark
            }
            // Texts in shapes, and fields' results, are marked optional and read all the same.
            "shptxt" | "fldrslt" => return true,
            _ if NO_TEXT.contains(&word) || self.state.is_optional => Destination::Nothing,
            _ => return false,
        };
        if self.state.destination != Destination::Nothing {
            self.state.destination = destination;
        }
        true
    }

    fn property(&mut self, word: &str, value: i32, given: Option<i32>) {
        match word {
            "u" => self.unicode(value),
            "uc" => self.state.substitutes = usize::try_from(value).unwrap_or(0).min(16),
            "ansicpg" => {
                self.default_encoding = encodings::of_code_page(value);
                self.state.encoding = self.default_encoding;
            }
            "deff" => self.default_font = value,
            "f" if self.state.destination == Destination::Fonts => self.font = value,
            "f" => self.set_font(value),
            "fcharset" if self.fonts.len() < MAX_FONTS => {
                if let Some(encoding) = encodings::of_charset(value) {
                    self.fonts.insert(self.font, encoding);
                }
            }
            "s" if self.state.destination == Destination::Styles => self.style = value,
            "s" => self.state.heading = self.headings.get(&value).copied(),
            "plain" => {
                self.state.is_hidden = false;
                self.set_font(self.default_font);
            }
            "v" => self.state.is_hidden = given != Some(0),
            "pard" => {
                self.state.is_in_table = false;
                self.state.heading = None;
                self.state.list_level = 0;
            }
            "intbl" => self.state.is_in_table = true,
            "outlinelevel" => {
                self.state.heading = u8::try_from(value + 1).ok().filter(|level| *level <= 6);
            }
            "ilvl" => self.state.list_level = usize::try_from(value).unwrap_or(0).min(8),
            _ => {}
        }
    }

    fn set_font(&mut self, font: i32) {
        let encoding = self.fonts.get(&font).copied();
        self.state.encoding = encoding.unwrap_or(self.default_encoding);
    }

    fn unicode(&mut self, value: i32) {
        // Written as a signed number of 16 bits.
        let unit = value as u16;
        match (self.surrogate.take(), unit) {
            (None, 0xd800..=0xdbff) => self.surrogate = Some(unit),
            (Some(high), low) => self.put(&String::from_utf16_lossy(&[high, low])),
            (None, unit) => self.put(&String::from_utf16_lossy(&[unit])),
        }
        self.skipped = self.state.substitutes;
    }

    fn end_paragraph(&mut self) -> Result<(), ExtractError> {
        let text = std::mem::take(&mut self.text);
        if self.state.is_in_table {
            self.cell.push_str(&text);
            self.cell.push('\n');
            return Ok(());
        }
        self.end_table()?;
        let mark = std::mem::take(&mut self.mark);
        if text.trim().is_empty() {
            return Ok(());
        }
        if !mark.trim().is_empty() && self.state.heading.is_none() {
            self.list_item(&mark, &text);
            return Ok(());
        }
        self.end_list()?;
        let kind = self
            .state
            .heading
            .map_or(BlockKind::Paragraph, BlockKind::Heading);
        self.sink.push(kind, &text)
    }

    fn list_item(&mut self, mark: &str, text: &str) {
        let digits: String = mark
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        self.list.push_str(&"  ".repeat(self.state.list_level));
        if digits.is_empty() {
            self.list.push_str("- ");
        } else {
            self.list.push_str(&format!("{digits}. "));
        }
        self.list.push_str(&text.replace('\n', " "));
        self.list.push('\n');
    }

    fn end_cell(&mut self) {
        self.cell.push_str(&std::mem::take(&mut self.text));
        self.mark.clear();
        self.row.push(std::mem::take(&mut self.cell));
    }

    fn end_row(&mut self) {
        self.rows.push(std::mem::take(&mut self.row));
    }

    fn end_list(&mut self) -> Result<(), ExtractError> {
        self.sink
            .push(BlockKind::List, &std::mem::take(&mut self.list))
    }

    fn end_table(&mut self) -> Result<(), ExtractError> {
        if !self.row.is_empty() {
            self.end_row();
        }
        let cell = std::mem::take(&mut self.cell);
        self.sink.push(BlockKind::Paragraph, &cell)?;
        if self.rows.is_empty() {
            return Ok(());
        }
        self.end_list()?;
        let rows = std::mem::take(&mut self.rows);
        self.sink.push(BlockKind::Table, &table::render(&rows))
    }

    fn finish(mut self) -> Result<Document, ExtractError> {
        self.end_paragraph()?;
        self.end_table()?;
        self.end_list()?;
        let title = std::mem::take(&mut self.title);
        self.sink.set_title(&title);
        Ok(self.sink.finish())
    }
}

/// Groups whose text is no text of the document.
const NO_TEXT: &[&str] = &[
    "annotation",
    "atnauthor",
    "atnid",
    "bkmkend",
    "bkmkstart",
    "colortbl",
    "deleted",
    "fldinst",
    "footer",
    "footerf",
    "footerl",
    "footerr",
    "ftnsep",
    "header",
    "headerf",
    "headerl",
    "headerr",
    "nonshppict",
    "objdata",
    "pict",
    "private",
    "revtbl",
    "rxe",
    "tc",
    "txe",
    "xe",
];

/// What control words say that stand for characters.
fn symbol(word: &str) -> Option<&'static str> {
    Some(match word {
        "line" | "softline" => "\n",
        "tab" => "\t",
        "emdash" => "—",
        "endash" => "–",
        "bullet" => "•",
        "lquote" => "‘",
        "rquote" => "’",
        "ldblquote" => "“",
        "rdblquote" => "”",
        "emspace" | "enspace" | "qmspace" | "~" => " ",
        "_" => "-",
        "-" => "\u{ad}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
