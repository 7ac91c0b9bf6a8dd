//! Whether a visitor's own words ask for a person. A model's call of `ask_for_person` alone brings nobody: what talked
//! it into that may be a page or a document. Pure, and without a model.

/// Whether the text asks for a person, in one of the languages that these words are of. Where it is told wrongly the
/// visitor is offered a person, and asks by a button.
pub(super) fn wishes_person(text: &str) -> bool {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| occurs(&lower, word));
    has(PEOPLE) || has(SOMEBODY) && has(SPEAKING)
}

/// Whether the word stands in the text: as a whole word where its script puts spaces between words, and it does not end
/// in `-`, which any ending may follow.
fn occurs(text: &str, word: &str) -> bool {
    if !word.is_ascii() && word.chars().any(|c| c >= '\u{0e00}') {
        return text.contains(word);
    }
    let (stem, is_stem) = match word.strip_suffix('-') {
        Some(stem) => (stem, true),
        None => (word, false),
    };
    text.match_indices(stem).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric)
            && (is_stem || !after.is_some_and(char::is_alphanumeric))
    })
}

/// Who is asked for, by words that mean nobody else in a chat.
#[rustfmt::skip]
const PEOPLE: &[&str] = &[
    "human", "humans", "agent", "agents", "operator", "representative", "rep", "real person", "live person",
    "actual person", "live chat", "customer service", "customer support", "support team", "call center", "call centre",
    "상담원", "상담사", "상담직원", "담당자", "직원", "매니저",
    "オペレーター", "オペレータ", "担当者", "スタッフ", "人間", "係の人", "係員",
    "人工", "客服", "真人", "工作人员", "工作人員", "專員", "专员",
    "mitarbeiter-", "kundenberater-", "kundendienst", "kundenservice", "menschen", "mensch",
    "humain-", "conseiller-", "conseillère-", "opérateur-", "opératrice-", "service client",
    "humano-", "humana-", "agente-", "asesor-", "operador-", "representante-", "atendente-", "servicio al cliente",
    "umano-", "operatore-", "operatrice-", "assistenza clienti",
    "оператор-", "сотрудник-", "менеджер-", "живой человек", "живым человеком", "живого человека",
    "medewerker-", "konsultant-", "pracownik-", "temsilci-", "nhân viên", "tổng đài", "petugas", "operatör-",
    "เจ้าหน้าที่", "พนักงาน", "موظف", "نماینده",
];

/// Who is asked for only where something is said of speaking.
#[rustfmt::skip]
const SOMEBODY: &[&str] = &[
    "person", "someone", "somebody", "anyone", "anybody", "people", "staff", "employee", "colleague", "manager", "advisor",
    "사람", "누구", "분과", "분이랑",
    "人", "誰か", "方と",
    "jemand-", "person", "kollegen", "kollegin",
    "quelqu'un", "quelqu’un", "personne", "responsable",
    "alguien", "persona", "alguém", "pessoa", "encargado", "responsable",
    "qualcuno", "человек-", "людьми", "кем-", "iemand", "kimś", "człowiek-", "biri-", "insan-", "người", "orang", "คน",
];

/// Speaking, and bringing two together.
#[rustfmt::skip]
const SPEAKING: &[&str] = &[
    "talk", "talking", "speak", "speaking", "chat", "connect", "transfer", "reach", "contact", "call", "get me", "put me",
    "bring", "fetch", "hand me", "ask for",
    "연결", "통화", "상담", "바꿔", "얘기", "이야기", "대화", "불러", "말하고",
    "話", "繋", "つな", "代わ", "呼",
    "聊", "谈", "談", "說話", "说话", "转", "轉", "找",
    "sprechen", "reden", "verbinden", "verbinde", "kontakt-", "schreiben",
    "parler", "joindre", "contacter", "passer", "passez", "discuter",
    "hablar", "contactar", "comunicar-", "conectar", "falar", "conversar", "pasar", "pásame", "pásenme",
    "parlare", "contattare", "passare", "поговорить", "говорить", "связаться", "соедин-", "позов-",
    "spreken", "praten", "rozmawiać", "porozmawiać", "połącz-", "konuş-", "görüş-", "bağla-", "nói chuyện", "gặp", "bicara",
    "คุย", "ติดต่อ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_person_is_heard_in_many_languages() {
        for text in [
            "I want to talk to a human.",
            "Get me an AGENT!",
            "Can I speak with someone about this?",
            "please connect me to a person",
            "상담원 연결해 주세요",
            "사람이랑 얘기하고 싶어요",
            "オペレーターにつないでください",
            "人と話したいです",
            "转人工",
            "Ich möchte mit jemandem sprechen",
            "Einen Mitarbeiter bitte",
            "Je voudrais parler à un conseiller",
            "Quiero hablar con una persona",
            "Quero falar com um atendente",
            "Vorrei parlare con un operatore",
            "Позовите оператора",
            "Temsilciye bağlanmak istiyorum",
            "Cho tôi gặp nhân viên",
            "ขอคุยกับเจ้าหน้าที่",
        ] {
            assert!(wishes_person(text), "{text}");
        }
    }

    #[test]
    fn other_questions_ask_for_nobody() {
        for text in [
            "",
            "How many people fit into the tent?",
            "Is the kettle safe for a person with allergies?",
            "What does the humanities course cost?",
            "Are reagents sold here?",
            "Where do I contact you?",
            "배송은 며칠 걸리나요?",
            "몇 사람이 탈 수 있나요?",
            "送料はいくらですか？",
            "Wie viele Personen passen in das Zelt?",
            "Combien de personnes ?",
            "¿Cuántas personas caben?",
        ] {
            assert!(!wishes_person(text), "{text}");
        }
    }
}
