//! Knowledge as its owner sees it: added, listed, changed, deleted.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, ItemChange, ItemStatus, Source};
use okra_domain::{ChatbotId, ErrorKind, ItemId};
use okra_store::blobs::{item_path, texts_folder};
use okra_store::jobs::Task;
use okra_store::knowledge::{Added, IndexedItem, ItemFilter};

use crate::on_every_database;
use crate::world::{
    LEASE, World, assert_fails, assert_not_found, entries, file, ingested, page, text,
};

on_every_database! {
    items_are_added_all_or_none,
    the_same_bytes_are_recognised,
    a_failed_file_that_comes_again_is_read_again,
    the_same_files_at_once_are_stored_once,
    a_change_of_content_is_read_anew,
    a_disabled_item_is_not_found,
    a_deleted_item_is_gone_at_once,
    another_chatbots_item_is_not_found,
    items_are_listed_newest_first,
    passages_come_in_the_order_asked_for,
    every_kind_of_source_is_kept,
}

fn added_id(added: &Added) -> (bool, ItemId) {
    match added {
        Added::New(item) => (true, item.id),
        Added::Known(item) => (false, item.id),
    }
}

async fn items_are_added_all_or_none(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let items: Vec<Item> = (0..5)
        .map(|n| text(&chatbot, &format!("text {n}"), world.clock()))
        .collect();
    let mut broken = items.clone();
    broken[4].chatbot_id = ChatbotId::new();
    assert_not_found(world.store.add_items(&chatbot, broken).await);
    entries(
        world
            .store
            .items(&chatbot, &ItemFilter::default(), page(1, 10))
            .await?,
        1,
        0,
    );
    assert_eq!(world.store.open_jobs().await?, 0);

    let mut twice = items.clone();
    twice[4].id = twice[0].id;
    assert_fails(
        world.store.add_items(&chatbot, twice).await,
        ErrorKind::Internal,
    );
    assert_eq!(world.store.open_jobs().await?, 0);

    let added = world.store.add_items(&chatbot, items.clone()).await?;
    let expected: Vec<Added> = items.into_iter().map(Added::New).collect();
    assert_eq!(added, expected);
    assert_eq!(world.store.open_jobs().await?, 5);
    assert!(
        world
            .store
            .add_items(&chatbot, Vec::new())
            .await?
            .is_empty()
    );
    Ok(())
}

