//! Chatbots: found through their organization alone, changed without losing anyone's change.

use std::collections::BTreeSet;
use std::time::Duration;

use okra_domain::chatbot::{Chatbot, ChatbotChange, VoiceWidgetConfig};
use okra_domain::error::Result;
use okra_domain::{ChatbotId, Error, ErrorKind, OrganizationId, Secret};
use okra_store::SlugChoice;
use okra_store::blobs::{avatar_path, chatbot_folder};
use okra_store::jobs::Task;
use okra_store::sessions::{SessionKey, UserMessage};
use serde_json::json;

use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails, assert_not_found, entries, page, random_key};

on_every_database! {
    a_chatbot_is_given_back_as_it_was_stored,
    slugs_of_one_name_are_numbered_even_when_made_at_once,
    a_chosen_slug_is_had_by_one_only,
    changes_of_different_fields_all_survive,
    a_refused_change_leaves_all_as_it_was,
    another_organizations_chatbot_is_not_found,
    a_key_is_read_together_with_its_chatbot,
    chatbots_are_listed_oldest_first,
    a_deleted_chatbot_takes_all_with_it,
    a_replaced_avatar_is_deleted_in_a_job,
    the_operator_finds_by_id_and_by_slug,
}

async fn a_chatbot_is_given_back_as_it_was_stored(world: World) -> Result<()> {
    let organization = world.organization("상점").await?;
    let mut chatbot = Chatbot::new(organization, "고객 지원 봇 🤖", world.clock().now())?;
    chatbot.description = Some("Answers \"everything\"; even ' and \\.".to_owned());
    chatbot.is_public = true;
    chatbot.suggestions = Some(vec!["배송은 얼마나 걸려요?".to_owned(), "🙂".to_owned()]);
    chatbot.voice_widget_config = Some(VoiceWidgetConfig::default());
    chatbot.openai_api_key = Some(Secret::new("sk-test-123456"));
    chatbot.settings.prompt = "Sei freundlich — 친절하게.".to_owned();
    let other = json!({"mood": {"deep": [1, 2.5, null, "ü"]}});
    chatbot.personality.other = other.as_object().cloned().unwrap_or_default();

    let made = world
        .store
        .create_chatbot(chatbot.clone(), SlugChoice::Derived);
    assert_eq!(made.await?, chatbot);
    assert_eq!(
        world.store.chatbot(organization, chatbot.id).await?,
        chatbot
    );
    Ok(())
}

async fn a_key_is_read_together_with_its_chatbot(world: World) -> Result<()> {
    let (ours, theirs) = (random_key(), random_key());
    let key = world.store.create_key("Ours", &ours).await?;
    world.store.create_key("Theirs", &theirs).await?;
    let mut chatbot = Chatbot::new(key.organization_id, "봇", world.clock().now())?;
    chatbot.openai_api_key = Some(Secret::new("sk-test-123456"));
    let made = world
        .store
        .create_chatbot(chatbot, SlugChoice::Derived)
        .await?;

    let read = async |key: &Secret, id| world.store.authenticate_for(key, id).await;
    let known = world.store.authenticate(&ours).await?.expect("a good key");
    let both = read(&ours, made.id).await?;
    assert_eq!(both, Some((known.clone(), Some(made.clone()))));
    assert_eq!(read(&ours, ChatbotId::new()).await?, Some((known, None)));
    let stranger = read(&theirs, made.id).await?.expect("a good key");
    assert_eq!(stranger.1, None, "another organization's chatbot");
    assert_eq!(read(&random_key(), made.id).await?, None);

    world.store.revoke_key_as_operator(key.id).await?;
    assert_eq!(read(&ours, made.id).await?, None, "revoked");
    Ok(())
}

async fn slugs_of_one_name_are_numbered_even_when_made_at_once(world: World) -> Result<()> {
    let organization = world.organization("Shop").await?;
    let now = world.clock().now();
    let making = (0..20).map(|_| {
        let store = world.store.clone();
        let chatbot = Chatbot::new(organization, "Shop helper", now).expect("a good name");
        tokio::spawn(async move { store.create_chatbot(chatbot, SlugChoice::Derived).await })
    });
    let mut slugs = BTreeSet::new();
    for made in futures_util::future::join_all(making).await {
        let made = made.expect("no panic")?;
        let stored = world.store.chatbot(organization, made.id).await?;
        assert_eq!(stored.slug, made.slug, "the slug told is the slug stored");
        slugs.insert(made.slug);
    }
    let numbered = (2..=20).map(|n| format!("shop-helper-{n}"));
    let expected: BTreeSet<String> = numbered.chain(["shop-helper".to_owned()]).collect();
    assert_eq!(slugs, expected);
    Ok(())
}

