//! A copy of a chatbot: all that it knows, nothing of what it keeps secret, and no leftovers.

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, ItemStatus};
use okra_domain::{ErrorKind, Secret};
use okra_store::blobs;
use okra_store::jobs::Task;
use okra_store::knowledge::{Ingested, ItemFilter};
use uuid::Uuid;

use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails, entries, file, ingested, page};

on_every_database![
    a_copy_has_every_item_and_no_secret,
    what_is_being_read_is_read_anew_in_the_copy,
    a_copy_and_its_original_go_their_own_ways,
    a_copy_that_comes_to_nothing_leaves_nothing,
];

async fn put(world: &World, path: &str, text: &str) -> Result<()> {
    let bytes = Bytes::from(text.to_owned());
    world.store.blobs().put(path, bytes).await
}

async fn items(world: &World, chatbot: &Chatbot) -> Result<Vec<Item>> {
    let all = ItemFilter::default();
    Ok(world.store.items(chatbot, &all, page(1, 50)).await?.entries)
}

/// A chatbot with an avatar, a key, a text and a file, both read.
async fn original(world: &World) -> Result<(Chatbot, Item)> {
    let chatbot = world.chatbot("Shop helper").await?;
    let set = |current: &Chatbot| {
        let mut next = current.clone();
        next.settings.prompt = "Be kind.".to_owned();
        next.avatar = Some("a.jpg".to_owned());
        next.is_public = true;
        next.openai_api_key = Some(Secret::new("sk-abcdefghijkl"));
        next.identity_secret = Some(Secret::new("secret-secret"));
        Ok(next)
    };
    let organization = chatbot.organization_id;
    let chatbot = world
        .store
        .update_chatbot(organization, chatbot.id, set)
        .await?;
    put(world, &blobs::avatar_path(chatbot.id, "a.jpg"), "picture").await?;
    world.add_ready(&chatbot, &["one", "two"]).await?;
    let upload = file(&chatbot, "manual", world.clock());
    put(world, &blobs::item_path(chatbot.id, upload.id), "bytes").await?;
    world
        .store
        .add_items(&chatbot, vec![upload.clone()])
        .await?;
    let job = world.lease_ingest(upload.id).await?;
    let name = Uuid::new_v4();
    put(
        world,
        &blobs::text_path(chatbot.id, upload.id, name),
        "text",
    )
    .await?;
    let done = Ingested {
        text_file: Some(name),
        ..ingested(&["three"])
    };
    world.store.finish_ingest(&job, upload.id, done).await?;
    Ok((chatbot, upload))
}

async fn a_copy_has_every_item_and_no_secret(world: World) -> Result<()> {
    let (chatbot, _) = original(&world).await?;
    let copy = world.store.duplicate_chatbot(&chatbot, None).await?;
    let stored = world
        .store
        .chatbot(chatbot.organization_id, copy.id)
        .await?;
    assert_eq!(stored, copy);
    assert_eq!(
        (copy.name.as_str(), copy.slug.as_str()),
        ("Shop helper (copy)", "shop-helper-copy")
    );
    assert_eq!(copy.settings, chatbot.settings);
    assert_eq!((copy.openai_api_key, copy.identity_secret), (None, None));
    assert!(!copy.is_public);

    let (old, new) = (
        items(&world, &chatbot).await?,
        items(&world, &stored).await?,
    );
    assert_eq!(new.len(), 2);
    for (old, new) in old.iter().zip(&new) {
        assert_ne!(old.id, new.id);
        assert_eq!(
            (&old.title, &old.source, old.status),
            (&new.title, &new.source, new.status)
        );
        let of_old = world.store.item_chunks(&chatbot, old.id).await?;
        assert_eq!(world.store.item_chunks(&stored, new.id).await?, of_old);
        let of_old = world.store.item_text(&chatbot, old.id).await?;
        assert_eq!(world.store.item_text(&stored, new.id).await?, of_old);
    }
    let mut told = world.store.knowledge_changes(&stored, 0).await?.items;
    told.sort();
    let mut expected: Vec<_> = new.iter().map(|item| item.id).collect();
    expected.sort();
    assert_eq!((told, stored.knowledge_version), (expected, 1));
    let blobs = world.store.blobs();
    let picture = blobs.read(&blobs::avatar_path(copy.id, "a.jpg")).await?;
    assert_eq!(picture.as_deref(), Some("picture".as_bytes()));
    let uploaded = new
        .iter()
        .find(|item| item.title == "manual.txt")
        .expect("the file");
    let bytes = blobs.read(&blobs::item_path(copy.id, uploaded.id)).await?;
    assert_eq!(bytes.as_deref(), Some("bytes".as_bytes()));
    assert_eq!(world.store.open_jobs().await?, 0);

    // A second copy has a name of its own choice and another slug.
    let named = world
        .store
        .duplicate_chatbot(&chatbot, Some("Shop helper"))
        .await?;
    assert_eq!(
        (named.name.as_str(), named.slug.as_str()),
        ("Shop helper", "shop-helper-2")
    );
    let refused = world.store.duplicate_chatbot(&chatbot, Some("")).await;
    assert_fails(refused, ErrorKind::Invalid);
    Ok(())
}

