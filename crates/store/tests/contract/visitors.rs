//! What visitors' browsers read and write.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{AnswerFacts, Feedback, Message, Rating, SenderType};
use okra_domain::{MessageId, Secret};
use okra_store::sessions::{OpenTurn, SessionKey, UserMessage};
use serde_json::{Map, Value, json};

use crate::on_every_database;
use crate::world::{World, assert_not_found};

on_every_database! {
    a_chatbot_is_known_to_visitors_by_its_slug_while_it_is_active,
    a_visitor_finds_its_session_and_reads_it_backwards,
    what_is_known_of_a_visitor_is_replaced_when_it_is_given,
    a_message_that_comes_twice_is_stored_once,
    feedback_is_for_answers_of_the_session_alone,
    the_first_secret_of_a_name_stays,
}

async fn say(
    world: &World,
    chatbot: &Chatbot,
    said: UserMessage,
    profile: Option<Map<String, Value>>,
) -> Result<OpenTurn> {
    let key = SessionKey::Visitor {
        platform: "web".to_owned(),
        token: Some("visitor".to_owned()),
        profile,
    };
    world.store.open_turn(chatbot, &key, said, 20).await
}

fn said(id: Option<MessageId>) -> UserMessage {
    UserMessage {
        id,
        content: "Hi".to_owned(),
        attachments: None,
    }
}

async fn a_chatbot_is_known_to_visitors_by_its_slug_while_it_is_active(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let known = |slug: &str| {
        let (store, slug) = (world.store.clone(), slug.to_owned());
        async move { store.chatbot_for_visitors(&slug).await }
    };
    assert_eq!(known(&chatbot.slug).await?.as_ref(), Some(&chatbot));
    assert_eq!(known("another").await?, None);
    let set = |current: &Chatbot| {
        Ok(Chatbot {
            active: false,
            allowed_origins: vec!["https://shop.example".parse()?],
            identity_secret: Some(Secret::new("secret")),
            ..current.clone()
        })
    };
    let changed = world
        .store
        .update_chatbot(chatbot.organization_id, chatbot.id, set)
        .await?;
    assert_eq!(known(&chatbot.slug).await?, None);
    let stored = world
        .store
        .chatbot(chatbot.organization_id, chatbot.id)
        .await?;
    assert_eq!(stored, changed);
    Ok(())
}

async fn a_visitor_finds_its_session_and_reads_it_backwards(world: World) -> Result<()> {
    let (chatbot, other) = (world.chatbot("One").await?, world.chatbot("Two").await?);
    let none = world
        .store
        .visitor_session(&chatbot, "web", "visitor")
        .await?;
    assert_eq!(none, None);
    let mut session = None;
    for _ in 0..5 {
        world.clock().advance(std::time::Duration::from_secs(1));
        session = Some(say(&world, &chatbot, said(None), None).await?.session);
    }
    let session = session.expect("it was begun");
    let found = world
        .store
        .visitor_session(&chatbot, "web", "visitor")
        .await?;
    assert_eq!(found.as_ref(), Some(&session));
    assert_eq!(
        world
            .store
            .visitor_session(&other, "web", "visitor")
            .await?,
        None
    );
    assert_eq!(
        world
            .store
            .visitor_session(&chatbot, "app", "visitor")
            .await?,
        None
    );
    let (latest, more) = world.store.messages_before(&session, None, 2).await?;
    assert!(more && latest.len() == 2 && latest[0].created_at < latest[1].created_at);
    let (earlier, more) = world
        .store
        .messages_before(&session, Some(latest[0].id), 3)
        .await?;
    assert!(!more && earlier.len() == 3 && earlier[2].created_at < latest[0].created_at);
    let (nothing, more) = world
        .store
        .messages_before(&session, Some(MessageId::new()), 3)
        .await?;
    assert!(nothing.is_empty() && !more);
    assert_eq!(
        world.store.message(&session, latest[0].id).await?.as_ref(),
        Some(&latest[0])
    );
    assert_eq!(world.store.message(&session, MessageId::new()).await?, None);
    Ok(())
}

