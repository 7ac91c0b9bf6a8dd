//! Gaps: which questions are wanting, where they were put, and how gaps stand.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::gap::{AskedGap, GapState};
use okra_domain::knowledge::{Item, ItemStatus, Source};
use okra_domain::session::{AnswerFacts, Feedback, Message, Outcome, Rating, SenderType};
use okra_domain::{GapId, MessageId, SessionId, Timestamp};
use okra_store::gaps::{GapCounts, GapVector, Gathered, NewGap, Ungathered};
use okra_store::sessions::{AgentMessage, SessionKey, UserMessage};
use serde_json::{Map, json};

use crate::on_every_database;
use crate::world::{World, assert_not_found, entries, page};

on_every_database![
    what_got_no_answer_or_was_disliked_is_to_be_gathered,
    questions_are_put_into_gaps_once,
    gaps_are_counted_within_a_period,
    a_rating_that_was_taken_back_counts_no_more,
    a_resolved_gap_opens_again_and_a_dismissed_one_stays,
    a_question_tells_what_a_person_replied,
    a_pair_is_added_with_the_note_of_it,
    gaps_are_the_chatbots_own_and_go_with_it,
];

const HOUR: Duration = Duration::from_secs(60 * 60);
const EVER: Timestamp = Timestamp(0);

/// A question and its answer.
struct Asked {
    session: SessionId,
    question: MessageId,
    answer: MessageId,
}

/// A visitor asks, and the answer has this outcome; a second goes by.
async fn ask(world: &World, bot: &Chatbot, words: &str, outcome: Outcome) -> Result<Asked> {
    ask_leaning(world, bot, words, (outcome, None)).await
}

async fn ask_leaning(
    world: &World,
    bot: &Chatbot,
    words: &str,
    (outcome, looked_up): (Outcome, Option<&str>),
) -> Result<Asked> {
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
    let session = world.store.open_turn(bot, &key, said, 0).await?.session;
    let question = session.last_message.expect("the question").id;
    let mut metadata = Map::new();
    if let Some(looked_up) = looked_up {
        metadata.insert("looked_up".to_owned(), json!(looked_up));
    }
    let answer = Message {
        id: MessageId::new(),
        session_id: session.id,
        sender_type: SenderType::Bot,
        content: "Answer".to_owned(),
        attachments: None,
        metadata,
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: world.clock().now(),
    };
    let facts = AnswerFacts {
        outcome: Some(outcome),
        took: None,
        question: Some(question),
        takeovers: session.takeovers,
        calls_person: false,
    };
    world.store.finish_turn(bot, &answer, facts).await?;
    world.clock().advance(Duration::from_secs(1));
    Ok(Asked {
        session: session.id,
        question,
        answer: answer.id,
    })
}

async fn rate(world: &World, bot: &Chatbot, asked: &Asked, rating: Option<Rating>) -> Result<()> {
    let session = world.store.session(bot, asked.session).await?;
    let feedback = rating.map(|rating| Feedback {
        rating,
        comment: Some("why".to_owned()),
    });
    let store = &world.store;
    store
        .set_feedback(bot, &session, asked.answer, feedback)
        .await
}

async fn ungathered(world: &World, bot: &Chatbot) -> Result<Vec<Ungathered>> {
    world.store.ungathered(bot, EVER, 100).await
}

/// Puts all that is in no gap into a new one each.
async fn gather(world: &World, bot: &Chatbot) -> Result<Vec<GapId>> {
    let leaders = world.store.gap_leaders(bot, 100).await?;
    let newest = leaders.first().map_or(0, |leader| leader.number);
    let mut gathered = Gathered::default();
    for asked in ungathered(world, bot).await? {
        let new = gap_of(&asked);
        gathered.placed.push((asked, new.id));
        gathered.new.push(new);
    }
    let ids = gathered.new.iter().map(|gap| gap.id).collect();
    assert!(world.store.gather(bot, newest, gathered).await?);
    Ok(ids)
}

fn gap_of(asked: &Ungathered) -> NewGap {
    NewGap {
        id: GapId::new(),
        question: asked.standing().to_owned(),
        vector: None,
        asked_at: asked.asked_at,
    }
}

async fn listed(world: &World, bot: &Chatbot, state: GapState) -> Result<Vec<AskedGap>> {
    let (listed, _) = world.store.gaps(bot, state, EVER, page(1, 50)).await?;
    Ok(listed.entries)
}

