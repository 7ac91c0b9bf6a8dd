//! Sessions and messages: one session a visitor, every message kept, in order.

use std::collections::BTreeSet;
use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{
    AnswerFacts, Attachment, LastMessage, Message, SenderType, Session, SessionState,
};
use okra_domain::{MessageId, SessionId};
use okra_store::sessions::{OpenTurn, SessionFilter, SessionKey, UserMessage};
use serde_json::json;

use crate::on_every_database;
use crate::world::{World, assert_not_found, entries, page};

on_every_database! {
    a_turn_is_stored_and_given_back,
    a_visitor_has_one_session_a_platform,
    a_visitor_that_comes_twice_at_once_has_one_session,
    a_turn_that_cannot_be_written_harms_none_beside_it,
    without_a_token_every_turn_begins_a_session,
    a_turn_sees_the_latest_messages_oldest_first,
    another_chatbots_session_is_not_found,
    sessions_are_listed_by_what_was_said_last,
    messages_are_listed_oldest_first,
    a_refused_turn_takes_no_other_with_it,
    a_turn_whose_caller_left_is_stored_whole_or_not_at_all,
    conversations_that_run_at_once_are_kept_apart,
}

fn visitor(platform: &str, token: Option<&str>) -> SessionKey {
    SessionKey::Visitor {
        profile: None,
        platform: platform.to_owned(),
        token: token.map(str::to_owned),
    }
}

fn said(content: &str) -> UserMessage {
    UserMessage {
        id: None,
        content: content.to_owned(),
        attachments: None,
    }
}

fn answer(turn: &OpenTurn, content: &str, world: &World) -> Message {
    let metadata = json!({"sources": [{"title": "안내", "similarity": 0.5}], "ended": "complete"});
    Message {
        id: MessageId::new(),
        session_id: turn.session.id,
        sender_type: SenderType::Bot,
        content: content.to_owned(),
        attachments: None,
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        model: Some("gpt-4o-mini".to_owned()),
        provider: Some("openai".to_owned()),
        tokens_used: 3_000_000_000,
        feedback: None,
        created_at: world.clock().now(),
    }
}

async fn say(
    world: &World,
    chatbot: &Chatbot,
    key: &SessionKey,
    content: &str,
) -> Result<OpenTurn> {
    world.store.open_turn(chatbot, key, said(content), 20).await
}

async fn all_messages(world: &World, session: &Session) -> Result<Vec<Message>> {
    Ok(world.store.messages(session, page(1, 200)).await?.entries)
}

async fn a_turn_is_stored_and_given_back(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let began = world.clock().now();
    let attachments = vec![Attachment {
        file: None,
        name: "영수증.png".to_owned(),
        url: "https://example.com/a.png".to_owned(),
    }];
    let message = UserMessage {
        id: None,
        content: "반품하고 싶어요 🙏".to_owned(),
        attachments: Some(attachments.clone()),
    };
    let key = visitor("web", Some("방문자-1"));
    let turn = world.store.open_turn(&chatbot, &key, message, 20).await?;
    assert_eq!(turn.history, []);
    let session = &turn.session;
    assert_eq!(
        (session.chatbot_id, session.platform.as_str()),
        (chatbot.id, "web")
    );
    assert_eq!(session.visitor.as_deref(), Some("방문자-1"));
    assert_eq!(
        (session.state, session.is_human_mode),
        (SessionState::InProgress, false)
    );
    assert_eq!((session.created_at, session.updated_at), (began, began));
    assert_eq!(&world.store.session(&chatbot, session.id).await?, session);
    let stored = all_messages(&world, session).await?;
    assert_eq!(stored[0].attachments, Some(attachments));
    let last = LastMessage {
        id: stored[0].id,
        content: "반품하고 싶어요 🙏".to_owned(),
        sender_type: SenderType::User,
    };
    assert_eq!(session.last_message, Some(last));

    world.clock().advance(Duration::from_secs(2));
    let answer = answer(&turn, "30일 안에 가능합니다.", &world);
    world
        .store
        .finish_turn(&chatbot, &answer, AnswerFacts::default())
        .await?;
    let stored = all_messages(&world, session).await?;
    assert_eq!(stored[1], answer);
    let after = world.store.session(&chatbot, session.id).await?;
    assert_eq!(
        (after.created_at, after.updated_at),
        (began, world.clock().now())
    );
    assert_eq!(after.last_message.map(|last| last.id), Some(answer.id));
    Ok(())
}

