//! Postings as a list: the gap to the previous document in seven bits a byte, its lowest bit saying whether the
//! term occurs more than once, in which case a byte with the frequency follows.

use super::Posting;

/// An iterator over a list of postings.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    left: u32,
    next: u32,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    pub(super) fn new(count: u32, bytes: &'a [u8]) -> Self {
        Self {
            left: count,
            next: 0,
            bytes,
        }
    }
}

impl Iterator for List<'_> {
    type Item = Posting;

    #[inline]
    fn next(&mut self) -> Option<Posting> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut coded = 0_u64;
        let mut shift = 0;
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            coded |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        let document = self.next + (coded >> 1) as u32;
        self.next = document + 1;
        let mut frequency = 1;
        if coded & 1 == 1
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.bytes = rest;
            frequency = u32::from(byte);
        }
        Some(Posting {
            document,
            frequency,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for List<'_> {}

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