async fn what_got_no_answer_or_was_disliked_is_to_be_gathered(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    ask(&world, &bot, "Where is my parcel?", Outcome::Answered).await?;
    ask(&world, &bot, "Do you ship abroad?", Outcome::Unanswered).await?;
    ask(&world, &bot, "It failed?", Outcome::Failed).await?;
    let wrong = ask(&world, &bot, "환불되나요?", Outcome::Answered).await?;
    rate(&world, &bot, &wrong, Some(Rating::Down)).await?;
    let liked = ask(&world, &bot, "Thanks?", Outcome::Answered).await?;
    rate(&world, &bot, &liked, Some(Rating::Up)).await?;
    let leaning = (Outcome::Unanswered, Some("Do you ship to Japan?"));
    let last = ask_leaning(&world, &bot, "And to Japan?", leaning).await?;
    rate(&world, &bot, &last, Some(Rating::Down)).await?;
    let found = ungathered(&world, &bot).await?;
    let words: Vec<&str> = found.iter().map(Ungathered::standing).collect();
    assert_eq!(
        words,
        [
            "Do you ship abroad?",
            "환불되나요?",
            "Do you ship to Japan?"
        ]
    );
    assert_eq!(
        (found[2].message_id, found[2].answer_id),
        (last.question, last.answer)
    );
    assert_eq!(found[2].question, "And to Japan?");
    assert_eq!(world.store.ungathered(&bot, EVER, 1).await?, found[..1]);
    let later = found[1].asked_at;
    assert_eq!(world.store.ungathered(&bot, later, 9).await?, found[1..]);
    Ok(())
}

async fn questions_are_put_into_gaps_once(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    for words in ["one?", "two?", "like one?"] {
        ask(&world, &bot, words, Outcome::Unanswered).await?;
    }
    let found = ungathered(&world, &bot).await?;
    let (mut one, two) = (gap_of(&found[0]), gap_of(&found[1]));
    let vector = |space: &str| GapVector {
        space: space.to_owned(),
        bytes: vec![1, 2, 255],
    };
    one.vector = Some(vector("a"));
    let gathered = Gathered {
        placed: vec![
            (found[0].clone(), one.id),
            (found[1].clone(), two.id),
            (found[2].clone(), one.id),
        ],
        new: vec![one.clone(), two.clone()],
        vectors: vec![],
    };
    assert!(world.store.gather(&bot, 0, gathered.clone()).await?);
    assert_eq!(ungathered(&world, &bot).await?, []);
    // Whoever compared before that has to compare again.
    let again = Gathered {
        new: vec![gap_of(&found[2])],
        ..Gathered::default()
    };
    assert!(!world.store.gather(&bot, 0, again).await?);
    let leaders = world.store.gap_leaders(&bot, 10).await?;
    let numbers: Vec<(i64, GapId)> = leaders.iter().map(|it| (it.number, it.id)).collect();
    assert_eq!(numbers, [(2, two.id), (1, one.id)]);
    assert_eq!(leaders[1].vector, Some(vector("a")));
    assert_eq!(
        (leaders[0].vector.as_ref(), leaders[0].question.as_str()),
        (None, "two?")
    );
    assert_eq!(world.store.gap_leaders(&bot, 1).await?, leaders[..1]);
    // A second time changes nothing but what is new.
    let vectors = Gathered {
        new: vec![],
        vectors: vec![(one.id, vector("b"))],
        ..gathered
    };
    assert!(world.store.gather(&bot, 2, vectors).await?);
    let leaders = world.store.gap_leaders(&bot, 10).await?;
    assert_eq!(leaders[1].vector, Some(vector("b")));
    let counts: Vec<i64> = listed(&world, &bot, GapState::Open)
        .await?
        .iter()
        .map(|it| it.questions)
        .collect();
    assert_eq!(counts, [2, 1]);
    Ok(())
}

