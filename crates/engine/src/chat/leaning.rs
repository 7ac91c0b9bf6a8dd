//! Whether a question can be understood without what was said before. Pure, and without a model: it is asked of
//! every question of a conversation, and most stand on their own.

use okra_search::telling_words;

/// How much of a question's sense lies in what was said before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaning {
    /// It stands on its own.
    Alone,
    /// It is so short that it may take its subject from before: "How much is the deposit?"
    Perhaps,
    /// It points at something, or goes on: "And on Sundays?", "그건 얼마예요?"
    Surely,
}

/// Tells by pointing words, by how the question begins and ends, and by how little it says. Written for English and
/// Korean; questions in other languages are told by a few words and by their length.
pub(super) fn leaning(question: &str) -> Leaning {
    let lower = question.to_lowercase();
    let words: Vec<&str> = words(&lower).collect();
    let telling = telling(question);
    if is_hangul(&lower) {
        return match points_in_korean(&words) {
            true => Leaning::Surely,
            false => by_length(telling.len()),
        };
    }
    if lower.chars().any(is_unspaced) {
        let points = UNSPACED.iter().any(|word| lower.starts_with(word)) || lower.contains("呢");
        let letters = lower.chars().filter(|c| c.is_alphanumeric()).count();
        return match (points, letters) {
            (true, _) => Leaning::Surely,
            (_, ..=6) => Leaning::Perhaps,
            _ => Leaning::Alone,
        };
    }
    let goes_on = begins(&words, OPENERS) || begins(&words, FOREIGN_OPENERS);
    // What says this much says it all, however it begins: "And where do I find the invoice of my last order?"
    if goes_on && telling.len() < SAYS_ALL || points_in_english(&words) {
        return Leaning::Surely;
    }
    by_length(telling.len())
}

/// A question of as many telling words needs nothing from before, though it may begin with "and".
const SAYS_ALL: usize = 4;
/// Telling words of a question that may take its subject from before, at most.
const FEW: usize = 2;

fn by_length(telling: usize) -> Leaning {
    match telling {
        0 => Leaning::Surely,
        1..=FEW => Leaning::Perhaps,
        _ => Leaning::Alone,
    }
}

/// What a question says by itself: words that many questions share, whatever they are about, do not count.
pub(crate) fn telling(question: &str) -> Vec<String> {
    let mut words = telling_words(question);
    words.retain(|word| !LIGHT.contains(&word.as_str()));
    words
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    let pieces = text.split(move |c| !inner(c));
    pieces.filter(|piece| !piece.is_empty())
}

fn begins(words: &[&str], openers: &[&str]) -> bool {
    openers.iter().any(|opener| {
        let mut opener = opener.split(' ').zip(0..);
        opener.all(|(word, at)| words.get(at).is_some_and(|it| *it == word))
    })
}

/// How questions begin that go on from what was said.
#[rustfmt::skip]
const OPENERS: &[&str] = &[
    "and", "or", "but", "also", "then", "so", "otherwise", "same", "what about", "how about",
    "what if", "which one", "which ones", "in that case", "why not", "how so", "ok and", "okay and",
    "ok but", "yes and", "yes but", "no but", "only",
];

/// The same in a few other languages.
#[rustfmt::skip]
const FOREIGN_OPENERS: &[&str] = &[
    "und", "aber", "oder", "dann", "was ist mit", "wie ist es mit", "et", "mais", "alors",
    "qu'en est-il", "y", "pero", "entonces", "e", "ma", "allora", "а", "и", "но",
];

/// Chinese and Japanese questions that point.
#[rustfmt::skip]
const UNSPACED: &[&str] = &[
    "那", "它", "这个", "那个", "这些", "那些", "還有", "还有", "それ", "その", "では", "じゃあ", "あれ", "これ", "ほか", "他に",
];

/// Words that point at something said before, unless the question itself has named it.
#[rustfmt::skip]
const POINTING: &[&str] = &[
    "it", "its", "it's", "they", "them", "their", "theirs", "he", "him", "his", "she", "her",
    "this", "that", "that's", "these", "those", "there", "ones",
];

/// Ends of questions that go on from what was said.
const ENDS: &[&[&str]] = &[
    &["too"],
    &["as", "well"],
    &["either"],
    &["instead"],
    &["else"],
    &["then"],
    &["after"],
    &["before"],
    &["afterwards"],
];

fn points_in_english(words: &[&str]) -> bool {
    if ENDS.iter().any(|end| words.ends_with(end)) && words.len() > 1 {
        return true;
    }
    (0..words.len()).any(|at| POINTING.contains(&words[at]) && !is_bound(words, at))
}

