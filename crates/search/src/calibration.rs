//! What an embedder's cosines are worth, measured on texts that have nothing to do with each other.
//!
//! Embedders differ in where their cosines lie. all-MiniLM-L6-v2 gives unrelated texts about 0, the E5 models .7 and more;
//! both put what belongs together above that. A weight and a threshold fitted for one mean nothing for another, unless
//! cosines are counted in the same unit: how many deviations one lies above the mean of unrelated texts.
//!
//! The texts are [`QUESTIONS`] and [`PASSAGES`], each on a subject of its own. Whoever has an embedder embeds both, has
//! the [`Unrelated`] measured, and gives it to [`Fusion::calibrated`](crate::Fusion::calibrated).

/// The cosines of questions and passages that have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unrelated {
    /// Their mean.
    pub mean: f32,
    /// Their standard deviation, above zero.
    pub deviation: f32,
}

/// all-MiniLM-L6-v2's, on whose scale the fusion's weights and curves are.
pub(crate) const MINILM: Unrelated = Unrelated {
    mean: 0.033,
    deviation: 0.080,
};

/// The least deviation. Embedders are at .02 and above; one that says the same of everything tells nothing apart, and
/// what little its cosines differ is rounding.
const LEAST_DEVIATION: f32 = 0.002;

impl Unrelated {
    /// Measures the vectors of [`QUESTIONS`] and of [`PASSAGES`], each in their order: every question against every
    /// passage but its own. Vectors have length 1, or are all zeros. `None` where they tell nothing apart.
    ///
    /// # Panics
    /// Where there are not as many vectors as texts.
    pub fn measure(questions: &[Vec<f32>], passages: &[Vec<f32>]) -> Option<Self> {
        assert_eq!((questions.len(), passages.len()), (SUBJECTS, SUBJECTS));
        let mut cosines = Vec::with_capacity(SUBJECTS * (SUBJECTS - 1));
        for (at, question) in questions.iter().enumerate() {
            for (other, passage) in passages.iter().enumerate() {
                if at != other {
                    let products = question.iter().zip(passage);
                    cosines.push(products.map(|(a, b)| f64::from(a * b)).sum::<f64>());
                }
            }
        }
        let count = cosines.len() as f64;
        let mean = cosines.iter().sum::<f64>() / count;
        let squares = cosines.iter().map(|cosine| (cosine - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt() as f32;
        // Also where they are no numbers.
        (deviation >= LEAST_DEVIATION).then_some(Self {
            mean: mean as f32,
            deviation,
        })
    }
}

/// How many subjects there are: enough that another choice of them moves mean and deviation by .006 or so, all-MiniLM-L6-v2's
/// as well as the built-in model's (drawn at random, halves at a time).
pub const SUBJECTS: usize = 32;

/// A question on each subject.
#[rustfmt::skip]
pub const QUESTIONS: [&str; SUBJECTS] = [
    "How do I reset my password?",
    "When will my parcel arrive?",
    "What should I feed a kitten?",
    "Is breakfast included in the room rate?",
    "How long does concrete take to cure?",
    "Who can borrow books from the library?",
    "Why does my sourdough not rise?",
    "Which documents do I need for a visa?",
    "What causes ocean tides?",
    "Can I change the tyres on my bicycle myself?",
    "How are dividends taxed?",
    "How much sleep do teenagers need?",
    "What is the warranty on the washing machine?",
    "How do I tune a violin?",
    "When was the printing press invented?",
    "How do I treat mildew on roses?",
    "Does the app work offline?",
    "How many players are in a volleyball team?",
    "What does a heat pump cost to run?",
    "How do I cancel my gym membership?",
    "What is photosynthesis?",
    "Where do I register a newborn child?",
    "Why is my soup too salty, and what helps?",
    "How do I connect the printer to Wi-Fi?",
    "How high is the fine for parking on a pavement?",
    "What were the causes of the French Revolution?",
    "How do I become a blood donor?",
    "How do I delete a row in a spreadsheet?",
    "Which paint is right for a bathroom?",
    "How does a mortgage with a fixed rate work?",
    "At what age do children lose their milk teeth?",
    "How do I file a complaint about an airline?",
];

/// A passage on each subject, in the order of the questions.
#[rustfmt::skip]
pub const PASSAGES: [&str; SUBJECTS] = [
    "Choose \"Forgot password\" on the sign-in page and enter your e-mail address. We send a link that lets you \
        set a new one; it is valid for an hour.",
    "Orders leave our warehouse within one working day. Delivery then takes two to four days, and a message with \
        a tracking number tells you when the courier has the package.",
    "Young cats grow fast and need food rich in protein several times a day. Cow's milk upsets their stomachs; \
        fresh water should always be there.",
    "Guests are served a buffet from seven to ten in the dining hall on the ground floor. It comes with every \
        booking except those marked as lodging only.",
    "The mixture hardens within a day but reaches its full strength only after about four weeks. Keep the slab \
        moist at first, so that it does not crack.",
    "Anyone who lives in the district gets a reader's card free of charge. Up to ten volumes may be taken home \
        for three weeks.",
    "A starter that was kept cold is slow. Feed it with flour and lukewarm water twice, until it doubles, and let \
        the dough stand in a warm place overnight.",
    "Applicants hand in a passport with two empty pages, a photograph, proof of income and an invitation. The \
        embassy decides within fifteen days.",
    "The gravity of the moon pulls the water of the seas towards it, and the sun adds its share. Coasts see high \
        water about every twelve and a half hours.",
    "Take the wheel out, press the old rubber off the rim with two levers and check the tape. Put the new one on \
        by hand, inflate it a little and see that it sits evenly.",
    "Shareholders pay a flat rate on what companies distribute, which the bank withholds. An allowance can be \
        claimed with the yearly return.",
    "Doctors advise eight to ten hours a night between thirteen and eighteen. Too little of it harms memory, mood \
        and growth.",
    "Faults of material and manufacture are repaired without charge for three years from purchase. Damage by lime \
        or by the wrong detergent is not covered.",
    "Begin with the A string and compare it with a fork. Turn the peg a little while you press it in, and use the \
        fine tuners near the bridge for the rest.",
    "Around 1450 a goldsmith in Mainz cast movable metal type and adapted a wine press to print pages. Within \
        decades there were workshops in every large city of Europe.",
    "Cut off leaves with a white coating and burn them. Spray the rest with a mixture of milk and water in the \
        morning, and prune the shrub so that air gets in.",
    "Maps that were downloaded before stay usable without a connection. Traffic and search for places need mobile \
        data.",
    "Six stand on each side of the net, three in front and three behind. They rotate clockwise whenever they win \
        back the serve.",
    "For each unit of electricity it brings three or four of warmth from the ground or the air. An average house \
        spends less on it than on gas.",
    "Contracts end at the close of a month if we have your notice in writing four weeks before. Bring the key of \
        your locker to the front desk.",
    "Green leaves use sunlight to make sugar of carbon dioxide and water. Oxygen is set free on the way; all \
        animals live on what is left over.",
    "Parents go to the civil registry of the town of birth within a week and show their identity cards. The clerk \
        issues the certificate at once.",
    "Thin it with unsalted stock or cook a peeled potato in it for a quarter of an hour. A spoonful of cream \
        softens the taste as well.",
    "Hold the wireless button until the blue lamp blinks, then pick the network on the display and type its key. \
        Windows finds the device by itself afterwards.",
    "Whoever leaves a vehicle where people walk pays fifty-five, or seventy if somebody is obstructed. The car \
        may be towed.",
    "The crown was bankrupt, bread was dear after bad harvests, and nobles and clergy paid hardly any tax. The \
        third estate demanded a say and formed an assembly of its own.",
    "Healthy adults above fifty kilograms can give half a litre every two or three months. Eat and drink \
        beforehand and come with an identity card.",
    "Click the number at its left edge with the right mouse button and choose the command to remove it. Formulas \
        that refer to its cells show an error.",
    "Moist walls want a coating that lets vapour through and resists mould, such as silicate. Ordinary emulsion \
        blisters above a shower.",
    "The bank lends the price of the house against its title, and the interest stays the same for ten or fifteen \
        years. Each instalment pays back a little of the debt.",
    "The first ones loosen at about six, usually the lower incisors. By twelve or thirteen all have been \
        replaced.",
    "Write to the carrier with your ticket and the boarding pass first. If it doesn't answer within six weeks, \
        the arbitration board takes up delayed and cancelled flights.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_measured_against_every_passage_but_its_own() {
        // Each text has a number of its own, and questions share one that passages have half of.
        let vector = |at: usize, shared: f32| {
            let mut vector = vec![0.0; SUBJECTS + 1];
            vector[at] = (1.0 - shared * shared).sqrt();
            vector[SUBJECTS] = shared;
            vector
        };
        let vectors =
            |shared: f32| -> Vec<Vec<f32>> { (0..SUBJECTS).map(|at| vector(at, shared)).collect() };
        assert_eq!(Unrelated::measure(&vectors(0.8), &vectors(0.5)), None);
        let mut passages = vectors(0.5);
        passages[0][SUBJECTS] = -0.5;
        let unrelated = Unrelated::measure(&vectors(0.8), &passages).expect("they differ");
        // A passage of 32 has a cosine of -.4, all others one of .4.
        assert!((unrelated.mean - 0.375).abs() < 1e-6, "{unrelated:?}");
        assert!((unrelated.deviation - 0.139).abs() < 1e-3, "{unrelated:?}");
    }

    #[test]
    fn vectors_that_are_all_the_same_or_no_numbers_tell_nothing() {
        for value in [0.0, 0.5, f32::NAN] {
            let vectors = vec![vec![value; 4]; SUBJECTS];
            assert_eq!(Unrelated::measure(&vectors, &vectors), None);
        }
    }
}