async fn a_visitor_has_one_session_a_platform(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.chatbot("Other").await?;
    let session = async |chatbot: &Chatbot, platform: &str, token: &str| {
        let turn = say(&world, chatbot, &visitor(platform, Some(token)), "Hi").await?;
        Result::Ok(turn.session.id)
    };
    let first = session(&chatbot, "web", "v1").await?;
    assert_eq!(session(&chatbot, "web", "v1").await?, first);
    let others = [
        session(&chatbot, "web", "v2").await?,
        session(&chatbot, "web", "V1").await?,
        session(&chatbot, "telegram", "v1").await?,
        session(&other, "web", "v1").await?,
        first,
    ];
    let distinct: BTreeSet<SessionId> = others.into_iter().collect();
    assert_eq!(distinct.len(), 5);
    let by_id = say(&world, &chatbot, &SessionKey::Id(first), "Hi").await?;
    assert_eq!((by_id.session.id, by_id.history.len()), (first, 2));
    Ok(())
}

async fn a_visitor_that_comes_twice_at_once_has_one_session(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let turns = (0..12).map(|n| {
        let (store, chatbot) = (world.store.clone(), chatbot.clone());
        tokio::spawn(async move {
            let key = visitor("web", Some("same"));
            store
                .open_turn(&chatbot, &key, said(&format!("{n}")), 20)
                .await
        })
    });
    let mut sessions = BTreeSet::new();
    let mut lengths = BTreeSet::new();
    for turn in futures_util::future::join_all(turns).await {
        let turn = turn.expect("no panic")?;
        sessions.insert(turn.session.id);
        lengths.insert(turn.history.len());
    }
    assert_eq!(sessions.len(), 1);
    // Each turn saw all that were opened before it: none was lost, none counted twice.
    assert_eq!(lengths, (0..12).collect());
    let listed = world
        .store
        .sessions(&chatbot, &SessionFilter::default(), page(1, 10))
        .await?;
    let session = entries(listed, 1, 1).remove(0);
    assert_eq!(all_messages(&world, &session).await?.len(), 12);
    Ok(())
}

async fn a_turn_that_cannot_be_written_harms_none_beside_it(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let turns = (0..30).map(|n| {
        let (store, chatbot) = (world.store.clone(), chatbot.clone());
        tokio::spawn(async move {
            let key = match n % 3 {
                0 => SessionKey::Id(SessionId::new()),
                _ => visitor("web", Some(&format!("visitor {n}"))),
            };
            let turn = store.open_turn(&chatbot, &key, said("Hello?"), 20).await;
            (n, turn)
        })
    });
    for turn in futures_util::future::join_all(turns).await {
        let (n, turn) = turn.expect("no panic");
        if n % 3 == 0 {
            assert_not_found(turn);
            continue;
        }
        let session = turn?.session;
        assert_eq!(session.visitor, Some(format!("visitor {n}")));
        assert_eq!(all_messages(&world, &session).await?.len(), 1);
    }
    entries(
        world
            .store
            .sessions(&chatbot, &SessionFilter::default(), page(1, 50))
            .await?,
        1,
        20,
    );
    Ok(())
}

async fn without_a_token_every_turn_begins_a_session(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let turn = say(&world, &chatbot, &visitor("web", None), "Hi").await?;
        assert_eq!((turn.session.visitor, turn.history.len()), (None, 0));
        ids.insert(turn.session.id);
    }
    assert_eq!(ids.len(), 3);
    Ok(())
}

async fn a_turn_sees_the_latest_messages_oldest_first(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let key = visitor("web", Some("v"));
    // The clock stands: the order is that of the writing all the same.
    for n in 0..5 {
        let turn = say(&world, &chatbot, &key, &format!("question {n}")).await?;
        let answer = answer(&turn, &format!("answer {n}"), &world);
        world
            .store
            .finish_turn(&chatbot, &answer, AnswerFacts::default())
            .await?;
    }
    let history = async |limit: u32| {
        let turn = world
            .store
            .open_turn(&chatbot, &key, said("next"), limit)
            .await?;
        let contents = turn.history.into_iter().map(|message| message.content);
        Result::Ok(contents.collect::<Vec<String>>())
    };
    assert_eq!(history(3).await?, ["answer 3", "question 4", "answer 4"]);
    assert_eq!(history(2).await?, ["answer 4", "next"]);
    assert!(history(0).await?.is_empty());
    assert_eq!(history(100).await?.len(), 13);
    Ok(())
}

