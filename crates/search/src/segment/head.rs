//! What is kept of a segment's documents and terms in memory: one buffer, whose sections are read where they lie.
//!
//! The buffer begins with the numbers of documents, runs, terms and blocks of vectors, each 32 bits, then for each
//! block its dimension and how many documents have such a vector. The sections follow in the order of [`Sections`].
//! All numbers are little-endian. A buffer is checked once, when it is read, whoever wrote it: after that no number
//! in it leads anywhere outside.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use super::file::Fields;
use super::vectors::{VectorBlock, VectorBlocks};
use crate::analysis::{LANGUAGES, Language};

/// See the module. A clone shares the buffer.
#[derive(Clone)]
pub(crate) struct Head {
    bytes: Arc<[u8]>,
    documents: usize,
    sections: Sections,
    blocks: Vec<BlockPlace>,
}

/// Where each section lies in the buffer.
#[derive(Clone, Default)]
struct Sections {
    /// Runs of documents of one item: its id, the first document, its ordinal.
    runs: Range<usize>,
    /// Numbers of runs, sorted by item.
    by_item: Range<usize>,
    /// For each document its terms in each leg.
    lengths: Range<usize>,
    /// For each document the number of its language.
    languages: Range<usize>,
    /// Identifiers of terms, ascending.
    ids: Range<usize>,
    /// For each term how many documents have it.
    counts: Range<usize>,
    /// For each term where its postings end; they begin where those of the term before end.
    ends: Range<usize>,
}

/// A block of vectors: its sections are the documents (none where every document has one), scales and codes.
#[derive(Clone)]
struct BlockPlace {
    dimensions: usize,
    documents: Range<usize>,
    scales: Range<usize>,
    codes: Range<usize>,
}

/// Documents of one item: `len` of them from `start`, of consecutive ordinals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ItemRange {
    pub(crate) item: Uuid,
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// The first document's.
    pub(crate) ordinal: u32,
}

/// What is kept of a document beside its postings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DocumentEntry {
    /// Terms in each leg, repeats included.
    pub(crate) lengths: [u32; 2],
    /// What its function words show; decides the stemmer of its Latin words.
    pub(crate) language: Option<Language>,
}

/// Where a term stands in the dictionary of one segment; looked up once a question, since each look-up reads memory
/// that is seldom in the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TermPlace(u32);

/// The terms of a segment and where their postings lie.
#[derive(Default)]
pub(super) struct Terms {
    pub(super) ids: Vec<u64>,
    pub(super) counts: Vec<u32>,
    pub(super) ends: Vec<u32>,
}

/// Stands for no language.
const NO_LANGUAGE: u8 = 0xff;
const RUN: usize = 24;
/// How far from its likely place a term is looked for first.
const NEAR: usize = 32;

