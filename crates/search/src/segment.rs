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

/// Where a term stands in the dictionary of one segment; looked up once a question, since each look-up reads memory
/// that is seldom in the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TermPlace(u32);

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

    /// Where a term stands in the dictionary; `None` where no document has it.
    pub(crate) fn find(&self, term: u64) -> Option<TermPlace> {
        let at = self.dictionary.find(term)?;
        Some(TermPlace(at as u32))
    }

    /// The postings of a term.
    pub(crate) fn postings(&self, term: TermPlace) -> Postings<'_> {
        self.dictionary
            .postings(term.0 as usize, self.documents.len())
    }

    /// How many documents, dead ones included, hold a term.
    pub(crate) fn document_frequency(&self, term: TermPlace) -> usize {
        self.dictionary.counts[term.0 as usize] as usize
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

/// How far from its likely place a term is looked for first.
const NEAR: usize = 32;

impl Dictionary {
    /// Where a term stands. Identifiers are hashes, spread evenly, so each has a likely place; around it few of the
    /// cache lines are touched that halving the whole dictionary would read one after the other.
    fn find(&self, term: u64) -> Option<usize> {
        let ids = self.ids.as_slice();
        let likely = ((u128::from(term) * ids.len() as u128) >> 64) as usize;
        let (mut from, mut to, mut near) = (likely, likely, NEAR);
        while from > 0 && ids[from] > term {
            from = from.saturating_sub(near);
            near *= 2;
        }
        near = NEAR;
        while to < ids.len() && ids[to] < term {
            to = to.saturating_add(near);
            near *= 2;
        }
        let to = ids.len().min(to.saturating_add(1));
        let at = ids[from..to].binary_search(&term).ok()?;
        Some(from + at)
    }

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_term_is_found_where_it_stands_and_no_other_is(
            terms in prop::collection::btree_set(
                prop_oneof![any::<u64>(), 0..500_u64, (0..500_u64).prop_map(|n| u64::MAX - n)],
                0..800,
            ),
            other in any::<u64>(),
        ) {
            let ids: Vec<u64> = terms.iter().copied().collect();
            let dictionary = Dictionary { ids: ids.clone(), ..Dictionary::default() };
            for (at, &id) in ids.iter().enumerate() {
                prop_assert_eq!(dictionary.find(id), Some(at));
            }
            for absent in [0, other, u64::MAX].into_iter().filter(|id| !terms.contains(id)) {
                prop_assert_eq!(dictionary.find(absent), None);
            }
        }
    }
}
