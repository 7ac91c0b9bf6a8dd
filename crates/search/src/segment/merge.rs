//! Joining segments into one, leaving dead documents behind. Needs no text: postings are renumbered.

use super::postings::PostingsWriter;
use super::{DocumentEntry, ItemRange, Segment, VectorBlocks};
use crate::bits::Bits;

/// A segment to merge and which of its documents are dead.
pub(crate) struct Source<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) dead: Option<&'a Bits>,
}

impl<'a> Source<'a> {
    /// A segment all of whose documents are alive.
    pub(crate) fn whole(segment: &'a Segment) -> Self {
        Self {
            segment,
            dead: None,
        }
    }

    fn is_dead(&self, document: u32) -> bool {
        self.dead.is_some_and(|dead| dead.get(document))
    }
}

/// The live documents of `sources`, in order.
pub(crate) fn merge(sources: &[Source<'_>]) -> Segment {
    let renumberings = renumber(sources);
    let mut documents: Vec<DocumentEntry> = Vec::new();
    let mut items: Vec<ItemRange> = Vec::new();
    let mut vectors = VectorBlocks::default();
    for (source, numbers) in sources.iter().zip(&renumberings) {
        for range in &source.segment.items {
            // Items die whole, so the first document speaks for all.
            if !source.is_dead(range.start) {
                push_item(&mut items, range, numbers[range.start as usize]);
            }
        }
        for (document, entry) in (0..).zip(&source.segment.documents) {
            if !source.is_dead(document) {
                documents.push(*entry);
            }
        }
        source.segment.vectors.for_each(|document, scale, codes| {
            if !source.is_dead(document) {
                vectors.push(numbers[document as usize], scale, codes);
            }
        });
    }
    items.shrink_to_fit();
    documents.shrink_to_fit();
    vectors.shrink_to_fit();
    let postings = merge_postings(sources, &renumberings, documents.len());
    Segment::new(items, documents, postings, vectors)
}

/// The documents of an item that was split between batches join again.
fn push_item(items: &mut Vec<ItemRange>, range: &ItemRange, start: u32) {
    match items.last_mut() {
        Some(last) if last.item == range.item => last.len += range.len,
        _ => items.push(ItemRange { start, ..*range }),
    }
}

/// For each source, each document's number in the merged segment. Dead ones have none; theirs is never read.
fn renumber(sources: &[Source<'_>]) -> Vec<Vec<u32>> {
    let mut next = 0;
    sources
        .iter()
        .map(|source| {
            (0..source.segment.documents.len() as u32)
                .map(|document| {
                    let number = next;
                    next += u32::from(!source.is_dead(document));
                    number
                })
                .collect()
        })
        .collect()
}

fn merge_postings(
    sources: &[Source<'_>],
    renumberings: &[Vec<u32>],
    documents: usize,
) -> PostingsWriter {
    let mut terms: Vec<(u64, u32, u32)> = Vec::new();
    for (number, source) in (0..).zip(sources) {
        let ids = source.segment.dictionary.ids.iter();
        terms.extend((0..).zip(ids).map(|(at, &id)| (id, number, at)));
    }
    terms.sort_unstable();
    let mut writer = PostingsWriter::new(documents);
    for same_term in terms.chunk_by(|a, b| a.0 == b.0) {
        for &(_, number, at) in same_term {
            let source = &sources[number as usize];
            let numbers = &renumberings[number as usize];
            let dictionary = &source.segment.dictionary;
            let postings = dictionary.postings(at as usize, source.segment.documents.len());
            postings.for_each(|posting| {
                if !source.is_dead(posting.document) {
                    writer.push(numbers[posting.document as usize], posting.frequency);
                }
            });
        }
        writer.end_term(same_term[0].0);
    }
    writer
}
