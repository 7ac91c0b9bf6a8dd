//! How an organization's chatbots do, counted by hand and by the store.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{AnswerFacts, Message, Outcome, PLAYGROUND, SenderType};
use okra_domain::{MessageId, Timestamp};
use okra_store::SlugChoice;
use okra_store::overview::{Counts, Overview, Period};
use okra_store::sessions::{SessionKey, UserMessage};
use serde_json::Map;

use crate::on_every_database;
use crate::world::World;

on_every_database![
    questions_are_counted_by_how_they_were_served,
    days_are_those_of_the_callers_clock,
    medians_are_exact,
    what_was_asked_in_vain_is_told_by_its_words,
    others_and_trials_do_not_count,
];

const HOUR: Duration = Duration::from_secs(60 * 60);
const WEEK: Period = Period {
    days: 7,
    offset_minutes: 0,
    chatbot: None,
};

/// Asks on a platform; the answer has this outcome and took so many milliseconds.
async fn ask(
    world: &World,
    chatbot: &Chatbot,
    (platform, words): (&str, &str),
    (outcome, millis): (Option<Outcome>, Option<u64>),
) -> Result<MessageId> {
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: Some("v1".to_owned()),
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: words.to_owned(),
        attachments: None,
    };
    let session = world.store.open_turn(chatbot, &key, said, 0).await?.session;
    let question = session.last_message.expect("the question").id;
    let answer = Message {
        id: MessageId::new(),
        session_id: session.id,
        sender_type: SenderType::Bot,
        content: "Answer".to_owned(),
        attachments: None,
        metadata: Map::new(),
        model: None,
        provider: None,
        tokens_used: 7,
        feedback: None,
        created_at: world.clock().now(),
    };
    let facts = AnswerFacts {
        outcome,
        took: millis.map(Duration::from_millis),
        question: Some(question),
        takeovers: 0,
        calls_person: false,
    };
    world.store.finish_turn(chatbot, &answer, facts).await?;
    Ok(question)
}

async fn overview(world: &World, chatbot: &Chatbot, period: Period) -> Result<Overview> {
    world.store.overview(chatbot.organization_id, period).await
}

/// A second chatbot of the same organization.
async fn sibling(world: &World, chatbot: &Chatbot, name: &str) -> Result<Chatbot> {
    let made = Chatbot::new(chatbot.organization_id, name, world.clock().now())?;
    world.store.create_chatbot(made, SlugChoice::Derived).await
}

const ANSWERED: (Option<Outcome>, Option<u64>) = (Some(Outcome::Answered), Some(100));
const UNANSWERED: (Option<Outcome>, Option<u64>) = (Some(Outcome::Unanswered), Some(300));
const FAILED: (Option<Outcome>, Option<u64>) = (Some(Outcome::Failed), None);

async fn questions_are_counted_by_how_they_were_served(world: World) -> Result<()> {
    let shop = world.chatbot("Shop").await?;
    let museum = sibling(&world, &shop, "Museum").await?;
    let nothing = overview(&world, &shop, WEEK).await?;
    assert_eq!((nothing.days.len(), nothing.totals), (7, Counts::default()));
    assert!(nothing.by_chatbot.is_empty() && nothing.unanswered.is_empty());

    ask(&world, &shop, ("web", "a"), ANSWERED).await?;
    ask(&world, &museum, ("web", "b"), ANSWERED).await?;
    ask(&world, &museum, ("kakao", "c"), UNANSWERED).await?;
    ask(&world, &museum, ("web", "d"), FAILED).await?;
    // Stopped before anything was looked for.
    ask(&world, &museum, ("web", "e"), (None, None)).await?;
    let told = overview(&world, &shop, WEEK).await?;
    let totals = Counts {
        questions: 4,
        answered: 2,
        unanswered: 1,
        failed: 1,
        median_micros: Some(100_000),
    };
    assert_eq!(told.totals, totals);
    assert_eq!(told.days[6].1, totals);
    assert!(
        told.days[..6]
            .iter()
            .all(|(_, counts)| *counts == Counts::default())
    );
    let of_shop = Counts {
        questions: 1,
        answered: 1,
        median_micros: Some(100_000),
        ..Counts::default()
    };
    let of_museum = Counts {
        questions: 3,
        answered: 1,
        unanswered: 1,
        failed: 1,
        median_micros: Some(200_000),
    };
    let expected = [
        (museum.id, "Museum".to_owned(), of_museum),
        (shop.id, "Shop".to_owned(), of_shop),
    ];
    assert_eq!(told.by_chatbot, expected);

    let chatbot = Some(shop.id);
    let alone = overview(&world, &shop, Period { chatbot, ..WEEK }).await?;
    assert_eq!((alone.totals, alone.by_chatbot.len()), (of_shop, 1));
    assert!(alone.unanswered.is_empty());
    Ok(())
}

