//! XML of any kind. What looks like data (elements that hold elements, or text alone) becomes records of
//! `path: value`, as JSON does; text with elements in it is prose, and becomes paragraphs and headings.

mod pieces;

use std::collections::{HashMap, HashSet};

use quick_xml::events::BytesStart;

pub(crate) use pieces::{Piece, Pieces, attribute, name};

use crate::decode::decode_labelled;
use crate::sink::one_line;
use crate::tree::TreeWriter;
use crate::{BlockKind, Document, ExtractError, Limits};

/// Paths of elements that are told apart; a file with more distinct ones is no table of anything.
const MAX_PATHS: usize = 50_000;

/// Text from this length on is prose, wherever it stands.
const PROSE_CHARS: usize = 240;

/// Elements that hold a heading, where there is prose to have one.
const HEADINGS: &[&str] = &["title", "heading", "head", "header"];

/// Reads an XML file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let xml = decode_labelled(bytes, declared_encoding(bytes))?;
    let shape = Shape::of(&xml, limits)?;
    let mut reader = Reader {
        writer: TreeWriter::new(limits),
        shape: &shape,
        open: Vec::new(),
        path: String::new(),
        prose: 0,
    };
    let mut pieces = Pieces::of(&xml, limits);
    while let Some(piece) = pieces.next()? {
        match piece {
            Piece::Open(tag) => reader.open(&tag)?,
            Piece::Text(text) => reader.text(&text),
            Piece::Close => reader.close()?,
        }
    }
    reader.writer.finish()
}

/// The encoding that `<?xml encoding="…"?>` names.
fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let head = &bytes[..bytes.len().min(200)];
    let head = String::from_utf8_lossy(head.trim_ascii_start());
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, rest) = declaration.split_once("encoding")?;
    let label = rest.split(['"', '\'']).nth(1)?;
    encoding_rs::Encoding::for_label(label.as_bytes())
}

/// What is known of the elements at each path (`a/b/c`) once the whole file was seen.
#[derive(Default)]
struct Shape {
    /// More than one in the same parent.
    repeated: HashSet<String>,
    /// Elements with elements in them.
    containers: HashSet<String>,
    /// Elements with both elements and text in them.
    mixed: HashSet<String>,
}

/// An element that is open while the shape is found out.
#[derive(Default)]
struct Seen {
    children: HashMap<String, usize>,
    has_text: bool,
    path_bytes: usize,
}

impl Shape {
    fn of(xml: &str, limits: &Limits) -> Result<Self, ExtractError> {
        let mut shape = Self::default();
        let mut path = String::new();
        let mut open: Vec<Seen> = Vec::new();
        let mut pieces = Pieces::of(xml, limits);
        while let Some(piece) = pieces.next()? {
            match piece {
                Piece::Open(tag) => {
                    let own = name(&tag);
                    let path_bytes = path.len();
                    path.push('/');
                    path.push_str(own);
                    if let Some(parent) = open.last_mut() {
                        let count = parent.children.entry(own.to_owned()).or_default();
                        *count += 1;
                        if *count == 2 {
                            insert(&mut shape.repeated, &path);
                        }
                    }
                    open.push(Seen {
                        path_bytes,
                        ..Seen::default()
                    });
                }
                Piece::Text(text) => {
                    if let Some(element) = open.last_mut() {
                        element.has_text |= !text.trim().is_empty();
                    }
                }
                Piece::Close => {
                    let Some(element) = open.pop() else {
                        continue;
                    };
                    if !element.children.is_empty() {
                        insert(&mut shape.containers, &path);
                        if element.has_text {
                            insert(&mut shape.mixed, &path);
                        }
                    }
                    path.truncate(element.path_bytes);
                }
            }
        }
        Ok(shape)
    }
}

fn insert(paths: &mut HashSet<String>, path: &str) {
    if paths.len() < MAX_PATHS && !paths.contains(path) {
        paths.insert(path.to_owned());
    }
}

struct Reader<'s, 'l> {
    writer: TreeWriter<'l>,
    shape: &'s Shape,
    open: Vec<Element>,
    path: String,
    /// Open elements that are part of one text.
    prose: usize,
}

/// An open element.
struct Element {
    name: String,
    text: String,
    is_container: bool,
    /// The keys outside the record that it is.
    record: Option<Vec<String>>,
    path_bytes: usize,
}

impl Reader<'_, '_> {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), ExtractError> {
        if self.prose > 0 {
            self.prose += 1;
            return Ok(());
        }
        let full_name = name(tag);
        let own = full_name.rsplit(':').next().unwrap_or_default().to_owned();
        let path_bytes = self.path.len();
        self.path.push('/');
        self.path.push_str(full_name);
        // The outermost element is the file; its name says nothing that the file's doesn't.
        if !self.open.is_empty() {
            self.writer.key(own.clone());
        }
        let is_container = self.shape.containers.contains(&self.path);
        let is_record = is_container && self.shape.repeated.contains(&self.path);
        let record = is_record.then(|| self.writer.open_record()).transpose()?;
        self.prose = usize::from(self.shape.mixed.contains(&self.path));
        for attribute in tag.attributes().with_checks(false).flatten().take(64) {
            let key = attribute.key.into_inner();
            let is_about_xml = key.starts_with("xmlns") || key.starts_with("xsi:");
            if let Some(value) = pieces::attribute(tag, key).filter(|_| !is_about_xml) {
                self.writer.key(key.to_owned());
                self.writer.value(&one_line(&value))?;
                self.writer.end_key();
            }
        }
        self.open.push(Element {
            name: own,
            text: String::new(),
            is_container,
            record,
            path_bytes,
        });
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut()
            && (self.prose > 0 || !element.is_container)
        {
            element.text.push_str(text);
        }
    }

    fn close(&mut self) -> Result<(), ExtractError> {
        if self.prose > 1 {
            self.prose -= 1;
            return Ok(());
        }
        let Some(element) = self.open.pop() else {
            return Ok(());
        };
        let text = one_line(&element.text);
        let depth = self.open.len();
        if std::mem::take(&mut self.prose) > 0 || text.chars().count() > PROSE_CHARS {
            self.writer.block(BlockKind::Paragraph, &text)?;
        } else if !self.shape.mixed.is_empty() && HEADINGS.contains(&element.name.as_str()) {
            let level = u8::try_from(depth).unwrap_or(6).clamp(1, 6);
            self.writer.block(BlockKind::Heading(level), &text)?;
        } else {
            self.writer.value(&text)?;
        }
        if let Some(outer) = element.record {
            self.writer.close_record(outer)?;
        }
        if depth > 0 {
            self.writer.end_key();
        }
        self.path.truncate(element.path_bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
