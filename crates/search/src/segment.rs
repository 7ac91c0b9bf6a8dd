//! An immutable part of the index: postings, lengths and vectors of some documents.
//!
//! Written once by [`Builder`](build::Builder) or by [`merge`](merge::merge), then shared behind an `Arc` by every
//! snapshot that holds it. Which of its documents are still alive is kept outside, by the index.
//!
//! A segment is two runs of bytes that are read where they lie. The *head* is what each question reads from one end
//! to the other, or at random: vectors, lengths, the dictionary. It is in memory. The *postings* are most of the
//! bytes, and a question reads a few dozen of their hundred thousand lists: those of a small segment are in memory,
//! those of a large one in its file.

pub(crate) mod build;
pub(crate) mod file;
pub(crate) mod head;
pub(crate) mod merge;
pub(crate) mod postings;
mod vectors;

use std::io;
use std::path::Path;

use uuid::Uuid;

use file::{SegmentFile, write_file};
pub(crate) use head::{DocumentEntry, Head, ItemRange, TermPlace};
use postings::Postings;

/// Postings are found by 32-bit offsets; a merge that could outgrow them (millions of passages) isn't made.
pub(crate) const MOST_POSTINGS_BYTES: usize = 3 << 30;

/// See the module.
pub(crate) struct Segment {
    pub(crate) head: Head,
    store: PostingsStore,
}

/// Where postings lie.
pub(crate) enum PostingsStore {
    Memory(Box<[u8]>),
    File(SegmentFile),
}

impl Segment {
    pub(crate) fn new(head: Head, store: PostingsStore) -> Self {
        Self { head, store }
    }

    /// Opens a segment's file, having read and checked all of it.
    pub(crate) fn open(folder: &Path, name: Uuid) -> io::Result<Self> {
        let (head, file) = SegmentFile::open(folder, name)?;
        Ok(Self::new(head, PostingsStore::File(file)))
    }

    /// The same segment with its postings in a file of `folder`, which is written unless there is one.
    pub(crate) fn in_file(&self, folder: &Path) -> io::Result<Option<Self>> {
        let PostingsStore::Memory(postings) = &self.store else {
            return Ok(None);
        };
        let file = write_file(folder, &self.head, postings)?;
        Ok(Some(Self::new(
            self.head.clone(),
            PostingsStore::File(file),
        )))
    }

    /// The file, where there is one.
    pub(crate) fn file(&self) -> Option<&SegmentFile> {
        match &self.store {
            PostingsStore::Memory(_) => None,
            PostingsStore::File(file) => Some(file),
        }
    }

    /// How many documents, dead ones included.
    pub(crate) fn documents(&self) -> usize {
        self.head.documents()
    }

    /// The postings of a term, read into `buffer` where they lie in a file.
    pub(crate) fn postings<'a>(
        &'a self,
        term: TermPlace,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<Postings<'a>> {
        let range = self.head.postings_range(term);
        let bytes = match &self.store {
            PostingsStore::Memory(bytes) => &bytes[range],
            PostingsStore::File(file) => file.read(range, buffer)?,
        };
        Ok(self.decoded(term, bytes))
    }

    fn decoded<'a>(&self, term: TermPlace, bytes: &'a [u8]) -> Postings<'a> {
        Postings::read(self.head.document_frequency(term), self.documents(), bytes)
    }

    /// Reads the postings of one term after another, in the order of the dictionary.
    pub(crate) fn in_order(&self) -> InOrder<'_> {
        InOrder {
            segment: self,
            start: 0,
            buffer: Vec::new(),
        }
    }

    /// Heap memory held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let postings = match &self.store {
            PostingsStore::Memory(bytes) => bytes.len(),
            PostingsStore::File(_) => 0,
        };
        self.head.memory_bytes() + postings
    }
}

/// See [`Segment::in_order`].
pub(crate) struct InOrder<'a> {
    segment: &'a Segment,
    /// Where `buffer` begins in the postings.
    start: usize,
    buffer: Vec<u8>,
}

/// Read from a file at once.
const BLOCK: usize = 1 << 20;

impl InOrder<'_> {
    /// The postings of a term.
    pub(crate) fn postings(&mut self, term: TermPlace) -> io::Result<Postings<'_>> {
        let range = self.segment.head.postings_range(term);
        let bytes = match &self.segment.store {
            PostingsStore::Memory(bytes) => &bytes[range],
            PostingsStore::File(file) => {
                let held = self.start..self.start + self.buffer.len();
                if range.start < held.start || range.end > held.end {
                    let most = self.segment.head.postings_bytes();
                    let end = most.min(range.end.max(range.start + BLOCK));
                    file.read(range.start..end, &mut self.buffer)?;
                    self.start = range.start;
                }
                &self.buffer[range.start - self.start..range.end - self.start]
            }
        };
        Ok(self.segment.decoded(term, bytes))
    }
}
