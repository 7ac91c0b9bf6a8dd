//! The documents that hold a term, and how often.
//!
//! A term of few documents is a list: gaps between documents in a variable number of bytes. A term of many (an eighth
//! of a large segment or more) is a bitmap with the frequencies beside it: there it is smaller than a list, a single
//! document is looked up without reading the others, and dead documents are counted 64 at a time.

mod bitmap;
mod list;

use std::io;
use std::path::Path;

use super::file::Out;
use super::head::{Head, Terms};
use super::vectors::VectorBlocks;
use super::{DocumentEntry, ItemRange, PostingsStore, Segment};
use crate::bits::Bits;
pub(crate) use bitmap::Bitmap;
pub(crate) use list::List;

/// The frequencies told apart; those between are rounded down. Four bits hold which one it is, and BM25 gives hardly
/// anything for more.
const FREQUENCIES: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 28, 44, 80];

/// How often a term occurs in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) document: u32,
    /// One of [`FREQUENCIES`].
    pub(crate) frequency: u32,
}

/// The postings of one term in one segment.
#[derive(Clone, Copy)]
pub(crate) enum Postings<'a> {
    List(List<'a>),
    Bitmap(Bitmap<'a>),
}

impl<'a> Postings<'a> {
    /// Whatever the bytes are, no document is read that isn't below `documents`.
    pub(super) fn read(count: usize, documents: usize, bytes: &'a [u8]) -> Self {
        if is_dense(count, documents) {
            Self::Bitmap(Bitmap::read(documents, bytes))
        } else {
            Self::List(List::new(count, documents, bytes))
        }
    }

    /// Calls `each` in order of documents.
    #[inline]
    pub(crate) fn for_each(self, mut each: impl FnMut(Posting)) {
        match self {
            Self::List(list) => list.for_each(&mut each),
            Self::Bitmap(bitmap) => bitmap.for_each(&mut each),
        }
    }

    /// How many of `dead` hold the term.
    pub(crate) fn count_among(self, dead: &Bits) -> usize {
        match self {
            Self::List(list) => list.filter(|posting| dead.get(posting.document)).count(),
            Self::Bitmap(bitmap) => bitmap.count_among(dead),
        }
    }
}

/// Below this a segment is so small that lists do for all its terms.
const SMALL_SEGMENT: usize = 1024;

/// Whether a term of `count` out of `documents` is a bitmap.
fn is_dense(count: usize, documents: usize) -> bool {
    documents >= SMALL_SEGMENT && count * 8 >= documents
}

/// Writes a segment: terms in ascending order of identifier, and for each its postings in order of documents.
pub(super) struct PostingsWriter {
    documents: usize,
    terms: Terms,
    out: Out,
    /// Postings written so far.
    bytes: usize,
    current: Vec<Posting>,
    encoded: Vec<u8>,
}

impl PostingsWriter {
    /// For a segment of so many documents, to be written into a file of `folder`, or into memory without one.
    pub(super) fn new(documents: usize, folder: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            documents,
            terms: Terms::default(),
            out: Out::new(folder)?,
            bytes: 0,
            current: Vec::new(),
            encoded: Vec::new(),
        })
    }

    /// Adds a posting to the term at hand.
    pub(super) fn push(&mut self, document: u32, frequency: u32) {
        self.current.push(Posting {
            document,
            frequency: rounded(frequency),
        });
    }

    /// Writes the term at hand, unless it got no postings.
    pub(super) fn end_term(&mut self, id: u64) -> io::Result<()> {
        if self.current.is_empty() {
            return Ok(());
        }
        self.encoded.clear();
        if is_dense(self.current.len(), self.documents) {
            bitmap::write(&self.current, self.documents, &mut self.encoded);
        } else {
            list::write(&self.current, &mut self.encoded);
        }
        self.bytes += self.encoded.len();
        match &mut self.out {
            Out::Memory(bytes) => bytes.extend_from_slice(&self.encoded),
            Out::File(writer) => writer.postings(&self.encoded)?,
        }
        self.terms.ids.push(id);
        self.terms.counts.push(self.current.len() as u32);
        self.terms.ends.push(self.bytes as u32);
        self.current.clear();
        Ok(())
    }

    /// The segment of these terms and what else is known of its documents.
    pub(super) fn finish(
        self,
        runs: &[ItemRange],
        documents: &[DocumentEntry],
        vectors: &VectorBlocks,
    ) -> io::Result<Segment> {
        let head = Head::write(runs, documents, &self.terms, vectors);
        let store = match self.out {
            Out::Memory(bytes) => PostingsStore::Memory(bytes.into_boxed_slice()),
            Out::File(writer) => PostingsStore::File(writer.finish(&head)?),
        };
        Ok(Segment::new(head, store))
    }
}