async fn gaps_are_counted_within_a_period(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    let first = world.clock().now();
    ask(&world, &bot, "often?", Outcome::Unanswered).await?;
    world.clock().advance(24 * HOUR);
    let since = world.clock().now();
    let wrong = ask(&world, &bot, "often again?", Outcome::Answered).await?;
    rate(&world, &bot, &wrong, Some(Rating::Down)).await?;
    let last = world.clock().now();
    ask(&world, &bot, "seldom?", Outcome::Unanswered).await?;
    let found = ungathered(&world, &bot).await?;
    let (often, seldom) = (gap_of(&found[0]), gap_of(&found[2]));
    let gathered = Gathered {
        placed: vec![
            (found[0].clone(), often.id),
            (found[1].clone(), often.id),
            (found[2].clone(), seldom.id),
        ],
        new: vec![often.clone(), seldom.clone()],
        vectors: vec![],
    };
    assert!(world.store.gather(&bot, 0, gathered).await?);
    let open = GapState::Open;
    let (ever, counts) = world.store.gaps(&bot, open, EVER, page(1, 1)).await?;
    assert_eq!(
        counts,
        GapCounts {
            open: 2,
            ..GapCounts::default()
        }
    );
    let ever = entries(ever, 1, 2);
    assert_eq!((ever.len(), ever[0].gap.id), (1, often.id));
    let asked = &ever[0];
    assert_eq!(
        (asked.questions, asked.unanswered, asked.disliked),
        (2, 1, 1)
    );
    assert_eq!((asked.first_asked_at, asked.last_asked_at), (first, since));
    assert_eq!(asked.gap.created_at, first);
    // One each: the one asked last comes first.
    let (recent, _) = world.store.gaps(&bot, open, since, page(1, 50)).await?;
    let recent = entries(recent, 1, 2);
    let ids: Vec<GapId> = recent.iter().map(|it| it.gap.id).collect();
    assert_eq!(ids, [seldom.id, often.id]);
    assert_eq!((recent[1].questions, recent[0].last_asked_at), (1, last));
    let whole = world.store.asked_gap(&bot, &recent[1].gap).await?;
    assert_eq!(whole.as_ref(), Some(asked));
    Ok(())
}

async fn a_rating_that_was_taken_back_counts_no_more(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    let wrong = ask(&world, &bot, "Refund?", Outcome::Answered).await?;
    rate(&world, &bot, &wrong, Some(Rating::Down)).await?;
    let gap = gather(&world, &bot).await?[0];
    assert_eq!(listed(&world, &bot, GapState::Open).await?.len(), 1);
    rate(&world, &bot, &wrong, None).await?;
    assert_eq!(listed(&world, &bot, GapState::Open).await?, []);
    let gap = world.store.gap(&bot, gap).await?;
    assert_eq!(world.store.asked_gap(&bot, &gap).await?, None);
    assert_eq!(world.store.gap_questions(&bot, &gap, 9).await?, []);
    rate(&world, &bot, &wrong, Some(Rating::Down)).await?;
    assert_eq!(listed(&world, &bot, GapState::Open).await?.len(), 1);
    Ok(())
}

async fn a_resolved_gap_opens_again_and_a_dismissed_one_stays(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    ask(&world, &bot, "one?", Outcome::Unanswered).await?;
    ask(&world, &bot, "two?", Outcome::Unanswered).await?;
    let ids = gather(&world, &bot).await?;
    let store = &world.store;
    let resolved = store.settle_gap(&bot, ids[0], GapState::Resolved).await?;
    let now = world.clock().now();
    assert_eq!(
        (resolved.state, resolved.settled_at),
        (GapState::Resolved, Some(now))
    );
    store.settle_gap(&bot, ids[1], GapState::Dismissed).await?;
    assert_eq!(listed(&world, &bot, GapState::Open).await?, []);
    assert_eq!(listed(&world, &bot, GapState::Resolved).await?.len(), 1);
    let again = async |words: &str, gap| -> Result<()> {
        world.clock().advance(HOUR);
        ask(&world, &bot, words, Outcome::Unanswered).await?;
        let asked = ungathered(&world, &bot).await?.remove(0);
        let gathered = Gathered {
            placed: vec![(asked, gap)],
            ..Gathered::default()
        };
        assert!(store.gather(&bot, 2, gathered).await?);
        Ok(())
    };
    again("one again?", ids[0]).await?;
    again("two again?", ids[1]).await?;
    let open = listed(&world, &bot, GapState::Open).await?;
    assert_eq!(
        (open.len(), open[0].gap.id, open[0].gap.settled_at),
        (1, ids[0], None)
    );
    let dismissed = listed(&world, &bot, GapState::Dismissed).await?;
    assert_eq!((dismissed[0].gap.id, dismissed[0].questions), (ids[1], 2));
    let open = store.settle_gap(&bot, ids[1], GapState::Open).await?;
    assert_eq!((open.state, open.settled_at), (GapState::Open, None));
    Ok(())
}

