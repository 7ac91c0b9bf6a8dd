//! Which of a few passages hold what a text says, told without an index.
//!
//! An index pays where many questions are asked of many passages. Here one text is compared with a handful, once an
//! answer, so the words of the passages are only looked for among those of the text: most are passed over before they
//! are stemmed.

use crate::analysis::{Evidence, Language, Leg, Scratch, Script, for_each_token, token_terms};
use crate::hash::{TermMap, term_id};
use crate::index::plan::{B, K1, idf};

/// Passages among which a word's rarity is told at least: of two, one that has a word would make it common.
const HANDFUL: usize = 8;

/// How much of the words of `text` each of `passages` holds: 0 none; about 1 where a passage of average length holds
/// all. A word weighs the more, the fewer of the passages have it; stop words weigh nothing.
pub fn coverage(text: &str, passages: &[&str]) -> Vec<f32> {
    let said = Said::of(text);
    if said.terms.is_empty() {
        return vec![0.0; passages.len()];
    }
    let mut scratch = Scratch::default();
    let mut having = vec![0; said.terms.len()];
    let mut held = Vec::with_capacity(passages.len());
    for passage in passages {
        let (terms, length) = said.held_by(passage, &mut scratch);
        terms.iter().for_each(|term| having[*term as usize] += 1);
        held.push((terms, length));
    }
    let among = passages.len().max(HANDFUL);
    let weights: Vec<f32> = having.iter().map(|having| idf(among, *having)).collect();
    let most: f32 = weights.iter().sum();
    let average = held.iter().map(|(_, length)| *length as f32).sum::<f32>() / held.len() as f32;
    let covered = |(terms, length): &(Vec<u32>, u32)| {
        let held: f32 = terms.iter().map(|term| weights[*term as usize]).sum();
        let length = *length as f32 / average.max(1.0);
        // What one occurrence earns by BM25: as much less as the passage is longer.
        (K1 + 1.0) / (1.0 + K1 * (1.0 - B + B * length)) * held / most
    };
    held.iter().map(covered).collect()
}

/// The words of a text, to be looked for in passages.
struct Said {
    language: Language,
    /// The number of each term.
    terms: TermMap<u32>,
    /// How its words in ASCII begin. A word that begins otherwise has another stem.
    beginnings: Vec<[u8; 2]>,
}

impl Said {
    fn of(text: &str) -> Self {
        let mut evidence = Evidence::default();
        evidence.read(text);
        let language = evidence.language().unwrap_or(Language::English);
        let mut said = Self {
            language,
            terms: TermMap::default(),
            beginnings: Vec::new(),
        };
        let mut scratch = Scratch::default();
        for_each_token(text, |script, token| {
            if let Some(beginning) = beginning(token)
                && !said.beginnings.contains(&beginning)
            {
                said.beginnings.push(beginning);
            }
            terms_of((script, language), token, &mut scratch, |id| {
                let number = said.terms.len() as u32;
                said.terms.entry(id).or_insert(number);
            });
        });
        said
    }

    /// The terms that a passage has, each once, and its words.
    fn held_by(&self, passage: &str, scratch: &mut Scratch) -> (Vec<u32>, u32) {
        let (mut held, mut length) = (Vec::new(), 0);
        for_each_token(passage, |script, token| {
            length += 1;
            if beginning(token).is_some_and(|beginning| !self.beginnings.contains(&beginning)) {
                return;
            }
            terms_of((script, self.language), token, scratch, |id| {
                if let Some(&number) = self.terms.get(&id)
                    && !held.contains(&number)
                {
                    held.push(number);
                }
            });
        });
        (held, length)
    }
}

/// The first two bytes of a word that is longer and begins in ASCII: no stemmer touches those.
fn beginning(token: &str) -> Option<[u8; 2]> {
    let beginning = *token.as_bytes().first_chunk::<2>()?;
    beginning.is_ascii().then_some(beginning)
}

/// The terms by which a token is known again: its stem, and for Korean, whose endings no stemmer knows all of, its
/// pieces too.
fn terms_of(
    (script, language): (Script, Language),
    token: &str,
    scratch: &mut Scratch,
    mut each: impl FnMut(u64),
) {
    token_terms((script, language), token, scratch, &mut |leg, term| {
        if leg == Leg::Words || script == Script::Hangul {
            each(term_id(leg, term));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The passages by how much they hold of the text, those that hold nothing left out.
    fn check(text: &str, passages: &[&str], expected: &[usize]) {
        let covered = coverage(text, passages);
        assert_eq!(covered.len(), passages.len());
        let mut order: Vec<usize> = (0..covered.len()).filter(|at| covered[*at] > 0.0).collect();
        order.sort_by(|a, b| covered[*b].total_cmp(&covered[*a]));
        assert_eq!(order, expected, "{text}: {covered:?}");
    }

    #[test]
    fn passages_are_told_by_the_words_that_few_of_them_have() {
        let passages = [
            "The teapot is washed with cold water.",
            "A teapot is never washed with soap.",
            "Delivery of a teapot takes three days.",
        ];
        check("Soap never!", &passages, &[1]);
        check("It was delivered after three days.", &passages, &[2]);
        check("Washing teapots in water", &passages, &[0, 1, 2]);
        check("Is it with the?", &passages, &[]);
        check("", &passages, &[]);
        check("teapot", &[], &[]);
        check("teapot", &["", "…"], &[]);
    }

    #[test]
    fn words_are_found_in_other_scripts_and_forms() {
        let passages = [
            "반품은 배송 후 14일 이내에 가능합니다.",
            "返品は三十日以内に行います。",
            "Les commandes étaient livrées.",
        ];
        check("14일 이내에 반품하실 수 있습니다", &passages, &[0]);
        check("返品できますか", &passages, &[1]);
        check("La commande était livrée", &passages, &[2]);
    }

    #[test]
    fn of_two_that_hold_the_same_the_shorter_holds_more_of_it() {
        let long =
            "Refunds take three days, and much else is said here that nobody asked about at all.";
        check(
            "three days for refunds",
            &[long, "Refunds take three days."],
            &[1, 0],
        );
        let whole = coverage(
            "Refunds take three days.",
            &["Refunds take three days.", "Soap costs two coins."],
        )[0];
        assert!((whole - 1.0).abs() < 1e-6, "{whole}");
    }
}