async fn a_chosen_slug_is_had_by_one_only(world: World) -> Result<()> {
    let organization = world.organization("Shop").await?;
    let elsewhere = world.organization("Another shop").await?;
    let new = |organization, name: &str| Chatbot::new(organization, name, world.clock().now());
    let first = new(organization, "Help")?;
    world
        .store
        .create_chatbot(first, SlugChoice::Chosen)
        .await?;
    let second = new(elsewhere, "Help")?;
    let taken = world.store.create_chatbot(second, SlugChoice::Chosen).await;
    let error = taken.expect_err("the slug is taken");
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert_eq!(error.details[0].field, "slug");

    let second = new(elsewhere, "Other")?;
    let second = world
        .store
        .create_chatbot(second, SlugChoice::Chosen)
        .await?;
    let change = |chatbot: &Chatbot| {
        let mut next = chatbot.clone();
        next.slug = "help".to_owned();
        Ok(next)
    };
    let taken = world.store.update_chatbot(elsewhere, second.id, change);
    assert_fails(taken.await, ErrorKind::Conflict);

    // Two that want the same free slug at once: one has it, the other is told.
    let third = world
        .store
        .create_chatbot(new(elsewhere, "Third")?, SlugChoice::Derived);
    let third = third.await?;
    let rename = |id: ChatbotId| {
        let store = world.store.clone();
        tokio::spawn(async move {
            let change = |chatbot: &Chatbot| {
                let mut next = chatbot.clone();
                next.slug = "wanted".to_owned();
                Ok(next)
            };
            store.update_chatbot(elsewhere, id, change).await
        })
    };
    let (one, two) = (rename(second.id), rename(third.id));
    let outcomes = [one.await.expect("no panic"), two.await.expect("no panic")];
    let kinds = outcomes.iter().map(|outcome| match outcome {
        Ok(_) => None,
        Err(error) => Some(error.kind),
    });
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_by_key(Option::is_some);
    assert_eq!(kinds, [None, Some(ErrorKind::Conflict)]);

    let orphan = new(OrganizationId::new(), "Orphan")?;
    assert_not_found(
        world
            .store
            .create_chatbot(orphan, SlugChoice::Derived)
            .await,
    );
    Ok(())
}

async fn changes_of_different_fields_all_survive(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let now = world.clock().now();
    let patches = (0..12).map(|n| {
        let store = world.store.clone();
        tokio::spawn(async move {
            let change = |chatbot: &Chatbot| {
                let personality = json!({format!("field{n}"): n});
                chatbot.changed(
                    ChatbotChange {
                        personality: Some(personality),
                        ..ChatbotChange::default()
                    },
                    now,
                )
            };
            store.update_chatbot(organization, id, change).await
        })
    });
    for changed in futures_util::future::join_all(patches).await {
        changed.expect("no panic")?;
    }
    let after = world.store.chatbot(organization, id).await?;
    let kept: BTreeSet<i64> = after
        .personality
        .other
        .values()
        .filter_map(serde_json::Value::as_i64)
        .collect();
    assert_eq!(kept, (0..12).collect());
    Ok(())
}

async fn a_refused_change_leaves_all_as_it_was(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let refuse = |_: &Chatbot| Err(Error::invalid("no"));
    let refused = world.store.update_chatbot(organization, id, refuse).await;
    assert_fails(refused, ErrorKind::Invalid);
    assert_eq!(world.store.chatbot(organization, id).await?, chatbot);

    world.clock().advance(Duration::from_secs(1));
    let now = world.clock().now();
    let rename = |chatbot: &Chatbot| {
        let change = ChatbotChange {
            name: Some("Renamed".to_owned()),
            ..ChatbotChange::default()
        };
        chatbot.changed(change, now)
    };
    let renamed = world.store.update_chatbot(organization, id, rename).await?;
    assert_eq!(
        (renamed.name.as_str(), renamed.updated_at),
        ("Renamed", now)
    );
    assert_eq!(renamed.slug, chatbot.slug, "a new name keeps the address");
    Ok(())
}

async fn another_organizations_chatbot_is_not_found(world: World) -> Result<()> {
    let mine = world.chatbot("Mine").await?;
    let stranger = world.organization("Stranger").await?;
    assert_not_found(world.store.chatbot(stranger, mine.id).await);
    let take = |chatbot: &Chatbot| {
        let mut next = chatbot.clone();
        next.name = "Taken".to_owned();
        Ok(next)
    };
    assert_not_found(world.store.update_chatbot(stranger, mine.id, take).await);
    let disguised = Chatbot {
        organization_id: stranger,
        ..mine.clone()
    };
    assert_not_found(world.store.delete_chatbot(&disguised).await);
    let listed = world.store.chatbots(stranger, page(1, 10)).await?;
    assert!(entries(listed, 1, 0).is_empty());
    let untouched = world.store.chatbot(mine.organization_id, mine.id).await?;
    assert_eq!(untouched, mine);
    Ok(())
}

