//! Knowledge as the worker and the indexes see it: chunks swapped whole, versions that only grow.

use std::collections::BTreeSet;
use std::time::Duration;

use okra_domain::ItemId;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, ItemChange, ItemStatus};
use okra_store::knowledge::Ingested;

use crate::on_every_database;
use crate::world::{LEASE, World, ingested, text};

on_every_database! {
    what_was_read_is_swapped_in_whole,
    a_failure_keeps_what_was_found_before,
    a_title_is_taken_only_where_given,
    with_a_lost_lease_nothing_is_written,
    a_changed_item_voids_the_reading_under_way,
    every_count_of_chunks_is_stored,
    no_change_is_lost_among_writers,
}

async fn what_was_read_is_swapped_in_whole(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "long").await?;
    assert_eq!(item.status, ItemStatus::Pending);
    let job = world.lease_ingest(item.id).await?;
    world.clock().advance(Duration::from_secs(1));
    let begun = world.store.begin_ingest(&chatbot, item.id).await?;
    let begun = begun.expect("it is there");
    assert_eq!(begun.status, ItemStatus::Processing);
    assert_eq!(begun.updated_at, world.clock().now());

    world.clock().advance(Duration::from_secs(1));
    let done = ingested(&["하나", "둘", "three"]);
    assert!(
        world
            .store
            .finish_ingest(&job, item.id, done.clone())
            .await?
    );
    let ready = world.store.item(&chatbot, item.id).await?;
    let now = world.clock().now();
    let expected = Item {
        status: ItemStatus::Ready,
        chunks: 3,
        characters: 8,
        size_bytes: 14,
        updated_at: now,
        synced_at: Some(now),
        ..item.clone()
    };
    assert_eq!(ready, expected);
    let indexed = world.store.indexed_item(&chatbot, item.id).await?;
    assert_eq!(indexed.chunks, done.chunks);
    assert_eq!(indexed.title, item.title);
    assert_eq!(indexed.embedding_space.as_deref(), Some("space-1"));
    assert_eq!(world.store.open_jobs().await?, 0);
    // The same reading once more, as after a lost answer from the database, changes nothing.
    let other = ingested(&["other"]);
    assert!(!world.store.finish_ingest(&job, item.id, other).await?);
    assert_eq!(world.store.item(&chatbot, item.id).await?, ready);
    Ok(())
}

async fn a_failure_keeps_what_was_found_before(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["one"]).await?;
    let version = world.store.knowledge_changes(&chatbot, 0).await?.version;
    let reread = |item: &Item| Ok((item.clone(), true));
    world.store.update_item(&chatbot, item.id, reread).await?;
    let job = world.lease_ingest(item.id).await?;
    let reason = "The page answers with 404 — 없음.";
    assert!(world.store.fail_ingest(&job, item.id, reason).await?);
    let failed = world.store.item(&chatbot, item.id).await?;
    assert_eq!(failed.status, ItemStatus::Failed);
    assert_eq!(failed.error.as_deref(), Some(reason));
    assert_eq!(failed.synced_at, item.synced_at);
    assert_eq!(world.store.item_chunks(&chatbot, item.id).await?.len(), 1);
    let changes = world.store.knowledge_changes(&chatbot, version).await?;
    assert_eq!((changes.version, changes.items.len()), (version, 0));
    assert_eq!(world.store.open_jobs().await?, 0);

    world.store.update_item(&chatbot, item.id, reread).await?;
    let job = world.lease_ingest(item.id).await?;
    world
        .store
        .finish_ingest(&job, item.id, ingested(&["two"]))
        .await?;
    let mended = world.store.item(&chatbot, item.id).await?;
    assert_eq!((mended.status, mended.error), (ItemStatus::Ready, None));
    Ok(())
}

async fn a_title_is_taken_only_where_given(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "first line\nrest").await?;
    for (title, expected) in [(None, "first line"), (Some("나은 제목"), "나은 제목")] {
        let reread = |item: &Item| Ok((item.clone(), true));
        world.store.update_item(&chatbot, item.id, reread).await?;
        let job = world.lease_ingest(item.id).await?;
        let done = Ingested {
            title: title.map(str::to_owned),
            ..ingested(&["text"])
        };
        world.store.finish_ingest(&job, item.id, done).await?;
        assert_eq!(world.store.item(&chatbot, item.id).await?.title, expected);
    }
    Ok(())
}

