//! Korean without a dictionary: particles and predicate endings are cut off a word by rule.

/// The stem of a run of Hangul, or `None` where the word says nothing about what a passage is about.
///
/// Endings are cut until none is left, so "고양이", "고양이를" and "고양이에게만" meet at the same stem even where a
/// rule cuts a syllable that belongs to the noun. Two syllables are always left, except that a single one stays
/// where a two-syllable word ends in a particle that hardly ever ends a noun ("돈을").
pub(super) fn stem(word: &str) -> Option<&str> {
    if EMPTY_WORDS.contains(&word) {
        return None;
    }
    let mut stem = word;
    while let Some(shorter) = without_ending(stem) {
        stem = shorter;
    }
    if syllables(stem) == 2
        && let Some(noun) = strip_any(stem, PLAIN_PARTICLES)
    {
        return Some(noun);
    }
    Some(stem)
}

fn without_ending(word: &str) -> Option<&str> {
    ENDINGS
        .iter()
        .filter_map(|ending| word.strip_suffix(ending))
        .filter(|left| syllables(left) >= 2)
        .min_by_key(|left| left.len())
}

fn strip_any<'a>(word: &'a str, endings: &[&str]) -> Option<&'a str> {
    endings.iter().find_map(|ending| word.strip_suffix(ending))
}

/// Every syllable of composed Hangul takes three bytes.
fn syllables(word: &str) -> usize {
    word.len() / 3
}

/// Particles that leave a one-syllable noun when cut off a two-syllable word.
const PLAIN_PARTICLES: &[&str] = &["은", "는", "을", "를", "에", "와", "과", "의", "도", "로"];

/// Question words, light verbs and bound nouns.
const EMPTY_WORDS: &[&str] = &[
    "무엇",
    "무엇이",
    "무엇을",
    "무엇인가",
    "무엇인가요",
    "무엇입니까",
    "무엇인지",
    "뭐",
    "뭐가",
    "뭐야",
    "뭔가요",
    "어떤",
    "어떻게",
    "어떠한",
    "언제",
    "언제인가",
    "언제인가요",
    "언제입니까",
    "어디",
    "어디서",
    "어디에",
    "어디에서",
    "어디인가",
    "어디인가요",
    "어디입니까",
    "누구",
    "누가",
    "누구인가",
    "누구인가요",
    "왜",
    "몇",
    "얼마나",
    "어느",
    "무슨",
    "있나요",
    "있습니까",
    "있습니다",
    "있는",
    "있는가",
    "있어",
    "있어요",
    "있을",
    "있다",
    "없나요",
    "하는",
    "하나요",
    "합니까",
    "합니다",
    "해야",
    "하면",
    "되나요",
    "됩니까",
    "됩니다",
    "되는",
    "수",
    "것",
    "것은",
    "것을",
    "것이",
    "것인가",
    "때",
    "및",
    "등",
    "그",
    "이",
    "저",
    "좀",
];

/// Particles and predicate endings.
const ENDINGS: &[&str] = &[
    // Particles after nouns.
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "도",
    "만",
    "와",
    "과",
    "로",
    "으로",
    "에서",
    "에게",
    "에게서",
    "한테",
    "한테서",
    "께",
    "께서",
    "까지",
    "부터",
    "마다",
    "마저",
    "조차",
    "밖에",
    "보다",
    "처럼",
    "같이",
    "만큼",
    "대로",
    "하고",
    "이랑",
    "랑",
    "이나",
    "나",
    "이며",
    "며",
    "이란",
    "란",
    "라는",
    "이라는",
    "라고",
    "이라고",
    "로서",
    "으로서",
    "로써",
    "으로써",
    "라도",
    "이라도",
    "라면",
    "이라면",
    "야",
    "이야",
    "들",
    "요",
    "이고",
    "씩",
    "쯤",
    // The copula and its questions.
    "입니다",
    "입니까",
    "인가",
    "인가요",
    "인지",
    "이다",
    "였다",
    "이었다",
    "이었던",
    "였던",
    "인",
    "일까",
    "일까요",
    "이에요",
    "예요",
    "이었나",
    "였나",
    "이었는가",
    "였는가",
    // Verbs made of a noun and 하다 or 되다.
    "하",
    "되",
    "하다",
    "한다",
    "한",
    "할",
    "함",
    "해",
    "했",
    "하여",
    "하였",
    "해서",
    "해야",
    "하면",
    "하지",
    "하기",
    "하게",
    "하는",
    "하고",
    "하며",
    "하도록",
    "하려면",
    "하려고",
    "합니다",
    "합니까",
    "하나요",
    "하시",
    "하세요",
    "할까",
    "할까요",
    "하니",
    "되다",
    "된다",
    "된",
    "될",
    "됨",
    "돼",
    "됐",
    "되어",
    "되었",
    "되면",
    "되지",
    "되기",
    "되게",
    "되는",
    "되고",
    "되며",
    "되도록",
    "됩니다",
    "됩니까",
    "되나요",
    "될까",
    "될까요",
    "시키",
    "시킨",
    "시킬",
    "시켰",
    // Endings of other predicates.
    "습니다",
    "습니까",
    "었습니다",
    "았습니다",
    "는가",
    "는가요",
    "는지",
    "은가",
    "은지",
    "나요",
    "까요",
    "을까",
    "을까요",
    "어요",
    "아요",
    "세요",
    "으세요",
    "던",
    "었던",
    "았던",
    "었",
    "았",
    "였",
    "었다",
    "았다",
    "었나",
    "았나",
    "었는가",
    "았는가",
    "는다",
    "다",
    "지만",
    "으며",
    "면서",
    "으면",
    "면",
    "려면",
    "으려면",
    "려고",
    "으려고",
    "도록",
    "어서",
    "아서",
    "니까",
    "은데",
    "는데",
    "네요",
    "죠",
    "지요",
    "니",
    "냐",
    "고",
    "지",
    "게",
    "기",
];

#[cfg(test)]
mod tests {
    use super::stem;

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
    }

    #[test]
    fn question_words_are_dropped() {
        check(&["어떻게", "무엇인가요", "언제", "수"], None);
    }
}
