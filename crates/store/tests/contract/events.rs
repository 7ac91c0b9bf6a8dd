//! Watching an organization: everything that is committed, nothing of others, no loss in silence.

use std::sync::Arc;
use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, ItemStatus};
use okra_domain::session::{AnswerFacts, Feedback, Message, Rating, SenderType, Session};
use okra_domain::{ItemId, MessageId};
use okra_store::events::{Event, Watch};
use okra_store::sessions::{SessionKey, UserMessage};
use okra_store::testing::Backend;
use serde_json::Map;

use crate::on_every_database;
use crate::world::{World, ingested, text};

on_every_database![
    an_items_way_is_told,
    a_turn_is_told,
    others_are_told_nothing,
    who_falls_behind_is_told_to_read_anew,
    another_server_over_the_same_database_is_heard,
];

async fn next(watch: &mut Watch) -> Arc<Event> {
    let next = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    next.expect("an event comes").expect("the store is open")
}

/// The item's state in the next event, which must be about it.
async fn told_item(watch: &mut Watch, id: ItemId) -> Option<Item> {
    match &*next(watch).await {
        Event::Knowledge { item_id, item, .. } if *item_id == id => item.as_deref().cloned(),
        other => panic!("not about {id}: {other:?}"),
    }
}

async fn an_items_way_is_told(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut watch = world.store.watch(chatbot.organization_id).await?;
    let item = world.add_text(&chatbot, "text").await?;
    let id = item.id;
    let told = told_item(&mut watch, id).await;
    assert_eq!(told.as_ref(), Some(&item));

    let job = world.lease_ingest(id).await?;
    world.store.begin_ingest(&chatbot, id).await?;
    let told = told_item(&mut watch, id).await.map(|item| item.status);
    assert_eq!(told, Some(ItemStatus::Processing));
    world
        .store
        .finish_ingest(&job, id, ingested(&["a", "b"]))
        .await?;
    let told = told_item(&mut watch, id).await.expect("it is there");
    assert_eq!((told.status, told.chunks), (ItemStatus::Ready, 2));

    let again = |item: &Item| Ok((item.clone(), true));
    world.store.update_item(&chatbot, id, again).await?;
    let told = told_item(&mut watch, id).await.map(|item| item.status);
    assert_eq!(told, Some(ItemStatus::Pending));
    let job = world.lease_ingest(id).await?;
    world.store.fail_ingest(&job, id, "No text in it.").await?;
    let told = told_item(&mut watch, id).await.and_then(|item| item.error);
    assert_eq!(told.as_deref(), Some("No text in it."));
    world.store.delete_item(&chatbot, id).await?;
    assert_eq!(told_item(&mut watch, id).await, None);
    Ok(())
}

async fn say(world: &World, chatbot: &Chatbot, words: &str) -> Result<Session> {
    let key = SessionKey::Visitor {
        platform: "web".to_owned(),
        token: Some("v1".to_owned()),
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: words.to_owned(),
        attachments: None,
    };
    Ok(world.store.open_turn(chatbot, &key, said, 0).await?.session)
}

async fn told_message(watch: &mut Watch) -> Message {
    match &*next(watch).await {
        Event::Message { message, .. } => (**message).clone(),
        other => panic!("not a message: {other:?}"),
    }
}

async fn told_session(watch: &mut Watch) -> Session {
    match &*next(watch).await {
        Event::Conversation(session) => (**session).clone(),
        other => panic!("not a conversation: {other:?}"),
    }
}

async fn a_turn_is_told(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut watch = world.store.watch(chatbot.organization_id).await?;
    let session = say(&world, &chatbot, "Hello").await?;
    assert_eq!(told_message(&mut watch).await.content, "Hello");
    assert_eq!(told_session(&mut watch).await, session);

    let answer = Message {
        id: MessageId::new(),
        session_id: session.id,
        sender_type: SenderType::Bot,
        content: "Good day".to_owned(),
        attachments: None,
        metadata: Map::new(),
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: world.clock().now(),
    };
    world
        .store
        .finish_turn(&chatbot, &answer, AnswerFacts::default())
        .await?;
    assert_eq!(told_message(&mut watch).await, answer);
    let last = told_session(&mut watch).await.last_message;
    assert_eq!(last.map(|last| last.content).as_deref(), Some("Good day"));

    let rated = Feedback {
        rating: Rating::Up,
        comment: None,
    };
    let store = &world.store;
    store
        .set_feedback(&chatbot, &session, answer.id, Some(rated.clone()))
        .await?;
    assert_eq!(told_message(&mut watch).await.feedback, Some(rated));
    Ok(())
}

async fn others_are_told_nothing(world: World) -> Result<()> {
    let (ours, theirs) = (world.chatbot("Ours").await?, world.chatbot("Theirs").await?);
    let mut watch = world.store.watch(theirs.organization_id).await?;
    world.add_text(&ours, "ours").await?;
    say(&world, &ours, "ours").await?;
    let own = world.add_text(&theirs, "theirs").await?;
    let told = told_item(&mut watch, own.id).await;
    assert!(told.is_some(), "the first that is heard is their own");
    Ok(())
}

async fn who_falls_behind_is_told_to_read_anew(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let organization = chatbot.organization_id;
    let mut slow = world.store.watch(organization).await?;
    let mut quick = world.store.watch(organization).await?;
    for _ in 0..4 {
        let items = (0..100).map(|_| text(&chatbot, "text", world.clock()));
        world.store.add_items(&chatbot, items.collect()).await?;
        for _ in 0..100 {
            assert_ne!(*next(&mut quick).await, Event::Resync);
        }
    }
    assert_eq!(*next(&mut slow).await, Event::Resync);
    // After that it goes on with what was not lost.
    assert!(matches!(*next(&mut slow).await, Event::Knowledge { .. }));
    Ok(())
}

async fn another_server_over_the_same_database_is_heard(world: World) -> Result<()> {
    if world.backend == Backend::Sqlite {
        return Ok(()); // One server has the file for itself.
    }
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.open_again().await?;
    let mut there = other.watch(chatbot.organization_id).await?;
    let mut here = world.store.watch(chatbot.organization_id).await?;
    let first = world.add_text(&chatbot, "one").await?;
    // Each is told once, its own server's announcement notwithstanding.
    assert_eq!(told_item(&mut there, first.id).await.as_ref(), Some(&first));
    assert_eq!(told_item(&mut here, first.id).await.as_ref(), Some(&first));
    world.store.delete_item(&chatbot, first.id).await?;
    assert_eq!(told_item(&mut there, first.id).await, None);
    assert_eq!(told_item(&mut here, first.id).await, None);
    say(&world, &chatbot, "Hello").await?;
    assert_eq!(told_message(&mut here).await.content, "Hello");
    assert_eq!(told_message(&mut there).await.content, "Hello");
    // Closing waits for nobody.
    let closing = tokio::time::timeout(Duration::from_secs(20), other.close());
    closing.await.expect("the store closes while it is watched");
    Ok(())
}