async fn the_same_bytes_are_recognised(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let other = world.chatbot("Other").await?;
    let new = |chatbot: &Chatbot, bytes: &str| file(chatbot, bytes, world.clock());
    let first = new(&chatbot, "a");
    let files = vec![first.clone(), new(&chatbot, "b"), new(&chatbot, "a")];
    let added = world.store.add_items(&chatbot, files).await?;
    let told: Vec<(bool, ItemId)> = added.iter().map(added_id).collect();
    assert_eq!(
        told.iter().map(|(new, _)| *new).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(told[2].1, first.id);

    let again = world
        .store
        .add_items(&chatbot, vec![new(&chatbot, "a")])
        .await?;
    assert_eq!(added_id(&again[0]), (false, first.id));
    assert_eq!(world.store.open_jobs().await?, 2, "each is read once");
    // Another chatbot's file is nobody else's business; texts are never the same.
    let elsewhere = world
        .store
        .add_items(&other, vec![new(&other, "a")])
        .await?;
    assert!(added_id(&elsewhere[0]).0);
    let texts = vec![
        text(&chatbot, "same", world.clock()),
        text(&chatbot, "same", world.clock()),
    ];
    let texts = world.store.add_items(&chatbot, texts).await?;
    assert!(texts.iter().all(|added| added_id(added).0));
    Ok(())
}

async fn a_failed_file_that_comes_again_is_read_again(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let first = file(&chatbot, "a", world.clock());
    world.store.add_items(&chatbot, vec![first.clone()]).await?;
    let job = world.lease_ingest(first.id).await?;
    assert!(
        world
            .store
            .fail_ingest(&job, first.id, "No text in it.")
            .await?
    );
    assert_eq!(world.store.open_jobs().await?, 0);

    let again = file(&chatbot, "a", world.clock());
    let added = world.store.add_items(&chatbot, vec![again]).await?;
    let Added::Known(known) = &added[0] else {
        panic!("its bytes are known: {added:?}");
    };
    assert_eq!((known.id, known.status), (first.id, ItemStatus::Pending));
    assert_eq!(known.error, None);
    assert_eq!(&world.store.item(&chatbot, first.id).await?, known);
    world.lease_ingest(first.id).await?;
    Ok(())
}

async fn the_same_files_at_once_are_stored_once(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let uploads = (0..12).map(|n| {
        let (store, chatbot) = (world.store.clone(), chatbot.clone());
        let names = ["a", "b", "c", "d", "e"];
        let mut files: Vec<Item> = names.map(|name| file(&chatbot, name, store.clock())).into();
        // In either order: whoever waits for the other must not be waited for.
        if n % 2 == 0 {
            files.reverse();
        }
        tokio::spawn(async move { store.add_items(&chatbot, files).await })
    });
    let mut new = 0;
    for added in futures_util::future::join_all(uploads).await {
        let added = added.expect("no panic")?;
        new += added.iter().filter(|added| added_id(added).0).count();
    }
    assert_eq!(new, 5);
    entries(
        world
            .store
            .items(&chatbot, &ItemFilter::default(), page(1, 10))
            .await?,
        1,
        5,
    );
    assert_eq!(world.store.open_jobs().await?, 5);
    Ok(())
}

async fn a_change_of_content_is_read_anew(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["Old words."]).await?;
    let before = world.store.knowledge_changes(&chatbot, 0).await?.version;
    world.clock().advance(Duration::from_secs(1));
    let now = world.clock().now();
    let change = |item: &Item| {
        // The first line stays, and with it the title that was made of it.
        let content = Some("Old words.\n\nNew words.".to_owned());
        item.changed(
            ItemChange {
                content,
                ..ItemChange::default()
            },
            now,
        )
    };
    let changed = world.store.update_item(&chatbot, item.id, change).await?;
    assert_eq!(changed.status, ItemStatus::Pending);
    assert_eq!(world.store.item(&chatbot, item.id).await?, changed);
    // Until it is read, the old version answers.
    let chunks = world.store.item_chunks(&chatbot, item.id).await?;
    assert_eq!(chunks[0].text, "Old words.");
    let same = world.store.knowledge_changes(&chatbot, before).await?;
    assert_eq!((same.version, same.items.len()), (before, 0));

    let job = world.lease_ingest(item.id).await?;
    world
        .store
        .finish_ingest(&job, item.id, ingested(&["New words."]))
        .await?;
    let chunks = world.store.item_chunks(&chatbot, item.id).await?;
    assert_eq!((chunks.len(), chunks[0].text.as_str()), (1, "New words."));
    let after = world.store.knowledge_changes(&chatbot, before).await?;
    assert_eq!((after.version, after.items), (before + 1, vec![item.id]));

    let refuse = |_: &Item| Err(okra_domain::Error::invalid("no"));
    let refused = world.store.update_item(&chatbot, item.id, refuse).await;
    assert_fails(refused, ErrorKind::Invalid);
    assert_eq!(world.store.open_jobs().await?, 0);
    Ok(())
}

async fn a_disabled_item_is_not_found(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["one", "two"]).await?;
    let places = [(item.id, 2), (item.id, 1)];
    let set = async |enabled: bool| {
        let now = world.clock().now();
        let change = |item: &Item| {
            let enabled = Some(enabled);
            item.changed(
                ItemChange {
                    enabled,
                    ..ItemChange::default()
                },
                now,
            )
        };
        let before = world.store.knowledge_changes(&chatbot, 0).await?.version;
        let item = world.store.update_item(&chatbot, item.id, change).await?;
        let changes = world.store.knowledge_changes(&chatbot, before).await?;
        Result::Ok((item, changes.items))
    };
    let (disabled, noted) = set(false).await?;
    assert_eq!(
        (disabled.status, disabled.enabled),
        (ItemStatus::Ready, false)
    );
    assert_eq!(noted, [item.id]);
    assert!(
        world
            .store
            .found_chunks(&chatbot, &places)
            .await?
            .is_empty()
    );
    assert_eq!(world.store.passages(&chatbot).await?, 0);
    let indexed = world.store.indexed_item(&chatbot, item.id).await?;
    assert!(indexed.chunks.is_empty());
    assert_eq!(world.store.open_jobs().await?, 0, "nothing to read anew");
    assert_eq!(set(false).await?.1, [], "nothing changed");

    assert_eq!(set(true).await?.1, [item.id]);
    assert_eq!(world.store.passages(&chatbot).await?, 2);
    assert_eq!(world.store.found_chunks(&chatbot, &places).await?.len(), 2);
    Ok(())
}

