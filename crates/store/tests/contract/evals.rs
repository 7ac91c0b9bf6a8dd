//! Sets of eval questions and their runs: kept by chatbot, compared in order, bounded in number.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::eval::{
    EvalRun, EvalSet, KEPT_RUNS, MAX_SETS, Question, QuestionResult, Scores, parse_questions,
};
use okra_domain::session::{AnswerFacts, Message, Outcome, PLAYGROUND, SenderType};
use okra_domain::{ErrorKind, EvalId, EvalRunId, MessageId};
use okra_store::evals::AnsweredQuestion;
use okra_store::sessions::{SessionKey, UserMessage};
use serde_json::json;

use crate::on_every_database;
use crate::world::{World, assert_fails, assert_not_found, entries, page};

on_every_database![
    a_set_is_kept_as_it_was_given,
    names_are_the_chatbots_own,
    runs_are_told_newest_first_and_the_oldest_go,
    sets_and_runs_go_with_their_chatbot,
    questions_that_got_an_answer_are_told_with_what_was_cited,
];

fn questions(text: &str) -> Vec<Question> {
    parse_questions(text).expect("good questions")
}

fn two() -> Vec<Question> {
    questions(
        "{\"question\": \"반품은 언제까지?\", \"item\": \"반품\", \"answer\": \"30일\"}\n\
         {\"question\": \"Who won?\", \"expect\": \"refusal\"}",
    )
}

fn set(world: &World, chatbot: &Chatbot, name: &str) -> EvalSet {
    let now = world.clock().now();
    EvalSet {
        id: EvalId::new(),
        chatbot_id: chatbot.id,
        name: name.to_owned(),
        questions: two(),
        created_at: now,
        updated_at: now,
    }
}

fn run(world: &World, set: &EvalSet) -> EvalRun {
    world.clock().advance(Duration::from_secs(1));
    let results = set.questions.iter();
    let results: Vec<QuestionResult> = results
        .map(|question| QuestionResult::of(question.clone(), &[], true))
        .collect();
    EvalRun {
        id: EvalRunId::new(),
        eval_id: set.id,
        scores: Scores::of(&results),
        results,
        took_micros: 1_234,
        created_at: world.clock().now(),
    }
}

async fn a_set_is_kept_as_it_was_given(world: World) -> Result<()> {
    let store = &world.store;
    let chatbot = world.chatbot("Shop").await?;
    let made = set(&world, &chatbot, "Returns");
    store.create_eval(&chatbot, &made).await?;
    assert_eq!(store.eval(&chatbot, made.id).await?, made);
    let listed = entries(store.evals(&chatbot, page(1, 10)).await?, 1, 1);
    assert_eq!((listed[0].questions, &listed[0].latest), (2, &None));
    assert_eq!(listed[0].set.name, "Returns");

    world.clock().advance(Duration::from_secs(1));
    let fewer = questions("{\"question\": \"Q?\", \"passage\": \"yes\"}");
    let changed = store
        .update_eval(&chatbot, made.id, None, Some(fewer.clone()))
        .await?;
    assert_eq!(
        (changed.name.as_str(), &changed.questions),
        ("Returns", &fewer)
    );
    assert!(changed.updated_at > changed.created_at);
    let renamed = store
        .update_eval(&chatbot, made.id, Some("Shipping".to_owned()), None)
        .await?;
    assert_eq!(
        (renamed.name.as_str(), &renamed.questions),
        ("Shipping", &fewer)
    );

    // By its name, as the command line knows it.
    let saved = store.save_eval(&chatbot, "Shipping", two()).await?;
    assert_eq!((saved.id, saved.created_at), (made.id, made.created_at));
    assert_eq!(store.eval(&chatbot, made.id).await?, saved);
    let other = store.save_eval(&chatbot, "Other", fewer).await?;
    assert_eq!(store.eval(&chatbot, other.id).await?, other);

    store.delete_eval(&chatbot, made.id).await?;
    assert_not_found(store.eval(&chatbot, made.id).await);
    assert_not_found(store.delete_eval(&chatbot, made.id).await);
    assert_not_found(store.update_eval(&chatbot, made.id, None, None).await);
    entries(store.evals(&chatbot, page(1, 10)).await?, 1, 1);
    Ok(())
}

async fn names_are_the_chatbots_own(world: World) -> Result<()> {
    let store = &world.store;
    let chatbot = world.chatbot("Shop").await?;
    let other = world.chatbot("Museum").await?;
    let first = set(&world, &chatbot, "Returns");
    store.create_eval(&chatbot, &first).await?;
    let again = set(&world, &chatbot, "Returns");
    assert_fails(
        store.create_eval(&chatbot, &again).await,
        ErrorKind::Conflict,
    );
    let theirs = set(&world, &other, "Returns");
    store.create_eval(&other, &theirs).await?;
    let second = set(&world, &chatbot, "Shipping");
    store.create_eval(&chatbot, &second).await?;
    let taken = store.update_eval(&chatbot, second.id, Some("Returns".to_owned()), None);
    assert_fails(taken.await, ErrorKind::Conflict);

    // Another chatbot's set is none.
    assert_not_found(store.eval(&other, first.id).await);
    assert_not_found(store.delete_eval(&other, first.id).await);
    assert_not_found(store.add_eval_run(&other, &run(&world, &first)).await);
    assert_not_found(
        store
            .update_eval(&other, first.id, Some("x".to_owned()), None)
            .await,
    );

    for number in 2..MAX_SETS {
        let more = set(&world, &chatbot, &format!("Set {number}"));
        store.create_eval(&chatbot, &more).await?;
    }
    let more = set(&world, &chatbot, "One more");
    assert_fails(
        store.create_eval(&chatbot, &more).await,
        ErrorKind::Conflict,
    );
    let more = store.save_eval(&chatbot, "One more", two()).await;
    assert_fails(more, ErrorKind::Conflict);
    store.save_eval(&chatbot, "Shipping", two()).await?;
    Ok(())
}

