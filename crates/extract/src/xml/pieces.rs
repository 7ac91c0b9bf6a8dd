//! XML as a stream of tags and texts, for every format that is made of it. Nothing here recurses, and
//! no entity but XML's own five is expanded: a document that defines others gets their names.

use std::borrow::Cow;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::{ExtractError, Limits};

/// Pieces between two looks at the clock.
const PIECES_PER_DEADLINE_CHECK: usize = 4096;

/// A tag or a text.
pub(crate) enum Piece<'x> {
    /// A start tag; an empty element is one with its end right after it.
    Open(BytesStart<'x>),
    /// An end tag.
    Close,
    /// Text, as it is read.
    Text(Cow<'x, str>),
}

/// The pieces of a document, in order.
pub(crate) struct Pieces<'x> {
    reader: Reader<&'x [u8]>,
    limits: &'x Limits,
    depth: usize,
    count: usize,
}

impl<'x> Pieces<'x> {
    /// The pieces of a document whose encoding has been undone.
    pub(crate) fn of(xml: &'x str, limits: &'x Limits) -> Self {
        let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self {
            reader,
            limits,
            depth: 0,
            count: 0,
        }
    }

    /// The next piece, `None` at the end.
    ///
    /// # Errors
    /// `Damaged` where it is no XML or ends early, `TooDeep` and `OutOfTime` over the limits.
    pub(crate) fn next(&mut self) -> Result<Option<Piece<'x>>, ExtractError> {
        loop {
            self.count += 1;
            if self.count.is_multiple_of(PIECES_PER_DEADLINE_CHECK) {
                self.limits.check_deadline()?;
            }
            let event = self.reader.read_event();
            let event = event.map_err(|error| {
                let place = self.reader.error_position();
                ExtractError::damaged(format!("it is not valid XML (at byte {place}: {error})"))
            })?;
            return Ok(Some(match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > self.limits.max_depth {
                        return Err(ExtractError::TooDeep(self.limits.max_depth));
                    }
                    Piece::Open(tag)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::Close
                }
                Event::Text(text) => Piece::Text(text.xml10_content()),
                Event::CData(text) => Piece::Text(text.xml10_content()),
                Event::GeneralRef(name) => Piece::Text(resolved(&name)),
                Event::Eof if self.depth > 0 => {
                    return Err(ExtractError::damaged("it ends too early"));
                }
                Event::Eof => return Ok(None),
                _ => continue,
            }));
        }
    }
}

fn resolved<'x>(name: &BytesRef<'_>) -> Cow<'x, str> {
    if let Ok(Some(character)) = name.resolve_char_ref() {
        return Cow::Owned(character.to_string());
    }
    match quick_xml::escape::resolve_predefined_entity(name) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(format!("&{};", &**name)),
    }
}

/// The name of an element with its prefix, as it is written.
pub(crate) fn name<'t>(tag: &'t BytesStart<'_>) -> &'t str {
    tag.name().into_inner()
}

/// The value of an attribute by its name with its prefix.
pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let mut attributes = attributes.with_checks(false).flatten().take(MAX_ATTRIBUTES);
    let attribute = attributes.find(|attribute| attribute.key.into_inner() == name)?;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    // An unknown entity in it: better as it is written than not at all.
    Some(value.map_or_else(|_| attribute.value.to_string(), Cow::into_owned))
}

/// Attributes that are looked at.
const MAX_ATTRIBUTES: usize = 64;
