//! What visitors thought of whole conversations, and how these ended.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::Handling;
use okra_domain::session::{
    AnswerFacts, Feedback, Message, Outcome, PLAYGROUND, Rating, SenderType, Session,
};
use okra_domain::{ErrorKind, MessageId};
use okra_store::overview::{Conversations, Overview, Period, Ratings, Thumbs};
use okra_store::sessions::{SessionKey, UserMessage};
use serde_json::Map;

use crate::on_every_database;
use crate::world::{World, assert_fails};

on_every_database![
    a_settled_session_has_one_rating,
    conversations_are_counted_by_how_they_ended,
    ratings_are_counted_within_the_period,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A visitor asks once; gives the session and the answer.
async fn ask(
    world: &World,
    bot: &Chatbot,
    (platform, visitor): (&str, &str),
    outcome: Outcome,
) -> Result<(Session, MessageId)> {
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: Some(visitor.to_owned()),
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: "Q?".to_owned(),
        attachments: None,
    };
    let session = world.store.open_turn(bot, &key, said, 0).await?.session;
    let answer = Message {
        id: MessageId::new(),
        session_id: session.id,
        sender_type: SenderType::Bot,
        content: "A.".to_owned(),
        attachments: None,
        metadata: Map::new(),
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: world.clock().now(),
    };
    let facts = AnswerFacts {
        outcome: (platform != PLAYGROUND).then_some(outcome),
        took: None,
        question: session.last_message.as_ref().map(|it| it.id),
        takeovers: session.takeovers,
        calls_person: false,
    };
    world.store.finish_turn(bot, &answer, facts).await?;
    world.clock().advance(Duration::from_secs(1));
    Ok((session, answer.id))
}

async fn settle(world: &World, bot: &Chatbot, session: &Session) -> Result<()> {
    let store = &world.store;
    store.handle(bot, session.id, |it| Ok(it.ended())).await?;
    Ok(())
}

async fn overview(world: &World, bot: &Chatbot, days: u32) -> Result<Overview> {
    let period = Period {
        days,
        offset_minutes: 0,
        chatbot: None,
    };
    world.store.overview(bot.organization_id, period).await
}

async fn a_settled_session_has_one_rating(world: World) -> Result<()> {
    let (bot, other) = (world.chatbot("Shop").await?, world.chatbot("Other").await?);
    let (session, _) = ask(&world, &bot, ("web", "v1"), Outcome::Answered).await?;
    let store = &world.store;
    let early = store.rate_session(&bot, &session, 5, None).await;
    assert_fails(early, ErrorKind::Conflict);
    assert_eq!(store.session_rating(&bot, &session).await?, None);
    settle(&world, &bot, &session).await?;
    let comment = Some("느려요".to_owned());
    let given = store.rate_session(&bot, &session, 2, comment).await?;
    assert_eq!((given.score, given.rated_at), (2, world.clock().now()));
    assert_eq!(store.session_rating(&bot, &session).await?, Some(given));
    world.clock().advance(DAY);
    let again = store.rate_session(&bot, &session, 4, None).await?;
    assert_eq!(store.session_rating(&bot, &session).await?, Some(again));
    assert_fails(
        store.rate_session(&other, &session, 1, None).await,
        ErrorKind::Conflict,
    );
    assert_eq!(store.session_rating(&other, &session).await?, None);
    store.delete_chatbot(&bot).await?;
    assert_eq!(store.session_rating(&bot, &session).await?, None);
    Ok(())
}

async fn conversations_are_counted_by_how_they_ended(world: World) -> Result<()> {
    let (bot, other) = (world.chatbot("Shop").await?, world.chatbot("Other").await?);
    let store = &world.store;
    // Before the period, and what does not count at all.
    ask(&world, &bot, ("web", "old"), Outcome::Answered).await?;
    world.clock().advance(7 * DAY);
    ask(&world, &bot, ("web", "old"), Outcome::Answered).await?;
    ask(&world, &bot, (PLAYGROUND, "trial"), Outcome::Answered).await?;
    ask(&world, &other, ("web", "theirs"), Outcome::Answered).await?;
    // The chatbot's: answered at last; settled; and one that is not, since the last answer was disliked.
    ask(&world, &bot, ("web", "a"), Outcome::Unanswered).await?;
    ask(&world, &bot, ("web", "a"), Outcome::Answered).await?;
    let (settled, _) = ask(&world, &bot, ("web", "b"), Outcome::Unanswered).await?;
    settle(&world, &bot, &settled).await?;
    let (session, answer) = ask(&world, &bot, ("web", "c"), Outcome::Answered).await?;
    let down = Feedback {
        rating: Rating::Down,
        comment: None,
    };
    store
        .set_feedback(&bot, &session, answer, Some(down))
        .await?;
    ask(&world, &bot, ("web", "d"), Outcome::Failed).await?;
    // A person's: settled, and one that is still waited for.
    let (session, answer) = ask(&world, &bot, ("web", "e"), Outcome::Answered).await?;
    store.handle(&bot, session.id, |it| Ok(it.called())).await?;
    settle(&world, &bot, &session).await?;
    let up = Feedback {
        rating: Rating::Up,
        comment: None,
    };
    store.set_feedback(&bot, &session, answer, Some(up)).await?;
    let (session, _) = ask(&world, &bot, ("web", "f"), Outcome::Answered).await?;
    store
        .handle(&bot, session.id, |it| Ok(Handling::called(it)))
        .await?;
    let told = overview(&world, &bot, 7).await?;
    let expected = Conversations {
        begun: 6,
        by_chatbot: 2,
        by_person: 1,
        handed_over: 2,
    };
    assert_eq!(told.conversations, expected);
    assert_eq!(told.thumbs, Thumbs { up: 1, down: 1 });
    let longer = overview(&world, &bot, 30).await?.conversations;
    assert_eq!((longer.begun, longer.by_chatbot), (7, 3));
    Ok(())
}

async fn ratings_are_counted_within_the_period(world: World) -> Result<()> {
    let (bot, other) = (world.chatbot("Shop").await?, world.chatbot("Other").await?);
    let none = overview(&world, &bot, 7).await?.ratings;
    assert_eq!(
        (none.count(), none.mean(), none.satisfied()),
        (0, None, None)
    );
    let rate = async |bot: &Chatbot, visitor: &str, score: i64| -> Result<()> {
        let (session, _) = ask(&world, bot, ("web", visitor), Outcome::Answered).await?;
        settle(&world, bot, &session).await?;
        world.store.rate_session(bot, &session, score, None).await?;
        Ok(())
    };
    rate(&bot, "old", 1).await?;
    world.clock().advance(7 * DAY);
    rate(&other, "theirs", 1).await?;
    for (visitor, score) in [("a", 5), ("b", 5), ("c", 4), ("d", 2)] {
        rate(&bot, visitor, score).await?;
    }
    let told = overview(&world, &bot, 7).await?.ratings;
    assert_eq!(told, Ratings([0, 1, 0, 1, 2]));
    assert_eq!((told.mean(), told.satisfied()), (Some(4.0), Some(0.75)));
    let alone = Period {
        days: 7,
        offset_minutes: 0,
        chatbot: Some(other.id),
    };
    let theirs = world.store.overview(bot.organization_id, alone).await?;
    assert_eq!(theirs.ratings.count(), 0);
    Ok(())
}
