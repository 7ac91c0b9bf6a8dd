//! How the lexical score and the cosine make one score, and what that score means.

use crate::calibration::{MINILM, Unrelated};

/// Weighs the lexical score against an embedder's cosine and reads the sum as a probability.
///
/// The weights and curves were fitted on public retrieval sets in English and Korean, with questions that no passage
/// answers mixed in; the crate's quality tests hold them to their promises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    embedder: Embedder,
    unit: Unit,
}

/// What brings an embedder's cosines to the scale of the one that weights and curves were fitted with.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unit {
    factor: f32,
    shift: f32,
}

impl Unit {
    const OWN: Self = Self {
        factor: 1.0,
        shift: 0.0,
    };

    /// A cosine is as many deviations above the mean of unrelated texts as it was.
    fn of(unrelated: Unrelated) -> Self {
        let factor = MINILM.deviation / unrelated.deviation;
        Self {
            factor,
            shift: MINILM.mean - unrelated.mean * factor,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Embedder {
    None,
    StaticEnglish,
    Transformer,
    TransformerEnglish,
}

impl Fusion {
    /// No embedder: vectors are ignored.
    pub const fn lexical_only() -> Self {
        Self::of(Embedder::None)
    }

    /// The built-in static embedder. It knows English: where a question shows another language, its vector is
    /// ignored, because it would do more harm than good.
    pub const fn static_english() -> Self {
        Self::of(Embedder::StaticEnglish)
    }

    /// A sentence transformer that knows English alone, such as all-MiniLM-L6-v2: where a question shows another
    /// language, its vector is ignored.
    pub const fn transformer_english() -> Self {
        Self::of(Embedder::TransformerEnglish)
    }

    /// A sentence transformer of the all-MiniLM-L6-v2 class or better. The default of embedders that nothing is
    /// known of; their cosines had better be [calibrated](Fusion::calibrated).
    pub const fn transformer() -> Self {
        Self::of(Embedder::Transformer)
    }

    const fn of(embedder: Embedder) -> Self {
        Self {
            embedder,
            unit: Unit::OWN,
        }
    }

    /// The same for an embedder whose cosines of unrelated texts are these: its cosines are counted in their
    /// deviations, so that the weights and the curve of a transformer hold for it.
    pub fn calibrated(self, unrelated: Unrelated) -> Self {
        Self {
            unit: Unit::of(unrelated),
            ..self
        }
    }

    /// The similarity below which a question had better be refused, because whatever was found likely doesn't answer
    /// it. Fitted to keep 95% of the questions that have an answer.
    pub const fn answer_threshold(&self) -> f32 {
        ANSWERABLE
    }

    /// Whether the embedder's vectors mean anything for a text in this language; `None` is one that shows none.
    pub fn knows(&self, language: Option<&str>) -> bool {
        match self.embedder {
            Embedder::None => false,
            Embedder::Transformer => true,
            Embedder::StaticEnglish | Embedder::TransformerEnglish => {
                language.is_none_or(|code| code == "en")
            }
        }
    }

    /// A cosine of the embedder's on the scale that all share: that of all-MiniLM-L6-v2.
    pub fn on_common_scale(&self, cosine: f32) -> f32 {
        cosine * self.unit.factor + self.unit.shift
    }

    /// How to score one question.
    pub(crate) fn scoring(&self, question: &Shown) -> Scoring {
        let embedder = match self.embedder {
            _ if !question.has_vector => Embedder::None,
            Embedder::StaticEnglish | Embedder::TransformerEnglish
                if question.other_latin_language =>
            {
                Embedder::None
            }
            embedder => embedder,
        };
        let (lexical_weight, curve) = match embedder {
            Embedder::StaticEnglish => (STATIC_WEIGHT.at(question.words), STATIC_CURVE),
            Embedder::Transformer | Embedder::TransformerEnglish => {
                (TRANSFORMER_WEIGHT.at(question.words), TRANSFORMER_CURVE)
            }
            Embedder::None if question.latin => (1.0, LATIN_CURVE),
            Embedder::None => (1.0, OTHER_CURVE),
        };
        Scoring {
            lexical_weight,
            curve,
            unit: self.unit,
        }
    }
}

/// What a question and the passages show that its scoring hangs on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) has_vector: bool,
    /// Words of a passage on average, stop words left out.
    pub(crate) words: f32,
    /// Whether it is mostly in Latin letters.
    pub(crate) latin: bool,
    /// Whether it is in Latin letters and not in English.
    pub(crate) other_latin_language: bool,
}

/// A [`Fusion`] made ready for one question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scoring {
    lexical_weight: f32,
    curve: &'static Curve,
    unit: Unit,
}

impl Scoring {
    /// Whether vectors count at all.
    pub(crate) fn weighs_vectors(&self) -> bool {
        self.lexical_weight < 1.0
    }

