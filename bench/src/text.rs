//! Made-up text whose words are spread as in real text, the same in every run.
//!
//! Words are drawn by Zipf's law from 60,000; sentences, paragraphs and Korean endings are as long as in prose. Real
//! text would have to be shipped; text of random letters would make postings, and so searches, unlike any in use.

use anyhow::Result;
use okra_search::eval::{RetrievalSet, sets_folder};

/// The English texts of the judged sets in `OKRA_RETRIEVAL_SETS`, which are real; `None` where it names no folder.
pub fn judged_texts() -> Result<Option<Vec<String>>> {
    let Some(folder) = sets_folder() else {
        return Ok(None);
    };
    let mut texts = Vec::new();
    for name in ["squad_en", "faq_docs_en", "banking77_en"] {
        let set = RetrievalSet::load(&folder.join(name))?;
        texts.extend(set.corpus.into_iter().map(|it| it.text));
    }
    Ok(Some(texts))
}

/// What a vocabulary's words look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Korean,
}

/// Words in order of frequency.
pub struct Vocabulary {
    words: Vec<String>,
    endings: &'static [&'static str],
    stop: &'static str,
}

const WORDS: usize = 60_000;
/// The most frequent English words: they tell the language.
const ENGLISH: &str = "the of and to in a is that for it as was with be by on not he his but at are this have from or \
                       had an they which one you were all her she there would their we him been has when who will no \
                       more if out so up said what its about than into them can only other time new some could these";
const KOREAN: &str = "이 그 수 것 등 더 및 한 할 때 있는 있습니다 대한 위해 통해";

impl Vocabulary {
    /// The vocabulary of a language.
    pub fn new(language: Language) -> Self {
        let mut random = Random(42);
        let first = match language {
            Language::English => ENGLISH,
            Language::Korean => KOREAN,
        };
        let mut words: Vec<String> = first.split_whitespace().map(str::to_owned).collect();
        while words.len() < WORDS {
            words.push(match language {
                Language::English => english_word(words.len(), &mut random),
                Language::Korean => korean_word(&mut random),
            });
        }
        match language {
            Language::English => Self {
                words,
                endings: &["", "", "", "", "s", "ed", "ing", "tion", "ly", "er"],
                stop: ". ",
            },
            Language::Korean => Self {
                words,
                endings: &[
                    "", "은", "는", "이", "가", "을", "를", "에서", "으로", "의", "하는",
                ],
                stop: "합니다. ",
            },
        }
    }

    /// A sentence without its full stop, of about `characters`.
    pub fn phrase(&self, characters: usize, random: &mut Random) -> String {
        let mut text = String::new();
        let mut length = 0;
        while length < characters {
            let word = self.word(random);
            length += word.chars().count() + 1;
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word);
        }
        text
    }

    /// Prose of about `characters`: sentences of 40 to 160, paragraphs of about 600.
    pub fn prose(&self, characters: usize, random: &mut Random) -> String {
        let mut text = String::new();
        let (mut length, mut paragraph) = (0, 0);
        while length < characters {
            let sentence = self.phrase(40 + random.below(120), random) + self.stop;
            let size = sentence.chars().count();
            text.push_str(&sentence);
            length += size;
            paragraph += size;
            if paragraph > 600 {
                text.push_str("\n\n");
                paragraph = 0;
            }
        }
        text
    }

    fn word(&self, random: &mut Random) -> String {
        // The inverse of Zipf's distribution with exponent 1: ranks are even in their logarithm.
        let rank = (self.words.len() as f64).powf(random.fraction()) as usize - 1;
        let ending = match rank {
            0..100 => "",
            _ => random.pick(self.endings),
        };
        format!("{}{ending}", self.words[rank])
    }
}

fn english_word(rank: usize, random: &mut Random) -> String {
    let onsets = [
        "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "st", "tr", "pr", "ch",
        "sh", "pl", "",
    ];
    let nuclei = ["a", "e", "i", "o", "u", "ea", "io", "ou", "ai"];
    let codas = ["", "", "n", "r", "s", "t", "l", "m", "nd", "st", "ck"];
    let syllables = 1 + random.below(2) + rank.ilog2() as usize / 8;
    let syllable = |_| {
        [
            random.pick(&onsets),
            random.pick(&nuclei),
            random.pick(&codas),
        ]
        .concat()
    };
    (0..syllables).map(syllable).collect()
}

fn korean_word(random: &mut Random) -> String {
    let syllables = 2 + random.below(2);
    // Syllables are as uneven as words: squaring favours the first of some 900 in use.
    let syllable = |_| {
        let uneven = random.fraction().powi(2) * 900.0;
        char::from_u32(0xac00 + uneven as u32 * 12).unwrap_or('가')
    };
    (0..syllables).map(syllable).collect()
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// At least 0, less than 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// At least 0, less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.fraction() * end as f64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_repeatable_and_as_long_as_asked() {
        for language in [Language::English, Language::Korean] {
            let vocabulary = Vocabulary::new(language);
            let text = vocabulary.prose(5_000, &mut Random(7));
            assert_eq!(text, vocabulary.prose(5_000, &mut Random(7)));
            assert_ne!(text, vocabulary.prose(5_000, &mut Random(8)));
            assert!((5_000..5_300).contains(&text.chars().count()));
        }
    }
}