async fn days_are_those_of_the_callers_clock(world: World) -> Result<()> {
    let shop = world.chatbot("Shop").await?;
    // The world begins at 15:06:40 UTC, which is 00:06:40 of the next day in Seoul.
    assert_eq!(
        world.clock().now().to_string(),
        "2025-06-15T15:06:40.000000+00:00"
    );
    ask(&world, &shop, ("web", "a"), ANSWERED).await?;
    world.clock().advance(9 * HOUR);
    ask(&world, &shop, ("web", "b"), ANSWERED).await?;
    let by_day = async |days, offset_minutes| -> Result<Vec<(String, i64)>> {
        let period = Period {
            days,
            offset_minutes,
            chatbot: None,
        };
        let told = overview(&world, &shop, period).await?;
        let sum: i64 = told.days.iter().map(|(_, counts)| counts.questions).sum();
        assert_eq!(told.totals.questions, sum);
        let day = |(day, counts): &(Timestamp, Counts)| (day.day(), counts.questions);
        Ok(told.days.iter().map(day).collect())
    };
    let day = |date: &str, questions| (date.to_owned(), questions);
    let utc = by_day(2, 0).await?;
    assert_eq!(utc, [day("2025-06-15", 1), day("2025-06-16", 1)]);
    let seoul = by_day(2, 540).await?;
    assert_eq!(seoul, [day("2025-06-15", 0), day("2025-06-16", 2)]);
    let new_york = by_day(1, -240).await?;
    assert_eq!(new_york, [day("2025-06-15", 2)]);
    assert_eq!(by_day(1, 0).await?, [day("2025-06-16", 1)]);
    Ok(())
}

async fn medians_are_exact(world: World) -> Result<()> {
    let shop = world.chatbot("Shop").await?;
    let mut times = Vec::new();
    for millis in [900, 100, 500, 100, 700, 300] {
        let facts = (Some(Outcome::Answered), Some(millis));
        ask(&world, &shop, ("web", "a"), facts).await?;
        // What is not whole took no time that counts.
        ask(&world, &shop, ("web", "b"), FAILED).await?;
        times.push(millis as i64 * 1_000);
        times.sort_unstable();
        let middle = times.len() / 2;
        let expected = match times.len() % 2 {
            1 => times[middle],
            _ => i64::midpoint(times[middle - 1], times[middle]),
        };
        let told = overview(&world, &shop, WEEK).await?;
        assert_eq!(told.totals.median_micros, Some(expected), "{times:?}");
    }
    Ok(())
}

async fn what_was_asked_in_vain_is_told_by_its_words(world: World) -> Result<()> {
    let shop = world.chatbot("Shop").await?;
    ask(&world, &shop, ("web", "Do you sell tea?"), UNANSWERED).await?;
    ask(&world, &shop, ("web", "화성에도 배송하나요?"), UNANSWERED).await?;
    ask(&world, &shop, ("web", "Do you ship?"), ANSWERED).await?;
    world.clock().advance(HOUR);
    let last = ask(&world, &shop, ("web", " do you SELL tea?"), UNANSWERED).await?;
    let told = overview(&world, &shop, WEEK).await?.unanswered;
    let asked: Vec<(&str, i64)> = told
        .iter()
        .map(|it| (it.question.as_str(), it.count))
        .collect();
    assert_eq!(
        asked,
        [(" do you SELL tea?", 2), ("화성에도 배송하나요?", 1)]
    );
    assert_eq!((told[0].message_id, told[0].chatbot_id), (last, shop.id));
    assert_eq!(told[0].last_asked_at, world.clock().now());
    let session = world.store.session(&shop, told[0].session_id).await?;
    assert!(world.store.message(&session, last).await?.is_some());
    Ok(())
}

async fn others_and_trials_do_not_count(world: World) -> Result<()> {
    let (shop, other) = (world.chatbot("Shop").await?, world.chatbot("Other").await?);
    ask(&world, &other, ("web", "a"), UNANSWERED).await?;
    ask(&world, &shop, (PLAYGROUND, "b"), UNANSWERED).await?;
    let told = overview(&world, &shop, WEEK).await?;
    assert_eq!(told.totals, Counts::default());
    assert!(told.unanswered.is_empty() && told.by_chatbot.is_empty());
    // A chatbot of someone else gives nothing away.
    let chatbot = Some(other.id);
    let told = overview(&world, &shop, Period { chatbot, ..WEEK }).await?;
    assert_eq!(told.totals, Counts::default());
    Ok(())
}