async fn runs_are_told_newest_first_and_the_oldest_go(world: World) -> Result<()> {
    let store = &world.store;
    let chatbot = world.chatbot("Shop").await?;
    let set = store.save_eval(&chatbot, "Returns", two()).await?;
    let other = store.save_eval(&chatbot, "Other", two()).await?;
    let mut runs = Vec::new();
    for _ in 0..KEPT_RUNS + 2 {
        let run = run(&world, &set);
        store.add_eval_run(&chatbot, &run).await?;
        runs.push(run);
    }
    let kept = store.eval_runs(&set).await?;
    assert_eq!(kept.len(), KEPT_RUNS);
    let newest = runs.last().expect("there are some");
    assert_eq!(
        kept[0],
        EvalRun {
            results: Vec::new(),
            ..newest.clone()
        }
    );
    assert_eq!(store.eval_run(&set, newest.id).await?, *newest);
    assert_not_found(store.eval_run(&set, runs[0].id).await);
    assert_not_found(store.eval_run(&other, newest.id).await);
    let before = store.eval_run_before(&set, newest).await?;
    assert_eq!(before.as_ref(), runs.get(KEPT_RUNS));
    let oldest = kept.last().expect("there are some");
    assert_eq!(store.eval_run_before(&set, oldest).await?, None);
    let listed = entries(store.evals(&chatbot, page(1, 10)).await?, 1, 2);
    let latest: Vec<_> = listed
        .iter()
        .map(|it| it.latest.as_ref().map(|run| run.id))
        .collect();
    assert!(latest.contains(&None) && latest.contains(&Some(newest.id)));
    Ok(())
}

async fn sets_and_runs_go_with_their_chatbot(world: World) -> Result<()> {
    let store = &world.store;
    let chatbot = world.chatbot("Shop").await?;
    let set = store.save_eval(&chatbot, "Returns", two()).await?;
    store.add_eval_run(&chatbot, &run(&world, &set)).await?;
    store.delete_chatbot(&chatbot).await?;
    assert_not_found(store.eval(&chatbot, set.id).await);
    assert_eq!(store.eval_runs(&set).await?, []);
    assert_fails(
        store.save_eval(&chatbot, "Late", two()).await,
        ErrorKind::NotFound,
    );
    Ok(())
}

/// Asks on a platform; the answer cites this title, where there is one.
async fn ask(
    world: &World,
    chatbot: &Chatbot,
    (platform, words): (&str, &str),
    outcome: Option<Outcome>,
    cited: Option<&str>,
) -> Result<()> {
    world.clock().advance(Duration::from_secs(1));
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: None,
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: words.to_owned(),
        attachments: None,
    };
    let session = world.store.open_turn(chatbot, &key, said, 0).await?.session;
    let sources: Vec<_> = cited.iter().map(|title| json!({"title": title})).collect();
    let metadata = json!({"sources": sources});
    let answer = Message {
        id: MessageId::new(),
        session_id: session.id,
        sender_type: SenderType::Bot,
        content: format!("To {words}"),
        attachments: None,
        metadata: metadata.as_object().expect("an object").clone(),
        model: None,
        provider: None,
        tokens_used: 0,
        feedback: None,
        created_at: world.clock().now(),
    };
    let facts = AnswerFacts {
        outcome,
        took: None,
        question: session.last_message.map(|message| message.id),
        takeovers: 0,
        calls_person: false,
    };
    let stored = world.store.finish_turn(chatbot, &answer, facts).await?;
    assert!(stored.is_stored(), "nobody took over");
    Ok(())
}

async fn questions_that_got_an_answer_are_told_with_what_was_cited(world: World) -> Result<()> {
    let shop = world.chatbot("Shop").await?;
    let museum = world.chatbot("Museum").await?;
    let answered = Some(Outcome::Answered);
    ask(
        &world,
        &shop,
        ("web", "Return it?"),
        answered,
        Some("Old title"),
    )
    .await?;
    ask(
        &world,
        &shop,
        ("web", "return it? "),
        answered,
        Some("Returns"),
    )
    .await?;
    ask(
        &world,
        &shop,
        ("web", "Ship it?"),
        answered,
        Some("Shipping"),
    )
    .await?;
    ask(&world, &shop, ("web", "Bad?"), answered, Some("Wrong")).await?;
    ask(
        &world,
        &shop,
        ("web", "Lost?"),
        Some(Outcome::Unanswered),
        None,
    )
    .await?;
    ask(&world, &shop, ("web", "Hello"), answered, None).await?;
    ask(&world, &shop, (PLAYGROUND, "Trial?"), None, Some("Returns")).await?;
    ask(&world, &museum, ("web", "Dogs?"), answered, Some("Dogs")).await?;
    world
        .raw("UPDATE messages SET feedback = 'down' WHERE content = 'To Bad?'")
        .await;
    let told = world.store.answered_questions(&shop, 10).await?;
    let expected = [("return it? ", "Returns"), ("Ship it?", "Shipping")];
    let expected = expected.map(|(question, cited)| AnsweredQuestion {
        question: question.to_owned(),
        cited: cited.to_owned(),
    });
    assert_eq!(told, expected);
    assert_eq!(
        world.store.answered_questions(&shop, 1).await?,
        expected[..1]
    );
    Ok(())
}