async fn a_deleted_item_is_gone_at_once(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let upload = file(&chatbot, "a", world.clock());
    world
        .store
        .add_items(&chatbot, vec![upload.clone()])
        .await?;
    let job = world.lease_ingest(upload.id).await?;
    world
        .store
        .finish_ingest(&job, upload.id, ingested(&["one"]))
        .await?;
    let typed = world.add_text(&chatbot, "typed").await?;
    let reading = world.lease_ingest(typed.id).await?;
    let before = world.store.knowledge_changes(&chatbot, 0).await?.version;

    let deleted = world.store.delete_item(&chatbot, upload.id).await?;
    assert_eq!((deleted.id, deleted.chunks), (upload.id, 1));
    world.store.delete_item(&chatbot, typed.id).await?;
    for id in [upload.id, typed.id] {
        assert_not_found(world.store.item(&chatbot, id).await);
        assert_not_found(world.store.delete_item(&chatbot, id).await);
        assert_eq!(world.store.begin_ingest(&chatbot, id).await?, None);
        let gone = IndexedItem {
            item_id: id,
            title: String::new(),
            embedding_space: None,
            chunks: Vec::new(),
        };
        assert_eq!(world.store.indexed_item(&chatbot, id).await?, gone);
    }
    let found = world
        .store
        .found_chunks(&chatbot, &[(upload.id, 1)])
        .await?;
    assert!(found.is_empty());
    let changes = world.store.knowledge_changes(&chatbot, before).await?;
    assert_eq!(changes.items, [upload.id, typed.id], "indexes are told");
    // Who was reading it meanwhile writes nothing.
    assert!(
        !world
            .store
            .finish_ingest(&reading, typed.id, ingested(&["late"]))
            .await?
    );
    assert!(!world.store.fail_ingest(&reading, typed.id, "late").await?);

    for path in [
        item_path(chatbot.id, upload.id),
        texts_folder(chatbot.id, upload.id),
    ] {
        let job = world.store.lease_job(LEASE).await?.expect("a job is due");
        assert_eq!(job.task, Task::DeleteBlobs(path));
    }
    let more = world.store.lease_job(LEASE).await?;
    assert_eq!(more, None, "a typed text has no blob");
    // The same bytes are new again.
    let again = vec![file(&chatbot, "a", world.clock())];
    let again = world.store.add_items(&chatbot, again).await?;
    assert!(added_id(&again[0]).0);
    Ok(())
}

async fn another_chatbots_item_is_not_found(world: World) -> Result<()> {
    let chatbot = world.chatbot("Mine").await?;
    let stranger = world.chatbot("Stranger").await?;
    let item = world.add_ready(&chatbot, &["secret"]).await?;
    let take = |item: &Item| Ok((item.clone(), true));
    assert_not_found(world.store.item(&stranger, item.id).await);
    assert_not_found(world.store.update_item(&stranger, item.id, take).await);
    assert_not_found(world.store.delete_item(&stranger, item.id).await);
    assert_eq!(world.store.begin_ingest(&stranger, item.id).await?, None);
    let places = [(item.id, 1)];
    assert!(
        world
            .store
            .found_chunks(&stranger, &places)
            .await?
            .is_empty()
    );
    assert!(
        world
            .store
            .item_chunks(&stranger, item.id)
            .await?
            .is_empty()
    );
    entries(
        world
            .store
            .items(&stranger, &ItemFilter::default(), page(1, 10))
            .await?,
        1,
        0,
    );
    let changes = world.store.knowledge_changes(&stranger, 0).await?;
    assert_eq!((changes.version, changes.items.len()), (0, 0));
    assert_eq!(world.store.item(&chatbot, item.id).await?, item);
    assert_eq!(world.store.open_jobs().await?, 0);
    Ok(())
}

