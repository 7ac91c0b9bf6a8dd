//! Replies that go out by e-mail: what is still unseen, who is asked for, and what is noted of a letter.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::MAIL_AFTER;
use okra_domain::session::{Message, Session};
use okra_domain::tool::Contact;
use okra_store::jobs::{Job, Lane, Task};
use okra_store::sessions::{AgentMessage, MAIL, Mailed, Reader, SessionKey, Unseen, UserMessage};
use serde_json::{Map, json};

use crate::on_every_database;
use crate::world::World;

on_every_database! {
    a_letter_is_asked_for_where_an_address_and_the_setting_are,
    replies_are_unseen_until_read_answered_or_mailed,
    what_was_asked_for_meanwhile_is_sent_after,
    a_session_is_free_again_a_day_after_its_first_letter,
}

const LEASE: Duration = Duration::from_secs(15);
const SENT: Mailed<'_> = Mailed {
    to: "kim@example.com",
    is_sent: true,
};

/// A chatbot that has replies sent, or does not.
async fn chatbot(world: &World, sends: bool) -> Result<Chatbot> {
    let chatbot = world.chatbot("Shop helper").await?;
    let change = |current: &Chatbot| {
        let mut changed = current.clone();
        changed.settings.is_email_follow_up_enabled = sends;
        Ok(changed)
    };
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    world.store.update_chatbot(organization, id, change).await
}

async fn ask(world: &World, chatbot: &Chatbot, platform: &str, email: bool) -> Result<Session> {
    let email = email.then(|| ("email".to_owned(), json!("kim@example.com")));
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: Some("v".to_owned()),
        profile: Some(Map::from_iter(email)),
    };
    let said = UserMessage {
        id: None,
        content: "있나요?".to_owned(),
        attachments: None,
    };
    world.clock().advance(Duration::from_millis(1));
    Ok(world
        .store
        .open_turn(chatbot, &key, said, 20)
        .await?
        .session)
}

async fn reply(world: &World, chatbot: &Chatbot, session: &Session, text: &str) -> Result<Message> {
    world.clock().advance(Duration::from_millis(1));
    let said = AgentMessage {
        id: None,
        content: text.to_owned(),
        attachments: None,
        author: None,
        name: Some("민지".to_owned()),
    };
    let said = world.store.say_as_agent(chatbot, session.id, said).await?;
    Ok(said.message)
}

async fn job(world: &World) -> Result<Option<Job>> {
    world.store.lease_job_in(Lane::Deliveries, LEASE).await
}

async fn unseen(world: &World, chatbot: &Chatbot, session: &Session) -> Result<Unseen> {
    world.store.unseen_replies(chatbot, session.id, 3, 2).await
}

async fn texts(world: &World, chatbot: &Chatbot, session: &Session) -> Result<Vec<String>> {
    let unseen = unseen(world, chatbot, session).await?.messages;
    Ok(unseen.into_iter().map(|it| it.content).collect())
}

async fn a_letter_is_asked_for_where_an_address_and_the_setting_are(world: World) -> Result<()> {
    for (sends, platform, email) in [
        (false, "web", true),
        (true, "sms", true),
        (true, "web", false),
    ] {
        let chatbot = chatbot(&world, sends).await?;
        let session = ask(&world, &chatbot, platform, email).await?;
        reply(&world, &chatbot, &session, "네").await?;
        assert_eq!(
            world.store.open_jobs().await?,
            0,
            "{sends} {platform} {email}"
        );
    }
    // An address that was left in a message is one too.
    let chatbot = chatbot(&world, true).await?;
    let session = ask(&world, &chatbot, "web", false).await?;
    let contact = Contact::parse(None, Some("kim@example.com"), None)?;
    let store = &world.store;
    store.record_contact(&chatbot, session.id, contact).await?;
    reply(&world, &chatbot, &session, "네").await?;
    world.clock().advance(MAIL_AFTER - Duration::from_millis(1));
    assert_eq!(job(&world).await?, None, "not at once");
    reply(&world, &chatbot, &session, "아니요").await?;
    assert_eq!(
        store.open_jobs().await?,
        1,
        "one for both, at the first one's time"
    );
    assert_eq!(store.lease_job_in(Lane::Work, LEASE).await?, None);
    let job = job(&world).await?.expect("due");
    assert_eq!(job.task, Task::Mail(session.id));
    assert_eq!((job.chatbot_id, job.attempts), (chatbot.id, 1));
    Ok(())
}

