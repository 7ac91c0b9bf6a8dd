//! The providers of organizations, and what their chatbots use.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::models::{
    ModelSettings, ModelSettingsChange, NamedProvider, NamedProviderChange, ProviderKind,
};
use okra_domain::provider::ProviderChange;
use okra_domain::session::{AnswerFacts, Message, PLAYGROUND, SenderType};
use okra_domain::{Error, ErrorKind, MessageId, OrganizationId, Secret};
use okra_store::sessions::{SessionKey, UserMessage};
use serde_json::Map;

use crate::on_every_database;
use crate::world::{World, assert_fails};

on_every_database![
    a_chatbot_comes_with_what_its_organization_decided,
    tokens_of_a_day_are_counted_where_there_is_an_end_to_them,
    usage_is_counted_by_chatbot_and_month,
];

async fn a_chatbot_comes_with_what_its_organization_decided(world: World) -> Result<()> {
    let (ours, theirs) = (world.chatbot("Ours").await?, world.chatbot("Theirs").await?);
    let store = &world.store;
    let organization = ours.organization_id;
    assert_eq!(
        store.model_settings(organization).await?,
        ModelSettings::default()
    );
    let set = async |name: &str, key: Option<&str>| {
        let change = NamedProviderChange {
            kind: ProviderKind::Anthropic,
            endpoint: ProviderChange {
                base_url: None,
                api_key: key.map(|key| Some(Secret::new(key))),
            },
            api_version: None,
        };
        let change = |mut settings: ModelSettings| {
            let next = NamedProvider::changed(settings.provider(name), name, change)?;
            settings.put(next, false)?;
            Ok(settings)
        };
        store.change_model_settings(organization, change).await
    };
    set("first", Some("sk-1234567890")).await?;
    let both = set("second", None).await?;
    let names: Vec<&str> = both.providers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(store.model_settings(organization).await?, both);
    assert_eq!(store.chatbot(organization, ours.id).await?.models, both);
    assert_eq!(set("first", None).await?, both, "the key stays");
    let other = store.chatbot(theirs.organization_id, theirs.id).await?;
    assert_eq!(other.models, ModelSettings::default());

    let refuse = |_| Err(Error::invalid("No."));
    let refused = store.change_model_settings(organization, refuse).await;
    assert_fails(refused, ErrorKind::Invalid);
    let nobody = OrganizationId::new();
    assert_fails(store.model_settings(nobody).await, ErrorKind::NotFound);
    assert_fails(
        store.change_model_settings(nobody, Ok).await,
        ErrorKind::NotFound,
    );
    let rest = |settings: ModelSettings| {
        settings.changed(ModelSettingsChange {
            fallback_model: Some(Some("second/claude-haiku".to_owned())),
            tokens_a_day: Some(Some(5_000)),
        })
    };
    let all = store.change_model_settings(organization, rest).await?;
    assert_eq!(all.providers, both.providers);
    assert_eq!(store.chatbot(organization, ours.id).await?.models, all);
    Ok(())
}

/// Has the chatbot answer on a platform, for so many tokens.
async fn answer(world: &World, chatbot: &Chatbot, platform: &str, tokens: i64) -> Result<()> {
    let key = SessionKey::Visitor {
        platform: platform.to_owned(),
        token: None,
        profile: None,
    };
    let said = UserMessage {
        id: None,
        content: "Hello".to_owned(),
        attachments: None,
    };
    let session = world.store.open_turn(chatbot, &key, said, 0).await?.session;
    let answer = Message {
        id: MessageId::new(),
        session_id: session.id,
        sender_type: SenderType::Bot,
        content: "Good day".to_owned(),
        attachments: None,
        metadata: Map::new(),
        model: None,
        provider: None,
        tokens_used: tokens,
        feedback: None,
        created_at: world.clock().now(),
    };
    let facts = AnswerFacts::default();
    let stored = world.store.finish_turn(chatbot, &answer, facts).await?;
    assert!(stored.is_stored(), "nobody took over");
    Ok(())
}

async fn tokens_of_a_day_are_counted_where_there_is_an_end_to_them(world: World) -> Result<()> {
    let (store, clock) = (&world.store, world.clock());
    let made = world.chatbot("Shop").await?;
    let organization = made.organization_id;
    let chatbot = async || store.chatbot(organization, made.id).await;
    answer(&world, &made, "web", 100).await?;
    assert_eq!(store.tokens_today(organization).await?, 100);
    assert_eq!(
        chatbot().await?.tokens_used.tokens,
        0,
        "nothing is counted yet"
    );
    let end = |settings: ModelSettings| {
        settings.changed(ModelSettingsChange {
            tokens_a_day: Some(Some(500)),
            ..ModelSettingsChange::default()
        })
    };
    store.change_model_settings(organization, end).await?;
    let left = async || -> Result<i64> {
        let chatbot = chatbot().await?;
        Ok(chatbot.tokens_used.left_of(500, clock.now()))
    };
    assert_eq!(
        left().await?,
        400,
        "what was used before today's end was set counts"
    );
    answer(&world, &chatbot().await?, "web", 30).await?;
    answer(&world, &chatbot().await?, PLAYGROUND, 300).await?;
    answer(&world, &chatbot().await?, "web", 0).await?;
    assert_eq!(
        (left().await?, store.tokens_today(organization).await?),
        (70, 430)
    );
    answer(&world, &chatbot().await?, "web", 100).await?;
    assert_eq!(left().await?, 0);
    // Set again, nothing is lost.
    store.change_model_settings(organization, end).await?;
    assert_eq!(store.tokens_today(organization).await?, 530);
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(
        (left().await?, store.tokens_today(organization).await?),
        (500, 0)
    );
    answer(&world, &chatbot().await?, "web", 7).await?;
    assert_eq!(
        (left().await?, store.tokens_today(organization).await?),
        (493, 7)
    );
    Ok(())
}

async fn usage_is_counted_by_chatbot_and_month(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.chatbot("Other").await?;
    world.add_ready(&chatbot, &["one", "two"]).await?;
    world.add_ready(&other, &["not ours"]).await?;
    let say = async |platform, tokens| answer(&world, &chatbot, platform, tokens).await;
    say("web", 100).await?;
    world
        .clock()
        .advance(Duration::from_secs(40 * 24 * 60 * 60));
    say("web", 20).await?;
    say(PLAYGROUND, 3_000_000_000).await?;
    let month = world.clock().now().month();
    let usage = world.store.usage(chatbot.organization_id, month).await?;
    assert_eq!(usage.len(), 1);
    let one = &usage[0];
    assert_eq!((one.id, one.name.as_str()), (chatbot.id, "Shop helper"));
    assert_eq!((one.items, one.chunks, one.storage_bytes), (1, 2, 6));
    assert_eq!((one.messages, one.tokens), (2, 3_000_000_020));
    Ok(())
}
