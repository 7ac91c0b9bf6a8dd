//! Who answers a session: one at a time.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::{Handling, HandlingChange, InboxQueue, Note};
use okra_domain::person::Role;
use okra_domain::session::{SenderType, Session, SessionState};
use okra_domain::{ErrorKind, MessageId, NoteId, PersonId, SessionId};
use okra_store::events::{Event, Told, Typist};
use okra_store::sessions::{AgentMessage, QueueCounts, Reader, SessionKey, UserMessage};

use crate::on_every_database;
use crate::world::{World, assert_fails, assert_not_found, entries, page};

on_every_database! {
    of_two_agents_at_once_one_has_it,
    an_agents_message_is_stored_once_and_takes_over,
    a_resolved_session_is_opened_again_by_its_visitor_alone,
    only_people_who_may_answer_are_assigned,
    who_leaves_leaves_their_sessions_to_others,
    another_chatbots_session_is_not_handled,
    the_inbox_shows_who_has_to_act,
    who_is_in_the_room_is_told_at_once,
    notes_are_kept_apart_from_messages,
    what_was_read_stays_read,
}

pub async fn ask(world: &World, chatbot: &Chatbot, visitor: &str) -> Result<Session> {
    let key = SessionKey::Visitor {
        platform: "web".to_owned(),
        token: Some(visitor.to_owned()),
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: "도와주세요".to_owned(),
        attachments: None,
    };
    world.clock().advance(std::time::Duration::from_millis(1));
    Ok(world
        .store
        .open_turn(chatbot, &key, said, 20)
        .await?
        .session)
}

fn by_agent(content: &str, id: Option<MessageId>, author: Option<PersonId>) -> AgentMessage {
    AgentMessage {
        id,
        content: content.to_owned(),
        attachments: None,
        author,
        name: Some("민지".to_owned()),
    }
}

pub fn take() -> HandlingChange {
    HandlingChange {
        is_human_mode: Some(true),
        ..HandlingChange::default()
    }
}

fn state(state: SessionState) -> HandlingChange {
    HandlingChange {
        state: Some(state),
        ..HandlingChange::default()
    }
}

pub async fn handle(
    world: &World,
    chatbot: &Chatbot,
    id: SessionId,
    change: HandlingChange,
    by: Option<PersonId>,
) -> Result<(Session, bool)> {
    let change = |now: Handling| now.changed(change, by);
    world.store.handle(chatbot, id, change).await
}

pub async fn contents(world: &World, session: &Session) -> Result<Vec<String>> {
    let messages = world.store.messages(session, page(1, 200)).await?;
    Ok(messages.entries.into_iter().map(|it| it.content).collect())
}

async fn of_two_agents_at_once_one_has_it(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let organization = chatbot.organization_id;
    let mut people = Vec::new();
    for n in 0..6 {
        let email = format!("agent-{n}@example.com");
        people.push(
            world
                .member(organization, &email, Role::Agent)
                .await?
                .person,
        );
    }
    let session = ask(&world, &chatbot, "v").await?;
    let takes = people.iter().map(|person| {
        let (store, chatbot, person) = (world.store.clone(), chatbot.clone(), *person);
        tokio::spawn(async move {
            let change = move |now: Handling| now.changed(take(), Some(person));
            store.handle(&chatbot, session.id, change).await
        })
    });
    let mut won = Vec::new();
    for (took, person) in futures_util::future::join_all(takes)
        .await
        .into_iter()
        .zip(&people)
    {
        match took.expect("no panic") {
            Ok((session, true)) => won.push((session.assignee, *person)),
            Ok((_, false)) => panic!("whoever comes later is refused"),
            Err(error) => assert_eq!(
                (error.kind, error.code),
                (ErrorKind::Conflict, Some("taken"))
            ),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].0, Some(won[0].1));
    let now = world.store.session(&chatbot, session.id).await?;
    assert_eq!((now.assignee, now.takeovers), (won[0].0, 1));
    Ok(())
}

