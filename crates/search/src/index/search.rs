//! Scoring the live documents and keeping the best.
//!
//! Common terms are in so many documents that reading them all would take most of the time, and weigh so little that
//! they can hardly change who is best. So a segment's documents are first scored by the rare terms (and the cosine);
//! then only those that the common terms could still lift among the best get these added. The result is the one of
//! scoring everything, to the last bit: terms are added in the plan's order either way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::best::{Best, Candidate, Ordered};
use super::plan::{Plan, PlannedTerm};
use super::{Hit, Index, Part, Query, Shares};
use crate::fusion::Scoring;
use crate::segment::postings::{Posting, Postings};
use crate::vector::QueryVector;

impl Index {
    /// The best passages for a question, best first; those with nothing in common with it are left out. Passages of
    /// equal score are ordered by item and ordinal.
    ///
    /// # Errors
    /// Where the file of a segment cannot be read. An index without a folder has none.
    pub fn search(&self, query: &Query<'_>, limit: usize) -> io::Result<Vec<Hit>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let plan = Plan::new(self, query)?;
        let vector = query
            .vector
            .filter(|_| plan.scoring.weighs_vectors())
            .and_then(QueryVector::from_f32);
        let mut best = Best::new(limit);
        for (number, (part, shares)) in self.parts.iter().zip(self.shares()).enumerate() {
            let mut scores = PartScores::new(number, (part, shares), &plan, vector.as_ref());
            scores.add_everywhere(&plan.rare)?;
            scores.offer_best(&plan.common, &mut best)?;
        }
        Ok(best.into_hits(&plan.scoring))
    }
}

/// More than what adding up some three hundred terms, none above a few, can lose by rounding.
const ROUNDING: f32 = 1e-4;

/// Common terms added before the hopeless are sorted out again.
const COMMON_AT_ONCE: usize = 4;

/// Scores looked at together; mostly none of them is of interest, which one comparison of all tells.
const AT_ONCE: usize = 16;

/// The scores of one segment's documents, as far as they are known.
struct PartScores<'a> {
    number: usize,
    part: &'a Part,
    fusion: Scoring,
    shares: &'a Shares,
    lexical: Vec<f32>,
    /// NaN where there is nothing to compare.
    cosines: Vec<f32>,
    /// Postings as they are read.
    buffer: Vec<u8>,
}

impl<'a> PartScores<'a> {
    fn new(
        number: usize,
        (part, shares): (&'a Part, &'a Shares),
        plan: &Plan,
        vector: Option<&QueryVector>,
    ) -> Self {
        let documents = part.segment.documents();
        let mut cosines = vec![f32::NAN; documents];
        if let Some(vector) = vector {
            for block in part.segment.head.vectors() {
                block.cosines(vector, &mut cosines);
            }
        }
        Self {
            number,
            part,
            fusion: plan.scoring,
            shares,
            lexical: vec![0.0; documents],
            cosines,
            buffer: Vec::new(),
        }
    }

    /// Adds terms to the scores of all documents that have them.
    fn add_everywhere(&mut self, terms: &[PlannedTerm]) -> io::Result<()> {
        for term in terms {
            let Some(place) = term.place_in(self.number) else {
                continue;
            };
            let shares = self.shares[term.leg as usize].as_slice();
            let lexical = self.lexical.as_mut_slice();
            let postings = self.part.segment.postings(place, &mut self.buffer)?;
            postings.for_each(|posting| {
                let at = posting.document as usize;
                lexical[at] += term.weight * share(posting.frequency, shares[at]);
            });
        }
        Ok(())
    }

