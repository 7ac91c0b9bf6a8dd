//! The index of one chatbot: segments, which of their documents are alive, and how changes become segments.

mod best;
mod plan;
mod search;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use plan::{Shares, shares_of_parts};

use crate::Fusion;
use crate::analysis::LANGUAGES;
use crate::bits::Bits;
use crate::segment::build::Builder;
use crate::segment::merge::{Source, merge};
use crate::segment::{ItemRange, MOST_POSTINGS_BYTES, Segment};
use crate::vector::QuantizedVector;

/// The passages of one chatbot, ready to be searched.
///
/// A clone shares the data and costs a few pointers: it is a snapshot that later changes to the original don't touch.
/// Scores depend on the live documents alone, not on the changes that led to them: term statistics never count a
/// removed or replaced document.
#[derive(Clone, Default)]
pub struct Index {
    /// Largest first, by live documents; each at least twice the next, so there are few.
    parts: Vec<Part>,
    /// For each part; made by the first search after a change.
    shares: Arc<OnceLock<Vec<Shares>>>,
}

/// One passage as it is indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The passage's number within its item.
    pub ordinal: u32,
    /// The item's title and the headings above the passage. Indexed before the text, as part of it.
    pub title: String,
    /// The passage.
    pub text: String,
    /// Its embedding, where there is one.
    pub vector: Option<QuantizedVector>,
}

/// The new state of an item: all its documents, none where the item was removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The item whose documents are replaced.
    pub item: Uuid,
    /// The documents that replace them.
    pub documents: Vec<Document>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The question. Its first 4,096 characters count, and of them the 64 rarest words and the 256 rarest pieces.
    pub text: &'a str,
    /// Its embedding; `None` where the embedder doesn't know the question's language, or there is none.
    pub vector: Option<&'a [f32]>,
    /// How lexical score and cosine are weighed, and what the sum means.
    pub fusion: Fusion,
}

/// A passage found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The item that the passage belongs to.
    pub item: Uuid,
    /// The passage's number within the item.
    pub ordinal: u32,
    /// How much of the question the passage's words cover: 0 nothing; about 1 where a passage of average length has
    /// each word of a long question once; at most 2.2.
    pub lexical: f32,
    /// The cosine of question and passage, where both have vectors of the same dimension.
    pub cosine: Option<f32>,
    /// What hits are ranked by.
    pub score: f32,
    /// The score as the probability, 0 to 1, that the passage is the right one.
    pub similarity: f32,
}

/// A segment and what became of its documents since it was written.
#[derive(Clone)]
struct Part {
    segment: Arc<Segment>,
    /// Absent while all documents are alive.
    dead: Option<Arc<Bits>>,
    live: u32,
    /// Terms of the live documents, per leg.
    lengths: [u64; 2],
    /// How many of the live documents are in each language.
    languages: [u32; LANGUAGES],
}

impl Index {
    /// An index without documents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the documents of the items changed. Of several changes to one item the last one counts.
    ///
    /// One call writes one segment, so many changes are best applied in one call; still, single ones cost in
    /// proportion to the change, with a share of later merging that grows with the logarithm of the index.
    pub fn apply(&mut self, changes: Vec<Change>) {
        let last: HashMap<Uuid, usize> = changes
            .iter()
            .enumerate()
            .map(|(at, change)| (change.item, at))
            .collect();
        let mut builder = Builder::default();
        for (at, change) in changes.iter().enumerate() {
            if last.get(&change.item) == Some(&at) {
                self.remove(change.item);
                builder.add(change.item, &change.documents);
            }
        }
        self.parts
            .extend(builder.finish().into_iter().map(Part::whole));
        self.tidy();
        self.shares = Arc::default();
    }

    /// The number of passages.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.live as usize).sum()
    }

    /// Whether there are no passages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap memory held in bytes, what is shared with clones included.
    pub fn memory_bytes(&self) -> usize {
        self.parts
            .iter()
            .map(|part| {
                size_of::<Part>()
                    + part.segment.memory_bytes()
                    + part.dead.as_ref().map_or(0, |dead| dead.memory_bytes())
                    // The shares, which a search needs.
                    + part.segment.documents().len() * size_of::<[f32; 2]>()
            })
            .sum()
    }

    fn shares(&self) -> &[Shares] {
        self.shares.get_or_init(|| shares_of_parts(&self.parts))
    }

    fn remove(&mut self, item: Uuid) {
        for part in &mut self.parts {
            part.remove(item);
        }
    }

    /// Keeps segments few and mostly alive. Each merge at least doubles the segment a document lies in, so a
    /// document is rewritten no more often than the logarithm of the index's size.
    fn tidy(&mut self) {
        self.parts.retain(|part| part.live > 0);
        for part in &mut self.parts {
            if (part.live as usize) < part.segment.documents().len() / 2 {
                *part = Part::whole(merge(&[part.source()]));
            }
        }
        self.parts.sort_by_key(|part| std::cmp::Reverse(part.live));
        let mut from = self.parts.len().saturating_sub(1);
        let mut live = self.parts.last().map_or(0, |part| u64::from(part.live));
        let mut bytes = self
            .parts
            .last()
            .map_or(0, |part| part.segment.postings_bytes());
        while from > 0 && u64::from(self.parts[from - 1].live) < 2 * live {
            bytes += self.parts[from - 1].segment.postings_bytes();
            if bytes > MOST_POSTINGS_BYTES {
                break;
            }
            from -= 1;
            live += u64::from(self.parts[from].live);
        }
        if from + 1 < self.parts.len() {
            let sources: Vec<Source<'_>> = self.parts[from..].iter().map(Part::source).collect();
            let merged = Part::whole(merge(&sources));
            self.parts.truncate(from);
            self.parts.push(merged);
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("documents", &self.len())
            .field("segments", &self.parts.len())
            .finish()
    }
}

impl Part {
    fn whole(segment: Segment) -> Self {
        let mut lengths = [0; 2];
        let mut languages = [0; LANGUAGES];
        for document in segment.documents() {
            lengths[0] += u64::from(document.lengths[0]);
            lengths[1] += u64::from(document.lengths[1]);
            if let Some(language) = document.language {
                languages[language as usize] += 1;
            }
        }
        Self {
            live: segment.documents().len() as u32,
            segment: Arc::new(segment),
            dead: None,
            lengths,
            languages,
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            segment: &self.segment,
            dead: self.dead.as_deref(),
        }
    }

    fn is_dead(&self, document: u32) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.get(document))
    }

    fn remove(&mut self, item: Uuid) {
        let segment = Arc::clone(&self.segment);
        for range in segment.ranges_of(item) {
            if !self.is_dead(range.start) {
                self.remove_range(range);
            }
        }
    }

    fn remove_range(&mut self, range: ItemRange) {
        let documents = self.segment.documents();
        let dead = self
            .dead
            .get_or_insert_with(|| Arc::new(Bits::new(documents.len())));
        let dead = Arc::make_mut(dead);
        for document in range.start..range.start + range.len {
            dead.set(document);
            let entry = &documents[document as usize];
            self.lengths[0] -= u64::from(entry.lengths[0]);
            self.lengths[1] -= u64::from(entry.lengths[1]);
            if let Some(language) = entry.language {
                self.languages[language as usize] -= 1;
            }
        }
        self.live -= range.len;
    }
}