async fn chatbots_are_listed_oldest_first(world: World) -> Result<()> {
    let organization = world.organization("Shop").await?;
    let mut made = Vec::new();
    for n in 0..7 {
        let chatbot = Chatbot::new(organization, &format!("Bot {n}"), world.clock().now())?;
        let chatbot = world.store.create_chatbot(chatbot, SlugChoice::Derived);
        made.push(chatbot.await?.id);
        // Half of them are made in the same microsecond, where the id decides.
        if n % 2 == 0 {
            world.clock().advance(Duration::from_micros(1));
        }
    }
    world.chatbot("Somebody else's").await?;
    let mut listed = Vec::new();
    for number in 1..=3 {
        let page = world.store.chatbots(organization, page(number, 3)).await?;
        listed.extend(entries(page, number, 7).into_iter().map(|bot| bot.id));
    }
    assert_eq!(listed, made);
    let beyond = world.store.chatbots(organization, page(9, 200)).await?;
    assert!(entries(beyond, 9, 7).is_empty());
    Ok(())
}

async fn a_deleted_chatbot_takes_all_with_it(world: World) -> Result<()> {
    let chatbot = world.chatbot("Doomed").await?;
    let other = world.chatbot("Other").await?;
    let kept = world.add_ready(&other, &["kept"]).await?;
    let ready = world.add_ready(&chatbot, &["one", "two"]).await?;
    let waiting = world.add_text(&chatbot, "three").await?;
    let said = UserMessage {
        id: None,
        content: "Hello".to_owned(),
        attachments: None,
    };
    let visitor = SessionKey::Visitor {
        profile: None,
        platform: "web".to_owned(),
        token: Some("v".to_owned()),
    };
    let turn = world
        .store
        .open_turn(&chatbot, &visitor, said.clone(), 5)
        .await?;

    world.store.delete_chatbot(&chatbot).await?;
    let organization = chatbot.organization_id;
    assert_not_found(world.store.chatbot(organization, chatbot.id).await);
    assert_not_found(world.store.item(&chatbot, ready.id).await);
    assert_not_found(world.store.item(&chatbot, waiting.id).await);
    assert_not_found(world.store.session(&chatbot, turn.session.id).await);
    assert!(
        world
            .store
            .item_chunks(&chatbot, ready.id)
            .await?
            .is_empty()
    );
    let messages = world.store.messages(&turn.session, page(1, 10)).await?;
    assert!(entries(messages, 1, 0).is_empty());
    assert_not_found(world.store.delete_chatbot(&chatbot).await);

    // Whoever still holds it can add nothing to it.
    let item = crate::world::text(&chatbot, "late", world.clock());
    assert_not_found(world.store.add_items(&chatbot, vec![item]).await);
    assert_not_found(world.store.open_turn(&chatbot, &visitor, said, 5).await);

    // The reading that waited is gone; what is left to do is to delete its folder.
    assert_eq!(world.store.open_jobs().await?, 1);
    let job = world.store.lease_job(LEASE).await?.expect("a job is due");
    assert_eq!(job.task, Task::DeleteBlobs(chatbot_folder(chatbot.id)));
    assert_eq!(job.chatbot_id, chatbot.id);
    assert_eq!(world.store.item_chunks(&other, kept.id).await?.len(), 1);
    Ok(())
}

async fn a_replaced_avatar_is_deleted_in_a_job(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let set = async |file: Option<&str>| {
        let change = |chatbot: &Chatbot| {
            let mut next = chatbot.clone();
            next.avatar = file.map(str::to_owned);
            Ok(next)
        };
        let organization = chatbot.organization_id;
        world
            .store
            .update_chatbot(organization, chatbot.id, change)
            .await
    };
    set(Some("one.jpg")).await?;
    set(Some("one.jpg")).await?;
    assert_eq!(world.store.open_jobs().await?, 0, "nothing was replaced");
    set(Some("two.jpg")).await?;
    set(None).await?;
    let mut paths = Vec::new();
    while let Some(job) = world.store.lease_job(LEASE).await? {
        paths.push(job.task);
    }
    let expected = ["one.jpg", "two.jpg"].map(|file| avatar_path(chatbot.id, file));
    assert_eq!(paths, expected.map(Task::DeleteBlobs));
    Ok(())
}

async fn the_operator_finds_by_id_and_by_slug(world: World) -> Result<()> {
    let chatbot = world.chatbot("고객 지원").await?;
    let find = async |name: &str| world.store.find_chatbot_as_operator(name).await;
    assert_eq!(find("고객-지원").await?, chatbot);
    assert_eq!(find(&chatbot.id.to_string()).await?, chatbot);
    for unknown in ["고객", "", "%", &ChatbotId::new().to_string()] {
        let error = find(unknown).await.expect_err("there is none");
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("okra chatbots list"), "{error}");
    }
    Ok(())
}
