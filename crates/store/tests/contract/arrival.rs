//! A chatbot leaves with all that belongs to it and arrives elsewhere, whole or not at all.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::EmbedderChoice;
use okra_domain::error::Result;
use okra_domain::eval::{EvalSet, parse_questions};
use okra_domain::knowledge::{Item, ItemStatus};
use okra_domain::source::{KnowledgeSource, NewSource, SourceChange, SourceKind, SourceState};
use okra_domain::{Error, ErrorKind, EvalId, ItemId};
use okra_store::blobs;
use okra_store::jobs::Task;
use okra_store::sources::{ArrivingPage, ArrivingSource};
use okra_store::{ArrivingItem, Belongings};
use uuid::Uuid;

use crate::on_every_database;
use crate::world::{
    LEASE, World, assert_fails, assert_not_found, entries, file, ingested, page, text,
};

on_every_database![
    what_leaves_is_what_is_there,
    a_chatbot_arrives_with_all_its_items,
    what_fails_half_way_leaves_nothing,
    whoever_comes_too_late_is_told,
];

async fn what_leaves_is_what_is_there(world: World) -> Result<()> {
    let (shop, other) = (world.chatbot("Shop").await?, world.chatbot("Other").await?);
    let first = world.add_ready(&shop, &["One", "Two"]).await?;
    world.clock().advance(Duration::from_secs(1));
    let second = world.add_text(&shop, "Not read yet").await?;
    assert_eq!(world.store.item_ids(&shop).await?, [first.id, second.id]);
    assert_eq!(world.store.item_ids(&other).await?, []);
    let off = |item: &Item| {
        Ok((
            Item {
                enabled: false,
                ..item.clone()
            },
            false,
        ))
    };
    let first = world.store.update_item(&shop, first.id, off).await?;

    let left = world.store.exported_item(&shop, first.id, true).await?;
    let left = left.expect("it is there, enabled or not");
    assert_eq!((&left.item, left.text_file), (&first, None));
    assert_eq!(left.embedding_space.as_deref(), Some("space-1"));
    assert_eq!(left.chunks, ingested(&["One", "Two"]).chunks);
    let bare = world.store.exported_item(&shop, first.id, false).await?;
    assert_eq!(bare.expect("it is there").chunks, []);
    let waiting = world.store.exported_item(&shop, second.id, true).await?;
    let waiting = waiting.expect("it is there");
    assert_eq!(
        (waiting.item.status, waiting.chunks.len()),
        (ItemStatus::Pending, 0)
    );
    assert_eq!(
        world.store.exported_item(&other, first.id, true).await?,
        None
    );
    assert_eq!(
        world
            .store
            .exported_item(&shop, ItemId::new(), true)
            .await?,
        None
    );
    Ok(())
}

fn arriving(item: Item, chunks: &[&str]) -> ArrivingItem {
    let read = ingested(chunks);
    let status = match chunks {
        [] => ItemStatus::Pending,
        _ => ItemStatus::Ready,
    };
    ArrivingItem {
        reread: chunks.is_empty(),
        item: Item {
            status,
            chunks: i64::try_from(chunks.len()).expect("few"),
            ..item
        },
        chunks: read.chunks,
        embedding_space: (!chunks.is_empty()).then_some(read.embedding_space),
        text_file: None,
    }
}

async fn coming(world: &World, name: &str) -> Result<Chatbot> {
    let organization = world.organization("Ours").await?;
    let chatbot = Chatbot::new(organization, name, world.clock().now())?;
    world.store.promise_deletion(&chatbot).await?;
    Ok(chatbot)
}

fn set(world: &World, chatbot: &Chatbot, name: &str) -> EvalSet {
    EvalSet {
        id: EvalId::new(),
        chatbot_id: chatbot.id,
        name: name.to_owned(),
        questions: parse_questions("{\"question\": \"Q?\", \"answer\": \"x\"}").expect("good"),
        created_at: world.clock().now(),
        updated_at: world.clock().now(),
    }
}

/// A source at rest, whose one page has the item's text, and of which another was deleted by hand.
fn arriving_source(world: &World, chatbot: &Chatbot, item: &Item) -> Result<ArrivingSource> {
    let new = NewSource {
        kind: SourceKind::Site,
        address: "https://example.com/".to_owned(),
        change: SourceChange::default(),
    };
    let source = KnowledgeSource {
        state: SourceState::Ready,
        ..KnowledgeSource::new(chatbot.id, new, world.clock().now())?
    };
    let page = |address: &str, item| ArrivingPage {
        address: address.to_owned(),
        item,
        depth: 1,
        title: Some("A page".to_owned()),
        text_hash: Some("a1".to_owned()),
    };
    Ok(ArrivingSource {
        source,
        pages: vec![
            page("https://example.com/a", Some(item.id)),
            page("https://example.com/b", None),
        ],
    })
}