async fn a_question_tells_what_a_person_replied(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    let say = async |session, words: &str| -> Result<MessageId> {
        world.clock().advance(Duration::from_secs(1));
        let said = AgentMessage {
            id: None,
            content: words.to_owned(),
            attachments: None,
            author: None,
            name: None,
        };
        let said = world.store.say_as_agent(&bot, session, said).await?;
        world.clock().advance(Duration::from_secs(1));
        Ok(said.message.id)
    };
    let asked = ask(&world, &bot, "Do you ship abroad?", Outcome::Unanswered).await?;
    let reply = say(asked.session, "Yes, to Japan.").await?;
    say(asked.session, "For 5 euros.").await?;
    let last = ask(&world, &bot, "And to Mars?", Outcome::Unanswered).await?;
    let found = ungathered(&world, &bot).await?;
    let gap = gap_of(&found[0]);
    let gathered = Gathered {
        placed: found.into_iter().map(|asked| (asked, gap.id)).collect(),
        new: vec![gap.clone()],
        vectors: vec![],
    };
    assert!(world.store.gather(&bot, 0, gathered).await?);
    let gap = world.store.gap(&bot, gap.id).await?;
    let told = world.store.gap_questions(&bot, &gap, 9).await?;
    let ids: Vec<MessageId> = told.iter().map(|it| it.message_id).collect();
    assert_eq!(ids, [last.question, asked.question]);
    assert_eq!((told[0].reply.as_ref(), told[0].unanswered), (None, true));
    let replied = told[1].reply.as_ref().expect("a reply");
    assert_eq!(
        (replied.message_id, replied.content.as_str()),
        (reply, "Yes, to Japan.")
    );
    assert!(!told[1].disliked && told[1].comment.is_none());
    assert_eq!(world.store.gap_questions(&bot, &gap, 1).await?, told[..1]);
    rate(&world, &bot, &last, Some(Rating::Down)).await?;
    let told = world.store.gap_questions(&bot, &gap, 1).await?;
    assert_eq!(
        (told[0].disliked, told[0].comment.as_deref()),
        (true, Some("why"))
    );
    Ok(())
}

async fn a_pair_is_added_with_the_note_of_it(world: World) -> Result<()> {
    let bot = world.chatbot("Shop").await?;
    ask(&world, &bot, "Do you ship abroad?", Outcome::Unanswered).await?;
    let id = gather(&world, &bot).await?[0];
    let pair = || {
        let source = Source::Qna {
            question: "Do you ship abroad?".to_owned(),
            answer: "To Japan.".to_owned(),
        };
        Item::new(bot.id, None, source, world.clock().now()).expect("a pair")
    };
    let item = pair();
    let gap = world.store.answer_gap(&bot, id, &item).await?;
    assert_eq!((gap.item, gap.state), (Some(item.id), GapState::Open));
    let stored = world.store.item(&bot, item.id).await?;
    assert_eq!(stored.status, ItemStatus::Pending);
    world.lease_ingest(item.id).await?;
    // Where there is no gap, there is no pair either.
    let other = pair();
    assert_not_found(world.store.answer_gap(&bot, GapId::new(), &other).await);
    assert_not_found(world.store.item(&bot, other.id).await);
    let linked = world.store.link_gap(&bot, id, other.id).await?;
    assert_eq!(linked.item, Some(other.id));
    Ok(())
}

async fn gaps_are_the_chatbots_own_and_go_with_it(world: World) -> Result<()> {
    let (bot, other) = (world.chatbot("Shop").await?, world.chatbot("Other").await?);
    ask(&world, &bot, "one?", Outcome::Unanswered).await?;
    assert_eq!(ungathered(&world, &other).await?, []);
    let id = gather(&world, &bot).await?[0];
    let store = &world.store;
    assert_not_found(store.gap(&other, id).await);
    assert_not_found(store.settle_gap(&other, id, GapState::Dismissed).await);
    assert_not_found(store.link_gap(&other, id, okra_domain::ItemId::new()).await);
    assert_eq!(listed(&world, &other, GapState::Open).await?, []);
    let gap = store.gap(&bot, id).await?;
    assert_eq!(store.asked_gap(&other, &gap).await?, None);
    assert_eq!(store.gap_questions(&other, &gap, 9).await?, []);
    store.delete_chatbot(&bot).await?;
    assert_not_found(store.gap(&bot, id).await);
    Ok(())
}