async fn what_is_known_of_a_visitor_is_replaced_when_it_is_given(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let known = |value: Value| value.as_object().cloned();
    let first = say(&world, &chatbot, said(None), None).await?;
    assert_eq!(
        known(json!({"anonymous": true})),
        Some(first.session.metadata)
    );
    let profile = known(json!({"email": "a@b.example"}));
    let second = say(&world, &chatbot, said(None), profile.clone()).await?;
    assert_eq!(profile, Some(second.session.metadata));
    let third = say(&world, &chatbot, said(None), None).await?;
    assert_eq!(profile, Some(third.session.metadata));
    Ok(())
}

async fn a_message_that_comes_twice_is_stored_once(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let id = MessageId::new();
    say(&world, &chatbot, said(Some(id)), None).await?;
    let again = say(&world, &chatbot, said(Some(id)), None).await?;
    assert_eq!(again.history, [], "it is not its own history");
    let (messages, _) = world
        .store
        .messages_before(&again.session, None, 10)
        .await?;
    assert_eq!(messages.iter().map(|it| it.id).collect::<Vec<_>>(), [id]);
    // Another message is not answered in its place.
    let other = UserMessage {
        content: "Something else".to_owned(),
        ..said(Some(id))
    };
    let refused = say(&world, &chatbot, other, None).await;
    assert_eq!(refused.expect_err("a conflict").code, Some("already_used"));
    let session = world.store.session(&chatbot, again.session.id).await?;
    assert_eq!(session.last_message, again.session.last_message);
    Ok(())
}

async fn feedback_is_for_answers_of_the_session_alone(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let turn = say(&world, &chatbot, said(None), None).await?;
    let answer = Message {
        id: MessageId::new(),
        session_id: turn.session.id,
        sender_type: SenderType::Bot,
        content: "Hello".to_owned(),
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
    let key = SessionKey::Visitor {
        platform: "web".to_owned(),
        token: Some("neighbour".to_owned()),
        profile: None,
    };
    let neighbour = world
        .store
        .open_turn(&chatbot, &key, said(None), 20)
        .await?
        .session;
    let session = turn.session;
    let given = Feedback {
        rating: Rating::Down,
        comment: Some("별로예요".to_owned()),
    };
    world
        .store
        .set_feedback(&chatbot, &session, answer.id, Some(given.clone()))
        .await?;
    let stored = world
        .store
        .message(&session, answer.id)
        .await?
        .expect("it is stored");
    assert_eq!(stored.feedback, Some(given.clone()));
    assert_not_found(
        world
            .store
            .set_feedback(&chatbot, &neighbour, answer.id, None)
            .await,
    );
    let question = session.last_message.as_ref().expect("a last message").id;
    assert_not_found(
        world
            .store
            .set_feedback(&chatbot, &session, question, Some(given))
            .await,
    );
    world
        .store
        .set_feedback(&chatbot, &session, answer.id, None)
        .await?;
    let stored = world
        .store
        .message(&session, answer.id)
        .await?
        .expect("it is stored");
    assert_eq!(stored.feedback, None);
    Ok(())
}

async fn the_first_secret_of_a_name_stays(world: World) -> Result<()> {
    let secret = |name: &str, candidate: &str| {
        let (store, name, candidate) =
            (world.store.clone(), name.to_owned(), Secret::new(candidate));
        async move { store.server_secret(&name, candidate).await }
    };
    let (one, other) = tokio::join!(secret("tokens", "one"), secret("tokens", "other"));
    let (one, other) = (one?, other?);
    assert_eq!(one, other);
    assert_eq!(secret("tokens", "third").await?, one);
    assert_eq!(secret("else", "third").await?, Secret::new("third"));
    Ok(())
}
