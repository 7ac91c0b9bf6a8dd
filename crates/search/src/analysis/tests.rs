//! What texts of many scripts are searched by.

use super::*;

/// The terms of a text in both legs, in the language it shows.
fn terms(text: &str) -> (Vec<String>, Vec<String>) {
    let mut evidence = Evidence::default();
    evidence.read(text);
    let language = evidence.language().unwrap_or(Language::English);
    let (mut words, mut grams) = (Vec::new(), Vec::new());
    let mut scratch = Scratch::default();
    for_each_token(text, |script, token| {
        token_terms(
            (script, language),
            token,
            &mut scratch,
            &mut |leg, term| match leg {
                Leg::Words => words.push(term.to_owned()),
                Leg::Grams => grams.push(term.to_owned()),
            },
        );
    });
    (words, grams)
}

fn check_words(text: &str, expected: &str) {
    assert_eq!(terms(text).0.join(" "), expected, "{text:?}");
}

fn check_grams(text: &str, expected: &str) {
    assert_eq!(terms(text).1.join(" "), expected, "{text:?}");
}

#[test]
fn english_words_are_lower_cased_stemmed_and_freed_of_stop_words() {
    check_words("How do I RETURN the shoes?", "return shoe");
    check_words(
        "the customer's orders weren't shipped",
        "custom order weren ship",
    );
    check_words("It’s the shop’s e-mail", "shop e mail");
    check_words("ﬁrst ＡＢＣ１２３", "first abc123");
    check_words("125p x86 2011-12", "125p x86 2011 12");
}

#[test]
fn other_alphabets_are_stemmed_by_script_or_language() {
    check_words(
        "Wo sind meine Bestellungen und die Rechnung?",
        "wo sind mein bestell und die rechnung",
    );
    check_words("возврата товаров", "возврат товар");
    check_words("ΟΔΟΣ οδος", "οδ οδ");
    check_words("İstanbul", "istanbul");
    check_words("हिन्दी की किताबें", "हिन्दी की किताबें");
    check_words("كِتَابٌ كتـاب", "كتاب كتاب");
}

#[test]
fn korean_loses_particles_endings_and_empty_words() {
    check_words("배송은 언제 시작되나요?", "배송 시작");
    check_words("환불을 받으려면 어떻게 해야 합니까", "환불 받");
    check_words("NTSC가 휘도를 사용한 이유", "ntsc 휘도 사용 이유");
    check_words("21골 2011년에", "21 골 2011 년");
}

#[test]
fn korean_without_spaces_shares_its_grams() {
    let (_, spaced) = terms("배송 조회 방법");
    let (_, joined) = terms("배송조회방법");
    for gram in &spaced {
        assert!(joined.contains(gram), "{gram}");
    }
    check_grams("배송은", "배 송 은 배송 송은");
}

#[test]
fn scripts_without_spaces_are_cut_by_characters() {
    check_words("返品", "返 品 返品");
    check_words("カード", "カ ー ド カー ード");
    check_words("ｶｰﾄﾞ", "カ ー ド カー ード");
    check_words("中", "中");
    check_words("คืนเงิน", "คืนเ ืนเง นเงิ เงิน");
    check_grams("คืน", "คืน");
}

#[test]
fn grams_of_words_are_padded_and_bare_of_accents() {
    check_grams("card", "_car card ard_");
    check_grams("a", "_a_");
    check_grams("Öl", "_ol_");
    check_grams("đơn", "_đon đon_");
    check_grams("карта", "_кар карт арта рта_");
}

#[test]
fn a_script_change_ends_a_token() {
    check_words("iPhone케이스를", "iphon 케이스");
    check_words("Wi中", "wi 中");
    check_words("naïve", "naïv");
}

#[test]
fn odd_input_has_terms_or_none() {
    check_words("", "");
    check_words(" \u{0}\u{1}\t\r\n ", "");
    check_words("\u{301}\u{301}", "");
    check_words("''''", "");
    check_words("!?…—", "");
    check_words("co\u{ad}operate zero\u{200b}width", "cooper zerowidth");
}

#[test]
fn a_word_of_a_million_characters_is_cut() {
    let (words, grams) = terms(&"x".repeat(1_000_000));
    assert_eq!(words.len(), 1_000_000_usize.div_ceil(64));
    assert!(words.iter().all(|word| word.len() <= 64));
    assert!(grams.len() <= 1_000_000);
}