async fn with_a_lost_lease_nothing_is_written(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let slow = world.lease_ingest(item.id).await?;
    world.store.begin_ingest(&chatbot, item.id).await?;
    world.clock().advance(LEASE);
    let quick = world.lease_ingest(item.id).await?;
    assert!(
        !world
            .store
            .finish_ingest(&slow, item.id, ingested(&["slow"]))
            .await?
    );
    assert!(!world.store.fail_ingest(&slow, item.id, "slow").await?);
    let reading = world.store.item(&chatbot, item.id).await?;
    assert_eq!(
        (reading.status, reading.chunks),
        (ItemStatus::Processing, 0)
    );
    assert_eq!(world.store.knowledge_changes(&chatbot, 0).await?.version, 0);

    let done = ingested(&["quick", "and", "whole"]);
    assert!(world.store.finish_ingest(&quick, item.id, done).await?);
    assert!(
        !world
            .store
            .finish_ingest(&slow, item.id, ingested(&["slow"]))
            .await?
    );
    let chunks = world.store.item_chunks(&chatbot, item.id).await?;
    let texts: Vec<&str> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(texts, ["quick", "and", "whole"]);
    Ok(())
}

async fn a_changed_item_voids_the_reading_under_way(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "old").await?;
    let old = world.lease_ingest(item.id).await?;
    let now = world.clock().now();
    let change = |item: &Item| {
        let content = Some("new".to_owned());
        item.changed(
            ItemChange {
                content,
                ..ItemChange::default()
            },
            now,
        )
    };
    world.store.update_item(&chatbot, item.id, change).await?;
    assert!(!world.store.renew_job(&old, LEASE).await?);
    assert!(
        !world
            .store
            .finish_ingest(&old, item.id, ingested(&["old"]))
            .await?
    );
    let new = world.lease_ingest(item.id).await?;
    assert_eq!(new.attempts, 1, "another content has its own attempts");
    assert!(
        world
            .store
            .finish_ingest(&new, item.id, ingested(&["new"]))
            .await?
    );
    let chunks = world.store.item_chunks(&chatbot, item.id).await?;
    assert_eq!((chunks.len(), chunks[0].text.as_str()), (1, "new"));
    Ok(())
}

async fn every_count_of_chunks_is_stored(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    // Around the rows of one statement, and far beyond them.
    for count in [0_usize, 1, 15, 16, 17, 32, 33, 1_000] {
        let texts: Vec<String> = (1..=count).map(|n| format!("passage {n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let item = world.add_text(&chatbot, "text").await?;
        let job = world.lease_ingest(item.id).await?;
        let done = ingested(&texts);
        assert!(
            world
                .store
                .finish_ingest(&job, item.id, done.clone())
                .await?
        );
        assert_eq!(
            world.store.item_chunks(&chatbot, item.id).await?,
            done.chunks
        );
        let stored = world.store.item(&chatbot, item.id).await?.chunks;
        assert_eq!(stored, i64::try_from(count).expect("small"));
    }
    Ok(())
}

async fn no_change_is_lost_among_writers(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let items: Vec<Item> = (0..24)
        .map(|n| text(&chatbot, &format!("text {n}"), world.clock()))
        .collect();
    world.store.add_items(&chatbot, items.clone()).await?;
    let writers = (0..6).map(|_| {
        let (store, chatbot) = (world.store.clone(), chatbot.clone());
        tokio::spawn(async move {
            while let Some(job) = store.lease_job(LEASE).await? {
                let okra_store::jobs::Task::Ingest(id) = job.task else {
                    panic!("only readings wait: {job:?}");
                };
                store.begin_ingest(&chatbot, id).await?;
                assert!(store.finish_ingest(&job, id, ingested(&["a", "b"])).await?);
                let now = store.clock().now();
                let hide = |item: &Item| {
                    let enabled = Some(false);
                    item.changed(
                        ItemChange {
                            enabled,
                            ..ItemChange::default()
                        },
                        now,
                    )
                };
                store.update_item(&chatbot, id, hide).await?;
            }
            Result::Ok(())
        })
    });
    // An index follows them: it asks for what changed since the version that it has.
    let writing = tokio::spawn(futures_util::future::join_all(writers));
    let (mut version, mut seen, mut versions) = (0, BTreeSet::<ItemId>::new(), 0);
    loop {
        let written = writing.is_finished();
        let changes = world.store.knowledge_changes(&chatbot, version).await?;
        assert!(changes.version >= version, "versions never go back");
        let grown = changes.version > version;
        assert!(
            !grown || !changes.items.is_empty(),
            "a version without a change"
        );
        versions += usize::from(grown);
        version = changes.version;
        seen.extend(changes.items);
        if written {
            break;
        }
    }
    for writer in writing.await.expect("no panic") {
        writer.expect("no panic")?;
    }
    assert_eq!(seen, items.iter().map(|item| item.id).collect());
    assert_eq!(version, 48, "each item was read and hidden");
    assert!(versions > 0);
    let stored = world
        .store
        .chatbot(chatbot.organization_id, chatbot.id)
        .await?;
    assert_eq!(stored.knowledge_version, version);
    Ok(())
}
