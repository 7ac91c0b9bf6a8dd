//! What a text shows of itself to those who do not search: its words, and its language.

use super::{Evidence, Language, Leg, Scratch, Script, for_each_token, token_terms};

/// The words that say what a text is about, as passages are found by them: stemmed, each once, in their order,
/// without those that every text has. Where a script writes no spaces they are short runs of its characters.
pub fn telling_words(text: &str) -> Vec<String> {
    let mut evidence = Evidence::default();
    evidence.read(text);
    let language = evidence.language().unwrap_or(Language::English);
    let mut scratch = Scratch::default();
    let mut words: Vec<String> = Vec::new();
    for_each_token(text, |script, token| {
        token_terms((script, language), token, &mut scratch, &mut |leg, term| {
            if leg == Leg::Words && !words.iter().any(|known| known == term) {
                words.push(term.to_owned());
            }
        });
    });
    words
}

/// The language of a text, as a code of two letters: by its script where only one language is written in it, by its
/// function words where it is in Latin letters. `None` where it shows none.
pub fn language_of(text: &str) -> Option<&'static str> {
    let mut scripts = Scripts::default();
    for_each_token(text, |script, token| scripts.count(script, token));
    if scripts.hangul > 0 && scripts.hangul >= scripts.ideographs {
        // Names and brands stand in Korean text in Latin letters, and never the other way round.
        return Some("ko");
    }
    if scripts.ideographs + scripts.kana > 0 {
        return Some(if scripts.kana > 0 { "ja" } else { "zh" });
    }
    if scripts.other > scripts.latin {
        return scripts.others;
    }
    let mut evidence = Evidence::default();
    evidence.read(text);
    evidence.language().map(code)
}

#[derive(Default)]
struct Scripts {
    latin: usize,
    hangul: usize,
    kana: usize,
    ideographs: usize,
    other: usize,
    /// The language of the first script that only one is written in.
    others: Option<&'static str>,
}

impl Scripts {
    fn count(&mut self, script: Script, token: &str) {
        match script {
            Script::Latin => self.latin += 1,
            Script::Hangul => self.hangul += 1,
            Script::Digits => {}
            Script::Ideographic => {
                let kana =
                    |c: &char| matches!(c, '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}');
                let found = token.chars().filter(kana).count();
                self.kana += found;
                self.ideographs += token.chars().count() - found;
            }
            script => {
                self.other += 1;
                let known = match script {
                    Script::Greek => Some("el"),
                    Script::Cyrillic => Some("ru"),
                    Script::Arabic => Some("ar"),
                    _ => None,
                };
                self.others = self.others.or(known);
            }
        }
    }
}

fn code(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::German => "de",
        Language::French => "fr",
        Language::Spanish => "es",
        Language::Italian => "it",
        Language::Portuguese => "pt",
        Language::Dutch => "nl",
        Language::Romanian => "ro",
        Language::Turkish => "tr",
        Language::Swedish => "sv",
        Language::Danish => "da",
        Language::Norwegian => "no",
        Language::Finnish => "fi",
        Language::Hungarian => "hu",
        Language::Polish => "pl",
        Language::Czech => "cs",
        Language::Vietnamese => "vi",
        Language::Indonesian => "id",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stemmed_and_empty_ones_left_out() {
        let check = |text: &str, expected: &[&str]| assert_eq!(telling_words(text), expected);
        check("And how are the orders delivered?", &["order", "deliv"]);
        check("그건 얼마예요?", &["그건"]);
        check("텐트 배송비는 얼마예요? 텐트는요?", &["텐트", "배송비"]);
        check("?!", &[]);
    }

    #[test]
    fn a_text_shows_its_language_or_none() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(language_of(text), expected, "{text}");
        };
        check("What does the delivery cost?", Some("en"));
        check("Was kostet die Lieferung nach Wien?", Some("de"));
        check("Combien coûte la livraison de la commande ?", Some("fr"));
        check("iPhone 15 케이스 있어요?", Some("ko"));
        check("iPhone 15の保証は?", Some("ja"));
        check("运费是多少", Some("zh"));
        check("Сколько стоит доставка?", Some("ru"));
        check("ok", None);
        check("", None);
    }
}