impl Head {
    /// A head of these parts.
    pub(super) fn write(
        runs: &[ItemRange],
        documents: &[DocumentEntry],
        terms: &Terms,
        vectors: &VectorBlocks,
    ) -> Self {
        let mut by_item: Vec<u32> = (0..runs.len() as u32).collect();
        by_item.sort_by_key(|&at| runs[at as usize].item);
        let mut out = Vec::new();
        let sizes = [
            documents.len(),
            runs.len(),
            terms.ids.len(),
            vectors.blocks.len(),
        ];
        out.extend(sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()));
        for block in &vectors.blocks {
            let sizes = [block.dimensions, block.documents.len()];
            out.extend(sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()));
        }
        for run in runs {
            out.extend_from_slice(run.item.as_bytes());
            out.extend_from_slice(&run.start.to_le_bytes());
            out.extend_from_slice(&run.ordinal.to_le_bytes());
        }
        extend(&mut out, &by_item);
        for document in documents {
            extend(&mut out, &document.lengths);
        }
        let number = |it: &DocumentEntry| it.language.map_or(NO_LANGUAGE, |it| it as u8);
        out.extend(documents.iter().map(number));
        out.extend(terms.ids.iter().flat_map(|id| id.to_le_bytes()));
        extend(&mut out, &terms.counts);
        extend(&mut out, &terms.ends);
        for block in &vectors.blocks {
            block.write(documents.len(), &mut out);
        }
        let postings = terms.ends.last().copied().unwrap_or_default();
        Self::read(out.into(), u64::from(postings)).expect("what is written can be read")
    }

    /// Reads and checks a head, beside which so many bytes of postings lie.
    pub(super) fn read(bytes: Arc<[u8]>, postings: u64) -> io::Result<Self> {
        let mut left = Sizes {
            bytes: &bytes,
            at: 0,
        };
        let [documents, runs, terms, blocks] = [(); 4].map(|()| left.number());
        let (documents, runs, terms) = (documents?, runs?, terms?);
        let mut sizes = Vec::new();
        for _ in 0..blocks? {
            sizes.push((left.number()?, left.number()?));
        }
        let sections = Sections {
            runs: left.section(runs, RUN)?,
            by_item: left.section(runs, 4)?,
            lengths: left.section(documents, 8)?,
            languages: left.section(documents, 1)?,
            ids: left.section(terms, 8)?,
            counts: left.section(terms, 4)?,
            ends: left.section(terms, 4)?,
        };
        let mut places = Vec::new();
        for (dimensions, count) in sizes {
            if dimensions == 0 {
                return Err(invalid("a vector without dimensions"));
            }
            let listed = if count == documents { 0 } else { count };
            places.push(BlockPlace {
                dimensions,
                documents: left.section(listed, 4)?,
                scales: left.section(count, 4)?,
                codes: left.section(count, dimensions)?,
            });
        }
        if left.at != bytes.len() {
            return Err(invalid("bytes after the last section"));
        }
        let head = Self {
            bytes,
            documents,
            sections,
            blocks: places,
        };
        head.check(postings)?;
        Ok(head)
    }

    fn check(&self, postings: u64) -> io::Result<()> {
        let starts: Vec<u32> = self.runs().map(|run| run.start).collect();
        let first = starts.first().copied().unwrap_or_default();
        let last = starts.last().map_or(0, |&last| last as usize + 1);
        if first != 0 || last > self.documents || (starts.is_empty() && self.documents > 0) {
            return Err(invalid("documents that belong to no item"));
        }
        let by_item = || numbers(&self.bytes[self.sections.by_item.clone()]);
        let mut seen = vec![false; starts.len()];
        for at in by_item() {
            match seen.get_mut(at as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(invalid("a run listed twice or not at all")),
            }
        }
        let sorted = by_item().is_sorted_by_key(|at| self.run(at as usize).item);
        let counts = numbers(&self.bytes[self.sections.counts.clone()]);
        let mut counts = counts.map(|count| count as usize);
        let ids = self.chunks::<8>(&self.sections.ids);
        let ends = || numbers(&self.bytes[self.sections.ends.clone()]);
        let languages = &self.bytes[self.sections.languages.clone()];
        let known = |&it: &u8| it == NO_LANGUAGE || usize::from(it) < LANGUAGES;
        let right = sorted
            && starts.is_sorted_by(|a, b| a < b)
            && languages.iter().all(known)
            && ids.is_sorted_by(|a, b| u64::from_le_bytes(*a) < u64::from_le_bytes(*b))
            && counts.all(|count| count <= self.documents)
            && ends().is_sorted()
            && u64::from(ends().last().unwrap_or_default()) == postings
            && self.blocks.iter().all(|block| {
                let documents = || numbers(&self.bytes[block.documents.clone()]);
                documents().is_sorted_by(|a, b| a < b)
                    && documents()
                        .last()
                        .is_none_or(|it| (it as usize) < self.documents)
            });
        if right {
            Ok(())
        } else {
            Err(invalid("numbers out of order"))
        }
    }

    /// The buffer.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many documents, dead ones included.
    pub(crate) fn documents(&self) -> usize {
        self.documents
    }

    /// What is kept of a document.
    pub(crate) fn document(&self, document: u32) -> DocumentEntry {
        let at = document as usize;
        let number = usize::from(self.bytes[self.sections.languages.start + at]);
        DocumentEntry {
            lengths: self.lengths(at),
            language: Language::all().nth(number),
        }
    }

    /// The lengths of all documents, per leg.
    pub(crate) fn all_lengths(&self) -> impl Iterator<Item = [u32; 2]> + '_ {
        (0..self.documents).map(|at| self.lengths(at))
    }

    fn lengths(&self, at: usize) -> [u32; 2] {
        let pair = &self.chunks::<8>(&self.sections.lengths)[at];
        let number = u64::from_le_bytes(*pair);
        [number as u32, (number >> 32) as u32]
    }

    /// Every run, in order of documents.
    pub(crate) fn runs(&self) -> impl Iterator<Item = ItemRange> + '_ {
        (0..self.sections.by_item.len() / 4).map(|at| self.run(at))
    }

    fn run(&self, at: usize) -> ItemRange {
        let runs = self.chunks::<RUN>(&self.sections.runs);
        let mut fields = Fields(&runs[at]);
        let item = Uuid::from_bytes(fields.take());
        let (start, ordinal) = (fields.number(), fields.number());
        let end = runs.get(at + 1).map_or(self.documents as u32, start_of);
        ItemRange {
            item,
            start,
            len: end.saturating_sub(start),
            ordinal,
        }
    }

    /// The documents of `item` in this segment. Mostly one range; more where its ordinals have gaps, or where it was
    /// split between segments that were merged later.
    pub(crate) fn ranges_of(&self, item: Uuid) -> impl Iterator<Item = ItemRange> + '_ {
        let by_item = self.chunks::<4>(&self.sections.by_item);
        let run = |at: &[u8; 4]| self.run(u32::from_le_bytes(*at) as usize);
        let from = by_item.partition_point(|at| run(at).item < item);
        by_item[from..]
            .iter()
            .map(run)
            .take_while(move |range| range.item == item)
    }

    /// The item that a document belongs to, and its ordinal there.
    pub(crate) fn place_of(&self, document: u32) -> (Uuid, u32) {
        let runs = self.chunks::<RUN>(&self.sections.runs);
        let after = runs.partition_point(|run| start_of(run) <= document);
        let run = self.run(after - 1);
        (run.item, run.ordinal.wrapping_add(document - run.start))
    }

    /// Identifiers of all terms, ascending, each with its place.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (u64, TermPlace)> + '_ {
        let ids = self.chunks::<8>(&self.sections.ids).iter();
        (0..)
            .zip(ids)
            .map(|(at, id)| (u64::from_le_bytes(*id), TermPlace(at)))
    }

    /// Where a term stands; `None` where no document has it. Identifiers are hashes, spread evenly, so each has a
    /// likely place; around it few of the cache lines are touched that halving the whole dictionary would read one
    /// after the other.
    pub(crate) fn find(&self, term: u64) -> Option<TermPlace> {
        let ids = self.chunks::<8>(&self.sections.ids);
        let id = |at: usize| u64::from_le_bytes(ids[at]);
        let likely = ((u128::from(term) * ids.len() as u128) >> 64) as usize;
        let (mut from, mut to, mut near) = (likely, likely, NEAR);
        while from > 0 && id(from) > term {
            from = from.saturating_sub(near);
            near *= 2;
        }
        near = NEAR;
        while to < ids.len() && id(to) < term {
            to = to.saturating_add(near);
            near *= 2;
        }
        let to = ids.len().min(to.saturating_add(1));
        let found = ids[from..to].binary_search_by_key(&term, |id| u64::from_le_bytes(*id));
        Some(TermPlace((from + found.ok()?) as u32))
    }

    /// How many documents, dead ones included, hold a term.
    pub(crate) fn document_frequency(&self, term: TermPlace) -> usize {
        self.number(&self.sections.counts, term.0 as usize) as usize
    }

    /// Where the postings of a term lie.
    pub(super) fn postings_range(&self, term: TermPlace) -> Range<usize> {
        let at = term.0 as usize;
        let end = |at| self.number(&self.sections.ends, at) as usize;
        at.checked_sub(1).map_or(0, end)..end(at)
    }

    /// Bytes of postings, which must stay below 2³² in one segment.
    pub(crate) fn postings_bytes(&self) -> usize {
        let ends = self.sections.ends.len() / 4;
        ends.checked_sub(1)
            .map_or(0, |last| self.number(&self.sections.ends, last) as usize)
    }

    /// The vectors, in blocks of one dimension each.
    pub(crate) fn vectors(&self) -> impl Iterator<Item = VectorBlock<'_>> {
        self.blocks.iter().map(|block| VectorBlock {
            dimensions: block.dimensions,
            documents: self.chunks::<4>(&block.documents),
            scales: self.chunks::<4>(&block.scales),
            codes: &self.bytes[block.codes.clone()],
        })
    }

    /// Heap memory held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.blocks.len() * size_of::<BlockPlace>()
    }

    fn number(&self, section: &Range<usize>, at: usize) -> u32 {
        u32::from_le_bytes(self.chunks::<4>(section)[at])
    }

    fn chunks<const N: usize>(&self, section: &Range<usize>) -> &[[u8; N]] {
        self.bytes[section.clone()].as_chunks().0
    }
}

