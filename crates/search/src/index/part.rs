//! A segment and what became of its documents since it was written.

use std::io;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::analysis::LANGUAGES;
use crate::bits::Bits;
use crate::segment::merge::Source;
use crate::segment::{ItemRange, Segment};

/// See the module.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    /// Absent while all documents are alive.
    pub(super) dead: Option<Arc<Bits>>,
    pub(super) live: u32,
    /// Terms of the live documents, per leg.
    pub(super) lengths: [u64; 2],
    /// How many of the live documents are in each language.
    pub(super) languages: [u32; LANGUAGES],
}

impl Part {
    /// A segment all of whose documents are alive.
    pub(super) fn whole(segment: Segment) -> Self {
        Self::new(Arc::new(segment), None)
    }

    /// A segment of which these documents are dead.
    pub(super) fn new(segment: Arc<Segment>, dead: Option<Bits>) -> Self {
        let mut part = Self {
            live: 0,
            dead: dead.map(Arc::new),
            lengths: [0; 2],
            languages: [0; LANGUAGES],
            segment,
        };
        let segment = Arc::clone(&part.segment);
        for document in 0..segment.documents() as u32 {
            if part.is_dead(document) {
                continue;
            }
            let entry = segment.head.document(document);
            part.live += 1;
            part.lengths[0] += u64::from(entry.lengths[0]);
            part.lengths[1] += u64::from(entry.lengths[1]);
            if let Some(language) = entry.language {
                part.languages[language as usize] += 1;
            }
        }
        part
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source {
            segment: &self.segment,
            dead: self.dead.as_deref(),
        }
    }

    #[inline]
    pub(super) fn is_dead(&self, document: u32) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.get(document))
    }

    /// Whether so many documents are dead that the others are better written anew.
    pub(super) fn is_mostly_dead(&self) -> bool {
        (self.live as usize) < self.segment.documents() / 2
    }

    /// The same with the postings in a file of `folder`.
    pub(super) fn in_file(&self, folder: &Path) -> io::Result<Self> {
        let moved = self.segment.in_file(folder)?;
        Ok(Self {
            segment: moved.map_or_else(|| Arc::clone(&self.segment), Arc::new),
            ..self.clone()
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let dead = self.dead.as_ref().map_or(0, |dead| dead.memory_bytes());
        size_of::<Self>() + self.segment.memory_bytes() + dead
    }

    pub(super) fn remove(&mut self, item: Uuid) {
        let segment = Arc::clone(&self.segment);
        for range in segment.head.ranges_of(item) {
            if !self.is_dead(range.start) {
                self.remove_range(range);
            }
        }
    }

    fn remove_range(&mut self, range: ItemRange) {
        let segment = &self.segment;
        let dead = self
            .dead
            .get_or_insert_with(|| Arc::new(Bits::new(segment.documents())));
        let dead = Arc::make_mut(dead);
        for document in range.start..range.start + range.len {
            dead.set(document);
            let entry = segment.head.document(document);
            self.lengths[0] -= u64::from(entry.lengths[0]);
            self.lengths[1] -= u64::from(entry.lengths[1]);
            if let Some(language) = entry.language {
                self.languages[language as usize] -= 1;
            }
        }
        self.live -= range.len;
    }
}
