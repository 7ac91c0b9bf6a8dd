//! HTML to blocks: uploaded pages, fetched web pages, HTML inside Markdown.
//!
//! Works on html5ever's token stream rather than on a tree. A tree of hostile HTML can be as deep as
//! the file is long, and most code that walks trees (also this crate's main-content finder) recurses;
//! tokens need no depth at all, and elements that close each other implicitly need no care when every
//! block-level tag ends the block before it.

mod blocks;
mod links;
mod overlay;
mod page;
mod sanitize;

use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, TokenSink, Tokenizer, TokenizerOpts};

use crate::decode::decode_labelled;
use crate::sink::BlockSink;
use crate::{Document, ExtractError, Limits};

pub use links::{PageLinks, page_links};
pub use page::web_page;

/// Reads an uploaded HTML file: the whole body without navigation, scripts and styles.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let html = decode_labelled(bytes, page::declared_encoding(bytes, None))?;
    whole_body(&html, limits)
}

/// The whole body; where leaving out navigation leaves nothing (an unclosed `<nav>`), all of it.
fn whole_body(html: &str, limits: &Limits) -> Result<Document, ExtractError> {
    for skip_navigation in [true, false] {
        let mut sink = BlockSink::new(limits);
        blocks::read_into(html, &mut sink, skip_navigation)?;
        if sink.chars() > 0 || !skip_navigation {
            return Ok(sink.finish());
        }
    }
    Ok(Document::default())
}

/// Puts the blocks of a piece of HTML into a sink.
pub(crate) fn read_fragment_into(html: &str, sink: &mut BlockSink<'_>) -> Result<(), ExtractError> {
    blocks::read_into(html, sink, true)
}

/// Runs html5ever's tokenizer over a text and returns the sink that saw its tokens.
fn tokenize<S: TokenSink>(html: &str, sink: S) -> S {
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    // The tokenizer copies out of one buffer for each text run; small ones keep those copies small.
    let mut rest = html;
    while !rest.is_empty() {
        let (part, next) =
            rest.split_at(rest.floor_char_boundary(PART_BYTES.min(rest.len())).max(1));
        input.push_back(StrTendril::from_slice(part));
        // A sink of ours never asks for a pause; going on is right for all answers.
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        rest = next;
    }
    tokenizer.end();
    tokenizer.sink
}

/// Bytes given to the tokenizer at a time.
const PART_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
