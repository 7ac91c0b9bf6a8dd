//! Joining segments into one, leaving dead documents behind. Needs no text: postings are renumbered.

use std::io;
use std::path::Path;

use super::head::TermPlace;
use super::postings::PostingsWriter;
use super::vectors::VectorBlocks;
use super::{DocumentEntry, ItemRange, Segment};
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

/// The live documents of `sources`, in order, in a file of `folder` or, without one, in memory.
pub(crate) fn merge(sources: &[Source<'_>], folder: Option<&Path>) -> io::Result<Segment> {
    let renumberings = renumber(sources);
    let mut documents: Vec<DocumentEntry> = Vec::new();
    let mut runs: Vec<ItemRange> = Vec::new();
    let mut vectors = VectorBlocks::default();
    for (source, numbers) in sources.iter().zip(&renumberings) {
        for run in source.segment.head.runs() {
            // Items die whole, so the first document speaks for all.
            if !source.is_dead(run.start) {
                let start = numbers[run.start as usize];
                push_run(&mut runs, ItemRange { start, ..run });
            }
        }
        for document in 0..source.segment.documents() as u32 {
            if !source.is_dead(document) {
                documents.push(source.segment.head.document(document));
            }
        }
        for block in source.segment.head.vectors() {
            for (document, scale, codes) in block.all() {
                if !source.is_dead(document) {
                    vectors.push(numbers[document as usize], scale, codes.iter().copied());
                }
            }
        }
    }
    let mut writer = PostingsWriter::new(documents.len(), folder)?;
    merge_postings(sources, &renumberings, &mut writer)?;
    writer.finish(&runs, &documents, &vectors)
}

/// Appends a run of documents; one that goes on with the item and ordinals of the last joins it.
pub(super) fn push_run(runs: &mut Vec<ItemRange>, run: ItemRange) {
    match runs.last_mut() {
        Some(last)
            if last.item == run.item && last.ordinal.checked_add(last.len) == Some(run.ordinal) =>
        {
            last.len += run.len;
        }
        _ => runs.push(run),
    }
}

/// For each source, each document's number in the merged segment. Dead ones have none; theirs is never read.
fn renumber(sources: &[Source<'_>]) -> Vec<Vec<u32>> {
    let mut next = 0;
    sources
        .iter()
        .map(|source| {
            (0..source.segment.documents() as u32)
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
    writer: &mut PostingsWriter,
) -> io::Result<()> {
    let mut terms: Vec<(u64, usize, TermPlace)> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let own = source.segment.head.terms();
        terms.extend(own.map(|(id, place)| (id, number, place)));
    }
    // Each source's are sorted, which this sort makes use of.
    terms.sort_by_key(|&(id, number, _)| (id, number));
    let mut readers: Vec<_> = sources.iter().map(|it| it.segment.in_order()).collect();
    for same_term in terms.chunk_by(|a, b| a.0 == b.0) {
        for &(_, number, place) in same_term {
            let (source, numbers) = (&sources[number], &renumberings[number]);
            readers[number].postings(place)?.for_each(|posting| {
                if !source.is_dead(posting.document) {
                    writer.push(numbers[posting.document as usize], posting.frequency);
                }
            });
        }
        writer.end_term(same_term[0].0)?;
    }
    Ok(())
}
