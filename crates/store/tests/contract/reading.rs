//! Looking at knowledge: lists by filter, chunks in pages, and the texts that were read.

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, ItemKind, ItemStatus, Source};
use okra_store::blobs;
use okra_store::jobs::Task;
use okra_store::knowledge::{Ingested, ItemFilter};
use uuid::Uuid;

use crate::on_every_database;
use crate::world::{LEASE, World, assert_not_found, entries, file, ingested, page};

on_every_database![
    filters_narrow_the_list,
    a_search_takes_every_character_as_itself,
    chunks_come_in_pages,
    a_new_reading_replaces_the_text,
    typed_items_are_their_own_text,
    a_deleted_item_takes_its_texts_along,
];

async fn add(world: &World, chatbot: &Chatbot, title: Option<&str>, source: Source) -> Item {
    let title = title.map(str::to_owned);
    let item = Item::new(chatbot.id, title, source, world.clock().now()).expect("valid");
    let added = world.store.add_items(chatbot, vec![item.clone()]).await;
    added.expect("the item is stored");
    item
}

fn pair(question: &str, answer: &str) -> Source {
    Source::Qna {
        question: question.to_owned(),
        answer: answer.to_owned(),
    }
}

async fn found(world: &World, chatbot: &Chatbot, filter: ItemFilter) -> Result<Vec<String>> {
    let listed = world.store.items(chatbot, &filter, page(1, 10)).await?;
    assert_eq!(listed.pagination.total, listed.entries.len() as i64);
    Ok(listed.entries.into_iter().map(|item| item.title).collect())
}

async fn filters_narrow_the_list(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    world.add_ready(&chatbot, &["Opening hours"]).await?;
    let shipping = add(&world, &chatbot, None, pair("Do you ship?", "To Europe.")).await;
    let url = Source::Url {
        url: "https://example.com/RETURNS".to_owned(),
    };
    add(&world, &chatbot, Some("A page"), url).await;
    let manual = file(&chatbot, "manual", world.clock());
    world.store.add_items(&chatbot, vec![manual]).await?;
    let off = |item: &Item| {
        let mut item = item.clone();
        item.enabled = false;
        Ok((item, false))
    };
    world.store.update_item(&chatbot, shipping.id, off).await?;

    let all = ItemFilter::default();
    assert_eq!(found(&world, &chatbot, all.clone()).await?.len(), 4);
    let status = Some(ItemStatus::Ready);
    let ready = ItemFilter {
        status,
        ..all.clone()
    };
    assert_eq!(found(&world, &chatbot, ready).await?, ["Opening hours"]);
    let kind = Some(ItemKind::File);
    let files = ItemFilter {
        kind,
        ..all.clone()
    };
    assert_eq!(found(&world, &chatbot, files).await?, ["manual.txt"]);
    for (enabled, count) in [(true, 3), (false, 1)] {
        let filter = ItemFilter {
            enabled: Some(enabled),
            ..all.clone()
        };
        assert_eq!(found(&world, &chatbot, filter).await?.len(), count);
    }
    for (words, title) in [
        ("OPENING", "Opening hours"),
        ("returns", "A page"),
        ("europe", "Do you ship?"),
        ("manual.TXT", "manual.txt"),
    ] {
        let search = Some(words.to_owned());
        let filter = ItemFilter {
            search,
            ..all.clone()
        };
        assert_eq!(found(&world, &chatbot, filter).await?, [title], "{words}");
    }
    let both = ItemFilter {
        search: Some("ship".to_owned()),
        enabled: Some(true),
        ..all
    };
    assert!(found(&world, &chatbot, both).await?.is_empty());
    Ok(())
}

async fn a_search_takes_every_character_as_itself(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    for title in ["100%", "100", "a_b", "aXb", r"c\d", "Ürün", "배송 안내"] {
        add(&world, &chatbot, Some(title), pair("?", "!")).await;
    }
    // SQLite folds the case of ASCII alone, so the other letters are as they were written.
    for (words, title) in [
        ("0%", "100%"),
        ("A_B", "a_b"),
        (r"C\D", r"c\d"),
        ("ÜRü", "Ürün"),
        ("배송", "배송 안내"),
    ] {
        let search = Some(words.to_owned());
        let filter = ItemFilter {
            search,
            ..ItemFilter::default()
        };
        assert_eq!(found(&world, &chatbot, filter).await?, [title], "{words}");
    }
    Ok(())
}

