//! The documents that hold a term, as bytes: the gap to the previous document in a variable number of bytes, one bit
//! of it saying whether the term occurs more than once, in which case the count follows.

use super::Dictionary;

/// How often a term occurs in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) document: u32,
    pub(crate) frequency: u32,
}

/// The postings of one term, in order of documents.
#[derive(Clone, Copy)]
pub(crate) struct Postings<'a> {
    left: u32,
    next: u32,
    bytes: &'a [u8],
}

impl<'a> Postings<'a> {
    pub(super) fn new(count: u32, bytes: &'a [u8]) -> Self {
        Self {
            left: count,
            next: 0,
            bytes,
        }
    }

    pub(crate) fn empty() -> Self {
        Self::new(0, &[])
    }
}

impl Iterator for Postings<'_> {
    type Item = Posting;

    #[inline]
    fn next(&mut self) -> Option<Posting> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let coded = read_varint(&mut self.bytes);
        let document = self.next + (coded >> 1) as u32;
        self.next = document + 1;
        let frequency = if coded & 1 == 0 {
            1
        } else {
            read_varint(&mut self.bytes) as u32 + 2
        };
        Some(Posting {
            document,
            frequency,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Postings<'_> {}

#[inline]
fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    value
}

/// Writes a dictionary: terms in ascending order of identifier, and for each its postings in order of documents.
#[derive(Default)]
pub(super) struct PostingsWriter {
    dictionary: Dictionary,
    next: u32,
}

impl PostingsWriter {
    /// Starts the postings of a term.
    pub(super) fn begin(&mut self, term: u64) {
        self.dictionary.ids.push(term);
        self.dictionary.counts.push(0);
        self.dictionary
            .offsets
            .push(self.dictionary.bytes.len() as u32);
        self.next = 0;
    }

    /// Adds a posting to the term begun last.
    pub(super) fn push(&mut self, posting: Posting) {
        let gap = u64::from(posting.document - self.next);
        self.next = posting.document + 1;
        let repeated = u64::from(posting.frequency > 1);
        self.varint(gap << 1 | repeated);
        if posting.frequency > 1 {
            self.varint(u64::from(posting.frequency - 2));
        }
        if let Some(count) = self.dictionary.counts.last_mut() {
            *count += 1;
        }
    }

    /// Takes back a term begun last that got no postings.
    pub(super) fn drop_if_empty(&mut self) {
        if self.dictionary.counts.last() == Some(&0) {
            self.dictionary.ids.pop();
            self.dictionary.counts.pop();
            self.dictionary.offsets.pop();
        }
    }

    pub(super) fn finish(mut self) -> Dictionary {
        self.dictionary
            .offsets
            .push(self.dictionary.bytes.len() as u32);
        self.dictionary.ids.shrink_to_fit();
        self.dictionary.counts.shrink_to_fit();
        self.dictionary.offsets.shrink_to_fit();
        self.dictionary.bytes.shrink_to_fit();
        self.dictionary
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.dictionary.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.dictionary.bytes.push(value as u8);
    }
}