async fn another_chatbots_session_is_not_found(world: World) -> Result<()> {
    let chatbot = world.chatbot("Mine").await?;
    let stranger = world.chatbot("Stranger").await?;
    let turn = say(&world, &chatbot, &visitor("web", Some("v")), "Hi").await?;
    let id = turn.session.id;
    assert_not_found(world.store.session(&stranger, id).await);
    assert_not_found(say(&world, &stranger, &SessionKey::Id(id), "Hello").await);
    assert_not_found(say(&world, &chatbot, &SessionKey::Id(SessionId::new()), "Hi").await);
    let answer = answer(&turn, "Hello", &world);
    assert_not_found(
        world
            .store
            .finish_turn(&stranger, &answer, AnswerFacts::default())
            .await,
    );
    entries(
        world
            .store
            .sessions(&stranger, &SessionFilter::default(), page(1, 10))
            .await?,
        1,
        0,
    );
    assert_eq!(all_messages(&world, &turn.session).await?.len(), 1);
    assert_eq!(world.store.session(&chatbot, id).await?, turn.session);
    Ok(())
}

async fn sessions_are_listed_by_what_was_said_last(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut ids = Vec::new();
    for n in 0..5 {
        let key = visitor("web", Some(&format!("v{n}")));
        ids.push(say(&world, &chatbot, &key, "Hi").await?.session.id);
        world.clock().advance(Duration::from_secs(1));
    }
    say(&world, &chatbot, &visitor("web", Some("v1")), "Again").await?;
    let expected = [1, 4, 3, 2, 0].map(|n| ids[n]);
    let mut listed = Vec::new();
    for number in 1..=3 {
        let page = world
            .store
            .sessions(&chatbot, &SessionFilter::default(), page(number, 2))
            .await?;
        let ids = entries(page, number, 5)
            .into_iter()
            .map(|session| session.id);
        listed.extend(ids);
    }
    assert_eq!(listed, expected);
    Ok(())
}

async fn messages_are_listed_oldest_first(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let key = visitor("web", Some("v"));
    for n in 0..7 {
        say(&world, &chatbot, &key, &format!("{n}")).await?;
    }
    let session = world
        .store
        .sessions(&chatbot, &SessionFilter::default(), page(1, 1))
        .await?;
    let session = entries(session, 1, 1).remove(0);
    let mut listed = Vec::new();
    for number in 1..=3 {
        let page = world.store.messages(&session, page(number, 3)).await?;
        let contents = entries(page, number, 7)
            .into_iter()
            .map(|message| message.content);
        listed.extend(contents);
    }
    assert_eq!(listed, ["0", "1", "2", "3", "4", "5", "6"]);
    Ok(())
}

async fn a_refused_turn_takes_no_other_with_it(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let deleted = world.chatbot("Deleted").await?;
    world.store.delete_chatbot(&deleted).await?;
    let turns = (0..60).map(|n| {
        let store = world.store.clone();
        let (chatbot, key) = match n % 4 {
            0 => (chatbot.clone(), SessionKey::Id(SessionId::new())),
            1 => (deleted.clone(), visitor("web", Some("v"))),
            _ => (chatbot.clone(), visitor("web", Some(&format!("v{n}")))),
        };
        tokio::spawn(async move {
            let turn = store.open_turn(&chatbot, &key, said("Hi"), 5).await;
            (n, turn)
        })
    });
    let mut opened = BTreeSet::new();
    for turn in futures_util::future::join_all(turns).await {
        match turn.expect("no panic") {
            (n, turn) if n % 4 < 2 => assert_not_found(turn),
            (_, turn) => {
                let session = turn?.session;
                assert_eq!(all_messages(&world, &session).await?.len(), 1);
                opened.insert(session.id);
            }
        }
    }
    assert_eq!(opened.len(), 30);
    let listed = world
        .store
        .sessions(&chatbot, &SessionFilter::default(), page(1, 200))
        .await?;
    let listed = entries(listed, 1, 30).into_iter().map(|session| session.id);
    assert_eq!(listed.collect::<BTreeSet<_>>(), opened);
    Ok(())
}