/// Whether the pointing word at this place points at nothing, or at something within the question.
fn is_bound(words: &[&str], at: usize) -> bool {
    let before = &words[..at];
    let next = words.get(at + 1).copied().unwrap_or_default();
    let last = before.last().copied().unwrap_or_default();
    let to = |words: &[&str]| words.iter().take(3).any(|word| *word == "to");
    let be = |word: &str| matches!(word, "is" | "are" | "was" | "were" | "isn't" | "aren't");
    match words[at] {
        // "Is there a shop in Busan?"
        "there" if be(last) || be(next) => return true,
        // "Is it possible to …?"
        "it" if be(last) && words.get(at + 2) == Some(&"to") => return true,
        // "What does it cost to …?"
        "it" if matches!(next, "take" | "takes" | "cost" | "costs") && to(&words[at + 1..]) => {
            return true;
        }
        // "jackets that keep the rain out", "the tent that I ordered"
        "that" if names(last) && !next.is_empty() => return true,
        // "so that", "is it true that"
        "that" if matches!(last, "so" | "true" | "sure") => return true,
        _ => {}
    }
    // "My tent arrived and its pole is broken": named before it was pointed at.
    before.iter().filter(|word| names(word)).count() >= 2
}

/// Whether a word names something.
fn names(word: &str) -> bool {
    !telling(word).is_empty()
}

/// Stems of words that tell nothing of what a question is about, beside those that no search heeds.
#[rustfmt::skip]
const LIGHT: &[&str] = &[
    "long", "much", "mani", "often", "far", "soon", "fast", "get", "got", "need", "want", "like",
    "possibl", "pleas", "ok", "okay", "yes", "no", "not", "also", "too", "well", "instead", "els",
    "then", "take", "happen", "noth", "someth", "anyth", "thing", "one", "mean", "know", "tell",
    "see", "go", "make", "use", "just", "still", "alreadi", "actual", "may", "might", "must", "am",
    "i'm", "let", "say", "now", "hi", "hello", "thank", "며칠", "얼마나", "얼마", "몇", "무슨", "뭘", "뭐", "안",
    "못", "수", "혹시", "그럼",
];

fn is_hangul(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{ac00}'..='\u{d7a3}'))
}

fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
}

/// How Korean questions begin that go on from what was said.
#[rustfmt::skip]
const KOREAN_OPENERS: &[&str] = &[
    "그럼", "그럼요", "그러면", "그리고", "그래도", "그렇다면", "그래서", "그런데도", "아니면", "그중", "그중에", "그중에서", "나머지는",
    "둘", "또", "그",
];

/// Words that point, with whatever particle follows them.
#[rustfmt::skip]
const KOREAN_POINTING: &[&str] = &[
    "그거", "그걸", "그건", "그게", "그것", "이거", "이걸", "이건", "이게", "이것", "저거", "저걸", "저건", "저게", "저것", "거기",
    "그때", "그날", "그곳", "그쪽", "그런", "그렇게",
];

/// Particles before a 요 that ends a question without a verb: "일요일은요?"
#[rustfmt::skip]
const KOREAN_ELLIPSES: &[&str] = &[
    "은요", "는요", "도요", "면요", "까지요", "부터요", "에서요", "으로요", "만요", "랑요", "한테요", "에게요", "마다요",
];

fn points_in_korean(words: &[&str]) -> bool {
    let Some((first, last)) = words.first().zip(words.last()) else {
        return false;
    };
    // A determiner points wherever it stands: "언제 그 번호가 와요?"
    let determined = |word: &&str| matches!(*word, "그" | "이" | "저런" | "이런" | "그런");
    let points = |word: &&str| KOREAN_POINTING.iter().any(|it| word.starts_with(it));
    let short = words.len() <= 2;
    KOREAN_OPENERS.contains(first)
        || words.iter().any(|word| points(word) || determined(word))
        || KOREAN_ELLIPSES.iter().any(|end| last.ends_with(end))
        || short && (last.ends_with('은') || last.ends_with('는') || last.ends_with('도'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: Leaning, questions: &[&str]) {
        for question in questions {
            assert_eq!(leaning(question), expected, "{question}");
        }
    }

    #[test]
    fn questions_that_point_or_go_on_lean() {
        check(
            Leaning::Surely,
            &[
                "and how much is it?",
                "And on Sundays?",
                "What about jackets?",
                "Do they expire?",
                "How long do I have for that?",
                "By when?",
                "Why?",
                "In cash instead?",
                "Does it ship to Korea?",
                "그건 얼마예요?",
                "그럼 몇 시에 닫아요?",
                "일요일은요?",
                "텐트는?",
                "언제 그 번호가 와요?",
                "왜요?",
                "那个多少钱?",
                "運費呢?",
                "それはいくらですか?",
                "Und am Sonntag?",
            ],
        );
    }

    #[test]
    fn short_questions_may_lean() {
        check(
            Leaning::Perhaps,
            &[
                "How much is the deposit?",
                "Refunds?",
                "보증금은 얼마예요?",
                "환불은 언제 되나요?",
                "退款",
            ],
        );
    }

    #[test]
    fn whole_questions_stand_alone() {
        check(
            Leaning::Alone,
            &[
                "My tent arrived and its pole is broken, what can I do?",
                "What does it cost to have a tent delivered?",
                "Is it possible to cancel an order by phone?",
                "Do you have rain jackets that keep the wind out?",
                "And where do I find the tax invoice of my last order?",
                "Is there a camping shop in Busan?",
                "비밀번호를 잊어버렸는데 이메일 주소도 바뀌었어요",
                "텐트를 빌리려면 신분증을 가져가야 하나요?",
                "返品の送料はいくらかかりますか?",
            ],
        );
    }
}
