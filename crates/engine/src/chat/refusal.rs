//! What is said where the knowledge holds no answer, in the visitor's language. Pure.

use okra_domain::session::SenderType;
use okra_search::language_of;

use crate::prompt::Said;

/// The language of what the visitor asks, or else of what they said before; a code of two letters.
pub(super) fn language(question: &str, history: &[Said]) -> Option<&'static str> {
    let earlier = history
        .iter()
        .rev()
        .filter(|said| said.by == SenderType::User);
    let mut texts = [question]
        .into_iter()
        .chain(earlier.map(|said| said.text.as_str()));
    texts.find_map(language_of)
}

/// The honest answer where nothing was found. Where the chatbot answers from its knowledge alone it offers a person, if
/// there is one, since asking in other words is all that is left otherwise.
pub(super) fn dont_know(language: Option<&str>, offers_person: bool) -> String {
    let (sorry, person) = match language {
        Some("ko") => (
            "죄송합니다. 제가 가진 자료에서 그 질문에 대한 답을 찾지 못했습니다.",
            " 원하시면 담당자가 답해 드릴 수 있습니다.",
        ),
        Some("ja") => (
            "申し訳ありません。手元の資料には、ご質問への答えが見つかりませんでした。",
            "ご希望であれば、担当者がお答えします。",
        ),
        Some("zh") => (
            "抱歉，我在现有资料中没有找到这个问题的答案。",
            "如果需要，可以由人工客服为您解答。",
        ),
        Some("de") => (
            "Das weiß ich leider nicht. In meinen Unterlagen habe ich keine Antwort darauf gefunden.",
            " Wenn Sie möchten, antwortet Ihnen ein Mensch.",
        ),
        Some("fr") => (
            "Je suis désolé, je ne sais pas. Je n'ai pas trouvé de réponse dans mes documents.",
            " Si vous le souhaitez, une personne peut vous répondre.",
        ),
        Some("es") => (
            "Lo siento, no lo sé. No he encontrado una respuesta en la información que tengo.",
            " Si lo desea, puede responderle una persona.",
        ),
        Some("it") => (
            "Mi dispiace, non lo so. Non ho trovato una risposta nei documenti che ho.",
            " Se vuole, può risponderle una persona.",
        ),
        Some("pt") => (
            "Desculpe, não sei. Não encontrei uma resposta nos documentos que tenho.",
            " Se quiser, uma pessoa pode responder.",
        ),
        _ => (
            "I'm sorry, I don't know. I couldn't find an answer to that in what I have been given.",
            " If you like, a person can answer you.",
        ),
    };
    match offers_person {
        true => format!("{sorry}{person}"),
        false => sorry.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Said {
        Said {
            by: SenderType::User,
            text: text.to_owned(),
            images: Vec::new(),
        }
    }

    #[test]
    fn it_is_said_in_the_visitors_language() {
        let check = |question: &str, earlier: &[&str], words: &str| {
            let history: Vec<Said> = earlier.iter().map(|text| asked(text)).collect();
            let said = dont_know(language(question, &history), true);
            assert!(said.contains(words), "{question}: {said}");
        };
        check("What is the capital of Mars?", &[], "I don't know");
        check("화성의 수도는?", &[], "담당자");
        check("火星の首都はどこですか", &[], "担当者");
        check("火星的首都是哪里", &[], "人工客服");
        check("Wie heißt die Hauptstadt des Mars?", &[], "ein Mensch");
        check(
            "Quelle est la capitale de la planète Mars ?",
            &[],
            "une personne",
        );
        // What shows no language takes that of before.
        check("Mars?", &["텐트 있나요?"], "담당자");
        check("12", &[], "a person");
        assert!(!dont_know(None, false).contains("person"));
    }
}