async fn what_is_being_read_is_read_anew_in_the_copy(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let reading = world.add_text(&chatbot, "being read").await?;
    world.lease_ingest(reading.id).await?;
    world.store.begin_ingest(&chatbot, reading.id).await?;
    let failed = world.add_text(&chatbot, "failed").await?;
    let job = world.lease_ingest(failed.id).await?;
    world
        .store
        .fail_ingest(&job, failed.id, "No text in it.")
        .await?;
    let copy = world.store.duplicate_chatbot(&chatbot, None).await?;
    let copied = items(&world, &copy).await?;
    let status = |title: &str| {
        let item = copied.iter().find(|item| item.title == title);
        item.map(|item| item.status)
    };
    assert_eq!(status("being read"), Some(ItemStatus::Pending));
    assert_eq!(status("failed"), Some(ItemStatus::Failed));
    let job = world.store.lease_job(LEASE).await?.expect("a job is due");
    let pending = copied
        .iter()
        .find(|item| item.status == ItemStatus::Pending);
    assert_eq!(job.task, Task::Ingest(pending.expect("one waits").id));
    assert_eq!(job.chatbot_id, copy.id);
    Ok(())
}

async fn a_copy_and_its_original_go_their_own_ways(world: World) -> Result<()> {
    let (chatbot, upload) = original(&world).await?;
    let copy = world.store.duplicate_chatbot(&chatbot, None).await?;
    world.store.delete_item(&chatbot, upload.id).await?;
    world.store.delete_chatbot(&chatbot).await?;
    while let Some(job) = world.store.lease_job(LEASE).await? {
        let Task::DeleteBlobs(path) = &job.task else {
            panic!("nothing is to be read: {job:?}");
        };
        world.store.blobs().delete(path).await?;
        world.store.finish_job(&job).await?;
    }
    let kept = items(&world, &copy).await?;
    assert_eq!(kept.len(), 2);
    for item in kept {
        assert!(world.store.item_text(&copy, item.id).await?.is_some());
        assert!(!world.store.item_chunks(&copy, item.id).await?.is_empty());
    }
    Ok(())
}

async fn a_copy_that_comes_to_nothing_leaves_nothing(world: World) -> Result<()> {
    let (chatbot, _) = original(&world).await?;
    // The original goes between the copying of its files and of its rows.
    world.raw("DELETE FROM chatbots").await;
    let copy = world.store.duplicate_chatbot(&chatbot, None).await;
    assert_fails(copy, ErrorKind::NotFound);
    let job = world
        .store
        .lease_job(LEASE)
        .await?
        .expect("its folder is deleted now");
    let Task::DeleteBlobs(folder) = job.task else {
        panic!("nothing is to be read: {job:?}");
    };
    assert!(folder.starts_with("chatbot/") && !folder.contains(&chatbot.id.to_string()));
    entries(
        world
            .store
            .chatbots(chatbot.organization_id, page(1, 10))
            .await?,
        1,
        0,
    );
    Ok(())
}
