//! The index of one chatbot: segments, which of their documents are alive, and how changes become segments.

mod best;
mod care;
mod part;
pub(crate) mod plan;
mod saved;
mod search;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use part::Part;
use plan::{Shares, shares_of_parts};
pub use saved::Stamp;

use crate::Fusion;
use crate::segment::build::build;
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

impl Index {
    /// An index without documents.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the documents of the items changed. Of several changes to one item the last one counts.
    ///
    /// One call writes a segment, or one on each processor where there is much to analyse, so many changes are best
    /// applied in one call. Small segments are merged at once; joining large ones is [`Index::tended`]'s.
    pub fn apply(&mut self, changes: Vec<Change>) {
        let last: HashMap<Uuid, usize> = changes
            .iter()
            .enumerate()
            .map(|(at, change)| (change.item, at))
            .collect();
        let mut added = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            if last.get(&change.item) == Some(&at) {
                self.remove(change.item);
                added.push(change);
            }
        }
        self.parts
            .extend(build(&added).into_iter().map(Part::whole));
        self.merge_small();
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

    /// Whether a question's vector of so many dimensions can be compared with the passages' vectors, where
    /// they have any.
    pub fn compares(&self, dimensions: usize) -> bool {
        let mut blocks = self
            .parts
            .iter()
            .flat_map(|part| part.segment.head.vectors())
            .map(|block| block.dimensions)
            .peekable();
        blocks.peek().is_none() || blocks.any(|own| own == dimensions)
    }

    /// Heap memory held in bytes, what is shared with clones included.
    pub fn memory_bytes(&self) -> usize {
        let shares = size_of::<[f32; 2]>();
        self.parts
            .iter()
            // The shares, which a search needs, are counted before they are there.
            .map(|part| part.memory_bytes() + part.segment.documents() * shares)
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
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("documents", &self.len())
            .field("segments", &self.parts.len())
            .finish()
    }
}