    /// Adds terms to the scores of `chosen` documents, in ascending order.
    fn add_to(&mut self, chosen: &[u32], terms: &[PlannedTerm]) -> io::Result<()> {
        for term in terms {
            let Some(place) = term.place_in(self.number) else {
                continue;
            };
            let shares = self.shares[term.leg as usize].as_slice();
            let lexical = self.lexical.as_mut_slice();
            let mut add = |posting: Posting| {
                let at = posting.document as usize;
                lexical[at] += term.weight * share(posting.frequency, shares[at]);
            };
            match self.part.segment.postings(place, &mut self.buffer)? {
                Postings::Bitmap(bitmap) => {
                    for &document in chosen {
                        let frequency = bitmap.frequency(document);
                        if frequency > 0 {
                            add(Posting {
                                document,
                                frequency,
                            });
                        }
                    }
                }
                Postings::List(list) => {
                    let mut chosen = chosen.iter().copied().peekable();
                    for posting in list {
                        while chosen
                            .next_if(|&document| document < posting.document)
                            .is_some()
                        {}
                        if chosen.next_if_eq(&posting.document).is_some() {
                            add(posting);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Completes the scores of those documents that may be among the best, and offers these.
    fn offer_best(&mut self, common: &[PlannedTerm], best: &mut Best) -> io::Result<()> {
        let documents = self.lexical.len();
        let mut hopeful: Vec<u32> = (0..documents as u32).collect();
        let mut scores = self.scores_of(&hopeful);
        let all_compared = !any(&self.cosines, f32::is_nan);
        for (done, some) in common.chunks(COMMON_AT_ONCE).enumerate() {
            let left = &common[done * COMMON_AT_ONCE..];
            // A term earns less than its weight, and at least nothing.
            let most = left.iter().map(|term| term.weight).sum::<f32>() + ROUNDING;
            let most = most * self.fusion.most_lexical_weight(all_compared);
            let threshold = self.threshold(&hopeful, &scores, best.limit());
            let enough = threshold.max(best.threshold()) - most;
            hopeful = at_least(enough, &scores, &hopeful);
            if hopeful.len() * 4 > documents {
                self.add_everywhere(some)?;
            } else {
                self.add_to(&hopeful, some)?;
            }
            scores = self.scores_of(&hopeful);
        }
        self.offer(&hopeful, &scores, best);
        Ok(())
    }

    /// The scores of documents as far as they are known.
    fn scores_of(&self, documents: &[u32]) -> Vec<f32> {
        let score = |(lexical, cosine): (&f32, &f32)| self.fusion.score(*lexical, *cosine);
        if documents.len() == self.lexical.len() {
            return self.lexical.iter().zip(&self.cosines).map(score).collect();
        }
        let at = |document: &u32| {
            let at = *document as usize;
            score((&self.lexical[at], &self.cosines[at]))
        };
        documents.iter().map(at).collect()
    }

    /// A score that `limit` of these documents reach; below everything where they are fewer.
    fn threshold(&self, documents: &[u32], scores: &[f32], limit: usize) -> f32 {
        let mut highest: BinaryHeap<Reverse<Ordered>> = BinaryHeap::new();
        let mut lowest = f32::NEG_INFINITY;
        for (documents, scores) in documents.chunks(AT_ONCE).zip(scores.chunks(AT_ONCE)) {
            if !any(scores, |score| score > lowest) {
                continue;
            }
            for (&document, &score) in documents.iter().zip(scores) {
                if score <= lowest || self.part.is_dead(document) {
                    continue;
                }
                highest.push(Reverse(Ordered(score)));
                if highest.len() > limit {
                    highest.pop();
                }
                if highest.len() == limit
                    && let Some(Reverse(worst)) = highest.peek()
                {
                    lowest = worst.0;
                }
            }
        }
        lowest
    }

    fn offer(&self, documents: &[u32], scores: &[f32], best: &mut Best) {
        for (documents, scores) in documents.chunks(AT_ONCE).zip(scores.chunks(AT_ONCE)) {
            if !any(scores, |score| best.admits(score)) {
                continue;
            }
            for (&document, &score) in documents.iter().zip(scores) {
                if best.admits(score) && !self.part.is_dead(document) {
                    let cosine = self.cosines[document as usize];
                    let (item, ordinal) = self.part.segment.head.place_of(document);
                    best.offer(Candidate {
                        score,
                        item,
                        ordinal,
                        lexical: self.lexical[document as usize],
                        cosine: (!cosine.is_nan()).then_some(cosine),
                    });
                }
            }
        }
    }
}

/// Whether a score is of interest, all being looked at.
#[inline]
fn any(scores: &[f32], interesting: impl Fn(f32) -> bool) -> bool {
    scores
        .iter()
        .fold(false, |any, &score| any | interesting(score))
}

/// Those of the documents whose score is `enough`.
fn at_least(enough: f32, scores: &[f32], documents: &[u32]) -> Vec<u32> {
    let mut kept = Vec::new();
    for (documents, scores) in documents.chunks(AT_ONCE).zip(scores.chunks(AT_ONCE)) {
        if any(scores, |score| score >= enough) {
            let scored = documents.iter().zip(scores);
            kept.extend(scored.filter(|(_, score)| **score >= enough).map(|it| it.0));
        }
    }
    kept
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
