//! EPUB books: the chapters in reading order, each an XHTML file in the package.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::decode::decode;
use crate::sink::BlockSink;
use crate::xml::{Piece, Pieces, attribute, name};
use crate::{Document, ExtractError, Format, Limits, archive, html};

/// Reads a book.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let mut package = archive::open(bytes, Format::Epub, limits)?;
    if is_locked(&mut package)? {
        return Err(ExtractError::CopyProtected);
    }
    let container = part(&mut package, "META-INF/container.xml")?;
    let place = root_file(&container, limits)?;
    let contents = Contents::of(&part(&mut package, &place)?, limits)?;
    let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut sink = BlockSink::new(limits);
    sink.set_title(&contents.title);
    for chapter in &contents.chapters {
        limits.check_deadline()?;
        let text = part(&mut package, &resolved(folder, chapter))?;
        html::read_fragment_into(body(&text), &mut sink)?;
    }
    Ok(sink.finish())
}

/// A chapter without its head, whose title would be taken for the book's.
fn body(xhtml: &str) -> &str {
    let start = xhtml.find("<body").unwrap_or(0);
    &xhtml[start..]
}

/// Whether the text itself is encrypted; fonts alone often are, and don't matter.
fn is_locked(package: &mut ZipArchive<Cursor<&[u8]>>) -> Result<bool, ExtractError> {
    let place = "META-INF/encryption.xml";
    if package.index_for_name(place).is_none() {
        return Ok(false);
    }
    let encrypted = part(package, place)?;
    Ok(encrypted
        .split("URI=")
        .skip(1)
        .filter_map(|rest| rest.split(['"', '\'']).nth(1))
        .any(|file| file.ends_with("html") || file.ends_with(".htm")))
}

fn part(package: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, ExtractError> {
    let mut bytes = Vec::new();
    package
        .by_name(name)
        .ok()
        .and_then(|mut entry| entry.read_to_end(&mut bytes).ok())
        .ok_or_else(|| ExtractError::damaged(format!("its part {} is missing", shown(name))))?;
    decode(&bytes)
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Where the list of contents is.
fn root_file(container: &str, limits: &Limits) -> Result<String, ExtractError> {
    let mut pieces = Pieces::of(container, limits);
    while let Some(piece) = pieces.next()? {
        if let Piece::Open(tag) = piece
            && name(&tag) == "rootfile"
            && let Some(place) = attribute(&tag, "full-path")
        {
            return Ok(place);
        }
    }
    Err(ExtractError::damaged("it names no list of contents"))
}

/// What the package document says.
#[derive(Default)]
struct Contents {
    title: String,
    /// Files in reading order, as they are named there.
    chapters: Vec<String>,
}

impl Contents {
    fn of(opf: &str, limits: &Limits) -> Result<Self, ExtractError> {
        let mut contents = Self::default();
        let mut files: HashMap<String, String> = HashMap::new();
        let mut in_title = false;
        let mut pieces = Pieces::of(opf, limits);
        while let Some(piece) = pieces.next()? {
            match piece {
                Piece::Text(text) if in_title => contents.title.push_str(&text),
                Piece::Text(_) => {}
                Piece::Close => in_title = false,
                Piece::Open(tag) => {
                    let own = name(&tag);
                    let own = own.rsplit(':').next().unwrap_or(own);
                    in_title = own == "title" && contents.title.is_empty();
                    match own {
                        "item" if is_chapter(attribute(&tag, "media-type")) => {
                            let id = attribute(&tag, "id");
                            files.extend(id.zip(attribute(&tag, "href")));
                        }
                        // What is not linear is reached by links alone; it is still part of the book.
                        "itemref" => {
                            let id = attribute(&tag, "idref").unwrap_or_default();
                            // Once: a list that names a chapter a million times is hostile.
                            contents.chapters.extend(files.remove(&id));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(contents)
    }
}

fn is_chapter(media_type: Option<String>) -> bool {
    media_type.is_some_and(|media_type| media_type.contains("html"))
}

/// The name in the package of a file that is named from a folder of it.
fn resolved(folder: &str, href: &str) -> String {
    let href = href.split(['#', '?']).next().unwrap_or(href);
    let mut parts: Vec<String> = Vec::new();
    for part in folder.split('/').chain(href.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(unescaped(part)),
        }
    }
    parts.join("/")
}

/// `%20` and the like undone.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_within_the_package() {
        assert_eq!(
            resolved("OEBPS", "text/a%20b.xhtml#c"),
            "OEBPS/text/a b.xhtml"
        );
        assert_eq!(resolved("OEBPS", "../x.html"), "x.html");
        assert_eq!(resolved("", "../../x%zz.html"), "x%zz.html");
    }
}
