//! What becomes of a turn's answer: it is stored, once, unless a person took the session over meanwhile.

use okra_domain::error::Result;
use okra_domain::handling::HandlingChange;
use okra_domain::session::{AnswerFacts, Message, SessionState};
use okra_store::sessions::Finished;

use super::handling::{ask, contents, handle, take};
use crate::on_every_database;
use crate::world::{World, assert_not_found};

on_every_database! {
    an_answer_that_was_begun_before_a_takeover_is_not_stored,
    an_answer_that_calls_a_person_leaves_its_session_waiting,
    of_two_answers_to_one_request_the_first_is_stored,
}

async fn an_answer_that_was_begun_before_a_takeover_is_not_stored(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let begun = ask(&world, &chatbot, "v").await?;
    let (taken, took) = handle(&world, &chatbot, begun.id, take(), None).await?;
    assert!(took && taken.is_human_mode);
    let (late, facts) = world.answer(&begun);
    assert_eq!(
        world.store.finish_turn(&chatbot, &late, facts).await?,
        Finished::HandedOver
    );
    // Also where it was handed back meanwhile: what began before is over.
    let back = HandlingChange {
        is_human_mode: Some(false),
        ..HandlingChange::default()
    };
    handle(&world, &chatbot, begun.id, back, None).await?;
    assert_eq!(
        world.store.finish_turn(&chatbot, &late, facts).await?,
        Finished::HandedOver
    );
    assert_eq!(contents(&world, &begun).await?, ["도와주세요"]);
    let now = world.store.session(&chatbot, begun.id).await?;
    assert_eq!(now.last_message, begun.last_message);
    // What begins now is heard.
    let again = ask(&world, &chatbot, "v").await?;
    assert_eq!((again.is_human_mode, again.takeovers), (false, 1));
    let (answer, facts) = world.answer(&again);
    assert!(
        world
            .store
            .finish_turn(&chatbot, &answer, facts)
            .await?
            .is_stored()
    );
    // An answer for a session that is gone is an error, not a takeover.
    world.store.delete_chatbot(&chatbot).await?;
    assert_not_found(world.store.finish_turn(&chatbot, &answer, facts).await);
    Ok(())
}

fn calling(facts: AnswerFacts) -> AnswerFacts {
    AnswerFacts {
        calls_person: true,
        ..facts
    }
}

async fn an_answer_that_calls_a_person_leaves_its_session_waiting(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let session = ask(&world, &chatbot, "v").await?;
    let (answer, facts) = world.answer(&session);
    let (beside, _) = world.answer(&session);
    let finished = world
        .store
        .finish_turn(&chatbot, &answer, calling(facts))
        .await?;
    let waits = world.store.session(&chatbot, session.id).await?;
    assert_eq!(finished, Finished::Stored(Box::new(waits.clone())));
    assert_eq!(
        (waits.is_human_mode, waits.state, waits.takeovers),
        (true, SessionState::Waiting, 1)
    );
    // It is said, and nothing that was begun beside it.
    assert_eq!(waits.last_message.map(|last| last.id), Some(answer.id));
    let finished = world.store.finish_turn(&chatbot, &beside, facts).await?;
    assert_eq!(finished, Finished::HandedOver);
    // Where a person was first, nothing is called.
    let session = ask(&world, &chatbot, "w").await?;
    let (answer, facts) = world.answer(&session);
    handle(&world, &chatbot, session.id, take(), None).await?;
    let finished = world
        .store
        .finish_turn(&chatbot, &answer, calling(facts))
        .await?;
    assert_eq!(finished, Finished::HandedOver);
    let now = world.store.session(&chatbot, session.id).await?;
    assert_eq!((now.state, now.takeovers), (SessionState::InProgress, 1));
    Ok(())
}

async fn of_two_answers_to_one_request_the_first_is_stored(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let session = ask(&world, &chatbot, "v").await?;
    let (answer, facts) = world.answer(&session);
    let other = Message {
        content: "Another server's words.".to_owned(),
        ..answer.clone()
    };
    assert!(
        world
            .store
            .finish_turn(&chatbot, &answer, facts)
            .await?
            .is_stored()
    );
    let finished = world.store.finish_turn(&chatbot, &other, facts).await?;
    assert_eq!(finished, Finished::Answered);
    assert_eq!(
        contents(&world, &session).await?,
        ["도와주세요", answer.content.as_str()]
    );
    let last = world
        .store
        .session(&chatbot, session.id)
        .await?
        .last_message;
    assert_eq!(last.map(|last| last.content), Some(answer.content));
    Ok(())
}
