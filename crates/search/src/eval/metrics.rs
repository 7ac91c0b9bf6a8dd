//! Metrics of ranked answers. Every one is 0 for the worst ranking and 1 for the best.

use std::collections::HashMap;
use std::fmt;

use super::{Question, RetrievalSet};

/// A row of the table: the means over a set's questions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// [`ndcg`] of the first ten.
    pub ndcg_10: f64,
    /// [`recall`] of the first.
    pub recall_1: f64,
    /// [`recall`] of the first five.
    pub recall_5: f64,
    /// [`recall`] of the first ten.
    pub recall_10: f64,
    /// [`reciprocal_rank`] of the first ten.
    pub mrr_10: f64,
}

impl Figures {
    /// What the columns of a row are, as wide as these.
    pub const HEADER: &str = "nDCG@10 recall@1 recall@5 recall@10 MRR@10";
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:7.4} {:8.4} {:8.4} {:9.4} {:6.4}",
            self.ndcg_10, self.recall_1, self.recall_5, self.recall_10, self.mrr_10
        )
    }
}

/// How well scores tell questions that have an answer from those that have none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal {
    /// The score that the share of answerable questions to keep reaches.
    pub threshold: f32,
    /// The share of the unanswerable questions that stay below it.
    pub refused: f64,
}

/// The threshold that keeps a share `keep` of the questions whose best scores are `answerable`, and what it refuses.
pub fn refusal(answerable: &[f32], unanswerable: &[f32], keep: f64) -> Refusal {
    let mut sorted = answerable.to_vec();
    sorted.sort_by(f32::total_cmp);
    let dropped = (sorted.len() as f64 * (1.0 - keep)).floor() as usize;
    let threshold = sorted.get(dropped).copied().unwrap_or(0.0);
    let below = unanswerable
        .iter()
        .filter(|&&score| score < threshold)
        .count();
    Refusal {
        threshold,
        refused: below as f64 / unanswerable.len().max(1) as f64,
    }
}

/// Asks `rank` for the ids of the ten best documents of every question and averages the metrics. Questions without a
/// relevant document don't count.
pub fn figures(set: &RetrievalSet, mut rank: impl FnMut(&Question) -> Vec<String>) -> Figures {
    let mut sum = Figures::default();
    let mut asked = 0_u32;
    for question in &set.questions {
        let Some(relevant) = set.relevant.get(&question.id) else {
            continue;
        };
        let ranking = rank(question);
        asked += 1;
        sum.ndcg_10 += ndcg(&ranking, relevant, 10);
        sum.recall_1 += recall(&ranking, relevant, 1);
        sum.recall_5 += recall(&ranking, relevant, 5);
        sum.recall_10 += recall(&ranking, relevant, 10);
        sum.mrr_10 += reciprocal_rank(&ranking, relevant, 10);
    }
    let mean = |total: f64| total / f64::from(asked.max(1));
    Figures {
        ndcg_10: mean(sum.ndcg_10),
        recall_1: mean(sum.recall_1),
        recall_5: mean(sum.recall_5),
        recall_10: mean(sum.recall_10),
        mrr_10: mean(sum.mrr_10),
    }
}

/// Normalized discounted cumulative gain of the first `depth` (Järvelin and Kekäläinen 2002, linear gain).
pub fn ndcg(ranking: &[String], relevant: &HashMap<String, f64>, depth: usize) -> f64 {
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let gained: f64 = ranking
        .iter()
        .take(depth)
        .enumerate()
        .filter_map(|(rank, id)| relevant.get(id).map(|gain| gain * discount(rank)))
        .sum();
    let mut gains: Vec<f64> = relevant.values().copied().collect();
    gains.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = gains
        .iter()
        .take(depth)
        .enumerate()
        .map(|(rank, gain)| gain * discount(rank))
        .sum();
    if ideal > 0.0 { gained / ideal } else { 0.0 }
}

/// Whether any relevant document is among the first `depth`: one is enough to answer from.
pub fn recall(ranking: &[String], relevant: &HashMap<String, f64>, depth: usize) -> f64 {
    let found = ranking
        .iter()
        .take(depth)
        .any(|id| relevant.contains_key(id));
    f64::from(u8::from(found))
}

/// One over the rank of the first relevant document, zero where it is not among the first `depth`.
pub fn reciprocal_rank(ranking: &[String], relevant: &HashMap<String, f64>, depth: usize) -> f64 {
    ranking
        .iter()
        .take(depth)
        .position(|id| relevant.contains_key(id))
        .map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ranking: &[&str], relevant: &[(&str, f64)], expected: [f64; 3]) {
        let ranking: Vec<String> = ranking.iter().map(|id| (*id).to_owned()).collect();
        let relevant = relevant
            .iter()
            .map(|(id, gain)| ((*id).to_owned(), *gain))
            .collect();
        let got = [
            ndcg(&ranking, &relevant, 3),
            recall(&ranking, &relevant, 3),
            reciprocal_rank(&ranking, &relevant, 3),
        ];
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
        }
    }

    #[test]
    fn the_threshold_keeps_the_share_asked_for() {
        let answerable: Vec<f32> = (0..100).map(|score| score as f32).collect();
        let unanswerable = [1.0, 4.0, 5.0, 50.0];
        let refusal = refusal(&answerable, &unanswerable, 0.95);
        assert_eq!((refusal.threshold, refusal.refused), (5.0, 0.5));
    }

    #[test]
    fn metrics_follow_their_definitions() {
        check(&["a", "b", "c"], &[("a", 1.0)], [1.0, 1.0, 1.0]);
        check(&["b", "a", "c"], &[("a", 1.0)], [0.6309, 1.0, 0.5]);
        check(&["b", "c", "d", "a"], &[("a", 1.0)], [0.0, 0.0, 0.0]);
        check(&["b", "a"], &[("a", 1.0), ("b", 1.0)], [1.0, 1.0, 1.0]);
        check(&["a"], &[("a", 1.0), ("b", 1.0)], [0.6131, 1.0, 1.0]);
        check(&["b", "a"], &[("a", 2.0), ("b", 1.0)], [0.8597, 1.0, 1.0]);
        check(&[], &[("a", 1.0)], [0.0, 0.0, 0.0]);
        check(&["a"], &[], [0.0, 0.0, 0.0]);
    }
}
