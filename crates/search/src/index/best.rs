//! The best documents so far, in a heap that gives up its worst first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use uuid::Uuid;

use super::Hit;
use crate::fusion::Scoring;

/// See the module.
pub(super) struct Best {
    limit: usize,
    heap: BinaryHeap<Candidate>,
}

/// A document that may be among the best. Greater is worse.
pub(super) struct Candidate {
    pub(super) score: f32,
    pub(super) item: Uuid,
    pub(super) ordinal: u32,
    pub(super) lexical: f32,
    pub(super) cosine: Option<f32>,
}

impl Best {
    /// Keeps at most `limit`, which is above zero.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The score of the worst of the best; below everything while there is room.
    pub(super) fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.limit => worst.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Whether a document of this score may be among the best; ties are settled by [`Best::offer`].
    #[inline]
    pub(super) fn admits(&self, score: f32) -> bool {
        score > 0.0 && score >= self.threshold()
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        self.heap.push(candidate);
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    pub(super) fn into_hits(self, scoring: &Scoring) -> Vec<Hit> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|candidate| Hit {
                item: candidate.item,
                ordinal: candidate.ordinal,
                lexical: candidate.lexical,
                cosine: candidate.cosine,
                score: candidate.score,
                similarity: scoring.similarity(candidate.score),
            })
            .collect()
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.item.cmp(&other.item))
            .then(self.ordinal.cmp(&other.ordinal))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// A score that can be sorted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ordered(pub(super) f32);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered {}
