//! Texts in every script and size come back as they went in, on both databases.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, Source};
use okra_store::SlugChoice;
use okra_store::sessions::{SessionKey, UserMessage};

use crate::on_every_database;
use crate::world::{World, ingested, page};

on_every_database! {
    texts_come_back_as_they_went_in,
    a_nul_is_no_reason_to_fail,
}

fn texts() -> Vec<String> {
    let short = [
        "한국어 문장입니다. 반품은 30일 이내.",
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} \u{1F1F0}\u{1F1F7}",
        "日本語と中文，العربية עברית हिन्दी ไทย",
        "'; DROP TABLE chatbots; -- $1 ? % _ \\ \"",
        "line\r\nline\ttab \u{feff}\u{200b}\u{2028}\u{10FFFF} end ",
    ];
    let long = ["가나다 ".repeat(100_000), "🙂".repeat(250_000)];
    short.into_iter().map(str::to_owned).chain(long).collect()
}

async fn texts_come_back_as_they_went_in(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    for text in texts() {
        let source = Source::Qna {
            question: text.clone(),
            answer: text.clone(),
        };
        // Longer than the edge lets through; the store has no limit of its own.
        let base = crate::world::text(&chatbot, "text", world.clock());
        let item = Item { source, ..base };
        world.store.add_items(&chatbot, vec![item.clone()]).await?;
        assert!(
            world.store.item(&chatbot, item.id).await? == item,
            "a source"
        );

        let job = world.lease_ingest(item.id).await?;
        let mut done = ingested(&[&text]);
        done.chunks[0].headings = vec![text.clone()];
        done.chunks[0].question = Some(text.clone());
        world
            .store
            .finish_ingest(&job, item.id, done.clone())
            .await?;
        let chunks = world.store.item_chunks(&chatbot, item.id).await?;
        assert!(chunks == done.chunks, "a passage");

        let key = SessionKey::Visitor {
            profile: None,
            platform: "web".to_owned(),
            token: None,
        };
        let said = UserMessage {
            id: None,
            content: text.clone(),
            attachments: None,
        };
        let turn = world.store.open_turn(&chatbot, &key, said, 1).await?;
        let stored = world.store.messages(&turn.session, page(1, 1)).await?;
        assert!(stored.entries[0].content == text, "a message");
    }
    Ok(())
}

/// Postgres has no U+0000 in text; a PDF or a client may have.
async fn a_nul_is_no_reason_to_fail(world: World) -> Result<()> {
    let organization = world.organization("Shop").await?;
    let mut chatbot = Chatbot::new(organization, "Shop helper", world.clock().now())?;
    chatbot.settings.prompt = "be\u{0}kind".to_owned();
    chatbot
        .personality
        .other
        .insert("a\u{0}b".to_owned(), "c\u{0}d".into());
    chatbot.description = Some("one\u{0}two".to_owned());
    let made = world
        .store
        .create_chatbot(chatbot, SlugChoice::Derived)
        .await?;
    let stored = world.store.chatbot(organization, made.id).await?;
    assert_eq!(stored.settings.prompt, "be\u{fffd}kind");
    assert_eq!(stored.personality.other["a\u{fffd}b"], "c\u{fffd}d");
    assert_eq!(stored.description.as_deref(), Some("one\u{fffd}two"));

    let key = SessionKey::Visitor {
        profile: None,
        platform: "web".to_owned(),
        token: Some("v".to_owned()),
    };
    let said = UserMessage {
        id: None,
        content: "\u{0}hello\u{0}".to_owned(),
        attachments: None,
    };
    let turn = world.store.open_turn(&stored, &key, said, 1).await?;
    let messages = world.store.messages(&turn.session, page(1, 1)).await?;
    assert_eq!(messages.entries[0].content, "\u{fffd}hello\u{fffd}");

    let item = world.add_text(&stored, "text\u{0}").await?;
    let job = world.lease_ingest(item.id).await?;
    let mut done = ingested(&["x\u{0}y"]);
    done.chunks[0].headings = vec!["h\u{0}".to_owned()];
    world.store.finish_ingest(&job, item.id, done).await?;
    let chunks = world.store.item_chunks(&stored, item.id).await?;
    assert_eq!(chunks[0].text, "x\u{fffd}y");
    assert_eq!(chunks[0].headings, ["h\u{fffd}"]);
    Ok(())
}