/// Cuts a buffer into sections, none of which ends outside.
struct Sizes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Sizes<'_> {
    fn number(&mut self) -> io::Result<usize> {
        let range = self.section(1, 4)?;
        let number = numbers(&self.bytes[range]).next();
        Ok(number.unwrap_or_default() as usize)
    }

    fn section(&mut self, count: usize, size: usize) -> io::Result<Range<usize>> {
        let length = count.checked_mul(size);
        let end = length.and_then(|length| self.at.checked_add(length));
        match end.filter(|&end| end <= self.bytes.len()) {
            Some(end) => Ok(std::mem::replace(&mut self.at, end)..end),
            None => Err(invalid("a section that ends outside")),
        }
    }
}

/// The first document of a run.
fn start_of(run: &[u8; RUN]) -> u32 {
    Fields(&run[16..]).number()
}

fn extend(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let chunks = bytes.as_chunks::<4>().0.iter();
    chunks.map(|chunk| u32::from_le_bytes(*chunk))
}

/// The error of bytes that are no segment.
pub(crate) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a segment: {what}"))
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
            let dictionary = Terms { ids: ids.clone(), counts: vec![0; ids.len()], ends: vec![0; ids.len()] };
            let head = Head::write(&[], &[], &dictionary, &VectorBlocks::default());
            for (at, &id) in ids.iter().enumerate() {
                prop_assert_eq!(head.find(id).map(|place| place.0 as usize), Some(at));
            }
            for absent in [0, other, u64::MAX].into_iter().filter(|id| !terms.contains(id)) {
                prop_assert!(head.find(absent).is_none());
            }
        }
    }
}
