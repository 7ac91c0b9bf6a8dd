//! Which questions are alike: each joins the gap whose first question it is most like, or comes up as a gap of its own.
//! Pure, and the same for the same questions in the same order, however many come at once.

use std::collections::{HashSet, VecDeque};

use okra_search::{Fusion, QuantizedVector};

use super::COMPARED;
use crate::chat::telling;
use crate::pairs::key;

/// From this cosine on two questions mean the same, on the scale that embedders share.
const SAME_MEANING: f32 = 0.62;
/// From this share of common words on two questions say the same.
const SAME_WORDS: f32 = 0.6;

/// A question as it is compared.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// Its words, without what never tells two questions apart.
    key: String,
    sense: Sense,
}

#[derive(Debug, Clone)]
enum Sense {
    Meaning(QuantizedVector),
    Words(HashSet<String>),
}

impl Point {
    /// A question by its words.
    pub(super) fn of_words(question: &str) -> Self {
        Self {
            key: key(question),
            sense: Sense::Words(pieces(question)),
        }
    }

    /// From now on by its vector.
    pub(super) fn see(&mut self, vector: QuantizedVector) {
        self.sense = Sense::Meaning(vector);
    }
}

/// The first questions of gaps, in the order in which they came up; of more than [`COMPARED`] the oldest are left out.
pub(super) struct Groups {
    fusion: Option<Fusion>,
    leaders: VecDeque<Point>,
    left_out: usize,
}

impl Groups {
    /// None yet; cosines are read by `fusion`.
    pub(super) fn new(fusion: Option<Fusion>) -> Self {
        Self {
            fusion,
            leaders: VecDeque::new(),
            left_out: 0,
        }
    }

    /// One more.
    pub(super) fn push(&mut self, leader: Point) {
        self.leaders.push_back(leader);
        if self.leaders.len() > COMPARED {
            self.leaders.pop_front();
            self.left_out += 1;
        }
    }

    /// The place of the gap that a question belongs to, counted from the first that was pushed: that of its own words,
    /// or the one that it is most like, the older of two.
    pub(super) fn of(&self, question: &Point) -> Option<usize> {
        let mut best: Option<(f32, usize)> = None;
        for (at, leader) in self.leaders.iter().enumerate() {
            let likeness = self.likeness(leader, question);
            if likeness >= 1.0 && best.is_none_or(|(most, _)| likeness > most) {
                best = Some((likeness, at + self.left_out));
            }
        }
        best.map(|(_, at)| at)
    }

    /// How much alike two questions are; from 1 on they belong together.
    fn likeness(&self, a: &Point, b: &Point) -> f32 {
        if a.key == b.key {
            return f32::INFINITY;
        }
        match (&a.sense, &b.sense) {
            (Sense::Meaning(a), Sense::Meaning(b)) => {
                let cosine = cosine(a, b);
                let common = self.fusion.map(|it| it.on_common_scale(cosine));
                common.unwrap_or(cosine) / SAME_MEANING
            }
            (Sense::Words(a), Sense::Words(b)) => shared(a, b) / SAME_WORDS,
            // Of two languages, or one that says nothing: nobody can tell.
            _ => 0.0,
        }
    }
}

fn cosine(a: &QuantizedVector, b: &QuantizedVector) -> f32 {
    let products = a.codes.iter().zip(&b.codes);
    let sum: i32 = products.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
    sum as f32 * a.scale * b.scale
}

/// Twice the pieces that both have, of all that they have.
fn shared(a: &HashSet<String>, b: &HashSet<String>) -> f32 {
    let all = a.len() + b.len();
    if all == 0 {
        return 0.0;
    }
    2.0 * a.intersection(b).count() as f32 / all as f32
}

/// What a question says: its words, and of Korean pairs of syllables, since nobody agrees where to put its spaces.
fn pieces(question: &str) -> HashSet<String> {
    let (mut pieces, mut hangul) = (HashSet::new(), Vec::new());
    for word in telling(question) {
        match word.chars().all(|c| matches!(c, '\u{ac00}'..='\u{d7a3}')) {
            true => hangul.extend(word.chars()),
            false => {
                pieces.insert(word);
            }
        }
    }
    match hangul.as_slice() {
        [] => {}
        [one] => {
            pieces.insert(one.to_string());
        }
        more => pieces.extend(more.windows(2).map(|pair| pair.iter().collect::<String>())),
    }
    pieces
}
