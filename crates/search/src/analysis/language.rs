//! Guessing the language of text in Latin letters, by its function words.
//!
//! The guess picks a stemmer, says how much the word pieces weigh, and keeps an English embedder out of questions in
//! other languages. It is made from what the text itself shows, so it costs nobody a setting; where a text shows
//! nothing the caller decides.

use std::sync::LazyLock;

use rust_stemmers::Algorithm;

use super::{Script, for_each_token};
use crate::hash::{TermMap, hash};

/// A language in Latin letters that is told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    English,
    German,
    French,
    Spanish,
    Italian,
    Portuguese,
    Dutch,
    Romanian,
    Turkish,
    Swedish,
    Danish,
    Norwegian,
    Finnish,
    Hungarian,
    Polish,
    Czech,
    Vietnamese,
    Indonesian,
}

/// How many languages there are.
pub(crate) const LANGUAGES: usize = FUNCTION_WORDS.len();

impl Language {
    /// Every language, in the order of its number.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        FUNCTION_WORDS.iter().map(|(language, _)| *language)
    }

    /// The stemmer for its words; none was written for some.
    pub(super) fn stemmer(self) -> Option<Algorithm> {
        Some(match self {
            Self::English => Algorithm::English,
            Self::German => Algorithm::German,
            Self::French => Algorithm::French,
            Self::Spanish => Algorithm::Spanish,
            Self::Italian => Algorithm::Italian,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Dutch => Algorithm::Dutch,
            Self::Romanian => Algorithm::Romanian,
            Self::Turkish => Algorithm::Turkish,
            Self::Swedish => Algorithm::Swedish,
            Self::Danish => Algorithm::Danish,
            Self::Norwegian => Algorithm::Norwegian,
            Self::Finnish => Algorithm::Finnish,
            Self::Hungarian => Algorithm::Hungarian,
            Self::Polish | Self::Czech | Self::Vietnamese | Self::Indonesian => return None,
        })
    }
}

impl Language {
    /// Whether it writes as one word what others write as several: by compounds, or by one ending after another.
    pub(crate) fn builds_long_words(self) -> bool {
        matches!(
            self,
            Self::German
                | Self::Dutch
                | Self::Swedish
                | Self::Danish
                | Self::Norwegian
                | Self::Finnish
                | Self::Hungarian
                | Self::Turkish
        )
    }
}

/// What the words read so far say about their language.
#[derive(Default)]
pub(crate) struct Evidence {
    votes: [f32; LANGUAGES],
    latin: u32,
    other: u32,
}

impl Evidence {
    /// Reads the beginning of a text, which is enough: every tenth word or more of running text tells.
    pub(crate) fn read(&mut self, text: &str) {
        let end = text.floor_char_boundary(READ_BYTES);
        for_each_token(&text[..end], |script, token| {
            match script {
                Script::Latin => self.latin += 1,
                Script::Digits => {}
                _ => self.other += 1,
            }
            if script == Script::Latin
                && let Some(&languages) = telling_words().get(&hash(0, token.as_bytes()))
            {
                // A word that several languages share tells as much less.
                let vote = 1.0 / languages.count_ones() as f32;
                for (at, votes) in self.votes.iter_mut().enumerate() {
                    if languages >> at & 1 == 1 {
                        *votes += vote;
                    }
                }
            }
        });
    }

    /// Whether at least half of the words are in Latin letters, and any is.
    pub(crate) fn is_latin(&self) -> bool {
        self.latin > 0 && self.latin >= self.other
    }

    /// The language that is clearly ahead of all others.
    pub(crate) fn language(&self) -> Option<Language> {
        // Foreign names in Korean text are not the text.
        if !self.is_latin() {
            return None;
        }
        let best = (0..LANGUAGES).max_by(|&a, &b| self.votes[a].total_cmp(&self.votes[b]))?;
        let second = (0..LANGUAGES)
            .filter(|&at| at != best)
            .map(|at| self.votes[at])
            .fold(0.0, f32::max);
        let enough = ENOUGH.max(SHARE * self.latin as f32);
        (self.votes[best] >= enough && self.votes[best] >= AHEAD * second)
            .then_some(FUNCTION_WORDS[best].0)
    }
}

