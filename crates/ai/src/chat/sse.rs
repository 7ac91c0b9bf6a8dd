//! Server-sent events, read from bytes as they arrive (the WHATWG HTML standard, "Interpreting an
//! event stream"). Works on bytes, so a character cut in half between two packets is whole again
//! before anything decodes it.

use crate::error::{ProviderError, ProviderErrorKind};

/// The longest line or event, in bytes. Real ones are a few hundred; a server that never ends its
/// line must not fill our memory.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// Reads events out of a stream of bytes.
#[derive(Default)]
pub(super) struct EventReader {
    buffer: Vec<u8>,
    /// Everything before it has been handed out.
    read: usize,
    /// Everything between `read` and here is known to hold no line end.
    scanned: usize,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    event: Event,
}

/// One event: its name (empty for the default) and its data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// From the `event:` field.
    pub name: String,
    /// The `data:` fields, joined by LF.
    pub data: Vec<u8>,
    has_data: bool,
}

impl EventReader {
    /// Takes in the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ProviderError> {
        self.buffer.drain(..self.read);
        self.scanned -= self.read;
        self.read = 0;
        if self.buffer.len() + self.event.data.len() + bytes.len() > MAX_EVENT {
            return Err(ProviderError::new(
                ProviderErrorKind::Malformed,
                "The model provider sent an event longer than 4 MiB.",
            ));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole event among the bytes so far.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let line = self.next_line()?;
            if let Some(event) = self.take_line(line) {
                return Some(event);
            }
        }
    }

    /// What is left when the stream has ended: an event whose closing blank line never came. The
    /// standard drops it; providers are known to forget the line after their last event.
    pub fn rest(&mut self) -> Option<Event> {
        let line = self.read..self.buffer.len();
        self.read = self.buffer.len();
        self.scanned = self.read;
        self.take_line(line).or_else(|| self.dispatch())
    }

    fn next_line(&mut self) -> Option<std::ops::Range<usize>> {
        if self.after_cr && self.read < self.buffer.len() {
            self.after_cr = false;
            if self.buffer[self.read] == b'\n' {
                self.read += 1;
                self.scanned = self.scanned.max(self.read);
            }
        }
        let found = self.buffer[self.scanned..]
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(offset) = found else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + offset;
        self.after_cr = self.buffer[end] == b'\r';
        let line = self.read..end;
        self.read = end + 1;
        self.scanned = self.read;
        Some(line)
    }

    /// Adds one line to the event being read; gives the event where the line was blank.
    fn take_line(&mut self, line: std::ops::Range<usize>) -> Option<Event> {
        let line = &self.buffer[line];
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.event.has_data {
                    self.event.data.push(b'\n');
                }
                self.event.has_data = true;
                self.event.data.extend_from_slice(value);
            }
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            // Comments (an empty field name), `id`, `retry` and unknown fields say nothing here.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        event.has_data.then_some(event)
    }
}

#[cfg(test)]
mod tests;