async fn an_agents_message_is_stored_once_and_takes_over(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let agent = world
        .member(chatbot.organization_id, "a@example.com", Role::Agent)
        .await?
        .person;
    let session = ask(&world, &chatbot, "v").await?;
    let id = Some(MessageId::new());
    let says = (0..8).map(|_| {
        let (store, chatbot) = (world.store.clone(), chatbot.clone());
        tokio::spawn(async move {
            let said = by_agent("제가 볼게요.", id, Some(agent));
            store.say_as_agent(&chatbot, session.id, said).await
        })
    });
    let (mut new, mut taken) = (0, 0);
    for said in futures_util::future::join_all(says).await {
        let said = said.expect("no panic")?;
        assert_eq!(Some(said.message.id), id);
        assert_eq!(said.message.metadata["agent"]["name"], "민지");
        new += u32::from(said.is_new);
        taken += u32::from(said.taken);
    }
    assert_eq!((new, taken), (1, 1));
    assert_eq!(
        contents(&world, &session).await?,
        ["도와주세요", "제가 볼게요."]
    );
    let now = world.store.session(&chatbot, session.id).await?;
    assert_eq!((now.is_human_mode, now.assignee), (true, Some(agent)));
    let last = now.last_message.expect("a message");
    assert_eq!((last.sender_type, Some(last.id)), (SenderType::Agent, id));
    // Another text under the same key is no retry.
    let other = by_agent("Something else.", id, Some(agent));
    let refused = world.store.say_as_agent(&chatbot, session.id, other).await;
    assert_fails(refused, ErrorKind::Conflict);
    // A program may write to a person's conversation, and leaves it theirs.
    let said = by_agent("From a program.", None, None);
    let said = world.store.say_as_agent(&chatbot, session.id, said).await?;
    assert_eq!((said.taken, said.session.assignee), (false, Some(agent)));
    assert_not_found(
        world
            .store
            .say_as_agent(&chatbot, SessionId::new(), by_agent("Hi", None, None))
            .await,
    );
    Ok(())
}

async fn a_resolved_session_is_opened_again_by_its_visitor_alone(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let session = ask(&world, &chatbot, "v").await?;
    handle(
        &world,
        &chatbot,
        session.id,
        state(SessionState::Resolved),
        None,
    )
    .await?;
    // An answer that was under way is no reason to open it again.
    let (answer, facts) = world.answer(&session);
    assert!(
        world
            .store
            .finish_turn(&chatbot, &answer, facts)
            .await?
            .is_stored()
    );
    let now = world.store.session(&chatbot, session.id).await?;
    assert_eq!(now.state, SessionState::Resolved);
    let now = ask(&world, &chatbot, "v").await?;
    assert_eq!(
        (now.state, now.is_human_mode),
        (SessionState::InProgress, false)
    );
    // By its id too.
    handle(
        &world,
        &chatbot,
        session.id,
        state(SessionState::Resolved),
        None,
    )
    .await?;
    let said = UserMessage {
        id: None,
        content: "One more thing.".to_owned(),
        attachments: None,
    };
    let key = SessionKey::Id(session.id);
    let opened = world.store.open_turn(&chatbot, &key, said, 1).await?;
    assert_eq!(opened.session.state, SessionState::InProgress);
    // Where a person is waited for, writing changes nothing.
    handle(
        &world,
        &chatbot,
        session.id,
        state(SessionState::Waiting),
        None,
    )
    .await?;
    let now = ask(&world, &chatbot, "v").await?;
    assert_eq!(
        (now.state, now.is_human_mode),
        (SessionState::Waiting, true)
    );
    Ok(())
}

async fn only_people_who_may_answer_are_assigned(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let elsewhere = world.organization("Elsewhere").await?;
    let viewer = world
        .member(chatbot.organization_id, "v@example.com", Role::Viewer)
        .await?
        .person;
    let stranger = world
        .member(elsewhere, "s@example.com", Role::Owner)
        .await?
        .person;
    let session = ask(&world, &chatbot, "v").await?;
    for person in [viewer, stranger, PersonId::new()] {
        let change = HandlingChange {
            assignee: Some(Some(person)),
            ..HandlingChange::default()
        };
        let refused = handle(&world, &chatbot, session.id, change, None).await;
        let error = refused.expect_err("refused");
        assert_eq!(error.details[0].field, "assignee_id");
    }
    assert_eq!(world.store.session(&chatbot, session.id).await?, session);
    Ok(())
}