async fn items_are_listed_newest_first(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut added = Vec::new();
    for n in 0..7 {
        added.push(world.add_text(&chatbot, &format!("text {n}")).await?.id);
        if n % 2 == 0 {
            world.clock().advance(Duration::from_micros(1));
        }
    }
    added.reverse();
    let mut listed = Vec::new();
    for number in 1..=3 {
        let page = world
            .store
            .items(&chatbot, &ItemFilter::default(), page(number, 3))
            .await?;
        listed.extend(entries(page, number, 7).into_iter().map(|item| item.id));
    }
    assert_eq!(listed, added);
    Ok(())
}

async fn passages_come_in_the_order_asked_for(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let stranger = world.chatbot("Stranger").await?;
    let texts: Vec<String> = (1..=40).map(|n| format!("passage {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let one = world.add_ready(&chatbot, &texts).await?;
    let two = world.add_ready(&chatbot, &texts[..3]).await?;
    let foreign = world.add_ready(&stranger, &texts[..3]).await?;

    // More than one statement's worth, from both items, with places that are not there between.
    let mut places: Vec<_> = (1..=40).rev().map(|n| (one.id, n)).collect();
    places.insert(7, (two.id, 2));
    let there = places.clone();
    places.insert(3, (foreign.id, 1));
    places.insert(12, (one.id, 41));
    places.insert(20, (ItemId::new(), 1));
    let found = world.store.found_chunks(&chatbot, &places).await?;
    let order: Vec<_> = found
        .iter()
        .map(|chunk| (chunk.item_id, chunk.chunk.ordinal))
        .collect();
    assert_eq!(order, there);
    let first = &found[0];
    assert_eq!(
        (first.chunk.text.as_str(), first.chunk.page),
        ("passage 40", Some(40))
    );
    assert_eq!(first.chunk.headings, ["Guide", "Part 40"]);
    assert_eq!(
        (first.title.as_str(), &first.url),
        (one.title.as_str(), &None)
    );
    assert_eq!(first.chunk.embedding, None, "vectors stay behind");
    assert!(world.store.found_chunks(&chatbot, &[]).await?.is_empty());
    Ok(())
}

async fn every_kind_of_source_is_kept(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let url = "https://example.com/faq?a=1#b".to_owned();
    let sources = [
        Source::Qna {
            question: "반품 기간은?".to_owned(),
            answer: "30일 🙂".to_owned(),
        },
        Source::Text {
            content: "# Shipping\n\nTwo days.".to_owned(),
        },
        Source::Url { url: url.clone() },
        Source::File {
            file_name: "보고서.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            sha256: "abc".to_owned(),
        },
    ];
    for source in sources {
        let mut item = Item::new(chatbot.id, None, source, world.clock().now())?;
        item.size_bytes = 5_000_000_000;
        world.store.add_items(&chatbot, vec![item.clone()]).await?;
        assert_eq!(world.store.item(&chatbot, item.id).await?, item);
        let job = world.lease_ingest(item.id).await?;
        let mut done = ingested(&["passage"]);
        done.chunks[0].question = Some("반품 기간은?".to_owned());
        done.chunks[0].page = None;
        done.chunks[0].embedding = None;
        world
            .store
            .finish_ingest(&job, item.id, done.clone())
            .await?;
        assert_eq!(
            world.store.item_chunks(&chatbot, item.id).await?,
            done.chunks
        );
        let found = world.store.found_chunks(&chatbot, &[(item.id, 1)]).await?;
        let expected = matches!(item.source, Source::Url { .. }).then(|| url.clone());
        assert_eq!(
            (&found[0].url, &found[0].chunk),
            (&expected, &done.chunks[0])
        );
    }
    Ok(())
}