async fn a_chatbot_arrives_with_all_its_items(world: World) -> Result<()> {
    world.chatbot("Shop").await?;
    let mut chatbot = coming(&world, "Shop").await?;
    chatbot.embedding.own = Some(EmbedderChoice::Transformer {
        model: "tiny".to_owned(),
    });
    let upload = file(&chatbot, "a", world.clock());
    let path = blobs::item_path(chatbot.id, upload.id);
    world
        .store
        .blobs()
        .put(&path, Bytes::from_static(b"a"))
        .await?;
    let mut note = text(&chatbot, "A note", world.clock());
    let source = arriving_source(&world, &chatbot, &note)?;
    note.source_id = Some(source.source.id);
    let name = Uuid::new_v4();
    let upload = ArrivingItem {
        text_file: Some(name),
        ..arriving(upload, &["One", "Two", "Three"])
    };
    let items = [upload.clone(), arriving(note.clone(), &[])];
    let (one, two) = (set(&world, &chatbot, "One"), set(&world, &chatbot, "Two"));
    let with = Belongings {
        evals: vec![one.clone(), two.clone()],
        sources: vec![source.clone()],
    };
    let items = stream::iter(items.map(Ok));
    let arrived = world.store.arrive(chatbot.clone(), items, with).await?;
    assert_eq!(
        (arrived.slug.as_str(), arrived.knowledge_version),
        ("shop-2", 1)
    );
    assert_eq!(
        world
            .store
            .chatbot(chatbot.organization_id, chatbot.id)
            .await?,
        arrived
    );
    assert_eq!(
        world.store.item(&arrived, upload.item.id).await?,
        upload.item
    );
    assert_eq!(
        world.store.item_chunks(&arrived, upload.item.id).await?,
        upload.chunks
    );
    let left = world
        .store
        .exported_item(&arrived, upload.item.id, true)
        .await?;
    let left = left.expect("it is there");
    assert_eq!(
        (left.embedding_space, left.text_file),
        (upload.embedding_space, Some(name))
    );
    let changes = world.store.knowledge_changes(&arrived, 0).await?;
    assert_eq!((changes.version, changes.items.len()), (1, 2));
    assert_eq!(world.store.eval(&arrived, two.id).await?, two);
    assert_eq!(arrived.embedding.own, chatbot.embedding.own);
    let leaving = world.store.leaving_sources(&arrived).await?;
    assert_eq!(leaving, [source]);
    // The one job left is to read the note: the folder stays.
    world.lease_ingest(note.id).await?;
    assert_eq!(world.store.open_jobs().await?, 1);
    assert!(world.store.blobs().exists(&path).await?);
    Ok(())
}

/// The folder of a chatbot that did not come is deleted by the next job, and that is all there is.
async fn nothing_is_left(world: &World, chatbot: &Chatbot) -> Result<()> {
    world.store.hasten_deletion(chatbot).await?;
    let job = world.store.lease_job(LEASE).await?.expect("the folder's");
    assert_eq!(
        job.task,
        Task::DeleteBlobs(blobs::chatbot_folder(chatbot.id))
    );
    world.store.finish_job(&job).await?;
    assert_eq!(world.store.open_jobs().await?, 0);
    assert_not_found(
        world
            .store
            .chatbot(chatbot.organization_id, chatbot.id)
            .await,
    );
    let all = world
        .store
        .chatbots(chatbot.organization_id, page(1, 10))
        .await?;
    entries(all, 1, 0);
    Ok(())
}

async fn what_fails_half_way_leaves_nothing(world: World) -> Result<()> {
    let chatbot = coming(&world, "Shop").await?;
    let note = arriving(text(&chatbot, "A note", world.clock()), &["A note"]);
    let broken = Err(Error::new(
        ErrorKind::Unprocessable,
        "The archive is broken.",
    ));
    let items = stream::iter([Ok(note), broken]);
    let came = world
        .store
        .arrive(chatbot.clone(), items, Belongings::default())
        .await;
    assert_fails(came, ErrorKind::Unprocessable);
    nothing_is_left(&world, &chatbot).await?;

    let chatbot = coming(&world, "Shop").await?;
    let one = arriving(file(&chatbot, "a", world.clock()), &["One"]);
    let twin = arriving(file(&chatbot, "a", world.clock()), &["One"]);
    let items = stream::iter([Ok(one), Ok(twin)]);
    let came = world
        .store
        .arrive(chatbot.clone(), items, Belongings::default())
        .await;
    assert_fails(came, ErrorKind::Unprocessable);
    nothing_is_left(&world, &chatbot).await
}

async fn whoever_comes_too_late_is_told(world: World) -> Result<()> {
    let chatbot = coming(&world, "Shop").await?;
    assert_eq!(world.store.lease_job(LEASE).await?, None, "not for an hour");
    world.clock().advance(Duration::from_secs(60 * 60));
    world
        .store
        .lease_job(LEASE)
        .await?
        .expect("the folder is being deleted");
    let none = stream::iter(std::iter::empty());
    let came = world
        .store
        .arrive(chatbot.clone(), none, Belongings::default())
        .await;
    assert_fails(came, ErrorKind::Unavailable);
    assert_not_found(
        world
            .store
            .chatbot(chatbot.organization_id, chatbot.id)
            .await,
    );
    Ok(())
}
