//! Korean without a dictionary: particles and predicate endings are cut off a word by rule.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use crate::hash::{AlreadyHashed, hash};

/// The stem of a run of Hangul, or `None` where the word says nothing about what a passage is about.
///
/// Endings are cut until none is left, so "고양이", "고양이를" and "고양이에게만" meet at the same stem even where a
/// rule cuts a syllable that belongs to the noun. Two syllables are always left, except that a single one stays
/// where what follows hardly ever belongs to the stem ("돈을", "집에서").
pub(super) fn stem(word: &str) -> Option<&str> {
    if is_empty(word) {
        return None;
    }
    let mut stem = word;
    loop {
        if let Some(syllable) = without_clear_ending(stem) {
            return Some(syllable);
        }
        match without_ending(stem) {
            Some(shorter) => stem = shorter,
            None => return Some(stem),
        }
    }
}

/// Cuts the longest ending that leaves two syllables.
fn without_ending(word: &str) -> Option<&str> {
    (1..=LONGEST_ENDING).rev().find_map(|length| {
        let (left, ending) = word.split_at_checked(word.len().checked_sub(length * SYLLABLE)?)?;
        (syllables(left) >= 2 && is_ending(ending)).then_some(left)
    })
}

/// The single syllable before an ending that can hardly be part of the stem.
fn without_clear_ending(stem: &str) -> Option<&str> {
    let (syllable, ending) = stem.split_at_checked(SYLLABLE)?;
    CLEAR_ENDINGS.contains(&ending).then_some(syllable)
}

/// Whether a word is one of [`EMPTY_WORDS`], or an [`EMPTY_ROOTS`] with nothing but endings.
fn is_empty(word: &str) -> bool {
    EMPTY_WORDS.contains(&word)
        || EMPTY_ROOTS.iter().any(|root| {
            word.strip_prefix(root)
                .is_some_and(|rest| is_all_endings(rest, MOST_ENDINGS))
        })
}

/// Endings that follow one another in a word, at most.
const MOST_ENDINGS: usize = 3;

fn is_all_endings(rest: &str, most: usize) -> bool {
    rest.is_empty()
        || most > 0
            && (1..=LONGEST_ENDING).any(|length| {
                rest.split_at_checked(length * SYLLABLE)
                    .is_some_and(|(ending, rest)| {
                        is_ending(ending) && is_all_endings(rest, most - 1)
                    })
            })
}

/// Looked up several times for every new word, so hashed once.
fn is_ending(text: &str) -> bool {
    static HASHES: LazyLock<HashSet<u64, BuildHasherDefault<AlreadyHashed>>> =
        LazyLock::new(|| {
            ENDINGS
                .iter()
                .map(|ending| hash(0, ending.as_bytes()))
                .collect()
        });
    HASHES.contains(&hash(0, text.as_bytes()))
}

/// Syllables of the longest ending.
const LONGEST_ENDING: usize = 4;
/// Bytes of a syllable of composed Hangul.
const SYLLABLE: usize = 3;

fn syllables(word: &str) -> usize {
    word.len() / SYLLABLE
}

/// Endings that may leave a single syllable.
#[rustfmt::skip]
const CLEAR_ENDINGS: &[&str] = &[
    "은", "는", "을", "를", "에", "와", "과", "으로", "에서", "에게", "까지", "부터", "처럼", "으려면", "으면", "습니다",
    "습니까",
];

/// Light verbs, question words and words that point: empty in all their forms. Roots that also begin nouns together
/// with what looks like an ending are left out: 할 (할인, discount), 해 (해지, cancellation).
#[rustfmt::skip]
const EMPTY_ROOTS: &[&str] = &[
    "있", "않", "하", "했", "합", "되", "됐", "됩", "같", "싶",
    "무엇", "뭐", "뭘", "뭔", "어떠", "어떨", "어떤", "어떻게", "언제", "어디", "누구", "누가", "왜", "얼마", "얼마나", "어느",
    "무슨", "이것", "그것", "저것", "이거", "그거", "여기", "거기",
];

/// Particles after a word in other letters, bound nouns, pronouns, conjunctions and forms whose root doesn't qualify for [`EMPTY_ROOTS`].
#[rustfmt::skip]
const EMPTY_WORDS: &[&str] = &[
    "은", "는", "가", "을", "를", "의", "에", "와", "과", "로", "으로", "에서", "에게",
    "것", "거", "것은", "것을", "것이", "것인가", "것인가요", "것입니까", "수", "수가", "수도", "때", "중", "등", "및",
    "몇", "더", "좀", "이", "그", "저", "이런", "그런", "저런", "나", "나는", "내", "내가", "저는", "제", "제가",
    "또는", "또한", "그리고", "하지만", "그러나", "위해", "위한", "대한", "대해", "따라", "통해",
    "한", "할", "함", "하여", "해", "해도", "해서", "해야", "해요", "된", "될", "됨", "돼", "입니까", "인가요",
    "주세요", "해주세요", "알려줘", "알려주세요",
];