async fn chunks_come_in_pages(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["one", "two", "three"]).await?;
    let first = world.store.chunks(&chatbot, item.id, page(1, 2)).await?;
    let first = entries(first, 1, 3);
    assert_eq!((first[0].ordinal, first[1].text.as_str()), (1, "two"));
    assert_eq!(first[0].headings, ["Guide", "Part 1"]);
    assert_eq!((first[1].page, &first[1].embedding), (Some(2), &None));
    let second = world.store.chunks(&chatbot, item.id, page(2, 2)).await?;
    assert_eq!(entries(second, 2, 3)[0].text, "three");

    let stranger = world.chatbot("Stranger").await?;
    assert_not_found(world.store.chunks(&stranger, item.id, page(1, 2)).await);
    Ok(())
}

async fn read(world: &World, chatbot: &Chatbot, item: &Item, text: &str) -> Result<Uuid> {
    let reread = |item: &Item| Ok((item.clone(), true));
    world.store.update_item(chatbot, item.id, reread).await?;
    let job = world.lease_ingest(item.id).await?;
    let name = Uuid::new_v4();
    let path = blobs::text_path(chatbot.id, item.id, name);
    let bytes = Bytes::from(text.to_owned());
    world.store.blobs().put(&path, bytes).await?;
    let done = Ingested {
        text_file: Some(name),
        ..ingested(&[text])
    };
    assert!(world.store.finish_ingest(&job, item.id, done).await?);
    Ok(name)
}

async fn a_new_reading_replaces_the_text(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = file(&chatbot, "manual", world.clock());
    world.store.add_items(&chatbot, vec![item.clone()]).await?;
    assert_eq!(world.store.item_text(&chatbot, item.id).await?, None);

    let first = read(&world, &chatbot, &item, "old").await?;
    let text = world.store.item_text(&chatbot, item.id).await?;
    assert_eq!(text.as_deref(), Some("old".as_bytes()));
    assert_eq!(world.store.open_jobs().await?, 0);

    read(&world, &chatbot, &item, "new").await?;
    let text = world.store.item_text(&chatbot, item.id).await?;
    assert_eq!(text.as_deref(), Some("new".as_bytes()));
    let job = world
        .store
        .lease_job(LEASE)
        .await?
        .expect("the old text goes");
    let path = blobs::text_path(chatbot.id, item.id, first);
    assert_eq!(job.task, Task::DeleteBlobs(path));

    let stranger = world.chatbot("Stranger").await?;
    assert_not_found(world.store.item_text(&stranger, item.id).await);
    Ok(())
}

async fn typed_items_are_their_own_text(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let typed = world.add_text(&chatbot, "# Hours\n\nFrom ten.").await?;
    let text = world.store.item_text(&chatbot, typed.id).await?;
    assert_eq!(text.as_deref(), Some("# Hours\n\nFrom ten.".as_bytes()));
    let asked = add(&world, &chatbot, None, pair("Do you ship?", "Yes.")).await;
    let text = world.store.item_text(&chatbot, asked.id).await?;
    assert_eq!(
        text.as_deref(),
        Some("**Do you ship?**\n\nYes.\n".as_bytes())
    );
    Ok(())
}

async fn a_deleted_item_takes_its_texts_along(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = file(&chatbot, "manual", world.clock());
    world.store.add_items(&chatbot, vec![item.clone()]).await?;
    read(&world, &chatbot, &item, "text").await?;
    world.store.delete_item(&chatbot, item.id).await?;
    let mut gone = Vec::new();
    while let Some(job) = world.store.lease_job(LEASE).await? {
        gone.push(job.task.clone());
        world.store.finish_job(&job).await?;
    }
    let folder = blobs::texts_folder(chatbot.id, item.id);
    assert!(gone.contains(&Task::DeleteBlobs(folder)), "{gone:?}");
    let path = blobs::item_path(chatbot.id, item.id);
    assert!(gone.contains(&Task::DeleteBlobs(path)), "{gone:?}");
    Ok(())
}
