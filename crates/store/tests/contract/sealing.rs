//! Secrets at rest: nothing in the database tells them, and only the right master key opens them.

use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::{EmbedderChoice, Reranker, Serving};
use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, NamedProvider};
use okra_domain::provider::Provider;
use okra_domain::{ErrorKind, Secret};
use okra_store::Store;
use okra_store::sealing::MasterKeys;
use okra_store::testing::everything_in;

use crate::on_every_database;
use crate::world::World;

on_every_database![
    no_secret_is_in_the_database_in_clear,
    what_lay_in_clear_is_sealed_at_the_next_start,
    servers_over_one_database_need_one_master_key,
    a_new_master_key_seals_everything_anew,
];

const KEY: &str = "sk-that-nobody-may-find-0123456789";

fn endpoint() -> Provider {
    Provider {
        base_url: "https://models.example.com/v1".to_owned(),
        api_key: Some(Secret::new(KEY)),
    }
}

fn embedder() -> EmbedderChoice {
    EmbedderChoice::Endpoint {
        provider: endpoint(),
        model: "embed-1".to_owned(),
    }
}

/// A chatbot with a secret in every place that has room for one.
async fn secretive(world: &World) -> Result<Chatbot> {
    let (store, chatbot) = (&world.store, world.chatbot("Shop").await?);
    let organization = chatbot.organization_id;
    let change = |current: &Chatbot| {
        Ok(Chatbot {
            openai_api_key: Some(Secret::new(KEY)),
            identity_secret: Some(Secret::new(KEY)),
            ..current.clone()
        })
    };
    store
        .update_chatbot(organization, chatbot.id, change)
        .await?;
    let with_provider = |mut settings: ModelSettings| {
        settings.put(NamedProvider::openai_compatible(endpoint()), false)?;
        Ok(settings)
    };
    store
        .change_model_settings(organization, with_provider)
        .await?;
    let before = Serving {
        space: "static".to_owned(),
        embedder: Some(embedder()),
    };
    world.add_ready(&chatbot, &["one"]).await?;
    let choice = embedder();
    store
        .choose_embedder(&chatbot, Some(&choice), &before, "next")
        .await?;
    store
        .choose_organization_embedder(organization, Some(&choice), &before, "next")
        .await?;
    let reranker = |_: Option<&Reranker>| {
        Ok(Some(Reranker {
            provider: endpoint(),
            model: None,
            top_n: 20,
        }))
    };
    store.set_reranker(&chatbot, reranker).await?;
    store.server_secret("tokens", Secret::new(KEY)).await?;
    store.chatbot(organization, chatbot.id).await
}

/// Asserts that every secret is read as it was set.
async fn assert_open(store: &Store, chatbot: &Chatbot) -> Result<()> {
    let key = Some(Secret::new(KEY));
    let read = store.chatbot(chatbot.organization_id, chatbot.id).await?;
    assert_eq!(&read, chatbot);
    assert_eq!((&read.openai_api_key, &read.identity_secret), (&key, &key));
    assert_eq!(read.models.providers[0].endpoint.api_key, key);
    assert_eq!(read.embedding.own, Some(embedder()));
    assert_eq!(read.embedding.organization, Some(embedder()));
    assert_eq!(read.reranker.expect("set").provider.api_key, key);
    let other = store
        .server_secret("tokens", Secret::new("another"))
        .await?;
    assert_eq!(other.expose(), KEY);
    Ok(())
}

async fn no_secret_is_in_the_database_in_clear(world: World) -> Result<()> {
    let chatbot = secretive(&world).await?;
    assert_open(&world.store, &chatbot).await?;
    let copy = world.store.duplicate_chatbot(&chatbot, None).await?;
    let copied = world.store.chatbot(copy.organization_id, copy.id).await?;
    assert_eq!(
        copied.embedding.own,
        Some(embedder()),
        "sealed anew for its row"
    );
    assert_eq!(copied.reranker.expect("copied").provider, endpoint());
    let all = everything_in(&world.place).await;
    assert!(
        all.contains("models.example.com"),
        "the dump holds what is no secret"
    );
    assert!(all.contains("okra-sealed:"));
    assert!(!all.contains(KEY));
    // A key that is moved to another row or address opens no more.
    world
        .raw("UPDATE chatbots SET openai_api_key = identity_secret")
        .await;
    let moved = world
        .store
        .chatbot(chatbot.organization_id, chatbot.id)
        .await;
    assert_eq!(
        moved.expect_err("it is no key of this column").kind,
        ErrorKind::Internal
    );
    Ok(())
}

