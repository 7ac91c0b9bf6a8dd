//! An immutable part of the index: postings, lengths and vectors of some documents.
//!
//! Written once by [`Builder`](build::Builder) or by [`merge`](merge::merge), then shared behind an `Arc` by every
//! snapshot that holds it. Which of its documents are still alive is kept outside, by the index.

pub(crate) mod build;
pub(crate) mod merge;
pub(crate) mod postings;
mod vectors;

use uuid::Uuid;

use crate::analysis::{Language, Leg};
use postings::{Postings, PostingsWriter};
pub(crate) use vectors::VectorBlocks;

/// Postings are found by 32-bit offsets; a merge that could outgrow them (millions of passages) isn't made.
pub(crate) const MOST_POSTINGS_BYTES: usize = 3 << 30;

/// See the module.
#[derive(Default)]
pub(crate) struct Segment {
    /// In order of their documents.
    items: Vec<ItemRange>,
    /// Indices into `items`, sorted by item id.
    items_by_id: Vec<u32>,
    documents: Vec<DocumentEntry>,
    dictionary: Dictionary,
    pub(crate) vectors: VectorBlocks,
}

/// The documents of one item: `len` of them from `start`.
#[derive(Clone, Copy)]
pub(crate) struct ItemRange {
    pub(crate) item: Uuid,
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// What is kept of a document beside its postings.
#[derive(Clone, Copy)]
pub(crate) struct DocumentEntry {
    pub(crate) ordinal: u32,
    /// Terms in each leg, repeats included.
    pub(crate) lengths: [u32; 2],
    /// What its function words show; decides the stemmer of its Latin words.
    pub(crate) language: Option<Language>,
}

impl DocumentEntry {
    pub(crate) fn length(&self, leg: Leg) -> u32 {
        self.lengths[leg as usize]
    }
}

/// Terms in order of their identifiers, each with its postings.
#[derive(Default)]
struct Dictionary {
    ids: Vec<u64>,
    counts: Vec<u32>,
    /// Where each term's postings begin, and in the end where the last one's end.
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Segment {
    fn new(
        items: Vec<ItemRange>,
        documents: Vec<DocumentEntry>,
        terms: PostingsWriter,
        vectors: VectorBlocks,
    ) -> Self {
        let mut items_by_id: Vec<u32> = (0..items.len() as u32).collect();
        items_by_id.sort_unstable_by_key(|&at| items[at as usize].item);
        Self {
            items,
            items_by_id,
            documents,
            dictionary: terms.finish(),
            vectors,
        }
    }

    pub(crate) fn documents(&self) -> &[DocumentEntry] {
        &self.documents
    }

    /// The documents of `item` in this segment. Mostly one range; more where an item was split between segments that
    /// were merged later.
    pub(crate) fn ranges_of(&self, item: Uuid) -> impl Iterator<Item = ItemRange> + '_ {
        let from = self
            .items_by_id
            .partition_point(|&at| self.items[at as usize].item < item);
        self.items_by_id[from..]
            .iter()
            .map(|&at| self.items[at as usize])
            .take_while(move |range| range.item == item)
    }

    /// The item that a document belongs to.
    pub(crate) fn item_of(&self, document: u32) -> Uuid {
        let after = self.items.partition_point(|range| range.start <= document);
        self.items[after - 1].item
    }

    /// The postings of a term; empty where no document has it.
    pub(crate) fn postings(&self, term: u64) -> Postings<'_> {
        match self.dictionary.ids.binary_search(&term) {
            Ok(at) => self.dictionary.postings(at, self.documents.len()),
            Err(_) => Postings::empty(),
        }
    }

    /// How many documents, dead ones included, hold a term.
    pub(crate) fn document_frequency(&self, term: u64) -> usize {
        self.dictionary
            .ids
            .binary_search(&term)
            .map_or(0, |at| self.dictionary.counts[at] as usize)
    }

    /// Bytes of postings, which must stay below 2³² in one segment.
    pub(crate) fn postings_bytes(&self) -> usize {
        self.dictionary.bytes.len()
    }

    /// Heap memory held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.items.capacity() * size_of::<ItemRange>()
            + self.items_by_id.capacity() * size_of::<u32>()
            + self.documents.capacity() * size_of::<DocumentEntry>()
            + self.dictionary.memory_bytes()
            + self.vectors.memory_bytes()
    }
}

impl Dictionary {
    fn postings(&self, at: usize, documents: usize) -> Postings<'_> {
        let bytes = self.offsets[at] as usize..self.offsets[at + 1] as usize;
        Postings::read(self.counts[at], documents, &self.bytes[bytes])
    }

    fn memory_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<u64>()
            + self.counts.capacity() * size_of::<u32>()
            + self.offsets.capacity() * size_of::<u32>()
            + self.bytes.capacity()
    }
}