/// Particles and predicate endings.
#[rustfmt::skip]
const ENDINGS: &[&str] = &[
    // Particles after nouns.
    "은", "는", "이", "가", "을", "를", "의", "에", "도", "만", "와", "과", "로", "으로", "에서", "에게", "에게서",
    "한테", "한테서", "께", "께서", "까지", "부터", "마다", "마저", "조차", "밖에", "보다", "처럼", "같이", "만큼",
    "대로", "하고", "이랑", "랑", "이나", "나", "이며", "며", "이란", "란", "라는", "이라는", "라고", "이라고", "로서",
    "으로서", "로써", "으로써", "라도", "이라도", "라면", "이라면", "야", "이야", "들", "요", "이고", "씩", "쯤",
    // The copula and its questions.
    "입니다", "입니까", "인가", "인가요", "인지", "이다", "였다", "이었다", "이었던", "였던", "인", "일까", "일까요", "이에요",
    "예요", "이었나", "였나", "이었는가", "였는가",
    // Verbs made of a noun and 하다 or 되다.
    "하", "하다", "한다", "한", "할", "함", "해", "했", "하여", "하였", "해서", "해야", "하면", "하지", "하기", "하게",
    "하는", "하며", "하도록", "하려면", "하려고", "합니다", "합니까", "하나요", "하시", "하세요", "할까", "할까요", "하니",
    "되", "되다", "된다", "된", "될", "됨", "돼", "됐", "되어", "되었", "되면", "되지", "되기", "되게", "되는", "되고",
    "되며", "되도록", "됩니다", "됩니까", "되나요", "될까", "될까요", "시키", "시킨", "시킬", "시켰",
    // Endings of other predicates.
    "습니다", "습니까", "니다", "니까", "었습니다", "았습니다", "는가", "는가요", "는지", "은가", "은지", "나요", "까요",
    "을까", "을까요", "어요", "아요", "세요", "으세요", "던", "었던", "았던", "었", "았", "였", "었다", "았다", "었나",
    "았나", "었는가", "았는가", "는다", "다", "지만", "으며", "면서", "으면", "면", "려면", "으려면", "려고", "으려고",
    "도록", "어서", "아서", "은데", "는데", "네요", "죠", "지요", "니", "냐", "고", "지", "게", "기",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: Option<&str>) {
        for word in words {
            assert_eq!(stem(word), expected, "{word}");
        }
    }

    #[test]
    fn inflected_words_meet_at_one_stem() {
        check(
            &["데이터", "데이터를", "데이터로", "데이터에서는", "데이터만"],
            Some("데이터"),
        );
        check(
            &[
                "확인",
                "확인하는",
                "확인했습니다",
                "확인하려면",
                "확인되었는가",
            ],
            Some("확인"),
        );
        check(
            &["배송", "배송은", "배송이", "배송되나요", "배송입니다"],
            Some("배송"),
        );
        check(&["돈은", "돈을", "돈"], Some("돈"));
        check(&["환불받으려면", "환불받으면"], Some("환불받"));
    }

    #[test]
    fn nouns_that_look_inflected_keep_two_syllables() {
        check(&["할인", "할인은"], Some("할인"));
        check(&["해지", "해지하려면"], Some("해지"));
        check(&["휴가", "휴가는"], Some("휴가"));
        check(&["고양이", "고양이를", "고양이에게만"], Some("고양"));
    }

    #[test]
    fn words_without_meaning_are_dropped() {
        check(
            &[
                "어떻게",
                "무엇인가요",
                "언제까지",
                "수",
                "있습니까",
                "있나요",
                "하는",
                "됩니다",
            ],
            None,
        );
    }

    #[test]
    fn no_ending_is_longer_than_stated() {
        assert!(
            ENDINGS
                .iter()
                .all(|ending| syllables(ending) <= LONGEST_ENDING)
        );
    }

    #[test]
    fn any_run_of_hangul_has_an_end() {
        for word in [
            "가",
            "는",
            "은은은은은은은은",
            "가\u{301}는",
            "\u{1100}\u{1161}",
            "ᄀ",
            &"하".repeat(64),
            &"다".repeat(64),
        ] {
            stem(word);
        }
    }
}
