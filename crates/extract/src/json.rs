//! JSON and JSON Lines to records of `path: value` lines, in the file's own order.
//!
//! Each object or array inside an array is one record: that is how question lists, products and articles
//! are exported. Paths leave out array places, which mean nothing to a reader, and start at the record's
//! own array, so that a wrapper such as `data.items` isn't repeated on every line.
//!
//! Values are written as they are parsed, without a tree of the file in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::decode::decode;
use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Limits};

/// Deepest nesting that serde_json reads; a higher limit of ours has no effect.
const PARSER_DEPTH: usize = 126;

/// Most characters of an array's values that are put on one line.
const SHORT_VALUES_CHARS: usize = 240;

/// A record is ended early beyond this many bytes.
const MAX_OPEN_RECORD_BYTES: usize = 1 << 20;

/// Reads a JSON or JSON Lines file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?;
    let most = limits.max_depth.min(PARSER_DEPTH);
    if is_deeper_than(&text, most) {
        return Err(ExtractError::TooDeep(most));
    }
    let mut writer = Writer {
        sink: BlockSink::new(limits),
        path: Vec::new(),
        record: String::new(),
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
        scalar.into_iter().for_each(|text| writer.line(&text));
        writer.end_record()?;
    }
    Ok(writer.sink.finish())
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
    sink: BlockSink<'l>,
    /// Keys from the record's own array down to the value being read.
    path: Vec<String>,
    /// Lines of the open record.
    record: String,
    /// Why the sink refused; the parser only carries errors of its own kind.
    failure: Option<ExtractError>,
}

impl Writer<'_> {
    fn end_record(&mut self) -> Result<(), ExtractError> {
        let record = std::mem::take(&mut self.record);
        self.sink.push(BlockKind::Record, &record)
    }

    fn line(&mut self, value: &str) {
        if value.trim().is_empty() {
            return;
        }
        for (place, key) in self.path.iter().enumerate() {
            self.record.push_str(if place == 0 { "" } else { "." });
            self.record.push_str(key);
        }
        self.record
            .push_str(if self.path.is_empty() { "" } else { ": " });
        self.record.push_str(value.trim());
        self.record.push('\n');
    }

    /// Ends the record within the parser, and stops the parser where the limits are passed. The open
    /// record is looked at as well: long keys repeated for each value make much of a small file.
    fn checkpoint<E: Error>(&mut self, end: bool) -> Result<(), E> {
        let outcome = if end || self.record.len() > MAX_OPEN_RECORD_BYTES {
            self.end_record()
        } else {
            Ok(())
        };
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
            writer.checkpoint(true)?;
            let own = writer.path.last().cloned().into_iter().collect();
            Some(std::mem::replace(&mut writer.path, own))
        } else {
            None
        };
        while let Some(key) = map.next_key::<String>()? {
            writer.path.push(key);
            if let Some(text) = map.next_value_seed(Value::new(writer, false))? {
                writer.line(&text);
                writer.checkpoint(false)?;
            }
            writer.path.pop();
        }
        if let Some(outer) = outer {
            writer.checkpoint(true)?;
            writer.path = outer;
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Option<String>, A::Error> {
        let writer = self.writer;
        let mut scalars: Vec<String> = Vec::new();
        let mut chars = 0;
        while let Some(element) = sequence.next_element_seed(Value::new(writer, true))? {
            // Short values share a line; a container in between has already written its own lines.
            if let Some(text) = element {
                chars += text.chars().count() + 2;
                if chars > SHORT_VALUES_CHARS {
                    writer.line(&std::mem::take(&mut scalars).join(", "));
                    writer.checkpoint(false)?;
                    chars = text.chars().count();
                }
                scalars.push(text);
            }
        }
        writer.line(&scalars.join(", "));
        writer.checkpoint(false)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
