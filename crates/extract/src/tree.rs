//! Values of a tree (JSON, YAML, XML) to records of `path: value` lines, in the file's own order.
//!
//! Each object in a list is one record: that is how question lists, products and articles are exported.
//! Paths start at the record's own list, so that a wrapper such as `data.items` isn't repeated on every
//! line.

use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Limits};

/// A record is ended early beyond this many bytes.
const MAX_OPEN_RECORD_BYTES: usize = 1 << 20;

/// Most characters of a list's values that are put on one line.
pub(crate) const SHORT_VALUES_CHARS: usize = 240;

/// Writes a tree's values as they are read, without the tree in memory.
pub(crate) struct TreeWriter<'l> {
    sink: BlockSink<'l>,
    /// Keys from the record's own list down to the value being read.
    path: Vec<String>,
    /// Lines of the open record.
    record: String,
}

impl<'l> TreeWriter<'l> {
    /// Nothing yet.
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self {
            sink: BlockSink::new(limits),
            path: Vec::new(),
            record: String::new(),
        }
    }

    /// The values that follow stand under this key, until [`Self::end_key`].
    pub(crate) fn key(&mut self, key: String) {
        self.path.push(key);
    }

    /// The key's values are over.
    pub(crate) fn end_key(&mut self) {
        self.path.pop();
    }

    /// Adds a value under the keys that are open. A long record is ended for it, since long keys that
    /// are repeated for each value make much of a small file.
    pub(crate) fn value(&mut self, value: &str) -> Result<(), ExtractError> {
        if value.trim().is_empty() {
            return Ok(());
        }
        for (place, key) in self.path.iter().enumerate() {
            self.record.push_str(if place == 0 { "" } else { "." });
            self.record.push_str(key);
        }
        self.record
            .push_str(if self.path.is_empty() { "" } else { ": " });
        self.record.push_str(value.trim());
        self.record.push('\n');
        if self.record.len() > MAX_OPEN_RECORD_BYTES {
            return self.end_record();
        }
        Ok(())
    }

    /// Adds a block that is no record.
    pub(crate) fn block(&mut self, kind: BlockKind, text: &str) -> Result<(), ExtractError> {
        self.end_record()?;
        self.sink.push(kind, text)
    }

    /// Begins a record; gives the keys outside it, for [`Self::close_record`].
    pub(crate) fn open_record(&mut self) -> Result<Vec<String>, ExtractError> {
        self.end_record()?;
        let own = self.path.last().cloned().into_iter().collect();
        Ok(std::mem::replace(&mut self.path, own))
    }

    /// Ends a record.
    pub(crate) fn close_record(&mut self, outer: Vec<String>) -> Result<(), ExtractError> {
        self.path = outer;
        self.end_record()
    }

    /// What follows belongs to no record that was begun before.
    pub(crate) fn end_record(&mut self) -> Result<(), ExtractError> {
        let record = std::mem::take(&mut self.record);
        self.sink.push(BlockKind::Record, &record)
    }

    /// The document.
    pub(crate) fn finish(mut self) -> Result<Document, ExtractError> {
        self.end_record()?;
        Ok(self.sink.finish())
    }
}

/// Short values of a list, which share a line.
#[derive(Default)]
pub(crate) struct ShortValues {
    values: Vec<String>,
    chars: usize,
}

impl ShortValues {
    /// Adds a value; the line so far where it would become too long.
    pub(crate) fn add(&mut self, value: String) -> Option<String> {
        if value.trim().is_empty() {
            return None;
        }
        let chars = value.chars().count() + 2;
        let full = self.chars + chars > SHORT_VALUES_CHARS;
        let line = (full && self.chars > 0).then(|| self.take());
        self.values.push(value);
        self.chars += chars;
        line
    }

    /// What has been added, on one line.
    pub(crate) fn take(&mut self) -> String {
        self.chars = 0;
        std::mem::take(&mut self.values).join(", ")
    }
}