/// The index of the greatest of [`FREQUENCIES`] that is not above `frequency`.
fn code(frequency: u32) -> usize {
    if frequency <= 10 {
        return frequency.saturating_sub(1) as usize;
    }
    FREQUENCIES.partition_point(|&known| u32::from(known) <= frequency) - 1
}

fn rounded(frequency: u32) -> u32 {
    u32::from(FREQUENCIES[code(frequency)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(documents: usize, postings: &[Posting]) -> Segment {
        let mut writer = PostingsWriter::new(documents, None).unwrap();
        for posting in postings {
            writer.push(posting.document, posting.frequency);
        }
        writer.end_term(7).unwrap();
        let run = ItemRange {
            item: uuid::Uuid::nil(),
            start: 0,
            len: documents as u32,
            ordinal: 0,
        };
        let entry = DocumentEntry {
            lengths: [0; 2],
            language: None,
        };
        let vectors = VectorBlocks::default();
        writer
            .finish(&[run], &vec![entry; documents], &vectors)
            .unwrap()
    }

    proptest! {
        #[test]
        fn no_bytes_lead_outside(
            documents in 1_usize..3000,
            count in 0_usize..3000,
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            at in any::<u32>(),
        ) {
            let read = Postings::read(count, documents, &bytes);
            let mut before = None;
            read.for_each(|posting| {
                assert!((posting.document as usize) < documents && before < Some(posting.document));
                before = Some(posting.document);
            });
            let mut dead = Bits::new(documents);
            dead.set(at % documents as u32);
            prop_assert!(read.count_among(&dead) <= 1);
            if let Postings::Bitmap(bitmap) = read {
                bitmap.frequency(at % documents as u32);
            }
        }
    }

    #[test]
    fn frequencies_are_rounded_down() {
        for (frequency, expected) in [
            (0, 1),
            (1, 1),
            (10, 10),
            (11, 10),
            (12, 12),
            (79, 44),
            (80, 80),
            (u32::MAX, 80),
        ] {
            assert_eq!(rounded(frequency), expected);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            documents in 1_usize..3000,
            density in 0.0..1.0_f64,
            seed in any::<[u32; 8]>(),
        ) {
            let noise = |document: u32| {
                seed.iter().fold(document, |hash, &part| (hash ^ part).wrapping_mul(0x9e37_79b9).rotate_left(13))
            };
            let postings: Vec<Posting> = (0..documents as u32)
                .filter(|&document| f64::from(noise(document)) < density * f64::from(u32::MAX))
                .map(|document| Posting { document, frequency: rounded(noise(!document) % 100) })
                .collect();
            let mut dead = Bits::new(documents);
            (0..documents as u32).filter(|&at| noise(at ^ 0xffff) % 3 == 0).for_each(|at| dead.set(at));
            let segment = written(documents, &postings);
            let mut buffer = Vec::new();
            let Some(place) = segment.head.find(7) else {
                prop_assert!(postings.is_empty());
                return Ok(());
            };
            let read = segment.postings(place, &mut buffer).unwrap();
            let mut all = Vec::new();
            read.for_each(|posting| all.push(posting));
            prop_assert_eq!(&all, &postings);
            let among = postings.iter().filter(|posting| dead.get(posting.document)).count();
            prop_assert_eq!(read.count_among(&dead), among);
            if let Postings::Bitmap(bitmap) = read {
                let mut expected = vec![0; documents];
                postings.iter().for_each(|posting| expected[posting.document as usize] = posting.frequency);
                for document in 0..documents as u32 {
                    prop_assert_eq!(bitmap.frequency(document), expected[document as usize]);
                }
            }
        }
    }
}
