//! The providers of organizations, and what their chatbots use.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, NamedProvider};
use okra_domain::provider::{Provider, ProviderChange};
use okra_domain::session::{AnswerFacts, Message, PLAYGROUND, SenderType};
use okra_domain::{Error, ErrorKind, MessageId, Secret};
use okra_store::sessions::{SessionKey, UserMessage};
use serde_json::Map;

use crate::on_every_database;
use crate::world::{World, assert_fails};

on_every_database![
    a_chatbot_comes_with_its_organizations_provider,
    usage_is_counted_by_chatbot_and_month,
];

async fn a_chatbot_comes_with_its_organizations_provider(world: World) -> Result<()> {
    let (ours, theirs) = (world.chatbot("Ours").await?, world.chatbot("Theirs").await?);
    let store = &world.store;
    let organization = ours.organization_id;
    assert_eq!(store.provider(organization).await?, None);
    let set = async |url: &str, key: Option<&str>| {
        let change = ProviderChange {
            base_url: Some(url.to_owned()),
            api_key: key.map(|key| Some(Secret::new(key))),
        };
        let change = |current: Option<&Provider>| Provider::changed(current, change);
        store.set_provider(organization, change).await
    };
    let first = set("https://models.example.com/v1", Some("sk-1234567890")).await?;
    assert_eq!(store.provider(organization).await?, Some(first.clone()));
    let providers = store.chatbot(organization, ours.id).await?.models.providers;
    let named = NamedProvider::openai_compatible(first.clone());
    assert_eq!(providers, [named]);
    let other = store.chatbot(theirs.organization_id, theirs.id).await?;
    assert_eq!(other.models, ModelSettings::default());

    assert_eq!(
        set("https://models.example.com/v1", None).await?,
        first,
        "the key stays"
    );
    assert_fails(
        set("https://other.example.com/v1", None).await,
        ErrorKind::Invalid,
    );
    let refuse = |_: Option<&Provider>| Err(Error::invalid("No."));
    assert_fails(
        store.set_provider(organization, refuse).await,
        ErrorKind::Invalid,
    );
    assert_eq!(store.provider(organization).await?, Some(first));
    store.delete_provider(organization).await?;
    store.delete_provider(organization).await?;
    let chatbot = store.chatbot(organization, ours.id).await?;
    assert_eq!(chatbot.models, ModelSettings::default());
    Ok(())
}

async fn usage_is_counted_by_chatbot_and_month(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.chatbot("Other").await?;
    world.add_ready(&chatbot, &["one", "two"]).await?;
    world.add_ready(&other, &["not ours"]).await?;
    let say = async |platform: &str, tokens| -> Result<()> {
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
        let session = world
            .store
            .open_turn(&chatbot, &key, said, 0)
            .await?
            .session;
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
        world.store.finish_turn(&chatbot, &answer, facts).await
    };
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
