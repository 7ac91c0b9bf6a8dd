//! Plain text: paragraphs are what blank lines separate, and lines a person would read as headings or
//! lists are left as they are, since a guess that is wrong costs more than one that is missed.

use crate::decode::decode;
use crate::sink::BlockSink;
use crate::{BlockKind, Document, ExtractError, Limits};

/// Reads a text file in any common encoding.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ExtractError> {
    let text = decode(bytes)?;
    let mut sink = BlockSink::new(limits);
    // Other line ends become \n so that blank lines are seen; the sink cleans the rest.
    let unix = if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    };
    let mut start = 0;
    let mut end = 0;
    for line in unix.split_inclusive('\n') {
        if line.trim().is_empty() {
            sink.push(BlockKind::Paragraph, &unix[start..end])?;
            start = end + line.len();
        }
        end += line.len();
    }
    sink.push(BlockKind::Paragraph, &unix[start..])?;
    Ok(sink.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let document = read(text.as_bytes(), &Limits::default()).expect("readable");
        let blocks: Vec<_> = document
            .blocks
            .iter()
            .map(|block| block.text.as_str())
            .collect();
        assert_eq!(blocks, expected);
    }

    #[test]
    fn blank_lines_separate_paragraphs() {
        check("one\ntwo\n\n \nthree", &["one\ntwo", "three"]);
        check("\r\none\r\n\r\ntwo\r\n", &["one", "two"]);
        check("old\r\rMac", &["old", "Mac"]);
        check("반품은\n30일 안에", &["반품은\n30일 안에"]);
        check("  \n\n", &[]);
    }
}
