//! What a model can read, told by its vocabulary: a model that has no words of a script sees letters
//! without meaning, and its vectors of them do more harm than good.

use std::collections::HashMap;

use unicode_script::{Script, UnicodeScript};

/// Tokens of at least two letters that a script the model was trained on has.
const WORDS: usize = 300;

/// Ideographs are words by themselves.
const IDEOGRAPHS: usize = 1_500;

/// Words of other languages in Latin letters, which English hasn't; several, since a tokenizer's list
/// of an English text holds one or two.
const OTHER_LATIN: [&str; 12] = [
    "nicht", "auch", "werden", "sind", "avec", "sont", "dans", "esta", "tambien", "nao", "sono",
    "anche",
];

/// How many of them show that the model knows more than English.
const OTHERS: usize = 6;

/// The scripts that a vocabulary has words of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vocabulary {
    scripts: Vec<Script>,
    pub(super) english_only: bool,
}

impl Vocabulary {
    pub(super) fn of<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let mut words: HashMap<Script, usize> = HashMap::new();
        let mut others = 0;
        for token in tokens {
            let token = token
                .trim_start_matches("##")
                .trim_start_matches(['▁', 'Ġ']);
            let mut letters = token.chars().filter(|c| c.is_alphabetic());
            let Some(first) = letters.next() else {
                continue;
            };
            let script = first.script();
            if script == Script::Han || letters.next().is_some() {
                *words.entry(script).or_default() += 1;
            }
            others += usize::from(OTHER_LATIN.contains(&plain(token).as_str()));
        }
        let known = |script: Script, count: usize| match script {
            Script::Han => count >= IDEOGRAPHS,
            _ => count >= WORDS,
        };
        let scripts = words
            .into_iter()
            .filter(|(script, count)| known(*script, *count));
        let scripts: Vec<Script> = scripts.map(|(script, _)| script).collect();
        Self {
            english_only: scripts == [Script::Latin] && others < OTHERS,
            scripts,
        }
    }

    /// Whether three quarters of the letters are of known scripts.
    pub(super) fn knows(&self, text: &str) -> bool {
        let (mut known, mut letters) = (0_usize, 0_usize);
        for character in text.chars().filter(|c| c.is_alphabetic()) {
            letters += 1;
            known += usize::from(self.scripts.contains(&character.script()));
        }
        letters > 0 && known >= letters - letters / 4
    }
}

/// In lower case and without accents, as some vocabularies have it.
fn plain(token: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let lower = token.to_lowercase();
    lower.nfd().filter(|c| c.is_alphabetic()).collect()
}