async fn what_lay_in_clear_is_sealed_at_the_next_start(world: World) -> Result<()> {
    let chatbot = secretive(&world).await?;
    // As an Okra before this one left it.
    let json = match world.is_postgres() {
        true => "jsonb",
        false => "text",
    };
    let provider = format!("\"base_url\":\"https://models.example.com/v1\",\"api_key\":\"{KEY}\"");
    let embedder = format!("'{{\"kind\":\"endpoint\",\"model\":\"embed-1\",{provider}}}'");
    let models = format!(
        "'{{\"providers\":[{{\"name\":\"models.example.com\",\"kind\":\"openai\",{provider}}}]}}'"
    );
    for sql in [
        format!("UPDATE chatbots SET openai_api_key = '{KEY}', identity_secret = '{KEY}'"),
        format!("UPDATE chatbots SET embedder = CAST({embedder} AS {json})"),
        format!("UPDATE chatbots SET serving_embedder = CAST({embedder} AS {json})"),
        format!("UPDATE chatbots SET reranker = CAST('{{{provider},\"top_n\":20}}' AS {json})"),
        format!("UPDATE organizations SET embedder = CAST({embedder} AS {json})"),
        format!("UPDATE organizations SET models = CAST({models} AS {json})"),
        format!("UPDATE server_secrets SET value = '{KEY}'"),
        "DELETE FROM master_keys".to_owned(),
    ] {
        world.raw(&sql).await;
    }
    assert!(everything_in(&world.place).await.contains(KEY));
    let organization = chatbot.organization_id;
    // As a stop does, so that no connection holds on to old pages.
    world.store.close().await;
    let [one, two] = [world.open_again(), world.open_again()];
    let (one, two) = tokio::join!(one, two);
    assert_open(&one?, &chatbot).await?;
    let two = two?;
    assert_open(&two, &chatbot).await?;
    assert_eq!(two.model_settings(organization).await?, chatbot.models);
    let all = everything_in(&world.place).await;
    assert!(!all.contains(KEY), "not even in pages that are free");
    Ok(())
}

async fn servers_over_one_database_need_one_master_key(world: World) -> Result<()> {
    let chatbot = secretive(&world).await?;
    let open = async |keys: &MasterKeys| {
        let (database, storage) = (&world.place.database_url, &world.place.storage_url);
        Store::open(database, storage, keys, world.clock().clone()).await
    };
    let MasterKeys::File(path) = &world.place.master_keys else {
        panic!("a place keeps its master key in a file");
    };
    // A second server is given the same one, in words rather than as a file.
    let key = std::fs::read_to_string(path).expect("the file is there");
    let second = open(&MasterKeys::Given(Secret::new(key))).await?;
    assert_open(&second, &chatbot).await?;

    let refused = async |keys: &MasterKeys, words: [&str; 2]| {
        let error = open(keys).await.err().expect("refused");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(
            words.iter().all(|word| error.message.contains(word)),
            "{error}"
        );
    };
    let missing = MasterKeys::File(path.with_file_name("elsewhere.key"));
    refused(&missing, ["elsewhere.key is not there", "backup"]).await;
    assert!(
        !path.with_file_name("elsewhere.key").exists(),
        "none is made in its place"
    );
    let wrong = MasterKeys::Given(MasterKeys::generate()?);
    refused(&wrong, ["OKRA_MASTER_KEY holds", "right one"]).await;
    assert_open(&world.store, &chatbot).await
}

async fn a_new_master_key_seals_everything_anew(world: World) -> Result<()> {
    let chatbot = secretive(&world).await?;
    let MasterKeys::File(path) = &world.place.master_keys else {
        panic!("a place keeps its master key in a file");
    };
    let old = std::fs::read_to_string(path).expect("the file is there");
    world.store.close().await;
    let id = world.place.master_keys.rotate()?;
    let again = world.open_again().await?;
    assert_open(&again, &chatbot).await?;
    let all = everything_in(&world.place).await;
    assert!(all.contains(&format!("okra-sealed:{id}:")) && !all.contains(KEY));
    // The old one alone opens nothing any more; the new one needs no other.
    let (database, storage) = (&world.place.database_url, &world.place.storage_url);
    let open = async |keys: &str| {
        let keys = MasterKeys::Given(Secret::new(keys));
        Store::open(database, storage, &keys, world.clock().clone()).await
    };
    assert!(open(&old).await.is_err());
    let both = std::fs::read_to_string(path).expect("the file is there");
    let new = both.lines().next().expect("a line");
    assert_open(&open(new).await?, &chatbot).await
}
