//! Scoring every live document and keeping the best.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use uuid::Uuid;

use super::plan::Plan;
use super::{Hit, Index, Part, Query};
use crate::analysis::Leg;
use crate::vector::QueryVector;

impl Index {
    /// The best passages for a question, best first; those with nothing in common with it are left out. Passages of
    /// equal score are ordered by item and ordinal.
    pub fn search(&self, query: &Query<'_>, limit: usize) -> Vec<Hit> {
        let plan = Plan::new(self, query);
        let vector = query.vector.and_then(QueryVector::from_f32);
        let mut best = Best::new(limit);
        for part in &self.parts {
            let lexical = lexical_scores(part, &plan);
            let cosines = vector.as_ref().map(|vector| {
                let mut cosines = vec![f32::NAN; lexical.len()];
                part.segment.vectors.cosines(vector, &mut cosines);
                cosines
            });
            for (document, &lexical) in (0..).zip(&lexical) {
                let cosine = cosines
                    .as_ref()
                    .map(|cosines| cosines[document as usize])
                    .filter(|cosine| !cosine.is_nan());
                let score = query.fusion.score(lexical, cosine);
                if best.admits(score) && !part.is_dead(document) {
                    best.offer(candidate(part, document, lexical, cosine, score));
                }
            }
        }
        best.into_hits(query)
    }
}

/// Each document's lexical score, 0 to 1. Terms are added in the plan's order in every segment, so that a document
/// scores the same to the last bit wherever it lies.
fn lexical_scores(part: &Part, plan: &Plan) -> Vec<f32> {
    let documents = part.segment.documents();
    let mut scores = vec![0.0_f32; documents.len()];
    for leg in [Leg::Words, Leg::Grams] {
        let terms = || plan.terms.iter().filter(|term| term.leg == leg);
        if terms().next().is_none() {
            continue;
        }
        let slope = plan.slope[leg as usize];
        // A document's BM25 length norm as the share that one occurrence earns: 1 / (1 + norm).
        let once: Vec<f32> = documents
            .iter()
            .map(|document| 1.0 / (1.0 + plan.base + slope * document.length(leg) as f32))
            .collect();
        for term in terms() {
            for posting in part.segment.postings(term.id) {
                let at = posting.document as usize;
                let share = if posting.frequency == 1 {
                    once[at]
                } else {
                    let frequency = posting.frequency as f32;
                    frequency / (frequency - 1.0 + 1.0 / once[at])
                };
                scores[at] += term.weight * share;
            }
        }
    }
    scores
}

fn candidate(
    part: &Part,
    document: u32,
    lexical: f32,
    cosine: Option<f32>,
    score: f32,
) -> Candidate {
    Candidate {
        score,
        item: part.segment.item_of(document),
        ordinal: part.segment.documents()[document as usize].ordinal,
        lexical,
        cosine,
    }
}

/// A document that may be among the best. Greater is worse, so that a heap gives up its worst first.
struct Candidate {
    score: f32,
    item: Uuid,
    ordinal: u32,
    lexical: f32,
    cosine: Option<f32>,
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

/// The best candidates so far.
struct Best {
    limit: usize,
    heap: BinaryHeap<Candidate>,
}

impl Best {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    /// Whether a document of this score may be among the best; ties are settled by [`Best::offer`].
    #[inline]
    fn admits(&self, score: f32) -> bool {
        score > 0.0
            && (self.heap.len() < self.limit
                || self.heap.peek().is_some_and(|worst| score >= worst.score))
    }

    fn offer(&mut self, candidate: Candidate) {
        self.heap.push(candidate);
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    fn into_hits(self, query: &Query<'_>) -> Vec<Hit> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|candidate| Hit {
                item: candidate.item,
                ordinal: candidate.ordinal,
                lexical: candidate.lexical,
                cosine: candidate.cosine,
                score: candidate.score,
                similarity: query.fusion.similarity(candidate.score),
            })
            .collect()
    }
}
