//! E-mails: who wrote when about what, the text, and attachments, which are read like uploaded files
//! where they can be.

use std::borrow::Cow;

use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Format, Limits, Ocr, guard, html};

/// How deep messages and attachments may lie in one another; deeper ones are named, not read.
const MAX_NESTING: usize = 3;

/// Attachments of all messages together that are read; the others are named.
const MAX_ATTACHMENTS: usize = 50;

/// Addresses of a line that are named.
const MAX_ADDRESSES: usize = 20;

/// Reads an e-mail with its attachments.
pub(crate) fn read(
    bytes: &[u8],
    limits: &Limits,
    ocr: Option<&Ocr>,
) -> Result<Document, ExtractError> {
    let owned = bytes.to_vec();
    let (limits_there, ocr) = (limits.clone(), ocr.cloned());
    guard::run(limits, move |_| {
        let message = MessageParser::default()
            .parse(&owned)
            .filter(is_message)
            .ok_or_else(|| {
                ExtractError::damaged("it doesn't say who wrote it, when or about what")
            })?;
        let mut reader = Reader {
            sink: BlockSink::new(&limits_there),
            limits: &limits_there,
            ocr: ocr.as_ref(),
            attachments: 0,
        };
        if let Some(subject) = message.subject() {
            reader.sink.set_title(subject);
        }
        reader.message(&message, 0)?;
        Ok(reader.sink.finish())
    })
}

/// Whether text is an e-mail at all: any text would do for the parser.
fn is_message(message: &Message<'_>) -> bool {
    message.from().is_some()
        || message.to().is_some()
        || message.subject().is_some()
        || message.date().is_some()
}

struct Reader<'l> {
    sink: BlockSink<'l>,
    limits: &'l Limits,
    ocr: Option<&'l Ocr>,
    /// Attachments read so far.
    attachments: usize,
}

impl Reader<'_> {
    fn message(&mut self, message: &Message<'_>, nesting: usize) -> Result<(), ExtractError> {
        self.limits.check_deadline()?;
        if let Some(subject) = message.subject() {
            self.sink.push(heading(nesting), subject)?;
        }
        self.sink.push(BlockKind::Paragraph, &head(message))?;
        for part in message.text_bodies() {
            self.body(part)?;
        }
        for part in message.attachments() {
            self.attachment(part, nesting)?;
        }
        Ok(())
    }

    fn body(&mut self, part: &MessagePart<'_>) -> Result<(), ExtractError> {
        match &part.body {
            PartType::Html(text) => html::read_fragment_into(text, &mut self.sink),
            PartType::Text(text) => {
                let text = text.replace("\r\n", "\n");
                for paragraph in text.split("\n\n") {
                    self.sink.push(BlockKind::Paragraph, paragraph)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn attachment(&mut self, part: &MessagePart<'_>, nesting: usize) -> Result<(), ExtractError> {
        let name = part.attachment_name().unwrap_or_default();
        if let PartType::Message(message) = &part.body {
            if nesting < MAX_NESTING {
                return self.message(message, nesting + 1);
            }
            let name = message.subject().unwrap_or(name);
            return self.named(name, TOO_DEEP);
        }
        if name.is_empty() {
            // Pictures in the text, signatures and the like.
            return Ok(());
        }
        self.attachments += 1;
        if self.attachments > MAX_ATTACHMENTS {
            return self.named(name, "there are too many of them");
        }
        let bytes = contents(part);
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        let format = match Format::detect(name, head) {
            Ok(Format::Email) if nesting >= MAX_NESTING => return self.named(name, TOO_DEEP),
            Ok(format) => format,
            Err(unsupported) => return self.unread(name, &unsupported.reason()),
        };
        match self.read_attachment(format, &bytes, nesting) {
            Ok(document) => {
                self.sink.push(heading(nesting + 1), name)?;
                for block in document.blocks {
                    self.sink.push(block.kind, &block.text)?;
                }
                Ok(())
            }
            Err(ExtractError::OutOfTime) => Err(ExtractError::OutOfTime),
            // One that can't be read takes nothing from the message.
            Err(error) => self.unread(name, &error.to_string()),
        }
    }

    fn read_attachment(
        &mut self,
        format: Format,
        bytes: &[u8],
        nesting: usize,
    ) -> Result<Document, ExtractError> {
        // What it may hold is what the message has left.
        let mut limits = self.limits.clone();
        limits.max_output_chars = limits.max_output_chars.saturating_sub(self.sink.chars());
        if format == Format::Email {
            return self.forwarded(bytes, &limits, nesting + 1);
        }
        crate::read(bytes, format, &limits, self.ocr)
    }

    /// A message attached as a file, whose attachments count among all.
    fn forwarded(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        nesting: usize,
    ) -> Result<Document, ExtractError> {
        let message = MessageParser::default().parse(bytes);
        let message = message.ok_or(ExtractError::NoText)?;
        let mut reader = Reader {
            sink: BlockSink::new(limits),
            limits,
            ocr: self.ocr,
            attachments: self.attachments,
        };
        let read = reader.message(&message, nesting);
        self.attachments = reader.attachments;
        read.map(|()| reader.sink.finish())
    }

    /// Names an attachment whose text is not there, with the sentence that says why.
    fn unread(&mut self, name: &str, why: &str) -> Result<(), ExtractError> {
        self.named(name, &format!("its text could not be read: {why}"))
    }

    fn named(&mut self, name: &str, why: &str) -> Result<(), ExtractError> {
        let text = format!("Attachment: {name} ({why})");
        self.sink.push(BlockKind::Paragraph, &text)
    }
}

/// Why a message is named only.
const TOO_DEEP: &str = "it lies too deep in other messages";

/// Bytes of an attachment by which its format is known.
const HEAD_BYTES: usize = 8 * 1024;

fn heading(nesting: usize) -> BlockKind {
    BlockKind::Heading(u8::try_from(nesting + 1).unwrap_or(6).min(6))
}

fn contents<'p>(part: &'p MessagePart<'_>) -> Cow<'p, [u8]> {
    match &part.body {
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => Cow::Borrowed(bytes),
        PartType::Text(text) | PartType::Html(text) => Cow::Borrowed(text.as_bytes()),
        _ => Cow::Borrowed(&[]),
    }
}

/// From, to, copies and date, a line each.
fn head(message: &Message<'_>) -> String {
    let mut lines = Vec::new();
    for (label, addresses) in [
        ("From", message.from()),
        ("To", message.to()),
        ("Cc", message.cc()),
    ] {
        let people = addresses.map(people).unwrap_or_default();
        if !people.is_empty() {
            lines.push(format!("{label}: {people}"));
        }
    }
    if let Some(date) = message.date().filter(|date| date.is_valid()) {
        lines.push(format!("Date: {}", date.to_rfc3339()));
    }
    lines.join("\n")
}

fn people(addresses: &Address<'_>) -> String {
    let one = |addr: &mail_parser::Addr<'_>| match (&addr.name, &addr.address) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(one), None) | (None, Some(one)) => one.to_string(),
        (None, None) => String::new(),
    };
    let people = addresses.iter().take(MAX_ADDRESSES).map(one);
    people
        .filter(|one| !one.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests;
