//! Looking for conversations, and going through all of them.

use std::time::Duration;

use okra_domain::Timestamp;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Session, SessionState};
use okra_store::sessions::{SessionFilter, SessionKey, UserMessage};
use serde_json::json;

use crate::on_every_database;
use crate::world::{World, page};

on_every_database![
    filters_narrow_the_list,
    sessions_are_gone_through_once_each,
    messages_are_gone_through_once_each,
];

async fn say(world: &World, chatbot: &Chatbot, who: (&str, &str), content: &str) -> Session {
    let profile = json!({"anonymous": false, "name": "Kim", "email": "Kim@example.com"});
    let key = SessionKey::Visitor {
        platform: who.0.to_owned(),
        token: Some(who.1.to_owned()),
        profile: (who.1 == "kim").then(|| profile.as_object().cloned().unwrap_or_default()),
    };
    let said = UserMessage {
        id: None,
        content: content.to_owned(),
        attachments: None,
    };
    let turn = world.store.open_turn(chatbot, &key, said, 0).await;
    world.clock().advance(Duration::from_secs(1));
    turn.expect("the turn opens").session
}

async fn filters_narrow_the_list(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let began = world.clock().now();
    say(
        &world,
        &chatbot,
        ("web", "v1"),
        "Do you ship to Korea? 100%!",
    )
    .await;
    say(&world, &chatbot, ("kakao", "v2"), "배송 되나요?").await;
    say(&world, &chatbot, ("web", "kim"), "Hello").await;
    world
        .raw("UPDATE sessions SET state = 'resolved' WHERE visitor = 'v2'")
        .await;
    let check = async |filter: SessionFilter, expected: &[&str]| -> Result<()> {
        let listed = world.store.sessions(&chatbot, &filter, page(1, 10)).await?;
        let all = world
            .store
            .sessions_after(&chatbot, &filter, None, 10)
            .await?;
        let names = |sessions: Vec<Session>| -> Vec<String> {
            sessions.into_iter().filter_map(|it| it.visitor).collect()
        };
        assert_eq!(listed.pagination.total, expected.len() as i64, "{filter:?}");
        let mut oldest_first = names(listed.entries);
        oldest_first.reverse();
        assert_eq!(oldest_first, expected, "{filter:?}");
        assert_eq!(names(all), expected, "{filter:?}");
        Ok(())
    };
    let any = SessionFilter::default;
    let search = |words: &str| SessionFilter {
        search: Some(words.to_owned()),
        ..any()
    };
    check(any(), &["v1", "v2", "kim"]).await?;
    let platform = Some("web".to_owned());
    check(SessionFilter { platform, ..any() }, &["v1", "kim"]).await?;
    let state = Some(SessionState::Resolved);
    check(SessionFilter { state, ..any() }, &["v2"]).await?;
    let second = Some(Timestamp(began.0 + 1_000_000));
    check(
        SessionFilter {
            from: second,
            ..any()
        },
        &["v2", "kim"],
    )
    .await?;
    check(
        SessionFilter {
            to: second,
            ..any()
        },
        &["v1"],
    )
    .await?;
    check(search("KOREA"), &["v1"]).await?;
    check(search("0%!"), &["v1"]).await?;
    check(search("배송"), &["v2"]).await?;
    check(search("kim@EXAMPLE"), &["kim"]).await?;
    check(search("nothing of the kind"), &[]).await?;
    let stranger = world.chatbot("Stranger").await?;
    let none = world
        .store
        .sessions_after(&stranger, &any(), None, 10)
        .await?;
    assert!(none.is_empty());
    Ok(())
}

async fn sessions_are_gone_through_once_each(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    for n in 0..7 {
        say(&world, &chatbot, ("web", &format!("v{n}")), "Hi").await;
    }
    let filter = SessionFilter::default();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let some = world
            .store
            .sessions_after(&chatbot, &filter, after, 3)
            .await?;
        // What is said meanwhile moves a session in the list, but not here.
        say(&world, &chatbot, ("web", "v0"), "Again").await;
        say(&world, &chatbot, ("web", "v6"), "Again").await;
        let Some(last) = some.last() else { break };
        after = Some(last.id);
        seen.extend(some.into_iter().filter_map(|it| it.visitor));
    }
    assert_eq!(seen, ["v0", "v1", "v2", "v3", "v4", "v5", "v6"]);
    Ok(())
}

async fn messages_are_gone_through_once_each(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut session = None;
    for n in 0..5 {
        session = Some(say(&world, &chatbot, ("web", "v1"), &format!("{n}")).await);
    }
    let session = session.expect("something was said");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let some = world.store.messages_after(&session, after, 2).await?;
        let Some(last) = some.last() else { break };
        after = Some(last.id);
        seen.extend(some.into_iter().map(|it| it.content));
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    Ok(())
}