const READ_BYTES: usize = 800;
/// Votes a language needs; a word that two languages share gives each one half.
const ENOUGH: f32 = 0.5;
/// Votes a language needs for each word, so that a list of names with an "a" among them is in no language. Turkish,
/// which has endings where others have function words, reaches three times as many.
const SHARE: f32 = 0.02;
/// How many times the votes of the second the first needs.
const AHEAD: f32 = 1.3;

/// For each function word the set of its languages, one bit each.
fn telling_words() -> &'static TermMap<u32> {
    static WORDS: LazyLock<TermMap<u32>> = LazyLock::new(|| {
        let mut words = TermMap::default();
        for (at, (_, list)) in FUNCTION_WORDS.iter().enumerate() {
            for word in list.split(' ') {
                *words.entry(hash(0, word.as_bytes())).or_insert(0) |= 1 << at;
            }
        }
        words
    });
    &WORDS
}

/// The most frequent function words and the question words of each language, in the order of [`Language`].
#[rustfmt::skip]
const FUNCTION_WORDS: &[(Language, &str)] = &[
    (Language::English, "the of and to is are was were be been a in for on with that this it its i my you your we our they their he his \
        not or by as at from have has had do does did can could will would should what which who when where why how there if an about"),
    (Language::German, "der die das den dem des und ist sind war waren wird werden wurde wurden ein eine einen einem einer eines nicht \
        mit von zu zum zur für auf im in an am bei nach aus wie was wer wo wann warum welche welcher welches wieviel ich sie er es wir \
        ihr mein meine kann können haben hat als auch oder wenn dass nur noch über durch um gibt viele"),
    (Language::French, "le la les des du un une et est sont était être de que qui quoi quel quelle quels quelles comment pourquoi quand \
        où combien dans pour par sur avec sans pas ne je il elle nous vous ils mon ma mes votre vos son sa ses ce cette ces au aux en se \
        plus ou mais avez puis peut l d"),
    (Language::Spanish, "el la los las un una unos y e es son era fue ser está de del que qué quién quiénes cuál cuáles cómo cuándo \
        dónde cuánto cuántos cuánta por para con sin en al se su sus mi mis lo le no más pero o si puedo hay como qué donde cuando quien cual"),
    (Language::Italian, "il lo la i gli le un uno una e è sono era di del della dei delle che chi cosa quale quali come quando dove \
        perché quanto quanti per con in nel nella da dal al alla si non più ma o mio mia posso ho ha su"),
    (Language::Portuguese, "o a os as um uma e é são era foi ser de do da dos das que quem qual quais como quando onde porque quanto \
        quantos por para com sem em no na nos nas ao à se seu sua meu minha não mais mas ou posso há"),
    (Language::Dutch, "de het een en is zijn was waren van voor met op in aan te bij uit naar niet dat die deze dit wat wie welke hoe \
        wanneer waar waarom hoeveel ik je jij u wij we mijn uw kan kunnen heb heeft worden werd als ook of maar er om door over"),
    (Language::Romanian, "și si în este sunt era au a al ale ai un o de la cu din pe pentru că ca ce cine care cum când unde câte câți \
        cât nu mai sau dar se lui lor fost fi prin după într-o într mea meu pot am despre ii îi cărui cărei carei cand cat cate"),
    (Language::Turkish, "ve bir bu ne için ile de da mi mı mu mü nasıl neden nerede nereye kim kimin hangi kaç zaman olan olarak daha \
        en çok gibi sonra kadar var yok ben benim değil ama veya hangisi nedir kimdir tarafından neydi icin nasil"),
    (Language::Swedish, "och i att det som en ett på är av för med till den har inte om jag vi du ni min mitt hur vad vem när var \
        varför vilken vilket vilka kan från eller men så finns blev hade många"),
    (Language::Danish, "og i at det som en et på er af for med til den har ikke om jeg vi du min mit hvordan hvad hvem hvornår hvor \
        hvorfor hvilken hvilket hvilke kan fra eller men så blev havde mange"),
    (Language::Norwegian, "og i å at det som en et på er av for med til den har ikke om jeg vi du min mitt hvordan hva hvem når hvor \
        hvorfor hvilken hvilket hvilke kan fra eller men så ble hadde mange"),
    (Language::Finnish, "ja on ei se että oli ovat mutta tai kun niin jos mitä mikä mitkä kuka ketkä miten milloin missä mihin miksi \
        kuinka minä sinä hän minun voin voi ole olla kanssa sekä myös monta"),
    (Language::Hungarian, "a az és hogy nem is van egy ez volt mi mit ki kik hogyan mikor hol hová miért melyik milyen mennyi hány de \
        vagy ha csak meg én vagyok lehet kell már mint után által"),
    (Language::Polish, "i w na z do nie że się jest są był była to co kto jak kiedy gdzie dlaczego który która które ile czy dla od po \
        przez za o mój moje mogę lub ale jako przy oraz"),
    (Language::Czech, "a v na z do ne že se je jsou byl byla to co kdo jak kdy kde proč který která které kolik pro od po za o můj moje \
        mohu nebo ale jako při jsem také"),
    (Language::Vietnamese, "và là của có không được cho các những một trong với này đó khi nào gì ai đâu sao như thế bao nhiêu để tại \
        vào ra từ đã sẽ người tôi bạn"),
    (Language::Indonesian, "yang dan di ke dari untuk dengan tidak ini itu adalah apa siapa kapan mana mengapa kenapa bagaimana berapa \
        saya anda kami pada oleh dalam akan bisa dapat atau jika"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_stand_in_the_order_of_their_numbers() {
        for (at, language) in Language::all().enumerate() {
            assert_eq!(language as usize, at);
        }
    }

    fn check(text: &str, expected: Option<Language>) {
        let mut evidence = Evidence::default();
        evidence.read(text);
        assert_eq!(evidence.language(), expected, "{text}");
    }

    #[test]
    fn questions_show_their_language() {
        check("How do I return an order?", Some(Language::English));
        check("where is my parcel", Some(Language::English));
        check(
            "Wie kann ich eine Bestellung zurückgeben?",
            Some(Language::German),
        );
        check("was kostet der versand", Some(Language::German));
        check("Comment suivre ma commande ?", Some(Language::French));
        check("¿Cómo puedo cambiar mi pedido?", Some(Language::Spanish));
        check(
            "Come posso cambiare il mio ordine?",
            Some(Language::Italian),
        );
        check(
            "Como posso alterar o meu pedido?",
            Some(Language::Portuguese),
        );
        check(
            "Hoe kan ik mijn bestelling wijzigen?",
            Some(Language::Dutch),
        );
        check(
            "Cum pot să schimb adresa pentru comanda mea?",
            Some(Language::Romanian),
        );
        check("Siparişim ne zaman gelir?", Some(Language::Turkish));
        check("Hur ändrar jag min beställning?", Some(Language::Swedish));
        check("Miten voin palauttaa tuotteen?", Some(Language::Finnish));
        check("Làm thế nào để đổi hàng?", Some(Language::Vietnamese));
    }

    #[test]
    fn text_without_function_words_shows_none() {
        check("refund status", None);
        check("Versandkosten", None);
        check("", None);
        check("배송 조회", None);
        check(
            "Do Not Disturb 모드를 켜면 알림 소리가 나지 않고 화면에도 표시되지 않으며 진동도 울리지 않습니다",
            None,
        );
    }
}
