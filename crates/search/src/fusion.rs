//! How the lexical score and the cosine make one score, and what that score means.

/// Weighs the lexical score against an embedder's cosine and reads the sum as a probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    lexical_weight: f32,
    calibration: Calibration,
}

/// A logistic curve.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Calibration {
    slope: f32,
    /// The score that means even odds.
    midpoint: f32,
}

impl Fusion {
    /// No embedder, or one that doesn't know the question's language.
    pub const fn lexical_only() -> Self {
        Self {
            lexical_weight: 1.0,
            calibration: Calibration {
                slope: 10.0,
                midpoint: 0.4,
            },
        }
    }

    /// The built-in static embedder, for questions in English.
    pub const fn static_english() -> Self {
        Self {
            lexical_weight: 0.6,
            calibration: Calibration {
                slope: 10.0,
                midpoint: 0.4,
            },
        }
    }

    /// A sentence transformer of the all-MiniLM-L6-v2 class.
    pub const fn transformer() -> Self {
        Self {
            lexical_weight: 0.5,
            calibration: Calibration {
                slope: 10.0,
                midpoint: 0.4,
            },
        }
    }

    /// The score that passages are ranked by. A passage without a cosine is ranked by its lexical score alone.
    #[inline]
    pub(crate) fn score(&self, lexical: f32, cosine: Option<f32>) -> f32 {
        match cosine {
            Some(cosine) => self.lexical_weight * lexical + (1.0 - self.lexical_weight) * cosine,
            None => lexical,
        }
    }

    /// The probability that a passage of this score is the right one.
    pub(crate) fn similarity(&self, score: f32) -> f32 {
        let Calibration { slope, midpoint } = self.calibration;
        1.0 / (1.0 + (-slope * (score - midpoint)).exp())
    }

    /// The similarity below which a question had better be refused.
    pub fn answer_threshold(&self) -> f32 {
        self.similarity(self.calibration.midpoint)
    }
}