async fn who_leaves_leaves_their_sessions_to_others(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let organization = chatbot.organization_id;
    let agent = world
        .member(organization, "a@example.com", Role::Agent)
        .await?
        .person;
    let session = ask(&world, &chatbot, "v").await?;
    handle(&world, &chatbot, session.id, take(), Some(agent)).await?;
    let mut watch = world.store.watch_session(&session).await?;
    let change = |_: &okra_store::people::Member| Ok(None);
    world
        .store
        .change_member(organization, agent, change)
        .await?;
    let now = world.store.session(&chatbot, session.id).await?;
    assert_eq!((now.assignee, now.state), (None, SessionState::Waiting));
    assert!(
        now.is_human_mode,
        "the chatbot stays silent until somebody decides"
    );
    assert_eq!(watch.next().await, Told::Handled);
    Ok(())
}

async fn another_chatbots_session_is_not_handled(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.chatbot("Other").await?;
    let session = ask(&world, &chatbot, "v").await?;
    assert_not_found(handle(&world, &other, session.id, take(), None).await);
    let said = by_agent("Hi", None, None);
    assert_not_found(world.store.say_as_agent(&other, session.id, said).await);
    assert_not_found(world.store.standing(&other, session.id).await);
    assert_not_found(
        world
            .store
            .add_note(&other, &note(&world, &session, "Hi"))
            .await,
    );
    assert_eq!(world.store.session(&chatbot, session.id).await?, session);
    Ok(())
}

async fn the_inbox_shows_who_has_to_act(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.chatbot("Other").await?;
    let organization = chatbot.organization_id;
    let agent = world
        .member(organization, "a@example.com", Role::Agent)
        .await?
        .person;
    let colleague = world
        .member(organization, "b@example.com", Role::Agent)
        .await?
        .person;
    let mut sessions = Vec::new();
    for visitor in ["bot", "waiting", "mine", "theirs", "resolved"] {
        sessions.push(ask(&world, &chatbot, visitor).await?.id);
    }
    ask(&world, &other, "elsewhere").await?;
    let trial = SessionKey::Visitor {
        platform: "playground".to_owned(),
        token: None,
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: "A trial".to_owned(),
        attachments: None,
    };
    world.store.open_turn(&chatbot, &trial, said, 0).await?;
    let waiting = state(SessionState::Waiting);
    handle(&world, &chatbot, sessions[1], waiting, None).await?;
    handle(&world, &chatbot, sessions[2], take(), Some(agent)).await?;
    handle(&world, &chatbot, sessions[3], take(), Some(colleague)).await?;
    let resolved = state(SessionState::Resolved);
    handle(&world, &chatbot, sessions[4], resolved, None).await?;
    for (queue, expected) in [
        (InboxQueue::Bot, vec![sessions[0]]),
        (InboxQueue::Waiting, vec![sessions[1]]),
        (InboxQueue::Mine(agent), vec![sessions[2]]),
        (
            InboxQueue::All,
            vec![sessions[3], sessions[2], sessions[1], sessions[0]],
        ),
        (InboxQueue::Resolved, vec![sessions[4]]),
    ] {
        let total = i64::try_from(expected.len()).expect("a few");
        let found = world.store.inbox(organization, queue, page(1, 10)).await?;
        let found: Vec<SessionId> = entries(found, 1, total).iter().map(|it| it.id).collect();
        assert_eq!(found, expected, "{queue:?}");
    }
    let counts = world.store.inbox_counts(organization, Some(agent)).await?;
    assert_eq!(
        counts,
        QueueCounts {
            waiting: 1,
            mine: 1
        }
    );
    let counts = world.store.inbox_counts(organization, None).await?;
    assert_eq!(
        counts,
        QueueCounts {
            waiting: 1,
            mine: 0
        }
    );
    let second = world
        .store
        .inbox(organization, InboxQueue::All, page(2, 3))
        .await?;
    assert_eq!(entries(second, 2, 4).len(), 1);
    Ok(())
}

