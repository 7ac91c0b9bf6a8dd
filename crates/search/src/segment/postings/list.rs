//! Postings as a list: the gap to the previous document in seven bits a byte, its lowest bit saying whether the
//! term occurs more than once, in which case a byte with the frequency follows.

use super::Posting;

/// An iterator over a list of postings.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    left: usize,
    next: u64,
    /// Documents are below this.
    documents: u64,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    pub(super) fn new(count: usize, documents: usize, bytes: &'a [u8]) -> Self {
        Self {
            left: count,
            next: 0,
            documents: documents as u64,
            bytes,
        }
    }
}

/// A gap of 32 bits and its flag need no more bytes.
const MOST_BYTES: usize = 5;

impl Iterator for List<'_> {
    type Item = Posting;

    #[inline]
    fn next(&mut self) -> Option<Posting> {
        self.left = self.left.checked_sub(1)?;
        let mut coded = 0_u64;
        for place in 0..MOST_BYTES {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            coded |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                break;
            }
        }
        let document = self.next + (coded >> 1);
        if document >= self.documents {
            self.left = 0;
            return None;
        }
        self.next = document + 1;
        let mut frequency = 1;
        if coded & 1 == 1
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.bytes = rest;
            // Never zero as written, and a share divides by it.
            frequency = u32::from(byte).max(1);
        }
        Some(Posting {
            document: document as u32,
            frequency,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

pub(super) fn write(postings: &[Posting], bytes: &mut Vec<u8>) {
    let mut next = 0;
    for posting in postings {
        let repeated = u64::from(posting.frequency > 1);
        let mut coded = u64::from(posting.document - next) << 1 | repeated;
        next = posting.document + 1;
        while coded >= 0x80 {
            bytes.push(coded as u8 | 0x80);
            coded >>= 7;
        }
        bytes.push(coded as u8);
        if posting.frequency > 1 {
            bytes.push(posting.frequency as u8);
        }
    }
}
