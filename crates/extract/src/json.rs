//! JSON and JSON Lines to records: each object or array inside an array is one. Paths leave out array
//! places, which mean nothing to a reader.
//!
//! Values are written as they are parsed, without a tree of the file in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::decode::decode;
use crate::tree::{ShortValues, TreeWriter};
use crate::{Document, ExtractError, Limits};

/// Deepest nesting that serde_json reads; a higher limit of ours has no effect.
const PARSER_DEPTH: usize = 126;

/// Reads a JSON or JSON Lines file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?;
    let most = limits.max_depth.min(PARSER_DEPTH);
    if is_deeper_than(&text, most) {
        return Err(ExtractError::TooDeep(most));
    }
    let mut writer = Writer {
        tree: TreeWriter::new(limits),
        failure: None,
    };
    // Values may follow one another, as in JSON Lines; a single one is the common case.
    let mut parser = serde_json::Deserializer::from_str(&text);
    while parser.end().is_err() {
        let outcome = Value::new(&mut writer, false).deserialize(&mut parser);
        if let Some(failure) = writer.failure.take() {
            return Err(failure);
        }
        let scalar = outcome.map_err(|error| {
            let what = if error.is_eof() {
                "it ends too early"
            } else {
                "it is not valid JSON"
            };
            ExtractError::damaged(format!(
                "{what} (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        writer.tree.value(&scalar.unwrap_or_default())?;
        writer.tree.end_record()?;
    }
    writer.tree.finish()
}

/// Whether arrays and objects are nested deeper than allowed. Checked beforehand on the text, because
/// the parser recurses.
fn is_deeper_than(text: &str, most: usize) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

struct Writer<'l> {
    tree: TreeWriter<'l>,
    /// Why the tree refused; the parser only carries errors of its own kind.
    failure: Option<ExtractError>,
}

impl Writer<'_> {
    /// Stops the parser where the limits are passed.
    fn heed<T, E: Error>(&mut self, outcome: Result<T, ExtractError>) -> Result<T, E> {
        outcome.map_err(|failure| {
            self.failure = Some(failure);
            E::custom("stopped")
        })
    }
}

/// Reads one value: containers into the open record, a scalar into the text returned.
struct Value<'w, 'l> {
    writer: &'w mut Writer<'l>,
    in_array: bool,
}

impl<'w, 'l> Value<'w, 'l> {
    fn new(writer: &'w mut Writer<'l>, in_array: bool) -> Self {
        Self { writer, in_array }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<String>, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let Self { writer, in_array } = self;
        let outer = if in_array {
            let outer = writer.tree.open_record();
            Some(writer.heed(outer)?)
        } else {
            None
        };
        while let Some(key) = map.next_key::<String>()? {
            writer.tree.key(key);
            if let Some(text) = map.next_value_seed(Value::new(writer, false))? {
                let written = writer.tree.value(&text);
                writer.heed(written)?;
            }
            writer.tree.end_key();
        }
        if let Some(outer) = outer {
            let closed = writer.tree.close_record(outer);
            writer.heed(closed)?;
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Option<String>, A::Error> {
        let writer = self.writer;
        let mut scalars = ShortValues::default();
        while let Some(element) = sequence.next_element_seed(Value::new(writer, true))? {
            // Short values share a line; a container in between has already written its own lines.
            if let Some(line) = element.and_then(|text| scalars.add(text)) {
                let written = writer.tree.value(&line);
                writer.heed(written)?;
            }
        }
        let written = writer.tree.value(&scalars.take());
        writer.heed(written)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
