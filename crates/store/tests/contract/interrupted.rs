//! Turns that a killed server left behind: each is marked once, and nothing else is.

use std::time::Duration;

use okra_domain::MessageId;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::{Handling, HandlingChange};
use okra_domain::session::{Message, SenderType, Session};
use okra_store::sessions::{INTERRUPTED, SessionKey, UserMessage};
use serde_json::json;

use crate::on_every_database;
use crate::world::{World, page};

on_every_database! {
    a_question_without_an_answer_is_marked_once,
    what_nobody_was_answering_is_left_alone,
    a_question_that_is_asked_again_is_under_way,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn ask(
    world: &World,
    chatbot: &Chatbot,
    key: (&str, &str),
    id: MessageId,
) -> Result<Session> {
    let (platform, visitor) = key;
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: Some(visitor.to_owned()),
        profile: None,
    };
    let said = UserMessage {
        id: Some(id),
        content: "도와주세요".to_owned(),
        attachments: None,
    };
    world.clock().advance(Duration::from_secs(1));
    let opened = world.store.open_turn(chatbot, &key, said, 20).await?;
    Ok(opened.session)
}

async fn answer(world: &World, chatbot: &Chatbot, session: &Session) -> Result<()> {
    let (message, facts) = world.answer(session);
    assert!(
        world
            .store
            .finish_turn(chatbot, &message, facts)
            .await?
            .is_stored()
    );
    Ok(())
}

async fn messages(world: &World, session: &Session) -> Result<Vec<Message>> {
    Ok(world.store.messages(session, page(1, 200)).await?.entries)
}

/// Marks what was left behind until now, and gives how much that was.
async fn end(world: &World) -> Result<usize> {
    world.clock().advance(Duration::from_secs(1));
    let now = world.clock().now();
    world.store.end_interrupted_turns(now, HOUR).await
}

async fn a_question_without_an_answer_is_marked_once(world: World) -> Result<()> {
    assert_eq!(end(&world).await?, 0, "nothing was ever said");
    let chatbot = world.chatbot("Shop helper").await?;
    let web = ("web", "one");
    let first = ask(&world, &chatbot, web, MessageId::new()).await?;
    answer(&world, &chatbot, &first).await?;
    // Two at once, in one conversation; and one in the playground.
    let questions = [MessageId::new(), MessageId::new()];
    for id in questions {
        ask(&world, &chatbot, web, id).await?;
    }
    let before = world.store.session(&chatbot, first.id).await?;
    let trial = ask(
        &world,
        &chatbot,
        ("playground", "builder"),
        MessageId::new(),
    )
    .await?;
    assert_eq!(end(&world).await?, 3);
    assert_eq!(end(&world).await?, 0, "once");

    let said = messages(&world, &first).await?;
    let by: Vec<SenderType> = said.iter().map(|it| it.sender_type).collect();
    let (user, bot) = (SenderType::User, SenderType::Bot);
    assert_eq!(by, [user, bot, user, bot, user, bot]);
    assert_eq!([said[2].id, said[4].id], questions);
    for marked in [&said[3], &said[5]] {
        assert_eq!(marked.content, "");
        assert_eq!(marked.metadata["ended"], json!(INTERRUPTED));
        assert!(
            marked.metadata["error"]
                .as_str()
                .is_some_and(|it| it.len() > 10)
        );
    }
    let after = world.store.session(&chatbot, first.id).await?;
    let last = after.last_message.expect("the last one");
    assert_eq!((last.id, last.sender_type), (said[5].id, bot));
    assert_eq!(after.updated_at, before.updated_at, "nothing was said now");
    assert_eq!(messages(&world, &trial).await?.len(), 2);

    // Those of visitors failed; a builder's own trial counts for nothing.
    let period = okra_store::overview::Period {
        days: 30,
        offset_minutes: 0,
        chatbot: None,
    };
    let overview = world
        .store
        .overview(chatbot.organization_id, period)
        .await?;
    assert_eq!((overview.totals.questions, overview.totals.failed), (2, 2));
    Ok(())
}

async fn what_nobody_was_answering_is_left_alone(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    // It was left behind, but so long ago that it is no more looked for.
    let old = ask(&world, &chatbot, ("web", "old"), MessageId::new()).await?;
    world.clock().advance(2 * HOUR);
    let answered = ask(&world, &chatbot, ("web", "answered"), MessageId::new()).await?;
    answer(&world, &chatbot, &answered).await?;
    // A person has it; another was handed back after the visitor wrote to a person.
    let person = |is_human: bool| HandlingChange {
        is_human_mode: Some(is_human),
        ..HandlingChange::default()
    };
    let handle = async |session: &Session, is_human: bool| {
        let change = |now: Handling| now.changed(person(is_human), None);
        world.store.handle(&chatbot, session.id, change).await
    };
    let mut handled = Vec::new();
    for visitor in ["kept", "handed back"] {
        let session = ask(&world, &chatbot, ("web", visitor), MessageId::new()).await?;
        answer(&world, &chatbot, &session).await?;
        handle(&session, true).await?;
        handled.push(ask(&world, &chatbot, ("web", visitor), MessageId::new()).await?);
    }
    handle(&handled[1], false).await?;
    assert_eq!(end(&world).await?, 0);
    for session in [&old, &answered, &handled[0], &handled[1]] {
        let said = messages(&world, session).await?;
        assert!(
            !said.iter().any(|it| it.metadata.contains_key("ended")),
            "{said:?}"
        );
    }
    // What the chatbot is asked after that is its own again.
    ask(&world, &chatbot, ("web", "handed back"), MessageId::new()).await?;
    assert_eq!(end(&world).await?, 1);
    let said = messages(&world, &handled[1]).await?;
    assert_eq!(said.len(), 5);
    assert_eq!(said[4].metadata["ended"], json!(INTERRUPTED));
    Ok(())
}

async fn a_question_that_is_asked_again_is_under_way(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let (web, id) = (("web", "one"), MessageId::new());
    ask(&world, &chatbot, web, id).await?;
    let started = world.clock().now();
    // The same request, at the server that was started since.
    let session = ask(&world, &chatbot, web, id).await?;
    assert_eq!(world.store.end_interrupted_turns(started, HOUR).await?, 0);
    answer(&world, &chatbot, &session).await?;
    let said = messages(&world, &session).await?;
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0].id, id);
    Ok(())
}