async fn replies_are_unseen_until_read_answered_or_mailed(world: World) -> Result<()> {
    let chatbot = chatbot(&world, true).await?;
    let session = ask(&world, &chatbot, "web", true).await?;
    let store = &world.store;
    assert_eq!(texts(&world, &chatbot, &session).await?, [""; 0]);
    let first = reply(&world, &chatbot, &session, "하나").await?;
    for text in ["둘", "셋"] {
        reply(&world, &chatbot, &session, text).await?;
    }
    let found = unseen(&world, &chatbot, &session).await?;
    assert_eq!((found.messages.len(), found.has_earlier), (3, false));
    store
        .mark_read(&chatbot, &session, first.id, Reader::Visitor)
        .await?;
    assert_eq!(texts(&world, &chatbot, &session).await?, ["둘", "셋"]);
    for text in ["넷", "다섯"] {
        reply(&world, &chatbot, &session, text).await?;
    }
    let found = unseen(&world, &chatbot, &session).await?;
    assert!(found.has_earlier, "of four the latest three: {found:?}");
    assert_eq!(
        texts(&world, &chatbot, &session).await?,
        ["셋", "넷", "다섯"]
    );
    ask(&world, &chatbot, "web", true).await?;
    assert_eq!(texts(&world, &chatbot, &session).await?, [""; 0]);
    reply(&world, &chatbot, &session, "여섯").await?;
    world.clock().advance(MAIL_AFTER);
    let job = job(&world).await?.expect("due");
    let failed = Mailed {
        is_sent: false,
        ..SENT
    };
    let found = unseen(&world, &chatbot, &session).await?.messages;
    store.note_mailed(&job, &chatbot, &found, failed).await?;
    assert_eq!(store.open_jobs().await?, 0, "given up");
    assert_eq!(
        texts(&world, &chatbot, &session).await?,
        ["여섯"],
        "the next one tries again"
    );
    let stored = store.message(&session, found[0].id).await?.expect("there");
    assert_eq!(stored.metadata[MAIL]["state"], "failed");
    assert_eq!(stored.metadata["agent"]["name"], "민지", "the rest stays");
    store.note_mailed(&job, &chatbot, &found, SENT).await?;
    assert_eq!(texts(&world, &chatbot, &session).await?, [""; 0]);
    let stored = store.message(&session, found[0].id).await?.expect("there");
    let at = world.clock().now();
    let expected = json!({"state": "sent", "to": "kim@example.com", "at": at});
    assert_eq!(stored.metadata[MAIL], expected);
    // The jobs and the notes of a chatbot go with it.
    reply(&world, &chatbot, &session, "일곱").await?;
    store.delete_chatbot(&chatbot).await?;
    world.clock().advance(MAIL_AFTER);
    assert_eq!(self::job(&world).await?, None);
    assert_eq!(texts(&world, &chatbot, &session).await?, [""; 0]);
    Ok(())
}

async fn what_was_asked_for_meanwhile_is_sent_after(world: World) -> Result<()> {
    let chatbot = chatbot(&world, true).await?;
    let session = ask(&world, &chatbot, "web", true).await?;
    let store = &world.store;
    reply(&world, &chatbot, &session, "하나").await?;
    world.clock().advance(MAIL_AFTER);
    let first = job(&world).await?.expect("due");
    let found = unseen(&world, &chatbot, &session).await?.messages;
    reply(&world, &chatbot, &session, "둘").await?;
    assert!(
        store.renew_job(&first, LEASE).await?,
        "nobody stops a letter half way"
    );
    store.note_mailed(&first, &chatbot, &found, SENT).await?;
    assert_eq!(job(&world).await?, None, "not before its time");
    world.clock().advance(MAIL_AFTER);
    let second = job(&world).await?.expect("due");
    assert_eq!((second.id, second.attempts), (first.id, 1));
    assert_eq!(texts(&world, &chatbot, &session).await?, ["둘"]);
    // A job that failed starts over with what is written then.
    store
        .retry_job(&second, Duration::from_secs(24 * 60 * 60))
        .await?;
    reply(&world, &chatbot, &session, "셋").await?;
    world.clock().advance(MAIL_AFTER);
    let third = job(&world).await?.expect("due");
    assert_eq!(third.attempts, 1);
    // Whoever lost it notes what went out, and ends nothing.
    world.clock().advance(LEASE);
    let fourth = job(&world).await?.expect("its lease ran out");
    let found = unseen(&world, &chatbot, &session).await?.messages;
    store.note_mailed(&third, &chatbot, &found, SENT).await?;
    assert_eq!(texts(&world, &chatbot, &session).await?, [""; 0]);
    assert_eq!(store.open_jobs().await?, 1);
    store.end_mail(&fourth).await?;
    assert_eq!(store.open_jobs().await?, 0);
    Ok(())
}

async fn a_session_is_free_again_a_day_after_its_first_letter(world: World) -> Result<()> {
    let chatbot = chatbot(&world, true).await?;
    let session = ask(&world, &chatbot, "web", true).await?;
    let mut sent = Vec::new();
    for text in ["하나", "둘", "셋"] {
        reply(&world, &chatbot, &session, text).await?;
        world.clock().advance(MAIL_AFTER);
        let job = job(&world).await?.expect("due");
        let found = unseen(&world, &chatbot, &session).await?;
        let now = world.clock().now();
        assert_eq!(
            found.free_at <= now,
            sent.len() < 2,
            "two within a day: {found:?}"
        );
        let store = &world.store;
        store
            .note_mailed(&job, &chatbot, &found.messages, SENT)
            .await?;
        sent.push(now);
    }
    let day = Duration::from_secs(24 * 60 * 60);
    let free_at = unseen(&world, &chatbot, &session).await?.free_at;
    assert_eq!(free_at, sent[1].after(day), "the second but last counts");
    Ok(())
}