async fn a_turn_whose_caller_left_is_stored_whole_or_not_at_all(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let callers: Vec<_> = (0..40)
        .map(|n| {
            let (store, chatbot) = (world.store.clone(), chatbot.clone());
            tokio::spawn(async move {
                let key = visitor("web", Some(&format!("v{n}")));
                store.open_turn(&chatbot, &key, said("Hi"), 5).await
            })
        })
        .collect();
    let mut stayed = 0;
    for (n, caller) in callers.into_iter().enumerate() {
        if n % 2 == 0 {
            caller.abort();
        }
        match caller.await {
            Ok(turn) => {
                turn?;
                stayed += 1;
            }
            Err(left) => assert!(left.is_cancelled(), "{left}"),
        }
    }
    assert!(stayed >= 20, "who stayed was served");
    // The store goes on, and no session stands there without what was said in it.
    say(&world, &chatbot, &visitor("web", Some("last")), "Hi").await?;
    let sessions = world
        .store
        .sessions(&chatbot, &SessionFilter::default(), page(1, 200))
        .await?
        .entries;
    assert!(sessions.len() > stayed);
    for session in sessions {
        let messages = all_messages(&world, &session).await?;
        assert_eq!(messages.len(), 1);
        let last = session.last_message.expect("something was said");
        assert_eq!(last.id, messages[0].id);
    }
    Ok(())
}

async fn conversations_that_run_at_once_are_kept_apart(world: World) -> Result<()> {
    let chatbots = [world.chatbot("One").await?, world.chatbot("Two").await?];
    let conversations = (0..40).map(|n| {
        let (store, chatbot) = (world.store.clone(), chatbots[n % 2].clone());
        let clock = world.clock().now();
        tokio::spawn(async move {
            let profile = json!({"name": format!("visitor {n}")});
            let key = SessionKey::Visitor {
                platform: "web".to_owned(),
                // The same tokens at both chatbots.
                token: Some(format!("visitor {}", n / 2)),
                profile: (n % 3 == 0).then(|| profile.as_object().cloned().unwrap_or_default()),
            };
            let mut expected = Vec::new();
            for turn in 0..4 {
                let question = format!("question {turn} of {n}");
                // By its id from the third turn on.
                let key = match expected.last() {
                    Some((id, _)) if turn > 1 => SessionKey::Id(*id),
                    _ => key.clone(),
                };
                let opened = store.open_turn(&chatbot, &key, said(&question), 20).await?;
                let session = opened.session;
                assert_eq!(session.chatbot_id, chatbot.id);
                let known = session.metadata.get("name").map(ToString::to_string);
                assert_eq!(known, (n % 3 == 0).then(|| format!("\"visitor {n}\"")));
                let last = session.last_message.expect("it has one");
                assert_eq!(last.content, question);
                let history: Vec<_> = opened.history.into_iter().map(|it| it.content).collect();
                let before: Vec<String> = expected
                    .iter()
                    .map(|(_, said): &(_, String)| said.clone())
                    .collect();
                assert_eq!(history, before);
                let content = format!("answer {turn} of {n}");
                let answer = Message {
                    id: MessageId::new(),
                    session_id: session.id,
                    sender_type: SenderType::Bot,
                    content: content.clone(),
                    attachments: None,
                    metadata: serde_json::Map::new(),
                    model: None,
                    provider: None,
                    tokens_used: 0,
                    feedback: None,
                    created_at: clock,
                };
                store
                    .finish_turn(&chatbot, &answer, AnswerFacts::default())
                    .await?;
                expected.extend([(session.id, question), (session.id, content)]);
            }
            Result::Ok(expected)
        })
    });
    let mut sessions = BTreeSet::new();
    for (n, told) in futures_util::future::join_all(conversations)
        .await
        .into_iter()
        .enumerate()
    {
        let told = told.expect("no panic")?;
        let session = world.store.session(&chatbots[n % 2], told[0].0).await?;
        let stored = all_messages(&world, &session)
            .await?
            .into_iter()
            .map(|it| it.content);
        assert!(stored.eq(told.into_iter().map(|(_, said)| said)));
        sessions.insert(session.id);
    }
    assert_eq!(sessions.len(), 40);
    Ok(())
}
