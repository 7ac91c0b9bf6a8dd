//! Scoring the live documents and keeping the best.
//!
//! Common terms are in so many documents that reading them all would take most of the time, and weigh so little that
//! they can hardly change who is best. So a segment's documents are first scored by the rare terms (and the cosine);
//! then only those that the common terms could still lift among the best get these added. The result is the one of
//! scoring everything, to the last bit: terms are added in the plan's order either way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::best::{Best, Candidate, Ordered};
use super::plan::{Plan, PlannedTerm};
use super::{Hit, Index, Part, Query};
use crate::analysis::Leg;
use crate::fusion::Scoring;
use crate::segment::postings::{Bitmap, Posting, Postings};
use crate::vector::QueryVector;

impl Index {
    /// The best passages for a question, best first; those with nothing in common with it are left out. Passages of
    /// equal score are ordered by item and ordinal.
    pub fn search(&self, query: &Query<'_>, limit: usize) -> Vec<Hit> {
        if limit == 0 {
            return Vec::new();
        }
        let plan = Plan::new(self, query);
        let vector = query
            .vector
            .filter(|_| plan.scoring.weighs_vectors())
            .and_then(QueryVector::from_f32);
        let mut best = Best::new(limit);
        for part in &self.parts {
            let mut scores = PartScores::new(part, &plan, vector.as_ref());
            scores.add_everywhere(&plan.rare);
            scores.offer_best(&plan.common, &mut best);
        }
        best.into_hits(&plan.scoring)
    }
}

/// More than what adding up some three hundred terms, none above a few, can lose by rounding.
const ROUNDING: f32 = 1e-4;

/// Common terms added before the hopeless are sorted out again.
const COMMON_AT_ONCE: usize = 4;

/// The scores of one segment's documents, as far as they are known.
struct PartScores<'a> {
    part: &'a Part,
    fusion: Scoring,
    /// Per leg, what one occurrence of a term earns in each document; see [`Plan::share_of_one`].
    shares: [Vec<f32>; 2],
    lexical: Vec<f32>,
    /// NaN where a document has no vector to compare; `None` where the query has none.
    cosines: Option<Vec<f32>>,
}

impl<'a> PartScores<'a> {
    fn new(part: &'a Part, plan: &Plan, vector: Option<&QueryVector>) -> Self {
        let documents = part.segment.documents();
        let shares = [Leg::Words, Leg::Grams].map(|leg| {
            documents
                .iter()
                .map(|document| plan.share_of_one(leg, document.length(leg)))
                .collect()
        });
        let cosines = vector.map(|vector| {
            let mut cosines = vec![f32::NAN; documents.len()];
            part.segment.vectors.cosines(vector, &mut cosines);
            cosines
        });
        Self {
            part,
            fusion: plan.scoring,
            shares,
            lexical: vec![0.0; documents.len()],
            cosines,
        }
    }

    /// Adds terms to the scores of all documents that have them.
    fn add_everywhere(&mut self, terms: &[PlannedTerm]) {
        for term in terms {
            let shares = &self.shares[term.leg as usize];
            let lexical = &mut self.lexical;
            self.part.segment.postings(term.id).for_each(|posting| {
                let at = posting.document as usize;
                lexical[at] += term.weight * share(posting.frequency, shares[at]);
            });
        }
    }

    /// Adds terms to the scores of `chosen` documents, in ascending order.
    fn add_to(&mut self, chosen: &[u32], terms: &[PlannedTerm]) {
        for term in terms {
            match self.part.segment.postings(term.id) {
                Postings::Bitmap(bitmap) => self.look_up(chosen, term, bitmap),
                Postings::List(list) => {
                    let mut chosen = chosen.iter().copied().peekable();
                    for posting in list {
                        while chosen
                            .next_if(|&document| document < posting.document)
                            .is_some()
                        {}
                        if chosen.next_if_eq(&posting.document).is_some() {
                            self.add(term, posting);
                        }
                    }
                }
            }
        }
    }

    fn look_up(&mut self, chosen: &[u32], term: &PlannedTerm, bitmap: Bitmap<'_>) {
        for &document in chosen {
            let frequency = bitmap.frequency(document);
            if frequency > 0 {
                self.add(
                    term,
                    Posting {
                        document,
                        frequency,
                    },
                );
            }
        }
    }

    fn add(&mut self, term: &PlannedTerm, posting: Posting) {
        let at = posting.document as usize;
        let earned = share(posting.frequency, self.shares[term.leg as usize][at]);
        self.lexical[at] += term.weight * earned;
    }

    /// Completes the scores of those documents that may be among the best, and offers these.
    fn offer_best(&mut self, common: &[PlannedTerm], best: &mut Best) {
        let documents = self.lexical.len();
        let mut hopeful: Vec<u32> = (0..documents as u32).collect();
        for (done, some) in common.chunks(COMMON_AT_ONCE).enumerate() {
            let left = &common[done * COMMON_AT_ONCE..];
            // A term earns less than its weight.
            let most = left.iter().map(|term| term.weight).sum::<f32>() + ROUNDING;
            let threshold = self.threshold(&hopeful, best);
            hopeful.retain(|&document| self.score(document, most) >= threshold);
            if hopeful.len() * 4 > documents {
                self.add_everywhere(some);
            } else {
                self.add_to(&hopeful, some);
            }
        }
        self.offer(&hopeful, best);
    }

    /// A score that the worst of the best documents reaches at least.
    fn threshold(&self, hopeful: &[u32], best: &Best) -> f32 {
        let mut highest: BinaryHeap<Reverse<Ordered>> = BinaryHeap::new();
        for &document in hopeful {
            let score = Reverse(Ordered(self.score(document, 0.0)));
            let full = highest.len() >= best.limit();
            if full && highest.peek().is_some_and(|lowest| score >= *lowest)
                || self.part.is_dead(document)
            {
                continue;
            }
            if full {
                highest.pop();
            }
            highest.push(score);
        }
        let here = match highest.peek() {
            Some(Reverse(lowest)) if highest.len() >= best.limit() => lowest.0,
            _ => f32::NEG_INFINITY,
        };
        here.max(best.threshold())
    }

    /// A document's score as far as it is known, with `more` lexical score.
    #[inline]
    fn score(&self, document: u32, more: f32) -> f32 {
        self.fusion.score(
            self.lexical[document as usize] + more,
            self.cosine(document),
        )
    }

    #[inline]
    fn cosine(&self, document: u32) -> Option<f32> {
        let cosine = self.cosines.as_ref()?[document as usize];
        (!cosine.is_nan()).then_some(cosine)
    }

    fn offer(&self, documents: &[u32], best: &mut Best) {
        for &document in documents {
            let score = self.score(document, 0.0);
            if best.admits(score) && !self.part.is_dead(document) {
                best.offer(Candidate {
                    score,
                    item: self.part.segment.item_of(document),
                    ordinal: self.part.segment.documents()[document as usize].ordinal,
                    lexical: self.lexical[document as usize],
                    cosine: self.cosine(document),
                });
            }
        }
    }
}

/// BM25's saturation: what `frequency` occurrences earn where one earns `one`, as a share of the term's weight.
#[inline]
fn share(frequency: u32, one: f32) -> f32 {
    if frequency == 1 {
        one
    } else {
        let frequency = frequency as f32;
        frequency / (frequency - 1.0 + 1.0 / one)
    }
}
