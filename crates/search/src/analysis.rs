//! Turning text into index terms, the same way for documents and for queries.
//!
//! Two legs come out of one pass. *Words* are what a reader would call words: lower-cased, stemmed, freed of Korean
//! particles; where a script writes no spaces, short character sequences stand in for them. *Grams* are pieces of
//! words: they forgive typing errors, compounds, missing spaces and endings that no stemmer knows.
//!
//! The language of a text is never asked for. Rules hang on the script of each run of letters, so that mixed texts
//! ("NTSC가 휘도") need no special case; only the stemmer of Latin words hangs on the language that a text's function
//! words show.
//! Called by the segment builder and by the query planner. Nothing here can fail; time is linear in the text.

mod english;
mod korean;
mod language;
mod latin;
mod script;
mod telling;
mod tokens;

use std::sync::LazyLock;

pub(crate) use language::{Evidence, LANGUAGES, Language};
pub(crate) use script::Script;
pub use telling::{language_of, telling_words};
pub(crate) use tokens::for_each_token;

use crate::hash::term_id;
use latin::without_accents;

/// Which of the two lexical legs a term belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leg {
    /// Whole words, stemmed; character sequences in scripts without spaces.
    Words,
    /// Pieces of words.
    Grams,
}

/// Number of characters in a gram of an alphabetic word, its two padding marks included.
const ALPHABETIC_GRAM: usize = 4;
/// Marks a word's beginning and end in its grams; no token can hold it.
const PADDING: char = '_';

/// Tells this analysis from others: the terms of a little text in many scripts and of each language, hashed. Terms in a
/// file are of use only to the analysis that they came from.
pub(crate) fn fingerprint() -> u64 {
    static FINGERPRINT: LazyLock<u64> = LazyLock::new(|| {
        let mut terms = 0_u64;
        let mut scratch = Scratch::default();
        let mut add = |id: u64| terms = terms.rotate_left(5) ^ id;
        for language in Language::all() {
            for_each_token(SAMPLE, |script, token| {
                token_terms((script, language), token, &mut scratch, &mut |leg, term| {
                    add(term_id(leg, term));
                });
            });
        }
        let mut evidence = Evidence::default();
        evidence.read(SAMPLE);
        add(evidence
            .language()
            .map_or(0, |language| language as u64 + 1));
        terms
    });
    *FINGERPRINT
}

const SAMPLE: &str = "The customers' orders weren't returned: 2 boxes of naïve cafés, running quickly to deliveries. \
    Die Bestellungen wurden zurückgegeben. Les commandes étaient livrées. Los pedidos devueltos. Gli ordini spediti. \
    Siparişlerinizden. Beställningarna. Tilausten. Megrendelések. Comenzilor. Đơn hàng. \
    배송은 주문하신 날부터 사흘 안에 됩니다. 환불했습니다, 고양이에게만. 返品は三十日以内に行います。退货政策。 \
    สินค้าส่งถึงบ้าน Заказы доставляются. Οι παραγγελίες. الطلبات المرتجعة हिंदी में उत्तर ｆｕｌｌ Ⅳ ﬁ";

/// Reusable buffers of [`token_terms`], so that analysing a long text allocates only once.
#[derive(Default)]
pub(crate) struct Scratch {
    padded: String,
    bounds: Vec<usize>,
}

/// Hands `emit` every term of one token. A pure function of the token and, for Latin letters, of the language, so
/// its result may be remembered by these.
pub(crate) fn token_terms(
    (script, language): (Script, Language),
    token: &str,
    scratch: &mut Scratch,
    emit: &mut dyn FnMut(Leg, &str),
) {
    match script {
        Script::Hangul => hangul_terms(token, scratch, emit),
        Script::Ideographic => {
            scratch.hold(token);
            scratch.windows(1, |gram| emit(Leg::Words, gram));
            if scratch.chars() > 1 {
                scratch.windows(2, |gram| emit(Leg::Words, gram));
            }
        }
        Script::Unspaced => {
            scratch.hold(token);
            scratch.windows(4, |gram| emit(Leg::Words, gram));
            scratch.windows(3, |gram| emit(Leg::Grams, gram));
        }
        _ => alphabetic_terms((script, language), token, scratch, emit),
    }
}

fn hangul_terms(token: &str, scratch: &mut Scratch, emit: &mut dyn FnMut(Leg, &str)) {
    let Some(stem) = korean::stem(token) else {
        return;
    };
    emit(Leg::Words, stem);
    scratch.hold(token);
    scratch.windows(1, |gram| emit(Leg::Grams, gram));
    if scratch.chars() > 1 {
        scratch.windows(2, |gram| emit(Leg::Grams, gram));
    }
}

fn alphabetic_terms(
    (script, language): (Script, Language),
    token: &str,
    scratch: &mut Scratch,
    emit: &mut dyn FnMut(Leg, &str),
) {
    // Pieces of stop words stay: measured, they help, and a question of nothing else still finds something.
    if !english::is_stop_word(token) {
        emit(Leg::Words, &latin::stem(script, language, token));
    }
    scratch.hold_padded(&without_accents(script, token));
    scratch.windows(ALPHABETIC_GRAM, |gram| emit(Leg::Grams, gram));
}

impl Scratch {
    fn hold(&mut self, token: &str) {
        self.padded.clear();
        self.padded.push_str(token);
        self.mark_bounds();
    }

    fn hold_padded(&mut self, token: &str) {
        self.padded.clear();
        self.padded.push(PADDING);
        self.padded.push_str(token);
        self.padded.push(PADDING);
        self.mark_bounds();
    }

    fn mark_bounds(&mut self) {
        self.bounds.clear();
        self.bounds
            .extend(self.padded.char_indices().map(|(at, _)| at));
        self.bounds.push(self.padded.len());
    }

    fn chars(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Every run of `width` characters held, or everything held where that is shorter.
    fn windows(&self, width: usize, mut each: impl FnMut(&str)) {
        let width = width.min(self.chars());
        for window in self.bounds.windows(width + 1) {
            each(&self.padded[window[0]..window[width]]);
        }
    }
}

#[cfg(test)]
mod tests;
