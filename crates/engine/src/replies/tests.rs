//! What letters say, how long they are, and when they are tried again.

use okra_domain::MessageId;
use okra_domain::session::{Attachment, Message, SenderType};
use serde_json::{Map, json};
use uuid::Uuid;

use super::*;

fn message(content: &str, agent: Option<&str>) -> Message {
    Message {
        id: MessageId(Uuid::nil()),
        session_id: SessionId(Uuid::nil()),
        sender_type: SenderType::Agent,
        content: content.to_owned(),
        attachments: None,
        metadata: Map::from_iter([("agent".to_owned(), json!({"id": null, "name": agent}))]),
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: Timestamp(1),
    }
}

fn unseen(messages: Vec<Message>) -> Unseen {
    Unseen {
        messages,
        has_earlier: false,
        free_at: Timestamp(0),
    }
}

#[test]
fn a_letter_says_what_was_written_and_where_to_go_on() {
    let mut second = message("", None);
    second.attachments = Some(vec![Attachment {
        name: "list.pdf".to_owned(),
        url: "https://shop.example/list.pdf".to_owned(),
        file: None,
    }]);
    let unseen = unseen(vec![message(" 한 개 남았어요. ", Some("민지")), second]);
    let page = Some("https://chat.example.com/c/shop");
    let (subject, text) = letter("찻주전자", true, &unseen, page);
    assert_eq!(subject, "찻주전자: 답변이 도착했습니다");
    let begins = "민지:\n한 개 남았어요.\n\n\nlist.pdf: https://shop.example/list.pdf\n\n────\n\n\
                  https://chat.example.com/c/shop\n\n찻주전자에 남기신";
    assert!(text.starts_with(begins), "{text}");
    let (subject, text) = letter("Teapots", false, &unseen, None);
    assert_eq!(subject, "Teapots: you have a reply");
    assert!(
        text.contains("────\n\nThis answers what you asked Teapots."),
        "{text}"
    );
}

#[test]
fn names_are_one_line() {
    let agent = "Kim\r\nBcc: eve@example.com";
    let name = "Shop\r\nBcc: eve@example.com\u{0}\u{85}X";
    let (subject, text) = letter(
        name,
        false,
        &unseen(vec![message("Hello", Some(agent))]),
        None,
    );
    assert_eq!(subject, "Shop Bcc: eve@example.com X: you have a reply");
    assert!(
        text.starts_with("Kim Bcc: eve@example.com:\nHello"),
        "{text}"
    );
}

#[test]
fn a_letter_has_20000_characters_of_messages_at_most() {
    let check = |chars: usize, earlier: bool, expected: usize, says_more: bool| {
        let mut unseen = unseen(vec![message(&"가".repeat(chars), None)]);
        unseen.has_earlier = earlier;
        let (_, text) = letter("Shop", false, &unseen, None);
        assert_eq!(text.matches('가').count(), expected, "{chars}");
        assert_eq!(
            text.contains("There is more in the chat."),
            says_more,
            "{chars}"
        );
    };
    check(CHARS - 2, false, 19_998, false);
    check(CHARS - 2, true, 19_998, true);
    check(CHARS, false, 20_000, true);
    check(32_000, false, 20_000, true);
}

#[test]
fn six_attempts_are_made() {
    let minutes = |count: u64| Some(Duration::from_secs(count * 60));
    for (attempts, delay) in [(1, minutes(1)), (2, minutes(10)), (3, minutes(60))] {
        assert_eq!(next_delay(attempts), delay, "{attempts}");
    }
    assert_eq!(next_delay(5), minutes(24 * 60));
    assert_eq!((next_delay(6), next_delay(i64::MAX)), (None, None));
    assert!(may_try(1) && may_try(6) && !may_try(7));
    assert_eq!(until(Timestamp(5), Timestamp(3)), Duration::ZERO);
    assert_eq!(until(Timestamp(3), Timestamp(5)), Duration::from_micros(2));
}