    /// The score that passages are ranked by. A passage without a cosine, which is NaN then, is ranked by its lexical
    /// score alone.
    #[inline]
    pub(crate) fn score(&self, lexical: f32, cosine: f32) -> f32 {
        let known = cosine * self.unit.factor + self.unit.shift;
        let both = self.lexical_weight * lexical + (1.0 - self.lexical_weight) * known;
        if cosine.is_nan() { lexical } else { both }
    }

    /// What a point of lexical score is worth at most: less than one where every passage has a cosine.
    pub(crate) fn most_lexical_weight(&self, all_compared: bool) -> f32 {
        if all_compared {
            self.lexical_weight
        } else {
            1.0
        }
    }

    /// The probability that a passage of this score is the right one.
    pub(crate) fn similarity(&self, score: f32) -> f32 {
        let after = self.curve.partition_point(|&(known, _)| known <= score);
        match (
            after.checked_sub(1).map(|at| self.curve[at]),
            self.curve.get(after),
        ) {
            (Some(low), Some(high)) => {
                low.1 + (score - low.0) / (high.0 - low.0) * (high.1 - low.1)
            }
            (Some((_, probability)), None) => probability,
            (None, _) => 0.0,
        }
    }
}

/// The weight of the lexical score, the cosine's being what is left to one.
///
/// It hangs on how long the passages are. A passage of many words has most of a question's if it answers it; one that
/// is a question or a sentence itself says the same in other words, and its meaning is undiluted by anything else.
struct Weight {
    passages: f32,
    phrases: f32,
}

const STATIC_WEIGHT: Weight = Weight {
    passages: 0.65,
    phrases: 0.35,
};
const TRANSFORMER_WEIGHT: Weight = Weight {
    passages: 0.5,
    phrases: 0.35,
};

/// Words of a phrase, stop words left out, and those of the shortest passage. In between the weight changes with the
/// number of words.
const PHRASE: f32 = 5.0;
const PASSAGE: f32 = 20.0;

impl Weight {
    /// The weight where passages have so many words on average.
    fn at(&self, words: f32) -> f32 {
        let share = ((words - PHRASE) / (PASSAGE - PHRASE)).clamp(0.0, 1.0);
        self.phrases + share * (self.passages - self.phrases)
    }
}

/// The similarity that all curves give to the score at which to refuse, so that callers need one number.
const ANSWERABLE: f32 = 0.4;

/// Scores and the probability that the best passage is right; straight lines between. The third point of each curve
/// is the score that 95% of the answerable questions reach.
type Curve = [(f32, f32); 10];

/// Lexical scores of questions in Latin letters.
#[rustfmt::skip]
const LATIN_CURVE: &Curve = &[
    (0.0, 0.0), (0.27, 0.03), (0.442, ANSWERABLE), (0.55, 0.52), (0.65, 0.64), (0.75, 0.72), (0.95, 0.82),
    (1.1, 0.95), (1.4, 0.99), (2.2, 1.0),
];
/// Lexical scores of questions in Korean and other scripts.
#[rustfmt::skip]
const OTHER_CURVE: &Curve = &[
    (0.0, 0.0), (0.28, 0.03), (0.443, ANSWERABLE), (0.55, 0.6), (0.65, 0.69), (0.75, 0.76), (0.95, 0.8),
    (1.15, 0.93), (1.4, 0.99), (2.2, 1.0),
];
/// Scores that the static embedder has a share in.
#[rustfmt::skip]
const STATIC_CURVE: &Curve = &[
    (0.0, 0.0), (0.27, 0.02), (0.408, ANSWERABLE), (0.55, 0.55), (0.65, 0.72), (0.75, 0.77), (0.85, 0.84),
    (0.95, 0.93), (1.15, 0.97), (1.85, 1.0),
];
/// Scores that a transformer has a share in, its cosines counted as all-MiniLM-L6-v2's.
#[rustfmt::skip]
const TRANSFORMER_CURVE: &Curve = &[
    (0.0, 0.0), (0.25, 0.03), (0.414, ANSWERABLE), (0.475, 0.5), (0.525, 0.6), (0.575, 0.71), (0.625, 0.8), (0.725, 0.89),
    (0.85, 0.95), (1.6, 1.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_rises_with_the_score_from_zero_to_one() {
        for curve in [LATIN_CURVE, OTHER_CURVE, STATIC_CURVE, TRANSFORMER_CURVE] {
            let scoring = Scoring {
                lexical_weight: 0.5,
                curve,
                unit: Unit::OWN,
            };
            assert!(
                curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1),
                "{curve:?}"
            );
            assert_eq!(scoring.similarity(curve[2].0), ANSWERABLE);
            let all: Vec<f32> = (-200..400)
                .map(|score| scoring.similarity(score as f32 / 100.0))
                .collect();
            assert!(all.is_sorted());
            assert_eq!((all[0], all[599]), (0.0, 1.0));
        }
    }

    #[test]
    fn cosines_count_in_the_deviations_of_unrelated_texts() {
        let question = Shown {
            has_vector: true,
            words: 60.0,
            latin: true,
            other_latin_language: false,
        };
        let plain = Fusion::transformer().scoring(&question);
        // Unrelated texts at .7, with half of the deviation.
        let high = Unrelated {
            mean: 0.7,
            deviation: MINILM.deviation / 2.0,
        };
        let high = Fusion::transformer().calibrated(high).scoring(&question);
        for (cosine, same) in [(MINILM.mean, 0.7), (MINILM.mean + 0.4, 0.9)] {
            let (expected, got) = (plain.score(0.3, cosine), high.score(0.3, same));
            assert!((expected - got).abs() < 1e-6, "{got} is not {expected}");
        }
        assert_eq!(high.score(0.3, f32::NAN), 0.3);
        let same = Fusion::transformer_english().calibrated(MINILM);
        assert_eq!(same.scoring(&question).score(0.3, 0.5), 0.4);
    }

    #[test]
    fn words_weigh_less_where_passages_are_phrases() {
        let weights = [1.0, 5.0, 12.5, 20.0, 200.0].map(|words| STATIC_WEIGHT.at(words));
        assert_eq!(weights, [0.35, 0.35, 0.5, 0.65, 0.65]);
    }

    #[test]
    fn a_vector_counts_where_the_embedder_knows_the_language() {
        let question = |has_vector, latin, other_latin_language| Shown {
            has_vector,
            words: 60.0,
            latin,
            other_latin_language,
        };
        let weighs = |fusion: Fusion, question| fusion.scoring(&question).weighs_vectors();
        assert!(weighs(
            Fusion::static_english(),
            question(true, true, false)
        ));
        assert!(!weighs(
            Fusion::static_english(),
            question(true, true, true)
        ));
        assert!(!weighs(
            Fusion::static_english(),
            question(false, true, false)
        ));
        assert!(weighs(Fusion::transformer(), question(true, true, true)));
        let english = Fusion::transformer_english();
        assert!(weighs(english, question(true, true, false)));
        assert!(!weighs(english, question(true, true, true)));
        assert!(!weighs(Fusion::lexical_only(), question(true, true, false)));
    }
}