async fn who_is_in_the_room_is_told_at_once(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let session = ask(&world, &chatbot, "v").await?;
    let other = ask(&world, &chatbot, "w").await?;
    let mut watch = world.store.watch_session(&session).await?;
    let mut handled = world.store.watch_handled().await?;
    let mut all = world.store.watch(chatbot.organization_id).await?;
    // What another server does is heard as well, over Postgres; SQLite has one.
    let elsewhere = world.open_again().await?;
    let speaker = match world.is_postgres() {
        true => &elsewhere,
        false => &world.store,
    };
    let change = |now: Handling| now.changed(take(), None);
    speaker.handle(&chatbot, other.id, change).await?;
    speaker.handle(&chatbot, session.id, change).await?;
    speaker.tell_typing(&chatbot, &session, Typist::Visitor);
    speaker.tell_typing(&chatbot, &session, Typist::Agent(None));
    let said = by_agent("Hello!", None, None);
    let said = speaker
        .say_as_agent(&chatbot, session.id, said)
        .await?
        .message;
    // Nothing of the other session, and nothing of the visitor's own.
    assert_eq!(watch.next().await, Told::Handled);
    assert_eq!(watch.next().await, Told::Typing);
    assert_eq!(watch.next().await, Told::Message(said.id));
    assert_eq!(watch.next().await, Told::Handled);
    assert_eq!(handled.next().await, Some((other.id, 1)));
    assert_eq!(handled.next().await, Some((session.id, 1)));
    let (mut typing, mut message) = (0, None);
    while message.is_none() {
        match &*all.next().await.expect("the store is open") {
            Event::Typing { session_id, .. } if *session_id == session.id => typing += 1,
            Event::Message { message: told, .. } => message = Some(told.clone()),
            Event::Conversation(told) => assert!(told.is_human_mode),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((typing, message.map(|it| it.id)), (2, Some(said.id)));
    Ok(())
}

fn note(world: &World, session: &Session, content: &str) -> Note {
    Note {
        id: NoteId::new(),
        session_id: session.id,
        author: None,
        author_name: Some("민지".to_owned()),
        content: content.to_owned(),
        created_at: world.clock().now(),
    }
}

async fn notes_are_kept_apart_from_messages(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let session = ask(&world, &chatbot, "v").await?;
    let other = ask(&world, &chatbot, "w").await?;
    let first = note(&world, &session, "VIP, be kind.");
    world.store.add_note(&chatbot, &first).await?;
    world.clock().advance(std::time::Duration::from_millis(1));
    let second = note(&world, &session, "환불 승인됨");
    world.store.add_note(&chatbot, &second).await?;
    assert_eq!(
        world.store.notes(&session).await?,
        [first.clone(), second.clone()]
    );
    assert_eq!(world.store.notes(&other).await?, []);
    assert_eq!(world.store.note(&other, first.id).await?, None);
    assert_eq!(contents(&world, &session).await?, ["도와주세요"]);
    world.store.delete_note(&chatbot, &first).await?;
    assert_not_found(world.store.delete_note(&chatbot, &first).await);
    assert_eq!(world.store.notes(&session).await?, [second]);
    world.store.delete_chatbot(&chatbot).await?;
    assert_eq!(world.store.notes(&session).await?, []);
    Ok(())
}

async fn what_was_read_stays_read(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let session = ask(&world, &chatbot, "v").await?;
    let first = session.last_message.as_ref().expect("a message").id;
    let first_at = session.updated_at;
    world.clock().advance(std::time::Duration::from_millis(1));
    let said = by_agent("Hello!", None, None);
    let second = world
        .store
        .say_as_agent(&chatbot, session.id, said)
        .await?
        .message;
    let read = async || {
        let now = world.store.session(&chatbot, session.id).await?;
        Result::Ok((now.agents_read_at, now.visitor_read_at))
    };
    assert_eq!(read().await?, (None, None));
    let store = &world.store;
    store
        .mark_read(&chatbot, &session, second.id, Reader::Visitor)
        .await?;
    store
        .mark_read(&chatbot, &session, first, Reader::Visitor)
        .await?;
    store
        .mark_read(&chatbot, &session, first, Reader::Agents)
        .await?;
    let expected = (Some(first_at), Some(second.created_at));
    assert_eq!(read().await?, expected);
    // Of another session's message, or another chatbot's session, nothing is noted.
    let other = ask(&world, &chatbot, "w").await?;
    let foreign = other.last_message.as_ref().expect("a message").id;
    store
        .mark_read(&chatbot, &session, foreign, Reader::Agents)
        .await?;
    let elsewhere = world.chatbot("Other").await?;
    store
        .mark_read(&elsewhere, &session, second.id, Reader::Agents)
        .await?;
    assert_eq!(read().await?, expected);
    Ok(())
}
